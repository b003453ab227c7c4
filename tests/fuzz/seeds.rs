//! What the corpus begins with: for each target, inputs that are right, and inputs that break one rule each.

use forge::{Binding, Forged, HashStyle, HeaderField, Kind, Module, SegmentField, Visibility};

/// A target, the name of a file of its corpus, and the file.
pub type Seed = (&'static str, String, Vec<u8>);

const DT_NULL: u64 = 0;
const DT_INIT_ARRAY: u64 = 25;
const DT_INIT_ARRAYSZ: u64 = 27;
const DT_FLAGS: u64 = 30;
/// DT_ANDROID_RELA and its size (bionic's linker).
const DT_ANDROID_RELA: [u64; 2] = [0x6000_0011, 0x6000_0012];

/// All of them, each name once.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    headers(&mut seeds);
    dynamic_sections(&mut seeds);
    notes(&mut seeds);
    hashes(&mut seeds);
    versions(&mut seeds);
    streams(&mut seeds);
    texts(&mut seeds);
    caches(&mut seeds);
    libraries(&mut seeds);
    seeds
}

fn add(seeds: &mut Vec<Seed>, target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
    seeds.push((target, name.into(), bytes.into()));
}

fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn halves(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The header and the program headers of a library, and enough behind them.
fn headers(seeds: &mut Vec<Seed>) {
    let whole = || Module::library("liba.so").forge();
    let start = |forged: &Forged| forged.bytes[..1024.min(forged.bytes.len())].to_vec();
    // The length counts in most rules, so it is kept by a segment that is small.
    let mut put = |name: String, forged: &Forged| add(seeds, "header", name, start(forged));
    put("whole".to_owned(), &whole());
    put("program".to_owned(), &Module::program("/lib/ld.so").forge());
    put(
        "fixed".to_owned(),
        Module::program("").fixed().forge().set_header(HeaderField::Entry, 0),
    );
    for (place, width, value) in [
        (0, 1, 0),
        (4, 1, 1),
        (4, 1, 9),
        (5, 1, 2),
        (6, 1, 0),
        (7, 1, 3),
        (7, 1, 6),
        (7, 1, 9),
        (7, 1, 97),
        (8, 1, 9),
        (16, 2, 0),
        (16, 2, 1),
        (16, 2, 2),
        (16, 2, 4),
        (18, 2, 3),
        (18, 2, 183),
        (18, 2, 40),
        (18, 2, 0xfeed),
        (5, 1, 9),
        (20, 4, 2),
        (32, 8, 0),
        (32, 8, 1 << 40),
        (48, 4, 1),
        (54, 2, 32),
        (56, 2, 0),
        (56, 2, 0xffff),
    ] {
        put(format!("at-{place}-{value:x}"), whole().set(place, width, value));
    }
    // Seven fields of every program header, each with a value that breaks a rule, or makes the segment another kind.
    for index in 0..whole().segment_count() {
        for (place, width, value) in [
            (0, 4, 1),
            (0, 4, 7),
            (0, 4, 0x6474_e552),
            (0, 4, 0x6474_e553),
            (0, 4, 0x6474_e551),
            (0, 4, 0x6fff_ffff),
            (4, 4, 7),
            (16, 8, u64::MAX),
            (40, 8, u64::MAX),
            (48, 8, 3),
        ] {
            put(
                format!("segment-{index}-at-{place}-{value:x}"),
                whole().set(64 + 56 * index + place, width, value),
            );
        }
    }
    for length in [0, 3, 10, 63, 64, 100] {
        let cut = whole().bytes[..length].to_vec();
        add(seeds, "header", format!("cut-{length}"), cut);
    }
    // All that fits into a kilobyte: the segments' content is not looked at.
    let mut small = whole();
    for index in 0..small.segment_count() {
        small
            .set_segment(index, SegmentField::Filesz, 0)
            .set_segment(index, SegmentField::Offset, 0);
    }
    add(seeds, "header", "empty-segments", start(&small));
}

fn dynamic_sections(seeds: &mut Vec<Seed>) {
    let tables = [
        [5, 0x1000, 10, 0x100],
        [7, 0x2000, 8, 48],
        [9, 24, 0x6fff_fff9, 1],
        [17, 0x3000, 18, 32],
        [19, 16, 0x6fff_fffa, 1],
        [23, 0x4000, 2, 48],
        [20, 7, 3, 0x5000],
        [36, 0x6000, 35, 16],
        [37, 8, 6, 0x100],
        [11, 24, 4, 0x200],
        [0x6fff_fef5, 0x300, 0x6fff_fff0, 0x400],
        [0x6fff_fffe, 0x500, 0x6fff_ffff, 1],
        [0x6fff_fffc, 0x600, 0x6fff_fffd, 1],
        [25, 0x700, 27, 16],
        [26, 0x800, 28, 16],
        [32, 0x900, 33, 16],
        [0x6000_0011, 0xa00, 0x6000_0012, 20],
        [0x6000_000f, 0xb00, 0x6000_0010, 20],
    ];
    let rest = [
        [1, 1],
        [14, 1],
        [15, 1],
        [29, 1],
        [12, 0x1000],
        [13, 0x1000],
        [16, 0],
        [22, 0],
        [24, 0],
        [30, 0x1f],
        [0x6fff_fffb, 1],
        [21, 0],
        [0x6fff_fef6, 1],
        [0x6fff_fef7, 1],
        [0x7fff_fffd, 1],
        [0x7fff_ffff, 1],
        [0x6000_0000, 1],
        [0x7000_0001, 1],
        [0x1234_5678, 1],
    ];
    let all: Vec<u64> = tables.concat().into_iter().chain(rest.concat()).collect();
    let mut put = |name: String, entries: &[u64]| add(seeds, "dynamic", name, words(entries));
    put("all".to_owned(), &[&all[..], &[DT_NULL, 0]].concat());
    put("unterminated".to_owned(), &all);
    put("nothing".to_owned(), &[]);
    for pair in tables {
        let [tag, value, twin, size] = pair;
        put(format!("only-{tag:x}"), &[tag, value, 0, 0]);
        put(format!("only-{twin:x}"), &[twin, size, 0, 0]);
        put(format!("odd-{tag:x}"), &[tag, value, twin, size + 1, 0, 0]);
        put(format!("pair-{tag:x}"), &[tag, value, twin, size, 0, 0]);
    }
    for tag in [0x4000_0014, 0x4000_0026, 0x6fff_fefe, 38] {
        put(format!("changes-{tag:x}"), &[tag, 0x1000, 0, 0]);
    }
    put("odd-size".to_owned(), &[7, 0x1000, 8, 49, 9, 24, 0, 0]);
    put("odd-symbols".to_owned(), &[5, 0x1000, 10, 16, 6, 0x2000, 11, 17, 0, 0]);
    put("slots-of-no-form".to_owned(), &[23, 0x1000, 2, 48, 0, 0]);
    for (tag, twins) in [(7, [8, 9]), (17, [18, 19]), (36, [35, 37]), (23, [2, 20]), (5, [10, 6])] {
        for size in [0, 7, 17, 24, 48, u64::MAX] {
            put(
                format!("three-{tag:x}-{size:x}"),
                &[tag, 0x1000, twins[0], 48, twins[1], size, 0, 0],
            );
        }
    }
}

/// A note: owner with its NUL, kind and content, padded.
fn note(owner: &[u8], kind: u32, content: &[u8], align: usize) -> Vec<u8> {
    let mut bytes = halves(&[owner.len() as u32, content.len() as u32, kind]);
    for part in [owner, content] {
        bytes.extend(part);
        bytes.resize(bytes.len().next_multiple_of(align), 0);
    }
    bytes
}

fn notes(seeds: &mut Vec<Seed>) {
    let property = |kind: u32, value: u32| [halves(&[kind, 4, value]), vec![0; 4]].concat();
    let levels = [property(0xc000_0002, 3), property(0xc000_8002, 0xf)].concat();
    let build_id = note(b"GNU\0", 3, &[7; 20], 4);
    let mut put = |name: &str, bytes: Vec<u8>| add(seeds, "notes", name, bytes);
    put("build-id", build_id.clone());
    put("empty-build-id", note(b"GNU\0", 3, b"", 4));
    put("properties", note(b"GNU\0", 5, &levels, 8));
    put("properties-cut", note(b"GNU\0", 5, &levels[..20], 8));
    put("properties-odd", note(b"GNU\0", 5, &halves(&[0xc000_8002, 8, 1, 2]), 8));
    for os in 0..6 {
        let tag = note(b"GNU\0", 1, &halves(&[os, 3, 2, os]), 4);
        put(&format!("abi-tag-{os}"), [tag, build_id.clone()].concat());
    }
    put("abi-tag-cut", note(b"GNU\0", 1, &halves(&[0, 3]), 4));
    put("stranger", note(b"Go\0\0", 4, b"words", 4));
    put("cut", build_id[..30].to_vec());
    put("owner-too-long", halves(&[u32::MAX, 4, 3, 0]));
    put("content-too-long", halves(&[4, u32::MAX, 3, 0x554e47]));
}

fn hashes(seeds: &mut Vec<Seed>) {
    for header in [
        [1, 1, 1, 5],
        [0, 1, 1, 5],
        [1, 1, 3, 5],
        [1, 1, 0, 5],
        [1, 1, 2, 32],
        [u32::MAX; 4],
        [u32::MAX, 0, 1 << 31, 31],
    ] {
        add(
            seeds,
            "hash",
            format!("{:x}-{:x}-{:x}-{:x}", header[0], header[1], header[2], header[3]),
            halves(&header),
        );
    }
    add(seeds, "hash", "name", "a_long_name_of_a_symbol");
    // One thing wrong in a library's table.
    for (tag, style) in [(0x6fff_fef5, HashStyle::Gnu), (4, HashStyle::Sysv)] {
        let at = rich(style).dynamic(tag).unwrap() as usize;
        for (word, value) in [
            (0, 0),
            (0, 0xffff),
            (1, 0),
            (1, 0xffff),
            (2, 3),
            (3, 32),
            (4, 0xffff),
            (8, 0xffff),
        ] {
            let mut broken = rich(style);
            broken.set(at + 4 * word, 4, value);
            add(
                seeds,
                "symbols",
                format!("table-{tag:x}-{word}-{value:x}"),
                broken.bytes,
            );
        }
    }
}

fn versions(seeds: &mut Vec<Seed>) {
    let library = rich(HashStyle::Both);
    let table = |tag, length| {
        let at = library.dynamic(tag).unwrap() as usize;
        library.bytes[at..at + length].to_vec()
    };
    let (needs, definitions) = (table(0x6fff_fffe, 32), table(0x6fff_fffc, 100));
    for (name, table) in [("needs", &needs), ("definitions", &definitions)] {
        for count in [0, 1, 3, 200] {
            add(
                seeds,
                "versions",
                format!("{name}-{count}"),
                [&[count], &table[..]].concat(),
            );
        }
        for (place, value) in [
            (0, 2),
            (2, 0xff),
            (4, 0),
            (6, 0),
            (8, 0xff),
            (12, 0xff),
            (12, 4),
            (16, 0xff),
            (28, 8),
        ] {
            let mut bytes = [&[3], &table[..]].concat();
            bytes[1 + place] = value;
            add(seeds, "versions", format!("{name}-at-{place}-{value:x}"), bytes);
        }
    }
    // Records that lead to each other for ever, each with as many entries as can be.
    let loops = [&[255][..], &[1, 0, 255, 255], &halves(&[0, 16, 0]), &[0; 64]].concat();
    add(seeds, "versions", "needs-many", loops);
    let many = (0..200u32).flat_map(|_| [&[1, 0, 0xff, 0xff][..], &halves(&[0, 16, 16])].concat());
    add(
        seeds,
        "versions",
        "needs-too-many",
        [&[255][..], &many.collect::<Vec<u8>>()].concat(),
    );
}

/// A number as APS2 has it (SLEB128).
fn sleb(mut value: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        let last = value == 0 && byte & 0x40 == 0 || value == -1 && byte & 0x40 != 0;
        bytes.push(byte | u8::from(!last) << 7);
        if last {
            return bytes;
        }
    }
}

