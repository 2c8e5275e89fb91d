/** The joined program of a small workspace of its own. */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

const repository = fileURLToPath(new URL("..", import.meta.url));
let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "persoline-bundle-")));
  put("package.json", '{ "type": "module" }');
  put("tools/bundle.mjs", "");
  copyFileSync(join(repository, "tools/bundle.mjs"), join(root, "tools/bundle.mjs"));
  put("packages/line/bin/persoline.js", "");
  copyFileSync(
    join(repository, "packages/line/bin/persoline.js"),
    join(root, "packages/line/bin/persoline.js"),
  );
  put("packages/line/dist/line.tsbuildinfo", "");
  put("packages/line/dist/app/cli.js", 'import { said } from "commander";\nprocess.stdout.write(said);\n');
  install("1.0.0");
  symlinkSync(join(repository, "node_modules/vite"), join(root, "node_modules/vite"));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

/** As npm does it. */
function install(version: string): void {
  const about = { name: "commander", version, license: "MIT", type: "module", main: "index.js" };
  put("node_modules/commander/package.json", JSON.stringify(about));
  put("node_modules/commander/index.js", `export const said = "commander ${version}";\n`);
  put("node_modules/commander/LICENSE", "Permission is hereby granted\n");
  put("node_modules/.package-lock.json", version);
}

function run(file: string): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, file)], { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
}
const joinAll = () => run("tools/bundle.mjs");
const program = () => run("packages/line/bin/persoline.js");
const bundle = (file: string) => join(root, "packages/line/bundle", file);

test("is joined anew when a dependency was mended, and until then the program runs what is installed", () => {
  joinAll();
  expect(program()).toBe("commander 1.0.0");
  const before = readFileSync(bundle("app-cli.js"), "utf8");
  writeFileSync(bundle("mark"), "");
  joinAll();
  expect(existsSync(bundle("mark"))).toBe(true);
  install("1.0.1");
  expect(program()).toBe("commander 1.0.1");
  joinAll();
  expect(readFileSync(bundle("app-cli.js"), "utf8")).not.toBe(before);
  expect(program()).toBe("commander 1.0.1");
  // A package that was installed itself: what else npm installs beside it later is no matter of the joined program's.
  install("1.0.2");
  renameSync(join(root, "tools/bundle.mjs"), join(root, "tools/elsewhere"));
  expect(program()).toBe("commander 1.0.1");
  renameSync(join(root, "tools/elsewhere"), join(root, "tools/bundle.mjs"));
  // Other code with an older time, as in a folder that was copied or put back.
  install("1.0.0");
  utimesSync(join(root, "node_modules/.package-lock.json"), 1, 1);
  joinAll();
  expect(program()).toBe("commander 1.0.0");
}, 60_000);

test("has the licences of what is joined in it, and takes away what killed builds left, not what others are at", () => {
  const gone = spawnSync(process.execPath, ["-e", ""]).pid;
  put(`packages/line/bundle-${String(gone)}/half.js`, "");
  put(`packages/line/bundle-${String(process.pid)}/half.js`, "");
  joinAll();
  expect(existsSync(join(root, `packages/line/bundle-${String(gone)}`))).toBe(false);
  expect(existsSync(join(root, `packages/line/bundle-${String(process.pid)}`))).toBe(true);
  expect(readFileSync(bundle("LICENSES.txt"), "utf8")).toBe(
    "commander 1.0.0 (MIT)\n\nPermission is hereby granted\n",
  );
}, 60_000);
