//! The socket: one transaction at a time, and listing what our own table has.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use netlink_packet_core::NlasIterator;
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::sys::socket::{setsockopt, sockopt};

use super::message::{self, Batch, FAMILY_HEADER, HEADER, Kind, Verb, Wish};
use super::settle::Element;
use super::table::{Contents, HELD};
use crate::error::{Error, Result};
use crate::netlink::borrow;

/// Bytes of one datagram of the kernel: it builds dumps for the size of the buffer, up to 32 KiB.
const DATAGRAM: usize = 64 << 10;

/// How often a list that changed under our hands is started anew.
const ATTEMPTS: usize = 8;

/// A socket of the netfilter family.
pub struct Netfilter {
    socket: Socket,
    buffer: Box<[u8]>,
    sequence: u32,
}

/// An answer of the kernel: the number of the message it is about and an errno or zero.
struct Answer {
    sequence: u32,
    errno: i32,
}

impl Netfilter {
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        // An answer then carries the header of a refused message only. Without it answers are just longer.
        let _ = socket.set_cap_ack(true);
        Ok(Self { socket, buffer: vec![0; DATAGRAM].into(), sequence: 0 })
    }

    /// Makes everything in the batch, or nothing.
    pub fn make(&mut self, batch: Batch) -> Result<()> {
        let (bytes, wishes) = batch.finish();
        let (at, error) = match self.exchange(&bytes, wishes.len()) {
            Ok(None) => return Ok(()),
            // Answers to the batch as a whole have the number of its beginning.
            Ok(Some(Answer { sequence, errno })) => {
                (sequence.checked_sub(1), io::Error::from_raw_os_error(errno))
            }
            Err(error) => (None, error),
        };
        Err(match at.and_then(|at| wishes.get(at as usize)) {
            Some(Wish { verb, kind, name }) => {
                let verb = match verb {
                    Verb::Make => "make",
                    Verb::Remove => "remove",
                };
                Error::of(verb, format!("{kind} {name} in nftables"))(error)
            }
            None => Error::of("change", "the gates in nftables")(error),
        })
    }

    /// Sends a batch whose message `last` asks for an answer, and gives the first refusal.
    fn exchange(&mut self, bytes: &[u8], last: usize) -> io::Result<Option<Answer>> {
        // The kernel takes a batch in one piece, and no more than the buffer is long.
        let room = bytes.len() + (1 << 16);
        if setsockopt(&borrow(&self.socket), sockopt::SndBufForce, &room).is_err() {
            setsockopt(&borrow(&self.socket), sockopt::SndBuf, &room)?;
        }
        self.socket.send(bytes, 0)?;
        // The kernel worked while we sent: all answers are there.
        let mut refusal = None;
        let mut done = false;
        loop {
            let length = match self.socket.recv(&mut &mut self.buffer[..], libc::MSG_DONTWAIT) {
                Ok(length) => length,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => break,
                    // More refusals than fit: the first ones are there.
                    Some(libc::EINTR | libc::ENOBUFS) => continue,
                    _ => return Err(error),
                },
            };
            for message in messages(&self.buffer[..length.min(DATAGRAM)]) {
                if message.kind == NLMSG_ERROR {
                    let (sequence, errno) = (message.sequence, errno(message.payload));
                    done |= errno == 0 && sequence as usize == last;
                    if errno != 0 && refusal.is_none() {
                        refusal = Some(Answer { sequence, errno });
                    }
                }
            }
        }
        if refusal.is_none() && !done {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(refusal)
    }

    /// The addresses whose gates are open; nothing if there is no table.
    pub fn held(&mut self, table: &str) -> Result<Option<BTreeMap<IpAddr, Element>>> {
        let mut held = BTreeMap::new();
        for set in HELD {
            let listed = self
                .list(Kind::Element, |request| {
                    request.text(1, table);
                    request.text(2, set);
                })
                .map_err(Error::of("list", "the open gates"))?;
            let Some(lists) = listed else { return Ok(None) };
            let elements = lists.iter().filter_map(|list| attribute(list, 3)).flat_map(attributes);
            held.extend(elements.filter_map(|(_, element)| open_address(element)));
        }
        Ok(Some(held))
    }

    /// Chains and sets of a table, but for the sets of open addresses.
    pub fn contents(&mut self, table: &str) -> Result<Contents> {
        let mut contents =
            Contents { chains: self.names(Kind::Chain, 3, table)?, sets: self.names(Kind::Set, 2, table)? };
        contents.sets.retain(|set| !HELD.contains(&set.as_str()));
        Ok(contents)
    }

    /// The kernel cannot list the chains of one table only, but of one family, which seldom has more than ours.
    fn names(&mut self, kind: Kind, name: u16, table: &str) -> Result<Vec<String>> {
        let listed = self
            .list(kind, |request| request.text(1, table))
            .map_err(Error::of("list", "the chains and sets of the gates"))?;
        let messages = listed.unwrap_or_default();
        let ours =
            messages.iter().filter(|message| attribute(message, 1).is_some_and(|of| text(of) == table));
        Ok(ours.filter_map(|message| attribute(message, name)).map(text).collect())
    }

    /// The attributes of every answer to a dump; nothing if there is no such table.
    fn list(
        &mut self,
        kind: Kind,
        request: impl Fn(&mut message::Attributes<'_>),
    ) -> io::Result<Option<Vec<Vec<u8>>>> {
        for _ in 0..ATTEMPTS {
            self.sequence = self.sequence.wrapping_add(1);
            self.socket.send(&message::dump(kind, self.sequence, &request), 0)?;
            match self.listed(kind) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
                result => return result.map(Some),
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    fn listed(&mut self, kind: Kind) -> io::Result<Vec<Vec<u8>>> {
        let (mut listed, mut changed) = (Vec::new(), false);
        loop {
            let length = match self.socket.recv(&mut &mut self.buffer[..], 0) {
                Ok(length) => length,
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => continue,
                Err(error) => return Err(error),
            };
            for message in messages(&self.buffer[..length.min(DATAGRAM)]) {
                if message.sequence != self.sequence {
                    continue;
                }
                changed |= message.flags & NLM_F_DUMP_INTR != 0;
                match message.kind {
                    NLMSG_DONE | NLMSG_ERROR => match errno(message.payload) {
                        0 if changed => return Err(io::ErrorKind::Interrupted.into()),
                        0 => return Ok(listed),
                        errno => return Err(io::Error::from_raw_os_error(errno)),
                    },
                    other if other == kind.answer() => {
                        listed.extend(message.payload.get(FAMILY_HEADER..).map(<[u8]>::to_vec));
                    }
                    _ => {}
                }
            }
        }
    }
}

const NLMSG_ERROR: u16 = libc::NLMSG_ERROR as u16;
const NLMSG_DONE: u16 = libc::NLMSG_DONE as u16;
const NLM_F_DUMP_INTR: u16 = libc::NLM_F_DUMP_INTR as u16;

/// One message of the kernel: what is behind the header is not looked into.
struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

/// The messages in one datagram. Nothing here trusts a length.
fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let header: [u8; HEADER] = *datagram.first_chunk()?;
        let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let length = u32::from_ne_bytes(word(0)) as usize;
        let payload = datagram.get(HEADER..length)?;
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind: half(4), flags: half(6), sequence: u32::from_ne_bytes(word(8)), payload })
    })
}

