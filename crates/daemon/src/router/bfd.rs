//! BFD beside the router: sockets and sessions, kept by the same loop.
//!
//! What a session's state means to an instance is the core's business: a verdict is told to the router like that of a
//! script, and to the supervisor, which tells the director.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_core::bfd::{Action, BfdReport, Input, Listen, Sessions, Verdict};
use mainstay_core::router::{Event, Resume, RouterPlan};
use mainstay_core::time::{Duration, Instant};
use mainstay_system::bfd::{ReceiveSocket, Senders, Unsent};
use mainstay_system::clock;
use mainstay_system::vrrp::Inbox;
use mainstay_system::wait::{Interest, Poll};

/// Number of the first socket in the epoll set; lower numbers are other descriptors.
pub const FIRST_TOKEN: u64 = 1 << 56;

/// How long to wait before a socket that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Packets read in one turn, so that a flood cannot hold up adverts; after a stall, when everything is read that came
/// in the meantime, so many more.
const PACKETS: usize = 4096;
const PACKETS_AFTER_STALL: usize = 16 * PACKETS;

/// What others are to be told.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// A session came up or went down.
    Verdict(Verdict),
    /// Something for the log.
    Event(Event),
    /// A socket could not be opened: what was tried, and the errno. Told once.
    Unheard(String, i32),
}

/// All sessions with their sockets.
pub struct Bfd {
    sessions: Sessions,
    senders: Senders,
    places: BTreeMap<Listen, Place>,
    by_token: BTreeMap<u64, Listen>,
    /// Those that could not be opened, and somebody was told.
    refused: BTreeSet<Listen>,
    opened: u64,
    /// Sockets that are ready, by number.
    waiting: Vec<u64>,
    actions: Vec<Action>,
}

enum Place {
    /// It is listened to.
    Open { socket: ReceiveSocket, token: u64 },
    /// It could not be opened; when to try again.
    Failed(Instant),
}

impl Bfd {
    /// Sessions of a plan, with chance; those that were up in a crashed predecessor are presumed to be for a while.
    pub fn new(now: Instant, seed: u64, plan: &RouterPlan, resume: Option<&Resume>) -> Self {
        let trackers = resume.iter().flat_map(|resume| &resume.trackers);
        let was_up = trackers.filter_map(|(name, up)| up.then(|| name.strip_prefix("bfd ")).flatten());
        Self {
            sessions: Sessions::new(now, seed, sessions_of(plan), was_up),
            senders: Senders::default(),
            places: BTreeMap::new(),
            by_token: BTreeMap::new(),
            refused: BTreeSet::new(),
            opened: 0,
            waiting: Vec::new(),
            actions: vec![Action::SocketsChanged],
        }
    }

    /// When [`Self::tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let failed = self.places.values().filter_map(|place| match place {
            Place::Failed(at) => Some(*at),
            Place::Open { .. } => None,
        });
        failed.chain(self.sessions.next_deadline()).min()
    }

    /// A socket is ready.
    pub fn is_ready(&mut self, token: u64) {
        self.waiting.push(token);
    }

    /// Reads the sockets that are ready, a burst from each in turn.
    pub fn receive(&mut self, inbox: &mut Inbox, late: bool) {
        let most = if late { PACKETS_AFTER_STALL } else { PACKETS };
        let mut count = 0;
        let Self { waiting, by_token, places, sessions, actions, .. } = self;
        while !waiting.is_empty() && count < most {
            waiting.retain(|token| {
                let Some(Place::Open { socket, .. }) =
                    by_token.get(token).and_then(|listen| places.get(listen))
                else {
                    return false;
                };
                let multihop = socket.listen().multihop;
                let before = count;
                // An error is that of a link; reading has cleared it.
                let Ok(packets) = socket.receive(inbox) else { return false };
                let now = clock::now();
                for packet in packets {
                    sessions.step(now, Input::PacketReceived { packet, multihop }, actions);
                    count += 1;
                }
                count > before && inbox.is_full()
            });
        }
        waiting.clear();
    }

    /// A snapshot.
    pub fn report(&self) -> BfdReport {
        self.sessions.report()
    }

    /// Lets time pass, after everything that was waiting was read.
    pub fn tick(&mut self, now: Instant) {
        if self.sessions.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.sessions.step(now, Input::Tick, &mut self.actions);
        }
        let due = |place: &Place| matches!(place, Place::Failed(at) if *at <= now);
        if self.places.values().any(due) {
            self.places.retain(|_, place| !due(place));
            self.actions.push(Action::SocketsChanged);
        }
    }

    /// Follows another plan.
    pub fn reload(&mut self, now: Instant, plan: &RouterPlan) {
        self.sessions.step(now, Input::Reloaded(sessions_of(plan)), &mut self.actions);
    }

    /// Takes leave of the neighbours.
    pub fn shut_down(&mut self, now: Instant) {
        self.sessions.step(now, Input::ShutdownRequested, &mut self.actions);
    }

    /// Performs what was ordered, and hands over what others are to be told.
    pub fn perform(&mut self, poll: &Poll, mut tell: impl FnMut(News)) {
        while !self.actions.is_empty() {
            let mut actions = std::mem::take(&mut self.actions);
            for action in actions.drain(..) {
                match action {
                    Action::Send(transmission) => {
                        let session = transmission.session;
                        let fact = match self.senders.send(&transmission) {
                            Ok(()) => continue,
                            Err(Unsent::PortTaken) => Input::PortTaken(session),
                            Err(Unsent::Refused(errno)) => Input::SendRefused { session, errno },
                        };
                        self.sessions.step(clock::now(), fact, &mut self.actions);
                    }
                    Action::TellVerdict(verdict) => tell(News::Verdict(verdict)),
                    Action::Tell(event) => tell(News::Event(event)),
                    Action::SocketsChanged => self.listen(poll, &mut tell),
                }
            }
            if self.actions.is_empty() {
                // The emptied vector keeps its room for the next turn.
                self.actions = actions;
            }
        }
    }

    /// Opens what is wanted and missing, and closes what is not wanted any more.
    fn listen(&mut self, poll: &Poll, tell: &mut impl FnMut(News)) {
        let wanted = self.sessions.listens();
        self.senders.retain(|session| self.sessions.has(session));
        self.places.retain(|listen, place| {
            let keep = wanted.contains(listen);
            if let (false, Place::Open { socket, token }) = (keep, place) {
                self.by_token.remove(token);
                // It is in the set: it was added when it was opened.
                let _ = poll.remove(&*socket);
            }
            keep
        });
        for listen in wanted {
            if self.places.contains_key(&listen) {
                continue;
            }
            let token = FIRST_TOKEN + self.opened;
            self.opened += 1;
            let opened = ReceiveSocket::open(listen)
                .and_then(|socket| poll.add(&socket, token, Interest::Read).map(|()| socket));
            let place = match opened {
                Ok(socket) => {
                    self.by_token.insert(token, listen);
                    self.refused.remove(&listen);
                    Place::Open { socket, token }
                }
                Err(error) => {
                    if self.refused.insert(listen) {
                        tell(News::Unheard(format!("{} {}", error.operation, error.object), error.errno()));
                    }
                    Place::Failed(clock::now() + RETRY)
                }
            };
            self.places.insert(listen, place);
        }
    }
}

/// What is to be kept: nothing with `--no_bfd`.
fn sessions_of(plan: &RouterPlan) -> Vec<mainstay_core::bfd::SessionPlan> {
    if plan.settings.without_bfd { Vec::new() } else { plan.bfd.clone() }
}
