//! Debuggers, set-user-ID programs, the file with the search path.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::unistd::geteuid;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use crate::stand::Stand;
use crate::tools::{has, run, skip, text};

#[test]
fn gdb_stops_in_the_constructor_of_a_library() {
    let Some(stand) = Stand::open() else { return };
    if !has("gdb") {
        return;
    }
    let library = "int value; __attribute__((constructor)) void in_constructor(void) { value = 1; }\nint answer(void) { return value; }\n";
    stand.compile("liblibrary.so", library, &["-shared", "-fPIC"]);
    let plug = "int plug(void) { return 5; }\n";
    stand.compile("libplug.so", plug, &["-shared", "-fPIC"]);
    let program = "#include <dlfcn.h>\nint answer(void);\nint main(void) { int (*plug)(void) = dlsym(dlopen(\"./libplug.so\", RTLD_NOW), \"plug\"); return answer() + plug(); }\n";
    stand.compile("program", program, &["liblibrary.so", "-Wl,-rpath,$ORIGIN"]);
    let script = "gdb -q -nx -batch -ex 'set breakpoint pending on' -ex 'set debuginfod enabled off' -ex 'break in_constructor' -ex 'break plug' \
                  -ex run -ex 'info sharedlibrary' -ex continue -ex bt -ex continue ./program 2>/dev/null \
                  | grep -oE '^Breakpoint [0-9]+, [a-z_]+|^#[0-9]+ .*(plug|main) |lib(library|plug)\\.so$|exited.*' | sed -E 's/0x[0-9a-f]+ in //'";
    let expected =
        "Breakpoint 1, in_constructor\nliblibrary.so\nBreakpoint 2, plug\n#0  plug \n#1  main \nexited with code 06]\n";
    stand.agree(script, expected);
}

/// What is shipped has no other table of symbols than the dynamic one.
#[test]
fn debuggers_that_know_no_probes_find_where_to_stop() {
    let Some(stand) = Stand::open() else { return };
    let bytes = fs::read(&stand.lode).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let stop = file
        .dynamic_symbols()
        .find(|symbol| symbol.name() == Ok("_dl_debug_state"));
    let stop = stop.map(|symbol| (symbol.is_definition(), symbol.kind()));
    assert_eq!(stop, Some((true, SymbolKind::Text)));
}

#[test]
fn a_set_user_id_program_takes_nothing_from_its_caller() {
    let Some(stand) = Stand::open() else { return };
    if !geteuid().is_root() {
        return skip("only root can make a set-user-ID program");
    }
    if !has("setpriv") {
        return;
    }
    let library = |number: &str| {
        format!(
            "#include <unistd.h>\nint which(void) {{ return {number}; }}\nint getppid(void) {{ return {number}; }}\n"
        )
    };
    fs::create_dir(stand.path("callers")).unwrap();
    stand.compile("libwhich.so", &library("1"), &["-shared", "-fPIC"]);
    stand.compile("callers/libwhich.so", &library("2"), &["-shared", "-fPIC"]);
    let program = "#include <stdio.h>\n#include <unistd.h>\n#include <sys/auxv.h>\nint which(void);\n\
                   int main(void) { printf(\"secure %lu, user %d, which %d, preloaded %d\\n\", getauxval(AT_SECURE), (int)geteuid(), which(), getppid() == 2); return 0; }\n";
    let here = stand.folder.path().display();
    let lode = format!("-Wl,--dynamic-linker={}", stand.lode.display());
    let rpath = format!("-Wl,-rpath,{here}");
    stand.compile("system", program, &["libwhich.so", &rpath]);
    stand.compile("tested", program, &["libwhich.so", &rpath, &lode]);
    let mut told = Vec::new();
    for name in ["system", "tested"] {
        fs::set_permissions(stand.path(name), fs::Permissions::from_mode(0o4755)).unwrap();
        let output = run(Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "env"])
            .arg(format!("LD_PRELOAD={here}/callers/libwhich.so"))
            .arg(format!("LD_LIBRARY_PATH={here}/callers"))
            .arg("LODE_OPTIONS=libc=/absent")
            .arg(stand.path(name)));
        told.push((text(&output.stdout), text(&output.stderr)));
    }
    if !told[0].0.starts_with("secure 1") {
        return skip("set-user-ID does nothing where temporary folders are");
    }
    assert_eq!(told[0].0, "secure 1, user 0, which 1, preloaded 0\n", "{}", told[0].1);
    assert_eq!(told[0].0, told[1].0, "{}", told[1].1);
}

