/** A cupsd of a test's own (Debian: cups-daemon, cups-client): its own root, port and queues on the loopback address, ended by its process number. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

export interface Cupsd {
  /** HOST:PORT. */
  readonly server: string;
  /** Makes a queue whose printer is the script below; what it prints lies in `printed`. */
  queue(name: string, errorPolicy?: string): void;
  /** How the printer of all queues takes its next jobs. */
  behave(how: Behaviour): void;
  /** Documents that came out of the printer, in order. */
  printed(): readonly Buffer[];
  /** Documents that CUPS still keeps. */
  spooled(): readonly string[];
  /** A command of cups-client. */
  command(program: string, ...words: string[]): string;
  log(): string;
  stop(): Promise<void>;
}

export type Behaviour = "good" | "no-count" | "jam" | "ribbon-end" | "breaks-off" | "hangs" | "retry" | "low";

/**
 * A backend as CUPS starts it for each job (backend(7)): the printer's hardware is all that is not real. It tells its state as drivers do,
 * and leaves what it got as a file.
 */
const backend = (root: string): string => `#!/bin/sh
[ $# = 0 ] && { echo 'direct bench "Unknown" "Bench printer"'; exit 0; }
how=$(cat ${root}/behaviour)
if [ -n "$6" ]; then cat "$6"; else cat; fi > ${root}/printed/$1.part
case "$how" in
  jam) echo "STATE: +media-jam-error" >&2; sleep 60; exit 1 ;;
  ribbon-end) echo "STATE: +marker-supply-empty-error" >&2; exit 1 ;;
  breaks-off) exit 1 ;;
  retry) exit 6 ;;
  hangs) sleep 60 ;;
  low) echo "STATE: +marker-supply-low-warning" >&2 ;;
esac
mv ${root}/printed/$1.part ${root}/printed/$1.done
[ "$how" = no-count ] || echo "PAGE: 1 1" >&2
exit 0
`;

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address !== null ? address.port : 0));
    });
  });

const missing = (cause?: unknown): Error =>
  new Error("this test needs CUPS (Debian: apt-get install cups-daemon cups-client)", { cause });

/** `root`: a folder of its own, which the daemon's user may enter. Throws when CUPS is not installed or does not come up. */
export async function startCupsd(root: string): Promise<Cupsd> {
  const program = ["/usr/sbin/cupsd", "/usr/local/sbin/cupsd"].find((one) => existsSync(one));
  if (program === undefined) throw missing();
  const port = await freePort();
  const server = `127.0.0.1:${String(port)}`;
  for (const folder of ["bin/backend", "bin/daemon", "spool", "cache", "state", "tmp", "printed"])
    mkdirSync(join(root, folder), { recursive: true });
  // All that a queue without filters needs of the daemon's programs: it starts backends through this one.
  symlinkSync("/usr/lib/cups/daemon/cups-exec", join(root, "bin/daemon/cups-exec"));
  writeFileSync(join(root, "bin/backend/bench"), backend(root), { mode: 0o700 });
  writeFileSync(join(root, "behaviour"), "good");
  chmodSync(root, 0o755);
  const files = [
    ["ServerRoot", root],
    ["ServerBin", join(root, "bin")],
    ["RequestRoot", join(root, "spool")],
    ["CacheDir", join(root, "cache")],
    ["StateDir", join(root, "state")],
    ["TempDir", join(root, "tmp")],
    ["DataDir", "/usr/share/cups"],
    ["AccessLog", join(root, "access.log")],
    ["ErrorLog", join(root, "error.log")],
    ["PageLog", join(root, "page.log")],
    ["Printcap", ""],
  ];
  writeFileSync(join(root, "cups-files.conf"), files.map((line) => line.join(" ").trim()).join("\n"));
  writeFileSync(
    join(root, "cupsd.conf"),
    [
      `Listen ${server}`,
      "LogLevel info",
      "Browsing No",
      "WebInterface No",
      "DefaultAuthType None",
      // As Debian has it: only what the line takes out is gone.
      "PreserveJobHistory Yes",
      "PreserveJobFiles 1d",
      "JobRetryInterval 1",
      "<Location />\n  Order deny,allow\n  Allow from 127.0.0.1\n</Location>",
      "<Policy default>\n  JobPrivateAccess all\n  JobPrivateValues none\n  <Limit All>\n    Order deny,allow\n    Allow from 127.0.0.1\n  </Limit>\n</Policy>",
      "",
    ].join("\n"),
  );
  const words = ["-f", "-c", join(root, "cupsd.conf"), "-s", join(root, "cups-files.conf")];
  const child: ChildProcess = spawn(program, words, {
    stdio: "ignore",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  const log = (): string => {
    const file = join(root, "error.log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  };
  const command = (name: string, ...rest: string[]): string => {
    try {
      return execFileSync(name, ["-h", server, ...rest], {
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
        encoding: "utf8",
        stdio: "pipe",
      });
    } catch (cause) {
      throw (cause as NodeJS.ErrnoException).code === "ENOENT" ? missing(cause) : cause;
    }
  };
  for (let tries = 0; ; tries++) {
    const up = await fetch(`http://${server}/`).then(
      () => true,
      () => false,
    );
    if (up) break;
    if (tries > 200 || child.exitCode !== null) {
      child.kill("SIGKILL");
      throw new Error(`cupsd does not come up: ${log().slice(-500)}`);
    }
    await wait(50);
  }
  return {
    server,
    command,
    log,
    queue: (name, errorPolicy = "abort-job") => {
      command(
        "lpadmin",
        "-p",
        name,
        "-E",
        "-v",
        "bench:/1",
        "-m",
        "raw",
        "-o",
        `printer-error-policy=${errorPolicy}`,
      );
    },
    behave: (how) => writeFileSync(join(root, "behaviour"), how),
    printed: () =>
      readdirSync(join(root, "printed"))
        .filter((file) => file.endsWith(".done"))
        .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
        .map((file) => readFileSync(join(root, "printed", file))),
    spooled: () => readdirSync(join(root, "spool")).filter((file) => /^d\d+-\d+$/.test(file)),
    stop: async () => {
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 3_000);
      await ended;
      clearTimeout(late);
      rmSync(root, { recursive: true, force: true });
    },
  };
}
