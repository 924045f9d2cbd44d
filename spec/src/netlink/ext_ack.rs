//! `enum nlmsgerr_attrs` and `enum netlink_policy_type_attr`: what the kernel says beside an error number.

use conntrack_derive::{Decode, Encode};

use crate::codec::Native;

/// What follows an error, an acknowledgement or the end of a dump that has `NLM_F_ACK_TLVS`, on a socket with
/// `NETLINK_EXT_ACK`. Its numbers are in host byte order.
///
/// ```text
/// enum nlmsgerr_attrs { NLMSGERR_ATTR_UNUSED, NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS, NLMSGERR_ATTR_COOKIE,
///                       NLMSGERR_ATTR_POLICY, NLMSGERR_ATTR_MISS_TYPE, NLMSGERR_ATTR_MISS_NEST };
/// ```
///
/// Connection tracking only has it for the outermost attributes: an error further inside is a bare number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ExtAck {
    /// The error in words; with success, a warning. Bytes that are not UTF-8 read as `?`.
    #[nla(NLMSGERR_ATTR_MSG)]
    pub message: Option<String>,
    /// Where the attribute's header is that is wrong: bytes from the start of the request, its two headers of 20 bytes
    /// included. [`Schema::path_at`](crate::codec::Schema::path_at) names the attribute.
    #[nla(NLMSGERR_ATTR_OFFS)]
    pub offset: Option<Native<u32>>,
    /// With success, what identifies an object that was made. Not used by netfilter.
    #[nla(NLMSGERR_ATTR_COOKIE)]
    pub cookie: Option<Vec<u8>>,
    /// What the attribute must be like.
    #[nla(NLMSGERR_ATTR_POLICY, since = "5.10")]
    pub policy: Option<AttributePolicy>,
    /// The number of the attribute that is missing.
    #[nla(NLMSGERR_ATTR_MISS_TYPE, since = "6.1")]
    pub missing: Option<Native<u32>>,
    /// Where the header of the nest is that lacks it, counted like [`offset`](Self::offset); absent if the message does.
    #[nla(NLMSGERR_ATTR_MISS_NEST, since = "6.1")]
    pub missing_in: Option<Native<u32>>,
}

/// What the kernel accepts in an attribute (`net/netlink/policy.c`). In host byte order.
///
/// ```text
/// enum netlink_policy_type_attr { NL_POLICY_TYPE_ATTR_UNSPEC, NL_POLICY_TYPE_ATTR_TYPE, … };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[nla(pad(NL_POLICY_TYPE_ATTR_PAD))]
pub struct AttributePolicy {
    /// `enum netlink_attribute_type`: 2 to 5 are unsigned integers of 8, 16, 32 and 64 bits, 6 to 9 signed ones, 10 is
    /// binary, 11 a string, 12 a NUL-terminated one, 13 a nest.
    #[nla(NL_POLICY_TYPE_ATTR_TYPE)]
    pub kind: Option<Native<u32>>,
    /// The least value of a signed integer.
    #[nla(NL_POLICY_TYPE_ATTR_MIN_VALUE_S)]
    pub min_signed: Option<Native<i64>>,
    /// The greatest value of a signed integer.
    #[nla(NL_POLICY_TYPE_ATTR_MAX_VALUE_S)]
    pub max_signed: Option<Native<i64>>,
    /// The least value of an unsigned integer.
    #[nla(NL_POLICY_TYPE_ATTR_MIN_VALUE_U)]
    pub min_unsigned: Option<Native<u64>>,
    /// The greatest value of an unsigned integer.
    #[nla(NL_POLICY_TYPE_ATTR_MAX_VALUE_U)]
    pub max_unsigned: Option<Native<u64>>,
    /// The fewest bytes.
    #[nla(NL_POLICY_TYPE_ATTR_MIN_LENGTH)]
    pub min_length: Option<Native<u32>>,
    /// The most bytes.
    #[nla(NL_POLICY_TYPE_ATTR_MAX_LENGTH)]
    pub max_length: Option<Native<u32>>,
    /// Of a nest: which policy its attributes have.
    #[nla(NL_POLICY_TYPE_ATTR_POLICY_IDX)]
    pub policy: Option<Native<u32>>,
    /// Of a nest: the highest number of its attributes.
    #[nla(NL_POLICY_TYPE_ATTR_POLICY_MAXTYPE)]
    pub max_number: Option<Native<u32>>,
    /// The valid bits of a `struct nla_bitfield32`.
    #[nla(NL_POLICY_TYPE_ATTR_BITFIELD32_MASK)]
    pub bitfield32_mask: Option<Native<u32>>,
    /// The valid bits of an unsigned integer.
    #[nla(NL_POLICY_TYPE_ATTR_MASK)]
    pub mask: Option<Native<u64>>,
}
