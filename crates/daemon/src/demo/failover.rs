//! The first part: two nodes, a client, five failures, and a table of what each cost.

pub mod stage;
pub mod theory;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use self::stage::{ADVERT_INTERVAL, CHECK_FALL, CHECK_INTERVAL, Director, Stage, VIRTUAL_ADDRESS};
use self::theory::Bounds;
use super::pace::Pace;
use super::screen::{Row, Screen, Second};

/// After this long without a takeover something is wrong with us.
const PATIENCE: Duration = Duration::from_secs(10);

/// Plays it, with another program in our place if one is given. With `keep` the lab stands until Ctrl-C.
///
/// # Errors
/// Fails if no lab can be built here, at Ctrl-C, or if an address is not taken over as it must be.
pub fn play(program: Option<&Path>, keep: bool, pace: Pace) -> Result<()> {
    let mut show = Show::new(program, pace)?;
    let result = show.play();
    if !show.rows.is_empty() {
        show.screen.table(&show.rows);
    }
    if keep && result.is_ok() {
        show.stand();
    }
    let count = show.rows.len();
    let wrong = show.rows.iter().filter(|row| !row.is_as_it_must_be()).count();
    drop(show);
    result?;
    if wrong > 0 {
        bail!("{wrong} of {count} takeovers were not what the protocol asks for");
    }
    Ok(())
}

/// The show while it runs.
struct Show {
    screen: Screen,
    stage: Stage,
    /// What runs on the nodes: ours, or the program given.
    program: String,
    pace: Pace,
    rows: Vec<Row>,
}

