//! Constructors, resolvers, copies: what comes before what.

use forge::{Binding, Kind, Module, TEXT};
use lode::elf::Vaddr;
use lode::error::Code;
use lode::stages::init::{constructors, destructors, preconstructors};
use lode::stages::link::dependents_first;

use crate::stand::{ENTRIES, PROGRAM, Stand, error};
use memory::ANSWER;

const R_64: u32 = 1;
const COPY: u32 = 5;
const GLOB_DAT: u32 = 6;
const JUMP_SLOT: u32 = 7;
const RELATIVE: u32 = 8;
const IRELATIVE: u32 = 37;
const DT_INIT: u64 = 12;
const DT_FINI: u64 = 13;
const DT_INIT_ARRAY: u64 = 25;
const DT_FINI_ARRAY: u64 = 26;
const DT_INIT_ARRAYSZ: u64 = 27;
const DT_FINI_ARRAYSZ: u64 = 28;
const DT_PREINIT_ARRAY: u64 = 32;
const DT_PREINIT_ARRAYSZ: u64 = 33;

fn library(soname: &str, needed: &[&str]) -> Module {
    let mut library = Module::library(soname);
    for name in needed {
        library.needed(name);
    }
    library
}

/// The order of constructors of a graph, each module named without its folder and suffix.
fn init_order(program: &[&str], libraries: &[(&str, &[&str])]) -> Vec<String> {
    let mut main = Module::program("");
    for name in program {
        main.needed(name);
    }
    let mut stand = Stand::new(&main);
    for (name, needed) in libraries {
        stand.add(&format!("/lib/{name}"), &library(name, needed));
    }
    let ready = stand.start().unwrap();
    let names = ready.modules.iter().map(|module| module.name.to_string());
    names.map(|name| name.trim_start_matches("/lib/").to_owned()).collect()
}

#[test]
fn constructors_run_dependencies_first() {
    let order = init_order(
        &["a", "b"],
        &[("a", &["c"]), ("b", &["c", "d"]), ("c", &["d"]), ("d", &[])],
    );
    assert_eq!(order, ["d", "c", "b", "a", PROGRAM]);
}

#[test]
fn on_a_cycle_each_module_stands_once_and_outsiders_keep_their_order() {
    let order = init_order(&["a"], &[("a", &["b"]), ("b", &["c"]), ("c", &["a", "d"]), ("d", &[])]);
    assert_eq!(order.len(), 5);
    assert_eq!(order[0], "d");
    assert_eq!(order[4], PROGRAM);
    let order = init_order(&["a"], &[("a", &["a"])]);
    assert_eq!(order, ["a", PROGRAM]);
}

#[test]
fn a_chain_of_a_thousand_libraries_is_ordered_from_its_end() {
    let mut main = Module::program("");
    main.needed("lib0.so");
    let mut stand = Stand::new(&main);
    for number in 0..1000 {
        let mut library = Module::library(&format!("lib{number}.so"));
        if number < 999 {
            library.needed(&format!("lib{}.so", number + 1));
        }
        stand.add(&format!("/lib/lib{number}.so"), &library);
    }
    let ready = stand.start().unwrap();
    let names: Vec<String> = ready.modules.iter().map(|module| module.name.to_string()).collect();
    let mut expected: Vec<String> = (0..1000).rev().map(|number| format!("/lib/lib{number}.so")).collect();
    expected.push(PROGRAM.to_owned());
    assert_eq!(names, expected);
    let mut finished = stand.names(&dependents_first(&stand.world));
    finished.reverse();
    assert_eq!(finished, expected);
}

#[test]
fn a_library_that_is_opened_is_initialised_alone() {
    let mut main = Module::program("");
    main.needed("liba.so");
    let mut stand = Stand::new(&main);
    stand.add("/lib/liba.so", &library("liba.so", &[]));
    stand.add("/lib/libx.so", &library("libx.so", &["liba.so", "liby.so"]));
    stand.add("/lib/liby.so", &library("liby.so", &["liba.so"]));
    stand.start().unwrap();
    let ready = stand.open("libx.so").unwrap();
    let names: Vec<String> = ready.modules.iter().map(|module| module.name.to_string()).collect();
    assert_eq!(names, ["/lib/liby.so", "/lib/libx.so"]);
    assert_eq!(
        stand.names(&ready.order),
        ["/lib/libx.so", "/lib/liba.so", "/lib/liby.so"]
    );
}

