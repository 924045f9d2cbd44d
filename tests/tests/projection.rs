//! Whether a struct fits a message: by tables, and where only the message that arrives tells which one it is.
//!
//! That the methods which name their message do not compile with a struct that does not fit is in `ui/projection`.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conntrack::codec::{BoundedBytes, DecodePayload, Native, NulString, RawAttribute, Wire};
use conntrack::message::{MESSAGES, check_received, check_request, kind};
use conntrack::netlink::{Message, Request};
use conntrack::uapi::{
    ENUMS, IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_CTNETLINK_EXP,
};
use conntrack::{
    Decode, Encode, Error, Expect, Family, Flow, FlowFilter, FlowKey, FlowUpdate, MismatchReason, NewFlow, Status,
    TcpFlags, Timeouts, Tuple, UsageError,
};
use conntrack_tests::generate::{bytes, message};
use conntrack_tests::types::TYPES;

/// Nothing that a request or an answer of the library's own is made of is refused.
#[test]
fn what_is_declared_here_fits_its_messages() {
    let mut seen = HashSet::new();
    for message in MESSAGES {
        for (schema, check) in
            [(message.request, check_request as fn(_, _) -> _), (message.received, check_received as fn(_, _) -> _)]
        {
            let Some(schema) = schema else { continue };
            assert_eq!(check(message.kind(), schema), Ok(()), "{}", message.kernel);
            for of in TYPES.iter().filter(|of| schema.name.split(" or ").any(|name| name == of.schema.name)) {
                assert_eq!(check(message.kind(), of.schema), Ok(()), "{} as {}", message.kernel, of.schema.name);
                seen.insert(of.schema.name);
            }
        }
    }
    // `Changes` is in `FlowUpdate`, `ExtAck` in what is no message of a subsystem.
    let unseen: Vec<_> = TYPES.iter().map(|of| of.schema.name).filter(|name| !seen.contains(name)).collect();
    assert_eq!(unseen, ["Changes", "ExtAck"]);
}

/// The name of a constant tells which C enum it is of.
#[test]
fn names_of_constants_are_unique() {
    let mut seen = HashSet::new();
    for (name, _) in ENUMS.iter().flat_map(|(_, constants)| *constants) {
        assert!(seen.insert(name), "{name} is declared twice");
    }
}

#[derive(Debug, Encode, Decode)]
struct Marked {
    #[nla(CTA_MARK)]
    mark: u16,
}

/// At the outermost level of a message about a flow this is the number of a tuple.
#[derive(Debug, Encode, Decode)]
struct Number {
    #[nla(CTA_PROTO_NUM)]
    number: u8,
}

/// The text of the error, which is about a mismatch.
fn mismatch<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Usage(error @ UsageError::Mismatch(_))) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_are_compared_when_they_arrive() {
    let attributes = bytes(8, false, &7_u32.to_be_bytes());
    let decode = |subsystem, number, attributes: &[u8]| {
        let bytes = message(kind(subsystem, number), 0, Family::IPV4, attributes);
        let (message, _) = Message::split(&bytes).unwrap();
        (message.decode::<Marked>().map(|marked| marked.mark), message.decode::<Number>().map(|number| number.number))
    };
    let (mark, number) = decode(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, &attributes);
    assert_eq!(mismatch(mark), "`Marked` does not fit `Flow`: `mark` declares CTA_MARK as `u16`, and it is `u32`");
    assert_eq!(
        mismatch(number),
        "`Number` does not fit `Flow`: `number` declares CTA_PROTO_NUM as attribute 1, which is CTA_TUPLE_ORIG"
    );
    let (mark, number) = decode(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_CT_NEW, &attributes);
    assert!(
        mismatch(mark).starts_with("`Marked` does not fit `Expect`: `mark` declares CTA_MARK as attribute 8, which")
    );
    mismatch(number).clear();
    // What a message of another subsystem has, its struct says.
    let (mark, _) = decode(10, IPCTNL_MSG_CT_NEW, &attributes);
    assert_eq!(mark.unwrap(), 0);
}

