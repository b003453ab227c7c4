//! Symbol versions: DT_VERSYM, DT_VERDEF and DT_VERNEED (the GNU extension that LSB describes).

use crate::hash::sysv_hash;
use crate::{Bytes, Strings};

/// The index of a version in DT_VERSYM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    pub(crate) index: u16,
    pub(crate) hidden: bool,
}

impl Version {
    /// Not visible outside (VER_NDX_LOCAL).
    pub const LOCAL: Version = Version {
        index: 0,
        hidden: false,
    };
    /// Without a version (VER_NDX_GLOBAL).
    pub const GLOBAL: Version = Version {
        index: 1,
        hidden: false,
    };

    /// The same version, not the default one of its name: `name@V1` where [`Version`] alone is `name@@V1`.
    pub fn hidden(self) -> Version {
        Version { hidden: true, ..self }
    }

    pub(crate) fn word(self) -> u16 {
        self.index | if self.hidden { 0x8000 } else { 0 }
    }
}

/// What a module defines and needs, in the order of the indexes that it gave out.
#[derive(Default)]
pub(crate) struct Versions {
    pub defined: Vec<(String, u16)>,
    pub needed: Vec<Need>,
    pub next: u16,
}

/// A version that is needed of a library.
pub(crate) struct Need {
    pub library: String,
    pub name: String,
    pub index: u16,
    pub weak: bool,
}

impl Versions {
    /// DT_VERDEF: the base entry, which names the module, and the defined versions.
    pub fn definitions(&self, strings: &mut Strings, soname: &str) -> Vec<u8> {
        const BASE: u16 = 1;
        let mut entries = vec![(soname, 1, BASE)];
        entries.extend(self.defined.iter().map(|(name, index)| (name.as_str(), *index, 0)));
        let mut table = Bytes::default();
        for (position, (name, index, flags)) in entries.iter().enumerate() {
            let last = position + 1 == entries.len();
            table.u16(1).u16(*flags).u16(*index).u16(1).u32(sysv_hash(name));
            table.u32(20).u32(if last { 0 } else { 28 });
            table.u32(strings.offset(name)).u32(0);
        }
        table.0
    }

    /// DT_VERNEED: for each library its versions. Returns the table and the number of libraries.
    pub fn needs(&self, strings: &mut Strings) -> (Vec<u8>, u64) {
        let mut libraries: Vec<&str> = self.needed.iter().map(|need| need.library.as_str()).collect();
        libraries.dedup();
        let mut table = Bytes::default();
        for (position, library) in libraries.iter().enumerate() {
            let needs: Vec<&Need> = self.needed.iter().filter(|need| need.library == *library).collect();
            let count = u16::try_from(needs.len()).unwrap();
            let next = if position + 1 == libraries.len() {
                0
            } else {
                16 + 16 * u32::from(count)
            };
            table.u16(1).u16(count).u32(strings.offset(library)).u32(16).u32(next);
            for (at, need) in needs.iter().enumerate() {
                const WEAK: u16 = 2;
                table.u32(sysv_hash(&need.name)).u16(if need.weak { WEAK } else { 0 });
                table.u16(need.index).u32(strings.offset(&need.name));
                table.u32(if at + 1 == needs.len() { 0 } else { 16 });
            }
        }
        (table.0, libraries.len() as u64)
    }
}
