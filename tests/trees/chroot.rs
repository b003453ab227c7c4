//! Whole systems: in a copy of a tree lode-tool puts lode in the loader's place, no other loader stays, and everything that a system does with its
//! packages, its compilers and its interpreters has to end as in a copy with its own loader.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use crate::tools::{loader, namespace, skip, text, tool};
use crate::{has, interpreter, trees};

/// A script of chroot/, and the programs that a tree must have for it. The last one brings the tree's own loader back, as a file that is kept.
const SCRIPTS: &[(&str, &[&str])] = &[
    ("dpkg", &["dpkg"]),
    ("apt", &["dpkg", "apt-get"]),
    ("perl", &["perl"]),
    ("names", &["getent", "iconv", "useradd", "su"]),
    ("locale", &["localedef", "python3"]),
    ("tools", &["bash", "sort", "tar", "python3"]),
    ("ldconfig", &["gcc", "perl", "python3", "apt-get"]),
    ("project", &["gcc", "make"]),
    ("static", &["gcc"]),
    ("before-2.34", &["gcc"]),
    ("libc-update", &["dpkg", "apt-get"]),
];

/// What a script left.
#[derive(PartialEq, Eq)]
struct Left {
    stdout: String,
    status: String,
}

/// Runs scripts in a copy of the tree, with its own loader or with lode alone. The second text of each is its standard error.
fn within(tree: &Path, loader: Option<(&Path, &Path)>, scripts: &[&str]) -> Option<Vec<(Left, String)>> {
    let results = temp_dir::TempDir::with_prefix("lode-trees-").unwrap();
    let (loader, tool) = loader.unwrap_or((Path::new(""), Path::new("")));
    let output = namespace()?
        .arg("sh")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("trees/enter.sh"))
        .arg(tree)
        .arg(interpreter(tree))
        .args([results.path(), loader, tool])
        .args(scripts)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", tree.display(), text(&output.stderr));
    let read = |script: &str, what: &str| text(&fs::read(results.child(format!("{script}.{what}"))).unwrap());
    let left = scripts.iter().map(|script| {
        let left = Left {
            stdout: read(script, "stdout"),
            status: read(script, "status"),
        };
        (left, read(script, "stderr"))
    });
    Some(left.collect())
}

/// The trees that are whole systems of Debian, and what is put into them.
fn systems() -> Option<(Vec<PathBuf>, PathBuf, PathBuf)> {
    let systems: Vec<PathBuf> = trees()
        .into_iter()
        .filter(|tree| fs::metadata(tree.join("var/lib/dpkg/status")).is_ok_and(|status| status.len() > 0))
        .collect();
    if systems.is_empty() {
        return None;
    }
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip("only root can install lode into a system and change the root into it");
        return None;
    }
    Some((systems, loader()?, tool()?))
}

#[test]
fn whole_systems_live_on_lode_alone() {
    let Some((systems, loader, tool)) = systems() else {
        return;
    };
    let mut all = String::new();
    for tree in systems {
        let scripts: Vec<&str> = SCRIPTS
            .iter()
            .filter(|(_, programs)| programs.iter().all(|program| has(&tree, program)))
            .map(|(script, _)| *script)
            .collect();
        let (own, lode) = thread::scope(|scope| {
            let own = scope.spawn(|| within(&tree, None, &scripts));
            let lode = within(&tree, Some((&loader, &tool)), &scripts);
            (own.join().unwrap(), lode)
        });
        let (Some(own), Some(lode)) = (own, lode) else {
            return;
        };
        for ((script, own), lode) in scripts.iter().zip(own).zip(lode) {
            if own.0 != lode.0 || own.0.status.trim() != "0" {
                all.push_str(&format!(
                    "{}: {script}\nits own loader ({}):\n{}{}lode ({}):\n{}{}",
                    tree.display(),
                    own.0.status.trim(),
                    own.0.stdout,
                    own.1,
                    lode.0.status.trim(),
                    lode.0.stdout,
                    lode.1,
                ));
            }
        }
    }
    assert!(all.is_empty(), "{all}");
}

/// What fails under lode has to fail under the tree's own loader too: a machine without IPv6, say, is not lode's fault.
#[test]
fn the_tests_of_python_pass_on_lode_alone() {
    let Some((systems, loader, tool)) = systems() else {
        return;
    };
    for tree in systems {
        let mut folders = fs::read_dir(tree.join("usr/lib")).unwrap();
        if !folders.any(|entry| entry.unwrap().path().join("test/test_ssl.py").exists()) {
            skip(&format!("{} has no tests of python", tree.display()));
            continue;
        }
        let Some(lode) = within(&tree, Some((&loader, &tool)), &["python"]) else {
            return;
        };
        let (lode, why) = &lode[0];
        if lode.status.trim() != "0" {
            let own = within(&tree, None, &["python"]).unwrap();
            assert!(
                *lode == own[0].0,
                "{}: lode ({}):\n{}{why}\nits own loader ({}):\n{}",
                tree.display(),
                lode.status.trim(),
                lode.stdout,
                own[0].0.status.trim(),
                own[0].0.stdout
            );
        }
    }
}
