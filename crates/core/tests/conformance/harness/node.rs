//! One node: it steps the router, performs what is ordered in a model of the kernel, and remembers everything.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainstay_core::address::{InterfaceAddress, NoAccept, Prefix, RouteKey, RuleAction};
use mainstay_core::heartbeat::{BootId, Heartbeat, HeartbeatRejection, Key, packet};
use mainstay_core::lease::{Gate, Guard};
use mainstay_core::link::{FoundSetting, VirtualKind, VirtualLink};
use mainstay_core::router::report::{Counters, InstanceReport};
use mainstay_core::router::{
    Advert, Event, Input, Link, Mismatch, NotifyObject, Packet, Reason, Resume, Router, RouterPlan,
};
use mainstay_core::time::Instant;
use mainstay_core::vrrp::packet::{ParseContext, Rejection, parse};

use super::*;

/// Errno of what a firewall refuses.
const EPERM: i32 = 1;

/// A router with a clock and a kernel.
#[derive(Debug)]
pub struct Node {
    pub router: Router,
    pub now: Instant,
    pub links: Vec<Link>,
    /// Addresses the kernel has.
    pub addresses: BTreeSet<(LinkIndex, IpAddr)>,
    /// Which adverts the kernel refuses to send.
    pub refuses: fn(&Advert) -> bool,
    /// What making a link changes on other links, as it was before.
    pub settings_found: Vec<FoundSetting>,
    /// Errno with which the kernel refuses to make links.
    pub refuses_links: Option<i32>,
    /// Removals of addresses that wait for the kernel's lock, while somebody holds it.
    removals: Option<Vec<Arc<InterfaceAddress>>>,
    /// Everything ordered so far, with its time.
    ordered: Vec<(Instant, Action)>,
    /// How much of it the test has looked at.
    seen: usize,
    /// The plan in force.
    pub plan: RouterPlan,
    versions: Vec<(Arc<str>, Version, Family)>,
}

impl Node {
    /// A node with this plan that has been told what the kernel has.
    pub fn with(plan: impl Into<Plan>) -> Self {
        Self::at("192.0.2.252", plan)
    }

    /// The same, with this IPv4 address on eth0.
    pub fn at(address: &str, plan: impl Into<Plan>) -> Self {
        let mut node = Self::cold(plan, None);
        node.addresses.remove(&(ETH0, ip("192.0.2.252")));
        node.addresses.insert((ETH0, ip(address)));
        node.list_kernel();
        node
    }

    /// A node that has not been told anything yet.
    pub fn cold(plan: impl Into<Plan>, resume: Option<&Resume>) -> Self {
        let plan = plan.into().0;
        let now = Instant::ZERO + s(1000);
        let mut node = Self {
            router: Router::new(now, s(1000), plan.clone(), resume).with_boot_id(BootId(100)),
            now,
            links: vec![link(ETH0, "eth0"), link(ETH1, "eth1")],
            addresses: BTreeSet::from([
                (ETH0, ip("192.0.2.252")),
                (ETH0, ip("fe80::2")),
                (ETH1, ip("198.51.100.252")),
                (ETH1, ip("fe80::3")),
            ]),
            refuses: |_| false,
            settings_found: vec![],
            refuses_links: None,
            removals: None,
            ordered: vec![],
            seen: 0,
            plan: RouterPlan::default(),
            versions: vec![],
        };
        node.learn_versions(&plan);
        node.plan = plan;
        node
    }

    /// A node whose only instance is master; what led there is forgotten.
    pub fn master(plan: impl Into<Plan>) -> Self {
        let mut node = Self::with(plan);
        node.become_master();
        node
    }

    /// A node whose only instance is in fault because eth0 is down; what led there is forgotten.
    pub fn fault(plan: impl Into<Plan>) -> Self {
        let mut node = Self::with(plan);
        node.set_link("eth0", false);
        node.expect_state(Fault);
        node.forget();
        node
    }

