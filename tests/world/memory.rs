//! A [`Host`] without a kernel: files are byte vectors, mappings are heap memory that claims run-time addresses.
//!
//! # Safety
//! The one unsafe block makes an [`Image`] over memory that is never freed, so it stays valid longer than any image.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use lode::elf::segment::Access;
use lode::elf::{Address, Bias, FileOffset, Vaddr};
use lode::error::{Errno, Kind, Name};
use lode::image::{Extent, Image, Reservation};
use lode::layout::{Layout, Source};
use lode::world::{File, Host, Identity};

thread_local! {
    /// Files opened and not closed. `File` closes itself by a plain function, which can reach only what is global; each test has
    /// a thread of its own.
    static OPEN: Cell<i64> = const { Cell::new(0) };
    /// Mappings made and not released.
    static MAPPED: Cell<i64> = const { Cell::new(0) };
}

fn add(counter: &'static std::thread::LocalKey<Cell<i64>>, change: i64) {
    counter.set(counter.get() + change);
}

/// How far apart modules are placed: more than any forged module spans.
const STEP: u64 = 0x100_0000;

/// How far behind its resolver the function lies that the resolver answers.
pub const ANSWER: u64 = 8;

/// Files by path, and what was done with them.
pub struct Memory {
    files: BTreeMap<Vec<u8>, (u64, Vec<u8>)>,
    /// Paths that cannot be opened, and why.
    pub refused: BTreeMap<Vec<u8>, Errno>,
    /// Paths that open, but cannot be read.
    pub unreadable: BTreeMap<Vec<u8>, Errno>,
    opened: RefCell<Vec<Vec<u8>>>,
    next: Cell<u64>,
    /// Run-time addresses of the resolvers that were called, in order.
    pub resolved: RefCell<Vec<u64>>,
    /// Run-time address, length and new access of each protection.
    pub protected: RefCell<Vec<(u64, u64, Access)>>,
    /// Whether changing protections fails.
    pub refuses_protection: bool,
}

impl Memory {
    /// No files; the first module will be placed at `base` or behind it.
    pub fn new(base: u64) -> Memory {
        Memory {
            files: BTreeMap::new(),
            refused: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            opened: RefCell::default(),
            next: Cell::new(base),
            resolved: RefCell::default(),
            protected: RefCell::default(),
            refuses_protection: false,
        }
    }

    /// Adds a file.
    pub fn add(&mut self, path: &str, bytes: Vec<u8>) {
        let inode = self.files.len() as u64 + 1;
        self.files.insert(path.as_bytes().to_vec(), (inode, bytes));
    }

    /// Another name for the same file: same device, same inode.
    pub fn link(&mut self, path: &str, of: &str) {
        let file = self.files[of.as_bytes()].clone();
        self.files.insert(path.as_bytes().to_vec(), file);
    }

    /// Where the next module will be placed.
    pub fn place_next(&self, base: u64) {
        self.next.set(base);
    }

    /// Files open and mappings alive in this thread.
    pub fn outstanding() -> (i64, i64) {
        (OPEN.get(), MAPPED.get())
    }

    fn file(&self, file: &File) -> Option<(&[u8], &(u64, Vec<u8>))> {
        let opened = self.opened.borrow();
        let path = opened.get(usize::try_from(file.descriptor).ok()?)?;
        self.files.get_key_value(path).map(|(path, file)| (path.as_slice(), file))
    }

    fn has_below(&self, directory: &[u8]) -> bool {
        let prefix = [directory.strip_suffix(b"/").unwrap_or(directory), b"/"].concat();
        self.files.keys().any(|path| path.starts_with(&prefix))
    }
}

/// What the pieces of a plan put into one extent, in the order in which they would be mapped.
fn content(range: (Vaddr, u64), layout: &Layout, bytes: &[u8]) -> Vec<u8> {
    let (start, length) = range;
    let mut memory = vec![0; length as usize];
    for piece in &layout.pieces {
        for at in piece.at.0.max(start.0)..(piece.at.0 + piece.length).min(start.0 + length) {
            let clear = piece.clear.is_some_and(|(clear, size)| at.wrapping_sub(clear.0) < size);
            memory[(at - start.0) as usize] = match piece.source {
                Source::File { offset } if !clear => {
                    let place = (offset.0 + at - piece.at.0) as usize;
                    bytes.get(place).copied().unwrap_or(0)
                }
                _ => 0,
            };
        }
    }
    memory
}

impl Host for Memory {
    fn open(&self, path: &[u8]) -> Result<File, Kind> {
        let fault = |errno| Kind::Os {
            what: "cannot open shared object file",
            errno,
        };
        if let Some(errno) = self.refused.get(path) {
            return Err(fault(*errno));
        }
        let Some((inode, bytes)) = self.files.get(path) else {
            return Err(fault(Errno::ENOENT));
        };
        let mut opened = self.opened.borrow_mut();
        opened.push(path.to_vec());
        add(&OPEN, 1);
        Ok(File {
            identity: Identity {
                device: 1,
                inode: *inode,
            },
            length: bytes.len() as u64,
            descriptor: i32::try_from(opened.len() - 1).unwrap(),
            close: |_| add(&OPEN, -1),
        })
    }

    fn read(&self, file: &File, offset: FileOffset, into: &mut [u8]) -> Result<usize, Errno> {
        let (path, (_, bytes)) = self.file(file).unwrap();
        if let Some(errno) = self.unreadable.get(path) {
            return Err(*errno);
        }
        let rest = usize::try_from(offset.0).ok().and_then(|offset| bytes.get(offset..));
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn map(&self, file: &File, layout: &Layout) -> Result<Image, Kind> {
        let (_, (_, bytes)) = self.file(file).unwrap();
        let start = if layout.fixed {
            Address(layout.span.0.0)
        } else {
            let start = layout.place_in(Address(self.next.get())).unwrap();
            self.next.set((start.0 + layout.span.1).next_multiple_of(STEP));
            start
        };
        let extents = layout
            .extents
            .iter()
            .map(|range| Extent {
                start: range.start,
                length: range.length,
                // Leaked: the loader's tables keep references for as long as the process lives.
                host: content((range.start, range.length), layout, bytes).leak().as_mut_ptr(),
                access: range.access,
            })
            .collect();
        let reservation = Reservation {
            start,
            length: layout.span.1,
            release: |_, _| add(&MAPPED, -1),
        };
        add(&MAPPED, 1);
        let bias = Bias(start.0.wrapping_sub(layout.span.0.0));
        // SAFETY: each extent is a leaked allocation of its own, of exactly its length, to which no reference is kept.
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

    fn resolve(&self, resolver: Address) -> Address {
        self.resolved.borrow_mut().push(resolver.0);
        Address(resolver.0 + ANSWER)
    }

    fn is_directory(&self, path: &[u8]) -> bool {
        self.has_below(path)
    }

    fn program_origin(&self) -> Option<Name> {
        Some(Name::from("/bin"))
    }

    fn working_directory(&self) -> Option<Vec<u8>> {
        Some(b"/work".to_vec())
    }
}
