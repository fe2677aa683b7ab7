//! `authentication` and `auth_hmac`.

use mainstay_core::router::plan::{Authentication, WantedState};

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

#[test]
fn keys_of_auth_hmac_are_checked() {
    let key = "k".repeat(32);
    instance(&format!("auth_hmac {{\nkey 1 {key}\nactive_key 1\ntime_window 10\nmode permissive\n}}"))
        .says(["not-in-this-version"]);
    instance(&format!("auth_hmac {{\nkey 1 {key}\nactive_key 2\n}}"))
        .says(["not-in-this-version", "unknown-key"]);
    instance("auth_hmac {\nkey 1 short\nactive_key 1\n}").says([
        "not-in-this-version",
        "bad-key",
        "unknown-key",
    ]);
}
