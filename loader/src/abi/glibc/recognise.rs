//! Decides which glibc a process has, and so which [`Layout`] the loader fills; or refuses, with the reasons.
//!
//! The version number alone does not say: release branches changed the private structures, and distributions add
//! changes of their own. A libc.so.6 whose build-id is in a row is that row. Any other build must agree with a row of
//! its release in three independent ways: the names it imports from the loader, the descriptors that its own
//! compiler wrote for debuggers, and the member offsets that its machine code uses ([`super::witness`]). There
//! is no nearest guess: a wrong offset would corrupt the process silently.

#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::layout::{self, Descriptor, Layout, ThreadDb, Witness};
use super::witness::{self, Function, Slots};

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
        core::str::from_utf8(text).ok()
    }

    fn descriptor(&self, name: &str) -> Option<Descriptor> {
        Descriptor::from_bytes((self.symbol)(name)?.bytes)
    }

    fn confirms(&self, witness: &Witness) -> bool {
        let Some((function, slots)) = (self.symbol)(witness.function).zip(self.slots) else {
            return false;
        };
        let function = Function {
            address: function.address,
            code: function.bytes,
        };
        witness::confirms(function, &slots, witness)
    }
}

/// Why a row was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The build-id is one of the row's.
    BuildId,
    /// Another build of the release, whose imports, descriptors and witnesses agree.
    Agreement,
}

/// The row that a libc.so.6 belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Recognition {
    /// The row.
    pub layout: &'static Layout,
    /// Why this row.
    pub basis: Basis,
}

/// One way in which a libc.so.6 differs from a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// libc imports a name that the row does not have.
    ImportsAlso(String),
    /// libc does not import a name that the row has.
    DoesNotImport(&'static str),
    /// A descriptor for debuggers is missing or has another content.
    Descriptor {
        /// What the row has.
        expected: &'static ThreadDb,
        /// What libc has.
        found: Option<Descriptor>,
    },
    /// The code of the function does not use the member at the row's offset.
    Witness(&'static Witness),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImportsAlso(name) => write!(f, "it also imports {name}"),
            Self::DoesNotImport(name) => write!(f, "it does not import {name}"),
            Self::Descriptor {
                expected,
                found: Some(found),
            } => {
                write!(f, "{} is {found}, not {}", expected.name, expected.value)
            }
            Self::Descriptor { expected, found: None } => write!(f, "it has no {}", expected.name),
            Self::Witness(Witness {
                function,
                object,
                member,
                displacement,
            }) => {
                let object = object.symbol();
                write!(f, "{function} does not use {object}.{member} at {displacement:#x}")
            }
        }
    }
}

/// A row of the right release that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// [`Layout::origin`] of the row.
    pub origin: &'static str,
    /// Every difference; empty when the row agrees but so does another, different one.
    pub why: Vec<Mismatch>,
}

/// A libc.so.6 whose private layout is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrecognised {
    /// The release that it states, if it does.
    pub version: Option<String>,
    /// Its build-id, empty without one.
    pub build_id: Vec<u8>,
    /// The rows of that release.
    pub rows: Vec<Rejected>,
}

impl Unrecognised {
    /// Differences named per row; the others are only counted.
    const NAMED: usize = 3;
}

impl fmt::Display for Unrecognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "glibc {version}")?,
            None => write!(f, "a libc.so.6 that does not state its version")?,
        }
        if self.build_id.is_empty() {
            write!(f, " (no build-id)")?;
        } else {
            write!(f, " (build-id ")?;
            for byte in &self.build_id {
                write!(f, "{byte:02x}")?;
            }
            write!(f, ")")?;
        }
        if self.rows.is_empty() {
            write!(f, ": no layout of this release is known")?;
        }
        for Rejected { origin, why } in &self.rows {
            write!(f, "\nit is not {origin}")?;
            if why.is_empty() {
                write!(f, " for certain: another layout agrees as well")?;
            }
            for (index, mismatch) in why.iter().take(Self::NAMED).enumerate() {
                let separator = if index == 0 { ":" } else { "," };
                write!(f, "{separator} {mismatch}")?;
            }
            match why.len().saturating_sub(Self::NAMED) {
                0 => {}
                more => write!(f, " and {more} more")?,
            }
        }
        Ok(())
    }
}

