/** Sealed letters on the disk: side by side, so that one sync of the file system serves many of them. */
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { VaultRefusal } from "./vault-refusal.js";

interface SealedLetterFile {
  readonly letter: string;
  readonly file: string;
  readonly content: string;
}

/**
 * Durable when it resolves: every file, then the names in their folders. A letter is written once (printing it again is an act of its own):
 * throws VaultRefusal where a file is there already. Whatever goes wrong, all files are closed when it throws, and some letters of the
 * group may lie there: none of them counts before the whole group does.
 */
export async function storeLetters(letters: readonly SealedLetterFile[]): Promise<void> {
  const ends = await Promise.allSettled(letters.map(storeLetter));
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  for (const folder of new Set(letters.map(({ file }) => dirname(file)))) {
    const names = await open(folder, "r");
    try {
      await names.sync();
    } finally {
      await names.close();
    }
  }
}

async function storeLetter({ letter, file, content }: SealedLetterFile): Promise<void> {
  const handle = await open(file, "wx", 0o600).catch((problem: unknown) => {
    if (problem instanceof Error && "code" in problem && problem.code === "EEXIST")
      throw new VaultRefusal(`EEXIST: letter ${letter} is written already`);
    throw problem;
  });
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
