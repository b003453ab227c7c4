//! Files whose header or program headers are wrong.

use forge::HeaderField::{
    AbiVersion, Class, Data, Entry, Flags, IdentVersion, Machine, OsAbi, Phentsize, Phnum, Phoff, Type, Version,
};
use forge::SegmentField::{self, Align, Filesz, Memsz, Offset, Vaddr};
use forge::{Binding, DATA, Forged, Kind, Module, TEXT, Visibility};

use super::stand::{
    Also, Asked, BAD, Case, Run, case, command, interpreted, library, load, needs_bad, nothing, plain_library,
};

const R_COPY: u32 = 5;
const R_JUMP_SLOT: u32 = 7;

const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_NOTE: u64 = 4;
const PT_TLS: u32 = 7;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const PT_GNU_PROPERTY: u64 = 0x6474_e553;

/// Sets a field of the first program header of a type.
fn set(forged: &mut Forged, kind: u32, field: SegmentField, value: u64) {
    let index = forged.segment_of(kind).unwrap();
    forged.set_segment(index, field, value);
}

/// Sets a field of the PT_LOAD with a number.
fn set_load(forged: &mut Forged, number: usize, field: SegmentField, value: u64) {
    let index = load(forged, number);
    forged.set_segment(index, field, value);
}

/// Turns PT_GNU_STACK, which nobody here needs, into another segment.
fn replace_stack(forged: &mut Forged, kind: u64, at: u64, size: u64) {
    let index = forged.segment_of(PT_GNU_STACK).unwrap();
    forged
        .set_segment(index, SegmentField::Type, kind)
        .set_segment(index, Vaddr, at)
        .set_segment(index, Memsz, size)
        .set_segment(index, Filesz, size);
}

/// The note of a file that needs an x86-64 level which no CPU has (psABI, "Program Property").
fn note_of_a_level_to_come() -> Vec<u8> {
    const ISA_1_NEEDED: u32 = 0xc000_8002;
    property(ISA_1_NEEDED, 1 << 7)
}

