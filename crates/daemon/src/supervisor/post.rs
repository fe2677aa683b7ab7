//! Mail: which changes make a letter, and the letters that wait to be sent.
//!
//! Subjects are keepalived's, because people sort their mail by them; the text says why. One letter at a time is in the
//! hands of the mailer, a process of its own ([`crate::mailer`]); if that dies the letter is given to its successor.
//!
//! DIFFERS: keepalived writes about every change of every check of a real server, also when the server stays as it is, and
//! loses a letter that the relay does not take at once.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use mainstay_config::model::Model;
use mainstay_core::director::{ServerNotification, ServerObject};
use mainstay_core::router::{Event, Notification, NotifyObject, NotifyState, Reason, ScriptOutcome, Subject};
use mainstay_core::track::describe_outcome;
use nix::unistd::Pid;

use super::child::Child;
use crate::cli::{LogOptions, Role};
use crate::frames::{FromMailer, ToMailer};
use crate::mailer::Letter;

/// Letters that wait, at most: when very much happens the oldest are given up.
const WAITING: usize = 1000;

/// How long the end waits for letters.
const LAST_POST: Duration = Duration::from_secs(3);

/// The letters and who sends them.
#[derive(Debug)]
pub struct Post {
    mailer: Child<FromMailer, ToMailer>,
    /// The first one is in the mailer's hands, if it has any.
    waiting: VecDeque<Letter>,
    in_hand: bool,
    /// Letters given up because too many waited, since that was last said.
    dropped: u64,
    /// Why each object is in the state it is in.
    causes: BTreeMap<NotifyObject, String>,
    /// The end does not wait longer.
    give_up: Option<Instant>,
}

impl Post {
    /// Nothing to send.
    #[must_use]
    pub fn new(log: LogOptions) -> Self {
        Self {
            mailer: Child::new(Role::Mailer, "mainstay: mailer".into(), log, None),
            waiting: VecDeque::new(),
            in_hand: false,
            dropped: 0,
            causes: BTreeMap::new(),
            give_up: None,
        }
    }

    /// The router said why something changed; the change itself follows.
    pub fn note_cause(&mut self, event: &Event) {
        let Reason::StateChanged { cause, .. } = &event.reason else { return };
        let object = match &event.subject {
            Subject::Instance(name) => NotifyObject::Instance(name.clone()),
            Subject::Group(name) => NotifyObject::Group(name.clone()),
            Subject::Node | Subject::Tracker(_) | Subject::Link(_) | Subject::Bfd(_) => return,
        };
        self.causes.insert(object, cause.to_string());
    }

    /// An instance or a group changed; true if that makes a letter.
    pub fn router_changed(&mut self, model: &Model, notification: &Notification) -> bool {
        let cause = self.causes.get(&notification.object);
        let letter = about_router(model, notification, cause.map(String::as_str));
        self.push(letter)
    }

    /// A virtual or real server changed, and this was told of it; true if that makes a letter.
    pub fn server_changed(
        &mut self,
        model: &Model,
        notification: &ServerNotification,
        because: &[String],
    ) -> bool {
        self.push(about_server(model, notification, because))
    }

    fn push(&mut self, letter: Option<Letter>) -> bool {
        let Some(letter) = letter else { return false };
        if self.waiting.len() >= WAITING {
            // Not the one in the mailer's hands.
            let oldest = usize::from(self.in_hand);
            if let Some(letter) = self.waiting.remove(oldest) {
                self.dropped += 1;
                if self.dropped.is_power_of_two() {
                    tracing::error!(
                        "{WAITING} letters wait: \"{}\" is not sent ({} so far)",
                        letter.subject,
                        self.dropped
                    );
                }
            }
        }
        self.waiting.push_back(letter);
        true
    }

