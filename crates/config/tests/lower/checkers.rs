//! The checkers of a real server.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::director::plan::Judgement;
use mainstay_core::director::probe::{DnsRecord, HttpVersion, MaskedByte};
use mainstay_core::director::{CheckerKind, CheckerPlan, Probe, ProbeKind, ServerObject};

use super::{Lowered, lower, lower_on, machine};

const SECOND: Duration = Duration::from_secs(1);

fn text(above: &str, real: &str) -> String {
    format!(
        "virtual_server 10.0.0.1 80 {{\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n{above}\n\
         real_server 10.1.0.1 8080 {{\n{real}\n}}\n}}\n"
    )
}

/// The checkers of the only real server; exactly these codes were said.
#[track_caller]
fn checkers<const N: usize>(lowered: &Lowered, codes: [&str; N]) -> Vec<CheckerPlan> {
    assert_eq!(lowered.codes(), codes, "{:#?}", lowered.diagnostics);
    lowered.model.director.virtual_servers[0].real_servers[0].checkers.clone()
}

/// The only checker of `KIND { lines }`.
#[track_caller]
fn checker(kind: &str, lines: &str) -> CheckerPlan {
    let checkers = checkers(&lower(&text("", &format!("{kind} {{\n{lines}\n}}"))), []);
    let [checker] = checkers.as_slice() else { panic!("not one checker: {checkers:?}") };
    checker.clone()
}

#[track_caller]
fn probe(checker: &CheckerPlan) -> &Probe {
    let CheckerKind::Exchange(probe) = &checker.kind else { panic!("no exchange: {checker:?}") };
    probe
}

#[test]
fn the_table_of_customs() {
    // Kind, what it needs, retries, time between retries.
    let table = [
        ("TCP_CHECK", "", 1, 1),
        ("PING_CHECK", "", 1, 1),
        ("UDP_CHECK", "", 1, 1),
        ("SMTP_CHECK", "", 1, 1),
        ("GRPC_CHECK", "", 1, 1),
        ("DNS_CHECK", "", 3, 60),
        ("HTTP_GET", "url {\npath /\n}", 1, 3),
        ("SSL_GET", "url {\npath /\n}", 1, 3),
    ];
    for (kind, lines, retry, gap) in table {
        let checker = checker(kind, lines);
        let expected = Judgement {
            delay_loop: 60 * SECOND,
            warmup: 60 * SECOND,
            retry,
            delay_before_retry: gap * SECOND,
            rise: 1,
            jitter: 0,
            alpha: false,
            log_all_failures: false,
        };
        assert_eq!(*checker.judgement, expected, "{kind}");
        let probe = probe(&checker);
        assert_eq!(probe.kind.keyword(), kind);
        assert_eq!(probe.target.to_string(), "10.1.0.1:8080");
        assert_eq!(probe.timeout, 5 * SECOND);
    }
}

#[test]
fn the_nearest_word_about_timing_counts() {
    let above = "delay_loop 10\nretry 5\ndelay_before_retry 2\nalpha\n@mainstay rise 2";
    let real =
        "retry 4\nconnect_timeout 1.5\nTCP_CHECK {\nretry 3\nwarmup 0\nalpha off\n@mainstay jitter 10\n}";
    let checkers = checkers(&lower(&text(above, real)), []);
    let expected = Judgement {
        delay_loop: 10 * SECOND,
        warmup: Duration::ZERO,
        retry: 3,
        delay_before_retry: 2 * SECOND,
        rise: 2,
        jitter: 10,
        alpha: false,
        log_all_failures: false,
    };
    assert_eq!(*checkers[0].judgement, expected);
    assert_eq!(probe(&checkers[0]).timeout, Duration::from_millis(1500));
}

#[test]
fn words_below_the_real_server_count_as_well() {
    let lowered = lower(&text("", "TCP_CHECK {\n}\ndelay_loop 7"));
    assert_eq!(checkers(&lowered, [])[0].judgement.delay_loop, 7 * SECOND);
}

#[test]
fn a_connection_says_whom_and_where_from() {
    let lines =
        "connect_ip 10.2.0.1\nconnect_port 443\nbindto 10.2.0.9\nbind_port 4000\nbind_if eth0\nfwmark 7";
    let checker = checker("TCP_CHECK", lines);
    let probe = probe(&checker);
    assert_eq!(probe.target.to_string(), "10.2.0.1:443");
    assert_eq!(probe.source.address, Some([10, 2, 0, 9].into()));
    assert_eq!((probe.source.port, probe.source.interface.as_deref()), (Some(4000), Some("eth0")));
    assert_eq!(probe.fwmark, 7);
}

