/** A network camera that answers a GET with a picture. */
import { setTimeout as wait } from "node:timers/promises";
import { createHash } from "node:crypto";
import { DeviceFault } from "../problem.js";
import type { Exposure, ExposureSource, Trigger } from "./live.js";

export interface HttpSourceOptions {
  /** For messages. */
  readonly name: string;
  /** http or https, without user and password: they would stand in a line file. */
  readonly url: string;
  /**
   * Pictures thrown away after the trigger: many cameras answer with the last frame of their stream, and the one after it was
   * certainly exposed later. Default 1; 0 only for cameras that expose for each request.
   */
  readonly discard?: number;
  /** Bytes of the largest picture; default 16 MiB. */
  readonly most?: number;
  /** Milliseconds between two looks at a camera that has no new frame yet. */
  readonly pauseMs?: number;
}

const mebi = 1 << 20;
/** Seconds in an HTTP date are whole: a picture can look this much older than it is, ms. */
const dateStep = 2_000;

/** Throws DeviceFault "refused" for an address that no camera of a line may have. */
export function httpAddress(name: string, text: string): URL {
  const address = URL.canParse(text) ? new URL(text) : undefined;
  if (address === undefined || !/^https?:$/.test(address.protocol))
    throw new DeviceFault(name, "refused", `${name}: its address is no http or https URL`);
  if (address.username !== "" || address.password !== "")
    throw new DeviceFault(
      name,
      "refused",
      `${name}: its address holds a user or password; let the camera know this computer instead`,
    );
  return address;
}

export function httpSource(options: HttpSourceOptions): ExposureSource {
  const { name, discard = 1, most = 16 * mebi, pauseMs = 40 } = options;
  const address = httpAddress(name, options.url);
  // Its query may hold what opens the camera.
  const shown = `${address.origin}${address.pathname}`;
  const fault = (code: "refused" | "timeout" | "unplugged", message: string, cause?: unknown): DeviceFault =>
    new DeviceFault(name, code, `${name}: ${shown} ${message}`, cause === undefined ? {} : { cause });

  async function bodyOf(response: Response): Promise<Uint8Array> {
    const told = Number(response.headers.get("content-length") ?? "0");
    const tooMuch = (): DeviceFault =>
      fault("refused", `sends more than ${String(most)} bytes for a picture`);
    if (told > most) {
      await response.body?.cancel();
      throw tooMuch();
    }
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      length += part.length;
      // Leaving the loop cancels the rest.
      if (length > most) throw tooMuch();
      parts.push(part);
    }
    // A connection that breaks within a chunked answer is an error of its own; one with a length must keep it.
    if (told > 0 && length !== told) throw fault("unplugged", "broke off within a picture");
    return new Uint8Array(Buffer.concat(parts));
  }

  function proveFresh(headers: Headers): void {
    if (Number(headers.get("age") ?? "0") > 0)
      throw fault("refused", "answers from a cache: a camera is asked directly");
    // Both by the camera's own clock, so that it may go wrong.
    const [sent, taken] = ["date", "last-modified"].map((one) => Date.parse(headers.get(one) ?? ""));
    if (sent !== undefined && taken !== undefined && sent - taken > dateStep)
      throw fault(
        "refused",
        `answers with a picture that is ${String(Math.round((sent - taken) / 1000))} s old`,
      );
  }

  async function snapshot(over: AbortSignal): Promise<Uint8Array> {
    try {
      const response = await fetch(address, {
        redirect: "manual",
        headers: { accept: "image/jpeg, image/png", "cache-control": "no-cache" },
        signal: over,
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        const redirects = response.status >= 300 && response.status < 400;
        throw fault(
          "refused",
          redirects
            ? "sends the line to another address: name the camera's own in the line file"
            : `answers with status ${String(response.status)}`,
        );
      }
      proveFresh(response.headers);
      return await bodyOf(response);
    } catch (thrown) {
      if (thrown instanceof DeviceFault) throw thrown;
      if (over.aborted) throw fault("timeout", "has not answered in time", thrown);
      throw fault("unplugged", "cannot be reached, or broke off", thrown);
    }
  }

  const frozen = (cause: unknown): DeviceFault => fault("timeout", "gives no new frame: it is frozen", cause);

  async function expose({ over }: Trigger): Promise<Exposure> {
    const old = new Set<string>();
    for (;;) {
      const image = await snapshot(over).catch((thrown: unknown) => {
        throw over.aborted && old.size >= Math.max(1, discard) ? frozen(thrown) : thrown;
      });
      const digest = createHash("sha256").update(image).digest("hex");
      if (old.size >= discard && !old.has(digest)) return { image };
      // Frames that come again are the one that was thrown away: the camera has no new one yet.
      old.add(digest);
      try {
        await wait(pauseMs, undefined, { signal: over });
      } catch (thrown) {
        throw frozen(thrown);
      }
    }
  }
  return { expose };
}
