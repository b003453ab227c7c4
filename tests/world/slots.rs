//! Long tables of function slots, which wait for their calls.

use forge::{Binding, Kind, Module, TEXT};
use lode::elf::Address;
use lode::stages::relocate::Substitute;
use lode::symbols::{Use, Wanted};

use crate::binding::function;
use crate::stand::{ENTRIES, PROGRAM, Stand};

const JUMP_SLOT: u32 = 7;
const IRELATIVE: u32 = 37;
const DT_PLTGOT: u64 = 3;
const A: &str = "/lib/liba.so";

/// The shortest table that waits.
const LONG: usize = 128;

/// A program with a table of slots for functions of liba.so.
struct Caller {
    program: Module,
    library: Module,
    got: u64,
    slots: Vec<u64>,
    functions: Vec<u64>,
    behind_the_jump: u64,
}

impl Caller {
    fn new(count: usize) -> Caller {
        Caller::with_slots(count, &mut |program, word| program.data(word))
    }

    /// With slots that are made by `place`.
    fn with_slots(count: usize, place: &mut dyn FnMut(&mut Module, &[u8]) -> u64) -> Caller {
        Caller::made(Module::library("liba.so"), count, place)
    }

    /// Of functions of another library.
    fn of_library(library: Module, count: usize) -> Caller {
        Caller::made(library, count, &mut |program, word| program.data(word))
    }

    fn made(mut library: Module, count: usize, place: &mut dyn FnMut(&mut Module, &[u8]) -> u64) -> Caller {
        let mut program = Module::program("");
        program.needed("liba.so");
        let got = program.data(&[0; 24]);
        program.tag(DT_PLTGOT, got);
        let behind_the_jump = program.text(&[0xc3; 16]) + 6;
        let (mut slots, mut functions) = (Vec::new(), Vec::new());
        for number in 0..count {
            let name = format!("f{number}");
            functions.push(function(&mut library, &name, Binding::Global).1);
            let symbol = program.undefined(&name, Binding::Global);
            let slot = place(&mut program, &behind_the_jump.to_le_bytes());
            program.slot(slot, JUMP_SLOT, Some(symbol), 0);
            slots.push(slot);
        }
        Caller {
            program,
            library,
            got,
            slots,
            functions,
            behind_the_jump,
        }
    }

    /// Started; binding may be lazy.
    fn started(&self, change: impl FnOnce(&mut Stand)) -> Stand {
        let mut stand = Stand::new(&self.program);
        stand.add(A, &self.library);
        stand.bind_now = false;
        stand.waits = true;
        change(&mut stand);
        stand.start().unwrap();
        stand
    }

    fn assert_waits(&self, stand: &Stand) {
        assert_eq!(stand.word(PROGRAM, self.got + 16), ENTRIES.lazy.0);
        for slot in &self.slots {
            assert_eq!(stand.word(PROGRAM, *slot), stand.at(PROGRAM, self.behind_the_jump));
        }
    }

    fn assert_bound(&self, stand: &Stand) {
        for (slot, function) in self.slots.iter().zip(&self.functions) {
            assert_eq!(stand.word(PROGRAM, *slot), stand.at(A, *function));
        }
    }
}

#[test]
fn a_long_table_waits_and_each_call_binds_its_slot() {
    let caller = Caller::new(LONG);
    let stand = caller.started(|_| ());
    caller.assert_waits(&stand);
    for (index, (slot, function)) in caller.slots.iter().zip(&caller.functions).enumerate() {
        let called = crate::binding::called(&stand, index as u64).unwrap();
        assert_eq!(called, Address(stand.at(A, *function)));
        assert_eq!(stand.word(PROGRAM, *slot), called.0);
    }
}

#[test]
fn a_short_table_is_bound_at_the_start() {
    let caller = Caller::new(LONG - 1);
    caller.assert_bound(&caller.started(|_| ()));
}

#[test]
fn a_long_table_is_bound_where_nothing_may_wait() {
    let caller = Caller::new(LONG);
    caller.assert_bound(&caller.started(|stand| stand.bind_now = true));
    caller.assert_bound(&caller.started(|stand| stand.waits = false));
}

#[test]
fn slots_that_will_be_read_only_do_not_wait() {
    let mut count = 0;
    let caller = Caller::with_slots(1024, &mut |program, word| {
        count += 1;
        match count {
            ..=512 => program.relro(word),
            _ => program.data(word),
        }
    });
    let stand = caller.started(|_| ());
    for (number, (slot, function)) in caller.slots.iter().zip(&caller.functions).enumerate() {
        let expected = match number {
            ..512 => stand.at(A, *function),
            _ => stand.at(PROGRAM, caller.behind_the_jump),
        };
        assert_eq!(stand.word(PROGRAM, *slot), expected, "slot {number}");
    }
}

#[test]
fn a_slot_that_leads_nowhere_in_the_file_is_bound() {
    let mut count = 0;
    let caller = Caller::with_slots(LONG, &mut |program, word| {
        count += 1;
        program.data(if count == 7 { &[0; 8] } else { word })
    });
    let stand = caller.started(|_| ());
    assert_eq!(stand.word(PROGRAM, caller.slots[6]), stand.at(A, caller.functions[6]));
    assert_eq!(
        stand.word(PROGRAM, caller.slots[7]),
        stand.at(PROGRAM, caller.behind_the_jump)
    );
}

