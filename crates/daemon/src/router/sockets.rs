//! The sockets the loop listens on, kept equal to what the core wants.

use std::collections::BTreeMap;

use mainstay_config::model::ProcessSettings;
use mainstay_core::address::Family;
use mainstay_core::router::{Listen, RouterPlan, Socket};
use mainstay_core::time::{Duration, Instant};
use mainstay_system::vrrp::{ReceiveSocket, Vrids};
use mainstay_system::wait::{Interest, Poll};

use super::helper::{Helper, Task};

/// Number of the first socket in the epoll set; lower numbers are the loop's other descriptors.
const FIRST_TOKEN: u64 = 1 << 32;

/// How long to wait before a socket that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Receive buffer in bytes: what may arrive while the loop cannot run, plus room for each instance's next adverts.
const BUFFER: usize = 1 << 20;
const BUFFER_PER_INSTANCE: usize = 8 << 10;

/// All of them, by what they listen to.
pub struct Sockets {
    places: BTreeMap<Socket, Place>,
    by_token: BTreeMap<u64, Socket>,
    next_token: u64,
    buffer: usize,
    vrids: [Option<Vrids>; 2],
}

enum Place {
    /// The helper is opening it.
    Opening,
    /// It is listened to.
    Open { socket: ReceiveSocket, token: u64 },
    /// It could not be opened; when to try again.
    Failed(Instant),
}

/// 0 for IPv4, 1 for IPv6.
fn family_index(wanted: &Socket) -> usize {
    let (Listen::Group(address) | Listen::Address(address)) = wanted.listen;
    match Family::of(address) {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

impl Sockets {
    /// None yet.
    pub fn new(plan: &RouterPlan, process: &ProcessSettings) -> Self {
        let asked = plan.instances.iter().filter_map(|instance| instance.receive_buffer).max();
        let asked = asked.max(process.receive_buffer).and_then(|bytes| usize::try_from(bytes).ok());
        let buffer = asked.unwrap_or(BUFFER + plan.instances.len() * BUFFER_PER_INSTANCE);
        Self {
            places: BTreeMap::new(),
            by_token: BTreeMap::new(),
            next_token: FIRST_TOKEN,
            buffer,
            vrids: vrids(plan),
        }
    }

    /// Filters for the virtual router ids of another plan.
    pub fn follow(&mut self, plan: &RouterPlan) -> mainstay_system::Result<()> {
        let before = std::mem::replace(&mut self.vrids, vrids(plan));
        if self.vrids == before {
            return Ok(());
        }
        for (wanted, place) in &self.places {
            if let Place::Open { socket, .. } = place {
                socket.filter(self.vrids[family_index(wanted)].as_ref())?;
            }
        }
        Ok(())
    }

    /// Has opened what is wanted (sorted) and missing, and closed what is not wanted any more. Returns what is being
    /// opened from now on: until then nothing is heard there.
    pub fn become_these(&mut self, wanted: &[Socket], poll: &Poll, helper: &Helper) -> Vec<Socket> {
        let unwanted: Vec<_> =
            self.places.keys().filter(|socket| wanted.binary_search(socket).is_err()).copied().collect();
        for socket in unwanted {
            if let Some(place) = self.places.remove(&socket) {
                self.close(place, poll, helper);
            }
        }
        let missing: Vec<_> =
            wanted.iter().filter(|socket| !self.places.contains_key(socket)).copied().collect();
        for socket in &missing {
            self.places.insert(*socket, Place::Opening);
            self.open(*socket, helper);
        }
        missing
    }

    fn open(&self, wanted: Socket, helper: &Helper) {
        let vrids = self.vrids[family_index(&wanted)].map(Box::new);
        helper.ask(Task::Open { wanted, buffer: self.buffer, vrids });
    }

    fn close(&mut self, place: Place, poll: &Poll, helper: &Helper) {
        if let Place::Open { socket, token } = place {
            self.by_token.remove(&token);
            // It is in the set: it was added when it was opened.
            let _ = poll.remove(&socket);
            helper.ask(Task::Close(socket));
        }
    }

    /// Takes in a socket the helper opened, or the fact that it could not.
    pub fn opened(
        &mut self,
        now: Instant,
        wanted: Socket,
        result: mainstay_system::Result<ReceiveSocket>,
        poll: &Poll,
        helper: &Helper,
    ) -> mainstay_system::Result<()> {
        if !matches!(self.places.get(&wanted), Some(Place::Opening)) {
            if let Ok(socket) = result {
                helper.ask(Task::Close(socket));
            }
            return Ok(());
        }
        let listened = result.and_then(|socket| self.listen(wanted, socket, poll));
        if listened.is_err() {
            self.places.insert(wanted, Place::Failed(now + RETRY));
        }
        listened
    }

    fn listen(&mut self, wanted: Socket, socket: ReceiveSocket, poll: &Poll) -> mainstay_system::Result<()> {
        // The plan may have changed while it was being opened.
        socket.filter(self.vrids[family_index(&wanted)].as_ref())?;
        let token = self.next_token;
        self.next_token += 1;
        poll.add(&socket, token, Interest::Read)?;
        self.by_token.insert(token, wanted);
        self.places.insert(wanted, Place::Open { socket, token });
        Ok(())
    }

    /// Whether the helper still opens some.
    pub fn is_opening(&self) -> bool {
        self.places.values().any(|place| matches!(place, Place::Opening))
    }

    /// When to call [`retry`](Self::retry).
    pub fn deadline(&self) -> Option<Instant> {
        self.places
            .values()
            .filter_map(|place| match place {
                Place::Failed(at) => Some(*at),
                Place::Opening | Place::Open { .. } => None,
            })
            .min()
    }

    /// Tries again what could not be opened.
    pub fn retry(&mut self, now: Instant, helper: &Helper) {
        let due: Vec<_> = self
            .places
            .iter()
            .filter(|(_, place)| matches!(place, Place::Failed(at) if *at <= now))
            .map(|(wanted, _)| *wanted)
            .collect();
        for wanted in due {
            self.places.insert(wanted, Place::Opening);
            self.open(wanted, helper);
        }
    }

    /// The socket with a number in the epoll set; `None` if it was closed since.
    pub fn by_token(&self, token: u64) -> Option<&ReceiveSocket> {
        match self.places.get(self.by_token.get(&token)?) {
            Some(Place::Open { socket, .. }) => Some(socket),
            Some(Place::Opening | Place::Failed(_)) | None => None,
        }
    }
}

/// The ids to let through per family; `None` lets all through.
fn vrids(plan: &RouterPlan) -> [Option<Vrids>; 2] {
    if plan.settings.log_unknown_vrids {
        return [None, None];
    }
    [Family::V4, Family::V6].map(|family| {
        let instances = plan.instances.iter().filter(|instance| instance.family == family);
        Some(instances.map(|instance| instance.vrid.get()).collect())
    })
}
