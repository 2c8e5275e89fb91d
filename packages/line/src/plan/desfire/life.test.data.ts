import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { hex, unhex } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import type { CardProgram, Run, RunEnd, Serial } from "@persoline/card/program";
import { type Fault, fabricateDesfire, makeDesfireCard } from "@persoline/card/virtual";
import { Keyring } from "../../devices/hsm/keyring.js";
import type { StoredKey } from "../../devices/hsm/keystore.js";
import { orderFor, sessionsOf } from "../../devices/hsm/order.test.data.js";
import { vaultCalls } from "../../devices/hsm/vault-core.js";
import type { OrderRecord } from "../../orders/types.js";
import { Bench } from "../life.test.data.js";
import { prepare } from "../prepare.js";
import { parseAnyProduct } from "../product.js";
import { compileDesfire, type PlannedDesfire } from "./compile.js";

/** The DESFire programs on the virtual card, through a real security module: nothing here is scripted. */
const example = new URL("../../../../../examples/products/desfire-access/product.yaml", import.meta.url);
export const productText = readFileSync(example, "utf8");
/** The same card for gates that know EV1 only; nothing is set for ever. */
export const ev1Text = productText
  .replace("session: ev2", "session: ev1")
  .replace("random-uid: true", "random-uid: false")
  .replace("no-format: true", "no-format: false");

export const kinds = [
  ["EV2", productText],
  ["EV1", ev1Text],
] as const;

export function planned(text: string): PlannedDesfire {
  const read = parseAnyProduct(text, "product.yaml");
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  if (read.product.kind !== "desfire") throw new Error("another card's product");
  return compileDesfire(read.product);
}

export const record: OrderRecord = {
  number: 3,
  row: 4,
  fields: {
    name: "Žofia O’Brien-Иванова",
    premises: ["QUAY", "SHED-3", "OFFICE"],
    number: "NK-0107",
    validUntil: "2028-12-31",
  },
  photos: {},
};
export const programsOf = (compiled: PlannedDesfire): readonly (readonly [string, CardProgram])[] => {
  const { personalization, proof } = prepare(compiled, record, { order: "2026-320" });
  return [
    ["test", compiled.test],
    ["completion", compiled.completion],
    ["initialisation", compiled.initialisation],
    ["personalization", personalization],
    ["proof", proof],
  ];
};
export const programOf = (text: string, name: string): CardProgram => {
  const found = programsOf(planned(text)).find(([station]) => station === name)?.[1];
  if (found === undefined) throw new Error(`no program ${name}`);
  return found;
};

export const uid = "04A1B200000107";
export const serial = uid as Serial;
export const masters: Readonly<Record<string, string>> = {
  "desfire-picc": "E0E1E2E3E4E5E6E7E8E9EAEBECEDEEEF",
  "desfire-access-app": "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF",
  "desfire-canteen-app": "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF",
};
export const calls = vaultCalls(
  new Keyring(
    "test",
    Object.entries({ ...masters, "store-seal": "00".repeat(32) }).map(([name, value]) => ({
      name: name as StoredKey["name"],
      use: name === "store-seal" ? "seal" : "desfire",
      algorithm: name === "store-seal" ? "AES-256" : "AES-128",
      environment: "test",
      published: true,
      value: unhex(value),
    })),
  ),
);

export const chip = (): Uint8Array => fabricateDesfire({ uid: unhex(uid) });

/** One DESFire-style card at a head. */
export class DesfireHead extends Bench {
  /** Every command it was sent, from CLA to Le. */
  readonly heard: string[] = [];
  /** Proofs that the card did not take. */
  refusedProofs = 0;

  constructor(content: Uint8Array, faults: readonly Fault[] = []) {
    super(content, faults, (_, eeprom) =>
      makeDesfireCard({
        eeprom,
        faults,
        random: (length) => new Uint8Array(randomBytes(length)),
        crypto: nodeCrypto,
      }),
    );
    const { card } = this;
    const transmit = card.transmit.bind(card);
    card.transmit = (apdu) => {
      const answer = transmit(apdu);
      this.heard.push(hex(apdu));
      if (answer?.at(-1) === 0xae && apdu[1] === 0xaf) this.refusedProofs++;
      return answer;
    };
  }

  override run(program: CardProgram, more: Partial<Run> = {}): Promise<RunEnd> {
    const order = orderFor(calls, [program]);
    const secrets = { order, record: 1, pins: {} };
    return super.run(program, { hsm: sessionsOf(calls, order), secrets, serial, ...more });
  }
}

/** EEPROM as text, for what must or must not be in it. */
export const memoryText = (head: DesfireHead): string => hex(head.store.load());

/** All programs up to this one, without trouble. */
export async function livedUntil(text: string, name: string): Promise<DesfireHead> {
  const head = new DesfireHead(chip());
  for (const [station, program] of programsOf(planned(text))) {
    if (station === name) break;
    const end = await head.run(program);
    if (end.kind !== "passed") throw new Error(`${station}: ${JSON.stringify(end)}`);
  }
  return head;
}
