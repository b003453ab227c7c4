//! `lode-tool plan`: where each part of a file will be, before anything is mapped.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use lode::arch::Ask;
use lode::elf::dynamic::tag;
use lode::elf::header::{FileKind, Header};
use lode::elf::segment::{Access, PROGRAM_HEADER_SIZE, ProgramHeader};
use lode::elf::{FileOffset, Vaddr};
use lode::error::{Code, Kind, Rule};
use lode::layout::{Layout, Source};
use serde::Serialize;

use super::Output;
use crate::elf::{self, Binary, EM_AARCH64, EM_RISCV, EM_X86_64};
use crate::relocations::Relocations;
use crate::report::{Answer, Verdict, give};

/// Show the layout that lode plans for a file before it maps anything: address space, mappings, reach of code, counts
///
/// Addresses are link-time addresses; the load bias is added to all of them.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program or library
    file: PathBuf,
    /// Bytes of a page: 4096, 0x4000, 64k, … [default: the smallest of the machine]
    #[arg(long, value_name = "SIZE", value_parser = super::page_size)]
    page_size: Option<u64>,
    #[command(flatten)]
    pub output: Output,
}

/// Answers. A file that cannot be planned is an answer too: the reason.
///
/// # Errors
/// The file cannot be read, or is no ELF file.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let binary = Binary::open(&arguments.file)?;
    let machine = machine(&binary.header);
    let smallest = machine.and_then(|machine| machine.page_sizes.first().copied());
    let page_size = arguments.page_size.or(smallest).unwrap_or(4096);
    let layout = match machine {
        Some(machine) => layout(&binary, machine, page_size),
        None => by_segments(&binary, page_size),
    };
    let plan = Plan {
        file: arguments.file.display().to_string(),
        machine: binary.header.machine_name(),
        has_table: machine.is_some(),
        page_size,
        code: layout.as_ref().err().map(|refusal| refusal.code.to_string()),
        refusal: layout.as_ref().err().map(|refusal| refusal.line.clone()),
        layout: layout.ok().map(|layout| Planned::of(&binary, &layout)),
        counts: Counts::of(&binary),
    };
    give(&plan, arguments.output.format)
}

/// The machine, if lode has a table for it.
pub fn machine(header: &elf::Header) -> Option<&'static lode::arch::Machine> {
    lode::arch::machine(header.machine).filter(|machine| (machine.class == 2) == (header.bits == 64))
}

/// Why there is no plan.
#[derive(Clone, Debug)]
pub struct Unplanned {
    /// The code of the loader's refusal
    pub code: Code,
    /// Its words
    pub line: String,
}

impl Unplanned {
    fn of(fault: lode::error::Fault) -> Unplanned {
        let name = lode::error::Name::from("");
        let error = fault.of(lode::error::Stage::Map, &name);
        Unplanned {
            code: error.kind.code(),
            line: error.to_string().trim_start_matches([':', ' ']).to_owned(),
        }
    }
}

/// The plan for a machine of either class and byte order that lode has no table for: by the rules for segments, which are the same for all.
fn by_segments(binary: &Binary, page_size: u64) -> Result<Layout, Unplanned> {
    let kind = match binary.header.kind {
        2 => FileKind::Executable,
        3 => FileKind::Shared,
        kind => return Err(Unplanned::of(Kind::malformed(Rule::HeaderType, kind.into(), 0))),
    };
    let header = Header {
        kind,
        osabi: binary.header.osabi,
        abi_version: binary.header.abi_version,
        machine: binary.header.machine,
        entry: Vaddr(binary.header.entry),
        // Only the kernel's word for the place of the headers depends on these.
        phoff: FileOffset(u64::MAX),
        phnum: u16::try_from(binary.segments.len()).unwrap_or(u16::MAX),
        flags: binary.header.flags,
    };
    let segment = |segment: &elf::Segment| ProgramHeader {
        kind: segment.kind,
        access: Access::from_bits_retain(segment.flags),
        offset: FileOffset(segment.offset),
        vaddr: Vaddr(segment.address),
        file_size: segment.file_size,
        memory_size: segment.memory_size,
        align: segment.align,
    };
    let headers: Vec<ProgramHeader> = binary.segments.iter().map(segment).collect();
    Layout::plan(&header, &headers, Some(binary.bytes.len() as u64), page_size).map_err(Unplanned::of)
}

