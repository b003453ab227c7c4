//! System calls: the raw ones, and typed ones for what a loader needs.
//!
//! A failed call is an [`Errno`]. Calls that wait for a file are repeated after a signal (EINTR). Calls that
//! may change memory which Rust relies on are `unsafe`.
//!
//! # Safety
//! A typed call passes addresses of borrowed memory with its true length, so the kernel stays inside it. What changes the address space
//! is `unsafe`, and its caller answers for the range.

use core::ffi::{CStr, c_char};

use crate::Errno;
use crate::arch::{self, number};

/// The system call numbers of this machine.
pub mod numbers {
    pub use crate::arch::number::*;
}

/// The directory against which relative paths count: the current one.
pub const AT_FDCWD: i32 = -100;
/// Of [`fstatat`]: the file of the descriptor itself, with an empty path.
pub const AT_EMPTY_PATH: i32 = 0x1000;
/// Of [`fstatat`]: a symbolic link is not followed.
pub const AT_SYMLINK_NOFOLLOW: i32 = 0x100;

/// Of [`openat`]: for reading.
pub const O_RDONLY: i32 = 0;
/// Of [`openat`]: for writing.
pub const O_WRONLY: i32 = 1;
/// Of [`openat`]: for both.
pub const O_RDWR: i32 = 2;
/// Of [`openat`]: make the file if there is none.
pub const O_CREAT: i32 = 0o100;
/// Of [`openat`]: fail if there is one.
pub const O_EXCL: i32 = 0o200;
/// Of [`openat`]: empty it.
pub const O_TRUNC: i32 = 0o1000;
/// Of [`openat`]: write at the end.
pub const O_APPEND: i32 = 0o2000;
/// Of [`openat`]: do not wait for the other end of a FIFO or a device.
pub const O_NONBLOCK: i32 = 0o4000;
/// Of [`openat`]: close on exec.
pub const O_CLOEXEC: i32 = 0o2000000;
/// Of [`openat`]: find the file, without opening it.
pub const O_PATH: i32 = 0o10000000;
pub use crate::arch::{O_DIRECTORY, O_NOFOLLOW};

/// Of [`access`]: does it exist?
pub const F_OK: i32 = 0;
/// Of [`access`]: may it be read?
pub const R_OK: i32 = 4;
/// Of [`access`]: may it be executed?
pub const X_OK: i32 = 1;

/// No access.
pub const PROT_NONE: u32 = 0;
/// Reading.
pub const PROT_READ: u32 = 1;
/// Writing.
pub const PROT_WRITE: u32 = 2;
/// Execution.
pub const PROT_EXEC: u32 = 4;
/// Of [`mprotect`]: also everything below, of a mapping that grows down (the stack).
pub const PROT_GROWSDOWN: u32 = 0x0100_0000;

/// Writes go to the file.
pub const MAP_SHARED: u32 = 1;
/// Writes stay in the process.
pub const MAP_PRIVATE: u32 = 2;
/// At this address, replacing what is there.
pub const MAP_FIXED: u32 = 0x10;
/// No file behind it.
pub const MAP_ANONYMOUS: u32 = 0x20;
/// No swap space is reserved.
pub const MAP_NORESERVE: u32 = 0x4000;
/// Read the pages in at once.
pub const MAP_POPULATE: u32 = 0x8000;
/// Memory that serves as a stack.
pub const MAP_STACK: u32 = 0x2_0000;
/// At this address, or EEXIST if something is there (Linux 4.17; older kernels take it for a hint).
pub const MAP_FIXED_NOREPLACE: u32 = 0x10_0000;

/// Of [`madvise`]: will be read soon.
pub const MADV_WILLNEED: i32 = 3;
/// Of [`madvise`]: the contents are not needed.
pub const MADV_DONTNEED: i32 = 4;
/// Of [`madvise`]: large pages are welcome.
pub const MADV_HUGEPAGE: i32 = 14;
/// Of [`madvise`]: a child sees zeros (Linux 4.14).
pub const MADV_WIPEONFORK: i32 = 18;

