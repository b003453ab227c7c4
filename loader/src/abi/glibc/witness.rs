//! What a function of libc does with the loader's two data objects, read from its machine code.
//!
//! libc.so.6 loads the address of `_rtld_global` or `_rtld_global_ro` from a GOT slot and reaches members by
//! constant displacements. [`displacements`] follows the code of one function from its first instruction, keeps
//! track of the registers that hold such an address, and reports every displacement applied to one. The result does
//! not depend on which registers or which order the compiler chose, so another build of the same source
//! agrees, and a build with another layout does not.
//!
//! In the same way [`tunables`] tells which tunables a function asks its loader for, by their numbers.
//!
//! The decoder knows the lengths of the instructions that compilers emit and the effects of few of
//! them. Where it is not sure it forgets: an unknown instruction ends its path, a register that might have been
//! written is no longer tracked. It can therefore miss a use; a use that it reports lies on a path of the code,
//! calls taken to return.

#![forbid(unsafe_code)]

use super::layout::{Object, Witness};

/// Link-time addresses of the GOT slots of libc.so.6 that hold the addresses of the loader's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// Slot of `_rtld_global`.
    pub rtld_global: u64,
    /// Slot of `_rtld_global_ro`.
    pub rtld_global_ro: u64,
    /// Slot of the function `__tunable_get_val`; 0 where there is none.
    pub tunable_get_val: u64,
}

impl Slots {
    fn object(&self, address: u64) -> Option<Object> {
        if address == self.rtld_global {
            Some(Object::RtldGlobal)
        } else if address == self.rtld_global_ro {
            Some(Object::RtldGlobalRo)
        } else {
            None
        }
    }
}

/// A function of libc.so.6: its link-time address and its bytes, as the symbol table bounds them.
#[derive(Debug, Clone, Copy)]
pub struct Function<'a> {
    /// Link-time address of the first byte.
    pub address: u64,
    /// The code.
    pub code: &'a [u8],
}

/// Bytes of a function that are looked at; longer functions are followed only up to here.
const REACH: usize = 4096;

/// Branch targets that wait to be followed; further ones are not followed.
const PENDING: usize = 64;

/// What is seen in the code of a function.
enum Sight {
    /// This displacement is applied to the address of the object.
    Use(Object, u32),
    /// Another function is called, or jumped to, with this first argument as far as it is known.
    Call(Callee, Option<u32>),
}

/// Where a call leads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Callee {
    /// To this link-time address.
    Code(u64),
    /// To where the word at this link-time address says.
    Slot(u64),
}

/// Calls `report` with every displacement that `function` applies to the address of one of the objects. The same
/// displacement may be reported many times.
pub fn displacements(function: Function<'_>, slots: &Slots, report: &mut dyn FnMut(Object, u32)) {
    walk(function, slots, &mut |sight| {
        if let Sight::Use(object, displacement) = sight {
            report(object, displacement);
        }
    });
}

/// Functions that one function calls; further ones are not followed.
const CALLED: usize = 32;

/// Calls `report` with the numbers of the tunables that `function`, or one that it calls, asks its loader for. `code` has the bytes from a link-time
/// address on. A number may be missed, or be reported many times.
pub fn tunables<'a>(
    function: Function<'a>,
    slots: &Slots,
    code: &dyn Fn(u64) -> Option<&'a [u8]>,
    report: &mut dyn FnMut(u32),
) {
    let at = |address| {
        Some(Function {
            address,
            code: code(address)?,
        })
    };
    // A call of an imported function leads to a stub that jumps through its slot.
    let asks = |callee| match callee {
        Callee::Slot(slot) => slot == slots.tunable_get_val,
        Callee::Code(address) => at(address).is_some_and(|stub| slot_of(stub) == Some(slots.tunable_get_val)),
    };
    let mut follow = |function, called: &mut dyn FnMut(u64)| {
        walk(function, slots, &mut |sight| match sight {
            Sight::Call(callee, argument) if asks(callee) => argument.into_iter().for_each(&mut *report),
            Sight::Call(Callee::Code(address), _) => called(address),
            _ => {}
        });
    };
    let mut called = [0; CALLED];
    let mut places = called.iter_mut();
    follow(function, &mut |address| {
        if let Some(place) = places.next() {
            *place = address;
        }
    });
    for function in called.into_iter().take_while(|address| *address != 0).filter_map(at) {
        follow(function, &mut |_| {});
    }
}

/// The slot through which a stub jumps.
fn slot_of(stub: Function<'_>) -> Option<u64> {
    soon(stub, |instruction| match (instruction.operand, instruction.effect()) {
        (Operand::Absolute(slot), b'e') => Some(slot),
        _ => None,
    })
}

/// The address of data that a function returns as soon as it is called.
pub fn returned(function: Function<'_>) -> Option<u64> {
    soon(function, |instruction| {
        match (instruction.operand, instruction.opcode) {
            (Operand::Absolute(address), 0x8d) if instruction.register == RAX => Some(address),
            _ => None,
        }
    })
}

/// What `of` says of the first instruction, or of the second where the first only marks a target of indirect jumps.
fn soon(function: Function<'_>, of: fn(&Instruction) -> Option<u64>) -> Option<u64> {
    let first = Instruction::decode(function, 0)?;
    of(&first).or_else(|| of(&Instruction::decode(function, first.end)?))
}

