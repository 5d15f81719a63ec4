//! An output of the daemon, which may be held (Ctrl-S), or read by nobody. Nothing waits for it: what is written stands in a
//! queue of a bounded size, and a thread of its own takes it from there. What finds no room is lost, and counted.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

/// Bytes that wait. A report, or the longest reply that a person reads, has room.
const MOST: usize = 1 << 20;
/// Bytes that are written at once: what a pipe takes whole, or not yet.
const CHUNK: usize = 4096;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Output(Arc<Shared>);

struct Shared {
    /// What a piece of it is called, in the plural.
    pieces: &'static str,
    /// Held for a copy of a piece or of a chunk, and for nothing else.
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    bytes: VecDeque<u8>,
    /// A chunk is on its way.
    writing: bool,
    /// Pieces, in all, and since the last note of it.
    lost: u64,
    untold: u64,
}

impl Output {
    /// # Errors
    ///
    /// If there is no thread for it.
    pub(crate) fn start(pieces: &'static str, to: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            pieces,
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        let output = Self(Arc::clone(&shared));
        thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || shared.write_on(to))?;
        Ok(output)
    }

    /// The whole piece, or nothing of it. Waits for nothing.
    pub(crate) fn put(&self, piece: &str) {
        let mut queue = self.0.lock();
        if !self.0.push(&mut queue, piece) {
            queue.lost += 1;
            queue.untold += 1;
        }
    }

    /// The same, but waits for room until the deadline. Blocks.
    pub(crate) fn put_by(&self, piece: &str, deadline: Instant) {
        let mut queue = self.0.lock();
        while !self.0.push(&mut queue, piece) {
            let Some(next) = self.0.wait(queue, deadline) else {
                return self.put(piece);
            };
            queue = next;
        }
    }

    /// Waits until all is written, at most until the deadline. Blocks.
    pub(crate) fn finish(&self, deadline: Instant) {
        let mut queue = self.0.lock();
        while !queue.bytes.is_empty() || queue.writing || queue.untold > 0 {
            let Some(next) = self.0.wait(queue, deadline) else {
                return;
            };
            queue = next;
        }
    }

    /// How much was lost, in words, if anything was.
    pub(crate) fn lost(&self) -> Option<String> {
        let lost = self.0.lock().lost;
        (lost > 0).then(|| format!("{lost} {}", self.0.pieces))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` once the deadline is over.
    fn wait<'a>(
        &self,
        queue: MutexGuard<'a, Queue>,
        deadline: Instant,
    ) -> Option<MutexGuard<'a, Queue>> {
        let left = deadline.checked_duration_since(Instant::now())?;
        let waited = self.changed.wait_timeout(queue, left);
        Some(waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// `false` if there is no room. A note of what was lost goes before the piece.
    fn push(&self, queue: &mut Queue, piece: &str) -> bool {
        let note = self.note(queue);
        if queue.bytes.len() + note.len() + piece.len() > MOST {
            return false;
        }
        queue.bytes.extend(note.bytes().chain(piece.bytes()));
        queue.untold = 0;
        self.changed.notify_all();
        true
    }

    fn note(&self, queue: &Queue) -> String {
        match queue.untold {
            0 => String::new(),
            lost => format!("\n(chatd: {lost} {} were lost)\n", self.pieces),
        }
    }

    /// Until the end of the program.
    fn write_on(&self, mut to: impl Write) {
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            self.next(&mut chunk);
            // What cannot be written is not.
            drop(to.write_all(&chunk).and_then(|()| to.flush()));
        }
    }

    fn next(&self, chunk: &mut Vec<u8>) {
        let mut queue = self.lock();
        queue.writing = false;
        self.changed.notify_all();
        while !self.push_note(&mut queue) && queue.bytes.is_empty() {
            let waited = self.changed.wait(queue);
            queue = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let size = CHUNK.min(queue.bytes.len());
        chunk.clear();
        chunk.extend(queue.bytes.drain(..size));
        queue.writing = true;
    }

    /// Once all that came before the loss is written.
    fn push_note(&self, queue: &mut Queue) -> bool {
        queue.bytes.is_empty() && queue.untold > 0 && self.push(queue, "")
    }
}

/// For who writes lines and nothing else: each call is a piece.
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, time::Duration};

    const PATIENCE: Duration = Duration::from_secs(240);

    /// Takes a chunk when the test does.
    struct Held(mpsc::SyncSender<Vec<u8>>);

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let sent = self.0.send(bytes.to_vec());
            sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn held() -> (Output, mpsc::Receiver<Vec<u8>>) {
        let (sender, chunks) = mpsc::sync_channel(0);
        let output = Output::start("lines", Held(sender)).expect("there is a thread");
        (output, chunks)
    }

    #[test]
    fn what_finds_no_room_is_lost_and_counted() {
        let (output, chunks) = held();
        let line = format!("{}\n", "x".repeat(999));
        for _ in 0..2000 {
            output.put(&line);
        }
        // At most the queue and the chunk on its way.
        let kept = (MOST + CHUNK) / line.len();
        let lost = 2000 - kept as u64;
        let told = output.lost().expect("some are lost");
        let told: u64 = told
            .strip_suffix(" lines")
            .and_then(|n| n.parse().ok())
            .expect("a number");
        assert!((lost..=lost + 5).contains(&told), "{told}, {lost}");
        let before = Instant::now();
        output.finish(before);
        output.put_by(&line, before);

        // Once it can write again, it says so by itself.
        let note = format!("\n(chatd: {} lines were lost)\n", told + 1);
        let mut text = Vec::new();
        while !text.ends_with(note.as_bytes()) {
            text.extend(chunks.recv_timeout(PATIENCE).expect("it writes on"));
        }
        assert_eq!(text.len() - note.len(), (2000 - told as usize) * line.len());
        output.put("next\n");
        assert_eq!(chunks.recv_timeout(PATIENCE).expect("it writes"), b"next\n");
        output.finish(Instant::now() + PATIENCE);
    }

    #[test]
    fn an_output_that_is_gone_holds_nothing() {
        let (output, chunks) = held();
        drop(chunks);
        for _ in 0..2000 {
            output.put_by(&"x".repeat(1000), Instant::now() + PATIENCE);
        }
        output.finish(Instant::now() + PATIENCE);
        assert_eq!(output.lost(), None);
    }
}
