import { describe, expect, test } from "vitest";
import { concat, unhex } from "../bytes/index.js";
import {
  channelPlace,
  everyPlacement,
  type KeyRef,
  type Part,
  placements,
  type SecureChannelSpec,
  type Step,
} from "./index.js";

const key = (name: string) => name as KeyRef;
const scp03: SecureChannelSpec = { protocol: "scp03", keys: key("fab"), kvn: 0xff, level: 0x03 };
type PlacedStep = Pick<Step, "cla" | "ins" | "p1" | "p2" | "data">;
const command = (head: string, ...data: readonly Part[]): PlacedStep => {
  const [cla = 0, ins = 0, p1 = 0, p2 = 0] = unhex(head);
  return { cla, ins, p1, p2, data };
};
const pin: Part = { secret: "pin", pin: "pin", tries: 3 };
const application = "A000000876020101";
const personalize = (aid = application): PlacedStep =>
  command("80E62000", concat(Uint8Array.of(0, 0, aid.length / 2), unhex(aid), Uint8Array.of(0, 0, 0)));
const head = (id: number, length = 16): Uint8Array => Uint8Array.of(id >> 8, id & 0xff, length);
const store = (p1: string, ...data: readonly Part[]): PlacedStep => command(`80E2${p1}00`, ...data);
const told = (steps: readonly PlacedStep[], channel: SecureChannelSpec = scp03): readonly string[] =>
  placements(channel, steps).map(({ sentence, known }) => (known ? sentence : `unknown: ${sentence}`));
const way = "SCP03 of fab (kdf3), version FF, level 03";

