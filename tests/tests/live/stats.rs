//! Statistics, counters that are zeroed, and the lists beside the table.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv6Addr;

use conntrack::codec::{DecodePayload, Mode, Wire, missing};
use conntrack::netlink::Message;
use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{
    Changes, Command, Conntrack, Counters, Decode, DecodeError, Error, Family, Filter, Flow, FlowId, FlowKey, NewFlow,
};

use crate::common::{LONG, udp};
use crate::{Outcome, cases, holds, same};

cases! {
    tells_each_processor,
    tells_how_full_the_table_is,
    zeroes_one_flow,
    zeroes_all_flows_and_loses_nothing,
    zeroes_only_what_a_filter_selects,
    stops_zeroing,
    yields_what_was_zeroed_before_an_error,
    keeps_the_counts_of_what_cannot_be_decoded,
    zeroes_through_a_small_buffer,
    zeroes_through_a_small_send_buffer,
    dumps_no_dying_and_no_unconfirmed_flows,
}

fn tells_each_processor(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    // Which processor does the work is not ours to say: the sum is.
    let inserted =
        || -> Result<u32, conntrack::Error> { Ok(ct.stats_per_cpu()?.iter().filter_map(|cpu| cpu.stats.insert).sum()) };
    same!(inserted()?, 0, "a new namespace");
    for port in 1..=10 {
        ct.create(&udp(port))?;
    }
    same!(inserted()?, 10);
    let stats = ct.stats_per_cpu()?;
    let numbers: Vec<u16> = stats.iter().map(|cpu| cpu.cpu).collect();
    let possible = fs::read_to_string("/sys/devices/system/cpu/possible")?;
    let last: u16 = possible.trim().rsplit(['-', ',']).next().unwrap_or_default().parse()?;
    same!(numbers.first(), Some(&0));
    same!(numbers.last(), Some(&last), "possible: {possible}");
    same!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
    holds!(stats.iter().all(|cpu| cpu.stats.found.is_some() && cpu.stats.invalid.is_some()), "{stats:?}");
    Ok(())
}

fn tells_how_full_the_table_is(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    same!(ct.stats()?.entries, 0);
    ct.create(&udp(1))?;
    ct.create(&udp(2))?;
    let stats = ct.stats()?;
    same!(stats.entries, 2);
    let most: u32 = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max")?.trim().parse()?;
    same!(stats.max_entries, Some(most));
    ct.flush_all()?;
    same!(ct.stats()?.entries, 0);
    Ok(())
}

/// The counters of both directions.
fn counted(flow: &Flow) -> Option<(Counters, Counters)> {
    flow.counters_orig.zip(flow.counters_reply)
}

const ZERO: Counters = Counters { packets: 0, bytes: 0 };

fn zeroes_one_flow(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let exchange = sandbox.udp_exchange(Family::IPV4)?;
    let key = exchange.tuple.into();
    let before = ct.get(&key)?.as_ref().and_then(counted).ok_or("not counted")?;
    // "there" and "and back", with 28 bytes of headers.
    same!(before, (Counters { packets: 1, bytes: 33 }, Counters { packets: 1, bytes: 36 }));
    same!(ct.get_zeroing(&key)?.as_ref().and_then(counted), Some(before), "what was counted until now");
    same!(ct.get_zeroing(&key)?.as_ref().and_then(counted), Some((ZERO, ZERO)), "zero afterwards");
    same!(ct.get(&key)?.as_ref().and_then(counted), Some((ZERO, ZERO)));
    exchange.client.send(b"again")?;
    exchange.server.recv(&mut [0; 16])?;
    same!(ct.get_zeroing(&key)?.as_ref().and_then(counted), Some((Counters { packets: 1, bytes: 33 }, ZERO)));
    same!(ct.get_zeroing(&udp(9).orig.into())?, None, "no such flow");
    Ok(())
}

