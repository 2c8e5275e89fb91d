import type { Brand } from "../bytes/index.js";

export type StatusWord = Brand<number, "StatusWord">;
export interface Command {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  readonly data?: Uint8Array;
  readonly le?: number;
}
export interface Response {
  readonly data: Uint8Array;
  readonly sw: StatusWord;
}
