//! Places in the code that a tracer finds by name: probes of SystemTap's third form (`sys/sdt.h`; the notes are described in the SystemTap wiki,
//! "UserSpaceProbeImplementation"), which gdb, perf and bpftrace read too. Provider and names are those of glibc's loader, because gdb looks for them.
//!
//! A probe is one instruction that does nothing, and a note in a section that is not loaded, which says where it is and which register holds which
//! argument. A tracer puts its breakpoint there; without one, a probe costs that instruction.
//!
//! Not here are glibc's `lll_lock_wait`, `setjmp` and `longjmp`: lode has no such function of its own. libc's copies of them have their own probes.

/// Makes the function of one probe: `form` says what the registers hold, as signed (`-`) or unsigned numbers of so many bytes.
macro_rules! probe {
    ($(#[$what:meta])* $name:ident($($argument:ident),*), $form:literal) => {
        $(#[$what])*
        #[inline(always)]
        pub fn $name($($argument: u64),*) {
            // SAFETY: one instruction that does nothing. What the note says goes into a section that is not loaded, and one byte into .stapsdt.base, from
            // whose place a tracer learns how far a tool has moved the code.
            unsafe {
                core::arch::asm!(
                    "990: nop",
                    ".pushsection .note.stapsdt, \"\", @note",
                    ".p2align 2",
                    ".4byte 992f - 991f, 994f - 993f, 3",
                    "991: .asciz \"stapsdt\"",
                    "992: .p2align 2",
                    "993: .8byte 990b",
                    ".8byte _.stapsdt.base",
                    ".8byte 0",
                    ".asciz \"rtld\"",
                    concat!(".asciz \"", stringify!($name), "\""),
                    concat!(".asciz \"", $form, "\""),
                    "994: .p2align 2",
                    ".popsection",
                    ".ifndef _.stapsdt.base",
                    ".pushsection .stapsdt.base, \"aG\", @progbits, .stapsdt.base, comdat",
                    ".weak _.stapsdt.base",
                    ".hidden _.stapsdt.base",
                    "_.stapsdt.base: .space 1",
                    ".size _.stapsdt.base, 1",
                    ".popsection",
                    ".endif",
                    $($argument = in(reg) $argument,)*
                    options(nomem, nostack, preserves_flags),
                );
            }
        }
    };
}

probe!(
    /// The list has its first modules; nothing of the program has run.
    init_start(namespace, r_debug),
    "-8@%{namespace} 8@%{r_debug}"
);
probe!(
    /// The start is complete but for the constructors.
    init_complete(namespace, r_debug),
    "-8@%{namespace} 8@%{r_debug}"
);
probe!(
    /// Modules are about to be added to the list.
    map_start(namespace, r_debug),
    "-8@%{namespace} 8@%{r_debug}"
);
probe!(
    /// Modules could not be opened; nothing has changed.
    map_failed(namespace, r_debug),
    "-8@%{namespace} 8@%{r_debug}"
);
probe!(
    /// Modules were added to the list; `link_map` is the first of them.
    map_complete(namespace, r_debug, link_map),
    "-8@%{namespace} 8@%{r_debug} 8@%{link_map}"
);
probe!(
    /// Modules are relocated, which lode did before it added them.
    reloc_start(namespace, r_debug),
    "-8@%{namespace} 8@%{r_debug}"
);
probe!(
    /// Modules are ready for their constructors; `link_map` is the first of them.
    reloc_complete(namespace, r_debug, link_map),
    "-8@%{namespace} 8@%{r_debug} 8@%{link_map}"
);
probe!(
    /// Modules are about to be taken from the list. Their destructors have run.
    unmap_start(namespace, r_debug),
    "-8@%{namespace} 8@%{r_debug}"
);
probe!(
    /// Modules were taken from the list.
    unmap_complete(namespace, r_debug),
    "-8@%{namespace} 8@%{r_debug}"
);
