//! The effects lane: a thread that performs, in order, everything whose duration the kernel decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use mainstay_core::address::LinkIndex;
use mainstay_core::router::{Action, Input};
use mainstay_system::announce::{Announcement, Announcer};
use mainstay_system::netlink::{Change, Writer};
use mainstay_system::virtual_link::{self, Made};
use mainstay_system::{Error, accept, sysctl};

use super::gates::Gatekeeper;
use super::outcome::{Outcome, Reporter};
use super::segment::{GateOrder, LinkOrder, Segment, Telling, segments};

/// Stack of a lane in bytes. Locked memory is there from the first moment on, so that a default stack of 2 MiB would
/// count in full.
pub const STACK: usize = 256 << 10;

/// The loop's end of the lane.
pub struct Effects {
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

enum Order {
    Perform(Vec<Action>),
    Flush,
}

impl Effects {
    /// Starts the lane.
    ///
    /// # Errors
    /// When the process may not change addresses or send announcements at all, or can have no thread.
    pub fn start(reporter: Reporter) -> anyhow::Result<Self> {
        let lane = Lane {
            writer: Writer::open()?,
            announcer: Announcer::open()?,
            gatekeeper: Gatekeeper::default(),
            reporter,
        };
        let (orders, receiver) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("effects".to_owned())
            .stack_size(STACK)
            .spawn(move || lane.run(&receiver))?;
        Ok(Self { orders, thread })
    }

    /// Has orders performed behind all earlier ones. Never waits.
    pub fn perform(&self, actions: Vec<Action>) {
        // The lane lives as long as this end of it; after a panic in it the loop finds out by `is_alive`.
        let _ = self.orders.send(Order::Perform(actions));
    }

    /// Asks for [`Outcome::Flushed`] behind all earlier orders.
    pub fn flush(&self) {
        let _ = self.orders.send(Order::Flush);
    }

    /// Whether orders are still performed.
    pub fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }
}

struct Lane {
    writer: Writer,
    announcer: Announcer,
    gatekeeper: Gatekeeper,
    reporter: Reporter,
}

