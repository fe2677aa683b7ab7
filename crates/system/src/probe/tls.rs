//! TLS of `SSL_GET` and `GRPC_CHECK`: rustls with ring.
//!
//! - keepalived never checks a server's certificate, so neither do we unless `@mainstay tls_verify` says so. Whatever
//!   the server calls its certificate (expired, without names, not even X.509) is then all the same.
//! - With `tls_verify` the certificate must be signed by the `ca` of the `SSL` block, or without one by an authority of
//!   the system, and must have the server's name or address among its subject alternative names. (A common name is no
//!   name: RFC 9525.)
//! - Configurations are made once and shared by all probes. Sessions are not resumed: every check is a whole handshake,
//!   as a new client would make it, and looks at the certificate anew.
//!
//! DIFFERS: rustls speaks TLS 1.2 (with ECDHE and AEAD ciphers) and 1.3. keepalived, by OpenSSL, may still reach servers
//! that speak TLS 1.0 or 1.1 only, or only RSA key exchange, DHE or CBC ciphers. Such a server fails here at stage `tls`
//! with its alert in words. An encrypted client key (`password`) is refused in words too.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use mainstay_core::director::plan::TlsMaterial;
use mainstay_core::director::probe::Tls;
use mainstay_core::director::{Excuse, Probe, Stage};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::patience::{Patience, Patient};
use super::trouble::{Exchange, Trouble};

/// HTTP over TLS, or HTTP/2 over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// HTTP/1: no ALPN, as keepalived.
    Http,
    /// `h2` by ALPN, which gRPC asks for.
    Grpc,
}

/// The configurations of all TLS probes.
#[derive(Debug)]
pub(super) struct Contexts {
    material: TlsMaterial,
    provider: Arc<CryptoProvider>,
    open: Result<Pair, Box<str>>,
    /// Made when the first probe needs it: the system's authorities are many, and few configurations verify.
    verified: OnceLock<Result<Pair, Box<str>>>,
}

/// One configuration with SNI, and one without; both for HTTP/1 and for gRPC.
#[derive(Debug)]
struct Pair {
    http: [Arc<ClientConfig>; 2],
    grpc: [Arc<ClientConfig>; 2],
}

impl Contexts {
    /// Reads certificates and keys. What cannot be read is told by every probe that needs it, and by no other.
    pub(super) fn new(material: &TlsMaterial) -> Self {
        let provider = Arc::new(ring::default_provider());
        let open = Pair::new(material, &provider, Arc::new(AnyCertificate(Arc::clone(&provider))));
        Self { material: material.clone(), provider, open, verified: OnceLock::new() }
    }

    fn verified(&self) -> &Result<Pair, Box<str>> {
        self.verified.get_or_init(|| {
            let verifier = verifier(&self.material, &self.provider)?;
            Pair::new(&self.material, &self.provider, verifier)
        })
    }

    /// Makes a TLS session on a connection.
    pub(super) async fn handshake(
        &self,
        connection: Patient,
        probe: &Probe,
        tls: &Tls,
        host: Option<&str>,
        inside: Inside,
        patience: &Patience<'_>,
    ) -> Exchange<TlsStream<Patient>> {
        let pair = if tls.verify { self.verified() } else { &self.open };
        let pair = pair
            .as_ref()
            .map_err(|words| Trouble::Excused(Excuse::CouldNotAsk { errno: None, words: words.clone() }))?;
        let configs = match inside {
            Inside::Http => &pair.http,
            Inside::Grpc => &pair.grpc,
        };
        let name = server_name(tls, host, probe.target.ip());
        let connector = TlsConnector::from(Arc::clone(&configs[usize::from(tls.server_name.is_some())]));
        connector.connect(name, connection).await.map_err(|error| {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(broken) => Trouble::failed(Stage::Tls, format!("TLS: {broken}")),
                None => patience.judge(Stage::Tls, &error),
            }
        })
    }
}