/// The note of a file with one property.
fn property(kind: u32, value: u32) -> Vec<u8> {
    let words = [4, 16, 5, u32::from_le_bytes(*b"GNU\0"), kind, 4, value, 0];
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// A library that others may refer to through their GOT only (GNU_PROPERTY_1_NEEDED_INDIRECT_EXTERN_ACCESS), with a protected symbol that the program
/// refers to as `refer` says.
fn past_the_got(name: &'static str, kind: Kind, refer: fn(&mut Module)) -> Case {
    case(name, "E0333", move |folder| {
        let mut library = plain_library(BAD);
        assert_eq!(library.text(&property(0xb000_8000, 1)), NOTE);
        let at = library.data(&[1; 8]);
        let symbol = library.define("protected", Binding::Global, kind, at, 8);
        library.visibility(symbol, Visibility::Protected);
        let mut library = library.forge();
        replace_stack(&mut library, PT_GNU_PROPERTY, NOTE, 32);
        folder.write(BAD, &library.bytes);
        let mut program = folder.program();
        refer(program.needed(BAD));
        folder.write("program", &program.forge().bytes);
        Run::new(&["ld-lode", "--library-path", ".", "./program"])
    })
}

/// Where [`Module::text`] puts what comes behind a library's one instruction.
const NOTE: u64 = TEXT + 16;

pub fn cases(cases: &mut Vec<Case>) {
    identity(cases);
    table(cases);
    segments(cases);
    others(cases);
    demands(cases);
}

/// What is asked about a program of another machine.
const OF_ITS_OWN_MACHINE: Asked = Asked::Nothing("a program of another machine is judged by the rules of that machine");

/// Whose file is it?
fn identity(cases: &mut Vec<Case>) {
    cases.extend([
        case("not-elf", "E0101", |folder| {
            folder.write(
                BAD,
                format!("/* GNU ld script */\nGROUP ( libc.so.6 )\n{}", " ".repeat(64)).as_bytes(),
            );
            needs_bad(folder)
        }),
        case("not-elf-of-a-short-file", "E0101", |folder| {
            folder.write(BAD, b"INPUT(libc.so.6)\n");
            needs_bad(folder)
        }),
        case("not-elf-as-command", "E0101", |folder| {
            folder.write("program", format!("#!/bin/sh\n{}", "# nothing\n".repeat(8)).as_bytes());
            Run::new(&["ld-lode", "./program"])
        }),
        library("header-truncated", "E0102", nothing, |file| {
            file.truncate(63);
        }),
        library("header-of-an-empty-file", "E0102", nothing, |file| {
            file.truncate(0);
        }),
        command("wrong-class", "E0103", nothing, |file| {
            file.set_header(Class, 1).set_header(Machine, 3);
        })
        .asked(OF_ITS_OWN_MACHINE),
        command("wrong-class-x32", "E0103", nothing, |file| {
            file.set_header(Class, 1);
        })
        .asked(OF_ITS_OWN_MACHINE),
        library("wrong-class-of-a-library", "E0201", nothing, |file| {
            file.set_header(Class, 1);
        }),
        library("wrong-class-unknown", "E0103", nothing, |file| {
            file.set_header(Class, 7);
        }),
        library("wrong-data", "E0103", nothing, |file| {
            file.set_header(Data, 2);
        }),
        library("elf-version", "E0106", nothing, |file| {
            file.set_header(Version, 2);
        }),
        library("elf-version-in-the-identity", "E0106", nothing, |file| {
            file.set_header(IdentVersion, 0);
        }),
        library("wrong-osabi", "E0104", nothing, |file| {
            file.set_header(OsAbi, 9);
        }),
        interpreted("wrong-osabi-interpreted", "E0104", nothing, |file| {
            file.set_header(OsAbi, 9);
        }),
        command("wrong-abiversion", "E0105", nothing, |file| {
            file.set_header(AbiVersion, 1);
        }),
        interpreted("wrong-abiversion-interpreted", "E0105", nothing, |file| {
            file.set_header(AbiVersion, 1);
        }),
        library("wrong-abiversion-gnu", "E0105", nothing, |file| {
            file.set_header(OsAbi, 3).set_header(AbiVersion, 4);
        }),
        command("wrong-machine", "E0103", nothing, |file| {
            file.set_header(Machine, 183);
        })
        .asked(OF_ITS_OWN_MACHINE),
        library("wrong-machine-of-a-library", "E0201", nothing, |file| {
            file.set_header(Machine, 183);
        }),
        library("header-flags", "E0108", nothing, |file| {
            file.set_header(Flags, 0x10);
        }),
        interpreted("header-flags-interpreted", "E0108", nothing, |file| {
            file.set_header(Flags, 0x10);
        }),
        library("header-type", "E0109", nothing, |file| {
            file.set_header(Type, 1);
        }),
        command("header-type-core", "E0109", nothing, |file| {
            file.set_header(Type, 4);
        }),
    ]);
}

/// Where are the program headers?
fn table(cases: &mut Vec<Case>) {
    cases.extend([
        library("phentsize", "E0110", nothing, |file| {
            file.set_header(Phentsize, 32);
        }),
        library("no-program-headers", "E0111", nothing, |file| {
            file.set_header(Phnum, 0);
        }),
        library("phdr-outside-file", "E0113", nothing, |file| {
            let length = file.bytes.len() as u64;
            file.set_header(Phoff, length - 56);
        }),
        library("phdr-outside-file-too-many", "E0113", nothing, |file| {
            file.set_header(Phnum, 0xffff);
        }),
    ]);
}

/// PT_LOAD.
fn segments(cases: &mut Vec<Case>) {
    cases.extend([
        library("no-load-segment", "E0114", nothing, |file| {
            for _ in 0..4 {
                set_load(file, 0, SegmentField::Type, 0);
            }
        }),
        library("segment-outside-file", "E0112", nothing, |file| {
            let length = file.bytes.len();
            file.truncate(length - 1);
        }),
        library("segment-file-size", "E0115", nothing, |file| {
            set_load(file, 3, Memsz, 8);
        }),
        library("segment-code-of-zeros", "E0141", nothing, |file| {
            set_load(file, 1, Memsz, 0x1000);
        }),
        library("segment-order", "E0116", nothing, |file| {
            set_load(file, 3, Vaddr, 0x5_0000);
        }),
        library("segment-order-overlap", "E0116", nothing, |file| {
            set_load(file, 0, Memsz, TEXT + 1);
        }),
        library("segment-order-one-page-twice", "E0116", nothing, |file| {
            let end = file.segment(load(file, 0), Memsz).next_multiple_of(16);
            let offset = file.segment(load(file, 1), Offset) + end;
            set_load(file, 1, Vaddr, end);
            set_load(file, 1, Offset, offset);
        }),
        library("segment-address", "E0117", nothing, |file| {
            set_load(file, 3, Vaddr, 0xffff_ffff_ffff_f000);
        }),
        library("segment-address-too-high", "E0117", nothing, |file| {
            set_load(file, 3, Vaddr, 1 << 60);
        }),
        library("segment-align", "E0118", nothing, |file| {
            set_load(file, 3, Align, 0x3000);
        }),
        library("segment-congruence", "E0119", nothing, |file| {
            set_load(file, 3, Vaddr, DATA + 8);
        }),
        library("segment-wx", "E0123", nothing, |file| {
            set_load(file, 1, SegmentField::Flags, 7);
        }),
        interpreted("segment-wx-interpreted", "E0123", nothing, |file| {
            set_load(file, 1, SegmentField::Flags, 7);
        }),
        interpreted(
            "file-truncated",
            "E0127",
            |program| {
                program.data(&[1; 0x5000]);
            },
            |file| {
                let length = file.bytes.len();
                file.truncate(length - 0x3000);
            },
        )
        .asked(Asked::Otherwise(
            "E0112",
            "how far the kernel maps such a program shows when it has",
        )),
        // The kernel maps such a program without a word: `file-truncated`.
        Case {
            also: Also::Nothing,
            ..command(
                "file-truncated-as-command",
                "E0112",
                |program| {
                    program.data(&[1; 0x5000]);
                },
                |file| {
                    let length = file.bytes.len();
                    file.truncate(length - 0x3000);
                },
            )
        },
    ]);
}

/// The other segments.
fn others(cases: &mut Vec<Case>) {
    cases.extend([
        library("segment-twice", "E0122", nothing, |file| {
            let dynamic = file.segment_of(PT_DYNAMIC).unwrap();
            let (at, size) = (file.segment(dynamic, Vaddr), file.segment(dynamic, Memsz));
            replace_stack(file, PT_DYNAMIC.into(), at, size);
        }),
        interpreted("segment-twice-interpreted", "E0122", nothing, |file| {
            let dynamic = file.segment_of(PT_DYNAMIC).unwrap();
            let (at, size) = (file.segment(dynamic, Vaddr), file.segment(dynamic, Memsz));
            replace_stack(file, PT_DYNAMIC.into(), at, size);
        }),
        library("dynamic-outside", "E0131", nothing, |file| {
            set(file, PT_DYNAMIC, Vaddr, 0x70_0000);
        }),
        library("dynamic-unterminated", "E0132", nothing, |file| {
            set(file, PT_DYNAMIC, Memsz, 32);
        }),
        library("dynamic-missing", "E0130", nothing, |file| {
            set(file, PT_DYNAMIC, SegmentField::Type, 0);
        }),
        library("relro-outside", "E0124", nothing, |file| {
            set(file, PT_GNU_RELRO, Vaddr, TEXT);
        }),
        library("relro-outside-too-long", "E0124", nothing, |file| {
            set(file, PT_GNU_RELRO, Memsz, 0x100_0000);
        }),
        library("tls-outside", "E0403", thread_local, |file| {
            set(file, PT_TLS, Vaddr, 0x70_0000);
        }),
        library("tls-size", "E0404", thread_local, |file| {
            set(file, PT_TLS, Memsz, 4);
        }),
        library("tls-size-too-large", "E0404", thread_local, |file| {
            set(file, PT_TLS, Memsz, 1 << 40);
        }),
        library("tls-align", "E0405", thread_local, |file| {
            set(file, PT_TLS, Align, 24);
        }),
        library("tls-align-too-large", "E0405", thread_local, |file| {
            set(file, PT_TLS, Align, 1 << 30);
        }),
        command("interpreter-path", "E0121", nothing, |file| {
            set(file, PT_INTERP, Filesz, 0);
        }),
        command("interpreter-path-too-long", "E0121", nothing, |file| {
            set(file, PT_INTERP, Filesz, 0x1001);
        }),
        command("entry-outside", "E0125", nothing, |file| {
            file.set_header(Entry, DATA);
        }),
        interpreted("entry-outside-interpreted", "E0125", nothing, |file| {
            file.set_header(Entry, DATA);
        }),
        command("cpu-too-old", "E0128", level_to_come, |file| {
            replace_stack(file, PT_GNU_PROPERTY, NOTE, 32);
        }),
        library("cpu-too-old-for-a-library", "E0201", level_to_come, |file| {
            replace_stack(file, PT_GNU_PROPERTY, NOTE, 32);
        }),
    ]);
}

/// What a file asks for beyond its header.
fn demands(cases: &mut Vec<Case>) {
    cases.extend([
        command("wrong-system", "E0104", tagged::<3, 9>, |file| {
            replace_stack(file, PT_NOTE, NOTE, 32)
        }),
        past_the_got("past-the-got-by-a-copy", Kind::Object, |program| {
            let copy = program.define("protected", Binding::Global, Kind::Object, DATA, 8);
            program.relocation(DATA, R_COPY, Some(copy), 0);
        }),
        past_the_got("past-the-got-by-an-address", Kind::Function, |program| {
            let own = program.undefined_with_value("protected", TEXT);
            let slot = program.data(&[0; 8]);
            program.slot(slot, R_JUMP_SLOT, Some(own), 0);
        }),
        library("wrong-system-of-a-library", "E0201", tagged::<1, 0>, |file| {
            replace_stack(file, PT_NOTE, NOTE, 32);
        }),
        command("kernel-too-old", "E0129", tagged::<0, 99>, |file| {
            replace_stack(file, PT_NOTE, NOTE, 32)
        }),
        library("kernel-too-old-for-a-library", "E0201", tagged::<0, 99>, |file| {
            replace_stack(file, PT_NOTE, NOTE, 32);
        }),
        library(
            "changes-loading",
            "E0107",
            |library| {
                library.tag(38, 0x1000);
            },
            nothing,
        ),
        library(
            "changes-loading-as-llvm-writes-it",
            "E0107",
            |library| {
                library.tag(0x4000_0026, 0x1000);
            },
            nothing,
        ),
        library(
            "changes-loading-of-data",
            "E0107",
            |library| {
                library.tag(0x6fff_fefe, 0x1000);
            },
            nothing,
        ),
        library(
            "changes-loading-by-a-flag",
            "E0107",
            |library| {
                library.tag(0x6fff_fffb, 0x1_0000);
            },
            nothing,
        ),
        command("changes-loading-by-a-segment", "E0107", nothing, |file| {
            replace_stack(file, 0x65a3_dbe6, DATA, 8);
        }),
    ]);
}

/// Adds an NT_GNU_ABI_TAG: a system, and the major number of its version.
fn tagged<const OS: u32, const MAJOR: u32>(module: &mut Module) {
    let words = [4, 16, 1, u32::from_le_bytes(*b"GNU\0"), OS, MAJOR, 1, 2];
    let note: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    module.text(&note);
}

fn thread_local(module: &mut Module) {
    module.tls(&[1; 8], 8, 8);
}

fn level_to_come(module: &mut Module) {
    assert_eq!(module.text(&note_of_a_level_to_come()), NOTE);
}
