//! Relocations that are refused for what they would do, those that `--allow` lets through, and packed ones.

use std::sync::atomic::Ordering;

use forge::{Binding, DATA, Kind, Module, RELRO, TEXT};
use lode::elf::segment::Access;
use lode::error::{Error, Kind as Fault, Rule};
use lode::image::TEXT_CHANGES;
use lode::process::Allow;

use crate::stand::{PROGRAM, Stand, error, rule};
use memory::ANSWER;

const R_64: u32 = 1;
const PC32: u32 = 2;
const PLT32: u32 = 4;
const GLOB_DAT: u32 = 6;
const JUMP_SLOT: u32 = 7;
const RELATIVE: u32 = 8;
const PC64: u32 = 24;
const SIZE64: u32 = 33;
const IRELATIVE: u32 = 37;

const DT_TEXTREL: u64 = 22;
const DT_RELRSZ: u64 = 35;
const DT_ANDROID_REL: u64 = 0x6000_000f;
const DT_ANDROID_RELA: u64 = 0x6000_0011;
const DT_RELACOUNT: u64 = 0x6fff_fff9;
const DT_RELCOUNT: u64 = 0x6fff_fffa;

const A: &str = "/lib/liba.so";

/// A program that needs `liba.so`.
fn main() -> Module {
    let mut main = Module::program("");
    main.needed("liba.so");
    main
}

fn stand_with(a: &Module) -> Stand {
    let mut stand = Stand::new(&main());
    stand.add(A, a);
    stand
}

/// The number, place, symbol and segment of the relocation that an error names.
fn entry(error: &Error) -> (u64, u64, Option<String>, Option<usize>) {
    match &error.kind {
        Fault::Relocation { entry, .. } => (
            entry.index,
            entry.at.0,
            entry.symbol.as_ref().map(ToString::to_string),
            entry.segment,
        ),
        other => panic!("{other:?}"),
    }
}

/// A library whose code has a word that is to be relocated, and one with a symbol behind it.
fn with_text_relocations(is_marked: bool) -> (Module, u64) {
    let mut a = Module::library("liba.so");
    a.text(&[0xc3; 16]);
    let place = a.text(&[0x11; 16]);
    a.data(&[0; 16]);
    let symbol = a.define("here", Binding::Global, Kind::Object, DATA, 8);
    a.relocation(DATA, RELATIVE, None, 0x40);
    a.relocation(place, RELATIVE, None, 0x50);
    a.relocation(place + 8, R_64, Some(symbol), 4);
    if is_marked {
        a.tag(DT_TEXTREL, 0);
    }
    (a, place)
}

#[test]
fn a_text_relocation_is_refused_at_the_start_and_by_dlopen() {
    for (is_marked, expected) in [(false, Rule::RelocationReadOnly), (true, Rule::TextRelocations)] {
        let (a, place) = with_text_relocations(is_marked);
        let refused = error(stand_with(&a).start());
        assert_eq!(rule(&refused), expected);
        assert_eq!(entry(&refused), (1, place, None, Some(1)));
        let mut stand = Stand::new(&Module::program(""));
        stand.add(A, &a);
        stand.start().unwrap();
        let refused = error(stand.open("liba.so"));
        assert_eq!(rule(&refused), expected);
        // `dlerror` has one line, so the fix stands in it.
        let line = format!("{refused:#}");
        assert!(line.contains("R_X86_64_RELATIVE at 0x100010; "), "{line}");
        assert!(
            line.contains("`LODE_OPTIONS=allow=textrel`") && !line.contains('\n'),
            "{line}"
        );
    }
}

