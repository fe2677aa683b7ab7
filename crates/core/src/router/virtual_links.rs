//! Links made for virtual addresses ([`crate::link`]): ordered when they are missing and what they are built on is there,
//! whoever removed them, and taken away at the end.
//!
//! An instance whose link is not there is in fault, whatever else is well: it has nothing to hear or to say by, and its
//! addresses no place. Only one that begins waits a moment instead, while its link is being made.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use super::Router;
use super::action::{Action, Actions, Subject};
use super::kernel::KnownLink;
use super::reason::{Cause, Reason, State};
use crate::address::{AddressFlags, Family, InterfaceAddress};
use crate::link::{FoundSetting, OwnAddress, Setting, VirtualKind, VirtualLink};
use crate::time::{Duration, Instant};

/// First wait before a link that could not be made is tried again; it doubles up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// "No such device": what was made is not there.
const ENODEV: i32 = 19;

/// `rtnetlink(7)` scope of link-local addresses.
const SCOPE_LINK: u8 = 253;

/// The links of a plan, and what became of them.
#[derive(Debug, Clone, Default)]
pub(super) struct VirtualLinks {
    /// In the order of the plan.
    wanted: Vec<Arc<VirtualLink>>,
    /// Where each stands among them, by name: there may be a thousand.
    places: BTreeMap<String, usize>,
    /// What became of the order to make each, by name; without an entry there was none.
    orders: BTreeMap<String, Progress>,
    /// Addresses of their own, by link.
    own: BTreeMap<String, Arc<InterfaceAddress>>,
    /// Settings that were changed for them, as they were before.
    found: BTreeMap<(String, Setting), i32>,
    /// When the first one that was refused is tried again.
    retry_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// No answer yet; how long to wait if it is refused.
    Ordered { wait: Duration },
    /// It was there.
    Made,
    /// It was refused.
    Refused { errno: i32, retry_at: Instant, wait: Duration },
}

/// Whether an instance has the links it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Made {
    /// It has.
    All,
    /// They are being made, and it has not begun yet.
    Soon,
    /// It has not.
    Not(Cause),
}

impl VirtualLinks {
    /// Takes the links of a plan.
    pub(super) fn become_these(&mut self, wanted: Vec<Arc<VirtualLink>>) {
        self.places = wanted.iter().enumerate().map(|(place, link)| (link.name.clone(), place)).collect();
        self.wanted = wanted;
    }

    /// Settings that a predecessor changed.
    pub(super) fn inherit(&mut self, found: Vec<FoundSetting>) {
        self.found.extend(found.into_iter().map(|one| ((one.link, one.setting), one.value)));
    }

    /// The links of the plan.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &Arc<VirtualLink>> {
        self.wanted.iter()
    }

    /// Settings that were changed, as they were before.
    pub(super) fn found(&self) -> Vec<FoundSetting> {
        let found = self.found.iter();
        found
            .map(|((link, setting), value)| FoundSetting {
                link: link.clone(),
                setting: *setting,
                value: *value,
            })
            .collect()
    }

    /// The virtual link of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<VirtualLink>> {
        self.wanted.get(*self.places.get(name)?)
    }

    /// The link whose addresses are the machine's own: what a macvlan is built on, any other itself.
    pub(super) fn home<'a>(&'a self, name: &'a str) -> &'a str {
        let is_macvlan = |link: &&Arc<VirtualLink>| matches!(link.kind, VirtualKind::Macvlan { .. });
        self.get(name).filter(is_macvlan).map_or(name, |link| link.parent.as_str())
    }

    /// When a link that was refused is tried again.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.retry_at
    }

    fn settle_retry(&mut self) {
        let retry = |progress: &Progress| match progress {
            Progress::Refused { retry_at, .. } => Some(*retry_at),
            Progress::Ordered { .. } | Progress::Made => None,
        };
        self.retry_at = self.orders.values().filter_map(retry).min();
    }
}

