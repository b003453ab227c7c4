//! `LD_DEBUG`: the lines that people and scripts know from glibc, each with the process id before it; and the event stream (`LODE_OPTIONS=events=…`),
//! which is these lines and some more, each with the time before it. docs/events.md is its schema, `lode-tool explain` its reader.
#![forbid(unsafe_code)]

use alloc::string::String;
use core::fmt::Write;
use core::sync::atomic::{AtomicI32, Ordering};

use crate::error::{Lossy, Name, Rejected};
use crate::event::{Event, Interest, Sink, Statistics};
use crate::world::Module;

/// What the event stream shows. Each file in which each symbol is looked up would be most of it, and follows from the scopes.
pub const STREAM: Interest = Interest::LIBS
    .union(Interest::FILES)
    .union(Interest::BINDINGS)
    .union(Interest::VERSIONS)
    .union(Interest::RELOC)
    .union(Interest::SCOPES)
    .union(Interest::STATISTICS)
    .union(Interest::STREAM);

/// Writes events as text to a descriptor.
#[derive(Debug)]
pub struct DebugText {
    /// Where to: 2, the file of `LD_DEBUG_OUTPUT`, or where the event stream goes.
    pub descriptor: AtomicI32,
    /// The process's number, for the prefix. 0 for the event stream: the time (nanoseconds, CLOCK_MONOTONIC) stands there.
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
        let prefix = match self.process {
            0 => crt::syscall::monotonic_time(),
            process => process,
        };
        write_line(
            self.descriptor.load(Ordering::Relaxed),
            format_args!("{prefix:>10}:\t{text}"),
        );
    }

    fn module(&self, module: &Module) {
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

    fn scope(&self, module: &Name, list: &[&Name]) {
        self.line(format_args!("object={module} [0]"));
        let mut names = String::new();
        for name in list {
            let _ = write!(names, " {name}");
        }
        self.line(format_args!(" scope 0:{names}"));
    }

    fn statistics(&self, counts: &Statistics) {
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

    /// Whoever reads the stream may look at the process as a stage left it: where the descriptor can be read from, a byte has to be sent back.
    fn wait(&self) {
        let _ = crt::syscall::read(self.descriptor.load(Ordering::Relaxed), &mut [0]);
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
            Event::Passed { path, why } => {
                let path = Lossy(path);
                match why {
                    Rejected::Os(errno) => self.line(format_args!("  passed {path}: {errno}")),
                    Rejected::Unfit(kind) => self.line(format_args!("  passed {path}: {kind}")),
                }
            }
            Event::Mapped(module) | Event::Present(module) => self.module(module),
            Event::Unusual { module, what, value } => self.line(format_args!("file={module} [0];  {what} {value:#x}")),
            Event::Version { version, provider, by } => self.line(format_args!(
                "checking for version `{}' in file {provider} [0] required by file {by} [0]",
                Lossy(version)
            )),
            Event::Scope { module, list } => self.scope(module, list),
            Event::TlsPlaced(module) => {
                if let Some(slot) = module.tls() {
                    let below = slot.offset.unwrap_or(0);
                    self.line(format_args!("tls {} at {below}: {}", slot.id, module.name));
                }
            }
            Event::Relocating { module, waits } => {
                let lazy = if *waits { " (lazy)" } else { "" };
                self.line(format_args!("relocation processing: {module}{lazy}"));
            }
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
            Event::Awake(pointer) => self.line(format_args!("thread pointer {pointer}")),
            Event::Calling(function) => self.line(format_args!("calling {function}")),
            Event::Returned => self.line(format_args!("returned")),
            Event::Protected { module, start, length } => self.line(format_args!("relro {start} {length}: {module}")),
            Event::Resolved {
                module,
                resolver,
                answer,
            } => self.line(format_args!("resolver {resolver} for {module} answers {answer}")),
            Event::Initialising(module) => self.line(format_args!("calling init: {module}")),
            Event::Finalising(module) => self.line(format_args!("calling fini: {module} [0]")),
            Event::Transferring(module) => {
                self.line(format_args!("transferring control: {module}"));
                if self.process == 0 {
                    self.wait();
                    // The program may use the number for something else. The first three are the program's from its start.
                    let descriptor = self.descriptor.swap(-1, Ordering::Relaxed);
                    if descriptor > 2 {
                        let _ = crt::syscall::close(descriptor);
                    }
                }
            }
            Event::Handed(kind, value) => self.line(format_args!("auxv {kind} {value}")),
            Event::Reached(stage) => {
                self.line(format_args!("stage {}", *stage as u64));
                self.wait();
            }
            Event::Warning(text) => write_line(2, format_args!("{}: {text}", Lossy(self.program))),
            Event::Line(text) => write_line(2, *text),
            Event::Failed(error) => self.line(format_args!("{error}: error {}", error.kind.code())),
            Event::Statistics(counts) => self.statistics(counts),
        }
    }
}
