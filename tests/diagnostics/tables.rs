//! Files whose dynamic section, or a table that it names, is wrong.

use forge::{Binding, DATA, Forged, HashStyle, Kind, Module, RELRO, TEXT};

use super::stand::{Also, BAD, Case, Run, case, command, interpreted, library, needs_bad, nothing, plain_library};

const NEEDED: u64 = 1;
const PLTRELSZ: u64 = 2;
const HASH: u64 = 4;
const STRTAB: u64 = 5;
const SYMTAB: u64 = 6;
const RELA: u64 = 7;
const RELASZ: u64 = 8;
const RELAENT: u64 = 9;
const STRSZ: u64 = 10;
const SYMENT: u64 = 11;
const INIT: u64 = 12;
const SONAME: u64 = 14;
const RELENT: u64 = 19;
const PLTREL: u64 = 20;
const INIT_ARRAY: u64 = 25;
const FINI_ARRAY: u64 = 26;
const INIT_ARRAYSZ: u64 = 27;
const FINI_ARRAYSZ: u64 = 28;
const RELRENT: u64 = 37;
const GNU_HASH: u64 = 0x6fff_fef5;
const VERSYM: u64 = 0x6fff_fff0;
const RELACOUNT: u64 = 0x6fff_fff9;
const VERDEF: u64 = 0x6fff_fffc;
const VERNEED: u64 = 0x6fff_fffe;
const VERNEEDNUM: u64 = 0x6fff_ffff;

/// Relocation types (psABI, "Relocation Types").
const R_64: u32 = 1;
const R_PC32: u32 = 2;
const R_COPY: u32 = 5;
const R_RELATIVE: u32 = 8;
const R_32: u32 = 10;
const R_32S: u32 = 11;
const R_DTPMOD64: u32 = 16;
const R_TPOFF64: u32 = 18;
const R_SIZE32: u32 = 32;
const R_IRELATIVE: u32 = 37;
const R_UNKNOWN: u32 = 0xf8;

/// An address in no segment.
const NOWHERE: u64 = 0x70_0000;

/// The file offset of a table. Tables lie in the first segment, whose addresses are offsets.
fn table(file: &Forged, tag: u64) -> usize {
    usize::try_from(file.dynamic(tag).unwrap()).unwrap()
}

fn relative(module: &mut Module) {
    module.relocation(DATA, R_RELATIVE, None, 0);
}

fn answer(module: &mut Module) {
    module.define("answer", Binding::Global, Kind::Function, TEXT, 1);
}

fn compact(module: &mut Module) {
    module.relr(DATA);
}

pub fn cases(cases: &mut Vec<Case>) {
    tags(cases);
    strings_and_hashes(cases);
    versions(cases);
    places(cases);
    kinds(cases);
    symbols(cases);
}

/// The dynamic section by itself.
fn tags(cases: &mut Vec<Case>) {
    cases.extend([
        library("tag-twin", "E0133", relative, |file| {
            file.rename_dynamic(RELASZ, RELACOUNT);
        }),
        library("tag-twin-without-strings", "E0133", nothing, |file| {
            file.rename_dynamic(STRTAB, RELACOUNT).set_dynamic(STRSZ, 0);
        }),
        library("tag-twin-without-symbols", "E0133", nothing, |file| {
            file.rename_dynamic(SYMTAB, RELACOUNT);
        }),
        library("tag-entry-size", "E0134", relative, |file| {
            file.set_dynamic(RELAENT, 16);
        }),
        library(
            "tag-entry-size-of-rel",
            "E0134",
            |library| {
                library.implicit_relocation(DATA, R_RELATIVE, None);
            },
            |file| {
                file.set_dynamic(RELENT, 24);
            },
        ),
        library("tag-entry-size-of-relr", "E0134", compact, |file| {
            file.set_dynamic(RELRENT, 4);
        }),
        library("tag-entry-size-of-symbols", "E0134", nothing, |file| {
            file.set_dynamic(SYMENT, 16);
        }),
        library("tag-table-size", "E0135", relative, |file| {
            file.set_dynamic(RELASZ, 23);
        }),
        library("tag-table-outside", "E0136", relative, |file| {
            file.set_dynamic(RELA, NOWHERE);
        }),
        library("tag-table-outside-symbols", "E0136", nothing, |file| {
            file.set_dynamic(SYMTAB, NOWHERE);
        }),
        library("tag-table-outside-strings", "E0136", nothing, |file| {
            file.set_dynamic(STRSZ, 0x10_0000);
        }),
        library(
            "tag-pltrel",
            "E0137",
            |library| {
                library.slot(DATA, R_RELATIVE, None, 0);
            },
            |file| {
                file.set_dynamic(PLTREL, 9);
            },
        ),
        library(
            "tag-table-size-of-slots",
            "E0135",
            |library| {
                library.slot(DATA, R_RELATIVE, None, 0);
            },
            |file| {
                file.set_dynamic(PLTRELSZ, 25);
            },
        ),
        library(
            "array-size",
            "E0140",
            |library| {
                library.tag(INIT_ARRAY, DATA).tag(INIT_ARRAYSZ, 12);
            },
            nothing,
        ),
    ]);
}

