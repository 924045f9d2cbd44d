//! The messages under `captures/`, which a kernel or conntrack(8) really sent. `captures/capture.py` records them.
//!
//! They are those of a little-endian machine: netlink's headers are in host byte order.

use std::fs;
use std::path::Path;

use conntrack::codec::Layout;
use conntrack::header::{HEADERS, NlMsgHdr};

/// One file.
#[derive(Clone, Debug)]
pub struct Capture {
    /// The file's name, without `.hex`.
    pub name: String,
    /// What it holds and the command that produced it, a line each.
    pub about: Vec<String>,
    /// The messages, in the order in which they came.
    pub messages: Vec<Message>,
}

/// One netlink message, its headers taken apart.
#[derive(Clone, Debug)]
pub struct Message {
    /// Everything.
    pub bytes: Vec<u8>,
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
}

impl Message {
    fn new(bytes: Vec<u8>) -> Self {
        let NlMsgHdr { kind, flags, .. } = NlMsgHdr::read(&bytes).unwrap();
        Self { bytes, kind, flags }
    }

    /// The message's number in its subsystem, if it is one of connection tracking's flows.
    #[must_use]
    pub fn flow_message(&self) -> Option<u8> {
        let [subsystem, message] = self.kind.to_be_bytes();
        (subsystem == conntrack::uapi::NFNL_SUBSYS_CTNETLINK).then_some(message)
    }

    /// The attributes: what is behind both headers.
    #[must_use]
    pub fn attributes(&self) -> &[u8] {
        &self.bytes[HEADERS..]
    }
}

/// The capture `name`.
///
/// # Panics
/// There is none, or it is not hex.
#[must_use]
pub fn load(name: &str) -> Capture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name).with_extension("hex");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let about = text.lines().filter_map(|line| line.strip_prefix("# ")).map(str::to_owned).collect();
    let messages = text
        .split("\n\n")
        .map(|paragraph| paragraph.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.trim().is_empty())
        .map(|paragraph| {
            let byte =
                |digits| u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{name}.hex: {digits} is not hex"));
            Message::new(paragraph.split_whitespace().map(byte).collect())
        })
        .collect();
    Capture { name: name.to_owned(), about, messages }
}

/// Every capture, by name.
///
/// # Panics
/// The directory cannot be read.
#[must_use]
pub fn all() -> Vec<Capture> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".hex")?.to_owned()))
        .collect();
    names.sort();
    names.iter().map(|name| load(name)).collect()
}

/// Every flow that the kernel reported, in dumps, replies and events, with the name of its capture.
#[must_use]
pub fn flows() -> Vec<(String, Message)> {
    use conntrack::uapi::{IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_NEW};

    all()
        .into_iter()
        .filter(|capture| !capture.name.starts_with("conntrack-"))
        .flat_map(|capture| capture.messages.into_iter().map(move |message| (capture.name.clone(), message)))
        .filter(|(_, message)| matches!(message.flow_message(), Some(IPCTNL_MSG_CT_NEW | IPCTNL_MSG_CT_DELETE)))
        .collect()
}
