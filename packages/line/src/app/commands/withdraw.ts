import type { Serial } from "@persoline/card/program";
import type { Command } from "commander";
import { takenAway, tidyLetters } from "../letters.js";
import { refreshing } from "../refresh-reports.js";
import { withdraw } from "../withdraw.js";
import {
  type DecisionOptions,
  print,
  printJson,
  unfinished,
  withData,
  withDecision,
  withPassphrase,
} from "./options.js";

export function addWithdrawCommand(stock: Command): void {
  withPassphrase(withData(stock.command("withdraw")))
    .description(
      "enter that two people found a good card bad, or cannot find it, before its order is delivered; its record waits for another",
    )
    .argument("<serial>", "chip number, 20 hexadecimal digits (UID of a DESFire card: 14)")
    .option("--lost", "its body is nowhere: it is booked as destroyed")
    .requiredOption("--reason <text>", "why; no personal data: it stays in the audit")
    .requiredOption("--by <name>", "the first person")
    .requiredOption("--and <name>", "the second person")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline stock withdraw 504C0011223300000017 --reason 'scratched' --by 'A. Meyer' --and 'B. Novak'",
    )
    .action(
      (
        serial: string,
        options: DecisionOptions & { readonly lost?: boolean; readonly reason: string; readonly and: string },
      ) =>
        withDecision(options, async (store, data, by, hsm) => {
          const { lost = false, reason, and: witness } = options;
          // The store tells what is no chip number of the stock.
          const ask = { store, data, serial: serial as Serial, lost, reason, by, witness };
          const whose = (await store.stock.find(ask.serial))?.order;
          const blank = await refreshing({ store, data, hsm, onStale: unfinished }, whose, () =>
            withdraw(ask),
          );
          const { state, order = "", record = 0 } = blank;
          // Its letter is void now, and the printer must not find it.
          const taken = order === "" ? [] : await tidyLetters(order, store, data);
          const [batch] = taken;
          if (options.json === true)
            return printJson({
              serial,
              state,
              order,
              record,
              ...(batch === undefined ? {} : { takenAway: batch }),
            });
          print(
            lost
              ? `${serial} is booked as destroyed; gates refuse it should it turn up.`
              : `${serial} is rejected. Its body belongs into the reject bin, to be destroyed before a witness.`,
          );
          print(`Run order ${order} again: record ${String(record)} gets another card, PIN and letter.`);
          for (const said of await takenAway(order, store, taken)) print(said);
        }),
    );
}
