//! What glibc's libc.so.6 was compiled to expect of its loader, one constant table per build of glibc.
//!
//! libc.so.6 reads private structures of the loader at offsets that are fixed in its machine code and that
//! change between releases and within release branches. A [`Layout`] states them for one such state. The rows are
//! generated from the debug information of a distribution's package by `cargo xtask tables` and checked
//! in; this file is only their schema. No member offset of glibc is written anywhere else.
//!
//! Rows are large and many, so they are kept small: they share the text of their names ([`Word`]), and hold no
//! pointers where a number does.
//!
//! Field names are glibc's member names without leading underscores (`dl_pagesize` is `_dl_pagesize`). A member
//! that some glibc does not have is an `Option`.

#![forbid(unsafe_code)]

use core::fmt;
use core::num::NonZeroU32;
use core::ops::Deref;

use super::cpu::CacheRules;
use super::record;
use crate::error::Lossy;

/// Declares the rows, one for each generated file, and what they have in common.
macro_rules! rows {
    ($($row:ident,)*) => {
        $( mod $row; )*

        /// Every known layout.
        pub static ALL: &[Row] = &[$( $row::ROW, )*];

        /// What the rows say of structures.
        const STATES: &[[u32; WORDS]] = &[$( $row::STRUCTURES.words(), )*];

        pool!(Tunable, TUNABLES, $($row)*);
        pool!(ThreadDb, THREAD_DB, $($row)*);
    };
}

/// Declares a table of everything that a list of some row has, each once, and how a row is told what of it makes its list: most
/// rows have most of it, and it is much larger than a number.
macro_rules! pool {
    ($type:ident, $list:ident, $($row:ident)*) => {
        impl $type {
            const POOL: ([Self; 256], usize) = {
                let lists: &[&[Self]] = &[$( $row::$list, )*];
                let mut pool = [Self::NONE; 256];
                let (mut count, mut list) = (0, 0);
                while list < lists.len() {
                    let mut index = 0;
                    while index < lists[list].len() {
                        if Self::find(&pool, count, &lists[list][index]) == count {
                            pool[count] = lists[list][index];
                            count += 1;
                        }
                        index += 1;
                    }
                    list += 1;
                }
                (pool, count)
            };

            /// The first of `count` that is the same as `wanted`, or `count`.
            const fn find(pool: &[Self], count: usize, wanted: &Self) -> usize {
                let mut index = 0;
                while index < count && !pool[index].same(wanted) {
                    index += 1;
                }
                index
            }

            /// The places in the pool of what `list` has, for the row whose list it is.
            const fn picks<const N: usize>(list: &[Self]) -> [u8; N] {
                let mut picks = [0; N];
                let mut index = 0;
                while index < N {
                    picks[index] = Self::find(&Self::POOL.0, Self::POOL.1, &list[index]) as u8;
                    index += 1;
                }
                picks
            }
        }

        static $list: [$type; $type::POOL.1] = {
            let mut all = [$type::NONE; $type::POOL.1];
            let mut index = 0;
            while index < all.len() {
                all[index] = $type::POOL.0[index];
                index += 1;
            }
            all
        };
    };
}

rows! {
    v2_31_debian11,
    v2_36_debian12,
    v2_41_debian13,
    v2_43_debian,
}

/// A list whose elements are picked from a table that several lists share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picked<T: 'static> {
    /// The table.
    pub pool: &'static [T],
    /// Where each element stands in it.
    pub picks: &'static [u8],
}

impl<T> Picked<T> {
    /// An element, counted from 0.
    pub fn get(self, index: usize) -> Option<&'static T> {
        self.pool.get(usize::from(*self.picks.get(index)?))
    }

    /// All elements in order.
    pub fn iter(self) -> impl Iterator<Item = &'static T> {
        self.picks
            .iter()
            .filter_map(move |pick| self.pool.get(usize::from(*pick)))
    }
}

/// The structures of all rows, each as its difference from the row before it. Between two states of glibc most members move together, if they move.
///
/// A row is a list of runs. The first byte of a run has the number of its words in the lower six bits, and above them the form of each word's step: how
/// much more it differs from the same word of the row before than the word in front of it does.
static PACKED: [u8; pack::<0>().1] = pack().0;

/// Forms of a step: none; a distance in eights, 1 byte; a distance, 2 bytes, and a change of size, 1 byte; the whole step, 4 bytes.
const NONE: u8 = 0;
const EIGHTS: u8 = 1;
const PLACE: u8 = 2;

/// The largest number of words in a run.
const RUN: u8 = 0x3f;

/// Half a word's width: above it is the offset of a member, below it the size.
const OFFSET: u32 = 16;

/// Bytes of a step of this form.
const fn length(form: u8) -> usize {
    (0x4310 >> (4 * form) & 0xf) as usize
}

/// Takes a number of `length` bytes from the front of `packed`, the lowest first.
const fn number(packed: &mut &[u8], length: usize) -> u32 {
    let mut number = 0;
    let mut index = 0;
    while index < length
        && let [byte, rest @ ..] = *packed
    {
        number |= (*byte as u32) << (8 * index);
        *packed = rest;
        index += 1;
    }
    number
}

/// The packed rows as far as `N` bytes go, and how many bytes they are.
const fn pack<const N: usize>() -> ([u8; N], usize) {
    const fn form_of(step: u32) -> u8 {
        if step == 0 {
            NONE
        } else if step == ((step.cast_signed() >> (OFFSET + 3)) as i8 as u32) << (OFFSET + 3) {
            EIGHTS
        } else if step.wrapping_sub(step as i8 as u32) << OFFSET == 0 {
            PLACE
        } else {
            3
        }
    }
    let mut packed = [0; N];
    let mut total = 0;
    let mut before = &[0; WORDS];
    let mut state = 0;
    while state < STATES.len() {
        let words = &STATES[state];
        let mut steps = [0; WORDS];
        let mut carried = 0u32;
        let mut index = 0;
        while index < WORDS {
            let difference = words[index].wrapping_sub(before[index]);
            steps[index] = difference.wrapping_sub(carried);
            carried = difference;
            index += 1;
        }
        let mut start = 0;
        while start < WORDS {
            let form = form_of(steps[start]);
            let mut end = start;
            while end < WORDS && end - start < RUN as usize && form_of(steps[end]) == form {
                end += 1;
            }
            let bytes = length(form);
            let mut at = total;
            total += 1 + bytes * (end - start);
            if total <= N {
                packed[at] = form << 6 | (end - start) as u8;
                at += 1;
                while start < end {
                    let step = steps[start];
                    let size = step as i8;
                    let place = (step.wrapping_sub(size as u32) >> OFFSET).to_le_bytes();
                    let content = match form {
                        EIGHTS => [(step >> (OFFSET + 3)) as u8, 0, 0, 0],
                        PLACE => [place[0], place[1], size as u8, 0],
                        _ => step.to_le_bytes(),
                    };
                    let mut byte = 0;
                    while byte < bytes {
                        packed[at] = content[byte];
                        at += 1;
                        byte += 1;
                    }
                    start += 1;
                }
            }
            start = end;
        }
        before = words;
        state += 1;
    }
    (packed, total)
}