/// Where it stands in musl's place and nothing else has libc's names, the first file that it finds is its own.
#[test]
fn lode_does_not_take_itself_for_libc() {
    let Some(stand) = Stand::open() else { return };
    stand.compile("program", "int main(void) { return 0; }\n", &[]);
    let Some(output) = stand.script(&stand.libcs[0], true, "LODE_OPTIONS= ./program") else {
        return;
    };
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(127), "{said}");
    assert!(
        said.contains("not a usable musl libc: it lacks __dls2b, __dls3"),
        "{said}"
    );
}

/// musl's own loader is not asked: the name of the interpreter is what it replaces.
#[test]
fn a_program_of_another_loader_gets_no_libc_of_musl() {
    let Some(stand) = Stand::open() else { return };
    let interpreter = "-Wl,--dynamic-linker=/lib64/ld-linux-x86-64.so.2";
    stand.compile("program", "int main(void) { return 0; }\n", &[interpreter]);
    for libc in &stand.libcs {
        let folder = libc.loader.canonicalize().unwrap();
        let mut command = Command::new(&stand.lode);
        command.arg("--library-path").arg(folder.parent().unwrap());
        let output = run(command.arg(stand.path("program")));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(127), "{said}");
        assert!(
            said.contains("the file was built for another libc: musl\nlode[E0211]: "),
            "{said}"
        );
    }
}

#[test]
fn libraries_are_searched_where_the_file_of_the_system_says() {
    let Some(stand) = Stand::open() else { return };
    for (folder, number) in [("one", "1"), ("two", "2"), ("three", "3")] {
        fs::create_dir(stand.path(folder)).unwrap();
        for library in if folder == "one" {
            &["libfirst.so"][..]
        } else {
            &["libfirst.so", "libsecond.so"]
        } {
            let name = format!("{folder}/{library}");
            let function = &library[3..library.len() - 3];
            stand.compile(
                &name,
                &format!("int {function}(void) {{ return {number}; }}\n"),
                &["-shared", "-fPIC"],
            );
        }
    }
    let program = "#include <stdio.h>\nint first(void), second(void);\nint main(void) { printf(\"%d %d\\n\", first(), second()); return 0; }\n";
    stand.compile("program", program, &["-Lone", "-Ltwo", "-lfirst", "-lsecond"]);
    let here = stand.folder.path().display().to_string();
    // Entries end with a colon or with the line.
    stand.write(
        "path",
        &format!("{here}/absent:{here}/one\n{here}/two\n{here}/three:/lib/x86_64-linux-musl\n"),
    );
    stand.write("empty", "");
    stand.agree("mount --bind path /etc/ld-musl-x86_64.path && ./program", "1 2\n");
    stand.agree(
        "mount --bind empty /etc/ld-musl-x86_64.path && ./program 2>/dev/null; echo $?",
        "127\n",
    );
    stand.agree(
        "mount --bind empty /etc/ld-musl-x86_64.path && LD_LIBRARY_PATH=$PWD/three:$PWD/one ./program",
        "3 3\n",
    );
}

/// Bytes of an entry of a table of relocations.
const RELA_SIZE: usize = 24;

/// Starts a program with each libc, after `forge` has changed its bytes; gives `judge` the release, the status and what was written.
fn start_with(forge: impl Fn(&mut Vec<u8>), switches: &[&str], judge: impl Fn(&str, Option<i32>, &str, &str)) {
    let Some(stand) = Stand::open() else { return };
    let program = "#include <stdio.h>\nint main(void) { puts(\"started\"); return 0; }\n";
    stand.compile("program", program, &[]);
    for libc in &stand.libcs {
        let mut bytes = fs::read(&libc.loader).unwrap();
        forge(&mut bytes);
        let forged = stand.path("libc-forged.so");
        fs::write(&forged, bytes).unwrap();
        let mut command = Command::new(&stand.lode);
        command
            .args(switches)
            .arg("--libc")
            .arg(&forged)
            .arg(stand.path("program"));
        let output = run(&mut command);
        let (written, said) = (text(&output.stdout), text(&output.stderr));
        judge(&libc.release, output.status.code(), &written, &said);
    }
}

