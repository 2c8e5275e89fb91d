import type { Serial } from "@persoline/card/program";
import { expect, test } from "vitest";
import type { Mailer, Read, Sight } from "../devices/mailer/port.js";
import { DeviceFault } from "../devices/problem.js";
import type { Apart, Carrier, Due, MailingAccounts } from "../ledger/mailing.js";
import { type Mailing, mailCards, type ReadCard } from "./mailing.js";

const order = "A-1";
const serialOf = (record: number, of = order): Serial => `${of}/${String(record)}` as Serial;
const carrierNumber = (record: number): string => `C-${String(record).padStart(7, "0")}`;
const code = (text: string): Read => ({ seen: "code", text });
const unreadable: Read = { seen: "unreadable" };
const nothing: Read = { seen: "nothing" };
const pair = (carrier: number, card: number): Sight => ({
  carrier: code(carrierNumber(carrier)),
  card: code(serialOf(card)),
});

/** Three records with good cards and printed carriers; `told` is what happened, in order. */
function world(
  sights: readonly Sight[],
  more: {
    readonly fix?: () => Promise<void>;
    readonly again?: Sight | "ended";
    readonly unknown?: Due;
    readonly lying?: Sight;
    readonly states?: Readonly<Record<string, Carrier["state"]>>;
  } = {},
): { readonly mailing: Mailing; readonly told: string[]; readonly asked: Apart[] } {
  const told: string[] = [];
  const asked: Apart[] = [];
  const waiting = [...sights];
  let mailed = 0;
  const dueOf = (record: number): Due => ({
    record,
    serial: serialOf(record),
    attempt: 1,
    carrier: carrierNumber(record),
  });
  const accounts: MailingAccounts = {
    next: async () => (mailed < 3 ? dueOf(mailed + 1) : undefined),
    fixing: async ({ carrier }) => void told.push(`intent ${carrier}`),
    mailed: async (carrier) => {
      mailed++;
      told.push(`mailed ${carrier}`);
    },
    unknown: async () => more.unknown,
    apart: async (ask) => {
      asked.push(ask);
      told.push("accounts apart");
      return { carrier: ask.carrier !== undefined, card: ask.serial !== undefined };
    },
  };
  const mailer: Mailer = {
    name: "mailer",
    kind: "simulated",
    lying: async () => more.lying,
    present: async () => waiting.shift() ?? { carrier: nothing, card: nothing },
    again: async () => {
      told.push("again");
      return more.again ?? { carrier: unreadable, card: unreadable };
    },
    fix: async () => {
      await more.fix?.();
      told.push("fixed");
    },
    apart: async () => void told.push("apart"),
    back: async () => void told.push("back"),
  };
  const carrierOf = async (number: string): Promise<Carrier | undefined> => {
    const record = Number(number.slice(2));
    if (!(record >= 1 && record <= 9)) return undefined;
    return {
      carrier: number,
      order: record > 3 ? "B-2" : order,
      record,
      attempt: 1,
      batch: "C-0000001",
      page: record,
      state: more.states?.[number] ?? "printed",
    };
  };
  const cardOf = async (text: string): Promise<ReadCard | "ambiguous" | undefined> => {
    if (text === "twice") return "ambiguous";
    const [of = "", record] = text.split("/");
    return record === undefined
      ? undefined
      : {
          serial: text as Serial,
          order: of.replace("reject ", ""),
          record: Number(record),
          good: !of.startsWith("reject "),
        };
  };
  return { mailing: { order, accounts, mailer, carrierOf, cardOf }, told, asked };
}

test("what belongs together is fixed in the input's order, each with its intent before and its end after", async () => {
  const { mailing, told } = world([pair(1, 1), pair(2, 2), pair(3, 3)]);
  expect(await mailCards(mailing)).toEqual({ mailed: 3, ended: "whole" });
  expect(told).toEqual(
    [1, 2, 3].flatMap((n) => [`intent ${carrierNumber(n)}`, "fixed", `mailed ${carrierNumber(n)}`]),
  );
});