/// Follows the code of a function, and reports what is seen there.
#[inline(never)]
fn walk(function: Function<'_>, slots: &Slots, report: &mut dyn FnMut(Sight)) {
    let mut seen = [0u64; REACH / 64];
    let mut pending = alloc::vec![Path::START; PENDING];
    let mut waiting = 1usize;
    while let Some(next) = waiting.checked_sub(1) {
        waiting = next;
        let Some(&(mut path)) = pending.get(next) else {
            return;
        };
        while first_visit(&mut seen, path.at) {
            let Some(instruction) = Instruction::decode(function, path.at) else {
                break;
            };
            let argument = path.registers.argument;
            match path.registers.apply(&instruction, slots, report) {
                Flow::Next => path.at = instruction.end,
                Flow::Jump(target) => match offset_in(function, target) {
                    Some(at) => path.at = at,
                    None => {
                        report(Sight::Call(Callee::Code(target), argument));
                        break;
                    }
                },
                Flow::Branch(target) => {
                    if let (Some(at), Some(slot)) = (offset_in(function, target), pending.get_mut(waiting)) {
                        *slot = Path {
                            at,
                            registers: path.registers,
                        };
                        waiting = waiting.saturating_add(1);
                    }
                    path.at = instruction.end;
                }
                Flow::End => break,
            }
        }
    }
}

/// Whether the code of `function` does what `witness` says.
pub fn confirms(function: Function<'_>, slots: &Slots, witness: &Witness) -> bool {
    let mut found = false;
    displacements(function, slots, &mut |object, displacement| {
        // The compiler may test a single byte of a member.
        found |= object == witness.object && displacement.wrapping_sub(witness.displacement) < 4;
    });
    found
}

/// Marks the byte at `at` as decoded; false when it was before, or is out of reach.
fn first_visit(seen: &mut [u64; REACH / 64], at: usize) -> bool {
    let Some(word) = seen.get_mut(at / 64) else {
        return false;
    };
    let bit = 1u64 << (at % 64);
    let fresh = *word & bit == 0;
    *word |= bit;
    fresh
}

fn offset_in(function: Function<'_>, address: u64) -> Option<usize> {
    let offset = usize::try_from(address.checked_sub(function.address)?).ok()?;
    (offset < function.code.len()).then_some(offset)
}

/// A place in the function and what the registers hold there.
#[derive(Clone, Copy)]
struct Path {
    at: usize,
    registers: Registers,
}

impl Path {
    const START: Self = Self {
        at: 0,
        registers: Registers {
            held: [None; 16],
            argument: None,
        },
    };
}

/// What an instruction does to the flow of control.
enum Flow {
    Next,
    Jump(u64),
    Branch(u64),
    End,
}

/// The address of a loader object plus a constant.
#[derive(Clone, Copy)]
struct Held {
    object: Object,
    plus: i32,
}

impl Held {
    fn moved(self, by: i32) -> Option<Self> {
        Some(Self {
            object: self.object,
            plus: self.plus.checked_add(by)?,
        })
    }

    /// As [`Held::moved`], and reports the sum.
    fn shifted(self, by: i32, report: &mut dyn FnMut(Sight)) -> Option<Self> {
        let sum = self.moved(by)?;
        sum.report(report);
        Some(sum)
    }

    fn report(self, report: &mut dyn FnMut(Sight)) {
        if let Ok(displacement) = u32::try_from(self.plus) {
            report(Sight::Use(self.object, displacement));
        }
    }
}

const RAX: u8 = 0;
const RCX: u8 = 1;
const RDX: u8 = 2;
const RBX: u8 = 3;
const RBP: u8 = 5;
const RSI: u8 = 6;
const RDI: u8 = 7;
const R11: u8 = 11;

/// A set of registers: a bit for each.
const fn set_of(registers: &[u8]) -> u16 {
    let mut set = 0;
    let mut rest = registers;
    while let [register, others @ ..] = rest {
        set |= 1u16.wrapping_shl(*register as u32);
        rest = others;
    }
    set
}

/// Registers that a called function may change (psABI, figure 3.4).
const CALL_CLOBBERED: u16 = set_of(&[RAX, RCX, RDX, RSI, RDI, 8, 9, 10, R11]);

/// The general registers, by their number in instructions.
#[derive(Clone, Copy)]
struct Registers {
    held: [Option<Held>; 16],
    /// The number in the register of a first argument, where it is a constant.
    argument: Option<u32>,
}

impl Registers {
    fn get(&self, register: u8) -> Option<Held> {
        self.held.get(usize::from(register)).copied().flatten()
    }

    fn set(&mut self, register: u8, value: Option<Held>) {
        if let Some(held) = self.held.get_mut(usize::from(register)) {
            *held = value;
        }
    }

    fn forget(&mut self, registers: u16) {
        if registers & set_of(&[RDI]) != 0 {
            self.argument = None;
        }
        for (register, held) in self.held.iter_mut().enumerate() {
            if registers >> register & 1 == 1 {
                *held = None;
            }
        }
    }