/// The words of a row.
#[derive(Debug, Clone, Copy)]
pub struct Words([u32; WORDS]);

impl Words {
    /// Those of the row behind `rows` others.
    const fn unpack(rows: usize) -> Self {
        let mut words = [0u32; WORDS];
        let mut packed = PACKED.as_slice();
        let mut row = 0;
        while row <= rows {
            let mut run = 0;
            let mut carried = 0u32;
            let mut index = 0;
            while index < WORDS {
                if run & RUN == 0 {
                    run = number(&mut packed, 1) as u8;
                }
                let form = run >> 6;
                let content = number(&mut packed, length(form));
                let step = match form {
                    EIGHTS => (content as i8 as u32) << (OFFSET + 3),
                    PLACE => (content << OFFSET).wrapping_add((content >> 16) as i8 as u32),
                    _ => content,
                };
                run = run.wrapping_sub(1);
                carried = carried.wrapping_add(step);
                words[index] = words[index].wrapping_add(carried);
                index += 1;
            }
            row += 1;
        }
        Self(words)
    }

    /// One for each field of [`Structures`], in order.
    pub const fn get(&self) -> &[u32; WORDS] {
        &self.0
    }
}

/// What was packed comes out again: shown for every row by the compiler.
const _: () = {
    let mut row = 0;
    while row < STATES.len() {
        let words = Words::unpack(row);
        let mut index = 0;
        while index < WORDS {
            assert!(words.0[index] == STATES[row][index]);
            index += 1;
        }
        row += 1;
    }
};

/// The row of the newest release, which is the last.
pub fn newest() -> &'static Row {
    const { &ALL[ALL.len() - 1] }
}

/// Every name that a row has, a line each, in order. Written by the generator.
const NAMES: &str = include_str!("names.txt");

/// A name of [`NAMES`]: the byte at which its line starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word(u16);

impl Word {
    /// The word for `name`, for constants: a name that the text lacks does not compile.
    pub const fn new(name: &str) -> Self {
        let (text, name) = (NAMES.as_bytes(), name.as_bytes());
        let mut start = 0;
        while start < text.len() {
            let mut end = start;
            let mut same = 0;
            while text[end] != b'\n' {
                if end - start == same && same < name.len() && text[end] == name[same] {
                    same += 1;
                }
                end += 1;
            }
            if same == name.len() && same == end - start {
                return Self(start as u16);
            }
            start = end + 1;
        }
        panic!("names.txt lacks a name of this row")
    }

    /// The words for `names`, for constants.
    pub const fn list<const N: usize>(names: [&str; N]) -> [Self; N] {
        let mut words = [Self(0); N];
        let mut index = 0;
        while index < N {
            words[index] = Self::new(names[index]);
            index += 1;
        }
        words
    }

    /// The name.
    pub fn text(self) -> &'static str {
        crt::line(NAMES.get(usize::from(self.0)..).unwrap_or_default(), 0)
    }
}

/// Where a member lies in its structure. One number, because hundreds of calls pass one: the size in the lower half, and above it one more
/// than the offset, which leaves 0 for `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Member(NonZeroU32);

impl Member {
    /// A member of `size` bytes that starts `offset` bytes into its structure; the offset is less than 65535.
    pub const fn new(offset: u16, size: u16) -> Self {
        match NonZeroU32::new((offset as u32 + 1).wrapping_shl(16) | size as u32) {
            Some(place) if offset < u16::MAX => Self(place),
            _ => panic!("a member behind the end of every structure"),
        }
    }

    /// Distance from the start of the structure, in bytes.
    pub const fn offset(self) -> usize {
        (self.0.get() >> 16) as usize - 1
    }

    /// `sizeof` the member, in bytes; a writer of another width has mistaken the member's type.
    pub const fn size(self) -> usize {
        self.0.get() as u16 as usize
    }
}

/// Where a bit field lies in its structure. Bit fields of these structures never cross a byte. One number, as [`Member`]: the width in the lowest byte,
/// the bit in the next, and above them one more than the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bits(NonZeroU32);

impl Bits {
    /// A field of `width` bits whose lowest is bit `bit` (0 is the least significant) of the byte at `offset`.
    pub const fn new(offset: u16, bit: u8, width: u8) -> Self {
        match NonZeroU32::new((offset as u32 + 1).wrapping_shl(16) | (bit as u32) << 8 | width as u32) {
            Some(place) if offset < u16::MAX => Self(place),
            _ => panic!("a member behind the end of every structure"),
        }
    }

    /// Distance of the byte from the start of the structure.
    pub const fn offset(self) -> usize {
        (self.0.get() >> 16) as usize - 1
    }

    /// The lowest bit of the field in its byte, 0 to 7.
    pub const fn bit(self) -> u8 {
        (self.0.get() >> 8) as u8
    }

    /// Number of bits, 1 to 8.
    pub const fn width(self) -> u8 {
        self.0.get() as u8
    }

    /// The byte `old` with this field set to `value`; excess bits of `value` are dropped.
    pub const fn insert(self, old: u8, value: u8) -> u8 {
        let ones = match 1u8.checked_shl(self.width() as u32) {
            Some(power) => power.wrapping_sub(1),
            None => u8::MAX,
        };
        let Some(mask) = ones.checked_shl(self.bit() as u32) else {
            return old;
        };
        let Some(placed) = (value & ones).checked_shl(self.bit() as u32) else {
            return old;
        };
        (old & !mask) | placed
    }
}

/// A member in any of its forms, for code that walks a whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// This glibc has no such member.
    Absent,
    /// An ordinary member.
    Bytes(Member),
    /// A bit field.
    Bits(Bits),
}

impl From<Member> for Place {
    fn from(member: Member) -> Self {
        Self::Bytes(member)
    }
}

impl From<Option<Member>> for Place {
    fn from(member: Option<Member>) -> Self {
        member.map_or(Self::Absent, Self::Bytes)
    }
}

impl From<Bits> for Place {
    fn from(bits: Bits) -> Self {
        Self::Bits(bits)
    }
}

impl From<Option<Bits>> for Place {
    fn from(bits: Option<Bits>) -> Self {
        bits.map_or(Self::Absent, Self::Bits)
    }
}

/// What the generator must find for a field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A member of every supported glibc.
    Member,
    /// A member that some glibc lacks.
    Optional,
    /// A bit field of every supported glibc.
    Bits,
    /// A bit field that some glibc lacks.
    OptionalBits,
}

/// The schema of one field: its name here, its name in glibc's debug information, and whether it must exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The Rust field.
    pub field: &'static str,
    /// The C member.
    pub member: &'static str,
    /// Form of the member, and whether its absence is an error.
    pub presence: Presence,
}