impl Lane {
    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(first) = orders.recv() {
            let mut actions = Vec::new();
            let mut flush = false;
            // Whatever else is waiting already comes along: more for each system call.
            for order in std::iter::once(first).chain(orders.try_iter()) {
                match order {
                    Order::Perform(more) => actions.extend(more),
                    Order::Flush => flush = true,
                }
            }
            for segment in segments(actions) {
                self.perform(segment);
            }
            if flush {
                self.reporter.report(Outcome::Flushed);
            }
        }
    }

    fn perform(&mut self, segment: Segment) {
        let Segment { links, gates, promotions, changes, announcements, tellings } = segment;
        for order in links {
            self.see_to_link(order);
        }
        for order in gates {
            match order {
                GateOrder::Become(wanted) => self.gatekeeper.become_these(&wanted, &self.reporter),
                GateOrder::Close(gate) => self.gatekeeper.close(gate, &self.reporter),
            }
        }
        for link in promotions {
            if let Err(error) = sysctl::promote_secondaries(&link) {
                self.reporter.complain(format!("set promote_secondaries of {link}"), error.errno());
            }
        }
        self.change(&changes);
        self.announce(&announcements);
        for telling in tellings {
            self.reporter.report(match telling {
                Telling::Notify(notification) => Outcome::Notify(notification),
                Telling::Tell(event) => Outcome::Tell(event),
            });
        }
    }

    fn see_to_link(&mut self, order: LinkOrder) {
        match order {
            LinkOrder::Make(link) => {
                let name = link.name.clone();
                let input = match virtual_link::make(&mut self.writer, &link) {
                    Ok(Made { found, complaints }) => {
                        complaints.iter().for_each(|error| self.complain(error));
                        Input::LinkMade { link: name, found }
                    }
                    Err(error) => Input::LinkRefused { link: name, errno: error.errno() },
                };
                self.reporter.report(Outcome::Link(input));
            }
            LinkOrder::Remove(link) => {
                if let Err(error) = virtual_link::remove(&mut self.writer, &link) {
                    self.complain(&error);
                }
            }
            LinkOrder::NoAccept(addresses) => {
                if let Err(error) = accept::become_these(&addresses)
                    && !addresses.is_empty()
                {
                    self.complain(&error);
                }
            }
            LinkOrder::Restore(found) => {
                virtual_link::restore(&found).iter().for_each(|error| self.complain(error));
            }
        }
    }

    fn complain(&self, error: &Error) {
        self.reporter.complain(format!("{} {}", error.operation, error.object), error.errno());
    }

    fn change(&mut self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        match self.writer.apply(changes) {
            Ok(refusals) => {
                for refusal in refusals {
                    self.refuse(&changes[refusal.place], refusal.errno);
                }
            }
            Err(error) => self.start_over(changes, &error),
        }
        let removed = changes.iter().filter_map(|change| match change {
            Change::RemoveAddress(address) => Some(Arc::clone(address)),
            Change::AddAddress(_)
            | Change::AddRoute(_)
            | Change::RemoveRoute(_)
            | Change::AddRule(_)
            | Change::RemoveRule(_) => None,
        });
        let removed: Vec<_> = removed.collect();
        if !removed.is_empty() {
            self.reporter.report(Outcome::Released(removed));
        }
    }

    /// The socket broke in the middle: nothing is known of some changes. The core hears that all of them failed and
    /// orders again what it still wants; what did take effect is adopted then.
    fn start_over(&mut self, changes: &[Change], error: &Error) {
        for change in changes {
            self.refuse(change, error.errno());
        }
        match Writer::open() {
            Ok(writer) => self.writer = writer,
            Err(error) => self.reporter.complain("open a netlink socket".to_owned(), error.errno()),
        }
    }

    fn refuse(&self, change: &Change, errno: i32) {
        let input = match change {
            Change::AddAddress(address) => Input::AddressRefused { address: address.clone(), errno },
            Change::AddRoute(route) => Input::RouteRefused { route: route.clone(), errno },
            Change::AddRule(rule) => Input::RuleRefused { rule: rule.clone(), errno },
            Change::RemoveAddress(address) => {
                return self.reporter.complain(format!("remove address {address}"), errno);
            }
            Change::RemoveRoute(route) => {
                return self.reporter.complain(format!("remove route to {}", route.destination), errno);
            }
            Change::RemoveRule(rule) => {
                let preference = rule.preference.map_or("?".to_owned(), |preference| preference.to_string());
                return self.reporter.complain(format!("remove {} rule {preference}", rule.family), errno);
            }
        };
        self.reporter.report(Outcome::Refused(input));
    }

    fn announce(&self, announcements: &[(LinkIndex, [u8; 6], std::net::IpAddr)]) {
        if announcements.is_empty() {
            return;
        }
        let mut routers = BTreeMap::new();
        let announcements: Vec<_> = announcements
            .iter()
            .map(|&(link, mac, address)| {
                let router = address.is_ipv6() && *routers.entry(link).or_insert_with(|| forwards_ipv6(link));
                Announcement { link, mac, address, router }
            })
            .collect();
        // One line for a whole burst: what keeps one announcement from leaving keeps them all.
        let mut first = None;
        self.announcer.send(&announcements, |announcement, error| {
            first.get_or_insert((*announcement, error.raw_os_error().unwrap_or(0)));
        });
        if let Some((Announcement { link, address, .. }, errno)) = first {
            self.reporter.complain(format!("announce {address} on {link}"), errno);
        }
    }
}

fn forwards_ipv6(link: LinkIndex) -> bool {
    nix::net::if_::if_indextoname(link.0).is_ok_and(|name| sysctl::forwards_ipv6(&name.to_string_lossy()))
}
