//! A [`Host`] without a kernel: files are byte vectors, mappings are heap memory that claims run-time addresses. The loader's stages
//! run over it as they run in a process, so tests see what they do, and `lode-tool` can say what a start would do without one.
//!
//! # Safety
//! The one unsafe block makes an [`Image`] over memory that is freed when the image gives its reservation back.

#![allow(
    clippy::unwrap_used,
    reason = "what a host over memory cannot do, its user has asked for wrongly"
)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use lode::elf::note::LevelFeatures;
use lode::elf::segment::Access;
use lode::elf::{Address, Bias, FileOffset, Vaddr};
use lode::error::{Errno, Fault, KernelVersion, Kind, Name};
use lode::image::{Extent, Image, Pointer, Reservation};
use lode::layout::{Layout, Source};
use lode::world::{File, Host, Identity};

thread_local! {
    /// Files opened and not closed. `File` closes itself by a plain function, which can reach only what is global; each test has
    /// a thread of its own.
    static OPEN: Cell<usize> = const { Cell::new(0) };
    /// Mappings made and not released, by run-time address: the bytes of their extents, of those that meet in one.
    static MAPPED: RefCell<Vec<(u64, Vec<Vec<u8>>)>> = const { RefCell::new(Vec::new()) };
}

fn close(_: i32) {
    OPEN.set(OPEN.get() - 1);
}

/// Frees the mapping at `start`; of several that claim one address, the one that was made last.
fn release(start: Address, _: u64) {
    MAPPED.with_borrow_mut(|mapped| {
        let index = mapped.iter().rposition(|(at, _)| *at == start.0).unwrap();
        mapped.remove(index);
    });
}

/// How far apart modules are placed unless a test says otherwise: more than any forged module spans.
const STEP: u64 = 0x100_0000;

/// The largest mapping, in bytes.
const MOST: u64 = 1 << 28;

/// How far behind its resolver the function lies that the resolver answers.
pub const ANSWER: u64 = 8;

/// A file.
struct Content {
    inode: u64,
    bytes: Vec<u8>,
}

/// Reads a file that was not added: its inode number and its bytes.
type Fetch = Box<dyn Fn(&[u8]) -> Result<(u64, Vec<u8>), Errno>>;

/// Says whether a directory exists.
type Exists = Box<dyn Fn(&[u8]) -> bool>;

/// Files by path, and what was done with them.
pub struct Memory {
    files: RefCell<BTreeMap<Vec<u8>, Rc<Content>>>,
    /// Where files come from that were not added; without it there are none.
    pub fetch: Option<Fetch>,
    /// Whether a directory exists that no file was added below.
    pub directories: Option<Exists>,
    /// The program's directory, for `$ORIGIN`.
    pub origin: Vec<u8>,
    /// Paths that cannot be opened, and why.
    pub refused: BTreeMap<Vec<u8>, Errno>,
    /// Paths that open, but cannot be read.
    pub unreadable: BTreeMap<Vec<u8>, Errno>,
    opened: RefCell<Vec<Vec<u8>>>,
    next: Cell<u64>,
    /// How far apart modules are placed.
    pub apart: u64,
    /// Run-time addresses of the resolvers that were called, in order.
    pub resolved: RefCell<Vec<u64>>,
    /// Run-time address, length and new access of each protection.
    pub protected: RefCell<Vec<(u64, u64, Access)>>,
    /// What was sealed: run-time address and bytes.
    pub sealed: RefCell<Vec<(u64, u64)>>,
    /// What was given back of files' parts: link-time address and bytes.
    pub forgotten: RefCell<Vec<(u64, u64)>>,
    /// Whether changing protections fails.
    pub refuses_protection: bool,
    /// The kernel.
    pub kernel: KernelVersion,
    /// What the CPU has not got.
    pub cpu_lacks: LevelFeatures,
}

