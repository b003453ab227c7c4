//! Images that are run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::Bench;
use crate::tools::{has, skip, succeed, text};

/// A program without libc, which writes and exits by itself.
const BARE: &str = r#"
    __asm__(".globl _start\n_start: mov $1,%eax; mov $1,%edi; lea text(%rip),%rsi; mov $5,%edx; syscall\n"
            "mov $60,%eax; xor %edi,%edi; syscall\n.section .rodata\ntext: .ascii \"bare\\n\"\n");
"#;
const HELLO: &str = "int puts(const char *); int main(void) { return puts(\"hello\") < 0; }";

/// Whether a file that Debian has is there.
fn is_there(path: &str) -> bool {
    let found = Path::new(path).exists();
    if !found {
        skip(&format!("there is no {path}"));
    }
    found
}

#[test]
fn a_program_without_libc_and_lode_are_a_whole_image() {
    let Some(bench) = Bench::new() else { return };
    let program = bench.link(
        "gcc",
        "bare",
        BARE,
        &["-nostdlib", "-pie", "-Wl,--dynamic-linker=/lib64/ld-linux-x86-64.so.2"],
    );
    let program = program.to_str().unwrap();
    let (root, said) = bench.unpacked("image", &[program]);
    assert!(said.contains("an image with 2 files"), "{said}");
    assert_eq!(bench.run(&root, &[program]), "bare\n");
    if let Some(output) = bench.runc("image") {
        assert_eq!(text(&output.stdout), "bare\n", "{}", text(&output.stderr));
    }
}

#[test]
fn busybox_and_coreutils_run_with_nothing_else() {
    let Some(bench) = Bench::new() else { return };
    if !is_there("/bin/busybox") {
        return;
    }
    let words = ["/bin/busybox", "/bin/ls", "/usr/bin/sort", "/usr/bin/id"];
    let files = [
        "--include",
        "/etc/passwd",
        "--include",
        "/etc/group",
        "--cmd",
        "echo",
        "--cmd",
        "works",
    ];
    let (root, _) = bench.unpacked("image", &[&words[..], &files].concat());
    let script = "echo two one | busybox tr ' ' '\\n' | sort && ls -l /etc/passwd | busybox cut -d' ' -f3 && id -un";
    let said = bench.run(&root, &["/bin/busybox", "sh", "-c", script]);
    assert_eq!(said, "one\ntwo\nroot\nroot\n");
    if let Some(output) = bench.runc("image") {
        assert_eq!(text(&output.stdout), "works\n", "{}", text(&output.stderr));
    }
}

#[test]
fn python_finds_its_library_and_what_that_opens() {
    let Some(bench) = Bench::new() else { return };
    let python = "/usr/bin/python3";
    if !is_there(python) {
        return;
    }
    let library = "import sysconfig; print(sysconfig.get_path('stdlib'))";
    let library = succeed(Command::new(python).args(["-c", library]));
    let folder = "/lib/x86_64-linux-gnu";
    let module = format!("{folder}/libnss_compat.so.2");
    let mut words = vec![
        python,
        "--include",
        library.trim(),
        "--include",
        &module,
        "--exclude",
        "__pycache__",
    ];
    for name in ["config-3.11-x86_64-linux-gnu", "test", "idlelib", "lib2to3"] {
        words.extend(["--exclude", name]);
    }
    for file in [
        "/etc/passwd",
        "/etc/group",
        "/etc/hosts",
        "/etc/services",
        "/etc/nsswitch.conf",
    ] {
        words.extend(["--include", file]);
    }
    let works = "import ssl, sqlite3, ctypes, pwd; print(ctypes.CDLL(None).abs(-3), pwd.getpwuid(0).pw_name)";
    let command = format!("--cmd={works}");
    words.extend(["--cmd=-c", &command]);
    let (root, _) = bench.unpacked("image", &words);
    if let Some(output) = bench.runc("image") {
        assert_eq!(text(&output.stdout), "3 root\n", "{}", text(&output.stderr));
    }
    // A module that libc opens itself.
    let switch = root.join("etc/nsswitch.conf");
    fs::write(&switch, "passwd: compat\nhosts: files\n").unwrap();
    let script = "import ssl, sqlite3, ctypes, pwd, socket\n\
        print(ssl.create_default_context().verify_mode.name)\n\
        print(sqlite3.connect(':memory:').execute('select 6 * 7').fetchone()[0])\n\
        print(ctypes.CDLL(None).abs(-3))\n\
        print(pwd.getpwnam('root').pw_uid, socket.gethostbyname('localhost'))\n\
        print('libnss_compat' in open('/proc/self/maps').read() if __import__('os').path.exists('/proc/self') else True)";
    let said = bench.run(&root, &[python, "-c", script]);
    assert_eq!(said, "CERT_REQUIRED\n42\n3\n0 127.0.0.1\nTrue\n");
    // Without the module, that lookup fails: it was what answered.
    fs::remove_file(root.join(module.trim_start_matches('/'))).unwrap();
    let lookup = "import pwd\ntry: pwd.getpwnam('root')\nexcept KeyError: print('nobody')";
    assert_eq!(bench.run(&root, &[python, "-c", lookup]), "nobody\n");
}

