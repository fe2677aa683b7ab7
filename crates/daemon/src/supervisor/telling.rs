//! Events as log lines.
//!
//! The beginning of a line about a change of state is keepalived's, because people and programs look for it in logs
//! (`(VI_1) Entering MASTER STATE`); what follows in parentheses is ours: why.

use mainstay_core::bfd;
use std::time::{SystemTime, UNIX_EPOCH};

use mainstay_control::Happening;
use mainstay_core::router::{Cause, Event, Reason, State, Subject};
use tracing::Level;

/// How important an event is, and its line.
#[must_use]
pub fn line(event: &Event) -> (Level, String) {
    let level = level(&event.reason);
    let line = match (&event.subject, &event.reason) {
        (Subject::Instance(name), Reason::StateChanged { to, cause, .. }) => instance_state(name, *to, cause),
        (Subject::Group(name), Reason::StateChanged { to, cause, .. }) => {
            format!("VRRP_Group({name}) Syncing instances to {to} state ({cause})")
        }
        (Subject::Instance(name), Reason::PriorityChanged { from, to }) => {
            format!("({name}) Changing effective priority from {from} to {to}")
        }
        (Subject::Instance(name), Reason::LowerPriorityAdvert { source, priority }) => {
            format!("({name}) Received advert from {source} with lower priority {priority}")
        }
        (Subject::Tracker(name), Reason::TrackerChanged { up, detail }) => tracker(name, *up, detail),
        (Subject::Link(name), Reason::TrackerChanged { up, .. }) => {
            format!("Netlink reports {name} {}", if *up { "up" } else { "down" })
        }
        (Subject::Bfd(name), Reason::SessionChanged(change)) => session(name, change),
        (Subject::Node, reason) => reason.to_string(),
        (Subject::Instance(name) | Subject::Group(name) | Subject::Bfd(name), reason) => {
            format!("({name}) {reason}")
        }
        (Subject::Tracker(name) | Subject::Link(name), reason) => format!("{name}: {reason}"),
    };
    (level, line)
}

/// The event for the history of the director.
#[must_use]
pub fn happening(event: &Event, level: Level, text: String) -> Happening {
    let subject = match &event.subject {
        Subject::Node => String::new(),
        Subject::Instance(name)
        | Subject::Group(name)
        | Subject::Tracker(name)
        | Subject::Link(name)
        | Subject::Bfd(name) => name.clone(),
    };
    let level = match level {
        Level::ERROR => mainstay_control::Level::Error,
        Level::WARN => mainstay_control::Level::Warning,
        Level::INFO => mainstay_control::Level::Info,
        Level::DEBUG | Level::TRACE => mainstay_control::Level::Debug,
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Happening { at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX), subject, level, text }
}

fn instance_state(name: &str, to: State, cause: &Cause) -> String {
    match (to, cause) {
        (State::Backup, Cause::Started) => format!("({name}) Entering BACKUP STATE (init)"),
        (State::Master | State::Backup | State::Fault, _) => {
            format!("({name}) Entering {to} STATE ({cause})")
        }
        (State::Init, _) => format!("({name}) Stopped ({cause})"),
    }
}

fn session(name: &str, change: &bfd::Change) -> String {
    let bfd::Change { to, cause, local, remote, .. } = change;
    match to {
        bfd::State::Down => format!(
            "({name}) Entering Down state (Local diagnostic - {local}, Remote diagnostic - {remote}): {cause}"
        ),
        bfd::State::AdminDown | bfd::State::Init | bfd::State::Up => {
            format!("({name}) Entering {to} state ({cause})")
        }
    }
}

/// A tracker is named by kind and name: `script chk_nginx`.
fn tracker(name: &str, up: bool, detail: &str) -> String {
    let verdict = if up { "succeeded" } else { "failed" };
    match name.split_once(' ') {
        Some(("script", script)) => format!("VRRP_Script({script}) {verdict} ({detail})"),
        Some(("file", file)) => format!("Track file {file} {detail}"),
        Some(("process", process)) => {
            let quorum = if up { "gained" } else { "lost" };
            format!("Quorum {quorum} for tracked process {process} ({detail})")
        }
        Some(("interface", link)) => {
            format!("Netlink reports {link} {} ({detail})", if up { "up" } else { "down" })
        }
        Some(("bfd", session)) => {
            format!("Tracked BFD instance {session} is {}", if up { "UP" } else { "DOWN" })
        }
        _ => format!("Tracker {name} {verdict} ({detail})"),
    }
}

