import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { usbPlaceOf } from "./usb.js";

let root: string;
let shown: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "persoline-usb-"));
  shown = join(root, "bus/usb/devices");
  mkdirSync(shown, { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A device as sysfs has it: a folder under its controller, and a link to it. */
function device(
  port: string,
  controller: string,
  attributes: Readonly<Record<string, string | number>>,
): void {
  const [bus = "", ...ports] = port.split(/[-.]/);
  const hubs = ports.slice(0, -1).map((_, at) => `${bus}-${ports.slice(0, at + 1).join(".")}`);
  const at = join(root, "devices/pci0000:00", controller, `usb${bus}`, ...hubs, port);
  mkdirSync(at, { recursive: true });
  for (const [name, value] of Object.entries(attributes)) writeFileSync(join(at, name), `${String(value)}\n`);
  symlinkSync(at, join(shown, port));
}

test("a channel of the USB names bus and device: the port, its controller and what the device says of itself", () => {
  device("1-1", "0000:00:14.0", { busnum: 1, devnum: 4, devpath: "1", product: "Hub" });
  device("1-1.4", "0000:00:14.0", { busnum: 1, devnum: 17, devpath: "1.4", product: "Twin", serial: "A1" });
  device("3-2", "0000:05:00.0", { busnum: 3, devnum: 17, devpath: "2" });
  expect(usbPlaceOf(0x0020_0111, shown)).toEqual({
    port: "1-1.4",
    path: "0000:00:14.0/1.4",
    product: "Twin",
    serial: "A1",
  });
  expect(usbPlaceOf(0x0020_0311, shown)).toEqual({ port: "3-2", path: "0000:05:00.0/2" });
});

test("another kind of channel, a device that is gone, a machine without USB: nowhere", () => {
  device("1-1", "0000:00:14.0", { busnum: 1, devnum: 4, devpath: "1" });
  expect(usbPlaceOf(0x0001_0104, shown)).toBeUndefined();
  expect(usbPlaceOf(0x0020_0105, shown)).toBeUndefined();
  expect(usbPlaceOf(0x0020_0104, join(root, "none"))).toBeUndefined();
});

test("interfaces, root hubs and devices whose files cannot be read are passed over", () => {
  for (const name of ["usb1", "1-1:1.0"]) {
    mkdirSync(join(shown, name));
    writeFileSync(join(shown, name, "busnum"), "1");
    writeFileSync(join(shown, name, "devnum"), "4");
  }
  mkdirSync(join(shown, "1-2"));
  expect(usbPlaceOf(0x0020_0104, shown)).toBeUndefined();
});
