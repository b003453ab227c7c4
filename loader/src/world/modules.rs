//! The modules of a world by their numbers.
//!
//! Worlds that follow each other share all but a few of them, in runs: the copy that a change is made in costs a word for each run, not one for
//! each module.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::catalogue::{Catalogue, NAMES};
use super::{Module, ModuleId};

/// How many numbers a run has places for: a copy of a world and a change of a run cost about the same when there are a thousand modules.
const RUN: usize = 32;

/// How many hashes are worth finding modules by.
const MOST: u32 = 1 << 22;

/// Modules whose numbers follow each other, with gaps where one was unloaded.
#[derive(Clone, Debug)]
struct Run {
    /// Its first number, divided by [`RUN`].
    number: u32,
    places: Arc<[Option<Arc<Module>>; RUN]>,
}

/// Goes through modules, ascending.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    runs: &'a [Run],
    /// The next place.
    next: usize,
    /// How many there are at most: behind the last one there may be many places.
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Arc<Module>;

    // One function for all that go through modules.
    #[inline(never)]
    fn next(&mut self) -> Option<&'a Arc<Module>> {
        self.left = self.left.checked_sub(1)?;
        loop {
            let run = self.runs.get(self.next / RUN)?;
            let place = run.places.get(self.next % RUN)?;
            self.next += 1;
            if place.is_some() {
                return place.as_ref();
            }
        }
    }
}

/// Modules, ascending by number.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    /// Those that have a module, ascending.
    runs: Vec<Run>,
    count: usize,
    /// What they are found by. None before the first `dlopen`, and without memory.
    catalogue: Option<Arc<Catalogue>>,
    /// See [`Modules::covered`].
    covered: usize,
}

