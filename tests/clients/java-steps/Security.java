import java.io.FileReader;
import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.util.Properties;

/** The way to the broker, as security.sh has written it down for a client in Java. */
final class Security {
    private Security() {
    }

    static Properties properties() {
        Properties properties = new Properties();
        try (Reader file = new FileReader(System.getenv("CLIENT_PROPERTIES"))) {
            properties.load(file);
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
        return properties;
    }
}
