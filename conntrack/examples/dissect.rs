//! Explains the netlink messages in a file: every byte, and what it means.
//!
//! `strace -o trace -e trace=%network -e read=all -e write=all conntrack -L; cargo run --example dissect -- trace`

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use conntrack::codec::Layout;
use conntrack::dissect::in_host_order;
use conntrack::dissect_message;
use conntrack::header::NlMsgHdr;
use deku::ctx::Endian;
use deku::no_std_io::Cursor;
use deku::reader::Reader;
use deku::{DekuRead, DekuReader, DekuSize};
use nom::bytes::complete::{tag, take, take_while_m_n};
use nom::character::complete::{hex_digit1, space0};
use nom::combinator::map_res;
use nom::multi::many0;
use nom::sequence::{preceded, separated_pair};
use nom::{AsChar, IResult, Parser as _};

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
        [0xd4, 0xc3, 0xb2, 0xa1, ..] | [0x4d, 0x3c, 0xb2, 0xa1, ..] => capture(content, Endian::Little),
        [0xa1, 0xb2, 0xc3, 0xd4, ..] | [0xa1, 0xb2, 0x3c, 0x4d, ..] => capture(content, Endian::Big),
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
    NlMsgHdr::read(&in_host_order(bytes)).is_ok_and(|header| (16..1 << 16).contains(&header.len))
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

/// What strace printed: a line of each call, and below it the bytes that were read or written, sixteen in a line.
fn trace(text: &str) -> Vec<Datagram> {
    let mut datagrams: Vec<Datagram> = Vec::new();
    let mut call = "";
    for line in text.lines() {
        match dump(line) {
            Ok((_, (offset, bytes))) => {
                if offset == 0 {
                    datagrams.push(Datagram { about: call.to_owned(), bytes: Vec::new() });
                }
                if let Some(datagram) = datagrams.last_mut() {
                    datagram.bytes.extend(bytes);
                }
            }
            // Between a call and its bytes, strace counts the buffers.
            Err(_) if line.starts_with(" * ") => {}
            Err(_) => call = line,
        }
    }
    // Other sockets are traced too.
    datagrams.retain(|datagram| datagram.bytes.len() >= NlMsgHdr::SIZE);
    datagrams
}

/// Parses ` | 00010  00 00 00 00                                       ....             |`: an offset, and the bytes in a
/// column of 49 characters.
fn dump(line: &str) -> IResult<&str, (u64, Vec<u8>)> {
    let offset = map_res(hex_digit1, |digits| u64::from_str_radix(digits, 16));
    let bytes = take(49_usize).and_then(many0(preceded(space0, byte)));
    preceded(tag(" | "), separated_pair(offset, tag(" "), bytes)).parse_complete(line)
}

/// Parses two hex digits.
fn byte(input: &str) -> IResult<&str, u8> {
    map_res(take_while_m_n(2, 2, AsChar::is_hex_digit), |digits| u8::from_str_radix(digits, 16)).parse_complete(input)
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

/// The header of a file of tcpdump (pcap).
#[derive(DekuRead, DekuSize)]
#[deku(endian = "endian", ctx = "endian: Endian")]
struct FileHeader {
    _magic: u32,
    _version: (u16, u16),
    _zone: i32,
    _accuracy: u32,
    _longest: u32,
    link: u32,
}

/// What is in front of each packet.
#[derive(DekuRead, DekuSize)]
#[deku(endian = "endian", ctx = "endian: Endian")]
struct PacketHeader {
    seconds: u32,
    _fraction: u32,
    length: u32,
    _whole_length: u32,
}

/// `LINKTYPE_NETLINK`: what is in front of each netlink message, in network byte order.
#[derive(DekuRead, DekuSize)]
#[deku(endian = "big")]
struct CookedHeader {
    _direction: u16,
    _hardware: u16,
    _unused: [u8; 10],
    protocol: u16,
}

/// Splits a header off the front of a capture.
fn split<'a, T: DekuReader<'a, C> + DekuSize, C>(bytes: &'a [u8], order: C) -> io::Result<(T, &'a [u8])> {
    let short = || invalid("the capture is cut short");
    let (header, rest) = T::SIZE_BYTES.and_then(|size| bytes.split_at_checked(size)).ok_or_else(short)?;
    let header = T::from_reader_with_ctx(&mut Reader::new(Cursor::new(header)), order);
    Ok((header.map_err(|_| short())?, rest))
}

/// A capture of tcpdump, whose numbers are in the byte order of the machine that wrote it.
fn capture(content: &[u8], order: Endian) -> io::Result<Vec<Datagram>> {
    const LINKTYPE_NETLINK: u32 = 253;
    const NETLINK_NETFILTER: u16 = 12;

    let (FileHeader { link, .. }, mut rest) = split(content, order)?;
    if link & 0xffff != LINKTYPE_NETLINK {
        return Err(invalid(format!("a capture of link type {link}, expected netlink's, {LINKTYPE_NETLINK}")));
    }
    let mut datagrams = Vec::new();
    while !rest.is_empty() {
        let (PacketHeader { seconds, length, .. }, packets) = split(rest, order)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (packet, after) = packets.split_at_checked(length).ok_or_else(|| invalid("the capture is cut short"))?;
        // A packet that was captured without its whole header says nothing.
        if let Ok((CookedHeader { protocol: NETLINK_NETFILTER, .. }, message)) = split(packet, ()) {
            datagrams.push(Datagram { about: format!("at {seconds}"), bytes: message.to_vec() });
        }
        rest = after;
    }
    Ok(datagrams)
}
