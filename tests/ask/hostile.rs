//! Whatever bytes a file has, a question is answered: no question panics, none runs for long, none needs much memory.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::stand::Stand;
use crate::tools::succeed;

/// How many damaged files there are; each is asked everything.
const FILES: u64 = 30;
/// Bytes that are changed in each.
const CHANGES: u64 = 12;

/// A generator of numbers that need not be good (Marsaglia, "Xorshift RNGs").
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

#[test]
fn no_damage_makes_a_question_panic() {
    let Some(stand) = Stand::new() else { return };
    let source = "#include <stdio.h>\n__attribute__((constructor)) static void c(void) { puts(\"c\"); }\n\
                  __thread int t; int main(void) { printf(\"%d\", t); return 0; }";
    stand.program("program", source, &["-Wl,--emit-relocs", "-Wl,-rpath,$ORIGIN/x"]);
    let good = fs::read(stand.path("program")).unwrap();
    // Headers and tables at the start are where a change tells; the code is not looked at.
    let interesting = good.len().min(0x1000);
    for seed in 1..=FILES {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = good.clone();
        for change in 0..CHANGES {
            let limit = if change % 3 == 0 { bytes.len() } else { interesting };
            let at = numbers.below(limit);
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, numbers.below(256) as u8][numbers.below(6)];
        }
        bytes[..4].copy_from_slice(b"\x7fELF");
        if seed % 5 == 0 {
            bytes.truncate(numbers.below(good.len()).max(70));
        }
        stand.write("damaged", &bytes);
        for words in [
            &["check", "damaged"][..],
            &["tree", "damaged"],
            &["needs", "--closure", "damaged"],
            &["bindings", "damaged"],
            &["why", "libc.so.6", "damaged"],
            &["why-not", "damaged", "program"],
        ] {
            let said = stand.ask(words);
            assert!(
                [0, 1, 3].contains(&said.status),
                "seed {seed}: {words:?}: {}\n{}",
                said.status,
                said.error
            );
            assert!(
                !said.error.contains("panicked"),
                "seed {seed}: {words:?}: {}",
                said.error
            );
        }
    }
}

/// A library whose dynamic section has `count` entries with this tag, each the name that begins so many bytes before the end of one long text.
fn overlapping(tag: u64, count: u64, length: u64) -> Vec<u8> {
    let dynamic = 64 + 2 * 56;
    let strings = dynamic + (count + 3) * 16;
    let total = strings + length + 1;
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
    let mut add = |words: &[u64]| bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    add(&[0, 64, 0, 0x0038_0040_0000_0000, 0x0040_0002]);
    for (kind, start, size) in [(1, 0, total), (2, dynamic, strings - dynamic)] {
        add(&[
            kind | 6 << 32,
            start,
            start,
            start,
            size,
            size,
            if kind == 1 { 4096 } else { 8 },
        ]);
    }
    for entry in 0..count {
        add(&[tag, entry % length]);
    }
    add(&[5, strings, 10, length + 1, 0, 0]);
    bytes.resize(usize::try_from(total - 1).unwrap(), b'a');
    bytes.push(0);
    bytes
}

#[test]
fn names_that_overlap_take_neither_all_memory_nor_all_time() {
    let Some(stand) = Stand::new() else { return };
    stand.write("libmany.so", overlapping(1, 20_000, 100_000));
    stand.write("libshort.so", overlapping(1, 40_000, 50));
    for (words, bound) in [
        (&["tree", "libmany.so"][..], "reads no such ELF file"),
        (&["check", "libmany.so"], "E0809"),
        (&["bindings", "libmany.so"], "reads no such ELF file"),
        (&["strict", "libmany.so"], "reads no such ELF file"),
        (&["plan", "libmany.so"], "reads no such ELF file"),
        (&["compat", "libmany.so"], "reads no such ELF file"),
        (&["needs", "libmany.so"], "reads no such ELF file"),
        (&["tree", "libshort.so"], "more than 30000 are asked for"),
        (&["check", "libshort.so"], "E0809"),
    ] {
        let mut command = Command::new("bash");
        // In kilobytes.
        let limited = "ulimit -v 1000000; exec \"$0\" \"$@\"";
        let paths = words.iter().map(|word| match word.contains('.') {
            true => stand.path(word),
            false => word.into(),
        });
        command
            .args(["-c", limited])
            .arg(stand.command().get_program())
            .args(paths);
        let said = stand.answer(&mut command);
        assert!(
            said.status != 0 && (said.text + &said.error).contains(bound),
            "{words:?}: {}: {}",
            said.status,
            said.error
        );
    }
}

