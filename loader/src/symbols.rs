//! The dynamic symbols of one module: tables checked once, then looked up by name.
//!
//! The rules of a match (which binding, which version, which section) live here, next to the tables, because
//! the reference walk in [`crate::scope`] and every later index must give the same answer.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::ffi::CStr;
use core::ops::Range;

use crate::elf::dynamic::Dynamic;
use crate::elf::hash::{GnuHashHeader, SysvHashHeader, gnu_hash, gnu_hash_of_string, sysv_hash};
use crate::elf::symbol::{self, Symbol};
use crate::elf::version::{self, DEFINITION_SIZE, Definition, HIDDEN, Need};
use crate::elf::{SymbolIndex, Vaddr};
use crate::error::{Fault, Kind, Name, Rule, append};
use crate::image::{Image, Table};

/// The string table of a module: bytes that end in NUL and that nobody writes.
#[derive(Clone, Copy, Debug)]
pub struct Strings(&'static [u8]);

impl Strings {
    /// The name at `offset` bytes, without its NUL; `None` outside the table.
    #[inline(never)]
    pub fn get(&self, offset: u64) -> Option<&'static [u8]> {
        let rest = self.0.get(usize::try_from(offset).ok()?..)?;
        CStr::from_bytes_until_nul(rest).ok().map(CStr::to_bytes)
    }

    /// The name at `offset` and its [`gnu_hash`].
    #[inline]
    fn hashed(&self, offset: u64) -> Option<(&'static [u8], u32)> {
        let rest = self.0.get(usize::try_from(offset).ok()?..)?;
        let (length, hash) = gnu_hash_of_string(rest)?;
        Some((rest.get(..length)?, hash))
    }

    /// Whether the name at `offset` is `name`. Cheaper than reading the name first.
    #[inline]
    pub fn is(&self, offset: u32, name: &[u8]) -> bool {
        let Some(rest) = self.0.get(offset as usize..) else {
            return false;
        };
        rest.get(name.len()) == Some(&0) && rest.get(..name.len()).is_some_and(|front| is_same(front, name))
    }
}

/// Whether two names are one, sixteen bytes at a time: this is asked for each reference.
#[inline(never)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let is_one = |(one, other): (&[u8; 16], &[u8; 16])| u128::from_ne_bytes(*one) == u128::from_ne_bytes(*other);
    // The last sixteen cover what the steps leave over.
    match one.last_chunk().zip(other.last_chunk()) {
        Some(ends) => is_one(ends) && one.as_chunks().0.iter().zip(other.as_chunks().0).all(is_one),
        None => one.iter().eq(other),
    }
}

/// The Bloom filter of a DT_GNU_HASH table: it denies most of what the table does not have.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    words: Table<u64>,
    /// Number of words less one (a power of two less one).
    mask: u32,
    /// Distance of the two bits of a hash; below 32.
    shift: u32,
}

impl Filter {
    /// Whether the table may have a name of this hash.
    #[inline(always)]
    pub fn admits(&self, hash: u32) -> bool {
        let word = self.words.get(((hash / 64) & self.mask) as usize).unwrap_or(0);
        word >> (hash % 64) & word >> ((hash >> (self.shift & 31)) % 64) & 1 != 0
    }
}

/// The hash table that a module is searched by.
#[derive(Debug)]
enum Hash {
    /// DT_GNU_HASH: a filter, buckets, and chains that carry the hash values.
    Gnu {
        filter: Filter,
        buckets: Table<u32>,
        chains: Table<u32>,
        /// Index of the first symbol that is in the table.
        first: u32,
    },
    /// DT_HASH (gABI): buckets and chains of symbol indices.
    Sysv { buckets: Table<u32>, chains: Table<u32> },
    /// No table: nothing can be found in this module.
    None,
}

/// A version that a module's symbols refer to by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// SysV hash of the name; 0 for the base and for indices 0 and 1.
    pub hash: u32,
    /// The name.
    pub name: &'static [u8],
    /// The file that a requirement names; `None` for a definition.
    pub file: Option<&'static [u8]>,
    /// The requirement is for exactly this symbol version, hidden or not (bit 15 of `vna_other`).
    pub hidden: bool,
}

