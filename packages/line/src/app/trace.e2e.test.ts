import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { idealLine, persoline, smallOrder } from "./command.test.data.js";

let folder: string;
let data: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-trace-"));
  data = join(folder, "data");
  const made = persoline([
    "run",
    smallOrder(folder, 2),
    "--line",
    idealLine(folder, "carousel"),
    "--data",
    data,
  ]);
  if (made.code !== 0) throw new Error(made.err);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const card = (...words: string[]) => persoline(["card", ...words, "--data", data]);
const labels = (state: string): string[] =>
  (
    JSON.parse(persoline(["stock", "list", "--state", state, "--json", "--data", data]).out) as {
      label: string;
    }[]
  ).map(({ label }) => label);

test("an inspection recorded from a made card is read again without it, and compared with another card", () => {
  const [first = "", second = ""] = labels("good");
  const file = join(folder, "card.jsonl");
  expect(card("trace", "record", first, file).code).toBe(0);
  expect(statSync(file).mode & 0o077).toBe(0);
  const text = readFileSync(file, "utf8");
  expect(text).toContain('"what":"reset"');

  const inspected = JSON.parse(card("inspect", first, "--json").out) as { facts: unknown };
  const again = persoline(["card", "trace", "replay", file, "--json"]);
  expect(JSON.parse(again.out)).toMatchObject({ facts: inspected.facts });
  expect(persoline(["card", "trace", "show", file]).out).toContain("9000 done");

  expect(card("trace", "replay", file, first)).toMatchObject({ code: 0 });
  const other = card("trace", "replay", file, second);
  expect(other.code).toBe(1);
  // Another chip number.
  expect(other.out).toMatch(/80CA00CF00 +CF0A/);
  expect(card("trace", "record", first, file)).toMatchObject({ code: 1 });
});

test("own commands: a PIN is masked, and a person's file too unless asked for", () => {
  const [first = ""] = labels("good");
  const commands = ["--apdu", "00A4040C07A0000008760101", "0020008106313233343536", "00B0810010"];
  const hidden = join(folder, "hidden.jsonl");
  expect(card("trace", "record", first, hidden, ...commands).code).toBe(0);
  const text = readFileSync(hidden, "utf8");
  expect(text).not.toContain("313233343536");
  expect(text).toContain("0020008106************");
  expect(text).toMatch(/"00B0810010","answer":"(\*\*){16}9000"/);
  const kept = join(folder, "kept.jsonl");
  expect(card("trace", "record", first, kept, ...commands, "--keep-personal").code).toBe(0);
  expect(readFileSync(kept, "utf8")).not.toContain("313233343536");
  expect(readFileSync(kept, "utf8")).toMatch(/"00B0810010","answer":"[0-9A-F]{32}9000"/);
  const refused = card("trace", "record", first, join(folder, "x.jsonl"), "--apdu", "00A4");
  expect(refused.code).toBe(1);
});

test("against another person's card: nothing of the person is told, what was not sent is named", () => {
  const [first = "", second = ""] = labels("good");
  const read = "00B0810010";
  const commands = ["00A4040C07A0000008760101", "00200081", "0020008106313233343536", read];
  const [file, other] = [join(folder, "person.jsonl"), join(folder, "other.jsonl")];
  expect(card("trace", "record", first, file, "--apdu", ...commands).code).toBe(0);
  expect(card("trace", "record", second, other, "--keep-personal", "--apdu", ...commands).code).toBe(0);
  const personal = /"00B0810010","answer":"([0-9A-F]{32})9000"/.exec(readFileSync(other, "utf8"))?.[1] ?? "";
  expect(personal).toHaveLength(32);

  const { code, out } = card("trace", "replay", file, second, "--json");
  expect(out).not.toContain(personal);
  const stars = `${"**".repeat(16)}9000`;
  const unsent = { now: "not sent", same: null };
  expect({ code, found: JSON.parse(out) as unknown }).toEqual({
    code: 0,
    found: {
      file,
      exchanges: 4,
      asked: 2,
      different: 0,
      masked: 1,
      results: [
        { command: commands[0], recorded: "9000", now: "9000", same: true },
        { command: "00200081", recorded: "63C3", ...unsent, why: "it may change the card or cost a try" },
        expect.objectContaining({ ...unsent, why: "its data are masked in the trace" }) as unknown,
        { command: read, recorded: stars, now: stars, same: null, why: "masked, not compared" },
      ],
    },
  });
  const text = card("trace", "replay", file, second).out;
  expect(text).toMatch(/^00200081 +it may change the card or cost a try$/m);
  expect(text).toMatch(/^0020008106\*{12} +its data are masked in the trace$/m);
  expect(text).toMatch(/^2 of 4 exchanges asked again, 0 different, 1 masked, not compared$/m);

  // As if the first card had refused.
  const refused = join(folder, "refused.jsonl");
  writeFileSync(
    refused,
    readFileSync(file, "utf8").replace(`"${read}","answer":"${stars}"`, `"${read}","answer":"6A82"`),
  );
  const differs = card("trace", "replay", refused, second);
  expect(differs.code).toBe(1);
  expect(differs.out).toContain(`${read}  6A82      ${stars}`);
  expect(differs.out).not.toContain(personal);
});

test.each([
  ["nothing", ""],
  ["a reset only", '{"what":"reset","ms":0,"atr":"3B00"}\n'],
])("a trace that holds %s is refused: it would be no comparison", (_name, text) => {
  const file = join(folder, "empty.jsonl");
  writeFileSync(file, text);
  const [first = ""] = labels("good");
  for (const ended of [
    card("trace", "replay", file, first),
    persoline(["card", "trace", "replay", file]),
    persoline(["card", "trace", "show", file]),
  ])
    expect(ended).toEqual({
      code: 1,
      out: "",
      err: `${file} holds no exchange: record it again with "persoline card trace record"\n`,
    });
});
