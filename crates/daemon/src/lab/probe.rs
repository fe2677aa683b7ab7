//! A client that asks an address every few milliseconds, and the service that answers with its node's name.
//!
//! This is the true oracle of a failover: not who believes to be master, but who answers, and how long nobody did.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::namespace::Namespace;
use super::wait::wait_until;

/// The port of the service.
const PORT: u16 = 7;

/// Answers every datagram with the datagram and the node's name, until dropped.
#[derive(Debug)]
pub struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    pub(super) fn start(namespace: &Namespace, name: &str) -> Result<Self> {
        let socket =
            namespace.run(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, PORT)))?.context("open port 7")?;
        socket.set_read_timeout(Some(Duration::from_millis(50))).context("limit the wait of the service")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let name = name.to_owned();
        let thread = namespace.thread("echo", move || {
            let mut question = [0; 64];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, client)) = socket.recv_from(&mut question) {
                    let mut answer = question[..length].to_vec();
                    answer.extend_from_slice(name.as_bytes());
                    // A client that cannot be reached at the moment asks again.
                    let _ = socket.send_to(&answer, client);
                }
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// When the question was sent.
    pub asked: Instant,
    /// When the answer came.
    pub at: Instant,
    /// The node that answered.
    pub by: String,
}

/// Asks an address every `period`, until dropped.
#[derive(Debug)]
pub struct Prober {
    answers: Arc<Mutex<Vec<Answer>>>,
    asked: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Prober {
    pub(super) fn start(namespace: &Namespace, address: IpAddr, period: Duration) -> Result<Self> {
        let socket =
            namespace.run(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)))?.context("open a socket")?;
        socket.set_nonblocking(true).context("make the prober's socket non-blocking")?;
        let target = match address {
            IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), PORT),
            IpAddr::V6(v6) => SocketAddr::new(v6.into(), PORT),
        };
        let answers = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (heard, count, stopped) = (Arc::clone(&answers), Arc::clone(&asked), Arc::clone(&stop));
        let thread =
            namespace.thread("prober", move || ask(&socket, target, period, &heard, &count, &stopped))?;
        Ok(Self { answers, asked, stop, thread: Some(thread) })
    }

    /// How many questions were sent.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// All answers that came after `since`, in order.
    #[must_use]
    pub fn answers(&self, since: Instant) -> Vec<Answer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let start = answers.partition_point(|answer| answer.at < since);
        answers[start..].to_vec()
    }

    /// Who answered last, if anybody did within `freshness`.
    #[must_use]
    pub fn answering(&self, freshness: Duration) -> Option<String> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.last().filter(|last| last.at.elapsed() <= freshness).map(|last| last.by.clone())
    }

    /// How many answers each node gave after `since`.
    #[must_use]
    pub fn shares(&self, since: Instant) -> BTreeMap<String, usize> {
        let mut shares = BTreeMap::new();
        for answer in self.answers(since) {
            *shares.entry(answer.by).or_default() += 1;
        }
        shares
    }

    /// The longest time without an answer between `since` and now.
    #[must_use]
    pub fn outage(&self, since: Instant) -> Duration {
        let moments: Vec<_> =
            self.answers(since).iter().map(|answer| answer.at).chain([Instant::now()]).collect();
        let mut last = since;
        let mut longest = Duration::ZERO;
        for moment in moments {
            longest = longest.max(moment.saturating_duration_since(last));
            last = moment;
        }
        longest
    }

    /// Waits for the first answer by this node to a question sent after `since`; returns how long after `since` it came.
    ///
    /// # Errors
    /// Fails if there is none within `limit` from now.
    pub fn wait_for(&self, node: &str, since: Instant, limit: Duration) -> Result<Duration> {
        let mut at = None;
        wait_until(&format!("node {node} answers the client"), limit, || {
            at = self.answers(since).iter().find(|a| a.by == node && a.asked >= since).map(|a| a.at);
            at.is_some()
        })?;
        Ok(at.map_or(Duration::ZERO, |at| at - since))
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The prober's loop: a question at each period, answers in between.
fn ask(
    socket: &UdpSocket,
    target: SocketAddr,
    period: Duration,
    heard: &Mutex<Vec<Answer>>,
    count: &AtomicU64,
    stopped: &AtomicBool,
) {
    let start = Instant::now();
    let mut next = start;
    while !stopped.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= next {
            let stamp = u64::try_from((now - start).as_nanos()).unwrap_or(u64::MAX);
            // "No route" and "unreachable" are what an outage looks like from here.
            let _ = socket.send_to(&stamp.to_be_bytes(), target);
            count.fetch_add(1, Ordering::Relaxed);
            next = (next + period).max(now);
        }
        wait_readable(socket, next.saturating_duration_since(Instant::now()));
        loop {
            let mut bytes = [0; 128];
            match socket.recv(&mut bytes) {
                Ok(length) => {
                    let at = Instant::now();
                    if let Some((stamp, name)) = bytes[..length].split_first_chunk::<8>() {
                        let asked = start + Duration::from_nanos(u64::from_be_bytes(*stamp));
                        let by = String::from_utf8_lossy(name).into_owned();
                        heard.lock().unwrap_or_else(PoisonError::into_inner).push(Answer { asked, at, by });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // "Port unreachable", "host unreachable": said once per socket error, then the queue goes on.
                Err(_) => {}
            }
        }
    }
}

/// Sleeps until something came or `limit` is over.
fn wait_readable(socket: &UdpSocket, limit: Duration) {
    let mut wanted = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let _ = ppoll(&mut wanted, Some(TimeSpec::from_duration(limit)), None);
}
