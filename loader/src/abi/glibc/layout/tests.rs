//! Every row is a possible description of memory.

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::super::tunables::Tunables;
use super::*;

/// C name, size and members of a record.
type Record = (&'static str, usize, Vec<(&'static str, Place)>);

fn layouts() -> Vec<Layout> {
    ALL.iter().map(|row| *Layout::of(row)).collect()
}

fn records(row: &Layout) -> Vec<Record> {
    macro_rules! list {
        ($( $record:expr => $type:ident, )*) => {
            vec![ $( ($type::STRUCTURE, $record.size(), $record.members().collect()), )* ]
        };
    }
    let all = list! {
        row.rtld_global_ro => RtldGlobalRo,
        row.rtld_global => RtldGlobal,
        row.link_namespaces => LinkNamespaces,
        row.link_map => LinkMap,
        row.pthread => Pthread,
        row.tcb => Tcb,
        row.dtv_pointer => DtvPointer,
        row.dtv_slotinfo => DtvSlotinfo,
        row.dtv_slotinfo_list => DtvSlotinfoList,
        row.scope_elem => ScopeElem,
        row.libname => Libname,
        row.list => List,
        row.mutex => Mutex,
        row.cpu_features => CpuFeatures,
        row.cpu_basic => CpuBasic,
        row.cpuid_feature => CpuidFeature,
    };
    all
}

#[test]
fn a_row_comes_out_of_the_pack_as_it_went_in() {
    for (layout, (source, _)) in layouts().iter().zip(pack::SOURCES) {
        assert_eq!(**layout, source.structures, "{}", layout.row);
        assert_eq!(layout.imports(), source.imports, "{}", layout.row);
        let tunables = (0..source.tunables.len()).map(|id| layout.tunable(id).copied().unwrap());
        assert!(tunables.eq(source.tunables.iter().copied()), "{}", layout.row);
        assert_eq!(layout.tunable(source.tunables.len()), None);
    }
}

#[test]
fn most_rows_cost_a_fraction_of_their_words() {
    assert!(pack::size() < ALL.len() * 100, "{} bytes", pack::size());
}

#[test]
fn a_package_agrees_with_upstreams_facts() {
    for package in layouts().iter().filter(|layout| layout.row.build_id().is_some()) {
        let alike = layouts()
            .into_iter()
            .filter(|other| other.row.build_id().is_none() && other.same_interface(package));
        assert_eq!(alike.count(), 1, "{}", package.row);
    }
}

#[test]
fn a_row_says_what_it_was_made_from() {
    let names: Vec<_> = ALL.iter().map(ToString::to_string).collect();
    for name in [
        "Debian GLIBC 2.36-9+deb12u14",
        "upstream glibc 2.36",
        "upstream glibc 2.36, state 4 of its branch",
    ] {
        assert_eq!(names.iter().filter(|known| *known == name).count(), 1, "{name}");
    }
    assert_eq!(
        Layout::newest().row.release,
        ALL.iter().map(|row| row.release).max().unwrap()
    );
}

#[test]
fn members_lie_inside_their_structure_and_do_not_overlap() {
    for row in layouts() {
        for (structure, size, members) in records(&row) {
            let mut owner: BTreeMap<usize, &str> = BTreeMap::new();
            for (name, place) in members {
                let (first, end) = match place {
                    Place::Absent => continue,
                    Place::Bytes(member) => (member.offset() * 8, (member.offset() + member.size()) * 8),
                    Place::Bits(bits) => {
                        assert!(bits.bit() + bits.width() <= 8 && bits.width() > 0);
                        let first = bits.offset() * 8 + usize::from(bits.bit());
                        (first, first + usize::from(bits.width()))
                    }
                };
                assert!(end <= size * 8, "{}: {structure}.{name}", row.row);
                for bit in first..end {
                    let before = owner.insert(bit, name);
                    assert_eq!(before, None, "{}: {structure}.{name}", row.row);
                }
            }
        }
    }
}

#[test]
fn embedded_structures_fit_their_members() {
    for row in layouts() {
        assert_eq!(row.rtld_global_ro.dl_x86_cpu_features.size(), row.cpu_features.size());
        assert_eq!(row.rtld_global.dl_ns.size() % row.link_namespaces.size(), 0);
        assert_eq!(row.link_map.l_info.size(), row.info.len as usize * 8);
        assert_eq!(row.link_map.l_searchlist.size(), row.scope_elem.size());
        assert_eq!(row.rtld_global.dl_load_lock.size(), row.mutex.size());
        assert_eq!(row.pthread.list.size(), row.list.size());
        assert_eq!(row.cpu_features.basic.size(), row.cpu_basic.size());
        assert!(row.tcb.size() <= row.pthread.list.offset());
        if let Some(features) = row.cpu_features.features {
            assert_eq!(features.size(), row.cpuid_feature.size() * row.cpuid_leaves as usize);
        }
    }
}

