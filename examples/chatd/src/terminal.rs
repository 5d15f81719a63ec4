//! Interface one: each line is a message to the session in use, its answer is printed as it comes; a line with a slash is a
//! command. Nothing here waits for a turn: while one runs, the next line is read.

use crate::{
    agent::{Chat, Part},
    desk::{Answer, Desk, Step, View},
    input::Line,
    limits, names,
    output::Output,
    paper::Paper,
    question::Reply,
    words::told,
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream, SelectAll},
};
use tokio::sync::{mpsc, oneshot};
use turnwise::manager::TurnOptions;

const HELP: &str = "\
each line is a message; begin it with // to send a message that begins with /
/status         lists all sessions and their questions
/stop           cancels the turn and dismisses the queue
/queue          lists the messages that wait, with their numbers
/back N         takes message N out of the queue
/answer N TEXT  answers question N of the session
/new            restarts the session with a new conversation
/use NAME       switches to another session
/drain          refuses new sessions; existing ones go on
/accept         accepts new sessions again
/quit           stops all sessions and the daemon";

pub(crate) struct Terminal<A: Chat> {
    desk: Desk<A>,
    /// The session in use.
    key: String,
    paper: Paper,
    /// All that is still to be said.
    answers: SelectAll<BoxStream<'static, Said>>,
    sent: u64,
}

/// Something that is said to message `number`.
struct Said {
    key: String,
    number: u64,
    what: What,
}

enum What {
    Part(String),
    Over,
    Remark(String),
}

impl<A: Chat> Terminal<A> {
    pub(crate) fn new(desk: Desk<A>, key: String, out: Output) -> Self {
        Self {
            desk,
            key,
            paper: Paper::new(out),
            answers: SelectAll::new(),
            sent: 0,
        }
    }

    /// Until it is ended, and all answers are complete.
    pub(crate) async fn run(
        mut self,
        mut lines: mpsc::Receiver<Line>,
        quit: mpsc::Sender<()>,
        mut ends: oneshot::Receiver<()>,
    ) {
        // One that waits to be seen is enough.
        let ask = || _ = quit.try_send(());
        self.paper.line(&format!(
            "each line is a message to {}; type /help for commands",
            self.key
        ));
        loop {
            tokio::select! {
                Some(line) = lines.recv() => match line {
                    // A daemon without a person at it serves on.
                    Line::End { person: false } => {}
                    Line::End { person: true } => ask(),
                    Line::Bad(why) => self.paper.line(why),
                    Line::Text(text) => {
                        if self.obey(&text) == Wish::Quit {
                            ask();
                        }
                    }
                },
                Some(said) = self.answers.next() => self.print(said),
                _ = &mut ends => break,
            }
        }
        while let Some(said) = self.answers.next().await {
            self.print(said);
        }
    }

