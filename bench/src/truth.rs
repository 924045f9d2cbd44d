//! What is really in the table: the kernel's bytes, taken apart by hand, so that no contestant checks itself.

use std::net::IpAddr;

use conntrack::header::HEADERS;

use crate::Outcome;
use crate::raw::{Raw, messages};
use crate::sums::{Direction, Sums};

/// The sums over the table.
pub(crate) fn of_table() -> Outcome<Sums> {
    let mut sums = Sums::default();
    Raw::open(0)?.dump(0, |datagram| {
        messages(datagram).for_each(|message| add(&mut sums, &message[HEADERS..]));
        true
    })?;
    Ok(sums)
}

/// Adds one flow, from its attributes.
fn add(sums: &mut Sums, flow: &[u8]) {
    sums.add_flow();
    let (mut orig, mut reply) = (None, None);
    for (number, payload) in attributes(flow) {
        match number {
            1 => orig = tuple(payload),
            2 => reply = tuple(payload),
            3 => sums.add_status(u32::from_be_bytes(fixed(payload))),
            4 => {
                // CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE
                let tcp = attributes(payload).filter(|(number, _)| *number == 1);
                let states = tcp.flat_map(|(_, payload)| attributes(payload)).filter(|(number, _)| *number == 1);
                states.for_each(|(_, payload)| sums.add_state(payload[0]));
            }
            8 => sums.add_mark(u32::from_be_bytes(fixed(payload))),
            _ => {}
        }
    }
    if let (Some((orig, icmp)), Some((reply, _))) = (orig, reply) {
        sums.add_tuples(orig, reply);
        if let Some((id, kind, code)) = icmp {
            sums.add_icmp(id, kind, code);
        }
    }
}

type Icmp = (u16, u8, u8);

fn tuple(payload: &[u8]) -> Option<(Direction, Option<Icmp>)> {
    let (mut src, mut dst, mut protocol) = (None, None, None);
    let (mut src_port, mut dst_port) = (None, None);
    let (mut id, mut kind, mut code) = (None, None, None);
    for (number, payload) in attributes(payload) {
        match number {
            // CTA_TUPLE_IP
            1 => {
                for (number, payload) in attributes(payload) {
                    match number {
                        1 => src = Some(IpAddr::from(fixed::<4>(payload))),
                        2 => dst = Some(IpAddr::from(fixed::<4>(payload))),
                        3 => src = Some(IpAddr::from(fixed::<16>(payload))),
                        4 => dst = Some(IpAddr::from(fixed::<16>(payload))),
                        _ => {}
                    }
                }
            }
            // CTA_TUPLE_PROTO
            2 => {
                for (number, payload) in attributes(payload) {
                    match number {
                        1 => protocol = Some(payload[0]),
                        2 => src_port = Some(u16::from_be_bytes(fixed(payload))),
                        3 => dst_port = Some(u16::from_be_bytes(fixed(payload))),
                        4 | 7 => id = Some(u16::from_be_bytes(fixed(payload))),
                        5 | 8 => kind = Some(payload[0]),
                        6 | 9 => code = Some(payload[0]),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let direction = Direction { src: src?, dst: dst?, protocol: protocol?, ports: src_port.zip(dst_port) };
    Some((direction, id.zip(kind).zip(code).map(|((id, kind), code)| (id, kind, code))))
}

fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let [l0, l1, k0, k1] = *rest.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let payload = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]) & 0x3fff, payload))
    })
}

fn fixed<const N: usize>(payload: &[u8]) -> [u8; N] {
    payload.first_chunk().copied().unwrap_or([0; N])
}
