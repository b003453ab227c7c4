//! The command line and the variables of ld.so(8), from glibc 2.31 to 2.43: each name is obeyed as the system's loader obeys it, or accepted with
//! one warning that names it. And `ldd`, the script of the system, with lode as the system's loader.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod tools;

use std::path::Path;
use std::process::{Command, Output};

use temp_dir::TempDir;
use tools::{has, loader, namespace, succeed, text};

const SYSTEM: &str = "/lib64/ld-linux-x86-64.so.2";

/// What becomes of a name.
enum Treatment {
    /// A script in which `$LD` is the loader: same output and status under both loaders.
    Same(&'static str),
    /// A script that lode answers in its own way: the text that has to be in its output.
    Own(&'static str, &'static str),
    /// A variable that has no effect, and a warning.
    Warning,
    /// A variable that has no effect here, and no warning, as under glibc.
    Silent,
}
use Treatment::{Own, Same, Silent, Warning};

/// Every option and variable of the manual page, and the newer ones of `--help`.
const NAMES: &[(&str, Treatment)] = &[
    ("--argv0", Same("$LD --argv0 other /bin/sh -c 'echo $0'")),
    ("--audit", Own("$LD --audit liba.so ./used", "`audit' is not supported")),
    (
        "--glibc-hwcaps-mask",
        Same("$LD --library-path . ./plain; $LD --glibc-hwcaps-mask x86-64-v9 --library-path . ./plain"),
    ),
    (
        "--glibc-hwcaps-prepend",
        Same("$LD --glibc-hwcaps-prepend mine --library-path . ./plain"),
    ),
    ("--help", Own("$LD --help", "--inhibit-rpath LIST")),
    (
        "--inhibit-cache",
        Same("$LD --inhibit-cache --list /bin/true; $LD --inhibit-cache /bin/echo well"),
    ),
    (
        "--inhibit-rpath",
        Same(
            "$LD ./which; $LD --inhibit-rpath '' --library-path other ./which; $LD --inhibit-rpath x:y --library-path other ./which",
        ),
    ),
    ("--library-path", Same("$LD --library-path other ./plain")),
    (
        "--list",
        Same("$LD --list ./used; $LD --list ./missing; $LD --list ./version; $LD --list ./without_libraries"),
    ),
    (
        "--list-diagnostics",
        Own("$LD --list-diagnostics", "AT_PAGESZ:            4096"),
    ),
    (
        "--list-tunables",
        Same(
            "GLIBC_TUNABLES=glibc.malloc.arena_max=3:glibc.cpu.hwcaps=-AVX $LD --list-tunables /bin/true | grep -v cpu.x86",
        ),
    ),
    (
        "--preload",
        Same("$LD --preload ./liba.so:./libb.so --list ./plain; $LD --preload ./outside.so --library-path . ./plain"),
    ),
    (
        "--verify",
        Same(
            "for file in ./used ./missing ./static ./static_pie ./text ./short ./liba.so; do $LD --verify $file; echo $?; done",
        ),
    ),
    ("--version", Own("$LD --version", "ld-lode ")),
    (
        "GLIBC_TUNABLES",
        Same(
            "GLIBC_TUNABLES=glibc.rtld.nns=2:glibc.rtld.optional_static_tls=1024 $LD --list-tunables /bin/true | grep rtld",
        ),
    ),
    ("LD_ASSUME_KERNEL", Warning),
    ("LD_AUDIT", Warning),
    (
        "LD_BIND_NOT",
        Own(
            "LD_BIND_NOT=1 LD_DEBUG=bindings $LD ./calls 2>&1 | grep -c 'symbol .three'",
            "3\n",
        ),
    ),
    (
        "LD_BIND_NOW",
        Same("$LD ./never_called; echo $?; LD_BIND_NOW=1 $LD ./never_called; echo $?; LD_BIND_NOW= $LD ./never_called"),
    ),
    (
        "LD_DEBUG",
        Same(
            "LD_DEBUG=libs:files,symbols bindings:versions:reloc:scopes:statistics:unused:all $LD ./used 2> /dev/null; LD_DEBUG=libs $LD ./used 2>&1 | grep -o 'trying file=.*liba.so' | tail -n 1",
        ),
    ),
    (
        "LD_DEBUG_OUTPUT",
        Same("LD_DEBUG=libs LD_DEBUG_OUTPUT=out $LD ./used; cat out.* | grep -o 'trying file=.*liba.so' | tail -n 1"),
    ),
    ("LD_DYNAMIC_WEAK", Same("$LD ./weak; LD_DYNAMIC_WEAK= $LD ./weak")),
    (
        "LD_HWCAP_MASK",
        Same("LD_HWCAP_MASK=0x10 $LD --list-tunables /bin/true | grep hwcap_mask"),
    ),
    (
        "LD_LIBRARY_PATH",
        Same("LD_LIBRARY_PATH=other $LD ./plain; LD_LIBRARY_PATH='gone;.' $LD ./plain"),
    ),
    ("LD_LIBRARY_VERSION", Silent),
    ("LD_ORIGIN_PATH", Silent),
    ("LD_POINTER_GUARD", Warning),
    ("LD_PREFER_MAP_32BIT_EXEC", Warning),
    (
        "LD_PRELOAD",
        Same(
            "LD_PRELOAD='./outside.so ./liba.so' $LD --library-path . ./plain; LD_PRELOAD=./outside.so $LD --list ./used",
        ),
    ),
    ("LD_PROFILE", Warning),
    ("LD_PROFILE_OUTPUT", Warning),
    (
        "LD_SHOW_AUXV",
        Same("LD_SHOW_AUXV= $LD /bin/true | grep -v EXECFN | sed 's/0x[0-9a-f]*$/NUMBER/; s/PHNUM.*//'"),
    ),
    (
        "LD_TRACE_LOADED_OBJECTS",
        Same("LD_TRACE_LOADED_OBJECTS= $LD ./missing; LD_TRACE_LOADED_OBJECTS=1 $LD /lib/x86_64-linux-gnu/libc.so.6"),
    ),
    ("LD_TRACE_PRELINKING", Warning),
    ("LD_USE_LOAD_BIAS", Warning),
    (
        "LD_VERBOSE",
        Same(
            "LD_TRACE_LOADED_OBJECTS=1 LD_VERBOSE=1 $LD ./used; LD_VERBOSE=1 $LD ./used; LD_VERBOSE=1 $LD --list ./used",
        ),
    ),
    (
        "LD_WARN",
        Same(
            "LD_TRACE_LOADED_OBJECTS=1 LD_WARN=1 $LD ./undefined; LD_WARN=1 $LD ./used; LD_WARN=1 $LD --list ./undefined",
        ),
    ),
];

/// A loader, and a folder with the files of `options/files.sh`.
fn files() -> Option<(std::path::PathBuf, TempDir)> {
    let loader = loader()?;
    if !has("gcc") {
        return None;
    }
    let folder = TempDir::with_prefix("lode-options-").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("options/files.sh");
    succeed(Command::new("sh").arg(script).current_dir(folder.path()));
    Some((loader, folder))
}

fn shell(script: &str, loader: &Path, folder: &TempDir) -> Output {
    let _ = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("out."))
        .try_for_each(|entry| std::fs::remove_file(entry.path()));
    Command::new("sh")
        .args(["-c", script])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .env("LD", loader)
        .output()
        .unwrap()
}

