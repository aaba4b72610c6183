//! A proxy that makes an honest server tell one lie.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it lies about, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// About nothing.
    None,
    /// The first buyer who is too late gets an order nevertheless.
    OversellsByOne,
    /// The first order that was acknowledged is not in the list.
    LosesOne,
    /// The first buyer hears that nothing is left.
    RefusesTooEarly,
    /// The second buyer gets the response of the first one.
    PromisesOneOrderTwice,
}

/// The number of an order that the server never had.
const INVENTED: u64 = 1_000_000;

/// Listens while it is in scope.
#[derive(Debug)]
pub(super) struct Liar {
    address: String,
    accepting: JoinHandle<()>,
}

/// The first order that it saw, and the row that it invents.
#[derive(Debug, Default)]
struct Memory {
    first: Option<Value>,
    invented: Option<Value>,
    has_lied: bool,
}

impl Liar {
    pub(super) async fn start(server: &str, lie: Lie) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (server, memory) = (server.to_owned(), Arc::new(Mutex::new(Memory::default())));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, memory) = (server.clone(), Arc::clone(&memory));
                let service = service_fn(move |request| {
                    let (server, memory) = (server.clone(), Arc::clone(&memory));
                    async move { Ok::<_, Infallible>(pass(request, &server, lie, &memory).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, accepting }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Asks the server, and lies about its response.
async fn pass(request: Request<Incoming>, server: &str, lie: Lie, memory: &Mutex<Memory>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let asked = body.collect().await.unwrap().to_bytes();
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let is_order = method == Method::POST && path == "/api/v1/orders";
    if is_order && lie == Lie::RefusesTooEarly && !std::mem::replace(&mut memory.lock().has_lied, true) {
        return refusal();
    }
    let stream = TcpStream::connect(server).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::from_parts(parts, Full::new(asked.clone()));
    let (mut head, body) = sender.send_request(request).await.unwrap().into_parts();
    let mut body = body.collect().await.unwrap().to_bytes();
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(TRANSFER_ENCODING);
    let mut memory = memory.lock();
    if is_order {
        let status = lie_about_order(lie, &mut memory, head.status, &asked, &mut body);
        head.status = status;
    } else if method == Method::GET && path == "/api/v1/orders" {
        lie_about_list(lie, &mut memory, &mut body);
    }
    Response::from_parts(head, Full::new(body))
}

fn lie_about_order(lie: Lie, memory: &mut Memory, status: StatusCode, asked: &[u8], body: &mut Bytes) -> StatusCode {
    let said: Value = serde_json::from_slice(body).unwrap();
    match (lie, status) {
        (_, StatusCode::CREATED) if memory.first.is_none() => memory.first = Some(said),
        (Lie::PromisesOneOrderTwice, StatusCode::CREATED) if !memory.has_lied => {
            memory.has_lied = true;
            *body = memory.first.as_ref().unwrap().to_string().into();
        }
        (Lie::OversellsByOne, StatusCode::CONFLICT) if memory.invented.is_none() => {
            let asked: Value = serde_json::from_slice(asked).unwrap();
            memory.invented = Some(json!({
                "id": INVENTED, "productId": asked["productId"], "userId": asked["userId"],
                "quantity": asked["quantity"], "status": "confirmed",
            }));
            let mut promised = memory.first.clone().unwrap();
            promised["orderId"] = INVENTED.into();
            *body = promised.to_string().into();
            return StatusCode::CREATED;
        }
        _ => {}
    }
    status
}

fn lie_about_list(lie: Lie, memory: &mut Memory, body: &mut Bytes) {
    let mut list: Vec<Value> = serde_json::from_slice(body).unwrap();
    // Before the first order the list is asked for, too.
    match (lie, &memory.first) {
        (Lie::LosesOne, Some(first)) => list.retain(|row| row["id"] != first["orderId"]),
        (Lie::OversellsByOne, Some(_)) => {
            let mut row = memory.invented.take().unwrap();
            for time in ["createdAt", "updatedAt"] {
                row[time] = list[0][time].clone();
            }
            list.insert(0, row);
        }
        _ => return,
    }
    *body = Value::Array(list).to_string().into();
}

fn refusal() -> Response<Full<Bytes>> {
    let body = json!({"code": "sold_out", "status": 409, "detail": "Insufficient stock available"});
    let mut response = Response::new(Full::new(body.to_string().into()));
    *response.status_mut() = StatusCode::CONFLICT;
    response
}
