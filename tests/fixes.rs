//! What lode tells people to do about a program that does not start is done, word for word, and then the program starts.
//!
//! Each situation is made with the machine's own tools (or by another byte in what they made), the program is started under lode, and the fixes are taken
//! from the text by one rule, the same for all: [`stand::Stand::mended`]. What the user alone can know lies in the folder `right` of each
//! situation. Where nothing helps the file, the text has to say so, and another file in its place has to start.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_LOADER` | the loader under test; without it the one that `cargo xtask build` left |
//! | `LODE_TOOL` | the lode-tool under test; without it the one that `cargo xtask build` left |
//! | `CI` | `true`: a missing tool is a failure; otherwise its tests are skipped with a word |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "fixes/stand.rs"]
mod stand;
mod tools;

use std::fs;

use stand::{Situation, Stand};

/// A program that needs `liba.so`, for which its `afun` is linked from `right`.
macro_rules! needs_liba {
    ($($rest:literal)*) => {
        concat!(
            "echo \"$has_afun\" | library right/liba.so\n",
            "echo \"$calls_afun\" | program m right/liba.so\n",
            $($rest, "\n",)*
        )
    };
}

/// Holds the fixes of a situation against those that it should have.
fn mend(situation: &Situation, expected: &[&str]) {
    let Some(stand) = Stand::new() else { return };
    assert_eq!(stand.mended(situation), expected);
}

#[test]
fn a_library_is_missing() {
    let says = &[
        "m: error while loading shared libraries: liba.so: cannot open",
        "lode[E0201]: liba.so, needed by ./m",
        "  tried ",
    ];
    mend(&Situation::new(needs_liba!(), "./m", says), &["LD_LIBRARY_PATH=DIR"]);
}

#[test]
fn a_symbol_is_missing_from_another_build_of_a_library() {
    let recipe = needs_liba!("echo 'int other;' | library liba.so");
    let says = &["./m: undefined symbol: afun", "lode[E0301]: ./m"];
    mend(&Situation::new(recipe, "./m", says), &["LD_PRELOAD=FILE"]);
}

#[test]
fn a_symbol_is_missing_because_no_library_of_it_is_named() {
    let recipe = r#"
        echo "$has_afun" | library right/liba.so
        echo 'int afun(void); int between(void) { return afun(); }' | library libbetween.so
        echo 'int between(void), puts(const char *); int main(void) { return between() == 7 && puts("works") < 0; }' | program m libbetween.so -Wl,--allow-shlib-undefined"#;
    let says = &["libbetween.so: undefined symbol: afun", "lode[E0301]: "];
    mend(&Situation::new(recipe, "./m", says), &["LD_PRELOAD=FILE"]);
}

#[test]
fn a_version_is_missing() {
    let recipe = needs_liba!(
        "echo 'V2 { afun; };' > second; echo \"$has_afun\" | library liba.so -Wl,--version-script,second"
        "echo 'V1 { afun; };' > first; echo \"$has_afun\" | library right/liba.so -Wl,--version-script,first"
        "echo \"$calls_afun\" | program m right/liba.so"
    );
    let says = &[
        "liba.so: version `V1' not found (required by ./m)",
        "lode[E0310]",
        "V1 is asked for by afun",
    ];
    mend(&Situation::new(recipe, "./m", says), &["LD_LIBRARY_PATH=DIR"]);
}

#[test]
fn a_library_without_versions_serves_with_a_warning() {
    let Some(stand) = Stand::new() else { return };
    let recipe = needs_liba!(
        "cp right/liba.so ."
        "echo 'V1 { afun; };' > first; echo \"$has_afun\" | library right/liba.so -Wl,--version-script,first"
        "echo \"$calls_afun\" | program m right/liba.so"
    );
    let folder = stand.made(recipe);
    let said = stand.said(&folder, "./m");
    assert_eq!((said.status, &*said.stdout), (Some(0), "works\n"), "{}", said.stderr);
    assert!(
        said.stderr
            .contains("liba.so: no version information available (required by ./m)"),
        "{}",
        said.stderr
    );
    let checked = stand.said(&folder, "lode-tool check ./m");
    assert!(checked.stdout.contains("warning[E0808]"), "{}", checked.stdout);
}

