//! What may stand at the level of the file.

use super::shape::{Kind::*, LONGEST, Naming::*, Shape::*};
use super::{Block, Contents, Keyword, bfd, global, instance, lines, option, row, server, tracking};

/// The file itself.
pub(super) static BLOCK: Block = Block { contents: Contents::Keywords(&[KEYWORDS]) };

/// `linkbeat_interfaces`.
static LINKBEAT_INTERFACES: Block = Block { contents: Contents::Lines(&[LINKBEAT]) };

/// `interface_up_down_delays`.
static UP_DOWN_DELAYS: Block = Block { contents: Contents::Lines(&[DELAYS]) };

/// Blocks, settings that are needed before anything else is read, and the language itself.
#[rustfmt::skip]
pub(super) static KEYWORDS: &[Keyword] = &[
    row("linkbeat_use_polling", Empty, "(none)", "off (netlink)", "core/interface",
        "Use MII/ETHTOOL/ioctl polling for link state on every interface (build: linkbeat)"),
    row("net_namespace", One(Name), "NAME", "default ns", "core/netns",
        "Run whole daemon in this netns, private mount of run dir; fixed at startup; -s overrides"),
    row("net_namespace_ipvs", Maybe(Name), "[NAME]", "net_namespace", "core/netns",
        "Put IPVS configuration into another netns; empty name means the default netns"),
    row("namespace_with_ipsets", Empty, "(none)", "off", "core/netns",
        "Permit ipsets inside a netns on kernels before 3.13"),
    row("instance", One(Name), "NAME", "unset", "core/process",
        "Adds a name to pid files (several daemons in one ns); fixed at startup"),
    row("use_pid_dir", Empty, "(none)", "off", "core/process",
        "Put pid files below RUN/keepalived/"),
    row("child_wait_time", Seconds(0, LONGEST), "SECS 0..", "5", "core/process",
        "How long the parent waits for children at shutdown"),
    row("global_defs", Opens(Unnamed, &global::BLOCK), "block", "-", "core",
        "Container of daemon-wide settings"),
    row("track_group", Opens(Named, &tracking::TRACK_GROUP), "NAME block", "-", "static",
        "Names vrrp instances that go to fault when a tracked static address/route/rule vanishes"),
    row("static_ipaddress", Opens(Unnamed, &lines::STATIC_ADDRESSES), "block of address lines", "-", "static",
        "Addresses that exist as long as the daemon runs"),
    row("static_routes", Opens(Unnamed, &lines::STATIC_ROUTES), "block of route lines", "-", "static",
        "Routes that exist as long as the daemon runs"),
    row("static_rules", Opens(Unnamed, &lines::STATIC_RULES), "block of ip-rule lines", "-", "static",
        "Policy rules that exist as long as the daemon runs"),
    row("vrrp_sync_group", Opens(Named, &instance::SYNC_GROUP), "NAME block", "-", "vrrp/sync",
        "Group of instances changing state together"),
    row("garp_group", Opens(Unnamed, &instance::GARP_GROUP), "block", "-", "vrrp/garp",
        "Rate-limit GARP/NA per interface or set of interfaces"),
    row("linkbeat_interfaces", Opens(Unnamed, &LINKBEAT_INTERFACES), "block", "-", "core/interface",
        "Interfaces polled for link state"),
    row("vrrp_instance", Opens(Named, &instance::BLOCK), "NAME block", "-", "vrrp",
        "One virtual router"),
    row("vrrp_script", Opens(Named, &tracking::SCRIPT), "NAME block", "-", "tracking",
        "Periodic tracking script"),
    row("vrrp_track_process", Opens(Named, &tracking::PROCESS), "NAME block", "-", "tracking",
        "Process-presence tracker (proc connector)"),
    row("track_file", Opens(Named, &tracking::FILE), "NAME block", "-", "tracking",
        "File-value tracker"),
    row("vrrp_track_file", Opens(Named, &tracking::FILE), "NAME block", "-", "tracking",
        "Deprecated spelling of track_file").synonym_of("track_file"),
    row("interface_up_down_delays", Opens(Unnamed, &UP_DOWN_DELAYS), "block", "-", "core/interface",
        "Link state debounce per interface"),
    row("bfd_instance", Opens(Named, &bfd::BLOCK), "NAME(<32 chars) block", "-", "bfd",
        "BFD session (build: bfd)"),
    row("SSL", Opens(Unnamed, &server::SSL), "block", "auto context", "checkers/http",
        "Client TLS material for SSL_GET"),
    row("virtual_server_group", Opens(Named, &server::GROUP), "NAME block", "-", "lvs",
        "Named set of addresses, ranges, fwmarks usable as one virtual server"),
    row("virtual_server", Opens(Service, &server::BLOCK),
        "IP [PORT] | fwmark N | group NAME, block", "-", "lvs",
        "One IPVS service"),
    row("include", Syntax, "GLOB", "lenient", "config-language",
        "Insert file(s); missing files only logged"),
    row("includer", Syntax, "GLOB", "-", "config-language",
        "include plus readable check"),
    row("includem", Syntax, "GLOB", "-", "config-language",
        "include plus error if a non-wildcard name matches nothing"),
    row("includew", Syntax, "GLOB", "-", "config-language",
        "include plus error if nothing matches even with wildcards"),
    row("includeb", Syntax, "GLOB", "-", "config-language",
        "include plus error if any brace alternative is missing"),
    row("includea", Syntax, "GLOB", "-", "config-language",
        "include with all checks"),
    row("$NAME=", Syntax, "$NAME=VALUE (or multi-line with trailing backslash)", "-", "config-language",
        "Define a substitution parameter"),
    row("@ID", Syntax, "@ID rest-of-line", "-", "config-language",
        "Keep line only if config-id equals ID"),
    row("@^ID", Syntax, "@^ID rest-of-line", "-", "config-language",
        "Keep line only if config-id differs from ID"),
    row("~SEQ", Syntax, "~SEQ(var,[start,[step,]]end) rest", "step +-1, start +-1", "config-language",
        "Repeat rest of line over a decimal range"),
    row("~SEQx", Syntax, "~SEQx(var,...) rest", "as ~SEQ", "config-language",
        "Same, value printed in hex (non-negative only)"),
    row("~LST", Syntax, "~LST(var,v1,..) or ~LST({a,b},{v,w},..) rest", "-", "config-language",
        "Repeat rest of line over listed values/tuples"),
    row("${_PWD}", Syntax, "(predefined)", "-", "config-language",
        "Directory of the file being read"),
    row("${_INSTANCE}", Syntax, "(predefined)", "host name", "config-language",
        "The config-id (-i), default first label of node name"),
    row("${_RANDOM [MIN [MAX]]}", Syntax, "(predefined)", "0..32767", "config-language",
        "Random integer, seeded by time or random_seed"),
    row("${_ENV VAR}", Syntax, "(predefined)", "empty if unset", "config-language",
        "Environment variable (2.4.0)"),
    row("${_HASH}", Syntax, "(predefined)", "#", "config-language",
        "Literal hash"),
    row("${_BANG}", Syntax, "(predefined)", "!", "config-language",
        "Literal exclamation mark"),
];

/// A line of `linkbeat_interfaces`.
#[rustfmt::skip]
static LINKBEAT: &[Keyword] = &[
    option("<IF>", "IF [MII|ETHTOOL|IOCTL]", "MII then ETHTOOL then ioctl", "core/interface",
        "Interface to poll"),
];

/// A line of `interface_up_down_delays`.
#[rustfmt::skip]
static DELAYS: &[Keyword] = &[
    option("<IF>",
        "IF DOWN [UP] (0..255 s, us)", "UP: code 0 when omitted (man: same as DOWN)", "core/interface",
        "Debounce; DOWN capped below (down_timer_adverts-1) advert intervals"),
];