/// The type bits of a mode.
pub const S_IFMT: u32 = 0o170000;
/// A directory.
pub const S_IFDIR: u32 = 0o040000;
/// A regular file.
pub const S_IFREG: u32 = 0o100000;
/// The file runs with its owner's rights.
pub const S_ISUID: u32 = 0o4000;

/// Of [`prlimit`]: size of the main thread's stack in bytes.
pub const RLIMIT_STACK: i32 = 3;
/// Of [`prlimit`]: number of descriptors.
pub const RLIMIT_NOFILE: i32 = 7;
/// Of [`prlimit`]: address space in bytes.
pub const RLIMIT_AS: i32 = 9;

/// Of [`kill`] and [`tgkill`]: abnormal end, with a core dump.
pub const SIGABRT: i32 = 6;

/// Of [`signal_mask`]: add these to the blocked ones.
pub const SIG_BLOCK: i32 = 0;
/// Of [`signal_mask`]: remove these from the blocked ones.
pub const SIG_UNBLOCK: i32 = 1;
/// Of [`signal_mask`]: block exactly these.
pub const SIG_SETMASK: i32 = 2;

fn checked(answer: isize) -> Result<usize, Errno> {
    match answer {
        -4095..=-1 => Err(Errno((-answer) as i32)),
        value => Ok(value as usize),
    }
}

macro_rules! raw {
    ($($name:ident($($argument:ident),*);)*) => {
        $(
            /// System call `number` with as many arguments as the name says.
            ///
            /// # Errors
            /// The kernel's error number.
            ///
            /// # Safety
            /// The call with these arguments must not break memory that Rust relies on.
            #[inline]
            pub unsafe fn $name(number: usize $(, $argument: usize)*) -> Result<usize, Errno> {
                // SAFETY: the caller answers for the call.
                checked(unsafe { arch::system_call(number, raw!(@six $($argument)*)) })
            }
        )*
    };
    (@six) => { [0; 6] };
    (@six $a:ident) => { [$a, 0, 0, 0, 0, 0] };
    (@six $a:ident $b:ident) => { [$a, $b, 0, 0, 0, 0] };
    (@six $a:ident $b:ident $c:ident) => { [$a, $b, $c, 0, 0, 0] };
    (@six $a:ident $b:ident $c:ident $d:ident) => { [$a, $b, $c, $d, 0, 0] };
    (@six $a:ident $b:ident $c:ident $d:ident $e:ident) => { [$a, $b, $c, $d, $e, 0] };
    (@six $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident) => { [$a, $b, $c, $d, $e, $f] };
}

raw! {
    syscall0();
    syscall1(a);
    syscall2(a, b);
    syscall3(a, b, c);
    syscall4(a, b, c, d);
    syscall5(a, b, c, d, e);
    syscall6(a, b, c, d, e, f);
}

fn repeated(mut call: impl FnMut() -> Result<usize, Errno>) -> Result<usize, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            answer => return answer,
        }
    }
}

/// Opens `path` and returns the descriptor; `mode` counts with O_CREAT.
///
/// # Errors
/// `open(2)`.
pub fn openat(directory: i32, path: &CStr, flags: i32, mode: u32) -> Result<i32, Errno> {
    // SAFETY: the kernel reads the string and writes nothing.
    repeated(|| unsafe {
        syscall4(
            number::OPENAT,
            directory as usize,
            path.as_ptr() as usize,
            flags as usize,
            mode as usize,
        )
    })
    .map(|descriptor| descriptor as i32)
}

/// Closes a descriptor. Never repeated: the descriptor is gone even after EINTR.
///
/// # Errors
/// `close(2)`.
pub fn close(descriptor: i32) -> Result<(), Errno> {
    // SAFETY: a descriptor is not memory.
    unsafe { syscall1(number::CLOSE, descriptor as usize) }.map(drop)
}

/// Reads at most `buffer.len()` bytes at the current position; 0 at the end of the file.
///
/// # Errors
/// `read(2)`.
pub fn read(descriptor: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
    let (address, length) = (buffer.as_mut_ptr() as usize, buffer.len());
    // SAFETY: the kernel writes within the buffer, which is borrowed for the call.
    repeated(|| unsafe { syscall3(number::READ, descriptor as usize, address, length) })
}