impl Router {
    /// Orders every link that is missing, or is not as it should be, if what it is built on is there.
    pub(super) fn make_missing_links(&mut self, now: Instant, actions: &mut Actions) {
        self.make_missing(now, |_| true, actions);
    }

    /// The same after something happened to a link of this name.
    pub(super) fn make_missing_about(&mut self, now: Instant, name: &str, actions: &mut Actions) {
        self.make_missing(now, |link| link.name == name || link.parent == name, actions);
    }

    /// The same of those that were refused, when their time has come.
    pub(super) fn retry_links(&mut self, now: Instant, actions: &mut Actions) {
        if self.virtual_links.retry_at.is_some_and(|at| at <= now) {
            self.make_missing_links(now, actions);
        }
    }

    fn make_missing(
        &mut self,
        now: Instant,
        concerned: impl Fn(&VirtualLink) -> bool,
        actions: &mut Actions,
    ) {
        for place in 0..self.virtual_links.wanted.len() {
            if !concerned(&self.virtual_links.wanted[place]) {
                continue;
            }
            let link = Arc::clone(&self.virtual_links.wanted[place]);
            if self.kernel.by_name(&link.parent).is_none() {
                let _ = self.virtual_links.orders.remove(&link.name);
                continue;
            }
            let wait = match self.virtual_links.orders.get(&link.name) {
                Some(Progress::Ordered { .. }) => continue,
                Some(Progress::Made) if self.stands(&link) => continue,
                Some(Progress::Refused { retry_at, .. }) if *retry_at > now => continue,
                Some(Progress::Refused { wait, .. }) => *wait,
                Some(Progress::Made) | None => FIRST_RETRY,
            };
            let _ = self.virtual_links.orders.insert(link.name.clone(), Progress::Ordered { wait });
            actions.push(Action::MakeLink(link));
        }
        self.virtual_links.settle_retry();
    }

    /// Whether this link is there as it should be.
    fn stands(&self, link: &VirtualLink) -> bool {
        let Some(known) = self.kernel.by_name(&link.name) else { return false };
        let parent = self.kernel.by_name(&link.parent).map(|parent| parent.link.index);
        let same_mac = match link.kind {
            VirtualKind::Macvlan { mac } => known.link.mac == Some(mac),
            VirtualKind::Ipvlan(_) => true,
        };
        known.link.parent == parent && parent.is_some() && same_mac
    }

    pub(super) fn link_made(
        &mut self,
        now: Instant,
        name: &str,
        found: Vec<FoundSetting>,
        actions: &mut Actions,
    ) {
        for one in found {
            let _ = self.virtual_links.found.entry((one.link, one.setting)).or_insert(one.value);
        }
        let Some(link) = self.virtual_links.get(name).cloned() else {
            // A reload has taken it out of the plan in the meantime.
            return self.restore_settings(actions);
        };
        let Some(Progress::Ordered { wait }) = self.virtual_links.orders.get(name).copied() else { return };
        let progress = if self.stands(&link) {
            Progress::Made
        } else {
            Progress::Refused { errno: ENODEV, retry_at: now + wait, wait: (wait * 2).min(LONGEST_RETRY) }
        };
        let _ = self.virtual_links.orders.insert(link.name.clone(), progress);
        self.virtual_links.settle_retry();
        if progress == Progress::Made {
            let reason = Reason::LinkMade { parent: link.parent.clone() };
            self.tell(now, Subject::Link(link.name.clone()), reason, actions);
        }
        self.resolve_all(actions);
        self.reassess(now, self.users(name), actions);
    }

    pub(super) fn link_refused(&mut self, now: Instant, name: &str, errno: i32, actions: &mut Actions) {
        let Some(link) = self.virtual_links.get(name).cloned() else { return };
        let Some(Progress::Ordered { wait }) = self.virtual_links.orders.get(name).copied() else { return };
        let progress = Progress::Refused { errno, retry_at: now + wait, wait: (wait * 2).min(LONGEST_RETRY) };
        let _ = self.virtual_links.orders.insert(link.name.clone(), progress);
        self.virtual_links.settle_retry();
        let operation = alloc::format!("make {link}");
        self.tell(now, Subject::Link(link.name.clone()), Reason::Refused { operation, errno }, actions);
        self.reassess(now, self.users(name), actions);
    }

