//! The attribute reference is what the declarations say.

use std::fs;
use std::path::Path;

use conntrack_tests::reference;

#[test]
fn is_not_stale() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conntrack/src/guide/attributes.md");
    let page = reference::page();
    // The variable that has snapshots rewritten, so that one command does it for all.
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&path, page).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let mut lines = found.lines().zip(page.lines()).enumerate();
    if let Some((line, (found, expected))) = lines.find(|(_, (found, expected))| found != expected) {
        panic!("attributes.md is stale, line {}:\nfound    {found}\nexpected {expected}\n{REMEDY}", line + 1);
    }
    assert_eq!(found.len(), page.len(), "attributes.md has the wrong end\n{REMEDY}");
}

const REMEDY: &str = "INSTA_UPDATE=always cargo test -p conntrack-tests --test reference writes it anew";
