// The camera's judge on seeded captures of every class of flaw: what was found, what passed, how long it took.
//   npm run bench quality                                   60 captures a class and severity, and the time, two workers, memory
//   node --expose-gc bench/quality.bench.mjs 600            the nightly form
//   node --expose-gc bench/quality.bench.mjs 600 middle --from 60 --seeds training --only accuracy
//   node bench/quality.bench.mjs 60 hard --only accuracy --classes good,wrong-photo --workers 1
// --only: accuracy, speed, or of the latter face (the time of one), workers (one and two) and memory (over 2,000 faces).
// Limits are set on training seeds alone; figures are counted on test seeds (--from: at a place no count has begun before).
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import sharp from "sharp";
import {
  captureOf,
  classes,
  ownFindings,
} from "../packages/line/dist/stations/quality/captures.test.data.js";
import { decodePicture, judgeFace } from "../packages/line/dist/stations/quality/index.js";

/** @typedef {import("../packages/line/dist/stations/quality/captures.test.data.js").Severity} Severity */
/** @typedef {import("../packages/line/dist/stations/quality/captures.test.data.js").Space} Space */
/** @typedef {import("../packages/line/dist/stations/quality/captures.test.data.js").Capture} Capture */
/** @typedef {(typeof classes)[number]} Class */
/** @typedef {{ kind: Class, severity: Severity, number: number, space: Space }} Task */
/** @typedef {Task & { visible: boolean, verdict: string, whats: string[] }} Outcome */

const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

// As in the line's picture workers: one picture at a time in each.
sharp.concurrency(1);

async function judged(/** @type {Capture} */ { card, jpeg, options }) {
  const picture = await decodePicture(jpeg);
  const { face, raster } = card;
  return judgeFace({ ...picture, side: face.side, frame: 1, takenAt: 0 }, face, raster, options);
}

async function outcome(/** @type {Task} */ task) {
  const capture = await captureOf(task.kind, task.severity, task.number, task.space);
  const { verdict, findings } = await judged(capture);
  return {
    ...task,
    visible: capture.visible,
    verdict,
    whats: [...new Set(findings.map(({ what }) => what))],
  };
}

/** One capture of each face, and good at that; grounds are the line's own from card to card. */
async function goodOnes() {
  const captures = [];
  for (let i = 0; i < 6; i++) captures.push(await captureOf("good", "middle", i));
  return captures;
}

const median = (/** @type {number[]} */ list) => list.toSorted((a, b) => a - b)[list.length >> 1] ?? 0;

const memory = () => {
  globalThis.gc?.();
  return process.memoryUsage().rss / 1e6;
};

/** Good cards: nothing is to be found on them. */
const good = (/** @type {Class} */ kind) => ownFindings[kind].length === 0;

async function speed() {
  const captures = await goodOnes();
  const [clock, processor] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
  for (let i = 0; i < 180; i++) {
    const capture = captures[i % captures.length];
    if (capture === undefined) throw new Error("no capture");
    const [start, used] = [performance.now(), process.cpuUsage()];
    await judged(capture);
    if (i < 60) continue;
    clock.push(performance.now() - start);
    const { user, system } = process.cpuUsage(used);
    processor.push((user + system) / 1000);
  }
  print(
    `  a face of 1600 × 1200 in JPEG, decoding included: ${median(clock).toFixed(0)} ms by the clock, ${median(processor).toFixed(0)} ms of a processor (medians of 120 after 60)`,
  );
}

