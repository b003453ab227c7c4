//! Which file a name becomes, in what order, and what ends a search.

use forge::{HeaderField, Module};
use lode::error::{Errno, Kind, Rejected, Rule};
use lode::event::Interest;

use crate::stand::{PROGRAM, Stand, error};
use memory::Memory;

fn needing(mut module: Module, names: &[&str]) -> Module {
    for name in names {
        module.needed(name);
    }
    module
}

fn library(soname: &str, needed: &[&str]) -> Module {
    needing(Module::library(soname), needed)
}

fn program(needed: &[&str]) -> Module {
    needing(Module::program(""), needed)
}

#[test]
fn libraries_are_mapped_breadth_first() {
    let mut stand = Stand::new(&program(&["liba.so", "libb.so"]));
    stand.add("/lib/liba.so", &library("liba.so", &["libd.so", "libc.so"]));
    stand.add("/lib/libb.so", &library("libb.so", &["libe.so", "libd.so"]));
    for name in ["libc.so", "libd.so", "libe.so"] {
        stand.add(&format!("/lib/{name}"), &library(name, &[]));
    }
    let ready = stand.start().unwrap();
    assert_eq!(
        stand.names(&ready.order),
        [
            PROGRAM,
            "/lib/liba.so",
            "/lib/libb.so",
            "/lib/libd.so",
            "/lib/libc.so",
            "/lib/libe.so"
        ]
    );
}

#[test]
fn preloads_stand_between_the_program_and_what_it_needs() {
    let mut stand = Stand::new(&program(&["liba.so"]));
    stand.add("/lib/liba.so", &library("liba.so", &[]));
    stand.add("/lib/libp.so", &library("libp.so", &["libq.so"]));
    stand.add("/lib/libq.so", &library("libq.so", &[]));
    stand.preloads = vec!["libp.so".to_owned()];
    let ready = stand.start().unwrap();
    assert_eq!(
        stand.names(&ready.order),
        [PROGRAM, "/lib/libp.so", "/lib/liba.so", "/lib/libq.so"]
    );
}

#[test]
fn a_preload_that_is_missing_is_a_line_and_no_error() {
    let mut stand = Stand::new(&program(&[]));
    stand.preloads = vec!["libnone.so".to_owned()];
    stand.start().unwrap();
    assert_eq!(
        stand.events(),
        [
            "warning: ERROR: ld.so: object 'libnone.so' from LD_PRELOAD cannot be preloaded (cannot open shared object \
             file): ignored."
        ]
    );
}

