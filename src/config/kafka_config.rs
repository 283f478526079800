//! Port of `kafka.server.KafkaConfig`: the settings of the broker, in one table, and the struct
//! filled from it.

use std::mem;
use std::path::PathBuf;

use crate::common::end_point::{EndPoint, ListenerName, SecurityProtocol};
use crate::common::http_end_point::HttpEndPoint;
use crate::common::kafka_principal::KafkaPrincipal;
use crate::common::lessons::Lessons;
use crate::config::compaction_lags::CompactionLags;
use crate::config::config_def::{Allowed, Setting, settings};
use crate::config::config_type::{
    AuthorizerClass, FilePath, FileUrl, Int, Long, SecurityProtocolMap, UnlessMinusOne,
};
use crate::config::endpoint_identification::EndpointIdentification;
use crate::config::fetch_inline::FetchInline;
use crate::config::kernel_tls_mode::KernelTlsMode;
use crate::config::limit::Limit;
use crate::config::listener_setting::{ListenerSetting, ListenerSettingNames};
use crate::config::log_policies::{
    CleanupPolicy, CompressionType, MessageFormatVersion, MessageTimestampType,
};
use crate::config::password::Password;
use crate::config::process_roles::ProcessRoles;
use crate::config::quorum_config::{BootstrapServer, QuorumVoter};
use crate::config::replica_selector::ReplicaSelector;
use crate::config::sasl_mechanisms::SaslMechanisms;
use crate::config::ssl_client_auth::SslClientAuth;
use crate::config::tls_names::{CipherSuites, TlsProtocols};
use crate::config::transfer_mode::TransferMode;

/// Kafka's smallest message, of magic 0, without its 12 bytes of offset and size.
const MESSAGE_SIZE_MIN_BYTES: i64 = 14;

const MS_PER_MINUTE: i64 = 60 * 1000;
const MS_PER_HOUR: i64 = 60 * MS_PER_MINUTE;

