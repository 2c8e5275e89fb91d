/**
 * What a reader hangs on (SCARD_ATTR_CHANNEL_ID). The binding has no SCardGetAttrib, so this asks pcscd by the messages of its own library
 * (pcsc-lite, winscard_msg.h, protocol 4.4, which 1.8.24 and everything after it speaks): DIRECT, hence without a card and without power.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { endianness } from "node:os";

const usualSocket = "/run/pcscd/pcscd.comm";
const protocol = { major: 4, minor: 4 } as const;
const command = {
  establish: 0x01,
  connect: 0x04,
  disconnect: 0x06,
  attribute: 0x0f,
  version: 0x11,
} as const;
const channelId = 0x2_0110;
const direct = 3;
const leave = 0;
/** MAX_READERNAME, and MAX_BUFFER_SIZE of an attribute. */
const nameLength = 128;
const attributeLength = 264;
const sharingViolation = 0x8010_000b;
const patienceMs = 2_000;

/** `in use`: another program has the reader for itself. `unknown`: the reader or this service does not tell. */
export type Channel = number | "in use" | "unknown";

/** DDDDCCCC: type of the channel and its number; for USB 0020BBDD, bus and device (PC/SC Part 3, 3.1.4). Never throws. */
export async function channelOf(reader: string, socket: string = usualSocket): Promise<Channel> {
  if (Buffer.byteLength(reader) >= nameLength || endianness() !== "LE") return "unknown";
  const service = connect(socket);
  service.setTimeout(patienceMs, () => service.destroy());
  try {
    await once(service, "connect");
    return await asked(new Exchange(service), reader);
  } catch {
    return "unknown";
  } finally {
    service.destroy();
  }
}

async function asked(service: Exchange, reader: string): Promise<Channel> {
  const { major, minor } = protocol;
  const version = await service.ask(command.version, words(major, minor, 0));
  if (version.readUInt32LE(8) !== 0) return "unknown";
  const context = (await service.ask(command.establish, words(0, 0, 0))).readUInt32LE(4);
  const name = Buffer.alloc(nameLength);
  name.write(reader);
  const connected = await service.ask(
    command.connect,
    Buffer.concat([words(context), name, words(direct, 0, 0, 0, 0)]),
  );
  const end = connected.length;
  const refused = connected.readUInt32LE(end - 4);
  if (refused !== 0) return refused === sharingViolation ? "in use" : "unknown";
  const card = connected.readUInt32LE(end - 12);
  const attribute = await service.ask(
    command.attribute,
    Buffer.concat([words(card, channelId), Buffer.alloc(attributeLength), words(attributeLength, 0)]),
  );
  await service.ask(command.disconnect, words(card, leave, 0));
  const tail = 8 + attributeLength;
  const [length, failed] = [attribute.readUInt32LE(tail), attribute.readUInt32LE(tail + 4)];
  return failed !== 0 || length < 4 ? "unknown" : attribute.readUInt32LE(8);
}

const words = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeUInt32LE(value, at * 4);
  return bytes;
};

/** One message there, the same structure back. */
class Exchange {
  readonly #service: Socket;
  #come = Buffer.alloc(0);

  constructor(service: Socket) {
    this.#service = service;
    service.on("data", (bytes: Buffer) => {
      this.#come = Buffer.concat([this.#come, bytes]);
      service.emit("more");
    });
    service.on("error", () => undefined);
    service.on("close", () => service.emit("more"));
  }

  async ask(which: number, body: Buffer): Promise<Buffer> {
    this.#service.write(Buffer.concat([words(body.length, which), body]));
    while (this.#come.length < body.length) {
      if (this.#service.destroyed) throw new Error("the service has gone");
      await once(this.#service, "more");
    }
    const answer = this.#come.subarray(0, body.length);
    this.#come = this.#come.subarray(body.length);
    return answer;
  }
}