/// Names, and the tables that find them.
fn strings_and_hashes(cases: &mut Vec<Case>) {
    cases.extend([
        library("string-table", "E0138", nothing, |file| {
            let size = file.dynamic(STRSZ).unwrap();
            file.set_dynamic(STRSZ, size - 1);
        }),
        library("string-offset", "E0139", nothing, |file| {
            file.set_dynamic(SONAME, 0xffff);
        }),
        library(
            "string-offset-of-a-needed-library",
            "E0139",
            |library| {
                library.needed("libother.so");
            },
            |file| {
                file.set_dynamic(NEEDED, 0xffff);
            },
        ),
        library("hash-buckets", "E0305", answer, |file| {
            file.set(table(file, GNU_HASH), 4, 0);
        }),
        library("hash-buckets-bloom", "E0305", answer, |file| {
            file.set(table(file, GNU_HASH) + 8, 4, 3);
        }),
        library(
            "hash-buckets-sysv",
            "E0305",
            |library| {
                answer(library.hash_style(HashStyle::Sysv));
            },
            |file| {
                file.set(table(file, HASH), 4, 0);
            },
        ),
        library(
            "hash-table",
            "E0303",
            |library| {
                answer(library.hash_style(HashStyle::Sysv));
            },
            |file| {
                file.set(table(file, HASH) + 4, 4, 0x1000_0000);
            },
        ),
        library("gnu-hash-table", "E0304", answer, |file| {
            file.set(table(file, GNU_HASH), 4, 0x1000_0000);
        }),
        library("gnu-hash-table-shift", "E0304", answer, |file| {
            file.set(table(file, GNU_HASH) + 12, 4, 32);
        }),
        library("gnu-hash-table-outside", "E0304", answer, |file| {
            file.set_dynamic(GNU_HASH, NOWHERE);
        }),
    ]);
}

/// Versions that contradict themselves. Those that are only missing are in `process`.
fn versions(cases: &mut Vec<Case>) {
    fn needs_a_version(module: &mut Module) {
        let version = module.needed("libother.so").need_version("libother.so", "V1", false);
        let symbol = module.undefined("answer", Binding::Weak);
        module
            .versioned(symbol, version)
            .relocation(DATA, R_64, Some(symbol), 0);
    }
    fn defines_a_version(module: &mut Module) {
        let version = module.define_version("V1");
        let symbol = module.define("answer", Binding::Global, Kind::Function, TEXT, 1);
        module
            .versioned(symbol, version)
            .relocation(DATA, R_64, Some(symbol), 0);
    }
    cases.extend([
        library("version-need", "E0312", needs_a_version, |file| {
            file.set(table(file, VERNEED), 2, 2);
        }),
        library("version-need-chain", "E0312", needs_a_version, |file| {
            file.set_dynamic(VERNEEDNUM, 5);
        }),
        library("version-definition", "E0313", defines_a_version, |file| {
            file.set(table(file, VERDEF), 2, 9);
        }),
        library("version-index", "E0314", defines_a_version, |file| {
            file.set(table(file, VERSYM) + 2, 2, 77);
        }),
    ]);
}

/// Relocations whose place is wrong.
fn places(cases: &mut Vec<Case>) {
    cases.extend([
        library(
            "relr-bitmap-first",
            "E0326",
            |library| {
                library.relr(3);
            },
            nothing,
        ),
        library(
            "relr-outside",
            "E0327",
            |library| {
                library.relr(NOWHERE);
            },
            nothing,
        ),
        library(
            "relr-read-only",
            "E0327",
            |library| {
                library.relr(TEXT);
            },
            nothing,
        ),
        library(
            "relocation-outside",
            "E0321",
            |library| {
                library.relocation(NOWHERE, R_RELATIVE, None, 0);
            },
            nothing,
        ),
        library(
            "relocation-outside-by-one-byte",
            "E0321",
            |library| {
                // The first leaves its segment at hand for the second.
                library.relocation(DATA, R_RELATIVE, None, 0);
                library.relocation(DATA + 9, R_RELATIVE, None, 0);
            },
            nothing,
        ),
        library(
            "relocation-readonly",
            "E0322",
            |library| {
                library.relocation(TEXT, R_RELATIVE, None, 0);
            },
            nothing,
        ),
        interpreted(
            "relocation-readonly-interpreted",
            "E0322",
            |program| {
                program.relocation(TEXT, R_RELATIVE, None, 0);
            },
            nothing,
        ),
        case("text-relocations-in-eh-frame", "E0323", |folder| {
            folder.compile(
                BAD,
                ".globl f\nf: ret\n.section .eh_frame,\"a\",@progbits\n.quad f\n.section .note.GNU-stack,\"\",@progbits\n",
                &["-x", "assembler", "-shared", "-nostdlib", "-Wl,-z,notext"],
            );
            needs_bad(folder)
        }),
        library(
            "code-outside",
            "E0126",
            |library| {
                library.tag(INIT, DATA);
            },
            nothing,
        ),
        library(
            "code-outside-in-an-array",
            "E0126",
            |library| {
                let array = library.data(&DATA.to_le_bytes());
                library.relocation(array, R_RELATIVE, None, i64::try_from(DATA).unwrap());
                library.tag(FINI_ARRAY, array).tag(FINI_ARRAYSZ, 8);
            },
            nothing,
        ),
        library(
            "array-outside",
            "E0136",
            |library| {
                library.tag(INIT_ARRAY, NOWHERE).tag(INIT_ARRAYSZ, 8);
            },
            nothing,
        ),
        library(
            "code-outside-as-a-resolver",
            "E0126",
            |library| {
                library.relocation(DATA, R_IRELATIVE, None, i64::try_from(DATA).unwrap());
            },
            nothing,
        ),
    ]);
}

