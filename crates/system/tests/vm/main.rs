//! What only a kernel with ip_vs can show. `cargo xtask vm-tests` runs these in a guest, as root, one at a time.

mod guest;
mod ipvs;
mod probes;
mod stage;
