//! The history in a file (`@mainstay event_file`): a line of JSON for each event, appended.
//!
//! A thread of its own writes, so that a slow disk delays no check; what it has no time for is counted and told. Lines
//! are those of the control socket ([`Happening`]). A file that has grown long is put aside as `PATH.1`, the one before
//! that as `PATH.2`, and so on; one that somebody else puts aside (logrotate) is begun anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use mainstay_control::Happening;

/// A file so long is put aside, in bytes: about a hundred thousand events.
const LONGEST: u64 = 16 << 20;

/// So many are kept aside.
const ASIDE: u32 = 4;

/// Events that wait to be written.
const WAITING: usize = 4096;

/// How much of the end of a file is read at the start, in bytes.
const TAIL: u64 = 4 << 20;

/// Who may read it: root, and the group of the file.
const MODE: u32 = 0o640;

/// The file, as the loop sees it.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    /// `None` only while it is being dropped.
    lines: Option<SyncSender<Happening>>,
    writer: Option<JoinHandle<()>>,
    lost: u64,
}

impl Ledger {
    /// Appends to this file from now on.
    ///
    /// # Errors
    /// When it cannot be opened, or there is no thread to be had.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let (lines, waiting) = sync_channel(WAITING);
        let mut book = Book { path: path.to_owned(), file, longest: LONGEST, failed: false };
        let writer = std::thread::Builder::new().name("events".into()).spawn(move || book.keep(&waiting))?;
        Ok(Self { path: path.to_owned(), lines: Some(lines), writer: Some(writer), lost: 0 })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes an event, if there is room among those that wait.
    pub fn write(&mut self, happening: &Happening) {
        let Some(lines) = &self.lines else { return };
        match lines.try_send(happening.clone()) {
            Ok(()) if self.lost > 0 => {
                tracing::warn!(
                    "{}: {} events are not in it: the disk is slow",
                    self.path.display(),
                    self.lost
                );
                self.lost = 0;
            }
            Ok(()) => {}
            // A thread that has ended loses them too.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.lost += 1,
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // It writes what waits, and ends.
        self.lines = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// The newest events of a file and of those put aside, oldest first, at most so many. Lines that are no events are left
/// out: the last one may have been cut off by a crash.
pub fn newest(path: &Path, most: usize) -> Vec<Happening> {
    let mut found = Vec::new();
    for number in 0..=ASIDE {
        let mut older = tail(&aside(path, number)).unwrap_or_default();
        older.append(&mut found);
        found = older;
        if found.len() >= most {
            break;
        }
    }
    found.split_off(found.len().saturating_sub(most))
}

fn tail(path: &Path) -> io::Result<Vec<Happening>> {
    let mut file = File::open(path)?;
    let skipped = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(skipped))?;
    let lines = BufReader::new(file.take(TAIL)).split(b'\n').map_while(Result::ok);
    Ok(lines.filter_map(|line| serde_json::from_slice(&line).ok()).collect())
}

/// `PATH`, or `PATH.1` and so on.
fn aside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    if number > 0 {
        name.push(format!(".{number}"));
    }
    name.into()
}

fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().append(true).create(true).read(true).mode(MODE).open(path)?;
    let length = file.metadata()?.len();
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::Start(length - 1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// The file, as the thread sees it.
struct Book {
    path: PathBuf,
    file: File,
    longest: u64,
    failed: bool,
}

impl Book {
    fn keep(&mut self, waiting: &Receiver<Happening>) {
        while let Ok(first) = waiting.recv() {
            let mut lines = Vec::new();
            for happening in std::iter::once(first).chain(waiting.try_iter().take(WAITING)) {
                // Plain values always can be written.
                if serde_json::to_writer(&mut lines, &happening).is_ok() {
                    lines.push(b'\n');
                }
            }
            match self.append(&lines) {
                Ok(()) => self.failed = false,
                Err(error) if !self.failed => {
                    tracing::error!("{}: {error}: events are lost", self.path.display());
                    self.failed = true;
                }
                Err(_) => {}
            }
        }
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let ours = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(there) if there.ino() == ours.ino() && there.dev() == ours.dev() => {
                if ours.len() > 0 && ours.len() + lines.len() as u64 > self.longest {
                    self.put_aside()?;
                    self.file = open(&self.path)?;
                }
            }
            // Somebody put it aside.
            Ok(_) | Err(_) => self.file = open(&self.path)?,
        }
        self.file.write_all(lines)
    }

    fn put_aside(&self) -> io::Result<()> {
        for number in (1..ASIDE).rev() {
            // The first times they are not there.
            let _ = fs::rename(aside(&self.path, number), aside(&self.path, number + 1));
        }
        fs::rename(&self.path, aside(&self.path, 1))
    }
}

#[cfg(test)]
mod tests {
    use mainstay_control::Level;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mainstay-ledger-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }

        fn file(&self) -> PathBuf {
            self.0.join("events")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn event(number: u64) -> Happening {
        let text = format!("\"{number}\"\n");
        Happening { at_ms: number, subject: "VI_1".into(), level: Level::Info, text }
    }

    fn numbers(path: &Path, most: usize) -> Vec<u64> {
        newest(path, most).iter().map(|happening| happening.at_ms).collect()
    }

    #[test]
    fn what_was_written_is_read_again_and_a_line_that_was_cut_off_is_left_out() {
        let folder = Folder::new("again");
        for (first, last) in [(0, 3), (3, 6)] {
            let mut ledger = Ledger::open(&folder.file()).expect("opens");
            (first..last).for_each(|number| ledger.write(&event(number)));
            drop(ledger);
            let mut file = OpenOptions::new().append(true).open(folder.file()).expect("it is there");
            file.write_all(b"{\"at_ms\":99,").expect("writes");
        }
        assert_eq!(numbers(&folder.file(), 100), [0, 1, 2, 3, 4, 5]);
        assert_eq!(numbers(&folder.file(), 2), [4, 5]);
        let text = fs::read_to_string(folder.file()).expect("text");
        let line = r#"{"at_ms":0,"subject":"VI_1","level":"info","text":"\"0\"\n"}"#;
        assert_eq!(text.lines().next(), Some(line), "a stable format");
    }

    #[test]
    fn a_long_file_is_put_aside_and_the_oldest_goes() {
        let folder = Folder::new("long");
        let path = folder.file();
        let file = open(&path).expect("opens");
        let mut book = Book { path: path.clone(), file, longest: 100, failed: false };
        for number in 0..7 {
            // Two do not fit.
            let line = format!("{}\n", serde_json::to_string(&event(number)).expect("plain"));
            book.append(line.as_bytes()).expect("writes");
        }
        assert_eq!(numbers(&path, 100), [2, 3, 4, 5, 6]);
        assert!(aside(&path, ASIDE).exists() && !aside(&path, ASIDE + 1).exists());
    }

    #[test]
    fn a_file_that_somebody_puts_aside_is_begun_anew() {
        let folder = Folder::new("moved");
        let path = folder.file();
        let mut book =
            Book { path: path.clone(), file: open(&path).expect("opens"), longest: 1000, failed: false };
        book.append(b"one\n").expect("writes");
        fs::rename(&path, folder.0.join("elsewhere")).expect("renames");
        book.append(b"two\n").expect("writes");
        assert_eq!(fs::read_to_string(&path).expect("reads"), "two\n");
    }
}
