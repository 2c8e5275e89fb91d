import { createHmac } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { DeviceFault } from "../problem.js";
import { readStripe, stripeUnderWay } from "../shop-floor/stripe.js";
import type { StripeFlaw } from "./flaws.js";
import type { Encoder, StripeJob } from "./port.js";
import { programEncoder } from "./program.js";
import { simulatedEncoder, type SimulatedEncoderOptions } from "./simulated.js";

const root = mkdtempSync(join(tmpdir(), "persoline-encoder-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

const job: StripeJob = {
  coercivity: "high",
  content: {
    kind: "clear",
    tracks: [
      { track: 1, text: "B4111111111111111^DOE/JOHN^30121010000000000" },
      { track: 2, text: "4111111111111111=30121010000000000" },
    ],
  },
};
const sealed: StripeJob = {
  coercivity: "high",
  content: { kind: "sealed", order: "O-1", record: 7, content: "sealed words" },
};

let made = 0;
const folder = (): string => join(root, `body-${String(++made)}`);
const place = { at: "head", station: "visual", head: 0 } as const;
const idle = { sleep: () => Promise.resolve() };

function simulated(more: Partial<SimulatedEncoderOptions> = {}, body = folder()): Encoder {
  return simulatedEncoder({ name: "encoder", place, bodyAt: () => body, world: idle, ...more });
}

/** A maker's program as a site would write it: it keeps the card in a file, and its exit code says whether it is at work at all. */
const program = `
const fs = require("fs");
const card = process.argv[1];
const q = JSON.parse(fs.readFileSync(0, "utf8"));
const say = (x) => process.stdout.write(JSON.stringify(x));
const written = fs.existsSync(card) ? JSON.parse(fs.readFileSync(card, "utf8")) : undefined;
const key = (x) => JSON.stringify(x.sealed ?? x.tracks);
if (q.ask === "ready") say({ ready: true });
else if (q.ask === "encode") { fs.writeFileSync(card, JSON.stringify(q)); say({ done: true }); }
else if (q.ask === "confirm") {
  const number = written.tracks.find(({ track }) => track === 2).text.split("=")[0];
  const own = require("crypto").createHmac("sha256", Buffer.from(q.salt, "hex")).update(number).digest("hex");
  say({ agrees: own === q.digest.toLowerCase() });
} else if (q.ask === "read") say({ tracks: (written?.tracks ?? []).map(({ track, text }) => ({ track, text })) });
else say({ problems: written !== undefined && key(written) === key(q) ? [] : [{ track: 2, fault: "different" }] });
`;
const byCommand = (): Encoder =>
  programEncoder({
    name: "encoder",
    program: { command: [process.execPath, "-e", program, folder()] },
    timeoutMs: 20_000,
  });

/** The same, watching a folder. */
function byFolder(): Encoder {
  const watched = folder();
  mkdirSync(watched);
  let card: { readonly tracks?: unknown[]; readonly sealed?: unknown } | undefined;
  const timer = setInterval(() => {
    for (const name of readdirSync(watched).filter((one) => one.endsWith(".question"))) {
      const base = join(watched, name.replace(".question", ""));
      const { ask, ...q } = JSON.parse(readFileSync(join(watched, name), "utf8")) as {
        readonly ask: string;
        readonly tracks?: { readonly track: number; readonly text: string }[];
        readonly sealed?: unknown;
        readonly salt?: string;
        readonly digest?: string;
      };
      let answer: object;
      if (ask === "ready") answer = { ready: true };
      else if (ask === "encode") {
        card = { ...q };
        answer = { done: true };
      } else if (ask === "read")
        answer = {
          tracks: (card?.tracks as typeof q.tracks)?.map(({ track, text }) => ({ track, text })) ?? [],
        };
      else if (ask === "confirm") {
        const number =
          (card?.tracks as typeof q.tracks)?.find(({ track }) => track === 2)?.text.split("=")[0] ?? "";
        const own = createHmac("sha256", Buffer.from(q.salt ?? "", "hex"))
          .update(number)
          .digest("hex");
        answer = { agrees: own === q.digest?.toLowerCase() };
      } else
        answer = {
          problems:
            JSON.stringify(card?.sealed) === JSON.stringify(q.sealed)
              ? []
              : [{ track: 2, fault: "different" }],
        };
      rmSync(join(watched, name));
      writeFileSync(`${base}.part`, JSON.stringify(answer));
      renameSync(`${base}.part`, `${base}.answer`);
    }
  }, 5);
  stops.push(() => {
    clearInterval(timer);
    // What is answered leaves nothing.
    expect(readdirSync(watched)).toEqual([]);
  });
  return programEncoder({ name: "encoder", program: { folder: watched }, timeoutMs: 5_000 });
}

const openSealed: NonNullable<SimulatedEncoderOptions["open"]> = ({ order, record, content }) => {
  if (order !== "O-1" || record !== 7 || content !== "sealed words") throw new Error("another record's");
  return job.content.kind === "clear" ? job.content.tracks : [];
};

/** Every implementation of the port. */
const encoders: Record<string, () => Encoder> = {
  simulated: () => simulated({ open: openSealed }),
  "a program": byCommand,
  "a watched folder": byFolder,
};

describe.each(Object.entries(encoders))("%s", (_, make) => {
  test("writes, and reads back what it wrote", async () => {
    const encoder = make();
    await encoder.ready();
    await encoder.encode(job);
    expect(await encoder.verify(job)).toEqual([]);
    expect(await encoder.read(job)).toEqual(job.content.kind === "clear" ? job.content.tracks : []);
  });
  test("another card's contents are seen, and tracks that should be empty or written", async () => {
    const encoder = make();
    await encoder.encode(job);
    const other = (tracks: readonly { track: 1 | 2 | 3; text: string }[]): StripeJob => ({
      ...job,
      content: { kind: "clear", tracks },
    });
    const [one, two] = job.content.kind === "clear" ? job.content.tracks : [];
    if (one === undefined || two === undefined) throw new Error("two tracks");
    expect(await encoder.verify(other([one, { track: 2, text: "4111111111111129=3012" }]))).toEqual([
      { track: 2, fault: "different" },
    ]);
    expect(await encoder.verify(other([one]))).toEqual([{ track: 2, fault: "not-blank" }]);
    expect(await encoder.verify(other([one, two, { track: 3, text: "1" }]))).toEqual([
      { track: 3, fault: "blank" },
    ]);
  });
  test("a sealed content is written and compared inside, and never shown", async () => {
    const encoder = make();
    await encoder.encode(sealed);
    expect(await encoder.verify(sealed)).toEqual([]);
    expect(await encoder.read(sealed)).toBeUndefined();
  });
  test("tells whether the stripe bears a number by its digest alone", async () => {
    const encoder = make();
    await encoder.encode(job);
    const of = (digits: string) => {
      const salt = Uint8Array.of(1, 2, 3);
      return { salt, digest: new Uint8Array(createHmac("sha256", salt).update(digits).digest()) };
    };
    expect(await encoder.confirms(job, of("4111111111111111"))).toBe(true);
    expect(await encoder.confirms(job, of("4111111111111129"))).toBe(false);
  });
  test("a character without a code is refused before anything is written", async () => {
    const encoder = make();
    const wrong: StripeJob = { ...job, content: { kind: "clear", tracks: [{ track: 2, text: "12A4" }] } };
    await expect(encoder.encode(wrong)).rejects.toBeInstanceOf(DeviceFault);
    expect(await encoder.read(job)).toEqual([]);
  });
});

describe("the simulated stripe", () => {
  const flawed = async (flaw: StripeFlaw["kind"], coercivity: "low" | "high" = "high") => {
    const encoder = simulated({ flaws: [{ kind: flaw, nth: 1 }] });
    await encoder.encode({ ...job, coercivity });
    return (await encoder.verify({ ...job, coercivity })).map(
      ({ track, fault }) => `${String(track)} ${fault}`,
    );
  };
  test("each fault is told for what it is, on every track it is on", async () => {
    expect(await flawed("weak-stripe")).toEqual(["1 weak", "2 weak"]);
    expect(await flawed("wrong-coercivity", "low")).toEqual(["1 weak", "2 weak"]);
    expect(await flawed("wrong-coercivity", "high")).toEqual(["1 over-driven", "2 over-driven"]);
    expect(await flawed("stripe-parity")).toEqual(["1 parity", "2 parity"]);
    expect(await flawed("stripe-lrc")).toEqual(["1 lrc", "2 lrc"]);
  });
  test("a flaw of the body itself, and of no other", async () => {
    const body = folder();
    mkdirSync(body);
    writeFileSync(
      join(body, "faults.json"),
      JSON.stringify({ chip: [], faces: ["missing-line front", "weak-stripe"] }),
    );
    const encoder = simulated({}, body);
    await encoder.encode(job);
    expect(await encoder.verify(job)).toHaveLength(2);
  });
  test("writing again lies over what was there, material apart", async () => {
    const body = folder();
    const encoder = simulated({}, body);
    await encoder.encode(job);
    await encoder.encode({ ...job, content: { kind: "clear", tracks: [{ track: 3, text: "99" }] } });
    expect(Object.keys(readStripe(body)?.tracks ?? {})).toEqual(["3"]);
    await encoder.encode({ ...job, coercivity: "low" });
    expect(await encoder.verify(job)).toContainEqual({ track: 1, fault: "weak" });
  });
  test("writing cut off leaves the first track, and says so", async () => {
    const body = folder();
    let so = 0;
    const world = { sleep: () => (++so === 1 ? Promise.reject(new Error("power cut")) : Promise.resolve()) };
    await expect(simulated({ world }, body).encode(job)).rejects.toThrow("power cut");
    expect(stripeUnderWay(body)).toBe(true);
    expect(await simulated({}, body).verify(job)).toEqual([{ track: 2, fault: "blank" }]);
  });
  test("an altered seal, another record's, or no key are the machine's fault, in the same words", async () => {
    const asked = { ...sealed, content: { ...sealed.content, record: 8 } } as StripeJob;
    await expect(simulated({ open: openSealed }).encode(asked)).rejects.toThrow(
      /cannot open the sealed stripe/,
    );
    await expect(simulated().encode(sealed)).rejects.toThrow(/no key/);
  });
  test("an empty head is a fault, and the device says that it is simulated", async () => {
    const encoder = simulated({ bodyAt: () => undefined });
    await expect(encoder.encode(job)).rejects.toMatchObject({ code: "refused" });
    expect(encoder.kind).toBe("simulated");
    expect(encoder.duration(job)).toBeGreaterThan(100);
  });
});

describe("a program that does not do its part", () => {
  const says = (text: string, timeoutMs = 10_000): Encoder =>
    programEncoder({
      name: "encoder",
      program: { command: [process.execPath, "-e", text] },
      timeoutMs,
    });
  test.each([
    ["ends with an error", "process.exit(3)", "ended with 3"],
    ["answers nothing", "", "no JSON"],
    ["answers something else", "console.log('{\"problems\":[]}')", "something else"],
    ["refuses", 'console.log(\'{"refused":"no card"}\')', "no card"],
    ["answers without end", "for(;;) process.stdout.write('x'.repeat(65536))", "ended with"],
  ])("%s", async (_, text, said) => {
    await expect(says(text).encode(job)).rejects.toThrow(said);
  });
  test("is waited for no longer than said", async () => {
    await expect(says("setTimeout(() => 0, 60000)", 300).encode(job)).rejects.toMatchObject({
      code: "timeout",
    });
  });
  test("is not there", async () => {
    const gone = programEncoder({
      name: "encoder",
      program: { command: ["/no/such/encoder"] },
      timeoutMs: 1_000,
    });
    await expect(gone.encode(job)).rejects.toMatchObject({ code: "unplugged" });
    await expect(gone.ready()).rejects.toThrow("cannot be started: spawn /no/such/encoder ENOENT");
    const inPath = (command: string) =>
      programEncoder({ name: "encoder", program: { command: [command] }, timeoutMs: 1_000 });
    await expect(inPath("no-such-encoder").ready()).rejects.toThrow("cannot be started");
    // A folder is none, and a file that nobody may start.
    await expect(inPath(root).ready()).rejects.toThrow("cannot be started");
    const file = join(folder(), "..", "plain");
    writeFileSync(file, "", { mode: 0o644 });
    await expect(inPath(file).ready()).rejects.toThrow("cannot be started");
    // This one is, and does not know the question.
    await expect(inPath("true").ready()).rejects.toThrow("no JSON");
  });
  test.each([
    ["refuses", 'console.log(\'{"refused":"unplugged"}\')', "unplugged"],
    ["ends with an error, as an interpreter without its script does", "process.exit(2)", "ended with 2"],
  ])("is asked before a card whether it is ready: %s", async (_, text, said) => {
    await expect(says(text).ready()).rejects.toThrow(said);
  });
  test("which watches a folder, and is not at work, is told before a card", async () => {
    const watched = folder();
    const encoder = programEncoder({ name: "encoder", program: { folder: watched }, timeoutMs: 60 });
    await expect(encoder.ready()).rejects.toMatchObject({ code: "timeout" });
    expect(readdirSync(watched)).toEqual([]);
    const file = join(watched, "file");
    writeFileSync(file, "");
    await expect(
      programEncoder({ name: "encoder", program: { folder: file }, timeoutMs: 60 }).ready(),
    ).rejects.toMatchObject({ code: "unplugged" });
  });
  test("a killed run's question stops the machine, and a late answer is nobody's and goes away", async () => {
    const watched = folder();
    mkdirSync(watched);
    writeFileSync(join(watched, "000000000000001.question"), "{}");
    writeFileSync(join(watched, "000000000000002.answer"), '{"done":true}');
    const encoder = programEncoder({ name: "encoder", program: { folder: watched }, timeoutMs: 60 });
    await expect(encoder.ready()).rejects.toThrow("000000000000001.question");
    await expect(encoder.encode(job)).rejects.toMatchObject({ code: "refused" });
    rmSync(join(watched, "000000000000001.question"));
    await expect(encoder.encode(job)).rejects.toMatchObject({ code: "timeout" });
    expect(readdirSync(watched)).toEqual([]);
  });
  test("leaves no contents in its folder", async () => {
    const watched = folder();
    const encoder = programEncoder({ name: "encoder", program: { folder: watched }, timeoutMs: 100 });
    await expect(encoder.encode(job)).rejects.toMatchObject({ code: "timeout" });
    expect(readdirSync(watched)).toEqual([]);
  });
});