/// The errno at the start of an answer, positive; zero means "done".
fn errno(payload: &[u8]) -> i32 {
    payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes).saturating_neg())
}

/// Attributes, up to the first malformed one. The kind comes without the bit that says "nested".
fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(|attribute| {
        let attribute = attribute.ok()?;
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        attribute.into_inner().get(4..length).map(|value| (kind, value))
    })
}

fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(found, value)| (found == kind).then_some(value))
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// An element of a set of open addresses: its key and whether it has a timeout.
fn open_address(element: &[u8]) -> Option<(IpAddr, Element)> {
    let key = attribute(attribute(element, 1)?, 1)?;
    let address = match key.len() {
        4 => IpAddr::from(*key.first_chunk::<4>()?),
        16 => IpAddr::from(*key.first_chunk::<16>()?),
        _ => return None,
    };
    let leased = attribute(element, 4).is_some();
    Some((address, if leased { Element::Leased } else { Element::Lasting }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_claims_more_than_there_is_ends_the_list() {
        let mut bytes = message::dump(Kind::Set, 7, |request| request.text(1, "t"));
        assert_eq!(messages(&bytes).map(|message| message.sequence).collect::<Vec<_>>(), [7]);
        bytes[0] += 1;
        assert_eq!(messages(&bytes).count(), 0);
        bytes[0] = 3;
        assert_eq!(messages(&bytes).count(), 0, "shorter than its own header");
        assert_eq!(messages(&bytes[..7]).count(), 0);
    }

    #[test]
    fn an_open_address_is_read_with_its_kind_of_stay() {
        // Key (1) with a value (1) in it; timeout (4).
        let key = [12, 0, 1, 0x80, 8, 0, 1, 0, 10, 0, 0, 9];
        let timeout = [12, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9, 0xc4];
        let address = IpAddr::from([10, 0, 0, 9]);
        assert_eq!(open_address(&key), Some((address, Element::Lasting)));
        assert_eq!(open_address(&[key, timeout].concat()), Some((address, Element::Leased)));
        assert_eq!(open_address(&timeout), None);
        assert_eq!(open_address(&key[..11]), None);
    }
}
