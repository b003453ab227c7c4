//! RELRO made read-only: from here on lode writes to no module.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use super::Batch;
use super::resolve::Resolved;
use crate::elf::SymbolIndex;
use crate::elf::segment::Access;
use crate::error::{Kind, Name, Result, Stage};
use crate::event::Statistics;
use crate::tls::TlsPlan;
use crate::world::{Host, ModuleId};

/// Modules that nobody but the program writes to.
#[derive(Debug)]
pub struct Protected {
    /// The modules.
    pub batch: Batch,
    /// The global scope after this batch.
    pub global: Vec<ModuleId>,
    /// Static TLS after this batch.
    pub tls: TlsPlan,
    /// The order of constructors.
    pub init_order: Vec<ModuleId>,
    /// Unique symbols after this batch.
    pub unique: Vec<(Name, ModuleId, SymbolIndex)>,
    /// Counts.
    pub statistics: Statistics,
}

impl Resolved {
    /// Takes the write access from the whole pages of each PT_GNU_RELRO.
    ///
    /// # Errors
    /// The kernel's, when it refuses.
    pub fn protect(self, host: &dyn Host, page_size: u64) -> Result<Protected> {
        for module in self.batch.fresh() {
            let Some((start, length)) = module.layout.relro_pages(page_size) else {
                continue;
            };
            host.protect(&module.image, start, length, Access::READ)
                .map_err(|errno| {
                    module.fault(
                        Stage::Protect,
                        Kind::os("cannot apply additional memory protection after relocation", errno),
                    )
                })?;
        }
        Ok(Protected {
            batch: self.batch,
            global: self.global,
            tls: self.tls,
            init_order: self.init_order,
            unique: self.unique,
            statistics: self.statistics,
        })
    }
}
