//! HTTP and TLS checks of nginx: how many a second without being late.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Lab, Node, Process, wait_until};

use super::common::Both;
use super::common::report::{Report, Target};
use super::listeners::{FIRST_PORT, Layout};
use super::precise;
use super::subject::{Checks, PATIENCE, Programs, Side, Subject};

const DELAY: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(1);
/// A check that comes later than this is late.
const GRACE: Duration = Duration::from_millis(250);

/// Over what a check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// `HTTP_GET`.
    Tcp,
    /// `SSL_GET`.
    Tls,
}

#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    rate: f64,
    longest: f64,
    false_failures: f64,
    cpu_us: f64,
}

/// Measures both, one after the other, at this many checks a second.
pub fn run(programs: &Programs, over: Over, rate: u32, window: Duration, report: &mut Report) -> Result<()> {
    let mut figures = Both::<Figures>::default();
    for (index, side) in Side::BOTH.into_iter().enumerate() {
        *figures.side(index) =
            measure(programs, side, over, rate, window).with_context(|| format!("{side:?}"))?;
    }
    let kind = match over {
        Over::Tcp => "HTTP_GET",
        Over::Tls => "SSL_GET (TLS 1.3, P-256)",
    };
    report.heading(&format!(
        "{rate} {kind} a second to one nginx on the same machine, over {} s",
        window.as_secs()
    ));
    let wanted = f64::from(rate);
    let rates = figures.map(|f| f.rate);
    let note = format!("wanted {wanted:.0}");
    report.line(
        "checks a second, fewer than wanted by",
        " %",
        1,
        &rates.map(|had| (1.0 - had / wanted).max(0.0) * 100.0),
        Target::AtMost(1.0),
        &note,
    );
    let most = Target::AtMost((DELAY + GRACE).as_secs_f64());
    report.line(
        "longest time between two of a server",
        " s",
        2,
        &figures.map(|f| f.longest),
        most,
        "delay_loop 2 s",
    );
    report.line("false failures", "", 0, &figures.map(|f| f.false_failures), Target::AtMost(0.0), "");
    report.line("CPU of a check", " us", 0, &figures.map(|f| f.cpu_us), Target::None, "");
    Ok(())
}

fn measure(programs: &Programs, side: Side, over: Over, rate: u32, window: Duration) -> Result<Figures> {
    let lab = Lab::new(&format!("web-{side:?}-{over:?}"))?;
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
    subject.all_up(PATIENCE);
    ensure!(subject.up() > 0, "nothing is up\n{}", subject.last_words());
    thread::sleep(DELAY);
    let (cpu, from) = (subject.cpu(), since_1970());
    thread::sleep(window);
    let (cpu, until) = (subject.cpu() - cpu, since_1970());
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
    ensure!(asked.len() == count, "{} of {count} servers were asked", asked.len());
    figures.rate = precise(answered) / (until - from);
    figures.cpu_us = cpu.as_secs_f64() * 1e6 / precise(answered);
    Ok(figures)
}

/// Each has a path of its own, by which the log knows it.
fn url(check: usize) -> String {
    format!("   url {{\n    path /{check}\n    status_code 200\n   }}\n")
}

struct Nginx {
    _process: Process,
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
            "daemon off;\nmaster_process off;\npid {pid};\nerror_log stderr;\nevents {{ worker_connections 8192; }}\n\
             http {{\n log_format times '$msec $uri';\n access_log {log} times buffer=64k flush=1s;\n server {{\n  \
             listen {FIRST_PORT}{ssl} backlog=4096;\n  {tls}  location / {{ return 200 'well'; }}\n }}\n}}\n",
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
        Ok(Self { _process: process, log })
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
