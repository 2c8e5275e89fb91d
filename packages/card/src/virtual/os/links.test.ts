import { expect, test } from "vitest";
import { crc32 } from "../../../tools/image.js";
import { Bench, command, completedStore, create, createMf, tlv } from "../../../tools/os-bench.js";
import { unhex } from "../../bytes/index.js";
import { type RoutineName, routine } from "../routines.js";

const rules = tlv("AB", "8001079000", "80011E9E0140");
const cyclic = create("82050621000204", "83020101", rules);

/** An image with these links, and a routine of its own that always answers `slot`. */
function imageWith(linked: (name: RoutineName) => boolean, slot?: number): Uint8Array {
  const names = (Object.keys(routine) as RoutineName[]).filter(linked);
  const own = (name: RoutineName): number => (slot !== undefined && name === "cyclicSlot" ? 1 : 0);
  const code =
    slot === undefined ? "" : `0061736D0100000001060160017F017F030201000707010372333200000A0701050041807F0B`;
  const module = unhex(code);
  // i32.const as two bytes of signed LEB128.
  if (slot !== undefined) module.set([0x80 | (slot & 0x7f), (slot >> 7) & 0x7f], module.length - 3);
  const links = names.flatMap((name) => [routine[name], own(name)]);
  const body = Uint8Array.of(names.length, ...links, module.length >> 8, module.length & 0xff, ...module);
  const image = new Uint8Array(16 + body.length);
  const view = new DataView(image.buffer);
  image.set(unhex("50534C4909000100"));
  view.setUint16(8, 0x0290);
  view.setUint16(10, body.length);
  view.setUint32(12, crc32(body));
  image.set(body, 16);
  return image;
}

test("a command without a link does not exist", () => {
  const missing: readonly RoutineName[] = ["verify", "readBinary", "setStatus"];
  const bench = new Bench(completedStore(imageWith((name) => !missing.includes(name))));
  expect(bench.say("00200081")).toBe("6D00");
  expect(bench.say("00B0000000")).toBe("6D00");
  expect(bench.say("80F08007")).toBe("6D00");
  expect(bench.open(0x01)).toBe("9000");
  expect(bench.safe(createMf)).toBe("9000");
  expect(bench.safe("80F08007")).toBe("6D00");
});

test("without the slot finder a cyclic EF takes no new record", () => {
  const bench = new Bench(completedStore(imageWith((name) => name !== "cyclicSlot")));
  bench.open(0x01);
  bench.safe(createMf);
  expect(bench.safe(cyclic)).toBe("9000");
  expect(bench.safe("00DC000302AAAA")).toBe("6A81");
  expect(bench.safe("00E2000002AAAA")).toBe("6A81");
  expect(bench.safe("00DC010402AAAA")).toBe("9000");
});

test.each([
  [2, "9000"],
  [3, "9000"],
  [4, "6985"],
  [200, "6985"],
  [-1, "6985"],
])("an image whose slot finder says %i: %s, and nothing outside the file is written", (slot, answered) => {
  const bench = new Bench(completedStore(imageWith(() => true, slot)));
  bench.open(0x01);
  const neighbour = create("820101", "83020102", "80020040", rules);
  for (const sent of [createMf, cyclic, neighbour, "00A4000C020101"]) expect(bench.safe(sent)).toBe("9000");
  expect(bench.safe(command("00DC0003", "AAAA"))).toBe(answered);
  expect(bench.safe("00B2010400")).toBe(answered === "9000" ? "AAAA9000" : "FFFF9000");
  bench.safe("00A4000C020102");
  expect(bench.safe("00B0000000")).toBe(`${"FF".repeat(64)}9000`);
});
