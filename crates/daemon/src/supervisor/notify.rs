//! The order of notify scripts.
//!
//! keepalived starts a script for every change and forgets it: the scripts of quick changes overlap and end in any
//! order, and the service behind them ends up in a state that is not the router's (issues 569, 584, 996, 1055). Here each
//! instance and each group has its own queue: one script at a time, in the order of the changes, and a change that is
//! out of date before its scripts were started is left out when a newer state of the same object waits behind it.
//!
//! DIFFERS: keepalived runs the scripts of one object in parallel.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use mainstay_config::model::{Model, NotifyCommands};
use mainstay_core::director::{ServerNotification, ServerObject};
use mainstay_core::router::{Notification, NotifyObject, NotifyState};

use super::command::Job;

/// Something that scripts are told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Of the router.
    Router(Notification),
    /// Of the director.
    Server(ServerNotification),
}

/// Whose change it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// An instance or a sync group.
    Router(NotifyObject),
    /// A virtual server or a real server.
    Server(ServerObject),
}

impl Object {
    /// What kind it is, in one word for a label.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Router(NotifyObject::Instance(_)) => "instance",
            Self::Router(NotifyObject::Group(_)) => "group",
            Self::Server(ServerObject::VirtualServer(_)) => "virtual_server",
            Self::Server(ServerObject::RealServer { .. }) => "real_server",
        }
    }
}

impl Change {
    /// Whose change it is.
    #[must_use]
    pub fn object(&self) -> Object {
        match self {
            Self::Router(notification) => Object::Router(notification.object.clone()),
            Self::Server(notification) => Object::Server(notification.object.clone()),
        }
    }

    /// What it says, in keepalived's word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Router(notification) => notification.state.word(),
            Self::Server(ServerNotification { up: true, .. }) => "UP",
            Self::Server(ServerNotification { up: false, .. }) => "DOWN",
        }
    }

    /// Whether this says what state the object is in, so that a later one makes it out of date.
    const fn is_state(&self) -> bool {
        match self {
            Self::Router(notification) => is_state(notification.state),
            Self::Server(_) => true,
        }
    }
}

impl From<Notification> for Change {
    fn from(notification: Notification) -> Self {
        Self::Router(notification)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Router(NotifyObject::Instance(name)) => write!(formatter, "({name})"),
            Self::Router(NotifyObject::Group(name)) => write!(formatter, "VRRP_Group({name})"),
            Self::Server(object) => object.fmt(formatter),
        }
    }
}

/// All queues.
#[derive(Debug, Default)]
pub struct NotifyQueues {
    objects: BTreeMap<Object, Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The change whose scripts are being run, with the scripts still to come.
    current: Option<(Change, VecDeque<Job>)>,
    waiting: VecDeque<(Change, VecDeque<Job>)>,
}

/// What an arrival did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Changes whose scripts will not be run, because a newer state of the same object waits.
    pub dropped: Vec<Change>,
    /// The change whose script is in the way.
    pub behind: Option<Change>,
}

impl NotifyQueues {
    /// A change arrived, with the scripts it calls for, in order.
    pub fn push(&mut self, change: Change, jobs: Vec<Job>) -> Queued {
        let object = change.object();
        if jobs.is_empty() && !self.objects.contains_key(&object) {
            return Queued::default();
        }
        let queue = self.objects.entry(object).or_default();
        let mut queued = Queued::default();
        if change.is_state() {
            queued.dropped = queue.waiting.drain(..).map(|(old, _)| old).collect();
        } else if queue.waiting.iter().any(|(old, _)| old.word() == change.word()) {
            // It already waits to be told of; once is enough.
            return queued;
        }
        queued.behind = queue.current.as_ref().map(|(running, _)| running.clone());
        if !jobs.is_empty() {
            queue.waiting.push_back((change, jobs.into()));
        }
        queued
    }

    /// The next script of an object, when none of its scripts runs.
    pub fn next(&mut self, object: &Object) -> Option<(Change, Job)> {
        let queue = self.objects.get_mut(object)?;
        loop {
            if queue.current.is_none() {
                queue.current = queue.waiting.pop_front();
            }
            let Some((change, jobs)) = &mut queue.current else {
                self.objects.remove(object);
                return None;
            };
            match jobs.pop_front() {
                Some(job) => return Some((change.clone(), job)),
                None => queue.current = None,
            }
        }
    }

