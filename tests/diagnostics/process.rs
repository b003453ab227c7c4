//! Good files that do not fit together, and what is wrong around them.

use std::process::{Command, Stdio};

use forge::{Binding, DATA, Kind, Module, TEXT, Version};

use super::stand::{
    Asked, BAD, Case, Folder, Run, case, command, interpreted, line, needs_bad, nothing, plain_library,
};

const R_64: u32 = 1;

pub fn cases(cases: &mut Vec<Case>) {
    missing(cases);
    unresolved(cases);
    libcs(cases);
    markers(cases);
    permissions(cases);
    command_line(cases);
    environment(cases);
}

fn plain(folder: &Folder) {
    folder.write("program", &folder.program().forge().bytes);
}

/// Files that are not there, or are not files.
fn missing(cases: &mut Vec<Case>) {
    cases.extend([
        command(
            "missing-library",
            "E0201",
            |program| {
                program.needed("libgone.so.1");
            },
            nothing,
        ),
        interpreted(
            "missing-library-interpreted",
            "E0201",
            |program| {
                program.needed("libgone.so.1");
            },
            nothing,
        ),
        case("missing-library-of-a-library", "E0201", |folder| {
            let mut library = plain_library("libgood.so");
            library.needed("libgone.so.1").runpath("$ORIGIN/private");
            folder.write("libgood.so", &library.forge().bytes);
            folder.write("program", &folder.program().needed("libgood.so").forge().bytes);
            Run::new(&["./program"]).with("LD_LIBRARY_PATH", ".:./elsewhere")
        }),
        command(
            "missing-library-with-a-path",
            "E0201",
            |program| {
                program.needed("./lib/libgone.so.1");
            },
            nothing,
        ),
        case("library-is-a-folder", "E0201", |folder| {
            folder.folder(BAD);
            needs_bad(folder)
        }),
        case("library-is-a-pipe", "E0201", |folder| {
            folder.pipe(BAD);
            needs_bad(folder)
        }),
        case("not-regular", "E0202", |folder| {
            folder.pipe("program");
            Run::new(&["ld-lode", "./program"])
        }),
        case("program-is-a-folder", "E0502", |folder| {
            folder.folder("program");
            Run::new(&["ld-lode", "./program"])
        })
        .asked(Asked::Otherwise("E0202", "a directory is no file to begin with")),
        case("system-call", "E0502", |_| Run::new(&["ld-lode", "./gone"])),
    ]);
}

