//! `@mainstay record PATH`: every fact the router is told goes to a file ([`mainstay_core::recording`]), to be replayed
//! in the simulator. The loop never waits for the file: a lane of its own writes it, and if that does not keep up, the
//! loss is counted and marked in the recording.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::ops::Deref;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;

use mainstay_core::recording::{self, Begun, Entry, Head};
use mainstay_core::router::{Actions, Input, Router};
use mainstay_core::time::{Duration, Instant};

use super::effects::STACK;

/// Steps that may wait to be written: a second of the busiest router that was measured.
const QUEUE: usize = 16 << 10;

/// Greatest size of a recording in bytes: a fortnight of a quiet pair, an hour of a thousand instances.
const LARGEST: u64 = 64 << 20;

/// What was written is in the file at the latest after so long.
const FLUSH: Duration = Duration::from_millis(500);

/// How long the lane waits at a time when nothing is to be written.
const IDLE: Duration = Duration::from_secs(3600);

/// A router, and the tape that runs along if there is one.
pub struct TapedRouter {
    router: Router,
    tape: Option<Tape>,
}

impl TapedRouter {
    /// Makes the router. With a `path`, everything it is told from now on is recorded there.
    pub fn new(head: Head<'_>, path: Option<&Path>) -> Self {
        let tape = path.and_then(|path| {
            let bytes = recording::begin(env!("CARGO_PKG_VERSION"), &head);
            let started = Tape::start(path.to_owned(), bytes, LARGEST);
            started.inspect_err(|error| tracing::error!("nothing is recorded: {error}")).ok()
        });
        Self { router: head.into_router(), tape }
    }

    /// [`Router::step`].
    pub fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions) {
        let Some(tape) = &mut self.tape else { return self.router.step(now, input, actions) };
        let begun = Begun::new(now, &input);
        let before = actions.len();
        self.router.step(now, input, actions);
        if !tape.write(begun.end(&actions[before..])) {
            self.tape = None;
        }
    }
}

impl Deref for TapedRouter {
    type Target = Router;

    fn deref(&self) -> &Router {
        &self.router
    }
}

/// The loop's end of the lane.
struct Tape {
    frames: SyncSender<Vec<u8>>,
    /// Steps that found no room since the last one that did.
    lost: u64,
}

impl Tape {
    fn start(path: PathBuf, head: Vec<u8>, largest: u64) -> std::io::Result<Self> {
        let (frames, receiver) = mpsc::sync_channel(QUEUE);
        thread::Builder::new().name("recorder".to_owned()).stack_size(STACK).spawn(move || {
            if let Err(error) = record(&path, &head, &receiver, largest) {
                tracing::error!("recording to {} ends: {error}", path.display());
            }
        })?;
        Ok(Self { frames, lost: 0 })
    }

    /// Has a frame written; false if the recording has ended.
    fn write(&mut self, frame: Vec<u8>) -> bool {
        let frame = match self.lost {
            0 => frame,
            lost => [recording::frame(&Entry::Lost(lost)), frame].concat(),
        };
        match self.frames.try_send(frame) {
            Ok(()) => self.lost = 0,
            Err(TrySendError::Full(_)) => self.lost += 1,
            Err(TrySendError::Disconnected(_)) => return false,
        }
        true
    }
}

/// Writes until the loop is gone or the file is as large as it may be. The recording before this one is kept beside it.
fn record(path: &Path, head: &[u8], frames: &Receiver<Vec<u8>>, largest: u64) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".1");
    match std::fs::rename(path, beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // A plan may hold passwords.
    let file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut file = BufWriter::new(file);
    file.write_all(head)?;
    file.flush()?;
    let mut size = head.len() as u64;
    // When what was written last is to be in the file.
    let mut flush_at = None;
    loop {
        let now = std::time::Instant::now();
        if flush_at.is_some_and(|at| at <= now) {
            file.flush()?;
            flush_at = None;
        }
        match frames.recv_timeout(flush_at.map_or(IDLE, |at| at - now)) {
            Ok(frame) => {
                size += frame.len() as u64;
                if size > largest {
                    file.write_all(&recording::frame(&Entry::Full))?;
                    tracing::warn!("{} has reached {largest} bytes: recording ends", path.display());
                    return file.flush();
                }
                file.write_all(&frame)?;
                flush_at = flush_at.or(Some(now + FLUSH));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use mainstay_core::heartbeat::BootId;
    use mainstay_core::recording::{Replay, Unreadable};
    use mainstay_core::router::RouterPlan;

    use super::*;

    fn head() -> Vec<u8> {
        let plan = Cow::Owned(RouterPlan::default());
        let (now, since_boot, boot) = (Instant::ZERO, Duration::ZERO, BootId::default());
        recording::begin("test", &Head { now, since_boot, boot, open: None, plan, resume: None })
    }

    fn step() -> Vec<u8> {
        Begun::new(Instant::ZERO, &Input::Tick).end(&[])
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("mainstay-tape-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn what_was_recorded_before_is_kept_beside_it() {
        let folder = folder("rotation");
        let path = folder.join("tape");
        for steps in 1..=2 {
            let (sender, receiver) = mpsc::sync_channel(8);
            (0..steps).for_each(|_| sender.send(step()).expect("room"));
            drop(sender);
            record(&path, &head(), &receiver, LARGEST).expect("written");
        }
        let steps = |path: &Path| {
            let bytes = std::fs::read(path).expect("a file");
            let mut replay = Replay::new(&bytes).expect("a recording");
            std::iter::from_fn(|| replay.step()).count()
        };
        assert_eq!((steps(&folder.join("tape.1")), steps(&path)), (1, 2));
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_recording_never_grows_beyond_its_bound() {
        let folder = folder("bound");
        let path = folder.join("tape");
        let (sender, receiver) = mpsc::sync_channel(1000);
        (0..1000).for_each(|_| sender.send(step()).expect("room"));
        let largest = head().len() as u64 + 10 * step().len() as u64;
        record(&path, &head(), &receiver, largest).expect("written");
        let bytes = std::fs::read(&path).expect("a file");
        assert!(bytes.len() as u64 <= largest + recording::frame(&Entry::Full).len() as u64);
        let mut replay = Replay::new(&bytes).expect("a recording");
        assert_eq!(std::iter::from_fn(|| replay.step()).filter(Result::is_ok).count(), 10);
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn steps_that_found_no_room_are_counted_in_the_recording() {
        let (frames, receiver) = mpsc::sync_channel(1);
        let mut tape = Tape { frames, lost: 0 };
        for _ in 0..4 {
            assert!(tape.write(step()), "full is not the end");
        }
        let mut bytes = [head(), receiver.recv().expect("the first")].concat();
        assert!(tape.write(step()));
        bytes.extend(receiver.recv().expect("the last"));
        let mut replay = Replay::new(&bytes).expect("a recording");
        assert!(replay.step().expect("the first").is_ok());
        let lost = replay.step().expect("a gap").err();
        assert_eq!(lost, Some(Unreadable::Lost { after: 1, steps: 3 }));
        drop(receiver);
        assert!(!tape.write(step()), "the lane is gone");
    }
}
