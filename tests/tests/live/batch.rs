//! Many commands in few sends.

use std::ops::RangeInclusive;

use conntrack::sandbox::Sandbox;
use conntrack::{Changes, Command, Conntrack, Errno, Error, FlowUpdate, Nat};

use crate::common::udp;
use crate::{Outcome, cases, holds, same};

cases! {
    executes_all_in_order,
    reports_each_failure_in_its_place,
    survives_that_all_fail,
    leaves_the_rest_when_dropped,
    needs_the_connection_for_its_commands,
    fits_a_tiny_receive_buffer,
    fits_a_tiny_send_buffer,
}

fn errnos(results: impl Iterator<Item = Result<(), Error>>) -> Vec<Option<Errno>> {
    results.map(|result| result.err().map(|error| error.errno().unwrap_or(Errno(0)))).collect()
}

fn executes_all_in_order(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let update =
        |port, mark| Command::Update(FlowUpdate { key: udp(port).orig.into(), changes: Changes::new().mark(mark) });
    let commands = (0..1000).flat_map(|port| {
        let key = udp(port).orig.into();
        let last = if port % 2 == 0 { Command::Delete(key) } else { update(port, 5) };
        [Command::Create(udp(port).mark(3)), Command::Upsert(udp(port).mark(4)), last]
    });
    let commands: Vec<_> = commands.collect();
    same!(ct.batch(&commands).run()?, 3000);
    let marks = ct.dump()?.map(|flow| flow.map(|flow| flow.mark)).collect::<Result<Vec<_>, _>>()?;
    same!(marks, vec![Some(5); 500]);
    Ok(())
}

fn reports_each_failure_in_its_place(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&udp(1))?;
    let nonsense = udp(9).nat_dst(Nat::default().ports(RangeInclusive::new(9, 1)));
    let results: Vec<_> = ct
        .batch([
            Command::Create(udp(0)),
            Command::Create(udp(1)),
            Command::Create(nonsense),
            Command::Delete(udp(2).orig.into()),
            Command::Create(udp(3)),
            Command::Create(udp(3)),
        ])
        .collect();
    holds!(matches!(results.get(2), Some(Err(Error::Usage(_)))));
    same!(
        errnos(results.into_iter()),
        vec![None, Some(Errno::EXIST), Some(Errno(0)), Some(Errno::NOENT), None, Some(Errno::EXIST)]
    );
    same!(ct.dump()?.count(), 3);
    Ok(())
}

fn survives_that_all_fail(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let results = errnos(ct.batch((0..2000).map(|port| Command::Delete(udp(port).orig.into()))));
    same!(results, vec![Some(Errno::NOENT); 2000]);
    ct.create(&udp(1))?;
    Ok(())
}

fn leaves_the_rest_when_dropped(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut batch = ct.batch((0..60_000).map(|port| Command::Create(udp(port))));
    holds!(batch.next().is_some_and(|result| result.is_ok()));
    drop(batch);
    let created = ct.dump()?.count();
    holds!((1..1000).contains(&created), "{created} flows were created");
    Ok(())
}

fn needs_the_connection_for_its_commands(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.batch((0..500).map(|port| Command::Create(udp(port)))).run()?;
    let present = (0..1000).filter(|port| ct.get(&udp(*port).orig.into()).is_ok_and(|flow| flow.is_some()));
    same!(ct.batch(present.map(|port| Command::Delete(udp(port).orig.into()))).run()?, 500);
    same!(ct.dump()?.count(), 0);
    Ok(())
}

fn fits_a_tiny_receive_buffer(_: &Sandbox) -> Outcome {
    let ct = Conntrack::builder().receive_buffer(1).open()?;
    holds!(ct.receive_buffer()? < 10_000);
    let results = errnos(ct.batch((0..300).map(|port| Command::Delete(udp(port).orig.into()))));
    same!(results, vec![Some(Errno::NOENT); 300]);
    Ok(())
}

fn fits_a_tiny_send_buffer(_: &Sandbox) -> Outcome {
    let ct = Conntrack::builder().send_buffer(1).open()?;
    holds!(ct.send_buffer()? < 10_000);
    same!(ct.batch((0..300).map(|port| Command::Create(udp(port)))).run()?, 300);
    same!(ct.dump()?.count(), 300);
    Ok(())
}
