//! What a program finds protected when its first code runs, and what a start asks of the kernel: RELRO, W^X, sealing, restrictions that are there before
//! the start, descriptors, files, addresses.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "hardening/start.rs"]
mod start;
mod tools;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, elf};
use temp_dir::TempDir;
use tools::{has, loader, run, skip, succeed, text};

const SYSTEM: &str = "/lib64/ld-linux-x86-64.so.2";
const PAGE: u64 = 4096;
/// The number of mseal(2).
const MSEAL: &str = "462";
/// What `confined` ends with where the kernel has no such restriction.
const UNAVAILABLE: i32 = 77;

/// A folder with the programs of `tests/hardening`.
struct Stand {
    loader: PathBuf,
    folder: TempDir,
}

impl Stand {
    fn new() -> Option<Stand> {
        let loader = loader()?;
        if !has("gcc") {
            return None;
        }
        let stand = Stand {
            loader,
            folder: TempDir::with_prefix("lode-hardening-").unwrap(),
        };
        stand.build("libfirst.so", &["first.c", "-shared", "-fPIC"]);
        Some(stand)
    }

    /// Compiles a source of `tests/hardening`.
    fn build(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("hardening");
        let built = self.folder.child(name);
        let arguments = arguments.iter().map(|argument| match argument.rsplit_once('.') {
            Some((_, "c" | "S")) => sources.join(argument).into_os_string(),
            _ => argument.into(),
        });
        succeed(
            Command::new("gcc")
                .args(["-O1", "-w", "-Wl,-z,relro,-z,now", "-o"])
                .arg(&built)
                .args(arguments),
        );
        built
    }

    /// The program that shows its memory, with `interpreter`.
    fn shows(&self, name: &str, interpreter: &Path, more: &[&str]) -> PathBuf {
        self.with_first("shows.c", name, interpreter, more)
    }

    /// A program with the library that shows memory.
    fn with_first(&self, source: &str, name: &str, interpreter: &Path, more: &[&str]) -> PathBuf {
        let interpreter = format!("-Wl,--dynamic-linker={}", interpreter.display());
        let folder = self.folder.path().to_str().unwrap();
        let (search, origin) = (format!("-L{folder}"), format!("-Wl,-rpath,{folder}"));
        let mut arguments = vec![source, &interpreter, &search, &origin, "-lfirst"];
        arguments.extend(more);
        self.build(name, &arguments)
    }
}

/// A line of smaps with its flags.
#[derive(Debug)]
struct Mapping {
    start: u64,
    end: u64,
    access: String,
    file: String,
    flags: Vec<String>,
}

impl Mapping {
    fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|one| one == flag)
    }
}

/// What stands under a heading of the output of `shows`.
fn shown(output: &str, when: &str) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    let lines = output.lines().skip_while(|line| *line != format!("== {when}")).skip(1);
    for line in lines.take_while(|line| !line.starts_with("== ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            mappings.last_mut().unwrap().flags = flags.split_whitespace().map(str::to_owned).collect();
        } else if let Some((start, end)) = words[0].split_once('-') {
            let number = |digits| u64::from_str_radix(digits, 16).unwrap();
            mappings.push(Mapping {
                start: number(start),
                end: number(end),
                access: words[1].to_owned(),
                file: words.get(5).copied().unwrap_or_default().to_owned(),
                flags: Vec::new(),
            });
        }
    }
    assert!(!mappings.is_empty(), "nothing under {when}: {output}");
    mappings
}

/// A file that is mapped as a program is, and the pages of its RELRO.
struct Object {
    file: String,
    start: u64,
    end: u64,
    relro: (u64, u64),
}

