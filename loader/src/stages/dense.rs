//! Large writable segments in huge pages (`--hugepages`): which.
//!
//! The first write to a page of a file costs a page fault and a page of the process's own. A library with megabytes of relocated data makes that most
//! of its start. Anonymous memory in huge pages, filled by pread(2), has one fault where there were 512. That pays only where most pages are written to
//! anyway: of a segment with few relocations pages would be copied that nobody needs. So it is asked for, and the tables are measured first.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};

use crate::elf::FileOffset;
use crate::elf::dynamic::tag;
use crate::elf::reloc::Rela;
use crate::layout::{Layout, Source};
use crate::world::{File, Host};

/// `--hugepages`. Set before the first library is mapped.
pub static WANTED: AtomicBool = AtomicBool::new(false);

/// Where the administrator says who may have huge pages (kernel, Documentation/admin-guide/mm/transhuge.rst).
const SETTING: &[u8] = b"/sys/kernel/mm/transparent_hugepage/enabled";

/// One word in so many is relocated, or the pages are not worth it: if these stand together, three pages of four are copied for nothing, at about a
/// tenth of the price of a page that is written to.
const SPARSE: u64 = 4;

/// The piece of a file that is to be in huge pages, by its number: the first that may be, if enough of it is relocated.
#[inline(never)]
pub fn dense_piece(host: &dyn Host, file: &File, layout: &Layout) -> Option<usize> {
    if !WANTED.load(Ordering::Relaxed) {
        return None;
    }
    // Linkers make one such segment; what lld has of it twice, for RELRO and for the rest, is relocated in the first.
    let number = layout.pieces.iter().position(|piece| layout.may_be_huge(piece))?;
    let words = relocated_words(host, file, layout)?.saturating_mul(8 * SPARSE);
    let is_dense = words >= layout.pieces.get(number)?.length;
    (is_dense && are_allowed(host)).then_some(number)
}

/// How many words the tables of a file that is not mapped yet relocate, about.
#[inline(never)]
fn relocated_words(host: &dyn Host, file: &File, layout: &Layout) -> Option<u64> {
    let (at, _) = layout.dynamic?;
    let offset = layout.pieces.iter().find_map(|piece| {
        let inside = at.0.checked_sub(piece.at.0).filter(|inside| *inside < piece.length)?;
        match piece.source {
            Source::File { offset } => offset.0.checked_add(inside),
            Source::Zero => None,
        }
    })?;
    // More entries than linkers write; in a longer section the tables are not seen, and the pages stay small.
    let mut bytes = [0; 64 * 16];
    let read = host.read(file, FileOffset(offset), &mut bytes).ok()?;
    let (words, _) = bytes.get(..read)?.as_chunks::<8>();
    let mut count: u64 = 0;
    let mut tag = None;
    for word in words {
        let word = u64::from_ne_bytes(*word);
        count = count.saturating_add(match tag.take() {
            None => {
                tag = Some(word);
                0
            }
            Some(tag::RELASZ) => word / size_of::<Rela>() as u64,
            // A word of it stands for 63 others, where relocations are dense.
            Some(tag::RELRSZ) => word / 8 * 63,
            Some(_) => 0,
        });
    }
    Some(count)
}

/// Whether a process that asks for huge pages gets them. What cannot be read is no.
fn are_allowed(host: &dyn Host) -> bool {
    let mut words = [0; 32];
    let Ok(file) = host.open(SETTING) else { return false };
    let read = host.read(&file, FileOffset(0), &mut words).unwrap_or(0);
    read != 0 && !words.windows(7).any(|word| word == b"[never]")
}
