//! Interface two: HTTP. It has no state of its own but the last frame of the feed: each request asks the desk, and is
//! answered from it.
//!
//! | module | its one idea |
//! |---|---|
//! | `table` | the routes, as data |
//! | `connections` | how many, and how long each may take |
//! | `guard` | who may ask at all |
//! | `input` | keys and bodies, as they come |
//! | `messages` | send a message; its answer, whole or in parts; what a session says |
//! | `sessions` | look at sessions, abort their turns, end them |
//! | `feed` | all sessions, as they change |
//! | `rows` | the sessions of this node and of the others, in one list |
//! | `refusal` | what goes wrong, as status and JSON |

mod connections;
mod feed;
mod guard;
mod input;
mod messages;
mod refusal;
mod rows;
mod sessions;
mod table;

pub(crate) use {connections::most, guard::Guard, rows::Others, table::Call};
#[cfg(all(feature = "cluster", unix))]
pub(crate) use {
    input::{Key, body},
    refusal::{OWNER, Refusal},
    rows::Shown,
};

#[cfg(not(all(feature = "cluster", unix)))]
use self::refusal::Refusal;
use self::{feed::Feed, table::TABLE};
use crate::{agent::Chat, cluster::Cluster, desk::Desk, limits};
use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{Html, IntoResponse, Response},
    routing::{MethodRouter, delete, get, post},
    serve::Listener,
};
use serde_json::json;
use std::mem;
use tokio::sync::oneshot;

/// Until it is ended, and all connections are. So many connections there may be. With a cluster, the sessions of all its nodes are
/// served, else those of this one.
pub(crate) async fn serve<A: Chat>(
    listener: impl Listener,
    desk: Desk<A>,
    cluster: Option<Cluster>,
    guard: Guard,
    most: u32,
    ends: oneshot::Receiver<()>,
) {
    connections::serve(listener, routes(desk, cluster.as_ref(), guard), most, ends).await;
}

fn routes<A: Chat>(desk: Desk<A>, cluster: Option<&Cluster>, guard: Guard) -> Router {
    let feed = Feed::start(desk.clone(), cluster);
    // Open to whoever may reach the daemon: the page asks for the token itself.
    let (mut open, mut closed) = (Router::new(), Router::new());
    for route in TABLE {
        let answer: MethodRouter<Desk<A>> = match route.call {
            Call::Send => post(messages::send::<A>),
            Call::All => get(sessions::all::<A>).layer(Extension(cluster.cloned())),
            Call::One => get(sessions::one::<A>),
            Call::Queue => get(sessions::queue::<A>),
            Call::Answer => post(sessions::answer::<A>),
            Call::Abort => post(sessions::abort::<A>),
            Call::Afresh => post(sessions::afresh::<A>),
            Call::Delete => delete(sessions::delete::<A>),
            Call::Listen => get(messages::listen::<A>),
            Call::Feed => get(feed::feed).with_state(feed.clone()),
            Call::Drain => post(drain::<A>),
            Call::Accept => delete(accept::<A>),
            Call::Health => get(health::<A>).layer(Extension(cluster.cloned())),
            Call::Metrics => get(metrics::<A>).layer(Extension(cluster.cloned())),
            Call::Page => get(page),
        };
        let answer = match cluster {
            Some(cluster) if route.path.contains("{key}") => {
                cluster.routed(route.call, &desk, answer)
            }
            _ => answer,
        };
        let router = if route.open { &mut open } else { &mut closed };
        *router = mem::take(router).route(route.path, answer);
    }
    let no_method = || async { Refusal::no_method() };
    let token = middleware::from_fn_with_state(guard.clone(), guard::token);
    let closed = closed
        .fallback(|| async { Refusal::no_route() })
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(limits::BODY))
        .layer(token);
    open.method_not_allowed_fallback(no_method)
        .merge(closed)
        .layer(middleware::from_fn_with_state(guard, guard::place))
        .layer(middleware::map_response(safe))
        .with_state(desk)
}

/// What every answer has: a browser shows it as what it is, to nobody else, and keeps nothing.
async fn safe(mut response: Response) -> Response {
    let nothing = "default-src 'none'; frame-ancestors 'none'";
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, nothing),
    ] {
        let headers = response.headers_mut();
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn drain<A: Chat>(State(desk): State<Desk<A>>) -> impl IntoResponse {
    desk.accept_new(false);
    Json(json!({ "draining": true }))
}

async fn accept<A: Chat>(State(desk): State<Desk<A>>) -> impl IntoResponse {
    desk.accept_new(true);
    Json(json!({ "draining": false }))
}

/// 200 while messages are taken, those that start a session too.
async fn health<A: Chat>(
    State(desk): State<Desk<A>>,
    Extension(cluster): Extension<Option<Cluster>>,
) -> impl IntoResponse {
    let no_lease = cluster.as_ref().is_some_and(|cluster| !cluster.has_lease());
    let (code, status) = if desk.is_closing() {
        (StatusCode::SERVICE_UNAVAILABLE, "closing")
    } else if no_lease {
        (StatusCode::SERVICE_UNAVAILABLE, "no_lease")
    } else if desk.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else {
        (StatusCode::OK, "ok")
    };
    let mut health = json!({ "status": status });
    let of_node = cluster.and_then(|cluster| cluster.trouble());
    if let Some(trouble) = of_node.or_else(|| desk.trouble()) {
        health["trouble"] = trouble.into();
    }
    (code, Json(health))
}

async fn metrics<A: Chat>(
    State(desk): State<Desk<A>>,
    Extension(cluster): Extension<Option<Cluster>>,
) -> impl IntoResponse {
    let kind = prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
    let of_node = cluster.map(|cluster| cluster.metrics());
    let text = desk.metrics() + &of_node.unwrap_or_default();
    ([(header::CONTENT_TYPE, kind)], text)
}

/// One file, without a build step. It loads nothing, and may be framed by nobody.
async fn page() -> impl IntoResponse {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Html(include_str!("page.html")))
}
