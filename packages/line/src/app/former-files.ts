/**
 * A bureau's rule: a room gets no order's production file while another order's lies there. Stations that are fed card by card ask their own
 * folders before a run (`emptied`, devices/marker/port.ts); here are the files that a whole order's people are in: batches of PIN letters for the
 * print room, and carriers for the office's printer.
 */
import { join } from "node:path";
import type { DataFolder } from "./data-folder.js";
import { orderFolders } from "./order-folders.js";
import { Refusal } from "./problem.js";

const kinds = {
  letters: {
    isOne: /\.letters?$/,
    what: "PIN letters",
    next: "released",
    remedy: (order: string) =>
      `when the print room has printed it, delete the file (until order ${order} is delivered two people can have it printed again)`,
  },
  carriers: {
    isOne: /\.pdf$/,
    what: "carriers",
    next: "printed",
    remedy: () =>
      `when it is printed, delete the file ("persoline mailing replace" prints a carrier that is missing later)`,
  },
} as const;

/** Before anything is written for `order`. Throws Refusal that names another order's file. */
export function refuseFormerFiles(
  { root }: Pick<DataFolder, "root">,
  kind: keyof typeof kinds,
  order: string,
): void {
  const { isOne, what, next, remedy } = kinds[kind];
  for (const { order: other, folder, files } of orderFolders(join(root, kind))) {
    const left = other === order ? undefined : files.find((name) => isOne.test(name));
    if (left !== undefined)
      throw new Refusal(
        `${join(folder, left)}, ${what} of order ${other}, is not deleted, and those of order ${order} are not ${next} before it is: ${remedy(other)}, or erase that order ("persoline order erase ${other}" when it is closed); then give this command again`,
      );
  }
}
