//! The kernel's balancer, over one generic netlink socket.

use std::io;
use std::time::Duration;

use mainstay_core::ipvs::{SyncDaemon, Timeouts};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_GENERIC;

use super::codec::{Answer, Order, Question, answers};
use super::reconcile::CHANGES;
use super::{Balancer, Info, Listing};
use crate::error::{Error, Result};
use crate::netlink::socket::{self, DATAGRAM};

/// Bytes for the answers to one batch of [`CHANGES`] orders, at about 1 KiB each.
const RECEIVE_BUFFER: usize = 1 << 20;

/// The kernel answers before `send` returns. Should an answer be lost, this long is waited for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The load balancer of the network namespace it was opened in.
pub struct Kernel {
    socket: Socket,
    family: u16,
    sequence: u32,
    batch: Vec<u8>,
    datagram: Box<[u8]>,
}

impl Kernel {
    /// Opens the balancer of the namespace of the calling thread. The kernel loads the module ip_vs for it.
    ///
    /// # Errors
    /// `ENOENT` when the kernel has no ip_vs and cannot load it, `EPERM` without `CAP_NET_ADMIN` in the user namespace
    /// that owns the network namespace.
    pub fn open() -> Result<Self> {
        let socket = socket::open(NETLINK_GENERIC, RECEIVE_BUFFER)
            .map_err(Error::of("open a netlink socket for", "IPVS"))?;
        socket2::SockRef::from(&socket::borrow(&socket))
            .set_read_timeout(Some(PATIENCE))
            .map_err(Error::of("limit the time of", "a netlink socket for IPVS"))?;
        let _ = socket.set_cap_ack(true);
        let mut kernel =
            Self { socket, family: 0, sequence: 0, batch: Vec::new(), datagram: vec![0; DATAGRAM].into() };
        let found = kernel.ask(Question::Family).and_then(|answers| {
            let mut numbers = answers.into_iter().filter_map(|answer| match answer {
                Answer::Family(number) => Some(number),
                _ => None,
            });
            numbers.next().ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
        });
        kernel.family =
            found.map_err(Error::of("find", "the load balancer IPVS (module ip_vs) in the kernel"))?;
        // Everything but finding it needs the permission: better missed now than in the middle of something.
        kernel.info()?;
        Ok(kernel)
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Sends what is in the batch and gives the answers, until `enough` has seen them all.
    fn exchange(&mut self, mut enough: impl FnMut(u32, Answer) -> bool) -> io::Result<()> {
        self.socket.send(&self.batch, 0)?;
        loop {
            let length = match self.socket.recv(&mut &mut self.datagram[..], 0) {
                Ok(length) => length.min(DATAGRAM),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
                }
                Err(error) => return Err(error),
            };
            let mut complete = false;
            for (sequence, answer) in answers(&self.datagram[..length], self.family) {
                complete |= enough(sequence, answer);
            }
            if complete {
                return Ok(());
            }
        }
    }

    /// Everything that answers a question.
    fn ask(&mut self, question: Question<'_>) -> io::Result<Vec<Answer>> {
        let asked = self.next_sequence();
        self.batch.clear();
        question.append(&mut self.batch, self.family, asked);
        let mut heard = Vec::new();
        let mut verdict = 0;
        self.exchange(|sequence, answer| match answer {
            // An answer to something that was given up.
            _ if sequence != asked => false,
            Answer::Verdict(errno) | Answer::End(errno) => {
                verdict = errno;
                true
            }
            Answer::Family(_)
            | Answer::Info(_)
            | Answer::Timeouts(_)
            | Answer::Daemon(_)
            | Answer::Service(_)
            | Answer::Destination(_)
            | Answer::Unreadable => {
                heard.push(answer);
                false
            }
        })?;
        if verdict == 0 { Ok(heard) } else { Err(io::Error::from_raw_os_error(verdict)) }
    }

    /// Sends orders and, behind them, a question: when that is answered, so is everything that will be. The kernel does
    /// not answer an order that failed with `EINTR`, which a daemon that is stopped before it ever ran does.
    fn perform_batch(&mut self, orders: &[Order<'_>]) -> io::Result<Vec<i32>> {
        let first = self.sequence.wrapping_add(1);
        self.batch.clear();
        for order in orders {
            let sequence = self.next_sequence();
            order.append(&mut self.batch, self.family, sequence);
        }
        let last = self.next_sequence();
        Question::Info.append(&mut self.batch, self.family, last);
        let mut errors = vec![libc::EINTR; orders.len()];
        self.exchange(|sequence, answer| match answer {
            Answer::Verdict(_) if sequence == last => true,
            Answer::Verdict(errno) => {
                let place = usize::try_from(sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                if let Some(place) = errors.get_mut(place) {
                    *place = errno;
                }
                false
            }
            Answer::End(_)
            | Answer::Family(_)
            | Answer::Info(_)
            | Answer::Timeouts(_)
            | Answer::Daemon(_)
            | Answer::Service(_)
            | Answer::Destination(_)
            | Answer::Unreadable => false,
        })?;
        Ok(errors)
    }

    /// The one answer to a question that has one.
    fn ask_for<T>(
        &mut self,
        question: Question<'_>,
        object: &str,
        pick: impl Fn(Answer) -> Option<T>,
    ) -> Result<T> {
        self.ask(question)
            .and_then(|answers| {
                let picked = answers.into_iter().find_map(pick);
                picked.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADMSG))
            })
            .map_err(Error::of("read", object))
    }
}

impl Balancer for Kernel {
    fn perform(&mut self, orders: &[Order<'_>]) -> Result<Vec<i32>> {
        let mut errors = Vec::with_capacity(orders.len());
        for batch in orders.chunks(CHANGES) {
            errors.extend(self.perform_batch(batch).map_err(Error::of("change", "the IPVS table"))?);
        }
        Ok(errors)
    }

    fn list(&mut self) -> Result<Listing> {
        let mut listing = Listing::default();
        for answer in self.ask(Question::Services).map_err(Error::of("list", "IPVS services"))? {
            match answer {
                Answer::Service(service) => listing.services.push(service),
                _ => listing.unreadable += 1,
            }
        }
        for listed in &mut listing.services {
            let key = listed.service.key;
            let answers = self.ask(Question::Destinations(&key));
            for answer in answers.map_err(Error::of("list destinations of", key.to_string()))? {
                match answer {
                    Answer::Destination(destination) => listed.destinations.push(destination),
                    _ => listing.unreadable += 1,
                }
            }
        }
        Ok(listing)
    }

    fn timeouts(&mut self) -> Result<Timeouts> {
        self.ask_for(Question::Timeouts, "the timeouts of IPVS", |answer| match answer {
            Answer::Timeouts(timeouts) => Some(timeouts),
            _ => None,
        })
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>> {
        let answers = self.ask(Question::Daemons).map_err(Error::of("list", "IPVS sync daemons"))?;
        let daemons = answers.into_iter().filter_map(|answer| match answer {
            Answer::Daemon(daemon) => Some(daemon),
            _ => None,
        });
        Ok(daemons.collect())
    }

    fn info(&mut self) -> Result<Info> {
        self.ask_for(Question::Info, "version and size of IPVS", |answer| match answer {
            Answer::Info(info) => Some(info),
            _ => None,
        })
    }
}
