/** Puts a line together as its line file says: stations, heads, simulated devices over one shop floor, and the world they all live in. */
import { createHmac } from "node:crypto";
import { join } from "node:path";
import { parseAtr } from "@persoline/card/atr";
import { nodeCrypto } from "@persoline/card/node";
import type { SecurityModule, Serial, World } from "@persoline/card/program";
import type { Camera } from "../devices/camera/port.js";
import { simulatedCamera } from "../devices/camera/simulated.js";
import { fileEngraver, type FileEngraverOptions } from "../devices/marker/file-engraver.js";
import { simulatedPrinter } from "../devices/marker/printer/simulated.js";
import { simulatedEngraver } from "../devices/marker/simulated.js";
import type { SimulatedEncoderOptions } from "../devices/encoder/simulated.js";
import type { Marker, Side } from "../devices/marker/port.js";
import { DeviceFault } from "../devices/problem.js";
import { holdMachine } from "../devices/shop-floor/body-hold.js";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import type { StockItem } from "../devices/shop-floor/lot.js";
import { type Spoiler, spoiler } from "../devices/shop-floor/spoiler.js";
import type { Preprint } from "../devices/shop-floor/wear.js";
import { type GlobalPlatformFab, virtualSilicon } from "../devices/shop-floor/silicon.js";
import type { Desk } from "../devices/transport/operator.js";
import type { Place, Transport } from "../devices/transport/port.js";
import { simulatedCarousel } from "../devices/transport/simulated.js";
import type { LineAccounts } from "../ledger/types.js";
import type { CompiledProduct } from "../plan/types.js";
import { chipProof, completion, electricalTest, initialisation, personalization } from "../stations/chip.js";
import { Line } from "../stations/line.js";
import type { LineFile, StationFile } from "../stations/line-file.js";
import { simulatedParts } from "../stations/line-simulated.js";
import type { LineJournal, LineParts, LineResult } from "../stations/line-types.js";
import { quality } from "../stations/quality-control.js";
import {
  type Head,
  type Outside,
  type Station,
  type Surroundings,
  usualOutside,
  type Work,
} from "../stations/station.js";
import { openDesk, type OpenDesk } from "./desk.js";
import { type Machines, machines } from "./line-machines.js";
import { printerOf, realCameraOf } from "./line-pictures.js";
import { type LineReaders, lineReaders } from "./line-readers.js";
import { placedStripe } from "../stations/stripe.js";
import { visual } from "../stations/visual.js";
import { idealWorld, realWorld, type VirtualWorld, virtualWorld } from "../stations/world.js";

const stationOf: Readonly<Record<Work, Station>> = {
  "electrical-test": electricalTest,
  completion,
  initialisation,
  personalization,
  "chip-proof": chipProof,
  visual,
  quality,
};

export interface AssembleLine {
  readonly line: LineFile;
  /** Holds `shop-floor`. */
  readonly data: string;
  readonly order: string;
  readonly environment: "test" | "live";
  readonly product: CompiledProduct;
  readonly hsm: SecurityModule;
  readonly accounts: LineAccounts;
  readonly journal: LineJournal;
  /** Where an embosser in another room takes trays. */
  readonly trays?: LineParts["trays"];
  readonly prepareRecord: LineParts["prepareRecord"];
  readonly makeMarks: Surroundings["makeMarks"];
  /** Without it, the stripe that the layout places. */
  readonly makeStripe?: Surroundings["makeStripe"];
  readonly keepPin?: Surroundings["keepPin"];
  /** Opens what the security module sealed for the simulated encoder. */
  readonly openStripe?: NonNullable<SimulatedEncoderOptions["open"]>;
  readonly judgeFaces: Surroundings["judgeFaces"];
  /** Side of the cards that carries the contacts; "front" when not said. */
  readonly chip?: Side | "none";
  /** Field and resolution of the laser whose engravers take files. */
  readonly laser?: NonNullable<FileEngraverOptions["laser"]>;
  /** What virtual blanks show before the line begins. */
  readonly preprint?: Preprint;
  readonly keepPicture: Surroundings["keepPicture"];
  readonly payment?: Surroundings["payment"];
  /** The published test key that the fab of virtual blanks diversifies (16 bytes); absent where blanks are real. */
  readonly loaderMaster: Uint8Array | undefined;
  /** For a product of GlobalPlatform cards: how their virtual chips are made. */
  readonly globalPlatform?: GlobalPlatformFab;
  /** For a product of DESFire-style cards. */
  readonly desfire?: true;
  /** Who sits at the desk of a line that has one. */
  readonly desk?: Desk;
  /** The number printed on the blank with this chip. */
  readonly labelOf?: (serial: Serial) => Promise<string | undefined>;
  /** The label of a blank in stock whose number begins so and that no card has yet. */
  readonly drawLabel?: (begins: string) => Promise<string | undefined>;
  readonly outside?: Outside;
  readonly onEvent?: LineParts["onEvent"];
}

