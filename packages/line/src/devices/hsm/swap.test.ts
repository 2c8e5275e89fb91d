import { expect, test } from "vitest";
import { mustStayInMemory, swapOf, type Told } from "./swap.js";

/** A Linux that has these files and folders, and no others. */
const linux = (
  files: Readonly<Record<string, string>>,
  folders: Readonly<Record<string, readonly string[]>> = {},
): Told => ({ text: (path) => files[path], names: (folder) => folders[folder] ?? [] });
const head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
const line = (place: string, type = "partition") =>
  `${place}                               ${type}\t8388604\t0\t-2\n`;

test("no swap, and a system that says nothing", () => {
  expect(swapOf(linux({ "/proc/swaps": head })).state).toBe("none");
  expect(swapOf(linux({})).state).toBe("unknown");
});

test("swap that anybody can read is told with its places", () => {
  const swaps = `${head}${line("/dev/sda2")}${line("/swapfile", "file")}`;
  expect(swapOf(linux({ "/proc/swaps": swaps }))).toEqual({
    state: "possible",
    detail: "swap is on (/dev/sda2, /swapfile), and keys may come to lie on it",
  });
});

test("all of it encrypted, each place by itself or by what it lies on", () => {
  const crypt = { "/sys/class/block/dm-0/dm/uuid": "CRYPT-PLAIN-swap\n" };
  const volume = { "/sys/class/block/dm-3/dm/uuid": "LVM-abc\n" };
  const swaps = (...places: string[]) => ({
    "/proc/swaps": head + places.map((place) => line(place)).join(""),
  });
  const state = (told: Told) => swapOf(told).state;
  expect(state(linux({ ...swaps("/dev/dm-0"), ...crypt }))).toBe("encrypted");
  const on = (...disks: string[]) => ({ "/sys/class/block/dm-3/slaves": disks });
  expect(state(linux({ ...swaps("/dev/dm-3"), ...volume, ...crypt }, on("dm-0")))).toBe("encrypted");
  for (const told of [
    linux({ ...swaps("/dev/dm-3"), ...volume, ...crypt }, on("dm-0", "sda3")),
    linux({ ...swaps("/dev/dm-3"), ...volume }),
    linux({ ...swaps("/dev/dm-0", "/dev/sda2"), ...crypt }),
  ])
    expect(state(told)).toBe("possible");
});

test("a group without swap is kept out of it, also by a group above; one with a limit is not", () => {
  const swaps = {
    "/proc/swaps": `${head}${line("/dev/sda2")}`,
    "/proc/self/cgroup": "1:name=x:/y\n0::/system.slice/line.service\n",
  };
  const limit = (group: string, most: string) => ({
    [`/sys/fs/cgroup${group}/memory.swap.max`]: `${most}\n`,
  });
  const state = (files: Readonly<Record<string, string>>) => swapOf(linux({ ...swaps, ...files })).state;
  expect(state(limit("/system.slice/line.service", "0"))).toBe("kept-out");
  expect(state({ ...limit("/system.slice/line.service", "max"), ...limit("/system.slice", "0") })).toBe(
    "kept-out",
  );
  for (const most of ["max", "4096"])
    expect(state(limit("/system.slice/line.service", most))).toBe("possible");
  expect(state(limit("/another.service", "0"))).toBe("possible");
});

test("live keys come into memory only where they stay in it, or where somebody accepted that they may not", () => {
  for (const [state, refused] of [
    ["none", false],
    ["encrypted", false],
    ["kept-out", false],
    ["possible", true],
    ["unknown", true],
  ] as const) {
    const swap = { state, detail: "so it is" };
    const told = (environment: "live" | "test", isAccepted: boolean): string => {
      try {
        mustStayInMemory(environment, isAccepted, swap);
        return "";
      } catch (problem) {
        return String(problem);
      }
    };
    expect([state, told("live", false).includes("live keys are not opened here: so it is")]).toEqual([
      state,
      refused,
    ]);
    expect([told("live", true), told("test", false)]).toEqual(["", ""]);
  }
});