/// Declares the record of one C structure once: the type that rows fill, the list that the generator looks up
/// in debug information, and the walk that tests use.
macro_rules! record {
    (
        $(#[$about:meta])*
        $name:ident = $structure:literal {
            $( $(#[$note:meta])* $field:ident: $form:ident = $member:literal, )*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(C)]
        pub struct $name {
            size: u32,
            $( $(#[$note])* pub $field: record!(@type $form), )*
        }

        impl $name {
            /// Name of the structure in glibc's debug information.
            pub const STRUCTURE: &'static str = $structure;

            /// The fields in the order of declaration.
            pub const FIELDS: &'static [Field] = &[
                $( Field {
                    field: stringify!($field),
                    member: $member,
                    presence: Presence::$form,
                }, )*
            ];

            /// `sizeof` the structure, in bytes.
            pub const fn size(&self) -> usize {
                self.size as usize
            }

            /// Writes size and fields into words from `at` on; returns where the next word goes.
            const fn write(&self, words: &mut [u32; WORDS], mut at: usize) -> usize {
                words[at] = self.size;
                $( at += 1; words[at] = record!(@word $form self.$field); )*
                at + 1
            }

            /// C name and place of every field, in the order of declaration.
            pub fn members(&self) -> impl Iterator<Item = (&'static str, Place)> {
                [ $( ($member, Place::from(self.$field)), )* ].into_iter()
            }
        }
    };
    (@word Member $value:expr) => { $value.0.get() };
    (@word Bits $value:expr) => { $value.0.get() };
    (@word $form:ident $value:expr) => { match $value { Some(value) => value.0.get(), None => 0 } };
    (@type Member) => { Member };
    (@type Optional) => { Option<Member> };
    (@type Bits) => { Bits };
    (@type OptionalBits) => { Option<Bits> };
}

record! {
    /// `_rtld_global_ro`: facts about the process that libc reads and never writes.
    RtldGlobalRo = "rtld_global_ro" {
        /// `int`; 0, or libc prints debug messages through `dl_debug_printf`.
        dl_debug_mask: Member = "_dl_debug_mask",
        /// AT_PAGESZ.
        dl_pagesize: Member = "_dl_pagesize",
        /// AT_MINSIGSTKSZ; `sysconf` asserts that it is not zero.
        dl_minsigstacksize: Optional = "_dl_minsigstacksize",
        /// `r_scope_elem`; zero.
        dl_initial_searchlist: Member = "_dl_initial_searchlist",
        /// `int`, AT_CLKTCK.
        dl_clktck: Member = "_dl_clktck",
        /// `u16`, the FPU control word that needs no change.
        dl_fpu_control: Member = "_dl_fpu_control",
        /// What `getauxval(AT_HWCAP)` returns.
        dl_hwcap: Member = "_dl_hwcap",
        /// What `getauxval(AT_HWCAP2)` returns.
        dl_hwcap2: Member = "_dl_hwcap2",
        /// The auxiliary vector that `getauxval` walks.
        dl_auxv: Member = "_dl_auxv",
        /// Embedded [`CpuFeatures`].
        dl_x86_cpu_features: Member = "_dl_x86_cpu_features",
        /// Static TLS of a thread with its `struct pthread`, in bytes. Up to 2.33 in `_rtld_global`.
        dl_tls_static_size: Optional = "_dl_tls_static_size",
        /// Alignment of the static TLS block. Up to 2.33 in `_rtld_global`.
        dl_tls_static_align: Optional = "_dl_tls_static_align",
        /// Bytes of static TLS kept for objects loaded later. libc does not read it.
        dl_tls_static_surplus: Optional = "_dl_tls_static_surplus",
        /// Not null means that a dynamic loader is active.
        dl_init_all_dirs: Member = "_dl_init_all_dirs",
        /// `link_map` of the vDSO, or null.
        dl_sysinfo_map: Member = "_dl_sysinfo_map",
        /// vDSO function or null.
        dl_vdso_clock_gettime64: Member = "_dl_vdso_clock_gettime64",
        /// vDSO function or null.
        dl_vdso_gettimeofday: Member = "_dl_vdso_gettimeofday",
        /// vDSO function or null.
        dl_vdso_time: Member = "_dl_vdso_time",
        /// vDSO function or null.
        dl_vdso_getcpu: Member = "_dl_vdso_getcpu",
        /// vDSO function or null.
        dl_vdso_clock_getres_time64: Member = "_dl_vdso_clock_getres_time64",
        /// vDSO function or null (2.41 and later).
        dl_vdso_getrandom: Optional = "_dl_vdso_getrandom",
        /// Function; called only when `dl_debug_mask` asks.
        dl_debug_printf: Member = "_dl_debug_printf",
        /// Function; called only when profiling.
        dl_mcount: Member = "_dl_mcount",
        /// Function that the `gettimeofday` and `time` resolvers call on `dl_sysinfo_map`.
        dl_lookup_symbol_x: Member = "_dl_lookup_symbol_x",
        /// Function; not reached while the hook is set.
        dl_open: Member = "_dl_open",
        /// Function; not reached while the hook is set.
        dl_close: Member = "_dl_close",
        /// Function; not reached while the hook is set.
        dl_catch_error: Optional = "_dl_catch_error",
        /// Function; not reached while the hook is set.
        dl_error_free: Optional = "_dl_error_free",
        /// Function that `dl_iterate_phdr` calls for each object with TLS.
        dl_tls_get_addr_soft: Member = "_dl_tls_get_addr_soft",
        /// Function that `__libc_freeres` calls.
        dl_libc_freeres: Optional = "_dl_libc_freeres",
        /// Function behind libc's public `_dl_find_object`.
        dl_find_object: Optional = "_dl_find_object",
        /// Pointer to the table that takes over every dlfcn entry (2.34 and later).
        dl_dlfcn_hook: Optional = "_dl_dlfcn_hook",
        /// `unsigned int`, 0.
        dl_naudit: Member = "_dl_naudit",
        /// Function behind the check of `%n` in fortified printf (2.42 and later).
        dl_readonly_area: Optional = "_dl_readonly_area",
        /// Loader only.
        dl_x86_tlsdesc_dynamic: Optional = "_dl_x86_tlsdesc_dynamic",
        /// Loader only.
        dl_x86_64_runtime_resolve: Optional = "_dl_x86_64_runtime_resolve",
    }
}

record! {
    /// `_rtld_global`: state that the loader and libc both write.
    RtldGlobal = "rtld_global" {
        /// Array of [`LinkNamespaces`].
        dl_ns: Member = "_dl_ns",
        /// Number of namespaces in use, 1.
        dl_nns: Member = "_dl_nns",
        /// Recursive mutex: the long lock; `fork` resets it in the child.
        dl_load_lock: Member = "_dl_load_lock",
        /// Recursive mutex: guards the list of objects against `dl_iterate_phdr`.
        dl_load_write_lock: Member = "_dl_load_write_lock",
        /// Recursive mutex; `fork` resets it in the child.
        dl_load_tls_lock: Optional = "_dl_load_tls_lock",
        /// Loads since start, `dlpi_adds`.
        dl_load_adds: Member = "_dl_load_adds",
        /// Null.
        dl_profile_map: Member = "_dl_profile_map",
        /// Equal to `dl_init_all_dirs`.
        dl_all_dirs: Member = "_dl_all_dirs",
        /// Function (2.31 to 2.33): libc's lock operation.
        dl_rtld_lock_recursive: Optional = "_dl_rtld_lock_recursive",
        /// Function (2.31 to 2.33): libc's unlock operation.
        dl_rtld_unlock_recursive: Optional = "_dl_rtld_unlock_recursive",
        /// CET state, 0.
        dl_x86_feature_1: Member = "_dl_x86_feature_1",
        /// `PF_*` bits of the stack that new threads get (up to 2.42).
        dl_stack_flags: Optional = "_dl_stack_flags",
        /// `PROT_*` bits of the stack that new threads get (2.43).
        dl_stack_prot_flags: Optional = "_dl_stack_prot_flags",
        /// Highest TLS module id in use.
        dl_tls_max_dtv_idx: Member = "_dl_tls_max_dtv_idx",
        /// [`DtvSlotinfoList`]; debuggers read it.
        dl_tls_dtv_slotinfo_list: Member = "_dl_tls_dtv_slotinfo_list",
        /// Up to 2.33; later in `_rtld_global_ro`.
        dl_tls_static_size: Optional = "_dl_tls_static_size",
        /// Up to 2.33; later in `_rtld_global_ro`.
        dl_tls_static_align: Optional = "_dl_tls_static_align",
        /// The dtv that libc must not free.
        dl_initial_dtv: Member = "_dl_initial_dtv",
        /// TLS generation, loader only.
        dl_tls_generation: Member = "_dl_tls_generation",
        /// Function (2.31 to 2.33) that libpthread stores here.
        dl_init_static_tls: Optional = "_dl_init_static_tls",
        /// Function (2.31 and 2.32) that libpthread stores here.
        dl_wait_lookup_done: Optional = "_dl_wait_lookup_done",
        /// Null.
        dl_scope_free_list: Member = "_dl_scope_free_list",
        /// [`List`] of threads on stacks that libc allocated (2.33 and later).
        dl_stack_used: Optional = "_dl_stack_used",
        /// [`List`] of threads on other stacks; the initial thread is linked here.
        dl_stack_user: Optional = "_dl_stack_user",
        /// [`List`] of stacks kept for reuse.
        dl_stack_cache: Optional = "_dl_stack_cache",
        /// Bytes in that cache, 0.
        dl_stack_cache_actsize: Optional = "_dl_stack_cache_actsize",
        /// 0.
        dl_in_flight_stack: Optional = "_dl_in_flight_stack",
        /// `int` low-level lock over the stack lists, 0 when free.
        dl_stack_cache_lock: Optional = "_dl_stack_cache_lock",
    }
}

record! {
    /// One element of `_rtld_global._dl_ns`.
    LinkNamespaces = "link_namespaces" {
        /// First [`LinkMap`] of the list: the main program.
        ns_loaded: Member = "_ns_loaded",
        /// `unsigned int`, number of objects in the list.
        ns_nloaded: Member = "_ns_nloaded",
        /// Pointer to a [`ScopeElem`].
        ns_main_searchlist: Member = "_ns_main_searchlist",
        /// `unsigned int`, 0: nothing for `__libc_freeres` to free.
        ns_global_scope_alloc: Member = "_ns_global_scope_alloc",
        /// [`LinkMap`] of libc.so.6 (2.32 and later).
        libc_map: Optional = "libc_map",
    }
}

record! {
    /// The private `struct link_map`, whose first five members are the public one.
    LinkMap = "link_map" {
        /// Load bias.
        l_addr: Member = "l_addr",
        /// Path; the empty string for the main program.
        l_name: Member = "l_name",
        /// Dynamic section in memory.
        l_ld: Member = "l_ld",
        /// Next in load order.
        l_next: Member = "l_next",
        /// Previous in load order.
        l_prev: Member = "l_prev",
        /// The map itself.
        l_real: Member = "l_real",
        /// Namespace, 0.
        l_ns: Member = "l_ns",
        /// [`Libname`] record, never null.
        l_libname: Member = "l_libname",
        /// Pointers to the entries of the dynamic section, by [`Layout::info_index`].
        l_info: Member = "l_info",
        /// Program headers in memory.
        l_phdr: Member = "l_phdr",
        /// Entry address.
        l_entry: Member = "l_entry",
        /// `u16`, number of program headers.
        l_phnum: Member = "l_phnum",
        /// `u16`, number of entries of the dynamic section.
        l_ldnum: Member = "l_ldnum",
        /// [`ScopeElem`].
        l_searchlist: Member = "l_searchlist",
        /// Map that asked for this one, or null.
        l_loader: Member = "l_loader",
        /// `u32`, buckets of the symbol hash.
        l_nbuckets: Member = "l_nbuckets",
        /// Buckets of DT_GNU_HASH (of DT_HASH: its chains).
        l_gnu_buckets: Member = "l_gnu_buckets",
        /// Chain values of DT_GNU_HASH, biased so that symbol numbers index them (of DT_HASH: its buckets).
        l_gnu_chain_zero: Member = "l_gnu_chain_zero",
        /// 0 the program, 1 a library, 2 loaded later.
        l_type: Bits = "l_type",
        /// Relocations are done.
        l_relocated: Bits = "l_relocated",
        /// Constructors have been started.
        l_init_called: Bits = "l_init_called",
        /// Symbols are in the global scope.
        l_global: Bits = "l_global",
        /// The segments leave no hole; callers need not search the program headers.
        l_contiguous: Bits = "l_contiguous",
        /// The dynamic section was not relocated in place.
        l_ld_readonly: OptionalBits = "l_ld_readonly",
        /// DT_VERSYM in memory.
        l_versyms: Member = "l_versyms",
        /// First address of the mapping.
        l_map_start: Member = "l_map_start",
        /// First address behind the mapping.
        l_map_end: Member = "l_map_end",
        /// End of the executable part (up to 2.38, with gaps).
        l_text_end: Optional = "l_text_end",
        /// Null-terminated array of pointers to [`ScopeElem`].
        l_scope: Member = "l_scope",
        /// Two pointers to [`ScopeElem`].
        l_local_scope: Member = "l_local_scope",
        /// DT_FLAGS_1.
        l_flags_1: Member = "l_flags_1",
        /// DT_FLAGS.
        l_flags: Member = "l_flags",
        /// Initialised part of the TLS segment in memory.
        l_tls_initimage: Member = "l_tls_initimage",
        /// Its size, in bytes.
        l_tls_initimage_size: Member = "l_tls_initimage_size",
        /// Size of the TLS segment, in bytes.
        l_tls_blocksize: Member = "l_tls_blocksize",
        /// Alignment of the TLS segment.
        l_tls_align: Member = "l_tls_align",
        /// Where the aligned block starts, modulo the alignment.
        l_tls_firstbyte_offset: Member = "l_tls_firstbyte_offset",
        /// Distance below the thread pointer; 0 none, -1 only dynamic.
        l_tls_offset: Member = "l_tls_offset",
        /// TLS module id; 0 none.
        l_tls_modid: Member = "l_tls_modid",
        /// Pending thread-local destructors; libc counts here.
        l_tls_dtor_count: Member = "l_tls_dtor_count",
        /// Start of the read-only-after-relocation range.
        l_relro_addr: Member = "l_relro_addr",
        /// Its size, in bytes.
        l_relro_size: Member = "l_relro_size",
    }
}

record! {
    /// `struct pthread`: what stands at the thread pointer and above. Begins with a [`Tcb`].
    Pthread = "pthread" {
        /// [`List`] node: links the thread into `dl_stack_used` or `dl_stack_user`.
        list: Member = "list",
        /// `int`, thread id.
        tid: Member = "tid",
        /// `&robust_head`.
        robust_prev: Member = "robust_prev",
        /// `struct robust_list_head` of the kernel.
        robust_head: Member = "robust_head",
        /// `int`, 0.
        cancelhandling: Member = "cancelhandling",
        /// Storage of the first thread-specific values.
        specific_1stblock: Member = "specific_1stblock",
        /// Array of pointers to blocks of thread-specific values.
        specific: Member = "specific",
        /// Byte: a debugger wants events.
        report_events: Member = "report_events",
        /// Byte, 1: the stack is not libc's to free (up to 2.41).
        user_stack: Optional = "user_stack",
        /// `u32` (2.42 and later).
        stack_mode: Optional = "stack_mode",
        /// `u32`, 2 joinable (2.43): also the address for `set_tid_address`.
        joinstate: Optional = "joinstate",
        /// Null, joinable (up to 2.42).
        joinid: Optional = "joinid",
        /// Lowest address of the stack; 0 for the initial thread.
        stackblock: Member = "stackblock",
        /// Size of the stack; `__libc_stack_end` for the initial thread.
        stackblock_size: Member = "stackblock_size",
        /// Bytes of guard.
        guardsize: Member = "guardsize",
        /// Current catch frame; the loader's (2.37 and later).
        rtld_catch: Optional = "rtld_catch",
        /// `struct rseq` (2.35 to 2.40).
        rseq_area: Optional = "rseq_area",
        /// Null (2.41 and later).
        getrandom_buf: Optional = "getrandom_buf",
        /// Zero (2.32 and later).
        tls_state: Optional = "tls_state",
    }
}

record! {
    /// `tcbhead_t`: the words at the thread pointer that compiled code knows.
    Tcb = "tcbhead_t" {
        /// The thread pointer itself.
        tcb: Member = "tcb",
        /// Element 0 of the dtv.
        dtv: Member = "dtv",
        /// The thread pointer again, as `struct pthread *`.
        self_pointer: Member = "self",
        /// `int`, 0.
        multiple_threads: Member = "multiple_threads",
        /// `int`, 0.
        gscope_flag: Member = "gscope_flag",
        /// 0 on this machine.
        sysinfo: Member = "sysinfo",
        /// Stack protector's value; its lowest byte is zero.
        stack_guard: Member = "stack_guard",
        /// Value that libc mangles saved code pointers with.
        pointer_guard: Member = "pointer_guard",
        /// `unsigned int`, CET state, 0.
        feature_1: Member = "feature_1",
        /// Split-stack limit, 0.
        private_ss: Member = "__private_ss",
        /// Shadow-stack base, 0.
        ssp_base: Member = "ssp_base",
    }
}

record! {
    /// An element of the dtv in its pointer form; `size` is the stride of the dtv.
    DtvPointer = "dtv_pointer" {
        /// The block, or -1 while the thread has none.
        val: Member = "val",
        /// Null, or memory of libc's `malloc` that libc frees with the thread.
        to_free: Member = "to_free",
    }
}

record! {
    /// Element of a [`DtvSlotinfoList`]; `size` is the stride.
    DtvSlotinfo = "dtv_slotinfo" {
        /// Generation in which the module came.
        generation: Member = "gen",
        /// Its [`LinkMap`], or null.
        map: Member = "map",
    }
}

record! {
    /// Modules with TLS by id, as debuggers read them.
    DtvSlotinfoList = "dtv_slotinfo_list" {
        /// Number of elements.
        len: Member = "len",
        /// Next part, or null.
        next: Member = "next",
        /// The elements, [`DtvSlotinfo`].
        slotinfo: Member = "slotinfo",
    }
}

record! {
    /// `struct r_scope_elem`.
    ScopeElem = "r_scope_elem" {
        /// Array of pointers to [`LinkMap`].
        r_list: Member = "r_list",
        /// `unsigned int`, its length.
        r_nlist: Member = "r_nlist",
    }
}

record! {
    /// `struct libname_list`.
    Libname = "libname_list" {
        /// A name of the object.
        name: Member = "name",
        /// Next record, or null.
        next: Member = "next",
        /// `int`, 1: the record is not malloc's.
        dont_free: Member = "dont_free",
    }
}

record! {
    /// `list_t`: node and head of a circular list.
    List = "list_head" {
        /// Next node, itself when empty.
        next: Member = "next",
        /// Previous node, itself when empty.
        prev: Member = "prev",
    }
}

record! {
    /// The mutex inside `_dl_load_lock` and its siblings.
    Mutex = "__pthread_mutex_s" {
        /// `int`, 0 when free.
        lock: Member = "__lock",
        /// `unsigned int`, depth of recursion.
        count: Member = "__count",
        /// `int`, thread id of the owner.
        owner: Member = "__owner",
        /// `int`, 1 for a recursive mutex.
        kind: Member = "__kind",
    }
}

/// The members of `struct dlfcn_hook` in order, each a pointer to a function: the table behind `dl_dlfcn_hook`. The structure has been the same
/// since 2.34; before, libdl.so.2 had the first nine.
pub const DLFCN_HOOK: [&str; 13] = [
    "dlopen",
    "dlclose",
    "dlsym",
    "dlvsym",
    "dlerror",
    "dladdr",
    "dladdr1",
    "dlinfo",
    "dlmopen",
    "libc_dlopen_mode",
    "libc_dlsym",
    "libc_dlvsym",
    "libc_dlclose",
];

record! {
    /// `struct cpu_features`: what libc's IFUNC resolvers read.
    CpuFeatures = "cpu_features" {
        /// 2.31 and 2.32: registers per leaf.
        cpuid: Optional = "cpuid",
        /// 2.31: two words of usable and preferred bits.
        feature: Optional = "feature",
        /// [`CpuBasic`].
        basic: Member = "basic",
        /// Array of [`CpuidFeature`], one per element of [`Layout::cpuid_leaves`] (2.33 and later).
        features: Optional = "features",
        /// `u32` of [`Preferred`] bits.
        preferred: Optional = "preferred",
        /// `u32`, x86-64-v1 (bit 0) to x86-64-v4 (bit 3).
        isa_1: Optional = "isa_1",
        /// Bytes that a lazy-binding trampoline saves with XSAVE, aligned.
        xsave_state_size: Member = "xsave_state_size",
        /// `u32`, bytes of the whole XSAVE area.
        xsave_state_full_size: Member = "xsave_state_full_size",
        /// Bytes of first-level data cache for one thread.
        data_cache_size: Member = "data_cache_size",
        /// Bytes of last-level cache for one thread.
        shared_cache_size: Member = "shared_cache_size",
        /// Copies from this size on bypass the caches; 0 would make every large copy do so.
        non_temporal_threshold: Member = "non_temporal_threshold",
        /// 2.40 and later, backported to 2.39.
        memset_non_temporal_threshold: Optional = "memset_non_temporal_threshold",
        /// Copies from this size on use `rep movsb`.
        rep_movsb_threshold: Optional = "rep_movsb_threshold",
        /// Copies from this size on do not use it any more.
        rep_movsb_stop_threshold: Optional = "rep_movsb_stop_threshold",
        /// Fills from this size on use `rep stosb`.
        rep_stosb_threshold: Optional = "rep_stosb_threshold",
        /// For `sysconf`.
        level1_icache_size: Optional = "level1_icache_size",
        /// For `sysconf`.
        level1_icache_linesize: Optional = "level1_icache_linesize",
        /// For `sysconf`.
        level1_dcache_size: Optional = "level1_dcache_size",
        /// For `sysconf`.
        level1_dcache_assoc: Optional = "level1_dcache_assoc",
        /// For `sysconf`.
        level1_dcache_linesize: Optional = "level1_dcache_linesize",
        /// For `sysconf`.
        level2_cache_size: Optional = "level2_cache_size",
        /// For `sysconf`.
        level2_cache_assoc: Optional = "level2_cache_assoc",
        /// For `sysconf`.
        level2_cache_linesize: Optional = "level2_cache_linesize",
        /// For `sysconf`.
        level3_cache_size: Optional = "level3_cache_size",
        /// For `sysconf`.
        level3_cache_assoc: Optional = "level3_cache_assoc",
        /// For `sysconf`.
        level3_cache_linesize: Optional = "level3_cache_linesize",
        /// For `sysconf`.
        level4_cache_size: Optional = "level4_cache_size",
        /// 2.38 and later.
        cachesize_non_temporal_divisor: Optional = "cachesize_non_temporal_divisor",
    }
}

record! {
    /// `struct cpu_features_basic`; all members are 32 bits wide.
    CpuBasic = "cpu_features_basic" {
        /// 0 unknown, 1 Intel, 2 AMD, 3 Zhaoxin, 4 other.
        kind: Member = "kind",
        /// Highest basic CPUID leaf.
        max_cpuid: Member = "max_cpuid",
        /// Family with the extended family added.
        family: Member = "family",
        /// Model with the extended model added.
        model: Member = "model",
        /// Stepping.
        stepping: Member = "stepping",
    }
}

record! {
    /// Element of `cpu_features.features` (2.33 and later): registers eax, ebx, ecx, edx twice; the size is the stride.
    CpuidFeature = "cpuid_feature_internal" {
        /// As the processor reports.
        cpuid: Optional = "cpuid",
        /// The part that the system supports too.
        active: Optional = "active",
    }
}

/// Declares the bits of `cpu_features.preferred` with the names that the generator looks up.
macro_rules! preferred {
    ($( $(#[$note:meta])* $field:ident $variant:ident = $name:literal, )*) => {
        /// A bit of `cpu_features.preferred`. The bit number depends on the release.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Preferred {
            $( $(#[$note])* $variant, )*
        }

        /// Bit numbers in `cpu_features.preferred`; `None` where this glibc has no such bit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct PreferredBits {
            $( $(#[$note])* pub $field: Option<u8>, )*
        }

        impl PreferredBits {
            /// Field and glibc's name (`bit_arch_NAME` in its debug information) of every bit.
            pub const FIELDS: &'static [(&'static str, &'static str)] =
                &[ $( (stringify!($field), $name), )* ];

            /// By [`Preferred`] one more than the number of the bit; 0 where there is none.
            pub const fn numbers(self) -> [u8; Self::ROOM] {
                let numbers = [ $( match self.$field { Some(bit) => bit + 1, None => 0 }, )* ];
                let mut all = [0; Self::ROOM];
                let mut index = 0;
                while index < numbers.len() {
                    all[index] = numbers[index];
                    index += 1;
                }
                all
            }

            /// The bits rounded up to whole words.
            const ROOM: usize = Self::FIELDS.len().next_multiple_of(4);
        }
    };
}

preferred! {
    /// `rep movsb` and `rep stosb` are fast.
    fast_rep_string FastRepString = "Fast_Rep_String",
    /// Backward copies are fast.
    fast_copy_backward FastCopyBackward = "Fast_Copy_Backward",
    /// BSF is slow.
    slow_bsf SlowBsf = "Slow_BSF",
    /// Unaligned loads are fast.
    fast_unaligned_load FastUnalignedLoad = "Fast_Unaligned_Load",
    /// PMINUB is preferred in string functions.
    prefer_pminub_for_stringop PreferPminubForStringop = "Prefer_PMINUB_for_stringop",
    /// Unaligned copies are fast.
    fast_unaligned_copy FastUnalignedCopy = "Fast_Unaligned_Copy",
    /// At least an i586.
    i586 I586 = "I586",
    /// At least an i686.
    i686 I686 = "I686",
    /// SSE4.2 string instructions are slow.
    slow_sse4_2 SlowSse42 = "Slow_SSE4_2",
    /// Unaligned AVX loads are fast; selects the AVX2 and EVEX families.
    avx_fast_unaligned_load AvxFastUnalignedLoad = "AVX_Fast_Unaligned_Load",
    /// Only threads that ask map below 2 GiB.
    prefer_map_32bit_exec PreferMap32bitExec = "Prefer_MAP_32BIT_EXEC",
    /// VZEROUPPER is avoided.
    prefer_no_vzeroupper PreferNoVzeroupper = "Prefer_No_VZEROUPPER",
    /// Enhanced `rep movsb` is preferred.
    prefer_erms PreferErms = "Prefer_ERMS",
    /// AVX-512 is avoided.
    prefer_no_avx512 PreferNoAvx512 = "Prefer_No_AVX512",
    /// AVX-512 is avoided in vector mathematics.
    mathvec_prefer_no_avx512 MathvecPreferNoAvx512 = "MathVec_Prefer_No_AVX512",
    /// Fast short `rep movsb` is preferred.
    prefer_fsrm PreferFsrm = "Prefer_FSRM",
    /// `rep movsb` is avoided between near addresses.
    avoid_short_distance_rep_movsb AvoidShortDistanceRepMovsb = "Avoid_Short_Distance_REP_MOVSB",
    /// Non-temporal fills are avoided (2.40 and later, backported to 2.39).
    avoid_non_temporal_memset AvoidNonTemporalMemset = "Avoid_Non_Temporal_Memset",
    /// `rep stosb` is avoided (2.41 and later).
    avoid_stosb AvoidStosb = "Avoid_STOSB",
}

/// A CPUID query: the leaf in eax and the sub-leaf in ecx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuidLeaf {
    /// Input eax.
    pub eax: u32,
    /// Input ecx.
    pub ecx: u32,
}

impl CpuidLeaf {
    /// The query with these inputs.
    pub const fn new(eax: u32, ecx: u32) -> Self {
        Self { eax, ecx }
    }
}

/// The queries behind the array of features of `cpu_features`, in the order that every glibc has; early ones end sooner.
pub const CPUID_LEAVES: [CpuidLeaf; 10] = [
    CpuidLeaf::new(1, 0),
    CpuidLeaf::new(7, 0),
    CpuidLeaf::new(0x8000_0001, 0),
    CpuidLeaf::new(0xd, 1),
    CpuidLeaf::new(0x8000_0007, 0),
    CpuidLeaf::new(0x8000_0008, 0),
    CpuidLeaf::new(7, 1),
    CpuidLeaf::new(0x19, 0),
    CpuidLeaf::new(0x14, 0),
    CpuidLeaf::new(0x24, 0),
];

/// How `link_map.l_info` is divided (`elf.h` and glibc's `get-dynamic-info.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct InfoTable {
    /// Number of elements.
    pub len: u32,
    /// DT_NUM: tags below it are their own index.
    pub ordinary: u32,
    /// DT_THISPROCNUM: length of the block for processor tags behind those.
    pub processor: u32,
}

/// Type of a tunable: how wide its value is in the caller of `__tunable_get_val`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TunableKind {
    /// 4 bytes, signed.
    Int32,
    /// 8 bytes.
    Uint64,
    /// 8 bytes.
    SizeT,
    /// A pointer.
    String,
}

/// One entry of glibc's list of tunables, none of which a secure process (AT_SECURE) honours; its position in [`Layout::tunables`] is its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunable {
    /// Name without [`Tunable::PREFIX`]; behind a blank the environment variable of its own, if there is one.
    word: Word,
    /// Type of the value.
    pub kind: TunableKind,
    /// Bounds and default are kept in 4 bytes and read with their sign extended, so that -1 is `u64::MAX`.
    min: i32,
    max: i32,
    default: i32,
}

impl Tunable {
    /// What every name in GLIBC_TUNABLES begins with.
    pub const PREFIX: &'static str = "glibc.";

    const NONE: Self = Self {
        word: Word(0),
        kind: TunableKind::Int32,
        min: 0,
        max: 0,
        default: 0,
    };

    const fn same(&self, other: &Self) -> bool {
        self.word.0 == other.word.0
            && self.kind as u8 == other.kind as u8
            && self.min == other.min
            && self.max == other.max
            && self.default == other.default
    }

    /// A tunable: `name` without its prefix and, behind a blank, the environment variable that is older than
    /// GLIBC_TUNABLES; the smallest and the largest value accepted; the value before the environment (a string's default is the null pointer, 0).
    ///
    /// For constants: a number of more than 31 bits that is not the sign extension of its lower half does not compile.
    pub const fn new(name: &str, kind: TunableKind, (min, max): (u64, u64), default: u64) -> Self {
        const fn narrow(value: u64) -> i32 {
            assert!(value as i32 as u64 == value);
            value as i32
        }
        Self {
            word: Word::new(name),
            kind,
            min: narrow(min),
            max: narrow(max),
            default: narrow(default),
        }
    }

    /// Whether GLIBC_TUNABLES calls it `name`.
    pub fn is_called(&self, name: &[u8]) -> bool {
        name.strip_prefix(Self::PREFIX.as_bytes())
            .is_some_and(|name| self.part(0) == Some(name))
    }

    /// Its name without [`Tunable::PREFIX`], for people.
    pub fn name(&self) -> Lossy<'static> {
        Lossy(self.part(0).unwrap_or_default())
    }

    /// Whether `name` is its environment variable.
    pub fn is_variable(&self, name: &[u8]) -> bool {
        self.part(1) == Some(name)
    }

    #[inline(never)]
    fn part(&self, index: usize) -> Option<&'static [u8]> {
        self.word.text().as_bytes().split(|byte| *byte == b' ').nth(index)
    }

    /// Smallest value accepted; compared as signed for [`TunableKind::Int32`].
    pub const fn min(&self) -> u64 {
        self.min as u64
    }

    /// Largest value accepted; compared as signed for [`TunableKind::Int32`].
    pub const fn max(&self) -> u64 {
        self.max as u64
    }

    /// The value before the environment; a string's default is the null pointer, 0.
    pub const fn default(&self) -> u64 {
        self.default as u64
    }
}

/// Content of a `_thread_db_*` object of libc.so.6, written for debuggers by libc's own compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descriptor {
    /// One `u32`: a size or a constant.
    Value(u32),
    /// Three `u32`: width of an element in bits, number of elements, offset in bytes.
    Field {
        /// Width of one element, in bits.
        bits: u32,
        /// Number of elements.
        count: u32,
        /// Offset in the structure, in bytes.
        offset: u32,
    },
}

impl Descriptor {
    /// The content of an object of 4 or 12 bytes; `None` for another size.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<4>();
        match (words, rest) {
            ([value], []) => Some(Self::Value(u32::from_le_bytes(*value))),
            ([bits, count, offset], []) => Some(Self::Field {
                bits: u32::from_le_bytes(*bits),
                count: u32::from_le_bytes(*count),
                offset: u32::from_le_bytes(*offset),
            }),
            _ => None,
        }
    }
}

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value}"),
            Self::Field { bits, count, offset } => {
                write!(f, "{count} x {bits} bits at {offset}")
            }
        }
    }
}