    /// The object address that a memory operand is relative to, with the operand's displacement added. An index
    /// that is not tracked counts as zero: the displacement is then that of an array.
    fn address(&self, operand: Operand) -> Option<Held> {
        let Operand::Memory {
            base,
            index,
            displacement,
        } = operand
        else {
            return None;
        };
        let base = base.and_then(|register| self.get(register));
        let index = index.and_then(|register| self.get(register));
        match (base, index) {
            (Some(held), None) | (None, Some(held)) => held.moved(displacement),
            _ => None,
        }
    }

    /// A 64-bit source operand, if it is one of the objects' addresses.
    fn value(&self, operand: Operand, slots: &Slots) -> Option<Held> {
        match operand {
            Operand::Register(register) => self.get(register),
            Operand::Absolute(address) => slots.object(address).map(|object| Held { object, plus: 0 }),
            Operand::Memory { .. } | Operand::None => None,
        }
    }

    /// Follows one instruction.
    fn apply(&mut self, instruction: &Instruction, slots: &Slots, report: &mut dyn FnMut(Sight)) -> Flow {
        if instruction.uses_memory()
            && let Some(held) = self.address(instruction.operand)
        {
            held.report(report);
        }
        let Instruction { register, operand, .. } = *instruction;
        let effect = instruction.effect();
        if effect == b'c' {
            report(Sight::Call(instruction.callee(), self.argument));
        }
        let result = self.result(instruction, slots, report);
        let mut changed = match effect {
            b'a' | b'n' => set_of(&[RAX]),
            b'd' => set_of(&[RAX, RDX]),
            b'y' => set_of(&[RAX, RCX, R11]),
            b'l' => set_of(&[RAX, RCX, RDX]),
            b'i' => set_of(&[RAX, RBX, RCX, RDX]),
            b's' => set_of(&[RAX, RCX, RSI, RDI]),
            b'p' => set_of(&[RBP]),
            b'c' => CALL_CLOBBERED,
            b'v' => set_of(&[instruction.second]),
            _ => 0,
        };
        if matches!(effect, b'r' | b'x' | b'n' | b'l' | b'v') {
            changed |= set_of(&[register]);
        }
        if matches!(effect, b'o' | b'x' | b'l' | b'v')
            && let Operand::Register(register) = operand
        {
            changed |= set_of(&[register]);
        }
        self.forget(changed);
        if let Some((register, held)) = result {
            self.set(register, Some(held));
        }
        // MOV of a constant.
        if (instruction.map, instruction.opcode, register) == (Map::OneByte, 0xbf, RDI) {
            self.argument = Some(instruction.immediate.cast_unsigned());
        }
        match effect {
            b'b' => Flow::Branch(instruction.target),
            b'j' => Flow::Jump(instruction.target),
            b'e' => Flow::End,
            _ => Flow::Next,
        }
    }

    /// The register that an instruction makes an object's address, if it does. Only 64-bit moves and sums with a
    /// constant or an index do. A sum with a constant may itself be the address of a member.
    fn result(&self, instruction: &Instruction, slots: &Slots, report: &mut dyn FnMut(Sight)) -> Option<(u8, Held)> {
        let Instruction {
            opcode,
            register,
            operand,
            immediate,
            ..
        } = *instruction;
        if instruction.map != Map::OneByte || !instruction.wide {
            return None;
        }
        let destination = match (opcode, operand) {
            (0x03 | 0x8b | 0x8d, _) => register,
            (0x05 | 0x2d, _) => RAX,
            (_, Operand::Register(register)) => register,
            _ => return None,
        };
        let old = self.get(destination);
        let held = match (opcode, register & 7) {
            (0x01, _) => sum(old, self.get(register)),
            (0x03, _) => sum(old, self.value(operand, slots)),
            (0x89, _) => self.get(register),
            (0x8b, _) => self.value(operand, slots),
            (0x8d, _) => self.address(operand),
            (0x05, _) | (0x80 | 0x81 | 0x83, 0) => old?.shifted(immediate, report),
            (0x2d, _) | (0x80 | 0x81 | 0x83, 5) => old?.shifted(immediate.checked_neg()?, report),
            _ => None,
        };
        Some((destination, held?))
    }
}

/// The sum of two registers when one is tracked: the other is an index.
fn sum(left: Option<Held>, right: Option<Held>) -> Option<Held> {
    left.xor(right)
}

/// Opcode maps (Intel SDM volume 2, section 2.1.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Map {
    OneByte,
    TwoByte,
    ThreeByte38,
    ThreeByte3a,
}

/// The operand that the ModRM byte describes.
#[derive(Clone, Copy)]
enum Operand {
    None,
    Register(u8),
    /// Relative to general registers; an index that is scaled cannot hold an address and is left out.
    Memory {
        base: Option<u8>,
        index: Option<u8>,
        displacement: i32,
    },
    /// Relative to the instruction: a link-time address.
    Absolute(u64),
}

/// The parts of an instruction that matter here.
#[derive(Clone, Copy)]
struct Instruction {
    map: Map,
    opcode: u8,
    /// VEX or EVEX encoded.
    vector: bool,
    /// EVEX encoded: an 8-bit displacement is scaled.
    scaled: bool,
    /// 64-bit operands.
    wide: bool,
    /// Register of the ModRM byte (or its opcode extension), or of the opcode.
    register: u8,
    /// Additional register of VEX and EVEX.
    second: u8,
    operand: Operand,
    immediate: i32,
    /// Target of a direct branch.
    target: u64,
    /// Offset in the function of the next instruction.
    end: usize,
}

