//! Shared by the tests.

pub mod bpf;
pub mod captures;
pub mod generate;
pub mod header;
pub mod paths;
pub mod sample;