/// EI_ABIVERSION of the program is 1, in both ways to start it.
#[test]
fn a_program_asks_for_another_abi_version() {
    let recipe = needs_liba!("mv right/liba.so .; cp m right; poke m 8 001");
    let says = &[
        "m: ELF file ABI version invalid",
        "lode[E0105]: ./m",
        "EI_ABIVERSION is 1, EI_OSABI 0 (NONE); lode supports up to 0",
    ];
    mend(&Situation::new(recipe, "./m", says), &["none"]);
    mend(&Situation::new(recipe, "./ld-lode ./m", says), &["none"]);
}

#[test]
fn a_library_is_for_another_class_or_machine() {
    let recipe = needs_liba!("echo 'int other;' | library liba.so -m32 -nostdlib");
    let says = &[
        "lode[E0201]: liba.so, needed by ./m",
        "wrong ELF class: ELFCLASS32",
        "EI_CLASS is 1, e_machine 3 (i386)",
        "lode loads 2 (ELFCLASS64) and 62 (x86-64)",
    ];
    mend(&Situation::new(recipe, "./m", says), &["LD_LIBRARY_PATH=DIR"]);
    let recipe = needs_liba!("cp right/liba.so .; poke liba.so 18 267");
    let says = &["lode[E0201]: liba.so, needed by ./m", "e_machine is 183 (AArch64)"];
    mend(&Situation::new(recipe, "./m", says), &["LD_LIBRARY_PATH=DIR"]);
}

#[test]
fn a_program_is_for_another_machine() {
    let recipe = needs_liba!("mv right/liba.so .; cp m right; poke m 18 267");
    let says = &["lode[E0103]: ./m", "e_machine is 183 (AArch64); lode loads 62 (x86-64)"];
    mend(&Situation::new(recipe, "./ld-lode ./m", says), &["none"]);
}

/// What stands in a library's place is told by its first bytes, and in words by `lode-tool check`.
#[test]
fn a_library_is_no_elf_file() {
    let Some(stand) = Stand::new() else { return };
    for (recipe, start, word) in [
        (
            needs_liba!("echo 'INPUT ( libb.so.1 )' > liba.so"),
            "INPUT ( libb.so.",
            "linker script",
        ),
        (
            needs_liba!("printf '/* GNU ld script */\\nGROUP ( libb.so.1 AS_NEEDED ( libc.so.6 ) )\\n' > liba.so"),
            "/* GNU ld script",
            "linker script",
        ),
        (
            needs_liba!("printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:0\\nsize 1\\n' > liba.so"),
            "version https://",
            "LFS",
        ),
        (
            needs_liba!(
                "printf '<!DOCTYPE html>\\n<html><head><title>404</title></head><body></body></html>\\n' > liba.so"
            ),
            "<!DOCTYPE html>",
            "HTML",
        ),
        (needs_liba!("gzip < right/liba.so > liba.so"), "\\x1f", "gzip"),
    ] {
        let says = &["/liba.so: file too short", "lode[E0101]: "];
        let situation = Situation::new(recipe, "./m", says);
        assert_eq!(stand.mended(&situation), ["none"]);
        let folder = stand.made(recipe);
        let text = stand.said(&folder, "./m").stderr;
        assert!(text.contains(&format!("\n  starts with \"{start}")), "{text}");
        // What the fix names besides.
        let (_, command) = text.split_once("fix: none for this file; `").unwrap();
        let (command, _) = command.split_once('`').unwrap();
        let checked = stand.said(&folder, command).stdout;
        assert!(checked.contains(word), "{command}: {checked}");
    }
}

#[test]
fn a_file_is_truncated() {
    let recipe = needs_liba!("head -c 8192 right/liba.so > liba.so");
    let says = &[
        "lode[E0112]: ",
        "liba.so: a segment ends after the end of the file (is the file truncated?)",
        "limit 0x2000",
    ];
    mend(&Situation::new(recipe, "./m", says), &["none"]);
    let recipe = needs_liba!("mv right/liba.so .; cp m right; head -c 8192 right/m > m");
    mend(
        &Situation::new(recipe, "./ld-lode ./m", &["lode[E0112]: ./m", "limit 0x2000"]),
        &["none"],
    );
}

