//! Every row is a possible description of memory.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::*;

/// C name, size and members of a record.
type Record = (&'static str, usize, Vec<(&'static str, Place)>);

fn layouts() -> Vec<Layout> {
    ALL.iter().map(Layout::of).collect()
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
fn structures_come_out_of_a_row_as_they_went_in() {
    let stated = [
        v2_31_debian11::STRUCTURES,
        v2_36_debian12::STRUCTURES,
        v2_41_debian13::STRUCTURES,
        v2_43_debian::STRUCTURES,
    ];
    assert_eq!(stated.len(), ALL.len());
    for (row, stated) in ALL.iter().zip(stated) {
        assert_eq!(*Layout::of(row), stated, "{}", row.origin);
    }
}

#[test]
fn a_packed_row_is_a_fraction_of_its_words() {
    assert!(PACKED.len() * 2 < ALL.len() * WORDS * 4);
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
                assert!(end <= size * 8, "{}: {structure}.{name}", row.row.origin);
                for bit in first..end {
                    let before = owner.insert(bit, name);
                    assert_eq!(before, None, "{}: {structure}.{name}", row.row.origin);
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
        assert!(row.row.imports.is_sorted_by_key(|name| name.text()));
        assert!(
            row.row
                .thread_db
                .iter()
                .is_sorted_by_key(|descriptor| descriptor.name.text())
        );
        for (id, tunable) in row.row.tunables.iter().enumerate() {
            assert_eq!(row.tunable(tunable.word), Some(id));
        }
    }
}

#[test]
fn libcs_own_descriptors_agree_with_the_structures() {
    // Up to 2.33 the descriptors are no exports, and libpthread.so.0 has them.
    for row in layouts()
        .iter()
        .filter(|row| row.rtld_global_ro.dl_dlfcn_hook.is_some())
    {
        let find = |name: &str| {
            let found = row
                .row
                .thread_db
                .iter()
                .find(|descriptor| descriptor.name.text() == name);
            found.map(ThreadDb::content)
        };
        let field = |name: &str, member: Member| match find(name) {
            Some(Descriptor::Field { offset, .. }) => assert_eq!(offset as usize, member.offset()),
            other => panic!("{name}: {other:?}"),
        };
        field("pthread_list", row.pthread.list);
        field("pthread_tid", row.pthread.tid);
        field("pthread_specific", row.pthread.specific);
        field("link_map_l_tls_modid", row.link_map.l_tls_modid);
        field("link_map_l_tls_offset", row.link_map.l_tls_offset);
        field(
            "rtld_global__dl_tls_dtv_slotinfo_list",
            row.rtld_global.dl_tls_dtv_slotinfo_list,
        );
        let Some(Descriptor::Value(size)) = find("sizeof_pthread") else {
            panic!("no size of struct pthread");
        };
        assert_eq!(size as usize, row.pthread.size());
    }
}

#[test]
fn witnesses_lie_inside_their_object() {
    for row in layouts() {
        assert!(row.row.witnesses.len() >= 8, "{}", row.row.origin);
        for witness in row.row.witnesses {
            let size = match witness.object {
                Object::RtldGlobal => row.rtld_global.size(),
                Object::RtldGlobalRo => row.rtld_global_ro.size(),
            };
            assert!(usize::from(witness.displacement) < size, "{witness:?}");
        }
    }
}

#[test]
fn a_word_is_a_whole_line() {
    for name in NAMES.lines() {
        assert_eq!(Word::new(name).text(), name);
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
        for tunable in row.row.tunables.iter() {
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
    let row = layouts().into_iter().find(|row| row.row.release == "2.36").unwrap();
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
fn equal_digests_mean_equal_interfaces() {
    for left in &layouts() {
        for right in &layouts() {
            let equal = records(left) == records(right)
                && left.row.release == right.row.release
                && left.info == right.info
                && left.cpuid_leaves == right.cpuid_leaves
                && left.preferred == right.preferred
                && left.row.tunables == right.row.tunables;
            assert_eq!(
                left.row.same_interface(right.row),
                equal,
                "{} and {}",
                left.row.origin,
                right.row.origin
            );
        }
    }
}
