import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { DeviceFault } from "../problem.js";
import { markUnderWay, readEmboss, readFace } from "../shop-floor/faces.js";
import { readWear, unworn, type Wear } from "../shop-floor/wear.js";
import { bmp } from "./bmp.js";
import { type VisualFlaw, visualFlawKinds } from "./flaws.js";
import type { Marker, MarkJob } from "./port.js";
import { simulatedEmbosser, simulatedEngraver, type SimulatedMarkerOptions } from "./simulated.js";

const root = mkdtempSync(join(tmpdir(), "persoline-marker-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

type RasterJob = Extract<MarkJob, { kind: "raster" }>;
const areas = [
  {
    name: "name",
    kind: "text",
    box: { x: 5, y: 30, width: 40, height: 5 },
    glyphs: [
      { char: "A", box: { x: 6, y: 31, width: 2.1, height: 3 } },
      { char: "B", box: { x: 9.3, y: 31.2, width: 2.2, height: 3 } },
      { char: "C", box: { x: 13.1, y: 31.1, width: 2, height: 3 } },
    ],
  },
  { name: "code", kind: "code", box: { x: 26, y: 5, width: 12, height: 12 } },
  { name: "photo", kind: "photo", box: { x: 60, y: 15, width: 20, height: 25 } },
] as const;

/** A job whose areas hold a pattern of their own for each person. */
function raster(person: number): RasterJob {
  const [width, height] = [1011, 638];
  const bits = new Uint8Array(127 * height);
  for (const { box } of areas) {
    const dots = (mm: number): number => Math.round((mm / 25.4) * 300);
    for (let y = dots(box.y); y < dots(box.y + box.height); y++) {
      for (let x = dots(box.x); x < dots(box.x + box.width); x++) {
        if ((x * (person + 2) + y * y * 7) % 11 < 4) {
          const at = y * 127 + (x >> 3);
          bits[at] = (bits[at] ?? 0) | (0x80 >> (x & 7));
        }
      }
    }
  }
  return { kind: "raster", side: "front", dpi: 300, width, height, bits, areas };
}
const emboss: Extract<MarkJob, { kind: "emboss" }> = {
  kind: "emboss",
  side: "front",
  lines: [
    { text: "ANNA KOVACS", font: "4B", x: 7.65, yFromBottom: 6.6, pitch: 2.54 },
    { text: "4711", font: "7B", x: 10.2, yFromBottom: 21.42, pitch: 25.4 / 7 },
  ],
};

let bodies = 0;
function set(more: Partial<SimulatedMarkerOptions> = {}): {
  options: SimulatedMarkerOptions;
  body: string;
  slept: () => number;
} {
  const body = join(root, `body-${String(++bodies)}`);
  let slept = 0;
  const world = {
    now: () => slept,
    sleep: (ms: number) => {
      slept += ms;
      return Promise.resolve();
    },
  };
  const place = { at: "head", station: "visual", head: 0 } as const;
  return {
    options: { name: "engraver", place, bodyAt: () => body, world, seed: "7", ...more },
    body,
    slept: () => slept,
  };
}

/** Every implementation of the port: how to make one, a job it does, one it does not, and what shows that the mark is there. */
const markers: Record<
  string,
  {
    make: (o: SimulatedMarkerOptions) => Marker;
    does: MarkJob;
    not: MarkJob;
    marked: (body: string) => boolean;
  }
> = {
  "simulated engraver": {
    make: (o) => simulatedEngraver(o),
    does: raster(1),
    not: emboss,
    marked: (body) => readFace(body, "front") !== undefined,
  },
  "simulated embosser": {
    make: (o) => simulatedEmbosser(o),
    does: emboss,
    not: raster(1),
    marked: (body) => readEmboss(body).length > 0,
  },
};

describe.each(Object.entries(markers))("%s", (_, { make, does, not, marked }) => {
  test("marks the body at its head, once the machine confirms it", async () => {
    const { options, body } = set();
    await make(options).mark(does);
    expect(marked(body)).toBe(true);
    expect(markUnderWay(body)).toEqual([]);
  });
  test("says beforehand how long it takes, and takes it", async () => {
    const { options, slept } = set();
    const marker = make(options);
    expect(marker.duration(does)).toBeGreaterThan(100);
    await marker.mark(does);
    expect(slept()).toBeCloseTo(marker.duration(does), 3);
  });
  test("refuses the other kind of job as the machine's fault, and marks nothing", async () => {
    const { options, body } = set();
    await expect(make(options).mark(not)).rejects.toBeInstanceOf(DeviceFault);
    expect(marked(body)).toBe(false);
  });
  test("an empty head is a fault", async () => {
    await expect(make(set({ bodyAt: () => undefined }).options).mark(does)).rejects.toMatchObject({
      code: "refused",
    });
  });
  test("a mark cut off in the middle leaves a part of it, and says so", async () => {
    let strips = 0;
    const world = {
      now: () => 0,
      sleep: () => (++strips === 2 ? Promise.reject(new Error("power cut")) : Promise.resolve()),
    };
    const { options, body } = set({ world });
    await expect(make(options).mark(does)).rejects.toThrow("power cut");
    expect(markUnderWay(body)).toEqual(["front"]);
    expect(marked(body)).toBe(true);
  });
  test("simulated devices say so", () => {
    expect(make(set().options).kind).toBe("simulated");
  });
});

test("an embosser's own record says what was raised", async () => {
  const one = set();
  const embosser = simulatedEmbosser(one.options);
  await embosser.mark(emboss);
  expect(await embosser.embossed?.()).toEqual(emboss.lines);
});

describe("the plastic", () => {
  const engrave = async (body: ReturnType<typeof set>, ...jobs: RasterJob[]): Promise<void> => {
    const marker = simulatedEngraver(body.options);
    for (const job of jobs) await marker.mark(job);
  };
  test("keeps exactly the job's marks", async () => {
    const one = set();
    await engrave(one, raster(1));
    expect(readFace(one.body, "front")).toEqual({
      dpi: 300,
      width: 1011,
      height: 638,
      bits: raster(1).bits,
      power: 1,
    });
    expect(readFace(one.body, "back")).toBeUndefined();
  });
  test("a second mark lies over the first", async () => {
    const one = set();
    await engrave(one, raster(1), raster(2));
    const other = raster(2).bits;
    const both = raster(1).bits.map((byte, i) => byte | (other[i] ?? 0));
    expect(Buffer.from(readFace(one.body, "front")?.bits ?? []).equals(Buffer.from(both))).toBe(true);
  });
  test("a cut-off mark has its upper part only", async () => {
    let strips = 0;
    const world = {
      now: () => 0,
      sleep: () => (++strips === 4 ? Promise.reject(new Error("power cut")) : Promise.resolve()),
    };
    const one = set({ world });
    await expect(engrave(one, raster(1))).rejects.toThrow("power cut");
    const bits = readFace(one.body, "front")?.bits ?? new Uint8Array();
    expect(
      Buffer.from(bits.subarray(0, 127 * 300)).equals(Buffer.from(raster(1).bits.subarray(0, 127 * 300))),
    ).toBe(true);
    expect(bits.subarray(127 * 330).every((byte) => byte === 0)).toBe(true);
  });
});

describe("planted flaws", () => {
  const burn = async (flaw: VisualFlaw, people: number[]) => {
    const one = set();
    const folders = people.map((_, i) => join(one.body, `00000${String(i + 1)}-B-${String(i + 1)}`));
    let at = 0;
    const marker = simulatedEngraver({ ...one.options, bodyAt: () => folders[at], flaws: [flaw] });
    for (const person of people) {
      await marker.mark(raster(person));
      at++;
    }
    return folders.map((folder) => {
      const face = readFace(folder, "front");
      return face === undefined ? undefined : { ...face, worn: readWear(folder, "front") };
    });
  };
  /** What shows a flaw that is not in the dots. */
  const shows: Partial<Record<VisualFlaw["kind"], (worn: Wear, power: number) => boolean>> = {
    faint: (_, power) => power < 0.6,
    "faint-field": ({ weak }) => weak.length === 1 && (weak[0]?.power ?? 1) < 0.6,
    scratch: ({ damage }) => damage.length === 1 && damage[0]?.kind === "scratch",
    spot: ({ damage }) => damage.length === 1 && damage[0]?.kind === "spot",
    "wrong-side": ({ turnedOver }) => turnedOver === true,
    "wrong-stock": ({ stock }) => stock !== undefined,
  };
  const same = (bits: Uint8Array | undefined, person: number): boolean =>
    Buffer.from(bits ?? []).equals(Buffer.from(raster(person).bits));

  test.each(visualFlawKinds)("%s hits its card and no other, the same way every time", async (kind) => {
    const [first, second, third] = await burn({ kind, nth: 2 }, [1, 2, 3]);
    expect([same(first?.bits, 1), same(third?.bits, 3)]).toEqual([true, true]);
    expect([first?.worn, third?.worn]).toEqual([unworn, unworn]);
    const visible = shows[kind];
    expect(
      visible === undefined
        ? !same(second?.bits, 2)
        : visible(second?.worn ?? unworn, second?.power ?? 1) && same(second?.bits, 2),
    ).toBe(true);
    const again = await burn({ kind, nth: 2 }, [1, 2, 3]);
    expect(again[1]).toEqual(second);
  });
  test("by label", async () => {
    const [first, second] = await burn({ kind: "missing-line", label: "B-2" }, [1, 2]);
    expect([same(first?.bits, 1), same(second?.bits, 2)]).toEqual([true, false]);
  });
  test("the first card of a head can have wrong data too", async () => {
    for (const kind of ["wrong-text", "wrong-photo"] as const) {
      const [first] = await burn({ kind, nth: 1 }, [1]);
      expect(same(first?.bits, 1)).toBe(false);
    }
  });
  test("planted in the body itself, by its faults.json", async () => {
    const one = set();
    mkdirSync(one.body);
    writeFileSync(
      join(one.body, "faults.json"),
      JSON.stringify({ chip: [], faces: ["missing-line front name"] }),
    );
    await simulatedEngraver(one.options).mark(raster(1));
    expect(same(readFace(one.body, "front")?.bits, 1)).toBe(false);
    writeFileSync(join(one.body, "faults.json"), JSON.stringify({ chip: [], faces: ["smudge"] }));
    await expect(simulatedEngraver(one.options).mark(raster(1))).rejects.toThrow("smudge");
  });
  test("a flaw that finds nothing to hit says so", async () => {
    await expect(burn({ kind: "missing-line", nth: 1, field: "department" }, [1])).rejects.toThrow(
      "missing-line",
    );
  });
});

test("a raster job as BMP has the size, the resolution and the marks of the job", () => {
  const job = raster(1);
  const file = bmp(job);
  const view = new DataView(file.buffer);
  expect([file[0], file[1], view.getUint32(2, true)]).toEqual([0x42, 0x4d, file.length]);
  expect([
    view.getInt32(18, true),
    view.getInt32(22, true),
    view.getUint16(28, true),
    view.getInt32(38, true),
  ]).toEqual([1011, 638, 1, 11811]);
  const lowestRow = file.subarray(62, 62 + 127);
  expect([...lowestRow]).toEqual([...job.bits.subarray(637 * 127)]);
  const row400 = file.subarray(62 + (637 - 400) * 128, 62 + (637 - 400) * 128 + 127);
  expect([...row400]).toEqual([...job.bits.subarray(400 * 127, 401 * 127)]);
});
