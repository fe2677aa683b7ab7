//! A mail relay that takes every letter, keeps it, and can be told to be busy.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

use super::Namespace;

/// How often it is looked who comes.
const GLANCE: Duration = Duration::from_millis(10);

/// How long a client may say nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// One letter as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Received {
    /// What was said before the text, a line each: `MAIL FROM:...`, `RCPT TO:...`.
    pub envelope: Vec<String>,
    /// Headers and text, a line each.
    pub lines: Vec<String>,
}

impl Received {
    /// The subject, unfolded (RFC 5322, section 2.2.3); empty if there is none.
    #[must_use]
    pub fn subject(&self) -> String {
        let mut headers = self.lines.iter().take_while(|line| !line.is_empty());
        let first = headers.find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default();
        let rest = headers.take_while(|line| line.starts_with([' ', '\t']));
        rest.fold(first.to_owned(), |subject, line| subject + line)
    }
}

/// Takes mail on a port until dropped.
#[derive(Debug)]
pub struct Relay {
    letters: Arc<Mutex<Vec<Received>>>,
    busy: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    pub(super) fn start(namespace: &Namespace, port: u16) -> Result<Self> {
        let listener = namespace.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)))?;
        let listener = listener.with_context(|| format!("listen on port {port}"))?;
        listener.set_nonblocking(true).context("make the relay's socket non-blocking")?;
        let (letters, busy, stop): (Arc<Mutex<Vec<_>>>, Arc<AtomicBool>, Arc<AtomicBool>) =
            Default::default();
        let (kept, is_busy, stopped) = (Arc::clone(&letters), Arc::clone(&busy), Arc::clone(&stop));
        let thread = namespace.thread("relay", move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(GLANCE);
                    continue;
                };
                let (kept, is_busy) = (Arc::clone(&kept), Arc::clone(&is_busy));
                // Several may talk at once; one that hangs ends with its patience.
                thread::spawn(move || talk(stream, &kept, &is_busy));
            }
        })?;
        Ok(Self { letters, busy, stop, thread: Some(thread) })
    }

    /// What came so far.
    #[must_use]
    pub fn letters(&self) -> Vec<Received> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Their subjects, sorted: letters about different things may overtake each other.
    #[must_use]
    pub fn subjects(&self) -> Vec<String> {
        let mut subjects: Vec<_> = self.letters().iter().map(Received::subject).collect();
        subjects.sort();
        subjects
    }

    /// From now on it takes none for the moment (answer 451), or takes them again.
    pub fn be_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One conversation (RFC 5321).
fn talk(mut stream: TcpStream, letters: &Mutex<Vec<Received>>, busy: &AtomicBool) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 relay\r\n")?;
    let mut letter = Received::default();
    while let Some(line) = lines.next().transpose()? {
        let answer = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                while let Some(text) = lines.next().transpose()?.filter(|text| text != ".") {
                    letter.lines.push(text);
                }
                let mut letters = letters.lock().unwrap_or_else(PoisonError::into_inner);
                letters.push(std::mem::take(&mut letter));
                "250 taken\r\n"
            }
            "MAIL" if busy.load(Ordering::Relaxed) => "451 later\r\n",
            "MAIL" | "RCPT" => {
                letter.envelope.push(line);
                "250 fine\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => "250 relay\r\n",
        };
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}
