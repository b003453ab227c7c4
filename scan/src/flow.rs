//! What code does with the loader's structures: their addresses are followed through registers, the stack, branches, calls and returns.
//!
//! An address begins where code loads it from the slot of one of the two objects, reads the thread pointer, or gets a link_map from the loader.
//! From there on each register and each word of the stack has a set of addresses that it may hold; where two paths meet, it may hold those of
//! either. So a use that lies on some path is found whatever other paths do. Not followed are addresses that pass through other memory, and calls
//! of functions that are not known before the program runs.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
    UsedMemory,
};

use crate::Structure;
use crate::file::Library;

/// Something that a register may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    /// The address of a structure and a distance in bytes.
    In(Structure, i32),
    /// A place on the stack, in bytes from the stack pointer at the function's start.
    Stack(i32),
    /// A link-time address.
    Fixed(u64),
    /// A number out of the table of distances at this address.
    Entry(u64),
    /// The sum of such a number and the address of its table: where a `switch` goes.
    Case(u64),
}

impl Value {
    fn plus(self, distance: i64) -> Option<Self> {
        let near = |at: i32| {
            i32::try_from(i64::from(at).wrapping_add(distance))
                .ok()
                .filter(|at| at.unsigned_abs() < FAR)
        };
        match self {
            Self::In(structure, at) => Some(Self::In(structure, near(at)?)),
            Self::Stack(at) => Some(Self::Stack(near(at)?)),
            Self::Fixed(address) => Some(Self::Fixed(address.wrapping_add_signed(distance))),
            Self::Entry(_) | Self::Case(_) => None,
        }
    }
}

/// Bytes from the start of a structure or of a frame that are out of every reach.
const FAR: u32 = 0x10_0000;

/// How far away the frame seems to be whose stack pointer was rounded down.
const ROUNDED: i64 = 0x4_0000;

/// Values of a register that are told apart; further ones are dropped. Only a loop over an array has as many.
const MANY: usize = 12;

/// What a register may hold, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Values(Vec<Value>);

impl Values {
    fn one(value: Value) -> Self {
        Self(vec![value])
    }

    /// Adds values; true if one was new.
    fn join(&mut self, other: &Self) -> bool {
        let mut grown = false;
        for value in &other.0 {
            if let Err(place) = self.0.binary_search(value)
                && self.0.len() < MANY
            {
                self.0.insert(place, *value);
                grown = true;
            }
        }
        grown
    }

    fn plus(&self, distance: i64) -> Self {
        self.filtered(|value| value.plus(distance))
    }

    /// The values for which there is a result, in order.
    fn filtered(&self, result: impl Fn(Value) -> Option<Value>) -> Self {
        let mut values: Vec<Value> = self.0.iter().filter_map(|value| result(*value)).collect();
        values.sort_unstable();
        values.dedup();
        Self(values)
    }

    /// Only the addresses in structures.
    fn structures(&self) -> Self {
        self.filtered(|value| matches!(value, Value::In(..)).then_some(value))
    }
}

/// What registers and stack may hold at some place of the code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    registers: [Values; 16],
    stack: BTreeMap<i32, Values>,
}

/// The registers that pass arguments (psABI, "Parameter Passing").
const ARGUMENTS: [Register; 6] = [
    Register::RDI,
    Register::RSI,
    Register::RDX,
    Register::RCX,
    Register::R8,
    Register::R9,
];

impl State {
    /// At the start of a function, of which nothing is known.
    fn entered() -> Self {
        let mut state = Self::default();
        state.set(Register::RSP, Values::one(Value::Stack(0)));
        state
    }

    /// At the start of a function that is called from here.
    fn called(&self) -> Self {
        let mut state = Self::entered();
        for register in ARGUMENTS {
            state.set(register, self.get(register).structures());
        }
        state
    }

    fn get(&self, register: Register) -> Values {
        number(register)
            .and_then(|number| self.registers.get(number))
            .cloned()
            .unwrap_or_default()
    }

    fn set(&mut self, register: Register, values: Values) {
        if let Some(held) = number(register).and_then(|number| self.registers.get_mut(number)) {
            *held = values;
        }
    }

    fn join(&mut self, other: &Self) -> bool {
        let mut grown = false;
        for (held, more) in self.registers.iter_mut().zip(&other.registers) {
            grown |= held.join(more);
        }
        for (place, more) in &other.stack {
            grown |= self.stack.entry(*place).or_default().join(more);
        }
        grown
    }
}

