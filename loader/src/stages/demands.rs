//! What a file demands of the machine and the system beyond its header: a kernel, a CPU, and a loader that knows what changes loading.
//! Everything else that is unusual is told, and loaded.
#![forbid(unsafe_code)]

use super::Batch;
use super::map::by_name;
use crate::elf::dynamic::Flags1;
use crate::elf::note::{self, AbiTag};
use crate::elf::segment::{Access, kind};
use crate::error::{Fault, KernelVersion, Kind, Lossy, Name, Result, Stage, line};
use crate::event::{Event, Interest, Log};
use crate::world::{Host, Module, World};

/// The kernel that every supported glibc needs, and that nearly every file names: nobody has to ask whether this one is older.
const OLDEST_KERNEL: KernelVersion = KernelVersion(3 << 40 | 2 << 20);

/// A segment that OpenBSD's loader fills with random bytes.
const PT_OPENBSD_RANDOMIZE: u32 = 0x65a3_dbe6;

/// Checks what a file demands. What it is for comes first: a search passes over a file for another system.
///
/// # Errors
/// [`Kind::WrongSystem`], [`Kind::KernelTooOld`], [`Kind::CpuTooOld`], [`Kind::ChangesLoading`].
pub fn check(module: &Module, cpu_level: u8, host: &dyn Host, log: Log<'_>) -> core::result::Result<(), Fault> {
    for header in &module.headers {
        match header.kind {
            kind::NOTE if header.align != 8 => {
                let content = module.image.fixed_bytes(header.vaddr, header.file_size);
                if let Some(tag) = content.and_then(note::abi_tag) {
                    check_system(&tag, host)?;
                }
            }
            PT_OPENBSD_RANDOMIZE => return Err(Kind::ChangesLoading("PT_OPENBSD_RANDOMIZE").into()),
            _ => {}
        }
    }
    check_cpu(module, cpu_level, host)?;
    if module.dynamic.flags_1.contains(Flags1::DISPRELPND) {
        return Err(Kind::ChangesLoading("DF_1_DISPRELPND").into());
    }
    if log.interest.contains(Interest::FILES) {
        tell(module, log);
    }
    Ok(())
}

/// In a strict process, refuses files with anything that is passed over in others: what can be seen without another look at their tables.
///
/// # Errors
/// [`Kind::Unsupported`].
pub fn check_strictly(strict: bool, batch: &Batch) -> Result<()> {
    match batch.modules.iter().find(|module| strict && is_unusual(module)) {
        Some(odd) => Err(odd.fault(Stage::Map, Kind::Unsupported(UNUSUAL))),
        None => Ok(()),
    }
}

/// What is said of a file that is refused for that.
const UNUSUAL: &str = "something unusual, which `lode-tool strict' names";

fn is_unusual(module: &Module) -> bool {
    let dynamic = &module.dynamic;
    dynamic.unknown_flags() != (0, 0)
        || !dynamic.unknown.is_empty()
        || dynamic.rel.is_some()
        || module.layout.stack.is_none_or(|stack| stack.contains(Access::EXECUTE))
}

/// The names of the libcs, one a line: glibc's, then those of musl, which is its own loader.
const LIBCS: &str = "libc.so.6\nlibc.so\nlibc.musl-x86_64.so.1";

/// Checks that a name that some file needs is not that of another libc than the one that is there.
///
/// # Errors
/// [`Kind::WrongLibc`].
pub fn check_libc(world: &World, batch: &Batch, name: &[u8]) -> core::result::Result<(), Fault> {
    let is_likely = name.starts_with(b"libc.");
    let Some(place) = (0..3).find(|place| is_likely && line(LIBCS, *place).as_bytes() == name) else {
        return Ok(());
    };
    let is_musl = place != 0;
    let others = if is_musl { 0..1 } else { 1..3 };
    for other in others {
        if by_name(world, batch, line(LIBCS, other).as_bytes()).is_some() {
            return Err(Kind::WrongLibc(if is_musl { "musl" } else { "glibc" }).into());
        }
    }
    Ok(())
}

fn check_system(tag: &AbiTag, host: &dyn Host) -> core::result::Result<(), Fault> {
    if tag.os != note::LINUX {
        return Err(Kind::WrongSystem(tag.os).into());
    }
    if tag.version > OLDEST_KERNEL {
        let have = host.kernel();
        if tag.version > have {
            let needed = tag.version;
            return Err(Kind::KernelTooOld { needed, have }.into());
        }
    }
    Ok(())
}

/// See [`note::property`].
#[inline(never)]
pub fn property(module: &Module, wanted: u32) -> u32 {
    let content = module
        .layout
        .property
        .and_then(|(at, size)| module.image.fixed_bytes(at, size));
    note::property(content.unwrap_or_default(), wanted)
}

/// A reference past the GOT to a protected symbol: the code of the file that defines it goes on using its own, whatever the program has in its
/// place. `what` is the reference, and `harm` what comes of it, in glibc's words.
///
/// # Errors
/// [`Kind::NeedsIndirectAccess`] for a file that says that it cannot bear this.
#[cold]
#[inline(never)]
pub fn check_protected(
    file: &Module,
    symbol: &[u8],
    what: &str,
    harm: &str,
    log: Log<'_>,
) -> core::result::Result<(), Fault> {
    log.say(format_args!(
        "warning: {what} `{}' in `{}'{harm}",
        Lossy(symbol),
        file.name
    ));
    match property(file, note::NEEDED_1) & note::INDIRECT_EXTERN_ACCESS {
        0 => Ok(()),
        _ => Err(Kind::NeedsIndirectAccess(Name::new(symbol)).into()),
    }
}

/// Refuses a file that was built for a newer CPU (GNU_PROPERTY_X86_ISA_1_NEEDED).
fn check_cpu(module: &Module, have: u8, host: &dyn Host) -> core::result::Result<(), Fault> {
    let bits = property(module, note::X86_ISA_1_NEEDED);
    let needed = (32 - bits.leading_zeros()) as u8;
    if needed <= have {
        return Ok(());
    }
    let lacks = host.cpu_lacks().up_to(needed);
    Err(Kind::CpuTooOld { needed, have, lacks }.into())
}

/// Tells what is unusual about a file and changes nothing.
#[inline(never)]
fn tell(module: &Module, log: Log<'_>) {
    for tag in &module.dynamic.unknown {
        unusual(module, log, "unknown dynamic tag", *tag);
    }
    for header in &module.headers {
        if !kind::is_known(header.kind) {
            unusual(module, log, "unknown type of segment", header.kind.into());
        }
    }
    let (flags, flags_1) = module.dynamic.unknown_flags();
    unusual(module, log, "unknown bits in DT_FLAGS", flags);
    unusual(module, log, "unknown bits in DT_FLAGS_1", flags_1);
}

#[inline(never)]
fn unusual(module: &Module, log: Log<'_>, what: &'static str, value: u64) {
    if value != 0 {
        let module = &module.name;
        log.emit(Interest::FILES, || Event::Unusual { module, what, value });
    }
}
