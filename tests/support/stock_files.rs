//! The settings of the files that come with Kafka, by release: names and values, nothing else.

/// What all of them say.
const COMMON: &str = "\
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
num.partitions=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
";

/// What those of KRaft mode say of topics that the broker makes for itself.
const KRAFT_TOPICS: &str = "\
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
";

/// What 4.x adds.
const SHARE_TOPICS: &str = "\
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
";

const PROTOCOLS: &str = "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,\
                         SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n";

/// `config/server.properties` of 0.9.0.1.
pub fn zookeeper_0_9() -> String {
    let own = "broker.id=0\nlisteners=PLAINTEXT://:9092\nlog.dirs=/tmp/kafka-logs\n\
               num.recovery.threads.per.data.dir=1\nlog.cleaner.enable=false\n\
               zookeeper.connect=localhost:2181\nzookeeper.connection.timeout.ms=6000\n";
    format!("{own}{COMMON}")
}

/// `config/server.properties` of 2.8.
pub fn zookeeper_2_8() -> String {
    let own = "broker.id=0\nlog.dirs=/tmp/kafka-logs\nzookeeper.connect=localhost:2181\n\
               zookeeper.connection.timeout.ms=18000\ngroup.initial.rebalance.delay.ms=0\n";
    format!("{own}{COMMON}{KRAFT_TOPICS}")
}

/// `config/kraft/server.properties` of 2.8.
pub fn combined_2_8() -> String {
    let own = "process.roles=broker,controller\nnode.id=1\n\
               controller.quorum.voters=1@localhost:9093\n\
               listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
               inter.broker.listener.name=PLAINTEXT\n\
               advertised.listeners=PLAINTEXT://localhost:9092\n\
               controller.listener.names=CONTROLLER\nlog.dirs=/tmp/kraft-combined-logs\n";
    format!("{own}{PROTOCOLS}{COMMON}{KRAFT_TOPICS}")
}

/// `config/server.properties` of 4.x.
pub fn combined_4() -> String {
    let own = "process.roles=broker,controller\nnode.id=1\n\
               controller.quorum.bootstrap.servers=localhost:9093\n\
               listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
               inter.broker.listener.name=PLAINTEXT\n\
               advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
               controller.listener.names=CONTROLLER\nlog.dirs=/tmp/kraft-combined-logs\n";
    format!("{own}{PROTOCOLS}{COMMON}{KRAFT_TOPICS}{SHARE_TOPICS}")
}

/// `config/kraft/broker.properties` of 2.8 to 3.9.
pub fn broker_2_8() -> String {
    broker("controller.quorum.voters=1@localhost:9093\n")
}

/// `config/broker.properties` of 4.x.
pub fn broker_4() -> String {
    broker("controller.quorum.bootstrap.servers=localhost:9093\n") + SHARE_TOPICS
}

fn broker(quorum: &str) -> String {
    let own = "process.roles=broker\nnode.id=2\nlisteners=PLAINTEXT://localhost:9092\n\
               inter.broker.listener.name=PLAINTEXT\n\
               advertised.listeners=PLAINTEXT://localhost:9092\n\
               controller.listener.names=CONTROLLER\nlog.dirs=/tmp/kraft-broker-logs\n";
    format!("{own}{quorum}{PROTOCOLS}{COMMON}{KRAFT_TOPICS}")
}

/// `config/kraft/controller.properties` of 2.8 to 3.9.
pub fn controller_2_8() -> String {
    controller("listeners=CONTROLLER://:9093\ncontroller.quorum.voters=1@localhost:9093\n")
}

/// `config/controller.properties` of 4.x.
pub fn controller_4() -> String {
    let own = "listeners=CONTROLLER://:9093\nadvertised.listeners=CONTROLLER://localhost:9093\n\
               controller.quorum.bootstrap.servers=localhost:9093\n";
    controller(own) + SHARE_TOPICS
}

fn controller(listeners: &str) -> String {
    let own = "process.roles=controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
               log.dirs=/tmp/kraft-controller-logs\n";
    format!("{own}{listeners}{COMMON}{KRAFT_TOPICS}")
}