impl Modules {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All of them, in order.
    pub fn iter(&self) -> Iter<'_> {
        self.from(ModuleId(0))
    }

    /// The last one.
    pub fn last(&self) -> Option<&Arc<Module>> {
        self.runs.last()?.places.iter().rev().flatten().next()
    }

    /// Those whose numbers are not lower.
    pub fn from(&self, first: ModuleId) -> Iter<'_> {
        let next = match self.run_of(first) {
            Ok(run) => run * RUN + first.0 as usize % RUN,
            Err(run) => run * RUN,
        };
        Iter {
            runs: &self.runs,
            next,
            left: self.count,
        }
    }

    /// The module with a number.
    #[inline(always)]
    pub fn get(&self, id: ModuleId) -> Option<&Arc<Module>> {
        Some(self.placed(id)?.1)
    }

    /// The module with a number, and at which place it stands.
    #[inline(never)]
    pub fn placed(&self, id: ModuleId) -> Option<(usize, &Arc<Module>)> {
        let run = self.run_of(id).ok()?;
        let place = id.0 as usize % RUN;
        Some((run * RUN + place, self.runs.get(run)?.places.get(place)?.as_ref()?))
    }

    /// Which run has the place of a number, or where it would stand. Until a whole run has been unloaded, that follows from the number.
    #[inline]
    fn run_of(&self, id: ModuleId) -> Result<usize, usize> {
        let number = id.0 / RUN as u32;
        match self.runs.get(number as usize) {
            Some(run) if run.number == number => Ok(number as usize),
            _ => self.runs.binary_search_by_key(&number, |run| run.number),
        }
    }

    /// How many places there are, with those of gaps.
    pub fn places(&self) -> usize {
        self.runs.len() * RUN
    }

    /// Takes a module in, whose number is not taken.
    pub fn add(&mut self, module: Arc<Module>) {
        let at = self.run_of(module.id).unwrap_or_else(|at| {
            let run = Run {
                number: module.id.0 / RUN as u32,
                places: Arc::new([const { None }; RUN]),
            };
            self.runs.insert(at, run);
            at
        });
        self.count += 1;
        self.put(at, module.id, Some(module));
    }

    /// Leaves a module out, if it is here.
    pub fn remove(&mut self, module: &Module, is_global: bool) {
        let id = module.id;
        let Some((place, _)) = self.placed(id) else { return };
        self.count -= 1;
        self.put(place / RUN, id, None);
        if let Some(catalogue) = &self.catalogue {
            catalogue.note(module, false, true);
            if is_global && self.covered != 0 {
                self.covered -= 1;
                catalogue.note(module, true, true);
            }
        }
        if self
            .runs
            .get(place / RUN)
            .is_some_and(|run| run.places.iter().all(Option::is_none))
        {
            self.runs.remove(place / RUN);
        }
    }

    #[inline(never)]
    fn put(&mut self, run: usize, id: ModuleId, mut module: Option<Arc<Module>>) {
        if let Some(run) = self.runs.get_mut(run) {
            let own = id.0 as usize % RUN;
            if let Some(place) = Arc::get_mut(&mut run.places).and_then(|places| places.get_mut(own)) {
                *place = module;
                return;
            }
            run.places = Arc::new(core::array::from_fn(|place| {
                if place == own {
                    module.take()
                } else {
                    run.places.get(place)?.clone()
                }
            }));
        }
    }

    /// The next module that may be found by a hash: the first who came first. `link` is 0 to begin with.
    #[inline(never)]
    pub fn next_by(&self, hash: u32, is_defined: bool, link: &mut usize) -> Option<&Arc<Module>> {
        let catalogue = self.catalogue.as_ref()?;
        loop {
            let id = catalogue.next(hash, is_defined, link)?;
            if let Some(module) = self.get(id) {
                return Some(module);
            }
        }
    }

    /// The first module that is found by a hash and is like this.
    #[inline(never)]
    pub fn find_by(&self, hash: u32, is_wanted: &dyn Fn(&Module) -> bool) -> Option<&Arc<Module>> {
        let (mut all, mut link) = (self.iter(), 0);
        loop {
            let module = match self.catalogue {
                Some(_) => self.next_by(hash, false, &mut link),
                None => all.next(),
            }?;
            if is_wanted(module) {
                return Some(module);
            }
        }
    }

    /// How many modules of the global scope, from its first one on, [`Modules::next_by`] finds by what they define: all or none.
    pub fn covered(&self) -> usize {
        self.covered
    }

    /// The catalogue is to be made anew.
    pub fn forget_catalogue(&mut self) {
        self.catalogue = None;
        self.covered = 0;
    }

    /// Takes new modules into the catalogue, and what is new in the global scope if definitions are to be found by it; makes it if there is none with room.
    pub(super) fn catalogue(&mut self, first_new: ModuleId, global: &[ModuleId], with_definitions: bool) {
        let global = if with_definitions { global } else { &[] };
        let is_like = with_definitions == (self.covered != 0);
        let known = self.catalogue.as_ref().filter(|_| is_like);
        if known
            .and_then(|known| self.fill(known, first_new, self.covered, global))
            .is_none()
        {
            let whole = self.made(global);
            let is_whole = whole.is_some();
            self.catalogue = whole.or_else(|| self.made(&[])).map(Arc::new);
            self.covered = 0;
            if !is_whole {
                return;
            }
        }
        self.covered = global.len();
    }

    #[inline(never)]
    fn made(&self, global: &[ModuleId]) -> Option<Catalogue> {
        let mut count = self.count as u32 * NAMES;
        for module in global.iter().filter_map(|id| self.get(*id)) {
            count = count.checked_add(module.symbols.findable()?.len() as u32)?;
        }
        // A file can claim to define more than any has.
        if count > MOST {
            return None;
        }
        // With as much again for who comes and goes.
        let catalogue = Catalogue::with_room_for(count.checked_mul(2)?)?;
        self.fill(&catalogue, ModuleId(0), 0, global)?;
        Some(catalogue)
    }

    #[inline(never)]
    fn fill(&self, catalogue: &Catalogue, first_new: ModuleId, covered: usize, global: &[ModuleId]) -> Option<()> {
        for module in self.from(first_new) {
            catalogue.note(module, false, false)?;
        }
        for id in global.iter().skip(covered) {
            catalogue.note(self.get(*id)?, true, false)?;
        }
        Some(())
    }
}