#[test]
fn a_tag_that_announces_text_relocations_is_no_text_relocation() {
    let mut a = Module::library("liba.so");
    a.text(&[0xc3; 16]);
    let place = a.data(&[0; 8]);
    a.relocation(place, RELATIVE, None, 0x40).tag(DT_TEXTREL, 0);
    let mut stand = stand_with(&a);
    stand.start().unwrap();
    assert_eq!(stand.word(A, place), stand.at(A, 0x40));
    // The only change of access is that of RELRO.
    assert!(
        stand
            .host
            .protected
            .borrow()
            .iter()
            .all(|(_, _, access)| *access == Access::READ)
    );
}

/// What was done to the access of the library's segments, in order: address in the module, length, access.
fn changes(stand: &Stand) -> Vec<(u64, u64, Access)> {
    let base = stand.at(A, 0);
    let changes = stand.host.protected.borrow();
    let relative = changes
        .iter()
        .map(|(at, length, access)| (at.wrapping_sub(base), *length, *access));
    relative.filter(|(at, ..)| *at < 0x100_0000).collect()
}

const WRITABLE: Access = Access::READ.union(Access::WRITE);
const CODE: Access = Access::READ.union(Access::EXECUTE);

#[test]
fn where_it_is_allowed_a_segment_is_written_and_then_what_it_was_and_never_both() {
    for is_marked in [false, true] {
        let (a, place) = with_text_relocations(is_marked);
        let mut stand = stand_with(&a);
        stand.allow = Allow::TEXTREL;
        stand.start().unwrap();
        assert_eq!(stand.word(A, place), stand.at(A, 0x50));
        assert_eq!(stand.word(A, place + 8), stand.at(A, DATA + 4));
        assert_eq!(stand.word(A, DATA), stand.at(A, 0x40));
        let expected = [
            (0, 0x1000, WRITABLE),
            (TEXT, 0x1000, WRITABLE),
            (0, 0x1000, Access::READ),
            (TEXT, 0x1000, CODE),
            (RELRO, 0x1000, Access::READ),
        ];
        assert_eq!(changes(&stand), expected);
    }
}

#[test]
fn what_has_no_text_relocation_is_left_alone_where_they_are_allowed() {
    let mut a = Module::library("liba.so");
    a.text(&[0xc3; 16]);
    let place = a.data(&[0; 8]);
    a.relocation(place, RELATIVE, None, 0x40);
    let mut stand = stand_with(&a);
    stand.allow = Allow::TEXTREL;
    stand.start().unwrap();
    assert_eq!(changes(&stand), [(RELRO, 0x1000, Access::READ)]);
}

#[test]
fn words_of_relr_in_code_count_as_text_relocations() {
    let mut a = Module::library("liba.so");
    let place = a.text(&0x40u64.to_le_bytes());
    a.data(&0x50u64.to_le_bytes());
    a.relr(place).relr(DATA);
    let refused = error(stand_with(&a).start());
    assert_eq!(rule(&refused), Rule::RelrOutside);
    assert_eq!(entry(&refused), (0, place, None, Some(1)));
    let mut stand = stand_with(&a);
    stand.allow = Allow::TEXTREL;
    stand.start().unwrap();
    assert_eq!(stand.word(A, place), stand.at(A, 0x40));
    assert_eq!(stand.word(A, DATA), stand.at(A, 0x50));
    assert_eq!(changes(&stand).len(), 5);
}

#[test]
fn names_are_what_they_were_when_the_file_was_decoded_where_text_may_change() {
    TEXT_CHANGES.store(true, Ordering::Relaxed);
    let mut main = main();
    let place = main.data(&[0; 8]);
    let symbol = main.undefined("wanted_by_main", Binding::Global);
    main.relocation(place, R_64, Some(symbol), 0);
    let library = |place| {
        let mut a = Module::library("liba.so");
        a.text(&[0xc3; 16]);
        a.data(&[0; 8]);
        a.define("wanted_by_main", Binding::Global, Kind::Object, DATA, 8);
        a.relocation(place, RELATIVE, None, 0x40);
        a
    };
    let name = b"wanted_by_main\0";
    let bytes = library(DATA).forge().bytes;
    // What stands in front of the first segment of data is at its offset in the file.
    let at = bytes.windows(name.len()).position(|bytes| bytes == name).unwrap() as u64;
    let a = library(at);
    let mut stand = Stand::new(&main);
    stand.add(A, &a);
    stand.allow = Allow::TEXTREL;
    stand.start().unwrap();
    assert_eq!(stand.word(A, at), stand.at(A, 0x40));
    assert_eq!(stand.word(PROGRAM, place), stand.at(A, DATA));
}

