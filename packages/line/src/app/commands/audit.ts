import { existsSync } from "node:fs";
import { counted } from "../../ledger/counted.js";
import { join } from "node:path";
import type { Command } from "commander";
import type { Store } from "../../store/store.js";
import { verifyAudit } from "../audit-heads.js";
import { dataRoot } from "../config.js";
import { databaseName, type DataFolder, knownDataFolder } from "../data-folder.js";
import { openKeystore } from "../key-file.js";
import { verifyActs } from "../office-acts.js";
import { type LinksVerdict, verifyLinks } from "../office-chain.js";
import { Refusal } from "../problem.js";
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
    .action(async (options: VerifyOptions) => {
      const root = dataRoot(options.data);
      if (existsSync(join(root, databaseName)))
        return withStore(options, (store, data) => verified(options, data, store));
      const data = knownDataFolder(root);
      const heads = [data.auditHeads, ...(options.heads ?? [])].filter((file) => existsSync(file));
      if (heads.length > 0)
        throw new Refusal(
          `there is no ${databaseName} at ${root}, and ${heads.join(", ")} holds signed heads of its audit: the database is gone, or lies elsewhere (--data)`,
        );
      // Ceremonies may be held long before the first order: their acts stand for themselves.
      if (!existsSync(data.officeActs))
        throw new Refusal(`there is no audit in ${root}: neither orders nor key ceremonies were ever there`);
      return verified(options, data, undefined);
    });
}

function officeText(
  acts: number,
  { records, waiting }: Extract<LinksVerdict, { ok: true }>,
  hasDatabase: boolean,
): string {
  const known =
    waiting === 0
      ? "the audit tells of each"
      : `of ${String(waiting)} of these the audit does not tell yet: the next decision or run brings them in`;
  return `The key office's acts are whole: ${String(acts)}, each signed, and ${counted(records, "record")} of ceremonies${hasDatabase ? `; ${known}` : ""}.`;
}

interface VerifyOptions extends DecisionOptions {
  readonly heads?: readonly string[];
}

async function verified(options: VerifyOptions, data: DataFolder, store: Store | undefined): Promise<void> {
  const hsm = await openKeystore(data, passphrase(options));
  try {
    const verdict = store && (await verifyAudit({ store, data, hsm, copies: options.heads ?? [] }));
    const acts = await verifyActs(data, hsm);
    const links = acts.ok ? await verifyLinks(store, data, hsm) : acts;
    const office = { ...acts, ...links };
    const bad = [verdict, links].find((one) => one?.ok === false);
    if (bad !== undefined) process.exitCode = 1;
    if (options.json === true) return printJson({ ...(bad ?? verdict ?? { ok: true }), office });
    if (bad?.ok === false) return print(`The audit is damaged. ${bad.text}.`);
    if (verdict?.ok === true) {
      const { head, heads, unsigned } = verdict;
      print(
        `The audit is whole: ${counted(head.sequence, "entry", "entries")}, ${counted(heads, "signed head")}${unsigned > 0 ? `, ${counted(unsigned, "entry", "entries")} since the last of them` : ""}.`,
      );
      print(
        heads === 0
          ? "No head is signed yet, so nobody would notice if its end were cut off."
          : `Newest entry ${String(head.sequence)}: ${head.hash}. Keep a copy of ${data.auditHeads} elsewhere.`,
      );
    } else print("There is no database here, so there is no audit of orders.");
    if (acts.ok && acts.acts > 0 && links.ok) print(officeText(acts.acts, links, store !== undefined));
  } finally {
    await hsm?.close();
  }
}
