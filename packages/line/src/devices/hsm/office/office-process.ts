/** The key office's own process: it lives for one call, and keys are clear only here. */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Keyring } from "../keyring.js";
import { KeystoreProblem, sealKeystore, type Unlock, writeDurably } from "../keystore.js";
import { openGuarded } from "../lock-out.js";
import { selfTest } from "../self-test.js";
import { wrongAtMost } from "./custodians.js";
import { counterOf, readAll } from "./counter.js";
import { certificateRequest } from "./issuer-certificates.js";
import type { OfficeCall, OfficeReply } from "./office-client.js";
import { serve, type Sat, signerOf } from "./office.js";
import { brokenRecord } from "./record.js";
import { OfficeRefusal } from "./refusal.js";
import type { CeremonyRecord, Keep, OfficeAnswer, SignedRecord } from "./types.js";

process.on("message", (call: OfficeCall) => {
  void answer(call);
});

async function answer(call: OfficeCall): Promise<void> {
  let reply: OfficeReply;
  try {
    selfTest();
    reply = { reply: "done", answer: await done(call) };
  } catch (problem) {
    reply = refusal(problem);
  }
  process.send?.(reply, () => {
    // At once: nothing of this process is to stay in memory.
    process.exit(0);
  });
}

function refusal(problem: unknown): OfficeReply {
  const message = problem instanceof Error ? problem.message : "the key office failed";
  if (problem instanceof KeystoreProblem) return { reply: "keystore", code: problem.code, message };
  return { reply: problem instanceof OfficeRefusal ? "refused" : "failed", message };
}

async function done({
  file,
  records,
  unlock,
  ask,
  descriptors,
  at,
  program,
}: OfficeCall): Promise<OfficeAnswer> {
  const opened: Unlock = "keyFile" in unlock ? unlock : { passphrase: readAll(unlock.passphraseFrom) };
  const keep = openGuarded(file, opened);
  judgeAge(keep, records);
  if (ask.ask === "list") return told(keep);
  if (ask.ask === "request") return { ...told(keep), request: certificateRequest(keep.keys, ask.name) };
  const counter = counterOf(descriptors);
  const sat: Sat = await serve(ask, { keep, counter, at, program });
  const kept: Keep = { ...sat.keep, revision: keep.revision + 1 };
  sealKeystore(file, kept.environment, kept.keys, opened, kept);
  writeRecords(records, kept.book.records);
  if (sat.refused !== undefined) throw sat.refused;
  return {
    ...told(kept),
    ...(sat.ceremony === undefined ? {} : { ceremony: sat.ceremony }),
    ...(sat.block === undefined ? {} : { block: sat.block }),
  };
}

const RECORD = /^(C-\d+)\.json$/;
const numberOf = ({ text }: SignedRecord): string => (JSON.parse(text) as CeremonyRecord).number;

/** An older copy of the keystore would bring destroyed keys back: the records beside it know better. */
function judgeAge({ book }: Keep, folder: string): void {
  if (!existsSync(folder)) return;
  const known = new Set(book.records.map(numberOf));
  const lost = readdirSync(folder)
    .flatMap((name) => RECORD.exec(name)?.[1] ?? [])
    .find((number) => !known.has(number));
  if (lost !== undefined)
    throw new OfficeRefusal(
      `${folder} holds the record of ceremony ${lost}, which this keystore does not know: an older copy of the keystore was put back. Restore the newest one`,
    );
}

/** The keystore is the original; a file that an interruption left out is written by the next call. */
function writeRecords(folder: string, records: readonly SignedRecord[]): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const record of records) {
    const file = join(folder, `${numberOf(record)}.json`);
    if (!existsSync(file)) writeDurably(file, `${JSON.stringify(record, null, 2)}\n`);
  }
}

function told({ environment, revision, keys, book }: Keep): OfficeAnswer {
  const ring = new Keyring(environment, keys);
  const described = ring.describe();
  ring.wipe();
  const signedBy = signerOf(keys);
  const broken = brokenRecord(book.records, signedBy);
  if (broken !== undefined) throw new OfficeRefusal(`${broken}; restore the keystore from a backup`);
  return {
    environment,
    revision,
    keys: described,
    custodians: book.custodians.map(({ name, since, wrong }) => ({
      name,
      since,
      locked: wrong >= wrongAtMost,
    })),
    pending: book.pending.map(({ number, action, needed, sittings }) => ({
      number,
      action,
      needed,
      sittings,
    })),
    records: book.records,
    signedBy,
  };
}
