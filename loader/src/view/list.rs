//! `--list` and `LD_TRACE_LOADED_OBJECTS`: the table that `ldd` prints.
#![forbid(unsafe_code)]

use core::fmt;

use crate::error::Lossy;
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
        let mut of_kernel = None;
        let mut loader = None;
        for module in roster.iter() {
            match module.role {
                Role::Vdso => of_kernel = Some(module),
                Role::Loader => loader = Some(module),
                _ => {}
            }
        }
        located(out, None, of_kernel)?;
        let mut missing = self.mapped.missing.iter().peekable();
        for (place, id) in self.mapped.batch.order.iter().enumerate() {
            // A missing library stands where it would have been found.
            while let Some(missing) = missing.next_if(|missing| missing.place <= place) {
                writeln!(out, "\t{} => not found", missing.name)?;
            }
            let Some(module) = roster.get(*id).filter(|module| module.role != Role::Program) else {
                continue;
            };
            let mut asked = self.asked_as(module.id).filter(|name| !name.contains(&b'/'));
            if module.role == Role::Loader {
                asked = None;
                loader = None;
            }
            located(out, asked, Some(module))?;
        }
        for missing in missing {
            writeln!(out, "\t{} => not found", missing.name)?;
        }
        located(out, None, loader)
    }
}

/// The line of a module, if there is one: the name by which it was asked for, if that is not its own, and where it is.
fn located(out: &mut fmt::Formatter<'_>, asked: Option<&[u8]>, module: Option<&Module>) -> fmt::Result {
    let Some(module) = module else { return Ok(()) };
    match asked {
        Some(name) => write!(out, "\t{} => ", Lossy(name))?,
        None => out.write_str("\t")?,
    }
    writeln!(out, "{} ({:#018x})", module.name, module.range().0.0)
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