#[test]
fn a_place_in_no_segment_is_refused_whatever_is_allowed() {
    let mut a = Module::library("liba.so");
    a.text(&[0xc3; 16]);
    a.relocation(TEXT + 12, R_64, None, 0);
    for allow in [Allow::empty(), Allow::TEXTREL] {
        let mut stand = stand_with(&a);
        stand.allow = allow;
        let refused = error(stand.start());
        let expected = [Rule::RelocationReadOnly, Rule::RelocationOutside];
        assert!(expected.contains(&rule(&refused)), "{refused}");
    }
}

#[test]
fn a_kernel_that_does_not_give_the_access_back_ends_it() {
    let (a, _) = with_text_relocations(true);
    let mut stand = stand_with(&a);
    stand.allow = Allow::TEXTREL;
    stand.host.refuses_protection = true;
    // Nothing could be made writable.
    assert_eq!(rule(&error(stand.start())), Rule::TextRelocations);
}

/// A library with a function that a resolver chooses, and a reference of `kind` to it at `place`.
fn with_ifunc(kind: u32, place: u64) -> Module {
    let mut a = Module::library("liba.so");
    a.text(&[0xc3; 32]);
    a.data(&[0; 16]);
    let chosen = a.define("chosen", Binding::Global, Kind::Ifunc, TEXT + 16, 1);
    a.relocation(place, kind, Some(chosen), -4);
    a
}

#[test]
fn a_call_without_a_plt_to_a_function_that_is_chosen_is_refused_or_patched() {
    for kind in [PC32, PLT32] {
        let a = with_ifunc(kind, TEXT + 1);
        let refused = error(stand_with(&a).start());
        assert_eq!(rule(&refused), Rule::IfuncNoPlt);
        assert_eq!(entry(&refused), (0, TEXT + 1, Some("chosen".into()), Some(1)));
        // Leave for other text relocations is not leave for these.
        let mut stand = stand_with(&a);
        stand.allow = Allow::TEXTREL;
        assert_eq!(rule(&error(stand.start())), Rule::IfuncNoPlt);

        let mut stand = stand_with(&a);
        stand.allow = Allow::IFUNC_NOPLT;
        stand.start().unwrap();
        let target = TEXT + 16 + ANSWER;
        assert_eq!(u64::from(stand.half(A, TEXT + 1)), target - 4 - (TEXT + 1));
        let code = changes(&stand).into_iter().filter(|(at, ..)| *at == TEXT);
        assert_eq!(
            code.map(|(.., access)| access).collect::<Vec<_>>(),
            [WRITABLE, CODE],
            "type {kind}"
        );
        assert_eq!(stand.host.resolved.borrow().len(), 1);
    }
}

#[test]
fn leave_for_calls_is_no_leave_for_other_text_relocations() {
    let (a, _) = with_text_relocations(true);
    let mut stand = stand_with(&a);
    stand.allow = Allow::IFUNC_NOPLT;
    assert_eq!(rule(&error(stand.start())), Rule::TextRelocations);
}

#[test]
fn a_word_of_data_holds_a_distance_to_a_function_that_is_chosen() {
    for (kind, mask) in [(PC32, u64::from(u32::MAX)), (PC64, u64::MAX)] {
        let mut stand = stand_with(&with_ifunc(kind, DATA));
        stand.start().unwrap();
        let distance = (TEXT + 16 + ANSWER - 4).wrapping_sub(DATA);
        assert_eq!(stand.word(A, DATA), distance & mask, "type {kind}");
    }
}

