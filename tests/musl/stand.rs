//! A folder with programs of musl, and the ways to start them under lode and under musl's own loader.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use temp_dir::TempDir;

use crate::oracle::{MUSL, Oracle};
use crate::tools::{has, loader, namespace, skip, text};

/// A place to build in, with the loader under test.
pub struct Stand {
    pub folder: TempDir,
    /// A copy of lode that every user can read.
    pub lode: PathBuf,
    /// musl, each release of it that was named, or the machine's.
    pub libcs: Vec<Oracle>,
}

/// What a program left behind, where both loaders have to agree.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    pub stdout: String,
    pub status: Option<i32>,
}

impl Stand {
    /// `None`, with a word, where there is no loader or no musl.
    pub fn open() -> Option<Stand> {
        let loader = loader()?;
        if !has("musl-gcc") || !Path::new(MUSL).exists() {
            skip("musl is not installed");
            return None;
        }
        let folder = TempDir::with_prefix("lode-musl-").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let lode = folder.path().join("lode");
        fs::copy(loader, &lode).unwrap();
        let named: Vec<PathBuf> = env::var_os("LODE_MUSL").iter().flat_map(env::split_paths).collect();
        let named = if named.is_empty() {
            vec![PathBuf::from(MUSL)]
        } else {
            named
        };
        let libcs = (named.iter().enumerate())
            .map(|(index, libc)| Oracle::named(folder.path(), index, libc).unwrap())
            .collect();
        Some(Stand { folder, lode, libcs })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Compiles `source` with musl-gcc to `name`.
    pub fn compile(&self, name: &str, source: &str, flags: &[&str]) {
        let file = self.path(&format!("{}.c", name.replace('/', "-")));
        fs::write(&file, source).unwrap();
        let output = Command::new("musl-gcc")
            .args(["-O1", "-g", "-w", "-o", name])
            .arg(&file)
            .args(flags)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    }

    /// Runs a script where the file that programs of musl name as their loader is lode, or musl's own of that release. `None` where there are no
    /// namespaces.
    pub fn script(&self, libc: &Oracle, tested: bool, script: &str) -> Option<Output> {
        let system = Path::new(MUSL).canonicalize().unwrap();
        // Under another name: the machine's own is bound over.
        let copy = self.path(&format!("libc-{}.so", libc.release));
        if !copy.exists() {
            fs::copy(&libc.loader, &copy).unwrap();
        }
        let output = namespace()?
            .args([
                "sh",
                "-c",
                "mount --make-rprivate / && mount --bind \"$1\" \"$2\" && exec sh -c \"$3\"",
                "sh",
            ])
            .arg(if tested { &self.lode } else { &copy })
            .arg(system)
            .arg(script)
            .current_dir(self.folder.path())
            .env("LC_ALL", "C")
            .env("LODE_OPTIONS", format!("libc={}", copy.display()))
            .output()
            .unwrap();
        Some(output)
    }

    /// Runs a script under lode with every musl, and under each musl's own loader; all have to agree on `expected`.
    pub fn agree(&self, script: &str, expected: &str) {
        self.agree_since("", "", script, expected);
    }

    /// The same with every musl from release `libc` on, which has all that is needed, and under its own loader from release `loader` on.
    pub fn agree_since(&self, libc: &str, loader: &str, script: &str, expected: &str) {
        let (oldest, oldest_loader) = (libc, loader);
        for libc in self.libcs.iter().filter(|libc| libc.is_since(oldest)) {
            for tested in [false, true] {
                if !tested && !libc.is_since(oldest_loader) {
                    continue;
                }
                let Some(output) = self.script(libc, tested, script) else {
                    return;
                };
                let left = Left {
                    stdout: text(&output.stdout),
                    status: output.status.code(),
                };
                let wanted = Left {
                    stdout: expected.to_owned(),
                    status: Some(0),
                };
                let who = if tested { "lode" } else { "its own loader" };
                assert_eq!(
                    left,
                    wanted,
                    "musl {} under {who}: {}",
                    libc.release,
                    text(&output.stderr)
                );
            }
        }
    }
}
