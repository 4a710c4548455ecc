//! The connection to the servers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use async_nats::Client;
use async_nats::{ConnectErrorKind, ConnectOptions, Event, ReconnectToServer};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::cluster::Cluster;
use crate::error::ClusterError;
use crate::limits::{CONNECT_AGAIN, CONNECT_FOR, CONNECT_TIMEOUT, MAX_SECRET_BYTES, PING_EVERY};
use crate::lost_servers::Choice;
use crate::settings::{ClusterSettings, Credentials, Tls, address};

/// A connection, which is made again whenever it is lost.
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// How often the connection was made, and whether it is there.
    pub(crate) link: watch::Receiver<Link>,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// Whether the connection is there.
    pub(crate) is_up: bool,
    /// How often it was made.
    pub(crate) times: u64,
}

/// Connects. Servers that cannot be reached are tried again for a while, because they may be started beside this program. A server that
/// refuses who we are is an error at once.
pub(crate) async fn connect(
    cluster: &Cluster,
    credentials: &Credentials,
    name: &str,
) -> Result<Connection, ClusterError> {
    let settings = cluster.settings();
    let addresses = settings.servers.iter().map(|server| address(server)).collect::<Result<Vec<_>, _>>()?;
    let choice = Arc::new(Choice::new(cluster.lost_servers()));
    let until = Instant::now() + CONNECT_FOR;
    let mut tries = 0_usize;
    loop {
        let (events, link) = watch::channel(Link::default());
        let options = options(settings, credentials, name, events).await?;
        let choice = choice.clone();
        let options = options.reconnect_to_server_callback(move |servers, _| {
            let next = choice.next(servers, Instant::now());
            std::future::ready(next.map(|addr| ReconnectToServer { addr, delay: None }))
        });
        // Answered with the first `Connected`, so the server has said by then who it is.
        let error = match options.connect(addresses.as_slice()).await {
            Ok(client) => return Ok(Connection { client, link }),
            Err(error) => error,
        };
        let may_pass =
            matches!(error.kind(), ConnectErrorKind::Io | ConnectErrorKind::Dns | ConnectErrorKind::TimedOut);
        // Each try is of one server.
        tries += 1;
        let was_each_tried = tries.is_multiple_of(addresses.len());
        if !may_pass || (was_each_tried && Instant::now() + CONNECT_AGAIN > until) {
            let why = lastword_events::printable(&error.to_string()).into_owned();
            return Err(ClusterError::Connection {
                servers: settings.servers.join(", "),
                why: advice(error.kind(), why),
            });
        }
        if was_each_tried {
            pause(CONNECT_AGAIN).await;
        }
    }
}

/// Waits where nothing tells when to try again.
pub(crate) async fn pause(time: Duration) {
    timeout_at(Instant::now() + time, std::future::pending::<()>()).await.ok();
}

fn advice(kind: ConnectErrorKind, why: String) -> String {
    match kind {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            format!("{why}; check the credentials, and the account's permissions on the servers")
        }
        ConnectErrorKind::Tls => format!("{why}; check the certificate authority and our own certificate"),
        _ => why,
    }
}

async fn options(
    settings: &ClusterSettings,
    credentials: &Credentials,
    name: &str,
    events: watch::Sender<Link>,
) -> Result<ConnectOptions, ClusterError> {
    let mut options = ConnectOptions::new()
        .name(name)
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_EVERY)
        // For ever: whoever uses the connection has deadlines of its own.
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            observe(&event, &events);
            std::future::ready(())
        });
    options = match credentials {
        Credentials::None => options,
        Credentials::Nkey(seed) => options.nkey(secret(seed).await?),
        Credentials::File(file) => {
            options.credentials(&secret(file).await?).map_err(|error| unusable(file, &error.to_string()))?
        }
        Credentials::User { user, password } => options.user_and_password(user.clone(), secret(password).await?),
        Credentials::Token(token) => options.token(secret(token).await?),
    };
    if let Some(Tls { authority, certificate }) = &settings.tls {
        options = options.require_tls(true);
        if let Some(authority) = authority {
            options = options.add_root_certificates(authority.clone());
        }
        if let Some((certificate, key)) = certificate {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
    }
    Ok(options)
}

/// Some tries at once, because another server takes over in milliseconds, and then two a second.
fn reconnect_delay(attempts: usize) -> Duration {
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    Duration::from_millis(20).saturating_mul(attempts).min(Duration::from_millis(500))
}

fn observe(event: &Event, link: &watch::Sender<Link>) {
    match event {
        Event::Connected => {
            tracing::info!("connected to a NATS server");
            link.send_modify(|link| (link.is_up, link.times) = (true, link.times.saturating_add(1)));
        }
        Event::Disconnected => {
            tracing::warn!("the connection to the NATS server is lost, and is made again");
            link.send_modify(|link| link.is_up = false);
        }
        Event::SlowConsumer(_) => tracing::debug!("a subscription is slow"),
        Event::LameDuckMode | Event::Draining | Event::Closed => {
            tracing::info!(%event, "the connection to the NATS server");
        }
        Event::ServerError(_) | Event::ClientError(_) => tracing::warn!(%event, "the connection to the NATS server"),
    }
}

