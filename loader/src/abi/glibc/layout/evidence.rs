//! What a libc.so.6 of a known state shows of it without running: names that it imports, descriptors that it has for debuggers, and members that
//! its exported functions are known to use. The tables say it in terms of the schema and hold for every release, or from one to another; a
//! row's structures make numbers of it.

use core::fmt;
use core::ops::RangeInclusive;

use crt::packed::Packed;

use super::{Descriptor, Object, Word, place_in};

/// Every name that some known libc.so.6 imports from its loader. At most 31.
const IMPORTS: [&str; 24] = [
    "__libc_enable_secure",
    "__libc_stack_end",
    "__nptl_change_stack_perm",
    "__rseq_offset",
    "__rseq_size",
    "__tls_get_addr",
    "__tunable_get_val",
    "__tunable_is_initialized",
    "_dl_allocate_tls",
    "_dl_allocate_tls_init",
    "_dl_argv",
    "_dl_audit_preinit",
    "_dl_audit_symbind_alt",
    "_dl_catch_error_ptr",
    "_dl_catch_exception",
    "_dl_deallocate_tls",
    "_dl_exception_create",
    "_dl_fatal_printf",
    "_dl_find_dso_for_object",
    "_dl_rtld_di_serinfo",
    "_dl_signal_error",
    "_dl_signal_exception",
    "_rtld_global",
    "_rtld_global_ro",
];

static NAMES_OF_IMPORTS: [Word; IMPORTS.len()] = Word::list(IMPORTS);

/// What a libc.so.6 imports from its loader: a set of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imports(pub(super) u32);

impl Imports {
    /// Set where a libc.so.6 of the row may import other known names too.
    const OTHERS: u32 = 1 << 31;

    /// Exactly these names, for constants: one that no row has had does not compile, and has to be added to the list above.
    pub(super) const fn exactly(names: &[&str]) -> Self {
        let mut set = 0;
        let mut index = 0;
        while index < names.len() {
            let mut known = 0;
            while !same(IMPORTS[known], names[index]) {
                known += 1;
            }
            set |= 1 << known;
            index += 1;
        }
        Self(set)
    }

    /// These names, and any of the others that are known.
    pub(super) const fn at_least(names: &[&str]) -> Self {
        Self(Self::exactly(names).0 | Self::OTHERS)
    }

    /// The names that must be there.
    pub fn iter(self) -> impl Iterator<Item = Packed> {
        let all = NAMES_OF_IMPORTS.iter().enumerate();
        all.filter(move |(index, _)| self.0 >> index & 1 == 1)
            .map(|(_, name)| name.text())
    }

    /// Reports every difference from what a libc.so.6 imports: a name, and whether it is there.
    pub fn compare(self, found: &[&str], report: &mut dyn FnMut(fmt::Arguments<'_>, bool)) {
        let mut there = 0u32;
        for name in found {
            let known = NAMES_OF_IMPORTS
                .iter()
                .position(|known| known.text().is(name.as_bytes()));
            let bit = known.map_or(0, |index| 1u32 << index);
            there |= bit;
            if bit == 0 || (self.0 & (bit | Self::OTHERS)) == 0 {
                report(format_args!("{name}"), true);
            }
        }
        for name in Self(self.0 & !there).iter() {
            report(format_args!("{name}"), false);
        }
    }
}

pub(super) const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut index = 0;
    while index < left.len() && index < right.len() && left[index] == right[index] {
        index += 1;
    }
    index == left.len() && index == right.len()
}

/// A `_thread_db_*` object of libc.so.6, written for debuggers by libc's own compiler.
#[derive(Debug, Clone, Copy)]
pub struct ThreadDb {
    /// Symbol, without [`ThreadDb::PREFIX`].
    pub name: Word,
    /// Width of an element in bits; 0 for a size or a constant.
    bits: u16,
    /// Number of elements, or the constant.
    count: u16,
    /// The word of the row that has the offset or the size; [`CONSTANT`] for none.
    word: u8,
    /// What is added to that offset.
    plus: u8,
}

/// No word of a row: the first one is a size that no descriptor states.
const CONSTANT: u8 = 0;

impl ThreadDb {
    /// What the name of every such object begins with.
    pub const PREFIX: &'static str = "_thread_db_";

    /// The first release whose libc.so.6 has them; before, libpthread.so.0 has.
    pub const SINCE: u8 = 34;

    /// A constant.
    const fn constant(name: &str, value: u16) -> Self {
        Self::new(name, 0, value, CONSTANT, 0)
    }

