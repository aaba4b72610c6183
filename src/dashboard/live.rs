//! The page Live: before, during and after a sale, and the wall. The phase of the sale decides which; the script
//! fetches the page of the next phase by itself.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;

use crate::domain::clock::Timestamp;
use crate::domain::refusal::Refusal;
use crate::domain::sale::Phase;

use super::frame::{Frame, Page};
use super::state::Shared;
use super::text;
use super::visit::Visit;

mod after;
mod alerts;
mod asked;
mod before;
mod during;
mod mirrors;
mod stock;
mod wall;

use after::After;
use asked::Asked;
use before::Before;
use during::During;
use mirrors::MirrorRow;

#[derive(Template)]
#[template(path = "live.html")]
struct LivePage {
    frame: Frame,
    title: &'static str,
    /// The word of the phase, for the script.
    phase: &'static str,
    starts_at: String,
    now: String,
    view: View,
    mirrors: Vec<MirrorRow>,
}

/// What the page shows.
enum View {
    Before(Box<Before>),
    During(Box<During>),
    After(Box<After>),
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/", get(show))
}

async fn show(State(shared): State<Shared>, visit: Visit, uri: Uri) -> Result<Response, Refusal> {
    let asked = Asked::read(&uri)?;
    if asked.is_wall {
        return wall::page(&shared, &visit);
    }
    let metrics = shared.monitor.latest();
    let sale = &metrics.sale;
    let (title, view) = match sale.phase.0 {
        Phase::None => ("no sale", View::Before(Box::new(Before::of(&shared)))),
        Phase::Before => ("before the sale", View::Before(Box::new(Before::of(&shared)))),
        // While another one reads all orders, the figures of the moment are shown.
        Phase::SoldOut | Phase::Ended if !asked.figures => match After::of(&shared).await {
            Ok(after) => ("after the sale", View::After(Box::new(after))),
            Err(Refusal::Overloaded { .. }) => {
                ("sale over", View::During(Box::new(During::of(&shared, &visit, &asked).await?)))
            }
            Err(refusal) => return Err(refusal),
        },
        Phase::Stopped => ("sale stopped", View::During(Box::new(During::of(&shared, &visit, &asked).await?))),
        Phase::Running | Phase::SoldOut | Phase::Ended => {
            ("sale running", View::During(Box::new(During::of(&shared, &visit, &asked).await?)))
        }
    };
    visit.html(&LivePage {
        frame: Frame::of(&shared, &visit, Page::Live),
        title,
        phase: sale.phase.0.as_str(),
        starts_at: sale.starts_at.map(|at| at.0.to_string()).unwrap_or_default(),
        now: text::clock(Timestamp::from_millis(metrics.timestamp)),
        view,
        mirrors: mirrors::rows(&shared),
    })
}
