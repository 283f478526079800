// kafkajs against the broker: the steps are in ../node/suite.js. It has no assignment: it always
// reads as the member of a group, and goes to an offset with `seek`.
'use strict'

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require('kafkajs')
const Lz4 = require('kafkajs-lz4')
const snappy = require('kafkajs-snappy')
const { BROKER, record, run, security, sleep, until } = require('./suite')

const { authority, certificate, key, mechanism, username, password } = security
const kafka = new Kafka({
  brokers: [BROKER],
  logLevel: logLevel.WARN,
  ssl: authority && { ca: authority, cert: certificate, key },
  sasl: mechanism && { mechanism, username, password },
})
const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}
let groups = 0

const client = {
  name: 'kafkajs',
  version: require('kafkajs/package.json').version,
  codecs: Object.keys(CODECS),

  createTopic: (topic, numPartitions) =>
    withAdmin(admin => admin.createTopics({ topics: [{ topic, numPartitions }] })),
  deleteTopic: topic => withAdmin(admin => admin.deleteTopics({ topics: [topic] })),
  topics: () => withAdmin(admin => admin.listTopics()),
  async partitionCount(topic) {
    const metadata = await withAdmin(admin => admin.fetchTopicMetadata({ topics: [topic] }))
    return metadata.topics[0].partitions.length
  },

  async send(topic, messages, { codec = 'none', idempotent = false, slowly = false }) {
    const producer = kafka.producer(idempotent ? { idempotent } : {})
    const compression = CODECS[codec]
    const size = slowly ? 10 : 1000
    await producer.connect()
    for (let first = 0; first < messages.length; first += size) {
      const part = messages.slice(first, first + size)
      await producer.send({ topic, messages: part.map(withTextTimestamp), compression })
      if (slowly) await sleep(10)
    }
    await producer.disconnect()
  },

  async read(topic, start, count) {
    const got = []
    const offset = await this.offsetOf(topic, start)
    const { consumer, close } = await this.member(`kafkajs-${groups++}`, topic, got)
    if (offset !== undefined) consumer.seek({ topic, partition: 0, offset })
    try {
      await until(30_000, () => got.length >= count, () => `${got.length} of ${count} records`)
      await sleep(500)
      return got
    } finally {
      await close()
    }
  },

  async offsetOf(topic, { offset, timestamp }) {
    if (timestamp === undefined) return offset?.toString()
    const found = await withAdmin(admin => admin.fetchTopicOffsetsByTimestamp(topic, timestamp))
    return found.find(({ partition }) => partition === 0).offset
  },

  async member(groupId, topic, got) {
    const consumer = kafka.consumer({ groupId })
    const next = new Map()
    let assigned = []
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      assigned = payload.memberAssignment[topic] ?? []
    })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        got.push(record(partition, message))
        next.set(partition, (BigInt(message.offset) + 1n).toString())
      },
    })
    return {
      consumer,
      assignment: () => assigned,
      commit: () =>
        consumer.commitOffsets(
          [...next]
            .filter(([partition]) => assigned.includes(partition))
            .map(([partition, offset]) => ({ topic, partition, offset })),
        ),
      close: () => consumer.disconnect(),
    }
  },
}

function withTextTimestamp(message) {
  const { timestamp } = message
  return timestamp === undefined ? message : { ...message, timestamp: `${timestamp}` }
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

// kafkajs brings gzip; a program adds the other codecs.
async function addCodecs() {
  const { Zstd } = await import('@hpcc-js/wasm-zstd')
  const zstd = await Zstd.load()
  CompressionCodecs[CompressionTypes.Snappy] = snappy
  CompressionCodecs[CompressionTypes.LZ4] = new Lz4().codec
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async encoder => Buffer.from(zstd.compress(encoder.buffer)),
    decompress: async buffer => Buffer.from(zstd.decompress(buffer)),
  })
}

addCodecs().then(() => run(client))
