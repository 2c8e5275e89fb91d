/** What this token really does, asked by known answers: the mechanism lists of tokens promise more than they keep. */
import { verify, createPublicKey } from "node:crypto";
import { equal, unhex } from "@persoline/card/bytes";
import { cmac, kcvAes, type KeyPurpose } from "@persoline/card/crypto";
import { nodeCrypto } from "@persoline/card/node";
import type { Capability, HsmOperation } from "../port.js";
import { kdf3Record, must, probeProcess, probeScp03, scp03Record, tried } from "../probes.js";
import { Master, spkiOf } from "./masters.js";
import type { Token } from "./token.js";
import { TokenKey } from "./token-key.js";

export interface TokenReport {
  readonly operations: Readonly<Record<HsmOperation, Capability>>;
  /** Cards' AES keys of 16 bytes can be made and used inside the token. */
  readonly keptKeys: boolean;
  /** The token signs with Ed25519. */
  readonly signs: boolean;
}

const MESSAGE = unhex("000102030405060708090A0B0C0D0E0F10111213");

/** For tests: operations of the token that shall be taken as missing, as they are in a poorer one. */
export type Missing = "kept-keys" | "sign";

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
  const { scp02, pin, letter, seal, sign } = inProcess;
  return {
    keptKeys,
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
      "issuer-data": {
        level: "unavailable",
        probed: false,
        note: "issuers' transport keys are in the vault only",
      },
      "keys-to-card": best(keys, inProcess["keys-to-card"]),
      "shared-keys": {
        level: "unavailable",
        probed: false,
        note: "masters in a token only derive: cards that share the master's own keys need the vault",
      },
      proof: best(proof, inProcess.proof),
      gate: best(proof, inProcess.gate),
      pin: { ...pin, note: "tokens have no such PIN blocks: drawn and sealed in the module's process" },
      letter: { ...letter, note: "tokens write no letters: rendered and encrypted in the module's process" },
      seal: { ...seal, note: `the sealing key is derived from a master of the token; ${seal.note ?? ""}` },
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
  const key = {
    name: "probe" as Master["key"]["name"],
    use: "application",
    algorithm: "AES-128",
    environment: "test",
    published: true,
    kcv: "",
    fingerprint: "",
  } as const;
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
