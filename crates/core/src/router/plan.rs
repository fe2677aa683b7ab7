//! The plan: what the configuration asks of a router, complete and consistent.
//!
//! Made by `mainstay-config` out of keepalived.conf, with every default filled in and every name resolved that can be
//! resolved without the kernel. A plan cannot be wrong in itself; whether the kernel agrees is told by inputs.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use crate::address::{Family, InterfaceAddress, Route, Rule};
use crate::bfd::SessionPlan;
use crate::link::VirtualLink;
use crate::secret::Password;
use crate::time::Duration;
use crate::vrrp::signature::SignaturePlan;

/// Everything a [`Router`](super::Router) is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RouterPlan {
    /// Settings of the node.
    pub settings: Settings,
    /// Virtual routers, in the order of the file. Names are unique.
    pub instances: Vec<InstancePlan>,
    /// Sync groups; a member is in one group only, and exists.
    pub sync_groups: Vec<SyncGroupPlan>,
    /// Tracking scripts.
    pub scripts: Vec<ScriptPlan>,
    /// Tracked files.
    pub files: Vec<FilePlan>,
    /// Tracked processes.
    pub processes: Vec<ProcessPlan>,
    /// BFD sessions, kept by [`crate::bfd::Sessions`]; the router only follows their verdicts.
    pub bfd: Vec<SessionPlan>,
    /// Links that are made for the addresses of instances. Names are unique.
    pub virtual_links: Vec<Arc<VirtualLink>>,
    /// Addresses that exist as long as the daemon runs.
    pub static_addresses: Vec<Arc<InterfaceAddress>>,
    /// Routes that exist as long as the daemon runs.
    pub static_routes: Vec<Arc<Route>>,
    /// Rules that exist as long as the daemon runs.
    pub static_rules: Vec<Arc<Rule>>,
    /// Instances that go to fault when a static entry is lost.
    pub track_groups: Vec<TrackGroupPlan>,
    /// Limits on announcements per interface or set of interfaces.
    pub announce_limits: Vec<AnnounceLimit>,
    /// Link state debounce.
    pub link_delays: Vec<LinkDelay>,
    /// What is told to the peers beside the adverts.
    pub heartbeats: HeartbeatPlan,
}

/// Settings of the node that are not copied into every instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// `vrrp_startup_delay`: no VRRP activity until so long after the start.
    pub startup_delay: Duration,
    /// `vrrp_delay_after_boot`: no VRRP activity until so long after the machine's boot. The longer of both wins.
    pub delay_after_boot: Duration,
    /// `log_unknown_vrids`.
    pub log_unknown_vrids: bool,
    /// `dynamic_interfaces`: an interface may not exist yet.
    pub dynamic_interfaces: bool,
    /// `vrrp_notify_priority_changes` of the node.
    pub notify_priority_changes: bool,
    /// `vrrp_garp_interval`: least time between two gratuitous ARPs on an interface.
    pub garp_interval: Duration,
    /// `vrrp_gna_interval`: least time between two neighbour advertisements on an interface.
    pub na_interval: Duration,
    /// `--no_bfd` (`-B`): no BFD session is kept, and all count as down.
    pub without_bfd: bool,
    /// `--dont-release-vrrp` (`-V`): leave addresses, routes and rules in place at the end.
    pub keep_addresses_on_exit: bool,
}

/// Heartbeats between Mainstay nodes ([`crate::heartbeat`]).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatPlan {
    /// `@mainstay peer_view`: heartbeats beside the adverts, on the links and to the peers of the instances.
    pub peer_view: bool,
    /// `@mainstay heartbeat_port`.
    pub port: u16,
    /// `@mainstay heartbeat_key`, as bytes; empty is none.
    pub key: Vec<u8>,
    /// `@mainstay heartbeat_path`: further paths, in the order of the file.
    pub paths: Vec<PathPlan>,
}

impl Default for HeartbeatPlan {
    /// No heartbeats at all.
    fn default() -> Self {
        Self { peer_view: false, port: crate::heartbeat::PORT, key: Vec::new(), paths: Vec::new() }
    }
}

impl core::fmt::Debug for HeartbeatPlan {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("HeartbeatPlan")
            .field("peer_view", &self.peer_view)
            .field("port", &self.port)
            .field("key", if self.key.is_empty() { &"none" } else { &"****" })
            .field("paths", &self.paths)
            .finish()
    }
}

/// A further path to the peers: what the adverts say is said there too, and promotion needs silence on every path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathPlan {
    /// The link it goes through.
    pub link: String,
    /// To whom.
    pub destination: PathDestination,
    /// The instance it is for; `None` is all.
    pub instance: Option<String>,
}

/// To whom the heartbeats of a path go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathDestination {
    /// The group of the family the link has an address of, IPv4 before IPv6.
    Groups {
        /// IPv4 group.
        v4: Ipv4Addr,
        /// IPv6 group.
        v6: Ipv6Addr,
    },
    /// One peer.
    Peer(IpAddr),
}

/// VRRP protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// VRRPv2, RFC 3768 with the authentication of RFC 2338.
    V2,
    /// VRRPv3, RFC 5798 and RFC 9568.
    V3,
}

