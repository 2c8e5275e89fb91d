/**
 * An engraver that takes files: each mark is one file, put whole and durably into the folder its program watches, or handed to a command.
 * The mark is made when the machine says so, and only then: by a file `NAME.done` beside the job, or by the command's end. Whatever else
 * happens, nobody knows what is on the card; the file is taken away, so that it cannot be burnt on the next one. Its program may have taken it
 * before, and burn it yet: until its answer is there, or people have looked, no other card is begun (`NAME.unanswered`).
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { DeviceFault } from "../problem.js";
import { forgetUnanswered, noteUnanswered } from "../unanswered.js";
import { engraverGeometry } from "./geometry.js";
import type { MachineFile, Marker, MarkJob } from "./port.js";

export interface FileEngraverOptions {
  readonly name: string;
  /** What its program watches, or where files lie that a command is handed. One engraver a folder. */
  readonly folder: string;
  /** Of the files it takes. */
  readonly format: MachineFile["format"];
  /** Program and words, `{file}` in place of the job's path; never through a shell. Without it a `.done` file is waited for. */
  readonly command?: readonly string[];
  /** Field and resolution of the laser; the whole card at 300 dots an inch when not said. */
  readonly laser?: Parameters<typeof engraverGeometry>[0];
  /** So long a mark may take beyond its estimate. */
  readonly withinMs: number;
  /** How often the folder is looked at. */
  readonly pollMs?: number;
}

const noteName = /^(persoline-[0-9a-f]{16})\.unanswered$/;
const jobName = /^persoline-[0-9a-f]{16}\.[a-z]+$/;
/** What a machine says about a failure is shown, and may be anything. */
const said = (text: string): string =>
  text
    .replaceAll(/[^\x21-\x7e]+/g, " ")
    .trim()
    .slice(0, 200);

const code = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;

export function fileEngraver(options: FileEngraverOptions): Marker {
  const { name, folder, withinMs, pollMs = 100 } = options;
  const fault = (kind: "refused" | "timeout" | "unplugged" | "disk-full", message: string): DeviceFault =>
    new DeviceFault(name, kind, message);

  const fileOf = (job: MarkJob): MachineFile => {
    if (job.kind !== "raster") throw fault("refused", `${name} does raster, not ${job.kind}`);
    if (job.file === undefined || job.file.format !== options.format)
      throw fault(
        "refused",
        `${name} takes ${options.format} files, and this job comes with ${job.file?.format ?? "none"}`,
      );
    return job.file;
  };

  const ready = async (): Promise<void> => {
    let names: readonly string[];
    try {
      await access(folder, constants.W_OK);
      names = await readdir(folder);
    } catch (error) {
      throw fault(
        "unplugged",
        `${name} cannot write into ${folder} (${code(error) ?? "failed"}): mend the folder or its share, then run the line again`,
      );
    }
    const gone = new Set<string>();
    for (const note of names) {
      const id = noteName.exec(note)?.[1];
      if (id === undefined) continue;
      const answers = [`${id}.done`, `${id}.failed`].filter((one) => names.includes(one));
      if (answers.length === 0)
        throw fault(
          "refused",
          `${name} was handed a mark and has not answered: it may be burnt yet. Take the card out, see that the machine has nothing loaded, remove ${join(folder, note)}, then run the line again`,
        );
      // The late answer: the machine is done with that card.
      for (const one of [...answers, note]) {
        forgetUnanswered(join(folder, one));
        gone.add(one);
      }
    }
    const left = names.find((one) => jobName.test(one) && !gone.has(one));
    if (left !== undefined)
      throw fault(
        "refused",
        `an earlier job lies in ${folder}: ${left}. It must not be burnt on another card: see that the machine has nothing loaded, take the file away, then run the line again`,
      );
  };

  /** Whole or not at all, and there after a power cut. */
  const put = async (id: string, file: MachineFile, note: string): Promise<string> => {
    const made = join(folder, `.${id}.part`);
    const job = join(folder, `${id}${file.extension}`);
    try {
      noteUnanswered(note, `${name} was handed a mark, and its answer has not come`);
      const handle = await open(made, "wx", 0o640);
      try {
        await handle.writeFile(file.bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(made, job);
      const directory = await open(folder, "r");
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
      return job;
    } catch (error) {
      await rm(made, { force: true }).catch(() => undefined);
      await rm(job, { force: true }).catch(() => undefined);
      const full = code(error) === "ENOSPC";
      throw fault(
        full ? "disk-full" : "unplugged",
        `the job could not be written into ${folder} (${code(error) ?? "failed"})`,
      );
    }
  };

  const confirmed = async (id: string, within: number): Promise<void> => {
    const [done, failed] = [join(folder, `${id}.done`), join(folder, `${id}.failed`)];
    const until = performance.now() + within;
    for (;;) {
      const names = await readdir(folder).catch((error: unknown) => {
        throw fault("unplugged", `${folder} cannot be read any more (${code(error) ?? "failed"})`);
      });
      if (names.includes(`${id}.failed`)) {
        const why = said(await readFile(failed, "utf8").catch(() => ""));
        await rm(failed, { force: true });
        throw fault("refused", `the machine reports a failure${why === "" ? "" : `: ${why}`}`);
      }
      if (names.includes(`${id}.done`)) {
        await rm(done, { force: true });
        return;
      }
      if (performance.now() > until)
        throw fault("timeout", `the machine did not confirm the mark within ${(within / 1000).toFixed(0)} s`);
      await new Promise((wake) => setTimeout(wake, pollMs));
    }
  };

  return {
    name,
    kind: "real",
    does: "raster",
    geometry: engraverGeometry(options.laser ?? { dpi: 300 }),
    duration: (job) => fileOf(job).ms,
    ready,
    emptied: ready,
    async mark(job) {
      const file = fileOf(job);
      await ready();
      const id = `persoline-${randomBytes(8).toString("hex")}`;
      const note = join(folder, `${id}.unanswered`);
      let answered = true;
      try {
        const path = await put(id, file, note);
        answered = false;
        try {
          if (options.command === undefined) await confirmed(id, file.ms + withinMs);
          else await handed(options.command, path, file.ms + withinMs, fault);
          answered = true;
        } catch (thrown) {
          // A command that ended or could not be started has no more to say.
          const ends = options.command === undefined ? ["refused"] : ["refused", "unplugged"];
          answered = thrown instanceof DeviceFault && ends.includes(thrown.code);
          throw thrown;
        } finally {
          // It names a person, and must never be burnt a second time.
          await rm(path, { force: true });
        }
      } finally {
        if (answered) forgetUnanswered(note);
      }
    },
  };
}

/** Resolves when the command ends with 0. */
function handed(
  command: readonly string[],
  path: string,
  within: number,
  fault: (kind: "refused" | "timeout" | "unplugged", message: string) => DeviceFault,
): Promise<void> {
  const [program = "", ...words] = command.map((word) => word.replaceAll("{file}", path));
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"] });
    let told = "";
    child.stderr.on("data", (data: Buffer) => {
      if (told.length < 1000) told += data.toString("latin1");
    });
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(fault("timeout", `${program} did not end within ${(within / 1000).toFixed(0)} s`));
    }, within);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(fault("unplugged", `${program} cannot be started (${code(error) ?? "failed"})`));
    });
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      if (status === 0) resolve();
      else
        reject(
          fault(
            "refused",
            `${program} ended with ${String(status ?? signal)}${told === "" ? "" : `: ${said(told)}`}`,
          ),
        );
    });
  });
}
