//! The codec of IPVS, compiled in by path, and the values it reads.

#[path = "../../crates/system/src/ipvs/codec/mod.rs"]
pub mod codec;
#[path = "../../crates/system/src/ipvs/listing.rs"]
mod listing;

pub use listing::{Info, ListedDestination, ListedService};
