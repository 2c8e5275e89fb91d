/** `persoline keys ceremonies | confirm | cancel | record`: the sittings after the first, and what a ceremony leaves. */
import { writeFileSync } from "node:fs";
import { counted } from "../../ledger/counted.js";
import type { Command } from "commander";
import { ceremonyNumber, deedText } from "../../devices/hsm/office/words.js";
import { lineKeyFile } from "../../devices/hsm/line-key.js";
import { office } from "../key-office.js";
import { recordPage, recordText } from "../key-record.js";
import { Refusal } from "../problem.js";
import { fileOf, type Options, told, withCustodian, withKeystore, withPiece } from "./keys-options.js";
import { print, printJson, textTable } from "./options.js";

export function addCeremonies(keys: Command): void {
  withKeystore(keys.command("ceremonies"))
    .description("ceremonies that wait for a custodian, and those that are whole")
    .addHelpText("after", "\nExample:\n  $ persoline keys ceremonies")
    .action(async (options: Options) => {
      const { pending, records } = await office({ ask: "list" }, options);
      if (options.json === true) return printJson({ pending, records });
      print(
        textTable(
          ["ceremony", "what", "sat", "needed"],
          pending.map(({ number, action, sittings, needed }) => [
            number,
            deedText(action),
            sittings.map(({ by }) => by).join(", "),
            needed,
          ]),
        ),
      );
      for (const { number, action } of pending)
        if (action.do === "allow") print(`\n${number} would allow:\n  ${action.sentences.join("\n  ")}`);
      print(
        `\n${counted(records.length, "ceremony is", "ceremonies are")} whole; ${records.length === 1 ? "its record is" : "all their records are"} in order.`,
      );
    });

  withPiece(keys.command("confirm"))
    .description("the next custodian's sitting; the last one makes the ceremony whole")
    .argument("<ceremony>", "its number, C-0001")
    .option("--out <file>", "where a key block goes that leaves now")
    .addHelpText("after", "\nExample:\n  $ persoline keys confirm C-0003 --by 'B. Novak'")
    .action(async (number: string, options: Options & { readonly by: string; readonly out?: string }) => {
      const { by, pieceKcv, out } = options;
      const answer = await office(
        {
          ask: "confirm",
          number,
          by,
          ...(pieceKcv === undefined ? {} : { pieceKcv }),
          ...(out === undefined ? {} : { wantsBlock: true }),
        },
        options,
      );
      const { block } = answer;
      if (block !== undefined && out !== undefined) writeFileSync(out, `${block}\n`, { mode: 0o600 });
      told(answer, options.json, block === undefined ? {} : out === undefined ? { block } : fileOf(out));
      if (block === undefined || options.json === true) return;
      print(out === undefined ? block : `The key block is in ${out}.`);
    });

  withCustodian(keys.command("cancel"))
    .description("end a ceremony that is not whole; its pieces are forgotten")
    .argument("<ceremony>", "its number")
    .addHelpText("after", "\nExample:\n  $ persoline keys cancel C-0003 --by 'A. Meyer'")
    .action(async (typed: string, options: Options & { readonly by: string }) => {
      const number = ceremonyNumber(typed);
      await office({ ask: "cancel", number, by: options.by }, options);
      if (options.json === true) return printJson({ ceremony: number, state: "cancelled" });
      print(`Ceremony ${number} is over; nothing of it stays.`);
    });

  withKeystore(keys.command("record"))
    .description("the signed record of a whole ceremony, to print and to sign by hand")
    .argument("<ceremony>", "its number")
    .option("--html <file>", "as a page that prints well")
    .addHelpText("after", "\nExample:\n  $ persoline keys record C-0003 --html C-0003.html")
    .action(async (typed: string, options: Options & { readonly html?: string }) => {
      const number = ceremonyNumber(typed);
      const { records, signedBy } = await office({ ask: "list" }, options);
      const record = records.find((one) => one.text.includes(`"number": "${number}"`));
      if (record === undefined)
        throw new Refusal(
          `no ceremony ${number} is whole; "persoline keys ceremonies" shows those that wait`,
        );
      if (options.html !== undefined) writeFileSync(options.html, recordPage(record, signedBy));
      if (options.json === true) return printJson({ ...record, signedBy, ...fileOf(options.html) });
      if (options.html === undefined) return print(recordText(record, signedBy));
      print(`The record is in ${options.html}.`);
    });

  withKeystore(keys.command("signature"))
    .description(
      "the public half of the line's signature: the letter printer and the stripe's encoder know the line by it, whoever checks result files too",
    )
    .option("--out <file>", "where it goes, PEM (default: printed)")
    .addHelpText("after", `\nExample:\n  $ persoline keys signature --out ${lineKeyFile}`)
    .action(async (options: Options & { readonly out?: string }) => {
      const { signedBy } = await office({ ask: "list" }, options);
      if (options.out !== undefined) writeFileSync(options.out, signedBy);
      if (options.json === true) return printJson({ signature: signedBy, ...fileOf(options.out) });
      if (options.out === undefined) return print(signedBy.trimEnd());
      print(
        `The public half is in ${options.out}: bring it to the machines by hand, and compare it there with "persoline keys signature".`,
      );
    });
}
