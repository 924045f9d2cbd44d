//! The sandbox in the standard test harness, as its users have it: threads, and as an ordinary user too.

use conntrack::sandbox::{self, Error};
use conntrack::{Conntrack, Family};

/// Runs `body` unless there can be no sandbox here, which is said, and is a failure where nothing may be skipped.
fn in_sandbox(body: impl FnOnce(&sandbox::Sandbox) -> Result<(), sandbox::Failure> + Send) {
    match sandbox::run(body) {
        Err(error @ Error::UserNamespace(_)) if std::env::var_os("CONNTRACK_TESTS_SKIP").is_none() => {
            eprintln!("SKIPPED: {error}");
        }
        result => result.unwrap(),
    }
}

#[test]
fn tracks_traffic() {
    in_sandbox(|sandbox| {
        let connection = sandbox.tcp_connection(Family::IPV6)?;
        let ct = Conntrack::open()?;
        let flow = ct.get(&connection.tuple.into())?.ok_or("the connection is not tracked")?;
        assert_eq!(flow.orig, connection.tuple);
        assert_eq!(ct.dump()?.count(), 1);
        Ok(())
    });
}

#[test]
fn is_private() {
    in_sandbox(|sandbox| {
        let _ping = sandbox.ping(Family::IPV4)?;
        let other = sandbox::Namespace::new()?;
        assert_eq!(other.run(|_| Ok(Conntrack::open()?.dump()?.count()))?, 0);
        assert_eq!(Conntrack::open()?.dump()?.count(), 1);
        Ok(())
    });
}

#[test]
fn hands_errors_and_panics_on() {
    let failure = sandbox::run(|_| Err("as expected".into()));
    match failure {
        Err(error @ Error::UserNamespace(_)) => eprintln!("SKIPPED: {error}"),
        Err(error) => assert_eq!(error.to_string(), "as expected"),
        Ok(()) => panic!("the failure was lost"),
    }
}
