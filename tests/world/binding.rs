//! Which definition a reference gets.

use forge::{Binding, HashStyle, Kind, Module, SegmentField, SymbolId, TEXT, Visibility};
use lode::event::Interest;

use crate::stand::{PROGRAM, Stand, error};

const R_64: u32 = 1;
const GLOB_DAT: u32 = 6;
const JUMP_SLOT: u32 = 7;
const DT_SYMBOLIC: u64 = 16;
const DT_FLAGS: u64 = 30;
const DF_SYMBOLIC: u64 = 2;

const A: &str = "/lib/liba.so";
const B: &str = "/lib/libb.so";

/// Adds a function of one byte.
pub fn function(module: &mut Module, name: &str, binding: Binding) -> (SymbolId, u64) {
    let place = module.text(&[0xc3]);
    (module.define(name, binding, Kind::Function, place, 1), place)
}

/// Adds a word that holds the address of `symbol`.
pub fn pointer(module: &mut Module, symbol: SymbolId) -> u64 {
    let place = module.data(&[0; 8]);
    module.relocation(place, R_64, Some(symbol), 0);
    place
}

/// Adds a word through which `symbol` is called.
pub fn slot(module: &mut Module, symbol: SymbolId) -> u64 {
    let place = module.data(&[0; 8]);
    module.slot(place, JUMP_SLOT, Some(symbol), 0);
    place
}

/// A program that needs liba.so and libb.so.
fn program() -> Module {
    let mut program = Module::program("");
    program.needed("liba.so").needed("libb.so");
    program
}

fn started(program: &Module, a: &Module, b: &Module) -> Stand {
    let mut stand = Stand::new(program);
    stand.add(A, a).add(B, b);
    stand.start().unwrap();
    stand
}

#[test]
fn the_first_definition_in_breadth_first_order_serves_everybody() {
    let mut program = program();
    let (_, own) = function(&mut program, "mine", Binding::Global);
    let mut places = Vec::new();
    let mut libraries = ["liba.so", "libb.so"].map(|name| {
        let mut library = Module::library(name);
        let (mine, _) = function(&mut library, "mine", Binding::Global);
        let (shared, place) = function(&mut library, "shared", Binding::Global);
        places.push((pointer(&mut library, mine), slot(&mut library, shared), place));
        library
    });
    let [a, b] = &mut libraries;
    let stand = started(&program, a, b);
    for (path, (mine, shared, _)) in [A, B].iter().zip(&places) {
        assert_eq!(stand.word(path, *mine), stand.at(PROGRAM, own));
        assert_eq!(stand.word(path, *shared), stand.at(A, places[0].2));
    }
}

#[test]
fn each_hash_table_finds_what_the_other_finds() {
    for style in [HashStyle::Gnu, HashStyle::Sysv, HashStyle::Both] {
        let mut program = program();
        let mut expected = Vec::new();
        let mut a = Module::library("liba.so");
        a.hash_style(style);
        for number in 0..200 {
            let name = format!("function_{number}");
            let (_, place) = function(&mut a, &name, Binding::Global);
            let symbol = program.undefined(&name, Binding::Global);
            expected.push((pointer(&mut program, symbol), place));
        }
        let stand = started(&program, &a, &Module::library("libb.so"));
        for (word, place) in expected {
            assert_eq!(stand.word(PROGRAM, word), stand.at(A, place), "{style:?}");
        }
    }
}

#[test]
fn a_weak_definition_is_as_good_as_a_later_strong_one() {
    let mut program = program();
    let symbol = program.undefined("f", Binding::Global);
    let word = pointer(&mut program, symbol);
    let mut a = Module::library("liba.so");
    let (_, weak) = function(&mut a, "f", Binding::Weak);
    let mut b = Module::library("libb.so");
    function(&mut b, "f", Binding::Global);
    let stand = started(&program, &a, &b);
    assert_eq!(stand.word(PROGRAM, word), stand.at(A, weak));
}

