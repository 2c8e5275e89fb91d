import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { DeviceFault } from "../problem.js";
import { markUnderWay, readEmboss, readFace } from "../shop-floor/faces.js";
import { keepPreprint, readGround, readWear, unworn, type Wear, wearPreprint } from "../shop-floor/wear.js";
import { bmp } from "../../plan/laser/bmp.js";
import { fileEngraver, type FileEngraverOptions } from "./file-engraver.js";
import { visualFlawKinds } from "../flaw-kinds.js";
import type { VisualFlaw } from "./flaws.js";
import type { Marker, MarkJob } from "./port.js";
import { escapeEmbosser } from "./emboss/escape.js";
import type { Wire } from "./emboss/wire.js";
import { embossingMachine, machineForm } from "./emboss/machine.test.data.js";
import { simulatedPrinter } from "./printer/simulated.js";
import {
  simulatedEmbosser,
  simulatedEngraver,
  simulatedIndenter,
  type SimulatedMarkerOptions,
} from "./simulated.js";

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
type StruckJob = Extract<MarkJob, { kind: "emboss" | "indent" }>;
const emboss: StruckJob = {
  kind: "emboss",
  side: "front",
  lines: [
    { text: "ANNA KOVACS", font: "4B", x: 7.65, yFromBottom: 6.6, pitch: 2.54 },
    { text: "4711", font: "7B", x: 10.2, yFromBottom: 21.42, pitch: 25.4 / 7 },
  ],
};

const indent: StruckJob = {
  kind: "indent",
  side: "back",
  lines: [
    { text: "4711 123", font: "rear", x: 50, yFromBottom: 30, pitch: 25.4 / 15 },
    { text: "A-7", font: "rear", x: 50, yFromBottom: 25, pitch: 25.4 / 15 },
  ],
};

/** A bar of a person's own tone on the front, nothing on the back. */
function printed(person: number): Extract<MarkJob, { kind: "colour" }> {
  const [width, height, bleed] = [1035, 662, 12];
  const side = (name: "front" | "back") => {
    const pixels = new Uint8Array(4 * width * height);
    if (name === "front")
      for (let y = bleed + 100; y < bleed + 200; y++)
        for (let x = 0; x < width; x++) pixels.set([0, 0, 20 * person, 255], 4 * (y * width + x));
    return { side: name, dpi: 300, width, height, bleed, pixels, areas: [] };
  };
  return { kind: "colour", side: "front", sides: [side("front"), side("back")] };
}

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
    kind?: "real";
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
  "simulated indent printer": {
    make: (o) => simulatedIndenter(o),
    does: indent,
    not: emboss,
    marked: (body) => readEmboss(body, "indent").length > 0,
  },
  "simulated printer": {
    make: (o) => simulatedPrinter(o),
    does: printed(1),
    not: raster(1),
    marked: (body) => readGround(body, "front") !== undefined,
  },
  "escape-style embosser": {
    make: (o) =>
      escapeEmbosser({ name: o.name, does: "emboss", form: machineForm, wire: wired(o), timeoutMs: 1_000 }),
    does: emboss,
    not: indent,
    marked: (body) => readEmboss(body).length > 0,
    kind: "real",
  },
};

/** A wire right into the machine. */
function wired(options: SimulatedMarkerOptions): Wire {
  const machine = embossingMachine(options);
  return {
    async exchange(bytes, heard) {
      const known = heard(await machine(bytes));
      if (known === undefined) throw new Error("the machine said nothing that is known");
      return known;
    },
    ready: () => Promise.resolve(),
    close: () => undefined,
  };
}

/** A raster job that comes with its file, as the line makes it for engravers that take files. */
const filed = (person: number): RasterJob => ({
  ...raster(person),
  file: {
    format: "gcode",
    extension: ".gcode",
    bytes: new TextEncoder().encode(`G21\nG90\n; job ${String(person)}\nM5 S0\n`),
    ms: 150,
  },
});