describe("a place is told by the session's own commands", () => {
  test("a grouping of the application that INSTALL [for personalization] names, until the last block", () => {
    const steps = [
      personalize(),
      store("08", concat(head(0x0101, 2), Uint8Array.of(1, 2))),
      store("68", head(0x8281), pin),
      store("E8", head(0x8101), { secret: "wrapped-key", keys: key("gate"), kid: 1 }),
      store("68", head(0x8281), pin),
    ];
    expect(told(steps)).toEqual([
      `PIN pin (3 tries) under DEK → ${application}, grouping 8281, STORE DATA 68; ${way}`,
      `key gate/01 under DEK → ${application}, grouping 8101, STORE DATA 68; ${way}`,
      `PIN pin (3 tries) under DEK → A000000151000000 itself, grouping 8281, STORE DATA 68; ${way}`,
    ]);
  });
  test("several groupings in one command, one inside a record, a long length", () => {
    const track: Part = {
      secret: "payment",
      application,
      part: { secret: "emv-track2", length: 4 },
      under: "clear",
    };
    const long = concat(unhex("0103FF0008"), new Uint8Array(2));
    expect(
      told([
        personalize(),
        store(
          "08",
          concat(head(0x0101, 1), Uint8Array.of(7), head(0x0102, 6)),
          track,
          concat(new Uint8Array(2), long),
          track,
          new Uint8Array(2),
        ),
      ]),
    ).toEqual([
      `emv-track2 of ${application} in clear → ${application}, grouping 0102, STORE DATA 08; ${way}`,
      `emv-track2 of ${application} in clear → ${application}, grouping 0103, STORE DATA 08; ${way}`,
    ]);
  });
  test("files of an operating system with files, keys of security domains, loaders and DESFire-style cards", () => {
    const set: Part = { secret: "key-set", keys: key("issuer"), kvn: 0x31 };
    const own: Part = { secret: "key", keys: key("app"), kid: 1, kvn: 1 };
    expect(
      told([
        command("00A4040C", unhex(application)),
        command("80D80001", own),
        command("00240181", pin),
        command("00A4000C", unhex("3F00")),
        command("80D80002", { ...own, kid: 2 }),
        command("80D83081", set),
      ]),
    ).toEqual([
      `key app/01 as version 01 under DEK → DF ${application}, PUT KEY 0001; ${way}`,
      `PIN pin (3 tries) under DEK → DF ${application}, CHANGE REFERENCE DATA 0181; ${way}`,
      `key app/02 as version 01 under DEK → MF, PUT KEY 0002; ${way}`,
      `key set issuer (aes-128, kdf3) as version 31 under DEK → A000000151000000, PUT KEY 3081; ${way}`,
    ]);
    expect(told([command("84D80030", set)], { protocol: "loader", keys: key("os") })).toEqual([
      "key set issuer (aes-128, kdf3) as version 31 under DEK → LOAD KEYS 30; loader session of os",
    ]);
    const desfire: SecureChannelSpec = {
      protocol: "desfire",
      version: "ev2",
      aid: 0xf51234,
      keyNumber: 0,
      key: "default",
    };
    const change: Part = {
      secret: "desfire-key",
      aid: 0xf51234,
      key: 1,
      version: 2,
      value: { keys: key("app"), input: ["uid", "aid"] },
      old: "default",
    };
    expect(told([command("90C40000", Uint8Array.of(1), change)], desfire)).toEqual([
      "key app by uid+aid as version 02, in place of a default key, under the session's key → F51234, ChangeKey 1; EV2 session with F51234, key 0 (a default key)",
    ]);
  });
  test("a path that was selected since is part of the place: what lies there only the card knows", () => {
    const own: Part = { secret: "key", keys: key("app"), kid: 1, kvn: 1 };
    const steps = [
      command("00A4040C", unhex(application)),
      command("00A40804", unhex("50000101")),
      command("80D80001", own),
    ];
    expect(told(steps)).toEqual([
      `key app/01 as version 01 under DEK → DF ${application} after 50000101, PUT KEY 0001; ${way}`,
    ]);
  });
  test("a program's places are those of its sessions that are taken up too", () => {
    const shaped = (one: PlacedStep, more: Partial<Step> = {}): Step =>
      ({
        ...one,
        sw: [],
        again: "session",
        changes: false,
        why: "",
        clause: "",
        cost: { pages: 0 },
        ...more,
      }) as Step;
    const ask = [shaped(command("00A40804", unhex("50000101")))];
    const steps = [
      shaped(command("00A4040C", unhex(application))),
      shaped(command("00D60000", unhex("01")), { again: "probe", probe: { ask, absent: [] } }),
      shaped(command("80D80001", { secret: "key", keys: key("app"), kid: 1, kvn: 1 })),
    ];
    const places = everyPlacement({ segments: [{ name: "one", channel: scp03, steps }] });
    const [opened, ...placed] = places;
    expect(opened?.sentence).toBe(`cards are opened by ${channelPlace(scp03)}`);
    expect(placed.map(({ sentence }) => sentence.split("→")[1]?.split(",")[0])).toEqual([
      ` DF ${application}`,
      ` DF ${application} after 50000101`,
    ]);
  });
  test("a session without a secret is told too: with the card's keys it ends cards, and puts value into them", () => {
    const steps = [{ ...command("80F080FF", unhex("A000000151000000")), sw: [], again: "session" } as never];
    expect(everyPlacement({ segments: [{ name: "end", channel: scp03, steps }] })).toEqual([
      { step: 0, sentence: `cards are opened by ${channelPlace(scp03)}`, known: true },
    ]);
    expect(everyPlacement({ segments: [{ name: "ask", channel: "plain", steps }] })).toEqual([]);
  });
  test("a challenge stays in no card, and commands without secrets have no place", () => {
    expect(told([command("00880001", { secret: "challenge" }), store("00", new Uint8Array(3))])).toEqual([]);
  });
});

