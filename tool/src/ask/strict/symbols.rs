//! Hash tables (W02): does everybody find what the file defines?

use lode::elf::dynamic::tag;

use super::{Code, Findings};
use crate::elf::{Binary, Symbol};

/// Looks at them.
pub fn look(binary: &Binary, findings: &mut Findings) {
    if let Some(table) = Gnu::of(binary) {
        table.look(binary, findings);
    }
    if let Some(at) = binary.dynamic_value(tag::HASH) {
        look_sysv(binary, at, findings);
    }
}

/// The defined symbols that others may ask for, with their indices.
fn defined(binary: &Binary) -> impl Iterator<Item = (u64, &Symbol)> {
    (0..).zip(&binary.symbols).filter(|(_, symbol)| symbol.is_defined())
}

/// DT_GNU_HASH: a filter, buckets, and the hash values of the symbols behind the first that is covered.
struct Gnu {
    buckets: u32,
    first: u32,
    filter_words: u32,
    shift: u32,
    filter_at: u64,
    buckets_at: u64,
    chains_at: u64,
}

impl Gnu {
    fn of(binary: &Binary) -> Option<Gnu> {
        let at = binary.dynamic_value(tag::GNU_HASH)?;
        let head = binary.at(at, 16)?;
        let words = binary.words();
        let filter_words = words.word(head, 8)?;
        let buckets = words.word(head, 0)?;
        let filter_at = at.checked_add(16)?;
        let buckets_at = filter_at.checked_add(u64::from(filter_words) * words.size())?;
        Some(Gnu {
            buckets,
            first: words.word(head, 4)?,
            filter_words,
            shift: words.word(head, 12)?,
            filter_at,
            buckets_at,
            chains_at: buckets_at.checked_add(u64::from(buckets) * 4)?,
        })
    }

    fn look(&self, binary: &Binary, findings: &mut Findings) {
        for (index, symbol) in defined(binary) {
            if index < self.first.into() {
                findings.add(
                    Code::HashSkips,
                    format!("{}, symbol {index}; symoffset is {}", symbol.name, self.first),
                );
            } else if self.leads_to(binary, index, &symbol.name) != Some(true) {
                findings.add(Code::GnuHashMisses, format!("{}, symbol {index}", symbol.name));
            }
        }
    }

    /// Whether filter, bucket and chain all lead to a symbol; `None` when the table ends before.
    fn leads_to(&self, binary: &Binary, index: u64, name: &str) -> Option<bool> {
        let words = binary.words();
        let word = |at: u64| words.word(binary.at(at, 4)?, 0);
        let hash = name
            .bytes()
            .fold(5381u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(byte.into()));
        let bits = u32::from(words.bits);
        let filter = u64::from((hash / bits).checked_rem(self.filter_words)?);
        let filter = words.address(
            binary.at(self.filter_at.checked_add(filter * words.size())?, words.size())?,
            0,
        )?;
        let second = hash.checked_shr(self.shift).unwrap_or_default() % bits;
        if filter >> (hash % bits) & filter >> second & 1 == 0 {
            return Some(false);
        }
        let bucket = u64::from(hash.checked_rem(self.buckets)?);
        let mut at: u64 = word(self.buckets_at.checked_add(bucket * 4)?)?.into();
        if at > index || at < self.first.into() {
            return Some(false);
        }
        // The lowest bit ends a chain.
        loop {
            let value = word(self.chains_at.checked_add((at - u64::from(self.first)) * 4)?)?;
            if at == index {
                return Some(value | 1 == hash | 1);
            }
            if value & 1 != 0 {
                return Some(false);
            }
            at += 1;
        }
    }
}

/// DT_HASH: two numbers, buckets, and for each symbol the next of its chain (gABI, "Hash Table").
fn look_sysv(binary: &Binary, at: u64, findings: &mut Findings) {
    let words = binary.words();
    let number = |index: u64| words.word(binary.at(at.checked_add(index * 4)?, 4)?, 0);
    let leads_to = |index: u64, name: &str| {
        let (buckets, chains) = (number(0)?, number(1)?);
        let hash = name.bytes().fold(0u32, |hash, byte| {
            let hash = (hash << 4).wrapping_add(byte.into());
            let high = hash & 0xf000_0000;
            (hash ^ high >> 24) & !high
        });
        let mut next = number(2 + u64::from(hash.checked_rem(buckets)?))?;
        // A chain is not longer than there are symbols.
        for _ in 0..chains {
            if u64::from(next) == index {
                return Some(true);
            }
            if next == 0 {
                return Some(false);
            }
            next = number(2 + u64::from(buckets) + u64::from(next))?;
        }
        Some(false)
    };
    for (index, symbol) in defined(binary) {
        findings.add_if(
            leads_to(index, &symbol.name) != Some(true),
            Code::HashMisses,
            format!("{}, symbol {index}", symbol.name),
        );
    }
}