fn packed(numbers: &[i64]) -> Vec<u8> {
    numbers.iter().fold(b"APS2".to_vec(), |mut bytes, number| {
        bytes.extend(sleb(*number));
        bytes
    })
}

fn streams(seeds: &mut Vec<Seed>) {
    let entries: Vec<u64> = (0..48).flat_map(|kind| [0x1000, 5 << 32 | kind, 8]).collect();
    add(seeds, "relocations", "x86-64", words(&entries));
    let entries: Vec<u64> = [0, 257, 1024, 1025, 1026, 1027, 1028, 1029, 1030, 1031, 1032]
        .iter()
        .flat_map(|kind| [0x1000, 5 << 32 | kind, 8])
        .collect();
    add(seeds, "relocations", "aarch64", words(&entries));
    add(seeds, "relocations", "odd", vec![1; 41]);

    for (name, list) in [
        ("places", &[0x1000, 0x2000, 0b1011, u64::MAX][..]),
        ("run", &[0x1000, u64::MAX, u64::MAX, 3]),
        ("bitmap-first", &[3]),
        ("at-the-end", &[u64::MAX - 7, 0b11111]),
        ("full-at-the-end", &[u64::MAX - 7, u64::MAX]),
        ("zero", &[0x10, 0]),
        ("nothing", &[]),
    ] {
        add(seeds, "relr", name, words(list));
    }
    add(seeds, "relr", "odd", vec![2; 13]);
    add(
        seeds,
        "relr",
        "short-words",
        halves(&[0x1000, u32::MAX, 0b1011, 0x2000, 1]),
    );
    add(
        seeds,
        "relr",
        "big",
        [0x1000u64.to_be_bytes(), u64::MAX.to_be_bytes(), 0b1011u64.to_be_bytes()].concat(),
    );

    // Flags: 1 one info, 2 one distance, 4 one addend, 8 addends.
    for flags in 0..16 {
        let (info, delta, addend) = (8, 16, 4);
        let mut group = vec![4, 0x1000, 2, flags];
        group.extend((flags & 2 != 0).then_some(delta));
        group.extend((flags & 1 != 0).then_some(info));
        group.extend((flags & 12 == 12).then_some(addend));
        for _ in 0..2 {
            group.extend((flags & 2 == 0).then_some(delta));
            group.extend((flags & 1 == 0).then_some(info));
            group.extend((flags & 12 == 8).then_some(addend));
        }
        let again = group[2..].to_vec();
        add(
            seeds,
            "aps2",
            format!("flags-{flags:x}"),
            packed(&[group, again].concat()),
        );
    }
    for (name, numbers) in [
        ("nothing", &[0, 0][..]),
        ("negative", &[1, 0x1000, 1, 0, -16, 8]),
        ("empty-group", &[1, 0x1000, 0]),
        ("group-too-long", &[2, 0x1000, 3, 7, 16, 8]),
        ("too-many", &[1 << 40, 0x1000, 1 << 40, 7, 16, 8]),
        ("zero", &[1, 0, 1, 3, 0, 8]),
        ("unknown-flags", &[1, 0x1000, 1, 0x30, 16, 8]),
        ("long-number", &[1, i64::MIN, 1, 0, i64::MAX, 8]),
    ] {
        add(seeds, "aps2", name, packed(numbers));
    }
    add(seeds, "aps2", "other-magic", b"APR2\x01\x01".to_vec());
    add(seeds, "aps2", "endless-number", [&b"APS2"[..], &[0x80; 30]].concat());
    add(seeds, "aps2", "long-last", [&b"APS2"[..], &[0xff; 9], &[0x7f]].concat());
    add(seeds, "aps2", "cut", b"APS2\x04".to_vec());
}

