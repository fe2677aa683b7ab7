//! `mainstay status`, `why` and `events`: what a running daemon has to say.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use mainstay_control::client::{AskError, ask};
use mainstay_control::status::Status;
use mainstay_control::text::{self, Ink};
use mainstay_control::{Happening, Question, Reply};

/// Where to ask.
#[derive(Debug, Args)]
pub struct Where {
    /// The control socket: beside the process id file, with `.sock` for `.pid`
    #[arg(long, default_value = mainstay_control::SOCKET)]
    pub socket: PathBuf,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// `mainstay why`.
#[derive(Debug, Args)]
pub struct WhyOptions {
    /// Name of an instance, a group, a tracker, or a server as the log names it
    pub name: String,
    /// Where to ask.
    #[command(flatten)]
    pub to: Where,
}

/// `mainstay events`.
#[derive(Debug, Args)]
pub struct EventsOptions {
    /// At most so many, the newest
    #[arg(short = 'n', long, default_value_t = 100)]
    pub last: u32,
    /// Where to ask.
    #[command(flatten)]
    pub to: Where,
}

/// How many events a question about one name shows.
const CHAIN: u32 = 20;

/// `mainstay status`.
#[must_use]
pub fn status(to: &Where) -> ExitCode {
    finish(status_of(to).map(|status| if to.json { json(&status) } else { text::status(&status, ink()) }))
}

/// `mainstay why NAME`: what it is now, and what led there.
#[must_use]
pub fn why(options: &WhyOptions) -> ExitCode {
    let to = &options.to;
    let found =
        events_of(to, Some(options.name.clone()), CHAIN).and_then(|events| Ok((status_of(to)?, events)));
    finish(found.map(|(mut status, events)| {
        if to.json {
            return json(&events);
        }
        let name = options.name.as_str();
        if let Some(vrrp) = &mut status.vrrp {
            vrrp.instances
                .retain(|instance| instance.name == name || instance.group.as_deref() == Some(name));
            vrrp.groups.retain(|group| group.name == name);
            vrrp.trackers
                .retain(|tracker| tracker.name == name || tracker.name.ends_with(&format!(" {name}")));
            vrrp.paths.clear();
            vrrp.alarms.retain(|alarm| alarm.instance == name);
        }
        status.virtual_servers.retain_mut(|server| {
            let is_it = server.name == name;
            server.real_servers.retain(|real| is_it || real.name == name);
            is_it || !server.real_servers.is_empty()
        });
        let what = if events.is_empty() {
            format!("\nNothing has happened to {name} since the daemon was started.\n")
        } else {
            format!("\nWhat happened, the newest last:\n{}", text::events(&events, moment))
        };
        text::status(&status, ink()) + &what
    }))
}

/// `mainstay events`.
#[must_use]
pub fn events(options: &EventsOptions) -> ExitCode {
    let to = &options.to;
    finish(
        events_of(to, None, options.last)
            .map(|events| if to.json { json(&events) } else { text::events(&events, moment) }),
    )
}

fn status_of(to: &Where) -> Result<Status, AskError> {
    match ask(&to.socket, Question::Status)? {
        Reply::Status(status) => Ok(*status),
        Reply::Events(_) | Reply::Refused(_) => Err(AskError::Refused("this is no status".into())),
    }
}

fn events_of(to: &Where, about: Option<String>, last: u32) -> Result<Vec<Happening>, AskError> {
    match ask(&to.socket, Question::Events { about, last })? {
        Reply::Events(events) => Ok(events),
        Reply::Status(_) | Reply::Refused(_) => Err(AskError::Refused("these are no events".into())),
    }
}

fn finish(text: Result<String, AskError>) -> ExitCode {
    match text {
        Ok(text) => {
            // Whoever reads may have seen enough.
            let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mainstay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn json(value: &impl serde::Serialize) -> String {
    // Plain values always can be written.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn ink() -> Ink {
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    if is_terminal && std::env::var_os("NO_COLOR").is_none() { Ink::Colour } else { Ink::Plain }
}

/// Local time, as a log has it.
fn moment(at_ms: u64) -> String {
    let at =
        i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
