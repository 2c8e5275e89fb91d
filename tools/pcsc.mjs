// A private PC/SC service for tests, benches and people: its own pcscd with virtual slots, on a loopback of its own.
//
//   node tools/pcsc.mjs run [--slots 4] [--] COMMAND...   the command with a private pcscd
//   node tools/pcsc.mjs namespace [--] COMMAND...         the command in the private world, without pcscd
//   node tools/pcsc.mjs daemon [--slots 4]                pcscd inside such a world, until it is told to end
//   node tools/pcsc.mjs usb                               the same with USB readers that come and go as standard input says (usb_readers.py)
//   node tools/pcsc.mjs prepare                           what all this needs: installed where root may, else said
//
// vpcd listens on all addresses and takes whatever connects, and every answer takes 44 ms where acknowledgements are delayed: so
// everything runs in a network namespace of its own, whose loopback acknowledges at once. The machine's own pcscd is not touched.
import { spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const self = fileURLToPath(import.meta.url);
const driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
/** What every child inside sees: the network namespace outside. Also how a test knows that it is inside. */
const mark = "PERSOLINE_PRIVATE_PCSC";
const firstPort = 35_963;
/** Each copy of vpcd's driver has two. */
const slotsOfDriver = 2;

/** @type {readonly { what: string, there: () => boolean, packages: string }[]} */
const needs = [
  { what: "the PC/SC service", there: () => found("pcscd"), packages: "pcscd" },
  { what: "its virtual reader vpcd", there: () => existsSync(driver), packages: "vsmartcard-vpcd" },
  { what: "vicc, a foreign virtual card", there: () => found("vicc"), packages: "vsmartcard-vpicc" },
  { what: "opensc-tool", there: () => found("opensc-tool"), packages: "opensc" },
  { what: "pcsc_scan", there: () => found("pcsc_scan"), packages: "pcsc-tools" },
  {
    what: "unshare and mount",
    there: () => found("unshare") && found("mount"),
    packages: "util-linux mount",
  },
  { what: "ip", there: () => found("ip"), packages: "iproute2" },
  {
    what: "umockdev, a USB for readers that come and go",
    there: () =>
      python("import gi; gi.require_version('UMockdev', '1.0'); from gi.repository import UMockdev"),
    packages: "umockdev gir1.2-umockdev-1.0 python3-gi",
  },
  {
    what: "a C compiler and the headers of PC/SC drivers",
    there: () => found("cc") && existsSync("/usr/include/PCSC/ifdhandler.h"),
    packages: "build-essential libpcsclite-dev",
  },
  {
    what: "python3 with pyscard, cryptography and Cryptodome",
    there: () => python("import smartcard, cryptography, Cryptodome"),
    packages: "python3 python3-pyscard python3-cryptography python3-pycryptodome",
  },
  { what: "hp2xx", there: () => found("hp2xx"), packages: "hp2xx" },
  { what: "pdftoppm", there: () => found("pdftoppm"), packages: "poppler-utils" },
  { what: "file", there: () => found("file"), packages: "file" },
  { what: "python3 with ezdxf", there: () => python("import ezdxf"), packages: "python3-ezdxf" },
];
const forTheBinding = "libpcsclite-dev build-essential";

/** @param {string} program */
function found(program) {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"];
  return folders.some((folder) => existsSync(join(folder, program)));
}

/** Debian's interpreter, not one that comes first on the path: only that one has Debian's modules. @param {string} text */
function python(text) {
  return spawnSync("/usr/bin/python3", ["-c", text], { stdio: "ignore" }).status === 0;
}

function bindingLoads() {
  try {
    createRequire(join(root, "packages/line/package.json"))("smartcard");
    return true;
  } catch {
    return false;
  }
}

/** @param {string} text @returns {never} */
function stop(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

/** @param {string} command @param {readonly string[]} words */
function must(command, words) {
  const { status, error } = spawnSync(command, words, { cwd: root, stdio: "inherit" });
  if (status !== 0)
    stop(`${command} ${words.join(" ")} failed${error === undefined ? "" : `: ${error.message}`}`);
}

function prepare() {
  const lacking = needs.filter(({ there }) => !there());
  const packages = [
    ...lacking.flatMap((need) => need.packages.split(" ")),
    ...(bindingLoads() ? [] : forTheBinding.split(" ")),
  ];
  if (packages.length > 0) {
    const install = ["install", "-y", "--no-install-recommends", ...packages];
    if (process.getuid?.() !== 0 || !found("apt-get")) {
      stop(
        `The tests with programs of others need ${lacking.map(({ what }) => what).join(", ") || "the PC/SC binding"}. On Debian and Ubuntu:\n\n` +
          `  sudo apt-get update && sudo apt-get ${install.join(" ")}\n\nThen give the same command again; "npm run check" does without them.`,
      );
    }
    process.stdout.write(`Installing for the tests with PC/SC: ${packages.join(" ")}\n`);
    process.env["DEBIAN_FRONTEND"] = "noninteractive";
    must("apt-get", ["update", "-qq"]);
    must("apt-get", [...install, "-qq"]);
    const still = needs.filter(({ there }) => !there());
    if (still.length > 0) stop(`Installed, but still not there: ${still.map(({ what }) => what).join(", ")}`);
  }
  if (bindingLoads()) return;
  // An optional package that could not be built is left out by npm: only a whole installation brings it back.
  if (existsSync(join(root, "node_modules/smartcard"))) must("npm", ["rebuild", "smartcard"]);
  else must("npm", ["ci", "--include=dev", "--no-fund", "--no-audit"]);
  if (!bindingLoads())
    stop(
      `The PC/SC binding does not load: sudo apt-get install -y ${forTheBinding}, then npm rebuild smartcard`,
    );
}

/** Runs this file again in a world of its own. @param {readonly string[]} words */
function enter(words) {
  const user = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const inside = ["--mount", "--net", ...user, process.execPath, self, "inside", ...words];
  follow(spawn("unshare", inside, { stdio: "inherit", env: { ...process.env, [mark]: networkOf("self") } }));
}

/** @param {string} pid @returns {string} empty when it has ended, or is none of ours */
function networkOf(pid) {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return "";
  }
}

/** What the command left running in this world, and nobody else could be in it. @returns {readonly number[]} */
function leftBehind() {
  const own = networkOf("self");
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid && networkOf(pid) === own)
    .map(Number);
}

