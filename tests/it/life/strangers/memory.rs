//! Requests that are still arriving share one bound; small ones never meet it.

use super::{exchange, order, post, stranger};
use crate::harness::{Answer, Server, assert_problem, eventually, within, write_all};

const BATCH: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_that_do_not_end_leave_room_for_orders_and_give_it_back() {
    let server = Server::start().await;
    let product = server.create(100).await;
    let head = post("/orders/batch", &format!("Content-Length: {BATCH}\r\n"));
    let almost_all = format!("{head}{}", " ".repeat(BATCH - 1));
    let mut held = Vec::new();
    // All of them together are more than may be on their way at once.
    for n in 1..=100 {
        let stranger = stranger(&server, n).await;
        within("a body to be taken", write_all(&stranger, almost_all.as_bytes())).await.unwrap();
        held.push(stranger);
    }
    let mut answer = vec![0; 4096];
    // On a busy machine the first ones may be given up for being slow before the last ones have come.
    let refused = eventually("a batch for which there is no room", async || {
        held.iter().find_map(|stranger| {
            let read = stranger.try_read(&mut answer).ok().filter(|read| *read > 0)?;
            let answer = Answer::parse(&String::from_utf8_lossy(&answer[..read]));
            (answer.status != 408).then_some(answer)
        })
    })
    .await;
    assert_problem(&refused, 503, "overloaded");
    assert!(!refused.header("retry-after").is_empty(), "{:?}", refused.headers);
    exchange(&stranger(&server, 250).await, &order(product, "ada")).await.expect(201);
    drop(held);
    let batch =
        format!(r#"{{"orders":[{{"productId":{product},"userId":"grace","quantity":1}}]{}}}"#, " ".repeat(900_000));
    let whole = post("/orders/batch", &format!("Content-Length: {}\r\n", batch.len())) + &batch;
    eventually("room for a batch", async || {
        let stream = stranger(&server, 251).await;
        (exchange(&stream, &whole).await.status == 200).then_some(())
    })
    .await;
}
