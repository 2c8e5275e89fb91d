import { readFileSync } from "node:fs";
import { hex, unhex } from "@persoline/card/bytes";
import { diversify3des, diversifyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import {
  type CardProgram,
  type Run,
  type RunEnd,
  type SealedSecrets,
  type Serial,
  scp11Kids,
} from "@persoline/card/program";
import { fabricateGlobalPlatform } from "@persoline/card/virtual";
import { Keyring } from "../../devices/hsm/keyring.js";
import type { StoredKey } from "../../devices/hsm/keystore.js";
import { unseal } from "../../devices/hsm/seal.js";
import { anyPin, openOrderNow, placesIn, sessionsOf } from "../../devices/hsm/order.test.data.js";
import { policyDigest } from "../../devices/hsm/order-policy.js";
import { vaultCalls } from "../../devices/hsm/vault-core.js";
import type { OrderRecord } from "../../orders/types.js";
import { certifiedChip } from "../../devices/shop-floor/certified-chip.js";
import { Bench, ReaderFailed } from "../life.test.data.js";
import { prepare } from "../prepare.js";
import { parseAnyProduct } from "../product.js";
import { compileGp, type PlannedGp } from "./compile.js";

/** The GlobalPlatform programs on the virtual card, through a real security module: nothing here is scripted. */
const example = new URL("../../../../../examples/products/gp-access/product.yaml", import.meta.url);
export const productText = readFileSync(example, "utf8");

/** The same card for those whose chips know SCP02 only. */
export const scp02Text = productText
  .replace(
    /^initial: .*$/m,
    'initial: { protocol: scp02, i: "55", level: "03", keys: gp-fab-des, version: "FF", diversify: visa2 }',
  )
  .replace(
    /^channel: .*$/m,
    'channel: { protocol: scp02, i: "55", level: "03", keys: gp-issuer-des, version: "20", diversify: emv-cps }',
  );

/** The same card on chips that come with a certified key pair; c answers with the pair itself. */
export const scp11Text = readFileSync(new URL("../gp-certified/product.yaml", example), "utf8");
const scp11cText = scp11Text.replace("variant: a", "variant: c");
const keyList = readFileSync(new URL("../../keys/gp-certified-test-keys.yaml", example), "utf8");
const publishedIn = (name: string): string =>
  new RegExp(`name: ${name}, .*published: "([0-9A-F]{64})"`).exec(keyList)?.[1] ?? "";
const authority = unhex(publishedIn("maker-authority"));
/** With a PIN of the holder's, and something that it opens. */
export const withPin = (text: string): string =>
  `${text.replace(/^( *)"0301": .*$/m, '$&\n$1"0401": { value: "{number}" }')}
pin: { method: drawn, application: access, length: 5, tries: 3, letter: true }
`;

export function planned(text: string, loadFiles: ReadonlyMap<string, Uint8Array> = new Map()): PlannedGp {
  const read = parseAnyProduct(text, "product.yaml");
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  if (read.product.kind !== "globalplatform") throw new Error("another card's product");
  return compileGp(read.product, loadFiles);
}

export const record: OrderRecord = {
  number: 3,
  row: 4,
  fields: {
    name: "Žofia O’Brien-Иванова",
    department: "Quality laboratory",
    premises: ["HQ", "DOCK"],
    number: "GP-00107",
    validUntil: "2028-12-31",
  },
  photos: {},
};
export const programsOf = (compiled: PlannedGp): readonly (readonly [string, CardProgram])[] => {
  const { personalization, proof } = prepare(compiled, record, { order: "GP-26-1" });
  return [
    ["test", compiled.test],
    ["completion", compiled.completion],
    ["initialisation", compiled.initialisation],
    ["personalization", personalization],
    ["proof", proof],
  ];
};

export const serial = "504C0000000000000107" as Serial;
type Masters = Readonly<Record<string, [StoredKey["use"], StoredKey["algorithm"], string]>>;
const masters: Masters = {
  "gp-fab": ["scp03", "AES-128", "404142434445464748494A4B4C4D4E4F"],
  "gp-issuer": ["scp03", "AES-256", "E0E1E2E3E4E5E6E7E8E9EAEBECEDEEEF".repeat(2)],
  "gp-fab-des": ["scp02", "3DES", "404142434445464748494A4B4C4D4E4F"],
  "gp-issuer-des": ["scp02", "3DES", "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"],
  "store-seal": ["seal", "AES-256", "00".repeat(32)],
  "maker-authority": ["card-authority", "P-256", hex(nodeCrypto.p256.publicKeyOf(authority))],
  "line-host": ["scp11", "P-256", publishedIn("line-host")],
  "access-app": ["application", "AES-128", "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF"],
};
const ringWith = (more: Masters) =>
  new Keyring(
    "test",
    Object.entries({ ...masters, ...more }).map(([name, [use, algorithm, value]]) => ({
      name: name as StoredKey["name"],
      use,
      algorithm,
      environment: "test",
      published: true,
      value: unhex(value),
    })),
  );
export const moduleWith = (more: Masters) => vaultCalls(ringWith(more));
const ring = ringWith({});
export const calls = vaultCalls(ring);
const whose = { record: 3 };
/** The record's PIN as an order of these programs has it, each list of places its own order. */
const sealedPins = new Map<string, Uint8Array>();
export function secretsOf(programs: readonly CardProgram[]): SealedSecrets {
  const places = [...placesIn(programs), ...anyPin()];
  const order = `GP-${policyDigest(places).slice(0, 16)}`;
  openOrderNow(calls, order, places);
  const pin = sealedPins.get(order) ?? calls.drawPin({ ...whose, order, name: "pin", length: 5 });
  sealedPins.set(order, pin);
  return { ...whose, order, pins: { pin } };
}
/** The digits, as only the module's own key can tell them. */
export const pinDigits = ({ order, record, pins }: SealedSecrets): string =>
  Buffer.from(unseal(ring, { purpose: "pin", order, record, name: "pin" }, pins["pin"] ?? none)).toString();
const none = new Uint8Array(0);

/** A chip as its maker left it: keys of the published master; so many sessions were opened with them before. */
export function chip({ product: { initial } }: PlannedGp, sessions = 0): Uint8Array {
  const master = unhex(masters["gp-fab"]?.[2] ?? "");
  const number = unhex(serial);
  if (initial.protocol === "scp11") {
    const { variant, kvn, authorityName = new Uint8Array(0), isd = new Uint8Array(0) } = initial;
    const kid = scp11Kids[variant];
    return certifiedChip({ authority, authorityName, kid, kvn, authorityKvn: 0x01, isd }, number, false);
  }
  const isDes = initial.protocol === "scp02";
  const keys = isDes
    ? diversify3des(nodeCrypto, master, number, "visa2")
    : diversifyKdf3(nodeCrypto, master, number);
  return fabricateGlobalPlatform({
    chipNumber: number,
    keySets: [{ kvn: initial.kvn, algorithm: isDes ? "3des" : "aes", ...keys, sessions }],
    i02: 0x55,
    i03: 0x70,
  });
}

/** One GlobalPlatform card at a head. */
export class GpHead extends Bench {
  override run(program: CardProgram, more: Partial<Run> = {}): Promise<RunEnd> {
    const secrets = secretsOf([program]);
    return super.run(program, { hsm: sessionsOf(calls, secrets.order), serial, secrets, ...more });
  }

  /** Tries of the secure channel that are left (docs/gp-card.md 1). */
  get tries(): number {
    return triesIn(this.store.load());
  }
}

/** First byte of the newer valid page of the counters' pair; never written: all ten. */
export function triesIn(content: Uint8Array): number {
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  const written = [0x01c0, 0x0200].filter((at) => view.getUint32(at) !== 0xffffffff);
  const newest = written.toSorted((a, b) => view.getUint32(b) - view.getUint32(a))[0];
  return newest === undefined ? 10 : (content[newest + 6] ?? 0);
}

/** EEPROM as text, for what must or must not be in it. */
export const memoryText = (head: GpHead): string => hex(head.store.load());

export const kinds = [
  ["SCP03", productText],
  ["SCP02", scp02Text],
  ["SCP11a", scp11Text],
  ["SCP11c", scp11cText],
  ["SCP03, with a PIN", withPin(productText)],
  ["SCP02, with a PIN", withPin(scp02Text)],
] as const;

/** All programs up to this one, without trouble. */
export async function livedUntil(text: string, name: string): Promise<GpHead> {
  const compiled = planned(text);
  const head = new GpHead(chip(compiled));
  for (const [station, program] of programsOf(compiled)) {
    if (station === name) break;
    const end = await head.run(program);
    if (end.kind !== "passed") throw new Error(`${station}: ${JSON.stringify(end)}`);
  }
  return head;
}
export const programOf = (text: string, name: string): CardProgram => {
  const found = programsOf(planned(text)).find(([station]) => station === name)?.[1];
  if (found === undefined) throw new Error(`no program ${name}`);
  return found;
};

/** A process that begins anew knows the journal only; a card mute before any change is seated again. */
export async function throughTrouble(head: GpHead, program: CardProgram): Promise<RunEnd> {
  try {
    const end = await head.run(program);
    const seat = end.kind === "rejected" && end.code === "mute" && !end.changed;
    return seat ? await head.run(program) : end;
  } catch (thrown) {
    if (!(thrown instanceof ReaderFailed)) throw thrown;
    const open = head.notes.at(-1)?.event === "intent" ? head.notes.at(-1) : undefined;
    const resume = open && { segment: open.segment, program: open.program, resumes: 0 };
    return head.run(program, resume === undefined ? {} : { resume });
  }
}
