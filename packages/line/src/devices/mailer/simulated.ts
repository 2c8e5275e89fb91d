/**
 * The mailer of the simulated shop floor. Its stack of carriers is a file that outlives the process; its cards are the bodies of the order's
 * output, slot by slot. A card that it has fixed bears the carrier's number from then on.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MailerFault } from "../flaw-kinds.js";
import { DeviceFault } from "../problem.js";
import type { Body, ShopFloor } from "../shop-floor/floor.js";
import type { Mailer, Read, Sight } from "./port.js";

interface Page {
  readonly code: string;
  readonly record: number;
  readonly fault?: MailerFault;
}

interface Stack {
  /** Carriers that were laid in at any time. */
  readonly known: readonly string[];
  readonly pages: readonly Page[];
  /** At the fixing place: a page, and the slot of the output that the card was taken from. */
  readonly under?: { readonly page?: Page; readonly slot?: number };
  /** Carriers in the reject tray. */
  readonly apart: readonly string[];
}

export interface SimulatedMailer extends Mailer {
  /** A person lays printed carriers into the stack, by the records that stand on them, and takes out those that are void. */
  lay(pages: readonly { readonly carrier: string; readonly record: number; readonly void: boolean }[]): void;
}

/** In the body's folder: the carrier it is fixed to. */
const fixedTo = "fixed-to.txt";
const nothing: Read = { seen: "nothing" };

export function simulatedMailer(of: {
  readonly floor: ShopFloor;
  /** The shop floor's folder. */
  readonly root: string;
  readonly order: string;
  /** At the carriers with these places in the stack, counted from 1 as they are laid in. */
  readonly faults: readonly { readonly carrier: number; readonly fault: MailerFault }[];
  /** The number that a body's chip answers with; undefined when it is mute. */
  readonly chipOf: (body: Body) => Promise<string | undefined>;
}): SimulatedMailer {
  const { floor, order, faults, chipOf } = of;
  const folder = join(of.root, "mailer");
  const file = join(folder, `${order}.json`);
  mkdirSync(folder, { recursive: true });
  let stack: Stack = existsSync(file)
    ? (JSON.parse(readFileSync(file, "utf8")) as Stack)
    : { known: [], pages: [], apart: [] };
  const keep = (next: Stack): void => {
    writeFileSync(`${file}.new`, JSON.stringify(next));
    renameSync(`${file}.new`, file);
    stack = next;
  };

  const bodyIn = (slot: number | undefined): Body | undefined =>
    slot === undefined ? undefined : floor.bodiesAt({ at: "good", order, slot })[0];
  /** Slots of cards that are not mailed, the next one last; the tray is looked through once. */
  let tray: number[] | undefined;
  const nextSlot = (): number | undefined => {
    tray ??= floor
      .census()
      .flatMap(({ place }) => (place.at === "good" && place.order === order ? [place.slot] : []))
      .filter((slot) => !existsSync(join(bodyIn(slot)?.dir ?? "", fixedTo)))
      .sort((a, b) => b - a);
    return tray.pop();
  };

  async function look(): Promise<Sight> {
    const { page, slot } = stack.under ?? {};
    const body = bodyIn(slot);
    return {
      carrier:
        page === undefined
          ? nothing
          : page.fault === "unreadable"
            ? { seen: "unreadable" }
            : { seen: "code", text: page.code },
      card:
        body === undefined
          ? nothing
          : page?.fault === "unreadable-card"
            ? { seen: "unreadable" }
            : { seen: "code", text: (await chipOf(body)) ?? body.label },
    };
  }

  /** The fixing place is empty again. */
  const clear = (next: Partial<Stack> = {}): void => {
    const { under: _, ...rest } = stack;
    keep({ ...rest, ...next });
  };

  return {
    name: "mailer",
    kind: "simulated",

    lay(laid) {
      const gone = new Set(laid.flatMap((one) => (one.void ? [one.carrier] : [])));
      const fresh = laid.filter((one) => !one.void && !stack.known.includes(one.carrier));
      const kept = stack.pages.filter(({ code }) => !gone.has(code));
      const first = stack.known.length;
      const numbered = fresh.map(({ carrier: code, record }, at): Page => {
        const fault = faults.find(({ carrier }) => carrier === first + at + 1)?.fault;
        return { code, record, ...(fault === undefined ? {} : { fault }) };
      });
      const pages = [...kept];
      for (const page of numbered) {
        const before = pages.findIndex(({ record }) => record > page.record);
        pages.splice(before < 0 ? pages.length : before, 0, page);
      }
      for (const page of numbered) {
        const at = pages.indexOf(page);
        if (page.fault === "missing") pages.splice(at, 1);
        if (page.fault === "twice") pages.splice(at, 0, page);
        if (page.fault === "swapped") pages.splice(at, 2, ...pages.slice(at, at + 2).reverse());
      }
      keep({ ...stack, known: [...stack.known, ...fresh.map(({ carrier }) => carrier)], pages });
    },

    lying: async () => (stack.under === undefined ? undefined : look()),

    present() {
      const [page, ...pages] = stack.pages;
      const slot = nextSlot();
      keep({
        ...stack,
        pages,
        under: { ...(page === undefined ? {} : { page }), ...(slot === undefined ? {} : { slot }) },
      });
      return look();
    },

    again: look,

    async fix() {
      const { page, slot } = stack.under ?? {};
      const body = bodyIn(slot);
      if (page === undefined || body === undefined)
        throw new DeviceFault("mailer", "jam", "there is no card with a carrier at the fixing place");
      if (page.fault === "stops")
        throw new DeviceFault("mailer", "timeout", "it was told to fix, and said nothing any more");
      writeFileSync(join(body.dir, fixedTo), `${page.code}\n`);
      clear();
    },

    async apart() {
      const { page, slot } = stack.under ?? {};
      const body = bodyIn(slot);
      if (body !== undefined && slot !== undefined)
        floor.carry(body, { at: "good", order, slot }, { at: "apart" });
      clear(page === undefined ? {} : { apart: [...stack.apart, page.code] });
    },

    async back() {
      const { page } = stack.under ?? {};
      tray = undefined;
      clear(page === undefined ? {} : { pages: [page, ...stack.pages] });
    },
  };
}