/// The ELF files among the mappings.
fn objects(mappings: &[Mapping]) -> Vec<Object> {
    let files: BTreeSet<&str> = mappings.iter().map(|one| one.file.as_str()).collect();
    let elf_files = files.into_iter().filter(|file| file.starts_with('/'));
    elf_files
        .filter_map(|file| {
            let bytes = fs::read(file).ok()?;
            let parsed = ElfFile64::<Endianness>::parse(&*bytes).ok()?;
            let endian = parsed.endian();
            let headers = parsed.elf_header().program_headers(endian, &*bytes).ok()?;
            let of = |kind| headers.iter().filter(move |header| header.p_type(endian) == kind);
            let base = mappings.iter().find(|one| one.file == file)?.start
                - of(elf::PT_LOAD).next()?.p_vaddr(endian) / PAGE * PAGE;
            let last = of(elf::PT_LOAD).next_back()?;
            let relro = of(elf::PT_GNU_RELRO).next().map_or((0, 0), |relro| {
                let end = base + relro.p_vaddr(endian) + relro.p_memsz(endian);
                ((base + relro.p_vaddr(endian)) / PAGE * PAGE, end / PAGE * PAGE)
            });
            Some(Object {
                file: file.to_owned(),
                start: base,
                end: base + last.p_vaddr(endian) + last.p_memsz(endian),
                relro,
            })
        })
        .collect()
}

/// RELRO cannot be written to, and nothing can be written to and executed. Returns the number of RELRO pages.
fn assert_protected(mappings: &[Mapping], files: &[&str]) -> u64 {
    let both: Vec<_> = mappings.iter().filter(|one| one.access.contains("wx")).collect();
    assert!(both.is_empty(), "{both:#?}");
    let objects = objects(mappings);
    let mut pages = 0;
    for file in files {
        let object = objects.iter().find(|one| one.file.contains(file)).unwrap();
        let (start, end) = object.relro;
        assert!(start < end, "{file} has no RELRO");
        pages += (end - start) / PAGE;
        let open = mappings
            .iter()
            .find(|one| one.start < end && start < one.end && one.access.contains('w'));
        assert!(open.is_none(), "{file}: {open:?}");
    }
    pages
}

/// The mappings that belong to these files, or to all ELF files, and that nobody may write to: how many are sealed, and how many there are.
fn sealed(mappings: &[Mapping], files: &[&str]) -> (usize, usize) {
    let objects = objects(mappings);
    let is_asked = |one: &&Mapping| {
        let object = objects
            .iter()
            .find(|object| object.start <= one.start && one.start < object.end);
        object.is_some_and(|object| files.is_empty() || files.iter().any(|file| object.file.contains(file)))
    };
    let fixed: Vec<_> = mappings
        .iter()
        .filter(|one| one.access.starts_with("r-"))
        .filter(is_asked)
        .collect();
    (fixed.iter().filter(|one| one.is("sl")).count(), fixed.len())
}

/// Whether the kernel can seal, by what a program shows that was to be sealed.
fn seals(mappings: &[Mapping]) -> bool {
    let can = mappings.iter().any(|one| one.is("sl"));
    if !can {
        skip("the kernel cannot seal (Linux 6.10)");
    }
    can
}

#[test]
fn relro_is_read_only_and_nothing_is_writable_and_executable_from_the_first_constructor_on() {
    let Some(stand) = Stand::new() else { return };
    let program = stand.shows("shows", &stand.loader, &[]);
    let loader = stand.loader.file_name().unwrap().to_str().unwrap();
    let mut as_command = Command::new(&stand.loader);
    as_command.arg(&program);
    for mut command in [Command::new(&program), as_command] {
        let output = succeed(&mut command);
        for when in ["constructor", "main"] {
            let mappings = shown(&output, when);
            let pages = assert_protected(&mappings, &["shows", "libfirst.so", "libc.so.6", loader]);
            assert!(pages >= 4, "{pages}");
            // A profiler that writes into the tables of others has to be able to.
            assert_eq!(sealed(&mappings, &[]).0, 0);
        }
    }
}

