import type { MakeOperatingSystem } from "../chip.js";

export const makeOperatingSystem: MakeOperatingSystem = () => ({
  dispatch: () => Uint8Array.of(0x6d, 0x00),
  reset: () => undefined,
});
