import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../node/index.js";
import { decodeResponse, encodeCommand, type Response } from "../apdu/index.js";
import { hex, unhex } from "../bytes/index.js";
import * as host from "../desfire/index.js";
import type { CardChannel } from "../program/index.js";
import { type EepromStore, fabricateDesfire, makeDesfireCard, memoryStore } from "../virtual/index.js";
import { inspectCard, type Inspection } from "./index.js";

const uid = unhex("04A1B2C3D4E5F6");
const atr = unhex("3B8180018080");
const zero = new Uint8Array(16);

interface Bench {
  readonly store: EepromStore;
  readonly sent: string[];
  readonly channel: CardChannel;
}

function bench(store = memoryStore(fabricateDesfire({ uid }))): Bench {
  const random = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => at * 7);
  const card = makeDesfireCard({ eeprom: store, faults: [], random, crypto: nodeCrypto });
  card.powerOn();
  const sent: string[] = [];
  const exchange: CardChannel["exchange"] = (commands) => {
    const answers: Response[] = [];
    for (const { command } of commands) {
      const apdu = encodeCommand(command);
      sent.push(hex(apdu));
      answers.push(decodeResponse(card.transmit(apdu) ?? unhex("6F00")));
    }
    return Promise.resolve(answers);
  };
  return { store, sent, channel: { exchange } };
}

/** An application of five keys with three files. `freeDirectory`: whether the card and the application tell strangers what they hold. */
async function personalized(freeDirectory: boolean): Promise<EepromStore> {
  const { store, channel } = bench();
  let session: host.DesfireSession | undefined;
  const say = async (command: host.NativeCommand) => {
    const response = await host.exchangeNative(channel, session?.wrap(command) ?? host.bare(command));
    return session === undefined ? response.data : session.unwrap(response);
  };
  const authenticate = async () => {
    const opening = new host.Ev2Authentication({
      crypto: nodeCrypto,
      key: zero,
      keyNumber: 0,
      random: new Uint8Array(16).fill(9),
    });
    const challenge = await host.exchangeNative(channel, opening.first, false);
    session = opening.finish(await host.exchangeNative(channel, opening.answer(challenge), false));
  };
  const settings = host.keySettings({
    changeKeys: 0,
    masterKeyChangeable: true,
    freeDirectory,
    freeCreateDelete: false,
    changeable: false,
  });
  const rights = { read: 1, write: 2, readWrite: 0, change: 0 } as const;
  await authenticate();
  await say(host.createApplication(0xf48120, settings, 5));
  await say(host.changeKeySettings(settings));
  session = undefined;
  await say(host.selectApplication(0xf48120));
  await authenticate();
  await say(host.createFile({ kind: "standard", file: 1, size: 100, comm: "full", rights }));
  await say(
    host.createFile({
      kind: "value",
      file: 2,
      lower: 0,
      upper: 100,
      value: 7,
      limitedCredit: false,
      comm: "mac",
      rights,
    }),
  );
  await say(host.createFile({ kind: "cyclic", file: 3, recordSize: 16, records: 4, comm: "plain", rights }));
  return store;
}

const fact = ({ facts }: Inspection, what: string) => facts.find((one) => one.what === what);

describe("a DESFire-style card", () => {
  test("fresh: version, UID, key settings and free memory, and nothing is written", async () => {
    const { store, channel } = bench();
    const before = store.load();
    const found = await inspectCard(channel, { atr });
    expect(fact(found, "DESFire version")?.value).toBe(
      "maker NXP (04), hardware 12.00 (type 0101, 8192 bytes), software 12.00 (type 0101, 8192 bytes), UID 04A1B2C3D4E5F6, batch BA54570540, made in week 48 of 2026",
    );
    expect(fact(found, "DESFire key settings")?.value).toBe(
      "1 AES key, master key changeable, directory free, create and delete free, settings changeable",
    );
    expect(fact(found, "DESFire applications")).toMatchObject({ value: "0", state: "told" });
    expect(fact(found, "DESFire free memory")?.value).toMatch(/^\d{4} bytes$/);
    expect(fact(found, "DESFire version of the master key")?.value).toBe("00");
    expect(store.load()).toEqual(before);
  });

  test("personalized with a free directory: applications, their keys and files, which nobody could read", async () => {
    const { channel } = bench(await personalized(true));
    const found = await inspectCard(channel, { atr });
    expect(found.ended).toBeUndefined();
    expect(found.applications).toContainEqual({ aid: "F48120", name: "DESFire application", seen: "listed" });
    expect(fact(found, "keys of application F48120")?.value).toBe(
      "5 AES keys, master key changeable, directory free, create and delete by master key, settings frozen",
    );
    expect(found.files).toEqual([
      { path: "F48120/01", fid: "01", structure: "standard, full", size: "100 bytes", lifeCycle: "" },
      { path: "F48120/02", fid: "02", structure: "value, mac", size: "4 bytes", lifeCycle: "" },
      {
        path: "F48120/03",
        fid: "03",
        structure: "cyclic, plain",
        size: "4 records of 16 bytes",
        lifeCycle: "",
      },
    ]);
  });

  test("its directory closed: what the master key guards is shown as refused, the rest is told", async () => {
    const { channel } = bench(await personalized(false));
    const found = await inspectCard(channel, { atr });
    for (const what of ["DESFire key settings", "DESFire applications"])
      expect(fact(found, what)).toEqual({
        what,
        value: "not answered (91AE (authentication error))",
        state: "refused",
      });
    expect(fact(found, "DESFire version")?.state).toBe("told");
    expect(fact(found, "DESFire free memory")?.state).toBe("told");
    expect(found.files).toEqual([]);
  });

  test("never begins an authentication, by whatever card is in hand", async () => {
    const { channel, sent } = bench(await personalized(true));
    await inspectCard(channel, { atr });
    const native = sent.filter((command) => command.startsWith("90")).map((command) => command.slice(2, 4));
    expect(native).not.toHaveLength(0);
    for (const ins of native) expect(["60", "5A", "6A", "6F", "F5", "45", "64", "6E", "AF"]).toContain(ins);
    // Another frame is asked for only where the answer before said that there is one: nothing else waits for AF here.
    expect(sent[sent.indexOf("90AF000000") - 1]).toMatch(/^9060/);
  });

  test("one that answers 91AF for ever, or nonsense, ends each question soon", async () => {
    const says = (status: string): CardChannel => ({
      exchange: (commands) =>
        Promise.resolve(
          commands.map(({ command }) =>
            decodeResponse(
              unhex(command.cla === 0x90 ? `01020304${status}` : command.ins === 0xa4 ? "9000" : "6D00"),
            ),
          ),
        ),
    });
    const endless = await inspectCard(says("91AF"), { atr });
    expect(fact(endless, "DESFire version")).toMatchObject({
      value: "not answered (its answer has no end)",
      state: "refused",
    });
    const odd = await inspectCard(says("9000"), { atr });
    expect(fact(odd, "DESFire version")?.value).toContain("9000 is not a DESFire status word");
    const short = await inspectCard(says("9100"), { atr });
    expect(fact(short, "DESFire version")).toMatchObject({
      value: "4 bytes that do not belong here",
      state: "not understood",
    });
  });
});