export interface AssembledLine {
  readonly world: World;
  readonly floor: ShopFloor;
  readonly line: Line;
  /** Delivers the line file's lots into the hopper, once; the lists to be received into the accounts. */
  deliver(): readonly { readonly lot: string; readonly items: readonly StockItem[] }[];
  /** Where every blank lies. A desk knows what it has in hand and what is in its good tray; other cards lie where people put them. */
  census(blanks: readonly Known[]): readonly { readonly place: Place; readonly label: string }[];
  /** A desk's reader is there: without it nothing can be done, so nobody need be asked for a card. Throws DeviceFault. */
  deskReady(): Promise<void>;
  /** Throws DeviceFault while a machine's folder holds the file of an earlier card or order. */
  emptied(): Promise<void>;
  /** Runs the line on its world's time. Throws as `Line.run` does. */
  run(): Promise<LineResult>;
  /** As `Line.stop`; a person who is waited for is waited for no longer. */
  stop(): void;
  /** Lets go of the bodies' files. */
  close(): void;
}

type Known = Parameters<OpenDesk["census"]>[0][number];

/** A folder that cannot be reached is told when a card needs it. */
function unlessLeft(thrown: unknown): void {
  if (!(thrown instanceof DeviceFault) || thrown.code === "refused") throw thrown;
}

