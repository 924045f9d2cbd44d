//! What the kernel refuses of flows: each row of its tables of errors, as a typed error. What the library's own types
//! cannot say is said with types of the test's own.

use std::time::Duration;

use conntrack::codec::RawAttribute;
use conntrack::netlink::{Channel, NLM_F_CREATE, NLM_F_EXCL, Request};
use conntrack::sandbox::Sandbox;
use conntrack::uapi::{CTA_TIMEOUT, IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK};
use conntrack::{
    Changes, Conntrack, Decode, Encode, Errno, Error, Family, FlowKey, Help, HelperName, Nat, NewFlow, Seconds, Status,
    Tuple,
};

use crate::common::{errno, udp};
use crate::{Outcome, cases, holds, same};

cases! {
    creating_what_exists,
    creating_without_what_is_required,
    creating_what_makes_no_sense,
    creating_what_the_kernel_does_not_know,
    creating_a_child_without_its_master,
    updating_what_cannot_change,
    updating_a_fixed_timeout,
    updating_a_helper,
    updates_up_to_the_refusal,
    deleting_and_getting_what_is_not_there,
}

fn help(name: &str) -> Result<Help, conntrack::codec::TooLong> {
    HelperName::new(name).map(Help::from)
}

/// A request for a flow with anything missing or wrong.
#[derive(Clone, Debug, Default, Encode, Decode)]
struct Raw {
    #[nla(CTA_TUPLE_ORIG)]
    orig: Option<Tuple>,
    #[nla(CTA_TUPLE_REPLY)]
    reply: Option<Tuple>,
    #[nla(CTA_TIMEOUT)]
    timeout: Option<Seconds>,
    #[nla(CTA_STATUS)]
    status: Option<Status>,
    #[nla(CTA_HELP)]
    help: Option<NoName>,
    #[nla(CTA_ZONE)]
    zone: Option<u16>,
    #[nla(CTA_LABELS)]
    labels: Option<Vec<u8>>,
    #[nla(rest)]
    rest: Vec<RawAttribute>,
}

/// A helper without the name that it must have.
#[derive(Clone, Debug, Default, Encode, Decode)]
struct NoName {
    #[nla(CTA_HELP_INFO)]
    info: Option<Vec<u8>>,
}

impl Raw {
    fn of(flow: &NewFlow) -> Self {
        Self { orig: Some(flow.orig), reply: Some(flow.reply), timeout: Some(flow.timeout), ..Self::default() }
    }

    fn send(&self, number: u8, flags: u16, family: Family) -> Result<(), Error> {
        let request = Request::new("trying", NFNL_SUBSYS_CTNETLINK, number, self).family(family).flags(flags);
        Channel::open()?.request(&request, |_| Ok(()))
    }

    fn create(&self) -> Result<(), Error> {
        self.send(IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, Family::IPV4)
    }
}

/// The error, and the attribute that the kernel blames.
fn blamed(result: Result<(), Error>) -> Option<(Errno, Option<String>)> {
    match result {
        Err(Error::Kernel(error)) => Some((error.errno, error.attribute)),
        _ => None,
    }
}

fn creating_what_exists(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&udp(1))?;
    same!(errno(ct.create(&udp(1))), Some(Errno::EXIST));
    let by_its_reply = NewFlow::new(udp(1).reply).reply(udp(1).orig);
    same!(errno(ct.create(&by_its_reply)), Some(Errno::EXIST));
    // Another flow whose answers would be this one's: also where an update would be welcome.
    let same_reply = NewFlow::new(udp(2).orig).reply(udp(1).reply);
    same!(errno(ct.upsert(&same_reply)), Some(Errno::EXIST));
    // A translation to a port that is taken.
    let snat = |port| udp(port).nat_src(Nat::to([192, 0, 2, 1].into()).port(4000));
    ct.create(&snat(3))?;
    same!(errno(ct.create(&snat(4))), Some(Errno::EXIST));
    same!(ct.dump()?.count(), 2);
    Ok(())
}

fn creating_without_what_is_required(_: &Sandbox) -> Outcome {
    let whole = Raw::of(&udp(1));
    for raw in [
        Raw { timeout: None, ..whole.clone() },
        Raw { orig: None, ..whole.clone() },
        Raw { reply: None, ..whole.clone() },
        Raw { help: Some(NoName::default()), ..whole.clone() },
    ] {
        same!(errno(raw.create()), Some(Errno::INVAL), "{raw:?}");
    }
    same!(Conntrack::open()?.dump()?.count(), 0);
    whole.create()?;
    Ok(())
}

fn creating_what_makes_no_sense(_: &Sandbox) -> Outcome {
    let whole = Raw::of(&udp(1));
    let other_protocol = NewFlow::tcp(([10, 0, 0, 2], 53).into(), ([10, 0, 0, 1], 1).into()).orig;
    let mut zoned = udp(1).orig;
    zoned.zone = Some(2);
    let of_family = |family| whole.send(IPCTNL_MSG_CT_NEW, NLM_F_CREATE, family);
    same!(errno(Raw { reply: Some(other_protocol), ..whole.clone() }.create()), Some(Errno::INVAL));
    same!(errno(Raw { orig: Some(zoned), zone: Some(1), ..whole.clone() }.create()), Some(Errno::INVAL));
    same!(errno(of_family(Family::IPV6)), Some(Errno::INVAL));
    same!(errno(of_family(Family::UNSPEC)), Some(Errno::OPNOTSUPP));
    same!(errno(Raw { status: Some(Status::SEEN_REPLY), ..whole.clone() }.create()), Some(Errno::BUSY));
    let expected = Status::CONFIRMED | Status::EXPECTED;
    same!(errno(Raw { status: Some(expected), ..whole.clone() }.create()), Some(Errno::BUSY));
    // What the kernel's policy refuses, it says where.
    let short = RawAttribute { kind: CTA_TIMEOUT, payload: vec![0; 3] };
    let short = Raw { timeout: None, rest: vec![short], ..whole.clone() }.create();
    same!(blamed(short), Some((Errno::RANGE, Some("CTA_TIMEOUT".to_owned()))));
    let long = Raw { labels: Some(vec![0; 17]), ..whole.clone() }.create();
    same!(blamed(long), Some((Errno::RANGE, Some("CTA_LABELS".to_owned()))));
    same!(Conntrack::open()?.dump()?.count(), 0);
    Ok(())
}

