//! lode in the place of a tree's loader: `lode-tool`, and what the loader itself has for it.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_LOADER` | the loader under test; without it the one that `cargo xtask build` left |
//! | `LODE_TOOL` | the lode-tool under test; without it the one that `cargo xtask build` left |
//! | `CI` | `true`: a missing tool is a failure; otherwise its tests are skipped with a word |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "install/interruption.rs"]
mod interruption;
#[path = "install/musl.rs"]
mod musl;
mod tools;
#[path = "install/tree.rs"]
mod tree;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use interruption::{Calls, End, run_while};
use temp_dir::TempDir;
use tools::{has, loader, namespace, run, skip, succeed, text, unsupported};
use tree::{LIBRARIES, Layout, NAME, Tree, as_root, assert_same, copy, has_dpkg, is_lode, package};

/// lode-tool, the loader, and another build of it.
struct Tool {
    tool: PathBuf,
    loader: PathBuf,
    other: PathBuf,
    _folder: TempDir,
}

impl Tool {
    fn new() -> Option<Tool> {
        let loader = loader()?;
        let tool = tools::tool()?;
        let folder = TempDir::with_prefix("lode-install-").unwrap();
        let other = folder.child("ld-lode");
        let mut bytes = fs::read(&loader).unwrap();
        bytes.push(0);
        fs::write(&other, bytes).unwrap();
        fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
        Some(Tool {
            tool,
            loader,
            other,
            _folder: folder,
        })
    }

    /// A command line, with the build under test where one is wanted.
    fn command(&self, word: &str, tree: &Tree) -> Command {
        let mut command = Command::new(&self.tool);
        command.arg(word).arg("--root").arg(tree.root());
        match word {
            "install" => command.args(["--as", NAME]).arg("--loader").arg(&self.loader),
            "upgrade" => command.arg("--loader").arg(&self.other),
            _ => &mut command,
        };
        command
    }

    fn run(&self, word: &str, tree: &Tree) -> Output {
        run(&mut self.command(word, tree))
    }

    fn succeed(&self, word: &str, tree: &Tree) -> String {
        succeed(&mut self.command(word, tree))
    }

    fn status(&self, tree: &Tree) -> Option<i32> {
        self.run("status", tree).status.code()
    }

    /// Has the loader under test put the original back, from outside the tree.
    fn restore(&self, tree: &Tree) -> Output {
        run(as_root(tree, self.loader.as_os_str())
            .arg("--restore")
            .arg("--root")
            .arg(tree.root()))
    }

    /// Checks that a command fails and says `why`.
    fn fails(&self, word: &str, tree: &Tree, why: &str) {
        let output = self.run(word, tree);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{word}: {error}");
        assert!(error.contains(why), "{word}: `{why}` is not in\n{error}");
    }
}

/// The tool and a tree of each layout that this machine can have.
fn everywhere(test: impl Fn(&Tool, &Tree, Layout)) {
    let Some(tool) = Tool::new() else { return };
    for layout in [Layout::Debian, Layout::Unmerged, Layout::Bullseye, Layout::Fedora] {
        if layout == Layout::Debian && !has_dpkg() {
            continue;
        }
        if let Some(tree) = Tree::new(layout) {
            test(&tool, &tree, layout);
        }
    }
}

/// The tool and a tree with dpkg.
fn debian(test: impl Fn(&Tool, &Tree)) {
    if let Some(tool) = Tool::new()
        && has_dpkg()
        && let Some(tree) = Tree::new(Layout::Debian)
    {
        test(&tool, &tree);
    }
}

#[test]
fn installed_twice_and_uninstalled_twice_a_tree_is_as_before() {
    everywhere(|tool, tree, layout| {
        let before = tree.snapshot();
        let original = fs::metadata(&tree.loader).unwrap().ino();
        assert_eq!(tool.status(tree), Some(3), "{layout:?}");
        assert!(tree.works() && !tree.has_lode());

        assert!(tool.succeed("install", tree).contains("is lode now"));
        assert!(tree.works() && tree.has_lode(), "{layout:?}");
        assert_eq!(tool.status(tree), Some(0), "{layout:?}");
        let installed = tree.snapshot();
        assert!(tool.succeed("install", tree).contains("already"));
        assert_same(&installed, &tree.snapshot(), "installed twice");

        assert!(tool.succeed("uninstall", tree).contains("the original again"));
        assert_same(&before, &tree.snapshot(), "uninstalled");
        assert_eq!(fs::metadata(&tree.loader).unwrap().ino(), original);
        assert_eq!(tool.status(tree), Some(3), "{layout:?}");
        assert!(tool.succeed("uninstall", tree).contains("is not lode"));
        assert_same(&before, &tree.snapshot(), "uninstalled twice");
    });
}

