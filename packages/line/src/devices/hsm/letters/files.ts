/** A sealed batch on the disk. */
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { VaultRefusal } from "../vault-refusal.js";

/** Durable when it resolves: the file, then its name in its folder. Throws VaultRefusal where a file is there already: a batch is written once. */
export async function storeBatch({
  batch,
  file,
  content,
}: {
  readonly batch: string;
  readonly file: string;
  readonly content: string;
}): Promise<void> {
  const handle = await open(file, "wx", 0o600).catch((problem: unknown) => {
    if (problem instanceof Error && "code" in problem && problem.code === "EEXIST")
      throw new VaultRefusal(`EEXIST: batch ${batch} is written already`);
    throw problem;
  });
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  const names = await open(dirname(file), "r");
  try {
    await names.sync();
  } finally {
    await names.close();
  }
}
