//! `strict_mode`: what the RFC does not allow is set back (reference/keepalived.md section 4.6).

use mainstay_core::address::Family;
use mainstay_core::router::plan::{MismatchPolicy, Version, WantedState};

use super::Lowering;
use super::instance::Draft;

/// Missed adverts in the RFC.
const RFC_DOWN_TIMER_ADVERTS: u8 = 3;

/// Applies the rules to a draft whose family, version and state are settled.
///
/// `false` refuses the instance.
pub(crate) fn apply(
    lowering: &mut Lowering<'_>,
    draft: &mut Draft,
    family: Family,
    version: &mut Version,
    wanted: WantedState,
    owner: bool,
) -> bool {
    let report = &mut lowering.report;
    let name = draft.name.clone();
    if family == Family::V6 && *version == Version::V2 {
        report
            .complain(
                "version-2-with-ipv6",
                draft.version.map(|(_, span)| span),
                format!("`{name}`: VRRP version 2 has no IPv6"),
            )
            .because("strict mode: version 3 is used");
        *version = Version::V3;
    }
    if (wanted == WantedState::Master) != owner {
        report
            .complain(
                "strict-state",
                draft.span,
                format!("`{name}`: in strict mode only priority 255 is MASTER at start"),
            )
            .because("state MASTER and priority 255 belong together");
    }
    if let Some((_, span)) = draft.preempt_delay.take() {
        report.complain("strict-reset", span, "strict mode has no preempt_delay").because("it is ignored");
    }
    if let Some((adverts, span)) = draft.down_timer_adverts
        && adverts != RFC_DOWN_TIMER_ADVERTS
    {
        report.complain("strict-reset", span, "strict mode counts 3 missed adverts").because("3 is used");
    }
    draft.down_timer_adverts = Some((RFC_DOWN_TIMER_ADVERTS, draft.span));
    if let Some(span) = draft.accept_said
        && *version == Version::V2
    {
        report
            .complain("strict-reset", span, "VRRP version 2 has no accept mode")
            .because("a master that is not the owner does not answer on the addresses");
        draft.accept_said = None;
    }
    if draft.announce.lower_priority_repeat.is_some_and(|repeat| repeat > 0) {
        report
            .complain(
                "strict-reset",
                draft.span,
                "strict mode announces nothing after an advert of lower priority",
            )
            .because("garp_lower_prio_repeat 0 is used");
    }
    draft.announce.lower_priority_repeat = Some(0);
    if let Some((false, span)) = draft.lower_priority_no_advert {
        report
            .complain("strict-reset", span, "strict mode does not answer adverts of lower priority")
            .because("lower_prio_no_advert on is used");
    }
    draft.lower_priority_no_advert = Some((true, draft.span));
    if let Some((true, span)) = draft.higher_priority_send_advert {
        report
            .complain("strict-reset", span, "strict mode sends nothing before yielding")
            .because("higher_prio_send_advert off is used");
    }
    draft.higher_priority_send_advert = Some((false, draft.span));
    if let Some((MismatchPolicy::Hold, span)) = draft.mismatch_policy {
        // keepalived does not see the word, and says nothing.
        report
            .warn("strict-reset", span, "strict mode takes over from whoever it does not understand")
            .because("mismatch_policy take is used");
    }
    draft.mismatch_policy = Some((MismatchPolicy::Take, draft.span));
    let multicast = draft.interface.as_ref().and_then(|word| lowering.host.interface(&word.text));
    if draft.peers.is_unicast() && multicast.is_some_and(|facts| facts.multicast) {
        lowering
            .report
            .refuse(
                "strict-unicast",
                draft.span,
                format!("`{name}`: strict mode does not allow unicast peers"),
            )
            .because("its interface can multicast; the instance is left out");
        return false;
    }
    true
}
