//! Makes what a row starts: generated files, a compiled program, a program with the libraries of an installed one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use object::LittleEndian;
use object::elf::{FileHeader64, SHT_RELA};
use object::read::elf::{FileHeader as _, SectionHeader as _};

use crate::assembler::{self, Link};
use crate::measure::{ENVIRONMENT, find};
use crate::row::{Service, Subject};
use crate::{generate, text, workload};

/// The system's own loader, which says where libraries are.
const FINDER: &str = "/lib64/ld-linux-x86-64.so.2";

/// What has to be right before a loader is timed.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// This program writes this checksum.
    Checksum(PathBuf, u64),
    /// The program itself writes what it writes under the yardstick.
    Output,
    /// The lines of the service have this checksum, if any.
    Lines(Option<u64>),
}

/// A subject that can be started.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What has to be right.
    pub check: Check,
    /// The libraries that a loader maps for it, for the bound; none if there is no bound.
    pub libraries: Vec<PathBuf>,
}

/// Makes `subject` in `inputs`, unless an earlier run has.
///
/// # Errors
/// Something that it needs is not installed, or a file cannot be written: the row is skipped with this word.
pub fn ready(inputs: &Path, subject: Subject) -> Result<Ready> {
    match subject {
        Subject::Generated(name) => generated(inputs, name),
        Subject::Hello => hello(inputs, "gcc"),
        Subject::HelloOfMusl => hello(inputs, "musl-gcc"),
        Subject::Closure(program) => closure(inputs, program),
        Subject::Program(program, arguments) => Ok(Ready {
            program: installed(program)?,
            arguments: arguments.iter().map(OsString::from).collect(),
            check: Check::Output,
            libraries: Vec::new(),
        }),
        Subject::Service(service) => self::service(inputs, service),
    }
}

fn generated(inputs: &Path, name: &str) -> Result<Ready> {
    let shape = workload::named(name).with_context(|| format!("no workload is called {name}"))?;
    let files = generate::files(inputs, name, shape)?;
    Ok(Ready {
        program: files.main,
        arguments: Vec::new(),
        check: Check::Checksum(files.verifier, files.expected),
        libraries: files.libraries,
    })
}

/// Compiles a C program of ours with `compiler` and `switches`, unless there is one that is as new as the text.
///
/// # Errors
/// The compiler is not installed, or fails.
pub fn compiled(inputs: &Path, name: &str, source: &str, compiler: &str, switches: &[&str]) -> Result<PathBuf> {
    let program = inputs.join(name);
    let text = program.with_extension("source");
    let stamp = format!("{compiler} {switches:?}\n{source}");
    if program.exists() && fs::read_to_string(&text).is_ok_and(|old| old == stamp) {
        return Ok(program);
    }
    fs::create_dir_all(inputs)?;
    let language = if compiler == "g++" { "c++" } else { "c" };
    let mut command = Command::new(compiler);
    command
        .args(["-O2", "-w", "-x", language, "-", "-o"])
        .arg(&program)
        .args(["-x", "none"])
        .args(switches);
    assembler::fed(&mut command, source)?;
    fs::write(text, stamp)?;
    Ok(program)
}

fn hello(inputs: &Path, compiler: &str) -> Result<Ready> {
    let source = "#include <stdio.h>\nint main(void) { return puts(\"hello\") < 0; }\n";
    let program = compiled(inputs, &format!("hello-{compiler}"), source, compiler, &[])?;
    let libraries = if compiler == "gcc" {
        libraries(&program)?
    } else {
        Vec::new()
    };
    Ok(Ready {
        program,
        arguments: Vec::new(),
        check: Check::Output,
        libraries,
    })
}

/// The file of an installed program that a loader can start.
fn installed(name: &str) -> Result<PathBuf> {
    let of_compiler = |name: &str| {
        let output = Command::new("gcc")
            .arg(format!("-print-prog-name={name}"))
            .output()
            .ok()?;
        find(String::from_utf8(output.stdout).ok()?.trim())
    };
    let found = find(name).or_else(|| of_compiler(name));
    let found = found.with_context(|| format!("{name} is not installed"))?;
    let bytes = fs::read(&found).with_context(|| format!("cannot read {}", found.display()))?;
    ensure!(bytes.starts_with(b"\x7fELF"), "{} is a script", found.display());
    Ok(found)
}

/// The libraries that the system's loader finds for a program, without itself.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let mut command = Command::new(FINDER);
    command
        .arg("--list")
        .arg(program)
        .env_clear()
        .envs(ENVIRONMENT.iter().copied())
        .stdin(Stdio::null());
    let output = command.output().context("the system's loader does not start")?;
    ensure!(
        output.status.success(),
        "the system's loader does not find its libraries"
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text
        .lines()
        .filter_map(|line| line.split_once(" => ")?.1.split(" (").next());
    Ok(found.filter(|path| path.starts_with('/')).map(PathBuf::from).collect())
}

