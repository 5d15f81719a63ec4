//! A client program: it gets commands, and its answers are awaited.

use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Where `just rmcp-clients` has installed the clients.
pub(crate) fn installed() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/rmcp-clients");
    folder
        .canonicalize()
        .expect("`just rmcp-clients` has installed the clients")
}

pub(crate) fn node() -> Command {
    Command::new(installed().join("node_modules/.bin/node"))
}

pub(crate) fn typescript() -> Command {
    // There its imports are found.
    let program = installed().join("client.mjs");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("client.mjs");
    // Tests run at once, and none may see half of it.
    let copy = installed().join(format!("client-{:?}", std::thread::current().id()));
    fs::copy(source, &copy).expect("it is copied");
    fs::rename(copy, &program).expect("it is renamed");
    let mut node = node();
    node.arg(program);
    node
}

pub(crate) fn python() -> Command {
    let mut python = Command::new(installed().join("venv/bin/python"));
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("client.py"));
    python
}

pub(crate) struct Program {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    number: u64,
    answers: HashMap<u64, Vec<String>>,
}

/// The number of a command.
pub(crate) struct Begun(u64);

impl Program {
    pub(crate) fn start(mut command: Command, url: &str) -> Self {
        let mut process = command
            .arg(url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        Self {
            input: process.stdin.take().expect("it is piped"),
            output: BufReader::new(process.stdout.take().expect("it is piped")),
            process,
            number: 0,
            answers: HashMap::new(),
        }
    }

    fn begin(&mut self, mut command: Value) -> Begun {
        self.number += 1;
        command["number"] = json!(self.number);
        writeln!(self.input, "{command}").expect("it reads");
        Begun(self.number)
    }

    pub(crate) fn begin_open(&mut self, client: &str) -> Begun {
        self.begin(json!({ "do": "open", "client": client }))
    }

    /// Begins so many calls at once.
    pub(crate) fn begin_calls(&mut self, client: &str, tool: &str, times: usize) -> Begun {
        let args = json!({ "ms": 60_000 });
        self.begin(
            json!({ "do": "call", "client": client, "tool": tool, "args": args, "times": times }),
        )
    }

    /// Waits for the answers to a command.
    pub(crate) fn answers(&mut self, begun: &Begun) -> Vec<String> {
        loop {
            if let Some(answers) = self.answers.remove(&begun.0) {
                return answers;
            }
            let mut line = String::new();
            let length = self.output.read_line(&mut line).expect("it prints text");
            assert!(length > 0, "the program has ended");
            let line: Value = serde_json::from_str(&line).expect("it prints JSON");
            let number = line["number"].as_u64().expect("a number");
            let answers = serde_json::from_value(line["answers"].clone());
            self.answers.insert(number, answers.expect("texts"));
        }
    }

    pub(crate) fn open(&mut self, client: &str) {
        let begun = self.begin_open(client);
        assert_eq!(self.answers(&begun), [""; 0]);
    }

    /// Makes so many calls of `count` at once, and returns the counts in their order.
    pub(crate) fn count(&mut self, client: &str, times: usize) -> Vec<String> {
        let begun = self.begin_calls(client, "count", times);
        self.counts(&begun)
    }

    pub(crate) fn counts(&mut self, begun: &Begun) -> Vec<String> {
        let mut answers = self.answers(begun);
        answers.sort();
        answers
    }

    /// Ends a session, with a DELETE.
    pub(crate) fn end(&mut self, client: &str) {
        let begun = self.begin(json!({ "do": "end", "client": client }));
        assert_eq!(self.answers(&begun), [""; 0]);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _ended = self.process.wait();
    }
}
