// The steps that every client in JavaScript goes through.
//
// A client's main.js brings an object with
//
//   name, version, codecs
//   createTopic(topic, partitions), partitionCount(topic), deleteTopic(topic), topics()
//   send(topic, messages, {codec, idempotent})   resolves when the broker has all of them
//   read(topic, start, count)   the records from `start` on: {beginning: true} of every partition,
//                               {offset} or {timestamp}; `count` of them are expected
//   member(group, topic)        a member that hands over records: {got, assignment(), commit(),
//                               close()}
//
// Everything waits for a bounded time. It takes the way to the broker from `security`, or from
// `librdkafkaSettings`.
'use strict'

const { execFile } = require('node:child_process')
const fs = require('node:fs')
const { promisify } = require('node:util')

const BROKER = process.env.BROKER

// The way to the broker, as security.sh describes it; undefined where it has no such thing.
const { env } = process
const contents = file => (file ? fs.readFileSync(file) : undefined)
const security = {
  mechanism: env.SASL_MECHANISM || undefined,
  username: env.SASL_USERNAME || undefined,
  password: env.SASL_PASSWORD || undefined,
  authority: contents(env.TLS_CA),
  certificate: contents(env.TLS_CERTIFICATE),
  key: contents(env.TLS_KEY),
}
const librdkafkaSettings = Object.fromEntries(
  fs.readFileSync(env.LIBRDKAFKA_CONF, 'utf8').split('\n').filter(Boolean)
    .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))

const COUNT = Math.max(1000, Math.floor(process.env.RECORDS / 10))
const STEP_MS = 90_000
const WIDE_PARTITIONS = 60
const WIDE_BYTES = 900_000

const sleep = promisify(setTimeout)

async function run(client) {
  if (env.STEPS === 'attempt') await attempt(client)
  else {
    console.log(`VERSION ${client.version}`)
    await (env.STEPS === 'few' ? runFew : runAll)(new Suite(client))
  }
  // A connection of a client that hangs must not keep the program.
  process.exit(0)
}

async function runAll(suite) {
  await step('create: a topic of 4 partitions', () => suite.createTopic())
  for (const codec of suite.client.codecs) {
    await step(`${codec}: ${COUNT} records in and out`, () => suite.inAndOut(codec))
  }
  await step('offset: from the 37th', () => suite.fromAnOffset())
  await step('timestamp: from the 42nd', () => suite.fromATimestamp())
  await step('retry: through kill -9, none lost, none twice', () => suite.idempotentThroughKill())
  await step('group: two members, rebalances, kill -9', () => suite.groupOfTwo())
  await step('resume: after a commit', () => suite.commitAndResume())
  await step('wide: 60 partitions, a record of 900 kB in each', () => suite.manyPartitions())
  await step('delete: the topic, which is not listed then', () => suite.deleteTopic())
}

async function runFew(suite) {
  await step('create: a topic of 4 partitions', () => suite.createTopic())
  await step(`none: ${COUNT} records in and out`, () => suite.inAndOut('none'))
  await step('resume: after a commit', () => suite.readCommitAndResume())
  await step('delete: the topic, which is not listed then', () => suite.deleteTopic())
}

// Sends one record, and shows what the client says if it cannot.
async function attempt(client) {
  try {
    await client.send(`${client.name}-none`, messages(0, 1), {})
    console.log('it worked')
  } catch (error) {
    for (let why = error; why; why = why.cause) console.log(`${why}`)
  }
}

// Prints `PASS name [seconds]` or `FAIL name: why`; a step out of time fails.
async function step(name, body) {
  const started = Date.now()
  const timer = new AbortController()
  const outOfTime = promisify(setTimeout)(STEP_MS, null, { signal: timer.signal }).then(() => {
    throw new Error(`not done after ${STEP_MS / 1000} s`)
  })
  try {
    await Promise.race([body(), outOfTime])
    console.log(`PASS ${name} [${((Date.now() - started) / 1000).toFixed(1)} s]`)
  } catch (error) {
    console.error(name, error)
    const why = [error, ...(error.errors ?? [])].join('; ').replace(/\s+/g, ' ')
    console.log(`FAIL ${name}: ${why.slice(0, 500)}`)
  }
  outOfTime.catch(() => {}) // the race is over, and the timer is aborted
  timer.abort()
}

class Suite {
  constructor(client) {
    this.client = client
    this.created = `${client.name}-created`
    this.grouped = `${client.name}-grouped`
    this.group = `${client.name}-group`
  }

