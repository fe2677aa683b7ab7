//! How many checks a second one thread can make, and what each costs.
//!
//! ```text
//! cargo run --release -p mainstay-system --example probe_rate -- KIND TARGET [SECONDS [AT_ONCE]]
//! ```
//!
//! `KIND` is `tcp`, `http` or `tls`; `TARGET` an address with a port. `AT_ONCE` probes (64 unless said) are always under
//! way. Printed are checks per second, the processor time of this process per check, and its memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay_core::director::plan::TlsMaterial;
use mainstay_core::director::probe::{HttpRequest, HttpVersion, Source, Tls};
use mainstay_core::director::{Outcome, Probe, ProbeKind};
use mainstay_system::probe::Prober;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [kind, target, rest @ ..] = words.as_slice() else {
        return Err("probe_rate tcp|http|tls ADDRESS:PORT [SECONDS [AT_ONCE]]".into());
    };
    let seconds = rest.first().map_or(Ok(5), |word| word.parse())?;
    let at_once = rest.get(1).map_or(Ok(64), |word| word.parse())?;
    let probe = probe(kind, target.parse()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(probe, Duration::from_secs(seconds), at_once))
}

fn probe(kind: &str, target: SocketAddr) -> Result<Probe, Box<dyn std::error::Error>> {
    let tls = match kind {
        "tls" => Some(Tls::default()),
        "tcp" | "http" => None,
        _ => return Err(format!("{kind} is none of tcp, http, tls").into()),
    };
    let request = HttpRequest {
        tls,
        version: HttpVersion::V10,
        path: "/".into(),
        host: None,
        status: vec![200..=299],
        digest: None,
        regex: None,
    };
    let kind = if kind == "tcp" { ProbeKind::Tcp } else { ProbeKind::Http(request.into()) };
    Ok(Probe { target, source: Source::default(), fwmark: 0, timeout: Duration::from_secs(5), kind })
}

async fn measure(probe: Probe, long: Duration, at_once: usize) -> Result<(), Box<dyn std::error::Error>> {
    let prober = Arc::new(Prober::start(&TlsMaterial::default()));
    let probe = Arc::new(probe);
    let begun = Instant::now();
    let tasks: Vec<_> = (0..at_once)
        .map(|_| {
            let (prober, probe) = (Arc::clone(&prober), Arc::clone(&probe));
            tokio::spawn(async move {
                let (mut passed, mut other, mut slowest) = (0_u32, None, Duration::ZERO);
                while begun.elapsed() < long {
                    match prober.ask(&probe).await {
                        Outcome::Passed { took } => {
                            passed += 1;
                            slowest = slowest.max(took);
                        }
                        outcome => other = Some(outcome),
                    }
                }
                (passed, other, slowest)
            })
        })
        .collect();
    let (mut passed, mut slowest) = (0, Duration::ZERO);
    for task in tasks {
        let (some, other, longest) = task.await?;
        if let Some(other) = other {
            println!("{other}");
        }
        passed += some;
        slowest = slowest.max(longest);
    }
    let took = begun.elapsed();
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let cpu = usage.user_time() + usage.system_time();
    println!(
        "{:.0} checks a second, {:.0} us of processor each, slowest {} ms, {} KiB at most",
        f64::from(passed) / took.as_secs_f64(),
        cpu.num_microseconds() as f64 / f64::from(passed.max(1)),
        slowest.as_millis(),
        usage.max_rss(),
    );
    Ok(())
}
