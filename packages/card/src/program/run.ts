import { whatRemains } from "./resume.js";
import { type Around, changesCard, type SegmentEnd, sendSegment } from "./segment.js";
import type {
  CardChannel,
  CardProgram,
  Journal,
  Note,
  Outcome,
  RejectCode,
  SealedSecrets,
  SecurityModule,
  Segment,
  Serial,
  World,
} from "./types.js";
import { CardMute } from "./types.js";

export interface Run {
  readonly program: CardProgram;
  /** `digest(program)`: kept with each intent, so that a resume with another program is noticed. */
  readonly digest?: string;
  readonly station: string;
  readonly serial: Serial;
  readonly channel: CardChannel;
  /** Takes the power away and gives it again; without it a card that falls silent after a change cannot be resumed here. */
  readonly powerCycle?: () => Promise<CardChannel | "mute">;
  readonly hsm: SecurityModule;
  readonly journal: Journal;
  /** Of the record that the card is bound to; absent when the program writes none. */
  readonly secrets?: SealedSecrets;
  /** Keeps a PIN that the card has drawn, sealed by the security module: durable when it resolves. Needed by programs with such a step. */
  readonly keep?: (pin: string, sealed: Uint8Array) => Promise<void>;
  readonly world: World;
  /**
   * After an interruption: the segment with the open intent and the journal's program name. When the journal knows of none for this
   * station, but the station had begun, segment 0: whatever proves done is then skipped.
   */
  readonly resume?: { readonly segment: number; readonly program?: string; readonly resumes: number };
  /** At most so many resumes of one card at one station, over all runs. Default 3. */
  readonly maxResumes?: number;
  /** Modelled durations of messages that leave the process (used on virtual time only), milliseconds. */
  readonly outside?: { readonly hsmMs: number; readonly journalMs: number };
}

/** `changed`: a command that changes the card may have left; before that a mute card may simply be seated again and run from the start. */
export type RunEnd = Outcome & { readonly changed: boolean; readonly resumes: number };

/** How the journal names a program: two programs of one name but other content are told apart. */
export const journalName = (program: CardProgram, digest?: string): string =>
  digest === undefined ? program.name : `${program.name}#${digest.slice(0, 16)}`;

/**
 * Walks one card through a program: each segment's intent is durable before its first changing command leaves. Expected ends are values.
 * What the channel, the security module or the journal throws (DeviceFault) goes through and leaves the journal open.
 */
export async function runProgram(run: Run): Promise<RunEnd> {
  return new Walk(run).walk();
}

class Walk {
  readonly #run: Run;
  readonly #name: string;
  /** Outcomes on their way to the journal. A walk that passed does not wait for them: the note of its passing comes behind them. */
  readonly #notes: Promise<void>[] = [];
  #channel: CardChannel;
  #changed = false;
  #resumes: number;

  constructor(run: Run) {
    this.#run = run;
    this.#name = journalName(run.program, run.digest);
    this.#channel = run.channel;
    this.#resumes = run.resume?.resumes ?? 0;
  }

