/** Where a USB device is plugged in, as Linux shows it (sysfs, Documentation/ABI/stable/sysfs-bus-usb). */
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export const usualUsbDevices = "/sys/bus/usb/devices";

export interface UsbPlace {
  /** `BUS-PORT[.PORT…]`: the sockets on the way from the computer; the same after every reboot while no controller is added. */
  readonly port: string;
  /** The same by the controller's own address, `0000:00:14.0/PORT[.PORT…]`; absent where it cannot be told. */
  readonly path?: string;
  /** iSerial, where the device has one. */
  readonly serial?: string;
  readonly product?: string;
}

/** Data channel types of PC/SC Part 3, 3.1.4. */
const usbChannel = 0x0020;

/**
 * The device that a reader's SCARD_ATTR_CHANNEL_ID names. `root`: where sysfs shows the devices of the USB. Undefined: another kind of
 * channel, or no such device.
 */
export function usbPlaceOf(channel: number, root: string = usualUsbDevices): UsbPlace | undefined {
  if (channel >>> 16 !== usbChannel) return undefined;
  const [bus, device] = [(channel >> 8) & 0xff, channel & 0xff];
  for (const port of devices(root)) {
    const at = join(root, port);
    if (Number(read(at, "busnum")) !== bus || Number(read(at, "devnum")) !== device) continue;
    const [serial, product, devpath] = [read(at, "serial"), read(at, "product"), read(at, "devpath")];
    const controller = controllerOf(at);
    return {
      port,
      ...(controller === undefined || devpath === undefined ? {} : { path: `${controller}/${devpath}` }),
      ...(serial === undefined ? {} : { serial }),
      ...(product === undefined ? {} : { product }),
    };
  }
  return undefined;
}

/** `1-2.3`; `usb1` is a hub of the controller itself, `1-2.3:1.0` an interface of a device. */
function devices(root: string): readonly string[] {
  try {
    return readdirSync(root).filter((name) => /^\d+-\d+(\.\d+)*$/.test(name));
  } catch {
    return [];
  }
}

function read(device: string, attribute: string): string | undefined {
  try {
    const text = readFileSync(join(device, attribute), "utf8").trim();
    return text === "" ? undefined : text;
  } catch {
    return undefined;
  }
}

/** What lies above the root hub `usbN` in the device's real path. */
function controllerOf(device: string): string | undefined {
  try {
    for (let at = realpathSync(device); at !== dirname(at); at = dirname(at))
      if (/^usb\d+$/.test(basename(at))) return basename(dirname(at));
  } catch {
    // No such device any more.
  }
  return undefined;
}
