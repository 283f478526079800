import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BiPredicate;

import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends lines, keeps count of their words, and compares with what was counted. */
final class Words {
    /** How many different words there are. */
    static final int DIFFERENT = 500;

    private static final int WORDS_IN_A_LINE = 5;
    private static final Duration POLL = Duration.ofMillis(200);
    /** How long to wait for the counts before the step says what they are. */
    private static final long WAIT_SECONDS = 60;

    private final Properties settings = new Properties();
    private final Map<String, Long> sent = new HashMap<>();
    private int number;

    Words(String broker) {
        settings.put("bootstrap.servers", broker);
    }

    void send(int lines) throws Exception {
        List<Future<RecordMetadata>> results = new ArrayList<>();
        StringSerializer serializer = new StringSerializer();
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(settings, serializer, serializer)) {
            for (int line = 0; line < lines; line++) {
                results.add(producer.send(new ProducerRecord<>(WordCount.LINES, nextLine())));
            }
        }
        for (Future<RecordMetadata> result : results) {
            result.get(0, TimeUnit.SECONDS);
        }
    }

    private String nextLine() {
        List<String> words = new ArrayList<>();
        while (words.size() < WORDS_IN_A_LINE) {
            String word = "word-" + (number++ * 7919L) % DIFFERENT;
            words.add(word);
            sent.merge(word, 1L, Long::sum);
        }
        return String.join(" ", words);
    }

    /** Waits until every word has been counted as often as it was sent. */
    void expectCounted() {
        expect((wanted, got) -> wanted.equals(got));
    }

    void expectCountedAtLeast() {
        expect((wanted, got) -> got >= wanted);
    }

    /** The last count of a word is its newest one, because a word stays in its partition. */
    private void expect(BiPredicate<Long, Long> isRight) {
        Map<String, Long> counts = new HashMap<>();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS);
        try (KafkaConsumer<String, Long> consumer = new KafkaConsumer<>(
                settings, new StringDeserializer(), new LongDeserializer())) {
            List<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(WordCount.COUNTS).forEach(partition ->
                    partitions.add(new TopicPartition(WordCount.COUNTS, partition.partition())));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            while (!wrong(counts, isRight).isEmpty()) {
                if (System.nanoTime() > deadline) {
                    throw new AssertionError(describe(counts, isRight));
                }
                consumer.poll(POLL).forEach(count -> counts.put(count.key(), count.value()));
            }
            consumer.poll(POLL).forEach(count -> counts.put(count.key(), count.value()));
        }
        if (!wrong(counts, isRight).isEmpty()) {
            throw new AssertionError(describe(counts, isRight));
        }
    }

    private List<String> wrong(Map<String, Long> counts, BiPredicate<Long, Long> isRight) {
        return sent.keySet().stream()
                .filter(word -> !isRight.test(sent.get(word), counts.getOrDefault(word, 0L)))
                .toList();
    }

    private String describe(Map<String, Long> counts, BiPredicate<Long, Long> isRight) {
        List<String> wrong = wrong(counts, isRight);
        String word = wrong.get(0);
        return wrong.size() + " of " + sent.size() + " words are counted wrong: " + word + " was sent "
                + sent.get(word) + " times, and counted " + counts.get(word);
    }
}
