import { CardProblem, concat, equal, unsigned } from "../bytes/index.js";
import type { Crypto, RsaPublicKey } from "../crypto/index.js";
import { packCompressed, packNumeric, unpackCompressed, unpackNumeric } from "./digits.js";

/** Raw RSA with a private key that stays where it is: a block as long as the modulus to one of that length. */
export type RsaSign = (block: Uint8Array) => Uint8Array;

/** What signs: its modulus tells how long blocks are. */
export interface Signer {
  readonly modulus: Uint8Array;
  readonly sign: RsaSign;
}

/** A public key certificate as a card carries it; the remainder is empty when the whole modulus fits the certificate. */
export interface Certificate {
  /** 90, 9F46 or 9F2D. */
  readonly certificate: Uint8Array;
  /** 92, 9F48 or 9F2F. */
  readonly remainder: Uint8Array;
  /** 9F32, 9F47 or 9F2E. */
  readonly exponent: Uint8Array;
}

interface Validity {
  /** MMYY. */
  readonly expiry: string;
  /** 3 bytes, the certifier's own number. */
  readonly serial: Uint8Array;
}

/** Of an issuer: its identifier, 3 to 8 digits of the PAN. */
export interface IssuerCertificate extends Validity {
  readonly issuer: string;
  readonly publicKey: RsaPublicKey;
}

export interface IccCertificate extends Validity {
  readonly pan: string;
  readonly publicKey: RsaPublicKey;
}

const SHA1_RSA = Uint8Array.of(0x01, 0x01);
const HEADER = 0x6a;
const TRAILER = 0xbc;
const FORMAT = { issuer: 0x02, signedStatic: 0x03, icc: 0x04, signedDynamic: 0x05 } as const;
/** Bytes of a certificate that are not the key (EMV Book 2, tables 6 and 14). */
const AROUND = { issuer: 36, icc: 42 } as const;

const broken = (what: string, hint: string): CardProblem => new CardProblem("emv-certificate", what, hint);

/** Issuer public key certificate (EMV Book 2, 5.1, table 2), under the certification authority's key. */
export const signIssuerCertificate = (
  crypto: Crypto,
  authority: Signer,
  content: IssuerCertificate,
): Certificate =>
  certify(crypto, authority, {
    content,
    format: FORMAT.issuer,
    subject: packCompressed(content.issuer, 4),
    around: AROUND.issuer,
    staticData: new Uint8Array(0),
  });

/** ICC public key certificate (6.1, table 11), under the issuer's key; `staticData` as `staticDataToAuthenticate` gives it. A PIN key has none. */
export const signIccCertificate = (
  crypto: Crypto,
  issuer: Signer,
  content: IccCertificate,
  staticData: Uint8Array,
): Certificate =>
  certify(crypto, issuer, {
    content,
    format: FORMAT.icc,
    subject: packCompressed(content.pan, 10),
    around: AROUND.icc,
    staticData,
  });

function certify(
  crypto: Crypto,
  signer: Signer,
  ask: {
    readonly content: IssuerCertificate | IccCertificate;
    readonly format: number;
    readonly subject: Uint8Array;
    readonly around: number;
    readonly staticData: Uint8Array;
  },
): Certificate {
  const { content, format, subject, around, staticData } = ask;
  const { modulus, exponent } = content.publicKey;
  const room = signer.modulus.length - around;
  if (content.serial.length !== 3)
    throw new CardProblem("bad-value", "certificate", "a serial number has 3 bytes");
  if (modulus.length > 247 || modulus.length > signer.modulus.length)
    throw new CardProblem(
      "bad-value",
      "certificate",
      "the key is longer than 247 bytes, or than its certifier's",
    );
  const part = new Uint8Array(room).fill(0xbb);
  part.set(modulus.subarray(0, room));
  const remainder = modulus.slice(room);
  const fields = concat(
    Uint8Array.of(format),
    subject,
    packNumeric(content.expiry, 2),
    content.serial,
    SHA1_RSA,
    Uint8Array.of(modulus.length, exponent.length),
    part,
  );
  const hash = crypto.sha1(concat(fields, remainder, exponent, staticData));
  return { certificate: signedBlock(signer, fields, hash), remainder, exponent };
}

