//! How rows are kept: one in the middle as it is, each other as its difference from its neighbour on the way there, and their lists as picks from a table of all
//! that some list has.
//!
//! States of glibc are many and most of them differ in few places, so a row costs about as many bytes as there are such places. The order is that of
//! `upstream.rs`, whose generator looked for a short one; a row made from a package stands behind the upstream row that it is most like.
//! The compiler packs the rows, and shows that they come out as they went in.

use super::evidence::Imports;
use super::{PACKAGED, Structures, Tunable, WORDS, upstream};

/// A row as its file states it.
pub(super) struct Source {
    /// The x of glibc 2.x.
    pub(super) release: u8,
    /// The state of that release: see [`super::Row`].
    pub(super) state: u8,
    /// The package and its version; empty in a row that was made from glibc's own headers.
    pub(super) origin: &'static str,
    /// Build-id of that package's libc.so.6.
    pub(super) build_id: &'static [u8],
    /// What libc.so.6 imports from its loader.
    pub(super) imports: Imports,
    /// Tunables by id.
    pub(super) tunables: &'static [Tunable],
    /// Where everything is.
    pub(super) structures: Structures,
}

/// Number of rows.
pub(super) const COUNT: usize = upstream::STATES.len() + PACKAGED.len();

/// All rows in the order in which they are kept; with one that is a package's, one more than its place among those.
pub(super) const SOURCES: [(&Source, u8); COUNT] = {
    let mut sources = [(&upstream::STATES[0], 0); COUNT];
    let mut nearest = [0; PACKAGED.len()];
    let mut package = 0;
    while package < PACKAGED.len() {
        nearest[package] = most_like(&PACKAGED[package]);
        package += 1;
    }
    let (mut count, mut state) = (0, 0);
    while state < upstream::STATES.len() {
        sources[count].0 = &upstream::STATES[state];
        count += 1;
        package = 0;
        while package < PACKAGED.len() {
            if nearest[package] == state {
                sources[count] = (&PACKAGED[package], package as u8 + 1);
                count += 1;
            }
            package += 1;
        }
        state += 1;
    }
    sources
};

/// The upstream row that differs from `row` in the fewest words.
const fn most_like(row: &Source) -> usize {
    let words = words_of(row);
    let (mut nearest, mut least, mut state) = (0, usize::MAX, 0);
    while state < upstream::STATES.len() {
        let other = words_of(&upstream::STATES[state]);
        let (mut differing, mut index) = (0, 0);
        while index < KEPT {
            differing += (words[index] != other[index]) as usize;
            index += 1;
        }
        if differing < least {
            (nearest, least) = (state, differing);
        }
        state += 1;
    }
    nearest
}

/// Number of words that are kept: those of the structures, and the set of imports.
const KEPT: usize = WORDS + 1;

const fn words_of(row: &Source) -> [u32; KEPT] {
    let structures = row.structures.words();
    let mut words = [0; KEPT];
    let mut index = 0;
    while index < WORDS {
        words[index] = structures[index];
        index += 1;
    }
    words[WORDS] = row.imports.0;
    words
}

/// The tunables of all rows, each once, and how many they are.
const POOL: ([Tunable; REST as usize], usize) = {
    let mut pool = [Tunable::NONE; REST as usize];
    let (mut count, mut row) = (0, 0);
    while row < COUNT {
        let mut id = 0;
        while id < SOURCES[row].0.tunables.len() {
            if find(&pool, count, &SOURCES[row].0.tunables[id]) == count {
                pool[count] = SOURCES[row].0.tunables[id];
                count += 1;
            }
            id += 1;
        }
        row += 1;
    }
    (pool, count)
};

/// The first of `count` that is the same as `wanted`, or `count`.
const fn find(pool: &[Tunable], count: usize, wanted: &Tunable) -> usize {
    let mut index = 0;
    while index < count && !pool[index].same(wanted) {
        index += 1;
    }
    index
}

/// What the tunables of a row are picked from.
pub(super) static TUNABLES: [Tunable; POOL.1] = {
    let mut all = [Tunable::NONE; POOL.1];
    let mut index = 0;
    while index < all.len() {
        all[index] = POOL.0[index];
        index += 1;
    }
    all
};

