import { describe, expect, test } from "vitest";
import {
  accessApp,
  aes,
  des,
  GpBench,
  installAccess,
  isdAid,
  keysOf,
  selectOf,
} from "../../../tools/gp-bench.js";
import { elliptic, cardKey } from "../../../tools/scp11-bench.js";
import type { Command } from "../../apdu/index.js";
import { aid, hex, unhex } from "../../bytes/index.js";
import {
  CARD_STATES,
  getCardData,
  getCertificates,
  initializeUpdate,
  installForPersonalization,
  type NewDgi,
  parseCardData,
  setStatus,
  storeDgis,
  storeStream,
} from "../../globalplatform/index.js";
import { memoryStore } from "../index.js";

const terminate = setStatus({ of: "isd", state: CARD_STATES.terminated, aid: aid(isdAid) });
const key = new Uint8Array(16).fill(0x4b);
const name = new TextEncoder().encode("Ada Byron, laboratory");
const pinBlock = unhex("2512345FFFFFFFFF");
/** Everything that must be gone. */
const secrets: readonly (readonly [what: string, bytes: Uint8Array])[] = [
  ...Object.entries<Uint8Array>({ ...keysOf(16) }),
  ["the card's private key", cardKey.privateKey],
  ["a key of the applet", key],
  ["the PIN", pinBlock],
  ["the holder's name", name],
];

/** Of a card with two key sets, a key pair, and an applet with a key, a PIN and the holder's name; SECURED. */
function personalized(): Uint8Array {
  const bench = new GpBench({ keySets: [aes(), des()], elliptic: elliptic() });
  const session = bench.open({ keys: keysOf(16), level: 0x33 });
  const groupings: NewDgi[] = [
    { id: 0x0101, value: name },
    { id: 0x8101, value: key, secret: "whole-blocks" },
    { id: 0x8281, value: unhex(`03${hex(pinBlock)}80000000000000`), secret: "whole-blocks" },
  ];
  const dek = { encrypt: (data: Uint8Array) => session.encryptWithDek(data), block: 16 as const };
  const commands: Command[] = [
    ...storeStream(unhex("4503112233")),
    installAccess,
    installForPersonalization(accessApp),
    ...storeDgis(groupings, { dek }),
    ...(["initialized", "secured"] as const).map((state) =>
      setStatus({ of: "isd", state: CARD_STATES[state], aid: aid(isdAid) }),
    ),
  ];
  for (const command of commands) expect(bench.secured(session, command)).toBe("9000");
  return bench.store.load();
}
const before = personalized();
const left = (bench: GpBench): string[] => {
  const memory = hex(bench.store.load());
  return secrets.filter(([, bytes]) => memory.includes(hex(bytes))).map(([what]) => what);
};
const all = secrets.map(([what]) => what);
const ended = (bench: GpBench): boolean => bench.say(selectOf("")) === "6985";
const challenge = initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(8) });

describe("a terminated card", () => {
  const bench = new GpBench(memoryStore(before.slice()));
  const there = left(bench);
  const session = bench.open({ keys: keysOf(16), level: 0x33 });
  const until = bench.card.counters.pagesWritten;
  const answer = bench.secured(session, terminate);
  const writes = bench.card.counters.pagesWritten - until;

  test("answers under the session that ended it, and has forgotten every key, PIN and datum of its holder", () => {
    expect(there).toEqual(all);
    expect(answer).toBe("9000");
    expect(left(bench)).toEqual([]);
    // The session is over with its keys: what is secured by it is nothing now.
    expect(bench.say(session.wrap(getCardData(0x66)))).toBe("6982");
  });
  test("does GET DATA, and nothing else (GPCS 5.1.1.5), now and after a reset", () => {
    for (let round = 0; round < 2; round++) {
      expect(hex(bench.send(getCardData(0xcf)).data)).toMatch(/^CF0A/);
      expect(bench.say(getCardData(0x9f7f))).toBe("9000");
      expect(hex(bench.send(getCardData(0x45)).data)).toBe("4503112233");
      // Of keys and channels there is nothing to tell.
      expect(hex(bench.send(getCardData(0xe0)).data)).toBe("E000");
      expect(bench.say(getCardData(0xc1))).toBe("6A88");
      expect(bench.say(getCertificates({ id: 0x11, kvn: 0x03 }))).toBe("6A88");
      expect(parseCardData(bench.send(getCardData(0x66)).data).scps).toEqual([]);
      const others: Command[] = [
        selectOf(""),
        selectOf(hex(accessApp)),
        challenge,
        { cla: 0x84, ins: 0x82, p1: 1, p2: 0, data: new Uint8Array(16) },
        { cla: 0x80, ins: 0x88, p1: 3, p2: 0x13, data: new Uint8Array(16) },
        { cla: 0x80, ins: 0x2a, p1: 1, p2: 0x10, data: new Uint8Array(16) },
        { cla: 0x80, ins: 0xf2, p1: 0x80, p2: 2, data: unhex("4F00"), le: 256 },
        terminate,
        installAccess,
      ];
      for (const command of others) expect([command.ins, bench.say(command)]).toEqual([command.ins, "6985"]);
      bench.power();
    }
  });
  test("torn at any page write it is the old one, or terminated and empty once it has power again", () => {
    let ends = 0;
    for (let write = 1; write <= writes; write++) {
      const torn = new GpBench(memoryStore(before.slice()), [{ kind: "torn-at", write: until + write }]);
      const one = torn.open({ keys: keysOf(16), level: 0x33 });
      expect(torn.say(one.wrap(terminate))).toBe("mute");
      torn.power();
      if (ended(torn)) ends++;
      else torn.open({ keys: keysOf(16), level: 0x33 });
      expect([write, left(torn)]).toEqual([write, ended(torn) ? [] : all]);
      // What a reset had to finish is finished.
      expect(new GpBench(memoryStore(torn.store.load())).card.counters.pagesWritten).toBe(0);
    }
    expect([ends > writes / 2, ends < writes]).toEqual([true, true]);
  });
  test("a page of the holder's that fails keeps no other: the card says so, is terminated, and still answers", () => {
    const heap = before.findIndex((_, at) => hex(before.subarray(at, at + name.length)) === hex(name));
    const weak = [{ kind: "weak-page", page: Math.floor(heap / 64) }] as const;
    const failing = new GpBench(memoryStore(before.slice()), weak);
    const one = failing.open({ keys: keysOf(16), level: 0x33 });
    expect(failing.secure(one, terminate).sw.toString(16)).toBe("6581");
    expect(left(failing).filter((what) => what !== "the holder's name")).toEqual([]);
    failing.power();
    expect(ended(failing)).toBe(true);
    expect(failing.say(getCardData(0x9f7f))).toBe("9000");
  });
  test("a page of its keys that fails: it is terminated all the same, and all other pages are erased", () => {
    const { enc } = keysOf(16);
    const at = before.findIndex((_, from) => hex(before.subarray(from, from + 16)) === hex(enc));
    const weak = [{ kind: "weak-page", page: Math.floor(at / 64) }] as const;
    const failing = new GpBench(memoryStore(before.slice()), weak);
    const one = failing.open({ keys: keysOf(16), level: 0x33 });
    expect(failing.secure(one, terminate).sw.toString(16)).toBe("6581");
    expect(ended(failing)).toBe(true);
    expect(left(failing).filter((what) => !["enc", "mac", "dek"].includes(what))).toEqual([]);
    failing.power();
    expect(ended(failing)).toBe(true);
  });
});
