//! Files that real linkers made: packed relative relocations as three linkers write them, programs with the linker's own
//! relocations kept, and every ELF file of the system.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_LOADER` | the loader under test; without it the one that `cargo xtask build` left |
//! | `CI` | `true`: a missing tool is a failure; otherwise its tests are skipped with a word |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "corpus/reading.rs"]
mod reading;
mod tools;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lode::elf::dynamic::PltKind;
use lode::elf::relr::{WordForm, places};
use lode::error::Kind;
use lode::world::Module;
use object::elf::{FileHeader32, FileHeader64, Relr32, Relr64, SHT_RELR};
use object::read::elf::{ElfFile64, FileHeader, RelrIterator, SectionHeader};
use object::{BigEndian, Endian, Endianness, LittleEndian, U32Bytes, U64Bytes};
use reading::{files_below, read};
use temp_dir::TempDir;
use tools::{loader, run, skip, switches, text};

/// Compiles `source` in `folder`.
fn compile(folder: &Path, source: &str, output: &str, arguments: &[String]) -> PathBuf {
    let source_file = folder.join("source.c");
    fs::write(&source_file, source).unwrap();
    let built = folder.join(output);
    let run = Command::new("gcc")
        .args(["-O1", "-w", "-nostdlib", "-ffreestanding", "-fno-stack-protector"])
        .args(["-fno-tree-loop-distribute-patterns", "-fcf-protection=none"])
        .arg(&source_file)
        .arg("-o")
        .arg(&built)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
    built
}

/// A source whose pointers lie at the words that `is_pointer` names, of `words` in one table.
fn table_of_pointers(words: usize, is_pointer: impl Fn(usize) -> bool) -> String {
    let mut source =
        String::from("char target[64];\nvoid *const plain = 0;\n__attribute__((visibility(\"default\")))\n");
    writeln!(source, "void *table[{words}] = {{").unwrap();
    for word in (0..words).filter(|word| is_pointer(*word)) {
        writeln!(source, "[{word}] = target + {},", word % 64).unwrap();
    }
    source.push_str("};\n");
    source
}

/// The bytes of the packed relocations in a file, and what the other reader takes them for.
fn relr_of(file: &Path) -> (Vec<u8>, Vec<u64>) {
    let bytes = fs::read(file).unwrap();
    let header = FileHeader64::<Endianness>::parse(&*bytes).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, &*bytes).unwrap();
    let section = sections.iter().find(|section| section.sh_type(endian) == SHT_RELR);
    let Some(section) = section else {
        return (Vec::new(), Vec::new());
    };
    let expected = section.relr(endian, &*bytes).unwrap().unwrap().collect();
    (section.data(endian, &*bytes).unwrap().to_vec(), expected)
}

const LITTLE_64: WordForm = WordForm {
    is_64_bit: true,
    is_big_endian: false,
};

/// Objects of many shapes, linked by one linker: lode and the other reader find the same places, and as many as there are.
fn packed_places_agree(linker: &str) {
    let Some(mut arguments) = switches(linker) else {
        return skip(&format!("the linker {linker} is not installed"));
    };
    arguments.extend(["-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-z,pack-relative-relocs"].map(str::to_owned));
    let folder = TempDir::new().unwrap();
    type Shape = (usize, fn(usize) -> bool);
    let shapes: [Shape; 9] = [
        (1, |_| true),
        (63, |_| true),
        (64, |_| true),
        (65, |_| true),
        (2000, |_| true),
        (2000, |word| word % 2 == 0),
        (2000, |word| word % 64 == 0),
        // Gaps of more than a bitmap reaches, so that runs start anew.
        (4000, |word| word % 200 < 3),
        (4000, |word| word * word % 7 == 1),
    ];
    for (number, (words, is_pointer)) in shapes.into_iter().enumerate() {
        let source = table_of_pointers(words, is_pointer);
        let file = compile(folder.path(), &source, &format!("{linker}-{number}.so"), &arguments);
        let (bytes, expected) = relr_of(&file);
        let found: Vec<u64> = places(&bytes, LITTLE_64).unwrap().iter().map(|at| at.0).collect();
        assert_eq!(found, expected, "{linker}, shape {number}");
        let pointers = (0..words).filter(|word| is_pointer(*word)).count();
        assert_eq!(found.len(), pointers, "{linker}, shape {number}");
        // And the product's own way from a file to a module sees the same table.
        let module = read(&file).unwrap();
        let range = module.dynamic.relr.unwrap();
        assert_eq!(range.size, bytes.len() as u64);
        assert_eq!(module.image.copy(range.at, bytes.len()).unwrap(), bytes);
    }
}

#[test]
fn packed_relocations_of_gnu_ld_decode_to_the_places_that_another_reader_finds() {
    packed_places_agree("bfd");
}

