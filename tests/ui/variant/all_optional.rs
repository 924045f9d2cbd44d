//! Groups of which no attribute may be left.

#[derive(conntrack::Encode, conntrack::Decode)]
enum Choice {
    Optional {
        #[nla(CTA_MARK)]
        mark: Option<u32>,
        #[nla(CTA_ZONE)]
        zone: Option<u16>,
    },
    List {
        #[nla(CTA_LABELS, repeated)]
        labels: Vec<u16>,
    },
    OneWay {
        #[nla(CTA_USE, receive_only)]
        count: u32,
        #[nla(CTA_ID, send_only)]
        id: u32,
    },
    Fine {
        #[nla(CTA_TIMEOUT)]
        timeout: u32,
        #[nla(CTA_STATUS)]
        status: Option<u32>,
    },
}

/// What is only decoded may be any of them.
#[derive(conntrack::Decode)]
enum Decoded {
    Optional {
        #[nla(CTA_MARK)]
        mark: Option<u32>,
        #[nla(CTA_ZONE)]
        zone: Option<u16>,
    },
}

fn main() {}
