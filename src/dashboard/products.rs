//! The page Products: the list, one product beside it, and what can be done to them.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};

use crate::committer::{Edit, ProductPatch};
use crate::domain::clock::Timestamp;
use crate::domain::product::{Product, ProductId, Terms};
use crate::domain::product_tag::{Expected, ProductTag};
use crate::domain::refusal::Refusal;
use crate::http::{FormBody, PathParam};
use crate::limits::MAX_STOCK;

use super::error::sentence;
use super::frame::{Frame, Page};
use super::notice::{Notice, is_fresh};
use super::page::AskPage;
use super::state::Shared;
use super::text;
use super::visit::{Visit, local};

mod changes;
mod fields;
mod list;
mod one;
mod sort;

use fields::{Sent, read_changes, shown};
use list::{List, Search};
use one::{Changes, Form, One};

#[derive(Template)]
#[template(path = "products.html")]
struct ProductsPage {
    frame: Frame,
    list: List,
    beside: Beside,
}

impl ProductsPage {
    /// Whether nothing is beside the list.
    const fn is_alone(&self) -> bool {
        matches!(self.beside, Beside::Nothing)
    }
}

/// What is beside the list.
enum Beside {
    Nothing,
    One(Box<One>),
    New(NewForm),
}

/// The form of a new product.
struct NewForm {
    fields: Vec<Sent>,
    initial: String,
    initial_error: Option<String>,
    is_active: bool,
    problem: Option<String>,
    /// The last product there was: one like it that is newer was made by this form.
    after: u64,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/products", get(show))
        .route("/products/new", get(show_new).post(create))
        .route("/products/{id}", get(show_one).post(save))
        .route("/products/{id}/stop", post(stop))
        .route("/products/{id}/start", post(start))
        .route("/products/{id}/delete", post(delete))
}

async fn show(State(shared): State<Shared>, visit: Visit, uri: Uri) -> Result<Response, Refusal> {
    page(&shared, &visit, &Search::of(&uri)?, Beside::Nothing)
}

async fn show_new(State(shared): State<Shared>, visit: Visit, uri: Uri) -> Result<Response, Refusal> {
    let form = NewForm {
        fields: Sent::empty(),
        initial: String::new(),
        initial_error: None,
        is_active: false,
        problem: None,
        after: last_product(&shared),
    };
    page(&shared, &visit, &Search::of(&uri)?, Beside::New(form))
}

async fn show_one(State(shared): State<Shared>, visit: Visit, id: PathParam, uri: Uri) -> Result<Response, Refusal> {
    let product = product(&shared, &id)?;
    let form = Form::of(&product);
    with_form(&shared, &visit, &Search::of(&uri)?, product, form).await
}

fn page(shared: &Shared, visit: &Visit, search: &Search, beside: Beside) -> Result<Response, Refusal> {
    let selected = match &beside {
        Beside::One(one) => Some(one.product.id),
        Beside::Nothing | Beside::New(_) => None,
    };
    let (products, sold_out) = (shared.inventory.products(), shared.monitor.sold_out_at());
    let list = List::of(&products, search, selected, &sold_out, shared.clock.now());
    let mut frame = Frame::of(shared, visit, Page::Products);
    if let Some(id) = selected {
        frame.back = search.one(id);
    } else if matches!(beside, Beside::New(_)) {
        frame.back = search.list();
    }
    visit.html(&ProductsPage { frame, list, beside })
}

async fn with_form(
    shared: &Shared,
    visit: &Visit,
    search: &Search,
    product: Arc<Product>,
    form: Form,
) -> Result<Response, Refusal> {
    let changes = changes::last(shared, product.id).await;
    let gone_at = shared.monitor.sold_out_at().get(&product.id).copied();
    let one = One::of(product, form, changes, gone_at, shared.clock.now());
    page(shared, visit, search, Beside::One(Box::new(one)))
}

fn product(shared: &Shared, id: &PathParam) -> Result<Arc<Product>, Refusal> {
    let id = id.id().map_err(|_| Refusal::ProductNotFound)?;
    Ok(shared.inventory.item(ProductId(id)).ok_or(Refusal::ProductNotFound)?.product())
}

/// The search of the page that a form was on.
fn search_of(form: &FormBody) -> Search {
    Search::of_page(form.get("back").and_then(local))
}

/// The state that a form was made from; one that is not whole is of no state.
fn expected(tag: &str) -> Expected {
    Expected::OneOf(ProductTag::parse(tag).into_iter().collect())
}

