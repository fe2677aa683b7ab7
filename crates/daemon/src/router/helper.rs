//! The helper lane: a thread that lists the kernel's tables and opens and closes sockets.
//!
//! Apart from the effects lane, so that a new instance does not stay deaf while a thousand addresses are added.

use std::net::IpAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use mainstay_core::address::{Family, LinkIndex};
use mainstay_core::router::Socket;
use mainstay_system::claims::ClaimSocket;
use mainstay_system::netlink;
use mainstay_system::vrrp::{ReceiveSocket, Vrids};

use super::effects::STACK;
use super::outcome::{Outcome, Reporter};

/// Pause after a list that failed.
const RETRY: Duration = Duration::from_millis(100);

/// The loop's end of the lane.
pub struct Helper {
    tasks: Sender<Task>,
}

/// Something that may take long.
pub enum Task {
    /// List the tables: [`Outcome::Listed`].
    List,
    /// Open a socket with so many bytes of buffer: [`Outcome::Opened`].
    Open { wanted: Socket, buffer: usize, vrids: Option<Box<Vrids>> },
    /// Close a socket: leaving its group takes the same lock as joining.
    Close(ReceiveSocket),
    /// Open a socket for claims of these addresses: [`Outcome::Watching`].
    Watch { link: LinkIndex, family: Family, addresses: Vec<IpAddr> },
    /// Close one: the kernel waits until nobody uses it any more.
    Unwatch(ClaimSocket),
}

impl Helper {
    /// Starts the lane.
    ///
    /// # Errors
    /// When the process can have no thread.
    pub fn start(reporter: Reporter) -> anyhow::Result<Self> {
        let (tasks, receiver) = mpsc::channel();
        thread::Builder::new()
            .name("helper".to_owned())
            .stack_size(STACK)
            .spawn(move || run(&receiver, &reporter))?;
        Ok(Self { tasks })
    }

    /// Has a task done behind all earlier ones. Never waits.
    pub fn ask(&self, task: Task) {
        // The lane lives as long as this end of it.
        let _ = self.tasks.send(task);
    }
}

fn run(tasks: &Receiver<Task>, reporter: &Reporter) {
    for task in tasks {
        match task {
            Task::List => {
                let tables = netlink::tables();
                if tables.is_err() {
                    // The loop will ask again, and again: let it not be at once.
                    thread::sleep(RETRY);
                }
                reporter.report(Outcome::Listed(tables));
            }
            Task::Open { wanted, buffer, vrids } => {
                let opened = ReceiveSocket::open(wanted, buffer, vrids.as_deref());
                reporter.report(Outcome::Opened(wanted, opened));
            }
            Task::Close(socket) => drop(socket),
            Task::Watch { link, family, addresses } => {
                let opened = ClaimSocket::open(link, family, &addresses);
                reporter.report(Outcome::Watching((link, family), opened));
            }
            Task::Unwatch(socket) => drop(socket),
        }
    }
}
