//! The numbers of netlink's own header (`include/uapi/linux/netlink.h`, `linux/netfilter/nfnetlink.h`).

#[doc(hidden)]
pub mod errno;
mod ext_ack;
pub mod header;
pub mod message;
mod no_attributes;

pub use ext_ack::{AttributePolicy, ExtAck};
pub use no_attributes::NoAttributes;

use crate::codec::Name;

/// Declares constants, and tables of their names.
macro_rules! names {
    ($($(#[$table_meta:meta])* $table:ident {
        $($(#[doc = $doc:literal])* $name:ident = $value:literal;)*
    })*) => {
        $(
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                $(#[doc = ""] #[doc = $doc])*
                pub const $name: u16 = $value;
            )*

            $(#[$table_meta])*
            pub const $table: &[Name] = &[$(Name { value: $value, kernel: stringify!($name) }),*];
        )*
    };
}

names! {
    /// The message types that mean the same in every netlink protocol, and those in every netfilter subsystem.
    CONTROL {
        /// Nothing.
        NLMSG_NOOP = 1;
        /// An error, or success: an acknowledgement.
        NLMSG_ERROR = 2;
        /// The end of a dump.
        NLMSG_DONE = 3;
        /// Messages were lost.
        NLMSG_OVERRUN = 4;
        /// Messages that are executed all or not at all begin. Only `nf_tables` takes it.
        NFNL_MSG_BATCH_BEGIN = 16;
        /// They end.
        NFNL_MSG_BATCH_END = 17;
    }

    /// The flags that every message can have.
    FLAGS {
        /// To be executed.
        NLM_F_REQUEST = 0x1;
        /// One of several. Netfilter sets it on single replies too, which no `NLMSG_DONE` follows.
        NLM_F_MULTI = 0x2;
        /// Success is to be answered too.
        NLM_F_ACK = 0x4;
        /// The requester is to be sent the event that it causes.
        NLM_F_ECHO = 0x8;
        /// The table changed while it was dumped. Connection tracking never sets it.
        NLM_F_DUMP_INTR = 0x10;
        /// The dump was filtered.
        NLM_F_DUMP_FILTERED = 0x20;
    }

    /// The flags of a request to get something.
    GET_FLAGS {
        /// All of them. For connection tracking one of its two bits is enough.
        NLM_F_DUMP = 0x300;
        /// Half of `NLM_F_DUMP`.
        NLM_F_ROOT = 0x100;
        /// Half of `NLM_F_DUMP`.
        NLM_F_MATCH = 0x200;
        /// Unused.
        NLM_F_ATOMIC = 0x400;
    }

    /// The flags of a request to create or change something, and of an event that says it was.
    NEW_FLAGS {
        /// Replace what is there.
        NLM_F_REPLACE = 0x100;
        /// Fail if it is there.
        NLM_F_EXCL = 0x200;
        /// Create it if it is not there.
        NLM_F_CREATE = 0x400;
        /// Put it at the end.
        NLM_F_APPEND = 0x800;
    }

    /// The flags of a request to delete something.
    DELETE_FLAGS {
        /// Not what is in it.
        NLM_F_NONREC = 0x100;
        /// Several.
        NLM_F_BULK = 0x200;
    }

    /// The flags of `NLMSG_ERROR` and `NLMSG_DONE`.
    ACK_FLAGS {
        /// Only the request's header is repeated.
        NLM_F_CAPPED = 0x100;
        /// [`ExtAck`] follows.
        NLM_F_ACK_TLVS = 0x200;
    }
}
