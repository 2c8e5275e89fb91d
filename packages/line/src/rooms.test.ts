import { readdirSync, readFileSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

/** Who may import whom, as docs/ARCHITECTURE.md draws it. `devices` is decided file by file, below. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  orders: [],
  plan: ["orders"],
  devices: [],
  ledger: ["orders"],
  access: ["devices/*/port", "ledger"],
  stations: ["orders", "plan", "ledger", "devices/*/port"],
  store: ["orders", "ledger", "access"],
  app: ["orders", "plan", "stations", "devices", "ledger", "access", "store"],
};

/** The virtual card is written apart from the host side; sharing more would let one mistake cancel itself out. */
const sharedWithVirtualCard = ["bytes", "tlv", "apdu", "crypto"];

interface Source {
  /** From the repository's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Tests and what only they use. */
const isTest = (path: string): boolean => /\.test(\.data)?\.ts$/.test(path);

/** Every module a source names: static, re-exported, for side effects, in type positions and dynamic. */
function importsOf(text: string): string[] {
  const code = text.replaceAll(/^\s*(?:\/\/|\*|\/\*).*$/gm, "");
  const forms = [
    /\b(?:import|export)\b[^;"'`()]*?\bfrom\s*["']([^"']+)["']/g,
    /\bimport\s*["']([^"']+)["']/g,
    /\b(?:import|require)\(\s*["'`]([^"'`]+)["'`]/g,
  ];
  return forms.flatMap((form) => [...code.matchAll(form)].map((found) => found[1] ?? ""));
}

/** The room a file inside `src` lives in, and the device kind for `devices`. */
function place(inside: string): { room: string; kind: string } {
  const [room = "", kind = ""] = inside.split("/");
  return { room: inside.includes("/") ? room : "", kind: kind.replace(/\.ts$/, "") };
}

function lineMayImport(from: string, to: string): boolean {
  const here = place(from);
  const there = place(to);
  if (here.room === there.room && here.room !== "devices") return here.room !== "";
  // A file right in `devices` (the fault they all throw) belongs to every port.
  const isPort = /^devices\/(?:[^/]+\/port|[^/]+)\.ts$/.test(to);
  if (here.room === "devices" && there.room === "devices")
    return here.kind === there.kind || there.kind === "shop-floor" || isPort;
  return (arrows[here.room] ?? []).some((arrow) =>
    arrow === "devices/*/port" ? isPort : arrow === there.room,
  );
}

function wrongInLine(from: string, specifier: string): string | undefined {
  if (specifier.startsWith("@persoline/card")) {
    return /^@persoline\/card\/[^/]+$/.test(specifier)
      ? undefined
      : "enters the card package past its exports";
  }
  if (!specifier.startsWith(".")) return undefined;
  const to = posix.join(posix.dirname(from), specifier).replace(/\.js$/, ".ts");
  if (to.startsWith("..")) return to.endsWith("package.json") ? undefined : "leaves the package";
  return lineMayImport(from, to) ? undefined : `${place(from).room || "no room"} may not import ${to}`;
}

function wrongInCard(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return "card imports nobody outside itself";
  const to = posix.join(posix.dirname(from), specifier);
  if (to.startsWith("..")) return "card's src imports nobody outside itself";
  const here = place(from).room;
  const there = place(to).room;
  if (here === there) return undefined;
  if (here === "virtual" && !sharedWithVirtualCard.includes(there)) {
    return `the virtual card shares only ${sharedWithVirtualCard.join(", ")} with the host side`;
  }
  return there === "virtual" ? "only tests and other packages use the virtual card" : undefined;
}

/** One text for each broken rule; nothing when the sources keep them all. Tests may import what they like. */
function brokenRules(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) => {
    if (isTest(path) || path.endsWith(".d.ts")) return [];
    const [, owner = "", from = ""] = /^packages\/([^/]+)\/src\/(.+)$/.exec(path) ?? [];
    const judge = owner === "card" ? wrongInCard : wrongInLine;
    const broken = importsOf(text).flatMap((specifier) => {
      const why = judge(from, specifier);
      return why === undefined ? [] : [`${path} imports ${specifier}: ${why}`];
    });
    if (!from.includes("/")) broken.push(`${path} lives in no room`);
    else if (owner === "line" && !(place(from).room in arrows))
      broken.push(`${path} lives in an unknown room`);
    if (/\bprocess\s*\.\s*env\b/.test(text) && !(owner === "line" && from === "app/config.ts")) {
      broken.push(`${path} reads process.env, which only app/config.ts may`);
    }
    return broken;
  });
}

/** Comments that silence a compiler or a linter. Written in halves, so that this file does not find itself. */
const silencers = [
  "@ts-" + "ignore",
  "@ts-" + "nocheck",
  "oxlint-" + "disable",
  "eslint-" + "disable",
  "biome-" + "ignore",
];

function sourcesOf(...folders: string[]): Source[] {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(?:ts|mjs|js)$/.test(entry.name))
      .map((entry) => {
        const file = join(entry.parentPath, entry.name);
        return { path: relative(root, file).split(sep).join("/"), text: readFileSync(file, "utf8") };
      }),
  );
}

const sources = sourcesOf("packages/card/src", "packages/line/src");

describe("rooms", () => {
  test("the sources are found at all", () => {
    expect(sources.map((source) => source.path)).toContain("packages/line/src/app/cli.ts");
    expect(sources.some((source) => source.path.startsWith("packages/card/src/"))).toBe(true);
  });

  test("every import goes along an arrow of the map", () => {
    expect(brokenRules(sources)).toEqual([]);
  });

  test("nothing that is read of a card can come to its verdict: only these know the reader", () => {
    const knowing = (module: RegExp): string[] =>
      sources
        .filter(({ path, text }) => !isTest(path) && importsOf(text).some((one) => module.test(one)))
        .map(({ path }) => path.replace("packages/line/src/", ""))
        .filter((path) => !path.startsWith("stations/reading/"))
        .toSorted();
    expect(knowing(/^tesseract\.js/)).toEqual([]);
    // Their thread, what is asked of it, who asks, and the command that a person gives. Neither the judge nor its workers.
    expect(knowing(/\/reading\//)).toEqual([
      "app/commands/quality.ts",
      "app/reading-desk.ts",
      "app/reading-protocol.ts",
      "app/reading-worker.ts",
    ]);
  });

  test("nobody silences the compiler or the linter", () => {
    const silenced = [...sources, ...sourcesOf("packages/card/node", "tools")]
      .filter(({ text }) => silencers.some((silencer) => text.includes(silencer)))
      .map(({ path }) => path);
    expect(silenced).toEqual([]);
  });
});

describe("the rule itself", () => {
  const line = (from: string, specifier: string): string[] =>
    brokenRules([{ path: `packages/line/src/${from}`, text: `import { x } from "${specifier}";` }]);
  const card = (from: string, specifier: string): string[] =>
    brokenRules([{ path: `packages/card/src/${from}`, text: `import { x } from "${specifier}";` }]);

  test.each([
    ["orders/read.ts", "../plan/prepare.js"],
    ["orders/read.ts", "../devices/problem.js"],
    ["orders/read.ts", "../ledger/stock.js"],
    ["plan/prepare.ts", "../devices/reader/port.js"],
    ["plan/prepare.ts", "../stations/visit.js"],
    ["devices/reader/simulated.ts", "../../orders/record.js"],
    ["devices/reader/simulated.ts", "../hsm/vault.js"],
    ["ledger/accounts.ts", "../store/sqlite.js"],
    ["ledger/accounts.ts", "../plan/prepare.js"],
    ["access/gate.ts", "../devices/reader/simulated.js"],
    ["access/gate.ts", "../orders/record.js"],
    ["stations/completion.ts", "../devices/hsm/vault.js"],
    ["stations/completion.ts", "../store/schema.js"],
    ["stations/completion.ts", "../app/config.js"],
    ["store/orders.ts", "../stations/line.js"],
    ["store/orders.ts", "../../../card/src/bytes/index.js"],
    ["store/orders.ts", "@persoline/card/src/bytes"],
    ["store/orders.ts", "@persoline/card"],
    ["loose.ts", "zod"],
    ["unknown/file.ts", "zod"],
  ])("line: %s may not import %s", (from, specifier) => {
    expect(line(from, specifier)).toHaveLength(1);
  });

  test.each([
    ["orders/read.ts", "./columns.js"],
    ["orders/read.ts", "@persoline/card/bytes"],
    ["orders/read.ts", "csv-parse"],
    ["plan/prepare.ts", "../orders/record.js"],
    ["devices/reader/simulated.ts", "./port.js"],
    ["devices/reader/simulated.ts", "../shop-floor/stock.js"],
    ["devices/reader/port.ts", "../problem.js"],
    ["stations/line.ts", "../devices/problem.js"],
    ["devices/reader/simulated.ts", "../transport/port.js"],
    ["access/gate.ts", "../devices/reader/port.js"],
    ["access/gate.ts", "../ledger/refusals.js"],
    ["stations/completion.ts", "../devices/hsm/port.js"],
    ["stations/completion.ts", "../plan/prepare.js"],
    ["store/orders.ts", "../access/passage.js"],
    ["app/run.ts", "../devices/hsm/vault.js"],
    ["stations/completion.test.ts", "../store/sqlite.js"],
  ])("line: %s may import %s", (from, specifier) => {
    expect(line(from, specifier)).toEqual([]);
  });

  test.each([
    ["apdu/command.ts", "node:crypto"],
    ["apdu/command.ts", "../../node/index.js"],
    ["apdu/command.ts", "zod"],
    ["virtual/channel.ts", "../globalplatform/index.js"],
    ["virtual/channel.ts", "../program/index.js"],
    ["virtual/files.ts", "../iso7816/fcp.js"],
    ["program/runner.ts", "../virtual/index.js"],
  ])("card: %s may not import %s", (from, specifier) => {
    expect(card(from, specifier)).toHaveLength(1);
  });

  test.each([
    ["virtual/files.ts", "../tlv/index.js"],
    ["virtual/os/files.ts", "../../crypto/index.js"],
    ["program/runner.ts", "../apdu/index.js"],
    ["program/runner.test.ts", "../virtual/index.js"],
    ["program/runner.test.ts", "node:fs"],
  ])("card: %s may import %s", (from, specifier) => {
    expect(card(from, specifier)).toEqual([]);
  });

  test.each([
    'import type {\n  A,\n  B,\n} from "../plan/a.js";',
    'export * from "../plan/a.js";',
    'export { a } from "../plan/a.js";',
    'import "../plan/a.js";',
    'const a = await import("../plan/a.js");',
    'type A = import("../plan/a.js").A;',
    'import a, { b } from "zod"; import * as c from "../plan/a.js";',
  ])("sees the import in: %s", (text) => {
    expect(brokenRules([{ path: "packages/line/src/orders/read.ts", text }])).toHaveLength(1);
  });

  test("takes no comment for an import", () => {
    const text = '// import { a } from "../plan/a.js";\n/** import { a } from "../plan/a.js" */\n';
    expect(brokenRules([{ path: "packages/line/src/orders/read.ts", text }])).toEqual([]);
  });

  test("finds process.env outside app/config.ts", () => {
    const text = "const home = process.env.HOME;";
    expect(brokenRules([{ path: "packages/line/src/app/run.ts", text }])).toHaveLength(1);
    expect(brokenRules([{ path: "packages/line/src/app/config.ts", text }])).toEqual([]);
  });
});
