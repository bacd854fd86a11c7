//! eBPF instructions (RFC 9669), encoded as they are put down; jumps go forward to labels.

/// A place in the code that jumps lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// Registers: 0 results, 1 to 5 arguments (lost by calls), 6 to 9 kept, 10 the frame's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Register(u8);

pub(super) const R0: Register = Register(0);
pub(super) const R1: Register = Register(1);
pub(super) const R2: Register = Register(2);
pub(super) const R3: Register = Register(3);
pub(super) const R4: Register = Register(4);
pub(super) const R6: Register = Register(6);
pub(super) const R7: Register = Register(7);
pub(super) const R8: Register = Register(8);
pub(super) const R9: Register = Register(9);
pub(super) const FRAME: Register = Register(10);

/// How much is loaded or stored (RFC 9669 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Byte = 0x10,
    Half = 0x08,
    Word = 0x00,
}

/// Conditions of jumps on unsigned numbers (section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Equal = 0x10,
    Greater = 0x20,
    NotEqual = 0x50,
    Less = 0xa0,
}

/// Operations on 64 bits (section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add = 0x00,
    And = 0x50,
    ShiftLeft = 0x60,
    ShiftRight = 0x70,
    Move = 0xb0,
}

/// Instruction classes (section 3).
const LDX: u8 = 0x01;
const STX: u8 = 0x03;
const JMP: u8 = 0x05;
const JMP32: u8 = 0x06;
const ALU: u8 = 0x04;
const ALU64: u8 = 0x07;
/// Mode of loads and stores: memory.
const MEM: u8 = 0x60;
/// The operand is a register.
const X: u8 = 0x08;
/// Byte swap to big endian.
const TO_BIG_ENDIAN: u8 = 0xd0 | X | ALU;
/// 64 bits of the following instruction; with source 1 they name a map.
const LOAD_64: u8 = 0x18;
const MAP_DESCRIPTOR: u8 = 1;
const CALL: u8 = 0x80 | JMP;
const EXIT: u8 = 0x90 | JMP;
/// Helper `bpf_redirect_map`.
const REDIRECT_MAP: i32 = 51;
/// Verdict `XDP_PASS`: on to the kernel.
pub(super) const PASS: i32 = 2;
/// `struct xdp_md`: where the fields of the context are.
pub(super) mod context {
    pub(in super::super) const DATA: i16 = 0;
    pub(in super::super) const DATA_END: i16 = 4;
    pub(in super::super) const QUEUE: i16 = 16;
}

/// Code as it is being written.
#[derive(Debug, Default)]
pub(super) struct Code {
    instructions: Vec<[u8; 8]>,
    /// By label: where it is, once it is put down.
    labels: Vec<Option<usize>>,
    /// Jumps whose label was not there yet.
    open: Vec<(usize, Label)>,
}

impl Code {
    fn put(&mut self, opcode: u8, to: Register, from: Register, offset: i16, value: i32) {
        let (offset, value) = (offset.to_ne_bytes(), value.to_ne_bytes());
        let registers = to.0 | from.0 << 4;
        let [v0, v1, v2, v3] = value;
        self.instructions.push([opcode, registers, offset[0], offset[1], v0, v1, v2, v3]);
    }

    /// `to` = memory at `from` + `offset`.
    pub(super) fn load(&mut self, width: Width, to: Register, from: Register, offset: i16) {
        self.put(LDX | MEM | width as u8, to, from, offset, 0);
    }

    /// Memory at `to` + `offset` = `from`.
    pub(super) fn store(&mut self, width: Width, to: Register, offset: i16, from: Register) {
        self.put(STX | MEM | width as u8, to, from, offset, 0);
    }

    /// `to` op= `value`.
    pub(super) fn compute(&mut self, operation: Operation, to: Register, value: i32) {
        self.put(ALU64 | operation as u8, to, R0, 0, value);
    }

    /// `to` op= `from`.
    pub(super) fn combine(&mut self, operation: Operation, to: Register, from: Register) {
        self.put(ALU64 | X | operation as u8, to, from, 0, 0);
    }

    /// The low `bits` of `to` from network order to the machine's; the rest becomes 0.
    pub(super) fn unswap(&mut self, to: Register, bits: i32) {
        self.put(TO_BIG_ENDIAN, to, R0, 0, bits);
    }

