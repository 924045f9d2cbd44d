//! Runs every example in the sandbox, as its users would.
//!
//! The programs are those that `cargo test` builds beside this one; told to build only this test, it leaves them as they
//! are. Where there can be no sandbox the tests are reported as ignored; with `CONNTRACK_TESTS_SKIP=deny`, as in CI, that
//! is a failure.

mod followers;
mod terminal;
#[path = "../../examples/top/terminal.rs"]
mod top_terminal;

use std::env;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output};

use conntrack::sandbox::{self, Failure, Sandbox};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

type Outcome = Result<(), Failure>;
type Case = (&'static str, fn() -> Outcome);

const EXAMPLES: [&str; 7] = ["list", "watch", "top", "nat-log", "purge", "stats", "replicate"];
const CASES: &[Case] = &[
    ("tour_holds", tour_holds),
    ("all_explain_themselves", all_explain_themselves),
    ("list_prints_what_the_filter_selects", list_prints_what_the_filter_selects),
    ("list_says_what_is_wrong_with_a_filter", list_says_what_is_wrong_with_a_filter),
    ("list_ends_when_nobody_reads", list_ends_when_nobody_reads),
    ("list_needs_no_privilege_in_the_sandbox", list_needs_no_privilege_in_the_sandbox),
    ("list_fails_without_a_sandbox", list_fails_without_a_sandbox),
    ("watch_sees_flows_come_and_go", watch_sees_flows_come_and_go),
    ("top_measures", top_measures),
    ("top_draws_and_quits", terminal::top_draws_and_quits),
    ("top_restores_the_terminal_when_a_signal_ends_it", terminal::top_restores_the_terminal_when_a_signal_ends_it),
    ("top_ends_when_the_terminal_takes_no_output", terminal::top_ends_when_the_terminal_takes_no_output),
    ("top_restores_the_terminal_while_it_is_stopped", terminal::top_restores_the_terminal_while_it_is_stopped),
    ("a_panic_restores_the_terminal", terminal::a_panic_restores_the_terminal),
    ("purge_leaves_the_terminal_as_it_is", terminal::purge_leaves_the_terminal_as_it_is),
    ("nat_log_has_an_end_for_every_start", followers::has_an_end_for_every_start),
    ("nat_log_loses_no_end_in_a_burst", followers::loses_no_end_in_a_burst),
    ("nat_log_does_not_hold_the_kernel", followers::does_not_hold_the_kernel),
    ("nat_log_refuses_criteria_that_flows_cease_to_meet", followers::refuses_criteria_that_flows_cease_to_meet),
    ("watch_does_not_hold_the_kernel", followers::watch_does_not_hold_the_kernel),
    ("replicate_goes_on_when_nobody_reads", followers::replicate_goes_on_when_nobody_reads),
    ("purge_deletes_the_stale_flows_only", purge_deletes_the_stale_flows_only),
    ("stats_are_the_same_in_every_form", stats_are_the_same_in_every_form),
    ("replicate_replicates", replicate_replicates),
    ("dissect_reads_captures_of_either_byte_order", dissect_reads_captures_of_either_byte_order),
];

fn main() -> ExitCode {
    terminal::panic_if_told();
    // Before there are threads: an ordinary user's tests create namespaces on theirs.
    let available = sandbox::enter_user_namespace().and_then(|()| Sandbox::probe());
    let unavailable = available.err().map(|error| conntrack::Report(&error).to_string());
    let denied = env::var_os("CONNTRACK_TESTS_SKIP").is_some_and(|value| value == "deny");
    if let Some(reason) = unavailable.as_ref().filter(|_| !denied) {
        // `cargo test` hides their own messages, because they end successfully.
        eprintln!("SKIPPED the documentation's examples that need a sandbox: {reason}");
    }
    let trial = |(name, body): &Case| {
        let (body, unavailable) = (*body, unavailable.clone());
        let ignored = unavailable.is_some() && !denied;
        if let Some(reason) = unavailable.as_ref().filter(|_| ignored) {
            eprintln!("SKIPPED {name}: {reason}");
        }
        let run = move || match unavailable {
            Some(reason) => Err(Failed::from(format!("skipped, which is not allowed here: {reason}"))),
            None => body().map_err(Failed::from),
        };
        Trial::test(*name, run).with_ignored_flag(ignored)
    };
    libtest_mimic::run(&Arguments::from_args(), CASES.iter().map(trial).collect()).exit_code()
}

/// An example's program: the test's is in `deps`, next to `examples`.
fn program(example: &str) -> Result<PathBuf, Failure> {
    let test = env::current_exe()?;
    let path = test.ancestors().nth(2).ok_or("the test is nowhere")?.join("examples").join(example);
    // `cargo test` builds all of them, unless it is told what to test.
    if path.exists() { Ok(path) } else { Err(format!("no {}: cargo build --examples", path.display()).into()) }
}

/// What an example prints, if it succeeds.
fn run(example: &str, arguments: &[&str]) -> Result<String, Failure> {
    let output = start(example, arguments)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        Err(format!("{example} {arguments:?}: {}, {errors}", output.status).into())
    }
}

