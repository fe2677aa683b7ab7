//! One file, both daemons, three moments.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mainstay::lab::{Lab, seconds};
use nix::sys::signal::Signal;

use super::gate::{Gate, Place};
use super::listing::Listing;
use super::review::Review;
use super::scene::{Program, Scene, machine};
use super::subject::Subject;

/// How long a daemon may take to start or to end, beside many pairs of others, in an emulated machine.
const LIFE_LIMIT: Duration = Duration::from_secs(180);
/// How long after every check had its time the tables may still differ. We believe no check while our own loop is
/// late, and in a guest on a busy machine it is late for minutes.
const LIMIT: Duration = Duration::from_secs(600);
/// Checks that take longer to come to a judgement are not waited for.
const LONGEST_PATIENCE: Duration = Duration::from_secs(150);
/// keepalived's `child_wait_time` by default, and a little less.
const THEIR_END: Duration = Duration::from_secs(4);
/// Starts of a file at most.
const TRIES: usize = 4;
/// What we say when a check has cost a server its place, and what keepalived says.
const OUR_VERDICT: &str = "out of service";
const THEIR_VERDICT: &str = "Removing ";
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
    /// Neither has changed anything: there is no virtual server in it that both take.
    Untouched,
    /// keepalived does not run with it; its last words.
    Refused(String),
}

/// Both daemons with one file.
#[derive(Debug)]
struct Pair<'s> {
    subject: &'s Subject,
    ours: Scene,
    theirs: Scene,
}

/// What came of a start.
enum Start<'s> {
    /// There is something to compare, and both are stopped.
    Running(Box<Pair<'s>>, Found),
    /// There is not.
    Over(Outcome),
}

/// Gives a file to both. Daemons start and end in a place behind the gate.
///
/// A start that was so slow that checks were judged before it was over tells nothing, and is tried again.
pub fn compare(subject: &Subject, gate: &Gate, review: &Review) -> Result<Outcome> {
    let mut tries = 1;
    loop {
        let place = gate.begin();
        match Pair::start(subject)? {
            Start::Over(outcome) => return Ok(outcome),
            Start::Running(pair, started)
                if tries < TRIES && pair.has_judged() && !review.expects(subject, &started) =>
            {
                println!("{subject}: checks were done before the start was; once more");
                tries += 1;
            }
            Start::Running(pair, started) => return pair.go_on(started, gate, place, review),
        }
    }
}

impl<'s> Pair<'s> {
    /// Starts one after the other, for who starts alone is sooner done, and stops each in the moment it is started.
    fn start(subject: &'s Subject) -> Result<Start<'s>> {
        let lab = Lab::new("tables")?;
        let needs = subject.needs();
        let [theirs, ours] = [machine(&lab, "theirs", &needs)?, machine(&lab, "ours", &needs)?];
        let untouched = Listing::read(theirs.namespace())?;
        let mut theirs = Scene::start(&lab, theirs, Program::Keepalived, subject, &needs)?;
        if !theirs.freeze_when_started(LIFE_LIMIT)? {
            return Ok(Start::Over(Outcome::Refused(theirs.last_words(1))));
        }
        let mut ours = Scene::start(&lab, ours, Program::Mainstay, subject, &needs)?;
        let we_started = ours.freeze_when_started(LIFE_LIMIT)?;
        ensure!(we_started, "we do not start: {}", ours.last_words(LINES_OF_LOG));
        let pair = Self { subject, ours, theirs };
        let Found { moment, ours, theirs } = pair.look(Moment::Started)?;
        let started = Found { moment, ours: ours.without_daemons(), theirs: theirs.without_daemons() };
        if started.ours == untouched && started.theirs == untouched {
            return Ok(Start::Over(Outcome::Untouched));
        }
        pair.show(&started);
        Ok(Start::Running(Box::new(pair), started))
    }

    /// Whether a check of one of them has come to a judgement.
    fn has_judged(&self) -> bool {
        self.ours.daemon.log().contains(OUR_VERDICT) || self.theirs.daemon.log().contains(THEIR_VERDICT)
    }

    /// Lets everything be refused, and ends both.
    fn go_on(mut self, started: Found, gate: &Gate, place: Place<'_>, review: &Review) -> Result<Outcome> {
        let mut found = vec![started];
        let mut place = place;
        let patience = self.ours.node.namespace().run(|| self.subject.patience())?;
        for scene in [&mut self.ours, &mut self.theirs] {
            scene.refuse()?;
            scene.thaw()?;
        }
        if patience > LONGEST_PATIENCE {
            println!("{}: not waited {patience:?} for its checks", self.subject);
        } else {
            drop(place);
            thread::sleep(patience + SLACK);
            found.push(self.judged(review)?);
            place = gate.end();
        }

        for scene in [&mut self.ours, &mut self.theirs] {
            scene.daemon.signal(Signal::SIGTERM);
        }
        // keepalived's supervisor kills a checker that has not cleared its table after five seconds: then what is left
        // is a matter of luck. So it is when keepalived is gone without its last word.
        let in_time = self.theirs.end(THEIR_END);
        self.ours.end(LIFE_LIMIT);
        if in_time && self.theirs.daemon.log().contains(FAREWELL) {
            let ended = self.look(Moment::Ended)?;
            self.show(&ended);
            found.push(ended);
        } else {
            println!("{}: keepalived had no time to end; what it leaves is not compared", self.subject);
        }
        drop(place);
        Ok(Outcome::Compared(found))
    }

    /// Waits until both are as the list says; gives them as they were at last.
    fn judged(&self, review: &Review) -> Result<Found> {
        let start = Instant::now();
        loop {
            let found = self.look(Moment::Judged)?;
            if review.expects(self.subject, &found) || start.elapsed() > LIMIT {
                self.show(&found);
                return Ok(found);
            }
            thread::sleep(seconds(0.5));
        }
    }

    fn look(&self, moment: Moment) -> Result<Found> {
        Ok(Found { moment, ours: self.ours.listing()?, theirs: self.theirs.listing()? })
    }

    /// Prints what both said last if a moment shows a difference.
    fn show(&self, found: &Found) {
        let Self { subject, ours, theirs } = self;
        if !found.is_equal() {
            let [ours, theirs] = [ours, theirs].map(|scene| scene.last_words(LINES_OF_LOG));
            let moment = found.moment;
            println!(
                "{subject}, {moment}: ours said\n{ours}\n{subject}, {moment}: keepalived said\n{theirs}"
            );
        }
    }
}
