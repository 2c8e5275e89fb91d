import { readFileSync } from "node:fs";
import { Command } from "commander";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command("persoline")
  .description("Smart card personalization line: from an order's spreadsheet to verified cards")
  .version(manifest.version)
  .showSuggestionAfterError()
  .exitOverride((end) => {
    // Commander ends with 1 on a wrong option; wrong usage is 2 here.
    process.exit(end.exitCode === 0 ? 0 : 2);
  });

await program.parseAsync();
