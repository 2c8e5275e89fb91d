import type { Command } from "commander";
import { copiedCard } from "../copied-card.js";
import { inspectVirtual } from "../inspect.js";
import { inspectionText } from "../inspection-text.js";
import { readProduct } from "../job.js";
import { type CommonOptions, print, printJson, withData } from "./options.js";
import { addTraceCommands } from "./trace.js";

export function addCardCommands(program: Command): void {
  const card = program.command("card").description("single cards");
  withData(card.command("inspect"))
    .description("what a virtual card of the shop floor says of itself; costs no try and changes nothing")
    .argument("<label>", 'number printed on the body, as in the report and in "stock list"')
    .option("--product <product.yaml>", "also look for this product's files")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline card inspect L2026A-000017 --product examples/products/office-access/product.yaml",
    )
    .action(async (label: string, options: CommonOptions & { readonly product?: string }) => {
      const copy = copiedCard(label, options);
      const product =
        options.product === undefined ? undefined : (await readProduct(options.product)).product;
      const found = await inspectVirtual(copy, product);
      if (options.json === true) printJson({ label, simulated: true, ...found });
      else print(inspectionText(`Body ${label} (a virtual card)`, found));
    });
  addTraceCommands(card);
}
