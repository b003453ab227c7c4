//! How the interpreter is linked: these arguments reach the binary `ld-lode` and nothing else, so that
//! tests, tools and build scripts stay ordinary host programs.

use std::env;
use std::path::Path;

fn main() {
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let package = Path::new(&package);
    let script = package.join("../linker.ld");
    let exports = package.join("exports.map");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", script.display());
    println!("cargo::rerun-if-changed={}", exports.display());

    // -static-pie makes the compiler driver leave out the interpreter and the start files; -shared after it
    // leaves out DF_1_PIE. GNU ld refuses a file with that bit as an input, and this file takes the place
    // of a loader that libc's linker script names as one.
    let driver = ["-nostartfiles", "-nostdlib", "-static-pie", "-shared"];
    let linker = [
        format!("-T,{}", script.display()),
        format!("--version-script={}", exports.display()),
        // The script names what the loader of some glibc exports; a name may be missing here.
        "--undefined-version".to_owned(),
        "--export-dynamic".to_owned(),
        "-Bsymbolic".to_owned(),
        "-e,_start".to_owned(),
        "-soname,ld-linux-x86-64.so.2".to_owned(),
        "--no-undefined".to_owned(),
        "--build-id=sha1".to_owned(),
        "--hash-style=gnu".to_owned(),
        // linker.ld writes the one that the image needs.
        "--no-eh-frame-hdr".to_owned(),
        "-z,relro".to_owned(),
        "-z,now".to_owned(),
        "-z,noexecstack".to_owned(),
        "-z,noseparate-code".to_owned(),
        "-z,max-page-size=4096".to_owned(),
        "-z,pack-relative-relocs".to_owned(),
    ];
    for argument in driver {
        println!("cargo::rustc-link-arg-bin=ld-lode={argument}");
    }
    for argument in linker {
        println!("cargo::rustc-link-arg-bin=ld-lode=-Wl,{argument}");
    }
    if links_with_lld() {
        // One function of those that came out equal. Only the place of the breakpoint has to be nothing else as well.
        println!("cargo::rustc-link-arg-bin=ld-lode=-Wl,--icf=all,--keep-unique=_dl_debug_state");
    }
}

/// Whether the linker is the lld that rustc takes for this target when nobody asks for another one. GNU ld links the loader too, but has no
/// such option.
fn links_with_lld() -> bool {
    let is = |name, value: &str| env::var(name).is_ok_and(|found| found == value);
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let another = ["-fuse-ld", "linker-features", "linker="]
        .iter()
        .any(|choice| flags.contains(choice));
    is("TARGET", "x86_64-unknown-linux-gnu") && env::var_os("RUSTC_LINKER").is_none() && !another
}