/// Without addresses, and with one name for both loaders.
fn comparable(bytes: &[u8], loader: &Path) -> String {
    let text = text(bytes).replace(&loader.display().to_string(), SYSTEM);
    let mut parts = text.split("(0x");
    let mut result = parts.next().unwrap_or_default().to_string();
    for part in parts {
        result.push_str("(ADDRESS");
        result.push_str(part.trim_start_matches(|character: char| character.is_ascii_hexdigit()));
    }
    result
}

#[test]
fn every_option_and_variable_is_obeyed_or_named_in_one_warning() {
    let Some((loader, folder)) = files() else { return };
    for (name, treatment) in NAMES {
        match treatment {
            Same(script) => {
                let (system, ours) = (
                    shell(script, Path::new(SYSTEM), &folder),
                    shell(script, &loader, &folder),
                );
                assert_eq!(
                    (comparable(&system.stdout, &loader), system.status.code()),
                    (comparable(&ours.stdout, &loader), ours.status.code()),
                    "{name}: {script}\n{}\n{}",
                    text(&system.stderr),
                    text(&ours.stderr)
                );
                assert!(!text(&ours.stderr).contains("warning: "), "{name}: {ours:?}");
                assert!(!system.stdout.is_empty(), "{name} shows nothing");
            }
            Own(script, expected) => {
                let output = shell(script, &loader, &folder);
                let all = text(&output.stdout) + &text(&output.stderr);
                assert!(output.status.success() && all.contains(expected), "{name}: {output:?}");
            }
            Warning => {
                let output = shell(&format!("{name}=value $LD ./used"), &loader, &folder);
                let expected = format!("warning: `{name}' is not supported and has no effect\n");
                assert_eq!(
                    (output.status.code(), text(&output.stderr)),
                    (Some(0), expected),
                    "{name}"
                );
            }
            Silent => {
                let output = shell(&format!("{name}=value $LD ./used"), &loader, &folder);
                assert_eq!(
                    (output.status.code(), text(&output.stderr)),
                    (Some(0), String::new()),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn the_table_has_every_name_of_the_manual_page_if_that_is_installed() {
    if !has("man") {
        return;
    }
    let output = Command::new("man")
        .args(["--no-hyphenation", "ld.so"])
        .env("MANWIDTH", "200")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let page = text(&output.stdout);
    if !output.status.success() || page.is_empty() {
        return;
    }
    let words = page.split(|character: char| !(character.is_ascii_alphanumeric() || "-_".contains(character)));
    for word in words.filter(|word| (word.starts_with("LD_") || word.starts_with("--")) && word.len() > 3) {
        assert!(NAMES.iter().any(|(name, _)| *name == word), "{word}");
    }
}

#[test]
fn a_program_whose_path_the_kernel_does_not_tell_has_the_directory_of_ld_origin_path() {
    let Some((loader, folder)) = files() else { return };
    let mounted = "mount --make-rprivate / && mount -t tmpfs none /proc && mount --bind \"$1\" \"$2\" || exit 9
        ./used; LD_ORIGIN_PATH=$PWD ./used; echo $?";
    let outputs = [Path::new(SYSTEM), &loader].map(|loader| {
        let mut namespace = namespace()?;
        namespace.args(["sh", "-c", mounted, "sh"]).arg(loader).arg(SYSTEM);
        Some(text(&namespace.current_dir(folder.path()).output().unwrap().stdout))
    });
    if let [Some(system), Some(ours)] = outputs {
        assert_eq!([system, ours], ["0\n", "0\n"]);
    }
}

/// A library of so many words, `pointers` of which lead to another one of its own.
fn table_of_pointers(folder: &TempDir, name: &str, words: usize, pointers: usize, flags: &[&str]) {
    // A file that ends within its last page, or one that zeros follow.
    let end = if name == "ends" { ".data" } else { ".bss\n.zero 5000" };
    let text = format!(
        ".data\n.global words, target, length, behind\n.balign 8\ntarget: .quad 0\nlength: .quad {pointers}\n\
         words: .rept {pointers}\n.quad local\n.endr\n.zero {}\n.set local, target\n{end}\nbehind: .zero 8\n",
        (words - pointers) * 8
    );
    let source = folder.child(format!("{name}.s"));
    std::fs::write(&source, text).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-nostdlib", "-o"])
        .arg(folder.child(format!("{name}.so")));
    succeed(gcc.arg(source).args(flags));
}

#[test]
fn large_data_that_is_relocated_nearly_everywhere_is_in_huge_pages_where_that_is_asked_for() {
    let Some(loader) = loader() else { return };
    if !has("gcc") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let program = folder.child("huge");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("options/huge.c");
    succeed(Command::new("gcc").arg("-o").arg(&program).arg(source));
    const LARGE: usize = 5 << 17;
    let cases: [(&str, usize, usize, &[&str]); 6] = [
        ("ends", LARGE, LARGE, &["-Wl,--strip-all"]),
        ("rela", LARGE, LARGE, &[]),
        ("relr", LARGE, LARGE, &["-Wl,-z,pack-relative-relocs"]),
        ("aligned", LARGE, LARGE, &["-Wl,-z,max-page-size=0x10000"]),
        ("sparse", LARGE, LARGE / 5, &[]),
        ("short", 1 << 17, 1 << 17, &[]),
    ];
    for (name, words, pointers, flags) in cases {
        table_of_pointers(&folder, name, words, pointers, flags);
    }
    let run = |loader: &Path, options: &str| {
        let mut command = Command::new(loader);
        command
            .arg(&program)
            .args(cases.map(|(name, ..)| format!("./{name}.so")));
        succeed(command.current_dir(folder.path()).env("LODE_OPTIONS", options))
    };
    let system = run(Path::new(SYSTEM), "");
    assert_eq!(system.matches("small").count(), 6, "{system}");
    assert_eq!(run(&loader, ""), system);
    let setting = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    let mut expected = system.clone();
    if setting.contains("[madvise]") || setting.contains("[always]") {
        for line in system.lines().take(4) {
            expected = expected.replace(line, &line.replace("small", "huge"));
        }
    }
    assert_eq!(run(&loader, "hugepages"), expected);
}

/// The files that `ldd` looks at: each with the switches that it is looked at with.
const LISTED: &str = "./unused ./used ./copies ./missing ./undefined ./undefined_now ./static ./static_pie ./script ./text ./object.o ./short
    ./without_libraries ./trap ./libtrap.so ./libundefined.so ./gone . /bin/ls /bin/bash /lib/x86_64-linux-gnu/libc.so.6
    /lib/x86_64-linux-gnu/libm.so.6 /usr/lib/x86_64-linux-gnu/libstdc++.so.6";

#[test]
fn ldd_says_the_same_with_lode_as_the_system_s_loader_and_runs_nothing() {
    let Some((loader, folder)) = files() else { return };
    if !has("ldd") {
        return;
    }
    let Some(mut namespace) = namespace() else { return };
    let script = format!(
        "look() {{ for file in $1; do echo \"$2 $file\"; ldd $2 $file 2>&1; echo $?; done; }}
        files='{LISTED}'
        for switch in '' -d -r -u -v; do look \"$files\" \"$switch\"; done
        look './used ./undefined' '-r -v'; look './version' ''; look ./version -d; look ./version -r; look ./version -v
        ldd ./used ./missing; LD_LIBRARY_PATH=other ldd ./plain"
    );
    let system = shell(&script, Path::new(SYSTEM), &folder);
    let mounted = "mount --make-rprivate / && mount --bind \"$1\" \"$2\" && exec sh -c \"$3\"";
    let ours = namespace
        .args(["sh", "-c", mounted, "sh"])
        .arg(&loader)
        .arg(Path::new(SYSTEM).canonicalize().unwrap())
        .arg(&script)
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let (system, ours) = (comparable(&system.stdout, &loader), comparable(&ours.stdout, &loader));
    for (number, (expected, found)) in system.lines().zip(ours.lines()).enumerate() {
        let before: Vec<&str> = system.lines().take(number).collect();
        assert_eq!(expected, found, "behind\n{}", before.join("\n"));
    }
    assert_eq!(system, ours);
    for part in [
        "libgone.so => not found",
        "undefined symbol: function\t(",
        "Unused direct dependencies:\n\t",
        "Version information:",
        "version `V2' not found",
        "statically linked",
        "not a dynamic executable",
    ] {
        assert!(system.contains(part), "{part}");
    }
}
