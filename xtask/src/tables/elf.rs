//! Reads ELF files: what a libc.so.6 and a loader say about themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use lode::abi::glibc::layout::Object;
use lode::abi::glibc::witness::{self, Function, Slots};
use object::elf;
use object::read::elf::{ElfFile64, Sym as _};
use object::{Endianness, Object as _, ObjectSegment as _, RelocationFlags, RelocationTarget, SymbolIndex};

use super::LOADER_SONAME;

/// An ELF file with the questions that a row asks it.
pub(super) struct Elf<'a> {
    pub(super) path: &'a Path,
    pub(super) file: ElfFile64<'a, Endianness>,
}

/// A dynamic or static symbol, as far as it matters here.
#[derive(Clone, Copy)]
pub(super) struct Symbol {
    pub(super) address: u64,
    pub(super) size: u64,
    /// A function, or the resolver of one.
    pub(super) code: bool,
}

impl Symbol {
    fn new(symbol: &elf::Sym64<Endianness>, endian: Endianness) -> Self {
        Self {
            address: symbol.st_value(endian),
            size: symbol.st_size(endian),
            code: matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC),
        }
    }
}

impl<'a> Elf<'a> {
    pub(super) fn parse(bytes: &'a [u8], path: &'a Path) -> Result<Self> {
        let file = ElfFile64::parse(bytes).with_context(|| path.display().to_string())?;
        Ok(Self { path, file })
    }

    pub(super) fn build_id(&self) -> Result<&'a [u8]> {
        self.file
            .build_id()?
            .with_context(|| format!("{} has no build-id", self.path.display()))
    }

    /// `size` bytes of the loaded image at a link-time address.
    pub(super) fn bytes(&self, symbol: Symbol) -> Result<&'a [u8]> {
        for segment in self.file.segments() {
            if let Some(bytes) = segment.data_range(symbol.address, symbol.size)? {
                return Ok(bytes);
            }
        }
        bail!("{}: no data at {:#x}", self.path.display(), symbol.address)
    }

    /// The defined dynamic symbols by name; the default version wins.
    pub(super) fn exports(&self) -> Result<BTreeMap<&'a str, Symbol>> {
        let endian = self.file.endian();
        let table = self.file.elf_dynamic_symbol_table();
        let versions = self.file.elf_section_table().versions(endian, self.file.data())?;
        let mut exports = BTreeMap::new();
        for (index, symbol) in table.enumerate() {
            if symbol.is_undefined(endian) || symbol.st_size(endian) == 0 {
                continue;
            }
            let name = std::str::from_utf8(table.symbol_name(endian, symbol)?)?;
            let hidden = versions
                .as_ref()
                .is_some_and(|versions| versions.version_index(endian, index).is_hidden());
            let found = Symbol::new(symbol, endian);
            if hidden {
                exports.entry(name).or_insert(found);
            } else {
                exports.insert(name, found);
            }
        }
        Ok(exports)
    }

    /// Names of the undefined symbols that the version table expects from `provider`.
    pub(super) fn imports_from(&self, provider: &str) -> Result<BTreeSet<&'a str>> {
        let endian = self.file.endian();
        let table = self.file.elf_dynamic_symbol_table();
        let versions = self
            .file
            .elf_section_table()
            .versions(endian, self.file.data())?
            .with_context(|| format!("{} has no symbol versions", self.path.display()))?;
        let mut imports = BTreeSet::new();
        for (index, symbol) in table.enumerate() {
            let version = versions.version(versions.version_index(endian, index))?;
            let file = version.and_then(object::read::elf::Version::file);
            if symbol.is_undefined(endian) && file == Some(provider.as_bytes()) {
                imports.insert(std::str::from_utf8(table.symbol_name(endian, symbol)?)?);
            }
        }
        Ok(imports)
    }

    /// Link-time address of the GOT slot that is bound to `name`.
    fn got_slot(&self, name: &str) -> Result<u64> {
        let endian = self.file.endian();
        let table = self.file.elf_dynamic_symbol_table();
        let relocations = self
            .file
            .dynamic_relocations()
            .with_context(|| format!("{} has no relocations", self.path.display()))?;
        for (address, relocation) in relocations {
            let RelocationFlags::Elf { r_type } = relocation.flags() else {
                continue;
            };
            let RelocationTarget::Symbol(SymbolIndex(index)) = relocation.target() else {
                continue;
            };
            if matches!(r_type, elf::R_X86_64_GLOB_DAT | elf::R_X86_64_JUMP_SLOT) {
                let symbol = table.symbol(SymbolIndex(index))?;
                if table.symbol_name(endian, symbol)? == name.as_bytes() {
                    return Ok(address);
                }
            }
        }
        bail!("{} has no GOT slot for {name}", self.path.display())
    }

    /// The words that are addresses inside the file, by their own address, in the form that loaders have before DT_RELR.
    pub(super) fn relative_pointers(&self) -> BTreeMap<u64, u64> {
        let relocations = self.file.dynamic_relocations().into_iter().flatten();
        relocations
            .filter_map(|(address, relocation)| match relocation.flags() {
                RelocationFlags::Elf {
                    r_type: elf::R_X86_64_RELATIVE,
                } => Some((address, relocation.addend().cast_unsigned())),
                _ => None,
            })
            .collect()
    }

    /// The text at a link-time address.
    pub(super) fn text(&self, address: u64) -> Result<String> {
        for segment in self.file.segments() {
            if let Some(inside) = address.checked_sub(segment.address()) {
                let bytes = segment.data()?.get(usize::try_from(inside)?..);
                if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
                    return text_until_nul(bytes);
                }
            }
        }
        bail!("{}: no text at {address:#x}", self.path.display())
    }

    /// A symbol of the full symbol table.
    pub(super) fn local_symbol(&self, wanted: &str) -> Result<Symbol> {
        let endian = self.file.endian();
        let table = self.file.elf_symbol_table();
        for symbol in table.iter() {
            if table.symbol_name(endian, symbol)? == wanted.as_bytes() {
                return Ok(Symbol::new(symbol, endian));
            }
        }
        bail!("{} has no symbol {wanted}", self.path.display())
    }
}

