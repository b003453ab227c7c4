//! Every plain word made final: decode, look up, compute, store.
//!
//! What cannot be final yet is put aside: words whose value is the answer of a resolver (IFUNC, IRELATIVE) and copies of data
//! (COPY). A resolver is code of the program and may read its own tables, the stack guard and TLS, so all of that is
//! made first; a copy has to come after its source is final. See [`super::resolve`].
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use super::Batch;
use super::init::check_code;
use super::link::{Linked, no_static_tls};
use crate::arch::{Ask, Field, Machine, Relocation};
use crate::elf::dynamic::{PltKind, Range};
use crate::elf::reloc::{Rel, Rela};
use crate::elf::segment::Access;
use crate::elf::symbol::{self, Symbol};
use crate::elf::{Address, SymbolIndex, Vaddr, relr};
use crate::error::{Fault, Kind, Name, Result, Rule, Stage, Unresolved};
use crate::event::{Event, Interest, Log, Statistics};
use crate::image::{Patch, Plain, Table};
use crate::scope::{Definition, Scope, breadth_first, note_binding};
use crate::symbols::Use;
use crate::tls::TlsPlan;
use crate::world::{Host, Identity, Module, ModuleId, Role, Roster, TlsSlot, Unique, World};

/// Modules whose plain words are final.
#[derive(Debug)]
pub struct Relocated {
    /// The modules.
    pub batch: Box<Batch>,
    /// Words that a resolver decides, those of dependencies first.
    pub indirect: Vec<Indirect>,
    /// Data to be copied into the program.
    pub copies: Vec<Copy>,
}

/// A word whose value is the answer of a resolver.
#[derive(Clone, Copy, Debug)]
pub struct Indirect {
    /// The module that holds the word.
    pub module: ModuleId,
    /// The word.
    pub at: Vaddr,
    /// The resolver.
    pub resolver: Address,
    /// The module that the resolver belongs to.
    pub provider: ModuleId,
    /// Added to the answer.
    pub addend: u64,
}

/// Data of a library that the program wants in its own memory (R_*_COPY).
#[derive(Clone, Copy, Debug)]
pub struct Copy {
    /// The module that wants it.
    pub module: ModuleId,
    /// Where.
    pub at: Vaddr,
    /// The symbol there.
    pub symbol: SymbolIndex,
}

/// The addresses of lode's own code that relocated words may point to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entries {
    /// What GOT[2] of a module with lazy slots gets.
    pub lazy: Address,
    /// What a function slot gets while its resolver has not run.
    pub pending: Address,
    /// TLS descriptor: the block is in static TLS.
    pub tls_static: Address,
    /// TLS descriptor: the block is allocated on first touch.
    pub tls_dynamic: Address,
    /// TLS descriptor: an undefined weak symbol.
    pub tls_undefined: Address,
}

/// What the process wants of binding.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The machine's numbers.
    pub machine: &'a Machine,
    /// An unresolved function slot stops the operation (LD_BIND_NOW, RTLD_NOW).
    pub now: bool,
    /// lode's own code.
    pub entries: Entries,
    /// A definition of libc that lode's own takes the place of.
    pub substitute: Option<Substitute>,
}

/// `LD_BIND_NOT`: function slots wait for their call where they may, and stay as they are when they are called. Set before the first relocation.
pub static BIND_NOT: AtomicBool = AtomicBool::new(false);

/// A definition that is not used where it is found: another address stands for it.
#[derive(Clone, Copy, Debug)]
pub struct Substitute {
    /// The file that has the definition, in whatever namespace.
    pub file: Option<Identity>,
    /// Its symbol.
    pub index: SymbolIndex,
    /// What is used instead.
    pub address: Address,
}

impl Substitute {
    /// The address to use for `found`, if it is this definition.
    pub fn of(&self, found: &Definition<'_>) -> Option<Address> {
        (found.index == self.index && found.module.identity == self.file).then_some(self.address)
    }
}

