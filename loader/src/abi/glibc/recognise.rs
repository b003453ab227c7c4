//! Decides which glibc a process has, and so which [`Row`] the loader fills; or refuses, with the reasons.
//!
//! The version number alone does not say: release branches changed the private structures, and distributions add
//! changes of their own. A libc.so.6 whose build-id is in a row is that row. Any other build must agree with a row of
//! its release in four independent ways: the names it imports from the loader, the descriptors that its own
//! compiler wrote for debuggers, the member offsets that its machine code uses, and the numbers of the tunables that it asks for
//! ([`super::witness`]). A release has several rows; the one that is left is it, or several whose differences no libc can notice. There
//! is no nearest guess: a wrong offset would corrupt the process silently.

#![forbid(unsafe_code)]

use alloc::string::String;
use core::fmt::{self, Write as _};

use super::layout::{self, ASKS, Descriptor, Layout, Row, ThreadDb, Witness};
use super::witness::{self, Function, Slots};
use crate::error::text;

/// A symbol that libc.so.6 defines.
#[derive(Debug, Clone, Copy)]
pub struct Definition<'a> {
    /// Link-time address.
    pub address: u64,
    /// The `st_size` bytes there.
    pub bytes: &'a [u8],
}

/// What can be read from a libc.so.6 without running it.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// Descriptor of its NT_GNU_BUILD_ID note.
    pub build_id: Option<&'a [u8]>,
    /// Names of its undefined symbols whose version it requires of `ld-linux-x86-64.so.2`, in any order.
    pub imports: &'a [&'a str],
    /// Its GOT slots (R_X86_64_GLOB_DAT) for the loader's two data objects.
    pub slots: Option<Slots>,
    /// Looks up a symbol that it defines, in the default version; of an indirect function it is the resolver.
    pub symbol: &'a dyn Fn(&str) -> Option<Definition<'a>>,
    /// What it has from a link-time address on: a page, or less where its segment ends.
    pub bytes: &'a dyn Fn(u64) -> Option<&'a [u8]>,
}

impl<'a> Evidence<'a> {
    /// The release, from the object `__nptl_version` that libc has for debuggers since 2.34; before, from the address that
    /// `gnu_get_libc_version` returns. No code of libc runs for this.
    pub fn version(&self) -> Option<&'a str> {
        let content = match (self.symbol)("__nptl_version") {
            Some(version) => version.bytes,
            None => (self.bytes)(witness::returned(self.function("gnu_get_libc_version")?)?)?,
        };
        let text = content.split(|&byte| byte == 0).next()?;
        crate::error::utf8(text)
    }

    /// The x of glibc 2.x.
    fn release(&self) -> Option<u8> {
        self.version()?.strip_prefix("2.")?.parse().ok()
    }

    fn function(&self, name: &str) -> Option<Function<'a>> {
        let function = (self.symbol)(name)?;
        Some(Function {
            address: function.address,
            code: function.bytes,
        })
    }

    fn descriptor(&self, name: &str) -> Option<Descriptor> {
        Descriptor::from_bytes((self.symbol)(name)?.bytes)
    }

    #[inline(never)]
    fn confirms(&self, witness: &Witness) -> bool {
        let function = text(format_args!("{}", witness.function.text()));
        let known = self.function(&function).zip(self.slots);
        known.is_some_and(|(function, slots)| witness::confirms(function, &slots, witness))
    }
}

/// The row that names this build.
pub fn by_build_id(build_id: &[u8]) -> Option<&'static Row> {
    layout::ALL.iter().find(|row| row.build_id() == Some(build_id))
}

