//! What a running program is told: `dlerror` in a glibc process, one line without a code.

use forge::{Binding, DATA, Kind, Module};

use super::stand::{Asked, BAD, Case, Folder, Run, case, line, nothing, plain_library};

const FLAGS: u64 = 30;
const FLAGS_1: u64 = 0x6fff_fffb;
const STATIC_TLS: u64 = 0x10;
const NOOPEN: u64 = 0x40;
const R_TPOFF64: u32 = 18;
/// How the compiler makes a library that calls itself by the bad one's name.
const SHARED: &[&str] = &["-fPIC", "-shared", "-Wl,-soname,libbad.so"];

/// A program that makes one call and prints what `dlerror` says of it.
fn caller(folder: &Folder, call: &str) -> Run {
    let source = format!(
        "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdio.h>\n\
         int main(void)\n{{\n{call};\nconst char *said = dlerror();\nputs(said ? said : \"(nothing)\");\n}}\n"
    );
    folder.compile("program", &source, &[]);
    Run::new(&["./program"])
}

/// A program that opens a bad library.
fn opened(name: &'static str, code: &'static str, plan: fn(&mut Module)) -> Case {
    let case = line(name, Some(code), move |folder| {
        let mut library = plain_library(BAD);
        plan(&mut library);
        folder.write(BAD, &library.forge().bytes);
        caller(folder, "dlopen(\"./libbad.so\", RTLD_NOW)")
    });
    case.asked(Asked::Library)
}

const A_LIBRARY_OF_MUSL: &str = "it is in order in a process of musl";

/// The same, for a library in which nothing is wrong but that it is opened.
fn only_opened(name: &'static str, code: &'static str, why: &'static str, plan: fn(&mut Module)) -> Case {
    opened(name, code, plan).asked(Asked::Nothing(why))
}

fn called(name: &'static str, code: &'static str, call: &'static str) -> Case {
    let case = line(name, Some(code), move |folder| caller(folder, call));
    case.asked(Asked::Nothing("it is a call that a program makes"))
}

pub fn cases(cases: &mut Vec<Case>) {
    cases.extend([
        only_opened(
            "not-to-be-opened",
            "E0203",
            "a program may need the library",
            |library| {
                library.tag(FLAGS_1, NOOPEN);
            },
        ),
        only_opened(
            "static-tls",
            "E0402",
            "how much is free is up to the process",
            |library| {
                library.tls(&[1; 8], 1 << 20, 8);
                let symbol = library.define("large", Binding::Global, Kind::Tls, 0, 8);
                library
                    .tag(FLAGS, STATIC_TLS)
                    .relocation(DATA, R_TPOFF64, Some(symbol), 0);
            },
        ),
        opened("undefined-symbol-opened", "E0301", |library| {
            let symbol = library.undefined("gone", Binding::Global);
            library.relocation(DATA, 1, Some(symbol), 0);
        }),
        opened("missing-library-opened", "E0201", |library| {
            library.needed("libgone.so.1");
        }),
        only_opened("wrong-libc-opened", "E0211", A_LIBRARY_OF_MUSL, |library| {
            library.needed("libc.musl-x86_64.so.1");
        }),
        only_opened(
            "wrong-libc-with-its-own-name-opened",
            "E0211",
            A_LIBRARY_OF_MUSL,
            |library| {
                library.needed("libc.so");
            },
        ),
        Case {
            code: None,
            ..opened("good-library-opened", "", nothing)
        },
        called("no-symbol", "E0302", "dlsym(RTLD_DEFAULT, \"gone\")"),
        called(
            "no-symbol-of-a-version",
            "E0302",
            "dlvsym(RTLD_DEFAULT, \"puts\", \"GLIBC_9\")",
        ),
        called("no-symbol-after-the-caller", "E0302", "dlsym(RTLD_NEXT, \"gone\")"),
        called("invalid-handle", "E0602", "dlsym((void *)0x1234, \"puts\")"),
        called("invalid-handle-closed", "E0604", "dlclose((void *)0x1234)"),
        called("invalid-mode", "E0502", "dlopen(\"libm.so.6\", 0)"),
        called("empty-namespace", "E0502", "dlmopen(5, \"libm.so.6\", RTLD_NOW)"),
        called(
            "no-namespace-for-the-program",
            "E0502",
            "dlmopen(LM_ID_NEWLM, NULL, RTLD_NOW)",
        ),
        called(
            "global-in-a-namespace",
            "E0502",
            "dlmopen(LM_ID_NEWLM, \"libm.so.6\", RTLD_NOW | RTLD_GLOBAL)",
        ),
        called("opened-program", "E0604", "dlopen(\"./program\", RTLD_NOW)"),
        called("opened-nothing", "E0201", "dlopen(\"libgone.so.1\", RTLD_NOW)"),
        called("opened-text", "E0101", "dlopen(\"./program.c\", RTLD_NOW)"),
        line("busy", Some("E0603"), |folder| {
            // The resolver of a function calls the loader while the loader links the library that holds it.
            folder.compile(
                BAD,
                "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdio.h>\n\
                 static int chosen(void) { return 0; }\n\
                 static void *choose(void) { void *found = dlopen(\"libm.so.6\", RTLD_NOW);\n\
                 if (!found) puts(dlerror()); return chosen; }\n\
                 int function(void) __attribute__((ifunc(\"choose\")));\n\
                 int (*pointer)(void) = function;\n",
                SHARED,
            );
            caller(folder, "dlopen(\"./libbad.so\", RTLD_NOW)")
        })
        .asked(Asked::Nothing("a resolver makes the call")),
        case("undefined-symbol-at-the-call", "E0301", |folder| {
            // What the program was linked with defines the function; what it finds does not.
            folder.compile("libnew.so", "void gone(void) {}", SHARED);
            folder.compile(BAD, "", SHARED);
            folder.compile(
                "program",
                "void gone(void); int main(void) { gone(); }",
                &["-Wl,--no-as-needed", "./libnew.so", "-Wl,-z,lazy"],
            );
            Run::new(&["./program"]).with("LD_LIBRARY_PATH", ".")
        })
        .asked(Asked::Later),
    ]);
}
