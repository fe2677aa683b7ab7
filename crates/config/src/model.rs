//! MODEL: what the configuration means, typed, with every default filled in.
//!
//! The part the router needs is a [`RouterPlan`] of `mainstay-core`; here is what the supervisor and the director need.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mainstay_core::director::{DirectorPlan, ServerObject};
use mainstay_core::router::RouterPlan;
use serde::{Deserialize, Serialize};

/// A whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Model {
    /// The processes themselves.
    pub process: ProcessSettings,
    /// VRRP and everything it follows.
    pub router: RouterPlan,
    /// Commands of the `vrrp_script`s, by name; same names as in [`RouterPlan::scripts`].
    pub scripts: BTreeMap<String, ScriptCommand>,
    /// Notifications of instances, by instance name; an instance without any is absent.
    pub instance_notify: BTreeMap<String, NotifyCommands>,
    /// Notifications of sync groups, by group name.
    pub group_notify: BTreeMap<String, NotifyCommands>,
    /// Tracked files, by name; same names as in [`RouterPlan::files`].
    pub files: BTreeMap<String, TrackedFile>,
    /// Tracked processes, by name; same names as in [`RouterPlan::processes`].
    pub processes: BTreeMap<String, TrackedProcess>,
    /// FIFOs of VRRP and of everything.
    pub fifos: Fifos,
    /// Run once before the children start.
    pub startup_script: Option<TimedCommand>,
    /// Run once after the children ended.
    pub shutdown_script: Option<TimedCommand>,
    /// Virtual servers and what checks them.
    pub director: DirectorPlan,
    /// Commands of `MISC_CHECK`s, by the name the plan has for them.
    pub check_commands: BTreeMap<String, Command>,
    /// Who is told of virtual and real servers; an object nobody is told of is absent.
    pub server_notify: BTreeMap<ServerObject, ServerCommands>,
    /// How mail is sent; `None` when nobody gets any.
    pub mail: Option<Mail>,
    /// What is told by SNMP.
    pub snmp: Snmp,
}

/// What is told by SNMP, through the SNMP agent of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Snmp {
    /// `enable_snmp_vrrp`: the part of KEEPALIVED-MIB about VRRP.
    pub vrrp: bool,
    /// `enable_snmp_rfcv2`: VRRP-MIB, RFC 2787.
    pub rfc2787: bool,
    /// `enable_snmp_rfcv3`: VRRPV3-MIB, RFC 6527.
    pub rfc6527: bool,
    /// `enable_snmp_checker`: the part of KEEPALIVED-MIB about virtual servers.
    pub servers: bool,
    /// `enable_traps`.
    pub traps: bool,
    /// `snmp_socket`, where the agent listens for sub-agents; `None` is its usual place.
    pub socket: Option<String>,
    /// What was said about mail.
    pub alerts: Alerts,
    /// What is defined to be tracked, in the order of the file.
    pub trackables: Vec<Trackable>,
}

impl Snmp {
    /// Whether anything at all is told.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.vrrp || self.rfc2787 || self.rfc6527 || self.servers
    }
}

/// A script, file, process or BFD session, as it is where its place of use says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trackable {
    /// Kind and name: `script chk_nginx`, `file`, `process`, `bfd`.
    pub name: String,
    /// `weight`.
    pub weight: i32,
    /// `weight N reverse`.
    pub reverse: bool,
}

/// `smtp_alert`, `smtp_alert_vrrp` and `smtp_alert_checker` of `global_defs`; `None` where nothing was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Alerts {
    /// About everything.
    pub all: Option<bool>,
    /// About virtual routers.
    pub vrrp: Option<bool>,
    /// About virtual and real servers.
    pub servers: Option<bool>,
}

