//! The plan: what the configuration asks of the director, complete and consistent.
//!
//! Made by `mainstay-config` with every default filled in. What many checkers have in common is shared, so that fifty
//! thousand of them stay small.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::probe::Probe;
use crate::address::Family;
use crate::ipvs::{
    DestinationKey, Forwarding, Persistence, Protocol, Scheduler, SchedulerFlags, ServiceKey, SyncDaemon,
    Timeouts,
};
use crate::time::Duration;

/// Everything a director is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DirectorPlan {
    /// Settings for all of it.
    pub settings: DirectorSettings,
    /// `SSL`: what our side of a TLS connection has to show.
    pub tls: TlsMaterial,
    /// Virtual servers in the order of the file; names are unique.
    pub virtual_servers: Vec<VirtualServerPlan>,
    /// Tracked files that `FILE_CHECK`s follow, by name; each once.
    pub files: Vec<Arc<str>>,
}

/// Settings for all virtual servers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DirectorSettings {
    /// `lvs_flush`: begin with an empty table, whoever filled it.
    pub flush: bool,
    /// What the end leaves behind.
    pub at_stop: AtStop,
    /// `lvs_timeouts`.
    pub timeouts: Timeouts,
    /// `lvs_sync_daemon`.
    pub sync: Option<SyncPlan>,
    /// `rs_init_notifies`: tell of real servers that are up from the start.
    pub initial_notifies: bool,
}

/// What the end of the director leaves in the kernel's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AtStop {
    /// Nothing of ours.
    #[default]
    RemoveOurs,
    /// Nothing at all, `lvs_flush_on_stop`.
    Flush,
    /// Nothing of ours: the services are deleted as they are, without their destinations one by one,
    /// `lvs_flush_on_stop VS`.
    FlushOurs,
    /// Everything, `--dont-release-ipvs`.
    Leave,
}

/// `lvs_sync_daemon`: the kernel's connection synchronisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncPlan {
    /// What the daemons are told; the role in it counts only while no instance decides.
    pub daemon: SyncDaemon,
    /// The instance that decides: sending while it is master, receiving otherwise. `None`: both all the time.
    pub instance: Option<String>,
}

/// `SSL`. Paths; who connects reads them.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct TlsMaterial {
    /// `ca`: who may have signed a server's certificate.
    pub ca: Option<String>,
    /// `certificate`: ours.
    pub certificate: Option<String>,
    /// `key` of our certificate.
    pub key: Option<String>,
    /// `password` of the key.
    pub password: Option<String>,
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TlsMaterial")
            .field("ca", &self.ca)
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .field("password", &self.password.as_ref().map(|_| "****"))
            .finish()
    }
}

/// What a virtual server is known by: the key of a reload, and its name in FIFOs and logs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VirtualServerKey {
    /// `virtual_server IP [PORT]`, `virtual_server fwmark N`.
    Service(ServiceKey),
    /// `virtual_server group NAME`; a group may be used once for each protocol.
    Group {
        /// Name of the group.
        name: Arc<str>,
        /// Transport protocol of its addresses.
        protocol: Protocol,
        /// Which of several virtual servers of this group and protocol it is, counted from 0.
        ordinal: u32,
    },
}

impl fmt::Display for VirtualServerKey {
    /// keepalived's form in FIFO lines: `[192.0.2.1]:tcp:80`, `FWM 7`, `[web]:0`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => key.fmt(formatter),
            Self::Group { name, ordinal, .. } => write!(formatter, "[{name}]:{ordinal}"),
        }
    }
}

/// One virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServerPlan {
    /// What it is known by; unique in a plan.
    pub key: VirtualServerKey,
    /// Its services: one, or every address and mark of its group, ranges expanded. Several
    /// virtual servers may have the same ones, if they are of one group: the first says how the services are, and all
    /// of them what serves there.
    pub services: Vec<ServiceKey>,
    /// `protocol`; of a mark's virtual server it is what FIFO lines and checks say.
    pub protocol: Protocol,
    /// Family of its addresses; `None` for a group of both.
    pub family: Option<Family>,
    /// `lvs_sched`.
    pub scheduler: Scheduler,
    /// `flag-1`, `sh-port` and so on.
    pub flags: SchedulerFlags,
    /// `ops`.
    pub one_packet: bool,
    /// `persistence_*`; a service of every port has it in any case.
    pub persistence: Option<Persistence>,
    /// Its real servers in the order of the file; address and port are unique.
    pub real_servers: Vec<RealServerPlan>,
    /// `sorry_server`.
    pub sorry_server: Option<SorryServerPlan>,
    /// `quorum`: least sum of weights of living real servers, at least 1.
    pub quorum: u32,
    /// `hysteresis`, less than the quorum.
    pub hysteresis: u32,
    /// `alpha`: nothing is up before it was seen up, and the loss of quorum at start is told.
    pub alpha: bool,
    /// `omega`: tell that everything goes down when the daemon ends.
    pub omega: bool,
    /// `ha_suspend`: check only while this address is on the machine.
    pub suspend_without: Option<IpAddr>,
    /// `snmp_name`: what people call it, in reports.
    pub label: Option<String>,
    /// `@mainstay panic_threshold`: below this share of living real servers, in percent, those that fail now stay in
    /// service; 0 never.
    pub panic_threshold: u8,
    /// `@mainstay drain`: how long a real server that left the file serves its old connections, and all of them when
    /// the virtual server itself left it.
    pub drain: Duration,
}

