//! What each relocation type stores, in which form of table, and what is refused.
//!
//! In the formulas of the psABI: S is the symbol's address, A the addend, P the place, B the load bias, Z the symbol's size.

use forge::{Binding, DATA, Kind, Module, RELRO, TEXT};
use lode::error::{Code, Error, Rule};

use crate::stand::{ENTRIES, PROGRAM, Stand, error, memory, rule};
use memory::ANSWER;

const NONE: u32 = 0;
const R_64: u32 = 1;
const PC32: u32 = 2;
const PLT32: u32 = 4;
const GLOB_DAT: u32 = 6;
const JUMP_SLOT: u32 = 7;
const RELATIVE: u32 = 8;
const R_32: u32 = 10;
const R_32S: u32 = 11;
const DTPMOD64: u32 = 16;
const DTPOFF64: u32 = 17;
const TPOFF64: u32 = 18;
const PC64: u32 = 24;
const SIZE32: u32 = 32;
const SIZE64: u32 = 33;
const TLSDESC: u32 = 36;
const IRELATIVE: u32 = 37;
const RELATIVE64: u32 = 38;

const DT_RELASZ: u64 = 8;
const DT_RELRENT: u64 = 37;
const DT_RELACOUNT: u64 = 0x6fff_fff9;

const A: &str = "/lib/liba.so";

/// Low enough that words of 32 bits reach every module.
const LOW: u64 = 0x1000_0000;

/// The numbers of a formula.
struct Numbers {
    s: u64,
    a: u64,
    p: u64,
    b: u64,
    z: u64,
}

/// A type, its width in bytes, and its formula.
type Formula = (u32, u64, fn(&Numbers) -> u64);

const FORMULAS: &[Formula] = &[
    (R_64, 8, |n| n.s + n.a),
    (PC32, 4, |n| (n.s + n.a).wrapping_sub(n.p)),
    (PLT32, 4, |n| (n.s + n.a).wrapping_sub(n.p)),
    (GLOB_DAT, 8, |n| n.s),
    (JUMP_SLOT, 8, |n| n.s),
    (RELATIVE, 8, |n| n.b + n.a),
    (R_32, 4, |n| n.s + n.a),
    (R_32S, 4, |n| n.s + n.a),
    (PC64, 8, |n| (n.s + n.a).wrapping_sub(n.p)),
    (SIZE32, 4, |n| n.z + n.a),
    (SIZE64, 8, |n| n.z + n.a),
    (IRELATIVE, 8, |n| n.b + n.a + ANSWER),
    (RELATIVE64, 8, |n| n.b + n.a),
];

/// The addend that `kind` is tested with: an address where the type wants one.
fn addend(kind: u32) -> u64 {
    match kind {
        RELATIVE | RELATIVE64 | IRELATIVE => TEXT + 0x20,
        _ => 0x30,
    }
}

/// Whether the type is applied without a symbol.
fn is_without_symbol(kind: u32) -> bool {
    matches!(kind, RELATIVE | RELATIVE64 | IRELATIVE)
}

/// Where the table of a relocation stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Rela,
    Rel,
    RelaOfPlt,
    RelOfPlt,
}

const FORMS: [Form; 4] = [Form::Rela, Form::Rel, Form::RelaOfPlt, Form::RelOfPlt];

/// A program with one relocation per type, at odd places, against the library's `target`. What lies around each place
/// must stay as it is.
fn program_of_all(form: Form, kinds: &[(u32, u64)]) -> (Module, Vec<u64>) {
    let mut program = Module::program("");
    program.needed("liba.so");
    program.text(&[0xc3; 64]);
    let target = program.undefined("target", Binding::Global);
    let mut places = Vec::new();
    for (kind, width) in kinds {
        let symbol = (!is_without_symbol(*kind)).then_some(target);
        let mut bytes = [0xee; 16];
        let in_place = matches!(form, Form::Rel | Form::RelOfPlt);
        let content = if in_place { addend(*kind) } else { 0x5555_5555_5555_5555 };
        let width = *width as usize;
        bytes[3..3 + width].copy_from_slice(&content.to_le_bytes()[..width]);
        let place = program.data(&bytes) + 3;
        match form {
            Form::Rela => program.relocation(place, *kind, symbol, addend(*kind) as i64),
            Form::RelaOfPlt => program.slot(place, *kind, symbol, addend(*kind) as i64),
            Form::Rel => program.implicit_relocation(place, *kind, symbol),
            Form::RelOfPlt => program.implicit_slot(place, *kind, symbol),
        };
        places.push(place);
    }
    (program, places)
}

