//! A server with tools, on a runtime of its own.

use crate::{between::Between, gate::Gate, store::Store};
use axum::Router;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock,
        ProgressNotificationParam, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
    transport::{StreamableHttpServerConfig, StreamableHttpService},
};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{net::TcpListener, runtime::Runtime};
use turnwise_rmcp::{McpPhase, McpSession, McpSessions, McpSessionsBuilder};

/// The tools, each of which returns the number of the handler: `which` at once, `wait` when the gate opens, `report` with a report of
/// its progress before the gate and one behind it, `announce` after a notification that belongs to no call, and `flood` after more reports
/// than a connection takes.
struct Tools {
    number: usize,
    gate: Arc<Gate>,
    sent: Arc<AtomicUsize>,
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let token = context.meta.get_progress_token();
        let report = async |progress| {
            if let Some(token) = token.clone() {
                let progress = ProgressNotificationParam::new(token, progress);
                let _sent = context.peer.notify_progress(progress).await;
            }
        };
        match &*request.name {
            "which" => {}
            "wait" => self.gate.pass().await,
            "announce" => {
                let announced = context.peer.notify_tool_list_changed().await;
                announced.expect("its session takes it");
            }
            "report" => {
                report(1.0).await;
                self.gate.pass().await;
                report(2.0).await;
            }
            "flood" => {
                for number in 0..200_000 {
                    report(f64::from(number)).await;
                    self.sent.fetch_add(1, SeqCst);
                }
            }
            other => return Err(ErrorData::invalid_params(other.to_owned(), None)),
        }
        let text = ContentBlock::text(self.number.to_string());
        Ok(CallToolResult::success(vec![text]).into())
    }
}

/// To drop it is to kill it: nothing of it runs on.
pub(crate) struct Server {
    runtime: Option<Runtime>,
    pub(crate) address: SocketAddr,
    pub(crate) between: Arc<Between>,
    /// Of the tools.
    pub(crate) gate: Arc<Gate>,
    /// How many handlers were made.
    pub(crate) handlers: Arc<AtomicUsize>,
    /// How many reports a flood has sent.
    pub(crate) sent: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn start(store: Option<&Arc<Store>>, sessions: McpSessionsBuilder) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), store, sessions)
    }

    /// Kills it, and starts another one at its address.
    pub(crate) fn restart(self, store: Option<&Arc<Store>>, sessions: McpSessionsBuilder) -> Self {
        let address = self.address;
        drop(self);
        Self::start_at(address, store, sessions)
    }

    fn start_at(
        address: SocketAddr,
        store: Option<&Arc<Store>>,
        mut sessions: McpSessionsBuilder,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let mut config = StreamableHttpServerConfig::default();
        // So that it notices soon when a client has left.
        config.sse_keep_alive = Some(Duration::from_millis(10));
        if let Some(store) = store {
            sessions = sessions.store(Arc::clone(store) as _);
            config.session_store = Some(Arc::clone(store) as _);
        }
        let (gate, handlers, sent) = (Gate::closed(), Arc::default(), Arc::default());
        let factory = factory(&gate, &handlers, &sent);
        let (tell, told) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let between = Between::of(sessions.build().expect("the settings are valid"));
            let service = StreamableHttpService::new(factory, Arc::clone(&between), config);
            let listener = TcpListener::bind(address).await.expect("a port");
            let address = listener.local_addr().expect("its address");
            tell.send((address, between)).expect("the test waits");
            let router = Router::new().route_service("/mcp", service);
            axum::serve(listener, router).await.expect("it serves");
        });
        let (address, between) = told.recv().expect("the server starts");
        Self {
            runtime: Some(runtime),
            address,
            between,
            gate,
            handlers,
            sent,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub(crate) fn sessions(&self) -> &McpSessions {
        &self.between.sessions
    }

    pub(crate) fn session(&self, id: &str) -> Option<McpSession> {
        let mut all = self.sessions().snapshot().into_iter();
        all.find(|session| &*session.id == id)
    }

    pub(crate) fn phase(&self, id: &str) -> Option<McpPhase> {
        self.session(id).map(|session| session.phase)
    }
}

fn factory(
    gate: &Arc<Gate>,
    handlers: &Arc<AtomicUsize>,
    sent: &Arc<AtomicUsize>,
) -> impl Fn() -> io::Result<Tools> + Send + Sync + 'static + use<> {
    let (gate, handlers, sent) = (Arc::clone(gate), Arc::clone(handlers), Arc::clone(sent));
    move || {
        let number = handlers.fetch_add(1, SeqCst) + 1;
        let (gate, sent) = (Arc::clone(&gate), Arc::clone(&sent));
        Ok(Tools { number, gate, sent })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let runtime = self.runtime.take();
        // Waits until no task runs any more, in a thread that may wait.
        let killed = std::thread::spawn(move || drop(runtime));
        killed.join().expect("it is killed");
    }
}
