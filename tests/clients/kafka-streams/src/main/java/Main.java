import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/**
 * Drives a program of Kafka Streams, with its defaults where WordCount does not say otherwise.
 * Arguments: the broker's address, the number of records of the large steps, a directory for the
 * state.
 */
public final class Main {
    private static final int PARTITIONS = 3;
    private static final long LIMIT_SECONDS = 90;
    private static final String REPARTITION = WordCount.APPLICATION + "-counts-repartition";
    private static final String CHANGELOG = WordCount.APPLICATION + "-counts-changelog";

    private final String broker;
    private final int lines;
    private final Path state;
    private final Words words;
    private final List<WordCount> running = new ArrayList<>();

    public static void main(String[] arguments) throws IOException {
        ClientVersion.print();
        new Main(arguments).run(new Steps(LIMIT_SECONDS));
        System.exit(0); // also if a step that was late still runs
    }

    private Main(String[] arguments) {
        broker = arguments[0];
        lines = Math.max(1000, Integer.parseInt(arguments[1]) / 10);
        state = Path.of(arguments[2]);
        words = new Words(broker);
    }

    private void run(Steps steps) {
        steps.step("every word is counted", this::count);
        steps.step("its topics are as it asked for them", this::topics);
        steps.step("restarted, it goes on from its committed offsets", this::restart);
        steps.step("restarted on an empty disk, it has its state from the changelog", this::restore);
        steps.step("a second instance takes its share, and then the rest", this::shareAndTakeOver);
        steps.step("through kill -9, no word lost", this::throughKill);
    }

    private void count() throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(WordCount.LINES, PARTITIONS, (short) 1),
                    new NewTopic(WordCount.COUNTS, PARTITIONS, (short) 1))).all().get();
        }
        start("first");
        words.send(lines);
        words.expectCounted();
    }

    /** It creates two topics of its own, with as many partitions as that of the lines. */
    private void topics() throws Exception {
        try (Admin admin = admin()) {
            for (var topic : admin.describeTopics(List.of(REPARTITION, CHANGELOG))
                    .allTopicNames().get().values()) {
                expect(PARTITIONS, topic.partitions().size(), "partitions of " + topic.name());
            }
            expect("delete", cleanupPolicy(admin, REPARTITION), "policy of " + REPARTITION);
            expect("compact", cleanupPolicy(admin, CHANGELOG), "policy of " + CHANGELOG);
        }
    }

    private static String cleanupPolicy(Admin admin, String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return admin.describeConfigs(List.of(resource)).all().get().get(resource)
                .get("cleanup.policy").value();
    }

    /** What it had read is committed when it closes: a line that it read again would count twice. */
    private void restart() throws Exception {
        stop();
        expect(ends(), committed(), "committed offsets of the lines");
        words.send(lines);
        start("first");
        words.expectCounted();
    }

    private Map<TopicPartition, Long> ends() throws Exception {
        Map<TopicPartition, Long> ends = new HashMap<>();
        try (Admin admin = admin()) {
            Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
            for (int number = 0; number < PARTITIONS; number++) {
                asked.put(new TopicPartition(WordCount.LINES, number), OffsetSpec.latest());
            }
            admin.listOffsets(asked).all().get()
                    .forEach((partition, end) -> ends.put(partition, end.offset()));
        }
        return ends;
    }

    /**
     * A partition without a record may have a committed offset of 0 or none at all: Streams commits
     * what it has a position for, and whether it asked for one before the close is a race.
     */
    private Map<TopicPartition, Long> committed() throws Exception {
        Map<TopicPartition, Long> committed = new HashMap<>();
        for (int number = 0; number < PARTITIONS; number++) {
            committed.put(new TopicPartition(WordCount.LINES, number), 0L);
        }
        try (Admin admin = admin()) {
            for (Map.Entry<TopicPartition, OffsetAndMetadata> one
                    : admin.listConsumerGroupOffsets(WordCount.APPLICATION)
                            .partitionsToOffsetAndMetadata().get().entrySet()) {
                if (one.getKey().topic().equals(WordCount.LINES)) {
                    committed.put(one.getKey(), one.getValue().offset());
                }
            }
        }
        return committed;
    }

    private void restore() throws Exception {
        stop();
        words.send(lines);
        WordCount anew = start("empty");
        words.expectCounted();
        expect(true, anew.restored() >= Words.DIFFERENT, "restored records: " + anew.restored());
    }

    private void shareAndTakeOver() throws Exception {
        WordCount first = running.get(0);
        WordCount second = start("second");
        while (first.activeTasks() == 0 || second.activeTasks() == 0
                || first.activeTasks() + second.activeTasks() != 2 * PARTITIONS) {
            TimeUnit.MILLISECONDS.sleep(50);
        }
        words.send(lines);
        words.expectCounted();
        first.close();
        running.remove(first);
        while (second.activeTasks() != 2 * PARTITIONS) {
            TimeUnit.MILLISECONDS.sleep(50);
        }
        words.send(lines);
        words.expectCounted();
    }

    /** At least once is what Streams promises by default: after this a word may count twice. */
    private void throughKill() throws Exception {
        words.send(lines);
        Process restart = Broker.startRestart();
        words.send(lines);
        Broker.await(restart);
        words.send(lines);
        words.expectCountedAtLeast();
        stop();
    }

    private WordCount start(String name) {
        WordCount started = new WordCount(broker, state.resolve(name));
        running.add(started);
        return started;
    }

    private void stop() {
        running.forEach(WordCount::close);
        running.clear();
    }

    private Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", broker));
    }

    private static void expect(Object wanted, Object got, String what) {
        if (!wanted.equals(got)) {
            throw new AssertionError(what + ": wanted " + wanted + ", got " + got);
        }
    }
}
