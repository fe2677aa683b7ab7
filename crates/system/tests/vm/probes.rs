//! The verdicts of probes beside those of keepalived, about the same pages of the same nginx.
//!
//! keepalived gets a virtual server for each case, with one real server that is down until its check has passed
//! (`alpha`). What stands in the kernel's table in the end is its verdict.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mainstay_core::director::plan::TlsMaterial;
use mainstay_core::director::probe::{BodyRegex, HttpRequest, HttpVersion, Source, Tls};
use mainstay_core::director::{Outcome, Probe, ProbeKind};
use mainstay_system::probe::Prober;

use crate::stage::{in_new_namespace, run};

const PLAIN: u16 = 80;
const ENCRYPTED: u16 = 443;
/// MD5 of `hello health\n`.
const HELLO: &str = "2a477016e75a8c2f2f6e6e9872ddf651";
/// `hello GET\n` in one chunk, as nginx frames it.
const CHUNKED: &str = "a\r\nhello GET\n\r\n0\r\n\r\n";

/// A page and what is asked of it: keepalived's words, and ours.
struct Case {
    checker: &'static str,
    url: String,
    request: HttpRequest,
}

fn case(path: &str) -> Case {
    let request = HttpRequest {
        tls: None,
        version: HttpVersion::V10,
        path: path.into(),
        host: None,
        status: vec![200..=299],
        digest: None,
        regex: None,
    };
    Case { checker: "", url: format!("path {path}"), request }
}

impl Case {
    fn status(mut self, words: &str, ranges: &[(u16, u16)]) -> Self {
        self.url += &format!("\n status_code {words}");
        self.request.status = ranges.iter().map(|&(first, last)| first..=last).collect();
        self
    }

    fn digest(mut self, digits: &str) -> Self {
        self.url += &format!("\n digest {digits}");
        let byte = |place: usize| u8::from_str_radix(&digits[place * 2..place * 2 + 2], 16).expect("digits");
        self.request.digest = Some(std::array::from_fn(byte));
        self
    }

    fn regex(mut self, pattern: &str) -> Self {
        self.url += &format!("\n regex \"{pattern}\"");
        self.request.regex = Some(BodyRegex {
            pattern: pattern.into(),
            options: vec![],
            must_not_match: false,
            min_offset: 0,
            max_offset: None,
            stack: None,
        });
        self
    }

    fn with_regex(mut self, words: &str, change: impl FnOnce(&mut BodyRegex)) -> Self {
        self.url += &format!("\n {words}");
        change(self.request.regex.as_mut().expect("a regex before"));
        self
    }

    fn host(mut self, name: &str) -> Self {
        self.url += &format!("\n virtualhost {name}");
        self.request.host = Some(name.into());
        self
    }

    fn version(mut self, words: &'static str, version: HttpVersion) -> Self {
        self.checker = words;
        self.request.version = version;
        self
    }

    fn over_tls(mut self, words: &'static str, server_name: Option<&str>) -> Self {
        self.checker = words;
        self.request.tls = Some(Tls { server_name: server_name.map(Into::into), ..Tls::default() });
        self
    }

    /// A virtual server that stands or falls with this case.
    fn block(&self, number: usize) -> String {
        let (kind, port) =
            if self.request.tls.is_some() { ("SSL_GET", ENCRYPTED) } else { ("HTTP_GET", PLAIN) };
        let (checker, url) = (self.checker, &self.url);
        format!(
            "virtual_server 10.1.0.{number} 80 {{\n delay_loop 1\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n alpha\n\
             real_server 127.0.0.1 {port} {{\n {kind} {{\n connect_timeout 3\n retry 0\n delay_before_retry 1\n warmup 0\n\
             {checker}\n url {{\n {url}\n }}\n }}\n }}\n}}\n"
        )
    }

    fn probe(&self) -> Probe {
        let port = if self.request.tls.is_some() { ENCRYPTED } else { PLAIN };
        Probe {
            target: ([127, 0, 0, 1], port).into(),
            source: Source::default(),
            fwmark: 0,
            timeout: Duration::from_secs(10),
            kind: ProbeKind::Http(self.request.clone().into()),
        }
    }
}

/// DIFFERS: `regex_min_offset 300001` is not among them. The needle begins at byte 300000, so we find nothing; keepalived
/// 2.2.7 finds it all the same (seen here; its manual says that the offset is where checking starts).
fn cases() -> Vec<Case> {
    let old = |path| case(path).version("http_protocol 1.0C", HttpVersion::V10Close);
    let new = |path| case(path).version("http_protocol 1.1", HttpVersion::V11);
    vec![
        case("/"),
        case("/nowhere"),
        case("/nowhere").status("404", &[(404, 404)]),
        case("/busy"),
        case("/busy").status("503", &[(503, 503)]),
        case("/busy").status("200-299 500-503", &[(200, 299), (500, 503)]),
        case("/moved"),
        case("/empty"),
        case("/").digest(HELLO),
        case("/").digest("00000000000000000000000000000000"),
        case("/nowhere").digest(HELLO),
        case("/").regex("health"),
        case("/").regex("illness"),
        case("/").regex("illness").with_regex("regex_no_match", |regex| regex.must_not_match = true),
        case("/").regex("health").with_regex("regex_no_match", |regex| regex.must_not_match = true),
        case("/").regex("HEALTH"),
        case("/big.html").regex("needle"),
        case("/big.html")
            .regex("needle")
            .with_regex("regex_min_offset 300000", |regex| regex.min_offset = 300_000),
        case("/").host("www.example.org").regex("the virtual host"),
        case("/").host("other.example.org").regex("the virtual host"),
        case("/version").regex("HTTP/1.0"),
        old("/version").regex("HTTP/1.0"),
        new("/version").regex("HTTP/1.1"),
        new("/version").regex("HTTP/1.0"),
        new("/").digest(HELLO),
        new("/chunked.html").digest(&hexadecimal(CHUNKED.as_bytes())),
        case("/").over_tls("", None).regex("a.example"),
        case("/").over_tls("", None).regex("b.example"),
        case("/").over_tls("enable_sni", Some("b.example")).host("b.example").regex("b.example"),
    ]
}

