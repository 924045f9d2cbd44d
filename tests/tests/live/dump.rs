//! Dumps.

use std::collections::BTreeSet;

use conntrack::sandbox::{Namespace, Sandbox};
use conntrack::{Command, Conntrack, Family, FlowId};

use crate::common::udp;
use crate::{Outcome, cases, holds, same};

cases! {
    is_empty_at_first,
    finds_each_flow_once,
    finds_traffic_of_both_families,
    decodes_projections,
    can_be_dropped_half_way,
    goes_on_beside_deletes,
    goes_on_beside_other_dumps,
    is_of_the_connections_namespace,
}

/// Enough for many datagrams of 32 KiB.
const MANY: u16 = 3000;

fn fill(ct: &Conntrack) -> Outcome {
    let created = ct.batch((0..MANY).map(|port| Command::Create(udp(port).mark(port.into())))).run()?.into_result()?;
    same!(created, u64::from(MANY));
    Ok(())
}

fn is_empty_at_first(_: &Sandbox) -> Outcome {
    same!(Conntrack::open()?.dump()?.count(), 0);
    Ok(())
}

fn finds_each_flow_once(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    fill(&ct)?;
    for _ in 0..2 {
        let marks = ct.dump()?.map(|flow| flow.map(|flow| flow.mark)).collect::<Result<Vec<_>, _>>()?;
        same!(marks.len(), usize::from(MANY));
        same!(marks.into_iter().flatten().collect::<BTreeSet<_>>().len(), usize::from(MANY));
    }
    Ok(())
}

fn finds_traffic_of_both_families(sandbox: &Sandbox) -> Outcome {
    let mut made = BTreeSet::new();
    let mut open = Vec::new();
    for family in [Family::IPV4, Family::IPV6] {
        let (tcp, udp, ping) = (sandbox.tcp_connection(family)?, sandbox.udp_exchange(family)?, sandbox.ping(family)?);
        made.extend([tcp.tuple, udp.tuple, ping.tuple].map(|tuple| format!("{tuple:?}")));
        open.push((tcp, udp, ping));
    }
    let found = Conntrack::open()?.dump()?.map(|flow| flow.map(|flow| format!("{:?}", flow.orig)));
    same!(found.collect::<Result<BTreeSet<_>, _>>()?, made);
    Ok(())
}

fn decodes_projections(_: &Sandbox) -> Outcome {
    #[derive(Debug, conntrack::Decode)]
    struct Marked {
        #[nla(CTA_ID)]
        id: FlowId,
        #[nla(CTA_MARK)]
        mark: Option<u32>,
    }
    let ct = Conntrack::open()?;
    fill(&ct)?;
    let mut sum = 0;
    let mut ids = BTreeSet::new();
    for flow in ct.dump_as::<Marked>()? {
        let flow = flow?;
        sum += flow.mark.ok_or("no mark")?;
        ids.insert(flow.id);
    }
    same!(sum, (0..u32::from(MANY)).sum::<u32>());
    same!(ids.len(), usize::from(MANY));
    Ok(())
}

fn can_be_dropped_half_way(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    fill(&ct)?;
    for taken in [0, 1, 500] {
        same!(ct.dump()?.take(taken).collect::<Result<Vec<_>, _>>()?.len(), taken);
        holds!(ct.get(&udp(1).orig.into())?.is_some());
    }
    same!(ct.dump()?.count(), usize::from(MANY));
    Ok(())
}

fn goes_on_beside_deletes(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    fill(&ct)?;
    // A flow that vanishes between two datagrams makes the kernel start its bucket anew, so one may come twice.
    for flow in ct.dump()? {
        ct.delete(&flow?.key())?;
    }
    same!(ct.dump()?.count(), 0);
    Ok(())
}

fn goes_on_beside_other_dumps(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    fill(&ct)?;
    let (mut a, mut b) = (ct.dump()?, ct.dump()?);
    let mut counts = (0, 0);
    loop {
        let (one, other) = (a.next().transpose()?, b.next().transpose()?);
        counts = (counts.0 + usize::from(one.is_some()), counts.1 + usize::from(other.is_some()));
        if one.is_none() && other.is_none() {
            break;
        }
    }
    same!(counts, (usize::from(MANY), usize::from(MANY)));
    Ok(())
}

fn is_of_the_connections_namespace(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    fill(&ct)?;
    // More dumps than there are sockets at hand, so that others are opened: by a thread that is somewhere else.
    let counts = Namespace::new()?.run(|_| {
        let dumps = (0..3).map(|_| ct.dump()).collect::<Result<Vec<_>, _>>()?;
        Ok(dumps.into_iter().map(Iterator::count).collect::<Vec<_>>())
    })?;
    same!(counts, vec![usize::from(MANY); 3]);
    Ok(())
}