/// One library of DT_VERNEED with the versions that are required of it.
#[derive(Clone, Debug)]
pub struct Required {
    /// `vn_file`: the name in DT_NEEDED.
    pub file: &'static [u8],
    /// Each required version: name, hash, whether its absence is tolerated (VER_FLG_WEAK), and its index in DT_VERSYM.
    pub versions: Vec<(&'static [u8], u32, bool, u16)>,
}

/// The dynamic symbols of one module.
#[derive(Debug)]
pub struct Symbols {
    table: Table<Symbol>,
    strings: Strings,
    hash: Hash,
    indices: Option<Table<u16>>,
    versions: Vec<Option<Version>>,
    /// What DT_VERNEED asks, by library.
    pub required: Vec<Required>,
    /// Versions that DT_VERDEF defines by an index that another one has, too, with their hashes.
    also_defined: Vec<(&'static [u8], u32)>,
    /// Whether the module has a DT_VERDEF at all.
    pub has_definitions: bool,
}

/// Buckets of linkers have fewer symbols than this.
const LONG_BUCKET: usize = 32;

/// How many bytes of names say enough of what asks for a version.
const MOST_OF_THE_NAMES: usize = 100;

/// What is asked of a definition, beyond its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The address of something: an undefined symbol with a value (the canonical PLT entry of a program that is not
    /// position-independent) is a definition too, so that function pointers compare equal.
    Address,
    /// A call through a slot, or a TLS offset: such entries are passed over.
    Call,
}

impl Use {
    /// Whether a symbol that has the name is a definition.
    #[inline]
    pub fn takes(self, symbol: &Symbol) -> bool {
        let has_place = symbol.value != 0 || symbol.section == symbol::SHN_ABS || symbol.kind() == symbol::STT_TLS;
        has_place && (self == Use::Address || symbol.is_defined()) && symbol.is_linkable()
    }
}

/// A symbol that is looked up.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The name.
    pub name: &'a [u8],
    /// [`gnu_hash`] of the name.
    pub hash: u32,
    /// The version, if the reference has one.
    pub version: Option<&'a Version>,
    /// What the definition is for.
    pub purpose: Use,
    /// `dlsym`: without a version, the default version rather than the oldest.
    pub newest: bool,
}

impl<'a> Wanted<'a> {
    /// A reference to `name`.
    pub fn new(name: &'a [u8], version: Option<&'a Version>, purpose: Use) -> Wanted<'a> {
        Wanted::hashed(name, gnu_hash(name), version, purpose)
    }

    /// A reference to `name`, whose [`gnu_hash`] is known.
    pub fn hashed(name: &'a [u8], hash: u32, version: Option<&'a Version>, purpose: Use) -> Wanted<'a> {
        Wanted {
            name,
            hash,
            version,
            purpose,
            newest: false,
        }
    }
}

impl Symbols {
    /// No symbols.
    pub fn none() -> Symbols {
        Symbols {
            table: Table::EMPTY,
            strings: Strings(b"\0"),
            hash: Hash::None,
            indices: None,
            versions: Vec::new(),
            required: Vec::new(),
            also_defined: Vec::new(),
            has_definitions: false,
        }
    }

    /// Reads the tables that the dynamic section names and checks each whole range.
    ///
    /// # Errors
    /// A [`Kind::Malformed`] that names the table.
    #[inline(never)]
    pub fn read(&mut self, image: &Image, dynamic: &Dynamic) -> Result<(), Fault> {
        self.strings = match dynamic.strtab {
            Some(at) => strings(image, at, dynamic.strsz)?,
            None => Strings(b"\0"),
        };
        if let Some(at) = dynamic.symtab {
            self.table = image.table_to_end(at).ok_or_else(|| outside(at))?;
        }
        self.hash = match (dynamic.gnu_hash, dynamic.hash) {
            (Some(at), _) => gnu_table(image, at)?,
            (None, Some(at)) => sysv_table(image, at)?,
            (None, None) => Hash::None,
        };
        self.has_definitions = dynamic.verdef.is_some();
        if let Some(at) = dynamic.versym {
            self.indices = Some(image.table_to_end(at).ok_or_else(|| outside(at))?);
        }
        if let Some(at) = dynamic.verneed {
            let bytes = chain_bytes(image, at)?;
            version::needs(bytes, dynamic.verneednum, &mut |need| self.add_need(&need))?;
        }
        if let Some(at) = dynamic.verdef {
            let bytes = chain_bytes(image, at)?;
            // They nearly always have the numbers from 1 on.
            let likely = usize::try_from(dynamic.verdefnum)
                .unwrap_or(0)
                .min(bytes.len() / DEFINITION_SIZE);
            self.versions
                .reserve_exact((likely + 1).saturating_sub(self.versions.len()));
            version::definitions(bytes, dynamic.verdefnum, &mut |definition| {
                self.add_definition(&definition)
            })?;
        }
        Ok(())
    }

