//! musl's libc, recognised by what is in it and not by its name, of which it has many: it is the loader too.

use super::{Binary, EM_X86_64, PT_INTERP, PT_TLS};

/// `ET_DYN`
const ET_DYN: u16 = 3;
/// What every release since 1.1.21 exports: the stages of its own start, and what a program needs of a loader.
const EXPORTS: &[&str] = &[
    "__libc_start_main",
    "__dls2b",
    "__dls3",
    "_dlstart",
    "dlopen",
    "__tls_get_addr",
];

/// Why a file is not musl's libc for x86-64; `None` if it is. Its own start is its entry; it needs nothing, and has no thread-local data.
pub fn is_not_libc(binary: &Binary) -> Option<String> {
    let header = &binary.header;
    if (header.machine, header.bits, header.kind) != (EM_X86_64, 64, ET_DYN) {
        return Some(format!("it is no library for x86-64 but for {}", header.machine_name()));
    }
    let has = |kind| binary.segments.iter().any(|segment| segment.kind == kind);
    let exported = |name: &&str| {
        binary
            .symbols
            .iter()
            .find(|symbol| symbol.is_defined() && symbol.name == **name)
    };
    match () {
        () if has(PT_INTERP) => Some("it has an interpreter (PT_INTERP)".to_owned()),
        () if has(PT_TLS) => Some("it has thread-local data (PT_TLS)".to_owned()),
        () if !binary.needed.is_empty() => Some(format!("it needs {}", binary.needed.join(", "))),
        () => {
            let lacks = EXPORTS.iter().find(|name| exported(name).is_none());
            if let Some(lacks) = lacks {
                return Some(format!("it does not export {lacks}"));
            }
            let start = exported(&"_dlstart").map(|symbol| symbol.value);
            (start != Some(header.entry)).then(|| "its entry is not _dlstart".to_owned())
        }
    }
}
