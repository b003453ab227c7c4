//! What looks into running programs, with lode as the loader: gdb, core files, valgrind, sanitizers, strace, ltrace, and readers of the list of mappings.
//! The same programs run under the system's loader, and the tools tell the same about both.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_LOADER` | the loader under test; without it the one that `cargo xtask build` left |
//! | `CI` | `true`: a missing tool is a failure; otherwise its tests are skipped with a word |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use temp_dir::TempDir;
use tools::{has, loader, namespace, run, skip, succeed, text};

/// Probes that gdb must find and stop at.
const PROBES: [&str; 7] = [
    "init_start",
    "init_complete",
    "map_start",
    "map_failed",
    "reloc_complete",
    "unmap_start",
    "unmap_complete",
];

/// One of the two loaders: the name of the folder in which its programs lie.
type Under = &'static str;
const LODE: Under = "lode";
const SYSTEM: Under = "system";

/// A folder with libraries and programs, each linked twice: in `lode/` they name lode as their interpreter, in `system/` the system's.
struct Stand {
    loader: PathBuf,
    folder: TempDir,
}

impl Stand {
    /// With `library.so` and `other.so`, if there is all that it takes.
    fn new(needed: &[&str]) -> Option<Stand> {
        let loader = loader()?;
        if !["g++"].iter().chain(needed).all(|tool| has(tool)) {
            return None;
        }
        let folder = TempDir::with_prefix("lode-debuggers-").unwrap();
        for under in [LODE, SYSTEM] {
            fs::create_dir(folder.child(under)).unwrap();
        }
        let stand = Stand { loader, folder };
        for (name, source) in [("library.so", "library.cc"), ("other.so", "other.c")] {
            let mut compile = stand.command(if source.ends_with(".cc") { "g++" } else { "gcc" });
            succeed(
                compile
                    .args(["-g", "-shared", "-fPIC", "-o", name])
                    .arg(Stand::source(source)),
            );
        }
        Some(stand)
    }

    fn source(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("debuggers").join(name)
    }

    /// A command in the folder, which ends in any case.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("timeout");
        command
            .args(["--signal=KILL", "300"])
            .arg(program)
            .current_dir(self.folder.path());
        command
    }

    /// Compiles a program once and links it for both loaders. False: it cannot be linked.
    fn program(&self, source: &str, switches: &[&str]) -> bool {
        let compiler = if source.ends_with(".cc") { "g++" } else { "gcc" };
        let object = self.folder.child("program.o");
        succeed(
            self.command(compiler)
                .args(["-g", "-O1", "-c", "-o"])
                .arg(&object)
                .args(switches)
                .arg(Stand::source(source)),
        );
        [LODE, SYSTEM].into_iter().all(|under| {
            let mut link = self.command(compiler);
            if under == LODE {
                link.arg(format!("-Wl,--dynamic-linker={}", self.loader.display()));
            }
            let output = run(link
                .args(switches)
                .arg(&object)
                .args(["-pthread", "-o"])
                .arg(self.built(under)));
            output.status.success()
        })
    }

    /// The program in its form for a loader. Its name is the same for both, because tools print it.
    fn built(&self, under: Under) -> PathBuf {
        self.folder.child(under).join("program")
    }

    /// What gdb prints, or nothing: it may not trace here.
    fn gdb(&self, under: Under, files: &[&str], commands: &[&str]) -> Option<String> {
        let mut command = self.command("gdb");
        command.args(["-nx", "-batch", "-ex", "set confirm off"]);
        command.args(["-ex", "set debuginfod enabled off"]);
        for one in commands {
            command.args(["-ex", one]);
        }
        let output = run(command.arg(self.built(under)).args(files));
        let shown = text(&output.stdout) + &text(&output.stderr);
        if shown.contains("ptrace: Operation not permitted") {
            skip("gdb may not trace here");
            return None;
        }
        Some(shown)
    }

    /// A script of sh with lode in the place of the system's loader, and no debug information of the system; `$1` is the system's form of the program.
    fn in_place(&self, script: &str) -> Option<Output> {
        let mount = "mount --bind \"$0\" /lib64/ld-linux-x86-64.so.2 && \
                     { test ! -d /usr/lib/debug || mount -t tmpfs none /usr/lib/debug; } && ";
        let command = namespace()?;
        let mut limited = self.command(command.get_program());
        limited.args(command.get_args()).args(["sh", "-c"]);
        limited
            .arg(mount.to_owned() + script)
            .arg(&self.loader)
            .arg(self.built(SYSTEM));
        Some(run(&mut limited))
    }

    /// A text without what differs from one process to the next: addresses and numbers of processes; and without the names of folders.
    fn normal(&self, shown: &str) -> String {
        let mut normal = String::new();
        let without_folders = [LODE, SYSTEM].iter().fold(shown.to_owned(), |shown, under| {
            shown.replace(&format!("{}/", self.folder.child(under).display()), "")
        });
        let mut rest = without_folders.as_str();
        while let Some(at) = ["0x", "LWP ", "pid=", "tid="]
            .iter()
            .filter_map(|mark| Some(rest.find(mark)? + mark.len()))
            .min()
        {
            normal += &rest[..at];
            rest = rest[at..].trim_start_matches(|one: char| one.is_ascii_hexdigit());
        }
        normal + rest
    }
}

