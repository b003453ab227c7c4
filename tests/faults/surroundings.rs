//! What the kernel and the caller hand over is hostile: the environment, the auxiliary vector, descriptors, limits, the files that stand in a library's place. The
//! program runs, or a text says why it does not.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use nix::sys::resource::Resource;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::run::{End, Run};
use super::stand::{Stand, Verdict, judge};
use super::stride;

/// Runs cases, and says which came to what nothing may come to.
#[derive(Default)]
struct Cases {
    count: usize,
    wrong: Vec<String>,
}

impl Cases {
    fn run(&mut self, what: &str, run: &Run) -> Option<Verdict> {
        self.count += 1;
        match judge(&run.go()) {
            Ok(verdict) => Some(verdict),
            Err(why) => {
                self.wrong.push(format!("{what}: {why}"));
                None
            }
        }
    }

    fn finish(self) {
        println!("{} cases, {} wrong", self.count, self.wrong.len());
        assert!(
            self.wrong.is_empty(),
            "{} are wrong:\n{}",
            self.wrong.len(),
            self.wrong.join("\n")
        );
    }
}

/// Numbers that look random, the same for the same seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.roll(list.len())]
    }
}

/// Everything that ld.so(8) reads, what libc reads before main, and names that look like them.
const VARIABLES: &[&str] = &[
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LD_AUDIT",
    "LD_DEBUG",
    "LD_DEBUG_OUTPUT",
    "LD_BIND_NOW",
    "LD_BIND_NOT",
    "LD_DYNAMIC_WEAK",
    "LD_HWCAP_MASK",
    "LD_ORIGIN_PATH",
    "LD_POINTER_GUARD",
    "LD_PREFER_MAP_32BIT_EXEC",
    "LD_PROFILE",
    "LD_PROFILE_OUTPUT",
    "LD_SHOW_AUXV",
    "LD_TRACE_LOADED_OBJECTS",
    "LD_TRACE_PRELINKING",
    "LD_UNUSED",
    "LD_USE_LOAD_BIAS",
    "LD_VERBOSE",
    "LD_WARN",
    "LD_ASSUME_KERNEL",
    "LD_",
    "LD",
    "LODE_OPTIONS",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "MALLOC_ARENA_MAX",
    "TMPDIR",
];

const BIG: usize = 100_000;

/// A value that somebody would try. (The word `verify` is not among them: its answer is an exit status, and no text.)
fn value(dice: &mut Dice, stand: &Stand) -> Vec<u8> {
    let folder = stand.folder().to_str().unwrap();
    let library = format!("{folder}/liblibrary.so");
    let repeated = |piece: &str| piece.repeat(BIG / piece.len());
    let long: Vec<String> = [
        "a",
        ":",
        "/",
        " ",
        "\n",
        "=",
        ":=",
        "$ORIGIN",
        "${ORIGIN}",
        "$LIB/$PLATFORM/",
        "../",
        "%s%n%x",
        "glibc.malloc.check=3:",
        "glibc.elision.enable=",
        "argv0=x,",
    ]
    .iter()
    .map(|piece| repeated(piece))
    .chain([
        format!("{folder}:").repeat(2000),
        format!("{library} ").repeat(500),
        "\u{ff}".repeat(5000),
    ])
    .collect();
    let short = [
        "",
        "0",
        "1",
        "-1",
        "x",
        "all",
        "help",
        "18446744073709551616",
        "99999999999999999999",
        "$",
        "${",
        "${}",
        "${ORIGIN",
        ".",
        "..",
        ":",
        "::",
        ";",
        "/dev/null",
        "/dev/zero",
        "/proc/self/fd/0",
        "/proc/self/mem",
        "/proc/self/maps",
        "/etc/passwd",
        "liblibrary.so:liblibrary.so",
        "/nonexistent.so",
        folder,
        &library,
        "glibc.malloc.mxfast=glibc.malloc.mxfast=A",
        "glibc.rtld.nns=99999999",
        "glibc.rtld.optional_static_tls=18446744073709551615",
        "glibc.rtld.optional_static_tls=1000000000",
        "glibc.pthread.stack_cache_size=0xffffffffffffffff",
        "glibc.cpu.x86_non_temporal_threshold=0:glibc.cpu.x86_rep_movsb_threshold=1",
        "glibc.cpu.hwcaps=-AVX2,-SSE2,-XSAVE,-FXSR",
        "glibc.cpu.x86_ibt=on:glibc.cpu.x86_shstk=on",
        "glibc.mem.tagging=255:glibc.rtld.dynamic_sort=7",
        "libs,files,symbols,bindings,versions,reloc,scopes,statistics,unused,tls",
        "inhibit-cache,inhibit-cache",
        "library-path=.,preload=liblibrary.so",
        "debug=all,bind-now",
        "allow=textrel,allow=nothing,strict",
        "help",
        "list",
        "list-diagnostics",
        "events=1",
        "restore",
        ",,,=,=,",
    ];
    let mut value = Vec::new();
    for _ in 0..=usize::from(dice.roll(10) < 3) {
        if dice.roll(3) == 0 {
            value.extend_from_slice(long[dice.roll(long.len())].as_bytes());
        } else {
            value.extend_from_slice(dice.pick(&short).as_bytes());
        }
    }
    if dice.roll(10) == 0 {
        value.resize(value.len().clamp(1, 4096), b'z');
        for _ in 0..8 {
            let place = dice.roll(value.len());
            value[place] = 1 + dice.roll(255) as u8;
        }
    }
    value.truncate(BIG);
    value
}

