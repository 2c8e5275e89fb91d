/**
 * Whatever an operator asks the program, in words or as JSON, right or wrong: no PIN, and of a card's number its first six and last four digits
 * at most. Every command is asked, those that tell something of an order by its number, its cards and letters.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { luhnDigit } from "@persoline/card/emv";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { persoline } from "./command.test.data.js";
import { commandLine } from "./command-line.js";
import { paymentOrder } from "./payment.test.data.js";
import { perform } from "./perform.js";

const people = 3;
const pans = Array.from({ length: people }, (_, at) => {
  const payload = `999901${String(700_000_000 + 7_919_513 * (at + 1)).padStart(9, "0")}`;
  return payload + luhnDigit(payload);
});

let folder: string;
let data: string;
let order: string;
let line: string;
let pins: readonly string[];
let serials: readonly string[];
let asked: Readonly<Record<string, readonly string[]>>;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-operator-"));
  data = join(folder, "data");
  ({ order, line } = paymentOrder(folder, {
    people,
    // Twelve digits do not occur by chance.
    product: (text) => text.replace("length: 4", "length: 12"),
    rows: ([head = "", ...lines]) => [
      head,
      ...lines.map((row, at) => {
        const cells = row.split(",");
        cells[1] = pans[at] ?? "";
        return cells.join(",");
      }),
    ],
  }));
  const { code, err } = persoline(["run", order, "--line", line, "--data", data, "--debug"]);
  if (code !== 0) throw new Error(err);
  const release = ["letters", "release", "P-1", "--by", "A. Meyer", "--witness", "B. Novak", "--data", data];
  if (persoline(release).code !== 0) throw new Error("no letters");
  const letters = printedIn(join(data, "letter-printer.pem"), join(data, "letters"));
  pins = [...letters.values()].map(pinIn);
  const stock = JSON.parse(persoline(["stock", "list", "--state", "good", "--data", data, "--json"]).out) as {
    blanks?: { serial: string; label: string }[];
  };
  serials = JSON.stringify(stock).match(/504C[0-9A-F]{16}/g) ?? [];
  const [first = ""] = serials;
  const two = ["--by", "A. Meyer", "--and", "B. Novak", "--reason", "none"];
  asked = {
    run: [order, "--line", line],
    plan: [order, "--line", line],
    explain: [order],
    "order import": [order],
    "order list": [],
    "order show": ["P-1"],
    "order result": ["P-1"],
    "order release": ["P-1", "--record", "1", ...two],
    "order give-up": ["P-1", "--record", "1", ...two],
    "stock list": [],
    "stock held": [],
    "stock count": ["3"],
    "stock sample": [first, "--reason", "none"],
    "stock settle": [first, "--as", "good", ...two],
    "stock look": [first, "--by", "A. Meyer", "--and", "B. Novak"],
    "letters list": ["P-1"],
    "letters release": ["P-1", "--witness", "B. Novak"],
    "report production": ["P-1"],
    "report passages": [],
    "audit verify": [],
    "keys list": [],
    "keys ceremonies": [],
    "keys allowed": [],
    "quality drift": ["P-1"],
    "card inspect": [first],
    security: [],
    presence: [],
    doctor: [],
  };
});
afterAll(() => rmSync(folder, { recursive: true }));

let out = "";
beforeEach(() => {
  out = "";
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, "write").mockImplementation((text) => {
      out += String(text);
      return true;
    });
});
afterEach(() => {
  vi.restoreAllMocks();
  // Of the runner itself.
  process.exitCode = undefined;
});

/** The digits of each that may be told to nobody, and where they stood. */
function secretsIn(text: string): string[] {
  const digits = text.replaceAll(/[\s-]/g, "");
  return [
    ...pins.filter((pin) => text.includes(pin) || digits.includes(pin)),
    ...pans.filter((pan) =>
      // First six and last four may be told; nothing that has more of them in a row.
      [pan.slice(0, 11), pan.slice(3, 13), pan.slice(5)].some(
        (part) => text.includes(part) || digits.includes(part),
      ),
    ),
  ];
}

function leaves(command: Command, name: readonly string[] = []): { name: string; data: boolean }[] {
  if (command.commands.length === 0)
    return [{ name: name.join(" "), data: command.options.some(({ long }) => long === "--data") }];
  return command.commands.flatMap((inner) => leaves(inner, [...name, inner.name()]));
}
const commands = leaves(await commandLine());
/** What they are for is to tell of an order: they must have told something. */
const telling = ["plan", "explain", "order show", "order list", "stock list", "letters list", "security"];

test("the order was made: PINs and cards are known to the test alone", () => {
  expect(pins.filter((pin) => pin.length === 12)).toHaveLength(people);
  expect(serials.length).toBeGreaterThanOrEqual(people);
  expect(secretsIn(`x ${pins[0] ?? ""} ${pans[1]?.replaceAll(/(.{4})/g, "$1 ") ?? ""}`)).toHaveLength(2);
  expect(secretsIn(pans.map((pan) => `${pan.slice(0, 6)}******${pan.slice(-4)}`).join())).toEqual([]);
});

test.each(commands)("persoline $name", async ({ name, data: hasData }) => {
  const words = [...name.split(" "), ...(asked[name] ?? []), ...(hasData ? ["--data", data] : [])];
  // A server would go on; it has an order's cards no more than other commands.
  if (name === "card serve" || name === "station emboss") return;
  for (const form of [[], ["--json"], ["--debug"]]) {
    out = "";
    process.exitCode = undefined;
    await perform([...words, ...form]);
    expect(secretsIn(out)).toEqual([]);
    const told = { code: process.exitCode ?? 0, something: out.length > 40 };
    expect(telling.includes(name) ? told : undefined).toEqual(
      telling.includes(name) ? { code: 0, something: true } : undefined,
    );
  }
});

test("what is given away and filed: results, reports and their pages", () => {
  const files = ["results", "reports"].flatMap((place) => {
    try {
      return readdirSync(join(data, place), { recursive: true, withFileTypes: true });
    } catch {
      return [];
    }
  });
  const texts = files
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
  expect(texts.length).toBeGreaterThan(2);
  expect(texts.flatMap(secretsIn)).toEqual([]);
});
