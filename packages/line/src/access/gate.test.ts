import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StatusWord } from "@persoline/card/apdu";
import { unhex } from "@persoline/card/bytes";
import type { KeyRef, Serial } from "@persoline/card/program";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AssembledLine, assembleLine } from "../app/assemble-line.js";
import { forOrder, policyOf } from "../app/order-policy.js";
import type { Hsm } from "../devices/hsm/port.js";
import { openOrder } from "../devices/hsm/order.test.data.js";
import { createKeystore, openVault } from "../devices/hsm/vault.js";
import type { Reader } from "../devices/reader/port.js";
import { simulatedReader } from "../devices/reader/simulated.js";
import type { Place } from "../devices/transport/port.js";
import { compile } from "../plan/compile.js";
import { prepare } from "../plan/prepare.js";
import { parseProduct } from "../plan/product.js";
import { parseLine } from "../stations/line-file.js";
import { MemoryAccounts, MemoryJournal } from "../stations/memory.test.data.js";
import { idealWorld } from "../stations/world.js";
import { type GateParts, pass } from "./gate.js";
import type { GateCard } from "./gate-card.js";
import { Whereabouts } from "./presence.js";
import { site } from "./site.test.data.js";
import type { Credential, Gate } from "./types.js";
import { ZoneTree } from "./zones.js";

const loaderMaster = "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF";
const order = "2026-118";
const noon = Date.parse("2026-12-01T11:00:00Z");
const tree = new ZoneTree(site);

const lineText = `
line: test
mode: ideal
seed: 7
transport: { kind: simulated-carousel, moveMs: 0 }
stations:
  - { name: electrical-test, heads: 1, reader: simulated }
  - { name: completion, heads: 1, reader: simulated }
  - { name: initialisation, heads: 1, reader: simulated }
  - { name: personalization, heads: 1, reader: simulated }
  - { name: chip-proof, heads: 1, reader: simulated }
  - { name: quality, heads: 1, reader: simulated }
without: [visual]
stock:
  - lot: L1
    count: 9
    faults:
      - { blanks: { number: 1 }, fault: { kind: lying, ins: "5C" } }
      - { blanks: { number: 2 }, fault: { kind: dies-at, ins: "5C", nth: 1 } }
`;

const card: GateCard = {
  kind: "persoline-os",
  product: "warehouse-access",
  atr: unhex("3B9C968131FE458073B621006650534C4F010301"),
  aid: unhex("A0000008760102"),
  keys: "access-app" as KeyRef,
  kid: 1,
  zones: { sfi: 2, count: 12 },
  holder: { sfi: 1, size: 192, validUntil: 0x5f24, reference: 0xdf02 },
};

let folder: string;
let hsm: Hsm;
let stranger: Hsm;
let line: AssembledLine;
let accounts: MemoryAccounts;

async function vault(name: string): Promise<Hsm> {
  const unlock = { keyFile: join(folder, `${name}.key`) };
  const file = join(folder, `${name}.json`);
  await createKeystore({
    file,
    environment: "test",
    unlock,
    keys: [
      { name: "os-loader", use: "loader", published: loaderMaster },
      { name: "fab-2026", use: "scp03" },
      { name: "issuer-2026", use: "scp03" },
      { name: "access-app", use: "application" },
    ],
    letterPrinter: { writePrivateKeyTo: join(folder, `${name}.pem`) },
  });
  return openVault({ file, unlock });
}