/// A `_thread_db_*` object that libc.so.6 must contain with this very content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadDb {
    /// Symbol, without [`ThreadDb::PREFIX`].
    pub name: Word,
    /// 0 for a value.
    bits: u16,
    count_or_value: u16,
    offset: u16,
}

impl ThreadDb {
    /// What the name of every such object begins with.
    pub const PREFIX: &'static str = "_thread_db_";

    const NONE: Self = Self {
        name: Word(0),
        bits: 0,
        count_or_value: 0,
        offset: 0,
    };

    const fn same(&self, other: &Self) -> bool {
        self.name.0 == other.name.0
            && self.bits == other.bits
            && self.count_or_value == other.count_or_value
            && self.offset == other.offset
    }

    /// A size or a constant.
    pub const fn value(name: &str, value: u16) -> Self {
        Self {
            name: Word::new(name),
            bits: 0,
            count_or_value: value,
            offset: 0,
        }
    }

    /// The place of a member: width of an element in bits (not 0), number of elements, offset in bytes.
    pub const fn field(name: &str, bits: u16, count: u16, offset: u16) -> Self {
        Self {
            name: Word::new(name),
            bits,
            count_or_value: count,
            offset,
        }
    }

    /// Content.
    pub fn content(&self) -> Descriptor {
        match self.bits {
            0 => Descriptor::Value(self.count_or_value.into()),
            bits => Descriptor::Field {
                bits: bits.into(),
                count: self.count_or_value.into(),
                offset: self.offset.into(),
            },
        }
    }
}

