//! What becomes of the addresses while there is no router.
//!
//! A router that dies is normally back before its peers miss it. One that keeps dying is started again more and more
//! slowly; meanwhile nobody advertises, a peer takes over, and an address that stayed on our link would have two holders.
//! So just before the first peer may take over, the supervisor takes away what the dead router held, and the next
//! one begins as a backup. Where the VIP lease counts the gate has closed by then, or does so within half an interval: two
//! hands at the same work, of which the kernel's cannot fail and this one also tidies up. Without a lease it is the only
//! one.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mainstay_core::link::{FoundSetting, VirtualLink};
use mainstay_core::router::{Resume, RouterPlan, State};
use mainstay_system::accept;
use mainstay_system::clock;
use mainstay_system::lease::Gates;
use mainstay_system::netlink::{Change, Writer};
use mainstay_system::virtual_link;

use super::Supervisor;

/// How long a restart that comes while addresses are still being taken away is put off.
const AGAIN: Duration = Duration::from_millis(20);

/// Watches how long nobody has advertised.
#[derive(Debug, Default)]
pub struct Withdrawal {
    /// Since when there has been no router that had said that it is ready.
    silent_since: Option<Instant>,
    /// When the addresses are to go.
    due: Option<Instant>,
    /// Takes them away: the kernel may let whoever changes addresses wait.
    thread: Option<JoinHandle<()>>,
}

impl Withdrawal {
    /// A router works.
    pub fn router_works(&mut self) {
        (self.silent_since, self.due) = (None, None);
    }

    /// A router died, and `was_ready` or not; its addresses may stay for `patience` after the last one that was.
    pub fn router_died(&mut self, was_ready: bool, patience: Option<Duration>, now: Instant) {
        if was_ready {
            self.silent_since = None;
        }
        let since = *self.silent_since.get_or_insert(now);
        self.due = patience.map(|patience| since + patience);
    }

    /// When the addresses are to go.
    pub const fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Whether nothing is being taken away.
    pub fn is_done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// When a router may be started, if that is not now.
    pub fn put_off(&self, now: Instant) -> Option<Instant> {
        (!self.is_done()).then(|| now + AGAIN)
    }
}

impl Supervisor {
    /// The router died, or could not be started.
    pub(super) fn watch_silence(&mut self, was_ready: bool, now: Instant) {
        let patience = self.resume.as_ref().and_then(|left| patience(left, &self.newest_model().router));
        self.withdrawal.router_died(was_ready, patience, now);
    }

    /// Takes away what a dead router left, once it is time.
    pub(super) fn withdraw_if_due(&mut self, now: Instant) {
        let may_be_needed = self.phase.is_running() && !self.router.is_running();
        if !may_be_needed || self.withdrawal.due.is_none_or(|due| due > now) {
            return;
        }
        self.withdrawal.due = None;
        let Some(mut left) = self.resume.take() else { return };
        let removals = removals(&left, &self.newest_model().router);
        tracing::error!(
            "there is no router and a peer may take over: {} addresses, routes and rules are taken away",
            removals.len()
        );
        forget_masters(&mut left);
        self.resume = Some(left);
        self.tell_status();
        self.work_aside(move || {
            if let Err(error) = remove(&removals) {
                tracing::error!("taking away what the router left: {error}");
            }
        });
    }

    /// At the end, when no router could hand over: addresses, routes and rules are taken away from here, and then the
    /// gates that stand before them, which nobody would ever open or remove.
    pub(super) fn clean_up_alone(&mut self) {
        let plan = &self.newest_model().router;
        let stays = plan.settings.keep_addresses_on_exit;
        let left = self.resume.as_ref().filter(|_| !stays);
        let removals = left.map(|left| removals(left, plan)).unwrap_or_default();
        let links = left.map(|left| left.links.clone()).unwrap_or_default();
        let settings = left.map(|left| left.settings.clone()).unwrap_or_default();
        tracing::error!("no router could hand over: the supervisor takes away what is left");
        self.work_aside(move || {
            let no_gates = || Gates::open()?.become_these(&[], clock::now());
            let all_accepted = || accept::become_these(&[]);
            if let Err(error) = remove(&removals).and_then(|()| no_gates()).and_then(|()| all_accepted()) {
                tracing::error!("taking away what the router left: {error}");
            }
            remove_links(&links, &settings);
        });
    }