/// Symbols and versions that nothing defines.
fn unresolved(cases: &mut Vec<Case>) {
    fn wants(module: &mut Module, names: &[&str]) {
        for (name, place) in names.iter().zip((DATA..).step_by(8)) {
            let symbol = module.undefined(name, Binding::Global);
            module.relocation(place, R_64, Some(symbol), 0);
        }
    }
    cases.extend([
        interpreted(
            "undefined-symbol",
            "E0301",
            |program| wants(program, &["gone"]),
            nothing,
        ),
        case("undefined-symbols-of-two-files", "E0301", |folder| {
            let mut library = plain_library(BAD);
            wants(&mut library, &["first", "second"]);
            folder.write(BAD, &library.forge().bytes);
            let mut program = folder.program();
            wants(program.needed(BAD), &["third"]);
            folder.write("program", &program.forge().bytes);
            Run::new(&["ld-lode", "--library-path", ".", "./program"])
        }),
        case("undefined-symbol-with-a-version", "E0301", |folder| {
            let mut library = plain_library("libversioned.so");
            let version = library.define_version("V1");
            let symbol = library.define("other", Binding::Global, Kind::Function, TEXT, 1);
            library.versioned(symbol, version);
            folder.write("libversioned.so", &library.forge().bytes);
            let mut program = folder.program();
            let version = program
                .needed("libversioned.so")
                .need_version("libversioned.so", "V1", false);
            let symbol = program.undefined("gone", Binding::Global);
            program
                .versioned(symbol, version)
                .relocation(DATA, R_64, Some(symbol), 0);
            folder.write("program", &program.forge().bytes);
            Run::new(&["ld-lode", "--library-path", ".", "./program"])
        }),
        case("undefined-symbol-that-is-hidden", "E0301", |folder| {
            // A definition of the base that hides serves nobody who asks for a version.
            let mut library = plain_library("libhidden.so");
            library.define_version("V1");
            let symbol = library.define("shy", Binding::Global, Kind::Function, TEXT, 1);
            library.versioned(symbol, Version::GLOBAL.hidden());
            folder.write("libhidden.so", &library.forge().bytes);
            let mut program = folder.program();
            let version = program.needed("libhidden.so").need_version("libhidden.so", "V1", false);
            let symbol = program.undefined("shy", Binding::Global);
            program
                .versioned(symbol, version)
                .relocation(DATA, R_64, Some(symbol), 0);
            folder.write("program", &program.forge().bytes);
            Run::new(&["ld-lode", "--library-path", ".", "./program"])
        }),
        case("missing-version", "E0310", |folder| {
            let mut library = plain_library("libold.so");
            library.define_version("V1");
            folder.write("libold.so", &library.forge().bytes);
            let mut program = folder.program();
            program.needed("libold.so");
            for version in ["V1", "V2", "V3"] {
                program.need_version("libold.so", version, false);
            }
            // Nothing refers to a third version, which is missing all the same.
            let wanted = program.need_version("libold.so", "V4", false);
            for name in ["newer", "newest"] {
                let symbol = program.undefined(name, Binding::Weak);
                program.versioned(symbol, wanted);
            }
            folder.write("program", &program.forge().bytes);
            Run::new(&["./program"]).with("LD_LIBRARY_PATH", ".")
        }),
        case("missing-version-of-a-library-without-versions", "E0301", |folder| {
            folder.write("libplain.so", &plain_library("libplain.so").forge().bytes);
            let mut program = folder.program();
            let version = program.needed("libplain.so").need_version("libplain.so", "V1", false);
            let symbol = program.undefined("gone", Binding::Global);
            program
                .versioned(symbol, version)
                .relocation(DATA, R_64, Some(symbol), 0);
            folder.write("program", &program.forge().bytes);
            Run::new(&["ld-lode", "--library-path", ".", "./program"])
        }),
    ]);
}

/// libcs that lode cannot start.
fn libcs(cases: &mut Vec<Case>) {
    cases.push(case("unknown-libc", "E0210", |folder| {
        let mut libc = plain_library("libc.so.6");
        for version in ["GLIBC_2.2.5", "GLIBC_2.99"] {
            libc.define_version(version);
        }
        folder.write("libc.so.6", &libc.forge().bytes);
        folder.write("program", &folder.program().needed("libc.so.6").forge().bytes);
        Run::new(&["ld-lode", "--library-path", ".", "./program"])
    }));
    cases.push(case("not-musl", "E0212", |folder| {
        folder.write("libc.so", &plain_library("libc.so").forge().bytes);
        folder.write("program", &folder.program().needed("libc.so").forge().bytes);
        Run::new(&["ld-lode", "--library-path", ".", "./program"])
    }));
}

/// What is asked about a program that only the lock-out keeps from starting.
const LOCK_OUT: Asked = Asked::Otherwise(
    "E0210",
    "a switch of the start asks for the lock-out; what is wrong besides is the libc",
);

