//! `enum ctattr_type`, as a request creates a flow.

use std::net::{IpAddr, SocketAddr};

use conntrack_derive::{Decode, Encode};

use crate::{
    LabelChange, Labels, Mark, Nat, NewHelp, ProtoInfo, ProtoInfoTcp, Protocol, Seconds, SeqAdj, Status, Synproxy,
    TcpFlagBits, TcpFlags, TcpState, Tuple,
};

/// A flow to create.
///
/// Both tuples and the timeout are required by the kernel (`ctnetlink_create_conntrack`); what it ignores on input,
/// such as counters, is not here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewFlow {
    /// The direction of the first packet.
    #[nla(CTA_TUPLE_ORIG)]
    pub orig: Tuple,
    /// The direction of the answers. With `nat_src` or `nat_dst` it must be the plain inverse of `orig`: the kernel
    /// translates it, and a tuple that is translated already would leave the packets untranslated.
    #[nla(CTA_TUPLE_REPLY)]
    pub reply: Tuple,
    /// The flow that announces this one, by either tuple; it must be in the same zone, else `ENOENT`.
    #[nla(CTA_TUPLE_MASTER)]
    pub master: Option<Tuple>,
    /// The status. It must have [`Status::CONFIRMED`] and neither `EXPECTED` nor `DYING`, else `EBUSY`; of the rest the
    /// kernel takes `SEEN_REPLY`, `ASSURED`, `FIXED_TIMEOUT` and `HELPER`.
    #[nla(CTA_STATUS)]
    pub status: Option<Status>,
    /// The life of the flow. 0 succeeds, and the flow has expired at once.
    #[nla(CTA_TIMEOUT)]
    pub timeout: Seconds,
    /// The mark; 0 if absent.
    #[nla(flatten)]
    pub mark: Option<Mark>,
    /// The state of the connection. A TCP flow without one is in state `NONE`.
    #[nla(CTA_PROTOINFO)]
    pub proto_info: Option<ProtoInfo>,
    /// The helper; `EOPNOTSUPP` if the kernel has none of that name for this family and protocol.
    #[nla(CTA_HELP)]
    pub help: Option<NewHelp>,
    /// What to translate the source to.
    #[nla(CTA_NAT_SRC)]
    pub nat_src: Option<Nat>,
    /// What to translate the destination to.
    #[nla(CTA_NAT_DST)]
    pub nat_dst: Option<Nat>,
    /// How the original direction's sequence numbers are shifted.
    #[nla(CTA_SEQ_ADJ_ORIG)]
    pub seq_adj_orig: Option<SeqAdj>,
    /// How the reply direction's sequence numbers are shifted.
    #[nla(CTA_SEQ_ADJ_REPLY)]
    pub seq_adj_reply: Option<SeqAdj>,
    /// The zone, for both directions. At most one zone attribute may be given: this, or one of a tuple.
    #[nla(CTA_ZONE)]
    pub zone: Option<u16>,
    /// The labels. Where no rule of the namespace uses labels, the kernel creates the flow without them and says
    /// nothing.
    #[nla(flatten)]
    pub labels: Option<LabelChange>,
    /// What the SYN proxy keeps.
    #[nla(CTA_SYNPROXY)]
    pub synproxy: Option<Synproxy>,
}

impl NewFlow {
    /// A flow whose answers come straight back, with the timeout that the kernel gives to the first packet of its
    /// protocol by default: 120 seconds for TCP, 3 for SCTP, 30 for UDP, UDP-Lite, ICMP and GRE, 600 for others.
    #[must_use]
    pub fn new(orig: Tuple) -> Self {
        Self {
            orig,
            reply: orig.inverse(),
            master: None,
            status: None,
            timeout: first_timeout(orig.protocol()),
            mark: None,
            proto_info: None,
            help: None,
            nat_src: None,
            nat_dst: None,
            seq_adj_orig: None,
            seq_adj_reply: None,
            zone: None,
            labels: None,
            synproxy: None,
        }
    }

    /// A UDP flow.
    #[must_use]
    pub fn udp(client: SocketAddr, server: SocketAddr) -> Self {
        Self::new(Tuple::udp(client, server))
    }

