import java.io.IOException;
import java.util.concurrent.TimeUnit;

/** The broker's process, by way of lib.sh. */
final class Broker {
    private static final long LIMIT_SECONDS = 120;

    private Broker() {
    }

    /** Begins to end the broker with kill -9, and to start it again on what it left. */
    static Process startRestart() throws IOException {
        return new ProcessBuilder(
                "bash", "-euo", "pipefail", "-c", "source ../lib.sh; broker_kill_and_restart")
                .redirectErrorStream(true).start();
    }

    static void await(Process restart) throws IOException, InterruptedException {
        if (!restart.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS) || restart.exitValue() != 0) {
            throw new AssertionError("restart of the broker: "
                    + new String(restart.getInputStream().readAllBytes()));
        }
    }
}
