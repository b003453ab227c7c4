//! What the new modules of a batch are found by, without a look at each of them.
#![forbid(unsafe_code)]

use super::Batch;
use crate::error::Name;
use crate::world::{Identity, ModuleId, Role};

/// A module is found by its path or its soname: 0 and 1 of the [`KINDS`].
pub const TEXT: u32 = 0;
/// By its file ([`file_text`]).
pub const FILE: u32 = 2;
/// By a name that some module was asked by before.
pub const NAME: u32 = 3;

/// How many things each place in the batch stands for: the path, soname and file of the module there, and the name.
const KINDS: u32 = 4;

/// What stands for a file among texts.
pub fn file_text(file: Identity) -> [u8; 16] {
    let both = u128::from(file.device) << 64 | u128::from(file.inode);
    both.to_ne_bytes()
}

/// The kind of what a number stands for.
fn kind_of(number: u32) -> u32 {
    match number % KINDS {
        1 => TEXT,
        kind => kind,
    }
}

impl Batch {
    /// The text that a number of [`Batch::known`] stands for; that of a file is made in the room.
    fn text<'a>(&'a self, number: u32, room: &'a mut [u8; 16]) -> Option<&'a [u8]> {
        let place = (number / KINDS) as usize;
        if number % KINDS == NAME {
            return Some(self.names.get(place)?.0.bytes());
        }
        let module = self.modules.get(place)?;
        match number % KINDS {
            FILE => {
                *room = file_text(module.identity?);
                Some(room)
            }
            // Nobody needs the program by a name.
            _ if module.role == Role::Program => None,
            TEXT => Some(module.name.bytes()),
            _ => module.soname,
        }
    }

    /// Whether a number stands for a text of this kind.
    fn is_meant(&self, number: u32, kind: u32, text: &[u8]) -> bool {
        kind_of(number) == kind && self.text(number, &mut [0; 16]) == Some(text)
    }

    /// The new module that is found by something; of those with the same the first.
    #[inline(never)]
    pub fn find(&self, kind: u32, text: &[u8]) -> Option<ModuleId> {
        let found = self.known.find(text, &|number| self.is_meant(number, kind, text))?;
        let place = (found / KINDS) as usize;
        match kind {
            NAME => self.names.get(place).map(|(_, id)| *id),
            _ => self.modules.get(place).map(|module| module.id),
        }
    }

    /// Has a module found by what a number stands for.
    fn note(&mut self, number: u32) {
        let mut known = core::mem::take(&mut self.known);
        if let Some(text) = self.text(number, &mut [0; 16]) {
            let is_meant = |other| self.is_meant(other, kind_of(number), text);
            if known.find(text, &is_meant).is_none() {
                known.add(text, number);
            }
        }
        self.known = known;
    }

    /// Has the last module found by its path, soname and file, where no module before it is found by the same.
    pub fn note_last(&mut self) {
        let behind = KINDS * self.modules.len() as u32;
        for number in behind.saturating_sub(KINDS)..behind.saturating_sub(1) {
            self.note(number);
        }
    }

    /// Has a module found by a name that it was asked by.
    pub fn call(&mut self, id: ModuleId, name: &[u8]) {
        self.names.push((Name::new(name), id));
        self.note(KINDS * self.names.len() as u32 - 1);
    }
}