const fn level(reason: &Reason) -> Level {
    match reason {
        Reason::StateChanged { cause: Cause::LeaseExpired { .. }, .. } => Level::WARN,
        Reason::StateChanged { .. }
        | Reason::PriorityChanged { .. }
        | Reason::TrackerChanged { .. }
        | Reason::SessionChanged(_)
        | Reason::Restored(_)
        | Reason::AlarmOver { .. }
        | Reason::LeaseArmed { .. }
        | Reason::LeaseWithoutPeer
        | Reason::LettingGo
        | Reason::LinkMade { .. }
        | Reason::PathUp { .. }
        | Reason::PathDown { left: true, .. }
        | Reason::Reloaded { .. } => Level::INFO,
        Reason::LowerPriorityAdvert { .. }
        | Reason::PacketsRejected { .. }
        | Reason::HeartbeatsRejected { .. }
        | Reason::ControlPacketsRejected { .. }
        | Reason::PathDown { left: false, .. }
        | Reason::AlarmBegan { .. }
        | Reason::LoopLate(_)
        | Reason::LeaseRefused { .. }
        | Reason::LeaseUnusable { .. } => Level::WARN,
        Reason::Refused { .. } => Level::ERROR,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use mainstay_core::time::Instant;

    use super::*;

    fn told(subject: Subject, reason: Reason) -> String {
        line(&Event { at: Instant::ZERO, subject, reason }).1
    }

    fn changed(to: State, cause: Cause) -> Reason {
        Reason::StateChanged { from: State::Init, to, cause }
    }

    #[test]
    fn state_changes_begin_with_keepalived_s_words_and_end_with_the_reason() {
        let instance = || Subject::Instance("VI_1".into());
        let silence = Duration::from_millis(3609);
        let source = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let cases = [
            (changed(State::Backup, Cause::Started), "(VI_1) Entering BACKUP STATE (init)"),
            (
                changed(State::Master, Cause::NoAdvertFor { silence }),
                "(VI_1) Entering MASTER STATE (no advert for 3.609 s)",
            ),
            (
                changed(State::Backup, Cause::HigherPriority { source, priority: 150 }),
                "(VI_1) Entering BACKUP STATE (master 192.0.2.1 has higher priority 150)",
            ),
            (
                changed(State::Fault, Cause::InterfaceDown("eth0".into())),
                "(VI_1) Entering FAULT STATE (interface eth0 is down or absent)",
            ),
        ];
        for (reason, expected) in cases {
            assert_eq!(told(instance(), reason), expected);
        }
    }

    #[test]
    fn a_sync_group_is_told_as_keepalived_tells_it() {
        let reason = changed(State::Master, Cause::SyncGroup("VI_1".into()));
        assert_eq!(
            told(Subject::Group("G1".into()), reason),
            "VRRP_Group(G1) Syncing instances to MASTER state (its sync group moves with VI_1)"
        );
    }

    #[test]
    fn trackers_are_told_by_kind() {
        let changed = |up| Reason::TrackerChanged { up, detail: "exited with status 1".into() };
        let script = || Subject::Tracker("script chk".into());
        assert_eq!(told(script(), changed(false)), "VRRP_Script(chk) failed (exited with status 1)");
        assert_eq!(told(script(), changed(true)), "VRRP_Script(chk) succeeded (exited with status 1)");
        assert_eq!(
            told(Subject::Tracker("process nginx".into()), changed(false)),
            "Quorum lost for tracked process nginx (exited with status 1)"
        );
        assert_eq!(told(Subject::Link("eth0".into()), changed(false)), "Netlink reports eth0 down");
    }

    #[test]
    fn a_bfd_session_is_told_as_keepalived_tells_it() {
        use bfd::{Change, Diagnostic};
        let session = || Subject::Bfd("gw".into());
        let up = Change {
            from: bfd::State::Init,
            to: bfd::State::Up,
            cause: bfd::Cause::Neighbour(bfd::State::Up),
            local: Diagnostic::None,
            remote: Diagnostic::None,
        };
        assert_eq!(
            told(session(), Reason::SessionChanged(up)),
            "(gw) Entering Up state (the neighbour is Up)"
        );
        let down = Change {
            from: bfd::State::Up,
            to: bfd::State::Down,
            cause: bfd::Cause::Silence { silence: Duration::from_millis(30) },
            local: Diagnostic::DetectionTimeExpired,
            remote: Diagnostic::None,
        };
        assert_eq!(
            told(session(), Reason::SessionChanged(down)),
            "(gw) Entering Down state (Local diagnostic - Control Detection Time Expired, \
             Remote diagnostic - No Diagnostic): no packet of the neighbour for 30.000 ms"
        );
        let reason = Reason::TrackerChanged { up: true, detail: String::new() };
        assert_eq!(told(Subject::Tracker("bfd gw".into()), reason), "Tracked BFD instance gw is UP");
    }

    #[test]
    fn everything_else_names_its_subject_and_says_its_reason() {
        let refused = Reason::Refused { operation: "add address 192.0.2.9/24 dev eth0".into(), errno: 1 };
        let event = Event { at: Instant::ZERO, subject: Subject::Instance("VI_1".into()), reason: refused };
        let (level, text) = line(&event);
        assert_eq!(level, Level::ERROR);
        assert_eq!(text, "(VI_1) the kernel refused to add address 192.0.2.9/24 dev eth0 (errno 1)");
        let late = Reason::LoopLate(Duration::from_millis(1500));
        assert_eq!(told(Subject::Node, late), "our own loop was 1.500 s late");
    }
}
