//! Asking, addresses, servers in threads, servers in processes, folders.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mainstay_core::director::plan::TlsMaterial;
use mainstay_core::director::probe::{HttpRequest, HttpVersion, Source, Tls};
use mainstay_core::director::{Excuse, Failure, Outcome, Probe, ProbeKind};
use mainstay_system::probe::Prober;

/// Timeout of probes that are to run into it.
pub const SHORT: Duration = Duration::from_millis(300);
/// Timeout of probes that are not.
pub const LONG: Duration = Duration::from_secs(5);
/// How often a machine that is busy with other tests may be late in a row.
const TRIES: u32 = 20;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A loopback address nobody else uses: 127.0.0.0/8 has enough for every process and test.
pub fn own_address() -> Ipv4Addr {
    let number = std::process::id() * 16 + NUMBER.fetch_add(1, Ordering::Relaxed) % 16;
    let [_, b, c, d] = number.to_be_bytes();
    Ipv4Addr::new(127, b % 250 + 1, c, d % 250 + 1)
}

/// Its address with a port.
pub fn own_socket_address(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(own_address()), port)
}

/// Asks, in a runtime of one thread as the director has it; again, as the director would, if this machine was late.
pub fn ask(probe: &Probe) -> Outcome {
    ask_with(&TlsMaterial::default(), probe)
}

/// [`ask`], with certificates.
pub fn ask_with(material: &TlsMaterial, probe: &Probe) -> Outcome {
    let ask = || runtime().block_on(async { Prober::start(material).ask(probe).await });
    let mut outcome = ask();
    for _ in 0..TRIES {
        if !matches!(outcome, Outcome::Inconclusive(Excuse::Late(_))) {
            break;
        }
        outcome = ask();
    }
    outcome
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The failure of an outcome.
#[track_caller]
pub fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("should have failed, but {other}"),
    }
}

/// That an outcome is good.
#[track_caller]
pub fn passes(outcome: Outcome) {
    assert!(matches!(outcome, Outcome::Passed { .. }), "should have passed, but {outcome}");
}

pub fn probe(target: SocketAddr, kind: ProbeKind) -> Probe {
    Probe { target, source: Source::default(), fwmark: 0, timeout: LONG, kind }
}

/// `GET /` that is content with a status between 200 and 299.
pub fn request() -> HttpRequest {
    HttpRequest {
        tls: None,
        version: HttpVersion::V10,
        path: "/".into(),
        host: None,
        status: vec![200..=299],
        digest: None,
        regex: None,
    }
}

pub fn get(target: SocketAddr, request: HttpRequest) -> Probe {
    probe(target, ProbeKind::Http(request.into()))
}

pub fn over_tls() -> HttpRequest {
    HttpRequest { tls: Some(Tls::default()), ..request() }
}

/// Serves every connection by `serve` in a thread of its own, until the process ends. Returns where.
pub fn server(serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind((own_address(), 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for connection in listener.incoming() {
            let serve = serve.clone();
            thread::spawn(move || serve(connection.expect("a connection")));
        }
    });
    address
}

/// A server that reads a request and then says this, and closes.
pub fn says(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    server(move |mut connection| {
        read_request(&mut connection);
        // The client may hang up as soon as it has seen enough.
        let _ = connection.write_all(&answer);
    })
}

/// Reads up to the empty line, and gives what was read.
pub fn read_request(connection: &mut TcpStream) -> String {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        match connection.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8(request).expect("text")
}

/// A server program, killed at the end.
pub struct Running(Child);

impl Running {
    /// Starts it, and waits until it answers at `address` (TCP).
    pub fn start(command: &mut Command, address: SocketAddr) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child =
            command.stdin(Stdio::null()).spawn().unwrap_or_else(|error| panic!("start {name}: {error}"));
        let mut running = Self(child);
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            if let Some(status) = running.0.try_wait().expect("our child") {
                panic!("{name} ended: {status}");
            }
            assert!(Instant::now() < end, "{name} does not answer at {address}");
            thread::sleep(Duration::from_millis(20));
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Politely, so that a master process takes its workers along.
        let pid = nix::unistd::Pid::from_raw(self.0.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder that is gone at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mainstay-probes-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and gives its path.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes `NAME.key` and a certificate `NAME.crt` for that name, signed by itself, in the folder.
pub fn certificate(folder: &Folder, name: &str) {
    let status = Command::new("openssl")
        .current_dir(folder.path())
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", &format!("/CN={name}"), "-addext", &format!("subjectAltName=DNS:{name}")])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")])
        .stderr(Stdio::null())
        .status()
        .expect("openssl is installed");
    assert!(status.success());
}

/// Runs something in a thread in a new network namespace, in which nothing is up. Needs root.
pub fn in_new_namespace<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        mainstay_system::namespace::enter_new_network().expect("these tests run as root");
        work()
    };
    thread::scope(|scope| scope.spawn(inside).join().expect("no panic"))
}

/// Longest time a probe with [`SHORT`] may take: six timeouts, and what a busy machine adds.
pub fn ends_in_time<T>(work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    let took = begun.elapsed();
    assert!(took < SHORT * 6 + Duration::from_secs(2), "took {took:?}");
    result
}
