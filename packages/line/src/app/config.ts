/** The only place that reads the environment. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { usualPatience } from "../devices/hsm/office/types.js";
import { Refusal } from "./problem.js";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
};

export const version = manifest.version;

/** Where everything of this installation lies: `--data`, else PERSOLINE_DATA, else `.persoline` in the working folder. */
export const dataRoot = (option: string | undefined): string =>
  resolve(option ?? process.env["PERSOLINE_DATA"] ?? ".persoline");

/** NO_COLOR (no-color.org) or a dumb terminal: plain text. */
export const wantsColour = (): boolean =>
  process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb";

/** Who is at work, for the audit: `--by`, else the login name. */
export const operator = (option: string | undefined): string =>
  option ?? process.env["SUDO_USER"] ?? process.env["USER"] ?? process.env["LOGNAME"] ?? "operator";

/** PERSOLINE_HSM_SECONDS: how long the security module may be silent while the line waits for it. */
export function hsmDeadlineMs(): number | undefined {
  const text = process.env["PERSOLINE_HSM_SECONDS"];
  if (text === undefined || text === "") return undefined;
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 3600))
    throw new Refusal(`PERSOLINE_HSM_SECONDS is ${text}: it must be a number of seconds, at most 3600`);
  return seconds * 1000;
}

/** PERSOLINE_SWAP=accepted: live keys are opened on a machine that may write its memory to a disk. */
export function swapAccepted(): boolean {
  const text = process.env["PERSOLINE_SWAP"] ?? "";
  if (text === "" || text === "accepted") return text !== "";
  throw new Refusal(`PERSOLINE_SWAP is ${text}: the only word for it is "accepted"`);
}

/** PERSOLINE_CEREMONY_HOURS: so long a key ceremony waits for its custodians; a day without it. */
export function ceremonyPatienceMs(): number {
  const text = process.env["PERSOLINE_CEREMONY_HOURS"] ?? "";
  if (text === "") return usualPatience;
  const hours = Number(text);
  if (!(hours > 0 && hours <= 720))
    throw new Refusal(`PERSOLINE_CEREMONY_HOURS is ${text}: it must be a number of hours, at most 720`);
  return hours * 3_600_000;
}

/** IANA name of the zone people here live in. */
export const timeZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Where pcscd listens, if it is not the system's (pcsc-lite's own variable). */
export const pcscSocket = (): string | undefined => process.env["PCSCLITE_CSOCK_NAME"];

/** PERSOLINE_USB_DEVICES: where Linux shows the devices of the USB, if it is not /sys/bus/usb/devices (containers). */
export const usbDevices = (): string | undefined => process.env["PERSOLINE_USB_DEVICES"];

/** What libraries of tokens read of the environment to find their configuration. Nothing else reaches the process that loads one. */
const tokenVariables = [
  "SOFTHSM2_CONF",
  "KRYOPTIC_CONF",
  "YUBIHSM_PKCS11_CONF",
  "CS_PKCS11_R3_CFG",
  "CS_PKCS11_R2_CFG",
  "ChrystokiConfigurationPath",
  "NFAST_HOME",
  "CKNFAST_LOADSHARING",
  "P11_KIT_CONFIG",
  "LD_LIBRARY_PATH",
] as const;

export const tokenEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    tokenVariables.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
