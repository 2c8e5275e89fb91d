import type { Command } from "commander";
import { verifyAudit } from "../audit-heads.js";
import { openKeystore } from "../key-file.js";
import {
  type DecisionOptions,
  passphrase,
  print,
  printJson,
  withData,
  withPassphrase,
  withStore,
} from "./options.js";

export function addAuditCommands(program: Command): void {
  const audit = program.command("audit").description("the audit chain");

  withPassphrase(withData(audit.command("verify")))
    .description("check the chain, its signed heads and their signatures; ends with 1 at the first bad entry")
    .option(
      "--heads <file...>",
      "copies of audit/heads.jsonl that were kept elsewhere: they show what was cut here from both",
    )
    .addHelpText("after", "\nExample:\n  $ persoline audit verify --heads /mnt/vault/heads.jsonl")
    .action((options: DecisionOptions & { readonly heads?: readonly string[] }) =>
      withStore(options, async (store, data) => {
        const hsm = await openKeystore(data, passphrase(options));
        try {
          const verdict = await verifyAudit({ store, data, hsm, copies: options.heads ?? [] });
          if (!verdict.ok) process.exitCode = 1;
          if (options.json === true) return printJson(verdict);
          if (!verdict.ok) return print(`The audit is damaged. ${verdict.text}.`);
          const { head, heads, unsigned } = verdict;
          print(
            `The audit is whole: ${String(head.sequence)} entries, ${String(heads)} signed heads${unsigned > 0 ? `, ${String(unsigned)} entries since the last of them` : ""}.`,
          );
          print(
            heads === 0
              ? "No head is signed yet, so nobody would notice if its end were cut off."
              : `Newest entry ${String(head.sequence)}: ${head.hash}. Keep a copy of ${data.auditHeads} elsewhere.`,
          );
        } finally {
          await hsm?.close();
        }
      }),
    );
}
