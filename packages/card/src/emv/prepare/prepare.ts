import { CardProblem, concat, utf8 } from "../../bytes/index.js";
import { encodeTlv, encodeTlvLength, type Tlv, tlv } from "../../tlv/index.js";
import {
  AIP,
  encodeAfl,
  encodeCvmList,
  encodeDol,
  isPan,
  packCompressed,
  packNumeric,
  pinVerificationDigits,
  staticDataToAuthenticate,
  track1,
  track2,
} from "../basics.js";
import type {
  IccKeyPart,
  ModulePart,
  PaymentProfile,
  PaymentRecord,
  PreparedCard,
  PreparedDgi,
} from "./types.js";

/** What a cryptogram speaks of (docs/payment-card.md 5), and what the second one asks besides. */
const CDOL1 = [
  { tag: 0x9f02, length: 6 },
  { tag: 0x9f03, length: 6 },
  { tag: 0x9f1a, length: 2 },
  { tag: 0x95, length: 5 },
  { tag: 0x5f2a, length: 2 },
  { tag: 0x9a, length: 3 },
  { tag: 0x9c, length: 1 },
  { tag: 0x9f37, length: 4 },
] as const;
const DDOL = [{ tag: 0x9f37, length: 4 }] as const;
const PDOL = [
  { tag: 0x9f1a, length: 2 },
  { tag: 0x5f2a, length: 2 },
] as const;
const cdol1 = encodeDol(CDOL1);
const cdol2 = encodeDol([{ tag: 0x8a, length: 2 }, { tag: 0x91, length: 10 }, ...CDOL1]);
/** What is said of the PIN, and the card's verification value (3), behind PAN, separator, expiry and service code. */
const discretionaryDigits = ({ pinVerification }: PaymentProfile): number =>
  pinVerificationDigits(pinVerification) + 3;
const ICC_CERTIFICATE_AROUND = 42;
const PARTS: readonly IccKeyPart[] = ["qInverse", "dq", "dp", "q", "p"];

const wrong = (field: string, hint: string): CardProblem => new CardProblem("bad-value", field, hint);

/** The tracks' form is checked with values in place of those that only the module knows. */
function check(profile: PaymentProfile, { pan, psn, expiry, effective, name }: PaymentRecord): void {
  if (!isPan(pan) || !pan.startsWith(profile.issuer))
    throw wrong("PAN", `it has 8 to 19 digits with the right last one, and begins with ${profile.issuer}`);
  if (pan.length < 12) throw wrong("PAN", "a PIN is verified by 12 digits at least");
  if (profile.pinVerification.by === "offset" && pan.length < 13)
    throw wrong("PAN", "an offset is counted from 12 digits before the last one");
  if (!/^[0-9]{2}$/.test(psn)) throw wrong("PAN sequence number", "it has two digits");
  if (!/^[0-9]{2}(?:0[1-9]|1[0-2])$/.test(effective)) throw wrong("effective date", "it is YYMM");
  if (effective > expiry) throw wrong("effective date", "it lies after the expiry date");
  const stripe = {
    pan,
    expiry,
    serviceCode: profile.serviceCode,
    discretionary: "0".repeat(discretionaryDigits(profile)),
  };
  track2(stripe);
  track1({ ...stripe, name });
  if (profile.proof !== "none" && profile.issuerKey === undefined)
    throw wrong("payment profile", `proof "${profile.proof}" needs the issuer's certificate`);
}

/** Last day of a month, YYMMDD. */
function lastDay(yymm: string): string {
  const [year, month] = [2000 + Number(yymm.slice(0, 2)), Number(yymm.slice(2))];
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 31;
  return `${yymm}${days}`;
}

/**
 * Data groupings and stripe of one card (EMV CPS; docs/payment-card.md 2), in the order they go in. What only the security module
 * can know is named, with its length. Throws CardProblem `bad-value` naming the field; no text holds its value.
 */
