/**
 * Who the custodians are follows from the ceremonies' records, and each change of it is signed by two who were custodians then: whoever can
 * open the keystore and has one passphrase, or none, cannot write a custodian into it that this program believes.
 */
import type { StoredKey } from "../keystore.js";
import { samePerson } from "./custodians.js";
import { recordHead } from "./record.js";
import { deedOf, soundSitting } from "./sittings.js";
import type { CeremonyRecord, Keep, RosterAction, SignedRecord, Sitting } from "./types.js";

interface Roster {
  /** Names and their public keys, as far as a record tells one. */
  readonly now: Map<string, string | undefined>;
  /** Names of those who were removed. */
  readonly former: Set<string>;
  /** Digests of the records so far. */
  readonly heads: Set<string>;
}

const recordOf = ({ text }: SignedRecord): CeremonyRecord => JSON.parse(text) as CeremonyRecord;

/** Records of before sittings were signed have the change in their words only. */
function changeOf({ roster, action }: CeremonyRecord): RosterAction | undefined {
  if (roster !== undefined) return roster;
  const [, name] = /^enrol custodian (.+)$/.exec(action) ?? [];
  return name === undefined ? undefined : { do: "custodian", name };
}

/** Throws Error, in words, for a record whose sittings did not happen so. */
function follow(records: readonly SignedRecord[]): Roster {
  const roster: Roster = { now: new Map(), former: new Set(), heads: new Set([recordHead([])]) };
  for (const signed of records) {
    followOne(roster, recordOf(signed));
    roster.heads.add(recordHead([signed]));
  }
  return roster;
}

function followOne(roster: Roster, record: CeremonyRecord): void {
  // What ended by itself has changed nothing.
  if (record.ended !== undefined) return;
  const change = changeOf(record);
  if (change?.do === "custodian" && roster.now.size < 2) judgeFirst(roster, record, change);
  else for (const sitting of distinct(record)) judgeSitting(roster, record, sitting);
  if (change !== undefined) apply(roster, record, change);
}

const broken = ({ number }: CeremonyRecord, what: string): Error =>
  new Error(`record ${number}: ${what}: what the key office keeps was altered`);

function distinct(record: CeremonyRecord): readonly Sitting[] {
  const names = new Set(record.sittings.map(({ by }) => by));
  if (names.size < 2 || names.size !== record.sittings.length)
    throw broken(record, "it takes two different custodians");
  return record.sittings;
}

/** The first two let themselves in. */
function judgeFirst({ heads }: Roster, record: CeremonyRecord, { name, open: key }: RosterAction): void {
  const [sitting, second] = record.sittings;
  if (sitting === undefined || second !== undefined || sitting.by !== name)
    throw broken(record, `custodian ${name} did not enrol so`);
  if (key === undefined) {
    if (record.deed === undefined) return;
    throw broken(record, `custodian ${name} has no key`);
  }
  if (!isSigned(record, sitting, { key, heads })) throw broken(record, `custodian ${name} did not sign it`);
}

const isSigned = (
  { number, environment, deed }: CeremonyRecord,
  sitting: Sitting,
  by: Parameters<typeof soundSitting>[2],
): boolean => deed !== undefined && soundSitting({ number, environment, deed }, sitting, by);

function judgeSitting({ now, heads }: Roster, record: CeremonyRecord, sitting: Sitting): void {
  const { by } = sitting;
  if (!now.has(by)) throw broken(record, `${by} was no custodian then`);
  // Of one who has signed nothing yet the first signature tells the key.
  const key = now.get(by) ?? sitting.key;
  if (key === undefined) return;
  if (!isSigned(record, sitting, { key, heads }))
    throw broken(record, `${by} did not sign it, or not after these records`);
  now.set(by, key);
}

function apply({ now, former }: Roster, record: CeremonyRecord, change: RosterAction): void {
  const { name, open } = change;
  if (record.deed !== undefined && deedOf(change) !== record.deed)
    throw broken(record, "it tells of another change than its custodians signed");
  if (change.do === "custodian") {
    if (now.has(name)) throw broken(record, `${name} was a custodian already`);
  } else {
    if (!now.has(name)) throw broken(record, `${name} was no custodian then`);
    if (record.sittings.some(({ by }) => by === name))
      throw broken(record, `${name} cannot decide about ${name}`);
  }
  if (change.do === "custodian-remove") {
    now.delete(name);
    former.add(name);
    if (now.size < 2) throw broken(record, "an office has two custodians at least");
  } else now.set(name, open);
}

/** What of the custodians does not follow from the records, in words; nothing when all does. */
export function brokenRoster({ book }: Pick<Keep, "book">): string | undefined {
  try {
    const { now } = follow(book.records);
    for (const { name, key } of book.custodians) {
      if (!now.has(name))
        return `no ceremony made ${name} a custodian: what the key office keeps was altered`;
      const told = now.get(name);
      if (told !== undefined && told !== key)
        return `custodian ${name} has another key than the records tell: what the key office keeps was altered`;
    }
    const lost = [...now.keys()].find((name) => !book.custodians.some((one) => one.name === name));
    return lost === undefined
      ? undefined
      : `custodian ${lost} is missing, and no ceremony removed them: what the key office keeps was altered`;
  } catch (problem) {
    return problem instanceof Error ? problem.message : "the records cannot be read";
  }
}

/** Was a custodian of this name removed? A name stands for one person in the records. */
export const isFormer = (records: readonly SignedRecord[], name: string): boolean =>
  [...follow(records).former].some((one) => samePerson(one, name));

/** What pieces of keys that still have a value somebody had in hand, as the records tell. */
export function piecesOf(
  { book, keys }: { readonly book: Keep["book"]; readonly keys: readonly StoredKey[] },
  name: string,
): readonly string[] {
  return book.records.map(recordOf).flatMap((record) => {
    const { key, number, ended } = record;
    const own = record.sittings.find(({ by }) => by === name);
    if (key === undefined || own === undefined || ended !== undefined) return [];
    if (keys.find((one) => one.name === key.name)?.life?.state === "destroyed") return [];
    if (own.share !== undefined)
      return [`share ${String(own.share)} of key ${key.name} (${number})${others(record, name, book)}`];
    return own.kcv === undefined
      ? []
      : [
          `component of key ${key.name}, check value ${own.kcv} (${number}); without it the others are nothing`,
        ];
  });
}

/** Whether those who stay can still bring the key back. */
function others(record: CeremonyRecord, name: string, { custodians }: Keep["book"]): string {
  const needed = Number(/ of which (\d+) are needed/.exec(record.action)?.[1] ?? record.sittings.length);
  const held = record.sittings.filter(
    ({ by, share }) => share !== undefined && by !== name && custodians.some((one) => one.name === by),
  ).length;
  return `; of ${String(needed)} that are needed the other custodians have ${String(Math.min(held, needed))}`;
}
