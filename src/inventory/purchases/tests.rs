//! Purchases as they are counted, beside a history that is added up.

use proptest::prelude::*;

use super::*;

/// Of a product without orders.
fn counted() -> Arc<Purchases> {
    Purchases::of(0, &Arc::default())
}

fn uncounted() -> Arc<Purchases> {
    Purchases::of(1, &Arc::default())
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

#[test]
fn a_user_gets_up_to_the_limit_and_what_was_given_back_again() {
    let (cap, mug) = (counted(), counted());
    let (ada, eve) = (user("ada"), user("eve"));
    cap.claim(&ada, 2, 3).unwrap().keep(1);
    assert_eq!(cap.claim(&ada, 2, 3).unwrap_err(), LimitError::Exceeded { left: 1 });
    drop(cap.claim(&ada, 1, 3).unwrap());
    assert!(cap.claim(&eve, 3, 3).is_ok());
    assert!(mug.claim(&ada, 3, 3).is_ok());
    cap.subtract(&ada, 2, 2);
    assert!(cap.claim(&ada, 3, 3).is_ok());
    assert!(cap.shards.iter().all(|shard| shard.lock().users.is_empty()), "nobody has units");
}

#[test]
fn a_limit_lowered_below_what_a_user_has_leaves_nothing() {
    let (cap, ada) = (counted(), user("ada"));
    cap.add(&ada, 5, 1);
    assert_eq!(cap.claim(&ada, 1, 3).unwrap_err(), LimitError::Exceeded { left: 0 });
}

#[test]
fn a_user_is_uncounted_until_the_base_or_the_users_share_of_it_is_there() {
    let (cap, ada, eve) = (uncounted(), user("ada"), user("eve"));
    assert_eq!(cap.check(&ada, 1, 3), Err(LimitError::Uncounted));
    assert!(cap.choose_base(7) && !cap.choose_base(8));
    assert!(cap.count(&ada, 2));
    assert!(cap.count(&ada, 2), "counted once");
    assert_eq!(cap.check(&ada, 2, 3), Err(LimitError::Exceeded { left: 1 }));
    assert_eq!(cap.check(&eve, 1, 3), Err(LimitError::Uncounted));
    assert!(!cap.is_complete());
    let mut base = Base::default();
    base.add("ada", 2);
    base.add("eve", 3);
    cap.complete(base);
    assert!(cap.is_complete());
    assert_eq!(cap.check(&ada, 2, 3), Err(LimitError::Exceeded { left: 1 }));
    assert_eq!(cap.check(&eve, 1, 3), Err(LimitError::Exceeded { left: 0 }));
    assert_eq!(cap.check(&user("bob"), 3, 3), Ok(()));
}

const USERS: [&str; 3] = ["ada", "eve", "bob"];

/// What happens to a limited product.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A user asks for units, first without being counted where that is how it is.
    Ask {
        user: usize,
        quantity: u32,
    },
    /// The oldest claim that is open is stored, or given up.
    Settle {
        kept: bool,
    },
    /// An order without a claim is stored, as one that was on its way when the limit came.
    Add {
        user: usize,
    },
    /// An order gives its units back.
    Return {
        which: usize,
    },
    /// The tables get the record that comes next for them.
    Apply,
    ChooseBase,
    Complete,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3usize, 1..3u32).prop_map(|(user, quantity)| Step::Ask { user, quantity }),
        5 => any::<bool>().prop_map(|kept| Step::Settle { kept }),
        2 => (0..3usize).prop_map(|user| Step::Add { user }),
        3 => any::<usize>().prop_map(|which| Step::Return { which }),
        4 => Just(Step::Apply),
        1 => Just(Step::ChooseBase),
        1 => Just(Step::Complete),
    ]
}

/// The history: what each record changed, in order, and how far the tables have come.
#[derive(Default)]
struct History {
    records: Vec<(usize, i64)>,
    applied: usize,
    /// Records that the base has, once it is chosen.
    base: Option<usize>,
    /// Open orders.
    orders: Vec<(usize, u32)>,
}

impl History {
    fn units(&self, user: usize, records: usize) -> i64 {
        self.records[..records].iter().filter(|record| record.0 == user).map(|record| record.1).sum()
    }

    /// A reader of the base has the tables catch up with what was there when the limit came.
    fn choose(&mut self, purchases: &Purchases, start: usize) -> usize {
        self.applied = self.applied.max(start);
        let base = *self.base.get_or_insert(self.applied);
        let _ = purchases.choose_base(self.applied as u64);
        base
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Whenever the base is chosen, read and completed, a user has what the history and the open claims say.
    #[test]
    fn a_user_has_what_the_history_says(
        before in prop::collection::vec((0..3usize, 1..3u32), 0..12),
        lag in 0..12usize,
        steps in prop::collection::vec(any_step(), 1..80),
        limit in 1..8u32,
    ) {
        let mut history = History::default();
        for (user, quantity) in before {
            history.records.push((user, i64::from(quantity)));
            history.orders.push((user, quantity));
        }
        let start = history.records.len();
        history.applied = start.saturating_sub(lag);
        let purchases = uncounted();
        let mut claims: Vec<(usize, PurchaseClaim)> = Vec::new();
        for step in steps {
            let sequence = history.records.len() as u64 + 1;
            match step {
                Step::Ask { user: who, quantity } => {
                    let name = user(USERS[who]);
                    if purchases.check(&name, quantity, limit) == Err(LimitError::Uncounted) {
                        prop_assert!(!purchases.is_complete());
                        let base = history.choose(&purchases, start);
                        prop_assert!(purchases.count(&name, history.units(who, base).unsigned_abs()));
                    }
                    let open: u32 = claims.iter().filter(|claim| claim.0 == who).map(|claim| claim.1.quantity).sum();
                    let has = history.units(who, history.records.len()) + i64::from(open);
                    match purchases.claim(&name, quantity, limit) {
                        Ok(claim) => {
                            prop_assert!(has + i64::from(quantity) <= i64::from(limit));
                            claims.push((who, claim));
                        }
                        Err(error) => {
                            let left = i64::from(limit) - has.min(i64::from(limit));
                            prop_assert_eq!(error, LimitError::Exceeded { left: left as u32 });
                            prop_assert!(i64::from(quantity) > left);
                        }
                    }
                }
                Step::Settle { kept } if !claims.is_empty() => {
                    let (who, claim) = claims.remove(0);
                    if kept {
                        history.records.push((who, i64::from(claim.quantity)));
                        history.orders.push((who, claim.quantity));
                        claim.keep(sequence);
                    }
                }
                Step::Add { user: who } => {
                    history.records.push((who, 1));
                    history.orders.push((who, 1));
                    purchases.add(&user(USERS[who]), 1, sequence);
                }
                Step::Return { which } if !history.orders.is_empty() => {
                    let (who, quantity) = history.orders.swap_remove(which % history.orders.len());
                    history.records.push((who, -i64::from(quantity)));
                    purchases.subtract(&user(USERS[who]), quantity, sequence);
                }
                Step::Apply => history.applied = (history.applied + 1).min(history.records.len()),
                Step::ChooseBase => drop(history.choose(&purchases, start)),
                Step::Complete => {
                    let chosen = history.choose(&purchases, start);
                    let mut base = Base::default();
                    for (who, name) in USERS.iter().enumerate() {
                        base.add(name, history.units(who, chosen) as u32);
                    }
                    purchases.complete(base);
                    prop_assert!(purchases.is_complete());
                }
                Step::Settle { .. } | Step::Return { .. } => {}
            }
        }
    }
}