/// The lines that hold one of `marks`.
fn lines<'text>(shown: &'text str, marks: &[&str]) -> Vec<&'text str> {
    shown
        .lines()
        .map(str::trim)
        .filter(|line| marks.iter().any(|mark| line.contains(mark)))
        .collect()
}

/// Stops at each event of the list of libraries and shows the list.
fn follow(stand: &Stand, under: Under) -> Option<String> {
    let mut commands = vec!["set stop-on-solib-events 1", "run", "info probes stap rtld"];
    commands.push("maint info breakpoints");
    for _ in 0..20 {
        commands.extend(["info sharedlibrary", "continue"]);
    }
    stand.gdb(under, &[], &commands)
}

#[test]
fn gdb_follows_libraries_by_probes() {
    let Some(stand) = Stand::new(&["gdb"]) else { return };
    assert!(stand.program("loop.c", &[]));
    let Some(shown) = follow(&stand, LODE) else { return };
    let places: BTreeMap<&str, &str> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("stap rtld")?.trim().split_once(' '))
        .map(|(name, rest)| (name, rest.split_whitespace().next().unwrap()))
        .collect();
    let stops = lines(&shown, &["shlib events"]);
    for probe in PROBES {
        let place = places
            .get(probe)
            .unwrap_or_else(|| panic!("{probe} is not found:\n{shown}"));
        assert!(
            stops.iter().any(|stop| stop.contains(place)),
            "{probe} is not used:\n{shown}"
        );
    }
    assert_eq!(stops.len(), PROBES.len(), "{shown}");
    assert!(!shown.contains("Probes-based"), "{shown}");
    assert!(shown.contains("exited normally"), "{shown}");

    // The list is right at each stop: it has the library between the two events that name it.
    let mut loaded = false;
    let mut seen = (0, 0);
    for block in shown.split("Stopped due to").skip(1) {
        for line in lines(block, &["Inferior "]) {
            if line.contains("other.so") {
                loaded = line.contains(" loaded ");
            }
        }
        if block.contains("From  ") {
            assert_eq!(block.contains("Yes         ./other.so"), loaded, "{shown}");
            *(if loaded { &mut seen.0 } else { &mut seen.1 }) += 1;
        }
    }
    assert!(seen.0 >= 6 && seen.1 >= 8, "{seen:?}\n{shown}");

    let system = follow(&stand, SYSTEM).unwrap();
    let events = |shown: &str| lines(shown, &["Inferior loaded", "Inferior unloaded"]).join("\n");
    assert_eq!(events(&shown).matches("other.so").count(), 6, "{shown}");
    assert_eq!(events(&shown), events(&system), "{shown}\n{system}");
}

#[test]
fn gdb_reads_the_arguments_of_a_probe() {
    let Some(stand) = Stand::new(&["gdb"]) else { return };
    assert!(stand.program("loop.c", &[]));
    let commands = [
        "break main",
        "run",
        "break -probe-stap rtld:reloc_complete",
        "continue",
        // The namespace, whether the second argument is what DT_DEBUG points to, and the name in the link_map that is new.
        "print $_probe_arg0",
        "print $_probe_arg1 == (long)&_r_debug",
        "x/s *(char **)($_probe_arg2 + 8)",
        "kill",
    ];
    let Some(shown) = stand.gdb(LODE, &[], &commands) else {
        return;
    };
    assert!(shown.contains("$1 = 0\n") && shown.contains("$2 = 1\n"), "{shown}");
    assert!(shown.contains("\"./other.so\""), "{shown}");
}

