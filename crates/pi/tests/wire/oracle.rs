//! The wire protocol as a sequential model, written from pi's manual: what may follow what, as languages of letters.
//!
//! The work of a turn is a word: `(` and `)` are the start and the end of a run, `w` words of the model, `t` the call of a tool,
//! and `.` is the end of the work. The model keeps the whole history of a turn, and asks of it after each move: can it be the
//! begin of a turn? Is the turn complete? Must it be aborted now?

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// A message is sent, or one that may be a command.
    Begin,
    BeginCommand,
    Cancel,
    /// Responses to the prompt.
    Accept,
    Handle,
    Queue,
    Refuse,
    /// Responses to the question whether pi works.
    Streams,
    Still,
    /// The response to the first `clear_queue` or `abort` that has none.
    Answer,
    /// A response to nobody.
    Stray,
    Start,
    End,
    Text,
    Say,
    Fail,
    SayAborted,
    Tool,
    Settle,
    SettleAborted,
    /// Something to show, which is no work.
    Notice,
}

use Move::*;

pub(crate) const MOVES: [Move; 21] = [
    Begin,
    BeginCommand,
    Cancel,
    Accept,
    Handle,
    Queue,
    Refuse,
    Streams,
    Still,
    Answer,
    Stray,
    Start,
    End,
    Text,
    Say,
    Fail,
    SayAborted,
    Tool,
    Settle,
    SettleAborted,
    Notice,
];

impl Move {
    fn letter(self) -> Option<char> {
        Some(match self {
            Start => '(',
            End => ')',
            Text | Say | Fail | SayAborted => 'w',
            Tool => 't',
            Settle | SettleAborted => '.',
            _ => return None,
        })
    }
}

/// What a move brings about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The session is ended.
    Fault,
    /// These commands are written, and the turn ends so, if it does.
    Fine(Vec<&'static str>, Option<Outcome>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The number of the move that brought its text.
    Reply(usize),
    Handled,
    Refused,
    Aborted,
    Failed,
    NoAnswer,
}

/// One session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    turn: Option<Turn>,
    /// How many moves there were.
    moves: usize,
}

#[derive(Clone, Debug, Default)]
struct Turn {
    command: bool,
    cancelled: bool,
    /// Moves of pi, by their numbers.
    history: Vec<(usize, Move)>,
    /// `clear_queue` and `abort` were written.
    aborting: bool,
}

impl Model {
    /// Can this happen? A response comes once, to a command that was sent; a turn begins when there is none.
    pub(crate) fn can(&self, next: Move) -> bool {
        let Some(turn) = &self.turn else {
            return !matches!(
                next,
                Accept | Handle | Queue | Refuse | Streams | Still | Answer
            );
        };
        match next {
            Begin | BeginCommand => false,
            Accept | Handle | Queue | Refuse => turn.response().is_none(),
            Streams | Still => turn.has(&[Handle]) && !turn.has(&[Streams, Still]),
            Answer => turn.unanswered() > 0,
            _ => true,
        }
    }

    pub(crate) fn step(&mut self, next: Move) -> Effect {
        let number = self.moves;
        self.moves += 1;
        let Some(turn) = &mut self.turn else {
            return match next {
                Begin | BeginCommand => {
                    self.turn = Some(Turn {
                        command: next == BeginCommand,
                        ..Turn::default()
                    });
                    Effect::Fine(vec!["prompt"], None)
                }
                _ if next.letter().is_some() => Effect::Fault,
                _ => Effect::Fine(vec![], None),
            };
        };
        if next == Cancel {
            turn.cancelled = true;
        } else {
            turn.history.push((number, next));
        }
        if !turn.fits() {
            return Effect::Fault;
        }
        let mut written = vec![];
        if next == Handle {
            written.push("get_state");
        }
        if turn.aborts() {
            turn.aborting = true;
            written.extend(["clear_queue", "abort"]);
        }
        let outcome = turn.is_complete().then(|| turn.outcome());
        if outcome.is_some() {
            self.turn = None;
        }
        Effect::Fine(written, outcome)
    }

    pub(crate) fn in_turn(&self) -> bool {
        self.turn.is_some()
    }
}

impl Turn {
    fn has(&self, moves: &[Move]) -> bool {
        self.history.iter().any(|(_, made)| moves.contains(made))
    }