    /// A TCP flow that is established, so that packets can follow: any sequence number is accepted in both directions,
    /// because the kernel has seen none. It lives for 432,000 seconds, as by default others do.
    #[must_use]
    pub fn tcp(client: SocketAddr, server: SocketAddr) -> Self {
        Self::new(Tuple::tcp(client, server))
            .status(Status::CONFIRMED | Status::SEEN_REPLY | Status::ASSURED)
            .established()
    }

    /// Gives it the state and the time of an established TCP connection whose windows nobody knows.
    pub(crate) fn established(self) -> Self {
        let flags = Some(TcpFlags::set(TcpFlagBits::BE_LIBERAL));
        let state = Some(TcpState::ESTABLISHED);
        let info = ProtoInfoTcp { state, flags_original: flags, flags_reply: flags, ..ProtoInfoTcp::default() };
        self.timeout(TCP_ESTABLISHED).proto_info(ProtoInfo::Tcp(info))
    }

    /// An ICMP or ICMPv6 echo request and its reply.
    #[must_use]
    pub fn echo(client: IpAddr, server: IpAddr, id: u16) -> Self {
        Self::new(Tuple::echo(client, server, id))
    }

    /// A flow of a protocol without ports, such as ESP.
    #[must_use]
    pub fn generic(protocol: Protocol, client: IpAddr, server: IpAddr) -> Self {
        Self::new(Tuple::generic(protocol, client, server))
    }

    /// Sets the direction of the answers.
    #[must_use]
    pub fn reply(mut self, reply: Tuple) -> Self {
        self.reply = reply;
        self
    }

    /// Sets the flow that announces this one.
    #[must_use]
    pub fn master(mut self, master: Tuple) -> Self {
        self.master = Some(master);
        self
    }

    /// Sets the status, and [`Status::CONFIRMED`] with it, which the kernel requires.
    #[must_use]
    pub fn status(mut self, status: Status) -> Self {
        self.status = Some(status | Status::CONFIRMED);
        self
    }

    /// Sets the life of the flow.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Seconds>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Sets the mark.
    #[must_use]
    pub fn mark(mut self, mark: u32) -> Self {
        self.mark = Some(Mark { value: mark, mask: None });
        self
    }

    /// Sets the state of the connection.
    #[must_use]
    pub fn proto_info(mut self, proto_info: ProtoInfo) -> Self {
        self.proto_info = Some(proto_info);
        self
    }

    /// Sets the helper.
    #[must_use]
    pub fn help(mut self, help: impl Into<NewHelp>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Translates the source.
    #[must_use]
    pub fn nat_src(mut self, nat: impl Into<Nat>) -> Self {
        self.nat_src = Some(nat.into());
        self
    }

    /// Translates the destination.
    #[must_use]
    pub fn nat_dst(mut self, nat: impl Into<Nat>) -> Self {
        self.nat_dst = Some(nat.into());
        self
    }

    /// Sets how sequence numbers are shifted, in the original and the reply direction.
    #[must_use]
    pub fn seq_adj(mut self, orig: SeqAdj, reply: SeqAdj) -> Self {
        self.seq_adj_orig = Some(orig);
        self.seq_adj_reply = Some(reply);
        self
    }

    /// Puts the flow into a zone, with both directions.
    #[must_use]
    pub fn zone(mut self, zone: u16) -> Self {
        self.zone = Some(zone);
        self
    }

    /// Sets the labels.
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.labels = Some(LabelChange { value: labels, mask: None });
        self
    }

    /// Sets what the SYN proxy keeps.
    #[must_use]
    pub fn synproxy(mut self, synproxy: Synproxy) -> Self {
        self.synproxy = Some(synproxy);
        self
    }
}

/// The kernel's default timeout of an established connection (`nf_conntrack_tcp_timeout_established`).
const TCP_ESTABLISHED: Seconds = Seconds(432_000);

/// The kernel's default timeout for the state that the first packet of a flow of `protocol` leads to.
fn first_timeout(protocol: Protocol) -> Seconds {
    Seconds(match protocol {
        Protocol::TCP => 120,
        Protocol::SCTP => 3,
        Protocol::UDP | Protocol::UDPLITE | Protocol::ICMP | Protocol::ICMPV6 | Protocol::GRE => 30,
        _ => 600,
    })
}
