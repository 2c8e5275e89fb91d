/** Embossers, indent printers and encoders as a line file or a station's file names them. */
import { join } from "node:path";
import type { Encoder } from "../devices/encoder/port.js";
import { programEncoder } from "../devices/encoder/program.js";
import { simulatedEncoder, type SimulatedEncoderOptions } from "../devices/encoder/simulated.js";
import { escapeEmbosser } from "../devices/marker/emboss/escape.js";
import { folderWire } from "../devices/marker/emboss/folder.js";
import { serialWire } from "../devices/marker/emboss/serial.js";
import type { Wire } from "../devices/marker/emboss/wire.js";
import type { Marker } from "../devices/marker/port.js";
import { remoteEmbosser, type RemoteStation, remoteStation } from "../devices/marker/remote/client.js";
import { readTls } from "../devices/marker/remote/tls.js";
import {
  simulatedEmbosser,
  simulatedIndenter,
  type SimulatedMarkerOptions,
} from "../devices/marker/simulated.js";
import type { EmbosserFile, EncoderFile, IndenterFile } from "../stations/line-devices.js";

/** Wires and connections opened for them. */
export interface Machines {
  /** The same wire for both kinds of work of one machine at one port. */
  wheels(file: EmbosserFile | IndenterFile, does: "emboss" | "indent", at: SimulatedMarkerOptions): Marker;
  encoder(file: EncoderFile, at: SimulatedEncoderOptions): Encoder;
  close(): void;
}

export interface MachinesOptions {
  /** Name of order and line: trays bear them. */
  readonly order: string;
  readonly line: string;
  /** Data folder: leases of remote stations are kept there, and which cards no machine at a port has answered for. */
  readonly data: string;
}

export function machines({ order, line, data }: MachinesOptions): Machines {
  const wires = new Map<string, Wire>();
  const stations = new Map<string, RemoteStation>();
  const wireOf = (key: string, make: () => Wire): Wire => {
    const wire = wires.get(key) ?? make();
    wires.set(key, wire);
    return wire;
  };
  const unansweredAt = (port: string): string =>
    join(data, "wires", `${port.replace(/^\/dev\//, "").replaceAll(/[^A-Za-z0-9._-]+/g, "-")}.unanswered`);
  const stationAt = (file: Extract<EmbosserFile, { remote: string }>, name: string): RemoteStation => {
    const known = stations.get(file.remote);
    if (known !== undefined) return known;
    const colon = file.remote.lastIndexOf(":");
    const made = remoteStation({
      name,
      host: file.remote.slice(0, colon),
      port: Number(file.remote.slice(colon + 1)),
      station: file.station,
      tls: readTls(name, file),
      leaseFile: join(data, "leases", `${line}-${file.station}`),
    });
    stations.set(file.remote, made);
    return made;
  };
  return {
    wheels(file, does, at) {
      const { name } = at;
      if (file === "simulated") return does === "emboss" ? simulatedEmbosser(at) : simulatedIndenter(at);
      const timeoutMs = file.cardSeconds * 1000;
      if ("remote" in file) {
        const { cards, trays } = file;
        const options = { name, does, order, timeoutMs, ...(cards === 1 ? {} : { trays: { cards, trays } }) };
        return remoteEmbosser(stationAt(file, name), options);
      }
      const wire =
        "serial" in file
          ? wireOf(file.serial, () => serialWire(name, { ...file, unanswered: unansweredAt(file.serial) }))
          : wireOf(file.folder, () => folderWire(name, file.folder));
      return escapeEmbosser({ name, does, form: file.records, wire, timeoutMs });
    },
    encoder(file, at) {
      if (file === "simulated") return simulatedEncoder(at);
      return encoderBehind(at.name, file);
    },
    close() {
      for (const wire of wires.values()) wire.close();
      for (const station of stations.values()) station.close();
    },
  };
}

/** A real encoder, which stands behind a program. */
export function encoderBehind(name: string, file: Exclude<EncoderFile, "simulated">): Encoder {
  const timeoutMs = file.answerSeconds * 1000;
  if ("folder" in file) return programEncoder({ name, program: { folder: file.folder }, timeoutMs });
  const [command = "", ...words] = file.command;
  return programEncoder({ name, program: { command: [command, ...words] }, timeoutMs });
}
