//! The plan of a module: where each of its bytes will be, decided before anything is mapped.
//!
//! A plan is a pure value. It is made from the headers alone, every field of which is checked here, and says what to reserve, what to map
//! in which order, which bytes to clear, and where the parts that the stages need are. All addresses are link-time addresses: a module that is not
//! [`Layout::fixed`] goes wherever its reservation is.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

use crate::elf::header::{FileKind, Header};
use crate::elf::segment::{Access, PROGRAM_HEADER_SIZE, ProgramHeader, kind};
use crate::elf::{Address, FileOffset, Vaddr};
use crate::error::{Fault, Kind, Rule};

/// The largest user address space of any machine with a table: 57 bits less the kernel's half.
const ADDRESS_SPACE: u64 = 1 << 56;

/// The largest TLS alignment that is honoured, in bytes. A thread's block has to be aligned for all of its modules.
pub const LARGEST_TLS_ALIGN: u64 = 1 << 20;

/// The largest TLS segment, in bytes: code reaches its thread-local data by signed 32-bit distances.
pub const LARGEST_TLS_SIZE: u64 = 1 << 31;

/// The longest path in PT_INTERP, in bytes with its NUL (PATH_MAX).
const LONGEST_INTERPRETER_PATH: u64 = 4096;

/// Where the bytes of a [`Piece`] come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the file
    File {
        /// Where in the file; a multiple of the page size
        offset: FileOffset,
    },
    /// Zero
    Zero,
}

/// One mapping to be made, in whole pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First address; a multiple of the page size
    pub at: Vaddr,
    /// Bytes; a multiple of the page size
    pub length: u64,
    /// What is mapped
    pub source: Source,
    /// How it stays mapped
    pub access: Access,
    /// Bytes of the piece that belong to the segment but not to the file, and must be zero: first address and length. They go to the end of
    /// the page. Where the piece is not writable, the mapper makes it writable until they are cleared.
    pub clear: Option<(Vaddr, u64)>,
}

/// A range of link-time addresses that the module owns, to the byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First address
    pub start: Vaddr,
    /// Bytes; never 0
    pub length: u64,
    /// What its segment allows
    pub access: Access,
}

/// The template of a module's thread-local storage (PT_TLS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsTemplate {
    /// Where the initial bytes are; also says where a block starts modulo its alignment
    pub vaddr: Vaddr,
    /// Bytes of the initial image
    pub file_size: u64,
    /// Bytes of a block; the rest is zero
    pub memory_size: u64,
    /// Alignment of a block in bytes; a power of two
    pub align: u64,
}

/// Notes in memory (PT_NOTE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoteSegment {
    /// First address
    pub at: Vaddr,
    /// Bytes
    pub size: u64,
    /// What notes are padded to, in bytes (`p_align`)
    pub align: u64,
}

/// Where everything of a module will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The one range that all pieces lie in: first address and length, in whole pages
    pub span: (Vaddr, u64),
    /// Alignment of the load bias in bytes: the largest `p_align`, at least a page
    pub align: u64,
    /// Bytes of a page in this plan
    pub page_size: u64,
    /// ET_EXEC: the addresses are run-time addresses.
    pub fixed: bool,
    /// The mappings in the order in which they are to be made. Where two share a page the later one takes it. None when the module is mapped.
    pub pieces: Vec<Piece>,
    /// What the segments hold, to the byte, ascending and without overlap. A module that is mapped has them in its image.
    pub extents: Vec<Range>,
    /// PT_DYNAMIC: address and bytes
    pub dynamic: Option<(Vaddr, u64)>,
    /// PT_TLS, unless it is empty
    pub tls: Option<TlsTemplate>,
    /// PT_GNU_RELRO as it stands: address and bytes. See [`Layout::relro_pages`].
    pub relro: Option<(Vaddr, u64)>,
    /// PT_GNU_STACK: what the file wants the stack to allow; `None` when it does not say, which means an old file that may need an
    /// executable one
    pub stack: Option<Access>,
    /// PT_GNU_EH_FRAME: address and bytes
    pub eh_frame_hdr: Option<(Vaddr, u64)>,
    /// PT_NOTE
    pub notes: Vec<NoteSegment>,
    /// PT_GNU_PROPERTY: address and bytes
    pub property: Option<(Vaddr, u64)>,
    /// PT_INTERP: place in the file and bytes, with the NUL
    pub interpreter: Option<(FileOffset, u64)>,
    /// Where the program headers are in memory, if they are
    pub phdr: Option<Vaddr>,
    /// `e_entry`
    pub entry: Vaddr,
    /// Run-time addresses that 32-bit distances are to reach from here, if there are such: first and first behind them
    pub near: Option<(Address, Address)>,
    /// The number of the piece that is to be in huge pages, if one is. See [`Layout::may_be_huge`].
    pub huge: Option<usize>,
}

/// Bytes of a huge page (x86-64: what one entry of the last level but one maps).
pub const HUGE: u64 = 2 << 20;

/// How far a signed 32-bit distance reaches, in bytes.
const REACH: u64 = 1 << 31;

/// Whether every distance between two ranges fits into 32 bits.
pub fn within_reach(one: (Address, Address), other: (Address, Address)) -> bool {
    one.1.max(other.1).0.wrapping_sub(one.0.min(other.0).0) <= REACH
}

