//! The console's own files, part of the binary: styles, scripts, the icon.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

const FILES: [(&str, &str, &[u8]); 7] = [
    ("console.css", "text/css", include_bytes!("../../assets/console/console.css")),
    ("parts.css", "text/css", include_bytes!("../../assets/console/parts.css")),
    ("acts.css", "text/css", include_bytes!("../../assets/console/acts.css")),
    ("icon.svg", "image/svg+xml", include_bytes!("../../assets/console/icon.svg")),
    ("htmx.js", "text/javascript", include_bytes!("../../assets/console/htmx.js")),
    ("console.js", "text/javascript", include_bytes!("../../assets/console/console.js")),
    ("run.css", "text/css", include_bytes!("../../assets/console/run.css")),
];

pub(crate) async fn get(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(file, ..)| *file == name) {
        Some((_, kind, bytes)) => {
            let headers = [(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "max-age=3600")];
            (headers, *bytes).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
