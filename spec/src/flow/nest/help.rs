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
    /// The helper's private data, at most 32 bytes. The kernel reports it only for helpers in user space. Only an
    /// [update](crate::FlowUpdate::restoring) can set it.
    #[nla(CTA_HELP_INFO)]
    pub info: Option<BoundedBytes<32>>,
}

impl From<HelperName> for Help {
    fn from(name: HelperName) -> Self {
        Self { name, info: None }
    }
}

/// The helper that a new flow gets.
///
/// It has no private data ([`Help::info`]): a creation cannot set that. Linux 5.10 crashes on it, because the flow has no
/// helper yet when `nfnl_cthelper_from_nlattr` (`net/netfilter/nfnetlink_cthelper.c`) asks it for the size of its data;
/// later kernels ignore it. An [update](crate::FlowUpdate::restoring) after the creation sets it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewHelp {
    /// The helper's name, such as `ftp`.
    #[nla(CTA_HELP_NAME)]
    pub name: HelperName,
}

impl From<HelperName> for NewHelp {
    fn from(name: HelperName) -> Self {
        Self { name }
    }
}
