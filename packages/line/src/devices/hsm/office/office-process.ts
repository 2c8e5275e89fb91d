/** The key office's own process: it lives for one call, and keys are clear only here. */
import { createPublicKey, verify } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeDurably } from "../durable.js";
import { environmentOf, KeystoreProblem, openedBy, type Unlock } from "../keystore.js";
import { proveIssuerFile, takeIssuerRecords, WrappedValues } from "../issuer-data.js";
import { openTokenOffice } from "../pkcs11/token-office.js";
import { readRegister } from "../pkcs11/register.js";
import { selfTest } from "../self-test.js";
import { mustStayInMemory } from "../swap.js";
import { actBytes, brokenAct } from "./acts.js";
import { judgeActs, writeActs } from "./acts-file.js";
import { isLocked, wrongAtMost } from "./custodians.js";
import { counterOf, readAll, type TerminalCounter } from "./counter.js";
import { expired, voided } from "./expiry.js";
import { certificateRequest } from "./issuer-certificates.js";
import type { OfficeCall, OfficeProof, OfficeReply } from "./office-client.js";
import { holdOffice } from "./hold.js";
import { keystoreOffice } from "./keystore-office.js";
import { judgeBook, serve } from "./office.js";
import type { Sat } from "./place.js";
import { OfficeRefusal } from "./refusal.js";
import type { KeyRoom, OpenOffice } from "./room.js";
import { piecesOf } from "./roster.js";
import type { CeremonyRecord, Keep, OfficeAnswer, OfficeAsk, SignedRecord } from "./types.js";
import { keyDigits } from "./words.js";

/** The keys, open since the first thing that was asked of them. */
let desk: OpenOffice | undefined;
/** Nothing is being done, and whoever asks may be gone. */
let isIdle = true;
const wrapped = new WrappedValues();

process.on("message", (call: OfficeCall) => {
  isIdle = false;
  void answer(call);
});
process.on("disconnect", () => {
  if (isIdle) end();
});

async function answer(call: OfficeCall): Promise<void> {
  let reply: OfficeReply;
  try {
    selfTest();
    desk ??= await openOffice(call, counterOf(call.descriptors));
    if ("prove" in call.ask) reply = { reply: "proved", result: proved(desk, call.ask) };
    else {
      reply = { reply: "done", answer: await done(desk, call, call.ask) };
      closed();
    }
  } catch (problem) {
    reply = refusal(problem);
  }
  process.send?.(reply, () => {
    isIdle = true;
    // At once: nothing of this process is to stay in memory.
    if (reply.reply !== "proved" || !process.connected) end();
  });
}

/** Once. */
function closed(): void {
  const open = desk;
  desk = undefined;
  open?.close();
}

function end(): void {
  try {
    closed();
  } finally {
    process.exit(0);
  }
}

/** What is sealed of an issuer's records here is for no order, and opens nowhere: it only stands in its place. */
function proved(office: OpenOffice, ask: OfficeProof): unknown {
  const ring = office.ring();
  return ask.prove === "file"
    ? proveIssuerFile(ring, ask.file)
    : takeIssuerRecords(ring, ask.records, "", wrapped);
}

function refusal(problem: unknown): OfficeReply {
  const message = problem instanceof Error ? problem.message : "the key office failed";
  if (problem instanceof KeystoreProblem) return { reply: "keystore", code: problem.code, message };
  return { reply: problem instanceof OfficeRefusal ? "refused" : "failed", message };
}

async function done(office: OpenOffice, call: OfficeCall, ask: OfficeAsk): Promise<OfficeAnswer> {
  const { records, acts, descriptors, at, program, patienceMs } = call;
  const counter = counterOf(descriptors);
  const { keep, room } = office;
  judgeAge(keep, records);
  judgeActs(keep, acts);
  const write = (kept: Keep): void => {
    office.write(kept);
    writeRecords(records, kept.book.records);
    writeActs(acts, kept.book.acts ?? []);
  };
  /** Whoever looks lets end what waited too long. */
  const looked = (): Keep => {
    judgeBook(keep, room);
    const place = { keep, at, program, room };
    const kept = voided({ ...place, keep: expired(place, patienceMs) });
    if (kept === keep) return keep;
    const newer = { ...kept, revision: keep.revision + 1 };
    write(newer);
    return newer;
  };
  if (ask.ask === "list") return told(looked(), room, office);
  if (ask.ask === "request")
    return {
      ...(await told(looked(), room, office)),
      request: certificateRequest(keep.keys, ask.name, room),
    };
  const sat: Sat = await serve(ask, { keep, room, counter, at, program, patienceMs });
  const kept: Keep = { ...sat.keep, revision: keep.revision + 1 };
  write(kept);
  if (sat.refused !== undefined) throw sat.refused;
  return {
    ...(await told(kept, room, office)),
    ...(sat.ceremony === undefined ? {} : { ceremony: sat.ceremony }),
    ...(sat.block === undefined ? {} : { block: sat.block }),
  };
}

