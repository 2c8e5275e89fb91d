import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Daemon, slotNumber, startPcscd } from "../devices/reader/pcscd.test.data.js";
import { connectedReaders, pcscReader } from "../devices/reader/pcsc/reader.js";
import type { Address } from "../devices/reader/vpcd/card-side.js";
import { contactByte, Frames, sendFrame } from "../devices/reader/vpcd/frames.js";
import { realWorld } from "../stations/world.js";
import { program, smallOrder } from "./command.test.data.js";

const heads = 8;
let pcscd: Daemon;
beforeAll(async () => {
  pcscd = await startPcscd(heads);
});
afterAll(() => pcscd.stop());

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-slots-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A carousel of virtual bodies whose chips are reached by these readers, one a head. */
const lineText = (readers: string): string => `
line: slots
mode: ideal
seed: 7
transport: { kind: simulated-carousel, moveMs: 0 }
stations:
  - name: all
    does: [electrical-test, completion, initialisation, personalization, chip-proof, quality]
    heads: ${String(heads)}
    reader: ${readers}
without: [visual]
stock:
  - lot: S1
    count: 24
    faults:
      - { blanks: { number: 2 }, fault: { kind: ram-fault } }
      - { blanks: { number: 3 }, fault: { kind: dead } }
      - { blanks: { number: 4 }, fault: { kind: bad-seat, times: 1 } }
      - { blanks: { number: 5 }, fault: { kind: weak-page, page: 300 } }
      - { blanks: { number: 7 }, fault: { kind: mute-at, ins: "D6", nth: 3 } }
`;

interface Made {
  readonly produced: number;
  readonly balanced: boolean;
  readonly blanks: Readonly<Record<string, number>>;
  readonly rejects: readonly { readonly serial: string; readonly station: string; readonly code: string }[];
}

async function made(name: string, readers: string): Promise<Made> {
  const line = join(folder, `${name}.yaml`);
  writeFileSync(line, lineText(readers));
  const data = join(folder, name);
  const words = ["run", smallOrder(folder, 16), "--line", line, "--data", data, "--json"];
  const child = spawn(process.execPath, [program, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.on("data", (bytes: Buffer) => (out += bytes.toString()));
  child.stderr.on("data", (bytes: Buffer) => (err += bytes.toString()));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`${name}: ${err}${out}`);
  return JSON.parse(out) as Made;
}

const judged = ({ produced, balanced, blanks, rejects }: Made) => ({
  produced,
  balanced,
  blanks,
  rejects: rejects.map(({ serial, station, code }) => `${serial} ${station} ${code}`).sort(),
});

describe("the office order on eight slots", () => {
  test("gives the same cards by simulated readers, over pcscd and over vpcd-direct", async () => {
    const simulated = await made("simulated", "simulated");
    const overPcscd = Array.from({ length: heads }, (_, at) => {
      const { pcsc, slot, address } = slotNumber(at);
      return `{ pcsc: ${pcsc}, slot: ${String(slot)}, presents: "127.0.0.1:${String(address.port)}" }`;
    });
    const direct = Array.from({ length: heads }, (_, at) => {
      const port = String(41_000 + at);
      return `{ vpcd: ${port}, presents: "127.0.0.1:${port}" }`;
    });
    const real = await made("pcscd", `[${overPcscd.join(", ")}]`);
    const without = await made("direct", `[${direct.join(", ")}]`);
    expect(judged(simulated)).toMatchObject({
      produced: 16,
      balanced: true,
      blanks: { good: 16, rejected: 3 },
    });
    expect(judged(real)).toEqual(judged(simulated));
    expect(judged(without)).toEqual(judged(simulated));
  });
});

/** A card in a slot of vpcd that says 9000 to everything, when it is told to. */
class PatientCard {
  readonly #socket: Socket;
  readonly #frames = new Frames();

  constructor({ host, port }: Address, asked: (answer: () => void) => void) {
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.on("data", (bytes) => {
      for (const body of this.#frames.take(bytes)) {
        if (body.length > 1) asked(() => sendFrame(this.#socket, Buffer.of(0x90, 0x00)));
        else if (body[0] === contactByte.atr) sendFrame(this.#socket, Buffer.from("3B800181", "hex"));
      }
    });
  }
  close(): void {
    this.#socket.destroy();
  }
}

test("eight readers are asked at the same time, command after command: no card answers before all eight were asked", async () => {
  const rounds = 25;
  const waiting: (() => void)[] = [];
  let full = 0;
  const cards = Array.from(
    { length: heads },
    (_, at) =>
      new PatientCard(slotNumber(at).address, (answer) => {
        if (waiting.push(answer) < heads) return;
        full++;
        for (const one of waiting.splice(0)) one();
      }),
  );
  while ((await connectedReaders()).filter(({ card }) => card === "present").length < heads)
    await new Promise((resolve) => setTimeout(resolve, 100));
  const readers = Array.from({ length: heads }, (_, at) => {
    const { pcsc, slot } = slotNumber(at);
    return pcscReader({ name: `slot ${String(at)}`, binding: { pcsc, slot }, world: realWorld() });
  });
  const sent = { command: { cla: 0, ins: 0x84, p1: 0, p2: 0 }, sw: [{ value: 0x9000, mask: 0xffff }] };
  try {
    const answers = await Promise.all(
      readers.map(async (reader) => {
        const reset = await reader.insert();
        if (reset === "mute") throw new Error("the card is mute");
        return reset.channel.exchange(Array.from({ length: rounds }, () => sent));
      }),
    );
    expect(answers.map((of) => of.length)).toEqual(readers.map(() => rounds));
    expect(full).toBe(rounds);
  } finally {
    for (const reader of readers) reader.close();
    for (const card of cards) card.close();
  }
});
