//! One contestant with its checks: started, heard, measured, reloaded, stopped.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write as _};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Lab, Node, Process, Program, wait_until};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::common::usage;
use super::listeners::Layout;

/// Real servers of one virtual server.
const PER_VIRTUAL_SERVER: usize = 50;
/// How long anything may take before the benchmark is given up.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How long a reload may take before it is left alone.
const RELOAD_PATIENCE: Duration = Duration::from_secs(45);
/// What keepalived is preloaded with where the kernel has no ip_vs.
const PRETENDER: &str = include_str!("pretend_ip_vs.c");

/// Whom to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Mainstay.
    Ours,
    /// keepalived.
    Theirs,
}

impl Side {
    /// Both, in the order of [`super::common::Both`].
    pub const BOTH: [Self; 2] = [Self::Ours, Self::Theirs];
}

/// The programs, and what they need here.
#[derive(Debug, Clone)]
pub struct Programs {
    ours: (PathBuf, Program),
    theirs: (PathBuf, Program),
    /// The kernel has ip_vs, and both program it.
    pub kernel: bool,
    pretender: Option<PathBuf>,
}

impl Programs {
    /// Looks at the kernel; makes what keepalived needs to run without ip_vs, with the C compiler that cargo links with.
    pub fn new(ours: PathBuf, theirs: PathBuf, folder: &Path) -> Result<Self> {
        // A kernel that has it may have to be told.
        let _ = Command::new("modprobe").args(["-q", "ip_vs"]).status();
        let kernel = Path::new("/proc/net/ip_vs").exists();
        let mut pretender = None;
        if !kernel {
            let path = folder.join("pretend_ip_vs.so");
            let mut compiler = Command::new("cc");
            compiler.args(["-shared", "-fPIC", "-O2", "-x", "c", "-", "-o"]).arg(&path).stdin(Stdio::piped());
            let mut running = compiler.spawn().context("start cc")?;
            running
                .stdin
                .take()
                .context("it is piped")?
                .write_all(PRETENDER.as_bytes())
                .context("tell cc")?;
            ensure!(running.wait().context("wait for cc")?.success(), "cc failed");
            pretender = Some(path);
        }
        // Of the one that only speaks VRRP nothing is measured but what it hears.
        let vrrp = |path: &Path| Program::mainstay(path).flag("--no-syslog");
        let (ours, theirs) = ((ours.clone(), vrrp(&ours)), (theirs.clone(), vrrp(&theirs)));
        Ok(Self { ours, theirs, kernel, pretender })
    }

    /// The program without health checks.
    pub fn program(&self, side: Side) -> &Program {
        if side == Side::Ours { &self.ours.1 } else { &self.theirs.1 }
    }

    fn command(&self, side: Side) -> Command {
        let mut command = Command::new(if side == Side::Ours { &self.ours.0 } else { &self.theirs.0 });
        // (Where nobody listens to syslog, libc writes to the console, and whoever logs waits for a serial line.)
        command.args(["--dont-fork", "--log-console", "--no-syslog", "--log-detail"]);
        match (side, &self.pretender) {
            (Side::Ours | Side::Theirs, None) => &mut command,
            (Side::Ours, Some(_)) => command.args(["--ipvs", "memory"]),
            (Side::Theirs, Some(path)) => command.env("LD_PRELOAD", path),
        };
        command
    }
}

/// Checks of one kind.
#[derive(Debug, Clone)]
pub struct Checks {
    /// How many, and of whom.
    pub layout: Layout,
    /// `delay_loop`.
    pub delay: Duration,
    /// `connect_timeout`.
    pub timeout: Duration,
    /// The check itself with its own lines, except for what is above.
    pub check: fn(usize) -> (&'static str, String),
}

impl Checks {
    /// TCP checks that forgive nothing.
    pub fn tcp(layout: Layout, delay: Duration, timeout: Duration) -> Self {
        Self { layout, delay, timeout, check: |_| ("TCP_CHECK", String::new()) }
    }

