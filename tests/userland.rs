//! Unmodified programs of the system, with lode bound over the system's loader in a private mount namespace, so that
//! every child uses it too. Output and exit status have to equal those under the system's own loader.
//!
//! Needs root, or user namespaces; where neither is to be had, each test says so and is skipped at home.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod tools;

use std::path::Path;
use std::process::{Command, Output};

use tools::{has, loader, namespace, text};

/// Runs `script` with `loader` in the place of the system's.
fn under(loader: &Path, mut namespace: Command, script: &str, folder: &Path) -> Output {
    let system = Path::new("/lib64/ld-linux-x86-64.so.2").canonicalize().unwrap();
    namespace
        .args([
            "sh",
            "-c",
            "mount --make-rprivate / && mount --bind \"$1\" \"$2\" && exec sh -c \"$3\"",
            "sh",
        ])
        .arg(loader)
        .arg(system)
        .arg(script)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap()
}

fn agrees(programs: &[&str], script: &str) {
    let Some(loader) = loader() else {
        return;
    };
    if !programs.iter().all(|program| has(program)) {
        return;
    }
    let Some(namespace) = namespace() else {
        return;
    };
    let folder = |name: &str| temp_dir::TempDir::with_prefix(name).unwrap();
    let (first, second) = (folder("lode-userland-"), folder("lode-userland-"));
    let system = Command::new("sh")
        .args(["-c", script])
        .current_dir(first.path())
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let lode = under(&loader, namespace, script, second.path());
    assert_eq!(
        (text(&system.stdout), system.status.code()),
        (text(&lode.stdout), lode.status.code()),
        "{script}\nthe system's stderr: {}\nlode's stderr: {}",
        text(&system.stderr),
        text(&lode.stderr),
    );
    assert!(system.status.success(), "{script}: {}", text(&system.stderr));
}

#[test]
fn no_other_loader_is_mapped() {
    let Some(loader) = loader() else {
        return;
    };
    let Some(namespace) = namespace() else {
        return;
    };
    let folder = temp_dir::TempDir::with_prefix("lode-userland-").unwrap();
    let script = "cat /proc/self/maps; stat -c 'inode %i' /lib64/ld-linux-x86-64.so.2 -L";
    let output = under(&loader, namespace, script, folder.path());
    let text = text(&output.stdout);
    let ours = text.lines().find_map(|line| line.strip_prefix("inode ")).unwrap();
    let loaders: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("/ld-") && !line.contains("libc"))
        .collect();
    assert!(!loaders.is_empty(), "lode itself is not in the map:\n{text}");
    for line in loaders {
        assert_eq!(
            line.split_whitespace().nth(4),
            Some(ours),
            "another loader is mapped: {line}"
        );
    }
}

#[test]
fn bash_with_pipes_forks_and_substitution() {
    agrees(
        &["bash"],
        "bash -c 'echo $(echo a | tr a b) $((6*7)); (echo sub); seq 5 | while read n; do echo $n; done; cat <(echo p)'",
    );
}

#[test]
fn python_with_its_libraries() {
    agrees(
        &["python3"],
        "python3 -c 'import ssl, sqlite3, ctypes, decimal, threading, subprocess; print(decimal.Decimal(1)/3); \
         print(subprocess.run([\"echo\", \"child\"], capture_output=True).stdout)'",
    );
}

#[test]
fn python_with_threads() {
    agrees(
        &["python3"],
        "python3 -c '
import threading
total = []
def work(n):
    total.append(sum(range(n)))
threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(16)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(total))'",
    );
}

/// The interpreter of bytecode opens dllunix.so and dllcamlstr.so, which refer to the program.
#[test]
fn ocaml_with_its_stubs() {
    agrees(
        &["ocaml", "ocamlrun"],
        "echo 'print_string (Str.global_replace (Str.regexp \"a+\") \"b\" \"caat\"); \
         print_int (List.length [Unix.getpid ()]);;' > stubs.ml && ocaml unix.cma str.cma stubs.ml; rm -f stubs.ml",
    );
}

#[test]
fn perl() {
    agrees(
        &["perl"],
        "perl -MPOSIX -MList::Util=sum -e 'print sum(1..10), \" \", POSIX::floor(2.5), \"\\n\"'",
    );
}