impl Linked {
    /// Applies the tables of each new module, dependencies first.
    ///
    /// # Errors
    /// The first damaged table; or, when all tables are applied, *all* unresolved symbols, or a function to be called that is not code.
    pub fn relocate(self, world: &World, binding: Binding<'_>, log: Log<'_>) -> Result<Relocated> {
        let mut batch = self.batch;
        let changing = &mut *batch;
        let mut work = Work {
            roster: Roster {
                world: &world.modules,
                batch: &changing.modules,
            },
            global: &changing.global,
            binding,
            log,
            tls: &mut changing.tls,
            unique: &mut changing.unique,
            indirect: Vec::new(),
            copies: Vec::new(),
            unresolved: Vec::new(),
            statistics: &mut changing.statistics,
        };
        work.statistics.modules = work.roster.batch.len() as u64;
        for id in &changing.init_order {
            let Some(module) = work.roster.get(*id).filter(|module| !module.is_final) else {
                continue;
            };
            log.emit(Interest::RELOC, || Event::Relocating(&module.name));
            work.relocate(module).map_err(|error| work.roster.with_asker(error))?;
        }
        let Work {
            indirect,
            copies,
            unresolved,
            ..
        } = work;
        if let Some(first) = unresolved.first() {
            let culprit = first.module.clone();
            let error = Kind::Undefined(unresolved).of(Stage::Relocate, &culprit);
            return Err(batch.roster(world).with_asker(error));
        }
        let roster = batch.roster(world);
        for module in &batch.modules {
            check_code(roster, module).map_err(|kind| roster.with_asker(module.fault(Stage::Relocate, kind)))?;
        }
        Ok(Relocated {
            batch,
            indirect,
            copies,
        })
    }
}

/// The state of the stage over all modules.
struct Work<'a> {
    roster: Roster<'a>,
    global: &'a [ModuleId],
    binding: Binding<'a>,
    log: Log<'a>,
    tls: &'a mut TlsPlan,
    unique: &'a mut Vec<Unique>,
    indirect: Vec<Indirect>,
    copies: Vec<Copy>,
    unresolved: Vec<Unresolved>,
    statistics: &'a mut Statistics,
}

/// The last reference that was looked up: tables are grouped by symbol, so the next one is often the same.
#[derive(Clone, Copy)]
struct Memo<'a> {
    index: SymbolIndex,
    purpose: Use,
    found: Option<Definition<'a>>,
}

/// What is at hand while one module's tables are applied.
struct Tables<'a> {
    module: &'a Module,
    patch: Patch<'a>,
    memo: Option<Memo<'a>>,
    /// Function slots that stay unresolved may wait for their first call.
    lazy: bool,
    /// What stays as long as the module does, because it needs it. Left out at the start, where nothing is ever unloaded.
    kept: Vec<ModuleId>,
}

impl<'a> Work<'a> {
    fn relocate(&mut self, module: &'a Module) -> Result<()> {
        let dynamic = &module.dynamic;
        let now = self.binding.now || dynamic.binds_now();
        let mut tables = Tables {
            module,
            patch: module.image.patch(),
            memo: None,
            lazy: !now && dynamic.pltgot.is_some(),
            kept: match module.role {
                Role::Opened => breadth_first(self.roster, &[module.id]),
                _ => Vec::new(),
            },
        };
        let fault = |fault: Fault| module.fault(Stage::Relocate, fault);
        if dynamic.android_rel.is_some() || dynamic.android_rela.is_some() {
            let packed = Kind::Unsupported(
                "packed relocations (DT_ANDROID_REL or DT_ANDROID_RELA), which lode does not unpack yet",
            );
            return Err(fault(packed.into()));
        }
        self.relr(&mut tables).map_err(fault)?;
        let own = |range: Option<Range>| range.map(|range| without_plt(module, range));
        self.rel(&mut tables, own(dynamic.rel)).map_err(fault)?;
        self.rela(&mut tables, own(dynamic.rela)).map_err(fault)?;
        match dynamic.jmprel {
            Some((range, PltKind::Rela)) => self.rela(&mut tables, Some(range)),
            Some((range, PltKind::Rel)) => self.rel(&mut tables, Some(range)),
            None => Ok(()),
        }
        .map_err(fault)
    }

    fn relr(&mut self, tables: &mut Tables<'a>) -> core::result::Result<(), Fault> {
        let Some(range) = tables.module.dynamic.relr else {
            return Ok(());
        };
        let words = table::<u64>(tables.module, range)?;
        let bias = tables.module.image.bias();
        let patch = &mut tables.patch;
        self.statistics.relr += relr::for_each(words.iter(), &mut |at| patch.add(at, bias))?;
        Ok(())
    }

