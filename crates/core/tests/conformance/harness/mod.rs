//! A node for tests: one router, a clock that stands until it is moved, and a kernel that agrees with everything.
//!
//! ```text
//! let mut node = Node::with(instance("VI_1").priority(100));
//! node.hear(advert().priority(200));
//! node.expect_state(Backup);
//! ```

mod beat;
mod lan;
mod node;
mod plan;
mod wire;

pub use core::time::Duration;
pub use std::net::IpAddr;

pub use mainstay_core::address::{Family, LinkIndex};
pub use mainstay_core::router::State::{Backup, Fault, Init, Master};
pub use mainstay_core::router::plan::{Authentication, MismatchPolicy, Preempt, Version, WantedState};
pub use mainstay_core::router::{Action, Alarm, Input, Mac, NotifyState, ScriptOutcome, State};
pub use mainstay_core::vrrp::ah::Envelope;
pub use mainstay_core::vrrp::signature::{AntiReplay, Mode, NumberedKey, SignaturePlan, Stamp};

pub use beat::{Beat, heartbeat};
pub use lan::Lan;
pub use node::Node;
pub use plan::{
    Instance, Plan, alone, file, group, instance, plan, process, route, rule, script, session,
    signature_plan, track_file, track_interface, track_process, track_script, track_session, virtual_address,
};
pub use wire::{Heard, advert};

/// The link every instance uses unless it says otherwise.
pub const ETH0: LinkIndex = LinkIndex(2);
/// A second link.
pub const ETH1: LinkIndex = LinkIndex(3);

/// A hardware address that is on no link of ours.
pub const STRANGER: [u8; 6] = [2, 0, 0, 0xff, 0, 1];

/// An address.
pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Whole seconds.
pub const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Milliseconds.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Microseconds.
pub const fn us(microseconds: u64) -> Duration {
    Duration::from_micros(microseconds)
}

/// How long a backup of priority 100 waits at an interval of one second: 360.94 cs.
pub const DOWN: Duration = us(3_609_375);
/// The skew of priority 100 at an interval of one second: 60.94 cs.
pub const SKEW: Duration = us(609_375);
