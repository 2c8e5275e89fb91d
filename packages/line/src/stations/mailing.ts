/**
 * The mailing station: carrier and card are read and compared before one is fixed to the other. Any other pair than the one that is due stops it;
 * both go a reject path of their own, are void, and are made anew by the rules for any reject. Nothing is fixed out of the input's order.
 */
import type { Serial } from "@persoline/card/program";
import type { Mailer, Read, Sight } from "../devices/mailer/port.js";
import { DeviceFault } from "../devices/problem.js";
import type { Apart, Cancelled, Carrier, Due, MailingAccounts } from "../ledger/mailing.js";

/** Whose a card is, by what was read of it. */
export interface ReadCard {
  readonly serial: Serial;
  readonly order?: string;
  readonly record?: number;
  /** Still good, by the accounts. */
  readonly good: boolean;
}

export interface Mailing {
  readonly order: string;
  readonly accounts: MailingAccounts;
  readonly mailer: Mailer;
  readonly carrierOf: (number: string) => Promise<Carrier | undefined>;
  /** "ambiguous": other cards bear the same number, so that it does not tell which one lies there. */
  readonly cardOf: (text: string) => Promise<ReadCard | "ambiguous" | undefined>;
  readonly stopping?: () => boolean;
}

export type MailingEnd = { readonly mailed: number } & (
  | { readonly ended: "whole" }
  /** Nothing is wrong with any card; `why` tells what a person has to do. */
  | { readonly ended: "stopped"; readonly why: string }
  | { readonly ended: "apart"; readonly why: string; readonly cancelled: Cancelled }
);

type Judged =
  | { readonly kind: "match" }
  | { readonly kind: "stop"; readonly why: string }
  | { readonly kind: "apart"; readonly ask: Apart };

/** In words without personal data: the audit keeps them. */
const paperSaid = (order: string, read: Read, carrier: Carrier | undefined): string => {
  if (carrier === undefined)
    return read.seen === "code" ? "a paper whose code is no carrier's" : "a carrier that cannot be read";
  const whose = `the carrier of record ${String(carrier.record)}${carrier.order === order ? "" : ` of order ${carrier.order}`}`;
  if (carrier.state === "mailed") return `${whose}, which was mailed already,`;
  return carrier.state === "void" ? `${whose}, which is void,` : whose;
};
const cardSaid = (order: string, read: Read, card: ReadCard | undefined): string => {
  if (card === undefined)
    return read.seen === "code" ? "a card whose number nobody knows here" : "a card that cannot be read";
  if (card.record === undefined) return "a card that was made for nobody";
  return `${card.good ? "the" : "a rejected"} card of record ${String(card.record)}${card.order === order ? "" : ` of order ${String(card.order)}`}`;
};

async function judge(of: Mailing, due: Due, sight: Sight): Promise<Judged> {
  const { order } = of;
  const next = `record ${String(due.record)} (carrier ${due.carrier})`;
  if (sight.carrier.seen === "nothing")
    return {
      kind: "stop",
      why: `no carrier came for ${next}: is the stack empty, or was it not printed? A missing one is replaced by "persoline mailing replace ${due.carrier}"`,
    };
  if (sight.card.seen === "nothing")
    return {
      kind: "stop",
      why: `no card came for ${next}: put card ${due.serial} into the tray, or two people enter it as lost ("persoline stock withdraw ${due.serial} --lost")`,
    };
  const carrier = sight.carrier.seen === "code" ? await of.carrierOf(sight.carrier.text) : undefined;
  const card = sight.card.seen === "code" ? await of.cardOf(sight.card.text) : undefined;
  if (card === "ambiguous")
    return {
      kind: "stop",
      why: `what was read of the card does not tell it from a reject of the same record: read its chip, or the number on its body`,
    };
  if (carrier?.carrier === due.carrier && card?.serial === due.serial) return { kind: "match" };
  if (
    carrier?.state === "printed" &&
    carrier.order === order &&
    card?.order === order &&
    card.good &&
    carrier.record === card.record
  )
    return {
      kind: "stop",
      why: `carrier and card of record ${String(carrier.record)} came, and ${next} is next: put stack and tray into the order of the records`,
    };
  // Of what cannot be read nobody can say that it is not what was due.
  const paper = carrier?.carrier ?? (sight.carrier.seen === "unreadable" ? due.carrier : undefined);
  const serial = card?.serial ?? (sight.card.seen === "unreadable" ? due.serial : undefined);
  const reason = `${cardSaid(order, sight.card, card)} lay before ${paperSaid(order, sight.carrier, carrier)} when record ${String(due.record)} was due`;
  return {
    kind: "apart",
    ask: {
      order,
      ...(paper === undefined ? {} : { carrier: paper }),
      ...(serial === undefined ? {} : { serial }),
      code: "carrier-mismatch",
      reason,
    },
  };
}

