//! The state of everything at one moment.

use serde::{Deserialize, Serialize};

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// `router_id`, or the host name.
    pub node: String,
    /// Version of the daemon.
    pub version: String,
    /// When this was so, in milliseconds since 1970.
    pub at_ms: u64,
    /// Virtual routers; `None` while the router process does not run.
    pub vrrp: Option<Vrrp>,
    /// Virtual servers.
    pub virtual_servers: Vec<VirtualServer>,
    /// Whether the kernel's IPVS table is there.
    pub ipvs: bool,
}

/// Virtual routers and what they follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vrrp {
    /// In the order of the file.
    pub instances: Vec<Instance>,
    /// Sync groups.
    pub groups: Vec<Group>,
    /// What is tracked.
    pub trackers: Vec<Tracker>,
    /// Paths of heartbeats.
    pub paths: Vec<Path>,
    /// What is wrong.
    pub alarms: Vec<Alarm>,
}

/// One virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// `INIT`, `BACKUP`, `MASTER` or `FAULT`.
    pub state: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// Why it is in this state.
    pub reason: String,
    /// Link of the adverts; empty where there is none.
    pub interface: String,
    /// Virtual router id.
    pub vrid: u8,
    /// VRRP version.
    pub version: u8,
    /// Base priority.
    pub priority: u8,
    /// Priority after tracking.
    pub effective_priority: u8,
    /// Address of the master, if another one is.
    pub master: Option<String>,
    /// Its priority.
    pub master_priority: Option<u8>,
    /// Time between adverts in milliseconds.
    pub advert_interval_ms: u64,
    /// Milliseconds since the last advert was accepted; `None` if none was.
    pub last_advert_ms: Option<u64>,
    /// The VIP lease: `off`, `open (no living peer)` or `armed`.
    pub lease: String,
    /// Virtual addresses.
    pub addresses: Vec<String>,
    /// Other routers known.
    pub peers: Vec<Peer>,
    /// Its sync group.
    pub group: Option<String>,
}

/// Another router of a virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its address.
    pub address: String,
    /// Whether it is known to live.
    pub alive: bool,
    /// Whether it is a Mainstay.
    pub mainstay: bool,
}

/// A sync group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
}

/// Something that is tracked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracker {
    /// Kind and name: `script chk_nginx`.
    pub name: String,
    /// Whether it is good; `None` before the first verdict.
    pub good: Option<bool>,
}

/// A path of heartbeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// `dev eth1`.
    pub name: String,
    /// Whether anybody is heard.
    pub up: bool,
}

/// What is wrong for as long as it lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Name of the instance.
    pub instance: String,
    /// What.
    pub text: String,
    /// How often it was seen.
    pub count: u64,
}

/// A virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServer {
    /// `[192.0.2.1]:tcp:80`.
    pub name: String,
    /// It has its quorum.
    pub up: bool,
    /// Weights in service.
    pub weight: u64,
    /// What is needed.
    pub quorum: u32,
    /// Too few live: those that fail stay in service.
    pub panic: bool,
    /// Not checked, because its address is not here.
    pub suspended: bool,
    /// Its real servers.
    pub real_servers: Vec<RealServer>,
}

/// A real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServer {
    /// `[10.0.0.1]:80`.
    pub name: String,
    /// It serves.
    pub up: bool,
    /// Weight in service.
    pub weight: u32,
    /// Its checks.
    pub checks: Vec<Check>,
}

/// A check of a real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it asks.
    pub name: String,
    /// Whether the server passed; `None` before the first verdict.
    pub passed: Option<bool>,
    /// How long the last good answer took, in microseconds.
    pub took_us: Option<u32>,
    /// Why the last answer was not good.
    pub trouble: Option<String>,
}