#[test]
fn init_stands_before_its_array_and_fini_behind_its_own_backwards() {
    let mut main = Module::program("");
    main.needed("liba.so");
    let text = main.text(&[0xc3; 64]);
    let array = |main: &mut Module, entries: &[u64]| {
        let place = main.data(
            &entries
                .iter()
                .flat_map(|entry| entry.to_le_bytes())
                .collect::<Vec<u8>>(),
        );
        for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| **entry != u64::MAX) {
            if *entry != 0 {
                main.relocation(place + 8 * index as u64, RELATIVE, None, *entry as i64);
            }
        }
        place
    };
    // 0 and -1 were ends in old tables, and are no functions.
    let init = array(&mut main, &[u64::MAX, text + 1, 0, text + 2]);
    let fini = array(&mut main, &[text + 3, text + 4]);
    let preinit = array(&mut main, &[text + 5, 0]);
    // An entry may lie in another module.
    let mut a = Module::library("liba.so");
    let elsewhere = a.text(&[0xc3]);
    a.define("constructor", Binding::Global, Kind::Function, elsewhere, 1);
    let symbol = main.undefined("constructor", Binding::Global);
    main.relocation(preinit + 8, R_64, Some(symbol), 0);
    main.tag(DT_INIT, text).tag(DT_FINI, text + 6);
    main.tag(DT_INIT_ARRAY, init).tag(DT_INIT_ARRAYSZ, 32);
    main.tag(DT_FINI_ARRAY, fini).tag(DT_FINI_ARRAYSZ, 16);
    main.tag(DT_PREINIT_ARRAY, preinit).tag(DT_PREINIT_ARRAYSZ, 16);
    let mut stand = Stand::new(&main);
    stand.add("/lib/liba.so", &a);
    stand.start().unwrap();
    let module = stand.module(PROGRAM);
    let start = stand.at(PROGRAM, text);
    let offsets = |list: Vec<lode::elf::Address>| -> Vec<u64> { list.iter().map(|at| at.0 - start).collect() };
    assert_eq!(offsets(constructors(module).collect()), [0, 1, 2]);
    assert_eq!(offsets(destructors(module).collect()), [4, 3, 6]);
    let before: Vec<u64> = preconstructors(module).map(|at| at.0).collect();
    assert_eq!(before, [start + 5, stand.at("/lib/liba.so", elsewhere)]);
}

#[test]
fn resolvers_of_dependencies_are_called_first_and_when_every_plain_word_is_final() {
    let mut main = Module::program("");
    main.needed("liba.so");
    let text = main.text(&[0xc3; 16]);
    let word = main.data(&[0; 8]);
    main.relocation(word, IRELATIVE, None, text as i64);
    let symbol = main.undefined("chosen", Binding::Global);
    let (pointer, got, slot) = (main.data(&[0; 8]), main.data(&[0; 8]), main.data(&[0; 8]));
    main.relocation(pointer, R_64, Some(symbol), 4);
    main.relocation(got, GLOB_DAT, Some(symbol), 0);
    main.slot(slot, JUMP_SLOT, Some(symbol), 0);
    let mut a = Module::library("liba.so");
    let resolver = a.text(&[0xc3; 16]);
    a.define("chosen", Binding::Global, Kind::Ifunc, resolver, 16);
    let inside = a.data(&[0; 8]);
    a.slot(inside, IRELATIVE, None, resolver as i64 + 1);
    let mut stand = Stand::new(&main);
    stand.add("/lib/liba.so", &a);
    let relocated = stand.relocate().unwrap();
    // Until its resolver has run, a word leads to code that says so.
    for module in &relocated.batch.modules {
        let waiting = relocated.indirect.iter().filter(|group| group.module == module.id);
        for group in waiting {
            for (at, _) in &group.words {
                assert_eq!(module.image.load::<u64>(*at), Some(ENTRIES.pending.0));
            }
        }
    }
    assert!(stand.host.resolved.borrow().is_empty());
    drop(relocated);
    stand.host.place_next(crate::stand::BASE);
    stand.start().unwrap();
    let resolver = stand.at("/lib/liba.so", resolver);
    let own = stand.at(PROGRAM, text);
    assert_eq!(
        *stand.host.resolved.borrow(),
        [resolver + 1, resolver, resolver, resolver, own]
    );
    assert_eq!(stand.word(PROGRAM, word), own + ANSWER);
    assert_eq!(stand.word(PROGRAM, pointer), resolver + ANSWER + 4);
    assert_eq!(stand.word(PROGRAM, got), resolver + ANSWER);
    assert_eq!(stand.word(PROGRAM, slot), resolver + ANSWER);
    assert_eq!(stand.word("/lib/liba.so", inside), resolver + 1 + ANSWER);
}

