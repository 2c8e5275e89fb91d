import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import type { Command } from "commander";
import { hex } from "@persoline/card/bytes";
import { fileEngraver } from "../../devices/marker/file-engraver.js";
import { KeystoreProblem } from "../../devices/hsm/keystore.js";
import { swapOf } from "../../devices/hsm/swap.js";
import { DeviceFault } from "../../devices/problem.js";
import { mostReaders } from "../../devices/reader/pcsc/names.js";
import { connectedReaders } from "../../devices/reader/pcsc/reader.js";
import type { UsbPlace } from "../../devices/reader/pcsc/usb.js";
import { readFonts } from "../../plan/layout/index.js";
import { readLine } from "../../stations/line-file.js";
import { laserOf } from "../marks.js";
import { dataRoot, pcscSocket, timeZone, usbDevices } from "../config.js";
import { cameraChecks, encoderChecks, printerChecks } from "../doctor-devices.js";
import { keyPlaces } from "../data-folder.js";
import { openingHere, openingWords } from "../opened-by.js";
import { exitCode } from "../problem.js";
import { type CommonOptions, print, printJson, textTable, withData } from "./options.js";

interface Check {
  readonly what: string;
  readonly state: "ok" | "lacking" | "absent";
  readonly detail: string;
}

export function addDoctorCommand(program: Command): void {
  withData(program.command("doctor"))
    .description("what this machine has and lacks")
    .option("--line <line.yaml>", "also whether this line's engravers and encoders can take a job")
    .addHelpText("after", "\nExample:\n  $ persoline doctor")
    .action(async (options: CommonOptions & { readonly line?: string }) => {
      const root = dataRoot(options.data);
      const own = [node(), database(), token(), fonts(), clock(), memory(), ...keystore(root), folder(root)];
      const checks = [
        ...own,
        ...(await readers()),
        ...(await machinesOf(options.line)),
        ...cameraChecks(),
        ...printerChecks(),
      ];
      if (options.json === true) printJson(checks);
      else
        print(
          textTable(
            ["what", "state", "detail"],
            checks.map(({ what, state, detail }) => [what, state, detail]),
          ),
        );
      if (checks.some(({ state }) => state === "lacking")) process.exitCode = exitCode.refused;
    });
}

function tried(what: string, remedy: string, work: () => string): Check {
  try {
    return { what, state: "ok", detail: work() };
  } catch (problem) {
    return {
      what,
      state: "lacking",
      detail: `${problem instanceof Error ? problem.message : "failed"}: ${remedy}`,
    };
  }
}

const node = (): Check => {
  const { node: found } = process.versions;
  return Number(found.split(".")[0]) >= 20
    ? { what: "Node", state: "ok", detail: found }
    : { what: "Node", state: "lacking", detail: `${found}: install version 20 or later` };
};

const database = (): Check =>
  tried("database", "apt-get install build-essential python3, then npm ci", () => {
    const memory = new Database(":memory:");
    const found = memory.prepare("select sqlite_version() as version").get() as { version: string };
    memory.close();
    return `SQLite ${found.version}`;
  });

/** Nobody needs a token to begin with: without its driver nothing is lacking. */
const token = (): Check => {
  const what = "security token";
  try {
    createRequire(import.meta.url)("pkcs11js");
    return { what, state: "ok", detail: "pkcs11js is installed: --security pkcs11 reaches tokens" };
  } catch {
    const detail =
      "pkcs11js is not installed, keys are kept in the vault; for tokens: apt-get install build-essential python3, then npm ci";
    return { what, state: "ok", detail };
  }
};

const fonts = (): Check =>
  tried("fonts", "they come with the package: install it again", () => Object.keys(readFonts()).join(", "));

const clock = (): Check =>
  Date.now() > Date.UTC(2026, 0, 1)
    ? { what: "clock", state: "ok", detail: `${new Date().toISOString()}, people read ${timeZone()}` }
    : { what: "clock", state: "lacking", detail: `${new Date().toISOString()} cannot be right: set it` };

