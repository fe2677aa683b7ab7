//! Somebody outside who asks by ARP who has the virtual address, every millisecond, and looks who answers.

use std::io::{ErrorKind, Read};
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mainstay::lab::Node;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Time between two questions.
const PERIOD: Duration = Duration::from_millis(1);

/// An answer that takes longer than this is none. (One that came late is still counted to its own question.)
const PATIENCE: Duration = Duration::from_millis(50);

/// Questions are told apart by who asks: so many addresses are used in turn, from 10.0.0.128. Whoever is asked remembers
/// all of them, and the kernel remembers no more than a thousand neighbours for all namespaces together. (Beyond that no
/// advert leaves any more.)
const ASKERS: usize = 8;

const ARP: u16 = 0x0806;
/// Ethernet, IPv4, their address lengths.
const ARP_KIND: [u8; 6] = [0, 1, 0x08, 0, 6, 4];

/// What was seen in some time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// All the time in which both nodes answered.
    pub both: Duration,
    /// From when to when after the start, if they did.
    pub when_both: Option<(Duration, Duration)>,
    /// The longest time in which no node answered.
    pub nobody: Duration,
}

/// A question and which of the two nodes answered it.
#[derive(Debug, Clone, Copy)]
struct Question {
    at: Instant,
    asker: u8,
    answered: [bool; 2],
}

/// A thread that asks, until it is dropped.
pub struct Observer {
    questions: Arc<Mutex<Vec<Question>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    /// Asks from this node, on `eth0`, who of two hardware addresses has `target`.
    pub fn start(node: &Node, mac: [u8; 6], of: [[u8; 6]; 2], target: Ipv4Addr) -> Result<Self> {
        let socket = node.namespace().run(|| -> std::io::Result<Socket> {
            let protocol = Protocol::from(i32::from(ARP.to_be()));
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
            socket.set_recv_buffer_size(1 << 20)?;
            Ok(socket)
        });
        let socket = socket?.context("open a packet socket")?;
        // The address of a link, in the form that sending wants it, comes with whatever arrives by it.
        socket.set_read_timeout(Some(Duration::from_secs(2))).context("limit the wait")?;
        node.namespace().command("ping", "-c 1 -W 10 10.0.0.1")?;
        let mut bytes = [MaybeUninit::uninit(); 128];
        let (_, link) = socket.recv_from(&mut bytes).context("wait for any ARP packet")?;
        socket.set_nonblocking(true).context("make the socket non-blocking")?;

        let questions = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let mut asking =
            Asking { socket, link, mac, of, target, questions: Arc::clone(&questions), asked: 0 };
        let stopped = Arc::clone(&stop);
        let thread = node.namespace().thread("observer", move || {
            // It must not be late when the nodes are busy. Without the right to it, it is late a little more often.
            let _ = mainstay_system::realtime::round_robin(20);
            let mut due = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                asking.ask();
                due = (due + PERIOD).max(Instant::now() - PERIOD);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                asking.hear();
            }
        })?;
        Ok(Self { questions, stop, thread: Some(thread) })
    }

    /// Forgets what was seen so far.
    pub fn forget(&self) {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What was seen from then on until now.
    pub fn since(&self, from: Instant) -> Seen {
        std::thread::sleep(PATIENCE);
        let questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now().checked_sub(PATIENCE).unwrap_or(from);
        let window: Vec<Question> = questions
            .iter()
            .filter(|question| question.at >= from && question.at <= until)
            .copied()
            .collect();
        summary(&window, from)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A question stands for the time until the next one.
fn summary(questions: &[Question], start: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut silent_since = None;
    for (place, question) in questions.iter().enumerate() {
        let next = questions.get(place + 1).map_or(question.at, |next| next.at);
        match question.answered {
            [false, false] => {
                let since = *silent_since.get_or_insert(question.at);
                seen.nobody = seen.nobody.max(next - since);
            }
            [true, true] => {
                seen.both += next - question.at;
                let first = seen.when_both.map_or(question.at - start, |(first, _)| first);
                seen.when_both = Some((first, next - start));
                silent_since = None;
            }
            [true, false] | [false, true] => silent_since = None,
        }
    }
    seen
}

/// What the thread works with.
struct Asking {
    socket: Socket,
    link: SockAddr,
    mac: [u8; 6],
    of: [[u8; 6]; 2],
    target: Ipv4Addr,
    questions: Arc<Mutex<Vec<Question>>>,
    asked: usize,
}

impl Asking {
    fn ask(&mut self) {
        self.asked += 1;
        let asker = asker(self.asked);
        let mut frame = Vec::with_capacity(42);
        frame.extend([0xff; 6]);
        frame.extend(self.mac);
        frame.extend(ARP.to_be_bytes());
        frame.extend(ARP_KIND);
        frame.extend([0, 1]);
        frame.extend(self.mac);
        frame.extend([10, 0, 0, asker]);
        frame.extend([0; 6]);
        frame.extend(self.target.octets());
        // It is noted first: the answer may be quick.
        let question = Question { at: Instant::now(), asker, answered: [false; 2] };
        self.questions.lock().unwrap_or_else(PoisonError::into_inner).push(question);
        let _ = self.socket.send_to(&frame, &self.link);
    }

    fn hear(&mut self) {
        let mut bytes = [0; 128];
        loop {
            match self.socket.read(&mut bytes) {
                Ok(length) => self.note(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Counts an answer to its question.
    fn note(&self, frame: &[u8]) {
        let Some((who, whom)) = answer(frame, self.target) else { return };
        let Some(node) = self.of.iter().position(|mac| *mac == who) else { return };
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = questions.iter_mut().rev().take(ASKERS);
        if let Some(question) = recent.into_iter().find(|question| question.asker == whom) {
            question.answered[node] = true;
        }
    }
}

/// Last byte of the address a question is asked from.
fn asker(number: usize) -> u8 {
    128 + u8::try_from(number % ASKERS).unwrap_or(0)
}

/// Who says that the address is at its own hardware address, and the last byte of whom it says so to.
fn answer(frame: &[u8], target: Ipv4Addr) -> Option<([u8; 6], u8)> {
    let arp = frame.get(12..42)?;
    let is_answer = arp[..2] == ARP.to_be_bytes() && arp[2..8] == ARP_KIND && arp[8..10] == [0, 2];
    let who = arp[10..16].try_into().ok()?;
    (is_answer && arp[16..20] == target.octets()).then_some((who, arp[29]))
}