#[test]
fn gdb_catches_loading_and_unloading() {
    let Some(stand) = Stand::new(&["gdb"]) else { return };
    assert!(stand.program("loop.c", &[]));
    let catch = |under| {
        let commands = [
            "catch load other",
            "catch unload other",
            "run",
            "continue",
            "continue",
            "continue",
            "delete",
            "continue",
        ];
        stand.gdb(under, &[], &commands)
    };
    let Some(shown) = catch(LODE) else { return };
    let told = |shown: &str| lines(shown, &["Catchpoint", "Inferior", "exited"]).join("\n");
    assert_eq!(shown.matches("  Inferior loaded ./other.so").count(), 2, "{shown}");
    assert_eq!(shown.matches("  Inferior unloaded ./other.so").count(), 2, "{shown}");
    let normal = |under: &str| stand.normal(&told(under)).replace(char::is_numeric, "");
    assert_eq!(normal(&shown), normal(&catch(SYSTEM).unwrap()));
}

#[test]
fn gdb_sees_a_library_in_a_namespace_of_its_own() {
    let Some(stand) = Stand::new(&["gdb"]) else { return };
    assert!(stand.program("namespace.c", &[]));
    let commands = [
        "set breakpoint pending on",
        "break stop_here",
        "break work",
        "run",
        "info sharedlibrary",
        "continue",
        "bt",
        "continue",
        "info sharedlibrary",
        "continue",
    ];
    let look = |under| stand.gdb(under, &[], &commands);
    let Some(shown) = look(LODE) else { return };
    // Once in the list, which the first stop shows and the second one does not any more; and the breakpoint in it is reached.
    assert_eq!(lines(&shown, &["Yes         ./other.so"]).len(), 1, "{shown}");
    assert_eq!(lines(&shown, &["Breakpoint 2, work (number=1)"]).len(), 1, "{shown}");
    let told = |shown: &str| stand.normal(&lines(shown, &["Breakpoint", "#1 ", "./other.so"]).join("\n"));
    assert_eq!(told(&shown), told(&look(SYSTEM).unwrap()));
}

/// What gdb shows that is connected to a gdbserver; the program ends with it.
fn remotely(stand: &Stand, under: Under, commands: &[&str]) -> Option<String> {
    let target = format!("target remote | gdbserver - {}", stand.built(under).display());
    // Files are read where they are, and not through the server.
    let first = ["set sysroot /", target.as_str()];
    stand.gdb(under, &[], &[&first, commands].concat())
}

#[test]
fn gdb_knows_threads_and_libraries_through_a_server() {
    let Some(stand) = Stand::new(&["gdb", "gdbserver"]) else {
        return;
    };
    assert!(stand.program("threads.c", &["-O0"]));
    let commands = [
        "break stop_here",
        "continue",
        "info threads",
        "thread apply 2 3 4 print own_tls",
        "thread apply 2 3 4 print library_tls",
        "info sharedlibrary",
        "continue",
    ];
    let look = |under| remotely(&stand, under, &commands);
    let Some(shown) = look(LODE) else { return };
    let values = |shown: &str| lines(shown, &["$"]).join(" ");
    assert_eq!(values(&shown), "$1 = 4 $2 = 5 $3 = 6 $4 = 8 $5 = 9 $6 = 10", "{shown}");
    assert_eq!(values(&shown), values(&look(SYSTEM).unwrap()));
    assert_eq!(lines(&shown, &["Yes         ./library.so"]).len(), 1, "{shown}");
    assert!(shown.contains("exited normally"), "{shown}");

    assert!(stand.program("loop.c", &[]));
    let mut commands = vec!["catch load other", "catch unload other"];
    commands.resize(6, "continue");
    commands.extend(["delete", "continue"]);
    let catch = |under| {
        let shown = remotely(&stand, under, &commands)?;
        Some(lines(&shown, &["Inferior loaded", "Inferior unloaded"]).join("\n"))
    };
    let events = catch(LODE).unwrap();
    assert_eq!(events.matches("./other.so").count(), 4, "{events}");
    assert_eq!(events, catch(SYSTEM).unwrap());
}

