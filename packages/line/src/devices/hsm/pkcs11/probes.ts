/** What this token really does, asked by known answers: the mechanism lists of tokens promise more than they keep. */
import { verify, createPublicKey } from "node:crypto";
import { concat, equal, unhex } from "@persoline/card/bytes";
import { type BlockCipher, cmac, kcvAes, type KeyPurpose } from "@persoline/card/crypto";
import { nodeCrypto, rsaPrivateKey } from "@persoline/card/node";
import { must } from "../known.js";
import { rsaNumbers } from "../payment/issuer-key.js";
import {
  type MasterOf,
  type PinKeyOf,
  probeCryptogram,
  probeIssuerSignature,
  probePair,
  probePaymentKeys,
  probePinBlocks,
  probeVerificationValue,
} from "../payment/probes.js";
import type { Capability, HsmOperation } from "../port.js";
import { kdf3Record, probeProcess, probeScp03, scp03Record, tried } from "../probes.js";
import { Master, pinKeyIn, spkiOf } from "./masters.js";
import { wrapPadded } from "../transport.js";
import type { Handle, Token } from "./token.js";
import { TokenKey } from "./token-key.js";

export interface TokenReport {
  readonly operations: Readonly<Record<HsmOperation, Capability>>;
  /** Cards' AES keys of 16 bytes can be made and used inside the token. */
  readonly keptKeys: boolean;
  /** Issuers' secrets go from their transport key to a card's session inside the token. */
  readonly transports: boolean;
  /** The token signs with Ed25519. */
  readonly signs: boolean;
}

const PROBE_KEY = {
  name: "persoline probe" as Master["key"]["name"],
  environment: "test",
  published: true,
  kcv: "",
  fingerprint: "",
} as const;
const MESSAGE = unhex("000102030405060708090A0B0C0D0E0F10111213");

/** For tests: operations of the token that shall be taken as missing, as they are in a poorer one. */
export type Missing = "kept-keys" | "sign" | "translate" | "rsa";

/** What the masters' good keeping does not reach. */
const CLEAR = {
  level: "module-process",
  note: "the token keeps the transport key; what is padded, or under triple DES, is clear in the module's process (tokens join no bytes, and wrap nothing under triple DES)",
} as const;
const CARD_KEYS = {
  level: "module-process",
  note: "the token keeps the masters and encrypts the diversification data; cards' keys and values are in the module's process (tokens do no single DES and wrap nothing under triple DES)",
} as const;
const CRYPTOGRAM = {
  level: "module-process",
  note: "the token keeps the masters; cards' keys are in the module's process (tokens make no MAC of ISO/IEC 9797-1, algorithm 3)",
} as const;

