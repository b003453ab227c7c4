//! A set-user-ID program of root's, started by somebody who wants his own code to run in it. Each rule is a question with one right answer.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use nix::sys::resource::Resource;
use nix::unistd::geteuid;

use super::run::{End, Left, Run};
use super::stand::{Stand, shortened};
use super::tools::skip;

/// The user who means it ill: nobody.
const USER: u32 = 65_534;

/// Set-user-ID programs, the libraries that they may find, and the answers so far.
struct Court {
    stand: Stand,
    passed: usize,
    failed: Vec<String>,
}

/// What a program of the court said of itself.
struct Answer {
    left: Left,
    line: String,
}

impl Answer {
    /// Nothing of the user's ran or was mapped, and the program ran.
    fn is_clean(&self) -> bool {
        !self.left.errors.contains("EVIL") && !self.line.contains("EVIL") && !self.line.contains("mapped 1")
    }

    fn is_good(&self) -> bool {
        self.is_clean() && self.left.end == End::Status(42) && self.line.contains("library GOOD")
    }

    fn variables(&self) -> Vec<&str> {
        let behind = self.line.split_once(" variables").map_or("", |(_, behind)| behind);
        behind.split(' ').take_while(|word| *word != "mapped").collect()
    }
}

impl Court {
    /// `None`, with a word, where nobody can make such programs, or the kernel gives them no rights.
    fn open() -> Option<Court> {
        let stand = Stand::open()?;
        if !geteuid().is_root() {
            skip("only root makes set-user-ID programs that are not the user's own");
            return None;
        }
        for folder in ["good", "evil", "origin", "work", "work/relative", "reports"] {
            fs::create_dir_all(stand.path(folder)).unwrap();
        }
        let library = ["-fPIC", "-shared", "-Wl,-soname,libwho.so"];
        stand.compile("who_library.c", "good/libwho.so", &library);
        for place in ["evil", "origin", "work", "work/relative"] {
            let flags = [&library[..], &["-DEVIL"]].concat();
            stand.compile("who_library.c", &format!("{place}/libwho.so"), &flags);
        }
        fs::copy(stand.path("evil/libwho.so"), stand.path("evil/evil.so")).unwrap();
        chown(stand.path("reports"), Some(USER), None).unwrap();
        fs::write(stand.path("said"), "").unwrap();
        chown(stand.path("said"), Some(USER), None).unwrap();
        let court = Court {
            stand,
            passed: 0,
            failed: Vec::new(),
        };
        let program = court.program("who", &court.good(), true);
        let answer = court.ask(&program, &[], |_| {});
        if !answer.line.contains("euid 0 secure 1") {
            skip("set-user-ID programs get no rights here");
            return None;
        }
        Some(court)
    }

    fn good(&self) -> String {
        self.stand.path("good").display().to_string()
    }

    /// A set-user-ID program of root's with this search path.
    fn program(&self, name: &str, path: &str, is_runpath: bool) -> PathBuf {
        let path = format!("-Wl,-rpath,{path}");
        let tags = if is_runpath {
            "-Wl,--enable-new-dtags"
        } else {
            "-Wl,--disable-new-dtags"
        };
        let program = self.stand.compile("who.c", name, &["-Lgood", "-lwho", &path, tags]);
        fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
        program
    }

    /// Starts a program as the user, with these entries as its environment.
    fn ask(&self, program: &Path, environment: &[Vec<u8>], change: impl Fn(&mut Run)) -> Answer {
        let said = self.stand.path("said");
        fs::write(&said, "").unwrap();
        let mut run = Run::of(&[program, &said], &self.stand.path("work"));
        run.environment = environment.to_vec();
        run.user = Some(USER);
        change(&mut run);
        let left = run.go();
        let line = fs::read_to_string(&said).unwrap();
        Answer { left, line }
    }

    fn rule(&mut self, name: &str, holds: bool, answer: &Answer) {
        if holds {
            self.passed += 1;
        } else {
            let Answer { left, line } = answer;
            self.failed.push(format!(
                "{name}: {:?} {} {}",
                left.end,
                shortened(line),
                shortened(&left.errors)
            ));
        }
    }
}

fn entry(name: &str, value: &str) -> Vec<u8> {
    format!("{name}={value}").into_bytes()
}

/// Names that a set-user-ID program must not be handed.
const UNSAFE: &[&str] = &[
    "GCONV_PATH",
    "GETCONF_DIR",
    "GLIBC_TUNABLES",
    "HOSTALIASES",
    "LD_AUDIT",
    "LD_BIND_NOT",
    "LD_BIND_NOW",
    "LD_DEBUG",
    "LD_DEBUG_OUTPUT",
    "LD_DYNAMIC_WEAK",
    "LD_HWCAP_MASK",
    "LD_LIBRARY_PATH",
    "LD_ORIGIN_PATH",
    "LD_PRELOAD",
    "LD_PROFILE",
    "LD_PROFILE_OUTPUT",
    "LD_SHOW_AUXV",
    "LOCALDOMAIN",
    "LOCPATH",
    "MALLOC_ARENA_MAX",
    "MALLOC_TRACE",
    "NIS_PATH",
    "NLSPATH",
    "RESOLV_HOST_CONF",
    "RES_OPTIONS",
    "TMPDIR",
];

