import { unhex } from "@persoline/card/bytes";
import type { KeyRef } from "@persoline/card/program";
import type { ColumnRule } from "../orders/types.js";
import type { PinMethod } from "./gp/payment/model.js";

/** How a holder's PIN comes about; no digit of it is here but those of a trivial one, which everybody knows. */
export type PinOrigin =
  /** By chance, in the security module. */
  | { readonly method: "drawn" }
  /** By the card, which tells it once, in its session. */
  | { readonly method: "card" }
  /** The same for all, to be changed. */
  | { readonly method: "trivial"; readonly digits: string }
  /** The issuer's, in a field of the input: a block of ISO 9564-1 under a transport key. */
  | {
      readonly method: "issuer";
      readonly field: string;
      /** Without an account number. */
      readonly format: 1;
      readonly keys: KeyRef;
    };

/** As the checked file has it (`checkPinMethod` has seen to it that a method has its parts). */
export function pinOrigin({
  method,
  digits = "",
  block,
}: {
  readonly method: "drawn" | "card" | "trivial" | "issuer";
  readonly digits?: string | undefined;
  readonly block?: { readonly field: string; readonly keys: string } | undefined;
}): PinOrigin {
  if (method === "trivial") return { method, digits };
  if (method !== "issuer") return { method };
  return { method, field: block?.field ?? "", format: 1, keys: (block?.keys ?? "") as KeyRef };
}

/** A block that needs no account number, as cards without one have it. */
export interface PinBlock {
  readonly method: "issuer";
  readonly keys: KeyRef;
  readonly format: 1;
  readonly block: Uint8Array;
}

/** What is wrong with a record's PIN block; its value is not told. */
export function pinProblems(
  { pin, columns }: { readonly pin?: { readonly by: PinOrigin }; readonly columns: readonly ColumnRule[] },
  fields: Readonly<Record<string, unknown>>,
): readonly { columns: readonly string[]; code: string; message: string; remedy: string }[] {
  const by = pin?.by;
  if (by?.method !== "issuer") return [];
  const text = fields[by.field];
  if (typeof text === "string" && /^[0-9A-Fa-f]{16}$/.test(text)) return [];
  const column = columns.find(({ field }) => field === by.field)?.column ?? by.field;
  return [
    {
      columns: [column],
      code: "pin-block",
      message: "an enciphered PIN block has 16 hexadecimal digits",
      remedy: "copy it anew",
    },
  ];
}

/** The same for all records, as an order's list of secrets names it; undefined: by chance. */
export function originWay(by: PinOrigin | PinMethod) {
  switch (by.method) {
    case "trivial":
      return by;
    case "issuer":
      return { method: by.method, keys: by.keys, format: by.format };
    default:
      return undefined;
  }
}

/** How the security module comes to a PIN before a card moves; undefined: by chance. */
export function originOf(
  by: PinOrigin | PinMethod,
  fields: Readonly<Record<string, unknown>>,
): { readonly method: "trivial"; readonly digits: string } | PinBlock | undefined {
  switch (by.method) {
    case "drawn":
    case "card":
    // Of payment applications alone, which say by themselves what of.
    case "derived":
      return undefined;
    case "trivial":
      return by;
    case "issuer": {
      const text = fields[by.field];
      const block = unhex(typeof text === "string" ? text : "");
      return { method: "issuer", keys: by.keys, format: 1, block };
    }
  }
}
