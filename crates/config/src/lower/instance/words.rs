//! The words of a `vrrp_instance`, one by one, into a draft.

use std::num::NonZeroU8;
use std::time::Duration;

use mainstay_core::router::plan::WantedState;

use super::super::addresses::{self, Place};
use super::super::values::{integer, link_name, number, required, seconds, switch};
use super::super::{Lowering, global, heartbeats, routes, rules, signature, trackers};
use super::Draft;
use crate::tree::{Statement, Word};

/// Takes in one statement of the block.
pub(super) fn read(lowering: &mut Lowering<'_>, draft: &mut Draft, statement: &Statement) {
    let keyword = statement.keyword();
    if let Some(kind) = trackers::kind(keyword) {
        return trackers::lower(lowering, statement, kind, draft.order, &mut draft.trackers);
    }
    if draft.peers.word(lowering, statement)
        || draft.notify.word(lowering, statement)
        || draft.announce.word(&mut lowering.report, statement, keyword, 0)
        || draft.vmac.word(lowering, statement)
        || draft.lease.word(&mut lowering.report, statement)
        || heartbeats::path_word(lowering, statement, Some(&draft.name))
        || blocks(lowering, draft, statement)
        || flags(lowering, draft, statement)
    {
        return;
    }
    let report = &mut lowering.report;
    let span = statement.span();
    match keyword {
        "state" => {
            if let Some(word) = required(report, statement, "MASTER or BACKUP") {
                draft.state = Some((state(lowering, word), word.span));
            }
        }
        "interface" => {
            if let Some(word) = required(report, statement, "an interface")
                && link_name(report, word).is_some()
            {
                draft.interface = Some(word.clone());
            }
        }
        "virtual_router_id" => {
            if let Some(word) = required(report, statement, "a number") {
                draft.vrid = number::<u8>(report, word, 1..=255).and_then(NonZeroU8::new);
            }
        }
        "priority" => {
            if let Some(word) = required(report, statement, "a number") {
                let found = number::<u8>(report, word, 1..=255).and_then(NonZeroU8::new);
                draft.priority = found.map(|priority| (priority, word.span));
            }
        }
        "version" => {
            if let Some(word) = required(report, statement, "2 or 3") {
                draft.version = global::version(report, word).map(|version| (version, word.span));
            }
        }
        "advert_int" => {
            let range = Duration::from_millis(10)..=Duration::from_secs(255);
            if let Some(word) = required(report, statement, "seconds") {
                draft.interval = seconds(report, word, range).map(|interval| (interval, word.span));
            }
        }
        "preempt_delay" => {
            let range = Duration::ZERO..=Duration::from_secs(1000);
            if let Some(word) = required(report, statement, "seconds") {
                draft.preempt_delay = seconds(report, word, range)
                    .filter(|delay| !delay.is_zero())
                    .map(|delay| (delay, word.span));
            }
        }
        "down_timer_adverts" => {
            if let Some(word) = required(report, statement, "a number") {
                draft.down_timer_adverts = number(report, word, 1..=100).map(|adverts| (adverts, word.span));
            }
        }
        "timer_expired_backup" | "thread_timer_expired" => {
            draft.timer_expired_backup = match statement.arguments().first() {
                Some(word) => number::<u8>(report, word, 1..=254).and_then(NonZeroU8::new),
                None => NonZeroU8::new(254),
            };
        }
        "mismatch_policy" => {
            draft.mismatch_policy = global::mismatch_policy(report, statement).map(|policy| (policy, span));
        }
        "kernel_rx_buf_size" => {
            if let Some(word) = required(report, statement, "bytes") {
                draft.receive_buffer = number(report, word, 0..=i64::from(u32::MAX));
            }
        }
        "debug" => {
            if let Some(word) = required(report, statement, "a number") {
                integer(report, word, 0..=4);
            }
        }
        "vrf" => report.not_yet(span, "vrf", "adverts go through the interface's own table"),
        _ => {}
    }
}

/// Blocks of addresses, routes, rules and keys.
fn blocks(lowering: &mut Lowering<'_>, draft: &mut Draft, statement: &Statement) -> bool {
    let lines = statement.children();
    match statement.keyword() {
        "virtual_ipaddress" | "virtual_ipaddress_excluded" => {
            let place = if statement.keyword() == "virtual_ipaddress" {
                &mut draft.addresses
            } else {
                &mut draft.excluded
            };
            for line in lines {
                if let Some(address) = addresses::lower(lowering, line, Place::Virtual) {
                    if line.arguments().iter().any(|word| word.text == "use_vmac") {
                        draft.vmac.marked.push(line.span());
                    }
                    place.push((address, line.span()));
                }
            }
        }
        "virtual_routes" => {
            draft.routes.extend(lines.iter().filter_map(|line| routes::lower(lowering, line, false)));
        }
        "virtual_rules" => {
            draft.rules.extend(lines.iter().filter_map(|line| rules::lower(lowering, line, false)));
        }
        "authentication" => draft.authentication.block(&mut lowering.report, statement),
        "auth_hmac" => draft.signature = signature::block(lowering, statement).or(draft.signature.take()),
        _ => return false,
    }
    true
}

/// Words that are switches.
fn flags(lowering: &mut Lowering<'_>, draft: &mut Draft, statement: &Statement) -> bool {
    let report = &mut lowering.report;
    let span = statement.span();
    match statement.keyword() {
        "nopreempt" => draft.nopreempt = Some(span),
        "preempt" => draft.nopreempt = None,
        "accept" => {
            draft.accept_said = Some(span);
            draft.no_accept_said = None;
        }
        "no_accept" => {
            draft.no_accept_said = Some(span);
            draft.accept_said = None;
        }
        "strict_mode" => draft.strict = switch(report, statement),
        "dont_track_primary" => draft.ignore_interface_fault = true,
        "track_src_ip" => draft.track_source = Some(span),
        "promote_secondaries" => draft.promote_secondaries = Some(span),
        "no_virtual_ipaddress" => draft.no_addresses_wanted = true,
        "v3_checksum_as_v2" => draft.checksum_without_pseudo_header = switch(report, statement),
        // DIFFERS: in keepalived `skip_check_adv_addr false` sets it too.
        "skip_check_adv_addr" => draft.skip_address_check = switch(report, statement),
        "owner_ignore_adverts" => draft.owner_ignores_adverts = switch(report, statement),
        "lower_prio_no_advert" => {
            draft.lower_priority_no_advert = switch(report, statement).map(|value| (value, span));
        }
        "higher_prio_send_advert" => {
            draft.higher_priority_send_advert = switch(report, statement).map(|value| (value, span));
        }
        "probe_before_take" => draft.probe_before_take = switch(report, statement),
        "claim_watch" => draft.claim_watch = switch(report, statement),
        "native_ipv6" => draft.native_ipv6 = Some(span),
        _ => return false,
    }
    true
}

/// `MASTER` or `BACKUP`; anything else is BACKUP.
fn state(lowering: &mut Lowering<'_>, word: &Word) -> WantedState {
    match word.text.as_str() {
        "MASTER" => WantedState::Master,
        "BACKUP" => WantedState::Backup,
        other => {
            let meant = if other.eq_ignore_ascii_case("master") { "MASTER" } else { "BACKUP" };
            lowering
                .report
                .complain("unknown-state", word.span, format!("there is no state `{other}`"))
                .because("expected MASTER or BACKUP; BACKUP is used")
                .suggest(meant);
            WantedState::Backup
        }
    }
}
