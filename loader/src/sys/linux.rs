//! [`Host`] on Linux: system calls, nothing else.
//!
//! # Safety
//! See [`super`]: a module's address space is a [`Mapping`], and so are its pieces made and given back.
#![allow(unsafe_code)]

use alloc::vec::Vec;
use core::ffi::CStr;
use core::sync::atomic::AtomicU64;

use crt::syscall::{self as call, Stat};
use crt::{Content, Mapping};
use spin::Mutex;

use crate::elf::note::LevelFeatures;
use crate::elf::segment::Access;
use crate::elf::{Address, Bias, FileOffset, Vaddr};
use crate::error::{Errno, Fault, KernelVersion, Kind, NO_MEMORY_AT_HAND, Name};
use crate::image::{Extent, Image, Pointer, Reservation};
use crate::layout::{Layout, Source};
use crate::search::directory_of;
use crate::sys::heap::{HEAP, refusal, refused};
use crate::sys::listing;
use crate::world::{File, Host, Identity};

/// Longest path that the kernel takes, with its NUL (`PATH_MAX`).
const PATH_MAX: usize = 4096;

/// Linux.
#[derive(Debug)]
pub struct Linux {
    /// Bytes of a page.
    pub page_size: u64,
    /// The program's path when lode was started as a command: the kernel then names lode as the process's file.
    pub program: Option<&'static [u8]>,
    /// The directory of the program, for a process whose file the kernel does not name (`LD_ORIGIN_PATH`).
    pub origin_path: Option<&'static [u8]>,
    /// What the CPU lacks of the x86-64 levels.
    pub cpu_lacks: LevelFeatures,
    /// Bytes that the heap has to have before a file is mapped. A start that runs out of memory ends; a running program is told.
    pub at_hand: usize,
    /// What [`Host::program_origin`] answered. Each library that the program needs may ask again.
    pub known_origin: Mutex<Option<Name>>,
}

/// Bytes of the heap that mapping a module takes at most; files with thousands of needed names apart.
pub const OF_MODULE: usize = 64 << 10;

/// Bytes of the heap that each module of a batch takes at most from then on until it is published.
pub const OF_LINKED: usize = 4 << 10;

/// A file's bytes cannot be mapped. EPERM is what a file system that is mounted noexec answers to PROT_EXEC (mmap(2)).
#[cold]
fn not_mapped(errno: Errno) -> Fault {
    match errno {
        Errno::EPERM => Kind::NoExecMount.into(),
        _ => Kind::os("failed to map segment from shared object", errno),
    }
}

/// Whether the user may execute a program, as the kernel would ask before it started it: access(2) says no as well where the file system is mounted noexec.
///
/// # Errors
/// [`Kind::NotExecutable`]; [`Kind::NoExecMount`] if the user is not the reason.
pub fn may_execute(path: &[u8], file: &File) -> Result<(), Fault> {
    let Err(Errno::EACCES) = with_path(path, &mut |path| call::access(path, call::X_OK)) else {
        return Ok(());
    };
    match Mapping::new(0, 1, call::PROT_EXEC, of_file(file, FileOffset(0))) {
        Err(errno) => Err(not_mapped(errno)),
        Ok(_) => Err(Kind::NotExecutable.into()),
    }
}

/// What is known about an open file. Releases of glibc ask in one way or the other, and there are filters that answer the one only.
#[inline(never)]
fn status(descriptor: i32) -> Result<Stat, Errno> {
    match call::fstat(descriptor) {
        Err(Errno::ENOSYS | Errno::EPERM) => call::fstatat(descriptor, c"", call::AT_EMPTY_PATH),
        known => known,
    }
}

/// Runs `body` with `path` as a C string.
pub(super) fn with_path(path: &[u8], body: &mut dyn FnMut(&CStr) -> Result<(), Errno>) -> Result<(), Errno> {
    if path.len() >= PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let mut text = Vec::with_capacity(path.len() + 1);
    text.extend_from_slice(path);
    text.extend_from_slice(b"\0");
    match CStr::from_bytes_with_nul(&text) {
        Ok(text) => body(text),
        // No file has a NUL in its name.
        Err(_) => Err(Errno::ENOENT),
    }
}