/// Reads at most `buffer.len()` bytes at `offset`; 0 at the end of the file.
///
/// # Errors
/// `pread(2)`.
pub fn pread(descriptor: i32, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let (address, length) = (buffer.as_mut_ptr() as usize, buffer.len());
    // SAFETY: the kernel writes within the buffer, which is borrowed for the call.
    repeated(|| unsafe { syscall4(number::PREAD64, descriptor as usize, address, length, offset as usize) })
}

/// Writes at most all of `bytes` and returns how many.
///
/// # Errors
/// `write(2)`.
pub fn write(descriptor: i32, bytes: &[u8]) -> Result<usize, Errno> {
    let (address, length) = (bytes.as_ptr() as usize, bytes.len());
    // SAFETY: the kernel only reads the bytes.
    repeated(|| unsafe { syscall3(number::WRITE, descriptor as usize, address, length) })
}

/// Writes all of `bytes`; gives up at the first error.
pub fn write_all(descriptor: i32, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match write(descriptor, bytes) {
            Ok(0) | Err(_) => return,
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
        }
    }
}

/// One piece of a gathered write (`struct iovec`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct IoSlice<'a> {
    address: *const u8,
    length: usize,
    bytes: core::marker::PhantomData<&'a [u8]>,
}

impl<'a> IoSlice<'a> {
    /// A piece that holds `bytes`.
    pub const fn new(bytes: &'a [u8]) -> IoSlice<'a> {
        IoSlice {
            address: bytes.as_ptr(),
            length: bytes.len(),
            bytes: core::marker::PhantomData,
        }
    }
}

/// Writes the pieces in one call (at most 1024) and returns how many bytes went out.
///
/// # Errors
/// `writev(2)`.
pub fn writev(descriptor: i32, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
    let (address, count) = (pieces.as_ptr() as usize, pieces.len());
    // SAFETY: the kernel only reads the pieces and the bytes that they borrow.
    repeated(|| unsafe { syscall3(number::WRITEV, descriptor as usize, address, count) })
}

/// What is known about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Device of the file system; with `inode` it identifies the file.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Type ([`S_IFMT`]) and permissions.
    pub mode: u32,
    /// Owner.
    pub owner: u32,
    /// Length in bytes; 0 for a kernel that answers with a negative one.
    pub size: u64,
    /// Time of the last change of the contents: seconds and nanoseconds.
    pub modified: [u64; 2],
}

impl Stat {
    /// Is it a regular file?
    pub const fn is_regular(&self) -> bool {
        self.mode & S_IFMT == S_IFREG
    }

    /// Is it a directory?
    pub const fn is_directory(&self) -> bool {
        self.mode & S_IFMT == S_IFDIR
    }
}

fn stat_with(call: impl FnOnce(usize) -> Result<usize, Errno>) -> Result<Stat, Errno> {
    let mut raw = arch::RawStat::default();
    call(&raw mut raw as usize)?;
    Ok(Stat {
        device: raw.st_dev,
        inode: raw.st_ino,
        mode: raw.st_mode,
        owner: raw.st_uid,
        size: u64::try_from(raw.st_size).unwrap_or(0),
        modified: raw.st_mtime,
    })
}

/// What is known about an open file.
///
/// # Errors
/// `fstat(2)`.
pub fn fstat(descriptor: i32) -> Result<Stat, Errno> {
    // SAFETY: the kernel writes one `struct stat` at the address, which `stat_with` has set aside.
    stat_with(|address| unsafe { syscall2(number::FSTAT, descriptor as usize, address) })
}

/// What is known about the file at `path`; `flags` are [`AT_SYMLINK_NOFOLLOW`] and [`AT_EMPTY_PATH`].
///
/// # Errors
/// `fstatat(2)`.
pub fn fstatat(directory: i32, path: &CStr, flags: i32) -> Result<Stat, Errno> {
    let path = path.as_ptr() as usize;
    // SAFETY: the kernel writes one `struct stat` at the address, which `stat_with` has set aside.
    stat_with(|address| unsafe { syscall4(number::NEWFSTATAT, directory as usize, path, address, flags as usize) })
}

