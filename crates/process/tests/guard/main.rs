//! Guards: what becomes of processes when their daemon, their guard, or both are killed or stopped.
//!
//! A guard is the program started again, so this program has a `main` of its own, without libtest: it runs each test in a process of
//! its own, on the main thread, several at a time. Arguments are filters. The other roles are a daemon that is to be killed, and an
//! actor that writes into a witness file every few milliseconds.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

#[cfg(target_os = "linux")]
mod deadlines;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod spawns;
#[cfg(target_os = "linux")]
mod world;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("CANNOT RUN: guards need Linux");
}

#[cfg(target_os = "linux")]
fn main() {
    use std::env;
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if env::var_os("WITHOUT_INIT").is_none() {
        if env::var_os("LATE_INIT").is_some() && env::var_os("TURNWISE_GUARD").is_some() {
            // A `main` that does something else first.
            std::thread::sleep(std::time::Duration::from_secs(600));
        }
        turnwise_process::Guard::init();
    }
    match words[..] {
        ["act", name, file] => world::act(name, file),
        ["daemon", file, limit] => world::daemon(file, limit),
        ["test", name] => harness::test(name),
        _ => harness::all(&words),
    }
}

/// As much of libtest as is needed.
#[cfg(target_os = "linux")]
mod harness {
    use super::{deadlines, faults, spawns};
    use rustix::process::{Pid, Signal, kill_process_group};
    use std::{
        env,
        fs::{self, File},
        future::Future,
        os::unix::process::CommandExt,
        path::Path,
        pin::Pin,
        process::{self, Command, ExitStatus, Stdio, exit},
        sync::Mutex,
        thread,
    };

    type Test = (&'static str, fn() -> Pin<Box<dyn Future<Output = ()>>>);

    /// `tests![module: function, ..]`
    macro_rules! tests {
        ($($module:ident: $($name:ident),+;)+) => {
            &[$($((
                concat!(stringify!($module), "::", stringify!($name)),
                || Box::pin($module::$name()),
            )),+),+]
        };
    }

    const TESTS: &[Test] = tests![
        faults:
            a_killed_daemon,
            a_stopped_daemon,
            a_killed_guard,
            a_killed_guard_of_a_stopped_daemon,
            a_stopped_guard_and_a_kill,
            a_stopped_guard_and_an_end,
            a_stopped_guard_that_goes_on,
            all_stopped_together,
            signals_to_the_guard,
            a_child_with_another_environment,
            an_orphan_that_ends_is_reaped;
        deadlines:
            renewals_keep_it,
            its_owner_sets_it,
            one_that_has_passed,
            one_that_passes_at_a_stopped_guard,
            more_than_a_socket_holds;
        spawns:
            statuses,
            errors_are_those_without_a_guard,
            a_user_is_refused,
            a_program_without_the_call,
            a_program_with_a_late_call,
            a_program_that_was_replaced,
            after_a_line,
            the_ladder,
            ends_of_pipes,
            children_that_are_kept,
            all_that_it_has_is_as_without_a_guard,
            signals_that_are_ignored_stay_so,
            a_spawn_that_is_given_up,
            the_end_of_the_runtime,
            twenty_at_once;
    ];

    /// Runs those whose name has one of these in it.
    pub(super) fn all(filters: &[&str]) {
        let filters: Vec<_> = filters
            .iter()
            .filter(|word| !word.starts_with('-'))
            .collect();
        let chosen = TESTS.iter().filter(|(name, _)| {
            filters.is_empty() || filters.iter().any(|filter| name.contains(**filter))
        });
        let chosen: Vec<_> = chosen.map(|(name, _)| *name).collect();
        if env::args().any(|word| word == "--list") {
            return chosen.iter().for_each(|name| println!("{name}: test"));
        }
        println!("\nrunning {} tests", chosen.len());
        let (queue, failed) = (Mutex::new(chosen.iter()), Mutex::new(0));
        let this = env::current_exe().expect("it has a path");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().expect("nobody panics").next();
                        let Some(name) = next else { return };
                        let (status, text) = run(&this, name);
                        if status.success() {
                            // Measurements.
                            let text = text.trim_end().replace('\n', "\n    ");
                            println!("test {name} ... ok {text}");
                        } else {
                            println!("test {name} ... FAILED: {status}\n{text}");
                            *failed.lock().expect("nobody panics") += 1;
                        }
                    }
                });
            }
        });
        let failed = failed.into_inner().expect("nobody panics");
        println!("\n{} passed; {failed} failed", chosen.len() - failed);
        exit(i32::from(failed > 0));
    }

    /// In a process of its own, which writes into a file: what a failed test leaves running would keep a pipe open. Most of that is
    /// in its group, such as a daemon that it has stopped.
    fn run(this: &Path, name: &str) -> (ExitStatus, String) {
        let path = env::temp_dir().join(format!("turnwise-{}-{name}", process::id()));
        let file = File::create(&path).expect("it can be created");
        let mut test = Command::new(this);
        test.args(["test", name]).process_group(0);
        test.stdin(Stdio::null());
        test.stderr(file.try_clone().expect("it is open"));
        let mut child = test.stdout(file).spawn().expect("it can be started");
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let status = child.wait().expect("it is ours");
        // Most tests leave nothing. Reaped just now, its number is not another's before all others were given away.
        let _ = kill_process_group(group.expect("it is not zero"), Signal::KILL);
        let text = fs::read(&path).expect("it was written");
        fs::remove_file(&path).expect("it is there");
        (status, String::from_utf8_lossy(&text).into_owned())
    }

    /// In this process.
    pub(super) fn test(name: &str) {
        let test = TESTS.iter().find(|(known, _)| *known == name);
        let (_, test) = test.expect("there is such a test");
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build();
        runtime.expect("a runtime can be made").block_on(test());
    }
}
