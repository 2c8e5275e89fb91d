import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { random } from "@persoline/card/node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { MailerFault } from "../flaw-kinds.js";
import { DeviceFault } from "../problem.js";
import { ShopFloor } from "../shop-floor/floor.js";
import { virtualSilicon } from "../shop-floor/silicon.js";
import { deskMailer } from "./desk.js";
import type { Sight } from "./port.js";
import { type SimulatedMailer, simulatedMailer } from "./simulated.js";

const due = { record: 1, carrier: "C-0000001" };
const seen = ({ carrier, card }: Sight): string[] =>
  [carrier, card].map((read) => (read.seen === "code" ? read.text : read.seen));

describe("the simulated mailer", () => {
  const order = "A-1";
  let root: string;
  let floor: ShopFloor;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "persoline-mailer-"));
    for (const record of [1, 2, 3, 4])
      mkdirSync(join(root, "good", order, `00000${String(record)}-B-${String(record)}`), { recursive: true });
    floor = new ShopFloor(root, virtualSilicon({ loaderMaster: new Uint8Array(16), random }));
  });
  afterEach(() => {
    floor.close();
    rmSync(root, { recursive: true });
  });

  const open = (fault?: MailerFault, carrier = 2): SimulatedMailer =>
    simulatedMailer({
      floor,
      root,
      order,
      faults: fault === undefined ? [] : [{ carrier, fault }],
      chipOf: async ({ label }) => (label === "B-3" ? undefined : `chip of ${label}`),
    });
  const pages = [1, 2, 3, 4].map((record) => ({ carrier: `C-${String(record)}`, record, void: false }));
  const laid = (fault?: MailerFault): SimulatedMailer => {
    const mailer = open(fault);
    mailer.lay(pages);
    return mailer;
  };
  /** Carriers as they come, all put apart. */
  async function stackOf(mailer: SimulatedMailer): Promise<string[]> {
    const carriers: string[] = [];
    for (;;) {
      const sight = await mailer.present(due);
      const [carrier = ""] = sight === "ended" ? [] : seen(sight);
      if (carrier === "nothing") return carriers;
      carriers.push(carrier);
      await mailer.apart({});
    }
  }

  test("shows carrier and card, one pair after another, and fixes when it is told to", async () => {
    const mailer = laid();
    const pairs: string[][] = [];
    for (let i = 0; i < 4; i++) {
      pairs.push(seen((await mailer.present(due)) as Sight));
      await mailer.fix();
    }
    // A mute chip's card is known by the number on its body.
    expect(pairs).toEqual([
      ["C-1", "chip of B-1"],
      ["C-2", "chip of B-2"],
      ["C-3", "B-3"],
      ["C-4", "chip of B-4"],
    ]);
    expect(seen((await mailer.present(due)) as Sight)).toEqual(["nothing", "nothing"]);
    await expect(mailer.fix()).rejects.toThrow(DeviceFault);
    const [body] = floor.bodiesAt({ at: "good", order, slot: 2 });
    expect(readFileSync(join(body?.dir ?? "", "fixed-to.txt"), "utf8")).toBe("C-2\n");
  });

  test("apart: the card leaves the output for the mailer's own tray", async () => {
    const mailer = laid();
    await mailer.present(due);
    await mailer.apart({});
    expect(floor.bodiesAt({ at: "good", order, slot: 1 })).toEqual([]);
    expect(floor.census()).toContainEqual({ place: { at: "apart" }, label: "B-1" });
  });

  test("killed with a pair at the fixing place, it still lies there, and comes again when it is put back", async () => {
    await laid().present(due);
    const after = open();
    expect(seen((await after.lying()) as Sight)).toEqual(["C-1", "chip of B-1"]);
    await after.back();
    expect(await after.lying()).toBeUndefined();
    expect(seen((await after.present(due)) as Sight)).toEqual(["C-1", "chip of B-1"]);
  });

  test("carriers that are printed later lie where their records stand, void ones are taken out", async () => {
    const mailer = laid();
    await mailer.present(due);
    await mailer.fix();
    mailer.lay([
      ...pages.map((page) => ({ ...page, void: page.record === 3 })),
      { carrier: "C-9", record: 3, void: false },
    ]);
    expect(await stackOf(mailer)).toEqual(["C-2", "C-9", "C-4"]);
  });

  test.each<[MailerFault, string[]]>([
    ["swapped", ["C-1", "C-3", "C-2", "C-4"]],
    ["missing", ["C-1", "C-3", "C-4"]],
    ["twice", ["C-1", "C-2", "C-2", "C-3", "C-4"]],
    ["unreadable", ["C-1", "unreadable", "C-3", "C-4"]],
  ])("planted: %s, also when the stack is laid in again", async (fault, carriers) => {
    laid(fault);
    expect(await stackOf(laid(fault))).toEqual(carriers);
  });

  test("planted: a card that cannot be read, however often it is looked at", async () => {
    const mailer = laid("unreadable-card");
    await mailer.present(due);
    await mailer.fix();
    expect(seen((await mailer.present(due)) as Sight)).toEqual(["C-2", "unreadable"]);
    expect(seen((await mailer.again()) as Sight)).toEqual(["C-2", "unreadable"]);
  });

  test("planted: it stops when it was told to fix", async () => {
    const mailer = laid("stops");
    await mailer.present(due);
    await mailer.fix();
    await mailer.present(due);
    await expect(mailer.fix()).rejects.toThrow("said nothing any more");
    const [body] = floor.bodiesAt({ at: "good", order, slot: 2 });
    expect(existsSync(join(body?.dir ?? "", "fixed-to.txt"))).toBe(false);
  });
});