    fn add_need(&mut self, need: &Need) -> Result<(), Fault> {
        let file = self.string(need.file.into())?;
        let name = self.string(need.name.into())?;
        if self.required.last().is_none_or(|last| last.file != file) {
            let versions = Vec::new();
            self.required.push(Required { file, versions });
        }
        if let Some(required) = self.required.last_mut() {
            required
                .versions
                .push((name, need.hash, need.weak, need.index & !HIDDEN));
        }
        self.set_version(
            need.index,
            Version {
                hash: need.hash,
                name,
                file: Some(file),
                hidden: need.index & HIDDEN != 0,
            },
        );
        Ok(())
    }

    fn add_definition(&mut self, definition: &Definition) -> Result<(), Fault> {
        if definition.base {
            return Ok(());
        }
        let name = self.string(definition.name.into())?;
        let version = Version {
            hash: definition.hash,
            name,
            file: None,
            hidden: false,
        };
        self.set_version(definition.index, version);
        Ok(())
    }

    /// Gives an index to a version.
    #[inline(never)]
    fn set_version(&mut self, index: u16, version: Version) {
        let index = usize::from(index & !HIDDEN);
        if let Some(more) = (index + 1).checked_sub(self.versions.len()) {
            self.versions.reserve(more);
        }
        while self.versions.len() <= index {
            self.versions.push(None);
        }
        let Some(place) = self.versions.get_mut(index) else {
            return;
        };
        if let Some(other) = place.as_ref().filter(|other| other.file.is_none()) {
            self.also_defined.push((other.name, other.hash));
        }
        *place = Some(version);
    }

    /// Whether DT_VERDEF defines a version, of this hash.
    #[inline(never)]
    pub fn defines(&self, version: &[u8], hash: u32) -> bool {
        let is_meant = |known: &Version| known.hash == hash && known.file.is_none() && known.name == version;
        let mut also = self.also_defined.iter();
        self.versions.iter().flatten().any(is_meant) || also.any(|known| *known == (version, hash))
    }

