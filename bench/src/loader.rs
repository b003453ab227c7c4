//! The loaders that are compared: what each is, and how a program is started under it.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use object::LittleEndian;
use object::elf::{FileHeader64, PT_INTERP, ProgramHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use serde::Serialize;
use temp_dir::TempDir;

use crate::measure::Start;

/// glibc's loader as the psABI names it.
const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";
/// musl's libc, which is its loader too.
const MUSL: &str = "/lib/ld-musl-x86_64.so.1";
/// What `cargo xtask build` leaves.
const LODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/lode/ld-lode-x86_64.so.1");

/// What a loader is in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The first: all ratios are to it.
    Yardstick,
    /// The yardstick once more, as another file: it shows how much two equal loaders differ.
    Copy,
    /// musl's: programs of glibc do not run under it.
    Musl,
    /// One that has goals.
    Judged,
    /// The program that does the least which a loader has to do; no loader.
    Bound,
    /// The same with dense segments in huge pages.
    HugeBound,
}

/// A loader by its name and file, as `--loader` takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// The name in tables.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Variables of the environment that programs have under it.
    pub variables: Vec<(String, String)>,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Named, String> {
        let wanted = || "NAME=PATH[;VARIABLE=VALUE...] is wanted, as in glibc=/lib64/ld-linux-x86-64.so.2".to_owned();
        let mut parts = text
            .split(';')
            .map(|part| part.split_once('=').filter(|(name, _)| !name.is_empty()));
        let (name, path) = parts
            .next()
            .flatten()
            .filter(|(_, path)| !path.is_empty())
            .ok_or_else(wanted)?;
        let variables = parts.map(|part| part.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Ok(Named {
            name: name.to_owned(),
            path: path.into(),
            variables: variables.collect::<Option<_>>().ok_or_else(wanted)?,
        })
    }
}

/// A loader that takes part.
#[derive(Debug, Clone, Serialize)]
pub struct Loader {
    /// The name in tables.
    pub name: String,
    /// The file, absolute.
    pub path: PathBuf,
    /// What it is here.
    pub role: Role,
    /// What it says of itself.
    pub version: String,
    /// Bytes of its file.
    pub size: u64,
    /// Variables of the environment that programs have under it.
    pub variables: Vec<(String, String)>,
}

impl Loader {
    fn new(name: &str, path: &Path, role: Option<Role>) -> Result<Loader> {
        let path = path
            .canonicalize()
            .with_context(|| format!("there is no loader {}", path.display()))?;
        let version = version(&path);
        let own = if version.contains("musl") {
            Role::Musl
        } else {
            Role::Judged
        };
        Ok(Loader {
            name: name.to_owned(),
            size: fs::metadata(&path)?.len(),
            role: role.unwrap_or(own),
            version,
            path,
            variables: Vec::new(),
        })
    }
}

impl Loader {
    /// Whether it is told to put data into huge pages, by lode's option of that name.
    pub fn has_huge_pages(&self) -> bool {
        let says = |(name, value): &(String, String)| {
            name == "LODE_OPTIONS" && value.split(',').any(|word| word == "hugepages")
        };
        self.variables.iter().any(says)
    }
}

/// The loaders that `--loader` names, or else those of the system and lode's; with a copy of the first, which is made in `folder`.
///
/// # Errors
/// There is no such file, or two have one name.
pub fn all(named: &[Named], folder: &Path) -> Result<Vec<Loader>> {
    let mut loaders = Vec::new();
    if named.is_empty() {
        loaders.push(Loader::new("glibc", Path::new(GLIBC), Some(Role::Yardstick))?);
        let lode = env::var_os("LODE_LOADER").map_or_else(|| PathBuf::from(LODE), PathBuf::from);
        loaders.push(Loader::new("lode", &lode, Some(Role::Judged)).context("`cargo xtask build` makes it")?);
        if Path::new(MUSL).exists() {
            loaders.push(Loader::new("musl", Path::new(MUSL), None)?);
        }
    }
    for (index, Named { name, path, variables }) in named.iter().enumerate() {
        let mut loader = Loader::new(name, path, (index == 0).then_some(Role::Yardstick))?;
        loader.variables.clone_from(variables);
        loaders.push(loader);
    }
    for (index, loader) in loaders.iter().enumerate() {
        let is_second = loaders.iter().take(index).any(|other| other.name == loader.name);
        ensure!(!is_second, "two loaders are called {}", loader.name);
    }
    let yardstick = loaders.first().context("there is a yardstick")?;
    let copy = folder.join("copy");
    fs::copy(&yardstick.path, &copy)?;
    let mut again = Loader::new(&format!("{} again", yardstick.name), &copy, Some(Role::Copy))?;
    again.variables.clone_from(&yardstick.variables);
    loaders.push(again);
    Ok(loaders)
}

/// The line in which a loader says its version: glibc and lode with `--version`, musl whenever it is given no program.
fn version(path: &Path) -> String {
    let output = Command::new(path)
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        return "does not start as a command".to_owned();
    };
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or("says no version");
    match first.contains("musl") {
        true => format!("{first} {}", lines.next().unwrap_or_default()),
        false => first.to_owned(),
    }
}

