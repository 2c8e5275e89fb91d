import type { Command, Response, StatusWord } from "@persoline/card/apdu";
import type { Sent } from "@persoline/card/program";
import fc from "fast-check";
import { expect, test } from "vitest";
import { packAnswers, packCommands, unpackAnswers, unpackCommands } from "./packets.js";

const word = fc.integer({ min: 0, max: 0xffff });
/** Beyond 255 in extended length. */
const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 });
const command = fc.record(
  {
    cla: fc.integer({ min: 0, max: 0xfe }),
    ins: fc.constantFrom(0xa4, 0xca, 0xe2, 0x10),
    p1: fc.integer({ min: 0, max: 255 }),
    p2: fc.integer({ min: 0, max: 255 }),
    data: bytes,
    le: fc.integer({ min: 1, max: 65_536 }),
  },
  { requiredKeys: ["cla", "ins", "p1", "p2"] },
) as fc.Arbitrary<Command>;
const sent: fc.Arbitrary<Sent> = fc.record({
  command,
  sw: fc.array(fc.record({ value: word, mask: word }), { maxLength: 3 }),
});

test("commands of any length come out as they went in, in order", () => {
  fc.assert(
    fc.property(fc.array(sent, { maxLength: 5 }), (commands) => {
      expect(unpackCommands(packCommands(commands))).toEqual(commands);
    }),
    { numRuns: 60 },
  );
});

test("answers too, and each has bytes of its own", () => {
  const answer = fc.record({ data: fc.uint8Array({ maxLength: 300 }), sw: word }) as fc.Arbitrary<Response>;
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 5 }), (answers) => {
      expect(unpackAnswers(packAnswers(answers))).toEqual(answers);
    }),
  );
  const block = Buffer.from(packAnswers([{ data: Uint8Array.of(1, 2), sw: 0x9000 as StatusWord }]));
  const [only] = unpackAnswers(block);
  block.fill(0);
  expect(only?.data).toEqual(Uint8Array.of(1, 2));
});

test("a block that arrives in the middle of a larger memory is read where it lies", () => {
  const commands: Sent[] = [{ command: { cla: 0, ins: 0xb0, p1: 0, p2: 0, le: 256 }, sw: [] }];
  const packed = packCommands(commands);
  const memory = new Uint8Array(packed.length + 7);
  memory.set(packed, 3);
  expect(unpackCommands(memory.subarray(3, 3 + packed.length))).toEqual(commands);
});