/** The keystore's office, or a token's. Throws KeystoreProblem. */
async function openOffice(
  { file, unlock, swapAccepted }: OfficeCall,
  counter: TerminalCounter,
): Promise<OpenOffice> {
  const environment = "token" in unlock ? readRegister(file).environment : environmentOf(file);
  mustStayInMemory(environment, swapAccepted);
  if ("token" in unlock) {
    const { pinFrom, ...token } = unlock.token;
    const pin = pinFrom === undefined ? counter.typed(`PIN of token ${token.label}`) : readAll(pinFrom);
    return openTokenOffice(file, { ...token, pin });
  }
  const release = holdOffice(file);
  try {
    const opened: Unlock =
      "passphraseFrom" in unlock
        ? { passphrase: readAll(unlock.passphraseFrom) }
        : openedBy(file) === "passphrase"
          ? { passphrase: counter.typed("Passphrase of the keystore") }
          : unlock;
    const office = keystoreOffice(file, opened);
    return {
      ...office,
      close: () => {
        office.close();
        release();
      },
    };
  } catch (problem) {
    release();
    throw problem;
  }
}

const RECORD = /^(C-\d+)\.json$/;
const numberOf = ({ text }: SignedRecord): string => (JSON.parse(text) as CeremonyRecord).number;

/** An older copy of the keystore would bring destroyed keys back, and one written anew other custodians: the records beside it know better. */
function judgeAge({ book }: Keep, folder: string): void {
  if (!existsSync(folder)) return;
  const known = new Map(book.records.map((record) => [numberOf(record), record.text]));
  for (const name of readdirSync(folder)) {
    const [, number] = RECORD.exec(name) ?? [];
    if (number === undefined) continue;
    const text = known.get(number);
    if (text === undefined)
      throw new OfficeRefusal(
        `${folder} holds the record of ceremony ${number}, which this keystore does not know: an older copy of the keystore was put back. Restore the newest one`,
      );
    if (text !== copiedText(join(folder, name)))
      throw new OfficeRefusal(
        `${join(folder, name)} is another record of ceremony ${number} than the keystore has: one of the two was written anew. Restore both from a backup`,
      );
  }
}

function copiedText(file: string): unknown {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as Partial<SignedRecord>).text;
  } catch {
    return undefined;
  }
}

/** The keystore is the original; a file that an interruption left out is written by the next call. */
function writeRecords(folder: string, records: readonly SignedRecord[]): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const record of records) {
    const file = join(folder, `${numberOf(record)}.json`);
    if (!existsSync(file)) writeDurably(file, `${JSON.stringify(record, null, 2)}\n`);
  }
}

/** The book has been judged before anything was done. */
async function told(keep: Keep, { signedBy }: KeyRoom, office: OpenOffice): Promise<OfficeAnswer> {
  const { environment, revision, book } = keep;
  const broken = await brokenAct(book.acts ?? [], signer(signedBy));
  if (broken !== undefined) throw new OfficeRefusal(`${broken}; restore the keystore from a backup`);
  return {
    environment,
    revision,
    keys: office.describe(keep),
    custodians: book.custodians.map((one) => ({
      name: one.name,
      since: one.since,
      locked: isLocked(one),
      triesLeft: Math.max(0, wrongAtMost - one.wrong),
      ...(one.key === undefined ? {} : { key: keyDigits(one.key) }),
      holds: piecesOf(keep, one.name),
    })),
    pending: book.pending.map(({ number, action, needed, sittings }) => ({
      number,
      action,
      needed,
      sittings,
    })),
    records: book.records,
    lists: book.lists ?? [],
    signedBy,
  };
}

const signer = (signedBy: string) => {
  const open = createPublicKey(signedBy);
  return (text: string, signature: Uint8Array): boolean => verify(null, actBytes(text), open, signature);
};
