//! A secret out of the environment, and who finds it: this program starts itself anew to keep it.

use std::{env, error::Error, fs, os::unix::fs::PermissionsExt, process::Command};
use turnwise_process::secret;

const VARIABLE: &str = "SECRET_OF_A_TEST";
const SECRET: &str = "correct horse";
/// What a child of the same user finds of its parent.
const LOOKS: &str = r#"cat "/proc/$PPID/environ" "/proc/$PPID/cmdline" /proc/$$/environ; cat <"/dev/fd/${SECRET_OF_A_TEST_FD:-0}""#;

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).as_deref() == Some("--has-one-of") {
        let length: usize = env::args().nth(2).ok_or("no length")?.parse()?;
        let taken = secret::take(VARIABLE);
        match length {
            ..=4096 => assert_eq!(taken?.map(|taken| taken.len()), Some(length)),
            _ => assert!(taken.is_err(), "{taken:?}"),
        }
        return Ok(());
    }
    if env::args().nth(1).as_deref() == Some("--has-a-secret") {
        let taken = secret::take(VARIABLE)?;
        assert_eq!(taken.as_deref(), Some(SECRET.as_ref()));
        assert_eq!(secret::take(VARIABLE)?, None, "it is taken once");
        let found = Command::new("sh").args(["-c", LOOKS]).output()?;
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        assert!(found.contains("--has-a-secret"), "it has looked: {found}");
        assert!(!found.contains("correct"), "{found}");
        secret::close_memory();
        #[cfg(target_os = "linux")]
        assert_eq!(
            rustix::process::dumpable_behavior()?,
            rustix::process::DumpableBehavior::NotDumpable
        );
        return Ok(());
    }
    let mut again = Command::new(env::current_exe()?);
    let again = again.arg("--has-a-secret").env(VARIABLE, SECRET);
    assert!(again.status()?.success(), "see above");
    for length in [0, 4096, 4097, 100_000] {
        let mut again = Command::new(env::current_exe()?);
        again.args(["--has-one-of", &length.to_string()]);
        let again = again.env(VARIABLE, "x".repeat(length));
        assert!(again.status()?.success(), "of {length} bytes: see above");
    }
    assert_eq!(secret::take("NO_SUCH_SECRET")?, None);
    files()?;
    println!("secret: it is found by nobody else");
    Ok(())
}

fn files() -> Result<(), Box<dyn Error>> {
    let path = env::temp_dir().join(format!("turnwise-secret-{}", std::process::id()));
    let write = |text: &str, mode| {
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
    };
    write("correct horse\r\n", 0o600)?;
    assert_eq!(secret::read(&path)?, SECRET);
    write(&format!("{}\n", "x".repeat(4096)), 0o400)?;
    assert_eq!(secret::read(&path)?.len(), 4096);
    write(&"x".repeat(4097), 0o600)?;
    let error = secret::read(&path).expect_err("it is too long");
    assert!(error.to_string().contains("4096 bytes"), "{error}");
    for mode in [0o644, 0o620, 0o602] {
        write(SECRET, mode)?;
        let error = secret::read(&path).expect_err("others can reach it");
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    }
    fs::remove_file(&path)?;
    Ok(())
}
