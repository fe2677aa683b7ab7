//! VRRP: packets, timers and the election of one virtual router.

pub mod packet;
pub mod rejection;

pub mod ah;
pub mod announce;
pub mod checksum;
pub mod election;
pub mod instance;
pub mod signature;
pub mod timers;

pub use instance::Instance;