#[test]
fn the_original_stands_beside_lode_with_its_digest() {
    everywhere(|tool, tree, _| {
        let original = fs::read(&tree.loader).unwrap();
        tool.succeed("install", tree);
        assert_eq!(fs::read(tree.beside("lode-original")).unwrap(), original);
        assert_eq!(fs::read(&tree.loader).unwrap(), fs::read(&tool.loader).unwrap());
        succeed(
            Command::new("sha256sum")
                .arg("--check")
                .arg(tree.beside("lode-digest"))
                .current_dir(tree.loader.parent().unwrap()),
        );
    });
}

#[test]
fn ldconfig_has_nothing_to_say_of_what_stands_beside_lode() {
    let ldconfig = Path::new("/sbin/ldconfig");
    if !ldconfig.exists() {
        return skip("there is no ldconfig");
    }
    everywhere(|tool, tree, layout| {
        tool.succeed("install", tree);
        fs::create_dir_all(tree.folder.child("etc")).unwrap();
        fs::write(tree.folder.child("etc/ld.so.conf"), "/usr/lib64\n").unwrap();
        let mut command = as_root(tree, ldconfig.as_os_str());
        let output = run(command.arg("-v").arg("-r").arg(tree.root()));
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains("libc.so.6"), "{layout:?}: {said}");
        assert!(
            !said.contains("lode-") && !said.contains("not a symbolic link"),
            "{layout:?}: {said}"
        );
        assert!(tree.works() && tree.has_lode(), "{layout:?}");
    });
}

#[test]
fn another_build_replaces_lode_by_upgrade_and_not_by_install() {
    everywhere(|tool, tree, _| {
        tool.fails("upgrade", tree, "lode is not installed");
        let before = tree.snapshot();
        tool.succeed("install", tree);
        assert!(tool.succeed("upgrade", tree).contains("the new build"));
        assert_eq!(fs::read(&tree.loader).unwrap(), fs::read(&tool.other).unwrap());
        assert!(tree.works() && tree.has_lode());
        assert_eq!(tool.status(tree), Some(0));
        tool.fails("install", tree, "lode-tool upgrade");
        assert!(tool.succeed("upgrade", tree).contains("already"));
        tool.succeed("uninstall", tree);
        assert_same(&before, &tree.snapshot(), "uninstalled");
    });
}

#[test]
fn a_program_runs_before_every_system_call_of_the_tool() {
    everywhere(|tool, tree, layout| {
        let before = tree.snapshot();
        for word in ["install", "upgrade", "uninstall"] {
            let mut calls = 0;
            let end = run_while(&mut tool.command(word, tree), Calls::All, |call| {
                assert!(tree.works(), "{layout:?}: {word}, call {call}");
                calls = call;
                true
            });
            assert_eq!(end, End::Itself(0), "{layout:?}: {word}");
            assert!(calls > 100, "only {calls} calls were made");
        }
        assert_same(&before, &tree.snapshot(), "uninstalled");
    });
}

/// Ends `word` at each call that can change something, in turn. Each time a program of the tree runs, and `then` brings the tree to an end.
fn interrupted(tool: &Tool, tree: &Tree, word: &str, begin: &dyn Fn(), then: &dyn Fn(&str)) {
    for last in 0.. {
        begin();
        let end = run_while(&mut tool.command(word, tree), Calls::Changing, |call| call != last);
        let when = format!("{word}, interrupted at call {last}");
        assert!(tree.works(), "{when}");
        then(&when);
        match end {
            End::Killed => {}
            End::Itself(status) => {
                assert_eq!(status, 0, "{when}");
                assert!(last > 5, "only {last} calls were made");
                return;
            }
        }
    }
}

