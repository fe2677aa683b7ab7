//! A link on which every packet takes its time. (This is what netem is for, which many kernels lack.)
//!
//! Two veth pairs end in namespaces of their own; a thread carries every frame from one to the other after a delay. It
//! has real-time priority where that is allowed, and says how late it was: a wire that is slower than it should be makes
//! failures that are none of the checker's.

use std::collections::VecDeque;
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mainstay::lab::{Namespace, Node};
use mainstay_core::vrrp::checksum::Sum;
use mainstay_system::realtime::round_robin;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Of the thread, above everything that is measured.
const PRIORITY: u8 = 2;
/// Of the nodes' links.
const HARDWARE: [&str; 2] = ["02:00:00:00:08:01", "02:00:00:00:08:02"];
/// Every kind of frame, in network order.
const ALL_KINDS: u16 = 0x0003_u16.to_be();
/// A link's longest frame, with room to spare.
const LONGEST: usize = 2048;
/// Length of its header, whose last two bytes say what follows.
const ETHERNET: usize = 14;
const IPV4: [u8; 2] = [8, 0];
const TCP: u8 = 6;

/// The thread that carries, until it is dropped.
pub struct Wire {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// The greatest lateness of a frame since it was asked for, in microseconds.
    late_us: AtomicU64,
    lost: AtomicUsize,
}

/// What a wire did wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// By how much it was late, at most.
    pub late: Duration,
    /// Frames that found no room at the other end.
    pub lost: usize,
}

impl Wire {
    /// Joins two nodes by links named `far` with these addresses (with prefix length).
    pub fn join(nodes: [(&Node, &str); 2], delay: Duration) -> Result<Self> {
        let ends = [End::new(nodes[0], HARDWARE[0])?, End::new(nodes[1], HARDWARE[1])?];
        // Nobody has to ask who has an address: a question and its answer would take as long as `connect_timeout`, and
        // the packets that wait for it are soon too many.
        for (from, to) in [(0, 1), (1, 0)] {
            let address = nodes[to].1.split('/').next().unwrap_or_default();
            nodes[from]
                .0
                .namespace()
                .ip(&format!("neighbour replace {address} lladdr {} dev far nud permanent", HARDWARE[to]))?;
        }
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let carry = move || {
            // Without the right to it, it is as urgent as all others, and says how late it was.
            let _ = round_robin(PRIORITY);
            let mut carrier = Carrier { ends, delay, on_the_way: VecDeque::new(), shared: ours };
            while !carrier.shared.stop.load(Ordering::Relaxed) {
                carrier.turn();
            }
        };
        let thread =
            std::thread::Builder::new().name("wire".into()).spawn(carry).context("start a thread")?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What it did wrong since this was asked before.
    pub fn faults(&self) -> Faults {
        Faults {
            late: Duration::from_micros(self.shared.late_us.swap(0, Ordering::Relaxed)),
            lost: self.shared.lost.swap(0, Ordering::Relaxed),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has said why, should it have panicked.
            let _ = thread.join();
        }
    }
}

/// One end of the wire: what the node sends arrives here.
struct End {
    socket: Socket,
    link: SockAddr,
    _namespace: Namespace,
}

impl End {
    fn new((node, address): (&Node, &str), hardware: &str) -> Result<Self> {
        let namespace = Namespace::new()?;
        let path = namespace.path();
        let socket = namespace.run(|| {
            let protocol = Protocol::from(i32::from(ALL_KINDS));
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
            // After a stop hundreds of checks begin at once: a wire that loses their packets would be to blame.
            if setsockopt(&socket, sockopt::RcvBufForce, &(16 << 20)).is_err() {
                socket.set_recv_buffer_size(16 << 20)?;
            }
            socket.set_read_timeout(Some(Duration::from_secs(5)))?;
            Ok::<_, std::io::Error>(socket)
        });
        let socket = socket?.context("open a packet socket")?;
        node.namespace().ip(&format!(
            "link add far address {hardware} type veth peer name far netns {}",
            path.display()
        ))?;
        namespace.ip("link set far up")?;
        node.namespace().ip("link set far up")?;
        node.add_address("far", address)?;
        // Nobody answers this; but the address of the link, in the form that sending wants it, comes with what arrives.
        let stranger = address.split('/').next().and_then(|own| own.rsplit_once('.')).map(|(net, _)| net);
        let _ = node.namespace().command("ping", &format!("-c 1 -W 1 {}.200", stranger.unwrap_or_default()));
        let mut bytes = [MaybeUninit::uninit(); LONGEST];
        let (_, link) = socket.recv_from(&mut bytes).context("wait for any packet")?;
        socket.set_nonblocking(true).context("make the socket non-blocking")?;
        Ok(Self { socket, link, _namespace: namespace })
    }
}

struct Carrier {
    ends: [End; 2],
    delay: Duration,
    /// When each frame arrives, at which end.
    on_the_way: VecDeque<(Instant, usize, Vec<u8>)>,
    shared: Arc<Shared>,
}

impl Carrier {
    /// Waits for a little, takes what has come and gives what has arrived.
    fn turn(&mut self) {
        let next = self.on_the_way.front().map_or(Duration::from_millis(50), |(due, ..)| {
            due.saturating_duration_since(Instant::now()).min(Duration::from_millis(50))
        });
        let timeout = PollTimeout::try_from(next).unwrap_or(PollTimeout::ZERO);
        let mut polled = self.ends.each_ref().map(|end| PollFd::new(end.socket.as_fd(), PollFlags::POLLIN));
        // Both are read until they are empty, whatever it says.
        let _ = poll(&mut polled, timeout);
        for (from, end) in self.ends.iter().enumerate() {
            let mut bytes = [0; LONGEST];
            // An error is that nothing more is there.
            while let Ok(length) = (&end.socket).read(&mut bytes) {
                let mut frame = bytes[..length].to_vec();
                finish_checksum(&mut frame);
                self.on_the_way.push_back((Instant::now() + self.delay, 1 - from, frame));
            }
        }
        let now = Instant::now();
        while self.on_the_way.front().is_some_and(|(due, ..)| *due <= now) {
            let Some((due, to, frame)) = self.on_the_way.pop_front() else { break };
            let late = u64::try_from((now - due).as_micros()).unwrap_or(u64::MAX);
            self.shared.late_us.fetch_max(late, Ordering::Relaxed);
            if self.ends[to].socket.send_to(&frame, &self.ends[to].link).is_err() {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Computes the checksum of a TCP segment, which the kernel leaves to the card that a veth does not have.
fn finish_checksum(frame: &mut [u8]) {
    let is_tcp = frame.len() > ETHERNET + 20 && frame[12..ETHERNET] == IPV4 && frame[ETHERNET + 9] == TCP;
    if !is_tcp {
        return;
    }
    let (header, total) = (usize::from(frame[ETHERNET] & 15) * 4, [frame[ETHERNET + 2], frame[ETHERNET + 3]]);
    let (packet, segment) = frame[ETHERNET..].split_at_mut(header);
    let length = usize::from(u16::from_be_bytes(total)).saturating_sub(header);
    let Some(segment) = segment.get_mut(..length).filter(|segment| segment.len() >= 20) else { return };
    segment[16..18].fill(0);
    let sum = Sum::default().add_bytes(&packet[12..20]).add_bytes(&[0, TCP]).add_bytes(&total_of(length));
    let checksum = sum.add_bytes(segment).checksum();
    segment[16..18].copy_from_slice(&checksum.to_be_bytes());
}

fn total_of(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}
