//! The kernel's own word for when an address came and went, with the time at which we heard it.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::namespace::Namespace;
use super::wait::wait_until;

/// `RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR`.
const ADDRESS_GROUPS: u32 = 0x10 | 0x100;

/// One address came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressChange {
    /// When we were told.
    pub at: Instant,
    /// The address.
    pub address: IpAddr,
    /// Whether it is there now.
    pub present: bool,
}

/// A thread that writes down every [`AddressChange`] of a node, from the moment it was made until it is dropped.
#[derive(Debug)]
pub struct AddressWatch {
    changes: Arc<Mutex<Vec<AddressChange>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl AddressWatch {
    pub(super) fn start(namespace: &Namespace) -> Result<Self> {
        let socket = namespace
            .run(|| {
                let mut socket = Socket::new(NETLINK_ROUTE)?;
                socket.bind(&SocketAddr::new(0, ADDRESS_GROUPS))?;
                socket.set_non_blocking(true)?;
                Ok::<_, std::io::Error>(socket)
            })?
            .context("open a netlink socket")?;
        let changes = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (heard, stopped) = (Arc::clone(&changes), Arc::clone(&stop));
        let thread = namespace.thread("address-watch", move || {
            while !stopped.load(Ordering::Relaxed) {
                listen(&socket, &heard);
            }
        })?;
        Ok(Self { changes, stop, thread: Some(thread) })
    }

    /// Everything heard so far.
    #[must_use]
    pub fn changes(&self) -> Vec<AddressChange> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When this address first came (or went) after `since`.
    #[must_use]
    pub fn first(&self, address: IpAddr, present: bool, since: Instant) -> Option<Instant> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |c: &&AddressChange| c.at >= since && c.address == address && c.present == present;
        changes.iter().find(wanted).map(|change| change.at)
    }

    /// Waits until this address came (or went) after `since`, and returns how long after `since` that was.
    ///
    /// # Errors
    /// Fails if it did not happen within `limit` from now.
    pub fn wait(&self, address: IpAddr, present: bool, since: Instant, limit: Duration) -> Result<Duration> {
        let what = format!("{address} {}", if present { "comes" } else { "goes" });
        let mut at = None;
        wait_until(&what, limit, || {
            at = self.first(address, present, since);
            at.is_some()
        })?;
        Ok(at.map_or(Duration::ZERO, |at| at - since))
    }

    /// How long, between `since` and now, this address was absent. It is taken to have been there at `since`.
    #[must_use]
    pub fn absence(&self, address: IpAddr, since: Instant) -> Duration {
        let mut absent_since = None;
        let mut total = Duration::ZERO;
        for change in self.changes().iter().filter(|c| c.address == address && c.at >= since) {
            match (change.present, absent_since) {
                (false, None) => absent_since = Some(change.at),
                (true, Some(start)) => {
                    total += change.at - start;
                    absent_since = None;
                }
                (false, Some(_)) | (true, None) => {}
            }
        }
        total + absent_since.map_or(Duration::ZERO, |start| start.elapsed())
    }
}

impl Drop for AddressWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits a little for messages and writes down what they say.
fn listen(socket: &Socket, heard: &Mutex<Vec<AddressChange>>) {
    let mut wanted = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    if !matches!(poll(&mut wanted, PollTimeout::from(50u8)), Ok(1..)) {
        return;
    }
    // An error here is a queue that overflowed: what was lost shows as a wait in vain.
    while let Ok((bytes, _)) = socket.recv_from_full() {
        let at = Instant::now();
        let mut rest = bytes.as_slice();
        while let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest) {
            let length = (message.header.length as usize).next_multiple_of(4);
            let change = match message.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(a)) => {
                    address_of(&a).map(|a| (a, true))
                }
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelAddress(a)) => {
                    address_of(&a).map(|a| (a, false))
                }
                _ => None,
            };
            if let Some((address, present)) = change {
                let change = AddressChange { at, address, present };
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(change);
            }
            match rest.get(length..) {
                Some(next) if length > 0 && !next.is_empty() => rest = next,
                _ => break,
            }
        }
    }
}

/// IPv4 says its own address in `IFA_LOCAL`, IPv6 in `IFA_ADDRESS`.
fn address_of(message: &AddressMessage) -> Option<IpAddr> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}
