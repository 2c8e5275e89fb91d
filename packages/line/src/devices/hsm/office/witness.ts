/**
 * Two custodians who prove themselves for one deed that is no ceremony: the security module hears their passphrases before it opens, counts
 * wrong ones, keeps the act in the office's chain, and knows for the rest of its life who stood there.
 */
import type { Secret } from "../secret.js";
import { judgeActs, writeActs } from "./acts-file.js";
import { serve } from "./office.js";
import { OfficeRefusal } from "./refusal.js";
import type { OpenOffice } from "./room.js";
import type { Keep } from "./types.js";

/** What two custodians stand for. */
export interface Deed {
  /** As the audit calls it. */
  readonly what: "letters.release" | "letters.reprint";
  readonly order: string;
  readonly by: string;
  readonly witness: string;
}

/** Everything that the module's process needs to hear and to write down. */
export interface Witnessing<Secret> extends Deed {
  /** Of `by`, then of `witness`. */
  readonly passphrases: readonly [Secret, Secret];
  /** The file of the office's acts. */
  readonly acts: string;
  /** ISO 8601. */
  readonly at: string;
  readonly program: string;
}

/**
 * Hears both and writes what the office keeps now; answers that. Throws OfficeRefusal unless two custodians of these names gave their
 * passphrases.
 */
export async function witnessed(
  office: Pick<OpenOffice, "keep" | "room" | "write">,
  { what, order, by, witness, passphrases, acts, at, program }: Witnessing<Secret>,
  hear: (secret: Secret) => Promise<string>,
): Promise<Keep> {
  const { keep, room } = office;
  judgeActs(keep, acts);
  const said = [await hear(passphrases[0]), await hear(passphrases[1])];
  const counter = {
    ask: () => said.shift() ?? "",
    hand: () => {
      throw new OfficeRefusal("nothing is handed out here");
    },
  };
  const sat = await serve(
    { ask: "witness", what, object: `order ${order}`, by, witness },
    { keep, room, at, program, counter },
  );
  const kept: Keep = { ...sat.keep, revision: keep.revision + 1 };
  office.write(kept);
  writeActs(acts, kept.book.acts ?? []);
  if (sat.refused !== undefined) throw sat.refused;
  return kept;
}
