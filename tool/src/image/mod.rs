//! `lode-tool image`: a container image, or a plain tree, with some programs, all that they need, and lode as the only loader. No engine is asked.
//!
//! | part | what it is for |
//! |---|---|
//! | `gather` | what goes in, by lode's own search |
//! | `later` | what is opened while a program runs, and may be missing |
//! | `contents` | names and files, before anything is written |
//! | `interpreter`, `cache` | what is made anew: a program's PT_INTERP, the cache |
//! | `layout` | the image as engines read it |
//! | `unpack` | the way back, for questions about an image |

mod cache;
mod contents;
mod gather;
mod interpreter;
mod later;
mod layout;
mod unpack;

use std::env;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::ask::Output;
use crate::ask::check;
use crate::closure::{Closure, Flavour, Surroundings};
use crate::files::Scratch;
use crate::report::{Answer, give};
use crate::spelling;
use crate::tree::Tree;
use gather::{Gathering, Wish};
pub use layout::Start;
pub use unpack::open;

/// lode's own path, which is short enough for what linkers write into PT_INTERP on x86-64.
const OWN_PATH: &str = "/lib/ld-lode-x86_64.so.1";

/// Make a container image of programs, with all that they need and lode as the only loader
///
/// The libraries are those that lode would find. lode is put where the programs look for their loader. Nothing of the files is run, and the same
/// files make the same bytes. What is only opened while a program runs (dlopen) has to be named.
///
/// Ends with status 0 if the image is made, also with warnings, and with 3 if not; then nothing is written.
#[derive(clap::Args)]
#[group(id = "to", required = true, multiple = false, args = ["output", "root"])]
pub struct Arguments {
    /// Programs and scripts; the image starts the first
    #[arg(required = true)]
    program: Vec<PathBuf>,
    /// Write an OCI image layout into this new folder
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write the plain tree into this new folder instead
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// What is opened later, with all that it needs: a library, or a folder, such as that of an interpreter's own library; may be given again
    #[arg(long, value_name = "PATH")]
    include: Vec<PathBuf>,
    /// Names of files and folders that are left out of included folders; may be given again
    #[arg(long, value_name = "NAME")]
    exclude: Vec<OsString>,
    /// Have the programs name lode's own path as their interpreter, where it fits, instead of putting lode at the path that they name
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = OWN_PATH)]
    set_interp: Option<String>,
    /// The tree that all comes from
    #[arg(long, value_name = "DIR", default_value = "/")]
    from: PathBuf,
    /// Directories to search before the programs' own, as in LD_LIBRARY_PATH, which the image sets then
    #[arg(long, value_name = "LIST")]
    library_path: Option<OsString>,
    /// An argument of the image's program, unless it is started with others; may be given again
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    cmd: Vec<String>,
    /// A variable of the image's program; may be given again
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The name of the image in its folder
    #[arg(long, value_name = "NAME", default_value = "latest")]
    tag: String,
    #[command(flatten)]
    loader: crate::Loader,
    #[command(flatten)]
    pub answer: Output,
}

/// What `image` answers.
#[derive(Serialize)]
struct Report {
    /// Where the image is
    output: String,
    /// Whether it is a plain tree
    is_tree: bool,
    /// The program that it starts
    starts: String,
    /// Where lode is
    lode: Vec<String>,
    /// How many files there are
    files: usize,
    /// The bytes of these
    bytes: u64,
    /// What is worth a word
    warnings: Vec<String>,
}

/// Makes the image.
///
/// # Errors
/// The output is there already, a program cannot be in an image or would not start in this one, or something cannot be read or written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (output, is_tree) = match (&arguments.output, &arguments.root) {
        (_, Some(root)) => (root, true),
        (Some(output), None) => (output, false),
        (None, None) => bail!("neither --output nor --root"),
    };
    let beside = room_for(output)?;
    let surroundings = Surroundings {
        tree: Tree::open(&arguments.from)?,
        library_path: arguments.library_path.clone(),
        // Variants for newer CPUs are brought along by name.
        cpu_level: 1,
        bind_now: false,
        start: None,
    };
    let lode = arguments.loader.read()?;
    let mut gathering = Gathering::new(Wish {
        surroundings: &surroundings,
        lode: &lode,
        set_interp: arguments.set_interp.as_deref(),
        exclude: &arguments.exclude,
    })?;
    let inside = |path: &Path| inside(&arguments.from, path);
    for program in &arguments.program {
        gathering.program(&inside(program)?)?;
    }
    for path in &arguments.include {
        gathering.include(&inside(path)?)?;
    }
    gathering.finish()?;
    let time = time()?;
    let staged = Scratch::new(&beside)?;
    let bytes = gathering.contents.write(staged.path(), i64::try_from(time)?)?;
    let first = inside(&arguments.program[0])?;
    let start = start(arguments, &first);
    let mut warnings = gathering.warnings.clone();
    tried(&gathering.dynamic, staged.path(), output, &start)?;
    if let Some(list) = start.variable("LD_LIBRARY_PATH").filter(|_| is_tree) {
        warnings.push(format!(
            "LD_LIBRARY_PATH={list} has to be set where its programs are started"
        ));
    }
    let made = match is_tree {
        true => staged,
        false => {
            let made = Scratch::new(&beside)?;
            layout::write(
                made.path(),
                staged.path(),
                &gathering.contents,
                &start,
                &arguments.tag,
                time,
            )?;
            made
        }
    };
    place(made, output)?;
    let report = Report {
        output: output.display().to_string(),
        is_tree,
        starts: spelling::of(&first),
        lode: gathering.lode_at.iter().map(spelling::of).collect(),
        files: gathering.contents.files(),
        bytes,
        warnings,
    };
    give(&report, arguments.answer.format)
}

