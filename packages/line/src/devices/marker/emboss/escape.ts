/** A real embosser that takes escape-style records over a wire. */
import { wheelsGeometry } from "../geometry.js";
import { DeviceFault } from "../../problem.js";
import type { Marker, MarkJob } from "../port.js";
import { markingMs } from "../simulated.js";
import { recordsOf } from "./records.js";
import { bytesOf, type EscapeTemplate } from "../../escape-template.js";
import { cardBytes } from "./template.js";
import type { Readiness, Wire } from "./wire.js";

export interface EscapeEmbosserOptions {
  readonly name: string;
  /** Desktop embossers do both, with other wheels. */
  readonly does: "emboss" | "indent";
  readonly form: EscapeTemplate;
  readonly wire: Wire;
  /** So long a card may take; then its outcome is unknown. */
  readonly timeoutMs: number;
}

export function escapeEmbosser({ name, does, form, wire, timeoutMs }: EscapeEmbosserOptions): Marker {
  const asked = (job: MarkJob) => {
    if (job.kind === "raster" || job.kind !== does)
      throw new DeviceFault(name, "refused", `${name} does ${does}, not ${job.kind}`);
    return job;
  };
  const done = Buffer.from(bytesOf(form.done));
  const failed = form.failed.map((text) => Buffer.from(bytesOf(text)));
  /** Whichever the machine said first. */
  const heard = (answer: Buffer): "done" | "failed" | undefined => {
    const good = answer.indexOf(done);
    const bad = failed.map((one) => answer.indexOf(one)).filter((at) => at >= 0);
    if (bad.length > 0 && (good < 0 || Math.min(...bad) < good)) return "failed";
    return good >= 0 ? "done" : undefined;
  };
  const { status, idle } = form;
  const readiness: Readiness = {
    ends: (answer) => heard(answer) !== undefined,
    ...(status === undefined || idle === undefined
      ? {}
      : { question: { query: bytesOf(status), idle: bytesOf(idle) } }),
  };
  let busy = false;
  return {
    name,
    kind: "real",
    does,
    geometry: wheelsGeometry(does),
    duration: (job) => markingMs(asked(job)),
    ready: () => wire.ready(readiness),
    ...(wire.isFolder === true ? { emptied: () => wire.ready(readiness) } : {}),
    async mark(job) {
      const bytes = cardBytes(form, recordsOf(name, asked(job)));
      if (bytes === undefined)
        throw new DeviceFault(
          name,
          "refused",
          `${name} lacks a wheel of this job, or its record has too few digits: see wheels and line in the line file`,
        );
      if (busy) throw new DeviceFault(name, "refused", `${name} has a card in work`);
      busy = true;
      try {
        if ((await wire.exchange(bytes, heard, timeoutMs)) === "failed")
          throw new DeviceFault(name, "refused", `${name} says that the card is not as it should be`);
      } finally {
        busy = false;
      }
    },
  };
}