#[test]
fn no_environment_is_too_hostile() {
    let Some(stand) = Stand::open() else { return };
    let program = stand.program();
    let seed: u64 = env::var("LODE_FAULTS_SEED").map_or(1, |seed| seed.parse().unwrap());
    let ways = stand.ways(&[program]);
    let mut cases = Cases::default();
    for number in (0..1500).step_by(stride(6)) {
        let mut dice = Dice(seed.wrapping_mul(7_000_003).wrapping_add(number as u64) | 1 << 63);
        let mut run = ways[dice.roll(2)].clone();
        run.folder = stand.path("reports");
        fs::create_dir_all(&run.folder).unwrap();
        for _ in 0..[1, 1, 1, 2, 3][dice.roll(5)] {
            let name = dice.pick(VARIABLES);
            run = run.with(name, value(&mut dice, &stand));
        }
        let entries: Vec<String> = run
            .environment
            .iter()
            .map(|entry| super::stand::shortened(&String::from_utf8_lossy(entry)))
            .collect();
        cases.run(&format!("seed {seed}, number {number}: {entries:?}"), &run);
    }
    cases.finish();
}

#[test]
fn odd_entries_of_the_environment_and_of_argv_are_no_trouble() {
    let Some(stand) = Stand::open() else { return };
    let program = stand.program();
    let mut cases = Cases::default();
    let entries = |list: &[&str]| -> Vec<Vec<u8>> { list.iter().map(|entry| entry.as_bytes().to_vec()).collect() };
    let many: Vec<Vec<u8>> = (0..20_000)
        .map(|number| format!("V{number}=xxxxxxxxxxxxxxxxxxxx").into_bytes())
        .collect();
    let environments = [
        entries(&["LD_PRELOAD", "=", "", "GLIBC_TUNABLES", "LODE_OPTIONS", "LD_DEBUG"]),
        entries(&[
            "LD_PRELOAD=",
            "LD_PRELOAD=x",
            "LD_LIBRARY_PATH=/nonexistent",
            "LD_LIBRARY_PATH=.",
        ]),
        many,
    ];
    for run in stand.ways(&[program]) {
        for environment in &environments {
            let run = Run {
                environment: environment.clone(),
                ..run.clone()
            };
            assert_eq!(cases.run("environment", &run), Some(Verdict::Ran));
        }
        let mut lengthy = run.clone();
        lengthy.arguments.extend((0..20_000).map(|_| "x".into()));
        assert_eq!(cases.run("many arguments", &lengthy), Some(Verdict::Ran));
        let mut empty = run.clone();
        empty.name = Some("".into());
        cases.run("empty argv[0]", &empty);
        let mut none = run.clone();
        none.arguments.resize(2, "x".into());
        none.without_arguments = true;
        cases.run("argc 0", &none);
    }
    let words = [
        "--library-path",
        "--preload",
        "--argv0",
        "--",
        "",
        "/nonexistent",
        "/dev/null",
        "/dev/zero",
        "/usr/bin/ldd",
        "/",
        "--unknown",
    ];
    let long = ["/a".repeat(40_000), format!("--{}", "x".repeat(1000)), "a".repeat(4096)];
    for word in words.iter().copied().chain(long.iter().map(String::as_str)) {
        let run = Run::of(&[&stand.loader(), word.as_ref()], stand.folder());
        cases.run(&word[..word.len().min(30)], &run);
    }
    let loader = stand.loader();
    cases.run("lode starts itself", &Run::of(&[&loader, &loader], stand.folder()));
    cases.run(
        "lode starts a library",
        &Run::of(&[&loader, &stand.path("liblibrary.so")], stand.folder()),
    );
    cases.finish();
}

