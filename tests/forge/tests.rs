//! What the forge makes is what an independent reader reads.

use object::LittleEndian;
use object::elf::*;
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};

use crate::{Binding, Forged, HashStyle, HeaderField, Kind, Module, SegmentField};

fn sample() -> Forged {
    let mut module = Module::library("libb.so");
    module.needed("liba.so").needed("libc.so.6");
    let code = module.text(&[0xc3]);
    let word = module.data(&[0; 16]);
    module.bss(100);
    let old = module.define_version("V1");
    let new = module.define_version("V2");
    let needed = module.need_version("libc.so.6", "GLIBC_2.2.5", false);
    for index in 0..20 {
        let symbol = module.define(&format!("function{index}"), Binding::Global, Kind::Function, code, 1);
        module.versioned(symbol, if index % 2 == 0 { old.hidden() } else { new });
    }
    let answer = module.undefined("answer", Binding::Weak);
    module.versioned(answer, needed);
    module.relocation(word, 1, Some(answer), 4);
    module.relocation(word + 8, 8, None, 0x10);
    module.relr(word);
    module.forge()
}

#[test]
fn segments_and_tags_read_back() {
    let forged = sample();
    let bytes = forged.bytes.as_slice();
    let header = FileHeader64::<LittleEndian>::parse(bytes).unwrap();
    assert_eq!(header.e_type(LittleEndian), ET_DYN);
    let segments = header.program_headers(LittleEndian, bytes).unwrap();
    for segment in segments
        .iter()
        .filter(|segment| segment.p_type(LittleEndian) == PT_LOAD)
    {
        let (offset, vaddr) = (segment.p_offset(LittleEndian), segment.p_vaddr(LittleEndian));
        assert_eq!(offset % 4096, vaddr % 4096);
        assert!(offset + segment.p_filesz(LittleEndian) <= bytes.len() as u64);
    }
    let dynamic = segments
        .iter()
        .find_map(|s| s.dynamic(LittleEndian, bytes).unwrap())
        .unwrap();
    let tags: Vec<u64> = dynamic.iter().map(|entry| entry.d_tag(LittleEndian)).collect();
    for tag in [
        DT_NEEDED,
        DT_SONAME,
        DT_SYMTAB,
        DT_STRTAB,
        DT_HASH,
        DT_GNU_HASH,
        DT_RELA,
        DT_VERDEF,
        DT_VERNEED,
        36,
    ] {
        assert!(tags.contains(&u64::from(tag)), "{tag:#x}");
    }
    assert_eq!(tags.iter().filter(|tag| **tag == u64::from(DT_NEEDED)).count(), 2);
    assert_eq!(forged.dynamic(u64::from(DT_RELASZ)), Some(48));
}

#[test]
fn a_field_that_is_set_reads_back() {
    let mut forged = sample();
    forged
        .set_header(HeaderField::AbiVersion, 4)
        .set_header(HeaderField::Phnum, 2);
    assert_eq!(forged.bytes[8], 4);
    assert_eq!(forged.segment_count(), 2);
    forged.set_segment(1, SegmentField::Align, 3);
    assert_eq!(forged.segment(1, SegmentField::Align), 3);
    forged.set_dynamic(u64::from(DT_RELASZ), 23);
    assert_eq!(forged.dynamic(u64::from(DT_RELASZ)), Some(23));
    forged.rename_dynamic(u64::from(DT_RELASZ), 0x7000_0001);
    assert_eq!(forged.dynamic(u64::from(DT_RELASZ)), None);
}

#[test]
fn a_thread_local_image_is_where_its_segment_says() {
    let mut module = Module::library("libt.so");
    module.relro(&[9; 24]);
    let image = module.tls(&[1, 2, 3], 5, 64);
    let forged = module.forge();
    let index = forged.segment_of(PT_TLS).unwrap();
    assert_eq!(forged.segment(index, SegmentField::Vaddr), image);
    assert_eq!(forged.segment(index, SegmentField::Memsz), 8);
    let offset = forged.segment(index, SegmentField::Offset) as usize;
    assert_eq!(forged.bytes[offset..offset + 3], [1, 2, 3]);
}

#[test]
fn the_system_s_own_reader_agrees() {
    let folder = temp_dir::TempDir::new().unwrap();
    let path = folder.path().join("libb.so");
    std::fs::write(&path, sample().bytes).unwrap();
    let Ok(output) = std::process::Command::new("readelf")
        .args(["-W", "-D", "-s", "-V", "-r", "-d"])
        .arg(&path)
        .output()
    else {
        // Without binutils the other tests must do.
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for expected in ["function19", "answer", "liba.so", "R_X86_64_64", "R_X86_64_RELATIVE"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(
        !String::from_utf8_lossy(&output.stderr).contains("rror"),
        "{:?}",
        output.stderr
    );
}

#[test]
fn a_module_without_hash_tables_has_none() {
    let mut module = Module::library("libn.so");
    module.data(&[1]);
    module.hash_style(HashStyle::Neither);
    let forged = module.forge();
    assert_eq!(forged.dynamic(u64::from(DT_HASH)), None);
    assert_eq!(forged.dynamic(u64::from(DT_GNU_HASH)), None);
    assert!(ElfFile64::<LittleEndian>::parse(forged.bytes.as_slice()).is_ok());
    assert_eq!(
        forged.segment(forged.segment_of(PT_LOAD).unwrap(), SegmentField::Vaddr),
        0
    );
}