#[test]
fn everything_that_stays_is_sealed_where_that_is_asked_for() {
    let Some(stand) = Stand::new() else { return };
    let program = stand.shows("shows", &stand.loader, &[]);
    let plugin = stand.build("libplugin.so", &["plugin.c", "-shared", "-fPIC"]);
    let mut as_interpreter = Command::new(&program);
    as_interpreter.env("LODE_OPTIONS", "seal");
    let mut as_command = Command::new(&stand.loader);
    as_command.arg("--seal").arg(&program);
    for mut command in [as_interpreter, as_command] {
        let output = succeed(command.arg(&plugin));
        let first = shown(&output, "constructor");
        if !seals(&first) {
            return;
        }
        let loader = stand.loader.file_name().unwrap().to_str().unwrap();
        for (when, extra) in [("constructor", 0), ("main", 0), ("opened", 4)] {
            let mappings = shown(&output, when);
            let (done, all) = sealed(&mappings, &[]);
            assert_eq!(done, all, "{when}: {mappings:#?}");
            // Headers, code, constants, RELRO of the program, libfirst, libc, and lode.
            assert!(all >= 4 * 3 + 3 + extra, "{when}: {all}");
            assert_protected(&mappings, &["shows", "libfirst.so", "libc.so.6", loader]);
        }
    }
}

#[test]
fn a_file_that_asks_for_it_is_sealed_and_no_other() {
    let Some(stand) = Stand::new() else { return };
    let program = stand.shows("shows", &stand.loader, &["property.S"]);
    let output = succeed(&mut Command::new(&program));
    let mappings = shown(&output, "main");
    if !seals(&mappings) {
        return;
    }
    let (done, all) = sealed(&mappings, &["shows"]);
    assert_eq!((done, all), (all, 4), "{mappings:#?}");
    assert_eq!(sealed(&mappings, &["libfirst.so", "libc.so.6"]).0, 0);
    // One that is opened may be closed again, unless it is opened for good.
    let plugin = stand.build("libplugin.so", &["plugin.c", "property.S", "-shared", "-fPIC"]);
    let output = succeed(Command::new(stand.shows("plain", &stand.loader, &[])).arg(plugin));
    let (done, all) = sealed(&shown(&output, "opened"), &["libplugin.so"]);
    assert_eq!((done, all), (all, 4), "{output}");
}

#[test]
fn what_nothing_can_close_any_more_is_sealed_when_it_is_opened_or_something_else_is() {
    let Some(stand) = Stand::new() else { return };
    let library = ["plugin.c", "-shared", "-fPIC"];
    let bound = stand.build("libplugin.so", &library);
    let needed = stand.build("libneeded.so", &[&library[..], &["-Dplugin=needed"]].concat());
    let needs = ["-Dplugin=keeper", "-Wl,--no-as-needed", needed.to_str().unwrap()];
    let keeper = stand.build("libkeeper.so", &[&library[..], &needs].concat());
    let caller = stand.build(
        "libcaller.so",
        &["binds.c", "-DCALLER", "-shared", "-fPIC", "-Wl,-z,lazy"],
    );
    let more = [caller.to_str().unwrap(), "-Wl,--allow-shlib-undefined", "-Wl,-z,lazy"];
    let program = stand.with_first("binds.c", "binds", &stand.loader, &more);
    let output = succeed(Command::new(program).args([bound, keeper]).env("LODE_OPTIONS", "seal"));
    let mappings = shown(&output, "opened");
    if seals(&mappings) {
        let opened = sealed(&mappings, &["libplugin.so", "libkeeper.so", "libneeded.so"]);
        assert_eq!(opened, (12, 12), "{mappings:#?}");
        let (done, all) = sealed(&mappings, &[]);
        assert_eq!(done, all, "{mappings:#?}");
    }
}

#[test]
fn what_can_be_closed_is_never_sealed() {
    let Some(stand) = Stand::new() else { return };
    stand.build("libplugin.so", &["plugin.c", "property.S", "-shared", "-fPIC"]);
    let program = stand.build("closes", &["closes.c"]);
    let ours = succeed(
        Command::new(&stand.loader)
            .arg("--seal")
            .arg(&program)
            .arg(stand.folder.child("libplugin.so")),
    );
    assert_eq!(ours, "closed and gone\n");
}