  async createTopic() {
    await this.client.createTopic(this.created, 4)
    equal(4, await this.client.partitionCount(this.created), 'partitions')
  }

  async inAndOut(codec) {
    const topic = `${this.client.name}-${codec}`
    const sent = messages(0, COUNT)
    await this.client.send(topic, sent, { codec })
    const got = await this.client.read(topic, { beginning: true }, sent.length)
    exactlyOnce(sent, got)
    inOrder(got)
    if (codec !== 'none') equal([codec], codecs(topic), 'codecs of the batches in the log')
  }

  async fromAnOffset() {
    const topic = `${this.client.name}-offsets`
    const sent = messages(0, 100, () => ({ partition: 0 }))
    await this.client.send(topic, sent, {})
    const got = await this.client.read(topic, { offset: 37 }, 63)
    equal(sent.slice(37).map(text), got.map(text), 'records from offset 37')
  }

  async fromATimestamp() {
    const topic = `${this.client.name}-timestamps`
    const start = Date.now() - 1_000_000
    const sent = messages(0, 100, number => ({ partition: 0, timestamp: start + 1000 * number }))
    await this.client.send(topic, sent, {})
    const got = await this.client.read(topic, { timestamp: start + 41_500 }, 58)
    equal(sent.slice(42).map(text), got.map(text), 'records from after the 42nd')
    equal(sent.slice(42).map(one => one.timestamp), got.map(one => one.timestamp), 'timestamps')
  }

  async idempotentThroughKill() {
    const topic = `${this.client.name}-idempotent`
    const sent = messages(0, 3000)
    const sending = this.client.send(topic, sent, { idempotent: true, slowly: true })
    const killing = sleep(1500).then(brokerKillAndRestart)
    await Promise.all([sending, killing])
    const got = await this.client.read(topic, { beginning: true }, sent.length)
    exactlyOnce(sent, got)
    inOrder(got)
    if (batches(topic).some(batch => batch.readBigInt64BE(43) < 0n)) {
      throw new Error('a batch in the log has no producer id')
    }
  }

  // One member reads, a second one joins, the broker dies and comes back, one leaves.
  async groupOfTwo() {
    const { client, group, grouped } = this
    const sent = messages(0, 300)
    const got = []
    const members = []
    await client.send(grouped, sent, {})
    try {
      members.push(await client.member(group, grouped, got))
      await readAll(members, sent, got, 'one member')

      members.push(await client.member(group, grouped, got))
      await untilShared(members)
      await this.sendMore(sent, 300)
      await readAll(members, sent, got, 'two members')

      await brokerKillAndRestart()
      await this.sendMore(sent, 300)
      await readAll(members, sent, got, 'two members after kill -9')

      await members.pop().close()
      await untilShared(members)
      await this.sendMore(sent, 300)
      await readAll(members, sent, got, 'the member that is left')
      exactlyOnce(sent, got)
    } finally {
      for (const member of members) await member.close()
    }
  }

  // A new member goes on where the last one has committed.
  async commitAndResume() {
    const after = messages(1200, 1400)
    const got = []
    await this.client.send(this.grouped, after, {})
    const member = await this.client.member(this.group, this.grouped, got)
    try {
      await readAll([member], after, got, 'a new member')
      exactlyOnce(after, got)
    } finally {
      await member.close()
    }
  }

  // The same without the steps before it.
  async readCommitAndResume() {
    const sent = messages(0, 200)
    const got = []
    await this.client.send(this.grouped, sent, {})
    for (const more of [200, 0]) {
      const member = await this.client.member(this.group, this.grouped, got)
      try {
        await readAll([member], sent, got, 'a member')
      } finally {
        await member.close()
      }
      if (more > 0) await this.sendMore(sent, more)
    }
    exactlyOnce(sent, got)
  }

  // There is more than the clients take with one fetch: the turn of each partition must come.
  async manyPartitions() {
    const topic = `${this.client.name}-wide`
    await this.client.createTopic(topic, WIDE_PARTITIONS)
    const sent = Array.from({ length: WIDE_PARTITIONS }, (_, partition) => wideMessage(partition))
    await this.client.send(topic, sent, {})
    const got = await this.client.read(topic, { beginning: true }, sent.length)
    exactlyOnce(sent, got)
    equal(sent.map(one => [one.partition, 0]).sort(),
      got.map(one => [one.partition, one.offset]).sort(), 'where they lay')
    await this.client.deleteTopic(topic)
  }

  async deleteTopic() {
    await this.client.deleteTopic(this.created)
    await until(20_000, async () => !(await this.client.topics()).includes(this.created),
      () => `${this.created} is still listed`)
  }