/// How a loader comes to run a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The kernel starts it, because a copy of the program names it in PT_INTERP
    Interp,
    /// It is started with the program as its argument
    Command,
}

/// Copies of programs that name another interpreter. They go with this value.
pub struct Stage {
    /// Short names of the loaders: PT_INTERP has no room for long ones.
    links: TempDir,
    copies: Vec<PathBuf>,
    /// Where copies may lie beside their programs.
    inputs: PathBuf,
    mode: Mode,
}

impl Stage {
    /// Links to all loaders.
    ///
    /// # Errors
    /// The temporary folder cannot be written.
    pub fn new(mode: Mode, inputs: &Path) -> Result<Stage> {
        Ok(Stage {
            links: TempDir::with_prefix("lb")?,
            copies: Vec::new(),
            inputs: inputs.to_owned(),
            mode,
        })
    }

    /// How `loader` starts `program`.
    ///
    /// # Errors
    /// The program is no dynamic one, or its folder and the temporary one cannot be written.
    pub fn start(&mut self, loader: &Loader, program: &Path, arguments: &[OsString], now: bool) -> Result<Start> {
        if self.mode == Mode::Command {
            return Ok(Start {
                program: loader.path.clone(),
                arguments: [&[program.as_os_str().to_owned()], arguments].concat(),
                now,
                variables: loader.variables.clone(),
            });
        }
        Ok(Start {
            program: self.copy(loader, program)?,
            arguments: arguments.to_vec(),
            now,
            variables: loader.variables.clone(),
        })
    }

    /// A copy of `program` under `loader`: beside it, so that `$ORIGIN` stays right, but beside an installed program nothing is written.
    fn copy(&mut self, loader: &Loader, program: &Path) -> Result<PathBuf> {
        let number = self.copies.len();
        let link = self.links.path().join(number.to_string());
        symlink(&loader.path, &link)?;
        let mut bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
        name_interpreter(&mut bytes, &link).with_context(|| format!("{}", program.display()))?;
        let copy = match program.starts_with(&self.inputs) {
            true => program.with_extension(format!("under-{number}")),
            false => self.links.path().join(format!("program-{number}")),
        };
        self.copies.push(copy.clone());
        fs::copy(program, &copy)?;
        fs::write(&copy, bytes).with_context(|| format!("cannot write {}", copy.display()))?;
        Ok(copy)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for copy in &self.copies {
            let _ = fs::remove_file(copy);
        }
    }
}

/// Writes `path` in the place of the interpreter's name (gABI, "Program Interpreter").
fn name_interpreter(bytes: &mut [u8], path: &Path) -> Result<()> {
    let header = FileHeader64::<LittleEndian>::parse(&*bytes).context("no ELF file")?;
    let endian = header.endian()?;
    let segments: &[ProgramHeader64<LittleEndian>] = header.program_headers(endian, &*bytes)?;
    let segment = segments.iter().find(|segment| segment.p_type(endian) == PT_INTERP);
    let segment = segment.context("it names no interpreter")?;
    let (offset, room) = (segment.p_offset(endian) as usize, segment.p_filesz(endian) as usize);
    let name = path.as_os_str().as_encoded_bytes();
    let place = bytes
        .get_mut(offset..offset.saturating_add(room))
        .context("PT_INTERP lies outside the file")?;
    if name.len() >= place.len() {
        bail!("{} does not fit into {room} bytes", path.display());
    }
    for (index, byte) in place.iter_mut().enumerate() {
        *byte = name.get(index).copied().unwrap_or(0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_is_a_name_and_a_path() {
        let named: Named = "new=/srv/a=b;LODE_OPTIONS=resolver=walk,seal".parse().unwrap();
        assert_eq!(
            (named.name.as_str(), named.path.as_path()),
            ("new", Path::new("/srv/a=b"))
        );
        assert_eq!(
            named.variables,
            [("LODE_OPTIONS".to_owned(), "resolver=walk,seal".to_owned())]
        );
        assert!("/lib/ld.so".parse::<Named>().is_err());
        assert!("a=/lib/ld.so;b".parse::<Named>().is_err());
        assert!("=/lib/ld.so".parse::<Named>().is_err());
    }

    #[test]
    fn names_are_unique() {
        let folder = TempDir::new().unwrap();
        let named: Named = format!("x={GLIBC}").parse().unwrap();
        assert_eq!(all(std::slice::from_ref(&named), folder.path()).unwrap().len(), 2);
        assert!(all(&[named.clone(), named], folder.path()).is_err());
    }

    #[test]
    fn a_copy_names_the_link_and_goes_with_the_stage() {
        let folder = TempDir::new().unwrap();
        let program = folder.path().join("program");
        fs::copy("/proc/self/exe", &program).unwrap();
        let loader = Loader::new("x", Path::new(GLIBC), None).unwrap();
        let mut stage = Stage::new(Mode::Interp, folder.path()).unwrap();
        let start = stage.start(&loader, &program, &[], true).unwrap();
        let copied = fs::read(&start.program).unwrap();
        let link = stage.links.path().join("0");
        let name = link.as_os_str().as_encoded_bytes();
        assert!(copied.windows(name.len()).any(|window| window == name));
        drop(stage);
        assert!(!start.program.exists());
    }
}