#[test]
fn a_secure_process_is_sealed_without_being_asked() {
    let Some(stand) = Stand::new() else { return };
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can make a set-user-ID program and leave its rights");
    }
    // Others have to reach the loader and the program, and RUNPATHs into a folder of anybody's do not count.
    let loader = stand.folder.child("loader");
    fs::copy(&stand.loader, &loader).unwrap();
    let program = stand.build(
        "shows",
        &[
            "shows.c",
            "first.c",
            &format!("-Wl,--dynamic-linker={}", loader.display()),
        ],
    );
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(stand.folder.path(), 0o755);
    open(&loader, 0o755);
    open(&program, 0o4755);
    let output = succeed(
        Command::new(&program)
            .uid(65534)
            .gid(65534)
            .env("LODE_OPTIONS", "debug=all"),
    );
    if !output.contains("== secure 1") {
        return skip("set-user-ID programs are not honoured here");
    }
    let mappings = shown(&output, "main");
    if seals(&mappings) {
        let (done, all) = sealed(&mappings, &[]);
        assert_eq!(done, all, "{mappings:#?}");
        assert!(all >= 4 * 2 + 3, "{all}");
    }
}

#[test]
fn a_kernel_that_cannot_seal_starts_the_program_all_the_same() {
    let Some(stand) = Stand::new() else { return };
    let confined = stand.build("confined", &["confined.c"]);
    let program = stand.shows("shows", &stand.loader, &[]);
    let output = run(Command::new(confined)
        .args(["without", MSEAL])
        .arg(&program)
        .env("LODE_OPTIONS", "seal"));
    if output.status.code() == Some(UNAVAILABLE) {
        return skip("no filter of system calls can be had");
    }
    assert!(output.status.success(), "{output:?}");
    let mappings = shown(&text(&output.stdout), "main");
    assert_eq!(sealed(&mappings, &[]).0, 0);
    assert_protected(&mappings, &["shows", "libfirst.so", "libc.so.6"]);
}

#[test]
fn a_program_starts_where_nothing_may_become_executable() {
    let Some(stand) = Stand::new() else { return };
    let confined = stand.build("confined", &["confined.c"]);
    let plugin = stand.build("libplugin.so", &["plugin.c", "-shared", "-fPIC"]);
    for interpreter in [&stand.loader, Path::new(SYSTEM)] {
        let program = stand.shows("shows", interpreter, &[]);
        let output = run(Command::new(&confined).arg("mdwe").arg(program).arg(&plugin));
        if output.status.code() == Some(UNAVAILABLE) {
            return skip("the kernel has no PR_SET_MDWE (Linux 6.3)");
        }
        assert!(output.status.success(), "{output:?}");
        shown(&text(&output.stdout), "opened");
    }
    for program in [&["/bin/ls", "/"][..], &["/bin/bash", "-c", "echo $((1 + 1))"]] {
        succeed(Command::new(&confined).arg("mdwe").arg(&stand.loader).args(program));
    }
}

/// The system calls of a command by name, each with its number, and the lines of the trace; `None` where nothing can be traced.
fn trace(stand: &Stand, command: &[&str]) -> Option<(BTreeSet<(String, String)>, String)> {
    let file = stand.folder.child("trace");
    let output = run(Command::new("strace").args(["-n", "-y", "-o"]).arg(&file).args(command));
    let told = fs::read_to_string(&file).unwrap_or_default();
    if !output.status.success() || told.is_empty() {
        skip(&format!("strace may not trace here: {}", text(&output.stderr)));
        return None;
    }
    let calls = told.lines().filter_map(|line| {
        let (number, rest) = line.strip_prefix('[')?.split_once("] ")?;
        Some((rest.split_once('(')?.0.to_owned(), number.trim().to_owned()))
    });
    Some((calls.collect(), told))
}

