/**
 * The physical world: bodies (chip, faces) and the places they lie at, as files that outlive the process. A body is a folder, a place
 * is a folder, a move is one rename. The accounts are compared with this, never the other way round.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import type { VirtualCard } from "@persoline/card/virtual";
import { DeviceFault } from "../problem.js";
import type { Place, TrayPlace } from "../transport/port.js";
import { type Bin, isBin } from "../transport/port.js";
import { thisProcess } from "../hold.js";
import { servedBy } from "./body-hold.js";
import { type EepromFile, openEeprom } from "./eeprom-file.js";
import {
  type BodyFaults,
  chipNumberOf,
  faultsToText,
  type LotPlan,
  plantFaults,
  samePlan,
  type StockItem,
  stockItem,
} from "./lot.js";
import { faultsOf, LotBook } from "./lot-book.js";
import {
  bodyName,
  folderOf,
  inMachine,
  isSingle,
  labelIn,
  machinePlace,
  nameOf,
  numberIn,
  trayFolder,
  trayIn,
} from "./places.js";
import type { Silicon } from "./silicon.js";
import { keepPreprint, type Preprint, wearPreprint } from "./wear.js";

/** A body somewhere on the shop floor. */
export interface Body {
  /** Printed on it. */
  readonly label: string;
  /** Its folder. */
  readonly dir: string;
}

/** The folder of a tray's slot while the tray is in another room. */
const elsewhere = (place: Place): string => folderOf(place).replace(/^machine/, "elsewhere");

const lotIn = (label: string): { lot: string; number: number } => {
  const dash = label.lastIndexOf("-");
  return { lot: label.slice(0, dash), number: Number(label.slice(dash + 1)) };
};
const fault = (code: "jam" | "refused", message: string): DeviceFault =>
  new DeviceFault("shop floor", code, message);

export class ShopFloor {
  readonly #root: string;
  readonly #silicon: Silicon;
  readonly #lots: LotBook;
  /** Names in the hopper, the next one last; read when first needed. */
  #hopper: string[] | undefined;
  readonly #faults = new Map<string, { plan: LotPlan; faults: ReadonlyMap<number, BodyFaults> }>();
  /** Bodies at places of the machine, by folder, read once: in a machine that runs nobody else moves anything. A bounded number. */
  readonly #lying = new Map<string, string | undefined>();
  /** Bodies in the bins since they were last emptied; counted when first needed. */
  readonly #fill = new Map<Bin, number>();
  /** Output slots with a body, by order; read when first needed. */
  readonly #taken = new Map<string, Set<number>>();
  /** Chips of bodies in the machine, by body name: a bounded number. */
  readonly #cards = new Map<string, { card: VirtualCard; eeprom: EepromFile }>();

  constructor(root: string, silicon: Silicon) {
    this.#root = root;
    this.#silicon = silicon;
    this.#lots = new LotBook(join(root, "lots"));
    for (const folder of ["hopper", "machine", "elsewhere", "good", "reject", "hold", "apart", "lots"]) {
      mkdirSync(join(root, folder), { recursive: true });
    }
  }