export function probeToken(token: Token, missing: readonly Missing[] = []): TokenReport {
  const inProcess = probeProcess();
  const without = (what: Missing): void => {
    must(!missing.includes(what), what);
  };
  const kept = (probe: () => void) =>
    tried("token", () => {
      without("kept-keys");
      probe();
    });
  const derives = tried("token", () => {
    probeDerivation(token);
  });
  const session = kept(() => {
    probeSession(token);
  });
  const keys = kept(() => {
    probeDerivation(token);
    probeWrap(token);
  });
  const proof = kept(() => {
    probeProof(token);
  });
  const des = tried("token", () => {
    probeDes(token);
  });
  const signature = tried("token", () => {
    without("sign");
    probeSignature(token);
  });
  const random = tried("token", () => {
    must(!equal(token.random(16), token.random(16)), "random bytes");
  });
  const keptKeys = [derives, session, keys, proof].every(({ level }) => level === "token");
  /** In the token, or else here, as long as the masters work at all. */
  const best = (there: Capability, here: Capability, masters = derives): Capability => {
    if (masters.level === "unavailable") return { ...masters, note: `masters: ${masters.note ?? ""}` };
    if (keptKeys && there.level === "token") return there;
    const why = there.note === undefined ? "" : ` (${there.note})`;
    return { ...here, note: `the token keeps the master, cards' keys are in the module's process${why}` };
  };
  const opens = tried("token", () => {
    probeTransport(token);
  });
  const translation = kept(() => {
    without("translate");
    probeTranslation(token);
  });
  /** Without the whole way inside: opened there, clear in this process. */
  const issuerData = (inside: Capability): Capability =>
    opens.level === "unavailable"
      ? opens
      : {
          level: "module-process",
          probed: true,
          ...(inside.note === undefined ? {} : { note: inside.note }),
        };
  const cardKeys = tried("token", () => {
    probePaymentKeys(masterOf(token));
    probeVerificationValue(masterOf(token));
  });
  const cryptogram = tried("token", () => {
    probeCryptogram(masterOf(token));
  });
  const issuer = tried("token", () => {
    without("rsa");
    probeSigner(token);
  });
  const { scp02, letter, seal, sign } = inProcess;
  const pinBlocks = tried("module-process", () => {
    probePinBlocks(pinKeyOf(token));
  });
  const pin = inProcess.pin.level === "unavailable" ? inProcess.pin : pinBlocks;
  return {
    keptKeys,
    transports: keptKeys && translation.level === "token",
    signs: signature.level === "token",
    operations: {
      loader: best(session, inProcess.loader),
      scp02: best({ ...des, level: "unavailable", note: "tokens do no single DES" }, scp02, des),
      scp03: best(session, inProcess.scp03),
      "scp03-long": best(
        { ...derives, level: "unavailable", note: "keys of two blocks cannot be joined inside" },
        inProcess["scp03-long"],
      ),
      scp11: {
        level: "unavailable",
        probed: false,
        note: "hosts' P-256 keys and card authorities are in the vault only",
      },
      desfire: best(
        { ...derives, level: "unavailable", note: "its sessions do more than tokens can" },
        inProcess.desfire,
      ),
      "desfire-first-keys": inProcess["desfire-first-keys"],
      "issuer-data": keptKeys && translation.level === "token" ? translation : issuerData(translation),
      "issuer-data-clear": { ...opens, ...(opens.level === "unavailable" ? {} : CLEAR) },
      "emv-keys": { ...cardKeys, ...(cardKeys.level === "unavailable" ? {} : CARD_KEYS) },
      "emv-rsa": {
        ...inProcess["emv-rsa"],
        note: "cards' pairs are drawn in the module's process, from the token's random bytes",
      },
      "emv-issuer": issuer,
      "emv-cryptogram": { ...cryptogram, ...(cryptogram.level === "unavailable" ? {} : CRYPTOGRAM) },
      "keys-to-card": best(keys, inProcess["keys-to-card"]),
      "keys-to-card-clear": best(
        {
          ...derives,
          level: "unavailable",
          note: "only AES keys of 16 bytes are wrapped inside, for its own sessions",
        },
        inProcess["keys-to-card-clear"],
      ),
      "shared-keys": {
        level: "unavailable",
        probed: false,
        note: "masters in a token only derive: cards that share the master's own keys need the vault",
      },
      proof: best(proof, inProcess.proof),
      gate: best(proof, inProcess.gate),
      pin: {
        ...pin,
        note:
          pin.level === "unavailable"
            ? (pin.note ?? "")
            : "tokens have no such PIN blocks: they decipher issuers' ones, which are opened, drawn and sealed in the module's process",
      },
      letter: { ...letter, note: "tokens write no letters: rendered and encrypted in the module's process" },
      seal: {
        ...seal,
        note: "the sealing key is derived from a master of the token, and is in the module's process",
      },
      "data-key": inProcess["data-key"],
      sign:
        signature.level === "token"
          ? signature
          : { ...sign, note: `the key is derived from a master of the token (${signature.note ?? ""})` },
      random,
    },
  };
}

const throwAway = (token: Token, value: Uint8Array, purpose: KeyPurpose): TokenKey =>
  new TokenKey(token, token.importKey(value, purpose), purpose);

