//! The director process: feeds [`mainstay_core::director::Director`] with what happens and performs what it orders.
//!
//! ```text
//!  supervisor ──frames──▶┌──────────────── loop ────────────────┐──orders, in order──▶ table lane: IPVS
//!  probes ────answers───▶│ answers before deadlines ─▶ step ─▶  │──questions─────────▶ probes, one task each
//!  table lane ──lists───▶│                                      │──scripts, changes──▶ supervisor
//!  kernel ──addresses───▶└──────────────────────────────────────┘
//! ```
//!
//! One thread and tokio: here untrusted answers are heard, and here much may happen at once. IPVS is told by a thread
//! of its own, because the kernel answers when it has time. A probe that panics is caught, counted, and says nothing
//! about its server. The death of this process leaves VRRP and the kernel's table as they are; the next one takes over.

mod addresses;
mod alarm;
mod asking;
mod event_loop;
mod history;
mod ledger;
mod link;
pub mod metrics;
mod settings;
mod standing;
mod table;
mod telling;
mod window;

use std::io;
use std::os::unix::net::UnixStream;

use self::event_loop::EventLoop;
use self::link::{Link, Peer};
use crate::frames::{FromDirector, ToDirector};

/// Runs until the supervisor says so, or is gone.
///
/// # Errors
/// When there is no runtime to be had, or the stream is garbage.
pub fn run(stream: UnixStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut link = Link::new(tokio::net::UnixStream::from_std(stream)?);
        match first_word(&mut link).await? {
            // As a task like the probes: waking what the runtime blocks on costs a system call, for every answer.
            Some(start) => {
                tokio::spawn(EventLoop::new(link, start)?.run()).await.map_err(io::Error::other)?
            }
            None => Ok(()),
        }
    })
}

/// Waits for [`ToDirector::Start`]; `None` if the supervisor ended, or wants us to end, before it said what to be.
async fn first_word(link: &mut Link) -> io::Result<Option<ToDirector>> {
    loop {
        match link.next()? {
            Some(start @ ToDirector::Start { .. }) => return Ok(Some(start)),
            Some(ToDirector::Shutdown) => {
                link.send(&FromDirector::Finished);
                link.flush().await?;
                return Ok(None);
            }
            Some(_) => return Err(io::Error::other("the supervisor's first word was not to start")),
            None => {}
        }
        if link.exchange().await? == Peer::Gone && link.is_read() {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests;
