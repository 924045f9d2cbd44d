//! Messages as annotated hex. Bytes are encoded here, not written down, so that the texts hold on every host.

use conntrack_spec::codec::{self, Decode, Layout, Native, NlAttr, RawAttribute, Stream};
use conntrack_spec::header::{NfGenMsg, NlMsgErr, NlMsgHdr};
use conntrack_spec::{
    Changes, Encode, ExtAck, FilterBits, FilterFlags, Flow, FlowFilter, FlowId, FlowKey, FlowUpdate, HelperName,
    Labels, NewFlow, Seconds, Timeouts, Tuple, UdpTimeouts, dissect, dissect_message,
};

/// Attributes that no declaration would make.
#[derive(conntrack_spec::Encode, conntrack_spec::Decode)]
#[nla(crate = conntrack_spec)]
struct Raw {
    #[nla(rest)]
    attributes: Vec<RawAttribute>,
}

fn raw(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let attributes = attributes.iter().map(|&(kind, payload)| RawAttribute { kind, payload: payload.to_vec() });
    codec::encode(&Raw { attributes: attributes.collect() }).unwrap()
}

fn tuple() -> Tuple {
    Tuple::udp("10.0.0.1:5353".parse().unwrap(), "10.0.0.2:53".parse().unwrap())
}

/// The bytes of a header.
fn layout(header: &impl Layout) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.append_to(&mut bytes).unwrap();
    bytes
}

/// A whole message.
fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let header = NlMsgHdr { len: u32::try_from(16 + body.len()).unwrap(), kind, flags, seq: 1, pid: 0 };
    [&layout(&header), body].concat()
}

/// A whole message of a netfilter subsystem.
fn netfilter(kind: u16, flags: u16, attributes: &impl Encode) -> Vec<u8> {
    let header = NfGenMsg { family: 2, version: 0, res_id: 0 };
    message(kind, flags, &[layout(&header), codec::encode(attributes).unwrap()].concat())
}

#[track_caller]
fn assert_text(dissection: conntrack_spec::Dissection<'_>, expected: &str) {
    let text = dissection.to_string();
    assert!(text == expected.trim_start_matches('\n'), "it is\n{text}\n");
}

#[test]
fn a_request() {
    let changes = Changes::new().mark(7).remove_helper().labels(Labels(*b"\x01--------------\x80"));
    let update = FlowUpdate { key: FlowKey::new(tuple()), changes };
    assert_text(
        dissect_message(&netfilter(0x0100, 0x5, &update)),
        "
nlmsghdr
  nlmsg_len                                          00000070                   112
  nlmsg_type                                         0100                       IPCTNL_MSG_CT_NEW
  nlmsg_flags                                        0005                       NLM_F_REQUEST | NLM_F_ACK
  nlmsg_seq                                          00000001                   1
  nlmsg_pid                                          00000000                   0
nfgenmsg
  nfgen_family                                       02                         AF_INET
  version                                            00                         0
  res_id                                             00 00                      0
CTA_TUPLE_ORIG                            0034 8001                             nest
  CTA_TUPLE_IP                            0014 8001                             nest
    CTA_IP_V4_SRC                         0008 0001  0a 00 00 01                10.0.0.1
    CTA_IP_V4_DST                         0008 0002  0a 00 00 02                10.0.0.2
  CTA_TUPLE_PROTO                         001c 8002                             nest
    CTA_PROTO_NUM                         0005 0001  11 (00 00 00)              IPPROTO_UDP
    CTA_PROTO_SRC_PORT                    0006 0002  14 e9 (00 00)              5353
    CTA_PROTO_DST_PORT                    0006 0003  00 35 (00 00)              53
CTA_HELP                                  000c 8005                             nest
  CTA_HELP_NAME                           0005 0001  00 (00 00 00)              \"\"
CTA_MARK                                  0008 0008  00 00 00 07                7
CTA_LABELS                                0014 0016  01 2d 2d 2d 2d 2d 2d 2d
                                                     2d 2d 2d 2d 2d 2d 2d 80",
    );
}

