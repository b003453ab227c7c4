//! Modules that are in memory before lode maps anything: the program that the kernel mapped, the kernel's own library, and lode.
//!
//! # Safety
//! Reads headers at addresses that the kernel gave, or that the linker gave for lode itself. What they say is checked like any file's.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec::Vec;

use crt::syscall as call;
use crt::{Stack, auxv};

use super::linux::extents;
use super::machine::MACHINE;
use crate::elf::header::{FileKind, Header};
use crate::elf::segment::{Access, PROGRAM_HEADER_SIZE, ProgramHeader, kind};
use crate::elf::{Address, Bias, FileOffset, Vaddr};
use crate::error::{Fault, Kind, Name, Result, Rule, Stage};
use crate::image::Image;
use crate::layout::Layout;
use crate::world::{Parts, Role};

/// Bytes of an ELF header.
const HEADER_SIZE: usize = 64;

/// Bytes of the smallest page of any machine with a table.
const SMALLEST_PAGE: u64 = 4096;

/// The auxiliary vector, PT_PHDR and the ELF header do not agree on where the program is.
const LOST: Kind = Kind::Unsupported("a program whose headers are not in memory where PT_PHDR and the kernel say");

/// What the kernel says of the program that it mapped (getauxval(3)).
struct Given {
    /// AT_PHDR
    headers: Address,
    /// AT_PHNUM
    count: u16,
    /// AT_PHENT
    entry_size: u64,
    /// AT_ENTRY
    entry: Address,
    /// AT_PAGESZ
    page_size: u64,
}

/// The first page of an image that is in memory, with all of its segments. Only the linker and the kernel make one.
#[repr(C)]
#[derive(Debug)]
pub struct FirstPage([u8; SMALLEST_PAGE as usize]);

impl FirstPage {
    /// That of the kernel's own library, if there is one.
    pub fn of_vdso(stack: &Stack) -> Option<&'static FirstPage> {
        let start = stack.auxiliary(auxv::AT_SYSINFO_EHDR)?;
        // SAFETY: null, or where the kernel has mapped the library, in whole pages that stay (vdso(7)).
        unsafe { (start as *const FirstPage).as_ref() }
    }
}

/// `length` bytes of the program at `at`, if they can be read. What begins in the page of `known` and ends in it can: that can be read.
#[inline(always)]
fn bytes(at: Address, length: usize, page_size: u64, known: Option<Address>) -> Option<&'static [u8]> {
    let page = |address: u64| address & !(page_size - 1);
    let is_known = known.is_some_and(|known| {
        [at.0, at.0.wrapping_add(length as u64)]
            .iter()
            .all(|end| page(*end) == page(known.0))
    });
    if !is_known && !readable(at, length as u64, page_size) {
        return None;
    }
    // SAFETY: the kernel has just said that it is readable memory. It stays and stays as it is, because the program does not run yet, and nobody unmaps it.
    Some(unsafe { core::slice::from_raw_parts(at.0 as *const u8, length) })
}

/// The program that the kernel mapped.
///
/// The kernel hardly looks at what it maps: where no segment holds the program headers it gives an address all the same, and nothing of it
/// depends on PT_PHDR. So memory is read only where it is found to be readable, and the load bias counts only if it makes `e_entry` AT_ENTRY.
///
/// # Errors
/// The rule that the file breaks, as for any file. [`Rule::FileTruncated`] when the file ends before its segments do;
/// [`Kind::Unsupported`] when the program cannot be found in memory.
pub fn program(stack: &Stack, page_size: u64, name: Name) -> Result<Box<Parts>> {
    let word = |kind| stack.auxiliary(kind).unwrap_or(0) as u64;
    let given = Given {
        headers: Address(word(auxv::AT_PHDR)),
        count: word(auxv::AT_PHNUM) as u16,
        entry_size: word(auxv::AT_PHENT),
        entry: Address(word(auxv::AT_ENTRY)),
        page_size,
    };
    let fault = |fault: Fault| fault.of(Stage::Map, &name);
    if given.entry_size != PROGRAM_HEADER_SIZE as u64 {
        return Err(fault(Kind::malformed(
            Rule::PhentSize,
            given.entry_size,
            PROGRAM_HEADER_SIZE as u64,
        )));
    }
    if given.page_size < SMALLEST_PAGE || !given.page_size.is_power_of_two() {
        return Err(fault(Kind::Unsupported("the page size that the kernel states").into()));
    }
    let size = usize::from(given.count) * PROGRAM_HEADER_SIZE;
    let Some(table) = bytes(given.headers, size, given.page_size, None) else {
        return Err(fault(LOST.into()));
    };
    let headers = ProgramHeader::table(table, given.count).map_err(fault)?;
    let first = headers
        .iter()
        .find(|header| header.kind == kind::LOAD && header.offset.0 == 0 && header.file_size >= HEADER_SIZE as u64);
    let bias = match headers.iter().find(|header| header.kind == kind::PHDR) {
        Some(phdr) => Bias(given.headers.0.wrapping_sub(phdr.vaddr.0)),
        // Without PT_PHDR: the headers lie right behind the ELF header, at the start of the first segment.
        None => match first {
            Some(first) => Bias(
                given
                    .headers
                    .0
                    .wrapping_sub(HEADER_SIZE as u64)
                    .wrapping_sub(first.vaddr.0),
            ),
            None => Bias(0),
        },
    };
    let header = match first.map(|first| first.vaddr.at(bias)) {
        Some(at) => {
            let Some(start) = bytes(at, HEADER_SIZE, given.page_size, Some(given.headers)) else {
                return Err(fault(LOST.into()));
            };
            Header::decode(start, None, MACHINE).map_err(fault)?
        }
        // The kernel has read the header; it is only not mapped.
        None => Header {
            kind: if bias.0 == 0 {
                FileKind::Executable
            } else {
                FileKind::Shared
            },
            osabi: 0,
            abi_version: 0,
            machine: MACHINE.elf_machine,
            entry: given.entry.in_image(bias),
            phoff: FileOffset(HEADER_SIZE as u64),
            phnum: given.count,
            flags: 0,
        },
    };
    if header.entry.at(bias) != given.entry {
        return Err(fault(LOST.into()));
    }
    let parts = described(header, headers, bias, name.clone(), Role::Program, given.page_size)?;
    whole(&parts.headers, bias, given.page_size).map_err(fault)?;
    if let Some((dynamic, _)) = parts.layout.dynamic {
        // It is read first, and relocation writes to its page.
        parts.image.patch().make_own(dynamic);
    }
    Ok(parts)
}

