//! Process id files: who runs, and that nobody runs twice.
//!
//! The lock, not the number in the file, says whether somebody runs: the kernel releases it with the last descriptor, so
//! a file left by a crash is taken over at once. It is keepalived's kind of lock (open file description), so Mainstay
//! and keepalived keep each other out too.
//!
//! DIFFERS: a second start ends with status 1; keepalived's ends with 0, and whoever started it believes that it runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// Where process id files live if no option says otherwise.
const RUN_DIRECTORY: &str = "/run";

/// A locked process id file; dropping it removes the file and releases the lock.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
}

/// Why there is no process id file.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Somebody else holds the lock.
    #[error("daemon is already running: another process has locked {}", .0.display())]
    Running(PathBuf),
    /// The file cannot be written.
    #[error("process id file {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl PidFile {
    /// Opens and locks the file without writing to it yet: the process id may still change by a fork, the lock stays.
    ///
    /// # Errors
    /// When another process runs, or the file cannot be had.
    pub fn lock(path: &Path) -> Result<Self, PidFileError> {
        let failed = |source| PidFileError::Io { path: path.to_owned(), source };
        // Whoever holds the lock may remove the file between our open and our lock: then start over.
        for _ in 0..8 {
            let file = open(path).map_err(failed)?;
            match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file())) {
                Ok(_) => {}
                Err(Errno::EAGAIN | Errno::EACCES) => return Err(PidFileError::Running(path.to_owned())),
                Err(error) => return Err(failed(error.into())),
            }
            if is_at(&file, path) {
                return Ok(Self { path: path.to_owned(), file });
            }
        }
        Err(failed(io::ErrorKind::ResourceBusy.into()))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a process id, replacing what was there.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&mut self, pid: u32) -> Result<(), PidFileError> {
        self.replace(&format!("{pid}\n"))
    }

    /// Says that nobody runs just now.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn clear(&mut self) -> Result<(), PidFileError> {
        self.replace("")
    }

    fn replace(&mut self, text: &str) -> Result<(), PidFileError> {
        let result = self
            .file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(text.as_bytes()));
        result.map_err(|source| PidFileError::Io { path: self.path.clone(), source })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if is_at(&self.file, &self.path) {
            // Nobody is left to be told of a failure; a file that stays behind is taken over by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let follow_no_link = OFlag::O_NOFOLLOW.bits();
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .custom_flags(follow_no_link)
        .open(path)
}

fn whole_file() -> libc::flock {
    // OFD locks demand a process id of zero.
    libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let ours = file.metadata().map(|about| (about.dev(), about.ino()));
    let theirs = fs::symlink_metadata(path).map(|about| (about.dev(), about.ino()));
    matches!((ours, theirs), (Ok(ours), Ok(theirs)) if ours == theirs)
}

/// Which of the three processes a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// `keepalived`.
    Supervisor,
    /// `keepalived_vrrp`.
    Router,
    /// `keepalived_checkers`.
    Director,
}

/// keepalived's default paths: `/run/keepalived.pid`, `/run/keepalived_vrrp.pid`, ...; with an instance name
/// `/run/keepalived_NAME.pid`; with `use_pid_dir` or a namespace below `/run/keepalived/`.
#[must_use]
pub fn default_path(process: Process, own_directory: bool, instance: Option<&str>) -> PathBuf {
    let base = match process {
        Process::Supervisor => "keepalived",
        Process::Router => "keepalived_vrrp",
        Process::Director => "keepalived_checkers",
    };
    let suffix = instance.map(|name| format!("_{name}")).unwrap_or_default();
    let directory = Path::new(RUN_DIRECTORY).join(if own_directory { "keepalived" } else { "" });
    directory.join(format!("{base}{suffix}.pid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("mainstay-{name}-{}.pid", std::process::id()))
    }

    #[test]
    fn a_second_daemon_is_kept_out_while_the_first_runs() {
        let path = path("second");
        let mut first = PidFile::lock(&path).expect("free");
        first.write(1234).expect("writes");
        assert!(matches!(PidFile::lock(&path), Err(PidFileError::Running(_))));
        assert_eq!(fs::read_to_string(&path).expect("readable"), "1234\n");
        drop(first);
        assert!(!path.exists());
        PidFile::lock(&path).expect("free again");
    }

    #[test]
    fn a_file_left_by_a_crash_is_taken_over_at_once() {
        let path = path("stale");
        fs::write(&path, "99999999\nlonger than the new one\n").expect("writes");
        let mut file = PidFile::lock(&path).expect("nobody holds it");
        file.write(7).expect("writes");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "7\n");
        file.clear().expect("clears");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "");
    }

    #[test]
    fn the_file_of_a_successor_is_not_removed() {
        let path = path("successor");
        let old = PidFile::lock(&path).expect("free");
        fs::remove_file(&path).expect("somebody cleans up");
        let new = PidFile::lock(&path).expect("a new file");
        drop(old);
        assert!(path.exists());
        drop(new);
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let (path, target) = (path("link"), path("target"));
        let _ = fs::remove_file(&path);
        std::os::unix::fs::symlink(&target, &path).expect("links");
        assert!(matches!(PidFile::lock(&path), Err(PidFileError::Io { .. })));
        assert!(!target.exists());
        fs::remove_file(&path).expect("removes");
    }

    #[test]
    fn paths_are_keepalived_s() {
        assert_eq!(default_path(Process::Supervisor, false, None), Path::new("/run/keepalived.pid"));
        assert_eq!(default_path(Process::Router, false, Some("a")), Path::new("/run/keepalived_vrrp_a.pid"));
        assert_eq!(
            default_path(Process::Director, true, None),
            Path::new("/run/keepalived/keepalived_checkers.pid")
        );
    }
}