/// What follows an opcode: `0` nothing, `1` `2` `4` `8` an immediate of so many bytes, `w` one of the operands' size but at most
/// 4 bytes, `W` one of the operands' size; `m` a ModRM byte alone, `b` with an immediate of 1 byte, `v` with one as for `w`;
/// `?` the instruction is unknown.
const SHAPES: [u8; 16] = *b"?01248wWmbv?????";

/// What an instruction changes of the general registers: `.` none that matters, `o` the operand of ModRM, `r` the register of ModRM or of the
/// opcode, `x` both, `a` rax, `n` rax and the register, `d` rax and rdx, `y` what a system call changes, `l` what CMPXCHG and
/// its like may, `i` what CPUID does, `s` what string instructions do, `p` rbp, `c` what a called function may. Or where it goes on: `b` behind
/// it or at its target, `j` at its target, `e` nowhere.
const EFFECTS: [u8; 16] = *b".orxandylispcbje";

/// The place of a letter in [`SHAPES`] or [`EFFECTS`].
const fn place(letters: &[u8; 16], letter: u8) -> u8 {
    let mut place = 0;
    while letters[place] != letter {
        place += 1;
    }
    place as u8
}

/// Shapes and effects of a whole map, sixteen opcodes a line (as in Intel SDM volume 2, appendix A): the places of both letters in one byte.
const fn opcodes(lines: [(&[u8; 16], &[u8; 16]); 16]) -> [u8; 256] {
    let mut packed = [0; 256];
    let mut opcode = 0;
    while opcode < 256 {
        let (shapes, effects) = lines[opcode / 16];
        packed[opcode] = place(&SHAPES, shapes[opcode % 16]) << 4 | place(&EFFECTS, effects[opcode % 16]);
        opcode += 1;
    }
    packed
}

/// The one-byte map. What the register field of ModRM decides is in [`Instruction::effect`] and [`Instruction::decode`].
static ONE_BYTE: [u8; 256] = opcodes([
    (b"mmmm1w??mmmm1w??", b"oorraa..oorraa.."),
    (b"mmmm1w??mmmm1w??", b"oorraa..oorraa.."),
    (b"mmmm1w??mmmm1w??", b"oorraa..oorraa.."),
    (b"mmmm1w??mmmm1w??", b"oorraa.........."),
    (b"????????????????", b"................"),
    (b"0000000000000000", b"........rrrrrrrr"),
    (b"???m????wv1b????", b"...r.....r.r...."),
    (b"1111111111111111", b"bbbbbbbbbbbbbbbb"),
    (b"bv?bmmmmmmmmmmmm", b"oo.o..xxoorroroo"),
    (b"0000000000?00000", b"nnnnnnnndd......"),
    (b"888800001w000000", b"ssssssss..ssssss"),
    (b"11111111WWWWWWWW", b"rrrrrrrrrrrrrrrr"),
    (b"bb20??bv?0??0???", b"ooee..oo.p..e..."),
    (b"mmmm????mmmmmmmm", b"oooo....oooooooo"),
    (b"1111????44?1????", b"bbbb....cj.j...."),
    (b"????00mm000000mm", b"....e.oo......oo"),
]);

/// The two-byte map, legacy or VEX. The effects are those of the legacy instructions.
static TWO_BYTE: [u8; 256] = opcodes([
    (b"mmmm?0?????0?m??", b"olrr.y.....e...."),
    (b"mmmmmmmmmmmmmmmm", b"................"),
    (b"mmmm????mmmmmmmm", b"llll........rr.."),
    (b"0000????????????", b"dddd............"),
    (b"mmmmmmmmmmmmmmmm", b"rrrrrrrrrrrrrrrr"),
    (b"mmmmmmmmmmmmmmmm", b"r..............."),
    (b"mmmmmmmmmmmmmmmm", b"................"),
    (b"bbbbmmm0mmmmmmmm", b"..............o."),
    (b"4444444444444444", b"bbbbbbbbbbbbbbbb"),
    (b"mmmmmmmmmmmmmmmm", b"oooooooooooooooo"),
    (b"000mbm??00mmbmmm", b"..i.oo.....oooor"),
    (b"mmmmmmmmmmbmmmmm", b"ll.o..rrrroorrrr"),
    (b"mmbmbbbm00000000", b"ll...r.lrrrrrrrr"),
    (b"mmmmmmmmmmmmmmmm", b".......r........"),
    (b"mmmmmmmmmmmmmmmm", b"................"),
    (b"mmmmmmmmmmmmmmmm", b"................"),
]);

/// Extension bits for register numbers, from REX, VEX or EVEX.
#[derive(Clone, Copy, Default)]
struct Extension {
    register: u8,
    index: u8,
    base: u8,
}

impl Extension {
    /// From the low three bits of a REX prefix.
    fn from_bits(bits: u8) -> Self {
        Self {
            register: (bits << 1) & 8,
            index: (bits << 2) & 8,
            base: (bits << 3) & 8,
        }
    }
}

