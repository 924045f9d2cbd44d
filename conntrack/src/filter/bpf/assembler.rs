//! Programs, piece by piece.
//!
//! A condition that fails returns on the spot, and what is farther away than that is reached by `BPF_JA`, whose distance
//! has 32 bits: so no program is too long for the 8 bits that a condition has.

use super::attributes::{Nest, Place};
use super::program::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_JSET,
    BPF_LD, BPF_LDX, BPF_MEM, BPF_MISC, BPF_RET, BPF_ST, BPF_TAX, BPF_W, Instruction, NLATTR, NLATTR_NEST, Program,
};

/// Bytes in front of the attributes: `struct nlmsghdr` and `struct nfgenmsg`.
const HEADERS: u32 = 20;
/// Bytes in front of an attribute's value: `struct nlattr`.
const NLA_HEADER: u32 = 4;

/// What becomes of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The socket gets all of it.
    Accept,
    /// The socket never sees it.
    Drop,
}

/// What follows from none of several attributes being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// The criterion is met.
    Met,
    /// That is the verdict.
    Verdict(Verdict),
}

/// A program that is being written.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    code: Vec<Instruction>,
    /// The nests whose offsets are in their scratch words, a bit for each.
    found: u8,
}

/// A jump to a place that is not written yet.
#[must_use]
#[derive(Debug)]
struct Jump {
    at: usize,
}

impl Assembler {
    /// `A` = two bytes of the message.
    pub(super) fn load_half(&mut self, offset: u32) {
        self.push(BPF_LD | BPF_H | BPF_ABS, offset);
    }

    /// `A` = one byte of the message.
    pub(super) fn load_byte(&mut self, offset: u32) {
        self.push(BPF_LD | BPF_B | BPF_ABS, offset);
    }

    /// Ends with `verdict` unless `A` is one of `values`.
    pub(super) fn expect_one_of(&mut self, values: &[u32], otherwise: Verdict) {
        for (value, others) in values.iter().zip((0..values.len()).rev()) {
            // Over the others and the return behind them. There are not many.
            let skipped = u8::try_from(others).unwrap_or(u8::MAX).saturating_add(1);
            self.condition(BPF_JEQ, *value, skipped, 0);
        }
        self.end(otherwise);
    }

    /// Ends with `verdict` if `A` has one of `bits`.
    pub(super) fn end_if_set(&mut self, bits: u32, verdict: Verdict) {
        self.condition(BPF_JSET, bits, 0, 1);
        self.end(verdict);
    }

    /// Drops the message unless `A & mask == value`.
    pub(super) fn expect_masked(&mut self, value: u32, mask: u32) {
        if mask != u32::MAX {
            self.push(BPF_ALU | BPF_AND, mask);
        }
        self.expect_one_of(&[value], Verdict::Drop);
    }

    /// Drops the message unless `A` is at least `min` and at most `max`.
    pub(super) fn expect_in_range(&mut self, min: u32, max: u32) {
        self.condition(BPF_JGE, min, 0, 1);
        self.condition(BPF_JGT, max, 0, 1);
        self.end(Verdict::Drop);
    }

    /// Has `test` look at the value of an attribute: at the first of `places` that there is.
    pub(super) fn value(&mut self, places: &[Place], absent: Absent, test: impl FnOnce(&mut Self)) {
        let Some(((nest, attribute), others)) = places.split_first() else { return };
        let mut found = Vec::new();
        self.find(*nest, *attribute);
        // What is found between here and the test is not found on every way there.
        let found_always = self.found;
        for (nest, attribute) in others {
            self.condition(BPF_JEQ, 0, 1, 0);
            found.push(self.jump());
            self.find(*nest, *attribute);
        }
        self.condition(BPF_JEQ, 0, 0, 1);
        let met = match absent {
            Absent::Met => Some(self.jump()),
            Absent::Verdict(verdict) => {
                self.end(verdict);
                None
            }
        };
        self.land(found);
        self.found = found_always;
        self.push(BPF_MISC | BPF_TAX, 0);
        test(self);
        self.land(met);
    }

