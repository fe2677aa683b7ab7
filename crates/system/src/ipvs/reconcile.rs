//! Reaching what was wanted from whatever is found.

use mainstay_core::ipvs::{Change, SyncDaemon};

use super::codec::Order;
use super::{Balancer, one};
use crate::error::Result;
use crate::netlink::Refusal;

/// What came of a list of changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Changes that were not made, in their order.
    pub refusals: Vec<Refusal>,
    /// Changes that were made although the table was not as expected, in their order.
    pub surprises: Vec<Surprise>,
}

/// Somebody else had been at the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surprise {
    /// Which of the changes, counted from zero.
    pub place: usize,
    /// What was found.
    pub found: Found,
}

/// What was found instead of what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It was to be added and was there: it was changed to what was wanted, and keeps its connections.
    AlreadyThere,
    /// It was to be changed and was not there: it was added.
    Missing,
    /// It was to be deleted and was not there.
    AlreadyGone,
}

/// How often one change is tried in other words. A table that changes under us at every try belongs to somebody else.
const TRIES: usize = 3;

/// Changes in one go: their answers must fit the receive buffer of [`super::Kernel`].
pub const CHANGES: usize = 256;

/// See [`Balancer::apply`].
pub fn apply(balancer: &mut (impl Balancer + ?Sized), changes: &[Change]) -> Result<Applied> {
    let mut applied = Applied::default();
    for (number, chunk) in changes.chunks(CHANGES).enumerate() {
        let orders: Vec<_> = chunk.iter().map(order).collect();
        let errors = balancer.perform(&orders)?;
        for (place, (change, errno)) in chunk.iter().zip(errors).enumerate() {
            if errno != 0 {
                let place = number * CHANGES + place;
                match mend(balancer, change, errno)? {
                    Mended::AsWanted => {}
                    Mended::AfterFinding(found) => applied.surprises.push(Surprise { place, found }),
                    Mended::Refused(errno) => applied.refusals.push(Refusal { place, errno }),
                }
            }
        }
    }
    Ok(applied)
}

enum Mended {
    /// A change before it had been mended, and so this one could be made.
    AsWanted,
    AfterFinding(Found),
    Refused(i32),
}

/// Tries a refused change in the words that fit what was found.
fn mend(balancer: &mut (impl Balancer + ?Sized), change: &Change, mut errno: i32) -> Result<Mended> {
    let mut found = None;
    for _ in 0..TRIES {
        let again = match after(change, errno) {
            Next::Gone => return Ok(Mended::AfterFinding(Found::AlreadyGone)),
            Next::Refused => break,
            Next::Edit(again) => {
                found = Some(Found::AlreadyThere);
                again
            }
            Next::Add(again) => {
                found = Some(Found::Missing);
                again
            }
            Next::Same(again) => again,
        };
        errno = balancer.perform(&[again])?.first().copied().unwrap_or(libc::EIO);
        if errno == 0 {
            return Ok(found.map_or(Mended::AsWanted, Mended::AfterFinding));
        }
    }
    Ok(Mended::Refused(errno))
}

/// What to do about a refusal.
enum Next<'a> {
    Edit(Order<'a>),
    Add(Order<'a>),
    /// The service was missing; a change before this one may have brought it back meanwhile.
    Same(Order<'a>),
    Gone,
    Refused,
}

fn after(change: &Change, errno: i32) -> Next<'_> {
    match (change, errno) {
        (Change::AddService(service) | Change::EditService(service), libc::EEXIST) => {
            Next::Edit(Order::EditService(service))
        }
        (Change::AddService(service) | Change::EditService(service), libc::ESRCH) => {
            Next::Add(Order::AddService(service))
        }
        (
            Change::AddDestination(service, destination) | Change::EditDestination(service, destination),
            libc::EEXIST,
        ) => Next::Edit(Order::EditDestination(service, destination)),
        (
            Change::AddDestination(service, destination) | Change::EditDestination(service, destination),
            libc::ENOENT,
        ) => Next::Add(Order::AddDestination(service, destination)),
        (Change::AddDestination(..) | Change::EditDestination(..), libc::ESRCH) => Next::Same(order(change)),
        (Change::DeleteService(_), libc::ESRCH)
        | (Change::DeleteDestination(..), libc::ESRCH | libc::ENOENT) => Next::Gone,
        (
            Change::AddService(_)
            | Change::EditService(_)
            | Change::DeleteService(_)
            | Change::AddDestination(..)
            | Change::EditDestination(..)
            | Change::DeleteDestination(..),
            _,
        ) => Next::Refused,
    }
}

fn order(change: &Change) -> Order<'_> {
    match change {
        Change::AddService(service) => Order::AddService(service),
        Change::EditService(service) => Order::EditService(service),
        Change::DeleteService(key) => Order::DeleteService(key),
        Change::AddDestination(key, destination) => Order::AddDestination(key, destination),
        Change::EditDestination(key, destination) => Order::EditDestination(key, destination),
        Change::DeleteDestination(key, destination) => Order::DeleteDestination(key, destination),
    }
}

/// See [`Balancer::start_daemon`].
pub fn start_daemon(balancer: &mut (impl Balancer + ?Sized), daemon: &SyncDaemon) -> Result<()> {
    if let Some(running) = balancer.daemons()?.iter().find(|running| running.role == daemon.role) {
        if is_as_wanted(running, daemon) {
            return Ok(());
        }
        balancer.stop_daemon(daemon.role)?;
    }
    let object = format!("the IPVS sync daemon ({} on {})", daemon.role, daemon.interface);
    one(balancer, Order::StartDaemon(daemon), "start", &object)
}

/// Whether a daemon runs with everything that is asked for; where nothing is asked for, anything will do.
fn is_as_wanted(running: &SyncDaemon, wanted: &SyncDaemon) -> bool {
    fn fits<T: PartialEq>(running: &Option<T>, wanted: &Option<T>) -> bool {
        wanted.is_none() || running == wanted
    }
    running.interface == wanted.interface
        && running.id == wanted.id
        && fits(&running.max_length, &wanted.max_length)
        && fits(&running.port, &wanted.port)
        && fits(&running.ttl, &wanted.ttl)
        && fits(&running.group, &wanted.group)
}

#[cfg(test)]
mod tests;
