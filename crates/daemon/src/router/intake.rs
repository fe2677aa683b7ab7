//! The reading half of the loop: every fact, from wherever it comes, in one order.

use std::sync::Arc;

use mainstay_core::address::Route;
use mainstay_core::router::{Carries, Event, Input, Listening, Report, RouterPlan};
use mainstay_core::time::Duration;
use mainstay_system::claims::Claim;
use mainstay_system::clock;
use mainstay_system::netlink::Heard;
use mainstay_system::wait::Ready;

use super::event_loop::{EventLoop, LANES, MONITOR, SUPERVISOR, TIMER};
use super::helper::Task;
use super::outcome::{Outcome, complaint};
use super::{bfd, claims};
use crate::frames::{FromRouter, Peer, ToRouter};

/// VRRP messages read in one turn, so that a flood cannot keep our own adverts from being sent.
const MESSAGES: usize = 4096;

/// Time spent reading VRRP messages in one turn, for the same reason.
const READING: Duration = Duration::from_millis(5);

impl EventLoop {
    /// Reads from everything that is ready. After a stall (`late`) everything that came in the meantime is read, as
    /// far as a buffer can hold; else only so much that our own adverts are not held up.
    pub(super) fn read(&mut self, ready: &[Ready], late: bool) -> anyhow::Result<()> {
        let (mut supervisor, mut lanes) = (false, false);
        self.waiting.clear();
        self.claiming.clear();
        for event in ready {
            match event.token {
                SUPERVISOR => {
                    if event.writable {
                        self.outbox.flush();
                    }
                    supervisor |= event.readable;
                }
                // Kernel events come first: they say what the packets may be about.
                MONITOR => self.hear()?,
                // It has done its work by waking us.
                TIMER => {}
                LANES => lanes = true,
                token if token >= bfd::FIRST_TOKEN => self.bfd.is_ready(token),
                token if token >= claims::FIRST_TOKEN => self.claiming.push(token),
                token => self.waiting.push(token),
            }
        }
        self.receive(late);
        // After the adverts: they may say that a claim is no stranger's.
        self.hear_claims();
        self.bfd.receive(&mut self.inbox, late);
        if supervisor {
            self.listen()?;
        }
        if lanes {
            self.collect()?;
        }
        Ok(())
    }

    /// Hears what changed in the kernel.
    fn hear(&mut self) -> anyhow::Result<()> {
        let mut inputs = Vec::new();
        let heard = self.monitor.read(&mut inputs)?;
        let now = clock::now();
        for input in inputs {
            self.router.step(now, input, &mut self.actions);
        }
        if heard == Heard::Lost {
            self.ask_for_list();
        }
        Ok(())
    }

    /// Has the kernel listed; once more if that is being done already, because the part that matters may be done.
    fn ask_for_list(&mut self) {
        if self.listing {
            self.list_is_old = true;
            return;
        }
        self.listing = true;
        self.helper.ask(Task::List);
    }

    /// Reads the sockets in [`Self::waiting`], a burst from each in turn.
    fn receive(&mut self, late: bool) {
        let began = clock::now();
        let (messages, reading) = if late { (16 * MESSAGES, 10 * READING) } else { (MESSAGES, READING) };
        let mut count = 0;
        self.first = self.first.wrapping_add(1);
        if !self.waiting.is_empty() {
            let first = self.first % self.waiting.len();
            self.waiting.rotate_left(first);
        }
        while !self.waiting.is_empty() {
            let Self { waiting, sockets, inbox, router, actions, .. } = self;
            waiting.retain(|token| {
                let Some(socket) = sockets.by_token(*token) else { return false };
                let carries = socket.wanted().carries;
                // An error is that of the link (down, gone), of which the monitor tells; reading has cleared it.
                let Ok(packets) = inbox.receive(socket) else { return false };
                let now = clock::now();
                for packet in packets {
                    let input = match carries {
                        Carries::Adverts | Carries::AdvertsInAh => Input::PacketReceived(packet),
                        Carries::Heartbeats(_) => Input::HeartbeatReceived(packet),
                    };
                    router.step(now, input, actions);
                    count += 1;
                }
                inbox.is_full()
            });
            if count >= messages || clock::now().saturating_since(began) >= reading {
                break;
            }
        }
    }

    /// Reads one burst from each socket in [`Self::claiming`].
    fn hear_claims(&mut self) {
        let Self { claiming, claims, inbox, router, actions, .. } = self;
        for token in claiming.drain(..) {
            let Some(socket) = claims.by_token(token) else { continue };
            // An error is that of the link, as above.
            let Ok(heard) = inbox.claims(socket) else { continue };
            let now = clock::now();
            for Claim { link, address, mac } in heard {
                router.step(now, Input::ClaimHeard { link, address, mac }, actions);
            }
        }
    }

