//! Processes: starting them with exactly what they should have, and watching those of others.

pub mod connector;
pub mod spawn;
pub mod table;

pub use connector::{Connector, ProcessEvent};
pub use spawn::{
    Credentials, Output, Spawn, SpawnError, Started, block_realtime_signals, ignore_realtime_signals_but,
    restore_default_signals,
};