/** Rounds of one worker and of two take turns, so that other work on the machine hits both alike. */
async function twoWorkers() {
  const faces = 60;
  const workers = [0, 1].map(() => new Worker(fileURLToPath(import.meta.url), { workerData: "speed" }));
  const answer = async (/** @type {Worker} */ worker) => {
    // An "error" rejects this as well.
    await once(worker, "message");
  };
  const run = async (/** @type {Worker[]} */ busy) => {
    const [start, used] = [performance.now(), process.cpuUsage()];
    const done = busy.map(answer);
    for (const worker of busy) worker.postMessage(faces);
    await Promise.all(done);
    const { user, system } = process.cpuUsage(used);
    const judged = faces * busy.length;
    return {
      perSecond: (1000 * judged) / (performance.now() - start),
      used: (user + system) / 1000 / judged,
    };
  };
  await Promise.all(workers.map(answer));
  await run(workers);
  /** @type {{ one: Awaited<ReturnType<typeof run>>, two: Awaited<ReturnType<typeof run>> }[]} */
  const rounds = [];
  for (let i = 0; i < 7; i++) rounds.push({ one: await run(workers.slice(0, 1)), two: await run(workers) });
  await Promise.all(workers.map((worker) => worker.terminate()));
  const of = (/** @type {(round: (typeof rounds)[number]) => number} */ what) => median(rounds.map(what));
  print(
    `  one worker ${of(({ one }) => one.perSecond).toFixed(1)} faces a second, two ${of(({ two }) => two.perSecond).toFixed(1)}: ${of(({ one, two }) => two.perSecond / one.perSecond).toFixed(2)} times (median of 7 rounds); ` +
      `a face costs ${of(({ one }) => one.used).toFixed(0)} ms of a processor with one, ${of(({ two }) => two.used).toFixed(0)} ms with two: ${of(({ one, two }) => (2 * one.used) / two.used).toFixed(2)} times when both have a processor of their own`,
  );
}

async function longRun() {
  const captures = await goodOnes();
  const measured = [];
  for (let i = 1; i <= 2000; i++) {
    const capture = captures[i % captures.length];
    if (capture !== undefined) await judged(capture);
    if (i % 200 === 0) measured.push(memory());
  }
  const middle = median(measured);
  const off = Math.max(...measured.map((one) => Math.abs(one / middle - 1)));
  print(
    `  memory over 2,000 faces, every 200: ${measured.map((one) => one.toFixed(0)).join(", ")} MB: within ${(100 * off).toFixed(0)} % of their median`,
  );
}

/** @typedef {{ kinds: readonly Class[], space: Space, count: number, from: number, workers: number }} Asked */

/** @returns {Promise<Outcome[]>} */
function all(/** @type {Severity} */ severity, /** @type {Asked} */ { kinds, space, count, from, workers }) {
  const tasks = Array.from({ length: count }, (_, i) => from + i).flatMap((number) =>
    kinds.map((kind) => ({ kind, severity, number, space })),
  );
  /** @type {Outcome[]} */
  const outcomes = [];
  const lane = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: "accuracy" });
      const next = () => {
        const task = tasks.shift();
        if (task === undefined) void worker.terminate().then(resolve);
        else worker.postMessage(task);
      };
      worker.on("message", (/** @type {Outcome} */ result) => {
        outcomes.push(result);
        next();
      });
      worker.on("error", reject);
      next();
    });
  return Promise.all(Array.from({ length: workers }, lane)).then(() => outcomes);
}

const hasOwn = (/** @type {Outcome} */ { kind, whats }) =>
  whats.some((what) => ownFindings[kind].includes(/** @type {never} */ (what)));