    fn obey(&mut self, line: &str) -> Wish {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.trim()) {
            ("", "") => {}
            ("/status", "") => self.status(),
            ("/stop", "") => self.stop(),
            ("/queue", "") => self.queue(),
            ("/back", number) => self.take_back(number),
            ("/answer", reply) => self.answer(reply),
            ("/new", "") => self.afresh(),
            ("/use", name) => self.go_to(name),
            ("/drain", "") => self.accept_new(false, "new sessions are refused"),
            ("/accept", "") => self.accept_new(true, "new sessions are accepted"),
            ("/quit", "") => return Wish::Quit,
            ("/help", "") => HELP.lines().for_each(|line| self.paper.line(line)),
            _ if line.starts_with("//") => self.send(&line[1..]),
            _ if line.starts_with('/') => {
                self.paper
                    .line(&format!("unknown command {line}; /help lists the commands"));
            }
            _ => self.send(line),
        }
        Wish::GoOn
    }

    fn send(&mut self, message: &str) {
        if let Err(why) = limits::check_message(message) {
            return self.paper.line(why);
        }
        self.sent += 1;
        let options = TurnOptions::default();
        let answer = self.desk.send(&self.key, message.to_owned(), options);
        self.answers
            .push(say(self.key.clone(), self.sent, answer).boxed());
    }

    fn status(&mut self) {
        let views = self.desk.look_at_all();
        if views.is_empty() {
            self.paper.line("no sessions");
        }
        for view in views {
            let mark = if view.key == self.key { '*' } else { ' ' };
            self.paper.line(&format!("{mark} {}", describe(&view)));
            for question in &view.questions {
                self.paper.line(&format!("    {question}"));
            }
        }
    }

    fn stop(&mut self) {
        let line = match self.desk.hush(&self.key) {
            (0, false) => "nothing to stop".to_owned(),
            (0, true) => "stopping the turn".to_owned(),
            (waited, true) => format!("stopping the turn; {waited} dismissed"),
            (waited, false) => format!("{waited} dismissed"),
        };
        self.paper.line(&line);
    }

    fn queue(&mut self) {
        let queue = self.desk.queue(&self.key);
        if queue.is_empty() {
            self.paper.line("no messages wait");
        }
        for queued in queue {
            self.paper.line(&queued.to_string());
        }
    }

    /// If its turn has begun meanwhile, that is cancelled.
    fn take_back(&mut self, number: &str) {
        let line = match number.parse() {
            Ok(turn) if self.desk.abort(&self.key, Some(turn)) => "taken back",
            Ok(_) => "no such message",
            Err(_) => "/back needs the number of a message; /queue lists them",
        };
        self.paper.line(line);
    }

    fn answer(&mut self, reply: &str) {
        let (number, text) = reply.split_once(' ').unwrap_or((reply, ""));
        let line = match number.parse() {
            Ok(id) => match self
                .desk
                .answer(&self.key, id, Reply::Text(text.to_owned()))
            {
                Ok(()) => "answered".to_owned(),
                Err(why) => why.to_string(),
            },
            Err(_) => {
                "/answer needs the number of a question and a text; /status lists the questions"
                    .to_owned()
            }
        };
        self.paper.line(&line);
    }

    fn accept_new(&mut self, accept: bool, line: &str) {
        self.desk.accept_new(accept);
        self.paper.line(line);
    }

    fn afresh(&mut self) {
        self.sent += 1;
        let (desk, key, number) = (self.desk.clone(), self.key.clone(), self.sent);
        let afresh = async move {
            let what = What::Remark(match desk.afresh(&key).await {
                Ok(Ok(())) => "restarted".to_owned(),
                Ok(Err(unkept)) => format!("restarted, but {unkept}"),
                Err(error) => told(&error),
            });
            Said { key, number, what }
        };
        self.answers.push(stream::once(afresh).boxed());
    }

    fn go_to(&mut self, name: &str) {
        match names::check(name) {
            Ok(()) => {
                self.key = name.to_owned();
                self.paper.line(&format!("using {name}"));
            }
            Err(why) => self.paper.line(&why.to_string()),
        }
    }

    fn print(&mut self, said: Said) {
        let Said { key, number, what } = said;
        match what {
            What::Part(text) => self.paper.part(&key, number, &text),
            What::Over => self.paper.over(&key, number),
            What::Remark(text) => self.paper.line(&format!("[{key}] ({text})")),
        }
    }
}

#[derive(PartialEq)]
enum Wish {
    GoOn,
    Quit,
}

fn say<A: Chat>(
    key: String,
    number: u64,
    answer: Answer<A>,
) -> impl stream::Stream<Item = Said> + Send {
    stream::unfold(answer, move |mut answer| {
        let key = key.clone();
        async move {
            let what = match answer.step().await? {
                Step::Part(Part::Text(text)) => What::Part(text),
                Step::Part(Part::Question(question)) => What::Remark(question.to_string()),
                Step::Lagged(count) => What::Remark(format!("{count} parts skipped")),
                Step::Done(Ok(_)) => What::Over,
                Step::Done(Err(error)) => What::Remark(told(&error)),
            };
            Some((Said { key, number, what }, answer))
        }
    })
}

fn describe(view: &View) -> String {
    let seconds = std::time::Duration::from_millis(view.elapsed_ms).as_secs_f64();
    let mut text = format!("{}: {} for {seconds:.1} s", view.key, view.phase);
    if view.waiting > 0 {
        text += &format!(", {} waiting", view.waiting);
    }
    text += &format!(", incarnation {}", view.incarnation);
    if let Some(turn) = view.turn {
        text += &format!(", turn {turn}");
    }
    if let Some(note) = &view.note {
        text += &format!(": {note}");
    }
    text
}
