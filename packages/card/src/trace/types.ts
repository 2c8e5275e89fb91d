/**
 * A recorded conversation: lines of JSON, one event a line. Bytes are pairs of hexadecimal digits; a masked byte is `**`, so that lengths
 * stay what they were. Times are milliseconds since the recording began.
 */
export type TraceLine =
  /** The card got power; `atr` is never masked. */
  | { readonly what: "reset"; readonly ms: number; readonly atr: string }
  /** A command and its whole answer, 61XX and 6CXX followed. */
  | { readonly what: "apdu"; readonly ms: number; readonly command: string; readonly answer: string }
  /** The card did not answer this command. */
  | { readonly what: "mute"; readonly ms: number; readonly command: string };
