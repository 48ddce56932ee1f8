//! The console's own files, part of the binary: styles, scripts, the icon.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

const FILES: [(&str, &str, &[u8]); 7] = [
    ("console.css", "text/css", include_bytes!("../../assets/console/console.css")),
    ("parts.css", "text/css", include_bytes!("../../assets/console/parts.css")),
    ("acts.css", "text/css", include_bytes!("../../assets/console/acts.css")),
    ("icon.svg", "image/svg+xml", include_bytes!("../../assets/console/icon.svg")),
    ("htmx.js", "text/javascript", include_bytes!("../../assets/console/htmx.js")),
    ("console.js", "text/javascript", include_bytes!("../../assets/console/console.js")),
    ("run.css", "text/css", include_bytes!("../../assets/console/run.css")),
];

/// A file; nothing but that it is the same, to a browser that has it. It asks every time, so that
/// no page of a new release meets the script of the last one.
pub(crate) async fn get(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some((_, kind, bytes)) = FILES.iter().find(|(file, ..)| *file == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = format!("\"{}\"", hex::encode(Sha256::digest(bytes)));
    let has_it =
        headers.get(header::IF_NONE_MATCH).is_some_and(|has| has.as_bytes() == tag.as_bytes());
    let about = [
        (header::CONTENT_TYPE, (*kind).to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::ETAG, tag),
    ];
    if has_it {
        (StatusCode::NOT_MODIFIED, about).into_response()
    } else {
        (about, *bytes).into_response()
    }
}