impl Memory {
    /// No files; the first module will be placed at `base` or behind it.
    pub fn new(base: u64) -> Memory {
        Memory {
            files: RefCell::default(),
            fetch: None,
            directories: None,
            origin: b"/bin".to_vec(),
            refused: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            opened: RefCell::default(),
            next: Cell::new(base),
            apart: STEP,
            resolved: RefCell::default(),
            protected: RefCell::default(),
            forgotten: RefCell::default(),
            sealed: RefCell::default(),
            refuses_protection: false,
            kernel: KernelVersion(u64::MAX),
            cpu_lacks: LevelFeatures::default(),
        }
    }

    /// Adds a file.
    pub fn add(&mut self, path: &str, bytes: Vec<u8>) {
        let mut files = self.files.borrow_mut();
        let inode = files.len() as u64 + 1;
        files.insert(path.as_bytes().to_vec(), Rc::new(Content { inode, bytes }));
    }

    /// Another name for the same file: same device, same inode.
    pub fn link(&mut self, path: &str, of: &str) {
        let file = Rc::clone(&self.files.borrow()[of.as_bytes()]);
        self.files.borrow_mut().insert(path.as_bytes().to_vec(), file);
    }

    /// Where the next module will be placed.
    pub fn place_next(&self, base: u64) {
        self.next.set(base);
    }

    /// Files open and mappings alive in this thread.
    pub fn outstanding() -> (usize, usize) {
        (OPEN.get(), MAPPED.with_borrow(Vec::len))
    }

    /// The path of an open file.
    fn path_of(&self, file: &File) -> Vec<u8> {
        self.opened.borrow()[usize::try_from(file.descriptor).unwrap()].clone()
    }

    fn has_below(&self, directory: &[u8]) -> bool {
        let prefix = [directory.strip_suffix(b"/").unwrap_or(directory), b"/"].concat();
        self.files.borrow().keys().any(|path| path.starts_with(&prefix))
    }

    /// The file at a path, fetched if need be.
    fn content(&self, path: &[u8]) -> Result<Rc<Content>, Errno> {
        if let Some(content) = self.files.borrow().get(path) {
            return Ok(Rc::clone(content));
        }
        let (inode, bytes) = self.fetch.as_ref().ok_or(Errno::ENOENT)?(path)?;
        let content = Rc::new(Content { inode, bytes });
        self.files.borrow_mut().insert(path.to_vec(), Rc::clone(&content));
        Ok(content)
    }
}

/// Fills the zeros of one extent with what the pieces of a plan put into it, in the order in which they would be mapped.
fn fill(memory: &mut [u8], range: &lode::layout::Range, layout: &Layout, bytes: &[u8]) {
    let (first, end) = (range.start.0, range.start.0 + range.length);
    for piece in &layout.pieces {
        // The part of `start..start + length` that lies in the extent.
        let part = |start: u64, length: u64| {
            let from = start.max(first);
            let to = (start + length).min(end).max(from);
            (
                from,
                (from.min(end) - first) as usize..(to.min(end).max(first) - first) as usize,
            )
        };
        let (from, places) = part(piece.at.0, piece.length);
        let places = &mut memory[places];
        places.fill(0);
        if let Source::File { offset } = piece.source {
            let source = bytes
                .get((offset.0 + (from - piece.at.0)) as usize..)
                .unwrap_or_default();
            let length = source.len().min(places.len());
            places[..length].copy_from_slice(&source[..length]);
        }
        if let Some((clear, length)) = piece.clear {
            let (_, places) = part(clear.0, length);
            memory[places].fill(0);
        }
    }
}

impl Host for Memory {
    fn kernel(&self) -> KernelVersion {
        self.kernel
    }

    fn cpu_lacks(&self) -> LevelFeatures {
        self.cpu_lacks
    }

    fn open(&self, path: &[u8]) -> Result<File, Fault> {
        let fault = |errno| Kind::os("cannot open shared object file", errno);
        if let Some(errno) = self.refused.get(path) {
            return Err(fault(*errno));
        }
        let content = self.content(path).map_err(fault)?;
        let mut opened = self.opened.borrow_mut();
        opened.push(path.to_vec());
        OPEN.set(OPEN.get() + 1);
        Ok(File {
            identity: Identity {
                device: 1,
                inode: content.inode,
            },
            length: content.bytes.len() as u64,
            set_user_id: false,
            descriptor: i32::try_from(opened.len() - 1).unwrap(),
            close,
        })
    }

