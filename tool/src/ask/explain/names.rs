//! Names for addresses: from the dynamic symbols, the symbol table if the file has one, and the separate debug file if it is installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use object::{Object as _, ObjectSymbol as _, SymbolKind};

use crate::elf::Binary;

/// `STT_GNU_IFUNC`
const IFUNC: u8 = 10;

/// Names by link-time address.
#[derive(Debug, Default)]
pub struct Names {
    /// Address to size and names
    by_address: BTreeMap<u64, (u64, Vec<String>)>,
    /// Names of resolvers: what they choose
    choices: BTreeMap<u64, Vec<String>>,
}

impl Names {
    /// Reads all that is there.
    pub fn of(binary: &Binary) -> Names {
        let mut names = Names::default();
        for symbol in binary.symbols.iter().filter(|symbol| symbol.is_defined()) {
            match symbol.kind {
                IFUNC => add(names.choices.entry(symbol.value).or_default(), &symbol.name),
                1 | 2 => names.add(symbol.value, symbol.size, &symbol.name),
                _ => {}
            }
        }
        names.symbol_table(&binary.bytes);
        if let Some(bytes) = debug_file(binary).and_then(|path| fs::read(path).ok()) {
            names.symbol_table(&bytes);
        }
        names
    }

    fn symbol_table(&mut self, bytes: &[u8]) {
        let Ok(file) = object::File::parse(bytes) else { return };
        for symbol in file.symbols() {
            let Ok(name) = symbol.name() else { continue };
            let is_named = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Data)
                || self.choices.contains_key(&symbol.address());
            if is_named && symbol.is_definition() && !name.is_empty() {
                self.add(symbol.address(), symbol.size(), name);
            }
        }
    }

    fn add(&mut self, address: u64, size: u64, name: &str) {
        let entry = self.by_address.entry(address).or_default();
        entry.0 = entry.0.max(size);
        add(&mut entry.1, name);
    }

    /// `name` or `name+0x10`; `None` where no symbol covers the address.
    pub fn at(&self, address: u64) -> Option<String> {
        let (start, (size, names)) = self.by_address.range(..=address).next_back()?;
        let into = address - start;
        // Assembly often has no size.
        if into != 0 && into >= *size {
            return None;
        }
        // Of aliases the last of the alphabet: memmove's name stands for memcpy's, as in glibc's sources.
        let name = names.iter().max()?;
        Some(if into == 0 {
            name.clone()
        } else {
            format!("{name}+{into:#x}")
        })
    }

    /// The functions that the resolver at an address chooses an implementation of.
    pub fn choices_of(&self, resolver: u64) -> Option<String> {
        self.choices.get(&resolver).map(|names| names.join(", "))
    }
}

fn add(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

/// Where distributions put the separate debug information of a build.
fn debug_file(binary: &Binary) -> Option<PathBuf> {
    let id = binary.build_id.as_deref()?;
    let (folder, rest) = id.split_at_checked(2)?;
    let path = PathBuf::from(format!("/usr/lib/debug/.build-id/{folder}/{rest}.debug"));
    path.exists().then_some(path)
}