/// Room for the longest path. On the heap: the first thread's stack may be as small as 16 KiB.
#[inline(never)]
pub(super) fn path_buffer() -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(PATH_MAX).ok()?;
    // Piece by piece: what fills a vector with one value goes byte by byte.
    const PIECE: [u8; 64] = [0; 64];
    while buffer.len() < PATH_MAX {
        buffer.extend_from_slice(&PIECE);
    }
    Some(buffer)
}

fn close(descriptor: i32) {
    // A close that fails leaves nothing that could be done about it.
    let _ = call::close(descriptor);
}

fn unmap(start: Address, length: u64) {
    // SAFETY: called by the reservation that owns this range, when its image is dropped.
    let _ = unsafe { call::munmap(start.0 as usize, length as usize) };
}

fn of_file(file: &File, offset: FileOffset) -> Content {
    Content::of_file(file.descriptor, offset.0)
}

/// mmap's protection bits for a segment's access.
pub fn protection(access: Access) -> u32 {
    let mut bits = call::PROT_NONE;
    for (flag, bit) in [
        (Access::READ, call::PROT_READ),
        (Access::WRITE, call::PROT_WRITE),
        (Access::EXECUTE, call::PROT_EXEC),
    ] {
        if access.contains(flag) {
            bits |= bit;
        }
    }
    bits
}

/// Reads a whole regular file of at most `limit` bytes; `None` when it cannot be had.
pub fn read_file(path: &[u8], limit: usize) -> Option<Vec<u8>> {
    let file = open(path).ok()?;
    let length = usize::try_from(file.length).ok()?.min(limit);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).ok()?;
    bytes.resize(length, 0);
    let mut done = 0;
    while done < length {
        let read = call::pread(file.descriptor, bytes.get_mut(done..)?, done as u64).ok()?;
        if read == 0 {
            break;
        }
        done += read;
    }
    bytes.truncate(done);
    Some(bytes)
}

/// Maps a whole regular file for reading, for good.
pub fn map_whole_file(path: &[u8]) -> Option<&'static [u8]> {
    let file = open(path).ok()?;
    let length = usize::try_from(file.length).ok().filter(|length| *length > 0)?;
    let Ok(mapping) = Mapping::new(0, length, call::PROT_READ, of_file(&file, FileOffset(0))) else {
        return None;
    };
    let at = mapping.leak();
    // SAFETY: the mapping has `length` readable bytes and stays. If somebody truncates the file meanwhile, reading it is SIGBUS:
    // a stated limit; package managers replace such files by rename.
    Some(unsafe { core::slice::from_raw_parts(at as *const u8, length) })
}

/// Opens the standard descriptors that are closed, on files that take and give nothing, so that none of them becomes a file that the
/// program opens. To be called before lode opens anything, in a secure process: its caller may have closed them on purpose.
///
/// # Errors
/// When one stays closed.
pub fn open_standard_descriptors() -> Result<(), Errno> {
    // Reading from 0 and writing to 1 and 2 fail, as they would on a closed descriptor.
    for (descriptor, path, flags) in [
        (0, c"/dev/full", call::O_WRONLY),
        (1, c"/dev/null", call::O_RDONLY),
        (2, c"/dev/null", call::O_RDONLY),
    ] {
        if status(descriptor) != Err(Errno::EBADF) {
            continue;
        }
        // The lowest free number is this one: those below are open by now.
        let opened = call::openat(call::AT_FDCWD, path, flags, 0)?;
        if opened != descriptor {
            return Err(Errno::EBADF);
        }
    }
    Ok(())
}

