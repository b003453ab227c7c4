//! RELRO made read-only: from here on lode writes to no module. What is to stay as it is for good can be sealed.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use super::resolve::Resolved;
use super::{Batch, demands};
use crate::elf::segment::Access;
use crate::elf::{Vaddr, note};
use crate::error::{Errno, Kind, Result, Stage};
use crate::event::{Event, Interest, Log};
use crate::world::{Host, Module};

/// What failed when the kernel does not make text executable again, in glibc's words.
pub const CANNOT_RESTORE: &str = "cannot restore segment prot after reloc";

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

/// What is done to the segments of a module that are not writable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// They become writable, without leave to execute them. They are private to the process: what is stored there is copied first. Nothing of
    /// the module may run meanwhile.
    Writable,
    /// They get back what they allow.
    Restored,
    /// They stay as they are for ever.
    Sealed,
}

/// Changes the segments of a module that are not writable.
///
/// # Errors
/// The kernel's, when it refuses.
pub fn change_read_only_segments(module: &Module, host: &dyn Host, change: Change) -> core::result::Result<(), Errno> {
    let page = module.layout.page_size;
    for extent in module.image.extents() {
        if extent.access.contains(Access::WRITE) {
            continue;
        }
        let start = extent.start.0 & !(page - 1);
        // The pages of an extent are mapped, so their end is in the address space.
        let length = extent
            .start
            .0
            .wrapping_add(extent.length)
            .wrapping_sub(start)
            .wrapping_add(page - 1)
            & !(page - 1);
        let access = match change {
            Change::Writable => Access::READ | Access::WRITE,
            Change::Restored => extent.access,
            Change::Sealed => {
                host.seal(&module.image, Vaddr(start), length);
                continue;
            }
        };
        host.protect(&module.image, Vaddr(start), length, access)?;
    }
    Ok(())
}

/// Seals what nobody may write to, code, read-only segments and RELRO, if `all` modules are to be sealed or this one asks for it
/// (GNU_PROPERTY_MEMORY_SEAL). The module has to stay for good: sealed memory cannot be unmapped.
#[inline(never)]
pub fn seal(module: &Module, host: &dyn Host, all: bool) {
    let is_asked = all || demands::property(module, note::MEMORY_SEAL) != 0;
    if !is_asked || module.sealed.swap(true, Ordering::Relaxed) {
        return;
    }
    // Sealing does not fail: a kernel without it leaves everything as it is.
    let _ = change_read_only_segments(module, host, Change::Sealed);
    if let Some((start, length)) = module.layout.relro_pages(module.layout.page_size) {
        host.seal(&module.image, start, length);
    }
}
