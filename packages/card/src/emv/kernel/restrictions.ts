import { equal } from "../../bytes/index.js";
import { packNumeric, unpackNumeric } from "../basics.js";
import type { TerminalData } from "./types.js";
import type { TvrBit } from "./verification.js";

/** Transaction types (9C, ISO 8583). */
export const CASH = 0x01;
const PURCHASE_WITH_CASHBACK = 0x09;
export const withCashback = ({
  transactionType,
  cashback = 0,
}: Pick<TerminalData, "transactionType" | "cashback">): boolean =>
  cashback > 0 || transactionType === PURCHASE_WITH_CASHBACK;

/** Application usage control (9F07; EMV Book 3, annex C2): byte, bit. Domestic: the terminal stands in the issuer's country. */
const USAGE = {
  domesticCash: [0, 0x80],
  internationalCash: [0, 0x40],
  domesticGoods: [0, 0x20],
  internationalGoods: [0, 0x10],
  domesticServices: [0, 0x08],
  internationalServices: [0, 0x04],
  atAtms: [0, 0x02],
  elsewhere: [0, 0x01],
  domesticCashback: [1, 0x80],
  internationalCashback: [1, 0x40],
} as const;

/** What a terminal is and does, as far as restrictions go. */
export type Restricted = Pick<
  TerminalData,
  "applicationVersion" | "atm" | "cashback" | "country" | "date" | "transactionType"
>;

/** What of this transaction the card's issuer did not mean it for (EMV Book 3, 10.4), and the bit that says so. */
export interface Restriction {
  readonly bit: TvrBit;
  readonly detail: string;
}

/** `data`: what was read of the card, by tag. Every one that is found, in the order of the clause; empty: none. */
export function restrictionsOf(
  terminal: Restricted,
  data: ReadonlyMap<number, Uint8Array>,
): readonly Restriction[] {
  return [...versions(terminal, data), ...usage(terminal, data), ...dates(terminal, data)];
}

/** 10.4.1; a card that names no version is presumed to fit. */
function versions(
  { applicationVersion: known }: Restricted,
  data: ReadonlyMap<number, Uint8Array>,
): readonly Restriction[] {
  const version = data.get(0x9f08);
  return known === undefined || version === undefined || equal(known, version)
    ? []
    : [{ bit: "versionsDiffer", detail: "card and terminal have different versions of the application" }];
}

/** 10.4.2: where the terminal stands always; what is bought only for a card that names its issuer's country. */
function usage(terminal: Restricted, data: ReadonlyMap<number, Uint8Array>): readonly Restriction[] {
  const control = data.get(0x9f07);
  if (control === undefined) return [];
  const may = (use: keyof typeof USAGE): boolean => {
    const [byte, bit] = USAGE[use];
    return ((control[byte] ?? 0) & bit) !== 0;
  };
  const refused: string[] = [];
  if (!may(terminal.atm === true ? "atAtms" : "elsewhere"))
    refused.push(terminal.atm === true ? "it is not valid at ATMs" : "it is valid at ATMs only");
  const issuer = data.get(0x5f28);
  if (issuer !== undefined) {
    const where = equal(issuer, packNumeric(terminal.country, 2)) ? "domestic" : "international";
    refused.push(...services(terminal, where, may));
  }
  return refused.map((detail) => ({ bit: "serviceNotAllowed", detail }));
}

/** Table of 10.4.2: for goods and services one of the two is enough, since a terminal cannot tell them apart. */
function services(
  terminal: Restricted,
  where: "domestic" | "international",
  may: (use: keyof typeof USAGE) => boolean,
): readonly string[] {
  const { transactionType = 0 } = terminal;
  const back = withCashback(terminal);
  const refused: string[] = [];
  if (transactionType === CASH && !may(`${where}Cash`)) refused.push(`it is not meant for ${where} cash`);
  if ((transactionType === 0 || back) && !may(`${where}Goods`) && !may(`${where}Services`))
    refused.push(`it is not meant for ${where} goods and services`);
  if (back && !may(`${where}Cashback`)) refused.push(`it is not meant for ${where} cashback`);
  return refused;
}

/** 10.4.3: both days are days on which the card may be used. */
function dates({ date }: Restricted, data: ReadonlyMap<number, Uint8Array>): readonly Restriction[] {
  const [effective, expiry] = [0x5f25, 0x5f24].map((tag) => data.get(tag));
  const found: Restriction[] = [];
  if (effective !== undefined && unpackNumeric(effective) > date)
    found.push({ bit: "notYetEffective", detail: "it is not effective yet" });
  if (expiry !== undefined && unpackNumeric(expiry) < date)
    found.push({ bit: "expired", detail: "it has expired" });
  return found;
}