    /// The size of a structure.
    const fn size(name: &str, structure: &str) -> Self {
        Self::new(name, 0, 0, place_in(structure, ""), 0)
    }

    /// `count` elements of `bits` bits at `plus` bytes.
    const fn at(name: &str, bits: u16, count: u16, plus: u8) -> Self {
        Self::new(name, bits, count, CONSTANT, plus)
    }

    /// The same, `plus` bytes behind a member.
    const fn behind(name: &str, (structure, field): (&str, &str), plus: u8, bits: u16, count: u16) -> Self {
        Self::new(name, bits, count, place_in(structure, field), plus)
    }

    /// The same, at a member.
    const fn member(name: &str, structure: &str, field: &str, bits: u16) -> Self {
        Self::behind(name, (structure, field), 0, bits, 1)
    }

    const fn new(name: &str, bits: u16, count: u16, word: u8, plus: u8) -> Self {
        Self {
            name: Word::new(name),
            bits,
            count,
            word,
            plus,
        }
    }

    /// What it has to be in a row.
    fn content(&self, words: &[u32]) -> Descriptor {
        let word = words.get(usize::from(self.word)).copied().unwrap_or(0);
        match (self.bits, self.word) {
            (0, CONSTANT) => Descriptor::Value(self.count.into()),
            (0, _) => Descriptor::Value(word),
            (bits, place) => Descriptor::Field {
                bits: bits.into(),
                count: self.count.into(),
                offset: if place == CONSTANT { 0 } else { offset(word) } + u32::from(self.plus),
            },
        }
    }
}

/// The offset in a word that places a member.
fn offset(word: u32) -> u32 {
    (word >> 16).saturating_sub(1)
}

/// The descriptors, sorted by name.
static THREAD_DB: [ThreadDb; 49] = [
    ThreadDb::at("__nptl_last_event", 64, 1, 0),
    ThreadDb::at("__nptl_nthreads", 32, 1, 0),
    ThreadDb::at("__nptl_rtld_global", 64, 1, 0),
    ThreadDb::at("__pthread_keys", 128, 1024, 0),
    ThreadDb::constant("const_thread_area", 25),
    ThreadDb::member("dtv_slotinfo_gen", "dtv_slotinfo", "generation", 64),
    ThreadDb::member("dtv_slotinfo_list_len", "dtv_slotinfo_list", "len", 64),
    ThreadDb::member("dtv_slotinfo_list_next", "dtv_slotinfo_list", "next", 64),
    ThreadDb::behind(
        "dtv_slotinfo_list_slotinfo",
        ("dtv_slotinfo_list", "slotinfo"),
        0,
        128,
        0,
    ),
    ThreadDb::member("dtv_slotinfo_map", "dtv_slotinfo", "map", 64),
    ThreadDb::at("dtv_t_counter", 64, 1, 0),
    ThreadDb::member("dtv_t_pointer_val", "dtv_pointer", "val", 64),
    ThreadDb::member("link_map_l_tls_modid", "link_map", "l_tls_modid", 64),
    ThreadDb::member("link_map_l_tls_offset", "link_map", "l_tls_offset", 64),
    ThreadDb::member("list_t_next", "list", "next", 64),
    ThreadDb::member("list_t_prev", "list", "prev", 64),
    ThreadDb::member("pthread_cancelhandling", "pthread", "cancelhandling", 32),
    ThreadDb::member("pthread_dtvp", "tcb", "dtv", 64),
    ThreadDb::behind("pthread_eventbuf", SCHEDULING, 0x18, 192, 1),
    ThreadDb::behind("pthread_eventbuf_eventmask", SCHEDULING, 0x18, 64, 1),
    ThreadDb::behind("pthread_eventbuf_eventmask_event_bits", SCHEDULING, 0x18, 32, 2),
    ThreadDb::at("pthread_key_data_data", 64, 1, 8),
    ThreadDb::at("pthread_key_data_level2_data", 128, 32, 0),
    ThreadDb::at("pthread_key_data_seq", 64, 1, 0),
    ThreadDb::at("pthread_key_struct_destr", 64, 1, 8),
    ThreadDb::at("pthread_key_struct_seq", 64, 1, 0),
    ThreadDb::member("pthread_list", "pthread", "list", 128),
    ThreadDb::behind("pthread_nextevent", SCHEDULING, 0x30, 64, 1),
    ThreadDb::member("pthread_report_events", "pthread", "report_events", 8),
    ThreadDb::behind("pthread_schedparam_sched_priority", SCHEDULING, 0, 32, 1),
    ThreadDb::behind("pthread_schedpolicy", SCHEDULING, 4, 32, 1),
    ThreadDb::member("pthread_specific", "pthread", "specific", 2048),
    ThreadDb::behind("pthread_start_routine", SCHEDULING, 8, 64, 1),
    ThreadDb::member("pthread_tid", "pthread", "tid", 32),
    ThreadDb::member("rtld_global__dl_stack_used", "rtld_global", "dl_stack_used", 128),
    ThreadDb::member("rtld_global__dl_stack_user", "rtld_global", "dl_stack_user", 128),
    ThreadDb::member(
        "rtld_global__dl_tls_dtv_slotinfo_list",
        "rtld_global",
        "dl_tls_dtv_slotinfo_list",
        64,
    ),
    ThreadDb::size("sizeof_dtv_slotinfo", "dtv_slotinfo"),
    ThreadDb::size("sizeof_dtv_slotinfo_list", "dtv_slotinfo_list"),
    ThreadDb::size("sizeof_list_t", "list"),
    ThreadDb::size("sizeof_pthread", "pthread"),
    ThreadDb::constant("sizeof_pthread_key_data", 16),
    ThreadDb::constant("sizeof_pthread_key_data_level2", 512),
    ThreadDb::constant("sizeof_pthread_key_struct", 16),
    ThreadDb::constant("sizeof_td_eventbuf_t", 24),
    ThreadDb::constant("sizeof_td_thr_events_t", 8),
    ThreadDb::at("td_eventbuf_t_eventdata", 64, 1, 16),
    ThreadDb::at("td_eventbuf_t_eventnum", 32, 1, 8),
    ThreadDb::at("td_thr_events_t_event_bits", 32, 2, 0),
];

