//! Sessions of any agent that speaks ACP: text in, text out, and questions for permission.

use crate::{
    agent::{Chat, Part, Unkept},
    args::{AgentKind, Args},
    limits,
    question::{Kind, Question, Reply, Unanswered},
    words::begin_of,
};
use clap::ValueEnum;
use parking_lot::Mutex;
use std::{collections::BTreeSet, ffi::OsString, fmt, io, path::PathBuf, sync::Arc};
use tokio::task::spawn_blocking;
use turnwise::{Agent, Backend, Incarnation, TurnContext, manager::StopReason};
use turnwise_acp::{
    AcpAgent, AcpError, AcpEvent, AcpHandle, AcpPermission, AcpPolicy, AcpSession, FileStore,
    MemoryStore, SessionStore,
};

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "With --agent acp, claude, codex, opencode, pi-acp or qwen")]
pub(crate) struct AcpArgs {
    /// A program that speaks ACP. Only --agent acp takes one. The other agents run their own, found in $PATH.
    #[arg(long, value_name = "PROGRAM")]
    acp_program: Option<OsString>,
    /// An argument for that program. May be repeated. Only --agent acp takes it.
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    acp_arg: Vec<OsString>,
    /// The agent's working directory. Most agents keep conversations separate for each. The default is the current directory.
    #[arg(long, value_name = "DIRECTORY")]
    acp_cwd: Option<PathBuf>,
    /// A file for the ids of conversations, used by one daemon at a time. Without it, they are forgotten when the daemon ends.
    #[arg(long, value_name = "FILE")]
    acp_sessions: Option<PathBuf>,
    /// What happens when the agent asks whether it may call a tool.
    #[arg(long, value_name = "POLICY", default_value = "ask")]
    acp_permissions: Policy,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Policy {
    /// Every call is refused.
    Deny,
    /// Calls that read or search, by the agent's own account, are allowed. Others are refused.
    AllowReads,
    /// You are asked.
    Ask,
}

#[derive(Clone, Debug)]
pub(crate) struct AcpChat {
    agent: Arc<AcpAgent>,
    conversations: Conversations,
}

/// Which conversation a key has.
#[derive(Clone)]
struct Conversations(Arc<Kept>);

struct Kept {
    /// An empty id is none: the conversation was ended.
    store: Box<dyn SessionStore>,
    /// Those that were ended, until there is a new one.
    ended: Mutex<BTreeSet<String>>,
    /// One after the other, so that the end of a conversation does not overwrite the next one. Held before `ended`, and while the store
    /// writes.
    writes: Mutex<()>,
}

impl Conversations {
    /// From this call on, a start finds none. The future resolves when that is stored.
    fn end(&self, key: &str) -> impl Future<Output = io::Result<()>> + Send + use<> {
        let (kept, key) = (Arc::clone(&self.0), key.to_owned());
        kept.ended.lock().insert(key.clone());
        let stored = spawn_blocking(move || {
            let _one = kept.writes.lock();
            match kept.ended.lock().contains(&key) {
                true => kept.store.set(&key, ""),
                false => Ok(()),
            }
        });
        async move { stored.await.unwrap_or_else(|error| Err(error.into())) }
    }
}

impl SessionStore for Conversations {
    fn get(&self, key: &str) -> io::Result<Option<String>> {
        if self.0.ended.lock().contains(key) {
            return Ok(None);
        }
        Ok(self.0.store.get(key)?.filter(|id| !id.is_empty()))
    }

    /// After a start. If that began before the end of its conversation, it changes nothing.
    fn set(&self, key: &str, id: &str) -> io::Result<()> {
        let _one = self.0.writes.lock();
        let was_ended = self.0.ended.lock().contains(key);
        if was_ended && self.0.store.get(key)?.as_deref() == Some(id) {
            return Ok(());
        }
        self.0.store.set(key, id)?;
        self.0.ended.lock().remove(key);
        Ok(())
    }
}

impl fmt::Debug for Conversations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Conversations")
    }
}

