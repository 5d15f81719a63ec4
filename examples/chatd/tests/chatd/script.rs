//! An agent that is a shell script in pi's place. Most are no pi: their starts fail, with what they write.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

/// Asks as the message says, and answers with what it is answered.
pub(crate) const ASKS: &str = r#"
while [ "$1" != --session-id ]; do shift; done
name=$2
ask() { printf '{"type":"extension_ui_request","id":"q","method":%s}\n' "$1"; }
while read -r line; do
  id=${line#*\"id\":\"}; id=${id%%\"*}
  answer() { printf '{"type":"response","id":"%s","success":true%s}\n' "$id" "$1"; }
  case $line in
  *\"get_state\"*) answer ",\"data\":{\"sessionId\":\"$name\"}" ;;
  *\"prompt\"*)
    answer; printf '{"type":"agent_start"}\n'
    case $line in
    *'"message":"confirm"'*) ask '"confirm","title":"Sure?","message":"Really?"' ;;
    *'"message":"input"'*) ask '"input","title":"Name?","placeholder":"Ann"' ;;
    *'"message":"long"'*) ask "\"select\",\"title\":\"Long?\",\"options\":[\"$(head -c 4000 /dev/zero | tr '\0' x)\"]" ;;
    *) ask '"select","title":"<b>Run \u001b[2J?</b>","options":["Allow","Deny"]' ;;
    esac
    read -r got
    got=$(printf %s "$got" | tr -d '\\"{}' | cut -c 1-300)
    printf '{"type":"message_update","assistantMessageEvent":{"type":"text_delta","delta":"%s"}}\n' "$got"
    printf '{"type":"message_end","message":{"role":"assistant","content":[{"type":"text","text":"%s"}],"stopReason":"stop"}}\n' "$got"
    printf '{"type":"agent_settled"}\n' ;;
  *) answer ;;
  esac
done"#;

/// Its folder, which goes with it.
pub(crate) struct Script {
    folder: PathBuf,
}

impl Script {
    /// `name` tells the folder from those of other tests.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("chatd-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let agent = folder.join("agent");
        fs::write(&agent, format!("#!/bin/sh\n{text}\n")).expect("a script");
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).expect("it may be run");
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        let path = self.folder.join(name);
        path.to_str().expect("it is UTF-8").to_owned()
    }

    /// The daemon's arguments for it, and more.
    pub(crate) fn args(&self, more: &[&str]) -> Vec<String> {
        let (program, sessions) = (self.path("agent"), self.path("sessions"));
        let pi = ["--agent", "pi", "--pi-program", &program];
        let pi = pi.into_iter().chain(["--pi-session-dir", &sessions]);
        pi.chain(more.iter().copied()).map(str::to_owned).collect()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// As `Daemon` takes them.
pub(crate) fn borrowed(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}
