//! Keys with an id: another flow at the tuple is neither reported nor changed.

use conntrack::sandbox::Sandbox;
use conntrack::{
    Changes, Command, Conntrack, Counters, Decode, Errno, Error, Family, FlowId, FlowKey, FlowUpdate, L4, NewFlow,
    ProtoInfo, ProtoInfoTcp, Protocol, Tuple, UsageError,
};

use crate::common::{LONG, errno, udp};
use crate::{Outcome, cases, holds, same};

cases! {
    get_compares_it,
    get_as_compares_it_for_a_projection_without_one,
    get_zeroing_leaves_another_flows_counters,
    update_leaves_another_flow,
    a_key_that_get_accepts_can_be_updated,
    a_batch_refuses_an_update_by_id,
    a_flow_that_came_later_is_another_one,
}

/// A flow without its id.
#[derive(Debug, PartialEq, Eq, Decode)]
struct Marked {
    #[nla(CTA_MARK)]
    mark: Option<u32>,
}

fn other(id: FlowId) -> FlowId {
    FlowId(id.0.map(|byte| !byte))
}

/// Creates a flow with mark 7: its key, and that of another flow at its tuple.
fn flow_and_another(ct: &Conntrack) -> Result<[FlowKey; 2], conntrack::sandbox::Failure> {
    ct.create(&udp(1).mark(7))?;
    let flow = ct.get(&udp(1).orig.into())?.ok_or("not there")?;
    Ok([flow.key(), flow.key().with_id(other(flow.id))])
}

fn get_compares_it(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let [key, another] = flow_and_another(&ct)?;
    same!(ct.get(&key)?.map(|flow| Some(flow.id)), Some(key.id));
    same!(ct.get(&another)?, None);
    // By its reply direction, too.
    let by_reply = FlowKey::by_reply(udp(1).reply);
    holds!(ct.get(&FlowKey { id: key.id, ..by_reply })?.is_some());
    same!(ct.get(&FlowKey { id: another.id, ..by_reply })?, None);
    Ok(())
}

fn get_as_compares_it_for_a_projection_without_one(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let [key, another] = flow_and_another(&ct)?;
    same!(ct.get_as(&key)?, Some(Marked { mark: Some(7) }));
    same!(ct.get_as::<Marked>(&another)?, None);
    Ok(())
}

fn get_zeroing_leaves_another_flows_counters(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let exchange = sandbox.udp_exchange(Family::IPV4)?;
    let flow = ct.get(&exchange.tuple.into())?.ok_or("not tracked")?;
    let (key, another) = (flow.key(), flow.key().with_id(other(flow.id)));
    holds!(flow.counters_orig.is_some_and(|counters| counters.packets > 0), "{flow}");
    same!(ct.get_zeroing(&another)?, None);
    same!(ct.get_zeroing_as::<Marked>(&another)?, None);
    let after = ct.get(&key)?.ok_or("gone")?;
    same!((after.counters_orig, after.counters_reply), (flow.counters_orig, flow.counters_reply));
    same!(ct.get_zeroing(&key)?.and_then(|flow| flow.counters_orig), flow.counters_orig);
    same!(ct.get(&key)?.and_then(|flow| flow.counters_orig), Some(Counters::default()));
    Ok(())
}

fn update_leaves_another_flow(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let [key, another] = flow_and_another(&ct)?;
    let error = ct.update(&another, &Changes::new().mark(8)).err().ok_or("updated")?;
    holds!(error.is_not_found() && error.to_string().starts_with("updating a flow: ENOENT"), "{error}");
    same!(ct.get(&key)?.and_then(|flow| flow.mark), Some(7));
    ct.update(&key, &Changes::new().mark(8))?;
    same!(ct.get(&key)?.and_then(|flow| flow.mark), Some(8));
    // What makes no sense is told first.
    let senseless = ProtoInfoTcp { wscale_original: Some(1), ..ProtoInfoTcp::default() };
    let result = ct.update(&another, &Changes::new().proto_info(ProtoInfo::Tcp(senseless)));
    holds!(matches!(result, Err(Error::Usage(UsageError::WindowScale))), "{result:?}");
    Ok(())
}