    fn uses(&self, id: usize, link: &str) -> bool {
        let plan = &self.instances[id].plan;
        let mut addresses = plan.addresses.iter().chain(&plan.excluded_addresses);
        plan.interface.as_deref() == Some(link) || addresses.any(|address| address.link == link)
    }

    /// The instances that need this link.
    fn users(&self, link: &str) -> Vec<usize> {
        (0..self.instances.len()).filter(|id| self.uses(*id, link)).collect()
    }

    /// Whether the links that are made for this instance are there.
    pub(super) fn virtual_links_of(&self, id: usize) -> Made {
        if self.virtual_links.wanted.is_empty() {
            return Made::All;
        }
        let plan = &self.instances[id].plan;
        let addresses = plan.addresses.iter().chain(&plan.excluded_addresses);
        let names = plan.interface.iter().chain(addresses.map(|address| &address.link));
        let mut made = Made::All;
        let mut last = None;
        for link in names.filter_map(|name| self.virtual_links.get(name)) {
            if last == Some(&link.name) {
                continue;
            }
            last = Some(&link.name);
            match self.made_for(id, link) {
                Made::All => {}
                Made::Soon => made = Made::Soon,
                Made::Not(cause) => return Made::Not(cause),
            }
        }
        made
    }

    fn made_for(&self, id: usize, link: &VirtualLink) -> Made {
        let instance = &self.instances[id];
        let order = self.virtual_links.orders.get(&link.name);
        if matches!(order, Some(Progress::Ordered { .. })) && instance.state() == State::Init {
            return Made::Soon;
        }
        let parent_counts = !instance.plan.ignore_interface_fault;
        if self.kernel.by_name(&link.parent).is_none() || (parent_counts && !self.kernel.is_up(&link.parent))
        {
            return Made::Not(Cause::InterfaceDown(link.parent.clone()));
        }
        if let Some(Progress::Refused { errno, .. }) = order {
            return Made::Not(Cause::Refused(alloc::format!("make {link} (errno {errno})")));
        }
        if !self.stands(link) {
            return Made::Not(Cause::InterfaceDown(link.name.clone()));
        }
        Made::All
    }

    /// Sees to it that the links that stand have their own addresses.
    pub(super) fn hold_own_addresses(&mut self, actions: &mut Actions) {
        for place in 0..self.virtual_links.wanted.len() {
            if self.virtual_links.wanted[place].own == OwnAddress::None {
                continue;
            }
            let link = Arc::clone(&self.virtual_links.wanted[place]);
            if !self.stands(&link) {
                continue;
            }
            let Some(wanted) = self.own_address(&link) else { continue };
            let held = self.virtual_links.own.get(&link.name);
            if held.is_some_and(|held| **held == wanted) {
                continue;
            }
            let wanted = Arc::new(wanted);
            let index = self.kernel.by_name(&link.name).map(|known| known.link.index);
            self.holdings.hold_address(&wanted, index, actions);
            if let Some(old) = self.virtual_links.own.insert(link.name.clone(), wanted) {
                self.holdings.release_address(&old, index, actions);
            }
        }
    }

    fn own_address(&self, link: &VirtualLink) -> Option<InterfaceAddress> {
        let parent = self.kernel.by_name(&link.parent)?;
        let (address, length) = match link.own {
            OwnAddress::None => return None,
            OwnAddress::Is(prefix) => (prefix.address, prefix.length),
            OwnAddress::LinkLocalOfParent => (self.link_local(parent)?, 64),
        };
        let is_link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        Some(InterfaceAddress {
            address,
            prefix_length: length,
            link: link.name.clone(),
            broadcast: None,
            scope: if is_link_local { SCOPE_LINK } else { 0 },
            label: None,
            peer: None,
            flags: AddressFlags { nodad: true, ..AddressFlags::default() },
            // Nothing but adverts is to come from a copy of another link's address.
            preferred_lifetime_s: is_link_local.then_some(0),
            tracked: false,
            track_group: None,
        })
    }

