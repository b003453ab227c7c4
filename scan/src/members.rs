//! Which member of a structure a use touches, and what the pointers in structures point to, both by a row.

use lode::abi::glibc::layout::{Layout, Member, Place};

use crate::Structure;
use crate::flow::Pointers;

/// What a use touches: a member, or bytes between members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The structure.
    pub structure: Structure,
    /// Where the member begins, or the bytes that are in none, in bytes from the start of the structure.
    pub offset: usize,
    /// Behind the last byte of either.
    pub end: usize,
    /// The C name of the member.
    pub member: Option<&'static str>,
    /// The members before and behind it; empty where there is none.
    pub neighbours: (&'static str, &'static str),
}

impl Part {
    /// Whether both have some byte.
    pub fn meets(&self, other: &Self) -> bool {
        self.structure == other.structure && self.offset < other.end && other.offset < self.end
    }
}

/// A member's first byte, the byte behind its last, and its name.
type Extent = (usize, usize, &'static str);

fn extents(layout: &Layout, structure: Structure) -> Vec<Extent> {
    let of = |members: &mut dyn Iterator<Item = (&'static str, Place)>| -> Vec<Extent> {
        members
            .filter_map(|(name, place)| match place {
                Place::Absent => None,
                Place::Bytes(member) => Some((member.offset(), member.offset() + member.size(), name)),
                Place::Bits(bits) => Some((bits.offset(), bits.offset() + 1, name)),
            })
            .collect()
    };
    let mut all = match structure {
        Structure::RtldGlobalRo => of(&mut layout.rtld_global_ro.members()),
        Structure::Processor => {
            let mut all = of(&mut layout.cpu_features.members());
            // The array has room for leaves that this row does not name: only those that it names are filled.
            for (start, end, name) in &mut all {
                if *name == "features" {
                    *end = *start + layout.cpuid_leaves as usize * layout.cpuid_feature.size();
                }
            }
            all
        }
        Structure::RtldGlobal => of(&mut layout.rtld_global.members()),
        Structure::Namespace => of(&mut layout.link_namespaces.members()),
        Structure::LinkMap => of(&mut layout.link_map.members()),
        Structure::Thread => of(&mut layout.tcb.members().chain(layout.pthread.members())),
        Structure::Libname => of(&mut layout.libname.members()),
        Structure::Scope => of(&mut layout.scope_elem.members()),
        Structure::SlotInfo => {
            let mut all = of(&mut layout.dtv_slotinfo_list.members());
            // The last member is an array as long as the first says.
            if let Some(last) = all.last_mut() {
                last.1 = usize::MAX;
            }
            all
        }
        Structure::Maps | Structure::Scopes => Vec::new(),
    };
    all.sort_unstable();
    all
}

/// The structure that a member is, and the size of one of them where it is an array.
fn inner(layout: &Layout, structure: Structure, member: &str) -> Option<(Structure, usize)> {
    match (structure, member) {
        (Structure::RtldGlobalRo, "_dl_x86_cpu_features") => Some((Structure::Processor, layout.cpu_features.size())),
        (Structure::RtldGlobal, "_dl_ns") => Some((Structure::Namespace, layout.link_namespaces.size())),
        _ => None,
    }
}

/// What a use of `size` bytes at `offset` touches.
pub fn parts(layout: &Layout, structure: Structure, offset: u32, size: u32) -> Vec<Part> {
    let mut parts = Vec::new();
    if matches!(structure, Structure::Maps | Structure::Scopes) {
        return parts;
    }
    let extents = extents(layout, structure);
    let mut at = offset as usize;
    let end = at + (size as usize).max(1);
    while at < end {
        let here = extents.iter().find(|extent| extent.0 <= at && at < extent.1);
        let next = extents.iter().map(|extent| extent.0).filter(|start| *start > at).min();
        if let Some(&(start, behind, name)) = here {
            match inner(layout, structure, name) {
                Some((inner, stride)) if stride > 0 => {
                    let inside = (at - start) % stride;
                    let rest = (end - at).min(stride - inside);
                    let (inside, rest) = (inside as u32, rest as u32);
                    parts.extend(self::parts(layout, inner, inside, rest));
                }
                _ => parts.push(Part {
                    structure,
                    offset: start,
                    end: behind,
                    member: Some(name),
                    neighbours: ("", ""),
                }),
            }
            at = behind;
        } else {
            let name = |extent: Option<&Extent>| extent.map_or("", |extent| extent.2);
            let before = extents
                .iter()
                .filter(|extent| extent.1 <= at)
                .max_by_key(|extent| extent.1);
            let behind = extents.iter().find(|extent| Some(extent.0) == next);
            parts.push(Part {
                structure,
                offset: at,
                end: next.unwrap_or(end).min(end),
                member: None,
                neighbours: (name(before), name(behind)),
            });
            at = next.unwrap_or(end);
        }
    }
    parts
}

/// The pointers of a row.
pub struct InRow<'a>(pub &'a Layout);

