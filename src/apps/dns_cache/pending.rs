//! Questions that are under way to an upstream server, and who waits for each: numbers and wakers, no packets (those are
//! with their tasks).

use super::message::Key;

/// No entry.
const NONE: u32 = u32::MAX;

/// A question under way. It is of no more use once the question is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    at: u32,
    /// Which of the questions that were here.
    round: u32,
}

/// A place in a question's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    ticket: Ticket,
    at: u32,
}

/// What a query finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the first to ask this: somebody has to find out, and close it.
    First(Ticket),
    /// Somebody is finding out.
    Joined(Seat),
    /// As many questions are under way as there may be.
    NoQuestion,
    /// As many queries wait for this answer as may.
    NoSeat,
}

/// How much may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Different questions.
    pub(super) questions: u32,
    /// Queries that wait for what others asked.
    pub(super) waiting: u32,
    /// Queries that wait for one answer.
    pub(super) waiting_each: u32,
}

/// Questions under way; `W` wakes who waits. Its memory is taken once, when it is made.
#[derive(Debug)]
pub(super) struct Pending<W> {
    questions: Vec<Question>,
    seats: Vec<Taken<W>>,
    /// By hash: the first question of a place.
    places: Vec<u32>,
    /// What is unused.
    free_questions: Vec<u32>,
    free_seats: Vec<u32>,
    waiting_each: u32,
}

#[derive(Debug, Default)]
struct Question {
    /// `None`: nothing is asked.
    key: Option<Key>,
    round: u32,
    /// The next question of the same place.
    next: u32,
    /// Those who wait, in order.
    first: u32,
    last: u32,
    waiting: u32,
}

#[derive(Debug)]
struct Taken<W> {
    waker: Option<W>,
    next: u32,
}

impl<W> Pending<W> {
    /// None under way, room for so many.
    pub(super) fn new(limits: Limits) -> Pending<W> {
        let Limits { questions, waiting, waiting_each } = limits;
        let places = (questions.max(1) as usize).next_power_of_two();
        Pending {
            questions: (0..questions).map(|_| Question::default()).collect(),
            seats: (0..waiting).map(|_| Taken { waker: None, next: NONE }).collect(),
            places: vec![NONE; places],
            free_questions: (0..questions).rev().collect(),
            free_seats: (0..waiting).rev().collect(),
            waiting_each,
        }
    }

    fn place(&self, key: &Key) -> usize {
        key.hash() as usize & (self.places.len() - 1)
    }

    /// Gets in line for an answer.
    pub(super) fn join(&mut self, key: &Key) -> Place {
        match self.look(key) {
            Some(at) => self.sit_down(at).map_or(Place::NoSeat, Place::Joined),
            None => self.open(key).map_or(Place::NoQuestion, Place::First),
        }
    }

    fn look(&self, key: &Key) -> Option<u32> {
        let mut at = self.places[self.place(key)];
        while let Some(question) = self.questions.get(at as usize) {
            if question.key.as_ref() == Some(key) {
                return Some(at);
            }
            at = question.next;
        }
        None
    }

    fn open(&mut self, key: &Key) -> Option<Ticket> {
        let at = self.free_questions.pop()?;
        let place = self.place(key);
        let next = std::mem::replace(&mut self.places[place], at);
        let question = &mut self.questions[at as usize];
        let round = question.round;
        *question = Question { key: Some(*key), round, next, first: NONE, last: NONE, waiting: 0 };
        Some(Ticket { at, round })
    }

    fn sit_down(&mut self, at: u32) -> Option<Seat> {
        let question = &mut self.questions[at as usize];
        if question.waiting >= self.waiting_each {
            return None;
        }
        let seat = self.free_seats.pop()?;
        self.seats[seat as usize].next = NONE;
        match question.last {
            NONE => question.first = seat,
            last => self.seats[last as usize].next = seat,
        }
        question.last = seat;
        question.waiting += 1;
        Some(Seat { ticket: Ticket { at, round: question.round }, at: seat })
    }

    /// The key of a question that is under way.
    pub(super) fn key(&self, ticket: Ticket) -> Option<&Key> {
        let question = self.questions.get(ticket.at as usize)?;
        question.key.as_ref().filter(|_| question.round == ticket.round)
    }

    /// Did anybody join?
    pub(super) fn has_waiting(&self, ticket: Ticket) -> bool {
        self.key(ticket).is_some() && self.questions[ticket.at as usize].first != NONE
    }

    /// Waits for the question to be closed: `false` where it is.
    pub(super) fn wait(&mut self, seat: Seat, waker: impl FnOnce() -> W) -> bool {
        if self.key(seat.ticket).is_none() {
            return false;
        }
        self.seats[seat.at as usize].waker.get_or_insert_with(waker);
        true
    }

    /// Takes one who waits out of the line; the question is closed, and nobody left, when there is none.
    pub(super) fn close(&mut self, ticket: Ticket) -> Option<W> {
        self.key(ticket)?;
        let question = &mut self.questions[ticket.at as usize];
        while let Some(taken) = self.seats.get_mut(question.first as usize) {
            self.free_seats.push(question.first);
            question.first = taken.next;
            // Who has not begun to wait finds it closed.
            if let Some(waker) = taken.waker.take() {
                return Some(waker);
            }
        }
        self.forget(ticket.at);
        None
    }

    fn forget(&mut self, at: u32) {
        let question = &mut self.questions[at as usize];
        let (next, key) = (question.next, question.key.take());
        question.round = question.round.wrapping_add(1);
        let Some(key) = key else { return };
        let place = self.place(&key);
        let mut before = self.places[place];
        if before == at {
            self.places[place] = next;
        }
        while let Some(other) = self.questions.get_mut(before as usize) {
            if other.next == at {
                other.next = next;
                break;
            }
            before = other.next;
        }
        self.free_questions.push(at);
    }
}
