//! What other programs and newer kernels send is read as the kernel reads it.

use std::net::{IpAddr, Ipv4Addr};

use conntrack::codec::{DecodeErrorKind, Mode, decode, encode};
use conntrack::{
    Changes, Expect, Flow, FlowKey, KeyTuple, LabelChange, Labels, Nat, NatPorts, NewFlow, PolicyKey, Tuple,
};
use conntrack_tests::generate::bytes;
use conntrack_tests::paths::decode_both_ways;

fn tuple(port: u16) -> Tuple {
    Tuple::udp(([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 53).into())
}

/// The attributes of a flow, and one more.
fn flow_with(attribute: &[u8]) -> Vec<u8> {
    [encode(&Flow::new(tuple(1), conntrack::FlowId([1, 2, 3, 4]))).unwrap(), attribute.to_vec()].concat()
}

mod labels {
    use super::*;

    const CTA_LABELS: u16 = 22;
    const CTA_LABELS_MASK: u16 = 23;

    fn labels(payload: &[u8]) -> Result<Option<Labels>, DecodeErrorKind> {
        let flow = decode_both_ways::<Flow>(&flow_with(&bytes(CTA_LABELS, false, payload)), Mode::Lenient);
        flow.map(|flow| flow.labels).map_err(|error| error.kind())
    }

    /// The kernel takes any multiple of four, and clears the rest; conntrack(8) sends as many as its highest label needs.
    #[test]
    fn of_any_multiple_of_four_bytes() {
        let whole: Vec<u8> = (1..=16).collect();
        for length in (0..=16).step_by(4) {
            let mut expected = [0; 16];
            expected[..length].copy_from_slice(&whole[..length]);
            assert_eq!(labels(&whole[..length]), Ok(Some(Labels(expected))), "{length} bytes");
        }
    }

    #[test]
    fn of_other_lengths_are_refused_as_the_kernel_refuses_them() {
        for found in (1..16).filter(|length| length % 4 != 0) {
            let expected = (found / 4 + 1) * 4;
            assert_eq!(labels(&vec![1; found]), Err(DecodeErrorKind::TooShort { found, expected }));
        }
    }

    #[test]
    fn are_never_cut() {
        for found in [17, 20, 32] {
            assert_eq!(labels(&vec![1; found]), Err(DecodeErrorKind::TooLong { found, limit: 16 }));
            let mut payload = vec![0; found];
            payload[..16].fill(7);
            assert_eq!(labels(&payload), Ok(Some(Labels([7; 16]))), "nothing is set beyond the 128");
        }
    }

    /// Words behind a short value are cleared, even under a mask. So a short mask stands for one that covers them.
    #[test]
    fn under_a_mask() {
        let change = |value: &[u8], mask: &[u8]| {
            let attributes = [bytes(CTA_LABELS, false, value), bytes(CTA_LABELS_MASK, false, mask)].concat();
            decode_both_ways::<Changes>(&attributes, Mode::Strict).unwrap().labels.unwrap()
        };
        let mut mask = [0xff; 16];
        mask[..4].copy_from_slice(&[3, 0, 0, 0]);
        let mut value = [0; 16];
        value[0] = 1;
        assert_eq!(
            change(&[1, 0, 0, 0], &[3, 0, 0, 0]),
            LabelChange { value: Labels(value), mask: Some(Labels(mask)) }
        );
        assert_eq!(change(&value, &[0; 16]).mask, Some(Labels([0; 16])));
    }
}

mod names {
    use super::*;

    const CTA_HELP: u16 = 5;

    fn help(name: &str) -> Vec<u8> {
        flow_with(&bytes(CTA_HELP, true, &bytes(1, false, format!("{name}\0").as_bytes())))
    }

    /// A newer kernel may allow longer names: that fails no flow, and the name is whole.
    #[test]
    fn of_helpers() {
        for length in [15, 16, 17, 31, 32, 255, 256, 3000] {
            let name = "n".repeat(length);
            let flow = decode_both_ways::<Flow>(&help(&name), Mode::Lenient).unwrap();
            assert!(flow.to_string().ends_with(&format!(" helper={name}")), "{flow}");
            let help = flow.help.clone().unwrap();
            assert_eq!(help.name, name.as_str());
            assert_eq!(decode::<Flow>(&encode(&flow).unwrap()).unwrap(), flow);
            let text = serde_json::to_string(&flow).unwrap();
            assert_eq!(serde_json::from_str::<Flow>(&text).unwrap(), flow, "{text}");
        }
    }

    /// What is typed is still checked.
    #[test]
    fn that_are_longer_cannot_be_made() {
        assert!("sixteen-letters!".parse::<conntrack::HelperName>().is_err());
    }

    #[test]
    fn of_everything_else() {
        let expect = Expect {
            tuple: tuple(1),
            mask: tuple(1),
            master: tuple(2),
            nat: None,
            timeout: conntrack::Seconds(9),
            id: conntrack::ExpectId([1, 2, 3, 4]),
            flags: conntrack::ExpectFlags::default(),
            class: 0,
            helper: None,
            function: None,
        };
        let text = |letter: u8, length| [vec![letter; length], vec![0]].concat();
        let more = [bytes(6, false, &text(b'h', 20)), bytes(11, false, &text(b'f', 100))].concat();
        let expect = decode_both_ways::<Expect>(&[encode(&expect).unwrap(), more].concat(), Mode::Lenient).unwrap();
        assert_eq!(expect.helper.unwrap().to_string(), "h".repeat(20));
        assert_eq!(expect.function.unwrap().to_string(), "f".repeat(100));
        let policy = decode_both_ways::<PolicyKey>(&bytes(1, false, &text(b'p', 40)), Mode::Lenient);
        assert_eq!(policy.unwrap().name.to_string(), "p".repeat(40));
    }

    #[test]
    fn and_private_data() {
        let inside = [bytes(1, false, b"ftp\0"), bytes(2, false, &[7; 64])].concat();
        let flow = decode_both_ways::<Flow>(&flow_with(&bytes(CTA_HELP, true, &inside)), Mode::Lenient).unwrap();
        assert_eq!(flow.help.unwrap().info.unwrap().as_bytes(), [7; 64]);
    }
}

mod translations {
    use super::*;

    const CTA_NAT_SRC: u16 = 6;

    fn nat(ports: &[u8]) -> Nat {
        let new = encode(&NewFlow::new(tuple(1))).unwrap();
        let inside = [bytes(1, false, &[192, 0, 2, 1]), bytes(3, true, ports)].concat();
        let attributes = [new, bytes(CTA_NAT_SRC, true, &inside)].concat();
        decode_both_ways::<NewFlow>(&attributes, Mode::Strict).unwrap().nat_src.unwrap()
    }

    /// conntrack(8) sends the nest always, and nothing in it if no port was given.
    #[test]
    fn with_a_nest_of_no_ports() {
        let nat = nat(&[]);
        assert_eq!(nat.min, Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
        assert_eq!(nat.ports, Some(NatPorts { min: None, max: None }));
        assert_eq!(nat.to_string(), "192.0.2.1");
    }

    #[test]
    fn with_one_end_of_a_range() {
        assert_eq!(nat(&bytes(1, false, &[0, 80])).to_string(), "192.0.2.1:80");
        // The kernel's range then begins at 0.
        let highest = nat(&bytes(2, false, &[0, 80]));
        assert_eq!(highest.ports, Some(NatPorts { min: None, max: Some(80) }));
        assert_eq!(highest.to_string(), "192.0.2.1:0-80");
    }
}

/// The kernel puts a zone beside the tuples, or into one of them, and takes 0 for none.
mod zones {
    use conntrack::{ExpectMaster, Filter};

    use super::*;

    #[test]
    fn of_0_are_none() {
        let flow = |zones: [Option<u16>; 3]| {
            let mut flow = Flow::new(tuple(1), conntrack::FlowId([1; 4]));
            [flow.zone, flow.orig.zone, flow.reply.zone] = zones;
            flow
        };
        for (zones, expected) in [
            ([None, None, None], 0),
            ([Some(0), None, None], 0),
            ([Some(7), None, None], 7),
            ([Some(0), Some(7), None], 7),
            ([None, Some(0), Some(7)], 7),
            ([Some(0), Some(0), Some(7)], 7),
        ] {
            let flow = flow(zones);
            assert_eq!(flow.zone_id(), expected, "{zones:?}");
            assert!(Filter::new().zone(expected).matches(&flow), "{zones:?}");
            assert!(!Filter::new().zone(8).matches(&flow), "{zones:?}");
        }
    }

    #[test]
    fn of_a_key_are_those_of_its_master() {
        let in_tuple = tuple(1).in_zone(7);
        for (key, expected) in [
            (FlowKey::new(tuple(1)), None),
            (FlowKey::new(tuple(1)).in_zone(0), None),
            (FlowKey::new(tuple(1)).in_zone(7), Some(7)),
            (FlowKey::new(in_tuple), Some(7)),
            (FlowKey::by_reply(in_tuple).in_zone(0), Some(7)),
        ] {
            assert_eq!(ExpectMaster::from(&key), ExpectMaster { tuple: tuple(1), zone: expected }, "{key:?}");
        }
    }
}

mod keys {
    use super::*;

    fn attributes(orig: &[u8], reply: &[u8]) -> [Vec<u8>; 2] {
        let (orig, reply) = (bytes(1, true, orig), bytes(2, true, reply));
        [[orig.clone(), reply.clone()].concat(), [reply, orig].concat()]
    }

    /// The kernel looks for the original tuple, and of the other one only reads that it is one.
    #[test]
    fn with_both_tuples_are_by_the_original_one() {
        let (orig, reply) = (encode(&tuple(1)).unwrap(), encode(&tuple(2)).unwrap());
        for attributes in attributes(&orig, &reply) {
            let key = decode_both_ways::<FlowKey>(&attributes, Mode::Strict).unwrap();
            assert_eq!(key.tuple, KeyTuple::Orig(tuple(1)));
        }
    }

    /// A key with one tuple of two would name another flow.
    #[test]
    fn with_a_malformed_tuple_are_refused() {
        let whole = encode(&tuple(1)).unwrap();
        for (orig, reply, malformed) in
            [(&whole[..], &[][..], "CTA_TUPLE_REPLY"), (&[][..], &whole[..], "CTA_TUPLE_ORIG")]
        {
            for attributes in attributes(orig, reply) {
                let error = decode_both_ways::<FlowKey>(&attributes, Mode::Lenient).unwrap_err();
                assert_eq!(error.path().collect::<Vec<_>>(), [malformed]);
            }
        }
    }

    /// Of two attributes with one number the last one counts, for the kernel too.
    #[test]
    fn with_a_malformed_tuple_are_by_a_later_one_of_its_direction() {
        let attributes = [bytes(1, true, &[]), bytes(1, true, &encode(&tuple(1)).unwrap())].concat();
        let key = decode_both_ways::<FlowKey>(&attributes, Mode::Lenient).unwrap();
        assert_eq!(key.tuple, KeyTuple::Orig(tuple(1)));
    }

    #[test]
    fn with_one_tuple_are_by_that() {
        let reply = bytes(2, true, &encode(&tuple(2)).unwrap());
        let key = decode_both_ways::<FlowKey>(&reply, Mode::Strict).unwrap();
        assert_eq!(key.tuple, KeyTuple::Reply(tuple(2)));
    }
}