    fn rela(&mut self, tables: &mut Tables<'a>, range: Option<Range>) -> core::result::Result<(), Fault> {
        let Some(range) = range else { return Ok(()) };
        let entries = table::<Rela>(tables.module, range)?;
        let bias = tables.module.image.bias();
        let mut meaning = Meaning::new(self.binding.machine);
        for index in 0..entries.len() {
            let Some(entry) = entries.get(index) else { break };
            let relocation = match meaning.known(entry.kind()) {
                Some(relocation) => relocation,
                None => meaning.of(tables.module, entry.kind(), entry.symbol(), Vaddr(entry.offset))?,
            };
            if matches!(relocation.ask, Ask::Relative) {
                tables
                    .patch
                    .store(Vaddr(entry.offset), entry.addend.wrapping_add(bias.0))
                    .ok_or_else(|| unwritable(tables.module, Vaddr(entry.offset)))?;
                self.statistics.relative += 1;
                continue;
            }
            self.apply(
                tables,
                relocation,
                Vaddr(entry.offset),
                entry.symbol(),
                Addend::Given(entry.addend),
            )?;
        }
        Ok(())
    }

    fn rel(&mut self, tables: &mut Tables<'a>, range: Option<Range>) -> core::result::Result<(), Fault> {
        let Some(range) = range else { return Ok(()) };
        let entries = table::<Rel>(tables.module, range)?;
        let bias = tables.module.image.bias();
        let mut meaning = Meaning::new(self.binding.machine);
        for index in 0..entries.len() {
            let Some(entry) = entries.get(index) else { break };
            let relocation = match meaning.known(entry.kind()) {
                Some(relocation) => relocation,
                None => meaning.of(tables.module, entry.kind(), entry.symbol(), Vaddr(entry.offset))?,
            };
            if matches!(relocation.ask, Ask::Relative) {
                tables
                    .patch
                    .add(Vaddr(entry.offset), bias)
                    .ok_or_else(|| unwritable(tables.module, Vaddr(entry.offset)))?;
                self.statistics.relative += 1;
                continue;
            }
            self.apply(tables, relocation, Vaddr(entry.offset), entry.symbol(), Addend::InPlace)?;
        }
        Ok(())
    }

