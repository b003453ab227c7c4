//! The program that musl's libc believes to start: headers, a dynamic section and a symbol table in memory, and no code.
//!
//! musl's libc is a loader. Entered like one, it prepares itself for the program that its auxiliary vector describes, relocates that, and jumps to it. The
//! program described here has nothing to relocate: it brings the thread-local storage of all real modules as one block, the names that they define in libc's place, and a
//! constructor, lode's. musl keeps reading these tables for as long as the process lives.
//!
//! It lies at address 0 as far as musl knows: every link-time address in it is the run-time address.
#![deny(unsafe_code)]

use alloc::vec::Vec;

use crate::elf::Address;
use crate::elf::dynamic::{Dyn, tag};
use crate::elf::segment::{Access, PROGRAM_HEADER_SIZE, kind};
use crate::elf::symbol::{STB_GLOBAL, STT_FUNC, SYMBOL_SIZE, Symbol};
use crate::foreign::Span;
use crate::image::Memory;

/// What the application is to say.
pub struct Content<'a> {
    /// What real modules define in libc's place, and where.
    pub names: &'a [(&'static [u8], Address)],
    /// The block of thread-local storage.
    pub tls: Block,
    /// What the real modules want of the stacks of new threads, in bytes.
    pub stack_size: u64,
    /// The function that musl calls when constructors are due.
    pub constructor: Address,
}

/// A block of thread-local storage that ends at the thread pointer.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Its length in bytes, a multiple of the alignment.
    pub size: u64,
    /// Its first bytes that are not all zero in a new thread.
    pub file_size: u64,
    /// A power of two.
    pub align: u64,
}

/// The tables in memory.
pub struct Application {
    /// The program headers.
    pub headers: Address,
    /// What new threads' blocks are copied from.
    pub image: Span,
}

/// Program headers that it has.
pub const HEADERS: usize = 5;

/// Where each table stands, in bytes from the start of the memory.
struct Places {
    dynamic: usize,
    constructors: usize,
    hash: usize,
    symbols: usize,
    strings: usize,
    image: usize,
    end: usize,
}

/// What an undefined symbol's section is not.
const DEFINED: u16 = 1;

impl Application {
    /// Writes the tables. `None` when there is no memory.
    #[inline(never)]
    pub fn build(content: &Content<'_>) -> Option<Application> {
        let mut names: Vec<u8> = b"\0libc.so\0".to_vec();
        let mut symbols = alloc::vec![Symbol::default()];
        for (name, address) in content.names {
            symbols.push(Symbol {
                name: names.len() as u32,
                info: STB_GLOBAL << 4 | STT_FUNC,
                section: DEFINED,
                value: address.0,
                ..Symbol::default()
            });
            names.extend_from_slice(name);
            names.push(0);
        }
        let align = usize::try_from(content.tls.align).ok()?;
        let size = usize::try_from(content.tls.size).ok()?;
        let dynamic = HEADERS * PROGRAM_HEADER_SIZE;
        let constructors = dynamic + DYNAMIC * size_of::<Dyn>();
        let hash = constructors + 8;
        // libc reads a hash table without asking whether there is one. One bucket: number of buckets, number of symbols, bucket, a chain with a place for each symbol.
        let symbols_at = (hash + 12 + symbols.len() * 4).next_multiple_of(8);
        let strings = symbols_at + symbols.len() * SYMBOL_SIZE;
        let tables_end = strings + names.len();
        let memory = Span::lasting(Memory::zeroed(tables_end.checked_add(size)?.checked_add(align)?)?);
        let base = usize::try_from(memory.address()).ok()?;
        let image = (base + tables_end).checked_next_multiple_of(align)? - base;
        let places = Places {
            dynamic,
            constructors,
            hash,
            symbols: symbols_at,
            strings,
            image,
            end: image + size,
        };
        write_headers(memory, &places, content)?;
        write_dynamic(memory, &places, names.len() as u64)?;
        memory.store(places.constructors, content.constructor.0)?;
        let count = symbols.len() as u32;
        let first = u32::from(count > 1);
        for (index, word) in [1, count, first].into_iter().enumerate() {
            memory.store(places.hash + index * 4, word)?;
        }
        for (index, symbol) in symbols.iter().enumerate() {
            let next = index as u32 + 1;
            let next = if index == 0 || next == count { 0 } else { next };
            memory.store(places.hash + 12 + index * 4, next)?;
            store_symbol(memory.part(places.symbols + index * SYMBOL_SIZE, SYMBOL_SIZE)?, symbol)?;
        }
        memory.store_bytes(places.strings, &names)?;
        Some(Application {
            headers: Address(memory.address()),
            image: memory.part(places.image, size)?,
        })
    }
}

/// As the gABI has it ("Symbol Table").
fn store_symbol(place: Span, symbol: &Symbol) -> Option<()> {
    place.store(0, symbol.name)?;
    place.store(4, symbol.info)?;
    place.store(5, symbol.other)?;
    place.store(6, symbol.section)?;
    place.store(8, symbol.value)?;
    place.store(16, symbol.size)
}