#[test]
fn a_call_that_does_not_reach_what_is_chosen_is_refused() {
    let mut a = with_ifunc(PLT32, TEXT + 1);
    let far = a.define("far", Binding::Global, Kind::Ifunc, TEXT + 16, 1);
    a.relocation(TEXT + 8, PLT32, Some(far), 0x7fff_ffff);
    let mut stand = stand_with(&a);
    stand.allow = Allow::IFUNC_NOPLT;
    let refused = error(stand.start());
    assert!(matches!(refused.kind, Fault::Overflow { .. }), "{refused}");
    assert!(
        refused
            .to_string()
            .ends_with("Symbol `far' causes overflow in R_X86_64_PLT32 relocation"),
        "{refused}"
    );
}

#[test]
fn pointers_in_code_to_functions_that_are_chosen_are_stored_when_all_resolvers_ran() {
    let mut a = Module::library("liba.so");
    a.text(&[0xc3; 48]);
    a.data(&[0; 16]);
    let chosen = a.define("chosen", Binding::Global, Kind::Ifunc, TEXT + 16, 1);
    a.relocation(TEXT, R_64, Some(chosen), 0);
    a.relocation(TEXT + 8, IRELATIVE, None, TEXT as i64 + 20);
    a.relocation(DATA, R_64, Some(chosen), 0);
    let mut stand = stand_with(&a);
    stand.allow = Allow::TEXTREL;
    stand.start().unwrap();
    assert_eq!(stand.word(A, TEXT), stand.at(A, TEXT + 16) + ANSWER);
    assert_eq!(stand.word(A, TEXT + 8), stand.at(A, TEXT + 20) + ANSWER);
    assert_eq!(stand.word(A, DATA), stand.at(A, TEXT + 16) + ANSWER);
    let code = changes(&stand).into_iter().filter(|(at, ..)| *at == TEXT);
    let code: Vec<Access> = code.map(|(.., access)| access).collect();
    assert_eq!(code, [WRITABLE, CODE, WRITABLE, CODE]);
}

#[test]
fn a_word_that_two_tables_relocate_is_refused() {
    for kind in [RELATIVE, R_64, GLOB_DAT, JUMP_SLOT, PC64, SIZE64] {
        for form in 0..4 {
            let mut a = Module::library("liba.so");
            a.text(&[0xc3; 16]);
            // The words behind the first are those of a bitmap.
            let bytes: Vec<u8> = (0..4u64).flat_map(|word| (0x40 + word).to_le_bytes()).collect();
            a.data(&bytes);
            a.relr(DATA).relr(0b1011);
            let symbol = a.define("here", Binding::Global, Kind::Object, DATA, 8);
            let symbol = (kind != RELATIVE).then_some(symbol);
            for place in [DATA + 16, DATA + 24] {
                match form {
                    0 => a.relocation(place, kind, symbol, 0),
                    1 => a.implicit_relocation(place, kind, symbol),
                    2 => a.slot(place, kind, symbol, 0),
                    _ => a.implicit_slot(place, kind, symbol),
                };
            }
            let refused = error(stand_with(&a).start());
            assert_eq!(
                rule(&refused),
                Rule::RelocatedTwice,
                "type {kind}, form {form}: {refused}"
            );
            let (index, at, ..) = entry(&refused);
            assert_eq!((index, at), (1, DATA + 24), "type {kind}, form {form}");
        }
    }
}

