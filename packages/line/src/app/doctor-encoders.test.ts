import { expect, test } from "vitest";
import { encoderChecks } from "./doctor-devices.js";

test("doctor asks a line's encoders as the line does before a card, and says what is wrong", async () => {
  const behind = (...command: string[]) => ({ name: "visual", encoder: { command, answerSeconds: 20 } });
  const says = behind(process.execPath, "-e", "console.log('{\"ready\":true}')");
  const checks = await encoderChecks([
    { name: "feeder" },
    { name: "quality", encoder: "simulated" },
    says,
    behind("/no/such/encoder"),
  ]);
  expect(checks.map(({ what, state }) => `${what} ${state}`)).toEqual([
    "encoder of visual ok",
    "encoder of visual lacking",
  ]);
  expect(checks[1]?.detail).toContain("cannot be started: spawn /no/such/encoder");
});
