//! The built loader with the system's glibc: which libc is accepted and which refused, what a debugger and a trace of
//! system calls see, and the switches that tell instead of starting.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_LOADER` | the loader under test; without it the one that `cargo xtask build` left |
//! | `CI` | `true`: a missing tool is a failure; otherwise its tests are skipped with a word |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod tools;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use object::read::elf::ElfFile64;
use object::{Endianness, Object as _, ObjectSegment as _, ObjectSymbol as _};
use temp_dir::TempDir;
use tools::{has, loader, namespace, run, skip, succeed, text};

const LIBC: &str = "/lib/x86_64-linux-gnu/libc.so.6";
const SYSTEM: &str = "/lib64/ld-linux-x86-64.so.2";

const HELLO: &str = r#"
#include <stdio.h>
int main(int argc, char **argv) { printf("hello %d\n", argc); return argc - 1; }
"#;

/// Compiles a C program that names `loader` as its interpreter.
fn compile(loader: &Path, folder: &TempDir, source: &str, name: &str, arguments: &[&str]) -> PathBuf {
    let source_file = folder.child(format!("{name}.c"));
    fs::write(&source_file, source).unwrap();
    let built = folder.child(name);
    succeed(
        Command::new("gcc")
            .args(["-O1", "-g", "-w"])
            .arg(format!("-Wl,--dynamic-linker={}", loader.display()))
            .arg(&source_file)
            .arg("-o")
            .arg(&built)
            .args(arguments)
            .current_dir(folder.path()),
    );
    built
}

/// A loader, a folder and a program that greets, if the machine has what it takes to make them.
fn hello() -> Option<(PathBuf, TempDir, PathBuf)> {
    let loader = loader()?;
    if !has("gcc") {
        return None;
    }
    let folder = TempDir::with_prefix("lode-libc-").unwrap();
    let program = compile(&loader, &folder, HELLO, "hello", &[]);
    Some((loader, folder, program))
}

#[test]
fn a_program_starts_with_the_installed_libc() {
    let Some((loader, _folder, program)) = hello() else {
        return;
    };
    assert_eq!(succeed(&mut Command::new(&program)), "hello 1\n");
    assert_eq!(succeed(Command::new(&loader).arg(&program)), "hello 1\n");
    let output = run(Command::new(&loader).arg(&program).args(["a", "b"]));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "hello 3\n");
}

/// A libc.so.6 to be changed.
struct Copy {
    bytes: Vec<u8>,
}

impl Copy {
    /// The installed one, with another build-id, so that no row of the tables names it.
    fn of_unknown_build() -> Option<Copy> {
        let Ok(bytes) = fs::read(LIBC) else {
            skip("no libc.so.6 where Debian has it");
            return None;
        };
        let mut copy = Copy { bytes };
        let build_id = ElfFile64::<Endianness>::parse(&*copy.bytes)
            .unwrap()
            .build_id()
            .unwrap()
            .unwrap()
            .to_vec();
        let places: Vec<usize> = (0..copy.bytes.len())
            .filter(|at| copy.bytes[*at..].starts_with(&build_id))
            .collect();
        assert_eq!(places.len(), 1);
        copy.bytes[places[0]..places[0] + build_id.len()].fill(0x5c);
        Some(copy)
    }

    /// The bytes of a definition.
    fn definition(&mut self, name: &str) -> &mut [u8] {
        let file = ElfFile64::<Endianness>::parse(&*self.bytes).unwrap();
        let symbol = file
            .dynamic_symbols()
            .find(|symbol| symbol.name() == Ok(name) && symbol.is_definition())
            .unwrap();
        let offset = file
            .segments()
            .find_map(|segment| {
                let into = symbol.address().checked_sub(segment.address())?;
                let (offset, size) = segment.file_range();
                (into < size).then_some(offset + into)
            })
            .unwrap();
        let range = offset as usize..(offset + symbol.size()) as usize;
        &mut self.bytes[range]
    }

