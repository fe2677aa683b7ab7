//! How long a probe waits, and when it believes that nothing will come.
//!
//! keepalived's rule: `connect_timeout` bounds the connection, and then each wait for the server. A timeout is believed
//! only if the socket is not ready at that moment (an answer may lie in it, unread, because we were late) and if our
//! own loop was on time.
//!
//! DIFFERS: in keepalived a server that sends one byte now and then is never at its end. Here the exchange as a whole
//! has [`OVERALL`] times the timeout.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mainstay_core::director::{Excuse, Stage};
use mainstay_core::time::Duration;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, Sleep, sleep_until};

use super::pulse::{Follower, PERIOD, Pulse};
use super::trouble::{Trouble, seconds};

/// How many timeouts a whole exchange may take: half a minute with keepalived's default of 5 s.
pub(super) const OVERALL: u32 = 6;
/// A descriptor that is ready although its timeout has come is read within this time: the runtime will get to it.
const TO_READ_WHAT_IS_THERE: Duration = Duration::from_millis(100);
/// The part of a timeout our own loop may be late without spoiling the measure.
const TOLERATED: u32 = 4;
/// Lateness below this is never an excuse, however short the timeout.
const NEVER_AN_EXCUSE: Duration = Duration::from_millis(20);

/// How patient one exchange is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience<'a> {
    pulse: &'a Pulse,
    /// Longest silence.
    silence: Duration,
    /// End of the whole exchange.
    ends: Instant,
}

/// The time is over and nothing is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expired;

impl<'a> Patience<'a> {
    /// For an exchange that begins now.
    pub(super) fn new(pulse: &'a Pulse, silence: Duration) -> Self {
        Self { pulse, silence, ends: Instant::now() + silence.saturating_mul(OVERALL) }
    }

    /// Waits for a future that waits for `events` of a descriptor, at most the longest silence.
    pub(super) async fn wait<T>(
        &self,
        socket: impl AsFd,
        events: PollFlags,
        future: impl Future<Output = T>,
    ) -> Result<T, Expired> {
        tokio::pin!(future);
        let (deadline, follower) = (self.deadline(), self.pulse.follow());
        if self.silence > PERIOD {
            // Most answers come sooner than a beat of the pulse, and need no timer.
            tokio::select! {
                biased;
                result = &mut future => return Ok(result),
                () = follower.beat() => {}
            }
        }
        let timer = sleep_until(deadline);
        tokio::pin!(timer);
        loop {
            tokio::select! {
                biased;
                result = &mut future => return Ok(result),
                () = &mut timer => {
                    if Instant::now() >= self.ends || !is_ready(socket.as_fd(), events) {
                        return Err(Expired);
                    }
                    timer.as_mut().reset(Instant::now() + TO_READ_WHAT_IS_THERE);
                }
            }
        }
    }

    /// Who is to blame for an expired timeout.
    pub(super) fn expired(&self, stage: Stage) -> Trouble {
        let now = Instant::now();
        let late = self.pulse.stalled_since(now.checked_sub(self.silence).unwrap_or(now));
        if late >= NEVER_AN_EXCUSE.max(self.silence / TOLERATED) {
            return Trouble::Excused(Excuse::Late(late));
        }
        if now < self.ends {
            return Trouble::silence(stage, self.silence);
        }
        let whole = seconds(self.silence.saturating_mul(OVERALL));
        Trouble::failed(stage, format!("not finished within {whole}"))
    }

    /// What an error of a [`Patient`] stream means.
    pub(super) fn judge(&self, stage: Stage, error: &io::Error) -> Trouble {
        match error.kind() {
            // Of the timer below; the kernel's ETIMEDOUT has a number.
            io::ErrorKind::TimedOut if error.raw_os_error().is_none() => self.expired(stage),
            io::ErrorKind::UnexpectedEof => Trouble::closed(stage),
            _ => Trouble::kernel(stage, error),
        }
    }

    fn deadline(&self) -> Instant {
        (Instant::now() + self.silence).min(self.ends)
    }
}

/// Whether the kernel has something for us that the runtime has not told yet.
fn is_ready(socket: BorrowedFd<'_>, events: PollFlags) -> bool {
    let mut polled = [PollFd::new(socket, events)];
    nix::poll::poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// A connection whose reads and writes do not wait longer than our patience. They fail with
/// [`io::ErrorKind::TimedOut`] then, which [`Patience::judge`] understands.
#[derive(Debug)]
pub(super) struct Patient {
    stream: TcpStream,
    silence: Duration,
    ends: Instant,
    /// The end of this silence.
    deadline: Instant,
    alarm: Alarm,
    _follower: Follower,
}

/// What wakes who waits for the next movement.
#[derive(Debug)]
enum Alarm {
    /// A beat of the pulse: most answers come sooner, and need no timer.
    Beat(Pin<Box<OwnedNotified>>),
    /// The end of the silence.
    Timer(Pin<Box<Sleep>>),
}

impl Patient {
    pub(super) fn new(stream: TcpStream, patience: &Patience<'_>) -> Self {
        let (deadline, follower) = (patience.deadline(), patience.pulse.follow());
        let alarm = if patience.silence > PERIOD {
            Alarm::Beat(Box::pin(follower.beat()))
        } else {
            Alarm::Timer(Box::pin(sleep_until(deadline)))
        };
        Self { stream, silence: patience.silence, ends: patience.ends, deadline, alarm, _follower: follower }
    }

    /// The connection itself.
    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Something moved: the next silence begins.
    fn moved(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if now >= self.ends {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.deadline = (now + self.silence).min(self.ends);
        Ok(())
    }

    /// Nothing moves: is it time to give up?
    fn poll_patience(&mut self, context: &mut Context<'_>, events: PollFlags) -> Poll<io::Error> {
        loop {
            let timer = match &mut self.alarm {
                Alarm::Beat(beat) => {
                    ready!(beat.as_mut().poll(context));
                    self.alarm = Alarm::Timer(Box::pin(sleep_until(self.deadline)));
                    continue;
                }
                Alarm::Timer(timer) => timer,
            };
            ready!(timer.as_mut().poll(context));
            let now = Instant::now();
            if now >= self.deadline {
                if now >= self.ends || !is_ready(self.stream.as_fd(), events) {
                    return Poll::Ready(io::ErrorKind::TimedOut.into());
                }
                self.deadline = now + TO_READ_WHAT_IS_THERE;
            }
            // It was set before the last movement, or there is something to read.
            timer.as_mut().reset(self.deadline);
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(self.moved()),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_patience(context, PollFlags::POLLIN).map(Err),
        }
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(Ok(written)) => Poll::Ready(self.moved().map(|()| written)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_patience(context, PollFlags::POLLOUT).map(Err),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
