// What a certificate says, and whether it holds (GlobalPlatform Amendment F, 6.1).
import { CardProblem, concat, equal, hex, unhex } from "../../bytes/index.js";
import type { EllipticCurve } from "../../crypto/index.js";
import { encodeTlv, findTlv, parseTlv, type Tlv, tlv } from "../../tlv/index.js";

/** What the certified key may do: verify certificates (8200), or have keys agreed upon with it (0080). */
export type CertificateUse = "verification" | "agreement";

export interface CertificateContent {
  /** 1 to 16 bytes each: its number (93), who signed it (42), whose key it is (5F20). */
  readonly serialNumber: Uint8Array;
  readonly authority: Uint8Array;
  readonly subject: Uint8Array;
  readonly use: CertificateUse;
  /** YYYYMMDD, both days included. */
  readonly effective?: string;
  readonly expires: string;
  /** Whatever the authority says beyond (53), up to 127 bytes. */
  readonly discretionary?: Uint8Array;
  /** P-256: 04 ‖ x ‖ y. */
  readonly publicKey: Uint8Array;
}

export interface Certificate extends CertificateContent {
  /** Bytes that the signature is over, and the signature: r ‖ s. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** Whose certificates are believed. */
export interface TrustedAuthority {
  readonly publicKey: Uint8Array;
  /** What its certificates call it (42); absent: whatever they do. */
  readonly identifier?: Uint8Array;
}

const CERTIFICATE = 0x7f21;
const STORE = 0xbf21;
const SIGNATURE = 0x5f37;
const USES = { verification: "8200", agreement: "0080" } as const;
/** P-256 in F0, the reference of key parameters. */
const P256 = "00";

/** Tags that look like templates and hold bytes: the point, its parameters, and what an authority put in at its own discretion. */
const OPAQUE: readonly number[] = [0xb0, 0xf0, 0x73, 0xbf20];

const problem = (hint: string): CardProblem => new CardProblem("scp11-certificate", "SCP11", hint);

/** Objects of a certificate in their order; the others are optional. */
const ORDER: readonly number[] = [
  0x93,
  0x42,
  0x5f20,
  0x95,
  0x5f25,
  0x5f24,
  0x45,
  0x53,
  0x73,
  0xbf20,
  0x7f49,
  SIGNATURE,
];

/** One object 7F21. Throws CardProblem `scp11-certificate`, `bad-tlv`. */
export function parseCertificate(bytes: Uint8Array): Certificate {
  const [whole, ...others] = parseTlv(bytes, { opaque: OPAQUE });
  if (whole?.tag !== CERTIFICATE || others.length > 0)
    throw problem("it is not one GlobalPlatform certificate (7F21); X.509 is not read");
  return certificateOf(whole);
}

function certificateOf(whole: Tlv): Certificate {
  const objects = whole.children ?? [];
  const places = objects.map(({ tag }) => ORDER.indexOf(tag));
  if (places.some((place, at) => place <= (places[at - 1] ?? -1)))
    throw problem("the certificate's objects are others, or in another order");
  const value = (tag: number, shortest: number, longest: number): Uint8Array => {
    const found = findTlv(objects, tag)?.value;
    if (found === undefined || found.length < shortest || found.length > longest)
      throw problem(
        `object ${tag.toString(16).toUpperCase()} of the certificate is missing or has a wrong length`,
      );
    return found;
  };
  const signature = value(SIGNATURE, 64, 64);
  const end = encodeTlv(tlv(SIGNATURE, signature));
  if (!equal(whole.value.subarray(-end.length), end)) throw problem("the signature is not the last object");
  const said = findTlv(objects, 0x53) === undefined ? undefined : value(0x53, 1, 127);
  const effective = findTlv(objects, 0x5f25) === undefined ? undefined : dateOf(value(0x5f25, 4, 4));
  return {
    serialNumber: value(0x93, 1, 16),
    authority: value(0x42, 1, 16),
    subject: value(0x5f20, 1, 16),
    use: useOf(value(0x95, 1, 2)),
    ...(effective === undefined ? {} : { effective }),
    expires: dateOf(value(0x5f24, 4, 4)),
    ...(said === undefined ? {} : { discretionary: said }),
    publicKey: pointOf(findTlv(objects, 0x7f49)),
    signed: whole.value.subarray(0, whole.value.length - end.length),
    signature,
  };
}

function useOf(bytes: Uint8Array): CertificateUse {
  const text = hex(bytes).padEnd(4, "0");
  // One byte is the first of two; 80 alone stands for key agreement in certificates of one byte.
  if (text === USES.verification) return "verification";
  if (text === USES.agreement || (bytes.length === 1 && bytes[0] === 0x80)) return "agreement";
  throw problem("the certificate's key is for something else than certificates or key agreement");
}

function dateOf(bytes: Uint8Array): string {
  const text = hex(bytes);
  if (!/^\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/.test(text))
    throw problem("a date in the certificate is none");
  return text;
}

function pointOf(template: Tlv | undefined): Uint8Array {
  const [point, parameters, ...others] = template?.children ?? [];
  const whole = point?.tag === 0xb0 && parameters?.tag === 0xf0 && others.length === 0;
  if (!whole || hex(parameters.value) !== P256 || point.value.length !== 65 || point.value[0] !== 0x04)
    throw problem("the certified key is no uncompressed point of P-256");
  return point.value;
}

/** The certificates in an answer to GET DATA BF21 (with that tag or without), or one after the other. Throws as `parseCertificate`. */
export function parseCertificates(bytes: Uint8Array): Certificate[] {
  const objects = parseTlv(bytes, { opaque: OPAQUE });
  const [first, ...others] = objects;
  const list = first?.tag === STORE && others.length === 0 ? (first.children ?? []) : objects;
  if (list.length === 0) throw problem("there is no certificate");
  return list.map((object) => {
    if (object.tag !== CERTIFICATE)
      throw problem("it is not a GlobalPlatform certificate (7F21); X.509 is not read");
    return certificateOf(object);
  });
}

/**
 * The leaf of a chain that begins under a trusted authority: each certificate signed by the one before it, all valid on that day, the last
 * one for key agreement and all others for certificates. Throws CardProblem `scp11-certificate`.
 */
export function verifyCertificates(ask: {
  readonly curve: EllipticCurve;
  readonly certificates: readonly Certificate[];
  readonly trusted: TrustedAuthority;
  /** YYYYMMDD. */
  readonly today: string;
}): Certificate {
  const { curve, certificates, trusted, today } = ask;
  let authority = trusted;
  let leaf: Certificate | undefined;
  for (const [at, certificate] of certificates.entries()) {
    const isLeaf = at === certificates.length - 1;
    const { use, effective = "00000000", expires } = certificate;
    if (authority.identifier !== undefined && !equal(authority.identifier, certificate.authority))
      throw problem("a certificate is of another authority");
    if (use !== (isLeaf ? "agreement" : "verification"))
      throw problem(`a certificate is for ${use}, at a place for the other use`);
    if (!curve.verify(authority.publicKey, certificate.signed, certificate.signature))
      throw problem("a certificate's signature does not hold");
    if (today < effective || today > expires)
      throw problem(`a certificate is valid from ${effective} to ${expires}, and it is ${today}`);
    authority = { publicKey: certificate.publicKey, identifier: certificate.subject };
    leaf = certificate;
  }
  if (leaf === undefined) throw problem("there is no certificate");
  return leaf;
}

/** A certificate, signed by whoever has the authority's private key. `sign`: ECDSA with SHA-256, r ‖ s. */
export function makeCertificate(
  content: CertificateContent,
  sign: (message: Uint8Array) => Uint8Array,
): Uint8Array {
  const { serialNumber, authority, subject, use, effective, expires, discretionary, publicKey } = content;
  const key = tlv(0x7f49, { tag: 0xb0, value: publicKey }, { tag: 0xf0, value: unhex(P256) });
  const objects = [
    tlv(0x93, serialNumber),
    tlv(0x42, authority),
    tlv(0x5f20, subject),
    tlv(0x95, unhex(USES[use])),
    ...(effective === undefined ? [] : [tlv(0x5f25, unhex(effective))]),
    tlv(0x5f24, unhex(expires)),
    ...(discretionary === undefined ? [] : [tlv(0x53, discretionary)]),
    key,
  ];
  const signed = encodeTlv(objects);
  const value = concat(signed, encodeTlv(tlv(SIGNATURE, sign(signed))));
  const made = encodeTlv({ tag: CERTIFICATE, value });
  // What this makes, it reads.
  parseCertificate(made);
  return made;
}