export function preparePayment(profile: PaymentProfile, record: PaymentRecord): PreparedCard {
  const dynamic = profile.proof === "dda" || profile.proof === "cda";
  const issuerKey = profile.proof === "none" ? undefined : profile.issuerKey;
  const { signed, aip, staticData } = signedData(profile, record);
  const records = [...openRecords(profile, record, signed), ...keyRecords(profile, dynamic)];
  const more = issuerKey === undefined ? 1 : dynamic ? 3 : 2;
  const afl = encodeAfl([
    { sfi: 1, first: 1, last: 1, authenticated: 0 },
    {
      sfi: 2,
      first: 1,
      last: more + (profile.proof === "none" ? 0 : 1),
      authenticated: profile.proof === "none" ? 0 : 1,
    },
  ]);
  const limits = Uint8Array.of(profile.offlineLimits.lower, profile.offlineLimits.upper);
  const known = (id: number, ...parts: readonly (Uint8Array | ModulePart)[]): PreparedDgi => ({ id, parts });
  const dgis: PreparedDgi[] = [
    ...records,
    known(0x3000, encodeTlv(tlv(0x9f36, new Uint8Array(2)))),
    known(0x3001, encodeTlv([tlv(0x9f14, limits.slice(0, 1)), tlv(0x9f23, limits.slice(1))])),
    known(0x9102, fci(profile)),
    known(0x9104, encodeTlv([tlv(0x82, aip), tlv(0x94, afl)])),
    known(0x9200, Uint8Array.of(profile.cryptogram.keyIndex, profile.cryptogram.version)),
    { id: 0x8000, parts: [{ secret: "emv-keys", length: 48 }], encrypted: "whole-blocks" },
    known(0x9000, { secret: "emv-key-checks", length: 9 }),
    known(0x9010, Uint8Array.of(profile.pinTries, profile.pinTries)),
    { id: 0x8010, parts: [{ secret: "emv-pin", length: 8 }], encrypted: "pad-80-if-needed" },
    ...(dynamic && issuerKey !== undefined
      ? PARTS.map(
          (part, at): PreparedDgi => ({
            id: 0x8201 + at,
            parts: [{ secret: "emv-icc-key", part, length: issuerKey.iccModulusBytes / 2 }],
            encrypted: "pad-80",
          }),
        )
      : []),
  ];
  const { pan, expiry, name } = record;
  return {
    dgis,
    staticData,
    stripe: { name, pan, expiry, serviceCode: profile.serviceCode },
  };
}

/** What offline data authentication covers, as `preparePayment` has it. Throws CardProblem as it does. */
export const staticDataOf = (profile: PaymentProfile, record: PaymentRecord): Uint8Array =>
  signedData(profile, record).staticData;

/** The record that is signed, and what is signed of the card. */
function signedData(profile: PaymentProfile, record: PaymentRecord) {
  check(profile, record);
  const { whole, inside } = recordOf(signedObjects(profile, record));
  const aip = Uint8Array.of(aipByte(profile), 0x00);
  return { signed: whole, aip, staticData: staticDataToAuthenticate([{ sfi: 2, whole, inside }], aip) };
}

const aipByte = ({ proof }: PaymentProfile): number =>
  AIP.cardholderVerification |
  AIP.terminalRiskManagement |
  AIP.issuerAuthentication |
  (proof === "none" ? 0 : AIP.sda) |
  (proof === "dda" || proof === "cda" ? AIP.dda : 0) |
  (proof === "cda" ? AIP.cda : 0);

function fci({ label, language, aid }: PaymentProfile): Uint8Array {
  if (!/^[A-Za-z0-9 ]{1,16}$/.test(label)) throw wrong("label", "it has 1 to 16 letters, digits and spaces");
  if (!/^[a-z]{2}$/.test(language)) throw wrong("language", "it is two lower-case letters");
  if (aid.length < 5 || aid.length > 16) throw wrong("AID", "it has 5 to 16 bytes");
  return encodeTlv(
    tlv(
      0xa5,
      tlv(0x50, utf8(label)),
      tlv(0x87, Uint8Array.of(0x01)),
      tlv(0x9f38, encodeDol(PDOL)),
      tlv(0x5f2d, utf8(language)),
    ),
  );
}

function signedObjects(profile: PaymentProfile, { pan, psn, expiry, effective }: PaymentRecord): Tlv[] {
  const { actions, usage, applicationVersion, currencyExponent, offlineLimits } = profile;
  if ([actions.default, actions.denial, actions.online].some(({ length }) => length !== 5))
    throw wrong("issuer action codes", "they have 5 bytes each");
  if (usage.length !== 2 || applicationVersion.length !== 2)
    throw wrong("payment profile", "usage control and application version have 2 bytes each");
  return [
    tlv(0x5a, packCompressed(pan)),
    tlv(0x5f34, packNumeric(psn, 1)),
    tlv(0x5f24, packNumeric(lastDay(expiry), 3)),
    tlv(0x5f25, packNumeric(`${effective}01`, 3)),
    tlv(0x5f28, packNumeric(profile.country, 2)),
    tlv(0x9f42, packNumeric(profile.currency, 2)),
    tlv(0x9f44, Uint8Array.of(currencyExponent)),
    tlv(0x9f07, usage),
    tlv(0x9f08, applicationVersion),
    tlv(0x8c, cdol1),
    tlv(0x8d, cdol2),
    tlv(0x8e, encodeCvmList(profile.cvm)),
    tlv(0x9f0d, actions.default),
    tlv(0x9f0e, actions.denial),
    tlv(0x9f0f, actions.online),
    // For the terminal's own count (EMV Book 3, 10.6.3); the card counts by what is in 3001.
    tlv(0x9f14, Uint8Array.of(offlineLimits.lower)),
    tlv(0x9f23, Uint8Array.of(offlineLimits.upper)),
    ...(profile.proof === "none" ? [] : [tlv(0x9f4a, Uint8Array.of(0x82))]),
  ];
}

