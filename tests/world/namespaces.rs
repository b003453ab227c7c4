//! What is loaded and found in a namespace of its own (`dlmopen(3)`).

use forge::{Binding, Kind, Module};
use lode::world::{Namespace, Role};

use crate::stand::{PROGRAM, Stand, error};

const R_64: u32 = 1;
const LOADER: &str = "/lib/ld-linux-x86-64.so.2";
const INNER: Namespace = Namespace(1);

/// A library that defines `name` as data, and a word that refers to it.
fn library(soname: &str, name: &str, binding: Binding) -> (Module, u64, u64) {
    let mut library = Module::library(soname);
    let place = library.data(&[0; 8]);
    let symbol = library.define(name, binding, Kind::Object, place, 8);
    let word = library.data(&[0; 8]);
    library.relocation(word, R_64, Some(symbol), 0);
    (library, place, word)
}

#[test]
fn a_library_is_loaded_anew_with_what_it_needs_and_finds_only_that() {
    let mut main = Module::program("");
    main.needed("liba.so");
    let (a, place, word) = library("liba.so", "shared", Binding::Global);
    let mut b = Module::library("libb.so");
    b.needed("liba.so").needed("ld-linux-x86-64.so.2");
    let symbol = b.undefined("shared", Binding::Global);
    let reference = b.data(&[0; 8]);
    b.relocation(reference, R_64, Some(symbol), 0);
    let mut stand = Stand::new(&main);
    stand.add(LOADER, &Module::library("ld-linux-x86-64.so.2"));
    stand.add("/lib/liba.so", &a).add("/lib/libb.so", &b);
    let itself = stand.reside(LOADER, Role::Loader).id;
    stand.start().unwrap();
    let ready = stand.open_in(INNER, "/lib/libb.so").unwrap();
    // The order of the batch: libb.so, its own liba.so, and the one loader.
    let modules: Vec<_> = ready.order.iter().map(|id| stand.world.get(*id).unwrap()).collect();
    let names: Vec<String> = modules.iter().map(|module| module.name.to_string()).collect();
    assert_eq!(names, ["/lib/libb.so", "/lib/liba.so", LOADER]);
    assert_eq!(ready.order[2], itself);
    let own = modules[1];
    assert_eq!((modules[0].namespace, own.namespace), (INNER, INNER));
    let base = stand.module("/lib/liba.so");
    assert_eq!(base.namespace, Namespace::BASE);
    let at = |module: &lode::world::Module, at: u64| module.at(lode::elf::Vaddr(at));
    assert_ne!(at(own, place), at(base, place));
    // Each copy is bound to itself, and libb.so to the copy beside it.
    let load = |module: &lode::world::Module, word: u64| module.image.load::<u64>(lode::elf::Vaddr(word));
    assert_eq!(load(own, word), Some(at(own, place).0));
    assert_eq!(load(base, word), Some(at(base, place).0));
    assert_eq!(load(modules[0], reference), Some(at(own, place).0));
    // Once more: now all are there.
    assert!(stand.open_in(INNER, "/lib/libb.so").unwrap().modules.is_empty());
    assert!(stand.world.has(INNER) && !stand.world.has(Namespace(2)));
}

#[test]
fn the_program_s_symbols_are_not_found_from_another_namespace() {
    let mut main = Module::program("");
    let place = main.data(&[0; 8]);
    main.define("of_the_program", Binding::Global, Kind::Object, place, 8);
    let mut a = Module::library("liba.so");
    let symbol = a.undefined("of_the_program", Binding::Global);
    let word = a.data(&[0; 8]);
    a.relocation(word, R_64, Some(symbol), 0);
    let mut stand = Stand::new(&main);
    stand.add("/lib/liba.so", &a);
    stand.start().unwrap();
    let refused = error(stand.open_in(INNER, "/lib/liba.so")).to_string();
    assert!(refused.contains("undefined symbol: of_the_program"), "{refused}");
    assert!(!stand.world.has(INNER));
    stand.open("/lib/liba.so").unwrap();
    assert_eq!(stand.word("/lib/liba.so", word), stand.at(PROGRAM, place));
}

#[test]
fn a_unique_symbol_has_a_definition_in_each_of_the_namespaces() {
    let main = Module::program("");
    let (a, place, word) = library("liba.so", "unique", Binding::Unique);
    let mut stand = Stand::new(&main);
    stand.add("/lib/liba.so", &a);
    stand.start().unwrap();
    stand.open("/lib/liba.so").unwrap();
    let ready = stand.open_in(INNER, "/lib/liba.so").unwrap();
    let inner = stand.world.get(ready.order[0]).unwrap();
    assert_eq!(
        inner.image.load::<u64>(lode::elf::Vaddr(word)),
        Some(inner.at(lode::elf::Vaddr(place)).0)
    );
}