/// The row of a build that no row names: the one of its release that agrees in everything that can be read.
///
/// # Errors
///
/// When not exactly one interface of its release agrees: what it is, and how it differs from the rows, for people.
pub fn by_agreement(evidence: &Evidence<'_>) -> Result<&'static Row, String> {
    among(&|_| true, evidence)
}

/// As [`by_agreement`], with the rows that `counts` says count.
///
/// # Errors
///
/// As there.
pub fn among(counts: &dyn Fn(&Row) -> bool, evidence: &Evidence<'_>) -> Result<&'static Row, String> {
    let release = evidence.release();
    let mut refusal = Refusal::introduction(evidence.version(), evidence.build_id);
    let mut agreeing = Agreeing::default();
    let mut known = false;
    for row in layout::ALL
        .iter()
        .filter(|row| Some(row.release) == release && counts(row))
    {
        known = true;
        let layout = Layout::of(row);
        refusal.begin(row);
        compare(&layout, evidence, &mut refusal);
        if refusal.end() {
            agreeing.add(&layout);
        }
    }
    if !known {
        refusal.say(format_args!(": no layout of this release is known"));
    }
    agreeing.only().ok_or(refusal.text)
}

/// The rows that a libc agrees with.
#[derive(Default)]
struct Agreeing {
    last: Option<Layout>,
    /// Two of them are different to a loader.
    differ: bool,
}

impl Agreeing {
    fn add(&mut self, layout: &Layout) {
        self.differ |= self.last.is_some_and(|other| !other.same_interface(layout));
        self.last = Some(*layout);
    }

    /// The row, where all that agree are the same to a loader.
    fn only(self) -> Option<&'static Row> {
        let certain = self.last.filter(|_| !self.differ);
        certain.map(|layout| layout.row)
    }
}

/// The text that says why a libc.so.6 is none of the rows.
struct Refusal {
    text: String,
    /// Number of differences from the row that it is at.
    differences: usize,
}

impl Refusal {
    /// Differences named per row; the others are only counted.
    const NAMED: usize = 3;

    fn introduction(version: Option<&str>, build_id: Option<&[u8]>) -> Self {
        let mut refusal = Self {
            text: String::new(),
            differences: 0,
        };
        match version {
            Some(version) => refusal.say(format_args!("glibc {version}")),
            None => refusal.say(format_args!("a libc.so.6 that does not state its version")),
        }
        refusal.say(format_args!(
            " ({}build-id",
            if build_id.is_some() { "" } else { "no " }
        ));
        for (index, byte) in build_id.unwrap_or_default().iter().enumerate() {
            let separator = if index == 0 { " " } else { "" };
            refusal.say(format_args!("{separator}{:02x}", u64::from(*byte)));
        }
        refusal.say(format_args!(")"));
        refusal
    }

    #[inline(never)]
    fn say(&mut self, words: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.text.write_fmt(words);
    }

    /// Begins the line of a row.
    fn begin(&mut self, row: &Row) {
        self.differences = 0;
        self.say(format_args!("\nit is not {row}"));
    }

    /// Names a difference from the row.
    #[inline(never)]
    fn differs(&mut self, how: fmt::Arguments<'_>) {
        if self.differences < Self::NAMED {
            let separator = if self.differences == 0 { ":" } else { "," };
            self.say(format_args!("{separator} {how}"));
        }
        self.differences += 1;
    }

    /// Ends the line of a row; true when there was no difference. Such a row is refused only beside another, different one.
    fn end(&mut self) -> bool {
        match self.differences.saturating_sub(Self::NAMED) {
            0 if self.differences == 0 => self.say(format_args!(" for certain: another layout agrees as well")),
            0 => {}
            more => self.say(format_args!(" and {more} more")),
        }
        self.differences == 0
    }
}

/// Every difference between a row and a libc.so.6 of its release.
fn compare(row: &Layout, evidence: &Evidence<'_>, refusal: &mut Refusal) {
    row.imports().compare(evidence.imports, &mut |name, there| {
        let how = if there { "also imports" } else { "does not import" };
        refusal.differs(format_args!("it {how} {name}"));
    });
    for (name, expected) in row.descriptors() {
        let name = text(format_args!("{}{name}", ThreadDb::PREFIX));
        match evidence.descriptor(&name) {
            Some(found) if found == expected => {}
            Some(found) => refusal.differs(format_args!("{name} is {found}, not {expected}")),
            None => refusal.differs(format_args!("it has no {name}")),
        }
    }
    for witness in row.witnesses() {
        if !evidence.confirms(&witness) {
            refusal.differs(format_args!("{witness}"));
        }
    }
    compare_tunables(row, evidence, refusal);
}

/// Whether the numbers of the tunables that libc asks for are those of tunables that it has a use for.
fn compare_tunables(row: &Layout, evidence: &Evidence<'_>, refusal: &mut Refusal) {
    let (name, prefix, releases) = ASKS;
    if !releases.contains(&row.row.release) {
        return;
    }
    let mut asked = false;
    if let Some((function, slots)) = evidence.function(name).zip(evidence.slots) {
        witness::tunables(function, &slots, evidence.bytes, &mut |id| {
            asked = true;
            let tunable = row.tunable(id as usize);
            if !tunable.is_some_and(|tunable| tunable.name().begins_with(prefix.as_bytes())) {
                refusal.differs(format_args!("its {name} asks for tunable {}", u64::from(id)));
            }
        });
    }
    if !asked {
        refusal.differs(format_args!("its {name} asks for no tunable"));
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::ToString as _;
    use alloc::vec;
    use alloc::vec::Vec;

    use object::read::elf::{ElfFile64, Sym as _};
    use object::{Endianness, Object as _, ObjectSegment as _};

    use super::super::layout::Object;
    use super::*;

    const LIBC: &str = "/lib/x86_64-linux-gnu/libc.so.6";

    /// A libc.so.6 in parts, which a test may change.
    struct Libc {
        build_id: Option<Vec<u8>>,
        imports: Vec<String>,
        slots: Slots,
        symbols: BTreeMap<String, (u64, Vec<u8>)>,
        /// Address and content of each segment.
        segments: Vec<(u64, Vec<u8>)>,
    }

    impl Libc {
        /// The installed one; `None` where there is none or it is not one that has a row.
        fn installed() -> Option<Self> {
            let libc = Self::read(&std::fs::read(LIBC).ok()?);
            by_build_id(libc.build_id.as_deref()?).map(|_| libc)
        }

        /// Those of the trees that LODE_TREES names, and the installed one.
        fn all() -> Vec<Self> {
            let trees = std::env::var_os("LODE_TREES").unwrap_or_default();
            let libcs = std::env::split_paths(&trees).map(|tree| tree.join(&LIBC[1..]));
            let files = libcs.filter_map(|libc| std::fs::read(libc).ok());
            files.map(|bytes| Self::read(&bytes)).chain(Self::installed()).collect()
        }

        fn read(bytes: &[u8]) -> Self {
            let file = ElfFile64::<Endianness>::parse(bytes).unwrap();
            let endian = file.endian();
            let table = file.elf_dynamic_symbol_table();
            let versions = file.elf_section_table().versions(endian, bytes).unwrap().unwrap();
            let name = |symbol| String::from_utf8(table.symbol_name(endian, symbol).unwrap().to_vec()).unwrap();
            let mut imports = Vec::new();
            let mut symbols = BTreeMap::new();
            for (index, symbol) in table.enumerate() {
                let version = versions.version_index(endian, index);
                let provider = versions.version(version).unwrap().and_then(|version| version.file());
                if symbol.is_undefined(endian) {
                    if provider == Some(b"ld-linux-x86-64.so.2") {
                        imports.push(name(symbol));
                    }
                    continue;
                }
                let (address, size) = (symbol.st_value(endian), symbol.st_size(endian));
                let content = file
                    .segments()
                    .find_map(|segment| segment.data_range(address, size).ok().flatten());
                if let (Some(content), false) = (content, version.is_hidden()) {
                    symbols.insert(name(symbol), (address, content.to_vec()));
                }
            }
            let slot = |wanted: &str| {
                let found = file.dynamic_relocations().unwrap().find(|(_, relocation)| {
                    let object::RelocationTarget::Symbol(index) = relocation.target() else {
                        return false;
                    };
                    // R_X86_64_GLOB_DAT and R_X86_64_JUMP_SLOT.
                    [6, 7].contains(&match relocation.flags() {
                        object::RelocationFlags::Elf { r_type } => r_type,
                        _ => 0,
                    }) && name(table.symbol(index).unwrap()) == wanted
                });
                found.unwrap().0
            };
            Self {
                build_id: file.build_id().unwrap().map(<[u8]>::to_vec),
                imports,
                slots: Slots {
                    rtld_global: slot(Object::RtldGlobal.symbol()),
                    rtld_global_ro: slot(Object::RtldGlobalRo.symbol()),
                    tunable_get_val: slot("__tunable_get_val"),
                },
                symbols,
                segments: file
                    .segments()
                    .map(|segment| (segment.address(), segment.data().unwrap().to_vec()))
                    .collect(),
            }
        }

        fn among(&self, counts: &dyn Fn(&Row) -> bool) -> Result<&'static Row, String> {
            let imports: Vec<&str> = self.imports.iter().map(String::as_str).collect();
            let symbol = |name: &str| {
                let &(address, ref bytes) = self.symbols.get(name)?;
                Some(Definition { address, bytes })
            };
            let bytes = |address: u64| {
                self.segments.iter().find_map(|(start, content)| {
                    let from = usize::try_from(address.checked_sub(*start)?).ok()?;
                    content.get(from..content.len().min(from + 0x1000))
                })
            };
            among(
                counts,
                &Evidence {
                    build_id: self.build_id.as_deref(),
                    imports: &imports,
                    slots: Some(self.slots),
                    symbol: &symbol,
                    bytes: &bytes,
                },
            )
        }

        fn recognise(&self) -> Result<&'static Row, String> {
            self.among(&|_| true)
        }

        /// The differences from the row that names its build.
        fn why(&self) -> String {
            let row = by_build_id(self.build_id.as_deref().unwrap()).unwrap();
            assert!(self.recognise().is_err());
            let refusal = self.among(&|other| other == row).unwrap_err();
            let (_, why) = refusal.split_once(&format!("\nit is not {row}: ")).unwrap();
            String::from(why)
        }
    }

    /// Replaces each little-endian `from` in `code`; false when there is none.
    fn patch(code: &mut [u8], from: u32, to: u32) -> bool {
        let mut found = false;
        for at in 0..code.len().saturating_sub(3) {
            let word = &mut code[at..at + 4];
            if word == from.to_le_bytes() {
                word.copy_from_slice(&to.to_le_bytes());
                found = true;
            }
        }
        found
    }

    #[test]
    fn a_known_build_id_is_enough() {
        for row in &layout::ALL {
            if let Some(build_id) = row.build_id() {
                assert_eq!(by_build_id(build_id), Some(row));
            }
        }
        assert_eq!(by_build_id(&[]), None);
    }

    #[test]
    fn another_build_of_the_release_is_found_by_agreement() {
        for mut libc in Libc::all() {
            let known = by_build_id(libc.build_id.as_deref().unwrap()).unwrap();
            for build_id in [None, Some(vec![0x12, 0x34])] {
                libc.build_id = build_id;
                assert_eq!(libc.recognise().unwrap(), known);
            }
        }
    }

    #[test]
    fn upstreams_rows_alone_tell_the_state_that_a_package_was_built_from() {
        for libc in Libc::all() {
            let known = by_build_id(libc.build_id.as_deref().unwrap()).unwrap();
            let found = libc.among(&|row| row.build_id().is_none()).unwrap();
            // Debian 11 has backports, Debian 12 the end of the branch; 13 and later the tag, as far as the loader can notice.
            let state = match known.release {
                31 => 2,
                36 => 4,
                _ => 0,
            };
            assert_eq!((found.release, found.state()), (known.release, state), "{known}");
            assert!(Layout::of(found).same_interface(&Layout::of(known)));
            // Every other state of the release is told apart.
            let others = libc.among(&|row| row.build_id().is_none() && row != found);
            assert!(!others.unwrap_err().contains("for certain"), "{known}");
        }
    }

    #[test]
    fn a_tunable_with_another_number_is_refused() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        let row = Layout::of(libc.recognise().unwrap());
        let numbers = |name: &[u8]| (0..64).find(|id| row.tunable(*id).is_some_and(|row| row.is_called(name)));
        let (Some(known), Some(other)) = (numbers(b"glibc.malloc.mmap_max"), numbers(b"glibc.cpu.hwcap_mask")) else {
            return;
        };
        // MOV of the number to the first argument, and a call behind it.
        let code = [0xbf, u8::try_from(known).unwrap(), 0, 0, 0, 0xe8];
        let mut patched = 0;
        for (_, content) in &mut libc.segments {
            let places: Vec<usize> = (0..content.len() - code.len())
                .filter(|at| content[*at..].starts_with(&code))
                .collect();
            patched += places.len();
            for at in places {
                content[at + 1] = u8::try_from(other).unwrap();
            }
        }
        if ASKS.2.contains(&row.row.release) && patched > 0 {
            assert_eq!(libc.why(), format!("its malloc asks for tunable {other}"));
        }
    }

    #[test]
    fn an_altered_descriptor_is_refused() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        let size = &mut libc.symbols.get_mut("_thread_db_sizeof_pthread").unwrap().1;
        let right = u32::from_le_bytes(size[..4].try_into().unwrap());
        size[0] ^= 8;
        let why = format!("_thread_db_sizeof_pthread is {}, not {right}", right ^ 8);
        assert_eq!(libc.why(), why);
    }

    #[test]
    fn a_missing_descriptor_is_refused() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        libc.symbols.remove("_thread_db_pthread_tid");
        assert_eq!(libc.why(), "it has no _thread_db_pthread_tid");
    }

    #[test]
    fn a_changed_displacement_in_any_witness_is_refused() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        let row = libc.recognise().unwrap();
        let mut patched = 0;
        for witness in Layout::of(row).witnesses() {
            let function = witness.function.text().to_string();
            let original = libc.symbols[&function].clone();
            let code = &mut libc.symbols.get_mut(&function).unwrap().1;
            let displacement = witness.displacement;
            // Smaller displacements are single bytes, too common to patch blindly.
            if displacement > 0x7f && patch(code, displacement, displacement + 0x1000) {
                let why = libc.why();
                assert!(why.contains(&witness.to_string()), "{witness}: {why}");
                patched += 1;
            }
            libc.symbols.insert(function, original);
        }
        assert!(patched >= 15, "only {patched} witnesses could be tried");
        assert!(libc.recognise().is_ok());
    }

    #[test]
    fn another_set_of_imports_is_refused() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        libc.imports.push(String::from("_dl_future"));
        assert!(libc.recognise().is_err());
        assert_eq!(libc.why(), "it also imports _dl_future");
        libc.imports.pop();
        libc.imports.retain(|name| name != "_rtld_global_ro");
        assert_eq!(libc.why(), "it does not import _rtld_global_ro");
    }

    #[test]
    fn another_release_is_refused_and_named() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        libc.build_id = Some(vec![0xab, 0xcd]);
        libc.symbols.get_mut("__nptl_version").unwrap().1 = b"9.99\0".to_vec();
        assert_eq!(
            libc.recognise().unwrap_err(),
            "glibc 9.99 (build-id abcd): no layout of this release is known"
        );
    }

    #[test]
    fn rows_that_agree_must_be_the_same_to_a_loader() {
        let all = |release: u8, package: bool| {
            let mut agreeing = Agreeing::default();
            let counts = |row: &&Row| row.release == release && (package || row.build_id().is_none());
            for row in layout::ALL.iter().filter(counts) {
                agreeing.add(&Layout::of(row));
            }
            agreeing.only().map(|row| row.release)
        };
        // One state of 2.42, one and a package of it of 2.43, and several of 2.35.
        assert_eq!(
            [42, 43, 35, 99].map(|release| all(release, true)),
            [Some(42), Some(43), None, None]
        );
        assert_eq!(
            [42, 43, 35, 99].map(|release| all(release, false)),
            [Some(42), Some(43), None, None]
        );
    }

    #[test]
    fn the_refusal_names_three_differences_and_counts_the_others() {
        let row = &layout::ALL[0];
        let mut refusal = Refusal::introduction(Some("2.36"), None);
        refusal.begin(row);
        refusal.differs(format_args!("it does not import _dl_argv"));
        for witness in Layout::of(row).witnesses().take(3) {
            refusal.differs(format_args!("{witness}"));
        }
        assert!(!refusal.end());
        let text = refusal.text;
        let start = format!("glibc 2.36 (no build-id)\nit is not {row}: it does not import _dl_argv, ");
        assert!(text.starts_with(&start), "{text}");
        assert!(text.ends_with(" and 1 more"), "{text}");
    }

    #[test]
    fn nothing_readable_is_refused() {
        let nothing = Evidence {
            build_id: None,
            imports: &[],
            slots: None,
            symbol: &|_| None,
            bytes: &|_| None,
        };
        assert_eq!(
            by_agreement(&nothing).unwrap_err(),
            "a libc.so.6 that does not state its version (no build-id): no layout of this release is known"
        );
    }
}