/// The steps of the words of [`MIDDLE`]. They are kept as they are, because nearly all of them are other than zero and every start of a glibc's needs them.
static STEPS: [u32; KEPT] = {
    let words = words_of(SOURCES[MIDDLE].0);
    let mut steps = words;
    let mut index = 1;
    while index < KEPT {
        steps[index] = words[index].wrapping_sub(words[index - 1]);
        index += 1;
    }
    steps
};

/// The tunables of [`MIDDLE`], the rows from it to the last, and then those before it, down to the first. A row is a list of runs of words, then a list of
/// tunables.
///
/// The first byte of a run has the number of its words in the lower six bits, and above them the form of each word's step: how
/// much more it differs from the same word of the row before than the word in front of it does. Between two states most members move together, if
/// they move.
///
/// A tunable that the row before has not in this place is a byte below [`REST`], the place in the pool. [`REST`]: the others are those of the row
/// before. [`SKIP`] and a number: so many of the row before are left out; [`COPY`] and a number: so many are taken.
static PACKED: [u8; pack::<0>().1] = pack().0;

/// The row that the others start from, on both sides: which row a process needs is known once its libc is, and every row on the way there costs it time.
/// It is a package's, since those are most in use, and the one that is nearest to the middle.
const MIDDLE: usize = {
    let (mut nearest, mut row) = (0usize, 0usize);
    while row < COUNT {
        if SOURCES[row].1 != 0 && row.abs_diff(COUNT / 2) < nearest.abs_diff(COUNT / 2) {
            nearest = row;
        }
        row += 1;
    }
    nearest
};

/// Forms of a step: none; a distance in eights, 1 byte; a distance, 2 bytes, and a change of size, 1 byte; the whole step, 4 bytes.
const NONE: u8 = 0;
const EIGHTS: u8 = 1;
const PLACE: u8 = 2;

/// The largest number of words in a run.
const RUN: u8 = 0x3f;

/// Half a word's width: above it is the offset of a member, below it the size.
const OFFSET: u32 = 16;

const REST: u8 = 0x80;
const SKIP: u8 = 0x80;
const COPY: u8 = 0xc0;

/// How far the next tunable is looked for in the list of the row before.
const NEAR: usize = 8;

/// Bytes of a step of this form.
const fn length(form: u8) -> usize {
    (0x4310 >> (4 * form) & 0xf) as usize
}

/// Bytes behind the last row, so that four can be read wherever one begins.
const MARGIN: usize = 3;

/// Takes a byte from the front of `packed`.
const fn byte(packed: &mut &[u8]) -> u8 {
    let [first, rest @ ..] = *packed else {
        return 0;
    };
    *packed = rest;
    *first
}

/// The first `N` bytes of what is written, and how many bytes that is.
struct Writer<const N: usize> {
    bytes: [u8; N],
    total: usize,
}

impl<const N: usize> Writer<N> {
    const fn byte(&mut self, byte: u8) {
        if self.total < N {
            self.bytes[self.total] = byte;
        }
        self.total += 1;
    }

    const fn bytes(&mut self, bytes: &[u8], count: usize) {
        let mut index = 0;
        while index < count {
            self.byte(bytes[index]);
            index += 1;
        }
    }

    /// A row, with what there was before it.
    const fn row(&mut self, row: usize, words: &[u32; KEPT], tunables: &[Tunable]) {
        self.words(&words_of(SOURCES[row].0), words);
        self.tunables(SOURCES[row].0.tunables, tunables);
    }

