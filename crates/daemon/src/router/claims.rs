//! The sockets on which the loop hears who claims our addresses, kept equal to what the core watches.
//!
//! They are read after the sockets for adverts, a burst each in one turn: who floods us with claims delays no advert,
//! and what is too much for their small buffers is lost without harm.

use std::collections::BTreeMap;
use std::net::IpAddr;

use mainstay_core::address::{Family, LinkIndex};
use mainstay_core::router::Watched;
use mainstay_core::time::{Duration, Instant};
use mainstay_system::claims::ClaimSocket;
use mainstay_system::wait::{Interest, Poll};

use super::helper::{Helper, Task};

/// Number of the first socket in the epoll set; lower numbers are other descriptors.
pub const FIRST_TOKEN: u64 = 1 << 48;

/// How long to wait before a socket that could not be opened is tried again. Adverts do not depend on it.
const RETRY: Duration = Duration::from_secs(60);

/// Where claims of which family are heard.
pub type Place = (LinkIndex, Family);

/// All of them.
#[derive(Default)]
pub struct Claims {
    places: BTreeMap<Place, Listener>,
    by_token: BTreeMap<u64, Place>,
    opened: u64,
}

struct Listener {
    addresses: Vec<IpAddr>,
    state: State,
}

enum State {
    /// The helper is opening it.
    Opening,
    /// It is listened to.
    Open { socket: ClaimSocket, token: u64 },
    /// It could not be opened; when to try again.
    Failed(Instant),
}

impl Claims {
    /// Listens to these from now on: opens what is missing, changes the filters of the others, closes what is left.
    ///
    /// # Errors
    /// When the kernel does not take a filter; the others are set all the same.
    pub fn become_these(
        &mut self,
        watched: Vec<Watched>,
        poll: &Poll,
        helper: &Helper,
    ) -> mainstay_system::Result<()> {
        let mut wanted: BTreeMap<Place, Vec<IpAddr>> = BTreeMap::new();
        for Watched { link, addresses } in watched {
            for address in addresses {
                wanted.entry((link, Family::of(address))).or_default().push(address);
            }
        }
        let unwanted: Vec<Place> =
            self.places.keys().filter(|place| !wanted.contains_key(place)).copied().collect();
        for place in unwanted {
            if let Some(Listener { state: State::Open { socket, token }, .. }) = self.places.remove(&place) {
                self.by_token.remove(&token);
                // It is in the set: it was added when it was opened.
                let _ = poll.remove(&socket);
                helper.ask(Task::Unwatch(socket));
            }
        }
        let mut result = Ok(());
        for (place, addresses) in wanted {
            match self.places.get_mut(&place) {
                Some(known) if known.addresses == addresses => {}
                Some(known) => {
                    if let State::Open { socket, .. } = &known.state {
                        result = result.and(socket.filter(&addresses));
                    }
                    known.addresses = addresses;
                }
                None => {
                    ask(helper, place, &addresses);
                    self.places.insert(place, Listener { addresses, state: State::Opening });
                }
            }
        }
        result
    }

    /// Takes in a socket the helper opened, or the fact that it could not.
    ///
    /// # Errors
    /// The helper's, or when it cannot be waited for.
    pub fn opened(
        &mut self,
        now: Instant,
        place: Place,
        result: mainstay_system::Result<ClaimSocket>,
        poll: &Poll,
        helper: &Helper,
    ) -> mainstay_system::Result<()> {
        let listener = self.places.get_mut(&place);
        let Some(listener) = listener.filter(|listener| matches!(listener.state, State::Opening)) else {
            if let Ok(socket) = result {
                helper.ask(Task::Unwatch(socket));
            }
            return Ok(());
        };
        let token = FIRST_TOKEN + self.opened;
        let listened = result.and_then(|socket| {
            // The plan may have changed while it was being opened.
            socket.filter(&listener.addresses)?;
            poll.add(&socket, token, Interest::Read)?;
            Ok(socket)
        });
        match listened {
            Ok(socket) => {
                self.opened += 1;
                self.by_token.insert(token, place);
                listener.state = State::Open { socket, token };
                Ok(())
            }
            Err(error) => {
                listener.state = State::Failed(now + RETRY);
                Err(error)
            }
        }
    }

    /// When to call [`retry`](Self::retry).
    pub fn deadline(&self) -> Option<Instant> {
        let failed = self.places.values().filter_map(|listener| match listener.state {
            State::Failed(at) => Some(at),
            State::Opening | State::Open { .. } => None,
        });
        failed.min()
    }

    /// Tries again what could not be opened.
    pub fn retry(&mut self, now: Instant, helper: &Helper) {
        for (place, listener) in &mut self.places {
            if matches!(listener.state, State::Failed(at) if at <= now) {
                listener.state = State::Opening;
                ask(helper, *place, &listener.addresses);
            }
        }
    }

    /// The socket with a number in the epoll set; `None` if it was closed since.
    pub fn by_token(&self, token: u64) -> Option<&ClaimSocket> {
        match self.places.get(self.by_token.get(&token)?) {
            Some(Listener { state: State::Open { socket, .. }, .. }) => Some(socket),
            Some(Listener { state: State::Opening | State::Failed(_), .. }) | None => None,
        }
    }
}

fn ask(helper: &Helper, (link, family): Place, addresses: &[IpAddr]) {
    helper.ask(Task::Watch { link, family, addresses: addresses.to_vec() });
}
