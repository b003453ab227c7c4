//! The libc.so of musl for `cargo xtask test --suite musl`: the packages of Debian's releases, fetched by apt with a configuration of their own.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_MUSL` | the libc.so to use, separated by colons; nothing is fetched |
//! | `LODE_MIRROR` | a mirror of Debian; default: the one that this machine's apt uses, if the machine is Debian |

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{trees, workspace};

/// The name of the suite.
pub const SUITE: &str = "musl";
/// The variable that names the files to the tests.
pub const VARIABLE: &str = "LODE_MUSL";
/// The variable that names a folder for packages of other registries.
pub const PACKAGES: &str = "LODE_MUSL_PACKAGES";

/// The keys of Debian's archive.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Where a package of musl has its libc, in the older and in the newer releases.
const PLACES: [&str; 2] = ["lib/x86_64-linux-musl/libc.so", "usr/lib/x86_64-linux-musl/libc.so"];

/// The files that the caller named, or those of the four releases, separated by colons. What is not there yet is fetched.
///
/// # Errors
/// There is no mirror, no apt, or the network fails.
pub fn ready() -> Result<OsString> {
    if let Some(named) = env::var_os(VARIABLE) {
        return Ok(named);
    }
    println!("musl of {}", trees::RELEASES.join(", "));
    let folder = folder()?;
    let libcs: Vec<PathBuf> = trees::RELEASES
        .iter()
        .map(|release| libc(&folder.join(release), release))
        .collect::<Result<_>>()?;
    Ok(env::join_paths(libcs)?)
}

/// Where packages of other registries are kept.
///
/// # Errors
/// The folder cannot be made.
pub fn packages() -> Result<PathBuf> {
    let packages = folder()?.join("packages");
    fs::create_dir_all(&packages)?;
    Ok(packages)
}

fn folder() -> Result<PathBuf> {
    let folder = workspace::products().join(SUITE);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder.canonicalize()?)
}

/// The libc.so of a release, in its unpacked package.
fn libc(folder: &Path, release: &str) -> Result<PathBuf> {
    let tree = folder.join("tree");
    if !tree.is_dir() {
        // Under another name until it is whole.
        let partial = folder.join("partial");
        fetch(folder, release, &partial).with_context(|| format!("the package musl of {release} cannot be had"))?;
        fs::rename(&partial, &tree)?;
    }
    PLACES
        .iter()
        .map(|place| tree.join(place))
        .find(|path| path.is_file())
        .with_context(|| format!("no libc.so in {}", tree.display()))
}

/// Lets apt fetch the package, with nothing of the machine's own configuration but its proxies, and unpacks it.
fn fetch(folder: &Path, release: &str, into: &Path) -> Result<()> {
    for name in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(folder.join(name))?;
    }
    fs::write(
        folder.join("sources.list"),
        format!("deb [signed-by={KEYS}] {} {release} main\n", trees::mirror()?),
    )?;
    fs::write(folder.join("status"), "")?;
    for words in [["update"].as_slice(), ["download", "musl"].as_slice()] {
        let status = workspace::status(apt(folder).args(words))?;
        ensure!(status.success(), "apt-get {}: {status}", words.join(" "));
    }
    let package = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get fetched nothing")?;
    let status = workspace::status(Command::new("dpkg-deb").arg("-x").arg(package).arg(into))?;
    ensure!(status.success(), "dpkg-deb: {status}");
    Ok(())
}

fn apt(folder: &Path) -> Command {
    let mut command = Command::new("apt-get");
    let option = |name: &str, value: &str| format!("{name}={value}");
    let place = |name: &str, file: &str| option(name, &folder.join(file).to_string_lossy());
    for setting in [
        place("Dir::Etc::sourcelist", "sources.list"),
        option("Dir::Etc::sourceparts", "-"),
        place("Dir::State::lists", "lists"),
        place("Dir::State::status", "status"),
        place("Dir::Cache", "cache"),
        option("Acquire::Languages", "none"),
        option("Acquire::Retries", "3"),
        option("APT::Architecture", "amd64"),
        // The folder may be one that apt's own user may not enter.
        option("APT::Sandbox::User", "root"),
    ] {
        command.arg("-o").arg(setting);
    }
    command.arg("-qq").current_dir(folder);
    command
}
