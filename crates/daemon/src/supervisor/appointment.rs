//! `reload_time_file`: a file that says when to reload, so that all nodes of a cluster can do it at one moment.
//!
//! It holds `HH:MM:SS` (the next time the clock shows that) or `[YY]YY-MM-DD HH:MM:SS[Z]`, local time unless `Z` says UTC.
//! After the reload the file is removed, unless `reload_repeat` keeps it: then `HH:MM:SS` is every day.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use mainstay_config::model::ReloadTime;

/// Between two looks at the file and the clock.
const GLANCE: Duration = Duration::from_secs(1);

/// More than the longest time.
const LONGEST: u64 = 64;

/// When the next reload is, if the file says so.
#[derive(Debug, Default)]
pub struct Appointment {
    wanted: Option<ReloadTime>,
    /// What the file held when it was last looked at.
    text: String,
    due: Option<Timestamp>,
    look_at: Option<Instant>,
}

impl Appointment {
    /// This is configured now.
    pub fn follow(&mut self, wanted: Option<&ReloadTime>, now: Instant) {
        if self.wanted.as_ref() != wanted {
            *self = Self { wanted: wanted.cloned(), ..Self::default() };
        }
        self.look_at = wanted.map(|_| now);
    }

    /// When to look again.
    pub const fn next_deadline(&self) -> Option<Instant> {
        self.look_at
    }

    /// Looks at the file and the clock; true if it is time to reload.
    pub fn has_come(&mut self, now: Instant) -> bool {
        if self.look_at.is_none_or(|at| at > now) {
            return false;
        }
        let Some(wanted) = self.wanted.clone() else { return false };
        self.look_at = Some(now + GLANCE);
        self.read(&wanted.file, &Zoned::now());
        if self.due.is_none_or(|due| due > Timestamp::now()) {
            return false;
        }
        self.due = None;
        self.text.clear();
        if !wanted.repeat
            && let Err(error) = fs::remove_file(&wanted.file)
        {
            // Read again it would make an appointment for tomorrow.
            tracing::error!("{}: {error}; it is not looked at any more", wanted.file.display());
            self.look_at = None;
        }
        true
    }

    /// Makes, changes or cancels the appointment if the file has changed.
    fn read(&mut self, file: &PathBuf, now: &Zoned) {
        let mut text = String::new();
        if let Ok(file) = fs::File::open(file) {
            // What is no text is no time either.
            let _ = file.take(LONGEST).read_to_string(&mut text);
        }
        let text = text.trim().to_owned();
        if text == self.text {
            return;
        }
        if text.is_empty() {
            tracing::info!("No reload is planned any more");
            self.due = None;
        } else {
            match when(&text, now) {
                Ok(due) => {
                    tracing::info!("Reload planned for {}", due.to_zoned(now.time_zone().clone()).datetime());
                    self.due = Some(due);
                }
                Err(why) => {
                    tracing::error!("{}: \"{text}\" {why}: no reload is planned", file.display());
                    self.due = None;
                }
            }
        }
        self.text = text;
    }
}

/// The moment a text means.
fn when(text: &str, now: &Zoned) -> Result<Timestamp, &'static str> {
    const FORMAT: &str = "is neither HH:MM:SS nor [YY]YY-MM-DD HH:MM:SS[Z]";
    let local = now.time_zone();
    let moment = |at: DateTime, zone: &TimeZone| {
        // In the hour that a change of the clocks leaves out: when the clocks have been changed.
        at.to_zoned(zone.clone()).map(|zoned| zoned.timestamp()).map_err(|_| "is no time here")
    };
    let Some((date, time)) = text.split_once([' ', 'T']) else {
        let time: Time = clock(text).ok_or(FORMAT)?;
        let today = moment(now.date().to_datetime(time), local)?;
        if today > now.timestamp() {
            return Ok(today);
        }
        let tomorrow = now.date().checked_add(1.day()).map_err(|_| "is too far away")?;
        return moment(tomorrow.to_datetime(time), local);
    };
    let (time, zone) = match time.trim().strip_suffix('Z') {
        Some(time) => (time, &TimeZone::UTC),
        None => (time.trim(), local),
    };
    let at = moment(day(date).ok_or(FORMAT)?.to_datetime(clock(time).ok_or(FORMAT)?), zone)?;
    if at > now.timestamp() { Ok(at) } else { Err("is over") }
}

/// `HH:MM:SS`.
fn clock(text: &str) -> Option<Time> {
    let mut parts = text.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let time = Time::new(hour, minute, second, 0).ok()?;
    parts.next().is_none().then_some(time)
}

/// `YYYY-MM-DD` or `YY-MM-DD`.
fn day(text: &str) -> Option<Date> {
    let mut parts = text.split('-').map(|part| part.parse::<i16>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let year = if year < 100 { 2000 + year } else { year };
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    parts.next().is_none().then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_next_one_and_a_date_is_local_unless_it_says_utc() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let now: Zoned = "2026-11-21T12:00:00Z".parse::<Timestamp>().expect("a moment").to_zoned(berlin);
        let means = |text: &str| when(text, &now).map(|at| at.to_string());
        assert_eq!(means("14:30:00").as_deref(), Ok("2026-11-21T13:30:00Z"));
        assert_eq!(means("13:00:00").as_deref(), Ok("2026-11-22T12:00:00Z"), "it is 13:00:00 now");
        assert_eq!(means("2026-12-01 00:00:00").as_deref(), Ok("2026-11-30T23:00:00Z"));
        assert_eq!(means("26-12-01 00:00:00Z").as_deref(), Ok("2026-12-01T00:00:00Z"));
        assert_eq!(means("2026-11-21 12:59:59"), Err("is over"));
        assert_eq!(means("2027-07-01 12:00:00").as_deref(), Ok("2027-07-01T10:00:00Z"), "summer");
        for wrong in ["soon", "12:00", "25:00:00", "12:00:00:00", "2026-13-01 00:00:00", "2026-01 00:00:00"] {
            assert!(means(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_file_makes_changes_and_cancels_an_appointment_and_goes_when_it_has_come() {
        let file = std::env::temp_dir().join(format!("mainstay-reload-at-{}", std::process::id()));
        let mut appointment = Appointment::default();
        let wanted = ReloadTime { file: file.clone(), repeat: false };
        let mut now = Instant::now();
        let _ = fs::remove_file(&file);
        appointment.follow(Some(&wanted), now);
        assert!(!appointment.has_come(now) && appointment.due.is_none());
        let mut look = |appointment: &mut Appointment| {
            now += GLANCE;
            appointment.has_come(now)
        };
        fs::write(&file, "2999-01-01 00:00:00\n").expect("writes");
        assert!(!look(&mut appointment) && appointment.due.is_some());
        fs::write(&file, "nonsense").expect("writes");
        assert!(!look(&mut appointment) && appointment.due.is_none());
        fs::write(&file, "2999-01-01 00:00:00\n").expect("writes");
        assert!(!look(&mut appointment));
        // Its time has come.
        appointment.due = Some(Timestamp::UNIX_EPOCH);
        assert!(look(&mut appointment) && !file.exists());
        assert!(!look(&mut appointment), "once");
    }
}
