//! The VIP lease in the kernel: gates before the addresses, which the adverts themselves keep open.
//!
//! A router that is frozen, starved or killed must not go on holding its addresses while a peer takes them. Nothing such
//! a router would have to do can help, so the kernel does it. A table of nftables, `netdev mainstay`, sits on the links
//! of the addresses. While an address is not in its set `held4` or `held6`, the kernel drops
//!
//! - ARP requests and neighbour solicitations for it, and our own "it is at mine",
//! - packets to it, on the link that has it.
//!
//! A chain where packets leave sees our own VRRP adverts go by. Each puts the addresses of its gate into these sets for
//! the length of the lease; one of priority 0 takes them out. So renewing costs no system call, no transaction and no lock: an advert
//! that leaves is a lease that is renewed, and one that could not leave is not.
//!
//! [`Gates`] makes the table, changes it and takes it away, always in one transaction. The sets of open addresses are never made
//! anew: whatever is changed around them, an open gate stays open for as long as its last advert said, and a closed one closed.
//! A router that was started anew therefore finds its gates as its predecessor left them.
//!
//! What the gate does not do: it does not close for packets that come in by another link than the address is on, or for
//! the host itself; and an advert counts as sent when it goes to the link's queue.
//!
//! # Precision
//!
//! The kernel counts timeouts in jiffies and rounds down, so a gate never closes late, and less than two jiffies early.
//! Measured by the test `precision`, 20 leases each, time from the advert to the end in milliseconds (250 jiffies a
//! second, Linux 6.18; an emulated guest with Debian's 6.1 has the same rule and a coarser measurement):
//!
//! | lease | min | median | max |
//! |---|---|---|---|
//! | 25 | 20.6 | 22.5 | 23.4 |
//! | 250 | 244.1 | 244.7 | 247.6 |
//! | 2500 | 2497.9 | 2499.2 | 2499.7 |
//!
//! An advert costs its sender two microseconds more for it.
//!
//! Whoever sends an announcement of an address behind a closed gate is told `ENOBUFS`, as of any frame that was dropped
//! where frames leave.
//!
//! # What is needed
//!
//! Linux 5.16 (the egress hook) with `nf_tables` and `nft_fib_netdev`, `CAP_NET_ADMIN`; not the `nft` program. See
//! [`Gates::supported`].

pub(crate) mod expression;
pub(crate) mod message;
mod settle;
pub(crate) mod socket;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use mainstay_core::address::{Family, LinkIndex};
use mainstay_core::lease::{Gate, GateId, GateLink, Guard};
use mainstay_core::time::{Duration, Instant};

use crate::clock;
use crate::error::{Error, Result};
use message::{Batch, Verb};
use settle::{Change, Element, settle};
use socket::Netfilter;
use table::{Contents, Layout, Table};

/// Name of the table, in the family `netdev`. It is ours alone.
pub const TABLE: &str = "mainstay";

/// How often a transaction is tried anew when the kernel's tables or links changed under our hands.
const ATTEMPTS: usize = 8;

/// The gates of this network namespace.
pub struct Gates {
    netfilter: Netfilter,
    made: Option<Made>,
}

/// What we have made, to change only what is different next time.
struct Made {
    layout: Layout,
    /// Gates whose adverts renew nothing, because nothing closes them.
    open: BTreeSet<GateId>,
}

/// Why there can be no gates here.
#[derive(Debug, thiserror::Error)]
pub enum Unsupported {
    /// No nftables.
    #[error("the kernel has no nf_tables ({0})")]
    NoTables(Error),
    /// Not allowed.
    #[error("no permission to change nftables: CAP_NET_ADMIN is needed ({0})")]
    NoPermission(Error),
    /// Adverts that leave cannot be seen.
    #[error(
        "the kernel has no egress hook of nftables, Linux 5.16 or later with CONFIG_NETFILTER_EGRESS is needed ({0})"
    )]
    NoEgressHook(Error),
    /// A kind of rule is missing.
    #[error("the kernel lacks a part of nf_tables that the gates need, such as nft_fib_netdev ({0})")]
    NoSuchRule(Error),
    /// Something else.
    #[error("{0}")]
    Other(Error),
}

impl Gates {
    /// Opens a socket in the namespace of the calling thread. Changes nothing.
    ///
    /// # Errors
    /// When the kernel has no netfilter.
    pub fn open() -> Result<Self> {
        let netfilter = Netfilter::open().map_err(Error::of("open a netlink socket for", "nftables"))?;
        Ok(Self { netfilter, made: None })
    }

    /// Makes and removes, in one transaction that nobody sees, all that a gate on the link `lo` needs.
    ///
    /// # Errors
    /// Says in words what is missing.
    pub fn supported(&mut self) -> std::result::Result<(), Unsupported> {
        let table = Table("mainstay-trial");
        let lo = GateLink { index: LinkIndex(1), name: "lo".to_owned() };
        let loopbacks = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        let gate = Gate {
            id: GateId(1),
            instance: "trial".into(),
            link: lo.clone(),
            family: Family::V4,
            vrid: 1,
            in_ah: false,
            destinations: loopbacks.to_vec(),
            addresses: loopbacks.map(|address| (lo.clone(), address)).to_vec(),
            lease: Duration::from_secs(1),
            guard: Guard::Lease { until: None },
        };
        let gates = [gate];
        let mut batch = Batch::new();
        Layout::of(&gates, |_| true).write(table, &Contents::default(), &gates, &mut batch);
        table.remove(&mut batch);
        self.netfilter.make(batch).map_err(|error| {
            let object = error.object.as_str();
            match error.errno() {
                libc::EPERM | libc::EACCES => Unsupported::NoPermission(error),
                _ if object.starts_with("chain egress-") => Unsupported::NoEgressHook(error),
                _ if object.starts_with("table") || object.starts_with("the gates") => {
                    Unsupported::NoTables(error)
                }
                _ if object.starts_with("a rule") => Unsupported::NoSuchRule(error),
                _ => Unsupported::Other(error),
            }
        })
    }

