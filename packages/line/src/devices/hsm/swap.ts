/** Whether what is in memory may come to lie on a disk: Node cannot lock memory, so it must be the machine that never writes it out, or only encrypted. */
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { KeystoreProblem } from "./keystore.js";
import type { Environment, Swap } from "./port.js";

/** What Linux tells: of files (undefined: not there), and of folders. */
export interface Told {
  readonly text: (path: string) => string | undefined;
  readonly names: (folder: string) => readonly string[];
}

const ofLinux: Told = {
  text: (path) => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return undefined;
    }
  },
  names: (folder) => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  },
};

/** proc_swaps(5); cgroup v2, memory.swap.max of this process's group and of those above it; dm-crypt by its name for the mapping. */
export function swapOf(told: Told = ofLinux): Swap {
  const listed = told.text("/proc/swaps");
  if (listed === undefined)
    return { state: "unknown", detail: "this system does not say whether it swaps (/proc/swaps)" };
  const places = listed
    .split("\n")
    .slice(1)
    .flatMap((line) => line.split(/\s+/, 1))
    .filter((place) => place !== "");
  if (places.length === 0) return { state: "none", detail: "this machine has no swap" };
  const named = places.join(", ");
  if (groupsOf(told).some((group) => told.text(`/sys/fs/cgroup${group}/memory.swap.max`)?.trim() === "0"))
    return {
      state: "kept-out",
      detail: `swap is on (${named}), and its group has none (memory.swap.max is 0)`,
    };
  if (places.every((place) => isEncrypted(told, basename(place))))
    return { state: "encrypted", detail: `swap is on and encrypted (${named})` };
  return { state: "possible", detail: `swap is on (${named}), and keys may come to lie on it` };
}

/** From its own group up to the root's children. */
function groupsOf(told: Told): readonly string[] {
  const own = /^0::(\/.*)$/m.exec(told.text("/proc/self/cgroup") ?? "")?.[1] ?? "/";
  const parts = own.split("/").filter((part) => part !== "");
  return parts.map((_, at) => `/${parts.slice(0, at + 1).join("/")}`);
}

/** Itself, or all that it is made of (a logical volume on encrypted disks). A file's device is not asked: its file system may be on anything. */
function isEncrypted(told: Told, device: string): boolean {
  const folder = `/sys/class/block/${device}`;
  if (told.text(`${folder}/dm/uuid`)?.startsWith("CRYPT-") === true) return true;
  const below = told.names(`${folder}/slaves`);
  return below.length > 0 && below.every((one) => isEncrypted(told, one));
}

/** Before live keys come into memory. Throws KeystoreProblem ("environment") where they may leave it, and nobody accepted that. */
export function mustStayInMemory(environment: Environment, isAccepted: boolean, swap: Swap = swapOf()): void {
  if (environment === "test" || isAccepted) return;
  if (swap.state !== "possible" && swap.state !== "unknown") return;
  throw new KeystoreProblem(
    "environment",
    `live keys are not opened here: ${swap.detail}. Switch swap off, encrypt it, or keep the line out of it (MemorySwapMax=0 in its systemd unit); whoever answers for the keys may accept it with PERSOLINE_SWAP=accepted`,
  );
}
