//! The straight line: each stage is a struct that consumes the one before it, so a wrong order does not compile.
//!
//! ```text
//! Mapped ─ link ─▶ Linked ─ relocate ─▶ Relocated ─ (libc wakes) ─▶ Awake ─ resolve ─▶ Resolved ─ protect ─▶ Protected ─▶ Ready
//! ```
//!
//! The start of a program and `dlopen` are the same line with other roots. A batch that fails is dropped, and dropping it
//! unmaps it: nothing half-done is ever visible.
#![forbid(unsafe_code)]

pub mod init;
pub mod link;
pub mod map;
pub mod protect;
pub mod relocate;
pub mod resolve;

use alloc::vec::Vec;

use crate::error::Name;
use crate::world::{Module, ModuleId, Roster, World};

/// The modules that are loaded together: what every stage carries.
#[derive(Debug)]
pub struct Batch {
    /// New modules; their numbers go on from the world's.
    pub modules: Vec<Module>,
    /// What the roots and all they need are, in breadth-first order; holds modules of the world too.
    pub order: Vec<ModuleId>,
    /// Names that modules were asked by, besides path and soname.
    pub names: Vec<(Name, ModuleId)>,
}

impl Batch {
    /// All modules by number.
    pub fn roster<'a>(&'a self, world: &'a World) -> Roster<'a> {
        Roster {
            world: &world.modules,
            batch: &self.modules,
        }
    }

    /// The modules of this batch that lode has to relocate.
    pub fn fresh(&self) -> impl Iterator<Item = &Module> {
        self.modules.iter().filter(|module| !module.is_final)
    }
}
