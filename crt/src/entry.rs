//! The entry of a freestanding image, as macros: instructions must lie in the binary that uses them, and
//! only there, so that a host program that links this crate keeps its own `_start` and `memcpy`.
//!
//! The instructions themselves are in `arch/NAME.rs`.

/// Defines `_start` for an image that relocates itself: a static-PIE or a program interpreter.
///
/// `$start` is an `unsafe extern "C" fn(*const usize) -> !`; it receives the stack pointer as the kernel
/// set it (the address of argc; see [`Stack::new`](crate::Stack::new)), on an aligned stack, as the callee
/// of the outermost frame (unwinders and debuggers stop there).
///
/// Before it, in assembly, the image applies its DT_RELR table. The linker script must bound that table
/// with `__relr_start` and `__relr_end` and link the image at address 0. An image that would need any
/// other relocation, or whose dynamic section disagrees with these bounds, says so on standard error and
/// ends with status 127.
///
/// The macro also defines the symbols that compiled Rust code takes from a C library: the memory functions
/// (`memcpy memmove memset memcmp bcmp strlen`) and the two hooks of the unwinder. They are weak and
/// hidden. The panic handler remains the binary's own.
#[macro_export]
macro_rules! entry {
    ($start:path) => {
        const _: unsafe extern "C" fn(*const usize) -> ! = $start;
        $crate::self_relocation!();
        $crate::image_start!($start);
        $crate::runtime_symbols!();
    };
}

/// As [`entry!`](crate::entry), for a program that may also be started by an interpreter, linked with the
/// linker's default script: the table bounds come from the program headers, and an image that an
/// interpreter has already relocated (PT_INTERP, AT_BASE or a finaliser) is left alone.
///
/// `$start` is an `unsafe extern "C" fn(*const usize, usize) -> !`; the second value is the interpreter's
/// finaliser (0: none).
#[macro_export]
macro_rules! program_entry {
    ($start:path) => {
        const _: unsafe extern "C" fn(*const usize, usize) -> ! = $start;
        $crate::self_relocation!();
        $crate::program_start!($start);
        $crate::runtime_symbols!();
    };
}

/// The symbols that compiled Rust code expects from a C library and an unwinder.
#[doc(hidden)]
#[macro_export]
macro_rules! runtime_symbols {
    () => {
        $crate::memory_functions!();
        $crate::unwinder_hooks!();
    };
}

/// The reasons for which self-relocation ends, as assembly: `.Lcrt_reason_NAME` and a string.
#[doc(hidden)]
#[macro_export]
macro_rules! relocation_refusals {
    () => {
        concat!(
            $crate::relocation_refusals!("needed", "it needs a library (DT_NEEDED)"),
            $crate::relocation_refusals!("textrel", "its text would have to be written (DT_TEXTREL)"),
            $crate::relocation_refusals!("jmprel", "it has relocations for calls (DT_JMPREL)"),
            $crate::relocation_refusals!("rel", "it has a DT_REL table (link with -z pack-relative-relocs)"),
            $crate::relocation_refusals!(
                "rela",
                "it has DT_RELA entries that it does not apply (link with -z pack-relative-relocs)"
            ),
            $crate::relocation_refusals!("packed", "it has a packed table other than DT_RELR (Android or CREL)"),
            $crate::relocation_refusals!("bounds", "DT_RELR and the linker script disagree about the table"),
            $crate::relocation_refusals!("relrent", "DT_RELRENT or DT_RELRSZ is not one of 8-byte entries"),
            $crate::relocation_refusals!("bitmap", "its RELR table starts with a bitmap"),
        )
    };
    ($name:literal, $reason:literal) => {
        concat!(".Lcrt_reason_", $name, ": .asciz \"", $reason, "\\n\"\n")
    };
}

/// The directives and the label that begin a function which is weak and hidden.
#[doc(hidden)]
#[macro_export]
macro_rules! weak_function {
    ($prefix:literal, $name:literal) => {
        concat!(
            ".weak ",
            $prefix,
            $name,
            "\n.hidden ",
            $prefix,
            $name,
            "\n.type ",
            $prefix,
            $name,
            ",%function\n",
            $prefix,
            $name,
            ":"
        )
    };
}

#[cfg(test)]
mod tests {
    use core::ffi::{CStr, c_char, c_int};
    use std::vec::Vec;

    use crate::arch::RELATIVE;

    crate::self_relocation!();
    crate::memory_functions!("crt_test_");

    const DT_NEEDED: u64 = 1;
    const DT_PLTRELSZ: u64 = 2;
    const DT_RELA: u64 = 7;
    const DT_RELASZ: u64 = 8;
    const DT_RELSZ: u64 = 18;
    const DT_TEXTREL: u64 = 22;
    const DT_FLAGS: u64 = 30;
    const DT_RELRSZ: u64 = 35;
    const DT_RELR: u64 = 36;
    const DT_RELRENT: u64 = 37;
    const DT_ANDROID_RELASZ: u64 = 0x6000_0012;
    const DT_ANDROID_RELR: u64 = 0x6fff_e000;
    const DF_TEXTREL: u64 = 4;

