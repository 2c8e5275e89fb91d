/**
 * The security module fails in the middle of an order: the token is taken away, the random generator gets stuck, its process is killed at one
 * moment or another of a card's session. The cards lie in this process, which sees every command they get: the line stops, nobody is rejected, no
 * card was asked anything that costs a try, and the same command finishes the order with the card that was in work.
 *
 * Dear, for every fault costs the line's program an end and a start, with each provider.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unhex } from "@persoline/card/bytes";
import { afterAll, beforeAll, expect, test } from "vitest";
import { softToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { type Ended, program } from "./command.test.data.js";
import { deskAt, DeskCards, freePort, type Heard, receiveBlanks } from "./desk-cards.test.data.js";
import type { Produced } from "./end-run.js";
import { descendants, isModule } from "./leak.test.data.js";
import { paymentOrder } from "./payment.test.data.js";

const people = 3;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-module-faults-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ins = {
  initializeUpdate: 0x50,
  externalAuthenticate: 0x82,
  storeData: 0xe2,
  verify: 0x20,
  generateAc: 0xae,
};
/** The master of the example's key list that the chip maker's keys are of. */
const fab = {
  master: unhex("404142434445464748494A4B4C4D4E4F"),
  algorithm: "aes",
  diversify: "kdf3",
  kvn: 0xff,
  isd: unhex("A000000151000000"),
  i03: 0x70,
} as const;

interface Fault {
  /** In the middle of which command; the first since the second card is there. */
  readonly at: number;
  begin(): void;
  end(): void;
  /** Loaded before the line's program. */
  readonly preload?: string;
  readonly says: RegExp;
}

interface Desk {
  readonly home: string;
  /** Where its token's objects lie. */
  readonly objects?: string;
  readonly cards: DeskCards;
  readonly heard: readonly Heard[];
  /** The line, from its start to its end. */
  run(preload?: string): Promise<Ended>;
  /** Its process, while it runs. */
  line(): number;
}

/** An order of so many people, and a desk with one more card; `hears`: after each command that a card has done, before its answer leaves. */
async function deskOf(
  name: string,
  kept: "vault" | "token",
  records: number,
  hears: (one: Heard) => void,
): Promise<Desk> {
  const home = join(folder, name);
  const data = join(home, "data");
  mkdirSync(home);
  const { order } = paymentOrder(home, { people: records });
  const pinFile = join(home, "pin");
  writeFileSync(pinFile, "624813\n", { mode: 0o600 });
  const soft = kept === "token" ? softToken(home, "faults") : undefined;
  const token =
    soft === undefined
      ? []
      : ["--security", "pkcs11", "--token", soft.access.label, "--token-library", soft.access.library].concat(
          "--token-pin-fd",
          "3",
        );
  const heard: Heard[] = [];
  const port = await freePort();
  const cards = new DeskCards({
    port,
    count: records + 1,
    fab,
    heard: (one) => {
      heard.push(one);
      hears(one);
    },
  });
  receiveBlanks(home, data, records + 1);
  const words = [program, "run", order, "--line", deskAt(home, port), "--data", data, "--json", ...token];
  let line = 0;
  return {
    home,
    ...(soft === undefined ? {} : { objects: soft.folder }),
    cards,
    heard,
    line: () => line,
    run: async (preload) => {
      const child = spawn(
        process.execPath,
        [...(preload === undefined ? [] : ["--import", preload]), ...words],
        { stdio: ["ignore", "pipe", "pipe", openSync(pinFile, "r")], env: { ...soft?.environment } },
      );
      line = child.pid ?? 0;
      let [out, err] = ["", ""];
      child.stdout?.on("data", (part: Buffer) => (out += part.toString()));
      child.stderr?.on("data", (part: Buffer) => {
        err += part.toString();
        cards.hear(part.toString());
      });
      const [code] = (await once(child, "close")) as [number | null];
      return { code, out, err };
    },
  };
}

async function throughFault(
  name: string,
  kept: "vault" | "token",
  faultIn: (desk: Desk) => Fault,
): Promise<{
  readonly stopped: Ended;
  readonly finished: Ended;
  readonly desk: Desk;
  readonly fault: Fault;
}> {
  let begun = false;
  const desk = await deskOf(name, kept, people, ({ command: [, own] }) => {
    if (begun || desk.cards.good.length !== 1 || own !== fault.at) return;
    begun = true;
    fault.begin();
  });
  const fault = faultIn(desk);
  try {
    const stopped = await desk.run(fault.preload);
    fault.end();
    return { stopped, finished: await desk.run(fault.preload), desk, fault };
  } finally {
    desk.cards.close();
  }
}

/** Whatever a card counts tries of, it was right each time: key sets, the issuer's proof, the PIN. */
function expectNoTryLost(heard: readonly Heard[], atLeast: number): void {
  const counted = heard.filter(
    ({ command: [, own] }) => own === ins.externalAuthenticate || own === ins.verify,
  );
  expect(counted.length).toBeGreaterThan(atLeast);
  expect(counted.filter(({ answer }) => Buffer.from(answer ?? []).toString("hex") !== "9000")).toEqual([]);
}