#[test]
fn a_weak_reference_that_nothing_defines_is_zero() {
    let mut program = program();
    let symbol = program.undefined("nowhere", Binding::Weak);
    let word = program.data(&[0xff; 8]);
    program.relocation(word, GLOB_DAT, Some(symbol), 0);
    let called = slot(&mut program, symbol);
    let stand = started(&program, &Module::library("liba.so"), &Module::library("libb.so"));
    assert_eq!(stand.word(PROGRAM, word), 0);
    assert_eq!(stand.word(PROGRAM, called), 0);
}

#[test]
fn local_and_hidden_definitions_serve_their_own_module_only() {
    for hide in [
        Some(Visibility::Hidden),
        Some(Visibility::Internal),
        // A local symbol.
        None,
    ] {
        let mut program = program();
        let symbol = program.undefined("f", Binding::Global);
        let word = pointer(&mut program, symbol);
        let mut a = Module::library("liba.so");
        let binding = if hide.is_some() {
            Binding::Global
        } else {
            Binding::Local
        };
        let (own, private) = function(&mut a, "f", binding);
        if let Some(visibility) = hide {
            a.visibility(own, visibility);
        }
        let inside = pointer(&mut a, own);
        let mut b = Module::library("libb.so");
        let (_, public) = function(&mut b, "f", Binding::Global);
        let stand = started(&program, &a, &b);
        assert_eq!(stand.word(A, inside), stand.at(A, private), "{hide:?}");
        assert_eq!(stand.word(PROGRAM, word), stand.at(B, public), "{hide:?}");
    }
}

#[test]
fn a_protected_definition_serves_its_own_module_even_when_it_is_interposed() {
    let mut program = program();
    let (_, first) = function(&mut program, "f", Binding::Global);
    let mut a = Module::library("liba.so");
    let (own, protected) = function(&mut a, "f", Binding::Global);
    a.visibility(own, Visibility::Protected);
    let inside = pointer(&mut a, own);
    let called = slot(&mut a, own);
    let mut b = Module::library("libb.so");
    let symbol = b.undefined("f", Binding::Global);
    let outside = pointer(&mut b, symbol);
    let stand = started(&program, &a, &b);
    assert_eq!(stand.word(A, inside), stand.at(A, protected));
    assert_eq!(stand.word(A, called), stand.at(A, protected));
    assert_eq!(stand.word(B, outside), stand.at(PROGRAM, first));
}

#[test]
fn the_canonical_plt_address_is_the_function_s_address_everywhere_even_where_it_is_protected() {
    let mut program = program();
    program.fixed();
    let plt = program.text(&[0xc3; 16]);
    let symbol = program.undefined_with_value("f", plt);
    let called = slot(&mut program, symbol);
    let mut a = Module::library("liba.so");
    let (own, real) = function(&mut a, "f", Binding::Global);
    a.visibility(own, Visibility::Protected);
    let inside = pointer(&mut a, own);
    let got = a.data(&[0; 8]);
    a.relocation(got, GLOB_DAT, Some(own), 0);
    let called_inside = slot(&mut a, own);
    let mut b = Module::library("libb.so");
    let symbol = b.undefined("f", Binding::Global);
    let outside = pointer(&mut b, symbol);
    let stand = started(&program, &a, &b);
    assert_eq!(plt, TEXT);
    // Addresses compare equal everywhere.
    assert_eq!(stand.word(A, inside), plt);
    assert_eq!(stand.word(A, got), plt);
    assert_eq!(stand.word(B, outside), plt);
    // Calls go to the function: the PLT's own slot must not lead back to the PLT.
    assert_eq!(stand.word(PROGRAM, called), stand.at(A, real));
    assert_eq!(stand.word(A, called_inside), stand.at(A, real));
}

#[test]
fn a_symbolic_library_is_asked_first_for_its_own_references() {
    for (tag, value) in [(DT_SYMBOLIC, 0), (DT_FLAGS, DF_SYMBOLIC)] {
        let mut program = program();
        let (_, first) = function(&mut program, "f", Binding::Global);
        let (_, only) = function(&mut program, "g", Binding::Global);
        let mut a = Module::library("liba.so");
        a.tag(tag, value);
        let (f, own) = function(&mut a, "f", Binding::Global);
        let inside = pointer(&mut a, f);
        let g = a.undefined("g", Binding::Global);
        let outside = pointer(&mut a, g);
        let mut b = Module::library("libb.so");
        let f = b.undefined("f", Binding::Global);
        let elsewhere = pointer(&mut b, f);
        let stand = started(&program, &a, &b);
        assert_eq!(stand.word(A, inside), stand.at(A, own));
        assert_eq!(stand.word(A, outside), stand.at(PROGRAM, only));
        assert_eq!(stand.word(B, elsewhere), stand.at(PROGRAM, first));
    }
}