    /// The string at `offset` of the module's string table.
    ///
    /// # Errors
    /// [`Rule::StringOffset`] outside the table.
    #[inline(never)]
    pub fn string(&self, offset: u64) -> Result<&'static [u8], Fault> {
        self.strings
            .get(offset)
            .ok_or_else(|| Kind::malformed(Rule::StringOffset, offset, self.strings.0.len() as u64))
    }

    /// The symbol at `index`, or `None` outside the table.
    #[inline]
    pub fn get(&self, index: SymbolIndex) -> Option<Symbol> {
        self.table.get(index.0 as usize)
    }

    /// The binding of the symbol at `index`: one of the `STB_` constants.
    #[inline]
    pub fn binding(&self, index: SymbolIndex) -> u8 {
        self.get(index).map_or(symbol::STB_LOCAL, |symbol| symbol.binding())
    }

    /// The name of a symbol; empty when it lies outside the string table.
    #[inline(never)]
    pub fn name(&self, symbol: &Symbol) -> &'static [u8] {
        self.strings.get(symbol.name.into()).unwrap_or(b"")
    }

    /// The name of a symbol and its [`gnu_hash`]; the empty one when it lies outside the string table.
    #[inline]
    pub fn hashed_name(&self, symbol: &Symbol) -> (&'static [u8], u32) {
        let known = self.strings.hashed(symbol.name.into());
        known.unwrap_or_else(|| (b"", gnu_hash(b"")))
    }

    /// The version of the symbol at `index`, if the module has versions and it is a real one.
    ///
    /// # Errors
    /// [`Rule::VersionIndex`] when nothing defines the index.
    #[inline(never)]
    pub fn version(&self, index: SymbolIndex) -> Result<Option<&Version>, Fault> {
        let Some(indices) = self.indices else {
            return Ok(None);
        };
        let raw = indices
            .get(index.0 as usize)
            .ok_or_else(|| Kind::malformed(Rule::VersionIndex, index.0.into(), 0))?;
        let number = raw & !HIDDEN;
        if number < 2 {
            return Ok(None);
        }
        match self.versions.get(usize::from(number)) {
            Some(Some(version)) => Ok(Some(version)),
            _ => Err(Kind::malformed(
                Rule::VersionIndex,
                number.into(),
                self.versions.len() as u64,
            )),
        }
    }

    /// The symbols that ask for the version of an index, for people: the first ones, separated by commas.
    #[cold]
    #[inline(never)]
    pub fn names_of_version(&self, version: u16) -> Name {
        let mut names = Vec::new();
        // A reference defines nothing, so it is not in the GNU hash table, and stands before those that are.
        let behind = match &self.hash {
            Hash::Gnu { first, .. } => *first,
            Hash::Sysv { chains, .. } => chains.len() as u32,
            Hash::None => 0,
        };
        for index in 0..behind {
            let asked = self.indices.and_then(|indices| indices.get(index as usize));
            if asked.is_some_and(|asked| asked & !HIDDEN == version)
                && names.len() < MOST_OF_THE_NAMES
                && let Some(symbol) = self.get(SymbolIndex(index))
            {
                append(&mut names, b", ", self.name(&symbol));
            }
        }
        Name::new(&names)
    }

    /// The definition of `wanted` in this module, by its hash table.
    pub fn find(&self, wanted: &Wanted<'_>) -> Option<(SymbolIndex, Symbol)> {
        let index = self.find_index(wanted)?;
        Some((index, self.get(index)?))
    }

    /// As [`Symbols::find`], its number alone.
    #[inline(never)]
    pub fn find_index(&self, wanted: &Wanted<'_>) -> Option<SymbolIndex> {
        match &self.hash {
            Hash::Gnu {
                filter,
                buckets,
                chains,
                first,
            } => match filter.admits(wanted.hash) {
                true => self.find_in_bucket(wanted, *buckets, *chains, *first),
                false => None,
            },
            Hash::Sysv { buckets, chains } => self.find_sysv(wanted, *buckets, *chains),
            Hash::None => None,
        }
    }

    fn find_in_bucket(
        &self,
        wanted: &Wanted<'_>,
        buckets: Table<u32>,
        chains: Table<u32>,
        first: u32,
    ) -> Option<SymbolIndex> {
        let start = buckets.get(wanted.hash as usize % buckets.len().max(1))?;
        let mut candidates = Candidates::default();
        let mut index = start;
        if start < first {
            return None;
        }
        // A bucket has one symbol or two as a rule.
        self.fetch_tables(SymbolIndex(start));
        loop {
            let value = chains.get((index - first) as usize)?;
            if (value ^ wanted.hash) >> 1 == 0 && self.matches(SymbolIndex(index), wanted, &mut candidates) {
                return Some(SymbolIndex(index));
            }
            if value & 1 != 0 {
                return candidates.only();
            }
            index = index.checked_add(1)?;
        }
    }

    fn find_sysv(&self, wanted: &Wanted<'_>, buckets: Table<u32>, chains: Table<u32>) -> Option<SymbolIndex> {
        let hash = sysv_hash(wanted.name);
        let mut index = buckets.get(hash as usize % buckets.len().max(1))?;
        let mut candidates = Candidates::default();
        // A chain that comes back to itself ends after as many steps as there are entries.
        for _ in 0..chains.len() {
            if index == 0 {
                break;
            }
            if self.matches(SymbolIndex(index), wanted, &mut candidates) {
                return Some(SymbolIndex(index));
            }
            index = chains.get(index as usize)?;
        }
        candidates.only()
    }

    /// Whether the symbol at `index` is the wanted one. A definition that counts only if it is the only one is left in `candidates`.
    #[inline(never)]
    pub fn matches(&self, index: SymbolIndex, wanted: &Wanted<'_>, candidates: &mut Candidates) -> bool {
        let Some(symbol) = self.get(index) else { return false };
        if !self.strings.is(symbol.name, wanted.name) || !wanted.purpose.takes(&symbol) {
            return false;
        }
        let Some(indices) = self.indices else { return true };
        let raw = indices.get(index.0 as usize);
        raw.is_some_and(|raw| self.version_matches(raw, wanted, candidates, index))
    }

    /// The version half of a match: `raw` is the symbol's DT_VERSYM entry.
    fn version_matches(&self, raw: u16, wanted: &Wanted<'_>, candidates: &mut Candidates, found: SymbolIndex) -> bool {
        let number = raw & !HIDDEN;
        match wanted.version {
            Some(version) => match self.versions.get(usize::from(number)) {
                Some(Some(defined)) => defined.hash == version.hash && is_same(defined.name, version.name),
                // The module's base: taken for any version unless the reference insists or the symbol hides.
                _ => !version.hidden && raw & HIDDEN == 0,
            },
            None => {
                // The base (1) always; the first version (2) for code linked before the library had versions,
                // but not for dlsym, which takes the default of today.
                if number < if wanted.newest { 2 } else { 3 } {
                    return true;
                }
                if raw & HIDDEN == 0 {
                    candidates.count += 1;
                    candidates.found.get_or_insert(found);
                }
                false
            }
        }
    }

    /// The filter of the hash table, where it has one.
    pub fn filter(&self) -> Option<Filter> {
        match &self.hash {
            Hash::Gnu { filter, .. } => Some(*filter),
            _ => None,
        }
    }

    /// About how many symbols the hash table can find, without a look at them: linkers make a bucket for each two to four.
    pub fn likely_count(&self) -> u64 {
        match &self.hash {
            Hash::Gnu { buckets, .. } => buckets.len() as u64 * 3,
            Hash::Sysv { chains, .. } => chains.len() as u64,
            Hash::None => 0,
        }
    }

    /// Whether a search meets the symbols of one name in the order of the symbol table: with DT_GNU_HASH it does.
    pub fn is_in_order(&self) -> bool {
        matches!(self.hash, Hash::Gnu { .. })
    }

    /// Whether the hash table has the symbol at `index`, and before all others whose names may be the same.
    fn has_first(&self, index: SymbolIndex) -> bool {
        match &self.hash {
            Hash::Gnu { chains, first, .. } => {
                let place = index.0.wrapping_sub(*first) as usize;
                let Some(hash) = chains.get(place) else { return false };
                // Those of one bucket stand together, and the last one is marked.
                let before = (0..place).rev().take(LONG_BUCKET);
                for other in before.map_while(|place| chains.get(place)) {
                    if other & 1 != 0 || (other ^ hash) >> 1 == 0 {
                        return other & 1 != 0;
                    }
                }
                place <= LONG_BUCKET
            }
            Hash::Sysv { chains, .. } => (index.0 as usize) < chains.len(),
            Hash::None => false,
        }
    }

    /// Whether a search of this module for what its own symbol asks for ends at that symbol.
    pub fn is_own(&self, index: SymbolIndex, symbol: &Symbol, version: Option<&Version>, purpose: Use) -> bool {
        (version.is_some() || self.indices.is_none()) && purpose.takes(symbol) && self.has_first(index)
    }

    /// The symbols that the hash table can find. `None` when there are more than a linker would leave.
    pub fn findable(&self) -> Option<Range<u32>> {
        const MOST: u32 = 1 << 24;
        let first = match &self.hash {
            Hash::Gnu { first, .. } => *first,
            _ => 0,
        };
        let behind = self.count_up_to(MOST).max(first);
        (behind < MOST).then_some(first..behind)
    }

    /// Whether other modules can find thread-local variables here, which they may refer to by a distance from the thread pointer.
    #[cold]
    pub fn lends_thread_locals(&self) -> bool {
        let is_lent = |symbol: Symbol| symbol.kind() == symbol::STT_TLS && symbol.is_defined();
        (0..self.count()).any(|index| self.get(SymbolIndex(index)).is_some_and(is_lent))
    }

    /// The GNU hash of the name of a symbol that the hash table can find; its lowest bit does not count.
    #[inline]
    pub fn hash_at(&self, index: SymbolIndex) -> u32 {
        let hash = match &self.hash {
            Hash::Gnu { chains, first, .. } => chains.get(index.0.wrapping_sub(*first) as usize),
            _ => self.get(index).map(|symbol| self.hashed_name(&symbol).1),
        };
        hash.unwrap_or(0)
    }

    /// Has the processor fetch what [`Symbols::get`] reads.
    #[inline(always)]
    pub fn fetch(&self, index: SymbolIndex) {
        self.table.fetch(index.0 as usize);
    }

    /// Has the processor fetch what [`Symbols::matches`] reads of the tables.
    #[inline(always)]
    pub fn fetch_tables(&self, index: SymbolIndex) {
        self.fetch(index);
        if let Some(indices) = self.indices {
            indices.fetch(index.0 as usize);
        }
    }

    /// Has the processor fetch a symbol's name, which is about `length` bytes long.
    #[inline(always)]
    pub fn fetch_name(&self, symbol: &Symbol, length: usize) {
        const LINE: usize = 64;
        let first = self.strings.0.as_ptr().wrapping_add(symbol.name as usize);
        let mut place = 0;
        while place < length {
            crt::prefetch(first.wrapping_add(place));
            place += LINE;
        }
        crt::prefetch(first.wrapping_add(length));
    }

    /// Number of symbols that the module's hash table can find, and the index behind the last one (`dladdr` walks them).
    pub fn count(&self) -> u32 {
        self.count_up_to(u32::MAX)
    }

    /// As [`Symbols::count`], but looks no further than `most`.
    fn count_up_to(&self, most: u32) -> u32 {
        match &self.hash {
            Hash::Sysv { chains, .. } => chains.len() as u32,
            Hash::Gnu {
                buckets, chains, first, ..
            } => {
                let last = buckets.iter().max().unwrap_or(0);
                if last < *first {
                    return *first;
                }
                let mut index = last;
                while index < most
                    && let Some(value) = chains.get((index - first) as usize)
                {
                    index += 1;
                    if value & 1 != 0 {
                        break;
                    }
                }
                index
            }
            Hash::None => 0,
        }
    }
}