    /// The words of a row, `before` those of the row before it.
    const fn words(&mut self, words: &[u32; KEPT], before: &[u32; KEPT]) {
        let mut steps = [0; KEPT];
        let (mut carried, mut index) = (0u32, 0);
        while index < KEPT {
            let difference = words[index].wrapping_sub(before[index]);
            steps[index] = difference.wrapping_sub(carried);
            carried = difference;
            index += 1;
        }
        let mut start = 0;
        while start < KEPT {
            let form = form_of(steps[start]);
            let mut end = start;
            while end < KEPT && end - start < RUN as usize && form_of(steps[end]) == form {
                end += 1;
            }
            self.byte(form << 6 | (end - start) as u8);
            while start < end {
                let step = steps[start];
                let size = step as i8;
                let place = (step.wrapping_sub(size as u32) >> OFFSET).to_le_bytes();
                let content = match form {
                    EIGHTS => [(step >> (OFFSET + 3)) as u8, 0, 0, 0],
                    PLACE => [place[0], place[1], size as u8, 0],
                    _ => step.to_le_bytes(),
                };
                self.bytes(&content, length(form));
                start += 1;
            }
        }
    }

    /// The tunables of a row, `before` those of the row before it.
    const fn tunables(&mut self, list: &[Tunable], before: &[Tunable]) {
        let (mut at, mut id) = (0, 0);
        while id < list.len() {
            let mut same = 0;
            while id + same < list.len() && at + same < before.len() && list[id + same].same(&before[at + same]) {
                same += 1;
            }
            if id + same == list.len() && at + same == before.len() {
                break;
            }
            let mut skipped = 1;
            while skipped < NEAR && at + skipped < before.len() && !list[id].same(&before[at + skipped]) {
                skipped += 1;
            }
            if same > 0 {
                self.byte(COPY | same as u8);
                at += same;
                id += same;
            } else if skipped < NEAR && at + skipped < before.len() {
                self.byte(SKIP | skipped as u8);
                at += skipped;
            } else {
                self.byte(find(&POOL.0, POOL.1, &list[id]) as u8);
                id += 1;
            }
        }
        if id == list.len() && at < before.len() {
            self.byte(SKIP | (before.len() - at) as u8);
        }
        self.byte(REST);
    }
}

const fn form_of(step: u32) -> u8 {
    if step == 0 {
        NONE
    } else if step == ((step.cast_signed() >> (OFFSET + 3)) as i8 as u32) << (OFFSET + 3) {
        EIGHTS
    } else if step.wrapping_sub(step as i8 as u32) << OFFSET == 0 {
        PLACE
    } else {
        3
    }
}

/// The packed rows as far as `N` bytes go, how many bytes they are, and where those before the middle begin.
const fn pack<const N: usize>() -> ([u8; N], usize, usize) {
    let mut packed = Writer {
        bytes: [0; N],
        total: 0,
    };
    let mut row = MIDDLE;
    packed.tunables(SOURCES[row].0.tunables, &[]);
    while row + 1 < COUNT {
        row += 1;
        packed.row(row, &words_of(SOURCES[row - 1].0), SOURCES[row - 1].0.tunables);
    }
    let before = packed.total;
    row = MIDDLE;
    while row > 0 {
        row -= 1;
        packed.row(row, &words_of(SOURCES[row + 1].0), SOURCES[row + 1].0.tunables);
    }
    packed.bytes(&[0; MARGIN], MARGIN);
    (packed.bytes, packed.total, before)
}

/// Bytes of all rows.
#[cfg(test)]
pub(super) fn size() -> usize {
    PACKED.len()
}

/// What is kept of a row, as it comes out of the pack: until it is summed, the step from each word to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unpacked {
    /// One for each field of [`Structures`], in order, and the set of imports.
    words: [u32; KEPT],
    /// Places in [`TUNABLES`].
    picks: [u8; LONGEST],
    /// How many of `picks` are meant.
    count: u8,
}

/// Room for a list of tunables.
const LONGEST: usize = 64;

impl Unpacked {
    /// In front of the middle row.
    pub(super) const NONE: Self = Self {
        words: [0; KEPT],
        picks: [0; LONGEST],
        count: 0,
    };

    pub(super) const fn words(&self) -> &[u32; KEPT] {
        &self.words
    }

    /// Steps add up: over the rows, and then along the words of one. So the rows before one that is wanted cost no more than what is kept of them.
    const fn sum(&mut self) {
        let mut index = 1;
        while index < KEPT {
            self.words[index] = self.words[index].wrapping_add(self.words[index - 1]);
            index += 1;
        }
    }

