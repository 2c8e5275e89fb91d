/** What the module's process says to the line, message by message: never a key of a card or a master, never a PIN. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { decodeResponse, encodeCommand } from "@persoline/card/apdu";
import { hex, unhex } from "@persoline/card/bytes";
import { diversifyKdf3, diversifyKeyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto, random } from "@persoline/card/node";
import type { KeyRef, SecureStep, Serial } from "@persoline/card/program";
import { fabricateGlobalPlatform, makeVirtualCard, memoryStore } from "@persoline/card/virtual";
import { expect, onTestFinished, test } from "vitest";
import { deciphered } from "./enciphered.test.data.js";
import { pinIn, printed } from "./letters/letters.test.data.js";
import { anyPin, openOrder, placesOf } from "./order.test.data.js";
import { createKeystore, openVault } from "./vault.js";
import { MESSAGES } from "./vault-protocol.js";

const chip = unhex("504C0102030400000042");
const serial = hex(chip) as Serial;
const masters = {
  fab: Uint8Array.from({ length: 16 }, (_, at) => 0x91 + at),
  issuer: Uint8Array.from({ length: 16 }, (_, at) => 0x51 + at),
  app: Uint8Array.from({ length: 16 }, (_, at) => 0xb1 + at),
};
const ref = (name: string) => name as KeyRef;

test("a card with its keys, PIN, letter and proofs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "persoline-leaves-"));
  const file = join(folder, "keystore.json");
  const unlock = { keyFile: join(folder, "key") };
  const printer = join(folder, "printer.pem");
  await createKeystore({
    file,
    environment: "test",
    unlock,
    keys: [
      { name: "fab", use: "scp03", published: hex(masters.fab) },
      { name: "issuer", use: "scp03", published: hex(masters.issuer) },
      { name: "app", use: "application", published: hex(masters.app) },
    ],
    letterPrinter: { writePrivateKeyTo: printer },
  });
  const said: Buffer[] = [];
  let child: ChildProcess | undefined;
  const hsm = await openVault({
    file,
    unlock,
    start: (script, options) => {
      child = fork(script, [], options);
      (child.stdio[MESSAGES] as Duplex).on("data", (bytes: Buffer) => said.push(bytes));
      return child;
    },
  });
  onTestFinished(async () => {
    await hsm.close();
    rmSync(folder, { recursive: true });
  });
  const keySets = [{ kvn: 0xff, algorithm: "aes" as const, ...diversifyKdf3(nodeCrypto, masters.fab, chip) }];
  const content = fabricateGlobalPlatform({ chipNumber: chip, keySets });
  const card = makeVirtualCard({ eeprom: memoryStore(content), random, crypto: nodeCrypto });
  card.powerOn();
  const send = (command: Parameters<typeof encodeCommand>[0]) =>
    decodeResponse(card.transmit(encodeCommand(command)) ?? new Uint8Array(0));
  const whose = { order: "A-1", record: 1 };
  const steps: SecureStep[] = [
    {
      cla: 0x80,
      ins: 0xe2,
      p1: 0x60,
      p2: 0,
      data: [unhex("810110"), { secret: "wrapped-key", keys: ref("app"), kid: 1 }],
    },
    {
      cla: 0x80,
      ins: 0xe2,
      p1: 0x60,
      p2: 1,
      data: [unhex("828110"), { secret: "pin", pin: "pin", tries: 3 }],
    },
    { cla: 0x00, ins: 0xa4, p1: 4, p2: 0, data: [unhex("A000000151000000")] },
    {
      cla: 0x80,
      ins: 0xd8,
      p1: 0,
      p2: 1,
      data: [{ secret: "key", keys: ref("app"), kid: 2, kvn: 1 }],
      le: 256,
    },
    {
      cla: 0x80,
      ins: 0xd8,
      p1: 0,
      p2: 0x81,
      data: [{ secret: "key-set", keys: ref("issuer"), kvn: 0x31 }],
      le: 256,
    },
    {
      cla: 0x00,
      ins: 0x88,
      p1: 0,
      p2: 1,
      data: [{ secret: "challenge" }],
      le: 256,
      judge: { proof: "internal", keys: ref("app"), kid: 3 },
    },
  ];
  const channel = { protocol: "scp03", keys: ref("fab"), kvn: 0xff, level: 0x03 } as const;
  await openOrder(hsm, whose.order, [...anyPin(), ...placesOf(channel, steps)]);
  const pin = await hsm.drawPin({ ...whose, name: "pin", length: 12 });
  const { session, open } = await hsm.openSession({
    channel,
    serial,
    secrets: { ...whose, pins: { pin } },
  });
  const answer = send(open);
  const ready = await hsm.authenticate({ session, answer, steps });
  if (!ready.ok || "more" in ready) throw new Error("no session");
  const answers = ready.commands.map(send).slice(1);
  expect(await hsm.unwrap({ session, answers })).toMatchObject({ ok: true });
  await hsm.openMutual({ keys: ref("app"), kid: 1, serial, cardChallenge: random(16) });
  const letter = join(folder, "letter");
  const { order, record } = whose;
  const letters = [{ record, name: "pin", sealed: pin, letter: "L1", addressee: "Ada" }];
  await hsm.writeLetters({ order, batch: "B1", letters, file: letter });
  await hsm.keys();
  await hsm.sign("audit", random(8));

  const digits = pinIn(printed(printer, letter)[0]);
  expect(digits).toHaveLength(12);
  const keys = [
    ...Object.values(masters),
    ...[masters.fab, masters.issuer].flatMap((master) => {
      const { enc, mac, dek } = diversifyKdf3(nodeCrypto, master, chip);
      return [enc, mac, dek];
    }),
    ...[1, 2, 3].map((kid) => diversifyKeyKdf3(nodeCrypto, masters.app, chip, kid)),
    unhex(`2C${digits}FF`),
    new Uint8Array(Buffer.from(digits)),
  ];
  // Behind the session's encryption too, nothing but the data encryption key hides what goes into the card.
  const behind = deciphered(diversifyKdf3(nodeCrypto, masters.fab, chip), {
    open,
    answer,
    commands: ready.commands.slice(1),
  });
  expect(hex(behind[0] ?? new Uint8Array(0)).startsWith("810110")).toBe(true);
  const everything = Buffer.concat([...said, ...behind]);
  // The recording is whole: the wrapped commands are in it.
  for (const { data = new Uint8Array(0) } of ready.commands)
    expect(everything.includes(Buffer.from(data))).toBe(true);
  expect(keys.filter((key) => everything.includes(Buffer.from(key)))).toHaveLength(0);
  expect(keys.filter((key) => everything.toString("latin1").toUpperCase().includes(hex(key)))).toHaveLength(
    0,
  );
});
