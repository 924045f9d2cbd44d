//! Requests that say everything in their header.

use conntrack_derive::{Decode, Encode};

/// No attributes: a request for all there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct NoAttributes {}