    /// The addresses whose gates are open at this moment; `None` without a table of ours.
    ///
    /// # Errors
    /// When the kernel does not list them.
    pub fn open_addresses(&mut self) -> Result<Option<BTreeSet<IpAddr>>> {
        Ok(self.netfilter.held(TABLE)?.map(|held| held.into_keys().collect()))
    }

    /// Makes these gates, and no others, stand: in one transaction, of which only what differs from the last one is
    /// sent. No gates: the table is removed. Call it again with the same gates to heal what somebody else removed (a
    /// firewall that flushes everything, a link that went and came).
    ///
    /// A gate that is open stays open, one that is closed stays closed, except that
    /// - [`Guard::Open`] opens it, and takes its adverts' hands off it: not even priority 0 closes it;
    /// - [`Guard::Lease`] with an advert younger than the lease opens it for the rest of the lease;
    /// - [`Guard::Lease`] of a gate that was [`Guard::Open`] closes it when the last advert is as old as the lease, at
    ///   once if it is older.
    ///
    /// # Errors
    /// Names what the kernel refused. Then everything is as it was before.
    pub fn become_these(&mut self, gates: &[Gate], now: Instant) -> Result<()> {
        let begun = clock::now();
        let mut attempt = 1;
        loop {
            match self.attempt(gates, now + clock::now().saturating_since(begun)) {
                Err(error) if passing(&error) && attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    fn attempt(&mut self, gates: &[Gate], now: Instant) -> Result<()> {
        let table = Table(TABLE);
        let held = self.netfilter.held(TABLE)?;
        let mut batch = Batch::new();
        if gates.is_empty() {
            self.made = None;
            if held.is_some() {
                table.remove(&mut batch);
                self.netfilter.make(batch)?;
            }
            return Ok(());
        }
        let layout = Layout::of(gates, exists);
        let open: BTreeSet<GateId> =
            gates.iter().filter(|gate| gate.guard == Guard::Open).map(|gate| gate.id).collect();
        match &self.made {
            Some(made) if held.is_some() && made.layout == layout => {
                let changed = |from: &BTreeSet<GateId>, to: &BTreeSet<GateId>| -> BTreeSet<GateId> {
                    from.difference(to).copied().collect()
                };
                let (leased, opened) = (changed(&made.open, &open), changed(&open, &made.open));
                layout.write_adverts(table, Verb::Remove, |id| opened.contains(&id), &mut batch);
                layout.write_adverts(table, Verb::Make, |id| leased.contains(&id), &mut batch);
            }
            _ => {
                let old = match held {
                    Some(_) => self.netfilter.contents(TABLE)?,
                    None => Contents::default(),
                };
                layout.write(table, &old, gates, &mut batch);
            }
        }
        settle_all(table, held.unwrap_or_default(), gates, now, &mut batch);
        if !batch.is_empty() {
            // Should it fail, it is not known which of ours is there: the next one makes everything.
            self.made = None;
            self.netfilter.make(batch)?;
        }
        self.made = Some(Made { layout, open });
        Ok(())
    }

    /// Closes a gate of the last [`Self::become_these`] at once; an advert opens it again. One that is [`Guard::Open`] stays
    /// open, because no advert would.
    ///
    /// # Errors
    /// When the kernel refuses. A gate that is closed or unknown is no error.
    pub fn close(&mut self, id: GateId) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let Some(made) = self.made.as_ref().filter(|made| !made.open.contains(&id)) else {
                return Ok(());
            };
            let Some(held) = self.netfilter.held(TABLE)? else { return Ok(()) };
            let open: Vec<IpAddr> =
                made.layout.addresses(id).filter(|address| held.contains_key(address)).collect();
            let mut batch = Batch::new();
            Table(TABLE).remove_held(&open, &mut batch);
            if batch.is_empty() {
                return Ok(());
            }
            match self.netfilter.make(batch) {
                // A lease ran out meanwhile.
                Err(error) if error.errno() == libc::ENOENT => {}
                result => return result,
            }
        }
        Ok(())
    }
}

/// Brings the sets of open addresses to what the guards say.
fn settle_all(
    table: Table<'_>,
    mut held: BTreeMap<IpAddr, Element>,
    gates: &[Gate],
    now: Instant,
    batch: &mut Batch,
) {
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for gate in gates {
        for &(_, address) in gate.addresses.iter().filter(|(_, address)| seen.insert(*address)) {
            match settle(held.remove(&address), gate, now) {
                Change::Nothing => {}
                Change::Add(stay) => come.push((address, stay)),
                Change::Replace(stay) => {
                    gone.push(address);
                    come.push((address, stay));
                }
                Change::Remove => gone.push(address),
            }
        }
    }
    // Addresses that are behind no gate any more.
    gone.extend(held.keys());
    table.remove_held(&gone, batch);
    table.add_held(&come, batch);
}

/// Whether the link is there, under this name and number.
fn exists(link: &GateLink) -> bool {
    nix::net::if_::if_nametoindex(link.name.as_str()).is_ok_and(|index| index == link.index.0)
}

/// Whether a refusal comes from what changed between looking and doing: a lease that ran out, a link that went, somebody
/// else's transaction.
fn passing(error: &Error) -> bool {
    [libc::ENOENT, libc::EEXIST, libc::EBUSY, libc::EAGAIN, libc::ERESTART, libc::ENODEV]
        .contains(&error.errno())
}

#[cfg(test)]
mod tests;
