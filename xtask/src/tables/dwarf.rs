//! Reads types and enumerators from debug information.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use gimli::AttributeValue;
use object::{Object as _, ObjectSection as _};

use super::elf::Elf;

/// A type of the debug information.
pub(super) enum Type {
    Sized(u64),
    Alias(Option<usize>),
    Array { element: Option<usize>, count: u64 },
    Structure { size: u64, members: Vec<RawMember> },
}

/// A member as the debug information has it.
pub(super) struct RawMember {
    pub(super) name: Option<String>,
    pub(super) offset: u64,
    pub(super) bits: Option<(u64, u64)>,
    pub(super) of: Option<usize>,
}

/// A named member, with the members of unnamed inner structures moved into their parent.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) bits: Option<(u64, u64)>,
    pub(super) of: Option<usize>,
}

/// A structure with its members by name.
pub(super) struct Structure {
    pub(super) size: u64,
    pub(super) members: BTreeMap<String, Found>,
}

impl Structure {
    pub(super) fn member(&self, name: &str) -> Result<&Found> {
        self.members.get(name).with_context(|| format!("no member {name}"))
    }

    /// Whether sizes and places agree, whatever unit of the debug information each comes from.
    fn agrees_with(&self, other: &Self) -> bool {
        let places = |structure: &Self| {
            let members = structure.members.iter();
            members
                .map(|(name, found)| (name.clone(), found.offset, found.size, found.bits))
                .collect::<Vec<_>>()
        };
        self.size == other.size && places(self) == places(other)
    }
}

/// The types and enumerators of a debug file, by offset and by name.
#[derive(Default)]
pub(super) struct Types {
    pub(super) by_offset: BTreeMap<usize, Type>,
    pub(super) structures: BTreeMap<String, Vec<usize>>,
    pub(super) enumerators: BTreeMap<String, BTreeSet<u64>>,
}

type Reader<'a> = gimli::EndianSlice<'a, gimli::LittleEndian>;
type Node<'abbrev, 'unit, 'tree, 'a> = gimli::EntriesTreeNode<'abbrev, 'unit, 'tree, Reader<'a>>;

impl Types {
    pub(super) fn read(debug: &Elf<'_>) -> Result<Self> {
        ensure!(
            debug.file.section_by_name(".gnu_debugaltlink").is_none(),
            "{} refers to a supplementary file (dwz); expand it first",
            debug.path.display()
        );
        let sections = gimli::DwarfSections::load(|id| -> Result<Vec<u8>> {
            match debug.file.section_by_name(id.name()) {
                Some(section) => Ok(section.uncompressed_data()?.into_owned()),
                None => Ok(Vec::new()),
            }
        })?;
        let dwarf = sections.borrow(|bytes| gimli::EndianSlice::new(bytes, gimli::LittleEndian));
        let mut types = Self::default();
        let mut units = dwarf.units();
        while let Some(header) = units.next()? {
            let unit = dwarf.unit(header)?;
            let mut tree = unit.entries_tree(None)?;
            types.read_entry(&dwarf, &unit, tree.root()?)?;
        }
        ensure!(
            !types.structures.is_empty(),
            "{} has no debug information",
            debug.path.display()
        );
        Ok(types)
    }