/// Relocations whose type or value is wrong.
fn kinds(cases: &mut Vec<Case>) {
    cases.extend([
        library(
            "unknown-relocation",
            "E0320",
            |library| {
                let symbol = library.undefined("answer", Binding::Weak);
                library.relocation(DATA + 8, R_UNKNOWN, Some(symbol), 0);
            },
            nothing,
        ),
        library(
            "unknown-relocation-without-a-symbol",
            "E0320",
            |library| {
                library.relocation(DATA, R_UNKNOWN, None, 0);
            },
            nothing,
        ),
        library(
            "relocation-overflow",
            "E0324",
            |library| {
                let symbol = library.define_absolute("far_away", 0x1_2345_6789);
                library.relocation(DATA, R_32, Some(symbol), 0);
            },
            nothing,
        ),
        library(
            "relocation-overflow-signed",
            "E0324",
            |library| {
                let symbol = library.define_absolute("far_away", 0x8000_0000);
                library.relocation(DATA, R_32S, Some(symbol), 0);
            },
            nothing,
        ),
        library(
            "relocation-overflow-of-a-distance",
            "E0324",
            |library| {
                let symbol = library.define("near", Binding::Global, Kind::Object, DATA, 8);
                library.relocation(DATA + 8, R_PC32, Some(symbol), -0x1_0000_0000);
            },
            nothing,
        ),
        library(
            "relocation-overflow-of-a-size",
            "E0324",
            |library| {
                let symbol = library.define("large", Binding::Global, Kind::Object, DATA, 1 << 32);
                library.relocation(DATA, R_SIZE32, Some(symbol), 0);
            },
            nothing,
        ),
        Case {
            code: None,
            is_report: false,
            also: Also::Nothing,
            ..library(
                "no-relocation-overflow",
                "",
                |library| {
                    // The addend at the place is -1: read without its sign it would not fit.
                    let place = library.data(&(-1i32).to_le_bytes());
                    let symbol = library.define_absolute("near_zero", 0x1000);
                    library.implicit_relocation(place, R_32S, Some(symbol));
                },
                nothing,
            )
        },
    ]);
}

/// Relocations whose symbol is wrong.
fn symbols(cases: &mut Vec<Case>) {
    cases.extend([
        library("symbol-index", "E0306", relative, |file| {
            file.set(table(file, RELA) + 8, 8, 0x7000_0000 << 32 | u64::from(R_64));
        }),
        copies("copy-size", 8, 8),
        library(
            "not-thread-local",
            "E0401",
            |library| {
                let symbol = library.define("plain", Binding::Global, Kind::Object, DATA, 8);
                library.relocation(DATA + 8, R_TPOFF64, Some(symbol), 0);
            },
            nothing,
        ),
        library(
            "not-thread-local-module",
            "E0401",
            |library| {
                library.relocation(DATA, R_DTPMOD64, None, 0);
            },
            nothing,
        ),
        library(
            "not-thread-local-beside-thread-local-data",
            "E0401",
            |library| {
                library.tls(&[1; 8], 0, 8);
                let symbol = library.define("plain", Binding::Global, Kind::Object, DATA, 8);
                library.relocation(DATA + 8, R_TPOFF64, Some(symbol), 0);
            },
            nothing,
        ),
        command(
            "undefined-symbol-to-be-copied",
            "E0301",
            |program| {
                let symbol = program.define("block", Binding::Global, Kind::Object, DATA, 8);
                program.relocation(DATA, R_COPY, Some(symbol), 0);
            },
            nothing,
        ),
    ]);
}

/// A program that copies data of `here` bytes, of which the library has `there`, but maps only four.
fn copies(name: &'static str, here: u64, there: u64) -> Case {
    case(name, "E0325", move |folder| {
        let mut library = plain_library(BAD);
        let last = library.relro(&[0; 8]);
        assert_eq!(last, RELRO);
        let end = library.data(&[1; 4]);
        library.define("block", Binding::Global, Kind::Object, end, there);
        folder.write(BAD, &library.forge().bytes);
        let mut program = folder.program();
        let symbol = program
            .needed(BAD)
            .define("block", Binding::Global, Kind::Object, DATA, here);
        program.relocation(DATA, R_COPY, Some(symbol), 0);
        folder.write("program", &program.forge().bytes);
        Run::new(&["ld-lode", "--library-path", ".", "./program"])
    })
}
