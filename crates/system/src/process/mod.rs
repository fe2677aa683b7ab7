//! Processes: starting them with exactly what they should have, and watching those of others.

pub mod spawn;

pub use spawn::{Credentials, Output, Spawn, SpawnError, Started, restore_default_signals};
