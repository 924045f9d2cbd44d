//! Guides: one page for each thing that people do, with examples that run.
//!
//! An example runs as it stands in a program that begins like this, with the feature `sandbox`. Its flows are then those
//! of a private network namespace, and it needs no root.
//!
//! ```standalone_crate
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sandbox = conntrack::sandbox::Sandbox::enter()?;
//!     // The example.
//!     Ok(())
//! }
//! ```
//!
//! To use it:
//!
//! * [Dumping and filtering](dumping): reading the table, in whole and in part, and deleting from it.
//! * [Translation](nat): what a flow is translated to, and creating flows that are.
//! * [Zones](zones): several tables in one.
//! * [Expectations](expectations): flows that other flows announce.
//! * [Events, overruns, and a mirror](events): what happens, and what to do when some of it is lost.
//! * [Text and data](data): conntrack(8)'s text, JSON, and filters from the command line.
//! * [Kernels and privileges](kernels): what needs which.
//! * [Testing your code](testing): a private namespace for each test, without root.
//!
//! To extend it:
//!
//! * [Projections](projections): decoding only what you need.
//! * [Declaring a structure](declaring): the language of the declarations.
//! * [Adding an attribute](adding_an_attribute), from the constant to the tests.
//! * [Another protocol](another_protocol): a message of another netfilter subsystem, from nothing.
//!
//! To look something up:
//!
//! * [Features](features): what connection tracking can do, and where it is here.
//! * [Attributes](attributes): every message and every attribute.

// Some links lead to what a feature brings.
#![cfg_attr(
    not(all(feature = "sandbox", feature = "serde", feature = "tokio")),
    allow(rustdoc::broken_intra_doc_links)
)]

/// A page for each file.
macro_rules! pages {
    ($($(#[doc = $title:literal])* $page:ident: $file:literal;)*) => {$(
        $(#[doc = $title])*
        #[doc = ""]
        #[doc = include_str!($file)]
        pub mod $page {}
    )*};
}

pages! {
    /// Dumping and filtering.
    dumping: "dumping.md";
    /// Translation.
    nat: "nat.md";
    /// Zones.
    zones: "zones.md";
    /// Expectations.
    expectations: "expectations.md";
    /// Events, overruns, and a mirror.
    events: "events.md";
    /// Text and data.
    data: "data.md";
    /// Kernels and privileges.
    kernels: "kernels.md";
    /// Testing your code.
    testing: "testing.md";
    /// Projections.
    projections: "projections.md";
    /// Declaring a structure.
    declaring: "declaring.md";
    /// Adding an attribute.
    adding_an_attribute: "adding_an_attribute.md";
    /// Another protocol.
    another_protocol: "another_protocol.md";
    /// Features.
    features: "features.md";
    /// Attributes.
    attributes: "attributes.md";
}
