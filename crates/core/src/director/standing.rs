//! What follows from a verdict: real servers in and out of service, quorum, sorry server, who is told.

use core::net::IpAddr;

use super::action::{Action, Actions, Event, ServerNotification, ServerObject, Subject};
use super::checker::Place;
use super::outcome::Outcome;
use super::reason::Reason;
use super::report::Memory;
use super::{Director, Verdict};
use crate::time::Instant;

impl Director {
    /// A checker has another verdict.
    pub(super) fn verdict_changed(&mut self, now: Instant, index: u32, actions: &mut Actions) {
        let Some(checker) = self.checkers.get(index) else { return };
        actions.push(Action::Remember(Memory::Verdict(checker.digest, checker.judge.verdict())));
        self.influence_changed(now, index, actions);
    }

    /// A checker says something else about the weight, or about the server.
    pub(super) fn influence_changed(&mut self, now: Instant, index: u32, actions: &mut Actions) {
        let listeners = self.checkers.get(index).map(|checker| checker.listeners.clone());
        for place in listeners.unwrap_or_default() {
            self.reassess(now, place, actions);
        }
    }

    /// Takes into account what the checkers of a real server say.
    pub(super) fn reassess(&mut self, now: Instant, place: Place, actions: &mut Actions) {
        let Some(server) = self.servers.get_mut(place.0 as usize) else { return };
        let Some(real) = server.reals.get_mut(place.1 as usize) else { return };
        let (good, weight) = real.judged(&self.checkers);
        let became_good = good && !real.good;
        let became_bad = !good && real.good;
        real.good = good;
        let before = real.weight;
        if before != weight {
            real.weight = weight;
            if real.serving {
                server.sum = server.sum - u64::from(before) + u64::from(weight);
            }
        }
        let served = real.serving;
        if became_good {
            server.living += 1;
        } else if became_bad {
            server.living -= 1;
        }
        let panics = server.too_few_live();
        let serves = good || (panics && served);
        if panics != server.panic {
            self.panic_changed(now, place, panics, actions);
        }
        if served != serves {
            self.serve(now, place, serves, true, actions);
            return;
        }
        if became_bad && served {
            self.tell_real(now, place, Reason::Held, actions);
        }
        if before != weight {
            if served {
                self.tell_real(now, place, Reason::WeightChanged { from: before, to: weight }, actions);
            }
            if !self.settle_quorum(now, place.0, actions) {
                self.place(place, actions);
            }
        }
    }

    /// Takes a real server into service or out of it.
    fn serve(&mut self, now: Instant, place: Place, serves: bool, notify: bool, actions: &mut Actions) {
        let Some(server) = self.servers.get_mut(place.0 as usize) else { return };
        let Some(real) = server.reals.get_mut(place.1 as usize) else { return };
        real.serving = serves;
        let weight = real.weight;
        if serves {
            server.sum += u64::from(weight);
        } else {
            server.sum -= u64::from(weight);
        }
        let flips = server.has_quorum() != server.up;
        if flips {
            // Everything of this virtual server moves in one go: what comes first, then what goes.
            server.up = !server.up;
            self.place_all(place.0, actions);
        } else {
            self.place(place, actions);
        }
        let reason = if serves { Reason::InService { weight } } else { Reason::OutOfService };
        self.tell_real(now, place, reason, actions);
        if notify && let Some(object) = self.real_object(place) {
            actions.push(Action::Notify(ServerNotification { object, up: serves }));
        }
        if flips {
            self.tell_quorum(now, place.0, actions);
        }
    }

    /// Lets a virtual server win or lose its quorum if its weights say so; true if they did.
    pub(super) fn settle_quorum(&mut self, now: Instant, server: u32, actions: &mut Actions) -> bool {
        let Some(found) = self.servers.get_mut(server as usize) else { return false };
        if found.has_quorum() == found.up {
            return false;
        }
        found.up = !found.up;
        self.place_all(server, actions);
        self.tell_quorum(now, server, actions);
        true
    }

    /// Tells everybody whether a virtual server has its quorum.
    pub(super) fn tell_quorum(&self, now: Instant, server: u32, actions: &mut Actions) {
        let Some(server) = self.servers.get(server as usize) else { return };
        let (sum, quorum) = (server.sum, server.plan.quorum);
        let reason = if server.up {
            Reason::QuorumGained { sum, quorum }
        } else {
            Reason::QuorumLost { sum, quorum, sorry: server.plan.sorry_server.is_some() }
        };
        let key = &server.plan.key;
        let object = ServerObject::VirtualServer(key.clone());
        actions.push(Action::Remember(Memory::Quorum(key.clone(), Some(server.up))));
        actions.push(Action::Tell(Event { at: now, subject: Subject::Server(object.clone()), reason }));
        actions.push(Action::Notify(ServerNotification { object, up: server.up }));
    }