/// Anonymous memory for lode's own use, at least `length` bytes, which stay; `None` when the kernel has none, and [`refusal`] is why.
pub fn allocate(length: usize) -> Option<&'static [AtomicU64]> {
    match Mapping::new(0, length, call::PROT_READ | call::PROT_WRITE, Content::ZEROS) {
        Ok(mapping) => {
            let words = mapping.leak() as *const AtomicU64;
            // SAFETY: new memory of whole pages, of which nobody knows but who gets it here.
            Some(unsafe { core::slice::from_raw_parts(words, length.div_ceil(8)) })
        }
        Err(errno) => {
            refused(errno);
            None
        }
    }
}

/// Lets code run on a stack.
///
/// # Errors
/// `mprotect(2)`.
pub fn make_executable(start: usize, length: usize, flags: u32) -> Result<(), Errno> {
    let access = call::PROT_READ | call::PROT_WRITE | call::PROT_EXEC | flags;
    // SAFETY: whatever could be done with the memory can be done after.
    unsafe { call::mprotect(start, length, access) }
}

/// Makes sure that the heap has this many bytes in one piece, which are not taken; says so in glibc's words for such memory. What cannot be told where it happens is so told before it can happen.
///
/// # Errors
/// [`Kind::Os`] with the kernel's reason.
#[inline(never)]
pub fn have_at_hand(bytes: usize) -> Result<(), Fault> {
    match HEAP.has(bytes) {
        true => Ok(()),
        false => Err(Kind::os(NO_MEMORY_AT_HAND, refusal())),
    }
}

impl Linux {
    /// The directory of the program's file: two system calls.
    fn find_program_origin(&self) -> Option<Name> {
        let mut buffer;
        let path = match self.program {
            None => {
                buffer = path_buffer()?;
                match call::readlinkat(call::AT_FDCWD, c"/proc/self/exe", &mut buffer) {
                    Ok(path) => path,
                    Err(_) => return self.origin_path.map(Name::new),
                }
            }
            Some(path) if path.starts_with(b"/") => path,
            Some(path) => {
                buffer = self.working_directory()?;
                buffer.extend_from_slice(b"/");
                buffer.extend_from_slice(path);
                &buffer
            }
        };
        Some(Name::new(directory_of(path)?))
    }

    /// Reserves the address range of a module. Nothing in it is accessible yet, or its first piece is mapped as far as the range goes
    /// ([`Layout::reserving_piece`]).
    fn reserve(&self, file: &File, layout: &Layout) -> Result<Mapping, Errno> {
        let (start, length) = layout.span;
        if layout.fixed {
            return Mapping::reserve_at(start.0 as usize, length as usize);
        }
        // A larger alignment than the page's: reserve enough to find an aligned start inside, give the rest back.
        let total = layout.reservation_length() as usize;
        let (access, content) = match layout.reserving_piece() {
            Some((offset, access)) => (protection(access), of_file(file, offset)),
            None => (call::PROT_NONE, Content::RESERVED),
        };
        let mut attempts = 0..;
        loop {
            let hint = attempts.next().and_then(|attempt| layout.hint(attempt));
            let wish = hint.map_or(0, |hint| hint.0 as usize);
            let mapping = Mapping::new(wish, total, access, content)?;
            let at = Address(mapping.start() as u64);
            if hint.is_none() || layout.is_near(at) {
                let first = layout.place_in(at).ok_or(Errno::ENOMEM)?;
                let inside = first.0.wrapping_sub(at.0) as usize;
                return mapping.trimmed(inside, length as usize).map_err(|_| Errno::ENOMEM);
            }
        }
    }