    fn read_entry<'a>(
        &mut self,
        dwarf: &gimli::Dwarf<Reader<'a>>,
        unit: &gimli::Unit<Reader<'a>>,
        node: Node<'_, '_, '_, 'a>,
    ) -> Result<()> {
        let entry = node.entry();
        let tag = entry.tag();
        let offset = entry
            .offset()
            .to_debug_info_offset(&unit.header)
            .context("a type unit")?
            .0;
        let name = match entry.attr_value(gimli::DW_AT_name)? {
            Some(value) => Some(dwarf.attr_string(unit, value)?.to_string()?.to_owned()),
            None => None,
        };
        let size = entry
            .attr_value(gimli::DW_AT_byte_size)?
            .and_then(|size| size.udata_value());
        let of = reference(unit, entry.attr_value(gimli::DW_AT_type)?)?;
        let declaration = entry.attr_value(gimli::DW_AT_declaration)?.is_some();
        let mut members = Vec::new();
        let mut count = 1u64;
        match tag {
            gimli::DW_TAG_enumerator => {
                if let (Some(name), Some(value)) = (&name, entry.attr_value(gimli::DW_AT_const_value)?) {
                    let value = value
                        .udata_value()
                        .or_else(|| value.sdata_value().map(i64::cast_unsigned));
                    self.enumerators.entry(name.clone()).or_default().extend(value);
                }
            }
            gimli::DW_TAG_base_type | gimli::DW_TAG_enumeration_type => {
                self.by_offset.insert(offset, Type::Sized(size.unwrap_or(0)));
            }
            gimli::DW_TAG_pointer_type => {
                self.by_offset.insert(offset, Type::Sized(size.unwrap_or(8)));
            }
            gimli::DW_TAG_typedef
            | gimli::DW_TAG_const_type
            | gimli::DW_TAG_volatile_type
            | gimli::DW_TAG_restrict_type
            | gimli::DW_TAG_atomic_type => {
                self.by_offset.insert(offset, Type::Alias(of));
                // An unnamed structure is known by its typedef.
                if let (gimli::DW_TAG_typedef, Some(name)) = (tag, &name) {
                    self.structures.entry(name.clone()).or_default().push(offset);
                }
            }
            _ => {}
        }
        let mut children = node.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            match (tag, entry.tag()) {
                (gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type, gimli::DW_TAG_member) => {
                    members.push(member(dwarf, unit, entry)?)
                }
                (gimli::DW_TAG_array_type, gimli::DW_TAG_subrange_type) => {
                    count = count
                        .checked_mul(elements(entry)?)
                        .context("an array that is too large")?;
                }
                _ => self.read_entry(dwarf, unit, child)?,
            }
        }
        match tag {
            gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type if !declaration => {
                let size = size.unwrap_or(0);
                self.by_offset.insert(offset, Type::Structure { size, members });
                if let Some(name) = name {
                    self.structures.entry(name).or_default().push(offset);
                }
            }
            gimli::DW_TAG_array_type => {
                self.by_offset.insert(offset, Type::Array { element: of, count });
            }
            _ => {}
        }
        Ok(())
    }

    fn size_of(&self, of: Option<usize>) -> u64 {
        match of.and_then(|offset| self.by_offset.get(&offset)) {
            Some(Type::Sized(size) | Type::Structure { size, .. }) => *size,
            Some(Type::Alias(of)) => self.size_of(*of),
            Some(Type::Array { element, count }) => self.size_of(*element).saturating_mul(*count),
            None => 0,
        }
    }

    /// The structure that a type is, behind its aliases.
    pub(super) fn structure_at(&self, of: Option<usize>) -> Option<Structure> {
        match self.by_offset.get(&of?)? {
            Type::Alias(of) => self.structure_at(*of),
            Type::Structure { size, members } => {
                let mut found = BTreeMap::new();
                self.flatten(members, 0, &mut found);
                Some(Structure {
                    size: *size,
                    members: found,
                })
            }
            Type::Sized(_) | Type::Array { .. } => None,
        }
    }

    fn flatten(&self, members: &[RawMember], base: u64, found: &mut BTreeMap<String, Found>) {
        for member in members {
            let offset = base.saturating_add(member.offset);
            if let Some(name) = &member.name {
                let size = self.size_of(member.of);
                let (bits, of) = (member.bits, member.of);
                found.insert(name.clone(), Found { offset, size, bits, of });
            } else if let Some(Type::Structure { members, .. }) = member.of.and_then(|of| self.by_offset.get(&of)) {
                self.flatten(members, offset, found);
            }
        }
    }

    /// The structure called `name`; several may be, then it is the one that has a member `with`.
    pub(super) fn structure(&self, name: &str, with: Option<&str>) -> Result<Structure> {
        let mut chosen: Option<Structure> = None;
        for &offset in self.structures.get(name).into_iter().flatten() {
            let Some(structure) = self.structure_at(Some(offset)) else {
                continue;
            };
            if with.is_some_and(|with| !structure.members.contains_key(with)) {
                continue;
            }
            if let Some(chosen) = &chosen {
                ensure!(
                    chosen.agrees_with(&structure),
                    "the debug information has two different structures {name}"
                );
            }
            chosen = Some(structure);
        }
        chosen.with_context(|| format!("the debug information has no structure {name}"))
    }

    pub(super) fn enumerator(&self, name: &str) -> Result<Option<u64>> {
        let Some(values) = self.enumerators.get(name) else {
            return Ok(None);
        };
        ensure!(values.len() == 1, "the enumerator {name} has several values");
        Ok(values.first().copied())
    }
}

