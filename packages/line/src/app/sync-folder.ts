import { closeSync, fsyncSync, openSync } from "node:fs";

/** A file that was made or removed is so for good only when its folder was written too. */
export function syncFolder(folder: string): void {
  const open = openSync(folder, "r");
  try {
    fsyncSync(open);
  } finally {
    closeSync(open);
  }
}
