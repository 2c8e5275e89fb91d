/** What this machine has of cameras and printers. Nobody needs them to begin with: what lacks is told with its remedy, and is no failure. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DeviceFault } from "../devices/problem.js";
import type { EncoderFile } from "../stations/line-devices.js";
import { encoderBehind } from "./line-machines.js";

export interface DeviceCheck {
  readonly what: string;
  readonly state: "ok" | "absent" | "lacking";
  readonly detail: string;
}

/** Output of a program in plain English; undefined when it is not there or refuses. */
function told(program: string, ...words: string[]): string | undefined {
  try {
    return execFileSync(program, words, {
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C" },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 5_000,
    });
  } catch {
    return undefined;
  }
}

/** Controls in a device's own name do nothing on a terminal. */
const harmless = (name: string): string => name.trim().replaceAll(/[^\x20-\x7e]/g, "?");

/** `kernel`: where the kernel tells of Video4Linux devices. */
export function cameraChecks(kernel = "/sys/class/video4linux", ffmpeg = "ffmpeg"): readonly DeviceCheck[] {
  const what = "cameras";
  const version = told(ffmpeg, "-version");
  const reader: DeviceCheck =
    version === undefined
      ? {
          what,
          state: "absent",
          detail:
            "folders and network cameras need nothing more; for /dev/video*: sudo apt-get install -y --no-install-recommends ffmpeg",
        }
      : {
          what,
          state: "ok",
          detail: `ffmpeg ${/version (\S+)/.exec(version)?.[1] ?? ""} reads Video4Linux cameras`,
        };
  const devices = existsSync(kernel) ? readdirSync(kernel).sort() : [];
  if (devices.length === 0)
    return [reader, { what, state: "absent", detail: "no Video4Linux device (/dev/video*) on this machine" }];
  return [
    reader,
    ...devices.map((device): DeviceCheck => {
      const name = join(kernel, device, "name");
      return {
        what,
        state: "ok",
        detail: `/dev/${harmless(device)}: ${existsSync(name) ? harmless(readFileSync(name, "utf8")) : "without a name"}`,
      };
    }),
  ];
}

/** CUPS queues of this computer; `server`: another cupsd, HOST:PORT. */
export function printerChecks(server?: string, lpstat = "lpstat"): readonly DeviceCheck[] {
  const what = "printers";
  const words = server === undefined ? [] : ["-h", server];
  const queues = told(lpstat, ...words, "-v");
  if (queues === undefined)
    return [
      {
        what,
        state: "absent",
        detail:
          "no CUPS queue: files for a printer's own software need nothing more; for CUPS: sudo apt-get install -y --no-install-recommends cups-daemon cups-client, then lpadmin",
      },
    ];
  return [...queues.matchAll(/^device for ([^:\n]+): (.*)$/gm)].map(([, name = "", device = ""]) => ({
    what,
    state: "ok",
    // An address may hold a password.
    detail: `CUPS queue ${harmless(name)} (${harmless(device).replace(/:.*/, "")})`,
  }));
}

/** Asks the real encoders of a line, as the line does before each card. */
export async function encoderChecks(
  stations: readonly { readonly name: string; readonly encoder?: EncoderFile | undefined }[],
): Promise<readonly DeviceCheck[]> {
  const checks: DeviceCheck[] = [];
  for (const { name, encoder } of stations) {
    if (encoder === undefined || encoder === "simulated") continue;
    const what = `encoder of ${name}`;
    try {
      await encoderBehind(what, encoder).ready();
      checks.push({ what, state: "ok", detail: "its program says that it is ready" });
    } catch (problem) {
      if (!(problem instanceof DeviceFault)) throw problem;
      checks.push({ what, state: "lacking", detail: problem.message });
    }
  }
  return checks;
}
