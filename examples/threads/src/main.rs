//! Threads that share sessions by key: each takes its turn, one looks on, and at the end the registry is drained.
//!
//! `cargo run -p threads`

use std::{thread, time::Duration};
use turnwise::{EnterError, Registry, Turn};

/// Something that one caller at a time may use.
#[derive(Debug, Default)]
struct Repl {
    history: Vec<String>,
}

impl Repl {
    fn run(&mut self, line: String) -> usize {
        thread::sleep(Duration::from_millis(20)); // it is slow
        self.history.push(line);
        self.history.len()
    }
}

fn main() -> Result<(), EnterError> {
    let repls: Registry<String, Repl> = Registry::new();

    thread::scope(|scope| {
        for worker in 0..4 {
            let repls = &repls;
            scope.spawn(move || -> Result<(), EnterError> {
                for round in 0..5 {
                    let key = if (worker + round) % 2 == 0 { "a" } else { "b" };
                    let mut turn = repls.enter_blocking(key)?.or_insert_with(Repl::default);
                    let length = turn.run(format!("worker {worker}, round {round}"));
                    println!("{key}: line {length}, {:?}", Turn::ticket(&turn));
                }
                Ok(())
            });
        }
        // Nobody waits for a turn to know of it.
        for _ in 0..5 {
            thread::sleep(Duration::from_millis(15));
            for seen in repls.snapshot() {
                let status = seen.status();
                println!(
                    "  {}: {:?}, {} waiting",
                    seen.key(),
                    status.phase,
                    status.waiting
                );
            }
        }
    });

    let mut drain = repls.drain();
    while let Some(mut closing) = drain.next_blocking() {
        let lines = closing.session_mut().history.len();
        println!("closed {} after {lines} lines", closing.key());
    }
    Ok(())
}
