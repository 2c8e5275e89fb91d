/**
 * The key office of a token: values are drawn in it, or brought in by a ceremony's short-lived process and stored so that they never leave
 * again. What is not a key (custodians, what waits, records) stands in the register, sealed under a key that only the token can make.
 */
import { createCipheriv, createDecipheriv, createPublicKey, sign } from "node:crypto";
import { random } from "../draw.js";
import { ed25519Of } from "../ed25519-seed.js";
import { concat, unhex } from "@persoline/card/bytes";
import type { BlockCipher, Crypto } from "@persoline/card/crypto";
import { nodeCrypto } from "@persoline/card/node";
import { KeystoreProblem, type StoredKey } from "../keystore.js";
import { officeHead } from "../office/acts.js";
import { keyLength } from "../office/key-length.js";
import { holdOffice } from "../office/hold.js";
import { inForce } from "../office/lists.js";
import type { KeyRoom, OpenOffice } from "../office/room.js";
import { emptyBook, type Keep, type OfficeBook } from "../office/types.js";
import type { KeyDescription } from "../port.js";
import { madeKey } from "./made-key.js";
import {
  findKey,
  findMaster,
  findSigning,
  isOf,
  type Master,
  objectsOf,
  ownNumbers,
  singleName,
  singleOf,
} from "./masters.js";
import { begin, sweepBegun } from "./begun.js";
import {
  descriptionOf,
  inTheToken,
  isOpen,
  judgeRegister,
  readRegister,
  type Register,
  type RegisteredKey,
  writeRegister,
} from "./register.js";
import { Token, type TokenAccess, TokenLost } from "./token.js";
import { TokenKeyring } from "./token-keyring.js";

/** Uses whose keys a token can keep, each for the one thing that it is for; public keys of others stand in its register. */
const KEPT_USES: readonly KeyDescription["use"][] = [
  "loader",
  "scp02",
  "scp03",
  "desfire",
  "application",
  "key-block",
  "transport",
  "pin-transport",
  "file-mac",
  "emv-ac",
  "emv-smi",
  "emv-smc",
  "emv-cvk",
  "emv-pvk",
  "ibm-3624",
  "emv-issuer",
  "issuer-signature",
  "stripe-encoder",
];

/** Ciphertext that belongs to the book, not to the key: it left with its ceremony. */
interface SealedBook {
  readonly book: OfficeBook;
  readonly blocks: Readonly<Record<string, string>>;
}

/** Throws KeystoreProblem ("busy" while another office is open on this register), VaultRefusal. The caller closes it. */
export async function openTokenOffice(file: string, access: TokenAccess): Promise<OpenOffice> {
  // Before the PIN is tried, and before the register is read: it is to be the newest one until this office has written.
  const release = holdOffice(file);
  try {
    return await openHeld(file, access, release);
  } catch (problem) {
    release();
    throw problem;
  }
}

