/** A hostile card behind the talk of all real readers: what is sent for one command, how often, and how long it may take. */
import { type Command, encodeCommand } from "@persoline/card/apdu";
import { hex } from "@persoline/card/bytes";
import { converse, type Manner, Silence } from "../devices/reader/conversation.js";
import { apduMs } from "../devices/reader/deadline.js";
import type { Chance } from "../devices/shop-floor/random.js";
import { answerOf, bytesOf, pick, spoiled, whole } from "./fuzz-answers.test.data.js";

/** SELECT, READ BINARY, READ RECORD, GET DATA, UPDATE BINARY, STORE DATA, INSTALL, GENERATE ASYMMETRIC KEY PAIR. */
const harmless: readonly [number, ...number[]] = [0xa4, 0xb0, 0xb2, 0xca, 0xd6, 0xe2, 0xe6, 0x47];
/** VERIFY, CHANGE, DISABLE, ENABLE, RESET, EXTERNAL and GENERAL AUTHENTICATE: a try each. */
const costly: readonly [number, ...number[]] = [0x20, 0x21, 0x24, 0x26, 0x28, 0x2c, 0x82, 0x86, 0x87];
/** A whole answer in 256 pieces of 256 bytes, with what begins it and corrects its length. */
const mostSent = 262;
const mostData = 65_536;

function commandOf(chance: Chance): Command {
  const ins = pick(chance, chance.next() < 0.4 ? costly : harmless);
  const cla = pick(chance, [0x00, 0x00, 0x01, 0x04, 0x0c, 0x80, 0x84]);
  const length = pick(chance, [0, 0, 8, 16, 255, 300]);
  const le = pick(chance, [undefined, undefined, 1, 16, 256, 65_536]);
  return {
    cla,
    ins,
    p1: whole(chance, 256),
    p2: whole(chance, 256),
    ...(length === 0 ? {} : { data: bytesOf(chance, length) }),
    ...(le === undefined ? {} : { le }),
  };
}

/** A card of one humour at a time, or of a new one each time. */
function humour(chance: Chance): () => Uint8Array | undefined {
  const earlier: Uint8Array[] = [];
  const said = (): Uint8Array | undefined => {
    const answer = answerOf(chance);
    earlier.push(answer.slice(0, 300));
    return chance.next() < 0.5 ? answer : spoiled(chance, answer, earlier);
  };
  const more = (): Uint8Array =>
    Uint8Array.of(...bytesOf(chance, pick(chance, [0, 1, 256])), 0x61, whole(chance, 256));
  const otherLength = (): Uint8Array => Uint8Array.of(0x6c, whole(chance, 256));
  const ends = pick(chance, [0, 0.01, 0.2]);
  const main = pick(chance, [said, more, otherLength, () => pick(chance, [said, more, otherLength])()]);
  return () => (chance.next() < ends ? Uint8Array.of(0x90, 0x00) : main());
}

/** One exchange of a few commands; gives back how many answers the card gave. Throws when something was sent that must not be. */
export async function converseOnce(chance: Chance): Promise<number> {
  const commands = Array.from({ length: 1 + whole(chance, 3) }, () => commandOf(chance));
  const protocol = pick<Manner["protocol"]>(chance, ["T=0", "T=1"]);
  const answerMs = 20_000;
  const [ends, slow] = [humour(chance), pick(chance, [0, 1, 5000])];
  let now = 0;
  let silent = false;
  const sent: string[] = [];
  const { answers, broken } = await converse(
    (apdu, { ms }) => {
      if (silent) throw new Error("something was sent after silence");
      if (!(ms > 0)) throw new Error(`${String(ms)} ms were left for an answer`);
      sent.push(hex(apdu));
      const took = slow * chance.next() * 4;
      now += Math.min(took, ms);
      const answer = took > ms || chance.next() < 0.002 ? undefined : ends();
      if (answer === undefined) {
        silent = true;
        return Promise.reject(new Silence("no answer"));
      }
      return Promise.resolve(answer);
    },
    commands.map((command) => ({ command, sw: [{ value: 0x9000, mask: 0xf000 }] })),
    { protocol, answerMs, now: () => now },
  );
  if (broken !== undefined && !(broken instanceof Silence)) throw broken;
  if (broken === undefined && answers.length === 0) throw new Error("neither an answer nor silence");
  if (answers.some(({ data }) => data.length > mostData)) throw new Error("an answer without bound");
  const asked = commands.slice(0, answers.length + (broken === undefined ? 0 : 1));
  const longest = asked.reduce((sum, command) => sum + 2 * apduMs(command, answerMs), 0);
  if (now > longest) throw new Error(`${String(now)} ms for ${String(asked.length)} commands`);
  if (sent.length > mostSent * asked.length) throw new Error(`${String(sent.length)} APDUs were sent`);
  for (const command of asked) {
    // The header tells it, whatever Le 6Cxx has corrected.
    const head = hex(encodeCommand(command)).slice(0, 8);
    const same = asked.filter((one) => hex(encodeCommand(one)).startsWith(head)).length;
    const times = sent.filter((apdu) => apdu.startsWith(head)).length;
    const doneAtOnce = protocol === "T=0" && command.data !== undefined && command.le !== undefined;
    const most = costly.includes(command.ins) || doneAtOnce ? same : 2 * same;
    if (times > most) throw new Error(`${head} was sent ${String(times)} times`);
  }
  return sent.length;
}
