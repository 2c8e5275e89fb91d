import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * Before the tests: child processes and workers under test start from dist, so dist must be what the sources say.
 * Type errors are shown and do not stop a run of tests (files are emitted anyway); `npm run check` counts them.
 */
export default function build(): void {
  const root = fileURLToPath(new URL("..", import.meta.url));
  spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-b"], { cwd: root, stdio: "inherit" });
  spawnSync(process.execPath, ["tools/bundle.mjs"], { cwd: root, stdio: "inherit" });
}
