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
use super::answers::Answers;
use super::demands::check_protected;
use super::init::check_code;
use super::link::{Linked, no_static_tls};
use super::protect::{CANNOT_RESTORE, Change, change_read_only_segments};
use super::slots::{self, Way};
use crate::arch::{Ask, Field, Machine, Relocation};
use crate::elf::dynamic::{PltKind, Range, tag};
use crate::elf::reloc::{Rel, Rela};
use crate::elf::segment::{Access, ProgramHeader, kind};
use crate::elf::symbol::{self, Symbol};
use crate::elf::{Address, SymbolIndex, Vaddr, aps2, relr};
use crate::error::{Entry, FOR_MUSL, Fault, Kind, Name, Result, Rule, Stage, Unresolved, text};
use crate::event::{Event, Interest, Log, Statistics};
use crate::image::{Patch, Table};
pub use crate::process::Allow;
use crate::scope::index::Ahead;
use crate::scope::{DYNAMIC_WEAK, Definition, Index, Reference, Scope, note_binding};
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

/// What asks for a word.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// The relocation.
    pub relocation: Relocation,
    /// Where the word is.
    pub at: Vaddr,
    /// The symbol.
    pub symbol: SymbolIndex,
}

/// Words of one module whose values are answers of resolvers of one module. A file may have ten thousand of them, so what they have in common stands here
/// once.
#[derive(Debug)]
pub struct Indirect {
    /// The module that holds the words.
    pub module: ModuleId,
    /// The module that the resolvers belong to.
    pub provider: ModuleId,
    /// What asks for the words.
    pub relocation: Relocation,
    /// Whether they hold any answer.
    pub is_address: bool,
    /// Whose answer it is, where a word does not hold any.
    pub symbol: SymbolIndex,
    /// Added to an answer; where a distance is asked for, the place is taken off already.
    pub addend: u64,
    /// Each place with the resolver; once that has answered, with what is to be stored.
    pub words: Vec<(Vaddr, Address)>,
    /// Where the first resolver's code begins, and how many bytes it has.
    code: (Vaddr, u64),
}

impl Indirect {
    /// How many words stand together at most: so many that they are never moved to a larger place of more than a page.
    const MOST: usize = 256;

    /// Whether a word belongs to the others of this.
    fn takes(&self, module: &Module, site: &Site, resolver: Address, of: &Module, addend: u64) -> bool {
        let into = resolver.in_image(of.image.bias()).0.wrapping_sub(self.code.0.0);
        self.module == module.id
            && self.provider == of.id
            && self.addend == addend
            && self.relocation.name.as_ptr() == site.relocation.name.as_ptr()
            && (self.is_address || self.symbol == site.symbol)
            && into < self.code.1
            && self.words.len() < Indirect::MOST
    }
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
    /// Long tables of function slots wait for their calls, where binding may be lazy: what is bound is a program that is about to run, beside glibc.
    pub waits: bool,
    /// lode's own code.
    pub entries: Entries,
    /// Definitions of libc that lode's own take the place of.
    pub substitutes: &'a [Substitute],
    /// What is done though it is refused otherwise.
    pub allow: Allow,
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

/// A reference was bound to a function that stands for one of libc's: the program can come back into lode.
pub static SUBSTITUTED: AtomicBool = AtomicBool::new(false);

impl Substitute {
    /// The address to use for `found`, if it is this definition.
    pub fn of(&self, found: &Definition<'_>) -> Option<Address> {
        (found.index == self.index && found.module.identity == self.file).then_some(self.address)
    }
}

impl Linked {
    /// Applies the tables of each new module, dependencies first. `host` makes read-only segments writable for as long as that takes, where this is
    /// allowed ([`Allow::TEXTREL`]).
    ///
    /// # Errors
    /// The first damaged table; or, when all tables are applied, *all* unresolved symbols, or a function to be called that is not code.
    pub fn relocate(self, world: &World, binding: Binding<'_>, host: &dyn Host, log: Log<'_>) -> Result<Relocated> {
        let mut batch = self.batch;
        let changing = &mut *batch;
        let mut work = Work {
            roster: Roster {
                world: &world.modules,
                batch: &changing.modules,
            },
            global: &changing.global,
            binding,
            host,
            log,
            tls: &mut changing.tls,
            unique: &mut changing.unique,
            indirect: Vec::new(),
            copies: Vec::new(),
            unresolved: Vec::new(),
            blamed: None,
            statistics: &mut changing.statistics,
            index: None,
            answers: Answers::default(),
        };
        work.index = work.index();
        work.statistics.modules = work.roster.batch.len() as u64;
        for id in &changing.init_order {
            let Some(module) = work.roster.get(*id).filter(|module| !module.is_final) else {
                continue;
            };
            log.emit(Interest::RELOC, || Event::Relocating {
                module: &module.name,
                waits: work.defers(module),
            });
            work.relocate(module).map_err(|error| work.roster.with_asker(error))?;
        }
        let calls_no_slots = |id| work.roster.get(id).is_none_or(slots::calls_no_slots);
        if !work.indirect.iter().all(|words| calls_no_slots(words.provider)) {
            for id in &changing.init_order {
                if let Some(module) = work.roster.get(*id).filter(|module| !module.is_final)
                    && work.defers(module)
                {
                    work.bind_waiting(module)
                        .map_err(|error| work.roster.with_asker(error))?;
                }
            }
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
    host: &'a dyn Host,
    log: Log<'a>,
    tls: &'a mut TlsPlan,
    unique: &'a mut Vec<Unique>,
    indirect: Vec<Indirect>,
    copies: Vec<Copy>,
    unresolved: Vec<Unresolved>,
    /// The module that a fault is about, if it is not the one whose tables are applied.
    blamed: Option<&'a Module>,
    statistics: &'a mut Statistics,
    /// Who defines what in the scope that the new modules share, where they make many references.
    index: Option<Index<'a>>,
    answers: Answers<'a>,
}

/// The last reference that was looked up: tables are grouped by symbol, so the next one is often the same.
#[derive(Clone, Copy)]
struct Memo<'a> {
    index: SymbolIndex,
    purpose: Use,
    found: Option<Definition<'a>>,
}

/// The place of a relocation in its table.
#[derive(Clone, Copy)]
struct Cursor {
    /// The tag of the table.
    table: u64,
    index: usize,
}

/// What is at hand while one module's tables are applied.
struct Tables<'a> {
    module: &'a Module,
    patch: Patch<'a>,
    /// The relocation that is looked at, for whoever has to say what is wrong.
    cursor: Cursor,
    site: Site,
    /// The words of DT_RELR, all of them applied.
    stream: Table<u64>,
    /// How many words were looked for there in vain.
    doubts: u32,
    memo: Option<Memo<'a>>,
    /// Its read-only segments are writable now.
    is_open: bool,
    /// Function slots that stay unresolved may wait for their first call.
    lazy: bool,
    /// All function slots wait already.
    is_waiting: bool,
    /// What stays as long as the module does, because it needs it, directly or not. Hardly ever asked for.
    kept: Option<Vec<ModuleId>>,
}

/// What is done with the tables of a module.
type Body<'a> = fn(&mut Work<'a>, &mut Tables<'a>) -> core::result::Result<(), Fault>;

impl Tables<'_> {
    /// What the relocations of the table want definitions for, all but a few.
    fn purpose(&self) -> Use {
        match self.cursor.table {
            tag::JMPREL => Use::Call,
            _ => Use::Address,
        }
    }
}