fn zeroes_all_flows_and_loses_nothing(sandbox: &Sandbox) -> Outcome {
    /// More than go into one send, and more than into one datagram of a dump.
    const EXCHANGES: usize = 200;
    const ROUNDS: usize = 5;
    let ct = Conntrack::open()?;
    let exchanges = (0..EXCHANGES).map(|_| sandbox.udp_exchange(Family::IPV4)).collect::<Result<Vec<_>, _>>()?;
    let mut zeroed = ZERO;
    let mut add = |flow: &Flow| {
        let (orig, reply) = counted(flow).ok_or("not counted")?;
        zeroed.packets += orig.packets + reply.packets;
        zeroed.bytes += orig.bytes + reply.bytes;
        Ok::<_, &str>(())
    };
    for _ in 0..ROUNDS {
        // Traffic goes on between the flows that a round reads.
        let mut reading = ct.dump_zeroing()?;
        for exchange in &exchanges {
            add(&reading.next().ok_or("too few flows")??)?;
            exchange.client.send(b"more")?;
            exchange.server.recv(&mut [0; 16])?;
        }
        for flow in reading {
            add(&flow?)?;
        }
    }
    for flow in ct.dump_zeroing()? {
        add(&flow?)?;
    }
    // "there", "and back" and "more", each with 28 bytes of headers.
    let (greeted, sent) = (EXCHANGES as u64, (EXCHANGES * ROUNDS) as u64);
    same!(zeroed, Counters { packets: 2 * greeted + sent, bytes: (33 + 36) * greeted + 32 * sent });
    for flow in ct.dump()? {
        same!(counted(&flow?), Some((ZERO, ZERO)));
    }
    Ok(())
}

fn zeroes_only_what_a_filter_selects(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let (v4, v6) = (sandbox.udp_exchange(Family::IPV4)?, sandbox.udp_exchange(Family::IPV6)?);
    let mut reading = ct.dump_zeroing_filtered(&Filter::new().ipv6())?;
    let found = reading.next().ok_or("nothing")??;
    same!(found.orig, v6.tuple);
    holds!(counted(&found).is_some_and(|(orig, _)| orig.packets == 1), "{found:?}");
    holds!(reading.next().is_none());
    same!(ct.get(&v6.tuple.into())?.as_ref().and_then(counted), Some((ZERO, ZERO)));
    holds!(ct.get(&v4.tuple.into())?.as_ref().and_then(counted).is_some_and(|(orig, _)| orig.packets == 1));
    Ok(())
}

#[derive(Debug, Decode)]
struct Traffic {
    #[nla(CTA_ID)]
    id: FlowId,
    #[nla(CTA_COUNTERS_ORIG)]
    orig: Option<Counters>,
}

fn stops_zeroing(sandbox: &Sandbox) -> Outcome {
    const EXCHANGES: usize = 200;
    let ct = Conntrack::open()?;
    let exchanges = (0..EXCHANGES).map(|_| sandbox.udp_exchange(Family::IPV4)).collect::<Result<Vec<_>, _>>()?;
    let mut reading = ct.dump_zeroing_filtered_as::<Traffic>(&Filter::all())?;
    let first = reading.next().ok_or("nothing")??;
    same!(first.orig.map(|counters| counters.packets), Some(1));
    reading.stop();
    let mut zeroed = BTreeSet::from([first.id]);
    for flow in reading {
        zeroed.insert(flow?.id);
    }
    holds!((1..EXCHANGES).contains(&zeroed.len()), "{} are not all", zeroed.len());
    // Exactly those that came out are zero.
    for flow in ct.dump()? {
        let flow = flow?;
        let packets = flow.counters_orig.map(|counters| counters.packets);
        same!(packets, Some(u64::from(!zeroed.contains(&flow.id))), "{flow}");
    }
    drop(exchanges);
    Ok(())
}

/// A mark other than 13.
#[derive(Debug)]
struct Lucky;

impl DecodePayload for Lucky {
    const WIRE: Wire = u32::WIRE;

    fn vacant() -> Self {
        Self
    }

    fn decode_payload(payload: &[u8], mode: Mode) -> Result<Self, DecodeError> {
        if u32::decode_payload(payload, mode)? == 13 { Err(missing("luck")) } else { Ok(Self) }
    }
}

#[derive(Debug, Decode)]
struct LuckyTraffic {
    #[nla(CTA_ID)]
    id: FlowId,
    #[nla(CTA_MARK)]
    _mark: Lucky,
}

/// A program that stops at an error has everything that was zeroed until then; what cannot be decoded is in the error.
fn yields_what_was_zeroed_before_an_error(sandbox: &Sandbox) -> Outcome {
    const EXCHANGES: usize = 200;
    let ct = Conntrack::open()?;
    let exchanges = (0..EXCHANGES).map(|_| sandbox.udp_exchange(Family::IPV4)).collect::<Result<Vec<_>, _>>()?;
    for unlucky in exchanges.iter().step_by(20) {
        ct.update(&unlucky.tuple.into(), &Changes::new().mark(13))?;
    }
    let mut zeroed = BTreeSet::new();
    let mut ended = None;
    for flow in ct.dump_zeroing_filtered_as::<LuckyTraffic>(&Filter::all())? {
        match flow {
            Ok(flow) => zeroed.insert(flow.id),
            Err(error) => {
                ended = Some(error);
                break;
            }
        };
    }
    holds!(matches!(ended, Some(Error::Undecodable(_))), "{ended:?}");
    holds!(zeroed.len() < EXCHANGES);
    for flow in ct.dump()? {
        let flow = flow?;
        let is_counted = flow.counters_orig.is_some_and(|counters| counters.packets == 1);
        holds!(is_counted != zeroed.contains(&flow.id) || flow.mark == Some(13), "{flow}");
    }
    Ok(())
}

