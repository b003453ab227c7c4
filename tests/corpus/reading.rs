//! ELF files of this machine, found in folders and read as the loader reads a library, up to the point where it would bind it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lode::arch::x86_64::MACHINE;
use lode::error::Name;
use lode::event::{Interest, Log, Silence};
use lode::search::{Directories, Searcher, Settings, X86_64};
use lode::stages::demands;
use lode::stages::map::{Context, map_file};
use lode::world::{Host, Module, ModuleId, Role};

use memory::Memory;

/// Reads a file as the loader reads a library: header, plan, dynamic section, symbol tables, what it demands beyond them.
pub fn read(path: &Path) -> Result<Arc<Module>, Box<lode::error::Error>> {
    let searcher = Searcher::new(
        &Settings {
            conventions: &X86_64,
            secure: false,
            library_path: None,
            inhibit_rpath: None,
            hwcaps_prepend: None,
            hwcaps_mask: None,
            cpu_level: 4,
            platform: None,
            program_origin: None,
        },
        None,
    );
    let mut host = Memory::new(0x7f00_0000_0000);
    let name = path.to_str().unwrap();
    host.add(name, fs::read(path).unwrap());
    let context = Context {
        host: &host,
        searcher: &searcher,
        directories: &mut Directories::new(),
        machine: &MACHINE,
        page_size: 4096,
        cpu_level: 4,
        tolerant: false,
        trusted_preloads: false,
        log: Log {
            interest: Interest::empty(),
            sink: &Silence,
        },
    };
    let file = host.open(name.as_bytes()).unwrap();
    let parts = map_file(&file, Name::from(name), Role::Library, None, &context)?;
    let name = parts.name.clone();
    let fault = |kind: lode::error::Fault| kind.of(lode::error::Stage::Map, &name);
    let module = Module::new(ModuleId(0), parts).map_err(fault)?;
    demands::check(&module, 4, &host, context.log).map_err(fault)?;
    Ok(module)
}

/// What the corpus takes: whole programs and libraries for this machine, up to 64 MiB.
fn is_for_this_machine(path: &Path) -> bool {
    use std::io::Read as _;
    let mut start = [0; 20];
    let Ok(mut file) = fs::File::open(path) else {
        return false;
    };
    let small = file.metadata().is_ok_and(|metadata| metadata.len() < 1 << 26);
    small
        && file.read_exact(&mut start).is_ok()
        && start.starts_with(b"\x7fELF\x02\x01")
        && matches!(start[16], 2 | 3)
        && start[18] == 62
        // Some packages have files for FreeBSD beside those for Linux.
        && start[7] != 9
}

/// Those below a folder, in the order of their paths.
pub fn files_below(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        // Links are names of files that come by themselves.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&entry.path(), into),
            Ok(kind) if kind.is_file() && is_for_this_machine(&entry.path()) => into.push(entry.path()),
            _ => {}
        }
    }
}
