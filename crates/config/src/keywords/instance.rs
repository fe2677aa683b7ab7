//! `vrrp_instance`, `vrrp_sync_group`, `garp_group`.

use super::shape::{Kind::*, LONGEST, MANY, MOST, Naming::*, SECOND, Shape::*};
use super::{Block, Contents, Keyword, NAMES, lines, ours, row};

/// `vrrp_instance`.
pub(super) static BLOCK: Block = Block { contents: Contents::Keywords(&[INSTANCE, SHARED, ours::INSTANCE]) };
/// `vrrp_sync_group`.
pub(super) static SYNC_GROUP: Block = Block { contents: Contents::Keywords(&[GROUP, SHARED]) };
/// `garp_group`.
pub(super) static GARP_GROUP: Block = Block { contents: Contents::Keywords(&[GARP]) };
/// `authentication`.
static AUTHENTICATION: Block = Block { contents: Contents::Keywords(&[PASSWORD]) };
/// `auth_hmac`.
static AUTH_HMAC: Block = Block { contents: Contents::Keywords(&[HMAC]) };

/// Words of an instance.
#[rustfmt::skip]
static INSTANCE: &[Keyword] = &[
    row("use_vmac", Between(0, MANY),
        "[[name] IF] [MAC(6 or 5 octets)] [netlink_notify_msg] [group ID]",
        "off; name vrrp.VRID; MAC 00:00:5e:00:01|02:VRID", "vrrp/vmac",
        "Run on a private-mode macvlan"),
    row("use_vmac_addr", Empty, "(none)", "off", "vrrp/vmac",
        "VMAC also for VIPs on other interfaces / other family"),
    row("vmac_xmit_base", Empty, "(none)", "off (forced with unicast)", "vrrp/vmac",
        "Adverts on the parent interface"),
    row("use_ipvlan", Between(0, MANY),
        "[[name] IF] [IP] [bridge|private|vepa] [group ID]", "bridge", "vrrp/vmac",
        "L2 ipvlan instead; IP needed for IPv4"),
    row("unicast_peer", Opens(Unnamed, &NAMES),
        "block: IP [min_ttl 0-255] [max_ttl 0-255]", "-", "vrrp/unicast",
        "Unicast destinations; a TTL range turns on check_unicast_src"),
    row("unicast_fault_no_peer", Empty, "(none)", "off", "vrrp/unicast",
        "FAULT instead of multicast if no peers"),
    row("check_unicast_src", Empty, "(none)", "global", "vrrp/unicast",
        "Source must be a peer"),
    row("old_unicast_checksum", MaybeOf(&["never"]), "[never]", "auto-detect", "vrrp/wire",
        "Pre-1.3.6 v3 unicast checksum; never stops auto switch (build option)"),
    row("native_ipv6", Empty, "(none)", "off", "vrrp",
        "Deprecated: force IPv6 and v3").deprecated("version 3"),
    row("state", OneOf(&["MASTER", "BACKUP"]), "MASTER|BACKUP", "from priority (255=MASTER)", "vrrp",
        "Wanted initial state"),
    row("interface", One(Interface), "IF", "required unless unicast", "vrrp",
        "Advert interface (loopback refused)"),
    row("vrf", One(Interface), "IF", "-", "vrrp/unicast",
        "VRF for interface-less unicast"),
    row("dont_track_primary", Empty, "(none)", "off", "vrrp",
        "Ignore faults of own interface"),
    row("mcast_src_ip", One(Address), "IP", "interface primary", "vrrp/wire",
        "Source address"),
    row("unicast_src_ip", One(Address), "IP", "interface primary", "vrrp/unicast",
        "Source address, marks unicast"),
    row("mcast_dst_ip", One(Address), "MCAST", "global group", "vrrp/wire",
        "Per-instance group"),
    row("track_src_ip", Empty, "(none)", "off", "tracking",
        "FAULT if configured source address is absent"),
    row("virtual_router_id", Number(1, 255), "1..255", "required", "vrrp",
        "VRID"),
    row("unicast_ttl", Number(0, 255), "0..255", "v4 255, v6 kernel", "vrrp/unicast",
        "TTL of unicast adverts"),
    row("version", OneOf(&["2", "3"]), "2|3", "global vrrp_version, 3 for IPv6", "vrrp",
        "Protocol version"),
    row("priority", Number(1, 255), "1..255", "100 (255 if state MASTER and unset)", "vrrp",
        "Base priority"),
    row("advert_int", Seconds(10_000, 255 * SECOND), "SECS 0.01..255", "1", "vrrp",
        "v2 whole seconds 1..255, v3 0.01..40.95 by 10 ms"),
    row("virtual_ipaddress", Opens(Unnamed, &lines::VIRTUAL_ADDRESSES),
        "block of address lines", "-", "addresses",
        "VIPs, one family, advertised, max 255 or MTU"),
    row("virtual_ipaddress_excluded", Opens(Unnamed, &lines::VIRTUAL_ADDRESSES),
        "block of address lines", "-", "addresses",
        "Not advertised, any family"),
    row("no_virtual_ipaddress", Empty, "(none)", "off", "vrrp",
        "Allow no VIP without warning, also v3"),
    row("promote_secondaries", Empty, "(none)", "off", "vrrp",
        "Set the sysctl on the interface"),
    row("linkbeat_use_polling", Empty, "(none)", "off", "core/interface",
        "Deprecated per-instance polling").deprecated("linkbeat_interfaces"),
    row("v3_checksum_as_v2", Boolean, "[BOOL]", "global", "vrrp/wire",
        "No pseudo header in v3/IPv4 checksum (RFC9568)"),
    row("virtual_routes", Opens(Unnamed, &lines::VIRTUAL_ROUTES), "block of route lines", "-", "routes",
        "Present while master"),
    row("virtual_rules", Opens(Unnamed, &lines::VIRTUAL_RULES), "block of rule lines", "-", "rules",
        "Present while master"),
    row("accept", Empty, "(none)", "on (non-strict)", "vrrp/firewall",
        "Non-owner answers on VIPs"),
    row("no_accept", Empty, "(none)", "off", "vrrp/firewall",
        "Firewall drops packets to VIPs"),
    row("skip_check_adv_addr", Boolean,
        "[BOOL] (code: any valid bool sets it, false included)", "global", "vrrp",
        "Skip VIP list check for same master"),
    row("strict_mode", Boolean, "[BOOL]", "global vrrp_strict", "vrrp",
        "RFC compliance checks"),
    row("preempt", Empty, "(none)", "on", "vrrp",
        "Clears nopreempt"),
    row("nopreempt", Empty, "(none)", "off", "vrrp",
        "Do not take over a lower-prio master; invalid with MASTER/255"),
    row("preempt_delay", Seconds(0, 1000 * SECOND), "SECS 0..1000", "0", "vrrp",
        "Extra wait before preempting; excluded with MASTER, nopreempt, strict"),
    row("debug", Number(0, 4), "0..4", "0", "vrrp",
        "Stored, unused"),
    row("notify_deleted", OptionalCommand,
        "[\"CMD args\" [user [[:]group]]]", "off (FAULT is sent)", "notify",
        "DELETED instead of FAULT when removed at reload (parser: instance only; man shows it in sync group)"),
    row("notify_master_rx_lower_pri", Command, "\"CMD args\" [user [[:]group]]", "-", "notify",
        "Run when master sees a lower-prio advert"),
    row("lvs_sync_daemon_interface", One(Interface), "IF", "-", "lvs/syncd",
        "Deprecated, use global lvs_sync_daemon").deprecated("the global lvs_sync_daemon"),
    row("garp_master_delay", Seconds(0, LONGEST), "SECS", "global", "vrrp/garp",
        "see global"),
    row("garp_master_repeat", Number(1, MOST), "N>=1", "global", "vrrp/garp",
        "see global"),
    row("garp_master_refresh", Seconds(0, LONGEST), "SECS", "global", "vrrp/garp",
        "see global"),
    row("garp_master_refresh_repeat", Number(1, MOST), "N>=1", "global", "vrrp/garp",
        "see global"),
    row("garp_lower_prio_delay", Seconds(0, LONGEST), "SECS", "global", "vrrp/garp",
        "see global (0 in strict)"),
    row("garp_lower_prio_repeat", Number(0, MOST), "N", "global", "vrrp/garp",
        "see global (0 in strict)"),
    row("down_timer_adverts", Number(1, 100), "1..100", "global (3)", "vrrp",
        "Missed adverts before takeover"),
    row("timer_expired_backup", Maybe(Text), "[1..254]", "off; bare=254", "vrrp",
        "With nopreempt: step down if the scheduler was late enough for a peer to have taken over"),
    row("thread_timer_expired", Maybe(Text), "[1..254]", "-", "vrrp",
        "Synonym that asks to be renamed").deprecated("timer_expired_backup"),
    row("garp_extra_if", Between(1, 2), "[all] SECS 0..86400", "global", "vrrp/garp",
        "see vrrp_garp_extra_if, 0 = off"),
    row("vmac_garp_intvl", Between(1, 2), "[all] SECS", "-", "vrrp/garp",
        "Deprecated spelling").deprecated("garp_extra_if"),
    row("lower_prio_no_advert", Boolean, "[BOOL]", "global (on if strict)", "vrrp",
        "see global"),
    row("higher_prio_send_advert", Boolean, "[BOOL]", "global", "vrrp",
        "see global"),
    row("owner_ignore_adverts", Boolean, "[BOOL]", "global (on if strict); only for priority 255", "vrrp",
        "Owner drops adverts"),
    row("kernel_rx_buf_size", Number(1, MOST), "BYTES", "vrrp_rx_bufs_policy", "vrrp",
        "Contribution to socket receive buffer"),
    row("authentication", Opens(Unnamed, &AUTHENTICATION), "block", "none", "vrrp/auth",
        "RFC2338 authentication (v2 only)"),
    row("auth_hmac", Opens(Unnamed, &AUTH_HMAC), "block", "none", "vrrp/auth",
        "HMAC-SHA256 trailer (2.4.0+)"),
];

