//! Makes the files of a generated workload, and says which checksum its relocations give when all of them are right.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fastrand::Rng;

use crate::assembler::{self, Link};
use crate::text::{self, Checksum};
use crate::workload::Shape;

/// Part of the folder's name: another number when the generated files change, so that old ones are not measured.
const VERSION: u32 = 1;

/// The files of a workload.
#[derive(Debug)]
pub struct Files {
    /// Where they are.
    pub folder: PathBuf,
    /// The program that is timed.
    pub main: PathBuf,
    /// The program that writes its checksum.
    pub verifier: PathBuf,
    /// The libraries, in the order of the program's DT_NEEDED.
    pub libraries: Vec<PathBuf>,
    /// The checksum that it has to write.
    pub expected: u64,
}

/// Keeps every other benchmark from the same folder, and from the processors, until the file is closed.
///
/// # Errors
/// The folder cannot be written.
pub fn lock(inputs: &Path) -> Result<File> {
    let path = inputs.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// The files of workload `name` below `inputs`; made now, unless an earlier run has made them.
///
/// # Errors
/// A file cannot be written, or a tool is missing, or the linker is too old for what the workload needs.
pub fn files(inputs: &Path, name: &str, shape: Shape) -> Result<Files> {
    let folder = inputs.join(format!("v{VERSION}")).join(name);
    let done = folder.join("expected");
    let libraries = libraries(&folder, shape);
    let expected = match fs::read_to_string(&done) {
        Ok(text) => text.trim().parse().context("the file `expected` has no number")?,
        Err(_) => {
            // What an interrupted run left is incomplete.
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            let Checksum(sum) = make(&folder, shape, &libraries)?;
            programs(&folder, shape, &libraries)?;
            fs::write(&done, sum.to_string())?;
            sum
        }
    };
    Ok(Files {
        main: folder.join("main"),
        verifier: folder.join("verifier"),
        libraries,
        expected,
        folder,
    })
}

/// The path of library `index`.
pub fn library(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("lib{index:04}.so"))
}

/// How many libraries a workload has.
fn count(shape: Shape) -> usize {
    match shape {
        Shape::Empty => 0,
        Shape::Symbols { libraries, .. } | Shape::ThreadLocal { libraries, .. } => libraries,
        Shape::Plugins(libraries) | Shape::Tree(libraries) | Shape::Runpath(libraries) => libraries,
        Shape::Exports(_) | Shape::Resolvers(_) | Shape::Relative { .. } => 1,
    }
}

/// The libraries of a workload, in the order of their numbers.
fn libraries(folder: &Path, shape: Shape) -> Vec<PathBuf> {
    let folders = match shape {
        Shape::Runpath(libraries) => shelves(folder, libraries),
        _ => vec![folder.to_owned(); count(shape)],
    };
    folders
        .iter()
        .enumerate()
        .map(|(index, folder)| library(folder, index))
        .collect()
}

/// One folder for each library, as stores of packages have it; in an order that is none.
fn shelves(folder: &Path, libraries: usize) -> Vec<PathBuf> {
    let mut shelves: Vec<PathBuf> = (0..libraries)
        .map(|index| folder.join(format!("store/{index:03}-package/lib")))
        .collect();
    Rng::with_seed(3).shuffle(&mut shelves);
    shelves
}

/// The list of folders that each object of a store has as its RUNPATH.
fn runpath(folder: &Path, libraries: usize) -> String {
    let list: Vec<String> = (0..libraries)
        .map(|index| {
            folder
                .join(format!("store/{index:03}-package/lib"))
                .display()
                .to_string()
        })
        .collect();
    list.join(":")
}

/// The program and the verifier.
fn programs(folder: &Path, shape: Shape, libraries: &[PathBuf]) -> Result<()> {
    let list = match shape {
        Shape::Runpath(libraries) => Some(runpath(folder, libraries)),
        _ => None,
    };
    let needed = match shape {
        // The root of the tree has the others; libraries for dlopen are nobody's.
        Shape::Tree(_) => libraries.get(..1).unwrap_or_default(),
        Shape::Plugins(_) => &[],
        _ => libraries,
    };
    let link = |needed| Link {
        needed,
        runpath: list.as_deref(),
        switches: &[],
    };
    link(needed).program(text::EXIT, &folder.join("main"))?;
    // The static linker has to see whoever defines a check.
    link(libraries).program(&text::verifier(0..libraries.len()), &folder.join("verifier"))
}