#[test]
fn flags_in_host_byte_order_are_numbers() {
    let filter = FlowFilter {
        filter: Some(FilterFlags {
            orig: Some(FilterBits::IP_SRC | FilterBits::from_bits_retain(0x1000)),
            reply: None,
        }),
        ..FlowFilter::default()
    };
    assert_text(
        dissect_message(&netfilter(0x0101, 0x305, &filter)),
        "
nlmsghdr
  nlmsg_len                                          00000020                   32
  nlmsg_type                                         0101                       IPCTNL_MSG_CT_GET
  nlmsg_flags                                        0305                       NLM_F_REQUEST | NLM_F_ACK | NLM_F_DUMP
  nlmsg_seq                                          00000001                   1
  nlmsg_pid                                          00000000                   0
nfgenmsg
  nfgen_family                                       02                         AF_INET
  version                                            00                         0
  res_id                                             00 00                      0
CTA_FILTER                                000c 8019                             nest
  CTA_FILTER_ORIG_FLAGS                   0008 0001  00001001                   CTA_FILTER_F_CTA_IP_SRC | 0x1000",
    );
}

#[test]
fn an_error_with_details() {
    let request = NlMsgHdr { len: 132, kind: 0x0100, flags: 0x605, seq: 1, pid: 0 };
    let header = NlMsgErr { error: -34, request };
    let details = ExtAck { message: Some("no".to_owned()), offset: Some(Native(20)), ..ExtAck::default() };
    let details = codec::encode(&details).unwrap();
    assert_text(
        dissect_message(&message(2, 0x300, &[layout(&header), details].concat())),
        "
nlmsghdr
  nlmsg_len                                          00000034                   52
  nlmsg_type                                         0002                       NLMSG_ERROR
  nlmsg_flags                                        0300                       NLM_F_CAPPED | NLM_F_ACK_TLVS
  nlmsg_seq                                          00000001                   1
  nlmsg_pid                                          00000000                   0
nlmsgerr
  error                                              ffffffde                   -34, ERANGE
  nlmsghdr
    nlmsg_len                                        00000084                   132
    nlmsg_type                                       0100                       IPCTNL_MSG_CT_NEW
    nlmsg_flags                                      0605                       NLM_F_REQUEST | NLM_F_ACK | NLM_F_EXCL | NLM_F_CREATE
    nlmsg_seq                                        00000001                   1
    nlmsg_pid                                        00000000                   0
NLMSGERR_ATTR_MSG                         0007 0001  6e 6f 00 (00)              \"no\"
NLMSGERR_ATTR_OFFS                        0008 0002  00000014                   20",
    );
}

#[test]
fn an_error_that_repeats_the_request() {
    let request = netfilter(0x0101, 0x5, &FlowKey::new(tuple()));
    let body = [(-2_i32).to_ne_bytes().to_vec(), request].concat();
    assert_text(
        dissect_message(&message(2, 0, &body)),
        "
nlmsghdr
  nlmsg_len                                          0000005c                   92
  nlmsg_type                                         0002                       NLMSG_ERROR
  nlmsg_flags                                        0000                       0
  nlmsg_seq                                          00000001                   1
  nlmsg_pid                                          00000000                   0
nlmsgerr
  error                                              fffffffe                   -2, ENOENT
  nlmsghdr
    nlmsg_len                                        00000048                   72
    nlmsg_type                                       0101                       IPCTNL_MSG_CT_GET
    nlmsg_flags                                      0005                       NLM_F_REQUEST | NLM_F_ACK
    nlmsg_seq                                        00000001                   1
    nlmsg_pid                                        00000000                   0
  nfgenmsg
    nfgen_family                                     02                         AF_INET
    version                                          00                         0
    res_id                                           00 00                      0
  CTA_TUPLE_ORIG                          0034 8001                             nest
    CTA_TUPLE_IP                          0014 8001                             nest
      CTA_IP_V4_SRC                       0008 0001  0a 00 00 01                10.0.0.1
      CTA_IP_V4_DST                       0008 0002  0a 00 00 02                10.0.0.2
    CTA_TUPLE_PROTO                       001c 8002                             nest
      CTA_PROTO_NUM                       0005 0001  11 (00 00 00)              IPPROTO_UDP
      CTA_PROTO_SRC_PORT                  0006 0002  14 e9 (00 00)              5353
      CTA_PROTO_DST_PORT                  0006 0003  00 35 (00 00)              53",
    );
}

