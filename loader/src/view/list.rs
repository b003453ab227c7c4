//! `--list` and `LD_TRACE_LOADED_OBJECTS`: the tables that `ldd` prints, in the words that people and scripts know from glibc.
#![forbid(unsafe_code)]

use core::fmt;
use core::sync::atomic::Ordering;

use crate::error::{Lossy, has_byte};
use crate::stages::Batch;
use crate::stages::link::provider;
use crate::stages::map::Missing;
use crate::world::{Module, ModuleId, NOWHERE, Role, Roster, World};

/// The modules of a program that has been linked and not bound, one a line.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    /// The program and its libraries.
    pub batch: &'a Batch,
    /// Names that were found nowhere.
    pub missing: &'a [Missing],
    /// What was there before: lode and the kernel's library.
    pub world: &'a World,
    /// Show what versions they require, not the modules.
    pub versions: bool,
}

impl fmt::Display for List<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.versions {
            return self.versions(out);
        }
        let program = self.batch.modules.first();
        if program.is_none_or(|program| program.needed_names.is_empty()) {
            return out.write_str("\tstatically linked\n");
        }
        let roster = self.batch.roster(self.world);
        let mut of_kernel = None;
        let mut loader = None;
        for module in roster.iter() {
            match module.role {
                Role::Vdso => of_kernel = Some(module),
                Role::Loader => loader = Some(module),
                _ => {}
            }
        }
        // The kernel's library stands behind the program, unless the loader does.
        let mut missing = self.missing.iter().peekable();
        for (place, id) in self.batch.order.iter().enumerate().skip(1) {
            let Some(module) = roster.get(*id) else { continue };
            if module.role == Role::Loader {
                located(out, None, loader.take())?;
                continue;
            }
            located(out, None, of_kernel.take())?;
            // A missing library stands where it would have been found.
            while let Some(missing) = missing.next_if(|missing| missing.place <= place) {
                writeln!(out, "\t{} => not found", missing.name)?;
            }
            let asked = self.asked_as(module.id).filter(|name| !has_byte(name, b'/'));
            located(out, asked, Some(module))?;
        }
        located(out, None, of_kernel)?;
        for missing in missing {
            writeln!(out, "\t{} => not found", missing.name)?;
        }
        located(out, None, loader)
    }
}

/// The line of a module, if there is one: the name by which it was asked for, if that is not its own, and where it is.
#[inline(never)]
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
        let askers = self.batch.modules.iter();
        askers.filter_map(|module| name_of(module, id)).next()
    }

    /// What `LD_VERBOSE` adds to the list: the versions that each file requires, and who defines them.
    fn versions(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roster = self.batch.roster(self.world);
        let mut head = "\n\tVersion information:\n";
        for module in self.batch.order.iter().filter_map(|id| roster.get(*id)) {
            let required = &module.symbols.required;
            if required.is_empty() {
                continue;
            }
            writeln!(out, "{head}\t{}:", module.name)?;
            head = "";
            for required in required {
                let provider = provider(roster, module, required.file);
                for (version, hash, weak, _) in &required.versions {
                    let definer = provider.filter(|module| module.symbols.defines(version, *hash));
                    let weak = if *weak { "[WEAK] " } else { "" };
                    let path = definer.map_or(b"not found".as_slice(), |module| module.name.bytes());
                    let (file, version, path) = (Lossy(required.file), Lossy(version), Lossy(path));
                    writeln!(out, "\t\t{file} ({version}) {weak}=> {path}")?;
                }
            }
        }
        Ok(())
    }
}

fn name_of(module: &Module, id: ModuleId) -> Option<&'static [u8]> {
    let position = module
        .needed
        .iter()
        .position(|needed| *needed == id && *needed != NOWHERE)?;
    module.needed_names.get(position).copied()
}

/// What `LD_DEBUG=unused` shows in place of the list: the libraries that the first module names and that no reference got a definition from.
#[derive(Debug)]
pub struct Unused<'a>(pub Roster<'a>);

impl fmt::Display for Unused<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(program) = self.0.batch.first() else {
            return Ok(());
        };
        let mut head = "Unused direct dependencies:\n";
        for (id, name) in program.needed.iter().zip(&program.needed_names) {
            let path = match self.0.get(*id) {
                Some(module) if module.is_used.load(Ordering::Relaxed) => continue,
                Some(module) => module.name.bytes(),
                None => name,
            };
            writeln!(out, "{head}\t{}", Lossy(path))?;
            head = "";
        }
        Ok(())
    }
}
