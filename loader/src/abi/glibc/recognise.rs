//! Decides which glibc a process has, and so which [`Row`] the loader fills; or refuses, with the reasons.
//!
//! The version number alone does not say: release branches changed the private structures, and distributions add
//! changes of their own. A libc.so.6 whose build-id is in a row is that row. Any other build must agree with a row of
//! its release in three independent ways: the names it imports from the loader, the descriptors that its own
//! compiler wrote for debuggers, and the member offsets that its machine code uses ([`super::witness`]). There
//! is no nearest guess: a wrong offset would corrupt the process silently.

#![forbid(unsafe_code)]

use alloc::string::String;
use core::fmt::{self, Write as _};

use super::layout::{self, Descriptor, Row, ThreadDb, Witness};
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
}

impl<'a> Evidence<'a> {
    /// The release, from the object `__nptl_version` that libc has for debuggers since 2.34. No code of libc
    /// runs for this.
    pub fn version(&self) -> Option<&'a str> {
        let content = (self.symbol)("__nptl_version")?.bytes;
        let text = content.split(|&byte| byte == 0).next()?;
        crate::error::utf8(text)
    }

    fn descriptor(&self, name: &str) -> Option<Descriptor> {
        Descriptor::from_bytes((self.symbol)(name)?.bytes)
    }

    fn confirms(&self, witness: &Witness) -> bool {
        let Some((function, slots)) = (self.symbol)(witness.function.text()).zip(self.slots) else {
            return false;
        };
        let function = Function {
            address: function.address,
            code: function.bytes,
        };
        witness::confirms(function, &slots, witness)
    }
}

/// The row that names this build.
pub fn by_build_id(build_id: &[u8]) -> Option<&'static Row> {
    layout::ALL.iter().find(|row| row.build_ids.contains(&build_id))
}