/** "COMMAND & other" leaves COMMAND behind when the other ends: it would go on for ever, with no reader that it could find. */
async function endWhatIsLeft() {
  for (const [signal, looks] of /** @type {const} */ ([
    ["SIGTERM", 40],
    ["SIGKILL", 10],
  ])) {
    for (const pid of leftBehind()) {
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended by itself.
      }
    }
    for (let look = 0; look < looks && leftBehind().length > 0; look++)
      await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Ends as the child ends. @param {import("node:child_process").ChildProcess} child @param {() => Promise<void>} [after] */
function follow(child, after = async () => {}) {
  // A terminal's Ctrl-C reaches the child by itself.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("error", (error) => {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    const why = code === "ENOENT" ? "there is no such program" : error.message;
    process.stderr.write(`${child.spawnfile}: ${why}\n`);
    void after().then(() => process.exit(127));
  });
  child.on("exit", (code, signal) => {
    void after().then(() => process.exit(code ?? (signal === null ? 1 : 128)));
  });
}

function arrange() {
  must("ip", ["link", "set", "lo", "up"]);
  const local = "local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 quickack 1 table local";
  must("ip", ["route", "change", ...local.split(" ")]);
  if (!existsSync("/run/pcscd")) {
    if (process.getuid?.() !== 0) stop("/run/pcscd is not there: start the machine's pcscd once");
    mkdirSync("/run/pcscd", { recursive: true });
  }
  must("mount", ["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run/pcscd"]);
}

