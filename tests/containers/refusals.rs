//! What cannot be made, what `check` finds in an image, and the texts.

use std::fs;
use std::process::Command;

use crate::bench::{Bench, golden};
use crate::tools::{succeed, unsupported};

const HELLO: &str = "int puts(const char *); int main(void) { return puts(\"hello\") < 0; }";

/// Where `e_machine` stands, and AArch64's.
const MACHINE: usize = 18;
const AARCH64: u8 = 183;

#[test]
fn the_help_is_as_it_was_read_and_agreed_to() {
    let Some(bench) = Bench::new() else { return };
    golden("help.txt", &bench.said(&mut bench.tool(&["image", "--help"])));
}

#[test]
fn what_cannot_be_made_is_refused_and_leaves_nothing() {
    let Some(bench) = Bench::new() else { return };
    let library = ["-shared", "-fPIC", "-Wl,-soname,libown.so"];
    bench.link("gcc", "libown.so", "int own(void) { return 0; }", &library);
    bench.link("gcc", "hello", HELLO, &[]);
    bench.link(
        "gcc",
        "user",
        "int own(void); int main(void) { return own(); }",
        &["libown.so"],
    );
    let mut other = fs::read(bench.path("hello")).unwrap();
    other[MACHINE] = AARCH64;
    fs::write(bench.path("other"), other).unwrap();
    fs::write(bench.path("script"), "#!/nowhere/sh\n").unwrap();
    fs::write(bench.path("text"), "words\n").unwrap();
    fs::create_dir(bench.path("there")).unwrap();
    let cases: &[&[&str]] = &[
        &["hello"],
        &["-o", "image"],
        &["hello", "-o", "there"],
        &["hello", "-o", "no/folder"],
        &["gone", "-o", "image"],
        &["other", "-o", "image"],
        &["libown.so", "-o", "image"],
        &["text", "-o", "image"],
        &["script", "-o", "image"],
        &["user", "-o", "image"],
        &["hello", "-o", "image", "--include", "gone"],
        &["hello", "-o", "image", "--include", "/dev/null"],
        &[
            "hello",
            "-o",
            "image",
            "--set-interp=/opt/a/rather/long/path/of/a/loader",
        ],
        &["hello", "-o", "image", "--set-interp=ld-lode"],
        &["hello", "-o", "image", "--from", "gone"],
    ];
    let mut text = String::new();
    for words in cases {
        text += &format!("$ lode-tool image {}\n", words.join(" "));
        text += &bench.said(&mut bench.image(words));
    }
    golden("refusals.txt", &text);
    let left = fs::read_dir(bench.folder.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains("image") || name.to_string_lossy().starts_with(".lode")),
        "{left:?}"
    );
}

#[test]
fn a_libc_that_lode_does_not_know_is_refused_before_anything_is_written() {
    let Some(bench) = Bench::new() else { return };
    let from = bench.path("from");
    fs::create_dir_all(from.join("lib64")).unwrap();
    fs::copy(bench.link("gcc", "hello", HELLO, &[]), from.join("hello")).unwrap();
    let libc = succeed(Command::new("gcc").arg("-print-file-name=libc.so.6"));
    fs::write(
        from.join("lib64/libc.so.6"),
        unsupported(&fs::read(libc.trim()).unwrap()),
    )
    .unwrap();
    let words = ["/hello", "--from", from.to_str().unwrap(), "--root", "tree"];
    let said = bench.said(&mut bench.image(&words));
    assert!(
        said.contains("it would not work, and is not made") && said.contains("E0210"),
        "{said}"
    );
    assert!(!bench.path("tree").exists());
}

