//! A thread that does not run: its head at the thread pointer, and the static blocks below it.
//!
//! # Safety
//! A [`ThreadHead`] is made of fresh memory, or is the thread pointer that libc passes for a thread that it is about to start or that has ended: what lies
//! below and in the head belongs to lode until the thread runs.
#![allow(unsafe_code)]

use super::vector::{Dtv, Place, Vector};
use super::{PLANNED, fill_block};
use crate::error::Errno;
use crate::foreign::{Given, Span};
use crate::image::Memory;
use crate::sys::linux;
use crate::world::Roster;

/// Where every head has the address of the dtv, in bytes (the second word; TLS ABI, section 3.4.1, and glibc's `tcbhead_t`).
const DTV: usize = 8;

/// Where every head has its own address (psABI, and glibc's `tcbhead_t`), in bytes.
const ITSELF: [usize; 2] = [0, 16];

/// The most bytes that are taken of lode's heap rather than as a mapping, which costs a system call and a page more.
const SMALL: usize = 8 << 10;

/// The head of a thread that does not run, or its beginning.
#[derive(Clone, Copy, Debug)]
pub struct ThreadHead(Span);

impl ThreadHead {
    /// Fresh memory of `size` bytes, `above` of them for the head, at a multiple of `align`, a power of two. It has its own address already.
    pub fn allocate(size: u64, above: usize, align: u64) -> Option<ThreadHead> {
        let (size, align) = (size as usize, align as usize);
        let below = size.checked_sub(above)?;
        let room = size.checked_add(align)?;
        let memory = match room <= SMALL {
            true => Span::lasting(Memory::zeroed(room)?),
            false => Span::of(linux::allocate(room)?),
        };
        let inside = (memory.address() as usize + below).wrapping_neg() & (align - 1);
        let head = memory.part(below + inside, above)?;
        let [first, third] = ITSELF;
        head.store(first, head.address());
        head.store(third, head.address());
        Some(ThreadHead(head))
    }

    /// The thread that libc passes by its thread pointer; `None` at null.
    pub fn given(head: Given) -> Option<ThreadHead> {
        let head = head.span(DTV + 8);
        (head.size() != 0).then_some(ThreadHead(head))
    }

    /// The thread pointer.
    pub fn pointer(self) -> u64 {
        self.0.address()
    }

    /// What begins at the thread pointer.
    pub fn span(self) -> Span {
        self.0
    }

    /// The word for its vector.
    fn place(self) -> Option<Place> {
        self.0.shared(DTV).map(Place::of)
    }

    /// Gives the thread its vector, and copies the image of every module with a static place, for which the plan had room left below.
    pub fn fill(self, roster: Roster<'_>, dtv: Dtv) {
        let vector = dtv.keep();
        self.0.store(DTV, vector.address());
        self.fill_blocks(roster, vector);
    }

    #[inline(never)]
    fn fill_blocks(self, roster: Roster<'_>, vector: &Vector) {
        for module in roster.iter() {
            if let Some(block) = fill_block(self.pointer(), PLANNED, module)
                && let Some(slot) = module.tls()
            {
                vector.set(slot.id, block);
            }
        }
    }

    /// As [`ThreadHead::fill`], with the vector of the thread that had the memory before. `None` when there is no memory.
    pub fn renew(self, roster: Roster<'_>, modules: u64, generation: u64) -> Option<()> {
        let place = self.place()?;
        let mut vector = place.vector()?;
        if vector.pairs() < modules {
            let _former = place.replace(Some(Dtv::allocate(modules, generation)?));
            vector = place.vector()?;
        } else {
            vector.release_all_blocks();
            vector.clear(generation);
        }
        self.fill_blocks(roster, vector);
        Some(())
    }

    /// Gives back the vector.
    pub fn release(self) {
        let _former = self.place().and_then(|place| place.replace(None));
    }

    /// Fills it and makes it the calling thread's.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn enter(self, roster: Roster<'_>, dtv: Dtv) -> Result<(), Errno> {
        self.fill(roster, dtv);
        // SAFETY: memory that stays, with all that compiled code reads of a head: its own address, the vector, the guard. What a libc adds its room has
        // filled before.
        unsafe { crt::syscall::set_thread_pointer(self.pointer() as usize) }
    }
}