async function openHeld(file: string, access: TokenAccess, release: () => void): Promise<OpenOffice> {
  const register = readRegister(file);
  const token = await Token.open({ ...access, expected: register.serial });
  try {
    const store = register.keys.find(({ use }) => use === "seal");
    if (store === undefined) throw new KeystoreProblem("not-ours", `${file}: it names no key for "seal"`);
    const { master, macKey } = inTheToken(file, register, token, () => {
      const found = findMaster(token, store);
      const key = found.own(ownNumbers.register);
      judgeRegister(file, register, key);
      return { master: found, macKey: key };
    });
    const bookKey = master.own(ownNumbers.office);
    const { book, blocks } = openBook(file, register, bookKey);
    const keep: Keep = {
      environment: register.environment,
      revision: register.revision ?? 1,
      keys: register.keys.map((key) => storedOf(key, blocks[key.name])),
      book,
    };
    sweep(token, keep.keys);
    sweepBegun(token, file, labelsOf(keep.keys));
    return {
      keep,
      room: tokenRoom(token, file, register, master),
      write: (kept) => {
        const { format, environment, token: name, signature, letterPrinter, stripeEncoder } = register;
        const next = {
          format,
          environment,
          token: name,
          // Where they were found just now: a token that took another's place is told by its own number from then on.
          serial: token.serial,
          signature,
          letterPrinter,
          ...(stripeEncoder === undefined ? {} : { stripeEncoder }),
          version: 3 as const,
          revision: kept.revision,
          keys: kept.keys.map(registeredOf),
          office: officeHead(kept.book.acts),
          ...(kept.book.lists === undefined ? {} : { policies: inForce(kept.book.lists) }),
        };
        writeRegister(file, { ...next, book: sealBook(kept, bookKey) }, macKey);
        sweep(token, kept.keys);
        sweepBegun(token, file, labelsOf(kept.keys));
      },
      describe: ({ keys }) => keys.map((stored) => describedNow(token, registeredOf(stored))),
      ring: () => new TokenKeyring(token, file, register, { keptKeys: false, transports: false }),
      close: () => {
        macKey.fill(0);
        bookKey.fill(0);
        try {
          // A key that was made and that no register came to name (the ceremony failed, the disk was full) is nobody's.
          sweepBegun(token, file, labelsOf(readRegister(file).keys));
        } catch (problem) {
          // With the token gone it stays there, until the next ceremony; what went wrong before is what people must hear.
          if (!(problem instanceof TokenLost)) throw problem;
        } finally {
          try {
            token.disconnect();
          } finally {
            release();
          }
        }
      },
    };
  } catch (problem) {
    token.disconnect();
    throw problem;
  }
}

/** With what the token says of it now, as far as it is there. */
function describedNow(token: Token, key: RegisteredKey): KeyDescription {
  const { standing: _, ...described } = descriptionOf(key);
  if (key.fingerprint === "" && key.issuer === undefined) return described;
  const [handle] = key.life?.state === "destroyed" ? [] : objectsOf(token, key).ours;
  return handle === undefined ? described : { ...described, standing: token.standing(handle) };
}

/** A destroyed key's object goes once the register says so, and again at the next call where an interruption left it. */
function sweep(token: Token, keys: readonly StoredKey[]): void {
  for (const stored of keys) {
    if (stored.life?.state !== "destroyed" || isOpen(stored)) continue;
    const key = registeredOf(stored);
    for (const one of [key, singleOf(key)])
      for (const object of one === undefined ? [] : objectsOf(token, one).ours) token.destroy(object);
  }
}

/** What the register's keys are called in the token. */
const labelsOf = (keys: readonly { readonly name: string }[]): ReadonlySet<string> =>
  new Set(keys.flatMap(({ name }) => [name, singleName(name)]));

function tokenRoom(token: Token, file: string, register: Register, store: Master): KeyRoom {
  const open = createPublicKey({
    key: Buffer.from(register.signature.open, "base64"),
    format: "der",
    type: "spki",
  });
  const room: KeyRoom = {
    sign: (bytes) => {
      if (register.signature.by === "token")
        return token.signEd25519(findSigning(token, register, open), bytes);
      const seed = store.own(ownNumbers.signature);
      const { secret } = ed25519Of(seed);
      seed.fill(0);
      return new Uint8Array(sign(null, bytes, secret));
    },
    signedBy: open.export({ format: "pem", type: "spki" }).toString(),
    whyNot: ({ name, use }) =>
      KEPT_USES.includes(use)
        ? undefined
        : `key ${name}: keys for ${use} are kept in the vault only, not in a token`,
    take: ({ name, use, algorithm }, value) => {
      const { environment } = register;
      const described = {
        name: name as KeyDescription["name"],
        use,
        algorithm,
        environment,
        published: false,
      };
      begin(token, file, [name, singleName(name)]);
      const { key } = madeKey(token, described, { value });
      const { kcv, fingerprint, witness, single, issuer, standing } = key;
      return {
        value: new Uint8Array(0),
        kcv,
        fingerprint,
        ...onlyGiven({ witness, single, issuer, standing }),
      };
    },
    same: (keys, _plan, value) => keys.find((key) => isOf(registeredOf(key), value)),
    signRsa: (stored, bytes) => {
      const key = registeredOf(stored);
      const block = emsaPkcs1(bytes, (key.issuer?.modulus.length ?? 0) / 2);
      return token.signRaw(findKey(token, key), block);
    },
    protection: (key) => {
      const master = findMaster(token, registeredOf(key));
      const kbpk = new Uint8Array(keyLength(key));
      return { crypto: answering(kbpk, master.cipher()), kbpk };
    },
  };
  return room;
}

