//! nlink, which decodes about ten fields and leaves out `ICMPv6`'s.

use std::hint::black_box;

use nlink::Connection;
use nlink::netlink::Netfilter;
use nlink::netlink::netfilter::{ConntrackEntry, ConntrackTuple, TcpConntrackState};
use tokio_stream::StreamExt;

use super::Contestant;
use crate::Outcome;
use crate::sums::{Direction, Sums};

pub(super) const STREAM: Contestant = Contestant { id: "nlink", name: "nlink 0.33.0, streaming", run, check };

/// Calls `on_flow` with each flow of both families.
fn dump(mut on_flow: impl FnMut(&ConntrackEntry)) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let connection = Connection::<Netfilter>::new()?;
        let mut stream = connection.stream_conntrack(0).await?;
        while let Some(entry) = stream.next().await {
            on_flow(&entry?);
        }
        Ok(())
    })
}

fn run() -> Outcome<u64> {
    let mut flows = 0;
    dump(|entry| {
        black_box(entry);
        flows += 1;
    })?;
    Ok(flows)
}

fn check() -> Outcome<Sums> {
    let mut sums = Sums::default();
    dump(|entry| {
        sums.add_flow();
        let protocol = entry.proto.number();
        if let (Some(orig), Some(reply)) = (direction(&entry.orig, protocol), direction(&entry.reply, protocol)) {
            sums.add_tuples(orig, reply);
        }
        entry.status.into_iter().for_each(|status| sums.add_status(status));
        entry.mark.into_iter().for_each(|mark| sums.add_mark(mark));
        entry.tcp_state.into_iter().for_each(|state| sums.add_state(number(state)));
    })?;
    Ok(sums)
}

fn direction(tuple: &ConntrackTuple, protocol: u8) -> Option<Direction> {
    Some(Direction { src: tuple.src_ip?, dst: tuple.dst_ip?, protocol, ports: tuple.src_port.zip(tuple.dst_port) })
}

/// The kernel's number of a state: its 9, a simultaneous open, is called `Listen` here.
fn number(state: TcpConntrackState) -> u8 {
    match state {
        TcpConntrackState::None => 0,
        TcpConntrackState::SynSent => 1,
        TcpConntrackState::SynRecv => 2,
        TcpConntrackState::Established => 3,
        TcpConntrackState::FinWait => 4,
        TcpConntrackState::CloseWait => 5,
        TcpConntrackState::LastAck => 6,
        TcpConntrackState::TimeWait => 7,
        TcpConntrackState::Close => 8,
        TcpConntrackState::Listen => 9,
        _ => u8::MAX,
    }
}