#[test]
fn as_many_resolvers_as_there_are_words_are_called_in_the_order_of_the_table() {
    let mut main = Module::program("");
    let text = main.text(&[0xc3; 16]);
    let symbol = main.define("chosen", Binding::Global, Kind::Ifunc, text + 8, 8);
    let words: Vec<u64> = (0..600).map(|_| main.data(&[0; 8])).collect();
    for (number, word) in words.iter().enumerate() {
        match number % 3 {
            0 => main.relocation(*word, R_64, Some(symbol), 0),
            1 => main.relocation(*word, GLOB_DAT, Some(symbol), 0),
            _ => main.relocation(*word, IRELATIVE, None, text as i64),
        };
    }
    let mut stand = Stand::new(&main);
    stand.start().unwrap();
    let resolver = |number: usize| stand.at(PROGRAM, if number % 3 == 2 { text } else { text + 8 });
    let called: Vec<u64> = (0..600).map(resolver).collect();
    assert_eq!(*stand.host.resolved.borrow(), called);
    for (word, resolver) in words.iter().zip(called) {
        assert_eq!(stand.word(PROGRAM, *word), resolver + ANSWER);
    }
}

#[test]
fn a_resolver_outside_executable_memory_is_refused() {
    let mut main = Module::program("");
    let word = main.data(&[0; 8]);
    main.relocation(word, IRELATIVE, None, word as i64);
    let mut stand = Stand::new(&main);
    let error = error(stand.start());
    assert_eq!(error.kind.code(), Code(126));
    assert!(stand.host.resolved.borrow().is_empty());
}

#[test]
fn a_copy_is_made_of_the_library_s_data_when_resolvers_have_written_it() {
    let mut main = Module::program("");
    main.needed("liba.so");
    main.bss(64);
    let place = main.data(&[0; 32]);
    let copy = main.define("table", Binding::Global, Kind::Object, place, 24);
    main.relocation(place, COPY, Some(copy), 0);
    let mut a = Module::library("liba.so");
    let resolver = a.text(&[0xc3; 16]);
    let data = a.data(&[0x11; 24]);
    let symbol = a.define("table", Binding::Global, Kind::Object, data, 24);
    a.relocation(data, IRELATIVE, None, resolver as i64);
    a.relocation(data + 8, RELATIVE, None, 0x77);
    let pointer = a.data(&[0; 8]);
    a.relocation(pointer, GLOB_DAT, Some(symbol), 0);
    let mut stand = Stand::new(&main);
    stand.add("/lib/liba.so", &a);
    stand.start().unwrap();
    assert_eq!(stand.word(PROGRAM, place), stand.at("/lib/liba.so", resolver) + ANSWER);
    assert_eq!(stand.word(PROGRAM, place + 8), stand.at("/lib/liba.so", 0x77));
    assert_eq!(stand.word(PROGRAM, place + 16), 0x1111_1111_1111_1111);
    // Behind the copy nothing is written.
    assert_eq!(stand.word(PROGRAM, place + 24), 0);
    // The library uses the program's copy, too.
    assert_eq!(stand.word("/lib/liba.so", pointer), stand.at(PROGRAM, place));
}

