//! What an instance follows.

use std::time::Duration;

use mainstay_config::model::ParameterMatch;
use mainstay_core::router::plan::{Tracker, TrackerTarget};

use super::*;

const DEFINITIONS: &str = "vrrp_script s {\nscript \"</etc/passwd\"\nweight 5\n}\ntrack_file f {\nfile /tmp/f\n}\n\
                           vrrp_track_process p {\nprocess nginx\nweight -4 reverse\n}\n";

fn tracking(lines: &str) -> Lowered {
    let lines = format!("virtual_ipaddress {{\n10.0.0.1\n}}\n{lines}");
    lower(&(DEFINITIONS.to_owned() + &named_instance("V", 51, &lines)))
}

fn tracker(target: TrackerTarget, weight: i32, reverse: bool) -> Tracker {
    Tracker { target, weight, reverse }
}

#[test]
fn weights_come_from_the_definition_unless_said() {
    let lowered = tracking(
        "track_interface {\neth1 weight 10 reverse\n}\ntrack_script {\ns\n}\ntrack_file {\nf weight 3\n}\n\
         track_process {\np\n}",
    )
    .clean();
    let wanted = [
        tracker(TrackerTarget::Interface("eth1".into()), 10, true),
        tracker(TrackerTarget::Script("s".into()), 5, false),
        tracker(TrackerTarget::File("f".into()), 3, false),
        tracker(TrackerTarget::Process("p".into()), -4, true),
    ];
    assert_eq!(lowered.instance().trackers, wanted);
}

#[test]
fn a_file_multiplies_by_one() {
    assert_eq!(tracking("track_file {\nf\n}").clean().instance().trackers[0].weight, 1);
}

#[test]
fn noreverse_takes_back_what_the_definition_says() {
    let lowered = tracking("track_process {\np weight 2 noreverse\n}").clean();
    assert_eq!(lowered.instance().trackers, [tracker(TrackerTarget::Process("p".into()), 2, false)]);
}

#[test]
fn a_weight_out_of_range_leaves_the_definitions() {
    let lowered = tracking("track_script {\ns weight 254\n}").says(["number-out-of-range"]);
    assert_eq!(lowered.instance().trackers[0].weight, 5);
    tracking("track_process {\np weight 254\n}").clean();
}

#[test]
fn what_is_not_defined_is_not_tracked() {
    let lowered = tracking("track_script {\nnosuch\n}\ntrack_file {\nnosuch\n}").says(["unknown-tracker"; 2]);
    assert!(lowered.instance().trackers.is_empty());
    let text = "vrrp_script chk_nginx {\nscript \"</x\"\n}\n".to_owned()
        + &named_instance("V", 51, "virtual_ipaddress {\n10.0.0.1\n}\ntrack_script {\nchk_ngnix\n}");
    assert_eq!(lower(&text).only("unknown-tracker").suggestion.as_deref(), Some("chk_nginx"));
}

#[test]
fn nothing_is_tracked_twice() {
    let lowered = tracking("track_interface {\neth1\neth1 weight 3\n}").says(["duplicate-tracker"]);
    assert_eq!(lowered.instance().trackers.len(), 1);
}

#[test]
fn the_own_interface_is_tracked_anyway() {
    assert!(tracking("track_interface {\neth0\n}").says(["own-interface"]).instance().trackers.is_empty());
}

#[test]
fn an_unknown_interface_counts_as_down() {
    let lowered = tracking("track_interface {\neth9\n}").says(["unknown-interface"]);
    assert_eq!(lowered.instance().trackers.len(), 1);
}

#[test]
fn weights_cannot_change_the_priority_of_an_owner() {
    let lowered = tracking("priority 255\ntrack_interface {\neth1 weight 10\n}\ntrack_process {\np\n}");
    assert_eq!(lowered.codes(), ["weight-of-owner"; 2]);
    assert!(lowered.instance().trackers.is_empty());
    assert_eq!(tracking("priority 255\ntrack_interface {\neth1\n}").clean().instance().trackers.len(), 1);
}

#[test]
fn an_unknown_option_of_a_tracker_is_ignored() {
    tracking("track_interface {\neth1 wieght 3\n}").says(["unknown-option"; 2]);
}

#[test]
fn a_process_is_counted() {
    let lowered = lower(
        "vrrp_track_process p {\nprocess nginx -g master\nparam_match initial\nquorum 2\nquorum_max 5\ndelay 1.5\n\
         fork_delay 3\nfull_command\n}\n",
    )
    .clean();
    let [plan] = lowered.model.router.processes.as_slice() else { panic!("not one process") };
    assert_eq!((plan.quorum, plan.quorum_max), (2, Some(5)));
    assert_eq!(
        (plan.terminate_delay, plan.fork_delay),
        (Duration::from_millis(1500), Duration::from_secs(3))
    );
    let tracked = &lowered.model.processes["p"];
    assert_eq!(tracked.arguments, ["nginx", "-g", "master"]);
    assert!(tracked.full_command);
    assert_eq!(tracked.parameters, ParameterMatch::Initial);
}

#[test]
fn parameters_are_compared_exactly_if_there_are_any() {
    let of = |process: &str| {
        let lowered = lower(&format!("vrrp_track_process p {{\nprocess {process}\n}}\n")).clean();
        lowered.model.processes["p"].parameters
    };
    assert_eq!(of("nginx"), ParameterMatch::Ignore);
    assert_eq!(of("nginx -g"), ParameterMatch::Exact);
}

#[test]
fn a_quorum_of_at_most_zero_means_must_not_run() {
    let lowered = lower("vrrp_track_process p {\nprocess nginx\nquorum_max 0\n}\n").clean();
    let plan = &lowered.model.router.processes[0];
    assert_eq!((plan.quorum, plan.quorum_max), (0, Some(0)));
    let lowered = lower("vrrp_track_process p {\nprocess nginx\nquorum 5\nquorum_max 3\n}\n");
    assert_eq!(lowered.codes(), ["quorum-max-below-quorum"]);
    assert_eq!(lowered.model.router.processes[0].quorum_max, None);
}

#[test]
fn a_process_or_a_file_without_a_name_is_left_out() {
    assert!(lower("vrrp_track_process p {\n}\n").says(["process-without-name"]).model.processes.is_empty());
    assert!(lower("track_file f {\n}\n").says(["file-without-path"]).model.files.is_empty());
}

#[test]
fn a_file_may_be_made_at_the_start() {
    let of = |init: &str| {
        let lowered = lower(&format!("track_file f {{\nfile /tmp/f\n{init}\n}}\n")).clean();
        lowered.model.files["f"].init
    };
    assert_eq!(of(""), None);
    assert_eq!(of("init_file"), Some((0, false)));
    assert_eq!(of("init_file 5"), Some((5, false)));
    assert_eq!(of("init_file -5 overwrite"), Some((-5, true)));
    lower("track_file f {\nfile /tmp/f\ninit_file foo\n}\n").says(["unknown-option"]);
}

#[test]
fn the_old_word_for_a_file_is_understood() {
    assert_eq!(lower("vrrp_track_file f {\nfile /tmp/f\n}\n").clean().model.files.len(), 1);
}
