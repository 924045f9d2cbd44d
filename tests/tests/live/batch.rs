//! Many commands in few sends.

use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use conntrack::sandbox::Sandbox;
use conntrack::{Changes, Command, Conntrack, Errno, Error, FlowUpdate, Nat, NewFlow, Outcome as Executed, codec};
use conntrack_tests::generate::bytes;

use crate::common::{errno, udp};
use crate::{Outcome, cases, holds, same};

cases! {
    executes_all_in_order,
    reports_each_failure_in_its_place,
    survives_that_all_fail,
    runs_past_what_has_gone,
    leaves_the_rest_when_dropped,
    needs_the_connection_for_its_commands,
    fits_a_tiny_receive_buffer,
    fits_a_tiny_send_buffer,
    goes_on_past_a_command_that_is_too_long_to_be_sent,
    goes_on_after_a_panic_of_its_commands,
}

/// The kernel's reasons for refusals; 0 for errors that are not the kernel's.
fn errnos(results: impl Iterator<Item = Result<Executed, Error>>) -> Vec<Result<Executed, Errno>> {
    results.map(|result| result.map_err(|error| error.errno().unwrap_or(Errno(0)))).collect()
}

const DONE: Result<Executed, Errno> = Ok(Executed::Done);
const NOT_FOUND: Result<Executed, Errno> = Ok(Executed::NotFound);

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
    same!(ct.batch(&commands).run()?.into_result()?, 3000);
    let marks = ct.dump()?.map(|flow| flow.map(|flow| flow.mark)).collect::<Result<Vec<_>, _>>()?;
    same!(marks, vec![Some(5); 500]);
    Ok(())
}

fn reports_each_failure_in_its_place(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&udp(1))?;
    let nonsense = udp(9).nat_dst(Nat::default().ports(RangeInclusive::new(9, 1)));
    let absent = FlowUpdate { key: udp(2).orig.into(), changes: Changes::new().mark(1) };
    let commands = [
        Command::Create(udp(0)),
        Command::Create(udp(1)),
        Command::Create(nonsense),
        Command::Delete(udp(2).orig.into()),
        Command::Update(absent),
        Command::Create(udp(3)),
        Command::Create(udp(3)),
    ];
    let results: Vec<_> = ct.batch(&commands).collect();
    holds!(matches!(results.get(2), Some(Err(Error::Usage(_)))));
    let exists = Err(Errno::EXIST);
    same!(errnos(results.into_iter()), vec![DONE, exists, Err(Errno(0)), NOT_FOUND, Err(Errno::NOENT), DONE, exists]);
    same!(ct.dump()?.count(), 3);

    // The first and the sixth exist now.
    let report = ct.batch(&commands).run()?;
    same!((report.done, report.not_found, report.failed), (0, 1, 6));
    holds!(report.first_failure.as_ref().is_some_and(Error::is_exists), "{report:?}");
    holds!(report.into_result().is_err_and(|error| error.is_exists()));
    Ok(())
}

fn survives_that_all_fail(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let results = errnos(ct.batch((0..2000).map(|port| Command::Delete(udp(port).orig.into()))));
    same!(results, vec![NOT_FOUND; 2000]);
    ct.create(&udp(1))?;
    let results = errnos(ct.batch((0..2000).map(|_| Command::Create(udp(1)))));
    same!(results, vec![Err(Errno::EXIST); 2000]);
    Ok(())
}

/// A flow that expired is none to delete, which is no reason to leave the others.
fn runs_past_what_has_gone(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.batch((0..1000).map(|port| Command::Create(udp(port)))).run()?.into_result()?;
    same!(ct.delete(&udp(165).orig.into())?, true);
    let report = ct.batch((0..1000).map(|port| Command::Delete(udp(port).orig.into()))).run()?;
    same!((report.done, report.not_found, report.failed), (999, 1, 0));
    same!(report.into_result()?, 999);
    same!(ct.dump()?.count(), 0);
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
    ct.batch((0..500).map(|port| Command::Create(udp(port)))).run()?.into_result()?;
    let present = (0..1000).filter(|port| ct.get(&udp(*port).orig.into()).is_ok_and(|flow| flow.is_some()));
    same!(ct.batch(present.map(|port| Command::Delete(udp(port).orig.into()))).run()?.into_result()?, 500);
    same!(ct.dump()?.count(), 0);
    Ok(())
}

fn fits_a_tiny_receive_buffer(_: &Sandbox) -> Outcome {
    let ct = Conntrack::builder().receive_buffer(1).open()?;
    holds!(ct.receive_buffer()? < 10_000);
    let results = errnos(ct.batch((0..300).map(|port| Command::Delete(udp(port).orig.into()))));
    same!(results, vec![NOT_FOUND; 300]);
    Ok(())
}

fn fits_a_tiny_send_buffer(_: &Sandbox) -> Outcome {
    let ct = Conntrack::builder().send_buffer(1).open()?;
    holds!(ct.send_buffer()? < 10_000);
    same!(ct.batch((0..300).map(|port| Command::Create(udp(port)))).run()?.into_result()?, 300);
    same!(ct.dump()?.count(), 300);
    Ok(())
}

fn goes_on_past_a_command_that_is_too_long_to_be_sent(_: &Sandbox) -> Outcome {
    const CTA_HELP: u16 = 5;
    let ct = Conntrack::builder().send_buffer(1).open()?;
    // A name as a newer kernel may report it.
    let name = bytes(CTA_HELP, true, &bytes(1, false, &[vec![b'n'; ct.send_buffer()?], vec![0]].concat()));
    let long: NewFlow = codec::decode(&[codec::encode(&udp(0))?, name].concat())?;
    let alone = ct.create(&long);
    let long = || Command::Create(long.clone());
    let mut results = Vec::new();
    for commands in [
        vec![long()],
        vec![long(), Command::Create(udp(1)), Command::Create(udp(2))],
        vec![Command::Create(udp(3)), long(), long(), Command::Create(udp(4))],
        vec![Command::Delete(udp(1).orig.into()), long()],
    ] {
        results.extend(errnos(ct.batch(commands)));
    }
    let too_long = Err(errno(alone).ok_or("sent")?);
    let expected = [too_long, too_long, DONE, DONE, DONE, too_long, too_long, DONE, DONE, too_long];
    same!(results, expected);
    same!(ct.dump()?.count(), 3);
    Ok(())
}

/// What was taken before the panic is neither lost nor said to be done when it was not.
fn goes_on_after_a_panic_of_its_commands(_: &Sandbox) -> Outcome {
    const PANICS: [u16; 2] = [100, 700];
    let ct = Conntrack::open()?;
    let mut panics = PANICS.into_iter().peekable();
    let commands = (0..1000).map(move |port| {
        if panics.next_if_eq(&port).is_some() {
            std::panic::resume_unwind(Box::new("a command that cannot be made"));
        }
        Command::Create(udp(port))
    });
    let mut batch = ct.batch(commands);
    let (mut results, mut panicked) = (0, 0);
    loop {
        match catch_unwind(AssertUnwindSafe(|| batch.next())) {
            Err(_) => {
                panicked += 1;
                same!(ct.dump()?.count(), if panicked == 1 { 0 } else { results });
            }
            Ok(Some(result)) => {
                result?;
                results += 1;
            }
            Ok(None) => break,
        }
    }
    // The command that panicked is none.
    same!((panicked, results), (PANICS.len(), 1000 - PANICS.len()));
    same!(ct.dump()?.count(), results);
    Ok(())
}
