import { once } from "node:events";
import { join } from "node:path";
import type { Command } from "commander";
import { warn } from "../answer.js";
import { dataRoot } from "../config.js";
import { openEmbossStation, readEmbossStation } from "../emboss-station.js";
import { WrongUsage } from "../problem.js";
import { type CommonOptions, print, printJson, withData } from "./options.js";

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
}
