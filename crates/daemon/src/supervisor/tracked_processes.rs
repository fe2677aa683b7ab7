//! `vrrp_track_process`: how many processes of a kind run.
//!
//! The kernel tells of every start and end where it may (the process connector); elsewhere, in a container or another
//! network namespace, the whole table is looked at every second.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use mainstay_config::model::{ParameterMatch, TrackedProcess};
use mainstay_system::process::table::{self, Seen};
use mainstay_system::process::{Connector, ProcessEvent};

/// Between two looks at everything when the kernel tells us nothing.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How many batches of events are taken in at once.
const AT_ONCE: usize = 1000;

/// The kernel's limit for a short name, in bytes.
const COMM: usize = 15;

/// Every tracked kind of process.
#[derive(Debug, Default)]
pub struct TrackedProcesses {
    wanted: BTreeMap<String, TrackedProcess>,
    /// Which of the wanted names each process that runs counts for.
    running: BTreeMap<i32, BTreeSet<String>>,
    connector: Option<Connector>,
    /// The connector has proved that it speaks.
    connected: bool,
    /// What was last told, by name.
    told: BTreeMap<String, u32>,
    look_at: Option<Instant>,
}

/// A name in the plan and how many run.
pub type ProcessCount = (String, u32);

impl TrackedProcesses {
    /// Follows these from now on, and counts them.
    pub fn follow(&mut self, wanted: &BTreeMap<String, TrackedProcess>, now: Instant) {
        if wanted.is_empty() {
            *self = Self::default();
            return;
        }
        self.wanted.clone_from(wanted);
        if self.connector.is_none() {
            self.connector = Connector::open()
                .inspect_err(|error| tracing::debug!("no process connector, /proc is read instead: {error}"))
                .ok();
        }
        self.look_at_everything();
        self.look_at = Some(now + LOOK_AGAIN);
        self.told = self.count();
    }

    /// How many ran when they were last counted.
    pub fn counts(&self) -> impl Iterator<Item = ProcessCount> {
        self.told.iter().map(|(name, count)| (name.clone(), *count))
    }

    /// Takes in what happened, and gives the counts that changed.
    pub fn changes(&mut self, now: Instant) -> Vec<ProcessCount> {
        let mut lost = false;
        // Bounded: processes may be made faster than we look at them. The rest comes with the next turn.
        for _ in 0..AT_ONCE {
            let Some(received) = self.connector.as_ref().map(Connector::receive) else { break };
            match received {
                Ok(Some(events)) => {
                    self.connected = true;
                    events.into_iter().for_each(|event| self.happened(event));
                }
                Ok(None) => break,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => lost = true,
                Err(error) => {
                    tracing::warn!("process connector: {error}; /proc is read instead");
                    (self.connector, self.connected) = (None, false);
                    self.look_at = Some(now);
                }
            }
        }
        if lost || self.look_at.is_some_and(|due| due <= now) {
            self.look_at_everything();
            self.look_at = (!self.connected).then_some(now + LOOK_AGAIN);
        }
        let counts = self.count();
        let changed = counts.iter().filter(|(name, count)| self.told.get(*name) != Some(count));
        let changed = changed.map(|(name, count)| (name.clone(), *count)).collect();
        self.told = counts;
        changed
    }

    /// When [`changes`](Self::changes) is to look without an event.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.look_at
    }

    /// The descriptor to poll.
    pub fn poll(&self) -> Option<BorrowedFd<'_>> {
        self.connector.as_ref().map(AsFd::as_fd)
    }

    fn happened(&mut self, event: ProcessEvent) {
        match event {
            ProcessEvent::Changed(pid) => self.look(pid),
            ProcessEvent::Ended(pid) => drop(self.running.remove(&pid)),
        }
    }

    fn look_at_everything(&mut self) {
        self.running.clear();
        for pid in table::list() {
            self.look(pid);
        }
    }

    fn look(&mut self, pid: i32) {
        let with_arguments = self.wanted.values().any(by_command_line);
        let seen = table::look(pid, with_arguments);
        let names: BTreeSet<String> = seen
            .map(|seen| {
                let fitting = self.wanted.iter().filter(|(_, wanted)| fits(wanted, &seen));
                fitting.map(|(name, _)| name.clone()).collect()
            })
            .unwrap_or_default();
        if names.is_empty() {
            self.running.remove(&pid);
        } else {
            self.running.insert(pid, names);
        }
    }

    fn count(&self) -> BTreeMap<String, u32> {
        let mut counts: BTreeMap<String, u32> = self.wanted.keys().map(|name| (name.clone(), 0)).collect();
        for name in self.running.values().flatten() {
            if let Some(count) = counts.get_mut(name) {
                *count += 1;
            }
        }
        counts
    }
}

