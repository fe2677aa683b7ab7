//! `HTTP_GET` against nginx, and `genhash` against keepalived's own.

use std::net::SocketAddr;
use std::process::Command;

use mainstay_core::director::probe::{BodyRegex, HttpRequest, HttpVersion, RegexOption};
use mainstay_core::director::{Outcome, Stage};
use mainstay_system::probe::genhash::{self, Page};

use crate::harness::{
    Folder, LONG, Running, ask, failure, get, own_socket_address, passes, request, runtime, says,
};

/// MD5 of `hello health\n`.
const HELLO: [u8; 16] =
    [0x2a, 0x47, 0x70, 0x16, 0xe7, 0x5a, 0x8c, 0x2f, 0x2f, 0x6e, 0x6e, 0x98, 0x72, 0xdd, 0xf6, 0x51];

const VERSIONS: [HttpVersion; 3] = [HttpVersion::V10, HttpVersion::V10Close, HttpVersion::V11];

/// nginx with one page, one virtual host, one page in chunks, and some status codes.
struct Nginx {
    address: SocketAddr,
    _running: Running,
    _folder: Folder,
}

fn nginx() -> Nginx {
    let (folder, address) = (Folder::new(), own_socket_address(18_080));
    folder.file("index.html", "hello health\n");
    folder.file("big.html", format!("{}needle{}", "x".repeat(300_000), "y".repeat(700_000)));
    folder.file("chunked.html", "hello <!--# echo var=\"request_method\" -->\n");
    let path = folder.path().display();
    let config = folder.file(
        "nginx.conf",
        format!(
            "daemon off; error_log stderr crit; pid {path}/nginx.pid; worker_processes 1;
            events {{ worker_connections 256; }}
            http {{
                access_log off; client_body_temp_path {path}/t1; proxy_temp_path {path}/t2;
                fastcgi_temp_path {path}/t3; uwsgi_temp_path {path}/t4; scgi_temp_path {path}/t5;
                default_type text/html; root {path};
                server {{
                    listen {address};
                    location = /chunked.html {{ ssi on; }}
                    location = /busy {{ return 503 busy; }}
                    location = /moved {{ return 302 /; }}
                    location = /empty {{ return 204; }}
                    location = /version {{ return 200 $server_protocol; }}
                    location = /host {{ return 200 $http_host; }}
                    location = /agent {{ return 200 $http_user_agent; }}
                }}
                server {{ listen {address}; server_name www.example.org; return 200 'the virtual host'; }}
            }}"
        ),
    );
    let mut command = Command::new("nginx");
    command.args(["-c", &config, "-p", &path.to_string()]);
    Nginx { address, _running: Running::start(&mut command, address), _folder: folder }
}

fn at(path: &str) -> HttpRequest {
    HttpRequest { path: path.into(), ..request() }
}

fn says_exactly(text: &str) -> Option<BodyRegex> {
    Some(BodyRegex {
        pattern: format!("\\A\\Q{text}\\E\\z"),
        options: vec![],
        must_not_match: false,
        min_offset: 0,
        max_offset: None,
        stack: None,
    })
}

#[test]
fn nginx_is_asked_as_keepalived_asks_and_judged_as_keepalived_judges() {
    let nginx = nginx();
    let ask = |request: HttpRequest| ask(&get(nginx.address, request));
    for version in VERSIONS {
        let said = if version == HttpVersion::V11 { "HTTP/1.1" } else { "HTTP/1.0" };
        passes(ask(HttpRequest { version, regex: says_exactly(said), ..at("/version") }));
        let own_name = nginx.address.to_string();
        passes(ask(HttpRequest { version, regex: says_exactly(&own_name), ..at("/host") }));
        passes(ask(HttpRequest { version, regex: says_exactly("KeepAliveClient"), ..at("/agent") }));
        passes(ask(HttpRequest { version, digest: Some(HELLO), ..at("/") }));
        passes(ask(HttpRequest { version, ..at("/empty") }));

        let www = Some("www.example.org".to_owned());
        passes(ask(HttpRequest { version, host: www, regex: says_exactly("the virtual host"), ..at("/") }));

        let busy = failure(ask(HttpRequest { version, ..at("/busy") }));
        assert_eq!((busy.stage, busy.to_string().as_str()), (Stage::Answer, "status 503"));
        passes(ask(HttpRequest { version, status: vec![200..=299, 500..=503], ..at("/busy") }));
        assert_eq!(failure(ask(HttpRequest { version, ..at("/moved") })).to_string(), "status 302");
        assert_eq!(failure(ask(HttpRequest { version, ..at("/nowhere") })).to_string(), "status 404");

        let wrong = failure(ask(HttpRequest { version, digest: Some([0; 16]), ..at("/") }));
        assert_eq!(wrong.to_string(), "digest 2a477016e75a8c2f2f6e6e9872ddf651");
    }
}