#[test]
fn lists_that_are_searched_are_sorted_or_unique() {
    for row in layouts() {
        assert!(row.imports().iter().is_sorted_by_key(|name| name.to_string()));
        assert!(row.descriptors().is_sorted_by_key(|(name, _)| name.to_string()));
        for id in 0..64 {
            if let Some(tunable) = row.tunable(id) {
                assert_eq!(row.tunable_id(tunable.word), Some(id));
            }
        }
    }
}

#[test]
fn descriptors_say_what_the_structures_say() {
    for row in layouts() {
        let found = |wanted: &str| {
            row.descriptors()
                .find(|(name, _)| name.is(wanted.as_bytes()))
                .map(|found| found.1)
        };
        if row.row.release < ThreadDb::SINCE {
            // The descriptors are no exports, and libpthread.so.0 has them.
            assert_eq!(row.descriptors().count(), 0);
            continue;
        }
        let field = |name: &str, member: Member, plus: usize| match found(name) {
            Some(Descriptor::Field { offset, .. }) => assert_eq!(offset as usize, member.offset() + plus),
            other => panic!("{name}: {other:?}"),
        };
        field("pthread_list", row.pthread.list, 0);
        field("pthread_tid", row.pthread.tid, 0);
        field("pthread_schedpolicy", row.pthread.schedparam, 4);
        field("link_map_l_tls_modid", row.link_map.l_tls_modid, 0);
        field("rtld_global__dl_stack_used", row.rtld_global.dl_stack_used.unwrap(), 0);
        let size = u32::try_from(row.pthread.size()).unwrap();
        assert_eq!(found("sizeof_pthread"), Some(Descriptor::Value(size)));
        assert_eq!(found("const_thread_area"), Some(Descriptor::Value(25)));
    }
}

#[test]
fn witnesses_lie_inside_their_object() {
    for row in layouts() {
        assert!(row.witnesses().count() >= 16, "{}", row.row);
        for witness in row.witnesses() {
            let size = match witness.object {
                Object::RtldGlobal => row.rtld_global.size(),
                Object::RtldGlobalRo => row.rtld_global_ro.size(),
            };
            assert!((witness.displacement as usize) < size, "{witness}");
        }
    }
}

#[test]
fn a_word_is_a_whole_line() {
    for name in NAMES.lines() {
        let parts = [Word::new(name).part(0), Word::new(name).part(1)];
        for (packed, part) in parts.into_iter().zip(name.split(' ')) {
            assert!(packed.is(part.as_bytes()), "{name}");
        }
    }
    assert!(NAMES.lines().is_sorted_by(|left, right| left < right));
    let rseq = Tunable::new("pthread.rseq", TunableKind::Int32, (0, 1), 1);
    assert!(rseq.is_called(b"glibc.pthread.rseq"));
    for other in [&b"glibc.pthread.rseq_"[..], b"pthread.rseq", b"glibc.", b""] {
        assert!(!rseq.is_called(other) && !rseq.is_variable(other));
    }
    let check = Tunable::new("malloc.check MALLOC_CHECK_", TunableKind::Int32, (0, 3), 0);
    assert!(check.is_called(b"glibc.malloc.check") && check.is_variable(b"MALLOC_CHECK_"));
    assert!(!check.is_called(b"glibc.malloc.check MALLOC_CHECK_") && !check.is_variable(b"malloc.check"));
}

#[test]
fn bounds_of_tunables_admit_a_value() {
    for row in layouts() {
        for tunable in (0..64).filter_map(|id| row.tunable(id)) {
            let ordered = match tunable.kind {
                TunableKind::Int32 => tunable.min <= tunable.max,
                _ => tunable.min() <= tunable.max(),
            };
            assert!(ordered, "{}", tunable.word.text());
        }
    }
}

#[test]
fn a_dynamic_tag_has_the_index_that_glibc_gives_it() {
    let row = layouts().into_iter().find(|row| row.row.release == 36).unwrap();
    // elf.h: DT_DEBUG, DT_RELR, DT_VERSYM, DT_FILTER, DT_AUXILIARY, DT_FLAGS_1, DT_FEATURE_1, DT_GNU_HASH.
    for (tag, index) in [
        (21, 21),
        (36, 36),
        (0x6fff_fff0, 53),
        (0x7fff_ffff, 54),
        (0x7fff_fffd, 56),
        (0x6fff_fffb, 42),
        (0x6fff_fdfc, 60),
        (0x6fff_fef5, 79),
    ] {
        assert_eq!(row.info_index(tag), Some(index), "{tag:#x}");
    }
    for unrecorded in [38, 0x6000_000d, 0x6fff_ffef, 0x7000_0000, u64::MAX] {
        assert_eq!(row.info_index(unrecorded), None, "{unrecorded:#x}");
    }
}