fn start(example: &str, arguments: &[&str]) -> Result<Output, Failure> {
    Ok(Command::new(program(example)?).args(arguments).output()?)
}

/// The lines of JSON that an example prints.
fn run_json(example: &str, arguments: &[&str]) -> Result<Vec<Value>, Failure> {
    let text = run(example, &[&["--sandbox", "--json"], arguments].concat())?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn holds(condition: bool, what: impl std::fmt::Debug) -> Outcome {
    if condition { Ok(()) } else { Err(format!("does not hold of {what:?}").into()) }
}

fn tour_holds() -> Outcome {
    // It checks by itself what it shows.
    let text = run("tour", &[])?;
    holds(text.contains("7. Every flow once more"), text)
}

fn all_explain_themselves() -> Outcome {
    for example in EXAMPLES {
        let text = run(example, &["--help"])?;
        holds(text.contains("--sandbox") && text.contains("--json"), text)?;
    }
    Ok(())
}

fn list_prints_what_the_filter_selects() -> Outcome {
    let text = run("list", &["--sandbox", "proto=tcp", "dport=443"])?;
    holds(text.lines().count() == 2 && text.lines().all(|line| line.contains("ESTABLISHED")), text)?;
    let flows = run_json("list", &["family=ipv6", "proto=udp"])?;
    holds(flows.len() == 1 && flows[0]["orig"]["dport"] == 123, &flows)?;
    let count = run_json("list", &["--count"])?;
    holds(count == [Value::from(11)], count)
}

fn list_says_what_is_wrong_with_a_filter() -> Outcome {
    let output = start("list", &["--sandbox", "dport=http"])?;
    let errors = String::from_utf8(output.stderr)?;
    holds(output.status.code() == Some(1) && errors.contains("expected a port"), errors)
}

fn list_ends_when_nobody_reads() -> Outcome {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let mut command = Command::new(program("list")?);
    let output = command.arg("--sandbox").stdout(writer).output()?;
    holds(output.status.success() && output.stderr.is_empty(), output)
}

/// The ordinary user as whom root runs an example.
const NOBODY: u32 = 65534;

fn list_needs_no_privilege_in_the_sandbox() -> Outcome {
    // An ordinary user cannot be another one, and runs all other tests without privilege.
    let ids = std::fs::read_to_string("/proc/self/uid_map")?;
    if ids.split_whitespace().nth(2) == Some("1") {
        return Ok(());
    }
    let copy = env::temp_dir().join(format!("conntrack-examples-list-{}", std::process::id()));
    // Not by this process: what it writes and starts may still be open for writing in what another test starts.
    holds(Command::new("cp").arg(program("list")?).arg(&copy).status()?.success(), "cp")?;
    let as_nobody = |arguments: &[&str]| Command::new(&copy).args(arguments).uid(NOBODY).gid(NOBODY).output();
    let outputs = (as_nobody(&["--sandbox", "--count"]), as_nobody(&[]));
    std::fs::remove_file(&copy)?;

    let (inside, outside) = (outputs.0?, outputs.1?);
    holds(inside.status.success() && inside.stdout == b"11\n", inside)?;
    let errors = String::from_utf8(outside.stderr)?;
    holds(!outside.status.success() && errors.contains("CAP_NET_ADMIN") && errors.contains("--sandbox"), errors)
}

/// Whatever tests may do: who runs an example wants to see it.
fn list_fails_without_a_sandbox() -> Outcome {
    let no_namespaces =
        "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all \"$0\" --sandbox";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", no_namespaces]).arg(program("list")?);
    let output = command.env("CONNTRACK_TESTS_SKIP", "allow").output()?;
    let errors = String::from_utf8(output.stderr)?;
    holds(output.status.code() == Some(1) && errors.contains("error: ") && errors.contains("is 0"), errors)
}

fn watch_sees_flows_come_and_go() -> Outcome {
    let events = run_json("watch", &["--events", "new,destroy", "proto=udp"])?;
    let count = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    holds(count("new") == 2 && count("destroy") == 2 && events.len() == 4, &events)
}

fn top_measures() -> Outcome {
    let refreshes = run_json("top", &["--interval", "0.2", "--refreshes", "2", "--rows", "3"])?;
    holds(refreshes.len() == 2, &refreshes)?;
    for refresh in &refreshes {
        let rates = refresh["busiest"].as_array().ok_or("no flows")?.iter().map(|row| row["bytes_per_second"].as_u64());
        let rates: Vec<_> = rates.collect();
        holds(rates.len() == 3 && rates.is_sorted_by(|left, right| left >= right) && rates[0] > Some(0), rates)?;
    }
    Ok(())
}

fn purge_deletes_the_stale_flows_only() -> Outcome {
    let report = run_json("purge", &["--dry-run"])?;
    holds(report[0]["found"] == 45_000 && report[0]["deleted"] == 0 && report[0]["left"] == 50_000, &report)?;
    let report = run_json("purge", &["--idle", "40"])?;
    holds(report[0]["deleted"] == 20_000 && report[0]["left"] == 30_000, &report)?;
    let report = run_json("purge", &["10.96.0.11:53"])?;
    holds(report[0]["deleted"] == 5_000 && report[0]["left"] == 45_000, &report)
}

fn stats_are_the_same_in_every_form() -> Outcome {
    let inserted = "100 flows created over netlink";
    let json = run_json("stats", &[])?;
    let cpus = json[0]["cpus"].as_array().ok_or("no processors")?;
    let inserts: u64 = cpus.iter().filter_map(|cpu| cpu["insert"].as_u64()).sum();
    holds(inserts == 100 && json[0]["table"]["entries"] == 109, (inserted, &json))?;

    let table = run("stats", &["--sandbox"])?;
    let is_total = |line: &str| line.split_whitespace().take(2).eq(["insert", "100"]);
    holds(table.starts_with("109 flows of ") && table.lines().any(is_total), (inserted, &table))?;

    let text = run("stats", &["--sandbox", "--prometheus"])?;
    let values = text.lines().filter_map(|line| line.strip_prefix("conntrack_insert_total{cpu=")?.split(' ').nth(1));
    let sum: u64 = values.filter_map(|value| value.parse::<u64>().ok()).sum();
    holds(sum == 100 && text.contains("\n# TYPE conntrack_insert_total counter\n"), (inserted, &text))
}

/// A capture of tcpdump, of one request, from a machine of this byte order.
fn capture(is_big_endian: bool) -> Vec<u8> {
    let u32 = |number: u32| if is_big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
    let u16 = |number: u16| if is_big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
    // struct nlmsghdr, struct nfgenmsg, CTA_MARK, CTA_FILTER { CTA_FILTER_ORIG_FLAGS }.
    let message = [
        &u32(44)[..],
        &[u16(0x0101), u16(0x0301)].concat(),
        &[u32(1), u32(0)].concat(),
        &[2, 0, 0, 0],
        &[u16(8), u16(8)].concat(),
        &7_u32.to_be_bytes(),
        &[u16(12), u16(0x8019)].concat(),
        &[u16(8), u16(1)].concat(),
        &u32(2),
    ]
    .concat();
    let length = u32::try_from(16 + message.len()).unwrap_or(0);
    [
        // Magic number, version, time zone, accuracy, length limit, LINKTYPE_NETLINK.
        [u32(0xa1b2_c3d4), u32(0x0002_0004), u32(0), u32(0), u32(65535), u32(253)].concat(),
        [u32(1_700_000_000), u32(0), u32(length), u32(length)].concat(),
        // ARPHRD_NETLINK and NETLINK_NETFILTER, in network byte order everywhere.
        [0, 4, 3, 56, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12].to_vec(),
        message,
    ]
    .concat()
}

fn dissect_reads_captures_of_either_byte_order() -> Outcome {
    let path = env::temp_dir().join(format!("conntrack-examples-dissect-{}", std::process::id()));
    let dissect = |content: &[u8]| -> Result<String, Failure> {
        std::fs::write(&path, content)?;
        run("dissect", &[&path.to_string_lossy()])
    };
    let (ours, theirs) =
        (dissect(&capture(cfg!(target_endian = "big"))), dissect(&capture(cfg!(target_endian = "little"))));
    let program = dissect(b"\x7fELF\x02\x01\x01\x00\xff\xfe\x00\x00\x00\x00\x00\x00");
    std::fs::remove_file(&path)?;
    holds(program.as_ref().is_err_and(|error| error.to_string().contains("neither netlink messages")), &program)?;
    let (ours, theirs) = (ours?, theirs?);
    for said in ["IPCTNL_MSG_CT_GET", "CTA_MARK ", "CTA_FILTER_F_CTA_IP_DST"] {
        holds(ours.contains(said), &ours)?;
    }
    holds(!ours.contains("byte order") && !ours.contains("malformed"), &ours)?;
    let told = "# at 1700000000\n# in the other byte order\n";
    holds(theirs.starts_with(told) && theirs.replace("# in the other byte order\n", "") == ours, &theirs)
}

fn replicate_replicates() -> Outcome {
    let output = start("replicate", &["--sandbox", "--refresh", "1"])?;
    let (lines, errors) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    holds(output.status.success() && errors.contains("10 of 10 flows are in the other namespace, 0 refused"), &errors)?;
    let has = |sign: &str, part: &str| lines.lines().any(|line| line.starts_with(sign) && line.contains(part));
    holds(has("+ tcp", "dst=203.0.113.5") && has("~ tcp", "mark=7") && has("- udp", "src=10.0.0.2"), &lines)
}