settings! {
    /// The settings of the broker. A field is named as Kafka's setting, with `_` for `.`.
    pub struct KafkaConfig {
        /// The number by which clients know this broker. Kafka lets ZooKeeper assign an id if none is
        /// set; a broker that is alone takes 0, and one of a cluster has to have one.
        broker_id: i32,
            "broker.id" = "0", Allowed::AtLeast(0), High;
        /// The same number, by its name in KRaft mode. If both are set, they must be equal.
        node_id: Option<i32>,
            "node.id" = "", Allowed::AtLeast(0), High;
        /// What KRaft mode makes of this process. With both roles it is a cluster of its own, as it
        /// is without this setting; it has neither a quorum nor a log of metadata. With `broker` alone it
        /// joins the cluster of the controllers that `controller.quorum.bootstrap.servers` or
        /// `controller.quorum.voters` names.
        process_roles: ProcessRoles,
            "process.roles" = "", Allowed::Any, High;
        /// Where the broker listens. Port 0 lets the system choose; an empty host means every
        /// interface. Each listener needs a name and a port of its own; a name that is not one of the
        /// four protocols stands in `listener.security.protocol.map`. Those of `controller.listener.names` are not
        /// opened. Without it: `host.name` and `port`.
        listeners: Vec<EndPoint>,
            "listeners" = "", Allowed::Any, High;
        /// The host of the listener if `listeners` is not set. Kafka listens on every interface by
        /// default; this broker, which then does not authenticate clients, does so only if the value is
        /// left empty.
        host_name: String,
            "host.name" = "127.0.0.1", Allowed::Any, High;
        /// The port of the listener if `listeners` is not set.
        port: u16 as Int<u16>,
            "port" = "9092", Allowed::Between(0, 65535), High;
        /// The protocol of each name in `listeners`: PLAINTEXT; SSL, which is TLS; SASL_PLAINTEXT, where
        /// clients authenticate and nothing is encrypted; or SASL_SSL. Several names may have one.
        listener_security_protocol_map: Vec<(ListenerName, String)> as SecurityProtocolMap,
            "listener.security.protocol.map" =
                "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
            Allowed::Any, Low;
        /// The names in `listeners` that belong to controllers; these listeners are not opened. With
        /// `process.roles=broker` the first of them says by which protocol the controllers are reached.
        controller_listener_names: Vec<ListenerName>,
            "controller.listener.names" = "", Allowed::Any, High;
        /// The addresses that the broker gives clients to connect to, each to those that have come by
        /// the listener of the same name. A listener that has none here gives its own. Without it:
        /// `advertised.host.name` and `advertised.port`, and without those `listeners`.
        advertised_listeners: Vec<EndPoint>,
            "advertised.listeners" = "", Allowed::Any, High;
        /// The host that the broker gives clients if `advertised.listeners` is not set. Without it:
        /// that of the first listener.
        advertised_host_name: Option<String>,
            "advertised.host.name" = "", Allowed::Any, High;
        /// The port that the broker gives clients if `advertised.listeners` is not set. Without it:
        /// that of the first listener.
        advertised_port: Option<u16> as Option<Int<u16>>,
            "advertised.port" = "", Allowed::Between(1, 65535), High;

        /// Some of the controllers of the cluster that `process.roles=broker` joins: the others become
        /// known from them.
        controller_quorum_bootstrap_servers: Vec<BootstrapServer>,
            "controller.quorum.bootstrap.servers" = "", Allowed::Any, High;
        /// All controllers of that cluster, with their ids, if it was made with such a list.
        controller_quorum_voters: Vec<QuorumVoter>,
            "controller.quorum.voters" = "", Allowed::Any, High;
        /// How long the metadata log may stand still before another controller is asked for it, in
        /// milliseconds.
        controller_quorum_fetch_timeout_ms: i64 as Int<i64>,
            "controller.quorum.fetch.timeout.ms" = "2000", Allowed::AtLeast(1), High;
        /// How long a controller may take to answer a request for the metadata log, in milliseconds.
        controller_quorum_request_timeout_ms: i64 as Int<i64>,
            "controller.quorum.request.timeout.ms" = "2000", Allowed::AtLeast(1), Medium;
        /// How long to wait after such a request has failed, in milliseconds.
        controller_quorum_retry_backoff_ms: i64 as Int<i64>,
            "controller.quorum.retry.backoff.ms" = "20", Allowed::AtLeast(0), Low;
        /// How much of the metadata log is asked for at once, in bytes.
        controller_quorum_fetch_max_bytes: i32,
            "controller.quorum.fetch.max.bytes" = "1048576", Allowed::AtLeast(1), Low;
        /// How much of a snapshot of it is asked for at once, in bytes.
        controller_quorum_fetch_snapshot_max_bytes: i32,
            "controller.quorum.fetch.snapshot.max.bytes" = "1048576", Allowed::AtLeast(1), Low;
        /// How long a controller may take to answer any other request, in milliseconds; each request
        /// has a limit of its own besides.
        controller_socket_timeout_ms: i64 as Int<i64>,
            "controller.socket.timeout.ms" = "30000", Allowed::AtLeast(1), Medium;
        /// How often the broker tells the active controller that it is there, in milliseconds. A
        /// controller gives its partitions to others when it has heard nothing for its own
        /// `broker.session.timeout.ms`, 9 seconds by default.
        broker_heartbeat_interval_ms: i64 as Int<i64>,
            "broker.heartbeat.interval.ms" = "2000", Allowed::AtLeast(1), Medium;
        /// How long a start may wait until a controller has registered the broker, in milliseconds.
        initial_broker_registration_timeout_ms: i64 as Int<i64>,
            "initial.broker.registration.timeout.ms" = "60000", Allowed::AtLeast(1), Medium;
        /// Whether a broker that stops has the controller move its leaders to others first.
        controlled_shutdown_enable: bool,
            "controlled.shutdown.enable" = "true", Allowed::Any, Medium;
        /// How long the controller may be without the news that a log directory has failed, in
        /// milliseconds: then the broker stops.
        log_dir_failure_timeout_ms: i64,
            "log.dir.failure.timeout.ms" = "30000", Allowed::AtLeast(1), Low;
        /// Where the broker stands: clients that know where they stand prefer a replica nearby, and
        /// controllers spread the replicas of a partition over racks.
        broker_rack: Option<String>,
            "broker.rack" = "", Allowed::Any, Medium;
        /// The listener by which brokers reach each other. Without it: the one of
        /// `security.inter.broker.protocol`.
        inter_broker_listener_name: Option<String>,
            "inter.broker.listener.name" = "", Allowed::Any, Medium;
        /// The protocol of that listener, which bears its name, if `inter.broker.listener.name` is not
        /// set.
        security_inter_broker_protocol: String,
            "security.inter.broker.protocol" = "PLAINTEXT", Allowed::Any, Medium;

        /// Processors per listener: threads that read requests from sockets and write responses to
        /// them.
        num_network_threads: usize as Int<usize>,
            "num.network.threads" = "3", Allowed::AtLeast(1), High;
        /// Threads that handle requests, disk access included.
        num_io_threads: usize as Int<usize>,
            "num.io.threads" = "8", Allowed::Between(1, 1024), High;
        /// Threads for background tasks: retention, flushes, checkpoints.
        background_threads: usize as Int<usize>,
            "background.threads" = "10", Allowed::Between(1, 1024), High;
        /// Requests that may wait for a handler before the processors stop reading.
        queued_max_requests: usize as Int<usize>,
            "queued.max.requests" = "500", Allowed::AtLeast(1), High;
        /// The memory that requests of more than 64 KiB may take together while they arrive, in bytes;
        /// those for which too little is left wait in their sockets. Everything else, such as decoded
        /// requests, answers and smaller requests, gets five thirds as much besides. It must not be
        /// less than `socket.request.max.bytes`. -1 takes 3/32 of the memory that the process may use.
        /// Kafka sets no limit by default.
        queued_max_request_bytes: Limit,
            "queued.max.request.bytes" = "-1", Allowed::AtLeast(-1), Medium;
        /// How long a connection may hold memory of requests without sending or reading anything
        /// while others wait for memory, in milliseconds; six times as long if it sends or reads little
        /// by little. Then it is closed.
        transferto_memory_progress_timeout_ms: i64,
            "transferto.memory.progress.timeout.ms" = "10000", Allowed::AtLeast(1), Medium;
        /// Which fetches a processor answers itself, without a request handler: `resident` takes those
        /// of which everything is in memory, and spares them two hand-overs between threads; the rest
        /// goes to the handlers as ever. [The way of a fetch](fetch.md) has the figures. It takes
        /// Linux 6.5; before that, every fetch goes to the handlers.
        transferto_fetch_inline: FetchInline,
            "transferto.fetch.inline" = "off", Allowed::Any, Medium;
        /// The send buffer of each socket (SO_SNDBUF), in bytes; -1 leaves it to the system, which
        /// adapts it to the connection.
        socket_send_buffer_bytes: Option<usize> as UnlessMinusOne<Int<usize>>,
            "socket.send.buffer.bytes" = "-1", Allowed::AtLeast(-1), High;
        /// The receive buffer of each socket (SO_RCVBUF), in bytes; -1 leaves it to the system, which
        /// adapts it to the connection.
        socket_receive_buffer_bytes: Option<usize> as UnlessMinusOne<Int<usize>>,
            "socket.receive.buffer.bytes" = "-1", Allowed::AtLeast(-1), High;
        /// The algorithm of TCP that decides how fast the connections of all listeners send: a name
        /// of `net.ipv4.tcp_available_congestion_control`. Empty: the system's. One that paces, as
        /// bbr does, slows down consumers on the same machine.
        transferto_socket_congestion_control: Option<String>,
            "transferto.socket.congestion.control" = "", Allowed::Any, Medium;
        /// How many connections may wait to be accepted, on each listener; the system has a limit
        /// of its own, net.core.somaxconn. Kafka's default is 50: all clients of a broker come back at once
        /// when it restarts, and each that finds the queue full loses a second.
        socket_listen_backlog_size: i32,
            "socket.listen.backlog.size" = "1024", Allowed::AtLeast(1), Medium;
        /// The largest request, in bytes. A larger one closes its connection.
        socket_request_max_bytes: i32,
            "socket.request.max.bytes" = "104857600", Allowed::AtLeast(1), High;
        /// The most connections from one address; 0 admits only the addresses of the overrides.
        max_connections_per_ip: usize as Int<usize>,
            "max.connections.per.ip" = "2147483647", Allowed::Between(0, 2147483647), Medium;
        /// The same for single addresses or host names.
        max_connections_per_ip_overrides: Vec<(String, usize)>,
            "max.connections.per.ip.overrides" = "", Allowed::Any, Medium;
        /// How long a connection may be idle before it is closed, in milliseconds; a negative value
        /// sets no limit.
        connections_max_idle_ms: Limit,
            "connections.max.idle.ms" = "600000", Allowed::Any, Medium;

        /// Where the pages of [monitoring](monitoring.md) are served by HTTP, and one that shows the
        /// path of requests at work. A port alone is one of this machine's loopback. There is no
        /// password: whoever reaches another address can read them. Without it there are none.
        transferto_http_listener: Option<HttpEndPoint>,
            "transferto.http.listener" = "", Allowed::Any, Medium;
        /// A request that takes longer than this is logged as a warning, in milliseconds, a hundred
        /// in ten seconds at most; what it waits for by its own wish, or by a quota, does not count.
        /// -1 logs none.
        transferto_request_slow_ms: Option<i64> as UnlessMinusOne<i64>,
            "transferto.request.slow.ms" = "-1", Allowed::AtLeast(-1), Medium;
        /// Whether faults may be switched on: the settings of [the lessons](lessons.md), each of which
        /// stops the start without this one. Nothing for a broker that is used.
        transferto_lessons_allowed: bool,
            "transferto.lessons.allowed" = "false", Allowed::Any, Low;
        /// A lesson: what epoll reports of a connection while its request is handled is forgotten,
        /// so that its next request is never read.
        transferto_lesson_forgotten_edges: bool,
            "transferto.lesson.forgotten.edges" = "false", Allowed::Any, Low;
        /// A lesson: a connection bears the name of its predecessor in the same place, whose late
        /// response it gets (KAFKA-5595).
        transferto_lesson_reused_names: bool,
            "transferto.lesson.reused.names" = "false", Allowed::Any, Low;
        /// A lesson: a response whose connection is gone takes the next response of its processor
        /// with it (KAFKA-5790).
        transferto_lesson_lost_responses: bool,
            "transferto.lesson.lost.responses" = "false", Allowed::Any, Low;
        /// A lesson: leaves pages that are not in memory to `sendfile`. Then all connections of a
        /// processor wait while it reads a disk for one of them (KAFKA-7504).
        transferto_lesson_cold_pages: bool,
            "transferto.lesson.cold.pages" = "false", Allowed::Any, Low;
        /// How message bytes go from a segment file to a socket: by `sendfile(2)`, inside the kernel;
        /// or, as a lesson, by `copy`, the way that the post sets out from, which reads them into a
        /// buffer of this process and sends them from there. What a client gets is the same.
        /// [The lab](lab.md) measures both.
        transferto_transfer_mode: TransferMode,
            "transferto.transfer.mode" = "sendfile", Allowed::Any, Low;
        /// The buffer that `transferto.transfer.mode=copy` reads into, in bytes: each processor has
        /// one, for all its connections.
        transferto_transfer_copy_buffer_bytes: usize as Int<usize>,
            "transferto.transfer.copy.buffer.bytes" = "65536", Allowed::Between(512, 16777216), Low;

        /// What decides whether a client may do something. Empty: every client may do everything.
        /// One of the names, which all mean the same here: access control lists, kept in the first
        /// log directory, or in a cluster by its controller. Clients that have not proved who they
        /// are, all those of a PLAINTEXT listener among them, are `User:ANONYMOUS`: an ACL can
        /// distinguish them by address only.
        authorizer_class_name: String as AuthorizerClass,
            "authorizer.class.name" = "", Allowed::Any, Low;
        /// Principals that may do everything, with semicolons between them:
        /// `User:alice;User:CN=bob,O=example`. `User:ANONYMOUS` would be everybody who has not proved
        /// who they are.
        super_users: Vec<KafkaPrincipal>,
            "super.users" = "", Allowed::Any, Low;
        /// Whether every client may do everything with a resource that has no access control list.
        allow_everyone_if_no_acl_found: bool,
            "allow.everyone.if.no.acl.found" = "false", Allowed::Any, Low;

        /// The versions of TLS that a listener speaks. A list that also has older ones is taken
        /// without them.
        ssl_enabled_protocols: Vec<String> as TlsProtocols,
            "ssl.enabled.protocols" = "TLSv1.2,TLSv1.3", Allowed::Any, Medium;
        /// The cipher suites that a listener speaks. Empty: all nine.
        ssl_cipher_suites: Vec<String> as CipherSuites,
            "ssl.cipher.suites" = "", Allowed::Any, Medium;
        /// Whether a client has to show a certificate. Where clients authenticate by SASL, it counts
        /// only with the prefix of the listener.
        ssl_client_auth: SslClientAuth,
            "ssl.client.auth" = "none", Allowed::Any, Medium;
        /// Whether a node that this broker connects to must show a certificate for the name, or the
        /// address, by which it is reached: `https`. An empty value takes any that is signed by who
        /// is trusted.
        ssl_endpoint_identification_algorithm: EndpointIdentification,
            "ssl.endpoint.identification.algorithm" = "https", Allowed::Any, Low;
        /// How the distinguished name in a client's certificate becomes the name of its principal:
        /// `DEFAULT` takes it as it is, and `RULE:pattern/replacement/` rewrites it, in lower case
        /// with `L` at the end, in upper case with `U`. Commas stand between several; the first one
        /// whose pattern fits the whole name holds.
        ssl_principal_mapping_rules: String,
            "ssl.principal.mapping.rules" = "DEFAULT", Allowed::Any, Low;
        /// The format of the keystore: PEM, PKCS12 or JKS.
        ssl_keystore_type: String,
            "ssl.keystore.type" = "JKS", Allowed::Any, Medium;
        /// The file with the key and the certificates of the broker.
        ssl_keystore_location: Option<PathBuf> as Option<FilePath>,
            "ssl.keystore.location" = "", Allowed::Any, Medium;
        /// The password of the keystore. A PEM file has none.
        ssl_keystore_password: Option<Password>,
            "ssl.keystore.password" = "", Allowed::Any, Medium;
        /// The password of the key in the keystore, if it has one of its own.
        ssl_key_password: Option<Password>,
            "ssl.key.password" = "", Allowed::Any, Medium;
        /// The key of the broker as PEM (PKCS#8), in place of a file, if `ssl.keystore.type` is PEM.
        ssl_keystore_key: Option<Password>,
            "ssl.keystore.key" = "", Allowed::Any, Medium;
        /// The certificates of the broker as PEM, its own first, in place of a file, if
        /// `ssl.keystore.type` is PEM.
        ssl_keystore_certificate_chain: Option<Password>,
            "ssl.keystore.certificate.chain" = "", Allowed::Any, Medium;
        /// The format of the truststore: PEM, PKCS12 or JKS.
        ssl_truststore_type: String,
            "ssl.truststore.type" = "JKS", Allowed::Any, Medium;
        /// The file with the certificates of those who may issue certificates for clients.
        ssl_truststore_location: Option<PathBuf> as Option<FilePath>,
            "ssl.truststore.location" = "", Allowed::Any, Medium;
        /// The password of the truststore. A PEM file has none.
        ssl_truststore_password: Option<Password>,
            "ssl.truststore.password" = "", Allowed::Any, Medium;
        /// Those certificates as PEM, in place of a file, if `ssl.truststore.type` is PEM.
        ssl_truststore_certificates: Option<Password>,
            "ssl.truststore.certificates" = "", Allowed::Any, Medium;
        /// Whether the kernel encrypts and decrypts what TLS connections carry after their handshake,
        /// so that `sendfile` serves them, too: `auto` where it can, `off` nowhere, `required`
        /// everywhere, or the broker does not start.
        transferto_ktls: KernelTlsMode,
            "transferto.ktls" = "auto", Allowed::Any, Medium;

        /// The SASL mechanisms of the listeners with SASL. Kafka's default is GSSAPI, which is not
        /// built in: a broker that has such a listener starts only if they are named.
        sasl_enabled_mechanisms: Vec<String> as SaslMechanisms,
            "sasl.enabled.mechanisms" = "", Allowed::Any, Medium;
        /// The mechanism by which this broker authenticates to other brokers, if their listener has SASL:
        /// PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. Kafka's default is not built in.
        sasl_mechanism_inter_broker_protocol: String,
            "sasl.mechanism.inter.broker.protocol" = "GSSAPI", Allowed::Any, Medium;
        /// The same for the controllers.
        sasl_mechanism_controller_protocol: String,
            "sasl.mechanism.controller.protocol" = "GSSAPI", Allowed::Any, High;
        /// The login module of a mechanism and its options, as in a JAAS file, with a semicolon at the
        /// end. It counts only with the prefix of a listener and a mechanism, as in
        /// `listener.name.sasl_ssl.plain.sasl.jaas.config`.
        sasl_jaas_config: Option<Password>,
            "sasl.jaas.config" = "", Allowed::Any, Medium;
        /// The largest request of a client that has not authenticated yet, in bytes.
        sasl_server_max_receive_size: i32,
            "sasl.server.max.receive.size" = "524288", Allowed::AtLeast(1), Medium;
        /// How long a client may go on before it has to authenticate again, in milliseconds: then a
        /// connection that has not done so is closed at its next request. 0 sets no limit.
        connections_max_reauth_ms: i64,
            "connections.max.reauth.ms" = "0", Allowed::AtLeast(0), Medium;
        /// How long the answer to a client that has failed to authenticate is held back, in
        /// milliseconds, before its connection is closed: who guesses passwords is slowed down.
        connection_failed_authentication_delay_ms: i64 as Int<i64>,
            "connection.failed.authentication.delay.ms" = "100", Allowed::AtLeast(0), Low;
        /// How long a client may take to shake hands and to authenticate, in milliseconds. Kafka
        /// leaves that to `connections.max.idle.ms`.
        transferto_authentication_timeout_ms: i64,
            "transferto.authentication.timeout.ms" = "30000", Allowed::AtLeast(1), Medium;
        /// The file with the keys (JWKS) of those who sign the tokens of OAUTHBEARER, as
        /// `file:///path`. Keys are not fetched by HTTP here.
        sasl_oauthbearer_jwks_endpoint_url: Option<String> as Option<FileUrl>,
            "sasl.oauthbearer.jwks.endpoint.url" = "", Allowed::Any, Medium;
        /// How often that file is looked at for new keys, in milliseconds.
        sasl_oauthbearer_jwks_endpoint_refresh_ms: i64,
            "sasl.oauthbearer.jwks.endpoint.refresh.ms" = "3600000", Allowed::AtLeast(1), Low;
        /// Whom a token must be for: one of these must be in its claim `aud`.
        sasl_oauthbearer_expected_audience: Vec<String>,
            "sasl.oauthbearer.expected.audience" = "", Allowed::Any, High;
        /// Who must have issued a token: its claim `iss`.
        sasl_oauthbearer_expected_issuer: Option<String>,
            "sasl.oauthbearer.expected.issuer" = "", Allowed::Any, High;
        /// Whether tokens are taken that are for anybody, if `sasl.oauthbearer.expected.audience` is
        /// not set.
        sasl_oauthbearer_allow_unverified_audience: bool,
            "sasl.oauthbearer.allow.unverified.audience" = "false", Allowed::Any, Medium;
        /// Whether tokens are taken from any issuer, if `sasl.oauthbearer.expected.issuer` is not set.
        sasl_oauthbearer_allow_unverified_issuer: bool,
            "sasl.oauthbearer.allow.unverified.issuer" = "false", Allowed::Any, Medium;
        /// How far the clock of an issuer may be from this machine's, in seconds.
        sasl_oauthbearer_clock_skew_seconds: i64 as Int<i64>,
            "sasl.oauthbearer.clock.skew.seconds" = "30", Allowed::AtLeast(0), Low;
        /// The claim of a token that holds its scopes.
        sasl_oauthbearer_scope_claim_name: String,
            "sasl.oauthbearer.scope.claim.name" = "scope", Allowed::Any, Low;
        /// The claim of a token that names its principal.
        sasl_oauthbearer_sub_claim_name: String,
            "sasl.oauthbearer.sub.claim.name" = "sub", Allowed::Any, Low;

        /// The largest batch that a producer may send, in bytes, the 12 bytes of offset and size
        /// included. Kafka 0.9 took 1000012, less than the largest batch that today's producers
        /// send by default.
        message_max_bytes: usize as Int<usize>,
            "message.max.bytes" = "1048588", Allowed::AtLeast(0), High;
        /// Partitions of a topic that is created by its first use.
        num_partitions: i32,
            "num.partitions" = "1", Allowed::AtLeast(1), Medium;
        /// Copies of each partition of a topic that is created by its first use. A broker without
        /// `process.roles=broker` is alone and takes only 1.
        default_replication_factor: i32,
            "default.replication.factor" = "1", Allowed::AtLeast(1), Medium;
        /// Whether a topic is created when a client first asks for it.
        auto_create_topics_enable: bool,
            "auto.create.topics.enable" = "true", Allowed::Any, High;
        /// Whether clients may delete topics. Kafka 0.9 forbade it by default; today's clients rely
        /// on it, as Kafka 1.0 and later allow it.
        delete_topic_enable: bool,
            "delete.topic.enable" = "true", Allowed::Any, High;

        /// The directories of the logs, with commas between them. Without it: `log.dir`.
        log_dirs: Vec<PathBuf>,
            "log.dirs" = "", Allowed::Any, High;
        /// The directory of the logs if `log.dirs` is not set. Kafka's is `/tmp/kafka-logs`, which
        /// a restart of the machine may empty.
        log_dir: PathBuf,
            "log.dir" = "./data", Allowed::Any, High;
        /// A segment is rolled before it grows beyond this, in bytes.
        log_segment_bytes: u64 as Int<u64>,
            "log.segment.bytes" = "1073741824", Allowed::AtLeast(MESSAGE_SIZE_MIN_BYTES), High;
        /// A segment is rolled at this age, in milliseconds. Without it: `log.roll.hours`.
        log_roll_ms: Option<i64>,
            "log.roll.ms" = "", Allowed::AtLeast(1), High;
        /// A segment is rolled at this age, in hours, if `log.roll.ms` is not set.
        log_roll_hours: i64 as Int<i64>,
            "log.roll.hours" = "168", Allowed::AtLeast(1), High;
        /// The most that is taken at random from the age at which a segment rolls, in milliseconds.
        /// Without it: `log.roll.jitter.hours`.
        log_roll_jitter_ms: Option<i64>,
            "log.roll.jitter.ms" = "", Allowed::AtLeast(0), High;
        /// The most that is taken at random from the age at which a segment rolls, in hours, if
        /// `log.roll.jitter.ms` is not set.
        log_roll_jitter_hours: i64 as Int<i64>,
            "log.roll.jitter.hours" = "0", Allowed::AtLeast(0), High;
        /// A segment is deleted at this age, in milliseconds. Without it: `log.retention.minutes`.
        log_retention_ms: Option<i64>,
            "log.retention.ms" = "", Allowed::NotZero, High;
        /// A segment is deleted at this age, in minutes, if `log.retention.ms` is not set. Without
        /// it: `log.retention.hours`.
        log_retention_minutes: Option<i64> as Option<Int<i64>>,
            "log.retention.minutes" = "", Allowed::NotZero, High;
        /// A segment is deleted at this age, in hours, if neither of the two before is set.
        log_retention_hours: i64 as Int<i64>,
            "log.retention.hours" = "168", Allowed::NotZero, High;
        /// The oldest segments are deleted when a partition holds more than this, in bytes; a
        /// negative value sets no limit.
        log_retention_bytes: Limit,
            "log.retention.bytes" = "-1", Allowed::Any, High;
        /// How often old segments are looked for, in milliseconds; first 30 seconds after the start.
        log_retention_check_interval_ms: i64,
            "log.retention.check.interval.ms" = "300000", Allowed::AtLeast(1), Medium;
        /// What becomes of old messages.
        log_cleanup_policy: CleanupPolicy,
            "log.cleanup.policy" = "delete", Allowed::Any, Medium;
        /// Whether logs with the policy compact are cleaned.
        log_cleaner_enable: bool,
            "log.cleaner.enable" = "true", Allowed::Any, Medium;
        /// Threads that clean logs, each one log at a time.
        log_cleaner_threads: usize as Int<usize>,
            "log.cleaner.threads" = "1", Allowed::Between(1, 1024), Medium;
        /// The most memory for the keys of the logs that are being cleaned, in bytes, shared by the
        /// threads. Only as much as the keys of a log can need is allocated while it is cleaned.
        log_cleaner_dedupe_buffer_size: usize as Long<usize>,
            "log.cleaner.dedupe.buffer.size" = "134217728", Allowed::AtLeast(1048576), Medium;
        /// The memory for reading and writing the logs that are being cleaned, in bytes, shared by
        /// the threads.
        log_cleaner_io_buffer_size: usize as Int<usize>,
            "log.cleaner.io.buffer.size" = "524288", Allowed::AtLeast(0), Medium;
        /// The share of the memory for keys that may be full. A higher share holds more keys, and
        /// finds them more slowly.
        log_cleaner_io_buffer_load_factor: f64,
            "log.cleaner.io.buffer.load.factor" = "0.9", Allowed::Fraction, Medium;
        /// What all cleaner threads together may read and write, in bytes per second.
        log_cleaner_io_max_bytes_per_second: f64,
            "log.cleaner.io.max.bytes.per.second" = "1.7976931348623157E308",
            Allowed::Any, Medium;
        /// How long a cleaner thread sleeps when there is no log to clean, in milliseconds.
        log_cleaner_backoff_ms: u64 as Long<u64>,
            "log.cleaner.backoff.ms" = "15000", Allowed::AtLeast(0), Medium;
        /// The share of a log that must be dirty before it is cleaned.
        log_cleaner_min_cleanable_ratio: f64,
            "log.cleaner.min.cleanable.ratio" = "0.5", Allowed::Fraction, Medium;
        /// How long a message is kept, whatever follows it, in milliseconds.
        log_cleaner_min_compaction_lag_ms: i64,
            "log.cleaner.min.compaction.lag.ms" = "0", Allowed::AtLeast(0), Medium;
        /// A compacted log is cleaned when its oldest dirty message is this old, in milliseconds,
        /// however little of it is dirty. The default waits for `log.cleaner.min.cleanable.ratio`.
        log_cleaner_max_compaction_lag_ms: i64,
            "log.cleaner.max.compaction.lag.ms" = "9223372036854775807", Allowed::AtLeast(1), Medium;
        /// How long a compacted log keeps a tombstone, the mark of a deletion, in milliseconds.
        log_cleaner_delete_retention_ms: i64,
            "log.cleaner.delete.retention.ms" = "86400000", Allowed::AtLeast(0), Medium;
        /// How long the files of a deleted segment stay on disk, in milliseconds.
        log_segment_delete_delay_ms: i64,
            "log.segment.delete.delay.ms" = "60000", Allowed::AtLeast(0), High;
        /// The most that a segment's offset index may take, in bytes, and its time index too.
        log_index_size_max_bytes: usize as Int<usize>,
            "log.index.size.max.bytes" = "10485760", Allowed::AtLeast(4), Medium;
        /// An index entry is written after so many bytes of messages.
        log_index_interval_bytes: u64 as Int<u64>,
            "log.index.interval.bytes" = "4096", Allowed::AtLeast(0), Medium;
        /// Messages are forced to disk after so many of them in a partition. The default leaves it
        /// to the system.
        log_flush_interval_messages: i64,
            "log.flush.interval.messages" = "9223372036854775807", Allowed::AtLeast(1), High;
        /// Messages are forced to disk at this age, in milliseconds. Without it:
        /// `log.flush.scheduler.interval.ms`.
        log_flush_interval_ms: Option<i64>,
            "log.flush.interval.ms" = "", Allowed::AtLeast(0), High;
        /// How often logs that must be forced to disk are looked for, in milliseconds.
        log_flush_scheduler_interval_ms: i64,
            "log.flush.scheduler.interval.ms" = "9223372036854775807", Allowed::AtLeast(1), High;
        /// How often the recovery points are written, in milliseconds.
        log_flush_offset_checkpoint_interval_ms: i64 as Int<i64>,
            "log.flush.offset.checkpoint.interval.ms" = "60000", Allowed::AtLeast(1), High;
        /// Whether a new segment's file gets its full size at once.
        log_preallocate: bool,
            "log.preallocate" = "false", Allowed::Any, Medium;
        /// Threads per log directory that load logs at the start and flush them at the end.
        num_recovery_threads_per_data_dir: usize as Int<usize>,
            "num.recovery.threads.per.data.dir" = "2", Allowed::Between(1, 1024), High;
        /// The format of the messages of new topics, as the version of Kafka that began to write
        /// it. Other formats are converted when they arrive.
        log_message_format_version: u8 as MessageFormatVersion,
            "log.message.format.version" = "3.0-IV1", Allowed::Any, Medium;
        /// Whose clock a message's timestamp is.
        log_message_timestamp_type: MessageTimestampType,
            "log.message.timestamp.type" = "CreateTime", Allowed::Any, Medium;
        /// A message is refused if the producer's timestamp is earlier than the broker's clock by
        /// more than this, in milliseconds. The default leaves it to
        /// `log.message.timestamp.difference.max.ms`.
        log_message_timestamp_before_max_ms: i64,
            "log.message.timestamp.before.max.ms" = "9223372036854775807",
            Allowed::AtLeast(0), Medium;
        /// A message is refused if the producer's timestamp is later than the broker's clock by
        /// more than this, in milliseconds. The default leaves it to
        /// `log.message.timestamp.difference.max.ms`; Kafka 4's is an hour.
        log_message_timestamp_after_max_ms: i64,
            "log.message.timestamp.after.max.ms" = "9223372036854775807",
            Allowed::AtLeast(0), Medium;
        /// The value of the two above where they are not set, in milliseconds: their name before
        /// Kafka 3.6.
        log_message_timestamp_difference_max_ms: i64,
            "log.message.timestamp.difference.max.ms" = "9223372036854775807",
            Allowed::AtLeast(0), Medium;
        /// Whether messages are converted for consumers that are older than a topic's format. Such
        /// a fetch is not zero-copy.
        log_message_downconversion_enable: bool,
            "log.message.downconversion.enable" = "true", Allowed::Any, Low;
        /// How messages are compressed on disk. Every type but producer decompresses and compresses
        /// what arrives.
        compression_type: CompressionType,
            "compression.type" = "producer", Allowed::Any, High;
        /// How hard gzip tries where `compression.type` is gzip, from 1, the fastest, to 9, the
        /// smallest; -1 is 6.
        compression_gzip_level: i32,
            "compression.gzip.level" = "-1", Allowed::OrBetween(-1, 1, 9), Medium;
        /// Kept for Kafka's tools. It has no effect: LZ4 has one level here, the fastest.
        compression_lz4_level: i32,
            "compression.lz4.level" = "9", Allowed::Between(1, 17), Medium;
        /// How hard Zstandard tries where `compression.type` is zstd, up to 22, the smallest; 0
        /// is 3.
        compression_zstd_level: i32,
            "compression.zstd.level" = "3", Allowed::Between(-131072, 22), Medium;
        /// Whether compressed batches are decompressed as they arrive, to compare their records
        /// with their header. Those that are not compressed are always compared.
        transferto_compressed_records_validation_enable: bool,
            "transferto.compressed.records.validation.enable" = "false", Allowed::Any, Medium;

        /// Replicas that must have a message before acks=-1 is answered. A broker without
        /// `process.roles=broker` is alone: more than 1 refuses every such request.
        min_insync_replicas: usize as Int<usize>,
            "min.insync.replicas" = "1", Allowed::AtLeast(1), High;
        /// How long a replica in sync may be behind its leader, in milliseconds, before the leader has it
        /// taken out of the replicas in sync. Of no meaning without `process.roles=broker`.
        replica_lag_time_max_ms: i64,
            "replica.lag.time.max.ms" = "30000", Allowed::AtLeast(1), High;
        /// How often the high watermarks are written, in milliseconds.
        replica_high_watermark_checkpoint_interval_ms: i64,
            "replica.high.watermark.checkpoint.interval.ms" = "5000", Allowed::AtLeast(1), High;
        /// Threads that copy partitions from one leader: each has a connection of its own.
        num_replica_fetchers: usize as Int<usize>,
            "num.replica.fetchers" = "1", Allowed::Between(1, 1024), High;
        /// How many bytes of a partition a follower asks its leader for at once. A batch that is larger is copied
        /// all the same.
        replica_fetch_max_bytes: i32,
            "replica.fetch.max.bytes" = "1048576", Allowed::AtLeast(1), Medium;
        /// How many bytes a follower asks for at once of all the partitions that it copies from a leader.
        /// The first batch may exceed it.
        replica_fetch_response_max_bytes: i32,
            "replica.fetch.response.max.bytes" = "10485760", Allowed::AtLeast(1), Medium;
        /// For how many bytes a leader lets its followers wait.
        replica_fetch_min_bytes: i32,
            "replica.fetch.min.bytes" = "1", Allowed::AtLeast(0), High;
        /// How long it lets them wait at most, in milliseconds. A follower that hears nothing for
        /// `replica.lag.time.max.ms` is not in sync, and one that hears nothing for
        /// `replica.socket.timeout.ms` hangs up: so it must be less than either.
        replica_fetch_wait_max_ms: i32,
            "replica.fetch.wait.max.ms" = "500", Allowed::AtLeast(0), High;
        /// How long a follower leaves a partition alone, or a leader, that it cannot copy from, in
        /// milliseconds.
        replica_fetch_backoff_ms: i64 as Int<i64>,
            "replica.fetch.backoff.ms" = "1000", Allowed::AtLeast(0), Medium;
        /// How long a leader may take to accept a follower's connection, or to answer its request, in
        /// milliseconds.
        replica_socket_timeout_ms: i64 as Int<i64>,
            "replica.socket.timeout.ms" = "30000", Allowed::AtLeast(1), High;
        /// The receive buffer of a follower's socket (SO_RCVBUF), in bytes; -1 leaves it to the system,
        /// which adapts it to the connection.
        replica_socket_receive_buffer_bytes: Option<usize> as UnlessMinusOne<Int<usize>>,
            "replica.socket.receive.buffer.bytes" = "-1", Allowed::AtLeast(-1), High;
        /// To which replica a leader sends consumers. RackAwareReplicaSelector sends one that has client.rack to a
        /// replica in sync in that rack, by `broker.rack`; LeaderSelector, which is Kafka's default too, to none.
        /// Followers serve whom they are sent, whatever it says there. Of no meaning without
        /// `process.roles=broker`.
        replica_selector_class: ReplicaSelector,
            "replica.selector.class" = "org.apache.kafka.common.replica.LeaderSelector", Allowed::Any, Medium;
        /// Completed fetches are cleared out of the purgatory after so many of them.
        fetch_purgatory_purge_interval_requests: usize as Int<usize>,
            "fetch.purgatory.purge.interval.requests" = "1000", Allowed::AtLeast(0), Medium;
        /// How many clients may have a fetch session, in which they need not name again what they fetch.
        /// 0 for none.
        max_incremental_fetch_session_cache_slots: usize as Int<usize>,
            "max.incremental.fetch.session.cache.slots" = "1000", Allowed::AtLeast(0), Medium;
        /// Completed produce requests are cleared out of the purgatory after so many of them.
        producer_purgatory_purge_interval_requests: usize as Int<usize>,
            "producer.purgatory.purge.interval.requests" = "1000", Allowed::AtLeast(0), Medium;
        /// Completed deletions of records are cleared out of the purgatory after so many of them.
        delete_records_purgatory_purge_interval_requests: usize as Int<usize>,
            "delete.records.purgatory.purge.interval.requests" = "1", Allowed::AtLeast(0), Medium;
        /// How long a partition remembers an idempotent producer that does not write, in
        /// milliseconds.
        producer_id_expiration_ms: i64 as Int<i64>,
            "producer.id.expiration.ms" = "86400000", Allowed::AtLeast(1), Low;

        /// What each client id may produce, in bytes per second, unless it or its user has a quota
        /// of its own. A client that exceeds it is slowed down. The default sets no limit.
        quota_producer_default: i64,
            "quota.producer.default" = "9223372036854775807", Allowed::AtLeast(1), High;
        /// What each client id may fetch, in bytes per second, unless it or its user has a quota of
        /// its own. A client that exceeds it is slowed down. The default sets no limit.
        quota_consumer_default: i64,
            "quota.consumer.default" = "9223372036854775807", Allowed::AtLeast(1), High;
        /// How many samples of a client's bytes are kept.
        quota_window_num: usize as Int<usize>,
            "quota.window.num" = "11", Allowed::Between(1, 1000), Low;
        /// How long each sample of a client's bytes is, in seconds.
        quota_window_size_seconds: i64 as Int<i64>,
            "quota.window.size.seconds" = "1", Allowed::AtLeast(1), Low;
        /// What replicas that are catching up may copy from this broker, in bytes per second, of the partitions in
        /// `leader.replication.throttled.replicas` of their topics. The default sets no limit.
        leader_replication_throttled_rate: i64,
            "leader.replication.throttled.rate" = "9223372036854775807", Allowed::AtLeast(0), Medium;
        /// What this broker may copy from others while it is catching up, in bytes per second, of the
        /// partitions in `follower.replication.throttled.replicas` of their topics. The default sets no limit.
        follower_replication_throttled_rate: i64,
            "follower.replication.throttled.rate" = "9223372036854775807", Allowed::AtLeast(0), Medium;
        /// How many samples of replicated bytes are kept.
        replication_quota_window_num: usize as Int<usize>,
            "replication.quota.window.num" = "11", Allowed::Between(1, 1000), Low;
        /// How long each sample of replicated bytes is, in seconds.
        replication_quota_window_size_seconds: i64 as Int<i64>,
            "replication.quota.window.size.seconds" = "1", Allowed::AtLeast(1), Low;

        /// The shortest session that a member of a group may ask for, in milliseconds.
        group_min_session_timeout_ms: i32,
            "group.min.session.timeout.ms" = "6000", Allowed::AtLeast(0), Medium;
        /// The longest session that a member of a group may ask for, in milliseconds. Kafka 0.9
        /// allowed 30 seconds; today's clients ask for 45 by default.
        group_max_session_timeout_ms: i32,
            "group.max.session.timeout.ms" = "1800000", Allowed::AtLeast(0), Medium;
        /// The most members of a group.
        group_max_size: usize as Int<usize>,
            "group.max.size" = "2147483647", Allowed::Between(1, 2147483647), Medium;
        /// How long an empty group waits for more members before its first generation begins, in
        /// milliseconds. Kafka waits 3 seconds, to spare a large group some rebalances, but ships a
        /// file that sets 0, as in 0.9: a lone consumer gets its messages at once.
        group_initial_rebalance_delay_ms: i32,
            "group.initial.rebalance.delay.ms" = "0", Allowed::AtLeast(0), Medium;
        /// The most characters of metadata that a consumer may store with an offset.
        offset_metadata_max_bytes: usize as Int<usize>,
            "offset.metadata.max.bytes" = "4096", Allowed::AtLeast(0), High;
        /// Partitions of the topic that holds groups and their offsets. Read when the topic is
        /// created, by the first FindCoordinator request for a group.
        offsets_topic_num_partitions: i32,
            "offsets.topic.num.partitions" = "50", Allowed::AtLeast(1), High;
        /// The size of that topic's segments, in bytes.
        offsets_topic_segment_bytes: i32,
            "offsets.topic.segment.bytes" = "104857600", Allowed::AtLeast(MESSAGE_SIZE_MIN_BYTES), High;
        /// Copies of that topic. A broker without `process.roles=broker` is alone, and makes one
        /// whatever the number is, as Kafka 0.9 did with too few brokers. In a cluster it is created
        /// once there are as many brokers as copies; until then no consumer finds its coordinator.
        offsets_topic_replication_factor: i16,
            "offsets.topic.replication.factor" = "3", Allowed::AtLeast(1), High;
        /// How long offsets outlive the last member of their group, in minutes. Kafka 0.9 kept them
        /// for a day from the commit, so a consumer that had nothing to commit lost them.
        offsets_retention_minutes: i64 as Int<i64>,
            "offsets.retention.minutes" = "10080", Allowed::AtLeast(1), High;
        /// How often expired offsets are looked for, in milliseconds.
        offsets_retention_check_interval_ms: i64,
            "offsets.retention.check.interval.ms" = "600000", Allowed::AtLeast(1), High;
        /// How much is read at once when the groups are loaded, in bytes.
        offsets_load_buffer_size: i32,
            "offsets.load.buffer.size" = "5242880", Allowed::AtLeast(1), High;
        /// How long a change of a group may wait for the replicas, in milliseconds.
        offsets_commit_timeout_ms: u32 as Int<u32>,
            "offsets.commit.timeout.ms" = "5000", Allowed::AtLeast(1), High;
        /// The acks that a change of a group asks for.
        offsets_commit_required_acks: i16,
            "offsets.commit.required.acks" = "-1", Allowed::Between(-1, 1), High;
        /// How much memory all consumer groups may hold together, in bytes: members, with all that
        /// they bring and are assigned, and committed offsets. A member counts for about 2000 bytes,
        /// an offset for about 300: 1 GiB has room for 5,000 groups of 100 members. When it is spent,
        /// new members, groups and offsets get an error upon which clients try again, and what is
        /// there goes on. -1 takes an eighth of the memory that the process may use.
        transferto_group_memory_max_bytes: Limit,
            "transferto.group.memory.max.bytes" = "-1", Allowed::AtLeast(-1), Medium;

        beside {
            /// What holds for single listeners, as it was given.
            listener_settings: Vec<ListenerSetting>;
        }
    }
}