/// Files of two libcs, and what a file asks of a loader by a version of libc.
fn markers(cases: &mut Vec<Case>) {
    cases.extend([
        case("wrong-libc", "E0211", |folder| {
            folder.write("libc.so.6", &plain_library("libc.so.6").forge().bytes);
            folder.write(BAD, &plain_library(BAD).needed("libc.musl-x86_64.so.1").forge().bytes);
            folder.write(
                "program",
                &folder.program().needed("libc.so.6").needed(BAD).forge().bytes,
            );
            Run::new(&["ld-lode", "--library-path", ".", "./program"])
        }),
        case("missing-version-that-stands-for-an-ability", "E0310", |folder| {
            forge_libc(folder);
            let mut program = folder.program();
            program.needed("libc.so.6");
            program.need_version("libc.so.6", "GLIBC_ABI_DT_RELR", false);
            program.need_version("libc.so.6", "GLIBC_ABI_GNU2_TLS", false);
            program.need_version("libc.so.6", "GLIBC_ABI_DT_X86_64_PLT", false);
            program.need_version("libc.so.6", "GLIBC_ABI_OF_TOMORROW", false);
            folder.write("program", &program.forge().bytes);
            Run::new(&["ld-lode", "--library-path", ".", "./program"])
        }),
        case("relr-lockout", "E0315", |folder| {
            packed_program(folder, false);
            Run::new(&["ld-lode", "--relr-lockout", "glibc", "--library-path", ".", "./program"])
        })
        .asked(LOCK_OUT),
        case("relr-lockout-interpreted", "E0315", |folder| {
            packed_program(folder, false);
            Run::new(&["./program"])
                .with("LD_LIBRARY_PATH", ".")
                .with("LODE_OPTIONS", "relr-lockout=glibc")
        })
        .asked(LOCK_OUT),
        // What is refused then is only that this is no libc.
        case("relr-lockout-off", "E0210", |folder| {
            packed_program(folder, false);
            Run::new(&["ld-lode", "--library-path", ".", "./program"])
        }),
        case("relr-lockout-and-the-marker", "E0210", |folder| {
            packed_program(folder, true);
            Run::new(&["ld-lode", "--relr-lockout=glibc", "--library-path", ".", "./program"])
        }),
        line("relr-lockout-of-nobody", None, |folder| {
            plain(folder);
            Run::new(&["ld-lode", "--relr-lockout=musl", "--allow=all", "./program"])
        }),
    ]);
}

/// A libc of a release before the abilities had versions.
fn forge_libc(folder: &Folder) {
    let mut libc = plain_library("libc.so.6");
    libc.define_version("GLIBC_2.2.5");
    folder.write("libc.so.6", &libc.forge().bytes);
}

/// A program with DT_RELR that needs glibc, and perhaps says so.
fn packed_program(folder: &Folder, is_marked: bool) {
    forge_libc(folder);
    let mut program = folder.program();
    let word = program.data(&[0; 8]);
    program.needed("libc.so.6").relr(word);
    program.need_version("libc.so.6", "GLIBC_2.2.5", false);
    if is_marked {
        program.need_version("libc.so.6", "GLIBC_ABI_DT_RELR", false);
    }
    folder.write("program", &program.forge().bytes);
}

/// Who may execute what.
fn permissions(cases: &mut Vec<Case>) {
    let forged = |folder: &Folder| folder.write_data("program", &folder.program().forge().bytes);
    cases.extend([
        case("not-executable", "E0510", move |folder| {
            forged(folder);
            Run::new(&["ld-lode", "./program"])
        }),
        line("not-executable-allowed", None, move |folder| {
            forged(folder);
            Run::new(&["ld-lode", "--allow=noexec", "./program"])
        }),
        line("not-executable-listed", None, move |folder| {
            forged(folder);
            Run::new(&["ld-lode", "--verify", "./program"])
        }),
        on_a_noexec_mount("noexec-mount", |folder| {
            plain(folder);
            "cp program mount; exec ../ld-lode mount/program"
        }),
        on_a_noexec_mount("noexec-mount-of-a-library", |folder| {
            folder.write(BAD, &plain_library(BAD).forge().bytes);
            needs_bad(folder);
            "cp libbad.so mount; exec ../ld-lode --library-path mount ./program"
        }),
    ]);
}

/// A case in a private namespace, where `mount` is a file system that is mounted noexec.
fn on_a_noexec_mount(name: &'static str, stage: fn(&Folder) -> &'static str) -> Case {
    let mut probe = Command::new("unshare");
    let can_mount = probe.args(["--map-root-user", "--mount", "true"]).stderr(Stdio::null());
    let missing = match can_mount.status().is_ok_and(|status| status.success()) {
        true => None,
        false => Some("namespace of mounts"),
    };
    let case = case(name, "E0511", move |folder| {
        let commands = stage(folder);
        folder.folder("mount");
        let script = format!(
            "#!/bin/sh\nexec unshare --map-root-user --mount sh -c 'mount -t tmpfs -o noexec none mount; {commands}'\n"
        );
        folder.write("start", script.as_bytes());
        Run::new(&["start"])
    });
    Case { missing, ..case }.asked(Asked::Nothing("it is where the file is mounted, not in the file"))
}

