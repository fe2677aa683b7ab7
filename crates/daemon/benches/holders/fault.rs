//! The faults, and what may come of each.

use std::time::Duration;

use super::pair::Paths;

/// What befalls the master, or the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process that speaks VRRP is stopped for five seconds and goes on.
    FreezeRouter,
    /// All processes are.
    FreezeAll,
    /// All processes are killed at once.
    Kill,
    /// All processes get next to no CPU.
    Starve,
    /// The backup hears nothing of the master, on the only path.
    BackupDeaf,
    /// The backup hears nothing of the master on the first of two paths.
    BackupDeafOfTwo,
    /// The master hears nothing of the backup, on the only path.
    MasterDeaf,
    /// The master hears nothing of the backup on the first of two paths.
    MasterDeafOfTwo,
    /// Neither hears the other, and then both do again; what comes after that is measured.
    Heal,
    /// The master is asked to end.
    Terminate,
}

impl Fault {
    /// In the order of the table.
    pub const ALL: [Self; 10] = [
        Self::FreezeRouter,
        Self::FreezeAll,
        Self::Kill,
        Self::Starve,
        Self::Terminate,
        Self::BackupDeaf,
        Self::MasterDeaf,
        Self::Heal,
        Self::BackupDeafOfTwo,
        Self::MasterDeafOfTwo,
    ];

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FreezeRouter => "freeze 5 s, VRRP process",
            Self::FreezeAll => "freeze 5 s, all processes",
            Self::Kill => "kill -9, all processes",
            Self::Starve => "starvation 6 s",
            Self::BackupDeaf => "backup deaf 5 s, one path",
            Self::BackupDeafOfTwo => "backup deaf 5 s, one of two paths",
            Self::MasterDeaf => "master deaf 5 s, one path",
            Self::MasterDeafOfTwo => "master deaf 5 s, one of two paths",
            Self::Heal => "after a partition of 5 s",
            Self::Terminate => "SIGTERM",
        }
    }

    /// With which others it is measured, in turn.
    pub const fn lane(self) -> Lane {
        match self {
            Self::FreezeRouter | Self::FreezeAll | Self::Kill | Self::Starve => Lane::Process,
            Self::Terminate | Self::BackupDeaf | Self::MasterDeaf | Self::Heal => Lane::Wire,
            Self::BackupDeafOfTwo | Self::MasterDeafOfTwo => Lane::TwoWires,
        }
    }

    /// How long both may answer, where that is promised.
    pub const fn most_both(self, advert: Duration) -> Option<Duration> {
        match self {
            Self::FreezeRouter
            | Self::FreezeAll
            | Self::Kill
            | Self::Starve
            | Self::BackupDeafOfTwo
            | Self::MasterDeaf
            | Self::MasterDeafOfTwo => Some(Duration::ZERO),
            // The next advert of the better one ends it, and the machine may be busy.
            Self::Heal => Some(advert.saturating_add(Duration::from_millis(50))),
            // With one path nobody can know: both must go on.
            Self::BackupDeaf | Self::Terminate => None,
        }
    }

    /// How long nobody may answer, where that is promised.
    pub const fn most_nobody(self) -> Option<Duration> {
        match self {
            Self::Terminate => Some(Duration::from_millis(20)),
            Self::BackupDeafOfTwo | Self::MasterDeaf | Self::MasterDeafOfTwo => {
                Some(Duration::from_millis(20))
            }
            Self::FreezeRouter
            | Self::FreezeAll
            | Self::Kill
            | Self::Starve
            | Self::BackupDeaf
            | Self::Heal => None,
        }
    }
}

/// Faults that are measured one after the other, at one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// They befall the master's processes.
    Process,
    /// They befall the wire, or nothing does and the master leaves.
    Wire,
    /// They befall one of two wires.
    TwoWires,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Process, Self::Wire, Self::TwoWires];

    /// For the name of a network.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Wire => "wire",
            Self::TwoWires => "wires",
        }
    }

    /// What the nodes are joined by.
    pub const fn paths(self) -> Paths {
        match self {
            Self::Process | Self::Wire => Paths::One,
            Self::TwoWires => Paths::Two,
        }
    }
}
