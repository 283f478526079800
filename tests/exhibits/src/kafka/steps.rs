//! The steps of the way of a fetch, by the numbers of `docs/en/fetch.md`, in Kafka's names.

use crate::session::Act;

/// The last.
pub(crate) const UNMUTE: u8 = 19;
/// What comes after the last: the connection goes.
pub(crate) const CLOSE: u8 = 20;
/// Two that no request takes, but the thread that copies from a leader: it asks and gets an answer,
pub(crate) const FETCH: u8 = 21;
/// and writes to its log what it has got.
pub(crate) const COPY: u8 = 22;

/// The name of a step; that of a produce request differs in the middle.
pub(crate) fn title(step: u8, act: Act) -> &'static str {
    match (step, matches!(act, Act::Produce | Act::ProduceOne)) {
        (1, _) => "Acceptor.accept",
        (2, _) => "Processor.configureNewConnections, Selector.register",
        (3, _) => "Selector.poll",
        (4, _) => "NetworkReceive.readFrom",
        (5, _) => "RequestChannel.sendRequest, Selector.mute",
        (6, _) => "KafkaApis.handle",
        (7, true) => "ReplicaManager.appendMessages",
        (7, _) => "ReplicaManager.fetchMessages",
        (8, _) if act == Act::Produce => "Log.append",
        (8, true) => "Log.append; the fetch that waited: Log.read, LogSegment.translateOffset",
        (8, _) => "Log.read, LogSegment.translateOffset, FileMessageSet.searchFor",
        (9, _) => "FileMessageSet.read",
        (10, true) => "DelayedProduce, DelayedOperationPurgatory",
        (10, _) => "DelayedFetch, DelayedOperationPurgatory",
        (11, _) => "the pages are warmed (not in Kafka)",
        (12, _) => "FetchResponseSend",
        (13, _) => "RequestChannel.sendResponse, Selector.wakeup",
        (14, _) => "Processor.processNewResponses, KafkaChannel.setSend",
        (15, _) => "KafkaChannel.write",
        (16, _) if act == Act::Produce => "ByteBufferSend.writeTo",
        (16, _) => "MultiSend.writeTo",
        (17, _) => "FileMessageSet.writeTo",
        (18, _) => "TransportLayer.transferFrom, FileChannel.transferTo",
        (19, _) => "Processor.run, completedSends: Selector.unmute",
        (FETCH, _) => "[follower] ReplicaFetcherThread.fetch",
        (COPY, _) => "[follower] ReplicaFetcherThread.processPartitionData, Log.append",
        _ => "Selector.close",
    }
}
