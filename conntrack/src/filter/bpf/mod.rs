//! Filters in the kernel, for events: a [`Filter`] as a program of the classic Berkeley packet filter.
//!
//! [`Filter::compile`] writes it. The kernel runs it over each message that it would put into a socket's receive
//! buffer: what it drops costs no buffer space, no copy, and no wake-up of the process. `SO_ATTACH_FILTER` attaches it
//! to any netlink socket of netfilter.
//!
//! # How it reads a message
//!
//! Where an attribute is in an event depends on the flow's family and protocol, its zone, its translation, the kernel's
//! settings and its version. So the program computes no offset: it has the kernel look for each attribute
//! (`SKF_AD_NLATTR` and `SKF_AD_NLATTR_NEST`, `net/core/filter.c`, since Linux 2.6.26), and looks for each nest once.
//! The kernel compares an attribute's number without its flag bits, and takes the first of several with one number; it
//! never sends two, except that some machines have empty ones for alignment, at the end.
//!
//! # What it costs
//!
//! A filter of protocol, port and IPv4 prefix executes 41 instructions for a flow that meets it, six of which look for
//! an attribute; 7 for a flow of the other family, 22 for one of another protocol. Criteria are tried in this order, cheap
//! ones first: family, protocol, ports and ICMP, addresses, zone, status, TCP state, mark.
//!
//! Measured on Linux 6.18 with its compiler for such programs, creating and deleting TCP flows over netlink, in time of
//! the processor that causes the event: 1.3 µs without a listener, 3.8 µs with one whose filter drops the event for its
//! family or protocol, 4.0 to 4.1 µs if it takes four to eight criteria to see, 4.15 µs if the event is queued unfiltered.
//! So most of what an event costs there is its making, which a filter does not spare; that takes joining fewer groups. What
//! a filter spares is the listener: 1.1 µs of reading for each event dropped, being woken for it, and its room in the
//! buffer, which is what overruns come from.

mod assembler;
mod attributes;
mod program;

use conntrack_spec::message::kind;
use conntrack_spec::uapi::{
    CTA_IP_V4_DST, CTA_IP_V4_SRC, CTA_IP_V6_DST, CTA_IP_V6_SRC, CTA_MARK, CTA_PROTO_DST_PORT, CTA_PROTO_ICMP_CODE,
    CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMPV6_CODE, CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE,
    CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTOINFO_TCP_STATE, CTA_STATUS, CTA_TUPLE_ZONE, CTA_ZONE,
    IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK,
};
use conntrack_spec::{Family, Protocol};
use ipnet::IpNet;

use super::{Filter, Ports, Side};
use crate::check::UsageError;
use crate::netlink::NLM_F_MULTI;
use assembler::{Absent, Assembler, Verdict};
use attributes::{Direction, Nest, Place};

pub use program::{Instruction, Program};

/// Where `struct nlmsghdr` has `nlmsg_type` and `nlmsg_flags`, and `struct nfgenmsg` behind it `nfgen_family`.
const NLMSG_TYPE: u32 = 4;
const NLMSG_FLAGS: u32 = 6;
const NFGEN_FAMILY: u32 = 16;

impl Filter {
    /// A program that drops the events of flows that do not match, in the kernel.
    ///
    /// Of the `NEW`, `UPDATE` and `DESTROY` events it lets those through whose flow [matches](Self::matches), as the
    /// event tells it. That is less than a dump tells: see [`Flow`](crate::Flow).
    ///
    /// Whatever is no event of a flow, it lets through: answers, errors, expectations, messages of other subsystems or
    /// of kinds that do not exist yet, and flows that lack what every flow has.
    ///
    /// Attach it before the socket joins a group, or what comes in between is not filtered.
    ///
    /// An event that makes a flow match no longer does not match: a filter by mark, status or TCP state shows when flows
    /// come, but not when they go. To follow flows, compile the [lasting criteria](Self::lasting), and look at the
    /// others afterwards.
    ///
    /// # Errors
    /// The filter contradicts itself.
    pub fn compile(&self) -> Result<Program, UsageError> {
        self.check()?;
        let mut program = Assembler::default();
        if !self.is_all() {
            program.pass_all_but_flow_events();
            self.write(&mut program);
        }
        Ok(program.finish())
    }

    /// The criteria that a flow meets all its life or never: without those for mark, status and TCP state.
    #[must_use]
    pub fn lasting(&self) -> Self {
        Self { mark: None, status: None, tcp_state: None, ..self.clone() }
    }