#[test]
fn an_image_of_a_musl_program_has_libc_by_its_name_and_lode_by_the_loaders() {
    let Some(bench) = Bench::new() else { return };
    if !has("musl-gcc") {
        return;
    }
    let program = bench.link("musl-gcc", "hello", HELLO, &[]);
    let program = program.to_str().unwrap();
    let (root, said) = bench.unpacked("image", &[program]);
    assert!(
        said.contains("lode is") && said.contains("ld-musl-x86_64.so.1"),
        "{said}"
    );
    let tree = succeed(&mut bench.tool(&["tree", "--root", "image", program]));
    assert!(tree.contains("libc.so => /lib/x86_64-linux-musl/libc.so"), "{tree}");
    assert!(tree.contains("/lib/ld-musl-x86_64.so.1 [interpreter]"), "{tree}");
    let libc = fs::read(root.join("lib/x86_64-linux-musl/libc.so")).unwrap();
    assert_eq!(libc, fs::read("/lib/ld-musl-x86_64.so.1").unwrap());
}

#[test]
fn an_image_of_a_musl_program_runs() {
    let Some(bench) = Bench::new() else { return };
    if !has("musl-gcc") {
        return;
    }
    let program = bench.link("musl-gcc", "hello", HELLO, &[]);
    let program = program.to_str().unwrap();
    for (name, switches) in [("plain", &[][..]), ("own", &["--set-interp"])] {
        let (root, _) = bench.unpacked(name, &[&[program], switches].concat());
        succeed(&mut bench.tool(&["check", "--root", name, program]));
        assert_eq!(bench.run(&root, &[program]), "hello\n");
        if let Some(output) = bench.runc(name) {
            assert_eq!(text(&output.stdout), "hello\n", "{}", text(&output.stderr));
        }
    }
}

