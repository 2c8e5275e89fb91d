/** One CUPS queue over IPP (RFC 8011): what it says of itself, one job at a time. */
import { setTimeout as wait } from "node:timers/promises";
import { DeviceFault } from "../../problem.js";
import { ippAnswer, type IppAnswer, type IppAttribute, ippRequest, operations } from "./ipp.js";

export interface QueueOptions {
  /** For messages. */
  readonly name: string;
  readonly queue: string;
  /** HOST:PORT of cupsd; default this computer's. */
  readonly server?: string | undefined;
  /** Milliseconds for one question. */
  readonly answerMs?: number | undefined;
}

/** What stands in the way, in words; empty when nothing does. */
export interface QueueState {
  readonly troubles: readonly string[];
  readonly accepts: boolean;
  readonly stopped: boolean;
  readonly waiting: number;
  /** What CUPS does with a job whose printing failed. */
  readonly errorPolicy: string | undefined;
}

export interface JobState {
  /** RFC 8011, 5.3.7: 3 pending, 4 held, 5 processing, 6 stopped, 7 cancelled, 8 aborted, 9 completed. */
  readonly state: number;
  readonly reasons: readonly string[];
  readonly sheets: number;
}

/** Conditions that do no harm to a card; every other one does, unless it ends with -report or -warning (RFC 8011, 5.4.12). */
const harmless = new Set([
  "none",
  "connecting-to-device",
  "marker-supply-low",
  "marker-waste-almost-full",
  "media-low",
  "toner-low",
]);
const isTrouble = (reason: string): boolean => !harmless.has(reason) && !/-(report|warning)$/.test(reason);

const notFound = 0x0406;
const mostAnswer = 1 << 20;
/** A tenth of a second each. */
const purgeTries = 100;

export class PrintQueue {
  readonly #options: QueueOptions;
  readonly #http: string;
  readonly #ipp: string;
  #requests = 0;

  constructor(options: QueueOptions) {
    this.#options = options;
    const path = `${options.server ?? "127.0.0.1:631"}/printers/${encodeURIComponent(options.queue)}`;
    this.#http = `http://${path}`;
    this.#ipp = `ipp://${path}`;
  }

  fault(code: "refused" | "timeout" | "unplugged", message: string, cause?: unknown): DeviceFault {
    const { name } = this.#options;
    return new DeviceFault(name, code, `${name}: ${message}`, cause === undefined ? {} : { cause });
  }

  async #ask(
    operation: number,
    attributes: readonly IppAttribute[],
    more: { readonly job?: readonly IppAttribute[]; readonly document?: Uint8Array } = {},
  ): Promise<IppAnswer> {
    const request = ++this.#requests;
    const uri: IppAttribute = { name: "printer-uri", tag: "uri", values: [this.#ipp] };
    const user: IppAttribute = { name: "requesting-user-name", tag: "name", values: ["persoline"] };
    const [first, ...rest] = attributes;
    // The order of the first attributes is fixed: target, job, user (RFC 8011, 4.1.5).
    const ordered = first?.name === "job-id" ? [uri, first, user, ...rest] : [uri, user, ...attributes];
    let answer: IppAnswer;
    try {
      const response = await fetch(this.#http, {
        method: "POST",
        redirect: "error",
        headers: { "content-type": "application/ipp" },
        body: Buffer.from(ippRequest({ operation, request, attributes: ordered, ...more })),
        signal: AbortSignal.timeout(this.#options.answerMs ?? 10_000),
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw this.fault(
          "refused",
          `CUPS refuses this computer or has no such place (HTTP ${String(response.status)})`,
        );
      }
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (bytes.length > mostAnswer) throw new RangeError("an IPP answer is too long");
      answer = ippAnswer(bytes);
    } catch (thrown) {
      if (thrown instanceof DeviceFault) throw thrown;
      throw this.fault("unplugged", "CUPS does not answer: is cupsd running (Debian: cups-daemon)?", thrown);
    }
    if (answer.request !== request) throw this.fault("refused", "CUPS answered another question");
    return answer;
  }

  async state(): Promise<QueueState> {
    const wanted = [
      "printer-state",
      "printer-state-reasons",
      "printer-is-accepting-jobs",
      "queued-job-count",
      "printer-error-policy",
    ];
    const { status, attributes } = await this.#ask(operations.getPrinter, [
      { name: "requested-attributes", tag: "keyword", values: wanted },
    ]);
    if (status === notFound)
      throw this.fault("refused", `CUPS has no queue called ${this.#options.queue}: see lpstat -e`);
    if (status >= 0x0100)
      throw this.fault("refused", `CUPS does not tell about its queue (status ${hexOf(status)})`);
    const [state] = attributes.get("printer-state") ?? [];
    return {
      troubles: (attributes.get("printer-state-reasons") ?? []).map(String).filter(isTrouble),
      accepts: attributes.get("printer-is-accepting-jobs")?.[0] === true,
      stopped: state === 5,
      waiting: Number(attributes.get("queued-job-count")?.[0] ?? 0),
      errorPolicy: attributes.get("printer-error-policy")?.map(String)[0],
    };
  }

  /** Sends one document; its job's number. Throws DeviceFault: whether CUPS has it is then unknown, unless it refused. */
  async print(title: string, document: Uint8Array, job: readonly IppAttribute[]): Promise<number> {
    const { status, attributes } = await this.#ask(
      operations.printJob,
      [
        { name: "job-name", tag: "name", values: [title] },
        // An option that the queue does not know must not be dropped silently.
        { name: "ipp-attribute-fidelity", tag: "boolean", values: [true] },
        { name: "document-format", tag: "mimeMediaType", values: ["application/pdf"] },
      ],
      { job, document },
    );
    const [id] = attributes.get("job-id") ?? [];
    if (status >= 0x0100 || typeof id !== "number")
      throw this.fault("refused", `CUPS does not take the job (status ${hexOf(status)})`);
    return id;
  }

  /** "gone": CUPS knows no such job any more. */
  async job(id: number): Promise<JobState | "gone"> {
    const { status, attributes } = await this.#ask(operations.getJob, [
      { name: "job-id", tag: "integer", values: [id] },
      {
        name: "requested-attributes",
        tag: "keyword",
        values: ["job-state", "job-state-reasons", "job-media-sheets-completed", "job-impressions-completed"],
      },
    ]);
    if (status === notFound) return "gone";
    if (status >= 0x0100)
      throw this.fault("refused", `CUPS does not tell about job ${String(id)} (status ${hexOf(status)})`);
    const count = (name: string): number => Number(attributes.get(name)?.[0] ?? 0);
    return {
      state: count("job-state"),
      reasons: (attributes.get("job-state-reasons") ?? []).map(String),
      sheets: Math.max(count("job-media-sheets-completed"), count("job-impressions-completed")),
    };
  }

  /**
   * Takes the job and its document out of the queue for good, whatever its state: it cannot be printed later, nor again. A job under way is
   * ended first, which takes CUPS a moment; then it is taken out.
   */
  async purge(id: number): Promise<void> {
    for (let tries = 0; ; tries++) {
      const { status } = await this.#ask(operations.cancelJob, [
        { name: "job-id", tag: "integer", values: [id] },
        { name: "purge-job", tag: "boolean", values: [true] },
      ]);
      if (status === notFound || (await this.job(id)) === "gone") return;
      if (tries >= purgeTries)
        throw this.fault(
          "refused",
          `CUPS keeps job ${String(id)} (status ${hexOf(status)}): remove it with cancel -x`,
        );
      await wait(100);
    }
  }
}

const hexOf = (status: number): string => `0x${status.toString(16).padStart(4, "0")}`;
