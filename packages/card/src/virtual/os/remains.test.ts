// What a chip analyst finds who reads the whole EEPROM: of a secret that was replaced or deleted, nothing.
import { describe, expect, test } from "vitest";
import { fresh, keys as initial, on, open, powered, say } from "../../../tools/bench.js";
import { Bench, command, create, createMf } from "../../../tools/os-bench.js";
import type { HostKeys } from "../../../tools/scp03-host.js";
import { hex, unhex } from "../../bytes/index.js";
import { type Fault, memoryStore } from "../index.js";

/** Torn pages keep a half of what they held: pieces of this length are searched, not whole keys. */
const piece = 4;

/** How many pieces of the secret lie somewhere in the EEPROM. */
function remains(store: { load(): Uint8Array }, secret: Uint8Array): number {
  const eeprom = Buffer.from(store.load());
  let found = 0;
  for (let at = 0; at + piece <= secret.length; at++)
    if (eeprom.includes(Buffer.from(secret.subarray(at, at + piece)))) found++;
  return found;
}

/** No piece of one is a piece of another. */
const secret = (seed: number): Uint8Array =>
  Uint8Array.from(
    { length: 16 },
    (_, at) => (seed * 59 + at * (2 * seed + 37) + ((at * at * seed) >> 1)) & 0xff,
  );
const [first, second, third] = [1, 5, 9].map((seed) => ({
  enc: secret(seed),
  mac: secret(seed + 1),
  dek: secret(seed + 2),
})) as [HostKeys, HostKeys, HostKeys];
const whole = ({ enc, mac, dek }: HostKeys): Uint8Array => Uint8Array.of(...enc, ...mac, ...dek);

function putSet(bench: Bench, replaced: string, kvn: string, set: HostKeys): string {
  const { host } = bench;
  if (host === undefined) throw new Error("no session");
  const data = [set.enc, set.mac, set.dek].map((key) => hex(host.wrapKey(key))).join("");
  return bench.safe(`80D8${replaced}8146${kvn}${data}00`);
}
const putKey = (bench: Bench, kid: string, key: Uint8Array): string =>
  bench.safe(command(`80D800${kid}`, `01${hex(bench.host?.wrapKey(key) ?? unhex(""))}`));
const setPin = (bench: Bench, block: string): string =>
  bench.safe(command("00240181", hex(bench.host?.underDek(unhex(`03${block}80000000000000`)) ?? unhex(""))));

const torn = (write: number): Fault => ({ kind: "torn-at", write });

/** A card with the first set; its open session costs two page writes. */
function withFirstSet(): ReturnType<typeof memoryStore> {
  const bench = new Bench();
  bench.open();
  expect(putSet(bench, "01", "30", first)).toMatch(/9000$/);
  return bench.store;
}

/** Silicon that takes so many page writes and no more. */
function failing(content: Uint8Array, atMost: number) {
  const fail = { writes: 0 };
  const silicon = memoryStore(content);
  const cut = {
    ...silicon,
    load: () => silicon.load(),
    write: (page: number, bytes: Uint8Array): void => {
      if (++fail.writes <= atMost) silicon.write(page, bytes);
    },
  };
  return { cut, fail };
}

/**
 * The act torn at every page write it has, and the power-up after that torn as often as it writes: `judge` sees each time what a
 * card says and holds that answers again. Answers how many tears there were.
 */
