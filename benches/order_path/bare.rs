//! What axum costs by itself: an order is parsed and answered, and nothing else happens.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::driver::client::Connection;
use crate::driver::server::{Server, free_port};

/// Stands for a job's id, which is as long.
const JOB_ID: &str = "0123456789abcdef0123456789abcdef";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderRequest {
    pub(crate) product_id: u64,
    pub(crate) user_id: String,
    pub(crate) quantity: u32,
}

/// The shape and size of the server's own answer to an accepted order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderAnswer {
    job_id: String,
    order_id: u64,
    status: &'static str,
    queue_position: u32,
    estimated_wait_time: u32,
    expires_at: Option<String>,
}

impl Server {
    /// The bare handler in a process of its own: this executable again.
    pub(crate) async fn bare(dir: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(std::env::current_exe().expect("the path of this executable"));
        command.arg("--bare").arg(port.to_string());
        let mut server = Self::start(command, port, dir.join("bare.log"));
        server.wait_for("listening", async |port| Connection::open(port).await.is_ok()).await;
        server
    }
}

/// Serves on `port` until the process is killed.
pub(crate) fn serve(port: u16) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("a free port");
        let routes = Router::new().route("/api/v1/orders", post(place));
        axum::serve(listener, routes).await.expect("serving continues");
    });
}

async fn place(Json(order): Json<OrderRequest>) -> (StatusCode, Json<OrderAnswer>) {
    // As many digits as a real order's id has after some rounds.
    let order_id = order.product_id + order.user_id.len() as u64 * 100_000;
    (StatusCode::CREATED, Json(OrderAnswer::of(order_id, order.quantity)))
}

impl OrderAnswer {
    pub(crate) fn of(order_id: u64, quantity: u32) -> Self {
        Self {
            job_id: JOB_ID.to_owned(),
            order_id,
            status: "pending",
            queue_position: quantity,
            estimated_wait_time: 1,
            expires_at: None,
        }
    }
}
