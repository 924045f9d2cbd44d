//! The nests in a flow's messages, one kernel structure a file.

mod counters;
mod help;
pub(super) mod labels;
mod nat;
mod proto_info;
mod sec_ctx;
mod seq_adj;
mod synproxy;
mod timestamp;
mod tuple;

pub use counters::Counters;
pub use help::{Help, HelperName, NewHelp};
pub use labels::Labels;
pub use nat::{Nat, NatPorts};
pub use proto_info::{
    DccpRole, DccpState, ProtoInfo, ProtoInfoDccp, ProtoInfoSctp, ProtoInfoTcp, SctpState, TcpFlagBits, TcpFlags,
    TcpState,
};
pub use sec_ctx::SecCtx;
pub use seq_adj::SeqAdj;
pub use synproxy::Synproxy;
pub use timestamp::{Nanoseconds, Seconds, Timestamp};
pub use tuple::{L4, Tuple, TupleIp, TupleProto};