/// The system's loader is not asked: Debian's has no probes.
#[test]
fn probes_tell_the_namespace_and_follow_each_other_as_glibc_has_it() {
    let Some(stand) = Stand::new(&["gdb"]) else { return };
    assert!(stand.program("namespace.c", &[]));
    let names = [
        "map_start",
        "map_complete",
        "reloc_start",
        "reloc_complete",
        "map_failed",
        "unmap_start",
        "unmap_complete",
    ];
    let stops = names.map(|name| format!("break -probe-stap rtld:{name}"));
    let mut commands = vec!["break main", "run"];
    commands.extend(stops.iter().map(String::as_str));
    for _ in names {
        commands.extend(["continue", "print $_probe_arg0"]);
    }
    let Some(shown) = stand.gdb(LODE, &[], &commands) else {
        return;
    };
    // The number of a stop is that of its probe: the first one is `main`'s. The namespace is the one that is opened.
    let told: Vec<String> = lines(&shown, &[", 0x", "$"])
        .into_iter()
        .filter_map(|line| line.split([',', '=']).next())
        .map(|line| line.trim().to_owned())
        .collect();
    let expected: Vec<String> = (1..=names.len())
        .flat_map(|stop| [format!("Breakpoint {}", stop + 1), format!("${stop}")])
        .collect();
    assert_eq!(told, expected, "{shown}");
    assert_eq!(shown.matches(" = 1\n").count(), names.len(), "{shown}");
}

/// What of the threads is printed: where they are, and their thread-local variables: the program's, an opened library's, libc's.
const THREADS: [&str; 7] = [
    "info threads",
    "thread apply all bt",
    "thread apply 2 3 4 print own_tls",
    "thread apply 2 3 4 print library_tls",
    "thread apply 2 3 4 print errno",
    "thread apply 1 print own_tls",
    "info sharedlibrary",
];

/// Checks what gdb shows of the waiting threads, in a process or in a core file. Returns the values.
fn look_at_threads(shown: &str) -> Vec<String> {
    assert!(shown.contains("using libthread_db enabled"), "{shown}");
    for number in 1..=3 {
        let frames: Vec<_> = lines(shown, &[&format!(" in run (argument=0x{number})")]);
        assert_eq!(frames.len(), 1, "{shown}");
    }
    assert!(
        lines(shown, &["stop_here (fail="])
            .iter()
            .any(|line| line.starts_with('#')),
        "{shown}"
    );
    for bad in ["Backtrace stopped", "corrupt stack", "Cannot find thread-local"] {
        assert!(!shown.contains(bad), "{shown}");
    }
    let list: Vec<_> = shown.lines().skip_while(|line| !line.starts_with("From  ")).collect();
    for name in ["libc.so.6", "./library.so"] {
        assert!(list.iter().any(|line| line.ends_with(name)), "{name}:\n{shown}");
    }
    let values: Vec<_> = shown
        .lines()
        .filter(|line| line.starts_with('$'))
        .map(|line| line.split_once(" = ").unwrap().1.to_owned())
        .collect();
    let first: Vec<&str> = values.iter().take(6).map(String::as_str).collect();
    assert_eq!(first.join(" "), "4 5 6 8 9 10", "{shown}");
    values
}

#[test]
fn gdb_knows_threads_and_their_variables() {
    let Some(stand) = Stand::new(&["gdb"]) else { return };
    assert!(stand.program("threads.c", &["-O0"]));
    let commands = [&["break stop_here", "run"], &THREADS[..]].concat();
    let Some(shown) = stand.gdb(LODE, &[], &commands) else {
        return;
    };
    let system = stand.gdb(SYSTEM, &[], &commands).unwrap();
    assert_eq!(look_at_threads(&shown), look_at_threads(&system));
}

