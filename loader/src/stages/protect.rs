//! RELRO made read-only: from here on lode writes to no module.
#![forbid(unsafe_code)]

use alloc::boxed::Box;

use super::Batch;
use super::resolve::Resolved;
use crate::elf::segment::Access;
use crate::error::{Kind, Result, Stage};
use crate::event::{Event, Interest, Log};
use crate::world::Host;

/// Modules that nobody but the program writes to.
#[derive(Debug)]
pub struct Protected {
    /// The modules.
    pub batch: Box<Batch>,
}

impl Resolved {
    /// Takes the write access from the whole pages of each PT_GNU_RELRO.
    ///
    /// # Errors
    /// The kernel's, when it refuses.
    pub fn protect(self, host: &dyn Host, page_size: u64, log: Log<'_>) -> Result<Protected> {
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
            log.emit(Interest::STREAM, || Event::Protected {
                module: &module.name,
                start: module.at(start),
                length,
            });
        }
        Ok(Protected { batch: self.batch })
    }
}