/// May this process (by its real ids) use `path` so? `mode` is [`F_OK`], [`R_OK`] or [`X_OK`].
///
/// # Errors
/// `access(2)`.
pub fn access(path: &CStr, mode: i32) -> Result<(), Errno> {
    let (number, arguments) = arch::access(path.as_ptr() as usize, mode as usize);
    // SAFETY: the kernel only reads the string.
    checked(unsafe { arch::system_call(number, arguments) }).map(drop)
}

/// The target of a symbolic link, without a NUL, cut to the buffer; the answer is the filled part.
///
/// # Errors
/// `readlink(2)`.
pub fn readlinkat<'a>(directory: i32, path: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    let (address, length) = (buffer.as_mut_ptr() as usize, buffer.len());
    // SAFETY: the kernel writes within the buffer, which is borrowed for the call.
    let filled = unsafe {
        syscall4(
            number::READLINKAT,
            directory as usize,
            path.as_ptr() as usize,
            address,
            length,
        )
    }?;
    buffer.get(..filled).ok_or(Errno::EOVERFLOW)
}

/// Gives the file `old` the name `new`, in one step; a file of that name is gone then.
///
/// # Errors
/// `rename(2)`.
pub fn rename(old: &CStr, new: &CStr) -> Result<(), Errno> {
    let here = AT_FDCWD as usize;
    // SAFETY: the kernel only reads the strings.
    unsafe {
        syscall5(
            number::RENAMEAT2,
            here,
            old.as_ptr() as usize,
            here,
            new.as_ptr() as usize,
            0,
        )
    }
    .map(drop)
}

/// Makes a directory the one at which absolute paths begin. The current directory stays.
///
/// # Errors
/// `chroot(2)`.
pub fn chroot(directory: &CStr) -> Result<(), Errno> {
    // SAFETY: the kernel only reads the string.
    unsafe { syscall1(number::CHROOT, directory.as_ptr() as usize) }.map(drop)
}

/// The current directory as an absolute path, or with "(unreachable)" before it if it is outside the root.
///
/// # Errors
/// `getcwd(2)`; ERANGE if the buffer is too small.
pub fn getcwd(buffer: &mut [u8]) -> Result<&CStr, Errno> {
    let (address, length) = (buffer.as_mut_ptr() as usize, buffer.len());
    // SAFETY: the kernel writes within the buffer, which is borrowed for the call.
    let length = unsafe { syscall2(number::GETCWD, address, length) }?;
    // The length counts the NUL.
    let path = buffer.get(..length).unwrap_or_default();
    CStr::from_bytes_with_nul(path).map_err(|_| Errno::ERANGE)
}

/// What kind of file system an open file is on: `f_type` of `statfs(2)`.
///
/// # Errors
/// `fstatfs(2)`.
pub fn file_system(descriptor: i32) -> Result<u64, Errno> {
    // As long as struct statfs, whose first word is the type.
    let mut words = [0u64; 15];
    // SAFETY: the kernel writes the structure, which the words are as long as.
    unsafe { syscall2(number::FSTATFS, descriptor as usize, words.as_mut_ptr() as usize) }?;
    Ok(words[0])
}

/// The next entries of a directory, as many as the buffer holds whole: struct linux_dirent64 each. Returns their bytes; none at the end.
///
/// # Errors
/// `getdents64(2)`.
pub fn getdents64(descriptor: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
    let (address, length) = (buffer.as_mut_ptr() as usize, buffer.len());
    // SAFETY: the kernel writes within the buffer, which is borrowed for the call.
    unsafe { syscall3(number::GETDENTS64, descriptor as usize, address, length) }
}

/// Maps `length` bytes and returns the address.
///
/// # Errors
/// `mmap(2)`.
///
/// # Safety
/// With [`MAP_FIXED`] the range must hold nothing that is still in use. What a file mapping shows may
/// change with the file.
pub unsafe fn mmap(
    address: usize,
    length: usize,
    protection: u32,
    flags: u32,
    descriptor: i32,
    offset: u64,
) -> Result<usize, Errno> {
    // SAFETY: the caller answers for what is replaced.
    unsafe {
        syscall6(
            number::MMAP,
            address,
            length,
            protection as usize,
            flags as usize,
            descriptor as usize,
            offset as usize,
        )
    }
}

