//! The least a check can cost: a loop on epoll that connects, waits, looks, closes, and knows nothing else.
//!
//! What it costs to connect depends on when: a processor that has slept is slow, and what comes in handfuls shares a
//! wake-up. So this loop keeps the same hours as Mainstay does: every check has a phase of its own within `delay_loop`,
//! spread by a hash, and what is due within [`GRAIN`] is done at one wake-up. With few checks that is a wake-up for each
//! or two of them, as it is there. It closes as Mainstay does, too: politely as long as that may be.
//!
//! It is measured in the same namespace with the same listeners, half of the time before the contestant and half after
//! it, on one thread's clock.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay::lab::Namespace;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::time::{ClockId, clock_gettime};
use socket2::{Domain, Socket, Type};

use super::listeners::Layout;

/// Mainstay's (`director/alarm.rs`).
const GRAIN: Duration = Duration::from_millis(16);
/// After so many connections in a minute Mainstay closes by a reset (`probe/manners.rs`), and so does this.
const POLITE_A_MINUTE: usize = 5_000;
/// As many at one time as any machine has descriptors for.
const AT_ONCE: usize = 4_000;

/// What some connections cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    cpu: Duration,
    connections: u32,
}

impl Cost {
    /// Both together, as CPU time of one connection in microseconds.
    pub fn with(self, other: Self) -> f64 {
        (self.cpu + other.cpu).as_secs_f64() * 1e6 / f64::from(self.connections + other.connections)
    }
}

/// Connects to everybody once in this time, `window` long, as if `before` connections had been made in this minute.
pub fn measure(
    namespace: &Namespace,
    layout: Layout,
    delay: Duration,
    before: usize,
    window: Duration,
) -> Result<Cost> {
    namespace.run(|| connect_all(layout, delay, before, window))?
}

fn connect_all(layout: Layout, delay: Duration, before: usize, window: Duration) -> Result<Cost> {
    let hours = hours(layout.count, delay);
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("make an epoll")?;
    let mut events = vec![EpollEvent::empty(); 1024];
    let mut waiting = BTreeMap::new();
    let (start, cpu_before) = (Instant::now(), cpu()?);
    let (mut asked, mut answered) = (0, 0);
    let due = |asked: usize| {
        let (round, place) = (asked / hours.len(), asked % hours.len());
        (start + delay * u32::try_from(round).unwrap_or(u32::MAX) + hours[place].0, hours[place].1)
    };
    while start.elapsed() < window || !waiting.is_empty() {
        let now = Instant::now();
        loop {
            let (at, check) = due(asked);
            if at > now || now - start >= window || waiting.len() >= AT_ONCE {
                break;
            }
            let socket =
                Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).context("open a socket")?;
            if before + asked >= POLITE_A_MINUTE {
                socket.set_linger(Some(Duration::ZERO)).context("set SO_LINGER")?;
            }
            // In progress is the ordinary answer.
            let _ = socket.connect(&layout.target(check).into());
            let event =
                EpollEvent::new(EpollFlags::EPOLLOUT | EpollFlags::EPOLLET, socket.as_raw_fd() as u64);
            epoll.add(socket.as_fd(), event).context("watch a socket")?;
            waiting.insert(event.data(), socket);
            asked += 1;
        }
        let wait = due(asked).0.saturating_duration_since(Instant::now()).as_millis() + 1;
        let wait = EpollTimeout::try_from(u32::try_from(wait).unwrap_or(1000)).unwrap_or(EpollTimeout::ZERO);
        let ready = epoll.wait(&mut events, wait).unwrap_or(0);
        for event in &events[..ready] {
            let Some(socket) = waiting.remove(&event.data()) else { continue };
            // Some servers have been killed.
            let refused = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
            answered +=
                usize::from(socket.take_error().is_ok_and(|error| error.as_ref().is_none_or(refused)));
        }
    }
    ensure!(asked == answered && asked > 0, "{answered} of {asked} connections of the bare loop came about");
    Ok(Cost { cpu: cpu()? - cpu_before, connections: u32::try_from(asked).unwrap_or(u32::MAX) })
}

/// When within the delay each check comes, in order of time.
fn hours(count: usize, delay: Duration) -> Vec<(Duration, usize)> {
    let (grains, mut number) = (delay.div_duration_f64(GRAIN), 0_u64);
    let mut hours: Vec<_> = (0..count)
        .map(|check| {
            // SplitMix64.
            number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let share =
                f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0)) / 4_294_967_296.0;
            (GRAIN.mul_f64((share * grains).ceil()), check)
        })
        .collect();
    hours.sort_unstable();
    hours
}

/// CPU time of this thread.
fn cpu() -> Result<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).context("read the CPU clock")
}
