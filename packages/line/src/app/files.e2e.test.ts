import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hex, unhex } from "@persoline/card/bytes";
import { random } from "@persoline/card/node";
import { memoryStore, type VirtualCard } from "@persoline/card/virtual";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import { persoline, root } from "./command.test.data.js";

let folder: string;
const orders = { "usim-like": "2026-131", pkcs15: "2026-132" } as const;
type Name = keyof typeof orders;
const dataOf = (name: Name): string => join(folder, name);

const made = new Map<Name, unknown>();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-files-"));
  for (const name of Object.keys(orders) as Name[]) {
    const { code, out, err } = persoline([
      "run",
      join(root, "examples", name, "order.yaml"),
      "--data",
      dataOf(name),
      "--json",
    ]);
    if (code !== 0) throw new Error(`${name} ended with ${String(code)}: ${err}`);
    made.set(name, JSON.parse(out));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

test.each(Object.keys(orders) as Name[])("%s: six good cards, none thrown out", (name) => {
  expect(made.get(name)).toMatchObject({ order: orders[name], produced: 6, balanced: true, rejects: [] });
});

/** The cards of an order that came out as good, powered, in the order of their places in the tray. */
function cards(name: Name): VirtualCard[] {
  const good = join(dataOf(name), "shop-floor/good", orders[name]);
  const silicon = virtualSilicon({ loaderMaster: new Uint8Array(16), random });
  return readdirSync(good).map((dir) => {
    const eeprom = memoryStore(new Uint8Array(readFileSync(join(good, dir, "chip.eeprom"))));
    const card = silicon.power({ eeprom, faults: [] });
    card.powerOn();
    return card;
  });
}

const say = (card: VirtualCard, command: string): string =>
  hex(card.transmit(unhex(command.replaceAll(" ", ""))) ?? new Uint8Array(0));
const rows = (file: string): string[][] =>
  readFileSync(join(root, "examples", file), "utf8")
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((row) => row.split(","));
/** Digits as they lie in a USIM's files. */
const swapped = (digits: string): string =>
  (digits.length % 2 === 0 ? digits : `${digits}F`).replaceAll(/(.)(.)/g, "$2$1");

describe("usim-like: six subscribers", () => {
  const usim = "00A4040C10A0000000871002FF49FF0589AFFFFFFF";

  test("every subscriber's numbers are on a card, as the standard writes them, the IMSI behind the PIN", () => {
    const data = dataOf("usim-like");
    const two = ["--by", "A", "--witness", "B"];
    const release = persoline(["letters", "release", orders["usim-like"], ...two, "--data", data]);
    expect(release).toMatchObject({ code: 0 });
    const letters = printedIn(join(data, "letter-printer.pem"), join(data, "letters"));
    const pins = new Map(
      [...letters.values()].map((text) => [/\n(.+)\nYour PIN/.exec(text)?.[1] ?? "", pinIn(text)] as const),
    );
    const six = cards("usim-like");
    expect(six).toHaveLength(6);
    for (const [name = "", iccid = "", imsi = "", number = "", label = ""] of rows(
      "usim-like/subscribers.csv",
    )) {
      const card = six.find((one) => say(one, "00B082000A") === `${swapped(iccid)}9000`);
      if (card === undefined) throw new Error(`nobody has ICCID ${iccid}`);
      expect(say(card, usim)).toBe("9000");
      expect(say(card, "00B0870009")).toBe("6982");
      // Not shown should it be wrong.
      expect(say(card, `002000810824${pins.get(name) ?? ""}FFFFFFFFFF`) === "9000").toBe(true);
      expect(say(card, "00B0870009")).toBe(`08${swapped(`9${imsi}`)}9000`);
      const alpha = Buffer.from(label).toString("hex").toUpperCase().padEnd(28, "F");
      expect(say(card, "00B2014C1C")).toBe(`${alpha}0791${swapped(number).padEnd(20, "F")}FFFF9000`);
    }
  });

  test("the tree answers a telephone's way of asking", () => {
    const [card] = cards("usim-like");
    if (card === undefined) throw new Error("there is no card");
    const record = "61184F10A0000000871002FF49FF0589AFFFFFFF50045553494D";
    expect(say(card, "00A4000C022F00")).toBe("9000");
    expect(say(card, "00B2010428")).toBe(`${record.padEnd(80, "F")}9000`);
    // A telephone names the application by the beginning of its AID.
    expect(say(card, "00A4040407A0000000871002")).toBe("9000");
    expect(say(card, "00A4040407A000000087100200")).toBe(
      "621C82013883027FF08410A0000000871002FF49FF0589AFFFFFFF8A01059000",
    );
    expect(say(card, "00A4080404 7FF06FAD 00")).toMatch(/^62[0-9A-F]{2}8202012183026FAD/);
    expect(say(card, "00B0000004")).toBe("000000029000");
    expect(say(card, "00B2010C04")).toBe("11F2FFFF9000");
    expect(say(card, "00B2020C04")).toBe("19F1FFFF9000");
    expect(say(card, "00A4080C042F057FF0")).toBe("6A82");
    expect(say(card, "01A4000C023F00")).toBe("6881");
  });
});

describe("pkcs15: six members", () => {
  test("every member's data are in the data object, behind the PIN; what is public is readable", () => {
    const seen = new Set<string>();
    for (const card of cards("pkcs15")) {
      expect(say(card, "00B09D0013")).toBe("4301F84703F621C07F660802020409020204029000");
      expect(say(card, "00A4040C0CA000000063504B43532D3135")).toBe("9000");
      const info = Buffer.from(unhex(say(card, "00B0920000").slice(0, -4))).toString("latin1");
      const member = /Membership (SR-\d{4})/.exec(info)?.[1] ?? "";
      seen.add(member);
      expect(info).toMatch(/2026-132-000[1-6]/);
      expect(say(card, "00B0860010")).toBe("6982");
      expect(say(card, "00D6860001AA")).toBe("6982");
      expect(say(card, "00200081")).toBe("63C3");
    }
    expect([...seen].sort()).toEqual(rows("pkcs15/members.csv").map(([, member]) => member));
  });
});
