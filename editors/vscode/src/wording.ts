/** What the status bar says, in words and without the editor. */

import type { Status } from './protocol';

/** The server's process, apart from the engine behind it. */
export type Life = 'missing' | 'starting' | 'running' | 'waiting' | 'stopped';

export interface Facts {
  readonly life: Life;
  readonly status: Status | undefined;
  /** Of the last answer that had something to show, in milliseconds. */
  readonly latency: number | undefined;
  readonly onlyWhenAsked: boolean;
  /** Why there is no server, where there is none. */
  readonly problem: string;
}

export interface Wording {
  readonly icon: string;
  readonly text: string;
  readonly rows: readonly (readonly [string, string])[];
  readonly isBad: boolean;
}

export function wording(facts: Facts): Wording {
  const { status, latency } = facts;
  const { icon, says, brief, isBad } = state(facts);
  const model = status === undefined ? undefined : nameOf(status.model);
  const where = [model, status?.device].filter((part) => part != null).join(' on ');
  const took = latency === undefined ? undefined : duration(latency);
  const quiet = quietness(facts);
  const parts = isBad || status === undefined ? ['infill', brief] : [where, brief, quiet ?? took];
  const text = parts.filter((part) => part !== undefined).join(' · ');
  const rows: [string, string][] = [['State', says]];
  if (status !== undefined) {
    rows.push(['Model', status.model], ['Device', status.device ?? 'not known yet']);
    rows.push(...asked(status));
  }
  rows.push(['Last fill', took ?? 'none yet']);
  if (status?.quiet != null) {
    rows.push(['Last pause', `nothing was shown: ${status.quiet.reason}`]);
  }
  rows.push(['Shows fills', facts.onlyWhenAsked ? 'only when asked' : 'while you type']);
  return { icon, text, rows, isBad };
}

/** How a server is asked; nothing of a model that is run here. */
function asked({ way, why, better, confidence }: Status): [string, string][] {
  const rows: [string, string | null | undefined][] = [
    ['Asked by', way],
    ['Why so', why],
    ['Better', better],
    ['Confidence', confidence],
  ];
  return way ? rows.filter((row): row is [string, string] => Boolean(row[1])) : [];
}

/** A folder by its last name. */
export function nameOf(model: string): string {
  return (
    model
      .replace(/[\\/]+$/, '')
      .split(/[\\/]/)
      .at(-1) ?? model
  );
}

function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** Of a silence that another threshold would have ended: the two numbers. */
function quietness({ status, onlyWhenAsked }: Facts): string | undefined {
  const { confidence, needed } = status?.quiet ?? {};
  if (status?.state !== 'ready' || onlyWhenAsked || confidence == null || needed == null) {
    return undefined;
  }
  return `quiet: ${confidence.toFixed(2)} is under ${needed.toFixed(2)}`;
}

/** `brief` is what the item itself says of a state in which it cannot fill. */
function state({ life, status, problem, onlyWhenAsked }: Facts): {
  icon: string;
  says: string;
  brief?: string;
  isBad: boolean;
} {
  if (life === 'missing') {
    return { icon: 'warning', says: problem, brief: 'no server: click to install', isBad: true };
  }
  if (life === 'stopped') {
    return { icon: 'warning', says: problem || 'stopped', brief: 'the server ends', isBad: true };
  }
  if (life === 'waiting') {
    return { icon: 'sync~spin', says: problem, brief: 'restarting', isBad: true };
  }
  if (life === 'starting' || status === undefined) {
    return { icon: 'loading~spin', says: 'starting', brief: 'starting', isBad: false };
  }
  switch (status.state) {
    case 'starting':
      return { icon: 'loading~spin', says: 'loading the model', brief: 'loading', isBad: false };
    case 'filling':
      return { icon: 'sync~spin', says: 'filling', isBad: false };
    case 'paused':
      return { icon: 'debug-pause', says: 'paused', brief: 'paused', isBad: false };
    case 'failed':
      return { icon: 'warning', says: status.message, brief: inShort(status.message), isBad: true };
    case 'ready':
      return { icon: onlyWhenAsked ? 'circle-outline' : 'sparkle', says: 'ready', isBad: false };
  }
}

/** The cause, without the fix after it: the whole is a click away. */
function inShort(message: string): string {
  const [cause = ''] = message.split(/[:;.\n]/);
  return cause.length > 40 ? `${cause.slice(0, 39)}…` : cause;
}
