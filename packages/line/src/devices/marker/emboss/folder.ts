/** Records handed over as files: for embossers behind a program of their own that watches a folder. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DeviceFault } from "../../problem.js";
import { longestAnswer, type Wire } from "./wire.js";

/** NUMBER.card is put into the folder whole; the machine's program answers with NUMBER.answer. Neither stays: they are a person's. */
export function folderWire(device: string, folder: string): Wire {
  let number = 0;
  return {
    async exchange(bytes, heard, timeoutMs) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      let base: string;
      // A number is used once, also by later runs: an old answer is none of a new card.
      do base = join(folder, String(++number).padStart(6, "0"));
      while (["card", "answer", "done"].some((end) => existsSync(`${base}.${end}`)));
      writeFileSync(`${base}.done`, "");
      writeFileSync(`${base}.part`, bytes, { mode: 0o600 });
      renameSync(`${base}.part`, `${base}.card`);
      try {
        for (const until = performance.now() + timeoutMs; performance.now() < until; ) {
          if (existsSync(`${base}.answer`)) {
            if (statSync(`${base}.answer`).size > longestAnswer)
              throw new DeviceFault(device, "refused", `${device} answered more than an embosser says`);
            const known = heard(readFileSync(`${base}.answer`));
            if (known !== undefined) return known;
          }
          await sleep(20);
        }
        throw new DeviceFault(device, "timeout", `${device} gave no answer in ${String(timeoutMs)} ms`);
      } finally {
        for (const end of ["card", "answer"]) rmSync(`${base}.${end}`, { force: true });
      }
    },
    ready: () => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      return Promise.resolve();
    },
    close: () => undefined,
  };
}
