//! Thresholds in the store: changed by one of two who saw the same, with all that ever changed.

use haetae::store::{StoredThreshold, ThresholdChange};

use super::{at, on_both, open, write};

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
        let (first, second) = write(&store, |transaction| {
            let first = transaction.add_threshold(&row("first"))?;
            Ok((first, transaction.add_threshold(&row("second"))?))
        })
        .await;
        let ids: Vec<_> = store.thresholds().await.unwrap().into_iter().map(|one| one.id).collect();
        assert_eq!(ids, [first.clone(), second.clone()], "the oldest first");

        let seen = StoredThreshold { id: first.clone(), ..row("changed") };
        let change = ThresholdChange {
            at: at(2),
            actor: "lee".into(),
            act: "removed".into(),
            before: "{}".into(),
            after: String::new(),
        };
        let (one, gone, noted) = (seen.clone(), second.clone(), change.clone());
        write(&store, move |transaction| {
            assert!(transaction.change_threshold(&one).unwrap());
            assert!(!transaction.change_threshold(&one).unwrap(), "it is version 2 now");
            assert!(!transaction.remove_threshold(&one.id, 1, at(2)).unwrap());
            assert!(transaction.remove_threshold(&gone, 1, at(2)).unwrap());
            assert!(!transaction.remove_threshold(&gone, 2, at(2)).unwrap(), "it is gone");
            transaction.note_threshold(&gone, &noted).unwrap();
            Ok(())
        })
        .await;
        store.close().await;

        let store = open(&location).await;
        let left = store.thresholds().await.unwrap();
        let expected = StoredThreshold { version: 2, ..seen };
        assert_eq!(left, [expected]);
        assert_eq!(store.threshold_history(&second, 10).await.unwrap(), [change]);
        assert_eq!(store.threshold_history(&first, 10).await.unwrap(), []);
        // Names go on growing after a restart.
        write(&store, move |transaction| {
            let third = transaction.add_threshold(&row("third")).unwrap();
            assert!(third > second, "{third} {second}");
            Ok(())
        })
        .await;
    });
}