    fn read(&self, file: &File, offset: FileOffset, into: &mut [u8]) -> Result<usize, Errno> {
        let path = self.path_of(file);
        if let Some(errno) = self.unreadable.get(&path) {
            return Err(*errno);
        }
        let content = self.content(&path)?;
        let bytes = &content.bytes;
        let rest = usize::try_from(offset.0).ok().and_then(|offset| bytes.get(offset..));
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn map(&self, file: &File, layout: &Layout) -> Result<Image, Fault> {
        let fault = |errno| Kind::os("failed to map segment from shared object", errno);
        let file = self.content(&self.path_of(file)).map_err(fault)?;
        // A damaged file may ask for more than there is.
        if layout.span.1 > MOST {
            return Err(fault(Errno::ENOMEM));
        }
        let start = if layout.fixed {
            Address(layout.span.0.0)
        } else {
            // Nothing is ever there where a plan wishes to be first.
            let wish = layout.hint(0);
            let place = wish.unwrap_or(Address(self.next.get()));
            let start = layout.place_in(place).ok_or(fault(Errno::ENOMEM))?;
            if wish.is_none() {
                self.next.set((start.0 + layout.span.1).next_multiple_of(self.apart));
            }
            start
        };
        // Extents that meet are one allocation, as they are one stretch of memory in a process: a table may go on from one to the next.
        let meet = |one: &lode::layout::Range, next: &lode::layout::Range| one.start.0 + one.length == next.start.0;
        let (mut memory, mut extents) = (Vec::new(), Vec::new());
        for ranges in layout.extents.chunk_by(meet) {
            let lengths = ranges.iter().map(|range| usize::try_from(range.length).unwrap());
            let mut bytes: Vec<u8> = vec![0; lengths.clone().sum()];
            let mut rest = &mut bytes[..];
            for (range, length) in ranges.iter().zip(lengths) {
                let (place, behind) = rest.split_at_mut(length);
                fill(place, range, layout, &file.bytes);
                rest = behind;
            }
            let mut place = bytes.as_mut_ptr();
            for range in ranges {
                extents.push(Extent {
                    start: range.start,
                    length: range.length,
                    host: Pointer::new(place),
                    access: range.access,
                });
                place = place.wrapping_add(range.length as usize);
            }
            memory.push(bytes);
        }
        MAPPED.with_borrow_mut(|mapped| mapped.push((start.0, memory)));
        let reservation = Reservation {
            start,
            length: layout.span.1,
            release,
        };
        let bias = Bias(start.0.wrapping_sub(layout.span.0.0));
        // SAFETY: each extent is as many bytes of an allocation and of no other extent; it lives until `release` is called by the
        // reservation, which the image owns, and nothing else looks at it.
        Ok(unsafe { Image::new(bias, extents, Some(reservation)) })
    }

    fn protect(&self, image: &Image, start: Vaddr, length: u64, access: Access) -> Result<(), Errno> {
        if self.refuses_protection {
            return Err(Errno::ENOMEM);
        }
        let at = start.at(image.bias()).0;
        self.protected.borrow_mut().push((at, length, access));
        Ok(())
    }

    fn seal(&self, image: &Image, start: Vaddr, length: u64) {
        let at = start.at(image.bias()).0;
        self.sealed.borrow_mut().push((at, length));
    }

    fn resolve(&self, resolver: Address) -> Address {
        self.resolved.borrow_mut().push(resolver.0);
        Address(resolver.0 + ANSWER)
    }

    fn forget(&self, _image: &Image, start: Vaddr, length: u64) {
        self.forgotten.borrow_mut().push((start.0, length));
    }

    fn is_directory(&self, path: &[u8]) -> bool {
        self.has_below(path) || self.directories.as_ref().is_some_and(|exists| exists(path))
    }

    fn program_origin(&self) -> Option<Name> {
        Some(Name::new(&self.origin))
    }

    fn working_directory(&self) -> Option<Vec<u8>> {
        Some(b"/home".to_vec())
    }
}
