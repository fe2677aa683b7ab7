//! What reading a configuration needs to know about files other than its own: scripts and name tables.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longest part of a file that is ever read: the name tables of iproute2 are far shorter.
const LONGEST_READ: u64 = 1 << 20;

/// What is known of a file without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, set-user-id and sticky included.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// An ordinary file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, socket or pipe.
    Other,
}

impl FileFacts {
    /// What stands at a path of this machine; a symbolic link is itself.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        let kind = if metadata.is_file() {
            FileKind::Regular
        } else if metadata.is_dir() {
            FileKind::Directory
        } else if metadata.is_symlink() {
            FileKind::Link
        } else {
            FileKind::Other
        };
        Some(Self { kind, mode: metadata.mode() & 0o7777, uid: metadata.uid(), gid: metadata.gid() })
    }

    /// Whether somebody may execute it; root may if anybody may.
    #[must_use]
    pub const fn executable_by(&self, uid: u32, gid: u32) -> bool {
        let bits = if uid == 0 {
            0o111
        } else if uid == self.uid {
            0o100
        } else if gid == self.gid {
            0o010
        } else {
            0o001
        };
        self.mode & bits != 0
    }
}

/// The first `longest` bytes of a file of this machine.
#[must_use]
pub fn read(path: &Path, longest: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(longest.min(LONGEST_READ)).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The names in a directory of this machine, sorted.
#[must_use]
pub fn list(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// User and group of this process.
#[must_use]
pub fn own_identity() -> (u32, u32) {
    fs::metadata("/proc/self").map_or((0, 0), |metadata| (metadata.uid(), metadata.gid()))
}

/// Whether the kernel has IPVS: at work, built in, or as a module that the disk has for it.
pub(crate) fn kernel_has_ipvs() -> bool {
    if Path::new("/proc/net/ip_vs").exists() {
        return true;
    }
    let Ok(release) = fs::read_to_string("/proc/sys/kernel/osrelease") else { return false };
    let modules = Path::new("/lib/modules").join(release.trim());
    ["modules.builtin", "modules.dep"]
        .into_iter()
        .any(|list| fs::read_to_string(modules.join(list)).is_ok_and(|text| text.contains("/ip_vs.ko")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_decides_before_the_others() {
        let facts = FileFacts { kind: FileKind::Regular, mode: 0o701, uid: 1, gid: 10 };
        assert!(facts.executable_by(0, 0));
        assert!(facts.executable_by(1, 10));
        assert!(!facts.executable_by(2, 10));
        assert!(facts.executable_by(2, 20));
    }
}
