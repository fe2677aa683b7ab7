//! `authentication` and `auth_hmac`.

use std::time::Duration;

use mainstay_core::router::plan::{Authentication, WantedState};
use mainstay_core::vrrp::signature::{AntiReplay, Mode};

use super::*;

fn auth(lines: &str, more: &str) -> Lowered {
    instance(&format!("authentication {{\n{lines}\n}}\n{more}"))
}

#[test]
fn a_password_is_padded_with_zeros() {
    let lowered = auth("auth_type PASS\nauth_pass 1111", "").clean();
    assert_eq!(lowered.instance().authentication, Authentication::Pass((*b"1111\0\0\0\0").into()));
}

#[test]
fn a_long_password_is_cut_to_eight_bytes() {
    let lowered = auth("auth_type PASS\nauth_pass 123456789", "").says(["password-too-long"]);
    assert_eq!(lowered.instance().authentication, Authentication::Pass((*b"12345678").into()));
}

#[test]
fn a_type_without_a_password_is_no_authentication() {
    let lowered = auth("auth_type PASS", "").says(["auth-without-password"]);
    assert_eq!(lowered.instance().authentication, Authentication::None);
}

#[test]
fn a_password_without_a_type_is_no_authentication() {
    let lowered = auth("auth_pass 1111", "").clean();
    assert_eq!(lowered.instance().authentication, Authentication::None);
}

#[test]
fn version_3_has_no_authentication() {
    let lowered = auth("auth_type PASS\nauth_pass 1111", "version 3").says(["auth-not-supported"]);
    assert_eq!(lowered.instance().authentication, Authentication::None);
}

#[test]
fn an_unknown_type_is_complained_about() {
    let lowered = auth("auth_type simple\nauth_pass 1111", "").says(["unknown-auth-type"]);
    assert_eq!(lowered.only("unknown-auth-type").suggestion.as_deref(), Some("PASS"));
}

#[test]
fn a_master_cannot_start_with_ah() {
    let lowered = auth("auth_type AH\nauth_pass 1111", "state MASTER\npriority 150");
    assert_eq!(lowered.codes(), ["ah-with-master"]);
    assert_eq!(lowered.instance().wanted, WantedState::Backup);
}

#[test]
fn ah_is_for_version_2_over_ipv4() {
    let lowered = auth("auth_type AH\nauth_pass secret", "").clean();
    assert_eq!(lowered.instance().authentication, Authentication::Ah((*b"secret\0\0").into()));
    assert!(lowered.instance().lease.is_some(), "its adverts renew a lease as others do");
}

#[test]
fn passwords_are_not_printed() {
    let lowered = auth("auth_type PASS\nauth_pass secret", "").clean();
    assert!(!format!("{:?}", lowered.model).contains("secret"));
}

const KEY: &str = "a-key-that-is-32-characters-long";

fn hmac(lines: &str, more: &str) -> Lowered {
    instance(&format!("auth_hmac {{\n{lines}\n}}\n{more}"))
}

#[test]
fn signatures_have_keepaliveds_defaults() {
    let lowered = hmac(&format!("key 1 {KEY}\nactive_key 1"), "").clean();
    let plan = lowered.instance().signature.as_deref().expect("signatures");
    assert_eq!((plan.mode, plan.anti_replay), (Mode::Enforce, AntiReplay::Time));
    assert_eq!(plan.window, Duration::from_secs(5), "three adverts, and five seconds at least");
    assert_eq!(plan.keys[0].secret, KEY.as_bytes().to_vec().into());
    let slow = hmac(&format!("key 1 {KEY}\nactive_key 1"), "advert_int 200").clean();
    assert_eq!(slow.instance().signature.as_deref().map(|plan| plan.window), Some(Duration::from_secs(300)));
}

#[test]
fn every_word_of_auth_hmac_is_understood() {
    let digits = "0f".repeat(64);
    let lowered = hmac(
        &format!("key 1 {KEY}\nkey 255 hex:{digits}\nactive_key 255\ntime_window 30\nanti_replay monotonic\nmode receive-only"),
        "",
    )
    .clean();
    let plan = lowered.instance().signature.as_deref().expect("signatures");
    assert_eq!((plan.mode, plan.anti_replay), (Mode::ReceiveOnly, AntiReplay::Monotonic));
    assert_eq!((plan.window, plan.active.get(), plan.keys.len()), (Duration::from_secs(30), 255, 2));
    assert_eq!(plan.keys[1].secret, vec![0x0f; 64].into());
}

#[test]
fn a_key_may_be_in_a_file() {
    let lines = "auth_hmac {\nkey 1 file:/etc/vrrp.key\nactive_key 1\n}\nvirtual_ipaddress {\n10.0.0.1/24\n}";
    let text = named_instance("V", 51, lines);
    let lowered = lower_on(&machine().with_text("/etc/vrrp.key", &format!("{KEY}\n")), &text).clean();
    let plan = lowered.instance().signature.as_deref().expect("signatures");
    assert_eq!(plan.keys[0].secret, KEY.as_bytes().to_vec().into());
    let lowered = lower_on(&machine(), &text).says(["bad-key", "unknown-key"]);
    assert_eq!(lowered.instance().signature, None);
}

#[test]
fn keys_of_auth_hmac_are_checked() {
    let cases = [
        (format!("key 1 {KEY}\nactive_key 2"), &["unknown-key"][..]),
        (format!("key 1 {KEY}"), &["missing-value"][..]),
        ("key 1 short\nactive_key 1".to_owned(), &["bad-key", "unknown-key"][..]),
        (format!("key 1 {}\nactive_key 1", "k".repeat(65)), &["bad-key", "unknown-key"][..]),
        (format!("key 1 hex:{}\nactive_key 1", "0".repeat(65)), &["bad-key", "unknown-key"][..]),
        (format!("key 1 hex:{}\nactive_key 1", "x".repeat(64)), &["bad-key", "unknown-key"][..]),
    ];
    for (lines, codes) in cases {
        let lowered = hmac(&lines, "");
        assert_eq!(lowered.codes(), codes, "{lines}");
        assert_eq!(lowered.instance().signature, None, "keepalived neither signs nor verifies then");
    }
    let lowered = hmac(&format!("key 1 {KEY}\nkey 1 {KEY}x\nactive_key 1"), "").says(["duplicate-key"]);
    assert_eq!(lowered.instance().signature.as_deref().map(|plan| plan.keys.len()), Some(1));
}

#[test]
fn signatures_and_passwords_do_not_go_together() {
    let both = "authentication {\nauth_type PASS\nauth_pass 1111\n}";
    let lowered = hmac(&format!("key 1 {KEY}\nactive_key 1"), both).says(["auth-twice"]);
    assert_eq!(lowered.instance().authentication, Authentication::None);
    assert!(lowered.instance().signature.is_some());
}

#[test]
fn keys_are_not_printed() {
    let lowered = hmac(&format!("key 1 {KEY}\nactive_key 1"), "").clean();
    let shown = format!("{:?}", lowered.model);
    assert!(!shown.contains(KEY) && !shown.contains(&format!("{:?}", KEY.as_bytes())));
}
