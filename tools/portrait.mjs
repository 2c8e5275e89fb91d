// Drawn portraits for the examples: faces of nobody. The same seed draws the same face.

/** Numbers from 0 to 1 that follow from the seed (mulberry32).
 * @param {number} seed @returns {() => number} */
export function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** @param {number} level 0 black, 255 white */
const grey = (level) => {
  const byte = Math.round(Math.min(255, Math.max(0, level)));
  return `rgb(${String(byte)},${String(byte)},${String(byte)})`;
};

/** A portrait of 240 × 300 as SVG.
 * @param {number} seed @returns {string} */
export function portrait(seed) {
  const draw = chance(seed * 7919 + 17);
  /** @param {number} low @param {number} high */
  const between = (low, high) => low + draw() * (high - low);
  /** @template T @param {readonly T[]} items @returns {T} */
  const one = (items) => /** @type {T} */ (items[Math.floor(draw() * items.length)]);

  const skin = between(128, 222);
  const hair = one([28, 44, 62, 90, 120, 165, 205]);
  const cloth = one([40, 70, 105, 140, 190]);
  const back = between(214, 246);
  const wide = between(49, 63);
  const high = between(70, 84);
  const jaw = between(0.62, 0.94);
  const x = 120 + between(-3, 3);
  const y = 132 + between(-5, 5);
  const style = one(["short", "side", "long", "bun", "bald", "curly", "fringe", "spiky", "bob"]);
  const beard =
    style === "long" || style === "bun" || style === "bob"
      ? "none"
      : one(["none", "none", "full", "goatee", "moustache"]);
  const glasses = one(["none", "none", "none", "round", "square"]);
  const eyes = between(20, 26);
  const eyeY = y - between(2, 10);
  const dark = grey(skin - between(45, 65));

  /** @type {string[]} */
  const parts = [`<rect width="240" height="300" fill="${grey(back)}"/>`];
  const top = y - high;
  if (style === "long") {
    parts.push(
      `<path d="M${x - wide - 12} ${y + 90} Q${x - wide - 26} ${top - 26} ${x} ${top - 20} Q${x + wide + 26} ${top - 26} ${x + wide + 12} ${y + 90} Z" fill="${grey(hair)}"/>`,
    );
  } else if (style === "bob") {
    parts.push(
      `<rect x="${x - wide - 13}" y="${top - 12}" width="${2 * wide + 26}" height="${high * 1.75}" rx="46" fill="${grey(hair)}"/>`,
    );
  } else if (style === "bun") {
    parts.push(`<circle cx="${x}" cy="${top - 16}" r="${between(17, 25)}" fill="${grey(hair)}"/>`);
  }
  // Shoulders, collar, neck.
  const shoulder = between(86, 104);
  parts.push(
    `<path d="M${x - shoulder} 300 Q${x - shoulder} ${y + 104} ${x - 34} ${y + 92} L${x + 34} ${y + 92} Q${x + shoulder} ${y + 104} ${x + shoulder} 300 Z" fill="${grey(cloth)}"/>`,
  );
  parts.push(`<path d="M${x - 25} ${y + 40} h50 v56 q-25 26 -50 0 Z" fill="${grey(skin - 22)}"/>`);
  const collar = one(["round", "v", "shirt"]);
  if (collar === "v")
    parts.push(
      `<path d="M${x - 27} ${y + 94} L${x} ${y + 142} L${x + 27} ${y + 94}" fill="${grey(skin - 10)}" stroke="${grey(cloth - 30)}" stroke-width="5"/>`,
    );
  if (collar === "shirt")
    parts.push(
      `<path d="M${x - 30} ${y + 88} L${x - 3} ${y + 118} L${x - 30} ${y + 128} Z M${x + 30} ${y + 88} L${x + 3} ${y + 118} L${x + 30} ${y + 128} Z" fill="${grey(238)}"/><path d="M${x - 5} ${y + 116} h10 l5 52 h-20 Z" fill="${grey(cloth < 90 ? 180 : 50)}"/>`,
    );
  // Ears and head.
  for (const side of [-1, 1])
    parts.push(
      `<ellipse cx="${x + side * (wide + 1)}" cy="${y + 6}" rx="8" ry="15" fill="${grey(skin - 12)}"/>`,
    );
  const chin = y + high;
  parts.push(
    `<path d="M${x - wide} ${y - 10} C${x - wide} ${top - 14} ${x + wide} ${top - 14} ${x + wide} ${y - 10} C${x + wide} ${y + 34} ${x + wide * jaw} ${chin} ${x} ${chin} C${x - wide * jaw} ${chin} ${x - wide} ${y + 34} ${x - wide} ${y - 10} Z" fill="${grey(skin)}"/>`,
  );
  parts.push(
    `<path d="M${x + wide} ${y - 10} C${x + wide} ${y + 34} ${x + wide * jaw} ${chin} ${x} ${chin} C${x + wide * 0.5} ${chin - 14} ${x + wide * 0.72} ${y + 30} ${x + wide} ${y - 10} Z" fill="${grey(skin - 14)}"/>`,
  );
  // Beard below the mouth, moustache above it.
  const mouthY = y + high * between(0.5, 0.58);
  if (beard === "full")
    parts.push(
      `<path d="M${x - wide + 1} ${y + 14} C${x - wide + 2} ${chin + 12} ${x + wide - 2} ${chin + 12} ${x + wide - 1} ${y + 14} C${x + wide * 0.7} ${mouthY - 18} ${x - wide * 0.7} ${mouthY - 18} ${x - wide + 1} ${y + 14} Z" fill="${grey(hair + 14)}"/>`,
    );
  if (beard === "goatee")
    parts.push(`<ellipse cx="${x}" cy="${chin - 10}" rx="20" ry="17" fill="${grey(hair + 10)}"/>`);
  if (beard === "moustache" || beard === "full")
    parts.push(
      `<path d="M${x - 24} ${mouthY - 3} Q${x} ${mouthY - 20} ${x + 24} ${mouthY - 3} Q${x} ${mouthY - 8} ${x - 24} ${mouthY - 3} Z" fill="${grey(hair)}"/>`,
    );
  const smile = between(-3, 10);
  parts.push(
    `<path d="M${x - 19} ${mouthY} Q${x} ${mouthY + smile} ${x + 19} ${mouthY}" fill="none" stroke="${grey(skin - 92)}" stroke-width="${between(3, 5.5)}" stroke-linecap="round"/>`,
  );
  // Nose, eyes, brows.
  const nose = between(7, 13);
  parts.push(
    `<path d="M${x - 2} ${eyeY + 8} L${x - nose} ${y + 24} Q${x} ${y + 32} ${x + nose} ${y + 24}" fill="none" stroke="${dark}" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/>`,
  );
  const iris = one([30, 60, 95]);
  const open = between(4.5, 7.5);
  const brow = between(13, 19);
  const tilt = between(-4, 4);
  for (const side of [-1, 1]) {
    const at = x + side * eyes;
    parts.push(
      `<ellipse cx="${at}" cy="${eyeY}" rx="10.5" ry="${open}" fill="#fff"/><circle cx="${at}" cy="${eyeY}" r="${open - 0.5}" fill="${grey(iris)}"/>`,
    );
    parts.push(
      `<path d="M${at - 13} ${eyeY - brow + side * tilt} Q${at} ${eyeY - brow - 6} ${at + 13} ${eyeY - brow - side * tilt}" fill="none" stroke="${grey(Math.min(hair, skin - 50))}" stroke-width="${between(3, 6)}" stroke-linecap="round"/>`,
    );
    if (glasses === "round")
      parts.push(`<circle cx="${at}" cy="${eyeY}" r="17" fill="none" stroke="#222" stroke-width="3.5"/>`);
    if (glasses === "square")
      parts.push(
        `<rect x="${at - 18}" y="${eyeY - 13}" width="36" height="27" rx="5" fill="none" stroke="#111" stroke-width="4.5"/>`,
      );
  }
  if (glasses !== "none")
    parts.push(
      `<path d="M${x - eyes + 17} ${eyeY - 2} Q${x} ${eyeY - 8} ${x + eyes - 17} ${eyeY - 2}" fill="none" stroke="#222" stroke-width="3.5"/>`,
    );
  // Hair over the forehead.
  const line = y - high * between(0.44, 0.56);
  const left = x - wide - 3;
  const right = x + wide + 3;
  const crown = `C${left} ${top - 30} ${right} ${top - 30} ${right}`;
  switch (style) {
    case "bald":
      break;
    case "curly":
      for (let n = 0; n < 9; n++) {
        const angle = Math.PI + (Math.PI * n) / 8;
        parts.push(
          `<circle cx="${x + Math.cos(angle) * (wide - 2)}" cy="${y - 26 + Math.sin(angle) * (high - 24)}" r="${between(15, 21)}" fill="${grey(hair)}"/>`,
        );
      }
      break;
    case "spiky": {
      const spikes = Array.from(
        { length: 7 },
        (_, n) =>
          `L${left + ((n + 0.5) * (right - left)) / 7} ${top - between(4, 14)} L${left + ((n + 1) * (right - left)) / 7} ${top + 8}`,
      );
      parts.push(
        `<path d="M${left} ${y - 14} L${left} ${top + 10} ${spikes.join(" ")} L${right} ${y - 14} Q${right - 8} ${line} ${x} ${line} Q${left + 8} ${line} ${left} ${y - 14} Z" fill="${grey(hair)}"/>`,
      );
      break;
    }
    case "side":
      parts.push(
        `<path d="M${left} ${y - 6} ${crown} ${y - 6} Q${right - 6} ${line - 4} ${x - wide * 0.45} ${line - 12} Q${left + 10} ${line + 6} ${left} ${y - 6} Z" fill="${grey(hair)}"/>`,
      );
      break;
    case "fringe":
    case "bob":
      parts.push(
        `<path d="M${left} ${y + 4} ${crown} ${y + 4} L${right - 9} ${line + 8} Q${x} ${line + 16} ${left + 9} ${line + 8} Z" fill="${grey(hair)}"/>`,
      );
      break;
    default:
      parts.push(
        `<path d="M${left} ${y - 8} ${crown} ${y - 8} Q${right - 8} ${line} ${x} ${line} Q${left + 8} ${line} ${left} ${y - 8} Z" fill="${grey(hair)}"/>`,
      );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="240" height="300" viewBox="0 0 240 300">${parts.join("")}</svg>`;
}
