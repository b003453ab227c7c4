//! What one file says of its own protection, and what each of its mappings allows once it is in place.

use std::fmt::{self, Display, Formatter};

use lode::elf::dynamic::{Flags, Flags1, tag};
use lode::elf::note;
use serde::Serialize;

use crate::ask::plan;
use crate::elf::{Binary, PT_LOAD};

/// `PT_GNU_STACK`
const PT_GNU_STACK: u32 = 0x6474_e551;
/// `PT_GNU_RELRO`
pub const PT_GNU_RELRO: u32 = 0x6474_e552;
/// `NT_GNU_PROPERTY_TYPE_0`
const PROPERTIES: u32 = 5;
/// `GNU_PROPERTY_X86_FEATURE_1_AND`, and its bits for indirect branch tracking and shadow stacks (x86-64 psABI, "Program Property")
const X86_FEATURE_1_AND: u32 = 0xc000_0002;
const IBT: u32 = 1;
const SHSTK: u32 = 2;
/// `p_flags`: execute, write
const EXECUTE: u32 = 1;
const WRITE: u32 = 2;

/// Functions of which glibc has a form that knows the size of the buffer (`-D_FORTIFY_SOURCE`), without `__` and `_chk`: those that programs use most.
const FORTIFIED: &[&str] = &[
    "fgets",
    "fprintf",
    "fread",
    "gets",
    "longjmp",
    "memcpy",
    "memmove",
    "mempcpy",
    "memset",
    "poll",
    "pread",
    "printf",
    "read",
    "readlink",
    "realpath",
    "recv",
    "snprintf",
    "sprintf",
    "stpcpy",
    "strcat",
    "strcpy",
    "strncat",
    "strncpy",
    "syslog",
    "vfprintf",
    "vprintf",
    "vsnprintf",
    "vsprintf",
];

/// How much of what lode stores while it relocates a file is read-only afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Relro {
    /// Everything: function slots are bound at the start, and are part of it
    Full,
    /// All but function slots
    Partial,
    /// Nothing
    None,
}

/// What is known of one file.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// Its path
    pub file: String,
    /// Whether it can be anywhere in memory
    pub position_independent: bool,
    /// Whether it asks for all function slots to be bound at the start
    pub bind_now: bool,
    relro: Relro,
    /// Whether it makes the stack executable: PT_GNU_STACK says so, or is missing
    executable_stack: bool,
    /// Whether relocations are stored into segments that are not writable
    text_relocations: bool,
    /// Whether it asks to be sealed (GNU_PROPERTY_MEMORY_SEAL)
    asks_for_seal: bool,
    /// Whether all of its code is for indirect branch tracking, and for shadow stacks
    ibt: bool,
    shstk: bool,
    /// Hint: whether a function of it calls `__stack_chk_fail`
    stack_protector: bool,
    /// Hint: functions that it calls in a form that checks the size of a buffer, and in the plain form
    fortified: Vec<String>,
    unfortified: Vec<String>,
    mappings: Vec<Mapping>,
    /// What could be better
    pub findings: Vec<String>,
}

/// A range of pages, by link-time addresses.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Mapping {
    pub address: u64,
    pub length: u64,
    /// What it allows once the program runs
    pub access: String,
    /// Whether it is read-only by PT_GNU_RELRO
    pub relro: bool,
    /// Whether it is sealed where sealing is on
    pub sealed_if_asked: bool,
}

impl Facts {
    /// Reads them.
    pub fn of(path: &str, binary: &Binary, is_program: bool) -> Facts {
        let flags = binary.dynamic_value(tag::FLAGS).unwrap_or(0);
        let flags_1 = binary.dynamic_value(tag::FLAGS_1).unwrap_or(0);
        let bind_now = flags & Flags::BIND_NOW.bits() != 0
            || flags_1 & Flags1::NOW.bits() != 0
            || binary.dynamic_value(tag::BIND_NOW).is_some();
        let has_slots = binary.dynamic_value(tag::JMPREL).is_some();
        let has_relro = binary.segments.iter().any(|segment| segment.kind == PT_GNU_RELRO);
        let stack = binary.segments.iter().find(|segment| segment.kind == PT_GNU_STACK);
        let x86_features = property(binary, X86_FEATURE_1_AND);
        let calls = |name: &str| {
            binary
                .symbols
                .iter()
                .any(|symbol| symbol.is_wanted() && symbol.name == name)
        };
        let chosen = |form: &dyn Fn(&str) -> String| -> Vec<String> {
            let names = FORTIFIED.iter().filter(|name| calls(&form(name)));
            names.map(|name| (*name).to_owned()).collect()
        };
        let mut facts = Facts {
            file: path.to_owned(),
            position_independent: binary.header.kind == ET_DYN,
            bind_now,
            relro: match (has_relro, bind_now || !has_slots) {
                (true, true) => Relro::Full,
                (true, false) => Relro::Partial,
                (false, _) => Relro::None,
            },
            executable_stack: stack.is_none_or(|stack| stack.flags & EXECUTE != 0),
            text_relocations: flags & Flags::TEXTREL.bits() != 0 || binary.dynamic_value(tag::TEXTREL).is_some(),
            asks_for_seal: property(binary, note::MEMORY_SEAL) != 0,
            ibt: x86_features & IBT != 0,
            shstk: x86_features & SHSTK != 0,
            stack_protector: calls("__stack_chk_fail"),
            fortified: chosen(&|name| format!("__{name}_chk")),
            unfortified: chosen(&str::to_owned),
            mappings: mappings(binary),
            findings: Vec::new(),
        };
        facts.find(binary, is_program);
        facts
    }

