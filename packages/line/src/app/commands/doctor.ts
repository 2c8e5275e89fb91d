import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import type { Command } from "commander";
import { readFonts } from "../../plan/layout/index.js";
import { dataRoot, timeZone } from "../config.js";
import { exitCode } from "../problem.js";
import { type CommonOptions, print, printJson, textTable, withData } from "./options.js";

interface Check {
  readonly what: string;
  readonly state: "ok" | "lacking" | "not built yet";
  readonly detail: string;
}

export function addDoctorCommand(program: Command): void {
  withData(program.command("doctor"))
    .description("what this machine has and lacks")
    .addHelpText("after", "\nExample:\n  $ persoline doctor")
    .action((options: CommonOptions) => {
      const checks = [
        node(),
        database(),
        token(),
        fonts(),
        clock(),
        folder(dataRoot(options.data)),
        ...later,
      ];
      if (options.json === true) printJson(checks);
      else
        print(
          textTable(
            ["what", "state", "detail"],
            checks.map(({ what, state, detail }) => [what, state, detail]),
          ),
        );
      if (checks.some(({ state }) => state === "lacking")) process.exitCode = exitCode.refused;
    });
}

function tried(what: string, remedy: string, work: () => string): Check {
  try {
    return { what, state: "ok", detail: work() };
  } catch (problem) {
    return {
      what,
      state: "lacking",
      detail: `${problem instanceof Error ? problem.message : "failed"}: ${remedy}`,
    };
  }
}

const node = (): Check => {
  const { node: found } = process.versions;
  return Number(found.split(".")[0]) >= 20
    ? { what: "Node", state: "ok", detail: found }
    : { what: "Node", state: "lacking", detail: `${found}: install version 20 or later` };
};

const database = (): Check =>
  tried("database", "apt-get install build-essential python3, then npm ci", () => {
    const memory = new Database(":memory:");
    const found = memory.prepare("select sqlite_version() as version").get() as { version: string };
    memory.close();
    return `SQLite ${found.version}`;
  });

/** Nobody needs a token to begin with: without its driver nothing is lacking. */
const token = (): Check => {
  const what = "security token";
  try {
    createRequire(import.meta.url)("pkcs11js");
    return { what, state: "ok", detail: "pkcs11js is installed: --security pkcs11 reaches tokens" };
  } catch {
    const detail =
      "pkcs11js is not installed, keys are kept in the vault; for tokens: apt-get install build-essential python3, then npm ci";
    return { what, state: "ok", detail };
  }
};

const fonts = (): Check =>
  tried("fonts", "they come with the package: install it again", () => Object.keys(readFonts()).join(", "));

const clock = (): Check =>
  Date.now() > Date.UTC(2026, 0, 1)
    ? { what: "clock", state: "ok", detail: `${new Date().toISOString()}, people read ${timeZone()}` }
    : { what: "clock", state: "lacking", detail: `${new Date().toISOString()} cannot be right: set it` };

function folder(root: string): Check {
  let existing = root;
  while (!existsSync(existing)) existing = dirname(existing);
  return tried("data folder", "choose another with --data, or mend its permissions", () => {
    accessSync(existing, constants.W_OK);
    const { bavail, bsize } = statfsSync(existing);
    return `${root}: ${((bavail * bsize) / 1024 ** 3).toFixed(1)} GiB free`;
  });
}

/** Said openly, so that nobody looks for them. */
const later: readonly Check[] = [
  { what: "card readers", state: "not built yet", detail: "this version drives simulated readers only" },
  { what: "cameras", state: "not built yet", detail: "this version sees through simulated cameras only" },
];
