//! How fast events go to a receiver on this machine that responds at once.
//!
//! The real server runs as a process of its own. Orders are placed by batches, more than can be posted meanwhile; what
//! is measured is the time from the first event of an order to the last. Every order gives two events, each in a post
//! of its own, signed, and in its order's turn. `--delay` lets the receiver take its time for each.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on must stop, and its output is its purpose"
)]

#[path = "driver/driver.rs"]
mod driver;

use std::io::{Error, ErrorKind};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use driver::client::{position, post};
use driver::run;
use driver::server::Server;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// So many events a second are aimed for, to a receiver that responds at once.
const AIM: f64 = 2_000.0;
/// Orders of one batch.
const BATCH: u64 = 1_000;
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Posts the events of many orders to a receiver of its own.
#[derive(Parser)]
struct Options {
    /// Another build of the server.
    #[arg(long, value_name = "PATH")]
    server: Option<std::path::PathBuf>,
    /// Thousands of orders.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    thousands: u64,
    /// Milliseconds that the receiver takes for each event.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    delay: u64,
    /// `cargo bench` passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    run::bounded(measure(&options), Duration::from_mins(30)).await
}

async fn measure(options: &Options) -> ExitCode {
    let (parent, file_system) = run::data_directory();
    let directory = tempfile::tempdir_in(parent).expect("a directory");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let url = format!("http://127.0.0.1:{}/", listener.local_addr().expect("its address").port());
    let received = Arc::new(AtomicU64::new(0));
    let receiver = tokio::spawn(receive(listener, Arc::clone(&received), Duration::from_millis(options.delay)));
    let settings =
        [("EVENTS_URL", url), ("EVENTS_ALLOW_PRIVATE", "true".to_owned()), ("EVENTS_SECRET", SECRET.to_owned())];
    let server = match &options.server {
        Some(program) => Server::of(program, directory.path(), &settings).await,
        None => Server::real_with(directory.path(), &settings).await,
    };
    let orders = options.thousands * BATCH;
    // More units than orders, so that no other event is among theirs than the start of the sale.
    let product = server.create_product(orders + 1).await;
    until(&received, 1).await;
    let (began, cpu) = (Instant::now(), server.cpu());
    for batch in 0..options.thousands {
        let order = |number| json!({"productId": product, "userId": format!("user-{batch}-{number}"), "quantity": 1});
        let body = json!({"orders": (0..BATCH).map(order).collect::<Vec<_>>()});
        server.ask(&post("/api/v1/orders/batch", &body.to_string()), 200).await;
    }
    let placed = began.elapsed();
    let events = 2 * orders;
    until(&received, 1 + events).await;
    let (took, cpu) = (began.elapsed(), server.cpu() - cpu);
    let rate = events as f64 / took.as_secs_f64();
    println!("{orders} orders placed in {placed:.2?} on {file_system}; {events} events in {took:.2?}");
    println!(
        "{rate:.0} events/s, {:.0} µs of the server's processor time each",
        cpu.as_secs_f64() * 1e6 / events as f64
    );
    receiver.abort();
    match options.delay == 0 && rate < AIM {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

async fn until(received: &AtomicU64, count: u64) {
    while received.load(Ordering::Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn receive(listener: TcpListener, received: Arc<AtomicU64>, delay: Duration) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(respond(stream, Arc::clone(&received), delay));
    }
}

/// Reads posts from a connection and takes each.
async fn respond(stream: TcpStream, received: Arc<AtomicU64>, delay: Duration) {
    let (mut unread, mut chunk) = (Vec::new(), [0; 8 * 1024]);
    loop {
        while let Some(length) = length(&unread) {
            unread.drain(..length);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            received.fetch_add(1, Ordering::Relaxed);
            // Few bytes, for which a socket that is ready has room.
            let _ = stream.writable().await.and_then(|()| stream.try_write(b"HTTP/1.1 204 No Content\r\n\r\n"));
        }
        match stream.readable().await.and_then(|()| stream.try_read(&mut chunk)) {
            Ok(count @ 1..) => unread.extend_from_slice(&chunk[..count]),
            Err(error) if is_early(&error) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

fn is_early(error: &Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

/// The length of the first request, if it is there as a whole.
fn length(unread: &[u8]) -> Option<usize> {
    let head = position(unread, b"\r\n\r\n")? + 4;
    let at = position(&unread[..head], b"content-length: ")? + "content-length: ".len();
    let digits = unread[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let body = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
    (unread.len() >= head + body).then_some(head + body)
}
