/** The command line as a user has it, for tests: the built program in a process of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../../../", import.meta.url));
export const program = join(root, "packages/line/bin/persoline.js");

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export function persoline(words: readonly string[], input?: string): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
    encoding: "utf8",
    ...(input === undefined ? {} : { input }),
    maxBuffer: 1 << 26,
    // A command that hangs is a failed test, not a test that hangs.
    timeout: 600_000,
  });
  return { code: status, out: stdout, err: stderr };
}

/** Started, not awaited. With an environment of its own its output comes by pipes, which must be read. */
/** `secret`: an open file, as descriptor 3. */
export const begun = (
  words: readonly string[],
  env?: Readonly<Record<string, string>>,
  secret?: number,
): ChildProcess =>
  spawn(
    process.execPath,
    [program, ...words],
    env === undefined
      ? { stdio: "ignore" }
      : { stdio: ["ignore", "pipe", "pipe", ...(secret === undefined ? [] : [secret])], env },
  );

/** A line file of the examples that does not wait. */
export function idealLine(
  folder: string,
  name: string,
  change: (text: string) => string = (text) => text,
): string {
  const text = readFileSync(join(root, "examples/lines", `${name}.yaml`), "utf8");
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, change(text.replace(/mode: \w+/, "mode: ideal").replace(/speed: .*\n/, "")));
  return file;
}

/** An order of the first so many people of the plastics company, in a folder of its own. Header row and people go through `change`. */
export function smallOrder(
  folder: string,
  people: number,
  change: (rows: string[]) => string[] = (rows) => rows,
  number = "T-1",
): string {
  const office = join(root, "examples/office-access");
  mkdirSync(join(folder, "photos"), { recursive: true });
  const rows = readFileSync(join(office, "employees.csv"), "utf8")
    .trimEnd()
    .split(/\r?\n/)
    .slice(0, people + 1);
  for (const row of rows.slice(1)) {
    const photo = /[^,;]+\.png/.exec(row)?.[0];
    if (photo !== undefined) copyFileSync(join(office, "photos", photo), join(folder, "photos", photo));
  }
  writeFileSync(join(folder, "employees.csv"), `${change(rows).join("\n")}\n`);
  const file = join(folder, "order.yaml");
  writeFileSync(
    file,
    `order: "${number}"
customer: Polymerica Plastics
product: ${join(root, "examples/products/office-access/product.yaml")}
input: { file: employees.csv, photos: photos }
line: ${join(root, "examples/lines/carousel.yaml")}
environment: test
keys: ${join(root, "examples/keys/test-keys.yaml")}
`,
  );
  return file;
}
