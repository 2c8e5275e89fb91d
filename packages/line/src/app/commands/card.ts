import type { Command } from "commander";
import { copiedCard } from "../copied-card.js";
import { inspectVirtual } from "../inspect.js";
import { inspectionText } from "../inspection-text.js";
import { readAnyProduct } from "../job.js";
import { exitCode, WrongUsage } from "../problem.js";
import { addServeCommand } from "./card-serve.js";
import { addWriteCommand } from "./card-write.js";
import { type InspectWords, inspectReader } from "./inspect-reader.js";
import { port, print, printJson, withData } from "./options.js";
import { addTraceCommands } from "./trace.js";

export function addCardCommands(program: Command): void {
  const card = program.command("card").description("single cards");
  withData(card.command("inspect"))
    .description("what a card says of itself; costs no try and changes nothing")
    .argument(
      "[label]",
      'a virtual card of the shop floor: the number printed on its body, as in "stock list"',
    )
    .option("--reader <name>", 'instead: the card in this reader ("persoline doctor" shows their names)')
    .option("--vpcd <port>", "instead: listen here as vpcd does, and ask the card that connects", port)
    .option(
      "--product <product.yaml>",
      "also look for this product's files, and ask in the way that its cards are declared to bear",
    )
    .addHelpText(
      "after",
      '\nExamples:\n  $ persoline card inspect L2026A-000017 --product examples/products/office-access/product.yaml\n  $ persoline card inspect --reader "Gemalto PC Twin Reader"',
    )
    .action(async (label: string | undefined, options: InspectWords) => {
      if ((label === undefined) === (options.reader === undefined && options.vpcd === undefined)) {
        throw new WrongUsage(
          "name either a body of the shop floor or, with --reader or --vpcd, where the card is",
        );
      }
      if (label === undefined) {
        if (!(await inspectReader(options))) process.exitCode = exitCode.refused;
        return;
      }
      const copy = copiedCard(label, options);
      const product =
        options.product === undefined ? undefined : (await readAnyProduct(options.product)).product;
      const found = await inspectVirtual(copy, product);
      if (options.json === true) printJson({ label, simulated: true, ...found });
      else print(inspectionText(`Body ${label} (a virtual card)`, found));
      if (found.ended !== undefined) process.exitCode = exitCode.refused;
    });
  addServeCommand(card);
  addTraceCommands(card);
  addWriteCommand(card);
}
