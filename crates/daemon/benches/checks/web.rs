//! HTTP and TLS checks of nginx: how many a second without being late.
//!
//! nginx runs on the same two processors, with a worker for each. If the wanted rate is too much for both together, the
//! greatest one that is not is looked for, and it is told where the processors' time went.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Lab, Node, Process, wait_until};

use super::common::report::{Report, Target};
use super::common::{Both, usage};
use super::listeners::{FIRST_PORT, Layout};
use super::precise;
use super::subject::{Checks, PATIENCE, Programs, Side, Subject};

const DELAY: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(1);
/// A check that comes later than this is late.
const GRACE: Duration = Duration::from_millis(250);
/// How long every server may take to be seen up before a rate is given up.
const ALL_UP_PATIENCE: Duration = Duration::from_secs(15);
/// The search for a rate ends when it is known to this part.
const FINE_ENOUGH: f64 = 0.1;
/// The lowest rate that is looked at.
const LOWEST: u32 = 50;

/// Over what a check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// `HTTP_GET`.
    Tcp,
    /// `SSL_GET`.
    Tls,
}

impl Over {
    const fn kind(self) -> &'static str {
        match self {
            Self::Tcp => "HTTP_GET",
            Self::Tls => "SSL_GET (TLS 1.3, P-256, whole handshakes)",
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    /// Checks a second that came to their end.
    rate: f64,
    /// Seconds.
    longest: f64,
    false_failures: f64,
    /// Of a check: the contestant's, and nginx's.
    cpu_us: f64,
    server_us: f64,
    /// The part of all processors that was not idle, whoever used it.
    busy: f64,
}

impl Figures {
    fn holds(&self, wanted: u32) -> bool {
        self.rate >= f64::from(wanted) * 0.99
            && self.longest <= (DELAY + GRACE).as_secs_f64()
            && self.false_failures == 0.0
    }
}

/// Measures both, one after the other, at this many checks a second, or as many as Mainstay can.
pub fn run(programs: &Programs, over: Over, rate: u32, window: Duration, report: &mut Report) -> Result<()> {
    let ask = |side, rate| {
        measure(programs, side, over, rate, window).with_context(|| format!("{side:?}, {rate} a second"))
    };
    let mut ours = ask(Side::Ours, rate)?;
    let mut reached = rate;
    if !ours.holds(rate) {
        (reached, ours) = ceiling(rate, ours, |rate| ask(Side::Ours, rate))?;
    }
    let figures = Both { ours, theirs: ask(Side::Theirs, reached)? };
    let seconds = window.as_secs();
    report.heading(&format!(
        "{reached} {} a second to nginx on the same machine, over {seconds} s",
        over.kind()
    ));
    if reached < rate {
        let Figures { cpu_us, server_us, .. } = figures.ours;
        println!(
            "  ({rate} a second were wanted. One costs {cpu_us:.0} us here and {server_us:.0} us in nginx, so that many \
             would need {:.1} processors, with whatever else runs; there are {}.)",
            (cpu_us + server_us) * f64::from(rate) / 1e6,
            thread::available_parallelism().map_or(0, usize::from),
        );
    }
    let mut line = |what: &str, unit, places, of: &dyn Fn(&Figures) -> f64, target, note: &str| {
        report.line(what, unit, places, &figures.map(of), target, note);
    };
    let missing = |f: &Figures| (1.0 - f.rate / f64::from(reached)).max(0.0) * 100.0;
    line("checks a second, fewer than wanted by", " %", 1, &missing, Target::AtMost(1.0), "");
    let most = Target::AtMost((DELAY + GRACE).as_secs_f64());
    line("longest time between two of a server", " s", 2, &|f| f.longest, most, "delay_loop 2 s");
    line("false failures", "", 0, &|f| f.false_failures, Target::AtMost(0.0), "");
    line("CPU of a check", " us", 0, &|f| f.cpu_us, Target::None, "");
    line("  and in nginx", " us", 0, &|f| f.server_us, Target::None, "");
    line("processors not idle", " %", 0, &|f| f.busy * 100.0, Target::None, "with all that runs here");
    Ok(())
}

/// The greatest rate below this one that holds, with its figures. A rate that falls short is tried twice: the machine
/// may have been busy with something else.
fn ceiling(wanted: u32, at_wanted: Figures, ask: impl Fn(u32) -> Result<Figures>) -> Result<(u32, Figures)> {
    let (mut low, mut high) = ((LOWEST, at_wanted), wanted);
    let mut next = at_wanted.guess(wanted);
    while f64::from(high - low.0) > f64::from(high) * FINE_ENOUGH {
        let mut figures = ask(next)?;
        if !figures.holds(next) {
            figures = ask(next)?;
        }
        println!(
            "  {next} a second: {:.0} came to their end, longest gap {:.2} s, {} false failures",
            figures.rate, figures.longest, figures.false_failures
        );
        if figures.holds(next) {
            low = (next, figures);
        } else {
            high = next;
        }
        next = low.0.midpoint(high);
    }
    Ok(low)
}

impl Figures {
    /// What the processors had time for by these figures, as the first guess.
    fn guess(&self, wanted: u32) -> u32 {
        let of_all = precise(thread::available_parallelism().map_or(1, usize::from)) * 1e6;
        let guess =
            (of_all * 0.8 / (self.cpu_us + self.server_us)).clamp(f64::from(LOWEST), f64::from(wanted) * 0.9);
        // Between two numbers that are u32.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let guess = guess as u32;
        guess
    }
}

fn measure(programs: &Programs, side: Side, over: Over, rate: u32, window: Duration) -> Result<Figures> {
    let lab = Lab::new(&format!("web-{side:?}-{over:?}-{rate}"))?;
    let node = lab.bare_node("balancer")?;
    let nginx = Nginx::start(&lab, &node, over)?;
    let count = rate as usize * DELAY.as_secs() as usize;
    let checks = Checks {
        layout: Layout::of_one_server(count, Ipv4Addr::new(127, 0, 1, 1)),
        delay: DELAY,
        timeout: TIMEOUT,
        check: match over {
            Over::Tcp => |check| ("HTTP_GET", url(check)),
            Over::Tls => |check| ("SSL_GET", url(check)),
        },
    };
    let subject = Subject::start((&lab, &node), programs, side, &checks, "")?;
    // Whoever cannot keep up may never have asked all.
    subject.all_up(ALL_UP_PATIENCE);
    ensure!(subject.up() > 0, "nothing is up\n{}", subject.last_words());
    thread::sleep(DELAY);
    let (cpu, server, idle, from) = (subject.cpu(), nginx.cpu(), idle(), since_1970());
    thread::sleep(window);
    let (cpu, server, until) = (subject.cpu() - cpu, nginx.cpu() - server, since_1970());
    let idle = idle.zip(self::idle()).map(|(before, after)| (after.0 - before.0) / (after.1 - before.1));
    // nginx writes its log once a second.
    thread::sleep(Duration::from_millis(1500));
    let asked = nginx.asked()?;
    let mut figures = Figures { false_failures: precise(subject.downs().len()), ..Figures::default() };
    let mut answered = 0;
    for times in asked.values() {
        let inside = times.iter().filter(|at| (from..until).contains(at)).count();
        answered += inside;
        let gaps =
            times.windows(2).filter(|pair| pair[1] >= from && pair[1] < until).map(|pair| pair[1] - pair[0]);
        figures.longest =
            gaps.chain([until - times.last().copied().unwrap_or(from)]).fold(figures.longest, f64::max);
    }
    if asked.len() < count {
        // Some were never asked.
        figures.longest = f64::NAN;
    }
    figures.rate = precise(answered) / (until - from);
    figures.cpu_us = cpu.as_secs_f64() * 1e6 / precise(answered);
    figures.server_us = server.as_secs_f64() * 1e6 / precise(answered);
    figures.busy = 1.0 - idle.unwrap_or(f64::NAN);
    Ok(figures)
}

/// Idle time, and all time, of all processors since the start of the machine: the first line of `/proc/stat`.
fn idle() -> Option<(f64, f64)> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let times: Vec<f64> =
        text.lines().next()?.split_whitespace().skip(1).filter_map(|time| time.parse().ok()).collect();
    // Waiting for a disk is idle, too. The last two are counted among the first two already.
    Some((times.get(3)? + times.get(4)?, times.iter().take(8).sum()))
}