    /// Gives the mailer the next letter, if it has none; starts it if need be.
    pub fn go_on(&mut self, model: &Model, now: Instant) {
        let Some(letter) = self.waiting.front().filter(|_| !self.in_hand) else { return };
        let Some(mail) = &model.mail else {
            tracing::warn!("{} letters are not sent: mail is no longer configured", self.waiting.len());
            return self.waiting.clear();
        };
        if !self.mailer.is_running() && self.mailer.next_deadline().is_some() && !self.mailer.is_due(now) {
            // It died; the next one is started when its time has come.
            return;
        }
        let frame = ToMailer::Deliver(Box::new(mail.clone()), letter.clone());
        if self.mailer.is_running() {
            self.mailer.send(&frame);
            self.in_hand = true;
            return;
        }
        match self.mailer.start(&frame, now) {
            Ok(()) => self.in_hand = true,
            Err(error) => {
                tracing::error!("mail is not sent now: {error}");
                let death = self.mailer.died(now);
                self.mailer.restart_at(death.restart_at);
            }
        }
    }

    /// Takes what the mailer says.
    pub fn exchange(&mut self, now: Instant) {
        for frame in self.mailer.exchange(now) {
            match frame {
                FromMailer::Done => {
                    if std::mem::take(&mut self.in_hand) {
                        let _ = self.waiting.pop_front();
                    }
                }
            }
        }
    }

    /// Whether this process is the mailer.
    pub fn is(&self, pid: Pid) -> bool {
        self.mailer.is(pid)
    }

    /// The mailer ended; without a letter in its hands that is as it should be.
    pub fn mailer_ended(&mut self, outcome: &ScriptOutcome, now: Instant) {
        // Its last words may have arrived after the last look.
        self.exchange(now);
        let death = self.mailer.died(now);
        if std::mem::take(&mut self.in_hand) && *outcome != ScriptOutcome::Exited(0) {
            tracing::error!("the mailer {}: its letter goes to another one", describe_outcome(outcome));
            self.mailer.restart_at(death.restart_at);
        }
    }

    /// Kills what was to end.
    pub fn tick(&mut self, now: Instant) {
        self.mailer.tick(now);
    }

    /// When to look again at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.mailer.next_deadline().into_iter().chain(self.give_up).min()
    }

    /// The descriptor to poll, and whether for writing too.
    pub fn poll(&self) -> Option<(BorrowedFd<'_>, bool)> {
        self.mailer.poll()
    }

    /// The daemon ends: what waits has a little time.
    pub fn hurry(&mut self, now: Instant) {
        self.give_up = Some(now + LAST_POST);
    }

    /// Whether the end need not wait for letters.
    pub fn is_done(&self, now: Instant) -> bool {
        self.waiting.is_empty() || self.give_up.is_some_and(|until| until <= now)
    }

    /// Ends the mailer, whatever it does.
    pub fn end(&mut self, now: Instant) {
        if !self.waiting.is_empty() {
            tracing::warn!("{} letters were not sent", self.waiting.len());
        }
        self.waiting.clear();
        self.give_up = None;
        self.mailer.must_end_by(now);
        self.mailer.tick(now);
    }
}

/// The letter about a change of an instance or a group, if anybody wants one.
fn about_router(model: &Model, notification: &Notification, cause: Option<&str>) -> Option<Letter> {
    let mail = model.mail.as_ref()?;
    let (commands, what, name) = match &notification.object {
        NotifyObject::Instance(name) => (model.instance_notify.get(name), "VRRP Instance", name),
        NotifyObject::Group(name) => (model.group_notify.get(name), "VRRP Group", name),
    };
    let is_wanted = match notification.state {
        NotifyState::Master | NotifyState::Backup => true,
        NotifyState::Fault => mail.faults,
        NotifyState::Stop
        | NotifyState::Deleted
        | NotifyState::MasterRxLowerPriority
        | NotifyState::MasterPriority
        | NotifyState::BackupPriority => false,
    };
    if !is_wanted || !commands.is_some_and(|commands| commands.smtp_alert) {
        return None;
    }
    let state = notification.state.word();
    let node = &model.process.router_id;
    let mut text = format!("{what} {name} on {node} is {state} now.\n");
    if let Some(cause) = cause {
        let _ = writeln!(text, "Reason: {cause}.");
    }
    let _ = writeln!(text, "Priority: {}.", notification.priority);
    Some(Letter { subject: format!("[{node}] {what} {name} - Entering {state} state"), text })
}

