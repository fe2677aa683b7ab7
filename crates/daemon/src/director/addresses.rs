//! The addresses of this machine, for `ha_suspend`: watched only while a virtual server asks for it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mainstay_core::address::LinkIndex;
use mainstay_core::director::{DirectorPlan, Input};
use mainstay_core::router;
use mainstay_system::netlink::{Heard, Monitor, tables};
use mainstay_system::readiness::Readiness;

/// Who watches.
pub struct Addresses {
    monitor: Monitor,
    ready: Readiness,
    wanted: BTreeSet<IpAddr>,
    present: BTreeSet<(LinkIndex, IpAddr)>,
    told: BTreeSet<IpAddr>,
}

/// The addresses a plan asks for.
pub fn wanted(plan: &DirectorPlan) -> BTreeSet<IpAddr> {
    plan.virtual_servers.iter().filter_map(|server| server.suspend_without).collect()
}

impl Addresses {
    /// Watches from now on; the facts of the beginning are appended. `None` if nobody wants to know.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn watch(wanted: BTreeSet<IpAddr>, facts: &mut Vec<Input>) -> anyhow::Result<Option<Self>> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let monitor = Monitor::open(&[])?;
        let ready = Readiness::of(&monitor)?;
        let mut watch = Self { monitor, ready, wanted, present: BTreeSet::new(), told: BTreeSet::new() };
        watch.list(facts)?;
        // A watch before this one may have told of addresses that have left since.
        let absent = watch.wanted.difference(&watch.told);
        facts.extend(absent.map(|address| Input::AddressHeld { address: *address, held: false }));
        Ok(Some(watch))
    }

    fn list(&mut self, facts: &mut Vec<Input>) -> anyhow::Result<()> {
        self.present = tables()?.addresses.into_iter().collect();
        self.tell(facts);
        Ok(())
    }

    /// Waits until something changed, and appends what did. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the kernel does not tell any more.
    pub async fn changed(&mut self, facts: &mut Vec<Input>) -> anyhow::Result<()> {
        let mut guard = self.ready.readable().await?;
        let mut heard = Vec::new();
        match self.monitor.read(&mut heard)? {
            Heard::Everything => guard.clear_ready(),
            Heard::More => {}
            Heard::Lost => return self.list(facts),
        }
        for input in heard {
            match input {
                router::Input::AddressAdded(link, address) => drop(self.present.insert((link, address))),
                router::Input::AddressRemoved(link, address) => drop(self.present.remove(&(link, address))),
                router::Input::LinkRemoved(gone) => self.present.retain(|(link, _)| *link != gone),
                _ => {}
            }
        }
        self.tell(facts);
        Ok(())
    }

    fn tell(&mut self, facts: &mut Vec<Input>) {
        let here: BTreeSet<IpAddr> = self.present.iter().map(|(_, address)| *address).collect();
        let here: BTreeSet<IpAddr> = here.intersection(&self.wanted).copied().collect();
        facts.extend(here.difference(&self.told).map(|new| Input::AddressHeld { address: *new, held: true }));
        facts
            .extend(self.told.difference(&here).map(|old| Input::AddressHeld { address: *old, held: false }));
        self.told = here;
    }
}
