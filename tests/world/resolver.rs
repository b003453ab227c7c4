//! That the index of a scope gives the answers of the walk: every word, every note of who is bound to whom, every error.
//!
//! How definitions are found is decided for the whole process, so the tests here take turns. The others of the suite do not decide it; they
//! run once more in processes that do ([`the_suite_passes_whichever_way_definitions_are_found`]).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::{env, fs};

use fastrand::Rng;
use forge::{Binding, HashStyle, Kind, Module, Visibility, gnu_hash};
use lode::error::FOR_MUSL;
use lode::scope::{DYNAMIC_WEAK, INDEX, RESOLVER, WALK};
use lode::world::{Namespace, Role};

use crate::binding::{function, pointer, slot};
use crate::stand::{PROGRAM, Stand, memory};

const R_64: u32 = 1;
const COPY: u32 = 5;
const GLOB_DAT: u32 = 6;
const JUMP_SLOT: u32 = 7;
const DTPMOD: u32 = 16;
const TPOFF: u32 = 18;
const SIZE: u32 = 33;
const DT_FLAGS: u64 = 30;
const DF_SYMBOLIC: u64 = 2;
const DT_GNU_HASH: u64 = 0x6fff_fef5;

const A: &str = "/lib/liba.so";

/// The rules for a whole process: `walk`, `index`, `weak` (LD_DYNAMIC_WEAK), `musl`.
const RULES: &str = "LODE_TEST_RULES";

/// Decides for this process what [`RULES`] says.
pub fn obey_environment() {
    match env::var(RULES).as_deref() {
        Ok("walk") => RESOLVER.store(WALK, Ordering::Relaxed),
        Ok("index") => RESOLVER.store(INDEX, Ordering::Relaxed),
        Ok("weak") => DYNAMIC_WEAK.store(true, Ordering::Relaxed),
        Ok("musl") => FOR_MUSL.store(true, Ordering::Relaxed),
        _ => {}
    }
}