#[test]
fn the_index_of_a_tag_is_its_own() {
    let ranges = [0..64, 0x6fff_fd00..0x7000_0010, 0x7fff_fff0..0x8000_0000];
    for row in layouts() {
        let mut taken = BTreeMap::new();
        for tag in ranges.iter().cloned().flatten() {
            if let Some(index) = row.info_index(tag) {
                assert!(index < row.info.len as usize);
                assert_eq!(taken.insert(index, tag), None);
            }
        }
        let ordinary = row.info.ordinary + row.info.processor;
        assert_eq!(row.info.len as usize, ordinary as usize + InfoTable::RANGED);
    }
}

#[test]
fn the_rules_for_caches_follow_from_the_members() {
    for row in layouts() {
        let expected = match row.row.release {
            ..=32 => CacheRules::Libcs,
            33..=37 => CacheRules::Plain,
            _ => CacheRules::Complex,
        };
        assert_eq!(row.cache_rules(), expected, "{}", row.row);
    }
}

#[test]
fn lists_of_threads_are_the_loaders_where_libpthread_does_not_make_them() {
    for row in layouts() {
        let at = &row.rtld_global;
        assert_eq!(at.dl_stack_user.is_some(), row.row.release >= 33, "{}", row.row);
        // A libpthread before 2.34 is told of its locks, and leaves the function that fills blocks of new modules.
        for function in [
            at.dl_rtld_lock_recursive,
            at.dl_rtld_unlock_recursive,
            at.dl_init_static_tls,
        ] {
            assert_eq!(function.is_some(), row.row.release < 34, "{}", row.row);
        }
        assert_eq!(
            row.rtld_global_ro.dl_dlfcn_hook.is_some(),
            row.row.release >= 34,
            "{}",
            row.row
        );
    }
}

#[test]
fn a_bit_field_changes_only_its_bits() {
    let field = Bits::new(0, 3, 2);
    assert_eq!(field.insert(0b1111_1111, 0b01), 0b1110_1111);
    assert_eq!(field.insert(0, 0b111), 0b0001_1000);
    assert_eq!(Bits::new(0, 0, 8).insert(0x55, 0xaa), 0xaa);
}

#[test]
fn a_descriptor_is_one_or_three_words() {
    assert_eq!(Descriptor::from_bytes(&[2, 1, 0, 0]), Some(Descriptor::Value(0x102)));
    let field = Descriptor::Field {
        bits: 64,
        count: 1,
        offset: 8,
    };
    assert_eq!(
        Descriptor::from_bytes(&[64, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0]),
        Some(field)
    );
    assert_eq!(Descriptor::from_bytes(&[0; 5]), None);
    assert_eq!(Descriptor::from_bytes(&[]), None);
}

#[test]
fn an_interface_is_structures_and_tunables() {
    let all = layouts();
    for (index, left) in all.iter().enumerate() {
        for (other, right) in all.iter().enumerate() {
            let tunables = |layout: &Layout| {
                let known = (0..64).map_while(|id| layout.tunable(id));
                known
                    .map(|tunable| (tunable.word, tunable.kind, tunable.default()))
                    .collect::<Vec<_>>()
            };
            let equal = **left == **right && left.row.release == right.row.release && tunables(left) == tunables(right);
            assert_eq!(left.same_interface(right), equal, "{} and {}", left.row, right.row);
            assert!(index != other || equal);
        }
    }
}

#[test]
fn each_variable_that_sets_a_tunable_is_looked_at() {
    let all: Vec<&'static Layout> = ALL.iter().map(|row| &*Box::leak(Layout::of(row))).collect();
    let variables: Vec<_> = NAMES.lines().filter_map(|name| name.split_once(' ')).collect();
    assert!(variables.len() > 5);
    for (name, variable) in variables {
        let first = variable.as_bytes().first_chunk().copied();
        assert!(first.is_some_and(crate::process::may_matter), "{variable}");
        // A number that is in the range of each of them.
        let entry = alloc::format!("{variable}=1");
        let is_set = |layout: &&'static Layout| {
            let tunables = Tunables::from_environment(layout.tunables(), [entry.as_bytes()].into_iter(), false);
            (0..layout.tunables().picks.len()).any(|id| tunables.get(id).1)
        };
        assert!(all.iter().any(is_set), "{name}");
    }
}
