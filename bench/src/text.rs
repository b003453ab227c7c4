//! Assembler texts of the generated libraries and programs.
//!
//! Each function that a relocation can lead to returns a number of its own, and each library exports `checkNNNN`, which calls (or reads) whatever
//! its relocations point to and folds the numbers into a checksum. So a loader that leaves a relocation out, or binds it to another definition, is found out.

use std::fmt::Write as _;

/// A checksum over the numbers of targets, in their order. The assembler of [`fold`] computes the same.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Checksum(pub u64);

impl Checksum {
    /// Adds the number of one target.
    pub fn add(&mut self, number: u32) {
        self.0 = self.0.wrapping_mul(31).wrapping_add(u64::from(number));
    }
}

/// Adds `rax` to the checksum in `r12`.
const FOLD: &str = " imul $31,%r12,%r12\n add %rax,%r12\n";

/// The number of function or variable `index` of library `library`.
pub fn number(library: usize, index: usize) -> u32 {
    (library as u32)
        .wrapping_mul(1_000_003)
        .wrapping_add((index as u32).wrapping_mul(7919))
        .wrapping_add(1)
}

/// The name of function `index` of library `library`: long, with a long beginning in common and its difference in the middle, as those of C++ are.
pub fn name(library: usize, index: usize) -> String {
    format!(
        "_ZN7company8products9Component{library:05}25AbstractWidgetFactoryImpl{index:06}14createInstanceERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEi"
    )
}

/// A global function that returns a number.
pub fn function(text: &mut String, name: &str, number: u32) {
    // Writing to a string does not fail.
    let _ = write!(
        text,
        ".globl {name}\n.type {name},@function\n{name}: mov ${number},%eax\n ret\n.size {name},.-{name}\n"
    );
}

/// Begins the section of words that are relocated and then read-only; the words follow.
pub const TABLE: &str = ".section .data.rel.ro,\"aw\",@progbits\n.balign 8\n";

/// The function `checkNNNN`, which takes a checksum and gives it back with `body` applied to it (in `r12`).
pub fn check(text: &mut String, library: usize, body: &str) {
    let _ = write!(
        text,
        ".text\n.globl check{library:04}\n.type check{library:04},@function\ncheck{library:04}:\n push %rbx\n push %rbp\n push %r12\n mov %rdi,%r12\n\
         {body} mov %r12,%rax\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"
    );
}

/// The part of a check that calls every word from `table` to `table_end`, `stride` bytes apart.
pub fn walk(stride: usize) -> String {
    format!(
        " lea table(%rip),%rbx\n lea table_end(%rip),%rbp\n1: cmp %rbp,%rbx\n jae 2f\n call *(%rbx)\n{FOLD} add ${stride},%rbx\n jmp 1b\n2:\n"
    )
}

/// The part of a check that reads a thread-local variable: by its offset from the thread pointer, or by a descriptor (TLS ABI, "TLS descriptors for x86").
pub fn read_thread_local(variable: &str, by_offset: bool) -> String {
    if by_offset {
        format!(" movq {variable}@gottpoff(%rip),%rax\n movq %fs:(%rax),%rax\n{FOLD}")
    } else {
        format!(" leaq {variable}@tlsdesc(%rip),%rax\n call *{variable}@tlscall(%rax)\n movq %fs:(%rax),%rax\n{FOLD}")
    }
}

/// A library of functions whose table refers to `targets`, each `copies` times.
pub fn library(own: usize, functions: &[(String, u32)], targets: &[String], copies: usize) -> String {
    let mut text = ".text\n".to_owned();
    for (name, number) in functions {
        function(&mut text, name, *number);
    }
    text.push_str(TABLE);
    text.push_str("table:\n");
    for target in targets {
        text.push_str(&format!(".quad {target}\n").repeat(copies));
    }
    text.push_str("table_end:\n");
    check(&mut text, own, &walk(8));
    text
}

/// A program that ends at once: what it costs is its loader's and the kernel's.
pub const EXIT: &str = ".globl _start\n.type _start,@function\n.text\n_start: mov $60,%eax\n xor %edi,%edi\n syscall\n";

/// A program that writes the checksum over the libraries `checks`, 8 bytes of it, to its standard output.
pub fn verifier(checks: impl Iterator<Item = usize>) -> String {
    let mut text = ".globl _start\n.type _start,@function\n.text\n_start: and $-16,%rsp\n xor %eax,%eax\n".to_owned();
    for library in checks {
        let _ = write!(text, " mov %rax,%rdi\n call *check{library:04}@GOTPCREL(%rip)\n");
    }
    text.push_str(" push %rax\n push %rax\n mov %rsp,%rsi\n mov $8,%edx\n mov $1,%edi\n mov $1,%eax\n syscall\n");
    text.push_str(" mov $60,%eax\n xor %edi,%edi\n syscall\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_long_as_the_workloads_say() {
        assert_eq!(name(0, 0).len(), 140);
        assert_eq!(name(999, 99_999).len(), 140);
    }

    #[test]
    fn a_checksum_tells_the_order_and_the_absence_of_targets() {
        let of = |numbers: &[u32]| {
            let mut sum = Checksum::default();
            numbers.iter().for_each(|number| sum.add(*number));
            sum
        };
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
        assert_ne!(of(&[1, 2]), of(&[1]));
        assert_eq!(of(&[1, 2]), of(&[1, 2]));
    }

    #[test]
    fn no_two_functions_of_a_workload_have_one_number() {
        let mut numbers: Vec<u32> = (0..500)
            .flat_map(|library| (0..200).map(move |index| number(library, index)))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 100_000);
    }

    #[test]
    fn each_target_stands_as_often_as_asked() {
        let text = library(3, &[("f".to_owned(), 7)], &["g".to_owned(), "h".to_owned()], 5);
        assert_eq!(text.matches(".quad g\n").count(), 5);
        assert_eq!(text.matches(".quad h\n").count(), 5);
        assert!(text.contains("check0003:") && text.contains("f: mov $7,%eax"));
    }
}