  /** What its machines spoilt on purpose, a line of JSON each; not there when they spoil nothing. */
  get spoilt(): string {
    return join(this.#root, "spoilt.jsonl");
  }

  /**
   * Delivers a lot into the hopper and gives the delivery list. Doing it again with the same plan changes nothing (the list is
   * the same), also after a kill in the middle; with another plan it is refused. A lot is what it was when it was first delivered:
   * another seed finds the blanks of the first one, and another print is none of theirs.
   */
  makeLot(asked: LotPlan, preprint: Preprint = {}): readonly StockItem[] {
    const known = this.#lots.find(asked.lot);
    const plan = { ...asked, seed: known?.plan.seed ?? asked.seed };
    const { numbered } = this.#silicon;
    const items = Array.from({ length: plan.count }, (_, at) => stockItem(plan, at + 1, numbered));
    if (known !== undefined && !samePlan(known.plan, plan)) {
      throw fault(
        "refused",
        `lot ${plan.lot} was delivered before with another count or fault plan: give the new one its own name`,
      );
    }
    if (known?.complete === true) return items;
    const before = known?.before ?? this.#lots.delivered();
    this.#lots.keep({ plan, before, complete: false });
    keepPreprint(join(this.#root, "lots"), plan.lot, preprint);
    for (const [at, { label }] of items.entries()) {
      mkdirSync(join(this.#root, "hopper", bodyName(before + at + 1, label)), { recursive: true });
    }
    this.#lots.keep({ plan, before, complete: true });
    this.#hopper = undefined;
    return items;
  }

  /** The body at a place that holds one; of a bin, its first. */
  bodyAt(place: Place): Body | undefined {
    const folder = folderOf(place);
    let name = this.#lying.get(folder);
    if (name === undefined && !this.#lying.has(folder)) {
      const all = this.#namesIn(folder);
      const names = place.at === "good" ? all.filter((one) => numberIn(one) === place.slot) : all;
      name = names[0];
      if (isSingle(place) && names.length > 1) {
        throw fault("jam", `${String(names.length)} bodies at ${nameOf(place)}: ${names.join(", ")}`);
      }
      if (inMachine(place)) {
        mkdirSync(join(this.#root, folder), { recursive: true });
        this.#lying.set(folder, name);
      }
    }
    return name === undefined ? undefined : { label: labelIn(name), dir: join(this.#root, folder, name) };
  }

  /** The chip of the body at a head, the same object as long as the body stays in the machine. */
  cardAt(place: Place): VirtualCard | undefined {
    const body = this.bodyAt(place);
    if (body === undefined) return undefined;
    const name = basename(body.dir);
    const known = this.#cards.get(name);
    if (known !== undefined) return known.card;
    const loaded = this.loadCard(body.dir);
    this.#cards.set(name, loaded);
    return loaded.card;
  }

  /** The chip of any body, wherever it lies (for gates and inspection). The caller closes `eeprom`. */
  loadCard(dir: string): { readonly card: VirtualCard; readonly eeprom: EepromFile } {
    const holder = servedBy(dir);
    if (holder !== undefined && holder !== thisProcess) {
      throw fault("refused", `${labelIn(basename(dir))} lies in another reader: ${holder} serves it`);
    }
    this.#fabricate(dir);
    const eeprom = openEeprom(join(dir, "chip.eeprom"));
    const faults = faultsOf(dir).chip;
    return { card: this.#silicon.power({ eeprom, faults }), eeprom };
  }

  /** The next blank of the hopper, without moving it. */
  nextBlank(): string | undefined {
    this.#hopper ??= readdirSync(join(this.#root, "hopper")).sort().reverse();
    for (let name = this.#hopper.at(-1); name !== undefined; name = this.#hopper.at(-1)) {
      if (existsSync(join(this.#root, "hopper", name))) return labelIn(name);
      // A person took it out since the hopper was looked at.
      this.#hopper.pop();
    }
    return undefined;
  }

  /** Takes the next blank of the hopper to a place. */
  feed(to: Place): Body | undefined {
    this.nextBlank();
    const name = this.#hopper?.at(-1);
    if (name === undefined) return undefined;
    const from = join(this.#root, "hopper", name);
    this.#fabricate(from);
    const dir = this.#put(from, name, to);
    this.#hopper?.pop();
    return { label: labelIn(name), dir };
  }

  /** One rename: it happened or it did not. */
  move(from: Place, to: Place): void {
    const body = this.bodyAt(from);
    if (body === undefined) throw fault("jam", `nothing lies at ${nameOf(from)}`);
    const name = basename(body.dir);
    this.#put(body.dir, name, to);
    if (inMachine(from)) this.#lying.set(folderOf(from), undefined);
    if (to.at === "hopper" && this.#hopper !== undefined) {
      const at = this.#hopper.findIndex((other) => other < name);
      this.#hopper.splice(at < 0 ? this.#hopper.length : at, 0, name);
    }
    if (!inMachine(to)) this.#release(name);
  }

  /**
   * What a person does with a body by hand: out of the bin it lies in, to another place. A number means the first body that bears it.
   * Answers whether it lay there.
   */
  carry(which: string | Body, from: Place, to: Place): boolean {
    const name = this.#nameAt(which, from);
    if (name === undefined) return false;
    const takesRoom = this.#takesRoom(from, name);
    this.#put(join(this.#root, folderOf(from), name), name, to);
    if (from.at === "good") this.#slotsTaken(from.order).delete(from.slot);
    if (takesRoom) this.#count(from.at, -1);
    return true;
  }

  /** A tray goes to another room with all that lies in it, or comes back: one rename. Where it is there already, nothing happens. */
  carryTray(tray: TrayPlace, to: "away" | "here"): void {
    const folder = trayFolder(tray);
    const here = join(this.#root, "machine", folder);
    const away = join(this.#root, "elsewhere", folder);
    if (!existsSync(to === "away" ? here : away)) return;
    if (to === "away") {
      // Its cards' chips are read there by another process.
      for (const slot of this.#namesIn(join("machine", folder)))
        for (const name of this.#namesIn(join("machine", folder, slot))) this.#release(name);
    } else if (existsSync(here)) {
      // Whoever asked what lies in it left empty places; a body among them is one too many.
      for (const slot of readdirSync(here)) {
        if (readdirSync(join(here, slot)).length > 0)
          throw fault("jam", `another tray stands where ${folder} belongs`);
        rmdirSync(join(here, slot));
      }
      rmdirSync(here);
    }
    renameSync(...(to === "away" ? ([here, away] as const) : ([away, here] as const)));
    for (const known of this.#lying.keys())
      if (known.startsWith(`machine/${folder}/`)) this.#lying.delete(known);
  }

  /** A body leaves the shop floor for good: it is counted nowhere any more. Answers whether it lay there. */
  takeAway(which: string | Body, from: Place): boolean {
    const name = this.#nameAt(which, from);
    if (name === undefined) return false;
    const takesRoom = this.#takesRoom(from, name);
    const away = join(this.#root, "away");
    mkdirSync(away, { recursive: true });
    // Bodies with one number may leave one after the other.
    const own = `${String(readdirSync(away).length + 1)}-${name}`;
    renameSync(join(this.#root, folderOf(from), name), join(away, own));
    if (takesRoom) this.#count(from.at, -1);
    return true;
  }

  /** Bodies in a bin since a person last emptied it. */
  fill(bin: Bin): number {
    let fill = this.#fill.get(bin);
    if (fill === undefined) {
      const emptied = new Set(this.#emptied()[bin]);
      fill = this.#inBin(bin).filter((body) => !emptied.has(body)).length;
      this.#fill.set(bin, fill);
    }
    return fill;
  }

  /**
   * A person empties a bin; answers how many bodies were in it. What was taken out stays known under the bin's name (the accounts are
   * compared with it), it only takes no room any more.
   */
  empty(bin: Bin): number {
    const taken = this.fill(bin);
    const file = join(this.#root, "emptied.json");
    writeFileSync(`${file}.new`, JSON.stringify({ ...this.#emptied(), [bin]: this.#inBin(bin) }));
    renameSync(`${file}.new`, file);
    this.#fill.set(bin, 0);
    return taken;
  }

  /** Bodies in the machine, and where. */
  occupied(): readonly { readonly place: Place; readonly label: string }[] {
    const standing = readdirSync(join(this.#root, "machine"))
      .sort()
      .flatMap((folder) => {
        const place = machinePlace(folder);
        const body = place && this.bodyAt(place);
        return place && body ? [{ place, label: body.label }] : [];
      });
    return [...standing, ...this.#inTrays("machine"), ...this.#inTrays("elsewhere")];
  }

  /** Every body and where it lies: what the accounts are compared with. */
  census(): readonly { readonly place: Place; readonly label: string }[] {
    const bin = (at: "hopper" | "reject" | "hold" | "apart"): { place: Place; label: string }[] =>
      readdirSync(join(this.#root, at)).map((name) => ({ place: { at }, label: labelIn(name) }));
    const good = readdirSync(join(this.#root, "good")).flatMap((order) =>
      this.#namesIn(`good/${order}`).map((name) => ({
        place: { at: "good" as const, order, slot: numberIn(name) },
        label: labelIn(name),
      })),
    );
    return [...bin("hopper"), ...this.occupied(), ...good, ...bin("reject"), ...bin("hold"), ...bin("apart")];
  }

  /** A body by the number printed on it, wherever it lies. */
  find(label: string): Body | undefined {
    const place = this.census().find((lying) => lying.label === label)?.place;
    if (place === undefined) return undefined;
    for (const folder of place.at === "tray" ? [folderOf(place), elsewhere(place)] : [folderOf(place)]) {
      const name = this.#namesIn(folder).find((own) => labelIn(own) === label);
      if (name !== undefined) return { label, dir: join(this.#root, folder, name) };
    }
    return undefined;
  }

  /** All bodies by the numbers printed on them: one look at the whole floor, for whoever asks for many. */
  bodies(): ReadonlyMap<string, Body> {
    const machine = ["machine", "elsewhere"].flatMap((root) =>
      this.#namesIn(root).flatMap((folder) =>
        trayIn(folder) === undefined
          ? [join(root, folder)]
          : this.#namesIn(join(root, folder)).map((slot) => join(root, folder, slot)),
      ),
    );
    const lying = new Map<string, Body>();
    for (const folder of ["hopper", ...machine, ...this.#outputs(), "reject", "hold", "apart"]) {
      for (const name of this.#namesIn(folder)) {
        const label = labelIn(name);
        // Of two with one number, the first: as `find` has it.
        if (!lying.has(label)) lying.set(label, { label, dir: join(this.#root, folder, name) });
      }
    }
    return lying;
  }

  /** All bodies at a place, in the order in which they were delivered. */
  bodiesAt(place: Place): readonly Body[] {
    const folder = folderOf(place);
    return this.#namesIn(folder)
      .filter((name) => place.at !== "good" || numberIn(name) === place.slot)
      .sort()
      .map((name) => ({ label: labelIn(name), dir: join(this.#root, folder, name) }));
  }

  /** Lets go of all files. */
  close(): void {
    for (const name of this.#cards.keys()) this.#release(name);
  }

  /** Bodies in trays that are in the machine, or elsewhere. A tray that was in another room may have come back with anything in it. */
  #inTrays(where: "machine" | "elsewhere"): { readonly place: Place; readonly label: string }[] {
    return readdirSync(join(this.#root, where))
      .sort()
      .flatMap((folder) => {
        const tray = trayIn(folder);
        if (tray === undefined) return [];
        return this.#namesIn(join(where, folder)).flatMap((slot) =>
          this.#namesIn(join(where, folder, slot)).map((name) => ({
            place: { at: "tray" as const, ...tray, slot: Number(slot) },
            label: labelIn(name),
          })),
        );
      });
  }

  #put(from: string, name: string, to: Place): string {
    const taken = to.at === "good" ? this.#slotsTaken(to.order) : undefined;
    const there =
      inMachine(to) || (to.at === "good" && taken?.has(to.slot) === true) ? this.bodyAt(to) : undefined;
    if (there !== undefined) throw fault("jam", `${nameOf(to)} is not empty: ${there.label} lies there`);
    const folder = folderOf(to);
    const own = to.at === "good" ? bodyName(to.slot, labelIn(name)) : name;
    const dir = join(this.#root, folder, own);
    if (isBin(to.at)) this.fill(to.at);
    renameSync(from, dir);
    this.#count(to.at, 1);
    if (inMachine(to)) this.#lying.set(folder, name);
    if (to.at === "good") taken?.add(to.slot);
    return dir;
  }

  /** The bodies that were taken out of each bin when it was last emptied. */
  #emptied(): Partial<Record<Bin, readonly string[]>> {
    const file = join(this.#root, "emptied.json");
    // Written by `empty` only.
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Partial<Record<Bin, string[]>>) : {};
  }

  /** Folders of the output tray, one an order. */
  #outputs(): string[] {
    return this.#namesIn("good").map((order) => join("good", order));
  }

  /** All bodies that were ever put into a bin and not carried out of it: their folders. */
  #inBin(bin: Bin): string[] {
    const folders = bin === "good" ? this.#outputs() : [bin];
    return folders.flatMap((folder) => this.#namesIn(folder).map((name) => join(folder, name)));
  }

  /** A body of a bin that was emptied takes no room in it. To be asked before it is moved: the bin is counted now. */
  #takesRoom(place: Place, name: string): boolean {
    if (!isBin(place.at)) return false;
    this.fill(place.at);
    return this.#emptied()[place.at]?.includes(join(folderOf(place), name)) !== true;
  }

  #count(bin: Place["at"], by: number): void {
    if (isBin(bin)) this.#fill.set(bin, this.fill(bin) + by);
  }

  /** Looked at for the first time, the order gets its place. */
  #slotsTaken(order: string): Set<number> {
    const known = this.#taken.get(order);
    if (known !== undefined) return known;
    mkdirSync(join(this.#root, "good", order), { recursive: true });
    const taken = new Set(this.#namesIn(`good/${order}`).map(numberIn));
    this.#taken.set(order, taken);
    return taken;
  }

  #nameAt(which: string | Body, place: Place): string | undefined {
    return this.#namesIn(folderOf(place)).find((own) =>
      typeof which === "string" ? labelIn(own) === which : own === basename(which.dir),
    );
  }

  #namesIn(folder: string): string[] {
    try {
      return readdirSync(join(this.#root, folder));
    } catch (problem) {
      if (problem instanceof Error && "code" in problem && problem.code === "ENOENT") return [];
      throw problem;
    }
  }

  #release(name: string): void {
    const known = this.#cards.get(name);
    known?.card.powerOff();
    known?.eeprom.close();
    this.#cards.delete(name);
  }

  /** A body is made when it is first needed: twenty thousand blanks are delivered in a second. */
  #fabricate(dir: string): void {
    const file = join(dir, "chip.eeprom");
    if (existsSync(file)) return;
    const { lot, number } = lotIn(labelIn(basename(dir)));
    let made = this.#faults.get(lot);
    if (made === undefined) {
      const read = this.#lots.find(lot);
      if (read === undefined) throw fault("refused", `nobody knows lot ${lot} of the body in ${dir}`);
      made = { plan: read.plan, faults: plantFaults(read.plan) };
      this.#faults.set(lot, made);
    }
    const faults = made.faults.get(number);
    if (faults !== undefined) writeFileSync(join(dir, "faults.json"), faultsToText(faults));
    wearPreprint(dir, join(this.#root, "lots"), lot);
    const silicon = this.#silicon.fabricate(chipNumberOf(made.plan, number));
    writeFileSync(`${file}.new`, silicon);
    renameSync(`${file}.new`, file);
  }
}