/// What libc.so.6 says about itself.
pub(super) struct LibcFacts<'a> {
    pub(super) release: String,
    pub(super) origin: String,
    pub(super) build_id: &'a [u8],
    pub(super) imports: BTreeSet<&'a str>,
    pub(super) exports: BTreeMap<&'a str, Symbol>,
    pub(super) slots: Slots,
}

impl<'a> LibcFacts<'a> {
    pub(super) fn read(libc: &Elf<'a>) -> Result<Self> {
        let exports = libc.exports()?;
        let release = match exports.get("__nptl_version") {
            Some(version) => text_until_nul(libc.bytes(*version)?)?,
            None => banner_release(libc.file.data()).context("libc.so.6 does not state its release")?,
        };
        Ok(Self {
            origin: banner(libc.file.data()).unwrap_or_else(|| format!("glibc {release}")),
            release,
            build_id: libc.build_id()?,
            imports: libc.imports_from(LOADER_SONAME)?,
            exports,
            slots: Slots {
                rtld_global: libc.got_slot(Object::RtldGlobal.symbol())?,
                rtld_global_ro: libc.got_slot(Object::RtldGlobalRo.symbol())?,
                tunable_get_val: libc.got_slot("__tunable_get_val").unwrap_or(0),
            },
        })
    }

    /// The displacements that the function `name` applies to `object`.
    pub(super) fn uses(&self, libc: &Elf<'_>, name: &str, object: Object) -> Result<BTreeSet<u32>> {
        let mut uses = BTreeSet::new();
        if let Some(&symbol) = self.exports.get(name).filter(|symbol| symbol.code) {
            let function = Function {
                address: symbol.address,
                code: libc.bytes(symbol)?,
            };
            witness::displacements(function, &self.slots, &mut |used, displacement| {
                if used == object {
                    uses.insert(displacement);
                }
            });
        }
        Ok(uses)
    }
}

pub(super) fn text_until_nul(bytes: &[u8]) -> Result<String> {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(std::str::from_utf8(text)?.to_owned())
}

/// The release in the banner, for libraries without an object that holds it (before 2.34).
pub(super) fn banner_release(bytes: &[u8]) -> Option<String> {
    const START: &[u8] = b" stable release version ";
    let start = bytes
        .windows(START.len())
        .position(|window| window == START)?
        .checked_add(START.len())?;
    let text = bytes.get(start..)?;
    let end = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
    let release = std::str::from_utf8(text.get(..end)?).ok()?;
    Some(release.trim_end_matches('.').to_owned())
}

/// The distributor's version in the banner "GNU C Library (...) stable release version".
pub(super) fn banner(bytes: &[u8]) -> Option<String> {
    const START: &[u8] = b"GNU C Library (";
    let start = bytes
        .windows(START.len())
        .position(|window| window == START)?
        .checked_add(START.len())?;
    let rest = bytes.get(start..)?;
    let end = rest.iter().position(|&byte| byte == b')')?;
    Some(String::from_utf8_lossy(rest.get(..end)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_states_the_package() {
        let bytes = b"\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\0";
        assert_eq!(banner(bytes).as_deref(), Some("Debian GLIBC 2.36-9"));
        assert_eq!(banner(b"GNU C Library (cut"), None);
    }

    #[test]
    fn the_banner_states_the_release() {
        let bytes = b"\0GNU C Library (Debian GLIBC 2.31-13) stable release version 2.31.\nCopyright";
        assert_eq!(banner_release(bytes).as_deref(), Some("2.31"));
        assert_eq!(banner_release(b"stable release version"), None);
    }
}
