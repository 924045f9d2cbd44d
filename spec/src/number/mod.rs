//! Numbers of protocols and address families.

mod family;
mod l3_protocol;
mod protocol;

pub use family::Family;
pub use l3_protocol::L3Protocol;
pub use protocol::Protocol;
