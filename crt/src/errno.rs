//! Error numbers of system calls (`errno(3)`), with the texts that C programs print for them.

use core::fmt;

use crate::packed;
use crate::packed::Packed;
use crate::print::line;

/// Why a system call failed: the kernel's error number, 1 to 4095.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

macro_rules! errors {
    ($($name:ident $number:literal $text:literal)*) => {
        impl Errno {
            $(
                #[doc = $text]
                pub const $name: Errno = Errno($number);
            )*
        }

        /// The numbers that loading meets. Their names and texts stand in this order, one a line.
        const NUMBERS: &[u8] = &[$($number,)*];
        const NAMES: &str = concat!($(stringify!($name), "\n",)*);
        const TEXTS: Packed = packed!(concat!($($text, "\n",)*));
    };
}

errors! {
    EPERM 1 "Operation not permitted"
    ENOENT 2 "No such file or directory"
    ESRCH 3 "No such process"
    EINTR 4 "Interrupted system call"
    EIO 5 "Input/output error"
    ENXIO 6 "No such device or address"
    E2BIG 7 "Argument list too long"
    ENOEXEC 8 "Exec format error"
    EBADF 9 "Bad file descriptor"
    ECHILD 10 "No child processes"
    EAGAIN 11 "Resource temporarily unavailable"
    ENOMEM 12 "Cannot allocate memory"
    EACCES 13 "Permission denied"
    EFAULT 14 "Bad address"
    ENOTBLK 15 "Block device required"
    EBUSY 16 "Device or resource busy"
    EEXIST 17 "File exists"
    EXDEV 18 "Invalid cross-device link"
    ENODEV 19 "No such device"
    ENOTDIR 20 "Not a directory"
    EISDIR 21 "Is a directory"
    EINVAL 22 "Invalid argument"
    ENFILE 23 "Too many open files in system"
    EMFILE 24 "Too many open files"
    ENOTTY 25 "Inappropriate ioctl for device"
    ETXTBSY 26 "Text file busy"
    EFBIG 27 "File too large"
    ENOSPC 28 "No space left on device"
    ESPIPE 29 "Illegal seek"
    EROFS 30 "Read-only file system"
    EMLINK 31 "Too many links"
    EPIPE 32 "Broken pipe"
    EDOM 33 "Numerical argument out of domain"
    ERANGE 34 "Numerical result out of range"
    EDEADLK 35 "Resource deadlock avoided"
    ENAMETOOLONG 36 "File name too long"
    ENOLCK 37 "No locks available"
    ENOSYS 38 "Function not implemented"
    ENOTEMPTY 39 "Directory not empty"
    ELOOP 40 "Too many levels of symbolic links"
    ENODATA 61 "No data available"
    EBADMSG 74 "Bad message"
    EOVERFLOW 75 "Value too large for defined data type"
    ELIBACC 79 "Can not access a needed shared library"
    ELIBBAD 80 "Accessing a corrupted shared library"
    EILSEQ 84 "Invalid or incomplete multibyte or wide character"
    EOPNOTSUPP 95 "Operation not supported"
    ETIMEDOUT 110 "Connection timed out"
    ESTALE 116 "Stale file handle"
    EDQUOT 122 "Disk quota exceeded"
    ECANCELED 125 "Operation canceled"
    EKEYEXPIRED 127 "Key has expired"
}

impl Errno {
    /// The constant's name (`ENOENT`), if it is one that loading meets.
    pub fn name(self) -> Option<&'static str> {
        self.place().map(|place| line(NAMES, place))
    }

    /// What `strerror(3)` says in English, if it is one that loading meets.
    pub fn text(self) -> Option<Packed> {
        self.place().map(|place| TEXTS.line(place))
    }

    fn place(self) -> Option<usize> {
        NUMBERS.iter().position(|number| i32::from(*number) == self.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => text.fmt(f),
            None => write!(f, "Unknown error {}", u64::from(self.0.cast_unsigned())),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

impl core::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn known_numbers_have_names_and_texts() {
        assert_eq!(format!("{}", Errno(2)), "No such file or directory");
        assert_eq!(format!("{:?}", Errno(2)), "ENOENT");
        assert_eq!(Errno::EACCES, Errno(13));
    }

    #[test]
    fn unknown_numbers_print_as_c_prints_them() {
        assert_eq!(format!("{}", Errno(4000)), "Unknown error 4000");
        assert_eq!(format!("{:?}", Errno(4000)), "Errno(4000)");
    }
}
