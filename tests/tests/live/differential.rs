//! One table, read by this library and by conntrack(8): the same, field by field.
//!
//! What conntrack(8) does not print, such as labels and sequence adjustments, `libnetfilter.rs` compares.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;

use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{
    Conntrack, Expect, ExpectFlags, Family, Flow, FlowDirection, HelperName, L4, NewExpect, NewFlow, ProtoInfo,
    Protocol, Status, Tuple,
};

use crate::restore::everything;
use crate::{Outcome, cases, holds, same};

cases! {
    flows_in_xml unless no_conntrack,
    flows_in_text unless no_conntrack,
    expectations_in_xml_and_text unless no_conntrack,
}

pub(crate) fn no_conntrack(_: &Sandbox) -> Option<&'static str> {
    match Command::new("conntrack").arg("--version").output() {
        Ok(output) if output.status.success() => None,
        _ => Some("conntrack(8) is not installed"),
    }
}

/// What conntrack(8) prints in this thread's namespace.
pub(crate) fn conntrack(arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new("conntrack").args(arguments).env("TZ", "UTC").output()?;
    holds!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Everything that netlink creates, and traffic of each kind: how many flows, and what keeps the traffic's.
pub(crate) fn fill(sandbox: &Sandbox, ct: &Conntrack) -> Result<(usize, Vec<Box<dyn std::any::Any>>), Failure> {
    let mut open: Vec<Box<dyn std::any::Any>> = Vec::new();
    for family in [Family::IPV4, Family::IPV6] {
        open.push(Box::new(sandbox.tcp_connection(family)?));
        open.push(Box::new(sandbox.udp_exchange(family)?));
        open.push(Box::new(sandbox.udplite_exchange(family)?));
        open.push(Box::new(sandbox.ping(family)?));
    }
    let everything = everything()?;
    for flow in &everything {
        ct.create(flow)?;
    }
    Ok((open.len() + everything.len(), open))
}

/// The fields of a flow or an expectation: `original/layer3/src`, `independent/assured` …
type Fields = BTreeMap<String, String>;

/// The fields in an XML element, by the path to them. The name of a `meta` is its direction, if it has one; of
/// other elements, attributes are fields.
fn fields(element: &str) -> Result<Fields, Failure> {
    let (mut fields, mut path) = (Fields::new(), Vec::new());
    for part in element.split('<').filter(|part| !part.is_empty()) {
        let (tag, text) = part.split_once('>').ok_or("a tag without an end")?;
        if tag.starts_with('/') {
            path.pop().ok_or("an end without a beginning")?;
            continue;
        }
        let is_empty = tag.ends_with('/');
        let mut words = tag.trim_end_matches('/').split_whitespace();
        let name = words.next().ok_or("a tag without a name")?;
        let attributes =
            words.filter_map(|word| word.split_once('=')).map(|(name, value)| (name, value.trim_matches('"')));
        match name {
            "meta" => path.push(attributes.map(|(_, value)| value).next().unwrap_or(name).to_owned()),
            name => {
                path.push(name.to_owned());
                for (name, value) in attributes {
                    fields.insert(format!("{}@{name}", path.join("/")), value.to_owned());
                }
            }
        }
        if is_empty || !text.trim().is_empty() {
            fields.insert(path.join("/"), text.trim().to_owned());
        }
        if is_empty {
            path.pop();
        }
    }
    Ok(fields)
}

/// The elements of this name.
fn elements<'a>(xml: &'a str, name: &str) -> Result<Vec<&'a str>, Failure> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = xml.split(&*open).skip(1);
    parts.map(|part| Ok(part.split_once(&*close).ok_or("an element without an end")?.0)).collect()
}

/// The fields that XML has of a tuple. Names are conntrack(8)'s, which knows few protocols.
fn tuple_fields(prefix: &str, tuple: &Tuple) -> Fields {
    let mut fields = Fields::new();
    let mut put = |name: &str, value: String| drop(fields.insert(format!("{prefix}/{name}"), value));
    let family = Family::of(tuple.src());
    put("layer3@protonum", family.0.to_string());
    put("layer3@protoname", family.to_string());
    put("layer3/src", tuple.src().to_string());
    put("layer3/dst", tuple.dst().to_string());
    let protocol = tuple.protocol();
    put("layer4@protonum", protocol.0.to_string());
    let word = protocol.to_string();
    put("layer4@protoname", if word.parse::<u8>().is_ok() { "unknown".to_owned() } else { word });
    match tuple.proto.l4 {
        Some(L4::Ports { src, dst }) if protocol == Protocol::GRE => {
            put("layer4/srckey", format!("{src:#x}"));
            put("layer4/dstkey", format!("{dst:#x}"));
        }
        Some(L4::Ports { src, dst }) => {
            put("layer4/sport", src.to_string());
            put("layer4/dport", dst.to_string());
        }
        // Those of ICMP are only in its text.
        Some(L4::Icmp { .. } | L4::Icmpv6 { .. }) | None => {}
    }
    fields
}

