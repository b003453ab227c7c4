//! lode in the place of musl's loader, which is musl's libc: trees of Alpine's kind, where the name that programs need is a link to it, and of all others, where
//! it is the link itself.
//!
//! A build that does not start musl programs must not get there. Where the one under test says so, a stand-in that says otherwise shows what becomes of
//! the files, and programs are run only while the loader is musl's.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::interruption::{Calls, End, run_while};
use super::tools::{has, run, skip, succeed, text};
use super::tree::{Tree, assert_same, copy, is_lode};
use super::{TempDir, Tool};

const NAME: &str = "ld-musl-x86_64.so.1";
const LIBC: &str = "libc.musl-x86_64.so.1";

/// Where libc is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `libc.musl-x86_64.so.1` is a link to the loader
    Alpine,
    /// The loader is a link to `libc.so`
    Others,
}

/// lode-tool, and a build that it installs.
struct Installer {
    tool: Tool,
    build: PathBuf,
    /// Whether the build starts programs of musl
    is_real: bool,
}

/// A program that says of itself what every build of lode says, and that it knows every libc.
const STAND_IN: &str = r#"
    #include <string.h>
    #include <unistd.h>
    static const char text[] = "stand-in, an ELF program interpreter for Linux\n", yes[] = "supported: all\n";
    int main(int count, char **words) {
        if (count > 1 && strcmp(words[1], "--check-libc") == 0) return write(1, yes, sizeof yes - 1) < 0;
        return write(2, text, sizeof text - 1) > 0;
    }
"#;

impl Installer {
    fn new() -> Option<Installer> {
        let tool = Tool::new()?;
        if !has("gcc") || !has("musl-gcc") {
            return None;
        }
        let libc = Path::new("/lib").join(NAME);
        if !libc.exists() {
            skip("musl is not installed");
            return None;
        }
        let is_real = run(Command::new(&tool.loader).arg("--check-libc").arg(&libc))
            .status
            .success();
        let build = match is_real {
            true => tool.loader.clone(),
            false => {
                let source = tool._folder.child("stand-in.c");
                fs::write(&source, STAND_IN).unwrap();
                let build = tool._folder.child("stand-in");
                succeed(
                    Command::new("musl-gcc")
                        .arg("-static")
                        .arg(&source)
                        .arg("-o")
                        .arg(&build),
                );
                build
            }
        };
        Some(Installer { tool, build, is_real })
    }

    fn command(&self, word: &str, tree: &Tree) -> Command {
        let mut command = Command::new(&self.tool.tool);
        command.arg(word).arg("--root").arg(tree.root()).args(["--as", NAME]);
        if matches!(word, "install" | "upgrade") {
            command.arg("--loader").arg(&self.build);
        }
        command
    }

    fn succeed(&self, word: &str, tree: &Tree) -> String {
        succeed(&mut self.command(word, tree))
    }

    fn run(&self, word: &str, tree: &Tree) -> Output {
        run(&mut self.command(word, tree))
    }

    fn status(&self, tree: &Tree) -> Option<i32> {
        self.run("status", tree).status.code()
    }

    /// Whether the tree's program runs, as far as it can be told.
    fn works(&self, tree: &Tree) -> bool {
        let has_stand_in = !self.is_real && fs::read(&tree.loader).is_ok_and(|loader| is_lode(&loader));
        has_stand_in || tree.works()
    }
}

