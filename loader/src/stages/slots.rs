//! Function slots that wait for their call, and what happens then.
//!
//! A program calls one in ten of the functions that its libraries have slots for, or fewer. So a long table of slots (DT_JMPREL) is not looked up at the start, where binding may be
//! lazy: each slot leads through its module's PLT to lode's binder, which looks up what the slot's relocation asks for when it is called first, and stores that. A slot of a short
//! table is bound at once: so many look-ups made together cost less than a few first calls. What nothing defines at the start waits in either.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use super::relocate::{BIND_NOT, Substitute, check_value, code_of, substituted, table};
use crate::elf::dynamic::Dynamic;
use crate::elf::reloc::Rela;
use crate::elf::segment::Access;
use crate::elf::symbol;
use crate::elf::{Address, Vaddr};
use crate::error::{Kind, Name, Result, Rule, Stage, Unresolved};
use crate::event::Log;
use crate::image::Patch;
use crate::scope::{Definition, Reference, Scope, note_binding};
use crate::symbols::Use;
use crate::world::{Module, Role};

/// The shortest table that waits, in slots.
const FEWEST: u64 = 128;

/// The version that the libraries of glibc define from its beginning on x86-64, and no others.
const OLDEST_OF_GLIBC: (&[u8], u32) = (b"GLIBC_2.2.5", 0x0969_1a75);

/// Whether the table of slots is so long that it waits.
pub fn is_long(dynamic: &Dynamic) -> bool {
    let size = dynamic.jmprel.map_or(0, |(range, _)| range.size);
    size / size_of::<Rela>() as u64 >= FEWEST
}

/// Whether resolvers of a module are known to call no slot that may wait: those of the two libraries of glibc that nearly all programs refer to ask for the processor alone. Any other one may call
/// whatever it likes, before the program's modules are the process's and the binder knows them.
pub fn calls_no_slots(provider: &Module) -> bool {
    let (name, hash) = OLDEST_OF_GLIBC;
    // A library that stands before libc defines its versions too, to be taken for it, but has a name of its own.
    let is_named_so = matches!(provider.soname, Some(b"libc.so.6" | b"libm.so.6"));
    is_named_so && provider.symbols.defines(name, hash) && !is_long(&provider.dynamic)
}

/// The way from a module's slots to the binder.
#[derive(Debug)]
pub struct Way<'a> {
    module: &'a Module,
    /// The segment of the PLT, when a slot has been seen: its beginning and length in bytes.
    code: (Vaddr, u64),
    /// The pages that will be read-only: their beginning and length in bytes.
    relro: (Vaddr, u64),
}

impl<'a> Way<'a> {
    /// Prepares the PLT of a module (psABI, "Procedure Linkage Table": GOT[1] identifies the module, GOT[2] is the binder). `None` when it has none that leads there, and where something
    /// else stands in GOT[1]: in a file that was prelinked, whose slots point to what they were bound to then, and not to their PLT. They are bound at the start.
    pub fn new(module: &'a Module, patch: &mut Patch<'_>, binder: Address) -> Option<Way<'a>> {
        let got = module.dynamic.pltgot?;
        let (own, leads_to) = (got.plus(8)?, got.plus(16)?);
        let (known, now): (u64, u64) = (patch.load(own)?, patch.load(leads_to)?);
        if known != 0 && now != binder.0 {
            return None;
        }
        patch.store(own, u64::from(module.id.0))?;
        patch.store(leads_to, binder.0)?;
        let nothing = (Vaddr(0), 0);
        Some(Way {
            module,
            code: nothing,
            relro: module.layout.relro_pages(module.layout.page_size).unwrap_or(nothing),
        })
    }

    /// Lets the slot at `at` wait: it points behind the jump of its own PLT entry. `None`, and nothing is stored, when that is not where it points in the file.
    pub fn leave(&mut self, patch: &mut Patch<'_>, at: Vaddr) -> Option<()> {
        let unbound: u64 = patch.load(at)?;
        if !is_in(self.code, Vaddr(unbound)) {
            let extent = self.module.image.extent(Vaddr(unbound), 1);
            let extent = extent.filter(|extent| extent.access.contains(Access::EXECUTE))?;
            self.code = (extent.start, extent.length);
        }
        patch.store(at, Vaddr(unbound).at(self.module.image.bias()).0)
    }

    /// As [`Way::leave`], for a slot of a table that waits. Not one that will be read-only when it is called, nor one whose function the program has an address of its own for: whether it may
    /// have that is found out when it is bound.
    #[inline]
    pub fn leave_of_table(&mut self, patch: &mut Patch<'_>, entry: &Rela) -> Option<()> {
        let module = self.module;
        let at = Vaddr(entry.offset);
        let is_direct = module.role == Role::Program && {
            let symbol = module.symbols.get(entry.symbol())?;
            symbol.value != 0 && !symbol.is_defined()
        };
        if is_direct || is_in(self.relro, at) {
            return None;
        }
        self.leave(patch, at)
    }
}

