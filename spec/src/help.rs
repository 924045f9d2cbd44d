//! `enum ctattr_help`.

use conntrack_derive::{Decode, Encode};

use crate::codec::{BoundedBytes, NulString};

/// The name of a helper: at most 15 bytes (`NF_CT_HELPER_NAME_LEN`), unless a newer kernel reports a longer one.
pub type HelperName = NulString<15>;

/// The helper of a flow: the code that reads its payload and announces the flows that belong to it.
///
/// ```text
/// enum ctattr_help { CTA_HELP_UNSPEC, CTA_HELP_NAME, CTA_HELP_INFO };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Help {
    /// Which helper, such as `ftp`. In an update the empty name removes the helper, for good.
    #[nla(CTA_HELP_NAME)]
    pub name: HelperName,
    /// The helper's private data, at most 32 bytes; reported only by helpers in user space.
    #[nla(CTA_HELP_INFO)]
    pub info: Option<BoundedBytes<32>>,
}

impl From<HelperName> for Help {
    fn from(name: HelperName) -> Self {
        Self { name, info: None }
    }
}
