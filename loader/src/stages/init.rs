//! Publication, and the functions that a module wants called when it comes and goes.
//!
//! The lists are owned, so that no part of the world is borrowed while code of the program runs.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::link::dependencies_first;
use super::protect::Protected;
use crate::elf::Address;
use crate::elf::dynamic::Range;
use crate::event::Statistics;
use crate::image::Table;
use crate::world::{Module, ModuleId, World};

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
        let Protected {
            batch,
            global,
            tls,
            init_order,
            unique,
            statistics,
        } = self;
        let first_new = world.modules.len();
        world.modules.extend(batch.modules.into_iter().map(Arc::new));
        for id in &batch.order {
            if !world.list.contains(id) {
                world.list.push(*id);
            }
        }
        let unlisted = (0..world.modules.len())
            .skip(first_new)
            .map(|index| ModuleId(index as u32));
        for id in unlisted {
            if !world.list.contains(&id) {
                world.list.push(id);
            }
        }
        world.index_ranges();
        world.fini_order = dependencies_first(world.roster(), &world.list, 0);
        world.fini_order.reverse();
        world.global = global;
        world.names.extend(batch.names);
        world.tls = tls;
        world.unique = unique;
        let modules = init_order
            .iter()
            .filter_map(|id| world.modules.get(id.0 as usize).cloned())
            .filter(|module| !module.is_final)
            .collect();
        Ready {
            modules,
            order: batch.order,
            statistics,
        }
    }
}

/// DT_PREINIT_ARRAY of the program: called before every other constructor.
pub fn preconstructors(module: &Module) -> impl Iterator<Item = Address> {
    array(module, module.dynamic.preinit_array)
}

/// DT_INIT, then DT_INIT_ARRAY in order (gABI, "Initialization and Termination Functions").
///
/// The words are read as the calls go: relocation has made them run-time addresses.
pub fn constructors(module: &Module) -> impl Iterator<Item = Address> {
    let init = module.dynamic.init.map(|init| module.at(init));
    init.into_iter().chain(array(module, module.dynamic.init_array))
}

/// DT_FINI_ARRAY backwards, then DT_FINI.
pub fn destructors(module: &Module) -> impl Iterator<Item = Address> {
    let fini = module.dynamic.fini.map(|fini| module.at(fini));
    array(module, module.dynamic.fini_array).rev().chain(fini)
}

/// The addresses in an array. 0 and -1 are left out: old tools wrote them as ends.
fn array(module: &Module, range: Option<Range>) -> impl DoubleEndedIterator<Item = Address> {
    let words = range
        .and_then(|range| module.image.table::<u64>(range.at, (range.size / 8) as usize))
        .unwrap_or(Table::EMPTY);
    (0..words.len())
        .filter_map(move |index| words.get(index))
        .filter(|word| *word != 0 && *word != u64::MAX)
        .map(Address)
}
