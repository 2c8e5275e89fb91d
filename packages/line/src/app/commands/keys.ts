/** `persoline keys`: the key office at the command line. Secrets come by prompt or file descriptor, never by an argument. */
import { type Command, Option } from "commander";
import type { KeyStanding } from "../../devices/hsm/port.js";
import { dataRoot } from "../config.js";
import { keyPlaces } from "../data-folder.js";
import { makeOffice, office } from "../key-office.js";
import { openingOf, warnOf } from "../opened-by.js";
import { addBirths } from "./keys-births.js";
import { addCeremonies } from "./keys-ceremonies.js";
import { addCustodians, adviceOn } from "./keys-custodians.js";
import { addCertificates } from "./keys-certificates.js";
import { addLists } from "./keys-lists.js";
import { addLives } from "./keys-lives.js";
import { type Options, withKeystore } from "./keys-options.js";
import { print, printJson, textTable } from "./options.js";
import { tokenOf } from "./usage.js";

export function addKeyCommands(program: Command): void {
  const keys = program.command("keys").description("keys from their birth to their end, by two custodians");
  addOffice(keys);
  addCustodians(keys);
  addBirths(keys);
  addLives(keys);
  addCertificates(keys);
  addLists(keys);
  addCeremonies(keys);
}

function addOffice(keys: Command): void {
  withKeystore(keys.command("init"))
    .description("make a keystore, or what a token needs, without cards' keys")
    .addOption(
      new Option("--environment <name>", "test and live keys never meet")
        .choices(["test", "live"])
        .makeOptionMandatory(),
    )
    .option(
      "--letter-printer <file>",
      "public key of the letter printer (X25519, PEM); live keystores need it",
    )
    .option(
      "--key-file",
      "opened by a file beside it, in clear, that is made with it: what test keystores have by default, and live ones only if it is said",
    )
    .addHelpText(
      "after",
      "\nA live keystore's passphrase is asked for at the terminal, twice, or comes by --passphrase-fd.\n\nExample:\n  $ persoline keys init --environment live --letter-printer printer.pub --passphrase-fd 3 3<pass",
    )
    .action(
      async (
        options: Options & {
          readonly environment: "test" | "live";
          readonly letterPrinter?: string;
          readonly keyFile?: boolean;
        },
      ) => {
        const { what, opening } = await makeOffice(options);
        warnOf(opening);
        if (options.json === true)
          return printJson({ made: what, environment: options.environment, openedBy: opening.by });
        print(
          `${what} is made, for ${options.environment} cards, ${opening.text}. Enrol three custodians with "persoline keys custodians add", two at least.`,
        );
      },
    );

  withKeystore(keys.command("list"))
    .description("all keys: use, check value, state, cryptoperiod; no value")
    .addHelpText("after", "\nExample:\n  $ persoline keys list")
    .action(async (options: Options) => {
      const answer = await office({ ask: "list" }, options);
      const { keys: list, custodians, environment, revision } = answer;
      const opening = openingOf(keyPlaces(dataRoot(options.data)), tokenOf(options) !== undefined);
      warnOf(opening);
      if (options.json === true)
        return printJson({ environment, revision, openedBy: opening.by, keys: list, custodians });
      const inToken = list.some(({ standing }) => standing !== undefined);
      print(
        textTable(
          [
            "key",
            "use",
            "algorithm",
            "check value",
            "state",
            "from",
            "until",
            "origin",
            ...(inToken ? ["in the token"] : []),
          ],
          list.map(({ name, use, algorithm, kcv, published, life, standing }) => [
            name,
            use,
            algorithm,
            kcv,
            life?.state ?? "active",
            life?.from?.slice(0, 10) ?? "",
            life?.until?.slice(0, 10) ?? "",
            published ? "published" : (life?.source ?? "drawn"),
            ...(inToken ? [standing === undefined ? "" : standingText(standing)] : []),
          ]),
        ),
      );
      const names = custodians.map(({ name, locked }) => (locked ? `${name} (locked out)` : name));
      print(
        `\nKeystore for ${environment} cards, ${opening.text}, revision ${String(revision)}. Custodians: ${names.join(", ") || "none"}.`,
      );
      for (const advice of adviceOn(answer)) print(`\n${advice}`);
    });
}

/** What the token says of a key; one that was made before this was asked for works on, and is told. */
const standingText = ({ born, fixed }: KeyStanding): string =>
  `${born ? "drawn there" : "brought in"}, ${fixed ? "fixed" : "MAY BE CHANGED OR COPIED: replace it"}`;
