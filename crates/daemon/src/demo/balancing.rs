//! The second part: a load balancer and two web servers. One is killed and comes back, one is drained and comes back,
//! the director itself is killed. Where the kernel has IPVS this happens under the traffic of a client, and the table
//! that is shown is the kernel's; where it has not, it is the one that would be programmed.

pub mod stage;
pub mod table;

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use self::stage::{CHECK_INTERVAL, DRAIN, RETRY_DELAY, Stage, VIRTUAL_ADDRESS, WEB_NAMES};
use self::table::{Weights, shown};
use super::pace::Pace;
use super::screen::{Screen, Second, Step};

/// After this long without what must happen something is wrong with us.
const PATIENCE: Duration = Duration::from_secs(120);

/// So many answers in a row, and no failure, show that the client is served as it should be.
const ENOUGH: usize = 50;

/// Both serve.
const BOTH: Weights = [Some(1), Some(1)];

/// Plays it. With `keep` the lab stands until Ctrl-C.
///
/// # Errors
/// Fails if no lab can be built here, at Ctrl-C, or if something does not happen as it must.
pub fn play(keep: bool, pace: Pace) -> Result<()> {
    let mut show = Show { screen: Screen::new(), stage: Stage::build()?, pace, steps: Vec::new() };
    show.play()?;
    if keep {
        show.screen.steps(&show.steps);
        show.stand();
        return Ok(());
    }
    show.the_end()?;
    show.screen.steps(&show.steps);
    Ok(())
}

/// The show while it runs.
struct Show {
    screen: Screen,
    stage: Stage,
    pace: Pace,
    steps: Vec<Step>,
}