#[test]
fn git_in_a_repository() {
    agrees(
        &["git"],
        "export GIT_AUTHOR_DATE='2000-01-01T00:00:00Z' GIT_COMMITTER_DATE='2000-01-01T00:00:00Z'; \
         export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a.invalid GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@a.invalid; \
         git init -q -b main . && echo text > file && git add file && git commit -qm first && git log --format=%H && git status --short",
    );
}

#[test]
fn gcc_compiles_links_and_runs_c() {
    agrees(
        &["gcc"],
        "printf '#include <stdio.h>\\nint main(void){printf(\"compiled %%d\\\\n\", 42);return 0;}\\n' > a.c && gcc a.c -o a && ./a",
    );
}

#[test]
fn gcc_compiles_links_and_runs_cxx_with_exceptions() {
    agrees(
        &["g++"],
        "printf '#include <iostream>\\n#include <stdexcept>\\nint main(){try{throw std::runtime_error(\"thrown\");}\
         catch(std::exception&e){std::cout<<e.what()<<std::endl;}}\\n' > a.cc && g++ a.cc -o a && ./a",
    );
}

#[test]
fn name_service_and_character_sets_through_the_hook() {
    agrees(
        &["getent", "iconv"],
        "getent passwd root; iconv -l | md5sum; printf 'gr\\374n' | iconv -f ISO-8859-1 -t UTF-8",
    );
}

#[test]
fn gdb_breaks_inside_a_shared_library() {
    agrees(
        &["gdb", "gcc"],
        "printf 'int twice(int n){return 2*n;}\\n' > t.c && gcc -g -shared -fPIC t.c -o libt.so && \
         printf 'int twice(int);int main(void){return twice(0);}\\n' > m.c && gcc -g m.c -o m -L. -lt -Wl,-rpath,. && \
         gdb -q -nx -batch -ex 'set breakpoint pending on' -ex 'set debuginfod enabled off' -ex 'break twice' -ex run -ex bt -ex cont ./m 2>/dev/null \
         | grep -E '^(#|Breakpoint [0-9]+, )' | sed 's/0x[0-9a-f]*//g'",
    );
}

#[test]
fn a_program_with_threads() {
    agrees(
        &["gcc"],
        "cat > t.c <<'C'
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
static pthread_key_t key; static int destroyed;
static void destroy(void *value) { __atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST); }
static void *work(void *argument) { pthread_setspecific(key, argument); return argument; }
static void *wait_for_ever(void *argument) { for (;;) pause(); }
int main(void) {
  pthread_t threads[16], endless; void *result; long sum = 0;
  pthread_key_create(&key, destroy);
  for (long i = 0; i < 16; i++) pthread_create(&threads[i], 0, work, (void *)(i + 1));
  for (int i = 0; i < 16; i++) { pthread_join(threads[i], &result); sum += (long)result; }
  pthread_create(&endless, 0, wait_for_ever, 0);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) { pthread_t inner; pthread_create(&inner, 0, work, (void *)7); pthread_join(inner, &result); _exit((long)result); }
  int status; waitpid(child, &status, 0);
  pthread_cancel(endless); pthread_join(endless, &result);
  printf(\"%ld %d %d %d\\n\", sum, destroyed, WEXITSTATUS(status), result == PTHREAD_CANCELED);
  return 0;
}
C
gcc -pthread t.c -o t && ./t",
    );
}

#[test]
fn openssl_and_curl() {
    agrees(
        &["openssl", "curl"],
        "openssl version; printf abc | openssl sha256; curl --version | head -1",
    );
}

#[test]
fn sqlite3() {
    agrees(
        &["sqlite3"],
        "sqlite3 :memory: 'create table t(a); insert into t values(1),(2); select sum(a) from t;'",
    );
}

#[test]
fn tar_and_xz_with_threads() {
    agrees(
        &["tar", "xz"],
        "mkdir d && seq 200000 > d/f && tar -cf - d | xz -T2 | xz -d | tar -tf - && xz -T2 < d/f | xz -d | md5sum",
    );
}
