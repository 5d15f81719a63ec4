//! A SQLite connection for each tenant, of which a few are open at a time. Several threads insert numbers; each insert is a short
//! transaction on the tenant's connection, which is opened first if it must be.

pub mod by_hand;
pub mod crates;
pub mod databases;
pub mod ours;
pub mod table;

use databases::Databases;
use std::{
    collections::HashSet,
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How many connections may be open at a time.
pub const LIMIT: usize = 4;

/// Why an insert failed.
pub type Failed = Box<dyn Error + Send + Sync>;

/// A way to keep the connections.
pub trait Contender: Send + Sync {
    /// Inserts a number by the tenant's connection.
    ///
    /// # Errors
    ///
    /// The insert failed, or the connection could not be opened.
    fn insert(&self, tenant: usize, number: u32) -> Result<(), Failed>;
}

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many tenants there are.
    pub tenants: usize,
    /// How many threads insert.
    pub threads: u32,
    /// How many numbers all threads insert together.
    pub inserts: u32,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Inserts that were reported as done.
    pub done: usize,
    /// Inserts with an error, and those that panicked.
    pub failed: usize,
    /// Those that were reported as done and are not in the file.
    pub lost: usize,
    /// The most connections of one tenant that were open at once.
    pub of_one: usize,
    /// The most connections that were open at once.
    pub in_all: usize,
    /// How often a connection was opened.
    pub opened: usize,
    /// How long all inserts took.
    pub took: Duration,
    /// The first error.
    pub error: Option<String>,
}

/// Runs one contender on files of its own.
///
/// # Panics
///
/// If the files cannot be created or read.
pub fn run(
    load: Load,
    busy_timeout: Duration,
    build: &dyn Fn(Arc<Databases>) -> Box<dyn Contender>,
) -> Outcome {
    let databases = Databases::create(load.tenants, busy_timeout);
    let contender = build(Arc::clone(&databases));
    let begun = Instant::now();
    let (done, errors) = thread::scope(|scope| {
        let threads: Vec<_> = (0..load.threads)
            .map(|thread| {
                let contender = &*contender;
                scope.spawn(move || inserts(load, thread, contender))
            })
            .collect();
        let mut all = (Vec::new(), Vec::new());
        for thread in threads {
            let (done, errors) = thread.join().expect("panics are caught");
            all.0.extend(done);
            all.1.extend(errors);
        }
        all
    });
    let took = begun.elapsed();
    drop(contender);
    let (of_one, in_all) = databases.most_open();
    Outcome {
        done: done.len(),
        failed: errors.len(),
        lost: lost(&databases, load.tenants, &done),
        of_one,
        in_all,
        opened: databases.opened(),
        took,
        error: errors.into_iter().next(),
    }
}

type Inserted = (Vec<(usize, u32)>, Vec<String>);

/// Those of one thread. The tenants are in an order that looks random and is the same for all contenders.
fn inserts(load: Load, thread: u32, contender: &dyn Contender) -> Inserted {
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    let mut state = u64::from(thread) + 1;
    for number in (thread..load.inserts).step_by(load.threads as usize) {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        let tenant = (state >> 33) as usize % load.tenants;
        let insert = catch_unwind(AssertUnwindSafe(|| contender.insert(tenant, number)));
        match insert {
            Ok(Ok(())) => done.push((tenant, number)),
            Ok(Err(error)) => errors.push(error.to_string()),
            Err(_) => errors.push("it panicked".to_owned()),
        }
    }
    (done, errors)
}

fn lost(databases: &Databases, tenants: usize, done: &[(usize, u32)]) -> usize {
    let stored: HashSet<(usize, u32)> = (0..tenants)
        .flat_map(|tenant| {
            let numbers = databases.numbers(tenant).expect("the file can be read");
            numbers.into_iter().map(move |number| (tenant, number))
        })
        .collect();
    done.iter().filter(|pair| !stored.contains(pair)).count()
}