/// What is asked about a loader: nothing is wrong with it but that a loader starts it.
const A_LOADER: Asked = Asked::Nothing("the kernel starts a loader as it is");

/// What was asked of lode as a command.
fn command_line(cases: &mut Vec<Case>) {
    cases.extend([
        case("runs-itself", "E0702", |folder| {
            folder.copy_loader("copy");
            Run::new(&["ld-lode", "./copy"])
        })
        .asked(A_LOADER),
        case("runs-itself-under-another-name", "E0702", |folder| {
            let mut loader = plain_library("ld-linux-x86-64.so.2");
            loader.data(&[0; 8]);
            folder.write("loader", &loader.forge().bytes);
            Run::new(&["ld-lode", "./loader"])
        })
        .asked(A_LOADER),
        usage("usage", &["ld-lode", "--lybrary-path", ".", "./program"]),
        usage("usage-short-option", &["ld-lode", "-v"]),
        usage("usage-without-a-program", &["ld-lode"]),
        usage("usage-without-a-value", &["ld-lode", "--preload"]),
        usage("usage-with-a-value-too-many", &["ld-lode", "--list=all", "./program"]),
        line("help", None, |_| Run::new(&["ld-lode", "--help"])),
        line("version", None, |_| Run::new(&["ld-lode", "--version"])),
        line("verify-a-program-that-is-missing", None, |_| {
            Run::new(&["ld-lode", "--verify", "./gone"])
        }),
        line("list-with-a-missing-library", None, |folder| {
            folder.write("program", &folder.program().needed("libgone.so.1").forge().bytes);
            Run::new(&["ld-lode", "--list", "./program"])
        }),
        line("ldd-with-a-missing-library", None, |folder| {
            folder.write("program", &folder.program().needed("libgone.so.1").forge().bytes);
            Run::new(&["./program"]).with("LD_TRACE_LOADED_OBJECTS", "1")
        }),
    ]);
}

/// A command line that is wrong.
fn usage(name: &'static str, words: &'static [&'static str]) -> Case {
    line(name, Some("E0701"), |_| Run::new(words)).asked(Asked::Nothing("it is a command line of lode's"))
}

/// What is wrong in a variable is a line, and the program starts.
fn environment(cases: &mut Vec<Case>) {
    cases.extend([
        line("options-word-unknown", None, |folder| {
            plain(folder);
            Run::new(&["./program"]).with("LODE_OPTIONS", "inhibit-cash")
        }),
        line("options-word-without-a-value", None, |folder| {
            plain(folder);
            Run::new(&["./program"]).with("LODE_OPTIONS", "library-path,bind-now=yes")
        }),
        line("options-help", None, |folder| {
            plain(folder);
            Run::new(&["./program"]).with("LODE_OPTIONS", "help")
        }),
        line("debug-help", None, |folder| {
            plain(folder);
            Run::new(&["./program"]).with("LD_DEBUG", "help")
        }),
        line("debug-word-unknown", None, |folder| {
            plain(folder);
            Run::new(&["./program"]).with("LD_DEBUG", "everything")
        }),
        line("audit", None, |folder| {
            plain(folder);
            Run::new(&["./program"]).with("LD_AUDIT", "libaudit.so")
        }),
        line("preload-missing", None, |folder| {
            plain(folder);
            Run::new(&["./program"]).with("LD_PRELOAD", "./libgone.so")
        }),
        line("preload-not-elf", None, |folder| {
            plain(folder);
            folder.write(BAD, &[b'x'; 100]);
            Run::new(&["./program"]).with("LD_PRELOAD", "./libbad.so")
        }),
        line("preload-needs-a-missing-library", None, |folder| {
            plain(folder);
            folder.write(BAD, &plain_library(BAD).needed("libgone.so.1").forge().bytes);
            Run::new(&["./program"]).with("LD_PRELOAD", "./libbad.so")
        }),
    ]);
}