function recordOf(objects: readonly Tlv[]): { readonly whole: Uint8Array; readonly inside: Uint8Array } {
  const inside = encodeTlv(objects);
  const whole = concat(Uint8Array.of(0x70), encodeTlvLength(inside.length), inside);
  if (whole.length > 254) throw wrong("record", `${whole.length} bytes are more than 254`);
  return { whole, inside };
}

function openRecords(
  profile: PaymentProfile,
  { pan, name }: PaymentRecord,
  signed: Uint8Array,
): PreparedDgi[] {
  const length = Math.ceil((pan.length + 1 + 4 + 3 + discretionaryDigits(profile)) / 2);
  const rest = encodeTlv([tlv(0x5f20, utf8(name)), tlv(0x5f30, packNumeric(profile.serviceCode, 2))]);
  return [
    { id: 0x0101, parts: template([Uint8Array.of(0x57, length), { secret: "emv-track2", length }, rest]) },
    { id: 0x0201, parts: [signed] },
  ];
}

/** Issuer certificate, and the ICC's or the signature over static data. */
function keyRecords(profile: PaymentProfile, dynamic: boolean): PreparedDgi[] {
  const { issuerKey } = profile;
  if (profile.proof === "none" || issuerKey === undefined) return [];
  const { certificate, remainder, exponent } = issuerKey.certificate;
  const issuer = recordOf([
    tlv(0x8f, Uint8Array.of(issuerKey.authorityIndex)),
    tlv(0x90, certificate),
    ...(remainder.length === 0 ? [] : [tlv(0x92, remainder)]),
    tlv(0x9f32, exponent),
  ]);
  const length = issuerKey.modulusBytes;
  const signature: PreparedDgi = {
    id: 0x0203,
    parts: template([head(0x93, length), { secret: "emv-static-signature", length }]),
  };
  if (!dynamic) return [{ id: 0x0202, parts: [issuer.whole] }, signature];
  const left = Math.max(0, issuerKey.iccModulusBytes - (length - ICC_CERTIFICATE_AROUND));
  const icc = template([
    head(0x9f46, length),
    { secret: "emv-icc-certificate", part: "certificate", length },
    ...(left === 0
      ? []
      : [head(0x9f48, left), { secret: "emv-icc-certificate", part: "remainder", length: left } as const]),
    encodeTlv([tlv(0x9f47, Uint8Array.of(0x03)), tlv(0x9f49, encodeDol(DDOL))]),
  ]);
  return [
    { id: 0x0202, parts: [issuer.whole] },
    { id: 0x0203, parts: icc },
    { ...signature, id: 0x0204 },
  ];
}

/** Tag and length of a value that is not known yet. */
function head(tag: number, length: number): Uint8Array {
  const whole = encodeTlv(tlv(tag, new Uint8Array(length)));
  return whole.slice(0, whole.length - length);
}

/** Template 70 around parts. */
function template(parts: readonly (Uint8Array | ModulePart)[]): (Uint8Array | ModulePart)[] {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const front = length < 0x80 ? Uint8Array.of(0x70, length) : Uint8Array.of(0x70, 0x81, length);
  if (front.length + length > 254) throw wrong("record", `${front.length + length} bytes are more than 254`);
  return [front, ...parts];
}

/** Directory entries of one application: records and FCI of the PSE, FCI of the PPSE. */
export function prepareDirectories({ aid, label, language }: PaymentProfile): {
  readonly pse: readonly PreparedDgi[];
  readonly ppse: readonly PreparedDgi[];
} {
  const entry = tlv(0x61, tlv(0x4f, aid), tlv(0x50, utf8(label)), tlv(0x87, Uint8Array.of(0x01)));
  return {
    pse: [
      { id: 0x0101, parts: [encodeTlv(tlv(0x70, entry))] },
      {
        id: 0x9102,
        parts: [encodeTlv(tlv(0xa5, tlv(0x88, Uint8Array.of(0x01)), tlv(0x5f2d, utf8(language))))],
      },
    ],
    ppse: [{ id: 0x9102, parts: [encodeTlv(tlv(0xa5, tlv(0xbf0c, entry)))] }],
  };
}

/** Bytes of all parts, when none is the module's. */
export const knownBytes = (parts: PreparedDgi["parts"]): Uint8Array | undefined =>
  parts.every((part) => part instanceof Uint8Array) ? concat(...parts) : undefined;
