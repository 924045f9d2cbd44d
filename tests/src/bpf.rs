//! The kernel's machine for classic BPF, in user space: what it accepts as a program, and what a program then does.
//!
//! Written from `net/core/filter.c` (`bpf_check_classic`, `check_load_and_stores`, `bpf_skb_get_nlattr`,
//! `bpf_skb_get_nlattr_nest`, `bpf_skb_load_helper_*`) and `lib/nlattr.c` (`nla_find`), and not from the library, whose
//! programs are tested with it. The numbers are those of `linux/bpf_common.h`.

use std::net::{IpAddr, Ipv6Addr};

use conntrack::bpf::Instruction;
use conntrack::codec::{Layout, NlAttr};
use conntrack::{Filter, Status, TcpState};

/// `BPF_MAXINSNS`
const LONGEST: usize = 4096;
/// `BPF_MEMWORDS`
const WORDS: usize = 16;
/// `NLA_TYPE_MASK`
const TYPE_MASK: u16 = 0x3fff;

/// An instruction, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    LoadImmediate,
    /// So many bytes of the message.
    Load(Mode, usize),
    LoadMemory,
    LoadLength,
    FindAttribute,
    FindNestedAttribute,
    LoadXImmediate,
    LoadXMemory,
    Store,
    StoreX,
    And,
    Or,
    Add,
    Subtract,
    Jump,
    JumpIf(Condition),
    Return,
    ReturnA,
    AToX,
    XToA,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Absolute,
    Indirect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Equal,
    Greater,
    GreaterOrEqual,
    AnyBit,
}

fn understand(instruction: Instruction) -> Option<Operation> {
    use Operation as O;
    Some(match (instruction.code, instruction.k) {
        (0x00, _) => O::LoadImmediate,
        // SKF_AD_OFF + SKF_AD_NLATTR, SKF_AD_OFF + SKF_AD_NLATTR_NEST
        (0x20 | 0x28 | 0x30, 0xffff_f00c) => O::FindAttribute,
        (0x20 | 0x28 | 0x30, 0xffff_f010) => O::FindNestedAttribute,
        // Other addresses up there are of things that a netlink message does not have.
        (0x20 | 0x28 | 0x30, 0xffff_f000..) => return None,
        (0x20, _) => O::Load(Mode::Absolute, 4),
        (0x28, _) => O::Load(Mode::Absolute, 2),
        (0x30, _) => O::Load(Mode::Absolute, 1),
        (0x40, _) => O::Load(Mode::Indirect, 4),
        (0x48, _) => O::Load(Mode::Indirect, 2),
        (0x50, _) => O::Load(Mode::Indirect, 1),
        (0x60, _) => O::LoadMemory,
        (0x80, _) => O::LoadLength,
        (0x01, _) => O::LoadXImmediate,
        (0x61, _) => O::LoadXMemory,
        (0x02, _) => O::Store,
        (0x03, _) => O::StoreX,
        (0x54, _) => O::And,
        (0x44, _) => O::Or,
        (0x04, _) => O::Add,
        (0x14, _) => O::Subtract,
        (0x05, _) => O::Jump,
        (0x15, _) => O::JumpIf(Condition::Equal),
        (0x25, _) => O::JumpIf(Condition::Greater),
        (0x35, _) => O::JumpIf(Condition::GreaterOrEqual),
        (0x45, _) => O::JumpIf(Condition::AnyBit),
        (0x06, _) => O::Return,
        (0x16, _) => O::ReturnA,
        (0x07, _) => O::AToX,
        (0x87, _) => O::XToA,
        _ => return None,
    })
}

/// Whether the kernel takes it as a program (`bpf_check_classic`).
///
/// # Errors
/// Why not.
pub fn check(program: &[Instruction]) -> Result<(), String> {
    if !(1..=LONGEST).contains(&program.len()) {
        return Err(format!("{} instructions", program.len()));
    }
    // The scratch words that are written on every way to an instruction (`check_load_and_stores`).
    let mut written = vec![u16::MAX; program.len()];
    let mut now = 0;
    for (line, &instruction) in program.iter().enumerate() {
        let operation = understand(instruction).ok_or_else(|| format!("line {line}: unknown {instruction:?}"))?;
        now &= written[line];
        let skipped = match operation {
            Operation::Jump => vec![instruction.k as usize],
            Operation::JumpIf(_) => vec![instruction.jt.into(), instruction.jf.into()],
            _ => vec![],
        };
        for skipped in &skipped {
            let target = written.get_mut(line + 1 + skipped);
            *target.ok_or_else(|| format!("line {line}: jumps out of the program"))? &= now;
        }
        let word = 1_u16.checked_shl(instruction.k);
        match operation {
            Operation::Store | Operation::StoreX => now |= word.ok_or_else(|| format!("line {line}: no such word"))?,
            Operation::LoadMemory | Operation::LoadXMemory if word.is_none_or(|word| now & word == 0) => {
                return Err(format!("line {line}: word {} may be unwritten", instruction.k));
            }
            // What gets to the next line has jumped there.
            Operation::Jump | Operation::JumpIf(_) => now = u16::MAX,
            _ => {}
        }
    }
    match program.last().copied().and_then(understand) {
        Some(Operation::Return | Operation::ReturnA) => Ok(()),
        _ => Err("does not end with a return".to_owned()),
    }
}

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many bytes of it the socket gets at most; 0 is none of it.
    pub kept: u32,
    /// Instructions executed.
    pub executed: usize,
}

