/**
 * What the journal's notes keep of a card's way besides the way itself, and what is made of it after a kill: the report is as whole as
 * without one. JSON, in the shape of `CardHistory`; nothing personal, nothing secret.
 */
import type { CardHistory, JournalState } from "../ledger/types.js";
import type { CardInWork, Verdict } from "./station.js";

type News = Partial<CardHistory>;

/** What was seen since the card's last note, for the next one; it counts as noted from now on. */
function newsOf(card: CardInWork): News | undefined {
  const { noted, pictures } = card;
  const times = card.times.slice(noted.times);
  const findings = card.findings.slice(noted.findings);
  const taken = pictures === noted.pictures ? undefined : pictures;
  card.noted = { times: card.times.length, findings: card.findings.length, pictures };
  if (times.length === 0 && findings.length === 0 && taken === undefined) return undefined;
  return {
    ...(times.length === 0 ? {} : { times }),
    ...(findings.length === 0 ? {} : { findings }),
    ...(taken === undefined ? {} : { pictures: taken }),
  };
}

/** For a note `passed`: its detail, if there is anything to tell. */
export function passedDetail(card: CardInWork): { readonly detail?: string } {
  const news = newsOf(card);
  return news === undefined ? {} : { detail: JSON.stringify(news) };
}

/** For a note `rejected`. */
export const rejectedDetail = (card: CardInWork, { code, detail }: Verdict): string =>
  JSON.stringify({ code, detail, ...newsOf(card) });

/** Gives a card that is taken up what the journal kept of it. */
export function remind(
  card: CardInWork,
  { history, rejected, failed }: Pick<JournalState, "history" | "rejected" | "failed">,
): void {
  for (const detail of history) take(card, JSON.parse(detail) as News);
  if (rejected !== undefined) {
    const { code, detail, ...news } = JSON.parse(rejected.detail) as News & Omit<Verdict, "station">;
    card.verdict = { station: rejected.station, code, detail };
    take(card, news);
  } else if (failed !== undefined) {
    const { station, code } = failed;
    // Written by this program. Asked again, a card might lose another try, or be taken for good.
    card.verdict = { station, code: code as Verdict["code"], detail: "found so before the interruption" };
  }
  card.noted = { times: card.times.length, findings: card.findings.length, pictures: card.pictures };
}

function take(card: CardInWork, { times = [], findings = [], pictures }: News): void {
  card.times.push(...times);
  card.findings.push(...findings);
  if (pictures !== undefined) card.pictures = pictures;
}
