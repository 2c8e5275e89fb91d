/**
 * Known answers of every operation at start, through the code that cards will meet: a module claims only what it has just shown. Published
 * vectors and throw-away keys, never keys in use.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { decodeResponse, encodeCommand } from "@persoline/card/apdu";
import { equal, unhex } from "@persoline/card/bytes";
import { cmac } from "@persoline/card/crypto";
import {
  diversifyKeyKdf3,
  type KeptKeySet,
  type KeySet,
  parseInitializeUpdate,
  parseInitializeUpdateScp02,
  Scp02Session,
  Scp03Session,
} from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import { random, randomDigits } from "./draw.js";
import { must } from "./known.js";
import { writeDigits } from "./letters/page.js";
import { boxFor, openBox } from "./sealed-box.js";
import {
  masterHere,
  pinKeyHere,
  probeCryptogram,
  probeDrawing,
  probeIssuerSignatureHere,
  probePaymentKeys,
  probePinBlocks,
  probeVerificationValue,
} from "./payment/probes.js";
import { OrderSecrets } from "./order-secrets.js";
import { memoryShelf } from "./order-shelf.js";
import type { Capability, HsmOperation, ProtectionLevel } from "./port.js";
import { probeScp11 } from "./scp11-probe.js";
import { seal, unseal } from "./seal.js";

const isHex = (got: Uint8Array, expected: string): boolean => equal(got, unhex(expected));

/** A recorded SCP03 session at level 33 (osmocom/pysim, tests/unittests; packages/card/vectors/scp03.json). */
export const scp03Record = {
  enc: "000102030405060708090A0B0C0D0E0F",
  mac: "101112131415161718191A1B1C1D1E1F",
  dek: "202122232425262728292A2B2C2D2E2F",
} as const;

/** Opens, wraps and unwraps as that record has it; the keys may be bytes, or be kept in a token. Closes the session. */
export function probeScp03(keys: KeySet | KeptKeySet): void {
  const session = new Scp03Session({
    crypto: nodeCrypto,
    keys,
    hostChallenge: unhex("FDF38259A1E0DE44"),
    answer: parseInitializeUpdate(unhex("000000000000000000003003703B1ACA81E821F219081CDC01C26B372D000003")),
    level: 0x33,
    selectedAid: unhex("A0000005591010FFFFFFFF8900000100"),
  });
  try {
    const opening = encodeCommand(session.externalAuthenticate);
    must(isHex(opening, "84823300108C36F96BCC00724A4E13AD591D7DA3F0"), "EXTERNAL AUTHENTICATE");
    const plain = { cla: 0x80, ins: 0xe2, p1: 0x91, p2: 0x00, data: unhex("BF3E035C015A"), le: 256 };
    const wrapped = "84E2910018267A85DFE4A98FCA6FB0527E0DFECCE4914E40401433C87F00";
    must(isHex(encodeCommand(session.wrap(plain)), wrapped), "a wrapped command");
    const answer = unhex(
      "F3BA2B1013AA6224F5E1C138D71805C569E5439B47576260B75FC021B25097CB2E68F8A0144975B99000",
    );
    const { data } = session.unwrap(decodeResponse(answer));
    must(isHex(data, "BF3E125A1089882119900000000000000000000005"), "an unwrapped answer");
  } finally {
    session.close();
  }
}

/** Key and answer of KDF3, computed with an independent implementation of SP 800-108. */
export const kdf3Record = {
  master: "2B7E151628AED2A6ABF7158809CF4F3C",
  kdd: "00010203040506070809",
  k: 1,
  key: "80A9FDC77A90B29492E21E7E42E525E9",
} as const;

export function probeScp02(): void {
  const session = new Scp02Session({
    crypto: nodeCrypto,
    keys: {
      enc: unhex("100102030405060708090A0B0C0D0E0F"),
      mac: unhex("101102030405060708090A0B0C0D0E0F"),
      dek: unhex("102102030405060708090A0B0C0D0E0F"),
    },
    hostChallenge: unhex("40A62C37FA6304F8"),
    answer: parseInitializeUpdateScp02(unhex("00000000000000000000700200016B4524ABEE7CF32EA3838BC148F3")),
    i: 0x15,
    level: 0x01,
  });
  try {
    const opening = encodeCommand(session.externalAuthenticate);
    must(isHex(opening, "8482010010BA6961667737C5BCEBECE14C7D6A4376"), "EXTERNAL AUTHENTICATE");
  } finally {
    session.close();
  }
}

export function probeMacs(): void {
  const key = unhex(kdf3Record.master);
  const message = unhex("6BC1BEE22E409F96E93D7E117393172A");
  must(
    isHex(cmac(nodeCrypto.aes(key), message), "070A16B46B4D4144F79BDD9DD04A287C"),
    "AES-CMAC (SP 800-38B)",
  );
  const derived = diversifyKeyKdf3(nodeCrypto, key, unhex(kdf3Record.kdd), kdf3Record.k);
  must(isHex(derived, kdf3Record.key), "KDF3");
}

function probeLong(): void {
  const key = unhex("603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4");
  const mac = cmac(nodeCrypto.aes(key), unhex("6BC1BEE22E409F96E93D7E117393172A"));
  must(isHex(mac, "28A7023F452E8F82BD4BF28D8C37C35C"), "AES-256-CMAC (SP 800-38B)");
}

function probeKeysToCard(): void {
  const wrapped = nodeCrypto
    .aes(unhex(kdf3Record.master))
    .cbcEncrypt(unhex("000102030405060708090A0B0C0D0E0F"), unhex("6BC1BEE22E409F96E93D7E117393172A"));
  must(isHex(wrapped, "7649ABAC8119B246CEE98E9B12E9197D"), "AES-CBC (SP 800-38A)");
}