/// Reads a function's bytes in order.
struct Cursor<'a> {
    code: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.code.get(self.at)?;
        self.at = self.at.checked_add(1)?;
        Some(byte)
    }

    /// A little-endian signed number of `size` bytes. The upper half of 8 bytes is dropped: nothing here
    /// needs it.
    fn signed(&mut self, size: usize) -> Option<i32> {
        let end = self.at.checked_add(size)?;
        let bytes = self.code.get(self.at..end)?;
        self.at = end;
        Some(match *bytes {
            [] => 0,
            [a] => i32::from(i8::from_le_bytes([a])),
            [a, b] => i32::from(i16::from_le_bytes([a, b])),
            [a, b, c, d, ..] => i32::from_le_bytes([a, b, c, d]),
            _ => return None,
        })
    }
}

impl Instruction {
    /// Decodes the instruction at offset `at`; `None` for anything unknown or cut off.
    fn decode(function: Function<'_>, at: usize) -> Option<Self> {
        let mut cursor = Cursor {
            code: function.code,
            at,
        };
        let mut word = 4;
        let mut opcode = cursor.byte()?;
        // The architecture allows 15 bytes for an instruction, so more prefixes are nonsense.
        for _ in 0..14 {
            match opcode {
                0x66 => word = 2,
                0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0x67 | 0xf0 | 0xf2 | 0xf3 => {}
                _ => break,
            }
            opcode = cursor.byte()?;
        }
        let mut decoded = Self {
            map: Map::OneByte,
            opcode,
            vector: false,
            scaled: false,
            wide: false,
            register: 0,
            second: 0,
            operand: Operand::None,
            immediate: 0,
            target: 0,
            end: 0,
        };
        let mut extension = Extension::default();
        match opcode {
            0xc4 | 0xc5 | 0x62 => extension = decoded.vector_prefix(&mut cursor)?,
            0x40..=0x4f => {
                extension = Extension::from_bits(opcode);
                decoded.wide = opcode & 8 != 0;
                decoded.opcode = cursor.byte()?;
                decoded.escape(&mut cursor)?;
            }
            _ => decoded.escape(&mut cursor)?,
        }
        let mut shape = match decoded.map {
            Map::OneByte => SHAPES[usize::from(ONE_BYTE[usize::from(decoded.opcode)] >> 4)],
            Map::TwoByte => SHAPES[usize::from(TWO_BYTE[usize::from(decoded.opcode)] >> 4)],
            Map::ThreeByte38 => b'm',
            Map::ThreeByte3a => b'b',
        };
        decoded.register = (decoded.opcode & 7) | extension.base;
        if matches!(shape, b'm' | b'b' | b'v') {
            let modrm = cursor.byte()?;
            decoded.register = (modrm >> 3) & 7;
            // TEST, the only ones of their group with an immediate.
            if decoded.map == Map::OneByte && decoded.opcode | 1 == 0xf7 && decoded.register < 2 {
                shape = if decoded.opcode == 0xf6 { b'b' } else { b'v' };
            }
            decoded.register |= extension.register;
            decoded.modrm_operand(modrm, extension, &mut cursor)?;
        }
        decoded.immediate = cursor.signed(match shape {
            b'0' | b'm' => 0,
            b'1' | b'b' => 1,
            b'2' => 2,
            b'4' => 4,
            b'8' => 8,
            b'W' if decoded.wide => 8,
            b'w' | b'W' | b'v' => word,
            _ => return None,
        })?;
        decoded.end = cursor.at;
        let after = function.address.checked_add(u64::try_from(cursor.at).ok()?)?;
        decoded.target = after.wrapping_add_signed(i64::from(decoded.immediate));
        if let Operand::Absolute(relative) = &mut decoded.operand {
            *relative = relative.wrapping_add(after);
        }
        Some(decoded)
    }

    /// Completes an opcode that begins with the escape byte.
    fn escape(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        if self.opcode == 0x0f {
            self.opcode = cursor.byte()?;
            self.map = match self.opcode {
                0x38 => Map::ThreeByte38,
                0x3a => Map::ThreeByte3a,
                _ => Map::TwoByte,
            };
            if self.map != Map::TwoByte {
                self.opcode = cursor.byte()?;
            }
        }
        Some(())
    }

    /// Reads the rest of a VEX or EVEX prefix and the opcode. Register bits are stored inverted there (Intel SDM
    /// volume 2, sections 2.3.5 and 2.7.1).
    fn vector_prefix(&mut self, cursor: &mut Cursor<'_>) -> Option<Extension> {
        let prefix = self.opcode;
        let first = cursor.byte()?;
        let mut number = 1;
        let mut bits = (!first >> 5) & 4;
        let mut last = first;
        if prefix != 0xc5 {
            bits = (!first >> 5) & 7;
            number = first & 0x1f;
            last = cursor.byte()?;
        }
        if prefix == 0x62 {
            number = first & 7;
            cursor.byte()?;
        }
        self.vector = true;
        self.scaled = prefix == 0x62;
        self.second = (!last >> 3) & 15;
        self.map = match number {
            1 => Map::TwoByte,
            2 => Map::ThreeByte38,
            3 => Map::ThreeByte3a,
            _ => return None,
        };
        self.opcode = cursor.byte()?;
        Some(Extension::from_bits(bits))
    }