#[test]
fn tables_that_have_their_own_words_go_together() {
    let mut a = Module::library("liba.so");
    a.text(&[0xc3; 16]);
    // A word of the file that looks like an address, as no linker leaves it.
    let words = [0x40, 0x7fff_ffff_0000_0000u64, 0, 0, 0x44];
    a.data(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>());
    let symbol = a.define("here", Binding::Global, Kind::Object, DATA, 8);
    a.relr(DATA).relr(DATA + 32);
    a.relocation(DATA + 8, R_64, Some(symbol), 0);
    a.relocation(DATA + 8, R_64, Some(symbol), 8);
    a.relocation(DATA + 16, RELATIVE, None, 0x50);
    // R_*_NONE has no place.
    a.relocation(DATA, 0, None, 0);
    let mut stand = stand_with(&a);
    let ready = stand.start().unwrap();
    let found: Vec<u64> = (0..5).map(|word| stand.word(A, DATA + 8 * word)).collect();
    let at = |place| stand.at(A, place);
    assert_eq!(found, [at(0x40), at(DATA + 8), at(0x50), 0, at(0x44)]);
    assert_eq!((ready.statistics.relr, ready.statistics.relative), (2, 1));
}

#[test]
fn a_count_of_relative_entries_may_be_too_low_and_not_too_high() {
    for implicit in [false, true] {
        let tag = if implicit { DT_RELCOUNT } else { DT_RELACOUNT };
        for count in 0..5 {
            let mut a = Module::library("liba.so");
            a.data(&[0; 32]);
            let symbol = a.define("here", Binding::Global, Kind::Object, DATA, 8);
            for (place, kind, symbol) in [
                (DATA, RELATIVE, None),
                (DATA + 8, RELATIVE, None),
                (DATA + 16, R_64, Some(symbol)),
            ] {
                match implicit {
                    true => a.implicit_relocation(place, kind, symbol),
                    false => a.relocation(place, kind, symbol, 0),
                };
            }
            a.tag(tag, count);
            let started = stand_with(&a).start();
            if count <= 2 {
                started.unwrap();
                continue;
            }
            let refused = error(started);
            assert_eq!(rule(&refused), Rule::RelativeCount);
            if count == 3 {
                assert_eq!(entry(&refused), (2, DATA + 16, Some("here".into()), Some(4)));
            }
        }
    }
    let mut a = Module::library("liba.so");
    a.tag(DT_RELACOUNT, 1);
    assert_eq!(rule(&error(stand_with(&a).start())), Rule::RelativeCount);
}

#[test]
fn relative_words_in_a_row_are_all_stored() {
    let mut a = Module::library("liba.so");
    a.data(&[0; 80]);
    for word in 0..10 {
        a.relocation(DATA + 8 * word, RELATIVE, None, 0x40 + word as i64);
    }
    let mut stand = stand_with(&a);
    let ready = stand.start().unwrap();
    for word in 0..10 {
        assert_eq!(stand.word(A, DATA + 8 * word), stand.at(A, 0x40 + word));
    }
    assert_eq!(ready.statistics.relative, 10);
}

#[test]
fn words_of_one_symbol_in_a_row_are_all_stored() {
    let mut a = Module::library("liba.so");
    a.data(&[0; 160]);
    let place = a.text(&[0xc3; 8]);
    let f = a.define("f", Binding::Global, Kind::Function, place, 8);
    let g = a.undefined("g", Binding::Weak);
    for word in 0..20 {
        let (at, addend) = (DATA + 8 * word, word as i64);
        match word / 4 {
            2 => a.relocation(at, RELATIVE, None, addend),
            3 => a.relocation(at, R_64, Some(g), addend),
            _ if word == 6 => a.relocation(at, GLOB_DAT, Some(f), addend),
            _ => a.relocation(at, R_64, Some(f), addend),
        };
    }
    let mut stand = stand_with(&a);
    let ready = stand.start().unwrap();
    for word in 0..20 {
        let expected = match word / 4 {
            2 => stand.at(A, word),
            3 => word,
            _ if word == 6 => stand.at(A, place),
            _ => stand.at(A, place + word),
        };
        assert_eq!(stand.word(A, DATA + 8 * word), expected, "{word}");
    }
    assert_eq!((ready.statistics.relative, ready.statistics.symbolic), (4, 16));
}

