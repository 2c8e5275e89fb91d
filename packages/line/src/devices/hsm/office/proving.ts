/** Who sits here proves it: custodians by the passphrase that is kept of them, a candidate by a new one. */
import { type Custodian, custodianOf, enrol, judgedPassphrase, triesLeft } from "./custodians.js";
import type { Place, Signer } from "./place.js";
import { recordHead } from "./record.js";
import { OfficeRefusal } from "./refusal.js";
import { deedOf, signSitting } from "./sittings.js";
import type { Keep, Pending, RosterAction } from "./types.js";

type Proved = { readonly name: string; readonly custodians: readonly Custodian[] } & (
  | { readonly wrong: OfficeRefusal; readonly signer?: never }
  | { readonly signer: Signer; readonly wrong?: never }
);

/** `to`: what this custodian says yes to. */
export function proved({ keep, counter }: Place, by: string, to?: string): Proved {
  const custodian = custodianOf(keep.book.custodians, by);
  const { now, hand } = judgedPassphrase(
    custodian,
    counter.ask(
      "passphrase",
      `${to === undefined ? "" : `${to}\n`}Passphrase of custodian ${custodian.name}`,
    ),
  );
  const { name } = custodian;
  const custodians = keep.book.custodians.map((one) => (one.name === name ? now : one));
  if (hand !== undefined && now.key !== undefined)
    return { name, custodians, signer: { key: now.key, hand } };
  const wrong = new OfficeRefusal(
    `this is not the passphrase of ${name}; nothing was done. ${triesLeft(now)}`,
  );
  return { name, custodians, wrong };
}

/**
 * A new custodian, or one whose passphrase is gone, at a sitting of their own: nobody else ever knows what is typed here. `first`: the
 * first two let themselves in, and sign that; for all later ones the ceremony waits for two others.
 */
export function candidate(
  { keep, counter, at, costs }: Place,
  asked: Exclude<RosterAction, { do: "custodian-remove" }>,
  { number, first }: { readonly number: string; readonly first: boolean },
): Pending & { readonly custodian: Custodian } {
  const { book, environment } = keep;
  const { name } = asked;
  const waiting = book.pending.flatMap(({ custodian }) => custodian ?? []);
  const passphrase = counter.ask("passphrase", `New passphrase of custodian ${name}`);
  const { custodian, hand } = enrol({
    name,
    passphrase,
    // Whoever comes back may take the passphrase they had.
    known: [...book.custodians.filter((one) => one.name !== name), ...waiting],
    at,
    ...(costs === undefined ? {} : { costs }),
  });
  const { key } = custodian;
  const action = { ...asked, name: custodian.name, open: key };
  const ceremony = { number, environment, deed: deedOf(action) };
  const sitting = { by: custodian.name, at, head: recordHead(book.records) };
  return {
    number,
    action,
    needed: 2,
    sittings: first ? [signSitting(ceremony, sitting, { key, hand })] : [],
    pieces: [],
    custodian,
    since: at,
  };
}

/** The custodians once a ceremony is whole. */
export function custodiansAfter({ book }: Keep, { action, custodian }: Pending): readonly Custodian[] {
  const { custodians } = book;
  if (action.do === "custodian-remove") return custodians.filter(({ name }) => name !== action.name);
  if (custodian === undefined) return custodians;
  if (action.do === "custodian") return [...custodians, custodian];
  // The day of the first enrolment stays: it is the same person.
  return custodians.map((one) => (one.name === custodian.name ? { ...custodian, since: one.since } : one));
}
