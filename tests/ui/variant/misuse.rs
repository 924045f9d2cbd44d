//! Variants that are none of the three forms.

#[derive(conntrack::Encode, conntrack::Decode)]
enum ProtoInfo {
    #[nla(CTA_PROTOINFO_TCP)]
    Nothing,
    #[nla(CTA_PROTOINFO_SCTP)]
    Two(u32, u32),
    Silent(u32),
    #[nla(CTA_PROTOINFO_DCCP)]
    Group {
        #[nla(CTA_PROTOINFO_DCCP_STATE)]
        state: u8,
    },
    Empty {},
    #[nla(since = "6.1")]
    New {
        #[nla(CTA_PROTOINFO_SCTP_STATE)]
        state: u8,
    },
    #[nla(flatten)]
    Flat(conntrack::Mark),
}

fn main() {}