/// Removes what is mapped in a range.
///
/// # Errors
/// `munmap(2)`.
///
/// # Safety
/// Nothing in the range is used after.
pub unsafe fn munmap(address: usize, length: usize) -> Result<(), Errno> {
    // SAFETY: the caller answers for the range.
    unsafe { syscall2(number::MUNMAP, address, length) }.map(drop)
}

/// Changes the protection of a range.
///
/// # Errors
/// `mprotect(2)`.
///
/// # Safety
/// The range is not used in ways that the new protection forbids.
pub unsafe fn mprotect(address: usize, length: usize, protection: u32) -> Result<(), Errno> {
    // SAFETY: the caller answers for the range.
    unsafe { syscall3(number::MPROTECT, address, length, protection as usize) }.map(drop)
}

/// Advises the kernel about a range.
///
/// # Errors
/// `madvise(2)`.
///
/// # Safety
/// With [`MADV_DONTNEED`] and [`MADV_WIPEONFORK`] the contents change; nobody may rely on them.
pub unsafe fn madvise(address: usize, length: usize, advice: i32) -> Result<(), Errno> {
    // SAFETY: the caller answers for the range.
    unsafe { syscall3(number::MADVISE, address, length, advice as usize) }.map(drop)
}

/// Seals a range: no later call may unmap it or change its protection (Linux 6.10).
///
/// # Errors
/// `mseal(2)`; ENOSYS on older kernels.
pub fn mseal(address: usize, length: usize) -> Result<(), Errno> {
    // SAFETY: sealing changes neither contents nor protection.
    unsafe { syscall3(number::MSEAL, address, length, 0) }.map(drop)
}

/// Ends the process.
pub fn exit_group(status: i32) -> ! {
    loop {
        // SAFETY: the call does not return.
        let _ = unsafe { syscall1(number::EXIT_GROUP, status as usize) };
    }
}

/// Makes `address` the thread pointer of the calling thread.
///
/// # Errors
/// EPERM for an address outside user space.
///
/// # Safety
/// `address` is a thread control block that fits the C library in use, for the life of the thread.
pub unsafe fn set_thread_pointer(address: usize) -> Result<(), Errno> {
    // SAFETY: the caller answers for the block.
    checked(unsafe { arch::set_thread_pointer(address) }).map(drop)
}

/// Names the word that the kernel clears and wakes when the thread ends; returns the thread's id.
pub fn set_tid_address(word: &'static core::sync::atomic::AtomicU32) -> i32 {
    // SAFETY: the kernel stores 0 in the word once, which stays and may be changed by others; the call cannot fail.
    unsafe { syscall1(number::SET_TID_ADDRESS, word.as_ptr() as usize) }.map_or(0, |id| id as i32)
}

/// Names the thread's list of robust mutexes (`struct robust_list_head`, `length` bytes).
///
/// # Errors
/// `set_robust_list(2)`.
///
/// # Safety
/// `address` is a list that stays mapped until the thread ends or the call is made again.
pub unsafe fn set_robust_list(address: usize, length: usize) -> Result<(), Errno> {
    // SAFETY: the caller answers for the list.
    unsafe { syscall2(number::SET_ROBUST_LIST, address, length) }.map(drop)
}

/// Registers (`flags` 0) or removes (`flags` 1) the thread's `struct rseq`.
///
/// # Errors
/// ENOSYS before Linux 4.18, EBUSY if one is registered, EINVAL.
///
/// # Safety
/// `address` is such a structure of `length` bytes, mapped as long as it is registered.
pub unsafe fn rseq(address: usize, length: u32, flags: i32, signature: u32) -> Result<(), Errno> {
    // SAFETY: the caller answers for the structure.
    unsafe {
        syscall4(
            number::RSEQ,
            address,
            length as usize,
            flags as usize,
            signature as usize,
        )
    }
    .map(drop)
}

/// A resource limit; `u64::MAX` is "none".
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// The limit in force.
    pub soft: u64,
    /// The highest soft limit.
    pub hard: u64,
}

