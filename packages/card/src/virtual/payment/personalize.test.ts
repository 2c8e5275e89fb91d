import { describe, expect, test } from "vitest";
import { issued, PaymentBench, record, type Scp } from "../../../tools/payment-bench.js";
import type { Command } from "../../apdu/index.js";
import { nodeCrypto } from "../../../node/index.js";
import { keysOf } from "../../../tools/gp-bench.js";
import { aid, hex, unhex } from "../../bytes/index.js";
import { pinBlock2, runTransaction, SAMPLE_AID } from "../../emv/index.js";
import {
  deleteObject,
  installForPersonalization,
  type NewDgi,
  storeDgis,
} from "../../globalplatform/index.js";

const application = aid(SAMPLE_AID);
const select: Command = { cla: 0, ins: 0xa4, p1: 4, p2: 0, data: SAMPLE_AID, le: 256 };
/** Personalizes with these groupings: the last answer. */
function stored(scp: Scp, change: (dgis: readonly NewDgi[]) => readonly NewDgi[]): string {
  const bench = new PaymentBench({ scp });
  const session = bench.open();
  bench.install(session);
  bench.secured(session, installForPersonalization(application));
  let last = "";
  for (const command of bench.storing(change(issued(bench.profile, scp).dgis), session)) {
    last = bench.gp.secured(session, command);
    if (last !== "9000") break;
  }
  // Whatever was refused, nothing of it is there.
  bench.gp.power();
  bench.gp.send(select);
  const open = bench.gp.say({ cla: 0x00, ins: 0xb2, p1: 1, p2: 0x0c, le: 256 });
  expect(open).toBe(last === "9000" ? "9000" : "6985");
  return last;
}
const without =
  (...ids: readonly number[]) =>
  (dgis: readonly NewDgi[]): readonly NewDgi[] =>
    dgis.filter(({ id }) => !ids.includes(id));
const changed =
  (id: number, work: (dgi: NewDgi) => NewDgi) =>
  (dgis: readonly NewDgi[]): readonly NewDgi[] =>
    dgis.map((dgi) => (dgi.id === id ? work(dgi) : dgi));
const moved =
  (id: number, before: number) =>
  (dgis: readonly NewDgi[]): readonly NewDgi[] =>
    without(id)(dgis).flatMap((dgi) =>
      dgi.id === before ? [...dgis.filter((one) => one.id === id), dgi] : [dgi],
    );
const plain = ({ id, value }: NewDgi): NewDgi => ({ id, value });
const flipped = (dgi: NewDgi): NewDgi => ({
  ...dgi,
  value: dgi.value.map((byte, at) => (at === 3 ? byte ^ 2 : byte)),
});

describe.each(["scp02", "scp03"] as const)("STORE DATA under %s", (scp) => {
  test.each([
    ["whole", (dgis: readonly NewDgi[]) => dgis, "9000"],
    ...[0x8000, 0x9000, 0x9102, 0x9104, 0x9200, 0x0201, 0x0204, 0x8010, 0x9010, 0x8203].map(
      (id) => [`without ${id.toString(16)}`, without(id), "6A86"] as const,
    ),
    ["without PIN at all", without(0x8010, 0x9010), "9000"],
    [
      "an unknown grouping",
      (dgis: readonly NewDgi[]) => [...dgis, { id: 0x9f60, value: unhex("00") }],
      "6A88",
    ],
    ["one twice", (dgis: readonly NewDgi[]) => [...dgis, ...dgis.slice(0, 1)], "6A80"],
    ["keys in clear", changed(0x8000, plain), "6A80"],
    ["PIN in clear", changed(0x8010, plain), "6A80"],
    ["an open one encrypted", changed(0x9010, (dgi) => ({ ...dgi, secret: "pad-80" })), "6A80"],
    ["another key than its check value", changed(0x8000, flipped), "9315"],
    ["check values before the keys", moved(0x9000, 0x8000), "9315"],
    ["PIN before its tries", moved(0x8010, 0x9010), "9580"],
    [
      "a PIN of another form",
      changed(0x8010, (dgi) => ({ ...dgi, value: unhex("041234FFFFFFFFFF") })),
      "6A80",
    ],
    ["a key part damaged", changed(0x8203, flipped), "6A80"],
    [
      "a record that is no template",
      changed(0x0201, (dgi) => ({ ...dgi, value: unhex("7103800100") })),
      "6A80",
    ],
    ["tries above their limit", changed(0x9010, (dgi) => ({ ...dgi, value: unhex("0403") })), "6A80"],
  ] as const)("%s: %s", (_name, change, sw) => {
    expect(stored(scp, change)).toBe(sw);
  });
  test("a grouping that it does not know is refused with its command, and the personalization goes on without it", () => {
    const bench = new PaymentBench({ scp });
    const session = bench.open();
    bench.install(session);
    bench.secured(session, installForPersonalization(application));
    const strange: NewDgi = { id: 0x9207, value: unhex("0102") };
    const [first, ...rest] = issued(bench.profile, scp).dgis;
    const dgis = first === undefined ? [] : [first, strange, ...rest];
    const answers = bench.storing(dgis, session).map((command) => bench.gp.secured(session, command));
    expect(answers[1]).toBe("6A88");
    expect(answers.filter((sw) => sw !== "9000")).toEqual(["6A88"]);
    bench.gp.power();
    bench.gp.send(select);
    expect(bench.gp.say({ cla: 0x00, ins: 0xb2, p1: 1, p2: 0x0c, le: 256 })).toBe("9000");
  });
  test("once personalized it takes no more; only deleting begins anew, and nothing of the old card is left", () => {
    const bench = new PaymentBench({ scp }).personalize();
    const session = bench.open();
    bench.secured(session, installForPersonalization(application));
    const commands = bench.storing(issued(bench.profile, scp).dgis, session);
    for (const command of commands.slice(0, -1)) bench.secured(session, command);
    expect(bench.gp.secured(session, commands.at(-1) ?? select)).toBe("6985");
    expect(hex(bench.gp.store.load())).toContain(hex(pinBlock2(record.pin)));
    bench.secured(session, deleteObject({ aid: application }));
    expect(hex(bench.gp.store.load())).not.toContain(hex(pinBlock2(record.pin)));
  });
  test("secrets go in under the data encryption key: the line never shows them", () => {
    const bench = new PaymentBench({ scp });
    const session = bench.open();
    const { dgis } = issued(bench.profile, scp);
    const sent = bench.storing(dgis, session).map(({ p1, data }) => ({ p1, text: hex(data ?? unhex("")) }));
    for (const { value, secret } of dgis.filter((one) => one.secret !== undefined))
      expect([secret, sent.some(({ text }) => text.includes(hex(value).slice(0, 16)))]).toEqual([
        secret,
        false,
      ]);
    expect(sent.filter(({ p1 }) => (p1 & 0x60) === 0x60).length).toBe(7);
    expect(sent.at(-1)?.p1).toBe(0xe8);
  });
});

