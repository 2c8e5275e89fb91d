import { type Scp11ChannelSpec, scp11Kids } from "./channel-spec.js";

const byte = (value: number): string => value.toString(16).toUpperCase().padStart(2, "0");
const clauseOf = (clause: string): string => `GlobalPlatform Amendment F ${clause}`;

export const scp11ChannelText = ({ variant, level, kvn, authority, host }: Scp11ChannelSpec): string =>
  `SCP11${variant} level ${byte(level)}, key pair version ${byte(kvn)} certified by ⟨authority ${authority}⟩${host === undefined ? "" : `, host ⟨key ${host.keys}⟩`}`;

export const scp11OpeningText = ({ variant, kvn, authority }: Scp11ChannelSpec) => ({
  apdu: `00 CA BF 21 06 A6 04 83 02 ${byte(scp11Kids[variant])} ${byte(kvn)} 00`,
  why: "ask for the card's certificate, and judge it before anything else is sent",
  clause: clauseOf("7.3, GET DATA"),
  expect: `9000, certificates that ⟨authority ${authority}⟩ signed`,
});

export const scp11HostText = ({ host }: Scp11ChannelSpec) => ({
  apdu: `80 2A ${byte(host?.authorityKvn ?? 0)} ${byte(scp11Kids.authority)} ⟨certificate, ${(host?.certificates ?? []).map(({ length }) => String(length)).join(" and ")} bytes⟩`,
  why: "show the card who the host is; one attempt, whatever it answers",
  clause: clauseOf("7.5, PERFORM SECURITY OPERATION"),
  expect: "9000",
});

export const scp11AgreementText = ({ variant, level, kvn, keyLength }: Scp11ChannelSpec) => ({
  apdu: `80 ${variant === "b" ? "88" : "82"} ${byte(kvn)} ${byte(scp11Kids[variant])} 53 A6 0D 90 02 11 ${{ a: "01", b: "00", c: "03" }[variant]} 95 01 ${level === 0x33 ? "3C" : "34"} 80 01 88 81 01 ${byte(keyLength)} 5F 49 41 ⟨ephemeral public key, 65 bytes⟩ 00`,
  why: "agree upon session keys; the receipt must show the certified key before anything else is sent",
  clause: clauseOf(variant === "b" ? "7.1, INTERNAL AUTHENTICATE" : "7.4, MUTUAL AUTHENTICATE"),
  expect: "9000, the card's public key ‖ receipt",
});
