//! The table lane: a thread that tells IPVS what was ordered, in order.
//!
//! The kernel answers each batch when it has time. The loop does not wait for it; what was refused comes back as a
//! fact.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use mainstay_core::director::Input;
use mainstay_core::ipvs::{Change, SyncDaemon, SyncRole, Timeouts};
use mainstay_system::Result;
use mainstay_system::ipvs::{Balancer, Kernel, Listing, Memory};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, oneshot};

use crate::frames::Ipvs;

/// What the lane can be told.
#[derive(Debug)]
pub enum Order {
    /// List the table.
    List,
    /// Empty it.
    Flush,
    /// Change it.
    Change(Change),
    /// Set the timeouts.
    SetTimeouts(Timeouts),
    /// Set them to what they were.
    RestoreTimeouts,
    /// Start a synchronisation daemon.
    StartSync(SyncDaemon),
    /// Stop one.
    StopSync(SyncRole),
    /// List the table with its counters, for metrics. Without an answer the end of the sender is dropped.
    Measure(oneshot::Sender<Listing>),
    /// Say that everything before this is done: [`TableLane::settled`].
    Settle,
}

/// The thread.
#[derive(Debug)]
pub struct TableLane {
    orders: Sender<Vec<Order>>,
    settled: Arc<Notify>,
    thread: JoinHandle<()>,
}

impl TableLane {
    /// Starts the thread; what comes of orders goes to `facts`.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(ipvs: Ipvs, facts: UnboundedSender<Input>) -> std::io::Result<Self> {
        let (orders, received) = channel();
        let settled = Arc::new(Notify::new());
        let told = Arc::clone(&settled);
        let thread = std::thread::Builder::new().name("ipvs".into()).spawn(move || {
            Lane { ipvs, balancer: None, timeouts_before: None, facts, settled: told }.work(&received);
        })?;
        Ok(Self { orders, settled, thread })
    }

    /// Queues orders.
    pub fn order(&self, orders: Vec<Order>) {
        if !orders.is_empty() {
            // The thread ends only after us.
            let _ = self.orders.send(orders);
        }
    }

    /// Waits until the lane has come to an [`Order::Settle`]. Dropping the future loses nothing.
    pub async fn settled(&self) {
        self.settled.notified().await;
    }

    /// Waits until everything that was ordered is done, and ends the lane.
    pub async fn finish(self) {
        drop(self.orders);
        let ended = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::error!("the thread that tells IPVS panicked; please report it");
        }
    }
}

struct Lane {
    ipvs: Ipvs,
    /// `None` before it was needed, and while there is none to be had.
    balancer: Option<Box<dyn Balancer>>,
    /// The timeouts before we set ours.
    timeouts_before: Option<Timeouts>,
    facts: UnboundedSender<Input>,
    settled: Arc<Notify>,
}

impl Lane {
    fn work(&mut self, received: &Receiver<Vec<Order>>) {
        while let Ok(orders) = received.recv() {
            let mut changes = Vec::new();
            for order in orders {
                if let Order::Change(change) = order {
                    changes.push(change);
                    continue;
                }
                self.change(std::mem::take(&mut changes));
                self.perform(order);
            }
            self.change(changes);
        }
    }

    fn perform(&mut self, order: Order) {
        match order {
            Order::List => {
                let fact = self.list();
                let _ = self.facts.send(fact);
            }
            Order::Change(change) => self.change(vec![change]),
            Order::Flush => self.command(|balancer| balancer.flush()),
            Order::SetTimeouts(timeouts) => self.set_timeouts(&timeouts),
            Order::RestoreTimeouts => {
                if let Some(before) = self.timeouts_before.take() {
                    self.command(|balancer| balancer.set_timeouts(&before));
                }
            }
            Order::StartSync(daemon) => self.command(|balancer| balancer.start_daemon(&daemon)),
            Order::StopSync(role) => self.command(|balancer| balancer.stop_daemon(role)),
            Order::Measure(answer) => self.measure(answer),
            Order::Settle => self.settled.notify_one(),
        }
    }

