/**
 * A real encoder behind a program of its maker's or the site's: each question is one JSON object, each answer another. The program is
 * started for each question (contents on its standard input, never among its arguments, where everybody sees them), or it watches a
 * folder. docs/visual-stations.md gives the questions and answers.
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hex } from "@persoline/card/bytes";
import { z } from "zod";
import { namesIn } from "../exchange-folder.js";
import { DeviceFault } from "../problem.js";
import { charactersOf, trackForms } from "./bits.js";
import type { Encoder, StripeJob, StripeProblem, TrackText } from "./port.js";

export type EncoderProgram =
  /** Program and its arguments, started without a shell. */
  | { readonly command: readonly [string, ...string[]] }
  /** Questions are put here as NUMBER.question; the program answers with NUMBER.answer, written whole (renamed). */
  | { readonly folder: string };

export interface ProgramEncoderOptions {
  readonly name: string;
  readonly program: EncoderProgram;
  /** So long an answer may take; then the outcome is unknown. */
  readonly timeoutMs: number;
}

const track = z.union([z.literal(1), z.literal(2), z.literal(3)]);
const fault = z.enum([
  "blank",
  "not-blank",
  "weak",
  "over-driven",
  "no-start",
  "parity",
  "no-end",
  "lrc",
  "different",
]);
const answerOf = {
  ready: z.strictObject({ ready: z.literal(true) }),
  encode: z.strictObject({ done: z.literal(true) }),
  read: z.strictObject({
    tracks: z.array(
      z.union([z.strictObject({ track, text: z.string().max(110) }), z.strictObject({ track, fault })]),
    ),
  }),
  confirm: z.strictObject({ agrees: z.boolean() }),
  verify: z.strictObject({ problems: z.array(z.strictObject({ track, fault })) }),
} as const;
const refusal = z.strictObject({ refused: z.string().max(200) });
type Question = keyof typeof answerOf;

const longestAnswer = 65_536;

export function programEncoder(options: ProgramEncoderOptions): Encoder {
  const { name, program } = options;
  const folder = "folder" in program ? program.folder : undefined;
  const ask = asked(options);
  const answer = async <Q extends Question>(
    question: Q,
    more: object,
  ): Promise<z.output<(typeof answerOf)[Q]>> => {
    const text = await ask(JSON.stringify({ ask: question, ...more }));
    let said: unknown;
    try {
      said = JSON.parse(text);
    } catch {
      throw new DeviceFault(name, "refused", `${name} answered no JSON`);
    }
    const refused = refusal.safeParse(said);
    if (refused.success) throw new DeviceFault(name, "refused", `${name} refused: ${refused.data.refused}`);
    const read = answerOf[question].safeParse(said);
    if (!read.success)
      throw new DeviceFault(name, "refused", `${name} answered something else than "${question}" asks for`);
    return read.data as z.output<(typeof answerOf)[Q]>;
  };
  return {
    name,
    kind: "real",
    duration: () => 1_500,
    async ready() {
      await answer("ready", {});
    },
    ...(folder === undefined
      ? {}
      : {
          emptied: () =>
            new Promise<void>((resolve) => {
              look(name, folder);
              resolve();
            }),
        }),
    async encode(job) {
      if (job.content.kind === "clear") {
        // Refused here, before a card moves past a head.
        try {
          for (const one of job.content.tracks) charactersOf(one.track, one.text);
        } catch (thrown) {
          if (thrown instanceof RangeError)
            throw new DeviceFault(name, "refused", `${name}: ${thrown.message}`);
          throw thrown;
        }
      }
      await answer("encode", asking(job));
    },
    async verify(job) {
      // What is sealed is compared inside the machine.
      if (job.content.kind === "sealed") return (await answer("verify", asking(job))).problems;
      return compared((await answer("read", asking(job))).tracks, job.content.tracks);
    },
    async confirms(job, { salt, digest }) {
      const { agrees } = await answer("confirm", {
        ...asking(job),
        salt: hex(salt),
        digest: hex(digest),
      });
      return agrees;
    },
    async read(job) {
      if (job.content.kind === "sealed") return undefined;
      const { tracks } = await answer("read", asking(job));
      return tracks.flatMap((one) => ("text" in one ? [one] : []));
    },
  };
}