    /// Whether structures and tunables are the same, but for the bounds of tunables: these decide which settings of a user count, not what libc does.
    pub(super) fn same_interface(&self, other: &Self) -> bool {
        let tunable = |pick: &u8| TUNABLES.get(usize::from(*pick)).map(Tunable::without_bounds);
        let mut tunables = self.picks().iter().zip(other.picks());
        self.words.get(..WORDS) == other.words.get(..WORDS)
            && self.count == other.count
            && tunables.all(|(one, another)| tunable(one) == tunable(another))
    }

    pub(super) fn imports(&self) -> Imports {
        Imports(self.words[WORDS])
    }

    pub(super) fn picks(&self) -> &[u8] {
        self.picks.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// The row of [`SOURCES`] with this number; there is one, or it is the last one that there is. Into `self`, because a row is large.
    pub(super) const fn unpack(&mut self, row: usize) {
        let mut packed = PACKED.as_slice();
        self.words = STEPS;
        self.pick(&mut packed);
        let mut steps = row.wrapping_sub(MIDDLE);
        if row < MIDDLE {
            packed = const { PACKED.as_slice().split_at(pack::<0>().2).1 };
            steps = MIDDLE - row;
        }
        while steps > 0 && packed.len() > MARGIN {
            self.advance(&mut packed);
            steps -= 1;
        }
        self.sum();
    }

    /// Becomes the next row, which is taken from the front of `packed`; its words are those of [`Unpacked::sum`] then.
    const fn advance(&mut self, packed: &mut &[u8]) {
        let mut index = 0;
        while index < KEPT {
            let run = byte(packed);
            let form = run >> 6;
            let mut end = index + (run & RUN) as usize;
            if end > KEPT {
                end = KEPT;
            }
            if form == NONE {
                index = end;
                continue;
            }
            let length = length(form);
            let content = u32::MAX >> (32 - 8 * length);
            let mut rest = *packed;
            while index < end {
                let (Some(four), Some((_, behind))) = (rest.first_chunk(), rest.split_at_checked(length)) else {
                    return;
                };
                rest = behind;
                let content = u32::from_le_bytes(*four) & content;
                let step = match form {
                    EIGHTS => (content as i8 as u32) << (OFFSET + 3),
                    PLACE => (content << OFFSET).wrapping_add((content >> 16) as i8 as u32),
                    _ => content,
                };
                self.words[index] = self.words[index].wrapping_add(step);
                index += 1;
            }
            *packed = rest;
        }
        self.pick(packed);
    }

    /// Takes the tunables of the next row from the front of `packed`.
    const fn pick(&mut self, packed: &mut &[u8]) {
        if let [REST, rest @ ..] = *packed {
            // The tunables stand where they stood.
            *packed = rest;
            return;
        }
        let before = self.picks;
        let (mut at, mut count) = (0, 0);
        loop {
            let operation = byte(packed);
            let mut taken = (operation & RUN) as usize;
            if operation < REST {
                self.picks[count % LONGEST] = operation;
                count += 1;
                continue;
            }
            if operation >= COPY || operation == REST {
                if operation == REST {
                    taken = (self.count as usize).saturating_sub(at);
                }
                let end = count + taken;
                while count < end {
                    self.picks[count % LONGEST] = before[at % LONGEST];
                    at += 1;
                    count += 1;
                }
                if operation == REST {
                    break;
                }
            } else {
                at += taken;
            }
        }
        self.count = count as u8;
    }
}

/// What was packed comes out again: shown for every row by the compiler.
#[allow(long_running_const_eval)] // a second
const _: () = {
    let mut row = 0;
    while row < COUNT {
        let mut unpacked = Unpacked::NONE;
        unpacked.unpack(row);
        let words = words_of(SOURCES[row].0);
        let mut index = 0;
        while index < KEPT {
            assert!(unpacked.words[index] == words[index]);
            index += 1;
        }
        let tunables = SOURCES[row].0.tunables;
        assert!(unpacked.count as usize == tunables.len() && tunables.len() < LONGEST);
        let mut id = 0;
        while id < tunables.len() {
            assert!(TUNABLES[unpacked.picks[id] as usize].same(&tunables[id]));
            id += 1;
        }
        row += 1;
    }
};
