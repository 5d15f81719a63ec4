//! A process that does not outlive its test, however that ends.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, ChildStdout, Command, Stdio},
};

/// A process under a shell that kills it when this is dropped, or when the test's process has ended. Its output can be read.
#[derive(Debug)]
pub struct Family {
    shell: Child,
    pid: Pid,
    output: Option<BufReader<ChildStdout>>,
}

/// The shell's own input comes from the test and ends with it.
const SCRIPT: &str = r#"exec 3<&0; "$@" </dev/null 3<&- & echo $!; exec >&-; cat <&3 >/dev/null; kill -9 $! 2>/dev/null; wait $! 2>/dev/null"#;

impl Family {
    /// Starts `command` with its arguments.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(command: &[&str], log: Stdio) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Not by the signals of a terminal.
            .process_group(0)
            .spawn()
            .expect("there is a shell");
        let mut output = BufReader::new(shell.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output
            .read_line(&mut line)
            .expect("the shell tells the process");
        let pid = line.trim().parse().ok().and_then(Pid::from_raw);
        Self {
            shell,
            pid: pid.expect("a number"),
            output: Some(output),
        }
    }

    /// What it prints.
    ///
    /// # Panics
    ///
    /// If it has been taken before.
    pub fn output(&mut self) -> impl BufRead + Send + use<> {
        self.output.take().expect("its output is taken once")
    }

    fn signal(&self, signal: Signal) {
        // It may be dead already.
        let _ = kill_process(self.pid, signal);
    }

    /// Kills it, as a crash does.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Stops it until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
