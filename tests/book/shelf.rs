//! Where commands of the book are run: folders with what is under test at `target/lode`, as in a source tree.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use snapbox::Assert;
use temp_dir::TempDir;

use crate::pages::Step;
use crate::tools::{has, loader, run, skip, succeed, switches, text, tool};

/// What every page's commands find.
pub struct Shelf {
    /// Has `target/lode`
    folder: TempDir,
    path: OsString,
    lld: String,
}

/// The folders of one page.
pub struct Desk<'a> {
    shelf: &'a Shelf,
    /// By the script that made them; `None` where a program is missing that the script needs
    folders: BTreeMap<Option<String>, Option<TempDir>>,
}

impl Shelf {
    /// Copies what is under test; `None`, with a word, if something is missing.
    pub fn open() -> Option<Shelf> {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lode/libcrt.a");
        let libcrt = env::var_os("LODE_LIBCRT").map_or(built, PathBuf::from);
        let (loader, tool) = (loader()?, tool()?);
        if !has("gcc") || !has("gdb") {
            return None;
        }
        if !libcrt.exists() {
            skip("there is no libcrt.a; `cargo xtask build` makes it");
            return None;
        }
        let Some(lld) = switches("lld") else {
            skip("lld is not installed");
            return None;
        };
        let folder = TempDir::with_prefix("lode-book-").unwrap();
        let products = folder.child("target/lode");
        // Not by this process: a file that one of its threads has open for writing cannot be executed by another.
        succeed(Command::new("mkdir").arg("-p").arg(&products));
        let copies = [
            (loader, "ld-lode-x86_64.so.1"),
            (tool, "lode-tool"),
            (libcrt, "libcrt.a"),
        ];
        for (from, to) in copies {
            succeed(Command::new("cp").arg(from).arg(products.join(to)));
        }
        symlink("ld-lode-x86_64.so.1", products.join("ld-lode")).unwrap();
        let mut path = products.into_os_string();
        path.push(":/usr/bin:/bin:/usr/sbin:/sbin");
        Some(Shelf {
            folder,
            path,
            lld: lld.join(" "),
        })
    }

    /// Folders for one page.
    pub fn desk(&self) -> Desk<'_> {
        Desk {
            shelf: self,
            folders: BTreeMap::new(),
        }
    }

    fn bash(&self, folder: &TempDir, script: &str) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["-c", script])
            .current_dir(folder.path())
            .env_remove("LD_LIBRARY_PATH")
            .env("PATH", &self.path)
            .env("SOURCES", env!("CARGO_MANIFEST_DIR"))
            .env("ROOT", folder.child("tree"))
            .env("LLD", &self.lld)
            // buildah's images stay in the folder.
            .env("CONTAINERS_STORAGE_CONF", folder.child("storage.conf"))
            .env("BUILDAH_ISOLATION", "chroot");
        command
    }
}

impl Desk<'_> {
    /// Runs a command; what it writes instead of what is said is the error.
    pub fn tried(&mut self, script: Option<&str>, step: &Step) -> Result<(), String> {
        let shelf = self.shelf;
        let folder = self.folders.entry(script.map(str::to_owned)).or_insert_with(|| {
            if !script.is_none_or(has_needed) {
                return None;
            }
            let folder = TempDir::with_prefix("lode-page-").unwrap();
            symlink(shelf.folder.child("target"), folder.child("target")).unwrap();
            fs::write(folder.child("storage.conf"), storage(&folder)).unwrap();
            if let Some(script) = script {
                succeed(&mut shelf.bash(&folder, &format!("set -eu; . \"$SOURCES/book/{script}.sh\"")));
            }
            Some(folder)
        });
        let Some(folder) = folder else { return Ok(()) };
        let output = match &step.output {
            Some(_) => run(&mut shelf.bash(folder, &format!("exec 2>&1\n{}", step.command))),
            None => run(&mut shelf.bash(folder, &format!("exec 2>&1; set -e\n{}", step.command))),
        };
        let mut found = text(&output.stdout);
        if !found.is_empty() && !found.ends_with('\n') {
            found.push('\n');
        }
        if !output.status.success() {
            found += &format!("[exit {}]\n", output.status.code().unwrap_or_default());
        }
        let Some(expected) = &step.output else {
            return output.status.success().then_some(()).ok_or(found);
        };
        let found = found.replace(&*folder.path().to_string_lossy(), "/srv/app");
        let found = without_accidents(&found);
        let compared = Assert::new().try_eq(None, found.into(), without_accidents(expected).into());
        compared.map_err(|error| error.to_string())
    }
}

/// Whether the programs are there that a script's line `# needs:` names.
fn has_needed(script: &str) -> bool {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("book/{script}.sh"));
    let text = fs::read_to_string(place).unwrap();
    let needed = text.lines().find_map(|line| line.strip_prefix("# needs: "));
    needed
        .unwrap_or_default()
        .split(' ')
        .filter(|name| !name.is_empty())
        .all(has)
}

/// Where buildah keeps images: nowhere else, and without the right to mount.
fn storage(folder: &TempDir) -> String {
    let path = folder.path().display();
    format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{path}/storage\"\nrunroot = \"{path}/run\"\n")
}

/// Addresses and times without their digits.
fn without_accidents(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_hexdigit).count();
        match digits {
            0..3 => shown = shown + "0x" + part,
            _ => shown = shown + "0xADDRESS" + &part[digits..],
        }
    }
    let mut words: Vec<String> = shown.split(' ').map(str::to_owned).collect();
    for at in 1..words.len() {
        let Some(unit) = ["ns", "µs", "ms"].iter().find(|unit| words[at].starts_with(**unit)) else {
            continue;
        };
        if words[at - 1].parse::<f64>().is_ok() {
            "N".clone_into(&mut words[at - 1]);
            words[at] = words[at].replacen(unit, "time", 1);
        }
    }
    words.join(" ")
}
