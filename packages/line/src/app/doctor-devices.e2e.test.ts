/** What doctor says of cameras and printers, with a cupsd of this test's own (Debian: cups-daemon, cups-client, ffmpeg). */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startCupsd } from "../devices/marker/printer/cupsd.test.data.js";
import { cameraChecks, printerChecks } from "./doctor-devices.js";

const root = mkdtempSync(join(tmpdir(), "persoline-doctor-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("the kernel's cameras by the name a line file takes, and ffmpeg or how to get it", () => {
  const kernel = join(root, "video4linux");
  mkdirSync(join(kernel, "video0"), { recursive: true });
  writeFileSync(join(kernel, "video0", "name"), "Line \u001b[31mcamera\n");
  expect(cameraChecks(kernel)).toEqual([
    { what: "cameras", state: "ok", detail: expect.stringMatching(/^ffmpeg \d/) as string },
    { what: "cameras", state: "ok", detail: "/dev/video0: Line ?[31mcamera" },
  ]);
  expect(
    cameraChecks(join(root, "none"), join(root, "no-ffmpeg")).map(({ state, detail }) => [state, detail]),
  ).toEqual([
    ["absent", expect.stringContaining("install -y --no-install-recommends ffmpeg")],
    ["absent", expect.stringContaining("no Video4Linux device")],
  ]);
});

test("CUPS queues without their addresses, or how to get CUPS", async () => {
  const cupsd = await startCupsd(mkdtempSync(join(tmpdir(), "persoline-cupsd-")));
  try {
    cupsd.queue("cards");
    expect(printerChecks(cupsd.server)).toEqual([
      { what: "printers", state: "ok", detail: "CUPS queue cards (bench)" },
    ]);
  } finally {
    await cupsd.stop();
  }
  expect(printerChecks(cupsd.server)).toEqual([
    { what: "printers", state: "absent", detail: expect.stringContaining("cups-daemon") as string },
  ]);
});