    /// One relocation that is not relative.
    fn apply(
        &mut self,
        tables: &mut Tables<'a>,
        relocation: Relocation,
        at: Vaddr,
        index: SymbolIndex,
        addend: Addend,
    ) -> core::result::Result<(), Fault> {
        let module = tables.module;
        let bias = module.image.bias();
        match relocation.ask {
            // R_*_NONE is skipped before anything of it is looked at: linkers leave such entries with any other content.
            Ask::Nothing => return Ok(()),
            Ask::Relative => {}
            Ask::Indirect => {
                let addend = addend.read(tables, at, Field::Word64)?;
                self.put_aside(tables, at, Vaddr(addend).at(bias), 0, module)?;
                return Ok(());
            }
            Ask::Copy => {
                self.copies.push(Copy {
                    module: module.id,
                    at,
                    symbol: index,
                });
                return Ok(());
            }
            _ => {}
        }
        self.statistics.symbolic += 1;
        let thread_local = matches!(
            relocation.ask,
            Ask::TlsModule | Ask::TlsModuleOffset(_) | Ask::ThreadOffset(_) | Ask::TlsDescriptor
        );
        let purpose = match relocation.ask {
            Ask::JumpSlot => Use::Call,
            _ if thread_local => Use::Call,
            _ => Use::Address,
        };
        if matches!(relocation.ask, Ask::JumpSlot)
            && tables.lazy
            && BIND_NOT.load(Ordering::Relaxed)
            && self.make_lazy(tables, at).is_some()
        {
            return Ok(());
        }
        let reference = self.reference(module, index, at)?;
        let found = match &reference {
            Some(reference) => self.definition(tables, index, reference, purpose)?,
            None => None,
        };
        // A reference that names no symbol means the module itself; one that names a weak symbol that is nowhere means zero.
        if let (Some(reference), None) = (&reference, &found)
            && reference.binding() != symbol::STB_WEAK
        {
            return self.leave_unresolved(tables, relocation, at, index, reference);
        }
        if thread_local
            && let Some(found) = &found
            && !matches!(found.symbol.kind(), symbol::STT_TLS | symbol::STT_SECTION)
        {
            return Err(not_thread_local(module, index));
        }
        let value = found.as_ref().map_or(0, |found| self.address(found).0);
        match relocation.ask {
            Ask::Value {
                field,
                pc_relative,
                addend: adds,
            } => {
                let addend = if adds { addend.read(tables, at, field)? } else { 0 };
                if let Some(found) = found.filter(Definition::is_indirect) {
                    if field != Field::Word64 || pc_relative {
                        return Err(Kind::Unsupported(
                            "a relocation of 32 bits or relative to its place, against a function that a resolver chooses",
                        )
                        .into());
                    }
                    return self.put_aside(tables, at, found.address(), addend, found.module);
                }
                let base = value.wrapping_add(addend);
                let word = if pc_relative {
                    base.wrapping_sub(at.at(bias).0)
                } else {
                    base
                };
                store(tables, relocation, at, index, field, word)
            }
            Ask::GlobDat | Ask::JumpSlot => match found.filter(Definition::is_indirect) {
                Some(found) => self.put_aside(tables, at, found.address(), 0, found.module),
                None => store(tables, relocation, at, index, Field::Word64, value),
            },
            Ask::Size(field) => {
                let addend = addend.read(tables, at, field)?;
                let size = found.map_or(0, |found| found.symbol.size);
                store(tables, relocation, at, index, field, size.wrapping_add(addend))
            }
            Ask::TlsModule => {
                let Some(owner) = tls_owner(module, &reference, &found) else {
                    return Ok(());
                };
                let slot = owner.tls().ok_or_else(|| not_thread_local(module, index))?;
                store(tables, relocation, at, index, Field::Word64, slot.id)
            }
            Ask::TlsModuleOffset(field) => {
                let addend = addend.read(tables, at, field)?;
                let offset = found.map_or(0, |found| found.symbol.value);
                store(tables, relocation, at, index, field, offset.wrapping_add(addend))
            }
            Ask::ThreadOffset(field) => {
                let addend = addend.read(tables, at, field)?;
                let Some(owner) = tls_owner(module, &reference, &found) else {
                    return Ok(());
                };
                let distance = self.static_offset(owner, module, index)?;
                let offset = found.map_or(0, |found| found.symbol.value);
                let word = offset.wrapping_add(addend).wrapping_sub(distance);
                store(tables, relocation, at, index, field, word)
            }
            Ask::TlsDescriptor => {
                let addend = addend.read_descriptor(tables, at)?;
                self.tls_descriptor(tables, at, index, &reference, &found, addend)
            }
            Ask::Nothing | Ask::Relative | Ask::Indirect | Ask::Copy => Ok(()),
        }
    }

    fn address(&self, found: &Definition<'_>) -> Address {
        self.binding
            .substitute
            .and_then(|substitute| substitute.of(found))
            .unwrap_or_else(|| found.address())
    }

    /// The symbol at `index`; `None` for index 0.
    fn reference(&self, module: &Module, index: SymbolIndex, at: Vaddr) -> core::result::Result<Option<Symbol>, Fault> {
        if index.0 == 0 {
            return Ok(None);
        }
        match module.symbols.get(index) {
            Some(symbol) => Ok(Some(symbol)),
            None => Err(Kind::malformed(Rule::SymbolIndex, index.0.into(), at.0)),
        }
    }