impl core::error::Error for Unrecognised {}

/// The known layout of the libc.so.6 behind `evidence`.
///
/// # Errors
///
/// [`Unrecognised`] when no row has its build-id and not exactly one interface of its release agrees.
pub fn recognise(evidence: &Evidence<'_>) -> Result<Recognition, Unrecognised> {
    among(layout::ALL, evidence)
}

/// The row that names this build.
pub fn by_build_id(build_id: &[u8]) -> Option<&'static Layout> {
    layout::ALL
        .iter()
        .copied()
        .find(|row| row.build_ids.contains(&build_id))
}

fn among(rows: &[&'static Layout], evidence: &Evidence<'_>) -> Result<Recognition, Unrecognised> {
    let version = evidence.version();
    if let Some(layout) = rows.iter().find(|row| {
        evidence
            .build_id
            .is_some_and(|build_id| row.build_ids.contains(&build_id))
    }) {
        return Ok(Recognition {
            layout,
            basis: Basis::BuildId,
        });
    }
    let mut rejected = Vec::new();
    let mut survivors = Vec::new();
    for &row in rows.iter().filter(|row| Some(row.release) == version) {
        let why = mismatches(row, evidence);
        if why.is_empty() {
            survivors.push(row);
        }
        rejected.push(Rejected {
            origin: row.origin,
            why,
        });
    }
    match survivors.split_first() {
        Some((&layout, others)) if others.iter().all(|other| layout.same_interface(other)) => Ok(Recognition {
            layout,
            basis: Basis::Agreement,
        }),
        _ => Err(Unrecognised {
            version: version.map(String::from),
            build_id: evidence.build_id.map(Vec::from).unwrap_or_default(),
            rows: rejected,
        }),
    }
}

/// Every difference between a row and a libc.so.6 of its release.
fn mismatches(row: &'static Layout, evidence: &Evidence<'_>) -> Vec<Mismatch> {
    let mut why = Vec::new();
    for &name in evidence.imports {
        if !row.imports.contains(&name) {
            why.push(Mismatch::ImportsAlso(String::from(name)));
        }
    }
    for &name in row.imports {
        if !evidence.imports.contains(&name) {
            why.push(Mismatch::DoesNotImport(name));
        }
    }
    for expected in row.thread_db {
        let found = evidence.descriptor(expected.name);
        if found != Some(expected.value) {
            why.push(Mismatch::Descriptor { expected, found });
        }
    }
    let unconfirmed = row.witnesses.iter().filter(|witness| !evidence.confirms(witness));
    why.extend(unconfirmed.map(Mismatch::Witness));
    why
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::ToString as _;
    use alloc::vec;

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

        fn recognise_among(&self, rows: &[&'static Layout]) -> Result<Recognition, Unrecognised> {
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

        fn recognise(&self) -> Result<Recognition, Unrecognised> {
            self.recognise_among(layout::ALL)
        }

        /// The differences from the only row of its release.
        fn why(&self) -> Vec<Mismatch> {
            let mut rows = self.recognise().unwrap_err().rows;
            assert_eq!(rows.len(), 1);
            rows.pop().unwrap().why
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
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        libc.symbols.clear();
        libc.imports.clear();
        let recognition = libc.recognise().unwrap();
        assert_eq!(recognition.basis, Basis::BuildId);
    }

    #[test]
    fn another_build_of_the_release_is_found_by_agreement() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        let known = libc.recognise().unwrap().layout;
        for build_id in [None, Some(vec![0x12, 0x34])] {
            libc.build_id = build_id;
            let recognition = libc.recognise().unwrap();
            assert_eq!(recognition.basis, Basis::Agreement);
            assert!(recognition.layout.same_interface(known));
        }
    }

    #[test]
    fn an_altered_descriptor_is_refused() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        libc.build_id = None;
        let size = &mut libc.symbols.get_mut("_thread_db_sizeof_pthread").unwrap().1;
        size[0] ^= 8;
        let why = libc.why();
        assert!(
            matches!(&*why, [Mismatch::Descriptor { found: Some(_), .. }]),
            "{why:?}"
        );
    }

    #[test]
    fn a_missing_descriptor_is_refused() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        libc.build_id = None;
        libc.symbols.remove("_thread_db_pthread_tid");
        let why = libc.why();
        assert!(matches!(&*why, [Mismatch::Descriptor { found: None, .. }]), "{why:?}");
    }

    #[test]
    fn a_changed_displacement_in_any_witness_is_refused() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        let row = libc.recognise().unwrap().layout;
        libc.build_id = None;
        let mut patched = 0;
        for witness in row.witnesses {
            let original = libc.symbols[witness.function].clone();
            let code = &mut libc.symbols.get_mut(witness.function).unwrap().1;
            // Smaller displacements are single bytes, too common to patch blindly.
            if witness.displacement > 0x7f && patch(code, witness.displacement, witness.displacement + 0x1000) {
                let why = libc.why();
                assert!(why.contains(&Mismatch::Witness(witness)), "{witness:?}: {why:?}");
                patched += 1;
            }
            libc.symbols.insert(String::from(witness.function), original);
        }
        assert!(patched >= 15, "only {patched} witnesses could be tried");
        assert!(libc.recognise().is_ok());
    }

    #[test]
    fn another_set_of_imports_is_refused() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        libc.build_id = None;
        libc.imports.push(String::from("_dl_future"));
        assert_eq!(libc.why(), [Mismatch::ImportsAlso(String::from("_dl_future"))]);
        libc.imports.clear();
        assert!(libc.why().contains(&Mismatch::DoesNotImport("_rtld_global_ro")));
    }

    #[test]
    fn another_release_is_refused_and_named() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        libc.build_id = Some(vec![0xab, 0xcd]);
        libc.symbols.get_mut("__nptl_version").unwrap().1 = b"9.99\0".to_vec();
        let refusal = libc.recognise().unwrap_err();
        assert_eq!(refusal.rows, []);
        let text = refusal.to_string();
        assert!(text.starts_with("glibc 9.99 (build-id abcd): no layout"), "{text}");
    }

    #[test]
    fn two_agreeing_rows_that_differ_are_refused() {
        let Some(mut libc) = Libc::installed() else {
            return;
        };
        let row = libc.recognise().unwrap().layout;
        libc.build_id = None;
        let with = |interface| &*Box::leak(Box::new(Layout { interface, ..*row }));
        assert!(libc.recognise_among(&[with(1), with(1)]).is_ok());
        let refusal = libc.recognise_among(&[with(1), with(2)]).unwrap_err();
        assert!(
            refusal.to_string().contains("another layout agrees as well"),
            "{refusal}"
        );
    }

    #[test]
    fn the_refusal_names_each_row_and_its_differences() {
        let row = layout::ALL[0];
        let why = vec![
            Mismatch::DoesNotImport("_dl_argv"),
            Mismatch::Descriptor {
                expected: &row.thread_db[0],
                found: None,
            },
            Mismatch::Witness(&row.witnesses[0]),
            Mismatch::DoesNotImport("_dl_fatal_printf"),
        ];
        let refusal = Unrecognised {
            version: Some(String::from("2.36")),
            build_id: Vec::new(),
            rows: vec![Rejected {
                origin: row.origin,
                why,
            }],
        };
        let text = refusal.to_string();
        let start = format!(
            "glibc 2.36 (no build-id)\nit is not {}: it does not import _dl_argv, ",
            row.origin
        );
        assert!(text.starts_with(&start), "{text}");
        assert!(text.ends_with(" and 1 more"), "{text}");
    }

    #[test]
    fn nothing_readable_is_refused() {
        let refusal = among(
            layout::ALL,
            &Evidence {
                build_id: None,
                imports: &[],
                slots: None,
                symbol: &|_| None,
            },
        )
        .unwrap_err();
        assert_eq!(refusal.version, None);
        assert!(
            refusal
                .to_string()
                .starts_with("a libc.so.6 that does not state its version")
        );
    }
}