test.each<[string, Sight, Partial<Apart>, Readonly<Record<string, Carrier["state"]>>?]>([
  [
    "the card of record 1 lay before the carrier of record 2 when record 1 was due",
    pair(2, 1),
    { carrier: carrierNumber(2), serial: serialOf(1) },
  ],
  [
    "the card of record 3 lay before the carrier of record 1 when record 1 was due",
    pair(1, 3),
    { carrier: carrierNumber(1), serial: serialOf(3) },
  ],
  [
    "the card of record 7 of order B-2 lay before the carrier of record 1 when record 1 was due",
    { carrier: code(carrierNumber(1)), card: code(serialOf(7, "B-2")) },
    { carrier: carrierNumber(1), serial: serialOf(7, "B-2") },
  ],
  [
    "the card of record 1 lay before the carrier of record 5 of order B-2 when record 1 was due",
    pair(5, 1),
    { carrier: carrierNumber(5), serial: serialOf(1) },
  ],
  [
    "the card of record 1 lay before the carrier of record 2, which was mailed already, when record 1 was due",
    pair(2, 1),
    { carrier: carrierNumber(2), serial: serialOf(1) },
    { [carrierNumber(2)]: "mailed" },
  ],
  [
    "the card of record 1 lay before the carrier of record 8 of order B-2, which is void, when record 1 was due",
    { carrier: code("C-0000008"), card: code(serialOf(1)) },
    { carrier: "C-0000008", serial: serialOf(1) },
    { "C-0000008": "void" },
  ],
  [
    "the card of record 1 lay before a paper whose code is no carrier's when record 1 was due",
    { carrier: code("4006381333931"), card: code(serialOf(1)) },
    { serial: serialOf(1) },
  ],
  [
    "a rejected card of record 1 lay before the carrier of record 1 when record 1 was due",
    { carrier: code(carrierNumber(1)), card: code(`reject ${serialOf(1)}`) },
    { carrier: carrierNumber(1), serial: `reject ${serialOf(1)}` as Serial },
  ],
  [
    "a card whose number nobody knows here lay before the carrier of record 1 when record 1 was due",
    { carrier: code(carrierNumber(1)), card: code("4711") },
    { carrier: carrierNumber(1) },
  ],
])("apart: %s", async (reason, sight, lay, states) => {
  const { mailing, told, asked } = world([sight], states === undefined ? {} : { states });
  const end = await mailCards(mailing);
  expect(end).toMatchObject({ mailed: 0, ended: "apart" });
  expect(asked).toEqual([{ order, ...lay, code: "carrier-mismatch", reason }]);
  expect(told).toEqual(["accounts apart", "apart"]);
});

test("an unreadable code is read once more; read then, nothing is lost", async () => {
  const dusty: Sight = { carrier: unreadable, card: code(serialOf(1)) };
  const { mailing, told } = world([dusty, pair(2, 2), pair(3, 3)], { again: pair(1, 1) });
  expect(await mailCards(mailing)).toEqual({ mailed: 3, ended: "whole" });
  expect(told[0]).toBe("again");
});

test("ended while an unreadable code is to be read once more: nothing was fixed, and no card is lost", async () => {
  const { mailing, told, asked } = world([{ carrier: unreadable, card: code(serialOf(1)) }], {
    again: "ended",
  });
  expect(await mailCards(mailing)).toMatchObject({ mailed: 0, ended: "stopped" });
  expect([asked, told]).toEqual([[], ["again"]]);
});