/// The loader object that a [`Witness`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// `_rtld_global`.
    RtldGlobal,
    /// `_rtld_global_ro`.
    RtldGlobalRo,
}

impl Object {
    /// The symbol that libc.so.6 imports.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::RtldGlobal => "_rtld_global",
            Self::RtldGlobalRo => "_rtld_global_ro",
        }
    }
}

/// An exported function of libc.so.6 whose code is known to use a member of a loader object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// Exported function.
    pub function: Word,
    /// C name of the member, for people; with a dot where it is a member of a member.
    pub member: Word,
    /// What the function adds to that address.
    pub displacement: u16,
    /// The object whose address the function loads from its GOT.
    pub object: Object,
}

impl Witness {
    /// `function` reaches `member` of `object` by adding `displacement`.
    pub const fn new(function: &str, object: Object, member: &str, displacement: u16) -> Self {
        Self {
            function: Word::new(function),
            member: Word::new(member),
            displacement,
            object,
        }
    }
}

/// Says what a libc.so.6 lacks that does not confirm the witness.
impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} does not use {}.{} at {:#x}",
            self.function.text(),
            self.object.symbol(),
            self.member.text(),
            u64::from(self.displacement)
        )
    }
}

/// Declares what a row says of structures: all of it 4-byte words, so that rows can be packed.
macro_rules! structures {
    ($( $(#[$note:meta])* $field:ident: $name:ident, )*) => {
        /// Where everything is in one state of glibc's private interface.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(C)]
        pub struct Structures {
            $( $(#[$note])* pub $field: $name, )*
            /// Division of `link_map.l_info`.
            pub info: InfoTable,
            /// How many of [`CPUID_LEAVES`] are in `cpu_features.features`, or in `cpu_features.cpuid`.
            pub cpuid_leaves: u32,
            /// Bit numbers in `cpu_features.preferred`, or in the second word of `cpu_features.feature`: see [`PreferredBits::numbers`].
            pub preferred: [u8; PreferredBits::ROOM],
        }

        impl Structures {
            /// The words of all fields in order.
            const fn words(&self) -> [u32; WORDS] {
                let mut words = [0; WORDS];
                let mut at = 0;
                $( at = self.$field.write(&mut words, at); )*
                words[at] = self.info.len;
                words[at + 1] = self.info.ordinary;
                words[at + 2] = self.info.processor;
                words[at + 3] = self.cpuid_leaves;
                at += 4;
                let mut bits = self.preferred.as_slice();
                while let [a, b, c, d, rest @ ..] = bits {
                    words[at] = u32::from_le_bytes([*a, *b, *c, *d]);
                    at += 1;
                    bits = rest;
                }
                words
            }
        }
    };
}

structures! {
    /// `_rtld_global_ro`.
    rtld_global_ro: RtldGlobalRo,
    /// `_rtld_global`.
    rtld_global: RtldGlobal,
    /// Element of `_rtld_global._dl_ns`.
    link_namespaces: LinkNamespaces,
    /// `struct link_map`.
    link_map: LinkMap,
    /// `struct pthread`.
    pthread: Pthread,
    /// `tcbhead_t`.
    tcb: Tcb,
    /// Element of a dtv.
    dtv_pointer: DtvPointer,
    /// Element of a slotinfo list.
    dtv_slotinfo: DtvSlotinfo,
    /// Slotinfo list.
    dtv_slotinfo_list: DtvSlotinfoList,
    /// `struct r_scope_elem`.
    scope_elem: ScopeElem,
    /// `struct libname_list`.
    libname: Libname,
    /// `list_t`.
    list: List,
    /// Mutex inside the loader's locks.
    mutex: Mutex,
    /// `struct cpu_features`.
    cpu_features: CpuFeatures,
    /// Head of `cpu_features`.
    cpu_basic: CpuBasic,
    /// Element of `cpu_features.features`.
    cpuid_feature: CpuidFeature,
}

/// Number of words in [`Structures`].
pub const WORDS: usize = size_of::<Structures>() / 4;

/// One state of glibc's private interface, but for its structures, which are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// glibc release, as in `gnu_get_libc_version()`.
    pub release: &'static str,
    /// Package and version the row was made from, for people.
    pub origin: &'static str,
    /// Build-ids of the libc.so.6 files that are known to have this layout.
    pub build_ids: &'static [&'static [u8]],
    /// Every name that libc.so.6 imports from the loader, sorted.
    pub imports: &'static [Word],
    /// Digest over the structures and the tunables, so that rows are compared without the code for it.
    pub interface: u64,
    /// Tunables by id.
    pub tunables: Picked<Tunable>,
    /// libc's own statements about shared structures, sorted by name.
    pub thread_db: Picked<ThreadDb>,
    /// Displacements that libc's code applies to the loader objects.
    pub witnesses: &'static [Witness],
}

impl Row {
    /// Whether two rows are the same to a loader: every structure, bit and tunable agrees, whatever builds
    /// they were made from.
    pub fn same_interface(&self, other: &Self) -> bool {
        self.release == other.release && self.interface == other.interface
    }
}

/// A row with its structures.
#[derive(Debug)]
pub struct Layout {
    /// The row.
    pub row: &'static Row,
    /// Where everything is.
    structures: Structures,
}

impl Deref for Layout {
    type Target = Structures;

    fn deref(&self) -> &Structures {
        &self.structures
    }
}

/// Ranges of dynamic tags that share an index rule: highest tag, number of tags (gABI, `elf.h`).
const VERSION_TAGS: (u64, u64) = (0x6fff_ffff, 16);
const EXTRA_TAGS: (u64, u64) = (0x7fff_ffff, 3);
const VALUE_TAGS: (u64, u64) = (0x6fff_fdff, 12);
const ADDRESS_TAGS: (u64, u64) = (0x6fff_feff, 11);
const FIRST_PROCESSOR_TAG: u64 = 0x7000_0000;

impl InfoTable {
    /// Number of elements that every table has beyond the ordinary and the processor tags.
    pub const RANGED: usize = (VERSION_TAGS.1 + EXTRA_TAGS.1 + VALUE_TAGS.1 + ADDRESS_TAGS.1) as usize;
}

impl Layout {
    /// Unpacks a row of [`ALL`].
    pub fn of(row: &'static Row) -> Self {
        let before = ALL.iter().take_while(|other| !core::ptr::eq(*other, row)).count();
        Self {
            row,
            structures: record::structures(&Words::unpack(before)),
        }
    }

    /// How this glibc makes thresholds of cache sizes.
    pub fn cache_rules(&self) -> CacheRules {
        let at = &self.cpu_features;
        if at.cachesize_non_temporal_divisor.is_some() {
            CacheRules::Complex
        } else if at.rep_movsb_threshold.is_some() {
            CacheRules::Plain
        } else {
            CacheRules::Libcs
        }
    }

    /// Index in `link_map.l_info` of the dynamic tag `tag`; `None` for tags that glibc does not record.
    pub fn info_index(&self, tag: u64) -> Option<usize> {
        let ordinary = u64::from(self.info.ordinary);
        let processor = u64::from(self.info.processor);
        let index = if tag < ordinary {
            tag
        } else if let Some(nth) = tag.checked_sub(FIRST_PROCESSOR_TAG).filter(|&nth| nth < processor) {
            ordinary.checked_add(nth)?
        } else {
            let mut first = ordinary.checked_add(processor)?;
            let mut found = None;
            for (highest, count) in [VERSION_TAGS, EXTRA_TAGS, VALUE_TAGS, ADDRESS_TAGS] {
                if let Some(nth) = highest.checked_sub(tag).filter(|&nth| nth < count) {
                    found = first.checked_add(nth);
                }
                first = first.checked_add(count)?;
            }
            found?
        };
        usize::try_from(index)
            .ok()
            .filter(|&index| index < self.info.len as usize)
    }

    /// The id of the tunable whose name is `name`, without its prefix.
    pub fn tunable(&self, name: Word) -> Option<usize> {
        self.row.tunables.iter().position(|tunable| tunable.word == name)
    }
}

#[cfg(test)]
mod tests;
