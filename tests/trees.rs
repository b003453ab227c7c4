//! Programs of other systems, each in its own tree: root file systems of Debian releases with another glibc. In a private mount namespace lode is bound
//! over the tree's loader, or installed in a copy, and everything that the programs print has to be what they print under that loader.
//!
//! `LODE_TREES` lists the trees, separated by colons; without it there is nothing to do. `cargo xtask test --suite trees` sets it, and makes the
//! trees with debootstrap where it is not set.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "trees/chroot.rs"]
mod chroot;
mod tools;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lode::abi::glibc::layout::{ALL, Layout, Place};
use object::Object as _;
use tools::{loader, namespace, text};

/// A program that the tree must have, and what to run there. A tree without the program skips the line.
const SCRIPTS: &[(&str, &str)] = &[
    ("cat", "! cat /proc/self/maps | grep -q /nothing"),
    ("ls", "ls -l /usr; ls /nonexistent"),
    ("id", "id; id nobody"),
    ("bash", "bash -c 'echo $(echo a | tr a b) $((6*7)); (echo sub); seq 5 | while read n; do echo $n; done; cat <(echo p)'"),
    ("sort", "sort --parallel=4 /etc/services | md5sum"),
    ("getent", "getent passwd root; getent group adm; getent services ssh; getent hosts localhost"),
    ("iconv", "for c in UTF-16 ISO-8859-15 IBM037 EUC-JP; do iconv -f UTF-8 -t $c /etc/services | md5sum; done"),
    ("perl", "perl -e 'use POSIX; print POSIX::floor(2.5), join(\",\", map { $_ * 2 } 1..5), `echo child`'"),
    (
        "python3",
        "python3 -c 'import threading, subprocess, math, ctypes
threads = [threading.Thread(target=lambda: math.sqrt(2)) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(subprocess.run([\"echo\", \"child\"], capture_output=True).stdout, ctypes.CDLL(\"libm.so.6\").abs(-3))'",
    ),
    ("dpkg", "dpkg --version; dpkg --configure -a"),
    ("apt-get", "apt-get --version | head -1"),
    ("tar", "tar -C /etc -cf - passwd | tar -tf -"),
    ("ldconfig", "ldconfig -p | grep -c libc.so.6"),
    ("ls", "GLIBC_TUNABLES=glibc.malloc.check=3:glibc.pthread.rseq=0 LD_PRELOAD=libm.so.6 ls /"),
    ("gcc", "gcc -O1 -w -o threads threads.c -pthread -ldl && ./threads"),
    (
        "gcc",
        "gcc -DLIBRARY -fPIC -shared -o liblate.so late.c && gcc -DLIBRARY -DSTATIC -fPIC -shared -o libstatic.so late.c &&
gcc -o late late.c -pthread -ldl && ./late",
    ),
    (
        // A static program that opens libc.so.6, whose loader lode is, as a library.
        "gcc",
        "printf '#include <pwd.h>\n#include <stdio.h>\nint main() { return puts(getpwnam(\"root\")->pw_dir) < 0; }' > s.c &&
gcc -w -static -o s s.c 2>/dev/null && ./s",
    ),
    (
        "g++",
        "printf '#include <cstdio>\n#include <stdexcept>\n#include <thread>\nthread_local int x = 3;
int main() { try { throw std::runtime_error(\"caught\"); } catch (std::exception &e) { std::puts(e.what()); }
std::thread t([] { try { throw 1; } catch (int i) { std::printf(\"%%d\\\\n\", i + x); } }); t.join(); }' > e.cc &&
g++ -o e e.cc -pthread && ./e",
    ),
    (
        // The check of 2.42 and later asks the loader whether a format string can be written.
        "gcc",
        "printf '#include <stdio.h>\n#include <string.h>\n
int main() { char f[9]; int n = 0; printf(\"a%%nb\\\\n\", &n); fflush(stdout); strcpy(f, \"q%%n\\\\n\"); return printf(f, &n); }' > n.c &&
gcc -O2 -D_FORTIFY_SOURCE=2 -w -o n n.c && (./n; echo $?) 2>/dev/null",
    ),
    (
        "gcc",
        "printf '#include <execinfo.h>\n#include <stdio.h>\n
int main() { void *frames[9]; int n = backtrace(frames, 9); char **names = backtrace_symbols(frames, n);
while (n--) printf(\"%%.*s\\\\n\", (int)__builtin_strcspn(names[n], \"[\"), names[n]); }' > b.c && gcc -rdynamic -o b b.c && ./b",
    ),
];

/// The trees that the environment names.
fn trees() -> Vec<PathBuf> {
    env::var_os("LODE_TREES").map_or_else(Vec::new, |trees| env::split_paths(&trees).collect())
}

/// The file that the name of the interpreter leads to inside the tree.
fn interpreter(tree: &Path) -> PathBuf {
    let name = tree.join("lib64/ld-linux-x86-64.so.2");
    let link = fs::read_link(&name).unwrap();
    let file = match link.strip_prefix("/") {
        Ok(inside) => tree.join(inside),
        Err(_) => name.parent().unwrap().canonicalize().unwrap().join(link),
    };
    file.canonicalize().unwrap()
}

/// The tree's libc.so.6.
fn libc_of(tree: &Path) -> PathBuf {
    interpreter(tree).with_file_name("libc.so.6").canonicalize().unwrap()
}

/// A file, and the one of the tree that it is put over.
type Binding = (PathBuf, PathBuf);

/// The package `libc6-amd64-cross`: another build of the tree's glibc, for which no row was made. Over the tree's own it makes a system of that build.
fn other_build(tree: &Path) -> Vec<Binding> {
    let (own, other) = (interpreter(tree), tree.join("usr/x86_64-linux-gnu/lib"));
    let files = fs::read_dir(&other).into_iter().flatten();
    files
        .filter_map(|file| {
            let file = file.unwrap();
            let place = own.with_file_name(file.file_name()).canonicalize().ok()?;
            Some((file.path().canonicalize().unwrap(), place))
        })
        .collect()
}

/// Runs `script` in the tree, under its own loader or under `replacement`.
fn within(tree: &Path, replacement: Option<&Path>, script: &str) -> Option<Output> {
    within_and(tree, replacement, &[], script)
}

/// As [`within`], with other files of the tree put in their places first.
fn within_and(tree: &Path, replacement: Option<&Path>, bindings: &[Binding], script: &str) -> Option<Output> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("trees");
    let mut command = namespace()?;
    command
        .args([
            "sh",
            "-c",
            "mount --make-rprivate / && mount --rbind /dev \"$1/dev\" && mount --rbind /proc \"$1/proc\" &&
             mount -t tmpfs none \"$1/tmp\" && cp \"$2\"/*.c \"$1/tmp\" && cd \"$1/tmp\" || exit
             tree=$1 script=$3
             shift 3
             while test $# -gt 1; do mount --bind \"$1\" \"$2\" || exit; shift 2; done
             exec chroot \"$tree\" /bin/sh -c \"cd /tmp; $script\"",
            "sh",
        ])
        .arg(tree)
        .arg(sources)
        .arg(script);
    for (file, place) in bindings {
        command.arg(file).arg(place);
    }
    if let Some(loader) = replacement {
        command.arg(loader).arg(interpreter(tree));
    }
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8");
    Some(command.output().unwrap())
}

fn has(tree: &Path, program: &str) -> bool {
    let folders = ["usr/bin", "bin", "usr/sbin", "sbin"];
    // A link may name a file of the tree by an absolute path.
    folders
        .iter()
        .any(|folder| tree.join(folder).join(program).symlink_metadata().is_ok())
}

/// What differs in a tree, for people.
fn differences(tree: &Path, loader: &Path, bindings: &[Binding]) -> Option<String> {
    let mut all = String::new();
    let mut tried = 0;
    for (program, script) in SCRIPTS {
        if !has(tree, program) {
            continue;
        }
        tried += 1;
        let own = within_and(tree, None, bindings, script)?;
        let lode = within_and(tree, Some(loader), bindings, script)?;
        // Until July 2024 glibc told programs of the whole rseq area, not of the part that has a meaning.
        let seen = |output: &Output| {
            let printed = text(&output.stdout).replace("rseq: 32 1", "rseq: 20 1");
            (printed, output.status.code())
        };
        if seen(&own) != seen(&lode) {
            write!(
                all,
                "{}: {script}\nits own loader: {:?}\n{}lode: {:?}\n{}",
                tree.display(),
                seen(&own),
                text(&own.stderr),
                seen(&lode),
                text(&lode.stderr)
            )
            .unwrap();
        }
    }
    assert!(tried >= 8, "{}: only {tried} programs are there", tree.display());
    Some(all)
}

#[test]
fn programs_of_other_systems_agree_with_their_own_loader() {
    let Some(loader) = loader() else {
        return;
    };
    let mut all = String::new();
    for tree in trees() {
        let Some(differences) = differences(&tree, &loader, &[]) else {
            return;
        };
        all.push_str(&differences);
    }
    assert!(all.is_empty(), "{all}");
}

/// Whether the loader has upstream's rows only.
fn upstream_only() -> bool {
    env::var_os("LODE_TREES_ROWS").is_some_and(|rows| rows == "upstream")
}

/// What follows from glibc's own headers holds for a build that had no part in making the rows.
#[test]
fn a_build_without_a_row_of_its_own_runs_programs_as_under_its_own_loader() {
    let Some(loader) = loader().filter(|_| upstream_only()) else {
        return;
    };
    let mut all = String::new();
    for tree in trees() {
        let bindings = other_build(&tree);
        let libc = bindings.iter().find(|known| known.1 == libc_of(&tree));
        let Some((libc, _)) = libc else {
            println!("{}: no libc6-amd64-cross", tree.display());
            continue;
        };
        let build_id = build_id(libc);
        assert!(
            ALL.iter().all(|row| row.build_id() != Some(&build_id)),
            "{}",
            libc.display()
        );
        let output = Command::new(&loader).arg("--check-libc").arg(libc).output().unwrap();
        println!("{}: {}", libc.display(), text(&output.stdout));
        let report = scan::check(libc).unwrap_or_else(|failure| panic!("{}: {failure}", libc.display()));
        assert_eq!(report.faults().count(), 0, "{}", report.summary());
        let Some(differences) = differences(&tree, &loader, &bindings) else {
            return;
        };
        all.push_str(&differences);
    }
    assert!(all.is_empty(), "{all}");
}

/// Members of the shared structures that may differ between the two loaders, each with the reason.
const REVIEWED: &[(&str, &str)] = &[
    (
        "_dl_dlfcn_hook",
        "how lode takes over dlopen; glibc uses it in static programs only",
    ),
    (
        "_dl_init_all_dirs",
        "null in 2.31, so that the hooks of that release count",
    ),
    ("_dl_all_dirs", "equal to _dl_init_all_dirs, as libc wants it"),
    ("_dl_x86_tlsdesc_dynamic", "the loader's own"),
    ("_dl_x86_64_runtime_resolve", "the loader's own"),
    ("_dl_tls_generation", "the loader's own"),
    (
        "_dl_init_static_tls",
        "in 2.31 libpthread stores it; before, only the loader calls it",
    ),
    (
        "xsave_state_size",
        "how much a trampoline of the loader saves: lode's is its own",
    ),
    ("xsave_state_full_size", "as xsave_state_size"),
    (
        "l_contiguous",
        "2.31 does not set it for the program, whose segments libc then looks at one by one",
    ),
    ("l_ldnum", "the loader's own"),
    ("l_scope", "read for dlsym where dlopen is not hooked"),
    ("stack_guard", "random"),
    ("pointer_guard", "random"),
    ("tid", "another process"),
    ("robust_prev", "in 2.31 libpthread fills it"),
    ("user_stack", "in 2.31 libpthread fills it"),
    (
        "stackblock_size",
        "in 2.31 libpthread fills it; an address of the stack",
    ),
];

fn build_id(file: &Path) -> Vec<u8> {
    let bytes = fs::read(file).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    file.build_id().unwrap().unwrap().to_vec()
}

/// Whether a row was made from the very build of glibc that a tree has. Mirrors keep the last point release of an old Debian, not each update.
fn has_own_row(tree: &Path) -> bool {
    let build_id = build_id(&libc_of(tree));
    let has = ALL.iter().any(|row| row.build_id() == Some(&build_id));
    if !has {
        println!("{}: a build of glibc without a row of its own", tree.display());
    }
    has
}

/// The row of the tree's libc.so.6.
fn row(tree: &Path) -> Box<Layout> {
    let libc = libc_of(tree);
    let build_id = build_id(&libc);
    let row = ALL.iter().find(|row| row.build_id() == Some(&build_id));
    Layout::of(row.unwrap_or_else(|| panic!("{}: no row has its build-id", libc.display())))
}

/// A number of up to 8 bytes, or nothing for larger members.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let part = bytes.get(at..at + size).filter(|_| (1..=8).contains(&size))?;
    Some(part.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Where the kernel puts mappings and the stack.
fn is_address(number: u64) -> bool {
    (0x5000_0000_0000..0x8000_0000_0000).contains(&number)
}

/// The members that differ between two dumps of one structure and are not in the list.
fn unlike(members: impl Iterator<Item = (&'static str, Place)>, own: &[u8], lode: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, place) in members {
        let (own, lode) = match place {
            Place::Absent => continue,
            Place::Bytes(member) => (
                number(own, member.offset(), member.size()),
                number(lode, member.offset(), member.size()),
            ),
            Place::Bits(bits) => {
                let bit = |dump: &[u8]| Some(u64::from(dump[bits.offset()] >> bits.bit() & !(!0 << bits.width())));
                (bit(own), bit(lode))
            }
        };
        let addresses = own.is_some_and(is_address) && lode.is_some_and(is_address);
        if own != lode && !addresses && !REVIEWED.iter().any(|known| known.0 == name) {
            found.push(format!("{name}: {own:x?} under its own loader, {lode:x?} under lode"));
        }
    }
    found
}

#[test]
fn shared_structures_are_what_the_own_loader_makes_of_them() {
    let Some(loader) = loader() else {
        return;
    };
    let mut all = Vec::new();
    for tree in trees().into_iter().filter(|tree| has(tree, "gcc") && has_own_row(tree)) {
        let row = row(&tree);
        let sizes = [
            &row.rtld_global_ro.size(),
            &row.rtld_global.size(),
            &row.link_map.size(),
            &row.pthread.size(),
        ];
        let arguments = sizes.map(ToString::to_string).join(" ");
        let script = format!("gcc -w -o dump dump.c -ldl && ./dump {arguments}");
        let (Some(own), Some(lode)) = (within(&tree, None, &script), within(&tree, Some(&loader), &script)) else {
            return;
        };
        assert_eq!(
            own.stdout.len(),
            sizes.into_iter().sum::<usize>(),
            "{}",
            text(&own.stderr)
        );
        assert_eq!(own.stdout.len(), lode.stdout.len(), "{}", text(&lode.stderr));
        let mut at = 0;
        let parts = sizes.map(|size| {
            let part = at..at + size;
            at = part.end;
            (&own.stdout[part.clone()], &lode.stdout[part])
        });
        let [ro, global, map, thread] = parts;
        let features = row.rtld_global_ro.dl_x86_cpu_features;
        let features = features.offset()..features.offset() + features.size();
        let mut found = unlike(row.rtld_global_ro.members(), ro.0, ro.1);
        found.extend(unlike(
            row.cpu_features.members(),
            &ro.0[features.clone()],
            &ro.1[features],
        ));
        found.extend(unlike(row.rtld_global.members(), global.0, global.1));
        found.extend(unlike(row.link_namespaces.members(), global.0, global.1));
        found.extend(unlike(row.link_map.members(), map.0, map.1));
        found.extend(unlike(row.tcb.members(), thread.0, thread.1));
        found.extend(unlike(row.pthread.members(), thread.0, thread.1));
        all.extend(found.into_iter().map(|line| format!("{}: {line}", tree.display())));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// The row that a loader must take: the package's own, or if it has upstream's only (LODE_TREES_ROWS), the one of the state that the package was made from.
#[test]
fn a_libc_is_taken_for_what_it_is() {
    let (Some(trees), Some(loader)) = (env::var_os("LODE_TREES"), loader()) else {
        return;
    };
    for tree in env::split_paths(&trees).filter(|tree| has_own_row(tree)) {
        let mut expected = row(&tree);
        if upstream_only() {
            let mut upstream = ALL.iter().filter(|row| row.build_id().is_none()).map(Layout::of);
            let alike = upstream.find(|layout| layout.same_interface(&expected));
            expected = alike.unwrap_or_else(|| panic!("{}", tree.display()));
        }
        let output = Command::new(&loader)
            .arg("--check-libc")
            .arg(libc_of(&tree))
            .output()
            .unwrap();
        assert_eq!(
            text(&output.stdout),
            format!("supported: {}\n", expected.row),
            "{}",
            text(&output.stderr)
        );
    }
}

/// Another build of a release is known by what it says, not by its name.
#[test]
fn a_libc_with_another_build_id_is_accepted_when_all_else_agrees() {
    let Some(loader) = loader() else {
        return;
    };
    let folder = temp_dir::TempDir::with_prefix("lode-trees-").unwrap();
    for tree in trees().into_iter().filter(|tree| has_own_row(tree)) {
        let mut bytes = fs::read(libc_of(&tree)).unwrap();
        let name = row(&tree).row.build_id().unwrap();
        let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
        bytes[at] ^= 0xff;
        let libc = folder.path().join("libc.so.6");
        fs::write(&libc, bytes).unwrap();
        let bindings = [(libc, libc_of(&tree))];
        let Some(output) = within_and(&tree, Some(&loader), &bindings, "getent passwd root && echo started") else {
            return;
        };
        let started = text(&output.stdout).ends_with("started\n");
        assert!(started, "{}: {}", tree.display(), text(&output.stderr));
    }
}
