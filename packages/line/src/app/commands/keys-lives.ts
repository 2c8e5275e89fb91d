/** `persoline keys rotate | activate | … | destroy | export-block`: what becomes of a key. */
import { type Command, Option } from "commander";
import { WrongUsage } from "../problem.js";
import { begin, type Options, told, withCustodian } from "./keys-options.js";
import { planOf, type PlanOptions, withPlan } from "./keys-plan.js";

export function addLives(keys: Command): void {
  withPlan(withCustodian(keys.command("rotate")))
    .description("draw a successor; the old key makes no new cards from then on")
    .argument("<key>", "the old one")
    .requiredOption("--to <name>", "name of the new one")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline keys rotate issuer-2027 --to issuer-2028 --use scp03 --algorithm AES-256 --by 'A. Meyer'",
    )
    .action(
      async (old: string, options: Options & PlanOptions & { readonly by: string; readonly to: string }) => {
        told(await begin({ do: "rotate", old, key: planOf(options.to, options) }, options), options.json);
      },
    );

  for (const [command, state, description] of [
    ["activate", "active", "let a waiting or suspended key make cards"],
    ["suspend", "suspended", "let a key do nothing until it is activated again"],
    ["retire", "deactivated", "end a key: it makes no new cards, and still checks old ones"],
    ["compromise", "compromised", "declare a key compromised: it is used for nothing any more"],
    ["destroy", "destroyed", "wipe a retired or compromised key's value for ever"],
  ] as const) {
    withCustodian(keys.command(command))
      .description(description)
      .argument("<key>", "its name")
      .requiredOption("--reason <text>", "why; it stands in the record")
      .addHelpText(
        "after",
        `\nExample:\n  $ persoline keys ${command} issuer-2026 --reason 'end of its period' --by 'A. Meyer'`,
      )
      .action(async (name: string, options: Options & { readonly by: string; readonly reason: string }) => {
        told(await begin({ do: "state", name, state, reason: options.reason }, options), options.json);
      });
  }

  withCustodian(keys.command("export-block"))
    .description("hand out the key block that was made at a key's birth; any other key cannot leave")
    .argument("<key>", "its name")
    .addOption(new Option("--out <file>", "belongs to the last custodian's keys confirm").hideHelp())
    .addHelpText("after", "\nExample:\n  $ persoline keys export-block tk-bank --by 'A. Meyer'")
    .action(async (name: string, options: Options & { readonly by: string; readonly out?: string }) => {
      if (options.out !== undefined)
        throw new WrongUsage(
          'the block leaves with the last custodian\'s sitting: leave --out out here, and say it there, "persoline keys confirm C-0001 --out FILE --by NAME"',
        );
      told(await begin({ do: "export-block", name }, options), options.json);
    });
}
