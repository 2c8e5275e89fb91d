import { CardProblem } from "../bytes/index.js";

/** A block's version: how it is protected. A and C: key variants (legacy); B: triple DES; D: AES-CBC; E: AES-CTR (ISO 20038). */
export type KeyBlockVersion = "A" | "B" | "C" | "D" | "E";

export interface OptionalBlock {
  /** Two characters, e.g. "KS", "LB"; "PB" is padding and made by `wrapKeyBlock` itself. */
  readonly id: string;
  /** Printable ASCII. */
  readonly data: string;
}

/** The 16 characters before a key block's body, and the optional blocks (ANSI X9.143-2021, 5.2 and 5.3). */
export interface KeyBlockHeader {
  readonly version: KeyBlockVersion;
  /** Key usage, two characters: "D0" data encryption, "K0" key wrapping, "K1" block protection, "E0".."E6" EMV masters, "P0" PIN. */
  readonly usage: string;
  /** "A" AES, "T" triple DES, "D" single DES, "H" HMAC, "R" RSA, "E" elliptic curve, "S" DSA. */
  readonly algorithm: string;
  /** Mode of use: "B" both ways, "D" or "E" one way, "C" MAC both, "G" or "V" one, "N" none, "S", "T", "X" derive, "Y". */
  readonly mode: string;
  /** "00": not used; "c1".. a component; else the key's version. */
  readonly keyVersion: string;
  /** "E" exportable under a trusted key, "N" not at all, "S" sensitive. */
  readonly exportability: string;
  readonly optional: readonly OptionalBlock[];
}

export const refused = (what: string): CardProblem => new CardProblem("bad-key-block", "key block", what);

/** Bytes of the cipher's block and of the MAC in the body. */
export const SHAPES: Readonly<Record<KeyBlockVersion, { readonly block: 8 | 16; readonly mac: 4 | 8 | 16 }>> =
  {
    A: { block: 8, mac: 4 },
    B: { block: 8, mac: 8 },
    C: { block: 8, mac: 4 },
    D: { block: 16, mac: 16 },
    E: { block: 16, mac: 16 },
  };

/** What each usage may do (X9.143-2021, tables 2 and 4): algorithms and modes. A pair that is not here is refused. */
const USAGES: readonly (readonly [usages: string, algorithms: string, modes: string])[] = [
  ["B0 B1 B2", "AT", "X"],
  ["B3", "AT", "X"],
  ["C0", "AT", "CGV"],
  ["D0", "AT", "BDE"],
  ["D1", "REDA", "BDE"],
  ["D2", "AT", "BDE"],
  ["E0 E1 E2 E3 E4 E5 E6", "AT", "X"],
  ["E7", "AT", "X"],
  ["I0", "ADT", "N"],
  ["K0 K1", "AT", "BDEX"],
  ["K2", "R", "BDE"],
  ["K3", "ERA", "BDEX"],
  ["K4", "ATR", "BDEX"],
  ["M0", "T", "CGV"],
  ["M1 M2 M4 M5", "DT", "CGV"],
  ["M3", "T", "CGV"],
  ["M6", "AT", "CGVX"],
  ["M7 M8", "HA", "CGV"],
  ["P0", "AT", "BDE"],
  ["P1", "AT", "X"],
  ["S0 S1 S2", "ERS", "STV"],
  ["V0 V1 V2 V3 V4 V5", "AT", "CGVEDB"],
];

/** Numeric usages and modes beyond the table are the proprietary ones of the standard, and nobody's here. */
function judgeUsage({ usage, algorithm, mode }: KeyBlockHeader): void {
  const rule = USAGES.find(([usages]) => usages.split(" ").includes(usage));
  if (rule === undefined) throw refused(`key usage ${printable(usage)} is unknown`);
  const [, algorithms, modes] = rule;
  if (!algorithms.includes(algorithm))
    throw refused(`algorithm ${printable(algorithm)} is not one of key usage ${usage}`);
  // "N", no special restriction, is what many hosts send.
  if (!modes.includes(mode) && mode !== "N")
    throw refused(`mode of use ${printable(mode)} is not one of key usage ${usage}`);
}

const printable = (text: string): string => (/^[\x21-\x7e]+$/.test(text) ? text : "?");

