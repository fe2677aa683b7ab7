//! Asking servers whether they are well: one function, one exchange, one outcome.
//!
//! ```text
//! Probe ──> Prober::ask ──> Outcome
//! ```
//!
//! What the outcome means is not decided here: `core::director` has the checkers. What is promised here:
//! - An exchange ends: silence is bounded by the timeout, the whole by six of them, and so is everything that is kept
//!   of an answer.
//! - Whatever a server sends, the outcome is a value in words, and never a panic.
//! - The server is not blamed for this machine: a loop that was late, a socket that could not be opened.
//!
//! Read in this order: `patience` and `pulse` (when a timeout is believed), `socket`, then the kinds of questions.

mod patience;
mod pulse;
mod trouble;

mod manners;
mod options;
mod random;
mod socket;
mod tls;

pub mod dns;
pub mod genhash;
mod grpc;
pub mod http;
mod pattern;
mod ping;
mod smtp;
mod udp;

use mainstay_core::director::plan::TlsMaterial;
use mainstay_core::director::{Outcome, Probe, ProbeKind};
use tokio::time::Instant;

use self::manners::Manners;
use self::patience::Patience;
use self::pulse::Pulse;
use self::random::Random;
use self::tls::Contexts;
use self::trouble::{Exchange, Trouble};

/// What all probes share: TLS configurations, random numbers, and the pulse of the runtime.
///
/// Made once for a plan. Dropping it stops the pulse.
#[derive(Debug)]
pub struct Prober {
    tls: Contexts,
    random: Random,
    manners: Manners,
    pulse: Pulse,
}

impl Prober {
    /// Reads certificates, and begins to take the pulse of this runtime.
    ///
    /// A certificate that cannot be read is no error here: the probes that need it say so, each time.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(material: &TlsMaterial) -> Self {
        Self {
            tls: Contexts::new(material),
            random: Random::default(),
            manners: Manners::new(),
            pulse: Pulse::start(),
        }
    }

    /// Asks once. Dropping the future ends the exchange.
    pub async fn ask(&self, probe: &Probe) -> Outcome {
        let begun = Instant::now();
        match self.exchange(probe).await {
            Ok(()) => Outcome::Passed { took: begun.elapsed() },
            Err(Trouble::Failed(failure)) => Outcome::Failed(failure),
            Err(Trouble::Excused(excuse)) => Outcome::Inconclusive(excuse),
        }
    }

    async fn exchange(&self, probe: &Probe) -> Exchange<()> {
        let patience = &Patience::new(&self.pulse, probe.timeout);
        // The longer exchanges are boxed: a runtime with fifty thousand TCP checks should not keep room for fifty
        // thousand TLS sessions.
        match &probe.kind {
            ProbeKind::Tcp => socket::connect(probe, &self.manners, patience).await.map(drop),
            ProbeKind::Http(request) => Box::pin(http::ask(self, probe, request, patience)).await,
            ProbeKind::Smtp { helo } => Box::pin(smtp::ask(self, probe, helo, patience)).await,
            ProbeKind::Dns { record, name } => {
                let id = self.random.number() as u16;
                Box::pin(dns::ask(probe, *record, name, id, patience)).await
            }
            ProbeKind::Udp(question) => Box::pin(udp::ask(probe, question, &self.random, patience)).await,
            ProbeKind::Ping => Box::pin(ping::ask(probe, &self.random, patience)).await,
            ProbeKind::Grpc { service, tls } => {
                Box::pin(grpc::ask(self, probe, service, tls.as_ref(), patience)).await
            }
        }
    }
}
