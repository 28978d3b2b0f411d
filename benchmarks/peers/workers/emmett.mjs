// Emmett on Postgres, driven as its users drive it: the event store, CommandHandler and a consumer.
// It speaks the protocol of lines.py and wire.py and does the work of work.py:
// node emmett.mjs DSN FOLDER [--second], where FOLDER holds the node_modules.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [, , dsn, folder, second] = process.argv;
const require = createRequire(`${folder}/package.json`);
const { CommandHandler } = require('@event-driven-io/emmett');
const {
  getPostgreSQLEventStore,
  postgreSQLRawSQLProjection,
} = require('@event-driven-io/emmett-postgresql');
const { SQL } = require('@event-driven-io/dumbo');
const pg = require('pg');

const CATEGORY = 'counter';
const STREAMS = 1024;
const MOST_EACH = 64;
const DECISIONS = 8;
const NOTE = 'twenty bytes of text '.repeat(4);
const CONNECTIONS = 16;
const PAGE = 1000;
const WARM_UP = 0.2;
const SETTLE = 30;
const QUIET = 5;
const MOST_FAULTS = 5;

// The monotonic clock that Python's time.perf_counter reads.
const now = () => Number(process.hrtime.bigint()) / 1e9;
const sleep = (seconds) =>
  seconds > 0 ? new Promise((done) => setTimeout(done, seconds * 1000)) : new Promise(setImmediate);

const pool = new pg.Pool({ connectionString: dsn, max: CONNECTIONS });
const store = getPostgreSQLEventStore(dsn, {
  schema: { autoMigration: 'None' },
  connectionOptions: { pool },
});
if (second === undefined) await store.schema.migrate();

const added = (amount) => ({ type: 'Added', data: { amount, note: NOTE } });
const decide = CommandHandler({
  evolve: (state, event) => ({ total: state.total + event.data.amount }),
  initialState: () => ({ total: 0 }),
});

const acknowledged = new Map();
const seen = new Map();
let stored = 0;
let checked = 0n;

const acknowledge = (stream, count) =>
  acknowledged.set(stream, (acknowledged.get(stream) ?? 0) + count);

async function run({ seconds, in_flight, first = 0, count, start }, operation, weight = 1) {
  const latencies = [];
  if (start !== undefined) await sleep(start - now());
  const started = now();
  const deadline = count === undefined ? started + seconds : Infinity;
  let left = count ?? Infinity;
  const work = async (worker) => {
    let before = now();
    while (before < deadline && left > 0) {
      left -= 1;
      await operation(worker);
      const after = now();
      latencies.push(Math.round((after - before) * 1e6));
      before = after;
    }
  };
  await Promise.all(Array.from({ length: in_flight }, (_, worker) => work(first + worker)));
  return { count: latencies.length * weight, seconds: now() - started, started, latencies };
}

async function measured(load, operation) {
  // Two processes are warmed up before they start together.
  if (load.count === undefined)
    await run({ ...load, seconds: Math.min(WARM_UP, load.seconds) }, operation);
  return run(load, operation, load.events ?? 1);
}

async function appendTo(stream, events) {
  const version = acknowledged.get(stream) ?? 0;
  await store.appendToStream(
    stream,
    Array.from({ length: events }, () => added(1)),
    { expectedStreamVersion: BigInt(version) },
  );
  acknowledge(stream, events);
}

const turnsOf = ({ in_flight, first = 0 }) => new Array(first + in_flight).fill(0);

async function append(load) {
  const turns = turnsOf(load);
  const each = Math.min(MOST_EACH, Math.floor(STREAMS / load.in_flight));
  return measured(load, (worker) =>
    appendTo(`${CATEGORY}-${load.name}-${worker}-${turns[worker]++ % each}`, load.events ?? 1),
  );
}

async function decisions(load) {
  const turns = turnsOf(load);
  return measured(load, async (worker) => {
    const turn = Math.floor(turns[worker]++ / DECISIONS);
    const stream = `${CATEGORY}-${load.name}-${worker}-${turn}`;
    await decide(store, stream, (state) => added(state.total + 1));
    acknowledge(stream, 1);
  });
}

function consumer(processorId, startFrom, eachMessage, pulling) {
  const made = store.consumer(pulling ? { pulling } : {});
  made.reactor({ processorId, startFrom, eachMessage });
  const running = made.start();
  return async () => {
    await made.stop();
    await running.catch(() => undefined);
  };
}

const total = () => [...acknowledged.values()].reduce((sum, count) => sum + count, 0);

async function catchUp({ name, seconds }) {
  const wanted = total();
  const started = now();
  let count = 0;
  let finish;
  const finished = new Promise((done) => (finish = done));
  const stop = consumer(`catch-up-${name}`, 'BEGINNING', () => {
    count += 1;
    if (count === wanted || now() - started > seconds) finish();
  }, { batchSize: PAGE, pullingFrequencyInMs: 1 });
  await Promise.race([finished, sleep(seconds + SETTLE)]);
  const result = { count, seconds: now() - started, latencies: [] };
  await stop();
  const note = count < wanted ? `stopped after ${count} of ${wanted} events` : '';
  return { ...result, note };
}

// Leaves a stream as it is when events are missing, doubled or out of order.
const totals = postgreSQLRawSQLProjection({
  name: 'totals',
  canHandle: ['Added'],
  init: () =>
    SQL`create table if not exists totals (stream text primary key, events bigint, version bigint)`,
  evolve: ({ metadata }) => SQL`
    insert into totals values (${metadata.streamName}, 1, ${metadata.streamPosition})
    on conflict (stream) do update set events = totals.events + 1, version = excluded.version
    where totals.version + 1 = excluded.version`,
});

