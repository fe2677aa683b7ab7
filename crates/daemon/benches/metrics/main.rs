//! `cargo xtask bench metrics`: what a scrape costs, and whether it delays adverts.
//!
//! A node with 1,000 virtual routers at ten adverts a second and 10,000 real servers is read over its own socket: first not at
//! all for a while, then once a second. The router's own histogram of lateness says what became of its deadlines in each
//! time. Root is needed. IPVS is a table in memory, so the kernel's share of a listing is not measured.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use mainstay::lab::Lab;

/// Links of the node, with [`PER_LINK`] virtual routers each.
const LINKS: u32 = 4;
const PER_LINK: u32 = 250;
const INSTANCES: u32 = LINKS * PER_LINK;

/// Virtual servers, with [`PER_SERVER`] real servers each.
const SERVERS: u32 = 1000;
const PER_SERVER: u32 = 10;

/// What was promised.
const SCRAPE: Duration = Duration::from_millis(100);

/// A page is a second old at most: with this distance each scrape asks anew.
const APART: Duration = Duration::from_millis(1050);

/// How long the node may take to become what it is to be.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a scrape costs.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds of each of the two times
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Given by cargo, without effect
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench metrics: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True if what was promised holds.
fn run(options: &Options) -> Result<bool> {
    let lab = Lab::new("metrics-bench")?;
    let node = lab.bare_node("node")?;
    for link in 0..LINKS {
        let lan = format!("lan{link}");
        lab.lan(&lan)?;
        node.plug(&format!("v{link}"), &lan, &[&format!("10.{link}.0.1/16")])?;
    }
    let (conf, socket) = (lab.folder().join("conf"), lab.folder().join("metrics"));
    fs::write(&conf, configuration(&socket)).context("write the configuration")?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
    command
        .args(["--dont-fork", "--log-console", "--no-syslog", "--ipvs", "memory", "--use-file"])
        .arg(&conf);
    for (flag, name) in [("--pid", "supervisor"), ("--vrrp_pid", "router"), ("--checkers_pid", "director")] {
        command.arg(flag).arg(lab.folder().join(format!("{name}.pid")));
    }
    let daemon = node.spawn(&mut command)?;
    let masters = "mainstay_vrrp_transitions_total";
    let ready = || {
        let Ok(page) = scrape(&socket) else { return false };
        sum(&page.series, masters, "to=\"MASTER\"") >= f64::from(INSTANCES)
            && page
                .series
                .get("mainstay_checkers")
                .is_some_and(|count| *count >= f64::from(SERVERS * PER_SERVER))
    };
    lab.wait_until("all virtual routers are master", PATIENCE, ready).with_context(|| {
        let log = daemon.log();
        log.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    })?;
    sleep(Duration::from_secs(5));
    let window = Duration::from_secs(options.seconds);

    let first = scrape(&socket)?;
    sleep(window);
    let second = scrape(&socket)?;
    let mut took = Vec::new();
    let began = Instant::now();
    while began.elapsed() < window {
        sleep(APART);
        let page = scrape(&socket)?;
        took.push(page.took);
    }
    let third = scrape(&socket)?;
    took.sort_unstable();
    ensure!(!took.is_empty(), "--seconds is too short for a scrape");
    let (median, slowest) = (took[took.len() / 2], took[took.len() - 1]);
    println!(
        "{INSTANCES} virtual routers at 0.1 s, {SERVERS} virtual servers, {} real servers",
        SERVERS * PER_SERVER
    );
    println!("page                        {} series, {} kB", third.series.len(), third.bytes / 1000);
    println!("scrape, {} times            median {median:.1?}, slowest {slowest:.1?}", took.len());
    for (what, from, to) in [("nobody reads", &first, &second), ("read once a second", &second, &third)] {
        let (count, p50, p99) = lateness(&from.series, &to.series);
        println!("lateness, {what:<18} {count} deadlines, half at most {p50} ms, 99 % at most {p99} ms");
    }
    let (before, during) =
        (lateness(&first.series, &second.series).2, lateness(&second.series, &third.series).2);
    let good = median <= SCRAPE && during <= before.max(1.0) * 2.5;
    println!("{}", if good { "ok" } else { "short" });
    Ok(good)
}