/// Members of `struct pthread` that are at fixed distances from each other, and that a loader has no use for.
const SCHEDULING: (&str, &str) = ("pthread", "schedparam");

/// An exported function of libc.so.6 whose code is known to use a member of a loader object.
#[derive(Debug, Clone, Copy)]
struct Habit {
    function: Word,
    /// C name of the member, for people.
    member: Word,
    /// The word of the row that places the member.
    word: u8,
    /// The word that places a member inside of that one; 0 for none.
    inner: u8,
    /// The x of the first and the last glibc 2.x where this is so, as far as the member exists.
    since: u8,
    until: u8,
}

impl Habit {
    const fn new(function: &str, structure: &str, field: &str, member: &str) -> Self {
        Self {
            function: Word::new(function),
            member: Word::new(member),
            word: place_in(structure, field),
            inner: 0,
            since: 0,
            until: u8::MAX,
        }
    }

    const fn writable(function: &str, field: &str, member: &str) -> Self {
        Self::new(function, "rtld_global", field, member)
    }

    const fn read_only(function: &str, field: &str, member: &str) -> Self {
        Self::new(function, "rtld_global_ro", field, member)
    }

    const fn processor(function: &str, field: &str, member: &str) -> Self {
        let whole = Self::read_only(function, "dl_x86_cpu_features", member);
        Self {
            inner: place_in("cpu_features", field),
            ..whole
        }
    }

    const fn since(self, since: u8) -> Self {
        Self { since, ..self }
    }

    /// What a libc of this row does; `None` where there is no such member, or the release has the function elsewhere.
    fn witness(&self, release: u8, words: &[u32]) -> Option<Witness> {
        let offset_of = |word: u8| {
            let word = words.get(usize::from(word)).copied().filter(|word| *word != 0)?;
            Some(offset(word))
        };
        let mut displacement = offset_of(self.word)?;
        if self.inner != 0 {
            displacement = displacement.checked_add(offset_of(self.inner)?)?;
        }
        let object = if self.word < const { place_in("rtld_global", "") } {
            Object::RtldGlobalRo
        } else {
            Object::RtldGlobal
        };
        (self.since..=self.until).contains(&release).then_some(Witness {
            function: self.function,
            member: self.member,
            displacement,
            object,
        })
    }
}