/// This process's limit for `resource` ([`RLIMIT_STACK`] and so on).
///
/// # Errors
/// `prlimit(2)`.
pub fn prlimit(resource: i32) -> Result<Limit, Errno> {
    let mut limit = Limit::default();
    let place = &raw mut limit as usize;
    // SAFETY: the kernel writes one limit at the address.
    unsafe { syscall4(number::PRLIMIT64, 0, resource as usize, 0, place) }?;
    Ok(limit)
}

/// Nanoseconds since some moment before the process, never going back (clock_gettime(2), CLOCK_MONOTONIC).
pub fn monotonic_time() -> u64 {
    const CLOCK_MONOTONIC: usize = 1;
    let mut time = [0u64; 2];
    let place = &raw mut time as usize;
    // SAFETY: the kernel writes seconds and nanoseconds, two words, at the address.
    let _ = unsafe { syscall2(number::CLOCK_GETTIME, CLOCK_MONOTONIC, place) };
    let [seconds, rest] = time;
    seconds.wrapping_mul(1_000_000_000).wrapping_add(rest)
}

/// The process's id.
pub fn getpid() -> i32 {
    // SAFETY: no argument, no memory; cannot fail.
    unsafe { syscall0(number::GETPID) }.map_or(0, |id| id as i32)
}

/// The thread's id.
pub fn gettid() -> i32 {
    // SAFETY: no argument, no memory; cannot fail.
    unsafe { syscall0(number::GETTID) }.map_or(0, |id| id as i32)
}

/// Sends a signal to a process.
///
/// # Errors
/// `kill(2)`.
pub fn kill(process: i32, signal: i32) -> Result<(), Errno> {
    // SAFETY: a signal is not memory; a handler answers for itself.
    unsafe { syscall2(number::KILL, process as usize, signal as usize) }.map(drop)
}

/// Sends a signal to a thread of a process.
///
/// # Errors
/// `tgkill(2)`.
pub fn tgkill(process: i32, thread: i32, signal: i32) -> Result<(), Errno> {
    // SAFETY: a signal is not memory; a handler answers for itself.
    unsafe { syscall3(number::TGKILL, process as usize, thread as usize, signal as usize) }.map(drop)
}

/// Changes the thread's blocked signals by `how` ([`SIG_BLOCK`] and so on) and returns those before: bit
/// n - 1 is signal n.
///
/// # Errors
/// `rt_sigprocmask(2)`.
pub fn signal_mask(how: i32, signals: u64) -> Result<u64, Errno> {
    let mut before = 0u64;
    let (new, old) = (&raw const signals as usize, &raw mut before as usize);
    // SAFETY: the kernel reads one set and writes one, both 8 bytes.
    unsafe { syscall4(number::RT_SIGPROCMASK, how as usize, new, old, 8) }?;
    Ok(before)
}

/// Lets another thread run.
pub fn sched_yield() {
    // SAFETY: no argument, no memory; cannot fail.
    let _ = unsafe { syscall0(number::SCHED_YIELD) };
}

const FUTEX_WAIT: usize = 0;
const FUTEX_WAKE: usize = 1;
const FUTEX_PRIVATE_FLAG: usize = 128;

/// Sleeps while `word` is `expected`, until a [`futex_wake`] of this process, a signal or for no reason.
///
/// # Errors
/// EAGAIN if the word is another value already, EINTR after a signal.
pub fn futex_wait(word: &core::sync::atomic::AtomicU32, expected: u32) -> Result<(), Errno> {
    let operation = FUTEX_WAIT | FUTEX_PRIVATE_FLAG;
    // SAFETY: the kernel only reads the word; there is no timeout.
    unsafe { syscall4(number::FUTEX, word.as_ptr() as usize, operation, expected as usize, 0) }.map(drop)
}

/// Wakes at most `count` threads that sleep at `word` and returns how many.
///
/// # Errors
/// `futex(2)`.
pub fn futex_wake(word: &core::sync::atomic::AtomicU32, count: u32) -> Result<usize, Errno> {
    let operation = FUTEX_WAKE | FUTEX_PRIVATE_FLAG;
    // SAFETY: the kernel does not touch the word.
    unsafe { syscall3(number::FUTEX, word.as_ptr() as usize, operation, count as usize) }
}

