//! A state of glibc's private interface in the terms of the loader's schema: words for its structures, and the list of its tunables. And the Rust code
//! that states it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};
use lode::abi::glibc::layout::{
    Bits, CPUID_LEAVES, CpuFeatures, CpuidFeature, DLFCN_HOOK, Field, InfoTable, LinkMap, Member, PreferredBits,
    Presence, RECORDS, WORDS,
};

use super::dwarf::{Found, Types};

/// One entry of glibc's list of tunables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tunable {
    /// Name without the common prefix; behind a blank the environment variable of its own.
    pub(super) name: String,
    /// The variant of the loader's `TunableKind`.
    pub(super) kind: String,
    /// Smallest value accepted.
    pub(super) min: u64,
    /// Largest value accepted.
    pub(super) max: u64,
    /// The value before the environment.
    pub(super) default: u64,
}

impl Tunable {
    /// The expression that states it.
    pub(super) fn code(&self) -> String {
        let Self {
            name,
            kind,
            min,
            max,
            default,
        } = self;
        let (min, max, default) = (literal(*min), literal(*max), literal(*default));
        format!("Tunable::new({name:?}, TunableKind::{kind}, ({min}, {max}), {default}),")
    }
}

/// The words of the structures, as the loader's schema orders them.
pub(super) fn words(types: &Types) -> Result<Vec<u32>> {
    let mut words = Vec::new();
    for record in RECORDS {
        let mut structure = record.structure;
        if structure == CpuidFeature::STRUCTURE {
            let Some(element) = element_of_features(types) else {
                words.resize(words.len().saturating_add(record.fields.len()).saturating_add(1), 0);
                continue;
            };
            structure = element;
        }
        let found = types.structure(structure, private_member(structure))?;
        words.push(u32::try_from(found.size)?);
        for field in record.fields {
            let former = FORMERLY
                .iter()
                .find(|known| (known.0, known.1) == (record.structure, field.member));
            let member = found.members.get(field.member).or_else(|| found.members.get(former?.2));
            let place = match (member, field.presence) {
                (None, Presence::Optional | Presence::OptionalBits) => Ok(0),
                (None, _) => bail!("{} has no member {}", record.structure, field.member),
                (Some(member), presence) => place(member, presence),
            };
            words.push(place.with_context(|| format!("{}.{}", record.structure, field.member))?);
        }
    }
    check_hook(types)?;
    words.extend(info_table(types)?);
    words.push(cpuid_leaves(types)?);
    for bits in preferred(types)?.chunks(4) {
        words.push(bits.iter().rev().fold(0, |word, bit| word << 8 | u32::from(*bit)));
    }
    ensure!(words.len() == WORDS, "{} words, not {WORDS}", words.len());
    Ok(words)
}

/// A structure, a member of it, and how that was called before 2.34.
const FORMERLY: [(&str, &str, &str); 1] = [(CpuidFeature::STRUCTURE, "active", "usable")];

/// How the element of `cpu_features.features` is called in 2.32.
pub(super) const ELEMENT_IN_2_32: &str = "cpuid_features";

/// The structure that is the element of `cpu_features.features`; 2.31 has no such array.
fn element_of_features(types: &Types) -> Option<&'static str> {
    [CpuidFeature::STRUCTURE, ELEMENT_IN_2_32]
        .into_iter()
        .find(|name| types.structures.contains_key(*name))
}

/// A member that only the private form of a structure has, where a public one shares its name.
fn private_member(structure: &str) -> Option<&'static str> {
    (structure == LinkMap::STRUCTURE).then_some("l_relocated")
}

fn place(member: &Found, presence: Presence) -> Result<u32> {
    let offset = u16::try_from(member.offset)?;
    Ok(match (member.bits, presence) {
        (None, Presence::Member | Presence::Optional) => Member::new(offset, u16::try_from(member.size)?).word(),
        (Some((bit, width)), Presence::Bits | Presence::OptionalBits) => {
            ensure!(bit.saturating_add(width) <= 8, "a bit field that crosses a byte");
            Bits::new(offset, u8::try_from(bit)?, u8::try_from(width)?).word()
        }
        _ => bail!("a bit field where the schema has a member, or the reverse"),
    })
}

/// What a word of a row is, for people and for code: `record.field`, `record` for a size, or the name of what is behind the records.
pub(super) fn names_of_words() -> Vec<String> {
    let mut names = Vec::new();
    for record in RECORDS {
        names.push(record.field.to_owned());
        names.extend(
            record
                .fields
                .iter()
                .map(|field| format!("{}.{}", record.field, field.field)),
        );
    }
    names.extend(["info.len", "info.ordinary", "info.processor", "cpuid_leaves"].map(str::to_owned));
    while names.len() < WORDS {
        names.push(format!(
            "preferred.{}",
            names.len().saturating_add(PREFERRED).saturating_sub(WORDS)
        ));
    }
    names
}

