/** Any printer whose own software takes files: each card is put into a folder, once. */
import { access, constants, link, mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DeviceFault } from "../../problem.js";
import { printerGeometry } from "../geometry.js";
import type { Marker } from "../port.js";
import { type PrintJob, printingMs, printPdf, sidePng } from "./job.js";
import { ribbonResidue } from "./residue.js";

export interface FilePrinterOptions {
  readonly name: string;
  readonly folder: string;
  readonly format: "pdf" | "png";
  /** Dots an inch, mm beyond the edges, mm that stay white; 300 to the very edge when not said. */
  readonly printing?: Parameters<typeof printerGeometry>[0];
  /** The printer's ribbon keeps what it printed. */
  readonly ribbon?: boolean;
}

/** Bytes under a name that nobody has yet, durably and at once. Throws when the name is taken: a card is never written twice. */
async function place(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  const half = join(folder, `.${name}.part`);
  const file = await open(half, "wx", 0o640);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(half, join(folder, name));
  } finally {
    await rm(half, { force: true });
  }
  const at = await open(folder, "r");
  try {
    await at.sync();
  } finally {
    await at.close();
  }
}

const ownName = /^(\d{8}T\d{6})-\d{6}(-front|-back)?\.(pdf|png)$/;

/**
 * Files are called by the time at which the line began and the card's number since then; PNG also by side. Whoever prints them takes them in
 * that order and away; a file says nothing about a card, so the camera confirms it.
 */
export function filePrinter({
  name,
  folder,
  format,
  printing = { dpi: 300 },
  ribbon = true,
}: FilePrinterOptions): Marker {
  const began = new Date().toISOString().replaceAll(/[-:]|\..*/g, "");
  let cards = 0;
  const documents = async (job: PrintJob): Promise<readonly (readonly [string, Uint8Array])[]> => {
    const number = `${began}-${String(++cards).padStart(6, "0")}`;
    if (format === "pdf") return [[`${number}.pdf`, printPdf(job)]];
    return Promise.all(
      job.sides.map(async (side) => [`${number}-${side.side}.png`, await sidePng(side)] as const),
    );
  };
  const refused = (asked: string): DeviceFault =>
    new DeviceFault(name, "refused", `${name} does colour, not ${asked}`);
  const ready = async (): Promise<void> => {
    let names: readonly string[];
    try {
      await mkdir(folder, { recursive: true });
      await access(folder, constants.W_OK);
      names = await readdir(folder);
    } catch (cause) {
      const message = `${name} cannot write into ${folder}: mend the folder or its share, then run the line again`;
      throw new DeviceFault(name, "unplugged", message, { cause });
    }
    const left = names.find((one) => (ownName.exec(one)?.[1] ?? began) !== began);
    if (left !== undefined)
      throw new DeviceFault(
        name,
        "refused",
        `a card of an earlier run lies in ${folder}: ${left}. It must not be printed on another card: see that the printer has nothing loaded, take the file away, then run the line again`,
      );
  };
  return {
    name,
    kind: "real",
    does: "colour",
    geometry: printerGeometry(printing),
    confirmedBy: "camera",
    ...(ribbon ? { residue: ribbonResidue } : {}),
    duration: (job) => {
      if (job.kind !== "colour") throw refused(job.kind);
      return printingMs(job);
    },
    ready,
    emptied: ready,
    async mark(job) {
      if (job.kind !== "colour") throw refused(job.kind);
      try {
        await mkdir(folder, { recursive: true });
        for (const [file, bytes] of await documents(job)) await place(folder, file, bytes);
      } catch (cause) {
        throw new DeviceFault(name, "refused", `${name}: the card's file cannot be put into ${folder}`, {
          cause,
        });
      }
    },
  };
}
