//! A proxy that loses what a network can lose: the answer to a transaction, or the time until a transaction arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Notify, mpsc};

/// What happens to a transaction (a POST to the base). Everything else passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It passes.
    Pass = 0,
    /// The server answers; the answer is thrown away and the connection closed.
    DropAnswer = 1,
    /// It waits until [`Proxy::release`], however long the client waits for it.
    Hold = 2,
}

pub struct Proxy {
    base: String,
    mode: Arc<AtomicU8>,
    release: Arc<Notify>,
    answers: Mutex<mpsc::Receiver<u16>>,
}

impl Proxy {
    /// Listens on loopback, in front of `base`.
    pub async fn start(base: &str) -> Self {
        let (authority, path) = base.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let (upstream, path) = (authority.to_owned(), format!("/{path}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("http://{}{path}", listener.local_addr().unwrap());
        let (said, answers) = mpsc::channel(64);
        let (mode, release) = (Arc::new(AtomicU8::new(0)), Arc::new(Notify::new()));
        let shared = (Arc::clone(&mode), Arc::clone(&release));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mode, release) = shared.clone();
                tokio::spawn(serve(client, upstream.clone(), path.clone(), mode, release, said.clone()));
            }
        });
        Self { base: own, mode, release, answers: Mutex::new(answers) }
    }

    pub fn base_url(&self) -> &str {
        &self.base
    }

    pub fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
    }

    /// Lets one held transaction go on.
    pub fn release(&self) {
        self.release.notify_one();
    }

    /// The status of the next answer that the client did not get.
    pub async fn lost_status(&self) -> u16 {
        self.answers.lock().await.recv().await.unwrap()
    }
}

async fn serve(
    mut client: TcpStream,
    upstream: String,
    path: String,
    mode: Arc<AtomicU8>,
    release: Arc<Notify>,
    said: mpsc::Sender<u16>,
) -> Option<()> {
    let (head, body) = request(&mut client).await?;
    let transaction = head.starts_with(&format!("POST {path} "));
    let mode = if transaction { mode.load(Ordering::SeqCst) } else { Mode::Pass as u8 };
    if mode == Mode::Hold as u8 {
        release.notified().await;
    }
    let mut server = TcpStream::connect(upstream).await.ok()?;
    let (line, rest) = head.split_once("\r\n")?;
    server.write_all(format!("{line}\r\nConnection: close\r\n{rest}").as_bytes()).await.ok()?;
    server.write_all(&body).await.ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.ok()?;
    if mode == Mode::Pass as u8 {
        client.write_all(&answer).await.ok()?;
        client.shutdown().await.ok()?;
    } else {
        let status = std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()?;
        drop(client);
        said.send(status).await.ok()?;
    }
    Some(())
}

/// One request: its head with the empty line, and its body by `Content-Length`.
async fn request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let end = loop {
        let mut chunk = [0; 8192];
        let count = client.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&chunk[..count]);
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let mut body = read.split_off(end);
    let head = String::from_utf8(read).ok()?;
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok())
        .unwrap_or(0);
    let have = body.len();
    body.resize(length.max(have), 0);
    client.read_exact(&mut body[have..]).await.ok()?;
    Some((head, body))
}