/// A tree with musl's libc, as its package has it, and a program that needs it by the name of Alpine, or of all others.
fn tree(kind: Kind) -> Tree {
    let folder = TempDir::with_prefix("lode-install-musl-").unwrap();
    let at = |path: &str| folder.child(path);
    for path in ["bin", "lib", "usr/lib"] {
        fs::create_dir_all(at(path)).unwrap();
    }
    let real = Path::new("/lib").join(NAME).canonicalize().unwrap();
    let (file, name) = match kind {
        Kind::Alpine => {
            symlink(NAME, at("lib").join(LIBC)).unwrap();
            (at("lib").join(NAME), LIBC)
        }
        Kind::Others => {
            symlink("libc.so", at("lib").join(NAME)).unwrap();
            (at("lib/libc.so"), "libc.so")
        }
    };
    copy(&real, &file);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    // What the linker needs of libc, under the name that the program is to need.
    fs::write(at("stub.c"), "void puts(void) {} void __libc_start_main(void) {}").unwrap();
    fs::write(
        at("main.c"),
        "int puts(const char *); int main(int count, char **words) { return puts(words[1]) < 0; }",
    )
    .unwrap();
    let start = real.with_file_name("Scrt1.o");
    let start = if start.exists() {
        start
    } else {
        "/usr/lib/x86_64-linux-musl/Scrt1.o".into()
    };
    let gcc = |arguments: &[&str]| {
        let mut gcc = Command::new("gcc");
        succeed(gcc.current_dir(folder.path()).args(["-w", "-nostdlib"]).args(arguments));
    };
    gcc(&[
        "-shared",
        "-fPIC",
        "stub.c",
        "-o",
        "stub.so",
        &format!("-Wl,-soname,{name}"),
    ]);
    let interpreter = format!("-Wl,--dynamic-linker=/lib/{NAME}");
    gcc(&[
        "-fPIE",
        "-pie",
        "main.c",
        start.to_str().unwrap(),
        "stub.so",
        &interpreter,
        "-o",
        "bin/echo",
    ]);
    for name in ["stub.c", "main.c", "stub.so"] {
        fs::remove_file(at(name)).unwrap();
    }
    Tree {
        loader: at("lib").join(NAME),
        libc: file,
        folder,
    }
}

fn everywhere(test: impl Fn(&Installer, &Tree, Kind)) {
    let Some(installer) = Installer::new() else { return };
    for kind in [Kind::Alpine, Kind::Others] {
        test(&installer, &tree(kind), kind);
    }
}

#[test]
fn a_build_that_does_not_start_musl_programs_is_not_installed() {
    everywhere(|installer, tree, kind| {
        if installer.is_real {
            return;
        }
        let before = tree.snapshot();
        let output = run(Command::new(&installer.tool.tool)
            .args(["install", "--as", NAME, "--root"])
            .arg(tree.root())
            .arg("--loader")
            .arg(&installer.tool.loader));
        assert_eq!(output.status.code(), Some(1), "{kind:?}");
        assert!(
            text(&output.stderr).contains("not supported"),
            "{}",
            text(&output.stderr)
        );
        assert_same(&before, &tree.snapshot(), "refused");
    });
}

#[test]
fn libc_gets_a_name_of_its_own_before_lode_gets_the_loaders() {
    everywhere(|installer, tree, kind| {
        let libc = fs::read(&tree.libc).unwrap();
        let before = tree.snapshot();
        assert!(tree.works(), "{kind:?}");
        assert_eq!(installer.status(tree), Some(3), "{kind:?}");
        assert!(installer.succeed("install", tree).contains("is lode now"));
        assert_eq!(fs::read(&tree.loader).unwrap(), fs::read(&installer.build).unwrap());
        let name = match kind {
            Kind::Alpine => tree.folder.child("lib").join(LIBC),
            Kind::Others => tree.folder.child("lib/libc.so"),
        };
        assert!(!name.is_symlink(), "{kind:?}");
        assert_eq!(fs::read(name).unwrap(), libc);
        assert_eq!(installer.status(tree), Some(0), "{kind:?}");
        assert!(installer.works(tree), "{kind:?}");
        let installed = tree.snapshot();
        assert!(installer.succeed("install", tree).contains("already"));
        assert_same(&installed, &tree.snapshot(), "installed twice");
        assert!(installer.succeed("uninstall", tree).contains("the original again"));
        assert_same(&before, &tree.snapshot(), "uninstalled");
        assert!(installer.succeed("uninstall", tree).contains("is not lode"));
        assert!(tree.works(), "{kind:?}");
    });
}