/// The number of a general register in its full width.
fn number(register: Register) -> Option<usize> {
    (register.is_gpr() && register.full_register() == register).then(|| register.number())
}

/// A run of instructions that is entered at its start only, and left at its end only.
struct Block {
    /// Index of its first instruction.
    first: usize,
    /// Index behind its last instruction.
    end: usize,
    /// Index of its function.
    function: usize,
}

/// One way in which code uses bytes of a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The structure.
    pub structure: Structure,
    /// First byte, from the start of the structure.
    pub offset: u32,
    /// Number of bytes.
    pub size: u32,
    /// The bytes are stored; otherwise they are read. What does both is two uses.
    pub is_store: bool,
}

/// What a library does with the structures, and where.
#[derive(Debug, Default)]
pub struct Uses {
    /// Each use, and the addresses of the instructions that have it.
    pub found: BTreeMap<Use, BTreeSet<u64>>,
    /// How many instructions were looked at.
    pub instructions: usize,
}

/// What is known of the loader's structures to one that follows pointers.
pub trait Pointers {
    /// The structure that the 8 bytes at `offset` of `structure` point into, and how far.
    fn follow(&self, structure: Structure, offset: i32) -> Option<(Structure, i32)>;
}

/// Follows all code of a library.
pub fn uses(library: &Library, pointers: &dyn Pointers) -> Uses {
    let mut scan = Scan::new(library, pointers);
    scan.run();
    scan.uses
}

struct Scan<'a> {
    library: &'a Library,
    pointers: &'a dyn Pointers,
    code: Vec<Instruction>,
    blocks: Vec<Block>,
    /// What holds at the start of each block; `None` where no path has come yet.
    states: Vec<Option<State>>,
    /// What each function returns; `None` for one that has not returned yet, on any path.
    returned: Vec<Option<Values>>,
    /// Blocks that wait for a function to return.
    callers: Vec<BTreeSet<usize>>,
    waiting: BTreeSet<usize>,
    uses: Uses,
}

/// Functions of the loader, and of libc for its other libraries, that do not return.
const ENDS: &[&str] = &[
    "_dl_fatal_printf",
    "_dl_signal_error",
    "_dl_signal_exception",
    "__stack_chk_fail",
    "__assert_fail",
    "__libc_fatal",
    "__chk_fail",
    "abort",
    "exit",
    "_exit",
];

/// Functions of the loader that return the address of a structure.
const GIVES: &[(&str, Structure)] = &[
    ("_dl_find_dso_for_object", Structure::LinkMap),
    ("_dl_allocate_tls", Structure::Thread),
];

/// Functions that take memory and give memory, in which a structure's former place means nothing.
const MEMORY: &[&str] = &["free", "malloc", "calloc", "realloc", "reallocarray", "memalign"];

impl<'a> Scan<'a> {
    fn new(library: &'a Library, pointers: &'a dyn Pointers) -> Self {
        let code = decode(library);
        let blocks = divide(library, &code);
        Self {
            library,
            pointers,
            states: vec![None; blocks.len()],
            returned: vec![None; library.functions.len()],
            callers: vec![BTreeSet::new(); library.functions.len()],
            waiting: BTreeSet::new(),
            uses: Uses {
                found: BTreeMap::new(),
                instructions: code.len(),
            },
            code,
            blocks,
        }
    }

    /// Follows everything from the start of each function, then what was not reached that way, from where it begins.
    fn run(&mut self) {
        for index in 0..self.blocks.len() {
            let start = self.block_start(index);
            if self
                .library
                .function(start)
                .is_some_and(|function| function.start == start)
            {
                self.reach(index, &State::entered());
            }
        }
        let mut next = 0;
        loop {
            while let Some(index) = self.waiting.pop_first() {
                self.follow(index);
            }
            while self.states.get(next).is_some_and(Option::is_some) {
                next += 1;
            }
            if next >= self.blocks.len() {
                return;
            }
            self.reach(next, &State::default());
        }
    }

    fn block_start(&self, index: usize) -> u64 {
        let first = self.blocks.get(index).and_then(|block| self.code.get(block.first));
        first.map_or(0, Instruction::ip)
    }

    /// A path with `state` comes to a block.
    fn reach(&mut self, index: usize, state: &State) {
        let Some(known) = self.states.get_mut(index) else {
            return;
        };
        let grown = match known {
            Some(known) => known.join(state),
            None => {
                *known = Some(state.clone());
                true
            }
        };
        if grown {
            self.waiting.insert(index);
        }
    }

