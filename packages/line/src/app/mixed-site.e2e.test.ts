import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { idealLine, persoline, root } from "./command.test.data.js";
import type { Produced } from "./end-run.js";

const site = (name: string): string => join(root, "examples/mixed-site", name);
let folder: string;
let data: string;

function json<T>(words: readonly string[], into = data): T {
  const { code, out, err } = persoline([...words, "--json", "--data", into]);
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as T;
}
const make = (order: string, into = data): Produced =>
  json(["run", site(`${order}.yaml`), "--line", idealLine(folder, `harbour-${order}`)], into);

interface Refusal {
  readonly gate: string;
  readonly serial?: string;
  readonly reason: string;
  readonly detail: string;
}
/** Plays movements of its own, and tells the refusals among them. */
function played(name: string, rows: readonly string[]): { refusals: Refusal[]; granted: number } {
  const file = join(folder, `${name}.csv`);
  writeFileSync(file, `time,gate,card\n${rows.join("\n")}\n`);
  const { granted } = json<{ granted: number }>(["gate", "replay", file, "--gates", site("gates.yaml")]);
  const { refusals } = json<{ refusals: Refusal[] }>(["report", "passages"]);
  return { refusals, granted };
}
/** Good cards, by record. */
const cardsOf = (order: string): { record: string; serial: string; label: string }[] =>
  readFileSync(join(data, `reports/${order}/cards.csv`), "utf8")
    .trimEnd()
    .split("\n")
    .map((row) => row.split(","))
    .filter(([, , , , end]) => end === "good")
    .map(([record = "", , serial = "", label = ""]) => ({ record, serial, label }));

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-mixed-"));
  data = join(folder, "data");
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a site whose people have cards of three kinds", () => {
  test("has them made, each by its own line", () => {
    for (const [order, cards] of [
      ["yard", 4],
      ["laboratory", 10],
      ["terminal", 12],
    ] as const)
      expect(make(order)).toMatchObject({ produced: cards, balanced: true });
  });

  test("the same gates let all of them in by their own keys, and refuse by their rights", () => {
    const done = json<{ handedOver: object[] }>(["gate", "replay", site("movements.csv")]);
    expect(done).toMatchObject({ movements: 17, granted: 14, refused: 3 });
    expect(done.handedOver).toEqual([
      { order: "2026-401", cards: 4 },
      { order: "2026-402", cards: 10 },
      { order: "2026-403", cards: 12 },
    ]);
    const { refusals } = json<{ refusals: Refusal[] }>(["report", "passages"]);
    expect(refusals.map(({ gate, reason }) => `${gate} ${reason}`)).toEqual([
      "quay-in denied-zone-no-access-rights",
      "quay-in denied-zone-no-access-rights",
      "main-in denied-passback",
    ]);
    expect(json(["presence"])).toMatchObject({ inside: 3 });
    expect(json(["audit", "verify"])).toMatchObject({ ok: true });
  });

  test.each([
    ["2026-401", "a card of the Persoline OS", /63CE|another key/],
    ["2026-402", "a GlobalPlatform card", /63CE|another key/],
    ["2026-403", "a DESFire-style card", /another key 1 in application F51C40 .*one attempt/],
  ])("of order %s, %s with the keys of another issuer is refused", (order, _, why) => {
    // The same orders elsewhere: same chips, same numbers, but keys that another security module drew.
    const elsewhere = join(folder, "elsewhere");
    if (!readdirSync(folder).includes("elsewhere"))
      for (const name of ["yard", "laboratory", "terminal"]) make(name, elsewhere);
    const [first] = cardsOf(order);
    if (first === undefined) throw new Error("no card was made");
    const [own, other] = [data, elsewhere].map((into) => chipOf(into, first.label));
    const kept = join(folder, "kept.eeprom");
    copyFileSync(own ?? "", kept);
    copyFileSync(other ?? "", own ?? "");
    const at = `2026-12-02T0${order.at(-1) ?? ""}:00:00`;
    const { refusals } = played(`foreign-${order}`, [`${at},main-out,serial:${first.serial}`]);
    copyFileSync(kept, own ?? "");
    expect(refusals.at(-1)).toMatchObject({
      reason: "denied-incorrect-authentication-factor",
      serial: first.serial,
      detail: expect.stringMatching(why) as string,
    });
    expect(
      played(`own-${order}`, [`${at.replace("02T", "03T")},main-out,serial:${first.serial}`]).granted,
    ).toBe(1);
  });
});

/** A body's memory, wherever it lies. */
function chipOf(into: string, label: string): string {
  const floor = join(into, "shop-floor");
  const found = readdirSync(floor, { recursive: true, encoding: "utf8" }).find(
    (path) => path.endsWith("chip.eeprom") && path.includes(label),
  );
  if (found === undefined) throw new Error(`no body of ${label}`);
  return join(floor, found);
}

describe("a card that was withdrawn, and made anew", () => {
  test("opens nothing any more; the new one does", () => {
    const [before] = cardsOf("2026-403");
    if (before === undefined) throw new Error("no card was made");
    json(["stock", "withdraw", before.serial, "--reason", "scratched", "--by", "Ada", "--and", "Bob"]);
    expect(make("terminal")).toMatchObject({ produced: 12, balanced: true });
    const [after] = cardsOf("2026-403").filter(({ record }) => record === before.record);
    expect(after?.serial).not.toBe(before.serial);
    json(["letters", "release", "2026-403", "--by", "Ada", "--witness", "Bob"]);
    expect(json(["order", "deliver", "2026-403", "--by", "Ada"])).toMatchObject({ entered: 12 });
    const { refusals } = played("withdrawn", [`2026-12-04T07:00:00,main-out,serial:${before.serial}`]);
    // Both carry the number of their record, and hide everything else: the old one has not the new one's keys.
    expect(refusals.at(-1)).toMatchObject({ reason: "denied-incorrect-authentication-factor" });
    expect(
      played("remade", [`2026-12-04T07:05:00,main-out,serial:${after?.serial ?? "none"}`]),
    ).toMatchObject({ granted: 1 });
  });
});