fn creating_what_the_kernel_does_not_know(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    same!(errno(ct.create(&udp(1).help(HelperName::new("no-such")?))), Some(Errno::OPNOTSUPP));
    // One of another protocol.
    same!(errno(ct.create(&udp(1).help(HelperName::new("ftp")?))), Some(Errno::OPNOTSUPP));
    same!(ct.dump()?.count(), 0);
    Ok(())
}

fn creating_a_child_without_its_master(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    same!(errno(ct.create(&udp(1).master(udp(2).orig))), Some(Errno::NOENT));
    ct.create(&udp(2))?;
    // It is looked for in the child's zone.
    same!(errno(ct.create(&udp(1).zone(5).master(udp(2).orig))), Some(Errno::NOENT));
    ct.create(&udp(1).master(udp(2).orig))?;
    Ok(())
}

fn updating_what_cannot_change(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&udp(1).status(Status::SEEN_REPLY))?;
    ct.create(&udp(2))?;
    same!(errno(ct.upsert(&udp(1).nat_src(Nat::to([192, 0, 2, 1].into())))), Some(Errno::OPNOTSUPP));
    same!(errno(ct.upsert(&udp(1).master(udp(2).orig))), Some(Errno::OPNOTSUPP));
    let before = ct.get(&udp(1).orig.into())?.ok_or("not there")?;
    for status in [Status::CONFIRMED, Status::SEEN_REPLY, before.status | Status::DYING] {
        let changes = Changes::new().status(status);
        same!(errno(ct.update(&udp(1).orig.into(), &changes)), Some(Errno::BUSY), "{status:?}");
    }
    same!(ct.get(&udp(1).orig.into())?.map(|flow| flow.status), Some(before.status));
    Ok(())
}

fn updating_a_fixed_timeout(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&udp(1).status(Status::FIXED_TIMEOUT))?;
    let error =
        ct.update(&udp(1).orig.into(), &Changes::new().timeout(Duration::from_secs(9))).err().ok_or("updated")?;
    same!(error.errno(), Some(Errno::PERM));
    holds!(error.to_string().ends_with("a flow whose timeout is not fixed"), "{error}");
    // The reason is the flow here, and not the caller's privilege.
    holds!(ct.update(&udp(1).orig.into(), &Changes::new().mark(1)).is_ok());
    Ok(())
}

fn updating_a_helper(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let key = udp(1).orig.into();
    let change = |name: &str| Ok::<_, conntrack::codec::TooLong>(Changes { help: Some(help(name)?), ..Changes::new() });
    ct.create(&udp(1))?;
    same!(errno(ct.update(&key, &change("tftp")?)), Some(Errno::OPNOTSUPP));
    ct.update(&key, &Changes::new().remove_helper())?;
    holds!(ct.delete(&key)?);

    ct.create(&udp(1).help(HelperName::new("tftp")?))?;
    ct.update(&key, &change("tftp")?)?;
    same!(errno(ct.update(&key, &change("sip")?)), Some(Errno::BUSY));
    ct.update(&key, &Changes::new().remove_helper())?;
    same!(ct.get(&key)?.ok_or("not there")?.help, None);
    same!(errno(ct.update(&key, &change("tftp")?)), Some(Errno::BUSY));
    Ok(())
}

fn updates_up_to_the_refusal(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let key = udp(1).orig.into();
    ct.create(&udp(1).timeout(Duration::from_secs(1000)).mark(1))?;
    // The timeout comes before the status, and the mark behind it.
    let changes = Changes::new().timeout(Duration::from_secs(5000)).status(Status::SEEN_REPLY).mark(2);
    same!(errno(ct.update(&key, &changes)), Some(Errno::BUSY));
    let flow = ct.get(&key)?.ok_or("not there")?;
    holds!(flow.timeout.is_some_and(|timeout| timeout.0 > 4000));
    same!(flow.mark, Some(1));
    Ok(())
}

fn deleting_and_getting_what_is_not_there(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&udp(1))?;
    holds!(!ct.delete(&udp(2).orig.into())?);
    holds!(!ct.delete(&FlowKey::new(udp(1).orig).in_zone(3))?);
    same!(ct.get(&udp(2).orig.into())?, None);
    let nothing = Raw::default();
    same!(errno(nothing.send(IPCTNL_MSG_CT_GET, 0, Family::IPV4)), Some(Errno::INVAL));
    let unknown_family = Raw { orig: Some(udp(1).orig), ..Raw::default() };
    same!(errno(unknown_family.send(IPCTNL_MSG_CT_DELETE, 0, Family(7))), Some(Errno::OPNOTSUPP));
    same!(ct.dump()?.count(), 1);
    Ok(())
}
