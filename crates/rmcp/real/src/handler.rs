//! Tools, prompts and resources: those that the conformance suite asks for, most of them from `answers.json`, and two for the clients.

#![expect(deprecated, reason = "the clients of today use logging and sampling")]

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams,
        CompleteResult, ContentBlock, CreateMessageRequestParams, ElicitRequestParams,
        GetPromptRequestParams, GetPromptResponse, GetPromptResult, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel,
        LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam,
        ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, SamplingMessage,
        ServerCapabilities, ServerConfig, SetLevelRequestParams, SubscribeRequestParams,
        UnsubscribeRequestParams,
    },
    service::RequestContext,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::sleep;

static ANSWERS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("answers.json")).expect("it is JSON"));

type Context = RequestContext<RoleServer>;

/// One for each session.
#[derive(Default)]
pub struct Handler {
    calls: AtomicU32,
}

/// The answer under this name, with the arguments in it.
fn answer<T: DeserializeOwned>(
    kind: &str,
    name: &str,
    arguments: &Map<String, Value>,
) -> Result<T, ErrorData> {
    let unknown = || ErrorData::invalid_params(format!("there is no {kind} {name}"), None);
    let answer = ANSWERS[kind].get(name).ok_or_else(unknown)?;
    let mut text = answer.to_string();
    for (argument, value) in arguments {
        let value = value.as_str().unwrap_or_default();
        text = text.replace(&format!("{{{argument}}}"), value);
    }
    let failed = |error: serde_json::Error| ErrorData::internal_error(error.to_string(), None);
    serde_json::from_str(&text).map_err(failed)
}

fn list<T: DeserializeOwned>(of: &str) -> Result<T, ErrorData> {
    answer("lists", of, &Map::new())
}

fn text(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text.into())])
}

fn failed(error: impl ToString) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

impl Handler {
    async fn log(&self, context: &Context) -> Result<CallToolResult, ErrorData> {
        for message in ["it starts", "it goes on", "it ends"] {
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(message));
            context
                .peer
                .notify_logging_message(message)
                .await
                .map_err(failed)?;
            sleep(Duration::from_millis(50)).await;
        }
        Ok(text("logged"))
    }

    async fn progress(&self, context: &Context) -> Result<CallToolResult, ErrorData> {
        for progress in [0.0, 50.0, 100.0] {
            if let Some(token) = context.meta.get_progress_token() {
                let report = ProgressNotificationParam::new(token, progress).with_total(100.0);
                context.peer.notify_progress(report).await.map_err(failed)?;
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(text("done"))
    }

    async fn sample(&self, context: &Context, prompt: &str) -> Result<CallToolResult, ErrorData> {
        let prompt = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(prompt)], 100);
        let reply = context.peer.create_message(prompt).await.map_err(failed)?;
        let reply = reply
            .message
            .content
            .first()
            .and_then(|block| block.as_text());
        let reply = reply.map(|block| block.text.clone()).unwrap_or_default();
        Ok(text(format!("LLM response: {reply}")))
    }

    async fn elicit(&self, context: &Context, tool: &str) -> Result<CallToolResult, ErrorData> {
        let params = ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: "your details".to_owned(),
            requested_schema: answer("elicitations", tool, &Map::new())?,
        };
        let reply = context
            .peer
            .create_elicitation(params)
            .await
            .map_err(failed)?;
        let (action, content) = (json!(reply.action), json!(reply.content));
        let action = action.as_str().unwrap_or_default();
        Ok(text(format!(
            "User response: action={action}, content={content}"
        )))
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = list::<ServerCapabilities>("capabilities");
        ServerConfig::new(capabilities.expect("they are valid"))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        list("tools")
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let argument = |name: &str| {
            arguments
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let result = match &*request.name {
            // The number of calls of this handler.
            "count" => text((self.calls.fetch_add(1, Relaxed) + 1).to_string()),
            "slow" => {
                let ms = arguments.get("ms").and_then(Value::as_u64);
                sleep(Duration::from_millis(ms.unwrap_or_default())).await;
                text(argument("text"))
            }
            "test_tool_with_logging" => self.log(&context).await?,
            "test_tool_with_progress" => self.progress(&context).await?,
            "test_sampling" => self.sample(&context, argument("prompt")).await?,
            tool if ANSWERS["elicitations"].get(tool).is_some() => {
                self.elicit(&context, tool).await?
            }
            tool => answer("results", tool, &arguments)?,
        };
        Ok(result.into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        list("prompts")
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        Ok(answer::<GetPromptResult>("prompts", &request.name, &arguments)?.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        list("resources")
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        list("templates")
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let id = request.uri.strip_prefix("test://template/");
        let contents: ReadResourceResult = match id.and_then(|rest| rest.strip_suffix("/data")) {
            Some(id) => {
                let arguments = Map::from_iter([("id".to_owned(), json!(id))]);
                answer("resources", "template", &arguments)?
            }
            None => answer("resources", &request.uri, &Map::new())?,
        };
        Ok(contents.into())
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        list("completions")
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }
}