impl Run {
    /// Whether the socket gets the message.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        self.kept != 0
    }
}

/// Runs a program over one message.
///
/// # Panics
/// The kernel would not have taken the program, or it cuts the message off.
#[must_use]
pub fn run(program: &[Instruction], message: &[u8]) -> Run {
    check(program).unwrap_or_else(|error| panic!("no program: {error}"));
    let (mut a, mut x, mut memory) = (0_u32, 0_u32, [0_u32; WORDS]);
    let (mut line, mut executed) = (0, 0);
    loop {
        let instruction = program[line];
        let Instruction { jt, jf, k, .. } = instruction;
        line += 1;
        executed += 1;
        match understand(instruction).expect("what was checked") {
            Operation::Load(mode, bytes) => {
                let start = if mode == Mode::Indirect { x } else { 0 };
                // A load from outside ends the program, and drops the message.
                let Some(value) = load(message, start as usize + k as usize, bytes) else {
                    return Run { kept: 0, executed };
                };
                a = value;
            }
            Operation::LoadImmediate => a = k,
            Operation::LoadMemory => a = memory[k as usize],
            Operation::LoadLength => a = u32::try_from(message.len()).unwrap(),
            Operation::FindAttribute => a = find_attribute(message, a, x),
            Operation::FindNestedAttribute => a = find_nested_attribute(message, a, x),
            Operation::LoadXImmediate => x = k,
            Operation::LoadXMemory => x = memory[k as usize],
            Operation::Store => memory[k as usize] = a,
            Operation::StoreX => memory[k as usize] = x,
            Operation::And => a &= k,
            Operation::Or => a |= k,
            Operation::Add => a = a.wrapping_add(k),
            Operation::Subtract => a = a.wrapping_sub(k),
            Operation::Jump => line += k as usize,
            Operation::JumpIf(condition) => line += usize::from(if condition.holds(a, k) { jt } else { jf }),
            Operation::Return => return Run { kept: k, executed },
            Operation::ReturnA => return Run { kept: a, executed },
            Operation::AToX => x = a,
            Operation::XToA => a = x,
        }
    }
}

impl Condition {
    const fn holds(self, a: u32, k: u32) -> bool {
        match self {
            Self::Equal => a == k,
            Self::Greater => a > k,
            Self::GreaterOrEqual => a >= k,
            Self::AnyBit => a & k != 0,
        }
    }
}

/// Big-endian, whatever the machine.
fn load(message: &[u8], at: usize, bytes: usize) -> Option<u32> {
    let bytes = message.get(at..)?.get(..bytes)?;
    Some(bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
}

/// `bpf_skb_get_nlattr`
fn find_attribute(message: &[u8], a: u32, x: u32) -> u32 {
    match message.len().checked_sub(4) {
        Some(last) if a as usize <= last => find(message, a as usize, message.len() - a as usize, x),
        _ => 0,
    }
}

/// `bpf_skb_get_nlattr_nest`
fn find_nested_attribute(message: &[u8], a: u32, x: u32) -> u32 {
    let start = a as usize;
    match message.len().checked_sub(4) {
        Some(last) if start <= last => {}
        _ => return 0,
    }
    let (length, _) = header(message, start);
    match length.checked_sub(4) {
        Some(inside) if length <= message.len() - start => find(message, start + 4, inside, x),
        _ => 0,
    }
}

/// `nla_find`
fn find(message: &[u8], mut at: usize, mut left: usize, number: u32) -> u32 {
    while left >= 4 {
        let (length, kind) = header(message, at);
        if length < 4 || length > left {
            break;
        }
        if u32::from(kind & TYPE_MASK) == number {
            return u32::try_from(at).unwrap();
        }
        let step = length.next_multiple_of(4);
        at += step;
        left = left.saturating_sub(step);
    }
    0
}

/// `struct nlattr`: length and type.
fn header(message: &[u8], at: usize) -> (usize, u16) {
    let NlAttr { len, kind } = NlAttr::read(&message[at..]).unwrap();
    (len.into(), kind)
}

/// Every criterion there is, with as many words as it can have.
#[must_use]
pub fn longest_filter() -> Filter {
    let host = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 1, 0x8000, 0, 0, 1));
    Filter::new()
        .ipv6()
        .orig_src(host)
        .orig_dst(host)
        .reply_src(host)
        .reply_dst(host)
        .orig_src_port(1..=2)
        .orig_dst_port(1..=2)
        .reply_src_port(1..=2)
        .reply_dst_port(1..=2)
        .icmp_id(1)
        .icmp_type(8)
        .icmp_code(0)
        .mark_masked(1, 3)
        .status(Status::ASSURED)
        .zone(7)
        .tcp_state(TcpState::ESTABLISHED)
}
