//! For `tests/load.py`: how many bytes the program has allocated, exactly. The resident size also counts what the allocator
//! keeps for later.

use cap::Cap;
use std::{alloc::System, env, fs, io};
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Writes the count to the file that `CHATD_LIVE_BYTES` names: now, and at each SIGUSR1.
pub(crate) async fn report() -> io::Result<()> {
    let Some(file) = env::var_os("CHATD_LIVE_BYTES") else {
        return Ok(());
    };
    let mut asked = signal(SignalKind::user_defined1())?;
    loop {
        fs::write(&file, format!("{}\n", HEAP.allocated()))?;
        asked.recv().await;
    }
}