const tokenGone =
  (at: number) =>
  ({ objects = "" }: Desk): Fault => ({
    at,
    begin: () => renameSync(objects, `${objects}.away`),
    end: () => renameSync(`${objects}.away`, objects),
    says: /token/,
  });

const stuck = ({ home }: Desk): Fault => {
  const file = join(home, "stuck");
  const preload = new URL("../../dist/app/stuck.test.data.js", import.meta.url);
  preload.searchParams.set("once", file);
  return {
    at: ins.initializeUpdate,
    begin: () => writeFileSync(file, ""),
    end: () => rmSync(file),
    preload: preload.href,
    says: /the random generator repeats itself/,
  };
};

test.each([
  ["the token is gone while a card waits to be answered", "token", tokenGone(ins.initializeUpdate)],
  ["the token is gone when a cryptogram is to be judged", "token", tokenGone(ins.generateAc)],
  ["the vault's random generator is stuck", "vault", stuck],
  ["the token's random generator is stuck", "token", stuck],
] as const)(
  "%s: the line stops, nobody is rejected, no try is lost, the same command finishes",
  async (name, kept, faultIn) => {
    const { stopped, finished, desk, fault } = await throughFault(name, kept, faultIn);
    expect([stopped.code, stopped.err]).toEqual([1, expect.stringMatching(fault.says)]);
    const before = JSON.parse(stopped.out) as Produced;
    // One is good, one lies in the reader, the others are where they were.
    expect(before).toMatchObject({ records: people, produced: 1, held: 0, balanced: true, rejects: [] });
    expect(before.blanks).toMatchObject({ good: 1, rejected: 0 });

    expect([finished.code, finished.code === 0 ? "" : finished.err]).toEqual([0, ""]);
    const after = JSON.parse(finished.out) as Produced;
    expect(after).toMatchObject({ produced: people, held: 0, balanced: true, rejects: [] });
    expect(after.blanks).toMatchObject({ used: people, good: people, rejected: 0, remade: 0 });
    expect(desk.cards.good.map(({ label }) => label)).toEqual(["D1-000001", "D1-000002", "D1-000003"]);
    expectNoTryLost(desk.heard, 3 * people);
  },
);

/** Of a card's session: its commands since it was powered, in order. */
type Moment = readonly [name: string, isNow: (sent: readonly Uint8Array[]) => boolean];
const storing = ([, own]: Uint8Array): boolean => own === ins.storeData;
const hidden = ([, , p1 = 0]: Uint8Array): boolean => (p1 & 0x60) === 0x60;
const moments: readonly Moment[] = [
  [
    "between EXTERNAL AUTHENTICATE and the first secured command",
    (sent) => sent.at(-1)?.[1] === ins.externalAuthenticate,
  ],
  ["in the first STORE DATA", (sent) => sent.filter(storing).length === 1],
  // Secret groupings go up by their identifiers: the keys (8000), then the PIN (8010).
  [
    "while the PIN is put",
    (sent) => sent.at(-1)?.[1] === ins.storeData && sent.filter(storing).filter(hidden).length === 2,
  ],
];

/** What the line had given its reader already goes on to the card: so each moment has a run of its own, and the last one a card of its own. */
const killed = 2;
test.each(["vault", "token"] as const)(
  "the %s's process is killed at one moment after the other of cards' sessions: each time the line stops, and all cards are made in the end",
  async (kept) => {
    let now: Moment | undefined;
    let sent: Uint8Array[] = [];
    const hit: string[] = [];
    const desk = await deskOf(`killed-${kept}`, kept, killed, ({ command }) => {
      if (command[1] === ins.initializeUpdate) sent = [];
      sent.push(command);
      if (now?.[1](sent) !== true) return;
      for (const one of descendants(desk.line()).filter(isModule)) {
        hit.push(now[0]);
        process.kill(one, "SIGKILL");
      }
      now = undefined;
    });
    try {
      for (const moment of moments) {
        now = moment;
        const stopped = await desk.run();
        expect(hit.at(-1)).toBe(moment[0]);
        const ended = `the ${kept}'s process ended (was it killed, is the machine out of memory?); nothing is lost`;
        expect([stopped.code, stopped.err]).toEqual([1, expect.stringContaining(ended)]);
        expect(JSON.parse(stopped.out)).toMatchObject({ held: 0, balanced: true, rejects: [] });
      }
      const finished = await desk.run();
      expect([finished.code, finished.code === 0 ? "" : finished.err]).toEqual([0, ""]);
      expect(JSON.parse(finished.out)).toMatchObject({
        produced: killed,
        balanced: true,
        rejects: [],
        blanks: { used: killed, good: killed, rejected: 0, remade: 0 },
      });
      expect(hit).toEqual(moments.map(([name]) => name));
      expect(desk.cards.good.map(({ label }) => label)).toEqual(["D1-000001", "D1-000002"]);
      expectNoTryLost(desk.heard, moments.length);
    } finally {
      desk.cards.close();
    }
  },
);