/// Makes the libraries.
fn make(folder: &Path, shape: Shape, libraries: &[PathBuf]) -> Result<Checksum> {
    match shape {
        Shape::Empty => Ok(Checksum::default()),
        Shape::Symbols {
            exports,
            references,
            copies,
            ..
        } => symbols(libraries, exports, references, copies),
        Shape::Plugins(_) => plugins(libraries),
        Shape::Exports(functions) => exported(libraries, functions),
        Shape::Tree(_) => tree(libraries),
        Shape::Runpath(count) => store(libraries, &runpath(folder, count)),
        Shape::ThreadLocal { variables, .. } => thread_local(libraries, variables),
        Shape::Resolvers(count) => resolvers(libraries, count),
        Shape::Relative { count, packed, stride } => relative(folder, libraries, count, packed, stride),
    }
}

/// The functions that library `own` exports.
fn functions(own: usize, count: usize) -> Vec<(String, u32)> {
    (0..count)
        .map(|index| (text::name(own, index), text::number(own, index)))
        .collect()
}

/// One library that refers to functions given as (library, index).
fn referring(own: usize, file: &Path, exports: usize, targets: &[(usize, usize)], copies: usize) -> Result<()> {
    let names: Vec<String> = targets
        .iter()
        .map(|(library, index)| text::name(*library, *index))
        .collect();
    assembler::library(
        &text::library(own, &functions(own, exports), &names, copies),
        file,
        &Link::default(),
    )
}

/// Folds the numbers of such targets.
fn fold(sum: &mut Checksum, targets: &[(usize, usize)], copies: usize) {
    for (library, index) in targets {
        (0..copies).for_each(|_| sum.add(text::number(*library, *index)));
    }
}

fn symbols(libraries: &[PathBuf], exports: usize, references: usize, copies: usize) -> Result<Checksum> {
    let targets = |own: usize| -> Vec<(usize, usize)> {
        let mut random = Rng::with_seed(1000 + own as u64);
        (0..references)
            .map(|_| (random.usize(..libraries.len()), random.usize(..exports)))
            .collect()
    };
    every(libraries, |own, file| {
        referring(own, file, exports, &targets(own), copies)
    })?;
    let mut sum = Checksum::default();
    (0..libraries.len()).for_each(|own| fold(&mut sum, &targets(own), copies));
    Ok(sum)
}

fn plugins(libraries: &[PathBuf]) -> Result<Checksum> {
    const EXPORTS: usize = 20;
    let targets = |own: usize| -> Vec<(usize, usize)> {
        let earlier = (0..5).map(|step| (own.saturating_sub(1 + step * 7), step));
        (0..EXPORTS).map(|index| (own, index)).chain(earlier).collect()
    };
    every(libraries, |own, file| referring(own, file, EXPORTS, &targets(own), 1))?;
    let mut sum = Checksum::default();
    (0..libraries.len()).for_each(|own| fold(&mut sum, &targets(own), 1));
    Ok(sum)
}

/// The file `names` beside the library has the functions' names, in an order that is none.
fn exported(libraries: &[PathBuf], count: usize) -> Result<Checksum> {
    every(libraries, |own, file| referring(own, file, count, &[], 1))?;
    let mut names: Vec<String> = (0..count).map(|index| text::name(0, index)).collect();
    Rng::with_seed(7).shuffle(&mut names);
    for file in libraries {
        fs::write(file.with_file_name("names"), names.join("\n") + "\n")?;
    }
    Ok(Checksum::default())
}