#[test]
fn a_relr_table_that_is_no_whole_number_of_words_is_refused() {
    let mut a = Module::library("liba.so");
    a.data(&[0; 8]);
    a.relr(DATA);
    let mut forged = a.forge();
    forged.set_dynamic(DT_RELRSZ, 7);
    let mut stand = stand_with(&a);
    stand.host.add(A, forged.bytes);
    assert_eq!(rule(&error(stand.start())), Rule::TagTableSize);
}

#[test]
fn a_definition_lies_in_its_module_or_right_behind_it() {
    let end = DATA + 0x1000;
    for (value, is_good) in [
        (8, true),
        (DATA + 16, true),
        (end, true),
        (end + 1, false),
        (u64::MAX, false),
    ] {
        let mut a = Module::library("liba.so");
        a.data(&[0; 16]);
        a.define("place", Binding::Global, Kind::Object, value, 0);
        let mut main = main();
        let symbol = main.undefined("place", Binding::Global);
        let place = main.data(&[0; 8]);
        main.relocation(place, R_64, Some(symbol), 0);
        let mut stand = Stand::new(&main);
        stand.add(A, &a);
        let started = stand.start();
        if is_good {
            started.unwrap();
            assert_eq!(stand.word(PROGRAM, place), stand.at(A, value));
            continue;
        }
        // The file that is wrong is not the one that refers.
        let refused = error(started);
        assert_eq!(rule(&refused), Rule::SymbolValue);
        assert_eq!(refused.culprit.to_string(), A);
    }
}

#[test]
fn an_absolute_definition_may_be_anywhere() {
    let mut a = Module::library("liba.so");
    a.data(&[0; 16]);
    let far = a.define_absolute("far", 0x1234_5678_9abc);
    a.relocation(DATA, R_64, Some(far), 0);
    let mut stand = stand_with(&a);
    stand.start().unwrap();
    assert_eq!(stand.word(A, DATA), 0x1234_5678_9abc);
}

#[test]
fn an_address_of_thread_local_data_is_refused_and_its_size_is_not() {
    for kind in [R_64, GLOB_DAT, JUMP_SLOT, PC64, SIZE64] {
        let mut a = Module::library("liba.so");
        a.tls(&[1; 16], 0, 8);
        a.data(&[0; 16]);
        let symbol = a.define("each", Binding::Global, Kind::Tls, 8, 5);
        a.relocation(DATA, kind, Some(symbol), 0);
        let mut stand = stand_with(&a);
        let started = stand.start();
        if kind == SIZE64 {
            started.unwrap();
            assert_eq!(stand.word(A, DATA), 5);
            continue;
        }
        let refused = error(started);
        assert_eq!(rule(&refused), Rule::ThreadLocalAddress, "type {kind}");
        assert_eq!(entry(&refused), (0, DATA, Some("each".into()), Some(5)));
    }
}

/// A stream of APS2 made of its numbers.
fn packed(numbers: &[i64]) -> Vec<u8> {
    let mut bytes = b"APS2".to_vec();
    for number in numbers {
        let mut rest = *number;
        loop {
            let low = (rest & 0x7f) as u8;
            rest >>= 7;
            if (rest == 0 && low & 0x40 == 0) || (rest == -1 && low & 0x40 != 0) {
                bytes.push(low);
                break;
            }
            bytes.push(low | 0x80);
        }
    }
    bytes
}

/// Data of four words, and a packed table under `tag`.
fn add_packed(module: &mut Module, tag: u64, stream: &[u8]) {
    let words = [0x10u64, 0x20, 0x30, 0x40];
    module.data(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>());
    let at = module.relro(stream);
    module.tag(tag, at).tag(tag + 1, stream.len() as u64);
}

