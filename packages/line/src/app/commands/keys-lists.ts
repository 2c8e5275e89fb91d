/** `persoline keys allow | forbid | allowed`: the lists that orders' secrets go by. */
import type { Command } from "commander";
import { atDesk, office } from "../key-office.js";
import { policyOfFile } from "../order-policy.js";
import { begin, type Options, told, withCustodian, withKeystore } from "./keys-options.js";
import { print, printJson } from "./options.js";

/** What orders may have done with their secrets. */
export function addLists(keys: Command): void {
  withCustodian(keys.command("allow"))
    .description(
      "let the module put an order's secrets where its product says; in live no order goes without",
    )
    .argument("<order>", "an order file of the product")
    .addHelpText("after", "\nExample:\n  $ persoline keys allow order.yaml --by 'A. Meyer'")
    .action((order: string, options: Options & { readonly by: string }) =>
      atDesk(options, async (desk) => {
        const { name, sentences } = await policyOfFile(order, desk);
        if (options.json !== true) print(`Orders of ${name} may have done:\n  ${sentences.join("\n  ")}\n`);
        const action = { do: "allow", name, sentences } as const;
        told(await desk.ask({ ask: "begin", action, by: options.by }), options.json);
      }),
    );

  withCustodian(keys.command("forbid"))
    .description("end a list: orders that were opened with it put no more secrets anywhere")
    .argument("<list>", "eight or more digits of its SHA-256")
    .requiredOption("--reason <text>", "why; it stands in the record")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline keys forbid 5f0c9a1b --reason 'the product has a new application' --by 'A. Meyer'",
    )
    .action(async (name: string, options: Options & { readonly by: string; readonly reason: string }) => {
      told(await begin({ do: "forbid", name, reason: options.reason }, options), options.json);
    });

  withKeystore(keys.command("allowed"))
    .description("what orders may have done with their secrets, product by product")
    .addHelpText("after", "\nExample:\n  $ persoline keys allowed")
    .action(async (options: Options) => {
      const { lists } = await office({ ask: "list" }, options);
      if (options.json === true) return printJson({ lists });
      for (const { name, digest, sentences, ceremony, since, ended } of lists)
        print(
          `${name}, SHA-256 ${digest}, ${ceremony}, from ${since}${ended === undefined ? "" : ` to ${ended}`}\n  ${sentences.join("\n  ")}\n`,
        );
      if (lists.length === 0) print("Nothing was allowed yet.");
    });
}
