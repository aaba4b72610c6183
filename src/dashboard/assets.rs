//! The files of `assets/`, from the binary. Their URLs have a hash of all of them, so that browsers may keep them.

use std::borrow::Cow;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use rust_embed::RustEmbed;

use crate::domain::refusal::Refusal;

use super::state::Shared;

/// The files. A debug build reads them from the disk each time.
#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// The hash of all files.
static VERSION: LazyLock<String> = LazyLock::new(version);

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/assets/{version}/{file}", get(serve))
        .route("/favicon.ico", get(async || Redirect::permanent(&url("icon.svg"))))
}

/// The URL of a file.
pub(super) fn url(name: &str) -> String {
    format!("/assets/{}/{name}", current())
}

fn current() -> Cow<'static, str> {
    if cfg!(debug_assertions) { version().into() } else { VERSION.as_str().into() }
}

fn version() -> String {
    let mut names: Vec<_> = Files::iter().collect();
    names.sort();
    let mut hasher = blake3::Hasher::new();
    for name in names {
        hasher.update(name.as_bytes());
        if let Some(file) = Files::get(&name) {
            hasher.update(&file.data);
        }
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

async fn serve(Path((version, name)): Path<(String, String)>) -> Result<Response, Refusal> {
    let file = Files::get(&name).ok_or(Refusal::NotFound)?;
    let kind = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => return Err(Refusal::NotFound),
    };
    let is_current = version == current();
    let cached = if is_current { "public, max-age=31536000, immutable" } else { "no-cache" };
    // They are in the binary, which a response need not copy.
    let bytes = match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, cached)], bytes).into_response())
}