#[test]
fn gdb_opens_core_files() {
    let Some(stand) = Stand::new(&["gdb"]) else { return };
    assert!(stand.program("threads.c", &["-O0"]));
    // One written by gdb, and one by the kernel, if it puts it where the process is.
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let mut values = Vec::new();
    for under in [LODE, SYSTEM] {
        let Some(written) = stand.gdb(under, &[], &["break stop_here", "run", "gcore written", "kill"]) else {
            return;
        };
        assert!(written.contains("Saved corefile written"), "{written}");
        let mut cores = vec!["written".to_owned()];
        if pattern.trim() == "core" {
            let place = stand.folder.child(format!("core-{under}"));
            fs::create_dir(&place).unwrap();
            let script = "ulimit -c unlimited && ln -s ../library.so . && exec \"$0\" fail";
            let mut command = stand.command("sh");
            command.args(["-c", script]).arg(stand.built(under)).current_dir(&place);
            assert!(!run(&mut command).status.success());
            let core = fs::read_dir(&place)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("core"));
            // A limit of the machine may forbid them.
            cores.extend(core.map(|core| core.display().to_string()));
        }
        for core in &cores {
            let shown = stand.gdb(under, &[core], &THREADS).unwrap();
            if core == "written" {
                values.push(look_at_threads(&shown));
            } else {
                assert!(shown.contains("signal SIGABRT"), "{shown}");
                assert_eq!(lines(&shown, &["in run (argument=0x"]).len(), 3, "{shown}");
                assert!(
                    lines(&shown, &["in stop_here (fail=1)"]).len() == 1 && shown.contains(" in main ("),
                    "{shown}"
                );
                // The kernel writes the threads in an order of its own.
                let mut own: Vec<_> = lines(&shown, &[" = "])
                    .into_iter()
                    .filter(|line| line.starts_with('$'))
                    .take(6)
                    .map(|line| line.split_once(" = ").unwrap().1.parse::<i32>().unwrap())
                    .collect();
                own.sort_unstable();
                assert_eq!(own, [4, 5, 6, 8, 9, 10], "{shown}");
            }
        }
    }
    assert_eq!(values[0], values[1]);
}

/// Runs memcheck on the program with an argument, with lode in the system's place.
fn memcheck(stand: &Stand, argument: &str) -> Option<(bool, String)> {
    let script = format!("exec valgrind --leak-check=full --error-exitcode=9 \"$1\" {argument}");
    let output = stand.in_place(&script)?;
    Some((output.status.success(), text(&output.stderr)))
}

#[test]
fn memcheck_needs_no_debug_information() {
    let Some(stand) = Stand::new(&["valgrind"]) else { return };
    let Some(output) = stand.in_place("exec valgrind --error-exitcode=9 /bin/true") else {
        return;
    };
    let told = text(&output.stderr);
    assert!(
        output.status.success() && told.contains("ERROR SUMMARY: 0 errors"),
        "{told}"
    );

    assert!(stand.program("loop.c", &[]));
    let (fine, told) = memcheck(&stand, "").unwrap();
    assert!(fine && told.contains("ERROR SUMMARY: 0 errors"), "{told}");
    assert!(told.contains("no leaks are possible"), "{told}");

    assert!(stand.program("faults.cc", &[]));
    for (fault, what, function) in [
        ("leak", "123 bytes in 1 blocks are definitely lost", "leak (library.cc:"),
        (
            "undefined",
            "Conditional jump or move depends on uninitialised value(s)",
            "undefined (library.cc:",
        ),
    ] {
        let (fine, told) = memcheck(&stand, fault).unwrap();
        assert!(!fine && told.contains("ERROR SUMMARY: 1 errors"), "{told}");
        let record = told.split(what).nth(1).unwrap_or_else(|| panic!("{what}:\n{told}"));
        let frames = lines(record, &["library.cc", "faults.cc"]);
        assert!(
            frames[0].contains(function) && frames[1].contains("main (faults.cc:"),
            "{told}"
        );
        // Without debug information of its own loader, valgrind does not start with that.
        let system = run(stand
            .command("valgrind")
            .args(["-q", "--leak-check=full"])
            .arg(stand.built(SYSTEM))
            .arg(fault));
        let system = text(&system.stderr);
        if !system.contains("cannot be set up") {
            let without_addresses = |frames: Vec<&str>| {
                frames
                    .iter()
                    .map(|frame| frame.rsplit(": ").next().unwrap().to_owned())
                    .collect()
            };
            let (ours, theirs): (Vec<String>, Vec<String>) = (
                without_addresses(frames),
                without_addresses(lines(&system, &["library.cc", "faults.cc"])),
            );
            assert_eq!(ours, theirs);
        }
    }
}

/// The part of a sanitizer's report that says what is wrong and where.
fn report(stand: &Stand, output: &Output) -> (Option<i32>, String) {
    let told = stand.normal(&text(&output.stderr));
    let part = lines(&told, &["    #", "SUMMARY", "ERROR", "WARNING"]);
    // The number of the process stands in front of a line.
    let part: Vec<&str> = part.iter().map(|line| line.rsplit("==").next().unwrap()).collect();
    (output.status.code(), part.join("\n"))
}