/// Kinds of the auxiliary vector (getauxval(3)) of which the kernel is asked to lie; `true`: their value is an address, and no lie but 0 has a meaning.
const KINDS: &[(u64, bool)] = &[
    (3, true),
    (4, false),
    (5, false),
    (6, false),
    (7, true),
    (8, false),
    (9, true),
    (11, false),
    (12, false),
    (15, true),
    (16, false),
    (17, false),
    (23, false),
    (25, true),
    (26, false),
    (27, false),
    (28, false),
    (31, true),
    (33, true),
    (51, false),
];

#[test]
fn entries_of_the_auxiliary_vector_may_lie_or_be_absent() {
    let Some(stand) = Stand::open() else { return };
    let (program, bare) = (stand.program(), stand.bare());
    let mut cases = Cases::default();
    for run in stand.ways(&[program]).into_iter().chain(stand.ways(&[bare])) {
        for (kind, is_address) in KINDS {
            let lies = [None, Some(0), Some(1), Some(0xfff), Some(1 << 40), Some(u64::MAX)];
            for lie in lies.into_iter().take(if *is_address { 2 } else { 6 }) {
                let run = Run {
                    auxiliaries: vec![(*kind, lie)],
                    ..run.clone()
                };
                cases.run(&format!("{kind} {lie:?}"), &run);
            }
        }
        let all = KINDS.iter().map(|(kind, _)| (*kind, None)).collect();
        let run = Run {
            auxiliaries: all,
            ..run.clone()
        };
        cases.run("none of them", &run);
    }
    cases.finish();
}

#[test]
fn closed_descriptors_are_no_trouble() {
    let Some(stand) = Stand::open() else { return };
    let program = stand.program();
    for run in stand.ways(&[program]) {
        for closed in [
            vec![0],
            vec![1],
            vec![2],
            vec![0, 1],
            vec![0, 2],
            vec![1, 2],
            vec![0, 1, 2],
        ] {
            let left = Run {
                closed: closed.clone(),
                ..run.clone()
            }
            .go();
            assert_eq!(left.end, End::Status(42), "{closed:?}: {left:?}");
        }
    }
}

#[test]
fn small_limits_are_told_or_suffice() {
    let Some(stand) = Stand::open() else { return };
    let program = stand.program();
    let mut cases = Cases::default();
    let kilobytes = |list: &mut dyn Iterator<Item = u64>| list.map(|size| size << 10).collect::<Vec<_>>();
    let spaces = &mut (256..4096).step_by(64).chain((4096..24_576).step_by(512));
    let limits = [
        (Resource::RLIMIT_NOFILE, vec![0, 1, 2, 3, 4, 5]),
        (Resource::RLIMIT_DATA, vec![0, 4096, 65_536, 1 << 20]),
        (Resource::RLIMIT_AS, kilobytes(spaces)),
    ];
    for run in stand.ways(&[program]) {
        for (resource, values) in &limits {
            for value in values.iter().step_by(stride(if values.len() > 10 { 3 } else { 1 })) {
                let run = Run {
                    limit: Some((*resource, *value)),
                    ..run.clone()
                };
                cases.run(&format!("{resource:?} {value}"), &run);
            }
        }
        // Up to 8 KiB of a stack is a gap that the kernel makes at random, so one run says little.
        for size in [16, 16, 16, 16, 16, 16, 16, 16, 20, 32, 64, 128, 512] {
            let run = Run {
                limit: Some((Resource::RLIMIT_STACK, size << 10)),
                ..run.clone()
            };
            assert_eq!(cases.run("stack", &run), Some(Verdict::Ran), "{size} KiB");
        }
    }
    cases.finish();
}