    fn work_aside(&mut self, work: impl FnOnce() + Send + 'static) {
        match thread::Builder::new().name("withdrawal".into()).spawn(work) {
            Ok(thread) => self.withdrawal.thread = Some(thread),
            Err(error) => tracing::error!("taking away what the router left: {error}"),
        }
    }
}

/// How long nobody may advertise before the first peer of a master may have taken over. Its last advert may have left
/// an interval before the death; the skew time is the reserve.
fn patience(left: &Resume, plan: &RouterPlan) -> Option<Duration> {
    let was_master =
        |name: &str| left.instances.iter().any(|one| one.name == name && one.state == State::Master);
    let masters = plan.instances.iter().filter(|instance| was_master(&instance.name));
    masters
        .map(|instance| instance.advert_interval * u32::from(instance.down_timer_adverts.saturating_sub(1)))
        .min()
}

/// What masters held; what is there as long as the daemon runs stays.
fn removals(left: &Resume, plan: &RouterPlan) -> Vec<Change> {
    let rules = left.rules.iter().filter(|rule| !plan.static_rules.contains(rule));
    let routes = left.routes.iter().filter(|route| !plan.static_routes.contains(route));
    let addresses = left.addresses.iter().filter(|address| !plan.static_addresses.contains(address));
    rules
        .cloned()
        .map(Change::RemoveRule)
        .chain(routes.cloned().map(Change::RemoveRoute))
        .chain(addresses.cloned().map(Change::RemoveAddress))
        .collect()
}

/// The successor finds another master, or none: it does not go on as one without listening first.
fn forget_masters(left: &mut Resume) {
    for instance in left.instances.iter_mut().filter(|instance| instance.state == State::Master) {
        instance.state = State::Init;
    }
}

fn remove(removals: &[Change]) -> mainstay_system::Result<()> {
    for refusal in Writer::open()?.apply(removals)? {
        tracing::error!("{:?} was refused (errno {})", removals[refusal.place], refusal.errno);
    }
    Ok(())
}

/// Removes links that were made for addresses, and gives back what was changed for them.
fn remove_links(links: &[Arc<VirtualLink>], settings: &[FoundSetting]) {
    if links.is_empty() {
        return;
    }
    let removed = Writer::open()
        .and_then(|mut writer| links.iter().try_for_each(|link| virtual_link::remove(&mut writer, link)));
    for error in removed.err().into_iter().chain(virtual_link::restore(settings)) {
        tracing::error!("taking away what the router left: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    #[test]
    fn a_router_that_works_again_in_time_keeps_its_addresses() {
        let (mut withdrawal, now) = (Withdrawal::default(), Instant::now());
        withdrawal.router_died(true, Some(PATIENCE), now);
        assert_eq!(withdrawal.deadline(), Some(now + PATIENCE));
        withdrawal.router_works();
        assert_eq!(withdrawal.deadline(), None);
    }

    #[test]
    fn routers_that_never_worked_do_not_prolong_the_time() {
        let (mut withdrawal, now) = (Withdrawal::default(), Instant::now());
        withdrawal.router_died(true, Some(PATIENCE), now);
        let later = now + Duration::from_secs(1);
        withdrawal.router_died(false, Some(PATIENCE), later);
        assert_eq!(withdrawal.deadline(), Some(now + PATIENCE));
        withdrawal.router_died(true, Some(PATIENCE), later);
        assert_eq!(withdrawal.deadline(), Some(later + PATIENCE));
    }

    #[test]
    fn without_a_master_nothing_is_taken_away() {
        let (mut withdrawal, now) = (Withdrawal::default(), Instant::now());
        withdrawal.router_died(true, patience(&Resume::default(), &RouterPlan::default()), now);
        assert_eq!(withdrawal.deadline(), None);
    }
}
