/** Words of the mailing that accounts, stations and command line share. */
import type { RejectCode, Serial } from "@persoline/card/program";

export interface Carrier {
  /** The number that its code holds: tells neither person nor card. */
  readonly carrier: string;
  readonly order: string;
  readonly record: number;
  /** The attempt at the card that it is for. */
  readonly attempt: number;
  /** Its file and its page there, from 1. */
  readonly batch: string;
  readonly page: number;
  /** `numbered`: its file is not written yet. `fixing`: the mailer was told to fix its card and has not said that it did. */
  readonly state: "numbered" | "printed" | "fixing" | "mailed" | "void";
  readonly voidReason?: string;
}

/** The card and the carrier that come next at the mailer. */
export interface Due {
  readonly record: number;
  readonly serial: Serial;
  readonly attempt: number;
  readonly carrier: string;
}

/** What lay at the mailer's fixing place when it stopped, as far as somebody knows. */
export interface Apart {
  readonly order: string;
  readonly carrier?: string;
  readonly serial?: Serial;
  readonly code: Extract<RejectCode, "carrier-mismatch" | "interrupted">;
  /** Into the audit, for good: no personal data. */
  readonly reason: string;
}

/** What was cancelled: what is mailed or delivered already stays as it is. */
export interface Cancelled {
  readonly carrier: boolean;
  readonly card: boolean;
}

/** What the mailing asks of the accounts. Every call is one transaction and durable when it resolves. */
export interface MailingAccounts {
  /**
   * The record to be mailed next: the first of the input that has a good card and is not mailed; undefined when all are. Throws AccountsProblem
   * ("wrong-state") while the order is not produced, for the output keeps the input's order, and when its carrier is not printed.
   */
  next(order: string): Promise<Due | undefined>;
  /** The mailer is about to fix this card to this carrier. Throws AccountsProblem unless both are what is due next. */
  fixing(due: Pick<Due, "carrier" | "serial">): Promise<void>;
  /** It did. */
  mailed(carrier: string): Promise<void>;
  /** Told to fix, and nobody knows whether it did. */
  unknown(order: string): Promise<Due | undefined>;
  /** Both are kept apart: the carrier is void, the card rejected and its record made anew; the audit tells it in any case. */
  apart(ask: Apart): Promise<Cancelled>;
}