    /// The panic threshold was crossed. With its end, those that fail and were held leave.
    fn panic_changed(&mut self, now: Instant, place: Place, panics: bool, actions: &mut Actions) {
        let Some(server) = self.servers.get_mut(place.0 as usize) else { return };
        server.panic = panics;
        let living = server.living;
        let total = u32::try_from(server.reals.len()).unwrap_or(u32::MAX);
        let reason =
            if panics { Reason::PanicBegan { living, total } } else { Reason::PanicEnded { living, total } };
        let subject = Subject::Server(ServerObject::VirtualServer(server.plan.key.clone()));
        actions.push(Action::Tell(Event { at: now, subject, reason }));
        if panics {
            return;
        }
        for number in 0..total {
            let held = self.servers[place.0 as usize]
                .reals
                .get(number as usize)
                .is_some_and(|real| real.serving && !real.good);
            if held && number != place.1 {
                self.serve(now, (place.0, number), false, true, actions);
            }
        }
    }

    /// Tells of an answer what is worth telling.
    pub(super) fn tell_answer(
        &self,
        now: Instant,
        index: u32,
        outcome: &Outcome,
        changed: bool,
        actions: &mut Actions,
    ) {
        let Some(checker) = self.checkers.get(index) else { return };
        let judgement = &checker.plan.judgement;
        let reason = match outcome {
            Outcome::Passed { .. } if changed => Reason::CheckPassed,
            Outcome::Failed(failure) if changed => Reason::CheckLost { words: failure.words.clone() },
            Outcome::Failed(failure)
                if judgement.log_all_failures || checker.judge.verdict() == Verdict::Up =>
            {
                let forgiven = checker.judge.forgiven(judgement);
                Reason::CheckFailed { words: failure.words.clone(), forgiven }
            }
            Outcome::Inconclusive(excuse) if judgement.log_all_failures || checker.unclear == 1 => {
                Reason::CheckSaysNothing(excuse.clone())
            }
            Outcome::Passed { .. } | Outcome::Failed(_) | Outcome::Inconclusive(_) => return,
        };
        let subject = Subject::Checker(checker.question());
        actions.push(Action::Tell(Event { at: now, subject, reason }));
    }

    fn tell_real(&self, now: Instant, place: Place, reason: Reason, actions: &mut Actions) {
        if let Some(object) = self.real_object(place) {
            actions.push(Action::Tell(Event { at: now, subject: Subject::Server(object), reason }));
        }
    }

    /// A real server as notifications name it.
    pub(super) fn real_object(&self, place: Place) -> Option<ServerObject> {
        let server = self.servers.get(place.0 as usize)?;
        let real = server.reals.get(place.1 as usize)?;
        Some(ServerObject::RealServer {
            real: real.plan.key,
            protocol: server.plan.protocol,
            of: server.plan.key.clone(),
        })
    }

    /// An address came to this machine or left it: `ha_suspend`.
    pub(super) fn suspend_or_resume(&mut self, now: Instant, address: IpAddr, actions: &mut Actions) {
        let held = self.addresses.contains(&address);
        let mut concerned = alloc::vec::Vec::new();
        for server in &mut self.servers {
            if server.plan.suspend_without != Some(address) || server.suspended != held {
                continue;
            }
            server.suspended = !held;
            concerned.extend(server.reals.iter().flat_map(|real| real.checkers.iter().copied()));
            let subject = Subject::Server(ServerObject::VirtualServer(server.plan.key.clone()));
            let reason = if held { Reason::Resumed } else { Reason::Suspended };
            actions.push(Action::Tell(Event { at: now, subject, reason }));
        }
        for index in concerned {
            self.activate(now, index);
        }
    }

    /// A checker asks while at least one of its listeners is not suspended.
    pub(super) fn activate(&mut self, now: Instant, index: u32) {
        let Some(checker) = self.checkers.get(index) else { return };
        let wanted =
            |place: &Place| self.servers.get(place.0 as usize).is_some_and(|server| !server.suspended);
        let active = checker.listeners.iter().any(wanted);
        self.checkers.set_active(now, index, active);
    }
}
