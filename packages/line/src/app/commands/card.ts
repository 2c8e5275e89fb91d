import { join } from "node:path";
import { unhex } from "@persoline/card/bytes";
import { random } from "@persoline/card/node";
import type { Command } from "commander";
import { ShopFloor } from "../../devices/shop-floor/floor.js";
import { virtualSilicon } from "../../devices/shop-floor/silicon.js";
import { readProduct } from "../job.js";
import { dataRoot } from "../config.js";
import { dataFolder } from "../data-folder.js";
import { type Inspection, inspect } from "../inspect.js";
import { Refusal } from "../problem.js";
import { type CommonOptions, print, printJson, textTable, withData } from "./options.js";

export function addCardCommands(program: Command): void {
  const card = program.command("card").description("single cards");
  withData(card.command("inspect"))
    .description("what a virtual card of the shop floor says of itself; costs no try and changes nothing")
    .argument("<label>", 'number printed on the body, as in the report and in "stock list"')
    .option("--product <product.yaml>", "also look for this product's files")
    .option(
      "--loader-master <hex>",
      "published test key that untouched blanks are made with",
      "00000000000000000000000000000000",
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline card inspect L2026A-000017 --product examples/products/office-access/product.yaml",
    )
    .action(
      async (
        label: string,
        options: CommonOptions & { readonly product?: string; readonly loaderMaster: string },
      ) => {
        const data = dataFolder(dataRoot(options.data));
        const floor = new ShopFloor(
          data.shopFloor,
          virtualSilicon({ loaderMaster: unhex(options.loaderMaster), random }),
        );
        try {
          const body = floor.find(label);
          if (body === undefined) {
            throw new Refusal(
              `there is no body ${label} on the shop floor of ${data.root}; "persoline stock list --lot LOT" shows the labels`,
            );
          }
          const product =
            options.product === undefined ? undefined : (await readProduct(options.product)).product;
          const { card: chip, eeprom } = floor.loadCard(body.dir);
          try {
            const found = await inspect(chip, product);
            if (options.json === true) printJson({ label, simulated: true, lies: join(body.dir), ...found });
            else print(inspectionText(label, found));
          } finally {
            eeprom.close();
          }
        } finally {
          floor.close();
        }
      },
    );
}

function inspectionText(label: string, { atr, facts, files }: Inspection): string {
  return [
    `Body ${label} (a virtual card)`,
    ...atr.map((line) => `  ${line}`),
    "",
    textTable(
      ["", ""],
      facts.map(({ what, value }) => [what, value]),
    ).trim(),
    ...(files.length === 0
      ? []
      : [
          "",
          textTable(
            ["file", "FID", "structure", "size", "life cycle"],
            files.map((one) => [one.path, one.fid, one.structure, one.size, one.lifeCycle]),
          ),
        ]),
  ].join("\n");
}
