//! Who gets mail, by which relay, and about what.

use std::time::Duration;

use mainstay_config::model::{Mail, MailSecurity, Mailbox};
use mainstay_core::director::ServerObject;

use super::*;

const RELAY: &str = "smtp_server mail.example 2525\nnotification_email {\nadmin@example.com\n}";

fn global(lines: &str) -> Lowered {
    lower(&format!("global_defs {{\n{lines}\n}}\n"))
}

fn mail(lines: &str) -> Mail {
    global(lines).clean().model.mail.expect("mail is sent")
}

/// Whether mail is sent about an instance, a virtual server and its real server that say nothing about it.
fn about(lines: &str) -> (bool, bool, bool) {
    about_those_that_say(lines, "", "", "")
}

fn about_those_that_say(global: &str, instance: &str, server: &str, real: &str) -> (bool, bool, bool) {
    let lowered = lower(&format!(
        "global_defs {{\n{RELAY}\n{global}\n}}\n{}virtual_server 192.0.2.1 80 {{\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n{server}\n\
         real_server 10.0.0.1 80 {{\n{real}\nTCP_CHECK {{\nconnect_timeout 1\n}}\n}}\n}}\n",
        named_instance("V", 51, &format!("virtual_ipaddress {{\n10.0.0.1/24\n}}\n{instance}"))
    ));
    let model = &lowered.model;
    let of = |real: bool| {
        let mut all = model.server_notify.iter();
        all.any(|(object, told)| matches!(object, ServerObject::RealServer { .. }) == real && told.smtp_alert)
    };
    (model.instance_notify.get("V").is_some_and(|told| told.smtp_alert), of(false), of(true))
}

#[test]
fn a_relay_and_somebody_to_write_to_make_mail() {
    let found = mail(&format!(
        "router_id LB1\n{RELAY}\nsmtp_connect_timeout 5\nsmtp_helo_name lb1.example\nnotification_email_from ka@lb1.example\n\
         no_email_faults"
    ));
    assert_eq!(
        (found.server.as_str(), found.port, found.security),
        ("mail.example", 2525, MailSecurity::None)
    );
    assert_eq!(
        (found.timeout, found.helo.as_str(), found.faults),
        (Duration::from_secs(5), "lb1.example", false)
    );
    let address = |user: &str, domain: &str| Mailbox { name: None, user: user.into(), domain: domain.into() };
    assert_eq!(found.from, address("ka", "lb1.example"));
    assert_eq!(found.to, [address("admin", "example.com")]);
}

#[test]
fn what_is_not_said_is_as_with_keepalived() {
    let found =
        mail("smtp_server 192.0.2.25\nnotification_email {\n\"On Call <a@b>\"\nOn Call <c@d>\nroot\n}");
    assert_eq!((found.port, found.timeout, found.faults), (25, Duration::from_secs(30), true));
    assert_eq!(found.from.user, "keepalived");
    assert_eq!(found.from.domain, found.helo);
    let names: Vec<_> =
        found.to.iter().map(|to| (to.name.as_deref(), to.user.as_str(), to.domain.as_str())).collect();
    assert_eq!(names, [(Some("On Call"), "a", "b"), (Some("On Call"), "c", "d"), (None, "root", "")]);
}

#[test]
fn half_of_it_makes_none_and_is_said() {
    assert_eq!(global("smtp_server 192.0.2.25").clean().model.mail, None);
    assert_eq!(global("notification_email {\na@b\n}").says(["mail-without-server"]).model.mail, None);
    assert_eq!(global("smtp_server 192.0.2.25\nsmtp_alert").says(["mail-to-nobody"]).model.mail, None);
    assert_eq!(
        global("smtp_server 192.0.2.25\nnotification_email {\n}").says(["empty-block"]).model.mail,
        None
    );
    let lowered = global(&format!("{RELAY}\nnotification_email {{\na@b@c\n}}")).says(["not-an-address"]);
    assert_eq!(lowered.model.mail.expect("the other one").to.len(), 1);
}

#[test]
fn a_timeout_of_nothing_is_a_second() {
    let found = global(&format!("{RELAY}\nsmtp_connect_timeout 0")).says(["must-be-positive"]).model.mail;
    assert_eq!(found.expect("mail is sent").timeout, Duration::from_secs(1));
}

#[test]
fn security_gives_the_port_unless_one_is_said() {
    let port = |words: &str| {
        let found = mail(&format!("smtp_server mail.example\nnotification_email {{\na@b\n}}\n{words}"));
        (found.security, found.port)
    };
    assert_eq!(port("@mainstay smtp_security starttls"), (MailSecurity::StartTls, 587));
    assert_eq!(port("smtp_security tls"), (MailSecurity::Tls, 465));
    assert_eq!(mail(&format!("{RELAY}\nsmtp_security tls")).port, 2525);
}

#[test]
fn a_password_is_not_printed() {
    let found = mail(&format!("{RELAY}\n@mainstay smtp_security starttls\n@mainstay smtp_login lb1 geheim"));
    let login = found.login.as_ref().expect("a login");
    assert_eq!((login.user.as_str(), login.password.as_str()), ("lb1", "geheim"));
    assert!(!format!("{found:?}").contains("geheim"));
    global(&format!("{RELAY}\nsmtp_login lb1 geheim")).says(["login-in-the-clear"]);
    global(&format!("{RELAY}\nsmtp_login lb1")).says(["missing-argument"]);
    global(&format!("{RELAY}\nsmtp_login lb1"));
}

#[test]
fn mail_is_about_real_servers_unless_it_is_said_otherwise() {
    assert_eq!(about(""), (false, false, true));
    assert_eq!(about("smtp_alert"), (true, true, true));
    assert_eq!(about("smtp_alert_vrrp"), (true, false, true));
    assert_eq!(about("smtp_alert_checker"), (false, true, true));
    assert_eq!(about("smtp_alert\nsmtp_alert_checker off"), (true, false, false));
    assert_eq!(about("smtp_alert off"), (false, false, false));
    assert_eq!(about_those_that_say("", "smtp_alert", "smtp_alert", "smtp_alert off"), (true, true, false));
    assert_eq!(
        about_those_that_say("smtp_alert", "smtp_alert off", "smtp_alert no", ""),
        (false, false, true)
    );
}
