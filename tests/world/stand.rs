//! Walks forged modules along the loader's straight line, as the start of a program and as `dlopen` do.

use std::sync::{Arc, Mutex};

use lode::arch::x86_64::MACHINE;
use lode::elf::{Address, Vaddr};
use lode::error::{Error, Kind, Name, Result, Rule};
use lode::event::{Event, Interest, Log, Sink};
use lode::process::Allow;
use lode::search::{Conventions, Directories, Purpose, Searcher, Settings};
use lode::stages::init::Ready;
use lode::stages::link::Linked;
use lode::stages::map::{Context, Mapped, Wish, map_file};
use lode::stages::relocate::{Binding, Entries, Relocated};
use lode::world::{Host, Module, ModuleId, Namespace, Role, World};

use memory::Memory;

/// Two default directories, no subdirectories for CPU levels: error texts stay short.
static CONVENTIONS: Conventions = Conventions {
    directories: &["/lib", "/usr/lib"],
    lib: &["lib"],
    cache_flags: 0,
    levels: &[],
};

/// Where lode's own code pretends to be.
pub const ENTRIES: Entries = Entries {
    lazy: Address(0xaaaa_0001),
    pending: Address(0xaaaa_0002),
    tls_static: Address(0xaaaa_0003),
    tls_dynamic: Address(0xaaaa_0004),
    tls_undefined: Address(0xaaaa_0005),
};

/// The program's path.
pub const PROGRAM: &str = "/bin/main";

/// Where the first module is placed unless a test says otherwise.
pub const BASE: u64 = 0x7f00_0000_0000;

/// A process in the making.
pub struct Stand {
    /// Its files.
    pub host: Memory,
    /// What is loaded.
    pub world: World,
    /// LD_LIBRARY_PATH.
    pub library_path: Option<String>,
    /// LD_PRELOAD.
    pub preloads: Vec<String>,
    /// LD_BIND_NOW.
    pub bind_now: bool,
    /// Long tables of function slots wait for their calls.
    pub waits: bool,
    /// `--allow`.
    pub allow: Allow,
    /// `--list`: a missing library is no error.
    pub tolerant: bool,
    /// RTLD_DEEPBIND, for what is opened.
    pub binds_deep: bool,
    /// Which events are kept.
    pub interest: Interest,
    journal: Journal,
}

impl Stand {
    /// A process without files, whose program will be `program`.
    pub fn new(program: &forge::Module) -> Stand {
        crate::resolver::obey_environment();
        let mut stand = Stand {
            host: Memory::new(BASE),
            world: World::default(),
            library_path: None,
            preloads: Vec::new(),
            bind_now: true,
            waits: false,
            allow: Allow::empty(),
            tolerant: false,
            binds_deep: false,
            interest: Interest::empty(),
            journal: Journal::default(),
        };
        stand.add(PROGRAM, program);
        stand
    }

    /// Adds a module as a file.
    pub fn add(&mut self, path: &str, module: &forge::Module) -> &mut Stand {
        self.host.add(path, module.forge().bytes);
        self
    }

