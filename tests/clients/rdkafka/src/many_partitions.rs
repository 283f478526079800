//! A topic of 60 partitions with a record of 900 kB in each. A consumer takes 50 MiB with one fetch,
//! which is less: the answer cannot have all of them, and the turn of each must come.

use std::collections::BTreeSet;

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use suite::records::WIDE_PARTITIONS;
use suite::records::make_wide_record;
use suite::steps::StepResult;

use crate::kafka::Got;
use crate::kafka::QUIET;
use crate::kafka::consumer;
use crate::kafka::create_topic;
use crate::kafka::delete_topics;
use crate::kafka::poll;
use crate::kafka::producer;
use crate::kafka::send_to;

/// A fetch may wait for half a second; so many of them in a row, and nothing more comes.
const QUIET_POLLS_MAX: u32 = 60;

pub async fn run(topic: String) -> StepResult {
    create_topic(&topic, WIDE_PARTITIONS).await?.map_err(|code| code.to_string())?;
    let producer = producer(&[])?;
    for partition in 0..WIDE_PARTITIONS {
        send_to(&producer, &topic, partition, &make_wide_record(partition)).await?;
    }
    read(&topic).await?;
    delete_topics(vec![topic]).await
}

async fn read(topic: &str) -> StepResult {
    let consumer = consumer("not-used", &[("enable.auto.commit", "false")])?;
    let mut starts = TopicPartitionList::new();
    for partition in 0..WIDE_PARTITIONS {
        starts.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&starts)?;
    let mut unread = BTreeSet::from_iter(0..WIDE_PARTITIONS);
    let mut quiet = 0;
    while !unread.is_empty() {
        match poll(&consumer, QUIET).await? {
            Some(got) => verify(&got, &mut unread)?,
            None => quiet += 1,
        }
        if quiet > QUIET_POLLS_MAX {
            return Err(format!("the partitions {unread:?} are unread").into());
        }
    }
    Ok(())
}

fn verify(got: &Got, unread: &mut BTreeSet<i32>) -> StepResult {
    let is_right = got.offset == 0 && got.record == make_wide_record(got.partition);
    if !is_right || !unread.remove(&got.partition) {
        let (partition, offset) = (got.partition, got.offset);
        return Err(format!("partition {partition} has one record, and got {offset}").into());
    }
    Ok(())
}