    /// The bound of the first verdict: `warmup`, which is keepalived's default here.
    pub fn warmup(&self) -> Duration {
        self.delay
    }

    /// The file: nothing is up before it was seen up, and no failure is forgiven, so that each one shows.
    pub fn configuration(&self, fifo: &Path, more: &str) -> String {
        let (delay, timeout) = (self.delay.as_secs_f64(), self.timeout.as_secs_f64());
        let mut text = format!("global_defs {{\n lvs_notify_fifo {}\n}}\n{more}", fifo.display());
        // Writing to a string cannot fail.
        for check in 0..self.layout.count {
            if check % PER_VIRTUAL_SERVER == 0 {
                let service = check / PER_VIRTUAL_SERVER;
                let _ = write!(
                    text,
                    "{}virtual_server 10.99.{}.{} 80 {{\n delay_loop {delay}\n lvs_sched rr\n lvs_method NAT\n \
                     protocol TCP\n alpha\n",
                    if check == 0 { "" } else { "}\n" },
                    service / 250,
                    service % 250 + 1,
                );
            }
            let target = self.layout.target(check);
            let (keyword, lines) = (self.check)(check);
            let _ = write!(
                text,
                " real_server {} {} {{\n  {keyword} {{\n{lines}   connect_timeout {timeout}\n   retry 0\n   \
                 delay_before_retry 1\n   warmup {}\n  }}\n }}\n",
                target.ip(),
                target.port(),
                self.warmup().as_secs_f64(),
            );
        }
        text + "}\n"
    }
}

/// What the FIFO told.
#[derive(Debug, Default)]
struct Told {
    seen_up: Vec<bool>,
    up: usize,
    all_up: Option<Instant>,
    downs: Vec<(Instant, usize)>,
}

/// A running contestant.
pub struct Subject {
    /// What runs.
    pub process: Process,
    started: Instant,
    fifo: PathBuf,
    told: Arc<Mutex<Told>>,
    reader: Option<JoinHandle<()>>,
}

impl Subject {
    /// Starts it on a node, checks only unless `more` of the configuration and the flags say otherwise.
    pub fn start(
        (lab, node): (&Lab, &Node),
        programs: &Programs,
        side: Side,
        checks: &Checks,
        more: &str,
    ) -> Result<Self> {
        let name = format!("{}-{side:?}-{}", node.name(), checks.layout.count);
        let path = |ending: &str| lab.folder().join(format!("{name}.{ending}"));
        let (configuration, fifo) = (path("conf"), path("fifo"));
        fs::write(&configuration, checks.configuration(&fifo, more)).context("write the configuration")?;
        let told =
            Arc::new(Mutex::new(Told { seen_up: vec![false; checks.layout.count], ..Told::default() }));
        let reader = read_fifo(&fifo, checks.layout, &told)?;
        let mut command = programs.command(side);
        if more.is_empty() {
            command.arg("--check");
        }
        command.arg("--use-file").arg(&configuration).arg("--pid").arg(path("pid"));
        command.arg("--vrrp_pid").arg(path("vrrp.pid")).arg("--checkers_pid").arg(path("checkers.pid"));
        command.env("TMPDIR", lab.folder());
        let started = Instant::now();
        let process = node.spawn(&mut command)?;
        Ok(Self { process, started, fifo, told, reader: Some(reader) })
    }

    /// Waits until every check was seen up. Seconds since the start; NaN if they are not within this time.
    pub fn all_up(&self, within: Duration) -> f64 {
        let all_up = || self.with_told(|told| told.all_up);
        // What is missing is seen by the caller.
        let _ = wait_until("every check says up", within, || all_up().is_some());
        all_up().map_or(f64::NAN, |at| (at - self.started).as_secs_f64())
    }

    /// How many checks were seen up.
    pub fn up(&self) -> usize {
        self.with_told(|told| told.up)
    }