#[test]
fn a_regex_is_looked_for_in_the_whole_page_or_a_part_of_it() {
    let nginx = nginx();
    let needle = |change: fn(&mut BodyRegex)| {
        let mut regex = BodyRegex {
            pattern: "x(NEEDLE)y".into(),
            options: vec![RegexOption::Caseless],
            must_not_match: false,
            min_offset: 0,
            max_offset: None,
            stack: None,
        };
        change(&mut regex);
        matches!(
            ask(&get(nginx.address, HttpRequest { regex: Some(regex), ..at("/big.html") })),
            Outcome::Passed { .. }
        )
    };
    assert!(needle(|_| {}));
    assert!(needle(|regex| regex.min_offset = 299_999));
    assert!(!needle(|regex| regex.min_offset = 300_000));
    assert!(needle(|regex| regex.max_offset = Some(299_999)));
    assert!(!needle(|regex| regex.max_offset = Some(299_998)));
    assert!(!needle(|regex| regex.must_not_match = true));
    assert!(!needle(|regex| regex.options.clear()));
}

#[test]
fn a_page_in_chunks_has_the_digest_of_its_content_or_the_one_keepalived_makes() {
    let nginx = nginx();
    let chunked = |digest| {
        let version = HttpVersion::V11;
        ask(&get(nginx.address, HttpRequest { version, digest: Some(digest), ..at("/chunked.html") }))
    };
    let content = md5(b"hello GET\n");
    passes(chunked(content));
    let as_keepalived = keepalived_genhash(&nginx, &["-P", "1.1", "-u", "/chunked.html"]);
    let bytes: Vec<u8> = (0..32)
        .step_by(2)
        .map(|place| u8::from_str_radix(&as_keepalived[place..place + 2], 16).expect("digits"))
        .collect();
    assert_ne!(bytes, content, "otherwise nginx did not send chunks");
    passes(chunked(bytes.try_into().expect("16 bytes")));
    failure(chunked([0; 16]));
}

#[test]
fn what_keepalived_forgives_is_forgiven() {
    // A server that closes before its promised length; one that never sends the last chunk; one that needs no reason.
    for answer in [
        "HTTP/1.0 200 OK\r\nContent-Length: 500\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        passes(ask(&get(says(answer), request())));
    }
}

#[test]
fn genhash_prints_what_keepalived_prints() {
    let nginx = nginx();
    for (options, page) in [
        (&["-u", "/"][..], page(&nginx, "/")),
        (&["-u", "/big.html"], page(&nginx, "/big.html")),
        (&["-u", "/nowhere"], page(&nginx, "/nowhere")),
        (
            &["-u", "/", "-V", "www.example.org"],
            Page { host: Some("www.example.org".into()), ..page(&nginx, "/") },
        ),
        (&["-u", "/version", "-P", "1.1"], Page { version: HttpVersion::V11, ..page(&nginx, "/version") }),
        (
            &["-u", "/chunked.html", "-P", "1.1"],
            Page { version: HttpVersion::V11, ..page(&nginx, "/chunked.html") },
        ),
        (&["-u", "/", "-v"], Page { verbose: true, ..page(&nginx, "/") }),
    ] {
        assert_eq!(genhash_of(&page), keepalived_genhash(&nginx, options), "{options:?}");
    }
}

#[test]
fn genhash_fails_in_words() {
    let page = Page { server: own_socket_address(18_081), ..page_at(own_socket_address(1), "/") };
    let words = runtime().block_on(genhash::write(&page, &mut Vec::new())).expect_err("nobody is there");
    assert_eq!(words, "connection refused (ECONNREFUSED)");
}

fn page(nginx: &Nginx, path: &str) -> Page {
    page_at(nginx.address, path)
}

fn page_at(server: SocketAddr, path: &str) -> Page {
    Page {
        server,
        path: path.into(),
        host: None,
        tls: false,
        sni: false,
        version: HttpVersion::V10,
        fwmark: 0,
        timeout: LONG,
        verbose: false,
    }
}

fn genhash_of(page: &Page) -> String {
    let mut text = Vec::new();
    runtime().block_on(genhash::write(page, &mut text)).expect("a page");
    without_what_varies(&text)
}

fn keepalived_genhash(nginx: &Nginx, options: &[&str]) -> String {
    let output = Command::new("genhash")
        .args(["-s", &nginx.address.ip().to_string(), "-p", &nginx.address.port().to_string()])
        .args(options)
        .output()
        .expect("keepalived is installed, and genhash with it");
    without_what_varies(&output.stdout)
}

/// Leaves out the time it took, the date of the answer (also in the dump of its bytes), and empty lines: how many there
/// are depends on how the answer came in.
fn without_what_varies(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines =
        text.lines().filter(|line| !line.starts_with("Global response time") && !line.starts_with("Date:"));
    let mut dump_of_head = false;
    let kept: Vec<_> = lines
        .filter(|line| {
            if line.contains("[ ") {
                dump_of_head = line.contains("HTTP Header Buffer");
            }
            !line.is_empty() && (!dump_of_head || line.starts_with('-'))
        })
        .collect();
    kept.join("\n")
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest;
    md5::Md5::digest(bytes).into()
}
