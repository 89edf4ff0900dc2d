/** The code with texts in its holes, coloured by confidence: what is shown while a fill resolves. */

import { monaco } from "./monaco";
import type { Span } from "./server";

export const SHADES = 10;

export class Canvas {
  readonly model: monaco.editor.ITextModel;
  private decorations: string[] = [];

  /** `text` with `holes`, in order, as it was when the fill was asked for. */
  constructor(
    private readonly text: string,
    private readonly holes: { start: number; end: number }[],
    language: string,
  ) {
    this.model = monaco.editor.createModel(text, language);
  }

  /** One text per hole, and the model's confidence in its parts; without, they are not coloured. */
  show(texts: string[], confidence?: Span[][]): void {
    const parts: string[] = [];
    const spans: Span[] = [];
    let at = 0;
    let length = 0;
    this.holes.forEach((hole, number) => {
      const before = this.text.slice(at, hole.start);
      const text = texts[number] ?? "";
      const start = length + before.length;
      const own = confidence?.[number] ?? [{ start: 0, end: text.length, confidence: NaN }];
      spans.push(...own.map((span) => ({ ...span, start: start + span.start, end: start + span.end })));
      parts.push(before, text);
      length = start + text.length;
      at = hole.end;
    });
    parts.push(this.text.slice(at));
    this.model.setValue(parts.join(""));
    this.decorations = this.model.deltaDecorations(this.decorations, spans.map(this.asDecoration));
  }

  /** Where the first hole is, to scroll there. */
  get start(): monaco.Position {
    return this.model.getPositionAt(this.holes[0]?.start ?? 0);
  }

  private readonly asDecoration = (span: Span): monaco.editor.IModelDeltaDecoration => {
    const plain = Number.isNaN(span.confidence);
    return {
      range: monaco.Range.fromPositions(
        this.model.getPositionAt(span.start),
        this.model.getPositionAt(span.end),
      ),
      options: {
        inlineClassName: plain ? "filled" : `filled shade-${shadeOf(span.confidence)}`,
        hoverMessage: plain ? null : { value: `confidence ${span.confidence.toFixed(2)}` },
      },
    };
  };
}

/** 0 for the least confidence to SHADES - 1 for the most. */
export function shadeOf(confidence: number): number {
  return Math.max(0, Math.min(SHADES - 1, Math.floor(confidence * SHADES)));
}

/** Of a draft as a whole: the mean over its characters. */
export function meanConfidence(spans: Span[][]): number {
  const all = spans.flat();
  const characters = all.reduce((sum, span) => sum + span.end - span.start, 0);
  const weighted = all.reduce((sum, span) => sum + (span.end - span.start) * span.confidence, 0);
  return characters === 0 ? 0 : weighted / characters;
}