/** @param {string} folder @param {number} slots */
function twoSlotReaders(folder, slots) {
  return Array.from({ length: Math.ceil(slots / slotsOfDriver) }, (_, at) => {
    // Two entries that share one library would share its state.
    const library = join(folder, `vpcd-${String(at)}.so`);
    copyFileSync(driver, library);
    const port = firstPort + at * slotsOfDriver;
    const name = `Persoline vpcd ${String.fromCodePoint(65 + at)}`;
    return { text: readerEntry(name, port, library), last: port + slotsOfDriver - 1 };
  });
}

/** @param {string} name @param {number} port @param {string} library */
function readerEntry(name, port, library) {
  const channel = `0x${port.toString(16).toUpperCase()}`;
  return `FRIENDLYNAME "${name}"\nDEVICENAME /dev/null:${channel}\nLIBPATH ${library}\nCHANNELID ${channel}\n`;
}

/** @param {string} configuration @param {readonly number[]} ports Where its readers listen. */
async function tryDaemon(configuration, ports) {
  rmSync("/run/pcscd/pcscd.comm", { force: true });
  rmSync("/run/pcscd/pcscd.pid", { force: true });
  const daemon = spawn("pcscd", ["--foreground", "--config", configuration], {
    stdio: "ignore",
    env: withSbin(),
  });
  const ended = new Promise((resolve) => daemon.once("exit", resolve));
  daemon.once("error", (error) => stop(`pcscd does not start: ${error.message}`));
  const until = Date.now() + 10_000;
  while (!existsSync("/run/pcscd/pcscd.comm") || !ports.every(listening)) {
    if (Date.now() > until || daemon.exitCode !== null) {
      daemon.kill("SIGKILL");
      await ended;
      return undefined;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { daemon, ended };
}

/** @param {number} slots */
async function startDaemon(slots) {
  const folder = mkdtempSync(join(tmpdir(), "persoline-pcscd-"));
  const entries = twoSlotReaders(folder, slots);
  // pcscd reads every file of this folder as configuration: the libraries lie beside it.
  const configuration = join(folder, "conf");
  mkdirSync(configuration);
  writeFileSync(join(configuration, "reader.conf"), entries.map(({ text }) => text).join("\n"));
  const last = entries.map((entry) => entry.last);
  // A pcscd that hangs while it starts holds the readers' ports: it is ended, and a second one may try.
  const { daemon, ended } =
    (await tryDaemon(configuration, last)) ??
    (await tryDaemon(configuration, last)) ??
    stop("pcscd does not start");
  const end = async () => {
    daemon.kill("SIGTERM");
    const kill = setTimeout(() => daemon.kill("SIGKILL"), 3_000);
    await ended;
    clearTimeout(kill);
    rmSync(folder, { recursive: true, force: true });
  };
  return { pid: daemon.pid ?? 0, end };
}

/** Models by idProduct, as libccid's own list has them. */
const usbModels = { "0x0001": "Persoline Twin", "0x0002": "Persoline Other", "0x0003": "Persoline Dual" };
const mostUsbReaders = 8;

/** pcscd over a USB of its own, whose readers come and go as standard input says. Its drivers are those of this folder alone. */
function startUsb() {
  const folder = mkdtempSync(join(tmpdir(), "persoline-usb-"));
  const drivers = join(folder, "drivers");
  const contents = join(drivers, "persoline.bundle/Contents");
  const configuration = join(folder, "conf");
  for (const one of [join(contents, "Linux"), configuration]) mkdirSync(one, { recursive: true });
  const library = join(contents, "Linux/reader.so");
  const source = join(root, "tools/usb-reader.c");
  must("cc", ["-shared", "-fPIC", "-O1", "-I/usr/include/PCSC", "-o", library, source, "-ldl"]);
  for (let at = 0; at < mostUsbReaders; at++)
    copyFileSync(driver, join(folder, `vpcd-${String(firstPort + at)}.so`));
  /** @param {string} key @param {readonly string[]} values */
  const list = (key, values) =>
    `<key>${key}</key><array>${values.map((value) => `<string>${value}</string>`).join("")}</array>`;
  const models = Object.entries(usbModels);
  const plist = `<plist><dict><key>CFBundleExecutable</key><string>reader.so</string>${list(
    "ifdVendorID",
    models.map(() => "0x1209"),
  )}${list(
    "ifdProductID",
    models.map(([product]) => product),
  )}${list(
    "ifdFriendlyName",
    models.map(([, name]) => name),
  )}</dict></plist>`;
  writeFileSync(join(contents, "Info.plist"), plist.replaceAll("><", ">\n<"));
  rmSync("/run/pcscd/pcscd.comm", { force: true });
  must("mount", ["--bind", drivers, "/usr/lib/pcsc/drivers"]);
  const words = [join(root, "tools/usb_readers.py"), folder, "--config", configuration];
  const bed = spawn("umockdev-wrapper", ["/usr/bin/python3", ...words], {
    stdio: "inherit",
    env: withSbin(),
  });
  follow(bed, async () => {
    must("umount", ["/usr/lib/pcsc/drivers"]);
    rmSync(folder, { recursive: true, force: true });
  });
}

const withSbin = () => ({ ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` });

/** Whether anything in this namespace listens on a TCP port (proc(5), /proc/net/tcp: state 0A). @param {number} port */
function listening(port) {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  return ["/proc/net/tcp", "/proc/net/tcp6"].some((file) => {
    if (!existsSync(file)) return false;
    return readFileSync(file, "utf8")
      .split("\n")
      .some((line) => line.slice(0, 64).includes(wanted) && / 0A /.test(line));
  });
}

/** @param {string[]} words @returns {{ slots: number, command: string[] }} */
function options(words) {
  let slots = 4;
  const rest = [...words];
  if (rest[0] === "--slots") {
    slots = Number(rest[1]);
    if (!Number.isInteger(slots) || slots < 1 || slots > 16)
      stop("--slots: 1 to 16, for pcscd takes no more readers");
    rest.splice(0, 2);
  }
  if (rest[0] === "--") rest.shift();
  return { slots, command: rest };
}

const [verb, ...words] = process.argv.slice(2);
const { slots, command } = options(verb === "inside" ? words.slice(1) : words);
const [program, ...programWords] = command;
switch (verb) {
  case "prepare":
    prepare();
    break;
  case "run":
  case "namespace":
    if (program === undefined) stop(`node tools/pcsc.mjs ${verb} COMMAND...`);
    prepare();
    enter([verb, ...words]);
    break;
  case "inside": {
    const outside = process.env[mark];
    if (outside === undefined || outside === networkOf("self") || program === undefined)
      stop("node tools/pcsc.mjs run COMMAND...");
    arrange();
    const started = words[0] === "run" ? await startDaemon(slots) : undefined;
    follow(spawn(program, programWords, { stdio: "inherit", cwd: process.cwd() }), async () => {
      await started?.end();
      await endWhatIsLeft();
    });
    break;
  }
  case "daemon": {
    if (process.env[mark] === undefined)
      stop("only in a private world: node tools/pcsc.mjs namespace COMMAND...");
    const { pid, end } = await startDaemon(slots);
    // Heard before it is told: whoever reads it may end this at once.
    for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "disconnect"])) {
      process.on(signal, () => void end().then(() => process.exit(0)));
    }
    process.stdout.write(`ready ${String(pid)}\n`);
    setInterval(() => {}, 60_000);
    break;
  }
  case "usb":
    if (process.env[mark] === undefined)
      stop("only in a private world: node tools/pcsc.mjs namespace COMMAND...");
    startUsb();
    break;
  default:
    stop(
      readFileSync(self, "utf8")
        .split("\n")
        .slice(0, 7)
        .join("\n")
        .replaceAll(/^\/\/ ?/gm, ""),
    );
}