/// Each has a path of its own, by which the log knows it.
fn url(check: usize) -> String {
    format!("   url {{\n    path /{check}\n    status_code 200\n   }}\n")
}

struct Nginx {
    process: Process,
    log: std::path::PathBuf,
}

impl Nginx {
    fn start(lab: &Lab, node: &Node, over: Over) -> Result<Self> {
        let path = |name: &str| lab.folder().join(name);
        let log = path("asked");
        let tls = match over {
            Over::Tcp => String::new(),
            Over::Tls => {
                make_certificate(&path("key"), &path("certificate"))?;
                let (key, certificate) = (path("key"), path("certificate"));
                format!(
                    "ssl_certificate {};\n  ssl_certificate_key {};\n",
                    certificate.display(),
                    key.display()
                )
            }
        };
        let text = format!(
            "daemon off;\nuser root;\nworker_processes auto;\npid {pid};\nerror_log stderr;\nevents {{ worker_connections 8192; }}\n\
             http {{\n log_format times '$msec $uri';\n access_log {log} times buffer=64k flush=1s;\n server {{\n  \
             listen {FIRST_PORT}{ssl} reuseport backlog=4096;\n  {tls}  location / {{ return 200 'well'; }}\n }}\n}}\n",
            pid = path("nginx.pid").display(),
            log = log.display(),
            ssl = if over == Over::Tls { " ssl" } else { "" },
        );
        fs::write(path("nginx.conf"), text).context("write nginx.conf")?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(path("nginx.conf")).arg("-p").arg(lab.folder());
        let process = node.spawn(&mut command)?;
        let listens = || {
            let listing = node.namespace().run(|| fs::read_to_string("/proc/thread-self/net/tcp"));
            let port = format!("00000000:{FIRST_PORT:04X} ");
            listing.ok().and_then(Result::ok).is_some_and(|listing| listing.contains(&port))
        };
        wait_until("nginx listens", PATIENCE, listens).with_context(|| process.log())?;
        Ok(Self { process, log })
    }

    /// CPU time of it and its workers so far.
    fn cpu(&self) -> Duration {
        usage::cpu_time(&self.process.tree())
    }

    /// When each path was asked for, in seconds since 1970, in order.
    fn asked(&self) -> Result<BTreeMap<String, Vec<f64>>> {
        let text = fs::read_to_string(&self.log).context("read nginx's log")?;
        let mut asked = BTreeMap::<String, Vec<f64>>::new();
        for line in text.lines() {
            if let Some((at, path)) = line.split_once(' ')
                && let Ok(at) = at.parse()
            {
                asked.entry(path.to_owned()).or_default().push(at);
            }
        }
        // Each worker writes for itself.
        asked.values_mut().for_each(|times| times.sort_by(f64::total_cmp));
        Ok(asked)
    }
}

fn make_certificate(key: &Path, certificate: &Path) -> Result<()> {
    let mut command = Command::new("openssl");
    command.args(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=web".split(' '),
    );
    let output =
        command.arg("-keyout").arg(key).arg("-out").arg(certificate).output().context("start openssl")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
