// The camera's judge on seeded captures of every class of flaw: what was found, what passed, how long it took.
// `npm run bench quality` takes 60 captures a class and severity, `node --expose-gc bench/quality.bench.mjs 600` is the nightly form;
// further words name severities.
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import {
  captureOf,
  classes,
  ownFindings,
} from "../packages/line/dist/stations/quality/captures.test.data.js";
import { decodePicture, judgeFace } from "../packages/line/dist/stations/quality/index.js";

/** @typedef {import("../packages/line/dist/stations/quality/captures.test.data.js").Severity} Severity */
/** @typedef {(typeof classes)[number]} Class */
/** @typedef {{ kind: Class, severity: Severity, number: number }} Task */
/** @typedef {Task & { visible: boolean, verdict: string, whats: string[] }} Outcome */

const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

async function judged(/** @type {Awaited<ReturnType<typeof captureOf>>} */ { card, jpeg, options }) {
  const picture = await decodePicture(jpeg);
  const { face, raster } = card;
  return judgeFace({ ...picture, side: face.side, frame: 1, takenAt: 0 }, face, raster, options);
}

async function outcome(/** @type {Task} */ task) {
  const capture = await captureOf(task.kind, task.severity, task.number);
  const { verdict, findings } = await judged(capture);
  return {
    ...task,
    visible: capture.visible,
    verdict,
    whats: [...new Set(findings.map(({ what }) => what))],
  };
}

if (!isMainThread) {
  parentPort?.on("message", (/** @type {Task} */ task) => {
    void outcome(task).then((result) => parentPort?.postMessage(result));
  });
} else {
  const count = Number(process.argv[2] ?? 60);
  const asked = process.argv.slice(3);
  const severities = /** @type {const} */ (["mild", "middle", "hard"]).filter(
    (name) => asked.length === 0 || asked.includes(name),
  );
  await speed();
  for (const severity of severities) table(severity, await all(severity, count));
}

async function speed() {
  const captures = [];
  for (let i = 0; i < 6; i++) captures.push(await captureOf("good", "middle", i));
  const [clock, processor] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
  const memory = [];
  for (let i = 0; i < 120; i++) {
    const capture = captures[i % captures.length];
    if (capture === undefined) throw new Error("no capture");
    const [start, used] = [performance.now(), process.cpuUsage()];
    await judged(capture);
    if (i < 30) continue;
    clock.push(performance.now() - start);
    const { user, system } = process.cpuUsage(used);
    processor.push((user + system) / 1000);
    if (i % 30 === 0) {
      globalThis.gc?.();
      memory.push((process.memoryUsage().rss / 1e6).toFixed(0));
    }
  }
  const median = (/** @type {number[]} */ list) => list.sort((a, b) => a - b)[list.length >> 1] ?? 0;
  print(
    `  a face of 1600 × 1200 in JPEG, decoding included: ${median(clock).toFixed(0)} ms by the clock, ${median(processor).toFixed(0)} ms of a processor (medians of 90); MB in use ${memory.join(", ")}`,
  );
}

/** @returns {Promise<Outcome[]>} */
function all(/** @type {Severity} */ severity, /** @type {number} */ count) {
  const tasks = classes.flatMap((kind) =>
    Array.from({ length: count }, (_, number) => ({ kind, severity, number })),
  );
  /** @type {Outcome[]} */
  const outcomes = [];
  const lane = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker(fileURLToPath(import.meta.url));
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
  return Promise.all([lane(), lane()]).then(() => outcomes);
}

function table(/** @type {Severity} */ severity, /** @type {Outcome[]} */ outcomes) {
  print(`\n  ${severity}`);
  print("  class              captures  pass  doubtful  reject  not passed  own finding  most told");
  for (const kind of classes) {
    const shown = outcomes.filter((one) => one.kind === kind && one.visible);
    const of = (/** @type {string} */ verdict) => shown.filter((one) => one.verdict === verdict).length;
    const own = shown.filter(({ whats }) =>
      whats.some((what) => ownFindings[kind].includes(/** @type {never} */ (what))),
    );
    const told = new Map();
    for (const { whats } of shown) for (const what of whats) told.set(what, (told.get(what) ?? 0) + 1);
    const most = [...told]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 3)
      .map(([what, times]) => `${what} ${times}`);
    const share = (/** @type {number} */ part) =>
      `${((100 * part) / Math.max(1, shown.length)).toFixed(1)} %`;
    print(
      `  ${kind.padEnd(18)} ${String(shown.length).padStart(8)} ${String(of("pass")).padStart(5)} ${String(of("doubtful")).padStart(9)} ${String(of("reject")).padStart(7)}  ${share(shown.length - of("pass")).padStart(10)}  ${(kind === "good" ? "" : share(own.length)).padStart(11)}  ${most.join(", ")}`,
    );
  }
}
