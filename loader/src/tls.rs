//! Where thread-local storage goes, as arithmetic (TLS ABI, "ELF Handling For Thread-Local Storage").
//!
//! Static TLS of variant II lies below the thread pointer: module after module, each at a distance that keeps
//! its alignment. Nothing here touches memory.
#![forbid(unsafe_code)]

use crate::layout::TlsTemplate;
use crate::world::TlsSlot;

/// What is taken of static TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsPlan {
    /// Bytes below the thread pointer that are taken.
    pub used: u64,
    /// Largest alignment of a block, in bytes.
    pub align: u64,
    /// The highest number that a module with TLS has.
    pub modules: u64,
    /// How many numbers below are free: those of modules that were unloaded.
    pub gaps: u64,
    /// What of [`TlsPlan::used`] is never given back: the modules of the start, lode, libc.
    pub floor: u64,
    /// Bytes below the thread pointer that exist; `None` while the block is still being planned.
    pub capacity: Option<u64>,
    /// Distance below the thread pointer of the words that lode keeps for each thread; 0 before they have a place.
    pub own: u64,
    /// Bytes of those words.
    pub own_size: u64,
    /// A library with more zeros than this behind its initial bytes gets its block in each thread when that first touches it, unless code counts on static TLS, or
    /// that of other modules may.
    pub most_zeros: u64,
}

impl Default for TlsPlan {
    fn default() -> TlsPlan {
        TlsPlan {
            used: 0,
            align: 64,
            modules: 0,
            gaps: 0,
            floor: 0,
            capacity: None,
            own: 0,
            own_size: 16,
            most_zeros: u64::MAX,
        }
    }
}

/// The distance below the thread pointer at which a block starts: the smallest that leaves `used` bytes alone and
/// keeps the block's first byte congruent to `p_vaddr` modulo its alignment. `None` on overflow.
pub fn offset_below(used: u64, template: &TlsTemplate) -> Option<u64> {
    let align = template.align.max(1);
    let skew = template.vaddr.0.wrapping_neg() & (align - 1);
    let end = used.checked_add(template.memory_size)?;
    // distance ≡ -vaddr (mod align), distance >= end
    let below = end
        .checked_sub(skew)
        .map_or(Some(0), |rest| rest.checked_next_multiple_of(align))?;
    below.checked_add(skew)
}

impl TlsPlan {
    /// Takes the lowest number that is free; `is_taken` is asked for those below the highest.
    pub fn take_number(&mut self, is_taken: impl Fn(u64) -> bool) -> u64 {
        if self.gaps != 0
            && let Some(free) = (1..=self.modules).find(|number| !is_taken(*number))
        {
            self.gaps -= 1;
            return free;
        }
        self.modules += 1;
        self.modules
    }

    /// Frees what no module that stays has: numbers, and of static TLS what lies behind everything that stays.
    pub fn give_back(&mut self, staying: impl Iterator<Item = TlsSlot>) {
        let (mut count, mut highest) = (0, 0);
        let mut used = self.floor;
        for slot in staying {
            count += 1;
            highest = highest.max(slot.id);
            used = used.max(slot.offset.unwrap_or(0));
        }
        self.modules = highest;
        self.gaps = highest.saturating_sub(count);
        self.used = used;
    }

    /// Takes room for lode's own words. The program's block has to be placed before: its code knows the distance.
    pub fn place_own(&mut self) {
        self.used = (self.used + self.own_size).next_multiple_of(8);
        self.own = self.used;
    }

    /// Takes room in static TLS. `None` when it is full, or on overflow.
    pub fn reserve(&mut self, template: &TlsTemplate) -> Option<u64> {
        let offset = offset_below(self.used, template)?;
        match self.capacity {
            Some(capacity) if offset > capacity || template.align > self.align => return None,
            Some(_) => {}
            None => self.align = self.align.max(template.align),
        }
        self.used = offset;
        Some(offset)
    }

    /// Bytes that are left for libraries opened later.
    pub fn free(&self) -> u64 {
        self.capacity.map_or(0, |capacity| capacity.saturating_sub(self.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::Vaddr;

    fn template(vaddr: u64, memory_size: u64, align: u64) -> TlsTemplate {
        TlsTemplate {
            vaddr: Vaddr(vaddr),
            file_size: 0,
            memory_size,
            align,
        }
    }

    #[test]
    fn a_block_starts_at_a_multiple_of_its_alignment_below_the_thread_pointer() {
        assert_eq!(offset_below(0, &template(0x1000, 5, 16)), Some(16));
        assert_eq!(offset_below(16, &template(0x1000, 16, 16)), Some(32));
        assert_eq!(offset_below(17, &template(0x1000, 16, 16)), Some(48));
    }

    #[test]
    fn a_block_keeps_the_congruence_of_its_address() {
        // TP ≡ 0 mod 64; the block's first byte must be ≡ 0x10 mod 64.
        let offset = offset_below(0, &template(0x1010, 8, 64)).unwrap();
        assert_eq!((0x10000 - offset) % 64, 0x10);
        assert!(offset >= 8);
        assert_eq!(offset, 48);
    }

    #[test]
    fn an_alignment_of_64_kib_is_kept() {
        let mut plan = TlsPlan::default();
        assert_eq!(plan.reserve(&template(0x20000, 4, 65536)), Some(65536));
        assert_eq!(plan.align, 65536);
    }

    #[test]
    fn a_full_block_and_a_larger_alignment_are_refused_after_the_start() {
        let mut plan = TlsPlan {
            capacity: Some(64),
            ..TlsPlan::default()
        };
        assert!(plan.reserve(&template(0, 40, 8)).is_some());
        assert_eq!(plan.free(), 24);
        assert!(plan.reserve(&template(0, 40, 8)).is_none());
        assert!(plan.reserve(&template(0, 8, 128)).is_none());
    }

    #[test]
    fn a_size_that_overflows_is_refused() {
        let mut plan = TlsPlan::default();
        assert!(plan.reserve(&template(0, 8, 8)).is_some());
        assert!(plan.reserve(&template(0, u64::MAX, 8)).is_none());
    }

    #[test]
    fn numbers_and_room_behind_the_last_block_are_given_out_again() {
        let mut plan = TlsPlan {
            capacity: Some(1024),
            modules: 1,
            used: 64,
            floor: 64,
            ..TlsPlan::default()
        };
        let slot = |id, offset| TlsSlot { id, offset };
        assert_eq!(plan.take_number(|_| true), 2);
        assert_eq!(plan.reserve(&template(0, 64, 16)), Some(128));
        assert_eq!(plan.take_number(|_| true), 3);
        assert_eq!(plan.reserve(&template(0, 64, 16)), Some(192));
        plan.give_back([slot(1, Some(64)), slot(3, Some(192))].into_iter());
        assert_eq!((plan.modules, plan.gaps, plan.used), (3, 1, 192));
        assert_eq!(plan.take_number(|number| number != 2), 2);
        plan.give_back([slot(1, Some(64)), slot(2, None)].into_iter());
        assert_eq!((plan.modules, plan.gaps, plan.used), (2, 0, 64));
        assert_eq!(plan.take_number(|_| true), 3);
        plan.give_back([].into_iter());
        assert_eq!(plan.used, 64);
    }
}
