//! Versions agreed, thread-local storage placed, order decided. Nothing is stored into a module yet.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use super::Batch;
use super::map::Mapped;
use crate::elf::dynamic::Flags;
use crate::elf::segment::Access;
use crate::error::{Error, FOR_MUSL, Kind, MissingVersion, Name, Result, Rule, Stage, line};
use crate::event::{Event, Interest, Log};
use crate::layout::TlsTemplate;
use crate::tls::TlsPlan;
use crate::world::{Module, ModuleId, NOWHERE, Role, Roster, TlsSlot, World};

/// Modules that know their scopes, versions, TLS places and order.
#[derive(Debug)]
pub struct Linked {
    /// The modules.
    pub batch: Box<Batch>,
}

impl Mapped {
    /// Checks versions, places TLS, decides order.
    ///
    /// At the start every module gets static TLS; a module that is opened later gets it only if it was linked for it
    /// (DF_STATIC_TLS), since the room is scarce.
    ///
    /// # Errors
    /// [`Kind::NoVersion`] with *all* missing versions; [`Kind::StaticTls`].
    pub fn link(self, world: &World, log: Log<'_>) -> Result<Linked> {
        let mut batch = self.batch;
        if !FOR_MUSL.load(Ordering::Relaxed) {
            check_versions(batch.roster(world), &batch, self.only_listed, log)?;
        }
        let mut tls = batch.tls;
        for module in &batch.modules {
            if module.role != Role::Program && tls.own == 0 {
                tls.place_own();
            }
            place_tls(module, batch.roster(world), &mut tls)?;
            log.emit(Interest::STREAM, || Event::TlsPlaced(module));
        }
        if tls.own == 0 {
            tls.place_own();
        }
        batch.tls = tls;
        batch.init_order = dependencies_first(batch.roster(world), &batch.order, world.next);
        batch.unique.clone_from(&world.unique);
        batch.global.clone_from(&world.global);
        if !world.has(batch.namespace) {
            batch.global.extend_from_slice(&batch.order);
        }
        let group = Arc::new(batch.order.clone());
        for module in batch.modules.iter_mut().filter_map(Arc::get_mut) {
            module.group = group.clone();
        }
        if log.interest.contains(Interest::SCOPES) {
            tell_scopes(batch.roster(world), &batch, log);
        }
        Ok(Linked { batch })
    }
}

fn tell_scopes(roster: Roster<'_>, batch: &Batch, log: Log<'_>) {
    let global = &batch.global;
    for module in &batch.modules {
        let mut list: Vec<&Name> = Vec::new();
        for (ids, above) in [(global, &Vec::new()), (&*module.group, global)] {
            for id in ids {
                if !above.contains(id)
                    && let Some(module) = roster.get(*id)
                {
                    list.push(&module.name);
                }
            }
        }
        log.emit(Interest::SCOPES, || Event::Scope {
            module: &module.name,
            list: &list,
        });
    }
}

/// The versions that stand for an ability of the loader, one a line; no symbol has them. They are DT_RELR, TLS descriptors that keep all
/// registers, and slots of the PLT whose addend is not added (`-z mark-plt`). lode has them, whatever libc says.
pub const MARKERS: &str = "GLIBC_ABI_DT_RELR\nGLIBC_ABI_GNU2_TLS\nGLIBC_ABI_DT_X86_64_PLT";

/// Whether a version is among the first `count` of [`MARKERS`].
#[inline(never)]
fn is_marker(version: &[u8], count: usize) -> bool {
    (0..count).any(|number| line(MARKERS, number).as_bytes() == version)
}

/// `--relr-lockout=glibc`: a file that has DT_RELR and needs glibc has to say so.
pub static RELR_LOCKOUT: AtomicBool = AtomicBool::new(false);

/// A file with DT_RELR that does not say so runs into SIGSEGV under a glibc before 2.36, so glibc's loader refuses it ever since.
fn check_relr_marker(module: &Module, log: Log<'_>) -> Result<()> {
    let mut required = module.symbols.required.iter();
    let libc = required.find(|one| one.file.starts_with(b"libc.so."));
    let (Some(relr), Some(libc)) = (module.dynamic.relr, libc) else {
        return Ok(());
    };
    if libc.versions.iter().any(|(version, ..)| is_marker(version, 1)) {
        return Ok(());
    }
    if RELR_LOCKOUT.load(Ordering::Relaxed) {
        return Err(module.fault(Stage::Link, Kind::malformed(Rule::RelrLockout, 0, 0)));
    }
    log.emit(Interest::VERSIONS, || Event::Unusual {
        module: &module.name,
        what: "DT_RELR without GLIBC_ABI_DT_RELR dependency",
        value: relr.at.0,
    });
    Ok(())
}