let folders = 0;
/** A file engraver with its folder, and the program that watches it: what it has burnt, and how it answers. */
function watched(
  answer: (id: string, folder: string) => void,
  more: Partial<FileEngraverOptions> = {},
): { readonly marker: Marker; readonly folder: string; readonly burnt: string[]; readonly stop: () => void } {
  const folder = join(root, `watched-${String(++folders)}`);
  const taken = join(root, `taken-${String(folders)}`);
  mkdirSync(folder);
  mkdirSync(taken);
  const burnt: string[] = [];
  const watcher = watch(folder, () => {
    for (const name of readdirSync(folder).filter((one) => one.endsWith(".gcode") && !one.startsWith("."))) {
      const at = join(taken, name);
      try {
        renameSync(join(folder, name), at);
      } catch {
        continue;
      }
      burnt.push(readFileSync(at, "utf8"));
      answer(name.slice(0, -".gcode".length), folder);
    }
  });
  const marker = fileEngraver({ name: "laser", folder, format: "gcode", withinMs: 300, pollMs: 5, ...more });
  return { marker, folder, burnt, stop: () => watcher.close() };
}
const confirms = (id: string, folder: string): void => writeFileSync(join(folder, `${id}.done`), "");

interface Rig {
  readonly marker: Marker;
  readonly kind: Marker["kind"];
  readonly does: MarkJob;
  readonly not: MarkJob;
  /** How often the card was marked. */
  readonly marked: () => number;
  readonly stop: () => void;
}

/** Burns by command: appends what it was handed to a file, then ends as it is told. */
function commanded(status: number): Rig {
  const folder = join(root, `handed-${String(++folders)}`);
  mkdirSync(folder);
  const book = join(folder, "burnt.log");
  const script = 'cat "$1" >> "$2"; echo "fibre not\\007 ready" >&2; exit "$3"';
  const marker = fileEngraver({
    name: "laser",
    folder,
    format: "gcode",
    withinMs: 5000,
    command: ["/bin/sh", "-c", script, "burn", "{file}", book, String(status)],
  });
  const marked = (): number => {
    const text = readdirSync(folder).includes("burnt.log") ? readFileSync(book, "utf8") : "";
    return text.split("; job ").length - 1;
  };
  return { marker, kind: "real", does: filed(1), not: emboss, marked, stop: () => undefined };
}

const rigs: Readonly<Record<string, (confirmed: boolean) => Rig>> = {
  ...Object.fromEntries(
    Object.entries(markers).map(([name, { make, does, not, marked, kind = "simulated" }]) => [
      name,
      (confirmed: boolean): Rig => {
        const world = {
          now: () => 0,
          sleep: () =>
            confirmed
              ? Promise.resolve()
              : Promise.reject(new DeviceFault("marker", "timeout", "the machine says nothing")),
        };
        const { options, body } = set({ world });
        return {
          marker: make(options),
          kind: kind === "real" ? "real" : "simulated",
          does,
          not,
          marked: () => Number(marked(body)),
          stop: () => undefined,
        };
      },
    ]),
  ),
  "engraver that takes files from a folder": (confirmed) => {
    const { marker, burnt, stop } = watched(confirmed ? confirms : () => undefined);
    return { marker, kind: "real", does: filed(1), not: emboss, marked: () => burnt.length, stop };
  },
  "engraver that is handed files by a command": (confirmed) => commanded(confirmed ? 0 : 3),
};

/** Hundredths of a millimetre. */
const reachOf = ({ geometry }: Marker): readonly number[] =>
  ("reach" in geometry
    ? [geometry.reach.x, geometry.reach.y, geometry.reach.width, geometry.reach.height, geometry.dpi]
    : [geometry.across.from, geometry.across.to, geometry.up.from, geometry.up.to]
  ).map((value) => Math.round(value * 100));
const wholeCard = [0, 0, 8560, 5398, 30_000];
/** 100 to 3275 mils, and 135 to 1460. */
const carriageWay = [254, 8318, 343, 3708];

describe.each(Object.entries(rigs))("the promise of markers: %s", (_, rigOf) => {
  test("resolves when the machine confirms the card, which is then marked once", async () => {
    const rig = rigOf(true);
    await rig.marker.ready?.();
    await rig.marker.mark(rig.does);
    expect(rig.marked()).toBe(1);
    rig.stop();
  });
  test("a mark that nobody confirms is a fault, and is not made again", async () => {
    const rig = rigOf(false);
    await expect(rig.marker.mark(rig.does)).rejects.toBeInstanceOf(DeviceFault);
    await new Promise((wake) => setTimeout(wake, 50));
    expect(rig.marked()).toBeLessThanOrEqual(1);
    rig.stop();
  });
  test("says beforehand how long it takes, what it is, what it reaches, and refuses the other kind of job unmarked", async () => {
    const rig = rigOf(true);
    expect(rig.marker.geometry.does).toBe(rig.marker.does);
    expect(reachOf(rig.marker)).toEqual(
      rig.marker.does === "raster" || rig.marker.does === "colour" ? wholeCard : carriageWay,
    );
    expect(rig.marker.kind).toBe(rig.kind);
    expect(rig.marker.duration(rig.does)).toBeGreaterThan(100);
    await expect(rig.marker.mark(rig.not)).rejects.toBeInstanceOf(DeviceFault);
    expect(rig.marked()).toBe(0);
    rig.stop();
  });
});

