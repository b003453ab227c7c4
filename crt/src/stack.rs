//! The initial stack: argc, argv, envp and the auxiliary vector, as the kernel's `create_elf_tables` writes
//! them and the psABI describes them ("Initial Stack and Register State").
//!
//! From the stack pointer upwards, in words: argc; argc pointers to strings and a null pointer; the
//! environment's pointers and a null pointer; pairs of kind and value, ended by AT_NULL. The strings lie
//! above.
//!
//! # Safety
//! Everything is read through the one pointer that [`Stack::new`] was given, within the bounds that it measured.

use core::ffi::{CStr, c_char};
use core::marker::PhantomData;

use crate::auxv::{AT_BASE_PLATFORM, AT_EXECFN, AT_NULL, AT_PLATFORM, AT_RANDOM};

const WORD: usize = size_of::<usize>();

/// The initial stack of a process, measured once.
///
/// The words belong to the program as soon as it runs. Use the views before that, or on a copy.
#[derive(Debug)]
pub struct Stack {
    base: *mut usize,
    arguments: usize,
    variables: usize,
    auxiliaries: usize,
}

impl Stack {
    /// Measures the stack that starts with argc at `base`.
    ///
    /// # Safety
    /// `base` is aligned to a word and points to an initial stack as described above, which stays in place
    /// and is neither read nor written but through the result while that is in use. Its strings stay for ever, and so does
    /// what its auxiliary entries say the address of: strings, and the 16 bytes of AT_RANDOM.
    pub unsafe fn new(base: *const usize) -> Stack {
        let base = base.cast_mut();
        // SAFETY: the caller vouches for argc.
        let arguments = unsafe { base.read() };
        let environment = base.wrapping_add(arguments.wrapping_add(2));
        let mut variables = 0usize;
        // SAFETY: the environment ends with a null pointer, and the walk stops there.
        while unsafe { environment.wrapping_add(variables).read() } != 0 {
            variables = variables.wrapping_add(1);
        }
        let vector = environment.wrapping_add(variables.wrapping_add(1));
        let mut auxiliaries = 0usize;
        // SAFETY: the vector ends with AT_NULL, and the walk stops there.
        while unsafe { vector.wrapping_add(auxiliaries.wrapping_mul(2)).read() } != AT_NULL {
            auxiliaries = auxiliaries.wrapping_add(1);
        }
        Stack {
            base,
            arguments,
            variables,
            auxiliaries,
        }
    }

    /// The address of argc: what the stack pointer is at a program's entry.
    pub fn address(&self) -> *mut usize {
        self.base
    }

    /// argc, which may be 0.
    pub fn argument_count(&self) -> usize {
        self.arguments
    }

    /// The address of the array argv, which ends with a null pointer.
    pub fn argv(&self) -> *mut *const c_char {
        self.base.wrapping_add(1).cast()
    }

    /// The address of the array envp, which ends with a null pointer.
    pub fn envp(&self) -> *mut *const c_char {
        self.argv().wrapping_add(self.arguments.wrapping_add(1))
    }

    /// The address of the auxiliary vector, pairs of words that end with AT_NULL.
    pub fn auxv(&self) -> *mut usize {
        self.envp().wrapping_add(self.variables.wrapping_add(1)).cast()
    }

    /// Size in words of all that [`new`](Stack::new) measured, AT_NULL's pair included.
    pub fn words(&self) -> usize {
        // argc, two null pointers, AT_NULL's pair
        let fixed = self.arguments.wrapping_add(self.variables).wrapping_add(5);
        fixed.wrapping_add(self.auxiliaries.wrapping_mul(2))
    }