fn library_with_target() -> (Module, u64) {
    let mut a = Module::library("liba.so");
    a.text(&[0xc3; 32]);
    let place = a.text(&[0xc3; 8]);
    a.define("target", Binding::Global, Kind::Function, place, 0x123);
    (a, place)
}

#[test]
fn each_type_stores_what_the_psabi_says_in_every_form_of_table_at_unaligned_places() {
    let kinds: Vec<(u32, u64)> = FORMULAS.iter().map(|(kind, width, _)| (*kind, *width)).collect();
    let mut results = Vec::new();
    for form in FORMS {
        let (program, places) = program_of_all(form, &kinds);
        let (a, target) = library_with_target();
        let mut stand = Stand::new(&program);
        stand.add(A, &a);
        stand.host.place_next(LOW);
        stand.start().unwrap();
        for ((kind, width, formula), place) in FORMULAS.iter().zip(&places) {
            let expected = formula(&Numbers {
                s: stand.at(A, target),
                a: addend(*kind),
                p: stand.at(PROGRAM, *place),
                b: stand.at(PROGRAM, 0),
                z: 0x123,
            });
            let bytes = stand
                .module(PROGRAM)
                .image
                .copy(lode::elf::Vaddr(place - 3), 16)
                .unwrap();
            let width = *width as usize;
            let mut wanted = [0xee; 16];
            wanted[3..3 + width].copy_from_slice(&expected.to_le_bytes()[..width]);
            assert_eq!(bytes, wanted, "type {kind} in {form:?}");
        }
        let first = places[0];
        let last = places[places.len() - 1];
        let length = (last - first) as usize + 8;
        results.push(
            stand
                .module(PROGRAM)
                .image
                .copy(lode::elf::Vaddr(first), length)
                .unwrap(),
        );
    }
    assert!(results.iter().all(|memory| *memory == results[0]));
}

#[test]
fn negative_distances_and_addends_are_signed() {
    let mut a = Module::library("liba.so");
    let place = a.data(&[0xff; 32]);
    let near = a.define("near", Binding::Global, Kind::Object, place, 8);
    let top = a.define_absolute("top", 0xffff_ffff_8000_0000);
    a.relocation(place, PC32, Some(near), -0x8000_0000);
    a.relocation(place + 4, R_32S, Some(top), 0);
    a.relocation(place + 8, R_32, Some(top), 0x8000_0000);
    a.relocation(place + 16, R_64, Some(near), -0x10);
    let mut main = Module::program("");
    main.needed("liba.so");
    let mut stand = Stand::new(&main);
    stand.add(A, &a);
    stand.start().unwrap();
    assert_eq!(stand.half(A, place), 0x8000_0000);
    assert_eq!(stand.half(A, place + 4), 0x8000_0000);
    assert_eq!(stand.half(A, place + 8), 0);
    assert_eq!(stand.word(A, place + 16), stand.at(A, place - 0x10));
}

/// The error of a library with one relocation at its only word.
fn refused(kind: u32, place: u64, addend: i64, symbol: Option<&str>) -> Box<Error> {
    let mut a = Module::library("liba.so");
    a.text(&[0xc3; 16]);
    a.data(&[0; 16]);
    a.relro(&[0; 16]);
    let symbol = symbol.map(|name| a.define_absolute(name, 0x1_0000_0000));
    a.relocation(place, kind, symbol, addend);
    let mut main = Module::program("");
    main.needed("liba.so");
    let mut stand = Stand::new(&main);
    stand.add(A, &a);
    error(stand.start())
}