/// What functions do in all builds that were looked at (2.31, 2.36, 2.41 and 2.43, made by four versions of the compiler).
static HABITS: [Habit; 35] = [
    Habit::read_only("getpagesize", "dl_pagesize", "_dl_pagesize"),
    Habit::read_only("getauxval", "dl_hwcap", "_dl_hwcap"),
    Habit::read_only("getauxval", "dl_hwcap2", "_dl_hwcap2"),
    Habit::read_only("getauxval", "dl_auxv", "_dl_auxv"),
    Habit::read_only("clock_gettime", "dl_vdso_clock_gettime64", "_dl_vdso_clock_gettime64"),
    Habit::read_only(
        "clock_getres",
        "dl_vdso_clock_getres_time64",
        "_dl_vdso_clock_getres_time64",
    ),
    Habit::read_only("getcpu", "dl_vdso_getcpu", "_dl_vdso_getcpu"),
    Habit::read_only("__profile_frequency", "dl_clktck", "_dl_clktck"),
    Habit::read_only("_dl_mcount_wrapper_check", "dl_mcount", "_dl_mcount"),
    Habit::read_only("dl_iterate_phdr", "dl_tls_get_addr_soft", "_dl_tls_get_addr_soft"),
    Habit::read_only("dlopen", "dl_dlfcn_hook", "_dl_dlfcn_hook"),
    Habit::read_only("dlclose", "dl_close", "_dl_close").since(34),
    Habit::read_only("dlerror", "dl_error_free", "_dl_error_free"),
    Habit::read_only("_dl_find_object", "dl_find_object", "_dl_find_object"),
    Habit::read_only("__libc_freeres", "dl_libc_freeres", "_dl_libc_freeres"),
    Habit::read_only("sysconf", "dl_minsigstacksize", "_dl_minsigstacksize"),
    Habit::read_only("__libc_early_init", "dl_tls_static_size", "_dl_tls_static_size"),
    Habit::read_only("__libc_early_init", "dl_tls_static_align", "_dl_tls_static_align"),
    Habit::processor(
        "__x86_get_cpuid_feature_leaf",
        "features",
        "_dl_x86_cpu_features.features",
    )
    .since(33),
    Habit::processor("memcpy", "preferred", "_dl_x86_cpu_features.preferred"),
    Habit::processor("memcpy", "feature", "_dl_x86_cpu_features.feature"),
    Habit::writable("fork", "dl_load_lock", "_dl_load_lock"),
    Habit::writable("fork", "dl_load_tls_lock", "_dl_load_tls_lock"),
    Habit::writable("fork", "dl_in_flight_stack", "_dl_in_flight_stack").since(34),
    Habit::writable("fork", "dl_stack_used", "_dl_stack_used").since(34),
    Habit::writable("fork", "dl_stack_user", "_dl_stack_user").since(34),
    Habit::writable("fork", "dl_stack_cache", "_dl_stack_cache").since(34),
    Habit::writable("pthread_create", "dl_stack_cache_lock", "_dl_stack_cache_lock").since(34),
    Habit::writable("pthread_create", "dl_stack_flags", "_dl_stack_flags").since(34),
    Habit::writable("dl_iterate_phdr", "dl_nns", "_dl_nns"),
    Habit::writable("dl_iterate_phdr", "dl_load_write_lock", "_dl_load_write_lock"),
    Habit::writable("dl_iterate_phdr", "dl_load_adds", "_dl_load_adds"),
    Habit::writable("dl_iterate_phdr", "dl_rtld_lock_recursive", "_dl_rtld_lock_recursive"),
    Habit::writable(
        "dl_iterate_phdr",
        "dl_rtld_unlock_recursive",
        "_dl_rtld_unlock_recursive",
    ),
    Habit::writable("_dl_mcount_wrapper_check", "dl_profile_map", "_dl_profile_map"),
];

/// A displacement that a function of libc.so.6 must be seen to apply to one of the loader's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// Exported function.
    pub function: Word,
    /// C name of the member, for people; with a dot where it is a member of a member.
    pub member: Word,
    /// What the function adds to that address.
    pub displacement: u32,
    /// The object whose address the function loads from its GOT.
    pub object: Object,
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

/// The witnesses of a state of glibc 2.x, `x` its release: from the words of a row.
pub fn witnesses(release: u8, words: &[u32]) -> impl Iterator<Item = Witness> {
    HABITS.iter().filter_map(move |habit| habit.witness(release, words))
}

/// The descriptors of such a state, by name without [`ThreadDb::PREFIX`]; none where libc.so.6 has none.
pub fn descriptors(release: u8, words: &[u32]) -> impl Iterator<Item = (Packed, Descriptor)> {
    let all = if release < ThreadDb::SINCE {
        &[]
    } else {
        THREAD_DB.as_slice()
    };
    all.iter()
        .map(move |object| (object.name.text(), object.content(words)))
}

/// The function of libc.so.6 that asks for tunables, itself or through one that it calls; what the names of those begin with; and the
/// releases where that is so. The ids of tunables shift between states that are otherwise alike.
pub const ASKS: (&str, &str, RangeInclusive<u8>) = ("malloc", "malloc.", 34..=41);
