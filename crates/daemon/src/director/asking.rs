//! Probes on their way: one task each, a panic is caught.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use mainstay_core::director::plan::TlsMaterial;
use mainstay_core::director::{CheckerId, Excuse, Input, Outcome, Probe};
use mainstay_system::probe::Prober;
use tokio::sync::mpsc::UnboundedSender;

/// Who asks.
#[derive(Debug)]
pub struct Asking {
    material: TlsMaterial,
    prober: Arc<Prober>,
    facts: UnboundedSender<Input>,
}

impl Asking {
    /// Begins; answers go to `facts`.
    #[must_use]
    pub fn start(material: TlsMaterial, facts: UnboundedSender<Input>) -> Self {
        let prober = Arc::new(Prober::start(&material));
        Self { material, prober, facts }
    }

    /// Another plan: certificates are read again, for they may have changed on the disk. Questions on their way are
    /// answered all the same.
    pub fn follow(&mut self, material: &TlsMaterial) {
        if self.material != *material || *material != TlsMaterial::default() {
            self.material = material.clone();
            self.prober = Arc::new(Prober::start(material));
        }
    }

    /// Asks; the answer comes as a fact.
    pub fn ask(&self, checker: CheckerId, probe: Arc<Probe>) {
        let (prober, facts) = (Arc::clone(&self.prober), self.facts.clone());
        tokio::spawn(async move {
            let outcome = guarded(prober.ask(&probe)).await.unwrap_or_else(|| {
                tracing::error!("{probe}: the probe panicked; please report it");
                Outcome::Inconclusive(Excuse::Panicked)
            });
            // Nobody hears it when everything ends.
            let _ = facts.send(Input::Answered { checker, outcome });
        });
    }
}

/// What a future comes to; `None` if it panics.
pub async fn guarded<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        // After a panic the future is only dropped: nobody sees what it left half done.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}