async fn save(State(shared): State<Shared>, visit: Visit, id: PathParam, body: FormBody) -> Result<Response, Refusal> {
    let (product, search) = (product(&shared, &id)?, search_of(&body));
    let mut form = Form::read(&body);
    let only_decides = body.get("keep").or(body.get("put")).is_some();
    if only_decides {
        form.moved_at = Some(product.updated_at);
        return with_form(&shared, &visit, &search, product, form).await;
    }
    let Some(changes) = form.changes() else {
        return with_form(&shared, &visit, &search, product, form).await;
    };
    if changes.lines.is_empty() {
        let notice = Notice::done("There was nothing to save; the product is as the form had it.");
        return Ok(visit.to(&search.one(product.id), &shared, &notice));
    }
    let runs = product.terms.check_open(shared.clock.now()).is_ok();
    if runs && changes.hurts && body.get("sure").is_none() {
        return ask_to_save(&shared, &visit, &product, &changes, &form, &body);
    }
    save_changes(&shared, &visit, &search, product.id, form, changes).await
}

/// Saves what a form changes. Where the product was changed elsewhere, what does not concern the form is no obstacle.
async fn save_changes(
    shared: &Shared,
    visit: &Visit,
    search: &Search,
    id: ProductId,
    mut form: Form,
    mut changes: Changes,
) -> Result<Response, Refusal> {
    loop {
        let edit = Edit::Update { product: id, patch: changes.patch.clone() };
        let refusal = match shared.intake.edit_if(edit, expected(&form.tag)).await {
            Ok(product) => {
                let text =
                    format!("Saved at {}. {}.", text::clock_millis(product.updated_at), changes.lines.join(". "));
                return Ok(visit.to(&search.one(id), shared, &Notice::done(text)));
            }
            Err(refusal) => refusal,
        };
        let product = shared.inventory.item(id).ok_or(Refusal::ProductNotFound)?.product();
        match refusal {
            Refusal::PreconditionFailed { .. } => {
                let has_other_stock = form.has_other_stock(&product);
                if form.rebase(&product) {
                    form.problem = changed_elsewhere(&form).filter(|_| has_other_stock);
                    return with_form(shared, visit, search, product, form).await;
                }
                let Some(left) = form.changes().filter(|left| !left.lines.is_empty()) else {
                    let notice = Notice::done("There was nothing left to save; the same was changed elsewhere.");
                    return Ok(visit.to(&search.one(id), shared, &notice));
                };
                changes = left;
            }
            refusal => {
                not_saved(&mut form, &product, &changes, &refusal);
                return with_form(shared, visit, search, product, form).await;
            }
        }
    }
}

/// What a form with units says whose product has another stock since.
fn changed_elsewhere(form: &Form) -> Option<String> {
    let units = fields::read_units(&form.units).ok().flatten()?;
    Some(format!(
        "Not saved. Its stock was changed elsewhere at {}, perhaps by this form pressed twice; see its stock. Save \
         again if {} is still wanted.",
        form.moved_clock(),
        text::signed(units)
    ))
}

/// Says in a form why it was not saved, with the nearest that can be.
fn not_saved(form: &mut Form, product: &Product, changes: &Changes, refusal: &Refusal) {
    let units = changes.patch.added.unwrap_or_default();
    let left = product.stock.current;
    let (asked, can) = (text::whole(units.unsigned_abs()), text::whole(left));
    form.problem = Some(match refusal {
        Refusal::SoldOut => {
            form.units_instead = i64::try_from(left).ok().filter(|left| *left > 0).map(|left| -left);
            format!("Not saved. Taking away {asked} units is not possible: {can} can be bought. Nothing was changed.")
        }
        Refusal::InvalidRequest(errors) => {
            let window = errors.iter().any(|error| error.field == "saleEndsAt");
            for field in form.fields.iter_mut().filter(|field| window && field.key == fields::Key::Ends) {
                field.error = Some("The end must be later than the start.".to_owned());
            }
            let most = text::whole(MAX_STOCK);
            match window {
                true => "Not saved. The sale would end before it starts. Nothing was changed.".to_owned(),
                false => format!("Not saved. A product has at most {most} units. Nothing was changed."),
            }
        }
        Refusal::SkuTaken => format!("Not saved. {}", mark_sku(&mut form.fields)),
        other => format!("Not saved. {}", sentence(other)),
    });
}

/// Marks the SKU as that of another product; what the form says of it.
fn mark_sku(fields: &mut [Sent]) -> &'static str {
    for field in fields.iter_mut().filter(|field| field.key == fields::Key::Sku) {
        field.error = Some("Another product has this SKU.".to_owned());
    }
    "Another product has this SKU. Nothing was changed."
}