    fn reach_address(&mut self, address: u64, state: &State) {
        if let Some(index) = self.block_at(address) {
            self.reach(index, state);
        }
    }

    fn block_at(&self, address: u64) -> Option<usize> {
        let start = |block: &Block| self.code.get(block.first).map_or(0, Instruction::ip);
        self.blocks.binary_search_by_key(&address, start).ok()
    }

    /// A function returns.
    fn give_back(&mut self, function: usize, values: &Values) {
        let Some(known) = self.returned.get_mut(function) else {
            return;
        };
        let first = known.is_none();
        if known.get_or_insert_default().join(values) | first {
            self.waiting.extend(&self.callers[function]);
        }
    }

    /// What the function at `address` returns, if it does; `block` is asked again when that changes.
    fn result_of(&mut self, address: u64, block: usize) -> Option<Values> {
        let function = self
            .library
            .functions
            .partition_point(|function| function.start <= address)
            .checked_sub(1)?;
        self.callers.get_mut(function)?.insert(block);
        self.returned.get(function)?.clone()
    }

    /// Goes through a block, and on to those behind it.
    fn follow(&mut self, index: usize) {
        let (Some(block), Some(Some(state))) = (self.blocks.get(index), self.states.get(index)) else {
            return;
        };
        let (first, end, function) = (block.first, block.end, block.function);
        let mut state = state.clone();
        let mut info = InstructionInfoFactory::new();
        for at in first..end {
            let Some(instruction) = self.code.get(at).copied() else {
                return;
            };
            let used = info.info(&instruction);
            for memory in used.used_memory() {
                self.note(&state, &instruction, memory);
            }
            let last = at + 1 == end;
            if last && instruction.flow_control() != FlowControl::Next {
                self.leave(index, function, &instruction, state);
                return;
            }
            apply(self.library, self.pointers, &mut state, &instruction, used);
        }
        // Into the next block, but not into another function: the end of one is where no path leads.
        if self.blocks.get(index + 1).is_some_and(|next| next.function == function) {
            self.reach(index + 1, &state);
        }
    }

    fn leave(&mut self, index: usize, function: usize, instruction: &Instruction, mut state: State) {
        let target = instruction.near_branch_target();
        let slot = instruction
            .is_ip_rel_memory_operand()
            .then(|| instruction.ip_rel_memory_address());
        match instruction.flow_control() {
            FlowControl::ConditionalBranch | FlowControl::XbeginXabortXend => {
                self.jump(index, function, target, &state);
                self.reach(index + 1, &state);
            }
            FlowControl::UnconditionalBranch => self.jump(index, function, target, &state),
            FlowControl::IndirectBranch => {
                let cases: Vec<u64> = state
                    .get(instruction.op0_register())
                    .0
                    .iter()
                    .filter_map(|value| match value {
                        Value::Case(table) => Some(*table),
                        _ => None,
                    })
                    .flat_map(|table| cases(self.library, function, table))
                    .collect();
                if cases.is_empty()
                    && let Some(values) = self.import(slot)
                {
                    self.give_back(function, &values);
                }
                for case in cases {
                    self.reach_address(case, &state);
                }
            }
            FlowControl::Return => {
                let values = state.get(Register::RAX).structures();
                self.give_back(function, &values);
            }
            FlowControl::Call | FlowControl::IndirectCall => {
                let values = if instruction.flow_control() == FlowControl::Call && self.is_memory(target) {
                    Some(Values::default())
                } else if instruction.flow_control() == FlowControl::Call {
                    self.reach_address(target, &state.called());
                    self.result_of(target, index)
                } else {
                    self.import(slot)
                };
                // Other registers are left as they are: what a call destroys, no code reads behind it.
                if let Some(values) = values
                    && self.blocks.get(index + 1).is_some_and(|next| next.function == function)
                {
                    state.set(Register::RAX, values);
                    state.set(Register::RDX, Values::default());
                    self.reach(index + 1, &state);
                }
            }
            // A system call goes on; INT3 and UD2 do not.
            FlowControl::Interrupt if instruction.mnemonic() != Mnemonic::Int3 => self.reach(index + 1, &state),
            _ => {}
        }
    }

    /// A branch; into another function it is a call whose result is one's own.
    fn jump(&mut self, index: usize, function: usize, target: u64, state: &State) {
        if self.is_memory(target) {
            return self.give_back(function, &Values::default());
        }
        self.reach_address(target, state);
        let inside = self.library.functions.get(function);
        if inside.is_none_or(|inside| target < inside.start || target >= inside.end)
            && let Some(values) = self.result_of(target, index)
        {
            self.give_back(function, &values);
        }
    }