#[test]
fn what_was_interrupted_is_ended_or_undone() {
    everywhere(|installer, tree, kind| {
        let before = tree.snapshot();
        for (word, again) in [
            ("install", "install"),
            ("install", "uninstall"),
            ("uninstall", "uninstall"),
        ] {
            for last in 0.. {
                if word == "uninstall" {
                    installer.succeed("install", tree);
                }
                let end = run_while(&mut installer.command(word, tree), Calls::Changing, |call| call != last);
                let when = format!("{kind:?}: {word}, interrupted at call {last}, then {again}");
                assert!(installer.works(tree), "{when}");
                installer.succeed(again, tree);
                if again == "install" {
                    assert_eq!(installer.status(tree), Some(0), "{when}");
                    installer.succeed("uninstall", tree);
                }
                assert_same(&before, &tree.snapshot(), &when);
                if let End::Itself(status) = end {
                    assert_eq!(status, 0, "{when}");
                    assert!(last > 5, "only {last} calls were made");
                    break;
                }
            }
        }
    });
}

/// What an update of musl's package leaves: new files, each renamed to its name.
fn update(tree: &Tree, kind: Kind) {
    let folder = tree.folder.child("lib");
    let new = folder.join(".new");
    let mut libc = fs::read("/lib/ld-musl-x86_64.so.1").unwrap();
    libc.push(0);
    fs::write(&new, libc).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, &tree.libc).unwrap();
    let (link, target) = match kind {
        Kind::Alpine => (LIBC, NAME),
        Kind::Others => (NAME, "libc.so"),
    };
    symlink(target, &new).unwrap();
    fs::rename(&new, folder.join(link)).unwrap();
}

#[test]
fn an_update_of_the_package_ends_an_installation_and_a_new_one_begins() {
    everywhere(|installer, tree, kind| {
        installer.succeed("install", tree);
        update(tree, kind);
        assert!(tree.works(), "{kind:?}");
        assert_eq!(installer.status(tree), Some(4), "{kind:?}");
        installer.succeed("install", tree);
        assert_eq!(installer.status(tree), Some(0), "{kind:?}");
        assert!(installer.works(tree), "{kind:?}");
        installer.succeed("uninstall", tree);
        assert!(tree.works(), "{kind:?}");
        // The update without an installation is what is left.
        let after = tree.snapshot();
        let names = after
            .keys()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
        assert!(!names.into_iter().any(|name| name.starts_with("lode-")), "{kind:?}");
        installer.succeed("install", tree);
        update(tree, kind);
        installer.succeed("uninstall", tree);
        assert!(tree.works(), "{kind:?}");
        let left = fs::read_dir(tree.folder.child("lib")).unwrap();
        assert_eq!(left.count(), 2, "{kind:?}");
        assert_eq!(installer.status(tree), Some(3), "{kind:?}");
    });
}

#[test]
fn what_is_not_musls_libc_is_refused_by_what_it_lacks() {
    everywhere(|installer, tree, kind| {
        let other = tree.folder.child("other.so");
        fs::write(tree.folder.child("other.c"), "int other(void) { return 0; }").unwrap();
        let mut gcc = Command::new("gcc");
        succeed(
            gcc.args(["-shared", "-nostdlib", "-o"])
                .arg(&other)
                .arg(tree.folder.child("other.c")),
        );
        fs::rename(&other, &tree.libc).unwrap();
        let before = tree.snapshot();
        let output = installer.run("install", tree);
        let said = text(&output.stderr);
        assert!(
            said.contains("is not musl's libc: it does not export __libc_start_main"),
            "{kind:?}: {said}"
        );
        assert_same(&before, &tree.snapshot(), "refused");
    });
}