fn ask_to_save(
    shared: &Shared,
    visit: &Visit,
    product: &Product,
    changes: &Changes,
    form: &Form,
    body: &FormBody,
) -> Result<Response, Refusal> {
    let mut lines = changes.lines.clone();
    lines.push(
        "The sale of this product runs. Orders from now on get these terms; those that came before stand.".into(),
    );
    let sent = body.fields().iter().filter(|(name, _)| !matches!(name.as_str(), "back" | "sure" | "instead" | "units"));
    let mut fields: Vec<_> = sent.cloned().collect();
    fields.push(("units".to_owned(), form.units.clone()));
    fields.push(("sure".to_owned(), "yes".to_owned()));
    let count = changes.lines.len() as u64;
    visit.html(&AskPage {
        frame: Frame::of(shared, visit, Page::Products),
        title: format!("Change {} while it is sold?", product.terms.name),
        lines,
        action: format!("/products/{}", product.id),
        fields,
        keep: "Keep as it is".to_owned(),
        act: format!("Save {}", text::counted(count, "change", "changes")),
        is_danger: false,
        typed: None,
        back: search_of(body).one(product.id),
    })
}

async fn stop(State(shared): State<Shared>, visit: Visit, id: PathParam, body: FormBody) -> Result<Response, Refusal> {
    let product = product(&shared, &id)?;
    let notice = match set_active(&shared, product.id, false).await {
        Ok(at) => Notice::done(format!(
            "Sale of {} stopped at {}. Orders get “not available”; those that came before stand.",
            product.terms.name,
            text::clock_millis(at)
        )),
        Err(refusal) => Notice::failed(format!("The sale was not stopped. {}", sentence(&refusal))),
    };
    Ok(visit.to(&came_from(&body, &search_of(&body), product.id), &shared, &notice))
}

async fn start(State(shared): State<Shared>, visit: Visit, id: PathParam, body: FormBody) -> Result<Response, Refusal> {
    let (product, search) = (product(&shared, &id)?, search_of(&body));
    let (terms, now) = (&product.terms, shared.clock.now());
    if !terms.flash_sale_active && body.get("sure").is_none() && !is_fresh(product.updated_at, now) {
        return visit.html(&AskPage {
            frame: Frame::of(&shared, &visit, Page::Products),
            title: format!("Start the sale of {}?", terms.name),
            lines: start_lines(&product, now),
            action: format!("/products/{}/start", product.id),
            fields: vec![("sure".to_owned(), "yes".to_owned())],
            keep: "Leave it off".to_owned(),
            act: "Start sale".to_owned(),
            is_danger: false,
            typed: None,
            back: came_from(&body, &search, product.id),
        });
    }
    let notice = match set_active(&shared, product.id, true).await {
        Ok(at) => Notice::done(format!("Sale of {} started at {}.", terms.name, text::clock_millis(at))),
        Err(refusal) => Notice::failed(format!("The sale was not started. {}", sentence(&refusal))),
    };
    Ok(visit.to(&came_from(&body, &search, product.id), &shared, &notice))
}

/// The page whose button was pressed: Live has them too.
fn came_from(body: &FormBody, search: &Search, product: ProductId) -> String {
    body.get("back").and_then(local).map_or_else(|| search.one(product), str::to_owned)
}

fn start_lines(product: &Product, now: Timestamp) -> Vec<String> {
    let Terms { price, per_user_limit, sale_starts_at, sale_ends_at, .. } = &product.terms;
    let units = text::counted(product.stock.current, "unit", "units");
    let limit = per_user_limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit}"));
    let from = match sale_starts_at.filter(|starts_at| *starts_at > now) {
        Some(at) => format!("It can be bought from {}.", text::moment(at, now)),
        None => "It can be bought at once.".to_owned(),
    };
    let until =
        sale_ends_at.map_or_else(|| "No end is set.".to_owned(), |at| format!("Until {}.", text::moment(at, now)));
    vec![format!("{units} at {}, {limit}.", text::money(*price)), format!("{from} {until}")]
}

/// Takes a product out of the sale or into it, unless it is so already; when it was so.
async fn set_active(shared: &Shared, id: ProductId, active: bool) -> Result<Timestamp, Refusal> {
    let product = shared.inventory.item(id).ok_or(Refusal::ProductNotFound)?.product();
    if product.terms.flash_sale_active == active && !product.stopped {
        return Ok(product.updated_at);
    }
    let patch = ProductPatch { flash_sale_active: Some(active), ..ProductPatch::default() };
    Ok(shared.intake.edit(Edit::Update { product: id, patch }).await?.updated_at)
}

