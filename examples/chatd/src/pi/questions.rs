//! pi's questions, and what answers them.

use crate::{
    limits,
    question::{Kind, Question, Reply, Unanswered},
    words::begin_of,
};
use turnwise_pi::{PiAnswer, PiHandle, PiQuestion};

pub(super) fn open(handle: &PiHandle) -> Vec<Question> {
    let open = handle.questions();
    let shown = open.iter().take(limits::QUESTIONS);
    shown.map(|question| show(question)).collect()
}

/// The question, in texts of bounded length.
pub(super) fn show(question: &PiQuestion) -> Question {
    let kind = match &*question.method {
        "select" => Kind::Select,
        "confirm" => Kind::Confirm,
        _ => Kind::Text,
    };
    let text = |text: &String| begin_of(text, limits::QUESTION);
    // The begin of a text is nothing to edit.
    let whole = |text: &&String| text.len() <= limits::QUESTION;
    let options = question.options.iter().take(limits::OPTIONS);
    Question {
        id: question.id,
        kind,
        title: text(&question.title),
        message: question.message.as_ref().map(text),
        options: options.map(|text| option(text)).collect(),
        placeholder: question.placeholder.as_deref().map(option),
        prefill: question.prefill.as_ref().filter(whole).cloned(),
    }
}

/// As it is shown.
fn option(text: &str) -> String {
    begin_of(text, limits::OPTION)
}

pub(super) fn answer(handle: &PiHandle, id: u64, reply: Reply) -> Result<(), Unanswered> {
    let open = handle.questions();
    let question = open.iter().find(|question| question.id == id);
    let answer = fit(question.ok_or(Unanswered::NotOpen)?, reply)?;
    if handle.answer(id, answer) {
        Ok(())
    } else {
        Err(Unanswered::NotOpen)
    }
}

/// pi takes an answer of another kind for none.
fn fit(question: &PiQuestion, reply: Reply) -> Result<PiAnswer, Unanswered> {
    match (&*question.method, reply) {
        ("confirm", Reply::Yes(yes)) => Ok(PiAnswer::Confirmed(yes)),
        ("confirm", Reply::Text(text)) => match text.as_str() {
            "yes" => Ok(PiAnswer::Confirmed(true)),
            "no" => Ok(PiAnswer::Confirmed(false)),
            _ => Err(Unanswered::Unfit(
                "the answer to this question is yes or no",
            )),
        },
        (_, Reply::Yes(_)) => Err(Unanswered::Unfit("the answer to this question is a text")),
        ("select", Reply::Text(text)) => {
            // A long option is known by what is shown of it, if no other begins so.
            let shown = |known: &&String| **known == text || option(known) == text;
            let mut options = question.options.iter().filter(shown);
            match options.next() {
                Some(first) if options.all(|other| other == first) => {
                    Ok(PiAnswer::Value(first.clone()))
                }
                _ => Err(Unanswered::Unfit("the answer is not one of the options")),
            }
        }
        (_, Reply::Text(text)) => Ok(PiAnswer::Value(text)),
    }
}