    unsafe extern "C" {
        fn __crt_relocate_self(
            bias: usize,
            dynamic: *const u64,
            relr_start: usize,
            relr_end: usize,
            accept_rela: c_int,
        ) -> *const c_char;
        fn crt_test_memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8;
        fn crt_test_memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8;
        fn crt_test_memset(to: *mut u8, byte: c_int, length: usize) -> *mut u8;
        fn crt_test_memcmp(left: *const u8, right: *const u8, length: usize) -> c_int;
        fn crt_test_bcmp(left: *const u8, right: *const u8, length: usize) -> c_int;
        fn crt_test_strlen(string: *const u8) -> usize;
    }

    /// Words 0 to 199 are the image, its link address is 0; the table follows.
    struct Forged {
        memory: Vec<u64>,
        tags: Vec<u64>,
        bounds: Option<(usize, usize)>,
        accept_rela: bool,
    }

    const IMAGE: usize = 200;
    const TABLE: u64 = IMAGE as u64 * 8;

    impl Forged {
        fn with_relr(stream: &[u64]) -> Forged {
            let mut memory = std::vec![0; IMAGE];
            memory.extend(stream);
            let size = stream.len() as u64 * 8;
            let tags = std::vec![DT_RELR, TABLE, DT_RELRSZ, size, DT_RELRENT, 8];
            Forged {
                memory,
                tags,
                bounds: None,
                accept_rela: false,
            }
        }

        fn with_tags(tags: &[u64]) -> Forged {
            Forged {
                tags: tags.to_vec(),
                ..Forged::with_relr(&[])
            }
        }

        fn bias(&self) -> usize {
            self.memory.as_ptr() as usize
        }

        fn relocate(&mut self) -> Result<(), &'static str> {
            self.tags.extend([0, 0]);
            let bias = self.memory.as_mut_ptr() as usize;
            let (start, end) = self.bounds.map_or((0, 0), |(start, end)| (bias + start, bias + end));
            // SAFETY: the forged tables name only places within `memory`.
            let line = unsafe {
                let tags = self.tags.as_ptr();
                __crt_relocate_self(bias, tags, start, end, self.accept_rela.into())
            };
            if line.is_null() {
                return Ok(());
            }
            // SAFETY: a line is a static string.
            Err(unsafe { CStr::from_ptr(line) }.to_str().unwrap())
        }