/// Who gets mail and which relay takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Name or address of the relay; a name is looked up whenever mail is sent.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// `@mainstay smtp_security`.
    pub security: MailSecurity,
    /// `@mainstay smtp_login`.
    pub login: Option<MailLogin>,
    /// Who it is from.
    pub from: Mailbox,
    /// Who gets it; never empty.
    pub to: Vec<Mailbox>,
    /// What we call ourselves (`smtp_helo_name`).
    pub helo: String,
    /// This host, where a user without a domain is.
    pub host: String,
    /// How long the relay may take for each answer.
    pub timeout: Duration,
    /// Also about FAULT (`no_email_faults` says no).
    pub faults: bool,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Whose it is, for people.
    pub name: Option<String>,
    /// Before the `@`.
    pub user: String,
    /// After it; empty is this host.
    pub domain: String,
}

/// How the relay is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MailSecurity {
    /// In the clear, as keepalived does.
    #[default]
    None,
    /// In the clear until both begin with TLS (RFC 3207); without that nothing is sent.
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
}

impl MailSecurity {
    /// The port when none is given.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::StartTls => 587,
            Self::Tls => 465,
        }
    }
}

/// Who we are for the relay.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailLogin {
    /// User name.
    pub user: String,
    /// Password; `Debug` does not show it.
    pub password: String,
}

impl std::fmt::Debug for MailLogin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "MailLogin {{ user: {:?}, .. }}", self.user)
    }
}

/// `notify_up` and `notify_down` of a real server, `quorum_up` and `quorum_down` of a virtual server, and mail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServerCommands {
    /// When it comes up.
    pub up: Option<Command>,
    /// When it goes down.
    pub down: Option<Command>,
    /// `smtp_alert`.
    pub smtp_alert: bool,
}

/// What the processes are told about themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessSettings {
    /// `router_id`, or the host name.
    pub router_id: String,
    /// `net_namespace`.
    pub net_namespace: Option<String>,
    /// `instance`: goes into pid file names.
    pub instance: Option<String>,
    /// `use_pid_dir`.
    pub use_pid_directory: bool,
    /// `child_wait_time`; `None` is 5 s.
    pub child_wait: Option<Duration>,
    /// Title of the supervisor (`process_name`).
    pub supervisor_name: Option<String>,
    /// Scheduling of the router.
    pub router: Scheduling,
    /// Scheduling of the director.
    pub director: Scheduling,
    /// `max_auto_priority`: ceiling of automatic realtime escalation; `None` is off.
    pub max_auto_priority: Option<u8>,
    /// `vrrp_rx_bufs_*`: bytes to ask for a VRRP receive buffer; `None` lets Mainstay choose.
    pub receive_buffer: Option<u32>,
    /// `umask`.
    pub umask: Option<u32>,
    /// `set_supplementary_groups`: scripts have all groups of their user.
    pub supplementary_groups: bool,
    /// `reload_check_config`.
    pub reload_check_config: bool,
    /// `@mainstay realtime on|off|PRIORITY`; `None` when not said.
    pub realtime: Option<Realtime>,
    /// `@mainstay record PATH`, absolute.
    pub record: Option<PathBuf>,
    /// The files that signals ask for.
    pub dumps: Dumps,
    /// `reload_time_file`.
    pub reload_time: Option<ReloadTime>,
    /// `reload_file`: exists while a configuration is read for a reload.
    pub reload_marker: Option<PathBuf>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub states_on_reload: bool,
    /// `@mainstay metrics_listen`.
    pub metrics: Option<Endpoint>,
    /// `@mainstay event_file`, absolute.
    pub event_file: Option<PathBuf>,
}

/// Where somebody is listened to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Endpoint {
    /// An address and a port of TCP.
    Address(SocketAddr),
    /// A Unix socket; the path is absolute.
    Path(PathBuf),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Path(path) => path.display().fmt(formatter),
        }
    }
}

/// A file that says when to reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadTime {
    /// Its path.
    pub file: PathBuf,
    /// `reload_repeat`: it stays, and a time without a date is every day.
    pub repeat: bool,
}

/// Where the files go that signals ask for. A path that ends with `/` is a folder; `None` is `$TMPDIR` or `/tmp`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dumps {
    /// `state_dump_file`: USR1.
    pub state: Option<PathBuf>,
    /// `stats_dump_file`: USR2.
    pub statistics: Option<PathBuf>,
    /// `json_dump_file`: RTMIN+2.
    pub json: Option<PathBuf>,
    /// `json_version`.
    pub json_version: JsonVersion,
    /// `data_use_instance`: names of network namespace and instance are part of the file names.
    pub use_instance: bool,
}