/// The plan by the loader's own stages; or the line in which it refuses.
pub fn layout(binary: &Binary, machine: &lode::arch::Machine, page_size: u64) -> Result<Layout, Unplanned> {
    let length = Some(binary.bytes.len() as u64);
    let words = Unplanned::of;
    let header = Header::decode(&binary.bytes, length, machine).map_err(words)?;
    let from = usize::try_from(header.phoff.0).unwrap_or(usize::MAX);
    let end = from.saturating_add(usize::from(header.phnum) * PROGRAM_HEADER_SIZE);
    let table = binary.bytes.get(from..end).unwrap_or_default();
    let headers = ProgramHeader::table(table, header.phnum).map_err(words)?;
    Layout::plan(&header, &headers, length, page_size).map_err(words)
}

#[derive(Serialize)]
struct Plan {
    file: String,
    machine: String,
    /// Whether lode has a table for the machine. Without one only what is the same for all machines is planned
    has_table: bool,
    page_size: u64,
    /// The code of the loader's refusal, if there is no plan
    code: Option<String>,
    /// Why there is no plan
    refusal: Option<String>,
    layout: Option<Planned>,
    counts: Counts,
}

#[derive(Serialize)]
struct Planned {
    /// First link-time address and length of what is mapped
    span: (u64, u64),
    /// Bytes reserved, so that an address with the alignment lies in them
    reservation: u64,
    /// What the load bias is a multiple of
    align: u64,
    /// Whether the addresses are run-time addresses
    fixed: bool,
    /// Whether the first mapping reserves the range too, so that none is made for that alone
    first_reserves: bool,
    pieces: Vec<Mapping>,
    relro: Option<(u64, u64)>,
    tls: Option<Tls>,
    entry: u64,
    reach: Option<Reach>,
}

#[derive(Serialize)]
struct Mapping {
    address: u64,
    length: u64,
    /// Where in the file; `None` for zeros
    offset: Option<u64>,
    access: String,
    /// Bytes to clear: first address and length
    clear: Option<(u64, u64)>,
}

#[derive(Serialize)]
struct Tls {
    file_size: u64,
    memory_size: u64,
    align: u64,
}

/// How far code is from what it uses.
#[derive(Serialize)]
struct Reach {
    /// Code: first and first-behind-the-last address
    code: (u64, u64),
    /// The global offset table
    got: Option<(u64, u64)>,
    /// Data that is mapped writable
    data: Option<(u64, u64)>,
    /// The longest distance between code and the table, and between code and data
    farthest_got: Option<u64>,
    farthest_data: Option<u64>,
    /// What the machine's usual instructions reach
    limit: u64,
}

#[derive(Serialize)]
struct Counts {
    segments: usize,
    loads: usize,
    needed: usize,
    symbols: usize,
    defined: usize,
    wanted: usize,
    /// Functions to call: at the start, at the end
    constructors: u64,
    destructors: u64,
    /// Relocations by name
    relocations: BTreeMap<String, u64>,
}