#[test]
fn a_value_that_does_not_fit_32_bits_is_refused_with_the_value() {
    for (kind, name, value) in [
        (R_32, "R_X86_64_32", "0x100000000"),
        (R_32S, "R_X86_64_32S", "0x100000000"),
        // The distance: S + A - P, where P is DATA in the second module.
        (PC32, "R_X86_64_PC32", "0xffff810200d00000"),
        (PLT32, "R_X86_64_PLT32", "0xffff810200d00000"),
    ] {
        let error = refused(kind, DATA, 0, Some("far"));
        let value = match kind {
            PC32 | PLT32 => {
                let place = crate::stand::BASE + 0x100_0000 + DATA;
                format!("{:#x}", 0x1_0000_0000u64.wrapping_sub(place))
            }
            _ => value.to_owned(),
        };
        assert_eq!(
            error.to_string(),
            format!("/lib/liba.so: Symbol `far' causes overflow in {name} relocation")
        );
        let text = error.report(b"program").to_string();
        assert!(
            text.contains(&format!("  the value {value} at {DATA:#x} does not fit into its field")),
            "{text}"
        );
        assert_eq!(error.kind.code(), Code(324));
    }
    // One less fits the unsigned field, but not the signed one.
    let signed = refused(R_32S, DATA, -0x8000_0000, Some("far"));
    assert!(
        signed
            .report(b"program")
            .to_string()
            .contains("the value 0x80000000 at 0x300000 does not fit"),
        "{signed}"
    );
}

#[test]
fn the_largest_values_fit() {
    let mut a = Module::library("liba.so");
    let place = a.data(&[0; 16]);
    let symbol = a.define_absolute("far", 0x1_0000_0000);
    a.relocation(place, R_32, Some(symbol), -1);
    a.relocation(place + 4, R_32S, Some(symbol), -0x8000_0001);
    a.relocation(place + 8, SIZE32, Some(symbol), 0xffff_ffff);
    let mut main = Module::program("");
    main.needed("liba.so");
    let mut stand = Stand::new(&main);
    stand.add(A, &a);
    stand.start().unwrap();
    assert_eq!(stand.half(A, place), u32::MAX);
    assert_eq!(stand.half(A, place + 4), 0x7fff_ffff);
    assert_eq!(stand.half(A, place + 8), u32::MAX);
    let error = refused(SIZE32, DATA, 0x1_0000_0000, Some("far"));
    assert!(error.to_string().contains("R_X86_64_SIZE32"), "{error}");
}

#[test]
fn none_is_skipped_whatever_else_it_says() {
    let mut main = Module::program("");
    let place = main.data(&[0x11; 8]);
    main.relocation(place, NONE, None, 0x7777);
    main.relocation(u64::MAX - 3, NONE, None, -1);
    main.relocation(TEXT, NONE, None, 0);
    main.implicit_relocation(0xdead_beef_0000, NONE, None);
    main.slot(0xdead_beef_0000, NONE, None, 5);
    // A symbol number far outside of the table.
    let symbol = main.undefined("absent", Binding::Global);
    main.relocation(place, NONE, Some(symbol), 0);
    let mut forged = main.forge();
    let rela = forged.dynamic(7).unwrap() as usize;
    forged.set(rela + 8, 8, 0xffff_fffe << 32);
    let mut stand = Stand::new(&main);
    stand.host.add(PROGRAM, forged.bytes);
    stand.start().unwrap();
    assert_eq!(stand.word(PROGRAM, place), 0x1111_1111_1111_1111);
}

#[test]
fn an_unknown_type_is_named_with_object_symbol_and_offset() {
    let error = refused(99, DATA, 0, Some("thing"));
    assert_eq!(
        error.to_string(),
        format!("/lib/liba.so: unexpected reloc type 0x63 at {DATA:#x} against `thing'")
    );
    let error = refused(3, DATA + 8, 0, None);
    assert_eq!(
        error.to_string(),
        format!("/lib/liba.so: unexpected reloc type 0x03 at {:#x}", DATA + 8)
    );
}

