//! Expectations and statistics as text.

use conntrack_spec::codec::{Mode, decode_with};
use conntrack_spec::{CpuStats, Decode, Expect, ExpectFlags, ExpectKey, PerCpu, Tuple};

/// Each message of a capture, and the line that conntrack(8) prints for it.
fn pairs<T: Decode>(capture: &'static str) -> Vec<(T, &'static str)> {
    let mut lines = capture.lines().filter(|line| !line.starts_with('#'));
    let mut pairs = Vec::new();
    while let (Some(hex), Some(line)) = (lines.next(), lines.next()) {
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        pairs.push((decode_with(&bytes, Mode::Strict).unwrap(), line));
    }
    pairs
}

#[test]
#[cfg(target_endian = "little")]
fn expectations_are_those_of_conntrack_8() {
    let expectations = pairs::<Expect>(include_str!("captures/conntrack-l-expect.txt"));
    for (expect, line) in &expectations {
        assert_eq!(expect.to_string(), *line);
    }
    assert_eq!(expectations.len(), 9);
}

#[test]
#[cfg(target_endian = "little")]
fn statistics_are_those_of_conntrack_8() {
    let statistics = pairs::<CpuStats>(include_str!("captures/conntrack-s.txt"));
    for ((stats, line), cpu) in statistics.iter().zip(0..) {
        assert_eq!(PerCpu { cpu, stats: *stats }.to_string(), *line);
    }
    assert_eq!(statistics.len(), 2);
}

/// What only kernels send that are older than the captures.
#[test]
fn older_statistics() {
    let stats = CpuStats { searched: Some(1), new: Some(2), ignore: Some(3), ..CpuStats::default() };
    let stats = CpuStats { delete: Some(4), delete_list: Some(5), insert: Some(6), ..stats };
    assert_eq!(
        PerCpu { cpu: 12, stats }.to_string(),
        "cpu=12  \tsearched=1 new=2 ignore=3 delete=4 delete_list=5 insert=6 "
    );
}

#[test]
fn flags_and_keys() {
    assert_eq!(ExpectFlags::default().to_string(), "0");
    assert_eq!((ExpectFlags::PERMANENT | ExpectFlags::USERSPACE).to_string(), "PERMANENT,USERSPACE");
    assert_eq!(ExpectFlags::from_bits_retain(0x12).to_string(), "INACTIVE,0x10");
    let tuple = Tuple::udp("10.0.0.1:0".parse().unwrap(), "10.0.0.2:53".parse().unwrap());
    let key = ExpectKey::new(tuple).in_zone(7);
    assert_eq!(key.to_string(), "udp src=10.0.0.1 dst=10.0.0.2 sport=0 dport=53 zone=7");
}