impl Planned {
    fn of(binary: &Binary, layout: &Layout) -> Planned {
        let pieces = layout.pieces.iter().map(|piece| Mapping {
            address: piece.at.0,
            length: piece.length,
            offset: match piece.source {
                Source::File { offset } => Some(offset.0),
                Source::Zero => None,
            },
            access: piece.access.to_string(),
            clear: piece.clear.map(|(at, length)| (at.0, length)),
        });
        let relro = layout.relro_pages(layout.page_size);
        Planned {
            span: (layout.span.0.0, layout.span.1),
            reservation: layout.reservation_length(),
            align: layout.align,
            fixed: layout.fixed,
            first_reserves: layout.reserving_piece().is_some(),
            pieces: pieces.collect(),
            relro: relro.map(|(at, length)| (at.0, length)),
            tls: layout.tls.map(|tls| Tls {
                file_size: tls.file_size,
                memory_size: tls.memory_size,
                align: tls.align,
            }),
            entry: layout.entry.0,
            reach: Reach::of(binary, layout),
        }
    }
}

impl Reach {
    fn of(binary: &Binary, layout: &Layout) -> Option<Reach> {
        let range = |access: Access| {
            let mut ranges = layout.extents.iter().filter(|range| range.access.contains(access));
            let first = ranges.next()?;
            let last = ranges.next_back().unwrap_or(first);
            Some((first.start.0, last.end()?))
        };
        // ADRP counts 21 bits of pages; x86-64's and RISC-V's distances are signed words of 32 bits.
        let limit = match binary.header.machine {
            EM_AARCH64 => 1 << 32,
            EM_X86_64 | EM_RISCV => 1 << 31,
            _ => return None,
        };
        let code = range(Access::EXECUTE)?;
        let data = range(Access::WRITE);
        let got = got(binary);
        let farthest = |(start, end): (u64, u64)| end.saturating_sub(code.0).max(code.1.saturating_sub(start));
        Some(Reach {
            code,
            got,
            data,
            farthest_got: got.map(farthest),
            farthest_data: data.map(farthest),
            limit,
        })
    }
}

/// The global offset table: its sections; without them, from the first slot that a relocation fills to the last.
fn got(binary: &Binary) -> Option<(u64, u64)> {
    let of_sections = binary
        .sections
        .iter()
        .filter(|section| matches!(section.name.as_str(), ".got" | ".got.plt") && section.size != 0)
        .map(|section| (section.address, section.address.saturating_add(section.size)));
    let join = |one: (u64, u64), other: (u64, u64)| (one.0.min(other.0), one.1.max(other.1));
    of_sections.reduce(join).or_else(|| {
        let size = binary.words().size();
        let relocations = Relocations::of(binary).all;
        let slots = relocations.iter().filter(|one| {
            let ask = one.ask(binary.header.machine);
            matches!(ask, Some(Ask::GlobDat | Ask::JumpSlot))
        });
        let start = binary
            .dynamic_value(tag::PLTGOT)
            .map(|at| (at, at.saturating_add(size)));
        let slots = slots.map(|one| (one.place, one.place.saturating_add(size)));
        slots.chain(start).reduce(join)
    })
}

impl Counts {
    fn of(binary: &Binary) -> Counts {
        let mut relocations = BTreeMap::new();
        for relocation in Relocations::of(binary).all {
            let name = match relocation.kind {
                Some(_) => relocation.name(binary.header.machine),
                None => "RELR (relative)".to_owned(),
            };
            *relocations.entry(name).or_default() += 1;
        }
        let functions = |array: u64, single: u64| {
            let size = binary.dynamic_value(array).unwrap_or_default() / binary.words().size();
            size + u64::from(binary.dynamic_value(single).is_some_and(|at| at != 0))
        };
        Counts {
            segments: binary.segments.len(),
            loads: binary.loads().count(),
            needed: binary.needed.len(),
            symbols: binary.symbols.len().saturating_sub(1),
            defined: binary.symbols.iter().filter(|symbol| symbol.is_defined()).count(),
            wanted: binary.symbols.iter().filter(|symbol| symbol.is_wanted()).count(),
            constructors: functions(tag::INIT_ARRAYSZ, tag::INIT),
            destructors: functions(tag::FINI_ARRAYSZ, tag::FINI),
            relocations,
        }
    }
}

