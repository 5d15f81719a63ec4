//! Who may ask at all.
//!
//! A daemon on loopback is within reach of every page in the browser of whoever runs it. So a request must name loopback as
//! its host, which a name that was made to point here does not (DNS rebinding); and what changes something must not come
//! from the page of another origin. On any other address, only who has the token is heard.

use super::refusal::Refusal;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header, uri::Authority},
    middleware::Next,
    response::Response,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

#[derive(Clone)]
pub(crate) struct Guard {
    loopback: bool,
    token: Option<Arc<str>>,
}

impl Guard {
    pub(crate) fn new(address: SocketAddr, token: Option<String>) -> Self {
        Self {
            loopback: address.ip().is_loopback(),
            token: token.map(Arc::from),
        }
    }
}

/// Does it come from the right place?
pub(super) async fn place(
    State(guard): State<Guard>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let host = host(&request).ok_or_else(Refusal::other_host)?;
    if guard.loopback && !is_loopback(host.host()) {
        return Err(Refusal::other_host());
    }
    let asks = [Method::GET, Method::HEAD].contains(request.method());
    if !asks && !same_origin(request.headers(), &host) {
        return Err(Refusal::other_origin());
    }
    Ok(next.run(request).await)
}

/// Has it the token?
pub(super) async fn token(
    State(guard): State<Guard>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if let Some(token) = &guard.token {
        let shown = request.headers().get(header::AUTHORIZATION);
        let shown = shown.and_then(|value| value.as_bytes().split_at_checked(BEARER.len()));
        let right = shown.is_some_and(|(scheme, shown)| {
            scheme.eq_ignore_ascii_case(BEARER) && same(shown, token.as_bytes())
        });
        if !right {
            return Err(Refusal::no_token());
        }
    }
    Ok(next.run(request).await)
}

const BEARER: &[u8] = b"Bearer ";

/// In a time that tells nothing of where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn host(request: &Request) -> Option<Authority> {
    match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None => request
            .headers()
            .get(header::HOST)?
            .to_str()
            .ok()?
            .parse()
            .ok(),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = address.parse().ok();
    host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}

/// Browsers say where a request comes from; other clients say nothing.
fn same_origin(headers: &HeaderMap, host: &Authority) -> bool {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_loopback() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.example",
            "127.0.0.1.example",
            "0.0.0.0",
            "[::]",
            "10.0.0.1",
            "",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn origins_are_told_apart() {
        let host: Authority = "localhost:8484".parse().expect("an authority");
        let from = |name: &'static str, value: &str| {
            let value = value.parse().expect("a header's value");
            same_origin(
                &HeaderMap::from_iter([(name.parse().expect("a name"), value)]),
                &host,
            )
        };
        assert!(same_origin(&HeaderMap::new(), &host));
        assert!(
            from("origin", "http://localhost:8484") && from("origin", "https://LOCALHOST:8484")
        );
        assert!(from("sec-fetch-site", "same-origin") && from("sec-fetch-site", "none"));
        for origin in [
            "null",
            "http://localhost",
            "http://localhost:8485",
            "http://example.org",
            "",
        ] {
            assert!(!from("origin", origin), "{origin}");
        }
        assert!(!from("sec-fetch-site", "cross-site") && !from("sec-fetch-site", "same-site"));
    }
}