#[test]
fn requests_are_compared_before_they_are_sent() {
    let (marked, number) = (Marked { mark: 7 }, Number { number: 17 });
    let mut datagram = vec![1, 2, 3];
    for kind in [IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE] {
        let request = Request::new("trying", NFNL_SUBSYS_CTNETLINK, kind, &marked);
        let text = mismatch(request.encode(1, &mut datagram));
        assert_eq!(
            text,
            "`Marked` does not fit `FlowKey or FlowFilter`: `mark` declares CTA_MARK as `u16`, and it is `u32`"
        );
        let request = Request::new("trying", NFNL_SUBSYS_CTNETLINK, kind, &number);
        mismatch(request.encode(1, &mut datagram));
    }
    assert_eq!(datagram, [1, 2, 3], "nothing is appended");
    Request::new("trying", 10, 1, &marked).encode(1, &mut datagram).unwrap();
}

/// Whether a struct with `CTA_MARK` as `Declared` fits one that has it as `Known`.
macro_rules! fits {
    ($declared:ty, $known:ty) => {{
        #[derive(Decode)]
        struct Declared(#[nla(CTA_MARK)] $declared);
        #[derive(Decode)]
        struct Known(#[nla(CTA_MARK)] $known);
        let _ = (|value: Declared| value.0, |value: Known| value.0);
        Declared::SCHEMA.mismatch(Known::SCHEMA).is_none()
    }};
}

macro_rules! table {
    ($($declared:ty, $known:ty => $expected:literal;)*) => {$(
        assert_eq!(fits!($declared, $known), $expected, "{} as {}", stringify!($known), stringify!($declared));
    )*};
}

#[derive(Decode)]
#[nla(transparent)]
struct Wrapped(u32);

#[test]
fn wire_types() {
    let _ = |value: Wrapped| value.0;
    table! {
        u32, u32 => true;
        Option<u32>, u32 => true;
        u32, Option<u32> => true;
        Wrapped, u32 => true;
        u32, Wrapped => true;
        Status, u32 => true;
        u32, Status => true;
        u16, u32 => false;
        u64, u32 => false;
        i32, u32 => false;
        u32, i32 => false;
        Native<u32>, u32 => false;
        u32, Native<u32> => false;
        Native<u8>, u8 => true;
        // Bytes hold whatever is not longer, and not shorter.
        Vec<u8>, Vec<u8> => true;
        Vec<u8>, Tuple => true;
        Vec<u8>, String => true;
        [u8; 4], u32 => true;
        [u8; 2], u32 => false;
        [u8; 5], u32 => false;
        [u8; 4], Ipv4Addr => true;
        [u8; 16], IpAddr => false;
        BoundedBytes<16>, Vec<u8> => false;
        BoundedBytes<16>, NulString<15> => true;
        BoundedBytes<15>, NulString<15> => false;
        BoundedBytes<15>, BoundedBytes<16> => false;
        BoundedBytes<17>, BoundedBytes<16> => true;
        [u8; 2], TcpFlags => true;
        // An empty attribute is a value of theirs, and padding where the message has one that is never empty.
        Vec<u8>, u32 => false;
        Vec<u8>, Status => false;
        Vec<u8>, Native<u64> => false;
        Vec<u8>, Ipv4Addr => false;
        Vec<u8>, IpAddr => false;
        Vec<u8>, TcpFlags => false;
        Vec<u8>, [u8; 4] => false;
        BoundedBytes<4>, u32 => false;
        BoundedBytes<4>, Status => false;
        BoundedBytes<16>, IpAddr => false;
        BoundedBytes<4>, [u8; 4] => false;
        // Bytes without an order may be a number.
        u32, [u8; 4] => true;
        Native<u32>, [u8; 4] => true;
        u16, [u8; 4] => false;
        u32, BoundedBytes<4> => false;
        i32, [u8; 4] => false;
        TcpFlags, TcpFlags => true;
        TcpFlags, [u8; 2] => true;
        TcpFlags, u16 => false;
        u16, TcpFlags => false;
        Ipv4Addr, u32 => false;
        u32, Ipv4Addr => false;
        IpAddr, Ipv4Addr => true;
        IpAddr, Ipv6Addr => true;
        Ipv4Addr, IpAddr => false;
        Ipv4Addr, Ipv6Addr => false;
        Ipv6Addr, [u8; 16] => false;
        String, NulString<15> => true;
        NulString<15>, NulString<15> => true;
        NulString<14>, NulString<15> => false;
        NulString<15>, String => true;
        String, Vec<u8> => false;
        Tuple, Tuple => true;
        Tuple, Flow => false;
        Tuple, Vec<u8> => false;
        Tuple, u32 => false;
        u32, Tuple => false;
    }
}

#[test]
fn lists() {
    const FIRST: u16 = 10;
    const SECOND: u16 = 11;
    const LAST: u16 = 13;
    const BEHIND: u16 = 14;

    macro_rules! list {
        ($($name:ident: $attribute:meta $type:ty;)*) => {$(
            #[derive(Decode)]
            struct $name(#[$attribute] $type);
            let _ = |value: $name| value.0;
        )*};
    }
    list! {
        Range: nla(FIRST..=LAST) Vec<u16>;
        Gaps: nla(FIRST..=LAST) Vec<Option<u16>>;
        Begin: nla(FIRST..=SECOND) Vec<u16>;
        First: nla(FIRST) Option<u16>;
        Second: nla(SECOND) Option<u16>;
        Beyond: nla(FIRST..=BEHIND) Vec<u16>;
        Narrow: nla(SECOND) Option<u8>;
        Repeated: nla(FIRST, repeated) Vec<u16>;
        Behind: nla(BEHIND) Option<u16>;
    }
    for (schema, fits) in [
        (Range::SCHEMA, true),
        (Gaps::SCHEMA, true),
        (Begin::SCHEMA, true),
        (First::SCHEMA, true),
        (Second::SCHEMA, true),
        (Behind::SCHEMA, true),
        (Beyond::SCHEMA, false),
        (Narrow::SCHEMA, false),
        (Repeated::SCHEMA, false),
    ] {
        assert_eq!(schema.mismatch(Range::SCHEMA).is_none(), fits, "{}", schema.name);
    }
    let reason = Range::SCHEMA.mismatch(Repeated::SCHEMA).map(|mismatch| mismatch.reason);
    assert!(matches!(reason, Some(MismatchReason::List)), "{reason:?}");
    let reason = First::SCHEMA.mismatch(Repeated::SCHEMA).map(|mismatch| mismatch.reason);
    assert!(matches!(reason, Some(MismatchReason::List)), "{reason:?}");
}

/// The nest of a timeout policy, and one that fits none of its protocols.
#[test]
fn nests_that_another_attribute_selects() {
    const SELECTED: u16 = conntrack::uapi::CTA_TIMEOUT_DATA;
    const UNKNOWN: u16 = 1;

    #[derive(Decode)]
    struct Udp {
        #[nla(CTA_TIMEOUT_DATA)]
        data: Option<conntrack::UdpTimeouts>,
    }
    #[derive(Decode)]
    struct Wrong {
        #[nla(CTA_TIMEOUT_DATA)]
        data: Option<Inside>,
    }
    #[derive(Decode)]
    struct Inside {
        #[nla(UNKNOWN)]
        number: Option<u8>,
    }
    #[derive(Decode)]
    struct Renamed {
        #[nla(SELECTED)]
        data: Option<Vec<u8>>,
    }
    let _ =
        (|value: Udp| value.data, |value: Wrong| value.data, |value: Inside| value.number, |value: Renamed| value.data);
    assert!(Udp::SCHEMA.mismatch(Timeouts::SCHEMA).is_none());
    assert!(Timeouts::SCHEMA.mismatch(Timeouts::SCHEMA).is_none());
    assert!(Wrong::SCHEMA.mismatch(Timeouts::SCHEMA).is_some());
    assert!(matches!(
        Renamed::SCHEMA.mismatch(Timeouts::SCHEMA).map(|mismatch| mismatch.reason),
        Some(MismatchReason::Number { kernel: "CTA_TIMEOUT_DATA" })
    ));
}

#[test]
fn other_messages_do_not_fit() {
    for (declared, message) in [
        (Expect::SCHEMA, Flow::SCHEMA),
        (Flow::SCHEMA, Expect::SCHEMA),
        (Tuple::SCHEMA, Flow::SCHEMA),
        (Timeouts::SCHEMA, Flow::SCHEMA),
    ] {
        assert!(declared.mismatch(message).is_some(), "{} as {}", message.name, declared.name);
    }
    // Requests are made of the same attributes.
    for declared in [NewFlow::SCHEMA, FlowUpdate::SCHEMA, FlowKey::SCHEMA, FlowFilter::SCHEMA] {
        assert_eq!(declared.mismatch(Flow::SCHEMA), None);
    }
}

/// An attribute of another nest, whose number the message does not have: it would only never come.
#[test]
fn attributes_of_other_nests_are_told_from_new_ones() {
    const CTA_OF_TOMORROW: u16 = 90;

    mod own {
        pub(super) const CTA_FILTER: u16 = 91;
    }

    macro_rules! reason {
        ($constant:path, $message:ty) => {{
            #[derive(Decode)]
            struct Declared(#[nla($constant)] Option<Vec<u8>>);
            let _ = |value: Declared| value.0;
            Declared::SCHEMA.mismatch(<$message>::SCHEMA).map(|mismatch| mismatch.reason)
        }};
    }

    assert!(reason!(CTA_OF_TOMORROW, Flow).is_none());
    assert!(reason!(CTA_OF_TOMORROW, Tuple).is_none());
    // Of the same enum: only requests have it.
    assert!(reason!(CTA_FILTER, Flow).is_none());
    let expected = MismatchReason::Nest { declares: "ctattr_type", expected: "ctattr_tuple" };
    assert_eq!(format!("{:?}", reason!(CTA_ID, Tuple).unwrap()), format!("{expected:?}"));
    assert!(matches!(reason!(CTA_ID, Expect), Some(MismatchReason::Nest { .. })));
    assert!(matches!(reason!(own::CTA_FILTER, Flow), Some(MismatchReason::Name { number: 25 })));
}

#[test]
fn the_wire_type_is_told_in_words() {
    #[derive(Decode)]
    struct Known {
        #[nla(CTA_MARK)]
        mark: Option<RawAttributeOf>,
    }
    #[derive(Decode)]
    struct RawAttributeOf {
        #[nla(rest)]
        rest: Vec<RawAttribute>,
    }
    let _ = (|value: Known| value.mark, |value: RawAttributeOf| value.rest);
    assert_eq!(
        Flow::SCHEMA.mismatch(Known::SCHEMA).unwrap().to_string(),
        "`Flow` does not fit `Known`: `mark` declares CTA_MARK as `u32`, and it is `RawAttributeOf`, a nest"
    );
    let text = Known::SCHEMA.mismatch(Flow::SCHEMA).unwrap().to_string();
    assert_eq!(
        text,
        "`Known` does not fit `Flow`: `mark` declares CTA_MARK as `RawAttributeOf`, a nest, and it is `u32`"
    );
    assert!(matches!(<Native<u16>>::WIRE, Wire::Unsigned { size: 2, .. }));
}