impl AcpArgs {
    /// The program and its arguments: those given, or those of a preset.
    fn command(&self, agent: AgentKind) -> Result<(OsString, Vec<OsString>), String> {
        let Some((program, args)) = agent.preset() else {
            let given = self.acp_program.clone();
            let program = given.ok_or("--agent acp needs --acp-program")?;
            return Ok((program, self.acp_arg.clone()));
        };
        if self.acp_program.is_some() || !self.acp_arg.is_empty() {
            let args: String = args.iter().map(|arg| format!(" --acp-arg={arg}")).collect();
            return Err(format!(
                "only --agent acp takes --acp-program and --acp-arg: use --agent acp --acp-program {program}{args}, and change that"
            ));
        }
        Ok((program.into(), args.iter().map(OsString::from).collect()))
    }
}

impl AcpChat {
    /// The words of an error are for the command line.
    pub(crate) fn new(args: &Args) -> Result<Self, String> {
        let acp = &args.acp;
        let (program, arguments) = acp.command(args.agent)?;
        if args.cluster.is_set() && acp.acp_sessions.is_some() {
            return Err("nodes of a cluster cannot share --acp-sessions".to_owned());
        }
        let store: Box<dyn SessionStore> = match &acp.acp_sessions {
            None => Box::new(MemoryStore::default()),
            Some(path) => {
                let store = FileStore::open(path);
                let shown = path.display();
                Box::new(store.map_err(|error| format!("{shown} cannot be read: {error}"))?)
            }
        };
        let conversations = Conversations(Arc::new(Kept {
            store,
            ended: Mutex::default(),
            writes: Mutex::default(),
        }));
        // Its own limits end before the manager's, so that its words are heard.
        let agent = AcpAgent::builder(program)
            .args(arguments)
            .store(conversations.clone())
            .permissions(match acp.acp_permissions {
                Policy::AllowReads => AcpPolicy::AllowReads,
                Policy::Ask if !args.question_timeout.is_zero() => AcpPolicy::Ask,
                Policy::Ask | Policy::Deny => AcpPolicy::Deny,
            })
            .permission_timeout(args.question_timeout)
            .ready_timeout(args.start_timeout.mul_f64(0.9))
            .abort_timeout(args.abort_timeout.mul_f64(0.6))
            .stop_grace(args.stop_timeout.mul_f64(0.3))
            .guard(args.guard());
        let agent = match &acp.acp_cwd {
            Some(folder) => agent.working_dir(folder),
            None => agent,
        };
        Ok(Self {
            agent: Arc::new(agent.build()),
            conversations,
        })
    }
}

impl Backend for AcpChat {
    type Key = String;
    type Session = AcpSession;
    type Handle = AcpHandle;
    type Event = Part;
    type Error = AcpError;

    async fn start(
        &self,
        key: &String,
        cx: &TurnContext<Part>,
    ) -> Result<(AcpSession, AcpHandle), AcpError> {
        self.agent.start(key, &cx.map(part)).await
    }

    async fn start_abandoned(&self, key: &String, incarnation: Incarnation) {
        self.agent.start_abandoned(key, incarnation).await;
    }

    async fn stop(
        &self,
        key: &String,
        session: AcpSession,
        reason: StopReason,
    ) -> Result<(), AcpError> {
        self.agent.stop(key, session, reason).await
    }

    async fn is_healthy(&self, session: &mut AcpSession) -> bool {
        self.agent.is_healthy(session).await
    }

    fn weight(event: &Part) -> usize {
        event.weight()
    }
}

impl Agent for AcpChat {
    type Message = String;
    type Reply = String;

    async fn send(
        &self,
        session: &mut AcpSession,
        message: String,
        cx: &TurnContext<Part>,
    ) -> Result<String, AcpError> {
        let cx = cx.map(part);
        let reply = self.agent.send(session, message.into(), &cx).await?;
        Ok(reply.text)
    }
}

/// What is shown of events. Of the rest the agent's notes tell what there is to tell.
fn part(event: AcpEvent) -> Option<Part> {
    match event {
        AcpEvent::Text(text) => Some(Part::Text(text)),
        AcpEvent::Permission(asked) => Some(Part::Question(show(&asked))),
        _ => None,
    }
}

