/** `card serve`: virtual cards for readers that are none: pcscd's vpcd, or a line that listens as vpcd does. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { random } from "@persoline/card/node";
import { type Fault, memoryStore, type VirtualCard } from "@persoline/card/virtual";
import { type Command, InvalidArgumentError } from "commander";
import { parse } from "yaml";
import { z } from "zod";
import { type Address, CardSlot, parseAddress } from "../../devices/reader/vpcd/card-side.js";
import { hold } from "../../devices/shop-floor/body-hold.js";
import { openEeprom } from "../../devices/shop-floor/eeprom-file.js";
import { ShopFloor } from "../../devices/shop-floor/floor.js";
import { chipNumberOf, stockItem } from "../../devices/shop-floor/lot.js";
import { virtualSilicon } from "../../devices/shop-floor/silicon.js";
import { faultOf, faultSchema } from "../../stations/line-file.js";
import { dataRoot } from "../config.js";
import { knownDataFolder } from "../data-folder.js";
import { readAnyProduct } from "../job.js";
import { lyingBody, servedText } from "../lying-body.js";
import { Refusal, WrongUsage } from "../problem.js";
import { type Fab, fabFor, needsKeys } from "../virtual-blanks.js";
import { type CommonOptions, counting, print, printJson, withData } from "./options.js";

type Words = CommonOptions & {
  readonly vpcd: Address;
  readonly count?: number;
  readonly first?: number;
  readonly keep?: string;
  readonly product?: string;
  readonly keys?: string;
  readonly issued: readonly string[];
  readonly timed?: boolean;
  readonly faults: readonly Fault[];
};

/** Longer than it takes to connect to whoever listens. */
const quietMs = 2_000;

/** Everything that is in a slot, and what is written on it. */
interface Served {
  readonly label: string;
  readonly serial?: string;
  readonly card: VirtualCard;
  readonly close: () => void;
}

export function addServeCommand(card: Command): void {
  withData(card.command("serve"))
    .description("serve virtual cards to pcscd's vpcd, or to a line with vpcd readers, until Ctrl-C")
    .requiredOption(
      "--vpcd <host:port>",
      "where the first slot listens; further cards go to the next ports",
      address,
    )
    .option("--count <n>", "so many blanks, one a slot (default 1)", counting)
    .option(
      "--first <n>",
      "the first blank's number in its lot (default 1): another one for each new card",
      counting,
    )
    .option(
      "--keep <dir>",
      "keep the blanks here, to be served again as they are then, with their delivery.csv",
    )
    .option(
      "--product <product.yaml>",
      "blanks that this product's line can complete (with --keys, unless its cards come with a key that everybody knows)",
    )
    .option("--keys <keys.yaml>", "key list that publishes the key such blanks are made with")
    .option(
      "--issued <label>",
      "instead of a blank: this card of the data folder's shop floor; may be repeated",
      (label: string, before: readonly string[]) => [...before, label],
      [],
    )
    .option("--timed", "cards take the time that their own clock shows")
    .option(
      "--fault <fault>",
      "what is wrong with the blanks, as in a line file: '{ kind: mute-at, ins: \"E2\", nth: 3 }'; may be repeated",
      planted,
      [],
    )
    .addHelpText(
      "after",
      '\nExamples:\n  $ persoline card serve --vpcd 127.0.0.1:35963\n  $ persoline card serve --vpcd 127.0.0.1:35963 --keep blanks --first 2\n  $ persoline card serve --vpcd 127.0.0.1:35963 --issued L2026A-000017 --data .persoline/runs/...\n  $ node tools/pcsc.mjs run sh -c "node_modules/.bin/persoline card serve --vpcd 127.0.0.1:35963 & opensc-tool -r 0 -w -a"\n\nA blank knows its chip number (80CA00CF00) and has no files; the --issued card of a product with files answers SELECT too: opensc-tool -r 0 -s 00A4000C023F00',
    )
    .action(async (options: Words & { readonly fault: readonly Fault[] }) => {
      const served = await cardsFor({ ...options, faults: options.fault });
      const { host, port } = options.vpcd;
      if (port + served.length - 1 > 65_535) throw new Refusal("there are not so many ports");
      const slots = served.map(({ card: one }, at) => {
        const slot = new CardSlot({
          address: { host, port: port + at },
          timed: options.timed === true,
          onLink: (linked) => {
            if (options.json !== true) {
              process.stderr.write(`${String(port + at)}: ${linked ? "connected" : "nobody listens"}\n`);
            }
          },
        });
        slot.insert(one);
        setTimeout(() => {
          if (!slot.linked)
            process.stderr.write(`${host}:${String(port + at)}: nobody listens yet, waiting\n`);
        }, quietMs).unref();
        return slot;
      });
      const told = served.map(({ label, serial }, at) => ({
        port: port + at,
        label,
        ...(serial === undefined ? {} : { serial }),
      }));
      // Heard before it is told: whoever reads it may end this at once.
      const toEnd = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
      if (options.json === true) printJson({ serving: told });
      else
        for (const one of told)
          print(`${host}:${String(one.port)}  ${one.label}${"serial" in one ? `  chip ${one.serial}` : ""}`);
      await toEnd;
      for (const slot of slots) slot.remove();
      for (const { close } of served) close();
    });
}