    /// Checks that went down, with the moment, since the start.
    pub fn downs(&self) -> Vec<(Instant, usize)> {
        self.with_told(|told| told.downs.clone())
    }

    /// CPU time of all its processes so far.
    pub fn cpu(&self) -> Duration {
        usage::cpu_time(&self.process.tree())
    }

    /// Resident memory of all its processes, in bytes.
    pub fn memory(&self) -> usize {
        usize::try_from(usage::memory(&self.process.tree()).rss).unwrap_or(usize::MAX)
    }

    /// Has it read its file again, which has not changed. Seconds until it is done, by its own log; NaN if it never is.
    pub fn reload(&mut self, side: Side, checks: usize) -> Result<f64> {
        // keepalived says of each check that it begins it; Mainstay says when it is done.
        let (words, wanted) = match side {
            Side::Ours => ("Reload complete", 1),
            Side::Theirs => ("Activating healthchecker for service", checks),
        };
        let mut log = BufReader::new(File::open(self.process.log_path()).context("open the log")?);
        log.seek(SeekFrom::End(0)).context("go to the end of the log")?;
        let start = Instant::now();
        self.ask_to_reload();
        let (mut line, mut seen) = (String::new(), 0);
        while seen < wanted {
            if start.elapsed() > RELOAD_PATIENCE {
                return Ok(f64::NAN);
            }
            if log.read_line(&mut line).context("read the log")? == 0 {
                std::thread::sleep(Duration::from_millis(5));
            } else if line.ends_with('\n') {
                seen += usize::from(line.contains(words));
                line.clear();
            }
        }
        Ok(start.elapsed().as_secs_f64())
    }

    /// Has it read its file again.
    pub fn ask_to_reload(&mut self) {
        self.process.signal(Signal::SIGHUP);
    }

    /// Asks it to end. Seconds until it has.
    pub fn stop(&mut self) -> Result<f64> {
        let start = Instant::now();
        self.process.terminate(PATIENCE)?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let log = self.process.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn with_told<T>(&self, look: impl FnOnce(&Told) -> T) -> T {
        look(&self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.process.kill9();
        if let Ok(mut fifo) = File::options().write(true).open(&self.fifo) {
            // The reader has it open, so this is read; should it not be, the thread is left behind.
            let _ = fifo.write_all(b"end\n");
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Reads what is told, until `end`. The FIFO is there, and wide, before the contestant opens it.
fn read_fifo(path: &Path, layout: Layout, told: &Arc<Mutex<Told>>) -> Result<JoinHandle<()>> {
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).context("make a FIFO")?;
    let file = File::options().read(true).write(true).open(path).context("open the FIFO")?;
    fcntl(&file, FcntlArg::F_SETPIPE_SZ(1 << 20)).context("widen the FIFO")?;
    let told = Arc::clone(told);
    let read = move || {
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            if line == "end" {
                return;
            }
            let Some((check, up)) = real_server(&line, layout) else { continue };
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = told.seen_up.get(check).copied().unwrap_or(true);
            if up && !seen {
                told.seen_up[check] = true;
                told.up += 1;
                if told.up == layout.count {
                    told.all_up = Some(Instant::now());
                }
            } else if !up && seen {
                told.downs.push((Instant::now(), check));
            }
        }
    };
    std::thread::Builder::new().name("fifo".into()).spawn(read).context("start a thread")
}

/// Reads `RS [127.0.0.1]:tcp:20000 [10.99.0.1]:tcp:80 UP`. (keepalived's lines end with a zero byte.)
fn real_server(line: &str, layout: Layout) -> Option<(usize, bool)> {
    let (server, rest) = line.trim_matches('\0').strip_prefix("RS [")?.split_once(' ')?;
    let (address, port) = server.split_once("]:tcp:")?;
    let check = layout.check(SocketAddrV4::new(address.parse().ok()?, port.parse().ok()?))?;
    Some((check, rest.ends_with(" UP")))
}