impl KafkaConfig {
    /// The row of the setting `name`, if there is one.
    pub fn row(name: &str) -> Option<&'static Setting> {
        Self::SETTINGS.iter().find(|it| it.name == name)
    }

    /// The settings that differ from the defaults, in the order of the table.
    pub fn non_default_settings(&self) -> Vec<(&'static str, String)> {
        let ours = self.values().into_iter();
        let differing = ours.zip(Self::default().values()).filter(|(ours, theirs)| ours != theirs);
        differing.map(|(ours, _)| ours).collect()
    }

    /// The same, and what holds for single listeners, as everybody may see it: for the first lines of
    /// the log.
    pub fn settings_to_show(&self) -> Vec<(String, String)> {
        let of_all =
            self.non_default_settings().into_iter().map(|(name, value)| (name.into(), value));
        let of_listeners =
            self.listener_settings.iter().map(|it| (it.full_name(), it.shown_value()));
        of_all.chain(of_listeners).collect()
    }

    /// The address given to the clients of each listener: that of `advertised_listeners`, or else its
    /// own. The owner of the bound socket fills in a port 0 and an empty host.
    ///
    /// Kafka names no broker at all to clients of a listener that is not advertised while others are,
    /// and they can do nothing. Here the listener's own address is as good as before.
    pub fn effective_advertised_listeners(&self) -> Vec<EndPoint> {
        let advertised = |own: &EndPoint| {
            let theirs = &self.advertised_listeners;
            theirs.iter().find(|it| it.listener_name == own.listener_name).unwrap_or(own).clone()
        };
        self.listeners.iter().map(advertised).collect()
    }

    /// Port of `KafkaConfig.logRollTimeMillis`: the age at which a segment rolls, in milliseconds.
    pub fn log_roll_time_ms(&self) -> i64 {
        self.log_roll_ms.unwrap_or(self.log_roll_hours * MS_PER_HOUR)
    }

    /// Port of `KafkaConfig.logRollTimeJitterMillis`: the most that is taken from that age, in
    /// milliseconds.
    pub fn log_roll_time_jitter_ms(&self) -> i64 {
        self.log_roll_jitter_ms.unwrap_or(self.log_roll_jitter_hours * MS_PER_HOUR)
    }

    /// Port of `KafkaConfig.getLogRetentionTimeMillis`: the age at which a segment is deleted, in
    /// milliseconds.
    pub fn log_retention_time(&self) -> Limit {
        let minutes = self.log_retention_minutes.map(|it| it * MS_PER_MINUTE);
        let hours = self.log_retention_hours * MS_PER_HOUR;
        let given_ms = self.log_retention_ms.or(minutes).unwrap_or(hours);
        if given_ms < 0 { Limit::NONE } else { Limit::from(given_ms) }
    }

    /// Port of `KafkaConfig.logFlushIntervalMs`: the age at which messages are forced to disk, in
    /// milliseconds.
    pub fn log_flush_time_ms(&self) -> i64 {
        self.log_flush_interval_ms.unwrap_or(self.log_flush_scheduler_interval_ms)
    }

    /// The protocol of the listener of this name: as `listener.security.protocol.map` says, or else as
    /// the name itself does.
    pub fn protocol_of(&self, name: &ListenerName) -> Option<SecurityProtocol> {
        let map = &self.listener_security_protocol_map;
        let mapped = map.iter().find(|(it, _)| it == name).map(|(_, protocol)| protocol.as_str());
        SecurityProtocol::for_name(mapped.unwrap_or(name.as_str()))
    }

    /// The same for connections to other nodes. Kafka takes a name that has no protocol, such as CONTROLLER, for
    /// one of plain sockets.
    pub fn protocol_of_nodes(&self, name: &ListenerName) -> SecurityProtocol {
        self.protocol_of(name).unwrap_or(SecurityProtocol::Plaintext)
    }

    /// The settings as they hold for the listener of this name: its own prevail.
    ///
    /// Where clients authenticate by SASL, the `ssl.client.auth` of all listeners does not count, or
    /// a broker that asks for certificates on one listener would ask on this one, too: port of
    /// `ChannelBuilders.channelBuilderConfigs` (KAFKA-3166, KIP-684).
    #[must_use]
    pub fn of_listener(&self, listener: &ListenerName) -> Self {
        let mut config = self.clone();
        if self.protocol_of(listener) == Some(SecurityProtocol::SaslSsl) {
            config.ssl_client_auth = SslClientAuth::None;
        }
        config.overridden_by(|it| it.listener == *listener && it.mechanism.is_none())
    }

    /// By which names these settings are given.
    pub fn names_of_listener(&self, listener: &ListenerName) -> ListenerSettingNames {
        let is_own = |it: &&ListenerSetting| it.listener == *listener && it.mechanism.is_none();
        let own = self.listener_settings.iter().filter(is_own);
        ListenerSettingNames { own: own.map(|it| (it.name.clone(), it.full_name())).collect() }
    }

    /// The same for one SASL mechanism of the listener. Its login module is its own or none: port of
    /// `JaasContext.loadServerContext`.
    #[must_use]
    pub fn of_mechanism(&self, listener: &ListenerName, mechanism: &str) -> Self {
        let is_of = |it: &ListenerSetting| {
            it.mechanism.as_ref().is_some_and(|it| it.eq_ignore_ascii_case(mechanism))
        };
        let mut config = self.of_listener(listener);
        config.sasl_jaas_config = None;
        config.overridden_by(|it| it.listener == *listener && is_of(it))
    }

    /// Whether a client of a listener with this protocol has to show a certificate.
    pub fn ssl_client_auth_of(&self, protocol: SecurityProtocol) -> SslClientAuth {
        if protocol.uses_ssl() { self.ssl_client_auth } else { SslClientAuth::None }
    }

    fn overridden_by(mut self, is_of: impl Fn(&ListenerSetting) -> bool) -> Self {
        let settings = self.listener_settings.clone();
        for it in settings.iter().filter(|it| is_of(it)) {
            let set = self.set(&it.name, &it.value);
            set.expect("the settings of listeners are checked when they are read");
        }
        self
    }

    /// Whether the broker joins the cluster of controllers that are other processes.
    pub fn joins_a_cluster(&self) -> bool {
        self.process_roles == ProcessRoles::Broker
    }

    /// Port of `KafkaConfig.interBrokerListenerName`: the listener by which brokers reach each other.
    pub fn inter_broker_listener(&self) -> ListenerName {
        let protocol = &self.security_inter_broker_protocol;
        ListenerName::normalised(self.inter_broker_listener_name.as_ref().unwrap_or(protocol))
    }

    /// The faults that are switched on.
    pub fn lessons(&self) -> Lessons {
        Lessons {
            forgets_edges: self.transferto_lesson_forgotten_edges,
            reuses_names: self.transferto_lesson_reused_names,
            loses_responses: self.transferto_lesson_lost_responses,
            leaves_cold_pages: self.transferto_lesson_cold_pages,
        }
    }

    /// What a topic without overrides follows.
    pub fn compaction_lags(&self) -> CompactionLags {
        CompactionLags {
            min_name: "log.cleaner.min.compaction.lag.ms",
            max_name: "log.cleaner.max.compaction.lag.ms",
            min_ms: self.log_cleaner_min_compaction_lag_ms,
            max_ms: self.log_cleaner_max_compaction_lag_ms,
        }
    }

    /// Fills in the settings that follow from others if they are not set.
    pub(super) fn fill_in(&mut self) {
        if self.listeners.is_empty() {
            let (host, port) = (self.host_name.clone(), self.port);
            self.listeners = vec![EndPoint::new(SecurityProtocol::Plaintext, host, port)];
        }
        let is_advertised = self.advertised_host_name.is_some() || self.advertised_port.is_some();
        if self.advertised_listeners.is_empty() && is_advertised {
            self.advertised_listeners = self.first_listener_advertised().into_iter().collect();
        }
        if self.log_dirs.is_empty() {
            self.log_dirs = vec![self.log_dir.clone()];
        }
        self.settle_protocols();
    }

    /// Gives each listener its protocol; one that has none is found wrong later.
    fn settle_protocols(&mut self) {
        let mut listeners = mem::take(&mut self.listeners);
        for it in &mut listeners {
            it.security_protocol =
                self.protocol_of(&it.listener_name).unwrap_or(SecurityProtocol::Plaintext);
        }
        self.listeners = listeners;
    }

    /// The first listener of the broker, with the host and the port that are advertised for it.
    fn first_listener_advertised(&self) -> Option<EndPoint> {
        let mut end_point = self.listeners.iter().find(|it| !self.is_controllers(it))?.clone();
        if let Some(host) = &self.advertised_host_name {
            end_point.host.clone_from(host);
        }
        end_point.port = self.advertised_port.unwrap_or(end_point.port);
        Some(end_point)
    }

    /// Whether the listener is one of the controllers, which this broker does not open.
    pub(super) fn is_controllers(&self, end_point: &EndPoint) -> bool {
        self.controller_listener_names.contains(&end_point.listener_name)
    }
}

