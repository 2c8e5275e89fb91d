// Joins what tsc wrote into few files, so that a command is there at once: a thousand small modules took it most of a second of processor.
// bin/persoline.js takes the joined program unless dist is newer. Everything that builds calls this; where nothing changed it does nothing.
import { renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const packages = fileURLToPath(new URL("../packages", import.meta.url));
const dist = join(packages, "line/dist");
const bundle = join(packages, "line/bundle");
/** Made beside it and renamed: nobody starts half a program. */
const beside = `${bundle}-${String(process.pid)}`;
/** Many small modules, and nothing but JavaScript. What is not named here stays in node_modules. */
const joined = ["@persoline/card", "@msgpack/msgpack", "commander", "csv-parse", "kysely", "yaml", "zod"];
/** How the sources name what a process or worker of its own starts from. */
const starts = /new URL\("(?:\.\.\/)+dist\/([^"]+)\.js", import\.meta\.url\)/g;

/** @param {string} file @returns {number} when it was written; 0: it is not there */
const writtenAt = (file) => statSync(join(packages, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
/** The compiler's last work, as bin/persoline.js asks for it too. */
const compiled = Math.max(
  ...["card/dist/card", "card/dist/card-node", "line/dist/line"].map((one) =>
    writtenAt(`${one}.tsbuildinfo`),
  ),
);

/** @param {string} name a module of dist @returns {string} its file in the bundle, which has no folders */
const flat = (name) => name.replaceAll("/", "-");

async function joinAll() {
  const { build } = await import("vite");
  await build({
    configFile: false,
    logLevel: "warn",
    root: dist,
    publicDir: false,
    ssr: { noExternal: joined },
    plugins: [
      {
        name: "places",
        // A module finds its files where it lay in dist; what it starts lies beside it in the bundle.
        transform(code, id) {
          if (!id.startsWith(packages + sep) || !code.includes("import.meta.url")) return null;
          const own = JSON.stringify(relative(bundle, id).replaceAll(sep, "/"));
          const named = code.replaceAll(starts, (_, /** @type {string} */ name) => {
            this.emitFile({ type: "chunk", id: join(dist, `${name}.js`), fileName: `${flat(name)}.js` });
            return `new URL("./${flat(name)}.js", import.meta["url"])`;
          });
          return named.replaceAll("import.meta.url", `new URL(${own}, import.meta["url"]).href`);
        },
      },
    ],
    build: {
      ssr: true,
      outDir: beside,
      emptyOutDir: true,
      minify: false,
      target: "node20",
      rolldownOptions: {
        input: { "app-cli": join(dist, "app/cli.js") },
        output: { entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" },
      },
    },
  });
}

if (writtenAt("line/bundle/app-cli.js") < compiled) {
  await joinAll();
  // Of the moment of what it was made from, to the millisecond: what is compiled meanwhile is newer.
  const moment = Math.ceil(compiled) / 1000;
  utimesSync(join(beside, "app-cli.js"), moment, moment);
  rmSync(bundle, { recursive: true, force: true });
  renameSync(beside, bundle);
}