    // ---- facts ----

    /// One fact, now; then the kernel's echoes of what was ordered.
    pub fn step(&mut self, input: Input<'_>) {
        let mut actions = vec![];
        self.router.step(self.now, input, &mut actions);
        let refused: Vec<Arc<str>> = actions
            .iter()
            .filter_map(|action| match action {
                Action::SendAdvert(advert) if (self.refuses)(advert) => Some(Arc::clone(&advert.instance)),
                _ => None,
            })
            .collect();
        for action in actions {
            self.ordered.push((self.now, action.clone()));
            if let Action::RemoveAddress(address) = action {
                match &mut self.removals {
                    Some(waiting) => waiting.push(address),
                    None => self.remove(&address),
                }
            } else if let Action::MakeLink(link) = action {
                self.make_link(&link);
            } else if let Action::RemoveLink(link) = action {
                self.lose_link(&link.name);
            } else if let Some(echo) = self.perform(&action) {
                self.step(echo);
            }
        }
        for instance in refused {
            self.step(Input::AdvertRefused { instance, errno: EPERM });
        }
    }

    pub fn hear(&mut self, heard: Heard) {
        let payload = heard.payload();
        let Heard { link, source, destination, ttl, envelope, .. } = heard;
        self.step(Input::PacketReceived(Packet {
            link,
            source,
            destination,
            ttl,
            envelope,
            payload: &payload,
        }));
    }

    pub fn hear_heartbeat(&mut self, heard: Beat) {
        let payload = heard.payload();
        let Beat { link, source, destination, ttl, .. } = heard;
        let envelope = Envelope::Bare;
        self.step(Input::HeartbeatReceived(Packet {
            link,
            source,
            destination,
            ttl,
            envelope,
            payload: &payload,
        }));
    }

    pub fn list_kernel(&mut self) {
        let addresses = self.addresses.iter().copied().collect();
        self.step(Input::KernelListed { links: self.links.clone(), addresses });
    }

    /// Somebody claims an address.
    pub fn claim(&mut self, link: LinkIndex, address: &str, mac: [u8; 6]) {
        self.step(Input::ClaimHeard { link, address: ip(address), mac });
    }

    /// The hardware address of one of its links.
    pub fn mac(&self, index: LinkIndex) -> [u8; 6] {
        let link = self.links.iter().find(|link| link.index == index).expect("a link of the node");
        link.mac.expect("a link with a hardware address")
    }

    /// A link loses or gains its carrier.
    pub fn set_link(&mut self, name: &str, running: bool) {
        let link = self.links.iter_mut().find(|link| link.name == name).expect("a link of the node");
        link.running = running;
        let link = link.clone();
        self.step(Input::LinkChanged(link));
    }

    pub fn finish_script(&mut self, script: &str, status: u8) {
        let outcome = ScriptOutcome::Exited(status);
        self.step(Input::ScriptFinished { script: script.into(), outcome });
    }

    pub fn read_file(&mut self, file: &str, value: i64) {
        self.step(Input::FileRead { file: file.into(), value: Some(value) });
    }

    pub fn session_becomes(&mut self, session: &str, up: bool) {
        self.step(Input::SessionBecame { session: session.into(), up });
    }

    pub fn count_processes(&mut self, process: &str, count: u32) {
        self.step(Input::ProcessesCounted { process: process.into(), count });
    }

    pub fn reload(&mut self, plan: impl Into<Plan>) {
        let plan = plan.into().0;
        self.learn_versions(&plan);
        self.plan = plan.clone();
        self.step(Input::Reloaded(Box::new(plan)));
    }

    /// Somebody takes the kernel's lock: addresses that are to be removed stay.
    pub fn lock_kernel(&mut self) {
        self.removals = Some(vec![]);
    }

    /// The kernel's lock is free again: what waited for it happens.
    pub fn unlock_kernel(&mut self) {
        for address in self.removals.take().unwrap_or_default() {
            self.remove(&address);
        }
    }

