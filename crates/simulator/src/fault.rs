//! What may befall a LAN and its nodes. Every fault begins at a moment, lasts, and ends: that is the healing.

use std::time::Duration;

/// Index of a node.
pub type NodeId = usize;

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process stops (`SIGSTOP`, CPU starvation); its kernel goes on answering.
    Freeze(NodeId),
    /// The whole machine stops, as a virtual one does.
    Pause(NodeId, PausedClock),
    /// The process dies; its addresses stay. It is started again at the end, perhaps with the state its supervisor kept.
    Crash(NodeId, Memory),
    /// The machine starts anew, without virtual addresses.
    Reboot(NodeId),
    /// The daemon is asked to end, and started again later.
    Shutdown(NodeId),
    /// The loop wakes up late by up to this.
    SlowLoop(NodeId, Duration),
    /// Each order to the kernel takes up to this long (the lock of rtnetlink).
    SlowKernel(NodeId, Duration),
    /// The clock runs so many parts in a million fast.
    ClockRate(NodeId, i64),
    /// The cable is out.
    Carrier(NodeId),
    /// Nothing of the first reaches the second.
    Deaf(NodeId, NodeId),
    /// Nothing passes between this node and anybody else.
    CutOff(NodeId),
    /// No multicast of the first reaches the second.
    MulticastDeaf(NodeId, NodeId),
    /// No advert of the first reaches the second: a firewall drops VRRP and lets UDP pass.
    AdvertDeaf(NodeId, NodeId),
    /// On the second link nothing of the first reaches the second.
    SecondDeaf(NodeId, NodeId),
    /// On the second link nothing passes between this node and anybody else.
    SecondCutOff(NodeId),
    /// So many in a hundred frames are lost on the second link.
    SecondLoss(u32),
    /// So many in a hundred frames are lost.
    Loss(u32),
    /// So many in a hundred frames come twice.
    Duplication(u32),
    /// Frames take up to this long, and overtake each other.
    Delay(Duration),
    /// So many in a hundred VRRP messages and heartbeats have a bit flipped.
    Damage(u32),
    /// Somebody removes the virtual addresses that are on this node.
    Removal(NodeId),
    /// The kernel refuses to add addresses.
    Refusal(NodeId),
    /// The kernel refuses to send adverts.
    SendRefusal(NodeId),
    /// The kernel refuses to make the gates of the VIP lease.
    GateRefusal(NodeId),
    /// The kernel's events are lost; at the end the daemon lists everything.
    LostEvents(NodeId),
    /// The node has no address of its own.
    OwnAddress(NodeId),
    /// The tracking script fails.
    Script(NodeId),
    /// The daemon runs with another configuration.
    Reload(NodeId, Change),
}

/// What a paused machine's clock does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PausedClock {
    /// It stands still: the guest does not notice.
    Stopped,
    /// It runs on.
    Running,
    /// It leaps ahead further than the pause was long.
    Leaping,
}

/// What a process that starts again after a crash knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// What its predecessor told the supervisor.
    Kept,
    /// Nothing.
    Lost,
}

/// A difference in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Another base priority for all routers.
    Priority(u8),
    /// Another advert interval.
    Interval(Duration),
    /// One virtual address more per router.
    MoreAddresses,
    /// One less (if there are two).
    FewerAddresses,
    /// `nopreempt` the other way round.
    Preempt,
    /// The last router is not in the file.
    FewerRouters,
}

/// A fault with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What.
    pub fault: Fault,
}

/// Why two nodes may hold one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Adverts do not arrive everywhere.
    Cut,
    /// Adverts are lost or damaged on the way.
    Loss,
    /// Adverts come late.
    Delay,
    /// A process stands still.
    Freeze,
    /// A machine stands still.
    Pause,
    /// A process died and left its addresses.
    Crash,
    /// A loop is late.
    SlowLoop,
    /// Orders to a kernel take their time.
    SlowKernel,
    /// A link is down at one end.
    Carrier,
    /// A kernel does not send.
    SendRefusal,
    /// Peers do not accept each other's adverts.
    Mismatch,
    /// A configuration changed.
    Reload,
    /// A kernel has not said what it did.
    LostEvents,
    /// Two clocks run differently.
    Clock,
    /// A living master was preempted or two took over at once, and the loser could not hear of it: both hold until its
    /// lease is over.
    Contest,
    /// One gives, the other takes: the moment in between.
    HandOver,
}

impl Fault {
    /// The node it is about, if it is about one.
    #[must_use]
    pub const fn nodes(&self) -> [Option<NodeId>; 2] {
        match self {
            Self::Freeze(node)
            | Self::Pause(node, _)
            | Self::Crash(node, _)
            | Self::Reboot(node)
            | Self::Shutdown(node)
            | Self::SlowLoop(node, _)
            | Self::SlowKernel(node, _)
            | Self::ClockRate(node, _)
            | Self::Carrier(node)
            | Self::CutOff(node)
            | Self::SecondCutOff(node)
            | Self::Removal(node)
            | Self::Refusal(node)
            | Self::SendRefusal(node)
            | Self::GateRefusal(node)
            | Self::LostEvents(node)
            | Self::OwnAddress(node)
            | Self::Script(node)
            | Self::Reload(node, _) => [Some(*node), None],
            Self::Deaf(from, to)
            | Self::MulticastDeaf(from, to)
            | Self::AdvertDeaf(from, to)
            | Self::SecondDeaf(from, to) => [Some(*from), Some(*to)],
            Self::Loss(_) | Self::SecondLoss(_) | Self::Duplication(_) | Self::Delay(_) | Self::Damage(_) => {
                [None, None]
            }
        }
    }

    /// The double holder it excuses while it lasts.
    #[must_use]
    pub const fn excuses(&self) -> Option<Cause> {
        match self {
            Self::Freeze(_) => Some(Cause::Freeze),
            Self::Pause(..) => Some(Cause::Pause),
            Self::Crash(..) => Some(Cause::Crash),
            Self::SlowLoop(..) => Some(Cause::SlowLoop),
            Self::SlowKernel(..) => Some(Cause::SlowKernel),
            Self::Carrier(_) => Some(Cause::Carrier),
            Self::Deaf(..) | Self::CutOff(_) | Self::MulticastDeaf(..) | Self::AdvertDeaf(..) => {
                Some(Cause::Cut)
            }
            Self::Delay(_) => Some(Cause::Delay),
            Self::SendRefusal(_) => Some(Cause::SendRefusal),
            Self::Reload(_, Change::Interval(_)) => Some(Cause::Reload),
            Self::LostEvents(_) => Some(Cause::LostEvents),
            // Lost and damaged adverts excuse one by one, as they are lost. The others must not make two holders.
            Self::Loss(_)
            | Self::SecondDeaf(..)
            | Self::SecondCutOff(_)
            | Self::SecondLoss(_)
            | Self::Damage(_)
            | Self::Duplication(_)
            | Self::ClockRate(..)
            | Self::Reboot(_)
            | Self::Shutdown(_)
            | Self::Removal(_)
            | Self::Refusal(_)
            | Self::GateRefusal(_)
            | Self::OwnAddress(_)
            | Self::Script(_)
            | Self::Reload(..) => None,
        }
    }
}

impl Timed {
    /// When it ends.
    #[must_use]
    pub fn ends(&self) -> Duration {
        self.at + self.lasts
    }
}
