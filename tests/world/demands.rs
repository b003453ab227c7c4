//! What a file demands beyond its header: a kernel, a CPU, one libc, abilities of the loader; and what is unusual, told, and loaded.

use forge::{Forged, Module, SegmentField, TEXT};
use lode::elf::note::LevelFeatures;
use lode::error::{Error, KernelVersion, Kind, Rejected};
use lode::event::Interest;

use crate::stand::{Stand, error};

const A: &str = "/lib/liba.so";
const PT_NOTE: u64 = 4;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PT_GNU_PROPERTY: u64 = 0x6474_e553;

/// A library with a note, in place of PT_GNU_STACK.
fn with_note(segment: u64, kind: u32, content: [u32; 4]) -> Forged {
    let mut library = Module::library("liba.so");
    let head = [4, 16, kind, u32::from_le_bytes(*b"GNU\0")];
    let words: Vec<u8> = head.into_iter().chain(content).flat_map(u32::to_le_bytes).collect();
    assert_eq!(library.text(&words), TEXT);
    let mut forged = library.forge();
    let index = forged.segment_of(PT_GNU_STACK).unwrap();
    forged
        .set_segment(index, SegmentField::Type, segment)
        .set_segment(index, SegmentField::Vaddr, TEXT)
        .set_segment(index, SegmentField::Memsz, 32)
        .set_segment(index, SegmentField::Filesz, 32);
    forged
}

/// A process whose program needs one library.
fn stand(library: &Forged) -> Stand {
    let mut program = Module::program("");
    program.needed("liba.so");
    let mut stand = Stand::new(&program);
    stand.host.add(A, library.bytes.clone());
    stand
}

/// Why the only candidate of a search was passed over.
fn passed_over(error: &Error) -> &Kind {
    let Kind::Missing { tried, .. } = &error.kind else {
        panic!("{error:?}")
    };
    let why = tried.iter().find(|tried| tried.path.bytes() == A.as_bytes());
    match &why.unwrap().why {
        Rejected::Unfit(kind) => kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_kernel_that_is_too_old_is_named_and_an_old_demand_asks_nobody() {
    let here = KernelVersion(4 << 40 | 11 << 20 | 7);
    for (demand, is_met) in [
        ([4, 11, 7], true),
        ([4, 11, 8], false),
        ([4, 12, 0], false),
        ([5, 0, 0], false),
        ([3, 99, 99], true),
    ] {
        let [major, minor, patch] = demand;
        let mut stand = stand(&with_note(PT_NOTE, 1, [0, major, minor, patch]));
        stand.host.kernel = here;
        match stand.start() {
            Ok(_) => assert!(is_met, "{demand:?}"),
            Err(error) => {
                assert!(!is_met, "{demand:?}: {error}");
                assert!(matches!(passed_over(&error), Kind::KernelTooOld { have, .. } if *have == here));
            }
        }
    }
    // Every glibc that lode starts needs 3.2, so that demand is met without a look.
    let mut stand = stand(&with_note(PT_NOTE, 1, [0, 3, 2, 0]));
    stand.host.kernel = KernelVersion(0);
    stand.start().unwrap();
}

#[test]
fn a_file_for_another_system_is_passed_over() {
    let mut stand = stand(&with_note(PT_NOTE, 1, [3, 0, 0, 0]));
    let error = error(stand.start());
    assert_eq!(passed_over(&error), &Kind::WrongSystem(3));
}

#[test]
fn the_features_that_a_cpu_lacks_are_named() {
    const ISA_1_NEEDED: u32 = 0xc000_8002;
    let mut stand = stand(&with_note(PT_GNU_PROPERTY, 5, [ISA_1_NEEDED, 4, 0b111, 0]));
    // POPCNT, AVX2, FMA, and AVX512F, which the file does not need.
    stand.host.cpu_lacks = LevelFeatures(1 << 8 | 1 << 14 | 1 << 18 | 1 << 21);
    let error = error(stand.start());
    let text = error.report(b"main").to_string();
    assert!(
        text.contains("    the file needs x86-64-v3; this CPU has x86-64-v1 and lacks POPCNT AVX2 FMA\n"),
        "{text}"
    );
}

#[test]
fn what_is_unknown_and_changes_nothing_is_told_and_loaded() {
    let mut library = Module::library("liba.so");
    library
        .tag(40, 1)
        .tag(0x6000_1234, 2)
        .tag(0x7000_0001, 3)
        .tag(30, 1 << 40)
        .tag(0x6fff_fffb, 1 << 41 | 1);
    let mut forged = library.forge();
    let index = forged.segment_of(PT_GNU_STACK).unwrap();
    forged.set_segment(index, SegmentField::Type, 0x6fff_1234);
    let mut stand = stand(&forged);
    stand.interest = Interest::FILES;
    stand.start().unwrap();
    let told: Vec<String> = stand
        .events()
        .into_iter()
        .filter(|line| line.contains("unknown"))
        .collect();
    assert_eq!(
        told,
        [
            "/lib/liba.so: unknown dynamic tag 0x28",
            "/lib/liba.so: unknown dynamic tag 0x60001234",
            "/lib/liba.so: unknown type of segment 0x6fff1234",
            "/lib/liba.so: unknown bits in DT_FLAGS 0x10000000000",
            "/lib/liba.so: unknown bits in DT_FLAGS_1 0x20000000000",
        ]
    );
}

#[test]
fn a_packed_file_that_does_not_say_so_is_told() {
    let mut libc = Module::library("libc.so.6");
    libc.define_version("GLIBC_2.2.5");
    for is_marked in [true, false] {
        let mut program = Module::program("");
        let word = program.data(&[0; 8]);
        program.needed("libc.so.6").relr(word);
        program.need_version("libc.so.6", "GLIBC_2.2.5", false);
        if is_marked {
            program.need_version("libc.so.6", "GLIBC_ABI_DT_RELR", false);
        }
        let mut stand = Stand::new(&program);
        stand.add("/lib/libc.so.6", &libc);
        stand.interest = Interest::VERSIONS;
        stand.start().unwrap();
        let told = stand.events().iter().any(|line| line.contains("DT_RELR without"));
        assert_eq!(told, !is_marked);
    }
}
