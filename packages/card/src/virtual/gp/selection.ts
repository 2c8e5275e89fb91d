import { type Answer, answer, type Apdu, same, status, SW } from "../os/command.js";
import { fciOf } from "../payment/applet.js";
import { appletOf } from "./applets.js";
import type { GpCard } from "./card.js";
import { recognition } from "./data.js";
import { LIFE } from "./layout.js";
import { isLocked, isSelectable } from "./life.js";
import { item } from "./tlv.js";

/** Most data bytes of a command that the security domain takes (9F65). */
const commandRoom = 0xff;

/** SELECT by name, whole or its beginning, first or next occurrence (GPCS 11.9; ISO/IEC 7816-4, 7.1.1). */
export function select(card: GpCard, { p1, p2, data }: Apdu): Answer {
  if (p1 !== 0x04 || (p2 !== 0x00 && p2 !== 0x02)) return status(SW.wrongP1P2);
  const { vault, config } = card;
  const { life, applications } = vault.state;
  if (life === LIFE.terminated) return status(SW.conditionsNotSatisfied);
  const fits = (aid: Uint8Array): boolean => same(aid.subarray(0, data.length), data);
  const usable =
    life === LIFE.locked ? [] : applications.filter((app) => isSelectable(app) && !isLocked(app));
  const candidates = [
    ...(fits(config.isd) ? [undefined] : []),
    ...usable.filter((app) => data.length > 0 && fits(app.aid)),
  ];
  const whole = candidates.findIndex((app) => same(app?.aid ?? config.isd, data));
  const at = p2 === 0x02 ? candidates.findIndex((app) => app === card.selected) + 1 : Math.max(0, whole);
  if (at >= candidates.length) return status(SW.fileNotFound);
  const app = candidates[at];
  card.select(app);
  const told = app === undefined ? undefined : appletOf(app).selected?.(card, app);
  if (app !== undefined && told?.template !== undefined) return answer(fciOf(app, told.template), told.sw);
  if (app !== undefined)
    return answer(item(0x6f, item(0x84, app.aid), item(0xa5, item(0x9f65, [commandRoom]))));
  const fci = item(
    0x6f,
    item(0x84, config.isd),
    item(
      0xa5,
      recognition(card),
      item(0x9f6e, [0x50, 0x47, 0x61, 0x00, 0x01, 0x00]),
      item(0x9f65, [commandRoom]),
    ),
  );
  return answer(fci, life === LIFE.locked ? SW.deactivated : SW.ok);
}
