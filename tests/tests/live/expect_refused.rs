//! Expectations that are refused: by the kernel, or before anything is sent.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conntrack::sandbox::Sandbox;
use conntrack::{
    Changes, Conntrack, Errno, Error, ExpectFlags, ExpectUpdate, FlowDirection, NewExpect, NewFlow, Protocol, Seconds,
    Tuple, UsageError,
};

use crate::common::errno;
use crate::expect::{ends, ftp, helper, only, sip, tcp, udp};
use crate::{Outcome, cases, holds, same};

cases! {
    creation_errors,
    overlapping_expectations,
    lookup_errors,
    too_many_of_the_namespace,
    refuses_before_sending,
}

fn creation_errors(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let plain = NewFlow::tcp(ends(1).0, ends(1).1);
    let removed = ftp(2);
    for flow in [&ftp(40000), &plain, &removed] {
        ct.create(flow)?;
    }
    ct.update(&removed.orig.into(), &Changes::new().remove_helper())?;
    let new = NewExpect::from_any_port(tcp(5000), ftp(40000).orig);
    let create = |new: &NewExpect| errno(ct.create_expectation(new));
    let of = |master: Tuple| NewExpect::from_any_port(tcp(5000), master);

    same!(create(&of(ftp(9).orig)), Some(Errno::NOENT), "no such master");
    same!(create(&new.clone().zone(5)), Some(Errno::NOENT), "the master is in another zone");
    same!(create(&of(plain.orig)), Some(Errno::OPNOTSUPP), "a master that never had a helper");
    same!(create(&of(removed.orig)), Some(Errno::OPNOTSUPP), "a master whose helper was removed");
    same!(create(&new.clone().class(helper("ftp"), 1)), Some(Errno::INVAL), "ftp has one class");
    same!(create(&new.clone().function("no-such-function".parse()?)), Some(Errno::INVAL), "no such function");
    same!(
        create(&new.clone().nat(FlowDirection(2), ([1, 2, 3, 4], 5).into())),
        Some(Errno::RANGE),
        "no such direction"
    );
    same!(ct.expectations()?.count(), 0);

    let unknown = new.clone().flags(ExpectFlags::from_bits_retain(0x10));
    let error = ct.create_expectation(&unknown).err().ok_or("unknown flags")?;
    let Error::Kernel(error) = &error else { return Err(format!("not a refusal: {error}").into()) };
    same!((error.operation, error.errno), ("creating an expectation", Errno::INVAL));
    same!(error.attribute.as_deref(), Some("CTA_EXPECT_FLAGS"), "{error}");
    holds!(error.message.is_some(), "{error}");

    ct.create_expectation(&new)?;
    let error = ct.create_expectation(&new).err().ok_or("created twice")?;
    holds!(error.is_exists(), "{error}");
    same!(ct.expectations()?.count(), 1);
    Ok(())
}

fn overlapping_expectations(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&sip(5060))?;
    let master = sip(5060).orig;
    let anyone = Tuple::udp((Ipv4Addr::UNSPECIFIED, 0).into(), ([10, 0, 0, 1], 1).into());
    let wide = NewExpect::from_anyone(anyone, master).class(helper("sip"), 1);
    let narrow = NewExpect::from_any_port(udp(1), master).class(helper("sip"), 1);
    ct.create_expectation(&narrow)?;
    same!(errno(ct.create_expectation(&wide)), Some(Errno::BUSY), "it would overlap the narrow one");
    ct.flush_expectations()?;
    ct.create_expectation(&wide)?;
    same!(errno(ct.create_expectation(&narrow)), Some(Errno::EXIST), "the wide one covers it");
    same!(only(&ct)?.mask.src(), IpAddr::from(Ipv4Addr::UNSPECIFIED));
    Ok(())
}

fn lookup_errors(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&sip(5060))?;
    same!(ct.get_expectation(&udp(1).into())?, None);
    holds!(!ct.delete_expectation(&udp(1).into())?);
    let update = ExpectUpdate::new(NewExpect::exactly(udp(1), sip(5060).orig).tuples, Seconds(5));
    same!(errno(ct.update_expectation_timeout(&update)), Some(Errno::NOENT));
    let nobody = ExpectUpdate::new(NewExpect::exactly(udp(1), sip(9).orig).tuples, Seconds(5));
    same!(errno(ct.update_expectation_timeout(&nobody)), Some(Errno::NOENT));
    Ok(())
}

fn too_many_of_the_namespace(_: &Sandbox) -> Outcome {
    /// As many as helper `RAS` allows a flow.
    const EACH: u16 = 32;
    let most = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_expect_max")?;
    let most: usize = most.trim().parse()?;
    let ct = Conntrack::open()?;
    let mut masters = 1..;
    let mut created = 0;
    let refused = loop {
        let port = masters.next().ok_or("out of ports")?;
        let master = NewFlow::udp(([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 1719).into()).help(helper("RAS"));
        ct.create(&master)?;
        let client = [10, 1, port.to_be_bytes()[0], port.to_be_bytes()[1]];
        let result = (1..=EACH).try_for_each(|port| {
            let tuple = Tuple::udp(([10, 0, 0, 2], 0).into(), (client, port).into());
            ct.create_expectation(&NewExpect::from_any_port(tuple, master.orig))?;
            created += 1;
            Ok(())
        });
        if let Err(error) = result {
            break error;
        }
        holds!(created <= most, "{created} expectations, and the most are {most}");
    };
    let refused: Error = refused;
    same!((refused.errno(), created), (Some(Errno::MFILE), most));
    same!(ct.expectations()?.count(), most);
    Ok(())
}

fn refuses_before_sending(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&ftp(40000))?;
    let master = ftp(40000).orig;
    let usage = |result: Result<(), Error>| match result {
        Err(Error::Usage(error)) => Some(error),
        _ => None,
    };
    let new = NewExpect::from_any_port(tcp(5000), master);
    let with = |change: fn(&mut NewExpect)| {
        let mut new = new.clone();
        change(&mut new);
        usage(ct.create_expectation(&new))
    };
    same!(with(|new| new.tuples.tuple.zone = Some(1)), Some(UsageError::TupleZone("the expected tuple")));
    same!(with(|new| new.tuples.master.zone = Some(1)), Some(UsageError::TupleZone("the master")));
    same!(
        with(|new| new.tuples.mask.proto.num = Protocol::UDP),
        Some(UsageError::MaskProtocol { tuple: Protocol::TCP, mask: Protocol::UDP })
    );
    same!(with(|new| new.tuples.mask.ip.src = Ipv6Addr::LOCALHOST.into()), Some(UsageError::MixedFamilies("the mask")));
    same!(with(|new| new.tuples.tuple.proto.l4 = None), Some(UsageError::WrongL4("the expected tuple")));
    // Some kernels would make it class 0.
    same!(with(|new| new.class = Some(1)), Some(UsageError::ClassWithoutHelper(1)));
    let nat6 = new.clone().nat(FlowDirection::REPLY, (Ipv6Addr::LOCALHOST, 1).into());
    same!(usage(ct.create_expectation(&nat6)), Some(UsageError::MixedFamilies("the translation")));
    let long = ExpectUpdate::new(new.tuples, Seconds(4_294_968));
    same!(usage(ct.update_expectation_timeout(&long)), Some(UsageError::TimeoutTooLong(Seconds(4_294_968))));
    same!(
        usage(ct.delete_expectation(&tcp(1).in_zone(1).into()).map(drop)),
        Some(UsageError::TupleZone("the expected tuple"))
    );
    same!(ct.expectations()?.count(), 0);
    Ok(())
}