impl Version {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// One virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstancePlan {
    /// Its name, unique in a plan: the key of a reload.
    pub name: String,
    /// Virtual router id.
    pub vrid: NonZeroU8,
    /// Protocol version.
    pub version: Version,
    /// Family of the advertised addresses and of the adverts.
    pub family: Family,
    /// Link the adverts go through, which may be a [virtual one](RouterPlan::virtual_links); `None` only for unicast
    /// with a source address.
    pub interface: Option<String>,
    /// `dont_track_primary`: a fault of the interface is not ours.
    pub ignore_interface_fault: bool,
    /// `mcast_src_ip` or `unicast_src_ip`; `None` takes the interface's first address (link-local for IPv6).
    pub source: Option<IpAddr>,
    /// `track_src_ip`: fault while the configured source is absent.
    pub track_source: bool,
    /// To whom adverts go.
    pub destination: Destination,
    /// Whether the router wants to be master at start.
    pub wanted: WantedState,
    /// Base priority, 1 to 255; 255 owns the addresses.
    pub priority: NonZeroU8,
    /// Time between adverts. v2: whole seconds, 1 to 255. v3: centiseconds, 0.01 to 40.95 s.
    pub advert_interval: Duration,
    /// Missed adverts before the master counts as gone, 1 to 100.
    pub down_timer_adverts: u8,
    /// When to take over from a master of lower priority.
    pub preempt: Preempt,
    /// Advertised addresses, in the order of the file.
    pub addresses: Vec<Arc<InterfaceAddress>>,
    /// Addresses that come and go with the others without being advertised.
    pub excluded_addresses: Vec<Arc<InterfaceAddress>>,
    /// Routes present while master.
    pub routes: Vec<Arc<Route>>,
    /// Rules present while master.
    pub rules: Vec<Arc<Rule>>,
    /// Set `promote_secondaries` on the interface.
    pub promote_secondaries: bool,
    /// RFC 2338 authentication.
    pub authentication: Authentication,
    /// `auth_hmac`: signatures; none beside the authentication of RFC 2338.
    pub signature: Option<Arc<SignaturePlan>>,
    /// `v3_checksum_as_v2`: leave the pseudo-header out of a sent v3/IPv4 checksum (RFC 9568 section 5.2.8).
    pub checksum_without_pseudo_header: bool,
    /// `skip_check_adv_addr`: do not compare the address list again while the sender is unchanged.
    pub skip_address_check: bool,
    /// `strict_mode`: the RFC to the letter.
    pub strict: bool,
    /// `probe_before_take`: ask the link for another holder before taking over from silence.
    pub probe_before_take: bool,
    /// `claim_watch`: as master, tell of others who claim the addresses, and defend them.
    pub claim_watch: bool,
    /// `mismatch_policy`: what adverts of a known peer that are rejected mean to a backup.
    pub mismatch_policy: MismatchPolicy,
    /// Whether a non-owner accepts packets for the virtual addresses (keepalived's default).
    pub accept: bool,
    /// Do not answer an advert of lower priority with one of ours.
    pub lower_priority_no_advert: bool,
    /// Send one advert before yielding to a higher priority.
    pub higher_priority_send_advert: bool,
    /// Priority 255 drops all adverts.
    pub owner_ignores_adverts: bool,
    /// `timer_expired_backup`: with nopreempt, step down if this late loop may have been replaced by a peer of this
    /// priority.
    pub timer_expired_backup: Option<NonZeroU8>,
    /// Gratuitous ARP and neighbour advertisement schedule.
    pub announce: AnnouncePlan,
    /// What it follows.
    pub trackers: Vec<Tracker>,
    /// `notify_priority_changes`.
    pub notify_priority_changes: bool,
    /// `notify_deleted` was given: removal on reload is told as DELETED rather than FAULT.
    pub notify_deleted: bool,
    /// `kernel_rx_buf_size`, bytes.
    pub receive_buffer: Option<u32>,
    /// The VIP lease, `@mainstay vip_lease`; `None` is off.
    pub lease: Option<LeasePlan>,
}

/// `@mainstay vip_lease`: the kernel answers for the addresses only while our adverts leave in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasePlan {
    /// How long one advert keeps the addresses in use: more than one advert interval, less than
    /// `down_timer_adverts` of them.
    pub length: Duration,
    /// `only_if_peer_seen`: the lease counts only while a living peer is known, which could take over.
    pub only_if_peer_seen: bool,
}

/// What a backup makes of a known peer whose adverts it has to reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MismatchPolicy {
    /// Nothing, as the RFC says: it is not heard, and we take over. Two masters are the likely result.
    #[default]
    Take,
    /// It is alive: no taking over while its adverts come. Whoever can forge its address can then keep a backup from
    /// its promotion, which a forged good advert can as well.
    Hold,
}

/// To whom an instance's adverts go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// The VRRP group, or the instance's own.
    Multicast(IpAddr),
    /// A list of peers.
    Unicast {
        /// The peers.
        peers: Vec<UnicastPeer>,
        /// A packet must come from one of them.
        check_source: bool,
        /// TTL or hop limit of sent adverts; `None` leaves IPv6 to the kernel and is 255 for IPv4.
        ttl: Option<u8>,
    },
}