/// Runs tests of this suite in a process with other rules, unless this is one.
fn again(rules: &str, arguments: &[&str]) {
    if env::var_os(RULES).is_some() {
        return;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command.args(arguments).env(RULES, rules).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{rules}: {text}");
    assert!(!text.contains("running 0 tests"), "{rules}: {text}");
}

/// What can be seen of a process: what failed, and of each module every byte, whom it keeps, and whether it stays for good.
fn traces(stand: &Stand, errors: &[String]) -> Vec<String> {
    let mut traces = errors.to_vec();
    for module in stand.world.modules.iter() {
        let bound: BTreeSet<u32> = module.bound_to().map(|id| id.0).collect();
        let (name, words) = (&module.name, memory(module));
        traces.push(format!("{name} {bound:?} {} {words:x?}", module.is_pinned()));
    }
    let unique = stand.world.unique.iter();
    let unique: BTreeSet<_> = unique
        .map(|(name, module, index)| format!("{name} {} {}", module.0, index.0))
        .collect();
    traces.push(format!("{unique:?} {:x?}", stand.host.resolved.borrow()));
    // The walk warns as often as it forgets what it found last.
    traces.extend(stand.events().into_iter().collect::<BTreeSet<_>>());
    traces
}

/// Starts the program of a stand, opens libraries, and returns what can be seen.
fn run(stand: Stand, opened: &[&str]) -> (Stand, Vec<String>) {
    let (stand, errors) = run_plain(stand, opened);
    let traces = traces(&stand, &errors);
    (stand, traces)
}

/// As [`run`], but returns only what failed.
fn run_plain(mut stand: Stand, opened: &[&str]) -> (Stand, Vec<String>) {
    let mut errors = Vec::new();
    let report = |error: Box<lode::error::Error>| error.report(b"main").to_string();
    match stand.start() {
        Ok(_) => {
            for name in opened {
                errors.extend(stand.open(name).err().map(report));
            }
        }
        Err(error) => errors.push(report(error)),
    }
    (stand, errors)
}

/// Says where traces differ; all of two modules is more than anybody reads.
fn compare(traces: &[String], walk: &[String]) {
    for (trace, walk) in traces.iter().zip(walk) {
        let words = trace.split(' ').zip(walk.split(' ')).enumerate();
        let differing: Vec<_> = words.filter(|(_, (word, walk))| word != walk).collect();
        assert!(differing.is_empty(), "{:.30}: {differing:?}", trace);
    }
    assert_eq!(traces.len(), walk.len());
}

/// Does something while definitions are found in one way.
fn found_by<T>(resolver: u8, what: impl FnOnce() -> T) -> T {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    RESOLVER.store(resolver, Ordering::Relaxed);
    let made = what();
    RESOLVER.store(0, Ordering::Relaxed);
    made
}

/// A process whose definitions are found by the index, when the walk and lode's own choice have led to the same.
fn alike(make: impl Fn() -> Stand, opened: &[&str]) -> (Stand, Vec<String>) {
    let by = |resolver| found_by(resolver, || run(make(), opened));
    let walk = by(WALK).1;
    compare(&by(0).1, &walk);
    let (stand, index) = by(INDEX);
    compare(&index, &walk);
    (stand, index)
}

/// As [`alike`], for a program that needs libraries named liba.so, libb.so and so on.
fn alike_with(program: &Module, libraries: &[&Module]) -> Stand {
    let make = || {
        let mut stand = Stand::new(program);
        for (library, letter) in libraries.iter().zip('a'..) {
            stand.add(&format!("/lib/lib{letter}.so"), library);
        }
        stand
    };
    alike(make, &[]).0
}

/// A program that needs so many libraries.
fn program(libraries: usize) -> Module {
    let mut program = Module::program("");
    for letter in ('a'..).take(libraries) {
        program.needed(&format!("lib{letter}.so"));
    }
    program
}

/// A library that defines `f`, and whose filter says that it has nothing.
fn liar() -> (Vec<u8>, u64) {
    let mut library = Module::library("liba.so");
    let (_, place) = function(&mut library, "f", Binding::Global);
    let mut forged = library.forge();
    let filter = forged.dynamic(DT_GNU_HASH).unwrap() as usize + 16;
    forged.set(filter, 8, 0);
    (forged.bytes, place)
}

#[test]
fn the_suite_passes_whichever_way_definitions_are_found() {
    for rules in ["walk", "index"] {
        again(rules, &["--skip", "resolver::", "--skip", "damage::"]);
    }
}

/// The one difference there is. Without it nobody could see from outside which way was taken.
#[test]
fn only_the_walk_believes_a_filter_that_denies() {
    for (rules, count, is_found) in [
        ("walk", 1, false),
        ("walk", 2000, false),
        ("index", 1, true),
        ("adaptive", 999, false),
        ("adaptive", 1000, true),
    ] {
        let test = "resolver::a_filter_that_denies";
        let (count, is_found) = (count.to_string(), is_found.to_string());
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]);
        command.env(RULES, rules).env("COUNT", &count).env("FOUND", is_found);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{rules} {count}: {text}");
        assert!(text.contains("1 passed"), "{text}");
    }
}

/// Has something to do in a process of [`only_the_walk_believes_a_filter_that_denies`].
#[test]
fn a_filter_that_denies() {
    let variable = |name| env::var(name).ok();
    let (Some(count), Some(found)) = (variable("COUNT"), variable("FOUND")) else {
        return;
    };
    let mut program = program(1);
    let symbol = program.undefined("f", Binding::Weak);
    let word = pointer(&mut program, symbol);
    for _ in 1..count.parse::<u32>().unwrap() {
        program.relocation(word, 0, None, 0);
    }
    let mut stand = Stand::new(&program);
    let (bytes, place) = liar();
    stand.host.add(A, bytes);
    stand.start().unwrap();
    let expected = if found == "true" { stand.at(A, place) } else { 0 };
    assert_eq!(stand.word(PROGRAM, word), expected);
}

#[test]
fn who_wants_an_address_and_who_wants_to_call_get_different_answers_from_one_table() {
    let mut program = program(1);
    program.fixed();
    let plt = program.text(&[0xc3; 16]);
    let f = program.undefined_with_value("f", plt);
    let called = slot(&mut program, f);
    // What linkers do not do: each in the other's table.
    let places = [GLOB_DAT, JUMP_SLOT].map(|kind| {
        let place = program.data(&[0; 8]);
        match kind {
            GLOB_DAT => program.slot(place, kind, Some(f), 0),
            _ => program.relocation(place, kind, Some(f), 0),
        };
        place
    });
    let addressed = pointer(&mut program, f);
    let mut a = Module::library("liba.so");
    let (_, real) = function(&mut a, "f", Binding::Global);
    let stand = alike_with(&program, &[&a]);
    let real = stand.at(A, real);
    let words = [called, places[0], places[1], addressed].map(|place| stand.word(PROGRAM, place));
    assert_eq!(words, [real, plt, real, plt]);
}