#[test]
fn a_unique_symbol_has_one_definition_in_the_process_whatever_is_opened_later() {
    fn with_unique(name: &str) -> (Module, u64, u64) {
        let mut module = Module::library(name);
        let place = module.data(&[7; 8]);
        let symbol = module.define("only", Binding::Unique, Kind::Object, place, 8);
        let word = pointer(&mut module, symbol);
        (module, place, word)
    }
    let (x, first, word) = with_unique("libx.so");
    let (y, _, _) = with_unique("liby.so");
    let mut stand = Stand::new(&Module::program(""));
    stand.add("/lib/libx.so", &x).add("/lib/liby.so", &y);
    stand.start().unwrap();
    stand.open("libx.so").unwrap();
    // Neither is in the scope of the other.
    stand.open("liby.so").unwrap();
    let one = stand.at("/lib/libx.so", first);
    assert_eq!(stand.word("/lib/libx.so", word), one);
    assert_eq!(stand.word("/lib/liby.so", word), one);
}

#[test]
fn a_library_that_is_opened_sees_the_program_first_and_then_its_own_group() {
    let mut main = Module::program("");
    let (_, first) = function(&mut main, "f", Binding::Global);
    let mut x = Module::library("libx.so");
    x.needed("liby.so");
    function(&mut x, "f", Binding::Global);
    let (_, grouped) = function(&mut x, "g", Binding::Global);
    let mut y = Module::library("liby.so");
    let f = y.undefined("f", Binding::Global);
    let g = y.undefined("g", Binding::Global);
    let (to_f, to_g) = (pointer(&mut y, f), pointer(&mut y, g));
    let mut stand = Stand::new(&main);
    stand.add("/lib/libx.so", &x).add("/lib/liby.so", &y);
    stand.start().unwrap();
    stand.open("libx.so").unwrap();
    assert_eq!(stand.word("/lib/liby.so", to_f), stand.at(PROGRAM, first));
    assert_eq!(stand.word("/lib/liby.so", to_g), stand.at("/lib/libx.so", grouped));
    assert_eq!(stand.names(&stand.world.global), [PROGRAM]);
}

#[test]
fn an_absolute_symbol_does_not_move() {
    let mut program = program();
    let symbol = program.undefined("number", Binding::Global);
    let word = pointer(&mut program, symbol);
    let mut a = Module::library("liba.so");
    a.define_absolute("number", 42);
    let stand = started(&program, &a, &Module::library("libb.so"));
    assert_eq!(stand.word(PROGRAM, word), 42);
}

#[test]
fn an_absolute_symbol_of_zero_is_a_definition() {
    let mut program = program();
    let symbol = program.undefined("zero", Binding::Global);
    let word = pointer(&mut program, symbol);
    let mut a = Module::library("liba.so");
    a.define_absolute("zero", 0);
    let stand = started(&program, &a, &Module::library("libb.so"));
    assert_eq!(stand.word(PROGRAM, word), 0);
}

#[test]
fn all_unresolved_symbols_are_reported_in_one_error() {
    let mut program = program();
    let mut a = Module::library("liba.so");
    for name in ["one", "two"] {
        let symbol = program.undefined(name, Binding::Global);
        pointer(&mut program, symbol);
    }
    let symbol = a.undefined("three", Binding::Global);
    pointer(&mut a, symbol);
    let symbol = a.undefined("four", Binding::Global);
    slot(&mut a, symbol);
    let mut stand = Stand::new(&program);
    stand.add(A, &a).add(B, &Module::library("libb.so"));
    let error = error(stand.start());
    let text = error.report(b"main").to_string();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("symbol lookup error"))
        .collect();
    assert_eq!(
        lines,
        [
            "main: symbol lookup error: /lib/liba.so: undefined symbol: three",
            "main: symbol lookup error: /lib/liba.so: undefined symbol: four",
            "main: symbol lookup error: /bin/main: undefined symbol: one",
            "main: symbol lookup error: /bin/main: undefined symbol: two",
        ]
    );
}