/// The offset of the type that a DW_AT_type attribute refers to.
fn reference(unit: &gimli::Unit<Reader<'_>>, value: Option<AttributeValue<Reader<'_>>>) -> Result<Option<usize>> {
    Ok(match value {
        None => None,
        Some(AttributeValue::UnitRef(offset)) => Some(
            offset
                .to_debug_info_offset(&unit.header)
                .context("a reference out of its unit")?
                .0,
        ),
        Some(AttributeValue::DebugInfoRef(offset)) => Some(offset.0),
        Some(other) => bail!("a type reference of an unsupported form: {other:?}"),
    })
}

fn member<'a>(
    dwarf: &gimli::Dwarf<Reader<'a>>,
    unit: &gimli::Unit<Reader<'a>>,
    entry: &gimli::DebuggingInformationEntry<'_, '_, Reader<'a>>,
) -> Result<RawMember> {
    let number = |name| -> Result<Option<u64>> { Ok(entry.attr_value(name)?.and_then(|value| value.udata_value())) };
    let name = match entry.attr_value(gimli::DW_AT_name)? {
        Some(value) => Some(dwarf.attr_string(unit, value)?.to_string()?.to_owned()),
        None => None,
    };
    let mut offset = number(gimli::DW_AT_data_member_location)?.unwrap_or(0);
    let mut bits = None;
    if let Some(width) = number(gimli::DW_AT_bit_size)? {
        let first = match number(gimli::DW_AT_data_bit_offset)? {
            Some(first) => first,
            None => bits_from_the_top(
                offset,
                width,
                number(gimli::DW_AT_byte_size)?,
                number(gimli::DW_AT_bit_offset)?,
            )
            .context("a bit field of an unknown form")?,
        };
        offset = first / 8;
        bits = Some((first % 8, width));
    }
    Ok(RawMember {
        name,
        offset,
        bits,
        of: reference(unit, entry.attr_value(gimli::DW_AT_type)?)?,
    })
}

/// The first bit of a bit field as DWARF had them before version 4: counted from the most significant bit of a unit of storage.
pub(super) fn bits_from_the_top(offset: u64, width: u64, unit: Option<u64>, from_top: Option<u64>) -> Option<u64> {
    let below = unit?.checked_mul(8)?.checked_sub(from_top?)?.checked_sub(width)?;
    offset.checked_mul(8)?.checked_add(below)
}

/// Number of elements of one dimension of an array.
fn elements(entry: &gimli::DebuggingInformationEntry<'_, '_, Reader<'_>>) -> Result<u64> {
    let number = |name| -> Result<Option<u64>> { Ok(entry.attr_value(name)?.and_then(|value| value.udata_value())) };
    if let Some(count) = number(gimli::DW_AT_count)? {
        return Ok(count);
    }
    let last = number(gimli::DW_AT_upper_bound)?;
    Ok(last.map_or(0, |last| last.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_bit_fields_are_counted_from_the_top_of_their_unit() {
        // link_map.l_type of 2.31: two bits at the bottom of the byte at 0x31c, in a unit of 4 bytes.
        assert_eq!(bits_from_the_top(0x31c, 2, Some(4), Some(30)), Some(0x31c * 8));
        assert_eq!(bits_from_the_top(0x31c, 1, Some(4), Some(17)), Some(0x31d * 8 + 6));
        assert_eq!(bits_from_the_top(0, 8, Some(1), Some(1)), None);
    }
}
