import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Utils;

/**
 * Drives the producer and the consumer of kafka-clients 0.9.0.1, with their defaults where a step
 * does not say otherwise. Arguments: what to do, the broker's address, the number of records of the
 * large steps.
 */
public final class Main {
    private static final int PARTITIONS = 3;
    private static final int FEW = 10_000;
    private static final long LIMIT_SECONDS = 40;
    private static final List<String> CODECS = Arrays.asList("none", "gzip", "snappy", "lz4");

    private final String broker;
    private final int count;
    private final Steps steps;

    public static void main(String[] arguments) throws IOException {
        int count = Integer.parseInt(arguments[2]);
        Main main = new Main(arguments[1], count, new Steps(LIMIT_SECONDS + count / 10_000));
        switch (arguments[0]) {
            case "write" -> {
                ClientVersion.print();
                main.write();
            }
            case "read-kcat" -> main.readKcat();
            case "after-kill" -> main.afterKill();
            case "few" -> {
                ClientVersion.print();
                main.few();
            }
            case "attempt" -> Steps.attempt(main::attempt);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        System.exit(0); // also if a step that was late still runs
    }

    private Main(String broker, int count, Steps steps) {
        this.broker = broker;
        this.count = count;
        this.steps = steps;
    }

    private void write() {
        steps.step("partitionsFor and listTopics", this::topics);
        steps.step("producer with its defaults, keys and partitioner", this::keys);
        steps.step("acks=all", () -> writeAndRead("java-acks-all", FEW, "acks", "all"));
        steps.step("acks=0", this::acks0);
        for (String codec : CODECS) {
            steps.step(codec + ": " + count + " records written",
                    () -> send("java-" + codec, count, "compression.type", codec));
            steps.step(codec + ": read from the beginning", () -> readAll("java-" + codec, count));
            steps.step("offset: " + codec, () -> seekToAnOffset("java-" + codec));
            steps.step(codec + ": fetches of 20000 bytes",
                    () -> readAll("java-" + codec, count, "max.partition.fetch.bytes", "20000"));
        }
        steps.step("fetches of 2000 bytes", this::fetchesSmallerThanABatch);
        steps.step("seek to the end, and a long poll", this::seekToTheEnd);
        steps.step("null and empty keys and values", this::nulls);
        steps.step("record larger than max.partition.fetch.bytes",
                this::recordTooLargeForTheConsumer);
        steps.step("record larger than message.max.bytes", this::recordTooLargeForTheBroker);
    }

    private void few() {
        steps.step("none: " + count + " records written", () -> send("java-none", count));
        steps.step("none: read from the beginning", () -> readAll("java-none", count));
        steps.step("resume: after a commit", this::commitAndResume);
    }

    /** It waits for a minute, whatever happens; this is to be sooner. */
    private void attempt() throws Exception {
        try (KafkaProducer<String, String> producer = producer("max.block.ms", "5000")) {
            sendOne(producer, new ProducerRecord<>("java-none", value(0)));
        }
    }

    private void readKcat() {
        for (String codec : CODECS) {
            steps.step("Java reads what kcat wrote: " + codec,
                    () -> readAll("kcat-" + codec, count));
        }
    }

    private void afterKill() {
        for (String codec : CODECS) {
            steps.step(codec + ": all there after kill -9", () -> readAll("java-" + codec, count));
        }
        steps.step("offsets go on after kill -9", () -> {
            try (KafkaProducer<String, String> producer = producer()) {
                RecordMetadata metadata =
                        sendOne(producer, new ProducerRecord<>("java-nulls", 0, "key", "value"));
                expect(4L, metadata.offset(), "offset of the next record");
            }
        });
        steps.step("resume: after a commit", this::commitAndResume);
        steps.step("resume: after a commit and kill -9", this::resumeAfterKill);
        steps.step("group: two members, rebalances, kill -9", this::groupOfTwo);
        steps.step("wide: 60 partitions, a record of 900 kB in each", this::manyPartitions);
    }

    /**
     * A member that finds no topic looks again after five minutes: so the topic is made first. By
     * default this producer does not try again, and would lose what is under way.
     */
    private void groupOfTwo() throws Exception {
        try (KafkaProducer<String, String> producer = producer()) {
            producer.partitionsFor("java-group");
        }
        new GroupOfTwo("java-group", settings -> producer("retries", "100"), this::consumer,
                consumer -> consumer.poll(500)).run();
    }

    private void manyPartitions() throws Exception {
        Broker.createTopic("java-wide", ManyPartitions.PARTITIONS);
        new ManyPartitions("java-wide", settings -> producer("retries", "100"), this::consumer,
                consumer -> consumer.poll(500)).run();
    }

    /** A member reads a part and commits it, and leaves. The next one must go on right there. */
    private void commitAndResume() throws Exception {
        sendForMembers(0, count);
        BitSet seen = new BitSet(count);
        readAsMember(seen, count / 3);
        readAsMember(seen, count);
    }

    /** What is committed must outlive the broker: nothing that was read before comes again. */
    private void resumeAfterKill() throws Exception {
        Broker.await(Broker.startRestart());
        sendForMembers(count, count + FEW);
        BitSet seen = new BitSet(count + FEW);
        readAsMember(seen, FEW);
        expect(count, seen.nextSetBit(0), "the lowest record after what was committed");
    }

    private void sendForMembers(int from, int to) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer = producer()) {
            for (int index = from; index < to; index++) {
                sent.add(producer.send(Records.make("java-resume", index)));
            }
        }
        for (Future<RecordMetadata> one : sent) {
            one.get(0, TimeUnit.SECONDS);
        }
    }

    /** Reads as a member of a group until `seen` has so many, none twice; commits, and leaves. */

    private void readAsMember(BitSet seen, int upTo) {
        try (KafkaConsumer<String, String> consumer = consumer("group.id", "java-resume",
                "auto.offset.reset", "earliest", "enable.auto.commit", "false")) {
            consumer.subscribe(Collections.singletonList("java-resume"));
            while (seen.cardinality() < upTo) {
                for (ConsumerRecord<String, String> record : consumer.poll(500)) {
                    int index = Records.verify(record);
                    expect(false, seen.get(index), "record seen before: " + record);
                    seen.set(index);
                }
            }
            consumer.commitSync();
        }
    }

    private void topics() throws Exception {
        try (KafkaProducer<String, String> producer = producer();
                KafkaConsumer<String, String> consumer = consumer()) {
            List<PartitionInfo> partitions = producer.partitionsFor("java-fresh");
            expect(PARTITIONS, partitions.size(), "partitions of a topic that nobody had made");
            for (PartitionInfo partition : partitions) {
                String leader = partition.leader().host() + ":" + partition.leader().port();
                expect(broker, leader, "leader of " + partition);
                expect(1, partition.replicas().length, "replicas");
                expect(1, partition.inSyncReplicas().length, "replicas in sync");
            }
            expect(PARTITIONS, consumer.partitionsFor("java-fresh").size(),
                    "partitions, as the consumer sees it");
            expect(true, consumer.listTopics().containsKey("java-fresh"), "topic in the list");
        }
    }

    /** Each key must have the partition that the client's hash says, and the offsets no gap. */
    private void keys() throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer = producer()) {
            for (int index = 0; index < FEW; index++) {
                String key = "key-" + index % 100;
                sent.add(producer.send(new ProducerRecord<>("java-keys", key, value(index))));
            }
        }
        long[] next = new long[PARTITIONS];
        for (int index = 0; index < FEW; index++) {
            RecordMetadata metadata = sent.get(index).get(0, TimeUnit.SECONDS);
            int hash = Utils.murmur2(("key-" + index % 100).getBytes("UTF-8")) & 0x7fffffff;
            expect(hash % PARTITIONS, metadata.partition(), "partition of record " + index);
            expect(next[metadata.partition()]++, metadata.offset(), "offset of record " + index);
        }
        readAll("java-keys", FEW);
    }

    private void writeAndRead(String topic, int records, String... settings) throws Exception {
        send(topic, records, settings);
        readAll(topic, records);
    }

    /** With acks=0 nothing comes back: no offset is known, and what was sent is there soon. */
    private void acks0() throws Exception {
        try (KafkaProducer<String, String> producer = producer("acks", "0")) {
            RecordMetadata metadata = null;
            for (int index = 0; index < FEW; index++) {
                metadata = sendOne(producer, new ProducerRecord<>("java-acks-0", value(index)));
            }
            expect(-1L, metadata.offset(), "offset of a record that nobody acknowledged");
        }
        readAll("java-acks-0", FEW);
    }

    /**
     * Sends records without keys, which go round the partitions. None must fail, and no offset must
     * be missing.
     */
    private void send(String topic, int records, String... settings) throws Exception {
        AtomicReference<String> wrong = new AtomicReference<>();
        long[] next = new long[PARTITIONS];
        try (KafkaProducer<String, String> producer = producer(settings)) {
            for (int index = 0; index < records; index++) {
                producer.send(new ProducerRecord<>(topic, value(index)), (metadata, exception) -> {
                    if (exception != null) {
                        wrong.compareAndSet(null, exception.toString());
                    } else if (metadata.offset() != next[metadata.partition()]++) {
                        wrong.compareAndSet(null, "out of turn: " + metadata.topic() + " "
                                + metadata.partition() + " offset " + metadata.offset());
                    }
                });
            }
        }
        expect(null, wrong.get(), "what the callbacks saw");
        expect((long) records, Arrays.stream(next).sum(), "records acknowledged");
    }

    private void readAll(String topic, int records, String... settings) throws Exception {
        try (KafkaConsumer<String, String> consumer = consumer(settings)) {
            List<TopicPartition> partitions = assignAll(consumer, topic);
            consumer.seekToBeginning(partitions.toArray(new TopicPartition[0]));
            expectAll(consumer, records, new long[PARTITIONS]);
        }
    }

    /**
     * Polls until all records have been read, and once more. No offset may be missing from `next`
     * on, the values of a partition must ascend as they were sent, and no value may come twice.
     */
    private static void expectAll(
            KafkaConsumer<String, String> consumer, int records, long[] next) {
        BitSet seen = new BitSet(records);
        int[] last = new int[PARTITIONS];
        Arrays.fill(last, -1);
        int read = 0;
        boolean isOneMorePoll = false;
        while (!isOneMorePoll) {
            isOneMorePoll = read >= records;
            long timeoutMs = isOneMorePoll ? 200 : 1000;
            for (ConsumerRecord<String, String> record : consumer.poll(timeoutMs)) {
                int index = index(record.value());
                expect(next[record.partition()]++, record.offset(), "offset in " + record);
                expect(true, index > last[record.partition()], "order at " + record);
                expect(false, seen.get(index), "record seen before: " + record);
                last[record.partition()] = index;
                seen.set(index);
                read++;
            }
        }
        expect(records, read, "records read");
    }

    /** Offsets inside of a batch, for every partition another one. */
    private void seekToAnOffset(String topic) throws Exception {
        try (KafkaConsumer<String, String> consumer = consumer()) {
            long[] next = new long[PARTITIONS];
            int toRead = count;
            for (TopicPartition partition : assignAll(consumer, topic)) {
                next[partition.partition()] = count / 10 + 7 * partition.partition();
                consumer.seek(partition, next[partition.partition()]);
                toRead -= (int) next[partition.partition()];
            }
            expectAll(consumer, toRead, next);
        }
    }

    private void fetchesSmallerThanABatch() throws Exception {
        writeAndRead("java-small", 2000);
        readAll("java-small", 2000, "max.partition.fetch.bytes", "2000");
    }

    private void seekToTheEnd() throws Exception {
        TopicPartition partition = new TopicPartition("java-end", 0);
        try (KafkaProducer<String, String> producer = producer();
                KafkaConsumer<String, String> consumer = consumer("fetch.max.wait.ms", "30000")) {
            for (int index = 0; index < 10; index++) {
                sendOne(producer, new ProducerRecord<>("java-end", 0, null, value(index)));
            }
            consumer.assign(Collections.singletonList(partition));
            consumer.seekToEnd(partition);
            expect(10L, consumer.position(partition), "position at the end");
            expect(0, consumer.poll(500).count(), "records after the end");
            Thread sender = new Thread(() -> sendLater(producer));
            sender.start();
            long started = System.nanoTime();
            ConsumerRecords<String, String> records = consumer.poll(25_000);
            long waitedMs = (System.nanoTime() - started) / 1_000_000;
            sender.join();
            expect(1, records.count(), "records after " + waitedMs + " ms");
            expect(10L, records.iterator().next().offset(), "offset of the record it waited for");
            expect(true, waitedMs < 15_000, "sent after 500 ms, read after " + waitedMs + " ms");
        }
    }

    private static void sendLater(KafkaProducer<String, String> producer) {
        try {
            Thread.sleep(500);
            sendOne(producer, new ProducerRecord<>("java-end", 0, null, value(10)));
        } catch (Exception failed) {
            throw new IllegalStateException(failed);
        }
    }

    private void nulls() throws Exception {
        String[][] pairs = {{null, "value"}, {"key", null}, {null, null}, {"", ""}};
        TopicPartition partition = new TopicPartition("java-nulls", 0);
        try (KafkaProducer<String, String> producer = producer();
                KafkaConsumer<String, String> consumer = consumer()) {
            for (String[] pair : pairs) {
                sendOne(producer, new ProducerRecord<>("java-nulls", 0, pair[0], pair[1]));
            }
            consumer.assign(Collections.singletonList(partition));
            consumer.seekToBeginning(partition);
            List<ConsumerRecord<String, String>> records = new ArrayList<>();
            while (records.size() < pairs.length) {
                consumer.poll(1000).forEach(records::add);
            }
            for (int at = 0; at < pairs.length; at++) {
                expect(pairs[at][0], records.get(at).key(), "key " + at);
                expect(pairs[at][1], records.get(at).value(), "value " + at);
            }
        }
    }

    /**
     * The consumer of 0.9 says so if its limit cuts the next record, and does not wait for ever. In
     * partition 0 the two records came one by one, in partition 1 in one batch.
     */
    private void recordTooLargeForTheConsumer() throws Exception {
        String topic = "java-too-large";
        String large = String.join("", Collections.nCopies(50, value(1)));
        try (KafkaProducer<String, String> producer = producer("linger.ms", "1000")) {
            sendOne(producer, new ProducerRecord<>(topic, 0, null, value(0)));
            sendOne(producer, new ProducerRecord<>(topic, 0, null, large));
            producer.send(new ProducerRecord<>(topic, 1, null, value(0)));
            sendOne(producer, new ProducerRecord<>(topic, 1, null, large));
        }
        for (int number = 0; number < 2; number++) {
            TopicPartition partition = new TopicPartition(topic, number);
            try (KafkaConsumer<String, String> consumer =
                    consumer("max.partition.fetch.bytes", "1000")) {
                consumer.assign(Collections.singletonList(partition));
                consumer.seek(partition, 0);
                expect(1, pollUntilSome(consumer), "records within the limit in " + partition);
                String got = pollUntilThrows(consumer);
                expect(true, got.contains(partition + "=1"), "exception names offset 1: " + got);
            }
            try (KafkaConsumer<String, String> consumer = consumer()) {
                consumer.assign(Collections.singletonList(partition));
                consumer.seek(partition, 1);
                String read = consumer.poll(10_000).iterator().next().value();
                expect(large, read, "the large record with the default limit");
            }
        }
    }

    private static int pollUntilSome(KafkaConsumer<String, String> consumer) {
        int read = 0;
        while (read == 0) {
            read = consumer.poll(1000).count();
        }
        return read;
    }

    private static String pollUntilThrows(KafkaConsumer<String, String> consumer) {
        for (int poll = 0; poll < 10; poll++) {
            try {
                expect(0, consumer.poll(1000).count(), "records beyond the limit");
            } catch (RecordTooLargeException expected) {
                return expected.getMessage();
            }
        }
        return "none after ten polls";
    }

    private void recordTooLargeForTheBroker() throws Exception {
        String huge = String.join("", Collections.nCopies(20_000, value(0)));
        try (KafkaProducer<String, String> producer = producer("max.request.size", "3000000")) {
            sendOne(producer, new ProducerRecord<>("java-refused", 0, null, huge));
            throw new AssertionError("a record of " + huge.length() + " bytes was taken");
        } catch (ExecutionException refused) {
            expect(RecordTooLargeException.class, refused.getCause().getClass(), "the refusal");
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

    private static List<TopicPartition> assignAll(
            KafkaConsumer<String, String> consumer, String topic) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int number = 0; number < PARTITIONS; number++) {
            partitions.add(new TopicPartition(topic, number));
        }
        consumer.assign(partitions);
        return partitions;
    }

    private static RecordMetadata sendOne(
            KafkaProducer<String, String> producer, ProducerRecord<String, String> record)
            throws Exception {
        return producer.send(record).get(30, TimeUnit.SECONDS);
    }

    private static String value(int index) {
        return String.format("value-%08d-%085d", index, index * 7919L);
    }

    private static int index(String value) {
        return Integer.parseInt(value.substring(6, 14));
    }

    private static void expect(Object wanted, Object got, String what) {
        if (wanted == null ? got != null : !wanted.equals(got)) {
            throw new AssertionError(what + ": wanted " + wanted + ", got " + got);
        }
    }
}
