import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { begun, smallOrder } from "./command.test.data.js";
import { deskAt, receiveBlanks } from "./desk-cards.test.data.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-desk-ready-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a desk whose port another program has says so once, with the file and what to do, and asks for no card", async () => {
  const other = createServer();
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = other.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const data = join(folder, "data");
  receiveBlanks(folder, data, 2);
  const line = deskAt(folder, port);
  const run = begun(["run", smallOrder(folder, 1), "--line", line, "--data", data], {
    PATH: "/usr/bin:/bin",
  });
  let told = "";
  run.stdout?.on("data", (bytes: Buffer) => (told += bytes.toString()));
  run.stderr?.on("data", (bytes: Buffer) => (told += bytes.toString()));
  const [code] = (await once(run, "close")) as [number | null];
  other.close();
  expect(code).toBe(1);
  expect(told).not.toContain("Insert the next card");
  expect(told.match(/cannot listen on/g)).toHaveLength(1);
  expect(told).toContain(
    `${line}: cannot listen on 127.0.0.1:${String(port)}: the port is taken, by another "persoline run"`,
  );
  expect(told).toContain("it is the reader: of station desk in this file");
  expect(told).not.toContain("EADDRINUSE");
});