/// Checks that every version that a module of the batch requires is defined by the module it names. If the batch is `only_listed`, those that are not are
/// warnings.
fn check_versions(roster: Roster<'_>, batch: &Batch, only_listed: bool, log: Log<'_>) -> Result<()> {
    let mut missing: Vec<MissingVersion> = Vec::new();
    for module in batch.fresh() {
        check_relr_marker(module, log)?;
        for required in &module.symbols.required {
            let Some(provider) = provider(roster, module, required.file) else {
                continue;
            };
            for (version, hash, weak, index) in &required.versions {
                log.emit(Interest::VERSIONS, || Event::Version {
                    version,
                    provider: &provider.name,
                    by: &module.name,
                });
                if !provider.symbols.has_definitions {
                    log.warn(format_args!(
                        "{}: no version information available (required by {})",
                        provider.name, module.name
                    ));
                    break;
                }
                if !weak && !provider.symbols.defines(version, *hash) && !is_marker(version, 3) {
                    missing.push(MissingVersion {
                        module: module.name.clone(),
                        provider: provider.name.clone(),
                        version: Name::new(version),
                        symbols: module.symbols.names_of_version(*index),
                    });
                }
            }
        }
    }
    match missing.first() {
        None => Ok(()),
        Some(_) if only_listed => {
            for one in &missing {
                log.warn(format_args!("{}: {one}", one.provider));
            }
            Ok(())
        }
        Some(first) => {
            let culprit = first.provider.clone();
            let asker = first.module.clone();
            let error: Box<Error> = Kind::NoVersion(missing).of(Stage::Link, &culprit);
            Err(error.asked_by(&asker))
        }
    }
}

/// The module that `file`, a name in DT_VERNEED of `module`, stands for: what its DT_NEEDED of that name became.
pub fn provider<'a>(roster: Roster<'a>, module: &Module, file: &[u8]) -> Option<&'a Module> {
    let direct = module.needed_names.iter().position(|name| *name == file);
    match direct.and_then(|index| module.needed.get(index)) {
        Some(id) => roster.get(*id),
        None => roster.find(&|other| other.soname == Some(file)),
    }
}

/// The initial bytes are copied for each thread, so they have to be readable.
fn check_tls_image(module: &Module, template: &TlsTemplate) -> Result<()> {
    let image = module.image.extent(template.vaddr, template.file_size);
    match template.file_size == 0 || image.is_some_and(|extent| extent.access.contains(Access::READ)) {
        true => Ok(()),
        false => {
            let kind = Kind::malformed(Rule::TlsOutside, template.vaddr.0, template.file_size);
            Err(module.fault(Stage::Link, kind))
        }
    }
}

/// Says that static TLS has no room for a block, and what of it is in use.
#[cold]
#[inline(never)]
pub fn no_static_tls(template: &TlsTemplate, roster: Roster<'_>, plan: &TlsPlan) -> Kind {
    let mut held = Vec::new();
    for module in roster.iter().filter(|module| module.role == Role::Opened) {
        if let (Some(tls), Some(TlsSlot { offset: Some(_), .. })) = (module.layout.tls, module.tls()) {
            held.push((module.name.clone(), tls.memory_size));
        }
    }
    Kind::StaticTls {
        needed: template.memory_size,
        free: plan.free(),
        held,
    }
}

fn place_tls(module: &Module, roster: Roster<'_>, plan: &mut TlsPlan) -> Result<()> {
    let Some(template) = module.layout.tls.as_ref().filter(|template| template.memory_size != 0) else {
        return Ok(());
    };
    check_tls_image(module, template)?;
    let zeros = template.memory_size.saturating_sub(template.file_size);
    // A library that is opened later may count on the distance of what it finds here.
    let is_large = zeros > plan.most_zeros && module.role != Role::Program && !module.symbols.lends_thread_locals();
    let late = plan.capacity.is_some() || module.role == Role::Opened || is_large;
    let offset = if late && !module.dynamic.flags.contains(Flags::STATIC_TLS) {
        None
    } else {
        let offset = plan
            .reserve(template)
            .ok_or_else(|| module.fault(Stage::Link, no_static_tls(template, roster, plan)))?;
        Some(offset)
    };
    let id = plan.take_number(|number| roster.by_tls_number(number).is_some());
    module.set_tls(TlsSlot { id, offset });
    Ok(())
}