fn texts(seeds: &mut Vec<Seed>) {
    let mut put = |name: &str, text: &[u8]| add(seeds, "options", name, text);
    put(
        "plain",
        b"\0./prog\0a\0\0PATH=/bin\0LD_LIBRARY_PATH=/a:/b;c\0LD_PRELOAD=a.so b.so:c.so\0LD_BIND_NOW=1\0",
    );
    put("secure", b"\x01./prog\0\0LD_LIBRARY_PATH=/a\0LD_PRELOAD=liba.so:/x/b.so\0GLIBC_TUNABLES=a=b=c\0LODE_OPTIONS=debug=all\0LD_DEBUG_OUTPUT=/x\0");
    put(
        "command",
        b"\x02ld-lode\0--library-path\0/a:/b\0--preload\0a.so\0--argv0\0name\0--inhibit-cache\0--inhibit-rpath\0x:y\0--glibc-hwcaps-prepend\0p\0\
          --glibc-hwcaps-mask\0m:n\0--allow=textrel,noexec\0--debug=all\0--list\0./prog\0--verify\0\0",
    );
    put("lode-options", b"\0p\0\0LODE_OPTIONS=debug=libs,inhibit-cache,library-path=/a,allow=textrel,nonsense,argv0,seal=1,list=2\0LD_DEBUG=libs,files,words:help\0");
    put("words", b"\0p\0\0LD_DEBUG=all,unused,statistics nonsense\0LD_TRACE_LOADED_OBJECTS=1\0LD_WARN=1\0LD_VERBOSE=1\0LD_DYNAMIC_WEAK=1\0LD_ORIGIN_PATH=/o\0LD_SHOW_AUXV=1\0LD_BIND_NOT=1\0LD_AUDIT=x\0LD_PROFILE=y\0LD_HWCAP_MASK=3\0");
    put(
        "secure-command",
        b"\x03ld-lode\0--library-path\0/a\0./prog\0\0LD_LIBRARY_PATH=/b\0",
    );
    for switch in [
        "help",
        "version",
        "list-tunables",
        "list-diagnostics",
        "check-libc",
        "restore",
        "verify",
        "nonsense",
        "preload",
        "argv0=x",
        "list=1",
        "root",
    ] {
        put(
            &format!("switch-{switch}"),
            format!("\x02ld-lode\0--{switch}\0x\0\0").as_bytes(),
        );
    }
    put("no-program", b"\x02ld-lode\0\0");
    put("nobody", b"\x02\0");
    put(
        "odd-variables",
        b"\0p\0\0=x\0LD_\0LD_PRELOAD\0LD_LIBRARY_PATH=\0LODE_OPTIONS=,,=,=x,debug\0\xff\xfe=\xff\0",
    );

    let mut put = |name: &str, text: &[u8]| add(seeds, "paths", name, text);
    put("tokens", b"$ORIGIN/../$LIB/${PLATFORM}/x");
    put("not-tokens", b"$ORIGINAL/${LIB/$/$$/${}/$ORIGIN");
    put("origin", b"${ORIGIN}");
    put("origin-glued", b"$ORIGINx:$ORIGIN.so/$LIB");
    put("preload-file", b"# comment\na.so b.so:c.so\td.so # rest\r\n/e.so\0f");
    put("number", b"12345");
    put("number-too-large", b"99999999999");
    put("number-negative", b"-1");
}