#[test]
fn a_target_in_a_read_only_segment_is_refused_by_name() {
    for kind in [R_64, RELATIVE, PC32, GLOB_DAT, JUMP_SLOT, IRELATIVE, SIZE64] {
        let symbol = (!is_without_symbol(kind)).then_some("far");
        // Text, and the headers.
        for place in [TEXT, 0x40] {
            let error = refused(
                kind,
                place,
                if kind == PC32 { -0x1_0000_0000 } else { TEXT as i64 },
                symbol,
            );
            if kind == PC32 && error.kind.code() == Code(324) {
                continue;
            }
            assert_eq!(rule(&error), Rule::RelocationReadOnly, "type {kind}: {error}");
            assert_eq!(error.culprit.to_string(), A);
        }
    }
}

#[test]
fn a_target_outside_of_the_module_is_refused() {
    for kind in [R_64, RELATIVE, GLOB_DAT, IRELATIVE] {
        let symbol = (!is_without_symbol(kind)).then_some("far");
        for place in [DATA + 0x1_0000, u64::MAX - 3, 0xffff_8000_0000_0000, RELRO - 8] {
            let error = refused(kind, place, TEXT as i64, symbol);
            assert_eq!(
                rule(&error),
                Rule::RelocationOutside,
                "type {kind} at {place:#x}: {error}"
            );
        }
    }
}

#[test]
fn a_target_that_sticks_out_of_its_segment_is_outside() {
    // The data are 16 bytes.
    let error = refused(R_64, DATA + 12, 0, Some("far"));
    assert_eq!(rule(&error), Rule::RelocationOutside, "{error}");
}

#[test]
fn a_symbol_index_outside_the_table_is_refused() {
    let mut main = Module::program("");
    let place = main.data(&[0; 8]);
    let symbol = main.undefined("absent", Binding::Weak);
    main.relocation(place, R_64, Some(symbol), 0);
    let mut forged = main.forge();
    let rela = forged.dynamic(7).unwrap() as usize;
    forged.set(rela + 8, 8, 0x00ff_fffe << 32 | u64::from(R_64));
    let mut stand = Stand::new(&main);
    stand.host.add(PROGRAM, forged.bytes);
    assert_eq!(rule(&error(stand.start())), Rule::SymbolIndex);
}

/// A program with a RELATIVE word, an IRELATIVE slot and a JUMP_SLOT, whose DT_RELASZ counts the PLT's entries too.
fn with_plt_in_relasz(implicit: bool, plain: bool) -> (forge::Forged, [u64; 3]) {
    let mut main = Module::program("");
    let text = main.text(&[0xc3; 32]);
    let relative = main.data(&0x40u64.to_le_bytes());
    let resolved = main.data(&(text + 2).to_le_bytes());
    let bound = main.data(&[0; 8]);
    let symbol = main.define("f", Binding::Global, Kind::Function, text, 1);
    if implicit {
        if plain {
            main.implicit_relocation(relative, RELATIVE, None);
        }
        main.implicit_slot(resolved, IRELATIVE, None)
            .implicit_slot(bound, JUMP_SLOT, Some(symbol));
    } else {
        if plain {
            main.relocation(relative, RELATIVE, None, 0x40);
        }
        main.slot(resolved, IRELATIVE, None, text as i64 + 2)
            .slot(bound, JUMP_SLOT, Some(symbol), 0);
    }
    let (table, size, entry) = if implicit { (17, 18, 16) } else { (7, DT_RELASZ, 24) };
    if !plain {
        // Only the PLT's relocations: both tags name one table. The values are set below.
        main.tag(table, 0)
            .tag(size, 0)
            .tag(if implicit { 19 } else { 9 }, entry);
    }
    let mut forged = main.forge();
    let plt = (forged.dynamic(23).unwrap(), forged.dynamic(2).unwrap());
    if plain {
        let start = forged.dynamic(table).unwrap();
        assert_eq!(start + entry, plt.0, "the tables touch");
        forged.set_dynamic(size, entry + plt.1);
    } else {
        forged.set_dynamic(table, plt.0).set_dynamic(size, plt.1);
    }
    (forged, [relative, resolved, bound])
}

