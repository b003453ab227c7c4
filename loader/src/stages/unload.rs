//! The way back: which modules nobody needs any longer, and the world without them.
//!
//! A module stays as long as something leads to it: what was there at the start, what `dlopen` returned and `dlclose` has not taken back, what
//! is never to be unloaded; and from those on, what a module needs (DT_NEEDED) and what its references were bound to.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use crate::world::{Module, ModuleId, Role, World};

/// The modules that nothing leads to, dependents first: the order of their destructors.
///
/// `is_kept` is asked for modules that `dlopen` brought: whether libc still has something to call in it.
pub fn unneeded(world: &World, is_kept: impl Fn(&Module) -> bool) -> Vec<Arc<Module>> {
    let mut reached = vec![false; world.modules.len()];
    let mut waiting: Vec<ModuleId> = world.unique.iter().map(|(_, id, _)| *id).collect();
    for module in &world.modules {
        let is_root = module.role != Role::Opened
            || module.opened.load(Ordering::Acquire) != 0
            || module.is_pinned()
            || is_kept(module);
        if is_root {
            waiting.push(module.id);
        }
    }
    let roster = world.roster();
    while let Some(id) = waiting.pop() {
        let Some(reached) = roster.place(id).and_then(|place| reached.get_mut(place)) else {
            continue;
        };
        if core::mem::replace(reached, true) {
            continue;
        }
        if let Some(module) = roster.get(id) {
            waiting.extend(&module.needed);
            waiting.extend(module.bound_to());
        }
    }
    let is_reached = |id: ModuleId| roster.place(id).and_then(|place| reached.get(place)) != Some(&false);
    let unreached = world.fini_order.iter().filter(|id| !is_reached(**id));
    unreached.filter_map(|id| world.get(*id).cloned()).collect()
}

impl World {
    /// The world without `gone`. Their numbers, and what they had of static TLS behind everything that stays, are free again; their
    /// number in the world is not given again.
    pub fn without(&self, gone: &[Arc<Module>]) -> World {
        let stays = |id: &ModuleId| !gone.iter().any(|module| module.id == *id);
        let mut next = self.clone();
        next.modules.retain(|module| stays(&module.id));
        next.list.retain(stays);
        next.fini_order.retain(stays);
        next.global.retain(stays);
        next.names.retain(|(_, id)| stays(id));
        next.index_ranges();
        next.tls
            .give_back(next.modules.iter().filter_map(|module| module.tls()));
        next
    }
}