/// Number of words that hold the numbers of the preferred bits.
const PREFERRED: usize = PreferredBits::FIELDS.len().div_ceil(4);

/// The numbers of the preferred bits, one more than each, by their place in [`PreferredBits::FIELDS`].
pub(super) fn preferred_numbers(words: &[u32]) -> Vec<u8> {
    let behind = WORDS.saturating_sub(PREFERRED);
    words.iter().skip(behind).flat_map(|word| word.to_le_bytes()).collect()
}

/// The expression of the loader's `Structures` for a row: whole, or as what differs from those that have a name already.
pub(super) fn structures(words: &[u32], before: Option<(&str, &[u32])>) -> Result<String> {
    let mut out = "Structures {\n".to_owned();
    let mut at = 0usize;
    let mut rest = words;
    for record in RECORDS {
        let length = record.fields.len().saturating_add(1);
        let (own, behind) = rest.split_at_checked(length).context("too few words")?;
        rest = behind;
        let same = before.and_then(|(name, words)| Some((name, words.get(at..)?.get(..length)?)));
        at = at.saturating_add(length);
        if same.is_some_and(|(_, same)| same == own) {
            continue;
        }
        writeln!(out, "{}: {} {{", record.field, record.name)?;
        for (index, word) in own.iter().enumerate() {
            if same.is_some_and(|(_, same)| same.get(index) == Some(word)) {
                continue;
            }
            match index.checked_sub(1).and_then(|index| record.fields.get(index)) {
                None => writeln!(out, "size: {word:#x},")?,
                Some(field) => writeln!(out, "{}: {},", field.field, expression(field, *word))?,
            }
        }
        if let Some((name, same)) = same
            && same.iter().zip(own).any(|(same, own)| same == own)
        {
            writeln!(out, "..{name}.{}", record.field)?;
        }
        out.push_str("},\n");
    }
    let others = before.and_then(|(_, words)| words.get(at..));
    if others != Some(rest)
        && let [len, ordinary, processor, leaves, ..] = rest
    {
        writeln!(
            out,
            "info: InfoTable {{ len: {len}, ordinary: {ordinary}, processor: {processor} }},\ncpuid_leaves: {leaves},"
        )?;
        out.push_str("preferred: PreferredBits {\n");
        for ((field, _), number) in PreferredBits::FIELDS.iter().zip(preferred_numbers(words)) {
            match number.checked_sub(1) {
                Some(bit) => writeln!(out, "{field}: Some({bit}),")?,
                None => writeln!(out, "{field}: None,")?,
            }
        }
        out.push_str("}.numbers(),\n");
    }
    if let Some((name, _)) = before {
        writeln!(out, "..{name}")?;
    }
    out.push('}');
    Ok(out)
}

fn expression(field: &Field, word: u32) -> String {
    let Some(offset) = (word >> 16).checked_sub(1) else {
        return "None".to_owned();
    };
    match field.presence {
        Presence::Member => format!("Member::new({offset:#x}, {})", word & 0xffff),
        Presence::Optional => format!("Some(Member::new({offset:#x}, {}))", word & 0xffff),
        Presence::Bits => format!("Bits::new({offset:#x}, {}, {})", word >> 8 & 0xff, word & 0xff),
        Presence::OptionalBits => format!("Some(Bits::new({offset:#x}, {}, {}))", word >> 8 & 0xff, word & 0xff),
    }
}

/// Checks that the table of functions is the one that the loader fills: the members in that order, nothing else.
fn check_hook(types: &Types) -> Result<()> {
    const STRUCTURE: &str = "dlfcn_hook";
    if !types.structures.contains_key(STRUCTURE) {
        return Ok(());
    }
    let hook = types.structure(STRUCTURE, None)?;
    for (index, name) in (0u64..).zip(DLFCN_HOOK) {
        ensure!(
            hook.member(name)?.offset == index * 8,
            "{STRUCTURE}.{name} is not number {index}"
        );
    }
    ensure!(
        hook.members.len() == DLFCN_HOOK.len(),
        "{STRUCTURE} has members that the loader does not fill"
    );
    Ok(())
}

