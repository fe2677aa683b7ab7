//! The least a check can cost: a loop on epoll that connects, waits, looks, closes, and knows nothing else.

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

/// Beyond so many connections a minute Mainstay closes by a reset (`probe/manners.rs`), and so does this.
const POLITE_PER_MINUTE: f64 = 5_000.0;

/// As many at one time as any machine has descriptors for.
const AT_ONCE: usize = 4_000;

/// CPU time of one connection, at so many a second, evenly spread.
pub fn measure(namespace: &Namespace, layout: Layout, rate: f64, window: Duration) -> Result<Duration> {
    namespace.run(|| connect_all(layout, rate, window))?
}

fn connect_all(layout: Layout, rate: f64, window: Duration) -> Result<Duration> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("make an epoll")?;
    let mut events = vec![EpollEvent::empty(); 1024];
    let mut waiting = BTreeMap::new();
    let (start, cpu_before) = (Instant::now(), cpu()?);
    let due = |number: u32| start + Duration::from_secs_f64(f64::from(number) / rate);
    let (mut asked, mut answered) = (0_u32, 0_u32);
    while start.elapsed() < window || !waiting.is_empty() {
        let now = Instant::now();
        while due(asked) <= now && now - start < window && waiting.len() < AT_ONCE {
            let socket =
                Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).context("open a socket")?;
            if rate * 60.0 > POLITE_PER_MINUTE {
                socket.set_linger(Some(Duration::ZERO)).context("set SO_LINGER")?;
            }
            // In progress is the ordinary answer.
            let _ = socket.connect(&layout.target(asked as usize % layout.count).into());
            let event =
                EpollEvent::new(EpollFlags::EPOLLOUT | EpollFlags::EPOLLET, socket.as_raw_fd() as u64);
            epoll.add(socket.as_fd(), event).context("watch a socket")?;
            waiting.insert(event.data(), socket);
            asked += 1;
        }
        let wait = due(asked).saturating_duration_since(Instant::now()).as_millis() + 1;
        let wait = EpollTimeout::try_from(u32::try_from(wait).unwrap_or(1000)).unwrap_or(EpollTimeout::ZERO);
        let ready = epoll.wait(&mut events, wait).unwrap_or(0);
        for event in &events[..ready] {
            let Some(socket) = waiting.remove(&event.data()) else { continue };
            // Some servers have been killed.
            let refused = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
            answered += u32::from(socket.take_error().is_ok_and(|error| error.as_ref().is_none_or(refused)));
        }
    }
    ensure!(asked == answered && asked > 0, "{answered} of {asked} connections of the bare loop came about");
    Ok((cpu()? - cpu_before) / asked)
}

/// CPU time of this thread.
fn cpu() -> Result<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).context("read the CPU clock")
}
