//! What must not change: modules that arrive final, and a world whose next batch fails.

use forge::{Binding, DATA, Kind, Module};
use lode::error::{Errno, Kind as Fault};
use lode::stages::protect::seal;
use lode::world::Role;

use crate::stand::{PROGRAM, Stand, error, memory};
use memory::Memory;

const R_64: u32 = 1;
const JUMP_SLOT: u32 = 7;
const RELATIVE: u32 = 8;
const IRELATIVE: u32 = 37;
const TPOFF64: u32 = 18;
const LOADER: &str = "/lib/ld-linux-x86-64.so.2";

/// A loader with everything in it that would be stored to if it were relocated again.
fn loader() -> (Module, u64) {
    let mut loader = Module::library("ld-linux-x86-64.so.2");
    let entry = loader.text(&[0xc3; 16]);
    let place = loader.data(&entry.to_le_bytes());
    loader.relr(place).relocation(place, RELATIVE, None, 0x1234);
    loader.relocation(place, IRELATIVE, None, entry as i64);
    let exported = loader.define("__tls_get_addr", Binding::Global, Kind::Function, entry, 16);
    loader.slot(place, JUMP_SLOT, Some(exported), 0);
    let missing = loader.undefined("not_defined_anywhere", Binding::Global);
    loader.relocation(place, R_64, Some(missing), 0);
    (loader, entry)
}

#[test]
fn lode_s_own_module_gives_definitions_and_gets_no_store() {
    let (itself, entry) = loader();
    let mut main = Module::program("");
    main.needed("liba.so").needed("ld-linux-x86-64.so.2");
    let symbol = main.undefined("__tls_get_addr", Binding::Global);
    let word = main.data(&[0; 8]);
    main.relocation(word, R_64, Some(symbol), 0);
    let mut a = Module::library("liba.so");
    a.needed("ld-linux-x86-64.so.2");
    let mut stand = Stand::new(&main);
    stand.add(LOADER, &itself).add("/lib/liba.so", &a);
    let module = stand.reside(LOADER, Role::Loader);
    let before = memory(&module);
    let ready = stand.start().unwrap();
    let after = memory(&module);
    let changed = before.iter().zip(&after).filter(|(old, new)| old != new).count();
    assert_eq!(changed, 0, "bytes of the loader that the stages changed");
    assert!(stand.names(&stand.world.global).contains(&LOADER.to_owned()));
    assert_eq!(stand.word(PROGRAM, word), stand.at(LOADER, entry));
    // Its constructors are not run, its resolvers not called, its pages not protected.
    assert!(ready.modules.iter().all(|module| module.role != Role::Loader));
    assert!(stand.host.resolved.borrow().is_empty());
    let (start, end) = (module.range().0.0, module.range().1.0);
    let protected = stand.host.protected.borrow();
    assert!(protected.iter().all(|(at, _, _)| *at < start || *at >= end));
}

#[test]
fn what_nobody_writes_to_is_sealed_and_data_is_not() {
    let mut main = Module::program("");
    let entry = main.text(&[0xeb, 0xfe]);
    let constant = main.relro(&[0; 8]);
    let data = main.data(&[1; 8]);
    main.entry(entry).relr(constant);
    let mut stand = Stand::new(&main);
    stand.start().unwrap();
    let program = stand.world.program().unwrap().clone();
    let sealed = |at: u64| {
        let address = stand.at(PROGRAM, at);
        let ranges = stand.host.sealed.borrow();
        ranges
            .iter()
            .any(|(start, length)| address.wrapping_sub(*start) < *length)
    };
    // A file that does not ask is sealed with all others only.
    seal(&program, &stand.host, false);
    assert!(!sealed(entry) && !sealed(constant));
    seal(&program, &stand.host, true);
    assert!(sealed(0) && sealed(entry) && sealed(constant));
    assert!(!sealed(data));
}

/// A process with a program and one library, and its state as text and bytes.
fn settled() -> (Stand, String, Vec<Vec<u8>>) {
    let mut main = Module::program("");
    main.needed("liba.so");
    main.tls(&[1; 8], 8, 8);
    let mut a = Module::library("liba.so");
    a.tls(&[2; 8], 0, 8);
    let place = a.data(&[3; 8]);
    a.define("known", Binding::Unique, Kind::Object, place, 8);
    let mut stand = Stand::new(&main);
    stand.add("/lib/liba.so", &a);
    stand.start().unwrap();
    let state = format!("{:?}", stand.world);
    let bytes = stand.world.modules.iter().map(|module| memory(module)).collect();
    (stand, state, bytes)
}