/** Practice keys may be written anywhere: nothing is lacking, but whoever makes live cards hears of it. */
const memory = (): Check => {
  const { state, detail } = swapOf();
  const isKept = state !== "possible" && state !== "unknown";
  const more = isKept
    ? ""
    : "; live keys are refused: switch it off, encrypt it, or keep the line out of it (MemorySwapMax=0)";
  return { what: "keys in memory", state: isKept ? "ok" : "absent", detail: `${detail}${more}` };
};

/** Where there are keys. */
function keystore(root: string): readonly Check[] {
  const what = "keystore";
  try {
    const opening = openingHere(keyPlaces(root));
    if (opening === undefined) return [];
    return [{ what, state: opening.warning === undefined ? "ok" : "absent", detail: openingWords(opening) }];
  } catch (problem) {
    if (!(problem instanceof KeystoreProblem)) throw problem;
    return [{ what, state: "lacking", detail: `${problem.message}: restore it from a backup` }];
  }
}

function folder(root: string): Check {
  let existing = root;
  while (!existsSync(existing)) existing = dirname(existing);
  return tried("data folder", "choose another with --data, or mend its permissions", () => {
    accessSync(existing, constants.W_OK);
    const { bavail, bsize } = statfsSync(existing);
    return `${root}: ${((bavail * bsize) / 1024 ** 3).toFixed(1)} GiB free`;
  });
}

const lying = {
  none: "empty",
  present: "a card",
  mute: "a card that does not answer",
  "in use": "a card in use",
};

/** Real readers are not needed for everything: what lacks is told with its remedy, and is no failure. */
async function readers(): Promise<readonly Check[]> {
  const what = "card readers";
  try {
    const found = await connectedReaders({ socket: pcscSocket(), usbDevices: usbDevices(), ports: true });
    if (found.length === 0) {
      const detail =
        "PC/SC is there, but no reader is connected: plug one in (most need no driver but libccid)";
      return [{ what, state: "absent", detail }];
    }
    const full = found.length < mostReaders ? [] : [{ what, state: "absent" as const, detail: fullText }];
    return [
      ...found.map(({ name, card, atr, usb }): Check => {
        const text = atr === undefined ? "" : `, ATR ${hex(atr)}`;
        const port = typeof usb === "object" ? `, ${plugged(usb)}` : "";
        return { what, state: "ok", detail: `${name}: ${lying[card]}${text}${port}` };
      }),
      ...full,
    ];
  } catch (problem) {
    if (!(problem instanceof DeviceFault)) throw problem;
    const install =
      problem.code === "unplugged"
        ? "; if it is not installed: sudo apt-get install -y --no-install-recommends pcscd libccid"
        : "";
    return [{ what, state: "absent", detail: `${problem.message}${install}` }];
  }
}

/** As a line file names it. */
const plugged = ({ port, path, serial }: UsbPlace): string =>
  `usb: ${port}${path === undefined ? "" : ` or ${path}`}${serial === undefined ? "" : `, serial number of the device ${serial}`}`;

/** A line's encoders; and folders of its engravers: there, writable, and with no job of an earlier card in them. */
async function machinesOf(lineFile: string | undefined): Promise<readonly Check[]> {
  if (lineFile === undefined) return [];
  const line = await readLine(lineFile);
  await laserOf(line);
  const checks: Check[] = [...(await encoderChecks(line.stations))];
  for (const { name, engraver } of line.stations) {
    if (engraver === undefined || engraver === "simulated") continue;
    for (const folder of engraver.folders) {
      const what = `engraver of ${name}`;
      const { format, command } = engraver;
      const own = { name: what, folder, format, ...(command === undefined ? {} : { command }), withinMs: 0 };
      try {
        await fileEngraver(own).ready?.();
        checks.push({ what, state: "ok", detail: `${format} files go into ${folder}` });
      } catch (problem) {
        if (!(problem instanceof DeviceFault)) throw problem;
        checks.push({ what, state: "lacking", detail: problem.message });
      }
    }
  }
  return checks;
}

const fullText = `pcscd has its ${String(mostReaders)} readers and takes no more: drive further ones from another computer`;
