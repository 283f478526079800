import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs steps one after the other, each with a limit of time, and prints a line for each. */
final class Steps {
    /** After so many steps that did not end, no further one is tried. */
    private static final int LATE_MAX = 3;
    private static final int FRAMES_TOLD = 6;

    private final long limitSeconds;
    private int late;

    Steps(long limitSeconds) {
        this.limitSeconds = limitSeconds;
    }

    /** Which steps are to run: `all`, `few`, or an `attempt` alone. */
    static String wanted() {
        return System.getenv("STEPS");
    }

    /** Shows what the client says, and what it says about the cause of that. */
    static void attempt(Step step) {
        try {
            step.run();
            System.out.println("it worked");
        } catch (Exception refused) {
            for (Throwable why = refused; why != null; why = why.getCause()) {
                System.out.println(why);
            }
        }
    }

    /** What a step does; it fails by throwing. */
    interface Step {
        void run() throws Exception;
    }

    /**
     * Runs the step in a thread of its own: a client that waits for ever may not be
     * interrupted. A thread that is late is left behind, and where it stands is told.
     */
    void step(String name, Step step) {
        if (late >= LATE_MAX) {
            fail(name, "not tried, because " + late + " steps before it never ended");
            return;
        }
        long started = System.nanoTime();
        FutureTask<Void> task = new FutureTask<>(() -> {
            step.run();
            return null;
        });
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
        try {
            task.get(limitSeconds, TimeUnit.SECONDS);
            System.out.printf("PASS %s [%.1f s]%n", name, (System.nanoTime() - started) / 1e9);
        } catch (ExecutionException failed) {
            failed.getCause().printStackTrace();
            fail(name, failed.getCause().toString());
        } catch (TimeoutException timeout) {
            late++;
            fail(name, "not done after " + limitSeconds + " s; it stands at" + position(thread));
        } catch (InterruptedException interrupted) {
            fail(name, "interrupted");
        }
    }

    private static void fail(String name, String why) {
        System.out.printf("FAIL %s: %s%n", name, why.replace('\n', ' '));
    }

    /** The innermost frames, without those of the network layer, where every thread waits. */
    private static String position(Thread thread) {
        StringBuilder position = new StringBuilder();
        int told = 0;
        for (StackTraceElement frame : thread.getStackTrace()) {
            String place = frame.getClassName();
            boolean isTold = place.startsWith("Main") || place.startsWith("GroupOfTwo")
                    || place.startsWith("org.apache.kafka.clients.") && !place.contains("Network");
            if (isTold && told++ < FRAMES_TOLD) {
                String name = place.substring(place.lastIndexOf('.') + 1);
                position.append(String.format(" < %s.%s:%d", name, frame.getMethodName(),
                        frame.getLineNumber()));
            }
        }
        return position.toString();
    }
}
