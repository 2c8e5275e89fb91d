/** Issuers' PIN blocks at a security module, the same for every provider: published blocks go in, and the letter printer reads what came out. */
import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hex, unhex } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import type { KeyRef } from "@persoline/card/program";
import type { NewKey } from "../ceremony.js";
import { pinIn, printed } from "../letters/letters.test.data.js";
import type { Hsm, PinSource } from "../port.js";

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

type Issuers = Extract<PinSource, { method: "issuer" }>;
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
const drawn = (hsm: Hsm, { method, keys, format, block, pan }: Issuers, length = 4): Promise<Uint8Array> =>
  hsm.drawPin({ ...whose, length, by: { method, keys, format, block, pan } });

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
  const refused: readonly (readonly [Issuers & { readonly length?: number }, string])[] = [
    [six, "the PIN has 4 digits, and the product's have 6"],
    [{ ...of(4), keys: "pin-des" as KeyRef }, "a PIN block of format 4 is under AES (ISO 9564-1)"],
    [{ ...of(0), keys: "pin-aes" as KeyRef }, "a PIN block of format 0 is under triple DES (ISO 9564-1)"],
    [
      { ...of(0), keys: "issuer-des" as KeyRef },
      "key issuer-des is for transport, not for pin-transport: a key has one purpose",
    ],
    [{ ...of(4), pan: "4321987654321098" }, "PIN block"],
    [{ ...of(4), block: damaged }, "PIN block"],
    [{ ...of(4), block: of(4).block.slice(0, 8) }, "16 bytes, not 8"],
    [{ ...of(0), block: of(4).block }, "8 bytes, not 16"],
    [{ ...of(3), format: 0 }, "it is not of format 0"],
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
