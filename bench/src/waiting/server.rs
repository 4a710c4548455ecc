//! A server that takes its time for each answer, as a process of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::rounds::say;

/// Connections that may wait to be taken: all guests begin at once.
const BACKLOG: u32 = 8192;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// The process. It ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    authority: String,
}

impl Server {
    /// Starts it: `wait` is in milliseconds.
    ///
    /// # Errors
    /// When it cannot be started, or does not say where it is.
    pub(crate) fn start(wait: u64) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--slow-server").arg(wait.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("it has no output")?);
        let mut authority = String::new();
        output.read_line(&mut authority)?;
        Ok(Self { child, output, authority: authority.trim_end().to_owned() })
    }

    /// Ends it. Returns how many requests it has answered.
    ///
    /// # Errors
    /// When it does not say so.
    pub(crate) fn end(mut self) -> anyhow::Result<u64> {
        drop(self.child.stdin.take());
        let mut answered = String::new();
        self.output.read_line(&mut answered)?;
        Ok(answered.trim_end().parse()?)
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

/// Answers each request after so many milliseconds, until the input ends. Says first where it listens, and then how many it has
/// answered.
///
/// # Errors
/// When it cannot listen.
pub(crate) fn serve(wait: u64) -> anyhow::Result<()> {
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files })?;
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = {
        let _context = tokio.enter();
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        socket.listen(BACKLOG)?
    };
    say(listener.local_addr()?.to_string());
    let answered = Arc::new(AtomicU64::new(0));
    tokio.spawn(accept(listener, Duration::from_millis(wait), Arc::clone(&answered)));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    say(answered.load(Ordering::Relaxed).to_string());
    tokio.shutdown_background();
    Ok(())
}

async fn accept(listener: TcpListener, wait: Duration, answered: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, wait, Arc::clone(&answered)));
    }
}

/// Answers until the client has gone.
#[expect(clippy::disallowed_methods, reason = "a server that takes its time is what is wanted")]
async fn answer(mut stream: TcpStream, wait: Duration, answered: Arc<AtomicU64>) {
    stream.set_nodelay(true).ok();
    let mut request = Vec::with_capacity(1024);
    loop {
        match stream.read_buf(&mut request).await {
            Ok(0) | Err(_) => return,
            Ok(_) if is_whole(&request) => {}
            Ok(_) => continue,
        }
        request.clear();
        tokio::time::sleep(wait).await;
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether the header is there, and the body if it has one, which comes in chunks.
fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let (header, body) = request.split_at(end + 4);
    let is_chunked = header.to_ascii_lowercase().windows(7).any(|window| window == b"chunked");
    !is_chunked || body.ends_with(b"0\r\n\r\n")
}
