import java.io.IOException;
import java.util.concurrent.TimeUnit;

/** The broker's process, by way of lib.sh. */
final class Broker {
    private static final long LIMIT_SECONDS = 120;

    private Broker() {
    }

    /** Begins to end the broker with kill -9, and to start it again on what it left. */
    static Process startRestart() throws IOException {
        return start("broker_kill_and_restart");
    }

    /** For a client that has no admin. */
    static void createTopic(String name, int partitions) throws IOException, InterruptedException {
        await(start("create_topic " + name + " " + partitions));
    }

    static void await(Process process) throws IOException, InterruptedException {
        if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS) || process.exitValue() != 0) {
            throw new AssertionError(process.info().commandLine().orElse("lib.sh") + ": "
                    + new String(process.getInputStream().readAllBytes()));
        }
    }

    private static Process start(String command) throws IOException {
        return new ProcessBuilder("bash", "-euo", "pipefail", "-c", "source ../lib.sh; " + command)
                .redirectErrorStream(true).start();
    }
}
