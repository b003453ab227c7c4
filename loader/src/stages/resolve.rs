//! Resolvers called, dependencies first; then data copied into the program.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Batch;
use super::demands::check_protected;
use super::protect::{CANNOT_RESTORE, Change, change_read_only_segments};
use super::relocate::{Copy, Indirect, Relocated, Site, scope_of, store};
use crate::elf::segment::Access;
use crate::elf::symbol;
use crate::elf::{Address, Vaddr};
use crate::error::{Kind, Name, Result, Rule, Stage, Unresolved};
use crate::event::{Event, Interest, Log};
use crate::image::Patch;
use crate::symbols::{Use, Wanted};
use crate::world::{Host, Module, ModuleId, Roster, World};

/// Modules in a process whose libc is awake: thread pointer, guards, CPU features and TLS images exist, so the program's
/// resolvers may be called. Made by [`Relocated::awake`], which the libc's room calls when that is true.
#[derive(Debug)]
pub struct Awake(Relocated);

impl Relocated {
    /// Says that libc is awake.
    pub fn awake(self) -> Awake {
        Awake(self)
    }
}

/// Modules of which every word is final.
#[derive(Debug)]
pub struct Resolved {
    /// The modules.
    pub batch: Box<Batch>,
    /// Modules of which a word of the TLS image was stored now, after the first blocks had been filled from it.
    pub tls_images: Vec<ModuleId>,
}

impl Awake {
    /// The modules, for what libc's room needs to know of them.
    pub fn relocated(&self) -> &Relocated {
        &self.0
    }

    /// Calls every resolver that a word waits for, then copies data into the program.
    ///
    /// # Errors
    /// A COPY whose symbol is nowhere, or whose place does not hold it.
    pub fn resolve(self, world: &World, host: &dyn Host, log: Log<'_>) -> Result<Resolved> {
        let Relocated {
            mut batch,
            mut indirect,
            copies,
        } = self.0;
        let roster = batch.roster(world);
        let mut tls_images: Vec<ModuleId> = Vec::new();
        // A resolver may call any function, so the answers of a module that needs less are stored everywhere before a module that needs more is
        // asked: first those of modules that were there before, libc's for one.
        let mut left = indirect.len();
        let mut provider = None;
        let mut providers = batch.init_order.iter();
        while left != 0 {
            for group in &mut indirect {
                let is_turn = match provider {
                    None => !batch.init_order.contains(&group.provider),
                    Some(provider) => group.provider == provider,
                };
                if is_turn {
                    left -= 1;
                    answer(roster, group, host, &mut tls_images, log)?;
                }
            }
            provider = match providers.next() {
                Some(next) => Some(*next),
                None => break,
            };
        }
        store_in_text(roster, &indirect, host)?;
        for copy in &copies {
            let Some(module) = roster.get(copy.module) else {
                continue;
            };
            copy_data(roster, &batch, module, copy, log).map_err(|error| roster.with_asker(error))?;
        }
        batch.statistics.resolvers = indirect.iter().map(|group| group.words.len() as u64).sum();
        batch.statistics.copies = copies.len() as u64;
        Ok(Resolved { batch, tls_images })
    }
}

/// Asks resolvers, and stores their answers unless they go to a read-only segment: any resolver may call code of that module.
fn answer(
    roster: Roster<'_>,
    group: &mut Indirect,
    host: &dyn Host,
    tls_images: &mut Vec<ModuleId>,
    log: Log<'_>,
) -> Result<()> {
    let Some(module) = roster.get(group.module) else {
        return Ok(());
    };
    let mut patch = module.image.patch();
    for place in 0..group.words.len() {
        let Some((at, word)) = group.words.get_mut(place) else {
            break;
        };
        let (at, resolver) = (*at, *word);
        log.emit(Interest::STREAM, || Event::Calling(resolver));
        let answer = host.resolve(resolver);
        log.emit(Interest::BINDINGS, || Event::Resolved {
            module: &module.name,
            resolver,
            answer,
        });
        *word = Address(answer.0.wrapping_add(group.addend));
        let is_stored = group.is_address && patch.store(at, word.0).is_some();
        if !is_stored && is_text(module, &mut patch, at) {
            continue;
        }
        if !is_stored {
            store_word(module, &mut patch, group, place)?;
        }
        let image = module.layout.tls;
        let inside = image.is_some_and(|image| at.0.wrapping_sub(image.vaddr.0) < image.file_size);
        if inside && !tls_images.contains(&module.id) {
            tls_images.push(module.id);
        }
    }
    Ok(())
}

