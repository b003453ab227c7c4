//! Good files that do not fit together, and what is wrong around them.

use forge::{Binding, DATA, Kind, Module, TEXT, Version};

use super::stand::{BAD, Case, Folder, Run, case, command, interpreted, line, needs_bad, nothing, plain_library};

const R_64: u32 = 1;
/// musl's libc, where Debian has it.
const MUSL: &str = "/usr/lib/x86_64-linux-musl/libc.so";

pub fn cases(cases: &mut Vec<Case>) {
    missing(cases);
    unresolved(cases);
    libcs(cases);
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
        }),
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
    cases.push(Case {
        needs: &[MUSL],
        ..case("unsupported", "E0604", |folder| {
            folder.copy(MUSL, "libc.so");
            folder.write("program", &folder.program().needed("libc.so").forge().bytes);
            Run::new(&["ld-lode", "--library-path", ".", "./program"])
        })
    });
}

/// What was asked of lode as a command.
fn command_line(cases: &mut Vec<Case>) {
    cases.extend([
        case("runs-itself", "E0702", |folder| {
            folder.copy_loader("copy");
            Run::new(&["ld-lode", "./copy"])
        }),
        case("runs-itself-under-another-name", "E0702", |folder| {
            let mut loader = plain_library("ld-linux-x86-64.so.2");
            loader.data(&[0; 8]);
            folder.write("loader", &loader.forge().bytes);
            Run::new(&["ld-lode", "./loader"])
        }),
        line("usage", Some("E0701"), |_| {
            Run::new(&["ld-lode", "--lybrary-path", ".", "./program"])
        }),
        line("usage-short-option", Some("E0701"), |_| Run::new(&["ld-lode", "-v"])),
        line("usage-without-a-program", Some("E0701"), |_| Run::new(&["ld-lode"])),
        line("usage-without-a-value", Some("E0701"), |_| {
            Run::new(&["ld-lode", "--preload"])
        }),
        line("usage-with-a-value-too-many", Some("E0701"), |_| {
            Run::new(&["ld-lode", "--list=all", "./program"])
        }),
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
