//! Brokers as the records change them.

use transferto::common::end_point::ListenerName;
use transferto::image::metadata_delta::MetadataDelta;
use transferto::image::metadata_image::MetadataImage;
use transferto::image::records::broker_records::{
    BrokerRegistrationChangeRecord, FenceBrokerRecord, RegisterBrokerRecord, UnfenceBrokerRecord,
    UnregisterBrokerRecord,
};
use transferto::image::records::metadata_record::MetadataRecord;
use transferto::protocol::wire::uuid::Uuid;

use crate::image::made_records::{broker, followed};

fn image(records: &[MetadataRecord]) -> MetadataImage {
    followed(&MetadataImage::default(), records)
}

fn three() -> MetadataImage {
    let third =
        RegisterBrokerRecord { rack: Some("arack".to_string()), fenced: false, ..broker(2, 123) };
    let second = RegisterBrokerRecord { fenced: false, ..broker(1, 1001) };
    image(&[broker(0, 1000).into(), second.into(), third.into()])
}

fn state(image: &MetadataImage, id: i32) -> Option<(i64, bool, bool)> {
    image.cluster.broker(id).map(|it| (it.epoch, it.fenced, it.in_controlled_shutdown))
}

fn registration_change(id: i32, epoch: i64) -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord {
        broker_id: id,
        broker_epoch: epoch,
        ..BrokerRegistrationChangeRecord::default()
    }
}

/// Port of `ClusterImageTest.testApplyDelta1` and of `ClusterImageTest.testApplyDelta2`.
#[test]
fn brokers_are_fenced_unfenced_stopped_removed_and_registered_again() {
    let first = three();
    let stopping = BrokerRegistrationChangeRecord {
        in_controlled_shutdown: 1,
        ..registration_change(0, 1000)
    };
    let second = followed(
        &first,
        &[
            UnfenceBrokerRecord { id: 0, epoch: 1000 }.into(),
            FenceBrokerRecord { id: 1, epoch: 1001 }.into(),
            stopping.into(),
            UnregisterBrokerRecord { broker_id: 2, broker_epoch: 123 }.into(),
        ],
    );
    assert_eq!(state(&second, 0), Some((1000, false, true)));
    assert_eq!(state(&second, 1), Some((1001, true, false)));
    assert_eq!(state(&second, 2), None);

    let again = RegisterBrokerRecord { rack: Some("rack3".to_string()), ..broker(2, 1002) };
    let third = followed(
        &second,
        &[
            FenceBrokerRecord { id: 0, epoch: 1000 }.into(),
            UnfenceBrokerRecord { id: 1, epoch: 1001 }.into(),
            registration_change(0, 1000).into(),
            again.into(),
        ],
    );
    assert_eq!(state(&third, 0), Some((1000, true, true)));
    assert_eq!(state(&third, 1), Some((1001, false, false)));
    assert_eq!(state(&third, 2), Some((1002, true, false)));
    assert_eq!(third.cluster.broker(2).unwrap().rack.as_deref(), Some("rack3"));
    assert_eq!(state(&first, 2), Some((123, false, false)), "an image that was published stays");
}

#[test]
fn a_registration_takes_the_place_of_the_one_before() {
    let directory = Uuid([5; 16]);
    let with = RegisterBrokerRecord { log_dirs: vec![directory], ..broker(1, 10) };
    let first = image(&[with.into()]);
    assert_eq!(first.cluster.broker(1).unwrap().directories, [directory.0]);
    let second = followed(&first, &[broker(1, 20).into()]);
    assert!(second.cluster.broker(1).unwrap().directories.is_empty());
    let moved =
        BrokerRegistrationChangeRecord { log_dirs: vec![directory], ..registration_change(1, 20) };
    let third = followed(&second, &[moved.into()]);
    assert_eq!(third.cluster.broker(1).unwrap().directories, [directory.0]);
    let unchanged = followed(&third, &[registration_change(1, 20).into()]);
    assert_eq!(unchanged.cluster.broker(1).unwrap().directories, [directory.0]);
}

#[test]
fn listeners_are_found_whatever_their_case() {
    let mut record = broker(1, 10);
    record.end_points[0].name = "Internal".to_string();
    record.end_points[0].port = 40_000;
    let image = image(&[record.into()]);
    let listeners = &image.cluster.broker(1).unwrap().listeners;
    let endpoint = &listeners[&ListenerName::normalised("INTERNAL")];
    assert_eq!((endpoint.host.as_str(), endpoint.port), ("localhost", 40_000));
}

/// Port of `ClusterImageTest.testBrokerEpoch` and of `ClusterImageTest.testBrokerEpochForNonExistentBroker`:
/// a record about an earlier life of a broker, or about none, means that something was missed.
#[test]
fn a_change_of_another_epoch_or_another_broker_is_refused() {
    let image = three();
    assert_eq!(image.cluster.broker(2).map(|it| it.epoch), Some(123));
    assert_eq!(image.cluster.broker(20).map(|it| it.epoch), None);
    for (record, why) in [
        (FenceBrokerRecord { id: 20, epoch: 1 }.into(), "there is no broker 20"),
        (UnfenceBrokerRecord { id: 2, epoch: 122 }.into(), "in epoch 123, not 122"),
        (registration_change(1, 1).into(), "in epoch 1001, not 1"),
        (
            BrokerRegistrationChangeRecord { fenced: 2, ..registration_change(1, 1001) }.into(),
            "fenced is 2",
        ),
        (
            BrokerRegistrationChangeRecord {
                in_controlled_shutdown: -1,
                ..registration_change(1, 1001)
            }
            .into(),
            "inControlledShutdown is -1",
        ),
    ] {
        let record: MetadataRecord = record;
        let error = image.clone().replay(&record).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_delta_says_whether_any_broker_changed() {
    let before = three();
    let change = |records: &[MetadataRecord]| {
        MetadataDelta::between(&before, &followed(&before, records)).is_cluster_changed
    };
    assert!(!change(&[]));
    assert!(!change(&[registration_change(1, 1001).into()]), "it says nothing new");
    assert!(change(&[FenceBrokerRecord { id: 1, epoch: 1001 }.into()]));
    assert!(change(&[UnregisterBrokerRecord { broker_id: 1, broker_epoch: 1001 }.into()]));
    assert!(change(&[broker(1, 1002).into()]));
}