#[test]
fn packed_relocations_of_lld_decode_to_the_places_that_another_reader_finds() {
    packed_places_agree("lld");
}

#[test]
fn packed_relocations_of_mold_decode_to_the_places_that_another_reader_finds() {
    packed_places_agree("mold");
}

/// Streams that no linker here makes: an address, then bitmaps, as the words' width allows.
fn streams(bits: u32) -> Vec<Vec<u64>> {
    let full = u64::MAX >> (64 - bits);
    let size = u64::from(bits / 8);
    let reach = u64::from(bits - 1) * size;
    vec![
        vec![],
        vec![0x1000],
        vec![0x1000, 1],
        vec![0x1000, full],
        vec![0x1000, full, full, full],
        vec![0x1000, 1, 1, 3],
        vec![0x1000, 3, 1 << (bits - 1) | 1, 0x1000 + 3 * reach, full],
        vec![0x2000, 0x1000, 5, 0x3000],
        (0..300u64)
            .map(|word| match word % 7 {
                0 => 0x10_0000 + word * 0x1000,
                _ => word.wrapping_mul(0x9e37_79b9_7f4a_7c15) & full | 1,
            })
            .collect(),
    ]
}

/// The places that `object` finds in a stream of 64-bit words.
fn read_by_object_64<E: Endian>(endian: E, stream: &[u64]) -> Vec<u64> {
    let words: Vec<_> = stream.iter().map(|word| Relr64(U64Bytes::new(endian, *word))).collect();
    RelrIterator::<FileHeader64<E>>::new(endian, &words).collect()
}

/// As [`read_by_object_64`], 32 bits.
fn read_by_object_32<E: Endian>(endian: E, stream: &[u32]) -> Vec<u64> {
    let words: Vec<_> = stream.iter().map(|word| Relr32(U32Bytes::new(endian, *word))).collect();
    RelrIterator::<FileHeader32<E>>::new(endian, &words)
        .map(u64::from)
        .collect()
}

/// Asserts that lode finds the expected places in a stream's bytes.
fn decodes_to(bytes: &[u8], form: WordForm, expected: &[u64]) {
    let found: Vec<u64> = places(bytes, form).unwrap().iter().map(|at| at.0).collect();
    assert_eq!(found, expected, "{form:?}, {bytes:x?}");
}

#[test]
fn forged_streams_of_every_form_decode_to_the_places_that_another_reader_finds() {
    let form = |is_64_bit, is_big_endian| WordForm {
        is_64_bit,
        is_big_endian,
    };
    for stream in streams(64) {
        let bytes: Vec<u8> = stream.iter().flat_map(|word| word.to_le_bytes()).collect();
        decodes_to(&bytes, form(true, false), &read_by_object_64(LittleEndian, &stream));
        let bytes: Vec<u8> = stream.iter().flat_map(|word| word.to_be_bytes()).collect();
        decodes_to(&bytes, form(true, true), &read_by_object_64(BigEndian, &stream));
    }
    for stream in streams(32) {
        let stream: Vec<u32> = stream.iter().map(|word| u32::try_from(*word).unwrap()).collect();
        let bytes: Vec<u8> = stream.iter().flat_map(|word| word.to_le_bytes()).collect();
        decodes_to(&bytes, form(false, false), &read_by_object_32(LittleEndian, &stream));
        let bytes: Vec<u8> = stream.iter().flat_map(|word| word.to_be_bytes()).collect();
        decodes_to(&bytes, form(false, true), &read_by_object_32(BigEndian, &stream));
    }
}

/// A program that prints a sum over every word of its writable segments. Addresses in its own image count from its
/// start, so that the sum does not depend on where it lies. Two places are left out, because there stands an address of the
/// loader: the dynamic section (DT_DEBUG) and the finaliser.
const CHECKSUM: &str = r#"
#define BARE_MAIN
#include "bare.h"
#include <elf.h>
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));
static int one, two;
int *numbers[] = {&one, &two, &one};
static long callee(long x) { return x + 1; }
long (*functions[])(long) = {callee, callee};
__attribute__((weak)) extern int nowhere;
int *absent = &nowhere;
__thread int local = 5;
int *table[300] = {[0] = &one, [64 ... 200] = &two, [299] = &one};

int bare_main(long *stack)
{
    (void)stack;
    unsigned long base = (unsigned long)&__ehdr_start, sum = 5381, words = 0;
    const Elf64_Phdr *headers = (const void *)(base + __ehdr_start.e_phoff);
    unsigned long skip = 0, skip_end = 0;
    for (int i = 0; i < __ehdr_start.e_phnum; i++)
        if (headers[i].p_type == PT_DYNAMIC)
            skip = base + headers[i].p_vaddr, skip_end = skip + headers[i].p_memsz;
    for (int i = 0; i < __ehdr_start.e_phnum; i++) {
        if (headers[i].p_type != PT_LOAD || !(headers[i].p_flags & PF_W))
            continue;
        unsigned long from = base + headers[i].p_vaddr, to = from + headers[i].p_memsz;
        for (unsigned long at = (from + 7) & -8ul; at + 8 <= to; at += 8) {
            if (at >= skip && at < skip_end)
                continue;
            if (at == (unsigned long)&bare_finaliser)
                continue;
            unsigned long word = *(unsigned long *)at;
            if (word >= base && word < (unsigned long)_end)
                word -= base;
            sum = sum * 33 + word, words++;
        }
    }
    report("words", words);
    report("sum", sum);
    report("calls", functions[1](local) + (absent == 0));
    return 0;
}
"#;

