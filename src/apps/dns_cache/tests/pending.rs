//! Questions under way against a list.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::message::{Key, parse};
use super::super::pending::{Limits, Pending, Place, Seat, Ticket};

fn key(name: u8) -> Key {
    let message = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, name, 0, 0, 1, 0, 1];
    Key::new(&message, &parse(&message).unwrap(), 3)
}

const LIMITS: Limits = Limits { questions: 3, waiting: 6, waiting_each: 4 };

#[test]
fn those_who_wait_are_woken_in_order_and_once() {
    let mut pending = Pending::new(LIMITS);
    let Place::First(ticket) = pending.join(&key(1)) else { panic!() };
    let seats: Vec<Seat> = (0..4)
        .map(|_| match pending.join(&key(1)) {
            Place::Joined(seat) => seat,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(pending.join(&key(1)), Place::NoSeat);
    assert!(pending.has_waiting(ticket) && pending.key(ticket) == Some(&key(1)));
    for (number, seat) in seats.iter().enumerate().filter(|(number, _)| *number != 1) {
        assert!(pending.wait(*seat, || number));
        assert!(pending.wait(*seat, || unreachable!()), "looking again changes nothing");
    }
    let woken: Vec<usize> = std::iter::from_fn(|| pending.close(ticket)).collect();
    assert_eq!(woken, [0, 2, 3]);
    assert!(!pending.wait(seats[1], || unreachable!()), "who comes late does not wait");
    assert_eq!(pending.key(ticket), None);
    assert_eq!(pending.close(ticket), None);
    // The same place, another question: old seats are nobody's.
    let Place::First(again) = pending.join(&key(1)) else { panic!() };
    assert!(again != ticket && !pending.wait(seats[0], || unreachable!()));
}

proptest! {
    #[test]
    fn it_agrees_with_a_list(ops in proptest::collection::vec((0u8..5, any::<bool>()), 1..300)) {
        let mut pending: Pending<u32> = Pending::new(LIMITS);
        let mut model: HashMap<u8, (Ticket, Vec<u32>)> = HashMap::new();
        for (number, (name, closes)) in (0u32..).zip(ops) {
            if closes {
                if let Some((ticket, waiting)) = model.remove(&name) {
                    let woken: Vec<u32> = std::iter::from_fn(|| pending.close(ticket)).collect();
                    prop_assert_eq!(woken, waiting);
                }
                continue;
            }
            let seats: usize = model.values().map(|(_, waiting)| waiting.len()).sum();
            let questions = model.len();
            match (pending.join(&key(name)), model.get_mut(&name)) {
                (Place::First(ticket), None) => {
                    prop_assert!(questions < 3);
                    model.insert(name, (ticket, Vec::new()));
                }
                (Place::Joined(seat), Some((_, waiting))) => {
                    prop_assert!(seats < 6 && waiting.len() < 4);
                    prop_assert!(pending.wait(seat, || number));
                    waiting.push(number);
                }
                (Place::NoQuestion, None) => prop_assert_eq!(questions, 3),
                (Place::NoSeat, Some((_, waiting))) => prop_assert!(seats == 6 || waiting.len() == 4),
                (other, _) => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
