import { expect, it } from 'vitest';
import { type Line, type Run, clipped, layout } from '../src/layout';
import type { Span } from '../src/protocol';

const run = (width: number, sureness: Run['sureness']): Run => ({ width, sureness });
const line = (text: string, width: number, ...runs: Run[]): Line => ({ text, width, runs });

const CASES: { name: string; text: string; spans: Span[]; lines: Line[] }[] = [
  { name: 'nothing', text: '', spans: [], lines: [line('', 0)] },
  {
    name: 'what no span covers is sure',
    text: 'ab',
    spans: [],
    lines: [line('ab', 2, run(2, 'sure'))],
  },
  {
    name: 'a colour for each span',
    text: 'abcdef',
    spans: [
      { start: 0, end: 2, confidence: 0.95 },
      { start: 2, end: 4, confidence: 0.6 },
      { start: 4, end: 6, confidence: 0.1 },
    ],
    lines: [line('abcdef', 6, run(2, 'sure'), run(2, 'likely'), run(2, 'unsure'))],
  },
  {
    name: 'like neighbours are one run',
    text: 'abcd',
    spans: [
      { start: 0, end: 2, confidence: 0.1 },
      { start: 2, end: 4, confidence: 0.2 },
    ],
    lines: [line('abcd', 4, run(4, 'unsure'))],
  },
  {
    name: 'a span goes on over line ends of two characters',
    text: 'a\r\nbc',
    spans: [{ start: 0, end: 4, confidence: 0 }],
    lines: [line('a', 1, run(1, 'unsure')), line('bc', 2, run(1, 'unsure'), run(1, 'sure'))],
  },
  {
    name: 'an emoji is two units long and two columns wide',
    text: '🎉x',
    spans: [{ start: 0, end: 2, confidence: 0 }],
    lines: [line('🎉x', 3, run(2, 'unsure'), run(1, 'sure'))],
  },
  {
    name: 'an accent of its own has no width',
    text: 'e\u0301x',
    spans: [],
    lines: [line('e\u0301x', 2, run(2, 'sure'))],
  },
  {
    name: 'tabs go to the next stop',
    text: '\ta\tb',
    spans: [],
    lines: [line('    a   b', 9, run(9, 'sure'))],
  },
  {
    name: 'an empty line in the middle',
    text: 'a\n\nb',
    spans: [],
    lines: [line('a', 1, run(1, 'sure')), line('', 0), line('b', 1, run(1, 'sure'))],
  },
];

it.each(CASES)('$name', ({ text, spans, lines }) => {
  expect(layout(text, spans, 4)).toEqual(lines);
});

it.each([
  { rows: 1, texts: ['a …'] },
  { rows: 2, texts: ['a', 'b …'] },
  { rows: 3, texts: ['a', 'b', 'c'] },
  { rows: Number.POSITIVE_INFINITY, texts: ['a', 'b', 'c'] },
])('$rows lines of three', ({ rows, texts }) => {
  expect(clipped(layout('a\nb\nc', [], 4), rows).map(({ text }) => text)).toEqual(texts);
});