/// Library N needs 2N + 1 and 2N + 2, and refers to both.
fn tree(libraries: &[PathBuf]) -> Result<Checksum> {
    let children = |own: usize| (2 * own + 1..=2 * own + 2).filter(|child| *child < libraries.len());
    for (own, file) in libraries.iter().enumerate().rev() {
        let names: Vec<String> = children(own).map(|child| text::name(child, 0)).collect();
        let needed: Vec<PathBuf> = children(own)
            .filter_map(|child| libraries.get(child).cloned())
            .collect();
        let link = Link {
            needed: &needed,
            ..Link::default()
        };
        assembler::library(&text::library(own, &functions(own, 1), &names, 1), file, &link)?;
    }
    let mut sum = Checksum::default();
    for own in 0..libraries.len() {
        children(own).for_each(|child| sum.add(text::number(child, 0)));
    }
    Ok(sum)
}

/// Five of six libraries need the next one; each has all folders as its RUNPATH.
fn store(libraries: &[PathBuf], runpath: &str) -> Result<Checksum> {
    let next = |own: usize| Some(own + 1).filter(|next| *next < libraries.len() && !own.is_multiple_of(6));
    for (own, file) in libraries.iter().enumerate().rev() {
        let names: Vec<String> = next(own).map(|next| text::name(next, 0)).into_iter().collect();
        let needed: Vec<PathBuf> = next(own)
            .and_then(|next| libraries.get(next).cloned())
            .into_iter()
            .collect();
        fs::create_dir_all(file.parent().context("a library lies in a folder")?)?;
        let link = Link {
            needed: &needed,
            runpath: Some(runpath),
            switches: &[],
        };
        assembler::library(&text::library(own, &functions(own, 1), &names, 1), file, &link)?;
    }
    let mut sum = Checksum::default();
    (0..libraries.len())
        .filter_map(next)
        .for_each(|next| sum.add(text::number(next, 0)));
    Ok(sum)
}

fn thread_local(libraries: &[PathBuf], variables: usize) -> Result<Checksum> {
    let target = |own: usize, index: usize| ((own * 7 + index) % libraries.len(), index);
    let variable = |(library, index): (usize, usize)| format!("variable{library}_{index}");
    every(libraries, |own, file| {
        let mut text = ".section .tdata,\"awT\",@progbits\n.balign 8\n".to_owned();
        for index in 0..variables {
            let (name, number) = (variable((own, index)), text::number(own, index));
            text += &format!(".globl {name}\n.type {name},@object\n.size {name},8\n{name}: .quad {number}\n");
        }
        let read = |index| text::read_thread_local(&variable(target(own, index)), index % 3 == 0);
        text::check(&mut text, own, &(0..variables).map(read).collect::<String>());
        assembler::library(&text, file, &Link::default())
    })?;
    let mut sum = Checksum::default();
    for own in 0..libraries.len() {
        for index in 0..variables {
            let (library, index) = target(own, index);
            sum.add(text::number(library, index));
        }
    }
    Ok(sum)
}

fn resolvers(libraries: &[PathBuf], count: usize) -> Result<Checksum> {
    every(libraries, |own, file| {
        let mut text = ".text\n".to_owned();
        for index in 0..count {
            let number = text::number(own, index);
            text += &format!(
                ".Lf{index}: mov ${number},%eax\n ret\n.globl choice{index}\n.type choice{index},@gnu_indirect_function\n"
            );
            text += &format!("choice{index}: lea .Lf{index}(%rip),%rax\n ret\n");
        }
        text.push_str(text::TABLE);
        text.push_str("table:\n");
        text.extend((0..count).map(|index| format!(".quad choice{index}\n")));
        text.push_str("table_end:\n");
        text::check(&mut text, own, &text::walk(8));
        let link = Link {
            switches: &["-Bsymbolic"],
            ..Link::default()
        };
        assembler::library(&text, file, &link)
    })?;
    let mut sum = Checksum::default();
    (0..count).for_each(|index| sum.add(text::number(0, index)));
    Ok(sum)
}