/// The fields that XML has of a flow, but for those that depend on when it is read.
fn flow_fields(flow: &Flow) -> Fields {
    let mut fields = Fields::new();
    for (prefix, direction) in [("original", FlowDirection::ORIGINAL), ("reply", FlowDirection::REPLY)] {
        let tuple = flow.tuple(direction);
        fields.extend(tuple_fields(prefix, tuple));
        let mut put = |name: &str, value: String| drop(fields.insert(format!("{prefix}/{name}"), value));
        if let Some(zone) = tuple.zone {
            put("zone", zone.to_string());
        }
        if let Some(counters) = flow.counters(direction) {
            put("counters/packets", counters.packets.to_string());
            put("counters/bytes", counters.bytes.to_string());
        }
    }
    let mut put = |name: &str, value: String| drop(fields.insert(name.to_owned(), value));
    match &flow.proto_info {
        Some(ProtoInfo::Tcp(tcp)) => {
            if let Some(state) = tcp.state {
                put("independent/state", state.to_string());
            }
        }
        Some(ProtoInfo::Sctp(sctp)) => {
            if let Some(state) = sctp.state {
                // A mistake of libnetfilter_conntrack 1.0.9: in XML, but not in text, it has TCP's word for the number.
                put("independent/state", conntrack::TcpState(state.0).to_string());
            }
        }
        _ => {}
    }
    let numbers = [("mark", flow.mark), ("zone", flow.zone.map(u32::from)), ("use", flow.use_count)];
    for (name, number) in numbers {
        if let Some(number) = number {
            put(&format!("independent/{name}"), number.to_string());
        }
    }
    put("independent/id", flow.id.to_string());
    if flow.status.contains(Status::ASSURED) {
        put("independent/assured", String::new());
    }
    if !flow.status.contains(Status::SEEN_REPLY) {
        put("independent/unreplied", String::new());
    }
    if let Some(times) = flow.timestamp {
        put("independent/timestamp/start", times.start.0.to_string());
    }
    if let Some(help) = &flow.help {
        put("helper", help.name.to_string());
    }
    fields
}

/// The seconds that are left, which are fewer at the second look.
fn check_timeout(fields: &mut Fields, of: &str, timeout: u32) -> Outcome {
    let theirs: u32 = fields.remove(&format!("{of}/timeout")).ok_or("no timeout")?.parse()?;
    holds!(theirs <= timeout && timeout - theirs < 30, "{theirs}, {timeout}");
    Ok(())
}

fn flows_in_xml(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let (count, _open) = fill(sandbox, &ct)?;
    let ours = ct.dump()?.collect::<Result<Vec<_>, _>>()?;
    let xml = conntrack(&["-L", "-o", "xml,id,ktimestamp"])?;
    let mut theirs = BTreeMap::new();
    for element in elements(&xml, "flow")? {
        let fields = fields(element)?;
        theirs.insert(fields.get("independent/id").ok_or("no id")?.clone(), fields);
    }
    same!((ours.len(), theirs.len()), (count, count));
    let (mut compared, mut kinds) = (0, std::collections::BTreeSet::new());
    for flow in &ours {
        let mut theirs = theirs.remove(&flow.id.to_string()).ok_or("not in the XML")?;
        check_timeout(&mut theirs, "independent", flow.timeout.ok_or("no timeout")?.0)?;
        theirs.remove("independent/deltatime");
        same!(theirs, flow_fields(flow), "{flow}");
        compared += theirs.len() + 1;
        kinds.extend(theirs.into_keys());
    }
    println!("{compared} fields of {count} flows are the same, {} different ones", kinds.len() + 1);
    holds!(kinds.len() > 25 && compared > 20 * count, "{kinds:?}");
    Ok(())
}

/// The columns of a line, without those that depend on when it is read, and the timeout.
fn columns(line: &str, timeout_at: usize) -> Result<(Vec<&str>, u32), Failure> {
    let mut columns: Vec<_> = line.split_whitespace().filter(|column| !column.starts_with("delta-time=")).collect();
    holds!(columns.len() > timeout_at, "{line}");
    let timeout = columns.remove(timeout_at).parse()?;
    Ok((columns, timeout))
}