describe.each(["scp02", "scp03"] as const)("EMV CPS under %s: spoken to the application itself", (scp) => {
  const begun = (level = 0x03) => {
    const bench = new PaymentBench({ scp });
    bench.install(bench.open());
    bench.gp.power();
    bench.gp.send(select);
    const session = bench.gp.open({ keys: keysOf(16), level, aid: SAMPLE_AID });
    const block = scp === "scp02" ? 8 : 16;
    const dek = { encrypt: (data: Uint8Array) => session.encryptWithDek(data), block } as const;
    return {
      bench,
      session,
      commands: storeDgis(issued(bench.profile, scp).dgis, { dek, structure: "none" }),
    };
  };
  test("P1 is 00, 60 and at last E0; then the application is there, and the door is shut", async () => {
    const { bench, session, commands } = begun();
    const kinds = new Set(commands.map(({ p1 }) => p1));
    expect([...kinds].sort((one, other) => one - other)).toEqual([0x00, 0x60, 0xe0]);
    for (const command of commands) bench.secured(session, command);
    expect(bench.gp.say(session.wrap(commands[0] ?? select))).toBe("6985");
    expect(bench.gp.say({ cla: 0x80, ins: 0x50, p1: 0, p2: 0, data: new Uint8Array(8), le: 256 })).toBe(
      "6985",
    );
    const { directory: _, ...terminal } = bench.terminal();
    expect((await runTransaction(bench.channel, nodeCrypto, terminal)).outcome).toBe("approved online");
  });
  test("the pseudo-random challenge is the application's own", () => {
    expect(begun().session.challengeChecked).toBe(true);
  });
  test("not in plain, not at level 00, not out of order; a wrong MAC ends it", () => {
    const { bench, session, commands } = begun();
    const [first = select, second = select] = commands;
    expect(bench.gp.secured(session, second)).toBe("6A86");
    bench.secured(session, first);
    const wrapped = session.wrap(second);
    const data = wrapped.data?.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) ?? new Uint8Array(0);
    expect(bench.gp.say({ ...wrapped, data })).toBe("6982");
    expect(bench.gp.say(first)).toBe("6982");
    const open = begun(0x00);
    expect(open.bench.gp.say(open.commands[0] ?? select)).toBe("6982");
  });
  test.each([
    ["READ RECORD", { cla: 0x00, ins: 0xb2, p1: 1, p2: 0x0c, le: 256 }],
    ["GET DATA", { cla: 0x80, ins: 0xca, p1: 0x9f, p2: 0x36, le: 256 }],
    ["GET PROCESSING OPTIONS", { cla: 0x80, ins: 0xa8, p1: 0, p2: 0, data: unhex("8300"), le: 256 }],
    ["an issuer's script", { cla: 0x84, ins: 0x24, p1: 0, p2: 0, data: new Uint8Array(8) }],
    ["STORE DATA in the other class", { cla: 0x00, ins: 0xe2, p1: 0, p2: 0, data: unhex("0101") }],
  ])("%s between its commands ends the channel, and nothing of the blocks before is kept", (_, sent) => {
    const { bench, session, commands } = begun();
    const [first = select, second = select] = commands;
    bench.secured(session, first);
    expect(bench.gp.say(sent)).toBe("6982");
    expect(bench.gp.say(session.wrap(second))).toBe("6982");
    bench.gp.power();
    bench.gp.send(select);
    expect(bench.gp.say({ cla: 0x00, ins: 0xb2, p1: 1, p2: 0x0c, le: 256 })).toBe("6985");
  });
  test("the selection gone, the channel is gone", () => {
    const { bench, session, commands } = begun();
    bench.gp.send(select);
    expect(bench.gp.say(session.wrap(commands[0] ?? select))).toBe("6982");
  });
});

