import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bytesOf, fresh, image12, image20, keys, on, open, powered, say } from "../../tools/bench.js";
import { buildImage, crc32, imageFolder, images } from "../../tools/image.js";
import { type ImageCode, imageCode } from "./image.js";
import { romRoutine } from "./rom.js";
import { completedStore } from "../../tools/os-bench.js";
import { imageRoutine, routine } from "./routines.js";

/** EEPROM with head and count at address 0. */
const at = (head: number, count: number) => ({
  load8: (address: number) => (address === 0 ? head : count),
  store8: () => undefined,
});

function code(bytes: Uint8Array): ImageCode {
  const found = imageCode(bytes);
  if (found === undefined) throw new Error("not an image");
  return found;
}

/** The image with other bytes, its CRC made right again. */
function altered(image: Uint8Array, change: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = image.slice();
  change(bytes);
  bytes.set(bytesOf(crc32(bytes.subarray(16))), 12);
  return bytes;
}

describe("completion images", () => {
  test("are what their sources give", async () => {
    for (const [file, source] of Object.entries(images))
      expect(Buffer.from(await buildImage(source))).toEqual(readFileSync(new URL(file, imageFolder)));
  });

  test("the ROM finds the wrong slot unless the number of records is a power of two; image 1.2 is right", () => {
    const image = code(image12);
    const wrong: number[] = [];
    for (let count = 1; count <= 32; count++) {
      for (let head = 0; head < count; head++) {
        const right = (head + count - 1) % count;
        expect(image.call(at(head, count), routine.cyclicSlot, 0)).toBe(right);
        const rom = romRoutine(routine.cyclicSlot, at(head, count).load8);
        if (rom?.(0) !== right && !wrong.includes(count)) wrong.push(count);
      }
    }
    const powers = [1, 2, 4, 8, 16, 32];
    expect(wrong).toEqual(Array.from({ length: 32 }, (_, i) => i + 1).filter((n) => !powers.includes(n)));
  });

  test("one instance serves every card, each with its own memory", () => {
    expect(imageCode(image12.slice())).toBe(imageCode(image12));
    const image = code(image12);
    const inner = at(0, 5);
    const outer = {
      load8: (address: number): number =>
        address === 0 ? image.call(inner, routine.cyclicSlot, 0) : at(0, 7).load8(address),
      store8: () => undefined,
    };
    expect(image.call(outer, routine.cyclicSlot, 0)).toBe(3);
  });

  test("are refused when the body does not hold together", () => {
    const links = 17 + 2 * (image12[16] ?? 0);
    const broken = {
      "other letters": altered(image12, (bytes) => bytes.fill(0, 0, 1)),
      "another ROM": altered(image12, (bytes) => bytes.fill(2, 6, 7)),
      "a link to nowhere": altered(image12, (bytes) => bytes.fill(2, 18, 19)),
      "a module cut short": altered(image12, (bytes) => bytes.fill(0x4a, links + 1, links + 2)),
      "bytes that are no module": altered(image12, (bytes) => bytes.fill(0, links + 2)),
      "a foreign import": altered(image12, (bytes) => bytes.fill(0x78, links + 2 + 23, links + 2 + 24)),
      "a link to an export that is not there": altered(image12, (bytes) => bytes.fill(1, 18, 19)),
      "a wrong CRC": image12.with(20, 9),
    };
    for (const [what, bytes] of Object.entries(broken))
      expect(`${what}: ${imageCode(bytes) === undefined}`).toBe(`${what}: true`);
  });

  test("a module with a memory of its own is refused", async () => {
    const wabt = await (await import("wabt")).default();
    const text = `(module (memory 1) (func (export "r32") (param i32) (result i32) (i32.load8_u (local.get 0))))`;
    const wasm = wabt.parseWat("memory.wat", text).toBinary({}).buffer;
    const without = `(module (func (export "r32") (param i32) (result i32) (local.get 0)))`;
    const plain = wabt.parseWat("plain.wat", without).toBinary({}).buffer;
    const wrapped = (module: Uint8Array): Uint8Array => {
      const body = Uint8Array.of(1, 0x20, 1, 0, module.length, ...module);
      return altered(
        Uint8Array.of(...image12.subarray(0, 10), 0, body.length, 0, 0, 0, 0, ...body),
        () => undefined,
      );
    };
    expect(imageCode(wrapped(plain))).toBeDefined();
    expect(imageCode(wrapped(wasm))).toBeUndefined();
  });

  test("a card without links knows no command", () => {
    const { card } = fresh();
    powered(card);
    const empty = altered(
      Uint8Array.of(...image12.subarray(0, 10), 0, 3, 0, 0, 0, 0, 0, 0, 0),
      () => undefined,
    );
    const { host } = open(card);
    expect(say(card, host.loadBlock(0x0280, empty))).toBe("9000");
    expect(say(card, host.loadKeys(1, keys))).toBe("9000");
    expect(say(card, host.activate(0x0280, empty.length, bytesOf(crc32(empty))))).toBe("9000");
    expect(powered(card)).toMatch(/^3B9C/);
    expect(say(card, "00A4000C023F00")).toBe("6D00");
  });

  describe("machine code", () => {
    test("image 2.0 brings it, replaces ROM routines by it, and keeps the others", () => {
      const { links } = code(image20);
      expect([0x01, 0x03, 0x20, 0x21, 0x2f].map((number) => links.get(number))).toEqual([
        "code",
        "rom",
        "image",
        "code",
        "code",
      ]);
    });

    test("altered in any byte, cut off, doubled or of an unknown number it is not linked", () => {
      // The code lies at the end: its count, then number, length and 64 bytes of each piece.
      const pieces = Object.keys(images["persoline-os-2.0.img"]?.code ?? {}).length;
      const from = image20.length - pieces * 67 - 1;
      expect(image20[from]).toBe(pieces);
      for (const at of [from, from + 1, from + 2, from + 3, from + 40, image20.length - 1]) {
        const changed = altered(image20, (bytes) => {
          bytes[at] = (bytes[at] ?? 0) ^ 0x01;
        });
        expect(`${at}: ${imageCode(changed) === undefined}`).toBe(`${at}: true`);
      }
    });

    test("a card without one of its routines has no such command", async () => {
      const { 0x21: write, ...others } = imageRoutine;
      expect(write).toBe("WRITE BINARY");
      const image = await buildImage({ version: { major: 2, minor: 0 }, own: [], code: others });
      const store = completedStore(image);
      const card = on(store);
      powered(card);
      expect(say(card, "00D000000101")).toBe("6D00");
      expect(say(card, "000E0000")).toBe("6986");
      expect(say(card, "00A4000C00")).toBe("6A82");
    });
  });
});