  async walk(): Promise<RunEnd> {
    const { program, resume } = this.#run;
    if (resume?.program !== undefined && resume.program !== this.#name) {
      return this.#end({
        kind: "halted",
        device: "program",
        code: "refused",
        detail: `this card was begun with ${resume.program}, now the plan says ${this.#name}: give the product files back as they were`,
      });
    }
    const first = resume?.segment ?? 0;
    if (resume !== undefined) {
      this.#changed = true;
      this.#resumes++;
    }
    for (const [index, segment] of program.segments.entries()) {
      if (index < first) continue;
      const doubt = resume === undefined ? "none" : index === first ? "whole" : "maybe";
      const rejected = await this.#segment(index, segment, doubt);
      if (rejected !== undefined) return rejected;
    }
    return this.#end({ kind: "passed" });
  }

  /** `whole`: an intent is open; `maybe`: an interrupted run may have come this far; after a mute card it starts again, by the rules. */
  async #segment(
    index: number,
    segment: Segment,
    begin: "none" | "maybe" | "whole",
  ): Promise<RunEnd | undefined> {
    let doubt = begin;
    for (;;) {
      const sent = { changing: false };
      const end = await this.#once(index, segment, doubt, sent);
      if (end.kind === "done") {
        if (changesCard(segment)) this.#note(index, "done");
        return undefined;
      }
      if (end.kind === "fault") {
        return this.#rejected(index, end.fault.code, end.fault.detail);
      }
      if (!this.#changed) {
        return this.#rejected(index, "mute", `the card fell silent at: ${end.where}`);
      }
      if (sent.changing) doubt = "whole";
      const stopped = await this.#powerCycle(index, end.where);
      if (stopped !== undefined) return stopped;
    }
  }

  async #once(
    index: number,
    segment: Segment,
    doubt: "none" | "maybe" | "whole",
    sent: { changing: boolean },
  ): Promise<SegmentEnd> {
    let steps = segment.steps;
    try {
      if (doubt !== "none") {
        const remains = await whatRemains(segment, this.#channel, doubt === "whole");
        if (remains.kind !== "steps") return remains;
        steps = remains.steps;
      }
    } catch (thrown) {
      if (!(thrown instanceof CardMute)) throw thrown;
      return { kind: "mute", where: `asking how far "${segment.name}" came` };
    }
    const { hsm, keep, serial, secrets, world } = this.#run;
    // The intent is written while the session is being opened: only the first changing command waits for it.
    const durable = changesCard(segment) ? this.#intent(index, doubt === "whole") : Promise.resolve();
    durable.catch(() => undefined);
    const around: Around = {
      channel: this.#channel,
      hsm,
      serial,
      secrets,
      keep,
      world,
      hsmMs: this.#run.outside?.hsmMs ?? 1,
      aboutToChange: async () => {
        await durable;
        sent.changing = true;
        this.#changed = true;
      },
    };
    const end = await sendSegment(segment.channel, steps, around, segment.before);
    await durable;
    return end;
  }

  /** Undefined: the card has power again and answers may be asked. */
  async #powerCycle(index: number, where: string): Promise<RunEnd | undefined> {
    const { powerCycle, maxResumes = 3 } = this.#run;
    if (powerCycle === undefined) {
      return this.#rejected(index, "interrupted", `the card fell silent after a change, at: ${where}`);
    }
    if (this.#resumes >= maxResumes) {
      return this.#rejected(
        index,
        "too-many-resumes",
        `the card fell silent again after ${this.#resumes} resumes, at: ${where}`,
      );
    }
    this.#resumes++;
    const channel = await powerCycle();
    if (channel === "mute") {
      return this.#rejected(index, "mute", `the card fell silent for good at: ${where}`);
    }
    this.#channel = channel;
    return undefined;
  }

  async #intent(segment: number, again: boolean): Promise<void> {
    await this.#write({
      ...this.#head(segment),
      event: "intent",
      ...(again ? { detail: `resume ${this.#resumes}` } : {}),
    });
  }

  #note(segment: number, event: "done" | "failed", detail?: string): void {
    const note = this.#write({
      ...this.#head(segment),
      event,
      ...(detail === undefined ? {} : { detail }),
    });
    note.catch(() => undefined);
    this.#notes.push(note);
  }

  #head(segment: number) {
    return { serial: this.#run.serial, station: this.#run.station, program: this.#name, segment };
  }

  #write(note: Note): Promise<void> {
    return this.#run.world.outside(this.#run.outside?.journalMs ?? 2, this.#run.journal.write(note));
  }

  async #rejected(segment: number, code: RejectCode, detail: string): Promise<RunEnd> {
    this.#note(segment, "failed", code);
    return this.#end({ kind: "rejected", code, detail });
  }

  async #end(outcome: Outcome): Promise<RunEnd> {
    if (outcome.kind !== "passed") await Promise.all(this.#notes);
    return { ...outcome, changed: this.#changed, resumes: this.#resumes };
  }
}
