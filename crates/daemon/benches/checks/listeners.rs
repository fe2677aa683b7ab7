//! The servers that are checked: thousands of listening sockets in one thread, which takes every connection and closes
//! it after the one who made it.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mainstay::lab::Namespace;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

/// The most sockets: 20,000 descriptors are what a process has on many machines.
const SOCKETS: usize = 10_000;
/// Ports from here on, below those the kernel takes for connections.
pub const FIRST_PORT: u16 = 20_000;
/// Connections are taken so often. The kernel has answered long before, so nobody waits for it.
const ROUND: Duration = Duration::from_millis(5);

/// Where the server of each check listens: some servers share a socket, on addresses of their own, if there are many.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Checks.
    pub count: usize,
    /// The first address; the others follow.
    pub first: Ipv4Addr,
    /// How many checks have the same port.
    pub per_socket: usize,
}

impl Layout {
    /// A socket for each, as long as there are enough.
    pub fn new(count: usize, first: Ipv4Addr) -> Self {
        Self { count, first, per_socket: count.div_ceil(SOCKETS) }
    }

    /// One port, [`FIRST_PORT`], for all.
    pub fn of_one_server(count: usize, first: Ipv4Addr) -> Self {
        Self { count, first, per_socket: count }
    }

    /// Whom the check of this number asks.
    pub fn target(&self, check: usize) -> SocketAddrV4 {
        let address = u32::from(self.first) + u32::try_from(check % self.per_socket).unwrap_or(0);
        SocketAddrV4::new(Ipv4Addr::from(address), self.port(check / self.per_socket))
    }

    /// The check that asks this address.
    pub fn check(&self, target: SocketAddrV4) -> Option<usize> {
        let socket = usize::from(target.port().checked_sub(FIRST_PORT)?);
        let place = u32::from(*target.ip()).checked_sub(u32::from(self.first))?;
        Some(socket * self.per_socket + place as usize)
    }

    fn sockets(&self) -> usize {
        self.count.div_ceil(self.per_socket)
    }

    fn port(&self, socket: usize) -> u16 {
        FIRST_PORT + u16::try_from(socket).unwrap_or(0)
    }
}

/// What was seen of the connections to one socket since the last look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arrivals {
    /// How many.
    pub count: usize,
    /// When the last one came.
    pub last: Option<Instant>,
    /// The longest time between two.
    pub longest: Duration,
}

/// The servers, until they are dropped.
pub struct Listeners {
    layout: Layout,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    epoll: Epoll,
    sockets: Mutex<Vec<Option<TcpListener>>>,
    arrivals: Mutex<Vec<Arrivals>>,
    stop: AtomicBool,
}

impl Listeners {
    /// Listens in this namespace.
    pub fn start(namespace: &Namespace, layout: Layout) -> Result<Self> {
        let shared = Arc::new(Shared {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("make an epoll")?,
            sockets: Mutex::default(),
            arrivals: Mutex::new(vec![Arrivals::default(); layout.sockets()]),
            stop: AtomicBool::new(false),
        });
        let listen_all = || (0..layout.sockets()).map(|socket| listen(&shared, layout, socket)).collect();
        let sockets: Result<Vec<_>> = namespace.run(listen_all)?;
        *lock(&shared.sockets) = sockets?;
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("listeners".into()).spawn(move || {
            let mut events = vec![EpollEvent::empty(); 4096];
            while !theirs.stop.load(Ordering::Relaxed) {
                theirs.take(&mut events);
                std::thread::sleep(ROUND);
            }
        });
        Ok(Self { layout, shared, thread: Some(thread.context("start a thread")?) })
    }

    /// What came to each socket since the last look.
    pub fn look(&self) -> Vec<Arrivals> {
        let fresh = vec![Arrivals::default(); self.layout.sockets()];
        std::mem::replace(&mut *lock(&self.shared.arrivals), fresh)
    }

    /// Kills the server of this check, and of those that share its socket.
    pub fn kill(&self, check: usize) {
        lock(&self.shared.sockets)[check / self.layout.per_socket] = None;
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has said why, should it have panicked.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// One connection of each socket that has some.
    fn take(&self, events: &mut [EpollEvent]) {
        let ready = self.epoll.wait(events, 0_u8).unwrap_or(0);
        let sockets = lock(&self.sockets);
        let mut arrivals = lock(&self.arrivals);
        for event in &events[..ready] {
            let socket = usize::try_from(event.data()).unwrap_or(usize::MAX);
            let Some(Some(listener)) = sockets.get(socket) else { continue };
            let Ok((connection, _)) = listener.accept() else { continue };
            drop(connection);
            let (seen, now) = (&mut arrivals[socket], Instant::now());
            let since = seen.last.map_or(Duration::ZERO, |last| now - last);
            *seen = Arrivals { count: seen.count + 1, last: Some(now), longest: seen.longest.max(since) };
        }
    }
}

fn listen(shared: &Shared, layout: Layout, socket: usize) -> Result<Option<TcpListener>> {
    let address = if layout.per_socket == 1 { layout.first } else { Ipv4Addr::UNSPECIFIED };
    let address = SocketAddr::new(address.into(), layout.port(socket));
    let listener = TcpListener::bind(address).with_context(|| format!("listen on {address}"))?;
    listener.set_nonblocking(true).context("make a socket non-blocking")?;
    let event = EpollEvent::new(EpollFlags::EPOLLIN, socket as u64);
    shared.epoll.add(listener.as_fd(), event).context("watch a socket")?;
    Ok(Some(listener))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
