//! Files whose relocations would do what they must not: write into code, move a word twice, lie about themselves.

use forge::{Binding, DATA, Kind, Module, TEXT};

use super::stand::{Asked, BAD, Case, Folder, Run, interpreted, library, line, nothing, plain_library};

const TEXTREL: u64 = 22;
const ANDROID_RELA: u64 = 0x6000_0011;
const ANDROID_RELASZ: u64 = 0x6000_0012;
const RELACOUNT: u64 = 0x6fff_fff9;

const R_64: u32 = 1;
const R_PLT32: u32 = 4;
const R_RELATIVE: u32 = 8;

fn code_and_tag(library: &mut Module) {
    library.relocation(TEXT, R_RELATIVE, None, 0).tag(TEXTREL, 0);
}

/// A function that a resolver chooses, and calls of it that go without a PLT.
fn calls_without_a_plt(library: &mut Module) {
    let code = library.text(&[0xe8; 32]);
    let chosen = library.define("chosen", Binding::Global, Kind::Ifunc, TEXT, 1);
    for call in 0..3 {
        library.relocation(code + 1 + 8 * call, R_PLT32, Some(chosen), -4);
    }
}

/// A program that opens a bad library, which `write` makes, and prints what `dlerror` says.
fn opened(name: &'static str, code: &'static str, write: fn(&Folder)) -> Case {
    let case = line(name, Some(code), move |folder| {
        write(folder);
        folder.compile(
            "program",
            "#include <dlfcn.h>\n#include <stdio.h>\n\
             int main(void) { if (!dlopen(\"./libbad.so\", RTLD_NOW)) puts(dlerror()); }\n",
            &[],
        );
        Run::new(&["./program"])
    });
    case.asked(Asked::Library)
}

fn write_planned(folder: &Folder, plan: fn(&mut Module)) {
    let mut library = plain_library(BAD);
    plan(&mut library);
    folder.write(BAD, &library.forge().bytes);
}

pub fn cases(cases: &mut Vec<Case>) {
    cases.extend([
        library("text-relocations", "E0323", code_and_tag, nothing),
        interpreted("text-relocations-interpreted", "E0323", code_and_tag, nothing),
        opened("text-relocations-opened", "E0323", |folder| {
            write_planned(folder, code_and_tag)
        }),
        opened("relocation-readonly-opened", "E0322", |folder| {
            write_planned(folder, |library| {
                library.relocation(TEXT, R_RELATIVE, None, 0);
            });
        }),
        library("ifunc-noplt", "E0331", calls_without_a_plt, nothing),
        opened("ifunc-noplt-opened", "E0331", |folder| {
            write_planned(folder, calls_without_a_plt)
        }),
        library(
            "relocated-twice",
            "E0330",
            |library| {
                library.relr(DATA).relr(3);
                library.relocation(DATA + 8, R_RELATIVE, None, 0);
            },
            nothing,
        ),
        library(
            "relative-count",
            "E0328",
            |library| {
                let symbol = library.define("here", Binding::Global, Kind::Object, DATA, 8);
                library.relocation(DATA, R_RELATIVE, None, 0);
                library.relocation(DATA + 8, R_64, Some(symbol), 0);
                library.tag(RELACOUNT, 2);
            },
            nothing,
        ),
        library(
            "relative-count-of-nothing",
            "E0328",
            |library| {
                library.tag(RELACOUNT, 2);
            },
            nothing,
        ),
        library(
            "symbol-value",
            "E0307",
            |library| {
                let symbol = library.define("nowhere", Binding::Global, Kind::Object, 0x7000_0000, 8);
                library.relocation(DATA, R_64, Some(symbol), 0);
            },
            nothing,
        ),
        library(
            "thread-local-address",
            "E0332",
            |library| {
                library.tls(&[1; 8], 0, 8);
                let symbol = library.define("each", Binding::Global, Kind::Tls, 0, 8);
                library.relocation(DATA, R_64, Some(symbol), 0);
            },
            nothing,
        ),
        library(
            "android-relocations",
            "E0329",
            |library| packed(library, b"APS1"),
            nothing,
        ),
        library(
            "android-relocations-cut-short",
            "E0329",
            // Two relocations from offset 0 on, one of which is there.
            |library| packed(library, b"APS2\x02\x00\x02\x0b\x08\x08\x80"),
            nothing,
        ),
        library(
            "android-relocations-of-a-place",
            "E0322",
            |library| packed(library, b"APS2\x01\x00\x01\x0f\x08\x08\x00"),
            nothing,
        ),
    ]);
}

/// A packed table.
fn packed(library: &mut Module, stream: &[u8]) {
    let at = library.relro(stream);
    library.tag(ANDROID_RELA, at).tag(ANDROID_RELASZ, stream.len() as u64);
}