/** First the accounts, then the mailer: what is apart must never be taken for good. */
async function keepApart({ accounts, mailer }: Mailing, ask: Apart): Promise<Cancelled> {
  const cancelled = await accounts.apart(ask);
  const { carrier, serial: card } = ask;
  await mailer.apart({
    ...(carrier === undefined ? {} : { carrier }),
    ...(card === undefined ? {} : { card }),
  });
  return cancelled;
}

const unknownReason = (record: number): string =>
  `the mailer stopped while the card of record ${String(record)} was being fixed, and nobody knows whether it was`;

/** What an interruption left: told to fix without an answer, or lying at the fixing place. */
async function settle(
  of: Mailing,
): Promise<{ readonly why: string; readonly cancelled: Cancelled } | undefined> {
  const { order, accounts, mailer } = of;
  const unknown = await accounts.unknown(order);
  if (unknown !== undefined) {
    const { carrier, serial, record } = unknown;
    const why = unknownReason(record);
    return {
      why,
      cancelled: await keepApart(of, { order, carrier, serial, code: "interrupted", reason: why }),
    };
  }
  const lying = await mailer.lying();
  if (lying !== undefined) await ((await wasOnlyLookedAt(of, lying)) ? mailer.back() : mailer.apart({}));
  return undefined;
}

/** The accounts are told before the mailer: a good card, or a carrier in force before one that nobody can read, was not judged yet. */
async function wasOnlyLookedAt({ carrierOf, cardOf }: Mailing, { carrier, card }: Sight): Promise<boolean> {
  const body = card.seen === "code" ? await cardOf(card.text) : undefined;
  if (body !== undefined && body !== "ambiguous") return body.good;
  const paper = carrier.seen === "code" ? await carrierOf(carrier.text) : undefined;
  return paper?.state === "printed";
}

/** A look costs nothing: dust on a code is no reject. */
async function seen(mailer: Mailer, due: Due): Promise<Sight | "ended"> {
  const sight = await mailer.present(due);
  if (sight === "ended") return sight;
  const dusty = sight.carrier.seen === "unreadable" || sight.card.seen === "unreadable";
  return dusty ? mailer.again() : sight;
}

/** Throws AccountsProblem, and DeviceFault when the mailer fails before it was told to fix: then nothing was fixed. */
export async function mailCards(of: Mailing): Promise<MailingEnd> {
  const { order, accounts, mailer } = of;
  let mailed = 0;
  const left = await settle(of);
  if (left !== undefined) return { mailed, ended: "apart", ...left };
  for (;;) {
    const due = await accounts.next(order);
    if (due === undefined) return { mailed, ended: "whole" };
    const sight = of.stopping?.() === true ? "ended" : await seen(mailer, due);
    if (sight === "ended")
      return { mailed, ended: "stopped", why: "it was ended before the next pair; the same command goes on" };
    const judged = await judge(of, due, sight);
    if (judged.kind === "stop") {
      await mailer.back();
      return { mailed, ended: "stopped", why: judged.why };
    }
    if (judged.kind === "apart")
      return {
        mailed,
        ended: "apart",
        why: judged.ask.reason,
        cancelled: await keepApart(of, judged.ask),
      };
    await accounts.fixing(due);
    try {
      await mailer.fix();
    } catch (problem) {
      if (!(problem instanceof DeviceFault)) throw problem;
      const { carrier, serial, record } = due;
      const reason = `${unknownReason(record)} (${problem.message})`;
      const cancelled = await keepApart(of, { order, carrier, serial, code: "interrupted", reason });
      return { mailed, ended: "apart", why: reason, cancelled };
    }
    await accounts.mailed(due.carrier);
    mailed++;
  }
}
