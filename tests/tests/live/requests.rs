//! Requests that other programs send, such as conntrack(8): the kernel does with them what it does with what they
//! decode to.

use conntrack::codec::{decode, encode};
use conntrack::netlink::{Channel, NLM_F_CREATE, NLM_F_EXCL, Request};
use conntrack::sandbox::Sandbox;
use conntrack::uapi::{IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK};
use conntrack::{
    Changes, Conntrack, Decode, Encode, Error, Family, FlowKey, FlowUpdate, KeyTuple, Labels, NewFlow, Seconds, Status,
    Tuple,
};

use crate::common::udp;
use crate::{Outcome, cases, holds, same};

cases! {
    a_delete_by_both_tuples,
    an_update_of_labels_of_any_length,
    a_translation_with_an_empty_nest_of_ports,
}

fn send(request: &(impl Encode + Decode), number: u8, flags: u16) -> Result<(), Error> {
    let request = Request::new("trying", NFNL_SUBSYS_CTNETLINK, number, request).family(Family::IPV4).flags(flags);
    Channel::open()?.request(&request, |_| Ok(()))
}

#[derive(Clone, Debug, Encode, Decode)]
struct BothTuples {
    #[nla(CTA_TUPLE_ORIG)]
    orig: Tuple,
    #[nla(CTA_TUPLE_REPLY)]
    reply: Tuple,
}

fn a_delete_by_both_tuples(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let left = || -> Result<Vec<_>, Error> { ct.dump()?.map(|flow| Ok(flow?.orig.src_port())).collect() };
    let both = BothTuples { orig: udp(1).orig, reply: udp(2).reply };
    for port in [1, 2] {
        ct.create(&udp(port))?;
    }
    send(&both, IPCTNL_MSG_CT_DELETE, 0)?;
    same!(left()?, vec![Some(2)], "the kernel deletes by the original tuple");

    ct.create(&udp(1))?;
    let key: FlowKey = decode(&encode(&both)?)?;
    same!(key.tuple, KeyTuple::Orig(both.orig));
    ct.delete(&key)?;
    same!(left()?, vec![Some(2)], "and so does the key");
    Ok(())
}

#[derive(Clone, Debug, Encode, Decode)]
struct AnyLabels {
    #[nla(CTA_TUPLE_ORIG)]
    orig: Tuple,
    #[nla(CTA_LABELS)]
    labels: Vec<u8>,
    #[nla(CTA_LABELS_MASK)]
    mask: Option<Vec<u8>>,
}

fn an_update_of_labels_of_any_length(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    for port in [1, 2] {
        ct.create(&udp(port))?;
    }
    let labels = |port| Ok::<_, Error>(ct.get(&udp(port).orig.into())?.and_then(|flow| flow.labels));
    let before: Labels = [1, 2, 33, 40, 70, 127].into_iter().collect();
    let mut kinds = std::collections::BTreeSet::new();
    for length in (0..=16).step_by(4) {
        // An empty mask is EINVAL.
        let masks = [0x06, 0xff, 0].into_iter().map(|byte| vec![byte; length]).filter(|mask| !mask.is_empty());
        for mask in std::iter::once(None).chain(masks.map(Some)) {
            for port in [1, 2] {
                ct.update(&udp(port).orig.into(), &Changes::new().labels(before))?;
            }
            let request = AnyLabels { orig: udp(1).orig, labels: vec![0x04; length], mask };
            send(&request, IPCTNL_MSG_CT_NEW, 0)?;
            let FlowUpdate { changes, .. } = decode(&encode(&request)?)?;
            ct.update(&udp(2).orig.into(), &changes)?;
            same!(labels(2)?, labels(1)?, "{request:?}, decoded as {changes:?}");
            kinds.insert(format!("{:?}", labels(1)?));
        }
    }
    holds!(kinds.len() > 8, "{kinds:?}");
    Ok(())
}

#[derive(Clone, Debug, Encode, Decode)]
struct Translated {
    #[nla(CTA_TUPLE_ORIG)]
    orig: Tuple,
    #[nla(CTA_TUPLE_REPLY)]
    reply: Tuple,
    #[nla(CTA_STATUS)]
    status: Status,
    #[nla(CTA_TIMEOUT)]
    timeout: Seconds,
    #[nla(CTA_NAT_SRC)]
    nat: NoPorts,
}

/// What conntrack(8) sends for `--src-nat 192.0.2.1`.
#[derive(Clone, Debug, Encode, Decode)]
struct NoPorts {
    #[nla(CTA_NAT_V4_MINIP)]
    min: std::net::Ipv4Addr,
    #[nla(CTA_NAT_PROTO)]
    ports: Empty,
}

#[derive(Clone, Debug, Encode, Decode)]
struct Empty {}

fn a_translation_with_an_empty_nest_of_ports(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let NewFlow { orig, reply, timeout, .. } = udp(1);
    let nat = NoPorts { min: [192, 0, 2, 1].into(), ports: Empty {} };
    let request = Translated { orig, reply, status: Status::CONFIRMED, timeout, nat };
    send(&request, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL)?;
    let theirs = ct.get(&orig.into())?.ok_or("not created")?;
    same!(theirs.translated_source().map(|end| end.to_string()), Some("192.0.2.1:1".to_owned()));

    let new: NewFlow = decode(&encode(&request)?)?;
    same!(new.nat_src.map(|nat| nat.to_string()), Some("192.0.2.1".to_owned()));
    ct.delete(&orig.into())?;
    ct.create(&new)?;
    let ours = ct.get(&orig.into())?.ok_or("not created")?;
    same!((ours.reply, ours.status), (theirs.reply, theirs.status));
    Ok(())
}
