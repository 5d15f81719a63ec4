//! What callgrind counts in one run of this program.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, env, error::Error, fs, path::Path, process::Command};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) instructions: f64,
    /// Atomic read-modify-writes: each is an instruction that locks its cache line.
    pub(crate) locked: f64,
    pub(crate) allocations: f64,
}

impl Counts {
    /// What each of so many `acts` more than in `before` takes.
    pub(crate) fn since(self, before: &Self, acts: u64) -> Self {
        let each = |more: f64| (more / acts as f64).round();
        Self {
            instructions: each(self.instructions - before.instructions),
            locked: each(self.locked - before.locked),
            allocations: each(self.allocations - before.allocations),
        }
    }
}

pub(crate) fn fail<T>(why: &str) -> Result<T, Box<dyn Error>> {
    Err(format!("CANNOT RUN bench-gate: {why}").into())
}

/// Runs this program with these arguments under callgrind.
pub(crate) fn count(args: &[&str]) -> Result<Counts, Box<dyn Error>> {
    let program = env::current_exe()?;
    let output = program.with_extension("callgrind");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--dump-instr=yes"]);
    valgrind.args(["--compress-strings=no", "--compress-pos=no"]);
    valgrind.arg(format!("--callgrind-out-file={}", output.display()));
    valgrind.arg(&program).arg("--run").args(args);
    let Ok(ran) = valgrind.output() else {
        return fail("valgrind is not installed");
    };
    if !ran.status.success() {
        return Err(String::from_utf8_lossy(&ran.stderr).into());
    }
    let locked = locked(&program)?;
    let profile = fs::read_to_string(output)?;
    let mut counts = Counts {
        instructions: 0.0,
        locked: 0.0,
        allocations: allocations(&profile),
    };
    for (object, address, times) in executed(&profile) {
        counts.instructions += times;
        if Path::new(object) == program && locked.contains(&address) {
            counts.locked += times;
        }
    }
    Ok(counts)
}

/// The addresses of all instructions that lock a cache line: those with the prefix, and an exchange with memory, which
/// needs none.
fn locked(program: &Path) -> Result<BTreeSet<u64>, Box<dyn Error>> {
    let mut objdump = Command::new("objdump");
    objdump.args(["--disassemble", "--no-show-raw-insn"]);
    let Ok(output) = objdump.arg(program).output() else {
        return fail("objdump is not installed");
    };
    let text = String::from_utf8(output.stdout)?;
    let locked = text.lines().filter_map(|line| {
        let (address, instruction) = line.split_once(":\t")?;
        let exchange = instruction.starts_with("xchg") && instruction.contains('(');
        let locks = instruction.starts_with("lock ") || exchange;
        locks.then(|| u64::from_str_radix(address.trim(), 16).ok())?
    });
    Ok(locked.collect())
}

/// Object, address in its file, and count of each instruction that ran.
fn executed(profile: &str) -> impl Iterator<Item = (&str, u64, f64)> {
    let (mut object, mut call) = ("", false);
    profile.lines().filter_map(move |line| {
        if let Some(name) = line.strip_prefix("ob=") {
            object = name;
        }
        // The line after a call has the costs of the callee, which are counted there.
        let of_callee = call;
        call = line.starts_with("calls=");
        let mut words = line.split(' ');
        let address = words.next()?.strip_prefix("0x").filter(|_| !of_callee)?;
        let address = u64::from_str_radix(address, 16).ok()?;
        let times = words.nth(1)?.parse().ok()?;
        Some((object, address, times))
    })
}

/// How often memory was allocated: the calls of libc's functions for it.
fn allocations(profile: &str) -> f64 {
    const ALLOCATE: [&str; 5] = [
        "malloc",
        "calloc",
        "realloc",
        "posix_memalign",
        "aligned_alloc",
    ];
    let mut allocates = false;
    let calls = profile.lines().filter_map(|line| {
        if let Some(name) = line.strip_prefix("cfn=") {
            allocates = ALLOCATE.contains(&name);
        }
        let count = line.strip_prefix("calls=")?.split(' ').next()?;
        count.parse::<f64>().ok().filter(|_| allocates)
    });
    calls.sum()
}