impl Show {
    fn new(program: Option<&Path>, pace: Pace) -> Result<Self> {
        let stage = Stage::build(program)?;
        let named = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self {
            screen: Screen::new(),
            stage,
            program: program.and_then(named).unwrap_or_else(|| "Mainstay".to_owned()),
            pace,
            rows: Vec::new(),
        })
    }

    fn play(&mut self) -> Result<()> {
        let advert = ADVERT_INTERVAL.as_secs_f64();
        self.screen.say(&format!(
            "Two nodes, lb1 and lb2, share the address {VIRTUAL_ADDRESS} (VRRP version 3, an advert each {advert:.0} s).\n\
             A client asks the web service behind it a hundred times a second.\n"
        ));
        self.screen.heading(self.stage.directors.each_ref().map(Director::name));
        self.start_both()?;
        self.everything_is_killed()?;
        self.the_link_is_cut()?;
        self.the_service_dies()?;
        self.it_is_stopped()?;
        self.the_router_process_dies()
    }

    fn start_both(&mut self) -> Result<()> {
        self.screen.announce(
            "Both nodes start. The one with the higher priority takes the address when nobody else is heard.",
        );
        for director in &mut self.stage.directors {
            director.start()?;
        }
        self.watch_until("an address at the start", |stage| stage.holder().is_some())?;
        self.watch_for(2.0)
    }

    fn everything_is_killed(&mut self) -> Result<()> {
        let (master, backup) = self.cast()?;
        self.screen.announce(&format!(
            "Every process on {} is killed: {} and the web service. Nobody is left to take the address off its link.",
            self.name(master),
            self.program
        ));
        let bounds = theory::silence(self.stage.directors[backup].priority, ADVERT_INTERVAL);
        self.strike("all processes killed (kill -9)", master, backup, bounds, |director| {
            director.kill_everything();
            Ok(())
        })?;
        self.screen.announce(&format!("{} is started again, and waits as backup.", self.name(master)));
        self.stage.directors[master].start()?;
        self.watch_for(2.0)
    }

    fn the_link_is_cut(&mut self) -> Result<()> {
        let (master, backup) = self.cast()?;
        self.screen.announce(&format!("The network cable of {} is pulled.", self.name(master)));
        let bounds = theory::silence(self.stage.directors[backup].priority, ADVERT_INTERVAL);
        self.strike("network cable pulled", master, backup, bounds, |director| director.cut_link())?;
        self.screen.announce(&format!("The cable of {} is back.", self.name(master)));
        self.stage.directors[master].join_link()?;
        self.watch_for(2.0)
    }

    fn the_service_dies(&mut self) -> Result<()> {
        let (master, backup) = self.cast()?;
        self.screen.announce(&format!(
            "The web service on {} dies. A check script asks for its page each {:.0} s.",
            self.name(master),
            CHECK_INTERVAL.as_secs_f64()
        ));
        let bounds = theory::script(
            CHECK_FALL,
            CHECK_INTERVAL,
            self.stage.directors[backup].priority,
            ADVERT_INTERVAL,
        );
        self.strike("web service died (check script)", master, backup, bounds, |director| {
            director.kill_web();
            Ok(())
        })?;
        self.screen.announce(&format!("The web service on {} is back.", self.name(master)));
        self.stage.directors[master].start_web()?;
        self.watch_for(2.0)
    }

    fn it_is_stopped(&mut self) -> Result<()> {
        let (master, backup) = self.cast()?;
        self.screen.announce(&format!(
            "{} on {} is stopped politely, as for an update.",
            self.program,
            self.name(master)
        ));
        let bounds = theory::resignation(self.stage.directors[backup].priority, ADVERT_INTERVAL);
        self.strike("daemon stopped (SIGTERM)", master, backup, bounds, |director| {
            director.ask_to_stop();
            Ok(())
        })?;
        self.stage.directors[master].wait_for_end()?;
        self.screen.announce(&format!("{} on {} is started again.", self.program, self.name(master)));
        self.stage.directors[master].start()?;
        self.watch_for(2.0)
    }

    fn the_router_process_dies(&mut self) -> Result<()> {
        let (master, backup) = self.cast()?;
        self.screen.announce(&format!(
            "Only the router process on {} is killed. Its supervisor starts it again, with the state it had.",
            self.name(master)
        ));
        let since = Instant::now();
        self.stage.directors[master].kill_router()?;
        self.watch_for(4.0)?;
        let takeover = self.stage.directors[backup].took_over(since).map(|at| at - since);
        self.record("router process killed (kill -9)", takeover, since, theory::nothing());
        Ok(())
    }

    /// Lets the master suffer, watches until the backup answers in its place, and writes down how long that took.
    fn strike(
        &mut self,
        event: &str,
        master: usize,
        backup: usize,
        bounds: Bounds,
        blow: impl FnOnce(&mut Director) -> Result<()>,
    ) -> Result<()> {
        let since = Instant::now();
        blow(&mut self.stage.directors[master])?;
        let name = self.name(backup);
        self.watch_until(&format!("an answer from {name}"), |stage| {
            stage.directors[backup].took_over(since).is_some()
                && stage.memory.last().is_some_and(|answer| answer.from == name)
        })?;
        self.watch_for(1.5)?;
        let takeover = self.stage.directors[backup].took_over(since).map(|at| at - since);
        self.record(event, takeover, since, bounds);
        Ok(())
    }

    fn record(&mut self, event: &str, takeover: Option<Duration>, since: Instant, bounds: Bounds) {
        let outage = self.stage.memory.longest_silence(since, Instant::now());
        self.rows.push(Row { event: event.to_owned(), takeover, outage, bounds });
    }

    /// Who is master now, and who is not.
    fn cast(&self) -> Result<(usize, usize)> {
        let master = self.stage.holder().context("nobody holds the address")?;
        Ok((master, 1 - master))
    }

    fn name(&self, index: usize) -> String {
        self.stage.directors[index].name().to_owned()
    }

    fn watch_for(&mut self, seconds: f64) -> Result<()> {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < end {
            self.glance()?;
        }
        Ok(())
    }

    fn watch_until(&mut self, what: &str, holds: impl Fn(&Stage) -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !holds(&self.stage) {
            if Instant::now() > end {
                bail!(
                    "waited {} s in vain for {what}; the logs of the nodes:\n{}",
                    PATIENCE.as_secs(),
                    self.stage.logs()
                );
            }
            self.glance()?;
        }
        Ok(())
    }

    /// Shows what happened since the last look, and sleeps a little.
    fn glance(&mut self) -> Result<()> {
        let now = self.pace.now();
        for director in &mut self.stage.directors {
            for line in director.news() {
                if let Some(worth_it) = headline(&line) {
                    self.screen.quote(now, director.name(), worth_it);
                }
            }
        }
        if let Some(passed) = self.pace.step()? {
            let marks =
                self.stage.directors.each_ref().map(|director| director.holds().then(|| "holds".into()));
            self.screen.second(&Second { passed, marks, answers: self.stage.memory.tally(passed.since) });
        }
        Ok(())
    }

    /// `--keep`: says how to get in, and waits for Ctrl-C.
    fn stand(&self) {
        self.screen.stand(&self.stage.entrances(), self.stage.folder());
        self.pace.wait_for_interrupt();
    }
}

/// The part of a log line that tells the story, if it does.
fn headline(line: &str) -> Option<&str> {
    let start = line.find("(web)")?;
    let text = &line[start..];
    (text.contains("STATE") || text.contains("restarted")).then_some(text)
}
