//! Many modules: what is kept in step with them, so that nobody has to look at all, says what a look at all of them says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fastrand::Rng;
use forge::{Binding, Module};
use lode::event::{Event, Interest, Log, Sink};
use lode::scope::Scope;
use lode::stages::unload::unneeded;
use lode::symbols::{Use, Wanted};
use lode::world::{self, ModuleId, Namespace, World};

use crate::binding::{function, pointer};
use crate::stand::{Stand, memory};

/// As many as a table of definitions is made for.
const LIBRARIES: usize = 60;
/// So many references that it is worth it.
const REFERENCES: u64 = 1 << 20;

fn path(number: usize) -> String {
    format!("/lib/lib{number}.so")
}

/// A library that defines a name of its own and one that all have, and refers to those of earlier ones.
fn library(number: usize, random: &mut Rng) -> Module {
    let mut library = Module::library(&format!("lib{number}.so"));
    let kind = if number.is_multiple_of(3) {
        Binding::Weak
    } else {
        Binding::Global
    };
    function(&mut library, &format!("own{number}"), kind);
    let (common, _) = function(&mut library, "common", kind);
    pointer(&mut library, common);
    for _ in 0..number.min(4) {
        let other = random.usize(..number);
        let own = library.undefined(&format!("own{other}"), Binding::Weak);
        pointer(&mut library, own);
    }
    library
}

/// What can be seen of the modules: every byte, and whom each keeps.
fn traces(stand: &Stand) -> Vec<String> {
    let modules = stand.world.modules.iter();
    modules
        .map(|module| {
            let bound: BTreeSet<u32> = module.bound_to().map(|id| id.0).collect();
            format!("{} {bound:?} {:x?}", module.name, memory(module))
        })
        .collect()
}

/// Opens a library with RTLD_GLOBAL.
fn open(stand: &mut Stand, number: usize, with_catalogue: bool) {
    let first_new = stand.world.next;
    let ready = stand.open(&path(number)).unwrap();
    stand.world.global.extend(ready.order);
    if with_catalogue {
        stand.world.catalogue(first_new, REFERENCES);
    }
}

/// Nobody reads of the searches: who does sees no catalogue.
struct Nobody;

impl Sink for Nobody {
    fn take(&self, _: &Event<'_>) {}
}

/// Who defines each name for everybody, as dlsym finds it.
fn definers(world: &World) -> Vec<String> {
    let scope = Scope {
        roster: world.roster(),
        namespace: Namespace::BASE,
        lists: [&world.global, &[]],
        unique: &world.unique,
        covered: world.global.get(..world.modules.covered()).unwrap(),
        index: None,
    };
    let log = Log {
        interest: Interest::empty(),
        sink: &Nobody,
    };
    let own = (0..LIBRARIES).map(|number| format!("own{number}"));
    own.chain(["common".to_owned()])
        .map(|name| {
            let found = scope.find(&Wanted::new(name.as_bytes(), None, Use::Address), None, log);
            format!("{name} {:?}", found.map(|found| found.module.name.to_string()))
        })
        .collect()
}

#[test]
fn the_catalogue_leads_to_the_definitions_that_the_walk_finds() {
    let mut stands = [false, true].map(|with_catalogue| {
        let mut random = Rng::with_seed(1);
        let mut stand = Stand::new(&Module::program(""));
        for number in 0..LIBRARIES {
            stand.add(&path(number), &library(number, &mut random));
        }
        stand.start().unwrap();
        for number in 0..LIBRARIES - 10 {
            open(&mut stand, number, with_catalogue);
        }
        // Some go, in front, in between and at the end; then one of them comes again, behind all others.
        for number in [0, 7, 8, LIBRARIES - 11] {
            let name = path(number);
            let gone = stand
                .world
                .modules
                .iter()
                .find(|module| module.name.bytes() == name.as_bytes());
            let gone = [gone.unwrap().clone()];
            stand.world = stand.world.without(&gone);
        }
        for number in [7].into_iter().chain(LIBRARIES - 10..LIBRARIES) {
            open(&mut stand, number, with_catalogue);
        }
        stand
    });
    assert_eq!(traces(&stands[0]), traces(&stands[1]));
    assert_eq!(definers(&stands[0].world), definers(&stands[1].world));
    let [walk, index] = stands.each_mut().map(|stand| stand.world.modules.covered());
    assert_eq!((walk, index), (0, stands[1].world.global.len()));
    for stand in &mut stands {
        // By its name, though it was opened by its path.
        assert!(stand.open("lib20.so").unwrap().modules.is_empty());
    }
}

/// The modules that nothing leads to, by a walk over all.
fn forsaken(world: &World) -> BTreeSet<u32> {
    let mut reached = BTreeSet::new();
    let stays = |module: &&Arc<world::Module>| {
        module.role != world::Role::Opened || module.is_pinned() || module.opened.load(Ordering::Relaxed) != 0
    };
    let mut waiting: Vec<ModuleId> = world.modules.iter().filter(stays).map(|module| module.id).collect();
    while let Some(id) = waiting.pop() {
        if let Some(module) = world.get(id)
            && reached.insert(id.0)
        {
            waiting.extend(module.needed.iter().copied().chain(module.bound_to()));
        }
    }
    let all = world.modules.iter().map(|module| module.id.0);
    all.filter(|id| !reached.contains(id)).collect()
}

#[test]
fn who_goes_and_in_what_order_is_known_without_a_look_at_all() {
    for seed in 0..40 {
        let mut random = Rng::with_seed(seed);
        let mut stand = Stand::new(&Module::program(""));
        for number in 0..LIBRARIES {
            let mut library = library(number, &mut random);
            for _ in 0..random.usize(..3) {
                library.needed(&format!("lib{}.so", random.usize(..LIBRARIES)));
            }
            stand.add(&path(number), &library);
        }
        stand.start().unwrap();
        let mut open: Vec<ModuleId> = Vec::new();
        for step in 0..150 {
            if random.bool() || open.is_empty() {
                let number = random.usize(..LIBRARIES);
                let first_new = stand.world.next;
                let ready = stand.open(&path(number)).unwrap();
                let root = ready.order.first().copied();
                let name = path(number);
                let mut modules = stand.world.modules.iter();
                let known = modules.find(|module| module.name.bytes() == name.as_bytes()).unwrap();
                known.opened.fetch_add(1, Ordering::Relaxed);
                open.push(root.unwrap_or(known.id));
                stand.world.catalogue(first_new, 0);
            } else {
                let closed = open.swap_remove(random.usize(..open.len()));
                stand.world.get(closed).unwrap().opened.fetch_sub(1, Ordering::Relaxed);
                let gone = unneeded(&stand.world, Some(closed), &|_| false);
                let ids: BTreeSet<u32> = gone.iter().map(|module| module.id.0).collect();
                assert_eq!(ids, forsaken(&stand.world), "seed {seed}, step {step}");
                let all = unneeded(&stand.world, None, &|_| false);
                let order = |modules: &[Arc<world::Module>]| modules.iter().map(|module| module.id).collect::<Vec<_>>();
                assert_eq!(order(&gone), order(&all), "seed {seed}, step {step}");
                stand.world = stand.world.without(&gone);
                gone.iter().for_each(|module| stand.world.count(module, u32::MAX));
            }
            let mut listed = stand.world.list.clone();
            listed.sort_unstable();
            let all = stand.world.modules.iter().map(|module| module.id);
            assert_eq!(listed, all.collect::<Vec<_>>(), "seed {seed}, step {step}");
        }
    }
}
