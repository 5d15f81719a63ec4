//! The guard and the shim: the program, started again with a mark in its environment.
//!
//! | | daemon | guard | shim, then the process |
//! |---|---|---|---|
//! | parent | | the daemon | the guard |
//! | process group | its own | its own | its own |
//! | stdin | | orders from the daemon, reports to it | the command, then the pipe of the process |
//! | stdout | | the shim's stdin, then nothing | nothing, then the pipe of the process |
//!
//! The guard never has a pipe of the process, nor its secrets. It writes two short reports into a socket that holds hundreds, and
//! never waits for the daemon.

use super::{
    BootTime,
    carry::Carried,
    family,
    wire::{Order, Report, receive_with},
};
use crate::leftovers::{self, Children, Mark};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::{
        Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, getppid, kill_process_group, nice,
        pidfd_open, set_parent_process_death_signal, waitid,
    },
    stdio,
    thread::{gettid, set_name},
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
use std::{
    env,
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Command, Stdio, exit},
    sync::atomic::{AtomicBool, Ordering},
};
use tokio::signal::unix::{SignalKind, signal};

/// The mark. Its value is the role, the number of the parent, and of a guard the mark of its process.
pub(super) const ASKED: &str = "TURNWISE_GUARD";

/// The file that this program runs from, whatever has its name by now.
pub(super) const PROGRAM: &str = "/proc/self/exe";

/// What the shim writes when only the `exec` is left. The errno of a failure follows.
pub(super) const EXECUTES: u8 = 1;

/// An orphan that has ended need not be reaped earlier.
const SOON: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};

static IS_INITIALIZED: AtomicBool = AtomicBool::new(false);

pub(super) fn is_initialized() -> bool {
    IS_INITIALIZED.load(Ordering::Relaxed)
}

/// See [`super::Guard::init`].
pub(super) fn init() {
    let is_main = gettid() == getpid();
    let Some(asked) = env::var_os(ASKED) else {
        IS_INITIALIZED.fetch_or(is_main, Ordering::Relaxed);
        return;
    };
    let asked = asked.to_string_lossy();
    let mut words = asked.splitn(3, ' ');
    let role = words.next().unwrap_or_default();
    let parent: Option<i32> = words.next().and_then(|pid| pid.parse().ok());
    // With another parent, its own is gone, and nobody wants it. If the mark came here by mistake, this says so.
    let is_wanted = is_main && parent == getppid().map(Pid::as_raw_pid);
    match (role, words.next().and_then(|mark| mark.split_once('='))) {
        ("guard", Some((name, value))) if is_wanted => guard(&Mark {
            name: name.into(),
            value: value.into(),
        }),
        ("shim", None) if is_wanted => drop(shim(parent)),
        _ => eprintln!("{ASKED} is set, and this program was not started as a guard"),
    }
    // Not back to `main`, whatever happened.
    exit(1);
}

fn guard(mark: &Mark) {
    let control = stdio::stdin();
    match Ward::begin(mark) {
        Ok(ward) => {
            let ready = Report::Ready(ward.pid.as_raw_pid());
            let sent = ready.send(control, &[ward.process.as_fd()]);
            // An error here, which no system is known to give, ends the guard, and that ends the process.
            let _ = sent.and_then(|()| ward.watch());
        }
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(Errno::IO.raw_os_error());
            let _ = Report::Failed(errno).send(control, &[]);
        }
    }
}

/// The process, from the side of its guard. It is never reaped here: so its number stays its own, and that of its group.
struct Ward {
    pid: Pid,
    process: OwnedFd,
    children: Children,
    /// On CLOCK_BOOTTIME, so that it expires at once after a suspend; a timeout of `poll` would not have counted that.
    timer: OwnedFd,
}

