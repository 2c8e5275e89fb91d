/** Plays movements through the gates of a site: each one a real conversation between the gate and the card of the shop floor. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { random } from "@persoline/card/node";
import type { Serial } from "@persoline/card/program";
import { type GateParts, pass } from "../access/gate.js";
import { inOrder, moveOf, Whereabouts } from "../access/presence.js";
import type { Passage } from "../access/types.js";
import { ZoneTree } from "../access/zones.js";
import type { Hsm } from "../devices/hsm/port.js";
import { simulatedReader } from "../devices/reader/simulated.js";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import type { Stage } from "../ledger/types.js";
import { Findings } from "../orders/problem.js";
import { idealWorld } from "../stations/world.js";
import type { NewHolder } from "../store/register.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { holdersOf, registerOf } from "./hand-over.js";
import { type Movement, mostTold } from "./movements.js";
import { Refusal } from "./problem.js";
import type { SiteFile } from "./site-file.js";

export interface Replayed {
  readonly movements: number;
  readonly granted: number;
  readonly refused: number;
  /** Were recorded before. */
  readonly known: number;
  readonly handedOver: readonly { readonly order: string; readonly cards: number }[];
}

export async function replay(ask: {
  readonly site: SiteFile;
  readonly movements: readonly Movement[];
  readonly file: string;
  readonly store: Store;
  readonly hsm: Hsm;
  readonly data: DataFolder;
  readonly onPassage?: (passage: Passage) => void;
}): Promise<Replayed> {
  const { site: siteFile, store, hsm, data } = ask;
  const { site, cards } = siteFile;
  const coming = await comingHolders(siteFile, store, hsm);
  // No blank is made here: every body a gate sees has been through the machine.
  const floor = new ShopFloor(data.shopFloor, virtualSilicon({ loaderMaster: new Uint8Array(16), random }));
  const presented = await cardsOf(ask.movements, ask.file, {
    store,
    coming,
    floor,
    siteFile,
    root: data.root,
  }).catch((problem: unknown) => {
    floor.close();
    throw problem;
  });
  // Only now: of a list that was refused nothing stays behind.
  for (const { holders } of coming) await store.access.enter(holders);
  const handedOver = coming.map(({ order, holders }) => ({ order, cards: holders.length }));

  const tree = new ZoneTree(site);
  const recorded: Passage[] = [];
  for await (const passage of store.access.passages()) recorded.push(passage);
  const known = recordedTimes(recorded);
  const earlier = inOrder(recorded);
  const places = new Whereabouts(tree);
  let next = 0;

  const counts = { granted: 0, refused: 0, known: 0 };
  try {
    for (const movement of ask.movements) {
      const gate = site.gates.find(({ name }) => name === movement.gate);
      const own = presented.get(movement.card);
      if (gate === undefined || own === undefined) continue;
      for (; next < earlier.length && Date.parse(earlier[next]?.at ?? "") <= movement.at; next++) {
        const before = earlier[next];
        const move = before && moveOf(site, tree, before);
        if (move !== undefined) places.move(move);
      }
      if (known({ at: new Date(movement.at).toISOString(), gate: gate.name, serial: own.serial })) {
        counts.known++;
        continue;
      }
      const loaded = floor.loadCard(own.dir);
      const parts: GateParts = {
        site,
        tree,
        cards,
        reader: simulatedReader({
          name: gate.name,
          place: { at: "hopper" },
          floor: { cardAt: () => loaded.card },
          world: idealWorld(),
          timing: "ideal",
        }),
        hsm,
        register: store.access,
        now: () => loaded.card.elapsedMicros / 1000,
      };
      try {
        const { ms: _, ...passage } = await pass(parts, gate, { at: movement.at, places });
        await store.access.pass([passage]);
        counts[passage.decision]++;
        const move = moveOf(site, tree, passage);
        if (move !== undefined) places.move(move);
        ask.onPassage?.(passage);
      } finally {
        loaded.eeprom.close();
      }
    }
  } finally {
    floor.close();
  }
  return { movements: ask.movements.length, ...counts, handedOver };
}

type Recorded = Pick<Passage, "at" | "gate" | "serial">;

/**
 * Whether a movement was recorded before. A gate that could not read its card recorded no serial: so many movements at that gate and
 * instant, whichever they are, were recorded thus.
 */
function recordedTimes(recorded: readonly Recorded[]): (movement: Recorded) => boolean {
  const keyOf = ({ at, gate, serial }: Recorded): string => JSON.stringify([at, gate, serial ?? ""]);
  const times = new Map<string, number>();
  for (const passage of recorded) times.set(keyOf(passage), (times.get(keyOf(passage)) ?? 0) + 1);
  return (movement) => {
    if (times.has(keyOf(movement))) return true;
    const unread = keyOf({ at: movement.at, gate: movement.gate });
    const left = times.get(unread) ?? 0;
    if (left > 0) times.set(unread, left - 1);
    return left > 0;
  };
}

