//! The straight line: each stage is a struct that consumes the one before it, so a wrong order does not compile.
//!
//! ```text
//! Mapped ─ link ─▶ Linked ─ relocate ─▶ Relocated ─ (libc wakes) ─▶ Awake ─ resolve ─▶ Resolved ─ protect ─▶ Protected ─▶ Ready
//! ```
//!
//! The start of a program and `dlopen` are the same line with other roots. What the batch is and what the world will be after it
//! moves along the line in one piece ([`Batch`]); beside it a stage has what only the next one needs. A batch that fails is
//! dropped, and dropping it unmaps it: nothing half-done is ever visible.
#![forbid(unsafe_code)]

pub mod answers;
pub mod demands;
pub mod dense;
pub mod init;
pub mod known;
pub mod link;
pub mod map;
pub mod protect;
pub mod relocate;
pub mod resolve;
pub mod slots;
pub mod unload;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::error::Name;
use crate::event::Statistics;
use crate::search::numbers::Numbers;
use crate::tls::TlsPlan;
use crate::world::{Module, ModuleId, Namespace, Roster, Unique, World};

/// The modules that are loaded together: what every stage carries. The world gets all of it when the batch is published.
#[derive(Debug)]
pub struct Batch {
    /// Where its new modules go.
    pub namespace: Namespace,
    /// New modules; their numbers go on from the world's. Nobody else has them before they are published.
    pub modules: Vec<Arc<Module>>,
    /// What the roots and all they need are, in breadth-first order; holds modules of the world too.
    pub order: Vec<ModuleId>,
    /// Names that modules were asked by, besides path and soname.
    pub names: Vec<(Name, ModuleId)>,
    /// The new modules by what they are found by ([`known`]).
    known: Numbers,
    /// The order of constructors, dependencies first, of this batch's modules only. Decided by `link`.
    pub init_order: Vec<ModuleId>,
    /// The global scopes with this batch. Decided by `link`.
    pub global: Vec<ModuleId>,
    /// The places of thread-local storage: the world's, and after `link` those with this batch.
    pub tls: TlsPlan,
    /// Unique symbols that references were bound to: after `link` the world's, and after `relocate` those of this batch.
    pub unique: Vec<Unique>,
    /// Counts so far.
    pub statistics: Statistics,
}

impl Batch {
    /// A batch that nothing has been mapped for.
    pub fn new(world: &World, namespace: Namespace) -> Batch {
        Batch {
            namespace,
            modules: Vec::new(),
            order: Vec::new(),
            names: Vec::new(),
            known: Numbers::new(),
            init_order: Vec::new(),
            global: Vec::new(),
            tls: world.tls,
            unique: Vec::new(),
            statistics: Statistics::default(),
        }
    }

    /// All modules by number.
    pub fn roster<'a>(&'a self, world: &'a World) -> Roster<'a> {
        Roster {
            world: &world.modules,
            batch: &self.modules,
        }
    }

    /// The modules of this batch that lode has to relocate.
    pub fn fresh(&self) -> impl Iterator<Item = &Module> {
        self.modules
            .iter()
            .map(|module| &**module)
            .filter(|module| !module.is_final)
    }
}
