import type { ContactLine } from "./line.js";
import { Link } from "./link.js";
import { initialEtu, initialWaitingEtu } from "./timing.js";

/** RST stays at L for so many clock periods at least, and the answer begins so many after RST is H at most (6.2.2, 6.2.3). */
const resetLow = 400;
const answerWindow = 40_000;
/** Seconds between deactivation and the next activation (6.4). */
const restSeconds = 0.01;
/** TS and at most 32 characters after it (8.2.1); a card that goes on is cut off and its ATR is malformed. */
const mostCharacters = 33;

export interface ResetAnswer {
  readonly atr: Uint8Array;
  readonly link: Link;
}

/**
 * Activation and cold reset (6.2.2): RST L, VCC, I/O in reception, CLK, then RST H. "mute": no answer in 40,000 clock periods, or no TS;
 * the contacts are deactivated then. The ATR comes as it is, malformed or not. Throws CardProblem `line-noise`.
 */
export function coldReset(line: ContactLine, volts: "A" | "B" | "C" = "A"): ResetAnswer | "mute" {
  line.setReset("L");
  line.setVcc(volts);
  line.setInputOutput("reception");
  line.setClock("running");
  return answered(line);
}

/** Warm reset (6.2.3): VCC and CLK stay. */
export function warmReset(line: ContactLine): ResetAnswer | "mute" {
  line.setReset("L");
  return answered(line);
}

function answered(line: ContactLine): ResetAnswer | "mute" {
  line.wait(line.now + resetLow);
  line.setReset("H");
  try {
    const answer = receiveAtr(line);
    if (answer === "mute") deactivate(line);
    return answer;
  } catch (thrown) {
    deactivate(line);
    throw thrown;
  }
}

/** RST L, CLK stopped at L, I/O L, VCC off (6.4), and the rest before anybody activates again. */
export function deactivate(line: ContactLine): void {
  line.setReset("L");
  line.setClock("stopped");
  line.setInputOutput("L");
  line.setVcc("off");
  line.wait(line.now + Math.ceil(restSeconds * line.clockHz));
}

function receiveAtr(line: ContactLine): ResetAnswer | "mute" {
  const link = new Link(line);
  const convention = link.receiveConvention(line.now + answerWindow);
  if (convention === undefined) return "mute";
  link.convention = convention;
  const bytes = [convention === "direct" ? 0x3b : 0x3f];
  const expected = new Expected();
  // EMV Book 1: the whole ATR within 20,160 etu.
  link.begin(20_160 * initialEtu);
  while (bytes.length < mostCharacters && expected.more) {
    const character = link.receive(initialWaitingEtu * initialEtu, { signals: true });
    // A card that stops in the middle: what came is told, and found malformed by whoever parses it.
    if (character === undefined) break;
    bytes.push(character.byte);
    expected.take(character.byte);
  }
  return { atr: Uint8Array.from(bytes), link };
}

/** Counts down what T0, TDi and TCK still announce (8.2): a reader has to know where an ATR ends, for nothing marks it. */
class Expected {
  #interface = 0;
  #historical = 0;
  #check = false;
  /** Place of the TD among the interface bytes of the set that is being read; 0 when it has none. */
  #td = 0;
  #first = true;

  get more(): boolean {
    return this.#first || this.#interface > 0 || this.#historical > 0 || this.#check;
  }

  take(byte: number): void {
    if (this.#first) {
      this.#first = false;
      this.#historical = byte & 0x0f;
      this.#announce(byte >> 4);
      return;
    }
    if (this.#interface > 0) {
      this.#interface--;
      if (this.#interface === 0 && this.#td === 1) {
        if ((byte & 0x0f) !== 0) this.#check = true;
        this.#announce(byte >> 4);
      }
      return;
    }
    if (this.#historical > 0) this.#historical--;
    else this.#check = false;
  }

  #announce(presence: number): void {
    this.#interface = [1, 2, 4, 8].filter((bit) => (presence & bit) !== 0).length;
    this.#td = (presence & 8) === 0 ? 0 : 1;
  }
}
