//! Linux behind small traits.

pub mod process;
