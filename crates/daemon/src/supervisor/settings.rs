//! What the supervisor does to its own process before it starts anybody: namespace, mask, limits, background.

use std::fs::File;
use std::path::Path;

use nix::sched::{CloneFlags, setns};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

use crate::cli::DaemonOptions;

/// Enters a network namespace by the name `ip netns` knows it by.
///
/// # Errors
/// When it does not exist or may not be entered; the text says which.
pub fn enter_namespace(name: &str) -> Result<(), String> {
    let path = Path::new("/run/netns").join(name);
    let file = File::open(&path).map_err(|error| format!("network namespace {}: {error}", path.display()))?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|error| format!("network namespace {name}: {error}"))
}

/// Applies what the command line says about the process itself.
pub fn apply(options: &DaemonOptions) {
    if let Some(mode) = options.umask {
        umask(Mode::from_bits_truncate(mode));
    }
    if (options.core_dump || options.core_dump_pattern.is_some())
        && let Err(error) = setrlimit(Resource::RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY)
    {
        tracing::warn!("no core files: {error}");
    }
}

/// Becomes a background process: parent gone, own session, `/` as directory, no terminal unless it is logged to.
///
/// # Errors
/// When the kernel refuses to fork.
pub fn go_to_background(options: &DaemonOptions) -> nix::Result<()> {
    nix::unistd::daemon(false, options.log.log_console)
}