/// Interrupts every command. The same command, or another one, ends what was begun.
fn interruptions(tool: &Tool, tree: &Tree) {
    let before = tree.snapshot();
    let installed = || {
        tool.succeed("install", tree);
    };
    let uninstall = |when: &str| {
        tool.succeed("uninstall", tree);
        assert_same(&before, &tree.snapshot(), when);
    };
    interrupted(tool, tree, "install", &|| {}, &uninstall);
    interrupted(tool, tree, "install", &|| {}, &|when| {
        tool.succeed("install", tree);
        assert!(tree.works() && tree.has_lode(), "{when}");
        assert_eq!(tool.status(tree), Some(0), "{when}");
        uninstall(when);
    });
    interrupted(tool, tree, "upgrade", &installed, &|when| {
        tool.succeed("upgrade", tree);
        assert_eq!(
            fs::read(&tree.loader).unwrap(),
            fs::read(&tool.other).unwrap(),
            "{when}"
        );
        uninstall(when);
    });
    interrupted(tool, tree, "uninstall", &installed, &uninstall);
    interrupted(tool, tree, "uninstall", &installed, &|when| {
        tool.restore(tree);
        assert!(tree.works() && !tree.has_lode(), "{when}");
        uninstall(when);
    });
}

#[test]
fn a_tool_that_was_interrupted_ends_what_it_began() {
    let Some(tool) = Tool::new() else { return };
    let Some(tree) = Tree::new(Layout::Fedora) else { return };
    interruptions(&tool, &tree);
}

#[test]
fn a_tool_or_a_dpkg_divert_that_was_interrupted_ends_what_it_began() {
    debian(interruptions);
}

#[test]
fn a_system_call_that_fails_leaves_a_working_loader() {
    const CALLS: &[&str] = &[
        "linkat", "rename", "write", "fsync", "fchown", "fchmod", "openat", "unlink", "symlink",
    ];
    if !has("strace") {
        return;
    }
    everywhere(|tool, tree, layout| {
        let before = tree.snapshot();
        let mut failures = 0;
        for (call, nth) in CALLS.iter().flat_map(|call| [1, 2, 3].map(|nth| (call, nth))) {
            for word in ["install", "uninstall"] {
                if word == "uninstall" {
                    tool.succeed("install", tree);
                }
                let mut strace = Command::new("strace");
                strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}")]);
                strace.args(["-e", &format!("inject={call}:error=EIO:when={nth}")]);
                // Only calls on the tree's files fail.
                strace.arg("-P").arg(tree.loader.parent().unwrap());
                strace.arg("-P").arg(&tree.loader);
                for start in ["original", "digest", "restore", "new"] {
                    strace.arg("-P").arg(tree.beside(&format!("lode-{start}")));
                }
                let command = tool.command(word, tree);
                let output = run(strace.arg(command.get_program()).args(command.get_args()));
                let when = format!("{layout:?}: {word}, {call} {nth} fails");
                assert!(tree.works(), "{when}");
                if !output.status.success() {
                    assert!(
                        text(&output.stderr).contains("Input/output error"),
                        "{when}: {output:?}"
                    );
                    failures += 1;
                }
                tool.succeed("uninstall", tree);
                assert_same(&before, &tree.snapshot(), &when);
            }
        }
        assert!(failures > 20, "{layout:?}: only {failures} calls failed");
    });
}

#[test]
fn a_link_that_points_out_of_the_tree_is_followed_inside_it() {
    let Some(tool) = Tool::new() else { return };
    let Some(tree) = Tree::new(Layout::Fedora) else { return };
    // As an attack on the host would have it: the host has a file of that name, too.
    let outside = TempDir::with_prefix("lode-outside-").unwrap();
    let host = outside.child(NAME);
    copy(&Path::new(LIBRARIES).join(NAME), &host);
    fs::rename(&tree.loader, tree.folder.child("moved")).unwrap();
    symlink(&host, &tree.loader).unwrap();
    tool.fails("install", &tree, "has no /lib64/ld-linux-x86-64.so.2");
    let inside = tree.folder.child(host.strip_prefix("/").unwrap().to_str().unwrap());
    fs::create_dir_all(inside.parent().unwrap()).unwrap();
    fs::rename(tree.folder.child("moved"), &inside).unwrap();
    tool.succeed("install", &tree);
    assert!(is_lode(&fs::read(&inside).unwrap()) && !is_lode(&fs::read(&host).unwrap()));
    assert!(tree.works() && tree.has_lode());
    tool.succeed("uninstall", &tree);
    assert!(!tree.has_lode() && tree.loader.is_symlink());
}

