//! `GRPC_CHECK`: `grpc.health.v1.Health/Check`, one unary call over HTTP/2.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/health-checking.md> and `PROTOCOL-HTTP2.md` beside it. The messages have
//! one field each, so they are written by hand; HTTP/2 is h2's.

use std::io;

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, Request, Version};
use mainstay_core::director::probe::Tls;
use mainstay_core::director::{Excuse, Probe, Stage};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Prober;
use super::patience::{Patience, Patient};
use super::socket;
use super::tls::Inside;
use super::trouble::{Exchange, Trouble};

/// Longest message that is taken; the right one has two bytes.
const LONGEST: usize = 1024;
/// Head of a message: whether it is compressed, and its length.
const HEAD: usize = 5;

/// Asks once.
pub(super) async fn ask(
    prober: &Prober,
    probe: &Probe,
    service: &str,
    tls: Option<&Tls>,
    patience: &Patience<'_>,
) -> Exchange<()> {
    let connection = Patient::new(socket::connect(probe, &prober.manners, patience).await?, patience);
    match tls {
        None => call(connection, probe, service, None, patience).await,
        Some(tls) => {
            let session = prober.tls.handshake(connection, probe, tls, None, Inside::Grpc, patience).await?;
            call(session, probe, service, Some(tls), patience).await
        }
    }
}

async fn call(
    connection: impl AsyncRead + AsyncWrite + Unpin,
    probe: &Probe,
    service: &str,
    tls: Option<&Tls>,
    patience: &Patience<'_>,
) -> Exchange<()> {
    let judge = |error: h2::Error| self::judge(error, patience);
    let (requests, connection) = h2::client::Builder::new()
        .initial_window_size(64 * 1024)
        .max_header_list_size(16 * 1024)
        .enable_push(false)
        .handshake::<_, Bytes>(connection)
        .await
        .map_err(judge)?;
    let exchange = async {
        let mut requests = requests.ready().await.map_err(judge)?;
        let (response, mut question) = requests.send_request(request(probe, tls)?, false).map_err(judge)?;
        question.send_data(emit(service), true).map_err(judge)?;
        let (head, mut body) = response.await.map_err(judge)?.into_parts();
        if head.status != http::StatusCode::OK {
            return Err(Trouble::answer(format!("HTTP status {}", head.status.as_u16())));
        }
        // An error is told at once, in the head.
        check_status(&head.headers, false)?;
        let message = read(&mut body).await.map_err(judge)?;
        let trailers = body.trailers().await.map_err(judge)?.unwrap_or_default();
        check_status(&trailers, true)?;
        check_health(&message)
    };
    tokio::pin!(exchange, connection);
    // The connection moves what the exchange waits for.
    let ended = tokio::select! {
        biased;
        outcome = &mut exchange => return outcome,
        ended = &mut connection => ended,
    };
    // It is over. Either the exchange has all it needs by now, or it will wait for ever.
    tokio::select! {
        biased;
        outcome = &mut exchange => outcome,
        () = std::future::ready(()) => Err(ended.map_or_else(judge, |()| Trouble::closed(Stage::Receive))),
    }
}

