import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { counted } from "../../ledger/counted.js";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { localTime } from "../../access/calendar.js";
import {
  occupied,
  passagesCsv,
  passagesHtml,
  refusalColumns,
  refusalRow,
  reportPassages,
  stayColumns,
  stayRow,
  type NameOf,
} from "../../access/report.js";
import { inOrder, muster } from "../../access/presence.js";
import type { Passage, Site } from "../../access/types.js";
import type { Store } from "../../store/store.js";
import type { DataFolder } from "../data-folder.js";
import { refuseBrokenAudit, signAudit } from "../audit-heads.js";
import { openSecurityModule } from "../key-file.js";
import { readMovements } from "../movements.js";
import { Refusal } from "../problem.js";
import { gateOperations, mustKeep } from "../protection.js";
import { replay } from "../replay.js";
import { write } from "../reports.js";
import { screen } from "../screen.js";
import { readSite, type SiteFile } from "../site-file.js";
import {
  type CommonOptions,
  passphrase,
  print,
  printJson,
  textTable,
  withData,
  withOperator,
  withPassphrase,
  withStore,
} from "./options.js";

interface GateOptions extends CommonOptions {
  readonly gates?: string;
  readonly passphraseFd?: number;
}

export function addGateCommands(program: Command): void {
  const gate = program.command("gate").description("doors: who may pass");
  withPassphrase(withOperator(withData(gate.command("replay"))))
    .description(
      "play a list of movements through the gates: each one a real mutual authentication with the card",
    )
    .argument("<movements.csv>", "columns time, gate, card")
    .option("--gates <gates.yaml>", "the site's gates (default: gates.yaml beside the movements)")
    .addHelpText("after", "\nExample:\n  $ persoline gate replay examples/warehouse-access/movements.csv")
    .action(replayCommand);

  withData(program.command("presence"))
    .description("who is in which control zone")
    .option("--gates <gates.yaml>", "the site's gates (default: those of the last replay)")
    .option("--at <time>", "at this time (ISO 8601) instead of after the last passage")
    .option(
      "--alarm <time>",
      "mustering: who was inside then and has not left or come to a muster zone since",
    )
    .addHelpText("after", "\nExample:\n  $ persoline presence --at 2026-12-01T12:00:00+01:00")
    .action(presence);

  const report = program.commands.find((command) => command.name() === "report") ?? program.command("report");
  withData(report.command("passages"))
    .description("every entry and exit by person, zone and time; refusals")
    .option("--gates <gates.yaml>", "the site's gates (default: those of the last replay)")
    .option("--from <time>", "from this time on (ISO 8601)")
    .option("--until <time>", "until this time (ISO 8601)")
    .option("--html <file>", "also write a page for people")
    .option("--csv <file>", "also write a table for spreadsheets")
    .addHelpText("after", "\nExample:\n  $ persoline report passages --html passages.html")
    .action(passages);
}

/** Which gates a data folder is about is remembered there. */
const lastSite = (data: DataFolder): string => join(data.root, "site.json");

async function siteOf(options: GateOptions, data: DataFolder): Promise<SiteFile> {
  if (options.gates !== undefined) return readSite(options.gates);
  const file = lastSite(data);
  if (!existsSync(file))
    throw new Refusal(
      `no passage was recorded in ${data.root} yet: play some with "persoline gate replay", or name the site with --gates`,
    );
  const { gates } = JSON.parse(readFileSync(file, "utf8")) as { readonly gates: string };
  return readSite(gates);
}

function replayCommand(file: string, options: GateOptions): Promise<void> {
  return withStore(options, async (store, data) => {
    const site = await readSite(options.gates ?? join(dirname(resolve(file)), "gates.yaml"));
    const movements = await readMovements(file, site.site);
    const hsm = await openSecurityModule(data, site.keys, passphrase(options));
    const shown = screen({ quiet: options.json === true });
    try {
      await refuseBrokenAudit({ store, data });
      await mustKeep(hsm, { file: site.file, programs: [], more: gateOperations(site.cards), wanted: [] });
      const done = await replay({
        site,
        movements,
        file,
        store,
        hsm,
        data,
        onPassage: (passage) => {
          if (passage.decision === "refused")
            shown.say(`${shown.paint("yellow", "refused")}  ${refusalLine(passage, site)}`);
          else if (passage.reason !== undefined)
            shown.say(`${shown.paint("cyan", "noticed")}  ${refusalLine(passage, site)}`);
        },
      });
      await signAudit({ store, data, hsm });
      writeFileSync(lastSite(data), `${JSON.stringify({ gates: site.file })}\n`);
      if (options.json === true) return printJson(done);
      for (const { order, cards } of done.handedOver)
        print(
          `${counted(cards, "card")} of order ${order} ${cards === 1 ? "was" : "were"} handed over to ${site.site.name}.`,
        );
      print(
        `${counted(done.movements, "movement")}: ${String(done.granted)} granted, ${String(done.refused)} refused${done.known > 0 ? `, ${String(done.known)} known already` : ""}. Cards and readers are simulated.`,
      );
    } finally {
      await hsm.close();
    }
  });
}

