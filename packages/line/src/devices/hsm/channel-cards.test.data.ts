/** Cards with keys that tests know, and whole sessions with them through a security module, whichever it is. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, decodeResponse, encodeCommand, type Response } from "@persoline/card/apdu";
import { hex, unhex } from "@persoline/card/bytes";
import type { KeySet } from "@persoline/card/globalplatform";
import { nodeCrypto, random } from "@persoline/card/node";
import type { KeyRef, Part, SecureChannelSpec, SecureStep, Serial } from "@persoline/card/program";
import {
  fabricateGlobalPlatform,
  type GlobalPlatformChip,
  makeVirtualCard,
  memoryStore,
  type VirtualCard,
} from "@persoline/card/virtual";
import { expect } from "vitest";
import { orderOfSteps } from "./order.test.data.js";
import type { Hsm } from "./port.js";
import { createKeystore, openVault } from "./vault.js";

/** Published values of these tests' own; each is made of one byte that grows. */
export const masterOf = (length: number, first: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => first + at);
export const masters = {
  fab128: { use: "scp03", algorithm: "AES-128", value: masterOf(16, 0x10) },
  fab192: { use: "scp03", algorithm: "AES-192", value: masterOf(24, 0x30) },
  fab256: { use: "scp03", algorithm: "AES-256", value: masterOf(32, 0x50) },
  fabdes: { use: "scp02", algorithm: "3DES", value: masterOf(16, 0x80) },
  gate: { use: "application", algorithm: "AES-128", value: masterOf(16, 0xa0) },
} as const;
/** As a ceremony takes them. */
export const publishedMasters = Object.entries(masters).map(([name, { use, algorithm, value }]) => ({
  name,
  use,
  algorithm,
  published: hex(value),
}));

export const chip = unhex("504C0102030400000042");
export const serial = hex(chip) as Serial;
export const ref = (name: string) => name as KeyRef;

export interface OpenedVault {
  readonly hsm: Hsm;
  /** Where its keystore lies. */
  readonly folder: string;
  readonly end: () => Promise<void>;
}

/** A security module in a process of its own, with these keys, in a folder of its own. */
export async function vaultWith(keys: Parameters<typeof createKeystore>[0]["keys"]): Promise<OpenedVault> {
  const folder = mkdtempSync(join(tmpdir(), "persoline-channel-"));
  const file = join(folder, "keystore.json");
  const unlock = { keyFile: join(folder, "vault.key") };
  const letterPrinter = { writePrivateKeyTo: join(folder, "printer.pem") };
  await createKeystore({ file, environment: "test", unlock, keys, letterPrinter });
  const hsm = await openVault({ file, unlock });
  return {
    hsm,
    folder,
    end: async () => {
      await hsm.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export function cardWith(
  keys: KeySet,
  algorithm: "aes" | "3des",
  more: Partial<GlobalPlatformChip> = {},
): VirtualCard {
  const content = fabricateGlobalPlatform({
    chipNumber: chip,
    keySets: [{ kvn: 0xff, algorithm, ...keys }],
    ...more,
  });
  const card = makeVirtualCard({ eeprom: memoryStore(content), random, crypto: nodeCrypto });
  card.powerOn();
  return card;
}
export const send = (card: VirtualCard, command: Command): Response =>
  decodeResponse(card.transmit(encodeCommand(command)) ?? new Uint8Array(0));

/** One whole session; the answers in clear, or why there are none. */
export async function sessionBy(
  hsm: Hsm,
  card: VirtualCard,
  channel: SecureChannelSpec,
  steps: readonly SecureStep[],
) {
  const order = await orderOfSteps(hsm, channel, steps);
  const { session: id, open } = await hsm.openSession({ channel, serial, order });
  const ready = await hsm.authenticate({ session: id, answer: send(card, open), steps });
  if (!ready.ok) return ready;
  if ("more" in ready) throw new Error("one pass is all there is");
  const answers = ready.commands.map((command) => send(card, command));
  expect(answers[0]?.sw).toBe(0x9000);
  return hsm.unwrap({ session: id, answers: answers.slice(1) });
}

export const keyInformation: SecureStep = { cla: 0x80, ins: 0xca, p1: 0, p2: 0xe0, data: [], le: 256 };
export const putKey = (part: Extract<Part, { secret: "key-set" }>): SecureStep => ({
  cla: 0x80,
  ins: 0xd8,
  p1: 0x00,
  p2: 0x81,
  data: [part],
  le: 256,
});