function probeSession(token: Token): void {
  const enc = throwAway(token, unhex(scp03Record.enc), "derive");
  const mac = throwAway(token, unhex(scp03Record.mac), "derive");
  const dek = throwAway(token, unhex(scp03Record.dek), "key-encryption");
  try {
    probeScp03({ enc, mac, dek });
  } finally {
    for (const key of [enc, mac, dek]) key.wipe();
  }
}

function withMaster<T>(token: Token, work: (master: Master) => T): T {
  const key = { ...PROBE_KEY, use: "application", algorithm: "AES-128" } as const;
  const handle = token.makeMaster(
    { label: "persoline probe", algorithm: "AES-128" },
    unhex(kdf3Record.master),
    { keeps: false },
  );
  try {
    return work(new Master(token, key, handle));
  } finally {
    token.destroy(handle);
  }
}

function probeDerivation(token: Token): void {
  withMaster(token, (master) => {
    const key = master.deriveBytes(unhex(kdf3Record.kdd), kdf3Record.k);
    must(equal(key, unhex(kdf3Record.key)), "KDF3 in the token");
  });
}

/** A derived key under a derived key, and its check value, against the same in this process. */
function probeWrap(token: Token): void {
  withMaster(token, (master) => {
    const kdd = unhex(kdf3Record.kdd);
    const known = unhex(kdf3Record.key);
    const dekBytes = master.deriveBytes(kdd, 3);
    const dek = master.derive(kdd, 3, "key-encryption");
    const key = master.derive(kdd, kdf3Record.k, "to-card");
    try {
      const expected = nodeCrypto.aes(dekBytes).cbcEncrypt(new Uint8Array(16), known);
      must(equal(dek.wrapKey(key), expected), "a key wrapped for a card");
      must(equal(key.checkValue(), kcvAes(nodeCrypto, known)), "a check value");
    } finally {
      dek.wipe();
      key.wipe();
    }
  });
}

function probeProof(token: Token): void {
  withMaster(token, (master) => {
    const key = master.derive(unhex(kdf3Record.kdd), kdf3Record.k, "mac");
    try {
      const expected = cmac(nodeCrypto.aes(unhex(kdf3Record.key)), MESSAGE);
      must(equal(key.cmac(MESSAGE), expected), "AES-CMAC in the token");
    } finally {
      key.wipe();
    }
  });
}

function probeDes(token: Token): void {
  const value = unhex("404142434445464748494A4B4C4D4E4F");
  const key = token.makeMaster({ label: "persoline probe", algorithm: "3DES" }, value, { keeps: false });
  try {
    must(
      equal(token.encryptEcb(key, new Uint8Array(8), "des3").slice(0, 3), unhex("8BAF47")),
      "3DES in the token",
    );
  } finally {
    token.destroy(key);
  }
}

function probeSignature(token: Token): void {
  const { secret, open } = token.makeSigningPair("persoline probe", { keeps: false });
  try {
    const key = createPublicKey({ key: Buffer.from(spkiOf(open)), format: "der", type: "spki" });
    must(verify(null, MESSAGE, key, token.signEd25519(secret, MESSAGE)), "Ed25519 in the token");
  } finally {
    token.destroy(secret);
  }
}

/** A payment master with a known value, and its left half, for one piece of work. */
const masterOf =
  (token: Token): MasterOf =>
  (value, work) => {
    const handles: Handle[] = [];
    const cipher = (bytes: Uint8Array): Master => {
      const key = { ...PROBE_KEY, use: "emv-ac", algorithm: "3DES" } as const;
      const handle = token.makeMaster({ label: key.name, algorithm: "3DES" }, bytes, { keeps: false });
      handles.push(handle);
      return new Master(token, key, handle);
    };
    try {
      const whole = cipher(value);
      const single = cipher(concat(value.subarray(0, 8), value.subarray(0, 8)));
      const des3 = (key: Uint8Array): BlockCipher => (key.length === 16 ? whole : single).desCipher();
      return work({ crypto: { ...nodeCrypto, des3 }, key: new Uint8Array(16) });
    } finally {
      for (const handle of handles) token.destroy(handle);
    }
  };

