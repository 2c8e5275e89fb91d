/**
 * What the security module draws and seals for each record before its card moves: PINs, and of payment cards their key pair, certificates
 * and stripe. A record that lost its card gets all of it anew with its next.
 */
import { type Hsm, type PaymentAsk, paymentsAtOnce } from "../devices/hsm/port.js";
import type { BoundRecord, LineAccounts } from "../ledger/types.js";
import type { OrderRecord } from "../orders/types.js";
import type { PaymentPlan } from "../plan/gp/payment/plan.js";
import { paymentCard, pinSource } from "../plan/gp/payment/record.js";
import { type Sealed, sealedCardName, sealedStripeName, stripeBytes } from "../plan/gp/payment/sealed.js";
import { originOf } from "../plan/pin-origin.js";
import { valuesOf } from "../plan/prepare.js";
import type { Store } from "../store/store.js";
import type { ImportProgress } from "./import.js";
import type { Job } from "./job.js";

/** Records in one call: enough to keep the security module busy. */
const atOnce = paymentsAtOnce;
/** Key pairs kept ready while a batch is prepared, and while the line runs: a remake must not wait for its own. */
const pairsAhead = { preparing: 64, running: 8 } as const;

interface Wanted {
  readonly record: OrderRecord;
  /** The record's so manieth card. */
  readonly attempt: number;
}

const paymentOf = ({ planned }: Job): PaymentPlan | undefined =>
  "payment" in planned ? planned.payment : undefined;

/** Without those that cards draw themselves: they come when the card has. */
const pinsBefore = ({ planned }: Job): Job["planned"]["pins"] =>
  planned.pins.filter(({ by }) => by.method !== "card");

/** All that must be there before a card of the record moves, by name. */
const namesOf = (job: Job): readonly string[] => {
  const payment = paymentOf(job);
  return [
    ...pinsBefore(job).map(({ name }) => name),
    ...(payment === undefined ? [] : [sealedCardName(payment.application)]),
  ];
};

async function drawn(job: Job, { record, attempt }: Wanted, hsm: Hsm): Promise<Sealed> {
  const { order, testSeed } = job.order;
  const payment = paymentOf(job);
  const values = payment === undefined ? {} : valuesOf(job.planned, record, order);
  const pins = pinsBefore(job).map(async ({ name, length, by: origin }) => {
    const pays = payment?.pin.name === name;
    const by = pays ? pinSource(payment, values) : originOf(origin, record.fields);
    const ask = {
      order,
      record: record.number,
      name,
      length,
      ...(pays ? { pan: paymentCard(payment, values).pan } : {}),
      ...(by === undefined ? {} : { by }),
      ...(testSeed === undefined || by !== undefined ? {} : { seed: `${testSeed}/${String(attempt)}` }),
    };
    return [name, await hsm.drawPin(ask)] as const;
  });
  return Object.fromEntries(await Promise.all(pins));
}

/** At most `paymentsAtOnce`. */
async function sealedFor(job: Job, wanted: readonly Wanted[], hsm: Hsm): Promise<readonly Sealed[]> {
  const pins = await Promise.all(wanted.map((one) => drawn(job, one, hsm)));
  const payment = paymentOf(job);
  if (payment === undefined) return pins;
  const { application } = payment;
  const asks = wanted.map((one, at) => paymentAsk(job, payment, one, pins[at] ?? {}));
  const cards = await hsm.preparePayment(asks);
  return cards.map(({ sealed, stripe }, at) => ({
    ...pins[at],
    [sealedCardName(application)]: sealed,
    ...(stripe === undefined ? {} : { [sealedStripeName(application)]: stripeBytes(stripe) }),
  }));
}

function paymentAsk(job: Job, payment: PaymentPlan, { record, attempt }: Wanted, pins: Sealed): PaymentAsk {
  const { application, masters, profile, pin, stripe } = payment;
  const { order, testSeed } = job.order;
  return {
    order,
    record: record.number,
    application,
    masters,
    profile,
    card: paymentCard(payment, valuesOf(job.planned, record, order), attempt),
    pin: pin.name,
    sealedPin: pins[pin.name] ?? new Uint8Array(0),
    stripe,
    ...(testSeed === undefined ? {} : { seed: `${testSeed}/${String(attempt)}` }),
  };
}

/** All of an order, before its production begins: no card has anything yet. */
export async function drawSecrets(
  job: Job,
  records: number,
  store: Store,
  hsm: Hsm,
  onProgress: (progress: ImportProgress) => void = () => undefined,
): Promise<void> {
  if (namesOf(job).length === 0) return;
  const { order } = job.order;
  const doing = paymentOf(job) === undefined ? "drawing PINs" : "preparing payment cards";
  await keepPairsReady(job, Math.min(records, pairsAhead.preparing), hsm);
  for (let first = 1; first <= records; first += atOnce) {
    const numbers = Array.from({ length: Math.min(atOnce, records - first + 1) }, (_, at) => first + at);
    const wanted: Wanted[] = [];
    for (const number of numbers) wanted.push({ record: await recordOf(job, store, number), attempt: 1 });
    const sealed = await sealedFor(job, wanted, hsm);
    await store.orders.storePinsOf(
      order,
      numbers.map((record, at) => ({ record, pins: sealed[at] ?? {} })),
    );
    onProgress({ doing, done: numbers.at(-1) ?? 0, of: records });
  }
}

/** What a PIN needs of its record is the number; payment cards need the whole of it, and so do PINs that the issuer sent. */
const recordOf = (job: Job, store: Store, number: number): Promise<OrderRecord> =>
  paymentOf(job) === undefined && !job.planned.pins.some(({ by }) => by.method === "issuer")
    ? Promise.resolve({ number, row: 0, fields: {}, photos: {} })
    : store.orders.record(job.order.order, number);

/** Key pairs drawn ahead, for payment cards that have one. */
async function keepPairsReady(job: Job, size: number, hsm: Hsm): Promise<void> {
  const payment = paymentOf(job);
  const modulusBytes = payment?.profile.issuerKey?.iccModulusBytes;
  if (modulusBytes === undefined || payment?.profile.proof === "sda") return;
  await hsm.drawIccKeysAhead({ modulusBytes, size });
}
export const keepPairsForRemakes = (job: Job, hsm: Hsm): Promise<void> =>
  keepPairsReady(job, pairsAhead.running, hsm);

/** The accounts, whose bound records have all that is theirs: what a rejected card had is gone, and the remake gets its own. */
export function withSecrets(accounts: LineAccounts, job: Job, store: Store, hsm: Hsm): LineAccounts {
  const names = namesOf(job);
  const complete = async (bound: BoundRecord): Promise<BoundRecord> => {
    if (names.every((name) => bound.pins[name] !== undefined)) return bound;
    const { record, attempt } = bound;
    const [pins = {}] = await sealedFor(job, [{ record, attempt }], hsm);
    await store.orders.storePins(job.order.order, record.number, pins);
    return { ...bound, pins };
  };
  return {
    ...accounts,
    bind: async (ask) => {
      const bound = await accounts.bind(ask);
      return bound === "none-waiting" ? bound : complete(bound);
    },
    bound: async (serial) => {
      const bound = await accounts.bound(serial);
      return bound === undefined ? undefined : complete(bound);
    },
  };
}
