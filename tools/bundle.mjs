// Joins what tsc wrote into few files, so that a command is there at once: a thousand small modules took it most of a second of processor.
// bin/persoline.js takes the joined program unless dist or what was installed is newer. Everything that builds calls this; where nothing changed
// it does nothing.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
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

/** What npm installed, as it wrote it down: a dependency that is mended is joined anew. */
const installed = "../node_modules/.package-lock.json";
const newest = Math.max(compiled, writtenAt(installed));
const stampFile = "made-of.txt";
const stamp = createHash("sha256")
  .update(readFileSync(fileURLToPath(import.meta.url)))
  .update(writtenAt(installed) === 0 ? "" : readFileSync(join(packages, installed)))
  .digest("hex");

function isCurrent() {
  if (writtenAt("line/bundle/app-cli.js") < newest) return false;
  const file = join(bundle, stampFile);
  return statSync(file, { throwIfNoEntry: false }) !== undefined && readFileSync(file, "utf8") === stamp;
}

/** @param {string} pid @returns {boolean} */
function lives(pid) {
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (problem) {
    return /** @type {NodeJS.ErrnoException} */ (problem).code === "EPERM";
  }
}

/** What builds left that were killed. */
function sweep() {
  for (const name of readdirSync(join(packages, "line"))) {
    const pid = /^bundle-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !lives(pid))
      rmSync(join(packages, "line", name), { recursive: true, force: true });
  }
}

/**
 * What is joined in is handed out with it, and its licences ask for their texts.
 * @param {ReadonlySet<string>} folders of packages
 * @returns {string}
 */
function licences(folders) {
  return [...folders]
    .toSorted()
    .map((folder) => {
      const { name, version, license } = /** @type {Record<string, string>} */ (
        JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
      );
      const file = readdirSync(folder).find((one) => /^licen[cs]e(\.|$)/i.test(one));
      if (file === undefined) throw new Error(`${folder}: no licence to hand out with what is joined of it`);
      return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
    })
    .join(`\n${"-".repeat(80)}\n\n`);
}

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
        generateBundle(_, files) {
          const ids = Object.values(files).flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
          const folders = new Set(
            ids.flatMap(
              (id) =>
                /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/.exec(
                  id.replace(/^\0/, ""),
                )?.[1] ?? [],
            ),
          );
          this.emitFile({ type: "asset", fileName: "LICENSES.txt", source: licences(folders) });
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

sweep();
if (!isCurrent()) {
  await joinAll();
  writeFileSync(join(beside, stampFile), stamp);
  // Of the moment of what it was made from, to the millisecond: what is compiled meanwhile is newer.
  const moment = Math.ceil(newest) / 1000;
  utimesSync(join(beside, "app-cli.js"), moment, moment);
  rmSync(bundle, { recursive: true, force: true });
  renameSync(beside, bundle);
}
