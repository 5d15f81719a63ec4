//! A daemon that keeps a shell for each name: `NAME COMMAND` runs a command there, `?` lists the shells, and the end of
//! the input ends it. `cargo run -p embedding`, then type `a cd /tmp`, `a pwd`, `b sleep 9`, `?`.

use std::{io, process::Stdio, time::Duration};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use turnwise::{Agent, Backend, SessionManager, TurnContext};

struct Shells;

struct Shell(Child, ChildStdin, Lines<BufReader<ChildStdout>>);

impl Backend for Shells {
    type Key = String;
    type Session = Shell;
    type Handle = ();
    type Event = String;
    type Error = io::Error;

    async fn start(&self, _name: &String, _: &TurnContext<Self::Event>) -> io::Result<(Shell, ())> {
        let mut command = Command::new("sh");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (stdin, stdout) = stdin.zip(stdout).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok((Shell(child, stdin, BufReader::new(stdout).lines()), ()))
    }

    async fn is_healthy(&self, shell: &mut Shell) -> bool {
        matches!(shell.0.try_wait(), Ok(None))
    }
}

impl Agent for Shells {
    type Message = String;
    type Reply = ();

    async fn send(
        &self,
        shell: &mut Shell,
        command: String,
        cx: &TurnContext<String>,
    ) -> io::Result<()> {
        shell
            .1
            .write_all(format!("{command}\necho; echo done-{}\n", cx.ticket()).as_bytes())
            .await?;
        while let Some(line) = shell.2.next_line().await? {
            if line == format!("done-{}", cx.ticket()) {
                return Ok(());
            }
            cx.send(line).await; // waits for a slow reader
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shells = SessionManager::builder(Shells)
        .stop_idle_after(Duration::from_secs(600))
        .build()?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if line == "?" {
            for (name, status) in shells.snapshot() {
                println!(
                    "{name}: {:?} for {:?}, {} waiting",
                    status.phase, status.elapsed, status.waiting
                );
            }
        } else if let Some((name, command)) = line.split_once(' ') {
            // This call joins the queue, so commands run in the order in which they were typed.
            let (name, mut sending) = (
                name.to_owned(),
                shells.send_message(name, command.to_owned()),
            );
            tokio::spawn(async move {
                while let Some(event) = sending.next_event().await {
                    println!("{name}> {event:?}");
                }
                println!("{name}: {:?}", sending.await);
            });
        }
    }
    println!("{:?}", shells.shutdown(Duration::from_secs(5)).await);
    Ok(())
}
