//! Explains the netlink messages in a file: every byte, and what it means.
//!
//! `strace -o trace -e trace=%network -e read=all -e write=all conntrack -L; cargo run --example dissect -- trace`

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use conntrack::dissect::in_host_order;
use conntrack::dissect_message;

/// Explains the netlink messages of netfilter in a file, byte by byte
///
/// The file is what strace wrote with `-e read=all -e write=all`, a capture of tcpdump on an `nlmon` interface, hex with
/// or without comments, or the messages themselves; the program recognises which. It may come from a machine of the
/// other byte order.
#[derive(Debug, Parser)]
#[command(
    name = "dissect",
    after_help = "\
Examples:
  strace -o trace -e trace=%network -e read=all -e write=all conntrack -L; dissect trace
  ip link add nlmon0 type nlmon; ip link set nlmon0 up; tcpdump -i nlmon0 -w capture; dissect capture
  echo '14000000 01010103 01000000 00000000 00000000' | dissect -"
)]
struct Args {
    /// The file; `-` is the standard input
    file: PathBuf,
    /// Print before each line the byte at which it begins
    #[arg(long, short)]
    offsets: bool,
}

/// A datagram, and the line that tells where it comes from.
#[derive(Debug, Default)]
struct Datagram {
    about: String,
    bytes: Vec<u8>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", args.file.display());
            ExitCode::FAILURE
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn run(args: &Args) -> io::Result<()> {
    let content = if args.file.as_os_str() == "-" {
        let mut content = Vec::new();
        io::stdin().read_to_end(&mut content)?;
        content
    } else {
        fs::read(&args.file)?
    };
    let mut output = io::stdout().lock();
    for Datagram { about, bytes } in datagrams(&content)? {
        let bytes = in_host_order(&bytes);
        if !about.is_empty() {
            writeln!(output, "# {about}")?;
        }
        if matches!(bytes, Cow::Owned(_)) {
            writeln!(output, "# in the other byte order")?;
        }
        let dissection = dissect_message(&bytes);
        if args.offsets {
            writeln!(output, "{dissection:#}\n")?;
        } else {
            writeln!(output, "{dissection}\n")?;
        }
    }
    Ok(())
}

/// The datagrams in a file of whatever kind.
fn datagrams(content: &[u8]) -> io::Result<Vec<Datagram>> {
    match content {
        // The magic numbers of pcap: microseconds and nanoseconds, in either byte order.
        [0xd4, 0xc3, 0xb2, 0xa1, ..] | [0x4d, 0x3c, 0xb2, 0xa1, ..] => capture(content, u32::from_le_bytes),
        [0xa1, 0xb2, 0xc3, 0xd4, ..] | [0xa1, 0xb2, 0x3c, 0x4d, ..] => capture(content, u32::from_be_bytes),
        [0x0a, 0x0d, 0x0d, 0x0a, ..] => Err(invalid("a pcapng file: convert it with `editcap -F pcap`")),
        _ => match std::str::from_utf8(content) {
            Ok(text) if text.lines().any(|line| line.starts_with(" | ")) => Ok(trace(text)),
            Ok(text) if text.bytes().all(|byte| byte == b'\n' || byte == b'\t' || !byte.is_ascii_control()) => {
                hex(text)
            }
            _ if !is_message(content) => Err(invalid("neither netlink messages nor text nor a capture")),
            _ => Ok(vec![Datagram { about: String::new(), bytes: content.to_vec() }]),
        },
    }
}

/// Whether bytes begin with a message of netlink, in either byte order: with its length. It may be cut.
fn is_message(bytes: &[u8]) -> bool {
    let length = in_host_order(bytes).first_chunk().map(|length| u32::from_ne_bytes(*length));
    length.is_some_and(|length| (16..1 << 16).contains(&length))
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

/// What strace printed: a line of each call, and below it the bytes that were read or written, sixteen in a line.
fn trace(text: &str) -> Vec<Datagram> {
    let mut datagrams: Vec<Datagram> = Vec::new();
    let mut call = "";
    for line in text.lines() {
        match line.strip_prefix(" | ") {
            Some(dump) => {
                // The offset, two blanks, and at most 16 bytes with a blank behind each and one more in the middle.
                let digits = dump.split_once(' ').map_or("", |(_, rest)| rest.get(1..49).unwrap_or_default());
                if dump.trim_start_matches('0').starts_with(' ') {
                    datagrams.push(Datagram { about: call.to_owned(), bytes: Vec::new() });
                }
                if let Some(datagram) = datagrams.last_mut() {
                    datagram
                        .bytes
                        .extend(digits.split_whitespace().filter_map(|pair| u8::from_str_radix(pair, 16).ok()));
                }
            }
            // Between a call and its bytes, strace counts the buffers.
            None if line.starts_with(" * ") => {}
            None => call = line,
        }
    }
    // Other sockets are traced too, and a message is 16 bytes at least.
    datagrams.retain(|datagram| datagram.bytes.len() >= 16);
    datagrams
}

/// Hex digits, with blanks wherever one likes; `#` begins a comment, an empty line the next datagram.
fn hex(text: &str) -> io::Result<Vec<Datagram>> {
    let mut datagrams = Vec::new();
    let mut about = String::new();
    for paragraph in text.split("\n\n") {
        let (comments, lines): (Vec<_>, Vec<_>) =
            paragraph.lines().partition(|line| line.trim_start().starts_with('#'));
        let digits: Vec<_> = lines.concat().bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let pairs = digits.chunks(2).map(|pair| {
            let pair = String::from_utf8_lossy(pair);
            u8::from_str_radix(&pair, 16).map_err(|_| invalid(format!("{pair:?} is not hex")))
        });
        let bytes = pairs.collect::<Result<Vec<_>, _>>()?;
        let comments: Vec<_> = comments.iter().map(|line| line.trim_start_matches(['#', ' '])).collect();
        // Comments may stand apart from what they are about.
        about += &comments.join(" ");
        if !bytes.is_empty() {
            datagrams.push(Datagram { about: std::mem::take(&mut about), bytes });
        }
    }
    Ok(datagrams)
}

/// A capture of tcpdump: a header of 24 bytes; for each packet one of 16; for each netlink packet one more of 16, which
/// ends with the netlink protocol.
fn capture(content: &[u8], number: fn([u8; 4]) -> u32) -> io::Result<Vec<Datagram>> {
    const LINKTYPE_NETLINK: u32 = 253;
    const NETLINK_NETFILTER: u8 = 12;

    let short = || invalid("the capture is cut short");
    let number = |bytes: &[u8], at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map(|bytes| number(*bytes));
    let link = number(content, 20).ok_or_else(short)?;
    if link & 0xffff != LINKTYPE_NETLINK {
        return Err(invalid(format!("a capture of link type {link}, expected netlink's, {LINKTYPE_NETLINK}")));
    }
    let mut rest = content.get(24..).ok_or_else(short)?;
    let mut datagrams = Vec::new();
    while !rest.is_empty() {
        let (seconds, length) = number(rest, 0).zip(number(rest, 8)).ok_or_else(short)?;
        let end = 16_usize.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        let packet = rest.get(16..end).ok_or_else(short)?;
        if let Some((header, message)) = packet.split_first_chunk::<16>()
            && header.ends_with(&[0, NETLINK_NETFILTER])
        {
            datagrams.push(Datagram { about: format!("at {seconds}"), bytes: message.to_vec() });
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    Ok(datagrams)
}
