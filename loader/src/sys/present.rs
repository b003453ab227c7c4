//! Modules that are in memory before lode maps anything: the program that the kernel mapped, the kernel's own library, and lode.
//!
//! # Safety
//! Reads headers at addresses that the kernel gave, or that the linker gave for lode itself. What they say is checked like any file's.
#![allow(unsafe_code)]

use alloc::vec::Vec;

use crt::syscall as call;

use super::linux::extents;
use super::machine::MACHINE;
use crate::elf::header::{FileKind, Header};
use crate::elf::segment::{PROGRAM_HEADER_SIZE, ProgramHeader, Segments, kind};
use crate::elf::{Address, Bias, FileOffset, Vaddr};
use crate::error::{Errno, Kind, Name, Result, Rule, Stage};
use crate::image::Image;
use crate::layout::Layout;
use crate::world::{Parts, Role};

/// Bytes of an ELF header.
const HEADER_SIZE: usize = 64;

/// What the kernel says of the program that it mapped (getauxval(3)).
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// AT_PHDR
    pub headers: Address,
    /// AT_PHNUM
    pub count: u16,
    /// AT_PHENT
    pub entry_size: u64,
    /// AT_ENTRY
    pub entry: Address,
    /// AT_PAGESZ
    pub page_size: u64,
}

/// # Safety
/// `length` bytes at `at` must be readable and stay.
unsafe fn bytes(at: Address, length: usize) -> &'static [u8] {
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(at.0 as *const u8, length) }
}

/// The program that the kernel mapped.
///
/// # Errors
/// The rule that the file breaks, as for any file. [`Rule::FileTruncated`] when the file ends before its segments do.
///
/// # Safety
/// `given` is what the kernel gave.
pub unsafe fn program(given: &Given, name: Name) -> Result<Parts> {
    let fault = |kind: Kind| kind.of(Stage::Map, &name);
    if given.entry_size != PROGRAM_HEADER_SIZE as u64 {
        return Err(fault(Kind::malformed(
            Rule::PhentSize,
            given.entry_size,
            PROGRAM_HEADER_SIZE as u64,
        )));
    }
    // SAFETY: the kernel mapped the program's headers here.
    let table = unsafe { bytes(given.headers, usize::from(given.count) * PROGRAM_HEADER_SIZE) };
    let headers: Vec<ProgramHeader> = Segments::decode(table, given.count).map_err(fault)?.collect();
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
    let header = match first {
        Some(first) => {
            // SAFETY: the kernel mapped this segment, which is at least as long as the header.
            let start = unsafe { bytes(first.vaddr.at(bias), HEADER_SIZE) };
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
    let parts = described(header, headers, bias, name.clone(), Role::Program, given.page_size)?;
    whole(&parts.headers, bias, given.page_size).map_err(fault)?;
    Ok(parts)
}

/// A module whose ELF header is at the start of its first segment in memory: the vDSO, or lode.
///
/// # Errors
/// The rule that it breaks.
///
/// # Safety
/// `base` is the address of such an image.
pub unsafe fn image_at(base: Address, name: Name, role: Role, page_size: u64) -> Result<Parts> {
    let fault = |kind: Kind| kind.of(Stage::Map, &name);
    // SAFETY: the caller's promise.
    let header = Header::decode(unsafe { bytes(base, HEADER_SIZE) }, None, MACHINE).map_err(fault)?;
    let size = usize::from(header.phnum) * PROGRAM_HEADER_SIZE;
    // SAFETY: such images have their headers right behind.
    let table = unsafe { bytes(Address(base.0.wrapping_add(header.phoff.0)), size) };
    let headers: Vec<ProgramHeader> = Segments::decode(table, header.phnum).map_err(fault)?.collect();
    let first = headers
        .iter()
        .find(|header| header.kind == kind::LOAD)
        .map_or(Vaddr(0), |header| header.vaddr);
    let bias = Bias(base.0.wrapping_sub(first.0));
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
) -> Result<Parts> {
    let layout = Layout::plan(&header, &headers, None, page_size).map_err(|kind| kind.of(Stage::Map, &name))?;
    let mapped = extents(&layout, bias);
    // SAFETY: the kernel mapped every PT_LOAD of this image, and nobody unmaps it.
    let image = unsafe { Image::new(bias, mapped, None) };
    Ok(Parts {
        name,
        origin: None,
        role,
        identity: None,
        image,
        layout,
        headers,
        asked_by: None,
        is_final: false,
    })
}

/// Whether the file behind each segment is as long as the segment says. The kernel maps a truncated file without a word, and the
/// first touch behind its end is SIGBUS; so the kernel is asked to touch it.
fn whole(headers: &[ProgramHeader], bias: Bias, page_size: u64) -> core::result::Result<(), Kind> {
    for header in headers
        .iter()
        .filter(|header| header.kind == kind::LOAD && header.file_size != 0)
    {
        let last = header.vaddr.at(bias).0.wrapping_add(header.file_size - 1) & !(page_size - 1);
        let truncated = Kind::malformed(Rule::FileTruncated, header.vaddr.0.wrapping_add(header.file_size), 0);
        // SAFETY: only reads, and only in a mapping of the program.
        match unsafe { call::madvise(last as usize, page_size as usize, call::MADV_POPULATE_READ) } {
            // Before Linux 5.14.
            Err(Errno::EINVAL) if !readable_by_pipe(last) => return Err(truncated),
            Err(Errno::EFAULT) => return Err(truncated),
            _ => {}
        }
    }
    Ok(())
}

/// Whether one byte can be read, found out by letting the kernel write it to a pipe. True when no pipe can be had.
fn readable_by_pipe(at: u64) -> bool {
    let Ok([read, write]) = call::pipe2(call::O_CLOEXEC) else {
        return true;
    };
    let answer = call::probe(write, at as *const core::ffi::c_void);
    // Nothing can be done about a close that fails.
    let _ = (call::close(read), call::close(write));
    !matches!(answer, Err(Errno::EFAULT))
}