function judge(header: KeyBlockHeader, anyUse: boolean): void {
  const fields: readonly (readonly [string, RegExp, string])[] = [
    [header.usage, /^[A-Z0-9]{2}$/, "key usage"],
    [header.algorithm, /^[ADEHRST]$/, "algorithm"],
    [header.mode, /^[A-Z0-9]$/, "mode of use"],
    [header.keyVersion, /^(?:[0-9A-Z]{2}|c[0-9A-Z])$/, "key version"],
    [header.exportability, /^[ENS]$/, "exportability"],
  ];
  for (const [value, form, name] of fields)
    if (!form.test(value)) throw refused(`the ${name} "${printable(value)}" is none`);
  if (!anyUse) judgeUsage(header);
}

/** The header as it stands in front of a body of `body` characters. Throws CardProblem `bad-key-block`. */
export function encodeHeader(header: KeyBlockHeader, body: number, anyUse = false): string {
  judge(header, anyUse);
  const { version, usage, algorithm, mode, keyVersion, exportability, optional } = header;
  const blocks = optional.map(({ id, data }) => {
    if (!/^[A-Z0-9]{2}$/.test(id) || id === "PB")
      throw refused(`optional block "${printable(id)}" is none to give`);
    if (!/^[\x20-\x7e]{0,251}$/.test(data))
      throw refused(`optional block ${id} has at most 251 printable characters`);
    return id + hexLength(data.length + 4) + data;
  });
  const size = SHAPES[version].block;
  const text = blocks.join("");
  const missing = text.length % size === 0 ? 0 : size - (text.length % size);
  // The padding block itself takes four characters.
  const padding = missing === 0 ? 0 : missing < 4 ? missing + size : missing;
  const all = padding === 0 ? text : `${text}PB${hexLength(padding)}${"0".repeat(padding - 4)}`;
  const count = blocks.length + (padding === 0 ? 0 : 1);
  const total = 16 + all.length + body;
  if (count > 99 || total > 9999) throw refused(`${String(total)} characters are more than a key block has`);
  const fixed = `${version}${decimal(total, 4)}${usage}${algorithm}${mode}${keyVersion}${exportability}${decimal(count, 2)}00`;
  return fixed + all;
}

const hexLength = (length: number): string => length.toString(16).toUpperCase().padStart(2, "0");
const decimal = (value: number, digits: number): string => String(value).padStart(digits, "0");

/** Header, and where the body begins. The padding block is told like the others. `anyUse`: usage, algorithm and mode need not go together. Throws CardProblem `bad-key-block`. */
export function parseHeader(
  block: string,
  anyUse = false,
): { readonly header: KeyBlockHeader; readonly length: number } {
  if (!/^[\x20-\x7e]{16,9999}$/.test(block)) throw refused("it has 16 to 9999 printable characters");
  const version = "ABCDE".includes(block.charAt(0)) ? (block.charAt(0) as KeyBlockVersion) : undefined;
  if (version === undefined) throw refused(`version ${printable(block.charAt(0))} is unknown`);
  const said = block.slice(1, 5);
  if (!/^\d{4}$/.test(said) || Number(said) !== block.length)
    throw refused(`it says that it has ${printable(said)} characters, and has ${String(block.length)}`);
  // Counter mode has no whole blocks (ISO 20038).
  if (version !== "E" && block.length % SHAPES[version].block !== 0)
    throw refused(`${String(block.length)} characters are no whole blocks of the cipher`);
  if (!/^\d\d$/.test(block.slice(12, 14))) throw refused("the number of optional blocks is no number");
  // X9.143-2021 has made the first of the two reserved characters the key context; 0: none is said.
  if (!/^[012]0$/.test(block.slice(14, 16))) throw refused("the reserved characters are not 00");
  const optional: OptionalBlock[] = [];
  let at = 16;
  for (let left = Number(block.slice(12, 14)); left > 0; left--) {
    const id = block.slice(at, at + 2);
    const length = block.slice(at + 2, at + 4);
    if (!/^[A-Z0-9]{2}$/.test(id)) throw refused("an optional block has no identifier");
    const end = at + Number.parseInt(length, 16);
    if (!/^[0-9A-F]{2}$/.test(length) || end < at + 4 || end > block.length)
      throw refused(`optional block ${id} has a length that cannot be`);
    optional.push({ id, data: block.slice(at + 4, end) });
    at = end;
  }
  const header: KeyBlockHeader = {
    version,
    usage: block.slice(5, 7),
    algorithm: block.charAt(7),
    mode: block.charAt(8),
    keyVersion: block.slice(9, 11),
    exportability: block.charAt(11),
    optional,
  };
  judge(header, anyUse);
  if ((at - 16) % SHAPES[version].block !== 0)
    throw refused("the optional blocks are no whole blocks of the cipher");
  return { header, length: at };
}