#[test]
fn the_running_systems_loader_is_refused() {
    let Some(tool) = Tool::new() else { return };
    // Not lode, so that nothing could be installed.
    let output = run(Command::new(&tool.tool).args(["install", "--root", "/", "--loader", "/bin/true"]));
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("--yes-really"), "{error}");
    let really = ["install", "--root", "/", "--loader", "/bin/true", "--yes-really"];
    let error = text(&run(Command::new(&tool.tool).args(really)).stderr);
    assert!(error.contains("/bin/true is not lode"), "{error}");
}

#[test]
fn the_running_systems_loader_is_replaced_for_who_means_it() {
    let Some(tool) = Tool::new() else { return };
    let Some(tree) = Tree::new(Layout::Unmerged) else {
        return;
    };
    // A system that runs: the tool is a program of the tree, with the loader that it replaces.
    for library in ["libgcc_s.so.1", "libm.so.6"] {
        copy(&Path::new(LIBRARIES).join(library), &tree.libc.with_file_name(library));
    }
    copy(&tool.tool, &tree.folder.child("usr/bin/lode-tool"));
    copy(&tool.loader, &tree.folder.child("usr/bin/ld-lode"));
    let before = tree.snapshot();
    let inside = |arguments: &[&str]| {
        let output = tree.run(&[&["/bin/lode-tool"], arguments].concat());
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let install = ["install", "--root", "/", "--loader", "/bin/ld-lode", "--yes-really"];
    let (status, said) = inside(&install[..5]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("the loader of the running system"), "{said}");
    assert_same(&before, &tree.snapshot(), "refused");
    let (status, said) = inside(&install);
    assert_eq!(status, Some(0), "{said}");
    assert!(tree.works() && tree.has_lode());
    assert_eq!(inside(&["status", "--root", "/"]).0, Some(0));
    assert_eq!(inside(&["uninstall", "--root", "/"]).0, Some(1));
    let (status, said) = inside(&["uninstall", "--root", "/", "--yes-really"]);
    assert_eq!(status, Some(0), "{said}");
    assert_same(&before, &tree.snapshot(), "uninstalled");
}

#[test]
fn two_commands_at_a_time_are_one_too_many() {
    let Some(tool) = Tool::new() else { return };
    let Some(tree) = Tree::new(Layout::Fedora) else { return };
    let folder = fs::File::open(tree.loader.parent().unwrap()).unwrap();
    folder.lock().unwrap();
    tool.fails("install", &tree, "another lode-tool");
    folder.unlock().unwrap();
    tool.succeed("install", &tree);
}

#[test]
fn an_original_that_was_changed_is_not_put_back_without_force() {
    let Some(tool) = Tool::new() else { return };
    let Some(tree) = Tree::new(Layout::Fedora) else { return };
    tool.succeed("install", &tree);
    let kept = tree.beside("lode-original");
    let mut bytes = fs::read(&kept).unwrap();
    bytes.push(0);
    fs::write(&kept, &bytes).unwrap();
    assert_eq!(tool.status(&tree), Some(4));
    tool.fails("uninstall", &tree, "--force");
    assert!(tree.works() && tree.has_lode());
    succeed(tool.command("uninstall", &tree).arg("--force"));
    assert!(tree.works() && !tree.has_lode());
    // Without an original there is nothing to go back to.
    tool.succeed("install", &tree);
    fs::remove_file(&kept).unwrap();
    tool.fails("uninstall", &tree, "the original is not beside it");
    assert!(tree.works() && tree.has_lode());
    assert_eq!(tool.status(&tree), Some(4));
}

#[test]
fn a_tree_with_an_unsupported_libc_stays_as_it_is() {
    everywhere(|tool, tree, layout| {
        tree.make_libc_unsupported();
        let before = tree.snapshot();
        assert!(tree.works(), "{layout:?}");
        tool.fails("install", tree, "not supported");
        assert_same(&before, &tree.snapshot(), "refused");
    });
    // The same with lode in place already.
    let Some(tool) = Tool::new() else { return };
    let Some(tree) = Tree::new(Layout::Unmerged) else {
        return;
    };
    tool.succeed("install", &tree);
    tree.make_libc_unsupported();
    assert!(!tree.works());
    assert_eq!(tool.status(&tree), Some(4));
    let before = tree.snapshot();
    tool.fails("upgrade", &tree, "not supported");
    assert_same(&before, &tree.snapshot(), "refused");
    tool.succeed("uninstall", &tree);
    assert!(tree.works() && !tree.has_lode());
}

#[test]
fn a_libc_is_checked_in_one_line_without_being_started() {
    let Some(tool) = Tool::new() else { return };
    let Some(tree) = Tree::new(Layout::Fedora) else { return };
    let check = |file: &Path| {
        let output = run(Command::new(&tool.loader).arg("--check-libc").arg(file));
        let line = text(&output.stdout);
        assert_eq!(text(&output.stderr), "");
        assert_eq!(line.lines().count(), 1, "{line}");
        (output.status.code(), line)
    };
    let (status, line) = check(&tree.libc);
    assert_eq!(status, Some(0), "{line}");
    assert!(line.starts_with("supported: Debian GLIBC "), "{line}");
    let musl = Path::new("/lib/ld-musl-x86_64.so.1");
    if musl.exists() {
        let (status, line) = check(musl);
        assert_eq!(status, Some(0), "{line}");
        assert!(line.starts_with("supported: musl 1."), "{line}");
    }
    tree.make_libc_unsupported();
    for file in [
        &*tree.libc,
        Path::new("/bin/true"),
        Path::new("/etc/passwd"),
        Path::new("/gone"),
    ] {
        let (status, line) = check(file);
        assert_eq!(status, Some(1), "{line}");
        assert!(
            line.starts_with(&format!("not supported: {}: ", file.display())),
            "{line}"
        );
    }
}

#[test]
fn the_loader_puts_the_original_back_alone() {
    everywhere(|tool, tree, layout| {
        let before = tree.snapshot();
        tool.succeed("install", tree);
        // No libc, no shell, no tool: what the loader needs is itself.
        let libc = tree.folder.child("libc");
        fs::rename(&tree.libc, &libc).unwrap();
        let output = tree.run(&["/lib64/ld-linux-x86-64.so.2", "--restore"]);
        assert!(output.status.success(), "{layout:?}: {}", text(&output.stdout));
        fs::rename(&libc, &tree.libc).unwrap();
        assert!(tree.works() && !tree.has_lode(), "{layout:?}");
        // A second time there is nothing to put back.
        let output = tool.restore(tree);
        assert_eq!(output.status.code(), Some(1), "{layout:?}");
        assert!(tree.works() && !tree.has_lode(), "{layout:?}");
        tool.succeed("uninstall", tree);
        assert_same(&before, &tree.snapshot(), "restored and uninstalled");
        // From outside, and lode once more.
        tool.succeed("install", tree);
        assert!(tool.restore(tree).status.success());
        assert!(tree.works() && !tree.has_lode(), "{layout:?}");
        tool.succeed("install", tree);
        assert!(tree.works() && tree.has_lode(), "{layout:?}");
        assert_eq!(tool.status(tree), Some(0), "{layout:?}");
        tool.succeed("uninstall", tree);
        assert_same(&before, &tree.snapshot(), "restored, installed and uninstalled");
    });
}

/// dpkg for the tree, as this machine's root or as one of a namespace.
fn dpkg(tree: &Tree, package: &Path) -> Output {
    run(Command::new("dpkg")
        .arg("--root")
        .arg(tree.root())
        .args(["--force-not-root", "--force-bad-path", "--force-depends", "--install"])
        .arg(package))
}

#[test]
fn an_update_of_the_package_goes_to_the_original() {
    debian(|tool, tree| {
        tool.succeed("install", tree);
        let folder = TempDir::with_prefix("lode-package-").unwrap();
        let package = package(&folder, &fs::read(&tree.libc).unwrap());
        let output = dpkg(tree, &package);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(tree.works() && tree.has_lode());
        assert_eq!(tool.status(tree), Some(0));
        let new = fs::read(Path::new(LIBRARIES).join(NAME)).unwrap().len() + 1;
        assert_eq!(fs::read(tree.beside("lode-original")).unwrap().len(), new);
        tool.succeed("uninstall", tree);
        assert_eq!(fs::read(&tree.loader).unwrap().len(), new);
        assert!(tree.works() && !tree.has_lode());
    });
}

#[test]
fn an_update_after_a_restore_reaches_the_loader() {
    debian(|tool, tree| {
        tool.succeed("install", tree);
        assert!(tool.restore(tree).status.success());
        let folder = TempDir::with_prefix("lode-package-").unwrap();
        let package = package(&folder, &unsupported(&fs::read(&tree.libc).unwrap()));
        assert!(dpkg(tree, &package).status.success());
        assert!(tree.works() && !tree.has_lode());
        let new = fs::read(Path::new(LIBRARIES).join(NAME)).unwrap().len() + 1;
        assert_eq!(fs::read(&tree.loader).unwrap().len(), new);
        tool.succeed("uninstall", tree);
        assert!(tree.works() && !tree.loader.is_symlink());
        assert_eq!(fs::read(&tree.loader).unwrap().len(), new);
    });
}

#[test]
fn an_update_to_an_unsupported_libc_that_was_not_stopped_is_healed_by_the_loader() {
    debian(|tool, tree| {
        tool.succeed("install", tree);
        let folder = TempDir::with_prefix("lode-package-").unwrap();
        let package = package(&folder, &unsupported(&fs::read(&tree.libc).unwrap()));
        assert!(dpkg(tree, &package).status.success());
        assert!(!tree.works() && tree.has_lode());
        assert_eq!(tool.status(tree), Some(4));
        assert!(tree.run(&["/lib64/ld-linux-x86-64.so.2", "--restore"]).status.success());
        assert!(tree.works() && !tree.has_lode());
    });
}

#[test]
fn apt_asks_before_it_unpacks_another_libc() {
    debian(|tool, tree| {
        if !has("apt-config") {
            return;
        }
        let Some(mut namespace) = namespace() else { return };
        tool.succeed("install", tree);
        let settings = tree.folder.child("etc/apt/apt.conf.d/50lode");
        let dump = succeed(Command::new("apt-config").arg("dump").env("APT_CONFIG", &settings));
        let hook = dump.lines().find(|line| line.contains("--check-libc")).unwrap();
        let (_, hook) = hook.split_once('"').unwrap();
        let hook = hook.strip_suffix("\";").unwrap();
        let libc = fs::read(&tree.libc).unwrap();
        let folders = [(); 2].map(|()| TempDir::with_prefix("lode packages ").unwrap());
        let supported = package(&folders[0], &libc);
        let refused = package(&folders[1], &unsupported(&libc));
        fs::write(folders[0].child("hook"), hook).unwrap();
        // The hook names the loader of the system that it runs in.
        let script = "mount --bind \"$1\" /lib64/ld-linux-x86-64.so.2
            sh \"$2\" <<END\n$3\nEND\necho \"supported: $?\"
            sh \"$2\" <<END\n$3\n$4\nEND\necho \"refused: $?\"
            umount --lazy /lib64/ld-linux-x86-64.so.2
            sh \"$2\" <<END\n$4\nEND\necho \"another loader: $?\"";
        let output = run(namespace
            .args(["sh", "-c", script, "sh"])
            .arg(&tree.loader)
            .arg(folders[0].child("hook"))
            .arg(&supported)
            .arg(&refused));
        assert_eq!(
            text(&output.stdout),
            "supported: 0\nrefused: 1\nanother loader: 0\n",
            "{}",
            text(&output.stderr)
        );
        assert!(text(&output.stderr).contains("is not unpacked"));
        tool.succeed("uninstall", tree);
        assert!(!settings.exists());
    });
}

#[test]
fn a_link_to_an_original_that_is_gone_does_not_take_lodes_place() {
    debian(|tool, tree| {
        tool.succeed("install", tree);
        fs::remove_file(tree.beside("lode-original")).unwrap();
        let output = tool.restore(tree);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output.stderr).contains("No such file"),
            "{}",
            text(&output.stderr)
        );
        assert!(tree.works() && tree.has_lode());
    });
}

