//! `mainstay demo`: two nodes, a client, five failures, and a table of what each cost.
//!
//! Everything is real: network namespaces with links and a bridge between them, Mainstay's own processes, a web
//! service behind the virtual address on each node, and a client that opens a hundred connections a second. Root is
//! needed, or a kernel that lets users make user namespaces. Nothing outside of the lab is touched.

pub mod client;
pub mod screen;
pub mod stage;
pub mod theory;
pub mod web;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use screen::{Row, Screen, Second};
use stage::{ADVERT_INTERVAL, CHECK_FALL, CHECK_INTERVAL, Director, Stage, VIRTUAL_ADDRESS};
use theory::Bounds;

/// How often the stage is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// After this long without a takeover something is wrong with us.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Debug, Clone, Default, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    /// Leave the lab standing at the end, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Show another program in our place, to compare: a path to keepalived
    #[arg(long, value_name = "PATH")]
    pub program: Option<PathBuf>,
    /// Be one of the small programs of the demo.
    #[command(subcommand)]
    pub role: Option<Role>,
}

/// The small programs of the demo, which run in processes of their own so that they can die.
#[derive(Debug, Clone, Subcommand)]
pub enum Role {
    /// The web service of a node; not for people
    #[command(hide = true)]
    Web {
        /// Name of the node.
        name: String,
    },
    /// The check script; not for people
    #[command(hide = true)]
    Probe,
}

/// Shows the demo on the standard output, or plays one of its small parts.
///
/// # Errors
/// Fails if no lab can be built here, if Ctrl-C is pressed, or if an address is not taken over as it must be.
pub fn run(options: &Options) -> Result<()> {
    match &options.role {
        Some(Role::Web { name }) => return web::serve(name),
        Some(Role::Probe) => return web::probe(),
        None => {}
    }
    crate::lab::user::enter()?;
    let mut show = Show::new(options)?;
    let result = show.play();
    if !show.rows.is_empty() {
        show.screen.table(&show.rows);
    }
    if options.keep && result.is_ok() {
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

/// The demo while it runs.
struct Show {
    screen: Screen,
    stage: Stage,
    /// What runs on the nodes: ours, or the program given.
    program: String,
    start: Instant,
    seconds_shown: u64,
    interrupted: Arc<AtomicBool>,
    rows: Vec<Row>,
}

impl Show {
    fn new(options: &Options) -> Result<Self> {
        let interrupted = notice_interrupts()?;
        let stage = Stage::build(options.program.as_deref())?;
        let named = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self {
            screen: Screen::new(),
            stage,
            program: options.program.as_ref().and_then(named).unwrap_or_else(|| "Mainstay".to_owned()),
            start: Instant::now(),
            seconds_shown: 0,
            interrupted,
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
        if self.interrupted.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        let now = self.start.elapsed();
        for director in &mut self.stage.directors {
            for line in director.news() {
                if let Some(worth_it) = headline(&line) {
                    self.screen.quote(now, director.name(), worth_it);
                }
            }
        }
        if now.as_secs() > self.seconds_shown {
            self.show_second(now.as_secs());
        }
        thread::sleep(GLANCE);
        Ok(())
    }

    fn show_second(&mut self, second: u64) {
        let since = self.start + Duration::from_secs(self.seconds_shown);
        let most = usize::try_from(100 * (second - self.seconds_shown)).unwrap_or(usize::MAX);
        self.seconds_shown = second;
        let mut answers: Vec<(String, usize)> = Vec::new();
        for answer in self.stage.memory.since(since) {
            match answers.iter_mut().find(|(name, _)| *name == answer.from) {
                Some((_, count)) => *count += 1,
                None => answers.push((answer.from, 1)),
            }
        }
        let holds = [0, 1].map(|index: usize| self.stage.directors[index].holds());
        self.screen.second(&Second { at: second, holds, answers, most });
    }

    /// `--keep`: says how to get in, and waits for Ctrl-C.
    fn stand(&self) {
        self.screen.announce("The lab stands until you press Ctrl-C. To enter it, from another terminal:");
        for entrance in self.stage.entrances() {
            self.screen.say(&format!("   {entrance}"));
        }
        self.screen.say(&format!("   ls {}    # configurations and logs", self.stage.folder().display()));
        while !self.interrupted.load(Ordering::Relaxed) {
            thread::sleep(GLANCE);
        }
    }
}

/// The part of a log line that tells the story, if it does.
fn headline(line: &str) -> Option<&str> {
    let start = line.find("(web)")?;
    let text = &line[start..];
    (text.contains("STATE") || text.contains("restarted")).then_some(text)
}

/// A flag that goes up at Ctrl-C or SIGTERM.
fn notice_interrupts() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start tokio")?;
    let mut terminate = {
        let _inside = runtime.enter();
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .context("listen to SIGTERM")?
    };
    thread::Builder::new()
        .name("interrupts".into())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminate.recv() => {}
                }
            });
            flag.store(true, Ordering::Relaxed);
        })
        .context("start a thread")?;
    Ok(interrupted)
}
