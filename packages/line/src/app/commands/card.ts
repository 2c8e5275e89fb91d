import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { random } from "@persoline/card/node";
import { memoryStore } from "@persoline/card/virtual";
import type { Command } from "commander";
import { faultsOf, ShopFloor } from "../../devices/shop-floor/floor.js";
import { virtualSilicon } from "../../devices/shop-floor/silicon.js";
import { readProduct } from "../job.js";
import { dataRoot } from "../config.js";
import { dataFolder } from "../data-folder.js";
import { inspectVirtual } from "../inspect.js";
import { inspectionText } from "../inspection-text.js";
import { Refusal } from "../problem.js";
import { addServeCommand } from "./card-serve.js";
import { addWriteCommand } from "./card-write.js";
import { type InspectWords, inspectReader } from "./inspect-reader.js";
import { print, printJson, withData } from "./options.js";

export function addCardCommands(program: Command): void {
  const card = program.command("card").description("single cards");
  withData(card.command("inspect"))
    .description("what a card says of itself; costs no try and changes nothing")
    .argument(
      "[label]",
      'a virtual card of the shop floor: the number printed on its body, as in "stock list"',
    )
    .option("--reader <name>", 'instead: the card in this reader ("persoline doctor" shows their names)')
    .option("--product <product.yaml>", "also look for this product's files")
    .addHelpText(
      "after",
      '\nExamples:\n  $ persoline card inspect L2026A-000017 --product examples/products/office-access/product.yaml\n  $ persoline card inspect --reader "Gemalto PC Twin Reader"',
    )
    .action(async (label: string | undefined, options: InspectWords) => {
      if ((label === undefined) === (options.reader === undefined)) {
        throw new Refusal("name either a body of the shop floor or, with --reader, a card reader");
      }
      if (label === undefined) return inspectReader(options);
      const data = dataFolder(dataRoot(options.data));
      // A copy of its memory is asked: inspecting changes nothing, and makes no blank.
      const silicon = virtualSilicon({ loaderMaster: new Uint8Array(16), random });
      const floor = new ShopFloor(data.shopFloor, silicon);
      try {
        const body = floor.find(label);
        if (body === undefined) {
          throw new Refusal(
            `there is no body ${label} on the shop floor of ${data.root}; "persoline stock list --lot LOT" shows the labels`,
          );
        }
        const product =
          options.product === undefined ? undefined : (await readProduct(options.product)).product;
        const memory = join(body.dir, "chip.eeprom");
        if (!existsSync(memory)) {
          throw new Refusal(`${label} lies untouched in the hopper: its chip is made when it is first fed`);
        }
        const eeprom = memoryStore(new Uint8Array(readFileSync(memory)));
        const copy = silicon.power({ eeprom, faults: faultsOf(body.dir).chip });
        const found = await inspectVirtual(copy, product);
        if (options.json === true) printJson({ label, simulated: true, ...found });
        else print(inspectionText(`Body ${label} (a virtual card)`, found));
      } finally {
        floor.close();
      }
    });
  addServeCommand(card);
  addWriteCommand(card);
}