impl Show {
    fn play(&mut self) -> Result<()> {
        self.begin()?;
        self.a_web_server_is_killed()?;
        self.a_web_server_is_drained()?;
        if self.stage.balances() {
            self.the_director_is_killed()?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        let every = CHECK_INTERVAL.as_secs_f64();
        self.screen.say(&format!(
            "\nA load balancer, lb, has the address {VIRTUAL_ADDRESS} and spreads its connections over {} and {}\n\
             (round robin, address translation). It asks both for their page each {every} s.",
            WEB_NAMES[0], WEB_NAMES[1]
        ));
        match &self.stage.kernel {
            Ok(_) => {
                self.screen.say("A client asks for the page a hundred times a second.\n");
                self.screen.heading(WEB_NAMES);
            }
            Err(words) => self.screen.say(&format!(
                "Nothing can be balanced here: {words}.\n\
                 So there is no client: you see real checks of real servers, and the table that would be programmed."
            )),
        }
        self.screen.announce("Mainstay starts.");
        let because = "all are taken for well until an answer says otherwise";
        self.step("Mainstay started", BOTH, because, |stage| stage.start(&[0, 1]))
    }

    fn a_web_server_is_killed(&mut self) -> Result<()> {
        let (every, again) = (CHECK_INTERVAL.as_secs_f64(), RETRY_DELAY.as_secs_f64());
        self.screen.announce("web1 is killed (kill -9).");
        let because = format!("asked each {every} s, and once more after {again} s");
        self.step("web1 killed (kill -9)", [None, Some(1)], &because, |stage| {
            stage.kill_web(0);
            Ok(())
        })?;
        self.screen.announce("web1 is started again.");
        let because = format!("asked each {every} s");
        self.step("web1 is back", BOTH, &because, |stage| stage.start_web(0))
    }

    fn a_web_server_is_drained(&mut self) -> Result<()> {
        let drain = DRAIN.as_secs();
        let download = if self.stage.balances() { Some(self.download_from(WEB_NAMES[1])?) } else { None };
        let meanwhile = if download.is_some() { " A download from it is on its way." } else { "" };
        self.screen.announce(&format!(
            "web2 is to be mended: it is taken out of the file, with `drain {drain}`, and Mainstay reads it again.{meanwhile}"
        ));
        let since = Instant::now();
        self.step("web2 left the file", [Some(1), Some(0)], "a reload", |stage| stage.reload(&[0]))?;
        if let Some(download) = download {
            self.watch_until("the end of the download", |_| Ok(download.is_over()))?;
            ensure!(download.is_whole(), "the download from a server that drains was cut");
            self.screen.announce("The download from web2 is complete.");
        }
        let gone = |stage: &mut Stage| Ok(stage.table()? == Some([Some(1), None]));
        self.watch_until("the end of the draining", gone)?;
        self.record("web2 has drained", since, &format!("`drain {drain}`, from the reload on"));
        self.show_table()?;
        self.screen.announce("web2 is in the file again.");
        self.step("web2 is in the file again", BOTH, "a reload", |stage| stage.reload(&[0, 1]))
    }

    /// A download that comes from this web server.
    fn download_from(&mut self, name: &str) -> Result<super::web::Download> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let download = self.stage.download()?;
            if download.from == name {
                return Ok(download);
            }
            self.glance()?;
        }
        bail!("no download came from {name}")
    }

    fn the_director_is_killed(&mut self) -> Result<()> {
        self.screen.announce(
            "The process that checks and programs the kernel is killed. The kernel goes on balancing.",
        );
        let before = self.stage.log().matches("taken over").count();
        let since = Instant::now();
        self.stage.kill_director()?;
        self.watch_until("another director", |stage| Ok(stage.log().matches("taken over").count() > before))?;
        self.watch_table(BOTH)?;
        self.watch_service(BOTH)?;
        self.record("director killed (kill -9)", since, "its successor takes over what is there");
        self.show_table()
    }

    fn the_end(&mut self) -> Result<()> {
        self.screen.announce("Mainstay is stopped politely: it leaves nothing behind.");
        self.stage.stop()?;
        self.watch_until("an empty table", |stage| Ok(stage.table()?.is_none()))?;
        self.show_table()
    }

    /// Does something, waits until the table is as it should be and the client is served accordingly, and shows it.
    fn step(
        &mut self,
        event: &str,
        wanted: Weights,
        because: &str,
        blow: impl FnOnce(&mut Stage) -> Result<()>,
    ) -> Result<()> {
        let since = Instant::now();
        blow(&mut self.stage)?;
        let first = self.steps.is_empty();
        self.watch_table(wanted)?;
        let took = since.elapsed();
        if first && self.stage.balances() {
            self.stage.start_client()?;
        }
        self.watch_service(wanted)?;
        self.record(event, since, because);
        if let Some(step) = self.steps.last_mut() {
            step.took = took;
        }
        self.show_table()?;
        self.watch_for(1.0)
    }

    fn watch_table(&mut self, wanted: Weights) -> Result<()> {
        self.watch_until(&format!("the table{}", shown(Some(wanted))), |stage| {
            Ok(stage.table()? == Some(wanted))
        })
    }

    /// Watches the client until it was served for a while by just those that get connections.
    fn watch_service(&mut self, wanted: Weights) -> Result<()> {
        if !self.stage.balances() {
            return Ok(());
        }
        let serves = |name: &str| {
            let place = WEB_NAMES.iter().position(|known| *known == name);
            place.and_then(|place| wanted[place]).is_some_and(|weight| weight > 0)
        };
        let names: Vec<&str> = WEB_NAMES.into_iter().filter(|name| serves(name)).collect();
        let mut since = Instant::now();
        self.watch_until(&format!("answers from {}", names.join(" and ")), |stage| {
            let tally = stage.memory.tally(since);
            if stage.memory.failures(since) > 0 || tally.iter().any(|(name, _)| !serves(name)) {
                since = Instant::now();
                return Ok(false);
            }
            let answers: usize = tally.iter().map(|(_, count)| count).sum();
            Ok(answers >= ENOUGH && names.iter().all(|name| tally.iter().any(|(from, _)| from == name)))
        })
    }

    fn record(&mut self, event: &str, since: Instant, because: &str) {
        let lost = self.stage.balances().then(|| self.stage.memory.failures(since));
        let (event, because) = (event.to_owned(), because.to_owned());
        self.steps.push(Step { event, took: since.elapsed(), lost, because });
    }

    fn show_table(&mut self) -> Result<()> {
        let whose =
            if self.stage.balances() { "   the kernel's table:" } else { "   the table it would program:" };
        let table = self.stage.table()?;
        self.screen.say(&format!("{whose}\n{}", shown(table)));
        Ok(())
    }

    fn watch_for(&mut self, seconds: f64) -> Result<()> {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < end {
            self.glance()?;
        }
        Ok(())
    }

    fn watch_until(&mut self, what: &str, mut holds: impl FnMut(&mut Stage) -> Result<bool>) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.glance()?;
            if holds(&mut self.stage)? {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("waited {} s in vain for {what}; the log:\n{}", PATIENCE.as_secs(), self.stage.log());
            }
        }
    }

    /// Shows what happened since the last look, and sleeps a little.
    fn glance(&mut self) -> Result<()> {
        let now = self.pace.now();
        for line in self.stage.news() {
            if let Some(worth_it) = headline(&line) {
                self.screen.quote(now, "lb", worth_it);
            }
        }
        if let Some(passed) = self.pace.step()?
            && self.stage.balances()
        {
            let weights = self.stage.table()?.unwrap_or([None; 2]);
            let mark = |weight| if weight == 0 { "drains".to_owned() } else { "serves".to_owned() };
            let marks = weights.map(|weight| weight.map(mark));
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
    let starts = ["IPVS: ", "RS [", "VS [", "HTTP_GET [", "the director "];
    starts.iter().find_map(|start| line.find(start)).map(|start| &line[start..])
}
