/** The pictures of a held card, opened for the two people who decide about it. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Serial } from "@persoline/card/program";
import type { Hsm } from "../devices/hsm/port.js";
import type { HeldPictures } from "../store/review.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { overlayOf, pictureViewer } from "./pictures.js";
import { Refusal } from "./problem.js";

/** Writes both sides into the folder, readable by their owner only. The audit knows of it first. Throws Refusal, AccountsProblem. */
export async function heldPictures(
  ask: {
    readonly store: Store;
    readonly data: DataFolder;
    readonly hsm: Hsm | undefined;
    readonly serial: Serial;
    readonly by: string;
    readonly witness: string;
  },
  out: string,
): Promise<Omit<HeldPictures, "front" | "back" | "label"> & { readonly files: readonly string[] }> {
  const { store, data, hsm, serial, by, witness } = ask;
  const { label, front, back, ...held } = await store.stock.look({ serial, by, witness });
  const sealed = (await store.orders.find(held.order))?.sealedDataKey;
  if (hsm === undefined || sealed === undefined)
    throw new Refusal(
      `the pictures of card ${serial} cannot be opened: the key of order ${held.order} is gone`,
    );
  const dataKey = await hsm.releaseDataKey({ order: held.order, sealed });
  try {
    const viewer = pictureViewer(data, held.order, dataKey);
    await mkdir(out, { recursive: true });
    const files: string[] = [];
    for (const [side, file] of [
      ["front", front],
      ["back", back],
    ] as const) {
      const to = join(out, `${label}-${side}.jpg`);
      // It shows a person: nobody else on the machine need see it.
      await writeFile(to, await viewer.show(file), { mode: 0o600 });
      files.push(to);
      // Where something was wrong, the side as it was judged: expected beside seen, with boxes and labels.
      const judged = await viewer.show(overlayOf(file)).catch(() => undefined);
      if (judged === undefined) continue;
      const beside = join(out, `${label}-${side}-judged.jpg`);
      await writeFile(beside, judged, { mode: 0o600 });
      files.push(beside);
    }
    return { ...held, files };
  } finally {
    dataKey.fill(0);
  }
}