/// The default-version definitions of one module that were met while the reference had no version.
#[derive(Debug, Default)]
pub struct Candidates {
    count: u32,
    found: Option<SymbolIndex>,
}

impl Candidates {
    /// The definition, if there was one only.
    pub fn only(self) -> Option<SymbolIndex> {
        if self.count == 1 { self.found } else { None }
    }
}

fn outside(at: Vaddr) -> Fault {
    Kind::malformed(Rule::TagTableOutside, at.0, 0)
}

/// The string table. One that the program may write (patched files have such) is copied, so that names stay what was checked.
fn strings(image: &Image, at: Vaddr, size: u64) -> Result<Strings, Fault> {
    let bytes = match image.lasting_bytes(at, size) {
        Some(bytes) => bytes,
        None => image
            .copy(at, usize::try_from(size).map_err(|_| outside(at))?)
            .ok_or_else(|| outside(at))?
            .leak(),
    };
    match bytes.last() {
        Some(0) => Ok(Strings(bytes)),
        _ => Err(Kind::malformed(Rule::StringTable, at.0, size)),
    }
}

/// The bytes from `at` to the end of its segment: version chains have no size of their own.
fn chain_bytes(image: &Image, at: Vaddr) -> Result<&'static [u8], Fault> {
    let extent = image.extent(at, 1).ok_or_else(|| outside(at))?;
    let length = extent.length - (at.0 - extent.start.0);
    match image.lasting_bytes(at, length) {
        Some(bytes) => Ok(bytes),
        None => {
            // 64 KiB holds the version chains of every library known; a patched file may have them in a writable segment.
            let length = length.min(1 << 16) as usize;
            Ok(image.copy(at, length).ok_or_else(|| outside(at))?.leak())
        }
    }
}

