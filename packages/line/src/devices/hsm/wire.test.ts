/** Messages to and from a module's process, as bytes. */
import { PassThrough } from "node:stream";
import { Encoder } from "@msgpack/msgpack";
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { hearBlocks, packed, unpacked } from "./wire.js";

const message = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("any"), { maxLength: 5 }),
    fc.dictionary(
      fc.string({ unit: "grapheme" }).filter((name) => name !== "__proto__"),
      tie("any"),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
})).any;

it("any message comes through whole, however the pipe tears it", () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 6 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 90 })),
      (said, sizes) => {
        const wire = new PassThrough();
        const heard: unknown[] = [];
        hearBlocks(wire, (one) => heard.push(one));
        const all = Buffer.concat(said.map(packed));
        let at = 0;
        for (const size of sizes) {
          if (at >= all.length) break;
          wire.emit("data", all.subarray(at, at + size));
          at += size;
        }
        expect(heard).toEqual(said);
      },
    ),
  );
});

it("what is undefined is left out; a result of nothing is none", () => {
  expect(unpacked(packed({ id: 1, result: undefined, more: { le: undefined } }))).toEqual({
    id: 1,
    more: {},
  });
});

/** A block whose length is right, around these bytes. */
const block = (hex: string): string => (4 + hex.length / 2).toString(16).padStart(8, "0") + hex;

it.each([
  ["a length that is none", "00000004"],
  ["a length beyond all messages", "7fffffff00000000"],
  ["less than its own length", block("9301")],
  ["more than one message", block("0101")],
  ["an array longer than the block", block("ddffffffff")],
  ["text longer than the block", block("dbfffffff061")],
  ["bytes longer than the block", block("c6fffffff000")],
  ["a byte that begins nothing", block("c1")],
  ["a time, which is an extension", block("d6ff00000001")],
  ["an extension of nobody's", block("d40101")],
  ["an extension of nothing", block("c70001")],
  ["an object with another prototype", block("81a95f5f70726f746f5f5f80")],
  ["an object named by an object", block("818001")],
])("ends the pipe at %s, and says why", (_, bytes) => {
  const wire = new PassThrough();
  let broken: Error | undefined;
  const destroyed = vi.spyOn(wire, "destroy").mockImplementation((error) => {
    broken = error;
    return wire;
  });
  hearBlocks(wire, () => expect.fail("nothing was said"));
  wire.emit("data", Buffer.from(bytes, "hex"));
  expect(destroyed).toHaveBeenCalledTimes(1);
  expect(broken).toBeInstanceOf(RangeError);
  expect(broken?.message).toBe("what came from the other process is no message");
});

it.each(["ddffffffff", "dfffffffff", "dbfffffff061", "c6fffffff000"])(
  "makes no room for what a block of %s cannot hold",
  (bytes) => {
    let cause: unknown;
    try {
      unpacked(Buffer.from(block(bytes), "hex"));
    } catch (problem) {
      ({ cause } = problem as RangeError);
    }
    expect(String(cause)).toContain("Max length exceeded");
  },
);

it("hands out plain bytes, whose slices are copies", () => {
  const { bytes } = unpacked(packed({ bytes: Buffer.from("0102", "hex") })) as { bytes: Uint8Array };
  expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
});

it("keeps no copy of a message where the next one is written", () => {
  const canary = "a canary that nobody else says";
  const used = new Set<ArrayBufferLike>();
  const encode = vi.spyOn(Encoder.prototype, "encodeSharedRef");
  packed({ passphrase: canary });
  for (const { value } of encode.mock.results as { value: Uint8Array }[]) used.add(value.buffer);
  expect(used.size).toBe(1);
  for (const one of used) expect(Buffer.from(one).includes(canary)).toBe(false);
});
