import { once } from "node:events";
import { join } from "node:path";
import type { Command } from "commander";
import { warn } from "../answer.js";
import { dataRoot } from "../config.js";
import { openEmbossStation, readEmbossStation } from "../emboss-station.js";
import { WrongUsage } from "../problem.js";
import { differenceText, differs } from "../../ledger/trays.js";
import { knownDataFolder } from "../data-folder.js";
import { settleTray, traysOf } from "../trays.js";
import {
  type CommonOptions,
  type DecisionOptions,
  print,
  printJson,
  textTable,
  withData,
  withDecision,
  withPassphrase,
} from "./options.js";

interface StationOptions extends CommonOptions {
  readonly listen: string;
}

export function addStationCommands(program: Command): void {
  const station = program.command("station").description("stations of a line that stand in another room");
  withData(station.command("emboss"))
    .description(
      "strike the lines that a line sends over mutual TLS, on the card whose chip is read here; until Ctrl-C",
    )
    .argument("<station.yaml>", "its name, certificates, reader and machines")
    .requiredOption("--listen <host:port>", "where the line finds it; port 0: any free one")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline station emboss embosser-room.yaml --listen 10.0.7.2:7443 --data /var/lib/persoline" +
        "\n\nIts journal lies in stations/NAME of the data folder. docs/visual-stations.md tells how its certificates are made.",
    )
    .action(async (path: string, options: StationOptions) => {
      const [, host, port] = /^(.+):(\d{1,5})$/.exec(options.listen) ?? [];
      if (host === undefined || Number(port) > 65_535)
        throw new WrongUsage(`--listen ${options.listen}: this is no HOST:PORT`);
      const file = readEmbossStation(path);
      const open = await openEmbossStation({
        file,
        host,
        port: Number(port),
        data: join(dataRoot(options.data), "stations", file.station),
        onEvent: options.json === true ? warn : print,
      });
      // Heard before it is told: whoever reads it may end this at once.
      const ended = new AbortController();
      const toEnd = Promise.race(
        (["SIGINT", "SIGTERM"] as const).map((signal) => once(process, signal, { signal: ended.signal })),
      );
      if (options.json === true)
        printJson({ station: file.station, listens: { host, port: open.port }, line: file.line });
      else print(`${file.station} listens at ${host}:${String(open.port)} for line ${file.line}`);
      await toEnd;
      await open.close();
    });

  withData(station.command("trays"))
    .description("trays that lines sent to other rooms, or that stations were sent, and what became of them")
    .addHelpText("after", "\nExample:\n  $ persoline station trays --data /var/lib/persoline")
    .action((options: CommonOptions) => {
      const { lines, stations } = traysOf(knownDataFolder(dataRoot(options.data)));
      if (options.json === true) return printJson({ lines, stations });
      if (lines.length + stations.length === 0) print("No tray ever went to another room.");
      for (const { line, trays } of lines) {
        print(`Line ${line}:`);
        const rows = trays.map(({ tray, cards, result, decision, outAt, inAt }) => {
          const of = (state: string): number => result?.ends.filter((end) => end.state === state).length ?? 0;
          const note =
            result === undefined || !differs(result)
              ? ""
              : `${differenceText(result)}${decision === undefined ? ": two people must decide" : ` (${decision.by} and ${decision.witness}: ${decision.reason})`}`;
          const came = inAt ?? (result === undefined ? "out" : "differs");
          return [tray, cards.length, of("struck"), of("rejected"), of("untouched"), outAt, came, note];
        });
        print(textTable(["tray", "cards", "good", "rejects", "untouched", "out", "in", "difference"], rows));
      }
      for (const { station: name, trays } of stations) {
        print(`Station ${name}:`);
        const rows = trays.map((tray) => [
          tray.tray,
          tray.cards,
          tray.struck,
          tray.rejected,
          tray.untouched,
          tray.strangers,
          tray.outAt,
          tray.inAt ?? "here",
        ]);
        print(textTable(["tray", "cards", "good", "rejects", "untouched", "strangers", "out", "in"], rows));
      }
    });

  withPassphrase(withData(station.command("settle")))
    .description(
      "two people decide that a tray is counted in as it came back, with cards missing or more than were sent; the next run does it",
    )
    .argument("<tray>", 'its name, as "persoline station trays" shows it')
    .requiredOption("--reason <text>", "why; no personal data: it stays in the audit")
    .requiredOption("--by <name>", "the first person")
    .requiredOption("--and <name>", "the second person")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline station settle 2026-117.tray-4 --reason 'one card fell into the machine' --by 'A. Meyer' --and 'B. Novak'",
    )
    .action((tray: string, options: DecisionOptions & { readonly reason: string; readonly and: string }) =>
      withDecision(options, async (store, data, by) => {
        const { reason, and: witness } = options;
        const { line, difference } = await settleTray({ store, data, tray, reason, by, witness });
        if (options.json === true) return printJson({ tray, line, difference, settled: true });
        print(
          `Tray ${tray} (${difference}) is counted in as it came when line ${line} runs again; missing cards are then held.`,
        );
      }),
    );
}