impl Layout {
    /// Plans a module for pages of `page_size` bytes, a power of two. `file_length` is in bytes; `None` when it is not known.
    ///
    /// # Errors
    /// A [`Kind::Malformed`] with the first rule that the headers break: PT_LOAD in order, then the other segments in order.
    pub fn plan(
        header: &Header,
        headers: &[ProgramHeader],
        file_length: Option<u64>,
        page_size: u64,
    ) -> Result<Layout, Fault> {
        let count = headers.iter().filter(|segment| segment.kind == kind::LOAD).count();
        let mut planner = Planner {
            pages: Pages::new(page_size)?,
            file_length,
            layout: Layout {
                span: (Vaddr(0), 0),
                align: page_size,
                page_size,
                fixed: header.kind == FileKind::Executable,
                // Most files have one segment that ends in zeros.
                pieces: Vec::with_capacity(count.saturating_add(1)),
                extents: Vec::with_capacity(count),
                dynamic: None,
                tls: None,
                relro: None,
                stack: None,
                eh_frame_hdr: None,
                notes: Vec::new(),
                property: None,
                interpreter: None,
                phdr: None,
                entry: header.entry,
                near: None,
                huge: None,
            },
            before: None,
        };
        for segment in headers.iter().filter(|segment| segment.kind == kind::LOAD) {
            planner.add(segment)?;
        }
        if planner.before.is_none() {
            return Err(Kind::malformed(Rule::NoLoadSegment, 0, 0));
        }
        // Where it is: a small stack has no room for another one.
        let layout = &mut planner.layout;
        let mut seen = 0;
        for segment in headers {
            if seen & once(segment.kind) != 0 {
                return Err(Kind::malformed(Rule::SegmentTwice, segment.kind.into(), 0));
            }
            seen |= once(segment.kind);
            layout.read(segment, file_length)?;
        }
        layout.phdr = headers_in_memory(header, headers).or(layout.phdr);
        Ok(planner.layout)
    }

    /// Gives back what nobody asks for when the module is mapped: there may be thousands.
    pub fn forget_plan(&mut self) {
        self.pieces = Vec::new();
        self.extents = Vec::new();
    }

    /// Bytes to reserve so that an address with the right alignment lies in them: see [`Layout::place_in`].
    pub fn reservation_length(&self) -> u64 {
        // Both are below 2^57, so the sum does not overflow.
        self.span.1 + (self.boundary().1 - self.page_size)
    }

    /// Where the span starts in a reservation of [`Layout::reservation_length`] bytes at `reserved`, a page boundary: the first address that
    /// makes the load bias a multiple of [`Layout::align`]. `None` past the end of the address space.
    pub fn place_in(&self, reserved: Address) -> Option<Address> {
        let (at, align) = self.boundary();
        let before = self.span.0.0.wrapping_sub(at.0);
        let skew = before.wrapping_sub(reserved.0) & (align - 1);
        reserved.0.checked_add(skew).map(Address)
    }

    /// A link-time address that comes to a multiple of so many bytes.
    fn boundary(&self) -> (Vaddr, u64) {
        let huge = self.huge.and_then(|number| self.pieces.get(number));
        let first = |at: Vaddr| Vaddr(at.0.wrapping_add(at.0.wrapping_neg() & (self.align - 1)));
        huge.map_or((Vaddr(0), self.align), |piece| (first(piece.at), HUGE))
    }

    /// Whether a piece is as long as a huge page and may be laid on one's boundary: data of a file that may be anywhere.
    pub fn may_be_huge(&self, piece: &Piece) -> bool {
        let is_data = piece.access.contains(Access::WRITE) && !piece.access.contains(Access::EXECUTE);
        let is_free = !self.fixed && self.near.is_none() && self.align <= HUGE;
        is_data && is_free && piece.length >= HUGE && piece.source != Source::Zero
    }

    /// Where to try for the `attempt`th time, from 0, to reserve the span near what it should be near: below it, and above it from half of the reach on, because a
    /// program's heap grows there. Only addresses; whether something is there is the kernel's to say. `None` when it may be anywhere.
    pub fn hint(&self, attempt: u64) -> Option<Address> {
        const STEP: u64 = REACH / 64;
        let (start, end) = self.near.filter(|_| attempt < 64)?;
        let far = attempt * STEP;
        let at = match attempt < 32 {
            true => start.0.saturating_sub(self.reservation_length()).saturating_sub(far),
            false => end.0.saturating_add(far),
        };
        Some(Address(at & !(self.page_size - 1)))
    }

    /// Whether a reservation at `reserved` is near what it should be near.
    pub fn is_near(&self, reserved: Address) -> bool {
        let end = Address(reserved.0.wrapping_add(self.reservation_length()));
        self.near.is_none_or(|near| within_reach((reserved, end), near))
    }

    /// What to reserve the span with, where the first piece can do it: its place in the file and its access. It is mapped as long as the span, and the
    /// other pieces replace what lies behind it; that saves a mapping that only reserves. `None` where something of it would be left between
    /// pieces, or where its place or its access asks for more.
    pub fn reserving_piece(&self) -> Option<(FileOffset, Access)> {
        let first = self.pieces.first()?;
        let Source::File { offset } = first.source else {
            return None;
        };
        let (start, length) = self.span;
        let mut end = start.0;
        for piece in &self.pieces {
            if piece.at.0 > end {
                return None;
            }
            end = end.max(piece.at.0.checked_add(piece.length)?);
        }
        let is_plain = first.clear.is_none() && !first.access.contains(Access::WRITE) && !self.fixed;
        let is_whole = first.at == start && end.wrapping_sub(start.0) == length && self.boundary().1 == self.page_size;
        (is_plain && is_whole).then_some((offset, first.access))
    }

    /// The whole pages of PT_GNU_RELRO: first address and length in bytes. The start is rounded down, and so is the end, because what else lies in
    /// the last page stays writable. `None` when no whole page is left.
    pub fn relro_pages(&self, page_size: u64) -> Option<(Vaddr, u64)> {
        let (start, length) = self.relro?;
        let pages = Pages::new(page_size).ok()?;
        let first = pages.down(start.0);
        let end = pages.down(start.0.checked_add(length)?);
        let length = end.checked_sub(first).filter(|length| *length != 0)?;
        Some((Vaddr(first), length))
    }

    /// Whether `at` lies in a page that RELRO makes read-only.
    pub fn is_relro(&self, at: Vaddr) -> bool {
        self.relro_pages(self.page_size)
            .is_some_and(|(start, length)| at.0.wrapping_sub(start.0) < length)
    }

    /// The range that holds all of `length` bytes at `at`.
    pub fn extent(&self, at: Vaddr, length: u64) -> Option<&Range> {
        self.extents.iter().find(|range| range.holds(at, length))
    }

    fn is_mapped(&self, at: Vaddr, length: u64) -> bool {
        self.extent(at, length).is_some()
    }