#[test]
fn static_thread_local_storage_is_full() {
    let recipe = r#"
        echo '__thread char big[60000] __attribute__((tls_model("initial-exec"))); char *place(void) { return big; }' | library libbig.so
        program m <<-'END'
            #include <dlfcn.h>
            #include <stdio.h>
            int main(void) {
                if (dlopen("./libbig.so", RTLD_NOW)) return puts("works") < 0;
                fprintf(stderr, "%s\n", dlerror());
                return 1;
            }
END"#;
    let says = &["./libbig.so: cannot allocate memory in static TLS block; "];
    mend(&Situation::new(recipe, "./m", says), &["LD_PRELOAD=./libbig.so"]);
}

/// A file with DT_RELR starts; with the lock-out of glibc the switch that the text names makes it start too. What other loaders would do is known before.
#[test]
fn relative_relocations_are_packed() {
    let Some(stand) = Stand::new() else { return };
    const RECIPE: &str = r#"
        cat > m.c <<-'END'
            extern int puts(const char *);
            const char *words[] = { "works", "words" }, **all[] = { words, words + 1 };
            int main(void) { return puts(*all[0]) < 0; }
END
        printf '. "$SITUATIONS"\nprogram m "$@" < m.c\n' > build
        program m $LLD -Wl,--pack-dyn-relocs=relr < m.c"#;
    let folder = stand.made(RECIPE);
    let plain = stand.said(&folder, "./m");
    assert_eq!((plain.status, &*plain.stdout), (Some(0), "works\n"), "{}", plain.stderr);
    let compat = stand.said(&folder, "lode-tool compat m").stdout;
    assert!(compat.contains("glibc < 2.36    faults"), "{compat}");
    let start = "LODE_OPTIONS=relr-lockout=glibc ./m";
    let says = &["m: DT_RELR without GLIBC_ABI_DT_RELR dependency", "lode[E0315]: ./m"];
    let fixes = stand.mended(&Situation::new(RECIPE, start, says));
    assert_eq!(fixes, ["-z pack-relative-relocs"]);
    stand.said(&folder, "sh ./build -z pack-relative-relocs");
    let compat = stand.said(&folder, "lode-tool compat m").stdout;
    assert!(!compat.contains("glibc < 2.36    faults"), "{compat}");
}

#[test]
fn a_library_chooses_a_function_at_run_time() {
    let Some(stand) = Stand::new() else { return };
    let folder = stand.made(
        r#"
        echo 'static int seven(void) { return 7; } static void *choose(void) { return seven; } int afun(void) __attribute__((ifunc("choose")));' | library liba.so
        echo "$calls_afun" | program m liba.so"#,
    );
    let said = stand.said(&folder, "./m");
    assert_eq!((said.status, &*said.stdout), (Some(0), "works\n"), "{}", said.stderr);
    let explained = stand
        .said(&folder, "lode-tool explain --loader ./ld-lode --no-run ./m")
        .stdout;
    assert!(explained.contains("  afun → seven"), "{explained}");
}

#[test]
fn a_program_may_not_be_executed() {
    let recipe = needs_liba!("mv right/liba.so .; chmod -x m");
    let says = &["./m: cannot execute: Permission denied", "lode[E0510]: ./m"];
    mend(
        &Situation::new(recipe, "./ld-lode ./m", says),
        &["chmod +x ./m", "LODE_OPTIONS=allow=noexec"],
    );
}