/// The program has the same faults under both loaders and in lode's drop-in form, and none that it has not.
fn sanitizers_agree(sanitizer: &str, faults: &[(&str, &str)]) {
    let Some(stand) = Stand::new(&[]) else { return };
    if !stand.program("faults.cc", &[&format!("-fsanitize={sanitizer}")]) {
        return skip("the compiler has no sanitizers");
    }
    // ThreadSanitizer of older compilers knows no addresses with more than 28 random bits.
    let bits = fs::read_to_string("/proc/sys/vm/mmap_rnd_bits").unwrap_or_default();
    if sanitizer == "thread" && bits.trim().parse::<u32>().is_ok_and(|bits| bits > 28) {
        return println!("skipped: this kernel puts mappings where ThreadSanitizer may not expect them");
    }
    let clean = run(&mut stand.command(stand.built(LODE)));
    assert_eq!(text(&clean.stderr), "");
    assert!(clean.status.success() && text(&clean.stdout) == "done\n", "{clean:?}");
    for (fault, summary) in faults {
        let reports: Vec<_> = [LODE, SYSTEM]
            .into_iter()
            .map(|under| run(stand.command(stand.built(under)).arg(fault)))
            .chain(stand.in_place(&format!("exec \"$1\" {fault}")))
            .map(|output| report(&stand, &output))
            .collect();
        assert!(
            reports[0].1.contains(summary),
            "{summary} is not in\n{:#?}",
            reports[0].1
        );
        for other in &reports[1..] {
            assert_eq!(reports[0], *other);
        }
    }
}

#[test]
fn address_sanitizer_reports_what_it_should() {
    let faults = [
        ("freed", "SUMMARY: AddressSanitizer: heap-use-after-free"),
        (
            "leak",
            "SUMMARY: AddressSanitizer: 123 byte(s) leaked in 1 allocation(s)",
        ),
    ];
    sanitizers_agree("address", &faults);
}

#[test]
fn thread_sanitizer_reports_what_it_should() {
    sanitizers_agree("thread", &[("race", "SUMMARY: ThreadSanitizer: data race")]);
}

#[test]
fn system_calls_and_library_calls_are_traced() {
    let Some(stand) = Stand::new(&["strace", "ltrace"]) else {
        return;
    };
    assert!(stand.program("threads.c", &[]));
    let traced = run(stand.command("strace").arg("-f").arg(stand.built(LODE)));
    let told = text(&traced.stderr);
    assert!(traced.status.success(), "{told}");
    assert_eq!(told.matches("+++ exited with 0 +++").count(), 4, "{told}");

    assert!(stand.program("loop.c", &[]));
    let calls = |under, switches: &[&str]| {
        let output = run(stand.command("ltrace").args(switches).arg(stand.built(under)));
        stand.normal(&text(&output.stderr))
    };
    let ours = calls(LODE, &[]);
    assert_eq!(ours.matches("dlopen(\"./other.so\", 2)").count(), 3, "{ours}");
    assert_eq!(ours.matches("printf(\"%d\\n\", ").count(), 3, "{ours}");
    assert_eq!(ours, calls(SYSTEM, &[]));
}

#[test]
fn mappings_are_named_and_in_order() {
    let Some(stand) = Stand::new(&[]) else { return };
    assert!(stand.program("maps.c", &[]));
    /// Offsets and access of a file's mappings, in the order of their addresses.
    type Mappings = BTreeMap<String, Vec<String>>;
    let mappings = |under| -> Mappings {
        let shown = succeed(&mut stand.command(stand.built(under)));
        let mut mappings = Mappings::new();
        for line in shown.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let name = fields.get(5).copied().unwrap_or_default();
            // A profiler cannot tell whose code an unnamed mapping is.
            assert!(!name.is_empty() || !fields[1].contains('x'), "{shown}");
            if name.starts_with('/') && !name.ends_with("/ld.so.cache") && !name.ends_with("/program") {
                let mapping = format!("{} {}", fields[2], fields[1]);
                mappings.entry(name.to_owned()).or_default().push(mapping);
            }
        }
        mappings
    };
    let mut ours = mappings(LODE);
    let mut theirs = mappings(SYSTEM);
    let own = stand.loader.display().to_string();
    let own = ours.remove(&own).unwrap();
    assert_eq!(
        own.iter().filter(|mapping| mapping.contains("r-x")).count(),
        1,
        "{own:?}"
    );
    theirs.retain(|name, _| !name.contains("ld-linux"));
    assert!(ours.len() >= 3, "{ours:#?}");
    assert_eq!(ours, theirs);
}
