import { hex, utf8, unhex } from "../bytes/index.js";

/**
 * Elementary and dedicated files that standards give a place under the MF. `telecom`: only on SIM and USIM cards; elsewhere anything may
 * have that identifier.
 */
export const standardFiles: readonly {
  readonly name: string;
  readonly fid: number;
  readonly telecom?: true;
}[] = [
  { name: "EF.DIR", fid: 0x2f00 }, // ISO/IEC 7816-4, 8.2.1.1
  { name: "EF.ATR/INFO", fid: 0x2f01 }, // ISO/IEC 7816-4, 8.2.1.1
  { name: "EF.GDO", fid: 0x2f02 }, // DIN V 66291
  { name: "EF.PL", fid: 0x2f05, telecom: true }, // ETSI TS 102 221, 13.3
  { name: "EF.ARR", fid: 0x2f06, telecom: true }, // ETSI TS 102 221, 13.4
  { name: "EF.ICCID", fid: 0x2fe2, telecom: true }, // ETSI TS 102 221, 13.2
  { name: "EF.CardAccess", fid: 0x011c }, // ICAO 9303-11
  { name: "DF.TELECOM", fid: 0x7f10, telecom: true }, // ETSI TS 102 221, 13
  { name: "DF.GSM", fid: 0x7f20, telecom: true }, // 3GPP TS 51.011
  { name: "DF.PKCS15", fid: 0x5015 }, // ISO/IEC 7816-15
];

/** USIM, ISIM (3GPP TS 31.102, 31.103). */
const telecomAids: readonly string[] = ["A0000000871002", "A0000000871004"];
export const isTelecom = (aid: string): boolean => telecomAids.some((one) => aid.startsWith(one));

/** Of the card's native application (docs/desfire-card.md 1). */
export const desfireName = unhex("D2760000850100");

/** Applications that strangers' cards are likely to hold; a name may be cut short. */
export const knownApplications: readonly { readonly name: string; readonly aid: Uint8Array }[] = [
  { name: "GlobalPlatform issuer security domain", aid: unhex("A000000151000000") },
  { name: "Visa Open Platform card manager", aid: unhex("A000000003000000") },
  { name: "PKCS#15", aid: unhex("A000000063504B43532D3135") },
  { name: "USIM", aid: unhex("A0000000871002") },
  { name: "ISIM", aid: unhex("A0000000871004") },
  { name: "eMRTD (passport)", aid: unhex("A0000002471001") },
  { name: "PIV", aid: unhex("A000000308000010000100") },
  { name: "OpenPGP", aid: unhex("D27600012401") },
  { name: "NDEF tag", aid: unhex("D2760000850101") },
  { name: "DESFire", aid: desfireName },
  { name: "FIDO", aid: unhex("A0000006472F0001") },
  { name: "EMV payment system environment", aid: utf8("1PAY.SYS.DDF01") },
  { name: "EMV proximity payment system environment", aid: utf8("2PAY.SYS.DDF01") },
  { name: "Visa", aid: unhex("A0000000031010") },
  { name: "Mastercard", aid: unhex("A0000000041010") },
];

/** Cards that were seen to end when SELECT asks for an answer, by their ATR: they are asked by P2 = 0C only. */
const silentCards: readonly { readonly atr: Uint8Array; readonly evidence: string }[] = [
  {
    atr: unhex("3B951381018073FF01000B"),
    evidence:
      "vicc 0.8 of vsmartcard-vpicc 3.3 was seen to end at 00A40004023F0000 and 00A40000023F0000, and to answer 00A4000C023F00",
  },
];

/** Why a card is not asked a SELECT that wants an answer; undefined: nothing is known against it. */
export const knownSilent = (atr: Uint8Array): string | undefined =>
  silentCards.find((one) => hex(one.atr) === hex(atr))?.evidence;