    fn response(&self) -> Option<Move> {
        let responses = [Accept, Handle, Queue, Refuse];
        let mut made = self.history.iter().map(|(_, made)| *made);
        made.find(|made| responses.contains(made))
    }

    fn unanswered(&self) -> usize {
        let answers = self.history.iter().filter(|(_, made)| *made == Answer);
        if self.aborting {
            2 - answers.count()
        } else {
            0
        }
    }

    /// The work before the first of these moves, and after it.
    fn work(&self, split: &[Move]) -> (String, String) {
        let moves: Vec<Move> = self.history.iter().map(|(_, made)| *made).collect();
        let at = moves.iter().position(|made| split.contains(made));
        let (before, after) = moves.split_at(at.unwrap_or(moves.len()));
        let word = |moves: &[Move]| moves.iter().filter_map(|made| made.letter()).collect();
        (word(before), word(after))
    }

    /// Can it be the begin of a turn?
    fn fits(&self) -> bool {
        let (before, after) = self.work(&[Accept, Handle, Queue, Refuse]);
        match self.response() {
            None if self.command => is_work(&before),
            None => before.is_empty(),
            Some(Queue) => false,
            Some(Refuse) => before.is_empty(),
            Some(Accept) => before.is_empty() && (after == "." || is_one_work(&after)),
            _ => {
                let (before, after) = self.work(&[Streams, Still]);
                let whole = format!("{before}{after}");
                match (self.has(&[Streams, Still]), is_open(&before)) {
                    (false, _) => is_work(&before),
                    // What was under way goes on to its end.
                    (true, true) => is_work(&whole) && is_one(&after),
                    (true, false) if self.has(&[Streams]) => after == "." || is_one_work(&after),
                    (true, false) => after.is_empty(),
                }
            }
        }
    }

    fn is_complete(&self) -> bool {
        let settled = match self.response() {
            Some(Refuse) => return true,
            Some(Accept) => self.work(&[Accept]).1.ends_with('.'),
            Some(Handle) if self.has(&[Streams, Still]) => {
                let (before, after) = self.work(&[Streams, Still]);
                let nothing = self.has(&[Still]) && !is_open(&before);
                nothing || after.ends_with('.')
            }
            _ => false,
        };
        settled && self.unanswered() == 0
    }

    /// Must it be aborted now? Once, if it is cancelled, and as soon as there is something to abort.
    fn aborts(&self) -> bool {
        let (work, _) = self.work(&[]);
        let accepted = self.has(&[Accept, Streams]) && !self.is_complete();
        self.cancelled && !self.aborting && (is_open(&work) || accepted)
    }

    fn outcome(&self) -> Outcome {
        let said = |made: &Move| matches!(made, Say | Fail | SayAborted);
        let last = self.history.iter().rev().find(|(_, made)| said(made));
        match last {
            _ if self.has(&[Refuse]) => Outcome::Refused,
            _ if self.has(&[SettleAborted]) => Outcome::Aborted,
            Some((_, SayAborted)) => Outcome::Aborted,
            Some((_, Fail)) => Outcome::Failed,
            Some((number, _)) => Outcome::Reply(*number),
            None if self.has(&[Handle]) => Outcome::Handled,
            None => Outcome::NoAnswer,
        }
    }
}

/// Work that has begun and not ended.
fn is_open(work: &str) -> bool {
    !work.is_empty() && !work.ends_with('.')
}

/// At most one end of work, as its last letter.
fn is_one(work: &str) -> bool {
    !work.trim_end_matches('.').contains('.') && !work.ends_with("..")
}

fn is_one_work(work: &str) -> bool {
    is_one(work) && is_work(work)
}

/// The begin of `(runs .)*`, where the runs are `( [wt]* ) t*` one after the other, and the last may lack its end.
fn is_work(work: &str) -> bool {
    let mut parts: Vec<&str> = work.split('.').collect();
    // After the last end of work.
    let last = parts.pop().unwrap_or_default();
    parts.iter().all(|part| is_runs(part)) && (last.is_empty() || is_runs(last))
}

fn is_runs(runs: &str) -> bool {
    let Some(runs) = runs.strip_prefix('(') else {
        return false;
    };
    let runs: Vec<&str> = runs.split('(').collect();
    runs.iter().enumerate().all(|(index, run)| {
        let last = index + 1 == runs.len();
        match run.split_once(')') {
            None => last && !run.contains(')'),
            Some((_, after)) => after.chars().all(|letter| letter == 't'),
        }
    })
}