async function project({ seconds }) {
  const wanted = total();
  const made = store.consumer({ pulling: { batchSize: PAGE, pullingFrequencyInMs: 1 } });
  made.projector({ processorId: 'totals', projection: totals, startFrom: 'BEGINNING' });
  const started = now();
  const running = made.start();
  let done = 0;
  while (done < wanted && now() - started < seconds) {
    await sleep(0.02);
    const found = await pool.query("select to_regclass('totals') is not null as made");
    if (!found.rows[0].made) continue;
    const { rows } = await pool.query('select coalesce(sum(events), 0) as events from totals');
    done = Number(rows[0].events);
  }
  const elapsed = now() - started;
  await made.stop();
  await running.catch(() => undefined);
  const { rows } = await pool.query('select count(*) as wrong from totals where events <> version');
  const wrong = Number(rows[0].wrong);
  const faults = wrong ? [`${wrong} streams of the table do not hold each event once`] : [];
  const note = done < wanted ? `stopped after ${done} of ${wanted} events` : '';
  return { count: done, seconds: elapsed, latencies: [], faults, note };
}

async function live({ name, seconds, per_second }) {
  const stream = `${CATEGORY}-${name}-0-0`;
  const called = [];
  const versions = [];
  const latencies = [];
  const stop = consumer(`live-${name}`, 'END', (event) => {
    if (event.metadata.streamName !== stream) return;
    const version = Number(event.metadata.streamPosition);
    versions.push(version);
    latencies.push(Math.round((now() - called[version - 1]) * 1e6));
  });
  await sleep(1);
  const started = now();
  for (let number = 0; number < per_second * seconds; number += 1) {
    if (now() - started > seconds * 2) break;
    await sleep(started + number / per_second - now());
    called.push(now());
    await appendTo(stream, 1);
  }
  const elapsed = now() - started;
  const deadline = now() + SETTLE;
  while (versions.length < called.length && now() < deadline) await sleep(0.01);
  await stop();
  return { count: called.length, seconds: elapsed, latencies, faults: orderFaults(versions, called.length) };
}

async function liveBusy(load) {
  const called = new Map();
  const versions = new Map();
  const latencies = [];
  let last = now();
  const stop = consumer(`live-busy-${load.name}`, 'END', ({ metadata }) => {
    const version = Number(metadata.streamPosition);
    const at = called.get(metadata.streamName)?.[version - 1];
    if (at === undefined) return;
    last = now();
    const before = versions.get(metadata.streamName) ?? [];
    if (!before.includes(version)) latencies.push(Math.round((last - at) * 1e6));
    versions.set(metadata.streamName, [...before, version]);
  });
  await sleep(1);
  const turns = turnsOf(load);
  const each = Math.min(MOST_EACH, Math.floor(STREAMS / load.in_flight));
  const started = now();
  let count = 0;
  await run(load, (worker) => {
    const stream = `${CATEGORY}-${load.name}-${worker}-${turns[worker]++ % each}`;
    if (!called.has(stream)) called.set(stream, []);
    called.get(stream).push(now());
    count += 1;
    return appendTo(stream, 1);
  });
  last = now();
  while (latencies.length < count && now() - last < QUIET) await sleep(0.01);
  await stop();
  const faults = deliveryFaults([...called].map(([name, calls]) => [versions.get(name) ?? [], calls.length]));
  return { count: latencies.length, seconds: last - started, latencies, faults };
}

const orderFaults = (versions, wanted) => deliveryFaults([[versions, wanted]]);

// Of several streams: the versions seen of each, and how many there are.
function deliveryFaults(streams) {
  let [lost, doubled, reordered] = [0, 0, 0];
  for (const [versions, wanted] of streams) {
    const different = new Set(versions).size;
    lost += wanted - different;
    doubled += versions.length - different;
    reordered += versions.filter((version, index) => version < versions[index - 1]).length;
  }
  return lost || doubled || reordered
    ? [`the subscriber lost ${lost}, saw ${doubled} twice and ${reordered} out of order`]
    : [];
}

async function idle({ seconds }) {
  const stop = consumer('idle', 'END', () => undefined);
  await sleep(seconds);
  await stop();
  return {};
}

async function check() {
  const faults = [];
  for (;;) {
    const { rows } = await pool.query(
      `select global_position, stream_id, stream_position from emt_messages
       where global_position > $1 order by global_position limit 10000`,
      [checked],
    );
    if (rows.length === 0) break;
    for (const row of rows) {
      const number = (seen.get(row.stream_id) ?? 0) + 1;
      seen.set(row.stream_id, number);
      if (Number(row.stream_position) !== number)
        faults.push(`${row.stream_id}: version ${row.stream_position} is number ${number}`);
    }
    stored += rows.length;
    checked = BigInt(rows.at(-1).global_position);
  }
  for (const stream of new Set([...acknowledged.keys(), ...seen.keys()]))
    if (acknowledged.get(stream) !== seen.get(stream))
      faults.push(`${stream}: ${acknowledged.get(stream) ?? 0} acknowledged, ${seen.get(stream) ?? 0} stored`);
  return { stored, acknowledged: total(), faults: faults.slice(0, MOST_FAULTS) };
}

function merge({ streams }) {
  for (const [stream, count] of Object.entries(streams)) acknowledge(stream, count);
  return {};
}

const requests = {
  append,
  decide: decisions,
  catch_up: catchUp,
  project,
  live,
  live_busy: liveBusy,
  idle,
  check,
  acknowledged: () => ({ streams: Object.fromEntries(acknowledged) }),
  merge,
};
const write = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

write({});
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  try {
    write(await requests[request.do](request));
  } catch (error) {
    write({ error: error.stack });
  }
}
await store.close();
await pool.end();
process.exit(0);
