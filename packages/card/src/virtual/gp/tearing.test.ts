import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../node/index.js";
import {
  accessApp,
  aes,
  GpBench,
  installAccess,
  isdAid,
  keysOf,
  selectOf,
  type Session,
} from "../../../tools/gp-bench.js";
import type { Command } from "../../apdu/index.js";
import { aid, hex, unhex } from "../../bytes/index.js";
import {
  getCardData,
  installForPersonalization,
  putKey,
  putKeyPair,
  setStatus,
  storeDgis,
} from "../../globalplatform/index.js";
import { memoryStore } from "../index.js";

const made = keysOf(16, 0x21);
const replace = (session: Session): Command =>
  putKey({
    oldKvn: 0x30,
    newKvn: 0x31,
    firstKeyId: 1,
    keys: [made.enc, made.mac, made.dek].map((key) => ({ type: "aes", key })),
    crypto: nodeCrypto,
    dekEncrypt: (data) => session.encryptWithDek(data),
  }).command;
const store = (): Command =>
  storeDgis([{ id: 0x0101, value: new Uint8Array(100).fill(7) }])[0] ?? getCardData(0x66);

interface Act {
  readonly name: string;
  readonly before: (bench: GpBench, session: Session) => void;
  readonly command: (session: Session) => Command;
  /** What the card shows of it. */
  readonly seen: (bench: GpBench) => string;
}
const secured = (bench: GpBench, session: Session, command: Command): void => {
  expect(bench.secured(session, command)).toBe("9000");
};
const nothing = (): void => undefined;
const acts: readonly Act[] = [
  {
    name: "PUT KEY",
    before: nothing,
    command: replace,
    seen: (bench) => hex(bench.send(getCardData(0xe0)).data),
  },
  {
    name: "PUT KEY of a key pair",
    before: nothing,
    command: (session) =>
      putKeyPair({
        oldKvn: 0,
        newKvn: 0x03,
        kid: 0x11,
        privateKey: new Uint8Array(32).fill(0x21),
        dekEncrypt: (data) => session.encryptWithDek(data),
      }).command,
    seen: (bench) => hex(bench.send(getCardData(0xe0)).data),
  },
  {
    name: "INSTALL",
    before: nothing,
    command: () => installAccess,
    seen: (bench) => bench.say(selectOf(hex(accessApp))),
  },
  {
    name: "SET STATUS",
    before: nothing,
    command: () => setStatus({ of: "isd", state: 0x07, aid: aid(isdAid) }),
    seen: (bench) => {
      const session = bench.open({ keys: keysOf(16), level: 1 });
      const ask = { cla: 0x80, ins: 0xf2, p1: 0x80, p2: 2, data: unhex("4F00"), le: 256 };
      return hex(bench.secure(session, ask).data);
    },
  },
  {
    name: "STORE DATA",
    before: (bench, session) => {
      secured(bench, session, installAccess);
      secured(bench, session, installForPersonalization(accessApp));
    },
    command: store,
    seen: (bench) => {
      bench.send(selectOf(hex(accessApp)));
      return bench.say({ cla: 0, ins: 0xca, p1: 1, p2: 1, le: 256 });
    },
  },
];

describe.each(acts)("$name, torn at every page write", ({ before, command, seen }) => {
  /** Pages written up to the command and by it; what the card shows before and after. */
  const rehearse = () => {
    const bench = new GpBench({ keySets: [aes()] });
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    before(bench, session);
    const until = bench.card.counters.pagesWritten;
    const old = seen(new GpBench(memoryStore(bench.store.load())));
    secured(bench, session, command(session));
    return { until, writes: bench.card.counters.pagesWritten - until, old, new: seen(bench) };
  };
  const whole = rehearse();
  test("there is something to tear", () => {
    expect(whole.writes).toBeGreaterThan(1);
    expect(whole.old).not.toBe(whole.new);
  });
  test("it is the old or the new, and once new it stays so; then it can be done", () => {
    const found: string[] = [];
    for (let write = 1; write <= whole.writes; write++) {
      const bench = new GpBench({ keySets: [aes()] }, [{ kind: "torn-at", write: whole.until + write }]);
      const session = bench.open({ keys: keysOf(16), level: 0x33 });
      before(bench, session);
      expect(bench.say(session.wrap(command(session)))).toBe("mute");
      bench.power();
      const now = seen(bench);
      expect([whole.old, whole.new]).toContain(now);
      found.push(now === whole.new ? "new" : "old");
      // Settled at the first reset: a second one writes nothing.
      const settled = new GpBench(memoryStore(bench.store.load()));
      expect(settled.card.counters.pagesWritten).toBe(0);
    }
    expect(found).toEqual([...found].sort((one, other) => (one === other ? 0 : one === "old" ? -1 : 1)));
    expect(found[0]).toBe("old");
  });
});

test("after a torn PUT KEY no key of the set that lost is left in the silicon", () => {
  for (let write = 1; write <= 12; write++) {
    const bench = new GpBench({ keySets: [aes()] }, [{ kind: "torn-at", write: 2 + write }]);
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    bench.say(session.wrap(replace(session)));
    bench.power();
    const isNew = hex(bench.send(getCardData(0xe0)).data).includes("0131");
    const memory = hex(bench.store.load());
    const lost = isNew ? keysOf(16) : made;
    for (const key of [lost.enc, lost.mac, lost.dek]) expect(memory).not.toContain(hex(key));
  }
});
