//! `track_file`: the number in a file, whenever it changes.
//!
//! The directory is watched rather than the file, because a file may be absent, or be replaced by another. What inotify
//! does not see (a directory that does not exist yet, a network file system, the other end of a link) is looked at
//! every few seconds.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mainstay_config::model::TrackedFile;
use nix::fcntl::OFlag;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

/// Between two looks at everything.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How much of a file is read: more than the longest number.
const LONGEST: u64 = 64;

/// Every tracked file.
#[derive(Debug, Default)]
pub struct TrackedFiles {
    /// `None` if the kernel has none for us: then there is only the look every few seconds.
    inotify: Option<Inotify>,
    directories: BTreeMap<PathBuf, WatchDescriptor>,
    files: BTreeMap<String, Watched>,
    look_at: Option<Instant>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// The number last read; `None` if there is none.
    value: Option<i64>,
}

/// A name in the plan and the number in its file.
pub type FileValue = (String, Option<i64>);

impl TrackedFiles {
    /// Follows these files from now on: all those that are new are created where `init_file` says so, and read.
    pub fn follow(&mut self, wanted: &BTreeMap<String, TrackedFile>, now: Instant) {
        let old = std::mem::take(&mut self.files);
        for (name, file) in wanted {
            let known = old.get(name).is_some_and(|old| old.path == file.path);
            if !known {
                initialise(file);
            }
            let watched = Watched { value: read(&file.path), path: file.path.clone() };
            self.files.insert(name.clone(), watched);
        }
        if self.files.is_empty() {
            // Closing it ends all watches.
            *self = Self::default();
            return;
        }
        if self.inotify.is_none() {
            let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
            self.inotify = Inotify::init(flags).inspect_err(|error| tracing::warn!("inotify: {error}")).ok();
        }
        self.watch_directories();
        self.look_at = Some(now + LOOK_AGAIN);
    }

    /// What every file held when it was last read.
    pub fn values(&self) -> impl Iterator<Item = FileValue> {
        self.files.iter().map(|(name, file)| (name.clone(), file.value))
    }

    /// Reads what may have changed, and gives what has.
    pub fn changes(&mut self, now: Instant) -> Vec<FileValue> {
        let mut stale: Vec<String> = Vec::new();
        while let Some(events) = self.inotify.as_ref().and_then(|inotify| inotify.read_events().ok()) {
            for event in events {
                stale.extend(self.concerned(&event));
            }
        }
        if self.look_at.is_some_and(|due| due <= now) {
            self.watch_directories();
            stale = self.files.keys().cloned().collect();
            self.look_at = Some(now + LOOK_AGAIN);
        }
        stale.into_iter().filter_map(|name| self.read_again(name)).collect()
    }

