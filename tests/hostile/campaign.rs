//! Many damaged files in one mode of use, on all processors, and what came of them.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, thread};

use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};
use object::elf::{DT_NEEDED, DT_SONAME};
use temp_dir::TempDir;

use super::mutant::{Anatomy, Mutant};
use super::specimens::{Specimen, Specimens};
use super::verdict::{MARKER, Verdict, judge, ran};
use super::watched::{End, Place, Run, run, step};

/// How a damaged file is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `ld-lode PROGRAM`
    Run,
    /// The kernel starts the program, whose PT_INTERP names lode.
    Interpreted,
    /// `ld-lode --list PROGRAM`
    List,
    /// `ld-lode --verify PROGRAM`
    Verify,
    /// A running program opens the library.
    Dlopen,
    /// `lode-tool check PROGRAM`
    Check,
    /// `lode-tool tree PROGRAM`
    Tree,
    /// `lode-tool plan PROGRAM`
    Plan,
}

impl Mode {
    /// Whether `lode-tool` is asked, and nothing is started.
    pub fn is_question(self) -> bool {
        matches!(self, Mode::Check | Mode::Tree | Mode::Plan)
    }
}

/// The loaders whose behaviour says which damage does not matter.
const SYSTEM: &str = "/lib64/ld-linux-x86-64.so.2";
const MUSL: &str = "/lib/ld-musl-x86_64.so.1";

/// Seconds that a run may take, and that it may take when it took too long once.
const LIMITS: [u32; 2] = [3, 15];
/// Seconds for a run instruction by instruction.
const STEPS_LIMIT: u32 = 120;

/// Everything that does not depend on the mode.
pub struct Stand {
    folder: TempDir,
    loader: PathBuf,
    tool: PathBuf,
    programs: Vec<(Specimen, Anatomy)>,
    libraries: Vec<(Specimen, Anatomy)>,
    at_fault: Vec<Specimen>,
    opener: PathBuf,
    musl: Option<PathBuf>,
    seed: u64,
}

/// What came of the files.
#[derive(Default)]
pub struct Tally {
    ran: u64,
    other: u64,
    objects_crashed: u64,
    not_taken: u64,
    without_loader: u64,
    refused: BTreeMap<String, u64>,
    /// One text each.
    pub bad: Vec<String>,
    /// Of those that the other loaders run: how many these are, and how many of them lode runs.
    others_run: u64,
    others_run_and_lode: u64,
    /// Why lode refuses some of them.
    refused_though: BTreeMap<String, u64>,
    /// Those of them that lode runs with another result.
    differing: Vec<String>,
}

/// One worker's folder with the two files.
struct Desk<'s> {
    stand: &'s Stand,
    folder: PathBuf,
}

/// A damaged file among whole ones.
struct Case {
    program: usize,
    library: usize,
    in_library: bool,
    mutant: Mutant,
}

impl Stand {
    /// Builds the specimens.
    pub fn new(loader: PathBuf, tool: PathBuf, seed: u64) -> Stand {
        let folder = TempDir::with_prefix("lode-hostile-").unwrap();
        let Specimens {
            programs,
            libraries,
            at_fault,
            opener,
        } = Specimens::build(folder.path(), &loader);
        let dissected = |specimens: Vec<Specimen>| {
            let dissect = |specimen: Specimen| {
                let anatomy = Anatomy::of(&specimen.bytes);
                (specimen, anatomy)
            };
            specimens.into_iter().map(dissect).collect()
        };
        let musl = Path::new(MUSL).canonicalize().ok();
        Stand {
            opener,
            at_fault,
            programs: dissected(programs),
            libraries: dissected(libraries),
            folder,
            loader,
            tool,
            musl,
            seed,
        }
    }

    /// The damaged file of a number, which is the same in all modes that damage both files.
    fn case(&self, mode: Mode, number: u64) -> Case {
        let mut numbers = Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
        let program = numbers.usize(..self.programs.len());
        let library = numbers.usize(..self.libraries.len());
        let in_library = numbers.bool() || mode == Mode::Dlopen;
        let anatomy = match in_library {
            true => &self.libraries[library].1,
            false => &self.programs[program].1,
        };
        Case {
            program,
            library,
            in_library,
            mutant: anatomy.mutant(&mut numbers),
        }
    }

    fn command(&self, mode: Mode, loader: &Path, folder: &Path) -> Command {
        let words: &[&str] = match mode {
            Mode::Run | Mode::Interpreted => &["./prog"],
            Mode::List => &["--list", "./prog"],
            Mode::Verify => &["--verify", "./prog"],
            Mode::Dlopen => &["./libspec.so"],
            Mode::Check => &["check", "./prog"],
            Mode::Tree => &["tree", "./prog"],
            Mode::Plan => &["plan", "./prog"],
        };
        let mut command = match mode {
            Mode::Interpreted => Command::new("./prog"),
            _ if mode.is_question() => Command::new(&self.tool),
            _ => Command::new(loader),
        };
        command.env_clear().env("LD_LIBRARY_PATH", folder).current_dir(folder);
        command.args((mode == Mode::Dlopen).then_some(&self.opener));
        command.args(words.iter().skip(usize::from(mode == Mode::Interpreted)));
        command
    }

