/** An embosser in another room, as its file describes it: who it hears, how it reads a chip again, what it strikes with. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import type { Marker } from "../devices/marker/port.js";
import {
  type EmbossStation,
  embossStation,
  type FedCard,
  type Feeder,
} from "../devices/marker/remote/station.js";
import { readTls } from "../devices/marker/remote/tls.js";
import type { SimulatedMarkerOptions } from "../devices/marker/simulated.js";
import { DataProblem } from "../orders/problem.js";
import { strictYaml } from "../orders/yaml.js";
import { identityOf } from "../stations/identity.js";
import { type EmbossStationFile, embossStationSchema, withPaths } from "../stations/line-devices.js";
import { realWorld } from "../stations/world.js";
import { chipOf } from "./bodies.js";
import { machines } from "./line-machines.js";
import { pcscStationReader, type RealReader } from "./line-readers.js";
import { shopFloorFeeder } from "./shop-floor-feeder.js";

/** JSON Schema (draft 2020-12) of such files, for editors. */
export const embossStationJsonSchema = (): unknown => ({
  title: "Persoline emboss station",
  ...z.toJSONSchema(embossStationSchema, { io: "input" }),
});

/** Throws DataProblem with everything that is wrong with it. */
export function readEmbossStation(file: string): EmbossStationFile {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    const refused = { file, code: "no-file", message: "the station's file cannot be opened" };
    throw new DataProblem([{ ...refused, remedy: "check the path and the file's permissions" }]);
  }
  const read = strictYaml(embossStationSchema, text, file);
  if (!read.ok) throw new DataProblem(read.problems);
  const { value } = read;
  if (value.embosser === undefined && value.indenter === undefined)
    throw new DataProblem([
      read.problem(
        ["embosser"],
        "no-machine",
        "this station strikes nothing",
        "name its embosser or its indenter",
      ),
    ]);
  const folder = dirname(file);
  return {
    ...value,
    ca: resolve(folder, value.ca),
    cert: resolve(folder, value.cert),
    key: resolve(folder, value.key),
    ...(value.crl === undefined ? {} : { crl: resolve(folder, value.crl) }),
    reader:
      "shopFloor" in value.reader
        ? { ...value.reader, shopFloor: resolve(folder, value.reader.shopFloor) }
        : value.reader,
    ...(value.embosser === undefined ? {} : { embosser: withPaths(value.embosser, folder) }),
    ...(value.indenter === undefined ? {} : { indenter: withPaths(value.indenter, folder) }),
  };
}

export interface OpenEmbossStation {
  readonly file: EmbossStationFile;
  readonly host: string;
  readonly port: number;
  /** Folder of its own journal. */
  readonly data: string;
  readonly onEvent: (text: string) => void;
}

export async function openEmbossStation(open: OpenEmbossStation): Promise<EmbossStation> {
  const { file, data } = open;
  const wheels = machines({ order: "", line: file.line, data });
  let body: string | undefined;
  const at: SimulatedMarkerOptions = {
    name: file.station,
    place: { at: "hopper" },
    bodyAt: () => body,
    world: realWorld({ speed: 1 }),
    seed: "1",
  };
  const made: Marker[] = [
    ...(file.embosser === undefined ? [] : [wheels.wheels(file.embosser, "emboss", at)]),
    ...(file.indenter === undefined ? [] : [wheels.wheels(file.indenter, "indent", at)]),
  ];
  const marker =
    (dir: string): FedCard["marker"] =>
    (does) => {
      body = dir;
      return made.find((one) => one.does === does);
    };
  let reader: RealReader | undefined;
  let feeder: Feeder;
  if ("shopFloor" in file.reader) feeder = shopFloorFeeder(file.reader, marker, chipOf);
  else {
    reader = pcscStationReader(file.reader, `${file.station} reader`);
    feeder = readerFeeder(reader, marker);
  }
  const station = await embossStation({
    name: file.station,
    line: file.line,
    tls: readTls(file.station, file),
    host: open.host,
    port: open.port,
    data,
    feeder,
    ready: async (does) => made.find((one) => one.does === does)?.ready?.(),
    ...(file.rejectsInARow === undefined ? {} : { rejectsInARow: file.rejectsInARow }),
    onEvent: open.onEvent,
  });
  return {
    ...station,
    close: async () => {
      await station.close();
      wheels.close();
      reader?.close();
    },
  };
}

/** A person puts card after card under a reader, and from there into the machine. */
function readerFeeder(reader: RealReader, marker: (dir: string) => FedCard["marker"]): Feeder {
  const { ask, serialIn } = identityOf({});
  let taken = false;
  return {
    async next() {
      if (taken && !(await reader.awaitCard("absent", 500))) return undefined;
      taken = false;
      if (!(await reader.awaitCard("present", 500))) return undefined;
      taken = true;
      try {
        const reset = await reader.insert();
        const serial = reset === "mute" ? undefined : serialIn(await reset.channel.exchange(ask));
        return { body: "", serial, marker: marker("") };
      } finally {
        await reader.remove();
      }
    },
  };
}