    /// Writes it to a folder of its own, and runs a program with it.
    fn run(&self, loader: &Path, folder: &TempDir, arguments: &[&str]) -> (String, Output) {
        let place = folder.child("other");
        fs::create_dir_all(&place).unwrap();
        let file = place.join("libc.so.6");
        fs::write(&file, &self.bytes).unwrap();
        let output = run(Command::new(loader).arg("--library-path").arg(&place).args(arguments));
        (file.display().to_string(), output)
    }
}

#[test]
fn another_build_of_a_known_libc_starts_by_agreement() {
    let Some((loader, folder, program)) = hello() else {
        return;
    };
    let Some(copy) = Copy::of_unknown_build() else { return };
    let (_, output) = copy.run(&loader, &folder, &[program.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout), "hello 1\n");
    let (file, output) = copy.run(&loader, &folder, &["/bin/cat", "/proc/self/maps"]);
    let maps = text(&output.stdout);
    assert!(maps.contains(&file) && !maps.contains(LIBC), "{maps}");
}

/// Checks that a libc is refused, with file, version, build-id, `why`, and the way out.
fn is_refused(copy: &Copy, why: &str) {
    let Some((loader, folder, program)) = hello() else {
        return;
    };
    let (file, output) = copy.run(&loader, &folder, &[program.to_str().unwrap()]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(127), "{error}");
    assert_eq!(text(&output.stdout), "");
    let build_id = "5c".repeat(20);
    for part in [
        "error while loading shared libraries",
        &file,
        "2.36",
        &build_id,
        why,
        "cargo xtask tables",
    ] {
        assert!(error.contains(part), "`{part}` is not in\n{error}");
    }
}

#[test]
fn a_libc_whose_code_uses_another_offset_is_refused_by_name() {
    let Some(mut copy) = Copy::of_unknown_build() else {
        return;
    };
    // The displacement of _dl_nns in _rtld_global, as dl_iterate_phdr's code applies it.
    let (old, new) = (0xa00u32.to_le_bytes(), 0xa40u32.to_le_bytes());
    let code = copy.definition("dl_iterate_phdr");
    let places: Vec<usize> = (0..code.len()).filter(|at| code[*at..].starts_with(&old)).collect();
    assert!(!places.is_empty());
    for at in places {
        code[at..at + 4].copy_from_slice(&new);
    }
    is_refused(&copy, "dl_iterate_phdr does not use _rtld_global._dl_nns at 0xa00");
}

#[test]
fn a_libc_whose_own_descriptors_differ_is_refused_by_name() {
    let Some(mut copy) = Copy::of_unknown_build() else {
        return;
    };
    // Three words: bits, number of elements, offset.
    copy.definition("_thread_db_pthread_tid")[8] ^= 8;
    is_refused(&copy, "_thread_db_pthread_tid is ");
}

#[test]
fn a_second_libc_of_another_build_is_refused_in_a_namespace_too() {
    let Some((loader, folder, _)) = hello() else { return };
    let Some(copy) = Copy::of_unknown_build() else { return };
    fs::write(folder.child("libc.so.6"), &copy.bytes).unwrap();
    let source = r#"
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdio.h>
        int main(int count, char **names) {
            for (int i = 1; i < count; i++) {
                Lmid_t namespace = i == 1 ? LM_ID_BASE : LM_ID_NEWLM;
                puts(dlmopen(namespace, names[i], RTLD_NOW) ? "opened" : dlerror());
            }
            return 0;
        }"#;
    let program = compile(&loader, &folder, source, "program", &[]);
    let other = folder.child("libc.so.6").display().to_string();
    let output = run(Command::new(&program).args([&other, &other, LIBC]));
    let refused = "another build of glibc than the one that the program runs with";
    assert_eq!(
        text(&output.stdout),
        format!("{other}: {refused}\n{other}: {refused}\nopened\n"),
        "{output:?}"
    );
}

