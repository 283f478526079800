import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;

/**
 * A producer writes all the time, while a second member joins, the broker dies and comes back, and
 * the first member leaves. After each of them whoever is there must get new records; in the end no
 * record may be missing. A record may come twice: one that was not yet committed when its partition
 * went to the other member.
 */
final class GroupOfTwo {
    private static final int AT_A_TIME = 50;

    private final String name;
    private final Function<String[], KafkaProducer<String, String>> makeProducer;
    private final Function<String[], KafkaConsumer<String, String>> makeConsumer;
    private final Function<KafkaConsumer<String, String>, ConsumerRecords<String, String>> poll;
    private final Set<Integer> seen = ConcurrentHashMap.newKeySet();

    /**
     * `name` is that of the topic and of the group. `poll` polls for half a second; how, that
     * differs between the releases.
     */
    GroupOfTwo(String name, Function<String[], KafkaProducer<String, String>> makeProducer,
            Function<String[], KafkaConsumer<String, String>> makeConsumer,
            Function<KafkaConsumer<String, String>, ConsumerRecords<String, String>> poll) {
        this.name = name;
        this.makeProducer = makeProducer;
        this.makeConsumer = makeConsumer;
        this.poll = poll;
    }

    void run() throws Exception {
        Writer writer = new Writer();
        Member first = new Member();
        Member second = new Member();
        try {
            run(writer, first, second);
        } finally {
            List.of(writer, first, second).forEach(worker -> worker.isToFinish = true);
        }
    }

    private void run(Writer writer, Member first, Member second) throws Exception {
        writer.start();
        first.start();
        seeNew(first);
        second.start();
        seeNew(first, second);
        Broker.await(Broker.startRestart());
        seeNew(first, second);
        first.finish();
        int written = writer.finish();
        while (seen.size() < written) {
            second.expectAlive();
            TimeUnit.MILLISECONDS.sleep(20);
        }
        second.finish();
    }

    /** Waits until each member has read something newer than all that was read before. */
    private static void seeNew(Member... members) throws Exception {
        int before = -1;
        for (Member member : members) {
            before = Math.max(before, member.newest);
        }
        for (Member member : members) {
            while (member.newest <= before) {
                member.expectAlive();
                TimeUnit.MILLISECONDS.sleep(20);
            }
        }
    }

    /** Something that goes on until it is told to finish. */
    private abstract static class Worker {
        private final CompletableFuture<Void> end = new CompletableFuture<>();
        volatile boolean isToFinish;

        abstract void work() throws Exception;

        void start() {
            Thread thread = new Thread(() -> {
                try {
                    work();
                    end.complete(null);
                } catch (Throwable failed) {
                    end.completeExceptionally(failed);
                }
            });
            thread.setDaemon(true);
            thread.start();
        }

        void expectAlive() throws Exception {
            if (end.isDone()) {
                end.get();
            }
        }

        int finish() throws InterruptedException, ExecutionException {
            isToFinish = true;
            end.get();
            return 0;
        }
    }

    private final class Writer extends Worker {
        private int sent;

        @Override
        void work() throws Exception {
            try (KafkaProducer<String, String> producer = makeProducer.apply(new String[0])) {
                while (!isToFinish) {
                    for (int end = sent + AT_A_TIME; sent < end; sent++) {
                        producer.send(Records.make(name, sent));
                    }
                    producer.flush();
                    TimeUnit.MILLISECONDS.sleep(20);
                }
            }
        }

        @Override
        int finish() throws InterruptedException, ExecutionException {
            super.finish();
            return sent;
        }
    }

    private final class Member extends Worker {
        volatile int newest = -1;

        @Override
        void work() {
            String[] settings = {"group.id", name, "auto.offset.reset", "earliest"};
            try (KafkaConsumer<String, String> consumer = makeConsumer.apply(settings)) {
                consumer.subscribe(List.of(name));
                while (!isToFinish) {
                    for (ConsumerRecord<String, String> record : poll.apply(consumer)) {
                        int index = Records.verify(record);
                        seen.add(index);
                        newest = Math.max(newest, index);
                    }
                }
            }
        }
    }
}
