/** Two people and the pictures of a doubtful card: shown to both or to nobody, and the audit knows. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { random } from "@persoline/card/node";
import type { Serial } from "@persoline/card/program";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openVault } from "../devices/hsm/vault.js";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import { openStore } from "../store/store.js";
import { type Ended, persoline, smallOrder } from "./command.test.data.js";
import { dataFolder } from "./data-folder.js";
import type { FacesDesk } from "./faces.js";
import { readJob } from "./job.js";
import { orderPolicy } from "./order-policy.js";
import { pictureArchive } from "./pictures.js";

const folder = mkdtempSync(join(tmpdir(), "persoline-look-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = join(folder, "data");
const run = (...words: string[]): Ended => persoline([...words, "--data", data]);
const shown = join(folder, "shown");
let imported: Ended;
let doubtful: Serial;
let foreign: Serial;
/** The front as it was judged; what is in it is the judge's matter. */
const judged = new TextEncoder().encode("front, judged");
/** Grey of the picture of each side. */
const tones = { front: 80, back: 160 } as const;

/** The archive's own encoding, without a worker. */
const encoder: FacesDesk = {
  do: async (task) => {
    if (task.task !== "encode") throw new Error("only pictures are kept here");
    const { grey, width, height } = task.picture;
    const jpeg = await sharp(grey, { raw: { width, height, channels: 1 } })
      .jpeg()
      .toBuffer();
    return new Uint8Array(jpeg) as never;
  },
  close: () => Promise.resolve(),
};

beforeAll(async () => {
  const orderFile = smallOrder(folder, 1);
  imported = run("order", "import", orderFile);
  const store = await openStore({ file: join(data, "persoline.db") });
  const hsm = await openVault({
    file: join(data, "keystore.json"),
    unlock: { keyFile: join(data, "keystore.key") },
  });
  const floor = new ShopFloor(
    join(data, "shop-floor"),
    virtualSilicon({ loaderMaster: new Uint8Array(16), random }),
  );
  const sealed = (await store.orders.find("T-1"))?.sealedDataKey ?? new Uint8Array(0);
  const dataKey = await hsm.releaseDataKey({ order: "T-1", sealed });
  store.orders.unlock("T-1", dataKey);
  const policy = orderPolicy(await readJob(orderFile), await store.orders.record("T-1", 1));
  await hsm.releaseDataKey({ order: "T-1", sealed, policy });
  await store.orders.storePins("T-1", 1, {
    pin: await hsm.drawPin({ order: "T-1", record: 1, name: "pin", length: 6 }),
  });
  await store.stock.receive({
    lot: "L1",
    blanks: floor.makeLot({ lot: "L1", count: 2, seed: 7, faults: [], flaws: [] }),
    by: "Ada",
  });
  const archive = pictureArchive(dataFolder(data), "T-1", dataKey, encoder);
  const hold = async (bound: boolean): Promise<Serial> => {
    const head = { at: "head", station: "quality", head: 0 } as const;
    const { label = "" } = floor.feed(head) ?? {};
    const started = await store.accounts.start({ label, order: "T-1", line: "carousel" });
    if (!started.ok) throw new Error(started.why);
    const { serial } = started.blank;
    if (bound) await store.accounts.bind({ serial, order: "T-1" });
    const keep = (side: "front" | "back") =>
      archive.keep(serial, {
        side,
        width: 60,
        height: 40,
        grey: new Uint8Array(2400).fill(tones[side]),
        frame: 1,
        takenAt: 0,
      });
    const pictures = bound ? { front: await keep("front"), back: await keep("back") } : undefined;
    if (bound) await archive.keepOverlay(serial, "front", judged);
    await store.accounts.finish({
      serial,
      end: { kind: "held", station: "quality", question: "front, name: doubtful" },
      history: {
        times: [],
        findings: [
          {
            what: "front name",
            result: "wrong",
            detail: "name: wrong-glyph (0.35 share)",
            station: "quality",
          },
        ],
        ...(pictures === undefined ? {} : { pictures }),
        ...(bound ? { left: ["quality/pictures"] } : {}),
      },
    });
    floor.move(head, { at: "hold" });
    return serial;
  };
  doubtful = await hold(true);
  foreign = await hold(false);
  dataKey.fill(0);
  floor.close();
  await hsm.close();
  await store.close();
});

const look = (serial: string, by: string, and: string): Ended =>
  run("stock", "look", serial, "--by", by, "--and", and, "--out", shown, "--json");

test("not to one person under two spellings, nor pictures that were never taken", () => {
  expect(imported).toMatchObject({ code: 0, err: "" });
  expect(look(doubtful, "Ada", " ada").err).toContain("takes two different people");
  expect(look(foreign, "Ada", "Bo").err).toContain("put aside before it had pictures");
  expect(look("00", "Ada", "Bo").err).toContain("is no chip number");
  expect(existsSync(shown)).toBe(false);
});

test("both sides, for their owner's eyes, with what was doubtful and where; the audit says who looked", async () => {
  const { code, out } = look(doubtful, "Ada", "Bo");
  expect(code).toBe(0);
  const told = JSON.parse(out) as { record: number; wrong: string[]; files: string[] };
  expect(told).toMatchObject({
    record: 1,
    order: "T-1",
    wrong: ["front name: name: wrong-glyph (0.35 share)"],
  });
  const names = ["/L1-000001-front.jpg", "/L1-000001-front-judged.jpg", "/L1-000001-back.jpg"];
  expect(told.files.map((file) => file.slice(shown.length))).toEqual(names);
  expect(readFileSync(told.files[1] ?? "", "utf8")).toBe("front, judged");
  for (const [at, tone] of [
    [0, tones.front],
    [2, tones.back],
  ] as const) {
    const file = told.files[at] ?? "";
    expect(statSync(file).mode & 0o077).toBe(0);
    const { channels } = await sharp(readFileSync(file)).stats();
    expect(Math.round(channels[0]?.mean ?? 0)).toBe(tone);
  }
  const store = await openStore({ file: join(data, "persoline.db") });
  const looks: unknown[] = [];
  for await (const { what, who, object, detail } of store.audit.entries())
    if (what === "card.look") looks.push([who, object, detail]);
  await store.close();
  expect(looks).toEqual([["Ada", `card ${doubtful}`, { witness: "Bo", order: "T-1", record: 1 }]]);
  expect(run("audit", "verify", "--json").code).toBe(0);
});

test("once they have decided, nobody is shown them any more", () => {
  const settle = [
    "stock",
    "settle",
    doubtful,
    "--as",
    "reject",
    "--reason",
    "blurred",
    "--by",
    "Ada",
    "--and",
    "Bo",
  ];
  expect(run(...settle)).toMatchObject({ code: 0 });
  expect(look(doubtful, "Ada", "Bo").err).toContain("not held");
});