impl Pointers for InRow<'_> {
    fn follow(&self, structure: Structure, offset: i32) -> Option<(Structure, i32)> {
        let layout = self.0;
        let mut at = usize::try_from(offset).ok()?;
        let is = |member: Member, at: usize| member.offset() == at;
        let is_one = |member: Option<Member>, at: usize| member.is_some_and(|member| is(member, at));
        let map = Some((Structure::LinkMap, 0));
        match structure {
            Structure::RtldGlobalRo if is(layout.rtld_global_ro.dl_sysinfo_map, at) => map,
            Structure::RtldGlobal => {
                let members = &layout.rtld_global;
                let namespaces = members.dl_ns;
                let space = &layout.link_namespaces;
                if let Some(inside) = at
                    .checked_sub(namespaces.offset())
                    .filter(|inside| *inside < namespaces.size())
                {
                    at = inside.checked_rem(space.size())?;
                    if is(space.ns_loaded, at) || is_one(space.libc_map, at) {
                        return map;
                    }
                    return is(space.ns_main_searchlist, at).then_some((Structure::Scope, 0));
                }
                if is(members.dl_tls_dtv_slotinfo_list, at) {
                    return Some((Structure::SlotInfo, 0));
                }
                let node = i32::try_from(layout.pthread.list.offset()).ok()?;
                [members.dl_stack_used, members.dl_stack_user, members.dl_stack_cache]
                    .into_iter()
                    .flatten()
                    .any(|list| (list.offset()..list.offset() + list.size()).contains(&at))
                    .then_some((Structure::Thread, node))
            }
            Structure::LinkMap => {
                let members = &layout.link_map;
                let maps = [members.l_next, members.l_prev, members.l_real, members.l_loader];
                if maps.into_iter().any(|member| is(member, at)) {
                    return map;
                }
                if at == members.l_searchlist.offset() + layout.scope_elem.r_list.offset() {
                    return Some((Structure::Maps, 0));
                }
                if is(members.l_scope, at) {
                    return Some((Structure::Scopes, 0));
                }
                if is(members.l_local_scope, at) {
                    return Some((Structure::Scope, 0));
                }
                is(members.l_libname, at).then_some((Structure::Libname, 0))
            }
            Structure::Thread => {
                if is(layout.tcb.tcb, at) || is(layout.tcb.self_pointer, at) {
                    return Some((Structure::Thread, 0));
                }
                let list = layout.pthread.list;
                let node = i32::try_from(list.offset()).ok()?;
                (list.offset()..list.offset() + list.size())
                    .contains(&at)
                    .then_some((Structure::Thread, node))
            }
            Structure::Libname => is(layout.libname.next, at).then_some((Structure::Libname, 0)),
            Structure::Scope => is(layout.scope_elem.r_list, at).then_some((Structure::Maps, 0)),
            Structure::SlotInfo => {
                let head = &layout.dtv_slotinfo_list;
                if is(head.next, at) {
                    return Some((Structure::SlotInfo, 0));
                }
                let inside = at
                    .checked_sub(head.slotinfo.offset())?
                    .checked_rem(layout.dtv_slotinfo.size())?;
                if is(layout.dtv_slotinfo.map, inside) { map } else { None }
            }
            Structure::Maps => map,
            Structure::Scopes => Some((Structure::Scope, 0)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn names(structure: Structure, offset: u32, size: u32) -> Vec<(Structure, Option<&'static str>)> {
        let layout = Layout::newest();
        let parts = parts(layout, structure, offset, size);
        parts.into_iter().map(|part| (part.structure, part.member)).collect()
    }

    #[test]
    fn a_use_touches_every_member_that_it_overlaps() {
        let layout = Layout::newest();
        let at = layout.pthread.stackblock.offset() as u32;
        let two = [
            (Structure::Thread, Some("stackblock")),
            (Structure::Thread, Some("stackblock_size")),
        ];
        assert_eq!(names(Structure::Thread, at, 16), two);
        assert_eq!(names(Structure::Thread, at + 1, 1), two[..1]);
    }

    #[test]
    fn embedded_structures_are_looked_into() {
        let layout = Layout::newest();
        let cpu = layout.rtld_global_ro.dl_x86_cpu_features.offset() + layout.cpu_features.data_cache_size.offset();
        assert_eq!(
            names(Structure::RtldGlobalRo, cpu as u32, 8),
            [(Structure::Processor, Some("data_cache_size"))]
        );
        let third = 2 * layout.link_namespaces.size() + layout.link_namespaces.ns_nloaded.offset();
        assert_eq!(
            names(Structure::RtldGlobal, third as u32, 4),
            [(Structure::Namespace, Some("_ns_nloaded"))]
        );
    }

    #[test]
    fn bytes_behind_the_end_have_one_neighbour() {
        let layout = Layout::newest();
        let parts = parts(layout, Structure::RtldGlobalRo, layout.rtld_global_ro.size() as u32, 8);
        assert_eq!((parts[0].member, parts[0].neighbours), (None, ("_dl_naudit", "")));
    }

    #[test]
    fn lists_are_followed() {
        let layout = Layout::newest();
        let follow = |structure, member: Member| InRow(layout).follow(structure, member.offset() as i32);
        let map = Some((Structure::LinkMap, 0));
        assert_eq!(follow(Structure::RtldGlobal, layout.rtld_global.dl_ns), map);
        assert_eq!(follow(Structure::LinkMap, layout.link_map.l_next), map);
        assert_eq!(follow(Structure::LinkMap, layout.link_map.l_phdr), None);
        assert_eq!(
            follow(Structure::Thread, layout.tcb.self_pointer),
            Some((Structure::Thread, 0))
        );
        let node = layout.pthread.list.offset() as i32;
        assert_eq!(
            follow(Structure::Thread, layout.pthread.list),
            Some((Structure::Thread, node))
        );
    }
}