function tornEverywhere(
  store: ReturnType<typeof memoryStore>,
  before: (bench: Bench) => void,
  act: (bench: Bench) => string,
  judge: (bench: Bench) => void,
): number {
  let tears = 0;
  const start = store.load();
  const rehearsal = new Bench(memoryStore(start));
  before(rehearsal);
  const prior = rehearsal.card.counters.pagesWritten;
  expect(act(rehearsal)).toMatch(/9000$/);
  const writes = rehearsal.card.counters.pagesWritten - prior;
  judge(rehearsal);
  for (let write = 1; write <= writes; write++) {
    const silicon = memoryStore(start);
    const bench = new Bench(silicon, torn(prior + write));
    before(bench);
    expect(act(bench)).toBe("mute");
    tears++;
    // The power-up finishes what was left; torn itself, the next one does.
    const left = silicon.load();
    const up = on(memoryStore(left));
    powered(up);
    for (let again = 1; again <= up.counters.pagesWritten; again++) {
      const once = memoryStore(left);
      expect(powered(on(once, torn(again)))).toBe("mute");
      tears++;
      const after = new Bench(once);
      expect(after.card.counters.pagesWritten).toBeGreaterThan(0);
      judge(after);
    }
    const after = new Bench(silicon);
    judge(after);
    // The same moment, but exactly between two page writes: nothing is torn, and nothing but the pages themselves tells.
    const { cut, fail } = failing(start, prior + write - 1);
    const between = new Bench(cut);
    before(between);
    act(between);
    expect(fail.writes).toBeGreaterThanOrEqual(prior + write - 1);
    judge(new Bench(memoryStore(cut.load())));
    // Finished means finished: the next power-up has nothing to do.
    after.reset();
    const resting = on(silicon);
    powered(resting);
    expect(resting.counters.pagesWritten).toBe(0);
  }
  return tears;
}

describe("of what was replaced nothing stays in EEPROM", () => {
  test("the search finds what is there", () => {
    const store = withFirstSet();
    expect(remains(store, whole(first))).toBe(whole(first).length - piece + 1);
    expect(remains(store, whole(second))).toBe(0);
    const torso = store.load();
    torso.fill(0xff, 0x0140, 0x0140 + 32);
    torso.fill(0xff, 0x0180, 0x0180 + 32);
    expect(remains(memoryStore(torso), whole(first))).toBeGreaterThan(8);
  });

  test("the initial key set, after PUT KEY", () => {
    expect(remains(withFirstSet(), Uint8Array.of(...initial.flatMap((key) => [...key])))).toBe(0);
  });

  test("a key set, torn at every page write", () => {
    const tears = tornEverywhere(
      withFirstSet(),
      (bench) => bench.open(0x33, first),
      (bench) => putSet(bench, "30", "31", second),
      (bench) => {
        const kvn = bench.say("80CA00E000").slice(10, 12);
        const [now, gone] = kvn === "31" ? [second, first] : [first, second];
        expect([kvn, bench.open(0x33, now), remains(bench.store, whole(gone))]).toEqual([kvn, "9000", 0]);
        expect(remains(bench.store, whole(now))).toBe(whole(now).length - piece + 1);
      },
    );
    // The new page (onto an erased one: nothing is left to finish), the erasure, the erasure once more.
    expect(tears).toBe(3);
  });

  test("a key set that replaced another in the same life", () => {
    const store = withFirstSet();
    const bench = new Bench(store);
    bench.open(0x33, first);
    expect(putSet(bench, "30", "31", second)).toMatch(/9000$/);
    expect(putSet(bench, "31", "32", third)).toMatch(/9000$/);
    expect([first, second, third].map((set) => remains(store, whole(set)) > 0)).toEqual([false, false, true]);
  });

  const oldPin = "2C1357902468FFFF".replace("FFFF", "13FF");
  const newPin = "2C9876543210".padEnd(16, "7").replace(/7777$/, "89FF");

  /** A DF with a PIN and two keys. */
  function withSecrets(): ReturnType<typeof memoryStore> {
    const bench = new Bench();
    bench.open();
    for (const sent of [createMf, create("820138", "83020100")]) expect(bench.safe(sent)).toBe("9000");
    expect(putKey(bench, "01", first.enc)).toMatch(/9000$/);
    expect(putKey(bench, "10", first.mac)).toMatch(/9000$/);
    expect(setPin(bench, oldPin)).toBe("9000");
    return bench.store;
  }
  const intoDf = (bench: Bench): void => {
    bench.open();
    expect(bench.safe("00A4000C020100")).toBe("9000");
  };
  const digits = (block: string): Uint8Array => unhex(block).subarray(0, 7);

  test("a PIN, torn at every page write, and after VERIFY used both pages", () => {
    const store = withSecrets();
    const used = new Bench(store);
    used.say("00A4000C020100");
    expect(used.say(command("00200081", oldPin))).toBe("9000");
    tornEverywhere(
      store,
      intoDf,
      (bench) => setPin(bench, newPin),
      (bench) => {
        bench.say("00A4000C020100");
        const changed = bench.say(command("00200081", newPin)) === "9000";
        expect(bench.say(command("00200081", changed ? newPin : oldPin))).toBe("9000");
        expect(remains(bench.store, digits(changed ? oldPin : newPin))).toBe(0);
        expect(remains(bench.store, digits(changed ? newPin : oldPin))).toBeGreaterThan(0);
      },
    );
  });

  test("a key of a DF, torn at every page write; the other key and the PIN stay", () => {
    tornEverywhere(
      withSecrets(),
      intoDf,
      (bench) => putKey(bench, "01", second.enc),
      (bench) => {
        bench.say("00A4000C020100");
        const found = [first.enc, second.enc].map((key) => remains(bench.store, key));
        expect(found.filter((pieces) => pieces > 0)).toEqual([16 - piece + 1]);
        expect(remains(bench.store, first.mac)).toBe(16 - piece + 1);
        expect(bench.say(command("00200081", oldPin))).toBe("9000");
      },
    );
  });

  test("a key set of LOAD KEYS that another LOAD KEYS replaced", () => {
    const { store, card } = fresh();
    powered(card);
    const { host } = open(card);
    const load = (set: HostKeys): string => say(card, host.loadKeys(0x01, [set.enc, set.mac, set.dek]));
    expect([load(first), load(second)]).toEqual(["9000", "9000"]);
    expect(remains(store, whole(first))).toBe(0);
    expect(remains(store, whole(second))).toBeGreaterThan(0);
  });
});