impl<'a> Work<'a> {
    /// The index for the scope of the new modules. Those of a batch share one.
    fn index(&self) -> Option<Index<'a>> {
        // Who reads of each module that is asked has each module asked, and who reads of bindings reads of them in the order of the tables. A slot that is
        // never bound for good waits for its call.
        let read = Interest::SYMBOLS | Interest::BINDINGS | Interest::UNUSED;
        let is_read = self.log.interest.intersects(read);
        if is_read || DYNAMIC_WEAK.load(Ordering::Relaxed) || BIND_NOT.load(Ordering::Relaxed) {
            return None;
        }
        let mut fresh = self.roster.batch.iter().filter(|module| !module.is_final);
        let first = fresh.next()?;
        let count = fresh.fold(self.references(first), |sum, module| {
            sum.saturating_add(self.references(module))
        });
        Index::new(&scope_of(self.roster, self.global, self.unique, first), count)
    }

    /// How many references a module's tables make now, about.
    fn references(&self, module: &Module) -> u64 {
        let dynamic = &module.dynamic;
        let slots = dynamic.jmprel.filter(|_| !self.defers(module));
        let tables = [dynamic.rela, dynamic.rel, slots.map(|(range, _)| range)];
        let bytes = tables
            .iter()
            .flatten()
            .fold(0u64, |sum, range| sum.saturating_add(range.size));
        let relative = dynamic.relacount.saturating_add(dynamic.relcount);
        (bytes / size_of::<Rela>() as u64).saturating_sub(relative)
    }

    /// Whether function slots of a module that stay unresolved may wait for their first call.
    fn is_lazy(&self, module: &Module) -> bool {
        let dynamic = &module.dynamic;
        let now = self.binding.now || dynamic.binds_now();
        // musl leaves only what is opened later unbound.
        let is_strict = FOR_MUSL.load(Ordering::Relaxed);
        !now && dynamic.pltgot.is_some() && (!is_strict || module.role == Role::Opened)
    }

    /// Whether all function slots of a module wait for their first call. Those of a library that is opened later do not: the binder would have to find its scope at each of them.
    fn defers(&self, module: &Module) -> bool {
        self.binding.waits && module.role != Role::Opened && slots::is_long(&module.dynamic) && self.is_lazy(module)
    }

    /// Applies all tables of a module.
    fn relocate(&mut self, module: &'a Module) -> Result<()> {
        self.with_tables(module, Self::tables)
    }

    /// Binds the function slots of a module that waits.
    #[cold]
    #[inline(never)]
    fn bind_waiting(&mut self, module: &'a Module) -> Result<()> {
        self.with_tables(module, |work, tables| {
            tables.is_waiting = true;
            work.slots(tables)
        })
    }

    #[inline(never)]
    fn with_tables(&mut self, module: &'a Module, body: Body<'a>) -> Result<()> {
        let mut tables = Tables {
            module,
            patch: module.image.patch(),
            cursor: Cursor {
                table: tag::RELR,
                index: 0,
            },
            site: Site {
                relocation: Relocation {
                    name: "a relative relocation",
                    ask: Ask::Relative,
                },
                // Nowhere: what is wrong before the first relocation is about none of them.
                at: Vaddr(u64::MAX),
                symbol: SymbolIndex(0),
            },
            stream: Table::EMPTY,
            doubts: 0,
            memo: None,
            is_open: false,
            lazy: self.is_lazy(module),
            is_waiting: false,
            kept: None,
        };
        let mut applied = body(self, &mut tables);
        if applied.is_ok() && tables.is_open {
            // Before any code of the module runs.
            applied = change_read_only_segments(module, self.host, Change::Restored)
                .map_err(|errno| Kind::os(CANNOT_RESTORE, errno));
        }
        let culprit = self.blamed.unwrap_or(module);
        applied.map_err(|fault| culprit.fault(Stage::Relocate, self.located(&tables, fault)))
    }

    fn tables(&mut self, tables: &mut Tables<'a>) -> core::result::Result<(), Fault> {
        let module = tables.module;
        let dynamic = &module.dynamic;
        let defers = self.defers(module);
        self.relr(tables)?;
        for (table, range, form) in [
            (tag::ANDROID_REL, dynamic.android_rel, PltKind::Rel),
            (tag::ANDROID_RELA, dynamic.android_rela, PltKind::Rela),
        ] {
            tables.cursor.table = table;
            if let Some(range) = range {
                self.packed(tables, range, form)?;
            }
        }
        let own = |range: Option<Range>, form| range.map(|range| (without_plt(module, range), form));
        for (table, range, relative) in [
            (tag::REL, own(dynamic.rel, PltKind::Rel), dynamic.relcount),
            (tag::RELA, own(dynamic.rela, PltKind::Rela), dynamic.relacount),
            (tag::JMPREL, dynamic.jmprel.filter(|_| !defers), 0),
        ] {
            tables.cursor.table = table;
            self.table(tables, range, relative)?;
        }
        match defers {
            true => self.slots(tables),
            false => Ok(()),
        }
    }

    /// Leaves the function slots of a module to their calls, and applies what else their table has. If they wait already, they are bound.
    #[inline(never)]
    fn slots(&mut self, tables: &mut Tables<'a>) -> core::result::Result<(), Fault> {
        let module = tables.module;
        let Some((range, form)) = module.dynamic.jmprel else {
            return Ok(());
        };
        tables.cursor.table = tag::JMPREL;
        let entries = form.entries(table(module, range)?);
        let is_last = tables.is_waiting;
        let mut way = match is_last {
            true => None,
            false => Way::new(module, &mut tables.patch, self.binding.entries.lazy),
        };
        let mut meaning = Meaning::new(self.binding.machine);
        // What was looked up ahead is another table's.
        self.answers.begin(0);
        for index in 0.. {
            let Some(entry) = entries.get(index) else { break };
            tables.cursor.index = index;
            let known = meaning.of(entry.kind());
            let is_slot = known.is_some_and(|known| matches!(known.relocation.ask, Ask::JumpSlot));
            let mut waits = || Some(way.as_mut()?.leave_of_table(&mut tables.patch, &entry).is_some());
            if is_slot && waits() == Some(true) || is_last && !is_slot {
                continue;
            }
            self.one(tables, &mut meaning, &entry, form.addend(&entry), false)?;
        }
        Ok(())
    }

    fn relr(&mut self, tables: &mut Tables<'a>) -> core::result::Result<(), Fault> {
        let Some(range) = tables.module.dynamic.relr else {
            return Ok(());
        };
        let words = table(tables.module, range)?;
        let bias = tables.module.image.bias();
        self.statistics.relr += relr::runs::<8>(words.iter(), &mut |start, bits| {
            if tables.patch.add_all(start, bits, bias).is_some() {
                return Ok(());
            }
            // Nothing was added: a place of the run is not where the others are.
            relr::each_of::<8>(start, bits, &mut |at| {
                let moved = tables.patch.add_all(at, 1, bias);
                moved.or_else(|| self.open(tables, at).and_then(|()| tables.patch.add_all(at, 1, bias)))
            })
        })?;
        tables.stream = words;
        Ok(())
    }

    /// Applies a table of either form, whose first `relative` entries are said to be relative ones.
    fn table(
        &mut self,
        tables: &mut Tables<'a>,
        table_of_form: Option<(Range, PltKind)>,
        relative: u64,
    ) -> core::result::Result<(), Fault> {
        let Some((range, form)) = table_of_form else {
            return check_count(relative, 0);
        };
        let words = table(tables.module, range)?;
        let step = form.words();
        check_count(relative, words.len() / step)?;
        let bias = tables.module.image.bias();
        let is_plain = tables.stream.is_empty();
        let mut meaning = Meaning::new(self.binding.machine);
        let mut index = 0;
        self.answers
            .begin((words.len() / step).saturating_sub(relative as usize));
        // The first entry whose symbol has not been looked up.
        let mut unread = relative as usize;
        // The first entry whose memory has not been given back, and how many are until it is.
        let (mut kept, most) = (0, entries_at_a_time(range.size));
        let entries = form.entries(words);
        while let Some(entry) = entries.get(index) {
            tables.cursor.index = index;
            if index >= unread
                && let Rows::Rela(entries) = entries
            {
                unread = index.saturating_add(self.look_ahead(tables, &mut meaning, entries.skip(index)));
            }
            let is_relative = (index as u64) < relative;
            index += 1;
            let known = self.known(tables, &mut meaning, &entry).filter(|_| !is_relative);
            let base = match known {
                Some((address, addends))
                    if let word = address.0.wrapping_add(entry.addend & addends)
                        && tables.patch.store(Vaddr(entry.offset), word).is_some() =>
                {
                    self.statistics.symbolic += 1;
                    (addends != 0).then_some(address.0)
                }
                None if !is_relative && self.waits(tables, &mut meaning, &entry) => None,
                _ => {
                    self.one(tables, &mut meaning, &entry, form.addend(&entry), is_relative)?;
                    meaning.is_relative().then_some(bias.0)
                }
            };
            // Most entries of most tables are alike, and stand in runs: relative ones, and those of a symbol that tables of functions name again and again.
            if let Some(base) = base
                && is_plain
                && let Rows::Rela(entries) = entries
            {
                let alike = entries.skip(index).first(most);
                let stored = store_alike(&mut tables.patch, alike, entry.info, base);
                match known {
                    Some(_) => self.statistics.symbolic += stored as u64,
                    None => self.statistics.relative += stored as u64,
                }
                index += stored;
            }
            if index - kept >= most {
                let size = (step * size_of::<u64>()) as u64;
                let start = range.at.plus(kept as u64 * size).unwrap_or(range.at);
                self.host
                    .forget(&tables.module.image, start, (index - kept) as u64 * size);
                kept = index;
            }
        }
        Ok(())
    }

    /// Applies a packed table of either form.
    fn packed(&mut self, tables: &mut Tables<'a>, range: Range, form: PltKind) -> core::result::Result<(), Fault> {
        let image = &tables.module.image;
        let bytes = usize::try_from(range.size)
            .ok()
            .and_then(|length| image.table::<u8>(range.at, length))
            .ok_or_else(|| outside(range))?;
        let most = image
            .extents()
            .iter()
            .fold(0u64, |sum, extent| sum.saturating_add(extent.length));
        let mut meaning = Meaning::new(self.binding.machine);
        let mut index = 0;
        // What was looked up ahead is another table's, most often another module's.
        self.answers.begin(0);
        aps2::for_each(&mut bytes.iter(), matches!(form, PltKind::Rela), most, &mut |entry| {
            tables.cursor.index = index;
            index += 1;
            self.one(tables, &mut meaning, entry, form.addend(entry), false)
        })
    }

    /// A relocation of any kind. It has to be a relative one if it is `counted` as such (DT_RELACOUNT).
    #[inline(never)]
    fn one(
        &mut self,
        tables: &mut Tables<'a>,
        meaning: &mut Meaning<'_>,
        entry: &Rela,
        addend: Addend,
        counted: bool,
    ) -> core::result::Result<(), Fault> {
        let at = Vaddr(entry.offset);
        tables.site.at = at;
        tables.site.symbol = entry.symbol();
        let kind = entry.kind();
        let known = meaning.of(kind).ok_or_else(|| Kind::UnknownRelocation {
            kind,
            at,
            symbol: symbol_name(tables.module, entry.symbol()),
        })?;
        tables.site.relocation = known.relocation;
        let ask = known.relocation.ask;
        if counted && !matches!(ask, Ask::Relative) {
            return Err(Kind::malformed(Rule::RelativeCount, at.0, 0));
        }
        if !matches!(ask, Ask::Nothing) && is_in_stream(tables, at) {
            return Err(Kind::malformed(Rule::RelocatedTwice, at.0, 0));
        }
        let applied = self.apply(tables, addend);
        if applied.is_err() && self.open(tables, at).is_some() {
            // Nothing had been stored: the place could not be.
            return self.apply(tables, addend);
        }
        applied
    }

    /// Makes read-only segments writable for the rest of the module's tables, if one has the place and this is allowed.
    #[cold]
    #[inline(never)]
    fn open(&self, tables: &mut Tables<'a>, at: Vaddr) -> Option<()> {
        let module = tables.module;
        let is_read_only = !module.image.extent(at, 1)?.access.contains(Access::WRITE);
        if tables.is_open || !is_read_only || !self.binding.allow.contains(Allow::TEXTREL) {
            return None;
        }
        change_read_only_segments(module, self.host, Change::Writable).ok()?;
        tables.is_open = true;
        tables.patch = module.image.patch_all();
        Some(())
    }

    /// A fault that says only where becomes one that says which relocation.
    #[cold]
    #[inline(never)]
    fn located(&self, tables: &Tables<'a>, fault: Fault) -> Fault {
        let Tables {
            module, cursor, site, ..
        } = tables;
        let (rule, at, index) = match fault.kind() {
            Kind::Malformed {
                rule: rule @ Rule::RelrOutside,
                value,
                limit,
            } => (rule, value, limit),
            Kind::Malformed { rule, value, limit: 0 } if value == site.at.0 => (rule, value, cursor.index as u64),
            mut other => {
                if let Kind::Overflow { target, .. } = &mut other {
                    let found = tables.memo.filter(|memo| memo.index == site.symbol);
                    *target = found.and_then(|memo| memo.found).map(|found| found.module.name.clone());
                }
                return other.into();
            }
        };
        let holds =
            |header: &ProgramHeader| header.kind == kind::LOAD && at.wrapping_sub(header.vaddr.0) < header.memory_size;
        let entry = Entry {
            table: cursor.table,
            index,
            relocation: site.relocation.name,
            at: Vaddr(at),
            symbol: symbol_name(module, site.symbol),
            segment: module.headers.iter().position(holds),
            count: match rule {
                Rule::IfuncNoPlt => calls_to_ifuncs(module, self.binding.machine),
                _ => 0,
            },
        };
        Kind::Relocation { rule, entry }.into()
    }

    /// Computes and stores what a relocation asks for.
    #[inline(never)]
    fn apply(&mut self, tables: &mut Tables<'a>, addend: Addend) -> core::result::Result<(), Fault> {
        let Tables { module, site, .. } = *tables;
        let bias = module.image.bias();
        let word = match site.relocation.ask {
            // R_*_NONE is skipped before anything of it is looked at: linkers leave such entries with any other content.
            Ask::Nothing => return Ok(()),
            Ask::Relative => {
                self.statistics.relative += 1;
                addend.read(tables)?.wrapping_add(bias.0)
            }
            Ask::Indirect => {
                let addend = addend.read(tables)?;
                return self.put_aside(tables, Vaddr(addend).at(bias), 0, module);
            }
            Ask::Copy => {
                self.copies.push(Copy {
                    module: module.id,
                    at: site.at,
                    symbol: site.symbol,
                });
                return Ok(());
            }
            _ => match self.symbolic(tables, addend)? {
                Some(word) => word,
                None => return Ok(()),
            },
        };
        store(module, &mut tables.patch, &site, word)
    }

    /// The word that a relocation against a symbol asks for. `None` when none is to be stored: it waits for something, or means a symbol that is nowhere.
    fn symbolic(&mut self, tables: &mut Tables<'a>, addend: Addend) -> core::result::Result<Option<u64>, Fault> {
        let Tables { module, site, .. } = *tables;
        let Site { at, symbol, .. } = site;
        let ask = site.relocation.ask;
        self.statistics.symbolic += 1;
        let purpose = purpose(ask).unwrap_or(Use::Address);
        let thread_local = purpose == Use::Call && !matches!(ask, Ask::JumpSlot);
        if matches!(ask, Ask::JumpSlot)
            && tables.lazy
            && BIND_NOT.load(Ordering::Relaxed)
            && self.make_lazy(tables, at).is_some()
        {
            return Ok(None);
        }
        let reference = self.reference(module, symbol, at)?;
        let found = match &reference {
            Some(reference) => self.definition(tables, reference, purpose)?,
            None => None,
        };
        // A reference that names no symbol means the module itself; one that names a weak symbol that is nowhere means zero.
        if let (Some(reference), None) = (&reference, &found) {
            if self.may_wait(tables, reference.is_weak()) {
                return Ok(None);
            }
            if !reference.is_weak() {
                return self.leave_unresolved(tables, reference).map(|()| None);
            }
        }
        if let Some(found) = &found {
            let kind = found.symbol.kind();
            if thread_local && !matches!(kind, symbol::STT_TLS | symbol::STT_SECTION) {
                return Err(not_thread_local(module, symbol));
            }
            if !thread_local && kind == symbol::STT_TLS && !matches!(ask, Ask::Size(_)) {
                return Err(Kind::malformed(Rule::ThreadLocalAddress, at.0, 0));
            }
        }
        let addend = match ask {
            Ask::Value { addend: false, .. } | Ask::GlobDat | Ask::JumpSlot | Ask::TlsModule => 0,
            Ask::TlsDescriptor => addend.read_descriptor(tables)?,
            _ => addend.read(tables)?,
        };
        if thread_local {
            let owner = match (&reference, &found) {
                (None, _) => Some(module),
                (Some(_), found) => found.as_ref().map(|found| found.module),
            };
            let offset = found.map_or(0, |found| found.symbol.value).wrapping_add(addend);
            return self.thread_local(tables, owner, offset);
        }
        let addend = match ask {
            Ask::Value { pc_relative: true, .. } => addend.wrapping_sub(at.at(module.image.bias()).0),
            _ => addend,
        };
        let Some(found) = found else { return Ok(Some(addend)) };
        let value = match ask {
            Ask::Size(_) => found.symbol.size,
            _ if found.is_indirect() => {
                let resolver = found.address();
                return self.put_aside(tables, resolver, addend, found.module).map(|()| None);
            }
            _ => address(self.binding.substitutes, &found).0,
        };
        Ok(Some(value.wrapping_add(addend)))
    }

    /// The word for thread-local storage at an offset into its owner's block; without an owner the symbol is weak, and nowhere.
    fn thread_local(
        &mut self,
        tables: &mut Tables<'a>,
        owner: Option<&'a Module>,
        offset: u64,
    ) -> core::result::Result<Option<u64>, Fault> {
        let Tables { module, site, .. } = *tables;
        let ask = site.relocation.ask;
        let word = match (ask, owner) {
            (Ask::TlsModuleOffset(_), _) => offset,
            (Ask::TlsDescriptor, _) => return self.tls_descriptor(tables, owner, offset).map(|()| None),
            (_, None) => return Ok(None),
            (Ask::ThreadOffset(_), Some(owner)) => {
                offset.wrapping_sub(self.static_offset(owner, module, site.symbol)?)
            }
            (_, Some(owner)) => owner.tls().ok_or_else(|| not_thread_local(module, site.symbol))?.id,
        };
        Ok(Some(word))
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
        reference: &Symbol,
        purpose: Use,
    ) -> core::result::Result<Option<Definition<'a>>, Fault> {
        let index = tables.site.symbol;
        if let Some(memo) = tables.memo
            && memo.index == index
            && memo.purpose == purpose
        {
            self.statistics.repeated += 1;
            return Ok(memo.found);
        }
        let found = match self.answers.definition(index, purpose) {
            Some(found) => Some(found),
            None => self.look_up(tables, reference, purpose)?,
        };
        tables.memo = Some(Memo { index, purpose, found });
        Ok(found)
    }

    /// Finds the definition for the symbol of the relocation at hand, and notes what follows from it.
    fn look_up(
        &mut self,
        tables: &mut Tables<'a>,
        reference: &Symbol,
        purpose: Use,
    ) -> core::result::Result<Option<Definition<'a>>, Fault> {
        self.statistics.lookups += 1;
        let module = tables.module;
        let index = tables.site.symbol;
        let asked = Reference {
            index,
            symbol: *reference,
            name: None,
            version: module.symbols.version(index)?,
            purpose,
        };
        let scope = self.scope(module);
        let Some(found) = scope.resolve(module, &asked, self.log).and_then(Definition::of) else {
            return Ok(None);
        };
        let is_first = is_first_of_its_name(&scope, &found);
        check_value(&found)
            .and_then(|()| self.check_direct(module, &asked, &found))
            .inspect_err(|_| self.blamed = Some(found.module))?;
        note_binding(self.roster, module, found.module, &mut tables.kept);
        if is_first {
            let name = Name::new(found.module.symbols.name(&found.symbol));
            self.unique.push((name, found.module.id, found.index));
        }
        Ok(Some(found))
    }

    /// Where the references of a module are looked up.
    fn scope(&self, module: &'a Module) -> Scope<'a, '_> {
        Scope {
            index: self.index.as_ref(),
            ..scope_of(self.roster, self.global, self.unique, module)
        }
    }

    /// Looks up what the next entries of a table ask for, and keeps addresses and definitions. What is nowhere, or is not as it should be, or depends on the
    /// order of the table, is left for [`Work::apply`]. Returns how many entries were looked at.
    #[inline(never)]
    fn look_ahead(&mut self, tables: &mut Tables<'a>, meaning: &mut Meaning<'_>, entries: Table<Rela>) -> usize {
        let Some(index) = &self.index else { return usize::MAX };
        let module = tables.module;
        let symbols = &module.symbols;
        let next = (0..).map_while(|place| entries.get(place));
        let asked = next.map(|entry| (entry.symbol(), meaning.purpose(entry.kind())));
        let seen = self.answers.look_ahead(symbols, asked);
        let mut group = core::mem::take(&mut self.answers.ahead);
        index.fetch(module, &mut group);
        self.statistics.lookups += group.len() as u64;
        let scope = Scope {
            index: Some(index),
            ..scope_of(self.roster, self.global, self.unique, module)
        };
        let substitutes = self.binding.substitutes;
        for Ahead { asked, found, .. } in &mut group {
            let Ok(version) = symbols.version(asked.index) else {
                *found = None;
                continue;
            };
            asked.version = version;
            if found.is_none() {
                *found = scope.resolve(module, asked, self.log);
            }
            let is_for_all = asked.purpose == tables.purpose();
            match found.and_then(Definition::of) {
                Some(found) if is_first_of_its_name(&scope, &found) || !is_inside(&found) || is_direct(asked) => {}
                Some(found) => {
                    note_binding(self.roster, module, found.module, &mut tables.kept);
                    if is_for_all && !found.is_indirect() && found.symbol.kind() != symbol::STT_TLS {
                        self.answers.set(asked.index, address(substitutes, &found));
                    }
                    continue;
                }
                // Zero is the address of a weak symbol that is nowhere; a slot for calls may wait for the first of them.
                None if asked.symbol.is_weak() && is_for_all && asked.purpose == Use::Address => {
                    self.answers.set(asked.index, Address(0));
                }
                None => {}
            }
            *found = None;
        }
        self.answers.ahead = group;
        seen
    }

    /// The address that the word of an entry is made of, if that takes no more than the address of its symbol, and this is known; and which bits of the addend
    /// count.
    #[inline(always)]
    fn known(&self, tables: &mut Tables<'_>, meaning: &mut Meaning<'_>, entry: &Rela) -> Option<(Address, u64)> {
        let address = self.answers.get(entry.symbol())?;
        let addends = meaning.addends(entry.kind(), tables.purpose())?;
        (!is_in_stream(tables, Vaddr(entry.offset))).then_some((address, addends))
    }

    /// Puts the word of an entry aside, if it takes no more than the answer of a resolver that has been looked up.
    fn waits(&mut self, tables: &mut Tables<'a>, meaning: &mut Meaning<'_>, entry: &Rela) -> bool {
        let (symbol, purpose) = (entry.symbol(), tables.purpose());
        let found = self.answers.definition(symbol, purpose);
        let (Some(found), Some(known)) = (found, meaning.of(entry.kind())) else {
            return false;
        };
        let Some(addends) = known.addends else { return false };
        if !found.is_indirect() || known.purpose != Some(purpose) {
            return false;
        }
        tables.site = Site {
            relocation: known.relocation,
            at: Vaddr(entry.offset),
            symbol,
        };
        let addend = entry.addend & addends;
        self.statistics.symbolic += 1;
        !is_in_stream(tables, tables.site.at) && self.put_aside(tables, found.address(), addend, found.module).is_ok()
    }

    /// A program that has an address of its own for a function that it calls elsewhere goes past the GOT to it.
    fn check_direct(
        &self,
        module: &Module,
        asked: &Reference<'_>,
        found: &Definition<'_>,
    ) -> core::result::Result<(), Fault> {
        if is_direct(asked) && found.symbol.visibility() == symbol::STV_PROTECTED {
            let harm = " may break pointer equality";
            return check_protected(
                found.module,
                module.symbols.name(&asked.symbol),
                "direct reference to protected function",
                harm,
                self.log,
            );
        }
        Ok(())
    }

    /// A word that a resolver decides. Until then it leads to code that says so, if it can hold an address.
    fn put_aside(
        &mut self,
        tables: &mut Tables<'a>,
        resolver: Address,
        addend: u64,
        of: &Module,
    ) -> core::result::Result<(), Fault> {
        let Tables { module, site, .. } = *tables;
        let last = self.indirect.last();
        if last.is_none_or(|last| !last.takes(module, &site, resolver, of, addend)) {
            let words = Vec::new();
            self.indirect.push(Indirect {
                module: module.id,
                provider: of.id,
                relocation: site.relocation,
                is_address: site.relocation.ask.is_address(),
                symbol: site.symbol,
                addend,
                words,
                code: code_of(of, resolver)?,
            });
        }
        let Some(group) = self.indirect.last_mut() else {
            return Ok(());
        };
        if group.is_address {
            let stored = tables.patch.store(site.at, self.binding.entries.pending.0);
            stored.ok_or_else(|| unwritable(module, site.at))?;
        } else {
            let place = module.image.extent(site.at, site.relocation.ask.field().size());
            let place = place.ok_or_else(|| unwritable(module, site.at))?;
            if !place.access.contains(Access::WRITE) && !self.binding.allow.contains(Allow::IFUNC_NOPLT) {
                return Err(Kind::malformed(Rule::IfuncNoPlt, site.at.0, 0));
            }
        }
        group.words.push((site.at, resolver));
        Ok(())
    }

    /// Whether the place of a reference that nothing defines yet is a function slot that is looked up at its call. musl has zero in that of a weak one.
    fn may_wait(&self, tables: &mut Tables<'a>, is_weak: bool) -> bool {
        let at = tables.site.at;
        let is_slot = tables.lazy && matches!(tables.site.relocation.ask, Ask::JumpSlot);
        let is_zero = is_weak && FOR_MUSL.load(Ordering::Relaxed);
        is_slot && !is_zero && (tables.is_waiting || self.make_lazy(tables, at).is_some())
    }

    /// A strong reference that nothing defines, and that cannot wait.
    fn leave_unresolved(&mut self, tables: &mut Tables<'a>, reference: &Symbol) -> core::result::Result<(), Fault> {
        let Tables { module, site, .. } = *tables;
        let version = module.symbols.version(site.symbol)?;
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

    /// Lets the slot at `at` wait for its call.
    fn make_lazy(&self, tables: &mut Tables<'a>, at: Vaddr) -> Option<()> {
        let mut way = Way::new(tables.module, &mut tables.patch, self.binding.entries.lazy)?;
        way.leave(&mut tables.patch, at)
    }

    /// The distance below the thread pointer of a module's block. A module without one gets it if there is room.
    fn static_offset(&mut self, owner: &Module, from: &Module, index: SymbolIndex) -> core::result::Result<u64, Fault> {
        let slot = owner.tls().ok_or_else(|| not_thread_local(from, index))?;
        if let Some(offset) = slot.offset {
            return Ok(offset);
        }
        let template = owner.layout.tls.ok_or_else(|| not_thread_local(from, index))?;
        let plan = *self.tls;
        let full = || match FOR_MUSL.load(Ordering::Relaxed) {
            true => initial_exec(from, index, owner),
            false => no_static_tls(&template, self.roster, &plan).into(),
        };
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
        owner: Option<&Module>,
        offset: u64,
    ) -> core::result::Result<(), Fault> {
        let Tables { module, site, .. } = *tables;
        let entries = self.binding.entries;
        let (entry, argument) = match owner {
            None => (entries.tls_undefined, offset),
            Some(owner) => {
                let slot = owner.tls().ok_or_else(|| not_thread_local(module, site.symbol))?;
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
        let second = site.at.plus(8).ok_or_else(|| unwritable(module, site.at))?;
        tables
            .patch
            .store(site.at, entry.0)
            .and_then(|()| tables.patch.store(second, argument))
            .ok_or_else(|| unwritable(module, site.at))
    }
}

/// What the second word of a dynamic TLS descriptor holds: the module's number in the upper 24 bits, the offset into its block in the others.
/// The code that [`Entries::tls_dynamic`] leads to takes it apart.
fn pack(number: u64, offset: u64) -> Option<u64> {
    let low = offset << 24 >> 24;
    let fits = number < 1 << 24 && (low << 24).cast_signed() >> 24 == offset.cast_signed();
    fits.then_some(number << 40 | low)
}

/// Whether the program goes past the GOT to an address of its own for the function that it asks for.
fn is_direct(asked: &Reference<'_>) -> bool {
    asked.purpose == Use::Call && !asked.symbol.is_defined() && asked.symbol.value != 0
}

/// The address to use for a definition.
fn address(substitutes: &[Substitute], found: &Definition<'_>) -> Address {
    substituted(substitutes, found).unwrap_or_else(|| found.address())
}

/// The address to use for a definition of libc that lode's own takes the place of.
#[inline]
pub(super) fn substituted(substitutes: &[Substitute], found: &Definition<'_>) -> Option<Address> {
    let mut substitutes = substitutes.iter();
    substitutes
        .find_map(|substitute| substitute.of(found))
        .inspect(|_| SUBSTITUTED.store(true, Ordering::Relaxed))
}

/// Whether a definition is of a unique name that no reference was bound to so far.
fn is_first_of_its_name(scope: &Scope<'_, '_>, found: &Definition<'_>) -> bool {
    let name = || found.module.symbols.name(&found.symbol);
    found.symbol.binding() == symbol::STB_GNU_UNIQUE && scope.first_of_its_name(name()).is_none()
}

/// Stores the words of the entries at the front of a table that have this `info`: `base` and their addends. Returns how many. Apart, because this loop runs for most
/// entries of most files, and all it needs has to be in registers.
#[inline(never)]
fn store_alike(patch: &mut Patch<'_>, entries: Table<Rela>, info: u64, base: u64) -> usize {
    let alike = entries.iter().take_while(|next| next.info == info);
    patch.store_run(alike.map(|next| (Vaddr(next.offset), next.addend.wrapping_add(base))))
}

/// What a definition is looked up for; `None` when none is.
fn purpose(ask: Ask) -> Option<Use> {
    match ask {
        Ask::Nothing | Ask::Relative | Ask::Indirect | Ask::Copy => None,
        Ask::Value { .. } | Ask::GlobDat | Ask::Size(_) => Some(Use::Address),
        _ => Some(Use::Call),
    }
}

/// If a word is the address of a definition: which bits of an addend in the table are added.
fn addends(ask: Ask) -> Option<u64> {
    match ask {
        Ask::GlobDat | Ask::JumpSlot => Some(0),
        Ask::Value {
            addend: true,
            pc_relative: false,
            field: Field::Word64,
        } => Some(u64::MAX),
        _ => None,
    }
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
        covered: global.get(..roster.world.covered()).unwrap_or_default(),
        index: None,
    }
}

/// The addend of a relocation: in the table (RELA) or at the place (REL).
#[derive(Clone, Copy)]
enum Addend {
    Given(u64),
    InPlace,
}

impl Addend {
    fn read(self, tables: &mut Tables<'_>) -> core::result::Result<u64, Fault> {
        let Addend::Given(addend) = self else {
            let Tables { module, site, .. } = *tables;
            return load(module, &mut tables.patch, site.at, site.relocation.ask.field());
        };
        Ok(addend)
    }

    /// With REL the addend of a descriptor stands in its second word (TLS descriptors for x86, section 3.3).
    fn read_descriptor(self, tables: &mut Tables<'_>) -> core::result::Result<u64, Fault> {
        match self {
            Addend::Given(addend) => Ok(addend),
            Addend::InPlace => {
                let Tables { module, site, .. } = *tables;
                let second = site.at.plus(8).ok_or_else(|| unwritable(module, site.at))?;
                load(module, &mut tables.patch, second, Field::Word64)
            }
        }
    }
}

fn load(module: &Module, patch: &mut Patch<'_>, at: Vaddr, field: Field) -> core::result::Result<u64, Fault> {
    let word = match field {
        Field::Word64 => patch.load::<u64>(at),
        Field::Word32 => patch.load::<u32>(at).map(u64::from),
        Field::Signed32 => patch.load::<u32>(at).map(|word| word as i32 as i64 as u64),
    };
    word.ok_or_else(|| unwritable(module, at))
}

/// The meaning of a relocation number, with the last one at hand.
struct Meaning<'a> {
    machine: &'a Machine,
    last: Option<Known>,
}

