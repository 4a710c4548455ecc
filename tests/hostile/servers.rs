//! HTTP servers on loopback, good and hostile. They live as long as the test's process.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What each server is called in docs/security.md.
const NAMES: [&str; 8] =
    ["good", "silent", "drips", "endless-body", "endless-header", "redirects", "hangs-up", "no-http"];

/// The address of a server, as `127.0.0.1:<port>`.
pub(crate) fn authority(server: &str) -> String {
    static SERVERS: OnceLock<BTreeMap<&'static str, String>> = OnceLock::new();
    let servers = SERVERS.get_or_init(start);
    servers.get(server).cloned().unwrap_or_else(|| panic!("there is no server {server:?}; there are {NAMES:?}"))
}

/// Starts all of them, on a thread of their own.
fn start() -> BTreeMap<&'static str, String> {
    let (told, addresses) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for servers");
        tokio.block_on(async {
            for name in NAMES {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let address = listener.local_addr().expect("its address").to_string();
                told.send((name, address)).expect("whoever started us waits");
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        // Whatever becomes of it is the client's business.
                        tokio::spawn(async move { serve(name, stream).await.ok() });
                    }
                });
            }
            drop(told);
            std::future::pending::<()>().await;
        });
    });
    addresses.into_iter().collect()
}

async fn serve(name: &str, mut stream: TcpStream) -> std::io::Result<()> {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    if name == "hangs-up" {
        return Ok(());
    }
    if name == "silent" {
        // Reads what comes, and never says a word.
        while stream.read(&mut [0; 4096]).await? > 0 {}
        return Ok(());
    }
    read_head(&mut stream).await?;
    match name {
        "drips" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await?;
            let mut second = tokio::time::interval(std::time::Duration::from_secs(1));
            loop {
                second.tick().await;
                stream.write_all(b"x").await?;
            }
        }
        "endless-body" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            let bytes = [b'x'; 64 * 1024];
            loop {
                stream.write_all(&bytes).await?;
            }
        }
        "endless-header" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                stream.write_all(b"x-more: and more and more and more\r\n").await?;
            }
        }
        "redirects" => {
            let to = "http://169.254.169.254/latest/meta-data/";
            let answer =
                format!("HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await
        }
        "no-http" => stream.write_all(b"220 mail.example.com ESMTP\r\n").await,
        _ => stream.write_all(OK).await,
    }
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < 64 * 1024 {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    Ok(())
}
