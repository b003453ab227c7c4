//! The trees of `cargo xtask test --suite trees`: root file systems of the releases of Debian whose glibc lode knows, made by debootstrap.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_TREES` | the trees to use, separated by colons; nothing is made |
//! | `LODE_TREES_FOLDER` | where the trees are kept; default: target/lode/trees |
//! | `LODE_MIRROR` | a mirror of Debian for debootstrap; default: the one that this machine's apt uses, if the machine is Debian |

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;

/// The name of the suite.
pub const SUITE: &str = "trees";
/// What the command line says for the release whose turn it is.
pub const BY_COMMIT: &str = "by-commit";
/// The name of the suite that runs the same programs under a loader that has upstream's rows only.
pub const UPSTREAM: &str = "upstream";
/// The variable that tells the tests so.
pub const ROWS: &str = "LODE_TREES_ROWS";
/// The variable that names the trees to the tests, separated by colons.
pub const VARIABLE: &str = "LODE_TREES";

const FOLDER: &str = "LODE_TREES_FOLDER";
const MIRROR: &str = "LODE_MIRROR";

/// The releases: glibc 2.31, 2.36, 2.41 and the newest.
pub const RELEASES: [&str; 4] = ["bullseye", "bookworm", "trixie", "sid"];

/// What a tree has beyond the minimum; python's own tests come in a package that is named after its version. libc6-amd64-cross is an older build of the
/// release's glibc, beside that of the tree.
const PACKAGES: &str = "gcc,g++,libc6-amd64-cross,libc6-dev,locales,make,netbase,perl,python3";

/// How often debootstrap is tried: mirrors fail now and then.
const ATTEMPTS: u64 = 3;

/// The trees: those that the caller named in the environment, or else that of `release`, or one for each release. What is not there yet is made.
///
/// # Errors
/// There is no such release, no mirror, no debootstrap, or it fails: it needs root and the network.
pub fn ready(release: Option<&str>) -> Result<OsString> {
    if let Some(named) = env::var_os(VARIABLE) {
        ensure!(release.is_none(), "{VARIABLE} names the trees, and so does --tree");
        return Ok(named);
    }
    let wanted = match release {
        None => RELEASES.to_vec(),
        Some(BY_COMMIT) => vec![turn(&commit()?)?],
        Some(name) => vec![
            *(RELEASES.iter().find(|release| **release == name))
                .with_context(|| format!("there is no tree `{name}`, but {} and {BY_COMMIT}", RELEASES.join(", ")))?,
        ],
    };
    println!("trees: {}", wanted.join(", "));
    ensure!(
        nix::unistd::geteuid().is_root(),
        "only root can make the trees and change the root into them; without {VARIABLE}, that is what this suite is"
    );
    let trees: Vec<PathBuf> = wanted.into_iter().map(tree).collect::<Result<_>>()?;
    Ok(env::join_paths(trees)?)
}

/// The name of the commit that is checked out.
fn commit() -> Result<String> {
    let output = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(workspace::root())
        .output()
        .context("cannot start git")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`git rev-parse HEAD`: {}: {}",
        output.status,
        said.trim_end()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A number that each commit has its own of; `None` where the sources are in no repository.
pub fn number_of_the_commit() -> Option<u64> {
    let commit = commit().ok()?;
    u64::from_str_radix(commit.get(..12)?, 16).ok()
}

/// The release whose turn it is at a commit: its name is a hash, so each of them has its turn as often as the others.
fn turn(commit: &str) -> Result<&'static str> {
    let number = (commit.get(..8))
        .and_then(|digits| usize::from_str_radix(digits, 16).ok())
        .with_context(|| format!("`{commit}` is no commit"))?;
    Ok(RELEASES[number % RELEASES.len()])
}

/// The tree of a release, made if it is not there or was made with other packages.
fn tree(release: &str) -> Result<PathBuf> {
    let folder = env::var_os(FOLDER).map_or_else(|| workspace::products().join(SUITE), PathBuf::from);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    let (tree, stamp) = (folder.join(release), folder.join(format!("{release}.packages")));
    if tree.is_dir() && fs::read_to_string(&stamp).is_ok_and(|packages| packages == PACKAGES) {
        return Ok(tree);
    }
    // Under another name until it is whole, so that a run that was broken off leaves nothing that looks ready.
    let new = folder.join(format!("{release}.new"));
    let mirror = mirror()?;
    let mut attempt = 1;
    while let Err(error) = remove(&new).and_then(|()| debootstrap(release, &new, &mirror)) {
        if attempt == ATTEMPTS {
            return Err(error.context(format!(
                "the tree of {release} cannot be made from {mirror}; {MIRROR} names another mirror, {VARIABLE} trees that are there"
            )));
        }
        eprintln!("xtask: attempt {attempt} to make the tree of {release} failed: {error:#}");
        thread::sleep(Duration::from_secs(attempt * 5));
        attempt += 1;
    }
    remove(&tree)?;
    fs::rename(&new, &tree).with_context(|| format!("cannot rename {}", new.display()))?;
    fs::write(&stamp, PACKAGES).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(tree)
}

