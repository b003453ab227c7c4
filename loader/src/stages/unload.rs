//! The way back: which modules nobody needs any longer, and the world without them.
//!
//! A module stays as long as something leads to it: what was there at the start, what `dlopen` returned and `dlclose` has not taken back, what
//! is never to be unloaded; and from those on, what a module needs (DT_NEEDED) and what its references were bound to.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::link::dependents_first_among;
use crate::world::{CLOSED, Module, ModuleId, Role, World};

/// The modules that nothing leads to, dependents first: the order of their destructors. Only `closed` and what it leads to is looked at, or everything.
///
/// `is_kept` is asked for modules that `dlopen` brought: whether libc still has something to call in it.
pub fn unneeded(world: &World, closed: Option<ModuleId>, is_kept: &dyn Fn(&Module) -> bool) -> Vec<Arc<Module>> {
    let mut ids = left_alone(world, closed, &|module| {
        let opened = module.opened.load(Ordering::Acquire) != 0 && module.state.load(Ordering::Acquire) != CLOSED;
        opened || is_kept(module)
    });
    if ids.len() > 1 {
        ids = dependents_first_among(world, &ids);
    }
    let mut modules = Vec::with_capacity(ids.len());
    for module in ids.iter().filter_map(|id| world.get(*id)) {
        modules.push(module.clone());
    }
    modules
}

/// Of one module, or of all, and of what they lead to: what nothing leads to that stays for ever, or that `stays_too`.
///
/// Of each module is known how many published ones lead to it ([`Module::wanted`]). Where more do than those that may go, it stays, and so does what it leads to.
#[inline(never)]
pub fn left_alone(world: &World, closed: Option<ModuleId>, stays_too: &dyn Fn(&Module) -> bool) -> Vec<ModuleId> {
    let mut ways = vec![STAYS; world.modules.places()];
    // What may go, and is looked at in turn.
    let mut met: Vec<ModuleId> = Vec::new();
    let mut meet = |met: &mut Vec<ModuleId>, id: ModuleId, by: u32| {
        let Some((ways, module)) = ways_to(&mut ways, world, id) else {
            return;
        };
        if *ways != STAYS {
            *ways += by;
        } else if module.role == Role::Opened && !module.is_pinned() && !stays_too(module) {
            *ways = NONE + by;
            met.push(id);
        }
    };
    for module in world.modules.from(closed.unwrap_or_default()) {
        meet(&mut met, module.id, 0);
        if closed.is_some() {
            break;
        }
    }
    let mut next = 0;
    while let Some(module) = met.get(next).and_then(|id| world.get(*id)) {
        next += 1;
        module.leads_to(&mut |id| meet(&mut met, id, 1));
    }
    let mut staying = Vec::new();
    for id in &met {
        if let Some((ways, module)) = ways_to(&mut ways, world, *id)
            && module.wanted.load(Ordering::Acquire) > *ways - NONE
        {
            staying.push(*id);
        }
    }
    while let Some(id) = staying.pop() {
        if let Some((ways, module)) = ways_to(&mut ways, world, id)
            && core::mem::replace(ways, STAYS) != STAYS
        {
            module.leads_to(&mut |id| staying.push(id));
        }
    }
    let mut left = Vec::new();
    for id in met {
        if ways_to(&mut ways, world, id).is_some_and(|(ways, _)| *ways != STAYS) {
            left.push(id);
        }
    }
    left
}

/// In the place of a module: it stays, or has not been met.
const STAYS: u32 = 0;
/// No way leads to it; one more for each.
const NONE: u32 = 1;

/// How many ways lead to a module from others that may go: `ways` has them by the places of modules.
#[inline(never)]
fn ways_to<'w>(ways: &'w mut [u32], world: &'w World, id: ModuleId) -> Option<(&'w mut u32, &'w Module)> {
    let (place, module) = world.modules.placed(id)?;
    Some((ways.get_mut(place)?, module))
}

impl World {
    /// A copy without `gone`: what to change and publish next. The TLS numbers of `gone`, and what they had of static TLS behind
    /// everything that stays, are free again; their numbers as modules are not given again.
    pub fn without(&self, gone: &[Arc<Module>]) -> World {
        let mut next = self.copied();
        gone.iter().for_each(|module| next.remove(module));
        if gone.iter().any(|module| module.tls().is_some()) {
            next.tls
                .give_back(next.modules.iter().filter_map(|module| module.tls()));
        }
        next
    }
}
