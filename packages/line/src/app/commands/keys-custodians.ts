/** `persoline keys custodians list | add | unlock | remove`: who holds the keys, and how they change, always by two others. */
import type { Command } from "commander";
import type { OfficeAnswer } from "../../devices/hsm/office/types.js";
import { office } from "../key-office.js";
import { begin, type Options, told, withCustodian, withKeystore } from "./keys-options.js";
import { print, printJson, textTable, whole } from "./options.js";

/** A candidate sits: nobody else ever knows what is typed here. */
const withNewPassphrase = (command: Command): Command =>
  withKeystore(command)
    .argument("<name>", "who")
    .option(
      "--custodian-fd <number>",
      "file descriptor of the new passphrase (default: asked at the terminal)",
      whole,
    );

const withReason = (command: Command): Command =>
  command.requiredOption("--reason <text>", "why; it stands in the record");

export function addCustodians(keys: Command): void {
  const custodians = keys
    .command("custodians")
    .description("who holds the keys: any two of them hold a ceremony");

  withKeystore(custodians.command("list"))
    .description("who they are, who is locked out, and which pieces of keys each had in hand")
    .addHelpText("after", "\nExample:\n  $ persoline keys custodians list")
    .action(async (options: Options) => {
      const answer = await office({ ask: "list" }, options);
      const advice = adviceOn(answer);
      if (options.json === true) return printJson({ custodians: answer.custodians, advice });
      print(
        textTable(
          ["custodian", "since", "key", "standing"],
          answer.custodians.map(({ name, since, key = "with the next sitting", locked, triesLeft }) => [
            name,
            since.slice(0, 10),
            key,
            locked ? "locked out" : `${String(triesLeft)} tries`,
          ]),
        ),
      );
      for (const { name, holds } of answer.custodians)
        if (holds.length > 0) print(`\n${name} had in hand:\n  ${holds.join("\n  ")}`);
      for (const one of advice) print(`\n${one}`);
    });

  withNewPassphrase(custodians.command("add"))
    .description("enrol a custodian: the first two by themselves, later ones confirmed by two others")
    .addHelpText("after", "\nExample:\n  $ persoline keys custodians add 'A. Meyer'")
    .action(async (name: string, options: Options) => {
      told(await begin({ do: "custodian", name }, { ...options, by: name }), options.json);
    });

  withReason(withNewPassphrase(custodians.command("unlock")))
    .description(
      "a custodian who is locked out, or has forgotten the passphrase, sets a new one; two others confirm",
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline keys custodians unlock 'A. Meyer' --reason 'the passphrase was forgotten'",
    )
    .action(async (name: string, options: Options & { readonly reason: string }) => {
      const action = { do: "custodian-renew" as const, name, reason: options.reason };
      told(await begin(action, { ...options, by: name }), options.json);
    });

  withReason(withCustodian(custodians.command("remove")))
    .description("end a custodian; another than the one who leaves confirms, and two stay at least")
    .argument("<name>", "who leaves")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline keys custodians remove 'B. Novak' --reason 'has left the house' --by 'A. Meyer'",
    )
    .action(async (name: string, options: Options & { readonly by: string; readonly reason: string }) => {
      const action = { do: "custodian-remove" as const, name, reason: options.reason };
      told(await begin(action, options), options.json);
    });
}

/** What whoever answers for the keys should know of the custodians before it is too late, or when it is. */
export function adviceOn({
  environment,
  custodians,
}: Pick<OfficeAnswer, "environment" | "custodians">): readonly string[] {
  if (custodians.length < 2) return [];
  const fit = custodians.filter(({ locked }) => !locked);
  if (fit.length < 2)
    return [
      `Only ${fit[0]?.name ?? "nobody"} can sit here: no ceremony can be held, nobody let in or back, and no letter of a live card released. docs/keys.md ("When there are not two") tells what remains.`,
    ];
  if (fit.length > 2 || environment !== "live") return [];
  return [
    'Only two custodians can sit here, and the keys are live: when one forgets the passphrase, is locked out or leaves, no ceremony can ever be held again. Enrol a third now: "persoline keys custodians add".',
  ];
}