#[test]
fn the_end_of_a_dump() {
    let datagram = [message(3, 0x2, &[0; 4]), message(1, 0, &[])].concat();
    assert_text(
        dissect_message(&datagram),
        "
nlmsghdr
  nlmsg_len                                          00000014                   20
  nlmsg_type                                         0003                       NLMSG_DONE
  nlmsg_flags                                        0002                       NLM_F_MULTI
  nlmsg_seq                                          00000001                   1
  nlmsg_pid                                          00000000                   0
error                                                00000000                   0

nlmsghdr
  nlmsg_len                                          00000010                   16
  nlmsg_type                                         0001                       NLMSG_NOOP
  nlmsg_flags                                        0000                       0
  nlmsg_seq                                          00000001                   1
  nlmsg_pid                                          00000000                   0",
    );
}

#[test]
fn what_is_not_declared() {
    let bytes = raw(&[(99, b"\xde\xad\xbe\xef"), (0x8001, &raw(&[(0x804d, b"anything")]))]);
    assert_text(
        dissect(FlowKey::SCHEMA, &bytes),
        "
unknown attribute 99                      0008 0063  de ad be ef
CTA_TUPLE_ORIG                            0010 8001                             nest
  unknown attribute 77                    000c 804d  61 6e 79 74 68 69 6e 67",
    );
    let message = message(0x0a03, 0x1, &[&[7, 0, 0, 1], &raw(&[(0x8001, b"filter\0")])[..]].concat());
    assert_text(
        dissect_message(&message),
        "
nlmsghdr
  nlmsg_len                                          00000020                   32
  nlmsg_type                                         0a03                       subsystem 10, message 3
  nlmsg_flags                                        0001                       NLM_F_REQUEST
  nlmsg_seq                                          00000001                   1
  nlmsg_pid                                          00000000                   0
nfgenmsg
  nfgen_family                                       07                         7
  version                                            00                         0
  res_id                                             00 01                      1
unknown attribute 1                       000b 8001  66 69 6c 74 65 72 00 (00)",
    );
}

#[test]
fn values_of_the_wrong_size() {
    let bytes = raw(&[
        (3, b""),
        (8, b"\0\0\0"),
        (11, b"\0\0\0\x02abc"),
        (18, b"\0"),
        (0x8005, &raw(&[(1, b"ftp"), (2, &[0; 33])])),
        (5, &raw(&[(1, b"0123456789012345\0")])),
        (5, &raw(&[(1, b"sip\xff\"\0\0")])),
        (22, &[0; 17]),
        (0x8004, &raw(&[(0x8001, &raw(&[(1, b"\x0b"), (4, b"\x01")]))])),
        (0x8004, b""),
        (4, b""),
        (0x8001, &raw(&[(0x8001, &raw(&[(1, b"\x01\x02\x03"), (3, b"\x01"), (1, b"\x01\x02\x03\x04\x05")]))])),
        (0x8009, &raw(&[(5, b"")])),
    ]);
    assert_text(
        dissect(Flow::SCHEMA, &bytes),
        "
CTA_STATUS                                0004 0003                             padding
CTA_MARK                                  0007 0008  00 00 00 (00)              3 bytes, expected 4
CTA_USE                                   000b 000b  00 00 00 02 61 62 63 (00)  2 (excess bytes: 3)
CTA_ZONE                                  0005 0012  00 (00 00 00)              1 bytes, expected 2
CTA_HELP                                  0034 8005                             nest
  CTA_HELP_NAME                           0007 0001  66 74 70 (00)              no NUL in 3 bytes, expected a terminated string
  CTA_HELP_INFO                           0025 0002  00 00 00 00 00 00 00 00    33 bytes, expected at most 32
                                                     00 00 00 00 00 00 00 00
                                                     00 00 00 00 00 00 00 00
                                                     00 00 00 00 00 00 00 00
                                                     00 (00 00 00)
CTA_HELP                                  001c 0005                             nest, without NLA_F_NESTED
  CTA_HELP_NAME                           0015 0001  30 31 32 33 34 35 36 37    \"0123456789012345\" (16 bytes, expected at most 15)
                                                     38 39 30 31 32 33 34 35
                                                     00 (00 00 00)
CTA_HELP                                  0010 0005                             nest, without NLA_F_NESTED
  CTA_HELP_NAME                           000b 0001  73 69 70 ff 22 00 00 (00)  \"sip\\xff\\\"\"
CTA_LABELS                                0015 0016  00 00 00 00 00 00 00 00    17 bytes, expected at most 16
                                                     00 00 00 00 00 00 00 00
                                                     00 (00 00 00)
CTA_PROTOINFO                             0018 8004                             nest
  CTA_PROTOINFO_TCP                       0014 8001                             nest
    CTA_PROTOINFO_TCP_STATE               0005 0001  0b (00 00 00)              11
    CTA_PROTOINFO_TCP_FLAGS_ORIGINAL      0005 0004  01 (00 00 00)              1 bytes, expected 2
CTA_PROTOINFO                             0004 8004                             nest, empty
CTA_PROTOINFO                             0004 0004                             nest, empty, without NLA_F_NESTED
CTA_TUPLE_ORIG                            0024 8001                             nest
  CTA_TUPLE_IP                            0020 8001                             nest
    CTA_IP_V4_SRC                         0007 0001  01 02 03 (00)              3 bytes, expected 4
    CTA_IP_V6_SRC                         0005 0003  01 (00 00 00)              1 bytes, expected 16
    CTA_IP_V4_SRC                         0009 0001  01 02 03 04 05 (00 00 00)  1.2.3.4 (excess bytes: 1)
CTA_COUNTERS_ORIG                         0008 8009                             nest
  CTA_COUNTERS_PAD                        0004 0005                             padding",
    );
}