#[test]
fn a_table_size_that_counts_the_plt_s_entries_applies_them_once() {
    for implicit in [false, true] {
        for plain in [true, false] {
            let (forged, [relative, resolved, bound]) = with_plt_in_relasz(implicit, plain);
            let mut stand = Stand::new(&Module::program(""));
            stand.host.add(PROGRAM, forged.bytes);
            let ready = stand.start().unwrap();
            let case = format!("implicit: {implicit}, plain: {plain}");
            let moved = if plain { stand.at(PROGRAM, 0x40) } else { 0x40 };
            assert_eq!(stand.word(PROGRAM, relative), moved, "{case}");
            assert_eq!(
                stand.word(PROGRAM, resolved),
                stand.at(PROGRAM, TEXT + 2) + ANSWER,
                "{case}"
            );
            assert_eq!(stand.word(PROGRAM, bound), stand.at(PROGRAM, TEXT), "{case}");
            assert_eq!(stand.host.resolved.borrow().len(), 1, "{case}");
            assert_eq!(ready.statistics.resolvers, 1, "{case}");
            assert_eq!(ready.statistics.symbolic, 1, "{case}");
        }
    }
}

#[test]
fn relr_moves_exactly_the_words_of_its_stream() {
    // Even: a place. Odd: a bitmap of the 63 words behind it.
    let streams: [(&[u64], &[u64]); 5] = [
        (&[DATA], &[0]),
        (&[DATA, 0b1011], &[0, 1, 3]),
        (&[DATA + 8, u64::MAX], &(1..=64).collect::<Vec<_>>()),
        (&[DATA, 1 << 63 | 1, 0b11, DATA + 8 * 190], &[0, 63, 64, 190]),
        (&[DATA, 1, 1, 0b101], &[0, 128]),
    ];
    for (stream, words) in streams {
        let mut main = Module::program("");
        let bytes: Vec<u8> = (0..200u64).flat_map(|word| (0x1000 + word).to_le_bytes()).collect();
        let place = main.data(&bytes);
        assert_eq!(place, DATA);
        for word in stream {
            main.relr(*word);
        }
        let mut stand = Stand::new(&main);
        let ready = stand.start().unwrap();
        let bias = stand.at(PROGRAM, 0);
        for word in 0..200 {
            let moved = if words.contains(&word) { bias } else { 0 };
            assert_eq!(
                stand.word(PROGRAM, DATA + 8 * word),
                0x1000 + word + moved,
                "{stream:x?}, word {word}"
            );
        }
        assert_eq!(ready.statistics.relr, words.len() as u64);
    }
}

#[test]
fn relr_under_its_android_tags_is_the_same() {
    let mut main = Module::program("");
    let place = main.data(&0x10u64.to_le_bytes());
    main.relr(place);
    let mut forged = main.forge();
    forged.rename_dynamic(36, 0x6fff_e000);
    forged.rename_dynamic(35, 0x6fff_e001);
    forged.rename_dynamic(37, 0x6fff_e003);
    let mut stand = Stand::new(&main);
    stand.host.add(PROGRAM, forged.bytes);
    stand.start().unwrap();
    assert_eq!(stand.word(PROGRAM, place), stand.at(PROGRAM, 0x10));
}

#[test]
fn relr_that_cannot_be_is_refused() {
    let place = DATA;
    for (stream, expected) in [
        (&[1u64, place][..], Rule::RelrBitmapFirst),
        (&[TEXT], Rule::RelrOutside),
        (&[place, u64::MAX], Rule::RelrOutside),
        (&[place + 0x10_0000], Rule::RelrOutside),
        (&[place + 4], Rule::RelrOutside),
    ] {
        let mut main = Module::program("");
        main.text(&[0xc3; 16]);
        main.data(&[0; 8]);
        for word in stream {
            main.relr(*word);
        }
        assert_eq!(rule(&error(Stand::new(&main).start())), expected, "{stream:x?}");
    }
    let mut main = Module::program("");
    main.data(&[0; 8]);
    main.relr(DATA);
    let mut forged = main.forge();
    forged.set_dynamic(DT_RELRENT, 4);
    let mut stand = Stand::new(&main);
    stand.host.add(PROGRAM, forged.bytes);
    assert_eq!(rule(&error(stand.start())), Rule::TagEntrySize);
}

