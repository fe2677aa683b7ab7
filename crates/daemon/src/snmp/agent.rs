//! The task that is a sub-agent: connects, answers, tells, and begins anew when the SNMP agent goes away.
//!
//! It is bounded whatever the agent does: one question at a time, one snapshot a second at most, and a queue of changes
//! that drops what nobody takes.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use mainstay_agentx::Session;
use mainstay_agentx::pdu::{Body, Pdu};
use mainstay_agentx::session::{Heard, Over};
use mainstay_config::Model;
use mainstay_core::time::Instant;
use mainstay_system::clock;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::connection::{Connection, USUAL};
use super::links::Links;
use super::snapshot::{Memory, RouterSide, Snapshot};
use super::traps::{Change, traps};
use super::{subtrees, view};

/// What the agent is told we are.
const DESCRIPTION: &str = "Mainstay";

/// Seconds the agent should wait for an answer of ours.
const TIMEOUT_S: u8 = 5;

/// How long the rest of the daemon may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(3);

/// How old an answer may be. A walk asks for thousands of objects one by one.
const FRESH: Duration = Duration::from_secs(1);

/// Time between two looks whether the agent still knows us (net-snmp's own sub-agents look as often).
const PING: Duration = Duration::from_secs(15);

/// Time before connecting again: doubled each time, from the first to the last.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// Changes that may wait to be told.
const MOST_CHANGES: usize = 1024;

/// A change that could not be told for so long is not told any more.
const STALE: Duration = Duration::from_secs(30);

/// How long the end may wait for what is still to be told.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Who wants to know how everything is.
pub type Wish = oneshot::Sender<RouterSide>;

/// Our end of the task.
#[derive(Debug)]
pub struct Agent {
    wishes: Receiver<Wish>,
    changes: Sender<(Instant, Change)>,
    model: watch::Sender<Arc<Model>>,
    task: JoinHandle<()>,
    dropped: u64,
}

impl Agent {
    /// Starts the task.
    #[must_use]
    pub fn start(model: Arc<Model>) -> Self {
        let (wisher, wishes) = channel(1);
        let (changes, told) = channel(MOST_CHANGES);
        let (model, followed) = watch::channel(model);
        let task = Task {
            wisher,
            changes: told,
            model: followed,
            snapshot: None,
            is_stale: false,
            memory: Memory::default(),
            uptime: (Duration::ZERO, clock::now()),
        };
        let task = tokio::spawn(task.run());
        Self { wishes, changes, model, task, dropped: 0 }
    }

    /// Ends the task, as soon as it has told what waits to be told, or cannot.
    pub async fn finish(self) {
        let Self { wishes, changes, model, task, .. } = self;
        drop((wishes, changes));
        let _ = timeout(LAST_WORDS, task).await;
        // Until here: without it the task would end at once.
        drop(model);
    }

    /// Somebody wants to know how everything is. Dropping the future loses nothing.
    pub async fn wish(&mut self) -> Wish {
        match self.wishes.recv().await {
            Some(wish) => wish,
            // The task has ended.
            None => std::future::pending().await,
        }
    }

    /// Another configuration is in force.
    pub fn follow(&self, model: Arc<Model>) {
        self.model.send_replace(model);
    }

    /// Something changed.
    pub fn changed(&mut self, change: Change) {
        if self.changes.try_send((clock::now(), change)).is_err() {
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                tracing::warn!("SNMP: {} changes were not told: the agent does not take them", self.dropped);
            }
        }
    }
}

struct Task {
    wisher: Sender<Wish>,
    changes: Receiver<(Instant, Change)>,
    model: watch::Receiver<Arc<Model>>,
    /// The newest.
    snapshot: Option<Arc<Snapshot>>,
    /// Something has changed since.
    is_stale: bool,
    memory: Memory,
    /// `sysUpTime` of the agent, and when it said so.
    uptime: (Duration, Instant),
}

/// How a conversation ended.
enum End {
    /// The configuration says something else about it.
    Changed,
    /// The daemon ends.
    Finished,
}

impl Task {
    async fn run(mut self) {
        let mut wait = AGAIN.0;
        let mut trouble = String::new();
        loop {
            let mut was_open = false;
            let ended = self.connect(&mut was_open).await;
            if was_open {
                wait = AGAIN.0;
                trouble.clear();
            }
            match ended {
                Ok(End::Finished) => return,
                Ok(End::Changed) => continue,
                Err(error) => {
                    // Once, however often it is tried.
                    let text = error.to_string();
                    if text != trouble {
                        tracing::warn!("SNMP agent {}: {text}; trying again", self.socket());
                        trouble = text;
                    }
                }
            }
            sleep(wait).await;
            wait = (wait * 2).min(AGAIN.1);
            if self.changes.is_closed() {
                return;
            }
        }
    }

    fn socket(&self) -> String {
        self.model.borrow().snmp.socket.clone().unwrap_or_else(|| USUAL.into())
    }