interface Coming {
  readonly order: string;
  readonly holders: readonly NewHolder[];
}

/** Produced cards of the site's products that the register does not know yet: the people of the site get them. */
async function comingHolders(
  { products }: Pick<SiteFile, "products">,
  store: Store,
  hsm: Hsm,
): Promise<Coming[]> {
  const coming: Coming[] = [];
  const known = new Set<string>();
  for await (const { order } of store.access.holders()) known.add(order);
  const orders = await store.orders.list();
  for (const { product, file } of products) {
    const roles = registerOf(product, file);
    if (roles === undefined) continue;
    for (const order of orders) {
      if (order.product !== product.name || known.has(order.order) || order.sealedDataKey === undefined)
        continue;
      if (order.state !== "produced" && order.state !== "delivered") continue;
      const key = await hsm.releaseDataKey({ order: order.order, sealed: order.sealedDataKey });
      store.orders.unlock(order.order, key);
      key.fill(0);
      try {
        const holders = await holdersOf(store, order, { roles, cardNumber: product.cardNumber });
        coming.push({ order: order.order, holders });
      } finally {
        store.orders.lock(order.order);
      }
    }
  }
  return coming;
}

interface Card {
  readonly serial: Serial;
  /** Its body's folder. */
  readonly dir: string;
}

/** The card each movement names, and where it lies. Throws DataProblem with what cannot be held to a gate. */
async function cardsOf(
  movements: readonly Movement[],
  file: string,
  {
    store,
    coming,
    floor,
    siteFile,
    root,
  }: {
    readonly store: Store;
    readonly coming: readonly Coming[];
    readonly floor: ShopFloor;
    readonly siteFile: SiteFile;
    /** Of the data folder, for messages. */
    readonly root: string;
  },
): Promise<ReadonlyMap<string, Card>> {
  const serials = new Map<string, Serial>();
  for await (const { reference, serial } of store.access.holders()) serials.set(reference, serial);
  for (const { holders } of coming)
    for (const { reference, serial } of holders) serials.set(reference, serial);
  let rejected = 0;
  for await (const { stage, serial } of store.stock.list({ state: "rejected" })) {
    if (!unbound.has(stage)) serials.set(`rejected:${String(++rejected)}`, serial);
  }
  const bodies = floor.bodies();
  const findings = new Findings(file, mostTold);
  const cards = new Map<string, Card>();
  for (const { card, row } of movements) {
    if (cards.has(card)) continue;
    const [, named] = /^serial:(.*)$/.exec(card) ?? [];
    // A movement's form was checked: so many hexadecimal digits are what a serial is.
    const serial = named === undefined ? serials.get(card) : (named as Serial);
    const tell = (message: string, remedy: string): void =>
      findings.tell({ row, column: "card", code: "unknown-card", message, remedy });
    if (serial === undefined) {
      if (card.startsWith("rejected:"))
        tell(`only ${String(rejected)} cards were rejected after personalization`, "use a smaller number");
      else tell("no card was made for this number", "produce the order first, or correct the number");
      continue;
    }
    const blank = await store.stock.find(serial);
    const body = blank && bodies.get(blank.label);
    if (blank === undefined) tell("no card has this chip number", "correct it; stock list shows them all");
    else if (body === undefined)
      tell("this card does not lie on the shop floor any more", "remove the movement");
    else if (!existsSync(join(body.dir, "chip.eeprom")))
      tell("this is a blank that was never in the machine", "remove the movement");
    else cards.set(card, { serial, dir: body.dir });
  }
  // Of another site's people not one has a card here: row by row the same would be told of all of them.
  const people = new Set(movements.map(({ card }) => card).filter((card) => !card.includes(":")));
  if (people.size > 1 && ![...people].some((card) => serials.has(card))) {
    const made = (await store.orders.list()).map(({ product }) => product);
    const has = made.length === 0 ? "nothing" : `orders of ${[...new Set(made)].join(", ")}`;
    const opens = siteFile.products.map(({ product }) => product.name).join(", ");
    throw new Refusal(
      `${file}: none of its ${String(people.size)} people has a card that was made in ${root}. ${siteFile.site.name} opens to cards of ${opens}; this data folder has ${has}. Produce the orders of this site here first, or name another folder with --data`,
    );
  }
  findings.refuse();
  return cards;
}

/** A card of these stages never held anybody's data. */
const unbound: ReadonlySet<Stage> = new Set<Stage>(["blank", "tested", "completed", "initialised"]);