impl Display for Plan {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}, pages of {} bytes", self.file, self.page_size)?;
        if !self.has_table {
            let machine = &self.machine;
            writeln!(
                out,
                "for {machine}, which lode has no table for: what is the same for all machines"
            )?;
        }
        if let (Some(code), Some(refusal)) = (&self.code, &self.refusal) {
            writeln!(out, "no plan[{code}]: {refusal}")?;
        }
        if let Some(layout) = &self.layout {
            layout.fmt(out)?;
        }
        self.counts.fmt(out)
    }
}

impl Display for Planned {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let (start, length) = self.span;
        writeln!(
            out,
            "span        {start:#x} to {:#x}, {length:#x} bytes",
            start.saturating_add(length)
        )?;
        let how = match (self.fixed, self.first_reserves) {
            (true, _) => "at these addresses and no others (ET_EXEC)",
            (_, true) => "by the first mapping, which the others then replace",
            _ => "by a mapping of its own",
        };
        writeln!(
            out,
            "reservation {:#x} bytes, alignment {:#x}, {how}",
            self.reservation, self.align
        )?;
        writeln!(out, "mappings    {:<12} {:<10} {:<5} from", "address", "bytes", "")?;
        for piece in &self.pieces {
            write!(
                out,
                "            {:<#12x} {:<#10x} {:<5} ",
                piece.address, piece.length, piece.access
            )?;
            match piece.offset {
                Some(offset) => write!(out, "file {offset:#x}")?,
                None => write!(out, "zeros")?,
            }
            match piece.clear {
                Some((at, length)) => writeln!(out, ", {length:#x} bytes cleared at {at:#x}")?,
                None => writeln!(out)?,
            }
        }
        if let Some((at, length)) = self.relro {
            writeln!(out, "RELRO       {at:#x}, {length:#x} bytes read-only after relocation")?;
        }
        if let Some(tls) = &self.tls {
            writeln!(
                out,
                "TLS         {:#x} bytes, {:#x} of them from the file, alignment {:#x}",
                tls.memory_size, tls.file_size, tls.align
            )?;
        }
        if self.entry != 0 {
            writeln!(out, "entry       {:#x}", self.entry)?;
        }
        self.reach.as_ref().map_or(Ok(()), |reach| reach.fmt(out))
    }
}

impl Display for Reach {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "code        {:#x} to {:#x}", self.code.0, self.code.1)?;
        for (name, range, farthest) in [
            ("GOT", self.got, self.farthest_got),
            ("data", self.data, self.farthest_data),
        ] {
            let (Some((start, end)), Some(farthest)) = (range, farthest) else {
                continue;
            };
            let fits = if farthest < self.limit { "within" } else { "BEYOND" };
            writeln!(
                out,
                "{name:<11} {start:#x} to {end:#x}; farthest from code {farthest:#x}, {fits} reach ({:#x})",
                self.limit
            )?;
        }
        Ok(())
    }
}

impl Display for Counts {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "counts      {} segments ({} mapped), {} libraries needed",
            self.segments, self.loads, self.needed
        )?;
        writeln!(
            out,
            "            {} dynamic symbols ({} defined, {} wanted), {} constructors, {} destructors",
            self.symbols, self.defined, self.wanted, self.constructors, self.destructors
        )?;
        for (name, count) in &self.relocations {
            writeln!(out, "            {count} {name}")?;
        }
        Ok(())
    }
}

impl Answer for Plan {
    const COMMAND: &'static str = "plan";

    fn verdict(&self) -> Verdict {
        let is_beyond = |reach: &Reach| {
            let farthest = reach.farthest_got.max(reach.farthest_data);
            farthest.is_some_and(|farthest| farthest >= reach.limit)
        };
        match &self.layout {
            None => Verdict::WouldNotStart,
            Some(layout) if layout.reach.as_ref().is_some_and(is_beyond) => Verdict::Findings,
            Some(_) => Verdict::Clean,
        }
    }
}