/// Says of each libc, after `forge` has changed its bytes, that lode does not start a program with it, and why. Nothing of the program runs.
fn refuse(forge: impl Fn(&mut Vec<u8>), switches: &[&str], lacks: &str) {
    start_with(forge, switches, |release, status, written, said| {
        assert_eq!((status, written), (Some(127), ""), "{said}");
        let expected = format!("not a usable musl libc ({release}): it lacks {lacks}");
        assert!(said.contains(&expected) && said.contains("lode[E0212]: "), "{said}");
    });
}

/// Where the first bytes of a section are in a file.
fn section(bytes: &[u8], name: &str) -> usize {
    let file = object::File::parse(bytes).unwrap();
    let (start, _) = file.section_by_name(name).unwrap().file_range().unwrap();
    usize::try_from(start).unwrap()
}

/// Where a name stands in a file's dynamic names.
fn place_of_name(bytes: &[u8], name: &str) -> usize {
    let names = section(bytes, ".dynstr");
    let wanted = [b"\0", name.as_bytes(), b"\0"].concat();
    let found = bytes[names..].windows(wanted.len()).position(|window| window == wanted);
    names + found.unwrap() + 1
}

/// A libc that lacks what the first releases that lode is for came with.
fn as_old(bytes: &mut [u8]) {
    let place = place_of_name(bytes, "secure_getenv");
    bytes[place..place + 6].copy_from_slice(b"no_get");
}

/// A libc that lacks a stage of its loader, too.
fn as_too_old(bytes: &mut [u8]) {
    as_old(bytes);
    let place = place_of_name(bytes, "dlopen");
    bytes[place..place + 2].copy_from_slice(b"no");
}

/// Releases before 1.1.24 may call what the program has in libc's place before the program is ready. They lack what came with 1.1.24.
#[test]
fn an_older_musl_is_refused_with_its_version() {
    refuse(|bytes| as_old(bytes), &[], "secure_getenv\n");
    refuse(|bytes| as_too_old(bytes), &[], "dlopen, secure_getenv\n");
}

#[test]
fn check_libc_says_of_an_older_musl_what_a_start_would() {
    let Some(stand) = Stand::open() else { return };
    for libc in &stand.libcs {
        let mut bytes = fs::read(&libc.loader).unwrap();
        as_old(&mut bytes);
        let forged = stand.path("libc-forged.so");
        fs::write(&forged, bytes).unwrap();
        let checked = |switches: &[&str]| {
            let mut command = Command::new(&stand.lode);
            let output = run(command.args(switches).arg("--check-libc").arg(&forged));
            (output.status.success(), text(&output.stdout))
        };
        let (is_supported, said) = checked(&[]);
        assert!(!is_supported && said.ends_with("it lacks secure_getenv\n"), "{said}");
        let supported = format!("supported: musl {}\n", libc.release);
        assert_eq!(checked(&["--allow=old-musl"]), (true, supported));
    }
}

#[test]
fn an_older_musl_is_started_if_that_is_allowed() {
    start_with(
        |bytes| as_old(bytes),
        &["--allow=old-musl"],
        |_, status, written, said| {
            assert_eq!((status, written), (Some(0), "started\n"), "{said}");
        },
    );
    refuse(|bytes| as_too_old(bytes), &["--allow=old-musl"], "dlopen\n");
    refuse(|bytes| as_old(bytes), &["--allow=noexec"], "secure_getenv\n");
}

#[test]
fn a_libc_with_relocations_that_musl_has_not_is_refused() {
    let forge = |bytes: &mut Vec<u8>| {
        // R_X86_64_TPOFF64
        let kind = section(bytes, ".rela.plt") + 8;
        bytes[kind..kind + 4].copy_from_slice(&18u32.to_le_bytes());
    };
    refuse(forge, &[], "tables of relocations like musl's");
}

/// musl adds an addend, which no slot of the PLT has: after the start of this one, one of its words leads behind the function.
#[test]
fn a_libc_that_has_not_bound_itself_is_refused_after_its_start() {
    let forge = |bytes: &mut Vec<u8>| {
        let addend = section(bytes, ".rela.plt") + RELA_SIZE + 16;
        bytes[addend] = 1;
    };
    refuse(forge, &[], "a loader that binds ");
}