    /// Reads a segment that is not PT_LOAD.
    fn read(&mut self, segment: &ProgramHeader, file_length: Option<u64>) -> Result<(), Fault> {
        let (at, size) = (segment.vaddr, segment.memory_size);
        let mapped = size != 0 && self.is_mapped(at, size);
        match segment.kind {
            kind::DYNAMIC => {
                if !mapped {
                    return Err(Kind::malformed(Rule::DynamicOutside, at.0, size));
                }
                self.dynamic = Some((at, size));
            }
            kind::TLS => self.tls = self.tls_template(segment)?,
            kind::GNU_RELRO if size != 0 => {
                self.check_relro(at, size)?;
                self.relro = Some((at, size));
            }
            kind::GNU_STACK => self.stack = Some(segment.access),
            kind::INTERP => {
                let size = segment.file_size;
                check_in_file(segment, file_length)?;
                if size == 0 || size > LONGEST_INTERPRETER_PATH {
                    return Err(Kind::malformed(Rule::InterpreterPath, size, LONGEST_INTERPRETER_PATH));
                }
                self.interpreter = Some((segment.offset, size));
            }
            // Nothing is loaded by what these say, so those that lead nowhere are as good as absent.
            kind::PHDR if mapped => self.phdr = Some(at),
            kind::GNU_EH_FRAME if mapped => self.eh_frame_hdr = Some((at, size)),
            kind::GNU_PROPERTY if mapped => self.property = Some((at, size)),
            kind::NOTE if mapped => self.notes.push(NoteSegment {
                at,
                size,
                align: segment.align,
            }),
            _ => {}
        }
        Ok(())
    }

    fn tls_template(&self, segment: &ProgramHeader) -> Result<Option<TlsTemplate>, Fault> {
        let template = TlsTemplate {
            vaddr: segment.vaddr,
            file_size: segment.file_size,
            memory_size: segment.memory_size,
            align: segment.align.max(1),
        };
        if template.file_size > template.memory_size {
            return Err(Kind::malformed(Rule::TlsSize, template.file_size, template.memory_size));
        }
        if template.memory_size > LARGEST_TLS_SIZE {
            return Err(Kind::malformed(Rule::TlsSize, template.memory_size, LARGEST_TLS_SIZE));
        }
        if !template.align.is_power_of_two() || template.align > LARGEST_TLS_ALIGN {
            return Err(Kind::malformed(Rule::TlsAlign, template.align, LARGEST_TLS_ALIGN));
        }
        if template.file_size != 0 && !self.is_mapped(template.vaddr, template.file_size) {
            return Err(Kind::malformed(Rule::TlsOutside, template.vaddr.0, template.file_size));
        }
        Ok((template.memory_size != 0).then_some(template))
    }

    /// RELRO has to start in a writable segment and may go on to the end of the last page of that one, because some linkers round its size up, or
    /// of another that follows it: GNU ld parts the two where thread-local data has an alignment beyond a page.
    fn check_relro(&self, at: Vaddr, size: u64) -> Result<(), Fault> {
        let outside = || Err(Kind::malformed(Rule::RelroOutside, at.0, size));
        let pages = Pages::new(self.page_size)?;
        let from = self.extents.iter().skip_while(|range| !range.holds(at, 1));
        let Some(last) = from.take_while(|range| range.access.contains(Access::WRITE)).last() else {
            return outside();
        };
        let limit = last.end().and_then(|end| pages.up(end));
        let end = at.0.checked_add(size);
        match (end, limit) {
            (Some(end), Some(limit)) if end <= limit => Ok(()),
            _ => outside(),
        }
    }
}

/// The program headers' place in memory: the loaded bytes that are the very table in the file.
fn headers_in_memory(header: &Header, headers: &[ProgramHeader]) -> Option<Vaddr> {
    let size = u64::from(header.phnum) * PROGRAM_HEADER_SIZE as u64;
    headers
        .iter()
        .filter(|segment| segment.kind == kind::LOAD)
        .find_map(|segment| {
            let into = header.phoff.0.checked_sub(segment.offset.0)?;
            (into.checked_add(size)? <= segment.file_size).then(|| segment.vaddr.plus(into))?
        })
}

/// The bit of a segment that stands once at most; 0 for any other. The lowest five bits tell them apart.
fn once(kind: u32) -> u32 {
    match kind {
        kind::DYNAMIC
        | kind::INTERP
        | kind::PHDR
        | kind::TLS
        | kind::GNU_EH_FRAME
        | kind::GNU_STACK
        | kind::GNU_RELRO => 1u32.wrapping_shl(kind),
        _ => 0,
    }
}

fn check_in_file(segment: &ProgramHeader, file_length: Option<u64>) -> Result<(), Fault> {
    let limit = file_length.unwrap_or(u64::MAX);
    match segment.offset.0.checked_add(segment.file_size) {
        Some(end) if end <= limit => Ok(()),
        end => Err(Kind::malformed(
            Rule::SegmentOutsideFile,
            end.unwrap_or(u64::MAX),
            limit,
        )),
    }
}

impl Range {
    /// The first address behind the range; `None` past the end of the address space.
    pub fn end(&self) -> Option<u64> {
        self.start.0.checked_add(self.length)
    }

    /// Whether all of `length` bytes at `at` lie in the range.
    pub fn holds(&self, at: Vaddr, length: u64) -> bool {
        let into = at.0.wrapping_sub(self.start.0);
        into <= self.length && self.length - into >= length
    }
}

/// Rounding to pages.
#[derive(Clone, Copy)]
struct Pages {
    size: u64,
}

impl Pages {
    fn new(size: u64) -> Result<Pages, Fault> {
        match size.is_power_of_two() {
            true => Ok(Pages { size }),
            false => Err(Kind::Unsupported("a page size that is not a power of two").into()),
        }
    }

    fn down(self, at: u64) -> u64 {
        at & !(self.size - 1)
    }

    fn up(self, at: u64) -> Option<u64> {
        at.checked_next_multiple_of(self.size)
    }
}

/// Goes through the PT_LOAD segments in order.
struct Planner {
    pages: Pages,
    file_length: Option<u64>,
    layout: Layout,
    before: Option<Before>,
}

