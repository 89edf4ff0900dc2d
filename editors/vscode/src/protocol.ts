/** What the server says beyond LSP: the canvas after each denoising step, and its state. */

import { NotificationType, type Range } from 'vscode-languageclient/node';

/** A stretch of a draft's text, in UTF-16 units, and how sure the model is of it: 0 to 1. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly confidence: number;
}

/** One hole of a fill after `step` of `of` steps. `done` comes once, however the fill has ended. */
export interface Draft {
  readonly id: number;
  readonly uri: string;
  readonly version: number;
  readonly hole: number;
  readonly holes: number;
  readonly range: Range;
  readonly text: string;
  readonly step: number;
  readonly of: number;
  readonly confidence: readonly Span[];
  readonly done: boolean;
  /** How what is put in differs from the last draft, in words; mostly empty. */
  readonly note?: string;
}

export type State = 'starting' | 'ready' | 'filling' | 'paused' | 'failed';

export interface Status {
  readonly state: State;
  readonly model: string;
  readonly device: string | null;
  /** Why it has failed, and what mends it; empty in every other state. */
  readonly message: string;
  /** How a server is asked, why so, and what would be better; empty for a model that is run here,
      and absent from older servers. */
  readonly way?: string;
  readonly why?: string;
  readonly better?: string;
  /** What confidences are worth: 'calibrated', 'not calibrated', 'unknown'; null until known. */
  readonly confidence?: string | null;
  /** Why nothing was shown at the last pause; absent or null where something was. */
  readonly quiet?: Quiet | null;
}

/** `confidence` and `needed` where the first was under the second. */
export interface Quiet {
  readonly reason: string;
  readonly confidence: number | null;
  readonly needed: number | null;
}

export const DRAFT = new NotificationType<Draft>('infill/draft');
export const STATUS = new NotificationType<Status>('infill/status');
