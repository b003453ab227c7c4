//! What can be said of one file by itself.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lode::error::{Errno, Kind, Rule};

use super::finding::{self, Finding};
use super::kept;
use crate::ask::plan::{self, Unplanned};
use crate::closure::{self, Object, Surroundings};
use crate::elf::recognise::Beyond;
use crate::elf::{Binary, EM_X86_64, Segment};
use crate::rehearsal::{self, Refusal};
use crate::spelling;

/// `PT_GNU_STACK`
const STACK: u32 = 0x6474_e551;
/// `PF_X`
const EXECUTE: u32 = 1;
/// Firefox's `relrhack` hides the tags of RELR from the loader by this bit, so that code of the file applies them.
const RELRHACK: u64 = 0x0800_0000;
/// DT_RELRSZ, DT_RELR, DT_RELRENT
const RELR: [u64; 3] = [35, 36, 37];

/// What a file is checked for besides the loader's rules.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Bytes of a page
    pub page_size: u64,
}

/// The findings about one file of the tree, at `path`; `name` is what people call it.
pub fn examine(path: &Path, binary: &Binary, surroundings: &Surroundings, measure: Measure) -> Vec<Finding> {
    let name = spelling::of(path);
    let mut findings = Vec::new();
    let is_dynamic = !binary.dynamic.is_empty();
    if rehearsal::is_lodes(binary) && is_dynamic {
        let refusal = rehearsal::examine(path, surroundings);
        let refused = |refusal| Finding::refused(refusal).placed_in(binary);
        findings.extend(refusal.as_ref().map(refused));
    }
    if findings.is_empty() {
        findings.extend(truncated(&name, binary));
    }
    if !findings.is_empty() {
        // What else there would be to say follows from that.
        return findings;
    }
    findings.extend(page_size(&name, binary, measure.page_size));
    findings.extend(binary.damage.iter().map(|damage| damaged(&name, damage)));
    findings.extend(stack(&name, binary));
    findings.extend(relocates_itself(&name, binary));
    findings.extend(kept::relocations(&name, binary));
    findings.extend(paths(&name, binary, surroundings));
    findings
}

/// A file at `path` in the tree that is no ELF file, or none that can be read. The code is the one that lode gives; the words say what it is instead.
pub fn unreadable(path: &Path, surroundings: &Surroundings, error: &anyhow::Error) -> Finding {
    let name = spelling::of(path);
    if let Some(error) = error.downcast_ref::<io::Error>() {
        let kind = Kind::Os {
            what: "",
            errno: Errno::ENOENT,
        };
        return Finding::error(kind.code(), &name, closure::words(error));
    }
    if let Some(beyond) = error.downcast_ref::<Beyond>() {
        return Finding::error(finding::BEYOND, &name, beyond.to_string())
            .because("a file of that kind would take all memory; no linker makes one");
    }
    let text = format!("{error:#}");
    let outside = surroundings.tree.outside(path).display().to_string();
    let text = text
        .rsplit_once(&format!("{outside}: "))
        .map_or(text.as_str(), |(_, rest)| rest);
    let is_irregular = text.ends_with("not a regular file");
    let kind = match is_irregular {
        true => Kind::NotRegular,
        false => Kind::NotElf {
            start: [0; 16],
            is_short: false,
        },
    };
    let finding = Finding::error(kind.code(), &name, text);
    let finding =
        match rehearsal::examine(path, surroundings).filter(|_| !is_irregular && begins_as_elf(path, surroundings)) {
            Some(Refusal { code, .. }) => Finding { code, ..finding },
            None => finding,
        };
    match text {
        text if text.contains("cut off after") => finding.because("the file is truncated").fix("copy the file again"),
        _ if is_irregular => finding.because("only a regular file can be loaded"),
        text if text.contains("linker script") => finding
            .because("the linker reads such a file in a library's place; a loader needs the library itself")
            .fix("name the library that the script names, with its version"),
        _ => finding,
    }
}

/// Whether a file has the first bytes of an ELF file, as far as it goes. Of any other, that it is one counts more than that it is short.
fn begins_as_elf(path: &Path, surroundings: &Surroundings) -> bool {
    const MAGIC: &[u8] = b"\x7fELF";
    let tree = &surroundings.tree;
    let file = tree.resolve(path).and_then(|path| Ok(File::open(tree.outside(&path))?));
    let mut start = Vec::new();
    let read = file.map(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start));
    read.is_ok() && MAGIC.starts_with(&start)
}

/// A program that nobody may execute. Libraries need no such permission, and some of them name an interpreter.
pub fn not_executable(program: &Object, surroundings: &Surroundings) -> Option<Finding> {
    let binary = &program.binary;
    let is_started = binary.is_program() && binary.soname.is_none();
    let mode = surroundings
        .tree
        .outside(&program.real)
        .metadata()
        .ok()?
        .permissions()
        .mode();
    (is_started && mode & 0o111 == 0).then(|| {
        Finding::error(
            Kind::NotExecutable.code(),
            &program.path,
            "the program cannot be executed",
        )
        .because("nobody has the permission to execute it, which execve(2) and lode as a command want")
        .seen(format!("its mode is {:o}", mode & 0o7777))
        .fix("chmod +x the file; `ld-lode --allow=noexec` runs it as it is")
    })
}

/// A segment whose bytes are not all there.
fn truncated(name: &str, binary: &Binary) -> Option<Finding> {
    let length = binary.bytes.len() as u64;
    let end = |segment: &Segment| segment.offset.saturating_add(segment.file_size);
    let (index, segment) = binary.loads().enumerate().find(|(_, segment)| end(segment) > length)?;
    let line = format!(
        "segment {index} ends at {:#x}, but the file has {length:#x} bytes",
        end(segment)
    );
    let finding = Finding::error(Rule::SegmentOutsideFile.code(), name, line);
    Some(finding.because("the file is truncated").fix("copy the file again"))
}

