//! The kinds of entries in the auxiliary vector (`getauxval(3)`, the kernel's `uapi/linux/auxvec.h`).

/// End of the vector.
pub const AT_NULL: usize = 0;
/// An entry without meaning.
pub const AT_IGNORE: usize = 1;
/// Descriptor of the program, where the kernel passes one instead of mapping it.
pub const AT_EXECFD: usize = 2;
/// Address of the program headers.
pub const AT_PHDR: usize = 3;
/// Size of one program header.
pub const AT_PHENT: usize = 4;
/// Number of program headers.
pub const AT_PHNUM: usize = 5;
/// Page size in bytes.
pub const AT_PAGESZ: usize = 6;
/// Base address of the interpreter; 0 if there is none.
pub const AT_BASE: usize = 7;
/// Flags; bit 0 asks to keep the program's name as argv\[0\] (binfmt_misc).
pub const AT_FLAGS: usize = 8;
/// Entry point of the program.
pub const AT_ENTRY: usize = 9;
/// Real user id.
pub const AT_UID: usize = 11;
/// Effective user id.
pub const AT_EUID: usize = 12;
/// Real group id.
pub const AT_GID: usize = 13;
/// Effective group id.
pub const AT_EGID: usize = 14;
/// Address of a string that names the CPU for `$PLATFORM`.
pub const AT_PLATFORM: usize = 15;
/// CPU capabilities; on x86, EDX of CPUID leaf 1.
pub const AT_HWCAP: usize = 16;
/// Ticks per second of `times(2)`.
pub const AT_CLKTCK: usize = 17;
/// Not 0 if the program runs with more rights than its caller.
pub const AT_SECURE: usize = 23;
/// Address of a string that names the real CPU.
pub const AT_BASE_PLATFORM: usize = 24;
/// Address of 16 random bytes.
pub const AT_RANDOM: usize = 25;
/// More CPU capabilities.
pub const AT_HWCAP2: usize = 26;
/// Size in bytes of the part of `struct rseq` that the kernel knows.
pub const AT_RSEQ_FEATURE_SIZE: usize = 27;
/// Alignment of `struct rseq`.
pub const AT_RSEQ_ALIGN: usize = 28;
/// More CPU capabilities.
pub const AT_HWCAP3: usize = 29;
/// More CPU capabilities.
pub const AT_HWCAP4: usize = 30;
/// Address of a string: the path that was executed.
pub const AT_EXECFN: usize = 31;
/// Address of the vDSO.
pub const AT_SYSINFO_EHDR: usize = 33;
/// Smallest stack for delivering a signal, in bytes.
pub const AT_MINSIGSTKSZ: usize = 51;
