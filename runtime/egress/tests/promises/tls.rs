//! TLS is verified against the host as it was granted.

use std::{io, sync::Arc};

use lastword_egress::{Egress, EgressError, Timeouts};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{FakeResolver, PATIENT, SHORT, Server, allowance, allowance_of, get, read, read_head, send, soon};

/// A certificate authority, and a server with a certificate from it.
struct Site {
    server: Server,
    root: CertificateDer<'static>,
    greeted: mpsc::UnboundedReceiver<Greeting>,
}

/// What a client has agreed on with the server.
struct Greeting {
    /// The name that it asked for.
    name: Option<String>,
    protocol: Option<Vec<u8>>,
    kind: Option<HandshakeKind>,
}

impl Site {
    async fn certified_for(name: &str) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (greet, greeted) = mpsc::unbounded_channel();
        let server = Server::raw(move |stream| answer(acceptor.clone(), greet.clone(), stream)).await;
        Self { server, root: issuer.der().clone(), greeted }
    }

    /// Trusts this site's authority only.
    fn trusting(&self) -> Egress {
        Egress::new().with_resolver(FakeResolver::answering(&[&["127.0.0.1"]])).with_tls(&self.client())
    }

    fn client(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    fn at(&self, host: &str) -> String {
        format!("https://{host}:{}", self.server.port)
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

async fn answer(acceptor: TlsAcceptor, greet: mpsc::UnboundedSender<Greeting>, stream: TcpStream) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let session = stream.get_ref().1;
    let greeting = Greeting {
        name: session.server_name().map(str::to_owned),
        protocol: session.alpn_protocol().map(<[u8]>::to_vec),
        kind: session.handshake_kind(),
    };
    greet.send(greeting).map_err(|_| io::ErrorKind::BrokenPipe)?;
    // It keeps the connection after `/kept`.
    while read_head(&mut stream).await?.starts_with("GET /kept ") {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret").await?;
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 6\r\n\r\nsecret").await?;
    stream.shutdown().await
}

#[tokio::test]
async fn the_name_asked_for_and_verified_is_the_granted_host_and_the_protocol_http_1() {
    let mut site = Site::certified_for("api.example.com").await;
    let uri = site.at("api.example.com");
    let granted = allowance(&[&uri, &site.at("127.0.0.1")]);
    let sent = send(&site.trusting(), &granted, &uri).await.unwrap();
    assert_eq!(read(sent).await.unwrap(), "secret");
    let Greeting { name, protocol, .. } = site.greeted.recv().await.unwrap();
    assert_eq!((name.as_deref(), protocol.as_deref()), (Some("api.example.com"), Some(&b"http/1.1"[..])));
}

#[tokio::test]
async fn an_encrypted_connection_is_used_again() {
    let site = Site::certified_for("api.example.com").await;
    let (egress, uri) = (site.trusting(), site.at("api.example.com"));
    let granted = allowance(&[&uri, &site.at("127.0.0.1")]);
    for path in ["/kept", "/kept", "/"] {
        let sent = soon(send(&egress, &granted, &format!("{uri}{path}"))).await.unwrap();
        assert_eq!(soon(read(sent)).await.unwrap(), "secret");
    }
    assert_eq!(site.server.connections(), 1);
    // No other configuration of TLS has the connections of this one.
    let sent = soon(send(&egress, &granted, &format!("{uri}/kept"))).await.unwrap();
    assert_eq!(soon(read(sent)).await.unwrap(), "secret");
    let stranger = egress.clone().with_tls(&Site::certified_for("api.example.com").await.client());
    let refused = soon(send(&stranger, &granted, &uri)).await.unwrap_err();
    assert!(matches!(refused, EgressError::Certificate(_)), "{refused}");
}

#[tokio::test]
async fn a_plugin_resumes_the_sessions_that_it_has_begun_for_the_same_tenant_and_no_others() {
    let mut site = Site::certified_for("api.example.com").await;
    let (egress, uri) = (site.trusting(), site.at("api.example.com"));
    let literal = site.at("127.0.0.1");
    let granted = [uri.as_str(), literal.as_str()];
    for (tenant, plugin, kind) in [
        ("t", "p", HandshakeKind::Full),
        ("t", "p", HandshakeKind::Resumed),
        ("u", "p", HandshakeKind::Full),
        ("t", "q", HandshakeKind::Full),
        ("t", "p", HandshakeKind::Resumed),
    ] {
        let sent = soon(send(&egress, &allowance_of(tenant, plugin, &granted), &uri)).await.unwrap();
        assert_eq!(soon(read(sent)).await.unwrap(), "secret");
        let greeting = site.greeted.recv().await.unwrap();
        assert_eq!(greeting.kind, Some(kind), "{tenant} {plugin}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let site = Site::certified_for("other.example.com").await;
    let uri = site.at("api.example.com");
    let granted = allowance(&[&uri, &site.at("127.0.0.1")]);
    let refused = send(&site.trusting(), &granted, &uri).await.unwrap_err();
    assert!(matches!(refused, EgressError::Certificate(_)), "{refused}");
}

#[tokio::test]
async fn an_address_is_verified_as_an_address() {
    let site = Site::certified_for("127.0.0.1").await;
    let uri = site.at("127.0.0.1");
    let sent = send(&site.trusting(), &allowance(&[&uri]), &uri).await.unwrap();
    assert_eq!(read(sent).await.unwrap(), "secret");

    let site = Site::certified_for("api.example.com").await;
    let uri = site.at("127.0.0.1");
    let refused = send(&site.trusting(), &allowance(&[&uri]), &uri).await.unwrap_err();
    assert!(matches!(refused, EgressError::Certificate(_)), "{refused}");
}

/// A host without any root certificates trusts nobody, and says that instead.
#[tokio::test]
async fn an_authority_that_the_system_does_not_know_is_refused() {
    let site = Site::certified_for("127.0.0.1").await;
    let uri = site.at("127.0.0.1");
    let refused = send(&Egress::new(), &allowance(&[&uri]), &uri).await.unwrap_err();
    assert!(matches!(refused, EgressError::Certificate(_) | EgressError::TlsSetup(_)), "{refused}");
}

#[tokio::test]
async fn a_server_that_offers_tls_1_0_is_refused() {
    let server = Server::raw(|mut stream| async move {
        // A ServerHello of TLS 1.0: version, random, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
        let mut hello = vec![0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
        hello.extend([7; 32]);
        hello.extend([0, 0x00, 0x2f, 0]);
        stream.write_all(&hello).await?;
        stream.read_to_end(&mut Vec::new()).await.map(drop)
    })
    .await;
    let uri = format!("https://127.0.0.1:{}", server.port);
    let site = Site::certified_for("127.0.0.1").await;
    let refused = send(&site.trusting(), &allowance(&[&uri]), &uri).await.unwrap_err();
    assert!(matches!(refused, EgressError::Tls(_)), "{refused}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_told_from_one_with_a_bad_certificate() {
    let server =
        Server::raw(|mut stream| async move { stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await }).await;
    let uri = format!("https://127.0.0.1:{}", server.port);
    let site = Site::certified_for("127.0.0.1").await;
    let refused = send(&site.trusting(), &allowance(&[&uri]), &uri).await.unwrap_err();
    assert!(matches!(refused, EgressError::Tls(_)), "{refused}");
}

#[tokio::test]
async fn a_handshake_that_is_never_answered_is_cut_at_the_connect_timeout() {
    let server = Server::raw(|mut stream| async move { stream.read_to_end(&mut Vec::new()).await.map(drop) }).await;
    let uri = format!("https://127.0.0.1:{}", server.port);
    let site = Site::certified_for("127.0.0.1").await;
    let timeouts = Timeouts { connect: SHORT, ..PATIENT };
    let cut = site.trusting().send(&allowance(&[&uri]), get(&uri), timeouts).await.unwrap_err();
    assert!(matches!(cut, EgressError::ConnectTimeout { .. }), "{cut}");
}