/// Words of a sync group.
#[rustfmt::skip]
static GROUP: &[Keyword] = &[
    row("group", Opens(Unnamed, &NAMES), "block of instance names", "required", "vrrp/sync",
        "Members; an instance may be in one group only"),
    row("global_tracking", Empty, "(none)", "off", "vrrp/sync",
        "Deprecated, acts as sync_group_tracking_weight").deprecated("sync_group_tracking_weight"),
    row("sync_group_tracking_weight", Empty, "(none)", "off", "vrrp/sync",
        "Permit weighted trackers on members"),
];

/// Words that an instance and a sync group have in common: what they follow and whom they tell.
#[rustfmt::skip]
static SHARED: &[Keyword] = &[
    row("track_interface", Opens(Unnamed, &NAMES),
        "block: IF [weight -253..253 [reverse]]", "weight 0", "tracking",
        "Interfaces to follow"),
    row("track_script", Opens(Unnamed, &NAMES),
        "block: NAME [weight N [reverse|noreverse]]", "script's weight", "tracking",
        "Scripts to follow"),
    row("track_file", Opens(Unnamed, &NAMES),
        "block: NAME [weight -254..254 [reverse|noreverse]]", "file's weight (1)", "tracking",
        "Files to follow"),
    row("track_process", Opens(Unnamed, &NAMES),
        "block: NAME [weight -254..254 [reverse|noreverse]]", "process's weight (0)", "tracking",
        "Processes to follow"),
    row("track_bfd", Opens(Unnamed, &NAMES),
        "block: NAME [weight -253..253 [reverse|noreverse]]", "bfd's weight (0)", "tracking",
        "BFD sessions to follow"),
    row("notify_master", Command, "\"CMD args\" [user [[:]group]]", "-", "notify",
        "Run on MASTER"),
    row("notify_backup", Command, "\"CMD args\" [user [[:]group]]", "-", "notify",
        "Run on BACKUP"),
    row("notify_fault", Command, "\"CMD args\" [user [[:]group]]", "-", "notify",
        "Run on FAULT"),
    row("notify_stop", Command, "\"CMD args\" [user [[:]group]]", "-", "notify",
        "Run at shutdown (1 s timer)"),
    row("notify", Command, "\"CMD args\" [user [[:]group]]", "-", "notify",
        "Generic: appends TYPE NAME STATE PRIO"),
    row("smtp_alert", Boolean, "[BOOL]", "global smtp_alert_vrrp, else smtp_alert, else off", "smtp",
        "Mail on transition"),
    row("notify_priority_changes", Boolean, "[BOOL]", "sync group, else global", "notify",
        "FIFO lines on priority change"),
];