/// The flow in an error that says it could not be decoded into another struct.
fn undecoded(error: Error) -> Result<Flow, Failure> {
    let Error::Undecodable(undecodable) = error else { return Err(error.into()) };
    holds!(matches!(undecodable.reason, Error::Decode(_)), "{undecodable:?}");
    let (message, rest) = Message::split(&undecodable.bytes)?;
    same!(rest, [0; 0]);
    Ok(message.decode()?)
}

fn keeps_the_counts_of_what_cannot_be_decoded(sandbox: &Sandbox) -> Outcome {
    const EXCHANGES: usize = 100;
    let ct = Conntrack::open()?;
    let exchanges = (0..EXCHANGES).map(|_| sandbox.udp_exchange(Family::IPV4)).collect::<Result<Vec<_>, _>>()?;
    let unlucky: Vec<_> = exchanges.iter().step_by(20).map(|exchange| FlowKey::from(exchange.tuple)).collect();
    for key in &unlucky {
        ct.update(key, &Changes::new().mark(13))?;
    }
    let mut decoded = 0;
    let mut found = BTreeSet::new();
    for flow in ct.dump_zeroing_filtered_as::<LuckyTraffic>(&Filter::all())? {
        let Err(error) = flow else {
            decoded += 1;
            continue;
        };
        let flow = undecoded(error)?;
        same!((flow.mark, counted(&flow).map(|(orig, _)| orig.packets)), (Some(13), Some(1)));
        found.insert(flow.id);
    }
    same!((decoded, found.len()), (EXCHANGES - unlucky.len(), unlucky.len()));

    // So with one flow, whose counters are zero now.
    exchanges[0].client.send(b"again")?;
    exchanges[0].server.recv(&mut [0; 16])?;
    let error = ct.get_zeroing_as::<LuckyTraffic>(&unlucky[0]).err().ok_or("decoded")?;
    let expected = Counters { packets: 1, bytes: 33 };
    same!(counted(&undecoded(error)?), Some((expected, ZERO)));
    same!(ct.get(&unlucky[0])?.as_ref().and_then(counted), Some((ZERO, ZERO)));
    // Nothing is lost where nothing was zeroed.
    holds!(matches!(ct.get_as::<LuckyTraffic>(&unlucky[0]), Err(Error::Decode(_))));
    Ok(())
}

fn zeroes_through_a_small_buffer(_: &Sandbox) -> Outcome {
    const FLOWS: u16 = 500;
    let ct = Conntrack::builder().receive_buffer(4096).open()?;
    ct.batch((1..=FLOWS).map(|port| Command::Create(udp(port)))).run()?.into_result()?;
    let flows: Vec<Flow> = ct.dump_zeroing()?.collect::<Result<_, _>>()?;
    let ports: BTreeSet<_> = flows.iter().filter_map(|flow| flow.orig.src_port()).collect();
    same!(ports, (1..=FLOWS).collect());
    same!(flows.len(), usize::from(FLOWS));
    Ok(())
}

fn zeroes_through_a_small_send_buffer(_: &Sandbox) -> Outcome {
    const FLOWS: u16 = 200;
    let ct = Conntrack::builder().send_buffer(1).open()?;
    holds!(ct.send_buffer()? < 5000);
    // The longest requests.
    let ends = |port| NewFlow::udp((Ipv6Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, 53).into()).zone(7);
    let flows = (1..=FLOWS).map(|port| Command::Create(ends(port).timeout(LONG)));
    ct.batch(flows).run()?.into_result()?;
    let flows: Vec<Flow> = ct.dump_zeroing()?.collect::<Result<_, _>>()?;
    same!(flows.len(), usize::from(FLOWS));
    Ok(())
}

fn dumps_no_dying_and_no_unconfirmed_flows(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&udp(1))?;
    same!(ct.dump_dying()?.count(), 0, "nobody has missed an event");
    same!(ct.dump_unconfirmed()?.count(), 0, "there is no such list since Linux 5.19");
    ct.flush_all()?;
    same!(ct.dump_dying()?.count(), 0);
    Ok(())
}
