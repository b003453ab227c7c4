//! The libcs. Relocation does not know which one a process has; this room does.
//!
//! A libc is asked a few questions at fixed points of the line: what surrounds the TLS blocks, what must exist before
//! code of the program may run (`Relocated` → `Awake`), what must be told of modules that came, who runs the program's constructors.
#![deny(unsafe_code)]

pub mod bare;
pub mod glibc;
pub mod musl;

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use crate::error::{FOR_MUSL, Kind, Name, Result, Stage, text};
use crate::process::Allow;
use crate::stages::link::Linked;
use crate::stages::map::is_musl;
use crate::world::{Module, World};

/// Which libc the process has.
#[derive(Debug)]
pub enum Abi {
    /// None: the program brings its own start.
    Bare,
    /// glibc of a known build.
    Glibc(Box<glibc::Glibc>),
    /// musl, which starts itself.
    Musl(Box<musl::Musl>),
}

impl Abi {
    /// Looks at what was mapped; `allow` says which libc is taken though it is an old one.
    ///
    /// # Errors
    /// [`Kind::UnknownLibc`] for a glibc that no row describes; [`Kind::UnknownMusl`]; [`Kind::WrongLibc`] for musl's where the program is not for it.
    pub fn recognise(linked: &Linked, world: &World, allow: Allow) -> Result<Abi> {
        let roster = linked.batch.roster(world);
        let is_for_musl = FOR_MUSL.load(Ordering::Relaxed);
        let is_glibc = |module: &Module| module.soname == Some(glibc::LIBC);
        if !is_for_musl && let Some(libc) = roster.find(&is_glibc) {
            return glibc::Glibc::recognise(libc)
                .map(Abi::Glibc)
                .map_err(|error| roster.with_asker(error));
        }
        match roster.find(&is_musl) {
            Some(libc) if !is_for_musl => Err(roster.with_asker(libc.fault(Stage::Link, Kind::WrongLibc("musl")))),
            Some(libc) => musl::Musl::recognise(libc, allow)
                .map(|musl| Abi::Musl(Box::new(musl)))
                .map_err(|error| roster.with_asker(error)),
            None => Ok(Abi::Bare),
        }
    }

    /// The name of the libc, for people.
    pub fn name(&self) -> Name {
        match self {
            Abi::Bare => Name::from("none"),
            Abi::Glibc(glibc) => Name::from(text(format_args!("{}", glibc.layout.row)).as_str()),
            Abi::Musl(_) => Name::from("musl"),
        }
    }
}

/// What lode calls a file that is a libc it can start; `allow` as in [`Abi::recognise`].
///
/// # Errors
/// As [`Abi::recognise`].
pub fn supported(libc: &Module, allow: Allow) -> Result<Name> {
    if is_musl(libc) {
        return musl::Musl::recognise(libc, allow)
            .map(|_| Name::from(text(format_args!("musl {}", musl::version(libc))).as_str()));
    }
    glibc::recognised(libc).map(|row| Name::from(text(format_args!("{row}")).as_str()))
}
