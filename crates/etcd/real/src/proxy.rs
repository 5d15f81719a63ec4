//! A proxy on the loopback that loses and delays what a test chooses.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is done, and answered.
    Passes,
    /// It is done. Its answer is lost, and the connection with it.
    LosesItsAnswer,
    /// It is done. Its answer does not come, and the connection stays.
    IsNotAnswered,
    /// It is done so much later, when nobody waits for it any more.
    ComesLate(Duration),
}

type Fates = dyn Fn(usize) -> Fate + Send + Sync;

/// Forwards connections to one port.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    to: u16,
    cut: watch::Sender<Cut>,
    transactions: AtomicUsize,
    fates: Mutex<Arc<Fates>>,
}

/// Nothing goes through: of all, or of one member of etcd.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Cut {
    all: bool,
    from: Option<u64>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Listens on a port of its own, and forwards to `to`.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            to,
            cut: watch::Sender::new(Cut::default()),
            transactions: AtomicUsize::new(0),
            fates: Mutex::new(Arc::new(|_| Fate::Passes)),
        });
        let of = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(tokio::spawn(forward(stream, Arc::clone(&of))));
            }
        });
        Self { port, shared, task }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What becomes of the transaction with this number, from 0.
    pub fn fates(&self, fates: impl Fn(usize) -> Fate + Send + Sync + 'static) {
        *self
            .shared
            .fates
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(fates);
    }

    /// How many transactions have come.
    pub fn transactions(&self) -> usize {
        self.shared.transactions.load(Ordering::Relaxed)
    }

    /// Nothing goes through any more; or all of it again, on new connections.
    pub fn cut_all(&self, all: bool) {
        self.shared.cut.send_modify(|cut| cut.all = all);
    }

    /// The same, for what this member of etcd sends.
    pub fn cut_from(&self, from: Option<u64>) {
        self.shared.cut.send_modify(|cut| cut.from = from);
    }
}

impl Shared {
    fn fate(&self) -> Fate {
        let number = self.transactions.fetch_add(1, Ordering::Relaxed);
        let fates = Arc::clone(&self.fates.lock().unwrap_or_else(PoisonError::into_inner));
        fates(number)
    }
}

/// Ends with either side, or when the link is cut.
async fn forward(mut client: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let mut cuts = shared.cut.subscribe();
    let mut server = TcpStream::connect(("127.0.0.1", shared.to)).await.ok()?;
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut fate, mut from) = (Fate::Passes, None);
    loop {
        let cut = *cuts.borrow_and_update();
        if cut.all || (cut.from.is_some() && cut.from == from) {
            // A cut link does not tell its ends. After a while they may try another connection.
            tokio::time::sleep(Duration::from_secs(2)).await;
            return None;
        }
        tokio::select! {
            changed = cuts.changed() => changed.ok()?,
            count = client.read(&mut up) => {
                let bytes = &up[..count.ok().filter(|count| *count > 0)?];
                from = from.or_else(|| sender(bytes));
                if cut.from.is_some() && cut.from == from {
                    continue;
                }
                if bytes.starts_with(b"POST /v3/kv/txn") {
                    fate = shared.fate();
                    if let Fate::ComesLate(by) = fate {
                        late(bytes.to_vec(), client, server, by).await;
                        return None;
                    }
                }
                server.write_all(bytes).await.ok()?;
            }
            count = server.read(&mut down) => {
                let bytes = &down[..count.ok().filter(|count| *count > 0)?];
                match fate {
                    Fate::LosesItsAnswer => return None,
                    Fate::IsNotAnswered => {}
                    _ => client.write_all(bytes).await.ok()?,
                }
            }
        }
    }
}

/// The client may have gone when the request is sent.
async fn late(mut request: Vec<u8>, mut client: TcpStream, mut server: TcpStream, by: Duration) {
    let rest = async {
        let mut more = vec![0; 1 << 16];
        while let Ok(count) = client.read(&mut more).await {
            if count == 0 {
                break;
            }
            request.extend_from_slice(&more[..count]);
        }
        tokio::time::sleep(by).await;
    };
    let _ = tokio::time::timeout(by, rest).await;
    if server.write_all(&request).await.is_ok() {
        let _ = server.read(&mut [0; 1 << 12]).await;
    }
}

/// The member of etcd that asks, as its first request says.
fn sender(bytes: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(2048)]);
    let (_, rest) = text.split_once("X-Server-From: ")?;
    u64::from_str_radix(rest.split("\r\n").next()?, 16).ok()
}