/// DT_NUM is no part of the debug information. It was 35 until DT_RELR made it 38 in 2.36, and the
/// processor's tags (4, since 2.39) fill the rest of the array.
fn info_table(types: &Types) -> Result<[u32; 3]> {
    let map = types.structure(LinkMap::STRUCTURE, private_member(LinkMap::STRUCTURE))?;
    let len = usize::try_from(map.member("l_info")?.size / 8)?;
    let counted = len
        .checked_sub(InfoTable::RANGED)
        .context("link_map.l_info is too short")?;
    let (ordinary, processor) = match counted {
        35 => (35, 0),
        38 => (38, 0),
        42 => (38, 4),
        _ => bail!("link_map.l_info has {len} elements, which is no known division"),
    };
    Ok([u32::try_from(len)?, ordinary, processor])
}

/// How many leaves the array of features has; that they are the first of the loader's list is shown by the enumerators that index it.
fn cpuid_leaves(types: &Types) -> Result<u32> {
    const INDEXES: [&str; CPUID_LEAVES.len()] = [
        "CPUID_INDEX_1",
        "CPUID_INDEX_7",
        "CPUID_INDEX_80000001",
        "CPUID_INDEX_D_ECX_1",
        "CPUID_INDEX_80000007",
        "CPUID_INDEX_80000008",
        "CPUID_INDEX_7_ECX_1",
        "CPUID_INDEX_19",
        "CPUID_INDEX_14_ECX_0",
        "CPUID_INDEX_24_ECX_0",
    ];
    let features = types.structure(CpuFeatures::STRUCTURE, None)?;
    let count = match element_of_features(types) {
        None => features.member("cpuid")?.size / 16,
        Some(element) => {
            let element = types.structure(element, None)?.size;
            features.member("features")?.size.checked_div(element).unwrap_or(0)
        }
    };
    let common = types.enumerators.contains_key("COMMON_CPUID_INDEX_1");
    let prefix = if common { "COMMON_" } else { "" };
    for (index, name) in (0..count).zip(INDEXES) {
        let known = types.enumerator(&format!("{prefix}{name}"))?;
        ensure!(known == Some(index), "{prefix}{name} is {known:?}, not {index}");
    }
    ensure!(count <= 10, "cpu_features has {count} leaves of features");
    Ok(u32::try_from(count)?)
}

/// The numbers of the preferred bits, as [`PreferredBits::numbers`] has them.
fn preferred(types: &Types) -> Result<Vec<u8>> {
    /// Up to the tag of 2.33 the bits are macros of `cpu-features.h`, of which debug information says nothing.
    const MACROS: [&str; 16] = [
        "I586",
        "I686",
        "Fast_Rep_String",
        "Fast_Copy_Backward",
        "Fast_Unaligned_Load",
        "Fast_Unaligned_Copy",
        "Slow_BSF",
        "Slow_SSE4_2",
        "AVX_Fast_Unaligned_Load",
        "Prefer_MAP_32BIT_EXEC",
        "Prefer_PMINUB_for_stringop",
        "Prefer_No_VZEROUPPER",
        "Prefer_ERMS",
        "Prefer_FSRM",
        "Prefer_No_AVX512",
        "MathVec_Prefer_No_AVX512",
    ];
    let old = !types.enumerators.keys().any(|name| name.starts_with("bit_arch_"));
    let mut numbers = Vec::new();
    for (_, name) in PreferredBits::FIELDS {
        let mask = if old {
            let bit = MACROS.iter().position(|known| known == name);
            bit.map(|bit| 1u64 << bit)
        } else {
            types.enumerator(&format!("bit_arch_{name}"))?
        };
        numbers.push(match mask {
            Some(mask) => {
                ensure!(mask.is_power_of_two(), "bit_arch_{name} is not one bit");
                u8::try_from(mask.trailing_zeros())?.saturating_add(1)
            }
            None => 0,
        });
    }
    let known: BTreeSet<&str> = PreferredBits::FIELDS.iter().map(|(_, name)| *name).collect();
    for name in types.enumerators.keys() {
        if let Some(name) = name.strip_prefix("bit_arch_") {
            ensure!(known.contains(name), "the schema has no preferred bit {name}");
        }
    }
    numbers.resize(numbers.len().next_multiple_of(4), 0);
    Ok(numbers)
}

/// A number as a literal: large ones in groups.
pub(super) fn literal(value: u64) -> String {
    match value {
        u64::MAX => "u64::MAX".to_owned(),
        0..=0xffff => value.to_string(),
        _ => {
            let digits = format!("{value:x}");
            let mut out = String::from("0x");
            for (index, digit) in digits.chars().enumerate() {
                let left = digits.len().saturating_sub(index);
                if index > 0 && left % 4 == 0 {
                    out.push('_');
                }
                out.push(digit);
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_literals_are_grouped() {
        assert_eq!(literal(65535), "65535");
        assert_eq!(literal(0x280_0000), "0x280_0000");
        assert_eq!(literal(u64::MAX), "u64::MAX");
    }
}
