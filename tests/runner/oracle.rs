//! Whose answers count as right: the system's loader for glibc, musl's own for musl, which may be several releases of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// glibc's loader.
const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";
/// musl's loader, by the name that programs carry.
pub const MUSL: &str = "/lib/ld-musl-x86_64.so.1";

/// A loader that runs the same program for comparison.
#[derive(Debug)]
pub struct Oracle {
    /// The file that is run as a command, and that the program's copy names.
    pub loader: PathBuf,
    /// The copy of the program that names it.
    pub copy: String,
    /// The libc that lode is told to use, where it is not to find one.
    pub libc: Option<PathBuf>,
    /// The release, where there is more than one oracle for a libc, or it decides what to ask.
    pub release: String,
}

impl Oracle {
    /// The system's own loader.
    pub fn of_glibc() -> Oracle {
        Oracle {
            loader: PathBuf::from(GLIBC),
            copy: "main.oracle".to_owned(),
            libc: None,
            release: String::new(),
        }
    }

    /// The machine's musl; it is what lode finds by itself.
    pub fn of_musl() -> Oracle {
        Oracle {
            loader: PathBuf::from(MUSL),
            copy: "main".to_owned(),
            libc: None,
            release: release(Path::new(MUSL)).unwrap_or_default(),
        }
    }

    /// Another libc.so of musl, the `index`th that was named, by a name in `folder` that a program has room for.
    ///
    /// # Errors
    /// The file does not say its release, so it is none of musl's; or the name cannot be made.
    pub fn named(folder: &Path, index: usize, libc: &Path) -> Result<Oracle, String> {
        let release = release(libc).ok_or_else(|| format!("{}: not a libc.so of musl", libc.display()))?;
        // musl looks for etc/ld-musl-x86_64.path beside the folder of its own name: there is none.
        let place = folder.join(index.to_string()).join("lib");
        let loader = place.join("ld-musl-x86_64.so.1");
        fs::create_dir_all(&place)
            .and_then(|()| symlink(libc.canonicalize()?, &loader))
            .map_err(|error| format!("{}: {error}", loader.display()))?;
        Ok(Oracle {
            libc: Some(loader.clone()),
            copy: format!("main.oracle-{index}"),
            loader,
            release,
        })
    }

    /// Whether the loader is of this release or a later one.
    pub fn is_since(&self, release: &str) -> bool {
        let numbers = |text: &str| -> Vec<u32> { text.split('.').map(|part| part.parse().unwrap_or(0)).collect() };
        release.is_empty() || numbers(&self.release) >= numbers(release)
    }
}

/// What musl's loader says of itself when it is run without a program.
fn release(loader: &Path) -> Option<String> {
    let output = Command::new(loader).output().ok()?;
    let text = String::from_utf8(output.stderr).ok()?;
    let version = text.lines().find_map(|line| line.strip_prefix("Version "))?;
    Some(version.to_owned())
}
