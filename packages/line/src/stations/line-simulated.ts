/** What of a line is simulated. It serves practice, and makes no card of the live environment: there is no switch that lets it. */
import type { FileProblem, ReadYaml, YamlPath } from "../orders/yaml.js";
import type { LineFile } from "./line-file.js";

type Line = Pick<LineFile, "transport" | "stations">;

interface Part {
  readonly path: YamlPath;
  /** In words: "the reader of quality". */
  readonly what: string;
}

const devices = ["reader", "engraver", "embosser", "indenter", "encoder", "camera", "printer"] as const;

export const simulatedParts = ({ transport, stations }: Line): readonly Part[] => [
  // Only people move real cards so far.
  ...(transport.kind === "operator"
    ? []
    : [{ path: ["transport"], what: `the transport (${transport.kind}) with its virtual cards` }]),
  ...stations.flatMap((station, at) =>
    devices
      .filter((device) => station[device] === "simulated")
      .map((device) => ({ path: ["stations", at, device], what: `the ${device} of ${station.name}` })),
  ),
  // Whatever program connects there is its card.
  ...stations.flatMap(({ name, reader }, at) =>
    reader !== "simulated" && reader.some((one) => "vpcd" in one)
      ? [{ path: ["stations", at, "reader"], what: `the reader of ${name} (a port for virtual cards)` }]
      : [],
  ),
];

/** At most so many are named. */
const named = 3;

/** One problem, at the first place in the file: what is simulated, and what to do. */
export function simulatedProblems(read: ReadYaml<unknown>, line: Line): readonly FileProblem[] {
  const parts = simulatedParts(line);
  const message = `the order is for live cards, and this line simulates ${listed(parts)}`;
  const remedy =
    'nothing simulated makes a live card, and no option lets it: name a line with real readers and machines (as examples/lines/desk.yaml, whose cards a person moves) by --line or in the order; to practise on this line give the order "environment: test" and a list of test keys';
  const [first] = parts
    .map(({ path }) => read.problem(path, "simulated-line", message, remedy))
    .toSorted((a, b) => a.line - b.line);
  return first === undefined ? [] : [first];
}

function listed(parts: readonly Part[]): string {
  const words = parts.slice(0, named).map(({ what }) => what);
  const more = parts.length - words.length;
  if (more > 0) return `${words.join(", ")} and ${String(more)} more of its devices`;
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}` : words.join("");
}