describe("of what was deleted nothing stays in EEPROM", () => {
  const content = hex(secret(21)).repeat(8);
  /** MF with a DF (two keys, PIN) and an EF of two pages. */
  function withFiles(): ReturnType<typeof memoryStore> {
    const bench = new Bench();
    bench.open();
    const sent = [
      createMf,
      create("820101", "83020200", "80020080"),
      command("00D60000", content),
      create("820138", "83020100"),
    ];
    for (const one of sent) expect(bench.safe(one)).toBe("9000");
    expect(putKey(bench, "01", first.enc)).toMatch(/9000$/);
    expect(putKey(bench, "10", first.mac)).toMatch(/9000$/);
    return bench.store;
  }
  const intoMf = (bench: Bench): void => {
    bench.open();
    expect(bench.safe("00A4000C023F00")).toBe("9000");
  };

  test.each([
    ["a DF with its keys", "0100", first.enc],
    ["an EF with its content", "0200", secret(21)],
  ])("%s, torn at every page write", (_, fid, gone) => {
    const judge = (bench: Bench): void => {
      const there = bench.say(`00A4080C02${fid}`) === "9000";
      expect([there, remains(bench.store, gone)]).toEqual([there, there ? 16 - piece + 1 : 0]);
      const other = fid === "0100" ? "0200" : "0100";
      expect(bench.say(`00A4080C02${other}`)).toBe("9000");
      expect(remains(bench.store, fid === "0100" ? secret(21) : first.enc)).toBeGreaterThan(0);
    };
    expect(
      tornEverywhere(withFiles(), intoMf, (bench) => bench.safe(`00E4000002${fid}`), judge),
    ).toBeGreaterThan(4);
  });

  test("a file made where another was deleted keeps what it is given", () => {
    const bench = new Bench(withFiles());
    intoMf(bench);
    for (const one of [
      "00E40000020200",
      create("820101", "83020300", "80020040"),
      command("00D60000", content.slice(0, 128)),
    ])
      expect(bench.safe(one)).toBe("9000");
    expect(bench.safe("00E40000020100")).toBe("9000");
    bench.reset();
    bench.open();
    expect(bench.safe("00A4000C020300")).toBe("9000");
    expect(bench.safe("00B0000040")).toBe(`${content.slice(0, 128)}9000`);
  });
});

