//! `--list` and `LD_TRACE_LOADED_OBJECTS`: the table that `ldd` prints.
#![forbid(unsafe_code)]

use core::fmt;

use crate::stages::map::Mapped;
use crate::world::{Module, ModuleId, NOWHERE, Role, World};

/// The modules of a program that has been mapped and not bound, one a line.
#[derive(Debug)]
pub struct List<'a> {
    /// The program and its libraries.
    pub mapped: &'a Mapped,
    /// What was there before: lode and the kernel's library.
    pub world: &'a World,
}

impl fmt::Display for List<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roster = self.mapped.batch.roster(self.world);
        if let Some(vdso) = roster.iter().find(|module| module.role == Role::Vdso) {
            writeln!(out, "\t{} ({:#018x})", vdso.name, vdso.range().0.0)?;
        }
        let mut loader_shown = false;
        let mut missing = self.mapped.missing.iter().peekable();
        for (place, id) in self.mapped.batch.order.iter().enumerate() {
            // A missing library stands where it would have been found.
            while let Some(missing) = missing.next_if(|missing| missing.place <= place) {
                writeln!(out, "\t{} => not found", missing.name)?;
            }
            let Some(module) = roster.get(*id).filter(|module| module.role != Role::Program) else {
                continue;
            };
            loader_shown |= module.role == Role::Loader;
            let start = module.range().0.0;
            match self.asked_as(module.id) {
                Some(name) if !name.contains(&b'/') && module.role != Role::Loader => writeln!(
                    out,
                    "\t{} => {} ({start:#018x})",
                    crate::error::Lossy(name),
                    module.name
                )?,
                _ => writeln!(out, "\t{} ({start:#018x})", module.name)?,
            }
        }
        for missing in missing {
            writeln!(out, "\t{} => not found", missing.name)?;
        }
        match roster.iter().find(|module| module.role == Role::Loader) {
            Some(loader) if !loader_shown => writeln!(out, "\t{} ({:#018x})", loader.name, loader.range().0.0),
            _ => Ok(()),
        }
    }
}

impl<'a> List<'a> {
    /// The name in the first DT_NEEDED entry that became this module.
    fn asked_as(&self, id: ModuleId) -> Option<&'a [u8]> {
        let askers = self.mapped.batch.modules.iter();
        askers.filter_map(|module| name_of(module, id)).next()
    }
}

fn name_of(module: &Module, id: ModuleId) -> Option<&'static [u8]> {
    let position = module
        .needed
        .iter()
        .position(|needed| *needed == id && *needed != NOWHERE)?;
    module.needed_names.get(position).copied()
}
