//! The world of one test: folders that no other has, and a mark by which its processes are known.

use crate::Stub;
use serde_json::{Value, json};
use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use turnwise::{SessionManager, manager::Timeouts};
use turnwise_pi::{PiAgent, PiBuilder};

/// The variable by which processes of a world are known.
const MARK: &str = "PI_TESTS_WORLD";

/// See the module. Its folders go with its drop.
#[derive(Debug)]
pub struct World {
    /// The model's service.
    pub stub: Stub,
    folder: PathBuf,
    mark: String,
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
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{count}", std::process::id());
        let stub = Stub::new().await;
        let folder = std::env::temp_dir().join(format!("turnwise-pi-{mark}"));
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
        Self { stub, folder, mark }
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
        let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/pi");
        let node = installed.join("node_modules/.bin/node");
        let program = installed.join("package/dist/bundle/cli.js");
        assert!(
            node.exists() && program.exists(),
            "CANNOT RUN pi-tests: there is no pi in target/pi: `just pi`"
        );
        [node, program]
    }

    /// By which a pi is in this world, and so is who starts one.
    pub fn environment(&self) -> [(&'static str, PathBuf); 5] {
        [
            ("PI_CODING_AGENT_DIR", self.path("agent")),
            ("HOME", self.path("agent")),
            ("PI_OFFLINE", "1".into()),
            ("PI_TELEMETRY", "0".into()),
            (MARK, self.mark.clone().into()),
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
        let mark = format!("{MARK}={}", self.mark);
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("this is Linux").flatten() {
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let ours = environment
                .split(|byte| *byte == 0)
                .any(|set| set == mark.as_bytes());
            if let (Some(pid), true) = (pid, ours) {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                if runs(pid) {
                    found.push((pid, line));
                }
            }
        }
        found
    }

    /// None of its processes is left.
    ///
    /// # Panics
    ///
    /// If one is.
    pub fn is_empty(&self) {
        let left = self.processes();
        assert!(left.is_empty(), "left behind: {left:?}");
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

impl Drop for World {
    fn drop(&mut self) {
        // It is in the system's temporary folder. A test that failed may still have processes that write there.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Does this process run? One that is dead and not reaped does not.
pub fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| !"ZX".contains(state))
}

/// It ends, or the test fails instead of hanging.
///
/// # Panics
///
/// After four minutes.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(240);
    let ended = tokio::time::timeout(limit, future).await;
    ended.expect("it hangs")
}