    /// The link-local address of a link, or the one made of its MAC address (RFC 4291 appendix A).
    fn link_local(&self, link: &KnownLink) -> Option<IpAddr> {
        link.primary(Family::V6, |address| self.virtual_addresses.contains(&address)).or_else(|| {
            let [a, b, c, d, e, f] = link.link.mac?;
            let half = |high: u8, low: u8| u16::from_be_bytes([high, low]);
            let last = [half(a ^ 2, b), half(c, 0xff), half(0xfe, d), half(e, f)];
            Some(Ipv6Addr::new(0xfe80, 0, 0, 0, last[0], last[1], last[2], last[3]).into())
        })
    }

    /// Changes to the links of another plan: new ones are ordered, changed ones made anew. Returns those that are to go
    /// when nothing is on them any more.
    pub(super) fn take_virtual_links(
        &mut self,
        now: Instant,
        wanted: Vec<Arc<VirtualLink>>,
        actions: &mut Actions,
    ) -> Vec<Arc<VirtualLink>> {
        let old = core::mem::take(&mut self.virtual_links.wanted);
        self.virtual_links.become_these(wanted);
        let mut gone = Vec::new();
        for link in old {
            match self.virtual_links.get(&link.name) {
                Some(new) if **new == *link => continue,
                Some(_) => actions.push(Action::RemoveLink(Arc::clone(&link))),
                None => gone.push(Arc::clone(&link)),
            }
            let _ = self.virtual_links.orders.remove(&link.name);
            self.release_own_address(&link.name, actions);
        }
        self.make_missing_links(now, actions);
        gone
    }

    fn release_own_address(&mut self, link: &str, actions: &mut Actions) {
        if let Some(own) = self.virtual_links.own.remove(link) {
            let index = self.kernel.by_name(link).map(|known| known.link.index);
            self.holdings.release_address(&own, index, actions);
        }
    }

    /// Removes links that nobody needs, and gives back what was changed for them.
    pub(super) fn drop_links(&mut self, gone: Vec<Arc<VirtualLink>>, actions: &mut Actions) {
        actions.extend(gone.into_iter().map(Action::RemoveLink));
        self.restore_settings(actions);
    }

    /// Removes every link that was made.
    pub(super) fn remove_virtual_links(&mut self, actions: &mut Actions) {
        let all = core::mem::take(&mut self.virtual_links.wanted);
        self.virtual_links.places.clear();
        for link in all {
            self.release_own_address(&link.name, actions);
            actions.push(Action::RemoveLink(link));
        }
        self.restore_settings(actions);
    }

    /// Gives settings back that no link needs any more: those of a parent with its last link, the reverse path filter
    /// with the last link of all.
    pub(super) fn restore_settings(&mut self, actions: &mut Actions) {
        let wanted = &self.virtual_links.wanted;
        let of_ipv4 = || wanted.iter().filter(|link| link.family == Family::V4);
        let is_needed = |(link, setting): &(String, Setting)| match setting {
            Setting::RpFilter => of_ipv4().next().is_some(),
            Setting::ArpIgnore | Setting::ArpFilter | Setting::ArpAnnounce => {
                of_ipv4().any(|made| made.parent == *link)
            }
        };
        let mut restored = Vec::new();
        self.virtual_links.found.retain(|key, value| {
            let stays = is_needed(key);
            if !stays {
                restored.push(FoundSetting { link: key.0.to_string(), setting: key.1, value: *value });
            }
            stays
        });
        if !restored.is_empty() {
            actions.push(Action::RestoreSettings(restored.into()));
        }
    }
}