    fn is_memory(&self, target: u64) -> bool {
        let function = self
            .library
            .function(target)
            .filter(|function| function.start == target);
        let name = function.and_then(|function| function.name.as_deref());
        name.is_some_and(|name| MEMORY.contains(&name))
    }

    /// What a function of another library returns, called through a slot; `None` if it does not return.
    fn import(&self, slot: Option<u64>) -> Option<Values> {
        let Some(name) = slot.and_then(|slot| self.library.calls.get(&slot)) else {
            return Some(Values::default());
        };
        if ENDS.contains(&name.as_str()) {
            return None;
        }
        let given = GIVES.iter().find(|given| given.0 == name);
        Some(given.map_or_else(Values::default, |given| Values::one(Value::In(given.1, 0))))
    }

    /// Notes a use of memory.
    fn note(&mut self, state: &State, instruction: &Instruction, memory: &UsedMemory) {
        let directions: &[bool] = match memory.access() {
            OpAccess::Write | OpAccess::CondWrite => &[true],
            OpAccess::Read | OpAccess::CondRead => &[false],
            OpAccess::ReadWrite | OpAccess::ReadCondWrite => &[false, true],
            OpAccess::None | OpAccess::NoMemAccess => &[],
        };
        for value in Operand::used(instruction, memory).addresses(state).0 {
            if let Value::In(structure, offset) = value
                && let Ok(offset) = u32::try_from(offset)
            {
                let size = u32::try_from(memory.memory_size().size()).unwrap_or_default();
                for &is_store in directions {
                    let used = Use {
                        structure,
                        offset,
                        size,
                        is_store,
                    };
                    self.uses.found.entry(used).or_default().insert(instruction.ip());
                }
            }
        }
    }
}

/// All instructions, function by function; what is none is skipped.
fn decode(library: &Library) -> Vec<Instruction> {
    let mut code = Vec::new();
    for function in &library.functions {
        let length = usize::try_from(function.end.saturating_sub(function.start)).unwrap_or_default();
        let bytes = library.bytes(function.start);
        let bytes = bytes.get(..length.min(bytes.len())).unwrap_or_default();
        let decoder = Decoder::with_ip(64, bytes, function.start, DecoderOptions::NONE);
        code.extend(decoder.into_iter().filter(|instruction| !instruction.is_invalid()));
    }
    code
}

/// Finds the blocks.
fn divide(library: &Library, code: &[Instruction]) -> Vec<Block> {
    let mut starts = BTreeSet::new();
    let mut tables = Vec::new();
    for instruction in code {
        match instruction.flow_control() {
            FlowControl::Next => {}
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch | FlowControl::Call => {
                starts.insert(instruction.near_branch_target());
                starts.insert(instruction.next_ip());
            }
            _ => {
                starts.insert(instruction.next_ip());
            }
        }
        if instruction.mnemonic() == Mnemonic::Lea && instruction.is_ip_rel_memory_operand() {
            tables.push((instruction.ip(), instruction.ip_rel_memory_address()));
        }
    }
    for (ip, table) in tables {
        let function = library.functions.partition_point(|function| function.start <= ip);
        starts.extend(cases(library, function.wrapping_sub(1), table));
    }
    let mut blocks: Vec<Block> = Vec::new();
    let mut function = 0;
    for (index, instruction) in code.iter().enumerate() {
        let ip = instruction.ip();
        let before = function;
        while library.functions.get(function).is_some_and(|inside| inside.end <= ip) {
            function += 1;
        }
        if function != before || index == 0 || starts.contains(&ip) {
            blocks.push(Block {
                first: index,
                end: index,
                function,
            });
        }
        if let Some(block) = blocks.last_mut() {
            block.end = index + 1;
        }
    }
    blocks
}

/// Where the table of a `switch` leads: distances from the table's start, as long as they stay in the function.
fn cases(library: &Library, function: usize, table: u64) -> Vec<u64> {
    let Some(inside) = library.functions.get(function) else {
        return Vec::new();
    };
    let (words, _) = library.bytes(table).as_chunks::<4>();
    words
        .iter()
        .map(|word| table.wrapping_add_signed(i32::from_le_bytes(*word).into()))
        .take_while(|target| (inside.start..inside.end).contains(target))
        .collect()
}