#[test]
fn lengths_that_cannot_be() {
    let mut bytes = raw(&[(8, b"\0\0\0\x01"), (0x8001, &raw(&[(0x8001, &[0; 8])])), (11, b"\0\0\0\x02")]);
    // In CTA_TUPLE_IP there is a length of 0; CTA_USE gets one beyond the end.
    NlAttr::edit(&mut bytes[24..], |header| header.len = 9).unwrap();
    assert_text(
        dissect(Flow::SCHEMA, &bytes),
        "
CTA_MARK                                  0008 0008  00 00 00 01                1
CTA_TUPLE_ORIG                            0010 8001                             nest
  CTA_TUPLE_IP                            000c 8001                             nest
    unknown attribute 0                   0000 0000  00 00 00 00                malformed: attribute length 0, expected 4 to 8
CTA_USE                                   0009 000b  00 00 00 02                malformed: attribute length 9, expected 4 to 8",
    );
    // What is not understood is shown as it travels, in this host's byte order.
    let [first, second] = 16_u16.to_ne_bytes();
    let expected = format!(
        "
CTA_MARK                                  0008 0008  00 00 00 01                1
trailing bytes                                       {first:02x} {second:02x}"
    );
    assert_text(dissect(Flow::SCHEMA, &bytes[..10]), &expected);
}

// What is not understood is shown as it travels, in this host's byte order.
#[test]
#[cfg(target_endian = "little")]
fn messages_that_are_cut() {
    let whole = netfilter(0x0101, 0x5, &FlowKey::new(tuple()));
    assert_text(
        dissect_message(&whole[..30]),
        "
nlmsghdr
  nlmsg_len                                          00000048                   72, expected 16 to 30
  nlmsg_type                                         0101                       IPCTNL_MSG_CT_GET
  nlmsg_flags                                        0005                       NLM_F_REQUEST | NLM_F_ACK
  nlmsg_seq                                          00000001                   1
  nlmsg_pid                                          00000000                   0
nfgenmsg
  nfgen_family                                       02                         AF_INET
  version                                            00                         0
  res_id                                             00 00                      0
CTA_TUPLE_ORIG                            0034 8001  14 00 01 80 08 00          malformed: attribute length 52, expected 4 to 10",
    );
    assert_text(
        dissect_message(&whole[..9]),
        "
truncated nlmsghdr                                   48 00 00 00 01 01 05 00
                                                     01",
    );
    let mut short = whole.clone();
    NlMsgHdr::edit(&mut short, |header| header.len = 15).unwrap();
    assert_text(
        dissect_message(&short[..20]),
        "
nlmsghdr
  nlmsg_len                                          0000000f                   15, expected 16 to 20
  nlmsg_type                                         0101                       IPCTNL_MSG_CT_GET
  nlmsg_flags                                        0005                       NLM_F_REQUEST | NLM_F_ACK
  nlmsg_seq                                          00000001                   1
  nlmsg_pid                                          00000000                   0
malformed                                            02 00 00 00",
    );
    assert_text(
        dissect_message(&message(0x0101, 0x5, &[2, 0, 0])),
        "
nlmsghdr
  nlmsg_len                                          00000013                   19
  nlmsg_type                                         0101                       IPCTNL_MSG_CT_GET
  nlmsg_flags                                        0005                       NLM_F_REQUEST | NLM_F_ACK
  nlmsg_seq                                          00000001                   1
  nlmsg_pid                                          00000000                   0
body                                                 02 00 00",
    );
    assert_text(dissect_message(&[]), "");
}