/** The primitives, but for one key, which is in the token: its place is taken by an array that nobody reads. */
function answering(stand: Uint8Array, cipher: BlockCipher): Crypto {
  return {
    ...nodeCrypto,
    aes: (key) => (key === stand ? cipher : nodeCrypto.aes(key)),
    des3: (key) => (key === stand ? cipher : nodeCrypto.des3(key)),
  };
}

/** EMSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 9.2). */
function emsaPkcs1(message: Uint8Array, length: number): Uint8Array {
  const algorithm = unhex("300D06096086480165030402010500");
  const digest = nodeCrypto.sha256(message);
  const info = concat(unhex("3031"), algorithm, unhex("0420"), digest);
  const filling = new Uint8Array(length - info.length - 3).fill(0xff);
  return concat(unhex("0001"), filling, unhex("00"), info);
}

// --- register and keep

const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const unb64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));

function storedOf(
  { kcv, fingerprint, life, open = "", ...key }: RegisteredKey,
  block: string | undefined,
): StoredKey {
  return {
    ...key,
    value: unb64(open),
    fingerprint,
    ...(block === undefined ? {} : { block }),
    // Keys of before the first ceremony are active.
    life: life ?? {
      state: "active",
      since: new Date(0).toISOString(),
      source: "drawn",
      ceremony: "none",
      kcv,
    },
  };
}

const registeredOf = ({
  name,
  use,
  algorithm,
  environment,
  published,
  life,
  fingerprint = "",
  witness,
  single,
  issuer,
  standing,
  value,
}: StoredKey): RegisteredKey => ({
  name,
  use,
  algorithm,
  environment,
  published,
  kcv: life?.kcv ?? "",
  fingerprint,
  ...onlyGiven({
    witness,
    single,
    issuer,
    standing,
    life,
    open: value.length === 0 ? undefined : b64(value),
  }),
});

type Given<T> = { readonly [Name in keyof T]?: Exclude<T[Name], undefined> };
const onlyGiven = <T extends object>(fields: T): Given<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;

// --- the sealed book: `IV (12) ‖ tag (16) ‖ cipher text`, bound to environment and revision

const boundTo = ({ environment, revision = 1 }: Pick<Register, "environment" | "revision">): Buffer =>
  Buffer.from(JSON.stringify(["persoline key office", environment, revision]));

function sealBook(keep: Keep, key: Uint8Array): string {
  const blocks = Object.fromEntries(
    keep.keys.flatMap(({ name, block }) => (block === undefined ? [] : [[name, block]])),
  );
  const clear = Buffer.from(JSON.stringify({ book: keep.book, blocks } satisfies SealedBook));
  const iv = random(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(boundTo(keep));
  const sealed = Buffer.concat([cipher.update(clear), cipher.final()]);
  clear.fill(0);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString("base64");
}

function openBook(file: string, register: Register, key: Uint8Array): SealedBook {
  if (register.book === undefined) return { book: emptyBook, blocks: {} };
  const bytes = Buffer.from(register.book, "base64");
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12)).setAAD(boundTo(register));
    decipher.setAuthTag(bytes.subarray(12, 28));
    const clear = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
    const opened = JSON.parse(clear.toString("utf8")) as SealedBook;
    clear.fill(0);
    return opened;
  } catch {
    throw new KeystoreProblem(
      "not-ours",
      `${file}: what the key office keeps in it was altered, or is another token's; restore it from a backup`,
    );
  }
}