/// All words of a million lead to one function; the assembler would take long for a longer text.
fn relative(folder: &Path, libraries: &[PathBuf], count: usize, packed: bool, stride: usize) -> Result<Checksum> {
    const MOST: usize = 1_000_000;
    let parts: Vec<usize> = (0..count.div_ceil(MOST))
        .map(|part| MOST.min(count - part * MOST))
        .collect();
    let mut objects: Vec<PathBuf> = (0..=parts.len())
        .map(|part| folder.join(format!("part{part}.o")))
        .collect();
    let last = objects.last().cloned().context("there is a part for the check")?;
    assembler::each(parts.len(), |part| {
        let (Some(words), Some(object)) = (parts.get(part), objects.get(part)) else {
            return Ok(());
        };
        let (number, gap) = (text::number(0, part), stride - 8);
        // The linker puts the tables in the order of the objects, so the first begins and the last ends them.
        let begin = if part == 0 {
            ".globl table\n.hidden table\ntable:\n"
        } else {
            ""
        };
        let table = text::TABLE;
        let text = format!(
            ".text\n.Lf: mov ${number},%eax\n ret\n{table}{begin}.rept {words}\n.quad .Lf\n.zero {gap}\n.endr\n"
        );
        assembler::object(&text, object)
    })?;
    let mut text = format!("{}table_end:\n", text::TABLE);
    text::check(&mut text, 0, &text::walk(stride));
    assembler::object(&text, &last)?;
    let link = Link {
        switches: if packed { &["-z", "pack-relative-relocs"] } else { &[] },
        ..Link::default()
    };
    objects.truncate(parts.len() + 1);
    for file in libraries {
        link.library(&objects, file)?;
    }
    let mut sum = Checksum::default();
    for (part, words) in parts.iter().enumerate() {
        (0..*words).for_each(|_| sum.add(text::number(0, part)));
    }
    Ok(sum)
}

/// Makes each library, several at a time.
fn every(libraries: &[PathBuf], make: impl Fn(usize, &Path) -> Result<()> + Sync) -> Result<()> {
    assembler::each(libraries.len(), |own| {
        libraries.get(own).map_or(Ok(()), |file| make(own, file))
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use temp_dir::TempDir;

    use super::*;

    /// Small ones of every shape.
    const SHAPES: &[(&str, Shape)] = &[
        ("empty", Shape::Empty),
        (
            "symbols",
            Shape::Symbols {
                libraries: 3,
                exports: 4,
                references: 5,
                copies: 2,
            },
        ),
        ("tree", Shape::Tree(7)),
        ("runpath", Shape::Runpath(8)),
        (
            "thread-local",
            Shape::ThreadLocal {
                libraries: 3,
                variables: 6,
            },
        ),
        ("resolvers", Shape::Resolvers(9)),
        (
            "relative",
            Shape::Relative {
                count: 30,
                packed: false,
                stride: 64,
            },
        ),
    ];

    #[test]
    fn the_systems_loader_gives_the_expected_checksum() {
        let inputs = TempDir::new().unwrap();
        for (name, shape) in SHAPES {
            let files = files(inputs.path(), name, *shape).unwrap();
            let output = Command::new(&files.verifier).output().unwrap();
            assert_eq!(output.stdout, files.expected.to_le_bytes(), "{name}: {output:?}");
            assert!(Command::new(&files.main).status().unwrap().success(), "{name}");
        }
    }

    #[test]
    fn a_second_run_finds_the_files_of_the_first() {
        let inputs = TempDir::new().unwrap();
        let shape = Shape::Tree(3);
        let first = files(inputs.path(), "tree", shape).unwrap();
        let made = fs::metadata(&first.main).unwrap().modified().unwrap();
        let second = files(inputs.path(), "tree", shape).unwrap();
        assert_eq!(fs::metadata(&second.main).unwrap().modified().unwrap(), made);
        assert_eq!(second.expected, first.expected);
        // Without the last file that is written, all are made anew.
        fs::remove_file(second.folder.join("expected")).unwrap();
        fs::write(&second.main, "").unwrap();
        assert!(
            fs::metadata(files(inputs.path(), "tree", shape).unwrap().main)
                .unwrap()
                .len()
                > 0
        );
    }
}