#[test]
fn offsets_are_those_of_errors() {
    let flow = NewFlow::new(tuple()).help("ftp".parse::<HelperName>().unwrap());
    let bytes = codec::encode(&flow).unwrap();
    let text = format!("{:#}", dissect(NewFlow::SCHEMA, &bytes));
    let named = text.lines().filter_map(|line| line.trim_start().split_once(' ')).map(|(offset, rest)| {
        let name = rest.trim_start().split(' ').next().unwrap().to_owned();
        (offset.parse::<usize>().unwrap(), name)
    });
    let mut lines = 0;
    for (offset, name) in named {
        let path = NewFlow::SCHEMA.path_at(&bytes, offset).unwrap().to_string();
        assert_eq!(path.rsplit('.').next(), Some(&*name), "at {offset}");
        lines += 1;
    }
    assert_eq!(lines, text.lines().count());
}

#[test]
fn what_the_decoder_ignores_is_excess() {
    let flow = Flow::new(tuple(), FlowId([1, 2, 3, 4]));
    let mut bytes = codec::encode(&Flow { id: FlowId([0; 4]), ..flow.clone() }).unwrap();
    let longer = raw(&[(12, &[1, 2, 3, 4, 5])]);
    bytes.extend(&longer);
    assert_eq!(codec::decode(&bytes), Ok(flow));
    assert_text(
        dissect(Flow::SCHEMA, &longer),
        "
CTA_ID                                    0009 000c  01 02 03 04 05 (00 00 00)  (excess bytes: 1)",
    );
}

/// The attribute that tells is read as the decoder reads it: from its first byte, and not where it is padding.
#[test]
fn a_tag_that_is_too_long() {
    let timeouts = UdpTimeouts::new().replied(Seconds(9)).into();
    let tag: &[u8] = &[17, 0];
    let bytes = raw(&[(3, tag), (3, &[]), (0x8004, &codec::encode(&UdpTimeouts::new().replied(Seconds(9))).unwrap())]);
    assert_eq!(codec::decode::<Timeouts>(&bytes), Ok(timeouts));
    assert_text(
        dissect(Timeouts::SCHEMA, &bytes),
        "
CTA_TIMEOUT_L4PROTO                       0006 0003  11 00 (00 00)              IPPROTO_UDP (excess bytes: 1)
CTA_TIMEOUT_L4PROTO                       0004 0003                             padding
CTA_TIMEOUT_DATA                          000c 8004                             nest
  CTA_TIMEOUT_UDP_REPLIED                 0008 0002  00 00 00 09                9",
    );
}

#[test]
fn it_goes_no_deeper_than_the_declarations() {
    // Nests in nests, as deep as an attribute's length allows.
    let mut bytes = Vec::new();
    while bytes.len() < 65_000 {
        bytes = raw(&[(0x8001, &bytes)]);
    }
    let text = dissect(Flow::SCHEMA, &bytes).to_string();
    let depth = text.lines().map(|line| line.len() - line.trim_start().len()).filter(|indent| *indent < 40).max();
    assert_eq!(depth, Some(4), "CTA_TUPLE_ORIG, CTA_TUPLE_IP, CTA_IP_V4_SRC");
    assert!(Stream::new(&bytes).next_attribute().unwrap().is_some());
}