    fn definition(
        &mut self,
        tables: &mut Tables<'a>,
        index: SymbolIndex,
        reference: &Symbol,
        purpose: Use,
    ) -> core::result::Result<Option<Definition<'a>>, Fault> {
        if let Some(memo) = tables.memo
            && memo.index == index
            && memo.purpose == purpose
        {
            self.statistics.repeated += 1;
            return Ok(memo.found);
        }
        self.statistics.lookups += 1;
        let module = tables.module;
        let version = module.symbols.version(index)?;
        let scope = scope_of(self.roster, self.global, self.unique, module);
        let found = scope.resolve(module, index, reference, version, purpose, self.log);
        if let Some(definition) = &found {
            if !tables.kept.contains(&definition.module.id) {
                module.bind_to(definition.module);
            }
            if definition.symbol.binding() == symbol::STB_GNU_UNIQUE {
                let name = definition.module.symbols.name(&definition.symbol);
                if scope.first_of_its_name(name).is_none() {
                    self.unique
                        .push((Name::new(name), definition.module.id, definition.index));
                }
            }
        }
        tables.memo = Some(Memo { index, purpose, found });
        Ok(found)
    }

    /// A word that a resolver decides. Until then it leads to code that says so.
    fn put_aside(
        &mut self,
        tables: &mut Tables<'a>,
        at: Vaddr,
        resolver: Address,
        addend: u64,
        of: &Module,
    ) -> core::result::Result<(), Fault> {
        check_resolver(of, resolver)?;
        self.indirect.push(Indirect {
            module: tables.module.id,
            at,
            resolver,
            provider: of.id,
            addend,
        });
        tables
            .patch
            .store(at, self.binding.entries.pending.0)
            .ok_or_else(|| unwritable(tables.module, at))
    }

    /// A strong reference that nothing defines: an error, unless it is a function slot that may wait for its call.
    fn leave_unresolved(
        &mut self,
        tables: &mut Tables<'a>,
        relocation: Relocation,
        at: Vaddr,
        index: SymbolIndex,
        reference: &Symbol,
    ) -> core::result::Result<(), Fault> {
        let module = tables.module;
        if tables.lazy && matches!(relocation.ask, Ask::JumpSlot) && self.make_lazy(tables, at).is_some() {
            return Ok(());
        }
        let version = module.symbols.version(index)?;
        let unresolved = Unresolved {
            module: module.name.clone(),
            symbol: Name::new(module.symbols.name(reference)),
            version: version.map(|version| Name::new(version.name)),
        };
        if !self.unresolved.contains(&unresolved) {
            self.unresolved.push(unresolved);
        }
        Ok(())
    }

    /// Lets the slot at `at` lead through the module's PLT to lode's binder (psABI, "Procedure Linkage Table": GOT[1] identifies the
    /// module, GOT[2] is the binder, and an unbound slot points behind its own PLT entry's jump).
    fn make_lazy(&self, tables: &mut Tables<'a>, at: Vaddr) -> Option<()> {
        let module = tables.module;
        let got = module.dynamic.pltgot?;
        let unbound: u64 = tables.patch.load(at)?;
        if !module.image.is_executable(Vaddr(unbound)) {
            return None;
        }
        tables.patch.store(got.plus(8)?, u64::from(module.id.0))?;
        tables.patch.store(got.plus(16)?, self.binding.entries.lazy.0)?;
        tables.patch.store(at, Vaddr(unbound).at(module.image.bias()).0)
    }

    /// The distance below the thread pointer of a module's block. A module without one gets it if there is room.
    fn static_offset(&mut self, owner: &Module, from: &Module, index: SymbolIndex) -> core::result::Result<u64, Fault> {
        let slot = owner.tls().ok_or_else(|| not_thread_local(from, index))?;
        if let Some(offset) = slot.offset {
            return Ok(offset);
        }
        let template = owner.layout.tls.ok_or_else(|| not_thread_local(from, index))?;
        let plan = *self.tls;
        let full = || Fault::from(no_static_tls(&template, self.roster, &plan));
        // Threads may have a block of a module of an earlier batch already, at an address that cannot be static.
        if self.roster.place_in_batch(owner.id).is_none() {
            return Err(full());
        }
        let offset = self.tls.reserve(&template).ok_or_else(full)?;
        owner.set_tls(TlsSlot {
            id: slot.id,
            offset: Some(offset),
        });
        Ok(offset)
    }

    fn tls_descriptor(
        &mut self,
        tables: &mut Tables<'a>,
        at: Vaddr,
        index: SymbolIndex,
        reference: &Option<Symbol>,
        found: &Option<Definition<'a>>,
        addend: u64,
    ) -> core::result::Result<(), Fault> {
        let entries = self.binding.entries;
        let (entry, argument) = match tls_owner(tables.module, reference, found) {
            None => (entries.tls_undefined, addend),
            Some(owner) => {
                let slot = owner.tls().ok_or_else(|| not_thread_local(tables.module, index))?;
                let offset = found.map_or(0, |found| found.symbol.value).wrapping_add(addend);
                match slot.offset {
                    Some(distance) => (entries.tls_static, offset.wrapping_sub(distance)),
                    None => {
                        let packed = pack(slot.id, offset);
                        let argument = packed.ok_or(Kind::Unsupported(
                            "a descriptor of thread-local storage more than half a tebibyte into its block",
                        ))?;
                        (entries.tls_dynamic, argument)
                    }
                }
            }
        };
        let second = at.plus(8).ok_or_else(|| unwritable(tables.module, at))?;
        tables
            .patch
            .store(at, entry.0)
            .and_then(|()| tables.patch.store(second, argument))
            .ok_or_else(|| unwritable(tables.module, at))
    }
}

