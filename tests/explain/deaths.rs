//! A process that dies in code of its files before the jump.

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