impl Ward {
    fn begin(mark: &Mark) -> io::Result<Self> {
        heed_no_signals()?;
        // What `ps` and `killall` see instead of `exe`.
        set_name(c"turnwise-guard")?;
        let start = stdio::stdout().try_clone_to_owned()?;
        let mut command = Command::new(PROGRAM);
        command
            .arg0("turnwise-guard-shim")
            .env(ASKED, format!("shim {}", std::process::id()))
            .env(&*mark.name, &*mark.value)
            .stdin(start)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let shim = command.spawn()?;
        // With the command goes the last copy of the shim's socket here: its end must reach the daemon.
        drop(command);
        stdio::dup2_stdout(File::open("/dev/null")?)?;
        // While the shim waits for its command, and nothing of the process runs.
        family::adopt();
        // It would keep a file system busy.
        env::set_current_dir("/")?;
        let pid = i32::try_from(shim.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(Errno::SRCH)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self {
            pid,
            process: pidfd_open(pid, PidfdFlags::empty())?,
            children: Children {
                mark: mark.clone(),
                group: Some(shim.id()),
                cgroup: None,
            },
            timer: timerfd_create(TimerfdClockId::Boottime, flags)?,
        })
    }

    /// Until the daemon lets go. The first deadline comes before the command, so until then nothing acts.
    fn watch(&self) -> io::Result<()> {
        let control = stdio::stdin();
        let mut until = None;
        let mut has_ended = false;
        loop {
            // The first act after each pause, of the guard or of the machine.
            match orders(control, &mut until) {
                Orders::Stands => {}
                Orders::Released { keep } => {
                    // By their mark, the daemon has ended them. These have another environment.
                    if !keep {
                        family::end();
                    }
                    return Ok(());
                }
                Orders::Over => break,
            }
            if let Some(until) = until {
                self.alarm(until)?;
            }
            if !has_ended && self.report()? {
                has_ended = true;
            }
            // SIGCHLD ends the wait at the death of an orphan. One that dies before the wait is reaped later.
            let again = family::reap(self.pid).then_some(&SOON);
            let mut files = vec![
                PollFd::new(&control, PollFlags::IN),
                PollFd::new(&self.timer, PollFlags::IN),
            ];
            if !has_ended {
                files.push(PollFd::new(&self.process, PollFlags::IN));
            }
            match poll(&mut files, again) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
        family::end();
        // What is marked and no descendant. With many guards, this takes long: those that have their descendants before them go first.
        let _ = nice(10);
        leftovers::end(&self.children);
        if !has_ended {
            self.report()?;
        }
        Ok(())
    }

    /// Sets the timer.
    fn alarm(&self, until: BootTime) -> io::Result<()> {
        let (billion, nanos) = (1_000_000_000, until.to_nanos());
        let at = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: (nanos / billion) as i64,
                // Not zero, which would set no timer.
                tv_nsec: (nanos % billion).max(1) as i64,
            },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &at)?;
        Ok(())
    }

    /// Reports the end of the process, if it has ended.
    fn report(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let Some(status) = waitid(WaitId::PidFd(self.process.as_fd()), options)? else {
            return Ok(false);
        };
        // As `wait` gives it: that is what std can read.
        let status = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => (code & 0xff) << 8,
            (_, signal) => signal.unwrap_or(0) | i32::from(status.dumped()) << 7,
        };
        // The daemon may be gone.
        let _ = Report::Ended(status).send(stdio::stdin(), &[]);
        Ok(true)
    }
}

enum Orders {
    Stands,
    Released {
        keep: bool,
    },
    /// The deadline has passed, or the daemon is gone.
    Over,
}

/// Reads all orders that are there, and then the clock. Each deadline must have been made before the last one passed. So a guard that
/// was stopped alone, while its daemon went on, finds an unbroken row; and after a pause of both, the daemon may be the first to run
/// again, and prolongs nothing.
///
/// A guard that is stopped for a quarter of an hour has a full socket, and a row that is broken at its end: the process is killed,
/// which is the safe side.
fn orders(control: impl AsFd, until: &mut Option<BootTime>) -> Orders {
    loop {
        match Order::receive(&control) {
            Ok(Order::Renew(term)) if until.is_none_or(|until| term.made < until) => {
                *until = Some(term.until);
            }
            Ok(Order::Release { keep }) => return Orders::Released { keep },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Ok(Order::Renew(_)) | Err(_) => return Orders::Over,
        }
    }
    match until {
        Some(until) if *until <= BootTime::now() => Orders::Over,
        _ => Orders::Stands,
    }
}

