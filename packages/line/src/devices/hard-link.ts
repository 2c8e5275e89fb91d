import { linkSync } from "node:fs";

/** Nothing that is done on this file system makes it go. */
export class NoHardLinks extends Error {
  override readonly name = "NoHardLinks";
}

/** Where a file system knows no hard links: exFAT, FAT, some shares (link(2)). */
const unknown: readonly unknown[] = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"];

/**
 * Gives what is whole and on the disk a second name; unlike renaming it takes nothing's place. False: the name is another's. Throws
 * NoHardLinks where the file system cannot.
 */
export function linkNew(from: string, name: string): boolean {
  try {
    linkSync(from, name);
    return true;
  } catch (problem) {
    const { code, message } = problem as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    if (unknown.includes(code))
      throw new NoHardLinks(
        `${name} cannot be made: its file system knows no hard links (${message}), and without them two processes would write over one another. Keep the folder on one that has them (ext4, XFS, Btrfs, APFS, NFS), not on exFAT or such a share`,
        { cause: problem },
      );
    throw problem;
  }
}