    fn log(&self) -> Log<'_> {
        Log {
            interest: self.interest,
            sink: &self.journal,
        }
    }

    /// What happened, one line an event.
    pub fn events(&self) -> Vec<String> {
        self.journal.0.lock().unwrap().clone()
    }

    fn mapping<T>(&self, walk: impl FnOnce(&mut Context<'_>) -> Result<T>) -> Result<T> {
        let searcher = Searcher::new(
            &Settings {
                conventions: &CONVENTIONS,
                secure: false,
                library_path: self.library_path.as_deref().map(str::as_bytes),
                inhibit_rpath: None,
                hwcaps_prepend: None,
                hwcaps_mask: None,
                cpu_level: 1,
                platform: Some(b"x86_64"),
                program_origin: None,
            },
            None,
        );
        walk(&mut Context {
            host: &self.host,
            searcher: &searcher,
            directories: &mut Directories::new(),
            machine: &MACHINE,
            page_size: 4096,
            cpu_level: 1,
            tolerant: self.tolerant,
            trusted_preloads: false,
            log: self.log(),
        })
    }

    /// The program and all it needs, mapped.
    pub fn map(&self) -> Result<Mapped> {
        let file = self.host.open(PROGRAM.as_bytes()).unwrap();
        let wishes: Vec<Wish<'_>> = self
            .preloads
            .iter()
            .map(|name| Wish {
                name: name.as_bytes(),
                purpose: Purpose::Preload,
                asker: None,
            })
            .collect();
        self.mapping(|context| {
            let program = map_file(&file, Name::from(PROGRAM), Role::Program, None, context)?;
            Mapped::load(Some(program), &wishes, Namespace::BASE, &self.world, context)
        })
    }

    /// As [`Stand::map`], and linked.
    pub fn link(&self) -> Result<Linked> {
        self.map()?.link(&self.world, self.log())
    }

    /// As [`Stand::link`], and relocated.
    pub fn relocate(&self) -> Result<Relocated> {
        self.store(self.link()?)
    }

    fn store(&self, linked: Linked) -> Result<Relocated> {
        let binding = Binding {
            machine: &MACHINE,
            now: self.bind_now,
            waits: self.waits,
            entries: ENTRIES,
            substitutes: &[],
            allow: self.allow,
        };
        linked.relocate(&self.world, binding, &self.host, self.log())
    }

    fn finish(&mut self, relocated: Relocated) -> Result<Ready> {
        let log = Log {
            interest: self.interest,
            sink: &self.journal,
        };
        let resolved = relocated.awake().resolve(&self.world, &self.host, log)?;
        let protected = resolved.protect(&self.host, 4096, log)?;
        Ok(protected.publish(&mut self.world))
    }

    /// The whole start.
    pub fn start(&mut self) -> Result<Ready> {
        let relocated = self.relocate()?;
        self.finish(relocated)
    }

    /// What `dlopen` does, without constructors.
    pub fn open(&mut self, name: &str) -> Result<Ready> {
        self.open_in(Namespace::BASE, name)
    }

    /// What `dlmopen` does, without constructors.
    pub fn open_in(&mut self, namespace: Namespace, name: &str) -> Result<Ready> {
        let wish = Wish {
            name: name.as_bytes(),
            purpose: Purpose::Open,
            asker: None,
        };
        let mut mapped = self.mapping(|context| Mapped::load(None, &[wish], namespace, &self.world, context))?;
        for module in mapped.batch.modules.iter_mut().filter_map(Arc::get_mut) {
            module.binds_deep = self.binds_deep;
        }
        let linked = mapped.link(&self.world, self.log())?;
        let relocated = self.store(linked)?;
        self.finish(relocated)
    }

    /// Makes a file part of the world as it is: a module that arrives final, such as lode itself.
    pub fn reside(&mut self, path: &str, role: Role) -> Arc<Module> {
        let file = self.host.open(path.as_bytes()).unwrap();
        let mut parts = self
            .mapping(|context| map_file(&file, Name::from(path), role, None, context))
            .unwrap();
        parts.is_final = true;
        let id = self.world.next;
        let module = Module::new(id, parts).unwrap();
        self.world.extend(vec![module.clone()]);
        module
    }

    /// A loaded module, by path.
    pub fn module(&self, path: &str) -> &Module {
        let mut modules = self.world.modules.iter();
        modules.find(|module| module.name.bytes() == path.as_bytes()).unwrap()
    }

    /// The names of modules.
    pub fn names(&self, ids: &[ModuleId]) -> Vec<String> {
        let name = |id: &ModuleId| self.world.get(*id).unwrap().name.to_string();
        ids.iter().map(name).collect()
    }

    /// The run-time address of a link-time address of a loaded module.
    pub fn at(&self, path: &str, vaddr: u64) -> u64 {
        self.module(path).at(Vaddr(vaddr)).0
    }

    /// A 64-bit word of a loaded module.
    pub fn word(&self, path: &str, place: u64) -> u64 {
        self.module(path).image.load(Vaddr(place)).unwrap()
    }

    /// A 32-bit word of a loaded module.
    pub fn half(&self, path: &str, place: u64) -> u32 {
        self.module(path).image.load(Vaddr(place)).unwrap()
    }
}

/// Every byte of a module.
pub fn memory(module: &Module) -> Vec<u8> {
    let extents = module.image.extents().iter();
    extents
        .flat_map(|extent| module.image.copy(extent.start, extent.length as usize).unwrap())
        .collect()
}

/// The error of something that must fail.
pub fn error<T>(result: Result<T>) -> Box<Error> {
    match result {
        Ok(_) => panic!("it did not fail"),
        Err(error) => error,
    }
}

/// The rule that a file breaks.
pub fn rule(error: &Error) -> Rule {
    match error.kind {
        Kind::Malformed { rule, .. } | Kind::Relocation { rule, .. } => rule,
        _ => panic!("{error:?}"),
    }
}

/// Events as lines.
#[derive(Default)]
struct Journal(Mutex<Vec<String>>);

impl Sink for Journal {
    fn take(&self, event: &Event<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let line = match event {
            Event::Wanted { library, by } => format!("{by} wants {}", text(library)),
            Event::SearchList { place, directories } => {
                format!("search {place}: {}", text(directories.unwrap_or(b"-")))
            }
            Event::Trying(path) => format!("try {}", text(path)),
            Event::Mapped(module) => format!("map {} at {}", module.name, module.image.bias()),
            Event::Unusual { module, what, value } => format!("{module}: {what} {value:#x}"),
            Event::Version { version, provider, by } => format!("{by} requires {} of {provider}", text(version)),
            Event::Scope { module, list } => format!("scope of {module}: {list:?}"),
            Event::Relocating { module, .. } => format!("relocate {module}"),
            Event::LookedUp { symbol, module } => format!("look for {} in {module}", text(symbol)),
            Event::Bound {
                from,
                to,
                symbol,
                version,
                ..
            } => match version {
                Some(version) => format!("bind {}@{} of {from} to {to}", text(symbol), text(version)),
                None => format!("bind {} of {from} to {to}", text(symbol)),
            },
            Event::Resolved {
                module,
                resolver,
                answer,
            } => format!("{resolver} answers {answer} for {module}"),
            Event::Initialising(module) => format!("init {module}"),
            Event::Finalising(module) => format!("fini {module}"),
            Event::Transferring(module) => format!("jump to {module}"),
            Event::Warning(words) | Event::Line(words) => format!("warning: {words}"),
            Event::Failed(error) => format!("failed: {error}"),
            Event::Statistics(counts) => format!("{counts:?}"),
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(line);
    }
}
