//! Symbol versions: required, defined, default, hidden, missing.

use forge::{Binding, Kind, Module, SymbolId, Version};
use lode::error::{Error, Kind as Fault};

use crate::stand::{PROGRAM, Stand, error};

const R_64: u32 = 1;
const A: &str = "/lib/liba.so";

/// A library with `f` in two versions, the newer one being the default; returns their places.
fn library_of_two() -> (Module, [u64; 2]) {
    let mut a = Module::library("liba.so");
    let versions = [a.define_version("OLD"), a.define_version("NEW")];
    let places = [a.text(&[0xc3]), a.text(&[0xc3])];
    for (version, place) in [versions[0].hidden(), versions[1]].into_iter().zip(places) {
        let symbol = a.define("f", Binding::Global, Kind::Function, place, 1);
        a.versioned(symbol, version);
    }
    (a, places)
}

/// A program with one pointer to `f`, in the version that `need` makes.
fn program(need: impl FnOnce(&mut Module) -> Option<Version>) -> (Module, u64) {
    let mut program = Module::program("");
    program.needed("liba.so");
    let version = need(&mut program);
    let symbol: SymbolId = program.undefined("f", Binding::Global);
    if let Some(version) = version {
        program.versioned(symbol, version);
    }
    let word = program.data(&[0; 8]);
    program.relocation(word, R_64, Some(symbol), 0);
    (program, word)
}

fn bound(need: impl FnOnce(&mut Module) -> Option<Version>, a: &Module) -> Result<u64, Box<Error>> {
    let (program, word) = program(need);
    let mut stand = Stand::new(&program);
    stand.add(A, a);
    stand.start()?;
    Ok(stand.word(PROGRAM, word).wrapping_sub(stand.at(A, 0)))
}

#[test]
fn a_reference_gets_the_version_that_it_names_hidden_or_not() {
    let (a, [old, new]) = library_of_two();
    for (name, place) in [("OLD", old), ("NEW", new)] {
        let found = bound(|program| Some(program.need_version("liba.so", name, false)), &a);
        assert_eq!(found.unwrap(), place, "{name}");
    }
}

#[test]
fn a_reference_without_a_version_gets_the_first_one() {
    let (a, [old, _]) = library_of_two();
    assert_eq!(bound(|_| None, &a).unwrap(), old);
}

#[test]
fn a_reference_without_a_version_gets_the_base_where_there_is_one() {
    let mut a = Module::library("liba.so");
    let version = a.define_version("NEW");
    let places = [a.text(&[0xc3]), a.text(&[0xc3])];
    let newer = a.define("f", Binding::Global, Kind::Function, places[1], 1);
    a.versioned(newer, version.hidden());
    a.define("f", Binding::Global, Kind::Function, places[0], 1);
    let base = bound(|_| None, &a).unwrap();
    assert!(places.contains(&base));
    // A versioned reference gets its version all the same.
    let named = bound(|program| Some(program.need_version("liba.so", "NEW", false)), &a);
    assert_eq!(named.unwrap(), places[1]);
}

#[test]
fn a_reference_without_a_version_gets_the_only_default_of_a_later_version() {
    let mut a = Module::library("liba.so");
    a.define_version("FIRST");
    let third = a.define_version("THIRD");
    let place = a.text(&[0xc3]);
    let symbol = a.define("f", Binding::Global, Kind::Function, place, 1);
    a.versioned(symbol, third);
    assert_eq!(bound(|_| None, &a).unwrap(), place);

    // A hidden one is not for it.
    a.versioned(symbol, third.hidden());
    let error = bound(|_| None, &a).unwrap_err();
    assert_eq!(error.to_string(), "/bin/main: undefined symbol: f");
}

#[test]
fn a_version_of_another_library_does_not_serve() {
    // libb.so has f@V too, but stands behind; a has f in another version.
    let (a, _) = library_of_two();
    let (mut main, word) = program(|program| Some(program.need_version("libb.so", "V", false)));
    main.needed("libb.so");
    let mut b = Module::library("libb.so");
    let version = b.define_version("V");
    let place = b.text(&[0xc3]);
    let symbol = b.define("f", Binding::Global, Kind::Function, place, 1);
    b.versioned(symbol, version);
    let mut stand = Stand::new(&main);
    stand.add(A, &a).add("/lib/libb.so", &b);
    stand.start().unwrap();
    assert_eq!(stand.word(PROGRAM, word), stand.at("/lib/libb.so", place));
}

