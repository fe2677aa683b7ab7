//! Processes that get next to no CPU.
//!
//! Busy loops beside them do not starve them: the scheduler serves who wakes up after a sleep, be the loops ever so many
//! and ever so urgent. (Real-time loops leave the others 5 %, in one piece each second.) A control group does: it has one
//! millisecond of CPU a second, and the processes share it with four busy loops. They then run every few seconds, if at
//! all, which is what a machine looks like from inside that is overbooked or throttled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

/// As many as the issue says.
const LOOPS: usize = 4;

/// CPU time and period in microseconds: the least and the longest Linux takes.
const QUOTA_US: u32 = 1_000;
const PERIOD_US: u32 = 1_000_000;

/// Where control groups with a limit of CPU time are, in their newer and older form.
const UNIFIED: &str = "/sys/fs/cgroup";
const OLDER: &str = "/sys/fs/cgroup/cpu";

/// Starves processes until it is dropped.
pub struct Starvation {
    folder: PathBuf,
    parent: PathBuf,
    pids: Vec<u32>,
    loops: Vec<Child>,
}

impl Starvation {
    /// Starves these processes, with all their threads.
    pub fn of(pids: &[u32]) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mainstay-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let parent = parent()?;
        let folder = parent.join(name);
        fs::create_dir(&folder).with_context(|| format!("make the control group {}", folder.display()))?;
        let mut starvation = Self { folder, parent, pids: pids.to_vec(), loops: Vec::new() };
        starvation.limit()?;
        for _ in 0..LOOPS {
            let endless = Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .stdin(Stdio::null())
                .spawn()
                .context("start a busy loop")?;
            write(&starvation.folder.join("cgroup.procs"), &endless.id().to_string())?;
            starvation.loops.push(endless);
        }
        for pid in pids {
            write(&starvation.folder.join("cgroup.procs"), &pid.to_string())?;
        }
        Ok(starvation)
    }

    fn limit(&self) -> Result<()> {
        if self.parent == Path::new(OLDER) {
            write(&self.folder.join("cpu.cfs_period_us"), &PERIOD_US.to_string())?;
            write(&self.folder.join("cpu.cfs_quota_us"), &QUOTA_US.to_string())
        } else {
            write(&self.folder.join("cpu.max"), &format!("{QUOTA_US} {PERIOD_US}"))
        }
    }
}

/// The group to make ours in.
fn parent() -> Result<PathBuf> {
    if Path::new(OLDER).join("cpu.cfs_quota_us").exists() || Path::new(OLDER).join("cgroup.procs").exists() {
        return Ok(OLDER.into());
    }
    let controllers = fs::read_to_string(Path::new(UNIFIED).join("cgroup.controllers")).unwrap_or_default();
    if controllers.split_whitespace().any(|controller| controller == "cpu") {
        write(&Path::new(UNIFIED).join("cgroup.subtree_control"), "+cpu")?;
        return Ok(UNIFIED.into());
    }
    bail!("starvation needs control groups with the cpu controller (leave it out by naming other faults)")
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {text} to {}", path.display()))
}

impl Drop for Starvation {
    /// Lets everybody go. Whoever has ended meanwhile cannot be moved, and need not be.
    fn drop(&mut self) {
        for endless in &mut self.loops {
            let _ = endless.kill();
        }
        for pid in &self.pids {
            let _ = write(&self.parent.join("cgroup.procs"), &pid.to_string());
        }
        for endless in &mut self.loops {
            let _ = write(&self.parent.join("cgroup.procs"), &endless.id().to_string());
            let _ = endless.wait();
        }
        let _ = fs::remove_dir(&self.folder);
    }
}
