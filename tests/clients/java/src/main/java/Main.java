import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Drives the admin client, the producer and the consumer of a kafka-clients since 2.8, with their
 * defaults where a step does not say otherwise. Arguments: a prefix for the names of topics, the
 * version of the client, the broker's address, the number of records of the large steps.
 */
public final class Main {
    private static final int PARTITIONS = 3;
    /** Of the topics that this client creates itself: 3 in a cluster. */
    private static final short REPLICATION_FACTOR =
            Short.parseShort(System.getenv().getOrDefault("REPLICATION_FACTOR", "1"));
    private static final long LIMIT_SECONDS = 40;
    private static final Duration POLL = Duration.ofMillis(500);
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

    private final String client;
    private final String version;
    private final String broker;
    private final int count;

    public static void main(String[] arguments) throws IOException {
        Main main = new Main(arguments);
        Steps steps = new Steps(LIMIT_SECONDS + main.count / 10_000);
        switch (Steps.wanted()) {
            case "attempt" -> Steps.attempt(main::sendOne);
            case "few" -> main.runFew(steps);
            default -> main.runAll(steps);
        }
        System.exit(0); // also if a step that was late still runs
    }

    private Main(String[] arguments) {
        client = arguments[0];
        version = arguments[1];
        broker = arguments[2];
        count = Integer.parseInt(arguments[3]);
    }

    private void runFew(Steps steps) throws IOException {
        ClientVersion.print();
        steps.step("create: topics, which are listed then", this::createTopics);
        steps.step("none: records with keys, headers and timestamps written",
                () -> send(topic("none"), 0, count));
        steps.step("none: read from the beginning", () -> readFromTheBeginning("none"));
        steps.step("resume: after a commit", this::commitAndResume);
        steps.step("delete: topics, which are not listed then", this::deleteTopics);
    }

    private void runAll(Steps steps) throws IOException {
        ClientVersion.print();
        steps.step("create: topics, which are listed then", this::createTopics);
        for (String codec : CODECS) {
            steps.step(codec + ": records with keys, headers and timestamps written",
                    () -> send(topic(codec), 0, count, "compression.type", codec));
            steps.step(codec + ": read from the beginning", () -> readFromTheBeginning(codec));
            steps.step("offset: " + codec, () -> readFromAnOffset(codec));
            steps.step("timestamp: " + codec, () -> readFromATimestamp(codec));
        }
        steps.step("retry: through kill -9, none lost, none twice", this::writeThroughKill);
        steps.step("resume: after a commit", this::commitAndResume);
        steps.step("resume: after a commit and kill -9", this::resumeAfterKill);
        steps.step("group: two members, rebalances, kill -9", () ->
                new GroupOfTwo(topic("group"), this::producer, this::consumer,
                        consumer -> consumer.poll(POLL)).run());
        steps.step("wide: 60 partitions, a record of 900 kB in each", this::manyPartitions);
        steps.step("delete: topics, which are not listed then", this::deleteTopics);
    }

    private String topic(String of) {
        return client + "-" + of;
    }

    private List<String> topics() {
        List<String> topics = new ArrayList<>();
        CODECS.forEach(codec -> topics.add(topic(codec)));
        topics.addAll(List.of(topic("through-kill"), topic("resume"), topic("group")));
        return topics;
    }

    private void createTopics() throws Exception {
        try (Admin admin = Admin.create(properties())) {
            List<NewTopic> wanted = new ArrayList<>();
            topics().forEach(topic -> wanted.add(new NewTopic(topic, PARTITIONS, REPLICATION_FACTOR)));
            admin.createTopics(wanted).all().get();
            awaitListed(admin, topics());
            try {
                admin.createTopics(wanted.subList(0, 1)).all().get();
                throw new AssertionError("a topic was created a second time");
            } catch (ExecutionException refused) {
                expect(TopicExistsException.class, refused.getCause().getClass(), "the refusal");
            }
        }
    }

    private void deleteTopics() throws Exception {
        try (Admin admin = Admin.create(properties())) {
            admin.deleteTopics(topics()).all().get();
            awaitListed(admin, List.of());
        }
    }

