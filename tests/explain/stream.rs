//! The event stream by itself.

use std::fs;
use std::process::Command;

use temp_dir::TempDir;

use crate::tools::{loader, run, succeed, text};

#[test]
fn the_stream_goes_to_a_file_and_ends_with_the_jump() {
    let Some(loader) = loader() else { return };
    let folder = TempDir::new().unwrap();
    let file = folder.child("events");
    let options = format!("events={}", file.display());
    succeed(
        Command::new(loader)
            .env("LODE_OPTIONS", options)
            .args(["/bin/echo", "x"]),
    );
    let stream = fs::read_to_string(file).unwrap();
    assert!(
        stream
            .lines()
            .last()
            .unwrap()
            .contains("transferring control: /bin/echo"),
        "{stream}"
    );
    for word in [
        "auxv 6 4096",
        "stage 0",
        "stage 6",
        "file=libc.so.6 [0];  needed by",
        "relro 0x",
        "thread pointer 0x",
        "calling 0x",
        "returned",
    ] {
        assert!(stream.contains(word), "{word}: {stream}");
    }
    let times: Vec<u64> = stream
        .lines()
        .map(|line| line.split_once(":\t").unwrap().0.trim().parse().unwrap())
        .collect();
    assert!(times.is_sorted());
}

#[test]
fn the_program_has_no_descriptor_of_the_stream() {
    let Some(loader) = loader() else { return };
    let loader = loader.display();
    let script = format!("{loader} --events 9 /bin/ls -l /proc/self/fd 9>/dev/null");
    let descriptors = succeed(Command::new("bash").args(["-c", &script]));
    assert!(!descriptors.contains(" 9 ->"), "{descriptors}");
    let folder = TempDir::new().unwrap();
    let script = format!(
        "{loader} --events {}/e /bin/ls -l /proc/self/fd",
        folder.path().display()
    );
    let descriptors = succeed(Command::new("bash").args(["-c", &script]));
    assert!(!descriptors.contains("/e\n"), "{descriptors}");
}

#[test]
fn a_program_keeps_its_output_where_the_stream_went_there() {
    let Some(loader) = loader() else { return };
    let output = run(Command::new(loader).args(["--events", "1", "/bin/echo", "its own"]));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written = text(&output.stdout);
    let mut last = written.lines().rev();
    assert_eq!(last.next(), Some("its own"));
    assert!(
        last.next().unwrap().contains("transferring control: /bin/echo"),
        "{written}"
    );
}

#[test]
fn a_search_in_vain_says_why_each_path_was_passed() {
    let Some(loader) = loader() else { return };
    let Some(folder) = super::stand::linked("int part(void) { return 0; }") else {
        return;
    };
    fs::remove_file(folder.child("libpart.so")).unwrap();
    fs::write(folder.child("libpart.so"), b"\x7fELF\x01").unwrap();
    let output = run(Command::new(loader).args(["--events", "1"]).arg(folder.child("main")));
    let stream = text(&output.stdout);
    assert_eq!(output.status.code(), Some(127), "{stream}");
    let last = stream.lines().last().unwrap();
    assert!(last.ends_with(": error E0102"), "{stream}");
    fs::remove_file(folder.child("libpart.so")).unwrap();
    let output = run(Command::new(super::tools::loader().unwrap())
        .args(["--events", "1"])
        .arg(folder.child("main")));
    let stream = text(&output.stdout);
    let passed = format!(
        "  passed {}/libpart.so: No such file or directory",
        folder.path().display()
    );
    assert!(stream.contains(&passed), "{stream}");
}

#[test]
fn beside_the_stream_ld_debug_is_not_obeyed_and_warnings_stay_where_they_are() {
    let Some(loader) = loader() else { return };
    let folder = TempDir::new().unwrap();
    let (file, report) = (folder.child("events"), folder.child("report"));
    let output = run(Command::new(loader)
        .env("LODE_OPTIONS", format!("events={}", file.display()))
        .env("LD_DEBUG", "all")
        .env("LD_DEBUG_OUTPUT", &report)
        .env("LD_PRELOAD", "/nowhere/libgone.so")
        .args(["/bin/echo", "x"]));
    assert_eq!(text(&output.stdout), "x\n");
    let said = text(&output.stderr);
    assert!(said.lines().count() == 1 && said.contains("libgone.so"), "{said}");
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "LD_DEBUG_OUTPUT was written to");
    // One of the words of LD_DEBUG that the stream has not.
    let stream = fs::read_to_string(file).unwrap();
    assert!(!stream.contains("symbol="), "{stream}");
}

#[test]
fn what_happens_behind_the_jump_is_not_in_the_stream() {
    let Some(loader) = loader() else { return };
    let source = "#include <dlfcn.h>\nint part(void) { return !dlopen(\"libm.so.6\", RTLD_NOW); }";
    let Some(folder) = super::stand::linked(source) else {
        return;
    };
    let file = folder.child("events");
    let program = folder.child("main");
    succeed(Command::new(loader).arg("--events").arg(&file).arg(&program));
    let stream = fs::read_to_string(file).unwrap();
    assert!(!stream.contains("libm.so.6"), "{stream}");
    assert!(
        stream
            .trim_end()
            .ends_with(&format!("transferring control: {}", program.display())),
        "{stream}"
    );
}

#[test]
fn a_start_without_the_option_makes_no_system_call_for_it() {
    if !super::tools::has("strace") {
        return;
    }
    let Some(loader) = loader() else { return };
    let output = run(Command::new("strace").arg("-f").arg(loader).arg("/bin/true"));
    let calls = text(&output.stderr);
    assert!(!calls.contains("clock_gettime") && !calls.contains("write("), "{calls}");
}