#[test]
fn odd_files_in_a_librarys_place_are_told() {
    let Some(stand) = Stand::open() else { return };
    let program = stand.program();
    let library = stand.path("liblibrary.so");
    let good = fs::read(&library).unwrap();
    let changed = |place: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[place] = byte;
        bytes
    };
    let contents = [
        ("empty", Vec::new()),
        ("one byte", good[..1].to_vec()),
        ("magic number", good[..4].to_vec()),
        ("header", good[..64].to_vec()),
        ("half", good[..good.len() / 2].to_vec()),
        ("linker script", b"INPUT(libc.so)\n".to_vec()),
        ("archive", b"!<arch>\n0123456789".repeat(20)),
        ("32 bits", changed(4, 1)),
        ("big-endian", changed(5, 2)),
        ("aarch64", changed(18, 0xb7)),
        ("object file", changed(16, 1)),
        ("core file", changed(16, 4)),
        ("zeros", vec![0; 10_000]),
        ("ones", vec![0xff; 10_000]),
    ];
    let mut cases = Cases::default();
    let runs = stand.ways(&[program]);
    let mut told = |what: &str| {
        for run in &runs {
            let verdict = cases.run(what, run);
            assert!(
                verdict.is_none() || verdict == Some(Verdict::Told),
                "{what}: {verdict:?}"
            );
        }
    };
    for (what, bytes) in contents {
        fs::write(&library, bytes).unwrap();
        told(what);
    }
    fs::remove_file(&library).unwrap();
    told("nothing");
    fs::create_dir(&library).unwrap();
    told("folder");
    fs::remove_dir(&library).unwrap();
    for target in [
        "nowhere",
        "liblibrary.so",
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/dev/urandom",
        "/proc/self/mem",
        "/proc/self/maps",
    ] {
        symlink(target, &library).unwrap();
        told(target);
        fs::remove_file(&library).unwrap();
    }
    mkfifo(&library, Mode::S_IRUSR).unwrap();
    told("pipe");
    fs::remove_file(&library).unwrap();
    // Longer than any memory, and sound at its start.
    fs::write(&library, &good).unwrap();
    File::options()
        .write(true)
        .open(&library)
        .unwrap()
        .set_len(1 << 42)
        .unwrap();
    for run in &runs {
        let verdict: Option<Verdict> = cases.run("4 TiB", run);
        assert_eq!(verdict, Some(Verdict::Ran));
    }
    cases.finish();
}

/// For a message that names the program when no memory can be had beyond what lode has in its image, which so many variables that a loader may obey fill.
#[test]
fn a_start_without_any_memory_names_the_program() {
    let Some(stand) = Stand::open() else { return };
    let program: PathBuf = stand.program();
    let [_, mut run] = stand.ways(std::slice::from_ref(&program));
    run.is_watched = true;
    run.environment = vec![b"LD_X=".to_vec(); 40_000];
    run.fault = Some(super::run::Fault {
        number: 9,
        nth: 0,
        lasts: true,
        outcome: super::run::Outcome::Fails(nix::errno::Errno::ENOMEM),
    });
    let left = run.go();
    let text = "error while loading shared libraries: cannot create shared object descriptor: Cannot allocate memory\n";
    assert_eq!(left.errors, format!("{}: {text}", program.display()));
    assert_eq!(left.end, End::Status(127));
}