#[test]
fn what_is_too_large_or_never_ends_is_named() {
    let Some(stand) = Stand::new() else { return };
    stand.write("root/lib/libhuge.so", b"\x7fELF");
    let huge = fs::OpenOptions::new()
        .write(true)
        .open(stand.path("root/lib/libhuge.so"))
        .unwrap();
    huge.set_len(100 << 30).unwrap();
    succeed(Command::new("mkfifo").arg(stand.path("pipe")));
    for question in ["tree", "needs", "plan", "strict", "compat", "probes", "check-libc"] {
        let said = stand.ask(&[question, "root/lib/libhuge.so"]);
        assert!(
            said.status != 0 && said.error.contains("reads no file with more than"),
            "{question}: {}",
            said.error
        );
    }
    for file in ["pipe", "/dev/zero"] {
        let said = stand.ask(&["check-libc", file]);
        assert!(
            said.status != 0 && said.error.contains("not a regular file"),
            "{}",
            said.error
        );
    }
    let json = stand.json(1, &["check", "--root", "root"]);
    let finding = &json["answer"]["findings"][0];
    assert_eq!(
        (finding["code"].as_str(), finding["file"].as_str()),
        (Some("E0809"), Some("/lib/libhuge.so"))
    );
}

#[test]
fn what_stands_in_a_librarys_place_is_said() {
    let Some(stand) = Stand::new() else { return };
    for name in ["libpipe.so", "libfolder.so", "libdevice.so", "libcircle.so"] {
        stand.library(name, "int f(void) { return 0; }", &["-nostdlib", "-Wl,--no-as-needed"]);
    }
    stand.program(
        "program",
        "int main(void) { return 0; }",
        &[
            "-Wl,--no-as-needed",
            "libpipe.so",
            "libfolder.so",
            "libdevice.so",
            "libcircle.so",
            "-Wl,-rpath,$ORIGIN",
        ],
    );
    for name in ["libpipe.so", "libfolder.so", "libdevice.so", "libcircle.so"] {
        fs::remove_file(stand.path(name)).unwrap();
    }
    succeed(Command::new("mkfifo").arg(stand.path("libpipe.so")));
    fs::create_dir(stand.path("libfolder.so")).unwrap();
    std::os::unix::fs::symlink("/dev/null", stand.path("libdevice.so")).unwrap();
    std::os::unix::fs::symlink("libcircle.so", stand.path("libcircle.so")).unwrap();
    let tree = stand.ask(&["tree", "program"]);
    let check = stand.ask(&["check", "program"]);
    assert_eq!((tree.status, check.status), (3, 3));
    for (name, what) in [
        ("libpipe.so", "a named pipe, not a regular file"),
        ("libfolder.so", "a directory, not a regular file"),
        ("libdevice.so", "a device, not a regular file"),
        ("libcircle.so", "Too many levels of symbolic links"),
    ] {
        let line = format!("{name} not found [E0201] (DIR/{name}: {what})");
        assert!(tree.text.contains(&line), "{line}\n{}", tree.text);
        let line = match name {
            "libcircle.so" => {
                "libcircle.so is a symbolic link to libcircle.so, and these links lead in a circle".to_owned()
            }
            _ => format!("DIR/{name} is there: {what}"),
        };
        assert!(check.text.contains(&line), "{line}\n{}", check.text);
    }
    let circle = stand.path("libcircle.so");
    let said = stand.answer(stand.command().arg("check").arg(circle));
    assert!(
        said.text.contains("libcircle.so: Too many levels of symbolic links") && !said.text.contains("E0101"),
        "{}",
        said.text
    );
}

