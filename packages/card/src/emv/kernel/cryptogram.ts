import { CardProblem, concat, equal } from "../../bytes/index.js";
import type { Crypto, RsaPublicKey } from "../../crypto/index.js";
import type { CardChannel } from "../../program/index.js";
import { encodeTlv, parseTlv } from "../../tlv/index.js";
import { CRYPTOGRAM_TAGS, fillDol, parseDol, recoverDynamicData, splitDol } from "../basics.js";
import { ask, keep, need } from "./talk.js";
import type { CardCryptogram, CryptogramType } from "./types.js";

const P1 = { AAC: 0x00, TC: 0x40, ARQC: 0x80 } as const;
const WITH_CDA = 0x10;
const where = "GENERATE AC";

/** What combined signatures cover besides the answer: values sent so far. */
export interface CombinedProof {
  readonly key: RsaPublicKey;
  readonly sent: Uint8Array;
}

export interface Generated extends CardCryptogram {
  /** Data sent, for the signature of the second cryptogram. */
  readonly sent: Uint8Array;
  /** The combined signature: "right", "wrong", or none was asked for or due (an AAC has none). */
  readonly signature: "right" | "wrong" | "none";
}

/** GENERATE AC with the data its list asks for. Throws CardProblem `emv-answer` for what is no answer to it. */
export async function generate(
  channel: CardChannel,
  crypto: Crypto,
  ask_: {
    readonly type: CryptogramType;
    readonly list: Uint8Array;
    readonly values: ReadonlyMap<number, Uint8Array>;
    readonly aip: Uint8Array;
    readonly combined: CombinedProof | undefined;
  },
): Promise<Generated> {
  const { type, values, aip } = ask_;
  // No signature is asked for with an AAC (EMV Book 3, 6.5.5.2).
  const combined = type === "AAC" ? undefined : ask_.combined;
  const entries = parseDol(ask_.list);
  const sent = fillDol(entries, values);
  const p1 = P1[type] | (combined === undefined ? 0 : WITH_CDA);
  const answer = await ask(channel, { cla: 0x80, ins: 0xae, p1, p2: 0, data: sent, le: 256 });
  const data = fieldsOf(answer);
  const [information = 0] = need(data, 0x9f27);
  const given = (Object.keys(P1) as CryptogramType[]).find((one) => P1[one] === (information & 0xc0));
  const iad = need(data, 0x9f10);
  const version = iad[2] === 0x0a ? 10 : iad[2] === 0x12 ? 18 : undefined;
  const atc = need(data, 0x9f36);
  if (given === undefined || version === undefined || atc.length !== 2)
    throw new CardProblem("emv-answer", where, "type, cryptogram version or ATC is impossible");
  const parts = splitDol(entries, sent);
  const terminal = fillDol(
    CRYPTOGRAM_TAGS.map((tag) => ({ tag, length: TERMINAL_LENGTHS[tag] })),
    parts,
  );
  const due = combined !== undefined && given !== "AAC";
  const signed = due
    ? combinedCryptogram(crypto, combined, { answer, data, sent, parts, information })
    : undefined;
  const cryptogram = signed?.cryptogram ?? data.get(0x9f26) ?? new Uint8Array(8);
  const signature = due ? (signed?.right === true ? "right" : "wrong") : "none";
  return {
    type: given,
    cryptogram,
    version,
    data: { terminal, aip, atc, issuerApplicationData: iad },
    sent,
    signature,
  };
}

const TERMINAL_LENGTHS = {
  0x9f02: 6,
  0x9f03: 6,
  0x9f1a: 2,
  0x95: 5,
  0x5f2a: 2,
  0x9a: 3,
  0x9c: 1,
  0x9f37: 4,
} as const;

/** Both formats (EMV Book 3, 6.5.5.4). */
function fieldsOf(answer: Uint8Array): Map<number, Uint8Array> {
  const data = new Map<number, Uint8Array>();
  const [object] = parseTlv(answer);
  if (object?.tag === 0x80 && object.value.length >= 11) {
    data.set(0x9f27, object.value.slice(0, 1));
    data.set(0x9f36, object.value.slice(1, 3));
    data.set(0x9f26, object.value.slice(3, 11));
    data.set(0x9f10, object.value.slice(11));
  } else if (object?.tag === 0x77) keep(data, object.children ?? [], where);
  else throw new CardProblem("emv-answer", where, "the answer has neither format");
  return data;
}

/** The cryptogram lies in the signature (EMV Book 2, 6.6.2): number ‖ information ‖ cryptogram ‖ hash of the transaction's data. */
function combinedCryptogram(
  crypto: Crypto,
  { key, sent: before }: CombinedProof,
  answered: {
    readonly answer: Uint8Array;
    readonly data: ReadonlyMap<number, Uint8Array>;
    readonly sent: Uint8Array;
    readonly parts: ReadonlyMap<number, Uint8Array>;
    readonly information: number;
  },
): { readonly cryptogram: Uint8Array; readonly right: boolean } | undefined {
  const { answer, data, sent, parts, information } = answered;
  const unpredictable = parts.get(0x9f37);
  // Without the terminal's number the signature may be an old one.
  if (unpredictable === undefined || unpredictable.length < 4) return undefined;
  let dynamic: Uint8Array;
  try {
    dynamic = recoverDynamicData(crypto, key, need(data, 0x9f4b), unpredictable);
  } catch (problem) {
    if (problem instanceof CardProblem) return undefined;
    throw problem;
  }
  const from = 1 + (dynamic[0] ?? 0);
  const others = (parseTlv(answer)[0]?.children ?? []).filter(({ tag }) => tag !== 0x9f4b);
  const hash = crypto.sha1(concat(before, sent, encodeTlv(others)));
  const right = dynamic[from] === information && equal(dynamic.subarray(from + 9, from + 29), hash);
  return { cryptogram: dynamic.slice(from + 1, from + 9), right };
}
