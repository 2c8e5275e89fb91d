import type { Command } from "commander";
import { hsmOperations } from "../../devices/hsm/port.js";
import { openKeystore } from "../key-file.js";
import { knownDataFolder } from "../data-folder.js";
import { dataRoot } from "../config.js";
import { Refusal } from "../problem.js";
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
      const data = knownDataFolder(dataRoot(options.data));
      const hsm = await openKeystore(data, passphrase(options));
      if (hsm === undefined)
        throw new Refusal(
          `there are no keys in ${data.root} yet: the first order in the test environment makes them`,
        );
      try {
        const [report, keys] = await Promise.all([hsm.capabilities(), hsm.keys()]);
        if (options.json === true) return printJson({ ...report, keys });
        print(`${report.provider}, ${report.environment} keys; memory: ${report.swap.detail}\n`);
        const rows = hsmOperations.map((operation) => {
          const { level, probed, note = "" } = report.operations[operation];
          return [operation, level, probed ? "yes" : "no", note];
        });
        print(textTable(["operation", "level", "probed", "note"], rows));
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