function signedBlock({ modulus, sign }: Signer, fields: Uint8Array, hash: Uint8Array): Uint8Array {
  const block = concat(Uint8Array.of(HEADER), fields, hash, Uint8Array.of(TRAILER));
  if (block.length !== modulus.length)
    throw new CardProblem("bad-value", "signature", `${block.length} bytes for a key of ${modulus.length}`);
  return sign(block);
}

/** Fields between header and hash; the hash covers them and `more`. Throws CardProblem `emv-certificate`. */
function recovered(
  crypto: Crypto,
  ask: {
    readonly what: string;
    readonly key: RsaPublicKey;
    readonly signature: Uint8Array;
    readonly format: number;
    readonly more: readonly Uint8Array[];
  },
): Uint8Array {
  const { what, key, signature, format, more } = ask;
  if (signature.length !== key.modulus.length)
    throw broken(what, `it has ${signature.length} bytes, the key of its signer ${key.modulus.length}`);
  let block: Uint8Array;
  try {
    block = crypto.rsaPublic(key, signature);
  } catch (problem) {
    if (!(problem instanceof CardProblem)) throw problem;
    throw broken(what, "it cannot be recovered with the key of its signer");
  }
  if (block[0] !== HEADER || block.at(-1) !== TRAILER || block[1] !== format)
    throw broken(what, "what it recovers to has not the form of EMV Book 2; the key is another one");
  const fields = block.subarray(1, -21);
  if (!equal(crypto.sha1(concat(fields, ...more)), block.subarray(-21, -1)))
    throw broken(what, "the hash differs: the data it was made for are others");
  return fields;
}

export function recoverIssuerCertificate(
  crypto: Crypto,
  authority: RsaPublicKey,
  { certificate, remainder, exponent }: Certificate,
): IssuerCertificate {
  const what = "issuer certificate";
  const more = [remainder, exponent];
  const fields = recovered(crypto, {
    what,
    key: authority,
    signature: certificate,
    format: FORMAT.issuer,
    more,
  });
  return {
    issuer: unpackCompressed(fields.subarray(1, 5)),
    ...keyOf(what, fields.subarray(5), remainder, exponent),
  };
}

/** Of the ICC's key, or its PIN encipherment key (without static data). */
export function recoverIccCertificate(
  crypto: Crypto,
  issuer: RsaPublicKey,
  { certificate, remainder, exponent }: Certificate,
  staticData: Uint8Array,
): IccCertificate {
  const what = "ICC certificate";
  const more = [remainder, exponent, staticData];
  const fields = recovered(crypto, { what, key: issuer, signature: certificate, format: FORMAT.icc, more });
  return {
    pan: unpackCompressed(fields.subarray(1, 11)),
    ...keyOf(what, fields.subarray(11), remainder, exponent),
  };
}

function keyOf(
  what: string,
  fields: Uint8Array,
  remainder: Uint8Array,
  exponent: Uint8Array,
): Validity & { readonly publicKey: RsaPublicKey } {
  const [length = 0, exponentLength = 0] = fields.subarray(7);
  if (!equal(fields.subarray(5, 7), SHA1_RSA)) throw broken(what, "its algorithms are not SHA-1 and RSA");
  const part = fields.subarray(9);
  const modulus = concat(part.subarray(0, Math.min(length, part.length)), remainder);
  if (modulus.length !== length || exponent.length !== exponentLength)
    throw broken(what, "remainder or exponent has another length than it says");
  return {
    expiry: unpackNumeric(fields.subarray(0, 2)),
    serial: fields.slice(2, 5),
    publicKey: { modulus, exponent: exponent.slice() },
  };
}

