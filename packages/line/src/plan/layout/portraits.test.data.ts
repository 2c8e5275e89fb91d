import { Resvg } from "@resvg/resvg-js";
import type { Photo } from "../../orders/types.js";

/** A drawn face, different for each number, for tests of layout and camera. */
export function samplePhoto(number: number): Photo {
  const trait = (n: number): number => {
    const x = Math.sin(number * 12.9898 + n * 78.233) * 43_758.5453;
    return x - Math.floor(x);
  };
  const grey = (value: number): string =>
    `rgb(${[value, value, value].map((one) => Math.round(one)).join(",")})`;
  const [wide, high, skin, hair] = [
    70 + trait(1) * 25,
    95 + trait(2) * 25,
    120 + trait(3) * 100,
    20 + trait(4) * 120,
  ];
  const [left, right, shoulder] = [180 - wide * 0.4, 180 + wide * 0.4, 330 + trait(5) * 20];
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="360" height="450"><defs><radialGradient id="g" cx="0.4" cy="0.35" r="0.8">` +
    `<stop offset="0" stop-color="${grey(skin + 30)}"/><stop offset="1" stop-color="${grey(skin - 60)}"/></radialGradient>` +
    `<linearGradient id="b" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#e8e8e8"/><stop offset="1" stop-color="#b0b0b0"/></linearGradient></defs>` +
    `<rect width="360" height="450" fill="url(#b)"/>` +
    `<path d="M40 450 Q60 ${shoulder} 180 330 Q300 ${shoulder} 320 450Z" fill="${grey(40 + trait(6) * 120)}"/>` +
    `<rect x="150" y="270" width="60" height="80" fill="${grey(skin - 20)}"/>` +
    `<ellipse cx="180" cy="185" rx="${wide + 12}" ry="${high + 14}" fill="${grey(hair)}"/>` +
    `<ellipse cx="180" cy="205" rx="${wide}" ry="${high}" fill="url(#g)"/>` +
    `<ellipse cx="${left}" cy="195" rx="9" ry="6" fill="#222"/><ellipse cx="${right}" cy="195" rx="9" ry="6" fill="#222"/>` +
    `<path d="M180 200 q-14 40 4 42" stroke="#555" stroke-width="4" fill="none"/>` +
    `<path d="M150 ${262 + trait(8) * 10} q30 ${trait(9) * 24} 60 0" stroke="#433" stroke-width="7" fill="none"/></svg>`;
  const image = new Resvg(svg, { font: { loadSystemFonts: false } }).render();
  return { png: new Uint8Array(image.asPng()), width: image.width, height: image.height };
}

/** A signature in one stroke, different for each number. */
export function sampleSignature(number: number): Photo {
  const trait = (n: number): number => {
    const x = Math.sin(number * 39.425 + n * 17.77) * 24_634.6345;
    return x - Math.floor(x);
  };
  let path = "M20 70";
  for (let i = 0; i < 9; i++) {
    const x = 20 + i * 38;
    path += `C${String(x + 10)} ${String(10 + trait(i) * 70)} ${String(x + 28)} ${String(20 + trait(i + 20) * 80)} ${String(x + 38)} ${String(40 + trait(i + 40) * 40)}`;
  }
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="400" height="110"><rect width="400" height="110" fill="#fff"/><path d="${path}" fill="none" stroke="#111" stroke-width="5"/></svg>`;
  const image = new Resvg(svg, { font: { loadSystemFonts: false } }).render();
  return { png: new Uint8Array(image.asPng()), width: image.width, height: image.height };
}