describe("an engraver that takes files", () => {
  test("gets each card's own file, whole, and leaves nothing of it behind", async () => {
    const { marker, burnt, folder, stop } = watched(confirms);
    await marker.mark(filed(1));
    await marker.mark(filed(2));
    expect(burnt).toEqual([1, 2].map((person) => Buffer.from(filed(person).file?.bytes ?? []).toString()));
    expect(readdirSync(folder)).toEqual([]);
    stop();
  });
  test("a reported failure is told without what a terminal would obey", async () => {
    const { marker, stop } = watched((id, folder) =>
      writeFileSync(join(folder, `${id}.failed`), "lens\u001b[31m dirty\n"),
    );
    await expect(marker.mark(filed(1))).rejects.toThrow("the machine reports a failure: lens [31m dirty");
    stop();
    await expect(commanded(3).marker.mark(filed(1))).rejects.toThrow("/bin/sh ended with 3: fibre not ready");
  });
  test("a job that was not taken in time is taken away: it must not be burnt on the next card", async () => {
    const { marker, folder, stop } = watched(() => undefined, { withinMs: 1, format: "gcode" });
    stop();
    await expect(marker.mark({ ...filed(1) })).rejects.toMatchObject({ code: "timeout" });
    expect(readdirSync(folder)).toEqual([expect.stringMatching(/^persoline-[0-9a-f]{16}\.unanswered$/)]);
  });
  test("a mark without an answer may be burnt yet: no other is begun until the answer is there, or people have looked", async () => {
    const { marker, folder, burnt, stop } = watched(() => undefined, { withinMs: 1 });
    const timedOut = async (): Promise<string> => {
      await expect(marker.mark(filed(1))).rejects.toMatchObject({ code: "timeout" });
      return readdirSync(folder)[0] ?? "";
    };
    const note = await timedOut();
    const later = fileEngraver({ name: "laser", folder, format: "gcode", withinMs: 1, pollMs: 5 });
    await expect(later.ready?.()).rejects.toThrow(note);
    await expect(later.mark(filed(2))).rejects.toMatchObject({ code: "refused" });
    expect(burnt.every((text) => text.includes("job 1"))).toBe(true);
    writeFileSync(join(folder, note.replace("unanswered", "done")), "");
    await later.ready?.();
    expect(readdirSync(folder)).toEqual([]);
    rmSync(join(folder, await timedOut()));
    await later.ready?.();
    stop();
  });
  test("the confirmation of another mark is none of this one", async () => {
    const { marker, folder, stop } = watched(
      (_id, at) => writeFileSync(join(at, "persoline-0123456789abcdef.done"), ""),
      {
        withinMs: 50,
      },
    );
    await expect(marker.mark(filed(1))).rejects.toMatchObject({ code: "timeout" });
    expect(readdirSync(folder).filter((one) => !one.endsWith(".unanswered"))).toEqual([
      "persoline-0123456789abcdef.done",
    ]);
    stop();
  });
  test("an earlier card's job in the folder stops the machine before anything is marked", async () => {
    const { marker, folder, burnt, stop } = watched(confirms);
    stop();
    writeFileSync(join(folder, "persoline-0123456789abcdef.gcode"), "G21\n");
    await expect(marker.ready?.()).rejects.toThrow(/earlier job lies in .*persoline-0123456789abcdef\.gcode/);
    await expect(marker.mark(filed(1))).rejects.toMatchObject({ code: "refused" });
    expect(readdirSync(folder)).toEqual(["persoline-0123456789abcdef.gcode"]);
    expect(burnt).toEqual([]);
  });
  test("a folder that is not there, a job without its file, another format: the machine's fault", async () => {
    const nowhere = fileEngraver({
      name: "laser",
      folder: join(root, "nowhere"),
      format: "gcode",
      withinMs: 10,
    });
    await expect(nowhere.ready?.()).rejects.toMatchObject({ code: "unplugged" });
    const { marker, folder, stop } = watched(confirms);
    await expect(marker.mark(raster(1))).rejects.toThrow("comes with none");
    const { marker: other, stop: otherStop } = watched(confirms, { format: "dxf" });
    await expect(other.mark(filed(1))).rejects.toThrow("takes dxf files");
    otherStop();
    expect(readdirSync(folder)).toEqual([]);
    stop();
  });
  test("a command that does not end is ended, and one that is not there is told", async () => {
    const folder = join(root, `slow-${String(++folders)}`);
    mkdirSync(folder);
    const of = (...command: string[]): Marker =>
      fileEngraver({ name: "laser", folder, format: "gcode", withinMs: 50, command });
    await expect(of("/bin/sleep", "30").mark(filed(1))).rejects.toMatchObject({ code: "timeout" });
    // Ended by force, it may have burnt or burn yet.
    await expect(of("/bin/true", "{file}").ready?.()).rejects.toThrow("has not answered");
    for (const note of readdirSync(folder)) rmSync(join(folder, note));
    await expect(of("/no/such/program", "{file}").mark(filed(1))).rejects.toMatchObject({
      code: "unplugged",
    });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe.each(Object.entries(markers))("%s", (_, { make, does, not, marked, kind = "simulated" }) => {
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
    expect(markUnderWay(body)).toEqual([does.side]);
    expect(marked(body)).toBe(true);
  });
  test("simulated devices say so, and no others", () => {
    expect(make(set().options).kind).toBe(kind);
  });
});

describe("a simulated printer", () => {
  test("lays its dyes over the blank's own print, the bleed cut off, and each side on its own", async () => {
    const one = set();
    const grey = new Uint8Array(1011 * 638).fill(200);
    const lots = join(root, "lots");
    mkdirSync(lots, { recursive: true });
    mkdirSync(one.body, { recursive: true });
    keepPreprint(lots, "L1", { front: { width: 1011, height: 638, grey } });
    wearPreprint(one.body, lots, "L1");
    await simulatedPrinter(one.options).mark(printed(5));
    const front = readGround(one.body, "front");
    const at = (x: number, y: number): number => front?.grey[y * 1011 + x] ?? -1;
    // 100 of blue are 11 of grey, and light goes through both.
    expect([at(5, 98), at(5, 102), at(1008, 197), at(5, 202)]).toEqual([200, 9, 9, 200]);
    expect(readGround(one.body, "back")?.grey.every((tone) => tone === 255)).toBe(true);
    // The next blank of the lot is as it came.
    const other = set();
    mkdirSync(other.body, { recursive: true });
    wearPreprint(other.body, lots, "L1");
    expect(readGround(other.body, "front")?.grey.every((tone) => tone === 200)).toBe(true);
  });
  test("600 dots an inch are brought to what the camera sees", async () => {
    const one = set();
    const [width, height] = [2022, 1275];
    const pixels = new Uint8Array(4 * width * height);
    for (let at = 3; at < pixels.length; at += 8) pixels[at] = 255;
    const side = { side: "front", dpi: 600, width, height, bleed: 0, pixels } as const;
    await simulatedPrinter(one.options).mark({ kind: "colour", side: "front", sides: [side] });
    // Every other column black.
    expect(new Set(readGround(one.body, "front")?.grey)).toEqual(new Set([127]));
  });
  test("its flaws are its own: planted in the body or in the machine", async () => {
    const one = set({ flaws: [{ kind: "faint", nth: 1, size: 0.5 }] });
    await simulatedPrinter(one.options).mark(printed(0));
    expect(new Set(readGround(one.body, "front")?.grey)).toEqual(new Set([255, 127]));
    const other = set();
    mkdirSync(other.body, { recursive: true });
    const faces = ["print upside-down front", "faint front"];
    writeFileSync(join(other.body, "faults.json"), JSON.stringify({ chip: [], faces }));
    await simulatedPrinter(other.options).mark(printed(0));
    const grey = readGround(other.body, "front")?.grey ?? new Uint8Array();
    expect([grey[150 * 1011], grey[(637 - 150) * 1011]]).toEqual([255, 0]);
    // The engraver heeds what is not the printer's.
    await simulatedEngraver(other.options).mark(raster(1));
    expect(readFace(other.body, "front")?.power).toBeLessThan(0.6);
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
