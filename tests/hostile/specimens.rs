//! The files that are damaged: programs and libraries without libc, built by the system's compiler, and a program with libc that opens such a library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::{succeed, switches};

/// A file, and what is to be known of it.
pub struct Specimen {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    /// Whether musl's loader has all that it asks for.
    pub suits_musl: bool,
}

/// Everything that is built.
pub struct Specimens {
    /// Programs that need `libspec.so`: bound at calls with both hash tables; bound at the start with GNU's; at a fixed address with copies and System V's.
    pub programs: Vec<Specimen>,
    /// Libraries that can be that `libspec.so`: with plain tables; with resolvers and packed relative relocations; with Android's packed relocations.
    pub libraries: Vec<Specimen>,
    /// Libraries that are in order for a loader and die of what they do themselves: of a call without end, of a resolver that waits for itself.
    pub at_fault: Vec<Specimen>,
    /// Opens a library; its libc is the system's.
    pub opener: PathBuf,
}

/// No libc, and only what is exported is dynamic. Thread-local storage by descriptors: the other way needs a libc's `__tls_get_addr`.
const FREESTANDING: &str = "-O1 -w -nostdlib -ffreestanding -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
                            -fvisibility=hidden -mtls-dialect=gnu2 -Wl,-z,relro -Wl,-z,separate-code -Wl,--build-id=sha1";

impl Specimens {
    /// Builds them in `folder`; the programs name `interpreter`.
    pub fn build(folder: &Path, interpreter: &Path) -> Specimens {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile");
        let compile = |source: &str, output: &str, flags: &str, more: &[String]| {
            let mut command = Command::new("gcc");
            command
                .arg(sources.join(source))
                .args(["-o", output])
                .args(flags.split(' '));
            succeed(command.args(more).current_dir(folder));
            fs::read(folder.join(output)).unwrap()
        };
        let script = [format!(
            "-Wl,--version-script={}",
            sources.join("library.map").display()
        )];
        let library = |name, suits_musl, flags: &str, more: &[String]| Specimen {
            name,
            suits_musl,
            bytes: compile(
                "library.c",
                "libspec.so",
                &format!("{FREESTANDING} -fPIC -shared -Wl,-soname,libspec.so {flags}"),
                &[&script, more].concat(),
            ),
        };
        let at_fault = vec![
            library("recursion", false, "-DWHOLE -DRECURSION", &[]),
            library("cycle", false, "-DWHOLE -DCYCLE", &[]),
        ];
        let mut libraries = vec![
            library(
                "whole",
                false,
                "-DWHOLE -Wl,--hash-style=gnu -Wl,-z,pack-relative-relocs",
                &[],
            ),
            library("plain", true, "-Wl,--hash-style=both", &[]),
        ];
        let interpreter = [format!("-Wl,--dynamic-linker={}", interpreter.display())];
        // The last library, the plain one, is linked with.
        let program = |name, flags: &str| Specimen {
            name,
            suits_musl: true,
            bytes: compile(
                "program.c",
                name,
                &format!("{FREESTANDING} {flags} -L. -lspec -Wl,-rpath,$ORIGIN -Wl,--enable-new-dtags -Wl,-E"),
                &interpreter,
            ),
        };
        let programs = vec![
            program("lazy", "-fPIE -pie -Wl,-z,lazy -Wl,--hash-style=both"),
            program("now", "-fPIE -pie -Wl,-z,now -Wl,--hash-style=gnu"),
            program("fixed", "-fno-pic -no-pie -Wl,-z,now -Wl,--hash-style=sysv"),
        ];
        if let Some(lld) = switches("lld") {
            libraries.push(library(
                "android",
                false,
                "-Wl,--hash-style=both -Wl,--pack-dyn-relocs=android",
                &lld,
            ));
        }
        compile("opener.c", "opener", "-O1 -w -rdynamic", &[]);
        Specimens {
            programs,
            libraries,
            at_fault,
            opener: folder.join("opener"),
        }
    }
}