#[test]
fn names_of_one_hash_are_told_apart() {
    // The second differs from the first by nothing, the third by the bit that tables do not hold.
    let names = ["xab", "xbA", "xbB"];
    let hashes = names.map(gnu_hash);
    assert_eq!((hashes[1], hashes[2] ^ 1), (hashes[0], hashes[0]));
    let mut program = program(3);
    let words = names.map(|name| {
        let symbol = program.undefined(name, Binding::Global);
        pointer(&mut program, symbol)
    });
    // In one module, and in two; the last one has all three.
    let mut places = Vec::new();
    let [a, b, c] = [&["xbB", "xab"][..], &["xbA"], &names].map(|names| {
        let mut library = Module::library("");
        for name in names {
            places.push(function(&mut library, name, Binding::Global).1);
        }
        library
    });
    let stand = alike_with(&program, &[&a, &b, &c]);
    let found = words.map(|place| stand.word(PROGRAM, place));
    let b = "/lib/libb.so";
    assert_eq!(
        found,
        [stand.at(A, places[1]), stand.at(b, places[2]), stand.at(A, places[0])]
    );
}

#[test]
fn a_table_of_another_kind_among_others_keeps_its_place_and_its_order() {
    for style in [HashStyle::Sysv, HashStyle::Neither, HashStyle::Both] {
        let mut program = program(3);
        let words = ["f", "g"].map(|name| {
            let symbol = program.undefined(name, Binding::Global);
            pointer(&mut program, symbol)
        });
        let libraries = ["a", "b", "c"].map(|name| {
            let mut library = Module::library(name);
            let one = library.define_version("ONE");
            // Both serve a reference without a version; DT_HASH has the last one first.
            let (first, _) = function(&mut library, "f", Binding::Global);
            library.versioned(first, one);
            function(&mut library, "f", Binding::Global);
            if name != "a" {
                function(&mut library, "g", Binding::Global);
            }
            library
        });
        let [mut a, mut b, c] = libraries;
        a.hash_style(style);
        b.hash_style(style);
        let stand = alike_with(&program, &[&a, &b, &c]);
        let found = words.map(|place| stand.word(PROGRAM, place));
        let b = stand.module(if style == HashStyle::Neither {
            "/lib/libc.so"
        } else {
            "/lib/libb.so"
        });
        assert!(b.contains(lode::elf::Address(found[1])), "{style:?}");
    }
}

#[test]
fn the_only_default_of_a_module_counts_for_that_module_only() {
    // liba.so has two defaults of later versions, which is none; libb.so has one.
    let mut program = program(3);
    let symbol = program.undefined("f", Binding::Global);
    let word = pointer(&mut program, symbol);
    let mut expected = 0;
    let [a, b, c] = [2, 1, 2].map(|count| {
        let mut library = Module::library("");
        let versions = ["ONE", "TWO", "THREE"].map(|name| library.define_version(name));
        for version in versions.iter().skip(1).take(count) {
            let (symbol, place) = function(&mut library, "f", Binding::Global);
            library.versioned(symbol, *version);
            if count == 1 {
                expected = place;
            }
        }
        library
    });
    let stand = alike_with(&program, &[&a, &b, &c]);
    assert_eq!(stand.word(PROGRAM, word), stand.at("/lib/libb.so", expected));
}

#[test]
fn what_is_opened_has_an_index_of_its_own_scope() {
    for binds_deep in [false, true] {
        let mut main = program(1);
        let (_, first) = function(&mut main, "f", Binding::Global);
        let mut a = Module::library("liba.so");
        let (_, shared) = function(&mut a, "g", Binding::Global);
        // In the global list as well as in its own.
        let mut x = Module::library("libx.so");
        x.needed("liba.so").needed("liby.so");
        let mut y = Module::library("liby.so");
        let (_, own) = function(&mut y, "f", Binding::Global);
        function(&mut y, "g", Binding::Global);
        let (_, only) = function(&mut y, "h", Binding::Global);
        let words = ["f", "g", "h"].map(|name| {
            let symbol = x.undefined(name, Binding::Global);
            pointer(&mut x, symbol)
        });
        let make = || {
            let mut stand = Stand::new(&main);
            stand.binds_deep = binds_deep;
            stand.add(A, &a).add("/lib/libx.so", &x).add("/lib/liby.so", &y);
            stand
        };
        let (stand, _) = alike(make, &["libx.so", "liby.so"]);
        let found = words.map(|place| stand.word("/lib/libx.so", place));
        let f = match binds_deep {
            true => stand.at("/lib/liby.so", own),
            false => stand.at(PROGRAM, first),
        };
        assert_eq!(found, [f, stand.at(A, shared), stand.at("/lib/liby.so", only)]);
    }
}