fn remove(tree: &Path) -> Result<()> {
    if tree.exists() {
        fs::remove_dir_all(tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    }
    Ok(())
}

/// debootstrap, in a mount namespace of its own: should it be broken off, nothing of the machine stays mounted in a folder that is removed later.
fn bootstrap() -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "debootstrap",
        "--variant=minbase",
    ]);
    // A machine that goes down takes the tree with it: there is no need to wait for the disk.
    command.env("DPKG_FORCE", "unsafe-io");
    command
}

fn debootstrap(release: &str, folder: &Path, mirror: &str) -> Result<()> {
    let tests = python_tests(release, folder, mirror)?;
    remove(folder)?;
    let mut command = bootstrap();
    command
        .arg(format!("--include={PACKAGES},{tests}"))
        .arg(release)
        .arg(folder)
        .arg(mirror);
    let log = folder.with_extension("log");
    let lines = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
    let status = workspace::status(command.stdout(lines.try_clone()?).stderr(lines))?;
    if !status.success() {
        // What failed stands at the end.
        let text = fs::read_to_string(&log).unwrap_or_default();
        let start = text.lines().count().saturating_sub(10);
        text.lines().skip(start).for_each(|line| eprintln!("{line}"));
        bail!("debootstrap: {status}");
    }
    Ok(())
}

/// The package with the tests of the release's python3. Where that may still change, debootstrap is asked what it would install.
fn python_tests(release: &str, folder: &Path, mirror: &str) -> Result<String> {
    let version = match release {
        "bullseye" => "3.9".to_owned(),
        "bookworm" => "3.11".to_owned(),
        "trixie" => "3.13".to_owned(),
        _ => {
            let output = bootstrap()
                .args(["--print-debs", "--include=python3", release])
                .arg(folder)
                .arg(mirror)
                .stderr(Stdio::inherit())
                .output()
                .context("cannot start debootstrap")?;
            let packages = String::from_utf8_lossy(&output.stdout).into_owned();
            let mut versions = packages
                .split_whitespace()
                .filter_map(|package| package.strip_prefix("libpython")?.strip_suffix("-stdlib"));
            let Some(version) = versions.find(|version| version.contains('.')) else {
                bail!(
                    "debootstrap does not say which python3 {release} has: {}",
                    output.status
                );
            };
            version.to_owned()
        }
    };
    Ok(format!("libpython{version}-testsuite"))
}

/// The mirror that debootstrap and apt shall use.
///
/// # Errors
/// None is named, and the machine is not Debian.
pub fn mirror() -> Result<String> {
    if let Ok(named) = env::var(MIRROR) {
        return Ok(named);
    }
    let unknown = || format!("this machine's apt has no mirror of Debian; {MIRROR} names one");
    let system = fs::read_to_string("/etc/os-release").with_context(unknown)?;
    let value = |key: &str| {
        system
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_default()
    };
    ensure!(value("ID=") == "debian", unknown());
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(COMPONENT) $(RELEASE) $(REPO_URI)",
            "Created-By: Packages",
        ])
        .output()
        .with_context(unknown)?;
    first_mirror(&String::from_utf8_lossy(&output.stdout), value("VERSION_CODENAME=")).with_context(unknown)
}

/// The first of apt's repositories, as `COMPONENT RELEASE ADDRESS`, that has the main component of the machine's own release, and that debootstrap can
/// reach.
fn first_mirror(repositories: &str, codename: &str) -> Option<String> {
    let wanted = format!("main {codename} ");
    let mut addresses = repositories.lines().filter_map(|line| line.strip_prefix(&wanted));
    addresses.find(|address| address.starts_with("http")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_release_has_its_turn() {
        let turns = ["00000000", "00000001", "0000000e", "ffffffff"].map(|start| turn(&format!("{start}00")).unwrap());
        assert_eq!(turns, ["bullseye", "bookworm", "trixie", "sid"]);
        assert!(turn("HEAD").is_err());
    }

    #[test]
    fn the_mirror_is_that_of_the_machines_own_release() {
        let repositories = "main nodistro https://other.invalid/\nmain bookworm-updates http://u.invalid/\nmain bookworm cdrom://x/\n\
                            main bookworm http://a.invalid/debian/\nmain bookworm http://b.invalid/debian/\n";
        assert_eq!(
            first_mirror(repositories, "bookworm").unwrap(),
            "http://a.invalid/debian/"
        );
        assert_eq!(first_mirror(repositories, "trixie"), None);
    }
}
