//! From a configured command to a started program.

use std::ffi::{CString, OsStr, OsString};

use mainstay_config::model::{Command, Identity};
use mainstay_system::process::{Credentials, Output, Spawn, SpawnError, Started};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, User, getgrouplist};

/// A command with what is appended to its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What is configured.
    pub command: Command,
    /// What the event adds: `INSTANCE "VI_1" MASTER 100`.
    pub appended: Vec<String>,
}

impl Job {
    /// Just the command.
    #[must_use]
    pub const fn new(command: Command) -> Self {
        Self { command, appended: Vec::new() }
    }

    /// The command line for people.
    #[must_use]
    pub fn title(&self) -> String {
        let words: Vec<&str> =
            self.command.arguments.iter().chain(&self.appended).map(String::as_str).collect();
        words.join(" ")
    }
}

/// Which of its user's groups a script has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Groups {
    /// Only the primary one, keepalived's default.
    #[default]
    Primary,
    /// All of them (`set_supplementary_groups`).
    All,
}

/// Starts it in a process group of its own, as its user, its output captured. It is told to end if we die.
///
/// # Errors
/// When it cannot be started.
pub fn spawn(job: &Job, groups: Groups) -> Result<Started, SpawnError> {
    let words = job.command.arguments.iter().chain(&job.appended).map(OsString::from);
    let (program, arguments): (OsString, Vec<OsString>) = if job.command.through_shell {
        // The shell runs the file by its rules for files that are no programs; the words reach it as they are.
        let prefix = ["-c", r#""$@""#, "sh"].map(OsString::from);
        ("/bin/sh".into(), prefix.into_iter().chain(words).collect())
    } else {
        let mut words = words;
        (words.next().unwrap_or_default(), words.collect())
    };
    let mut spawn = Spawn::new(OsStr::new(&program));
    spawn.arguments = arguments;
    spawn.credentials = credentials(job.command.identity, groups);
    spawn.death_signal = Some(Signal::SIGTERM);
    spawn.output = Output::Captured;
    spawn.start()
}

/// `None` where nothing changes, so that an ordinary user can run its own scripts.
fn credentials(identity: Identity, groups: Groups) -> Option<Credentials> {
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    (identity != Identity { uid, gid }).then(|| Credentials {
        uid: identity.uid,
        gid: identity.gid,
        groups: match groups {
            Groups::Primary => Vec::new(),
            Groups::All => groups_of(identity),
        },
    })
}

/// What the group file says; nothing for a user without a name.
fn groups_of(identity: Identity) -> Vec<u32> {
    let user = User::from_uid(Uid::from_raw(identity.uid)).ok().flatten();
    let name = user.and_then(|user| CString::new(user.name).ok());
    let groups = name.and_then(|name| getgrouplist(&name, Gid::from_raw(identity.gid)).ok());
    groups.unwrap_or_default().into_iter().map(Gid::as_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supplementary_groups_come_only_if_wanted() {
        let other = Identity { uid: nix::unistd::geteuid().as_raw() + 1, gid: 12345 };
        let groups = |wanted| credentials(other, wanted).expect("another user").groups;
        assert_eq!(groups(Groups::Primary), [0; 0]);
        let root = groups_of(Identity { uid: 0, gid: 12345 });
        assert!(root.contains(&12345), "{root:?}");
    }
}