#[test]
fn who_is_bound_to_whom_is_noted_once_for_each_module() {
    // libx.so is bound to what was opened before it for all to see, and does not need it.
    let mut x = Module::library("libx.so");
    let f = x.undefined("f", Binding::Global);
    for _ in 0..3 {
        pointer(&mut x, f);
        slot(&mut x, f);
    }
    // Not relocations that need a definition.
    let g = x.undefined("g", Binding::Global);
    let place = x.data(&[0; 8]);
    x.relocation(place, 0, Some(g), 0);
    let [y, z] = ["f", "g"].map(|name| {
        let mut library = Module::library(name);
        function(&mut library, name, Binding::Global);
        library
    });
    let make = || {
        let mut stand = Stand::new(&Module::program(""));
        stand
            .add("/lib/libx.so", &x)
            .add("/lib/liby.so", &y)
            .add("/lib/libz.so", &z);
        stand.start().unwrap();
        for name in ["liby.so", "libz.so"] {
            let ready = stand.open(name).unwrap();
            stand.world.global.extend(ready.order);
        }
        stand.open("libx.so").unwrap();
        let x = stand.module("/lib/libx.so");
        let y = stand.module("/lib/liby.so").id;
        assert_eq!(x.bound_to().collect::<Vec<_>>(), [y]);
    };
    for resolver in [WALK, INDEX] {
        found_by(resolver, make);
    }
}