    /// A label to be put down later.
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label is here.
    pub(super) fn here(&mut self, label: Label) {
        self.labels[label.0] = Some(self.instructions.len());
    }

    /// Goes there.
    pub(super) fn jump(&mut self, to: Label) {
        self.open.push((self.instructions.len(), to));
        self.put(JMP, R0, R0, 0, 0);
    }

    /// Goes there if the low 32 bits of `of` are so.
    pub(super) fn jump_if(&mut self, of: Register, test: Test, value: u32, to: Label) {
        self.open.push((self.instructions.len(), to));
        self.put(JMP32 | test as u8, of, R0, 0, value.cast_signed());
    }

    /// Goes there if `of` is so, compared with another register.
    pub(super) fn jump_if_register(&mut self, of: Register, test: Test, other: Register, to: Label) {
        self.open.push((self.instructions.len(), to));
        self.put(JMP | X | test as u8, of, other, 0, 0);
    }

    /// Ends with a verdict.
    pub(super) fn verdict(&mut self, verdict: i32) {
        self.compute(Operation::Move, R0, verdict);
        self.put(EXIT, R0, R0, 0, 0);
    }

    /// Ends with the packet on its way to the socket of the queue it came by, or to the kernel where that queue
    /// has none. `context` holds the program's argument.
    pub(super) fn redirect(&mut self, context: Register, map: i32) {
        self.load(Width::Word, R2, context, context::QUEUE);
        self.put(LOAD_64, R1, Register(MAP_DESCRIPTOR), 0, map);
        self.put(0, R0, R0, 0, 0);
        self.compute(Operation::Move, R3, PASS);
        self.put(CALL, R0, R0, 0, REDIRECT_MAP);
        self.put(EXIT, R0, R0, 0, 0);
    }

    /// The instructions, every jump with its distance; `None` where one is too far or leads nowhere.
    pub(super) fn finish(mut self) -> Option<Vec<[u8; 8]>> {
        for (from, label) in self.open {
            let to = self.labels[label.0]?;
            let distance = i16::try_from(to.checked_sub(from + 1)?).ok()?;
            [self.instructions[from][2], self.instructions[from][3]] = distance.to_ne_bytes();
        }
        Some(self.instructions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodings as an assembler makes them (RFC 9669's tables; `llvm-mc -triple bpfel` prints the same).
    #[test]
    #[cfg(target_endian = "little")]
    fn instructions_are_encoded_as_specified() {
        let mut code = Code::default();
        let end = code.label();
        code.load(Width::Half, R2, R6, 12); // r2 = *(u16 *)(r6 + 12)
        code.unswap(R2, 16); // r2 = be16 r2
        code.jump_if(R2, Test::NotEqual, 0x800, end); // if w2 != 0x800 goto end
        code.store(Width::Word, FRAME, -8, R2); // *(u32 *)(r10 - 8) = r2
        code.combine(Operation::Add, R2, R7); // r2 += r7
        code.here(end);
        code.verdict(PASS);
        let expected: [[u8; 8]; 7] = [
            [0x69, 0x62, 12, 0, 0, 0, 0, 0],
            [0xdc, 0x02, 0, 0, 16, 0, 0, 0],
            [0x56, 0x02, 2, 0, 0x00, 0x08, 0, 0],
            [0x63, 0x2a, 0xf8, 0xff, 0, 0, 0, 0],
            [0x0f, 0x72, 0, 0, 0, 0, 0, 0],
            [0xb7, 0x00, 0, 0, 2, 0, 0, 0],
            [0x95, 0x00, 0, 0, 0, 0, 0, 0],
        ];
        assert_eq!(code.finish().unwrap(), expected);
    }

    #[test]
    fn a_jump_that_is_too_far_or_leads_nowhere_is_no_program() {
        let mut code = Code::default();
        let far = code.label();
        code.jump(far);
        (0..40_000).for_each(|_| code.compute(Operation::Add, R2, 1));
        code.here(far);
        assert_eq!(code.finish(), None);
        let mut code = Code::default();
        let nowhere = code.label();
        code.jump(nowhere);
        assert_eq!(code.finish(), None);
    }
}
