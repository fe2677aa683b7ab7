//! The keywords of the configuration language.

use crate::text::Escapes;

/// Whether the arguments of a keyword are split shell-like, and what becomes of backslashes then.
pub(crate) fn escapes(keyword: &str) -> Option<Escapes> {
    match keyword {
        "script" | "misc_path" => Some(Escapes::Keep),
        "regex"
        | "quorum_up"
        | "quorum_down"
        | "startup_script"
        | "shutdown_script"
        | "notify"
        | "notify_up"
        | "notify_down"
        | "notify_master"
        | "notify_backup"
        | "notify_fault"
        | "notify_stop"
        | "notify_deleted"
        | "notify_master_rx_lower_pri"
        | "notify_fifo_script"
        | "vrrp_notify_fifo_script"
        | "lvs_notify_fifo_script" => Some(Escapes::Process),
        _ => None,
    }
}