/// Libraries that a program of musl needs and opens, and threads with their thread-local data.
#[test]
fn a_musl_program_finds_its_libraries_in_the_image() {
    let Some(bench) = Bench::new() else { return };
    if !has("musl-gcc") {
        return;
    }
    let library = "static __thread int calls = 40; int called(void) { return ++calls; }";
    bench.link("musl-gcc", "libneeded.so", library, &["-shared", "-fPIC"]);
    let plug = bench.link("musl-gcc", "plug.so", library, &["-shared", "-fPIC"]);
    let source = r#"
        #include <dlfcn.h>
        #include <pthread.h>
        #include <stdio.h>
        int called(void);
        static void *thread(void *plug) { return (void *)(long)(called() + ((int (*)(void))plug)()); }
        int main(int count, char **words)
        {
            void *opened = dlopen(words[1], RTLD_NOW), *plug = opened ? dlsym(opened, "called") : 0, *answer = 0;
            pthread_t id;
            if (plug == 0)
                return puts(dlerror()), 1;
            called();
            pthread_create(&id, 0, thread, plug);
            pthread_join(id, &answer);
            printf("%d in a thread, %d\n", (int)(long)answer, called());
            return 0;
        }
    "#;
    // Not $ORIGIN, which nobody knows without /proc.
    let rpath = format!("-Wl,-rpath,{}", bench.folder.path().display());
    let program = bench.link("musl-gcc", "program", source, &["libneeded.so", &rpath]);
    let (program, plug) = (program.to_str().unwrap(), plug.to_str().unwrap());
    let (root, _) = bench.unpacked("image", &[program, "--include", plug, "--cmd", plug]);
    assert_eq!(bench.run(&root, &[program, plug]), "82 in a thread, 42\n");
    if let Some(output) = bench.runc("image") {
        assert_eq!(text(&output.stdout), "82 in a thread, 42\n", "{}", text(&output.stderr));
    }
}

#[test]
fn with_lodes_own_path_the_program_names_it() {
    let Some(bench) = Bench::new() else { return };
    let program = bench.link("gcc", "hello", HELLO, &[]);
    let before = fs::read(&program).unwrap();
    let program = program.to_str().unwrap();
    let (root, said) = bench.unpacked("image", &[program, "--set-interp"]);
    assert!(said.contains("ld-lode-x86_64.so.1"), "{said}");
    let copy = root.join(program.trim_start_matches('/'));
    let headers = succeed(Command::new("readelf").arg("-lW").arg(&copy));
    assert!(
        headers.contains("[Requesting program interpreter: /lib/ld-lode-x86_64.so.1]"),
        "{headers}"
    );
    assert_eq!(bench.run(&root, &[program]), "hello\n");
    assert_eq!(fs::read(program).unwrap(), before, "the program itself was changed");
}

#[test]
fn a_script_brings_its_interpreter() {
    let Some(bench) = Bench::new() else { return };
    if !is_there("/bin/busybox") {
        return;
    }
    let folder = bench.folder.path();
    for (name, line) in [
        ("direct", "#!/bin/busybox sh"),
        ("by-name", "#!/usr/bin/env -S busybox sh"),
    ] {
        let script = folder.join(name);
        fs::write(&script, format!("{line}\necho \"$((6 * 7))\"\n")).unwrap();
        succeed(Command::new("chmod").arg("+x").arg(&script));
        let script = script.to_str().unwrap();
        let (root, _) = bench.unpacked(&format!("{name}.image"), &[script]);
        assert_eq!(bench.run(&root, &[script]), "42\n", "{line}");
    }
}