/// The path of the source's tree that an argument means.
fn inside(from: &Path, path: &Path) -> Result<PathBuf> {
    if from != Path::new("/") {
        return Ok(Path::new("/").join(path.strip_prefix("/").unwrap_or(path)));
    }
    std::path::absolute(path).with_context(|| path.display().to_string())
}

/// The folder that the output will be in. It has to be there, and the output not.
fn room_for(output: &Path) -> Result<PathBuf> {
    if fs::symlink_metadata(output).is_ok() {
        bail!("{} exists already, and nothing is written over it", output.display());
    }
    let output = std::path::absolute(output)?;
    let beside = output.parent().context("no name of a folder")?;
    if !beside.is_dir() {
        bail!("{} is not a folder", beside.display());
    }
    Ok(beside.to_owned())
}

/// Gives a folder its name, and what any other has of permissions.
fn place(made: Scratch, output: &Path) -> Result<()> {
    fs::set_permissions(made.path(), fs::Permissions::from_mode(0o755))?;
    made.rename(output)
}

/// The time of all files: SOURCE_DATE_EPOCH of reproducible builds, or the first second.
fn time() -> Result<u64> {
    match env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text
            .parse()
            .with_context(|| format!("SOURCE_DATE_EPOCH={text}: no number of seconds")),
        Err(_) => Ok(0),
    }
}

fn start(arguments: &Arguments, program: &Path) -> Start {
    let mut env = vec![format!("PATH={}", gather::PATH)];
    let list = arguments.library_path.as_deref();
    env.extend(list.map(|list| format!("LD_LIBRARY_PATH={}", list.to_string_lossy())));
    env.extend(arguments.env.iter().cloned());
    Start {
        entrypoint: vec![program.display().to_string()],
        cmd: arguments.cmd.clone(),
        env,
    }
}

/// Looks at the tree as it will be, from inside: would its programs start?
///
/// # Errors
/// One would not.
fn tried(programs: &[PathBuf], staged: &Path, output: &Path, start: &Start) -> Result<()> {
    let surroundings = Surroundings {
        tree: Tree::open(staged)?.named(output),
        library_path: start.variable("LD_LIBRARY_PATH").map(OsString::from),
        cpu_level: 1,
        bind_now: false,
        start: None,
    };
    let mut errors = Vec::new();
    for program in programs {
        let closure = Closure::of(program, &[], &surroundings)?;
        match closure.flavour {
            Flavour::Glibc => errors.extend(check::errors(program, &surroundings)),
            Flavour::Musl => errors.extend(
                closure
                    .missing()
                    .map(|edge| format!("{}: {} not found", closure.objects[edge.asker].path, edge.name)),
            ),
        }
    }
    if !errors.is_empty() {
        bail!("it would not work, and is not made:\n{}", errors.join("\n").trim_end());
    }
    Ok(())
}

impl Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = format!("{}, {}", check::counted(self.files, "file"), check::size(self.bytes));
        let what = if self.is_tree { "a tree" } else { "an image" };
        writeln!(out, "{}: {what} with {amount}; it starts {}", self.output, self.starts)?;
        match self.lode.as_slice() {
            [] => writeln!(out, "  no loader: nothing in it needs one")?,
            places => writeln!(out, "  lode is {}", places.join(" and "))?,
        }
        for warning in &self.warnings {
            writeln!(out, "  warning: {warning}")?;
        }
        Ok(())
    }
}

impl Answer for Report {
    const COMMAND: &'static str = "image";
}