/// A pipe: the end to read and the end to write. `flags` are [`O_CLOEXEC`] and [`O_NONBLOCK`].
///
/// # Errors
/// `pipe2(2)`.
pub fn pipe2(flags: i32) -> Result<[i32; 2], Errno> {
    let mut ends = [0i32; 2];
    let place = ends.as_mut_ptr() as usize;
    // SAFETY: the kernel writes two descriptors at the address.
    unsafe { syscall2(number::PIPE2, place, flags as usize) }?;
    Ok(ends)
}

/// Names of the running system (`uname(2)`), each ended by a NUL.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SystemNames {
    /// "Linux".
    pub system: [c_char; 65],
    /// The host's name.
    pub node: [c_char; 65],
    /// The kernel's release, as "6.1.0-18-amd64".
    pub release: [c_char; 65],
    /// The kernel's build.
    pub version: [c_char; 65],
    /// The machine, as "x86_64".
    pub machine: [c_char; 65],
    /// The NIS domain.
    pub domain: [c_char; 65],
}

/// Names of the running system.
///
/// # Errors
/// `uname(2)`.
pub fn uname() -> Result<SystemNames, Errno> {
    const EMPTY: [c_char; 65] = [0; 65];
    let mut names = SystemNames {
        system: EMPTY,
        node: EMPTY,
        release: EMPTY,
        version: EMPTY,
        machine: EMPTY,
        domain: EMPTY,
    };
    // SAFETY: the kernel writes one structure at the address.
    unsafe { syscall1(number::UNAME, &raw mut names as usize) }?;
    Ok(names)
}

/// Fills the buffer with random bytes, without waiting, and returns how many it got.
///
/// # Errors
/// EAGAIN while the kernel has no randomness yet, ENOSYS before Linux 3.17.
pub fn getrandom(buffer: &mut [u8]) -> Result<usize, Errno> {
    const GRND_NONBLOCK: usize = 1;
    let (address, length) = (buffer.as_mut_ptr() as usize, buffer.len());
    // SAFETY: the kernel writes within the buffer, which is borrowed for the call.
    unsafe { syscall3(number::GETRANDOM, address, length, GRND_NONBLOCK) }
}

