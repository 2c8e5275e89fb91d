/**
 * The key office in the database's chain: each of its acts, and each ceremony's record, is an entry with the digest of its text. The office
 * writes its own chain, with its keys, before there is a database and without one; whoever opens the database next brings it into this one.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { actDigest } from "../devices/hsm/office/acts.js";
import { noOffice, type Act, type CeremonyRecord, type SignedRecord } from "../devices/hsm/office/types.js";
import type { Hsm } from "../devices/hsm/port.js";
import { officeKinds, type OfficeLink } from "../store/audit.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { readActs } from "./office-acts.js";
import { Refusal } from "./problem.js";

interface Told {
  readonly kind: OfficeLink["kind"];
  readonly number: string;
  readonly text: string;
  readonly sha256: string;
}

const recordForm = z.strictObject({ text: z.string(), signature: z.string() });

/** Copies of the records beside the keystore, in the order of their chain; a record that follows from none comes last. */
function readRecords(folder: string): readonly SignedRecord[] {
  if (!existsSync(folder)) return [];
  const all = readdirSync(folder)
    .filter((name) => /^C-\d+\.json$/.test(name))
    .toSorted()
    .flatMap((name) => recordOf(readFileSync(join(folder, name), "utf8")) ?? []);
  const after = new Map(all.map((one) => [previousOf(one), one]));
  const ordered: SignedRecord[] = [];
  for (let next = after.get(noOffice.last); next !== undefined; next = after.get(actDigest(next.text))) {
    ordered.push(next);
    if (ordered.length > all.length) break;
  }
  return [...ordered, ...all.filter((one) => !ordered.includes(one))];
}

function recordOf(text: string): SignedRecord | undefined {
  try {
    return recordForm.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
function contentOf<T>({ text }: { readonly text: string }): Partial<T> {
  try {
    return JSON.parse(text) as Partial<T>;
  } catch {
    return {};
  }
}
const previousOf = (record: SignedRecord): string => String(contentOf<CeremonyRecord>(record).previous);

const told = (kind: Told["kind"], number: string, text: string): Told => ({
  kind,
  number,
  text,
  sha256: actDigest(text),
});

/** All that lies in the data folder. Throws Refusal for what is no act. */
function ofOffice(data: DataFolder): readonly Told[] {
  const acts = readActs(data.officeActs);
  if (!acts.ok)
    throw new Refusal(
      `${data.officeActs}: line ${String(acts.line)} is no act of a key office: it was edited; restore the file from a backup`,
    );
  return [
    ...acts.acts.map(({ text }, at) => told("act", String(at + 1), text)),
    ...readRecords(data.ceremonies).map((record) =>
      told("record", String(contentOf<CeremonyRecord>(record).number), record.text),
    ),
  ];
}

const nameOf = ({ kind, number }: Pick<OfficeLink, "kind" | "number">): string =>
  kind === "act" ? `act ${number} of the key office` : `the record of ceremony ${number}`;

/** The first entry that tells of something else than lies here, in words. */
function contradiction(
  links: readonly OfficeLink[],
  here: readonly Told[],
  data: DataFolder,
): string | undefined {
  const known = new Map(here.map((one) => [nameOf(one), one.sha256]));
  for (const link of links) {
    const name = nameOf(link);
    const sha256 = known.get(name);
    const entry = `audit entry ${String(link.sequence)}`;
    if (sha256 === undefined)
      return `${entry} tells of ${name}, which is not in ${link.kind === "act" ? data.officeActs : data.ceremonies}: it was taken away, or an older copy of keys and acts was put back`;
    if (sha256 !== link.sha256) return `${name} is another one than ${entry} tells of: it was written anew`;
  }
  return undefined;
}

/**
 * Brings what the database does not know of the key office into its chain; how many entries that took. Throws Refusal where the two
 * contradict each other: then nothing is done before this is explained.
 */
export async function linkOffice({
  store,
  data,
}: {
  readonly store: Store;
  readonly data: DataFolder;
}): Promise<number> {
  const here = ofOffice(data);
  const links = await store.audit.ofKeyOffice();
  const wrong = contradiction(links, here, data);
  if (wrong !== undefined)
    throw new Refusal(
      `${wrong}; nothing is done before this is explained; "persoline audit verify" tells more`,
    );
  const known = new Set(links.map(nameOf));
  const missing = here.filter((one) => !known.has(nameOf(one)));
  for (const one of missing) {
    const { kind, number, sha256, text } = one;
    const { who = "key office", result = "ok", object } = contentOf<Act>({ text });
    await store.audit.note({
      who: kind === "act" ? who : "key office",
      what: officeKinds[kind],
      object: kind === "act" ? String(object) : `ceremony ${number}`,
      result: kind === "act" ? result : "ok",
      detail: { number, sha256 },
    });
  }
  return missing.length;
}

export type LinksVerdict =
  | { readonly ok: true; readonly linked: number; readonly waiting: number; readonly records: number }
  | { readonly ok: false; readonly why: "key-office"; readonly text: string };

/** Records by their signatures and chain, and what the database's chain tells of them and of the acts. Without `store`: the records alone. */
export async function verifyLinks(
  store: Store | undefined,
  data: DataFolder,
  hsm: Hsm | undefined,
): Promise<LinksVerdict> {
  const bad = (text: string): LinksVerdict => ({ ok: false, why: "key-office", text });
  const records = readRecords(data.ceremonies);
  const broken = hsm === undefined ? undefined : await brokenIn(records, hsm);
  if (broken !== undefined) return bad(`${data.ceremonies}: ${broken}`);
  const here = ofOffice(data);
  const links = (await store?.audit.ofKeyOffice()) ?? [];
  const wrong = contradiction(links, here, data);
  if (wrong !== undefined) return bad(wrong);
  const known = new Set(links.map(nameOf));
  const waiting = store === undefined ? 0 : here.filter((one) => !known.has(nameOf(one))).length;
  return { ok: true, linked: links.length, waiting, records: records.length };
}

async function brokenIn(records: readonly SignedRecord[], hsm: Hsm): Promise<string | undefined> {
  let previous: string = noOffice.last;
  for (const record of records) {
    const { number = "?" } = contentOf<CeremonyRecord>(record);
    const signature = new Uint8Array(Buffer.from(record.signature, "base64"));
    if (!(await hsm.verify("ceremony", new TextEncoder().encode(record.text), signature)))
      return `the record of ceremony ${number} was altered, or signed with another key`;
    if (previousOf(record) !== previous)
      return `the record before that of ceremony ${number} is missing, or is another one`;
    previous = actDigest(record.text);
  }
  return undefined;
}