    /// Somebody else's hand on the kernel.
    pub fn somebody_removes(&mut self, link: LinkIndex, address: &str) {
        assert!(self.addresses.remove(&(link, ip(address))), "{address} is there to be removed");
        self.step(Input::AddressRemoved(link, ip(address)));
    }

    // ---- time ----

    /// Moves the clock, with a tick at every deadline on the way, as the daemon would.
    pub fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        while self.advance_to_next_deadline(until) {}
        self.now = until;
    }

    /// Moves the clock as a frozen process experiences it: nothing happens on the way, and no tick at the end.
    pub fn stall(&mut self, by: Duration) {
        self.now = self.now + by;
    }

    pub fn tick(&mut self) {
        self.step(Input::Tick);
    }

    /// Steps to the next deadline if it is not after `until`.
    pub fn advance_to_next_deadline(&mut self, until: Instant) -> bool {
        let Some(deadline) = self.router.next_deadline().filter(|deadline| *deadline <= until) else {
            return false;
        };
        self.now = self.now.max(deadline);
        self.tick();
        let next = self.router.next_deadline();
        assert!(
            next.is_none_or(|next| next > self.now),
            "a tick at {} left a due deadline: a busy loop",
            self.now
        );
        true
    }

    /// Runs until the first instance is in this state; how long that took.
    #[track_caller]
    pub fn time_until(&mut self, state: State) -> Duration {
        let start = self.now;
        while self.state() != state {
            let moved = self.advance_to_next_deadline(start + s(300));
            assert!(moved, "not {state} within 300 s but {}", self.state());
        }
        self.now.saturating_since(start)
    }

    /// Runs until the first instance is master, and forgets how.
    #[track_caller]
    pub fn become_master(&mut self) {
        self.time_until(Master);
        self.forget();
    }

    // ---- what became of it ----

    pub fn report_of(&self, name: &str) -> InstanceReport {
        let mut instances = self.router.report().instances.into_iter();
        instances.find(|instance| instance.name == name).unwrap_or_else(|| panic!("no instance {name}"))
    }

    /// The first instance.
    pub fn report(&self) -> InstanceReport {
        self.router.report().instances.into_iter().next().expect("an instance")
    }

    pub fn state(&self) -> State {
        self.report().state
    }

    pub fn state_of(&self, name: &str) -> State {
        self.report_of(name).state
    }

    pub fn group_state(&self, name: &str) -> State {
        let groups = self.router.report().groups;
        groups.iter().find(|group| group.name == name).unwrap_or_else(|| panic!("no group {name}")).state
    }

    pub fn priority(&self) -> u8 {
        self.report().effective_priority
    }

    pub fn counters(&self) -> Counters {
        self.report().counters
    }

    #[track_caller]
    pub fn expect_state(&self, state: State) {
        assert_eq!(self.state(), state, "cause: {}", self.report().cause);
    }

    #[track_caller]
    pub fn expect_states(&self, states: &[(&str, State)]) {
        for (name, state) in states {
            assert_eq!(self.state_of(name), *state, "{name}, cause: {}", self.report_of(name).cause);
        }
    }

    pub fn has(&self, address: &str) -> bool {
        self.addresses.iter().any(|(_, has)| *has == ip(address))
    }

    /// What was ordered since the test last looked.
    pub fn new_orders(&self) -> &[(Instant, Action)] {
        &self.ordered[self.seen..]
    }

    pub fn forget(&mut self) {
        self.seen = self.ordered.len();
    }

    /// Whether there are effects the test has not looked at.
    pub fn has_effects(&self) -> bool {
        self.new_orders().iter().any(|(_, action)| line(action).is_some())
    }

    /// Effects since the test last looked, one line each, in order; what was told and sockets are left out. The same
    /// line `n` times in a row is one line with `xn`.
    pub fn effects(&mut self) -> Vec<String> {
        let lines: Vec<String> = self.new_orders().iter().filter_map(|(_, action)| line(action)).collect();
        self.forget();
        let repeated = lines.chunk_by(|a, b| a == b);
        repeated
            .map(
                |same| if same.len() == 1 { same[0].clone() } else { format!("{} x{}", same[0], same.len()) },
            )
            .collect()
    }

    #[track_caller]
    pub fn expect_effects(&mut self, expected: &[&str]) {
        assert_eq!(self.effects(), expected);
    }

    /// Adverts since the test last looked: when after `since`, and their priority.
    pub fn adverts_after(&self, since: Instant) -> Vec<(Duration, u8)> {
        let adverts = self.new_orders().iter().filter_map(|(at, action)| match action {
            Action::SendAdvert(advert) => Some((at.saturating_since(since), message(advert)[2])),
            _ => None,
        });
        adverts.collect()
    }

    pub fn adverts(&self) -> Vec<&Advert> {
        let adverts = self.new_orders().iter().filter_map(|(_, action)| match action {
            Action::SendAdvert(advert) => Some(advert),
            _ => None,
        });
        adverts.collect()
    }

    /// The gates last ordered, if any were since the test last looked.
    pub fn gates(&self) -> Option<&[Gate]> {
        self.new_orders().iter().rev().find_map(|(_, action)| match action {
            Action::SetGates(gates) => Some(&**gates),
            _ => None,
        })
    }

    /// Heartbeats since the test last looked, with where they go.
    pub fn heartbeats(&self) -> Vec<(IpAddr, Heartbeat)> {
        let key = Key::new(&self.plan.heartbeats.key);
        let sent = self.new_orders().iter().filter_map(|(_, action)| match action {
            Action::SendHeartbeat(datagram) => Some(datagram),
            _ => None,
        });
        sent.map(|datagram| {
            let read = packet::parse(&datagram.payload, &key);
            (datagram.destination, read.expect("what we send is a heartbeat"))
        })
        .collect()
    }

    /// Heartbeats told not to be believed: why.
    pub fn disbelieved(&self) -> Vec<HeartbeatRejection> {
        let rejections = self.events().into_iter().filter_map(|event| match event.reason {
            Reason::HeartbeatsRejected { rejection, .. } => Some(rejection),
            _ => None,
        });
        rejections.collect()
    }

    pub fn announcements(&self, address: &str) -> usize {
        let is_of =
            |action: &Action| matches!(action, Action::Announce { address: of, .. } if *of == ip(address));
        self.new_orders().iter().filter(|(_, action)| is_of(action)).count()
    }

    pub fn events(&self) -> Vec<&Event> {
        let events = self.new_orders().iter().filter_map(|(_, action)| match action {
            Action::Tell(event) => Some(event),
            _ => None,
        });
        events.collect()
    }

    /// Told of packets not accepted: source, why, how many.
    pub fn rejections(&self) -> Vec<(IpAddr, Rejection, u64)> {
        let rejections = self.events().into_iter().filter_map(|event| match event.reason {
            Reason::PacketsRejected { source, rejection, count } => Some((source, rejection, count)),
            _ => None,
        });
        rejections.collect()
    }

    /// Alarms that began, and in what way peers differ.
    pub fn mismatches(&self) -> Vec<Mismatch> {
        let mismatches = self.alarms().into_iter().filter_map(|alarm| match alarm {
            Alarm::Mismatch { mismatch, .. } => Some(mismatch),
            _ => None,
        });
        mismatches.collect()
    }

    /// Alarms that began.
    pub fn alarms(&self) -> Vec<Alarm> {
        let began = self.events().into_iter().filter_map(|event| match event.reason {
            Reason::AlarmBegan { alarm } => Some(alarm),
            _ => None,
        });
        began.collect()
    }

    /// Alarms that were told to be over: what, how long, how often seen.
    pub fn alarms_over(&self) -> Vec<(Alarm, Duration, u64)> {
        let over = self.events().into_iter().filter_map(|event| match event.reason {
            Reason::AlarmOver { alarm, lasted, count } => Some((alarm, lasted, count)),
            _ => None,
        });
        over.collect()
    }

    // ---- the kernel ----

    fn learn_versions(&mut self, plan: &RouterPlan) {
        let known = plan.instances.iter().map(|one| (one.name.as_str().into(), one.version, one.family));
        let known: Vec<(Arc<str>, Version, Family)> = known.collect();
        self.versions.retain(|(name, ..)| !known.iter().any(|(again, ..)| again == name));
        self.versions.extend(known);
    }

    /// Does what is ordered and says what the kernel will tell of it.
    fn perform(&mut self, action: &Action) -> Option<Input<'static>> {
        match action {
            Action::SendAdvert(advert) => {
                self.expect_well_formed(advert);
                None
            }
            Action::AddAddress(address) => {
                let link = self.link_index(&address.link)?;
                let is_new = self.addresses.insert((link, address.address));
                is_new.then_some(Input::AddressAdded(link, address.address))
            }
            Action::RemoveRoute(route) => Some(Input::RouteRemoved(RouteKey {
                destination: Prefix { ..route.destination },
                table: route.table,
                metric: route.metric,
                tos: route.tos,
                kind: route.kind,
            })),
            Action::RemoveRule(rule) => Some(Input::RuleRemoved {
                preference: rule.preference.unwrap_or(0),
                table: match rule.action {
                    RuleAction::Table(table) => table,
                    _ => 0,
                },
            }),
            Action::SendHeartbeat(_)
            | Action::AddRoute(_)
            | Action::AddRule(_)
            | Action::RemoveAddress(_)
            | Action::SetNoAccept(_)
            | Action::MakeLink(_)
            | Action::RemoveLink(_)
            | Action::RestoreSettings(_)
            | Action::SetGates(_)
            | Action::CloseGate(_)
            | Action::Announce { .. }
            | Action::ProbeAddress { .. }
            | Action::PromoteSecondaries(_)
            | Action::RunScript(_)
            | Action::Notify(_)
            | Action::Tell(_)
            | Action::SocketsChanged
            | Action::Finished => None,
        }
    }

    /// Makes a link, as ordered, unless it is there or the kernel refuses.
    fn make_link(&mut self, wanted: &VirtualLink) {
        if let Some(errno) = self.refuses_links {
            return self.step(Input::LinkRefused { link: wanted.name.clone(), errno });
        }
        if self.link_index(&wanted.name).is_none() {
            let index = LinkIndex(self.links.iter().map(|link| link.index.0).max().unwrap_or(0) + 1);
            let parent = self.links.iter().find(|link| link.name == wanted.parent).cloned();
            let parent = parent.expect("no link is ordered before what it is built on is there");
            let VirtualKind::Macvlan { mac } = wanted.kind else { panic!("the tests make macvlans") };
            let made = Link {
                mac: Some(mac),
                parent: Some(parent.index),
                running: parent.running,
                ..link(index, &wanted.name)
            };
            self.links.push(made.clone());
            self.step(Input::LinkChanged(made));
        }
        self.step(Input::LinkMade { link: wanted.name.clone(), found: self.settings_found.clone() });
    }

    /// A link goes, with its addresses.
    pub fn lose_link(&mut self, name: &str) {
        let Some(index) = self.link_index(name) else { return };
        self.links.retain(|link| link.index != index);
        self.addresses.retain(|(link, _)| *link != index);
        self.step(Input::LinkRemoved(index));
    }

    /// Removes an address, as ordered, and says so.
    fn remove(&mut self, address: &Arc<InterfaceAddress>) {
        if let Some(link) = self.link_index(&address.link)
            && self.addresses.remove(&(link, address.address))
        {
            self.step(Input::AddressRemoved(link, address.address));
        }
        self.step(Input::AddressReleased(Arc::clone(address)));
    }

    fn link_index(&self, name: &str) -> Option<LinkIndex> {
        self.links.iter().find(|link| link.name == name).map(|link| link.index)
    }

    /// Whatever is sent, a strict receiver would take for a VRRP message.
    fn expect_well_formed(&self, advert: &Advert) {
        let (_, version, family) = self
            .versions
            .iter()
            .find(|(name, ..)| *name == advert.instance)
            .unwrap_or_else(|| panic!("an advert of {}, which is not in the plan", advert.instance));
        let context = ParseContext {
            version: *version,
            family: *family,
            source: advert.source,
            destination: advert.destination,
            verify: true,
            strict: false,
            may_be_signed: true,
        };
        parse(message(advert), context).unwrap_or_else(|why| panic!("we sent what nobody accepts: {why}"));
    }
}

