//! The libcs. Relocation does not know which one a process has; this room does.
//!
//! A libc is asked a few questions at fixed points of the line: what surrounds the TLS blocks, what must exist before
//! code of the program may run (`Relocated` → `Awake`), what must be told of modules that came, who runs the program's constructors.
#![deny(unsafe_code)]

pub mod bare;
pub mod glibc;
pub mod head;

use alloc::boxed::Box;

use crate::error::{Error, Kind, Name, Result, Stage, text};
use crate::stages::link::Linked;
use crate::symbols::{Use, Wanted};
use crate::world::{Module, World};

/// Which libc the process has.
#[derive(Debug)]
pub enum Abi {
    /// None: the program brings its own start.
    Bare,
    /// glibc of a known build.
    Glibc(Box<glibc::Glibc>),
}

impl Abi {
    /// Looks at what was mapped.
    ///
    /// # Errors
    /// [`Kind::UnknownLibc`] for a glibc that no row describes; [`Kind::Unsupported`] for a libc of another family.
    pub fn recognise(linked: &Linked, world: &World) -> Result<Abi> {
        let roster = linked.batch.roster(world);
        let named = |name: &[u8]| roster.find(&|module| module.soname == Some(name));
        if let Some(libc) = named(glibc::LIBC) {
            return glibc::Glibc::recognise(libc)
                .map(Abi::Glibc)
                .map_err(|error| roster.with_asker(error));
        }
        match roster.find(&is_musl) {
            Some(musl) => Err(roster.with_asker(of_musl(musl))),
            None => Ok(Abi::Bare),
        }
    }

    /// The name of the libc, for people.
    pub fn name(&self) -> Name {
        match self {
            Abi::Bare => Name::from("none"),
            Abi::Glibc(glibc) => Name::from(text(format_args!("{}", glibc.layout.row)).as_str()),
        }
    }
}

/// The row of a file that is a libc.
///
/// # Errors
/// As [`Abi::recognise`].
pub fn row_of(libc: &Module) -> Result<&'static glibc::layout::Row> {
    if is_musl(libc) {
        return Err(of_musl(libc));
    }
    glibc::recognised(libc)
}

/// musl's libc is its own loader, and exports the second and the third stage of it. Only some distributions give it a soname.
fn is_musl(module: &Module) -> bool {
    let exports = |name: &[u8]| module.symbols.find(&Wanted::new(name, None, Use::Call)).is_some();
    exports(b"__dls2b") && exports(b"__dls3")
}

#[cold]
#[inline(never)]
fn of_musl(musl: &Module) -> Box<Error> {
    let text = "this is musl's libc, which lode does not start yet; run the program under musl's own loader";
    musl.fault(Stage::Link, Kind::Unsupported(text))
}
