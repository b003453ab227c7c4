//! Publication, and the functions that a module wants called when it comes and goes.
//!
//! The lists are owned, so that no part of the world is borrowed while code of the program runs.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::protect::Protected;
use crate::elf::dynamic::Range;
use crate::elf::{Address, Vaddr};
use crate::event::Statistics;
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
pub fn preconstructors(module: &Module) -> Vec<Address> {
    array(module, module.dynamic.preinit_array)
}

/// DT_INIT, then DT_INIT_ARRAY in order (gABI, "Initialization and Termination Functions").
///
/// The arrays are read now: relocation has made their words run-time addresses.
pub fn constructors(module: &Module) -> Vec<Address> {
    let mut functions = Vec::new();
    if let Some(init) = module.dynamic.init {
        functions.push(module.at(init));
    }
    functions.extend(array(module, module.dynamic.init_array));
    functions
}

/// DT_FINI_ARRAY backwards, then DT_FINI.
pub fn destructors(module: &Module) -> Vec<Address> {
    let mut functions = array(module, module.dynamic.fini_array);
    functions.reverse();
    if let Some(fini) = module.dynamic.fini {
        functions.push(module.at(fini));
    }
    functions
}

/// The addresses in an array. 0 and -1 are left out: old tools wrote them as ends.
fn array(module: &Module, range: Option<Range>) -> Vec<Address> {
    let Some(range) = range else { return Vec::new() };
    let at: Vaddr = range.at;
    match module.image.table::<u64>(at, (range.size / 8) as usize) {
        Some(words) => words
            .iter()
            .filter(|word| *word != 0 && *word != u64::MAX)
            .map(Address)
            .collect(),
        None => Vec::new(),
    }
}