#[test]
fn a_set_user_id_program_runs_nothing_of_its_users() {
    let Some(mut court) = Court::open() else { return };
    let path = |name: &str| court.stand.path(name).display().to_string();
    let (good, evil, library) = (court.good(), path("evil"), path("evil/evil.so"));
    let program = court.program("who", &good, true);
    let inherited = court.program("who_rpath", &good, false);

    // The control: without the bit, the variable works.
    let plain = court.stand.path("plain");
    fs::copy(&program, &plain).unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o755)).unwrap();
    let answer = court.ask(&plain, &[entry("LD_LIBRARY_PATH", &evil)], |_| {});
    court.rule("control", answer.line.contains("library EVIL"), &answer);

    let many = |piece: &str, count: usize, end: &str| format!("{}{end}", piece.repeat(count));
    let values = [
        ("LD_LIBRARY_PATH", evil.clone()),
        ("LD_LIBRARY_PATH", "$ORIGIN/evil".into()),
        ("LD_LIBRARY_PATH", String::new()),
        ("LD_LIBRARY_PATH", ":".into()),
        ("LD_LIBRARY_PATH", ".".into()),
        ("LD_LIBRARY_PATH", many(":", 100_000, &evil)),
        ("LD_PRELOAD", library.clone()),
        ("LD_PRELOAD", "evil.so".into()),
        ("LD_PRELOAD", "../evil/evil.so".into()),
        ("LD_PRELOAD", "libmemusage.so".into()),
        ("LD_PRELOAD", "libpcprofile.so".into()),
        ("LD_PRELOAD", "$ORIGIN/evil/evil.so".into()),
        ("LD_PRELOAD", many(":", 50_000, &library)),
        ("LD_AUDIT", library.clone()),
        ("LD_AUDIT", "evil.so".into()),
        ("LD_AUDIT", "libpcprofile.so".into()),
        ("LD_AUDIT", "$ORIGIN/evil/evil.so".into()),
        ("LD_ORIGIN_PATH", evil.clone()),
        // lode's own.
        ("LODE_OPTIONS", format!("library-path={evil}")),
        ("LODE_OPTIONS", format!("preload={library},allow=textrel")),
        ("LODE_OPTIONS", "list".into()),
        ("LODE_OPTIONS", "show-auxv,debug=all,events=1".into()),
    ];
    for (name, value) in &values {
        for program in [&program, &inherited] {
            let answer = court.ask(program, &[entry(name, value), entry("LD_LIBRARY_PATH", &evil)], |_| {});
            let holds = answer.is_good() && answer.left.output.is_empty();
            court.rule(&format!("{name}={}", &value[..value.len().min(40)]), holds, &answer);
        }
    }

    for (name, value) in [
        ("LD_DEBUG", "all"),
        ("LD_SHOW_AUXV", "1"),
        ("LD_TRACE_LOADED_OBJECTS", "1"),
        ("LD_WARN", "1"),
        ("LD_VERBOSE", "1"),
        ("LD_BIND_NOT", "1"),
        ("LD_DYNAMIC_WEAK", "1"),
        ("LD_HWCAP_MASK", "0"),
        ("LD_PREFER_MAP_32BIT_EXEC", "1"),
    ] {
        let answer = court.ask(&program, &[entry(name, value)], |_| {});
        let silent = answer.left.output.is_empty() && answer.left.errors.trim().is_empty();
        // What ldd(1) asks for is no secret, but is not given.
        court.rule(name, silent && answer.is_good(), &answer);
    }
    let reports = court.stand.path("reports");
    for name in ["LD_DEBUG_OUTPUT", "LD_PROFILE_OUTPUT"] {
        let place = reports.join("report").display().to_string();
        let environment = [
            entry("LD_DEBUG", "all"),
            entry("LD_PROFILE", "libwho.so"),
            entry(name, &place),
        ];
        let answer = court.ask(&program, &environment, |_| {});
        let none = fs::read_dir(&reports).unwrap().next().is_none();
        court.rule(name, none && answer.is_good(), &answer);
    }
    for value in [
        "glibc.malloc.mxfast=glibc.malloc.mxfast=A".to_owned(),
        format!("glibc.malloc.mxfast=glibc.malloc.mxfast={}", "A".repeat(4000)),
        "glibc.malloc.check=3:".repeat(4000),
        "=".repeat(90_000),
    ] {
        let answer = court.ask(&program, &[entry("GLIBC_TUNABLES", &value)], |_| {});
        court.rule("GLIBC_TUNABLES", answer.is_good(), &answer);
    }

    // What is handed on, whatever stands between, and however often.
    let all: Vec<Vec<u8>> = UNSAFE.iter().map(|name| entry(name, "x")).collect();
    let preload = entry("LD_PRELOAD", &library);
    let folder = entry("LD_LIBRARY_PATH", &evil);
    let word = |text: &str| text.as_bytes().to_vec();
    let environments = [
        ("all", all),
        (
            "doubled",
            [&preload, &preload, &folder, &folder, &preload]
                .map(Clone::clone)
                .to_vec(),
        ),
        (
            "without an equals sign",
            vec![
                word("JUNK"),
                word("x"),
                word(""),
                word("="),
                word("LD_PRELOAD"),
                preload.clone(),
                folder.clone(),
            ],
        ),
        (
            "empty entries between",
            vec![word(""), preload.clone(), word(""), folder.clone(), word("")],
        ),
    ];
    for (name, environment) in environments {
        let answer = court.ask(&program, &environment, |_| {});
        court.rule(name, answer.is_good(), &answer);
        let kept: Vec<&str> = answer
            .variables()
            .into_iter()
            .filter(|name| UNSAFE.contains(name))
            .collect();
        court.rule(&format!("{name}: handed on {kept:?}"), kept.is_empty(), &answer);
    }

    // Search paths of the program itself.
    for (name, path, is_runpath) in [
        ("origin/origin", format!("$ORIGIN:{good}"), true),
        ("origin/braces", format!("${{ORIGIN}}/../origin:{good}"), true),
        ("origin/rpath", format!("$ORIGIN:{good}"), false),
        ("relative", format!("relative:{good}"), true),
        ("empty", format!(":{good}"), true),
        ("dot", format!(".:{good}"), false),
    ] {
        let program = court.program(name, &path, is_runpath);
        let answer = court.ask(&program, &[], |_| {});
        court.rule(&format!("{name}: not followed"), answer.is_clean(), &answer);
        court.rule(&format!("{name}: the element beside it"), answer.is_good(), &answer);
    }

    for closed in [vec![0], vec![1], vec![2], vec![0, 1, 2]] {
        let answer = court.ask(&program, &[], |run| run.closed.clone_from(&closed));
        court.rule(&format!("closed {closed:?}"), answer.line.contains("open 111"), &answer);
    }

    // Nothing is let through for want of memory.
    let environment = [entry("LD_LIBRARY_PATH", &many(":", 60_000, &evil)), preload];
    for resource in [Resource::RLIMIT_DATA, Resource::RLIMIT_AS, Resource::RLIMIT_STACK] {
        for size in [0, 16, 64, 128, 256, 512, 1024, 1536, 2048, 2560, 3072, 4096, 6144, 8192] {
            let answer = court.ask(&program, &environment, |run| run.limit = Some((resource, size << 10)));
            let holds = answer.is_clean() && !answer.variables().contains(&"LD_PRELOAD");
            court.rule(&format!("{resource:?} {size}"), holds, &answer);
        }
    }

    println!("{} rules hold, {} do not", court.passed, court.failed.len());
    assert!(court.failed.is_empty(), "{}", court.failed.join("\n"));
    assert!(court.passed >= 68, "{}", court.passed);
}