function table(
  /** @type {Severity} */ severity,
  /** @type {Asked} */ { kinds, space },
  /** @type {Outcome[]} */ outcomes,
) {
  const numbers = outcomes.map(({ number }) => number);
  print(`\n  ${severity}, ${space} seeds ${String(Math.min(...numbers))} to ${String(Math.max(...numbers))}`);
  print("  class                   captures  pass  doubtful  reject  not passed  own finding  most told");
  for (const kind of kinds) {
    const shown = outcomes.filter((one) => one.kind === kind && one.visible);
    const of = (/** @type {string} */ verdict) => shown.filter((one) => one.verdict === verdict).length;
    const own = shown.filter(hasOwn);
    const told = new Map();
    for (const { whats } of shown) for (const what of whats) told.set(what, (told.get(what) ?? 0) + 1);
    const most = [...told]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 3)
      .map(([what, times]) => `${what} ${times}`);
    const share = (/** @type {number} */ part) =>
      `${((100 * part) / Math.max(1, shown.length)).toFixed(1)} %`;
    print(
      `  ${kind.padEnd(23)} ${String(shown.length).padStart(8)} ${String(of("pass")).padStart(5)} ${String(of("doubtful")).padStart(9)} ${String(of("reject")).padStart(7)}  ${share(shown.length - of("pass")).padStart(10)}  ${(good(kind) ? "" : share(own.length)).padStart(11)}  ${most.join(", ")}`,
    );
  }
  const missed = outcomes.filter((one) => one.visible && !good(one.kind) && one.verdict === "pass");
  const alarms = outcomes.filter((one) => good(one.kind) && one.verdict !== "pass");
  const otherwise = outcomes.filter(
    (one) => one.visible && !good(one.kind) && one.verdict !== "pass" && !hasOwn(one),
  );
  for (const [what, which] of /** @type {const} */ ([
    ["passed though flawed", missed],
    ["told as something else", otherwise],
    ["good but not passed", alarms],
  ]))
    if (which.length > 0)
      print(
        `  ${what}: ${which.map(({ kind, number, whats }) => `${kind} ${String(number)}${whats.length > 0 ? ` (${whats.join(", ")})` : ""}`).join("; ")}`,
      );
}

// At the end: by now everything above is defined.
if (!isMainThread && workerData === "accuracy") {
  parentPort?.on("message", (/** @type {Task} */ task) => {
    void outcome(task).then((result) => parentPort?.postMessage(result));
  });
} else if (!isMainThread) {
  const captures = await goodOnes();
  const judgeSo = async (/** @type {number} */ faces) => {
    for (let i = 0; i < faces; i++) {
      const capture = captures[i % captures.length];
      if (capture !== undefined) await judged(capture);
    }
    parentPort?.postMessage(faces);
  };
  parentPort?.on("message", (/** @type {number} */ faces) => void judgeSo(faces));
  parentPort?.postMessage("ready");
} else {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: "string", default: "test" },
      from: { type: "string", default: "0" },
      only: { type: "string", multiple: true, default: ["accuracy", "speed"] },
      classes: { type: "string", default: classes.join() },
      workers: { type: "string", default: "2" },
    },
  });
  const [first = "60", ...severities] = positionals;
  const whole = (/** @type {string} */ text, /** @type {string} */ what, least = 1) => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= least) return number;
    throw new Error(`${what} is a whole number from ${String(least)} on, not "${text}"`);
  };
  /** @type {<T extends string>(asked: readonly string[], known: readonly T[]) => readonly T[]} */
  const known = (asked, known) => {
    const strange = asked.filter((one) => !known.some((name) => name === one));
    if (strange.length > 0) throw new Error(`no ${strange.join(", ")}: there are ${known.join(", ")}`);
    return known.filter((name) => asked.includes(name));
  };
  const parts = /** @type {const} */ (["accuracy", "speed", "face", "workers", "memory"]);
  const everySeverity = /** @type {const} */ (["mild", "middle", "hard"]);
  const asked = {
    only: known(values.only, parts),
    severities: known(severities.length === 0 ? everySeverity : severities, everySeverity),
    kinds: known(values.classes.split(","), classes),
    space: known([values.seeds], /** @type {const} */ (["training", "test"]))[0] ?? "test",
    count: whole(first, "the number of captures"),
    from: whole(values.from, "--from", 0),
    workers: whole(values.workers, "--workers"),
  };
  const does = (/** @type {(typeof parts)[number]} */ part) =>
    asked.only.includes(part) || (part !== "accuracy" && asked.only.includes("speed"));
  if (does("face")) await speed();
  if (does("workers")) await twoWorkers();
  if (does("memory")) await longRun();
  if (does("accuracy"))
    for (const severity of asked.severities) table(severity, asked, await all(severity, asked));
}