#[test]
fn packed_relocations_are_applied_to_programs_and_libraries() {
    let data = DATA as i64;
    // Two relative words with addends of their own, one place left out, a symbolic word, and padding.
    let with_addends = [
        &packed(&[3, data - 8, 2, 0b1011, 8, 8, 0x100, 0x50, 1, 1, 1 << 32 | 1, 16]),
        &[0; 5][..],
    ]
    .concat();
    let without = packed(&[3, data - 8, 2, 0b0011, 8, 8, 1, 1, 1 << 32 | 1, 16]);
    for (tag, stream, addends) in [
        (DT_ANDROID_RELA, &with_addends, [0x100, 0x150, 0]),
        (DT_ANDROID_REL, &without, [0x10, 0x20, 0x40]),
    ] {
        let mut a = Module::library("liba.so");
        let mut main = main();
        for module in [&mut a, &mut main] {
            module.define("here", Binding::Global, Kind::Object, DATA, 8);
            add_packed(module, tag, stream);
        }
        let mut stand = Stand::new(&main);
        stand.add(A, &a);
        let ready = stand.start().unwrap();
        for path in [PROGRAM, A] {
            let found: Vec<u64> = (0..4).map(|word| stand.word(path, DATA + 8 * word)).collect();
            let first = stand.at(PROGRAM, DATA) + addends[2];
            let expected = [stand.at(path, addends[0]), stand.at(path, addends[1]), 0x30, first];
            assert_eq!(found, expected, "{path} {tag:#x}");
        }
        assert_eq!((ready.statistics.relative, ready.statistics.symbolic), (4, 2));
    }
}

#[test]
fn damaged_packed_relocations_are_refused() {
    let data = DATA as i64;
    for (tag, numbers, expected) in [
        // Cut short, endless, with addends where there are none.
        (
            DT_ANDROID_RELA,
            &[2, data - 8, 2, 15, 8, 8][..],
            Rule::AndroidRelocations,
        ),
        (
            DT_ANDROID_RELA,
            &[1 << 40, data, 1 << 40, 15, 0, 0, 0],
            Rule::AndroidRelocations,
        ),
        (DT_ANDROID_REL, &[1, data - 8, 1, 15, 8, 8, 0], Rule::AndroidRelocations),
        // Whole, but of places that cannot be.
        (
            DT_ANDROID_RELA,
            &[2, data - 8, 2, 15, 0x1000, 8, 0],
            Rule::RelocationOutside,
        ),
        (DT_ANDROID_RELA, &[1, 0, 1, 15, 8, 8, 0], Rule::RelocationReadOnly),
    ] {
        let mut a = Module::library("liba.so");
        add_packed(&mut a, tag, &packed(numbers));
        let refused = error(stand_with(&a).start());
        assert_eq!(rule(&refused), expected, "{numbers:x?}: {refused}");
        assert_eq!(refused.culprit.to_string(), A);
    }
    let mut a = Module::library("liba.so");
    add_packed(&mut a, DT_ANDROID_RELA, b"APS1\0\0");
    assert_eq!(rule(&error(stand_with(&a).start())), Rule::AndroidRelocations);
}

#[test]
fn as_many_packed_relocations_as_the_module_has_bytes_are_applied_in_bounded_time() {
    let mut a = Module::library("liba.so");
    add_packed(
        &mut a,
        DT_ANDROID_RELA,
        &packed(&[4000, DATA as i64, 4000, 15, 0, 8, 0]),
    );
    let ready = stand_with(&a).start().unwrap();
    assert_eq!(ready.statistics.relative, 4000);
}

/// More than a distance of 32 bits reaches.
const FAR: u64 = 1 << 40;

/// A module that defines `name`, and refers to `other` by a distance in its data.
fn referring(mut module: Module, name: &str, other: Option<&str>) -> Module {
    module.text(&[0xc3; 16]);
    module.data(&[0; 16]);
    module.define(name, Binding::Global, Kind::Object, DATA + 8, 8);
    if let Some(other) = other {
        let symbol = module.undefined(other, Binding::Global);
        module.relocation(DATA, PC32, Some(symbol), 0);
    }
    module
}