#[test]
fn an_abi_version_beyond_what_lode_knows_is_refused_with_value_and_range() {
    let Some((loader, folder, program)) = hello() else {
        return;
    };
    compile(
        &loader,
        &folder,
        "int answer(void) { return 42; }",
        "libanswer.so",
        &["-shared", "-fPIC"],
    );
    let source = "int answer(void); int main(void) { return answer() != 42; }";
    let user = compile(
        &loader,
        &folder,
        source,
        "user",
        &["libanswer.so", "-Wl,-rpath,$ORIGIN"],
    );
    let library = folder.child("libanswer.so");
    let set = |file: &Path, osabi, version| {
        let mut bytes = fs::read(file).unwrap();
        (bytes[7], bytes[8]) = (osabi, version);
        // A new file: the loader may still be mapped from the old one.
        fs::remove_file(file).unwrap();
        fs::write(file, bytes).unwrap();
        fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    for (osabi, version, detail) in [
        (0, 1, "EI_ABIVERSION is 1, EI_OSABI 0 (NONE); lode supports up to 0"),
        (3, 4, "EI_ABIVERSION is 4, EI_OSABI 3 (GNU); lode supports up to 3"),
        (3, 255, "EI_ABIVERSION is 255, EI_OSABI 3 (GNU); lode supports up to 3"),
        (9, 0, "EI_OSABI is 9 (FreeBSD); lode supports 0 (NONE) and 3 (GNU)"),
    ] {
        set(&program, osabi, version);
        set(&library, osabi, version);
        for (name, mut command) in [
            (&program, Command::new(&program)),
            (&program, as_command(&loader, &program)),
            (&library, Command::new(&user)),
            (&library, as_command(&loader, &user)),
        ] {
            let output = run(&mut command);
            let error = text(&output.stderr);
            assert_eq!(output.status.code(), Some(127), "{command:?}: {error}");
            assert!(error.contains(detail), "{command:?}: {error}");
            assert!(error.contains(name.to_str().unwrap()), "{command:?}: {error}");
        }
    }
    set(&program, 3, 3);
    set(&library, 3, 3);
    for mut command in [
        Command::new(&program),
        as_command(&loader, &program),
        Command::new(&user),
        as_command(&loader, &user),
    ] {
        succeed(&mut command);
    }
}

fn as_command(loader: &Path, program: &Path) -> Command {
    let mut command = Command::new(loader);
    command.arg(program);
    command
}

/// Whether a path is that of some loader.
fn is_a_loader(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "ld.so"
        || ["ld-linux", "ld-musl", "ld-2.", "ld.so.1"]
            .iter()
            .any(|start| name.starts_with(start))
}

#[test]
fn no_system_call_opens_or_executes_a_loader() {
    let Some(loader) = loader() else { return };
    if !has("strace") {
        return;
    }
    let folder = TempDir::with_prefix("lode-trace-").unwrap();
    for script in ["ls -l / > /dev/null", "ls / | cat > /dev/null; echo $(echo done)"] {
        let Some(mut command) = namespace() else { return };
        let trace = folder.child("trace");
        command
            .args(["sh", "-c"])
            .arg(
                "mount --make-rprivate / && mount --bind \"$1\" \"$2\" && \
                 exec strace -f -qq -s 4096 -e trace=%file -o \"$3\" bash -c \"$4\"",
            )
            .arg("sh")
            .arg(&loader)
            .arg(Path::new(SYSTEM).canonicalize().unwrap())
            .arg(&trace)
            .arg(script);
        let output = run(&mut command);
        if text(&output.stderr).contains("Operation not permitted") {
            return skip("strace may not trace here");
        }
        assert!(output.status.success(), "{output:?}");
        let calls = fs::read_to_string(&trace).unwrap();
        assert!(calls.contains("libc.so.6"), "{calls}");
        let bad: Vec<&str> = calls
            .lines()
            .filter(|line| line.contains("open") || line.contains("exec"))
            .filter(|line| line.split('"').skip(1).step_by(2).take(1).any(is_a_loader))
            .collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

#[test]
fn a_start_uses_no_system_call_that_a_filter_made_for_glibc_would_not_let_pass() {
    // Asked of the kernel to tell a truncated program; glibc's newer releases know it, too (fstat is newfstatat there).
    const BESIDES: [&str; 3] = ["madvise", "fstat", "rt_sigprocmask"];
    let Some((_loader, folder, program)) = hello() else {
        return;
    };
    if !has("strace") {
        return;
    }
    let calls = |program: &Path| -> Option<BTreeSet<String>> {
        let trace = folder.child("trace");
        let output = run(Command::new("strace").arg("-o").arg(&trace).arg(program));
        let told = fs::read_to_string(&trace).unwrap_or_default();
        if !output.status.success() || told.is_empty() {
            skip("strace may not trace here");
            return None;
        }
        let names = told.lines().filter_map(|line| Some(line.split_once('(')?.0.to_owned()));
        Some(names.collect())
    };
    let system = compile(Path::new(SYSTEM), &folder, HELLO, "hello.system", &[]);
    let (Some(ours), Some(system)) = (calls(&program), calls(&system)) else {
        return;
    };
    let more: Vec<&String> = ours
        .difference(&system)
        .filter(|name| !BESIDES.contains(&name.as_str()))
        .collect();
    assert!(more.is_empty(), "{more:?}");
}

#[test]
fn a_start_leaves_no_descriptor_open() {
    let Some(loader) = loader() else { return };
    let script = "echo /proc/self/fd/*";
    let ours = succeed(Command::new(&loader).args(["/bin/bash", "-c", script]));
    assert_eq!(ours, succeed(Command::new("/bin/bash").args(["-c", script])));
}

#[test]
fn programs_run_where_no_other_loader_is_on_disk() {
    let Some(loader) = loader() else { return };
    let Some(mut command) = namespace() else { return };
    let root = TempDir::with_prefix("lode-root-").unwrap();
    let install = |from: &str, to: &Path| {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    };
    for program in ["/bin/bash", "/bin/cat", "/bin/ls"] {
        install(program, &root.child(&program[1..]));
        for line in succeed(Command::new(&loader).arg("--list").arg(program)).lines() {
            if let Some((_, path)) = line.split_once(" => ") {
                let path = path.split(" (").next().unwrap();
                install(path, &root.child(&path[1..]));
            }
        }
    }
    install(loader.to_str().unwrap(), &root.child(&SYSTEM[1..]));
    fs::create_dir(root.child("proc")).unwrap();
    command
        .args(["sh", "-c"])
        .arg(
            "mount --make-rprivate / && mount --rbind /proc \"$1/proc\" && \
             exec chroot \"$1\" /bin/bash -c 'ls / | cat; cat /proc/self/maps'",
        )
        .arg("sh")
        .arg(root.path());
    let output = run(&mut command);
    let inode = fs::metadata(root.child(&SYSTEM[1..])).unwrap().ino().to_string();
    assert!(output.status.success(), "{output:?}");
    let shown = text(&output.stdout);
    assert!(shown.starts_with("bin\nlib\nlib64\nproc\n"), "{shown}");
    let loaders: Vec<&str> = shown
        .lines()
        .filter(|line| line.split_whitespace().nth(5).is_some_and(is_a_loader))
        .collect();
    assert!(!loaders.is_empty(), "{shown}");
    assert!(
        loaders
            .iter()
            .all(|line| line.split_whitespace().nth(4) == Some(&inode)),
        "{loaders:#?}"
    );
}

/// A program whose library has a constructor and a function, for looking into with a debugger.
fn program_with_library() -> Option<(PathBuf, TempDir, PathBuf)> {
    let loader = loader()?;
    if !has("gcc") || !has("gdb") {
        return None;
    }
    let folder = TempDir::with_prefix("lode-gdb-").unwrap();
    let library = "#include <stdio.h>\n\
                   __attribute__((constructor, noinline)) void constructed(void) { puts(\"constructed\"); }\n\
                   __attribute__((noinline)) int called(int number) { return number + 1; }\n";
    compile(&loader, &folder, library, "libdeep.so", &["-shared", "-fPIC"]);
    let main = "int called(int); int main(int argc, char **argv) { return called(argc) - 2; }";
    let program = compile(&loader, &folder, main, "main", &["libdeep.so", "-Wl,-rpath,$ORIGIN"]);
    Some((loader, folder, program))
}

fn gdb(program: &Path, commands: &[&str]) -> String {
    let mut command = Command::new("gdb");
    command.args([
        "-nx",
        "-batch",
        "-ex",
        "set confirm off",
        "-ex",
        "set breakpoint pending on",
    ]);
    command.args(["-ex", "set debuginfod enabled off"]);
    for one in commands {
        command.args(["-ex", one]);
    }
    let output = run(command.arg(program));
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn a_debugger_stops_in_a_library_and_lists_what_is_loaded() {
    let Some((loader, _folder, program)) = program_with_library() else {
        return;
    };
    let shown = gdb(
        &program,
        &["break called", "run", "bt", "info sharedlibrary", "continue"],
    );
    if shown.contains("ptrace: Operation not permitted") {
        return skip("gdb may not trace here");
    }
    assert!(shown.contains("Breakpoint 1, called (number=1)"), "{shown}");
    assert!(shown.contains("#1 ") && shown.contains("in main (argc="), "{shown}");
    let listed: Vec<&str> = shown.lines().filter(|line| line.starts_with("0x")).collect();
    for name in ["libc.so.6", "libdeep.so", loader.to_str().unwrap()] {
        assert!(
            listed.iter().any(|line| line.ends_with(name)),
            "{name} is not listed:\n{shown}"
        );
    }
    assert!(shown.contains("exited normally"), "{shown}");
}

#[test]
fn a_backtrace_in_a_constructor_leads_to_the_start() {
    let Some((loader, _folder, program)) = program_with_library() else {
        return;
    };
    let shown = gdb(&program, &["break constructed", "run", "bt", "continue"]);
    if shown.contains("ptrace: Operation not permitted") {
        return skip("gdb may not trace here");
    }
    assert!(shown.contains("Breakpoint 1, constructed ()"), "{shown}");
    let frames = shown.lines().filter(|line| line.starts_with('#')).count();
    assert!(frames >= 3, "{shown}");
    for bad in [
        "?? ()\nBacktrace stopped",
        "previous frame identical",
        "corrupt stack",
        "Cannot access memory",
    ] {
        assert!(!shown.contains(bad), "{shown}");
    }
    let last = shown.lines().rfind(|line| line.starts_with('#')).unwrap();
    // The loader has no names for gdb when it is stripped; that the walk ends in it without a complaint says that it ended at its entry.
    assert!(
        last.contains("_start") || last.contains(loader.to_str().unwrap()),
        "{shown}"
    );
}

#[test]
fn each_word_of_ld_debug_tells_something_and_the_program_runs() {
    let Some((_loader, _folder, program)) = hello() else {
        return;
    };
    for word in [
        "libs",
        "files",
        "symbols",
        "bindings",
        "versions",
        "reloc",
        "scopes",
        "statistics",
        "all",
    ] {
        let output = run(Command::new(&program).env("LD_DEBUG", word));
        assert_eq!(text(&output.stdout), "hello 1\n", "{word}");
        let told = text(&output.stderr);
        assert!(!told.is_empty(), "{word} tells nothing");
        let prefixed = told.lines().all(|line| {
            let number = line.split(':').next().unwrap_or_default().trim();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        assert!(prefixed, "{word}: {told}");
    }
    // The words of the whole language, in the familiar form.
    for (words, line) in [
        ("libs", "find library=libc.so.6 [0]; searching"),
        ("files", "generating link map"),
        ("symbols", "symbol=printf;  lookup in file="),
        ("bindings", "normal symbol `printf' [GLIBC_2.2.5]"),
        ("versions", "checking for version `GLIBC_2.2.5' in file"),
        ("reloc", "relocation processing: "),
        ("scopes", "scope 0: "),
        ("statistics", "runtime linker statistics:"),
        ("files,libs", "calling init: "),
    ] {
        let output = run(Command::new(&program).env("LD_DEBUG", words));
        assert!(text(&output.stderr).contains(line), "{words}: {}", text(&output.stderr));
    }
    let help = run(Command::new(&program).env("LD_DEBUG", "help"));
    assert!(help.status.success());
    assert!(text(&help.stdout).contains("statistics"), "{help:?}");
}

/// Which definition each reference of a program and its libraries gets, as `LD_DEBUG=bindings` tells it. Left out is what is no
/// relocation: the loader's own look-ups, which are in its own name, in the kernel's library's, or for memory functions.
fn bindings(loader: &Path, program: &[&str]) -> BTreeSet<String> {
    let output = run(Command::new(loader)
        .args(program)
        .env("LD_BIND_NOW", "1")
        .env("LD_DEBUG", "bindings"));
    assert!(output.status.success(), "{program:?}");
    let told = text(&output.stderr);
    let lines = told
        .lines()
        .filter_map(|line| line.split_once("binding file "))
        .map(|(_, binding)| binding);
    lines
        .filter(|line| !line.starts_with("linux-vdso") && !line.starts_with(SYSTEM))
        .filter(|line| {
            !["malloc", "calloc", "realloc", "free"]
                .iter()
                .any(|name| line.contains(&format!("`{name}'")))
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_reference_gets_the_definition_that_the_system_s_loader_gives_it() {
    let Some(loader) = loader() else { return };
    if !Path::new(SYSTEM).exists() {
        return skip("there is no other loader to compare with");
    }
    let programs: [&[&str]; 6] = [
        &["/bin/ls", "/"],
        &["/bin/bash", "-c", ":"],
        &["/usr/bin/git", "--version"],
        &["/usr/bin/gdb", "--version"],
        &["/usr/bin/perl", "-e", "1"],
        &["/usr/bin/tar", "--version"],
    ];
    for program in programs.into_iter().filter(|program| Path::new(program[0]).exists()) {
        let (ours, system) = (bindings(&loader, program), bindings(Path::new(SYSTEM), program));
        assert!(ours.len() > 50, "{program:?}: {}", ours.len());
        let differences: Vec<&String> = ours.symmetric_difference(&system).take(20).collect();
        assert!(differences.is_empty(), "{program:?}: {differences:#?}");
    }
}

#[test]
fn ld_debug_output_goes_to_a_file_with_the_process_s_number() {
    let Some((_loader, folder, program)) = hello() else {
        return;
    };
    let path = folder.child("report");
    let mut child = Command::new(&program)
        .env("LD_DEBUG", "files")
        .env("LD_DEBUG_OUTPUT", &path)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let file = folder.child(format!("report.{}", child.id()));
    assert!(child.wait().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
    let told = fs::read_to_string(file).unwrap();
    assert!(told.contains("generating link map"), "{told}");
}

/// The libraries in a list of ldd's form, in its order: name, and path where there is one.
fn listed(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.trim().split(" (").next().unwrap().to_owned())
        .collect()
}

/// Programs of the system that name an interpreter.
fn programs() -> Vec<PathBuf> {
    const MOST: usize = 400;
    let mut programs: Vec<PathBuf> = fs::read_dir("/usr/bin")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    programs.sort();
    programs.retain(|path| {
        let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
        is_file
            && fs::read(path).is_ok_and(|bytes| {
                let start = &bytes[..bytes.len().min(4096)];
                start.windows(SYSTEM.len()).any(|window| window == SYSTEM.as_bytes())
            })
    });
    programs.truncate(MOST);
    programs
}

#[test]
fn lists_are_ldd_s_for_the_system_s_programs() {
    let Some(loader) = loader() else { return };
    if !Path::new(SYSTEM).exists() {
        return skip("there is no other loader to compare with");
    }
    let programs = programs();
    assert!(!programs.is_empty());
    for program in programs {
        let system = run(Command::new(SYSTEM).arg("--list").arg(&program));
        let ours = run(Command::new(&loader).arg("--list").arg(&program));
        assert_eq!(ours.status.code(), system.status.code(), "{}", program.display());
        assert_eq!(
            listed(&text(&ours.stdout)),
            listed(&text(&system.stdout)),
            "{}",
            program.display()
        );
    }
    let traced = succeed(as_command(&loader, Path::new("/bin/ls")).env("LD_TRACE_LOADED_OBJECTS", "1"));
    assert_eq!(
        listed(&traced),
        listed(&succeed(Command::new(SYSTEM).args(["--list", "/bin/ls"])))
    );
}

#[test]
fn a_list_names_what_is_missing_and_a_traced_program_does_not_run() {
    let Some((loader, folder, _)) = hello() else { return };
    compile(
        &loader,
        &folder,
        "int f(void) { return 1; }",
        "libgone.so",
        &["-shared", "-fPIC"],
    );
    let source = "int f(void); int main(void) { return f(); }";
    let program = compile(&loader, &folder, source, "user", &["libgone.so"]);
    fs::remove_file(folder.child("libgone.so")).unwrap();
    let traced = run(as_command(&loader, &program).env("LD_TRACE_LOADED_OBJECTS", "1"));
    let system = run(as_command(Path::new(SYSTEM), &program).env("LD_TRACE_LOADED_OBJECTS", "1"));
    assert_eq!(traced.status.code(), system.status.code(), "{traced:?}");
    let told = text(&traced.stdout);
    assert!(told.contains("\tlibgone.so => not found\n"), "{told}");
    // The last line is the interpreter's, which one shows by its other name.
    assert_eq!(listed(&told)[..3], listed(&text(&system.stdout))[..3]);
    let output = run(&mut Command::new(&program));
    assert_eq!(output.status.code(), Some(127));
    assert!(
        text(&output.stderr).contains("libgone.so: cannot open shared object file"),
        "{output:?}"
    );
}

#[test]
fn verify_answers_by_its_status_alone() {
    let Some((loader, folder, program)) = hello() else {
        return;
    };
    compile(
        &loader,
        &folder,
        "int f(void) { return 1; }",
        "liba.so",
        &["-shared", "-fPIC"],
    );
    let fixed = compile(&loader, &folder, HELLO, "static", &["-static"]);
    let script = folder.child("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    for file in [
        program.as_path(),
        &folder.child("liba.so"),
        &fixed,
        &script,
        Path::new("/nowhere"),
    ] {
        let ours = run(Command::new(&loader).arg("--verify").arg(file));
        let system = run(Command::new(SYSTEM).arg("--verify").arg(file));
        assert_eq!(ours.status.code(), system.status.code(), "{}", file.display());
        assert_eq!((ours.stdout.len(), ours.stderr.len()), (0, 0), "{ours:?}");
    }
}

#[test]
fn a_static_program_relocates_and_protects_itself() {
    let Some((loader, folder, _)) = hello() else { return };
    for (name, switches) in [
        ("fixed", &["-static", "-no-pie", "-Wl,--no-dynamic-linker"]),
        ("movable", &["-static-pie", "-fPIE", "-Wl,--no-dynamic-linker"]),
    ] {
        let program = compile(&loader, &folder, HELLO, name, switches);
        let [ours, system] =
            [loader.as_path(), Path::new(SYSTEM)].map(|loader| run(Command::new(loader).arg(&program)));
        assert_eq!(ours.status.code(), system.status.code(), "{ours:?}");
        assert_eq!(text(&ours.stdout), text(&system.stdout));
        assert!(!ours.stdout.is_empty() && ours.stderr.is_empty(), "{ours:?}");
    }
}

#[test]
fn lode_does_not_run_itself() {
    let Some(loader) = loader() else { return };
    let output = run(Command::new(&loader).arg(&loader));
    assert_eq!(output.status.code(), Some(127));
    let error = text(&output.stderr);
    assert!(error.contains("lode was asked to run itself"), "{error}");
    assert!(error.contains("fix: "), "{error}");
}

#[test]
fn libc_itself_runs_as_the_program() {
    let Some(loader) = loader() else { return };
    if !Path::new(LIBC).exists() {
        return skip("no libc.so.6 where Debian has it");
    }
    let shown = succeed(Command::new(&loader).arg(LIBC));
    assert!(shown.starts_with("GNU C Library"), "{shown}");
    assert_eq!(shown, succeed(Command::new(SYSTEM).arg(LIBC)));
}