    /// The arguments, argv\[0\] first.
    pub fn arguments(&self) -> Strings<'_> {
        Strings {
            next: self.argv(),
            left: self.arguments,
            stack: PhantomData,
        }
    }

    /// The environment, as `NAME=value`.
    pub fn environment(&self) -> Strings<'_> {
        Strings {
            next: self.envp(),
            left: self.variables,
            stack: PhantomData,
        }
    }

    /// Gives `found` the entries of the environment whose first two bytes are `wanted`. Of the others no more is read: an environment is long.
    pub fn variables(&self, wanted: impl Fn([u8; 2]) -> bool, mut found: impl FnMut(&'static CStr)) {
        for index in 0..self.variables {
            // SAFETY: `new` counted the entries, none of which is null and each of which points to a string that stays; behind a byte that is not 0 it has another.
            unsafe {
                let string = self.envp().wrapping_add(index).read();
                let bytes = string.cast::<u8>();
                if bytes.read() != 0 && wanted([bytes.read(), bytes.wrapping_add(1).read()]) {
                    found(CStr::from_ptr(string));
                }
            }
        }
    }

    /// The value of the environment variable `name`; the first one, if there are several.
    pub fn variable(&self, name: &[u8]) -> Option<&'static [u8]> {
        self.environment().find_map(|entry| {
            entry
                .to_bytes()
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(b"="))
        })
    }

    /// The auxiliary vector as (kind, value), without AT_NULL.
    pub fn auxiliaries(&self) -> Auxiliaries<'_> {
        Auxiliaries {
            next: self.auxv(),
            left: self.auxiliaries,
            stack: PhantomData,
        }
    }

    /// The value of the first auxiliary entry of `kind` (a constant of [`auxv`](crate::auxv)).
    pub fn auxiliary(&self, kind: usize) -> Option<usize> {
        self.auxiliaries()
            .find_map(|(found, value)| (found == kind).then_some(value))
    }

    /// The string at the address that the auxiliary entry of `kind` holds: AT_PLATFORM, AT_EXECFN or
    /// AT_BASE_PLATFORM. `None` for any other.
    pub fn auxiliary_string(&self, kind: usize) -> Option<&'static CStr> {
        if !matches!(kind, AT_PLATFORM | AT_EXECFN | AT_BASE_PLATFORM) {
            return None;
        }
        let address = self.auxiliary(kind).filter(|&address| address != 0)?;
        // SAFETY: an entry of this kind points to a string that stays, as `new` demands.
        Some(unsafe { CStr::from_ptr(address as *const c_char) })
    }

    /// The 16 bytes of AT_RANDOM, as two words.
    pub fn random(&self) -> Option<[u64; 2]> {
        let address = self.auxiliary(AT_RANDOM).filter(|&address| address != 0)?;
        // SAFETY: the entry points to 16 bytes that stay, as `new` demands.
        Some(unsafe { (address as *const [u64; 2]).read_unaligned() })
    }

    /// Overwrites the value of the first auxiliary entry of `kind`; false if there is none.
    pub fn set_auxiliary(&mut self, kind: usize, value: usize) -> bool {
        let Some(index) = self.auxiliaries().position(|(found, _)| found == kind) else {
            return false;
        };
        let place = self.auxv().wrapping_add(index.wrapping_mul(2)).wrapping_add(1);
        // SAFETY: `new` found the pair in place, and nobody else uses it.
        unsafe { place.write(value) };
        true
    }

    /// Points argument `index` to another string; false if there is no such argument.
    pub fn set_argument(&mut self, index: usize, string: &'static CStr) -> bool {
        if index >= self.arguments {
            return false;
        }
        // SAFETY: the index is within argv.
        unsafe { self.argv().wrapping_add(index).write(string.as_ptr()) };
        true
    }

    /// Removes the first `count` arguments (at most all) and returns the new stack pointer.
    ///
    /// argc moves up by an even number of words, so that the stack pointer keeps its alignment to 16; for an
    /// odd `count` the arrays and the auxiliary vector move down by one word. The strings stay.
    pub fn shift_arguments(&mut self, count: usize) -> *mut usize {
        let count = count.min(self.arguments);
        let new_base = self.base.wrapping_add(count & !1);
        if count % 2 == 1 {
            let kept = self.base.wrapping_add(count.wrapping_add(1));
            let length = self.words().wrapping_sub(count.wrapping_add(1));
            // SAFETY: both ranges lie within the measured words; `copy` allows their overlap.
            unsafe { kept.copy_to(new_base.wrapping_add(1), length) };
        }
        self.base = new_base;
        self.arguments = self.arguments.wrapping_sub(count);
        // SAFETY: the new base is within the measured words.
        unsafe { new_base.write(self.arguments) };
        new_base
    }

    /// Removes the environment entries for which `keep` is false; the auxiliary vector moves down behind
    /// what is left, where programs look for it. The stack pointer does not change.
    pub fn retain_environment(&mut self, mut keep: impl FnMut(&'static CStr) -> bool) {
        let (envp, vector) = (self.envp(), self.auxv());
        let mut kept = 0usize;
        let entries = Strings {
            next: envp,
            left: self.variables,
            stack: PhantomData,
        };
        for entry in entries {
            if keep(entry) {
                // SAFETY: `kept` is not above the index that the iterator has just read.
                unsafe { envp.wrapping_add(kept).write(entry.as_ptr()) };
                kept = kept.wrapping_add(1);
            }
        }
        // SAFETY: at most as many entries as there were.
        unsafe { envp.wrapping_add(kept).write(core::ptr::null()) };
        self.variables = kept;
        let length = self.auxiliaries.wrapping_add(1).wrapping_mul(2);
        // SAFETY: the vector moves down or stays, within the measured words; `copy` allows the overlap.
        unsafe { vector.copy_to(self.auxv(), length) };
    }
}

/// The strings of argv or envp.
#[derive(Clone, Debug)]
pub struct Strings<'a> {
    next: *mut *const c_char,
    left: usize,
    stack: PhantomData<&'a Stack>,
}

