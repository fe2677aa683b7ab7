//! The process's own settings, from `vrrp_priority`, `vrrp_no_swap`, ... and `@mainstay realtime`.

use mainstay_config::model::{ProcessSettings, Realtime, Scheduling};
use mainstay_system::{Result, realtime};

/// Name shown by `ps`, when the configuration gives none (`vrrp_process_name`). The kernel keeps 15 bytes.
const NAME: &str = "mainstay-router";

/// Applies everything that can be applied, and returns what was refused. Before any other thread is made: they
/// inherit it.
pub fn apply(process: &ProcessSettings) -> Vec<mainstay_system::Error> {
    let Scheduling { name, nice, lock_memory, realtime_priority, cpu_affinity, rttime_us } = &process.router;
    let (priority, lock) = match process.realtime {
        None => (*realtime_priority, *lock_memory),
        Some(Realtime::Off) => (None, *lock_memory),
        Some(Realtime::Priority(priority)) => (Some(priority), true),
    };
    let steps: [Result<()>; 7] = [
        realtime::name(name.as_deref().unwrap_or(NAME)),
        realtime::exact_timers(),
        realtime::affinity(cpu_affinity),
        nice.map_or(Ok(()), realtime::nice),
        rttime_us.map_or(Ok(()), realtime::limit_real_time),
        priority.map_or(Ok(()), realtime::round_robin),
        if lock { realtime::lock_memory() } else { Ok(()) },
    ];
    steps.into_iter().filter_map(Result::err).collect()
}