/// Nobody is to paste a command that a file's name is a part of.
#[test]
fn a_name_that_a_shell_would_not_take_as_it_is_is_not_in_a_fix() {
    let Some(stand) = Stand::new() else { return };
    let folder = stand.made(r#"echo "$has_afun" | library liba.so; echo "$calls_afun" | program m liba.so; mv m 'm;touch pasted'; chmod -x m*"#);
    let said = stand.said(&folder, "./ld-lode ./m*");
    assert!(
        said.stderr
            .contains("lode[E0510]: ./m;touch pasted\n  fix: `chmod +x FILE`, or "),
        "{}",
        said.stderr
    );
}

#[test]
fn a_file_system_is_mounted_noexec() {
    if tools::namespace().is_none() {
        return;
    }
    // The shell of each start goes on in a namespace of its own.
    let before = r#"[ -n "${INSIDE-}" ] || INSIDE=1 exec unshare --map-root-user --mount sh -c "$(tr '\0' '\n' < /proc/$$/cmdline | tail -n +3)"
        mount -t tmpfs -o noexec none mount
        cp liba.so m mount"#;
    let recipe = needs_liba!("mv right/liba.so .; mkdir mount");
    let says = &[
        "m: failed to map segment from shared object: Operation not permitted",
        "lode[E0511]: mount/m",
    ];
    let fixes = &["mount -o remount,exec $(findmnt -nT mount/m -o TARGET)"];
    mend(
        &Situation {
            before,
            ..Situation::new(recipe, "./ld-lode mount/m", says)
        },
        fixes,
    );
    let says = &["lode[E0511]: mount/liba.so, needed by ./m"];
    let fixes = &["mount -o remount,exec $(findmnt -nT mount/liba.so -o TARGET)"];
    mend(
        &Situation {
            before,
            ..Situation::new(recipe, "LD_LIBRARY_PATH=mount ./m", says)
        },
        fixes,
    );
}

/// ldd(1) says of such a program that it is not a dynamic executable.
#[test]
fn a_program_for_another_machine_has_a_tree() {
    let Some(stand) = Stand::new() else { return };
    let folder = stand.made(needs_liba!("mv right/liba.so .; poke liba.so 18 267; poke m 18 267"));
    let tree = stand.said(&folder, "lode-tool tree ./m");
    assert!(tree.stdout.contains("/m [AArch64]\n"), "{}", tree.stdout);
    assert!(tree.stdout.contains("liba.so => "), "{}", tree.stdout);
    let list = stand.said(&folder, "lode-tool tree --list ./m");
    assert!(list.stdout.contains("liba.so => "), "{}", list.stdout);
}

/// A pointer to a function in `.rodata`: with DT_TEXTREL as link editors leave it, and without, when other loaders die of it.
#[test]
fn a_relocation_is_in_a_read_only_segment() {
    let Some(stand) = Stand::new() else { return };
    const LIBRARY: &str = r#"
        cat > a.s <<-'END'
            .globl afun, table
            .type afun, @function
            .text
            afun: movl $7, %eax
            ret
            .section .rodata
            .balign 8
            table: .quad afun
            .section .note.GNU-stack,"",@progbits
END
        gcc -shared -nostdlib -o liba.so a.s -Wl,-soname,liba.so -z notext -w $WITH
        echo "$calls_afun" | program m liba.so"#;
    for linker in ["", "$LLD"] {
        let recipe = LIBRARY.replace("$WITH", linker).leak();
        let says = &[
            "lode[E0323]",
            "R_X86_64_64 at 0x",
            "entry 0 of DT_RELA; its place is in segment ",
        ];
        assert_eq!(
            stand.mended(&Situation::new(recipe, "./m", says)),
            ["LODE_OPTIONS=allow=textrel"]
        );
    }
    let recipe = format!("{}\nunmarked liba.so", LIBRARY.replace("$WITH", ""));
    let says = &[
        "a relocation's target lies in a segment that is not writable: R_X86_64_64 at 0x",
        "lode[E0322]",
        "entry 0 of DT_RELA; its place is in segment ",
    ];
    assert_eq!(
        stand.mended(&Situation::new(recipe.leak(), "./m", says)),
        ["LODE_OPTIONS=allow=textrel"]
    );
}

/// In an image made by hand: only who looks at it from outside can say what is missing.
#[test]
fn the_interpreter_is_missing() {
    if tools::namespace().is_none() || fs::metadata("/lib64/ld-linux-x86-64.so.2").is_err() {
        return;
    }
    let recipe = r#"
        mkdir image
        cp --parents "$(realpath "$(gcc -print-file-name=libc.so.6)")" image
        echo 'int puts(const char *); int main(void) { return puts("works") < 0; }' | compiled image/m"#;
    let says = &["error[E0120]: /m: its interpreter /lib64/ld-linux-x86-64.so.2 does not exist under "];
    let situation = Situation {
        asked: Some("lode-tool check --root image /m"),
        ..Situation::new(recipe, "unshare --map-root-user chroot image /m", says)
    };
    mend(&situation, &["cp -L --parents /lib64/ld-linux-x86-64.so.2 DIR/image"]);
    let Some(stand) = Stand::new() else { return };
    assert_eq!(
        stand
            .said(&stand.made(recipe), "lode-tool check --root image /m")
            .status,
        Some(3)
    );
}