    /// Whether every script of every change was run.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The objects whose newest change waits behind a script that still runs.
    pub fn held_up(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|(_, queue)| !queue.waiting.is_empty()).map(|(object, _)| object)
    }

    /// Forgets everything that was not started; the changes nobody will be told of.
    pub fn clear(&mut self) -> Vec<Change> {
        let queues = std::mem::take(&mut self.objects).into_values();
        queues.flat_map(|queue| queue.waiting).map(|(change, _)| change).collect()
    }
}

/// Whether this says what state the object is in, so that a later one makes it out of date.
const fn is_state(state: NotifyState) -> bool {
    match state {
        NotifyState::Master
        | NotifyState::Backup
        | NotifyState::Fault
        | NotifyState::Stop
        | NotifyState::Deleted => true,
        NotifyState::MasterRxLowerPriority | NotifyState::MasterPriority | NotifyState::BackupPriority => {
            false
        }
    }
}

/// The scripts a change calls for: its own, then the general one with the change appended.
#[must_use]
pub fn jobs(model: &Model, notification: &Notification) -> Vec<Job> {
    let commands = match &notification.object {
        NotifyObject::Instance(name) => model.instance_notify.get(name),
        NotifyObject::Group(name) => model.group_notify.get(name),
    };
    let Some(commands) = commands else { return Vec::new() };
    let own = own_command(commands, notification.state).cloned().map(Job::new);
    let general = commands.generic.clone().filter(|_| is_state(notification.state));
    let general = general.map(|command| Job { command, appended: arguments(notification) });
    own.into_iter().chain(general).collect()
}

/// The script a change of a virtual or real server calls for: `quorum_up`, `notify_down` and so on, with nothing
/// appended.
#[must_use]
pub fn server_jobs(model: &Model, notification: &ServerNotification) -> Vec<Job> {
    let commands = model.server_notify.get(&notification.object);
    let command =
        commands.and_then(|commands| if notification.up { &commands.up } else { &commands.down }.clone());
    command.map(Job::new).into_iter().collect()
}

const fn own_command(
    commands: &NotifyCommands,
    state: NotifyState,
) -> Option<&mainstay_config::model::Command> {
    match state {
        NotifyState::Master => commands.master.as_ref(),
        NotifyState::Backup => commands.backup.as_ref(),
        NotifyState::Fault => commands.fault.as_ref(),
        NotifyState::Stop => commands.stop.as_ref(),
        NotifyState::Deleted => commands.deleted.as_ref(),
        NotifyState::MasterRxLowerPriority => commands.master_rx_lower_priority.as_ref(),
        NotifyState::MasterPriority | NotifyState::BackupPriority => None,
    }
}

/// What a general notify script gets appended: `INSTANCE VI_1 MASTER 100`.
fn arguments(notification: &Notification) -> Vec<String> {
    let (kind, name) = kind_and_name(&notification.object);
    vec![kind.into(), name.into(), notification.state.word().into(), notification.priority.to_string()]
}

/// The line a FIFO gets: `INSTANCE "VI_1" MASTER 100`.
#[must_use]
pub fn fifo_line(notification: &Notification) -> String {
    let (kind, name) = kind_and_name(&notification.object);
    format!("{kind} \"{name}\" {} {}\n", notification.state.word(), notification.priority)
}

fn kind_and_name(object: &NotifyObject) -> (&'static str, &str) {
    match object {
        NotifyObject::Instance(name) => ("INSTANCE", name),
        NotifyObject::Group(name) => ("GROUP", name),
    }
}

#[cfg(test)]
mod tests {
    use mainstay_config::model::{Command, Identity};

    use super::*;

    fn told(name: &str, state: NotifyState) -> Notification {
        Notification { object: NotifyObject::Instance(name.into()), state, priority: 100 }
    }

    fn command(name: &str) -> Command {
        Command { arguments: vec![name.into()], identity: Identity { uid: 0, gid: 0 }, through_shell: false }
    }

    fn job(name: &str) -> Job {
        Job::new(command(name))
    }

    /// Queues the change with one script named like its state.
    fn push(queues: &mut NotifyQueues, name: &str, state: NotifyState) -> Queued {
        queues.push(told(name, state).into(), vec![job(state.word())])
    }

    fn next(queues: &mut NotifyQueues, name: &str) -> Option<String> {
        queues.next(&Object::Router(NotifyObject::Instance(name.into()))).map(|(_, job)| job.title())
    }