/// A module whose ELF header is at the start of its first segment in memory: the vDSO, or lode.
///
/// # Errors
/// The rule that it breaks.
pub fn image_at(start: &'static FirstPage, name: Name, role: Role, page_size: u64) -> Result<Box<Parts>> {
    let fault = |fault: Fault| fault.of(Stage::Map, &name);
    let base = (&raw const *start).addr() as u64;
    let FirstPage(start) = start;
    let header = Header::decode(start, None, MACHINE).map_err(fault)?;
    // Such images have their headers right behind.
    let table = start.get(header.phoff.0 as usize..).unwrap_or_default();
    let headers = ProgramHeader::table(table, header.phnum).map_err(fault)?;
    let first = headers
        .iter()
        .find(|header| header.kind == kind::LOAD)
        .map_or(Vaddr(0), |header| header.vaddr);
    let bias = Bias(base.wrapping_sub(first.0));
    let mut parts = described(header, headers, bias, name, role, page_size)?;
    parts.is_final = true;
    Ok(parts)
}

fn described(
    header: Header,
    headers: Vec<ProgramHeader>,
    bias: Bias,
    name: Name,
    role: Role,
    page_size: u64,
) -> Result<Box<Parts>> {
    let mut layout = Layout::plan(&header, &headers, None, page_size).map_err(|kind| kind.of(Stage::Map, &name))?;
    let mapped = extents(&layout, bias);
    // SAFETY: the kernel mapped every PT_LOAD of this image, and nobody unmaps it.
    let image = unsafe { Image::new(bias, mapped, None) };
    layout.forget_plan();
    Ok(Box::new(Parts {
        name,
        origin: None,
        role,
        identity: None,
        image,
        layout,
        headers,
        asked_by: None,
        is_final: false,
    }))
}

/// Whether the file is as long as its segments say. The kernel maps a truncated file without a word, and the first touch behind its end is SIGBUS. The segment
/// that ends last in the file speaks for the others, and asking for it costs no page that would not be touched anyway: it is the data.
fn whole(headers: &[ProgramHeader], bias: Bias, page_size: u64) -> core::result::Result<(), Fault> {
    let holds_bytes = |header: &&ProgramHeader| {
        header.kind == kind::LOAD && header.file_size != 0 && header.access.contains(Access::READ)
    };
    let ends = |header: &&ProgramHeader| header.offset.0.wrapping_add(header.file_size);
    if let Some(header) = headers.iter().filter(holds_bytes).max_by_key(ends) {
        let end = header.vaddr.0.wrapping_add(header.file_size);
        if !readable(Vaddr(end.wrapping_sub(1)).at(bias), 1, page_size) {
            return Err(Kind::malformed(Rule::FileTruncated, end, 0));
        }
    }
    Ok(())
}

/// Whether `length` bytes at `at` can be read, found out without touching them: the kernel is asked about each page. True when it does not answer.
fn readable(at: Address, length: u64, page_size: u64) -> bool {
    let first = at.0 & !(page_size - 1);
    let Some(end) = at.0.checked_add(length.max(1)) else {
        return false;
    };
    let mut pages = (first..end).step_by(page_size as usize);
    pages.all(|page| call::is_readable(page as usize))
}
