//! The HTTP server: few connections at once, one request each, nothing long in size or time.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use mainstay_config::model::Endpoint;
use mainstay_core::director;
use mainstay_system::ipvs::Listing;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Mutex, Semaphore, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::page::{self, Style};
use super::snapshot::Snapshot;
use crate::measures::Measures;

/// Connections at once; further ones wait to be accepted.
const AT_ONCE: usize = 8;

/// How long a client may take to ask.
const ASKING: Duration = Duration::from_secs(5);

/// How long a connection may last.
const CONNECTION: Duration = Duration::from_secs(30);

/// Longest head of a request in bytes.
const LONGEST_HEAD: usize = 16 << 10;

/// How long the other processes and the kernel may take to answer; then the page is written without them.
const PATIENCE: Duration = Duration::from_secs(2);

/// A page so young is served again: however many read, nobody is asked more often.
const FRESH: Duration = Duration::from_secs(1);

/// How long to wait before an address that cannot be had is tried again. A virtual address comes and goes.
const RETRY: Duration = Duration::from_secs(5);

/// Who may read at a Unix socket: root, and the group of the file.
const MODE: u32 = 0o660;

/// Somebody reads the metrics.
#[derive(Debug)]
pub struct Scrape {
    /// Where what the loop knows goes.
    pub answer: oneshot::Sender<Parts>,
}

/// What a page is made of. The loop has the first part and has asked for the others.
#[derive(Debug)]
pub struct Parts {
    /// Virtual servers.
    pub director: director::Report,
    /// What the supervisor and the router say.
    pub measures: oneshot::Receiver<Measures>,
    /// The kernel's table; `None` if there is none to be asked for.
    pub table: Option<oneshot::Receiver<Listing>>,
}

/// The server, seen from the loop.
#[derive(Debug)]
pub struct Exporter {
    endpoint: Option<Endpoint>,
    listening: Option<JoinHandle<()>>,
    scrapes: Receiver<Scrape>,
    pages: Arc<Pages>,
}

impl Exporter {
    /// A server that listens nowhere.
    pub fn closed() -> Self {
        let (asker, scrapes) = channel(AT_ONCE);
        let pages = Arc::new(Pages { asker, fresh: Mutex::default() });
        Self { endpoint: None, listening: None, scrapes, pages }
    }

    /// Listens here from now on. What is being answered is answered to its end.
    pub fn follow(&mut self, endpoint: Option<&Endpoint>) {
        if self.endpoint.as_ref() == endpoint {
            return;
        }
        self.close();
        self.endpoint = endpoint.cloned();
        self.listening = endpoint.map(|at| tokio::spawn(listen(at.clone(), Arc::clone(&self.pages))));
    }

    /// The next one who reads. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Scrape {
        match self.scrapes.recv().await {
            Some(scrape) => scrape,
            // It cannot be: we have an end ourselves.
            None => std::future::pending().await,
        }
    }

    fn close(&mut self) {
        if let Some(task) = self.listening.take() {
            task.abort();
        }
        if let Some(Endpoint::Path(path)) = &self.endpoint {
            remove_socket(path);
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.close();
    }
}

/// Removes a socket that nobody needs any more, and nothing else that may be there.
fn remove_socket(path: &Path) {
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        let _ = std::fs::remove_file(path);
    }
}

/// Bytes in both directions.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    async fn open(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Address(address) => TcpListener::bind(address).await.map(Self::Tcp),
            Endpoint::Path(path) => {
                remove_socket(path);
                let listener = UnixListener::bind(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
                Ok(Self::Unix(listener))
            }
        }
    }

    /// Opens it as soon as that is possible, and says once why it is not.
    async fn open_patiently(endpoint: &Endpoint) -> Self {
        let mut told = false;
        loop {
            match Self::open(endpoint).await {
                Ok(listener) => {
                    tracing::info!("Metrics are served at {endpoint}");
                    return listener;
                }
                Err(error) if !told => {
                    tracing::warn!("metrics cannot be served at {endpoint} yet: {error}");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

async fn listen(endpoint: Endpoint, pages: Arc<Pages>) {
    let listener = Listener::open_patiently(&endpoint).await;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok(stream) => {
                let pages = Arc::clone(&pages);
                tokio::spawn(async move {
                    serve(stream, pages).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!("metrics: {error}");
                // No descriptors, say: they come back.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: Box<dyn Stream>, pages: Arc<Pages>) {
    let service = service_fn(move |request| {
        let pages = Arc::clone(&pages);
        async move { Ok::<_, Infallible>(pages.answer(&request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASKING)
        .max_buf_size(LONGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = timeout(CONNECTION, connection).await {
        tracing::debug!("metrics: {error}");
    }
}

/// Makes pages, and keeps the last one for a moment.
#[derive(Debug)]
struct Pages {
    asker: Sender<Scrape>,
    /// The last page in OpenMetrics, and when it was written. Who holds the lock writes; the others wait for it.
    fresh: Mutex<Option<(Instant, Bytes)>>,
}

impl Pages {
    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/metrics" if reads => self.metrics(style_of(request)).await,
            "/" if reads => words(StatusCode::OK, "Mainstay serves metrics at /metrics\n"),
            "/metrics" | "/" => {
                let mut response = words(StatusCode::METHOD_NOT_ALLOWED, "GET it\n");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                response
            }
            _ => words(StatusCode::NOT_FOUND, "There is only /metrics\n"),
        }
    }

    async fn metrics(&self, style: Style) -> Response<Full<Bytes>> {
        let Some(page) = self.page().await else {
            return words(StatusCode::SERVICE_UNAVAILABLE, "There is no answer in time\n");
        };
        let page = match style {
            Style::OpenMetrics => page,
            Style::Classic => match spawn_blocking(move || style.of(&page)).await {
                Ok(page) => page,
                Err(_) => return words(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be written\n"),
            },
        };
        let mut response = Response::new(Full::new(page));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(style.media_type()));
        response
    }

    /// The page in OpenMetrics; `None` if the loop has no time.
    async fn page(&self) -> Option<Bytes> {
        let mut fresh = self.fresh.lock().await;
        if let Some((written, page)) = &*fresh
            && written.elapsed() < FRESH
        {
            return Some(page.clone());
        }
        let (answer, parts) = oneshot::channel();
        let asked = self.asker.send(Scrape { answer });
        timeout(PATIENCE, asked).await.ok()?.ok()?;
        let Parts { director, measures, table } = timeout(PATIENCE, parts).await.ok()?.ok()?;
        let measures = timeout(PATIENCE, measures).await.ok().and_then(Result::ok);
        let table = match table {
            Some(table) => timeout(PATIENCE, table).await.ok().and_then(Result::ok),
            None => None,
        };
        let snapshot = Snapshot::new(director, measures, table);
        let page = spawn_blocking(move || page::write(snapshot)).await.ok()?.ok()?;
        let page = Bytes::from(page);
        *fresh = Some((Instant::now(), page.clone()));
        Some(page)
    }
}

/// OpenMetrics for whoever names it, in any order of preference: everybody who does can read it.
fn style_of<B>(request: &Request<B>) -> Style {
    let accepted = request.headers().get_all(ACCEPT);
    let names_it = |value: &HeaderValue| {
        value.to_str().is_ok_and(|value| value.contains("application/openmetrics-text"))
    };
    if accepted.iter().any(names_it) { Style::OpenMetrics } else { Style::Classic }
}

fn words(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(words.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests;
