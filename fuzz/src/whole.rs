//! The whole line, from a file to constructors, over files in memory.

use forge::{Binding, Kind, Module};
use lode::arch::x86_64::MACHINE;
use lode::elf::Address;
use lode::error::{Name, Result};
use lode::event::{Event, Interest, Log, Sink};
use lode::process::Allow;
use lode::search::{Conventions, Directories, Searcher, Settings};
use lode::stages::init::{Ready, constructors, destructors};
use lode::stages::map::{Context, Mapped, map_file};
use lode::stages::relocate::{Binding as How, Entries};
use lode::world::{Host as _, Namespace, Role, World};
use memory::Memory;

/// Where the first module is placed.
pub const BASE: u64 = 0x7f00_0000_0000;

static CONVENTIONS: Conventions = Conventions {
    directories: &["/lib"],
    lib: &["lib"],
    cache_flags: 0,
    levels: &[],
};

/// Where lode's own code pretends to be.
const ENTRIES: Entries = Entries {
    lazy: Address(0xaaaa_0001),
    pending: Address(0xaaaa_0002),
    tls_static: Address(0xaaaa_0003),
    tls_dynamic: Address(0xaaaa_0004),
    tls_undefined: Address(0xaaaa_0005),
};

/// Takes every event, so that it is made.
struct Ear;

impl Sink for Ear {
    fn take(&self, _: &Event<'_>) {}
}

const LOG: Log<'static> = Log {
    interest: Interest::all(),
    sink: &Ear,
};

/// Lets something be mapped from a host.
pub fn mapping<T>(host: &Memory, walk: impl FnOnce(&mut Context<'_>) -> Result<T>) -> Result<T> {
    let settings = Settings {
        conventions: &CONVENTIONS,
        secure: false,
        library_path: Some(b"/opt/$LIB:/lib"),
        inhibit_rpath: None,
        hwcaps_prepend: None,
        hwcaps_mask: None,
        cpu_level: 1,
        platform: Some(b"x86_64"),
        program_origin: None,
    };
    walk(&mut Context {
        host,
        searcher: &Searcher::new(&settings, None),
        directories: &mut Directories::new(),
        machine: &MACHINE,
        page_size: 4096,
        cpu_level: 1,
        tolerant: false,
        trusted_preloads: false,
        log: LOG,
    })
}

/// A library that a program needs, and that may need `libb.so`: mapped, linked, relocated, resolved, protected and published.
pub fn line(bytes: &[u8]) {
    let mut main = Module::program("");
    main.needed("liba.so");
    let mut b = Module::library("libb.so");
    let version = b.define_version("B");
    let place = b.text(&[0xc3]);
    let foreign = b.define("foreign", Binding::Global, Kind::Function, place, 1);
    b.versioned(foreign, version);
    let mut host = Memory::new(BASE);
    host.add("/bin/main", main.forge().bytes);
    host.add("/lib/libb.so", b.forge().bytes);
    host.add("/lib/liba.so", bytes.to_vec());
    for now in [true, false] {
        match start(&host, now) {
            Ok(ready) => ready.modules.iter().for_each(|module| {
                let functions = constructors(module).chain(destructors(module));
                assert!(functions.count() < 1 << 24);
                module.symbols.count();
            }),
            Err(error) => assert!(!error.report(b"main").to_string().is_empty()),
        }
        assert_eq!(
            Memory::outstanding(),
            (0, 0),
            "what was opened and mapped is closed and unmapped"
        );
    }
}

fn start(host: &Memory, now: bool) -> Result<Ready> {
    let mut world = World::default();
    let file = host.open(b"/bin/main").unwrap();
    let mapped = mapping(host, |context| {
        let program = map_file(&file, Name::from("/bin/main"), Role::Program, None, context)?;
        Mapped::load(Some(program), &[], Namespace::BASE, &world, context)
    })?;
    drop(file);
    let how = How {
        machine: &MACHINE,
        now,
        waits: !now,
        entries: ENTRIES,
        substitutes: &[],
        allow: Allow::empty(),
    };
    let relocated = mapped.link(&world, LOG)?.relocate(&world, how, host, LOG)?;
    let resolved = relocated.awake().resolve(&world, host, LOG)?;
    Ok(resolved.protect(host, 4096, LOG)?.publish(&mut world))
}
