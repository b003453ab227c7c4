//! A folder for images, and ways to run what is in them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::unistd::geteuid;
use serde_json::Value;
use temp_dir::TempDir;

use crate::tools::{has, loader, run, succeed, text, tool};

/// The only loader that an image may have, whatever it is called.
const MARK: &[u8] = b", an ELF program interpreter for Linux\n";

/// A folder, the tool and the loader.
pub struct Bench {
    pub folder: TempDir,
    tool: PathBuf,
    loader: PathBuf,
}

impl Bench {
    /// `None`, with a word, if something is missing.
    pub fn new() -> Option<Bench> {
        let (tool, loader) = (tool()?, loader()?);
        ["gcc", "umoci", "unshare"].into_iter().all(has).then(|| Bench {
            folder: TempDir::with_prefix("lode-containers-").unwrap(),
            tool,
            loader,
        })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.child(name)
    }

    /// Links a program or library from a source text.
    pub fn link(&self, compiler: &str, name: &str, source: &str, switches: &[&str]) -> PathBuf {
        let place = self.path(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(self.path("source.c"), source).unwrap();
        succeed(
            Command::new(compiler)
                .current_dir(self.folder.path())
                .args(["-w", "-o", name, "source.c"])
                .args(switches),
        );
        place
    }

    /// `lode-tool` with these words, in the folder.
    pub fn tool(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.tool);
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_remove("LD_LIBRARY_PATH")
            .env_remove("SOURCE_DATE_EPOCH");
        command
    }

    /// `lode-tool image` with these words and the loader under test.
    pub fn image(&self, words: &[&str]) -> Command {
        let mut command = self.tool(&["image"]);
        command.args(words).arg("--loader").arg(&self.loader);
        command
    }

    /// Makes an image and unpacks it; returns the folder with its root, and what the tool said.
    pub fn unpacked(&self, name: &str, words: &[&str]) -> (PathBuf, String) {
        let said = succeed(self.image(words).args(["-o", name]));
        let root = self.path(&format!("{name}.root"));
        succeed(
            Command::new("umoci")
                .args(["raw", "unpack", "--rootless", "--image"])
                .arg(format!("{}:latest", self.path(name).display()))
                .arg(&root),
        );
        assert_eq!(loaders(&root), ["lode"], "{}", root.display());
        (root, said)
    }

    /// Runs a program of a root in every way that this machine has; all have to succeed and write the same, which is returned.
    pub fn run(&self, root: &Path, words: &[&str]) -> String {
        let mut ways = vec![vec!["-Ur"]];
        if geteuid().is_root() {
            ways.push(vec![]);
        }
        let outputs = ways.into_iter().map(|way| {
            let mut command = Command::new("unshare");
            command.args(way).arg("--root").arg(root).args(words);
            succeed(command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default()))
        });
        let outputs: Vec<String> = outputs.collect();
        assert!(outputs.windows(2).all(|two| two[0] == two[1]), "{outputs:?}");
        outputs[0].clone()
    }

    /// Runs the entrypoint of an image by runc; `None`, with a word, where runc cannot run.
    pub fn runc(&self, name: &str) -> Option<Output> {
        if !has("runc") {
            return None;
        }
        if !geteuid().is_root() {
            println!("runc is tried as root only");
            return None;
        }
        let bundle = self.path(&format!("{name}.bundle"));
        succeed(
            Command::new("umoci")
                .args(["unpack", "--image"])
                .arg(format!("{}:latest", self.path(name).display()))
                .arg(&bundle),
        );
        let place = bundle.join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&place).unwrap()).unwrap();
        config["process"]["terminal"] = Value::Bool(false);
        // Nobody may raise a limit here, and umoci asks for more files.
        config["process"].as_object_mut().unwrap().remove("rlimits");
        fs::write(&place, config.to_string()).unwrap();
        // Other tests run an image of this name at the same time.
        let id = format!("lode-test-{}-{name}", self.folder.path().file_name().unwrap().display());
        Some(run(Command::new("runc").args(["run", &id]).current_dir(&bundle)))
    }

    /// What the tool said, with the folder called DIR.
    pub fn said(&self, command: &mut Command) -> String {
        let output = run(command);
        let said = text(&output.stdout) + &text(&output.stderr);
        let said = said.replace(&*self.folder.path().to_string_lossy(), "DIR");
        format!("{said}[exit {}]\n", output.status.code().unwrap())
    }
}

/// The loaders in a tree: files that call themselves one, and musl's libc under a loader's name.
fn loaders(root: &Path) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() && path.file_name().unwrap().to_string_lossy().starts_with("ld-") {
                let bytes = fs::read(&path).unwrap();
                if !bytes.starts_with(b"\x7fELF") {
                    continue;
                }
                let is_lode = bytes.windows(MARK.len()).any(|window| window == MARK);
                found.push(if is_lode { "lode" } else { "another" });
            }
        }
    }
    found
}

/// A text without the sizes of what was looked at, to which the loader's own belongs.
fn without_sizes(text: &str) -> String {
    let line = |line: &str| match line.split_once(" files, ") {
        Some((front, behind)) if behind.ends_with(" looked at") => format!("{front} files, SIZE looked at\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Holds a text against a file of this folder.
pub fn golden(name: &str, found: &str) {
    let found = &*without_sizes(found);
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("containers").join(name);
    if env::var("LODE_BLESS").as_deref() == Ok("1") {
        return fs::write(place, found).unwrap();
    }
    let expected = fs::read_to_string(&place).unwrap_or_default();
    assert!(
        expected == found,
        "{} differs; LODE_BLESS=1 writes it\n--- expected\n{expected}--- found\n{found}---",
        place.display()
    );
}