/// What the second word of a dynamic TLS descriptor holds: the module's number in the upper 24 bits, the offset into its block in the others.
/// The code that [`Entries::tls_dynamic`] leads to takes it apart.
fn pack(number: u64, offset: u64) -> Option<u64> {
    let low = offset << 24 >> 24;
    let fits = number < 1 << 24 && (low << 24).cast_signed() >> 24 == offset.cast_signed();
    fits.then_some(number << 40 | low)
}

/// The scope of a module's references: the global one, then what came with the same `dlopen`.
pub fn scope_of<'a, 'l>(
    roster: Roster<'a>,
    global: &'l [ModuleId],
    unique: &'l [Unique],
    module: &'l Module,
) -> Scope<'a, 'l> {
    let lists = if module.binds_deep {
        [module.group.as_slice(), global]
    } else {
        [global, module.group.as_slice()]
    };
    Scope {
        roster,
        namespace: module.namespace,
        lists,
        unique,
    }
}

/// The addend of a relocation: in the table (RELA) or at the place (REL).
#[derive(Clone, Copy)]
enum Addend {
    Given(u64),
    InPlace,
}

impl Addend {
    fn read(self, tables: &mut Tables<'_>, at: Vaddr, field: Field) -> core::result::Result<u64, Fault> {
        let Addend::Given(addend) = self else {
            let word = match field {
                Field::Word64 => tables.patch.load::<u64>(at),
                Field::Word32 => tables.patch.load::<u32>(at).map(u64::from),
                Field::Signed32 => tables.patch.load::<u32>(at).map(|word| word as i32 as i64 as u64),
            };
            return word.ok_or_else(|| unwritable(tables.module, at));
        };
        Ok(addend)
    }

    /// With REL the addend of a descriptor stands in its second word (TLS descriptors for x86, section 3.3).
    fn read_descriptor(self, tables: &mut Tables<'_>, at: Vaddr) -> core::result::Result<u64, Fault> {
        match self {
            Addend::Given(addend) => Ok(addend),
            Addend::InPlace => {
                let second = at.plus(8).ok_or_else(|| unwritable(tables.module, at))?;
                self.read(tables, second, Field::Word64)
            }
        }
    }
}

/// The meaning of a relocation number, with the last one at hand.
struct Meaning<'a> {
    machine: &'a Machine,
    last: Option<(u32, Relocation)>,
}