/// Words of `garp_group`.
#[rustfmt::skip]
static GARP: &[Keyword] = &[
    row("garp_interval", Seconds(0, LONGEST), "SECS (us)", "0", "vrrp/garp",
        "Spacing of GARPs"),
    row("gna_interval", Seconds(0, LONGEST), "SECS (us)", "0", "vrrp/garp",
        "Spacing of NAs"),
    row("interface", One(Interface), "IF", "-", "vrrp/garp",
        "Single physical interface"),
    row("interfaces", Opens(Unnamed, &NAMES), "block of IFs", "-", "vrrp/garp",
        "Aggregate over these"),
];

/// Words of `authentication`.
#[rustfmt::skip]
static PASSWORD: &[Keyword] = &[
    row("auth_type", OneOf(&["PASS", "AH"]), "PASS|AH", "none", "vrrp/auth",
        "Type (AH: IPv4 only, not initial MASTER)"),
    row("auth_pass", One(Text), "STRING", "-", "vrrp/auth",
        "First 8 bytes, zero padded"),
];

/// Words of `auth_hmac`.
#[rustfmt::skip]
static HMAC: &[Keyword] = &[
    row("key", Between(2, 2),
        "ID(1-255) STRING|hex:HEX|file:PATH, 32..64 bytes", "at least the active one", "vrrp/auth",
        "A key; several allowed"),
    row("active_key", Number(1, 255), "1..255", "none (extension disabled if undefined)", "vrrp/auth",
        "Key used to sign"),
    row("time_window", Seconds(SECOND, 300 * SECOND),
        "SECS 1..300", "max(3*advert_int,5) capped 300", "vrrp/auth",
        "Freshness window (time mode)"),
    row("anti_replay", OneOf(&["time", "monotonic"]), "time|monotonic", "time", "vrrp/auth",
        "Replay policy"),
    row("mode", OneOf(&["enforce", "permissive", "receive-only"]),
        "enforce|permissive|receive-only", "enforce", "vrrp/auth",
        "Migration stage"),
];
