/** What PC/SC has now, asked while readers may come and go: it tells names first and then each reader's state, and either may be old by then. */
import type { Context, Reader, ReaderState } from "smartcard";
import type { Connected } from "./host-protocol.js";
import { isGone, isListGrown } from "./trouble.js";

/** winscard.h; the same on all systems. */
export const state = { present: 0x20, exclusive: 0x80, inUse: 0x100, mute: 0x200 } as const;

/** The list's length is asked first and the list then: a reader that is plugged in between makes it too long. So often it is asked again. */
const growths = 10;

type Looked = Pick<Context, "listReaders" | "waitForChange">;

/** Throws what the binding throws. */
export function readersOf(context: Pick<Context, "listReaders">): readonly Reader[] {
  for (let again = 0; ; again++) {
    try {
      return context.listReaders();
    } catch (thrown) {
      if (again === growths || !isListGrown(thrown)) throw thrown;
    }
  }
}

/** Undefined: the reader has been unplugged meanwhile. Nothing known of it yet (state 0): PC/SC tells at once. */
export async function stateOf(
  context: Pick<Context, "waitForChange">,
  { name }: Pick<Reader, "name">,
): Promise<ReaderState | undefined> {
  try {
    return (await context.waitForChange([{ name, state: 0 }], 0))?.[0];
  } catch (thrown) {
    if (isGone(thrown)) return undefined;
    throw thrown;
  }
}

/** All readers with what lies in them; one that leaves while they are looked at is left out. */
export async function connected(context: Looked): Promise<readonly Connected[]> {
  const found: Connected[] = [];
  for (const reader of readersOf(context)) {
    const now = await stateOf(context, reader);
    if (now !== undefined) found.push(told(reader.name, now));
  }
  return found;
}

function told(name: string, { state: bits, atr }: ReaderState): Connected {
  const lies =
    (bits & state.present) === 0
      ? "none"
      : (bits & state.mute) !== 0
        ? "mute"
        : (bits & (state.inUse | state.exclusive)) !== 0
          ? "in use"
          : "present";
  return { name, card: lies, ...((atr?.length ?? 0) === 0 ? {} : { atr: new Uint8Array(atr ?? []) }) };
}