    /// Reads what follows the ModRM byte into `operand`. An absolute one is only its distance from the end of the
    /// instruction, which is not known yet.
    fn modrm_operand(&mut self, modrm: u8, extension: Extension, cursor: &mut Cursor<'_>) -> Option<()> {
        let mode = modrm >> 6;
        let low = modrm & 7;
        if mode == 3 {
            self.operand = Operand::Register(low | extension.base);
            return Some(());
        }
        if mode == 0 && low == 5 {
            self.operand = Operand::Absolute(i64::from(cursor.signed(4)?).cast_unsigned());
            return Some(());
        }
        let mut base = Some(low | extension.base);
        let mut index = None;
        let mut size = match mode {
            0 => 0,
            1 => 1,
            _ => 4,
        };
        if low == 4 {
            let sib = cursor.byte()?;
            base = Some((sib & 7) | extension.base);
            let number = ((sib >> 3) & 7) | extension.index;
            index = (number != 4 && sib >> 6 == 0).then_some(number);
            if mode == 0 && sib & 7 == 5 {
                base = None;
                size = 4;
            }
        }
        let displacement = cursor.signed(size)?;
        self.operand = if self.scaled {
            Operand::None
        } else {
            Operand::Memory {
                base,
                index,
                displacement,
            }
        };
        Some(())
    }

    /// What it changes, as a letter of [`EFFECTS`]; or `v`: as `x`, and the additional register.
    #[inline(never)]
    fn effect(&self) -> u8 {
        let opcode = usize::from(self.opcode);
        let general = self.opcode >= 0xf0;
        match (self.map, self.opcode, self.register & 7) {
            // VEX and EVEX instructions: those that can write general registers are told from the others roughly.
            (Map::TwoByte, 0x2c | 0x2d | 0x50 | 0x78 | 0x79 | 0x7e | 0x90..=0x9f | 0xc5 | 0xd7, _) if self.vector => {
                b'v'
            }
            (Map::TwoByte, ..) if self.vector => b'.',
            (Map::ThreeByte38, ..) if self.vector => {
                if general {
                    b'v'
                } else {
                    b'.'
                }
            }
            _ if self.vector => b'v',
            // CMP; a no-operation; TEST, then multiplication and division; calls, jumps and PUSH.
            (Map::OneByte, 0x80 | 0x81 | 0x83, 7) => b'.',
            (Map::OneByte, 0x90, _) if self.register == 0 => b'.',
            (Map::OneByte, 0xf6 | 0xf7, 0 | 1) => b'.',
            (Map::OneByte, 0xf6 | 0xf7, 4..) => b'd',
            (Map::OneByte, 0xff, 2) => b'c',
            (Map::OneByte, 0xff, 4) => b'e',
            (Map::OneByte, 0xff, 6) => b'.',
            (Map::OneByte, ..) => EFFECTS[usize::from(ONE_BYTE[opcode] & 15)],
            // A bit test only reads.
            (Map::TwoByte, 0xba, 4) => b'.',
            (Map::TwoByte, ..) => EFFECTS[usize::from(TWO_BYTE[opcode] & 15)],
            // Only the last row (MOVBE, CRC32, ADCX) and the extractions write general registers.
            _ if general => b'x',
            (Map::ThreeByte3a, ..) => b'o',
            (Map::ThreeByte38, ..) => b'.',
        }
    }

    /// Where a call or a jump leads, or [`Callee::Code`] of somewhere.
    fn callee(&self) -> Callee {
        match self.operand {
            Operand::Absolute(slot) => Callee::Slot(slot),
            _ => Callee::Code(self.target),
        }
    }