describe("commands that do not fit", () => {
  const bench = new PaymentBench().personalize();
  const say = (command: Command): string => bench.gp.say(command);
  const options: Command = { cla: 0x80, ins: 0xa8, p1: 0, p2: 0, data: unhex("830402760978"), le: 256 };
  const verify = (data: Uint8Array, p2 = 0x80): Command => ({ cla: 0, ins: 0x20, p1: 0, p2, data });
  const generate = (p1: number, length: number): Command => ({
    cla: 0x80,
    ins: 0xae,
    p1,
    p2: 0,
    data: new Uint8Array(length),
    le: 256,
  });
  test.each<readonly [string, Command, string]>([
    ["GET PROCESSING OPTIONS without 83", { ...options, data: unhex("02760978") }, "6A80"],
    ["with another length", { ...options, data: unhex("8303027609") }, "6700"],
    ["GENERATE AC before it", generate(0x80, 29), "6985"],
    [
      "INTERNAL AUTHENTICATE before it",
      { cla: 0, ins: 0x88, p1: 0, p2: 0, data: new Uint8Array(4), le: 256 },
      "6985",
    ],
    [
      "EXTERNAL AUTHENTICATE before a cryptogram",
      { cla: 0, ins: 0x82, p1: 0, p2: 0, data: new Uint8Array(8) },
      "6985",
    ],
    ["a script before a cryptogram", { cla: 0x84, ins: 0x24, p1: 0, p2: 0, data: new Uint8Array(8) }, "6985"],
    ["a record that is not there", { cla: 0, ins: 0xb2, p1: 9, p2: 0x0c, le: 256 }, "6A83"],
    ["a record by another reference", { cla: 0, ins: 0xb2, p1: 1, p2: 0x0d, le: 256 }, "6A86"],
    ["GET DATA of a key", { cla: 0x80, ins: 0xca, p1: 0x80, p2: 0, le: 256 }, "6A88"],
    ["GET DATA of the PIN", { cla: 0x80, ins: 0xca, p1: 0x80, p2: 0x10, le: 256 }, "6A88"],
    ["a challenge of another length", { cla: 0, ins: 0x84, p1: 0, p2: 0, le: 4 }, "6700"],
    ["VERIFY of another length", verify(new Uint8Array(7)), "6700"],
    ["VERIFY of another reference", verify(new Uint8Array(8), 0x81), "6A86"],
    ["VERIFY enciphered without challenge", verify(new Uint8Array(144), 0x88), "6985"],
    ["an unknown instruction", { cla: 0x80, ins: 0x10, p1: 0, p2: 0 }, "6D00"],
    [
      "STORE DATA once it is personalized",
      { cla: 0x80, ins: 0xe2, p1: 0x80, p2: 0, data: unhex("00") },
      "6985",
    ],
  ])("%s", (_name, command, sw) => {
    bench.gp.send(select);
    expect(say(command)).toBe(sw);
    // No try is lost by a command that cannot be right or wrong.
    expect(hex(bench.gp.send({ cla: 0x80, ins: 0xca, p1: 0x9f, p2: 0x17, le: 256 }).data)).toBe("9F170103");
  });
  test("a challenge holds for the very next command only; nonsense under the key costs a try", () => {
    bench.gp.send(select);
    const challenge: Command = { cla: 0, ins: 0x84, p1: 0, p2: 0, le: 8 };
    expect(say(challenge)).toBe("9000");
    expect(say({ cla: 0, ins: 0xb2, p1: 1, p2: 0x0c, le: 256 })).toBe("9000");
    expect(say(verify(new Uint8Array(144), 0x88))).toBe("6985");
    expect(say(challenge)).toBe("9000");
    expect(say(verify(new Uint8Array(144).fill(0xff), 0x88))).toBe("63C2");
    expect(say(verify(pinBlock2(record.pin)))).toBe("9000");
  });
  test("each step once", () => {
    bench.gp.send(select);
    expect([say(options), say(options)]).toEqual(["9000", "6985"]);
    expect([say(generate(0xc0, 29)), say(generate(0x80, 28)), say(generate(0x20, 29))]).toEqual([
      "6A86",
      "6700",
      "6A86",
    ]);
    expect([
      say(generate(0x80, 29)),
      say(generate(0x80, 41)),
      say(generate(0x00, 41)),
      say(generate(0x00, 41)),
    ]).toEqual(["9000", "6985", "9000", "6985"]);
  });
});
