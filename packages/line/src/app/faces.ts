/** Marks and judgements of faces, made in a few worker threads that are started when first needed. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { DeviceFault } from "../devices/problem.js";
import type { FacesAnswer, FacesAnswers, FacesAsk, FacesTask } from "./faces-protocol.js";

/** From `src` and `dist` alike: a worker starts from what the compiler wrote. */
const workerFile = new URL("../../dist/app/faces-worker.js", import.meta.url);

interface Waiting {
  readonly worker: Worker;
  readonly resolve: (result: unknown) => void;
  readonly reject: (problem: Error) => void;
}

export interface FacesDesk {
  do<T extends FacesTask>(task: T): Promise<FacesAnswers[T["task"]]>;
  close(): Promise<void>;
}

export function facesDesk(threads = Math.min(4, availableParallelism())): FacesDesk {
  const workers: { worker: Worker; busy: number }[] = [];
  const waiting = new Map<number, Waiting>();
  let next = 1;
  let closed = false;

  const hire = () => {
    const own = { worker: new Worker(workerFile, { execArgv: [] }), busy: 0 };
    workers.push(own);
    own.worker.on("message", (answer: FacesAnswer) => {
      own.busy--;
      const ask = waiting.get(answer.id);
      waiting.delete(answer.id);
      if (answer.ok) ask?.resolve(answer.result);
      else
        ask?.reject(
          new DeviceFault("pictures", "refused", `a picture could not be worked on: ${answer.message}`),
        );
    });
    own.worker.on("error", (error) => fail(own.worker, `a picture worker failed: ${error.message}`));
    own.worker.on("exit", () => {
      if (!closed) fail(own.worker, "a picture worker ended");
    });
    return own;
  };
  const fail = (worker: Worker, message: string): void => {
    workers.splice(0, workers.length, ...workers.filter((own) => own.worker !== worker));
    for (const [id, ask] of waiting) {
      if (ask.worker !== worker) continue;
      waiting.delete(id);
      ask.reject(new DeviceFault("pictures", "refused", message));
    }
  };
  const leastBusy = () => {
    const free = workers.toSorted((a, b) => a.busy - b.busy)[0];
    return free === undefined || (free.busy > 0 && workers.length < threads) ? hire() : free;
  };

  return {
    do: (task) =>
      new Promise((resolve, reject) => {
        const id = next++;
        const own = leastBusy();
        own.busy++;
        // What a task is answered with is the protocol's: one type a task.
        waiting.set(id, { worker: own.worker, resolve: resolve as (result: unknown) => void, reject });
        const ask: FacesAsk = { id, ...task };
        own.worker.postMessage(ask);
      }),
    close: async () => {
      closed = true;
      await Promise.all(workers.map(({ worker }) => worker.terminate()));
    },
  };
}