/// What a file with a secret says, without the space around it.
async fn secret(path: &Path) -> Result<String, ClusterError> {
    let path = path.to_owned();
    // A file is small and local, so it is read here: a runtime without threads for what blocks has no others.
    let length = std::fs::metadata(&path).map_err(|error| unusable(&path, &error.to_string()))?.len();
    if length > MAX_SECRET_BYTES {
        return Err(unusable(&path, &format!("it has {length} bytes, and a secret at most {MAX_SECRET_BYTES}")));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| unusable(&path, &error.to_string()))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(unusable(&path, "it is empty"));
    }
    Ok(text.to_owned())
}

fn unusable(path: &Path, why: &str) -> ClusterError {
    ClusterError::File { path: lastword_events::text::printable_path(path), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::thread;

    use parking_lot::Mutex;
    use tokio::time::timeout;

    use super::*;
    use crate::settings::SyncProof;

    fn cluster(servers: Vec<String>) -> Cluster {
        Cluster::new(ClusterSettings::new(servers, SyncProof::Assumed), "n").unwrap()
    }

    /// A server that lets everybody in. Once its machine is gone it takes connections, as the system does for it, and says nothing.
    struct Server {
        url: String,
        connections: Arc<Mutex<Connections>>,
    }

    #[derive(Default)]
    struct Connections {
        all: Vec<TcpStream>,
        is_gone: bool,
    }

    impl Server {
        fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("nats://{}", listener.local_addr().unwrap());
            let connections = Arc::<Mutex<Connections>>::default();
            let server = connections.clone();
            thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let mut server = server.lock();
                    server.all.push(stream.try_clone().unwrap());
                    if !server.is_gone {
                        thread::spawn(move || let_in(&stream));
                    }
                }
            });
            Self { url, connections }
        }

        fn is_gone(&self) {
            let mut connections = self.connections.lock();
            connections.is_gone = true;
            connections.all.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        }

        /// How many connections there were.
        fn connections(&self) -> usize {
            self.connections.lock().all.len()
        }
    }

    fn let_in(mut stream: &TcpStream) {
        let info = br#"INFO {"server_id":"a","version":"2.15.1","max_payload":1048576,"headers":true,"proto":1}"#;
        stream.write_all(&[info.as_slice(), b"\r\n"].concat()).ok();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if line == "PING" {
                stream.write_all(b"PONG\r\n").ok();
            }
        }
    }

    /// The client itself draws: in one of three times it would try the lost one first, and wait for that.
    #[tokio::test]
    async fn a_connection_whose_servers_machine_is_gone_goes_to_another_server_and_tries_that_one_last() {
        for _ in 0..10 {
            let servers = [(); 3].map(|()| Server::start());
            let cluster = cluster(servers.iter().map(|server| server.url.clone()).collect());
            let mut connection = connect(&cluster, &Credentials::None, "test").await.unwrap();
            let gone = servers.iter().find(|server| server.connections() > 0).unwrap();
            gone.is_gone();
            let is_up_again = connection.link.wait_for(|link| link.is_up && link.times == 2);
            timeout(CONNECT_TIMEOUT, is_up_again).await.unwrap().unwrap();
            assert_eq!(gone.connections(), 1);
        }
    }

    #[test]
    fn reconnecting_is_quick_at_first_and_never_rare() {
        assert_eq!(reconnect_delay(0), Duration::ZERO);
        assert_eq!(reconnect_delay(1), Duration::from_millis(20));
        assert_eq!(reconnect_delay(usize::MAX), Duration::from_millis(500));
    }

    #[tokio::test]
    async fn a_secret_is_what_its_file_says_without_the_newline() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        assert_eq!(secret(&file).await.unwrap(), "s3cret");
        for (bad, why) in [(" \n".to_owned(), "empty"), ("x".repeat(100_000), "100000 bytes")] {
            std::fs::write(&file, bad).unwrap();
            let error = secret(&file).await.unwrap_err().to_string();
            assert!(error.contains("token") && error.contains(why), "{error}");
        }
        let error = secret(&directory.path().join("none")).await.unwrap_err().to_string();
        assert!(error.contains("none"), "{error}");
    }

    /// A server that says who it is, and that it does not know us.
    #[tokio::test]
    async fn a_server_that_refuses_us_is_an_error_at_once_and_says_what_to_check() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("nats://{}", listener.local_addr().unwrap());
        let refusing = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let info = br#"INFO {"server_id":"a","version":"2.15.1","max_payload":1048576,"auth_required":true,"headers":true,"proto":1}"#;
            stream.write_all(info).unwrap();
            stream.write_all(b"\r\n-ERR 'Authorization Violation'\r\n").unwrap();
            // Held until the client has read it.
            std::io::copy(&mut stream, &mut std::io::sink()).ok();
        });
        let cluster = cluster(vec![server]);
        let Err(error) = connect(&cluster, &Credentials::None, "test").await else { panic!("it is connected") };
        assert!(error.to_string().contains("check the credentials"), "{error}");
        refusing.join().unwrap();
    }
}