#[test]
fn a_filter_that_lets_pass_what_glibc_calls_lets_a_start_pass() {
    // glibc asks so, or by newfstatat, as its release has it.
    const BESIDES: [&str; 1] = ["5" /* fstat */];
    let Some(stand) = Stand::new() else { return };
    if !has("strace") {
        return;
    }
    let confined = stand.build("confined", &["confined.c"]);
    let system = stand.shows("system", Path::new(SYSTEM), &[]);
    let ours = stand.shows("ours", &stand.loader, &[]);
    let Some((calls, _)) = trace(&stand, &[system.to_str().unwrap()]) else {
        return;
    };
    let mut numbers: BTreeSet<&str> = calls.iter().map(|(_, number)| number.as_str()).collect();
    numbers.extend(BESIDES);
    let list = numbers.into_iter().collect::<Vec<_>>().join(",");
    for words in [&[&ours][..], &[&stand.loader, &ours]] {
        let output = run(Command::new(&confined).args(["only", &list]).args(words));
        if output.status.code() == Some(UNAVAILABLE) {
            return skip("no filter of system calls can be had");
        }
        assert!(output.status.success(), "{list}: {output:?}");
    }
    // The filter is one: sealing is not in it.
    let sealing = run(Command::new(&confined)
        .args(["only", &list])
        .arg(&ours)
        .env("LODE_OPTIONS", "seal"));
    assert!(!sealing.status.success(), "{sealing:?}");
}

#[test]
fn a_start_gets_by_without_calls_that_only_some_releases_of_glibc_make() {
    let Some(stand) = Stand::new() else { return };
    let confined = stand.build("confined", &["confined.c"]);
    let program = stand.shows("shows", &stand.loader, &[]);
    let plugin = stand.build("libplugin.so", &["plugin.c", "-shared", "-fPIC"]);
    // One way to ask about files, the other, and access, prlimit64, madvise.
    for numbers in ["5,21,28,302", "262,21,28,302"] {
        for (how, words) in ["without", "denied"]
            .into_iter()
            .flat_map(|how| [(how, vec![&program]), (how, vec![&stand.loader, &program])])
        {
            let output = run(Command::new(&confined).args([how, numbers]).args(words).arg(&plugin));
            if output.status.code() == Some(UNAVAILABLE) {
                return skip("no filter of system calls can be had");
            }
            assert!(output.status.success(), "{how} {numbers}: {output:?}");
            shown(&text(&output.stdout), "opened");
        }
    }
}

/// A program that needs `count` libraries, each in a folder of its own; all folders are in its RUNPATH. It prints what they answer: their numbers, but for one that an
/// earlier folder has another of.
fn needs_many(stand: &Stand, name: &str, interpreter: &Path, count: usize) -> PathBuf {
    const REPLACED: usize = 7;
    let folder = |number: usize| stand.folder.child(format!("{name}{number:02}"));
    let library = |place: usize, file: String, soname: usize, answer: usize| {
        let source = stand.folder.child("library.c");
        fs::write(&source, format!("int f{soname:02}(void) {{ return {answer}; }}")).unwrap();
        let mut gcc = Command::new("gcc");
        gcc.args(["-shared", "-nostdlib", "-o"]).arg(folder(place).join(file));
        succeed(gcc.arg(format!("-Wl,-soname,lib{soname:02}.so")).arg(source));
    };
    let (mut links, mut runpath, mut calls, mut declared) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        fs::create_dir(folder(number)).unwrap();
        library(number, format!("lib{number:02}.so"), number, number);
        links.push(folder(number).join(format!("lib{number:02}.so")));
        runpath.push(folder(number).to_str().unwrap().to_owned());
        declared.push(format!("int f{number:02}(void);"));
        calls.push(format!("printf(\"%d \", f{number:02}());"));
    }
    library(REPLACED - 2, format!("lib{REPLACED:02}.so"), REPLACED, 1000);
    // Another name for whoever tells letters from letters.
    library(0, "LIB09.so".to_owned(), 9, 2000);
    let source = stand.folder.child(format!("{name}.c"));
    let text = format!(
        "#include <stdio.h>\n{}\nint main(void) {{ {} return 0; }}",
        declared.join("\n"),
        calls.join(" ")
    );
    fs::write(&source, text).unwrap();
    let program = stand.folder.child(name);
    let mut gcc = Command::new("gcc");
    gcc.arg(source)
        .args(links)
        .arg("-o")
        .arg(&program)
        .arg("-Wl,--enable-new-dtags");
    gcc.arg(format!("-Wl,-rpath,{}", runpath.join(":")));
    succeed(gcc.arg(format!("-Wl,--dynamic-linker={}", interpreter.display())));
    program
}