describe("the sentence says how the session protects what goes through it", () => {
  const set: Part = { secret: "key-set", keys: key("issuer"), kvn: 0x31 };
  const sessionIn = (channel: SecureChannelSpec): string =>
    told([command("80D80081", set)], channel)[0]?.split("; ")[1] ?? "";
  const scp02 = {
    protocol: "scp02",
    keys: key("fab"),
    kvn: 1,
    level: 0x13,
    i: 0x55,
    diversify: "visa2",
  } as const;
  const scp11 = {
    protocol: "scp11",
    variant: "a",
    kvn: 3,
    level: 0x33,
    keyLength: 32,
    authority: key("cards"),
    authorityName: unhex("4242"),
    subject: "any",
    host: { keys: key("line"), certificates: [], authorityKvn: 1 },
  } as const;
  test.each<[SecureChannelSpec, string]>([
    [{ ...scp03, i: 0x70, level: 0x33 }, "SCP03 of fab (kdf3), version FF, i 70, level 33"],
    [{ ...scp03, isd: unhex("A000000151000000") }, "SCP03 of fab (kdf3), version FF, level 03"],
    [
      { ...scp03, isd: unhex("A0000000620101") },
      "SCP03 of fab (kdf3), version FF, level 03, domain A0000000620101",
    ],
    [scp02, "SCP02 of fab (visa2), version 01, i 55, level 13"],
    [
      scp11,
      "SCP11a, cards under any name of cards (4242), host line under version 01, version 03, AES-256, level 33",
    ],
  ])("$0.protocol", (channel, said) => {
    expect(sessionIn(channel)).toBe(said);
  });
  const unhidden: readonly SecureChannelSpec[] = [
    { ...scp03, level: 0x01 },
    { ...scp03, level: 0x11 },
    { ...scp02, level: 0x01 },
    { ...scp02, level: 0x11 },
    { ...scp11, level: 0x11 },
    // No level of SCP11, whose session would have MACs only.
    { ...scp11, level: 0x13 as 0x11 },
  ];
  test.each(unhidden)("nothing secret without command encryption: $protocol, level $level", (channel) => {
    const track: Part = {
      secret: "payment",
      application,
      part: { secret: "emv-track2", length: 16 },
      under: "clear",
    };
    const all = placements(channel, [
      command("80D80081", set),
      personalize(),
      store("68", head(0x8281), pin),
      store("08", head(0x0101), track),
    ]);
    expect(all.map(({ known }) => known)).toEqual([false, false, false]);
    for (const { sentence } of all) expect(sentence).toContain("→ no place in a session that encrypts no");
  });
});

describe("what a card deciphers, or takes as a key, comes from the module", () => {
  const loader: SecureChannelSpec = { protocol: "loader", keys: key("os") };
  const desfire: SecureChannelSpec = {
    protocol: "desfire",
    version: "ev1",
    aid: 0,
    keyNumber: 0,
    key: "default",
  };
  test.each<[string, PlacedStep, SecureChannelSpec]>([
    ["LOAD KEYS with a recorded key set", command("84D80030", new Uint8Array(57)), loader],
    [
      "LOAD KEYS with more than the module's",
      command("84D80030", { secret: "key-set", keys: key("a"), kvn: 1 }, new Uint8Array(1)),
      loader,
    ],
    ["ChangeKey with a recorded cryptogram", command("90C40000", new Uint8Array(33)), desfire],
    ["ChangeKeyEV2", command("90C60000", new Uint8Array(34)), desfire],
    [
      "SetConfiguration: the key of new applications",
      command("905C0000", unhex("01"), new Uint8Array(17)),
      desfire,
    ],
    ["a head that the module's bytes would end", store("60", unhex("8281"), pin), scp03],
    ["two bytes too many", store("E0", unhex("828112"), pin, unhex("0000")), scp03],
    [
      "a challenge beside the module's PIN",
      store("68", head(0x8281), pin, head(0x0101), { secret: "challenge" }),
      scp03,
    ],
    [
      "a head behind the module's PIN, to go on in another command",
      store("68", head(0x8281), pin, head(0x0101)),
      scp03,
    ],
    ["heads alone", store("68", unhex("010100")), scp03],
  ])("%s is refused", (_, step, channel) => {
    const all = placements(channel, channel === scp03 ? [personalize(), step] : [step]);
    expect(all[0]?.sentence).toContain("bytes from outside the module → what the card deciphers");
    expect(all[0]?.known).toBe(false);
  });
  test.each<[string, PlacedStep, SecureChannelSpec]>([
    ["what is said to be in clear", store("08", unhex("0101020102")), scp03],
    [
      "the module's PIN between heads, in two groupings",
      store("68", head(0x8281), pin, head(0x8282), pin),
      scp03,
    ],
    ["RESET RETRY COUNTER without data", command("002C0381"), scp03],
    ["LOAD BLOCK", command("84D60280", new Uint8Array(192)), loader],
    ["SetConfiguration of the card", command("905C0000", unhex("0002")), desfire],
  ])("%s is not", (_, step, channel) => {
    const all = placements(channel, channel === scp03 ? [personalize(), step] : [step]);
    expect(all.filter(({ known }) => !known)).toEqual([]);
  });
});