fn by_command_line(wanted: &TrackedProcess) -> bool {
    wanted.full_command || wanted.arguments.len() > 1
}

/// Whether a process counts.
fn fits(wanted: &TrackedProcess, seen: &Seen) -> bool {
    let Some((name, parameters)) = wanted.arguments.split_first() else { return false };
    if !by_command_line(wanted) {
        return truncated(name) == seen.comm;
    }
    let Some((program, given)) = seen.arguments.split_first() else { return false };
    program == name
        && match wanted.parameters {
            ParameterMatch::Ignore => true,
            ParameterMatch::Exact => given == parameters,
            ParameterMatch::Initial => given.starts_with(parameters),
            ParameterMatch::Partial => begins(given, parameters),
        }
}

/// All but the last of `parameters` come first in `given`, and the next one begins with the last.
fn begins(given: &[String], parameters: &[String]) -> bool {
    let Some((last, whole)) = parameters.split_last() else { return true };
    given.starts_with(whole) && given.get(whole.len()).is_some_and(|next| next.starts_with(last.as_str()))
}

/// A name as the kernel keeps it: its last path component, cut at 15 bytes.
fn truncated(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    let end = (0..=COMM.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn wanted(line: &str, parameters: ParameterMatch, full_command: bool) -> TrackedProcess {
        TrackedProcess { arguments: line.split(' ').map(str::to_owned).collect(), parameters, full_command }
    }

    fn seen(comm: &str, line: &str) -> Seen {
        Seen { comm: comm.into(), arguments: line.split(' ').map(str::to_owned).collect() }
    }

    #[test]
    fn a_bare_name_is_the_kernels_short_name() {
        let nginx = wanted("nginx", ParameterMatch::Ignore, false);
        assert!(fits(&nginx, &seen("nginx", "nginx: master process")));
        assert!(!fits(&nginx, &seen("nginx-debug", "nginx")));
        let long = wanted("/usr/sbin/a-very-long-name-indeed", ParameterMatch::Ignore, false);
        assert!(fits(&long, &seen("a-very-long-nam", "")));
    }

    #[test]
    fn parameters_compare_as_the_file_says() {
        let process = seen("java", "/usr/bin/java -jar app.jar --port 80");
        let cases = [
            ("/usr/bin/java", ParameterMatch::Ignore, true),
            ("/usr/bin/java -jar app.jar --port 80", ParameterMatch::Exact, true),
            ("/usr/bin/java -jar app.jar", ParameterMatch::Exact, false),
            ("/usr/bin/java -jar app.jar", ParameterMatch::Initial, true),
            ("/usr/bin/java -jar app", ParameterMatch::Initial, false),
            ("/usr/bin/java -jar app", ParameterMatch::Partial, true),
            ("/usr/bin/java app", ParameterMatch::Partial, false),
            ("java -jar app.jar --port 80", ParameterMatch::Exact, false),
        ];
        for (line, parameters, expected) in cases {
            assert_eq!(fits(&wanted(line, parameters, true), &process), expected, "{line} {parameters:?}");
        }
    }

    struct Sleeper(Child);

    impl Sleeper {
        fn start(seconds: &str) -> Self {
            Self(Command::new("/bin/sleep").arg(seconds).spawn().expect("sleep starts"))
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn processes_that_come_and_go_are_counted() {
        // A parameter nobody else uses.
        let seconds = format!("{}", 3_000_000 + std::process::id());
        let line = format!("/bin/sleep {seconds}");
        let kinds = BTreeMap::from([("s".to_owned(), wanted(&line, ParameterMatch::Exact, true))]);
        let mut processes = TrackedProcesses::default();
        let mut now = Instant::now();
        processes.follow(&kinds, now);
        assert_eq!(processes.counts().collect::<Vec<_>>(), [("s".to_owned(), 0)]);
        let first = Sleeper::start(&seconds);
        let second = Sleeper::start(&seconds);
        let mut until = |count: u32| {
            for _ in 0..100 {
                now += LOOK_AGAIN;
                if let Some((_, told)) = processes.changes(now).pop()
                    && told == count
                {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            false
        };
        assert!(until(2));
        drop(first);
        assert!(until(1));
        drop(second);
        assert!(until(0));
    }
}