fn configuration(socket: &Path) -> String {
    let mut text = format!("global_defs {{\n @mainstay metrics_listen {}\n}}\n", socket.display());
    for instance in 0..INSTANCES {
        let (link, vrid) = (instance / PER_LINK, instance % PER_LINK + 1);
        let _ = write!(
            text,
            "vrrp_instance VI_{instance} {{\n version 3\n interface v{link}\n virtual_router_id {vrid}\n \
             priority 150\n advert_int 0.1\n virtual_ipaddress {{\n  10.{link}.1.{vrid}/32\n }}\n}}\n"
        );
    }
    for server in 0..SERVERS {
        let (high, low) = (server / 250, server % 250 + 1);
        let _ = writeln!(
            text,
            "virtual_server 10.200.{high}.{low} 80 {{\n delay_loop 60\n lb_algo rr\n lb_kind DR\n protocol TCP"
        );
        for real in 0..PER_SERVER {
            // Nobody listens: each check is one packet and its refusal.
            let _ = writeln!(
                text,
                " real_server 127.{}.{high}.{low} 80 {{\n  TCP_CHECK {{\n   connect_timeout 3\n  }}\n }}",
                real + 1
            );
        }
        text += "}\n";
    }
    text
}

/// One answer.
struct Page {
    series: BTreeMap<String, f64>,
    bytes: usize,
    took: Duration,
}

fn scrape(socket: &Path) -> Result<Page> {
    let began = Instant::now();
    let mut stream = UnixStream::connect(socket).context("connect")?;
    let request = "GET /metrics HTTP/1.1\r\nHost: mainstay\r\nAccept: application/openmetrics-text\r\n\r\n";
    stream.write_all(request.as_bytes())?;
    let mut heard = String::new();
    stream.read_to_string(&mut heard)?;
    let took = began.elapsed();
    let (head, body) = heard.split_once("\r\n\r\n").context("a head and a body")?;
    ensure!(head.starts_with("HTTP/1.1 200") && body.ends_with("# EOF\n"), "{head}");
    let samples = body.lines().filter(|line| !line.starts_with('#'));
    let parsed = samples.filter_map(|line| line.rsplit_once(' '));
    let series = parsed.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect();
    Ok(Page { series, bytes: body.len(), took })
}

/// All series of a name with this label together.
fn sum(series: &BTreeMap<String, f64>, name: &str, label: &str) -> f64 {
    let concerned = series.iter().filter(|(series, _)| series.starts_with(name) && series.contains(label));
    concerned.map(|(_, value)| value).sum()
}

/// Deadlines served between two pages, and the ends in milliseconds of the classes in which half and 99 % of them are.
fn lateness(from: &BTreeMap<String, f64>, to: &BTreeMap<String, f64>) -> (f64, f64, f64) {
    let prefix = "mainstay_router_loop_lateness_seconds_bucket{le=\"";
    let mut classes: Vec<(f64, f64)> = to
        .iter()
        .filter_map(|(name, count)| {
            let end = name.strip_prefix(prefix)?.strip_suffix("\"}")?;
            let end = if end == "+Inf" { f64::INFINITY } else { end.parse().ok()? };
            Some((end, count - from.get(name).copied().unwrap_or_default()))
        })
        .collect();
    classes.sort_by(|one, other| one.0.total_cmp(&other.0));
    let total = classes.last().map_or(0.0, |(_, count)| *count);
    let end_of = |share: f64| {
        let found = classes.iter().find(|(_, count)| *count >= total * share);
        found.map_or(f64::INFINITY, |(end, _)| end * 1000.0)
    };
    (total, end_of(0.5), end_of(0.99))
}