/// Sizes of pages that kernels use.
const PAGES: [u64; 4] = [4096, 16384, 65536, 2 << 20];

/// Segments that cannot be mapped with pages of this size.
fn page_size(name: &str, binary: &Binary, page: u64) -> Option<Finding> {
    if page == rehearsal::PAGE && rehearsal::is_lodes(binary) {
        // The rehearsal knows who needs the file, too.
        return None;
    }
    let refusal = unmappable(binary, page)?;
    let fitting = PAGES
        .iter()
        .rev()
        .find(|size| **size < page && unmappable(binary, **size).is_none());
    let Some(fitting) = fitting else {
        // Not the size of a page is wrong, but the file.
        return Some(Finding::error(refusal.code, name, refusal.line));
    };
    let finding = Finding::error(
        refusal.code,
        name,
        format!("built for pages of {} KiB, not {} KiB", fitting >> 10, page >> 10),
    );
    let mut finding = finding
        .because("segments of different access would share a page, or file offsets do not fall on page boundaries");
    let is_apart = |segment: &&Segment| segment.file_size != 0 && distance(segment) & (page - 1) != 0;
    if let Some(segment) = binary.loads().find(is_apart) {
        finding = finding.seen(format!(
            "segment at {:#x}: file offset {:#x}, p_align {:#x}",
            segment.address, segment.offset, segment.align
        ));
    }
    Some(
        finding
            .seen(refusal.line)
            .fix(format!("link with -z max-page-size={page:#x}")),
    )
}

/// How far the addresses of a segment are from their places in the file.
fn distance(segment: &Segment) -> u64 {
    segment.address.wrapping_sub(segment.offset)
}

/// Why no loader maps a file with pages of this size: lode's own rule, or where lode does not know the machine the part of it that is everybody's.
fn unmappable(binary: &Binary, page: u64) -> Option<Unplanned> {
    if let Some(machine) = plan::machine(&binary.header) {
        return plan::layout(binary, machine, page).err();
    }
    let is_apart = |segment: &Segment| segment.file_size != 0 && distance(segment) & (page - 1) != 0;
    let rule = Rule::SegmentCongruence;
    binary.loads().any(is_apart).then(|| Unplanned {
        code: rule.code(),
        line: "a segment's address and file offset differ modulo the page size".to_owned(),
    })
}

fn damaged(name: &str, damage: &str) -> Finding {
    Finding::warning(finding::DAMAGE, name, damage.to_owned())
        .because("a loader does not read this, tools do; a file that was cut or patched looks like that")
}

fn stack(name: &str, binary: &Binary) -> Option<Finding> {
    if binary.dynamic.is_empty() {
        return None;
    }
    let header = binary.segments.iter().find(|segment| segment.kind == STACK);
    let cause = match header {
        Some(header) if header.flags & EXECUTE == 0 => return None,
        Some(_) => "PT_GNU_STACK has the flag for execution",
        None if binary.header.machine != EM_X86_64 => return None,
        None => "there is no PT_GNU_STACK, which counts as a request",
    };
    let finding = Finding::warning(finding::EXECUTABLE_STACK, name, "asks for an executable stack");
    Some(
        finding
            .because(cause)
            .seen("glibc since 2.41 and lode refuse to open such a library later (dlopen)")
            .fix("link with -z noexecstack; an assembly file needs `.section .note.GNU-stack,\"\",@progbits`"),
    )
}

/// Firefox's tools replace relative relocations by code of the file.
fn relocates_itself(name: &str, binary: &Binary) -> Option<Finding> {
    let section = binary
        .sections
        .iter()
        .find(|section| section.name.starts_with(".elfhack."));
    let tag = binary
        .dynamic
        .iter()
        .find(|(tag, _)| tag & RELRHACK != 0 && RELR.contains(&(tag & !RELRHACK)));
    let (tool, evidence) = match (section, tag) {
        (Some(section), _) => ("elfhack", format!("it has a section {}", section.name)),
        (None, Some((tag, _))) => (
            "relrhack",
            format!(
                "its dynamic section has the tag {tag:#x}, which is {:#x} with a bit set",
                tag & !RELRHACK
            ),
        ),
        (None, None) => return None,
    };
    let finding = Finding::warning(finding::SELF_RELOCATING, name, format!("relocates itself ({tool})"));
    Some(
        finding
            .because("its relative relocations are applied by code that its DT_INIT names, not by the loader")
            .seen(evidence)
            .fix("change such a file with no tool that moves sections (patchelf): link it again without the trick"),
    )
}

/// Search paths that lead to nothing in a tree that is not the running system.
fn paths(name: &str, binary: &Binary, surroundings: &Surroundings) -> Option<Finding> {
    let tree = &surroundings.tree;
    if tree.root() == Path::new("/") {
        return None;
    }
    let lists = binary.runpath.iter().chain(&binary.rpath);
    let directories = lists
        .flat_map(|list| list.split(':'))
        .filter(|directory| directory.starts_with('/'));
    let absent: Vec<&str> = directories
        .filter(|directory| tree.resolve(&spelling::path(directory)).is_err())
        .collect();
    if absent.is_empty() {
        return None;
    }
    let finding = Finding::warning(
        finding::PATH_OUTSIDE,
        name,
        format!("its RUNPATH names what is not in the tree: {}", absent.join(" ")),
    );
    Some(
        finding
            .because("the path is one of the machine where the file was built")
            .fix("use a path relative to $ORIGIN"),
    )
}
