//! The files of `assets/`, from the binary. Their URLs have a hash of all of them, so that browsers may keep them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;

use crate::domain::refusal::Refusal;
use crate::http::quality;

use super::state::Shared;

/// The files. A debug build reads them from the disk each time.
#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// The hash of all files.
static VERSION: LazyLock<String> = LazyLock::new(version);

/// The files as gzip, made when the first one is asked for.
static PACKED: LazyLock<BTreeMap<String, Bytes>> = LazyLock::new(|| {
    Files::iter().filter_map(|name| Some((name.to_string(), packed(&Files::get(&name)?.data)?))).collect()
});

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

async fn serve(Path((version, name)): Path<(String, String)>, headers: HeaderMap) -> Result<Response, Refusal> {
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
    let about = [(CONTENT_TYPE, kind), (CACHE_CONTROL, cached), (VARY, "accept-encoding")];
    if takes_gzip(&headers)
        && let Some(bytes) = gzip(&name, &file.data)
    {
        return Ok((about, [(CONTENT_ENCODING, "gzip")], bytes).into_response());
    }
    // They are in the binary, which a response need not copy.
    let bytes = match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok((about, bytes).into_response())
}

/// Whether a browser reads gzip, and wants nothing more to have no coding.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let of = |coding: &str| {
        quality(headers, &ACCEPT_ENCODING, |listed| match listed {
            "*" => Some(0),
            listed => listed.eq_ignore_ascii_case(coding).then_some(1),
        })
    };
    let gzip = of("gzip").unwrap_or_default();
    gzip > 0 && of("identity").is_none_or(|identity| gzip >= identity)
}

fn gzip(name: &str, data: &[u8]) -> Option<Bytes> {
    if cfg!(debug_assertions) { packed(data) } else { PACKED.get(name).cloned() }
}

fn packed(data: &[u8]) -> Option<Bytes> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(data).ok()?;
    packer.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_accept_it() {
        let takes = |accepted: &'static str| {
            takes_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accepted))]))
        };
        for accepted in ["gzip", "gzip, deflate, br", "br, GZIP;q=0.5", "gzip;q=1.0", "*", "identity;q=0.5, *"] {
            assert!(takes(accepted), "{accepted}");
        }
        for accepted in ["", "br", "gzip;q=0", "gzip; q=0.000", "xgzip", "*;q=0", "gzip;q=0.5, identity", "gzip;q=0, *"]
        {
            assert!(!takes(accepted), "{accepted}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