type ReadTrack = z.output<typeof answerOf.read>["tracks"][number];

function compared(read: readonly ReadTrack[], asked: readonly TrackText[]): StripeProblem[] {
  return ([1, 2, 3] as const).flatMap((number): StripeProblem[] => {
    const want = asked.find((one) => one.track === number)?.text;
    const found = read.find((one) => one.track === number);
    if (want === undefined)
      return found === undefined || ("fault" in found && found.fault === "blank")
        ? []
        : [{ track: number, fault: "not-blank" }];
    if (found === undefined) return [{ track: number, fault: "blank" }];
    if ("fault" in found) return [{ track: number, fault: found.fault }];
    return found.text === want ? [] : [{ track: number, fault: "different" }];
  });
}

const asking = ({ coercivity, content }: StripeJob): object => ({
  coercivity,
  ...(content.kind === "sealed"
    ? { sealed: { order: content.order, record: content.record, content: content.content } }
    : { tracks: content.tracks.map((one) => ({ ...one, bitsPerInch: trackForms[one.track].bitsPerInch })) }),
});

function asked(options: ProgramEncoderOptions): (question: string) => Promise<string> {
  const { program } = options;
  if ("folder" in program) return watching(options, program.folder);
  const { command } = program;
  return (question) => started(options, command, question);
}

function started(
  { name, timeoutMs }: ProgramEncoderOptions,
  [command, ...words]: readonly [string, ...string[]],
  question: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { stdio: ["pipe", "pipe", "ignore"], shell: false });
    let text = "";
    const late = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new DeviceFault(name, "timeout", `${name} gave no answer in ${String(timeoutMs)} ms`));
    }, timeoutMs);
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      if (text.length > longestAnswer) child.kill("SIGKILL");
    });
    child.on("error", ({ message }) => {
      clearTimeout(late);
      reject(new DeviceFault(name, "unplugged", `${name} cannot be started: ${message}`));
    });
    child.on("close", (code) => {
      clearTimeout(late);
      if (code === 0) resolve(text);
      else reject(new DeviceFault(name, "refused", `${name} ended with ${String(code ?? "a signal")}`));
    });
    // A program that ended without reading says so by its exit code.
    child.stdin.on("error", () => undefined).end(question);
  });
}

const ownAnswer = /^\d{15}\.answer$/;

/** What lies there of earlier cards: no question may, and no answer stays. */
function look(name: string, folder: string): void {
  const names = namesIn(name, folder);
  const left = names.find((one) => one.endsWith(".question"));
  if (left !== undefined)
    throw new DeviceFault(
      name,
      "refused",
      `${name}: an earlier question lies in ${folder}: ${left}. It must not be written onto another card: see that the encoder's program is idle, take the file away, then run the line again`,
    );
  // Answers that nobody waits for any more show a person's tracks.
  for (const one of names.filter((each) => ownAnswer.test(each))) rmSync(join(folder, one), { force: true });
}

/** Numbers are drawn, so that no answer to an earlier question is one to a later. */
function watching(
  { name, timeoutMs }: ProgramEncoderOptions,
  folder: string,
): (question: string) => Promise<string> {
  return async (question) => {
    look(name, folder);
    const base = join(folder, String(randomInt(2 ** 48 - 1)).padStart(15, "0"));
    try {
      writeFileSync(`${base}.new`, question, { mode: 0o600 });
      renameSync(`${base}.new`, `${base}.question`);
      for (const until = performance.now() + timeoutMs; !existsSync(`${base}.answer`); await sleep(20))
        if (performance.now() > until)
          throw new DeviceFault(name, "timeout", `${name} gave no answer in ${String(timeoutMs)} ms`);
      return readFileSync(`${base}.answer`, "utf8").slice(0, longestAnswer);
    } finally {
      // Contents are the person's: nothing stays.
      for (const end of ["new", "question", "answer"]) rmSync(`${base}.${end}`, { force: true });
    }
  };
}