    /// Whether the memory operand is an access or an address; prefetches and long no-operations are neither.
    fn uses_memory(&self) -> bool {
        let hint = matches!(self.opcode, 0x0d | 0x18..=0x1f);
        self.map != Map::TwoByte || self.vector || !hint
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::super::layout::Word;
    use super::*;

    const ADDRESS: u64 = 0x1000;
    const SLOTS: Slots = Slots {
        rtld_global: 0x2000,
        rtld_global_ro: 0x2008,
        tunable_get_val: 0x2010,
    };

    /// What the code does with `_rtld_global_ro`.
    fn read_only(code: &[u8]) -> Vec<u32> {
        let mut found = BTreeSet::new();
        let function = Function { address: ADDRESS, code };
        displacements(function, &SLOTS, &mut |object, displacement| {
            assert_eq!(object, Object::RtldGlobalRo);
            found.insert(displacement);
        });
        found.into_iter().collect()
    }

    /// `mov slot(%rip), %rax` as the first instruction, then `rest`.
    fn after_load(rest: &[u8]) -> Vec<u8> {
        let relative = u32::try_from(SLOTS.rtld_global_ro - ADDRESS - 7).unwrap();
        let mut code = vec![0x48, 0x8b, 0x05];
        code.extend(relative.to_le_bytes());
        code.extend(rest);
        code
    }

    #[test]
    fn a_load_through_the_slot_reports_its_displacement() {
        // mov 0x18(%rax), %rax; ret
        assert_eq!(read_only(&after_load(&[0x48, 0x8b, 0x40, 0x18, 0xc3])), [0x18]);
        // jmp *0x360(%rax)
        assert_eq!(read_only(&after_load(&[0xff, 0xa0, 0x60, 3, 0, 0])), [0x360]);
        // cmpq $0, 0x368(%rax)
        let compare = [0x48, 0x83, 0xb8, 0x68, 3, 0, 0, 0];
        assert_eq!(read_only(&after_load(&compare)), [0x368]);
    }

    #[test]
    fn the_two_objects_are_told_apart() {
        let code = after_load(&[0x48, 0x8b, 0x40, 0x18]);
        let swapped = Slots {
            rtld_global: SLOTS.rtld_global_ro,
            rtld_global_ro: SLOTS.rtld_global,
            ..SLOTS
        };
        let function = Function {
            address: ADDRESS,
            code: &code,
        };
        let [function_name, member] = Word::list(["getauxval", "_dl_auxv"]);
        let witness = Witness {
            function: function_name,
            member,
            displacement: 0x18,
            object: Object::RtldGlobal,
        };
        assert!(confirms(function, &swapped, &witness));
        assert!(!confirms(function, &SLOTS, &witness));
        let other = Witness {
            displacement: 0x20,
            ..witness
        };
        assert!(!confirms(function, &swapped, &other));
    }

    #[test]
    fn an_address_is_followed_through_copies_and_sums() {
        // mov %rax, %r12; lea 0x100(%r12), %rdi; mov 0x10(%rdi), %ecx
        let code = [0x49, 0x89, 0xc4, 0x49, 0x8d, 0xbc, 0x24, 0, 1, 0, 0, 0x8b, 0x4f, 0x10];
        assert_eq!(read_only(&after_load(&code)), [0x100, 0x110]);
        // add $0x200, %rax; sub $-128, %rax; mov (%rax), %ecx: the addition in both encodings
        for add in [&[0x48, 0x05, 0, 2, 0, 0][..], &[0x48, 0x81, 0xc0, 0, 2, 0, 0]] {
            let mut code = add.to_vec();
            code.extend([0x48, 0x83, 0xe8, 0x80, 0x8b, 0x08]);
            assert_eq!(read_only(&after_load(&code)), [0x200, 0x280]);
        }
    }

    #[test]
    fn an_index_leaves_the_displacement_of_the_array() {
        // shl $5, %rdi; lea 0x84(%rax,%rdi), %rax
        let code = [0x48, 0xc1, 0xe7, 5, 0x48, 0x8d, 0x84, 0x38, 0x84, 0, 0, 0];
        assert_eq!(read_only(&after_load(&code)), [0x84]);
        // add %rax, %rdi; mov 0x84(%rdi), %ecx
        let code = [0x48, 0x01, 0xc7, 0x8b, 0x8f, 0x84, 0, 0, 0];
        assert_eq!(read_only(&after_load(&code)), [0x84]);
        // mov 0x84(%rdi,%rax,8), %ecx: a scaled address is none
        let code = [0x8b, 0x8c, 0xc7, 0x84, 0, 0, 0];
        assert_eq!(read_only(&after_load(&code)), []);
    }

    #[test]
    fn a_register_that_was_overwritten_is_forgotten() {
        for overwrite in [
            &[0x31, 0xc0][..],               // xor %eax, %eax
            &[0xb8, 1, 0, 0, 0],             // mov $1, %eax
            &[0x58],                         // pop %rax
            &[0xe8, 0, 0, 0, 0],             // call
            &[0x0f, 0xa2],                   // cpuid
            &[0x48, 0x0f, 0x44, 0xc1],       // cmove %rcx, %rax
            &[0x89, 0xc0],                   // mov %eax, %eax
            &[0xf7, 0xe1],                   // mul %ecx
            &[0xc4, 0xe2, 0xf1, 0xf7, 0xc3], // shlx %rcx, %rbx, %rax
        ] {
            let mut code = overwrite.to_vec();
            code.extend([0x48, 0x8b, 0x40, 0x18]);
            assert_eq!(read_only(&after_load(&code)), [], "{overwrite:x?}");
        }
    }

    #[test]
    fn instructions_that_only_read_change_nothing() {
        for harmless in [
            &[0x48, 0x39, 0xc8][..],               // cmp %rcx, %rax
            &[0x48, 0x85, 0xc0],                   // test %rax, %rax
            &[0x48, 0x83, 0xf8, 1],                // cmp $1, %rax
            &[0x50],                               // push %rax
            &[0x48, 0x89, 0x04, 0x24],             // mov %rax, (%rsp)
            &[0x0f, 0x29, 0x44, 0x24, 0x10],       // movaps %xmm0, 0x10(%rsp)
            &[0xc5, 0xfd, 0x6f, 0x07],             // vmovdqa (%rdi), %ymm0
            &[0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],    // nopl 0x0(%rax,%rax,1)
            &[0xf3, 0x0f, 0x1e, 0xfa],             // endbr64
            &[0x66, 0xc7, 0x04, 0x24, 1, 0],       // movw $1, (%rsp)
            &[0xf6, 0xc1, 1],                      // test $1, %cl
            &[0x48, 0xb9, 1, 2, 3, 4, 5, 6, 7, 8], // movabs $..., %rcx
        ] {
            let mut code = harmless.to_vec();
            code.extend([0x48, 0x8b, 0x40, 0x18]);
            assert_eq!(read_only(&after_load(&code)), [0x18], "{harmless:x?}");
        }
    }

    #[test]
    fn both_sides_of_a_branch_are_followed() {
        // je +5; mov 0x10(%rax), %ecx; ret; int3; mov 0x20(%rax), %ecx; ret
        let code = [0x74, 5, 0x8b, 0x48, 0x10, 0xc3, 0xcc, 0x8b, 0x48, 0x20, 0xc3];
        assert_eq!(read_only(&after_load(&code)), [0x10, 0x20]);
        // jmp +4; mov 0x10(%rax), %ecx; ret; mov 0x20(%rax), %ecx
        let code = [0xeb, 4, 0x8b, 0x48, 0x10, 0xc3, 0x8b, 0x48, 0x20];
        assert_eq!(read_only(&after_load(&code)), [0x20]);
    }

    #[test]
    fn a_loop_and_a_jump_out_of_the_function_end() {
        // mov 0x10(%rax), %ecx; jmp -5
        assert_eq!(read_only(&after_load(&[0x8b, 0x48, 0x10, 0xeb, 0xfb])), [0x10]);
        // jne far away; mov 0x10(%rax), %ecx; jmp far away
        let code = [0x0f, 0x85, 0, 0, 0, 0x70, 0x8b, 0x48, 0x10, 0xe9, 0, 0, 0, 0x90];
        assert_eq!(read_only(&after_load(&code)), [0x10]);
    }

    /// `bytes` at `at`, and behind them what makes them a branch to `target`: both counted from the function's first byte.
    fn branch(code: &mut [u8], at: usize, bytes: &[u8], target: u64) {
        let end = at + bytes.len() + 4;
        let relative = i32::try_from(target as i64 - end as i64).unwrap();
        code[at..end - 4].copy_from_slice(bytes);
        code[end - 4..end].copy_from_slice(&relative.to_le_bytes());
    }

    #[test]
    fn tunables_are_seen_through_the_stub_and_one_call_away() {
        let mut code = vec![0xcc; 0x100];
        // mov $14, %edi; call the stub; call 0x40; ret
        code[..5].copy_from_slice(&[0xbf, 14, 0, 0, 0]);
        branch(&mut code, 5, &[0xe8], 0x80);
        branch(&mut code, 10, &[0xe8], 0x40);
        code[15] = 0xc3;
        // mov $5, %edi; call the stub; call the stub; mov $6, %edi; xor %edi, %edi; call the stub; mov $7, %edi; jmp to 0xc0
        code[0x40..0x45].copy_from_slice(&[0xbf, 5, 0, 0, 0]);
        branch(&mut code, 0x45, &[0xe8], 0x80);
        branch(&mut code, 0x4a, &[0xe8], 0x80);
        code[0x4f..0x56].copy_from_slice(&[0xbf, 6, 0, 0, 0, 0x31, 0xff]);
        branch(&mut code, 0x56, &[0xe8], 0x80);
        code[0x5b..0x60].copy_from_slice(&[0xbf, 7, 0, 0, 0]);
        branch(&mut code, 0x60, &[0xe9], 0xc0);
        // The stub: endbr64; jmp *slot
        code[0x80..0x84].copy_from_slice(&[0xf3, 0x0f, 0x1e, 0xfa]);
        branch(&mut code, 0x84, &[0xff, 0x25], SLOTS.tunable_get_val - ADDRESS);
        // mov $8, %edi; jmp to the stub
        code[0xc0..0xc5].copy_from_slice(&[0xbf, 8, 0, 0, 0]);
        branch(&mut code, 0xc5, &[0xe9], 0x80);
        let bytes = |address: u64| code.get(usize::try_from(address - ADDRESS).ok()?..);
        let asked = |slots: &Slots, length: usize| {
            let mut asked = BTreeSet::new();
            let function = Function {
                address: ADDRESS,
                code: &code[..length],
            };
            tunables(function, slots, &bytes, &mut |id| {
                asked.insert(id);
            });
            asked.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(asked(&SLOTS, 16), [5, 14]);
        let elsewhere = Slots {
            tunable_get_val: 0x2018,
            ..SLOTS
        };
        assert_eq!(asked(&elsewhere, 16), []);
    }

    #[test]
    fn the_address_that_a_function_returns_is_seen() {
        // endbr64; lea 0x100(%rip), %rax; ret
        let mut code = [0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x8d, 0x05, 0, 1, 0, 0, 0xc3];
        let function = |code: &[u8]| returned(Function { address: ADDRESS, code });
        assert_eq!(function(&code), Some(ADDRESS + 11 + 0x100));
        assert_eq!(function(&code[4..]), Some(ADDRESS + 7 + 0x100));
        // To another register.
        code[6] = 0x0d;
        assert_eq!(function(&code), None);
        assert_eq!(function(&[]), None);
    }

    #[test]
    fn an_unknown_instruction_ends_its_path_only() {
        // je +1; (invalid); mov 0x20(%rax), %ecx
        assert_eq!(read_only(&after_load(&[0x74, 1, 0x06, 0x8b, 0x48, 0x20])), [0x20]);
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut state = 0x2545_f491_4f6c_dd1du64;
        let mut code = vec![0u8; 5000];
        for _ in 0..200 {
            for byte in &mut code {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state.to_le_bytes()[0];
            }
            for address in [0, ADDRESS, u64::MAX - 8] {
                let function = Function { address, code: &code };
                displacements(function, &SLOTS, &mut |_, _| {});
            }
        }
        assert_eq!(read_only(&[]), []);
    }
}
