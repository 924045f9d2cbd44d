//! Decoding flows: `cargo bench -p conntrack --bench decode`.

mod common;

use conntrack::codec::{self, Mode, Stream};
use conntrack::{Decode, Flow, FlowId, Status};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

#[derive(Debug, Decode)]
#[allow(dead_code, reason = "decoding them is what is measured")]
struct Marked {
    #[nla(CTA_STATUS)]
    status: Status,
    #[nla(CTA_MARK)]
    mark: Option<u32>,
    #[nla(CTA_ID)]
    id: FlowId,
}

/// Calls `decode` with the attributes of every flow.
fn each<T>(bencher: Bencher<'_, '_>, decode: impl Fn(&[u8]) -> T + Sync) {
    let flows = common::flows();
    bencher.counter(ItemsCount::new(flows.len())).bench(|| {
        for attributes in &flows {
            black_box(&decode(black_box(attributes)));
        }
    });
}

/// Every attribute.
#[divan::bench]
fn flow(bencher: Bencher<'_, '_>) {
    each(bencher, codec::decode::<Flow>);
}

/// Every attribute, without expecting the kernel's order.
#[divan::bench]
fn flow_in_any_order(bencher: Bencher<'_, '_>) {
    each(bencher, |attributes| codec::decode_with_general_path_only::<Flow>(attributes, Mode::Lenient));
}

/// Three of them.
#[divan::bench]
fn projection(bencher: Bencher<'_, '_>) {
    each(bencher, codec::decode::<Marked>);
}

/// None: from header to header.
#[divan::bench]
fn headers(bencher: Bencher<'_, '_>) {
    each(bencher, |attributes| {
        let mut stream = Stream::new(attributes);
        while let Ok(Some(attribute)) = stream.next_attribute() {
            black_box(attribute.number());
        }
    });
}
