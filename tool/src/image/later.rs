//! What libc and others open by themselves while a program runs, which nothing in DT_NEEDED names: name services, character sets, the unwinder, and
//! what notes say (`.note.dlopen`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::contents::{Contents, outside};
use crate::closure::{Closure, Flavour};
use crate::tree::Tree;

/// A database of nsswitch.conf(5).
struct Database {
    name: &'static str,
    /// Functions that ask it
    functions: &'static [&'static str],
    /// Services that are asked where nothing is configured, since glibc 2.31
    default: &'static [&'static str],
    /// What the service `files` reads
    file: &'static str,
}

const DATABASES: &[Database] = &[
    Database {
        name: "passwd",
        functions: &["getpwnam", "getpwnam_r", "getpwuid", "getpwuid_r", "getpwent"],
        default: &["files"],
        file: "/etc/passwd",
    },
    Database {
        name: "group",
        functions: &[
            "getgrnam",
            "getgrnam_r",
            "getgrgid",
            "getgrgid_r",
            "getgrent",
            "initgroups",
            "getgrouplist",
        ],
        default: &["files"],
        file: "/etc/group",
    },
    Database {
        name: "hosts",
        functions: &[
            "getaddrinfo",
            "getnameinfo",
            "gethostbyname",
            "gethostbyname_r",
            "gethostbyname2",
            "gethostbyname2_r",
            "gethostbyaddr",
            "gethostbyaddr_r",
        ],
        default: &["files", "dns"],
        file: "/etc/hosts",
    },
    Database {
        name: "services",
        functions: &["getservbyname", "getservbyname_r", "getservbyport", "getservbyport_r"],
        default: &["files"],
        file: "/etc/services",
    },
];

/// Functions for which libc opens the unwinder.
const UNWINDING: &[&str] = &["pthread_exit", "pthread_cancel", "backtrace"];
const UNWINDER: &str = "libgcc_s.so.1";
const CONVERTING: &[&str] = &["iconv_open"];
const SWITCH: &str = "/etc/nsswitch.conf";

/// What the files of an image may open.
#[derive(Default)]
pub struct Later {
    /// Functions of libc, and the first file that uses each
    users: BTreeMap<String, String>,
    /// Name services that are in libc itself
    inside: BTreeSet<String>,
    /// The folder of libc
    libraries: Option<String>,
    /// What notes say: a path that is there, and who says what of it
    notes: BTreeMap<String, String>,
}

impl Later {
    /// Notes what a closure may open.
    pub fn note(&mut self, closure: &Closure) {
        for possibility in &closure.possibilities {
            let Some((path, _)) = &possibility.found else { continue };
            let what = possibility
                .wish
                .description
                .as_ref()
                .or(possibility.wish.feature.as_ref());
            let what = what.map(|what| format!(" ({what})")).unwrap_or_default();
            let asker = &closure.objects[possibility.asker].path;
            self.notes
                .entry(path.clone())
                .or_insert_with(|| format!("{asker} may open {path}{what}"));
        }
        if closure.flavour == Flavour::Musl {
            return;
        }
        for (index, object) in closure.objects.iter().enumerate() {
            if Some(index) == closure.interpreter {
                continue;
            }
            if object.binary.soname.as_deref() == Some("libc.so.6") {
                self.libraries = object.path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
                let defined = object.binary.symbols.iter().filter(|symbol| symbol.is_defined());
                let services = defined.filter_map(|symbol| service_of(&symbol.name));
                self.inside.extend(services.map(str::to_owned));
                continue;
            }
            let wanted = object.binary.symbols.iter().filter(|symbol| symbol.is_wanted());
            for symbol in wanted.filter(|symbol| is_of_interest(&symbol.name)) {
                self.users
                    .entry(symbol.name.clone())
                    .or_insert_with(|| object.path.clone());
            }
        }
    }

    /// What a closure's files cannot do without, by their own word: paths of what is there.
    pub fn required(&self, closure: &Closure) -> Vec<String> {
        let required = closure
            .possibilities
            .iter()
            .filter(|one| one.wish.priority.as_deref() == Some("required"));
        required.filter_map(|one| Some(one.found.as_ref()?.0.clone())).collect()
    }