impl Planner {
    fn add(&mut self, segment: &ProgramHeader) -> Result<(), Fault> {
        let bounds = self.check(segment)?;
        if segment.memory_size == 0 {
            return Ok(());
        }
        let shared = self.share_page(segment, &bounds)?;
        let from_file = self.file_part(segment, &bounds, shared)?;
        if let Some(piece) = from_file {
            self.layout.pieces.push(piece);
        }
        let zero_start = from_file.map_or(bounds.first_page, |piece| piece.at.0 + piece.length);
        if let Some(length) = bounds.end_page.checked_sub(zero_start).filter(|length| *length != 0) {
            self.layout.pieces.push(Piece {
                at: Vaddr(zero_start),
                length,
                source: Source::Zero,
                access: bounds.access,
                clear: None,
            });
        }
        let start = if shared { bounds.first_page } else { segment.vaddr.0 };
        self.layout.extents.push(Range {
            start: Vaddr(start),
            length: bounds.end - start,
            access: bounds.access,
        });
        if self.before.is_none() {
            self.layout.span.0 = Vaddr(bounds.first_page);
        }
        self.layout.span.1 = bounds.end_page - self.layout.span.0.0;
        self.before = Some(Before {
            distance: bounds.distance,
            file_end: segment.vaddr.0.saturating_add(segment.file_size),
            end: bounds.end,
        });
        Ok(())
    }

    /// Every field of a PT_LOAD by itself, and its place behind the ones before.
    fn check(&mut self, segment: &ProgramHeader) -> Result<Bounds, Fault> {
        // What the file has nothing of is no code, as in separate debug files.
        let access = match segment.file_size {
            0 => segment.access & (Access::READ | Access::WRITE),
            _ => segment.access & Access::all(),
        };
        let broken = match segment.file_size.cmp(&segment.memory_size) {
            Ordering::Greater => Some(Rule::SegmentFileSize),
            // Code would run off its end into zeros.
            Ordering::Less if access.contains(Access::EXECUTE) => Some(Rule::SegmentCodeOfZeros),
            _ => None,
        };
        if let Some(rule) = broken {
            return Err(Kind::malformed(rule, segment.file_size, segment.memory_size));
        }
        check_in_file(segment, self.file_length)?;
        let address = |value| Kind::malformed(Rule::SegmentAddress, value, ADDRESS_SPACE);
        let end = segment.end().ok_or_else(|| address(segment.vaddr.0))?.0;
        let bounds = Bounds {
            access,
            first_page: self.pages.down(segment.vaddr.0),
            end,
            distance: segment.vaddr.0.wrapping_sub(segment.offset.0),
            end_page: self
                .pages
                .up(end)
                .filter(|end| *end <= ADDRESS_SPACE)
                .ok_or_else(|| address(end))?,
        };
        if segment.align > 1 {
            if !segment.align.is_power_of_two() || segment.align > ADDRESS_SPACE {
                return Err(Kind::malformed(Rule::SegmentAlign, segment.align, ADDRESS_SPACE));
            }
            self.layout.align = self.layout.align.max(segment.align);
        }
        if segment.file_size != 0 && bounds.distance & (self.pages.size - 1) != 0 {
            let rest = bounds.distance & (self.pages.size - 1);
            return Err(Kind::malformed(Rule::SegmentCongruence, rest, self.pages.size));
        }
        if segment.access.contains(Access::WRITE | Access::EXECUTE) {
            return Err(Kind::malformed(
                Rule::SegmentWritableExecutable,
                segment.access.bits().into(),
                0,
            ));
        }
        if let Some(before) = &self.before
            && segment.memory_size != 0
            && segment.vaddr.0 < before.end
        {
            return Err(Kind::malformed(Rule::SegmentOrder, segment.vaddr.0, before.end));
        }
        Ok(bounds)
    }

    /// Whether the segment starts in the page in which the one before ends. That page is mapped with the later one, as the kernel and glibc do, so
    /// what the first has there gets the access of the second. Where it would get other bytes than its own, the file is refused.
    fn share_page(&mut self, segment: &ProgramHeader, bounds: &Bounds) -> Result<bool, Fault> {
        let Some(before) = self.before.as_ref().filter(|before| before.end > bounds.first_page) else {
            return Ok(false);
        };
        if before.distance != bounds.distance || before.file_end != before.end {
            return Err(Kind::malformed(Rule::SegmentOrder, segment.vaddr.0, before.end));
        }
        let whole = self.layout.extents.pop_if(|range| range.start.0 >= bounds.first_page);
        if let (None, Some(cut)) = (whole, self.layout.extents.last_mut()) {
            cut.length = bounds.first_page - cut.start.0;
        }
        Ok(true)
    }

    /// The mapping of the part that comes from the file, if there is one.
    ///
    /// A segment without bytes in the file that starts in the page in which another one ends still maps that page from the file: a page of zeros
    /// would take the other one's bytes.
    fn file_part(&self, segment: &ProgramHeader, bounds: &Bounds, shared: bool) -> Result<Option<Piece>, Fault> {
        let into_page = segment.vaddr.0 - bounds.first_page;
        if segment.file_size == 0 && !shared {
            return Ok(None);
        }
        let file_end = segment.vaddr.0.saturating_add(segment.file_size);
        let page_end = self.pages.up(file_end).unwrap_or(bounds.end_page);
        let clear = (file_end < bounds.end && file_end < page_end).then(|| (Vaddr(file_end), page_end - file_end));
        // The offset lies as far into its page as the address does. (For a segment without bytes that is so because the page is shared.)
        let offset = segment
            .offset
            .0
            .checked_sub(into_page)
            .ok_or_else(|| Kind::malformed(Rule::SegmentCongruence, segment.offset.0, self.pages.size))?;
        Ok(Some(Piece {
            at: Vaddr(bounds.first_page),
            length: page_end - bounds.first_page,
            source: Source::File {
                offset: FileOffset(offset),
            },
            access: bounds.access,
            clear,
        }))
    }
}

/// The addresses of one segment.
struct Bounds {
    /// What its memory allows
    access: Access,
    first_page: u64,
    /// First byte behind the segment
    end: u64,
    end_page: u64,
    /// From the place in the file to the address, modulo 2^64
    distance: u64,
}

