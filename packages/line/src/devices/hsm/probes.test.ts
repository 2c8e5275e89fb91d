import { nodeCrypto } from "@persoline/card/node";
import { afterEach, expect, test, vi } from "vitest";
import { probeProcess } from "./probes.js";

afterEach(() => {
  vi.restoreAllMocks();
});

test("a crypto library that errs makes the operations that need it unavailable, and no others", () => {
  const aes = nodeCrypto.aes.bind(nodeCrypto);
  vi.spyOn(nodeCrypto, "aes").mockImplementation((key) => {
    const cipher = aes(key);
    const right = cipher.cbcEncrypt.bind(cipher);
    // One bit of every block chain.
    cipher.cbcEncrypt = (iv, data) => right(iv, data).map((byte, at) => (at === 0 ? byte ^ 1 : byte));
    return cipher;
  });
  const { loader, scp03, proof, scp02, sign } = probeProcess();
  for (const broken of [loader, scp03, proof])
    expect(broken).toMatchObject({
      level: "unavailable",
      probed: true,
      note: expect.stringMatching(/answer|match/) as string,
    });
  for (const whole of [scp02, sign]) expect(whole.level).toBe("module-process");
});
