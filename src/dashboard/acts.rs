//! The acts of the strip: pausing the queue, and stopping the sale. They take one click, and so does their way back for
//! a while; later it asks.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;

use crate::domain::refusal::Refusal;
use crate::http::FormBody;

use super::error::sentence;
use super::frame::{Frame, Page};
use super::notice::{Notice, is_fresh};
use super::page::AskPage;
use super::state::Shared;
use super::text::{clock_millis, counted};
use super::visit::{Visit, local};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/acts/pause", post(pause))
        .route("/acts/resume", post(resume))
        .route("/acts/stop-sale", post(stop_sale))
        .route("/acts/start-sale", post(start_sale))
}

async fn pause(State(shared): State<Shared>, visit: Visit, form: FormBody) -> Response {
    if let Err(refusal) = shared.intake.set_paused(true).await {
        let notice = Notice::failed(format!("The queue was not paused. {}", sentence(&refusal)));
        return visit.back(&form, &shared, &notice);
    }
    let now = shared.clock.now();
    shared.acted.lock().paused = Some(now);
    let waiting = counted(in_line(&shared), "job waits", "jobs wait");
    let notice = Notice::done(format!("Queue paused at {}. Orders are still taken; {waiting}.", clock_millis(now)));
    visit.back(&form, &shared, &notice)
}

async fn resume(State(shared): State<Shared>, visit: Visit, form: FormBody) -> Result<Response, Refusal> {
    let paused = shared.acted.lock().paused;
    if form.get("sure").is_none()
        && shared.queue.counts().paused
        && !paused.is_some_and(|at| is_fresh(at, shared.clock.now()))
    {
        let back = form.get("back").and_then(local).unwrap_or("/").to_owned();
        return visit.html(&AskPage {
            frame: Frame::of(&shared, &visit, Page::Other),
            title: "Resume the queue?".to_owned(),
            lines: vec![format!("Workers take {} at once.", counted(in_line(&shared), "waiting job", "waiting jobs"))],
            action: "/acts/resume".to_owned(),
            fields: vec![("sure".to_owned(), "yes".to_owned())],
            keep: "Keep it paused".to_owned(),
            act: "Resume queue".to_owned(),
            is_danger: false,
            typed: None,
            back,
        });
    }
    let notice = match shared.intake.set_paused(false).await {
        Ok(()) => {
            shared.acted.lock().paused = None;
            Notice::done(format!("Queue resumed at {}.", clock_millis(shared.clock.now())))
        }
        Err(refusal) => Notice::failed(format!("The queue was not resumed. {}", sentence(&refusal))),
    };
    Ok(visit.back(&form, &shared, &notice))
}

async fn stop_sale(State(shared): State<Shared>, visit: Visit, form: FormBody) -> Response {
    let stopped = match shared.intake.stop_sale().await {
        Ok(stopped) => stopped,
        Err(refusal) => {
            let notice = Notice::failed(format!("The sale was not stopped. {}", sentence(&refusal)));
            return visit.back(&form, &shared, &notice);
        }
    };
    let now = shared.clock.now();
    if stopped.is_empty() {
        return visit.back(&form, &shared, &Notice::done("No product was in the sale."));
    }
    shared.acted.lock().stopped = Some(now);
    let products = counted(stopped.len() as u64, "product is", "products are");
    let text = format!("Stopped at {}. {products} out of the sale; orders taken before stand.", clock_millis(now));
    visit.back(&form, &shared, &Notice::done(text))
}

async fn start_sale(State(shared): State<Shared>, visit: Visit, form: FormBody) -> Result<Response, Refusal> {
    let stopped = shared.acted.lock().stopped;
    let waiting = shared.inventory.products().iter().filter(|product| product.stopped).count() as u64;
    if form.get("sure").is_none() && waiting > 0 && !stopped.is_some_and(|at| is_fresh(at, shared.clock.now())) {
        let back = form.get("back").and_then(local).unwrap_or("/").to_owned();
        let products = counted(waiting, "product that was stopped goes", "products that were stopped go");
        return visit.html(&AskPage {
            frame: Frame::of(&shared, &visit, Page::Other),
            title: "Start the sale again?".to_owned(),
            lines: vec![format!("{products} back into the sale at once, on the terms they have.")],
            action: "/acts/start-sale".to_owned(),
            fields: vec![("sure".to_owned(), "yes".to_owned())],
            keep: "Keep it stopped".to_owned(),
            act: "Start the sale again".to_owned(),
            is_danger: false,
            typed: None,
            back,
        });
    }
    let notice = match shared.intake.start_sale().await {
        Ok(started) => {
            shared.acted.lock().stopped = None;
            let products = counted(started.len() as u64, "product is", "products are");
            Notice::done(format!("Started again at {}. {products} in the sale.", clock_millis(shared.clock.now())))
        }
        Err(refusal) => Notice::failed(format!("The sale was not started. {}", sentence(&refusal))),
    };
    Ok(visit.back(&form, &shared, &notice))
}

fn in_line(shared: &Shared) -> u64 {
    let counts = shared.queue.counts();
    (counts.waiting + counts.prioritized) as u64
}
