//! One file, both daemons, three moments.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mainstay::lab::{Lab, seconds};
use nix::sys::signal::Signal;

use super::gate::Gate;
use super::listing::Listing;
use super::scene::{Program, Scene, freeze_when_started, machine};
use super::subject::Subject;

/// How long a daemon may take to start or to end, beside many pairs of others, in an emulated machine.
const LIFE_LIMIT: Duration = Duration::from_secs(180);
/// How long after every check had its time the tables may still differ.
const LIMIT: Duration = Duration::from_secs(60);
/// Checks that take longer to come to a judgement are not waited for.
const LONGEST_PATIENCE: Duration = Duration::from_secs(150);
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
    /// Neither has changed anything: there is no virtual server in it that both take.
    Untouched,
    /// keepalived does not run with it; its last words.
    Refused(String),
}

/// Gives a file to both. Daemons start and end in a place behind the gate.
pub fn compare(subject: &Subject, gate: &Gate) -> Result<Outcome> {
    let mut place = gate.begin();
    let lab = Lab::new("tables")?;
    let needs = subject.needs();
    let places = [machine(&lab, "theirs", &needs)?, machine(&lab, "ours", &needs)?];
    let untouched = Listing::read(places[0].namespace())?;
    let [theirs, ours] = places;
    let mut theirs = Scene::start(&lab, theirs, Program::Keepalived, subject, &needs)?;
    let mut ours = Scene::start(&lab, ours, Program::Mainstay, subject, &needs)?;
    let [they_started, we_started] = freeze_when_started([&mut theirs, &mut ours], LIFE_LIMIT)?;
    if !they_started {
        return Ok(Outcome::Refused(theirs.last_words(1)));
    }
    ensure!(we_started, "we do not start: {}", ours.last_words(LINES_OF_LOG));
    let mut found = vec![Found {
        moment: Moment::Started,
        ours: ours.listing()?.without_daemons(),
        theirs: theirs.listing()?.without_daemons(),
    }];
    if found[0].ours == untouched && found[0].theirs == untouched {
        return Ok(Outcome::Untouched);
    }
    show_if_different(subject, &found[0], &ours, &theirs);

    let patience = ours.node.namespace().run(|| subject.patience())?;
    for scene in [&mut ours, &mut theirs] {
        scene.refuse()?;
        scene.thaw()?;
    }
    if patience > LONGEST_PATIENCE {
        println!("{subject}: not waited {patience:?} for its checks");
    } else {
        drop(place);
        thread::sleep(patience + SLACK);
        let judged = until_equal(Moment::Judged, || Ok((ours.listing()?, theirs.listing()?)))?;
        show_if_different(subject, &judged, &ours, &theirs);
        found.push(judged);
        place = gate.end();
    }

    for scene in [&mut ours, &mut theirs] {
        scene.daemon.signal(Signal::SIGTERM);
    }
    // keepalived's supervisor kills a checker that has not cleared its table after five seconds: then what is left is
    // a matter of luck. So it is when keepalived is gone without its last word.
    let in_time = theirs.end(THEIR_END);
    ours.end(LIFE_LIMIT);
    if in_time && theirs.daemon.log().contains(FAREWELL) {
        let ended = Found { moment: Moment::Ended, ours: ours.listing()?, theirs: theirs.listing()? };
        show_if_different(subject, &ended, &ours, &theirs);
        found.push(ended);
    } else {
        println!("{subject}: keepalived had no time to end; what it leaves is not compared");
    }
    drop(place);
    Ok(Outcome::Compared(found))
}

/// Prints what both said last if a moment shows a difference.
fn show_if_different(subject: &Subject, found: &Found, ours: &Scene, theirs: &Scene) {
    if !found.is_equal() {
        let [ours, theirs] = [ours, theirs].map(|scene| scene.last_words(LINES_OF_LOG));
        let moment = found.moment;
        println!("{subject}, {moment}: ours said\n{ours}\n{subject}, {moment}: keepalived said\n{theirs}");
    }
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