#[test]
fn an_identity_that_does_not_exist_is_said() {
    let Some(stand) = Stand::new() else { return };
    let good = fs::read("/bin/true").unwrap();
    for (place, value, words) in [
        (4, 0x5d, "EI_CLASS is 0x5d"),
        (5, 3, "EI_DATA is 0x3"),
        (6, 0, "EI_VERSION is 0"),
    ] {
        let mut bytes = good.clone();
        bytes[place] = value;
        stand.write("strange", &bytes);
        for question in ["tree", "needs", "plan"] {
            let said = stand.ask(&[question, "strange"]);
            assert!(
                said.error.contains(words) && !said.error.contains("cut off"),
                "{}",
                said.error
            );
        }
        let said = stand.ask(&["check", "strange"]);
        assert!(
            said.text.contains(words) && !said.text.contains("cut off"),
            "{}",
            said.text
        );
    }
}

#[test]
fn of_a_file_that_is_cut_off_every_answer_says_so() {
    let Some(stand) = Stand::new() else { return };
    let good = fs::read("/bin/true").unwrap();
    stand.write("cut", &good[..4096]);
    for question in ["tree", "needs", "relocation-sizes", "probes"] {
        let said = stand.ask(&[question, "cut"]);
        assert!(
            said.text.contains("the file is cut off: segment"),
            "{question}: {}",
            said.text
        );
    }
}

#[test]
fn a_path_that_is_not_utf_8_is_a_path() {
    let Some(stand) = Stand::new() else { return };
    let folder = stand.folder.path().join(OsStr::from_bytes(b"n\xff\xfe \"x"));
    fs::create_dir(&folder).unwrap();
    stand
        .library("libf.so", "int f(void) { return 0; }", &["-nostdlib"])
        .program(
            "program",
            "int f(void); int main(void) { return f(); }",
            &["libf.so", "-Wl,-rpath,$ORIGIN"],
        );
    let program = folder.join("program");
    fs::rename(stand.path("program"), &program).unwrap();
    assert_eq!(stand.answer(stand.command().arg("check").arg(&program)).status, 3);
    fs::copy(stand.path("libf.so"), folder.join("libf.so")).unwrap();
    assert!(Command::new(&program).status().unwrap().success());
    for question in ["check", "tree", "bindings", "needs", "plan"] {
        let said = stand.answer(stand.command().arg(question).arg(&program));
        assert_eq!(said.status, 0, "{question}: {}{}", said.text, said.error);
        let said = stand.answer(stand.command().args([question, "--format", "json"]).arg(&program));
        assert!(
            serde_json::from_str::<serde_json::Value>(&said.text).is_ok(),
            "{question}: {}",
            said.text
        );
    }
    // The bytes come out as they went in.
    let output = stand.command().args(["why", "libf.so"]).arg(&program).output().unwrap();
    let path = folder.join("libf.so");
    let name = path.as_os_str().as_bytes();
    assert!(output.status.success() && output.stdout.windows(name.len()).any(|part| part == name));
    // Elsewhere on the search path, and by a name of its own.
    let other = stand.folder.path().join(OsStr::from_bytes(b"lib\xe9"));
    fs::create_dir(&other).unwrap();
    fs::rename(&path, other.join("libf.so")).unwrap();
    for words in [
        ["check", "--library-path"],
        ["bindings", "--library-path"],
        ["check", "--preload"],
    ] {
        let mut command = stand.command();
        command.args(words);
        match words[1] {
            "--preload" => command.arg(other.join("libf.so")),
            _ => command.arg(&other),
        };
        let said = stand.answer(command.arg(&program));
        assert_eq!(said.status, 0, "{words:?}: {}{}", said.text, said.error);
    }
}