#[test]
fn what_may_be_missing_later_is_named() {
    let Some(bench) = Bench::new() else { return };
    let source = "int getaddrinfo(), getpwnam(), iconv_open(), pthread_exit();\n\
        int main(int c, char **v) { return c > 1 ? getaddrinfo() + getpwnam() + iconv_open() + pthread_exit() : 0; }";
    bench.link("gcc", "asker", source, &[]);
    let said = bench.said(
        bench
            .image(&["asker", "--root", "tree"])
            .args(["--include", "/etc/hosts"]),
    );
    assert!(said.ends_with("[exit 0]\n"), "{said}");
    for part in ["getpwnam (in DIR/asker) reads /etc/passwd", "/gconv", "libgcc_s.so.1"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("/etc/hosts,"), "{said}");
    let folder = succeed(Command::new("gcc").arg("-print-file-name=libc.so.6"));
    let folder = folder.trim().trim_end_matches("/libc.so.6").to_owned();
    let includes = [
        "/etc/hosts",
        "/etc/passwd",
        &format!("{folder}/gconv"),
        &format!("{folder}/libgcc_s.so.1"),
    ];
    let mut words = vec!["asker", "--root", "whole"];
    words.extend(includes.iter().flat_map(|path| ["--include", path]));
    let said = bench.said(&mut bench.image(&words));
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn what_notes_require_comes_along_and_what_they_suggest_is_named() {
    let Some(bench) = Bench::new() else { return };
    for name in ["libmust.so", "libmay.so"] {
        let soname = format!("-Wl,-soname,{name}");
        bench.link(
            "gcc",
            name,
            "int some(void) { return 0; }",
            &["-shared", "-fPIC", &soname],
        );
    }
    // UAPI Group specification "ELF Metadata": `.note.dlopen`.
    let wishes = r#"[{\\\"soname\\\":[\\\"libmust.so\\\"],\\\"priority\\\":\\\"required\\\"},{\\\"soname\\\":[\\\"libmay.so\\\"],\\\"feature\\\":\\\"more\\\"}]"#;
    let source = format!(
        "__asm__(\".section .note.dlopen,\\\"a\\\",@note\\n.balign 4\\n.long 2f-1f, 4f-3f, 0x407c0c0a\\n1: .asciz \\\"FDO\\\"\\n\"
         \"2: .balign 4\\n3: .asciz \\\"{wishes}\\\"\\n4: .balign 4\\n.text\\n\"); int main(void) {{ return 0; }}"
    );
    bench.link("gcc", "opener", &source, &["-Wl,-rpath,$ORIGIN"]);
    let said = bench.said(&mut bench.image(&["opener", "--root", "tree"]));
    assert!(
        said.contains("DIR/opener may open DIR/libmay.so (more): --include DIR/libmay.so"),
        "{said}"
    );
    assert!(!said.contains("libmust.so"), "{said}");
    let inside = |name: &str| bench.path("tree").join(bench.path(name).strip_prefix("/").unwrap());
    assert!(inside("libmust.so").exists() && !inside("libmay.so").exists());
}

#[test]
fn check_says_what_is_missing_wrong_or_too_new_in_an_image() {
    let Some(bench) = Bench::new() else { return };
    let versions = bench.path("versions");
    fs::write(&versions, "NEW { *; };").unwrap();
    let library = |name: &str, more: &[&str]| {
        let switches = ["-shared", "-fPIC", "-Wl,-soname,libown.so"];
        bench.link(
            "gcc",
            name,
            "int own(void) { return 0; }",
            &[&switches[..], more].concat(),
        );
    };
    library("libown.so", &["-Wl,--version-script=versions"]);
    fs::write(&versions, "OLD { *; };").unwrap();
    library("old/libown.so", &["-Wl,--version-script=versions"]);
    let user = "int own(void); int main(void) { return own(); }";
    bench.link("gcc", "user", user, &["libown.so", "-Wl,-rpath,$ORIGIN"]);
    succeed(&mut bench.image(&["user", "-o", "image"]));
    let check = || bench.said(&mut bench.tool(&["check", "--root", "image"]));
    let said = check();
    assert!(said.starts_with("ok: ") && said.ends_with("[exit 0]\n"), "{said}");
    // The same from an archive of the image.
    let archive = ["-C", "image", "-cf", "image.tar", "."];
    succeed(Command::new("tar").current_dir(bench.folder.path()).args(archive));
    let archived = bench.said(&mut bench.tool(&["check", "--root", "image.tar"]));
    assert_eq!(archived, said);
    let inside = bench.path("user").display().to_string().replace("user", "libown.so");
    let umoci = |words: &[&str]| {
        let image = format!("{}:latest", bench.path("image").display());
        succeed(
            Command::new("umoci")
                .args(["insert", "--rootless", "--image"])
                .arg(image)
                .args(words),
        )
    };
    let mut text = String::from("# a version that the program needs is not in the library of a second layer\n");
    umoci(&[bench.path("old/libown.so").to_str().unwrap(), &inside]);
    text += &check();
    text += "# a third layer has taken the library away\n";
    umoci(&["--whiteout", &inside]);
    text += &check();
    text += "# and a fourth the program\n";
    umoci(&["--whiteout", bench.path("user").to_str().unwrap()]);
    text += &check();
    let blobs = fs::read_dir(bench.path("image/blobs/sha256")).unwrap();
    for blob in blobs.map(|entry| entry.unwrap().path()) {
        let mut bytes = fs::read(&blob).unwrap();
        if bytes.starts_with(b"\x1f\x8b") {
            bytes.push(0);
            fs::write(blob, bytes).unwrap();
        }
    }
    let said = check();
    assert!(said.contains("is damaged: it has another digest"), "{said}");
    let random = bench.folder.path().file_name().unwrap().to_string_lossy().into_owned();
    golden("check.txt", &text.replace(&random, "FOLDER"));
    fs::write(bench.path("text"), "words").unwrap();
    let said = bench.said(&mut bench.tool(&["check", "--root", "text"]));
    assert!(said.ends_with("[exit 3]\n"), "{said}");
}