#[test]
fn the_folders_of_a_long_runpath_are_read_where_no_filter_is_and_each_library_is_the_first_of_its_name() {
    const COUNT: usize = 20;
    let Some(stand) = Stand::new() else { return };
    if !has("strace") {
        return;
    }
    let confined = stand.build("confined", &["confined.c"]);
    let system = needs_many(&stand, "system", Path::new(SYSTEM), COUNT);
    let ours = needs_many(&stand, "ours", &stand.loader, COUNT);
    let expected = succeed(&mut Command::new(&system));
    assert!(expected.starts_with("0 1 2 3 4 5 6 1000 8 9 10 "), "{expected}");
    assert_eq!(succeed(&mut Command::new(&ours)), expected);
    let Some((calls, _)) = trace(&stand, &[system.to_str().unwrap()]) else {
        return;
    };
    let Some((_, told)) = trace(&stand, &[ours.to_str().unwrap()]) else {
        return;
    };
    let is_vain = |line: &&str| line.contains("openat(") && line.contains("/ours") && line.contains("ENOENT");
    let failing = told.lines().filter(is_vain).count();
    let is_read = told.contains("getdents64(");
    // Not every file system is known to say all that it has.
    assert!(is_read == (failing < 2 * COUNT), "{failing}\n{told}");
    // A library that is missing is looked for everywhere, and said to be, in the same words.
    fs::remove_file(stand.folder.child("ours19/lib19.so")).unwrap();
    let missing = run(&mut Command::new(&ours));
    let missing = text(&missing.stderr);
    let tried = (0..COUNT)
        .filter(|number| missing.contains(&format!("ours{number:02}/lib19.so")))
        .count();
    assert_eq!(tried, COUNT, "{missing}");
    fs::rename(
        stand.folder.child("ours00/LIB09.so"),
        stand.folder.child("ours00/lib19.so"),
    )
    .unwrap();
    let undefined = run(&mut Command::new(&ours));
    assert!(text(&undefined.stderr).contains("f19"), "{undefined:?}");
    // Under a filter no call is made that glibc's loader does not make.
    library_again(&stand, &ours);
    let mut numbers: BTreeSet<&str> = calls.iter().map(|(_, number)| number.as_str()).collect();
    numbers.extend(["5"]);
    let list = numbers.into_iter().collect::<Vec<_>>().join(",");
    let output = run(Command::new(&confined).args(["only", &list]).arg(&ours));
    if output.status.code() == Some(UNAVAILABLE) {
        return skip("no filter of system calls can be had");
    }
    assert_eq!(text(&output.stdout), expected, "{output:?}");
}

/// Gives a program of [`needs_many`] back what was taken away.
fn library_again(stand: &Stand, program: &Path) {
    let name = program.file_name().unwrap().to_str().unwrap();
    let folder = |number: usize| stand.folder.child(format!("{name}{number:02}"));
    fs::remove_file(folder(0).join("lib19.so")).unwrap();
    fs::copy(stand.folder.child("system19/lib19.so"), folder(19).join("lib19.so")).unwrap();
}

/// A copy of a program that asks for `loader`, beside a copy of that under a name that has room in the place of the system's; `None` for what does not ask for
/// the system's.
fn asking(loader: &Path, program: &Path, folder: &TempDir) -> Option<PathBuf> {
    let mut bytes = fs::read(program).ok()?;
    let system = [SYSTEM.as_bytes(), &[0]].concat();
    let at = bytes.windows(system.len()).position(|part| *part == system)?;
    let short = folder.child("l");
    let name = short.to_str().unwrap().as_bytes();
    assert!(name.len() < system.len(), "TMPDIR is too long: {short:?}");
    if !short.exists() {
        fs::copy(loader, &short).unwrap();
    }
    bytes[at..at + system.len()].fill(0);
    bytes[at..at + name.len()].copy_from_slice(name);
    let copy = folder.child(program.file_name().unwrap().to_str().unwrap());
    fs::write(&copy, bytes).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    Some(copy)
}