function address(text: string): Address {
  const read = parseAddress(text);
  if (read === undefined) throw new InvalidArgumentError("HOST:PORT is needed, such as 127.0.0.1:35963");
  return read;
}

function planted(text: string, before: readonly Fault[]): readonly Fault[] {
  let read: unknown;
  try {
    read = parse(text);
  } catch {
    throw new InvalidArgumentError("this is not YAML");
  }
  const judged = faultSchema.safeParse(read);
  if (!judged.success) throw new InvalidArgumentError(z.prettifyError(judged.error));
  return [...before, faultOf(judged.data)];
}

async function cardsFor(options: Words): Promise<readonly Served[]> {
  const { issued, count, first = 1, keep, product, keys } = options;
  if (issued.length > 0) {
    const forBlanks = [count, options.first, keep, product, keys];
    if (forBlanks.some((one) => one !== undefined) || options.faults.length > 0) {
      throw new WrongUsage(
        "--issued names cards that are there already: --count, --first, --keep, --product, --keys and --fault are for blanks",
      );
    }
    return issuedCards(knownDataFolder(dataRoot(options.data)).shopFloor, issued);
  }
  const fab = await fabOf(options);
  const silicon = virtualSilicon({ ...fab, random });
  const lot = { lot: "SERVED", seed: 1 };
  const blanks = Array.from({ length: count ?? 1 }, (_, at) => {
    const number = first + at;
    return { chip: chipNumberOf(lot, number), ...stockItem(lot, number, silicon.numbered) };
  });
  if (keep !== undefined) {
    const kept = keptBlanks(keep);
    return blanks.map(({ chip, label, serial }) => {
      const { eeprom, close } = kept(label, serial, () => silicon.fabricate(chip));
      return { label, serial, card: silicon.power({ eeprom, faults: options.faults }), close };
    });
  }
  return blanks.map(({ chip, label, serial }) => {
    const eeprom = memoryStore(silicon.fabricate(chip));
    return { label, serial, card: silicon.power({ eeprom, faults: options.faults }), close: () => {} };
  });
}

/** How the blanks are made. Throws DataProblem, WrongUsage. */
async function fabOf({ product: file, keys }: Pick<Words, "product" | "keys">): Promise<Fab> {
  const together =
    "--product and --keys belong together: the key list publishes the key that the blanks are made with";
  if (file === undefined) {
    if (keys !== undefined) throw new WrongUsage(together);
    return { loaderMaster: random(16) };
  }
  const { product } = await readAnyProduct(file);
  // What can have no blanks, keys would not help.
  if (keys === undefined && needsKeys(product)) throw new WrongUsage(together);
  return fabFor(product, { product: file, keys: keys ?? "" });
}

/** Memories in files: what was written into a blank is in it when it is served again. The delivery list names all that were ever served. */
function keptBlanks(folder: string) {
  const list = join(folder, "delivery.csv");
  return (label: string, serial: string, make: () => Uint8Array) => {
    const dir = join(folder, label);
    mkdirSync(dir, { recursive: true });
    const release = taken(dir, label);
    const file = join(dir, "chip.eeprom");
    if (!existsSync(file)) {
      writeFileSync(`${file}.new`, make());
      renameSync(`${file}.new`, file);
    }
    const rows = existsSync(list) ? readFileSync(list, "utf8") : "label,serial\n";
    const row = `${label},${serial}\n`;
    if (!rows.includes(row)) writeFileSync(list, rows + row);
    const eeprom = openEeprom(file);
    return {
      eeprom,
      close: () => {
        eeprom.close();
        release();
      },
    };
  };
}

/** Throws Refusal when another process serves this body. */
function taken(dir: string, label: string): () => void {
  const held = hold(dir);
  if ("heldBy" in held) throw new Refusal(servedText(label, held.heldBy));
  return held.release;
}

/** They are the cards themselves, not copies: what a reader writes stays. */
function issuedCards(shopFloor: string, labels: readonly string[]): readonly Served[] {
  const floor = new ShopFloor(shopFloor, virtualSilicon({ loaderMaster: new Uint8Array(16), random }));
  return labels.map((label) => {
    const body = lyingBody(floor, shopFloor, label);
    const release = taken(body.dir, label);
    const { card, eeprom } = floor.loadCard(body.dir);
    return {
      label,
      card,
      close: () => {
        eeprom.close();
        release();
      },
    };
  });
}
