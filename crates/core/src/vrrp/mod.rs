//! VRRP: packets, timers and the election of one virtual router.

pub mod packet;