/** Throws DeviceFault when the line file asks for simulated devices in the live environment. */
export function assembleLine(parts: AssembleLine): AssembledLine {
  const { line: file, data, order, environment, outside = usualOutside } = parts;
  if (environment === "live" && simulatedParts(file).length > 0) {
    throw new DeviceFault(
      `line ${file.line}`,
      "refused",
      "its devices and blanks are simulated: they make no cards of the live environment",
    );
  }
  const offered = protocolsOf(parts);
  const { world, run } = worldOf(file);
  const silicon = virtualSilicon({
    loaderMaster: parts.loaderMaster ?? new Uint8Array(16),
    ...(parts.globalPlatform === undefined ? {} : { globalPlatform: parts.globalPlatform }),
    ...(parts.desfire === undefined ? {} : { desfire: parts.desfire }),
    offersT0: offered.includes(0),
    random: (length) => world.random(length),
  });
  const shopFloor = join(data, "shop-floor");
  const floor = new ShopFloor(shopFloor, silicon);
  let desk: OpenDesk | undefined;
  const readers = lineReaders({
    file,
    floor,
    world,
    reseat: async () => (desk === undefined ? world.sleep(300) : desk.reseat()),
    ...(file.transport.kind === "operator" ? { putBack: async () => desk?.transport.putBack() } : {}),
  });
  const wheels = machines({ order, line: file.line, data });
  const heads = file.stations.map((station) => {
    const spoiling = spoilerOf(station, file, floor);
    return Array.from({ length: station.heads }, (_, number) =>
      headOf(station, number, {
        file,
        floor,
        world,
        readers,
        wheels,
        chip: parts.chip ?? "front",
        ...(spoiling === undefined ? {} : { spoiling }),
        ...(parts.laser === undefined ? {} : { laser: parts.laser }),
        ...(parts.openStripe === undefined ? {} : { openStripe: parts.openStripe }),
      }),
    );
  });
  const { transport: moving } = file;
  let transport: Transport;
  if (moving.kind === "operator") {
    desk = openDesk({
      desk: parts.desk ?? { tell: () => undefined, awaits: () => undefined },
      reader: readers.only(),
      book: join(data, "desk", `${file.line}.book`),
      labelOf: parts.labelOf ?? (() => Promise.resolve(undefined)),
      product: parts.product,
      drawLabel: parts.drawLabel ?? (() => Promise.resolve(undefined)),
      moveMs: moving.moveMs,
    });
    transport = desk.transport;
  } else {
    const { moveMs, jams, bins } = moving;
    transport = simulatedCarousel({ floor, world, moveMs: file.mode === "ideal" ? 0 : moveMs, jams, bins });
  }
  const line = new Line({
    name: file.line,
    order,
    stations: file.stations.map((station, at) => ({
      name: station.name,
      works: station.does.map((work) => stationOf[work]),
      queue: station.queue,
      heads: heads[at] ?? [],
    })),
    transport,
    accounts: parts.accounts,
    journal: parts.journal,
    ...(parts.trays === undefined ? {} : { trays: parts.trays }),
    prepareRecord: parts.prepareRecord,
    surroundings: {
      world,
      hsm: parts.hsm,
      journal: parts.journal,
      product: parts.product,
      limits: file.limits,
      outside,
      sha256: (bytes) => nodeCrypto.sha256(bytes),
      makeMarks: parts.makeMarks,
      hmacSha256: (key, text) => new Uint8Array(createHmac("sha256", key).update(text).digest()),
      makeStripe: parts.makeStripe ?? placedStripe,
      judgeFaces: parts.judgeFaces,
      keepPicture: parts.keepPicture,
      ...(parts.keepPin === undefined ? {} : { keepPin: parts.keepPin }),
      ...(parts.payment === undefined ? {} : { payment: parts.payment }),
    },
    ...(parts.onEvent === undefined ? {} : { onEvent: parts.onEvent }),
  });
  readers.begin();
  // At a desk a person has the bodies, and no machine.
  const held = moving.kind === "operator" ? undefined : holdMachine(shopFloor, file.line);
  return {
    world,
    floor,
    line,
    deliver: () =>
      file.stock.map(({ lot, count, faults, flaws }) => ({
        lot,
        items: floor.makeLot({ lot, count, seed: file.seed, faults, flaws }, parts.preprint),
      })),
    census: (blanks) => desk?.census(blanks) ?? floor.census(),
    deskReady: async () => {
      if (desk !== undefined) await readers.only().ready();
    },
    emptied: async () => {
      for (const { markers, encoder } of heads.flat())
        for (const machine of [...markers, encoder]) await machine?.emptied?.().catch(unlessLeft);
    },
    run: () => run(() => line.run()),
    stop: () => {
      desk?.transport.stop();
      line.stop();
    },
    close: () => {
      readers.close();
      for (const { camera } of heads.flat()) camera?.close?.();
      wheels.close();
      desk?.close();
      floor.close();
      if (held !== undefined && "release" in held) held.release();
    },
  };
}

/**
 * The protocols of the product's cards, by their ATR. Throws DeviceFault when the line's contacts speak one that they do not offer, or T=0
 * to cards whose commands it cannot carry.
 */
function protocolsOf({ line: file, product, desfire }: AssembleLine): readonly number[] {
  const protocols = [...new Set(parseAtr(product.atr.blank).protocols)];
  const refused = (why: string): DeviceFault =>
    new DeviceFault(`line ${file.line}`, "refused", `contacts: ${String(file.contacts)}: ${why}`);
  if (file.contacts === "t0" && desfire !== undefined)
    throw refused("T=0 takes the native commands of this product's cards for procedure bytes; use t1");
  const wanted = file.contacts === undefined ? undefined : Number(file.contacts.slice(1));
  if (wanted === undefined || protocols.includes(wanted)) return protocols;
  throw refused(
    `the cards of this product offer T=${protocols.join(" and T=")} only, says the ATR in its file; use contacts that they speak, or cards that offer both`,
  );
}

