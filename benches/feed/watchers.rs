//! Clients of the live feed that read all that comes, as cheaply as can be.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::time::sleep;

const HANDSHAKE: &[u8] =
    b"GET /monitoring HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// How long they may be there before they would be asked whether they still are.
const SETTLE: Duration = Duration::from_secs(2);

/// Clients, on a thread of their own.
pub(crate) struct Watchers {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
}

impl Watchers {
    /// Connects so many, and waits until all of them have got something.
    pub(crate) fn connect(port: u16, clients: u32) -> Self {
        let (stop, received) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let (stopping, counted) = (Arc::clone(&stop), Arc::clone(&received));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let all = Arc::new(Barrier::new(clients as usize + 1));
                for _ in 0..clients {
                    tokio::spawn(watch(port, Arc::clone(&all), Arc::clone(&counted)));
                }
                all.wait().await;
                if clients > 0 {
                    sleep(SETTLE).await;
                }
                ready.send(()).expect("somebody waits");
                while !stopping.load(Relaxed) {
                    sleep(Duration::from_millis(20)).await;
                }
            });
        });
        is_ready.recv().expect("all clients are connected");
        received.store(0, Relaxed);
        Self { thread, stop, received }
    }

    /// Ends them, and gives the bytes that they have received.
    pub(crate) fn stop(self) -> u64 {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("clients that were not closed");
        self.received.load(Relaxed)
    }
}

async fn watch(port: u16, all: Arc<Barrier>, received: Arc<AtomicU64>) {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("a connection");
    socket.write_all(HANDSHAKE).await.expect("a handshake");
    let mut space = vec![0; 16 * 1024];
    let read = socket.read(&mut space).await.expect("a response");
    assert!(space[..read].starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&space[..read]));
    all.wait().await;
    loop {
        match socket.read(&mut space).await {
            Ok(read) if read > 0 => received.fetch_add(read as u64, Relaxed),
            ended => panic!("the server has closed a client of the feed: {ended:?}"),
        };
    }
}
