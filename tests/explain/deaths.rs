//! A process that dies in code of its files before the jump.

use std::io::Read as _;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::stand::{explain, linked, main_of};
use super::tools::{run, text};

#[test]
fn a_constructor_that_faults_is_named() {
    let source = "static volatile int ran;\nstatic void first(void) __attribute__((constructor(101)));\n\
        static void first(void) { ran = 1; }\n\
        static void fatal_one(void) __attribute__((constructor(102)));\n\
        static void fatal_one(void) { *(volatile int *)8 = 1; }\nint part(void) { return 0; }\n";
    let Some(folder) = linked(source) else { return };
    let Some(mut explain) = explain() else { return };
    let output = run(explain.arg(main_of(folder.path())));
    let story = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{story}");
    let line = format!(
        "fatal[E0601]: the process was killed by SIGSEGV in DT_INIT_ARRAY[1] of {}/libpart.so (fatal_one (+0x",
        folder.path().display()
    );
    assert!(story.contains(&line), "{story}");
    assert!(story.contains("had been initialised"), "{story}");
    assert!(!text(&output.stderr).contains("entered"));
}

#[test]
fn a_constructor_that_ends_the_process_is_named() {
    let source = "#include <unistd.h>\nstatic void leave(void) __attribute__((constructor));\n\
        static void leave(void) { _exit(9); }\nint part(void) { return 0; }\n";
    let Some(folder) = linked(source) else { return };
    let Some(mut explain) = explain() else { return };
    let story = text(&run(explain.arg(main_of(folder.path()))).stdout);
    assert!(
        story.contains("the process ended with status 9 in DT_INIT_ARRAY["),
        "{story}"
    );
}

#[test]
fn a_resolver_that_faults_is_named_by_what_it_chooses() {
    let source = "static int (*choose(void))(void) { *(volatile int *)8 = 1; return 0; }\n\
        int part(void) __attribute__((ifunc(\"choose\")));\n";
    let Some(folder) = linked(source) else { return };
    let Some(mut explain) = explain() else { return };
    let output = run(explain.args(["--trace", "/dev/null"]).arg(main_of(folder.path())));
    let story = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{story}");
    let line = format!(
        "fatal[E0601]: the process was killed by SIGSEGV in the resolver of part in {}/libpart.so (+0x",
        folder.path().display()
    );
    assert!(story.contains(&line), "{story}");
}

#[test]
fn a_constructor_that_closes_the_stream_or_starts_another_program_is_no_fault() {
    for (body, after) in [
        ("for (int one = 3; one < 9; one++) close(one);", "entered"),
        ("execl(\"/bin/echo\", \"echo\", \"elsewhere\", (char *)0);", "elsewhere"),
    ] {
        let source = format!(
            "#include <unistd.h>\nstatic void early(void) __attribute__((constructor));\n\
             static void early(void) {{ {body} usleep(300000); }}\nint part(void) {{ return 0; }}\n"
        );
        let Some(folder) = linked(&source) else { return };
        let Some(mut explain) = explain() else { return };
        let output = run(explain.arg(main_of(folder.path())));
        let story = text(&output.stdout);
        assert!(!story.contains("E0601"), "{story}");
        assert!(
            story.contains("event stream ended in DT_INIT_ARRAY[") && story.contains("What came after is not known."),
            "{story}"
        );
        assert_eq!(output.status.code(), Some(1), "{story}");
        assert!(text(&output.stderr).contains(after), "{}", text(&output.stderr));
    }
}

#[test]
fn a_program_that_is_killed_is_not_well() {
    let Some(mut explain) = explain() else { return };
    let output = run(explain.args(["/bin/sh", "-c", "kill -KILL $$"]));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
}

#[test]
fn a_constructor_that_hangs_is_named_when_somebody_has_had_enough() {
    let source = "#include <unistd.h>\nstatic void stuck(void) __attribute__((constructor));\n\
        static void stuck(void) { write(2, \"stuck\", 5); for (;;) pause(); }\nint part(void) { return 0; }\n";
    let Some(folder) = linked(source) else { return };
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let Some(mut explain) = explain() else { return };
        let mut asked = explain
            .arg(main_of(folder.path()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut word = [0; 5];
        asked.stderr.as_mut().unwrap().read_exact(&mut word).unwrap();
        kill(Pid::from_raw(asked.id().cast_signed()), signal).unwrap();
        // Also its standard error ends, which the program has too.
        let output = asked.wait_with_output().unwrap();
        let story = text(&output.stdout);
        assert!(
            story.contains("fatal[E0601]: the process was interrupted in DT_INIT_ARRAY[") && story.contains("stuck"),
            "{story}"
        );
        assert_eq!(output.status.code(), Some(128 + signal as i32), "{story}");
    }
}

#[test]
fn what_is_no_event_stream_is_recognised() {
    for (file, words) in [
        ("/bin/ls", "not an event stream: an ELF file"),
        ("/dev/null", "not an event stream: the file is empty"),
    ] {
        let Some(mut explain) = explain() else { return };
        let output = run(explain.args(["--events", file]));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(3));
    }
}

#[test]
fn a_command_need_not_be_utf_8() {
    use std::os::unix::ffi::OsStrExt as _;
    let Some(mut explain) = explain() else { return };
    let word = std::ffi::OsStr::from_bytes(b"n\xff");
    let output = run(explain.args(["-o", "/dev/null", "/bin/echo"]).arg(word));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(output.stdout, b"n\xff\n");
}