#[test]
fn a_start_makes_no_socket_writes_no_file_and_leaves_signals_and_descriptors_as_they_are() {
    let Some(loader) = loader() else { return };
    let folder = TempDir::with_prefix("l").unwrap();
    let programs = [
        "bash", "cat", "curl", "gdb", "getent", "git", "iconv", "ls", "node", "openssl", "ocamlrun", "perl", "python3",
        "sh", "sqlite3", "tar", "true", "xz",
    ];
    let search = env::var_os("PATH").unwrap_or_default();
    let mut seen = 0;
    for name in programs {
        let found = env::split_paths(&search)
            .map(|folder| folder.join(name))
            .find(|file| file.exists());
        let Some((program, copy)) =
            found.and_then(|file| Some((file.canonicalize().ok()?, asking(&loader, &file, &folder)?)))
        else {
            println!("not here: {name}");
            continue;
        };
        let system = start::up_to_entry(&[&program], &program);
        let ours = [
            start::up_to_entry(&[&copy], &copy),
            start::up_to_entry(&[&loader, &program], &program),
        ];
        for ours in ours {
            let (Some(ours), Some(system)) = (ours, &system) else {
                return skip("programs cannot be traced");
            };
            // Constructors of libraries may do such things, under both loaders.
            assert_eq!(ours.calls, system.calls, "{name}");
            assert_eq!(
                (&ours.descriptors, &ours.signals),
                (&system.descriptors, &system.signals),
                "{name}"
            );
            assert!(ours.count > 10, "{name}: {ours:?}");
        }
        seen += 1;
    }
    assert!(seen >= 5, "{seen} programs");
}

#[test]
fn the_kernel_chooses_where_everything_is() {
    let Some(stand) = Stand::new() else { return };
    let drawn = |interpreter: &Path| {
        let interpreter = format!("-Wl,--dynamic-linker={}", interpreter.display());
        random_bits(&stand.build("placed", &["placed.c", &interpreter, "-pie", "-fPIE"]))
    };
    if fs::read_to_string("/proc/sys/kernel/randomize_va_space").is_ok_and(|level| level.trim() != "2") {
        return skip("the kernel does not randomise addresses");
    }
    for ((what, ours), (_, system)) in drawn(&stand.loader).into_iter().zip(drawn(Path::new(SYSTEM))) {
        // 28 is what the kernel draws unless it is told otherwise (vm.mmap_rnd_bits).
        assert!(
            ours >= system.min(28),
            "{what}: {ours} bits, under glibc's loader {system}"
        );
    }
}

/// How many bits of addresses, and of distances, are 0 in some starts of `placed` and 1 in others.
fn random_bits(program: &Path) -> [(&'static str, u32); 5] {
    const STARTS: usize = 64;
    let starts: Vec<[u64; 3]> = (0..STARTS)
        .map(|_| {
            let line = succeed(&mut Command::new(program));
            let mut addresses = line
                .split_whitespace()
                .map(|word| u64::from_str_radix(word, 16).unwrap());
            [(); 3].map(|()| addresses.next().unwrap())
        })
        .collect();
    let drawn = |value: &dyn Fn(&[u64; 3]) -> u64| {
        let (ones, zeros) = starts
            .iter()
            .map(value)
            .fold((0, 0), |(ones, zeros), at| (ones | at, zeros | !at));
        (ones & zeros & !(PAGE - 1)).count_ones()
    };
    [
        ("the loader", drawn(&|at| at[0])),
        ("the program", drawn(&|at| at[1])),
        ("a library", drawn(&|at| at[2])),
        (
            "from the program to the library",
            drawn(&|at| at[2].wrapping_sub(at[1])),
        ),
        ("from the program to the loader", drawn(&|at| at[0].wrapping_sub(at[1]))),
    ]
}