/// A key with an id is as some kernel reported it, perhaps with identifiers that are not known here.
fn a_key_that_get_accepts_can_be_updated(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let (client, server) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let ports = Some(L4::Ports { src: 1, dst: 2 });
    for tuple in [
        Tuple::new(client, server, Protocol::ICMP, Some(L4::Icmp { id: 1, kind: 42, code: 0 })),
        Tuple::new(client, server, Protocol::TCP, None),
        Tuple::new(client, server, Protocol::ESP, ports),
    ] {
        let key = FlowKey::new(tuple).with_id(FlowId([1, 2, 3, 4]));
        let change = Changes::new().mark(8);
        let refused = |error: &Error| !matches!(error, Error::Usage(_));
        holds!(ct.get(&key).as_ref().err().is_none_or(refused), "{tuple}");
        let error = ct.update(&key, &change).err().ok_or("updated")?;
        holds!(refused(&error), "{tuple}: {error}");
        let error = ct.expectations_of(&key).err().ok_or("there is such a master")?;
        holds!(refused(&error), "{tuple}: {error}");
        // Without an id it is somebody's mistake.
        let error = ct.update(&key.without_id(), &change).err().ok_or("updated")?;
        holds!(!refused(&error), "{tuple}: {error}");
    }
    // A tuple that such a kernel reports, of a flow that is there: this one knows what it ignores.
    let esp = Tuple::generic(Protocol::ESP, client, server);
    ct.create(&NewFlow::new(esp).mark(7).timeout(LONG))?;
    let id = ct.get(&esp.into())?.ok_or("not there")?.id;
    let key = FlowKey::new(Tuple::new(client, server, Protocol::ESP, ports)).with_id(id);
    same!(ct.get(&key)?.and_then(|flow| flow.mark), Some(7));
    ct.update(&key, &Changes::new().mark(8))?;
    same!(ct.get(&key)?.and_then(|flow| flow.mark), Some(8));
    Ok(())
}

fn a_batch_refuses_an_update_by_id(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let [key, another] = flow_and_another(&ct)?;
    ct.create(&udp(2))?;
    let update = |key| Command::Update(FlowUpdate { key, changes: Changes::new().mark(8) });
    let results: Vec<_> = ct.batch([update(another), update(key), update(udp(2).orig.into())]).collect();
    let refused =
        |result: &Result<conntrack::Outcome, Error>| matches!(result, Err(Error::Usage(UsageError::UpdateById)));
    holds!(refused(&results[0]) && refused(&results[1]) && results[2].is_ok(), "{results:?}");
    same!(ct.get(&key)?.and_then(|flow| flow.mark), Some(7));
    same!(ct.get(&udp(2).orig.into())?.and_then(|flow| flow.mark), Some(8));
    same!(ct.batch([update(key.without_id())]).run()?.into_result()?, 1);
    same!(ct.get(&key)?.and_then(|flow| flow.mark), Some(8));
    Ok(())
}

/// As when the client of a deleted flow sends again.
fn a_flow_that_came_later_is_another_one(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let at_tuple = FlowKey::new(udp(1).orig);
    let mut others = 0;
    for round in 0..200_u16 {
        ct.create(&udp(1).mark(7))?;
        let old = ct.get(&at_tuple)?.ok_or("not there")?.key();
        holds!(ct.delete(&old)?);
        same!(ct.get(&old)?, None);
        // One that takes the old one's memory, from which an id is made.
        ct.create(&udp(100 + round))?;
        ct.create(&udp(1).mark(9))?;
        let new = ct.get(&at_tuple)?.ok_or("not there")?.key();
        if new.id != old.id {
            others += 1;
            same!(ct.get(&old)?, None);
            same!(ct.get_as::<Marked>(&old)?, None);
            same!(ct.get_zeroing(&old)?, None);
            same!(errno(ct.update(&old, &Changes::new().mark(1))), Some(Errno::NOENT));
            holds!(!ct.delete(&old)?);
            same!(ct.get_as(&new)?, Some(Marked { mark: Some(9) }));
        }
        holds!(ct.delete(&new)?);
    }
    holds!(others > 0, "each of 200 flows had the id of the one before");
    Ok(())
}
