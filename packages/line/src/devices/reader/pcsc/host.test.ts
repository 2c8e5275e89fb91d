/** The line's side of a reader host, and what is left of it once it is closed. */
import { expect, test } from "vitest";
import { ReaderHost } from "./host.js";

const list = { ask: "list" } as const;
const closed = { name: "DeviceFault", code: "refused", message: expect.stringContaining("closed") as string };
const children = (): number => process.getActiveResourcesInfo().filter((one) => one === "ProcessWrap").length;

test("closed in mid-question: whoever asks is told at once, and is not left to wait for an answer that cannot come", async () => {
  const host = new ReaderHost("head 1", { socket: "/nowhere/pcscd.comm" });
  const asked = host.ask(list, 4_000);
  await Promise.resolve();
  expect(children()).toBe(1);
  host.close();
  await expect(asked).rejects.toMatchObject(closed);
});

test("closed: no question starts a process any more, whether it was asked before or comes late", async () => {
  const before = children();
  const host = new ReaderHost("head 1", { socket: "/nowhere/pcscd.comm" });
  const asked = host.ask(list, 4_000);
  host.close();
  await expect(asked).rejects.toMatchObject(closed);
  await expect(host.ask({ ask: "off" }, 4_000)).rejects.toMatchObject(closed);
  expect(children()).toBeLessThanOrEqual(before);
});