    /// Remembers what they were before us.
    ///
    /// TODO-correctness: after the crash of a director its successor takes what the first one set for what was there.
    fn set_timeouts(&mut self, timeouts: &Timeouts) {
        let mut before = self.timeouts_before.take();
        self.command(|balancer| {
            if before.is_none() {
                before = Some(balancer.timeouts()?);
            }
            balancer.set_timeouts(timeouts)
        });
        self.timeouts_before = before;
    }

    fn command(&mut self, command: impl FnOnce(&mut dyn Balancer) -> Result<()>) {
        match self.found() {
            Ok(balancer) => {
                if let Err(error) = command(balancer) {
                    tracing::error!("{error}");
                }
            }
            Err(words) => tracing::error!("{words}"),
        }
    }

    /// The balancer; it is looked for again each time while there is none.
    fn found(&mut self) -> std::result::Result<&mut dyn Balancer, Box<str>> {
        match (&mut self.balancer, self.ipvs) {
            (Some(balancer), _) => Ok(balancer.as_mut()),
            (None, Ipvs::None) => Err("told not to use it (--ipvs none)".into()),
            (empty @ None, Ipvs::Memory) => Ok(empty.insert(Box::new(Memory::new())).as_mut()),
            (empty @ None, Ipvs::Kernel) => match Kernel::open() {
                Ok(kernel) => Ok(empty.insert(Box::new(kernel)).as_mut()),
                Err(error) => Err(error.to_string().into()),
            },
        }
    }

    fn list(&mut self) -> Input {
        let balancer = match self.found() {
            Ok(balancer) => balancer,
            Err(words) => return Input::TableUnavailable { words },
        };
        match balancer.list() {
            Ok(listing) => Input::TableListed(listing.table()),
            Err(error) => {
                self.forget_kernel();
                Input::TableUnavailable { words: error.to_string().into() }
            }
        }
    }

    /// Who cannot be asked is told of by the listing that compares, not here.
    fn measure(&mut self, answer: oneshot::Sender<Listing>) {
        if answer.is_closed() {
            return;
        }
        if let Some(Ok(listing)) = self.found().ok().map(|balancer| balancer.list()) {
            let _ = answer.send(listing);
        }
    }

    fn change(&mut self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let balancer = match self.found() {
            Ok(balancer) => balancer,
            // Whoever wants changes has to learn that there is no table.
            Err(words) => return drop(self.facts.send(Input::TableUnavailable { words })),
        };
        match balancer.apply(&changes) {
            Ok(applied) => {
                for refusal in applied.refusals {
                    let Some(change) = changes.get(refusal.place) else { continue };
                    let change = Box::new(change.clone());
                    let _ = self.facts.send(Input::ChangeRefused { change, errno: refusal.errno });
                }
            }
            // Nothing is known of any of them: the table has to be looked at.
            Err(error) => {
                let errno = error.errno();
                tracing::error!("{error}");
                self.forget_kernel();
                for change in changes {
                    let _ = self.facts.send(Input::ChangeRefused { change: Box::new(change), errno });
                }
            }
        }
    }

    /// A socket that gave no answer is of no more use; the next listing opens another.
    fn forget_kernel(&mut self) {
        if self.ipvs == Ipvs::Kernel {
            self.balancer = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[test]
    fn timeouts_are_in_the_end_what_they_were_before_the_first_of_ours() {
        let (facts, _heard) = unbounded_channel();
        let mut lane = Lane {
            ipvs: Ipvs::Memory,
            balancer: None,
            timeouts_before: None,
            facts,
            settled: Arc::new(Notify::new()),
        };
        let timeouts = |lane: &mut Lane| lane.found().expect("in memory").timeouts().expect("known");
        let before = timeouts(&mut lane);
        lane.perform(Order::RestoreTimeouts);
        assert_eq!(timeouts(&mut lane), before, "nothing was set");
        for tcp_s in [1200, 1300] {
            lane.perform(Order::SetTimeouts(Timeouts { tcp_s, ..Timeouts::default() }));
            assert_eq!(timeouts(&mut lane), Timeouts { tcp_s, ..before });
        }
        lane.perform(Order::RestoreTimeouts);
        assert_eq!(timeouts(&mut lane), before);
    }
}
