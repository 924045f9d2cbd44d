//! `enum ctattr_secctx`.

use conntrack_derive::{Decode, Encode};

/// The security context that a security module, such as `SELinux`, gave the flow. Decoding it allocates.
///
/// ```text
/// enum ctattr_secctx { CTA_SECCTX_UNSPEC, CTA_SECCTX_NAME };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct SecCtx {
    /// The context's name. Bytes that are not UTF-8 read as `?`.
    #[nla(CTA_SECCTX_NAME)]
    pub name: String,
}
