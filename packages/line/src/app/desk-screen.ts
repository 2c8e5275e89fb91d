/** What a person at a desk sees of the line: what there is to do, once said, stays in sight for as long as it is waited for. */
import type { Desk } from "../devices/transport/operator.js";

export interface DeskScreen extends Pick<Desk, "tell" | "awaits"> {
  /** What the person is waited for now, as it was told. */
  readonly open: string | undefined;
  /** The same as the last line of a live screen, with the time it has taken; undefined: nobody waits. */
  line(): string | undefined;
  close(): void;
}

/** Often enough for who comes back to the desk, too seldom to bury anything. */
const againMs = 60_000;

/** `live`: the screen draws `line()` by itself. Elsewhere what is waited for is said again, once a minute. */
export function deskScreen({
  say,
  live,
  now = Date.now,
}: {
  readonly say: (text: string) => void;
  readonly live: boolean;
  readonly now?: () => number;
}): DeskScreen {
  let open: string | undefined;
  let since = 0;
  let timer: NodeJS.Timeout | undefined;
  const waited = (): string => {
    const seconds = Math.floor((now() - since) / 1000);
    return `${String(Math.floor(seconds / 60))}:${String(seconds % 60).padStart(2, "0")}`;
  };
  const forget = (): void => {
    clearInterval(timer);
    open = undefined;
  };
  return {
    get open() {
      return open;
    },
    tell: say,
    awaits: (text) => {
      forget();
      if (text === undefined) return;
      [open, since] = [text, now()];
      if (!live) timer = setInterval(() => say(`Still waiting (${waited()}): ${text}`), againMs).unref();
    },
    line: () => (open === undefined ? undefined : `waiting ${waited()}  ${open}`),
    close: forget,
  };
}