/// What is known of a relocation number.
#[derive(Clone, Copy)]
struct Known {
    kind: u32,
    relocation: Relocation,
    /// See [`purpose`].
    purpose: Option<Use>,
    /// See [`addends`].
    addends: Option<u64>,
}

impl<'a> Meaning<'a> {
    fn new(machine: &'a Machine) -> Meaning<'a> {
        Meaning { machine, last: None }
    }

    /// What a number means. Tables are sorted by it, so it is most often the last one.
    #[inline(always)]
    fn of(&mut self, kind: u32) -> Option<&Known> {
        if self.last.is_none_or(|last| last.kind != kind) {
            self.turn_to(kind)?;
        }
        self.last.as_ref()
    }

    #[inline(never)]
    fn turn_to(&mut self, kind: u32) -> Option<()> {
        let relocation = (self.machine.relocation)(kind)?;
        self.last = Some(Known {
            kind,
            relocation,
            purpose: purpose(relocation.ask),
            addends: addends(relocation.ask),
        });
        Some(())
    }

    #[inline(always)]
    fn purpose(&mut self, kind: u32) -> Option<Use> {
        self.of(kind)?.purpose
    }

    /// See [`addends`]; `None` too when the definition is for something else.
    #[inline(always)]
    fn addends(&mut self, kind: u32, wanted: Use) -> Option<u64> {
        let known = self.of(kind)?;
        known.addends.filter(|_| known.purpose == Some(wanted))
    }

    /// Whether the last relocation was a relative one.
    #[inline(always)]
    fn is_relative(&self) -> bool {
        self.last
            .is_some_and(|last| matches!(last.relocation.ask, Ask::Relative))
    }
}

/// The words of a table.
pub(super) fn table(module: &Module, range: Range) -> core::result::Result<Table<u64>, Fault> {
    let count = usize::try_from(range.size).unwrap_or(usize::MAX) / size_of::<u64>();
    module.image.table(range.at, count).ok_or_else(|| outside(range))
}

#[cold]
fn outside(range: Range) -> Fault {
    Kind::malformed(Rule::TagTableOutside, range.at.0, range.size)
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

/// Whether DT_RELR has moved the word at `at`.
///
/// A word that has been moved holds an address at or behind the module, so others are not looked for; of a file whose words are not what linkers leave in
/// them, only the first are.
#[inline(always)]
fn is_in_stream(tables: &mut Tables<'_>, at: Vaddr) -> bool {
    !tables.stream.is_empty() && is_moved(tables, at)
}

/// As [`is_in_stream`], of a module that has a stream.
#[inline(never)]
fn is_moved(tables: &mut Tables<'_>, at: Vaddr) -> bool {
    const MOST_DOUBTS: u32 = 64;
    let bias = tables.module.image.bias().0;
    if bias == 0 || tables.doubts == MOST_DOUBTS {
        return false;
    }
    if tables.patch.load::<u64>(at).is_none_or(|word| word < bias) {
        return false;
    }
    tables.doubts += 1;
    relr::holds(tables.stream.iter(), at)
}

/// The smallest table whose memory is given back while it is applied, in bytes: nobody reads it again, and the pages of a table of megabytes are most of what a start has in memory. So
/// many at a time cost less than at the end of the process.
const LARGE_TABLE: u64 = 8 << 20;

/// How much of it is given back at a time, in bytes.
const TABLE_AT_A_TIME: usize = 4 << 20;

/// How many entries of a table of `size` bytes are applied before their memory is given back.
fn entries_at_a_time(size: u64) -> usize {
    match size >= LARGE_TABLE {
        true => TABLE_AT_A_TIME / size_of::<Rela>(),
        false => usize::MAX,
    }
}

fn check_count(relative: u64, entries: usize) -> core::result::Result<(), Fault> {
    match relative <= entries as u64 {
        true => Ok(()),
        false => Err(Kind::malformed(Rule::RelativeCount, relative, entries as u64)),
    }
}

/// Stores a relocation's word, if its field holds it.
///
/// # Errors
/// [`Kind::Overflow`]; the rule that the place breaks.
pub(super) fn store(module: &Module, patch: &mut Patch<'_>, site: &Site, word: u64) -> core::result::Result<(), Fault> {
    let Site { relocation, at, symbol } = *site;
    let field = relocation.ask.field();
    if !field.holds(word) {
        return Err(Kind::Overflow {
            relocation: relocation.name,
            at,
            symbol: symbol_name(module, symbol),
            value: word,
            is_distance: relocation.ask.is_short_distance(),
            target: None,
        }
        .into());
    }
    let stored = match field {
        Field::Word64 => patch.store(at, word),
        Field::Word32 | Field::Signed32 => patch.store(at, word as u32),
    };
    stored.ok_or_else(|| unwritable(module, at))
}

/// Whether a definition lies in its module, or right behind it, where linkers put the names of ends.
fn is_inside(found: &Definition<'_>) -> bool {
    let (start, length) = found.module.layout.span;
    let is_address = found.symbol.section != symbol::SHN_ABS && found.symbol.kind() != symbol::STT_TLS;
    !is_address || found.symbol.value.wrapping_sub(start.0) <= length
}

pub(super) fn check_value(found: &Definition<'_>) -> core::result::Result<(), Fault> {
    let (start, length) = found.module.layout.span;
    match is_inside(found) {
        true => Ok(()),
        false => {
            let end = start.0.wrapping_add(length);
            Err(Kind::malformed(Rule::SymbolValue, found.symbol.value, end))
        }
    }
}

/// How many entries of DT_RELA ask for what cannot hold any address of a function that a resolver of the same file chooses, which is how linkers write
/// calls without a PLT.
#[cold]
fn calls_to_ifuncs(module: &Module, machine: &Machine) -> u64 {
    let words = module.dynamic.rela.and_then(|range| table(module, range).ok());
    let words = words.unwrap_or(Table::EMPTY);
    let table = PltKind::Rela.entries(words);
    let entries = (0..).map_while(|index| table.get(index));
    let is_call = |entry: &Rela| {
        let relocation = (machine.relocation)(entry.kind());
        let symbol = module.symbols.get(entry.symbol());
        relocation.is_some_and(|known| !known.ask.is_address())
            && symbol.is_some_and(|symbol| symbol.kind() == symbol::STT_GNU_IFUNC)
    };
    entries.filter(is_call).count() as u64
}

/// The segment of a resolver, its beginning and length: it has to be code of the module that defines it.
pub(super) fn code_of(of: &Module, resolver: Address) -> core::result::Result<(Vaddr, u64), Fault> {
    let at = resolver.in_image(of.image.bias());
    match of.image.extent(at, 1) {
        Some(code) if code.access.contains(Access::EXECUTE) => Ok((code.start, code.length)),
        _ => Err(Kind::malformed(Rule::CodeOutside, at.0, 0)),
    }
}

impl PltKind {
    /// Words of an entry.
    #[inline(always)]
    fn words(self) -> usize {
        match self {
            PltKind::Rela => size_of::<Rela>() / size_of::<u64>(),
            PltKind::Rel => size_of::<Rel>() / size_of::<u64>(),
        }
    }

    fn addend(self, entry: &Rela) -> Addend {
        match self {
            PltKind::Rela => Addend::Given(entry.addend),
            PltKind::Rel => Addend::InPlace,
        }
    }

    /// The entries of a table with this form.
    #[inline(always)]
    pub(super) fn entries(self, words: Table<u64>) -> Rows {
        match self {
            PltKind::Rela => Rows::Rela(words.of()),
            PltKind::Rel => Rows::Rel(words.of()),
        }
    }
}

/// The entries of a table of either form.
#[derive(Clone, Copy)]
pub(super) enum Rows {
    Rela(Table<Rela>),
    Rel(Table<Rel>),
}

impl Rows {
    /// One of them, without an addend where it stands at the place; `None` past the end.
    #[inline(always)]
    pub(super) fn get(&self, index: usize) -> Option<Rela> {
        match self {
            Rows::Rela(table) => table.get(index),
            Rows::Rel(table) => {
                let Rel { offset, info } = table.get(index)?;
                let addend = 0;
                Some(Rela { offset, info, addend })
            }
        }
    }
}

/// Why a place cannot be stored to: in a segment of this module that is not writable, or not wholly in one.
#[cold]
fn unwritable(module: &Module, at: Vaddr) -> Fault {
    let rule = match module.image.extent(at, 1) {
        Some(extent) if !extent.access.contains(Access::WRITE) => match module.dynamic.has_text_relocations() {
            true => Rule::TextRelocations,
            false => Rule::RelocationReadOnly,
        },
        _ => Rule::RelocationOutside,
    };
    Kind::malformed(rule, at.0, 0)
}

/// What musl says of such a reference.
#[cold]
fn initial_exec(from: &Module, index: SymbolIndex, owner: &Module) -> Fault {
    let symbol = symbol_name(from, index).unwrap_or(Name::from("(local)"));
    let owner = &owner.name;
    let text = text(format_args!(
        "{symbol}: initial-exec TLS resolves to dynamic definition in {owner}"
    ));
    Kind::Usage(Name::from(text.as_str())).into()
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