/// An operand in memory.
struct Operand {
    segment: Register,
    base: Register,
    index: Register,
    scale: u32,
    displacement: i64,
    is_relative: bool,
}

impl Operand {
    /// The one that an instruction names.
    fn of(instruction: &Instruction) -> Self {
        Self {
            segment: instruction.memory_segment(),
            base: instruction.memory_base(),
            index: instruction.memory_index(),
            scale: instruction.memory_index_scale(),
            displacement: instruction.memory_displacement64().cast_signed(),
            is_relative: instruction.is_ip_rel_memory_operand(),
        }
    }

    /// One that is used, which may be the stack although the instruction does not name it.
    fn used(instruction: &Instruction, memory: &UsedMemory) -> Self {
        Self {
            segment: memory.segment(),
            base: memory.base(),
            index: memory.index(),
            scale: memory.scale(),
            displacement: memory.displacement().cast_signed(),
            is_relative: instruction.is_ip_rel_memory_operand() && memory.base() != Register::RSP,
        }
    }

    /// The addresses that it may have.
    fn addresses(&self, state: &State) -> Values {
        match (self.segment, self.base, self.index) {
            (Register::FS, Register::None, Register::None) => {
                // What lies below the thread pointer is thread-local data of modules.
                let at = i32::try_from(self.displacement).ok().filter(|at| *at >= 0);
                at.map_or_else(Values::default, |at| Values::one(Value::In(Structure::Thread, at)))
            }
            (Register::FS | Register::GS, ..) => Values::default(),
            _ if self.is_relative => Values::one(Value::Fixed(self.displacement.cast_unsigned())),
            (_, base, Register::None) => state.get(base).plus(self.displacement),
            (_, base, index) => {
                let mut values = indexed(&state.get(base).plus(self.displacement));
                if self.scale == 1 {
                    values.join(&indexed(&state.get(index).plus(self.displacement)));
                }
                values
            }
        }
    }
}

/// Addresses to which an unknown number is added. What is at unknown distances from the thread pointer is thread-local data.
fn indexed(values: &Values) -> Values {
    values.filtered(|value| {
        let known = matches!(value, Value::In(structure, _) if structure != Structure::Thread);
        (known || matches!(value, Value::Fixed(_))).then_some(value)
    })
}

/// What loading 8 bytes from an address gives.
fn load(library: &Library, pointers: &dyn Pointers, state: &State, from: &Values) -> Values {
    let mut values = Values::default();
    for value in &from.0 {
        match *value {
            Value::Stack(at) => {
                if let Some(kept) = state.stack.get(&at) {
                    values.join(kept);
                }
            }
            Value::Fixed(address) => {
                if let Some(root) = library.slots.get(&address) {
                    values.join(&Values::one(Value::In(*root, 0)));
                }
            }
            Value::In(structure, offset) => {
                if let Some((structure, offset)) = pointers.follow(structure, offset) {
                    values.join(&Values::one(Value::In(structure, offset)));
                }
            }
            Value::Entry(_) | Value::Case(_) => {}
        }
    }
    values
}