#[test]
fn a_slot_for_a_function_that_the_program_has_an_address_of_is_bound() {
    let mut caller = Caller::new(LONG);
    let own = caller.program.text(&[0xc3]);
    let symbol = caller.program.undefined_with_value("f3", own);
    let slot = caller.program.data(&caller.behind_the_jump.to_le_bytes());
    caller.program.slot(slot, JUMP_SLOT, Some(symbol), 0);
    let stand = caller.started(|_| ());
    assert_eq!(stand.word(PROGRAM, slot), stand.at(A, caller.functions[3]));
    caller.assert_waits(&stand);
}

#[test]
fn no_slot_waits_beside_a_resolver_that_is_not_glibc_s() {
    let mut caller = Caller::new(LONG);
    let symbol = caller.program.undefined("later", Binding::Global);
    let slot = caller.program.data(&caller.behind_the_jump.to_le_bytes());
    caller.program.slot(slot, JUMP_SLOT, Some(symbol), 0);
    let resolver = caller.library.text(&[0xc3]);
    let word = caller.library.data(&[0; 8]);
    caller.library.relocation(word, IRELATIVE, None, resolver as i64);
    let stand = caller.started(|_| ());
    caller.assert_bound(&stand);
    // What nothing defines waits all the same.
    assert_eq!(stand.word(PROGRAM, slot), stand.at(PROGRAM, caller.behind_the_jump));
    assert_eq!(stand.word(PROGRAM, caller.got + 16), ENTRIES.lazy.0);

    // glibc's own are known by their names, and by the version that they define; whoever stands before libc defines that too.
    for (soname, version, waits) in [
        ("libm.so.6", "GLIBC_2.2.5", true),
        ("libm.so.6", "MINE_2", false),
        ("liba.so", "GLIBC_2.2.5", false),
    ] {
        let mut caller = Caller::of_library(Module::library(soname), LONG);
        let resolver = caller.library.text(&[0xc3]);
        let word = caller.library.data(&[0; 8]);
        caller.library.relocation(word, IRELATIVE, None, resolver as i64);
        caller.library.define_version(version);
        let stand = caller.started(|_| ());
        match waits {
            true => caller.assert_waits(&stand),
            false => caller.assert_bound(&stand),
        }
    }

    // One whose own slots wait calls them, whatever it is called.
    let mut caller = Caller::of_library(Module::library("libm.so.6"), LONG);
    let behind_the_jump = caller.library.text(&[0xc3; 16]) + 6;
    let got = caller.library.data(&[0; 24]);
    caller.library.tag(DT_PLTGOT, got);
    let symbol = caller.library.undefined("f0", Binding::Global);
    for _ in 0..LONG {
        let slot = caller.library.data(&behind_the_jump.to_le_bytes());
        caller.library.slot(slot, JUMP_SLOT, Some(symbol), 0);
    }
    let (resolver, word) = (caller.library.text(&[0xc3]), caller.library.data(&[0; 8]));
    caller.library.relocation(word, IRELATIVE, None, resolver as i64);
    caller.library.define_version("GLIBC_2.2.5");
    caller.assert_bound(&caller.started(|_| ()));
}

#[test]
fn the_slots_of_a_prelinked_file_are_bound() {
    let caller = Caller::new(LONG);
    caller.assert_waits(&caller.started(|_| ()));
    let mut caller = Caller::new(LONG);
    let got = caller.program.data(&[[0; 8], [7; 8], [0; 8]].concat());
    caller.program.tag(DT_PLTGOT, got);
    caller.assert_bound(&caller.started(|_| ()));
}

#[test]
fn what_a_call_must_not_be_bound_to_is_refused_at_the_call() {
    let mut caller = Caller::new(LONG);
    caller
        .library
        .define("outside", Binding::Global, Kind::Function, TEXT + 0x7000_0000, 1);
    let symbol = caller.program.undefined("outside", Binding::Global);
    let slot = caller.program.data(&caller.behind_the_jump.to_le_bytes());
    caller.program.slot(slot, JUMP_SLOT, Some(symbol), 0);
    let stand = caller.started(|_| ());
    let refused = crate::binding::called(&stand, LONG as u64).unwrap_err();
    assert!(refused.to_string().contains("/lib/liba.so"), "{refused}");
}

#[test]
fn a_call_of_what_another_address_stands_for_leads_there() {
    let caller = Caller::new(LONG);
    let stand = caller.started(|_| ());
    let library = stand.module(A);
    let (index, _) = library.symbols.find(&Wanted::new(b"f5", None, Use::Call)).unwrap();
    let substitute = Substitute {
        file: library.identity,
        index,
        address: Address(0x5000),
    };
    for (slot, expected) in [(5, 0x5000), (6, stand.at(A, caller.functions[6]))] {
        let called = crate::binding::called_with(&stand, slot, &[substitute]).unwrap();
        assert_eq!(called.0, expected);
        assert_eq!(stand.word(PROGRAM, caller.slots[slot as usize]), expected);
    }
}