#[test]
fn a_count_of_relative_entries_changes_nothing_whatever_it_is() {
    let mut results = Vec::new();
    for count in [None, Some(0), Some(2), Some(3), Some(1000)] {
        let mut main = Module::program("");
        let place = main.data(&[0; 32]);
        let symbol = main.define("here", Binding::Global, Kind::Object, place, 8);
        main.relocation(place, RELATIVE, None, 0x10);
        main.relocation(place + 8, RELATIVE, None, 0x20);
        main.relocation(place + 16, R_64, Some(symbol), 0);
        if let Some(count) = count {
            main.tag(DT_RELACOUNT, count);
        }
        let mut stand = Stand::new(&main);
        match stand.start() {
            Ok(_) => results.push(
                (0..3)
                    .map(|word| stand.word(PROGRAM, place + 8 * word))
                    .collect::<Vec<_>>(),
            ),
            // To refuse a count that lies is right as well.
            Err(error) => assert_eq!(rule(&error), Rule::RelativeCount),
        }
    }
    assert!(results.len() >= 2);
    assert!(results.iter().all(|words| *words == results[0]));
}

/// A program and a library, each with thread-local storage and one word of each kind that names the other's.
#[test]
fn thread_local_words_are_module_numbers_and_distances() {
    for implicit in [false, true] {
        let mut main = Module::program("");
        main.needed("liba.so");
        main.tls(&[1; 8], 8, 16);
        main.define("in_main", Binding::Global, Kind::Tls, 4, 4);
        let mut a = Module::library("liba.so");
        a.tls(&[2; 24], 0, 8);
        let symbol = a.define("in_a", Binding::Global, Kind::Tls, 8, 8);
        let foreign = a.undefined("in_main", Binding::Global);
        let absent = a.undefined("absent", Binding::Weak);
        let mut add = |kind: u32, symbol, addend: u64| {
            let width = if kind == TLSDESC { 16 } else { 8 };
            let mut bytes = vec![0; width];
            if implicit {
                bytes[width - 8..].copy_from_slice(&addend.to_le_bytes());
                let place = a.data(&bytes);
                a.implicit_relocation(place, kind, symbol);
                place
            } else {
                let place = a.data(&bytes);
                a.relocation(place, kind, symbol, addend as i64);
                place
            }
        };
        let module = add(DTPMOD64, Some(symbol), 0);
        let module_of_itself = add(DTPMOD64, None, 0);
        let module_of_main = add(DTPMOD64, Some(foreign), 0);
        let offset = add(DTPOFF64, Some(symbol), 2);
        let distance = add(TPOFF64, Some(symbol), 1);
        let distance_of_main = add(TPOFF64, Some(foreign), 0);
        let distance_of_itself = add(TPOFF64, None, 16);
        let descriptor = add(TLSDESC, Some(symbol), 3);
        let descriptor_of_none = add(TLSDESC, Some(absent), 5);
        let mut stand = Stand::new(&main);
        stand.add(A, &a);
        stand.start().unwrap();
        // Variant II: the program's block ends at the thread pointer; behind it, lode's own words; then the library's.
        let place_of = |path| stand.module(path).tls().unwrap();
        assert_eq!((place_of(PROGRAM).id, place_of(PROGRAM).offset), (1, Some(16)));
        let below = place_of(A).offset.unwrap();
        assert_eq!(place_of(A).id, 2);
        assert!(below >= 16 + 24 && below % 8 == 0, "{below}");
        let minus = |distance: u64| distance.wrapping_neg();
        assert_eq!(stand.word(A, module), 2);
        assert_eq!(stand.word(A, module_of_itself), 2);
        assert_eq!(stand.word(A, module_of_main), 1);
        assert_eq!(stand.word(A, offset), 8 + 2);
        assert_eq!(stand.word(A, distance), minus(below - 8 - 1));
        assert_eq!(stand.word(A, distance_of_main), minus(16 - 4));
        assert_eq!(stand.word(A, distance_of_itself), minus(below - 16));
        assert_eq!(stand.word(A, descriptor), ENTRIES.tls_static.0);
        assert_eq!(stand.word(A, descriptor + 8), minus(below - 8 - 3));
        assert_eq!(stand.word(A, descriptor_of_none), ENTRIES.tls_undefined.0);
        assert_eq!(stand.word(A, descriptor_of_none + 8), 5);
    }
}

