//! The example `dissect` finds the same message in every kind of file that it reads.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};

/// A dump of all flows: `conntrack -L`.
const REQUEST: [u8; 20] = [
    0x14, 0, 0, 0, 0x01, 0x01, 0x01, 0x03, 0xde, 0xe8, 0x03, 0x6b, 0, 0, 0, 0, //
    0, 0, 0, 0,
];

/// What the example prints about the file, which it reads from its standard input, and whether it succeeds.
fn dissect(file: &[u8]) -> (String, bool) {
    // The test's program is in `deps`, next to `examples`.
    let mut program = env::current_exe().unwrap();
    program.pop();
    program.pop();
    program.push("examples/dissect");
    let mut child = Command::new(program)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the example is built with the tests");
    child.stdin.take().unwrap().write_all(file).unwrap();
    let output = child.wait_with_output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (String::from_utf8(printed).unwrap(), output.status.success())
}

/// It printed the request, which comes from `about`.
fn explains(file: &[u8], about: &str) {
    let (printed, succeeded) = dissect(file);
    let request = conntrack::dissect_message(&REQUEST).to_string();
    assert!(succeeded && request.contains("IPCTNL_MSG_CT_GET"), "{printed}");
    let title = if about.is_empty() { String::new() } else { format!("# {about}\n") };
    assert_eq!(printed, format!("{title}{request}\n\n"));
}

#[test]
fn messages() {
    explains(&REQUEST, "");
}

#[test]
fn hex() {
    explains(
        b"# the first\n# of all\n14000000 01010103\n  dee8036b 00000000\n  00 00 00 00\n\n# nothing\n",
        "the first of all",
    );
    assert_eq!(dissect(b"14 0g"), ("-: \"0g\" is not hex\n".to_owned(), false));
}

#[test]
fn strace() {
    let trace = "\
7 sendto(3, [{nlmsg_len=20, …}], 20, 0, {sa_family=AF_NETLINK, …}, 12) = 20
 | 00000  14 00 00 00 01 01 01 03  de e8 03 6b 00 00 00 00  ...........k.... |
 | 00010  00 00 00 00                                       ....             |
7 write(1, \"be\", 2) = 2
 | 00000  62 65                                             be               |
7 +++ exited with 0 +++
";
    explains(trace.as_bytes(), "7 sendto(3, [{nlmsg_len=20, …}], 20, 0, {sa_family=AF_NETLINK, …}, 12) = 20");
}

#[test]
fn captures() {
    for order in [u32::to_le_bytes as fn(u32) -> [u8; 4], u32::to_be_bytes] {
        let numbers = |numbers: &[u32]| numbers.iter().flat_map(|number| order(*number)).collect::<Vec<_>>();
        let mut file = numbers(&[0xa1b2_c3d4, 0, 0, 0, 0xffff, 253]);
        for (family, seconds) in [(0, 6), (12, 7)] {
            file.extend(numbers(&[seconds, 0, 36, 36]));
            file.extend([0, 4, 0x03, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, family]);
            file.extend(REQUEST);
        }
        explains(&file, "at 7");
        let (printed, succeeded) = dissect(&file[..file.len() - 1]);
        assert!(printed.contains("cut short") && !succeeded, "{printed}");
    }
}