type Runner = <T>(work: () => Promise<T>) => Promise<T>;

function worldOf({ mode, seed, speed }: LineFile): { readonly world: World; readonly run: Runner } {
  if (mode !== "virtual") {
    return { world: mode === "ideal" ? idealWorld() : realWorld({ speed }), run: (work) => work() };
  }
  const world: VirtualWorld = virtualWorld({ seed });
  return { world, run: (work) => world.run(work) };
}

/** For a station whose machines are to spoil cards. */
const spoilerOf = (
  { name, spoils }: StationFile,
  { seed }: LineFile,
  { spoilt: record }: ShopFloor,
): Spoiler | undefined =>
  spoils === undefined ? undefined : spoiler({ ...spoils, seed: `${String(seed)} ${name}`, record });

function headOf(
  station: StationFile,
  number: number,
  {
    file,
    floor,
    world,
    readers,
    wheels,
    chip,
    spoiling,
    laser,
    openStripe,
  }: {
    readonly file: LineFile;
    readonly floor: ShopFloor;
    readonly world: World;
    readonly readers: LineReaders;
    readonly wheels: Machines;
    readonly chip: Side | "none";
    readonly spoiling?: Spoiler;
    readonly laser?: NonNullable<AssembleLine["laser"]>;
    readonly openStripe?: NonNullable<SimulatedEncoderOptions["open"]>;
  },
): Head {
  const place: Place = { at: "head", station: station.name, head: number };
  const named = (what: string): string => `${station.name} ${what} ${String(number + 1)}`;
  const machine = {
    place,
    world,
    seed: String(file.seed),
    bodyAt: (at: Place) => floor.bodyAt(at)?.dir,
    ...(spoiling === undefined ? {} : { spoiler: spoiling }),
  };
  const markers: Marker[] = [];
  const { engraver } = station;
  if (engraver === "simulated") markers.push(simulatedEngraver({ ...machine, name: named("engraver") }));
  else if (engraver !== undefined)
    markers.push(
      fileEngraver({
        name: named("engraver"),
        folder: engraver.folders[number] ?? "",
        format: engraver.format,
        ...(engraver.command === undefined ? {} : { command: engraver.command }),
        withinMs: engraver.withinSeconds * 1000,
        ...(laser === undefined ? {} : { laser }),
      }),
    );
  const { embosser, indenter, encoder } = station;
  if (embosser !== undefined)
    markers.push(wheels.wheels(embosser, "emboss", { ...machine, name: named("embosser") }));
  if (indenter !== undefined)
    markers.push(wheels.wheels(indenter, "indent", { ...machine, name: named("indenter") }));
  const { printer: printing } = station;
  const printer = printing === "simulated" ? undefined : printing?.[number];
  if (printing === "simulated") markers.push(simulatedPrinter({ ...machine, name: named("printer") }));
  else if (printer !== undefined) markers.push(printerOf(named("printer"), printer));
  return {
    station: station.name,
    number,
    reader: readers.at(station, number),
    markers,
    camera: cameraOf(),
    encoder:
      encoder === undefined
        ? undefined
        : wheels.encoder(encoder, {
            ...machine,
            name: named("encoder"),
            ...(openStripe === undefined ? {} : { open: openStripe }),
          }),
  };

  function cameraOf(): Camera | undefined {
    const name = named("camera");
    if (station.camera === "simulated") return simulatedCamera({ ...machine, name, chip });
    const camera = station.camera?.[number];
    if (camera === undefined) return undefined;
    // At a desk the person's steps tell that the card lies there; the floor of a carousel knows it.
    return realCameraOf(name, camera, {
      world,
      ...(file.transport.kind === "operator" ? {} : { present: () => floor.bodyAt(place)?.dir }),
    });
  }
}
