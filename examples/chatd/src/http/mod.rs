//! Interface two: HTTP. It has no state and no locks of its own: each request asks the desk, and is answered from it.
//!
//! | module | its one idea |
//! |---|---|
//! | `guard` | who may ask at all |
//! | `input` | keys and bodies, as they come |
//! | `messages` | send a message; its answer, whole or in parts |
//! | `sessions` | look at sessions, abort their turns, end them |
//! | `feed` | all sessions, as they change |
//! | `refusal` | what goes wrong, as status and JSON |

mod feed;
mod guard;
mod input;
mod messages;
mod refusal;
mod sessions;

pub(crate) use guard::Guard;

use self::refusal::Refusal;
use crate::{agent::Chat, desk::Desk, limits};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    middleware,
    response::{Html, IntoResponse},
    routing::{get, post},
    serve::Listener,
};
use serde_json::json;
use std::{fmt::Debug, io};
use tokio::sync::oneshot;

/// Until it is ended, and all connections are.
pub(crate) async fn serve<A: Chat, L: Listener<Addr: Debug>>(
    listener: L,
    desk: Desk<A>,
    guard: Guard,
    ends: oneshot::Receiver<()>,
) -> io::Result<()> {
    axum::serve(listener, routes(desk, guard))
        .with_graceful_shutdown(async { drop(ends.await) })
        .await
}

fn routes<A: Chat>(desk: Desk<A>, guard: Guard) -> Router {
    let one = get(sessions::one::<A>).delete(sessions::delete::<A>);
    Router::new()
        .route("/sessions", get(sessions::all::<A>))
        .route("/sessions/{key}", one)
        .route("/sessions/{key}/messages", post(messages::send::<A>))
        .route("/sessions/{key}/abort", post(sessions::abort::<A>))
        .route("/sessions/{key}/new", post(sessions::afresh::<A>))
        .route("/events", get(feed::feed::<A>))
        .fallback(|| async { Refusal::no_route() })
        .method_not_allowed_fallback(|| async { Refusal::no_method() })
        .layer(DefaultBodyLimit::max(limits::BODY))
        .layer(middleware::from_fn_with_state(guard.clone(), guard::token))
        // Open to whoever may reach the daemon: the page asks for the token itself.
        .route("/", get(page))
        .route("/health", get(health::<A>))
        .layer(middleware::from_fn_with_state(guard, guard::place))
        .with_state(desk)
}

/// 200 while messages are taken.
async fn health<A: Chat>(State(desk): State<Desk<A>>) -> impl IntoResponse {
    if desk.is_closing() {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({ "status": "closing" })),
        )
    } else {
        (StatusCode::OK, Json(json!({ "status": "ok" })))
    }
}

/// One file, without a build step. It loads nothing, and may be framed by nobody.
async fn page() -> impl IntoResponse {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Html(include_str!("page.html")))
}