async fn delete(
    State(shared): State<Shared>,
    visit: Visit,
    id: PathParam,
    body: FormBody,
) -> Result<Response, Refusal> {
    let (product, search) = (product(&shared, &id)?, search_of(&body));
    let name = &product.terms.name;
    let tag = ProductTag::of(&product).to_string();
    if body.get("sure").is_none() {
        return visit.html(&AskPage {
            frame: Frame::of(&shared, &visit, Page::Products),
            title: format!("Delete {name}?"),
            lines: vec!["It has had no order. It cannot be brought back; its number is not given again.".to_owned()],
            action: format!("/products/{}/delete", product.id),
            fields: vec![("sure".to_owned(), "yes".to_owned()), ("tag".to_owned(), tag)],
            keep: "Keep it".to_owned(),
            act: format!("Delete product {}", product.id),
            is_danger: true,
            typed: None,
            back: search.one(product.id),
        });
    }
    let expected = expected(body.get("tag").unwrap_or_default());
    match shared.intake.delete_product(product.id, expected).await {
        Ok(()) => Ok(visit.to(&search.list(), &shared, &Notice::done(format!("{name} was deleted.")))),
        Err(refusal) => {
            let notice = Notice::failed(format!("{name} was not deleted. {}", sentence(&refusal)));
            Ok(visit.to(&search.one(product.id), &shared, &notice))
        }
    }
}

async fn create(State(shared): State<Shared>, visit: Visit, body: FormBody) -> Result<Response, Refusal> {
    let search = search_of(&body);
    let mut form = NewForm {
        fields: Sent::read(&body),
        initial: body.get("initial").unwrap_or_default().trim().to_owned(),
        initial_error: None,
        is_active: body.get("active").is_some(),
        problem: None,
        after: body.get("after").and_then(|after| after.parse().ok()).unwrap_or_default(),
    };
    let Some((terms, initial)) = form.read() else { return page(&shared, &visit, &search, Beside::New(form)) };
    // One at a time, so that a form that is sent twice finds what it made.
    let _turn = shared.creating.lock().await;
    let made = |product: &Arc<Product>| {
        product.id.0 > form.after && product.terms == terms && product.stock.initial == initial
    };
    if let Some(product) = shared.inventory.products().into_iter().find(made) {
        let notice = Notice::done(format!("Product {} was created before.", product.id));
        return Ok(visit.to(&search.one(product.id), &shared, &notice));
    }
    match shared.intake.edit(Edit::Create { terms, initial, current: initial }).await {
        Ok(product) => {
            let name = shown(&product.terms.name);
            let text = format!("Product {} created at {}: {name}.", product.id, text::clock_millis(product.created_at));
            Ok(visit.to(&search.one(product.id), &shared, &Notice::done(text)))
        }
        Err(refusal) => {
            form.problem = Some(match refusal {
                Refusal::SkuTaken => format!("Not created. {}", mark_sku(&mut form.fields)),
                refusal => format!("Not created. {}", sentence(&refusal)),
            });
            page(&shared, &visit, &search, Beside::New(form))
        }
    }
}

impl NewForm {
    /// The product that it describes; none where something is wrong, which it then says.
    fn read(&mut self) -> Option<(Terms, u64)> {
        let mut patch = ProductPatch::default();
        let mut is_right = read_changes(&mut self.fields, &mut patch);
        for field in self.fields.iter_mut().filter(|field| field.value.is_empty()) {
            if matches!(field.key, fields::Key::Name | fields::Key::Price) {
                field.error = Some(format!("A product needs a {}.", field.key.noun()));
                is_right = false;
            }
        }
        let initial = match fields::read_units(&self.initial) {
            Ok(Some(units)) if units > 0 => units.unsigned_abs(),
            Ok(None) if self.initial.trim() == "0" => 0,
            _ => {
                self.initial_error = Some("The units must be a whole number from 0.".to_owned());
                is_right = false;
                0
            }
        };
        if !is_right {
            self.problem = Some("Not created. See the marked fields.".to_owned());
            return None;
        }
        Some((Terms { flash_sale_active: self.is_active, ..patch.terms() }, initial))
    }

    /// The fields in their rows.
    fn rows(&self) -> [(&'static str, Vec<&Sent>); 4] {
        one::rows(&self.fields)
    }
}

fn last_product(shared: &Shared) -> u64 {
    shared.inventory.products().first().map_or(0, |product| product.id.0)
}