/// The names that an ELF file needs, in their order.
fn needed(program: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(program)?;
    let header = FileHeader64::<LittleEndian>::parse(&*bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, &*bytes)?;
    let (entries, strings) = sections.dynamic(endian, &*bytes)?.context("it is a static program")?;
    let strings = sections.strings(endian, &*bytes, strings)?;
    let names = entries
        .iter()
        .filter(|entry| entry.d_tag.get(endian) == i64::from(object::elf::DT_NEEDED) as u64);
    Ok(names
        .filter_map(|entry| strings.get(u32::try_from(entry.d_val.get(endian)).ok()?).ok())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect())
}

/// A program with the DT_NEEDED of an installed one, in its order, which ends at once: mapping, relocation and constructors, and nothing else.
fn closure(inputs: &Path, name: &str) -> Result<Ready> {
    let program = installed(name)?;
    let all = libraries(&program)?;
    let direct: Vec<PathBuf> = needed(&program)?
        .iter()
        .filter_map(|name| {
            all.iter()
                .find(|path| path.file_name().is_some_and(|file| file == name.as_str()))
                .cloned()
        })
        .collect();
    let mut folders: Vec<String> = Vec::new();
    for folder in all.iter().filter_map(|path| path.parent()) {
        let folder = folder.display().to_string();
        let is_default = [
            "/lib",
            "/usr/lib",
            "/lib/x86_64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu",
            "/lib64",
        ]
        .contains(&folder.as_str());
        if !is_default && !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    let stub = inputs.join("closures").join(name);
    fs::create_dir_all(inputs.join("closures"))?;
    let link = Link {
        needed: &direct,
        runpath: Some(&folders.join(":")),
        switches: &["--unresolved-symbols=ignore-all"],
    };
    link.program(text::EXIT, &stub)?;
    Ok(Ready {
        libraries: libraries(&stub)?,
        program: stub,
        arguments: Vec::new(),
        check: Check::Output,
    })
}

/// Libraries, each of which calls the next one; the last throws.
fn thrower(inputs: &Path, libraries: usize) -> Result<PathBuf> {
    let folder = inputs.join(format!("throw-{libraries}"));
    let program = folder.join("throw");
    if program.exists() {
        return Ok(program);
    }
    fs::create_dir_all(&folder)?;
    for own in (0..libraries).rev() {
        let name = format!("libthrow{own:03}.so");
        let next = own + 1;
        // The object with a destructor gives each frame something to clean up.
        let source = match next < libraries {
            true => format!(
                "int f{next}(int); struct G {{ int *p; ~G() {{ ++*p; }} }}; int f{own}(int x) {{ G g{{&x}}; return f{next}(x) + 1; }}"
            ),
            false => format!("int f{own}(int x) {{ if (x) throw x; return 0; }}"),
        };
        let below = folder.join(format!("libthrow{next:03}.so")).display().to_string();
        let soname = format!("-Wl,-soname,{name}");
        let mut switches = vec!["-fPIC", "-shared", soname.as_str(), "-Wl,-rpath,$ORIGIN"];
        switches.extend((next < libraries).then_some(below.as_str()));
        compiled(&folder, &name, &source, "g++", &switches)?;
    }
    let source = include_str!("../programs/throw.cc");
    let first = folder.join("libthrow000.so").display().to_string();
    let link = format!("-Wl,-rpath-link,{}", folder.display());
    compiled(&folder, "throw", source, "g++", &[&first, "-Wl,-rpath,$ORIGIN", &link])
}

fn service(inputs: &Path, service: Service) -> Result<Ready> {
    let (arguments, sum) = match service {
        Service::Open(count) | Service::Ask(count) => {
            // A hundred are the first of a thousand: each refers to earlier ones only. Their checksum is known for all of them.
            const ALL: usize = 1000;
            let files = generate::files(inputs, "plugins-1000", workload::Shape::Plugins(ALL))?;
            let word = if matches!(service, Service::Open(_)) {
                "open"
            } else {
                "ask"
            };
            let sum = (count == ALL && word == "open").then_some(files.expected);
            (vec![word.into(), files.folder.into(), count.to_string().into()], sum)
        }
        Service::Look => {
            let files = generate::files(inputs, "exports-100k", workload::Shape::Exports(100_000))?;
            let library = generate::library(&files.folder, 0);
            (
                vec!["look".into(), library.into(), files.folder.join("names").into()],
                None,
            )
        }
        Service::Throw(count) => {
            return Ok(Ready {
                program: thrower(inputs, count)?,
                arguments: Vec::new(),
                check: Check::Lines(None),
                libraries: Vec::new(),
            });
        }
    };
    Ok(Ready {
        program: compiled(
            inputs,
            "inprocess",
            include_str!("../programs/inprocess.c"),
            "gcc",
            &["-ldl"],
        )?,
        arguments,
        check: Check::Lines(sum),
        libraries: Vec::new(),
    })
}

/// How many relocations of DT_RELA and DT_JMPREL some files have together; what cannot be read counts as none.
pub fn relocations(files: &[PathBuf]) -> u64 {
    files.iter().filter_map(|file| relocations_of(file).ok()).sum()
}

fn relocations_of(file: &Path) -> Result<u64> {
    let bytes = fs::read(file)?;
    let header = FileHeader64::<LittleEndian>::parse(&*bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, &*bytes)?;
    let tables = sections.iter().filter(|section| section.sh_type(endian) == SHT_RELA);
    Ok(tables.map(|section| section.sh_size(endian) / 24).sum())
}