#[test]
fn a_connection_that_cannot_be_is_pointed_out() {
    let of = |lines: &str| lower(&text("", &format!("TCP_CHECK {{\n{lines}\n}}")));
    checkers(&of("bindto 2001:db8::1"), ["mixed-families"]);
    checkers(&of("connect_ip fe80::1"), ["link-local"]);
    checkers(&of("connect_ip fe80::1\nbind_if eth0"), []);
    checkers(&of("connect_ip nobody"), ["bad-address"]);
    checkers(&of("connect_port 70000"), ["number-out-of-range"]);
}

#[test]
fn http_asks_each_url_for_the_nearest_host() {
    let lines = "virtualhost b.example\nhttp_protocol 1.1\nfast_recovery\n\
                 url {\npath /a\nvirtualhost a.example\nstatus_code 200 301-303\n}\nurl {\npath /b\n}";
    let lowered =
        lower(&text("virtualhost d.example", &format!("virtualhost c.example\nHTTP_GET {{\n{lines}\n}}")));
    let checkers = checkers(&lowered, []);
    let CheckerKind::Urls { urls, fast_recovery: true } = &checkers[0].kind else { panic!("{checkers:?}") };
    let requests: Vec<_> = urls
        .iter()
        .map(|probe| match &probe.kind {
            ProbeKind::Http(request) => Arc::clone(request),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(requests[0].host.as_deref(), Some("a.example"));
    assert_eq!(requests[0].status, [200..=200, 301..=303]);
    assert_eq!((requests[1].path.as_str(), requests[1].host.as_deref()), ("/b", Some("b.example")));
    assert_eq!(requests[1].status, [200..=299]);
    assert_eq!((requests[1].version, &requests[1].tls), (HttpVersion::V11, &None));
}

#[test]
fn tls_names_its_server_if_asked_to() {
    let tls = |lines: &str| {
        let checker = checker("SSL_GET", &format!("virtualhost a.example\n{lines}\nurl {{\npath /\n}}"));
        let ProbeKind::Http(request) = &probe(&checker).kind else { panic!("{checker:?}") };
        request.tls.clone().expect("TLS")
    };
    assert_eq!(tls("").server_name, None);
    assert_eq!(tls("enable_sni").server_name.as_deref(), Some("a.example"));
    assert_eq!(tls("sni_name b.example").server_name.as_deref(), Some("b.example"));
    assert!(!tls("").verify && tls("@mainstay tls_verify").verify && tls("tls_compliant").close_notify);
}

#[test]
fn a_body_is_compared_by_digest_or_expression() {
    let lines = "url {\npath /\ndigest 9b3a0c85a887a256d6939da88aabd8cd\nregex \"ok|fine\"\nregex_no_match\n\
                 regex_options caseless multiline\nregex_min_offset 5\nregex_max_offset 50\n}";
    let checker = checker("HTTP_GET", lines);
    let ProbeKind::Http(request) = &probe(&checker).kind else { panic!("{checker:?}") };
    assert_eq!(request.digest.map(|digest| digest[0]), Some(0x9b));
    let regex = request.regex.as_ref().expect("an expression");
    assert_eq!(regex.pattern, "ok|fine");
    assert!(regex.must_not_match);
    let options: Vec<&str> = regex.options.iter().map(|option| option.name()).collect();
    assert_eq!(options, ["caseless", "multiline"]);
    assert_eq!((regex.min_offset, regex.max_offset), (5, Some(50)));
}

#[test]
fn mistakes_in_a_url_are_told() {
    let of = |lines: &str| lower(&text("", &format!("HTTP_GET {{\nurl {{\npath /\n{lines}\n}}\n}}")));
    checkers(&of("status_code 99"), ["bad-status-code"]);
    checkers(&of("status_code 300-200"), ["bad-status-code"]);
    checkers(&of("digest 12"), ["bad-digest"]);
    checkers(&of("regex_no_match"), ["regex-missing"]);
    checkers(&of("regex x\nregex_options sloppy"), ["unknown-option"]);
    checkers(&of("regex x\nregex_min_offset 9\nregex_max_offset 3"), ["empty-range"]);
    let lowered = lower(&text("", "HTTP_GET {\nurl {\n}\n}\nHTTP_GET {\n}"));
    assert!(checkers(&lowered, ["incomplete-check"; 3]).is_empty());
    checkers(&lower(&text("", "HTTP_GET {\nnb_get_retry 3\nurl {\npath /\n}\n}")), ["deprecated-keyword"]);
}

#[test]
fn smtp_has_a_helo_and_maybe_several_hosts() {
    let plain = checker("SMTP_CHECK", "");
    assert_eq!(probe(&plain).kind, ProbeKind::Smtp { helo: "smtpchecker.keepalived.org".into() });
    let lines =
        "helo_name me.example\nbindto 10.9.9.9\nhost {\nconnect_ip 10.2.0.1\n}\nhost {\nconnect_port 25\n}";
    let several = checkers(&lower(&text("", &format!("SMTP_CHECK {{\n{lines}\n}}"))), []);
    let targets: Vec<String> = several.iter().map(|checker| probe(checker).target.to_string()).collect();
    assert_eq!(targets, ["10.2.0.1:8080", "10.1.0.1:25"]);
    assert!(several.iter().all(|checker| probe(checker).source.address == Some([10, 9, 9, 9].into())));
}

#[test]
fn dns_asks_for_a_record_of_a_name() {
    let plain = checker("DNS_CHECK", "");
    assert_eq!(probe(&plain).kind, ProbeKind::Dns { record: DnsRecord::Soa, name: ".".into() });
    let asked = checker("DNS_CHECK", "type AAAA\nname example.org");
    assert_eq!(probe(&asked).kind, ProbeKind::Dns { record: DnsRecord::Aaaa, name: "example.org".into() });
    checkers(&lower(&text("", "DNS_CHECK {\ntype PTR\n}")), ["unknown-record"]);
}

#[test]
fn udp_sends_bytes_and_compares_what_comes_back() {
    let question = |lines: &str| {
        let checker = checker("UDP_CHECK", lines);
        let ProbeKind::Udp(question) = &probe(&checker).kind else { panic!("{checker:?}") };
        (**question).clone()
    };
    assert_eq!(question("").payload, None);
    assert_eq!(question("").reply, None);
    assert_eq!(question("require_reply").reply.map(|reply| reply.pattern.len()), Some(0));
    let asked = question("payload 00fF\nrequire_reply 01\nmin_reply_length 2\nmax_reply_length 9");
    assert_eq!(asked.payload, Some(vec![0x00, 0xff]));
    let reply = asked.reply.expect("a reply");
    assert_eq!((reply.pattern.len(), reply.min_length, reply.max_length), (1, 2, 9));
    let of = |lines: &str| lower(&text("", &format!("UDP_CHECK {{\n{lines}\n}}")));
    checkers(&of("payload 0g"), ["bad-hexadecimal"]);
    checkers(&of("payload 0x"), ["bad-hexadecimal"]);
    checkers(&of("require_reply 123"), ["bad-hexadecimal"]);
}

#[test]
fn an_x_in_a_wanted_reply_is_four_bits_that_do_not_count() {
    let checker = checker("UDP_CHECK", "require_reply 1xxA");
    let ProbeKind::Udp(question) = &probe(&checker).kind else { panic!("{checker:?}") };
    let reply = question.reply.as_ref().expect("a reply");
    assert_eq!(
        reply.pattern,
        [MaskedByte { value: 0x10, mask: 0xf0 }, MaskedByte { value: 0x0a, mask: 0x0f }]
    );
    assert_eq!((reply.min_length, reply.max_length), (0, 255));
}

#[test]
fn grpc_is_a_word_of_our_own() {
    let lowered = lower(&text("", "@mainstay GRPC_CHECK {\nservice web.Shop\ntls\nvirtualhost a.example\n}"));
    let checkers = checkers(&lowered, []);
    let ProbeKind::Grpc { service, tls: Some(tls) } = &probe(&checkers[0]).kind else {
        panic!("{checkers:?}")
    };
    assert_eq!((&**service, tls.server_name.as_deref()), ("web.Shop", Some("a.example")));
}

/// Scripts of an ordinary machine.
fn scripted(real: &str) -> Lowered {
    let host = machine().with_program("/usr/bin/killall", "\x7fELF").with_user("www", 33);
    let defs = "global_defs {\nscript_user root\nenable_script_security\n}\n";
    lower_on(&host, &format!("{defs}{}", text("delay_loop 9", real)))
}

#[test]
fn a_script_has_a_user_a_timeout_and_perhaps_a_weight() {
    let lowered = scripted("MISC_CHECK {\nmisc_path \"killall -0 nginx\"\nuser www\nmisc_dynamic\n}");
    let checkers = checkers(&lowered, []);
    let CheckerKind::Script(script) = &checkers[0].kind else { panic!("{checkers:?}") };
    assert!(script.dynamic);
    assert_eq!(script.timeout, 9 * SECOND, "delay_loop, because none was said");
    assert_eq!((checkers[0].judgement.retry, checkers[0].judgement.delay_before_retry), (0, SECOND));
    let command = &lowered.model.check_commands[&*script.command];
    assert_eq!(command.arguments, ["/usr/bin/killall", "-0", "nginx"]);
    assert_eq!(command.identity.uid, 33);
}

#[test]
fn a_script_that_cannot_run_is_left_out() {
    let lowered = scripted("MISC_CHECK {\nmisc_path /nowhere\n}");
    assert!(checkers(&lowered, ["check-script-missing"]).is_empty());
    let lowered = scripted("MISC_CHECK {\nmisc_path /nowhere\nalpha\n}");
    let real = &lowered.model.director.virtual_servers[0].real_servers[0];
    assert!(real.unprovable, "with alpha nothing serves that was not seen up");
    let lowered = scripted("MISC_CHECK {\nmisc_timeout 3\n}");
    assert!(checkers(&lowered, ["incomplete-check"]).is_empty());
}

#[test]
fn who_is_told_is_kept_by_object() {
    let lowered = scripted("notify_up killall\nnotify_down \"killall -HUP x\" www");
    assert_eq!(lowered.codes(), [""; 0]);
    let notify = &lowered.model.server_notify;
    let (object, commands) = notify.first_key_value().expect("one object");
    assert_eq!(object.to_string(), "RS [10.1.0.1]:tcp:8080 [10.0.0.1]:tcp:80");
    assert!(matches!(object, ServerObject::RealServer { .. }));
    assert_eq!(commands.down.as_ref().map(|command| command.identity.uid), Some(33));
    assert!(commands.up.is_some() && notify.len() == 1);
}

#[test]
fn a_file_is_followed_with_a_weight() {
    let of = |defined: &str, lines: &str| {
        lower(&format!(
            "track_file load {{\nfile /tmp/load\n{defined}\n}}\n{}",
            text("", &format!("FILE_CHECK {{\n{lines}\n}}"))
        ))
    };
    let kind = |lowered: &Lowered| checkers(lowered, [])[0].kind.clone();
    let file = |weight, reverse| CheckerKind::File { file: "load".into(), weight, reverse };
    assert_eq!(kind(&of("weight 3", "track_file load")), file(3, false));
    assert_eq!(kind(&of("weight 3", "track_file load\nweight -2 reverse")), file(-2, true));
    assert_eq!(of("", "track_file load").model.director.files, ["load".into()]);
    let unknown = of("", "track_file laod");
    assert_eq!(unknown.only("unknown-tracker").suggestion.as_deref(), Some("load"));
    assert!(checkers(&unknown, ["unknown-tracker"]).is_empty());
    assert!(checkers(&of("", ""), ["incomplete-check"]).is_empty());
}

#[test]
fn a_bfd_session_is_followed_by_name() {
    let lowered = lower(&format!(
        "bfd_instance b {{\nneighbor_ip 10.0.0.9\n}}\n{}",
        text("", "BFD_CHECK {\nname b\nalpha\n}\nBFD_CHECK {\nname c\n}")
    ));
    let checkers = checkers(&lowered, ["unknown-tracker"]);
    assert_eq!(checkers.len(), 1);
    assert_eq!(checkers[0].kind, CheckerKind::Bfd { session: "b".into() });
    assert!(checkers[0].judgement.alpha);
}

#[test]
fn equal_judgements_are_stored_once() {
    let lowered = lower(&text("", "TCP_CHECK {\n}\nPING_CHECK {\n}"));
    let checkers = checkers(&lowered, []);
    assert!(Arc::ptr_eq(&checkers[0].judgement, &checkers[1].judgement));
}
