/**
 * The part of `smartcard` 3.7 (lib/types.ts) that a reader host uses. Said here because the package is optional: where it could not be
 * compiled it is not there, and everything else must still build.
 */
declare module "smartcard" {
  export interface ReaderState {
    readonly name: string;
    readonly state: number;
    readonly atr: Buffer | null;
  }
  export interface Card {
    readonly protocol: number;
    /** Asks PC/SC each time. */
    readonly atr: Buffer | null;
    /** Empty when the card was torn out. */
    transmit(command: Buffer, options: { readonly maxRecvLength: number }): Promise<Buffer>;
    disconnect(disposition: number): void;
    reconnect(shareMode: number, protocols: number, initialization: number): Promise<number>;
  }
  export interface Reader {
    readonly name: string;
    connect(shareMode: number, protocols: number): Promise<Card>;
  }
  export class Context {
    listReaders(): Reader[];
    /** Empty after `timeout` milliseconds without a change, null when cancelled. */
    waitForChange(
      readers: readonly Pick<ReaderState, "name" | "state">[],
      timeout: number,
    ): Promise<ReaderState[] | null>;
  }
}
