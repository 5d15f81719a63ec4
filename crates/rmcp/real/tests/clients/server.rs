//! The server, as a process of its own. Its sessions are in a folder.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

pub(crate) struct Server {
    process: Child,
    address: String,
    folder: PathBuf,
    args: Vec<String>,
}

impl Server {
    /// Starts it with an empty folder, named like the test.
    pub(crate) fn start(test: &str, args: &[&str]) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _old = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        let args = args.iter().map(ToString::to_string).collect();
        Self::spawn("127.0.0.1:0", folder, args)
    }

    fn spawn(address: &str, folder: PathBuf, args: Vec<String>) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_rmcp-clients"))
            .arg(format!("--store={}", folder.display()))
            .arg(format!("--listen={address}"))
            .args(&args)
            // The process keeps the other end.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut address = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        let read = BufReader::new(stdout).read_line(&mut address);
        read.expect("it prints its address");
        let address = address.trim().to_owned();
        Self {
            process,
            address,
            folder,
            args,
        }
    }

    /// Kills it, and starts another one at its address.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let (folder, args) = (self.folder.clone(), self.args.clone());
        *self = Self::spawn(&self.address, folder, args);
    }

    fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// The identifiers of the sessions in its store.
    pub(crate) fn stored(&self) -> Vec<String> {
        let files = fs::read_dir(&self.folder).expect("the folder is there");
        let names = files.map(|file| file.expect("a file").file_name());
        let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
        names.sort();
        names
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _ended = self.process.wait();
    }
}
