//! Publication, and the functions that a module wants called when it comes and goes.
//!
//! The lists are owned, so that no part of the world is borrowed while code of the program runs.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::protect::Protected;
use crate::elf::dynamic::{Flags1, Range};
use crate::elf::{Address, SymbolIndex, Vaddr};
use crate::error::{Fault, Kind, Rule};
use crate::event::Statistics;
use crate::image::Table;
use crate::world::{Module, ModuleId, Role, Roster, World};

/// A published batch: its modules in the order of their constructors.
#[derive(Debug)]
pub struct Ready {
    /// Dependencies first.
    pub modules: Vec<Arc<Module>>,
    /// What the roots and all they need are, in breadth-first order.
    pub order: Vec<ModuleId>,
    /// Counts.
    pub statistics: Statistics,
}

impl Protected {
    /// Makes the batch part of the world. Cannot fail: there is no half-way to undo.
    pub fn publish(self, world: &mut World) -> Ready {
        let batch = *self.batch;
        let first_new = world.next;
        world.extend(batch.modules);
        // The start has listed its modules with those that were there before it.
        if world.list.first().is_none_or(|first| *first < first_new) {
            let is_new = |id: &&ModuleId| **id >= first_new;
            world.list.extend(batch.order.iter().filter(is_new));
        }
        for (_, id, _) in batch.unique.iter().skip(world.unique.len()) {
            // It serves the whole process.
            if let Some(module) = world.get(*id) {
                module.pin();
            }
        }
        world.global = batch.global;
        world.names.extend(batch.names);
        world.tls = batch.tls;
        world.unique = batch.unique;
        let mut modules = to_initialise(world, &batch.init_order);
        // glibc's order: of all modules with DF_1_INITFIRST it is the one that was loaded last.
        let first = modules
            .iter()
            .filter(|module| module.dynamic.flags_1.contains(Flags1::INITFIRST))
            .map(|module| module.id)
            .max();
        if let Some(place) = modules.iter().position(|module| Some(module.id) == first)
            && let Some(before) = modules.get_mut(..=place)
        {
            before.rotate_right(1);
        }
        Ready {
            modules,
            order: batch.order,
            statistics: batch.statistics,
        }
    }
}

/// The modules of `order` whose constructors lode runs.
pub fn to_initialise(world: &World, order: &[ModuleId]) -> Vec<Arc<Module>> {
    let mut modules = Vec::with_capacity(order.len());
    for id in order {
        if let Some(module) = world.get(*id)
            && !module.is_final
        {
            modules.push(module.clone());
        }
    }
    modules
}

/// DT_PREINIT_ARRAY of the program: called before every other constructor. A program that starts itself calls its own.
pub fn preconstructors(module: &Module) -> impl Iterator<Item = Address> {
    array(module, module.dynamic.preinit_array.filter(|_| !module.is_final))
}

/// DT_INIT, then DT_INIT_ARRAY in order (gABI, "Initialization and Termination Functions").
///
/// The words are read as the calls go: relocation has made them run-time addresses.
pub fn constructors(module: &Module) -> impl Iterator<Item = Address> {
    let init = function(module, module.dynamic.init);
    init.into_iter().chain(array(module, module.dynamic.init_array))
}

/// DT_FINI_ARRAY backwards, then DT_FINI.
pub fn destructors(module: &Module) -> impl Iterator<Item = Address> {
    let fini = function(module, module.dynamic.fini);
    array(module, module.dynamic.fini_array).rev().chain(fini)
}

/// Checks that whatever will be entered because the file says so is code: the program's entry is in the program, and the functions are
/// in some module (glibc runs arrays that point into another one). Called when the words are final and nothing has run.
///
/// # Errors
/// [`Rule::EntryOutside`], [`Rule::CodeOutside`] with the link-time address; [`Rule::TagTableOutside`] for an array that is not mapped.
pub fn check_code(roster: Roster<'_>, module: &Module) -> Result<(), Fault> {
    let entry = module.layout.entry;
    if module.role == Role::Program && !module.image.is_executable(entry) {
        return Err(Kind::malformed(Rule::EntryOutside, entry.0, 0));
    }
    if module.is_final {
        return Ok(());
    }
    let check = |at: Address| {
        let is_here = is_code(module, at) || may_become_code(module, at);
        if is_here || roster.find(&|other| is_function(other, at)).is_some() {
            return Ok(());
        }
        let place = at.in_image(module.image.bias());
        Err(Kind::malformed(Rule::CodeOutside, place.0, 0))
    };
    let dynamic = &module.dynamic;
    for range in [&dynamic.preinit_array, &dynamic.init_array, &dynamic.fini_array] {
        let Some(range) = *range else { continue };
        if words(module, range).is_none() {
            return Err(Kind::malformed(Rule::TagTableOutside, range.at.0, range.size));
        }
        array(module, Some(range)).try_for_each(check)?;
    }
    for at in [dynamic.init, dynamic.fini] {
        function(module, at).map_or(Ok(()), check)?;
    }
    Ok(())
}

/// Whether DT_INIT, which runs before the arrays, may yet put code there: between the segments of its module, where a packed library unpacks itself (UPX).
fn may_become_code(module: &Module, at: Address) -> bool {
    let (start, end) = module.range();
    let is_after_init = module.dynamic.init.is_some_and(|init| module.at(init) != at);
    is_after_init && (start..end).contains(&at) && !module.contains(at)
}

fn is_code(module: &Module, at: Address) -> bool {
    module.image.is_executable(at.in_image(module.image.bias()))
}

/// Whether an array of another module may hold this address: the value of a symbol, or lode's own code, which stands for a resolver's
/// answer until there is one.
fn is_function(module: &Module, at: Address) -> bool {
    let is_here = |index| {
        let symbol = module.symbols.get(SymbolIndex(index));
        symbol.is_some_and(|symbol| symbol.is_defined() && module.at(Vaddr(symbol.value)) == at)
    };
    is_code(module, at) && (module.role == Role::Loader || (0..module.symbols.count()).any(is_here))
}

/// DT_INIT or DT_FINI. 0 is left out: linkers write it when the symbol that they were told of does not exist.
fn function(module: &Module, at: Option<Vaddr>) -> Option<Address> {
    at.filter(|at| at.0 != 0).map(|at| module.at(at))
}

fn words(module: &Module, range: Range) -> Option<Table<u64>> {
    module.image.table(range.at, usize::try_from(range.size / 8).ok()?)
}

/// The addresses in an array. 0 and -1 are left out: old tools wrote them as ends.
fn array(module: &Module, range: Option<Range>) -> impl DoubleEndedIterator<Item = Address> {
    let words = range.and_then(|range| words(module, range)).unwrap_or(Table::EMPTY);
    (0..words.len())
        .filter_map(move |index| words.get(index))
        .filter(|word| *word != 0 && *word != u64::MAX)
        .map(Address)
}