    /// What comes of opening the libraries that die of what they do themselves, by their names.
    pub fn of_those_at_fault(&self) -> Vec<(&'static str, Verdict, Run)> {
        let desk = Desk::new(self, 0);
        let opened = |library: &Specimen| {
            desk.put("libspec.so", &library.bytes);
            desk.under(Mode::Dlopen, &self.loader)
        };
        let whole = opened(&self.libraries[0].0);
        let judged = |library: &Specimen| {
            let run = opened(library);
            (library.name, judge(Mode::Dlopen, &run, &whole), run)
        };
        self.at_fault.iter().map(judged).collect()
    }

    /// What comes of listing a program whose DT_NEEDED has become a DT_SONAME: it has the name of the library from which it wants versions, and defines none.
    pub fn of_one_by_the_name_of_its_library(&self) -> (Verdict, Run) {
        let desk = Desk::new(self, 0);
        let listed = |bytes: &[u8]| {
            desk.put("prog", bytes);
            desk.under(Mode::List, &self.loader)
        };
        desk.put("libspec.so", &self.libraries[0].0.bytes);
        let (program, anatomy) = &self.programs[1];
        let whole = listed(&program.bytes);
        let run = listed(&anatomy.with_tag(DT_NEEDED, DT_SONAME));
        (judge(Mode::List, &run, &whole), run)
    }

    /// Tries `count` files in a mode, and shows how far it is.
    pub fn campaign(&self, mode: Mode, count: u64) -> Tally {
        let style = ProgressStyle::with_template("{prefix:12} {bar:40} {pos}/{len} {msg} {eta}").unwrap();
        let bar = ProgressBar::new(count)
            .with_style(style)
            .with_prefix(format!("{mode:?}"));
        let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for worker in 0..workers {
                let desk = Desk::new(self, worker);
                let (next, tally, bar) = (&next, &tally, &bar);
                scope.spawn(move || {
                    let wholes = desk.wholes(mode);
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            break;
                        }
                        desk.try_one(mode, number, &wholes, tally);
                        bar.inc(1);
                        bar.set_message(format!("{} bad", tally.lock().unwrap().bad.len()));
                    }
                });
            }
        });
        bar.finish_and_clear();
        tally.into_inner().unwrap()
    }
}

/// What each pair of a program and a library does while both are whole: under lode, the system's loader, and musl's.
type Wholes = Vec<[Option<Run>; 3]>;

