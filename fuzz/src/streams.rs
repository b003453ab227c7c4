//! Relocations: plain tables, packed relative ones (RELR) and Android's (APS2).

use lode::arch::MACHINES;
use lode::elf::Vaddr;
use lode::elf::aps2;
use lode::elf::reloc::{Rel, Rela};
use lode::elf::relr::{self, WordForm};
use lode::error::{Kind, Rule};

/// Entries of DT_RELA and DT_REL.
pub fn relocations(bytes: &[u8]) {
    let asked = |kind: u32, value: u64| {
        for relocation in MACHINES.iter().filter_map(|machine| (machine.relocation)(kind)) {
            let field = relocation.ask.field();
            assert!(field.size() == 8 || field.holds(value) || !field.holds(value));
            relocation.ask.is_address();
            relocation.ask.is_short_distance();
        }
    };
    for entry in bytes.chunks(24).filter_map(Rela::decode) {
        assert_eq!(u64::from(entry.symbol().0) << 32 | u64::from(entry.kind()), entry.info);
        asked(entry.kind(), entry.offset);
    }
    for entry in bytes.chunks(16).filter_map(Rel::decode) {
        assert_eq!(u64::from(entry.symbol().0) << 32 | u64::from(entry.kind()), entry.info);
        asked(entry.kind(), entry.offset);
    }
}

/// Words of DT_RELR. All ways to read them find the same places; one at 0 is refused.
pub fn relr(bytes: &[u8]) {
    let words = || {
        bytes
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
    };
    let mut places = Vec::new();
    let mut take = |place: Vaddr| {
        places.push(place);
        (place.0 != 0).then_some(())
    };
    if let Ok(count) = relr::for_each(words(), &mut take) {
        assert_eq!(count, places.len() as u64);
        assert!(places.iter().take(64).all(|place| relr::holds(words(), *place)));
        let form = WordForm {
            is_64_bit: true,
            is_big_endian: false,
        };
        if let Ok(read) = relr::places(bytes, form) {
            assert_eq!(read, places);
        }
    }
    for (is_64_bit, is_big_endian) in [(true, true), (false, false), (false, true)] {
        let _ = relr::places(
            bytes,
            WordForm {
                is_64_bit,
                is_big_endian,
            },
        );
    }
    relr::holds(words(), Vaddr(8));
}

/// Android's packed relocations, with addends and without; one at 0 is refused.
pub fn aps2(bytes: &[u8]) {
    for with_addends in [true, false] {
        let mut count = 0;
        let most = bytes.len() as u64;
        let result = aps2::for_each(&mut bytes.iter().copied(), with_addends, most, &mut |relocation| {
            count += 1;
            match relocation.offset {
                0 => Err(Kind::malformed(Rule::RelocationOutside, 0, 0)),
                _ => Ok(()),
            }
        });
        assert!(count <= most || result.is_err());
    }
}
