//! The world of one test: folders that no other has, and a mark by which its processes are known.

use processes::{Folder, Stub, installed, within};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use turnwise::{SessionManager, manager::Timeouts};
use turnwise_pi::{PiAgent, PiBuilder};

/// See the module. Its folders go with its drop.
#[derive(Debug)]
pub struct World {
    /// The model's service.
    pub stub: Stub,
    folder: Folder,
}

impl World {
    /// Whose pi asks the service once.
    pub async fn new() -> Self {
        Self::with(&json!({"retry": {"enabled": false}})).await
    }

    /// With settings of pi's own.
    ///
    /// # Panics
    ///
    /// If there is no pi, or no place for folders.
    pub async fn with(settings: &Value) -> Self {
        let (stub, folder) = (Stub::new().await, Folder::new());
        let model = json!({"id": "stub-1", "name": "Stub 1", "contextWindow": 10_000_000, "maxTokens": 4096});
        let provider = json!({"baseUrl": format!("http://127.0.0.1:{}/v1", stub.port()),
            "api": "openai-completions", "apiKey": "not-a-key", "models": [model]});
        let mut settings = settings.clone();
        settings["defaultProvider"] = "stub".into();
        settings["defaultModel"] = "stub-1".into();
        for name in ["agent", "work"] {
            fs::create_dir_all(folder.join(name)).expect("folders can be made");
        }
        let write = |name: &str, value: &Value| {
            fs::write(folder.join("agent").join(name), value.to_string())
                .expect("files can be written");
        };
        write("models.json", &json!({"providers": {"stub": provider}}));
        write("settings.json", &settings);
        Self { stub, folder }
    }

    /// A folder or file of this world.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The real pi, in this world.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pi(&self) -> PiBuilder {
        let [node, program] = Self::program();
        let pi = PiAgent::builder()
            .program(node)
            .args([&program, Path::new("--no-approve")]);
        self.environment()
            .into_iter()
            .fold(pi, |pi, (name, value)| pi.env(name, value))
            .working_dir(self.path("work"))
            .session_dir(self.path("sessions"))
            // On a busy machine it ends slowly: as chatd has it, with its stop timeout of 30 s.
            .stop_grace(Duration::from_secs(12))
    }

    /// Node, and the real pi.
    ///
    /// # Panics
    ///
    /// If they are not there.
    pub fn program() -> [PathBuf; 2] {
        ["pi/node_modules/.bin/node", "pi/package/dist/bundle/cli.js"].map(installed)
    }

    /// By which a pi is in this world, and so is who starts one.
    pub fn environment(&self) -> [(&'static str, PathBuf); 5] {
        [
            ("PI_CODING_AGENT_DIR", self.path("agent")),
            ("HOME", self.path("agent")),
            ("PI_OFFLINE", "1".into()),
            ("PI_TELEMETRY", "0".into()),
            (Folder::MARK, self.folder.0.clone()),
        ]
    }

    /// A manager of pis as this world has them.
    pub fn manager(&self) -> SessionManager<PiAgent> {
        Self::manage(self.pi())
    }

    /// A manager of these pis.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn manage(pi: PiBuilder) -> SessionManager<PiAgent> {
        // Ten at once on a busy machine take their time.
        let pi = pi
            .ready_timeout(Duration::from_secs(120))
            .health_timeout(Duration::from_secs(60));
        let timeouts = Timeouts::default()
            .start(Duration::from_secs(150))
            .abort(Duration::from_secs(30))
            .stop(Duration::from_secs(30));
        let builder = SessionManager::builder(pi.abort_timeout(Duration::from_secs(20)).build());
        builder
            .timeouts(timeouts)
            .build()
            .expect("a runtime is there")
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
    pub async fn ends(self, sessions: SessionManager<PiAgent>) {
        let report = within(sessions.shutdown(Duration::from_secs(30))).await;
        assert_eq!(report.failed, [], "{report:?}");
        assert_eq!(report.abandoned, [""; 0], "{report:?}");
        self.is_empty();
    }
}
