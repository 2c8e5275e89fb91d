import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Before the tests: child processes and workers under test start from dist, so dist must be what the sources say. */
export default function build(): void {
  const root = fileURLToPath(new URL("..", import.meta.url));
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-b"], { cwd: root, stdio: "inherit" });
}
