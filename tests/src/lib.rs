//! Shared by the tests.

#![forbid(unsafe_code)]

pub mod bpf;
pub mod captures;
pub mod damage;
pub mod dissection;
pub mod explain;
pub mod generate;
pub mod header;
pub mod paths;
pub mod reference;
pub mod sample;
pub mod types;