/// The end of the segment before.
struct Before {
    /// See [`Bounds::distance`]
    distance: u64,
    /// First byte behind the part that comes from the file
    file_end: u64,
    /// First byte behind the segment
    end: u64,
}

/// One line a mapping, and one for each part that the stages need.
impl fmt::Display for Layout {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, length) = self.span;
        let kind = if self.fixed { "fixed" } else { "anywhere" };
        writeln!(out, "{start}+{length:#x} {kind} align {:#x}", self.align)?;
        for piece in &self.pieces {
            write!(out, "  {}+{:#x} {} ", piece.at, piece.length, piece.access)?;
            match piece.source {
                Source::File { offset } => write!(out, "file {offset}")?,
                Source::Zero => write!(out, "zero")?,
            }
            if let Some((at, length)) = piece.clear {
                write!(out, " clear {at}+{length:#x}")?;
            }
            writeln!(out)?;
        }
        let parts = [
            ("dynamic", self.dynamic),
            ("relro", self.relro),
            ("eh_frame_hdr", self.eh_frame_hdr),
            ("property", self.property),
        ];
        for (name, (at, size)) in parts.iter().filter_map(|(name, part)| Some((name, (*part)?))) {
            writeln!(out, "  {name} {at}+{size:#x}")?;
        }
        if let Some(tls) = &self.tls {
            writeln!(
                out,
                "  tls {}+{:#x} of {:#x} align {:#x}",
                tls.vaddr, tls.file_size, tls.memory_size, tls.align
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    const READ: Access = Access::READ;
    const CODE: Access = Access::READ.union(Access::EXECUTE);
    const DATA: Access = Access::READ.union(Access::WRITE);

    fn header(kind: FileKind) -> Header {
        Header {
            kind,
            osabi: 0,
            abi_version: 0,
            machine: 62,
            entry: Vaddr(0x1040),
            phoff: FileOffset(64),
            phnum: 3,
            flags: 0,
        }
    }

    /// A segment with the same size in file and memory.
    fn segment(kind: u32, access: Access, offset: u64, vaddr: u64, size: u64) -> ProgramHeader {
        ProgramHeader {
            kind,
            access,
            offset: FileOffset(offset),
            vaddr: Vaddr(vaddr),
            file_size: size,
            memory_size: size,
            align: 0x1000,
        }
    }

    fn load(access: Access, offset: u64, vaddr: u64, size: u64) -> ProgramHeader {
        segment(kind::LOAD, access, offset, vaddr, size)
    }

    /// Read-only, code, and data with 0x2800 bytes of zeros behind 0x210 bytes of the file.
    fn usual() -> Vec<ProgramHeader> {
        vec![
            load(READ, 0, 0, 0x5a0),
            load(CODE, 0x1000, 0x1000, 0x1a5),
            ProgramHeader {
                memory_size: 0x2a10,
                ..load(DATA, 0x2df0, 0x3df0, 0x210)
            },
        ]
    }

    fn plan(headers: &[ProgramHeader]) -> Result<Layout, Fault> {
        Layout::plan(&header(FileKind::Shared), headers, Some(0x4000), 0x1000)
    }

    fn broken(headers: &[ProgramHeader]) -> Option<Rule> {
        match plan(headers).map_err(Fault::kind) {
            Err(Kind::Malformed { rule, .. }) => Some(rule),
            _ => None,
        }
    }

    fn with(extra: ProgramHeader) -> Vec<ProgramHeader> {
        let mut headers = usual();
        headers.push(extra);
        headers
    }

    #[test]
    fn a_usual_module_is_planned_page_by_page() {
        let layout = plan(&usual()).unwrap();
        assert_eq!(
            layout.to_string(),
            "0x0+0x7000 anywhere align 0x1000\n\
             \x20 0x0+0x1000 r-- file 0x0\n\
             \x20 0x1000+0x1000 r-x file 0x1000\n\
             \x20 0x3000+0x1000 rw- file 0x2000\n\
             \x20 0x4000+0x3000 rw- zero\n"
        );
        let extents: Vec<(u64, u64)> = layout
            .extents
            .iter()
            .map(|range| (range.start.0, range.length))
            .collect();
        assert_eq!(extents, [(0, 0x5a0), (0x1000, 0x1a5), (0x3df0, 0x2a10)]);
        assert_eq!(layout.phdr, Some(Vaddr(64)));
        assert!(!layout.fixed);
    }

    #[test]
    fn the_first_piece_reserves_only_where_nothing_of_it_is_left_between_pieces() {
        // `usual` has a hole at 0x2000.
        assert_eq!(plan(&usual()).unwrap().reserving_piece(), None);
        let mut headers = usual();
        headers[1].file_size = 0x1800;
        headers[1].memory_size = 0x1800;
        assert_eq!(plan(&headers).unwrap().reserving_piece(), Some((FileOffset(0), READ)));
        let mut aligned = headers.clone();
        aligned[0].align = 0x4000;
        assert_eq!(plan(&aligned).unwrap().reserving_piece(), None);
        headers[0].access = DATA;
        assert_eq!(plan(&headers).unwrap().reserving_piece(), None);
        assert_eq!(
            plan(&headers[1..]).unwrap().reserving_piece(),
            Some((FileOffset(0x1000), CODE))
        );
    }

    #[test]
    fn the_rest_of_the_last_page_of_the_file_is_cleared() {
        let mut headers = usual();
        headers[2].file_size = 0x100;
        let layout = plan(&headers).unwrap();
        assert_eq!(layout.pieces[2].clear, Some((Vaddr(0x3ef0), 0x110)));
        assert_eq!(layout.pieces[3].at, Vaddr(0x4000));
    }

    #[test]
    fn zeros_that_end_in_the_last_page_of_the_file_need_no_page_of_their_own() {
        let mut headers = usual();
        (headers[2].file_size, headers[2].memory_size) = (0x100, 0x180);
        let layout = plan(&headers).unwrap();
        assert_eq!(layout.pieces.len(), 3);
        assert_eq!(layout.pieces[2].clear, Some((Vaddr(0x3ef0), 0x110)));
    }

    #[test]
    fn a_read_only_segment_has_its_zeros_too() {
        let mut headers = usual();
        headers[0].memory_size = 0x600;
        let layout = plan(&headers).unwrap();
        assert_eq!(layout.pieces[0].clear, Some((Vaddr(0x5a0), 0xa60)));
        assert_eq!(layout.pieces[0].access, READ);
    }

    #[test]
    fn a_segment_without_bytes_in_the_file_is_zero() {
        let mut headers = usual();
        headers[2] = ProgramHeader {
            file_size: 0,
            offset: FileOffset(0x123),
            ..load(DATA, 0, 0x3010, 0x1800)
        };
        let layout = plan(&headers).unwrap();
        assert_eq!(
            layout.pieces[2],
            Piece {
                at: Vaddr(0x3000),
                length: 0x2000,
                source: Source::Zero,
                access: DATA,
                clear: None
            }
        );
        assert_eq!(layout.extents[2].start, Vaddr(0x3010));
    }

    #[test]
    fn an_empty_segment_is_planned_as_nothing() {
        let mut headers = usual();
        headers.insert(1, load(DATA, 0x10, 0x9000, 0));
        assert_eq!(plan(&headers).unwrap().pieces, plan(&usual()).unwrap().pieces);
    }

    #[test]
    fn a_page_of_two_segments_gets_the_access_of_the_later_one() {
        let headers = [load(READ, 0, 0, 0x1800), load(DATA, 0x1800, 0x1800, 0x100)];
        let layout = plan(&headers).unwrap();
        let pieces: Vec<(u64, u64)> = layout.pieces.iter().map(|piece| (piece.at.0, piece.length)).collect();
        assert_eq!(pieces, [(0, 0x2000), (0x1000, 0x1000)]);
        assert_eq!(
            layout.extents,
            [
                Range {
                    start: Vaddr(0),
                    length: 0x1000,
                    access: READ
                },
                Range {
                    start: Vaddr(0x1000),
                    length: 0x900,
                    access: DATA
                },
            ]
        );
    }

    #[test]
    fn three_segments_may_share_a_page() {
        let headers = [
            load(READ, 0, 0, 0x1100),
            load(CODE, 0x1100, 0x1100, 0x100),
            load(DATA, 0x1200, 0x1200, 0x100),
        ];
        let layout = plan(&headers).unwrap();
        let extents: Vec<(u64, u64)> = layout
            .extents
            .iter()
            .map(|range| (range.start.0, range.length))
            .collect();
        assert_eq!(extents, [(0, 0x1000), (0x1000, 0x300)]);
    }

    #[test]
    fn zeros_behind_a_shared_page_leave_the_other_segments_bytes() {
        let mut zeros = load(DATA, 0x1800, 0x1800, 0x1000);
        zeros.file_size = 0;
        let layout = plan(&[load(DATA, 0, 0, 0x1800), zeros]).unwrap();
        assert_eq!(
            layout.pieces[1],
            Piece {
                at: Vaddr(0x1000),
                length: 0x1000,
                source: Source::File {
                    offset: FileOffset(0x1000)
                },
                access: DATA,
                clear: Some((Vaddr(0x1800), 0x800)),
            }
        );
        assert_eq!((layout.pieces[2].at, layout.pieces[2].length), (Vaddr(0x2000), 0x1000));
    }

    #[test]
    fn a_shared_page_that_would_lose_bytes_is_refused() {
        // Other file bytes at the same addresses.
        let other = [load(READ, 0, 0, 0x1800), load(DATA, 0x2800, 0x1800, 0x100)];
        assert_eq!(broken(&other), Some(Rule::SegmentOrder));
        // Zeros of the first that the file's bytes would replace.
        let mut zeros = load(DATA, 0, 0, 0x1000);
        zeros.memory_size = 0x1800;
        assert_eq!(
            broken(&[zeros, load(DATA, 0x1800, 0x1800, 0x100)]),
            Some(Rule::SegmentOrder)
        );
    }

    #[test]
    fn segments_overlap_or_descend_and_are_refused() {
        assert_eq!(
            broken(&[load(READ, 0, 0, 0x1001), load(CODE, 0x1000, 0x1000, 8)]),
            Some(Rule::SegmentOrder)
        );
        assert_eq!(
            broken(&[load(READ, 0, 0x2000, 8), load(CODE, 0, 0x1000, 8)]),
            Some(Rule::SegmentOrder)
        );
    }

    #[test]
    fn code_is_what_the_file_has() {
        let code = |file_size| ProgramHeader {
            file_size,
            ..load(CODE, 0x1000, 0x1000, 0x100)
        };
        for file_size in [1, 0xff] {
            assert_eq!(broken(&[code(file_size)]), Some(Rule::SegmentCodeOfZeros));
        }
        // As in separate debug files.
        let layout = plan(&[code(0)]).unwrap();
        assert_eq!((layout.pieces[0].access, layout.extents[0].access), (READ, READ));
        assert_eq!(plan(&[code(0x100)]).unwrap().extents[0].access, CODE);
    }

    #[test]
    fn each_field_of_a_segment_is_checked() {
        let base = load(DATA, 0x1000, 0x1000, 0x100);
        let cases = [
            (
                ProgramHeader {
                    memory_size: 0xff,
                    ..base
                },
                Rule::SegmentFileSize,
            ),
            (load(DATA, 0x3000, 0x3000, 0x1001), Rule::SegmentOutsideFile),
            (load(DATA, u64::MAX, u64::MAX, 1), Rule::SegmentOutsideFile),
            (
                ProgramHeader {
                    memory_size: u64::MAX - 0x100,
                    ..base
                },
                Rule::SegmentAddress,
            ),
            (
                ProgramHeader {
                    vaddr: Vaddr(u64::MAX - 0xfff),
                    memory_size: 0xfff,
                    ..base
                },
                Rule::SegmentAddress,
            ),
            (
                ProgramHeader {
                    memory_size: 1 << 57,
                    ..base
                },
                Rule::SegmentAddress,
            ),
            (ProgramHeader { align: 0x3000, ..base }, Rule::SegmentAlign),
            (ProgramHeader { align: 1 << 63, ..base }, Rule::SegmentAlign),
            (load(DATA, 0x1008, 0x1000, 8), Rule::SegmentCongruence),
            (
                ProgramHeader {
                    access: Access::all(),
                    ..base
                },
                Rule::SegmentWritableExecutable,
            ),
        ];
        for (segment, rule) in cases {
            assert_eq!(broken(&[segment]), Some(rule), "{segment:?}");
        }
        assert_eq!(broken(&[]), Some(Rule::NoLoadSegment));
        assert_eq!(broken(&[load(DATA, 0, 0, 0)]), Some(Rule::NoLoadSegment));
        for align in [0, 1, 0x1000, 0x20_0000] {
            assert!(plan(&[ProgramHeader { align, ..base }]).is_ok());
        }
    }

    #[test]
    fn congruence_is_that_of_the_running_page_size() {
        let headers = [load(READ, 0x1000, 0x11000, 8)];
        assert!(plan(&headers).is_ok());
        let large = Layout::plan(
            &header(FileKind::Shared),
            &[load(READ, 0x1000, 0x12000, 8)],
            None,
            0x10000,
        );
        assert_eq!(large, Err(Kind::malformed(Rule::SegmentCongruence, 0x1000, 0x10000)));
    }

    #[test]
    fn a_segment_that_may_stand_once_stands_twice() {
        for kind in [
            kind::DYNAMIC,
            kind::TLS,
            kind::GNU_RELRO,
            kind::GNU_STACK,
            kind::INTERP,
            kind::PHDR,
            kind::GNU_EH_FRAME,
        ] {
            let one = segment(kind, DATA, 0x2df0, 0x3df0, 0x10);
            let mut headers = with(one);
            assert_eq!(broken(&headers), None, "{kind:#x}");
            headers.push(one);
            assert_eq!(broken(&headers), Some(Rule::SegmentTwice), "{kind:#x}");
        }
        let mut headers = with(segment(kind::NOTE, READ, 0x100, 0x100, 0x20));
        headers.push(segment(kind::NOTE, READ, 0x120, 0x120, 0x20));
        headers.push(segment(kind::GNU_PROPERTY, READ, 0x120, 0x120, 0x20));
        let layout = plan(&headers).unwrap();
        assert_eq!(layout.notes.len(), 2);
        assert_eq!(layout.property, Some((Vaddr(0x120), 0x20)));
    }

    #[test]
    fn the_dynamic_section_lies_inside_one_segment() {
        let at = |vaddr, size| with(segment(kind::DYNAMIC, DATA, 0x2df0, vaddr, size));
        assert_eq!(plan(&at(0x3df0, 0x210)).unwrap().dynamic, Some((Vaddr(0x3df0), 0x210)));
        assert_eq!(broken(&at(0x3de0, 0x210)), Some(Rule::DynamicOutside));
        assert_eq!(broken(&at(0x6700, 0x200)), Some(Rule::DynamicOutside));
        assert_eq!(broken(&at(u64::MAX, 0x10)), Some(Rule::DynamicOutside));
        assert_eq!(broken(&at(0x3df0, 0)), Some(Rule::DynamicOutside));
    }

    #[test]
    fn a_tls_template_is_checked() {
        let base = ProgramHeader {
            align: 16,
            memory_size: 0x1000_0000,
            ..segment(kind::TLS, READ, 0x2df0, 0x3df0, 0x10)
        };
        assert_eq!(
            plan(&with(base)).unwrap().tls,
            Some(TlsTemplate {
                vaddr: Vaddr(0x3df0),
                file_size: 0x10,
                memory_size: 0x1000_0000,
                align: 16
            })
        );
        let cases = [
            (ProgramHeader { align: 24, ..base }, Rule::TlsAlign),
            (ProgramHeader { align: 1 << 21, ..base }, Rule::TlsAlign),
            (ProgramHeader { memory_size: 8, ..base }, Rule::TlsSize),
            (
                ProgramHeader {
                    memory_size: 1 << 32,
                    ..base
                },
                Rule::TlsSize,
            ),
            (
                ProgramHeader {
                    vaddr: Vaddr(0x67f8),
                    ..base
                },
                Rule::TlsOutside,
            ),
        ];
        for (segment, rule) in cases {
            assert_eq!(broken(&with(segment)), Some(rule));
        }
        let empty = ProgramHeader {
            file_size: 0,
            memory_size: 0,
            vaddr: Vaddr(0x9_0000),
            ..base
        };
        assert_eq!(plan(&with(empty)).unwrap().tls, None);
        let zero = ProgramHeader {
            file_size: 0,
            align: 0,
            vaddr: Vaddr(0x9_0000),
            ..base
        };
        assert_eq!(plan(&with(zero)).unwrap().tls.map(|tls| tls.align), Some(1));
    }

    #[test]
    fn relro_goes_on_into_a_writable_segment_that_follows() {
        let headers = |access, end: u64| {
            let mut headers = with(segment(kind::LOAD, access, 0x3000, 0xa000, 0x10));
            headers.push(segment(kind::GNU_RELRO, READ, 0x2df0, 0x3df0, end - 0x3df0));
            headers
        };
        let both = plan(&headers(DATA, 0xb000)).unwrap();
        assert_eq!(both.relro_pages(0x1000), Some((Vaddr(0x3000), 0x8000)));
        assert_eq!(broken(&headers(DATA, 0xb001)), Some(Rule::RelroOutside));
        assert_eq!(broken(&headers(READ, 0xb000)), Some(Rule::RelroOutside));
    }

    #[test]
    fn relro_is_rounded_to_the_whole_pages_it_owns() {
        let at = |vaddr, size| with(segment(kind::GNU_RELRO, READ, 0x2df0, vaddr, size));
        let layout = plan(&at(0x3df0, 0x210)).unwrap();
        assert_eq!(layout.relro_pages(0x1000), Some((Vaddr(0x3000), 0x1000)));
        assert!(layout.is_relro(Vaddr(0x3fff)));
        assert!(!layout.is_relro(Vaddr(0x4000)));
        assert!(!layout.is_relro(Vaddr(0x2fff)));
        assert_eq!(plan(&at(0x3df0, 0x20f)).unwrap().relro_pages(0x1000), None);
        assert_eq!(
            plan(&at(0x3df0, 0x1300)).unwrap().relro_pages(0x1000),
            Some((Vaddr(0x3000), 0x2000))
        );
        assert_eq!(plan(&at(0x3df0, 0)).unwrap().relro, None);
        // To the end of the last page, and not a byte more.
        assert!(plan(&at(0x3df0, 0x3210)).is_ok());
        assert_eq!(broken(&at(0x3df0, 0x3211)), Some(Rule::RelroOutside));
        assert_eq!(broken(&at(0x1000, 0x100)), Some(Rule::RelroOutside));
        assert_eq!(broken(&at(0x3df0, u64::MAX)), Some(Rule::RelroOutside));
    }

    #[test]
    fn the_stack_is_as_the_file_says_or_unsaid() {
        assert_eq!(plan(&usual()).unwrap().stack, None);
        let stack = segment(kind::GNU_STACK, Access::all(), 0, 0, 0);
        assert_eq!(plan(&with(stack)).unwrap().stack, Some(Access::all()));
    }

    #[test]
    fn the_interpreter_lies_in_the_file() {
        let at = |offset, size| with(segment(kind::INTERP, READ, offset, offset, size));
        assert_eq!(
            plan(&at(0x318, 0x1c)).unwrap().interpreter,
            Some((FileOffset(0x318), 0x1c))
        );
        assert_eq!(broken(&at(0x3ff0, 0x1c)), Some(Rule::SegmentOutsideFile));
        assert_eq!(broken(&at(0x318, 0)), Some(Rule::InterpreterPath));
        assert_eq!(broken(&at(0x318, 0x1001)), Some(Rule::InterpreterPath));
    }

    #[test]
    fn an_alignment_above_the_page_size_moves_the_span_inside_its_reservation() {
        let mut headers = usual();
        for segment in &mut headers {
            segment.align = 0x20_0000;
        }
        let layout = plan(&headers).unwrap();
        assert_eq!(layout.align, 0x20_0000);
        assert_eq!(layout.reservation_length(), 0x7000 + 0x1f_f000);
        assert_eq!(
            layout.place_in(Address(0x7f00_0012_3000)),
            Some(Address(0x7f00_0020_0000))
        );
        assert_eq!(
            layout.place_in(Address(0x7f00_0020_0000)),
            Some(Address(0x7f00_0020_0000))
        );
        assert_eq!(layout.place_in(Address(u64::MAX - 0xfff)), None);
        // A span that does not start at 0 keeps its distance from the boundary.
        let high = ProgramHeader {
            align: 0x1_0000,
            ..load(READ, 0x3000, 0x3000, 0x10)
        };
        let layout = plan(&[high]).unwrap();
        assert_eq!(layout.span, (Vaddr(0x3000), 0x1000));
        assert_eq!(layout.place_in(Address(0x10_0000)), Some(Address(0x10_3000)));
    }

    #[test]
    fn an_executable_is_fixed() {
        let layout = Layout::plan(
            &header(FileKind::Executable),
            &[load(CODE, 0, 0x40_0000, 0x1000)],
            None,
            0x1000,
        );
        let layout = layout.unwrap();
        assert!(layout.fixed);
        assert_eq!(layout.span, (Vaddr(0x40_0000), 0x1000));
        assert_eq!(layout.phdr, Some(Vaddr(0x40_0040)));
    }

    #[test]
    fn a_page_size_that_is_no_power_of_two_is_refused() {
        assert!(Layout::plan(&header(FileKind::Shared), &usual(), None, 0).is_err());
        assert!(Layout::plan(&header(FileKind::Shared), &usual(), None, 3000).is_err());
    }

    #[test]
    fn a_piece_in_huge_pages_begins_on_the_boundary_of_one_as_far_as_the_alignment_lets_it() {
        for align in [0x1000, 0x1_0000, HUGE] {
            let mut headers = usual();
            for header in headers.iter_mut().filter(|header| header.kind == kind::LOAD) {
                header.align = align;
            }
            let mut layout = Layout::plan(&header(FileKind::Shared), &headers, None, 0x1000).unwrap();
            let number = layout
                .pieces
                .iter()
                .position(|piece| piece.access.contains(Access::WRITE))
                .unwrap();
            let piece = layout.pieces[number];
            assert!(!layout.may_be_huge(&piece) && layout.may_be_huge(&Piece { length: HUGE, ..piece }));
            layout.huge = Some(number);
            assert_eq!(layout.reserving_piece(), None);
            for reserved in [0x7f00_0000_0000, 0x7f00_0000_1000, 0x7f00_001f_f000] {
                let start = layout.place_in(Address(reserved)).unwrap().0;
                assert!(start >= reserved && start + layout.span.1 <= reserved + layout.reservation_length());
                let bias = start - layout.span.0.0;
                assert_eq!(bias % align, 0);
                assert_eq!((piece.at.0.next_multiple_of(align) + bias) % HUGE, 0);
            }
        }
    }

    #[test]
    fn hints_are_whole_pages_near_the_range_and_end() {
        let mut layout = Layout::plan(&header(FileKind::Shared), &usual(), None, 0x1000).unwrap();
        assert_eq!(layout.hint(0), None);
        assert!(layout.is_near(Address(0x7fff_0000_0000)));
        let near = (Address(0x5555_0000_0123), Address(0x5555_0000_5123));
        layout.near = Some(near);
        let hints: Vec<u64> = (0..100)
            .map_while(|attempt| layout.hint(attempt))
            .map(|hint| hint.0)
            .collect();
        assert_eq!(hints.len(), 64);
        let length = layout.reservation_length();
        assert_eq!(hints[0], 0x5555_0000_0000 - length);
        assert!(
            hints
                .iter()
                .all(|hint| hint % 0x1000 == 0 && layout.is_near(Address(*hint)))
        );
        assert!(
            hints
                .iter()
                .all(|hint| hint + length <= near.0.0 || *hint >= near.1.0 + (1 << 30) - 0x1000)
        );
        assert!(!layout.is_near(Address(near.1.0 + (1 << 31))));
        assert!(!layout.is_near(Address(near.0.0 - (1 << 31))));
        // Below the first pages there is nothing.
        layout.near = Some((Address(0x40_0000), Address(0x40_5000)));
        assert_eq!(layout.hint(1), Some(Address(0)));
    }
}
