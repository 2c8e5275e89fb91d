/** Where PINs of cards without an account number come from: the card itself, the issuer, or everybody's head. Each opens its own card. */
import { spawnSync, type SpawnSyncOptions } from "node:child_process";
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hex, unhex } from "@persoline/card/bytes";
import { pinBlock1 } from "@persoline/card/emv";
import { nodeCrypto, random } from "@persoline/card/node";
import { makeVirtualCard, memoryStore } from "@persoline/card/virtual";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { softToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { type Ended, idealLine, persoline, program, root, smallOrder } from "./command.test.data.js";
import type { Produced } from "./end-run.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-pins-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const people = 5;
const transport = "0B0D0E1315161919A1A2A4A7A8ABADAE";

interface Ask {
  /** The product's line `pin:`. */
  readonly pin: string;
  /** PINs that the issuer sends, one a row. */
  readonly blocks?: readonly string[];
  readonly faults?: string;
}

/** An order of office cards under image 2.2; answers what `run` needs. */
function officeOrder(own: string, { pin, blocks, faults }: Ask): string[] {
  const text = readFileSync(join(root, "examples/products/office-access/product.yaml"), "utf8");
  const product = join(own, "product.yaml");
  const place = join(root, "examples/products");
  writeFileSync(
    product,
    text
      .replace("3B9C968131FE458073B621006650534C4F010301", "3B9C968131FE458073F621C06650534C4F020283")
      .replace("../os/persoline-os-1.3.img", `${place}/os/persoline-os-2.2.img`)
      .replaceAll(/: layout\//g, `: ${place}/office-access/layout/`)
      .replace(/^pin: .*$/m, pin)
      .replace(
        /^ {2}photo: /m,
        blocks === undefined ? "  photo: " : "  block: { column: PIN block, required: true }\n  photo: ",
      ),
  );
  const keys = join(own, "keys.yaml");
  const known = readFileSync(join(root, "examples/keys/test-keys.yaml"), "utf8");
  writeFileSync(
    keys,
    `${known.trimEnd()}\n  - { name: pin-tk, use: pin-transport, algorithm: 3DES, published: "${transport}" }\n`,
  );
  const order = smallOrder(own, people, ([head = "", ...rows]) =>
    blocks === undefined
      ? [head, ...rows]
      : [`${head},PIN block`, ...rows.map((row, at) => `${row},${blocks[at] ?? ""}`)],
  );
  const asIs = readFileSync(order, "utf8");
  writeFileSync(
    order,
    asIs.replace(/product: .*/, `product: ${product}`).replace(/keys: .*/, `keys: ${keys}`),
  );
  const line = idealLine(own, "carousel", (file) =>
    file.replace(/faults:[\s\S]*$/, `faults: [${faults ?? ""}]\n`),
  );
  return ["run", order, "--line", line, "--data", join(own, "data"), "--json"];
}

const home = (): string => mkdtempSync(join(folder, "own-"));
const made = (ended: Ended): Produced => {
  expect(ended).toMatchObject({ code: 0, err: "" });
  return JSON.parse(ended.out) as Produced;
};

const two = ["--by", "A", "--witness", "B"];

/** What the printer prints, by record. `more`: what opens the keys. */
function pinsIn(data: string, more: readonly string[] = [], options: SpawnSyncOptions = {}): string[] {
  const release = [program, "letters", "release", "T-1", ...two, "--data", data, ...more];
  expect(spawnSync(process.execPath, release, { ...options, timeout: 300_000 }).status).toBe(0);
  const listed = JSON.parse(persoline(["letters", "list", "T-1", "--data", data, "--json"]).out) as {
    record: number;
    state: string;
    letter: string;
  }[];
  const letters = printedIn(join(data, "letter-printer.pem"), join(data, "letters"));
  return listed
    .filter(({ state }) => state !== "void")
    .toSorted((one, other) => one.record - other.record)
    .map(({ letter }) => pinIn(letters.get(letter)));
}

/** Whether the good card of each record opens with its PIN, on copies of their memories. */
function opened(data: string, pins: readonly string[]): boolean[] {
  const good = join(data, "shop-floor/good/T-1");
  return pins.map((pin, at) => {
    const body = readdirSync(good).find((one) => one.startsWith(String(at + 1).padStart(6, "0"))) ?? "";
    const card = makeVirtualCard({
      eeprom: memoryStore(new Uint8Array(readFileSync(join(good, body, "chip.eeprom")))),
      random: (length) => new Uint8Array(length),
      crypto: nodeCrypto,
    });
    card.powerOn();
    card.transmit(unhex("00A4040C07A0000008760101"));
    const block = `2${pin.length.toString(16)}${pin}`.padEnd(16, "F");
    return hex(card.transmit(unhex(`0020008108${block}`)) ?? unhex("")) === "9000";
  });
}
const all = Array.from({ length: people }, () => true);

describe("drawn by the card", () => {
  const pin = "pin: { method: card, length: 6, tries: 3, letter: true }";

  test("with the vault: letters tell what the cards drew; a remake's letter tells what its own card drew", () => {
    const own = home();
    const data = join(own, "data");
    // One loses its power while it is personalized and is taken up again; one dies when it is proved and is made again.
    const faults =
      '{ blanks: { number: 2 }, fault: { kind: torn-at, write: 150 } }, { blanks: { number: 4 }, fault: { kind: dies-at, ins: "B0", nth: 1 } }';
    expect(made(persoline(officeOrder(own, { pin, faults })))).toMatchObject({
      produced: people,
      balanced: true,
      blanks: { remade: 1 },
    });
    const pins = pinsIn(data);
    expect(pins.map(({ length }) => length)).toEqual(all.map(() => 6));
    expect(new Set(pins).size).toBeGreaterThan(1);
    expect(opened(data, pins)).toEqual(all);
    // Nothing is drawn before a card has: what is kept is one PIN a record, and at delivery it dies.
    const reprint = ["letters", "reprint", "L-0000001", "--reason", "torn", ...two];
    expect(persoline([...reprint, "--data", data]).code).toBe(0);
    // Its batch's file is gone, with the letters of the others; the new one tells the same.
    const again = [...printedIn(join(data, "letter-printer.pem"), join(data, "letters")).values()];
    expect(again.map(pinIn)).toEqual(pins.slice(0, 1));
    const printed = ["--printed", "B-0000001"];
    expect(persoline(["order", "deliver", "T-1", "--by", "A", ...printed, "--data", data]).code).toBe(0);
    expect(persoline([...reprint, "--data", data]).code).toBe(1);
  }, 300_000);

  test("with a token", () => {
    const own = home();
    const soft = softToken(own, "pins");
    const pinFile = join(own, "pin");
    writeFileSync(pinFile, `${soft.access.pin}\n`, { mode: 0o600 });
    const { label, library } = soft.access;
    const token = ["--security", "pkcs11", "--token", label, "--token-library", library];
    const more = [...token, "--token-pin-fd", "3"];
    const options = (): SpawnSyncOptions => ({
      stdio: ["ignore", "pipe", "pipe", openSync(pinFile, "r")],
      env: { ...soft.environment },
    });
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [program, ...officeOrder(own, { pin }), ...more],
      { ...options(), encoding: "utf8", timeout: 300_000 },
    );
    expect(made({ code: status, out: stdout, err: stderr })).toMatchObject({ produced: people });
    const data = join(own, "data");
    expect(opened(data, pinsIn(data, more, options()))).toEqual(all);
  }, 300_000);
});

describe("not drawn at all", () => {
  test("the issuer's own, in blocks under a transport key: the letter tells it, the card opens by it", () => {
    const own = home();
    const pins = ["123456", "000000", "987654", "555444", "102938"];
    const cipher = nodeCrypto.des3(unhex(transport));
    const blocks = pins.map((one) => hex(cipher.encrypt(pinBlock1(Uint8Array.from(one, Number), random))));
    const pin =
      "pin: { method: issuer, length: 6, tries: 3, letter: true, block: { field: block, keys: pin-tk } }";
    made(persoline(officeOrder(own, { pin, blocks })));
    const data = join(own, "data");
    expect(pinsIn(data)).toEqual(pins);
    expect(opened(data, pins)).toEqual(all);
  }, 300_000);

  test("a block that is none, and one of another length, are refused before a card moves", () => {
    const pin =
      "pin: { method: issuer, length: 6, tries: 3, letter: true, block: { field: block, keys: pin-tk } }";
    const none = persoline(
      officeOrder(home(), { pin, blocks: ["12", ...Array.from({ length: 4 }, () => "00".repeat(8))] }),
    );
    expect(none.code).toBe(1);
    expect(none.err).toMatch(
      /employees\.csv:2.*PIN block.*an enciphered PIN block has 16 hexadecimal digits/,
    );
    const cipher = nodeCrypto.des3(unhex(transport));
    const short = hex(cipher.encrypt(pinBlock1(Uint8Array.of(1, 2, 3, 4), random)));
    const wrong = persoline(officeOrder(home(), { pin, blocks: all.map(() => short) }));
    expect(wrong.code).toBe(1);
    expect(wrong.err).toMatch(
      /record \d+: the issuer's PIN block is none of format 1 under key pin-tk with a PIN of 6 digits/,
    );
  }, 300_000);

  test("the same for all, to be changed: no letters", () => {
    const own = home();
    const pin = 'pin: { method: trivial, digits: "000000", length: 6, tries: 3, letter: false }';
    made(persoline(officeOrder(own, { pin })));
    const data = join(own, "data");
    expect(persoline(["letters", "list", "T-1", "--data", data, "--json"]).out.trim()).toBe("[]");
    expect(
      opened(
        data,
        all.map(() => "000000"),
      ),
    ).toEqual(all);
  }, 300_000);
});