/// Whoever takes AT_SECURE away makes the process no less secure; and without the entry no variable is looked at.
#[test]
fn a_process_without_the_entry_is_secure() {
    let Some(stand) = Stand::open() else { return };
    fs::create_dir_all(stand.path("good")).unwrap();
    fs::create_dir_all(stand.path("evil")).unwrap();
    let library = ["-fPIC", "-shared", "-Wl,-soname,libwho.so"];
    stand.compile("who_library.c", "good/libwho.so", &library);
    stand.compile("who_library.c", "evil/libwho.so", &[&library[..], &["-DEVIL"]].concat());
    let path = format!("-Wl,-rpath,{}", stand.path("good").display());
    let program = stand.compile("who.c", "who", &["-Lgood", "-lwho", &path]);
    let said = stand.path("said");
    for (value, expected) in [(Some(0), "EVIL"), (Some(1), "GOOD"), (Some(7), "GOOD"), (None, "GOOD")] {
        fs::write(&said, "").unwrap();
        let evil = stand.path("evil").display().to_string();
        let mut run = Run::of(&[&program, &said], stand.folder()).with("LD_LIBRARY_PATH", evil);
        run.auxiliaries = vec![(23, value)];
        let left = run.go();
        let line = fs::read_to_string(&said).unwrap();
        assert!(
            line.contains(&format!("library {expected}")),
            "{value:?}: {line} {left:?}"
        );
        assert_eq!(line.contains("LD_LIBRARY_PATH"), expected == "EVIL", "{line}");
    }
}