/// `ld.so.cache` as glibc 2.32 and later write it: 48 bytes of header, 24 an entry.
fn cache(entries: &[(&str, &str, u32, u64)]) -> Vec<u8> {
    let mut strings = Vec::new();
    let start = 48 + 24 * entries.len();
    let mut string = |text: &str| {
        let at = (start + strings.len()) as u32;
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        at
    };
    let mut table = Vec::new();
    for (key, value, flags, hwcap) in entries {
        table.extend(halves(&[*flags, string(key), string(value), 0]));
        table.extend(words(&[*hwcap]));
    }
    let mut bytes = b"glibc-ld.so.cache1.1".to_vec();
    bytes.extend(halves(&[entries.len() as u32, strings.len() as u32, 2, 0, 0, 0, 0]));
    bytes.extend(table);
    bytes.extend(strings);
    bytes
}

fn caches(seeds: &mut Vec<Seed>) {
    let whole = cache(&[
        ("libc.so.6", "/lib/libc.so.6", 0x303, 0),
        ("libb.so.10", "/lib/libb.so.10", 0x303, 0),
        ("libb.so.2", "/lib/libb.so.2", 0, 1),
        ("liba.so", "/lib/own/liba.so", 0x303, 1 << 62),
        ("liba.so", "/lib/liba.so", 0x303, 0),
    ]);
    // The extension: magic, one section of names (tag 1), one name.
    let mut extended = whole.clone();
    let at = (extended.len().next_multiple_of(4)) as u32;
    extended[32..36].copy_from_slice(&at.to_le_bytes());
    extended.resize(at as usize, 0);
    extended.extend(halves(&[0xeaa4_2174, 1, 1, 0, at + 24, 4, at + 28]));
    extended.extend(b"own\0");
    for (name, bytes) in [("whole", &whole), ("extended", &extended)] {
        add(seeds, "cache", name, bytes.clone());
        let old = [&b"ld.so-1.7.0\0"[..], &halves(&[1]), &[0; 12], &[0; 4], bytes].concat();
        add(seeds, "cache", format!("{name}-behind-the-old-form"), old);
        add(seeds, "cache", format!("{name}-cut"), bytes[..100].to_vec());
    }
    add(seeds, "cache", "empty", cache(&[]));
    for (place, value) in [(0, 0), (20, 0xff), (23, 0xff), (28, 3), (28, 0), (52, 0xff), (64, 0xff)] {
        let mut bytes = extended.clone();
        bytes[place] = value;
        add(seeds, "cache", format!("at-{place}-{value:x}"), bytes);
    }
}

