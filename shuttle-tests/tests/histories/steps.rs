//! What a call does to the sequential model, in steps: each is one linearization point, together with the answer that was
//! seen. Plain data.
//!
//! Most calls are one step. Those that are more are listed at [`Record`](crate::record::Record).

pub(crate) use crate::oracle::{Id, Key, Phase, Priority, Refusal, Session};

/// One linearization point. `Id`s are made of the tickets that the registry gave: see [`id`].
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The first of a history: the limits of the registry.
    Begin {
        max_sessions: usize,
        max_waiting: usize,
    },
    /// Time moves, by so many milliseconds. It does so while no other call is under way.
    Advance(u64),

    /// In line or granted, unless refused in the call; which the caller need not see.
    Enter {
        key: Key,
        id: Id,
        lane: Priority,
        refused: Option<bool>,
    },
    /// `None`: absent.
    EnterExisting {
        key: Key,
        place: Option<(Id, bool)>,
    },
    TryEnter {
        key: Key,
        id: Id,
        got: Result<Given, Refusal>,
    },
    /// A look at a place in line: `None` if it still waits.
    Look {
        key: Key,
        id: Id,
        got: Option<Result<Given, Refusal>>,
    },
    Ahead {
        key: Key,
        id: Id,
        ahead: usize,
    },
    /// The place is given up. The grant of a vacancy is taken, to be let go by an `End`.
    Leave {
        key: Key,
        id: Id,
    },
    /// A vacancy or closing is let go. Nothing, if there is none of this `id`.
    End {
        key: Key,
        id: Id,
    },
    Dismiss {
        key: Key,
        count: usize,
    },

    Fill {
        key: Key,
        id: Id,
        session: Session,
        number: u64,
    },
    Vacate {
        key: Key,
        id: Id,
    },
    /// `split` says which session it gave.
    Closed {
        key: Key,
        id: Id,
        number: u64,
        session: Option<Session>,
    },
    /// A turn ends; `release` says what it gave back.
    Release {
        key: Key,
        id: Id,
        back: Option<Option<Session>>,
    },
    SetHandle {
        key: Key,
        id: Id,
        handle: u32,
    },
    IsCurrent {
        id: Id,
        current: bool,
    },
    Waiting {
        key: Key,
        id: Id,
        waiting: usize,
    },

    /// `seen`: only if this observation still holds. `Ok` has the number of the new vacancy.
    Replace {
        key: Key,
        id: Id,
        seen: Option<Seen>,
        got: Result<(Left, u64), Refusal>,
    },
    /// Its vacancy is let go by an `End`.
    Remove {
        key: Key,
        id: Id,
        seen: Option<Seen>,
        got: Result<Left, Refusal>,
    },
    /// The departure that the replacement `id` gave has ended.
    Departed {
        id: Id,
    },

    /// A status, or an observation, which then has a name.
    Status {
        key: Key,
        seen: Option<Seen>,
        got: Option<Told>,
    },
    Claim {
        key: Key,
        id: Id,
        seen: Seen,
        got: Result<Given, Refusal>,
    },
    SeenHandle {
        seen: Seen,
        handle: Option<u32>,
    },
    /// One key was claimed.
    ClaimIdle {
        key: Key,
        id: Id,
        idle_for: u64,
        got: Given,
    },
    /// One key was passed over: there was nothing to claim at that moment.
    PassOver {
        key: Key,
        idle_for: u64,
    },
    Touch {
        key: Key,
        touched: bool,
    },
    Handle {
        key: Key,
        handle: Option<u32>,
    },
    /// Whether a key has a slot.
    Here {
        key: Key,
        here: bool,
    },
    Len(usize),

    /// The flag of `close`.
    Flag,
    /// From here on newcomers of this key are refused.
    Refuse {
        key: Key,
    },
    /// The line of this key is sent away, its unlooked grant taken back.
    Sweep {
        key: Key,
        close: Close,
    },
    /// The vacancy of which this close took back the grant is let go.
    LetGo {
        key: Key,
        close: Close,
    },
    IsClosed(bool),
}

impl Step {
    /// May it change nothing?
    pub(crate) fn looks(&self) -> bool {
        match self {
            Self::Status { seen, .. } => seen.is_none(),
            Self::Look { got, .. } => got.is_none(),
            Self::TryEnter { got, .. } => got.is_err(),
            Self::Claim { got, .. } => got.is_err(),
            Self::EnterExisting { place, .. } => place.is_none(),
            Self::Dismiss { count, .. } => *count == 0,
            Self::Touch { touched, .. } => !touched,
            Self::Ahead { .. }
            | Self::IsCurrent { .. }
            | Self::Waiting { .. }
            | Self::SeenHandle { .. }
            | Self::PassOver { .. }
            | Self::Handle { .. }
            | Self::Here { .. }
            | Self::Len(_)
            | Self::IsClosed(_) => true,
            _ => false,
        }
    }

    /// The ticket that is drawn, if the caller sees which.
    pub(crate) fn draws(&self) -> Option<(Key, Id)> {
        let (key, id) = match *self {
            Self::Enter { key, id, .. } | Self::ClaimIdle { key, id, .. } => (key, id),
            Self::EnterExisting { key, place } => (key, place?.0),
            Self::TryEnter { key, id, ref got }
            | Self::Claim {
                key, id, ref got, ..
            } => {
                got.as_ref().ok()?;
                (key, id)
            }
            Self::Replace {
                key, id, ref got, ..
            } => {
                got.as_ref().ok()?;
                (key, id)
            }
            _ => return None,
        };
        (id < UNSEEN).then_some((key, id))
    }
}

/// What somebody holds from now on: the number of its incarnation, and the session unless it is a vacancy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) number: u64,
    pub(crate) session: Option<Session>,
}

/// What became of the old slot of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    Rested(Session),
    Held,
}

/// A status, in full. `since` is in milliseconds of the registry's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) phase: Phase,
    pub(crate) since: u64,
    pub(crate) waiting: usize,
    pub(crate) number: u64,
    pub(crate) holder: Option<Id>,
}

/// The name of an observation.
pub(crate) type Seen = u32;

/// The name of a `close`.
pub(crate) type Close = u32;

/// The model's name of a ticket. Tickets are unique for each key, also over times when the key was absent.
pub(crate) fn id(key: Key, ticket: u64) -> Id {
    let ticket = Id::try_from(ticket).expect("histories are short");
    assert!(ticket < PER_KEY, "histories are short");
    (Id::from(key) + 1) * PER_KEY + ticket
}

const PER_KEY: Id = 100_000;

/// Names from here on are of tickets that the caller never sees: of a `remove`, a cleanup, or an entry that was refused.
pub(crate) const UNSEEN: Id = 1_000 * PER_KEY;
