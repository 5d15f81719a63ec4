//! A command, as bytes that a shim reads. They go over a socket, where only the two can read them: an argument of the shim or its
//! environment could be read in `/proc` by others.

use super::error::GuardError;
use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    process::Command,
};

/// The program, its directory, its arguments and its environment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Carried {
    program: OsString,
    directory: Option<OsString>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Carried {
    /// Reads a command.
    pub(super) fn of(command: &mut Command) -> io::Result<Self> {
        if has_identity(command) {
            return Err(GuardError::Identity.into());
        }
        // What std puts in place of a text with a NUL, for which it has no call either: it would be run.
        const NUL: &str = "<string-with-nul>";
        let directory = command.get_current_dir().map(|path| path.into());
        let arguments: Vec<_> = command.get_args().map(OsStr::to_owned).collect();
        let mut texts = arguments.iter().chain(&directory);
        if command.get_program() == NUL || texts.any(|text| text == NUL) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut environment: Vec<_> = match is_cleared(command) {
            true => Vec::new(),
            false => std::env::vars_os().collect(),
        };
        for (name, value) in command.get_envs() {
            environment.retain(|(other, _)| other != name);
            environment.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        }
        Ok(Self {
            program: command.get_program().to_owned(),
            directory,
            arguments,
            environment,
        })
    }

    /// The same command again.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    /// A length of eight bytes, and so many more.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        let mut put = |text: &OsStr| {
            bytes.extend(text.len().to_ne_bytes());
            bytes.extend(text.as_bytes());
        };
        put(&self.program);
        // An empty directory is none that a command could run in, and fails as such.
        put(OsStr::new(if self.directory.is_some() { "d" } else { "" }));
        put(self.directory.as_deref().unwrap_or_default());
        put(OsStr::new(&self.arguments.len().to_string()));
        self.arguments.iter().for_each(|text| put(text));
        put(OsStr::new(&self.environment.len().to_string()));
        for (name, value) in &self.environment {
            put(name);
            put(value);
        }
        let length = bytes.len() as u64 - 8;
        bytes[..8].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    /// From the bytes after the length. `None` if they are not those of `encode`.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut take = || {
            let (length, rest) = bytes.split_first_chunk()?;
            let (text, rest) = rest.split_at_checked(usize::from_ne_bytes(*length))?;
            bytes = rest;
            Some(OsString::from_vec(text.to_owned()))
        };
        let program = take()?;
        let directory = (!take()?.is_empty(), take()?);
        let arguments: usize = take()?.to_str()?.parse().ok()?;
        let arguments: Vec<_> = (0..arguments).map(|_| take()).collect::<Option<_>>()?;
        let variables: usize = take()?.to_str()?.parse().ok()?;
        let variables = (0..variables).map(|_| Some((take()?, take()?)));
        Some(Self {
            environment: variables.collect::<Option<_>>()?,
            program,
            directory: directory.0.then_some(directory.1),
            arguments,
        })
    }
}

/// Is the environment of this program kept from it? std has no call for that before 1.95, yet a removal is listed only of what could
/// be inherited. The removal itself changes nothing.
fn is_cleared(command: &mut Command) -> bool {
    const NEVER: &str = "TURNWISE_IS_CLEARED";
    command.env_remove(NEVER);
    !command.get_envs().any(|(name, _)| name == NEVER)
}

/// Has it another user or group? To run it without would give it more than it should have. std has no call for that either. In its
/// debug text, lines of strings are escaped, so a line that begins so is a field of the command. A test sees whether it still is.
fn has_identity(command: &Command) -> bool {
    let text = format!("{command:#?}");
    let identity = ["    uid:", "    gid:", "    groups:"];
    text.lines()
        .any(|line| identity.iter().any(|field| line.starts_with(field)))
}

#[cfg(test)]
mod tests {
    use super::Carried;
    use std::{
        ffi::OsStr,
        os::unix::{ffi::OsStrExt, process::CommandExt},
        process::Command,
    };

    #[test]
    fn a_command_is_carried_with_all_that_it_has() {
        let mut command = Command::new("program");
        let odd = OsStr::from_bytes(b"\xff=\n");
        command
            .args([OsStr::new(""), odd])
            .env("PATH", "")
            .env("ODD", odd)
            .env_remove("HOME")
            .current_dir("");
        let carried = Carried::of(&mut command).expect("it has no identity");
        let bytes = carried.encode();
        assert_eq!(Carried::decode(&bytes[8..]).as_ref(), Some(&carried));
        for cut in (0..bytes.len() - 8).step_by(7) {
            assert_eq!(Carried::decode(&bytes[8..8 + cut]), None);
        }
        let again = carried.command();
        assert_eq!(again.get_program(), "program");
        assert!(again.get_args().eq([OsStr::new(""), odd]));
        assert_eq!(
            again.get_current_dir().map(AsRef::as_ref),
            Some(OsStr::new(""))
        );
        let has = |name: &str| carried.environment.iter().any(|(has, _)| has == name);
        assert!(has("CARGO_MANIFEST_DIR") && has("PATH") && has("ODD") && !has("HOME"));

        let mut command = Command::new("program");
        command.env("BEFORE", "").env_clear().env("ONLY", "this");
        let carried = Carried::of(&mut command).expect("it has no identity");
        assert_eq!(carried.environment, [("ONLY".into(), "this".into())]);
    }

    #[test]
    fn an_identity_is_refused() {
        let mut command = Command::new("program");
        command
            .arg("\n    uid: Some(")
            .env("uid", "0")
            .current_dir("/");
        assert!(Carried::of(&mut command).is_ok());
        assert!(Carried::of(command.uid(0)).is_err());
        let mut command = Command::new("program");
        assert!(Carried::of(command.gid(0)).is_err());
    }
}
