//! The page about adding an attribute is true: what it says is done, on a copy of the sources, and what it promises is
//! what happens.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is copied of the workspace.
const SOURCES: &[&str] = &["Cargo.toml", "Cargo.lock", "README.md", "conntrack-derive", "spec", "conntrack", "tests"];

/// A fenced block of the page.
struct Block {
    language: String,
    lines: Vec<String>,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some(Block { language: language.to_owned(), lines: Vec::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.lines.push(line.to_owned()),
            (None, None) => {}
        }
    }
    blocks
}

/// The workspace, and its copy. The copy stays for the next run, which then has less to compile.
struct Copy {
    from: PathBuf,
    to: PathBuf,
}

impl Copy {
    fn new() -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        let copy = Self { from, to: Path::new(env!("CARGO_TARGET_TMPDIR")).join("extending") };
        fs::create_dir_all(&copy.to).unwrap();
        for source in SOURCES {
            copy.sync(Path::new(source));
        }
        copy
    }

    fn sync(&self, path: &Path) {
        let (from, to) = (self.from.join(path), self.to.join(path));
        if from.is_dir() {
            fs::create_dir_all(&to).unwrap();
            let names = |directory: &Path| -> Vec<_> {
                fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
            };
            let there = names(&from);
            for gone in names(&to).iter().filter(|name| !there.contains(name)) {
                let gone = to.join(gone);
                if gone.is_dir() { fs::remove_dir_all(gone).unwrap() } else { fs::remove_file(gone).unwrap() }
            }
            for name in &there {
                self.sync(&path.join(name));
            }
        } else {
            match fs::read(&from) {
                Ok(content) if path == Path::new("Cargo.toml") || path == Path::new("Cargo.lock") => {
                    write(&to, other_version(&String::from_utf8(content).unwrap()).as_bytes());
                }
                Ok(content) => write(&to, &content),
                // An editor's, or another test's, which comes and goes.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => panic!("{}: {error}", from.display()),
            }
        }
    }

    /// Makes the change of a diff: its lines without those that are added have to stand in the file once.
    fn apply(&self, diff: &Block) {
        let file = diff.lines.iter().find_map(|line| line.strip_prefix("+++ b/")).expect("a diff names its file");
        let body: Vec<_> =
            diff.lines.iter().filter(|line| !line.starts_with("---") && !line.starts_with("+++")).collect();
        let side = |skipped: char| -> String {
            body.iter().filter(|line| !line.starts_with(skipped)).flat_map(|line| [&line[1..], "\n"]).collect()
        };
        let (before, after) = (side('+'), side('-'));
        let path = self.to.join(file);
        let content = fs::read_to_string(&path).unwrap();
        assert_eq!(content.matches(&before).count(), 1, "{file} should have this once:\n{before}");
        write(&path, content.replace(&before, &after).as_bytes());
    }

    /// Runs a command of the page; what it prints.
    fn run(&self, command: &str) -> String {
        let mut words: Vec<_> = command.split_whitespace().collect();
        let mut cargo = Command::new(env!("CARGO"));
        // As if it were typed into a shell.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_")) {
            if name != "CARGO_HOME" {
                cargo.env_remove(name);
            }
        }
        cargo.env("INSTA_UPDATE", "no").env("CARGO_NET_OFFLINE", "true");
        // What the workspace depends on is compiled there already.
        cargo.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap());
        while let Some((name, value)) = words.first().and_then(|word| word.split_once('=')) {
            cargo.env(name, value);
            words.remove(0);
        }
        assert_eq!(words.remove(0), "cargo");
        let output = cargo.args(words).current_dir(&self.to).output().unwrap();
        let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        let failed = printed.contains("test result: FAILED");
        assert_eq!(output.status.success(), !failed, "{command}\n{printed}");
        printed
    }
}

/// The workspace's crates get another version. Cargo takes what it has compiled of a crate for the same if its name, its
/// version and its place in the workspace are, and the copy is compiled beside the original.
fn other_version(toml: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut ours = false;
    let mut lines = String::new();
    for line in toml.lines() {
        if let Some(name) = line.strip_prefix("name = ") {
            ours = name.starts_with("\"conntrack");
        }
        ours |= line == "[workspace.package]";
        let line = if ours || line.contains("path = ") {
            line.replace(&format!("{version}\""), &format!("{version}-copy\""))
        } else {
            line.to_owned()
        };
        ours &= !line.starts_with("version = ");
        lines.push_str(&line);
        lines.push('\n');
    }
    lines
}

/// Writes what is not there already, so that what is not new is not compiled again.
fn write(path: &Path, content: &[u8]) {
    if fs::read(path).ok().as_deref() != Some(content) {
        fs::write(path, content).unwrap();
    }
}

#[test]
fn adding_an_attribute() {
    let copy = Copy::new();
    let page = fs::read_to_string(copy.from.join("conntrack/src/guide/adding_an_attribute.md")).unwrap();
    let (mut printed, mut promises) = (String::new(), 0);
    for block in blocks(&page) {
        match block.language.as_str() {
            "diff" => copy.apply(&block),
            "sh" => printed = block.lines.iter().map(|line| copy.run(line)).collect(),
            "text" => {
                for line in &block.lines {
                    assert!(printed.contains(line.as_str()), "{line:?} is not in what was printed:\n{printed}");
                }
                let fails = block.lines.iter().any(|line| line.contains("FAILED"));
                assert_eq!(printed.contains("test result: FAILED"), fails, "{printed}");
                promises += 1;
            }
            other => panic!("a block of {other:?}"),
        }
    }
    assert_eq!(promises, 3);
}
