//! What only a kernel with ip_vs can show of the whole daemon. `cargo xtask vm-tests` runs these in a guest, as root.

mod balancing;
mod restart;
mod tables;