/// Files made at random, with all that decides about a definition.
#[test]
fn random_processes_are_alike() {
    let seed = env::var("LODE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| Rng::new().u64(..));
    let count = env::var("LODE_COUNT")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(100);
    let mut good = 0;
    for seed in (0..count).map(|number| number ^ seed) {
        let caught = std::panic::catch_unwind(|| random_process(seed));
        match caught {
            Ok(is_good) => good += u64::from(is_good),
            Err(_) => panic!("LODE_SEED={seed} LODE_COUNT=1 makes it again"),
        }
    }
    assert!(count == 1 || good > count / 4, "{good} of {count} processes started");
}

/// LD_DYNAMIC_WEAK, where the walk is taken in any case.
#[test]
fn random_processes_are_alike_where_weak_definitions_give_way() {
    again("weak", &["--exact", "resolver::random_processes_are_alike"]);
}

#[test]
fn random_processes_are_alike_under_the_rules_of_musl() {
    again("musl", &["--exact", "resolver::random_processes_are_alike"]);
}

/// What the symbols of a name are, so that most files can be used.
const KINDS: [Kind; 8] = [
    Kind::Function,
    Kind::Function,
    Kind::Object,
    Kind::Function,
    Kind::Tls,
    Kind::Function,
    Kind::Ifunc,
    Kind::Object,
];

const VERSIONS: [&str; 3] = ["ONE", "TWO", "THREE"];

/// A name: two of eight have the hash of another, and some end as libc's names for large files do.
fn name(number: usize) -> String {
    let front = [
        "nab",
        "nbA",
        "nbB",
        "nnn",
        "a_name_that_is_longer_than_the_others_of_its_kind",
    ][number % 5];
    let behind = ["", "64", "_r", "", "64_r", ""][number / 5 % 6];
    format!("{front}{number}{behind}")
}

fn random_library(random: &mut Rng, mut module: Module, libraries: &[String]) -> Module {
    let is_program = libraries.len() > 3;
    let styles = [
        HashStyle::Gnu,
        HashStyle::Gnu,
        HashStyle::Gnu,
        HashStyle::Both,
        HashStyle::Sysv,
        HashStyle::Neither,
    ];
    module.hash_style(styles[random.usize(..styles.len())]);
    if random.u8(..6) == 0 {
        module.tag(DT_FLAGS, DF_SYMBOLIC);
    }
    module.tls(&[1; 16], 16, 8);
    let mut versions = vec![forge::Version::GLOBAL];
    for version in VERSIONS.iter().take(random.usize(..4)) {
        versions.push(module.define_version(version));
    }
    let mut wanted = vec![forge::Version::GLOBAL; 4];
    for library in libraries {
        if random.bool() {
            wanted.push(module.need_version(library, VERSIONS[random.usize(..3)], true));
        }
    }
    let mut symbols = Vec::new();
    for _ in 0..random.usize(..24) {
        let number = random.usize(..16);
        let kind = KINDS[number % 8];
        let value = match kind {
            Kind::Tls => random.u64(..32),
            Kind::Object => module.data(&[9; 16]),
            _ => module.text(&[0xc3; 16]),
        };
        let binding = match (random.u8(..12), kind) {
            (0, _) => Binding::Local,
            (1 | 2, _) => Binding::Weak,
            (3, Kind::Object) => Binding::Unique,
            _ => Binding::Global,
        };
        let symbol = match (random.u8(..6), kind) {
            (0, Kind::Function) if binding == Binding::Global => module.undefined_with_value(&name(number), value),
            _ => module.define(&name(number), binding, kind, value, 16),
        };
        let visibility = match random.u8(..12) {
            0 => Visibility::Hidden,
            1 | 2 => Visibility::Protected,
            _ => Visibility::Default,
        };
        let version = versions[random.usize(..versions.len())];
        let version = if random.u8(..4) == 0 { version.hidden() } else { version };
        module.visibility(symbol, visibility).versioned(symbol, version);
        symbols.push((symbol, kind));
    }
    for _ in 0..random.usize(..24) {
        let number = random.usize(..20);
        let binding = if random.u8(..40) == 0 {
            Binding::Global
        } else {
            Binding::Weak
        };
        let symbol = module.undefined(&name(number), binding);
        module.versioned(symbol, wanted[random.usize(..wanted.len())]);
        symbols.push((symbol, KINDS[number % 8]));
    }
    for _ in 0..random.usize(..60) {
        let Some((symbol, kind)) = symbols.get(random.usize(..symbols.len().max(1))).copied() else {
            break;
        };
        let place = module.data(&[0; 16]);
        let kinds = match kind {
            Kind::Tls => &[DTPMOD, TPOFF][..],
            Kind::Object if is_program => &[R_64, GLOB_DAT, COPY, SIZE],
            _ => &[R_64, R_64, GLOB_DAT, JUMP_SLOT, 0],
        };
        let relocation = kinds[random.usize(..kinds.len())];
        match random.u8(..4) {
            // For what is not a function a slot is an error, and nothing else would be compared.
            0 if kind != Kind::Tls || random.u8(..60) == 0 => module.slot(place, JUMP_SLOT, Some(symbol), 0),
            1 if relocation == GLOB_DAT => module.slot(place, relocation, Some(symbol), 0),
            _ => module.relocation(place, relocation, Some(symbol), random.i64(0..9)),
        };
    }
    module
}

/// Makes a process and compares; whether it started.
fn random_process(seed: u64) -> bool {
    let mut random = Rng::with_seed(seed);
    let count = random.usize(1..8);
    let names: Vec<String> = (0..count).map(|number| format!("lib{number}.so")).collect();
    let mut files = Vec::new();
    for (number, library) in names.iter().enumerate() {
        let mut module = Module::library(library);
        let behind = &names[number + 1..];
        let needed: Vec<String> = behind.iter().filter(|_| random.u8(..3) == 0).cloned().collect();
        for library in &needed {
            module.needed(library);
        }
        files.push(random_library(&mut random, module, &needed));
    }
    let mut program = Module::program("");
    if random.bool() {
        program.fixed();
    }
    // The others may be opened.
    let needed = &names[..random.usize(..=count)];
    for library in needed {
        program.needed(library);
    }
    let program = random_library(&mut random, program, needed);
    let binds_deep = random.u8(..3) == 0;
    let make = || {
        let mut stand = Stand::new(&program);
        stand.binds_deep = binds_deep;
        for (name, file) in names.iter().zip(&files) {
            stand.add(&format!("/lib/{name}"), file);
        }
        stand
    };
    let opened: Vec<&str> = names.iter().map(String::as_str).collect();
    let (stand, _) = alike(make, &opened);
    !stand.world.modules.is_empty()
}

#[test]
fn another_namespace_has_an_index_of_its_own() {
    let mut main = program(1);
    let (_, first) = function(&mut main, "f", Binding::Global);
    let mut a = Module::library("liba.so");
    let (own, place) = function(&mut a, "f", Binding::Global);
    let word = pointer(&mut a, own);
    let make = || {
        let mut stand = Stand::new(&main);
        stand.add(A, &a);
        stand
    };
    let (mut stand, _) = alike(make, &[]);
    assert_eq!(stand.word(A, word), stand.at(PROGRAM, first));
    let ready = stand.open_in(Namespace(1), "liba.so").unwrap();
    let copy = &ready.modules[0];
    let found: u64 = copy.image.load(lode::elf::Vaddr(word)).unwrap();
    assert_eq!(found, copy.at(lode::elf::Vaddr(place)).0);
}

/// The 64-bit files of the computer that are programs or libraries.
fn installed() -> Vec<PathBuf> {
    let folders = ["/usr/bin", "/usr/sbin", "/usr/lib/x86_64-linux-gnu"];
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let is_wanted = |path: &PathBuf| {
        let mut start = [0; 20];
        let is_file = path.symlink_metadata().is_ok_and(|about| about.is_file());
        let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
        // ET_EXEC or ET_DYN for x86-64.
        is_file && read.is_ok() && start.starts_with(b"\x7fELF\x02") && start[16] & 2 == 2 && start[18] == 62
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(is_wanted)
        .collect();
    paths.sort();
    paths
}

/// A process of the computer's own files, as far as it comes before its code runs: as the program, or opened by an empty one.
fn start_installed(path: &Path) -> (Stand, Vec<String>) {
    let mut stand = Stand::new(&Module::program(""));
    stand.library_path = Some("/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu".to_owned());
    stand.host.fetch = Some(Box::new(|path| {
        let path = Path::new(OsStr::from_bytes(path));
        let missing = |_| lode::error::Errno::ENOENT;
        let about = path.metadata().map_err(missing)?;
        Ok((about.ino(), fs::read(path).map_err(missing)?))
    }));
    stand.reside("/lib64/ld-linux-x86-64.so.2", Role::Loader);
    if path.starts_with("/usr/lib") {
        return run_plain(stand, &[path.to_str().unwrap()]);
    }
    stand.host.add(PROGRAM, fs::read(path).unwrap());
    run_plain(stand, &[])
}

/// Links programs and libraries of this computer in both ways, and compares all of their memory. `LODE_COUNT` says how many, chosen by `LODE_SEED`.
#[test]
fn what_is_installed_is_alike() {
    let variable = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = variable("LODE_SEED").unwrap_or_else(|| Rng::new().u64(..));
    let mut paths = installed();
    Rng::with_seed(seed).shuffle(&mut paths);
    let count = variable("LODE_COUNT").unwrap_or(20);
    let (mut good, mut words) = (0, 0);
    for path in paths.iter().take(count as usize) {
        let (walk, errors) = found_by(WALK, || start_installed(path));
        let (index, others) = found_by(INDEX, || start_installed(path));
        assert_eq!(errors, others, "{path:?}");
        let modules = walk.world.modules.iter().zip(index.world.modules.iter());
        for (walk, index) in modules {
            assert_eq!(walk.name, index.name, "{path:?}");
            let bound = [walk, index].map(|module| module.bound_to().map(|id| id.0).collect::<BTreeSet<_>>());
            assert!(memory(walk) == memory(index), "{path:?}: {}", walk.name);
            assert_eq!(bound[0], bound[1], "{path:?}: {}", walk.name);
            assert_eq!(walk.is_pinned(), index.is_pinned(), "{path:?}: {}", walk.name);
            words += 1;
        }
        assert_eq!(walk.world.modules.len(), index.world.modules.len());
        assert_eq!(*walk.host.resolved.borrow(), *index.host.resolved.borrow(), "{path:?}");
        good += u64::from(errors.is_empty());
    }
    println!("{good} of {count} files linked, {words} modules compared; LODE_SEED={seed}");
    assert!(paths.len() < 20 || good * 2 > count.min(paths.len() as u64), "{good}");
}
