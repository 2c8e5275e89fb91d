/** The terminal: a live table where there is one, plain lines elsewhere; results on standard output, everything else on standard error. */
import { harmless } from "../ledger/harmless.js";
import type { LineEvent, LineView, StationView } from "../stations/line-types.js";
import { wantsColour } from "./config.js";

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

/** Of terminal codes: a literal one would read as a slip. */
const escape = String.fromCodePoint(27);

export interface Screen {
  readonly live: boolean;
  readonly paint: (colour: keyof typeof codes, text: string) => string;
  /** A line that stays. */
  say(text: string): void;
  /** Replaces what was drawn last. */
  draw(lines: readonly string[]): void;
  /** A text as lines that the terminal has room for, cut between words: what is drawn longer than that is cut off. */
  fold(text: string): string[];
  /** Leaves what was drawn standing. */
  settle(): void;
}

/** `quiet`: nothing but results. */
export function screen({
  quiet = false,
  out = process.stderr,
}: {
  quiet?: boolean;
  out?: NodeJS.WriteStream;
} = {}): Screen {
  const live = !quiet && out.isTTY === true;
  const coloured = live && wantsColour();
  let drawn = 0;
  // A terminal that does not know its width says 0.
  const width = (): number => out.columns || 80;
  const clear = (): string => (drawn === 0 ? "" : `\u001b[${String(drawn)}A\u001b[0J`);
  return {
    live,
    paint: (colour, text) => (coloured ? `\u001b[${String(codes[colour])}m${text}\u001b[0m` : text),
    say: (text) => {
      if (quiet) return;
      out.write(`${clear()}${painted(text)}\n`);
      drawn = 0;
    },
    draw: (lines) => {
      if (!live) return;
      const fitted = lines.map((line) => fit(painted(line), width()));
      out.write(`${clear()}${fitted.join("\n")}\n`);
      drawn = fitted.length;
    },
    fold: (text) => folded(harmless(text), width() - 1),
    settle: () => {
      drawn = 0;
    },
  };
}

/** A word longer than a line goes on in the next one. */
function folded(text: string, room: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > room) {
    const space = rest.lastIndexOf(" ", room);
    const end = space > 0 ? space : Math.max(1, room);
    lines.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  return [...lines, rest];
}

/** Our own colours stay; every other control character in it came from outside and does nothing. */
function painted(text: string): string {
  const own = Object.values(codes).join("|");
  return text
    .split(new RegExp(`(${escape}\\[(?:0|${own})m)`))
    .map((piece, at) => (at % 2 === 1 ? piece : harmless(piece)))
    .join("");
}

/** Cuts a line to the terminal's width; colour codes take no room. */
function fit(line: string, width: number): string {
  let room = width - 1;
  let fitted = "";
  for (const piece of line.split(new RegExp(`(${escape}\\[\\d+m)`))) {
    if (piece.startsWith(escape)) fitted += piece;
    else {
      fitted += piece.slice(0, Math.max(0, room));
      room -= piece.length;
    }
  }
  return fitted;
}

const bar = (share: number, width: number): string => {
  const full = Math.round(Math.min(1, share) * width);
  return "█".repeat(full) + "░".repeat(width - full);
};

/** The line as a table: stations, heads, queues, counts, pace. */
export function lineTable(view: LineView, goal: number, paint: Screen["paint"]): string[] {
  const { counts, stations } = view;
  const rows = stations.map((station) => stationRow(station, paint));
  // Before the line has looked into its accounts, and where nothing is left to make, there is nothing to be a share of.
  const share = goal === 0 ? "" : `${bar(counts.good / goal, 14)} `;
  const good = goal === 0 ? String(counts.good) : `${String(counts.good)}/${String(goal)}`;
  return [
    paint(
      "bold",
      `${"station".padEnd(18)}${"heads".padEnd(14)}${"queue".padEnd(7)}${"passed".padStart(7)}${"rejected".padStart(10)}${"load".padStart(7)}`,
    ),
    ...rows,
    "",
    `${share}${good} good   ${paint(counts.rejected > 0 ? "yellow" : "dim", `${String(counts.rejected)} rejected, ${String(counts.remade)} remade, ${String(counts.held)} held`)}   ${Math.round(view.cardsPerHour).toLocaleString("en")} cards/h`,
    // Of payment cards; others have none.
    ...(counts.online > 0
      ? [
          `${String(counts.online)} of ${String(counts.good)} completed an online transaction, ARQC judged right`,
        ]
      : []),
    ...(view.stopping ? [paint("yellow", "stopping: cards in work are finished")] : []),
  ];
}

function stationRow(
  { name, heads, queued, queue, passed, rejected, load }: StationView,
  paint: Screen["paint"],
): string {
  const shown = heads.slice(0, 12);
  const signs = shown
    .map(({ state }) =>
      state === "busy"
        ? paint("green", "●")
        : state === "done"
          ? paint("cyan", "◆")
          : state === "halted"
            ? paint("red", "✖")
            : paint("dim", "·"),
    )
    .join("");
  const more = heads.length > shown.length ? "+" : "";
  const pad = " ".repeat(Math.max(1, 14 - shown.length - more.length));
  const line = queue === 0 ? "" : `${String(queued)}/${String(queue)}`;
  return `${name.padEnd(18)}${signs}${more}${pad}${line.padEnd(7)}${String(passed).padStart(7)}${String(rejected).padStart(10)}${`${String(Math.round(load * 100))}%`.padStart(7)}`;
}

/** One line for an event worth keeping on the screen, or nothing. */
export function eventLine(event: LineEvent, paint: Screen["paint"]): string | undefined {
  switch (event.kind) {
    case "rejected":
      return `${paint("yellow", "reject")}  ${event.label} at ${event.station}: ${event.code} (${event.detail})${event.record === undefined ? "" : `; record ${String(event.record)} is made again`}`;
    case "held":
      return `${paint("yellow", "held")}    ${event.label} at ${event.station}: ${event.question}`;
    case "halted":
      return `${paint("red", "halt")}    ${event.station}, head ${String(event.head + 1)}: ${event.device}: ${event.detail}`;
    case "alarm":
      return `${paint("red", "alarm")}   ${event.detail}`;
    case "tray":
      // A difference stops the line, which tells it.
      return event.how === "differs"
        ? undefined
        : `${paint("cyan", "tray")}    ${event.tray} ${event.how}: ${event.detail}`;
    case "recovered":
      return event.cards === 0 ? undefined : `${paint("cyan", "resume")}  ${event.detail}`;
    case "stopping":
      return `${paint("yellow", "stop")}    ${event.detail}`;
    default:
      return undefined;
  }
}