/// What an instruction does to registers and stack.
fn apply(
    library: &Library,
    pointers: &dyn Pointers,
    state: &mut State,
    instruction: &Instruction,
    used: &iced_x86::InstructionInfo,
) {
    let (to, from) = (instruction.op0_register(), instruction.op1_register());
    let kinds = (instruction.op_count() > 0).then(|| {
        let second = (instruction.op_count() > 1).then(|| instruction.op1_kind());
        (instruction.op0_kind(), second)
    });
    let place = |state: &State| Operand::of(instruction).addresses(state);
    let full = number(to).is_some();
    match (instruction.mnemonic(), kinds) {
        (Mnemonic::Mov, Some((OpKind::Register, Some(OpKind::Register)))) if full => {
            let values = state.get(from);
            state.set(to, values);
        }
        (Mnemonic::Mov, Some((OpKind::Register, Some(OpKind::Memory)))) if full => {
            let values = load(library, pointers, state, &place(state));
            state.set(to, values);
        }
        (Mnemonic::Mov, Some((OpKind::Memory, Some(OpKind::Register)))) => {
            let (at, values) = (place(state), state.get(from));
            store(state, &at, &values);
        }
        (Mnemonic::Movsxd, Some((OpKind::Register, Some(OpKind::Memory)))) => {
            let values = place(state).filtered(|value| match value {
                Value::Fixed(table) => Some(Value::Entry(table)),
                _ => None,
            });
            state.set(to, values);
        }
        (Mnemonic::Lea, _) if full => {
            let values = place(state);
            state.set(to, values);
        }
        (Mnemonic::Add | Mnemonic::Sub, Some((OpKind::Register, Some(OpKind::Register)))) if full => {
            let values = if instruction.mnemonic() == Mnemonic::Add {
                sum(&state.get(to), &state.get(from))
            } else {
                indexed(&state.get(to))
            };
            state.set(to, values);
        }
        (Mnemonic::Add | Mnemonic::Sub, Some((OpKind::Register, Some(OpKind::Memory)))) if full => {
            let values = indexed(&state.get(to));
            state.set(to, values);
        }
        (Mnemonic::Add | Mnemonic::Sub, Some((OpKind::Register, Some(_)))) if full => {
            let distance = instruction.immediate(1).cast_signed();
            let sign = if instruction.mnemonic() == Mnemonic::Add { 1 } else { -1 };
            let values = state.get(to).plus(distance.wrapping_mul(sign));
            state.set(to, values);
        }
        (Mnemonic::And, Some((OpKind::Register, Some(kind)))) if to == Register::RSP && kind != OpKind::Register => {
            let values = state.get(to).plus(-ROUNDED);
            state.set(to, values);
        }
        (Mnemonic::Xchg, Some((OpKind::Register, Some(OpKind::Register)))) if full => {
            let (first, second) = (state.get(to), state.get(from));
            state.set(to, second);
            state.set(from, first);
        }
        (Mnemonic::Push, Some((kind, _))) => {
            let values = match kind {
                OpKind::Register => state.get(to),
                OpKind::Memory => load(library, pointers, state, &place(state)),
                _ => Values::default(),
            };
            let top = state.get(Register::RSP).plus(-8);
            store(state, &top, &values);
            state.set(Register::RSP, top);
        }
        (Mnemonic::Pop, Some((OpKind::Register, _))) => {
            let top = state.get(Register::RSP);
            let values = load(library, pointers, state, &top);
            state.set(Register::RSP, top.plus(8));
            state.set(to, values);
        }
        (Mnemonic::Leave, _) => {
            let frame = state.get(Register::RBP);
            let values = load(library, pointers, state, &frame);
            state.set(Register::RSP, frame.plus(8));
            state.set(Register::RBP, values);
        }
        _ => {
            let moved = match kinds {
                Some((OpKind::Register, Some(OpKind::Register))) => state.get(from),
                Some((OpKind::Register, Some(OpKind::Memory))) => load(library, pointers, state, &place(state)),
                _ => Values::default(),
            };
            for register in used.used_registers() {
                let written = register.register().full_register();
                match register.access() {
                    // A conditional move.
                    OpAccess::CondWrite | OpAccess::ReadCondWrite if written == to => {
                        let mut values = state.get(written);
                        values.join(&moved);
                        state.set(written, values);
                    }
                    OpAccess::Write | OpAccess::ReadWrite => state.set(written, Values::default()),
                    _ => {}
                }
            }
            for memory in used.used_memory() {
                if matches!(memory.access(), OpAccess::Write | OpAccess::ReadWrite) {
                    let at = Operand::used(instruction, memory).addresses(state);
                    store(state, &at, &Values::default());
                }
            }
        }
    }
}

/// Keeps a word on the stack. Where its place is certain, what was there is gone.
fn store(state: &mut State, at: &Values, values: &Values) {
    let is_certain = at.0.len() == 1;
    for place in &at.0 {
        if let Value::Stack(place) = place {
            if is_certain {
                state.stack.remove(place);
            }
            if !values.0.is_empty() {
                state.stack.entry(*place).or_default().join(values);
            }
        }
    }
}