/// The VRRP message of an advert.
fn message(advert: &Advert) -> &[u8] {
    advert.envelope.message(&advert.payload).expect("a message in an envelope of ours")
}

fn link(index: LinkIndex, name: &str) -> Link {
    Link {
        index,
        name: name.into(),
        up: true,
        running: true,
        no_arp: false,
        mac: Some([2, 0, 0, 0, 0, index.0 as u8]),
        mtu: 1500,
        parent: None,
    }
}

fn gate(gate: &Gate) -> String {
    match gate.guard {
        Guard::Open => format!("{} open", gate.instance),
        Guard::Lease { until: None } => format!("{} leased", gate.instance),
        Guard::Lease { until: Some(_) } => format!("{} leased and held", gate.instance),
    }
}

fn line(action: &Action) -> Option<String> {
    Some(match action {
        Action::SendAdvert(advert) => format!("advert {}", message(advert)[2]),
        Action::ProbeAddress { address, .. } => format!("ask for {address}"),
        Action::AddAddress(address) => format!("add {}", address.address),
        Action::RemoveAddress(address) => format!("remove {}", address.address),
        Action::AddRoute(route) => format!("add route {}", route.destination.address),
        Action::RemoveRoute(route) => format!("remove route {}", route.destination.address),
        Action::AddRule(rule) => format!("add rule {}", rule.preference.unwrap_or(0)),
        Action::RemoveRule(rule) => format!("remove rule {}", rule.preference.unwrap_or(0)),
        Action::Announce { address, .. } => format!("announce {address}"),
        Action::SetNoAccept(addresses) if addresses.is_empty() => return None,
        Action::SetNoAccept(addresses) => {
            let one = |one: &NoAccept| match &one.link {
                Some(link) => format!("{} on {link}", one.address),
                None => one.address.to_string(),
            };
            format!("no accept {}", addresses.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Action::MakeLink(link) => format!("make {}", link.name),
        Action::RemoveLink(link) => format!("remove link {}", link.name),
        Action::RestoreSettings(found) => {
            let one = |one: &FoundSetting| format!("{} {}={}", one.link, one.setting.word(), one.value);
            format!("restore {}", found.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Action::PromoteSecondaries(link) => format!("promote secondaries {link}"),
        Action::RunScript(script) => format!("run {script}"),
        Action::Notify(notification) => {
            let (NotifyObject::Instance(name) | NotifyObject::Group(name)) = &notification.object;
            format!("notify {name} {}", notification.state.word())
        }
        Action::SetGates(gates) if gates.is_empty() => return None,
        Action::SetGates(gates) => format!("gates {}", gates.iter().map(gate).collect::<Vec<_>>().join(", ")),
        Action::CloseGate(_) => "close gate".into(),
        Action::Finished => "finished".into(),
        // What they say is looked at where it matters; here only what a plain router would do counts.
        Action::SendHeartbeat(_) | Action::Tell(_) | Action::SocketsChanged => return None,
    })
}
