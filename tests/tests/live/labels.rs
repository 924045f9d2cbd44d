//! Names for labels are those that conntrack(8) reads from the same file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{Changes, Conntrack, LabelNames, Labels, NewFlow};

use crate::common::udp;
use crate::differential::no_conntrack;
use crate::{Outcome, cases, holds, same};

cases! {
    names_are_those_of_the_tool unless no_tool,
    names_of_any_file_are_those_of_the_tool unless no_tool,
}

/// Shows the tool a file of the caller's: in a mount namespace, where it is the only file in /etc.
const SHOW: &str = "mount -t tmpfs none /etc && mkdir /etc/xtables && cp \"$0\" /etc/xtables/connlabel.conf \
                    && exec conntrack -L -o labels";

fn no_tool(sandbox: &Sandbox) -> Option<&'static str> {
    let mount = ["-m", "mount", "-t", "tmpfs", "none", "/etc"];
    let can_mount = || Command::new("unshare").args(mount).output().is_ok_and(|output| output.status.success());
    no_conntrack(sandbox).or_else(|| (!can_mount()).then_some("unshare(1) cannot mount a tmpfs"))
}

/// A file that is removed with this.
struct Conf(PathBuf);

impl Conf {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("conntrack-tests-{}-{name}.conf", std::process::id())))
    }

    /// The labels of the only flow, by the names in `text`, as the tool prints them.
    fn theirs(&self, text: &[u8]) -> Result<String, Failure> {
        fs::write(&self.0, text)?;
        let output = Command::new("unshare").args(["-m", "sh", "-c", SHOW]).arg(&self.0).env("TZ", "UTC").output()?;
        holds!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let line = String::from_utf8(output.stdout)?;
        let (_, labels) = line.trim_end_matches('\n').rsplit_once(" labels").ok_or_else(|| format!("{line}: none"))?;
        Ok(labels.to_owned())
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // Nothing else is to be done about it.
        let _ = fs::remove_file(Path::new(&self.0));
    }
}

/// A flow with every label.
fn labelled(ct: &Conntrack) -> Result<NewFlow, Failure> {
    let new = udp(1);
    ct.create(&new)?;
    ct.update(&new.orig.into(), &Changes::new().labels((0..128).collect::<Labels>()))?;
    Ok(new)
}

/// The labels of the only flow, as this library prints them.
fn ours(ct: &Conntrack, text: &str) -> Result<String, Failure> {
    let names = LabelNames::from_conf(text);
    let flow = ct.dump()?.next().ok_or("no flow")??;
    let line = flow.display().labels(&names).to_string();
    Ok(line.rsplit_once(" labels").ok_or("no labels")?.1.to_owned())
}

/// One name at least, without which the tool prints no labels; and what is tried.
const FILES: &[&str] = &[
    "",
    "1 one\n2 two\n",
    "0x10 sixteen\n010 eight\n0X11 seventeen\n",
    "08 zero eight\n",
    "0x no digits\n0xg none either\n",
    "+5 plus\n-1 minus\n-0 minus zero\n",
    "18446744073709551616 beyond\n18446744073709551615 last\n4294967296 wrapped\n",
    "1 first\n1 second\n",
    "1 same\n2 same\n2 other\n",
    "128 beyond\n3 beyond\n",
    "1023 last\n1024 none\n4 none\n5 last\n",
    "1 under_score\n1 good\n",
    "1 dot.ted\n2 col:on\n3 plus+\n4 sl/ash\n5 \u{e9}t\u{e9}\n6 fine-name 7\n",
    "1one\n2-two\n3  three  \n0x4four\n0x5face\n",
    "#1 comment\n #2 no comment\n3 name # comment\n4 # name\n",
    "  5 indented\n\t6\ttabs\tinside\n7\ttab\n\x0b8 vertical\n\x0c9\x0cfeed\n",
    "1 windows\r\n2 more\r\n",
    "1\n2 \n3 three\n",
    "one 1\n4 four\n",
    "1 no newline",
    "1 a,b\n2 'quoted'\n3 \"quoted\"\n",
    "126 a\n127 z\n",
    "1 nul\0 inside\n2\0 two\n\x003 three\n",
];

fn names_are_those_of_the_tool(_: &Sandbox) -> Outcome {
    let (ct, conf) = (Conntrack::open()?, Conf::new("files"));
    labelled(&ct)?;
    let long = format!("1 {}\n2 short\n3 {}4 wrapped\n", "a".repeat(1019), "b".repeat(1021));
    let blanks = format!("5 five{}6 six\n", " ".repeat(1017));
    for text in FILES.iter().copied().chain([&*long, &*blanks]) {
        let text = format!("100 hundred\n{text}");
        same!(ours(&ct, &text)?, conf.theirs(text.as_bytes())?, "{text:?}");
    }
    Ok(())
}

fn names_of_any_file_are_those_of_the_tool(_: &Sandbox) -> Outcome {
    const WORDS: &[&str] = &[
        "0", "1", "7", "8", "12", "x", "0x", "#", "a", "b", "f", "-", "+", "_", " ", "  ", "\t", "\r", "\n", "\n", "\n",
    ];
    let (ct, conf) = (Conntrack::open()?, Conf::new("any"));
    labelled(&ct)?;
    let mut state = 1_u64;
    for _ in 0..60 {
        let mut text = "100 hundred\n".to_owned();
        for _ in 0..60 {
            // Knuth's generator: the same files in every run.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text += WORDS[usize::try_from(state >> 33)? % WORDS.len()];
        }
        same!(ours(&ct, &text)?, conf.theirs(text.as_bytes())?, "{text:?}");
    }
    Ok(())
}
