import type { Chip } from "../chip.js";
import { type Answer, status, SW } from "../os/command.js";
import type { Transaction } from "../payment/transaction.js";
import { appletOf } from "./applets.js";
import type { Channel, OpeningChannel } from "./channel.js";
import type { HostKey, Verified } from "./certificates.js";
import { DEFAULT_ISD, gpLayout, LIFE, PRIVILEGE } from "./layout.js";
import { isLocked, isSelectable } from "./life.js";
import { type Application, Vault } from "./state.js";
import type { Staged } from "./store-data.js";

/** What the fab decided for good. */
export interface Config {
  /** i of SCP02 and of SCP03. */
  readonly i02: number;
  readonly i03: number;
  readonly isd: Uint8Array;
}

export function readConfig(chip: Chip): Config {
  const bytes = chip.readPair(gpLayout.configPair);
  if (bytes === undefined) return { i02: 0x55, i03: 0x70, isd: DEFAULT_ISD };
  const [i02 = 0, i03 = 0, length = 0] = bytes;
  return { i02, i03, isd: bytes.slice(3, 3 + length) };
}

/** A load file on its way in: bytes lie in the heap already, but nothing knows of them yet. */
export interface Loading {
  readonly aid: Uint8Array;
  readonly hash: Uint8Array;
  readonly page: number;
  readonly pages: number;
  next: number;
  /** Bytes of the load file still to come; −1: its length is not known yet. */
  left: number;
  received: number;
}

/** What all commands work on; the volatile part goes with each reset. */
export class GpCard {
  readonly chip: Chip;
  readonly vault: Vault;
  config: Config = { i02: 0, i03: 0, isd: DEFAULT_ISD };
  /** Its EXTERNAL AUTHENTICATE is to come. */
  opening: OpeningChannel | undefined;
  channel: Channel | undefined;
  /** SCP11: what PERFORM SECURITY OPERATION brought so far, the authority below the anchor, and the host's key once its certificate was right. */
  chained: { readonly header: number; readonly bytes: Uint8Array } | undefined;
  verified: Verified | undefined;
  hostKey: HostKey | undefined;
  /** Rest of an answer that is longer than 256 bytes, for GET RESPONSE. */
  rest: Uint8Array | undefined;
  /** The command in work came with a right C-MAC. */
  secured = false;
  /** Undefined: the issuer security domain. */
  selected: Application | undefined;
  loading: Loading | undefined;
  /** Who gets the STORE DATA that follow INSTALL [for personalization]. */
  personalized: Uint8Array | undefined;
  staged: Staged | undefined;
  /** GET STATUS in work: what was asked, and how many entries were given. */
  listing: { readonly asked: string; readonly given: number } | undefined;
  /** Of the selected application: challenge not used yet, keys authenticated. */
  challenge: Uint8Array | undefined;
  keysAuthenticated = 0;
  pinVerified = false;
  transaction: Transaction | undefined;

  constructor(chip: Chip) {
    this.chip = chip;
    this.vault = new Vault(chip);
  }

  reset(): void {
    this.config = readConfig(this.chip);
    this.vault.load();
    this.select(this.#byDefault());
  }

  /** Ends whatever went on with the application that was selected before. */
  select(app: Application | undefined): void {
    this.selected = app;
    this.endChannel();
    this.listing = undefined;
    this.challenge = undefined;
    this.keysAuthenticated = 0;
    this.pinVerified = false;
    this.transaction = undefined;
  }

  endChannel(): void {
    this.opening = undefined;
    this.channel = undefined;
    this.chained = undefined;
    this.verified = undefined;
    this.hostKey = undefined;
    this.rest = undefined;
    this.loading = undefined;
    this.personalized = undefined;
    this.staged = undefined;
  }

  /** The application with the card reset privilege, else the security domain. */
  #byDefault(): Application | undefined {
    const { life } = this.vault.state;
    if (life === LIFE.locked || life === LIFE.terminated) return undefined;
    return this.vault.state.applications.find(
      (app) => (app.privileges & PRIVILEGE.cardReset) !== 0 && isSelectable(app) && !isLocked(app),
    );
  }

  applet() {
    return this.selected === undefined ? undefined : appletOf(this.selected);
  }
}

/** FREE, or the refusal: everything that manages content comes secured, from a host that has proved who it is. */
export const unlessSecured = (card: GpCard): Answer | undefined =>
  card.secured && card.channel?.knowsHost === true ? undefined : status(SW.securityNotSatisfied);
