//! The router process: feeds [`mainstay_core::router::Router`] with what happens and performs what it orders.
//!
//! ```text
//!                    ┌──────────────── loop (one thread, never waits for anything but time) ───────────────┐
//!  VRRP sockets ────▶│ read everything that is waiting ─▶ step ─▶ adverts at once, everything else to a lane │
//!  kernel events ───▶│                                                                                      │
//!  supervisor ──────▶│◀── refusals, lists, opened sockets ──┐            │ orders, in order                 │
//!                    └──────────────────────────────────────│────────────▼─────────────────────────────────┘
//!                                          effects lane: addresses, routes, rules, announcements, then who is told
//!                                          helper lane:  lists the kernel's tables, opens and closes sockets
//! ```
//!
//! The lanes exist because the kernel changes addresses, and joins groups, under one lock that anybody may hold (28
//! seconds were seen): that must not delay an advert. Nothing is decided here.

mod bfd;
mod claims;
mod effects;
mod event_loop;
mod gates;
mod helper;
mod intake;
mod outbox;
mod outcome;
mod pace;
mod scheduling;
mod segment;
mod sockets;
mod tape;
mod time_of_day;

use std::process::ExitCode;

use mainstay_config::model::ProcessSettings;
use mainstay_core::router::{Resume, RouterPlan};
use mainstay_system::wait::{Interest, Poll};
use nix::sys::signal::{SigSet, Signal};

use crate::frames::{Channel, FromRouter, Peer, ToRouter};
use event_loop::EventLoop;

/// The channel to the supervisor, seen from here.
pub type Supervisor = Channel<ToRouter, FromRouter>;

/// The whole life of the router process: waits for [`ToRouter::Start`], routes, hands over, ends.
///
/// It ends successfully when it handed over, asked by [`ToRouter::Shutdown`] or because the supervisor is gone.
#[must_use]
pub fn run(mut supervisor: Supervisor) -> ExitCode {
    leave_signals_to_the_supervisor();
    let ended = wait_for_start(&mut supervisor).and_then(|start| match start {
        Some(start) => EventLoop::new(supervisor, start)?.run(),
        None => Ok(()),
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the router cannot go on: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the supervisor says first.
struct Start {
    plan: Box<RouterPlan>,
    process: Box<ProcessSettings>,
    resume: Option<Resume>,
}

/// A terminal's Ctrl-C and `pkill` reach the whole process group; the supervisor decides, and tells us by frames.
fn leave_signals_to_the_supervisor() {
    let signals = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];
    // Blocking known signals cannot fail. Threads made later inherit it.
    let _ = signals.into_iter().collect::<SigSet>().thread_block();
}

/// `None` if the supervisor ended, or wants us to end, before it said what to be.
fn wait_for_start(supervisor: &mut Supervisor) -> anyhow::Result<Option<Start>> {
    let poll = Poll::new()?;
    poll.add(&*supervisor, 0, Interest::Read)?;
    let mut ready = Vec::new();
    loop {
        let peer = supervisor.receive()?;
        match supervisor.next()? {
            Some(ToRouter::Start { plan, process, resume }) => {
                return Ok(Some(Start { plan, process, resume }));
            }
            Some(ToRouter::Shutdown) => {
                let _ = supervisor.send(&FromRouter::Finished);
                return Ok(None);
            }
            Some(other) => anyhow::bail!("the supervisor's first word was {other:?}"),
            None if peer == Peer::Gone => return Ok(None),
            None => poll.wait(&mut ready, true)?,
        }
    }
}

#[cfg(test)]
mod tests;
