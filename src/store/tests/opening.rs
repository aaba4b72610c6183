//! Opening: what is ours, what is newer, what is neither.

use std::path::Path;

use redb::{Database, TableDefinition};

use crate::store::format::{FORMAT, OLDEST_FORMAT};
use crate::store::tables::definitions;
use crate::store::{Head, Medium, OpenError, Recovered, Store, file_in};

fn open(path: &Path) -> Result<(Store, Recovered), OpenError> {
    Store::open(Medium::File(path.to_owned()))
}

#[test]
fn a_new_store_is_empty_and_keeps_its_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = file_in(dir.path());
    let (store, recovered) = open(&file).unwrap();
    assert_eq!(recovered.head, Head::of_new(recovered.head.history()));
    assert_ne!(recovered.head.history(), Default::default(), "its history has no id");
    let secret = *store.secret();
    drop(store);
    assert_eq!(*open(&file).unwrap().0.secret(), secret);
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
        let database = Database::open(&file).unwrap();
        let transaction = database.begin_write().unwrap();
        let mut state = transaction.open_table(definitions::STATE).unwrap();
        state.insert(definitions::STATE_FORMAT, format.to_le_bytes().as_slice()).unwrap();
        drop(state);
        transaction.commit().unwrap();
        drop(database);
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
