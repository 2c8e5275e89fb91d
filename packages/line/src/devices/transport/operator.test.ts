import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DeviceFault } from "../problem.js";
import { DeskBook } from "./desk-book.js";
import { type OperatorTransport, operatorTransport } from "./operator.js";
import type { Place } from "./port.js";

const head: Place = { at: "head", station: "desk", head: 0 };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-desk-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A reader whose card comes and goes by what the person is told. */
class Person {
  readonly told: string[] = [];
  /** What the line waits for now. */
  awaited: string | undefined;
  present = false;
  obeys = true;
  label: string | undefined = "D1-000001";
  readonly typed: string[] = [];
  /** The answer to the question for a card's number. */
  types = "";
  book = new DeskBook(join(folder, "desk.book"));

  /** Cards that are pulled out while they are read. */
  pulled = 0;
  read(): Promise<string | undefined> {
    // What is in the reader is not waited for.
    if (this.awaited !== undefined) throw new Error("the desk waits for a card that is in the reader");
    if (this.pulled-- <= 0) return Promise.resolve(this.label);
    this.present = false;
    return Promise.reject(new DeviceFault("desk reader", "refused", "no card lies in this reader"));
  }

  transport(keyboard = false): OperatorTransport {
    return operatorTransport({
      book: this.book,
      moveMs: 4000,
      desk: {
        tell: (text) => {
          this.told.push(text);
          if (!this.obeys) return;
          if (/^(Insert|Put)|insert it again/.test(text)) this.present = true;
          else if (/^(GOOD|REJECT|ASIDE|BACK|OTHER)/.test(text)) this.present = false;
        },
        awaits: (text) => {
          this.awaited = text;
        },
        typed: keyboard
          ? (signal) => {
              const line = this.typed.shift();
              if (line !== undefined) return Promise.resolve(line);
              return new Promise((resolve, reject) => {
                // The question is told right before it waits for the answer.
                if (this.told.at(-1)?.startsWith("This card does not say") === true) resolve(this.types);
                signal.addEventListener("abort", () => reject(new Error("nobody waits")));
              });
            }
          : undefined,
      },
      awaitCard: async (card) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        return this.present === (card === "present");
      },
      identify: () => this.read(),
      recognise: () => this.read(),
    });
  }
}

describe("the operator's transport", () => {
  test("a card comes when the reader has it, and has gone when the reader is empty", async () => {
    const person = new Person();
    const transport = person.transport();
    expect(await transport.feed(head)).toEqual({ label: "D1-000001", byChip: true });
    expect(await transport.occupied()).toEqual([{ place: head, label: "D1-000001" }]);
    await transport.move(head, { at: "reject" });
    expect(await transport.occupied()).toEqual([]);
    expect(person.told).toEqual([
      "Insert the next card.",
      "REJECT: Take card D1-000001 out and put it into the reject tray.",
    ]);
    expect(person.book.placeOf("D1-000001")).toEqual({ at: "reject" });
    person.book.close();
  });

  test("a finished card goes back to the tray and place that it came from", async () => {
    const person = new Person();
    const transport = person.transport();
    await transport.feed(head);
    const tray = { at: "good", order: "2026-7", slot: 12 } as const;
    await transport.move(head, tray, "again");
    expect(person.told.at(-1)).toBe(
      "BACK: Card D1-000001 was made already: take it out and put it back into the good tray of order 2026-7, place 12.",
    );
    expect(person.book.placeOf("D1-000001")).toEqual(tray);
    person.book.close();
  });

  test("a move that cannot be is a jam, and nothing is told", async () => {
    const person = new Person();
    await expect(person.transport().move(head, { at: "reject" })).rejects.toThrow(DeviceFault);
    expect(person.told).toEqual([]);
  });

  test("a line that stops waits for nobody; e ends a desk with a keyboard", async () => {
    const person = new Person();
    person.obeys = false;
    const transport = person.transport();
    const fed = transport.feed(head);
    expect(person.awaited).toBe("Insert the next card.");
    transport.stop();
    expect(await fed).toBe("empty");
    expect(person.awaited).toBeUndefined();
    person.typed.push("what?", "e");
    expect(await person.transport(true).feed(head)).toBe("ended");
  });

  test("a card that does not say who it is: the number on its body is typed, or it stays unknown", async () => {
    const person = new Person();
    person.label = undefined;
    expect(await person.transport().feed(head)).toEqual({ label: undefined });
    person.book.put(undefined, { at: "hold" });
    person.types = "D1-000009";
    expect(await person.transport(true).feed(head)).toEqual({ label: "D1-000009" });
    person.book.close();
  });

  test("after a kill the book tells what lay in the reader, and the person is asked to put it back", async () => {
    const person = new Person();
    await person.transport().feed(head);
    person.book.close();
    // The kill cut the last line off.
    appendFileSync(join(folder, "desk.book"), '{"label":"D1-00');
    person.book = new DeskBook(join(folder, "desk.book"));
    person.present = false;
    const transport = person.transport();
    expect(await transport.occupied()).toEqual([{ place: head, label: "D1-000001" }]);
    expect(person.told.at(-1)).toBe("Put card D1-000001 back into the reader: it was being worked on.");
    await transport.move(head, { at: "hold" });
    person.book.close();
    expect(new DeskBook(join(folder, "desk.book")).placeOf("D1-000001")).toEqual({ at: "hold" });
  });

  test("a card that is pulled out before it was read is asked for again", async () => {
    const person = new Person();
    person.pulled = 2;
    const again = "The card was taken out before it could be read: insert it again.";
    expect(await person.transport().feed(head)).toEqual({ label: "D1-000001", byChip: true });
    expect(person.told).toEqual(["Insert the next card.", again, again]);
    person.book.close();
  });

  test("a reader that fails while its card lies there is no person's doing", async () => {
    const person = new Person();
    const failed = new DeviceFault("desk reader", "refused", "another program is using this reader");
    person.read = () => Promise.reject(failed);
    await expect(person.transport().feed(head)).rejects.toBe(failed);
  });

  test("the card in work is asked for until it, and no other, is back", async () => {
    const person = new Person();
    const transport = person.transport();
    await transport.feed(head);
    person.present = false;
    person.pulled = 1;
    const labels = ["D1-000002", "D1-000001"];
    const read = person.read.bind(person);
    person.read = async () => ((await read()) === undefined ? undefined : labels.shift());
    await transport.putBack();
    const ask = "Put card D1-000001 back into the reader: it was being worked on.";
    const other = "OTHER CARD: This is card D1-000002, not card D1-000001: take it out.";
    expect(person.told.slice(1)).toEqual([ask, ask, other, ask]);
    person.present = false;
    person.obeys = false;
    transport.stop();
    await expect(transport.putBack()).rejects.toThrow("card D1-000001 was not put back into the reader");
    person.book.close();
  });
});