#[test]
fn a_library_that_only_the_cache_leads_to_is_found_in_the_image_too() {
    let Some(bench) = Bench::new() else { return };
    let from = bench.path("from");
    for folder in ["bin", "lib64", "opt/own"] {
        fs::create_dir_all(from.join(folder)).unwrap();
    }
    let own = bench.link(
        "gcc",
        "libown.so",
        "int own(void) { return 7; }",
        &["-shared", "-fPIC", "-Wl,-soname,libown.so"],
    );
    let user = "int own(void); int printf(const char *, ...); int main(void) { return printf(\"%d\\n\", own()) < 0; }";
    let user = bench.link("gcc", "user", user, &["libown.so"]);
    fs::copy(own, from.join("opt/own/libown.so")).unwrap();
    fs::copy(user, from.join("bin/user")).unwrap();
    let libc = succeed(Command::new("gcc").arg("-print-file-name=libc.so.6"));
    fs::copy(libc.trim(), from.join("lib64/libc.so.6")).unwrap();
    let words = ["/bin/user", "--from", from.to_str().unwrap()];
    let said = bench.said(bench.image(&words).args(["-o", "without"]));
    assert!(said.contains("needs libown.so, which is not found"), "{said}");
    fs::create_dir_all(from.join("etc")).unwrap();
    fs::write(from.join("etc/ld.so.conf"), "/opt/own\n").unwrap();
    let ldconfig = ["/sbin/ldconfig", "/usr/sbin/ldconfig"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let Some(ldconfig) = ldconfig else {
        return skip("there is no ldconfig");
    };
    let mut command = Command::new("unshare");
    succeed(command.args(["-Ur", ldconfig, "-X", "-r"]).arg(&from));
    let (root, _) = bench.unpacked("image", &words);
    assert_eq!(bench.run(&root, &["/bin/user"]), "7\n");
}

#[test]
fn libraries_for_newer_cpus_come_along() {
    let Some(bench) = Bench::new() else { return };
    let from = bench.path("from");
    let newer = "lib64/glibc-hwcaps/x86-64-v2";
    fs::create_dir_all(from.join(newer)).unwrap();
    let library = ["-shared", "-fPIC", "-Wl,-soname,libown.so"];
    bench.link(
        "gcc",
        "other.so",
        "int other(void) { return 0; }",
        &["-shared", "-fPIC"],
    );
    let own = bench.link("gcc", "libown.so", "int own(void) { return 7; }", &library);
    fs::copy(&own, from.join("lib64/libown.so")).unwrap();
    // One that needs more than the other.
    let variant = [&library[..], &["-Wl,--no-as-needed", "other.so"]].concat();
    let variant = bench.link("gcc", "variant/libown.so", "int own(void) { return 7; }", &variant);
    fs::copy(variant, from.join(newer).join("libown.so")).unwrap();
    fs::copy(bench.path("other.so"), from.join("lib64/other.so")).unwrap();
    let user = "int own(void); int main(void) { return own() != 7; }";
    let user = bench.link("gcc", "user", user, &["libown.so"]);
    fs::copy(user, from.join("user")).unwrap();
    let libc = succeed(Command::new("gcc").arg("-print-file-name=libc.so.6"));
    fs::copy(libc.trim(), from.join("lib64/libc.so.6")).unwrap();
    let (root, _) = bench.unpacked("image", &["/user", "--from", from.to_str().unwrap()]);
    assert!(root.join(newer).join("libown.so").exists());
    assert!(root.join("lib64/other.so").exists());
    bench.run(&root, &["/user"]);
}

/// All files of a folder with their bytes.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_same_files_make_the_same_bytes() {
    let Some(bench) = Bench::new() else { return };
    let program = bench.link("gcc", "hello", HELLO, &[]);
    let words = [program.to_str().unwrap(), "--include", "/etc/passwd"];
    succeed(bench.image(&words).args(["-o", "first"]));
    // Another time of the file, another zone, another mask.
    succeed(Command::new("touch").args(["-d", "2001-02-03"]).arg(&program));
    let mut again = Command::new("sh");
    again.args(["-c", "umask 077; exec \"$@\"", "sh"]);
    let second = bench.image(&[]);
    again.arg(second.get_program()).args(second.get_args()).args(words);
    succeed(
        again
            .args(["-o", "second"])
            .current_dir(bench.folder.path())
            .env("TZ", "Asia/Tokyo"),
    );
    let (first, second) = (files(&bench.path("first")), files(&bench.path("second")));
    assert_eq!(first.len(), 5, "{:?}", first.keys());
    assert!(first == second, "{:?} and {:?}", first.keys(), second.keys());
    // The plain tree has the time that it is told.
    succeed(
        bench
            .image(&words)
            .args(["--root", "tree"])
            .env("SOURCE_DATE_EPOCH", "86400"),
    );
    let times = succeed(
        Command::new("find")
            .arg(bench.path("tree"))
            .args(["-mindepth", "1", "-printf", "%Ts\n"]),
    );
    assert!(times.lines().all(|time| time == "86400"), "{times}");
}