/** Signed static application data (93; 5.1, table 3): data authentication code of 2 bytes. */
export function signStaticData(
  crypto: Crypto,
  issuer: Signer,
  code: Uint8Array,
  staticData: Uint8Array,
): Uint8Array {
  if (code.length !== 2) throw new CardProblem("bad-value", "data authentication code", "it has 2 bytes");
  const pad = new Uint8Array(issuer.modulus.length - 26).fill(0xbb);
  const fields = concat(Uint8Array.of(FORMAT.signedStatic, 0x01), code, pad);
  return signedBlock(issuer, fields, crypto.sha1(concat(fields, staticData)));
}

/** The data authentication code (9F45). */
export function recoverStaticData(
  crypto: Crypto,
  issuer: RsaPublicKey,
  signed: Uint8Array,
  staticData: Uint8Array,
): Uint8Array {
  const what = "signed static data";
  const fields = recovered(crypto, {
    what,
    key: issuer,
    signature: signed,
    format: FORMAT.signedStatic,
    more: [staticData],
  });
  if (fields[1] !== 0x01) throw broken(what, "its hash is not SHA-1");
  return fields.slice(2, 4);
}

/** Signed dynamic application data (9F4B; 6.5, table 15). `terminalData`: what the DDOL gave, or for CDA the unpredictable number. */
export function signDynamicData(
  crypto: Crypto,
  icc: Signer,
  dynamicData: Uint8Array,
  terminalData: Uint8Array,
): Uint8Array {
  const room = icc.modulus.length - 25;
  if (dynamicData.length > room)
    throw new CardProblem("bad-value", "dynamic data", `${dynamicData.length} bytes are more than ${room}`);
  const pad = new Uint8Array(room - dynamicData.length).fill(0xbb);
  const fields = concat(Uint8Array.of(FORMAT.signedDynamic, 0x01, dynamicData.length), dynamicData, pad);
  return signedBlock(icc, fields, crypto.sha1(concat(fields, terminalData)));
}

/** The ICC dynamic data. */
export function recoverDynamicData(
  crypto: Crypto,
  icc: RsaPublicKey,
  signed: Uint8Array,
  terminalData: Uint8Array,
): Uint8Array {
  const what = "signed dynamic data";
  const fields = recovered(crypto, {
    what,
    key: icc,
    signature: signed,
    format: FORMAT.signedDynamic,
    more: [terminalData],
  });
  const length = fields[2] ?? 0;
  if (fields[1] !== 0x01 || length > fields.length - 3)
    throw broken(what, "its hash or its length is impossible");
  return fields.slice(3, 3 + length);
}

/** Records flagged in the AFL in order (of files 1 to 10 what is inside template 70, else the whole), then the AIP if 9F4A asks for it. */
export function staticDataToAuthenticate(
  records: readonly { readonly sfi: number; readonly whole: Uint8Array; readonly inside: Uint8Array }[],
  aip: Uint8Array | undefined,
): Uint8Array {
  return concat(
    ...records.map(({ sfi, whole, inside }) => (sfi <= 10 ? inside : whole)),
    aip ?? new Uint8Array(0),
  );
}

/** Enciphered PIN for VERIFY (7.2): 7F ‖ format 2 block ‖ challenge ‖ random up to the key's length, under its public key. */
export function encipherPinForCard(
  crypto: Crypto,
  key: RsaPublicKey,
  ask: {
    readonly block: Uint8Array;
    readonly challenge: Uint8Array;
    readonly random: (length: number) => Uint8Array;
  },
): Uint8Array {
  const { block, challenge, random } = ask;
  if (block.length !== 8 || challenge.length !== 8)
    throw new CardProblem("bad-value", "enciphered PIN", "PIN block and challenge have 8 bytes each");
  const plain = concat(Uint8Array.of(0x7f), block, challenge, random(key.modulus.length - 17));
  const enciphered = crypto.rsaPublic(key, plain);
  plain.fill(0);
  return enciphered;
}

/** The certified bytes of an RSA exponent: 03 or 010001. */
export const exponentBytes = (exponent: 3 | 65537): Uint8Array => unsigned(exponent);
