//! A daemon that keeps a shell for each name. `NAME COMMAND` runs a command there, `NAME !` interrupts the running one, `?` lists the
//! shells, and the end of the input ends the program. `cargo run -p embedding`, then type `a cd /tmp`, `a pwd`, `b sleep 9`, `?`, `b !`.

use std::{error::Error, time::Duration};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::{task::JoinSet, time::sleep};
use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::StopReason};
use turnwise_process::{Launcher, Lines, Process};

const ENDED: &str = "the shell has ended";

struct Shells;

struct Shell {
    process: Process,
    stdin: ChildStdin,
    output: Lines,
}

impl Backend for Shells {
    type Key = String;
    type Session = Shell;
    type Handle = ();
    type Event = String;
    type Error = Box<dyn Error + Send + Sync>;

    async fn start(
        &self,
        _: &String,
        cx: &TurnContext<String>,
    ) -> Result<(Shell, ()), Self::Error> {
        let mut process = Launcher::new().spawn(&mut Command::new("sh")).await?;
        let pipes = process.stdin.take().zip(process.lines(1 << 20));
        let (mut stdin, mut output) = pipes.ok_or(ENDED)?;
        // Errors go where the output goes. An interrupt ends a command, not the shell.
        stdin
            .write_all(b"exec 2>&1; trap : INT; echo ready\n")
            .await?;
        output.next().await.ok_or(ENDED)??;
        let (exited, session) = (process.exited(), cx.session());
        tokio::spawn(
            async move { session.discard(format!("the shell has ended: {}", exited.await)) },
        );
        Ok((
            Shell {
                process,
                stdin,
                output,
            },
            (),
        ))
    }

    fn weight(line: &String) -> usize {
        line.len()
    }

    async fn is_healthy(&self, shell: &mut Shell) -> bool {
        shell.process.is_running()
    }

    /// A shell has nothing to save, and one that is busy does not read the end of its input.
    async fn stop(&self, _: &String, mut shell: Shell, _: StopReason) -> Result<(), Self::Error> {
        shell.process.kill().await; // with everything that it started
        Ok(())
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
    ) -> Result<(), Self::Error> {
        let mark = format!("done-{}", cx.ticket());
        let input = format!("{command}\necho {mark}\n");
        let interrupt = async {
            cx.cancelled().await;
            // Each one ends one command, and the message may have several.
            loop {
                shell.process.interrupt();
                sleep(Duration::from_millis(20)).await;
            }
        };
        // Both at once: the shell may print more than a pipe holds before it has read all.
        let write = async { Ok::<_, Self::Error>(shell.stdin.write_all(input.as_bytes()).await?) };
        let read = async {
            while let Some(line) = shell.output.next().await {
                let line = String::from_utf8_lossy(&line?).into_owned();
                match line.strip_suffix(&mark) {
                    Some("") => return Ok(()),
                    Some(rest) => {
                        cx.send(rest.to_owned()).await;
                        return Ok(());
                    }
                    None => cx.send(line).await, // waits for a slow reader
                }
            }
            Err(ENDED.into())
        };
        let done = tokio::select! {
            biased;
            never = interrupt => never,
            done = async { tokio::try_join!(write, read) } => done,
        };
        if let Err(error) = &done {
            cx.session().discard(error.to_string()); // the next message gets a new shell
        } else if cx.is_cancelled() {
            return Err("it was interrupted".into()); // the sender gets `Aborted`, and the shell goes on
        }
        done.map(|_| ())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let shells = SessionManager::builder(Shells)
        .stop_idle_after(Duration::from_secs(600))
        .build()?;
    let mut printers = JoinSet::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match line.split_once(' ') {
            None if line == "?" => {
                for (name, status) in shells.snapshot() {
                    println!(
                        "{name}: {:?} for {:?}, {} waiting",
                        status.phase, status.elapsed, status.waiting
                    );
                }
            }
            Some((name, "!")) => println!("{name}: aborting: {}", shells.abort(name, None)),
            Some((name, command)) => {
                // This call joins the queue, so commands run in the order in which they were typed.
                let mut sending = shells.send_message(name, command.to_owned());
                let name = name.to_owned();
                printers.spawn(async move {
                    while let Some(event) = sending.next_event().await {
                        println!("{name}> {event:?}");
                    }
                    println!("{name}: {:?}", sending.await);
                });
            }
            None => println!("NAME COMMAND, NAME !, or ?"),
        }
        while printers.try_join_next().is_some() {}
    }
    println!("{:?}", shells.shutdown(Duration::from_secs(5)).await);
    printers.join_all().await; // a shutdown does not wait for those who read answers
    Ok(())
}
