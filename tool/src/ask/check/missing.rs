//! A library that was found nowhere: what is there instead, and why the search passes it by.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lode::error::{Kind, Name};

use super::finding::Finding;
use crate::closure::{Closure, Edge, Flavour, Rule, Surroundings};
use crate::spelling;

/// Where people install what they built themselves, and the loader does not look unless it was told.
const LOCAL: &[&str] = &["/usr/local/lib", "/usr/local/lib64", "/opt/lib"];

/// The finding about a name that an edge asks for in vain.
pub fn library(closure: &Closure, edge: &Edge, surroundings: &Surroundings) -> Finding {
    let kind = Kind::Missing {
        library: Name::from(edge.name.as_str()),
        tried: Vec::new(),
    };
    let asker = &closure.objects[edge.asker];
    let mut finding = Finding::error(kind.code(), &asker.path, format!("{} not found", edge.name));
    finding.cause = Some(format!("{} of {} names it", edge.means, asker.path));
    let way = closure.way_to(edge.asker);
    if way.len() > 1 {
        let names: Vec<&str> = way.iter().map(|index| closure.objects[*index].file_name()).collect();
        finding.evidence.push(format!("the way there: {}", names.join(" > ")));
    }
    finding.evidence.extend(tried(edge));
    let guess = Guess {
        closure,
        edge,
        surroundings,
    };
    let hints = [
        guess.no_regular_file(),
        guess.for_another_machine(),
        guess.dangling(),
        guess.by_a_runpath_that_is_not_inherited(),
        guess.not_in_the_cache(),
        guess.of_another_version(),
    ];
    for (evidence, fix) in hints.into_iter().flatten() {
        finding.evidence.push(evidence);
        finding.fix.push(fix);
    }
    if finding.fix.is_empty() {
        finding.fix.push(format!(
            "install the library, or name its directory in LD_LIBRARY_PATH or in the RUNPATH of {}",
            asker.file_name()
        ));
    }
    finding
}

/// One line for each list that was searched: its directories, without those of the CPU's levels.
fn tried(edge: &Edge) -> Vec<String> {
    let mut lists: Vec<(&Rule, Vec<&str>)> = Vec::new();
    for attempt in &edge.attempts {
        let folder = attempt.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        if folder.contains("/glibc-hwcaps/") {
            continue;
        }
        match lists.last_mut() {
            Some((rule, folders)) if *rule == &attempt.rule => folders.push(folder),
            _ => lists.push((&attempt.rule, vec![folder])),
        }
    }
    let line = |(rule, folders): (&Rule, Vec<&str>)| format!("tried: {rule}: {}", folders.join(" "));
    lists.into_iter().map(line).collect()
}

/// What the kernel says of symbolic links that do not end.
const LOOP: &str = "Too many levels of symbolic links";

type Hint = Option<(String, String)>;

struct Guess<'a> {
    closure: &'a Closure,
    edge: &'a Edge,
    surroundings: &'a Surroundings,
}