#[test]
fn a_copy_of_another_size_takes_the_smaller_and_warns_when_that_is_the_program_s() {
    for (here, there) in [(8, 16), (16, 8)] {
        let mut main = Module::program("");
        main.needed("liba.so");
        let place = main.data(&[0; 32]);
        let copy = main.define("table", Binding::Global, Kind::Object, place, here);
        main.relocation(place, COPY, Some(copy), 0);
        let mut a = Module::library("liba.so");
        let data = a.data(&[0x11; 16]);
        a.define("table", Binding::Global, Kind::Object, data, there);
        let mut stand = Stand::new(&main);
        stand.add("/lib/liba.so", &a);
        stand.start().unwrap();
        assert_eq!(stand.word(PROGRAM, place), 0x1111_1111_1111_1111);
        assert_eq!(stand.word(PROGRAM, place + 8), 0);
        // As under glibc, only what is cut off is worth a word.
        let warning = "warning: Symbol `table' has different size in shared object, consider re-linking";
        assert_eq!(stand.events().contains(&warning.to_owned()), here < there);
    }
}

#[test]
fn a_copy_of_protected_data_is_made_with_a_warning() {
    let mut main = Module::program("");
    main.needed("liba.so");
    let place = main.data(&[0; 8]);
    let copy = main.define("table", Binding::Global, Kind::Object, place, 8);
    main.relocation(place, COPY, Some(copy), 0);
    let mut a = Module::library("liba.so");
    let data = a.data(&[0x11; 8]);
    let table = a.define("table", Binding::Global, Kind::Object, data, 8);
    a.visibility(table, forge::Visibility::Protected);
    let mut stand = Stand::new(&main);
    stand.add("/lib/liba.so", &a);
    stand.start().unwrap();
    assert_eq!(stand.word(PROGRAM, place), 0x1111_1111_1111_1111);
    let warning = "copy relocation against non-copyable protected symbol `table' in `/lib/liba.so'";
    assert!(stand.events().iter().any(|line| line.ends_with(warning)));
}

#[test]
fn a_program_that_has_an_address_of_its_own_for_a_protected_function_is_warned() {
    let start = |value, visibility| {
        let mut main = Module::program("");
        main.needed("liba.so");
        let place = main.data(&[0; 8]);
        let own = main.undefined_with_value("called", value);
        main.slot(place, JUMP_SLOT, Some(own), 0);
        let mut a = Module::library("liba.so");
        a.text(&[0xc3; 16]);
        let called = a.define("called", Binding::Global, Kind::Function, TEXT, 1);
        a.visibility(called, visibility);
        let mut stand = Stand::new(&main);
        stand.add("/lib/liba.so", &a);
        stand.start().unwrap();
        assert_eq!(stand.word(PROGRAM, place), stand.at("/lib/liba.so", TEXT));
        let warning = "direct reference to protected function `called' in `/lib/liba.so' may break pointer equality";
        stand.events().iter().any(|line| line.ends_with(warning))
    };
    assert!(start(TEXT, forge::Visibility::Protected));
    assert!(!start(TEXT, forge::Visibility::Default));
    assert!(!start(0, forge::Visibility::Protected));
}

#[test]
fn a_copy_that_reaches_out_of_either_module_is_refused() {
    for (here, there) in [(1 << 32, 1 << 32), (24, 24)] {
        let mut main = Module::program("");
        main.needed("liba.so");
        let place = main.data(&[0; 16]);
        let copy = main.define("table", Binding::Global, Kind::Object, place, here);
        main.relocation(place, COPY, Some(copy), 0);
        let mut a = Module::library("liba.so");
        let data = a.data(&[0x11; 64]);
        a.define("table", Binding::Global, Kind::Object, data, there);
        let mut stand = Stand::new(&main);
        stand.add("/lib/liba.so", &a);
        let error = error(stand.start());
        assert_eq!(error.kind.code(), Code(325), "{error}");
    }
}

#[test]
fn a_copy_of_nothing_is_an_error_that_names_the_symbol() {
    let mut main = Module::program("");
    let place = main.data(&[0; 16]);
    let copy = main.define("table", Binding::Global, Kind::Object, place, 8);
    main.relocation(place, COPY, Some(copy), 0);
    let error = error(Stand::new(&main).start());
    assert_eq!(error.to_string(), "/bin/main: undefined symbol: table");
    let mut stand = Stand::new(&main);
    stand.start().unwrap_err();
    assert!(stand.world.at(Vaddr(0).at(lode::elf::Bias(0))).is_none());
}
