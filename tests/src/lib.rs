//! Shared by the tests.

pub mod bpf;
pub mod captures;
pub mod dissection;
pub mod generate;
pub mod header;
pub mod paths;
pub mod sample;
pub mod types;
