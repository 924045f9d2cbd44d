//! Dumps over several sockets.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use conntrack::sandbox::Sandbox;
use conntrack::{Command, Conntrack, Filter, FlowId, NewFlow};

use crate::common::LONG;
use crate::{Outcome, cases, holds, same};

cases! {
    finds_each_flow_once,
    finds_what_the_filter_says,
    is_one_dump_for_a_small_table,
    can_be_dropped_half_way,
}

/// More than a dump splits at.
const MANY: u32 = 60_000;

/// Flows of both families, of which every third is translated, marked 0, 1, 2 …
fn fill(ct: &Conntrack, count: u32) -> Outcome {
    let flow = |mark: u32| {
        let [_, _, high, low] = mark.to_be_bytes();
        let client: IpAddr = if mark.is_multiple_of(2) {
            [10, 0, high, low].into()
        } else {
            [0xfd00, 0, 0, 0, 0, 0, high.into(), low.into()].into()
        };
        let server: IpAddr = if client.is_ipv4() { [10, 1, 0, 1].into() } else { [0xfd01, 0, 0, 0, 0, 0, 0, 1].into() };
        let flow = NewFlow::udp(SocketAddr::new(client, 1000), SocketAddr::new(server, 53)).mark(mark).timeout(LONG);
        if mark.is_multiple_of(3) { flow.nat_dst(server) } else { flow }
    };
    same!(ct.batch((0..count).map(|mark| Command::Create(flow(mark)))).run()?.into_result()?, u64::from(count));
    Ok(())
}

fn finds_each_flow_once(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    fill(&ct, MANY)?;
    let marks = ct.dump_parallel()?.map(|flow| flow.map(|flow| flow.mark)).collect::<Result<Vec<_>, _>>()?;
    same!(marks.len(), usize::try_from(MANY)?);
    let distinct: BTreeSet<_> = marks.into_iter().flatten().collect();
    same!(distinct.len(), usize::try_from(MANY)?);
    Ok(())
}

fn finds_what_the_filter_says(_: &Sandbox) -> Outcome {
    #[derive(Debug, conntrack::Decode)]
    struct Only {
        #[nla(CTA_ID)]
        id: FlowId,
    }
    let ct = Conntrack::open()?;
    fill(&ct, MANY)?;
    for filter in
        [Filter::new().mark_masked(0, 1), Filter::new().orig_dst_port(53).mark_masked(0, 3), Filter::new().ipv6()]
    {
        let ids = |flows: &mut dyn Iterator<Item = Result<Only, conntrack::Error>>| {
            flows.map(|only| only.map(|only| only.id)).collect::<Result<BTreeSet<_>, _>>()
        };
        let expected = ids(&mut ct.dump_filtered_as(&filter)?)?;
        same!(ids(&mut ct.dump_parallel_as(&filter)?)?, expected, "{filter:?}");
        holds!(!expected.is_empty());
    }
    Ok(())
}

fn is_one_dump_for_a_small_table(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    same!(ct.dump_parallel()?.count(), 0);
    fill(&ct, 100)?;
    same!(ct.dump_parallel()?.count(), 100);
    Ok(())
}

fn can_be_dropped_half_way(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    fill(&ct, MANY)?;
    for taken in [0, 1, 20_000] {
        same!(ct.dump_parallel()?.take(taken).collect::<Result<Vec<_>, _>>()?.len(), taken);
    }
    same!(ct.dump_parallel()?.count(), usize::try_from(MANY)?);
    Ok(())
}
