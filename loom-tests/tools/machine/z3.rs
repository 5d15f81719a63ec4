//! The program z3, which reads SMT-LIB.

use std::{
    collections::VecDeque,
    io::Write,
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

/// Without a search for models of quantified formulas: what is to be unsatisfiable is so by instances alone, in milliseconds.
pub(crate) const BY_INSTANCES: &str =
    "(set-option :auto_config false)\n(set-option :smt.mbqi false)\n";

/// How many seconds one question may take. It takes less than one, but the machine may be busy.
const LIMIT: u32 = 60;

/// The lines of the answer.
pub(crate) fn z3(question: &str) -> Result<Vec<String>, String> {
    let mut child = Command::new("z3")
        .args(["-in", &format!("-T:{LIMIT}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("z3: {error}"))?;
    let mut input = child.stdin.take().expect("it is piped");
    // It ends early at its limit; then its answer says so.
    let writer = {
        let question = question.to_owned();
        thread::spawn(move || drop(input.write_all(question.as_bytes())))
    };
    let output = child
        .wait_with_output()
        .map_err(|error| format!("z3: {error}"))?;
    drop(writer.join());
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().find(|line| line.contains("(error")) {
        Some(error) => Err(format!("z3: {error}")),
        None => Ok(text.lines().map(str::to_owned).collect()),
    }
}

/// Does the work for each of `all`, on as many threads as there are processors. The results are in the order of `all`.
pub(crate) fn on_all<T: Send, R: Send>(
    all: Vec<T>,
    work: impl Fn(T) -> Result<R, String> + Sync,
) -> Result<Vec<R>, String> {
    let left: VecDeque<(usize, T)> = all.into_iter().enumerate().collect();
    let (left, done) = (Mutex::new(left), Mutex::new(Vec::new()));
    let next = || left.lock().expect("nobody panics with it").pop_front();
    let take = || {
        while let Some((index, one)) = next() {
            let result = work(one);
            done.lock()
                .expect("nobody panics with it")
                .push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(take);
        }
    });
    let mut done = done.into_inner().expect("nobody panics with it");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