test.each<[string, Sight]>([
  ["carrier", { carrier: unreadable, card: code(serialOf(1)) }],
  ["card", { carrier: code(carrierNumber(1)), card: unreadable }],
])(
  "an unreadable %s never passes: nobody can say that it is not what was due, so both are void",
  async (_, sight) => {
    const { mailing, told, asked } = world([sight], { again: sight });
    expect(await mailCards(mailing)).toMatchObject({ ended: "apart" });
    expect(asked).toMatchObject([
      { carrier: carrierNumber(1), serial: serialOf(1), code: "carrier-mismatch" },
    ]);
    expect(told).toEqual(["again", "accounts apart", "apart"]);
  },
);

test.each<[string, Sight]>([
  ["no carrier came", { carrier: nothing, card: code(serialOf(1)) }],
  ["no card came", { carrier: code(carrierNumber(1)), card: nothing }],
  ["record 2 came", pair(2, 2)],
  ["does not tell it from a reject", { carrier: code(carrierNumber(1)), card: code("twice") }],
])("stopped, and no card lost: %s", async (why, sight) => {
  const { mailing, told, asked } = world([sight]);
  const end = await mailCards(mailing);
  expect(end).toMatchObject({ mailed: 0, ended: "stopped" });
  expect(end.ended === "stopped" && end.why).toContain(why);
  expect(asked).toEqual([]);
  expect(told).toEqual(["back"]);
});

test("a mailer that stops when it was told to fix: nobody knows, so both are apart at once", async () => {
  const fix = (): Promise<void> => Promise.reject(new DeviceFault("mailer", "timeout", "silence"));
  const { mailing, told, asked } = world([pair(1, 1)], { fix });
  expect(await mailCards(mailing)).toMatchObject({ mailed: 0, ended: "apart" });
  expect(asked).toMatchObject([{ carrier: carrierNumber(1), serial: serialOf(1), code: "interrupted" }]);
  expect(told).toEqual([`intent ${carrierNumber(1)}`, "accounts apart", "apart"]);
});

test("an error of the program itself while the mailer fixes is not taken for the mailer's, and the intent stays open", async () => {
  const fix = (): Promise<void> => Promise.reject(new TypeError("a mistake"));
  const { mailing, told } = world([pair(1, 1)], { fix });
  await expect(mailCards(mailing)).rejects.toThrow("a mistake");
  expect(told).toEqual([`intent ${carrierNumber(1)}`]);
});

test("an open intent of a killed run comes first: both apart, and nothing else is touched", async () => {
  const unknown = { record: 2, serial: serialOf(2), attempt: 1, carrier: carrierNumber(2) };
  const { mailing, told, asked } = world([pair(1, 1)], { unknown, lying: pair(2, 2) });
  expect(await mailCards(mailing)).toMatchObject({ mailed: 0, ended: "apart" });
  expect(asked).toMatchObject([{ carrier: carrierNumber(2), serial: serialOf(2), code: "interrupted" }]);
  expect(told).toEqual(["accounts apart", "apart"]);
});

test("what a killed run had only looked at goes back and is mailed", async () => {
  const { mailing, told } = world([pair(1, 1), pair(2, 2), pair(3, 3)], { lying: pair(1, 1) });
  expect(await mailCards(mailing)).toEqual({ mailed: 3, ended: "whole" });
  expect(told[0]).toBe("back");
});

test("what a killed run had cancelled already, without reaching the tray, goes apart", async () => {
  const lying: Sight = { carrier: code(carrierNumber(1)), card: code(`reject ${serialOf(1)}`) };
  const { mailing, told } = world([pair(1, 1), pair(2, 2), pair(3, 3)], { lying });
  await mailCards(mailing);
  expect(told[0]).toBe("apart");
});

test("what a killed run had found to be of no record that is due, and cannot be read, goes apart", async () => {
  const states = { [carrierNumber(2)]: "void" as const };
  const lying: Sight = { carrier: code(carrierNumber(2)), card: unreadable };
  const { mailing, told } = world([pair(1, 1), pair(2, 2), pair(3, 3)], { lying, states });
  await mailCards(mailing);
  expect(told[0]).toBe("apart");
});
