/** The holes of the code: ranges that move with the text while it is edited. */

import { monaco } from "./monaco";

const MARK = "???";

export class Holes {
  private ids: string[] = [];

  constructor(
    private readonly model: monaco.editor.ITextModel,
    private readonly onChange: () => void,
  ) {
    model.onDidChangeContent(() => this.takeMarks());
  }

  /** In the order of the text. */
  ranges(): monaco.Range[] {
    return this.ids
      .map((id) => this.model.getDecorationRange(id))
      .filter((range) => range !== null)
      .sort(monaco.Range.compareRangesUsingStarts);
  }

  /** A hole that touches another one becomes one with it. */
  add(range: monaco.Range): void {
    let whole = range;
    const others = this.ranges().filter((other) => {
      const touches = monaco.Range.areIntersectingOrTouching(whole, other);
      if (touches) whole = monaco.Range.plusRange(whole, other);
      return !touches;
    });
    this.set([...others, whole]);
  }

  clear(): void {
    this.set([]);
  }

  /** Every mark in the text becomes a hole. */
  takeMarks(): void {
    const marks = this.model.findMatches(MARK, false, false, true, null, false);
    if (marks.length === 0) return;
    const starts = marks.map((mark) => this.model.getOffsetAt(mark.range.getStartPosition()));
    this.model.applyEdits(marks.map((mark) => ({ range: mark.range, text: "" })));
    starts.forEach((start, number) => {
      const position = this.model.getPositionAt(start - number * MARK.length);
      this.add(monaco.Range.fromPositions(position));
    });
  }

  private set(ranges: monaco.Range[]): void {
    const sorted = ranges.sort(monaco.Range.compareRangesUsingStarts);
    this.ids = this.model.deltaDecorations(this.ids, sorted.map(asDecoration));
    this.onChange();
  }
}

function asDecoration(range: monaco.Range, number: number): monaco.editor.IModelDeltaDecoration {
  return {
    range,
    options: {
      stickiness: monaco.editor.TrackedRangeStickiness.NeverGrowsWhenTypingAtEdges,
      showIfCollapsed: true,
      inlineClassName: "hole",
      after: { content: ` hole ${number + 1} `, inlineClassName: "hole-label" },
      overviewRuler: { color: "#d9a441", position: monaco.editor.OverviewRulerLane.Full },
    },
  };
}
