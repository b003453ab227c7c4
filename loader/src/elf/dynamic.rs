//! The dynamic section (gABI, "Dynamic Section"): where a module's tables are, and what it needs.
//!
//! Decoding checks what the section says about itself: that a table comes with its size, and that entries have the size that the loader reads.
//! Whether a table lies inside the module is asked where it is read.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use super::reloc::{REL_SIZE, RELA_SIZE};
use super::relr::RELR_SIZE;
use super::symbol::SYMBOL_SIZE;
use super::{Vaddr, u64_at};
use crate::error::{Fault, Kind, Rule};

/// Size of one entry in bytes.
pub const DYN_SIZE: usize = 16;

/// One entry of the dynamic section, as it stands in memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Dyn {
    /// `d_tag`: one of [`tag`]
    pub tag: u64,
    /// `d_val` or `d_ptr`
    pub value: u64,
}

impl Dyn {
    /// Decodes one entry from its 16 bytes; `None` when there are fewer.
    pub fn decode(bytes: &[u8]) -> Option<Dyn> {
        Some(Dyn {
            tag: u64_at(bytes, 0)?,
            value: u64_at(bytes, 8)?,
        })
    }
}

macro_rules! tags {
    (
        in_errors { $($(#[$doc:meta])* $name:ident = $value:expr, $text:literal;)* }
        others { $($(#[$other_doc:meta])* $other:ident = $other_value:expr, $other_text:literal;)* }
    ) => {
        /// `d_tag` values: the gABI's, GNU's, and the ones of Android and Solaris that linkers for Linux write.
        pub mod tag {
            $($(#[$doc])* pub const $name: u64 = $value;)*
            $($(#[$other_doc])* pub const $other: u64 = $other_value;)*

            /// The tags of which an error may speak. Their names stand in this order, one a line.
            pub const TAGS: &[u32] = &[$($value,)*];
            pub(crate) const NAMES: &str = concat!($($text, "\n",)*);
            const OTHERS: &[u32] = &[$($other_value,)*];
            const NAMES_OF_OTHERS: &str = concat!($($other_text, "\n",)*);

            /// The name of a tag, as its source spells it.
            #[inline(never)]
            pub fn name(tag: u64) -> Option<&'static str> {
                let other = || place(OTHERS, tag).map(|place| crate::error::line(NAMES_OF_OTHERS, place));
                place_in_errors(tag)
                    .map(|place| crate::error::line(NAMES, place))
                    .or_else(other)
            }

            /// Which line of [`NAMES`] has the tag's name: the interpreter shows no other names, and is smaller without them.
            pub(crate) fn place_in_errors(tag: u64) -> Option<usize> {
                place(TAGS, tag)
            }

            /// Whether [`name`] knows the tag.
            pub fn is_known(tag: u64) -> bool {
                place(TAGS, tag).or(place(OTHERS, tag)).is_some()
            }

            #[inline(never)]
            fn place(tags: &[u32], tag: u64) -> Option<usize> {
                tags.iter().position(|known| u64::from(*known) == tag)
            }
        }
    };
}

tags! {
    in_errors {
        /// String offset: the name of a needed library
        NEEDED = 1, "DT_NEEDED";
        /// Bytes in [`JMPREL`]
        PLTRELSZ = 2, "DT_PLTRELSZ";
        /// Address: the SysV hash table
        HASH = 4, "DT_HASH";
        /// Address: the string table
        STRTAB = 5, "DT_STRTAB";
        /// Address: the symbol table
        SYMTAB = 6, "DT_SYMTAB";
        /// Address: relocations with addends
        RELA = 7, "DT_RELA";
        /// Bytes in [`RELA`]
        RELASZ = 8, "DT_RELASZ";
        /// Bytes of one entry in [`RELA`]
        RELAENT = 9, "DT_RELAENT";
        /// Bytes in [`STRTAB`]
        STRSZ = 10, "DT_STRSZ";
        /// Bytes of one entry in [`SYMTAB`]
        SYMENT = 11, "DT_SYMENT";
        /// String offset: the name that others need this file by
        SONAME = 14, "DT_SONAME";
        /// String offset: search path, inherited
        RPATH = 15, "DT_RPATH";
        /// Address: relocations without addends
        REL = 17, "DT_REL";
        /// Bytes in [`REL`]
        RELSZ = 18, "DT_RELSZ";
        /// Bytes of one entry in [`REL`]
        RELENT = 19, "DT_RELENT";
        /// The form of [`JMPREL`]: [`REL`] or [`RELA`]
        PLTREL = 20, "DT_PLTREL";
        /// Address: the PLT's relocations
        JMPREL = 23, "DT_JMPREL";
        /// Address: functions to call at the start
        INIT_ARRAY = 25, "DT_INIT_ARRAY";
        /// Address: functions to call at the end
        FINI_ARRAY = 26, "DT_FINI_ARRAY";
        /// Bytes in [`INIT_ARRAY`]
        INIT_ARRAYSZ = 27, "DT_INIT_ARRAYSZ";
        /// Bytes in [`FINI_ARRAY`]
        FINI_ARRAYSZ = 28, "DT_FINI_ARRAYSZ";
        /// String offset: search path, not inherited
        RUNPATH = 29, "DT_RUNPATH";
        /// Address: functions to call before every other one
        PREINIT_ARRAY = 32, "DT_PREINIT_ARRAY";
        /// Bytes in [`PREINIT_ARRAY`]
        PREINIT_ARRAYSZ = 33, "DT_PREINIT_ARRAYSZ";
        /// Bytes in [`RELR`]
        RELRSZ = 35, "DT_RELRSZ";
        /// Address: relative relocations in the compact form
        RELR = 36, "DT_RELR";
        /// Bytes of one entry in [`RELR`]
        RELRENT = 37, "DT_RELRENT";
        /// Address: relocations of variable length, with the number that the generic ABI is to give it
        CREL = 38, "DT_CREL";
        /// [`CREL`] as LLVM writes it before it has its number
        LLVM_CREL = 0x4000_0026, "DT_CREL";
        /// Address: packed relocations (APS2) without addends
        ANDROID_REL = 0x6000_000f, "DT_ANDROID_REL";
        /// Bytes in [`ANDROID_REL`]
        ANDROID_RELSZ = 0x6000_0010, "DT_ANDROID_RELSZ";
        /// Address: packed relocations (APS2) with addends
        ANDROID_RELA = 0x6000_0011, "DT_ANDROID_RELA";
        /// Bytes in [`ANDROID_RELA`]
        ANDROID_RELASZ = 0x6000_0012, "DT_ANDROID_RELASZ";
        /// [`RELR`] before it had its number
        ANDROID_RELR = 0x6fff_e000, "DT_ANDROID_RELR";
        /// Bytes in [`ANDROID_RELR`]
        ANDROID_RELRSZ = 0x6fff_e001, "DT_ANDROID_RELRSZ";
        /// Bytes of one entry in [`ANDROID_RELR`]
        ANDROID_RELRENT = 0x6fff_e003, "DT_ANDROID_RELRENT";
        /// Address: the GNU hash table
        GNU_HASH = 0x6fff_fef5, "DT_GNU_HASH";
        /// Address: initial values of data, compressed (Solaris)
        MOVETAB = 0x6fff_fefe, "DT_MOVETAB";
        /// Address: the version index of each symbol
        VERSYM = 0x6fff_fff0, "DT_VERSYM";
        /// Address: defined versions
        VERDEF = 0x6fff_fffc, "DT_VERDEF";
        /// Number of records in [`VERDEF`]
        VERDEFNUM = 0x6fff_fffd, "DT_VERDEFNUM";
        /// Address: required versions
        VERNEED = 0x6fff_fffe, "DT_VERNEED";
        /// Number of records in [`VERNEED`]
        VERNEEDNUM = 0x6fff_ffff, "DT_VERNEEDNUM";
        /// String offset: a library to look in before this one
        AUXILIARY = 0x7fff_fffd, "DT_AUXILIARY";
        /// String offset: a library to look in instead of this one
        FILTER = 0x7fff_ffff, "DT_FILTER";
    }
    others {
        /// The end
        NULL = 0, "DT_NULL";
        /// Address: the PLT's part of the GOT
        PLTGOT = 3, "DT_PLTGOT";
        /// Address: function to call at the start
        INIT = 12, "DT_INIT";
        /// Address: function to call at the end
        FINI = 13, "DT_FINI";
        /// References look in their own module first
        SYMBOLIC = 16, "DT_SYMBOLIC";
        /// Where the loader leaves the address of `r_debug`
        DEBUG = 21, "DT_DEBUG";
        /// Some relocation writes into a segment that is not writable
        TEXTREL = 22, "DT_TEXTREL";
        /// Bind all references before the program starts
        BIND_NOW = 24, "DT_BIND_NOW";
        /// Flags: [`super::Flags`]
        FLAGS = 30, "DT_FLAGS";
        /// Address: section indices that do not fit into a symbol
        SYMTAB_SHNDX = 34, "DT_SYMTAB_SHNDX";
        /// Bytes in [`SYMTAB`]
        SYMTABSZ = 39, "DT_SYMTABSZ";
        /// Number of relative entries in [`ANDROID_RELR`]
        ANDROID_RELRCOUNT = 0x6fff_e005, "DT_ANDROID_RELRCOUNT";
        /// Flags: how `dlmopen` treats the file
        GNU_FLAGS_1 = 0x6fff_fdf4, "DT_GNU_FLAGS_1";
        /// When `prelink` last wrote the file
        GNU_PRELINKED = 0x6fff_fdf5, "DT_GNU_PRELINKED";
        /// `prelink`: bytes of the conflict section
        GNU_CONFLICTSZ = 0x6fff_fdf6, "DT_GNU_CONFLICTSZ";
        /// `prelink`: bytes of the library list
        GNU_LIBLISTSZ = 0x6fff_fdf7, "DT_GNU_LIBLISTSZ";
        /// A sum over the file
        CHECKSUM = 0x6fff_fdf8, "DT_CHECKSUM";
        /// Bytes of padding in the PLT
        PLTPADSZ = 0x6fff_fdf9, "DT_PLTPADSZ";
        /// Bytes of one entry in [`MOVETAB`]
        MOVEENT = 0x6fff_fdfa, "DT_MOVEENT";
        /// Bytes in [`MOVETAB`]
        MOVESZ = 0x6fff_fdfb, "DT_MOVESZ";
        /// Solaris: feature selection
        FEATURE_1 = 0x6fff_fdfc, "DT_FEATURE_1";
        /// Solaris: flags of the next entry
        POSFLAG_1 = 0x6fff_fdfd, "DT_POSFLAG_1";
        /// Address: the PLT entry of lazy TLS descriptors
        TLSDESC_PLT = 0x6fff_fef6, "DT_TLSDESC_PLT";
        /// Address: the GOT entry of lazy TLS descriptors
        TLSDESC_GOT = 0x6fff_fef7, "DT_TLSDESC_GOT";
        /// `prelink`: the conflict section
        GNU_CONFLICT = 0x6fff_fef8, "DT_GNU_CONFLICT";
        /// `prelink`: the library list
        GNU_LIBLIST = 0x6fff_fef9, "DT_GNU_LIBLIST";
        /// String offset: a configuration file (Solaris)
        CONFIG = 0x6fff_fefa, "DT_CONFIG";
        /// String offset: libraries that watch what this one needs
        DEPAUDIT = 0x6fff_fefb, "DT_DEPAUDIT";
        /// String offset: libraries that watch this one
        AUDIT = 0x6fff_fefc, "DT_AUDIT";
        /// Address: padding in the PLT
        PLTPAD = 0x6fff_fefd, "DT_PLTPAD";
        /// Address: symbol information (Solaris)
        SYMINFO = 0x6fff_feff, "DT_SYMINFO";
        /// Number of relative entries at the start of [`RELA`]
        RELACOUNT = 0x6fff_fff9, "DT_RELACOUNT";
        /// Number of relative entries at the start of [`REL`]
        RELCOUNT = 0x6fff_fffa, "DT_RELCOUNT";
        /// Flags: [`super::Flags1`]
        FLAGS_1 = 0x6fff_fffb, "DT_FLAGS_1";
    }
}

/// The tags whose meaning depends on the machine (DT_LOPROC to DT_HIPROC).
const OF_THE_MACHINE: core::ops::RangeInclusive<u64> = 0x7000_0000..=0x7fff_ffff;

bitflags::bitflags! {
    /// DT_FLAGS (gABI, "DT_FLAGS values"). Bits that have no name are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Flags: u64 {
        /// `$ORIGIN` is used
        const ORIGIN = 0x1;
        /// As DT_SYMBOLIC
        const SYMBOLIC = 0x2;
        /// As DT_TEXTREL
        const TEXTREL = 0x4;
        /// As DT_BIND_NOW
        const BIND_NOW = 0x8;
        /// The code reaches its TLS at a fixed distance from the thread pointer
        const STATIC_TLS = 0x10;
    }
}

bitflags::bitflags! {
    /// DT_FLAGS_1 (Solaris "Linker and Libraries Guide", taken over by GNU). Bits that have no name are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Flags1: u64 {
        /// Bind all references before the program starts
        const NOW = 0x1;
        /// RTLD_GLOBAL for this object
        const GLOBAL = 0x2;
        /// RTLD_GROUP for this object
        const GROUP = 0x4;
        /// Never unloaded
        const NODELETE = 0x8;
        /// Load what it filters at once
        const LOADFLTR = 0x10;
        /// Its constructors run before all others
        const INITFIRST = 0x20;
        /// Not to be opened with `dlopen`
        const NOOPEN = 0x40;
        /// `$ORIGIN` is used
        const ORIGIN = 0x80;
        /// Direct binding (Solaris)
        const DIRECT = 0x100;
        /// Its symbols come before those of other libraries
        const INTERPOSE = 0x400;
        /// Default directories are not searched for what it needs
        const NODEFLIB = 0x800;
        /// Not to be dumped with `dldump`
        const NODUMP = 0x1000;
        /// A configuration alternative (Solaris)
        const CONFALT = 0x2000;
        /// Ends a filter's search
        const ENDFILTEE = 0x4000;
        /// Displacement relocations were applied when it was linked
        const DISPRELDNE = 0x8000;
        /// Displacement relocations are to be applied
        const DISPRELPND = 0x1_0000;
        /// No direct binding to it (Solaris)
        const NODIRECT = 0x2_0000;
        /// Symbols that are defined twice are no error
        const IGNMULDEF = 0x4_0000;
        /// Written by another tool since it was linked
        const EDITED = 0x20_0000;
        /// Some symbols come before those of other libraries
        const SYMINTPOSE = 0x80_0000;
        /// Audited as a whole
        const GLOBAUDIT = 0x100_0000;
        /// Has singleton symbols
        const SINGLETON = 0x200_0000;
        /// A stub
        const STUB = 0x400_0000;
        /// A program that is loaded anywhere
        const PIE = 0x800_0000;
    }
}

/// A table that the dynamic section names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where it starts
    pub at: Vaddr,
    /// Its length in bytes; never 0
    pub size: u64,
}

/// The form of the PLT's relocations (DT_PLTREL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PltKind {
    /// Entries without addend
    Rel,
    /// Entries with addend
    Rela,
}

/// A decoded dynamic section. `Option` is absence; a table of no bytes is absent. Where a tag stands twice the last one counts, as in
/// glibc, unless it is one that may; flags add up.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Dynamic {
    /// DT_NEEDED in order: string offsets
    pub needed: Vec<u64>,
    /// DT_SONAME: string offset
    pub soname: Option<u64>,
    /// DT_RPATH: string offset
    pub rpath: Option<u64>,
    /// DT_RUNPATH: string offset
    pub runpath: Option<u64>,
    /// DT_AUXILIARY in order: string offsets
    pub auxiliary: Vec<u64>,
    /// DT_FILTER in order: string offsets
    pub filter: Vec<u64>,
    /// DT_STRTAB
    pub strtab: Option<Vaddr>,
    /// DT_STRSZ, bytes; 0 without [`Dynamic::strtab`]
    pub strsz: u64,
    /// DT_SYMTAB
    pub symtab: Option<Vaddr>,
    /// DT_HASH
    pub hash: Option<Vaddr>,
    /// DT_GNU_HASH
    pub gnu_hash: Option<Vaddr>,
    /// DT_VERSYM
    pub versym: Option<Vaddr>,
    /// DT_VERNEED
    pub verneed: Option<Vaddr>,
    /// DT_VERNEEDNUM; 0 without [`Dynamic::verneed`]
    pub verneednum: u64,
    /// DT_VERDEF
    pub verdef: Option<Vaddr>,
    /// DT_VERDEFNUM; 0 without [`Dynamic::verdef`]
    pub verdefnum: u64,
    /// DT_RELA: whole entries of 24 bytes
    pub rela: Option<Range>,
    /// DT_RELACOUNT, entries
    pub relacount: u64,
    /// DT_REL: whole entries of 16 bytes
    pub rel: Option<Range>,
    /// DT_RELCOUNT, entries
    pub relcount: u64,
    /// DT_RELR or DT_ANDROID_RELR: whole words of 8 bytes
    pub relr: Option<Range>,
    /// DT_ANDROID_REL: packed
    pub android_rel: Option<Range>,
    /// DT_ANDROID_RELA: packed
    pub android_rela: Option<Range>,
    /// DT_JMPREL: whole entries of the form
    pub jmprel: Option<(Range, PltKind)>,
    /// DT_PLTGOT
    pub pltgot: Option<Vaddr>,
    /// DT_INIT
    pub init: Option<Vaddr>,
    /// DT_FINI
    pub fini: Option<Vaddr>,
    /// DT_PREINIT_ARRAY: whole addresses
    pub preinit_array: Option<Range>,
    /// DT_INIT_ARRAY: whole addresses
    pub init_array: Option<Range>,
    /// DT_FINI_ARRAY: whole addresses
    pub fini_array: Option<Range>,
    /// DT_FLAGS, with DT_SYMBOLIC, DT_TEXTREL and DT_BIND_NOW as the flags that replaced them
    pub flags: Flags,
    /// DT_FLAGS_1
    pub flags_1: Flags1,
    /// The number of the DT_DEBUG entry
    pub debug_index: Option<usize>,
    /// DT_TLSDESC_PLT
    pub tlsdesc_plt: Option<Vaddr>,
    /// DT_TLSDESC_GOT
    pub tlsdesc_got: Option<Vaddr>,
    /// Tags that lode does not know, in order. Those of the machine's range are not among them.
    pub unknown: Vec<u64>,
    /// Number of entries, DT_NULL included
    pub count: usize,
}

impl Dynamic {
    /// Decodes entries up to DT_NULL.
    ///
    /// # Errors
    /// [`Rule::DynamicUnterminated`] without DT_NULL; [`Rule::TagTwin`] for a table without its size or the reverse (value: the tag that
    /// stands; limit: the one that is missing); [`Rule::TagEntrySize`], [`Rule::TagTableSize`], [`Rule::ArraySize`],
    /// [`Rule::TagPltRel`]; [`Kind::ChangesLoading`].
    pub fn decode(mut entries: impl Iterator<Item = Dyn>) -> Result<Dynamic, Fault> {
        let mut dynamic = Dynamic::default();
        dynamic.decode_all(&mut entries)?;
        Ok(dynamic)
    }

    /// Refuses the tags without whose meaning a file is loaded wrongly, and whose meaning lode does not implement. Two proposals would let a file
    /// itself say what is critical (DT_CRITICAL_LOAD_DT and DT_REQUIRED, generic-abi 2020 and 2021); neither got numbers of its own.
    pub(crate) fn decode_all(&mut self, entries: &mut dyn Iterator<Item = Dyn>) -> Result<(), Fault> {
        let mut raw = Raw {
            stands: 0,
            values: [0; PLACES],
        };
        for (index, entry) in entries.enumerate() {
            if entry.tag == tag::NULL {
                self.count = index.saturating_add(1);
                return raw.check_into(self);
            }
            if entry.tag == tag::DEBUG {
                self.debug_index = Some(index);
            } else if !self.take(entry) && !raw.take(entry) {
                match entry.tag {
                    tag::CREL | tag::LLVM_CREL => return Err(Kind::ChangesLoading("DT_CREL").into()),
                    tag::MOVETAB => return Err(Kind::ChangesLoading("DT_MOVETAB").into()),
                    _ => {}
                }
                if !tag::is_known(entry.tag) && !OF_THE_MACHINE.contains(&entry.tag) {
                    self.unknown.push(entry.tag);
                }
            }
        }
        Err(Kind::malformed(Rule::DynamicUnterminated, 0, 0))
    }

    /// Keeps an entry that needs no other one to be understood; `false` when it is not such an entry.
    fn take(&mut self, entry: Dyn) -> bool {
        let Dyn { tag, value } = entry;
        let address = Some(Vaddr(value));
        match tag {
            tag::NEEDED => self.needed.push(value),
            tag::SONAME => self.soname = Some(value),
            tag::RPATH => self.rpath = Some(value),
            tag::RUNPATH => self.runpath = Some(value),
            tag::AUXILIARY => self.auxiliary.push(value),
            tag::FILTER => self.filter.push(value),
            tag::SYMTAB => self.symtab = address,
            tag::HASH => self.hash = address,
            tag::GNU_HASH => self.gnu_hash = address,
            tag::VERSYM => self.versym = address,
            tag::PLTGOT => self.pltgot = address,
            tag::INIT => self.init = address,
            tag::FINI => self.fini = address,
            tag::TLSDESC_PLT => self.tlsdesc_plt = address,
            tag::TLSDESC_GOT => self.tlsdesc_got = address,
            tag::RELACOUNT => self.relacount = value,
            tag::RELCOUNT => self.relcount = value,
            tag::SYMBOLIC => self.flags |= Flags::SYMBOLIC,
            tag::TEXTREL => self.flags |= Flags::TEXTREL,
            tag::BIND_NOW => self.flags |= Flags::BIND_NOW,
            tag::FLAGS => self.flags |= Flags::from_bits_retain(value),
            tag::FLAGS_1 => self.flags_1 = Flags1::from_bits_retain(value),
            _ => return false,
        }
        true
    }

    /// References look in their own module first (DT_SYMBOLIC, DF_SYMBOLIC).
    pub fn is_symbolic(&self) -> bool {
        self.flags.contains(Flags::SYMBOLIC)
    }

    /// Some relocation writes into a segment that is not writable (DT_TEXTREL, DF_TEXTREL).
    pub fn has_text_relocations(&self) -> bool {
        self.flags.contains(Flags::TEXTREL)
    }

    /// The bits of DT_FLAGS and of DT_FLAGS_1 that lode does not know.
    pub fn unknown_flags(&self) -> (u64, u64) {
        let known = (Flags::all().bits(), Flags1::all().bits());
        (self.flags.bits() & !known.0, self.flags_1.bits() & !known.1)
    }

    /// All references are to be bound before code runs (DT_BIND_NOW, DF_BIND_NOW, DF_1_NOW).
    pub fn binds_now(&self) -> bool {
        self.flags.contains(Flags::BIND_NOW) || self.flags_1.contains(Flags1::NOW)
    }
}

/// A table's tags, and what its entries are.
struct TableTags {
    at: u32,
    size: u32,
    /// The tag that says an entry's size; [`tag::NULL`] if there is none
    entry: u32,
    /// Bytes of an entry
    unit: u32,
}

/// The tables, in the order in which they are checked. [`tag::JMPREL`]'s unit depends on [`tag::PLTREL`].
static TABLES: [TableTags; 13] = [
    TableTags::new(tag::RELA, tag::RELASZ, tag::RELAENT, RELA_SIZE),
    TableTags::new(tag::REL, tag::RELSZ, tag::RELENT, REL_SIZE),
    TableTags::new(tag::RELR, tag::RELRSZ, tag::RELRENT, RELR_SIZE),
    TableTags::new(tag::ANDROID_RELR, tag::ANDROID_RELRSZ, tag::ANDROID_RELRENT, RELR_SIZE),
    TableTags::new(tag::ANDROID_REL, tag::ANDROID_RELSZ, tag::NULL, 1),
    TableTags::new(tag::ANDROID_RELA, tag::ANDROID_RELASZ, tag::NULL, 1),
    TableTags::new(tag::JMPREL, tag::PLTRELSZ, tag::NULL, 1),
    TableTags::new(tag::PREINIT_ARRAY, tag::PREINIT_ARRAYSZ, tag::NULL, 8),
    TableTags::new(tag::INIT_ARRAY, tag::INIT_ARRAYSZ, tag::NULL, 8),
    TableTags::new(tag::FINI_ARRAY, tag::FINI_ARRAYSZ, tag::NULL, 8),
    TableTags::new(tag::STRTAB, tag::STRSZ, tag::NULL, 1),
    TableTags::new(tag::VERNEED, tag::VERNEEDNUM, tag::NULL, 1),
    TableTags::new(tag::VERDEF, tag::VERDEFNUM, tag::NULL, 1),
];

impl TableTags {
    const fn new(at: u64, size: u64, entry: u64, unit: u64) -> TableTags {
        TableTags {
            at: at as u32,
            size: size as u32,
            entry: entry as u32,
            unit: unit as u32,
        }
    }

    /// The rule that a size breaks which is no multiple of the unit.
    fn rule(&self) -> Rule {
        match u64::from(self.at) {
            tag::PREINIT_ARRAY | tag::INIT_ARRAY | tag::FINI_ARRAY => Rule::ArraySize,
            _ => Rule::TagTableSize,
        }
    }
}

/// The tags that are only understood together with others.
const TOGETHER: [u64; 32] = [
    tag::RELA,
    tag::RELASZ,
    tag::RELAENT,
    tag::REL,
    tag::RELSZ,
    tag::RELENT,
    tag::RELR,
    tag::RELRSZ,
    tag::RELRENT,
    tag::ANDROID_RELR,
    tag::ANDROID_RELRSZ,
    tag::ANDROID_RELRENT,
    tag::ANDROID_REL,
    tag::ANDROID_RELSZ,
    tag::ANDROID_RELA,
    tag::ANDROID_RELASZ,
    tag::JMPREL,
    tag::PLTRELSZ,
    tag::PLTREL,
    tag::PREINIT_ARRAY,
    tag::PREINIT_ARRAYSZ,
    tag::INIT_ARRAY,
    tag::INIT_ARRAYSZ,
    tag::FINI_ARRAY,
    tag::FINI_ARRAYSZ,
    tag::STRTAB,
    tag::STRSZ,
    tag::VERNEED,
    tag::VERNEEDNUM,
    tag::VERDEF,
    tag::VERDEFNUM,
    tag::SYMENT,
];

/// How many places there are for the values of the tags [`TOGETHER`].
const PLACES: usize = 64;

/// The place of a tag. The factor was found by trying: it gives each of these tags, and [`tag::NULL`], a place of its own.
const fn place(tag: u64) -> usize {
    ((tag as u32).wrapping_mul(0xbc1b_00d9) >> 26) as usize
}

/// The tag of each place; 0 where there is none.
static TAGS: [u32; PLACES] = {
    let mut tags = [0; PLACES];
    let mut next = 0;
    while next < TOGETHER.len() {
        let at = place(TOGETHER[next]);
        assert!(tags[at] == 0 && at != place(tag::NULL));
        tags[at] = TOGETHER[next] as u32;
        next += 1;
    }
    tags
};

/// The values of the tags [`TOGETHER`], each in its place, before they are held against each other.
struct Raw {
    /// A bit for each place that has a value
    stands: u64,
    values: [u64; PLACES],
}

impl Raw {
    /// Keeps an entry; `false` when it is none of these.
    fn take(&mut self, entry: Dyn) -> bool {
        let at = place(entry.tag);
        let is_kept = TAGS.get(at).is_some_and(|tag| u64::from(*tag) == entry.tag);
        if let Some(value) = self.values.get_mut(at).filter(|_| is_kept) {
            *value = entry.value;
            self.stands |= 1 << at;
        }
        is_kept
    }

    /// The value of one of the tags [`TOGETHER`].
    fn value(&self, tag: u64) -> Option<u64> {
        let at = place(tag);
        self.values.get(at).copied().filter(|_| self.stands >> at & 1 != 0)
    }

    fn check_into(&self, dynamic: &mut Dynamic) -> Result<(), Fault> {
        let (mut android_relr, mut strings, mut verneed, mut verdef) = (None, None, None, None);
        let (plt_kind, plt_unit) = self.plt_form()?;
        let mut jmprel = None;
        let places = [
            &mut dynamic.rela,
            &mut dynamic.rel,
            &mut dynamic.relr,
            &mut android_relr,
            &mut dynamic.android_rel,
            &mut dynamic.android_rela,
            &mut jmprel,
            &mut dynamic.preinit_array,
            &mut dynamic.init_array,
            &mut dynamic.fini_array,
            &mut strings,
            &mut verneed,
            &mut verdef,
        ];
        for (tags, place) in TABLES.iter().zip(places) {
            let unit = match u64::from(tags.at) {
                tag::JMPREL => plt_unit,
                _ => tags.unit.into(),
            };
            *place = self.range(tags, unit)?;
        }
        dynamic.relr = dynamic.relr.or(android_relr);
        dynamic.jmprel = match (jmprel, plt_kind) {
            (Some(range), Some(kind)) => Some((range, kind)),
            (Some(_), None) => return Err(Kind::malformed(Rule::TagTwin, tag::JMPREL, tag::PLTREL)),
            (None, _) => None,
        };
        let split = |range: Option<Range>| (range.map(|range| range.at), range.map_or(0, |range| range.size));
        (dynamic.strtab, dynamic.strsz) = split(strings);
        (dynamic.verneed, dynamic.verneednum) = split(verneed);
        (dynamic.verdef, dynamic.verdefnum) = split(verdef);
        if let Some(size) = self.value(tag::SYMENT).filter(|size| *size != SYMBOL_SIZE as u64) {
            return Err(Kind::malformed(Rule::TagEntrySize, size, SYMBOL_SIZE as u64));
        }
        dynamic.check_companions()
    }

    /// The form of the PLT's relocations, if it is said, and the bytes of an entry, or of its units when it is not.
    fn plt_form(&self) -> Result<(Option<PltKind>, u64), Fault> {
        match self.value(tag::PLTREL) {
            Some(tag::RELA) => Ok((Some(PltKind::Rela), RELA_SIZE)),
            Some(tag::REL) => Ok((Some(PltKind::Rel), REL_SIZE)),
            Some(other) => Err(Kind::malformed(Rule::TagPltRel, other, 0)),
            None => Ok((None, 1)),
        }
    }

    /// The table that these tags describe, if it stands and has bytes.
    fn range(&self, tags: &TableTags, unit: u64) -> Result<Option<Range>, Fault> {
        // No entry is kept for DT_NULL, so a table without such a tag has no entry size.
        let entry_size = self.value(tags.entry.into());
        if let Some(entry_size) = entry_size.filter(|size| *size != unit) {
            return Err(Kind::malformed(Rule::TagEntrySize, entry_size, unit));
        }
        let (at, size) = match (self.value(tags.at.into()), self.value(tags.size.into())) {
            (None, None | Some(0)) | (Some(_), Some(0)) => return Ok(None),
            (Some(at), Some(size)) => (at, size),
            (Some(_), None) => return Err(Kind::malformed(Rule::TagTwin, tags.at.into(), tags.size.into())),
            (None, Some(_)) => return Err(Kind::malformed(Rule::TagTwin, tags.size.into(), tags.at.into())),
        };
        if entry_size.is_none() && tags.entry != 0 {
            return Err(Kind::malformed(Rule::TagTwin, tags.at.into(), tags.entry.into()));
        }
        if size.checked_rem(unit) != Some(0) {
            return Err(Kind::malformed(tags.rule(), size, unit));
        }
        Ok(Some(Range { at: Vaddr(at), size }))
    }
}

impl Dynamic {
    /// Names need a string table, and what is counted by symbols needs symbols.
    fn check_companions(&self) -> Result<(), Fault> {
        let without_strings = [
            (tag::NEEDED, !self.needed.is_empty()),
            (tag::SONAME, self.soname.is_some()),
            (tag::RPATH, self.rpath.is_some()),
            (tag::RUNPATH, self.runpath.is_some()),
            (tag::AUXILIARY, !self.auxiliary.is_empty()),
            (tag::FILTER, !self.filter.is_empty()),
            (tag::VERNEED, self.verneed.is_some()),
            (tag::VERDEF, self.verdef.is_some()),
            (tag::SYMTAB, self.symtab.is_some()),
        ];
        if self.strtab.is_none()
            && let Some((stands, _)) = without_strings.iter().find(|(_, stands)| *stands)
        {
            return Err(Kind::malformed(Rule::TagTwin, *stands, tag::STRTAB));
        }
        let without_symbols = [
            (tag::HASH, self.hash.is_some()),
            (tag::GNU_HASH, self.gnu_hash.is_some()),
            (tag::VERSYM, self.versym.is_some()),
        ];
        if self.symtab.is_none()
            && let Some((stands, _)) = without_symbols.iter().find(|(_, stands)| *stands)
        {
            return Err(Kind::malformed(Rule::TagTwin, *stands, tag::SYMTAB));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn decode(entries: &[(u64, u64)]) -> Result<Dynamic, Fault> {
        Dynamic::decode(entries.iter().map(|(tag, value)| Dyn {
            tag: *tag,
            value: *value,
        }))
    }

    /// What is left out of the usual section, or put in at its end.
    fn changed(without: &[u64], with: &[(u64, u64)]) -> Result<Dynamic, Fault> {
        let mut entries: Vec<(u64, u64)> = USUAL
            .iter()
            .copied()
            .filter(|(tag, _)| !without.contains(tag))
            .collect();
        entries.extend_from_slice(with);
        entries.push((tag::NULL, 0));
        decode(&entries)
    }

    const USUAL: &[(u64, u64)] = &[
        (tag::NEEDED, 10),
        (tag::NEEDED, 20),
        (tag::SONAME, 30),
        (tag::INIT, 0x1000),
        (tag::FINI, 0x1100),
        (tag::INIT_ARRAY, 0x3000),
        (tag::INIT_ARRAYSZ, 16),
        (tag::GNU_HASH, 0x300),
        (tag::STRTAB, 0x500),
        (tag::SYMTAB, 0x400),
        (tag::STRSZ, 0x80),
        (tag::SYMENT, 24),
        (tag::DEBUG, 0),
        (tag::PLTGOT, 0x3fe8),
        (tag::PLTRELSZ, 48),
        (tag::PLTREL, tag::RELA),
        (tag::JMPREL, 0x700),
        (tag::RELA, 0x600),
        (tag::RELASZ, 72),
        (tag::RELAENT, 24),
        (tag::RELACOUNT, 2),
        (tag::RELRSZ, 24),
        (tag::RELR, 0x680),
        (tag::RELRENT, 8),
        (tag::FLAGS, 0x18),
        (tag::FLAGS_1, 0x0800_0001),
        (tag::VERNEED, 0x580),
        (tag::VERNEEDNUM, 1),
        (tag::VERSYM, 0x560),
    ];

    fn range(at: u64, size: u64) -> Range {
        Range { at: Vaddr(at), size }
    }

    #[test]
    fn a_usual_section_is_decoded() {
        let expected = Dynamic {
            needed: vec![10, 20],
            soname: Some(30),
            strtab: Some(Vaddr(0x500)),
            strsz: 0x80,
            symtab: Some(Vaddr(0x400)),
            gnu_hash: Some(Vaddr(0x300)),
            versym: Some(Vaddr(0x560)),
            verneed: Some(Vaddr(0x580)),
            verneednum: 1,
            rela: Some(range(0x600, 72)),
            relacount: 2,
            relr: Some(range(0x680, 24)),
            jmprel: Some((range(0x700, 48), PltKind::Rela)),
            pltgot: Some(Vaddr(0x3fe8)),
            init: Some(Vaddr(0x1000)),
            fini: Some(Vaddr(0x1100)),
            init_array: Some(range(0x3000, 16)),
            flags: Flags::BIND_NOW | Flags::STATIC_TLS,
            flags_1: Flags1::NOW | Flags1::PIE,
            debug_index: Some(12),
            count: USUAL.len() + 1,
            ..Dynamic::default()
        };
        let decoded = changed(&[], &[]).unwrap();
        assert_eq!(decoded, expected);
        assert!(decoded.binds_now());
        assert!(!decoded.is_symbolic());
    }

    #[test]
    fn a_section_ends_with_its_first_null() {
        assert_eq!(
            decode(&[(tag::NULL, 0), (tag::NEEDED, 1)]).map(|dynamic| dynamic.count),
            Ok(1)
        );
        for length in 0..USUAL.len() {
            assert_eq!(
                decode(&USUAL[..length]),
                Err(Kind::malformed(Rule::DynamicUnterminated, 0, 0))
            );
        }
    }

    #[test]
    fn a_tag_stands_without_its_twin() {
        let twins = [
            (tag::RELA, tag::RELASZ),
            (tag::RELASZ, tag::RELA),
            (tag::RELA, tag::RELAENT),
            (tag::RELR, tag::RELRSZ),
            (tag::RELRSZ, tag::RELR),
            (tag::RELR, tag::RELRENT),
            (tag::JMPREL, tag::PLTRELSZ),
            (tag::PLTRELSZ, tag::JMPREL),
            (tag::JMPREL, tag::PLTREL),
            (tag::INIT_ARRAY, tag::INIT_ARRAYSZ),
            (tag::INIT_ARRAYSZ, tag::INIT_ARRAY),
            (tag::STRTAB, tag::STRSZ),
            (tag::STRSZ, tag::STRTAB),
            (tag::VERNEED, tag::VERNEEDNUM),
            (tag::VERNEEDNUM, tag::VERNEED),
            (tag::GNU_HASH, tag::SYMTAB),
        ];
        for (stands, missing) in twins {
            assert_eq!(
                changed(&[missing], &[]),
                Err(Kind::malformed(Rule::TagTwin, stands, missing)),
                "without {:?}",
                tag::name(missing)
            );
        }
        assert_eq!(
            changed(&[tag::STRTAB, tag::STRSZ], &[]),
            Err(Kind::malformed(Rule::TagTwin, tag::NEEDED, tag::STRTAB))
        );
        for (table, size) in [
            (tag::REL, tag::RELSZ),
            (tag::FINI_ARRAY, tag::FINI_ARRAYSZ),
            (tag::PREINIT_ARRAY, tag::PREINIT_ARRAYSZ),
            (tag::VERDEF, tag::VERDEFNUM),
            (tag::ANDROID_RELA, tag::ANDROID_RELASZ),
            (tag::ANDROID_REL, tag::ANDROID_RELSZ),
            (tag::ANDROID_RELR, tag::ANDROID_RELRSZ),
        ] {
            assert_eq!(
                changed(&[], &[(table, 0x900)]),
                Err(Kind::malformed(Rule::TagTwin, table, size))
            );
            assert_eq!(
                changed(&[], &[(size, 8)]),
                Err(Kind::malformed(Rule::TagTwin, size, table))
            );
        }
    }

    #[test]
    fn a_table_of_no_bytes_is_absent() {
        assert_eq!(changed(&[tag::RELA], &[(tag::RELASZ, 0)]).unwrap().rela, None);
        assert_eq!(changed(&[], &[(tag::RELASZ, 0)]).unwrap().rela, None);
        assert_eq!(changed(&[tag::JMPREL], &[(tag::PLTRELSZ, 0)]).unwrap().jmprel, None);
        assert_eq!(changed(&[], &[(tag::FINI_ARRAYSZ, 0)]).unwrap().fini_array, None);
    }

    #[test]
    fn an_entry_size_that_lode_does_not_read_is_refused() {
        for (tag, size) in [(tag::RELAENT, 24), (tag::RELRENT, 8), (tag::SYMENT, 24)] {
            assert_eq!(
                changed(&[], &[(tag, 16)]),
                Err(Kind::malformed(Rule::TagEntrySize, 16, size))
            );
        }
        for (tag, size) in [(tag::RELENT, 16), (tag::ANDROID_RELRENT, 8)] {
            assert_eq!(
                changed(&[], &[(tag, 4)]),
                Err(Kind::malformed(Rule::TagEntrySize, 4, size))
            );
        }
    }

    #[test]
    fn a_size_that_is_not_whole_entries_is_refused() {
        for (tag, rule, unit) in [
            (tag::RELASZ, Rule::TagTableSize, 24),
            (tag::RELRSZ, Rule::TagTableSize, 8),
            (tag::PLTRELSZ, Rule::TagTableSize, 24),
            (tag::INIT_ARRAYSZ, Rule::ArraySize, 8),
        ] {
            assert_eq!(changed(&[], &[(tag, 25)]), Err(Kind::malformed(rule, 25, unit)));
        }
    }

    #[test]
    fn the_plt_has_relocations_of_either_form() {
        let rel = changed(&[], &[(tag::PLTREL, tag::REL)]).unwrap();
        assert_eq!(rel.jmprel, Some((range(0x700, 48), PltKind::Rel)));
        assert_eq!(
            changed(&[], &[(tag::PLTREL, 8)]),
            Err(Kind::malformed(Rule::TagPltRel, 8, 0))
        );
    }

    #[test]
    fn androids_tags_are_the_same_table() {
        let old = changed(
            &[tag::RELR, tag::RELRSZ, tag::RELRENT],
            &[
                (tag::ANDROID_RELR, 0x900),
                (tag::ANDROID_RELRSZ, 16),
                (tag::ANDROID_RELRENT, 8),
            ],
        );
        assert_eq!(old.unwrap().relr, Some(range(0x900, 16)));
        let packed = changed(&[], &[(tag::ANDROID_RELA, 0x900), (tag::ANDROID_RELASZ, 13)]);
        assert_eq!(packed.unwrap().android_rela, Some(range(0x900, 13)));
    }

    #[test]
    fn old_tags_are_the_flags_that_replaced_them() {
        let decoded = decode(&[
            (tag::SYMBOLIC, 0),
            (tag::TEXTREL, 0),
            (tag::BIND_NOW, 0),
            (tag::NULL, 0),
        ])
        .unwrap();
        assert!(decoded.is_symbolic() && decoded.has_text_relocations() && decoded.binds_now());
        let decoded = decode(&[(tag::FLAGS, 0x26), (tag::NULL, 0)]).unwrap();
        assert!(decoded.is_symbolic() && decoded.has_text_relocations() && !decoded.binds_now());
        assert_eq!(decoded.flags.bits(), 0x26);
    }

    #[test]
    fn the_last_of_two_tags_counts() {
        assert_eq!(changed(&[], &[(tag::SONAME, 31)]).unwrap().soname, Some(31));
        assert_eq!(changed(&[], &[(tag::RELASZ, 24)]).unwrap().rela, Some(range(0x600, 24)));
    }

    #[test]
    fn unknown_tags_are_told_and_passed_over() {
        let decoded = changed(&[], &[(0x6000_1234, 1), (0x7000_0001, 1), (tag::CHECKSUM, 1), (31, 0)]).unwrap();
        assert_eq!(decoded.unknown, [0x6000_1234, 31]);
    }

    #[test]
    fn an_entry_is_sixteen_bytes() {
        let bytes = [1, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x20, 0, 0, 0, 0, 0, 0x80];
        let entry = Dyn {
            tag: 1,
            value: 0x8000_0000_0000_2010,
        };
        assert_eq!(Dyn::decode(&bytes), Some(entry));
        for length in 0..16 {
            assert_eq!(Dyn::decode(&bytes[..length]), None);
        }
    }
}