    /** Waits until these topics of this client are listed: a broker hears of them a moment after the controller. */
    private void awaitListed(Admin admin, List<String> wanted) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        Set<String> listed = listed(admin);
        while (!listed.equals(Set.copyOf(wanted)) && System.nanoTime() < deadline) {
            Thread.sleep(10);
            listed = listed(admin);
        }
        expect(Set.copyOf(wanted), listed, "topics listed");
    }

    private Set<String> listed(Admin admin) throws Exception {
        Set<String> listed = new HashSet<>(admin.listTopics().names().get());
        listed.retainAll(topics());
        return listed;
    }

    private void manyPartitions() throws Exception {
        String topic = topic("wide");
        try (Admin admin = Admin.create(properties())) {
            NewTopic wanted = new NewTopic(topic, ManyPartitions.PARTITIONS, REPLICATION_FACTOR);
            admin.createTopics(List.of(wanted)).all().get();
            new ManyPartitions(topic, this::producer, this::consumer,
                    consumer -> consumer.poll(POLL)).run();
            admin.deleteTopics(List.of(topic)).all().get();
        }
    }

    private void sendOne() throws Exception {
        try (KafkaProducer<String, String> producer = producer()) {
            producer.send(Records.make(topic("none"), 0)).get();
        }
    }

    /** Sends the records from..to-1. None must fail. */
    private void send(String topic, int from, int to, String... settings) {
        AtomicReference<String> wrong = new AtomicReference<>();
        try (KafkaProducer<String, String> producer = producer(settings)) {
            send(producer, topic, from, to, wrong);
        }
        expect(null, wrong.get(), "what the callbacks saw");
    }

    private static void send(KafkaProducer<String, String> producer, String topic, int from, int to,
            AtomicReference<String> wrong) {
        for (int index = from; index < to; index++) {
            producer.send(Records.make(topic, index), (metadata, exception) -> {
                if (exception != null) {
                    wrong.compareAndSet(null, exception.toString());
                }
            });
        }
    }

    private void readFromTheBeginning(String of) {
        try (KafkaConsumer<String, String> consumer = consumer()) {
            consumer.assign(partitions(topic(of)));
            consumer.seekToBeginning(consumer.assignment());
            readAll(consumer, new Records(count, 0L), count);
        }
    }

    /** With 100 keys no partition has less than a tenth of the records. */
    private void readFromAnOffset(String codec) {
        int tenth = count / 10;
        try (KafkaConsumer<String, String> consumer = consumer()) {
            consumer.assign(partitions(topic(codec)));
            consumer.assignment().forEach(partition -> consumer.seek(partition, tenth));
            readAll(consumer, new Records(count, (long) tenth), count - PARTITIONS * tenth);
        }
    }

    private void readFromATimestamp(String codec) {
        int half = count / 2;
        Map<TopicPartition, Long> timestamps = new HashMap<>();
        partitions(topic(codec)).forEach(partition ->
                timestamps.put(partition, Records.timestamp(half)));
        try (KafkaConsumer<String, String> consumer = consumer()) {
            consumer.assign(timestamps.keySet());
            for (Map.Entry<TopicPartition, OffsetAndTimestamp> found
                    : consumer.offsetsForTimes(timestamps).entrySet()) {
                consumer.seek(found.getKey(), found.getValue().offset());
            }
            Records records = new Records(count, null);
            readAll(consumer, records, count - half);
            expect(half, records.lowestIndex(), "the lowest record at or after the timestamp");
        }
    }

    /** Polls until so many records have been read, and once more: no further one must come. */
    private static void readAll(
            KafkaConsumer<String, String> consumer, Records records, int wanted) {
        while (records.count() < wanted) {
            consumer.poll(POLL).forEach(records::add);
        }
        consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        expect(wanted, records.count(), "records read");
    }

    /** Before 3.0 a producer is idempotent only if it is told to be. */
    private void writeThroughKill() throws Exception {
        String topic = topic("through-kill");
        AtomicReference<String> wrong = new AtomicReference<>();
        Process restart = null;
        try (KafkaProducer<String, String> producer = version.startsWith("2.")
                ? producer("enable.idempotence", "true") : producer()) {
            int parts = 100;
            for (int part = 0; part < parts; part++) {
                if (part == parts / 4) {
                    restart = Broker.startRestart();
                }
                send(producer, topic, part * count / parts, (part + 1) * count / parts, wrong);
                TimeUnit.MILLISECONDS.sleep(10);
            }
        }
        expect(null, wrong.get(), "what the callbacks saw");
        Broker.await(restart);
        readFromTheBeginning("through-kill");
    }

    /** A member reads a part and commits it, and leaves. The next one must go on right there. */
    private void commitAndResume() {
        send(topic("resume"), 0, count);
        Records records = new Records(count, 0L);
        readAsMember(records, count / 3);
        readAsMember(records, count);
        expect(count, records.count(), "records read");
    }

    /** What is committed must outlive the broker. */
    private void resumeAfterKill() throws Exception {
        Broker.await(Broker.startRestart());
        int to = count + count / 10;
        send(topic("resume"), count, to);
        Records records = new Records(to, null);
        readAsMember(records, to - count);
        expect(to - count, records.count(), "records read");
        expect(count, records.lowestIndex(), "the lowest record after what was committed");
    }

    private void readAsMember(Records records, int upTo) {
        try (KafkaConsumer<String, String> consumer = consumer("group.id", topic("resume"),
                "auto.offset.reset", "earliest", "enable.auto.commit", "false")) {
            consumer.subscribe(List.of(topic("resume")));
            while (records.count() < upTo) {
                consumer.poll(POLL).forEach(records::add);
            }
            consumer.commitSync();
        }
    }

    private KafkaProducer<String, String> producer(String... settings) {
        StringSerializer serializer = new StringSerializer();
        return new KafkaProducer<>(properties(settings), serializer, serializer);
    }

    private KafkaConsumer<String, String> consumer(String... settings) {
        StringDeserializer deserializer = new StringDeserializer();
        return new KafkaConsumer<>(properties(settings), deserializer, deserializer);
    }

    private Properties properties(String... settings) {
        Properties properties = Security.properties();
        properties.put("bootstrap.servers", broker);
        for (int at = 0; at < settings.length; at += 2) {
            properties.put(settings[at], settings[at + 1]);
        }
        return properties;
    }

    private static List<TopicPartition> partitions(String topic) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int number = 0; number < PARTITIONS; number++) {
            partitions.add(new TopicPartition(topic, number));
        }
        return partitions;
    }

    private static void expect(Object wanted, Object got, String what) {
        if (wanted == null ? got != null : !wanted.equals(got)) {
            throw new AssertionError(what + ": wanted " + wanted + ", got " + got);
        }
    }
}
