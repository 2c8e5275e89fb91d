/**
 * A virtual card in front of strangers' tools: a pcscd of the test's own, in namespaces of its own (nothing of it reaches a
 * network), vpcd as its reader, and the card behind it over a pipe. Protocol of vpcd: length (2, most significant byte first) ‖ body;
 * one byte is control: 00 off, 01 on, 02 reset, 04 ATR; all else is an APDU.
 */
import { spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import type { VirtualCard } from "@persoline/card/virtual";

/** Debian's reader configuration: two slots, the first at this port. */
const configuration = "/etc/reader.conf.d/vpcd";
const port = 35963;

/** Carries bytes between file descriptor 3 and vpcd, which the daemon opens in its own time. */
const relay = `
const net = require("node:net");
const up = new net.Socket({ fd: 3 });
const connect = () => {
  const down = net.connect(${String(port)}, "127.0.0.1");
  down.on("error", () => setTimeout(connect, 20));
  down.on("connect", () => { up.pipe(down); down.pipe(up); });
};
connect();
`;

/** Everything happens in here, and ends with it; the tools' outputs are told apart by the line between them. */
const border = "-- next tool --";
const script = (tools: readonly string[]): string => `
set -e
ip link set lo up
ip route change local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 quickack 1 table local
mount -t tmpfs tmpfs /run
mkdir /run/pcscd
# OpenSC takes a card whose ATR it does not know only when it is told to.
echo "app default { card_drivers = default; enable_default_driver = true; }" >$OPENSC_CONF
pcscd --foreground --config ${configuration} >/dev/null 2>&1 3>&- &
daemon=$!
"$NODE" -e "$RELAY" &
carrier=$!
trap 'kill $daemon $carrier; wait' EXIT
exec 3>&-
for attempt in $(seq 100); do
  if opensc-tool --list-readers 2>/dev/null | grep -q Yes; then break; fi
  sleep 0.1
done
${tools.map((tool) => `${tool} 2>&1 || echo "exit $?"`).join(`\necho "${border}"\n`)}
`;

/** Runs command lines (shell text) one after the other while the card lies in the reader; the output of each. */
export function underPcscd(card: VirtualCard, tools: readonly string[]): Promise<string[]> {
  return new Promise((done, failed) => {
    const child = spawn("unshare", ["--map-root-user", "--mount", "--net", "sh", "-c", script(tools)], {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: {
        PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
        NODE: process.execPath,
        RELAY: relay,
        HOME: "/nonexistent",
        OPENSC_CONF: "/run/opensc.conf",
      },
    });
    serve(card, child.stdio[3] as Duplex);
    let out = "";
    let err = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.on("error", failed);
    child.on("close", (code) => {
      if (code === 0) done(out.split(`${border}\n`));
      else failed(new Error(`the private pcscd ended with ${String(code)}: ${err}\n${out}`));
    });
  });
}

function serve(card: VirtualCard, line: Duplex): void {
  let atr: Uint8Array = card.powerOn() ?? new Uint8Array(0);
  let waiting = Buffer.alloc(0);
  const send = (body: Uint8Array): void => {
    line.write(Buffer.concat([Buffer.of(body.length >> 8, body.length & 0xff), body]));
  };
  const take = (body: Uint8Array): void => {
    if (body.length !== 1) send(card.transmit(body) ?? new Uint8Array(0));
    else if (body[0] === 0x00) card.powerOff();
    else if (body[0] === 0x01) atr = card.powerOn() ?? atr;
    else if (body[0] === 0x02) atr = card.warmReset() ?? atr;
    else if (body[0] === 0x04) send(atr);
  };
  // The tools are gone before the pipe is empty: that is how each of these runs ends.
  line.on("error", () => line.destroy());
  line.on("data", (bytes: Buffer) => {
    waiting = Buffer.concat([waiting, bytes]);
    while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
      const end = 2 + waiting.readUInt16BE(0);
      take(Uint8Array.from(waiting.subarray(2, end)));
      waiting = waiting.subarray(end);
    }
  });
}