describe("of a terminated card's secrets nothing stays in EEPROM", () => {
  const written = hex(secret(33)).repeat(4);
  const pin = "2C9876543210".padEnd(16, "7").replace(/7777$/, "89FF");
  const secrets = [whole(first), second.enc, second.mac, third.enc, unhex(pin).subarray(0, 7)];

  /** MF with a key, a DF with two keys and a PIN, an active EF that was updated last. */
  function whereAllIs(): ReturnType<typeof memoryStore> {
    const bench = new Bench(withFirstSet());
    bench.open(0x33, first);
    const sent = [createMf, create("820138", "83020100")];
    for (const one of sent) expect(bench.safe(one)).toBe("9000");
    expect(putKey(bench, "01", second.enc)).toMatch(/9000$/);
    expect(putKey(bench, "10", second.mac)).toMatch(/9000$/);
    expect(setPin(bench, pin)).toBe("9000");
    const ef = create("820101", "83020200", "80020040", "AB058001039000");
    for (const one of [ef, "00440000", "00A4000C023F00"])
      expect([one, bench.safe(one)]).toEqual([one, "9000"]);
    expect(putKey(bench, "02", third.enc)).toMatch(/9000$/);
    expect(bench.safe("00A4080C0401000200")).toBe("9000");
    expect(bench.say(command("00D60000", written))).toBe("9000");
    return bench.store;
  }
  const buffer = (store: { load(): Uint8Array }): boolean =>
    Buffer.from(store.load().subarray(0x7ec0)).includes(Buffer.from(secret(33)));

  test("keys, PIN and buffer, torn at every page write: the card is the old one, or terminated and empty", () => {
    const store = whereAllIs();
    expect(secrets.map((one) => remains(store, one) > 0)).toEqual(secrets.map(() => true));
    expect(buffer(store)).toBe(true);
    let ended = 0;
    const tears = tornEverywhere(
      store,
      (bench) => bench.open(0x33, first),
      (bench) => bench.safe("00FE0000"),
      (bench) => {
        const isEnded = bench.say("00A40400").endsWith("6285");
        if (isEnded) ended++;
        const there = secrets.map((one) => remains(bench.store, one) > 0);
        expect([there, buffer(bench.store)]).toEqual([secrets.map(() => !isEnded), !isEnded]);
        expect(bench.open(0x33, first)).toBe(isEnded ? "6985" : "9000");
      },
    );
    // Phase, key set, MF, DF, buffer; each erased page can be torn once more when the reset repeats it.
    expect(tears).toBeGreaterThan(12);
    expect(ended).toBeGreaterThan(20);
  });

  test("costs 8 page writes, and 2 for each DF", () => {
    const bench = new Bench(whereAllIs());
    bench.open(0x33, first);
    expect(bench.writes(() => bench.safe("00FE0000"))).toBe(8 + 2 * 2);
    const bare = new Bench(withFirstSet());
    bare.open(0x33, first);
    expect(bare.writes(() => bare.safe("00FE0000"))).toBe(8);
  });

  test("a page that fails keeps no other from being erased; the card says so, and is terminated", () => {
    const store = whereAllIs();
    const bench = new Bench(store, { kind: "weak-page", page: 6 });
    bench.open(0x33, first);
    expect(bench.safe("00FE0000")).toBe("6581");
    expect(bench.again({ kind: "weak-page", page: 6 })).toMatch(/^3B9C/);
    expect(bench.say("00A40400")).toBe("6285");
    expect(secrets.map((one) => remains(store, one))).toEqual(secrets.map(() => 0));
  });
});

test("a failing memory says so and stays a card: the older page cannot be erased, the new key set is in force", () => {
  // LOAD KEYS wrote page 5, PUT KEY page 6, so the next one writes 5 and erases 6.
  const store = withFirstSet();
  const bench = new Bench(store, { kind: "weak-page", page: 6 });
  bench.open(0x33, first);
  expect(putSet(bench, "30", "31", second)).toBe("6581");
  expect(bench.again({ kind: "weak-page", page: 6 })).toMatch(/^3B9C/);
  expect(bench.open(0x33, second)).toBe("9000");
  expect(remains(store, whole(first))).toBe(0);
});
