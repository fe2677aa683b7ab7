//! The snapshot for people and metrics.

use alloc::string::ToString;

use super::Director;
use super::report::{CheckerReport, RealServerReport, Report, VirtualServerReport};
use super::server::{RealServer, VirtualServer};

impl Director {
    /// What the director looks like now.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            virtual_servers: self.servers.iter().map(|server| self.server_report(server)).collect(),
            table: self.kernel.known.is_some(),
            checkers: u32::try_from(self.checkers.len()).unwrap_or(u32::MAX),
            tallies: self.tally.report(),
        }
    }

    fn server_report(&self, server: &VirtualServer) -> VirtualServerReport {
        VirtualServerReport {
            key: server.plan.key.clone(),
            label: server.plan.label.clone(),
            up: server.up,
            weight: server.sum,
            quorum: server.plan.quorum,
            panic: server.panic,
            suspended: server.suspended,
            real_servers: server.reals.iter().map(|real| self.real_report(real)).collect(),
        }
    }

    fn real_report(&self, real: &RealServer) -> RealServerReport {
        let checkers = real.checkers.iter().filter_map(|index| self.checkers.get(*index));
        RealServerReport {
            key: real.plan.key,
            label: real.plan.label.clone(),
            good: real.good,
            serving: real.serving,
            weight: real.weight,
            checkers: checkers
                .map(|checker| CheckerReport {
                    question: checker.question(),
                    verdict: checker.judge.verdict(),
                    answers: checker.answers,
                    took_us: (checker.took_us > 0).then_some(checker.took_us),
                    trouble: checker.trouble.as_ref().map(ToString::to_string),
                })
                .collect(),
        }
    }
}