#[test]
fn thread_local_blocks_keep_alignments_up_to_64_kib() {
    for align in [1, 8, 64, 4096, 65536] {
        let mut main = Module::program("");
        main.needed("liba.so").needed("libb.so");
        main.tls(&[1; 5], 0, 1);
        let mut a = Module::library("liba.so");
        a.tls(&[2; 40], 100, align);
        let mut b = Module::library("libb.so");
        b.tls(&[3; 3], 0, 4);
        let mut stand = Stand::new(&main);
        stand.add(A, &a).add("/lib/libb.so", &b);
        stand.start().unwrap();
        let mut taken = Vec::new();
        for path in [PROGRAM, A, "/lib/libb.so"] {
            let module = stand.module(path);
            let template = module.layout.tls.unwrap();
            let below = module.tls().unwrap().offset.unwrap();
            // The thread pointer is a multiple of the largest alignment.
            assert_eq!(
                template.vaddr.0.wrapping_add(below) % template.align,
                0,
                "{path}, alignment {align}"
            );
            taken.push((below - template.memory_size, below));
        }
        taken.sort_unstable();
        assert!(taken.windows(2).all(|two| two[0].1 <= two[1].0), "{taken:?}");
        assert!(stand.world.tls.align >= align && stand.world.tls.used >= taken[2].1);
    }
}

#[test]
fn a_library_that_is_opened_gets_static_storage_only_if_it_was_linked_for_it() {
    const DT_FLAGS: u64 = 30;
    const DF_STATIC_TLS: u64 = 16;
    let library = |name: &str, kind: u32, is_linked_for_it: bool| {
        let mut library = Module::library(name);
        library.tls(&[1; 16], 0, 8);
        let place = library.data(&[0; 16]);
        library.relocation(place, kind, None, 4);
        if is_linked_for_it {
            library.tag(DT_FLAGS, DF_STATIC_TLS);
        }
        (library, place)
    };
    let (general, _) = library("libgeneral.so", TLSDESC, false);
    let (fixed, fixed_place) = library("libfixed.so", TPOFF64, true);
    let (unmarked, unmarked_place) = library("libunmarked.so", TPOFF64, false);
    let mut stand = Stand::new(&Module::program(""));
    stand.add("/lib/libgeneral.so", &general);
    stand.add("/lib/libfixed.so", &fixed);
    stand.add("/lib/libunmarked.so", &unmarked);
    stand.start().unwrap();
    // The block exists; 64 bytes of it are free.
    stand.world.tls.capacity = Some(stand.world.tls.used + 64);
    stand.open("libgeneral.so").unwrap();
    stand.open("libfixed.so").unwrap();
    stand.open("libunmarked.so").unwrap();
    // What is left is not enough for one more, and who has it is said.
    let mut large = Module::library("liblarge.so");
    large.tls(&[1; 40], 0, 8);
    large.tag(DT_FLAGS, DF_STATIC_TLS);
    stand.add("/lib/liblarge.so", &large);
    let refused = error(stand.open("liblarge.so")).report(b"program").to_string();
    let told = "  40 bytes needed, 32 bytes free\n  16 bytes held by /lib/libfixed.so\n  16 bytes held by /lib/libunmarked.so\n";
    assert!(refused.contains(told), "{refused}");
    let slot = |path| stand.module(path).tls().unwrap();
    assert_eq!(
        (slot("/lib/libgeneral.so").id, slot("/lib/libgeneral.so").offset),
        (1, None)
    );
    assert_eq!(stand.word("/lib/libgeneral.so", DATA), ENTRIES.tls_dynamic.0);
    for (path, place) in [
        ("/lib/libfixed.so", fixed_place),
        ("/lib/libunmarked.so", unmarked_place),
    ] {
        let below = slot(path).offset.unwrap();
        assert_eq!(stand.word(path, place), 4u64.wrapping_sub(below), "{path}");
    }
}

