import fc from "fast-check";
import { expect, test } from "vitest";
import { cardKeysOf, iccParts, PaymentBench, record } from "../../../tools/payment-bench.js";
import { hex } from "../../bytes/index.js";
import { pinBlock2, SAMPLE_AID } from "../../emv/index.js";

const OPTIONS = Uint8Array.of(0x83, 4, 2, 0x76, 9, 0x78);
const INS = [
  0x20, 0x24, 0x50, 0x82, 0x84, 0x88, 0xa4, 0xa8, 0xae, 0xb2, 0xca, 0xda, 0xe2, 0x16, 0x18, 0x1e,
] as const;
/** Commands in the form they should have, so that the walk gets somewhere. */
const right = fc
  .constantFrom(
    [0x80, 0xa8, 0x00, 0x00, 6],
    [0x80, 0xae, 0x80, 0x00, 29],
    [0x80, 0xae, 0x90, 0x00, 29],
    [0x80, 0xae, 0x40, 0x00, 41],
    [0x00, 0x88, 0x00, 0x00, 4],
    [0x00, 0x82, 0x00, 0x00, 8],
    [0x00, 0x20, 0x00, 0x80, 8],
    [0x84, 0x24, 0x00, 0x00, 8],
  )
  .map(([cla = 0, ins = 0, p1 = 0, p2 = 0, length = 0]) => ({
    cla,
    ins,
    p1,
    p2,
    data: ins === 0xa8 ? OPTIONS : new Uint8Array(length).fill(7),
    le: 256,
  }));
const wild = fc.record({
  cla: fc.constantFrom(0x00, 0x80, 0x84, 0x04, 0x90, 0x01),
  ins: fc.oneof(fc.constantFrom(...INS), fc.nat(0x5f)),
  p1: fc.oneof(fc.constantFrom(0x00, 0x40, 0x80, 0x90, 0x01, 0x9f), fc.nat(255)),
  p2: fc.oneof(fc.constantFrom(0x00, 0x02, 0x80, 0x88, 0x0c, 0x14), fc.nat(255)),
  data: fc.oneof(
    fc.constant(SAMPLE_AID),
    fc.constant(OPTIONS),
    fc.constantFrom(4, 8, 10, 16, 24, 29, 41, 144).map((length) => new Uint8Array(length).fill(7)),
    fc.uint8Array({ maxLength: 255 }),
  ),
  le: fc.constantFrom(8, 256),
});
const anyCommand = fc.oneof({ weight: 3, arbitrary: wild }, { weight: 2, arbitrary: right });

test("whatever is sent in whatever order: an answer, no secret in it, and no counter runs back", () => {
  const bench = new PaymentBench().personalize();
  const secrets = [...cardKeysOf(bench.profile), ...iccParts(), pinBlock2(record.pin)].map((bytes) =>
    hex(bytes).slice(0, 16),
  );
  expect(secrets.length).toBe(9);
  const told = (p2: number): number => {
    const { data } = bench.gp.send({ cla: 0x80, ins: 0xca, p1: 0x9f, p2, le: 256 });
    return data.subarray(3).reduce((sum, byte) => sum * 256 + byte, 0);
  };
  let [atc, tries] = [0, 3];
  fc.assert(
    fc.property(fc.array(anyCommand, { minLength: 1, maxLength: 30 }), (commands) => {
      bench.gp.send({ cla: 0, ins: 0xa4, p1: 4, p2: 0, data: SAMPLE_AID, le: 256 });
      for (const command of commands) {
        const { sw, data } = bench.gp.send(command);
        expect(sw >> 12 === 6 || sw === 0x9000).toBe(true);
        for (const secret of secrets) expect(hex(data)).not.toContain(secret);
      }
      bench.gp.power();
      bench.gp.send({ cla: 0, ins: 0xa4, p1: 4, p2: 0, data: SAMPLE_AID, le: 256 });
      const now = [told(0x36), told(0x17)] as const;
      expect(now[0] >= atc && now[1] <= tries).toBe(true);
      [atc, tries] = now;
    }),
    { numRuns: 60 },
  );
  // It was no walk past the doors.
  expect(atc).toBeGreaterThan(3);
});
