/** A draft as lines of coloured runs: what canvas.ts draws. Knows nothing of the editor. */

import type { Span } from './protocol';

/** From what the model may still change to what it will hardly change any more. */
export type Sureness = 'unsure' | 'likely' | 'sure';

/** `width` columns of a line, all of one colour. */
export interface Run {
  readonly width: number;
  readonly sureness: Sureness;
}

export interface Line {
  readonly text: string;
  readonly width: number;
  readonly runs: readonly Run[];
}

const LIKELY = 0.5;
/** After the last line that is shown of more. */
const MORE = ' …';
const SURE = 0.9;

/** What no span covers is written by no model, and so is sure. Tabs become spaces. */
export function layout(text: string, spans: readonly Span[], tabSize: number): Line[] {
  const lines: Line[] = [];
  let offset = 0;
  for (const line of text.split(/(\r\n|\n|\r)/)) {
    if (!/^[\r\n]/.test(line)) {
      lines.push(lineOf(line, offset, spans, tabSize));
    }
    offset += line.length;
  }
  return lines;
}

/** At most `rows` lines; the last of them says where there are more. */
export function clipped(lines: readonly Line[], rows: number): Line[] {
  if (lines.length <= rows) {
    return [...lines];
  }
  const kept = lines.slice(0, rows);
  const last = kept.at(-1);
  if (last !== undefined) {
    const runs: Run[] = [...last.runs, { width: MORE.length, sureness: 'unsure' }];
    kept[rows - 1] = { text: last.text + MORE, width: last.width + MORE.length, runs };
  }
  return kept;
}

export function surenessOf(confidence: number): Sureness {
  return confidence >= SURE ? 'sure' : confidence >= LIKELY ? 'likely' : 'unsure';
}

function lineOf(line: string, start: number, spans: readonly Span[], tabSize: number): Line {
  const runs: Run[] = [];
  let shown = '';
  let column = 0;
  let offset = start;
  for (const character of line) {
    const span = spans.find(({ start, end }) => start <= offset && offset < end);
    const sureness = surenessOf(span?.confidence ?? 1);
    const width = character === '\t' ? tabSize - (column % tabSize) : widthOf(character);
    const last = runs.at(-1);
    if (last?.sureness === sureness) {
      runs[runs.length - 1] = { width: last.width + width, sureness };
    } else {
      runs.push({ width, sureness });
    }
    shown += character === '\t' ? ' '.repeat(width) : character;
    column += width;
    offset += character.length;
  }
  return { text: shown, width: column, runs };
}

/** In columns of a fixed-width font, nearly: colours need no more. */
function widthOf(character: string): number {
  if (/\p{Mark}|\p{Cf}/u.test(character)) {
    return 0;
  }
  return /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u.test(
    character,
  )
    ? 2
    : 1;
}