fn is_in((start, length): (Vaddr, u64), at: Vaddr) -> bool {
    at.0.wrapping_sub(start.0) < length
}

/// What a waiting slot is for.
#[derive(Debug)]
pub struct Called {
    /// Where the slot is, in the module that calls.
    slot: Vaddr,
    /// The function, or its resolver.
    pub address: Address,
    /// It is a resolver, and what that answers is the function.
    pub is_resolver: bool,
}

/// Looks a waiting slot up: the slot's own relocation, by its index in DT_JMPREL of `module`, whose references are looked up in `scope`. A unique name (STB_GNU_UNIQUE) that is found so is not
/// made known to modules that come later: compilers make only data unique, and data has no slot.
///
/// # Errors
/// [`Kind::Undefined`] when the symbol still has no definition and is not weak; [`Rule::CodeOutside`] for a resolver that is not code; what else a definition must not be.
pub fn look_up(
    scope: &Scope<'_, '_>,
    module: &Module,
    index: u64,
    substitutes: &[Substitute],
    log: Log<'_>,
) -> Result<Called> {
    let fault = |kind| module.fault(Stage::Call, kind);
    let damaged = || module.fault(Stage::Call, Kind::malformed(Rule::RelocationOutside, index, 0));
    let (range, form) = module.dynamic.jmprel.ok_or_else(damaged)?;
    let words = table(module, range).map_err(fault)?;
    let entry = form.entries(words).get(index as usize).ok_or_else(damaged)?;
    let (at, symbol_index) = (Vaddr(entry.offset), entry.symbol());
    let reference = module.symbols.get(symbol_index).ok_or_else(damaged)?;
    let symbols = &module.symbols;
    let asked = Reference {
        index: symbol_index,
        symbol: reference,
        name: None,
        version: symbols.version(symbol_index).map_err(fault)?,
        purpose: Use::Call,
    };
    let found = scope.resolve(module, &asked, log);
    let (address, is_resolver) = match found.and_then(Definition::of) {
        Some(found) => {
            check_value(&found).map_err(|kind| found.module.fault(Stage::Call, kind))?;
            if found.symbol.kind() == symbol::STT_TLS {
                return Err(fault(Kind::malformed(Rule::ThreadLocalAddress, at.0, 0)));
            }
            note_binding(scope.roster, module, found.module, &mut None);
            match substituted(substitutes, &found) {
                Some(address) => (address, false),
                None if found.is_indirect() => {
                    code_of(found.module, found.address()).map_err(fault)?;
                    (found.address(), true)
                }
                None => (found.address(), false),
            }
        }
        // The caller counted on what is not there; under glibc too, this call ends at address 0, and so does every later one.
        None if reference.binding() == symbol::STB_WEAK => (Address(0), false),
        None => {
            let unresolved = Unresolved {
                module: module.name.clone(),
                symbol: Name::new(symbols.name(&reference)),
                version: asked.version.map(|version| Name::new(version.name)),
            };
            return Err(fault(Kind::Undefined(alloc::vec![unresolved]).into()));
        }
    };
    Ok(Called {
        slot: at,
        address,
        is_resolver,
    })
}

/// Has the slot of `module` that was looked up lead to `function` from now on.
pub fn bind(module: &Module, called: &Called, function: Address) {
    // The slot may have become read-only (RELRO over .got.plt); the call works all the same, only not faster.
    if !module.layout.is_relro(called.slot) && !BIND_NOT.load(Ordering::Relaxed) {
        module.image.patch().store(called.slot, function.0);
    }
}