describe("what could be read in two ways has no place", () => {
  const unknown: readonly (readonly [string, readonly PlacedStep[]])[] = [
    [
      "a grouping that began in another command",
      [personalize(), store("68", head(0x0101)), store("68", pin)],
    ],
    [
      "a command that ends a grouping and begins the secret's",
      [
        personalize(),
        store("08", concat(head(0x0101, 4), new Uint8Array(2))),
        store("68", concat(new Uint8Array(2), head(0x8281)), pin),
      ],
    ],
    ["a secret that is longer than its grouping", [personalize(), store("68", head(0x8281, 8), pin)]],
    [
      "a grouping that is longer than the secret, and goes on",
      [personalize(), store("68", head(0x8281, 17), pin)],
    ],
    ["half a head after the secret", [personalize(), store("68", head(0x8281), pin, Uint8Array.of(1))]],
    ["a head that the module fills in", [personalize(), store("68", pin)]],
    ["no structure of groupings", [personalize(), store("70", head(0x8281), pin)]],
    [
      "no form that is known of INSTALL",
      [command("80E62000", unhex("0000")), store("68", head(0x8281), pin)],
    ],
    [
      "an INSTALL with a longer name than it has",
      [command("80E62000", unhex("000010A000000876020101000000")), store("68", head(0x8281), pin)],
    ],
    ["a selection that the module fills in", [command("00A4040C", pin), command("00240181", pin)]],
    [
      "a file that was only just created",
      [command("00A4000C", unhex("3F00")), command("00E00000", unhex("62")), command("00240181", pin)],
    ],
    [
      "the DF above one that was deleted",
      [command("00A4040C", unhex(application)), command("00E40000"), command("00240181", pin)],
    ],
    ["wherever the card stood before the session", [command("00240181", pin)]],
    [
      "a path, before any DF was named",
      [
        command("00A4080C", unhex("5000")),
        command("80D80001", { secret: "key", keys: key("a"), kid: 1, kvn: 1 }),
      ],
    ],
    [
      "bytes of the host's beside a PIN",
      [command("00A4000C", unhex("3F00")), command("00240181", unhex("03"), pin)],
    ],
    ["APPEND RECORD, which has STORE DATA's number", [personalize(), command("00E26800", head(0x8281), pin)]],
    ["PUT DATA", [personalize(), command("80DA0101", pin)]],
    [
      "a SELECT of another application meanwhile",
      [personalize(), command("00A40400", unhex("A0000000040000")), store("68", head(0x8281), pin)],
    ],
  ];
  test.each(unknown)("%s", (_, steps) => {
    const all = placements(scp03, steps);
    expect(all.length).toBeGreaterThan(0);
    expect(all.filter(({ known }) => known)).toEqual([]);
  });
  test("names of a hostile request are told as texts, cut short", () => {
    const [one = ""] = told([command("00240181", { ...pin, pin: `x\nkey ${"y".repeat(100)}` } as Part)]);
    expect(one).toMatch(/^unknown: PIN "x\\nkey y{1,64}" /);
  });
});
