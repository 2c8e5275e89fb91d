/** What can be learned of any card without burning a try: nothing is written, nothing verified, no authentication begun. */
import { describeAtr, parseAtr } from "../atr/index.js";
import type { CardChannel } from "../program/index.js";
import { hex } from "../bytes/index.js";
import { asking, Ended } from "./ask.js";
import { learnDesfire } from "./desfire.js";
import { learnFacts } from "./facts.js";
import { learnApplications, learnFiles, Looking } from "./files.js";
import { desfireName, isTelecom, knownSilent, standardFiles } from "./known.js";
import type { Fact, FoundApplication, FoundFile, InspectOptions, Inspection } from "./types.js";

/**
 * Asks a powered card. Whatever the card answers, the result is what could be learned until then; a silent card ends it early, with
 * the reason in `ended`. DeviceFault of the reader goes through.
 */
export async function inspectCard(channel: CardChannel, options: InspectOptions): Promise<Inspection> {
  const ask = asking(channel);
  const silently = options.silently ?? knownSilent(options.atr);
  const looking = new Looking(ask, { silently: silently !== undefined });
  const facts: Fact[] = [];
  const files: FoundFile[] = [];
  const listed: FoundApplication[] = [];
  const selected: FoundApplication[] = [];
  let missing: readonly string[] = [];
  let ended: string | undefined;
  try {
    await learnFacts(ask, facts);
    await learnFiles(ask, looking, { files, facts, listed });
    missing = await learnApplications(looking, options.wanted ?? [], { files, selected });
    if (selected.some((one) => one.aid === hex(desfireName)))
      await learnDesfire(ask, { facts, files, listed });
    await looking.describe();
  } catch (thrown) {
    if (!(thrown instanceof Ended)) throw thrown;
    ended = thrown.message;
  }
  const applications = merged(listed, selected);
  return {
    atr: describeAtr(parseAtr(options.atr)),
    facts,
    applications,
    files: named(files, applications),
    missing,
    ...(silently === undefined ? {} : { notAsked: `structure, size and life cycle of files: ${silently}` }),
    ...(ended === undefined ? {} : { ended }),
  };
}

const telecomNames = new Set(standardFiles.flatMap(({ name, telecom }) => (telecom === true ? [name] : [])));

/**
 * By a telecom identifier alone a file is no telecom file: without a USIM beside it, it is told by what the product calls it, and else with
 * a question mark.
 */
function named(files: readonly FoundFile[], applications: readonly FoundApplication[]): FoundFile[] {
  if (applications.some(({ aid }) => isTelecom(aid))) return [...files];
  const isGuess = ({ path }: FoundFile): boolean => telecomNames.has(path);
  const known = new Set(files.filter((one) => !isGuess(one)).map(({ fid }) => fid));
  return files
    .filter((one) => !isGuess(one) || !known.has(one.fid))
    .map((one) => (isGuess(one) ? { ...one, path: `${one.path}?` } : one));
}

function merged(
  listed: readonly FoundApplication[],
  selected: readonly FoundApplication[],
): FoundApplication[] {
  const all = new Map<string, FoundApplication>();
  for (const one of [...listed, ...selected]) {
    const known = all.get(one.aid);
    const both = known !== undefined && known.seen !== one.seen;
    all.set(one.aid, {
      ...one,
      name: known?.name || one.name,
      seen: both ? "selected and listed" : (known?.seen ?? one.seen),
    });
  }
  return [...all.values()];
}