    /// Takes in what the supervisor says.
    pub(super) fn listen(&mut self) -> anyhow::Result<()> {
        let peer = self.outbox.receive()?;
        while let Some(frame) = self.outbox.supervisor().next()? {
            self.take_in(frame);
        }
        if peer == Peer::Gone {
            // Nobody would restart us, run our scripts or stop us: hand over while we can.
            tracing::error!("the supervisor is gone: handing over");
            self.poll.remove(&*self.outbox.supervisor())?;
            self.outbox.close();
            self.shut_down();
        }
        Ok(())
    }

    fn take_in(&mut self, frame: ToRouter) {
        match frame {
            ToRouter::Start { .. } => tracing::error!("the supervisor said twice what to be; ignored"),
            ToRouter::Reload(plan) => {
                if let Err(error) = self.follow(&plan) {
                    self.complain(&error);
                }
                // What no session has any more is not tracked either, and the other way round.
                self.bfd.reload(clock::now(), &plan);
                self.step(Input::Reloaded(plan));
                self.pending.push(FromRouter::ReloadApplied);
            }
            ToRouter::Shutdown => self.shut_down(),
            ToRouter::ScriptFinished { script, outcome } => {
                self.step(Input::ScriptFinished { script, outcome })
            }
            ToRouter::FileRead { file, value } => self.step(Input::FileRead { file, value }),
            ToRouter::ProcessesCounted { process, count } => {
                self.step(Input::ProcessesCounted { process, count });
            }
            ToRouter::ReportRequested(number) => {
                let report = Box::new(Report { bfd: self.bfd.report(), ..self.router.report() });
                self.outbox.send(FromRouter::Report(number, report));
            }
        }
    }

    /// Filters for another plan.
    fn follow(&mut self, plan: &RouterPlan) -> mainstay_system::Result<()> {
        self.monitor.follow_routes_of(&route_protocols(plan))?;
        self.sockets.follow(plan)
    }

    /// Takes in what the lanes say.
    fn collect(&mut self) -> anyhow::Result<()> {
        self.waker.quiet();
        while let Ok(outcome) = self.outcomes.try_recv() {
            match outcome {
                Outcome::Refused(input) => self.step(input),
                Outcome::Link(input) => {
                    // What was made has been told by the kernel already.
                    self.hear()?;
                    self.step(input);
                }
                Outcome::Released(addresses) => {
                    addresses.into_iter().for_each(|address| self.step(Input::AddressReleased(address)));
                }
                Outcome::Notify(notification) => self.outbox.send(FromRouter::Notify(notification)),
                Outcome::Tell(event) => self.tell(&event),
                Outcome::Flushed => {
                    self.outbox.send(FromRouter::Finished);
                    self.ended = true;
                }
                Outcome::Listed(tables) => {
                    self.listing = false;
                    if std::mem::take(&mut self.list_is_old) {
                        self.ask_for_list();
                    }
                    // Events from before the list must not be taken for news after it.
                    self.hear()?;
                    match tables {
                        Ok(tables) => self.step(tables.into()),
                        Err(error) => {
                            self.complain(&error);
                            self.ask_for_list();
                        }
                    }
                }
                Outcome::Opened(wanted, result) => {
                    let opened = self.sockets.opened(clock::now(), wanted, result, &self.poll, &self.helper);
                    let listening = match opened {
                        Ok(()) => Listening::Open,
                        Err(error) => {
                            self.complain(&error);
                            Listening::Refused(error.errno())
                        }
                    };
                    // A socket that is not wanted any more is not known to the core either.
                    self.step(Input::SocketBecame { socket: wanted, listening });
                }
                Outcome::Watching(place, result) => {
                    let opened = self.claims.opened(clock::now(), place, result, &self.poll, &self.helper);
                    if let Err(error) = opened {
                        self.complain(&error);
                    }
                }
            }
        }
        Ok(())
    }

    fn shut_down(&mut self) {
        self.step(Input::ShutdownRequested);
        self.bfd.shut_down(clock::now());
    }

    pub(super) fn step(&mut self, input: Input<'static>) {
        self.router.step(clock::now(), input, &mut self.actions);
    }

    /// Tells of a refusal that changes no decision.
    pub(super) fn complain(&mut self, error: &mainstay_system::Error) {
        let operation = format!("{} {}", error.operation, error.object);
        self.tell(&complaint(operation, error.errno()));
    }

    pub(super) fn tell(&mut self, event: &Event) {
        self.outbox.send_or_lose(&FromRouter::Event(event.clone()));
    }
}

/// Who installs the routes of a plan, for the monitor's filter.
pub(super) fn route_protocols(plan: &RouterPlan) -> Vec<u8> {
    let routes = plan.instances.iter().flat_map(|instance| &instance.routes).chain(&plan.static_routes);
    let mut protocols: Vec<u8> = routes.map(|route: &Arc<Route>| route.protocol).collect();
    protocols.sort_unstable();
    protocols.dedup();
    protocols
}
