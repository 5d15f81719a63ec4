//! Whether a request is answered here. If not, it goes to the owner of its session, once; if that is none any more, the request is
//! tried again.
//!
//! | the session | a message | anything else |
//! |---|---|---|
//! | is here | is answered here | the same |
//! | has an owner | goes there | the same |
//! | has none | begins here, unless another node is quicker: then it goes there | is answered here |
//!
//! | the other node | |
//! |---|---|
//! | cannot be reached, is not the owner or gives its sessions away | the request is tried again, until its time is over: 503 `unavailable` |
//! | goes, or loses the session, after it may have received a message | 502 `owner_lost`, or that event: a message is delivered once at most |
//! | goes during a request that changes nothing | the request is tried again |

use super::{
    Cluster,
    forward::{Asked, Outcome, forward},
};
use crate::{
    agent::Chat,
    desk::Desk,
    http::{self, Call, Key, OWNER, Refusal},
};
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
    routing::MethodRouter,
};
use futures_util::StreamExt;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// For a request that is not to wait for a dead node.
const LOOK: Duration = Duration::from_secs(1);
/// Pauses between two tries.
const PAUSE: Duration = Duration::from_millis(10);
const LONG_PAUSE: Duration = Duration::from_millis(200);

struct At<A: Chat> {
    cluster: Cluster,
    desk: Desk<A>,
    call: Call,
}

impl<A: Chat> Clone for At<A> {
    fn clone(&self) -> Self {
        Self {
            cluster: self.cluster.clone(),
            desk: self.desk.clone(),
            call: self.call,
        }
    }
}

/// The limits of its wait, of a message.
#[derive(Default, Deserialize)]
struct Patience {
    wait: Option<bool>,
    wait_seconds: Option<f64>,
}

impl Cluster {
    /// The same route, for the sessions of all nodes.
    pub(crate) fn routed<A: Chat>(
        &self,
        call: Call,
        desk: &Desk<A>,
        answer: MethodRouter<Desk<A>>,
    ) -> MethodRouter<Desk<A>> {
        let at = At {
            cluster: self.clone(),
            desk: desk.clone(),
            call,
        };
        answer.layer(middleware::from_fn_with_state(at, route::<A>))
    }

    fn unavailable(&self, why: String) -> Refusal {
        // Then the sessions of a dead node are free.
        let ttl = self.0.ttl.as_secs_f64().ceil();
        Refusal::unavailable(why, ttl as u64)
    }

    /// How long a request is tried. One that starts a session: until those of a dead node are free.
    fn patience(&self, asked: &Asked) -> Duration {
        let given: Patience = serde_json::from_slice(&asked.body).unwrap_or_default();
        let usual = match asked.call {
            Call::Send | Call::Afresh | Call::Delete => self.0.ttl + self.0.ttl / 2,
            // Somebody looks.
            _ => LOOK,
        };
        let seconds = given.wait_seconds.map(Duration::try_from_secs_f64);
        match (given.wait, seconds) {
            (Some(false), _) => Duration::ZERO,
            (_, Some(Ok(seconds))) => seconds,
            _ => usual,
        }
    }
}

/// The events of a session, until another node owns it. Then the client may connect again, and gets those of that node.
fn until_elsewhere<A: Chat>(body: Body, cluster: Cluster, desk: Desk<A>, key: String) -> Body {
    let elsewhere = async move {
        loop {
            sleep(cluster.0.ttl / 4).await;
            if !desk.has(&key) && matches!(cluster.owner(&key).await, Ok(Some(_))) {
                break;
            }
        }
    };
    let elsewhere = Box::pin(elsewhere);
    Body::from_stream(body.into_data_stream().take_until(elsewhere))
}

async fn route<A: Chat>(
    State(at): State<At<A>>,
    Key(key): Key,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let At {
        cluster,
        desk,
        call,
    } = at;
    if desk.has(&key) && !matches!(call, Call::Send | Call::Listen) {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let body = match call.has_body() {
        true => http::body(Request::from_parts(parts.clone(), body)).await?,
        false => Bytes::new(),
    };
    let asked = Asked { parts, body, call };
    let begin = Instant::now();
    let patience = cluster.patience(&asked);
    let mut pause = PAUSE;
    loop {
        let owner = match desk.has(&key) {
            true => None,
            false => match cluster.owner(&key).await {
                // The start of its session asks etcd again, and its error has the reason. That takes up to half of the time to live.
                Err(_) if matches!(call, Call::Send) && !patience.is_zero() => None,
                owner => owner.map_err(|why| cluster.unavailable(why))?,
            },
        };
        let why = match owner {
            None if patience.is_zero() && !desk.has(&key) && !cluster.has_lease() => {
                "this node has no lease".to_owned()
            }
            None => {
                let here = Request::from_parts(asked.parts.clone(), Body::from(asked.body.clone()));
                let response = next.clone().run(here).await;
                if matches!(call, Call::Listen) {
                    return Ok(response.map(|body| until_elsewhere(body, cluster, desk, key)));
                }
                if !response.headers().contains_key(&OWNER) {
                    return Ok(response);
                }
                "another node has just started the session".to_owned()
            }
            Some(owner) => match forward(&cluster, &owner, &key, &asked).await {
                Outcome::Answered(response) => return Ok(response),
                Outcome::Undelivered(why) => why,
                Outcome::Lost if asked.parts.method.is_safe() => {
                    "the node of the session is gone".to_owned()
                }
                Outcome::Lost => {
                    cluster.0.counts.lost.inc();
                    return Err(Refusal::owner_lost());
                }
            },
        };
        if begin.elapsed() + pause > patience {
            return Err(cluster.unavailable(why));
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONG_PAUSE);
    }
}