    async fn connect(&mut self, was_open: &mut bool) -> io::Result<End> {
        let model = self.model.borrow_and_update().clone();
        if !model.snmp.is_wanted() {
            return Ok(match self.model.changed().await {
                Ok(()) => End::Changed,
                Err(_) => End::Finished,
            });
        }
        let mut connection = Connection::open(&self.socket()).await?;
        let mut session = Session::new(DESCRIPTION, TIMEOUT_S, subtrees(&model.snmp));
        connection.write(&session.open()).await?;
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        loop {
            tokio::select! {
                pdu = connection.next() => {
                    let reply = self.heard(&mut session, pdu?, was_open).await?;
                    connection.write(&reply).await?;
                }
                change = self.changes.recv(), if *was_open => {
                    let Some((at, change)) = change else {
                        connection.write(&session.close()).await?;
                        return Ok(End::Finished);
                    };
                    let told = self.tell(&mut session, at, &change).await;
                    connection.write(&told).await?;
                }
                _ = ping.tick() => {
                    // Before the session is open this is the end of our patience with its opening.
                    let Some(bytes) = session.ping() else {
                        return Err(io::Error::new(ErrorKind::TimedOut, "it does not answer"));
                    };
                    connection.write(&bytes).await?;
                }
                changed = self.model.changed() => {
                    let is_other = changed.is_ok() && {
                        let new = self.model.borrow_and_update();
                        (&new.snmp.socket, subtrees(&new.snmp)) != (&model.snmp.socket, subtrees(&model.snmp))
                    };
                    self.is_stale = true;
                    if is_other || changed.is_err() {
                        connection.write(&session.close()).await?;
                        return Ok(if is_other { End::Changed } else { End::Finished });
                    }
                }
            }
        }
    }

    /// What a message of the agent calls for: the bytes to write.
    async fn heard(&mut self, session: &mut Session, pdu: Pdu, was_open: &mut bool) -> io::Result<Vec<u8>> {
        if let Body::Response { uptime, .. } = &pdu.body {
            self.uptime = (Duration::from_millis(u64::from(*uptime) * 10), clock::now());
        }
        match session.hear(pdu) {
            Heard::Nothing => Ok(Vec::new()),
            Heard::Opened(registrations) => {
                *was_open = true;
                tracing::info!("SNMP agent {}: connected", self.socket());
                Ok(registrations)
            }
            Heard::Asked(question) => {
                let snapshot = self.snapshot().await;
                Ok(session.answer(&question, &view(&snapshot)))
            }
            Heard::Reply(reply) => Ok(reply),
            Heard::Refused { subtree, why } => {
                tracing::warn!("SNMP agent {}: we may not answer for {subtree}: {why}", self.socket());
                Ok(Vec::new())
            }
            Heard::NotTaken(why) => {
                tracing::debug!("SNMP agent: a notification was not taken: {why}");
                Ok(Vec::new())
            }
            Heard::Over(over) => Err(io::Error::new(
                ErrorKind::ConnectionAborted,
                match over {
                    Over::NotOpened(why) => format!("it does not want a session: {why}"),
                    Over::Closed(reason) => format!("it has ended the session: {reason:?}"),
                    Over::Forgotten => "it has forgotten the session".into(),
                },
            )),
        }
    }

    /// The notifications of a change.
    async fn tell(&mut self, session: &mut Session, at: Instant, change: &Change) -> Vec<u8> {
        // What is asked from now on must know of it.
        self.is_stale = true;
        let snapshot = self.snapshot().await;
        if clock::now().saturating_since(at) > STALE {
            return Vec::new();
        }
        let told = traps(&snapshot, change).into_iter();
        told.filter_map(|(name, objects)| session.notify(&name, objects)).flatten().collect()
    }

    /// How everything is now, or was a moment ago.
    async fn snapshot(&mut self) -> Arc<Snapshot> {
        let now = clock::now();
        if let Some(snapshot) = &self.snapshot
            && now.saturating_since(snapshot.at) < FRESH
            && !self.is_stale
        {
            return Arc::clone(snapshot);
        }
        let (wish, coming) = oneshot::channel();
        let asked = async {
            self.wisher.send(wish).await.ok()?;
            coming.await.ok()
        };
        let side = timeout(PATIENCE, asked).await.ok().flatten();
        let router = match (side, &self.snapshot) {
            (Some(side), _) => {
                self.memory.follow(&side.report);
                side
            }
            // An old answer is better than none.
            (None, Some(old)) => old.router.clone(),
            (None, None) => RouterSide::default(),
        };
        let at = clock::now();
        let (uptime, said) = self.uptime;
        let snapshot = Arc::new(Snapshot {
            at,
            model: self.model.borrow().clone(),
            router,
            links: Links::read(),
            memory: self.memory.clone(),
            uptime: uptime + at.saturating_since(said),
        });
        self.is_stale = false;
        self.snapshot = Some(Arc::clone(&snapshot));
        snapshot
    }
}

#[cfg(test)]
mod tests;
