/** Issuers' PIN blocks at a security module, the same for every provider: published blocks go in, and the letter printer reads what came out. */
import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hex, unhex } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import type { KeyRef } from "@persoline/card/program";
import type { NewKey } from "../ceremony.js";
import { pinIn, printed } from "../letters/letters.test.data.js";
import { openOrder } from "../order.test.data.js";
import { pinSentence } from "../order-policy.js";
import { type Hsm, type PinSource, wrongBlocksAtMost } from "../port.js";

interface PinBlockVector {
  readonly id: string;
  readonly format: number;
  readonly pin: string;
  readonly pan?: string;
  readonly key?: string;
  readonly block?: string;
  readonly block_example?: string;
}
const { vectors } = JSON.parse(
  readFileSync(new URL("../../../../../card/vectors/pin-blocks.json", import.meta.url), "utf8"),
) as { readonly vectors: readonly PinBlockVector[] };

const desKey = Uint8Array.from({ length: 16 }, (_, at) => 0x1f + 13 * at);
const aesKey = vectors.find(({ format }) => format === 4)?.key ?? "";

export const pinBlockKeys: readonly NewKey[] = [
  { name: "pin-des", use: "pin-transport", algorithm: "3DES", published: hex(desKey) },
  { name: "pin-aes", use: "pin-transport", algorithm: "AES-128", published: aesKey },
  { name: "issuer-des", use: "transport", algorithm: "3DES", published: hex(desKey.toReversed()) },
];

type Issuers = Extract<PinSource, { method: "issuer" }> & { readonly pan: string };
export interface PinBlockAsk extends Issuers {
  readonly id: string;
  readonly pin: string;
}

/** The vectors of formats that issuers send, enciphered where they are printed in clear. */
export const pinBlocks: readonly PinBlockAsk[] = vectors.flatMap((vector) => {
  const { id, format, pin, pan = "5555555551234567", block, block_example: example } = vector;
  if (format !== 0 && format !== 1 && format !== 3 && format !== 4) return [];
  const bytes = unhex(block ?? example ?? "");
  const enciphered = format === 4 ? bytes : nodeCrypto.des3(desKey).encrypt(bytes);
  const keys = (format === 4 ? "pin-aes" : "pin-des") as KeyRef;
  return [{ id, pin, method: "issuer", keys, format, block: enciphered, pan }];
});

const whose = { order: "PB-1", record: 1, name: "pin" } as const;
const list = [4, 6].flatMap((length) =>
  ["pin-des", "pin-aes", "issuer-des"].flatMap((keys) =>
    [0, 1, 3, 4].map((format) =>
      pinSentence({ name: "pin", length, by: { method: "issuer", keys, format } }),
    ),
  ),
);
async function drawn(hsm: Hsm, ask: Issuers, length = 4): Promise<Uint8Array> {
  const { method, keys, format, block, pan } = ask;
  await openOrder(hsm, whose.order, list);
  return hsm.drawPin({ ...whose, length, pan, by: { method, keys, format, block } });
}

/** The PIN as its holder reads it. */
export async function readPin(
  hsm: Hsm,
  ask: Issuers,
  printer: { readonly pem: string; readonly folder: string },
): Promise<string> {
  const sealed = await drawn(hsm, ask);
  const file = join(mkdtempSync(join(printer.folder, "letter-")), "letter");
  const { order, record, name } = whose;
  const letters = [{ record, name, sealed, letter: "L", addressee: "Ada" }];
  await hsm.writeLetters({ order, batch: "B", letters, file });
  const [page = ""] = printed(printer.pem, file);
  return pinIn(page) || page;
}

/** Blocks that are none of their key, format, PAN or length: what is said of each, and what must be. */
export async function othersRefused(
  hsm: Hsm,
): Promise<readonly { readonly said: string; readonly expected: string }[]> {
  const of = (format: number): PinBlockAsk => {
    const found = pinBlocks.find((one) => one.format === format);
    if (found === undefined) throw new Error(`no vector of format ${String(format)}`);
    return found;
  };
  const damaged = of(4).block.map((byte, at) => (at === 5 ? byte ^ 0x10 : byte));
  const six = { ...of(4), length: 6 };
  /** Whatever of it is wrong: whoever may try hears no more. */
  const none = (format: number, keys: string, length = 4) =>
    `the issuer's PIN block is none of format ${format} under key ${keys} with a PIN of ${length} digits for its account`;
  const refused: readonly (readonly [Issuers & { readonly length?: number }, string])[] = [
    [six, none(4, "pin-aes", 6)],
    [{ ...of(4), keys: "pin-des" as KeyRef }, "a PIN block of format 4 is under AES (ISO 9564-1)"],
    [{ ...of(0), keys: "pin-aes" as KeyRef }, "a PIN block of format 0 is under triple DES (ISO 9564-1)"],
    [
      { ...of(0), keys: "issuer-des" as KeyRef },
      "key issuer-des is for transport, not for pin-transport: a key has one purpose",
    ],
    [{ ...of(4), pan: "4321987654321098" }, "came for another account before"],
    [{ ...of(4), block: damaged }, none(4, "pin-aes")],
    [{ ...of(4), block: of(4).block.slice(0, 8) }, "16 bytes, not 8"],
    [{ ...of(0), block: of(4).block }, "8 bytes, not 16"],
    [{ ...of(3), format: 0 }, none(0, "pin-des")],
  ];
  return Promise.all(
    refused.map(async ([ask, expected]) => {
      const said = await drawn(hsm, ask, ask.length).then(
        () => "taken",
        (problem: unknown) => (problem instanceof Error ? problem.message : ""),
      );
      return { said, expected };
    }),
  );
}

/**
 * Whoever has an issuer's block and may say whose it is asks with one account after another: of formats 0 and 3, which are PIN XOR account,
 * each answer would tell a digit (Clulow). In a process of its own: what is said each time, and what must be.
 */
export async function searched(
  hsm: Hsm,
  format: 0 | 3,
): Promise<readonly { readonly said: string; readonly expected: string }[]> {
  const right = pinBlocks.find((one) => one.format === format);
  if (right === undefined) throw new Error(`no vector of format ${String(format)}`);
  const saying = async (ask: Issuers, expected: string) => ({
    said: await drawn(hsm, ask).then(
      () => "taken",
      (problem: unknown) => (problem instanceof Error ? problem.message : ""),
    ),
    expected,
  });
  const said = [await saying(right, "taken")];
  // The digit of the account that meets the third one of the PIN, in all its other values.
  for (let digit = 0; digit < 10; digit++) {
    const pan = `${right.pan.slice(0, -13)}${digit}${right.pan.slice(-12)}`;
    if (pan !== right.pan) said.push(await saying({ ...right, pan }, "came for another account before"));
  }
  // Blocks that nobody asked about yet, each with one account: one answer each, in the same words, and few of them.
  for (let at = 0; at < wrongBlocksAtMost; at++) {
    const block = right.block.map((byte, place) => (place === 7 ? byte ^ (at + 1) : byte));
    said.push(await saying({ ...right, block }, "the issuer's PIN block is none of format"));
  }
  said.push(await saying(right, "so many PIN blocks were wrong that no more are opened"));
  said.push(await saying({ ...right, block: right.block.toReversed() }, "no more are opened"));
  return said;
}