    /// In a test: `A` = the value, one byte.
    pub(super) fn value_byte(&mut self) {
        self.push(BPF_LD | BPF_B | BPF_IND, NLA_HEADER);
    }

    /// In a test: `A` = the value, two bytes.
    pub(super) fn value_half(&mut self) {
        self.push(BPF_LD | BPF_H | BPF_IND, NLA_HEADER);
    }

    /// In a test: `A` = four bytes of the value, from byte `offset` of it on.
    pub(super) fn value_word(&mut self, offset: u32) {
        self.push(BPF_LD | BPF_W | BPF_IND, NLA_HEADER.saturating_add(offset));
    }

    /// Accepts what has come this far.
    pub(super) fn finish(mut self) -> Program {
        self.end(Verdict::Accept);
        Program::new(self.code)
    }

    /// `A` = the offset of an attribute, or 0.
    fn find(&mut self, nest: Option<Nest>, attribute: u16) {
        match nest {
            Some(nest) => self.enter(nest),
            None => self.push(BPF_LD | BPF_IMM, HEADERS),
        }
        self.push(BPF_LDX | BPF_IMM, attribute.into());
        let search = if nest.is_some() { NLATTR_NEST } else { NLATTR };
        self.push(BPF_LD | BPF_W | BPF_ABS, search);
    }

    /// `A` = the offset of a nest. Ends if there is none: a message without its tuples is nothing that can be judged,
    /// and without other nests the criterion is not met.
    fn enter(&mut self, nest: Nest) {
        let bit = 1 << nest.slot();
        if self.found & bit != 0 {
            self.push(BPF_LD | BPF_MEM, nest.slot().into());
            return;
        }
        self.find(nest.parent(), nest.attribute());
        self.condition(BPF_JEQ, 0, 0, 1);
        self.end(if nest.is_required() { Verdict::Accept } else { Verdict::Drop });
        self.push(BPF_ST, nest.slot().into());
        self.found |= bit;
    }

    fn end(&mut self, verdict: Verdict) {
        let bytes = match verdict {
            Verdict::Accept => u32::MAX,
            Verdict::Drop => 0,
        };
        self.push(BPF_RET, bytes);
    }

    fn push(&mut self, code: u16, k: u32) {
        self.code.push(Instruction { code, jt: 0, jf: 0, k });
    }

    fn condition(&mut self, condition: u16, k: u32, jt: u8, jf: u8) {
        self.code.push(Instruction { code: BPF_JMP | condition, jt, jf, k });
    }

    fn jump(&mut self) -> Jump {
        let jump = Jump { at: self.code.len() };
        self.push(BPF_JMP | BPF_JA, 0);
        jump
    }

    /// Has these jumps end here.
    fn land(&mut self, jumps: impl IntoIterator<Item = Jump>) {
        let here = self.code.len();
        for Jump { at } in jumps {
            let skipped = here.saturating_sub(at).saturating_sub(1);
            if let (Some(jump), Ok(skipped)) = (self.code.get_mut(at), u32::try_from(skipped)) {
                jump.k = skipped;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use conntrack_spec::uapi::{CTA_TUPLE_ORIG, CTA_TUPLE_ZONE, CTA_ZONE};

    use super::*;

    /// What was looked for only because something else was not there is looked for again.
    #[test]
    fn a_nest_found_on_one_way_is_not_found_on_all() {
        let mut program = Assembler::default();
        let zones = [(None, CTA_ZONE), (Some(Nest::Orig), CTA_TUPLE_ZONE)];
        program.value(&zones, Absent::Met, Assembler::value_half);
        program.value(&zones[1..], Absent::Met, Assembler::value_half);
        program.value(&zones[1..], Absent::Met, Assembler::value_half);
        let program = program.finish();
        let search = Instruction { code: BPF_LDX | BPF_IMM, jt: 0, jf: 0, k: CTA_TUPLE_ORIG.into() };
        assert_eq!(program.instructions().iter().filter(|instruction| **instruction == search).count(), 2, "{program}");
    }
}
