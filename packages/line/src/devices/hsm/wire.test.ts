/** Messages to and from a module's process, as bytes. */
import { PassThrough } from "node:stream";
import fc from "fast-check";
import { expect, it } from "vitest";
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
      fc.string({ unit: "grapheme" }).filter((name) => name !== "$" && name !== "__proto__"),
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

it("refuses the one field name it needs itself, and a length that is none", () => {
  expect(() => packed({ pins: { $: new Uint8Array(4) } })).toThrow(RangeError);
  for (const head of ["0000000700000000", "7fffffff00000000"]) {
    const wire = new PassThrough();
    const broken: Error[] = [];
    wire.on("error", (error) => broken.push(error));
    hearBlocks(wire, () => expect.fail("nothing was said"));
    wire.emit("data", Buffer.from(head, "hex"));
    expect(wire.destroyed).toBe(true);
  }
});
