/**
 * The security module fails in the middle of an order, in ways that only its keys or its generator know of: the token is taken away, the random
 * generator gets stuck. The cards lie in this process, which sees every command they get: the line stops, nobody is rejected, no card was asked
 * anything that costs a try, and the same command finishes the order with the card that was in work.
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
import { paymentOrder } from "./payment.test.data.js";

const people = 3;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-module-faults-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ins = { initializeUpdate: 0x50, externalAuthenticate: 0x82, verify: 0x20, generateAc: 0xae };
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

interface Setting {
  readonly home: string;
  /** Where its token's objects lie. */
  readonly objects?: string;
}

async function throughFault(
  name: string,
  kept: "vault" | "token",
  faultIn: (setting: Setting) => Fault,
): Promise<{
  readonly stopped: Ended;
  readonly finished: Ended;
  readonly cards: DeskCards;
  readonly heard: readonly Heard[];
  readonly fault: Fault;
}> {
  const home = join(folder, name);
  const data = join(home, "data");
  mkdirSync(home);
  const { order } = paymentOrder(home, { people });
  const pinFile = join(home, "pin");
  writeFileSync(pinFile, "624813\n", { mode: 0o600 });
  const soft = kept === "token" ? softToken(home, "faults") : undefined;
  const fault = faultIn({ home, ...(soft === undefined ? {} : { objects: soft.folder }) });
  const token =
    soft === undefined
      ? []
      : ["--security", "pkcs11", "--token", soft.access.label, "--token-library", soft.access.library].concat(
          "--token-pin-fd",
          "3",
        );

  const heard: Heard[] = [];
  let begun = false;
  const port = await freePort();
  const cards: DeskCards = new DeskCards({
    port,
    count: people + 1,
    fab,
    heard: (one) => {
      heard.push(one);
      if (begun || cards.good.length !== 1 || one.command[1] !== fault.at) return;
      begun = true;
      fault.begin();
    },
  });
  receiveBlanks(home, data, people + 1);
  const words = [program, "run", order, "--line", deskAt(home, port), "--data", data, "--json", ...token];
  const run = async (): Promise<Ended> => {
    const child = spawn(
      process.execPath,
      [...(fault.preload === undefined ? [] : ["--import", fault.preload]), ...words],
      { stdio: ["ignore", "pipe", "pipe", openSync(pinFile, "r")], env: { ...soft?.environment } },
    );
    let [out, err] = ["", ""];
    child.stdout?.on("data", (part: Buffer) => (out += part.toString()));
    child.stderr?.on("data", (part: Buffer) => {
      err += part.toString();
      cards.hear(part.toString());
    });
    const [code] = (await once(child, "close")) as [number | null];
    return { code, out, err };
  };
  try {
    const stopped = await run();
    fault.end();
    return { stopped, finished: await run(), cards, heard, fault };
  } finally {
    cards.close();
  }
}

const tokenGone =
  (at: number) =>
  ({ objects = "" }: Setting): Fault => ({
    at,
    begin: () => renameSync(objects, `${objects}.away`),
    end: () => renameSync(`${objects}.away`, objects),
    says: /token/,
  });

const stuck = ({ home }: Setting): Fault => {
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
    const { stopped, finished, cards, heard, fault } = await throughFault(name, kept, faultIn);
    expect([stopped.code, stopped.err]).toEqual([1, expect.stringMatching(fault.says)]);
    const before = JSON.parse(stopped.out) as Produced;
    // One is good, one lies in the reader, the others are where they were.
    expect(before).toMatchObject({ records: people, produced: 1, held: 0, balanced: true, rejects: [] });
    expect(before.blanks).toMatchObject({ good: 1, rejected: 0 });

    expect([finished.code, finished.code === 0 ? "" : finished.err]).toEqual([0, ""]);
    const after = JSON.parse(finished.out) as Produced;
    expect(after).toMatchObject({ produced: people, held: 0, balanced: true, rejects: [] });
    expect(after.blanks).toMatchObject({ used: people, good: people, rejected: 0, remade: 0 });
    expect(cards.good.map(({ label }) => label)).toEqual(["D1-000001", "D1-000002", "D1-000003"]);

    // Whatever a card counts tries of, it was right each time: key sets, the issuer's proof, the PIN.
    const counted = heard.filter(
      ({ command: [, own] }) => own === ins.externalAuthenticate || own === ins.verify,
    );
    expect(counted.length).toBeGreaterThan(3 * people);
    expect(counted.filter(({ answer }) => Buffer.from(answer ?? []).toString("hex") !== "9000")).toEqual([]);
  },
);