  async sendMore(sent, count) {
    const more = messages(sent.length, sent.length + count)
    await this.client.send(this.grouped, more, {})
    sent.push(...more)
  }
}

// All records have come; in the second after that none may come.
async function readAll(members, sent, got, who) {
  await until(40_000, () => got.length >= sent.length,
    () => `${who}: ${got.length} of ${sent.length} records`)
  await sleep(1000)
  equal(sent.length, got.length, `${who}: records in all`)
  for (const member of members) await member.commit()
}

// The members have the three partitions between them, and each has one.
async function untilShared(members) {
  const shares = () => members.map(member => member.assignment())
  await until(30_000,
    () => shares().every(share => share.length > 0) && `${shares().flat().sort()}` === '0,1,2',
    () => `after a rebalance the members have ${JSON.stringify(shares())}`)
}

async function until(ms, condition, what) {
  const deadline = Date.now() + ms
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what()} after ${ms / 1000} s`)
    await sleep(50)
  }
}

function messages(first, end, more = () => ({})) {
  return Array.from({ length: end - first }, (_, index) => {
    const number = first + index
    return {
      key: `key-${number % 100}`,
      value: `value-${String(number).padStart(8, '0')}`,
      headers: { number: `${number}`, empty: '' },
      ...more(number),
    }
  })
}

function wideMessage(partition) {
  const value = String(partition).padStart(WIDE_BYTES, '0')
  return { key: `key-${partition}`, value, headers: { number: `${partition}` }, partition }
}

// A record as the suite compares it, from what both clients call a message.
function record(partition, { key, value, headers, offset, timestamp }) {
  return {
    partition,
    key: `${key}`,
    value: `${value}`,
    headers: Object.fromEntries(Object.entries(headers).map(([name, one]) => [name, `${one}`])),
    offset: Number(offset),
    timestamp: Number(timestamp),
  }
}

function text({ key, value, headers }) {
  return JSON.stringify([key, value, headers])
}

function exactlyOnce(sent, got) {
  const wanted = new Set(sent.map(text))
  const came = new Set(got.map(text))
  const lost = [...wanted].filter(one => !came.has(one))
  const strange = [...came].filter(one => !wanted.has(one))
  const twice = got.length - came.size
  if (lost.length + strange.length + twice > 0) {
    throw new Error(`${sent.length} sent, ${got.length} came: ${lost.length} lost, ` +
      `${twice} twice, ${strange.length} never sent; ` +
      `${[...lost, ...strange].slice(0, 1)}`.slice(0, 200))
  }
}

// The records of each partition have the offsets 0, 1, 2 ... and each key its order.
function inOrder(got) {
  const next = new Map()
  const last = new Map()
  for (const one of got) {
    equal(next.get(one.partition) ?? 0, one.offset, `next offset of partition ${one.partition}`)
    next.set(one.partition, one.offset + 1)
    const before = last.get(one.key) ?? { partition: one.partition, value: '' }
    equal(before.partition, one.partition, `partition of ${one.key}`)
    if (one.value <= before.value) throw new Error(`${one.value} comes after ${before.value}`)
    last.set(one.key, one)
  }
}

function equal(wanted, got, what) {
  const [left, right] = [JSON.stringify(wanted), JSON.stringify(got)]
  if (left !== right) {
    throw new Error(`${what}: wanted ${left.slice(0, 200)}, got ${right.slice(0, 200)}`)
  }
}

// The codecs of a topic's batches: the lowest three bits of the attributes. A batch of one record
// is left out: some clients do not compress what gets larger by it.
function codecs(topic) {
  const names = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
  const several = batches(topic).filter(batch => batch.readInt32BE(57) > 1)
  return [...new Set(several.map(batch => names[batch[22] & 7]))]
}

// The batches of a topic as they lie in the log.
function batches(topic) {
  const found = []
  for (const partition of [0, 1, 2]) {
    const log = fs.readFileSync(
      `${process.env.DATA_DIR}/${topic}-${partition}/00000000000000000000.log`)
    for (let at = 0; at < log.length; at += found.at(-1).length) {
      found.push(log.subarray(at, at + 12 + log.readInt32BE(at + 8)))
    }
  }
  return found
}

function brokerKillAndRestart() {
  const script = 'source ../lib.sh; broker_kill_and_restart'
  return promisify(execFile)('bash', ['-c', script], { timeout: 60_000 })
}

module.exports = { BROKER, librdkafkaSettings, record, run, security, sleep, until }
