//! Buyers that order one after the other and take a new connection where theirs is of no use.

use std::io::{Error, ErrorKind, Result};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::driver::client::{position, post};
use super::driver::load::histogram;

/// A buyer whose order takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the buyers got.
pub(crate) struct Buyers {
    /// Microseconds from an order, or the connection made for it, to its receipt; accepted ones only.
    latency: Histogram<u64>,
    /// Orders that were not accepted, whatever the reason.
    pub(crate) failed: u64,
}

impl Buyers {
    /// Lets so many buyers order for so long.
    pub(crate) async fn buy(port: u16, buyers: u32, product: u64, time: Duration) -> Self {
        let end = Instant::now() + time;
        let mut buying = JoinSet::new();
        for number in 0..buyers {
            buying.spawn(buy(port, number, product, end));
        }
        let mut all = Self { latency: histogram(), failed: 0 };
        while let Some(buyer) = buying.join_next().await {
            let buyer = buyer.expect("a buyer");
            all.latency.add(&buyer.latency).expect("histograms of one range");
            all.failed += buyer.failed;
        }
        all
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.latency.len()
    }

    /// Milliseconds within which so much of the accepted orders was answered.
    pub(crate) fn quantile(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }
}

async fn buy(port: u16, number: u32, product: u64, end: Instant) -> Buyers {
    let order = format!(r#"{{"productId":{product},"userId":"buyer{number}","quantity":1}}"#);
    let request = post("/api/v1/orders", &order);
    let mut bought = Buyers { latency: histogram(), failed: 0 };
    let mut open = None;
    while Instant::now() < end {
        let start = Instant::now();
        match timeout(PATIENCE, order_on(&mut open, port, &request)).await {
            Ok(Ok(())) => bought.latency.saturating_record(start.elapsed().as_micros() as u64),
            failed => {
                bought.failed += 1;
                open = None;
                // One who is sent away at once does not come back at once.
                if failed.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
    bought
}

/// Places an order on the open connection, or on a new one.
async fn order_on(open: &mut Option<TcpStream>, port: u16, request: &[u8]) -> Result<()> {
    let stream = match open {
        Some(stream) => stream,
        None => open.insert(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?),
    };
    let mut rest = request;
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let mut response = Vec::with_capacity(1024);
    loop {
        stream.ready(Interest::READABLE).await?;
        let mut some = [0; 1024];
        match stream.try_read(&mut some) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => response.extend_from_slice(&some[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        // The receipt is an object without another in it.
        if position(&response, b"\r\n\r\n").is_some() && response.ends_with(b"}") {
            break;
        }
    }
    match response.starts_with(b"HTTP/1.1 201 ") {
        true => Ok(()),
        false => Err(Error::other("not accepted")),
    }
}