/// Whether the page at `page`, its first byte, can be read, found out without touching it: the kernel copies the path of a file to open from there, at most
/// PATH_MAX bytes, which no page is smaller than. Every start calls openat(2), so no filter ends the process for it; what it answers but EFAULT means yes.
///
/// What is there is no path: a relative one is looked for in no directory. An absolute one, which bytes may happen to be, is found and not opened.
pub fn is_readable(page: usize) -> bool {
    const NO_DIRECTORY: usize = usize::MAX;
    let flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    // SAFETY: the kernel reads a string, or answers EFAULT.
    match unsafe { syscall4(number::OPENAT, NO_DIRECTORY, page, flags as usize, 0) } {
        Ok(descriptor) => {
            let _ = close(descriptor as i32);
            true
        }
        Err(errno) => errno != Errno::EFAULT,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_file_is_opened_measured_and_read() {
        let file = openat(AT_FDCWD, c"/proc/self/exe", O_RDONLY | O_CLOEXEC, 0).unwrap();
        let stat = fstat(file).unwrap();
        assert!(stat.is_regular() && stat.size > 1000);
        let named = fstatat(AT_FDCWD, c"/proc/self/exe", 0).unwrap();
        assert_eq!((stat.device, stat.inode), (named.device, named.inode));
        let mut magic = [0; 4];
        assert_eq!(pread(file, &mut magic, 0), Ok(4));
        assert_eq!(&magic, b"\x7fELF");
        close(file).unwrap();
        assert_eq!(fstat(file), Err(Errno::EBADF));
    }

    #[test]
    fn a_missing_file_is_enoent() {
        assert_eq!(openat(AT_FDCWD, c"/nowhere/x", O_RDONLY, 0), Err(Errno::ENOENT));
        assert_eq!(access(c"/nowhere/x", F_OK), Err(Errno::ENOENT));
    }

    #[test]
    fn a_file_gets_another_name_and_replaces_what_had_it() {
        let name = |suffix| std::format!("/tmp/lode-crt-{}-{suffix}\0", getpid());
        let (old, new) = (name("old"), name("new"));
        let [from, to] = [&old, &new].map(|name| CStr::from_bytes_until_nul(name.as_bytes()).unwrap());
        for (path, text) in [(&old, "first"), (&new, "second")] {
            std::fs::write(path.trim_end_matches('\0'), text).unwrap();
        }
        rename(from, to).unwrap();
        assert_eq!(rename(from, to), Err(Errno::ENOENT));
        let place = new.trim_end_matches('\0');
        assert_eq!(std::fs::read(place).unwrap(), b"first");
        std::fs::remove_file(place).unwrap();
    }

    #[test]
    fn stat_agrees_with_the_c_library() {
        use std::os::unix::fs::MetadataExt;
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let (ours, theirs) = (fstat(file.as_raw_fd()).unwrap(), file.metadata().unwrap());
        assert_eq!((ours.device, ours.inode), (theirs.dev(), theirs.ino()));
        assert_eq!(
            (ours.mode, ours.owner, ours.size),
            (theirs.mode(), theirs.uid(), theirs.size())
        );
        assert_eq!(ours.modified, [theirs.mtime() as u64, theirs.mtime_nsec() as u64]);
    }

    #[test]
    fn memory_is_mapped_protected_and_asked_for() {
        // SAFETY: a fresh mapping of this test's own.
        unsafe {
            let flags = MAP_PRIVATE | MAP_ANONYMOUS;
            let address = mmap(0, 8192, PROT_READ | PROT_WRITE, flags, -1, 0).unwrap();
            mprotect(address, 4096, PROT_NONE).unwrap();
            assert!(!is_readable(address) && is_readable(address + 4096));
            // A path, and as many bytes without an end as a page has.
            for bytes in [&b"/\0"[..], &[b'a'; 4096]] {
                let page = core::slice::from_raw_parts_mut((address + 4096) as *mut u8, bytes.len());
                page.copy_from_slice(bytes);
                assert!(is_readable(address + 4096));
            }
            munmap(address, 8192).unwrap();
        }
        let file = openat(AT_FDCWD, c"/proc/self/exe", O_RDONLY | O_CLOEXEC, 0).unwrap();
        let size = fstat(file).unwrap().size.next_multiple_of(4096) as usize;
        // SAFETY: a fresh mapping of this test's own.
        unsafe {
            let address = mmap(0, size + 4096, PROT_READ, MAP_PRIVATE, file, 0).unwrap();
            assert!(is_readable(address + size - 4096) && !is_readable(address + size));
            munmap(address, size + 4096).unwrap();
        }
        close(file).unwrap();
    }

    #[test]
    fn pieces_are_written_in_order() {
        let [reader, writer] = pipe2(O_CLOEXEC).unwrap();
        assert_eq!(writev(writer, &[IoSlice::new(b"ab"), IoSlice::new(b"c")]), Ok(3));
        let mut buffer = [0; 8];
        assert_eq!(read(reader, &mut buffer), Ok(3));
        assert_eq!(&buffer[..3], b"abc");
        close(reader).unwrap();
        close(writer).unwrap();
    }

    #[test]
    fn a_signal_mask_is_changed_and_restored() {
        let before = signal_mask(SIG_BLOCK, 1 << (SIGABRT - 1)).unwrap();
        let during = signal_mask(SIG_SETMASK, before).unwrap();
        assert_eq!(during, before | 1 << (SIGABRT - 1));
    }

    #[test]
    fn a_futex_with_another_value_does_not_wait() {
        let word = core::sync::atomic::AtomicU32::new(1);
        assert_eq!(futex_wait(&word, 0), Err(Errno::EAGAIN));
        assert_eq!(futex_wake(&word, 1), Ok(0));
    }

    #[test]
    fn the_system_tells_its_names_limits_and_directory() {
        let names = uname().unwrap();
        assert_eq!(
            names.system[..5].iter().map(|&c| c as u8).collect::<std::vec::Vec<_>>(),
            b"Linux"
        );
        assert!(prlimit(RLIMIT_NOFILE).unwrap().soft > 0);
        let mut buffer = [0; 4096];
        let here = std::env::current_dir().unwrap();
        assert_eq!(getcwd(&mut buffer).unwrap().to_str().unwrap(), here.to_str().unwrap());
    }
}
