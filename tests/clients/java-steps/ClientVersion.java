import java.io.IOException;
import java.io.InputStream;
import java.util.Properties;

/** The version of kafka-clients, which every release of it carries in a file. */
final class ClientVersion {
    private ClientVersion() {}

    static void print() throws IOException {
        Properties properties = new Properties();
        try (InputStream file =
                ClientVersion.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            properties.load(file);
        }
        System.out.println("VERSION " + properties.getProperty("version"));
    }
}
