//! A control group: everything a daemon starts, whoever its parent is, stopped in one moment and by one word.
//!
//! To look for the processes and to stop them one by one takes a slow machine as long as a check's retry.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use mainstay::lab::wait_until;

/// Where the guest has its control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// How long processes may take to stop: as long as a system call in which one of them is.
const LIMIT: Duration = Duration::from_secs(60);

/// A control group; everything in it is killed when this is dropped.
#[derive(Debug)]
pub struct Group {
    pub folder: PathBuf,
}

impl Group {
    /// Makes one that is named after this path.
    pub fn new(name: &Path) -> Result<Self> {
        let words: Vec<_> = name.iter().skip(1).map(|word| word.to_string_lossy()).collect();
        let folder = Path::new(ROOT).join(words.join("-"));
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Stops everything in it, or lets it go on, and waits until that is so.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let number = u8::from(frozen);
        self.write("cgroup.freeze", number)?;
        let state = format!("frozen {number}");
        let events = self.folder.join("cgroup.events");
        let is_so = || fs::read_to_string(&events).is_ok_and(|text| text.lines().any(|line| line == state));
        wait_until("the control group is as it should be", LIMIT, is_so).map(drop)
    }

    fn write(&self, name: &str, number: u8) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, number.to_string()).with_context(|| format!("write {}", path.display()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What cannot be killed or removed now ends with the guest.
        let _ = self.write("cgroup.kill", 1);
        let _ = fs::remove_dir(&self.folder);
    }
}
