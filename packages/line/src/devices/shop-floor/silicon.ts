import type { EepromStore, Fault, VirtualCard } from "@persoline/card/virtual";

/** Where chips come from: the fab, and what a chip does once it has power. */
export interface Silicon {
  /** 32 KiB of EEPROM as the fab leaves them: chip number and the card's own loader key. */
  fabricate(chipNumber: Uint8Array): Uint8Array;
  power(body: {
    readonly eeprom: EepromStore;
    readonly faults: readonly Fault[];
    readonly label: string;
  }): VirtualCard;
}
