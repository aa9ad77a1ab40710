//! Thresholds in the store: changed by one of two who saw the same, with all that ever changed.

use haetae::store::{StoredThreshold, ThresholdChange};

use super::{at, on_both, open};

fn row(reason: &str) -> StoredThreshold {
    StoredThreshold {
        id: String::new(),
        evaluator: "cpu".into(),
        matchers: "[]".into(),
        levels: r#"{"critical":{"above":97}}"#.into(),
        author: "kim".into(),
        reason: reason.into(),
        created: at(1),
        updated: at(1),
        version: 1,
    }
}

#[test]
fn of_two_changes_of_one_version_one_is_made() {
    on_both("thresholds", async |location| {
        let store = open(&location).await;
        let mut transaction = store.begin().await.unwrap();
        let first = transaction.add_threshold(&row("first")).await.unwrap();
        let second = transaction.add_threshold(&row("second")).await.unwrap();
        transaction.commit().await.unwrap();
        let ids: Vec<_> = store.thresholds().await.unwrap().into_iter().map(|one| one.id).collect();
        assert_eq!(ids, [first.clone(), second.clone()], "the oldest first");

        let seen = StoredThreshold { id: first.clone(), ..row("changed") };
        let mut transaction = store.begin().await.unwrap();
        assert!(transaction.change_threshold(&seen).await.unwrap());
        assert!(!transaction.change_threshold(&seen).await.unwrap(), "it is version 2 now");
        assert!(!transaction.remove_threshold(&first, 1, at(2)).await.unwrap());
        assert!(transaction.remove_threshold(&second, 1, at(2)).await.unwrap());
        assert!(!transaction.remove_threshold(&second, 2, at(2)).await.unwrap(), "it is gone");
        let change = ThresholdChange {
            at: at(2),
            actor: "lee".into(),
            act: "removed".into(),
            before: "{}".into(),
            after: String::new(),
        };
        transaction.note_threshold(&second, &change).await.unwrap();
        transaction.commit().await.unwrap();
        store.close().await;

        let store = open(&location).await;
        let left = store.thresholds().await.unwrap();
        let expected = StoredThreshold { version: 2, ..seen };
        assert_eq!(left, [expected]);
        assert_eq!(store.threshold_history(&second, 10).await.unwrap(), [change]);
        assert_eq!(store.threshold_history(&first, 10).await.unwrap(), []);
        // Names go on growing after a restart.
        let mut transaction = store.begin().await.unwrap();
        let third = transaction.add_threshold(&row("third")).await.unwrap();
        assert!(third > second, "{third} {second}");
        transaction.commit().await.unwrap();
    });
}