fn flows_in_text(sandbox: &Sandbox) -> Outcome {
    /// Network protocol, its number, transport protocol, its number.
    const BEFORE_TIMEOUT: usize = 4;
    let ct = Conntrack::open()?;
    let (count, _open) = fill(sandbox, &ct)?;
    let ours = ct.dump()?.collect::<Result<Vec<_>, _>>()?;
    let text = conntrack(&["-L", "-o", "extended,id,ktimestamp"])?;
    let theirs: Vec<_> = text.lines().collect();
    same!((ours.len(), theirs.len()), (count, count));
    let mut compared = 0;
    for flow in &ours {
        let line = flow.display().extended().id().ktimestamp().to_string();
        let id = format!(" id={}", flow.id);
        let theirs = theirs.iter().find(|line| line.ends_with(&id)).ok_or("not in the text")?;
        let (columns_ours, timeout) = columns(&line, BEFORE_TIMEOUT)?;
        let (columns_theirs, less) = columns(theirs, BEFORE_TIMEOUT)?;
        same!(columns_theirs, columns_ours, "{theirs}");
        holds!(less <= timeout && timeout - less < 30, "{less}, {timeout}");
        compared += columns_ours.len() + 1;
    }
    println!("{compared} columns of {count} lines are the same");
    Ok(())
}

/// The fields that XML has of an expectation.
fn expect_fields(expect: &Expect) -> Fields {
    let mut fields = Fields::new();
    for (of, tuple) in [("expected", &expect.tuple), ("mask", &expect.mask), ("master", &expect.master)] {
        for (name, value) in tuple_fields("", tuple) {
            let name = name.trim_start_matches('/');
            // What the layers are is said once, of the expected tuple.
            match name.split_once('/') {
                Some((layer, name)) => drop(fields.insert(format!("{layer}/{of}/{name}"), value)),
                None if of == "expected" => drop(fields.insert(name.to_owned(), value)),
                None => {}
            }
        }
    }
    let flags = [(ExpectFlags::PERMANENT, "permanent"), (ExpectFlags::INACTIVE, "inactive")];
    for (_, name) in flags.iter().filter(|(flag, _)| expect.flags.contains(*flag)) {
        fields.insert(format!("meta/{name}"), String::new());
    }
    fields.insert("meta/class".to_owned(), expect.class.to_string());
    if let Some(helper) = &expect.helper {
        fields.insert("meta/helper-name".to_owned(), helper.to_string());
    }
    fields
}

fn expectations_in_xml_and_text(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let addresses: [[IpAddr; 2]; 2] =
        [["10.0.0.1".parse()?, "10.0.0.2".parse()?], ["fd00::1".parse()?, "fd00::2".parse()?]];
    for ([client, server], port) in addresses.into_iter().zip(40000_u16..) {
        let master = NewFlow::tcp((client, port).into(), (server, 5060).into()).help("sip".parse::<HelperName>()?);
        ct.create(&master)?;
        let tuple = Tuple::udp((server, 0).into(), (client, port).into());
        let flags = ExpectFlags::PERMANENT | ExpectFlags::INACTIVE;
        let expect = NewExpect::from_any_port(tuple, master.orig).flags(flags).class("sip".parse()?, 1);
        ct.create_expectation(&expect)?;
        ct.create_expectation(&NewExpect::exactly(Tuple::udp((server, 7).into(), (client, 9).into()), master.orig))?;
    }
    let mut ours = ct.expectations()?.collect::<Result<Vec<_>, _>>()?;
    let both = |output: &[&str]| -> Result<String, Failure> {
        let of = |family| conntrack(&[&["-L", "expect", "-f", family], output].concat());
        Ok(of("ipv4")? + &of("ipv6")?)
    };
    ours.sort_by_key(|expect| Family::of(expect.tuple.src()));
    let text = both(&[])?;
    let theirs: Vec<_> = text.lines().map(|line| columns(line, 0)).collect::<Result<_, _>>()?;
    same!((ours.len(), theirs.len()), (4, 4));
    let mut compared = 0;
    for (expect, (theirs, timeout)) in ours.iter().zip(&theirs) {
        let line = expect.to_string();
        let (columns, left) = columns(&line, 0)?;
        same!(*theirs, columns, "{line}");
        holds!(*timeout <= left && left - timeout < 30, "{timeout}, {left}");
        compared += columns.len() + 1;
    }
    let xml = both(&["-o", "xml"])?;
    let theirs = elements(&xml, "flow")?;
    same!(theirs.len(), 4, "{xml}");
    for (expect, element) in ours.iter().zip(theirs) {
        let mut theirs = fields(element)?;
        check_timeout(&mut theirs, "meta", expect.timeout.0)?;
        let ours = expect_fields(expect);
        same!(theirs, ours, "{expect}");
        compared += ours.len() + 1;
    }
    println!("{compared} fields of {} expectations are the same", ours.len());
    Ok(())
}