#[test]
fn an_update_that_renames_the_loader_ends_the_installation() {
    let Some(tool) = Tool::new() else { return };
    let Some(tree) = Tree::new(Layout::Bullseye) else {
        return;
    };
    tool.succeed("install", &tree);
    // As dpkg goes from Debian 11 to 12: the old file goes from where its diversion leads, the new one is no link any more,
    // and programs find it.
    let new = tree.loader.with_file_name(NAME);
    fs::rename(tree.beside("lode-original"), &new).unwrap();
    let asked = tree.folder.child("usr/lib64").join(NAME);
    fs::remove_file(&asked).unwrap();
    symlink(Path::new(LIBRARIES).join(NAME), &asked).unwrap();
    assert!(tree.works() && !tree.has_lode());
    tool.succeed("uninstall", &tree);
    assert!(tree.works());
    let folder = fs::read_dir(tree.loader.parent().unwrap()).unwrap();
    let mut left: Vec<_> = folder.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [NAME, "libc.so.6"]);
    assert!(tool.succeed("uninstall", &tree).contains("is not lode"));
}

#[test]
fn without_a_diversion_an_update_ends_the_installation() {
    debian(|tool, tree| {
        succeed(tool.command("install", tree).arg("--no-divert"));
        assert!(tree.works() && tree.has_lode());
        let folder = TempDir::with_prefix("lode-package-").unwrap();
        let package = package(&folder, &unsupported(&fs::read(&tree.libc).unwrap()));
        assert!(dpkg(tree, &package).status.success());
        assert!(tree.works() && !tree.has_lode());
        let new = fs::read(&tree.loader).unwrap();
        tool.succeed("uninstall", tree);
        assert_eq!(fs::read(&tree.loader).unwrap(), new);
        assert!(!tree.beside("lode-original").exists() && !tree.beside("lode-digest").exists());
    });
}