#[test]
fn an_unversioned_definition_interposes_a_versioned_one() {
    let (a, _) = library_of_two();
    let (mut main, word) = program(|program| Some(program.need_version("liba.so", "NEW", false)));
    let place = main.text(&[0xc3]);
    main.define("f", Binding::Global, Kind::Function, place, 1);
    // The program has versions (it needs some), so its own f is in the base.
    let mut stand = Stand::new(&main);
    stand.add(A, &a);
    stand.start().unwrap();
    assert_eq!(stand.word(PROGRAM, word), stand.at(PROGRAM, place));
}

#[test]
fn missing_versions_are_reported_all_at_once_and_weak_ones_are_tolerated() {
    let (a, _) = library_of_two();
    let mut main = Module::program("");
    main.needed("liba.so").needed("libb.so");
    main.need_version("liba.so", "NEW", false);
    main.need_version("liba.so", "NEWER", false);
    main.need_version("liba.so", "WEAK", true);
    main.need_version("liba.so", "NEWEST", false);
    let mut b = Module::library("libb.so");
    b.needed("liba.so");
    b.need_version("liba.so", "OTHER", false);
    let mut stand = Stand::new(&main);
    stand.add(A, &a).add("/lib/libb.so", &b);
    let error = error(stand.start());
    let Fault::NoVersion(missing) = &error.kind else {
        panic!("{error:?}")
    };
    let missing: Vec<String> = missing
        .iter()
        .map(|one| format!("{} needs {} of {}", one.module, one.version, one.provider))
        .collect();
    assert_eq!(
        missing,
        [
            "/bin/main needs NEWER of /lib/liba.so",
            "/bin/main needs NEWEST of /lib/liba.so",
            "/lib/libb.so needs OTHER of /lib/liba.so",
        ]
    );
    assert_eq!(error.exit_status(), 1);
    let text = error.report(b"main").to_string();
    assert!(
        text.starts_with("main: /lib/liba.so: version `NEWER' not found (required by /bin/main)\n"),
        "{text}"
    );
}

#[test]
fn a_weak_version_that_is_missing_alone_is_no_error() {
    let (a, [_, new]) = library_of_two();
    let found = bound(
        |program| {
            program.need_version("liba.so", "ABSENT", true);
            Some(program.need_version("liba.so", "NEW", false))
        },
        &a,
    );
    assert_eq!(found.unwrap(), new);
}

#[test]
fn versions_that_share_an_index_are_all_defined() {
    const VERDEF: u64 = 0x6fff_fffc;
    let (a, _) = library_of_two();
    let mut file = a.forge();
    let table = usize::try_from(file.dynamic(VERDEF).unwrap()).unwrap();
    // Behind the base and the older one, whose index the newer one gets: 28 bytes a record, and the index 4 bytes into it.
    file.set(table + 2 * 28 + 4, 2, 2);
    let needs = |names: &[&str]| {
        let mut program = Module::program("");
        program.needed("liba.so");
        for name in names {
            program.need_version("liba.so", name, false);
        }
        let mut stand = Stand::new(&program);
        stand.host.add(A, file.bytes.clone());
        stand.start().map(drop)
    };
    needs(&["OLD", "NEW"]).unwrap();
    let Fault::NoVersion(missing) = error(needs(&["OLD", "ABSENT"])).kind else {
        panic!("a version that nobody defines")
    };
    assert_eq!(missing.len(), 1);
}

#[test]
fn a_provider_without_versions_is_accepted_with_a_warning() {
    let mut a = Module::library("liba.so");
    let place = a.text(&[0xc3]);
    a.define("f", Binding::Global, Kind::Function, place, 1);
    let (main, word) = program(|program| Some(program.need_version("liba.so", "ANY", false)));
    let mut stand = Stand::new(&main);
    stand.add(A, &a);
    stand.start().unwrap();
    assert_eq!(stand.word(PROGRAM, word), stand.at(A, place));
    assert_eq!(
        stand.events(),
        ["warning: /lib/liba.so: no version information available (required by /bin/main)"]
    );
}