#[test]
fn a_preload_that_is_missing_is_looked_for_once_in_a_row() {
    let mut stand = Stand::new(&program(&[]));
    let names = ["libnone.so", "libnone.so", "libother.so", "libnone.so"];
    stand.preloads = names.map(str::to_owned).to_vec();
    stand.interest |= Interest::LIBS;
    stand.start().unwrap();
    let named = |what: &str| {
        let of = |event: &String| {
            names
                .iter()
                .find(|name| event.contains(what) && event.contains(*name))
                .copied()
        };
        stand.events().iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(named("warning: "), names);
    assert_eq!(named(" wants "), ["libnone.so", "libother.so", "libnone.so"]);
}

#[test]
fn a_library_that_two_modules_need_is_mapped_once() {
    let mut stand = Stand::new(&program(&["liba.so", "libb.so"]));
    stand.add("/lib/liba.so", &library("liba.so", &["libc.so"]));
    stand.add("/lib/libb.so", &library("libb.so", &["libc.so"]));
    stand.add("/lib/libc.so", &library("libc.so", &[]));
    let ready = stand.start().unwrap();
    assert_eq!(ready.order.len(), 4);
    assert_eq!(Memory::outstanding(), (0, 4));
}

#[test]
fn two_names_of_one_inode_are_one_module() {
    let mut stand = Stand::new(&program(&["libone.so", "libtwo.so"]));
    stand.add("/lib/libone.so", &library("", &[]));
    stand.host.link("/usr/lib/libtwo.so", "/lib/libone.so");
    let ready = stand.start().unwrap();
    assert_eq!(stand.names(&ready.order), [PROGRAM, "/lib/libone.so"]);
    let program = stand.world.program().unwrap();
    assert_eq!(program.needed[0], program.needed[1]);
}

#[test]
fn a_soname_that_is_loaded_satisfies_the_name() {
    let mut stand = Stand::new(&program(&["/opt/build-of-a.so", "liba.so.1"]));
    stand.add("/opt/build-of-a.so", &library("liba.so.1", &[]));
    stand.add("/lib/liba.so.1", &library("liba.so.1", &[]));
    let ready = stand.start().unwrap();
    assert_eq!(stand.names(&ready.order), [PROGRAM, "/opt/build-of-a.so"]);
}

#[test]
fn rpath_is_inherited_and_stands_before_the_library_path() {
    let mut main = program(&["liba.so"]);
    main.rpath("/opt/r");
    let mut stand = Stand::new(&main);
    stand.library_path = Some("/opt/l".to_owned());
    stand.add("/opt/r/liba.so", &library("liba.so", &["libb.so"]));
    stand.add("/opt/l/liba.so", &library("liba.so", &[]));
    stand.add("/opt/r/libb.so", &library("libb.so", &[]));
    stand.add("/opt/l/libb.so", &library("libb.so", &[]));
    let ready = stand.start().unwrap();
    assert_eq!(stand.names(&ready.order), [PROGRAM, "/opt/r/liba.so", "/opt/r/libb.so"]);
}

#[test]
fn runpath_is_not_inherited_and_stands_behind_the_library_path() {
    let mut main = program(&["liba.so", "libc.so"]);
    main.runpath("/opt/r");
    let mut stand = Stand::new(&main);
    stand.library_path = Some("/opt/l".to_owned());
    stand.add("/opt/r/liba.so", &library("liba.so", &["libb.so"]));
    stand.add("/opt/r/libb.so", &library("libb.so", &[]));
    stand.add("/lib/libb.so", &library("libb.so", &[]));
    stand.add("/opt/r/libc.so", &library("libc.so", &[]));
    stand.add("/opt/l/libc.so", &library("libc.so", &[]));
    let ready = stand.start().unwrap();
    assert_eq!(
        stand.names(&ready.order),
        [PROGRAM, "/opt/r/liba.so", "/opt/l/libc.so", "/lib/libb.so"]
    );
}

#[test]
fn runpath_of_a_library_makes_the_inherited_rpath_void() {
    let mut main = program(&["liba.so"]);
    main.rpath("/opt/r");
    let mut a = library("liba.so", &["libb.so"]);
    a.runpath("/opt/empty");
    let mut stand = Stand::new(&main);
    stand.add("/opt/r/liba.so", &a);
    stand.add("/opt/r/libb.so", &library("libb.so", &[]));
    stand.add("/usr/lib/libb.so", &library("libb.so", &[]));
    let ready = stand.start().unwrap();
    assert_eq!(stand.names(&ready.order)[2], "/usr/lib/libb.so");
}

#[test]
fn origin_is_the_directory_of_the_module_that_names_it() {
    let mut main = program(&["liba.so"]);
    main.rpath("$ORIGIN/../opt");
    let mut a = library("liba.so", &["libb.so"]);
    a.runpath("${ORIGIN}/private");
    let mut stand = Stand::new(&main);
    stand.add("/bin/../opt/liba.so", &a);
    stand.add("/bin/../opt/private/libb.so", &library("libb.so", &[]));
    let ready = stand.start().unwrap();
    assert_eq!(
        stand.names(&ready.order)[1..],
        ["/bin/../opt/liba.so", "/bin/../opt/private/libb.so"]
    );
}

#[test]
fn a_candidate_of_the_wrong_class_is_passed_over_and_remembered() {
    let mut stand = Stand::new(&program(&["liba.so"]));
    let mut narrow = library("liba.so", &[]).forge();
    narrow.set_header(HeaderField::Class, 1);
    stand.host.add("/lib/liba.so", narrow.bytes.clone());
    stand.add("/usr/lib/liba.so", &library("liba.so", &[]));
    let ready = stand.start().unwrap();
    assert_eq!(stand.names(&ready.order)[1], "/usr/lib/liba.so");

    let mut stand = Stand::new(&program(&["liba.so"]));
    stand.host.add("/lib/liba.so", narrow.bytes);
    let error = error(stand.start());
    let Kind::Missing { tried, .. } = &error.kind else {
        panic!("{error:?}")
    };
    let tried: Vec<(String, &Rejected)> = tried.iter().map(|one| (one.path.to_string(), &one.why)).collect();
    assert_eq!(
        tried,
        [
            (
                "/lib/liba.so".to_owned(),
                &Rejected::Unfit(Box::new(Kind::WrongClass { class: 1, machine: 62 }))
            ),
            ("/usr/lib/liba.so".to_owned(), &Rejected::Os(Errno::ENOENT)),
        ]
    );
}

#[test]
fn a_candidate_for_another_machine_is_passed_over() {
    let mut stand = Stand::new(&program(&["liba.so"]));
    let mut foreign = library("liba.so", &[]).forge();
    foreign.set_header(HeaderField::Machine, 183);
    stand.host.add("/lib/liba.so", foreign.bytes);
    stand.add("/usr/lib/liba.so", &library("liba.so", &[]));
    assert!(stand.start().is_ok());
}

#[test]
fn a_damaged_file_ends_the_search() {
    let mut stand = Stand::new(&program(&["liba.so"]));
    let mut damaged = library("liba.so", &[]).forge();
    let length = damaged.bytes.len() - 1;
    damaged.truncate(length);
    stand.host.add("/lib/liba.so", damaged.bytes);
    stand.add("/usr/lib/liba.so", &library("liba.so", &[]));
    let error = error(stand.start());
    assert_eq!(error.culprit.to_string(), "/lib/liba.so");
    assert_eq!(
        error.asked_by.as_ref().map(ToString::to_string).as_deref(),
        Some(PROGRAM)
    );
    let Kind::Malformed { rule, .. } = error.kind else {
        panic!("{error:?}")
    };
    assert_eq!(rule, Rule::SegmentOutsideFile);
}

#[test]
fn an_abi_version_that_lode_does_not_know_ends_the_search() {
    for (osabi, version) in [(0, 1), (3, 4)] {
        let mut stand = Stand::new(&program(&["liba.so"]));
        let mut newer = library("liba.so", &[]).forge();
        newer.set_header(HeaderField::OsAbi, osabi);
        newer.set_header(HeaderField::AbiVersion, version);
        stand.host.add("/lib/liba.so", newer.bytes);
        stand.add("/usr/lib/liba.so", &library("liba.so", &[]));
        let error = error(stand.start());
        assert_eq!(error.to_string(), "/lib/liba.so: ELF file ABI version invalid");
    }
}

#[test]
fn a_system_that_is_out_of_descriptors_or_memory_or_cannot_read_ends_the_search() {
    for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::EIO] {
        let mut stand = Stand::new(&program(&["liba.so"]));
        stand.host.refused.insert(b"/lib/liba.so".to_vec(), errno);
        stand.add("/usr/lib/liba.so", &library("liba.so", &[]));
        let error = error(stand.start());
        assert_eq!(
            error.to_string(),
            format!("/lib/liba.so: cannot open shared object file: {errno}")
        );
        assert_eq!(Memory::outstanding(), (0, 0));
    }
    let mut stand = Stand::new(&program(&["liba.so"]));
    stand.add("/lib/liba.so", &library("liba.so", &[]));
    stand.add("/usr/lib/liba.so", &library("liba.so", &[]));
    stand.host.unreadable.insert(b"/lib/liba.so".to_vec(), Errno::EIO);
    let error = error(stand.start());
    assert_eq!(
        error.to_string(),
        format!("/lib/liba.so: cannot read file data: {}", Errno::EIO)
    );
}