#[test]
fn an_unresolved_symbol_is_reported_once_however_many_words_want_it() {
    let mut program = program();
    let symbol = program.undefined("one", Binding::Global);
    for _ in 0..3 {
        pointer(&mut program, symbol);
    }
    let mut stand = Stand::new(&program);
    stand
        .add(A, &Module::library("liba.so"))
        .add(B, &Module::library("libb.so"));
    let text = error(stand.start()).report(b"main").to_string();
    assert_eq!(text.matches("undefined symbol: one").count(), 1, "{text}");
}

/// A program that calls `later`, which nothing defines.
struct Caller {
    program: Module,
    got: u64,
    slot: u64,
    behind_the_jump: u64,
}

impl Caller {
    fn new(binding: Binding) -> Caller {
        const DT_PLTGOT: u64 = 3;
        let mut program = Module::program("");
        let got = program.data(&[0; 24]);
        let behind_the_jump = program.text(&[0xc3; 16]) + 6;
        let slot = program.data(&behind_the_jump.to_le_bytes());
        let symbol = program.undefined("later", binding);
        program.slot(slot, JUMP_SLOT, Some(symbol), 0).tag(DT_PLTGOT, got);
        Caller {
            program,
            got,
            slot,
            behind_the_jump,
        }
    }

    /// With slots that may wait.
    fn stand(&self) -> Stand {
        let mut stand = Stand::new(&self.program);
        stand.bind_now = false;
        stand
    }

    fn assert_waits(&self, stand: &Stand) {
        use crate::stand::ENTRIES;
        assert_eq!(stand.word(PROGRAM, self.slot), stand.at(PROGRAM, self.behind_the_jump));
        assert_eq!(stand.word(PROGRAM, self.got + 16), ENTRIES.lazy.0);
    }
}

/// What the call of the program's slot `index` leads to.
pub fn called(stand: &Stand, index: u64) -> lode::error::Result<lode::elf::Address> {
    called_with(stand, index, &[])
}

/// As [`called`], where other addresses stand for some definitions.
pub fn called_with(
    stand: &Stand,
    index: u64,
    substitutes: &[lode::stages::relocate::Substitute],
) -> lode::error::Result<lode::elf::Address> {
    use lode::event::{Log, Silence};
    use lode::world::Host;
    let world = &stand.world;
    let log = Log {
        interest: Interest::empty(),
        sink: &Silence,
    };
    let caller = stand.module(PROGRAM);
    let scope = lode::stages::relocate::scope_of(world.roster(), &world.global, &world.unique, caller);
    let called = lode::stages::slots::look_up(&scope, caller, index, substitutes, log)?;
    let function = match called.is_resolver {
        true => stand.host.resolve(called.address),
        false => called.address,
    };
    lode::stages::slots::bind(caller, &called, function);
    Ok(function)
}

#[test]
fn a_slot_that_may_wait_leads_to_the_binder() {
    let caller = Caller::new(Binding::Global);
    let mut stand = caller.stand();
    stand.start().unwrap();
    caller.assert_waits(&stand);

    let mut stand = Stand::new(&caller.program);
    assert!(error(stand.start()).to_string().ends_with("undefined symbol: later"));
}

#[test]
fn a_weak_slot_waits_and_its_call_leads_to_zero() {
    let caller = Caller::new(Binding::Weak);
    let mut stand = caller.stand();
    stand.start().unwrap();
    caller.assert_waits(&stand);
    assert_eq!(called(&stand, 0).unwrap().0, 0);
    assert_eq!(stand.word(PROGRAM, caller.slot), 0);

    let mut stand = Stand::new(&caller.program);
    stand.start().unwrap();
    assert_eq!(stand.word(PROGRAM, caller.slot), 0);
}