        /// The words to which the bias has been added.
        fn relocated(&self) -> Vec<usize> {
            let bias = self.bias() as u64;
            let image = self.memory[..IMAGE].iter().enumerate();
            image
                .filter(|&(_, &word)| word != 0)
                .map(|(index, &word)| {
                    assert_eq!(word, bias);
                    index
                })
                .collect()
        }
    }

    #[test]
    fn relr_addresses_and_bitmaps_reach_their_words() {
        let mut image = Forged::with_relr(&[8, 0b1011, 20 * 8, 30 * 8]);
        image.relocate().unwrap();
        assert_eq!(image.relocated(), [1, 2, 4, 20, 30]);
    }

    #[test]
    fn chained_bitmaps_continue_after_63_words() {
        let mut image = Forged::with_relr(&[0, u64::MAX, 1, 0b101, 150 * 8, 1 << 63 | 1]);
        image.relocate().unwrap();
        let mut expected: Vec<usize> = (0..=63).collect();
        expected.extend([1 + 63 * 2 + 1, 150, 151 + 62]);
        expected.retain(|&word| word < IMAGE);
        assert_eq!(image.relocated(), expected);
    }

    #[test]
    fn an_empty_table_and_no_table_are_fine() {
        assert_eq!(Forged::with_relr(&[]).relocate(), Ok(()));
        assert_eq!(Forged::with_tags(&[]).relocate(), Ok(()));
        assert_eq!(
            Forged::with_tags(&[DT_RELA, 0, DT_RELASZ, 0, DT_RELSZ, 0]).relocate(),
            Ok(())
        );
    }

    #[test]
    fn a_bitmap_without_an_address_is_an_error() {
        let error = Forged::with_relr(&[3]).relocate().unwrap_err();
        assert!(error.contains("starts with a bitmap"), "{error}");
    }

    #[test]
    fn entries_of_another_size_are_an_error() {
        for (tag, value) in [(5, 16), (5, 0), (3, 12)] {
            let mut image = Forged::with_relr(&[8, 8]);
            image.tags[tag] = value;
            let error = image.relocate().unwrap_err();
            assert!(error.contains("DT_RELRENT"), "{error}");
            assert_eq!(image.relocated(), []);
        }
    }

    #[test]
    fn bounds_of_the_linker_script_must_agree() {
        let table = TABLE as usize;
        for (bounds, agree) in [
            ((table, table + 8), true),
            ((table + 8, table + 16), false),
            ((table, table + 16), false),
            ((table, table), false),
        ] {
            let mut image = Forged::with_relr(&[8]);
            image.bounds = Some(bounds);
            assert_eq!(image.relocate().is_ok(), agree, "{bounds:?}");
        }
    }

    #[test]
    fn what_needs_anything_else_is_an_error_and_nothing_is_written() {
        for (tags, word) in [
            (&[DT_NEEDED, 0][..], "DT_NEEDED"),
            (&[DT_TEXTREL, 0], "DT_TEXTREL"),
            (&[DT_FLAGS, DF_TEXTREL], "DT_TEXTREL"),
            (&[DT_PLTRELSZ, 24], "DT_JMPREL"),
            (&[DT_RELSZ, 16], "DT_REL "),
            (&[DT_RELA, TABLE, DT_RELASZ, 24], "DT_RELA "),
            (&[DT_ANDROID_RELASZ, 8], "packed"),
            (&[DT_ANDROID_RELR, 8], "packed"),
            (&[0x4000_0026, 8], "packed"),
        ] {
            let mut image = Forged::with_relr(&[8]);
            image.tags.extend(tags);
            let error = image.relocate().unwrap_err();
            assert!(error.contains(word) && error.ends_with('\n'), "{error}");
            assert_eq!(image.relocated(), []);
        }
    }

    #[test]
    fn a_program_may_have_relative_rela_entries_and_no_others() {
        for (kind, fine) in [(RELATIVE, true), (RELATIVE + 1, false)] {
            let mut image = Forged::with_tags(&[DT_RELA, TABLE, DT_RELASZ, 24]);
            image.memory.extend([40, kind, 0]);
            image.accept_rela = true;
            assert_eq!(image.relocate().is_ok(), fine);
            assert_eq!(image.relocated(), if fine { &[5][..] } else { &[] });
        }
    }

    #[test]
    fn blocks_of_every_length_and_overlap_are_copied() {
        let source: Vec<u8> = (0..=255).cycle().take(700).collect();
        for length in (0..200).chain([255, 256, 300]) {
            for (from, to) in [(0, 350), (100, 103), (103, 100), (100, 108), (100, 100), (108, 100)] {
                let mut ours = source.clone();
                let mut theirs = source.clone();
                theirs.copy_within(from..from + length, to);
                let base = ours.as_mut_ptr();
                // SAFETY: both ranges lie within the 700 bytes.
                let answer = unsafe { crt_test_memmove(base.add(to), base.add(from), length) };
                assert_eq!(answer as usize, base as usize + to);
                assert_eq!(ours, theirs, "{length} bytes from {from} to {to}");
            }
            let mut ours = std::vec![0; 310];
            // SAFETY: the vectors are long enough.
            let answer = unsafe { crt_test_memcpy(ours.as_mut_ptr(), source.as_ptr(), length) };
            assert_eq!(answer, ours.as_mut_ptr());
            assert_eq!(ours[..length], source[..length]);
            assert!(ours[length..].iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn blocks_of_every_length_are_filled() {
        for length in (0..200).chain([255, 256, 300]) {
            let mut bytes = std::vec![1u8; 310];
            // SAFETY: the vector is long enough.
            let answer = unsafe { crt_test_memset(bytes.as_mut_ptr(), 0x1ab, length) };
            assert_eq!(answer, bytes.as_mut_ptr());
            assert!(bytes[..length].iter().all(|&byte| byte == 0xab));
            assert!(bytes[length..].iter().all(|&byte| byte == 1));
        }
    }

    #[test]
    fn the_first_byte_that_differs_decides_a_comparison() {
        for length in 0..40 {
            let left = std::vec![0x80u8; length];
            // SAFETY: both vectors have `length` bytes.
            let compare = |right: &[u8]| unsafe {
                let equal = crt_test_bcmp(left.as_ptr(), right.as_ptr(), length) == 0;
                let order = crt_test_memcmp(left.as_ptr(), right.as_ptr(), length);
                assert_eq!(equal, order == 0);
                order.signum()
            };
            assert_eq!(compare(&left), 0);
            for place in 0..length {
                let mut right = left.clone();
                right[place] = 0x81;
                if let Some(after) = right.get_mut(place + 1) {
                    *after = 0;
                }
                assert_eq!(compare(&right), -1);
                right[place] = 0x7f;
                assert_eq!(compare(&right), 1);
            }
        }
    }

    #[test]
    fn strings_are_measured() {
        // What stands before a string and behind it is neither looked at nor counted, wherever it begins.
        for start in 0..40 {
            for length in 0..70 {
                let mut bytes = [0u8; 160];
                bytes[start..start + length].fill(0x80);
                bytes[start + length + 1..].fill(b'x');
                // SAFETY: the string ends with a NUL.
                assert_eq!(unsafe { crt_test_strlen(bytes[start..].as_ptr()) }, length);
            }
        }
    }
}
