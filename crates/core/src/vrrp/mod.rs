//! VRRP: packets, timers and the election of one virtual router.

pub mod packet;
pub mod rejection;

pub mod checksum;
pub mod timers;