impl Iterator for Strings<'_> {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<&'static CStr> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: `Stack::new` counted the entries; `left` stops at the last one.
        let string = unsafe { self.next.read() };
        self.next = self.next.wrapping_add(1);
        if string.is_null() {
            self.left = 0;
            return None;
        }
        // SAFETY: an entry that is not null points to a string that stays, as `Stack::new` demands.
        Some(unsafe { CStr::from_ptr(string) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

/// The pairs (kind, value) of the auxiliary vector.
#[derive(Clone, Debug)]
pub struct Auxiliaries<'a> {
    next: *mut usize,
    left: usize,
    stack: PhantomData<&'a Stack>,
}

impl Iterator for Auxiliaries<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: `Stack::new` counted the pairs; `left` stops at the last one.
        let pair = unsafe { (self.next.read(), self.next.wrapping_add(1).read()) };
        self.next = self.next.wrapping_add(2);
        Some(pair)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

const _: () = assert!(WORD == size_of::<*const c_char>());

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::auxv::{AT_BASE, AT_ENTRY, AT_PAGESZ};

    fn forge(arguments: &[&'static CStr], environment: &[&'static CStr]) -> Vec<u64> {
        let mut words = std::vec![arguments.len() as u64];
        words.extend(arguments.iter().map(|string| string.as_ptr() as u64));
        words.push(0);
        words.extend(environment.iter().map(|string| string.as_ptr() as u64));
        words.push(0);
        words.extend([AT_PAGESZ as u64, 4096, AT_ENTRY as u64, 0x1000, AT_NULL as u64, 0]);
        words
    }

    fn measure(words: &mut [u64]) -> Stack {
        // SAFETY: `forge` writes an initial stack of 8-byte words with static strings.
        unsafe { Stack::new(words.as_mut_ptr().cast()) }
    }

    #[test]
    fn the_parts_are_found_where_the_kernel_puts_them() {
        let mut words = forge(&[c"prog", c"-x"], &[c"A=1", c"B=", c"A=2"]);
        let stack = measure(&mut words);
        assert_eq!(stack.arguments().collect::<Vec<_>>(), [c"prog", c"-x"]);
        assert_eq!(stack.environment().count(), 3);
        assert_eq!(stack.variable(b"A"), Some(&b"1"[..]));
        assert_eq!(stack.variable(b"B"), Some(&b""[..]));
        assert_eq!(stack.variable(b""), None);
        let mut found = Vec::new();
        stack.variables(|first| first == *b"A=", |entry| found.push(entry));
        assert_eq!(found, [c"A=1", c"A=2"]);
        assert_eq!(
            stack.auxiliaries().collect::<Vec<_>>(),
            [(AT_PAGESZ, 4096), (AT_ENTRY, 0x1000)]
        );
        assert_eq!(stack.auxiliary(AT_BASE), None);
        assert_eq!(stack.words(), words.len());
    }

    #[test]
    fn a_stack_without_arguments_and_environment_is_read() {
        let mut words = forge(&[], &[]);
        let mut stack = measure(&mut words);
        assert_eq!(stack.arguments().count(), 0);
        assert_eq!(stack.auxiliary(AT_PAGESZ), Some(4096));
        let top = stack.shift_arguments(3);
        assert_eq!(top, stack.address());
        assert_eq!(stack.argument_count(), 0);
    }

    #[test]
    fn shifting_keeps_the_alignment_and_the_contents() {
        let all = [c"lode", c"--option", c"value", c"prog", c"arg"];
        for count in 0..=all.len() {
            let mut words = forge(&all, &[c"A=1"]);
            let mut stack = measure(&mut words);
            let before = stack.address() as usize;
            let top = stack.shift_arguments(count);
            assert_eq!((top as usize - before) % 16, 0);
            // SAFETY: shifting leaves an initial stack.
            let again = unsafe { Stack::new(top) };
            assert_eq!(again.arguments().collect::<Vec<_>>(), all[count..]);
            assert_eq!(again.environment().collect::<Vec<_>>(), [c"A=1"]);
            assert_eq!(again.auxiliary(AT_ENTRY), Some(0x1000));
            assert_eq!(again.words(), stack.words());
        }
    }

    #[test]
    fn auxiliary_values_and_arguments_are_replaced_in_place() {
        let mut words = forge(&[c"prog"], &[]);
        let mut stack = measure(&mut words);
        assert!(stack.set_auxiliary(AT_ENTRY, 7));
        assert!(!stack.set_auxiliary(AT_BASE, 7));
        assert!(stack.set_argument(0, c"other"));
        assert!(!stack.set_argument(1, c"other"));
        assert_eq!(stack.auxiliary(AT_ENTRY), Some(7));
        assert_eq!(stack.arguments().next(), Some(c"other"));
    }

    #[test]
    fn removed_variables_leave_no_gap_before_the_auxiliary_vector() {
        let mut words = forge(&[c"prog"], &[c"LD_PRELOAD=x", c"A=1", c"LD_DEBUG=all"]);
        let mut stack = measure(&mut words);
        stack.retain_environment(|entry| !entry.to_bytes().starts_with(b"LD_"));
        // SAFETY: an initial stack is left.
        let again = unsafe { Stack::new(stack.address()) };
        assert_eq!(again.environment().collect::<Vec<_>>(), [c"A=1"]);
        assert_eq!(again.auxiliary(AT_PAGESZ), Some(4096));
        assert_eq!(again.auxiliary(AT_ENTRY), Some(0x1000));
    }
}
