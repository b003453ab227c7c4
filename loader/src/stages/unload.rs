//! The way back: which modules nobody needs any longer, and the world without them.
//!
//! A module stays as long as something leads to it: what was there at the start, what `dlopen` returned and `dlclose` has not taken back, what
//! is never to be unloaded; and from those on, what a module needs (DT_NEEDED) and what its references were bound to.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::link::dependents_first;
use crate::world::{CLOSED, Module, ModuleId, Role, World};

/// The modules that nothing leads to, dependents first: the order of their destructors.
///
/// `is_kept` is asked for modules that `dlopen` brought: whether libc still has something to call in it.
pub fn unneeded(world: &World, is_kept: impl Fn(&Module) -> bool) -> Vec<Arc<Module>> {
    let roster = world.roster();
    let reached = reached(world, &|module| {
        let opened = module.opened.load(Ordering::Acquire) != 0 && module.state.load(Ordering::Acquire) != CLOSED;
        opened || is_kept(module)
    });
    let mut unreached = Vec::new();
    for id in dependents_first(world).iter() {
        let place = roster.place(*id).unwrap_or(usize::MAX);
        if let (Some(false), Some(module)) = (reached.get(place), world.modules.get(place)) {
            unreached.push(module.clone());
        }
    }
    unreached
}

/// Which modules of the world something leads to, in its order: what stays for ever, and what `stays_too`.
pub fn reached(world: &World, stays_too: &dyn Fn(&Module) -> bool) -> Vec<bool> {
    let roster = world.roster();
    let mut reached = vec![false; world.modules.len()];
    let mut waiting: Vec<ModuleId> = Vec::with_capacity(world.modules.len());
    for (_, id, _) in &world.unique {
        waiting.push(*id);
    }
    for module in &world.modules {
        if module.role != Role::Opened || module.is_pinned() || stays_too(module) {
            waiting.push(module.id);
        }
    }
    while let Some(id) = waiting.pop() {
        let place = roster.place(id).unwrap_or(usize::MAX);
        if let Some(reached @ false) = reached.get_mut(place)
            && let Some(module) = world.modules.get(place)
        {
            *reached = true;
            waiting.extend_from_slice(&module.needed);
            for id in module.bound_to() {
                waiting.push(id);
            }
        }
    }
    reached
}

impl World {
    /// A copy without `gone`: what to change and publish next. The TLS numbers of `gone`, and what they had of static TLS behind
    /// everything that stays, are free again; their numbers as modules are not given again.
    pub fn without(&self, gone: &[Arc<Module>]) -> World {
        let mut next = World {
            modules: Vec::with_capacity(self.modules.len() + 8),
            ranges: Vec::with_capacity(self.ranges.len() + 8),
            list: staying(&self.list, gone),
            fini_order: staying(&self.fini_order, gone),
            global: staying(&self.global, gone),
            unique: self.unique.clone(),
            next: self.next,
            tls: self.tls,
            ..World::default()
        };
        for module in &self.modules {
            if stays(module.id, gone) {
                next.modules.push(module.clone());
            }
        }
        for (name, id) in &self.names {
            if stays(*id, gone) {
                next.names.push((name.clone(), *id));
            }
        }
        for range in &self.ranges {
            if stays(range.2, gone) {
                next.ranges.push(*range);
            }
        }
        if !gone.is_empty() {
            next.tls
                .give_back(next.modules.iter().filter_map(|module| module.tls()));
        }
        next
    }
}

fn stays(id: ModuleId, gone: &[Arc<Module>]) -> bool {
    !gone.iter().any(|module| module.id == id)
}

#[inline(never)]
fn staying(list: &[ModuleId], gone: &[Arc<Module>]) -> Vec<ModuleId> {
    let mut staying = Vec::with_capacity(list.len() + 8);
    for id in list {
        if stays(*id, gone) {
            staying.push(*id);
        }
    }
    staying
}