/// The folder of the lld that comes with the Rust toolchain, under the name that compiler drivers look for.
fn lld() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "target-libdir"]).output().ok()?;
    let folder = Path::new(text(&output.stdout).trim()).parent()?.join("bin/gcc-ld");
    folder.join("ld.lld").exists().then_some(folder)
}

#[test]
fn linkers_take_the_drop_in_for_the_loader_that_libc_names() {
    let Some(tool) = Tool::new() else { return };
    let Some(tree) = Tree::new(Layout::Debian).filter(|_| has("gcc")) else {
        return;
    };
    succeed(tool.command("install", &tree).arg("--no-divert"));
    let libraries = tree.folder.child("usr/lib/x86_64-linux-gnu");
    let development = Path::new("/usr/lib/x86_64-linux-gnu");
    for name in ["libc.so", "libc_nonshared.a", "crt1.o", "Scrt1.o", "crti.o", "crtn.o"] {
        let from = development.join(name);
        if !from.exists() {
            return skip("libc's files for linking are not installed");
        }
        copy(&from, &libraries.join(name));
    }
    let gcc = TempDir::with_prefix("lode-link-").unwrap();
    // __tls_get_addr is the loader's; puts is libc's.
    let sources = [
        (
            "main",
            "#include <stdio.h>\nint answer(void);\nint main(void) { printf(\"%d\\n\", answer()); return 0; }",
        ),
        ("answer", "__thread int value = 42;\nint answer(void) { return value; }"),
    ];
    for (name, source) in sources {
        fs::write(gcc.child(format!("{name}.c")), source).unwrap();
        let source = format!("{name}.c");
        succeed(
            Command::new("gcc")
                .args(["-fPIC", "-c", &source])
                .current_dir(gcc.path()),
        );
    }
    for linker in ["bfd", "lld"] {
        let mut link = vec![format!("-fuse-ld={linker}"), "-static-libgcc".to_owned()];
        if linker == "lld" {
            let Some(folder) = lld() else {
                skip("the Rust toolchain has no lld");
                continue;
            };
            link.push(format!("-B{}", folder.display()));
        }
        link.push(format!("--sysroot={}", tree.root().display()));
        let built = |arguments: &[&str]| {
            succeed(Command::new("gcc").args(&link).args(arguments).current_dir(gcc.path()));
        };
        built(&["-shared", "answer.o", "-o", "libanswer.so", "-Wl,-soname,libanswer.so"]);
        built(&["main.o", "libanswer.so", "-o", "main"]);
        let needed = succeed(
            Command::new("readelf")
                .args(["-dW", "libanswer.so"])
                .current_dir(gcc.path()),
        );
        assert!(needed.contains(&format!("[{NAME}]")), "{linker}: {needed}");
        let versions = succeed(
            Command::new("readelf")
                .args(["-VW", "libanswer.so"])
                .current_dir(gcc.path()),
        );
        assert!(versions.contains("GLIBC_2.3"), "{linker}: {versions}");
        fs::copy(gcc.child("main"), tree.folder.child("usr/bin/main")).unwrap();
        fs::copy(gcc.child("libanswer.so"), libraries.join("libanswer.so")).unwrap();
        let output = tree.run(&["/bin/main"]);
        assert_eq!(text(&output.stdout), "42\n", "{linker}: {}", text(&output.stderr));
        // The same program with the original.
        assert!(tool.restore(&tree).status.success());
        assert_eq!(text(&tree.run(&["/bin/main"]).stdout), "42\n", "{linker}");
        succeed(tool.command("install", &tree).arg("--no-divert"));
    }
}
