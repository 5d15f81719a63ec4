//! An MCP server: `mcp-server KIND FOLDER ADDRESS IDLE_MS`, with sessions of this kind, `rmcp` or `turnwise`.

use axum::Router;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities,
        ServerConfig,
    },
    service::RequestContext,
    transport::{
        StreamableHttpServerConfig, StreamableHttpService,
        streamable_http_server::session::local::{LocalSessionManager, SessionConfig},
    },
};
use std::{env, error::Error, sync::Arc, time::Duration};
use tokio::{net::TcpListener, time::sleep};
use turnwise_evidence::mcp::store::Files;
use turnwise_rmcp::McpSessions;

/// Its tool returns its argument `text`, after so many `ms`.
struct Echo;

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let ms = arguments.get("ms").and_then(|ms| ms.as_u64());
        sleep(Duration::from_millis(ms.unwrap_or_default())).await;
        let text = arguments.get("text").and_then(|text| text.as_str());
        let text = ContentBlock::text(text.unwrap_or_default());
        Ok(CallToolResult::success(vec![text]).into())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [kind, folder, address, idle] = &*args else {
        return Err("mcp-server KIND FOLDER ADDRESS IDLE_MS".into());
    };
    let store = Arc::new(Files(folder.into()));
    let mut sessions = SessionConfig::default();
    sessions.keep_alive = Some(Duration::from_millis(idle.parse()?));
    let mut config = StreamableHttpServerConfig::default();
    let routes = if kind == "rmcp" {
        config.session_store = Some(store);
        let mut manager = LocalSessionManager::default();
        manager.session_config = sessions;
        let service = StreamableHttpService::new(|| Ok(Echo), Arc::new(manager), config);
        Router::new().route_service("/mcp", service)
    } else {
        let manager = McpSessions::builder()
            .config(sessions)
            .store(store)
            .build()?;
        Router::new().route_service("/mcp", manager.service(|| Ok(Echo), config))
    };
    let listener = TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, routes).await?;
    Ok(())
}