fn request(probe: &Probe, tls: Option<&Tls>) -> Exchange<Request<()>> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let authority = match tls.and_then(|tls| tls.server_name.as_deref()) {
        Some(name) => name.to_owned(),
        None => probe.target.to_string(),
    };
    Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(format!("{scheme}://{authority}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "mainstay")
        .body(())
        .map_err(|error| {
            Trouble::Excused(Excuse::CouldNotAsk { errno: None, words: error.to_string().into() })
        })
}

/// `HealthCheckRequest { string service = 1; }` with its head.
fn emit(service: &str) -> Bytes {
    let mut message = BytesMut::with_capacity(HEAD + service.len() + 6);
    if !service.is_empty() {
        message.extend_from_slice(&[0x0A]);
        let mut length = service.len();
        while length >= 0x80 {
            message.extend_from_slice(&[length as u8 & 0x7F | 0x80]);
            length >>= 7;
        }
        message.extend_from_slice(&[length as u8]);
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(HEAD + message.len());
    framed.extend_from_slice(&[0]);
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(&message);
    framed.freeze()
}

async fn read(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut message = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        // What is too long is wrong anyway; the rest is only counted off.
        let room = LONGEST.saturating_sub(message.len());
        message.extend_from_slice(&part[..part.len().min(room)]);
    }
    Ok(message)
}

/// `grpc-status`: 0 is good. It must be in the trailers if it was not in the head.
fn check_status(fields: &HeaderMap, is_last: bool) -> Exchange<()> {
    let Some(status) = fields.get("grpc-status") else {
        return if is_last { Err(Trouble::answer("the answer has no gRPC status")) } else { Ok(()) };
    };
    let status = status.to_str().ok().and_then(|text| text.parse::<u32>().ok());
    match status {
        Some(0) => Ok(()),
        Some(5) => Err(Trouble::answer("gRPC status 5 (NOT_FOUND): the server knows no such service")),
        Some(12) => Err(Trouble::answer("gRPC status 12 (UNIMPLEMENTED): the server has no health service")),
        Some(status) => Err(Trouble::answer(format!("gRPC status {status}"))),
        None => Err(Trouble::answer("the answer has a bad gRPC status")),
    }
}

/// `HealthCheckResponse { ServingStatus status = 1; }` with its head: is it SERVING?
fn check_health(message: &[u8]) -> Exchange<()> {
    let status = match message {
        [1, ..] => return Err(Trouble::answer("the gRPC message is compressed")),
        [0, 0, 0, 0, length, fields @ ..] if usize::from(*length) == fields.len() => status(fields),
        _ => None,
    };
    match status {
        Some(1) => Ok(()),
        Some(0) => Err(Trouble::answer("health UNKNOWN")),
        Some(2) => Err(Trouble::answer("health NOT_SERVING")),
        Some(3) => Err(Trouble::answer("health SERVICE_UNKNOWN")),
        Some(other) => Err(Trouble::answer(format!("health {other}"))),
        None => Err(Trouble::answer("the answer is no gRPC health message")),
    }
}

/// Value of field 1. Absent means 0; later ones win; fields we do not know would be of a later version.
fn status(mut fields: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !fields.is_empty() {
        let tag = varint(&mut fields)?;
        match tag & 7 {
            0 => {
                let value = varint(&mut fields)?;
                if tag >> 3 == 1 {
                    status = value;
                }
            }
            1 => fields = fields.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut fields)?).ok()?;
                fields = fields.get(length..)?;
            }
            5 => fields = fields.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn judge(error: h2::Error, patience: &Patience<'_>) -> Trouble {
    if error.is_io() {
        // h2 keeps the kind of an error and loses its number.
        let error = error.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into());
        return match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => Trouble::closed(Stage::Receive),
            _ => patience.judge(Stage::Receive, &error),
        };
    }
    match error.reason() {
        Some(Reason::HTTP_1_1_REQUIRED) => Trouble::answer("the server wants HTTP/1.1"),
        _ => Trouble::failed(Stage::Receive, format!("HTTP/2: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(message: &[u8]) -> String {
        match check_health(message) {
            Ok(()) => "serving".into(),
            Err(Trouble::Failed(failure)) => failure.words.into(),
            Err(Trouble::Excused(excuse)) => excuse.to_string(),
        }
    }

    #[test]
    fn a_request_names_the_service() {
        assert_eq!(emit("").as_ref(), [0, 0, 0, 0, 0]);
        assert_eq!(emit("ab").as_ref(), [0, 0, 0, 0, 4, 0x0A, 2, b'a', b'b']);
        let long = "s".repeat(300);
        assert_eq!(emit(&long)[..8], [0, 0, 0, 1, 47, 0x0A, 0xAC, 0x02]);
    }

    #[test]
    fn only_serving_is_good() {
        assert_eq!(health(&[0, 0, 0, 0, 2, 0x08, 1]), "serving");
        assert_eq!(health(&[0, 0, 0, 0, 2, 0x08, 2]), "health NOT_SERVING");
        assert_eq!(health(&[0, 0, 0, 0, 2, 0x08, 3]), "health SERVICE_UNKNOWN");
        assert_eq!(health(&[0, 0, 0, 0, 0]), "health UNKNOWN");
        assert_eq!(
            health(&[0, 0, 0, 0, 6, 0x12, 2, 9, 9, 0x08, 1]),
            "serving",
            "with a field of a later version"
        );
    }

    #[test]
    fn nonsense_is_no_health() {
        for message in
            [&[][..], &[0, 0], &[0, 0, 0, 0, 3, 0x08, 1], &[0, 0, 0, 0, 2, 0x0B, 1], &[0, 0, 0, 0, 1, 0x08]]
        {
            assert_eq!(health(message), "the answer is no gRPC health message", "{message:?}");
        }
        assert_eq!(
            health(&[0, 0, 0, 0, 12, 0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]).as_str(),
            "the answer is no gRPC health message"
        );
        assert_eq!(health(&[1, 0, 0, 0, 0]), "the gRPC message is compressed");
    }
}
