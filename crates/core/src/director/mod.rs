//! Virtual servers: what one node decides about real servers and the kernel's load balancer.
//!
//! A checker decides, a [`Probe`] asks, an [`Outcome`] answers. Read in this order: [`plan`] (what the configuration
//! asks for), [`probe`] and [`outcome`] (the words between the checkers and whoever asks for them).

pub mod outcome;
pub mod plan;
pub mod probe;

pub use outcome::{Excuse, Failure, Outcome, Stage};
pub use plan::{CheckerKind, CheckerPlan, DirectorPlan, RealServerPlan, VirtualServerPlan};
pub use probe::{Probe, ProbeKind};