    fn find(&mut self, binary: &Binary, is_program: bool) {
        let both = |segment: &&crate::elf::Segment| {
            segment.kind == PT_LOAD && segment.flags & (WRITE | EXECUTE) == WRITE | EXECUTE
        };
        let is_relocated = binary
            .dynamic
            .iter()
            .any(|(one, _)| [tag::RELA, tag::REL, tag::RELR, tag::JMPREL].contains(one));
        let mut find = |is_case: bool, text: &str| {
            if is_case {
                self.findings.push(text.to_owned());
            }
        };
        find(
            binary.segments.iter().any(|segment| both(&segment)),
            "a segment is writable and executable",
        );
        find(
            self.executable_stack,
            "it asks for an executable stack: link with -z noexecstack",
        );
        find(
            self.text_relocations,
            "relocations of read-only segments: compile with -fPIC",
        );
        find(
            self.relro == Relro::None && is_relocated,
            "no RELRO, so that what is relocated stays writable: link with -z relro -z now",
        );
        find(
            is_program && !self.position_independent,
            "the program is always at the same addresses: link with -pie",
        );
    }
}

/// `ET_DYN`
const ET_DYN: u16 = 3;

/// A property of the file, as the loader reads it. 32-bit files have them with another padding, which it does not read.
fn property(binary: &Binary, wanted: u32) -> u32 {
    // `lode::elf::note::property` takes the bytes of PT_GNU_PROPERTY; this tool has taken the notes apart already.
    let words = binary.words();
    let notes = binary.notes();
    let arrays = notes
        .iter()
        .filter(|note| note.kind == PROPERTIES && note.owner == "GNU");
    for array in arrays {
        let mut rest = array.content;
        while let (Some(kind), Some(size)) = (words.word(rest, 0), words.word(rest, 4)) {
            let end = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(8);
            let Some(content) = rest.get(8..end) else { break };
            if kind == wanted {
                return words.word(content, 0).unwrap_or(1);
            }
            let padding = usize::try_from(words.size()).unwrap_or(8);
            rest = rest.get(end.next_multiple_of(padding)..).unwrap_or_default();
        }
    }
    0
}

/// The mappings by the loader's own plan, with RELRO taken out of the writable ones. None for what it does not plan.
fn mappings(binary: &Binary) -> Vec<Mapping> {
    let machine =
        lode::arch::machine(binary.header.machine).filter(|machine| (machine.class == 2) == (binary.header.bits == 64));
    let planned = machine.and_then(|machine| plan::layout(binary, machine, *machine.page_sizes.first()?).ok());
    let Some(layout) = planned else { return Vec::new() };
    let relro = layout
        .relro_pages(layout.page_size)
        .map_or((0, 0), |(at, length)| (at.0, at.0.saturating_add(length)));
    let mut mappings: Vec<Mapping> = Vec::new();
    for piece in &layout.pieces {
        let (start, end) = (piece.at.0, piece.at.0.saturating_add(piece.length));
        // What lies before RELRO, in it, and behind it.
        for (from, to, relro) in [
            (start, end.min(relro.0), false),
            (start.max(relro.0), end.min(relro.1), true),
            (start.max(relro.1), end, false),
        ] {
            if from >= to {
                continue;
            }
            let access = match relro {
                true => "r--".to_owned(),
                false => piece.access.to_string(),
            };
            let stays = !access.contains('w');
            mappings.push(Mapping {
                address: from,
                length: to - from,
                access,
                relro,
                sealed_if_asked: stays,
            });
        }
    }
    mappings
}

impl Display for Facts {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.file)?;
        let yes = |fact: bool, yes: &'static str, no: &'static str| if fact { yes } else { no };
        let relro = match self.relro {
            Relro::Full => "full RELRO",
            Relro::Partial => "RELRO but for function slots",
            Relro::None => "no RELRO",
        };
        writeln!(
            out,
            "  {}, {relro}, {}",
            yes(self.position_independent, "position-independent", "at fixed addresses"),
            yes(self.executable_stack, "executable stack", "stack not executable"),
        )?;
        for mapping in &self.mappings {
            write!(
                out,
                "  {:<#10x} {:<#9x} {}",
                mapping.address, mapping.length, mapping.access
            )?;
            match (mapping.relro, mapping.sealed_if_asked) {
                (true, _) => writeln!(out, "  RELRO, sealed if asked for")?,
                (_, true) => writeln!(out, "  sealed if asked for")?,
                _ => writeln!(out)?,
            }
        }
        let properties = [
            (self.asks_for_seal, "asks to be sealed"),
            (self.ibt, "IBT"),
            (self.shstk, "SHSTK"),
            (self.bind_now, "BIND_NOW"),
        ];
        let said: Vec<&str> = properties
            .iter()
            .filter(|(is_so, _)| *is_so)
            .map(|(_, name)| *name)
            .collect();
        if !said.is_empty() {
            writeln!(out, "  says: {}", said.join(", "))?;
        }
        writeln!(
            out,
            "  hints: {}, {} fortified, {} that could be",
            yes(self.stack_protector, "stack protector", "no stack protector"),
            self.fortified.len(),
            self.unfortified.len()
        )?;
        for finding in &self.findings {
            writeln!(out, "  ! {finding}")?;
        }
        Ok(())
    }
}