/// Whether a word lies in a segment that is not writable: a call site, or what else `allow` let through.
fn is_text(module: &Module, patch: &mut Patch<'_>, at: Vaddr) -> bool {
    let place = || module.image.extent(at, 1);
    patch.load::<u8>(at).is_none() && place().is_some_and(|place| !place.access.contains(Access::WRITE))
}

/// Stores the answers that go to read-only segments. Those of one module stand together.
fn store_in_text(roster: Roster<'_>, indirect: &[Indirect], host: &dyn Host) -> Result<()> {
    let mut open: Option<&Module> = None;
    for group in indirect {
        let Some(module) = roster.get(group.module) else {
            continue;
        };
        let mut patch = module.image.patch();
        for (place, (at, _)) in group.words.iter().enumerate() {
            if !is_text(module, &mut patch, *at) {
                continue;
            }
            if open.is_none_or(|open| open.id != module.id) {
                change(open, host, Change::Restored)?;
                change(Some(module), host, Change::Writable)?;
                open = Some(module);
            }
            store_word(module, &mut module.image.patch_all(), group, place)?;
        }
    }
    change(open, host, Change::Restored)
}

fn change(module: Option<&Module>, host: &dyn Host, change: Change) -> Result<()> {
    let Some(module) = module else { return Ok(()) };
    change_read_only_segments(module, host, change)
        .map_err(|errno| module.fault(Stage::Resolve, Kind::os(CANNOT_RESTORE, errno)))
}

#[inline(never)]
fn store_word(module: &Module, patch: &mut Patch<'_>, group: &Indirect, place: usize) -> Result<()> {
    let Some((at, word)) = group.words.get(place).copied() else {
        return Ok(());
    };
    let site = Site {
        relocation: group.relocation,
        at,
        symbol: group.symbol,
    };
    store(module, patch, &site, word.0).map_err(|fault| module.fault(Stage::Resolve, fault))
}

fn copy_data(roster: Roster<'_>, batch: &Batch, module: &Module, copy: &Copy, log: Log<'_>) -> Result<()> {
    let fault = |kind| module.fault(Stage::Resolve, kind);
    let reference = module
        .symbols
        .get(copy.symbol)
        .ok_or_else(|| fault(Kind::malformed(Rule::SymbolIndex, copy.symbol.0.into(), copy.at.0)))?;
    let name = module.symbols.name(&reference);
    let version = module.symbols.version(copy.symbol).map_err(fault)?;
    let wanted = Wanted::new(name, version, Use::Call);
    let scope = scope_of(roster, &batch.global, &batch.unique, module);
    // The program's own definition is the place to copy to, so it does not count.
    let Some(source) = scope.find(&wanted, Some(module.id), log) else {
        return Err(fault(
            Kind::Undefined(alloc::vec![Unresolved {
                module: module.name.clone(),
                symbol: Name::new(name),
                version: version.map(|version| Name::new(version.name)),
            }])
            .into(),
        ));
    };
    log.emit(Interest::BINDINGS, || Event::Bound {
        from: &module.name,
        to: &source.module.name,
        symbol: name,
        version: version.map(|version| version.name),
        index: source.index,
    });
    // glibc's words, and glibc's choice: what is cut off is said, what is left as it is in the program is not.
    if source.symbol.visibility() == symbol::STV_PROTECTED {
        let what = "copy relocation against non-copyable protected symbol";
        check_protected(source.module, name, what, "", log)
            .map_err(|kind| source.module.fault(Stage::Resolve, kind))?;
    }
    if source.symbol.size < reference.size {
        log.emit(Interest::FILES, || Event::Unusual {
            module: &module.name,
            what: "a copy relocation of more bytes than the library has:",
            value: reference.size,
        });
    }
    if source.symbol.size > reference.size {
        log.warn(format_args!(
            "Symbol `{}' has different size in shared object, consider re-linking",
            crate::error::Lossy(name)
        ));
    }
    let size = reference.size.min(source.symbol.size);
    let copied = usize::try_from(size)
        .ok()
        .and_then(|size| source.module.image.copy(Vaddr(source.symbol.value), size))
        .and_then(|bytes| module.image.patch().store_bytes(copy.at, &bytes));
    copied.ok_or_else(|| {
        fault(
            Kind::CopySize {
                symbol: Name::new(name),
                here: reference.size,
                there: source.symbol.size,
            }
            .into(),
        )
    })
}
