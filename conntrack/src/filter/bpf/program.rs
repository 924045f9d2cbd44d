//! Programs of the classic Berkeley packet filter (`include/uapi/linux/bpf_common.h`, `linux/filter.h`).

use std::fmt;

/// Classes of instructions.
pub(super) const BPF_LD: u16 = 0x00;
pub(super) const BPF_LDX: u16 = 0x01;
pub(super) const BPF_ST: u16 = 0x02;
pub(super) const BPF_ALU: u16 = 0x04;
pub(super) const BPF_JMP: u16 = 0x05;
pub(super) const BPF_RET: u16 = 0x06;
pub(super) const BPF_MISC: u16 = 0x07;

/// What a load reads: four bytes, two or one, in network byte order.
pub(super) const BPF_W: u16 = 0x00;
pub(super) const BPF_H: u16 = 0x08;
pub(super) const BPF_B: u16 = 0x10;

/// Where from: `k` itself, byte `k`, byte `X + k`, scratch word `k`.
pub(super) const BPF_IMM: u16 = 0x00;
pub(super) const BPF_ABS: u16 = 0x20;
pub(super) const BPF_IND: u16 = 0x40;
pub(super) const BPF_MEM: u16 = 0x60;

/// Operations, all with `k`.
pub(super) const BPF_AND: u16 = 0x50;
pub(super) const BPF_JA: u16 = 0x00;
pub(super) const BPF_JEQ: u16 = 0x10;
pub(super) const BPF_JGT: u16 = 0x20;
pub(super) const BPF_JGE: u16 = 0x30;
pub(super) const BPF_JSET: u16 = 0x40;
pub(super) const BPF_TAX: u16 = 0x00;

/// `SKF_AD_OFF + SKF_AD_NLATTR`: a load from this address is no load. `A` is the offset of an attribute; it becomes the
/// offset of the first one from there on whose number is in `X`, or 0.
pub(super) const NLATTR: u32 = 0xffff_f000 + 12;
/// `SKF_AD_OFF + SKF_AD_NLATTR_NEST`: the same among the attributes inside the one at `A`.
pub(super) const NLATTR_NEST: u32 = 0xffff_f000 + 16;

/// One instruction: `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if the condition holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// A program for a socket: it looks at each datagram and says how many bytes of it the socket gets; with 0, the socket
/// never sees it.
///
/// Printed, it is in the language of the kernel's `bpf_asm`, with line numbers for labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program(Vec<Instruction>);

impl Program {
    pub(super) fn new(instructions: Vec<Instruction>) -> Self {
        Self(instructions)
    }

    /// The instructions, as `SO_ATTACH_FILTER` takes them.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, instruction) in self.0.iter().enumerate() {
            write!(f, "l{line}:\t")?;
            instruction.write(f, line.saturating_add(1))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Instruction {
    /// `next` is the number of the line below.
    fn write(self, f: &mut fmt::Formatter<'_>, next: usize) -> fmt::Result {
        const CLASS: u16 = 0x07;
        const SIZE: u16 = 0x18;
        const MODE: u16 = 0xe0;
        const OPERATION: u16 = 0xf0;

        let Self { code, jt, jf, k } = self;
        let load = match code & SIZE {
            BPF_H => "ldh",
            BPF_B => "ldb",
            _ => "ld",
        };
        let jump = match code & OPERATION {
            BPF_JEQ => "jeq",
            BPF_JGT => "jgt",
            BPF_JGE => "jge",
            _ => "jset",
        };
        match (code & CLASS, code & MODE) {
            (BPF_LD, BPF_ABS) if k == NLATTR => f.write_str("ld nla"),
            (BPF_LD, BPF_ABS) if k == NLATTR_NEST => f.write_str("ld nlan"),
            (BPF_LD, BPF_ABS) => write!(f, "{load} [{k}]"),
            (BPF_LD, BPF_IND) => write!(f, "{load} [x + {k}]"),
            (BPF_LD, BPF_MEM) => write!(f, "ld M[{k}]"),
            (BPF_LD, _) => write!(f, "ld #{k}"),
            (BPF_LDX, _) => write!(f, "ldx #{k}"),
            (BPF_ST, _) => write!(f, "st M[{k}]"),
            (BPF_ALU, _) => write!(f, "and #{k:#x}"),
            (BPF_RET, _) => write!(f, "ret #{k:#x}"),
            (BPF_MISC, _) => f.write_str("tax"),
            _ if code & OPERATION == BPF_JA => write!(f, "jmp l{}", next.saturating_add(k as usize)),
            _ => {
                let [then, otherwise] = [jt, jf].map(|skipped| next.saturating_add(skipped.into()));
                write!(f, "{jump} #{k:#x}, l{then}, l{otherwise}")
            }
        }
    }
}