impl Desk<'_> {
    fn new(stand: &Stand, worker: usize) -> Desk<'_> {
        let folder = stand.folder.child(format!("desk-{worker}"));
        fs::create_dir_all(&folder).unwrap();
        Desk { stand, folder }
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn under(&self, mode: Mode, loader: &Path) -> Run {
        let mut last = None;
        for limit in LIMITS {
            let done = run(&mut self.stand.command(mode, loader, &self.folder), loader, limit);
            let hung = matches!(done.end, End::Hang(_));
            last = Some(done);
            if !hung {
                break;
            }
        }
        let mut run = last.unwrap();
        if let End::Signal(signal, Place::Nowhere) = run.end
            && !run.output.contains(MARKER)
        {
            // Who jumped there: the damaged file's own code, or the loader?
            let stepped = step(&mut self.stand.command(mode, loader, &self.folder), loader, STEPS_LIMIT);
            if matches!(stepped.end, End::Signal(_, Place::Object)) {
                run.end = End::Signal(signal, Place::Object);
            }
        }
        run
    }

    /// The other loaders that can be asked about a pair, in the order of [`Wholes`].
    fn others(&self, mode: Mode, program: usize, library: usize) -> [Option<PathBuf>; 2] {
        let suits = self.stand.programs[program].0.suits_musl && self.stand.libraries[library].0.suits_musl;
        match mode == Mode::Run && suits {
            true => [Some(PathBuf::from(SYSTEM)), self.stand.musl.clone()],
            false => [None, None],
        }
    }

    fn wholes(&self, mode: Mode) -> Wholes {
        let mut wholes = Vec::new();
        for (index, (program, _)) in self.stand.programs.iter().enumerate() {
            for (number, (library, _)) in self.stand.libraries.iter().enumerate() {
                self.put("prog", &program.bytes);
                self.put("libspec.so", &library.bytes);
                let whole = self.under(mode, &self.stand.loader);
                if matches!(mode, Mode::Run | Mode::Interpreted | Mode::Dlopen) {
                    let end = End::Status(42);
                    assert_eq!(whole.end, end, "{} {}: {}", program.name, library.name, whole.errors);
                }
                let [system, musl] = self.others(mode, index, number);
                let run = |loader: Option<PathBuf>| loader.map(|loader| self.under(mode, &loader));
                wholes.push([Some(whole), run(system), run(musl)]);
            }
        }
        wholes
    }

    fn try_one(&self, mode: Mode, number: u64, wholes: &Wholes, tally: &Mutex<Tally>) {
        let stand = self.stand;
        let case = stand.case(mode, number);
        let (program, library) = (&stand.programs[case.program].0, &stand.libraries[case.library].0);
        let damaged = &case.mutant.bytes;
        self.put("prog", if case.in_library { &program.bytes } else { damaged });
        self.put("libspec.so", if case.in_library { damaged } else { &library.bytes });
        let whole = &wholes[case.program * stand.libraries.len() + case.library];
        let done = self.under(mode, &stand.loader);
        let verdict = judge(mode, &done, whole[0].as_ref().unwrap());
        let others = self.others(mode, case.program, case.library);
        let asked = others.iter().flatten().count() != 0;
        let others_run = asked
            && others
                .iter()
                .zip(&whole[1..])
                .all(|(loader, whole)| match (loader, whole) {
                    (Some(loader), Some(whole)) => ran(&self.under(mode, loader), whole),
                    _ => true,
                });
        let mut tally = tally.lock().unwrap();
        let told = format!(
            "number {number}, {} of {} and {}: {}",
            if case.in_library { "library" } else { "program" },
            program.name,
            library.name,
            case.mutant.changes
        );
        if let Verdict::Bad(what) = verdict {
            self.keep(mode, number, damaged);
            let text = format!("{what}: {told}\n    {:?} {:?} {}", done.end, done.output, done.errors);
            tally.bad.push(text);
        }
        tally.count(&verdict, others_run, told);
    }

    /// Leaves a copy of a file in the folder that LODE_HOSTILE_KEEP names.
    fn keep(&self, mode: Mode, number: u64, bytes: &[u8]) {
        if let Some(folder) = env::var_os("LODE_HOSTILE_KEEP") {
            fs::create_dir_all(&folder).unwrap();
            let name = format!("{mode:?}-{}-{number}", self.stand.seed);
            fs::write(Path::new(&folder).join(name), bytes).unwrap();
        }
    }
}

impl Tally {
    /// Whether lode runs at least four fifths of the files that the other loaders run: of so many, within three standard deviations.
    pub fn runs_enough(&self) -> bool {
        let all = self.others_run as f64;
        self.others_run_and_lode as f64 >= 0.8 * all - 3.0 * (0.16 * all).sqrt()
    }

    fn count(&mut self, verdict: &Verdict, others_run: bool, told: String) {
        self.others_run += u64::from(others_run);
        match verdict {
            Verdict::Ran => {
                self.ran += 1;
                self.others_run_and_lode += u64::from(others_run);
            }
            Verdict::Refused(code) => {
                *self.refused.entry(code.clone()).or_default() += 1;
                if others_run {
                    *self.refused_though.entry(code.clone()).or_default() += 1;
                }
            }
            Verdict::Other => self.other += 1,
            Verdict::ObjectCrashed => self.objects_crashed += 1,
            Verdict::NotTaken => self.not_taken += 1,
            Verdict::WithoutLoader => self.without_loader += 1,
            Verdict::Bad(_) => {}
        }
        if others_run && matches!(verdict, Verdict::Other | Verdict::ObjectCrashed) {
            self.differing.push(told);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum: u64 = self.refused.values().sum();
        write!(
            out,
            "{} bad; {} ran, {sum} refused, {} with another result, {} crashed by their own code, {} not taken by the kernel, {} started by it without lode",
            self.bad.len(),
            self.ran,
            self.other,
            self.objects_crashed,
            self.not_taken,
            self.without_loader
        )?;
        if let Some(percent) = (self.others_run_and_lode * 1000).checked_div(self.others_run) {
            let list = |codes: &BTreeMap<String, u64>| {
                codes.iter().fold(String::new(), |mut text, (code, count)| {
                    let _ = write!(text, " {code} {count}");
                    text
                })
            };
            write!(
                out,
                "\n    of {} that the other loaders run, lode runs {} ({}.{} %); it refuses:{}; another result: {}",
                self.others_run,
                self.others_run_and_lode,
                percent / 10,
                percent % 10,
                list(&self.refused_though),
                self.differing.len()
            )?;
            write!(out, "\n    refused:{}", list(&self.refused))?;
        }
        Ok(())
    }
}
