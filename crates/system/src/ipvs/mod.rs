//! The kernel's load balancer (IPVS): telling it what to do, and listing what it has.
//!
//! [`Balancer`] is what the director sees. [`Kernel`] is the real one, over generic netlink; [`Memory`] judges as the
//! kernel does and balances nothing: for benchmarks, and for hosts without ip_vs. [`codec`] is the bytes: no crate has
//! all of IPVS's attributes, and there are few of them.
//!
//! The table in the kernel is nobody's own: an administrator may change it, a predecessor may have left it full.
//! [`Balancer::apply`] therefore reaches what was wanted from whatever it finds, and tells what it had not expected.

pub mod codec;
mod kernel;
mod listing;
mod memory;
mod reconcile;

pub use kernel::Kernel;
pub use listing::{Info, ListedDestination, ListedService, Listing};
pub use memory::Memory;
pub use reconcile::{Applied, Found, Surprise};

use mainstay_core::ipvs::{Change, ServiceKey, SyncDaemon, SyncRole, Timeouts};

use crate::error::{Error, Result};
pub use crate::netlink::Refusal;
use codec::Order;

/// A table of services and destinations that balances, or that only says what it would.
///
/// Every call waits for its answer; that may be long while somebody else changes the same table.
pub trait Balancer {
    /// Carries out orders one after the other, whether the ones before were refused or not. Gives one error number
    /// each, zero for success.
    ///
    /// # Errors
    /// When there is no answer: then nothing is known of the orders.
    fn perform(&mut self, orders: &[Order<'_>]) -> Result<Vec<i32>>;

    /// Everything in the table, with statistics.
    ///
    /// # Errors
    /// When the table cannot be read.
    fn list(&mut self) -> Result<Listing>;

    /// The timeouts of connections.
    ///
    /// # Errors
    /// When they cannot be read.
    fn timeouts(&mut self) -> Result<Timeouts>;

    /// The synchronisation daemons that run, with every option filled in.
    ///
    /// # Errors
    /// When they cannot be read.
    fn daemons(&mut self) -> Result<Vec<SyncDaemon>>;

    /// Version and size of the connection table.
    ///
    /// # Errors
    /// When they cannot be read.
    fn info(&mut self) -> Result<Info>;

    /// Makes the changes in order. What is there already is changed to what is wanted, what is gone already is made
    /// again (or stays gone): both are told as surprises. A refusal does not keep the later changes from being made.
    ///
    /// # Errors
    /// When there is no answer: then nothing is known of the changes.
    fn apply(&mut self, changes: &[Change]) -> Result<Applied> {
        reconcile::apply(self, changes)
    }

    /// Sets the timeouts of connections; zeros leave the value that is there.
    ///
    /// # Errors
    /// When one is refused.
    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<()> {
        one(self, Order::SetTimeouts(timeouts), "set", "the timeouts of IPVS connections")
    }

    /// Starts a synchronisation daemon. One of the same role that runs with other options is stopped first.
    ///
    /// # Errors
    /// When it does not start.
    fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<()> {
        reconcile::start_daemon(self, daemon)
    }

    /// Stops the synchronisation daemon of a role, if it runs.
    ///
    /// # Errors
    /// When it does not stop.
    fn stop_daemon(&mut self, role: SyncRole) -> Result<()> {
        match one(self, Order::StopDaemon(role), "stop", &format!("the IPVS sync daemon ({role})")) {
            // It did not run, or it was stopped before it ever had.
            Err(error) if [libc::ESRCH, libc::EINTR].contains(&error.errno()) => Ok(()),
            outcome => outcome,
        }
    }

    /// Clears the counters of one service and its destinations, or all.
    ///
    /// # Errors
    /// When there is no such service.
    fn zero(&mut self, service: Option<&ServiceKey>) -> Result<()> {
        let object = service.map_or_else(|| "all services".to_owned(), ToString::to_string);
        one(self, Order::Zero(service), "clear the counters of", &object)
    }

    /// Empties the table, whoever filled it.
    ///
    /// # Errors
    /// When that is refused.
    fn flush(&mut self) -> Result<()> {
        one(self, Order::Flush, "flush", "the IPVS table")
    }
}

/// Performs one order.
fn one(
    balancer: &mut (impl Balancer + ?Sized),
    order: Order<'_>,
    operation: &'static str,
    object: &str,
) -> Result<()> {
    match balancer.perform(&[order])?.as_slice() {
        [0] => Ok(()),
        errors => {
            let errno = errors.first().copied().unwrap_or(libc::EIO);
            Err(std::io::Error::from_raw_os_error(errno)).map_err(Error::of(operation, object))
        }
    }
}
