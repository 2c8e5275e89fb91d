import type { Command } from "commander";
import { existsSync } from "node:fs";
import { type CapabilityReport, hsmOperations } from "../../devices/hsm/port.js";
import { openKeystore, surveyModule, type Unlocking, whereKept } from "../key-file.js";
import { openingOf, warnOf } from "../opened-by.js";
import { mustHaveLostNoKeys } from "../lost-keys.js";
import { knownDataFolder } from "../data-folder.js";
import { dataRoot } from "../config.js";
import {
  type CommonOptions,
  passphrase,
  print,
  printJson,
  textTable,
  type UnlockOptions,
  withData,
  withPassphrase,
} from "./options.js";

export function addSecurityCommand(program: Command): void {
  withPassphrase(withData(program.command("security")))
    .description(
      "what the security module can do, how well it keeps the keys of each operation, and its keys",
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline security --security pkcs11 --token persoline --token-library /usr/lib/softhsm/libsofthsm2.so",
    )
    .action(async (options: CommonOptions & UnlockOptions) => {
      const root = dataRoot(options.data);
      const unlocking = passphrase(options);
      // What a token can do is asked before there is anything else.
      const isToken = unlocking !== undefined && "token" in unlocking;
      if (isToken && !existsSync(root)) return withoutKeys(root, unlocking, options);
      const data = knownDataFolder(root);
      const hsm = await openKeystore(data, unlocking);
      if (hsm === undefined) {
        await mustHaveLostNoKeys(data, whereKept(data, unlocking));
        return withoutKeys(root, unlocking, options);
      }
      try {
        const [report, keys] = await Promise.all([hsm.capabilities(), hsm.keys()]);
        const opening = openingOf(data, isToken);
        warnOf(opening);
        if (options.json === true) return printJson({ ...report, openedBy: opening.by, keys });
        print(
          `${report.provider}, ${report.environment} keys, ${opening.text}; memory: ${report.swap.detail}\n`,
        );
        print(operationTable(report));
        const listed = keys.map(({ name, use, algorithm, kcv, published }) => [
          name,
          use,
          algorithm,
          kcv,
          published ? "published" : "",
        ]);
        print(`\n${textTable(["key", "use", "algorithm", "check value", ""], listed)}`);
      } finally {
        await hsm.close();
      }
    });
}

const operationTable = ({ operations }: Pick<CapabilityReport, "operations">): string =>
  textTable(
    ["operation", "level", "probed", "note"],
    hsmOperations.map((operation) => {
      const { level, probed, note = "" } = operations[operation];
      return [operation, level, probed ? "yes" : "no", note];
    }),
  );

async function withoutKeys(
  root: string,
  unlocking: Unlocking | undefined,
  { json }: CommonOptions,
): Promise<void> {
  const survey = await surveyModule(unlocking);
  if (json === true) return printJson({ ...survey, keys: [] });
  print(`${survey.provider}; memory: ${survey.swap.detail}\n`);
  print(operationTable(survey));
  print(
    `\nThere are no keys for ${root} yet (--data names another folder): its first order in the test environment makes them, or "persoline keys init".`,
  );
}