const refusalLine = (
  { at, gate, reference, serial, reason = "", detail = "" }: Passage,
  { site }: SiteFile,
): string =>
  `${localTime(Date.parse(at), site.timeZone)} ${gate} ${reference ?? serial ?? "unreadable card"}: ${reason}; ${detail}`;

async function allPassages(store: Store, until?: string): Promise<Passage[]> {
  const found: Passage[] = [];
  for await (const { id: _, ...passage } of store.access.passages(until === undefined ? {} : { until }))
    found.push(passage);
  return found;
}

async function names(store: Store): Promise<NameOf> {
  const known = new Map<string, { readonly name: string; readonly department: string }>();
  for await (const { reference, name, department } of store.access.holders())
    known.set(reference, { name, department });
  return (person) => known.get(person);
}

/** ISO 8601 in UTC, so that times compare as texts. */
function instant(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new Refusal(`${text} is not a time; write it as 2026-12-01T12:00:00+01:00`);
  return new Date(at).toISOString();
}

function presence(options: GateOptions & { readonly at?: string; readonly alarm?: string }): Promise<void> {
  return withStore(options, async (store, data) => {
    const { site } = await siteOf(options, data);
    const until = instant(options.at);
    const alarm = instant(options.alarm);
    if (alarm !== undefined) return musterList(store, site, { alarm, until, json: options.json === true });
    const { inside } = reportPassages(
      site,
      await allPassages(store, until),
      until === undefined ? {} : { until },
    );
    const nameOf = await names(store);
    const rooms = occupied(site, inside);
    if (options.json === true) {
      return printJson({
        site: site.name,
        ...(until === undefined ? {} : { at: until }),
        inside: inside.length,
        zones: rooms.map(({ zone, people }) => ({
          zone,
          people: people.map(({ person, zone: innermost, since }) => ({
            person,
            name: nameOf(person)?.name,
            in: innermost,
            since: new Date(since).toISOString(),
          })),
        })),
      });
    }
    print(`${site.name}: ${counted(inside.length, "person", "people")} inside.\n`);
    print(
      textTable(
        ["zone", "people", "who, since"],
        rooms.flatMap(({ zone, people }) => [
          [zone, people.length, ""],
          ...people
            .filter((one) => one.zone === zone)
            .map(({ person, since }) => [
              "",
              "",
              `${nameOf(person)?.name ?? person}, ${localTime(since, site.timeZone).slice(11, 16)}`,
            ]),
        ]),
      ),
    );
  });
}

async function musterList(
  store: Store,
  site: Site,
  {
    alarm,
    until,
    json,
  }: { readonly alarm: string; readonly until: string | undefined; readonly json: boolean },
): Promise<void> {
  const { safe, missing } = muster(site, inOrder(await allPassages(store, until)), Date.parse(alarm));
  const nameOf = await names(store);
  const named = missing.map((one) => ({ ...one, name: nameOf(one.person)?.name ?? "" }));
  if (json) {
    return printJson({
      site: site.name,
      alarm,
      safe,
      missing: named.map((one) => ({ ...one, since: new Date(one.since).toISOString() })),
    });
  }
  print(
    `${site.name}: ${counted(missing.length, "person", "people")} missing, ${String(safe.length)} safe.\n`,
  );
  if (missing.length > 0)
    print(
      textTable(
        ["missing", "name", "last seen in", "since"],
        named.map(({ person, name, zone, since }) => [person, name, zone, localTime(since, site.timeZone)]),
      ),
    );
}

function passages(
  options: GateOptions & {
    readonly from?: string;
    readonly until?: string;
    readonly html?: string;
    readonly csv?: string;
  },
): Promise<void> {
  return withStore(options, async (store, data) => {
    const { site } = await siteOf(options, data);
    const [from, until] = [instant(options.from), instant(options.until)];
    const span = { ...(from === undefined ? {} : { from }), ...(until === undefined ? {} : { until }) };
    const report = reportPassages(site, await allPassages(store, until), span);
    const nameOf = await names(store);
    if (options.html !== undefined) await write(options.html, passagesHtml(report, site, nameOf));
    if (options.csv !== undefined) await write(options.csv, passagesCsv(report, nameOf));
    if (options.json === true) {
      const time = (at: number | undefined): string | undefined =>
        at === undefined ? undefined : new Date(at).toISOString();
      return printJson({
        ...report,
        stays: report.stays.map((stay) => ({ ...stay, in: time(stay.in), out: time(stay.out) })),
        inside: report.inside.map((one) => ({ ...one, since: time(one.since) })),
      });
    }
    const { timeZone } = site;
    print(
      textTable(
        stayColumns,
        report.stays.map((stay) => stayRow(stay, timeZone, nameOf)),
      ),
    );
    print(
      `\n${textTable(
        ["zone", "entries", "people", "most at a time", "hours of all"],
        report.zones.map((one) => [one.zone, one.entries, one.people, one.peak, one.hours.toFixed(1)]),
      )}`,
    );
    print(`\n${String(report.passages)} passages, ${String(report.refusals.length)} refused:\n`);
    print(
      textTable(
        refusalColumns,
        [...report.refusals, ...report.noticed].map((one) => refusalRow(one, timeZone, nameOf)),
      ),
    );
  });
}