describe("the desk", () => {
  function desk(typed: readonly (string | undefined)[], pictures?: readonly (readonly string[])[]) {
    const told: string[] = [];
    const waiting = [...typed];
    const shown = [...(pictures ?? [])];
    const mailer = deskMailer({
      tell: (text) => told.push(text),
      awaits: () => undefined,
      typed: async () => waiting.shift(),
      ...(pictures === undefined ? {} : { seen: async () => shown.shift() }),
    });
    return { mailer, told };
  }

  test("what is scanned is what it saw; an empty line is no answer", async () => {
    const { mailer, told } = desk(["", " C-0000001 ", "L-000001"]);
    expect(seen((await mailer.present(due)) as Sight)).toEqual(["C-0000001", "L-000001"]);
    expect(told[0]).toContain("record 1, C-0000001");
  });

  test.each([
    [
      ["-", "L-1"],
      ["unreadable", "L-1"],
    ],
    [
      ["C-0000001", "-"],
      ["C-0000001", "unreadable"],
    ],
    [
      ["0", "0"],
      ["nothing", "nothing"],
    ],
  ])("typed %j: %j", async (typed, sight) => {
    expect(seen((await desk(typed).mailer.present(due)) as Sight)).toEqual(sight);
  });

  test("nothing more is typed: it ends before the next pair, and never in the middle of one", async () => {
    expect(await desk([]).mailer.present(due)).toBe("ended");
    expect(await desk(["C-0000001"]).mailer.present(due)).toBe("ended");
    await expect(desk([]).mailer.fix()).rejects.toThrow("nobody said that the card was fixed");
    const { mailer, told } = desk([""]);
    await mailer.fix();
    expect(told).toEqual([expect.stringContaining("MATCH") as string]);
  });

  test("an Enter from before, or a scanner's second one, fixes no card", async () => {
    const began = performance.now();
    const waiting: Promise<string>[] = [
      Promise.resolve(""),
      new Promise((resolve) => setTimeout(() => resolve(""), 5)),
      new Promise((resolve) => setTimeout(() => resolve(""), 200)),
    ];
    const mailer = deskMailer({
      tell: () => undefined,
      awaits: () => undefined,
      typed: async () => waiting.shift(),
      soonestMs: 100,
    });
    await mailer.fix();
    expect(performance.now() - began).toBeGreaterThan(150);
    expect(waiting).toEqual([]);
  });

  test.each([
    [
      ["C-0000001", "A-1-0001"],
      ["C-0000001", "A-1-0001"],
    ],
    [
      ["A-1-0001", "C-0000001"],
      ["C-0000001", "A-1-0001"],
    ],
    [
      ["C-0000001", "C-0000002", "A-1-0001"],
      ["unreadable", "A-1-0001"],
    ],
    [
      ["C-0000001", "A-1-0001", "A-1-0002"],
      ["C-0000001", "unreadable"],
    ],
    [["C-0000001"], ["C-0000001", "unreadable"]],
    [[], ["unreadable", "unreadable"]],
  ])("a picture with the codes %j: %j", async (codes, sight) => {
    expect(seen((await desk([], [codes]).mailer.present(due)) as Sight)).toEqual(sight);
  });
});
