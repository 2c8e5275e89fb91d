import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { drawFace } from "../shop-floor/faces.js";
import type { Camera } from "./port.js";
import { endRealCameras, realCameras } from "./real.test.data.js";
import { simulatedCamera, type SimulatedCameraOptions } from "./simulated.js";

const root = mkdtempSync(join(tmpdir(), "persoline-camera-"));
afterEach(endRealCameras);
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A body whose front has a black block in the middle. */
const body = join(root, "body");
const block = new Uint8Array(127 * 638);
for (let y = 250; y < 400; y++) block.fill(0xff, y * 127 + 50, y * 127 + 76);
await drawFace(body, "front", { dpi: 300, width: 1011, height: 638, bits: block, power: 1 }, () =>
  Promise.resolve(),
);

const options: SimulatedCameraOptions = {
  name: "camera",
  place: { at: "head", station: "visual", head: 0 },
  bodyAt: () => body,
  world: { now: () => 1234, sleep: () => Promise.resolve() },
  seed: "7",
};

const cameras: Record<string, (more?: Partial<SimulatedCameraOptions>) => Camera> = {
  "simulated camera": (more) => simulatedCamera({ ...options, ...more }),
  ...realCameras(root, (more) => ({ ...options, ...more })),
};

describe.each(Object.entries(cameras))("%s", (_, make) => {
  test("a picture has as many pixels as it says, its side and its time", async () => {
    const picture = await make().capture("front");
    if (picture === "no-picture") throw new Error("no picture");
    expect(picture.grey).toHaveLength(picture.width * picture.height);
    expect([picture.side, picture.takenAt]).toEqual(["front", 1234]);
  });
  test("every exposure is a new picture with a higher number", async () => {
    const camera = make();
    const [first, second] = [await camera.capture("front"), await camera.capture("front")];
    if (first === "no-picture" || second === "no-picture") throw new Error("no picture");
    expect(second.frame).toBeGreaterThan(first.frame);
    expect(Buffer.from(second.grey).equals(Buffer.from(first.grey))).toBe(false);
  });
  test("picture, card and side stay together", async () => {
    const camera = make();
    const [front, back] = [await camera.capture("front", "S1"), await camera.capture("back", "S2")];
    expect([front, back]).toMatchObject([
      { card: "S1", side: "front" },
      { card: "S2", side: "back" },
    ]);
  });
  test("nothing at its place: no picture", async () => {
    expect(await make({ bodyAt: () => undefined }).capture("front")).toBe("no-picture");
  });
  test("it sees what is on the plastic: dark marks on a light card on a dark belt", async () => {
    const picture = await make().capture("front");
    if (picture === "no-picture") throw new Error("no picture");
    const at = (x: number, y: number): number => picture.grey[y * picture.width + x] ?? 0;
    expect(at(600, 405)).toBeLessThan(90);
    expect(at(1000, 600)).toBeGreaterThan(140);
    expect(at(20, 20)).toBeLessThan(90);
    const back = await make().capture("back");
    if (back === "no-picture") throw new Error("no picture");
    expect(back.grey[405 * back.width + 600] ?? 0).toBeGreaterThan(140);
  });
});

describe("simulated camera", () => {
  test("the same seed gives the same pictures, another seed others", async () => {
    const grey = async (seed: string): Promise<Uint8Array> => {
      const picture = await simulatedCamera({ ...options, seed }).capture("front");
      if (picture === "no-picture") throw new Error("no picture");
      return picture.grey;
    };
    const [one, same, other] = [await grey("a"), await grey("a"), await grey("b")];
    expect(Buffer.from(one).equals(Buffer.from(same))).toBe(true);
    expect(Buffer.from(one).equals(Buffer.from(other))).toBe(false);
  });
  test("planted: a frozen frame comes twice, a lost one not at all", async () => {
    const camera = simulatedCamera({
      ...options,
      flaws: [
        { kind: "frozen", nth: 2 },
        { kind: "no-picture", nth: 3 },
      ],
    });
    const [first, second, third] = [
      await camera.capture("front"),
      await camera.capture("front"),
      await camera.capture("front"),
    ];
    expect(second).toBe(first);
    expect(third).toBe("no-picture");
  });
});