/// The distance that a module holds, added to the place that holds it.
fn target(stand: &Stand, path: &str) -> u64 {
    let distance = i64::from(stand.half(path, DATA).cast_signed());
    stand.at(path, DATA).wrapping_add_signed(distance)
}

#[test]
fn what_refers_by_32_bit_distances_is_mapped_near_its_targets() {
    const B: &str = "/lib/libb.so";
    for (of_main, of_a, of_b) in [
        (None, Some("in_main"), None),
        (Some("in_a"), None, None),
        // The target is mapped after what refers to it, and the reverse.
        (None, Some("in_b"), None),
        (None, None, Some("in_a")),
        (Some("in_a"), Some("in_b"), Some("in_main")),
    ] {
        let mut main = referring(main(), "in_main", of_main);
        main.needed("libb.so");
        let mut stand = Stand::new(&main);
        stand.add(A, &referring(Module::library("liba.so"), "in_a", of_a));
        stand.add(B, &referring(Module::library("libb.so"), "in_b", of_b));
        stand.host.apart = FAR;
        stand.start().unwrap();
        for (path, reference) in [(PROGRAM, of_main), (A, of_a), (B, of_b)] {
            let Some(reference) = reference else { continue };
            let provider = match reference {
                "in_main" => PROGRAM,
                "in_a" => A,
                _ => B,
            };
            assert_eq!(
                target(&stand, path),
                stand.at(provider, DATA + 8),
                "{path} to {reference}"
            );
        }
    }
}

#[test]
fn what_is_opened_is_mapped_near_its_targets_too() {
    let mut stand = Stand::new(&referring(Module::program(""), "in_main", None));
    stand.add(A, &referring(Module::library("liba.so"), "in_a", Some("in_main")));
    stand.host.apart = FAR;
    stand.start().unwrap();
    stand.open("liba.so").unwrap();
    assert_eq!(target(&stand, A), stand.at(PROGRAM, DATA + 8));
}

#[test]
fn what_refers_to_nobody_in_that_way_goes_wherever_there_is_room() {
    let mut a = referring(Module::library("liba.so"), "in_a", None);
    // A distance of 64 bits, one within the module, and one that is counted as relative.
    let symbol = a.undefined("in_main", Binding::Global);
    a.relocation(DATA, PC64, Some(symbol), 0);
    let mut main = referring(main(), "in_main", None);
    let own = main.define("own", Binding::Global, Kind::Object, DATA, 4);
    main.relocation(DATA, PC32, Some(own), 0);
    let mut stand = Stand::new(&main);
    stand.add(A, &a);
    stand.host.apart = FAR;
    stand.start().unwrap();
    assert!(stand.at(A, 0) - stand.at(PROGRAM, 0) >= FAR / 2);
}

#[test]
fn targets_that_are_too_far_from_each_other_are_named() {
    const B: &str = "/lib/libb.so";
    let mut b = referring(Module::library("libb.so"), "in_b", Some("in_main"));
    let symbol = b.undefined("in_a", Binding::Global);
    b.relocation(DATA + 4, PC32, Some(symbol), 0);
    let mut main = referring(main(), "in_main", None);
    main.needed("libb.so");
    let mut stand = Stand::new(&main);
    stand.add(A, &referring(Module::library("liba.so"), "in_a", None));
    stand.add(B, &b);
    stand.host.apart = FAR;
    let refused = error(stand.start());
    assert_eq!(refused.culprit.to_string(), B);
    let text = refused.report(b"program").to_string();
    assert!(
        text.contains("Symbol `in_a' causes overflow in R_X86_64_PC32 relocation\n"),
        "{text}"
    );
    let away = format!("MiB away; the symbol is that of {A}\n");
    assert!(
        text.contains(" at 0x300004 does not fit into its field; the target is ") && text.contains(&away),
        "{text}"
    );
}