impl Pair {
    fn new(
        material: &TlsMaterial,
        provider: &Arc<CryptoProvider>,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<Self, Box<str>> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()
            .map_err(in_words)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut without = match &material.certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let (chain, key) = client_certificate(certificate, material)?;
                builder.with_client_auth_cert(chain, key).map_err(in_words)?
            }
        };
        without.enable_sni = false;
        without.resumption = Resumption::disabled();
        let mut with = without.clone();
        with.enable_sni = true;
        let grpc = [&without, &with].map(|config| {
            let mut config = config.clone();
            config.alpn_protocols = vec![b"h2".to_vec()];
            Arc::new(config)
        });
        Ok(Self { http: [without, with].map(Arc::new), grpc })
    }
}

/// What the certificate must be good for, and what SNI says: `sni_name`, else the host, else the address.
fn server_name(tls: &Tls, host: Option<&str>, address: IpAddr) -> ServerName<'static> {
    // keepalived allows `virtualhost` with a port.
    let without_port = |name: &str| match name.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name.to_owned(),
        Some(_) | None => name.to_owned(),
    };
    [tls.server_name.as_deref(), host]
        .into_iter()
        .flatten()
        .find_map(|name| ServerName::try_from(without_port(name)).ok())
        .unwrap_or(ServerName::IpAddress(address.into()))
}

fn client_certificate(
    certificate: &str,
    material: &TlsMaterial,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Box<str>> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| format!("SSL certificate {certificate}: {error}"))?;
    // The key may stand in the same file.
    let key = material.key.as_deref().unwrap_or(certificate);
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        let hint =
            if material.password.is_some() { " (an encrypted key must be decrypted first)" } else { "" };
        format!("SSL key {key}: {error}{hint}")
    })?;
    Ok((chain, key))
}

fn verifier(
    material: &TlsMaterial,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Box<str>> {
    let mut roots = RootCertStore::empty();
    match &material.ca {
        Some(file) => {
            for certificate in
                CertificateDer::pem_file_iter(file).map_err(|error| format!("SSL ca {file}: {error}"))?
            {
                let certificate = certificate.map_err(|error| format!("SSL ca {file}: {error}"))?;
                roots.add(certificate).map_err(|error| format!("SSL ca {file}: {error}"))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err("tls_verify: no certificate authority is known (set `ca` in `SSL`)".into());
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    Ok(verifier.build().map_err(in_words)?)
}

fn in_words(error: impl fmt::Display) -> Box<str> {
    error.to_string().into()
}

/// Takes any certificate, and any signature under it.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // Nobody looks at the signature, so it may as well be one nobody should trust: old servers have nothing better.
        let mut schemes = self.0.signature_verification_algorithms.supported_schemes();
        schemes.extend([SignatureScheme::RSA_PKCS1_SHA1, SignatureScheme::ECDSA_SHA1_Legacy]);
        schemes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(server_name: Option<&str>, host: Option<&str>) -> String {
        let tls = Tls { server_name: server_name.map(Arc::from), ..Tls::default() };
        server_name_text(&super::server_name(&tls, host, [192, 0, 2, 1].into()))
    }

    fn server_name_text(name: &ServerName<'_>) -> String {
        name.to_str().into_owned()
    }

    #[test]
    fn the_name_is_that_of_sni_or_the_host_or_the_address() {
        assert_eq!(name(Some("a.example"), Some("b.example")), "a.example");
        assert_eq!(name(None, Some("b.example:8443")), "b.example");
        assert_eq!(name(None, None), "192.0.2.1");
        assert_eq!(name(None, Some("not a name")), "192.0.2.1");
    }

    #[test]
    fn a_certificate_that_cannot_be_read_is_told_in_words() {
        let material = TlsMaterial { certificate: Some("/no/such/file".into()), ..TlsMaterial::default() };
        let contexts = Contexts::new(&material);
        let words = contexts.open.expect_err("no such file");
        assert!(words.starts_with("SSL certificate /no/such/file"), "{words}");
    }
}
