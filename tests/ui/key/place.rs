//! `also_before` is a hint to another field of the struct.

use conntrack::{Decode, Tuple};

#[derive(Decode)]
struct Unknown {
    #[nla(CTA_ID, also_before = CTA_STATUS)]
    id: u32,
    #[nla(CTA_MARK, also_before = CTA_MARK)]
    mark: Option<u32>,
    #[nla(CTA_USE, also_before)]
    use_count: Option<u32>,
    #[nla(flatten, also_before = CTA_ID)]
    tuple: Tuple,
    #[nla(CTA_ZONE, repeated, send_only)]
    zones: Vec<u16>,
    #[nla(CTA_SECMARK, also_before = CTA_ZONE)]
    sec_mark: Option<u32>,
    #[nla(CTA_TIMEOUT, send_only, also_before = CTA_ID)]
    timeout: Option<u32>,
}

fn main() {}