/// A library with every table that there is.
fn rich(style: HashStyle) -> Forged {
    let mut library = Module::library("liba.so");
    library.hash_style(style).needed("libb.so").runpath("$ORIGIN:/opt");
    let text = library.text(&[0xc3; 64]);
    let old = library.define_version("OLD");
    let new = library.define_version("NEW");
    let required = library.need_version("libb.so", "B", false);
    let places = library.data(&[0; 512]);
    library.bss(100);
    let tls = library.tls(&[1; 24], 8, 16);
    for (number, version) in [old.hidden(), new, new].into_iter().enumerate() {
        let name = format!("symbol_{number}");
        let kind = [Kind::Function, Kind::Ifunc, Kind::Object][number];
        let symbol = library.define(&name, Binding::Global, kind, text + number as u64, 8);
        library.versioned(symbol, version);
        library.relocation(places + 16 * number as u64, 1, Some(symbol), 8);
        library.slot(places + 16 * number as u64 + 8, 7, Some(symbol), 0);
    }
    let foreign = library.undefined("foreign", Binding::Global);
    library.versioned(foreign, required);
    let weak = library.undefined("nobody", Binding::Weak);
    let hidden = library.define("hidden", Binding::Global, Kind::Function, text, 1);
    library.visibility(hidden, Visibility::Protected);
    let absolute = library.define_absolute("absolute", 7);
    let local = library.define("local", Binding::Global, Kind::Tls, 8, 8);
    let unique = library.define("unique", Binding::Unique, Kind::Object, places, 8);
    for (number, (kind, symbol)) in [
        (1, Some(foreign)),
        (1, Some(weak)),
        (1, Some(hidden)),
        (1, Some(absolute)),
        (2, Some(unique)),
        (6, Some(unique)),
        (8, None),
        (16, Some(local)),
        (17, Some(local)),
        (18, Some(local)),
        (24, Some(foreign)),
        (33, Some(foreign)),
        (36, Some(local)),
        (37, None),
    ]
    .into_iter()
    .enumerate()
    {
        let addend = if symbol.is_some() { 0 } else { text as i64 };
        library.relocation(places + 64 + 16 * number as u64, kind, symbol, addend);
    }
    library.implicit_relocation(places + 300, 8, None);
    library.relr(places + 320).relr(0b1011).relr(tls);
    let array = library.data(&[0; 16]);
    library.relocation(array, 8, None, text as i64);
    library
        .tag(DT_INIT_ARRAY, array)
        .tag(DT_INIT_ARRAYSZ, 16)
        .tag(DT_FLAGS, 0);
    let stream = packed(&[2, places as i64 + 400, 2, 3, 8, 8]);
    let at = library.relro(&stream);
    library
        .tag(DT_ANDROID_RELA[0], at)
        .tag(DT_ANDROID_RELA[1], stream.len() as u64);
    library.forge()
}

fn libraries(seeds: &mut Vec<Seed>) {
    for (name, style) in [
        ("both", HashStyle::Both),
        ("gnu", HashStyle::Gnu),
        ("sysv", HashStyle::Sysv),
    ] {
        for target in ["symbols", "line"] {
            add(seeds, target, name, rich(style).bytes);
        }
    }
    let plain = Module::library("liba.so").forge();
    for (tag, value) in [
        (5, 0xdead_0000),
        (10, 0),
        (6, 0xdead_0000),
        (6, 0x10_0000),
        (4, 0xdead_0000),
        (0x6fff_fef5, 1),
    ] {
        let mut broken = Module::library("liba.so").forge();
        if broken.dynamic(tag).is_some() {
            broken.set_dynamic(tag, value);
            add(seeds, "symbols", format!("tag-{tag:x}-{value:x}"), broken.bytes);
        }
    }
    add(seeds, "line", "plain", plain.bytes);
}
