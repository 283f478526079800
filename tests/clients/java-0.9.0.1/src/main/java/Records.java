import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/** The records of the steps with a group. In 0.9 they have neither headers nor timestamps. */
final class Records {
    private static final int KEYS = 100;

    private Records() {}

    static ProducerRecord<String, String> make(String topic, int index) {
        return new ProducerRecord<>(topic, key(index), value(index));
    }

    /** Fails if the record is not what was sent as its number. */
    static int verify(ConsumerRecord<String, String> record) {
        int index = Integer.parseInt(record.value().substring(0, 8));
        if (!record.value().equals(value(index)) || !record.key().equals(key(index))) {
            throw new AssertionError("wrong record: " + record);
        }
        return index;
    }

    private static String key(int index) {
        return "key-" + index % KEYS;
    }

    private static String value(int index) {
        return String.format("%08d %090d", index, index * 7919L);
    }
}
