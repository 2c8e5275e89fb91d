import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { eventLine, screen } from "./screen.js";

const escape = String.fromCodePoint(27);

function terminal() {
  const out = Object.assign(new PassThrough(), { isTTY: true, columns: 60 }) as unknown as NodeJS.WriteStream;
  let text = "";
  out.on("data", (bytes: Buffer) => (text += bytes.toString()));
  return { out, written: () => text };
}

test("a reject whose words a card or reader made up moves no cursor, wipes no screen and names no window", async () => {
  const { out, written } = terminal();
  const shown = screen({ out });
  const line = eventLine(
    {
      kind: "halted",
      at: 0,
      station: "chip-proof",
      head: 0,
      device: `Twin${escape}[2J${escape}]0;owned\u0007`,
      code: "unplugged",
      detail: `gone${String.fromCodePoint(0x9b)}8m${escape}[8m`,
    },
    shown.paint,
  );
  shown.say(line ?? "");
  shown.draw([`table ${escape}[1A`]);
  await new Promise((resolve) => setImmediate(resolve));
  const own = new RegExp(`${escape}\\[(?:\\d+A|0J|0m|1m|2m|3[1236]m)`, "g");
  expect(written().replaceAll(own, "")).not.toContain(escape);
  expect(written()).toContain("Twin<1B>[2J<1B>]0;owned<07>");
  expect(written()).toContain("gone<9B>8m<1B>[8m");
  expect(written()).toContain("table <1B>[1A");
});
