//! One file, both daemons, three moments.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use mainstay::lab::{Lab, seconds};
use nix::sys::signal::Signal;

use super::listing::Listing;
use super::scene::{Program, Scene, machine};
use super::subject::Subject;

/// How long a daemon may take to start or to end, beside fifteen pairs of others, in an emulated machine.
const LIFE_LIMIT: Duration = Duration::from_secs(120);
/// How long after both are there the tables may still differ.
const LIMIT: Duration = Duration::from_secs(20);
/// Checks that take longer to come to a judgement are not waited for.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60);
/// keepalived's `child_wait_time` by default, and a little less.
const THEIR_END: Duration = Duration::from_secs(4);
/// keepalived's last word.
const FAREWELL: &str = "Stopped Keepalived";
/// Emulated machines are late.
const SLACK: Duration = Duration::from_secs(3);

/// Lines of each log that are shown with a difference.
const LINES_OF_LOG: usize = 25;

/// When a table was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Everything is started, and no question has come to an end.
    Started,
    /// Everything that was asked has been refused, and every check has said so.
    Judged,
    /// The daemon has ended.
    Ended,
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Started => "started",
            Self::Judged => "judged",
            Self::Ended => "ended",
        })
    }
}

/// What a moment showed.
#[derive(Debug)]
pub struct Found {
    pub moment: Moment,
    pub ours: Listing,
    pub theirs: Listing,
}

impl Found {
    /// Whether the tables are the same.
    pub fn is_equal(&self) -> bool {
        self.ours == self.theirs
    }
}

/// What came of a file.
#[derive(Debug)]
pub enum Outcome {
    /// These tables were compared.
    Compared(Vec<Found>),
    /// There is nothing to compare, and why.
    NothingToCompare(String),
}

/// Gives a file to both.
pub fn compare(lab: &Lab, number: usize, subject: &Subject) -> Result<Outcome> {
    let needs = subject.needs();
    let names = [format!("theirs-{number}"), format!("ours-{number}")];
    let place = machine(lab, &names[0], &needs)?;
    let untouched = Listing::read(place.namespace())?;
    let (mut theirs, started) = Scene::start(lab, place, Program::Keepalived, subject, &needs, LIFE_LIMIT)?;
    if !started {
        let log = theirs.daemon.log();
        let last = log.lines().last().unwrap_or_default();
        return Ok(Outcome::NothingToCompare(format!("keepalived does not start: {last}")));
    }
    let at_start = theirs.listing()?.without_daemons();
    let place = machine(lab, &names[1], &needs)?;
    let (mut ours, _) = Scene::start(lab, place, Program::Mainstay, subject, &needs, LIFE_LIMIT)?;
    let since = Instant::now();
    let mut found =
        vec![until_equal(Moment::Started, || Ok((ours.listing()?.without_daemons(), at_start.clone())))?];
    if found[0].ours == untouched && found[0].theirs == untouched {
        return Ok(Outcome::NothingToCompare("it has no virtual server here".to_owned()));
    }

    ours.refuse()?;
    theirs.refuse()?;
    let patience = ours.node.namespace().run(|| subject.patience())?;
    if patience > LONGEST_PATIENCE {
        println!("{subject}: not waited {patience:?} for its checks");
    } else {
        thread::sleep((patience + SLACK).saturating_sub(since.elapsed()));
        found.push(until_equal(Moment::Judged, || Ok((ours.listing()?, theirs.listing()?)))?);
    }

    for scene in [&mut ours, &mut theirs] {
        scene.daemon.signal(Signal::SIGTERM);
    }
    // keepalived's supervisor kills a checker that has not cleared its table after five seconds: then what is left is
    // a matter of luck. So it is when keepalived is gone without its last word.
    let in_time = theirs.end(THEIR_END);
    ours.end(LIFE_LIMIT);
    if in_time && theirs.daemon.log().contains(FAREWELL) {
        found.push(Found { moment: Moment::Ended, ours: ours.listing()?, theirs: theirs.listing()? });
    }
    if !found.iter().all(Found::is_equal) {
        println!("{subject}: ours said\n{}\n{subject}: keepalived said\n{}", end_of(&ours), end_of(&theirs));
    }
    Ok(Outcome::Compared(found))
}

/// Waits until both are the same; gives them as they were at last.
fn until_equal(moment: Moment, look: impl Fn() -> Result<(Listing, Listing)>) -> Result<Found> {
    let start = Instant::now();
    loop {
        let (ours, theirs) = look()?;
        let found = Found { moment, ours, theirs };
        if found.is_equal() || start.elapsed() > LIMIT {
            return Ok(found);
        }
        thread::sleep(seconds(0.5));
    }
}

/// The last lines of a log.
fn end_of(scene: &Scene) -> String {
    let log = scene.daemon.log();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES_OF_LOG)..].join("\n")
}