    /// What an image lacks for all that. `tree` is where it could come from.
    pub fn warnings(&self, contents: &Contents, tree: &Tree) -> Vec<String> {
        let mut warnings = Vec::new();
        let configured = if contents.has(Path::new(SWITCH)) {
            fs::read_to_string(outside(tree.root(), Path::new(SWITCH))).unwrap_or_default()
        } else {
            String::new()
        };
        for database in DATABASES {
            if let Some(asks) = self.first(database.functions) {
                warnings.extend(self.services(database, &asks, &configured, contents, tree));
            }
        }
        if let Some(asks) = self.first(CONVERTING)
            && !contents.iter().any(|(path, _)| path.ends_with("gconv/gconv-modules"))
            && let Some(gconv) = self.beside_libc("gconv", tree)
        {
            warnings.push(format!(
                "{asks} knows only the character sets in libc itself (UTF-8, UTF-16, UTF-32, ASCII): --include {gconv}"
            ));
        }
        if let Some(asks) = self.first(UNWINDING)
            && !contents.has_named(UNWINDER)
            && let Some(unwinder) = self.beside_libc(UNWINDER, tree)
        {
            warnings.push(format!(
                "{asks} opens {UNWINDER}, which is not in it: --include {unwinder}"
            ));
        }
        for (path, note) in &self.notes {
            let inside = tree.resolve(Path::new(path));
            if !inside.is_ok_and(|inside| contents.has(&inside)) {
                warnings.push(format!("{note}: --include {path}"));
            }
        }
        warnings
    }

    /// What one database lacks.
    fn services(
        &self,
        database: &Database,
        asks: &str,
        configured: &str,
        contents: &Contents,
        tree: &Tree,
    ) -> Vec<String> {
        let mut warnings = Vec::new();
        let line = configured.lines().find_map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            line.trim_start()
                .strip_prefix(database.name)?
                .trim_start()
                .strip_prefix(':')
        });
        let services: Vec<&str> = match line {
            Some(line) => line
                .split_ascii_whitespace()
                .filter(|word| !word.starts_with('['))
                .collect(),
            None => database.default.to_vec(),
        };
        for service in &services {
            let module = format!("libnss_{service}.so.2");
            let is_there = self.inside.contains(*service) || contents.has_named(&module);
            // What is not in the source either is passed over there too.
            if let Some(path) = self.beside_libc(&module, tree).filter(|_| !is_there) {
                warnings.push(format!(
                    "{asks} asks {module} ({}: {service}), which is not in it: --include {path}",
                    database.name
                ));
            }
        }
        let file = Path::new(database.file);
        if services.contains(&"files") && !contents.has(file) && tree.resolve(file).is_ok() {
            warnings.push(format!(
                "{asks} reads {0}, which is not in it: --include {0}",
                database.file
            ));
        }
        warnings
    }

    /// The first of some functions that is used, and by what.
    fn first(&self, functions: &[&str]) -> Option<String> {
        let mut used = functions.iter().filter_map(|name| Some((name, self.users.get(*name)?)));
        used.next().map(|(name, user)| format!("{name} (in {user})"))
    }

    /// The path of something beside libc, if it is there.
    fn beside_libc(&self, name: &str, tree: &Tree) -> Option<String> {
        let path = format!("{}/{name}", self.libraries.as_ref()?);
        tree.resolve(Path::new(&path)).is_ok().then_some(path)
    }
}

/// The name service that a function belongs to, if it answers a question: `_nss_files_getpwnam_r`. libc has had parts of `files` since long before it had
/// all of it.
fn service_of(function: &str) -> Option<&str> {
    let (service, rest) = function.strip_prefix("_nss_")?.split_once('_')?;
    rest.starts_with("get").then_some(service)
}

fn is_of_interest(name: &str) -> bool {
    let mut lists = DATABASES.iter().map(|database| database.functions);
    lists.any(|list| list.contains(&name)) || UNWINDING.contains(&name) || CONVERTING.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_in_libc_if_its_answers_are() {
        assert_eq!(service_of("_nss_files_getpwnam_r"), Some("files"));
        assert_eq!(service_of("_nss_dns_gethostbyname_r"), Some("dns"));
        // What 2.31 has.
        assert_eq!(service_of("_nss_files_parse_pwent"), None);
        assert_eq!(service_of("getpwnam_r"), None);
    }
}
