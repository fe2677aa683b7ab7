//! What an instance may follow: `vrrp_script`, `vrrp_track_process`, `track_file`, and `track_group`.

use super::shape::{Kind::*, LONGEST, MANY, MOST, Naming::*, SECOND, Shape::*};
use super::{Block, Contents, Keyword, NAMES, row};

/// `vrrp_script`.
pub(super) static SCRIPT: Block = Block { contents: Contents::Keywords(&[SCRIPT_WORDS]) };
/// `vrrp_track_process`.
pub(super) static PROCESS: Block = Block { contents: Contents::Keywords(&[PROCESS_WORDS]) };
/// `track_file` and `vrrp_track_file`.
pub(super) static FILE: Block = Block { contents: Contents::Keywords(&[FILE_WORDS]) };
/// `track_group`.
pub(super) static TRACK_GROUP: Block = Block { contents: Contents::Keywords(&[GROUP_WORDS]) };

/// Words of `vrrp_script`.
#[rustfmt::skip]
static SCRIPT_WORDS: &[Keyword] = &[
    row("script", KeptCommand, "\"CMD args\"", "required", "tracking",
        "Command; leading '</path' form tests that a file is readable"),
    row("interval", Seconds(0, LONGEST), "SECS (ms)", "1 (0 becomes 1)", "tracking",
        "Period"),
    row("timeout", Seconds(0, LONGEST), "SECS (ms)", "interval", "tracking",
        "TERM then KILL after this; counts as failure"),
    row("weight", Between(1, 2), "-253..253 [reverse]", "0", "tracking",
        "Default weight (0 = fault)"),
    row("rise", Number(1, MOST), "N>=1", "1", "tracking",
        "Successes needed"),
    row("fall", Number(1, MOST), "N>=1", "1", "tracking",
        "Failures needed"),
    row("user", Between(1, 2), "USER [[:]GROUP]", "script_user", "tracking",
        "Identity"),
    row("init_fail", Empty, "(none)", "off", "tracking",
        "Start as failed"),
];

/// Words of `vrrp_track_process`.
#[rustfmt::skip]
static PROCESS_WORDS: &[Keyword] = &[
    row("process", Between(1, MANY), "NAME [PARAM...]", "required", "tracking",
        "comm or command line to match exactly"),
    row("param_match", MaybeOf(&["initial", "partial"]), "[initial|partial]", "exact if params", "tracking",
        "Parameter match mode"),
    row("weight", Between(1, 2), "-254..254 [reverse]", "0", "tracking",
        "Default weight"),
    row("quorum", Number(1, 65_535), "1..65535", "1", "tracking",
        "Minimum count"),
    row("quorum_max", Number(0, 65_535), "0..65535", "unlimited", "tracking",
        "Maximum count (0 = must not run)"),
    row("delay", Seconds(1, 3600 * SECOND), "SECS 0.000001..3600", "0", "tracking",
        "Sets both delays"),
    row("terminate_delay", Seconds(0, LONGEST), "SECS", "0", "tracking",
        "Grace after loss"),
    row("fork_delay", Seconds(0, LONGEST), "SECS", "0", "tracking",
        "Grace after gain"),
    row("full_command", Empty, "(none)", "off", "tracking",
        "Match /proc/PID/cmdline"),
];

/// Words of `track_file`.
#[rustfmt::skip]
static FILE_WORDS: &[Keyword] = &[
    row("file", One(Path), "PATH", "required", "tracking",
        "File watched with inotify"),
    row("weight", Between(1, 2), "-2147483647..2147483647 [reverse]", "1", "tracking",
        "Multiplier of the value read; 0 = nonzero is fault"),
    row("init_file", Between(0, 2), "[VALUE] [overwrite]", "off; VALUE 0", "tracking",
        "Create/overwrite at start"),
];

/// Words of `track_group`.
#[rustfmt::skip]
static GROUP_WORDS: &[Keyword] = &[
    row("group", Opens(Unnamed, &NAMES), "block of instance names", "-", "static",
        "Members of the static track group"),
];