/// The signals that are sent to every process of a service when it is to end. The daemon ends its processes in its own way then,
/// and the guard is there until it has. tokio's handlers stay when the runtime is gone. They are not inherited, as ignored signals
/// would be. A signal that the daemon ignores stays ignored, in its processes too.
fn heed_no_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_io().build()?;
    let _inside = runtime.enter();
    // This one wakes the guard, which reaps its orphans.
    drop(signal(SignalKind::child())?);
    let ignored = ignored();
    let kinds = [
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::quit(),
        SignalKind::terminate(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
    ];
    for kind in kinds {
        if ignored & (1 << (kind.as_raw_value() - 1)) == 0 {
            drop(signal(kind)?);
        }
    }
    Ok(())
}

/// The signals that were ignored when this process was started, one bit each. Zero without a `/proc`.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Becomes the process. Returns if it cannot.
fn shim(guard: Option<i32>) -> Option<()> {
    // First the wish, then the look: a guard that ends in between is seen, one that ends later kills this.
    set_parent_process_death_signal(Some(Signal::KILL)).ok()?;
    if getppid().map(Pid::as_raw_pid) != guard {
        return None;
    }
    // A copy, which `exec` closes: the program's stdin takes its place.
    let start = stdio::stdin().try_clone_to_owned().ok()?;
    let mut length = [0; 8];
    // The descriptors come with the first byte.
    let (read, files) = receive_with(&start, &mut length).ok()?;
    let [stdin, stdout, stderr] = <[OwnedFd; 3]>::try_from(files).ok()?;
    let mut start = File::from(start);
    start.read_exact(length.get_mut(read..)?).ok()?;
    let mut bytes = Vec::new();
    let length = u64::from_ne_bytes(length);
    (&start).take(length).read_to_end(&mut bytes).ok()?;
    let mut command = Carried::decode(&bytes)?.command();
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    start.write_all(&[EXECUTES]).ok()?;
    let error = command.exec();
    // An error without a number is that of a string with a NUL.
    let errno = error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error());
    start.write_all(&errno.to_ne_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::{BootTime, Order, Orders, orders};
    use crate::guard::deadline::Term;
    use std::{os::unix::net::UnixStream, time::Duration};

    /// What a guard does that reads these at once, and the deadline that it has then.
    fn read(terms: &[Term], until: &mut Option<BootTime>) -> Orders {
        let (daemon, guard) = UnixStream::pair().expect("it can be made");
        for term in terms {
            Order::Renew(*term).send(&daemon).expect("there is room");
        }
        orders(&guard, until)
    }

    #[test]
    fn a_row_of_deadlines_is_unbroken_or_over() {
        let second = Duration::from_secs(1);
        // One each nine seconds, of ten seconds each. Far ahead, as the machine may have been started just now.
        let row: Vec<Term> = (0..10)
            .map(|number| BootTime::now() + second * (600 + number * 9))
            .map(|made| Term {
                made,
                until: made + second * 10,
            })
            .collect();
        let mut until = None;
        assert!(matches!(read(&row, &mut until), Orders::Stands));
        assert_eq!(until, Some(row[9].until));
        // One is missing: it was not made in time.
        let broken = [&row[..5], &row[6..]].concat();
        assert!(matches!(read(&broken, &mut None), Orders::Over));
        // The next one was made in the very moment at which the last one passed.
        let mut until = Some(row[9].made);
        assert!(matches!(read(&row[9..], &mut until), Orders::Over));
        // None came since.
        let now = Term::new(BootTime::now());
        assert!(matches!(read(&[now], &mut None), Orders::Over));
        // Its end is heard after what was sent before.
        let (daemon, guard) = UnixStream::pair().expect("it can be made");
        assert!(matches!(orders(&guard, &mut None), Orders::Stands));
        let release = Order::Release { keep: true };
        release.send(&daemon).expect("there is room");
        drop(daemon);
        let read = orders(&guard, &mut None);
        assert!(matches!(read, Orders::Released { keep: true }));
        assert!(matches!(orders(&guard, &mut None), Orders::Over));
    }
}