/// Checks that opening fails at `what` and leaves nothing behind.
fn fails_without_a_trace(name: &str, prepare: impl FnOnce(&mut Stand)) -> Fault {
    let (mut stand, state, bytes) = settled();
    prepare(&mut stand);
    let alive = Memory::outstanding();
    let error = error(stand.open(name));
    assert_eq!(format!("{:?}", stand.world), state, "{error}");
    let now: Vec<Vec<u8>> = stand.world.modules.iter().map(|module| memory(module)).collect();
    assert_eq!(now, bytes, "{error}");
    assert_eq!(Memory::outstanding(), alive, "{error}");
    error.kind
}

/// A library with a word that refers to what the process has.
fn referring(soname: &str) -> Module {
    let mut x = Module::library(soname);
    let place = x.data(&[0; 8]);
    let known = x.undefined("known", Binding::Global);
    x.relocation(place, R_64, Some(known), 0);
    x
}

#[test]
fn a_batch_that_lacks_a_library_leaves_the_world_unchanged_and_unmaps_itself() {
    let kind = fails_without_a_trace("libx.so", |stand| {
        let mut x = referring("libx.so");
        x.needed("liby.so").needed("libnone.so");
        stand.add("/lib/libx.so", &x);
        stand.add("/lib/liby.so", &Module::library("liby.so"));
    });
    assert!(matches!(kind, Fault::Missing { .. }));
}

#[test]
fn a_batch_that_lacks_a_version_leaves_the_world_unchanged() {
    let kind = fails_without_a_trace("libx.so", |stand| {
        let mut x = referring("libx.so");
        x.needed("liby.so").need_version("liby.so", "V", false);
        let mut y = Module::library("liby.so");
        y.define_version("W");
        stand.add("/lib/libx.so", &x).add("/lib/liby.so", &y);
    });
    assert!(matches!(kind, Fault::NoVersion(_)));
}

#[test]
fn a_batch_that_lacks_a_symbol_leaves_the_world_unchanged() {
    let kind = fails_without_a_trace("libx.so", |stand| {
        let mut x = referring("libx.so");
        let place = x.data(&[0; 8]);
        let symbol = x.undefined("nowhere", Binding::Global);
        x.relocation(place, R_64, Some(symbol), 0);
        stand.add("/lib/libx.so", &x);
    });
    assert!(matches!(kind, Fault::Undefined(_)));
}

#[test]
fn a_batch_with_a_damaged_table_leaves_the_world_unchanged() {
    let kind = fails_without_a_trace("libx.so", |stand| {
        let mut x = referring("libx.so");
        x.relocation(0x1000_0000, R_64, None, 0);
        stand.add("/lib/libx.so", &x);
    });
    assert!(matches!(kind, Fault::Malformed { .. } | Fault::Relocation { .. }));
}

#[test]
fn a_batch_that_finds_static_tls_full_leaves_the_world_unchanged() {
    let (mut stand, _, _) = settled();
    stand.world.tls.capacity = Some(stand.world.tls.used);
    let state = format!("{:?}", stand.world);
    let mut x = Module::library("libx.so");
    x.tls(&[0; 64], 0, 8);
    let place = x.data(&[0; 8]);
    x.relocation(place, TPOFF64, None, 0);
    stand.add("/lib/libx.so", &x);
    let alive = Memory::outstanding();
    let error = error(stand.open("libx.so"));
    assert!(matches!(error.kind, Fault::StaticTls { .. }), "{error}");
    assert_eq!(format!("{:?}", stand.world), state);
    assert_eq!(Memory::outstanding(), alive);
}

#[test]
fn a_batch_that_cannot_be_protected_leaves_the_world_unchanged() {
    let kind = fails_without_a_trace("libx.so", |stand| {
        let mut x = referring("libx.so");
        x.relro(&[0; 8192]);
        stand.add("/lib/libx.so", &x);
        stand.host.refuses_protection = true;
    });
    let Fault::Os { errno, .. } = kind else {
        panic!("{kind:?}")
    };
    assert_eq!(errno, Errno::ENOMEM);
}

#[test]
fn a_start_that_fails_releases_every_mapping() {
    let mut main = Module::program("");
    main.needed("liba.so");
    let symbol = main.undefined("nowhere", Binding::Global);
    main.relocation(DATA, R_64, Some(symbol), 0).data(&[0; 8]);
    let mut stand = Stand::new(&main);
    stand.add("/lib/liba.so", &Module::library("liba.so"));
    error(stand.start());
    assert_eq!(Memory::outstanding(), (0, 0));
    assert!(stand.world.modules.is_empty());
}

#[test]
fn relro_is_made_read_only_in_whole_pages() {
    use lode::elf::segment::Access;
    let mut main = Module::program("");
    main.relro(&[0; 8192]);
    let mut stand = Stand::new(&main);
    stand.start().unwrap();
    let (at, size) = stand.module(PROGRAM).layout.relro.unwrap();
    let protected = stand.host.protected.borrow().clone();
    let start = stand.at(PROGRAM, at.0 & !4095);
    let length = ((at.0 + size) & !4095) - (at.0 & !4095);
    assert_eq!(protected, [(start, length, Access::READ)]);
}