    fn fill(&self, file: &File, layout: &Layout, mapping: &mut Mapping) -> Result<(), Fault> {
        let fault = |what| move |errno| Kind::os(what, errno);
        // Only the first one: valgrind takes each segment for a mapping of its own.
        let mapped_already = usize::from(layout.reserving_piece().is_some());
        for (number, piece) in layout.pieces.iter().enumerate().skip(mapped_already) {
            let at = piece.at.0.wrapping_sub(layout.span.0.0) as usize;
            let clears = piece.clear.is_some();
            let wanted = protection(piece.access);
            // Bytes behind the file's part of a page have to be zeroed even where the segment is not writable.
            let first = if clears { wanted | call::PROT_WRITE } else { wanted };
            let first = if clears && wanted & call::PROT_EXEC != 0 {
                first & !call::PROT_EXEC
            } else {
                first
            };
            let length = piece.length as usize;
            let cleared = piece.clear.map_or(0..0, |(clear, bytes)| {
                let start = clear.0.wrapping_sub(piece.at.0) as usize;
                start..start.wrapping_add(bytes as usize)
            });
            match piece.source {
                Source::File { offset } if layout.huge == Some(number) => {
                    // Behind the end of the file its last page goes on with zeros, which are there.
                    let in_file = file.length.saturating_sub(offset.0) as usize;
                    let before = piece.clear.map_or(length, |_| cleared.start).min(in_file);
                    mapping
                        .put(at, length, wanted, Content::ZEROS, 0..0)
                        .and_then(|()| mapping.fill_in_huge_pages(at, length, before, of_file(file, offset)))
                        .map_err(not_mapped)?;
                }
                Source::File { offset } => mapping
                    .put(at, length, first, of_file(file, offset), cleared)
                    .map_err(not_mapped)?,
                Source::Zero => mapping
                    .put(at, length, wanted, Content::ZEROS, cleared)
                    .map_err(fault("cannot map zero-fill pages"))?,
            }
            if first != wanted {
                mapping
                    .protect(at, length, wanted)
                    .map_err(fault("cannot change memory protections"))?;
            }
        }
        Ok(())
    }
}

/// The extents of a module whose link-time addresses are `bias` away from run time.
pub fn extents(layout: &Layout, bias: Bias) -> Vec<Extent> {
    let mut extents = Vec::with_capacity(layout.extents.len());
    for extent in &layout.extents {
        extents.push(Extent {
            start: extent.start,
            length: extent.length,
            host: Pointer::new(extent.start.at(bias).0 as *mut u8),
            access: extent.access,
        });
    }
    extents
}

/// Opens a regular file.
///
/// # Errors
/// As [`Host::open`].
#[inline(never)]
fn open(path: &[u8]) -> Result<File, Fault> {
    let fault = |errno| Kind::os("cannot open shared object file", errno);
    // O_NONBLOCK: a FIFO must not stop the start.
    let flags = call::O_RDONLY | call::O_CLOEXEC | call::O_NONBLOCK;
    let mut descriptor = -1;
    let mut open = |path: &CStr| {
        descriptor = call::openat(call::AT_FDCWD, path, flags, 0)?;
        Ok(())
    };
    with_path(path, &mut open).map_err(fault)?;
    let mut file = File {
        identity: Identity { device: 0, inode: 0 },
        length: 0,
        set_user_id: false,
        descriptor,
        close,
    };
    let stat = status(descriptor).map_err(|errno| Kind::os("cannot stat shared object", errno))?;
    if stat.is_directory() {
        return Err(Kind::os("cannot read file data", Errno::EISDIR));
    }
    if !stat.is_regular() {
        return Err(Kind::NotRegular.into());
    }
    file.identity = Identity {
        device: stat.device,
        inode: stat.inode,
    };
    file.length = stat.size;
    file.set_user_id = stat.mode & call::S_ISUID != 0;
    Ok(file)
}

impl Host for Linux {
    fn open(&self, path: &[u8]) -> Result<File, Fault> {
        open(path)
    }

    fn read(&self, file: &File, offset: FileOffset, into: &mut [u8]) -> Result<usize, Errno> {
        call::pread(file.descriptor, into, offset.0)
    }

    fn map(&self, file: &File, layout: &Layout) -> Result<Image, Fault> {
        if self.at_hand != 0 {
            HEAP.leave_room();
            have_at_hand(self.at_hand)?;
        }
        let mut mapping = self.reserve(file, layout).map_err(not_mapped)?;
        self.fill(file, layout, &mut mapping)?;
        let reservation = Reservation {
            length: mapping.length() as u64,
            start: Address(mapping.leak() as u64),
            release: unmap,
        };
        let bias = Bias(reservation.start.0.wrapping_sub(layout.span.0.0));
        let extents = extents(layout, bias);
        // SAFETY: `fill` has mapped every extent with its access; the reservation keeps the range for as long as the image lives.
        Ok(unsafe { Image::new(bias, extents, Some(reservation)) })
    }

