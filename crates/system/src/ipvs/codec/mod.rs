//! The bytes between us and the kernel: generic netlink messages of the family `IPVS`.
//!
//! Orders and questions go out, answers come back. A service in an order looks just like a service in an answer, so what
//! was written can be read again. Numbers and shapes are those of `linux/ip_vs.h` and `linux/genetlink.h`; integers are
//! in the host's byte order, addresses, ports and netmasks in the network's.

mod answer;
mod attributes;
mod numbers;
mod order;

pub use answer::{Answer, answers};
pub use order::{Order, Question};

/// Number of the generic netlink family that tells the numbers of the others, `GENL_ID_CTRL`.
pub const CONTROL_FAMILY: u16 = 0x10;

/// Name of our family.
pub const FAMILY: &str = "IPVS";

#[cfg(test)]
mod tests;