/// The sum of two registers: an address and a number that is not known, or a table and a distance out of it.
fn sum(first: &Values, second: &Values) -> Values {
    let mut values = indexed(first);
    values.join(&indexed(second));
    let of_tables = |one: &Values, other: &Values| {
        one.filtered(|value| match value {
            Value::Entry(table) if other.0.contains(&Value::Fixed(table)) => Some(Value::Case(table)),
            _ => None,
        })
    };
    values.join(&of_tables(first, second));
    values.join(&of_tables(second, first));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    const RO: u64 = 0x9000;
    const CALL: u64 = 0x9010;

    /// A structure that has a pointer to a link_map in its first word.
    struct First;

    impl Pointers for First {
        fn follow(&self, _: Structure, offset: i32) -> Option<(Structure, i32)> {
            (offset == 0).then_some((Structure::LinkMap, 0))
        }
    }

    /// An instruction of 7 bytes at `at` whose operand is the word at `place`: `start` is its first three bytes.
    fn relative(start: [u8; 3], at: u64, place: u64) -> Vec<u8> {
        let distance = i32::try_from(place.cast_signed() - at.cast_signed() - 7).unwrap();
        [&start[..], &distance.to_le_bytes()].concat()
    }

    /// What code does with structures: offset, and whether it stores. It begins with a load of the address of `_rtld_global_ro` into rax.
    fn after_load(rest: &[u8]) -> Vec<(Structure, u32, bool)> {
        let code = [&relative([0x48, 0x8b, 0x05], Library::CODE, RO), rest].concat();
        found(&code, &[Library::CODE])
    }

    fn found(code: &[u8], starts: &[u64]) -> Vec<(Structure, u32, bool)> {
        let slots = [(RO, Structure::RtldGlobalRo)];
        let library = Library::of_code(code, starts, &slots, &[(CALL, "_dl_find_dso_for_object")]);
        let uses = uses(&library, &First);
        uses.found
            .keys()
            .map(|used| (used.structure, used.offset, used.is_store))
            .collect()
    }

    const fn read(offset: u32) -> (Structure, u32, bool) {
        (Structure::RtldGlobalRo, offset, false)
    }

    #[test]
    fn reads_and_stores_are_told_apart() {
        // mov 0x18(%rax), %ecx; ret
        assert_eq!(after_load(&[0x8b, 0x48, 0x18, 0xc3]), [read(0x18)]);
        // mov %ecx, 0x18(%rax); ret
        assert_eq!(
            after_load(&[0x89, 0x48, 0x18, 0xc3]),
            [(Structure::RtldGlobalRo, 0x18, true)]
        );
        // lock cmpxchg %edx, 0x18(%rcx) with rcx = rax; ret
        assert_eq!(
            after_load(&[0x48, 0x89, 0xc1, 0xf0, 0x0f, 0xb1, 0x51, 0x18, 0xc3]),
            [read(0x18), (Structure::RtldGlobalRo, 0x18, true)]
        );
    }

    #[test]
    fn an_address_is_followed_through_sums_and_the_stack() {
        // add $0x20, %rax; push %rax; xor %eax, %eax; pop %rbx; mov 8(%rbx), %ecx; ret
        let code = [0x48, 0x83, 0xc0, 0x20, 0x50, 0x31, 0xc0, 0x5b, 0x8b, 0x4b, 0x08, 0xc3];
        assert_eq!(after_load(&code), [read(0x28)]);
        // sub $0x18, %rsp; mov %rax, 8(%rsp); xor %eax, %eax; mov 8(%rsp), %rdx; mov 0x30(%rdx,%rcx,8), %ecx; ret
        let code = [
            0x48, 0x83, 0xec, 0x18, 0x48, 0x89, 0x44, 0x24, 0x08, 0x31, 0xc0, 0x48, 0x8b, 0x54, 0x24, 0x08, 0x8b, 0x4c,
            0xca, 0x30, 0xc3,
        ];
        assert_eq!(after_load(&code), [read(0x30)]);
    }

    #[test]
    fn what_overwrites_a_register_ends_it_on_that_path_only() {
        // xor %eax, %eax; mov 8(%rax), %ecx; ret
        assert_eq!(after_load(&[0x31, 0xc0, 0x8b, 0x48, 0x08, 0xc3]), []);
        // je over; xor %eax, %eax; over: mov 8(%rax), %ecx; ret
        assert_eq!(after_load(&[0x74, 0x02, 0x31, 0xc0, 0x8b, 0x48, 0x08, 0xc3]), [read(8)]);
        // cmove %rdx, %rax; mov 8(%rax), %ecx; ret
        assert_eq!(after_load(&[0x48, 0x0f, 0x44, 0xc2, 0x8b, 0x48, 0x08, 0xc3]), [read(8)]);
    }

    #[test]
    fn arguments_and_results_are_followed() {
        // mov %rax, %rdi; call second; mov 0x10(%rax), %ecx; ret; second: mov 8(%rdi), %ecx; lea 0x40(%rdi), %rax; ret
        let rest = [
            0x48, 0x89, 0xc7, 0xe8, 4, 0, 0, 0, 0x8b, 0x48, 0x10, 0xc3, 0x8b, 0x4f, 0x08, 0x48, 0x8d, 0x47, 0x40, 0xc3,
        ];
        let code = [&relative([0x48, 0x8b, 0x05], Library::CODE, RO), &rest[..]].concat();
        let starts = [Library::CODE, Library::CODE + 19];
        assert_eq!(found(&code, &starts), [read(8), read(0x50)]);
    }

    #[test]
    fn behind_a_call_that_does_not_return_nothing_is_known() {
        // mov %rax, %rbx; call second; mov 0x10(%rbx), %ecx; ret; second: ud2
        let rest = [0x48, 0x89, 0xc3, 0xe8, 4, 0, 0, 0, 0x8b, 0x4b, 0x10, 0xc3, 0x0f, 0x0b];
        let code = [&relative([0x48, 0x8b, 0x05], Library::CODE, RO), &rest[..]].concat();
        let starts = [Library::CODE, Library::CODE + 19];
        assert_eq!(found(&code, &starts), []);
    }

    #[test]
    fn a_switch_leads_to_all_its_cases() {
        // mov slot(%rip), %rax; lea table(%rip), %rdx; movslq (%rdx,%rcx,4), %rcx; add %rdx, %rcx; jmp *%rcx;
        // mov 8(%rax), %ecx; ret; mov 0x10(%rax), %ecx; ret; table
        let table = Library::CODE + 31;
        let code = [
            &relative([0x48, 0x8b, 0x05], Library::CODE, RO)[..],
            &relative([0x48, 0x8d, 0x15], Library::CODE + 7, table),
            &[0x48, 0x63, 0x0c, 0x8a, 0x48, 0x01, 0xd1, 0xff, 0xe1],
            &[0x8b, 0x48, 0x08, 0xc3, 0x8b, 0x48, 0x10, 0xc3],
            &(-8i32).to_le_bytes(),
            &(-4i32).to_le_bytes(),
            &i32::MAX.to_le_bytes(),
        ]
        .concat();
        let uses = found(&code, &[Library::CODE, table]);
        assert_eq!(uses, [read(8), read(0x10)]);
    }

    #[test]
    fn pointers_in_structures_and_what_the_loader_returns_are_followed() {
        // mov (%rax), %rax; mov 8(%rax), %rcx; ret
        assert_eq!(
            after_load(&[0x48, 0x8b, 0x00, 0x48, 0x8b, 0x48, 0x08, 0xc3]),
            [read(0), (Structure::LinkMap, 8, false)]
        );
        // call *slot(%rip); mov 0x18(%rax), %ecx; ret
        let mut code = relative([0x90, 0xff, 0x15], Library::CODE, CALL);
        code.extend([0x8b, 0x48, 0x18, 0xc3]);
        assert_eq!(found(&code, &[Library::CODE]), [(Structure::LinkMap, 0x18, false)]);
    }

    #[test]
    fn the_thread_pointer_is_known_and_thread_local_data_is_not_its() {
        // mov %fs:0x10, %rax; mov 0x2d0(%rax), %ecx; ret
        let code = [
            0x64, 0x48, 0x8b, 0x04, 0x25, 0x10, 0, 0, 0, 0x8b, 0x88, 0xd0, 2, 0, 0, 0xc3,
        ];
        let thread = |offset| (Structure::Thread, offset, false);
        assert_eq!(found(&code, &[Library::CODE]), [thread(0x10)]);
        // mov %fs:0, %rax: its first word points to itself, here to a link_map; add variable(%rip), %rax; mov (%rax), %ecx; ret
        let code = [
            &[0x64, 0x48, 0x8b, 0x04, 0x25, 8, 0, 0, 0][..],
            &relative([0x48, 0x03, 0x05], Library::CODE + 9, 0x9020),
            &[0x8b, 0x08, 0xc3],
        ]
        .concat();
        assert_eq!(found(&code, &[Library::CODE]), [thread(8)]);
        // mov %fs:-8, %rax; ret
        let code = [0x64, 0x48, 0x8b, 0x04, 0x25, 0xf8, 0xff, 0xff, 0xff, 0xc3];
        assert_eq!(found(&code, &[Library::CODE]), []);
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut state = 0x2545_f491_4f6c_dd1du64;
        for _ in 0..50 {
            let bytes: Vec<u8> = std::iter::repeat_with(|| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[0]
            })
            .take(2000)
            .collect();
            found(&bytes, &[Library::CODE, Library::CODE + 700]);
            found(
                &[relative([0x48, 0x8b, 0x05], Library::CODE, RO), bytes].concat(),
                &[Library::CODE],
            );
        }
    }
}