    fn write(&self, program: &mut Assembler) {
        let nets = [self.orig.src, self.orig.dst, self.reply.src, self.reply.dst];
        let of_nets = nets.into_iter().flatten().map(|net| Family::of(net.addr())).next();
        // They are one, or the check had failed. An event's header has the family of its tuples.
        if let Some(family) = self.family.or(of_nets) {
            program.load_byte(NFGEN_FAMILY);
            program.expect_one_of(&[family.0.into()], Verdict::Drop);
        }
        if let Some(protocol) = self.protocol.or(self.tcp_state.map(|_| Protocol::TCP)) {
            let number: Place = (Some(Nest::OrigProto), CTA_PROTO_NUM);
            program.value(&[number], UNDECODABLE, |program| {
                program.value_byte();
                program.expect_one_of(&[protocol.0.into()], Verdict::Drop);
            });
        }
        let directions = [(&self.orig, Direction::ORIG), (&self.reply, Direction::REPLY)];
        for (side, direction) in directions {
            side.write_transport(direction, program);
        }
        for (side, direction) in directions {
            side.write_addresses(direction, program);
        }
        if let Some(zone) = self.zone {
            let tuples = [Nest::Orig, Nest::Reply].map(|tuple| (Some(tuple), CTA_TUPLE_ZONE));
            let [orig, reply] = tuples;
            program.value(&[(None, CTA_ZONE), orig, reply], zero_if_absent(zone == 0), |program| {
                program.value_half();
                program.expect_one_of(&[zone.into()], Verdict::Drop);
            });
        }
        if let Some(status) = self.status {
            let (value, mask) = (status.value.bits(), status.mask.bits());
            program.value(&[(None, CTA_STATUS)], UNDECODABLE, |program| program.expect_masked_word(value, mask));
        }
        if let Some(state) = self.tcp_state {
            let place: Place = (Some(Nest::ProtoInfoTcp), CTA_PROTOINFO_TCP_STATE);
            program.value(&[place], NOT_MET, |program| {
                program.value_byte();
                program.expect_one_of(&[state.0.into()], Verdict::Drop);
            });
        }
        if let Some(mark) = self.mark {
            let absent = zero_if_absent(mark.value == 0);
            program.value(&[(None, CTA_MARK)], absent, |program| program.expect_masked_word(mark.value, mark.mask));
        }
    }
}

/// Every flow has it: without it, the message is for the listener to be surprised at.
const UNDECODABLE: Absent = Absent::Verdict(Verdict::Accept);
/// Some flows have it.
const NOT_MET: Absent = Absent::Verdict(Verdict::Drop);

/// An event does not have it when it is 0.
const fn zero_if_absent(zero_is_met: bool) -> Absent {
    if zero_is_met { Absent::Met } else { NOT_MET }
}

impl Assembler {
    /// Accepts everything but single messages about flows. An answer to a dump has several in one datagram.
    fn pass_all_but_flow_events(&mut self) {
        let events = [IPCTNL_MSG_CT_NEW, IPCTNL_MSG_CT_DELETE];
        self.load_half(NLMSG_TYPE);
        let kinds = events.map(|event| host_order(kind(NFNL_SUBSYS_CTNETLINK, event)));
        self.expect_one_of(&kinds, Verdict::Accept);
        self.load_half(NLMSG_FLAGS);
        self.end_if_set(host_order(NLM_F_MULTI), Verdict::Accept);
    }

    fn expect_masked_word(&mut self, value: u32, mask: u32) {
        self.value_word(0);
        self.expect_masked(value, mask);
    }
}

/// What a load, which takes all for network byte order, makes of a field in host byte order.
fn host_order(field: u16) -> u32 {
    field.to_be().into()
}

impl Side {
    fn write_transport(&self, direction: Direction, program: &mut Assembler) {
        let place = |attribute: u16| -> Place { (Some(direction.proto), attribute) };
        let ports = [(self.src_port, CTA_PROTO_SRC_PORT), (self.dst_port, CTA_PROTO_DST_PORT)];
        for (ports, attribute) in ports {
            let Some(Ports { min, max }) = ports else { continue };
            program.value(&[place(attribute)], NOT_MET, |program| {
                program.value_half();
                if min == max {
                    program.expect_one_of(&[min.into()], Verdict::Drop);
                } else {
                    program.expect_in_range(min.into(), max.into());
                }
            });
        }
        // ICMP, or else ICMPv6.
        if let Some(id) = self.icmp_id {
            program.value(&[place(CTA_PROTO_ICMP_ID), place(CTA_PROTO_ICMPV6_ID)], NOT_MET, |program| {
                program.value_half();
                program.expect_one_of(&[id.into()], Verdict::Drop);
            });
        }
        let bytes = [
            (self.icmp_type, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMPV6_TYPE),
            (self.icmp_code, CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMPV6_CODE),
        ];
        for (wanted, icmp, icmpv6) in bytes {
            let Some(wanted) = wanted else { continue };
            program.value(&[place(icmp), place(icmpv6)], NOT_MET, |program| {
                program.value_byte();
                program.expect_one_of(&[wanted.into()], Verdict::Drop);
            });
        }
    }

    fn write_addresses(&self, direction: Direction, program: &mut Assembler) {
        let ends = [(self.src, CTA_IP_V4_SRC, CTA_IP_V6_SRC), (self.dst, CTA_IP_V4_DST, CTA_IP_V6_DST)];
        for (net, v4, v6) in ends {
            let Some(net) = net else { continue };
            let (attribute, words) = match net {
                IpNet::V4(net) => (v4, words(&net.network().octets(), &net.netmask().octets())),
                IpNet::V6(net) => (v6, words(&net.network().octets(), &net.netmask().octets())),
            };
            // The rest of the address does not matter; with a prefix of length 0, the family was all.
            let words: Vec<_> = words.into_iter().filter(|word| word.mask != 0).collect();
            if words.is_empty() {
                continue;
            }
            program.value(&[(Some(direction.ip), attribute)], UNDECODABLE, |program| {
                for Word { offset, value, mask } in words {
                    program.value_word(offset);
                    program.expect_masked(value, mask);
                }
            });
        }
    }
}

/// Four bytes of an address: what they have to be where the mask says.
struct Word {
    offset: u32,
    value: u32,
    mask: u32,
}

fn words(address: &[u8], mask: &[u8]) -> Vec<Word> {
    let split = |bytes: &[u8]| -> Vec<u32> {
        bytes.chunks(4).filter_map(<[u8]>::first_chunk).map(|word| u32::from_be_bytes(*word)).collect()
    };
    let pairs = split(address).into_iter().zip(split(mask));
    pairs.zip((0_u32..).step_by(4)).map(|((value, mask), offset)| Word { offset, value, mask }).collect()
}
