import { CardProblem, concat, u16 } from "../../bytes/index.js";
import type { ModulePart, PreparedDgi } from "./types.js";

/** A value that goes in under the session's data encryption key: the security module gives it, pads it and encrypts it. */
export interface SealedPart {
  readonly sealed: ModulePart;
  /** Padded with 80 00.. before encryption; else it is whole blocks already. */
  readonly padded: boolean;
  /** As it is sent. */
  readonly length: number;
}

/** One STORE DATA whose data field the security module completes. */
export interface StoreBlock {
  readonly dgi: number;
  readonly p1: number;
  readonly p2: number;
  readonly parts: readonly (Uint8Array | ModulePart | SealedPart)[];
}

const LAST = 0x80;
const ENCRYPTED = 0x60;
const STRUCTURE = { dgi: 0x08, none: 0x00 } as const;

/**
 * One STORE DATA for each data grouping, in order, all lengths known (GPCS 11.11.3.2; EMV CPS): nothing is cut, so that no value of the module
 * lies in two commands. `block`: of the session's data encryption, 8 under SCP02, 16 under SCP03; `most`: plain bytes one command takes,
 * default 239, which fits every channel. Throws CardProblem `too-long` naming the grouping.
 */
export function storePrepared(
  dgis: readonly PreparedDgi[],
  form: { readonly block: 8 | 16; readonly structure?: "dgi" | "none"; readonly most?: number },
): StoreBlock[] {
  const { block, structure = "dgi", most = 239 } = form;
  if (dgis.length === 0 || dgis.length > 256)
    throw new CardProblem("bad-value", "STORE DATA", `${dgis.length} groupings are not 1 to 256`);
  return dgis.map(({ id, parts, encrypted }, at) => {
    const sent = encrypted === undefined ? parts : parts.map((part) => sealed(id, part, encrypted, block));
    const length = sent.reduce((sum, part) => sum + part.length, 0);
    const name = `DGI ${id.toString(16).toUpperCase().padStart(4, "0")}`;
    if (length > 254 || length + 3 > most)
      throw new CardProblem("too-long", name, `${length} bytes do not fit one STORE DATA of ${most}`);
    const last = at === dgis.length - 1 ? LAST : 0;
    return {
      dgi: id,
      p1: STRUCTURE[structure] | last | (encrypted === undefined ? 0 : ENCRYPTED),
      p2: at,
      parts: [concat(u16(id), Uint8Array.of(length)), ...sent],
    };
  });
}

function sealed(
  id: number,
  part: Uint8Array | ModulePart,
  encrypted: NonNullable<PreparedDgi["encrypted"]>,
  block: 8 | 16,
): SealedPart {
  // What is secret is the module's alone: a value that preparation knows has no business here.
  if (part instanceof Uint8Array)
    throw new CardProblem(
      "bad-value",
      `DGI ${id.toString(16).toUpperCase()}`,
      "an encrypted value is not the module's",
    );
  const whole = part.length % block === 0;
  if (encrypted === "whole-blocks" && !whole)
    throw new CardProblem(
      "bad-value",
      `DGI ${id.toString(16).toUpperCase()}`,
      "its length is not whole blocks",
    );
  const padded = encrypted === "pad-80" || (encrypted === "pad-80-if-needed" && !whole);
  const length = padded ? part.length + block - (part.length % block) : part.length;
  return { sealed: part, padded, length };
}