impl<'a> Meaning<'a> {
    fn new(machine: &'a Machine) -> Meaning<'a> {
        Meaning { machine, last: None }
    }

    /// The meaning, if it is the one of the entry before: tables are sorted by it.
    #[inline(always)]
    fn known(&self, kind: u32) -> Option<Relocation> {
        match self.last {
            Some((known, relocation)) if known == kind => Some(relocation),
            _ => None,
        }
    }

    #[inline(never)]
    fn of(
        &mut self,
        module: &Module,
        kind: u32,
        index: SymbolIndex,
        at: Vaddr,
    ) -> core::result::Result<Relocation, Fault> {
        let relocation = (self.machine.relocation)(kind).ok_or_else(|| Kind::UnknownRelocation {
            kind,
            at,
            symbol: symbol_name(module, index),
        })?;
        self.last = Some((kind, relocation));
        Ok(relocation)
    }
}

fn table<T: Plain>(module: &Module, range: Range) -> core::result::Result<Table<T>, Fault> {
    let count = usize::try_from(range.size).unwrap_or(usize::MAX) / size_of::<T>();
    module
        .image
        .table(range.at, count)
        .ok_or_else(|| Kind::malformed(Rule::TagTableOutside, range.at.0, range.size))
}

/// DT_RELASZ of some linkers counts the PLT's relocations too. They are applied once, as DT_JMPREL.
fn without_plt(module: &Module, range: Range) -> Range {
    match module.dynamic.jmprel {
        Some((plt, _))
            if plt.at >= range.at
                && range.at.plus(range.size).is_some()
                && range.at.plus(range.size) == plt.at.plus(plt.size) =>
        {
            Range {
                at: range.at,
                size: plt.at.0 - range.at.0,
            }
        }
        _ => range,
    }
}

fn store(
    tables: &mut Tables<'_>,
    relocation: Relocation,
    at: Vaddr,
    index: SymbolIndex,
    field: Field,
    word: u64,
) -> core::result::Result<(), Fault> {
    if !field.holds(word) {
        return Err(Kind::Overflow {
            relocation: relocation.name,
            at,
            symbol: symbol_name(tables.module, index),
            value: word as i64,
        }
        .into());
    }
    let stored = match field {
        Field::Word64 => tables.patch.store(at, word),
        Field::Word32 | Field::Signed32 => tables.patch.store(at, word as u32),
    };
    stored.ok_or_else(|| unwritable(tables.module, at))
}

/// A resolver has to be code of the module that defines it.
fn check_resolver(of: &Module, resolver: Address) -> core::result::Result<(), Fault> {
    let at = resolver.in_image(of.image.bias());
    match of.image.is_executable(at) {
        true => Ok(()),
        false => Err(Kind::malformed(Rule::CodeOutside, at.0, 0)),
    }
}

/// Why a place cannot be stored to: in a segment of this module that is not writable, or not wholly in one.
#[cold]
fn unwritable(module: &Module, at: Vaddr) -> Fault {
    let rule = match module.image.extent(at, 1) {
        Some(extent) if !extent.access.contains(Access::WRITE) => Rule::RelocationReadOnly,
        _ => Rule::RelocationOutside,
    };
    Kind::malformed(rule, at.0, 0)
}

#[cold]
fn not_thread_local(module: &Module, index: SymbolIndex) -> Fault {
    Kind::NotThreadLocal(symbol_name(module, index).unwrap_or(Name::from("(none)"))).into()
}

fn symbol_name(module: &Module, index: SymbolIndex) -> Option<Name> {
    if index.0 == 0 {
        return None;
    }
    let symbol = module.symbols.get(index)?;
    Some(Name::new(module.symbols.name(&symbol)))
}

/// Whose block a TLS relocation means; `None` for a weak symbol that is nowhere.
fn tls_owner<'a>(module: &'a Module, reference: &Option<Symbol>, found: &Option<Definition<'a>>) -> Option<&'a Module> {
    match (reference, found) {
        (None, _) => Some(module),
        (Some(_), Some(found)) => Some(found.module),
        (Some(_), None) => None,
    }
}

/// Looks a waiting function slot up again: the slot's own relocation, by its index in DT_JMPREL.
///
/// # Errors
/// [`Kind::Undefined`] when the symbol still has no definition; [`Rule::CodeOutside`] for a resolver that is not code.
pub fn bind_slot(
    roster: Roster<'_>,
    global: &[ModuleId],
    unique: &[Unique],
    module: &Module,
    index: u64,
    host: &dyn Host,
    log: Log<'_>,
) -> Result<Address> {
    let fault = |kind| module.fault(Stage::Call, kind);
    let damaged = || module.fault(Stage::Call, Kind::malformed(Rule::RelocationOutside, index, 0));
    let (at, symbol_index) = match module.dynamic.jmprel {
        Some((range, PltKind::Rela)) => {
            let entry = table::<Rela>(module, range)
                .map_err(fault)?
                .get(index as usize)
                .ok_or_else(damaged)?;
            (Vaddr(entry.offset), entry.symbol())
        }
        Some((range, PltKind::Rel)) => {
            let entry = table::<Rel>(module, range)
                .map_err(fault)?
                .get(index as usize)
                .ok_or_else(damaged)?;
            (Vaddr(entry.offset), entry.symbol())
        }
        None => return Err(damaged()),
    };
    let reference = module.symbols.get(symbol_index).ok_or_else(damaged)?;
    let version = module.symbols.version(symbol_index).map_err(fault)?;
    let scope = scope_of(roster, global, unique, module);
    let found = scope
        .resolve(module, symbol_index, &reference, version, Use::Call, log)
        .ok_or_else(|| {
            fault(
                Kind::Undefined(alloc::vec![Unresolved {
                    module: module.name.clone(),
                    symbol: Name::new(module.symbols.name(&reference)),
                    version: version.map(|version| Name::new(version.name)),
                }])
                .into(),
            )
        })?;
    note_binding(roster, module, found.module);
    let address = if found.is_indirect() {
        check_resolver(found.module, found.address()).map_err(fault)?;
        host.resolve(found.address())
    } else {
        found.address()
    };
    // The slot may have become read-only (RELRO over .got.plt); the call works all the same, only not faster.
    if !module.layout.is_relro(at) && !BIND_NOT.load(Ordering::Relaxed) {
        module.image.patch().store(at, address.0);
    }
    Ok(address)
}