#[test]
fn probes_and_keepalived_agree_about_every_page() {
    let folder = std::env::temp_dir().join("mainstay-probes");
    fs::create_dir_all(&folder).expect("a folder");
    in_new_namespace(|| {
        let _nginx = nginx(&folder);
        let cases = cases();
        let ours: BTreeSet<usize> = (1..=cases.len()).filter(|&number| passes(&cases[number - 1])).collect();
        let blocks: Vec<_> = cases.iter().enumerate().map(|(index, case)| case.block(index + 1)).collect();
        let file = folder.join("keepalived.conf");
        fs::write(&file, blocks.concat()).expect("written");
        let _keepalived = start(
            Command::new("keepalived")
                .args(["--dont-fork", "--check", "--log-console", "--no-syslog", "--use-file"])
                .arg(&file)
                .args(["--pid=/run/k.pid", "--checkers_pid=/run/kc.pid"]),
        );
        let begun = Instant::now();
        let mut theirs = BTreeSet::new();
        // Ten rounds for a server that is to stay down; a minute for those that are to come up.
        while begun.elapsed() < Duration::from_secs(60) {
            thread::sleep(Duration::from_secs(1));
            theirs = up(&run("ipvsadm -Sn"));
            if theirs == ours && begun.elapsed() > Duration::from_secs(15) {
                break;
            }
        }
        let differing: Vec<_> =
            ours.symmetric_difference(&theirs).map(|&number| cases[number - 1].block(number)).collect();
        assert!(differing.is_empty(), "ours {ours:?}, theirs {theirs:?}\n{}", differing.concat());
        println!("{} cases, {} of them good", cases.len(), ours.len());
    });
    let _ = fs::remove_dir_all(&folder);
}

/// Cases whose real server is in the kernel's table.
fn up(table: &str) -> BTreeSet<usize> {
    let real_servers = table.lines().filter(|line| line.starts_with("-a"));
    real_servers.filter_map(|line| line.split("10.1.0.").nth(1)?.split(':').next()?.parse().ok()).collect()
}

fn passes(case: &Case) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let outcome = runtime.block_on(async { Prober::start(&TlsMaterial::default()).ask(&case.probe()).await });
    match outcome {
        Outcome::Passed { .. } => true,
        Outcome::Failed(_) => false,
        Outcome::Inconclusive(excuse) => panic!("{}: {excuse}", case.url),
    }
}

/// A child that ends with the value.
struct Running(Child);

fn start(command: &mut Command) -> Running {
    Running(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("the program is installed"))
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

fn nginx(folder: &Path) -> Running {
    fs::write(folder.join("index.html"), "hello health\n").expect("written");
    fs::write(folder.join("big.html"), format!("{}needle{}", "x".repeat(300_000), "y".repeat(100_000)))
        .expect("written");
    fs::write(folder.join("chunked.html"), "hello <!--# echo var=\"request_method\" -->\n").expect("written");
    let path = folder.display();
    for name in ["a.example", "b.example"] {
        run(&format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} \
             -keyout {path}/{name}.key -out {path}/{name}.crt"
        ));
    }
    let site = |name: &str| {
        format!(
            "server {{ listen {ENCRYPTED} ssl; server_name {name}; ssl_certificate {path}/{name}.crt;
             ssl_certificate_key {path}/{name}.key; location / {{ return 200 {name}; }} }}"
        )
    };
    let (a, b) = (site("a.example"), site("b.example"));
    let config = format!(
        "daemon off; master_process off; error_log stderr crit; pid {path}/nginx.pid; user root;
        events {{ worker_connections 256; }}
        http {{
            access_log off; client_body_temp_path {path}/t1; proxy_temp_path {path}/t2;
            fastcgi_temp_path {path}/t3; uwsgi_temp_path {path}/t4; scgi_temp_path {path}/t5;
            default_type text/html; root {path};
            server {{
                listen {PLAIN};
                location = /chunked.html {{ ssi on; }}
                location = /busy {{ return 503 busy; }}
                location = /moved {{ return 302 /; }}
                location = /empty {{ return 204; }}
                location = /version {{ return 200 $server_protocol; }}
            }}
            server {{ listen {PLAIN}; server_name www.example.org; return 200 'the virtual host'; }}
            {a} {b}
        }}"
    );
    fs::write(folder.join("nginx.conf"), config).expect("written");
    let running =
        start(Command::new("nginx").args(["-c", &format!("{path}/nginx.conf"), "-p", &path.to_string()]));
    while TcpStream::connect(("127.0.0.1", ENCRYPTED)).is_err() {
        thread::sleep(Duration::from_millis(100));
    }
    running
}

fn hexadecimal(bytes: &[u8]) -> String {
    use md5::Digest;
    md5::Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