impl Guess<'_> {
    fn exists(&self, path: &str) -> bool {
        self.surroundings.tree.resolve(&spelling::path(path)).is_ok()
    }

    /// Directories that the search went through, and the usual ones.
    fn directories(&self) -> BTreeSet<String> {
        let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        let mut folders: BTreeSet<String> = self.edge.attempts.iter().filter_map(|one| folder(&one.path)).collect();
        // Where the libraries are that were found: the cache names directories, not lists.
        folders.extend(self.closure.objects.iter().filter_map(|object| folder(&object.path)));
        folders.extend(LOCAL.iter().map(|directory| (*directory).to_owned()));
        folders
    }

    fn for_another_machine(&self) -> Hint {
        let attempt = self
            .edge
            .attempts
            .iter()
            .find(|one| one.refused.as_deref().is_some_and(|why| why.starts_with("for ")))?;
        let machine = self.closure.objects[0].binary.header.machine_name();
        Some((
            format!("{} is there, {}", attempt.path, attempt.refused.as_deref()?),
            format!("install the library's build for {machine}"),
        ))
    }

    /// Something of the name is there, but no file.
    fn no_regular_file(&self) -> Hint {
        let attempt = self.edge.attempts.iter().find(|one| {
            one.refused
                .as_deref()
                .is_some_and(|why| why.ends_with("not a regular file"))
        })?;
        Some((
            format!("{} is there: {}", attempt.path, attempt.refused.as_deref()?),
            format!("put the library itself in the place of {}", attempt.path),
        ))
    }

    /// A symbolic link of the name that leads nowhere.
    fn dangling(&self) -> Hint {
        let tree = &self.surroundings.tree;
        let link = |path: &String| {
            let (folder, name) = path.rsplit_once('/')?;
            let outside = tree.outside(&tree.resolve(&spelling::path(folder)).ok()?.join(spelling::path(name)));
            let target = fs::read_link(outside).ok()?;
            Some((path.clone(), spelling::of(target)))
        };
        let absent = |why: &str| why == "No such file or directory" || why == LOOP;
        let refused = self
            .edge
            .attempts
            .iter()
            .filter(|one| one.refused.as_deref().is_some_and(absent));
        let mut refused = refused.filter_map(|one| Some((one.refused.as_deref()?, link(&one.path)?)));
        let (why, (path, target)) = refused.next()?;
        if why == LOOP {
            return Some((
                format!("{path} is a symbolic link to {target}, and these links lead in a circle"),
                format!("install what {path} should lead to again, or copy links as what they lead to (cp -L)"),
            ));
        }
        Some((
            format!("{path} is a symbolic link to {target}, which is not there"),
            format!("install {target} again, or copy links as what they lead to (cp -L)"),
        ))
    }

    /// DT_RUNPATH is for what its own file needs, not for what that needs.
    fn by_a_runpath_that_is_not_inherited(&self) -> Hint {
        if self.closure.flavour == Flavour::Musl {
            return None;
        }
        let others = self
            .closure
            .objects
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != self.edge.asker);
        for (_, object) in others {
            let Some(runpath) = &object.binary.runpath else {
                continue;
            };
            let folder = spelling::of(object.real.parent().unwrap_or(Path::new("/")));
            let expanded = runpath.replace("${ORIGIN}", &folder).replace("$ORIGIN", &folder);
            let mut directories = expanded.split(':').filter(|directory| !directory.is_empty());
            let path = directories.find_map(|directory| {
                let path = format!("{directory}/{}", self.edge.name);
                self.exists(&path).then_some(path)
            });
            if let Some(path) = path {
                let (asker, holder) = (self.closure.objects[self.edge.asker].file_name(), object.file_name());
                return Some((
                    format!(
                        "RUNPATH of {holder} leads to {path}, but RUNPATH is not inherited: {asker} asks, and has none that leads there"
                    ),
                    format!(
                        "give {asker} a RUNPATH of its own, or link {holder} with -Wl,--disable-new-dtags (RPATH is inherited)"
                    ),
                ));
            }
        }
        None
    }

    /// It is where `make install` puts it, and nobody told the loader.
    fn not_in_the_cache(&self) -> Hint {
        let multiarch = self.closure.objects.iter().filter_map(|object| {
            let folder = object.path.rsplit_once('/')?.0;
            let triple = folder.rsplit('/').next()?;
            triple.contains("-linux-").then(|| format!("/usr/local/lib/{triple}"))
        });
        let configured = self.configured();
        let mut directories: Vec<String> = LOCAL.iter().map(|one| (*one).to_owned()).collect();
        directories.extend(multiarch);
        directories.extend(configured.iter().cloned());
        let directory = directories
            .into_iter()
            .find(|directory| self.exists(&format!("{directory}/{}", self.edge.name)))?;
        let is_searched = self
            .edge
            .attempts
            .iter()
            .any(|one| one.path.starts_with(&format!("{directory}/")));
        if is_searched {
            return None;
        }
        let evidence = format!("{directory}/{} exists, but is not in /etc/ld.so.cache", self.edge.name);
        let fix = match (self.closure.flavour, configured.contains(&directory)) {
            (Flavour::Musl, _) => format!(
                "set LD_LIBRARY_PATH={directory}, or add the directory to the path file of musl's loader in /etc"
            ),
            (_, true) => "run ldconfig as root: the directory is listed in /etc/ld.so.conf".to_owned(),
            (_, false) => format!(
                "add a line {directory} to a file in /etc/ld.so.conf.d and run ldconfig as root, or set LD_LIBRARY_PATH={directory}"
            ),
        };
        Some((evidence, fix))
    }

    /// The directories that /etc/ld.so.conf and the files in its folder name.
    fn configured(&self) -> BTreeSet<String> {
        let tree = &self.surroundings.tree;
        let mut files = vec!["/etc/ld.so.conf".to_owned()];
        if let Ok(folder) = tree.resolve(Path::new("/etc/ld.so.conf.d")) {
            let entries = fs::read_dir(tree.outside(&folder)).into_iter().flatten().flatten();
            files.extend(entries.map(|entry| format!("/etc/ld.so.conf.d/{}", entry.file_name().to_string_lossy())));
        }
        let read = |file: &String| fs::read_to_string(tree.outside(&tree.resolve(Path::new(file)).ok()?)).ok();
        let texts: Vec<String> = files.iter().filter_map(read).collect();
        let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
        lines.filter(|line| line.starts_with('/')).map(str::to_owned).collect()
    }

    /// Another version of the same library.
    fn of_another_version(&self) -> Hint {
        let (stem, _) = self.edge.name.split_once(".so")?;
        let start = format!("{stem}.so");
        let tree = &self.surroundings.tree;
        let mut others = BTreeSet::new();
        for directory in self.directories() {
            let Ok(inside) = tree.resolve(&spelling::path(&directory)) else {
                continue;
            };
            let entries = fs::read_dir(tree.outside(&inside)).into_iter().flatten().flatten();
            let names = entries.map(|entry| spelling::of(entry.file_name()));
            let similar = names.filter(|name| {
                name != &self.edge.name
                    && name
                        .strip_prefix(&start)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
            others.extend(similar.map(|name| format!("{directory}/{name}")));
        }
        // libx.so, libx.so.3 and libx.so.3.1 are one library; its soname is the name to show.
        let shortest = others
            .iter()
            .min_by_key(|path| if path.ends_with(".so") { usize::MAX } else { path.len() })?;
        Some((
            format!("{shortest} is there: another version"),
            format!(
                "install the version that was linked against; a link from {} to another version may start the program and break it later",
                self.edge.name
            ),
        ))
    }
}