/// The settings without a file and overrides: it listens on this machine only, and keeps its data in
/// the working directory.
impl Default for KafkaConfig {
    fn default() -> Self {
        let mut config = Self::of_the_table();
        config.fill_in();
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::config_reader::{read_file, read_properties};
    use crate::config::unsupported::Unsupported;

    fn config(text: &str) -> KafkaConfig {
        read_properties(text, &[]).unwrap()
    }

    fn shown(listeners: &[EndPoint]) -> Vec<String> {
        listeners.iter().map(EndPoint::to_string).collect()
    }

    #[test]
    fn a_field_is_named_as_its_setting() {
        for setting in KafkaConfig::SETTINGS {
            assert_eq!(setting.field, setting.name.replace('.', "_"));
            assert_eq!(Unsupported::of(setting.name), None, "{}", setting.name);
        }
    }

    #[test]
    fn with_no_file_it_listens_on_this_machine_only_and_keeps_its_data_here() {
        let config = read_file(None, &[]).unwrap();
        assert_eq!(config, KafkaConfig::default());
        assert_eq!(shown(&config.listeners), ["PLAINTEXT://127.0.0.1:9092"]);
        assert_eq!(config.log_dirs, [PathBuf::from("./data")]);
        assert_eq!(config.non_default_settings(), []);
    }

    #[test]
    fn the_defaults_are_those_of_kafka() {
        let config = KafkaConfig::default();
        assert_eq!((config.num_network_threads, config.num_io_threads), (3, 8));
        assert_eq!(config.queued_max_requests, 500);
        assert_eq!(config.socket_request_max_bytes, 100 * 1024 * 1024);
        assert_eq!(config.connections_max_idle_ms, Limit::from(600_000));
        assert_eq!(config.message_max_bytes, 1024 * 1024 + 12);
        assert_eq!(config.log_roll_time_ms(), 7 * 24 * MS_PER_HOUR);
        assert_eq!(config.log_roll_time_jitter_ms(), 0);
        assert_eq!(config.log_retention_time().ms(), Some(7 * 24 * MS_PER_HOUR));
        assert_eq!(config.log_flush_time_ms(), i64::MAX);
    }

    #[test]
    fn listeners_follow_from_host_and_port_if_they_are_not_set() {
        assert_eq!(shown(&config("port=1").listeners), ["PLAINTEXT://127.0.0.1:1"]);
        assert_eq!(shown(&config("host.name=").listeners), ["PLAINTEXT://:9092"]);
        let both = config("listeners=PLAINTEXT://a:1\nport=2");
        assert_eq!(shown(&both.listeners), ["PLAINTEXT://a:1"]);
    }

    #[test]
    fn what_is_advertised_follows_from_the_listeners_if_it_is_not_set() {
        for (text, advertised) in [
            ("listeners=PLAINTEXT://a:1", "PLAINTEXT://a:1"),
            ("advertised.host.name=b", "PLAINTEXT://b:9092"),
            ("advertised.port=7", "PLAINTEXT://127.0.0.1:7"),
            ("advertised.listeners=PLAINTEXT://c:3\nadvertised.port=7", "PLAINTEXT://c:3"),
        ] {
            assert_eq!(
                shown(&config(text).effective_advertised_listeners()),
                [advertised],
                "{text}"
            );
        }
    }

    #[test]
    fn the_finer_unit_of_time_wins() {
        let all = "log.retention.ms=1\nlog.retention.minutes=2\nlog.retention.hours=3";
        assert_eq!(config(all).log_retention_time().ms(), Some(1));
        let two = "log.retention.minutes=2\nlog.retention.hours=3";
        assert_eq!(config(two).log_retention_time().ms(), Some(120_000));
        assert_eq!(
            config("log.retention.hours=3").log_retention_time().ms(),
            Some(3 * MS_PER_HOUR)
        );
        assert_eq!(config("log.retention.hours=-5").log_retention_time().ms(), None);
        assert_eq!(config("log.roll.ms=9\nlog.roll.hours=1").log_roll_time_ms(), 9);
        assert_eq!(config("log.roll.jitter.hours=1").log_roll_time_jitter_ms(), MS_PER_HOUR);
        assert_eq!(config("log.flush.scheduler.interval.ms=4").log_flush_time_ms(), 4);
        let both = "log.flush.interval.ms=3\nlog.flush.scheduler.interval.ms=4";
        assert_eq!(config(both).log_flush_time_ms(), 3);
    }

    #[test]
    fn what_is_written_of_a_config_reads_back() {
        let config = config("listeners=PLAINTEXT://a:1\ncompression.type=zstd\nlog.dirs=a,b");
        let text: String = config
            .values()
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        assert_eq!(read_properties(&text, &[]).unwrap(), config);
    }
}
