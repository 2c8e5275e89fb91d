/** The text reader beside everything else: one thread, started when first needed, that may be slow, fail or hang without anybody waiting for it. */
import { Worker } from "node:worker_threads";
import type { FieldReading } from "../stations/reading/index.js";
import type { Read, ReadingAnswer, ReadingTask } from "./reading-protocol.js";

/** From `src` and `dist` alike: a worker starts from what the compiler wrote. */
const usual = new URL("../../dist/app/reading-worker.js", import.meta.url);

/** One side takes about a second, the start of the reader another. */
const patience = 20_000;

export interface ReadingDesk {
  /** One at a time. Never throws: undefined when the reader fails or takes too long; then nothing more is read at this desk. */
  read(task: ReadingTask): Promise<Read | undefined>;
  close(): Promise<void>;
}

export function readingDesk({ ms = patience, file = usual }: { ms?: number; file?: URL } = {}): ReadingDesk {
  let worker: Worker | undefined;
  let over = false;
  let last: Promise<unknown> = Promise.resolve();
  /** Of what is being read, if anything is. */
  let failed = (): void => undefined;

  const hire = (): Worker => {
    // What the engine prints is nobody's business: it may quote what it reads.
    const own = new Worker(file, { execArgv: [], stdout: true, stderr: true });
    own.stdout.resume();
    own.stderr.resume();
    own.on("error", () => failed());
    own.on("exit", () => failed());
    return own;
  };
  const end = async (): Promise<void> => {
    over = true;
    await worker?.terminate();
    worker = undefined;
  };
  const asked = async (task: ReadingTask): Promise<Read | undefined> => {
    if (over) return undefined;
    const own = (worker ??= hire());
    let timer: NodeJS.Timeout | undefined;
    const read = await new Promise<Read | undefined>((resolve) => {
      failed = () => resolve(undefined);
      timer = setTimeout(failed, ms);
      own.once("message", (answer: ReadingAnswer) => resolve(answer.ok ? answer.read : undefined));
      own.postMessage(task);
    });
    clearTimeout(timer);
    // A worker that is still busy with it, or broken, is no use to the next.
    if (read === undefined) await end();
    return read;
  };
  return {
    read: (task) => {
      const read = last.then(() => asked(task));
      last = read;
      return read;
    },
    close: end,
  };
}

/** Of one side. Undefined when the reader failed or took too long. */
export async function readOnce(
  task: Omit<ReadingTask, "draw">,
): Promise<readonly FieldReading[] | undefined> {
  const desk = readingDesk();
  try {
    const read = await desk.read(task);
    return read !== undefined && "readings" in read ? read.readings : undefined;
  } finally {
    await desk.close();
  }
}
