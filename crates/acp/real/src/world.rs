//! The world of one test: folders that no other has, and a mark by which its processes are known.

use processes::{Folder, Stub, installed, within};
use serde_json::{Value, json};
use std::{
    env::{self, consts::ARCH},
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Command,
    time::Duration,
};
use turnwise::{SessionManager, manager::Timeouts};
use turnwise_acp::{AcpAgent, AcpBuilder, AcpPolicy, FileStore};

/// An agent that is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// `claude-agent-acp`: Node, Anthropic's messages.
    Claude,
    /// `codex-acp`: native, OpenAI's responses.
    Codex,
    /// `opencode-ai`: native, chat completions.
    OpenCode,
    /// `pi-acp`: Node, chat completions. It starts a `pi` for each session, and never asks for permission.
    Pi,
    /// `qwen-code`: Node, chat completions.
    Qwen,
}

impl Make {
    /// What its package installs, and the arguments with which it speaks ACP.
    fn program(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Claude => ("claude-agent-acp", &[]),
            Self::Codex => ("codex-acp", &[]),
            Self::OpenCode => ("opencode", &["acp"]),
            Self::Pi => ("pi-acp", &[]),
            Self::Qwen => ("qwen", &["--acp"]),
        }
    }
}

/// See the module. Its folders go with its drop.
#[derive(Debug)]
pub struct World {
    /// The models' services.
    pub stub: Stub,
    make: Make,
    folder: Folder,
}

impl World {
    /// For agents of this make.
    ///
    /// # Panics
    ///
    /// If there is no place for folders.
    pub async fn new(make: Make) -> Self {
        let (stub, folder) = (Stub::new().await, Folder::new());
        for name in ["home/agent", "home/claude", "home/.qwen", "work", "bin"] {
            fs::create_dir_all(folder.join(name)).expect("folders can be made");
        }
        let world = Self { stub, make, folder };
        world.install();
        world.configure();
        world
    }

    /// A folder for `PATH`: links to the programs that `just acp` and `just pi` have fetched, by the names that their packages install.
    fn install(&self) {
        let arch = if ARCH == "aarch64" { "arm64" } else { "x64" };
        let kind = if arch == "x64" { "-baseline" } else { "" };
        let program = match self.make {
            Make::Claude => ".bin/claude-agent-acp".to_owned(),
            Make::Codex => format!("@zed-industries/codex-acp-linux-{arch}/bin/codex-acp"),
            Make::OpenCode => format!("opencode-linux-{arch}{kind}/bin/opencode"),
            Make::Pi => ".bin/pi-acp".to_owned(),
            Make::Qwen => ".bin/qwen".to_owned(),
        };
        let program = installed(&format!("acp/node_modules/{program}"));
        for program in [program, installed("pi/node_modules/.bin/node")] {
            let link = self
                .path("bin")
                .join(program.file_name().expect("it has one"));
            symlink(program, link).expect("links can be made");
        }
    }

    /// The files from which agents learn of the stub, if they do not learn it from their environment.
    fn configure(&self) {
        let write = |name: &str, value: &Value| {
            let path = self.path("home").join(name);
            fs::write(path, value.to_string()).expect("files can be written");
        };
        let base = self.url("/v1");
        match self.make {
            Make::OpenCode => {
                let model =
                    json!({"name": "Stub 1", "limit": {"context": 100_000, "output": 4096}});
                let provider = json!({"npm": "@ai-sdk/openai-compatible", "name": "Stub",
                    "options": {"baseURL": base, "apiKey": "not-a-key"}, "models": {"stub-1": model}});
                write(
                    "opencode.json",
                    &json!({"model": "stub/stub-1", "small_model": "stub/stub-1",
                    "autoupdate": false, "share": "disabled", "permission": {"bash": "ask", "edit": "ask"},
                    "enabled_providers": ["stub"], "provider": {"stub": provider}}),
                );
            }
            Make::Pi => {
                let model = json!({"id": "stub-1", "name": "Stub 1", "contextWindow": 10_000_000, "maxTokens": 4096});
                let provider = json!({"baseUrl": base, "api": "openai-completions", "apiKey": "not-a-key", "models": [model]});
                write(
                    "agent/models.json",
                    &json!({"providers": {"stub": provider}}),
                );
                write(
                    "agent/settings.json",
                    &json!({"defaultProvider": "stub", "defaultModel": "stub-1",
                    "retry": {"enabled": false}}),
                );
                let bundle = installed("pi/package/dist/bundle/cli.js");
                let pi = format!(
                    "#!/bin/sh\nexec node {} --no-approve \"$@\"\n",
                    bundle.display()
                );
                // Not by PATH, where pi-acp would find its version, and ask npm for a newer one.
                let path = self.path("home/pi");
                fs::write(&path, pi).expect("files can be written");
                fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it is ours");
            }
            // Of a model that it does not know it warns in each answer. Its sandbox wants a program that may not be there.
            Make::Codex => {
                let config = format!(
                    r#"model_provider = "stub"
model = "gpt-5.4"
approval_policy = "untrusted"
sandbox_mode = "danger-full-access"
model_providers.stub = {{ name = "stub", base_url = "{base}", env_key = "CODEX_API_KEY", wire_api = "responses" }}"#
                );
                fs::write(self.path("home/config.toml"), config).expect("files can be written");
            }
            Make::Qwen => write(
                ".qwen/settings.json",
                &json!({"security": {"auth": {"selectedType": "openai"}}}),
            ),
            // In its own default, a model decides about permissions.
            Make::Claude => write(
                "claude/settings.json",
                &json!({"permissions": {"defaultMode": "default"}}),
            ),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.stub.port())
    }