/// One unicast peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnicastPeer {
    /// Its address.
    pub address: IpAddr,
    /// Accepted received TTL range, inclusive.
    pub ttl_range: Option<(u8, u8)>,
}

/// `state MASTER|BACKUP`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WantedState {
    /// Wants to be master; only an owner becomes it at once.
    Master,
    /// Waits as backup.
    Backup,
}

/// Taking over from a living master of lower priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preempt {
    /// Never, `nopreempt`.
    Never,
    /// After having heard lower-priority adverts for this long (zero: at the master-down timer).
    After(Duration),
}

/// RFC 2338 authentication of VRRPv2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authentication {
    /// None.
    None,
    /// Simple text password, zero padded to 8 bytes.
    Pass(Password),
    /// IPsec authentication header ([`crate::vrrp::ah`]); over IPv4 only.
    Ah(Password),
}

/// When gratuitous ARPs and unsolicited neighbour advertisements go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnouncePlan {
    /// Rounds on becoming master, at least 1 (`garp_master_repeat`).
    pub repeat: u32,
    /// Time until the second burst; zero is none (`garp_master_delay`).
    pub delay: Duration,
    /// Period while master; zero is never (`garp_master_refresh`).
    pub refresh: Duration,
    /// Rounds of each refresh (`garp_master_refresh_repeat`).
    pub refresh_repeat: u32,
    /// Rounds after an advert of lower priority (`garp_lower_prio_repeat`).
    pub lower_priority_repeat: u32,
    /// Time until the second burst after an advert of lower priority (`garp_lower_prio_delay`).
    pub lower_priority_delay: Duration,
    /// Period for addresses on links other than the advert link; zero is never (`garp_extra_if`).
    pub extra_interface: Duration,
    /// `garp_extra_if all`.
    pub extra_interface_all: bool,
}

impl Default for AnnouncePlan {
    /// keepalived's defaults: 5 rounds, 5 more after 5 seconds, no refresh.
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_priority_repeat: 5,
            lower_priority_delay: Duration::from_secs(5),
            extra_interface: Duration::ZERO,
            extra_interface_all: false,
        }
    }
}

/// One thing an instance or a sync group follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracker {
    /// What is followed.
    pub target: TrackerTarget,
    /// Weight; zero means that a failure is a fault. Positive is added while good, negative while bad. For files it
    /// multiplies the value read.
    pub weight: i32,
    /// Flip the sign, or, with weight zero, the meaning of good.
    pub reverse: bool,
}

/// What a [`Tracker`] refers to, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TrackerTarget {
    /// A network interface.
    Interface(String),
    /// A `vrrp_script`.
    Script(String),
    /// A `track_file`.
    File(String),
    /// A `vrrp_track_process`.
    Process(String),
    /// A BFD session.
    Bfd(String),
}

/// `vrrp_sync_group`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncGroupPlan {
    /// Its name.
    pub name: String,
    /// Names of its members; each exists and is in no other group.
    pub members: Vec<String>,
    /// What the group follows, on behalf of all members.
    pub trackers: Vec<Tracker>,
    /// `sync_group_tracking_weight`: members may have weighted trackers.
    pub tracking_weight: bool,
    /// `notify_priority_changes`.
    pub notify_priority_changes: bool,
}

/// How often a `vrrp_script` runs and how its results count. The command itself is the supervisor's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptPlan {
    /// Its name.
    pub name: String,
    /// A digest of what is run (path, arguments, user): unchanged means that the state survives a reload.
    pub identity: String,
    /// Time between starts.
    pub interval: Duration,
    /// Successes needed to be up, at least 1.
    pub rise: u32,
    /// Failures needed to be down, at least 1.
    pub fall: u32,
    /// Start as failed.
    pub init_fail: bool,
}

/// A tracked file; the supervisor watches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePlan {
    /// Its name.
    pub name: String,
    /// Path.
    pub path: String,
}

/// A tracked process; the supervisor counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessPlan {
    /// Its name.
    pub name: String,
    /// Least number of processes.
    pub quorum: u32,
    /// Greatest number of processes.
    pub quorum_max: Option<u32>,
    /// Grace after a loss.
    pub terminate_delay: Duration,
    /// Grace after a gain.
    pub fork_delay: Duration,
}

/// `track_group`: who goes to fault when a static entry is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackGroupPlan {
    /// Its name.
    pub name: String,
    /// Instance names.
    pub members: Vec<String>,
}

/// `garp_group`: announcements over these links together keep this distance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnounceLimit {
    /// Link names.
    pub interfaces: Vec<String>,
    /// Least time between gratuitous ARPs.
    pub garp_interval: Duration,
    /// Least time between neighbour advertisements.
    pub na_interval: Duration,
}

/// `interface_up_down_delays`: how long a change of a link must last to be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDelay {
    /// Link name.
    pub interface: String,
    /// Delay of going down.
    pub down: Duration,
    /// Delay of coming up.
    pub up: Duration,
}
