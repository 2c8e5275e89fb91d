/** Plays movements through the gates of a site: each one a real conversation between the gate and the card of the shop floor. */
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
import { Findings } from "../orders/problem.js";
import { idealWorld } from "../stations/world.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { handOver } from "./hand-over.js";
import type { Movement } from "./movements.js";
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
  const { site, card } = siteFile;
  const handedOver = await handOverAll(siteFile, store, hsm);
  const serials = await serialsOf(ask.movements, ask.file, store);

  const tree = new ZoneTree(site);
  const recorded: Passage[] = [];
  for await (const passage of store.access.passages()) recorded.push(passage);
  const known = new Set(recorded.map(keyOf));
  const earlier = inOrder(recorded);
  const places = new Whereabouts(tree);
  let next = 0;

  // No blank is made here: every body a gate sees has been through the line.
  const floor = new ShopFloor(data.shopFloor, virtualSilicon({ loaderMaster: new Uint8Array(16), random }));
  const counts = { granted: 0, refused: 0, known: 0 };
  try {
    for (const movement of ask.movements) {
      const gate = site.gates.find(({ name }) => name === movement.gate);
      const serial = serials.get(movement.card);
      if (gate === undefined || serial === undefined) continue;
      for (; next < earlier.length && Date.parse(earlier[next]?.at ?? "") <= movement.at; next++) {
        const before = earlier[next];
        const move = before && moveOf(site, tree, before);
        if (move !== undefined) places.move(move);
      }
      if (known.has(keyOf({ at: new Date(movement.at).toISOString(), gate: gate.name, serial }))) {
        counts.known++;
        continue;
      }
      const blank = await store.stock.find(serial);
      const body = blank && floor.find(blank.label);
      const loaded = body && floor.loadCard(body.dir);
      const parts: GateParts = {
        site,
        tree,
        card,
        reader: simulatedReader({
          name: gate.name,
          place: { at: "hopper" },
          floor: { cardAt: () => loaded?.card },
          world: idealWorld(),
          timing: "ideal",
        }),
        hsm,
        register: store.access,
        now: () => (loaded?.card.elapsedMicros ?? 0) / 1000,
      };
      try {
        const { ms: _, ...passage } = await pass(parts, gate, { at: movement.at, places });
        await store.access.pass([passage]);
        counts[passage.decision]++;
        const move = moveOf(site, tree, passage);
        if (move !== undefined) places.move(move);
        ask.onPassage?.(passage);
      } finally {
        loaded?.eeprom.close();
      }
    }
  } finally {
    floor.close();
  }
  return { movements: ask.movements.length, ...counts, handedOver };
}

const keyOf = ({
  at,
  gate,
  serial = "",
}: {
  readonly at: string;
  readonly gate: string;
  readonly serial?: string;
}): string => `${at} ${gate} ${serial}`;

/** Produced cards of the site's product that the register does not know yet are handed over to the people of the site. */
async function handOverAll(
  { productName }: SiteFile,
  store: Store,
  hsm: Hsm,
): Promise<Replayed["handedOver"]> {
  const handed: Replayed["handedOver"][number][] = [];
  const known = new Set<string>();
  for await (const { order } of store.access.holders()) known.add(order);
  for (const order of await store.orders.list()) {
    if (order.product !== productName || known.has(order.order) || order.sealedDataKey === undefined)
      continue;
    if (order.state !== "produced" && order.state !== "delivered") continue;
    const key = await hsm.releaseDataKey({ order: order.order, sealed: order.sealedDataKey });
    store.orders.unlock(order.order, key);
    key.fill(0);
    try {
      handed.push({ order: order.order, cards: await handOver(store, order) });
    } finally {
      store.orders.lock(order.order);
    }
  }
  return handed;
}

/** The card each movement names. Throws DataProblem for those that nobody has. */
async function serialsOf(
  movements: readonly Movement[],
  file: string,
  store: Store,
): Promise<ReadonlyMap<string, Serial>> {
  const found = new Map<string, Serial>();
  for await (const { reference, serial } of store.access.holders()) found.set(reference, serial);
  let rejected = 0;
  for await (const blank of store.stock.list({ state: "rejected" })) {
    if (
      blank.stage === "blank" ||
      blank.stage === "tested" ||
      blank.stage === "completed" ||
      blank.stage === "initialised"
    )
      continue;
    found.set(`rejected:${String(++rejected)}`, blank.serial);
  }
  for (const { card } of movements) {
    if (card.startsWith("serial:")) found.set(card, card.slice("serial:".length) as Serial);
  }
  const findings = new Findings(file);
  for (const { card, row } of movements) {
    if (found.has(card)) continue;
    findings.tell(
      card.startsWith("rejected:")
        ? {
            row,
            column: "card",
            code: "unknown-card",
            message: `only ${String(rejected)} cards were rejected after personalization`,
            remedy: "use a smaller number",
          }
        : {
            row,
            column: "card",
            code: "unknown-card",
            message: "no card was made for this number",
            remedy: "produce the order first, or correct the number",
          },
    );
  }
  findings.refuse();
  return found;
}
