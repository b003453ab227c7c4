//! `LD_DEBUG`: the lines that people and scripts know from glibc, each with the process id before it.
#![forbid(unsafe_code)]

use alloc::string::String;
use core::fmt::Write;

use crate::error::Lossy;
use crate::event::{Event, Sink};

/// Writes events as text to a descriptor.
#[derive(Debug)]
pub struct DebugText {
    /// Where to: 2, or the file of `LD_DEBUG_OUTPUT`.
    pub descriptor: i32,
    /// The process's number, for the prefix.
    pub process: u64,
    /// What stands before warnings: argv[0].
    pub program: &'static [u8],
}

/// What is counted, in the order in which it is shown.
const COUNTS: &str = "\
modules
words relocated by RELR
relative relocations
symbolic relocations
symbol look-ups
look-ups answered by the one before
resolvers called
copies";

impl DebugText {
    fn line(&self, text: core::fmt::Arguments<'_>) {
        write_line(self.descriptor, format_args!("{:>10}:\t{text}", self.process));
    }
}

/// Writes a line in one piece.
fn write_line(descriptor: i32, text: core::fmt::Arguments<'_>) {
    let line = crate::error::text(format_args!("{text}\n"));
    crt::syscall::write_all(descriptor, line.as_bytes());
}

impl Sink for DebugText {
    fn take(&self, event: &Event<'_>) {
        match event {
            Event::Wanted { library, by } => {
                self.line(format_args!(""));
                self.line(format_args!("file={} [0];  needed by {by} [0]", Lossy(library)));
                self.line(format_args!("find library={} [0]; searching", Lossy(library)));
            }
            Event::SearchList { place, directories } => match directories {
                Some(directories) => self.line(format_args!(" search path={}\t\t({place})", Lossy(directories))),
                None => self.line(format_args!(" search cache={place}")),
            },
            Event::Trying(path) => self.line(format_args!("  trying file={}", Lossy(path))),
            Event::Mapped(module) => {
                let (start, end) = module.range();
                self.line(format_args!("file={} [0];  generating link map", module.name));
                self.line(format_args!(
                    "  dynamic: {:#018x}  base: {:#018x}   size: {:#018x}",
                    module.layout.dynamic.map_or(0, |(at, _)| module.at(at).0),
                    module.image.bias().0,
                    end.0.wrapping_sub(start.0),
                ));
                self.line(format_args!(
                    "    entry: {:#018x}  phdr: {:#018x}  phnum: {:>18}",
                    module.at(module.layout.entry).0,
                    module.layout.phdr.map_or(0, |at| module.at(at).0),
                    module.headers.len(),
                ));
            }
            Event::Unusual { module, what, value } => self.line(format_args!("file={module} [0];  {what} {value:#x}")),
            Event::Version { version, provider, by } => self.line(format_args!(
                "checking for version `{}' in file {provider} [0] required by file {by} [0]",
                Lossy(version)
            )),
            Event::Scope { module, list } => {
                self.line(format_args!("object={module} [0]"));
                let mut names = String::new();
                for name in *list {
                    let _ = write!(names, " {name}");
                }
                self.line(format_args!(" scope 0:{names}"));
            }
            Event::Relocating(module) => self.line(format_args!("relocation processing: {module}")),
            Event::LookedUp { symbol, module } => {
                self.line(format_args!("symbol={};  lookup in file={module} [0]", Lossy(symbol)))
            }
            Event::Bound {
                from,
                to,
                symbol,
                version,
                index: _,
            } => {
                let (before, after) = if version.is_some() { (" [", "]") } else { ("", "") };
                let (symbol, version) = (Lossy(symbol), Lossy(version.unwrap_or_default()));
                self.line(format_args!(
                    "binding file {from} [0] to {to} [0]: normal symbol `{symbol}'{before}{version}{after}"
                ));
            }
            Event::Resolved {
                module,
                resolver,
                answer,
            } => self.line(format_args!("resolver {resolver} for {module} answers {answer}")),
            Event::Initialising(module) => self.line(format_args!("calling init: {module}")),
            Event::Finalising(module) => self.line(format_args!("calling fini: {module} [0]")),
            Event::Transferring(module) => self.line(format_args!("transferring control: {module}")),
            Event::Warning(text) => write_line(2, format_args!("{}: {text}", Lossy(self.program))),
            Event::Line(text) => write_line(2, *text),
            Event::Failed(error) => self.line(format_args!("{error}: error")),
            Event::Statistics(counts) => {
                self.line(format_args!("runtime linker statistics:"));
                let counts = [
                    counts.modules,
                    counts.relr,
                    counts.relative,
                    counts.symbolic,
                    counts.lookups,
                    counts.repeated,
                    counts.resolvers,
                    counts.copies,
                ];
                for (place, count) in counts.into_iter().enumerate() {
                    self.line(format_args!("{:>40}: {count}", crt::line(COUNTS, place)));
                }
            }
        }
    }
}