    fn protect(&self, image: &Image, start: Vaddr, length: u64, access: Access) -> Result<(), Errno> {
        let at = start.at(image.bias()).0 as usize;
        // SAFETY: the caller names whole pages of a module; no reference into writable module memory exists.
        unsafe { call::mprotect(at, length as usize, protection(access)) }
    }

    fn seal(&self, image: &Image, start: Vaddr, length: u64) {
        let _ = call::mseal(start.at(image.bias()).0 as usize, length as usize);
    }

    fn forget(&self, image: &Image, start: Vaddr, length: u64) {
        // What the program may write to, or has been made writable once, may be other than in the file.
        if image.lasting_bytes(start, length).is_none() {
            return;
        }
        let page = self.page_size as usize;
        let (first, end) = (start.at(image.bias()).0 as usize, (start.0.wrapping_add(length)));
        let end = Vaddr(end).at(image.bias()).0 as usize & !(page - 1);
        let first = first.next_multiple_of(page);
        if let Some(length) = end.checked_sub(first).filter(|length| *length != 0) {
            // SAFETY: pages of a file's private mapping that nobody has written to: the next who reads them finds what is there now.
            let _ = unsafe { call::madvise(first, length, call::MADV_DONTNEED) };
        }
    }

    fn resolve(&self, resolver: Address) -> Address {
        // SAFETY: the stage has checked that the resolver lies in an executable segment of its module, and runs when
        // everything that a resolver may read is final (x86-64: a resolver takes no argument).
        let resolver: extern "C-unwind" fn() -> u64 = unsafe { core::mem::transmute(resolver.0 as usize) };
        Address(resolver())
    }

    fn is_directory(&self, path: &[u8]) -> bool {
        let mut is_directory = false;
        let mut look = |path: &CStr| {
            is_directory = call::fstatat(call::AT_FDCWD, path, 0)?.is_directory();
            Ok(())
        };
        match with_path(path, &mut look) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => false,
            // Opening a file in it fails for the same reason, and says so.
            Err(_) => true,
            Ok(()) => is_directory,
        }
    }

    fn names_in(&self, directory: &[u8]) -> Option<Vec<u8>> {
        // A running program may add a library, and may have a filter by now.
        let is_start = self.at_hand == 0;
        is_start.then(|| listing::names_in(self, directory)).flatten()
    }

    fn program_origin(&self) -> Option<Name> {
        // A fork may have left it locked.
        let Some(mut known) = self.known_origin.try_lock() else {
            return self.find_program_origin();
        };
        if known.is_none() {
            *known = self.find_program_origin();
        }
        known.clone()
    }

    fn working_directory(&self) -> Option<Vec<u8>> {
        let mut buffer = path_buffer()?;
        let length = call::getcwd(&mut buffer).ok()?.count_bytes();
        buffer.truncate(length);
        Some(buffer)
    }

    fn kernel(&self) -> KernelVersion {
        let (mut version, mut number, mut parts) = (0, 0, 0);
        // "6.1.0-18-amd64": what is no digit ends a number, and three are wanted.
        if let Ok(names) = call::uname() {
            for char in &names.release {
                let digit = u64::from(char.cast_unsigned()).wrapping_sub(u64::from(b'0'));
                if digit <= 9 {
                    number = u64::wrapping_add(u64::wrapping_mul(number, 10), digit);
                } else if parts < 3 {
                    version = version << KernelVersion::BITS | number;
                    (number, parts) = (0, parts + 1);
                }
            }
        }
        KernelVersion(version)
    }

    fn cpu_lacks(&self) -> LevelFeatures {
        self.cpu_lacks
    }
}
