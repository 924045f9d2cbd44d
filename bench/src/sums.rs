//! Checksums over a table, by which the contestants' results are compared.
//!
//! Each flow adds to them, so that the order of the flows does not matter.

use std::net::IpAddr;

/// What a contestant found, as far as it decodes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) flows: u64,
    /// Addresses, protocols and ports of both directions.
    pub(crate) tuples: Option<u64>,
    /// Identifiers, types and codes of ICMP's and ICMPv6's original direction.
    pub(crate) icmp: Option<u64>,
    pub(crate) statuses: Option<u64>,
    pub(crate) marks: Option<u64>,
    /// States of TCP.
    pub(crate) states: Option<u64>,
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Direction {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ports: Option<(u16, u16)>,
}

impl Sums {
    pub(crate) fn add_flow(&mut self) {
        self.flows += 1;
    }

    pub(crate) fn add_tuples(&mut self, orig: Direction, reply: Direction) {
        add(&mut self.tuples, mix(orig.hash(1), reply.hash(2)));
    }

    pub(crate) fn add_icmp(&mut self, id: u16, kind: u8, code: u8) {
        add(&mut self.icmp, mix(mix(id.into(), kind.into()), code.into()));
    }

    pub(crate) fn add_status(&mut self, status: u32) {
        add(&mut self.statuses, mix(3, status.into()));
    }

    pub(crate) fn add_mark(&mut self, mark: u32) {
        add(&mut self.marks, mix(4, mark.into()));
    }

    pub(crate) fn add_state(&mut self, state: u8) {
        add(&mut self.states, mix(5, state.into()));
    }

    /// Whether `self`, which may lack something, agrees with the whole truth.
    pub(crate) fn agrees_with(&self, truth: &Self) -> bool {
        let agrees = |found: Option<u64>, truth| found.is_none() || found == truth;
        self.flows == truth.flows
            && agrees(self.tuples, truth.tuples)
            && agrees(self.icmp, truth.icmp)
            && agrees(self.statuses, truth.statuses)
            && agrees(self.marks, truth.marks)
            && agrees(self.states, truth.states)
    }
}

impl Direction {
    fn hash(&self, seed: u64) -> u64 {
        let hash = mix(mix(seed, address(self.src)), address(self.dst));
        let ports = self.ports.map_or(0, |(src, dst)| u64::from(src) << 16 | u64::from(dst));
        mix(mix(hash, self.protocol.into()), ports)
    }
}

fn address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => mix(4, address.to_bits().into()),
        IpAddr::V6(address) => {
            let [high, low] = [address.to_bits() >> 64, address.to_bits() & u128::from(u64::MAX)];
            mix(u64::try_from(high).unwrap_or(0), u64::try_from(low).unwrap_or(0))
        }
    }
}

fn add(sum: &mut Option<u64>, value: u64) {
    *sum = Some(sum.unwrap_or(0).wrapping_add(value));
}

/// The finaliser of `SplitMix64`, over both.
fn mix(hash: u64, value: u64) -> u64 {
    let mut z = hash.rotate_left(17) ^ value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