/// The row of a build that no row names: the one of its release that agrees in everything that can be read.
///
/// # Errors
///
/// When not exactly one interface of its release agrees: what it is, and how it differs from the rows, for people.
pub fn by_agreement(evidence: &Evidence<'_>) -> Result<&'static Row, String> {
    among(layout::ALL, evidence)
}

fn among(rows: &'static [Row], evidence: &Evidence<'_>) -> Result<&'static Row, String> {
    let version = evidence.version();
    let mut refusal = Refusal::introduction(version, evidence.build_id);
    let mut agreeing: Option<&'static Row> = None;
    let mut certain = true;
    let mut known = false;
    for row in rows {
        if Some(row.release) != version {
            continue;
        }
        known = true;
        refusal.begin(row);
        compare(row, evidence, &mut refusal);
        if refusal.end() {
            certain &= agreeing.is_none_or(|other| other.same_interface(row));
            agreeing = Some(row);
        }
    }
    if !known {
        refusal.say(format_args!(": no layout of this release is known"));
    }
    agreeing.filter(|_| certain).ok_or(refusal.text)
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
        self.say(format_args!("\nit is not {}", row.origin));
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
fn compare(row: &Row, evidence: &Evidence<'_>, refusal: &mut Refusal) {
    for name in evidence.imports {
        if !row.imports.iter().any(|known| known.text() == *name) {
            refusal.differs(format_args!("it also imports {name}"));
        }
    }
    for name in row.imports {
        let name = name.text();
        if !evidence.imports.contains(&name) {
            refusal.differs(format_args!("it does not import {name}"));
        }
    }
    for descriptor in row.thread_db.iter() {
        let name = text(format_args!("{}{}", ThreadDb::PREFIX, descriptor.name.text()));
        let expected = descriptor.content();
        match evidence.descriptor(&name) {
            Some(found) if found == expected => {}
            Some(found) => refusal.differs(format_args!("{name} is {found}, not {expected}")),
            None => refusal.differs(format_args!("it has no {name}")),
        }
    }
    for witness in row.witnesses {
        if !evidence.confirms(witness) {
            refusal.differs(format_args!("{witness}"));
        }
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
    }

    impl Libc {
        /// The installed one; `None` where there is none or it is not one that has a row.
        fn installed() -> Option<Self> {
            let bytes = std::fs::read(LIBC).ok()?;
            let file = ElfFile64::<Endianness>::parse(&*bytes).ok()?;
            let build_id = file.build_id().ok()??.to_vec();
            if !layout::ALL.iter().any(|row| row.build_ids.contains(&&*build_id)) {
                return None;
            }
            let endian = file.endian();
            let table = file.elf_dynamic_symbol_table();
            let versions = file.elf_section_table().versions(endian, &*bytes).ok()??;
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
            let slot = |object: Object| {
                file.dynamic_relocations()
                    .unwrap()
                    .find_map(|(address, relocation)| {
                        let object::RelocationTarget::Symbol(index) = relocation.target() else {
                            return None;
                        };
                        let r_type = object::elf::R_X86_64_GLOB_DAT;
                        (relocation.flags() == object::RelocationFlags::Elf { r_type }
                            && name(table.symbol(index).unwrap()) == object.symbol())
                        .then_some(address)
                    })
                    .unwrap()
            };
            Some(Self {
                build_id: Some(build_id),
                imports,
                slots: Slots {
                    rtld_global: slot(Object::RtldGlobal),
                    rtld_global_ro: slot(Object::RtldGlobalRo),
                },
                symbols,
            })
        }

        fn among(&self, rows: &'static [Row]) -> Result<&'static Row, String> {
            let imports: Vec<&str> = self.imports.iter().map(String::as_str).collect();
            let symbol = |name: &str| {
                let &(address, ref bytes) = self.symbols.get(name)?;
                Some(Definition { address, bytes })
            };
            among(
                rows,
                &Evidence {
                    build_id: self.build_id.as_deref(),
                    imports: &imports,
                    slots: Some(self.slots),
                    symbol: &symbol,
                },
            )
        }

        fn recognise(&self) -> Result<&'static Row, String> {
            self.among(layout::ALL)
        }

        /// The differences from the only row of its release.
        fn why(&self) -> String {
            let refusal = self.recognise().unwrap_err();
            let mut rows = refusal.split("\nit is not ").skip(1);
            let (_, why) = rows.next().unwrap().split_once(": ").unwrap();
            assert_eq!(rows.next(), None);
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
        for row in layout::ALL {
            for build_id in row.build_ids {
                assert_eq!(by_build_id(build_id), Some(row));
            }
        }
        assert_eq!(by_build_id(&[]), None);
    }

    #[test]
    fn another_build_of_the_release_is_found_by_agreement() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        let known = by_build_id(libc.build_id.as_deref().unwrap()).unwrap();
        for build_id in [None, Some(vec![0x12, 0x34])] {
            libc.build_id = build_id;
            assert!(libc.recognise().unwrap().same_interface(known));
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
        for witness in row.witnesses {
            let function = witness.function.text();
            let original = libc.symbols[function].clone();
            let code = &mut libc.symbols.get_mut(function).unwrap().1;
            let displacement = u32::from(witness.displacement);
            // Smaller displacements are single bytes, too common to patch blindly.
            if displacement > 0x7f && patch(code, displacement, displacement + 0x1000) {
                let why = libc.why();
                assert!(why.contains(&witness.to_string()), "{witness}: {why}");
                patched += 1;
            }
            libc.symbols.insert(String::from(function), original);
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
    fn two_agreeing_rows_that_differ_are_refused() {
        let Some(libc) = Libc::installed() else {
            return;
        };
        let row = libc.recognise().unwrap();
        let with = |interface| Row { interface, ..*row };
        assert!(libc.among(vec![with(1), with(1)].leak()).is_ok());
        let refusal = libc.among(vec![with(1), with(2)].leak()).unwrap_err();
        let line = format!("\nit is not {} for certain: another layout agrees as well", row.origin);
        assert!(refusal.ends_with(&line.repeat(2)), "{refusal}");
    }

    #[test]
    fn the_refusal_names_three_differences_and_counts_the_others() {
        let row = &layout::ALL[0];
        let mut refusal = Refusal::introduction(Some("2.36"), None);
        refusal.begin(row);
        refusal.differs(format_args!("it does not import _dl_argv"));
        for witness in row.witnesses.iter().take(3) {
            refusal.differs(format_args!("{witness}"));
        }
        assert!(!refusal.end());
        let text = refusal.text;
        let start = format!(
            "glibc 2.36 (no build-id)\nit is not {}: it does not import _dl_argv, ",
            row.origin
        );
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
        };
        assert_eq!(
            by_agreement(&nothing).unwrap_err(),
            "a libc.so.6 that does not state its version (no build-id): no layout of this release is known"
        );
    }
}