const pinKeyOf =
  (token: Token): PinKeyOf =>
  (value, isTriple, work) => {
    const [algorithm, kind] = isTriple
      ? (["3DES", "des-transport"] as const)
      : (["AES-128", "pin-transport"] as const);
    const handle = token.makeMaster({ label: PROBE_KEY.name, algorithm, kind }, value, { keeps: false });
    try {
      return work(pinKeyIn(token, handle, isTriple));
    } finally {
      token.destroy(handle);
    }
  };

/** RFC 5649, from this process's own wrapping; triple DES against this process's. */
function probeTransport(token: Token): void {
  withTransport(token, (handle, wrapped) => {
    must(equal(token.unwrapBytes(handle, wrapped), SECRET), "a value unwrapped in the token");
  });
  const value = unhex("404142434445464748494A4B4C4D4E4F");
  const label = PROBE_KEY.name;
  const des = token.makeMaster({ label, algorithm: "3DES", kind: "des-transport" }, value, { keeps: false });
  const mac = token.makeMaster({ label, algorithm: "AES-128", kind: "mac-master" }, value, { keeps: false });
  try {
    for (const mode of ["ecb", "cbc"] as const) {
      const cipher = nodeCrypto.des3(value);
      const wrapped = mode === "ecb" ? cipher.encrypt(SECRET) : cipher.cbcEncrypt(new Uint8Array(8), SECRET);
      must(equal(token.decryptDes(des, wrapped, mode), SECRET), `3DES-${mode.toUpperCase()} in the token`);
    }
    must(equal(token.cmac(mac, SECRET), cmac(nodeCrypto.aes(value), SECRET)), "a file's MAC in the token");
  } finally {
    token.destroy(des);
    token.destroy(mac);
  }
}

/** From a transport key to a session's key without being clear in between, and into a key that judges what the card then proves by it. */
function probeTranslation(token: Token): void {
  const value = unhex(scp03Record.dek);
  const dek = throwAway(token, value, "key-encryption");
  try {
    withTransport(token, (handle, wrapped) => {
      const secret = new TokenKey(token, token.unwrap(handle, wrapped, "to-card"), "to-card", wrapped.length);
      try {
        const expected = nodeCrypto.aes(value).cbcEncrypt(new Uint8Array(16), SECRET);
        must(equal(dek.wrapKey(secret), expected), "a value translated in the token");
      } finally {
        secret.wipe();
      }
    });
  } finally {
    dek.wipe();
  }
  const own = SECRET.slice(0, 16);
  withTransport(
    token,
    (handle, wrapped) => {
      const mac = new TokenKey(token, token.unwrap(handle, wrapped, "mac"), "mac");
      try {
        must(
          equal(mac.cmac(SECRET), cmac(nodeCrypto.aes(own), SECRET)),
          "a MAC under a key that came wrapped",
        );
      } finally {
        mac.wipe();
      }
    },
    own,
  );
}

/** Three blocks, as the keys of a payment card. */
const SECRET = Uint8Array.from({ length: 48 }, (_, at) => 0xc0 ^ (5 * at));

function withTransport(
  token: Token,
  work: (handle: Handle, wrapped: Uint8Array) => void,
  secret = SECRET,
): void {
  const key = unhex("603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4");
  const handle = token.makeMaster({ label: PROBE_KEY.name, algorithm: "AES-256", kind: "transport" }, key, {
    keeps: false,
  });
  try {
    work(handle, wrapPadded(key, secret));
  } finally {
    token.destroy(handle);
  }
}

function probeSigner(token: Token): void {
  const der = rsaPrivateKey(probePair().privateKey).export({ format: "der", type: "pkcs8" });
  const handle = token.importRsa(PROBE_KEY.name, rsaNumbers(new Uint8Array(der)), { keeps: false });
  try {
    probeIssuerSignature((block) => token.signRaw(handle, block));
  } finally {
    token.destroy(handle);
  }
}