/// No load segment is writable: musl gives what is left of the pages of those to its `malloc`.
fn write_headers(memory: Span, places: &Places, content: &Content<'_>) -> Option<()> {
    let dynamic_size = (places.constructors - places.dynamic) as u64;
    let tls = &content.tls;
    let rows: [(u32, usize, u64, u64, u64); HEADERS] = [
        (kind::PHDR, 0, places.dynamic as u64, places.dynamic as u64, 8),
        (kind::LOAD, 0, places.end as u64, places.end as u64, 4096),
        (kind::DYNAMIC, places.dynamic, dynamic_size, dynamic_size, 8),
        (kind::TLS, places.image, tls.file_size, tls.size, tls.align),
        (kind::GNU_STACK, 0, 0, content.stack_size, 16),
    ];
    for (index, (kind, place, file_size, memory_size, align)) in rows.into_iter().enumerate() {
        let at = index * PROGRAM_HEADER_SIZE;
        let address = memory.address() + place as u64;
        memory.store(at, kind)?;
        memory.store(at + 4, Access::READ.bits())?;
        for (word, value) in [place as u64, address, address, file_size, memory_size, align]
            .into_iter()
            .enumerate()
        {
            memory.store(at + 8 + word * 8, value)?;
        }
    }
    Some(())
}

/// Entries of the dynamic section, with the one that ends it.
const DYNAMIC: usize = 9;

/// Its one needed library opens no file: the name means libc itself, and puts it into musl's list of modules, so that the names of the symbol table count there.
fn write_dynamic(memory: Span, places: &Places, strings_size: u64) -> Option<()> {
    let at = |place: usize| memory.address() + place as u64;
    let entries: [(u64, u64); DYNAMIC] = [
        (tag::NEEDED, 1),
        (tag::HASH, at(places.hash)),
        (tag::SYMTAB, at(places.symbols)),
        (tag::STRTAB, at(places.strings)),
        (tag::STRSZ, strings_size),
        (tag::SYMENT, SYMBOL_SIZE as u64),
        (tag::INIT_ARRAY, at(places.constructors)),
        (tag::INIT_ARRAYSZ, 8),
        (tag::NULL, 0),
    ];
    for (index, (tag, value)) in entries.into_iter().enumerate() {
        let at = places.dynamic + index * size_of::<Dyn>();
        memory.store(at, tag)?;
        memory.store(at + 8, value)?;
    }
    Some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::elf::hash::sysv_hash;
    use crate::image::Area;

    fn word(memory: Span, at: u64) -> u64 {
        memory.load((at - memory.address()) as usize).unwrap()
    }

    /// Looks a name up as musl does, by the only bucket and along its chain, and at what else its loader goes by.
    #[test]
    fn libc_finds_every_name_and_nothing_to_give_away() {
        let names: [(&[u8], Address); 3] = [
            (b"malloc", Address(0x1000)),
            (b"free", Address(0x2000)),
            (b"environ", Address(0x3000)),
        ];
        let tls = Block {
            size: 256,
            file_size: 16,
            align: 128,
        };
        let content = Content {
            names: &names,
            tls,
            stack_size: 0,
            constructor: Address(0x4000),
        };
        let built = Application::build(&content).unwrap();
        assert_eq!(built.image.address() % 128, 0);
        assert_eq!(built.image.size(), 256);
        let length = (built.image.address() - built.headers.0) as usize + 256;
        // SAFETY: the tables stay, and nothing else of the test refers to them.
        #[allow(unsafe_code)]
        let memory = Span::from(unsafe { Area::at(built.headers.0 as *mut u8, length) });
        let dynamic = built.headers.0 + 5 * 56;
        let value = |wanted: u64| {
            let entries = (0..9).map(|index| dynamic + index * 16);
            let place = entries.map(|at| (word(memory, at), word(memory, at + 8)));
            place.into_iter().find(|(tag, _)| *tag == wanted).unwrap().1
        };
        let (hash, symbols, strings) = (value(tag::HASH), value(tag::SYMTAB), value(tag::STRTAB));
        let offset = |at: u64| (at - memory.address()) as usize;
        let half = |at: u64| memory.load::<u32>(offset(at)).unwrap();
        assert_eq!((half(hash), half(hash + 4)), (1, 4));
        for (name, address) in names {
            let mut index = half(hash + 8 + 4 * u64::from(sysv_hash(name) % half(hash)));
            loop {
                assert_ne!(index, 0, "{name:?}");
                let symbol: Symbol = memory.load(offset(symbols + u64::from(index) * 24)).unwrap();
                let text = offset(strings) + symbol.name as usize;
                if (0..name.len()).all(|at| memory.load(text + at) == Some(name[at])) {
                    assert_eq!((symbol.value, symbol.is_defined()), (address.0, true));
                    break;
                }
                index = half(hash + 12 + 4 * u64::from(index));
            }
        }
        assert_eq!(word(memory, value(tag::INIT_ARRAY)), 0x4000);
        // Needed once, by the name that means libc itself: without it, libc takes `malloc` for replaced.
        let needed = offset(strings + value(tag::NEEDED));
        assert!((0..8).all(|at| memory.load(needed + at) == Some(b"libc.so\0"[at])));
        let tags = (0..9).map(|index| word(memory, dynamic + index * 16));
        assert_eq!(tags.filter(|found| *found == tag::NEEDED).count(), 1);
        // What is left of the pages of a writable segment would become heap.
        let header = |index: u64| {
            let place = built.headers.0 + index * 56;
            (half(place), half(place + 4), word(memory, place + 16))
        };
        let headers: Vec<_> = (0..5).map(header).collect();
        assert!(headers.iter().all(|(_, access, _)| *access == Access::READ.bits()));
        // libc takes the distance to this one for where the program lies: at 0.
        assert_eq!(headers[0], (kind::PHDR, Access::READ.bits(), built.headers.0));
    }
}
