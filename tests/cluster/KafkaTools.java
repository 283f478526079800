import java.io.BufferedReader;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

import org.apache.kafka.common.utils.internals.Exit;

/**
 * Runs Kafka's command line tools one after the other in one JVM: each of them would take a second to start.
 *
 * A line of the input is a file for what the tool prints, the tool's class and its arguments, with tabs between them;
 * its exit status is the line of the output.
 */
public final class KafkaTools {
    private static final int RUNS = -1;
    private static int status;

    public static void main(String[] none) throws Exception {
        PrintStream answers = System.out;
        Exit.setExitProcedure(KafkaTools::exit);
        Exit.setHaltProcedure(KafkaTools::exit);
        var commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String[] words = line.split("\t", -1);
            run(words[0], words[1], Arrays.copyOfRange(words, 2, words.length));
            answers.println(status);
        }
    }

    private static void run(String file, String tool, String[] arguments) throws Exception {
        status = RUNS;
        try (var printed = new PrintStream(new FileOutputStream(file), true)) {
            System.setOut(printed);
            System.setErr(printed);
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException e) {
            if (status == RUNS) {
                status = 1;
                try (var printed = new PrintStream(new FileOutputStream(file, true), true)) {
                    e.getCause().printStackTrace(printed);
                }
            }
        }
        status = Math.max(status, 0);
    }

    /** The first exit counts: a tool that catches what ends it here goes on to report it, and to exit once more. */
    private static void exit(int code, String message) {
        if (status == RUNS) {
            if (message != null) {
                System.err.println(message);
            }
            status = code;
            var nowhere = new PrintStream(OutputStream.nullOutputStream());
            System.setOut(nowhere);
            System.setErr(nowhere);
        }
        throw new Ended();
    }

    private static final class Ended extends RuntimeException {
        Ended() {
            super(null, null, false, false);
        }
    }
}