/// The new modules of `order` so that each stands behind what it needs.
///
/// A depth-first walk from the end of the breadth-first list that writes a module down when all it needs are written; the first of the list comes last,
/// also where a cycle leads back to it. This is the order in which glibc's programs see constructors. It keeps its own stack, so a chain of a
/// thousand libraries takes no more of the real one than a chain of two.
pub fn dependencies_first(roster: Roster<'_>, order: &[ModuleId], first_new: ModuleId) -> Vec<ModuleId> {
    providers_first(roster, order, first_new, false)
}

/// The modules of a published world in the order of their destructors: each before what it needs, and before what its references were bound to where that
/// does not contradict.
pub fn dependents_first(world: &World) -> Vec<ModuleId> {
    sorted(world, world.list.clone())
}

/// As [`dependents_first`], of some modules to which no other one leads.
pub fn dependents_first_among(world: &World, some: &[ModuleId]) -> Vec<ModuleId> {
    let meant_of = |list: &[ModuleId]| {
        let mut meant = Vec::with_capacity(some.len() + 1);
        // The first of a list is sorted in a way of its own; this one is nobody.
        meant.push(NOWHERE);
        for id in list {
            if some.contains(id) {
                meant.push(*id);
            }
        }
        meant
    };
    meant_of(&sorted(world, meant_of(&world.list)))
}

#[inline(never)]
fn sorted(world: &World, mut list: Vec<ModuleId>) -> Vec<ModuleId> {
    let is_bound = |id: &ModuleId| world.get(*id).is_some_and(|module| module.bound_to().next().is_some());
    let mut with_bindings = list.iter().any(is_bound);
    loop {
        list = providers_first(world.roster(), &list, ModuleId(0), with_bindings);
        list.reverse();
        if !core::mem::replace(&mut with_bindings, false) {
            return list;
        }
    }
}

/// As [`dependencies_first`]; each stands behind what it is bound to as well if `with_bindings`.
fn providers_first(roster: Roster<'_>, order: &[ModuleId], first_new: ModuleId, with_bindings: bool) -> Vec<ModuleId> {
    let mut seen = vec![false; roster.places()];
    let mut sorted = Vec::with_capacity(order.len());
    let mut path: Vec<(ModuleId, usize)> = Vec::new();
    let mut visit = |id: ModuleId| {
        roster
            .place(id)
            .and_then(|place| seen.get_mut(place))
            .is_some_and(|seen| !core::mem::replace(seen, true))
    };
    let Some((first, rest)) = order.split_first() else {
        return sorted;
    };
    visit(*first);
    // musl walks from the first of the list, whose needs begin with the preloads, and along the needs in their order.
    let is_musl = FOR_MUSL.load(Ordering::Relaxed);
    let is_preload = |id: &&ModuleId| roster.get(**id).is_some_and(|module| module.asked_by.is_none());
    let in_order = rest.iter().filter(is_preload).chain([first]).chain(rest);
    let backwards = rest.iter().rev().chain([first]);
    let mut roots: Vec<&ModuleId> = Vec::with_capacity(order.len() + 1);
    match is_musl {
        true => roots.extend(in_order),
        false => roots.extend(backwards),
    }
    for root in roots {
        if root != first && !visit(*root) {
            continue;
        }
        path.push((*root, 0));
        while let Some((id, next)) = path.last_mut() {
            let needed = roster.get(*id).and_then(|module| {
                let count = module.needed.len();
                match module.needed.get(*next) {
                    None if with_bindings => module.bound_to().nth(*next - count),
                    needed => needed.copied(),
                }
            });
            *next += 1;
            match needed {
                Some(needed) => {
                    if visit(needed) {
                        path.push((needed, 0));
                    }
                }
                None => {
                    if *id >= first_new {
                        sorted.push(*id);
                    }
                    path.pop();
                }
            }
        }
    }
    sorted
}