/// The letter about a change of a virtual or real server, if anybody wants one.
fn about_server(model: &Model, notification: &ServerNotification, because: &[String]) -> Option<Letter> {
    let _ = model.mail.as_ref()?;
    if !model.server_notify.get(&notification.object).is_some_and(|told| told.smtp_alert) {
        return None;
    }
    let state = if notification.up { "UP" } else { "DOWN" };
    let what = match &notification.object {
        ServerObject::VirtualServer(key) => format!("Virtualserver {key}"),
        ServerObject::RealServer { real, protocol, of } => {
            format!("Realserver [{}]:{protocol}:{} of virtual server {of}", real.address, real.port)
        }
    };
    let node = &model.process.router_id;
    let mut text = format!("{what} is {state} now, as {node} sees it.\n");
    for line in because {
        let _ = writeln!(text, "{line}");
    }
    Some(Letter { subject: format!("[{node}] {what} - {state}"), text })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mainstay_config::model::{Mail, MailSecurity, Mailbox, NotifyCommands};
    use mainstay_core::router::{Cause, State};

    use super::*;

    fn model() -> Model {
        let mailbox = |user: &str| Mailbox { name: None, user: user.into(), domain: "example.com".into() };
        let mail = Mail {
            server: "127.0.0.1".into(),
            port: 25,
            security: MailSecurity::None,
            login: None,
            from: mailbox("ka"),
            to: vec![mailbox("admin")],
            helo: "lb1".into(),
            host: "lb1".into(),
            timeout: Duration::from_secs(1),
            faults: true,
        };
        let mut model = Model { mail: Some(mail), ..Model::default() };
        model.process.router_id = "LB1".into();
        let told = NotifyCommands { smtp_alert: true, ..NotifyCommands::default() };
        model.instance_notify.insert("VI_1".into(), told.clone());
        model.group_notify.insert("G".into(), told);
        model
    }

    fn post() -> Post {
        Post::new(LogOptions::default())
    }

    fn changed(name: &str, state: NotifyState) -> Notification {
        Notification { object: NotifyObject::Instance(name.into()), state, priority: 100 }
    }

    #[test]
    fn a_letter_has_keepalived_s_subject_and_says_why() {
        let (model, mut post) = (model(), post());
        let cause = Cause::NoAdvertFor { silence: Duration::from_millis(3609) };
        let reason = Reason::StateChanged { from: State::Backup, to: State::Master, cause };
        let at = mainstay_core::time::Instant::ZERO;
        post.note_cause(&Event { at, subject: Subject::Instance("VI_1".into()), reason });
        assert!(post.router_changed(&model, &changed("VI_1", NotifyState::Master)));
        let letter = &post.waiting[0];
        assert_eq!(letter.subject, "[LB1] VRRP Instance VI_1 - Entering MASTER state");
        assert!(letter.text.contains("Reason: no advert for 3.609 s."), "{}", letter.text);
        let group =
            Notification { object: NotifyObject::Group("G".into()), state: NotifyState::Master, priority: 0 };
        assert!(post.router_changed(&model, &group));
        assert_eq!(post.waiting[1].subject, "[LB1] VRRP Group G - Entering MASTER state");
    }

    #[test]
    fn states_make_letters_where_they_are_wanted_and_the_end_makes_none() {
        let (model, mut post) = (model(), post());
        assert!(post.router_changed(&model, &changed("VI_1", NotifyState::Backup)));
        assert!(post.router_changed(&model, &changed("VI_1", NotifyState::Fault)));
        assert!(!post.router_changed(&model, &changed("VI_1", NotifyState::Stop)));
        assert!(!post.router_changed(&model, &changed("other", NotifyState::Master)), "smtp_alert is off");
    }

    #[test]
    fn faults_can_be_left_out() {
        let (mut model, mut post) = (model(), post());
        model.mail.as_mut().expect("mail").faults = false;
        assert!(!post.router_changed(&model, &changed("VI_1", NotifyState::Fault)));
        assert!(post.router_changed(&model, &changed("VI_1", NotifyState::Backup)));
    }

    #[test]
    fn too_many_letters_cost_the_oldest() {
        let (model, mut post) = (model(), post());
        for _ in 0..WAITING + 3 {
            post.router_changed(&model, &changed("VI_1", NotifyState::Master));
        }
        assert_eq!((post.waiting.len(), post.dropped), (WAITING, 3));
    }
}
