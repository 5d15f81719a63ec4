//! A SQLite file for each tenant, its connections, and how many of them are open.

use rusqlite::{TransactionBehavior::Immediate, params};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// What the program does within each transaction besides SQL.
const WORK: Duration = Duration::from_micros(300);

/// A folder with a file for each tenant. It goes with the last reference.
pub struct Databases {
    folder: TempDir,
    busy_timeout: Duration,
    open: Mutex<Open>,
    opened: AtomicUsize,
}

#[derive(Default)]
struct Open {
    each: Vec<usize>,
    most_of_one: usize,
    most: usize,
}

impl Databases {
    /// Creates the files.
    ///
    /// # Panics
    ///
    /// If the folder for temporary files cannot be written.
    pub fn create(tenants: usize, busy_timeout: Duration) -> Arc<Self> {
        let databases = Arc::new(Self {
            folder: TempDir::new().expect("a temporary folder"),
            busy_timeout,
            open: Mutex::new(Open::default()),
            opened: AtomicUsize::new(0),
        });
        databases.counts().each = vec![0; tenants];
        for tenant in 0..tenants {
            let created = rusqlite::Connection::open(databases.file(tenant)).and_then(|file| {
                file.execute_batch(
                    "PRAGMA journal_mode = WAL; CREATE TABLE work (number INTEGER PRIMARY KEY)",
                )
            });
            created.expect("a file is created");
        }
        databases
    }

    fn file(&self, tenant: usize) -> PathBuf {
        self.folder.path().join(format!("{tenant}.db"))
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().expect("no panic while it is locked")
    }

    /// Opens a tenant's file for one connection alone: what SQLite calls the exclusive locking mode. It saves the shared memory
    /// of a WAL, and a lock and an unlock for each transaction. Nothing waits for the disk, which others use too.
    ///
    /// # Errors
    ///
    /// Those of SQLite. The file is busy if another connection has it.
    pub fn open(self: &Arc<Self>, tenant: usize) -> rusqlite::Result<Connection> {
        let mut connection = Connection {
            sqlite: None,
            _counted: Counted::new(self, tenant),
        };
        let sqlite = connection
            .sqlite
            .insert(rusqlite::Connection::open(self.file(tenant))?);
        sqlite.busy_timeout(self.busy_timeout)?;
        sqlite.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF")?;
        self.opened.fetch_add(1, Relaxed);
        Ok(connection)
    }

    /// How many connections there were at once: most of one tenant, and most of all together.
    pub fn most_open(&self) -> (usize, usize) {
        let open = self.counts();
        (open.most_of_one, open.most)
    }

    /// How often a connection was opened.
    pub fn opened(&self) -> usize {
        self.opened.load(Relaxed)
    }

    /// The numbers that are in a tenant's file.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn numbers(&self, tenant: usize) -> rusqlite::Result<Vec<u32>> {
        let sqlite = rusqlite::Connection::open(self.file(tenant))?;
        let mut query = sqlite.prepare("SELECT number FROM work")?;
        query.query_map([], |row| row.get(0))?.collect()
    }
}

/// A connection of one tenant. Its drop closes it.
pub struct Connection {
    // Closed first, and then no longer counted.
    sqlite: Option<rusqlite::Connection>,
    _counted: Counted,
}

impl Connection {
    /// Inserts a number in a transaction.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn insert(&mut self, number: u32) -> rusqlite::Result<()> {
        let sqlite = self.sqlite.as_mut().expect("it is open");
        // A deferred transaction would fail at once where this one waits for the busy timeout.
        let transaction = sqlite.transaction_with_behavior(Immediate)?;
        thread::sleep(WORK);
        transaction.execute("INSERT INTO work VALUES (?1)", params![number])?;
        transaction.commit()
    }
}

struct Counted {
    databases: Arc<Databases>,
    tenant: usize,
}

impl Counted {
    fn new(databases: &Arc<Databases>, tenant: usize) -> Self {
        let mut open = databases.counts();
        open.each[tenant] += 1;
        open.most_of_one = open.most_of_one.max(open.each[tenant]);
        open.most = open.most.max(open.each.iter().sum());
        drop(open);
        Self {
            databases: Arc::clone(databases),
            tenant,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.databases.counts().each[self.tenant] -= 1;
    }
}