#[test]
fn relocations_that_a_linker_kept_for_itself_are_not_applied() {
    let Some(loader) = loader() else {
        return;
    };
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    for linker in ["bfd", "lld"] {
        let Some(mut arguments) = switches(linker) else {
            skip(&format!("the linker {linker} is not installed"));
            continue;
        };
        let folder = TempDir::new().unwrap();
        arguments.extend([
            "-fPIE".to_owned(),
            "-pie".to_owned(),
            format!("-I{}", programs.display()),
        ]);
        // lld puts .eh_frame elsewhere when it keeps relocations; without it, both programs have one layout.
        arguments.extend(["-fno-asynchronous-unwind-tables", "-Wl,--build-id=none"].map(str::to_owned));
        let sum = |output: &str, arguments: &[String]| {
            let program = compile(folder.path(), CHECKSUM, output, arguments);
            let output = run(Command::new(&loader).arg(program));
            assert!(output.status.success(), "{linker}: {output:?}");
            text(&output.stdout)
        };
        let plain = sum("plain", &arguments);
        assert!(plain.contains("calls 7\n"), "{linker}: {plain}");
        arguments.push("-Wl,--emit-relocs".to_owned());
        assert_eq!(sum("kept", &arguments), plain, "{linker}");
    }
}

#[test]
fn no_file_of_the_system_is_refused() {
    const MOST: usize = 1500;
    let mut files = Vec::new();
    for folder in ["/usr/bin", "/usr/lib/x86_64-linux-gnu"] {
        files_below(Path::new(folder), &mut files);
    }
    let mut refused = Vec::new();
    for path in files.iter().take(MOST) {
        match read(path) {
            Ok(module) => readable(path, &module),
            Err(error) => refused.push(error.to_string()),
        }
    }
    println!("{} files", files.len().min(MOST));
    assert!(!files.is_empty());
    assert!(refused.is_empty(), "{} refused: {refused:#?}", refused.len());
}

/// Each table that the dynamic section names lies in the module, and each packed place is a writable one.
fn readable(path: &Path, module: &Module) {
    let dynamic = &module.dynamic;
    let plt = dynamic.jmprel.map(|(range, kind)| {
        assert!(matches!(kind, PltKind::Rela | PltKind::Rel));
        range
    });
    for range in [dynamic.rel, dynamic.rela, dynamic.relr, plt].into_iter().flatten() {
        let bytes = module.image.copy(range.at, usize::try_from(range.size).unwrap());
        assert!(bytes.is_some(), "{}: {range:?}", path.display());
    }
    if let Some(range) = dynamic.relr {
        let bytes = module
            .image
            .copy(range.at, usize::try_from(range.size).unwrap())
            .unwrap();
        let mut patch = module.image.patch();
        for place in places(&bytes, LITTLE_64).unwrap() {
            assert!(patch.load::<u64>(place).is_some(), "{}: {place}", path.display());
        }
    }
}

#[test]
fn another_reader_finds_the_same_names_in_the_system_s_libc() {
    use lode::symbols::{Use, Wanted};
    use object::{Object as _, ObjectSymbol as _};
    let path = Path::new("/lib/x86_64-linux-gnu/libc.so.6");
    if !path.exists() {
        return skip("no libc.so.6 where Debian has it");
    }
    let module = read(path).unwrap();
    let bytes = fs::read(path).unwrap();
    let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
    let mut names = 0;
    for symbol in file.dynamic_symbols().filter(|symbol| symbol.is_definition()) {
        let name = symbol.name_bytes().unwrap();
        let version = module
            .symbols
            .version(lode::elf::SymbolIndex(symbol.index().0 as u32))
            .unwrap();
        let found = module.symbols.find(&Wanted::new(name, version, Use::Address));
        let Some((_, found)) = found else {
            // A version's own name is an absolute symbol without a place to bind to.
            assert!(symbol.address() == 0, "{}", String::from_utf8_lossy(name));
            continue;
        };
        assert_eq!(module.symbols.name(&found), name);
        names += 1;
    }
    assert!(names > 2000, "{names}");
    assert!(matches!(
        read(Path::new("/etc/passwd")).unwrap_err().kind,
        Kind::NotElf { .. }
    ));
}
