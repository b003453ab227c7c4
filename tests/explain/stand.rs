//! Programs for these tests, and short ways to ask.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use temp_dir::TempDir;

use crate::tools::{has, loader, run, succeed, text, tool};

/// `lode-tool explain` with the loader under test; `None` where one of both is missing.
pub fn explain() -> Option<Command> {
    let (tool, loader) = (tool()?, loader()?);
    let mut command = Command::new(tool);
    command.arg("explain").arg("--loader").arg(loader);
    // cargo's, which the program would search.
    command.env_remove("LD_LIBRARY_PATH");
    Some(command)
}

/// The JSON of an explained program that is not entered.
pub fn told(program: &str) -> Option<Value> {
    let output = run(explain()?.args(["--format", "json", "--no-run", program]));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    Some(answer["answer"].clone())
}

/// A folder with a program `main` that needs `libpart.so`, which is `library` compiled.
pub fn linked(library: &str) -> Option<TempDir> {
    if !has("gcc") {
        return None;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    std::fs::write(path.join("part.c"), library).unwrap();
    std::fs::write(
        path.join("main.c"),
        "#include <stdio.h>\nint part(void);\nint main(void) { puts(\"entered\"); return part(); }\n",
    )
    .unwrap();
    let gcc = |arguments: &[&str]| succeed(Command::new("gcc").current_dir(path).args(arguments));
    gcc(&["-shared", "-fPIC", "-O1", "part.c", "-o", "libpart.so"]);
    gcc(&["main.c", "-o", "main", "-L.", "-lpart", "-Wl,-rpath,$ORIGIN"]);
    Some(folder)
}

/// A program's path as text.
pub fn main_of(folder: &Path) -> String {
    folder.join("main").to_string_lossy().into_owned()
}