    #[test]
    fn scripts_of_one_change_run_one_after_the_other() {
        let mut queues = NotifyQueues::default();
        queues.push(told("a", NotifyState::Master).into(), vec![job("own"), job("general")]);
        assert_eq!(next(&mut queues, "a").as_deref(), Some("own"));
        assert_eq!(next(&mut queues, "a").as_deref(), Some("general"));
        assert_eq!(next(&mut queues, "a"), None);
        assert!(queues.is_empty());
    }

    #[test]
    fn a_state_that_was_not_started_gives_way_to_a_newer_one() {
        let mut queues = NotifyQueues::default();
        push(&mut queues, "a", NotifyState::Master);
        assert_eq!(next(&mut queues, "a").as_deref(), Some("MASTER"));
        assert_eq!(push(&mut queues, "a", NotifyState::Backup).dropped, []);
        let queued = push(&mut queues, "a", NotifyState::Fault);
        assert_eq!(queued.dropped, [told("a", NotifyState::Backup).into()]);
        assert_eq!(queued.behind, Some(told("a", NotifyState::Master).into()));
        assert_eq!(next(&mut queues, "a").as_deref(), Some("FAULT"));
        assert_eq!(next(&mut queues, "a"), None);
    }

    #[test]
    fn the_general_script_of_a_started_change_is_still_run() {
        let mut queues = NotifyQueues::default();
        queues.push(told("a", NotifyState::Master).into(), vec![job("own"), job("general")]);
        next(&mut queues, "a");
        push(&mut queues, "a", NotifyState::Backup);
        assert_eq!(next(&mut queues, "a").as_deref(), Some("general"));
        assert_eq!(next(&mut queues, "a").as_deref(), Some("BACKUP"));
    }

    #[test]
    fn a_state_without_scripts_makes_waiting_ones_out_of_date_too() {
        let mut queues = NotifyQueues::default();
        push(&mut queues, "a", NotifyState::Master);
        next(&mut queues, "a");
        push(&mut queues, "a", NotifyState::Fault);
        assert_eq!(queues.push(told("a", NotifyState::Backup).into(), Vec::new()).dropped.len(), 1);
        assert_eq!(next(&mut queues, "a"), None);
    }

    #[test]
    fn an_event_that_is_no_state_drops_nothing_and_waits_once() {
        let mut queues = NotifyQueues::default();
        push(&mut queues, "a", NotifyState::Master);
        next(&mut queues, "a");
        push(&mut queues, "a", NotifyState::MasterRxLowerPriority);
        assert_eq!(push(&mut queues, "a", NotifyState::MasterRxLowerPriority), Queued::default());
        assert_eq!(next(&mut queues, "a").as_deref(), Some("MASTER_RX_LOWER_PRI"));
        assert_eq!(next(&mut queues, "a"), None);
    }

    #[test]
    fn objects_do_not_wait_for_each_other() {
        let mut queues = NotifyQueues::default();
        push(&mut queues, "a", NotifyState::Master);
        push(&mut queues, "b", NotifyState::Backup);
        assert_eq!(next(&mut queues, "a").as_deref(), Some("MASTER"));
        assert_eq!(next(&mut queues, "b").as_deref(), Some("BACKUP"));
    }

    #[test]
    fn the_general_script_gets_type_name_state_and_priority() {
        let commands = NotifyCommands {
            master: Some(command("own")),
            generic: Some(command("general")),
            ..NotifyCommands::default()
        };
        let mut model = Model::default();
        model.instance_notify.insert("VI_1".into(), commands);
        let titles =
            |state| -> Vec<String> { jobs(&model, &told("VI_1", state)).iter().map(Job::title).collect() };
        assert_eq!(titles(NotifyState::Master), ["own", "general INSTANCE VI_1 MASTER 100"]);
        assert_eq!(titles(NotifyState::Stop), ["general INSTANCE VI_1 STOP 100"]);
        assert_eq!(titles(NotifyState::MasterPriority), [""; 0]);
    }

    #[test]
    fn a_fifo_line_quotes_the_name() {
        assert_eq!(fifo_line(&told("VI 1", NotifyState::Backup)), "INSTANCE \"VI 1\" BACKUP 100\n");
        let group = Notification {
            object: NotifyObject::Group("G1".into()),
            state: NotifyState::MasterRxLowerPriority,
            priority: 0,
        };
        assert_eq!(fifo_line(&group), "GROUP \"G1\" MASTER_RX_LOWER_PRI 0\n");
    }
}
