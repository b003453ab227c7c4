//! Symbols over the files of a closure, for any machine and either libc's rules: who defines a name, and who is asked first.
//!
//! For x86-64 programs of glibc the loader's own stages decide ([`rehearsal`](crate::rehearsal)); this is for all others, and for what
//! those stages do not tell: the definitions that were not taken.

use std::collections::HashMap;

use crate::closure::{Closure, Flavour};
use crate::elf::{Binary, Symbol};

/// `STT_SECTION`, `STT_FILE`: not names for others.
const SECTION: u8 = 3;
const FILE: u8 = 4;
/// `STV_INTERNAL` and `STV_HIDDEN`
const INTERNAL: u8 = 1;
const HIDDEN: u8 = 2;
/// `STT_GNU_IFUNC`, which musl does not know
const IFUNC: u8 = 10;

/// The definitions of a closure in the order of its global scope.
pub struct Scope<'a> {
    closure: &'a Closure,
    /// By name: object and symbol
    definitions: HashMap<&'a str, Vec<(usize, &'a Symbol)>>,
}

impl<'a> Scope<'a> {
    /// The global scope: the program, then its libraries breadth-first.
    pub fn of(closure: &'a Closure) -> Scope<'a> {
        let mut order = vec![0];
        order.extend(closure.load_order().iter().filter_map(|edge| edge.target));
        let mut definitions: HashMap<&str, Vec<(usize, &Symbol)>> = HashMap::new();
        for object in order {
            for symbol in closure.objects[object]
                .binary
                .symbols
                .iter()
                .filter(|symbol| is_offered(symbol))
            {
                definitions.entry(&symbol.name).or_default().push((object, symbol));
            }
        }
        Scope { closure, definitions }
    }

    /// All definitions of a name, whatever their version, in scope order.
    pub fn all(&self, name: &str) -> &[(usize, &'a Symbol)] {
        self.definitions.get(name).map_or(&[], Vec::as_slice)
    }

    /// All names that somebody defines.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.definitions.keys().copied()
    }

    /// The definitions that a reference could get, in scope order: the first is the one that it gets.
    pub fn fitting(&self, wanted: &Symbol) -> Vec<(usize, &'a Symbol)> {
        let all = self.all(&wanted.name).iter().copied();
        match self.closure.flavour {
            // musl skips what is not the default version, and functions that choose themselves; versions mean nothing to it.
            Flavour::Musl => all
                .filter(|(_, one)| (one.version.is_none() || one.is_default) && one.kind != IFUNC)
                .collect(),
            Flavour::Glibc => all
                .filter(|(object, one)| fits(wanted, one, &self.closure.objects[*object].binary))
                .collect(),
        }
    }

    /// References that nothing satisfies though something should: file and symbol, in load order.
    pub fn unsatisfied(&self) -> Vec<(usize, &'a Symbol)> {
        let mut missing = Vec::new();
        for (index, object) in self.closure.objects.iter().enumerate() {
            // The interpreter has been linked to be complete.
            if Some(index) == self.closure.interpreter {
                continue;
            }
            let wanted = object
                .binary
                .symbols
                .iter()
                .filter(|symbol| symbol.is_wanted() && !symbol.is_weak());
            missing.extend(
                wanted
                    .filter(|symbol| self.fitting(symbol).is_empty())
                    .map(|symbol| (index, symbol)),
            );
        }
        missing
    }
}

/// Whether others can bind to a symbol.
fn is_offered(symbol: &Symbol) -> bool {
    let is_name = symbol.kind != SECTION && symbol.kind != FILE && !symbol.name.is_empty();
    symbol.is_defined() && is_name && symbol.visibility != INTERNAL && symbol.visibility != HIDDEN
}

/// glibc's rule: a reference with a version gets that version, or a definition in a file without versions; one without a version gets the
/// default, or the base version.
fn fits(wanted: &Symbol, offered: &Symbol, by: &Binary) -> bool {
    match (&wanted.version, &offered.version) {
        (Some(wanted), Some(offered)) => wanted == offered,
        (Some(_), None) => true,
        (None, Some(_)) => offered.is_default || by.version_definitions.first() == offered.version.as_ref(),
        (None, None) => true,
    }
}