function opens(...ask: Parameters<typeof unseal>): boolean {
  try {
    unseal(...ask).fill(0);
    return true;
  } catch {
    // As it has to be.
    return false;
  }
}

/** A PIN opens where it belongs, under its order's secret, and no more once that was destroyed. */
function probeSeal(): void {
  const sealing = random(32);
  const keys = { sealing: () => sealing, orders: new OrderSecrets(memoryShelf()) };
  const belongs = { purpose: "pin", order: "probe", record: 1, name: "pin", policy: "probe" } as const;
  const digits = randomDigits(6);
  keys.orders.create("probe", sealing);
  const sealed = seal(keys, belongs, digits);
  must(equal(unseal(keys, belongs, sealed), digits), "a sealed PIN");
  must(!opens(keys, { ...belongs, record: 2 }, sealed), "a PIN sealed for another record");
  keys.orders.end("probe", "delivery");
  must(!opens(keys, belongs, sealed), "a PIN whose order ended");
  must(digits.length === 6 && digits.every((code) => code >= 0x30 && code <= 0x39), "a drawn PIN");
}

/** A PIN as glyphs, and a box that only its machine opens; the font is read when letters are written. */
function probeLetter(): void {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  const shown = new Uint8Array(16);
  writeDigits(shown, 0, new Uint8Array(Buffer.from("0189")));
  must(Buffer.from(shown).toString() === "000100020009000a", "a PIN in its letter");
  const label = { kind: "letters", purpose: "letters probe", belongs: "probe" } as const;
  const line = generateKeyPairSync("ed25519");
  const box = boxFor(publicKey, (bytes) => sign(null, bytes, line.privateKey), label, shown);
  const keys = { own: privateKey, lines: [line.publicKey] };
  must(
    shown.every((byte) => byte === 0),
    "a letter's memory, wiped",
  );
  must(Buffer.from(openBox(keys, label, box)).toString() === "000100020009000a", "a letter");
}

/** RFC 8032, 7.1, test 1. */
function probeSign(): void {
  const seed = "9D61B19DEFFD5A60BA844AF492EC2CC44449C5697B326919703BAC031CAE7F60";
  const secret = createPrivateKey({
    key: Buffer.from(`302e020100300506032b657004220420${seed}`, "hex"),
    format: "der",
    type: "pkcs8",
  });
  const signature = sign(null, new Uint8Array(0), secret);
  const expected =
    "E5564300C360AC729086E2CC806E828A84877F1EB8E5D974D873E065224901555FB8821590A33BACC61E39701CF9B46BD25BF5F0595BBE24655141438E7A100B";
  must(isHex(signature, expected), "Ed25519 (RFC 8032)");
  must(verify(null, new Uint8Array(0), createPublicKey(secret), signature), "Ed25519 verification");
}

const bytesOf = (): KeySet => ({
  enc: unhex(scp03Record.enc),
  mac: unhex(scp03Record.mac),
  dek: unhex(scp03Record.dek),
});

const inProcess: Readonly<Record<HsmOperation, () => void>> = {
  loader: probeMacs,
  scp02: probeScp02,
  scp03: () => {
    probeScp03(bytesOf());
  },
  "scp03-long": probeLong,
  scp11: probeScp11,
  desfire: probeMacs,
  "desfire-first-keys": probeMacs,
  "issuer-data": probeKeysToCard,
  "issuer-data-clear": probeKeysToCard,
  "keys-to-card": probeKeysToCard,
  "keys-to-card-clear": probeKeysToCard,
  "shared-keys": () => {
    probeScp03(bytesOf());
  },
  proof: probeMacs,
  gate: probeMacs,
  "emv-keys": () => {
    probePaymentKeys(masterHere);
    probeVerificationValue(masterHere);
  },
  "emv-rsa": probeDrawing,
  "emv-issuer": probeIssuerSignatureHere,
  "emv-cryptogram": () => {
    probeCryptogram(masterHere);
  },
  pin: () => {
    probeSeal();
    probePinBlocks(pinKeyHere);
  },
  letter: probeLetter,
  seal: probeSeal,
  "data-key": probeSeal,
  sign: probeSign,
  random: () => {
    must(!equal(random(16), random(16)), "random bytes");
  },
};

/** What leaves the process, whoever keeps the masters. */
const levels: Partial<Readonly<Record<HsmOperation, ProtectionLevel>>> = {
  "data-key": "trusted-host",
  "desfire-first-keys": "session-keys-in-host",
};

const notes: Partial<Readonly<Record<HsmOperation, string>>> = {
  "desfire-first-keys":
    "the first keys go into a fresh card or application under the published one: whoever hears all commands and answers of that session can make its keys, and read what goes in",
  "data-key":
    "sealed at rest, and released to the line while the order is open: the line encrypts personal data with it",
};

/** What this process can do by itself; an operation whose known answer does not come is unavailable, and says why. */
export function probeProcess(): Readonly<Record<HsmOperation, Capability>> {
  const probed = Object.entries(inProcess).map(([operation, probe]) => [
    operation,
    tried(levels[operation as HsmOperation] ?? "module-process", probe, notes[operation as HsmOperation]),
  ]);
  return Object.fromEntries(probed) as Record<HsmOperation, Capability>;
}

export function tried(level: ProtectionLevel, probe: () => void, note?: string): Capability {
  try {
    probe();
    return { level, probed: true, ...(note === undefined ? {} : { note }) };
  } catch (error) {
    const why = error instanceof Error ? error.message : "its probe failed";
    return { level: "unavailable", probed: true, note: why };
  }
}
