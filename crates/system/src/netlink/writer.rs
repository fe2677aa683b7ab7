//! Changing addresses, routes and rules: many requests in one send, and every answer read.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use mainstay_core::address::{InterfaceAddress, Route, Rule};
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::Socket;

use super::decode::{self, Message};
use super::encode::{self, Links, Unbuildable, Verb};
use super::socket::{self, DATAGRAM};
use crate::error::{Error, Result};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Add an address.
    AddAddress(Arc<InterfaceAddress>),
    /// Remove an address.
    RemoveAddress(Arc<InterfaceAddress>),
    /// Add a route.
    AddRoute(Arc<Route>),
    /// Remove a route.
    RemoveRoute(Arc<Route>),
    /// Add a rule.
    AddRule(Arc<Rule>),
    /// Remove a rule.
    RemoveRule(Arc<Rule>),
}

impl Change {
    /// Whether it takes something away.
    #[must_use]
    pub const fn is_removal(&self) -> bool {
        matches!(self, Self::RemoveAddress(_) | Self::RemoveRoute(_) | Self::RemoveRule(_))
    }

    /// Whether this errno means that all is as it was to be: what is to be added is there already (and is adopted),
    /// or what is to be removed is gone already, perhaps with its link.
    fn is_done(&self, errno: i32) -> bool {
        match self {
            Self::AddAddress(_) | Self::AddRoute(_) | Self::AddRule(_) => errno == libc::EEXIST,
            Self::RemoveAddress(_) | Self::RemoveRoute(_) | Self::RemoveRule(_) => {
                [libc::EADDRNOTAVAIL, libc::ESRCH, libc::ENOENT, libc::ENODEV].contains(&errno)
            }
        }
    }

    fn request(&self, links: Links<'_>) -> std::result::Result<(RouteNetlinkMessage, u16), Unbuildable> {
        Ok(match self {
            Self::AddAddress(address) => {
                let message = encode::address(address, Verb::Add, links)?;
                (RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
            }
            Self::RemoveAddress(address) => {
                (RouteNetlinkMessage::DelAddress(encode::address(address, Verb::Remove, links)?), 0)
            }
            Self::AddRoute(route) => {
                let (message, flags) = encode::route(route, Verb::Add, links)?;
                (RouteNetlinkMessage::NewRoute(message), flags)
            }
            Self::RemoveRoute(route) => {
                (RouteNetlinkMessage::DelRoute(encode::route(route, Verb::Remove, links)?.0), 0)
            }
            Self::AddRule(rule) => {
                (RouteNetlinkMessage::NewRule(encode::rule(rule)), NLM_F_CREATE | NLM_F_EXCL)
            }
            Self::RemoveRule(rule) => (RouteNetlinkMessage::DelRule(encode::rule(rule)), 0),
        })
    }
}

/// A change the kernel would not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the changes, counted from zero.
    pub place: usize,
    /// Why. `EOPNOTSUPP` also stands for what Mainstay itself cannot ask for.
    pub errno: i32,
}

/// Makes changes. Waits for the kernel, which may be long: somebody else may hold its lock.
pub struct Writer {
    socket: Socket,
    sequence: u32,
    batch: Vec<u8>,
    answers: Box<[u8]>,
}

/// Requests in one send: their answers must fit the receive buffer, at about 1 KiB of it each.
const REQUESTS: usize = 256;

/// Receive buffer in bytes, see [`REQUESTS`].
const RECEIVE_BUFFER: usize = 1 << 20;

impl Writer {
    /// A writer for the namespace of the calling thread.
    ///
    /// # Errors
    /// When the kernel gives no socket.
    pub fn open() -> Result<Self> {
        let socket = socket::open_route(RECEIVE_BUFFER)?;
        // An answer then carries the header of a refused request only. Without it answers are just longer.
        let _ = socket.set_cap_ack(true);
        Ok(Self { socket, sequence: 0, batch: Vec::new(), answers: vec![0; DATAGRAM].into() })
    }

    /// Makes the changes in order and returns those that were refused; a refusal does not keep the later ones from
    /// being made.
    ///
    /// # Errors
    /// When the socket is broken: then nothing is known of the changes that were not answered.
    pub fn apply(&mut self, changes: &[Change]) -> Result<Vec<Refusal>> {
        let mut refusals = Vec::new();
        let mut indices = BTreeMap::new();
        for (number, chunk) in changes.chunks(REQUESTS).enumerate() {
            self.apply_chunk(chunk, number * REQUESTS, &mut indices, &mut refusals)
                .map_err(Error::of("change", "addresses, routes or rules"))?;
        }
        refusals.sort_by_key(|refusal| refusal.place);
        Ok(refusals)
    }

    /// Makes one request of any kind and reads until it is answered; `heard` sees what the kernel says, the answer
    /// included.
    pub(super) fn ask(
        &mut self,
        request: RouteNetlinkMessage,
        flags: u16,
        mut heard: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        self.batch.clear();
        encode::append(&mut self.batch, request, flags | NLM_F_REQUEST | NLM_F_ACK, self.sequence);
        self.socket.send(&self.batch, 0)?;
        loop {
            let length = match self.socket.recv(&mut &mut self.answers[..], 0) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let datagram = &self.answers[..length.min(DATAGRAM)];
            heard(datagram);
            for message in decode::messages(datagram) {
                match message {
                    Message::Answer { sequence, errno } if sequence == self.sequence => {
                        return if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) };
                    }
                    _ => {}
                }
            }
        }
    }

    fn apply_chunk(
        &mut self,
        changes: &[Change],
        first: usize,
        indices: &mut BTreeMap<String, Option<u32>>,
        refusals: &mut Vec<Refusal>,
    ) -> io::Result<()> {
        let mut links = |name: &str| {
            *indices.entry(name.to_owned()).or_insert_with(|| nix::net::if_::if_nametoindex(name).ok())
        };
        let mut judge = |place: usize, errno: i32| {
            if errno != 0 && !changes[place].is_done(errno) {
                refusals.push(Refusal { place: first + place, errno });
            }
        };
        self.batch.clear();
        let mut waiting = BTreeMap::new();
        for (place, change) in changes.iter().enumerate() {
            match change.request(&mut links) {
                Ok((request, flags)) => {
                    self.sequence = self.sequence.wrapping_add(1);
                    waiting.insert(self.sequence, place);
                    encode::append(
                        &mut self.batch,
                        request,
                        flags | NLM_F_REQUEST | NLM_F_ACK,
                        self.sequence,
                    );
                }
                Err(errno) => judge(place, errno),
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        self.socket.send(&self.batch, 0)?;
        while !waiting.is_empty() {
            let length = match self.socket.recv(&mut &mut self.answers[..], 0) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            for message in decode::messages(&self.answers[..length.min(DATAGRAM)]) {
                // Answers to an earlier batch that was given up have sequence numbers nobody waits for.
                if let Message::Answer { sequence, errno } = message
                    && let Some(place) = waiting.remove(&sequence)
                {
                    judge(place, errno);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
