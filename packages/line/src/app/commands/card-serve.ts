/** `card serve`: virtual cards for readers that are none: pcscd's vpcd, or a line that listens as vpcd does. */
import { existsSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { random } from "@persoline/card/node";
import { type Fault, memoryStore, type VirtualCard } from "@persoline/card/virtual";
import { type Command, InvalidArgumentError } from "commander";
import { parse } from "yaml";
import { z } from "zod";
import { type Address, CardSlot, parseAddress } from "../../devices/reader/vpcd/card-side.js";
import { ShopFloor } from "../../devices/shop-floor/floor.js";
import { chipNumberOf, labelOf, serialOf } from "../../devices/shop-floor/lot.js";
import { virtualSilicon } from "../../devices/shop-floor/silicon.js";
import { faultOf, faultSchema } from "../../stations/line-file.js";
import { dataRoot } from "../config.js";
import { dataFolder } from "../data-folder.js";
import { readAnyProduct } from "../job.js";
import { Refusal } from "../problem.js";
import { fabFor } from "../virtual-blanks.js";
import { type CommonOptions, print, printJson, whole, withData } from "./options.js";

type Words = CommonOptions & {
  readonly vpcd: Address;
  readonly count?: number;
  readonly product?: string;
  readonly keys?: string;
  readonly issued: readonly string[];
  readonly timed?: boolean;
  readonly faults: readonly Fault[];
};

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
    .option("--count <n>", "so many blanks, one a slot (default 1)", whole)
    .option("--product <product.yaml>", "blanks that this product's line can complete (with --keys)")
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
      '\nExamples:\n  $ persoline card serve --vpcd 127.0.0.1:35963\n  $ persoline card serve --vpcd 127.0.0.1:35963 --issued L2026A-000017 --data .persoline/runs/...\n  $ node tools/pcsc.mjs run sh -c "npx persoline card serve --vpcd 127.0.0.1:35963 & sleep 3; opensc-tool -r 0 -a"',
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
        return slot;
      });
      const told = served.map(({ label, serial }, at) => ({
        port: port + at,
        label,
        ...(serial === undefined ? {} : { serial }),
      }));
      if (options.json === true) printJson({ serving: told });
      else
        for (const one of told)
          print(`${host}:${String(one.port)}  ${one.label}${"serial" in one ? `  chip ${one.serial}` : ""}`);
      await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
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
  const { issued, count, product, keys } = options;
  if (issued.length > 0) {
    if (count !== undefined || product !== undefined || options.faults.length > 0) {
      throw new Refusal(
        "--issued names cards that are there already: --count, --product and --fault are for blanks",
      );
    }
    return issuedCards(dataFolder(dataRoot(options.data)).shopFloor, issued);
  }
  if ((product === undefined) !== (keys === undefined)) {
    throw new Refusal(
      "--product and --keys belong together: the key list publishes the key that the blanks are made with",
    );
  }
  const fab =
    product === undefined || keys === undefined
      ? { loaderMaster: random(16) }
      : await fabFor((await readAnyProduct(product)).product, keys);
  const silicon = virtualSilicon({ ...fab, random });
  const lot = { lot: "SERVED", seed: 1 };
  return Array.from({ length: count ?? 1 }, (_, at) => {
    const chip = chipNumberOf(lot, at + 1);
    const eeprom = memoryStore(silicon.fabricate(chip));
    return {
      label: labelOf(lot.lot, at + 1),
      serial: serialOf(chip),
      card: silicon.power({ eeprom, faults: options.faults }),
      close: () => {},
    };
  });
}

/** They are the cards themselves, not copies: what a reader writes stays. */
function issuedCards(shopFloor: string, labels: readonly string[]): readonly Served[] {
  const floor = new ShopFloor(shopFloor, virtualSilicon({ loaderMaster: new Uint8Array(16), random }));
  return labels.map((label) => {
    const body = floor.find(label);
    if (body === undefined) throw new Refusal(`there is no body ${label} on the shop floor at ${shopFloor}`);
    if (!existsSync(`${body.dir}/chip.eeprom`) || readFileSync(`${body.dir}/chip.eeprom`).length === 0) {
      throw new Refusal(`${label} lies untouched in the hopper: its chip is made when it is first fed`);
    }
    const { card, eeprom } = floor.loadCard(body.dir);
    return { label, card, close: () => eeprom.close() };
  });
}
