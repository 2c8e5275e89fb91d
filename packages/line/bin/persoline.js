#!/usr/bin/env node
import { statSync } from "node:fs";

/** @param {string} file @returns {number} when it was written; 0: it is not there */
const at = (file) =>
  statSync(new URL(`../${file}`, import.meta.url), { throwIfNoEntry: false })?.mtimeMs ?? 0;

// The joined program is there sooner. It is not taken where something was compiled after it, or npm installed something (in the workspace, where
// it is joined again; a package that was installed itself is whole).
const compiled = ["dist/line", "../card/dist/card", "../card/dist/card-node"].map((one) =>
  at(`${one}.tsbuildinfo`),
);
const installed = at("../../tools/bundle.mjs") === 0 ? 0 : at("../../node_modules/.package-lock.json");
const joined = at("bundle/app-cli.js") >= Math.max(...compiled, installed);
await import(joined ? "../bundle/app-cli.js" : "../dist/app/cli.js");