/// `sorry_server`: serves while there is no quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SorryServerPlan {
    /// Address and port.
    pub key: DestinationKey,
    /// `sorry_server_lvs_method`.
    pub forwarding: Forwarding,
    /// `sorry_server_inhibit`: in the table with weight 0 while it is not needed.
    pub inhibit: bool,
}

/// One real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServerPlan {
    /// Address and port as the file says; see [`RealServerPlan::port_behind`].
    pub key: DestinationKey,
    /// `weight`.
    pub weight: u32,
    /// `lvs_method`.
    pub forwarding: Forwarding,
    /// `uthreshold`; 0 is none.
    pub upper_threshold: u32,
    /// `lthreshold`; 0 is the kernel's.
    pub lower_threshold: u32,
    /// `inhibit_on_failure`: weight 0 rather than removal.
    pub inhibit_on_failure: bool,
    /// `snmp_name`: what people call it, in reports.
    pub label: Option<String>,
    /// One of its checks has `alpha` and cannot be made: it is never seen up.
    pub unprovable: bool,
    /// Its checkers; it is up while all of them are.
    pub checkers: Vec<CheckerPlan>,
}

impl CheckerKind {
    /// The keyword that asks so.
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Exchange(probe) => probe.kind.keyword(),
            Self::Urls { urls, .. } => urls.first().map_or("HTTP_GET", |probe| probe.kind.keyword()),
            Self::Script(_) => "MISC_CHECK",
            Self::File { .. } => "FILE_CHECK",
            Self::Bfd { .. } => "BFD_CHECK",
        }
    }
}

impl fmt::Display for CheckerKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange(probe) => probe.fmt(formatter),
            Self::Urls { urls, .. } => match urls.first() {
                Some(probe) => write!(formatter, "{probe} and {} more", urls.len() - 1),
                None => formatter.write_str("HTTP_GET"),
            },
            Self::Script(script) => write!(formatter, "MISC_CHECK {}", script.command),
            Self::File { file, .. } => write!(formatter, "FILE_CHECK {file}"),
            Self::Bfd { session } => write!(formatter, "BFD_CHECK {session}"),
        }
    }
}

impl RealServerPlan {
    /// The port at which connections of this service arrive: only address translation changes ports.
    #[must_use]
    pub const fn port_behind(&self, service: &ServiceKey) -> u16 {
        port_behind(self.forwarding, self.key.port, service)
    }
}

impl SorryServerPlan {
    /// The port at which connections of this service arrive.
    #[must_use]
    pub const fn port_behind(&self, service: &ServiceKey) -> u16 {
        port_behind(self.forwarding, self.key.port, service)
    }
}

const fn port_behind(forwarding: Forwarding, port: u16, service: &ServiceKey) -> u16 {
    match forwarding {
        Forwarding::Masquerade => port,
        Forwarding::DirectRoute | Forwarding::Tunnel(_) | Forwarding::Other(_) => service.port(),
    }
}

/// One checker: what it asks, and how it judges the answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CheckerPlan {
    /// What it asks.
    pub kind: CheckerKind,
    /// How it judges.
    pub judgement: Arc<Judgement>,
}

/// How the answers of a checker are judged. Most checkers of a file share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Judgement {
    /// `delay_loop`: time between two questions, more than zero.
    pub delay_loop: Duration,
    /// `warmup`: the first question comes within this time.
    pub warmup: Duration,
    /// `retry`: failures in a row that are forgiven while up.
    pub retry: u32,
    /// `delay_before_retry`: time between a failure and the next question while up.
    pub delay_before_retry: Duration,
    /// `@mainstay rise`: successes in a row needed to come up, at least 1 (keepalived's).
    pub rise: u32,
    /// `@mainstay jitter`: up to this share of the period, in percent, a question comes late; 0 to 50.
    pub jitter: u8,
    /// `alpha`: down until the first success.
    pub alpha: bool,
    /// `log_all_failures`.
    pub log_all_failures: bool,
}

/// What a checker asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CheckerKind {
    /// One exchange with a server.
    Exchange(Arc<Probe>),
    /// `HTTP_GET`, `SSL_GET` with several urls: one at a time, in turn.
    Urls {
        /// At least two probes of kind HTTP.
        urls: Arc<[Arc<Probe>]>,
        /// `fast_recovery`: no delay between the urls while starting or recovering.
        fast_recovery: bool,
    },
    /// `MISC_CHECK`.
    Script(Arc<ScriptCheck>),
    /// `FILE_CHECK`.
    File {
        /// Name of the `track_file`.
        file: Arc<str>,
        /// Multiplied with the value and added to the weight; 0: any value but 0 is a failure.
        weight: i32,
        /// The other way round.
        reverse: bool,
    },
    /// `BFD_CHECK`.
    Bfd {
        /// Name of the `bfd_instance`.
        session: Arc<str>,
    },
}

/// `MISC_CHECK`: a program of the site's; the command itself is the supervisor's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ScriptCheck {
    /// A digest of what is run (path, arguments, user): the supervisor's key of the command.
    pub command: Arc<str>,
    /// `misc_timeout`, more than zero.
    pub timeout: Duration,
    /// `misc_dynamic`: exit status 2 to 255 is a weight of status - 2.
    pub dynamic: bool,
}