/// The question, in texts of bounded length.
fn show(asked: &AcpPermission) -> Question {
    let text = |text: &str| begin_of(text, limits::QUESTION);
    let options = asked.options.iter().take(limits::OPTIONS);
    let title = asked.tool.title.as_deref().unwrap_or("a tool call");
    Question {
        id: asked.id,
        kind: Kind::Select,
        title: text(title),
        message: asked
            .tool
            .input
            .as_ref()
            .map(|input| text(&input.to_string())),
        options: options
            .map(|option| begin_of(&option.name, limits::OPTION))
            .collect(),
        placeholder: None,
        prefill: None,
    }
}

impl Chat for AcpChat {
    fn forget(&self, key: &str) -> impl Future<Output = Result<(), Unkept>> + Send {
        let ended = self.conversations.end(key);
        async move { ended.await.map_err(|error| Unkept(error.to_string())) }
    }

    fn questions(&self, handle: &AcpHandle) -> Vec<Question> {
        let open = handle.permissions();
        open.iter().take(limits::QUESTIONS).map(show).collect()
    }

    fn answer(&self, handle: &AcpHandle, id: u64, reply: Reply) -> Result<(), Unanswered> {
        let open = handle.permissions();
        let asked = open.iter().find(|asked| asked.id == id);
        let options = &asked.ok_or(Unanswered::NotOpen)?.options;
        let chosen = match &reply {
            // Once, rather than for ever.
            Reply::Yes(yes) => {
                let kind = if *yes { "allow_once" } else { "reject_once" };
                options.iter().find(|option| option.kind == kind)
            }
            Reply::Text(text) => {
                let shown = |name: &str| name == text || begin_of(name, limits::OPTION) == *text;
                options.iter().find(|option| shown(&option.name))
            }
        };
        let unfit = Unanswered::Unfit("the answer is not one of the options");
        let chosen = chosen.ok_or(unfit)?;
        let taken = handle.answer(id, &chosen.id);
        taken.then_some(()).ok_or(Unanswered::NotOpen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::ffi::OsStr;

    /// The words of the command that this command line runs.
    fn command(line: &str) -> Result<String, String> {
        let args = Args::try_parse_from(format!("chatd --agent {line}").split(' '));
        let args = args.map_err(|error| error.to_string())?;
        let (program, arguments) = args.acp.command(args.agent)?;
        let words: Vec<_> = [program].into_iter().chain(arguments).collect();
        Ok(words.join(OsStr::new(" ")).into_string().expect("text"))
    }

    #[test]
    fn a_preset_is_a_program_and_its_arguments() {
        for (line, words) in [
            ("claude", "claude-agent-acp"),
            ("codex", "codex-acp"),
            ("opencode", "opencode acp"),
            ("pi-acp", "pi-acp"),
            ("qwen", "qwen --acp"),
            ("acp --acp-program codex-acp", "codex-acp"),
            ("acp --acp-program a --acp-arg=-b --acp-arg c", "a -b c"),
        ] {
            assert_eq!(command(line).as_deref(), Ok(words), "{line}");
        }
        // The help names each with the command that it stands for.
        for kind in AgentKind::value_variants() {
            let Some((program, arguments)) = kind.preset() else {
                continue;
            };
            let value = kind.to_possible_value().expect("it has a name");
            let arguments = arguments
                .iter()
                .map(|argument| format!(" --acp-arg={argument}"));
            let line = format!(
                "acp --acp-program {program}{}",
                arguments.collect::<String>()
            );
            let help = value.get_help().expect("it has a help").to_string();
            assert!(help.ends_with(&format!(": --agent {line}")), "{help}");
            assert_eq!(command(value.get_name()), command(&line));
        }
    }

    #[test]
    fn what_makes_no_command_is_refused() {
        for (line, why) in [
            ("acp", "--agent acp needs --acp-program"),
            ("acp --acp-arg a", "--agent acp needs --acp-program"),
            (
                "opencode --acp-program a",
                "use --agent acp --acp-program opencode --acp-arg=acp,",
            ),
            (
                "codex --acp-arg=-c",
                "use --agent acp --acp-program codex-acp,",
            ),
            (
                "gemini",
                "[possible values: echo, repl, pi, acp, claude, codex, opencode, pi-acp, qwen]",
            ),
        ] {
            let refused = command(line).expect_err(line);
            assert!(refused.contains(why), "{line}: {refused}");
        }
    }
}