/** Three cards of the yard, one reject that could be terminated and one that is silent for ever. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-gate-"));
  [hsm, stranger] = await Promise.all([vault("own"), vault("other")]);
  const file = new URL("../../../../examples/products/warehouse-access/product.yaml", import.meta.url);
  const read = parseProduct(readFileSync(file, "utf8"), file.pathname);
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const product = compile(read.product, readFileSync(new URL(read.product.completion.image, file)));
  const people = [1, 2, 3].map((number) => ({
    number,
    fields: {
      name: `Person ${String(number)}`,
      number: `FM-000${String(number)}`,
      premises: ["YARD", "CRANE"],
      validUntil: "2028-12-31",
    },
    photos: {},
    row: number + 1,
  }));
  const nobody = (): never => {
    throw new Error("this line marks nothing");
  };
  const make = (): AssembledLine =>
    assembleLine({
      line: parseLine(lineText, "line.yaml"),
      data: folder,
      order,
      environment: "test",
      product,
      hsm: forOrder(hsm, order),
      accounts,
      journal: new MemoryJournal(),
      prepareRecord: ({ record }) => Promise.resolve(prepare(product, record, { order })),
      makeMarks: nobody,
      judgeFaces: nobody,
      keepPicture: nobody,
      loaderMaster: unhex(loaderMaster),
    });
  const [first] = people;
  if (first === undefined) throw new Error("nobody");
  await openOrder(hsm, order, policyOf(product, prepare(product, first, { order })));
  accounts = new MemoryAccounts([], people);
  const stock = make().deliver();
  accounts = new MemoryAccounts(
    stock.flatMap(({ items }) => items),
    people,
  );
  for (const { number } of people) {
    accounts.pins.set(number, { pin: await hsm.drawPin({ order, record: number, name: "pin", length: 6 }) });
  }
  line = make();
  const { ended, counts } = await line.run();
  if (ended !== "complete" || counts.good !== 3 || counts.rejected !== 2)
    throw new Error(`the cards to be tried were not made: ${ended}`);
});

afterAll(async () => {
  line.close();
  await Promise.all([hsm.close(), stranger.close()]);
  rmSync(folder, { recursive: true });
});

const readerAt = (place: Place): Reader =>
  simulatedReader({
    name: "gate",
    place,
    floor: line.floor,
    world: idealWorld(),
    timing: "ideal",
    reseatMs: 0,
  });
const goodCard = (record: number): Place => {
  const label = [...accounts.rows.values()].find((row) => row.record === record && row.blank.state === "good")
    ?.blank.label;
  const body = line.floor.census().find((one) => one.label === label);
  if (body === undefined) throw new Error(`record ${String(record)} has no card on the shop floor`);
  return body.place;
};

const holderOf = (serial: Serial): Credential | undefined => {
  const row = [...accounts.rows.values()].find((one) => one.blank.serial === serial);
  return row?.blank.state !== "good" || row.record === undefined
    ? undefined
    : {
        serial,
        reference: `FM-000${String(row.record)}`,
        name: "",
        department: "",
        zones: ["YARD", "CRANE"],
        validUntil: "2028-12-31",
        status: "active",
      };
};

const mainIn: Gate = { name: "main-in", from: "outside", to: "YARD", passback: { kind: "off" } };

const at = (reader: Reader, change: Partial<GateParts> = {}) =>
  pass(
    {
      site,
      tree,
      cards: [card],
      reader,
      hsm,
      register: {
        holder: (serial) => Promise.resolve(holderOf(serial)),
        refused: () => Promise.resolve(undefined),
        numbered: () => Promise.resolve(undefined),
      },
      now: () => 0,
      ...change,
    },
    mainIn,
    { at: noon, places: new Whereabouts(tree) },
  );

/** A reader over a card that answers whatever it is told to. */
function fake(answer: (ins: number) => { data?: Uint8Array; sw: number }): Reader {
  return {
    name: "fake",
    kind: "simulated",
    insert: () =>
      Promise.resolve({
        atr: unhex("3B00"),
        findings: [],
        channel: {
          exchange: (commands) =>
            Promise.resolve(
              commands.map(({ command }) => {
                const { data = new Uint8Array(0), sw } = answer(command.ins);
                return { data, sw: sw as StatusWord };
              }),
            ),
        },
      }),
    reseat: () => Promise.resolve(),
    remove: () => Promise.resolve(),
  };
}