    /// When [`changes`](Self::changes) is to look without an event.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.look_at
    }

    /// The descriptor to poll.
    pub fn poll(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// The names of the files an event is about.
    fn concerned(&mut self, event: &InotifyEvent) -> Vec<String> {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return self.files.keys().cloned().collect();
        }
        let Some(directory) =
            self.directories.iter().find(|(_, watch)| **watch == event.wd).map(|(path, _)| path.clone())
        else {
            return Vec::new();
        };
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            self.directories.remove(&directory);
        }
        let is_about = |path: &Path| match &event.name {
            Some(name) => path.file_name() == Some(name.as_os_str()),
            // The directory itself is gone or was moved.
            None => true,
        };
        let here =
            self.files.iter().filter(|(_, file)| parent(&file.path) == directory && is_about(&file.path));
        here.map(|(name, _)| name.clone()).collect()
    }

    fn read_again(&mut self, name: String) -> Option<FileValue> {
        let file = self.files.get_mut(&name)?;
        let value = read(&file.path);
        (std::mem::replace(&mut file.value, value) != value).then_some((name, value))
    }

    /// Watches every directory that exists and is not watched, and forgets those nobody needs.
    fn watch_directories(&mut self) {
        let Some(inotify) = &self.inotify else { return };
        let interest = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        let mut unneeded = std::mem::take(&mut self.directories);
        for file in self.files.values() {
            let directory = parent(&file.path);
            unneeded.remove(directory);
            // Adding a watch that exists gives the same descriptor; one for a directory that is absent fails and is
            // tried again with the next look.
            if let Ok(watch) = inotify.add_watch(directory, interest) {
                self.directories.insert(directory.to_owned(), watch);
            }
        }
        for watch in
            unneeded.into_values().filter(|watch| !self.directories.values().any(|kept| kept == watch))
        {
            // EINVAL: the directory is gone and the watch with it.
            let _ = inotify.rm_watch(watch);
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// `init_file [VALUE] [overwrite]`.
fn initialise(file: &TrackedFile) {
    let Some((value, overwrite)) = file.init else { return };
    if !overwrite && file.path.exists() {
        return;
    }
    if let Err(error) = fs::write(&file.path, format!("{value}\n")) {
        tracing::error!("track_file {}: {error}", file.path.display());
    }
}

/// The number at the beginning of a file; `None` if there is no file, or no number.
fn read(path: &Path) -> Option<i64> {
    // Non-blocking: the path may lead to a FIFO.
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).ok()?;
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    parse(&String::from_utf8_lossy(&text))
}

fn parse(text: &str) -> Option<i64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mainstay-files-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }

        fn file(&self, name: &str, init: Option<(i64, bool)>) -> BTreeMap<String, TrackedFile> {
            [("f".to_owned(), TrackedFile { path: self.0.join(name), init })].into()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_number_stands_at_the_beginning() {
        for (text, value) in
            [("5\n", Some(5)), (" -7 words", Some(-7)), ("", None), ("x", None), ("5x", None)]
        {
            assert_eq!(parse(text), value, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_appears_changes_is_replaced_and_disappears_is_told_each_time() {
        let folder = Folder::new("life");
        let (path, now) = (folder.0.join("value"), Instant::now());
        let mut files = TrackedFiles::default();
        files.follow(&folder.file("value", None), now);
        assert_eq!(files.values().collect::<Vec<_>>(), [("f".to_owned(), None)]);
        let mut after = |change: &dyn Fn()| -> Vec<Option<i64>> {
            change();
            files.changes(now).into_iter().map(|(_, value)| value).collect()
        };
        assert_eq!(after(&|| fs::write(&path, "5\n").expect("writes")), [Some(5)]);
        assert_eq!(after(&|| fs::write(&path, "5 \n").expect("writes")), []);
        let replace = || {
            fs::write(folder.0.join("new"), "6").expect("writes");
            fs::rename(folder.0.join("new"), &path).expect("renames");
        };
        assert_eq!(after(&replace), [Some(6)]);
        assert_eq!(after(&|| fs::remove_file(&path).expect("removes")), [None]);
        assert_eq!(after(&|| fs::write(folder.0.join("other"), "9").expect("writes")), []);
    }

    #[test]
    fn a_directory_that_comes_late_is_found() {
        let folder = Folder::new("late");
        let mut files = TrackedFiles::default();
        let now = Instant::now();
        files.follow(&folder.file("deep/value", None), now);
        fs::create_dir(folder.0.join("deep")).expect("creates");
        fs::write(folder.0.join("deep/value"), "1").expect("writes");
        assert_eq!(files.changes(now), []);
        let later = files.next_deadline().expect("it looks again");
        assert_eq!(files.changes(later), [("f".to_owned(), Some(1))]);
        fs::write(folder.0.join("deep/value"), "2").expect("writes");
        assert_eq!(files.changes(later), [("f".to_owned(), Some(2))]);
    }

    #[test]
    fn init_file_creates_and_overwrites_only_if_told() {
        let folder = Folder::new("init");
        let value_after = |init| {
            let mut files = TrackedFiles::default();
            files.follow(&folder.file("value", Some(init)), Instant::now());
            files.values().next().and_then(|(_, value)| value)
        };
        assert_eq!(value_after((3, false)), Some(3));
        assert_eq!(value_after((4, false)), Some(3));
        assert_eq!(value_after((4, true)), Some(4));
    }

    #[test]
    fn nothing_is_watched_when_nothing_is_to_be_followed() {
        let folder = Folder::new("none");
        let mut files = TrackedFiles::default();
        files.follow(&folder.file("value", None), Instant::now());
        assert!(files.poll().is_some());
        files.follow(&BTreeMap::new(), Instant::now());
        assert!(files.poll().is_none() && files.next_deadline().is_none());
    }
}
