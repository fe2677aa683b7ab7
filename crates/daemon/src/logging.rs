//! Where log lines go: syslog, the terminal, a file.
//!
//! A log must never hold up the daemon: a line that syslog does not take at once is counted, and the count told with the
//! next line that gets through; a line that the terminal (or a pipe in its place) does not take at once is dropped.

use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

use crate::cli::LogOptions;

/// Where keepalived logs with a bare `-g`.
const DEFAULT_LOG_FILE: &str = "/tmp/keepalived.log";

/// Where the system's log daemon listens.
const SYSLOG_SOCKET: &str = "/dev/log";

/// A syslog facility (RFC 3164, section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facility(u8);

const NAMES: [&str; 12] =
    ["kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"];

impl Facility {
    /// `local0` to `local7`.
    #[must_use]
    pub const fn local(number: u8) -> Option<Self> {
        if number < 8 { Some(Self(16 + number)) } else { None }
    }
}

impl Default for Facility {
    fn default() -> Self {
        Self(3)
    }
}

impl FromStr for Facility {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let local = text.strip_prefix("local").unwrap_or(text);
        if let Some(facility) = local.parse().ok().and_then(Self::local) {
            return Ok(facility);
        }
        let place = NAMES.iter().position(|name| *name == text);
        let number = place.and_then(|place| u8::try_from(place).ok());
        number.map(Self).ok_or_else(|| {
            format!("{text} is no syslog facility: 0 to 7, local0 to local7, daemon, user, ...")
        })
    }
}

impl fmt::Display for Facility {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0)) {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "local{}", self.0 - 16),
        }
    }
}

/// Sends this process's log where the options say, under this name. The first call wins.
pub fn start(options: &LogOptions, name: &str) {
    let level = if options.log_detail { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let terminal = options.log_console.then(|| {
        tracing_subscriber::fmt::layer().with_writer(|| Terminal).with_target(false).with_ansi(false)
    });
    let file = options.log_file.as_ref().and_then(|path| {
        let path = path.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_LOG_FILE));
        let opened = OpenOptions::new().append(true).create(true).open(&path);
        let complaint = |error: &io::Error| eprintln!("mainstay: log file {}: {error}", path.display());
        let file = opened.inspect_err(complaint).ok()?;
        Some(
            tracing_subscriber::fmt::layer()
                .with_writer(Mutex::new(file))
                .with_target(false)
                .with_ansi(false),
        )
    });
    let syslog = (!options.no_syslog)
        .then(|| Syslog::new(Path::new(SYSLOG_SOCKET), options.log_facility, name).ok())
        .flatten();
    let subscriber = Registry::default().with(level).with(terminal).with(file).with(syslog);
    // A second start (tests) keeps the first log.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Standard error, as long as it takes what is written: a reader that stands still must not stop us.
struct Terminal;

impl Write for Terminal {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let error = io::stderr();
        let mut ready = [PollFd::new(error.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut ready, PollTimeout::ZERO) {
            // A pipe that is ready takes a line of up to 4096 bytes at once; a longer one may wait for its reader.
            Ok(1..) => error.lock().write(line),
            Ok(_) | Err(_) => Ok(line.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes to the system's log daemon, one datagram a line.
///
/// The socket stays unconnected, so a log daemon that comes back, or comes late, is found without any doing of ours.
/// The lines carry no time stamp: whoever receives them puts his, and needs no agreement with us about time zones.
struct Syslog {
    socket: UnixDatagram,
    path: PathBuf,
    facility: Facility,
    name: String,
    lost: AtomicU64,
}

impl Syslog {
    fn new(path: &Path, facility: Facility, name: &str) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path: path.into(), facility, name: name.into(), lost: AtomicU64::new(0) })
    }

    fn write(&self, level: Level, message: &str) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 && !self.send(Level::WARN, &format!("{lost} log lines were lost")) {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
        if !self.send(level, message) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send(&self, level: Level, message: &str) -> bool {
        let priority = self.facility.0 * 8 + severity(level);
        let line = format!("<{priority}>{}[{}]: {message}", self.name, std::process::id());
        self.socket.send_to(line.as_bytes(), &self.path).is_ok()
    }
}

/// RFC 3164's severities for ours.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

impl<S: Subscriber> Layer<S> for Syslog {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.write(*event.metadata().level(), &format!("{}{}", line.message, line.fields));
    }
}

/// A message and its fields as one line.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_are_read_and_written_alike() {
        for name in ["daemon", "user", "local0", "local7", "authpriv"] {
            assert_eq!(name.parse::<Facility>().expect(name).to_string(), name);
        }
        assert_eq!("5".parse::<Facility>().expect("number").to_string(), "local5");
        assert!("8".parse::<Facility>().is_err() && "nonsense".parse::<Facility>().is_err());
    }

    #[test]
    fn a_line_reaches_the_log_daemon_with_its_priority_and_fields() {
        let path = std::env::temp_dir().join(format!("mainstay-syslog-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let facility = Facility::local(1).expect("local1");
        let syslog = Syslog::new(&path, facility, "Mainstay").expect("a socket");
        syslog.write(Level::INFO, "nobody listens yet");
        let daemon = UnixDatagram::bind(&path).expect("binds");
        let subscriber = Registry::default().with(syslog);
        tracing::subscriber::with_default(subscriber, || tracing::error!(pid = 5, "gone {}", 1));
        let mut received = Vec::new();
        let mut buffer = [0; 200];
        daemon.set_nonblocking(true).expect("non-blocking");
        while let Ok(length) = daemon.recv(&mut buffer) {
            received.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        std::fs::remove_file(&path).expect("removes");
        let pid = std::process::id();
        assert_eq!(
            received,
            [
                format!("<{}>Mainstay[{pid}]: 1 log lines were lost", 17 * 8 + 4),
                format!("<{}>Mainstay[{pid}]: gone 1 pid=5", 17 * 8 + 3),
            ]
        );
    }
}