describe("a card at a gate", () => {
  test("that the line made proves its key, tells its rights, and is let in", async () => {
    const passage = await at(readerAt(goodCard(1)));
    expect(passage).toMatchObject({
      at: "2026-12-01T11:00:00.000Z",
      gate: "main-in",
      zone: "YARD",
      direction: "in",
      reference: "FM-0001",
      decision: "granted",
    });
    expect(passage.reason).toBeUndefined();
    expect(passage.serial).toMatch(/^[0-9A-F]{20}$/);
  });

  test("proves itself again and again: no try is ever lost", async () => {
    for (let times = 0; times < 20; times++)
      expect(await at(readerAt(goodCard(2)))).toMatchObject({ decision: "granted" });
  });

  test.each<[string, Partial<Credential>]>([
    ["zones", { zones: ["YARD", "CRANE", "FUEL"] }],
    ["zones", { zones: ["YARD"] }],
    ["number", { reference: "FM-0009" }],
    ["validity", { validUntil: "2029-12-31" }],
  ])("is refused when its own files tell other %s than the register", async (what, change) => {
    const register = {
      holder: (serial: Serial) => {
        const known = holderOf(serial);
        return Promise.resolve(known && { ...known, ...change });
      },
      refused: () => Promise.resolve(undefined),
      numbered: () => Promise.resolve(undefined),
    };
    expect(await at(readerAt(goodCard(1)), { register })).toMatchObject({
      decision: "refused",
      reason: "denied-authentication-factor-error",
      detail: expect.stringContaining(what) as string,
    });
  });

  test("refuses a gate with another key, which asks once and not again; its own gate mends the counter", async () => {
    let proofs = 0;
    const real = readerAt(goodCard(3));
    const counting: Reader = {
      ...real,
      insert: async () => {
        const reset = await real.insert();
        if (reset === "mute") return reset;
        const exchange: typeof reset.channel.exchange = (commands) => {
          proofs += commands.filter(({ command }) => command.ins === 0x82).length;
          return reset.channel.exchange(commands);
        };
        return { ...reset, channel: { exchange } };
      },
    };
    expect(await at(counting, { hsm: stranger })).toMatchObject({
      decision: "refused",
      reason: "denied-incorrect-authentication-factor",
      detail: expect.stringContaining("63CE") as string,
    });
    expect(proofs).toBe(1);
    expect(await at(real)).toMatchObject({ decision: "granted" });
    for (let tries = 0; tries < 15; tries++) await at(real, { hsm: stranger });
    expect(await at(real)).toMatchObject({ decision: "refused", reason: "denied-max-attempts" });
  });

  test("without its proof is refused though everything else about it is right", async () => {
    const impostor: GateParts["hsm"] = {
      ...hsm,
      openMutual: (ask) => hsm.openMutual(ask),
      judgeMutual: ({ session, answer }) =>
        hsm.judgeMutual({ session, answer: answer.map((byte) => byte ^ 1) }),
    };
    expect(await at(readerAt(goodCard(1)), { hsm: impostor })).toMatchObject({
      decision: "refused",
      reason: "denied-incorrect-authentication-factor",
    });
  });

  test("that the line threw out after personalization is on the refusal list, and terminated", async () => {
    const [reject] = line.floor.bodiesAt({ at: "reject" });
    const serial = [...accounts.rows.values()].find((row) => row.blank.label === reject?.label)?.blank.serial;
    const { card: chip, eeprom } = line.floor.loadCard(reject?.dir ?? "");
    const reader: Reader = simulatedReader({
      name: "gate",
      place: { at: "reject" },
      floor: { cardAt: () => chip },
      world: idealWorld(),
      timing: "ideal",
    });
    const asked: Serial[] = [];
    const register = {
      holder: () => Promise.resolve(undefined),
      refused: (one: Serial) => {
        asked.push(one);
        return Promise.resolve({ reason: "proof-wrong", since: "2026-11-20T10:00:00.000Z" });
      },
      numbered: () => Promise.resolve(undefined),
    };
    expect(await at(reader, { register })).toMatchObject({
      decision: "refused",
      serial,
      reason: "denied-credential-disabled",
      detail: expect.stringMatching(/refusal list since 2026-11-20 \(proof-wrong\).*terminated/) as string,
    });
    expect(asked).toEqual([serial]);
    eeprom.close();
  });

  test("that is silent is a recorded refusal", async () => {
    const [, dead] = line.floor.bodiesAt({ at: "reject" });
    const { card: chip, eeprom } = line.floor.loadCard(dead?.dir ?? "");
    // Its fault needs the command that kills it once more.
    chip.powerOn();
    const reader: Reader = { ...fake(() => ({ sw: 0x9000 })), insert: () => Promise.resolve("mute") };
    expect(await at(reader)).toMatchObject({
      decision: "refused",
      reason: "denied-authentication-unavailable",
    });
    eeprom.close();
  });

  test.each([
    ["answers nothing we know", (): { sw: number } => ({ sw: 0x6d00 })],
    ["answers rubbish", () => ({ data: new Uint8Array(300), sw: 0x9000 })],
  ])("of another make that %s is a recorded refusal", async (_, answer) => {
    const passage = await at(fake(answer));
    expect(passage).toMatchObject({ decision: "refused", reason: "denied-authentication-unavailable" });
    expect(passage.serial).toBeUndefined();
  });

  test("that nobody here knows gets no proof of ours", async () => {
    const seen: number[] = [];
    const chipNumber = unhex("CF0A504C0102030405060708");
    const reader = fake((ins) => {
      seen.push(ins);
      return { data: chipNumber, sw: 0x9000 };
    });
    expect(await at(reader)).toMatchObject({
      decision: "refused",
      reason: "denied-unknown-credential",
      serial: "504C0102030405060708",
    });
    expect(seen).toEqual([0xca]);
  });
});