#[test]
fn a_slot_that_waited_gets_what_was_opened_since() {
    for binding in [Binding::Global, Binding::Weak] {
        let caller = Caller::new(binding);
        let mut a = Module::library("liba.so");
        let (_, later) = function(&mut a, "later", Binding::Global);
        let mut stand = caller.stand();
        stand.add(A, &a);
        stand.start().unwrap();
        let ready = stand.open("liba.so").unwrap();
        // What is opened locally does not serve the program.
        match binding {
            Binding::Weak => assert_eq!(called(&stand, 0).unwrap().0, 0),
            _ => {
                let text = error(called(&stand, 0)).to_string();
                assert!(text.ends_with("undefined symbol: later"), "{text}");
            }
        }
        stand.world.global.extend(ready.order);
        assert_eq!(called(&stand, 0).unwrap().0, stand.at(A, later));
        assert_eq!(stand.word(PROGRAM, caller.slot), stand.at(A, later));
        // An index that no slot has is an error, not an access.
        assert!(called(&stand, 1).is_err());
        assert!(called(&stand, u64::MAX).is_err());
    }
}

#[test]
fn the_kernel_s_library_gives_no_definitions() {
    let mut program = program();
    let symbol = program.undefined("clock_gettime", Binding::Weak);
    let word = pointer(&mut program, symbol);
    let mut vdso = Module::library("linux-vdso.so.1");
    function(&mut vdso, "clock_gettime", Binding::Global);
    let mut stand = Stand::new(&program);
    stand
        .add(A, &Module::library("liba.so"))
        .add(B, &Module::library("libb.so"));
    stand.add("linux-vdso.so.1", &vdso);
    stand.reside("linux-vdso.so.1", lode::world::Role::Vdso);
    stand.start().unwrap();
    assert_eq!(stand.word(PROGRAM, word), 0);
}

#[test]
fn bindings_are_told_with_both_sides() {
    let mut program = program();
    let symbol = program.undefined("f", Binding::Global);
    pointer(&mut program, symbol);
    let mut b = Module::library("libb.so");
    function(&mut b, "f", Binding::Global);
    let mut stand = Stand::new(&program);
    stand.interest = Interest::BINDINGS | Interest::SYMBOLS | Interest::RELOC;
    stand.add(A, &Module::library("liba.so")).add(B, &b);
    stand.start().unwrap();
    assert_eq!(
        stand.events(),
        [
            "relocate /lib/libb.so",
            "relocate /lib/liba.so",
            "relocate /bin/main",
            "look for f in /bin/main",
            "look for f in /lib/liba.so",
            "look for f in /lib/libb.so",
            "bind f of /bin/main to /lib/libb.so",
        ]
    );
}

/// patchelf lays a program's tables into a segment of its own in front of the others, and the symbol table may end in the next one.
#[test]
fn a_symbol_table_may_go_on_in_the_next_segment() {
    const PT_LOAD: u64 = 1;
    let mut program = Module::program("/lib/ld.so");
    let places: Vec<(u64, u64)> = (0..300)
        .map(|number| {
            let (symbol, value) = function(&mut program, &format!("f{number}"), Binding::Global);
            (pointer(&mut program, symbol), value)
        })
        .collect();
    let mut forged = program.forge();
    let (interpreter, first) = (forged.segment_of(3).unwrap(), forged.segment_of(1).unwrap());
    assert!(interpreter < first);
    let length = forged.segment(first, SegmentField::Filesz);
    for (segment, start, length) in [(interpreter, 0, 0x1000), (first, 0x1000, length - 0x1000)] {
        forged
            .set_segment(segment, SegmentField::Type, PT_LOAD)
            .set_segment(segment, SegmentField::Flags, 4)
            .set_segment(segment, SegmentField::Offset, start)
            .set_segment(segment, SegmentField::Vaddr, start)
            .set_segment(segment, SegmentField::Filesz, length)
            .set_segment(segment, SegmentField::Memsz, length)
            .set_segment(segment, SegmentField::Align, 0x1000);
    }
    let table = forged.dynamic(6).unwrap();
    assert!(table < 0x1000 && table + 24 * 300 > 0x1000);
    let mut stand = Stand::new(&program);
    stand.host.add(PROGRAM, forged.bytes);
    stand.start().unwrap();
    for (place, value) in places {
        assert_eq!(stand.word(PROGRAM, place), stand.at(PROGRAM, value));
    }
}