    /// A folder or file of this world.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The program of the real agent in this world, with its arguments and what is set in its environment.
    pub fn command(&self) -> Command {
        let (program, arguments) = self.make.program();
        let mut command = Command::new(self.path("bin").join(program));
        command.args(arguments);
        match self.make {
            // Without `IS_SANDBOX` it refuses to begin a session as root.
            Make::Claude => command
                .env("CLAUDE_CONFIG_DIR", self.path("home/claude"))
                .env("ANTHROPIC_API_KEY", "not-a-key")
                .env("ANTHROPIC_BASE_URL", self.url(""))
                .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
                .env("IS_SANDBOX", "1"),
            Make::Codex => command
                .env("CODEX_HOME", self.path("home"))
                .env("CODEX_API_KEY", "not-a-key"),
            Make::OpenCode => command
                .env("XDG_DATA_HOME", self.path("home/data"))
                .env("XDG_CONFIG_HOME", self.path("home/config"))
                .env("XDG_CACHE_HOME", self.path("home/cache"))
                .env("XDG_STATE_HOME", self.path("home/state"))
                .env("OPENCODE_CONFIG", self.path("home/opencode.json"))
                .env("OPENCODE_DISABLE_AUTOUPDATE", "1")
                .env("OPENCODE_DISABLE_MODELS_FETCH", "1")
                .env("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
            Make::Pi => command
                .env("PI_CODING_AGENT_DIR", self.path("home/agent"))
                .env("PI_ACP_PI_COMMAND", self.path("home/pi"))
                .env("PI_OFFLINE", "1")
                .env("PI_TELEMETRY", "0"),
            Make::Qwen => command
                .env("OPENAI_API_KEY", "not-a-key")
                .env("OPENAI_BASE_URL", self.url("/v1"))
                .env("OPENAI_MODEL", "stub-1"),
        };
        let before = env::var_os("PATH").unwrap_or_default();
        let path = [self.path("bin")]
            .into_iter()
            .chain(env::split_paths(&before));
        command
            .env(
                "PATH",
                env::join_paths(path).expect("no folder has a colon"),
            )
            .env("HOME", self.path("home"))
            .env(Folder::MARK, &self.folder);
        command
    }

    /// The real agent, in this world. It asks for permission.
    pub fn agent(&self) -> AcpBuilder {
        let command = self.command();
        let agent = AcpAgent::builder(command.get_program()).args(command.get_args());
        let set = command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)));
        let agent = set.fold(agent, |agent, (name, value)| agent.env(name, value));
        let store = FileStore::open(self.path("sessions.json")).expect("it can be read");
        agent
            .working_dir(self.path("work"))
            .store(store)
            .permissions(AcpPolicy::Ask)
            // On a busy machine all of this takes its time.
            .ready_timeout(Duration::from_secs(100))
            .abort_timeout(Duration::from_secs(20))
            .stop_grace(Duration::from_secs(2))
    }

    /// A manager of agents as this world has them.
    pub fn manager(&self) -> SessionManager<AcpAgent> {
        Self::manage(self.agent())
    }

    /// A manager of these agents.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn manage(agent: AcpBuilder) -> SessionManager<AcpAgent> {
        let timeouts = Timeouts::default()
            .start(Duration::from_secs(120))
            .abort(Duration::from_secs(30))
            .stop(Duration::from_secs(30));
        let builder = SessionManager::builder(agent.build()).timeouts(timeouts);
        builder.build().expect("a runtime is there")
    }

    /// The numbers and names of this world's processes that run.
    pub fn processes(&self) -> Vec<(u32, String)> {
        self.folder.processes()
    }

    /// None of its processes is left.
    ///
    /// # Panics
    ///
    /// If one is.
    pub fn is_empty(&self) {
        self.folder.is_empty();
    }

    /// Shuts the manager down, in good order, and nothing is left.
    ///
    /// # Panics
    ///
    /// If something is.
    pub async fn ends(self, sessions: SessionManager<AcpAgent>) {
        let report = within(sessions.shutdown(Duration::from_secs(30))).await;
        assert_eq!(report.failed, [], "{report:?}");
        assert_eq!(report.abandoned, [""; 0], "{report:?}");
        self.is_empty();
    }
}
