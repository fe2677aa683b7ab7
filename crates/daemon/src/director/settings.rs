//! The process's own settings, from `checker_priority`, `checker_no_swap` and the like, and its share of descriptors.

use mainstay_config::model::{ProcessSettings, Scheduling};
use mainstay_system::{Result, realtime};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Name shown by `ps`, when the configuration gives none (`checker_process_name`). The kernel keeps 15 bytes.
const NAME: &str = "mainstay-direct";

/// Descriptors asked for: every check on its way has one.
const DESCRIPTORS: u64 = 262_144;

/// Applies everything that can be applied, and says what was refused.
pub fn apply(process: &ProcessSettings) {
    let Scheduling { name, nice, lock_memory, realtime_priority, cpu_affinity, rttime_us } =
        &process.director;
    let steps: [Result<()>; 6] = [
        realtime::name(name.as_deref().unwrap_or(NAME)),
        realtime::affinity(cpu_affinity),
        nice.map_or(Ok(()), realtime::nice),
        rttime_us.map_or(Ok(()), realtime::limit_real_time),
        realtime_priority.map_or(Ok(()), realtime::round_robin),
        if *lock_memory { realtime::lock_memory() } else { Ok(()) },
    ];
    for error in steps.into_iter().filter_map(Result::err) {
        tracing::warn!("{error}");
    }
    raise_descriptors();
}

/// As many descriptors as we may have. A check that gets none says so and is asked again.
fn raise_descriptors() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let raised = [(DESCRIPTORS.max(hard)), hard].into_iter().find(|wanted| {
        *wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, *wanted, (*wanted).max(hard)).is_ok()
    });
    tracing::debug!("descriptors: {}", raised.unwrap_or(soft));
}
