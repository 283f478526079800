// @confluentinc/kafka-javascript against the broker: the steps are in ../node/suite.js. Producer,
// groups and admin go through its API in the manner of kafkajs; assignment through the one that is
// close to librdkafka.
'use strict'

const { KafkaJS, RdKafka } = require('@confluentinc/kafka-javascript')
const { version } = require('@confluentinc/kafka-javascript/package.json')
const { BROKER, librdkafkaSettings, record, run, sleep, until } = require('./suite')

const kafka = new KafkaJS.Kafka({
  kafkaJS: { brokers: [BROKER], logLevel: KafkaJS.logLevel.ERROR },
  ...librdkafkaSettings,
})

const client = {
  name: 'kafka-javascript',
  version: `${version} (librdkafka ${RdKafka.librdkafkaVersion})`,
  codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],

  createTopic: (topic, numPartitions) =>
    withAdmin(admin => admin.createTopics({ topics: [{ topic, numPartitions }] })),
  deleteTopic: topic => withAdmin(admin => admin.deleteTopics({ topics: [topic] })),
  topics: () => withAdmin(admin => admin.listTopics()),
  async partitionCount(topic) {
    const metadata = await withAdmin(admin => admin.fetchTopicMetadata({ topics: [topic] }))
    return metadata[0].partitions.length
  },

  async send(topic, messages, { codec, idempotent, slowly }) {
    const settings = {}
    if (codec && codec !== 'none') settings.compression = codec
    if (idempotent) settings.idempotent = true
    const producer = kafka.producer({ kafkaJS: settings })
    const size = slowly ? 10 : 1000
    await producer.connect()
    for (let first = 0; first < messages.length; first += size) {
      const part = messages.slice(first, first + size)
      await producer.send({ topic, messages: part.map(asOfKafkajs) })
      if (slowly) await sleep(10)
    }
    await producer.disconnect()
  },

  // Reads by assignment, with librdkafka's own calls.
  async read(topic, start, count) {
    const consumer = new RdKafka.KafkaConsumer(
      {
        'metadata.broker.list': BROKER,
        'group.id': 'not-used',
        'enable.auto.commit': false,
        ...librdkafkaSettings,
      }, {})
    await call(consumer, 'connect', {})
    try {
      consumer.setDefaultConsumeTimeout(500)
      consumer.assign(await starts(consumer, topic, start))
      const got = []
      await until(30_000, async () => {
        for (const message of await call(consumer, 'consume', 1000)) {
          got.push(record(message.partition, { ...message, headers: joined(message.headers) }))
        }
        return got.length >= count
      }, () => `${got.length} of ${count} records`)
      const more = await call(consumer, 'consume', 1000)
      if (more.length > 0) throw new Error(`${more.length} records more than ${count}`)
      return got
    } finally {
      await call(consumer, 'disconnect')
    }
  },

  async member(groupId, topic, got) {
    const consumer = kafka.consumer({ kafkaJS: { groupId, fromBeginning: true } })
    await consumer.connect()
    await consumer.subscribe({ topic })
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        got.push(record(partition, message))
      },
    })
    return {
      assignment: () => consumer.assignment().map(({ partition }) => partition),
      commit: () => consumer.commitOffsets(),
      close: () => consumer.disconnect(),
    }
  },
}

async function starts(consumer, topic, start) {
  if (start.beginning) {
    const partitions = [...Array(await client.partitionCount(topic)).keys()]
    return partitions.map(partition => ({ topic, partition, offset: 0 }))
  }
  if (start.offset !== undefined) return [{ topic, partition: 0, offset: start.offset }]
  return call(consumer, 'offsetsForTimes', [{ topic, partition: 0, offset: start.timestamp }], 5000)
}

// librdkafka's manner: a list of objects with one header each.
function joined(headers) {
  return Object.assign({}, ...headers)
}

// A copy, because `send` writes into the messages that it is given.
function asOfKafkajs(message) {
  const { timestamp } = message
  return timestamp === undefined ? { ...message } : { ...message, timestamp: `${timestamp}` }
}

function call(object, method, ...rest) {
  return new Promise((resolve, reject) => {
    object[method](...rest, (error, result) => (error ? reject(error) : resolve(result)))
  })
}

async function withAdmin(action) {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await action(admin)
  } finally {
    await admin.disconnect()
  }
}

run(client)
