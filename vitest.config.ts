import { defaultServerConditions } from "vite";
import { configDefaults, defineConfig } from "vitest/config";
import LongestFirst from "./tools/longest-first.js";

// Tests run from the sources of both packages; child processes and workers start from dist (tools/build.ts).
const common = { ssr: { resolve: { conditions: ["persoline-source", ...defaultServerConditions] } } };
// No test is timed: on a busy machine the runner's five seconds would be a verdict on the neighbours.
const patience = { testTimeout: 60_000, hookTimeout: 60_000 };
const exclude = [...configDefaults.exclude, "**/dist/**"];
const e2e = "packages/line/src/**/*.e2e.test.ts";
// With a pcscd of their own, where tools/pcsc.mjs has made a world for it: a machine's own readers are no test bench.
// `node tools/pcsc.mjs namespace npx vitest run --project pcsc`; npm test does, and fails where that cannot be.
const pcsc = "packages/line/src/**/*.pcsc.test.ts";

const realReaders = {
  ...common,
  test: {
    name: "pcsc",
    include: [pcsc],
    exclude,
    testTimeout: 300_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
};

export default defineConfig({
  test: {
    globalSetup: "tools/build.ts",
    // Both cores: left to itself, the runner keeps one free.
    maxWorkers: "100%",
    sequence: { sequencer: LongestFirst },
    reporters: ["default", "./tools/reporter.ts"],
    projects: [
      {
        ...common,
        test: {
          name: "card",
          ...patience,
          include: ["packages/card/**/*.test.ts"],
          exclude: [...exclude, "**/*.e2e.test.ts"],
          // Pure code shares nothing but its own constants: one module world for all files is four times faster.
          isolate: false,
        },
      },
      {
        ...common,
        test: {
          name: "line",
          ...patience,
          include: ["packages/line/src/**/*.test.ts", "tools/**/*.test.ts"],
          exclude: [...exclude, e2e, pcsc],
          isolate: false,
        },
      },
      {
        ...common,
        test: {
          name: "e2e",
          include: [e2e, "packages/card/**/*.e2e.test.ts"],
          exclude,
          // Beside each other: each file has folders, ports and tokens of its own, and a busy neighbour makes none fail.
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      ...(process.env["PERSOLINE_PRIVATE_PCSC"] === undefined ? [] : [realReaders]),
    ],
  },
});
