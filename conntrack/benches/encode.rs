//! Encoding requests and flows: `cargo bench -p conntrack --bench encode`.

mod common;

use conntrack::netlink::Request;
use conntrack::{Flow, FlowKey, NewFlow, UsageError, codec, request};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// Encodes a request for every value, one behind the other, as a batch does.
fn each<'a, T>(
    bencher: Bencher<'_, '_>,
    values: &'a [T],
    request: impl Fn(&'a T) -> Result<Request<'a>, UsageError> + Sync,
) where
    T: Sync,
{
    bencher.counter(ItemsCount::new(values.len())).with_inputs(|| Vec::with_capacity(values.len() * 512)).bench_refs(
        |datagram| {
            for value in values {
                request(black_box(value)).unwrap().encode(1, datagram).unwrap();
            }
        },
    );
}

fn new_flows() -> Vec<NewFlow> {
    let flow = |port| match port % 20 {
        0..12 => NewFlow::tcp(([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 443).into()),
        12..19 => NewFlow::udp(([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 53).into()),
        _ => NewFlow::echo([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), port),
    };
    (0..).take(common::FLOWS).map(flow).map(|flow| flow.mark(7)).collect()
}

/// Requests that create a flow.
#[divan::bench]
fn create(bencher: Bencher<'_, '_>) {
    each(bencher, &new_flows(), request::create);
}

/// Requests that delete a flow.
#[divan::bench]
fn delete(bencher: Bencher<'_, '_>) {
    let keys: Vec<FlowKey> = new_flows().iter().map(|flow| flow.orig.into()).collect();
    each(bencher, &keys, request::delete);
}

/// The attributes of a flow, as the kernel sends them.
#[divan::bench]
fn flow(bencher: Bencher<'_, '_>) {
    let flows: Vec<Flow> = common::flows().iter().map(|attributes| codec::decode(attributes).unwrap()).collect();
    bencher.counter(ItemsCount::new(flows.len())).with_inputs(Vec::new).bench_refs(|buffer| {
        for flow in &flows {
            buffer.clear();
            codec::encode_into(black_box(flow), buffer).unwrap();
        }
    });
}
