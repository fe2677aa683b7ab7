//! The server over a Unix socket and over TCP, with a loop that knows nothing.

use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::*;

/// How long anything may take on a machine that has other things to do.
const LIMIT: Duration = Duration::from_secs(60);

fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("mainstay-metrics-{name}-{}", std::process::id()))
}

/// Answers like a loop without virtual servers, whose supervisor says nothing; how often it was asked.
fn answer_all(mut exporter: Exporter) -> (JoinHandle<()>, Arc<std::sync::atomic::AtomicU32>) {
    let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let task = tokio::spawn(async move {
        loop {
            let Scrape { answer } = exporter.next().await;
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let (told, measures) = oneshot::channel();
            drop(told);
            let _ = answer.send(Parts { director: director::Report::default(), measures, table: None });
        }
    });
    (task, asked)
}

async fn connect(path: &Path) -> UnixStream {
    let connected = async {
        loop {
            match UnixStream::connect(path).await {
                Ok(stream) => return stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(LIMIT, connected).await.expect("it listens")
}

async fn converse(mut stream: impl Stream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("it is read");
    let mut heard = Vec::new();
    // A server that refuses to read on may reset the connection after its answer.
    let _ = timeout(LIMIT, stream.read_to_end(&mut heard)).await.expect("in time");
    String::from_utf8_lossy(&heard).into_owned()
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n")
}

#[tokio::test]
async fn only_the_page_is_served_and_only_to_be_read() {
    let path = socket("page");
    let mut exporter = Exporter::closed();
    exporter.follow(Some(&Endpoint::Path(path.clone())));
    let (loop_task, _) = answer_all(exporter);
    let ask = async |request: &str| converse(connect(&path).await, request).await;
    let page = ask(&get("/metrics", "")).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("text/plain; version=0.0.4"), "{page}");
    assert!(page.contains("mainstay_router_up 0") && !page.contains("# EOF"), "{page}");
    let page = ask(&get("/metrics", "Accept: application/openmetrics-text;version=1.0.0;q=0.5\r\n")).await;
    assert!(page.contains("application/openmetrics-text") && page.ends_with("# EOF\n"), "{page}");
    for (request, status) in [
        (get("/other", ""), "404"),
        (get("/", ""), "200"),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_owned(), "405"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (get("/metrics", &format!("X: {}\r\n", "x".repeat(2 * LONGEST_HEAD))), "431"),
    ] {
        let heard = ask(&request).await;
        assert!(heard.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {heard}");
    }
    let mode = std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode, MODE);
    loop_task.abort();
    let gone = async {
        while path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, gone).await.expect("the socket goes with the server");
}

#[tokio::test]
async fn many_who_read_at_once_ask_the_loop_once() {
    let path = socket("many");
    let mut exporter = Exporter::closed();
    exporter.follow(Some(&Endpoint::Path(path.clone())));
    let (_loop_task, asked) = answer_all(exporter);
    let streams = [connect(&path).await, connect(&path).await, connect(&path).await, connect(&path).await];
    let began = Instant::now();
    let readers: Vec<_> = streams
        .into_iter()
        .map(|stream| tokio::spawn(async move { converse(stream, &get("/metrics", "")).await }))
        .collect();
    for reader in readers {
        assert!(reader.await.expect("no panic").contains("mainstay_build_info"));
    }
    // On a machine that stood still for a second in between, they may be asked once more for each.
    let at_most = 1 + began.elapsed().as_secs() / FRESH.as_secs();
    assert!(u64::from(asked.load(std::sync::atomic::Ordering::SeqCst)) <= at_most);
}

#[tokio::test]
async fn who_connects_and_says_nothing_keeps_nobody_from_reading_for_long() {
    let path = socket("silent");
    let mut exporter = Exporter::closed();
    exporter.follow(Some(&Endpoint::Path(path.clone())));
    let (_loop_task, _) = answer_all(exporter);
    let mut silent = Vec::new();
    for _ in 0..AT_ONCE {
        silent.push(connect(&path).await);
    }
    let page = converse(connect(&path).await, &get("/metrics", "")).await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
}

#[tokio::test]
async fn a_file_in_the_place_of_the_socket_is_not_removed_and_another_endpoint_is_followed() {
    let path = socket("file");
    std::fs::write(&path, "precious").expect("writes");
    let mut exporter = Exporter::closed();
    exporter.follow(Some(&Endpoint::Path(path.clone())));
    // A port that is free at this moment.
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|bound| bound.local_addr()).expect("a port");
    exporter.follow(Some(&Endpoint::Address(free)));
    let (_loop_task, _) = answer_all(exporter);
    let connected = async {
        loop {
            match TcpStream::connect(free).await {
                Ok(stream) => return stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let stream = timeout(LIMIT, connected).await.expect("it listens");
    assert!(converse(stream, &get("/metrics", "")).await.starts_with("HTTP/1.1 200"));
    assert_eq!(std::fs::read_to_string(&path).expect("reads"), "precious");
    std::fs::remove_file(&path).expect("removes");
}
