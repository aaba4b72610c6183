//! Opening: what is ours, what is newer, what is neither.

use std::path::Path;

use redb::{Database, TableDefinition};

use crate::domain::idempotency_key::{IdempotencyKey, KeyText};
use crate::store::format::{FORMAT, OLDEST_FORMAT};
use crate::store::tables::definitions;
use crate::store::{Head, Medium, OpenError, Recovered, Store, file_in};

fn open(path: &Path) -> Result<(Store, Recovered), OpenError> {
    Store::open(Medium::File(path.to_owned()))
}

#[test]
fn a_new_store_is_empty_and_keeps_its_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let file = file_in(dir.path());
    let (store, recovered) = open(&file).unwrap();
    assert_eq!(recovered.head, Head::of_new(recovered.head.history()));
    assert_ne!(recovered.head.history(), Default::default(), "its history has no id");
    let (secret, key) = (*store.secret(), key_in(&store));
    drop(store);
    let again = open(&file).unwrap().0;
    assert_eq!((*again.secret(), key_in(&again)), (secret, key));
    let other = open(&file_in(tempfile::tempdir().unwrap().path())).unwrap().0;
    assert!(*other.secret() != secret && key_in(&other) != key, "two stores share a secret");
}

/// The same text in every store.
fn key_in(store: &Store) -> IdempotencyKey {
    store.key_hasher().key(&KeyText::new("cart-7").unwrap())
}

/// Changes a single value of a closed store.
fn set(file: &Path, name: &str, value: Option<&[u8]>) {
    let database = Database::open(file).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut state = transaction.open_table(definitions::STATE).unwrap();
    match value {
        Some(value) => drop(state.insert(name, value).unwrap()),
        None => drop(state.remove(name).unwrap()),
    }
    drop(state);
    transaction.commit().unwrap();
}

/// Without its secrets it would take a repeated request for a new one.
#[test]
fn a_store_that_has_lost_a_value_of_its_own_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let file = file_in(dir.path());
    drop(open(&file).unwrap());
    for name in [
        definitions::STATE_FORMAT,
        definitions::STATE_SECRET,
        definitions::STATE_KEY_SECRET,
        definitions::STATE_INSTANCE,
        definitions::STATE_HEAD,
    ] {
        let whole = std::fs::read(&file).unwrap();
        for value in [None, Some([1, 2, 3].as_slice())] {
            set(&file, name, value);
            assert!(matches!(open(&file), Err(OpenError::Damaged(..))), "{name} {value:?}");
            std::fs::write(&file, &whole).unwrap();
        }
    }
    open(&file).unwrap();
}

#[test]
fn a_second_opening_is_told_that_the_store_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let file = file_in(dir.path());
    let _first = open(&file).unwrap();
    assert!(matches!(open(&file), Err(OpenError::InUse(_))));
}

#[test]
fn another_format_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = file_in(dir.path());
    drop(open(&file).unwrap());
    let refused = |format: u32| {
        set(&file, definitions::STATE_FORMAT, Some(format.to_le_bytes().as_slice()));
        open(&file).unwrap_err()
    };
    let newer = refused(FORMAT + 1);
    assert!(matches!(newer, OpenError::NewerFormat { found } if found == FORMAT + 1));
    assert!(newer.to_string().contains("use a newer flashsale"), "{newer}");
    let older = refused(FORMAT - 1);
    assert!(matches!(older, OpenError::OlderFormat { found } if found == FORMAT - 1));
    assert!(older.to_string().contains("start `flashsale serve`"), "{older}");
    let unknown = refused(OLDEST_FORMAT - 1);
    assert!(matches!(unknown, OpenError::UnknownFormat { found } if found == OLDEST_FORMAT - 1));
    assert!(refused(FORMAT + 1).to_string().contains(&(FORMAT + 1).to_string()), "it was left as it was");
}

#[test]
fn another_program_s_database_is_not_taken_for_ours() {
    let dir = tempfile::tempdir().unwrap();
    let file = file_in(dir.path());
    let database = Database::create(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<u64, u64>::new("theirs")).unwrap().insert(1, 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(open(&file), Err(OpenError::Damaged(..))));
}
