/**
 * A PIN in the module's process: known to the test by way of the issuer's block, put to every use, and then searched for in the memory of the
 * process that has it: as digits, as text, as a PIN block, as what verification values are made of.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hex, unhex } from "@persoline/card/bytes";
import { encipheredPinBlock4, naturalPin } from "@persoline/card/emv";
import { nodeCrypto, random } from "@persoline/card/node";
import type { KeyRef } from "@persoline/card/program";
import { afterEach, beforeEach, expect, test } from "vitest";
import { inMemory } from "../../app/leak.test.data.js";
import { glyphOfDigit } from "./letters/font.js";
import { pinIn, printed } from "./letters/letters.test.data.js";
import { cardOf, keyRead, keys, prepared, TestCard } from "./payment/payment-card.test.data.js";
import { createTokenKeys, openToken } from "./pkcs11/pkcs11.js";
import { softToken } from "./pkcs11/softhsm.test.data.js";
import type { Hsm, PinSource } from "./port.js";
import { createKeystore, openVault } from "./vault.js";

const pinKey = Uint8Array.from({ length: 16 }, (_, at) => 0x2b + 9 * at);
const ibmKey = Uint8Array.from({ length: 16 }, (_, at) => 0x1c + 13 * at);
const more = [
  { name: "pin-tk", use: "pin-transport", algorithm: "AES-128", published: hex(pinKey) },
  { name: "pin-ibm", use: "ibm-3624", published: hex(ibmKey) },
] as const;

let folder: string;
let child: ChildProcess | undefined;
let hsm: Hsm | undefined;
const start = (file: URL, options: object): ChildProcess => {
  child = fork(file, [], options);
  return child;
};
const printer = () => join(folder, "printer.pem");
const ceremony = () =>
  ({
    environment: "test",
    keys: [...keys, ...more],
    letterPrinter: { writePrivateKeyTo: printer() },
    stripeEncoder: { writePrivateKeyTo: join(folder, "encoder.pem") },
  }) as const;

const providers: Readonly<Record<string, () => Promise<Hsm>>> = {
  vault: async () => {
    const file = join(folder, "keystore.json");
    const unlock = { keyFile: join(folder, "key") };
    await createKeystore({ ...ceremony(), file, unlock });
    return openVault({ file, unlock, start });
  },
  "a token's module": async () => {
    const { access: unlock, environment } = softToken(folder, "pin memory");
    const file = join(folder, "token-keys.json");
    await createTokenKeys({ ...ceremony(), file, unlock }, { environment });
    return openToken({ file, unlock }, { environment, start });
  },
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-pin-memory-"));
});
afterEach(async () => {
  await hsm?.close();
  hsm = undefined;
  rmSync(folder, { recursive: true });
});

const chance = (length: number): Uint8Array => Uint8Array.from(random(length), (byte) => byte % 10);
const packed = (digits: string): Buffer => Buffer.from(digits, "hex");
/** Whatever a PIN could lie about as. */
function needles(pin: Uint8Array, pan: string): [string, Buffer[]][] {
  const text = pin.join("");
  return [
    ["digits", [Buffer.from(pin)]],
    ["text", [Buffer.from(text), Buffer.from(text, "utf16le")]],
    ["block", [packed(text.slice(0, text.length - (text.length % 2)))]],
    ["verification value's input", [packed(`${pan.slice(-12, -1)}1${text.slice(0, 4)}`)]],
    [
      "letter's glyphs",
      [Buffer.from([...pin].map((digit) => glyphOfDigit(digit).toString(16).padStart(4, "0")).join(""))],
    ],
    ["the same as text", [Buffer.from(`${pan.slice(-12, -1)}1${text.slice(0, 4)}`)]],
  ];
}

const { pan } = cardOf(1);
const issuers = (pin: Uint8Array): PinSource => {
  const block = encipheredPinBlock4(nodeCrypto, pinKey, { pin, pan, random });
  return { method: "issuer", keys: "pin-tk" as KeyRef, format: 4, block };
};
const derived: PinSource = { method: "derived", keys: "pin-ibm" as KeyRef };
const natural = () =>
  naturalPin(nodeCrypto, ibmKey, {
    pan,
    length: 12,
    form: { table: "0123456789012345", pad: "F", from: pan.length - 13, to: pan.length - 1 },
  });

test.each(Object.keys(providers))("%s: no PIN stays in its memory once it was used", async (name) => {
  const open = providers[name];
  if (open === undefined) throw new Error(name);
  hsm = await open();
  const ways = [
    ["M-1", chance(12), issuers],
    ["M-2", natural(), () => derived],
  ] as const;
  for (const [order, pin, by] of ways) {
    const ready = await prepared(hsm, { order, stripe: true, pin: { length: 12, by: by(pin) } });
    const { pins } = ready.secrets;
    const file = join(folder, `${order}.letter`);
    const place = { record: 1, name: "pin", sealed: pins["pin"] ?? unhex("") };
    const letters = [{ ...place, letter: order, addressee: "Ada" }];
    await hsm.writeLetters({ order, batch: order, letters, file });
    expect(pinIn(printed(printer(), file)[0])).toBe(pin.join(""));
    for (const scp of ["scp02", "scp03"] as const) {
      const card = new TestCard(scp);
      await card.personalize(hsm, ready);
      const result = await card.transact(hsm, ready);
      expect(await card.verify(hsm, ready, keyRead(result, ready))).toBe("9000");
    }
  }
  const pid = child?.pid ?? 0;
  const sought = new Map<string, Buffer[]>(
    ways.flatMap(([order, pin]) =>
      needles(pin, pan).map(([what, all]) => [`${order} ${what}`, all] as const),
    ),
  );
  // What the vault has to have is found: the search can find.
  if (name === "vault") sought.set("an issuer's key", [Buffer.from(pinKey)]);
  expect([...inMemory(pid, sought)]).toEqual(name === "vault" ? ["an issuer's key"] : []);
});