/// `json_version`: the layout of the JSON file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum JsonVersion {
    /// A list of instances.
    #[default]
    One,
    /// An object with lists of instances and tracked processes.
    Two,
}

/// `@mainstay realtime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Realtime {
    /// Ordinary scheduling.
    Off,
    /// `SCHED_RR` with this priority, 1 to 99, and locked memory.
    Priority(u8),
}

/// Scheduling of one process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scheduling {
    /// Title (`vrrp_process_name`).
    pub name: Option<String>,
    /// Nice value, -20 to 19.
    pub nice: Option<i8>,
    /// Lock memory (`vrrp_no_swap`).
    pub lock_memory: bool,
    /// `SCHED_RR` priority, 1 to 99.
    pub realtime_priority: Option<u8>,
    /// CPUs to run on; empty is all.
    pub cpu_affinity: Vec<u32>,
    /// `RLIMIT_RTTIME` in microseconds.
    pub rttime_us: Option<u64>,
}

/// A command with the identity it runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments, quotes removed, escapes done. Never empty.
    pub arguments: Vec<String>,
    /// Who runs it.
    pub identity: Identity,
    /// Not an executable with a shebang or ELF header: give the whole line to `/bin/sh -c`.
    pub through_shell: bool,
}

/// User and group ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// A command that may run only so long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimedCommand {
    /// The command.
    pub command: Command,
    /// TERM, then KILL, after this.
    pub timeout: Duration,
}

/// What a `vrrp_script` runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptCommand {
    /// What to run.
    pub probe: ScriptProbe,
    /// TERM, then KILL, after this; the run counts as a failure.
    pub timeout: Duration,
}

/// The two forms of a `vrrp_script`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScriptProbe {
    /// Run a command; exit status 0 is good.
    Command(Command),
    /// `</path`: good if the file can be read.
    FileReadable(PathBuf),
}

/// Scripts and mail of an instance or a sync group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NotifyCommands {
    /// `notify_master`.
    pub master: Option<Command>,
    /// `notify_backup`.
    pub backup: Option<Command>,
    /// `notify_fault`.
    pub fault: Option<Command>,
    /// `notify_stop`.
    pub stop: Option<Command>,
    /// `notify_deleted`.
    pub deleted: Option<Command>,
    /// `notify_master_rx_lower_pri`.
    pub master_rx_lower_priority: Option<Command>,
    /// `notify`: gets TYPE NAME STATE PRIORITY appended.
    pub generic: Option<Command>,
    /// `smtp_alert`.
    pub smtp_alert: bool,
}

/// A tracked file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackedFile {
    /// Its path.
    pub path: PathBuf,
    /// `init_file`: create it with this value; `true` also overwrites.
    pub init: Option<(i64, bool)>,
}

/// Which processes count for a `vrrp_track_process`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackedProcess {
    /// Name (comm, or the first word of the command line) and parameters.
    pub arguments: Vec<String>,
    /// How parameters compare.
    pub parameters: ParameterMatch,
    /// Compare the command line rather than the kernel's short name.
    pub full_command: bool,
}

/// `param_match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ParameterMatch {
    /// No parameters are compared.
    #[default]
    Ignore,
    /// All must be equal.
    Exact,
    /// Those given must be the first ones (`initial`).
    Initial,
    /// The last one given may be the beginning of a parameter (`partial`).
    Partial,
}

/// Named pipes that are told of changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fifos {
    /// `notify_fifo`: everything.
    pub all: Option<Fifo>,
    /// `vrrp_notify_fifo`: VRRP.
    pub vrrp: Option<Fifo>,
    /// `lvs_notify_fifo`: virtual and real servers.
    pub lvs: Option<Fifo>,
}

/// One named pipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fifo {
    /// Path.
    pub path: PathBuf,
    /// Owner.
    pub owner: Option<Identity>,
    /// Reader to start; gets the path as its last argument.
    pub script: Option<Command>,
}
