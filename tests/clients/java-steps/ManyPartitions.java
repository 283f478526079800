import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * A topic of 60 partitions with a record of 900 kB in each. Since 0.10.1 a consumer takes 50 MiB with
 * one fetch, which is less: the answer cannot have all of them, and the turn of each must come.
 */
final class ManyPartitions {
    static final int PARTITIONS = 60;
    private static final int VALUE_CHARS = 900_000;

    private final String topic;
    private final Function<String[], KafkaProducer<String, String>> makeProducer;
    private final Function<String[], KafkaConsumer<String, String>> makeConsumer;
    private final Function<KafkaConsumer<String, String>, ConsumerRecords<String, String>> poll;

    /** The topic is there. `poll` polls for half a second, in the way of the release. */
    ManyPartitions(String topic, Function<String[], KafkaProducer<String, String>> makeProducer,
            Function<String[], KafkaConsumer<String, String>> makeConsumer,
            Function<KafkaConsumer<String, String>, ConsumerRecords<String, String>> poll) {
        this.topic = topic;
        this.makeProducer = makeProducer;
        this.makeConsumer = makeConsumer;
        this.poll = poll;
    }

    void run() throws Exception {
        write();
        read();
    }

    private void write() throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer = makeProducer.apply(new String[0])) {
            for (int number = 0; number < PARTITIONS; number++) {
                sent.add(producer.send(
                        new ProducerRecord<>(topic, number, "key-" + number, value(number))));
            }
        }
        for (Future<RecordMetadata> one : sent) {
            one.get(0, TimeUnit.SECONDS);
        }
    }

    private void read() {
        SortedSet<Integer> unread = new TreeSet<>();
        List<TopicPartition> partitions = new ArrayList<>();
        for (int number = 0; number < PARTITIONS; number++) {
            unread.add(number);
            partitions.add(new TopicPartition(topic, number));
        }
        try (KafkaConsumer<String, String> consumer = makeConsumer.apply(new String[0])) {
            consumer.assign(partitions);
            partitions.forEach(partition -> consumer.seek(partition, 0));
            while (!unread.isEmpty()) {
                poll.apply(consumer).forEach(record -> verify(record, unread));
            }
        } catch (RuntimeException failed) {
            throw new AssertionError("the partitions " + unread + " are unread: " + failed, failed);
        }
    }

    private static void verify(ConsumerRecord<String, String> record, SortedSet<Integer> unread) {
        int number = record.partition();
        boolean isRight = record.offset() == 0 && record.key().equals("key-" + number)
                && record.value().equals(value(number));
        if (!isRight || !unread.remove(number)) {
            throw new AssertionError("partition " + number + " has one record, and got "
                    + record.offset() + ": " + record.value().substring(0, 20));
        }
    }

    private static String value(int number) {
        return String.format("%0" + VALUE_CHARS + "d", number);
    }
}