fn gnu_table(image: &Image, at: Vaddr) -> Result<Hash, Fault> {
    let damaged = || Kind::malformed(Rule::GnuHashTable, at.0, 0);
    let words = image.table::<u32>(at, 4).ok_or_else(damaged)?;
    let word = |index| words.get(index).unwrap_or(0);
    let header = GnuHashHeader::decode([word(0), word(1), word(2), word(3)])?;
    let tables = || {
        let bloom_at = at.plus(16)?;
        let buckets_at = bloom_at.plus(u64::from(header.bloom_size) * 8)?;
        let chains_at = buckets_at.plus(u64::from(header.buckets) * 4)?;
        Some(Hash::Gnu {
            filter: Filter {
                words: image.table(bloom_at, header.bloom_size as usize)?,
                mask: header.bloom_size - 1,
                shift: header.bloom_shift,
            },
            buckets: image.table(buckets_at, header.buckets as usize)?,
            chains: image.table_to_end(chains_at).unwrap_or(Table::EMPTY),
            first: header.first_symbol,
        })
    };
    tables().ok_or_else(damaged)
}

fn sysv_table(image: &Image, at: Vaddr) -> Result<Hash, Fault> {
    let damaged = || Kind::malformed(Rule::HashTable, at.0, 0);
    let words = image.table::<u32>(at, 2).ok_or_else(damaged)?;
    let word = |index| words.get(index).unwrap_or(0);
    let header = SysvHashHeader::decode([word(0), word(1)])?;
    let tables = || {
        Some(Hash::Sysv {
            buckets: image.table(at.plus(SysvHashHeader::SIZE)?, header.buckets as usize)?,
            chains: image.table(at.plus(header.chains_offset())?, header.chains as usize)?,
        })
    };
    tables().ok_or_else(damaged)
}