#[test]
fn a_missing_library_is_reported_with_who_asked_and_every_place() {
    let mut main = program(&["liba.so"]);
    main.rpath("/opt/r");
    let mut stand = Stand::new(&main);
    stand.library_path = Some("/opt/l".to_owned());
    stand.add("/lib/liba.so", &library("liba.so", &["libnone.so"]));
    stand.add("/opt/l/other", &library("", &[]));
    stand.add("/opt/r/other", &library("", &[]));
    stand.add("/usr/lib/other", &library("", &[]));
    stand
        .host
        .refused
        .insert(b"/usr/lib/libnone.so".to_vec(), Errno::EACCES);
    let error = error(stand.start());
    assert_eq!(
        error.report(b"main").to_string(),
        "main: error while loading shared libraries: libnone.so: cannot open shared object file: No such file or \
         directory\n\
         lode[E0201]: libnone.so, needed by /lib/liba.so\n  \
         tried /opt/r/libnone.so: No such file or directory\n  \
         tried /opt/l/libnone.so: No such file or directory\n  \
         tried /lib/libnone.so: No such file or directory\n  \
         tried /usr/lib/libnone.so: Permission denied\n  \
         fix: install the library, or name its directory: `LD_LIBRARY_PATH=DIR`, or in the RUNPATH of the file that needs it\n"
    );
    assert_eq!(Memory::outstanding(), (0, 0));
}

#[test]
fn a_list_goes_on_behind_a_missing_library() {
    let mut stand = Stand::new(&program(&["libnone.so", "liba.so"]));
    stand.add("/lib/liba.so", &library("liba.so", &["libnowhere.so"]));
    stand.tolerant = true;
    let mapped = stand.map().unwrap();
    assert_eq!(mapped.batch.order.len(), 2);
    let missing: Vec<String> = mapped.missing.iter().map(|missing| missing.name.to_string()).collect();
    assert_eq!(missing, ["libnone.so", "libnowhere.so"]);
}

#[test]
fn a_list_names_a_missing_library_once() {
    let mut stand = Stand::new(&program(&["liba.so", "libb.so"]));
    stand.add("/lib/liba.so", &library("liba.so", &["libnone.so"]));
    stand.add("/lib/libb.so", &library("libb.so", &["libnone.so"]));
    stand.tolerant = true;
    assert_eq!(stand.map().unwrap().missing.len(), 1);
}

#[test]
fn a_search_tells_each_step() {
    let mut main = program(&["liba.so"]);
    main.runpath("/opt/r");
    let mut stand = Stand::new(&main);
    stand.interest = Interest::LIBS | Interest::FILES;
    stand.add("/opt/r/libx.so", &library("libx.so", &[]));
    stand.add("/usr/lib/liba.so", &library("liba.so", &[]));
    stand.start().unwrap();
    assert_eq!(
        stand.events(),
        [
            "map /bin/main at 0x7f0000000000",
            "/bin/main wants liba.so",
            "search RUNPATH from file /bin/main: /opt/r",
            "try /opt/r/liba.so",
            "search system search path: /lib:/usr/lib",
            "try /lib/liba.so",
            "try /usr/lib/liba.so",
            "map /usr/lib/liba.so at 0x7f0001000000",
        ]
    );
}
