//! Each error prints its own level and leaves the rest to its sources.

use std::error::Error as StdError;

use conntrack_spec::codec::DecodeErrorKind;

use super::*;

/// The texts of an error and its sources, outermost first.
fn chain(error: &(dyn StdError + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect()
}

/// Asserts that `Debug` begins with the variant's name.
pub(crate) fn assert_debug_names(error: &dyn StdError, variant: &str) {
    let debug = format!("{error:?}");
    assert!(debug.starts_with(variant), "{debug}");
}

/// Asserts that no text of a chain contains a later one, and that the report has each once.
pub(crate) fn assert_says_nothing_twice(error: &(dyn StdError + 'static)) {
    let texts = chain(error);
    for (at, text) in texts.iter().enumerate() {
        assert!(!text.is_empty(), "{texts:?}");
        for deeper in texts.iter().skip(at + 1) {
            assert!(!text.contains(deeper.as_str()), "{deeper:?} is printed twice: {texts:?}");
        }
    }
    assert_eq!(Report(error).to_string(), texts.join(": "));
}

fn io_error() -> io::Error {
    io::Error::from_raw_os_error(Errno::PERM.0)
}

fn undecodable(reason: Error) -> Error {
    Undecodable { reason, bytes: vec![0; 20], origin: Origin::default() }.into()
}

/// Each variant, with its name.
fn all() -> Vec<(Error, &'static str)> {
    let kernel = KernelError {
        operation: "creating a flow",
        errno: Errno::RANGE,
        message: Some("too short".to_owned()),
        attribute: Some("CTA_TIMEOUT".to_owned()),
        hint: Some("a hint"),
    };
    let missing = MissingCapability {
        operation: "joining an event group",
        capability: Capability::NetAdmin,
        network_namespace: Some(1),
        user_namespace: Some(2),
    };
    let decode = || DecodeError::from(DecodeErrorKind::Missing("CTA_ID"));
    let all = vec![
        Error::Io { operation: "opening a netlink socket", source: io_error() },
        Error::Kernel(Box::new(kernel)),
        UsageError::NoGroups.into(),
        UsageError::from(conntrack_spec::codec::TooLong::Nul(3)).into(),
        EncodeError::MessageTooLong(7).into(),
        decode().into(),
        ProtocolError::NoAnswer.into(),
        undecodable(decode().into()),
        undecodable(ProtocolError::NoAnswer.into()),
        missing.into(),
        Error::Timeout(Duration::from_secs(5)),
        Error::Overrun,
        Error::Interrupted,
        #[cfg(feature = "tokio")]
        Error::ShutDown,
    ];
    all.into_iter().map(named).collect()
}

/// Without a wildcard: a new variant has to be added here, and then to `all`.
fn named(error: Error) -> (Error, &'static str) {
    let name = match &error {
        Error::Io { .. } => "Io",
        Error::Kernel(_) => "Kernel",
        Error::Usage(_) => "Usage",
        Error::Encode(_) => "Encode",
        Error::Decode(_) => "Decode",
        Error::Protocol(_) => "Protocol",
        Error::Undecodable(_) => "Undecodable",
        Error::MissingCapability(_) => "MissingCapability",
        Error::Timeout(_) => "Timeout",
        Error::Overrun => "Overrun",
        Error::Interrupted => "Interrupted",
        #[cfg(feature = "tokio")]
        Error::ShutDown => "ShutDown",
    };
    (error, name)
}

#[test]
fn no_text_is_printed_twice() {
    for (error, _) in all() {
        assert_says_nothing_twice(&error);
    }
}

#[test]
fn debug_names_the_variant() {
    for (error, name) in all() {
        assert_debug_names(&error, name);
    }
}

#[test]
fn a_source_is_the_error_that_was_wrapped() {
    let source = |error: &Error| error.source().map(ToString::to_string);
    let io = Error::io("opening a netlink socket")(io_error());
    assert!(io.source().is_some_and(<dyn StdError>::is::<io::Error>));
    assert_eq!(io.to_string(), "opening a netlink socket");
    let decode = Error::from(DecodeError::from(DecodeErrorKind::Missing("CTA_ID")));
    assert_eq!(source(&decode).as_deref(), Some("missing CTA_ID (at byte 0)"));
    let undecodable = undecodable(decode);
    assert!(undecodable.source().is_some_and(|reason| matches!(reason.downcast_ref(), Some(Error::Decode(_)))));
    assert_eq!(
        Report(&undecodable).to_string(),
        "an undecodable message of 20 bytes: decoding a message: missing CTA_ID (at byte 0)"
    );
}