#[test]
fn a_thread_local_reference_to_what_is_not_thread_local_is_refused() {
    for kind in [DTPMOD64, TPOFF64, TLSDESC] {
        let mut a = Module::library("liba.so");
        let place = a.data(&[0; 16]);
        let symbol = a.define("plain", Binding::Global, Kind::Object, place, 8);
        a.relocation(place, kind, Some(symbol), 0);
        let mut main = Module::program("");
        main.needed("liba.so");
        let mut stand = Stand::new(&main);
        stand.add(A, &a);
        let error = error(stand.start());
        assert_eq!(error.kind.code(), Code(401), "type {kind}: {error}");
    }
}

#[test]
fn a_thread_local_reference_to_a_plain_symbol_of_a_module_with_tls_is_refused() {
    let mut a = Module::library("liba.so");
    a.tls(&[1; 8], 0, 8);
    let place = a.data(&[0; 16]);
    let symbol = a.define("plain", Binding::Global, Kind::Object, place, 8);
    a.relocation(place, TPOFF64, Some(symbol), 0);
    let mut main = Module::program("");
    main.needed("liba.so");
    let mut stand = Stand::new(&main);
    stand.add(A, &a);
    let error = error(stand.start());
    assert_eq!(error.kind.code(), Code(401), "{error}");
}

#[test]
fn modules_may_lie_anywhere() {
    // Above half of the address space, at 0, and where the bias is negative: only differences matter.
    for base in [0, 0x1000, 0x7fff_ff00_0000, 0xffff_ffff_0000_0000] {
        let (mut program, _) = (Module::program(""), ());
        program.needed("liba.so");
        let symbol = program.undefined("target", Binding::Global);
        let place = program.data(&[0; 16]);
        program.relocation(place, R_64, Some(symbol), 0);
        program.relocation(place + 8, RELATIVE, None, 0x40);
        let (a, target) = library_with_target();
        let mut stand = Stand::new(&program);
        stand.add(A, &a);
        stand.host.place_next(base);
        stand.start().unwrap();
        assert_eq!(stand.word(PROGRAM, place), stand.at(A, target));
        assert_eq!(stand.word(PROGRAM, place + 8), base + 0x40);
    }
}

#[test]
fn a_program_at_fixed_addresses_is_not_moved() {
    let mut main = Module::program("");
    main.fixed();
    let place = main.data(&[0; 16]);
    let symbol = main.define("here", Binding::Global, Kind::Object, place, 8);
    main.relocation(place, R_64, Some(symbol), 8);
    main.relocation(place + 8, RELATIVE, None, 0x40);
    let mut stand = Stand::new(&main);
    stand.start().unwrap();
    assert_eq!(stand.word(PROGRAM, place), place + 8);
    assert_eq!(stand.word(PROGRAM, place + 8), 0x40);
    assert!(!memory(stand.module(PROGRAM)).is_empty());
}

#[test]
fn the_memory_of_a_large_table_goes_back_once_it_was_applied() {
    const DT_RELA: u64 = 7;
    const DT_RELASZ: u64 = 8;
    const DT_RELAENT: u64 = 9;
    let with_entries = |count: u64| {
        let mut program = Module::program("");
        let word = program.data(&[0; 8]);
        let entries = (0..count).flat_map(|addend| [word, RELATIVE.into(), addend]);
        let table: Vec<u8> = entries.flat_map(u64::to_le_bytes).collect();
        let at = program.data(&table);
        program.tag(DT_RELA, at).tag(DT_RELASZ, count * 24).tag(DT_RELAENT, 24);
        let mut stand = Stand::new(&program);
        stand.start().unwrap();
        assert_eq!(stand.word(PROGRAM, word), stand.at(PROGRAM, count - 1));
        (stand.host.forgotten.take(), at, at + count * 24)
    };
    let (forgotten, mut next, end) = with_entries(400_000);
    // One part after the other, from the first entry on, and nothing behind the last one.
    for (start, length) in &forgotten {
        assert_eq!(*start, next);
        assert!(*length > (4 << 20) - 24 && length % 24 == 0, "{length}");
        next += length;
    }
    assert_eq!(forgotten.len(), 2);
    assert!(next <= end);
    assert_eq!(with_entries(10_000).0, []);
}
