import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.internals.RecordHeader;

/**
 * The records that are written, and the check of what is read against them: no offset missing, the
 * order of each partition kept, no record twice, and all that a record carries as it was.
 */
final class Records {
    private static final int KEYS = 100;
    private static final long FIRST_TIMESTAMP = System.currentTimeMillis() - 3_600_000;
    private static final RecordHeader HEADER =
            new RecordHeader("from", "the suite".getBytes(StandardCharsets.UTF_8));

    private final int sent;
    private final Long firstOffset;
    private final BitSet seen = new BitSet();
    private final Map<Integer, Long> next = new HashMap<>();
    private final Map<Integer, Integer> last = new HashMap<>();

    /** `firstOffset` is the one wanted in each partition; null if any will do. */
    Records(int sent, Long firstOffset) {
        this.sent = sent;
        this.firstOffset = firstOffset;
    }

    /** Every record is a millisecond younger than the one before. */
    static long timestamp(int index) {
        return FIRST_TIMESTAMP + index;
    }

    static ProducerRecord<String, String> make(String topic, int index) {
        return new ProducerRecord<>(
                topic, null, timestamp(index), key(index), value(index), List.of(HEADER));
    }

    /** Fails if the record is not what was sent as its number. */
    static int verify(ConsumerRecord<String, String> record) {
        int index = Integer.parseInt(record.value().substring(0, 8));
        boolean isRight = record.value().equals(value(index)) && record.key().equals(key(index))
                && record.timestamp() == timestamp(index)
                && List.of(record.headers().toArray()).equals(List.of(HEADER));
        expect(isRight, "wrong record", record);
        return index;
    }

    void add(ConsumerRecord<String, String> record) {
        int index = verify(record);
        Long wanted = next.getOrDefault(record.partition(), firstOffset);
        expect(index < sent, "a record that was never sent", record);
        expect(wanted == null || wanted == record.offset(), "offset " + wanted + " wanted", record);
        expect(!seen.get(index), "record seen before", record);
        expect(index > last.getOrDefault(record.partition(), -1), "out of order", record);
        next.put(record.partition(), record.offset() + 1);
        last.put(record.partition(), index);
        seen.set(index);
    }

    int count() {
        return seen.cardinality();
    }

    int lowestIndex() {
        return seen.nextSetBit(0);
    }

    private static String key(int index) {
        return "key-" + index % KEYS;
    }

    private static String value(int index) {
        return String.format("%08d %090d", index, index * 7919L);
    }

    private static void expect(boolean isSo, String what, ConsumerRecord<?, ?> got) {
        if (!isSo) {
            throw new AssertionError(what + ": " + got);
        }
    }
}
