/** A card printer behind CUPS. One job a card, followed to its end; whatever goes wrong on the way, the job is taken out and never sent again. */
import { setTimeout as wait } from "node:timers/promises";
import { DeviceFault } from "../../problem.js";
import { printerGeometry } from "../geometry.js";
import type { Marker } from "../port.js";
import type { IppAttribute } from "./ipp.js";
import { type PrintJob, printingMs, printPdf } from "./job.js";
import { PrintQueue, type QueueOptions } from "./queue.js";
import { ribbonResidue } from "./residue.js";

export interface CupsPrinterOptions extends QueueOptions {
  /** The driver's name for a card (`lpoptions -p QUEUE -l`). */
  readonly media?: string | undefined;
  /**
   * "machine" only where the driver reports sheets that left the printer; usual is "camera": the end of a job says that data went out,
   * not that a card came out.
   */
  readonly confirmedBy?: "machine" | "camera" | undefined;
  /** Milliseconds from sending a card to the end of its job; default 3 minutes. */
  readonly timeoutMs?: number | undefined;
  readonly pollMs?: number | undefined;
  /** Dots an inch, mm beyond the edges, mm that stay white; 300 to the very edge when not said. */
  readonly printing?: Parameters<typeof printerGeometry>[0];
  /** The printer's ribbon keeps what it printed; default true. */
  readonly ribbon?: boolean | undefined;
}

export function cupsPrinter(options: CupsPrinterOptions): Marker {
  const { name, media, confirmedBy = "camera", timeoutMs = 180_000, pollMs = 250, ribbon = true } = options;
  const queue = new PrintQueue(options);
  let cards = 0;

  async function ready(): Promise<void> {
    const { troubles, accepts, stopped, waiting, errorPolicy } = await queue.state();
    const refuse = (message: string): DeviceFault => queue.fault("refused", message);
    if (errorPolicy !== "abort-job")
      throw refuse(
        `its queue would print a failed card again (error policy ${errorPolicy ?? "unknown"}): lpadmin -p ${options.queue} -o printer-error-policy=abort-job`,
      );
    if (stopped || !accepts)
      throw refuse(`its queue is stopped: cupsenable ${options.queue}, cupsaccept ${options.queue}`);
    if (troubles.length > 0) throw refuse(`it says ${troubles.join(", ")}`);
    if (waiting > 0)
      throw refuse(
        `${String(waiting)} other jobs wait for it, and would be printed on this line's cards: cancel -a ${options.queue}`,
      );
  }

  const attributesOf = (job: PrintJob): readonly IppAttribute[] => [
    { name: "copies", tag: "integer", values: [1] },
    { name: "sides", tag: "keyword", values: [job.sides.length > 1 ? "two-sided-long-edge" : "one-sided"] },
    // A page is the card: made larger or smaller it would be another one.
    { name: "print-scaling", tag: "keyword", values: ["none"] },
    ...(media === undefined ? [] : [{ name: "media", tag: "keyword" as const, values: [media] }]),
  ];

  /** What is wrong with the card of this job; undefined: still under way; "done". */
  async function look(id: number): Promise<{ readonly wrong: string } | "done" | undefined> {
    const job = await queue.job(id);
    if (job === "gone") return { wrong: "its job vanished from the queue" };
    const { troubles, stopped } = await queue.state();
    if (troubles.length > 0) return { wrong: `the printer says ${troubles.join(", ")}` };
    const why = job.reasons.filter((reason) => reason !== "none").join(", ");
    switch (job.state) {
      case 9:
        if (/with-errors/.test(why)) return { wrong: `its job ended with ${why}` };
        if (confirmedBy === "machine" && job.sheets < 1)
          return { wrong: "its job ended, but the printer counted no card" };
        return "done";
      case 7:
        return { wrong: "its job was cancelled" };
      case 8:
        return { wrong: "its job was aborted" };
      case 4:
      case 6:
        return { wrong: `its job stands still (${why})` };
      default:
        return stopped ? { wrong: "its queue was stopped in the middle of it" } : undefined;
    }
  }

  async function follow(id: number): Promise<void> {
    const end = Date.now() + timeoutMs;
    let silent: unknown;
    while (Date.now() < end) {
      try {
        const seen = await look(id);
        if (seen === "done") return;
        if (seen !== undefined) throw new Error(seen.wrong);
        silent = undefined;
      } catch (thrown) {
        // Asking again does no harm, as sending again would.
        if (!(thrown instanceof DeviceFault)) throw thrown;
        silent = thrown;
      }
      await wait(pollMs);
    }
    throw new Error(
      silent instanceof Error ? silent.message : `its job has not ended in ${String(timeoutMs / 1000)} s`,
    );
  }

  const refused = (asked: string): DeviceFault => queue.fault("refused", `it does colour, not ${asked}`);
  return {
    name,
    kind: "real",
    does: "colour",
    geometry: printerGeometry(options.printing ?? { dpi: 300 }),
    confirmedBy,
    ...(ribbon ? { residue: ribbonResidue } : {}),
    duration: (job) => {
      if (job.kind !== "colour") throw refused(job.kind);
      return printingMs(job);
    },
    ready,
    async mark(job) {
      if (job.kind !== "colour") throw refused(job.kind);
      await ready();
      // Nothing of the person: titles stand in logs.
      const id = await queue.print(`persoline card ${String(++cards)}`, printPdf(job), attributesOf(job));
      let wrong: unknown;
      try {
        await follow(id);
      } catch (thrown) {
        wrong = thrown;
      }
      // Also after a good end: the document shows a person, and a job that is kept can be printed again.
      const kept = await queue.purge(id).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (wrong !== undefined || kept !== undefined) {
        const why = [wrong, kept].flatMap((one) => (one instanceof Error ? [one.message] : [])).join("; ");
        throw queue.fault("refused", `card unknown: ${why}`, wrong ?? kept);
      }
    },
  };
}
